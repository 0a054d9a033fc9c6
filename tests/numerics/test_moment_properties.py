"""What holds for the moment exponents of every law: L(0) = 0, L'(0) = Lambda, convex, continuous, infinite where it must be."""

import numpy as np
import pytest
import sympy

from numerics.stability.moment_exponents import log_variance, moment_exponents, moment_exponents_on
from numerics.stability.problem import Grid
from numerics.stability.runs import DEFAULT_RUNS
from numerics.stability.scalar.exponent import scalar_exponent
from numerics.stability.scalar.moment_exponent import scalar_log_variance, scalar_moment_exponent
from theory import (
    SGD,
    AlgorithmNotCovered,
    Cauchy,
    Discrete,
    Empirical,
    Exponential,
    ExponentKind,
    Gamma,
    HeavyBall,
    InvalidRequest,
    Mixture,
    Model,
    Normal,
    Rademacher,
    Sampling,
    StudentT,
    Uniform,
    UnsupportedExpectation,
    bernoulli,
    stability,
    symbols,
)
from theory.stability.batch_moments import batch_moments

u, x, y = symbols("u x y")
eta = symbols("eta", positive=True)
a = symbols("a", positive=True)
S = symbols("S", positive=True, integer=True)


def scalar(curvature, laws, batch=1, **options):
    return stability(Model(u**2 * curvature / 2, [u], laws), SGD(eta, batch_size=batch, **options), point={u: 0})


def exponent(result, order, rate=0.6):
    found = scalar_moment_exponent(result.blocks[0], Grid({eta: np.array([rate])}, 1), order)
    return float(found.values[0]), float(found.errors[0])


PAIR = Normal([0.3, 1], covariance=[[1, 0.5], [0.5, 2]])
DATA = Empirical([0.4, 1.1, -0.3, 2.0, 0.9, 0.2])
CASES = {
    "cubic of an exponential": scalar(x**3 / 6 - x + 1, {x: Exponential(1)}),
    "fourth power": scalar(x**4, {x: Uniform(-1, 2)}),
    "decay and gamma": scalar(x, {x: Gamma(2.5)}, weight_decay=0.3),
    "mixture": scalar(x**2, {x: Mixture([(Normal(1, 0.1), 0.7), (Uniform(-3, 0), 0.3)])}),
    "joint quadratic": scalar(x * y + x**2, {(x, y): PAIR}),
    "batch of joint quadratics": scalar(x * y, {(x, y): Normal(covariance=[[1, 0.4], [0.4, 1]])}, 7),
    "signs": scalar(x * y + 1, {x: Rademacher(), y: Gamma(3)}),
    "batch of uniform numbers": scalar(x, {x: Uniform(-1, 3)}, 3),
    "finite": scalar(x**2 - x, {x: Discrete({1: 0.2, -1: 0.3, 3: 0.5})}, 2),
    "subsets": scalar(x, {x: DATA}, 3, sampling=Sampling.WITHOUT_REPLACEMENT),
    "epochs": scalar(x, {x: DATA}, 2, sampling=Sampling.RESHUFFLED),
    "student": scalar(x, {x: StudentT(12, 0.5)}),
    "exponential function": scalar(sympy.exp(x), {x: Normal(0, 0.2)}),
}


@pytest.mark.parametrize("name", CASES)
def test_the_exponent_vanishes_at_zero_with_the_lyapunov_exponent_as_its_slope(name):
    result = CASES[name]
    assert exponent(result, 0) == (0.0, 0.0)
    step = 0.01
    values = {k: exponent(result, k * step) for k in (-2, -1, 1, 2)}
    slope = (8 * (values[1][0] - values[-1][0]) - (values[2][0] - values[-2][0])) / (12 * step)  # to step^4
    noise = 20 * max(error for _, error in values.values()) / step
    exact = scalar_exponent(result.blocks[0], Grid({eta: np.array([0.6])}, 1))
    assert slope == pytest.approx(exact.values[0], abs=2e-6 + noise + exact.errors[0])


@pytest.mark.parametrize("name", CASES)
def test_the_exponent_is_convex_and_continuous_across_the_powers_that_are_taken_exactly(name):
    result = CASES[name]
    orders = np.array([-0.4, 0.5, 1.0, 2.0, 3.0, 4.0])
    values, errors = np.array([exponent(result, float(order)) for order in orders]).T
    slopes = np.diff(values) / np.diff(orders)
    assert np.all(np.diff(slopes) > -10 * errors.max() - 1e-9)
    step = 1e-5
    for order in (1.0, 2.0):
        (below, e1), (at, e2), (above, e3) = (exponent(result, order + k * step) for k in (-1, 0, 1))
        assert at == pytest.approx((below + above) / 2, abs=e1 + e2 + e3 + 100 * step**2 + 1e-10)


def test_larger_batches_never_raise_moments_of_order_one_and_more_but_may_raise_the_lyapunov_exponent():
    for order in (1, 1.5, 2, 3):
        for law, curvature in ((Normal(), x**2), (Exponential(1), x), (Normal(0.2, 1), x)):
            values = [exponent(scalar(curvature, {x: law}, batch), order, 1.9)[0] for batch in (1, 2, 3, 4)]
            assert np.all(np.diff(values) < 1e-10)
    at = Grid({eta: np.array([2.4213])}, 1)  # unstable for single samples, stable for pairs
    lyapunov = [scalar_exponent(scalar(x**2, {x: Normal()}, batch).blocks[0], at).values[0] for batch in (1, 2, 16)]
    assert lyapunov[0] > 0 > lyapunov[1]
    assert lyapunov[2] > 0


@pytest.mark.parametrize(
    ("law", "batch"),
    [
        (Uniform(-1, 2), 1),
        (Discrete({-1: 0.2, 0.5: 0.8}), 1),
        (Discrete({-1: 0.2, 0.5: 0.8}), 3),
        (Mixture([(Uniform(0, 1), 0.5), (Uniform(1, 2), 0.5)]), 1),
    ],
)
def test_small_steps_have_the_exponent_of_their_expansion_in_moments_of_the_curvature(law, batch):
    rates, bound = np.array([1e-3, 2e-3, 4e-3]), 2.0  # of |h| on the supports
    block = scalar(x, {x: law}, batch).blocks[0]
    found = scalar_exponent(block, Grid({eta: rates}, 3))
    mean, central = batch_moments(x, block.randomness, block.batch, 2)
    second = float(central[2] + mean**2)
    expansion = -rates * float(mean) - rates**2 * second / 2
    rest = (rates * bound) ** 3 / 3 / (1 - rates * bound)  # of the series of log(1 - eta h), which converges here
    assert np.all(np.abs(found.values - expansion) <= rest + found.errors)
    assert np.all(np.abs(found.values + rates * float(mean)) > rest)  # the second order is needed


# ------------------------------------------------------------------------------------------------------ infinite and vanishing


@pytest.mark.parametrize(
    ("curvature", "laws", "batch", "limit"),
    [(x**2, {x: StudentT(3)}, 1, 1.5), (x, {x: StudentT(2.5)}, 3, 2.5), (x * y, {x: StudentT(4), y: Normal()}, 1, 4.0),
     (x * y**2, {x: StudentT(9), y: StudentT(5)}, 1, 2.5), (x, {x: Mixture([(Cauchy(), 0.1), (Normal(), 0.9)])}, 2, 1.0),
     (x * y, {x: Discrete({0: 0.5, 1: 0.5}), y: Cauchy()}, 1, 1.0)],
    ids=["squares", "batch", "product", "two tails", "mixture", "thinned"],
)  # fmt: skip
def test_the_exponent_is_infinite_exactly_from_the_order_at_which_moments_end(curvature, laws, batch, limit):
    result = scalar(curvature, laws, batch)
    assert np.isfinite(exponent(result, 0.4 * limit)[0])
    assert exponent(result, limit)[0] == np.inf
    assert exponent(result, limit + 0.5)[0] == np.inf


def test_negative_moments_are_infinite_where_the_multiplier_reaches_zero_and_finite_where_it_does_not():
    assert exponent(scalar(x, {x: Uniform(0, 3)}), -1.0)[0] == np.inf
    value, error = exponent(scalar(x, {x: Uniform(0, 1)}), -2.0, 0.5)
    assert value == pytest.approx(np.log(2), abs=error + 1e-12)  # the mean of (1 - x/2)^-2 over (0, 1)
    double = scalar(2 * x - x**2, {x: Uniform(0, 3)})  # 1 - h = (1 - x)^2 at a rate of one
    assert exponent(double, -0.5, 1.0)[0] == np.inf
    assert np.isfinite(exponent(double, -0.4, 1.0)[0])


def test_a_finite_law_that_annihilates_has_infinite_negative_and_finite_positive_moments():
    result = scalar(x, {x: Discrete({1: 0.5, 3: 0.5})})
    assert exponent(result, -0.1, 1.0)[0] == np.inf
    assert exponent(result, 2.0, 1.0)[0] == pytest.approx(np.log(2))
    always = scalar(x, {x: Discrete({1: 1})})
    assert exponent(always, 2.0, 1.0)[0] == -np.inf


def test_moments_of_no_known_existence_are_refused():
    heavy = scalar(sympy.sin(x) * y + x, {x: StudentT(3), y: StudentT(4)})
    with pytest.raises(UnsupportedExpectation, match="not known"):
        exponent(heavy, 1.0)
    with pytest.raises(UnsupportedExpectation, match="negative moment"):
        exponent(CASES["batch of uniform numbers"], -1.5)


def test_the_spread_of_the_logarithm_equals_that_of_draws():
    generator = np.random.default_rng(4)
    logs = np.log(np.abs(1 - 0.6 * generator.uniform(-1, 2, 10**6) ** 4))
    exact = log_variance(CASES["fourth power"], mode="u", at={eta: 0.6})
    spread = np.std((logs - logs.mean()) ** 2) / 1000
    assert abs(exact.values[0] - logs.var()) < 5 * spread
    finite = CASES["finite"].blocks[0]
    assert scalar_log_variance(finite, Grid({eta: np.array([1 / 6])}, 1)).values[0] == np.inf  # a pair 3, 3 annihilates


# ------------------------------------------------------------------------------------------------------ the dataset


def test_the_dataset_has_modes_orders_and_points():
    result = scalar(x**2, {x: Normal()}, S)
    found = moment_exponents(result, orders=[1, 2, 0.5], at={eta: [0.2, 0.4, 0.6], S: 2})
    assert found["moment_exponent"].dims == ("mode", "order", "point")
    assert found["moment_exponent"].sel(order=2).values[0] == pytest.approx(
        np.log(1 - 2 * found.eta + 2 * found.eta**2)
    )
    assert found["moment_kind"].sel(mode="u", order=2) == "closed form"
    assert np.all(found["exponent"] < found["moment_exponent"].sel(order=0.5) / 0.5)
    single = moment_exponents(result, at={eta: 0.2, S: 2})
    assert single["moment_exponent"].shape == (1, 3)


def test_exponents_on_a_grid_are_keyed_by_their_order():
    result = scalar(x**2, {x: Normal()})
    found = moment_exponents_on(result, Grid({eta: np.array([0.3, 0.7])}, 2), (1, 2), DEFAULT_RUNS)
    assert set(found) == {1.0, 2.0}
    assert found[2.0][0].values == pytest.approx(np.log([1 - 0.6 + 0.27, 1 - 1.4 + 1.47]))


@pytest.mark.parametrize("orders", [[], [1, 1], 2, ["one"], [np.nan], [True]], ids=str)
def test_orders_that_make_no_sense_are_refused(orders):
    with pytest.raises(InvalidRequest, match="order"):
        moment_exponents(scalar(x**2, {x: Normal()}), orders=orders, at={eta: 0.1})


def test_the_spread_of_a_matrix_mode_is_refused():
    matrix = scalar(x**2, {x: Normal()}, momentum=HeavyBall(0.5))
    with pytest.raises(AlgorithmNotCovered, match="matrices"):
        log_variance(matrix, mode="u", at={eta: 0.1})


def test_bernoulli_batches_vary_with_their_fraction():
    values = []
    for fraction in (0.2, 0.5, 1.0):
        model = Model(u**2 * x / 2, [u], {x: DATA})
        result = stability(model, SGD(eta, sampling=bernoulli(fraction)), point={u: 0})
        values.append(exponent(result, 2.0)[0])
    assert values[0] > values[1] > values[2]
    mean = np.mean([0.4, 1.1, -0.3, 2.0, 0.9, 0.2])
    assert values[2] == pytest.approx(2 * np.log(1 - 0.6 * mean))


def test_squares_on_a_grid_of_thousands_have_the_kind_and_error_of_their_road():
    grid = Grid({eta: np.linspace(0.05, 3, 200)}, 200)
    found = scalar_moment_exponent(scalar(x**2, {x: Normal()}, 8).blocks[0], grid, 1.0)
    assert found.kind == ExponentKind.QUADRATURE
    assert found.errors.max() < 1e-12
