"""Spectra of rotation-invariant blocks: quadrature against exact moments, closed forms and simulated products."""

import mpmath
import numpy as np
import pytest

from numerics.stability.matrix.determinant import determinant_exponent
from numerics.stability.matrix.one_step import spectrum_of_one_step
from numerics.stability.matrix.rotation_invariant import (
    moments_by_rotation,
    moments_of_batch,
    spectrum_by_rotation,
    top_of_batch,
)
from numerics.stability.runs import Runs
from numerics.stability.simulated.products import product_exponents
from tests.numerics.matrix_cases import eta, first, gaussian_regression, linearised, u, w, x, y
from theory import Discrete, Gamma, Normal
from theory.stability.matrix_formulas import plane_exponent

RUNS = Runs(steps=1500, replicas=64, seed=7)


@pytest.mark.parametrize(
    ("size", "rate", "expected"),
    [
        (3, 0.5, (-0.053658, -0.156762, -0.426524)),
        (5, 0.4, (0.036083, -0.005335, -0.045844, -0.108346, -0.290103)),
    ],
)
def test_spectra_of_isotropic_gaussian_inputs(size, rate, expected):
    block, grid = first(gaussian_regression(size), {eta: rate})
    found = spectrum_by_rotation(block, grid, size)
    assert found.values[0] == pytest.approx(expected, abs=2e-6)
    assert (found.errors < 1e-10).all()
    simulated, errors = product_exponents(block, grid, RUNS, size)
    assert (np.abs(simulated - found.values) < 5 * errors).all()


@pytest.mark.parametrize("rate", [0.05, 0.7, 0.937087371920, 3.0])
def test_the_plane_has_its_closed_form(rate):
    block, grid = first(gaussian_regression(2), {eta: rate})
    exact = float(plane_exponent(block).xreplace({eta: mpmath.mpf(rate)}).evalf(25))
    assert float(spectrum_by_rotation(block, grid, 1).values[0, 0]) == pytest.approx(exact, abs=1e-12)


@pytest.mark.parametrize(("size", "decay"), [(2, 0), (3, 0.2), (6, 0), (7, 1)])
def test_partial_sums_end_in_the_determinant(size, decay):
    block, grid = first(gaussian_regression(size, weight_decay=decay), {eta: 0.3})
    found = spectrum_by_rotation(block, grid, size)
    rule = determinant_exponent(block, grid, RUNS)
    bound = float(found.errors.sum()) + rule.errors[0]
    if size <= 6:  # a larger determinant is averaged over random steps
        assert bound < 1e-11
    assert abs(found.values.sum() - rule.values[0]) < (1 if size <= 6 else 5) * bound
    assert (np.diff(found.values[0]) < 0).all()


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("order", [2, 4])
def test_even_moments_are_those_of_gaussian_algebra(order, batch):
    """E|A e|^2 and E|A e|^4 of A = 1 - (eta/S) sum x x^T from the moments of chi-square numbers."""
    size, rate = 4, 0.25
    block, grid = first(gaussian_regression(size, batch_size=batch), {eta: rate})
    road = moments_by_rotation if batch == 1 else moments_of_batch
    step = rate / batch

    def chi(count, power):
        return float(np.prod([count + 2 * k for k in range(power)]))

    # |A e|^2 = 1 - 2 a R + a^2 (R^2 + R Q), R and Q chi-square with S and d - 1 degrees of freedom
    terms = {(0, 0): 1.0, (1, 0): -2 * step, (2, 0): step**2, (1, 1): step**2}
    square = sum(c * chi(batch, r) * chi(size - 1, q) for (r, q), c in terms.items())
    fourth = sum(
        a * b * chi(batch, r + s) * chi(size - 1, q + t) for (r, q), a in terms.items() for (s, t), b in terms.items()
    )
    found = road(block, grid, float(order))
    assert found.values[0] == pytest.approx(np.log(square if order == 2 else fourth), abs=1e-9)


def test_a_batch_of_one_is_a_single_sample():
    block, grid = first(gaussian_regression(3, weight_decay=0.1), {eta: np.array([0.2, 0.9])})
    single, batch = spectrum_by_rotation(block, grid, 1), top_of_batch(block, grid)
    assert batch.values == pytest.approx(single.values, abs=1e-11)
    assert moments_of_batch(block, grid, 0.5).values == pytest.approx(
        moments_by_rotation(block, grid, 0.5).values, abs=1e-10
    )


@pytest.mark.parametrize(("size", "batch"), [(2, 4), pytest.param(5, 3, marks=pytest.mark.slow)])
def test_batches_agree_with_independent_steps_and_with_products(size, batch):
    block, grid = first(gaussian_regression(size, batch_size=batch), {eta: 0.6})
    exact = float(top_of_batch(block, grid).values[0, 0])
    steps = spectrum_of_one_step(block, grid, size, RUNS)
    simulated, errors = product_exponents(block, grid, RUNS, size)
    assert abs(steps.values[0, 0] - exact) < 5 * steps.errors[0, 0]
    assert abs(simulated[0, 0] - exact) < 5 * errors[0, 0]
    assert (np.abs(simulated - steps.values) < 5 * np.hypot(errors, steps.errors)).all()


def test_finite_factors_are_averaged_over():
    """Curvature t x x^T with two values of t: the average of the two exponents, by E log."""
    a, b = 0.5, 2.0
    t = u.func("t", real=True)
    both = linearised(t * (u * x + w * y) ** 2 / 2, {x: Normal(), y: Normal(), t: Discrete({a: 0.25, b: 0.75})}, u, w)
    block, grid = first(both, {eta: 0.4})
    parts = [spectrum_by_rotation(*first(gaussian_regression(2), {eta: 0.4 * value}), 2).values[0] for value in (a, b)]
    assert spectrum_by_rotation(block, grid, 2).values[0] == pytest.approx(0.25 * parts[0] + 0.75 * parts[1], abs=1e-12)


def test_any_function_of_the_radius_may_multiply():
    loss = sum(((u * x + w * y) ** 2 / 2).expand().args)
    bounded = linearised(loss * (1 + x**2 + y**2), {x: Normal(), y: Normal()}, u, w)
    block, grid = first(bounded, {eta: 0.1})
    found = float(spectrum_by_rotation(block, grid, 1).values[0, 0])
    with mpmath.workdps(20):  # Lambda = E log((1 + |1 - eta (R + R^2)|)/2), R exponential of mean 2
        root = (-1 + mpmath.sqrt(41)) / 2
        exact = mpmath.quad(
            lambda r: mpmath.exp(-r / 2) / 2 * mpmath.log((1 + abs(1 - (r + r**2) / 10)) / 2), [0, root, 10, 40, 200]
        )
    assert found == pytest.approx(float(exact), abs=1e-11)


def test_roads_are_closed_where_the_law_is_not_invariant():
    block, grid = first(gaussian_regression(2, variances=[1, 2]), {eta: 0.4})
    assert spectrum_by_rotation(block, grid, 1) is None
    assert top_of_batch(block, grid) is None
    assert spectrum_of_one_step(block, grid, 1, RUNS) is None
    t = u.func("t", real=True)
    spectators, grid = first(
        linearised(t * (u * x + w * y) ** 2 / 2, {x: Normal(), y: Normal(), t: Gamma(2)}, u, w), {eta: 0.4}
    )
    assert spectrum_by_rotation(spectators, grid, 1) is None  # t is continuous
    drawn = spectrum_of_one_step(spectators, grid, 2, RUNS)
    simulated, errors = product_exponents(spectators, grid, RUNS, 2)
    assert (np.abs(simulated - drawn.values) < 5 * np.hypot(errors, drawn.errors)).all()
