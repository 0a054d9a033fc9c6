"""The kernel of right-hand sides: its values, its text, its refusals."""

from __future__ import annotations

import numpy as np
import pytest
import sympy

from numerics import generate
from numerics.generate import right_hand_side
from numerics.quadrature import rules
from theory import ODE, SDE, Boundary, RandomMap, Recurrence, Vector, dot, symbols
from theory.errors import InvalidRequest
from theory.expectation.quadrature import GaussianQuadrature

x, y, a, b = symbols("x y a b")


def values(equations, state, hyper, count):
    out = np.empty(count)
    side = right_hand_side(equations)
    generate(equations)(
        np.array(state, dtype=float), np.array(hyper, dtype=float), out, *rules(set(side.dimensions), refinement=2)
    )
    return out


def test_the_kernel_evaluates_rates_in_the_order_of_the_state():
    ode = ODE(rates={y: a * x - sympy.exp(y), x: b / y})
    np.testing.assert_allclose(values(ode, [0.5, 2.0], [3.0, 7.0], 2), [6 - np.exp(0.5), 14], rtol=1e-15)
    assert generate(ode).source == generate(ode).source


def test_an_sde_appends_its_covariance_row_by_row():
    sde = SDE(rates={x: -x, y: a}, covariance=sympy.ImmutableDenseMatrix([[x**2, b], [b, y]]))
    np.testing.assert_allclose(values(sde, [2.0, 5.0], [3.0, 0.5], 6), [-2, 3, 4, 0.5, 0.5, 5])


def test_a_recurrence_gives_the_next_state():
    np.testing.assert_allclose(values(Recurrence(update={x: a * x + 1}), [2.0], [3.0], 1), [7])


def test_inner_products_of_fixed_vectors_are_hyperparameters():
    v = Vector("v", 3)
    side = right_hand_side(ODE(rates={x: dot(v, v) * x}))
    assert side.hyperparameters == (dot(v, v),)


def test_names_that_print_alike_are_kept_apart_inside_quadratures():
    """A hyperparameter `s1` next to the bound variable `_s1`, and two whose printed names are equal."""
    one, two = sympy.Symbol("k'", real=True), sympy.Symbol("k", real=True)
    s, t, s1 = symbols("s t s1")
    inner = GaussianQuadrature(sympy.cos(t * s1 + s * two + one), [t], [[1]])
    ode = ODE(rates={x: GaussianQuadrature(inner, [s], [[1]])})
    side = right_hand_side(ode)
    at = {s1: 0.5, two: 0.8, one: 0.3}
    hyper = [at[symbol] for symbol in side.hyperparameters]
    expected = np.cos(0.3) * np.exp(-(0.25 + 0.64) / 2)
    np.testing.assert_allclose(values(ode, [0.0], hyper, 1), [expected], rtol=1e-13)


def test_what_moves_no_state_is_refused():
    with pytest.raises(InvalidRequest, match="Boundary moves no state"):
        generate(Boundary(expression=a))
    with pytest.raises(InvalidRequest, match="RandomMap"):
        generate(RandomMap(update={x: x}))
    with pytest.raises(InvalidRequest, match="tpu"):
        generate(ODE(rates={x: x}), target="tpu")
