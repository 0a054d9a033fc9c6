"""The transfer operator on directions, and the walks that it makes precise: exact moments, other roads, and what is refused."""

from itertools import pairwise, permutations

import numpy as np
import pytest

from numerics.stability.matrices import AffineStep, sample_curvatures
from numerics.stability.matrix.cauchy_momentum import spectrum_by_cauchy
from numerics.stability.matrix.transfer import by_transfer_operator
from numerics.stability.matrix.walks import by_walks
from numerics.stability.runs import Runs
from numerics.stability.simulated.products import product_exponents
from tests.numerics.matrix_cases import curved, eta, first, gaussian_regression, regression
from theory import (
    Cauchy,
    DecoupledDecay,
    Discrete,
    Exponential,
    HeavyBall,
    Nesterov,
    Normal,
    Sampling,
    Uniform,
    bernoulli,
)

RUNS = Runs(steps=2000, replicas=64, seed=3)


def test_regression_on_four_samples():
    block, grid = first(regression(), {eta: 1.4})
    for order, expected in ((0, -0.03077013), (1, -0.01997415), (2, -0.02368311), (4, 0.00207486)):
        found = by_transfer_operator(block, grid, order)
        assert found.values[0] == pytest.approx(expected, abs=6e-9)
        assert found.errors[0] < 1e-11
        assert str(found.kind) == "operator"


def steps_of(result, rate):
    block, grid = first(result, {eta: rate})
    return AffineStep.of(block, grid).matrices(0, sample_curvatures(block, {eta: rate}).matrices)


def log_radius(mean):
    return np.log(np.abs(np.linalg.eigvals(mean)).max())


@pytest.mark.parametrize("rate", [0.3, 1.0, 1.4])
def test_the_second_moment_is_that_of_the_kronecker_square(rate):
    mean = np.mean([np.kron(a, a) for a in steps_of(regression(), rate)], axis=0)
    found = by_transfer_operator(*first(regression(), {eta: rate}), 2.0)
    assert found.values[0] == pytest.approx(log_radius(mean), abs=1e-12)


@pytest.mark.parametrize("order", [2.0, 4.0])
def test_moments_of_an_epoch_average_over_its_orders(order):
    steps = steps_of(regression(), 0.9)
    lifted = []
    for step in steps:
        square = np.kron(step, step)
        lifted.append(square if order == 2 else np.kron(square, square))
    mean = np.mean([np.linalg.multi_dot([lifted[k] for k in chosen]) for chosen in permutations(range(4))], axis=0)
    found = by_transfer_operator(*first(regression(sampling=Sampling.RESHUFFLED), {eta: 0.9}), order)
    assert found.values[0] == pytest.approx(log_radius(mean) / 4, abs=1e-12)


@pytest.mark.parametrize(
    "options",
    [{"sampling": Sampling.RESHUFFLED}, {"batch_size": 2}, {"batch_size": 2, "sampling": Sampling.WITHOUT_REPLACEMENT},
     {"sampling": bernoulli(0.5)}],
    ids=["epochs", "fresh", "subsets", "bernoulli"],
)  # fmt: skip
def test_exponents_agree_with_simulated_products(options):
    block, grid = first(regression(**options), {eta: 0.5})
    found = by_transfer_operator(block, grid, 0.0) or by_walks(block, grid, RUNS)
    simulated, errors = product_exponents(block, grid, RUNS, 1)
    assert found.errors[0] < 1e-6
    assert abs(found.values[0] - simulated[0, 0]) < 5 * errors[0, 0]


@pytest.mark.parametrize("mode", [Sampling.WITH_REPLACEMENT, Sampling.RESHUFFLED])
def test_walks_and_the_operator_give_one_answer(mode):
    block, grid = first(regression(sampling=mode), {eta: 1.4})
    operator, walks = by_transfer_operator(block, grid, 0.0), by_walks(block, grid, RUNS)
    assert abs(operator.values[0] - walks.values[0]) < operator.errors[0] + 5 * walks.errors[0]
    assert walks.errors[0] < 1e-9


def test_where_steps_contract_strongly_the_operator_is_closed_and_walks_are_sharp():
    block, grid = first(regression(), {eta: 1.0})
    assert by_transfer_operator(block, grid, 0.0) is None
    found = by_walks(block, grid, RUNS)
    assert found.values[0] == pytest.approx(-0.296373, abs=1e-6)
    again = by_walks(block, grid, Runs(seed=11))
    assert abs(found.values[0] - again.values[0]) < 5 * np.hypot(found.errors[0], again.errors[0])


def test_moment_exponents_are_convex_through_zero_with_the_exponent_as_slope():
    block, grid = first(regression(), {eta: 1.4})
    step = 1e-4
    values = {p: by_transfer_operator(block, grid, p).values[0] for p in (-0.5, -step, 0.0, step, 1.0, 1.5, 3.0)}
    assert (values[step] - values[-step]) / (2 * step) == pytest.approx(values[0.0], abs=1e-7)
    orders = (-0.5, 1.0, 1.5, 3.0)
    slopes = [(values[b] - values[a]) / (b - a) for a, b in pairwise(orders)]
    assert slopes == sorted(slopes)
    assert values[-0.5] > -0.5 * values[0.0]


@pytest.mark.parametrize(
    "law", [Uniform(0, 2), Exponential(1), Normal(1, 0.3), Discrete({0.2: 0.5, 1.7: 0.5})], ids=str
)
def test_momentum_with_one_random_curvature(law):
    block, grid = first(curved(law, momentum=HeavyBall(0.8)), {eta: 0.6})
    found = by_transfer_operator(block, grid, 0.0) or by_walks(block, grid, RUNS)
    assert found.errors[0] < 1e-6
    simulated, errors = product_exponents(block, grid, RUNS, 2)
    assert abs(found.values[0] - simulated[0, 0]) < 5 * errors[0, 0]
    assert simulated.sum() == pytest.approx(np.log(0.8), abs=1e-9)


@pytest.mark.parametrize(
    ("location", "scale", "rate", "beta", "expected"),
    [(1, 0.5, 0.6, 0.9, 0.158760813), (1, 0.5, 0.6, 0, -np.log(2)), (1.2, 1, 0.5, 0.3, -0.075807020)],
)
def test_cauchy_curvature_with_momentum(location, scale, rate, beta, expected):
    for batch in (1, 5):
        block, grid = first(curved(Cauchy(location, scale), momentum=HeavyBall(beta), batch_size=batch), {eta: rate})
        found = spectrum_by_cauchy(block, grid, 2)
        assert found.values[0, 0] == pytest.approx(expected, abs=1e-9)
        with np.errstate(divide="ignore"):
            assert found.values[0].sum() == pytest.approx(np.log(beta), abs=1e-12)
    simulated, errors = product_exponents(block, grid, RUNS, 1)
    assert abs(found.values[0, 0] - simulated[0, 0]) < 5 * errors[0, 0]


def test_the_complex_curvature_is_wrong_for_nesterov():
    """What the theory refuses is false: the step at the complex curvature has another exponent than the products."""
    block, grid = first(curved(Cauchy(1, 0.5), momentum=Nesterov(0.9)), {eta: 0.6})
    assert spectrum_by_cauchy(block, grid, 1) is None
    fixed, slope = (np.array(matrix.xreplace({eta: 0.6}), dtype=complex) for matrix in block.step.affine)
    guess = log_radius(fixed + (1 - 0.5j) * slope)
    simulated, errors = product_exponents(block, grid, RUNS, 1)
    assert abs(simulated[0, 0] - guess) > 10 * errors[0, 0]


def test_decay_beyond_the_flip_of_sign_closes_the_complex_road():
    result = curved(Cauchy(1, 0.5), momentum=HeavyBall(0.5), weight_decay=DecoupledDecay(3))
    assert spectrum_by_cauchy(*first(result, {eta: 0.3}), 1) is not None
    assert spectrum_by_cauchy(*first(result, {eta: 0.4}), 1) is None


def test_states_of_more_dimensions_and_two_continuous_numbers_are_left_to_other_roads():
    assert by_transfer_operator(*first(gaussian_regression(3), {eta: 0.1}), 0.0) is None
    assert by_transfer_operator(*first(gaussian_regression(2, variances=[1, 2]), {eta: 0.1}), 0.0) is None
    assert by_walks(*first(gaussian_regression(2, variances=[1, 2]), {eta: 0.1}), RUNS) is None
