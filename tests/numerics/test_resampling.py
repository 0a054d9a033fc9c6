"""Moment exponents by population resampling: exact values, where plain averages fail, and every way of drawing batches."""

from __future__ import annotations

from itertools import combinations, permutations

import numpy as np
import pytest
import sympy
from product_cases import FOUR, POINTS, eta, fresh_regression, grid, only_block, regression, sgd, w, x
from scipy.integrate import quad
from scipy.special import hyp2f1
from scipy.stats import chi2

from numerics.stability.matrices import AffineStep, batch_curvatures
from numerics.stability.runs import Runs
from numerics.stability.simulated.resampling import resampled_moment_exponent
from theory import Cauchy, Empirical, ExponentKind, HeavyBall, Model, Normal, Sampler, Sampling, bernoulli
from theory.errors import InvalidRequest

QUICK = Runs(steps=3000, replicas=32, seed=1)
VALUES = np.array([0.4, 1.9, 0.7, 1.2])


def exponent(block, order, *, rate, runs=QUICK):
    """L(order) and its error at one learning rate."""
    found = resampled_moment_exponent(block, grid([rate]), order, runs)
    assert found.kind == (ExponentKind.MONTE_CARLO if order else ExponentKind.CLOSED_FORM)
    return float(found.values[0]), float(found.errors[0])


def assert_agrees(block, order, exact, *, rate, largest_error, runs=QUICK):
    value, error = exponent(block, order, rate=rate, runs=runs)
    assert abs(value - exact) < 5 * error
    assert error < largest_error  # else agreement would mean nothing


def scalar(sampling):
    """A parameter whose curvature takes four values."""
    return only_block(Model(x * w**2 / 2, [w], {x: Empirical(VALUES)}), sgd(sampling))


# --------------------------------------------------------------------------------------------------------- exact values


def test_resampling_finds_the_second_moment_that_a_plain_average_misses():
    """E theta_t^2 = 2^t for the multiplier 1 - x^2 of a Gaussian x: after 100 steps the average of 10^5 runs is off by many decades."""
    block = only_block(Model((w * x) ** 2 / 2, [w], {x: Normal()}), sgd(batch_size=1))
    value, error = exponent(block, 2.0, rate=1.0, runs=Runs(steps=3000, replicas=32, seed=2))
    assert abs(value - np.log(2)) < 5 * error < 0.02
    multipliers = 1 - np.random.default_rng(0).standard_normal((100, 100_000)) ** 2
    logs = 2 * np.log(np.abs(multipliers)).sum(axis=0)
    plain = (logs.max() + np.log(np.exp(logs - logs.max()).mean())) / 100
    assert np.log(2) - plain > 0.3


@pytest.mark.parametrize(("order", "exact"), [(1, -0.01997415), (2, -0.02368311), (4, 0.00207486)])
def test_regression_on_four_points_has_the_moments_of_the_transfer_operator(order, exact):
    assert_agrees(regression(FOUR, sgd(batch_size=1)), order, exact, rate=1.4, largest_error=5e-4)


@pytest.mark.parametrize("order", [1.0, 2.5, -0.5])
def test_isotropic_regression_has_the_moments_of_rotation_invariance(order):
    """log E|1 - (2 eta R - eta^2 R^2) B|^{p/2}, R chi-square and B beta distributed: its average over B is a hypergeometric function."""
    rate, size = 0.5, 3

    def weighted(square):
        return hyp2f1(-order / 2, 0.5, size / 2, 2 * rate * square - (rate * square) ** 2) * chi2.pdf(square, size)

    exact = np.log(quad(weighted, 0, 1 / rate, limit=500)[0] + quad(weighted, 1 / rate, 80, limit=500)[0])
    assert_agrees(fresh_regression(Normal(), size, sgd(batch_size=1)), order, exact, rate=rate, largest_error=5e-3)


@pytest.mark.parametrize("order", [1.5, -0.7])
def test_batches_of_one_epoch_are_weighed_together(order):
    """Reshuffled: the average of the epoch's product over all permutations. Without replacement: over all subsets."""
    rate = 0.6

    def grown(rows):
        return abs(1 - rate * VALUES[list(rows)].mean()) ** order

    epochs = np.mean([grown(p[:2]) * grown(p[2:]) for p in permutations(range(4))])
    assert_agrees(scalar(Sampling.RESHUFFLED), order, np.log(epochs) / 2, rate=rate, largest_error=5e-3)
    subsets = np.mean([grown(chosen) for chosen in combinations(range(4), 2)])
    assert_agrees(scalar(Sampling.WITHOUT_REPLACEMENT), order, np.log(subsets), rate=rate, largest_error=5e-3)


@pytest.mark.parametrize(
    "sampling", [Sampling.WITH_REPLACEMENT, Sampling.WITHOUT_REPLACEMENT, bernoulli(sympy.Rational(1, 2))]
)
def test_second_moments_with_momentum_are_those_of_the_lifted_matrix(sampling):
    block = regression(POINTS, sgd(sampling, momentum=HeavyBall(sympy.Rational(1, 2))))
    batches = batch_curvatures(block, {eta: 1.1}, 2, 1000)
    matrices = AffineStep.of(block, grid([1.1])).matrices(0, batches.matrices)
    lifted = sum(share * np.kron(a, a) for share, a in zip(batches.shares, matrices, strict=True))
    exact = np.log(np.abs(np.linalg.eigvals(lifted)).max())
    assert_agrees(block, 2, exact, rate=1.1, largest_error=5e-3)


def test_a_fixed_order_has_moments_in_proportion_to_the_order():
    block = regression(POINTS, sgd(Sampling.CYCLIC))
    one, three = (exponent(block, order, rate=0.8)[0] for order in (1, 3))
    np.testing.assert_allclose(three, 3 * one, rtol=1e-8)


def test_a_sampler_has_the_moments_of_the_law_it_draws_from():
    law = Sampler(lambda generator, count: generator.uniform(-1, 1, count), "uniform", support=sympy.Interval(-1, 1))
    block = only_block(Model((w * x) ** 2 / 2, [w], {x: law}), sgd(batch_size=1))
    exact = np.log(1 - 2 * 1.5 / 3 + 1.5**2 / 5)
    assert_agrees(block, 2, exact, rate=1.5, largest_error=0.02, runs=Runs(steps=2000, replicas=16))


# --------------------------------------------------------------------------------------------------------------- edges


def test_the_moment_of_order_zero_does_not_grow():
    assert exponent(regression(FOUR, sgd()), 0, rate=1.0) == (0.0, 0.0)


def test_a_vector_that_is_annihilated_has_an_infinite_negative_moment():
    block = only_block(Model(x * w**2 / 2, [w], {x: Empirical([1.0, 0.5])}), sgd(batch_size=1))
    assert exponent(block, -1, rate=1.0) == (np.inf, 0.0)
    assert_agrees(block, 1, np.log(0.25), rate=1.0, largest_error=0.01)


def test_a_block_that_is_annihilated_for_certain_has_the_moment_minus_infinity():
    block = only_block(Model(x * w**2 / 2, [w], {x: Empirical([1.0, 1.0])}), sgd(batch_size=1))
    assert exponent(block, 2, rate=1.0) == (-np.inf, 0.0)


@pytest.mark.parametrize("order", [np.inf, np.nan])
def test_an_order_that_is_no_number_is_refused(order):
    with pytest.raises(InvalidRequest, match="finite real order"):
        exponent(regression(FOUR, sgd()), order, rate=1.0)


def test_neither_threads_nor_other_points_change_a_bit():
    block = regression(POINTS, sgd(Sampling.RESHUFFLED))
    runs = [Runs(steps=2000, replicas=16, threads=threads) for threads in (1, 2)]
    one, two = (resampled_moment_exponent(block, grid([0.5, 1.1]), 1.5, run) for run in runs)
    np.testing.assert_array_equal(one.values, two.values)
    alone = resampled_moment_exponent(block, grid([1.1]), 1.5, runs[0])
    assert alone.values[0] == one.values[1] and alone.errors[0] == one.errors[1]


def test_populations_of_heavy_tails_stay_finite():
    block = only_block(Model((w * x) ** 2 / 2, [w], {x: Cauchy()}), sgd(batch_size=1))
    value, error = exponent(block, 0.2, rate=0.3, runs=Runs(steps=2000, replicas=16))
    assert 0 < value < np.inf and 0 < error < value


def test_laws_that_overflow_are_refused_by_name():
    block = only_block(Model((w * x) ** 2 / 2, [w], {x: Cauchy(0, 1e160)}), sgd(batch_size=1))
    with pytest.raises(InvalidRequest, match="leave the finite numbers"):
        exponent(block, 0.2, rate=0.3, runs=Runs(steps=2000, replicas=16))
