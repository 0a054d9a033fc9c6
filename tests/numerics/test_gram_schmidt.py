"""Orthogonal tangent vectors without square roots: powers of two are taken out at any step, and change nothing else."""

from __future__ import annotations

import numpy as np
import pytest
import sympy
from map_cases import REGRESSION, b, c, eta, u, v, y

from numerics import Precision, lyapunov_spectrum
from numerics.templates.gram_schmidt import FAINT, FORMATS
from numerics.templates.tangent import size, tangent_code
from theory import SGD, HeavyBall, Model, RandomMap, dot, symbols
from theory.laws import Discrete, Normal
from theory.update import random_map
from theory.vectors import Vector


@pytest.mark.parametrize("precision", Precision)
def test_a_group_in_which_some_replicas_leave_the_safe_range_gives_all_the_same_bits(precision):
    """One draw in 40 scales a step by 2^90, another by 2^-60: lanes take powers of two out at different steps.

    The map is a product of complex numbers s (1 + i y), so both exponents are E log s + E log(1 + y^2) / 2.
    """
    scale = symbols("s", positive=True)
    up, down = (90, -60) if precision is Precision.FLOAT64 else (20, -30)
    law = Discrete({sympy.Integer(2) ** up: 0.025, sympy.Integer(2) ** down: 0.025, 1: 0.95})
    step = {u: scale * (u - y * v), v: scale * (v + y * u)}
    equations = RandomMap(update=step, draws=(((scale,), law), ((y,), Normal())))
    arguments = {"steps": 400, "burn_in": 0, "seed": 5, "precision": precision}
    found = lyapunov_spectrum(equations, replicas=64, **arguments)
    values = found["by_replica"].values
    np.testing.assert_array_equal(lyapunov_spectrum(equations, replicas=3, **arguments)["by_replica"], values[:3])
    nodes, weights = np.polynomial.hermite_e.hermegauss(200)
    exact = 0.025 * (up + down) * np.log(2) + (weights @ np.log1p(nodes**2)) / np.sqrt(2 * np.pi) / 2
    assert (np.abs(found["spectrum"].values - exact) < 5 * found["standard_error"].values).all()
    np.testing.assert_allclose(values[:, 0], values[:, 1], atol=100 * precision.epsilon)


def test_a_power_of_two_in_every_step_shifts_all_exponents_and_changes_no_digit():
    """2^9 leaves the safe range of numbers after 22 steps, 2^-9 after 8; what is taken out of a vector changes nothing else."""
    equations = RandomMap(update={q: c * e for q, e in REGRESSION.update.items()}, draws=REGRESSION.draws)
    arguments = {"steps": 300, "replicas": 5, "burn_in": 0, "seed": 7}
    reference = lyapunov_spectrum(equations, at={eta: 1.0, c: 1.0}, **arguments)["by_replica"].values
    for power in (-9, 9, 300):
        found = lyapunov_spectrum(equations, at={eta: 1.0, c: 2.0**power}, **arguments)["by_replica"].values
        np.testing.assert_allclose(found - power * np.log(2), reference, atol=4e-16 * (1 + abs(power)))


@pytest.mark.parametrize("precision", Precision)
def test_the_safe_range_is_what_its_bits_say(precision):
    """Every exponent of the format: the test of bits is a comparison, and what divides a bound is a power of two in range."""
    form, kind = FORMATS[precision], precision.dtype.type
    whole = np.dtype(form.whole).type
    for exponent in range(2 * form.bias + 1):
        number = np.array([exponent << form.mantissa | 1], whole).view(kind)[0]
        bits = number.view(whole)
        unsafe = (whole(bits - whole(form.lowest)) & whole(form.unsafe)) != 0
        power = exponent - form.bias
        assert unsafe == (not -form.safe // 4 <= power < 3 * form.safe // 4)
        if number >= form.least:
            scale = np.array([form.top - (int(bits) & form.even)], whole).view(kind)[0]
            assert scale >= np.finfo(kind).tiny
            assert 1 <= float(number) * float(scale) < 8
    smallest, largest = 2.0 ** -(form.safe // 4), 2.0 ** (3 * form.safe // 4)
    noise = FAINT * precision.epsilon
    assert (noise**2 * smallest) ** 2 > np.finfo(kind).tiny
    assert largest**2 < np.finfo(kind).max


def test_the_sizes_of_a_program_are_the_sums_of_the_sizes_of_its_jacobian():
    """Of a regression every entry of the Jacobian has one sum only, so that both count the same terms."""
    n = symbols("n", positive=True)
    weights, inputs = Vector("w", n), Vector("z", n)
    model = Model(loss=dot(weights, inputs) ** 2 / 2, parameters=[weights], data={inputs: Normal()})
    for momentum in (None, HeavyBall(b)):
        algorithm = SGD(eta) if momentum is None else SGD(eta, momentum=momentum)
        equations = random_map(model.components({n: 4}), algorithm)
        code = tangent_code(list(equations.update.values()), equations.state)
        symbols_ = sorted(set().union(*(entry.free_symbols for row in code.jacobian for entry in row)), key=str)
        values = dict(zip(symbols_, np.random.default_rng(3).normal(size=len(symbols_)), strict=True))
        for number, found in enumerate(code.sizes):
            exact = sympy.Add(*(size(row[number]) for row in code.jacobian))
            assert float(found.subs(values)) == pytest.approx(float(exact.subs(values)), rel=1e-12)
