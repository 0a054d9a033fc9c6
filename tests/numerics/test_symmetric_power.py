"""Moment exponents of even order: against enumeration of every batch and order, closed forms, and each other."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from numerics.stability.exponents import grid_of
from numerics.stability.matrices import AffineStep, batch_curvatures, sample_curvatures
from numerics.stability.matrix.epoch_moments import reshuffled_scalar
from numerics.stability.matrix.second_moments import SecondMoments, second_moment_radius
from numerics.stability.matrix.symmetric_power import even_moment_exponent, spectral_radius
from numerics.stability.matrix.tensor_powers import lifted_powers, multiply, powers, substituted
from theory import (
    SGD,
    Empirical,
    ExponentKind,
    Gamma,
    HeavyBall,
    Mixture,
    Model,
    Nesterov,
    Normal,
    Sampling,
    StudentT,
    bernoulli,
    stability,
    symbols,
)

u, w, x, y = symbols("u w x y")
eta, nu = symbols("eta nu", positive=True)
S = symbols("S", positive=True, integer=True)
FOUR = np.array([(1, 0.5), (-0.3, 1.2), (0.8, -0.9), (0.2, 0.4)])
SIX = np.array([(1.1, 0.2), (-0.4, 1.3), (0.7, -0.6), (0.3, 0.9), (-1.2, 0.5), (0.6, 0.8)])


def regression(data, algorithm):
    law = {(x, y): Empirical(*np.asarray(data).T)}
    return stability(Model((u * x + w * y) ** 2 / 2, [u, w], law), algorithm, point={u: 0, w: 0})


def square(law, algorithm):
    return stability(Model((u * x) ** 2 / 2, [u], {x: law}), algorithm, point={u: 0})


def exponent(equations, at, order, *, block=0):
    found = even_moment_exponent(equations.blocks[block], grid_of(equations, at)[0], order)
    assert found is not None and found.kind == ExponentKind.OPERATOR
    return found


# ------------------------------------------------------------------------------------------------------ tensor powers


def test_lifted_powers_multiply_and_are_symmetric_where_the_matrix_is():
    draw = np.random.default_rng(3)
    a, b = draw.normal(size=(2, 3, 3))
    for order in (1, 2, 3, 4):
        assert np.allclose(lifted_powers(a @ b, order), lifted_powers(a, order) @ lifted_powers(b, order), rtol=1e-11)
        lifted = lifted_powers(a + a.T, order)
        assert np.allclose(lifted, lifted.T)


def test_forms_multiply_as_polynomials_and_take_a_change_of_variables():
    matrix = np.random.default_rng(4).normal(size=(2, 2))
    forms = powers(matrix, 4)
    assert np.allclose(multiply(2, forms[2], forms[2], 2, 2), forms[4])
    left, right = np.array([2.0, -1.0]), np.array([0.5, 3.0])
    whole = np.kron(np.outer(left, right), matrix)
    assert np.allclose(substituted(forms[3], 2, 3, left, right), powers(whole, 3)[3])


# -------------------------------------------------------------------------------------------------------- known values


@pytest.mark.parametrize(("rate", "second", "fourth"), [(1.4, -0.02368311, 0.00207486), (1.0, -0.4151361, -0.6049439)])
def test_four_points_are_stable_in_mean_square_before_they_are_in_the_fourth_moment(rate, second, fourth):
    found = regression(FOUR, SGD(eta))
    assert abs(exponent(found, {eta: rate}, 2).values[0] - second) < 6e-8
    assert abs(exponent(found, {eta: rate}, 4).values[0] - fourth) < 6e-8


@pytest.mark.parametrize(
    ("size", "order", "threshold"),
    [(1, 2, 2 / 3), (2, 2, 1.0), (4, 2, 4 / 3), (1, 4, 0.38345101), (2, 4, 0.62653829), (4, 4, 0.92608916),
     (1, 8, 0.20696918), (2, 8, 0.36244981), (4, 8, 0.58776632)],
)  # fmt: skip
def test_moment_exponents_of_gaussian_regression_vanish_at_the_known_steps(size, order, threshold):
    found = square(Normal(), SGD(eta, batch_size=S))
    values = exponent(found, {eta: threshold + np.array([-6e-9, 6e-9]), S: size}, order).values
    assert values[0] < 0 < values[1]


# --------------------------------------------------------------------------------------------------------- enumeration


@pytest.mark.parametrize("momentum", [None, HeavyBall(0.7), Nesterov(0.5)], ids=str)
@pytest.mark.parametrize(
    "options",
    [
        {"batch_size": 2, "sampling": Sampling.WITHOUT_REPLACEMENT},
        {"batch_size": 3, "sampling": Sampling.WITH_REPLACEMENT},
        {"sampling": bernoulli(0.4)},
    ],
    ids=["subset", "fresh", "bernoulli"],
)
def test_moments_of_a_batch_from_those_of_a_sample_equal_enumeration(momentum, options):
    found = regression(SIX, SGD(eta, momentum=momentum, weight_decay=0.1, **options))
    block, (grid, _) = found.blocks[0], grid_of(found, {eta: 0.3})
    outcomes = batch_curvatures(block, {eta: 0.3}, options.get("batch_size", 1), 10**5)
    steps = AffineStep.of(block, grid).matrices(0, outcomes.matrices)
    for order in (2, 4, 6):
        mean = np.tensordot(outcomes.shares, lifted_powers(steps, order), axes=1)
        expected = np.log(np.abs(np.linalg.eigvals(mean)).max())
        estimate = even_moment_exponent(block, grid, order)
        assert abs(estimate.values[0] - expected) <= estimate.errors[0] < 1e-7


@pytest.mark.parametrize("momentum", [None, HeavyBall(0.7)], ids=str)
def test_a_reshuffled_epoch_equals_the_average_over_all_orders_and_not_a_power_of_the_mean(momentum):
    found = regression(SIX, SGD(eta, batch_size=2, sampling=Sampling.RESHUFFLED, momentum=momentum))
    block, (grid, _) = found.blocks[0], grid_of(found, {eta: 0.9})
    step, curvatures = AffineStep.of(block, grid), sample_curvatures(block, {eta: 0.9}).matrices
    for order in (2, 4):
        total, orders = 0.0, list(permutations(range(6)))
        for chosen in orders:
            product = np.eye(block.order)
            for k in range(3):
                product = step.matrices(0, curvatures[list(chosen[2 * k : 2 * k + 2])].mean(axis=0)) @ product
            total = total + lifted_powers(product, order)
        expected = np.log(np.abs(np.linalg.eigvals(total / len(orders))).max()) / 3
        estimate = even_moment_exponent(block, grid, order)
        assert abs(estimate.values[0] - expected) <= estimate.errors[0] < 1e-9
    independent = regression(SIX, SGD(eta, batch_size=2, sampling=Sampling.WITHOUT_REPLACEMENT, momentum=momentum))
    assert abs(exponent(independent, {eta: 0.9}, 2).values[0] - exponent(found, {eta: 0.9}, 2).values[0]) > 1e-3


@pytest.mark.parametrize("order", [0.5, 1.0, 3.0, -0.5])
def test_the_scalar_recursion_over_subsets_equals_the_average_over_all_orders_for_any_order(order):
    data = np.array([1.0, -0.4, 1.7, 0.8, 0.3, -1.2])
    found = square(Empirical(data), SGD(eta, batch_size=2, sampling=Sampling.RESHUFFLED))
    estimate = reshuffled_scalar(found.blocks[0], grid_of(found, {eta: np.array([0.5, 2.0])})[0], order)
    for place, rate in enumerate((0.5, 2.0)):
        products = [
            np.prod([abs(1 - rate * np.mean(data[list(p[2 * k : 2 * k + 2])] ** 2)) ** order for k in range(3)])
            for p in permutations(range(6))
        ]
        assert abs(estimate.values[place] - np.log(np.mean(products)) / 3) <= estimate.errors[place] < 1e-12


def test_very_small_multipliers_do_not_underflow_over_an_epoch():
    found = square(Empirical(np.full(16, 1.0)), SGD(eta, sampling=Sampling.RESHUFFLED))
    estimate = exponent(found, {eta: 1 - 1e-6}, 8)
    assert abs(estimate.values[0] - 8 * np.log(1e-6)) < 1e-6
    scalar = reshuffled_scalar(found.blocks[0], grid_of(found, {eta: 1 - 1e-6})[0], 8.0)
    assert abs(scalar.values[0] - 8 * np.log(1e-6)) < 1e-6


def test_a_fixed_order_has_the_exponent_of_its_product():
    found = regression(FOUR, SGD(eta, batch_size=2, sampling=Sampling.CYCLIC))
    first, second = (np.eye(2) - np.einsum("ni,nj->ij", part, part) / 2 for part in (FOUR[:2], FOUR[2:]))
    expected = np.log(np.abs(np.linalg.eigvals(second @ first)).max())
    assert abs(exponent(found, {eta: 1.0}, 4).values[0] - 4 * expected / 2) < 1e-12


# ------------------------------------------------------------------------------------------------- laws and dimensions


def test_a_moment_that_does_not_exist_makes_the_exponent_infinite():
    found = square(StudentT(5), SGD(eta))
    assert np.isfinite(exponent(found, {eta: 0.1}, 2).values[0])
    assert np.isposinf(exponent(found, {eta: 0.1}, 4).values[0])


def test_whether_a_moment_exists_may_vary_over_the_grid():
    found = square(StudentT(nu), SGD(eta))
    values = exponent(found, {eta: 0.1, nu: np.array([3.0, 5.0])}, 2).values
    assert np.isposinf(values[0]) and np.isfinite(values[1])


def test_a_mixture_and_a_gamma_law_agree_with_quadrature_of_the_multiplier():
    from scipy import integrate, stats

    mixed = square(Mixture([(Normal(), 0.25), (Normal(1, 4), 0.75)]), SGD(eta))

    def density(t):
        return 0.25 * stats.norm.pdf(t) + 0.75 * stats.norm.pdf(t, 1, 2)

    expected = integrate.quad(lambda t: (1 - 0.05 * t**2) ** 4 * density(t), -40, 40, epsabs=1e-13, limit=400)[0]
    assert abs(exponent(mixed, {eta: 0.05}, 4).values[0] - np.log(expected)) < 1e-9
    linear = stability(Model(x * u**2 / 2, [u], {x: Gamma(3, 0.5)}), SGD(eta), point={u: 0})
    expected = integrate.quad(lambda t: (1 - 0.4 * t) ** 2 * stats.gamma.pdf(t, 3, scale=0.5), 0, 60, epsabs=1e-13)[0]
    assert abs(exponent(linear, {eta: 0.4}, 2).values[0] - np.log(expected)) < 1e-10


@pytest.mark.parametrize("momentum", [None, HeavyBall(0.6), Nesterov(0.6)], ids=str)
def test_the_operator_without_its_matrix_has_the_spectral_radius_of_the_matrix(momentum):
    found = regression(SIX, SGD(eta, batch_size=2, sampling=Sampling.WITHOUT_REPLACEMENT, momentum=momentum))
    grid, _ = grid_of(found, {eta: 0.5})
    radius, error, shape = second_moment_radius(SecondMoments.of(found.blocks[0], grid, 0))
    dense = exponent(found, {eta: 0.5}, 2)
    assert abs(np.log(radius) - dense.values[0]) <= error / radius + dense.errors[0] < 1e-9
    assert np.linalg.eigvalsh(shape)[0] > -1e-9


def test_the_adjoint_of_the_second_moment_operator_is_its_adjoint():
    found = regression(SIX, SGD(eta, batch_size=2, momentum=Nesterov(0.6)))
    operator = SecondMoments.of(found.blocks[0], grid_of(found, {eta: 0.5})[0], 0)
    first, second = (m + m.T for m in np.random.default_rng(1).normal(size=(2, 4, 4)))
    assert abs(np.sum(operator.apply(first) * second) - np.sum(first * operator.adjoint(second))) < 1e-12


def test_rounding_of_a_defective_matrix_is_not_understated():
    jordan = np.array([[1.0, 1.0], [0.0, 1.0]])
    moved = jordan + np.array([[0.0, 0.0], [1e-12, 0.0]])
    value, error = spectral_radius(jordan, 1e-12)
    assert abs(np.abs(np.linalg.eigvals(moved)).max() - value) <= error


@given(st.integers(0, 10**6), st.sampled_from([Sampling.WITH_REPLACEMENT, Sampling.WITHOUT_REPLACEMENT]))
@settings(max_examples=12, deadline=None)
def test_larger_batches_never_raise_an_even_moment_exponent(seed, mode):
    data = np.random.default_rng(seed).normal(size=(5, 2)) * np.random.default_rng(seed + 1).uniform(0.3, 2)
    for order in (2, 4):
        found = [
            exponent(regression(data, SGD(eta, batch_size=b, sampling=mode)), {eta: 0.8}, order) for b in (1, 2, 4, 5)
        ]
        values, errors = (np.array([getattr(e, part)[0] for e in found]) for part in ("values", "errors"))
        assert np.all(np.diff(values) <= errors[1:] + errors[:-1])


def test_an_average_over_a_kink_is_left_to_other_roads():
    found = stability(Model(abs(x) * u**2 / 2, [u], {x: Normal()}), SGD(eta), point={u: 0})
    assert even_moment_exponent(found.blocks[0], grid_of(found, {eta: 0.3})[0], 2) is None


def test_other_orders_and_long_epochs_are_left_to_other_roads():
    found = regression(SIX, SGD(eta))
    grid, _ = grid_of(found, {eta: 0.3})
    assert all(even_moment_exponent(found.blocks[0], grid, order) is None for order in (0, 1, 3, 2.5, -2))
    long = regression(np.random.default_rng(0).normal(size=(20, 2)), SGD(eta, sampling=Sampling.RESHUFFLED))
    assert even_moment_exponent(long.blocks[0], grid_of(long, {eta: 0.3})[0], 2) is None
