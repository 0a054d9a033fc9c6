"""Generated integrators of ordinary differential equations: order, error control, dense output, failures, targets."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import sympy
from integration_cases import CYCLE, METHODS, SINGULAR, SPREAD, a, pair, x, y
from scipy.integrate import RK45, solve_ivp
from scipy.linalg import expm

from numerics import DormandPrince, RungeKutta4, Stiff, fit_exponent, solve
from numerics.templates.arrays import array_function
from numerics.templates.ode import (
    CLASSICAL,
    DENSE,
    DORMAND_PRINCE,
    ERROR,
    Failure,
    dormand_prince_program,
)
from theory import ODE, SGD, Model, Normal, Vector, dot, scaling_limit, symbols
from theory.errors import InvalidRequest
from theory.expectation.quadrature import GaussianQuadrature


def on_the_cycle(times, rate=1.0, radius=0.3):
    """The exact solution from (radius, 0), shape (2, time)."""
    r = 1 / np.sqrt(1 + (radius**-2 - 1) * np.exp(-2 * rate * np.asarray(times)))
    return np.stack([r * np.cos(times), r * np.sin(times)])


# ------------------------------------------------------------------------------------------------------------- order


def trees(order):
    """Rooted trees with `order` nodes, as sorted tuples of subtrees."""
    if order == 1:
        return {()}
    found = set()
    for size in range(1, order):  # a first branch of that size, beside the branches of a smaller tree
        found |= {tuple(sorted((first, *rest))) for first in trees(size) for rest in trees(order - size)}
    return found


def density(tree):
    """The number of nodes, and the density, of a rooted tree."""
    below = [density(branch) for branch in tree]
    size = 1 + sum(count for count, _ in below)
    return size, size * int(np.prod([value for _, value in below], dtype=object))


def weight(tree, rows):
    """The vector of elementary weights of a tree at every stage, for a tableau given by its rows."""
    stages = len(rows) + 1
    value = [Fraction(1)] * stages
    for branch in tree:
        inner = weight(branch, rows)
        value = [
            v * sum((r * w for r, w in zip(row, inner, strict=False)), Fraction(0))
            for v, row in zip(value, ((), *rows), strict=True)
        ]
    return value


def fulfils(weights, rows, order, theta=Fraction(1)):
    """Whether sum b_i Phi_i(tree) = theta^|tree| / gamma(tree) for all trees of up to `order` nodes, exactly."""
    return all(
        sum(b * phi for b, phi in zip(weights, weight(tree, rows), strict=False))
        == theta ** density(tree)[0] / Fraction(density(tree)[1])
        for size in range(1, order + 1)
        for tree in trees(size)
    )


def test_the_coefficients_fulfil_the_order_conditions_exactly():
    assert [len(trees(k)) for k in range(1, 6)] == [1, 1, 2, 4, 9]
    assert fulfils(CLASSICAL[-1], CLASSICAL, 4)
    assert not fulfils(CLASSICAL[-1], CLASSICAL, 5)
    fifth = (*DORMAND_PRINCE[-1], Fraction(0))
    assert fulfils(fifth, DORMAND_PRINCE, 5)
    embedded = [b - e for b, e in zip(fifth, ERROR, strict=True)]
    assert fulfils(embedded, DORMAND_PRINCE, 4)
    assert not fulfils(embedded, DORMAND_PRINCE, 5)
    # the interpolating polynomial at a fraction of the step, by its weights
    first, last = ([Fraction(k == end) for k in range(7)] for end in (0, 6))
    for theta in (Fraction(1, 3), Fraction(4, 5)):
        dense = [
            theta * (b + (1 - theta) * (e - b + theta * (b - f - (e - b) + (1 - theta) * d)))
            for b, e, f, d in zip(fifth, first, last, DENSE, strict=True)
        ]
        assert fulfils(dense, DORMAND_PRINCE, 4, theta)


def test_the_coefficients_are_those_of_an_independent_implementation():
    np.testing.assert_allclose([float(b) for b in DORMAND_PRINCE[-1]], RK45.B, rtol=1e-15)
    np.testing.assert_allclose(np.abs([float(e) for e in ERROR]), np.abs(RK45.E), rtol=1e-13)


def test_the_classical_method_is_of_order_four_at_its_steps_and_between_them():
    steps = [20, 40, 80, 160, 320]
    for times in ([4.0], np.linspace(0, 4, 57)):
        errors = [
            np.abs(pair(solve(CYCLE, at={a: 1.0}, start={x: 0.3, y: 0.0}, until=4, times=times, method=RungeKutta4(steps=count)))
                   - on_the_cycle(times)).max() for count in steps]  # fmt: skip
        fit = fit_exponent(steps, errors, correction_power=1)
        assert abs(fit.exponent + 4) < 0.15, fit


def integrated(rates, tolerance, times, start):
    """Path (time, state) and the number of steps, by the program itself."""
    program = dormand_prince_program(rates)
    out = np.empty((len(times), len(rates.state), 1))
    failure, failed_at, count = np.empty(1, np.int64), np.empty(1), np.empty(1, np.int64)
    begin = np.array(start, dtype=float)[:, None]
    hyper = np.ones((len(rates.hyperparameters), 1))
    program.kernel.run(1, begin, hyper, np.asarray(times), *tolerance, 1000, out, failure, failed_at, count, threads=1)
    assert failure[0] == Failure.NONE
    return out[:, :, 0], int(count[0])


def test_one_adaptive_step_errs_by_h_to_the_six_at_its_end_and_h_to_the_five_inside():
    """At a coarse tolerance the whole interval is one step: the method is of order 5, its interpolation of order 4."""
    rates = array_function("rates", list(CYCLE.rates.values()), CYCLE.state, CYCLE.free_symbols)
    lengths, ends, insides = 0.16 / 2.0 ** np.arange(5), [], []
    for length in lengths:
        times = length * np.array([0.3, 0.55, 1.0])
        path, count = integrated(rates, (1e-9, 0.1), times, [0.3, 0])
        assert count == 1
        errors = np.abs(path.T - on_the_cycle(times)).max(axis=0)
        ends.append(errors[2])
        insides.append(errors[:2].max())
    assert abs(fit_exponent(1 / lengths, ends, correction_power=1).exponent + 6) < 0.15
    assert abs(fit_exponent(1 / lengths, insides, correction_power=1).exponent + 5) < 0.15


@pytest.mark.parametrize("tolerance", [1e-4, 1e-7, 1e-10])
def test_the_error_at_every_output_time_is_that_of_an_independent_implementation(tolerance):
    times = np.linspace(0, 10, 1001)
    method = DormandPrince(relative_tolerance=tolerance, absolute_tolerance=tolerance)
    path = solve(CYCLE, at={a: 1.0}, start={x: 0.3, y: 0.0}, until=10, times=times, method=method)
    other = solve_ivp(lambda t, u: (1 - u @ u) * u + [-u[1], u[0]], (0, 10), [0.3, 0], method="RK45", t_eval=times,
                      rtol=tolerance, atol=tolerance)  # fmt: skip
    exact = on_the_cycle(times)
    assert np.abs(pair(path) - exact).max() < 1.5 * np.abs(other.y - exact).max()
    np.testing.assert_allclose(path["r2"], path["x"] ** 2 + path["y"] ** 2, rtol=1e-14)


# --------------------------------------------------------------------------------------- against SciPy's integrators


def phase_retrieval():
    n, c, tau = symbols("n c tau", positive=True)
    w, v, z, xi = Vector("w", n), Vector("v", n), Vector("z", n), symbols("xi")
    loss = (dot(w, z) ** 2 - dot(v, z) ** 2 - tau * xi) ** 2 / 4
    model = Model(loss, [w], {z: Normal(), xi: Normal()}, {dot(v, v): 1})
    return scaling_limit(model, SGD(c / n), statistics={"m": dot(w, v), "q": dot(w, w)})


def test_the_scaling_limit_of_phase_retrieval_agrees_with_scipy_and_with_its_known_values():
    request = {"at": {"c": 0.05, "tau": 0.5}, "start": {"m": 0.4, "q": 0.8}, "until": 1}
    limit = phase_retrieval()
    reference = solve(limit, **request)
    for method in (DormandPrince(), Stiff()):
        path = solve(limit, **request, method=method)
        for name in ("m", "q"):
            np.testing.assert_allclose(path[name], reference[name], rtol=1e-7)
    assert path["m"].values[-1] == pytest.approx(0.8888, abs=5e-5)
    assert path["q"].values[-1] == pytest.approx(0.8823, abs=5e-5)


def test_a_quadrature_inside_the_rates_reports_its_error():
    s = symbols("s")
    rate = GaussianQuadrature(sympy.tanh(a * s + x) ** 2, [s], [[1]]) - x
    ode, request = ODE(rates={x: rate}), {"at": {a: 0.8}, "start": {x: 0.1}, "until": 2, "times": [0.5, 2.0]}
    reference = solve(ode, **request)
    path = solve(ode, **request, method=DormandPrince())
    np.testing.assert_allclose(path["x"], reference["x"], rtol=1e-7)
    assert (path["x_error"].values < 1e-7).all()
    np.testing.assert_allclose(solve(ode, **request, method=Stiff())["x"], reference["x"], rtol=1e-6)


# ------------------------------------------------------------------------------------------------------ stiff systems


def test_a_relaxation_oscillation_reaches_its_published_value():
    """Van der Pol at mu = 1000, t = 2000: the reference solution of the Bari test set for initial value problems."""
    oscillator = ODE(rates={x: y, y: a * (1 - x**2) * y - x})
    path = solve(oscillator, at={a: 1000.0}, start={x: 2.0, y: 0.0}, until=2000, times=[2000.0], method=Stiff())
    assert float(path["x"][0]) == pytest.approx(1.706167732170483, rel=1e-7)
    assert float(path["y"][0]) == pytest.approx(-0.8928097010247975e-3, rel=1e-7)
    assert path.attrs["method"] == "Radau, relative tolerance 1e-08"


def test_a_spectrum_of_nine_decades_relaxes_as_the_matrix_exponential_says():
    """x_i' = -rate_i x_i + (sum_j x_j) / 10: diagonal plus rank one, as blocks of a wide spectrum."""
    spectrum = 10.0 ** np.arange(-2, 8, 2)
    blocks = symbols("b0:5")
    ode = ODE(rates={b: -float(r) * b + sum(blocks) / 10 for b, r in zip(blocks, spectrum, strict=True)})
    start = dict.fromkeys(blocks, 1.0)
    path = solve(ode, start=start, until=3, times=[0.5, 3.0], method=Stiff())
    exact = [expm(t * (np.full((5, 5), 0.1) - np.diag(spectrum))) @ np.ones(5) for t in (0.5, 3.0)]
    np.testing.assert_allclose(np.stack([path[str(b)] for b in blocks], axis=1), exact, rtol=1e-6, atol=1e-8)


# ----------------------------------------------------------------------------------------------------------- failures


def test_a_trajectory_that_blows_up_is_reported_with_its_time_and_the_others_go_on():
    begin = np.array([0.1, 0.25, 2.0, 1.0])
    times = np.linspace(0, 2, 40)
    path = solve(SINGULAR, at={a: 1.0}, start={x: begin}, until=2, times=times)
    assert path["failed"].values.tolist() == [False, False, True, True]
    assert path.attrs["failed"] == 2
    np.testing.assert_allclose(path["failed_at"][2:], [0.5, 1.0], rtol=1e-6)
    assert np.isnan(path["failed_at"][:2]).all()
    assert path["failure"].values[2].startswith("blow-up")
    for k in range(4):
        alive = times < 1 / begin[k]
        exact = begin[k] / (1 - begin[k] * times[alive])
        np.testing.assert_allclose(path["x"][k][alive], exact, rtol=1e-5)
        assert np.isnan(path["x"][k][~alive]).all()


def test_fixed_steps_report_where_the_state_leaves_the_finite_numbers():
    """At rate 10^5 the pull of the cycle is far too stiff: the state cubes at every stage, and overflows in the first steps."""
    path = solve(CYCLE, at={a: [1.0, 1e5]}, start={x: 0.3, y: 0.0}, until=4, times=[0, 2, 4], method=METHODS["fixed"])
    assert path["failed"].values.tolist() == [False, True]
    assert 0 <= path["failed_at"].values[1] < 0.5
    assert path["failure"].values[1].startswith("not finite")
    assert path["x"].values[1][0] == 0.3
    assert np.isnan(path["x"].values[1][1:]).all()
    assert np.isfinite(path["x"].values[0]).all()


@pytest.mark.parametrize(
    ("rate", "start", "method", "says"),
    [
        (1.0, 2.0, DormandPrince(), r"beyond time 0\.5 after \d+ steps \(blow-up"),
        (1.0, 2.0, DormandPrince(maximal_steps=7), r"after 7 steps \(too many steps\); allow more"),
        (0.0, 1.0, DormandPrince(), r"beyond time 0\.61370\d* .*not finite"),
        (0.0, -1.0, DormandPrince(), "not finite at the start"),
    ],
)
def test_a_single_trajectory_that_fails_is_an_error_that_says_when_and_why(rate, start, method, says):
    """x' = -1 - sqrt(x) from 1 reaches zero, where its rate ends, at time 2 - 2 log 2."""
    with pytest.raises(InvalidRequest, match=says):
        solve(SINGULAR, at={a: rate}, start={x: start}, until=2, method=method)


def test_a_system_too_stiff_for_an_explicit_method_says_so():
    """At rate a the radius is pulled back within 1/a, to which explicit steps must keep."""
    request = {"at": {a: 1e5}, "start": {x: 0.3, y: 0.0}, "until": 4, "times": [4.0]}
    with pytest.raises(InvalidRequest, match=r"after 5000 steps \(too many steps\).*use Stiff"):
        solve(CYCLE, **request, method=DormandPrince(maximal_steps=5000))
    np.testing.assert_allclose(pair(solve(CYCLE, **request, method=Stiff()))[:, 0], [np.cos(4), np.sin(4)], atol=1e-6)


# ------------------------------------------------------------------------------------------------------------ threads


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_the_number_of_threads_changes_no_bit(method):
    one, three = (solve(CYCLE, **SPREAD, method=method, threads=threads) for threads in (1, 3))
    for name in ("x", "y", "r2"):
        assert (one[name].values == three[name].values).all()
        for k in (0, 7, 10):
            alone = solve(CYCLE, **{**SPREAD, "at": {a: float(SPREAD["at"][a][k])}}, method=method)
            assert (alone[name].values == one[name][k].values).all()
    exact = np.stack([on_the_cycle(SPREAD["times"], rate) for rate in SPREAD["at"][a]])
    np.testing.assert_allclose(np.stack([one["x"], one["y"]], axis=1), exact, atol=2e-6)
