"""Paths of stochastic differential equations: orders, the Ito reading, covariances of every rank, targets."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import sympy
from integration_cases import AT, CORRELATED, MULTIPLICATIVE, a, b, paths, sde, x, y
from scipy.linalg.lapack import dpstrf

from numerics import EulerMaruyama, Milstein, Precision, compare, fit_exponent, solve
from numerics.random import Purpose, normal_block
from numerics.semidefinite import semidefinite_factor
from numerics.templates.sde import noise_obstacle
from theory import ODE, symbols
from theory.expectation.quadrature import GaussianQuadrature

BROWNIAN = sde({x: sympy.S.Zero}, [[1]])


def final(equations, method, **options):
    return paths(equations, method, **options)["x"].values[:, -1]


# ------------------------------------------------------------------------------------------------------------- orders

FINE, STEPS, REPLICAS = 256, np.array([8, 16, 32, 64, 128]), 10_000


@cache
def along_one_path(method, drift):
    """Exact solution at time 1, shape (path,), and the numerical ones, shape (steps, path), along the same Brownian paths.

    With unit noise and no drift, the seed's paths on the finest grid end at the Brownian motion itself.
    """
    brownian = final(BROWNIAN, EulerMaruyama(steps=FINE), replicas=REPLICAS, start={x: 0.0})
    at = {a: drift, b: AT[b]}
    found = [final(MULTIPLICATIVE, method(steps=int(k), brownian_steps=FINE), replicas=REPLICAS, at=at) for k in STEPS]
    return np.exp(drift - AT[b] ** 2 / 2 + AT[b] * brownian), np.stack(found)


@pytest.mark.parametrize("method", [EulerMaruyama, Milstein])
def test_the_strong_order_of_a_method_is_the_one_it_states(method):
    """The mean square error has a closed form: one step multiplies E u_k^2, E u_k u and E u^2 by known factors.

    Without drift: with it, the error of the drift is of order 1 and hides order 1/2 until the steps are tiny.
    """
    exact, found = along_one_path(method, 0.0)
    squares = (found - exact) ** 2
    mean, error = squares.mean(axis=1), squares.std(axis=1, ddof=1) / np.sqrt(REPLICAS)
    step, noise = 1 / STEPS, AT[b] ** 2
    second = noise**2 * step**2 / 2 if method is Milstein else 0
    known = (1 + noise * step + second) ** STEPS - 2 * (1 + noise * step + second) ** STEPS + np.exp(noise)
    assert (np.abs(mean - known) < 5 * error).all()
    fit = fit_exponent(STEPS, np.sqrt(mean), error / (2 * np.sqrt(mean)), correction_power=1)
    assert abs(fit.exponent + method.strong_order) < 5 * fit.standard_error
    assert fit.standard_error < 0.05


@pytest.mark.parametrize("method", [EulerMaruyama, Milstein])
@pytest.mark.parametrize("power", [1, 2])
def test_the_weak_order_of_both_methods_is_one(method, power):
    """E u^p - E u_k^p ~ step; along one path the two differ little, so that few paths measure the difference."""
    exact, found = along_one_path(method, 1.0)
    differences = exact**power - found**power
    mean, error = differences.mean(axis=1), differences.std(axis=1, ddof=1) / np.sqrt(REPLICAS)
    fit = fit_exponent(STEPS, mean, error, correction_power=1)
    assert abs(fit.exponent + method.order) < 5 * fit.standard_error
    assert fit.standard_error < 0.1


def test_the_equation_is_read_in_the_sense_of_ito():
    """Euler-Maruyama has E u = (1 + a dt)^n and E u^2 = ((1 + a dt)^2 + b^2 dt)^n exactly; Stratonovich adds b^2/2 to a."""
    count, size = 20_000, 128
    end = paths(MULTIPLICATIVE, EulerMaruyama(steps=size), replicas=count)
    mean, square = (1 + 1 / size) ** size, ((1 + 1 / size) ** 2 + 0.25 / size) ** size
    for found, expected, ito, stratonovich in (
        (end["x"].values[:, 0], mean, np.exp(1), np.exp(1 + 0.125)),
        (end["square"].values[:, 0], square, np.exp(2.25), np.exp(2.25 + 0.25)),
    ):
        error = found.std(ddof=1) / np.sqrt(count)
        assert abs(found.mean() - expected) < 5 * error
        assert abs(found.mean() - ito) < 5 * error + abs(expected - ito)
        assert stratonovich - found.mean() > 10 * error


# ------------------------------------------------------------------------------------------------ against plain NumPy


def plain(drift, covariance, start, replica, steps, seed):
    """Euler-Maruyama in plain NumPy with the same normals, the root by LAPACK's pivoted Cholesky."""
    u, step = np.array(start, dtype=float), 1 / steps
    for k in range(steps):
        sigma = np.array(covariance(*u), dtype=float)
        factor, pivots, rank, _ = dpstrf(sigma, lower=1, tol=64 * 2.0**-52 * np.diag(sigma).max())
        factor = np.tril(factor)
        factor[:, rank:] = 0
        root = np.empty_like(factor)
        root[pivots - 1] = factor
        normals = np.array(normal_block(seed, 0, replica, k, 0, int(Purpose.NOISE)))[: len(u)]
        u = u + step * np.array(drift(*u)) + np.sqrt(step) * root @ normals
    return u


def test_paths_are_those_of_a_plain_implementation_fed_with_the_same_normals():
    found = paths(CORRELATED, EulerMaruyama(steps=25), replicas=6, start={x: 0.5, y: -1.0})
    for replica in range(6):
        expected = plain(lambda u, v: (-u, u - v), lambda u, v: [[1 + u**2, 0.5 * u], [0.5 * u, 0.25]], [0.5, -1.0],
                         replica, 25, 11)  # fmt: skip
        np.testing.assert_allclose([found["x"][replica, -1], found["y"][replica, -1]], expected, rtol=1e-11)


def test_coarse_increments_are_the_sums_of_fine_ones():
    """Unit noise without drift: every grid ends at the same point, and visits the same points."""
    fine = paths(BROWNIAN, EulerMaruyama(steps=64), replicas=5, start={x: 0.0}, times=np.linspace(0, 1, 9))
    for steps in (8, 16):
        coarse = paths(BROWNIAN, EulerMaruyama(steps=steps, brownian_steps=64), replicas=5, start={x: 0.0},
                       times=np.linspace(0, 1, 9))  # fmt: skip
        np.testing.assert_allclose(coarse["x"], fine["x"], atol=1e-14)


# -------------------------------------------------------------------------------------------------- covariances


def test_a_linear_equation_has_the_covariance_of_the_small_noise_expansion_which_is_exact_there():
    linear = sde({x: -x, y: a * x - y}, [[1, b], [b, b**2 + 0.5]])
    count, steps = 8000, 200
    end = paths(linear, EulerMaruyama(steps=steps), replicas=count)
    theory = solve(linear, at=AT, start={x: 1.0, y: 1.0}, until=1, times=[1.0])
    sample = np.stack([end["x"].values[:, 0], end["y"].values[:, 0]])
    first, mixed, second = (float(theory[name][0]) for name in ("x_variance", "x_y_covariance", "y_variance"))
    exact = np.array([[first, mixed], [mixed, second]])
    error = np.sqrt((np.outer(np.diag(exact), np.diag(exact)) + exact**2) / count)
    # the bias of a variance is of first order in the step, here at most twice the step times the variance
    assert (np.abs(np.cov(sample) - exact) < 5 * error + 2 / steps * np.abs(exact)).all()


c = symbols("c")
# singular at b = 4, not positive semidefinite at b = 1, zero at a = b = 0
FAMILY = sde({x: -c * x, y: c * x}, [[a * (x**2 + 1), 2 * a * (x**2 + 1)], [2 * a * (x**2 + 1), b * (x**2 + 1)]])


def test_singular_and_vanishing_covariances_leave_what_has_no_noise_alone():
    request = {"method": EulerMaruyama(steps=50), "replicas": 20}
    found = paths(FAMILY, at={a: 1.0, b: 4.0, c: 0.0}, start={x: 0.0, y: 0.0}, **request)
    np.testing.assert_allclose(found["y"], 2 * found["x"], rtol=1e-12)
    assert found["x"].std() > 0.1
    assert (found["clamped_steps"] == 0).all()
    still = paths(FAMILY, at={a: 0.0, b: 0.0, c: 1.0}, **request)
    np.testing.assert_allclose(still["x"], (1 - 1 / 50) ** 50, rtol=1e-13)
    none = paths(sde({x: -x, y: x}, [[0, 0], [0, 0]]), **request)
    np.testing.assert_allclose(none["x"], (1 - 1 / 50) ** 50, rtol=1e-13)


def test_a_covariance_that_is_not_positive_semidefinite_is_clamped_and_counted():
    steps = 20
    indefinite = paths(FAMILY, EulerMaruyama(steps=steps), at={a: 1.0, b: 1.0, c: 0.0}, replicas=3)
    assert (indefinite["clamped_steps"] == steps).all()
    diagonal = sde({x: -sympy.S.One, y: sympy.S.Zero}, [[x, 0], [0, sympy.log(y)]])
    below = paths(diagonal, EulerMaruyama(steps=steps), replicas=3, start={x: -1.0, y: 1.0})
    assert (below["clamped_steps"] == steps).all()
    np.testing.assert_allclose(below["x"], -2, rtol=1e-14)
    undefined = paths(diagonal, EulerMaruyama(steps=steps), replicas=3, start={x: 1.0, y: -1.0})
    assert undefined["diverged"].all()
    assert (undefined["diverged_step"] == 0).all()


rng = np.random.default_rng(5)


@pytest.mark.parametrize("rank", [0, 1, 3, 5])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_factor_multiplies_back_for_every_rank(rank, dtype):
    root = rng.normal(size=(5, rank))
    matrix = (root @ root.T).astype(dtype)
    factor, tolerance = np.empty_like(matrix), dtype(64 * np.finfo(dtype).eps)
    assert semidefinite_factor(matrix.copy(), factor, tolerance)
    np.testing.assert_allclose(factor @ factor.T, matrix, atol=200 * np.finfo(dtype).eps * max(1, np.abs(matrix).max()))
    assert (np.abs(factor).max(axis=0) > 0).sum() == rank


def test_what_is_no_covariance_is_seen():
    factor = np.empty((2, 2))
    for matrix in ([[-1, 0], [0, 1]], [[0, 1], [1, 0]], [[1, 2], [2, 1]]):
        assert not semidefinite_factor(np.array(matrix, dtype=float), factor, 1e-14)
        assert np.isfinite(factor).all()
    semidefinite_factor(np.array([[1, 0], [np.nan, 1]]), factor, 1e-14)
    assert np.isnan(factor).all()


# ------------------------------------------------------------------------------------------------------ the results


def test_paths_stand_where_compare_takes_a_simulation():
    at, request = {a: -0.5, b: 0.3}, {"start": {x: 1.0}, "until": 1, "times": np.linspace(0, 1, 5)}
    found = solve(MULTIPLICATIVE, at=at, **request, method=Milstein(steps=400), replicas=4000, seed=2)
    assert found["x"].dims == found["square"].dims == ("replica", "time")
    np.testing.assert_allclose(found["square"], found["x"] ** 2, rtol=1e-14)
    mean = solve(ODE(rates={x: a * x}), at={a: -0.5}, **request)
    agreement = compare(mean, found)
    assert agreement.agrees, agreement.summary()
    assert agreement.replicas == 4000
    wrong = solve(ODE(rates={x: (a + 0.045) * x}), at={a: -0.5}, **request)  # as a Stratonovich reading would have it
    assert not compare(wrong, found).agrees


def test_a_path_that_explodes_is_marked_and_recorded_no_further():
    found = paths(
        MULTIPLICATIVE, EulerMaruyama(steps=100), replicas=5, at={a: 1e7, b: 0.1}, times=np.linspace(0, 1, 41)
    )
    assert found["diverged"].all()
    for replica in range(5):
        after = found["time"].values > 0.01 * (int(found["diverged_step"][replica]) + 0.5)
        assert np.isnan(found["x"][replica][after]).all()
        assert np.isfinite(found["x"][replica][~after]).all()


def test_neither_threads_nor_other_replicas_change_a_bit():
    many = paths(CORRELATED, EulerMaruyama(steps=25), replicas=33, threads=3)
    few = paths(CORRELATED, EulerMaruyama(steps=25), replicas=5, threads=1)
    assert (many["x"].values[:5] == few["x"].values).all()
    assert (many["y"].values[:5] == few["y"].values).all()
    assert not (paths(CORRELATED, EulerMaruyama(steps=25), replicas=5, seed=12)["x"].values == few["x"].values).any()


def test_an_ensemble_has_replicas_of_every_trajectory():
    at = {a: [-0.5, 0.5], b: 0.0}
    found = solve(MULTIPLICATIVE, at=at, start={x: 1.0}, until=1, method=Milstein(steps=100), replicas=3, times=[1.0])
    assert dict(found["x"].sizes) == {"trajectory": 2, "replica": 3, "time": 1}
    assert found["diverged"].dims == ("trajectory", "replica")
    for k, rate in enumerate(at[a]):
        np.testing.assert_allclose(found["x"][k], (1 + rate / 100) ** 100, rtol=1e-12)


def test_a_drift_with_a_quadrature_is_followed_with_its_error():
    s = symbols("s")
    drift = GaussianQuadrature(sympy.tanh(s + x), [s], [[1]]) - x
    found = paths(sde({x: drift}, [[b**2]]), EulerMaruyama(steps=10), replicas=2, precision=Precision.FLOAT32)
    assert found["x_error"].shape == found["x"].shape
    assert (found["x_error"] < 20 * Precision.FLOAT32.epsilon).all()


def test_where_milstein_reaches_its_order_is_decided_by_the_covariance():
    assert noise_obstacle(sde({x: y, y: x}, [[x**2, 0], [0, y]])) is None
    assert noise_obstacle(sde({x: y, y: x}, [[x * y, 0], [0, 0]])) is None
    assert "depends on y" in noise_obstacle(sde({x: y, y: x}, [[x * y, 0], [0, 1]]))
    assert "correlated" in noise_obstacle(CORRELATED)
    s = symbols("s")
    assert "quadrature" in noise_obstacle(sde({x: x}, [[GaussianQuadrature(sympy.tanh(s * x) ** 2, [s], [[1]])]]))


def test_milstein_on_two_independent_noises_is_milstein_on_each():
    alone = paths(MULTIPLICATIVE, Milstein(steps=20), replicas=4)
    both = paths(sde({x: a * x, y: -y}, [[b**2 * x**2, 0], [0, y]]), Milstein(steps=20), replicas=4)
    np.testing.assert_allclose(both["x"], alone["x"], rtol=1e-13)
