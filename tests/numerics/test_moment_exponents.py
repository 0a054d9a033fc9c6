"""Moment exponents in numbers: published values, roads that must agree, and what holds for every law."""

import mpmath
import numpy as np
import pytest
import sympy

from numerics.stability.chernoff import chernoff_bound
from numerics.stability.moment_exponents import log_variance
from numerics.stability.problem import Grid
from numerics.stability.scalar import power_contour, power_real_axis
from numerics.stability.scalar.exponent import problems, scalar_exponent
from numerics.stability.scalar.moment_exponent import scalar_moment_exponent
from numerics.stability.scalar.power_roads import (
    by_batch_law,
    by_conditioning,
    by_moments,
    by_monte_carlo,
    by_one_number,
)
from theory import (
    SGD,
    Empirical,
    Exponential,
    ExponentKind,
    Gamma,
    Mixture,
    Model,
    Normal,
    Rademacher,
    Sampling,
    StudentT,
    Uniform,
    bernoulli,
    stability,
    symbols,
)

u, w, x, y, z, s = symbols("u w x y z s")
eta, q = symbols("eta q", positive=True)
rho = symbols("rho")
S = symbols("S", positive=True, integer=True)


def scalar(curvature, laws, batch=1, **options):
    """A scalar block with a given curvature."""
    return stability(Model(u**2 * curvature / 2, [u], laws), SGD(eta, batch_size=batch, **options), point={u: 0})


def square(law=None, batch=1, **options):
    return scalar(x**2, {x: law or Normal()}, batch, **options)


def grid(rate, **others):
    values = {eta: np.atleast_1d(np.array(rate, dtype=float))}
    values.update({symbols(k): np.full(values[eta].size, v) for k, v in others.items()})
    return Grid(values, values[eta].size)


def power(result, rate, order, **others):
    found = scalar_moment_exponent(result.blocks[0], grid(rate, **others), order)
    return float(found.values[0]), float(found.errors[0]), found.kind


def the_problem(result, rate):
    ((_, problem),) = list(problems(result.blocks[0], grid(rate), 5))
    return problem


# ------------------------------------------------------------------------------------------------------ published values


@pytest.mark.parametrize(
    ("batch", "rate", "exact"),
    [(1, 0.6, -0.490563204319901848), (3, 1.0, -0.878176863516682876), (6, 0.5, -0.828682752039840079),
     (8, 0.9, -1.35476314828745594)],
)  # fmt: skip
def test_exponents_of_gaussian_squares(batch, rate, exact):
    assert scalar_exponent(square(batch=batch).blocks[0], grid(rate)).values[0] == pytest.approx(exact, rel=1e-10)


@pytest.mark.parametrize(
    ("batch", "rate", "order", "exact"), [(1, 0.7, 0.5, 0.850272841638847868), (4, 1.1, 1.3, 0.560207466372675423)]
)
def test_moments_of_gaussian_squares(batch, rate, order, exact):
    assert np.exp(power(square(batch=batch), rate, order)[0]) == pytest.approx(exact, rel=1e-10)


@pytest.mark.parametrize(
    ("curvature", "law", "rate", "exact"),
    [(x**2, Uniform(-1, 1), 0.5, -0.200246219999023256), (x**2, Uniform(-1.4, 1.4), 2.3, -0.263288998392993030),
     (x, Uniform(0.2, 3), 0.9, -0.706611802757086387), (x**2, StudentT(3), 0.4, -0.302451730544821)],
)  # fmt: skip
def test_exponents_of_other_laws(curvature, law, rate, exact):
    found = scalar_exponent(scalar(curvature, {x: law}).blocks[0], grid(rate)).values[0]
    assert found == pytest.approx(exact, rel=1e-10)


@pytest.mark.parametrize(
    ("correlation", "rate", "batch", "mode", "exact"),
    [(0.6, 0.7, 1, "u - w", 0.226029863200944), (0.6, 0.7, 1, "u + w", -0.360660615069100),
     (0.3, 0.9, 4, "u + w", -0.457017017993407), (-0.3, 1.2, 3, "u - w", -0.473637251977013)],
)  # fmt: skip
def test_exponents_of_gaussian_products(correlation, rate, batch, mode, exact):
    model = Model(u * w * x * y, [u, w], {(x, y): Normal(covariance=[[1, rho], [rho, 1]])})
    found = stability(model, SGD(eta, batch_size=batch), point={u: 0, w: 0})
    value = scalar_exponent(found.block(mode), grid(rate, rho=correlation)).values[0]
    assert value == pytest.approx(exact, rel=1e-10)


def test_the_spread_of_the_logarithm_of_gaussian_squares():
    assert log_variance(square(), mode="u", at={eta: 1}).values[0] == pytest.approx(0.976112, abs=5e-7)


def test_the_chernoff_bound_at_fifty_steps():
    bound = chernoff_bound(square(), mode="u", at={eta: 1}, steps=50, ratio=1e-3)
    assert (round(bound.probability, 4), round(bound.order, 3)) == (0.1041, 0.342)
    assert 0.0175 < bound.probability


def test_a_bound_at_a_growing_mode_is_the_trivial_one():
    assert chernoff_bound(square(), mode="u", at={eta: 3}, steps=10, ratio=1e-3).probability == 1.0


# ------------------------------------------------------------------------------------------------------ roads agree


@pytest.mark.parametrize("batch", [1, 2, 5, 24, 100])
@pytest.mark.parametrize("order", [-0.4, 0.3, 1, 2.0001, 3, 5.5])
def test_the_contour_and_the_law_of_the_batch_mean_agree(batch, order):
    for rate in (0.05, 0.8, 15.0):
        problem = the_problem(square(batch=batch), rate)
        one, other = by_batch_law(problem, order), power_contour.by_contour(problem, order)
        assert abs(one.values[0] - other.values[0]) <= one.errors[0] + other.errors[0]
        assert other.errors[0] < 1e-9


@pytest.mark.parametrize(
    "result",
    [scalar(x, {x: Exponential(1)}, 3), scalar(x + x * y, {x: Normal(1, 1), y: Rademacher()}, 4), square(Normal(1, 2), 2),
     scalar(x, {x: Mixture([(Normal(0, 1), 0.5), (Exponential(2), 0.5)])}, 2), scalar(x, {x: StudentT(5, 1)}, 2)],
    ids=["exponential", "signs", "shifted squares", "mixture", "student"],
)  # fmt: skip
@pytest.mark.parametrize("order", [0.5, 3])
def test_the_real_axis_agrees_with_every_other_open_road(result, order):
    problem = the_problem(result, 0.7)
    axis = power_real_axis.by_real_axis(problem, order)
    others = [road(problem, order) for road in (by_batch_law, power_contour.by_contour)]
    open_ones = [found for found in others if found is not None]
    drawn = by_monte_carlo(problem, order)
    assert abs(axis.values[0] - drawn.values[0]) < 5 * drawn.errors[0]
    for found in open_ones:
        assert abs(axis.values[0] - found.values[0]) <= axis.errors[0] + found.errors[0]


def test_integrals_over_one_number_given_the_others_agree_with_the_characteristic_function():
    problem = the_problem(scalar(x, {x: Uniform(-1, 3)}, 2), 0.7)
    nested, axis = by_conditioning(problem, 1.4), power_real_axis.by_real_axis(problem, 1.4)
    assert abs(nested.values[0] - axis.values[0]) <= nested.errors[0] + axis.errors[0]


@pytest.mark.parametrize(
    ("curvature", "law", "density", "breaks", "rate", "order"),
    [(x**3 - x, Exponential(1), lambda t: mpmath.exp(-t), [0, 1, 2, 4, 20, 60], 0.3, 1.7),
     (x**4, Uniform(-1, 2), lambda t: mpmath.mpf(1) / 3, [-1, 0, 1, 2], 0.6, 0.6),
     (x, Gamma(2.5), lambda t: t**mpmath.mpf(1.5) * mpmath.exp(-t) / mpmath.gamma(2.5), [0, 1, 2, 8, 30, 80], 0.6, 2.3)],
    ids=["cubic", "quartic", "gamma"],
)  # fmt: skip
def test_quadrature_over_a_density_equals_mpmath(curvature, law, density, breaks, rate, order):
    h = sympy.lambdify(x, curvature, "mpmath")
    with mpmath.workdps(25):
        zeros = [mpmath.findroot(lambda t: 1 - rate * h(t), start) for start in (1.3, 1.9)]
        inside = sorted({*map(mpmath.mpf, breaks), *(t for t in zeros if breaks[0] < t < breaks[-1])})
        exact = mpmath.log(mpmath.quad(lambda t: abs(1 - rate * h(t)) ** order * density(t), inside))
    value, error, kind = power(scalar(curvature, {x: law}), rate, order)
    assert kind == ExponentKind.QUADRATURE
    assert value == pytest.approx(float(exact), abs=1e-11 + error)


def test_a_function_that_is_no_polynomial_is_integrated_between_its_zeros():
    with mpmath.workdps(25):
        zero = mpmath.log(mpmath.mpf(1) / mpmath.mpf("0.4"))

        def density(t):
            return abs(1 - mpmath.mpf("0.4") * mpmath.exp(t)) ** 0.8 * mpmath.npdf(t)

        exact = mpmath.log(mpmath.quad(density, [-12, -3, 0, zero, 2, 4, 12]))
    value, _, _ = power(scalar(sympy.exp(x), {x: Normal()}), 0.4, 0.8)
    assert value == pytest.approx(float(exact), abs=1e-10)


def test_even_powers_through_moments_equal_the_quadrature():
    for result in (square(Uniform(-1, 2)), scalar(x**3 + x, {x: Gamma(3)}), square(StudentT(30), 1)):
        problem = the_problem(result, 0.2)
        for order in (2.0, 4.0):
            exact, integral = by_moments(problem, order), by_one_number(problem, order)
            assert exact.values[0] == pytest.approx(integral.values[0], abs=integral.errors[0] + exact.errors[0])


def test_even_powers_of_a_large_data_set_need_no_enumeration():
    rows = np.random.default_rng(1).normal(size=150)
    for mode in (Sampling.WITHOUT_REPLACEMENT, Sampling.WITH_REPLACEMENT):
        result = square(Empirical(rows), 12, sampling=mode)
        value, error, kind = power(result, 0.8, 4)
        assert (kind, error < 1e-11) == (ExponentKind.CLOSED_FORM, True)
        drawn = by_monte_carlo(the_problem(result, 0.8), 4.0)
        assert abs(value - drawn.values[0]) < 5 * drawn.errors[0]


# ------------------------------------------------------------------------------------------------------ batches of data


def test_bernoulli_batches_are_enumerated_and_drawn():
    model = Model((u * x) ** 2 / 2, [u], {x: Empirical([1.0, -0.5, 2.0, 0.3, 1.2])})
    result = stability(model, SGD(eta, sampling=bernoulli(0.4)), point={u: 0})
    problem = the_problem(result, 0.9)
    for order in (0.7, 2.0, 3.0):
        found = scalar_moment_exponent(result.blocks[0], grid(0.9), order)
        drawn = by_monte_carlo(problem, order)
        assert found.kind == ExponentKind.CLOSED_FORM
        assert abs(found.values[0] - drawn.values[0]) < 5 * drawn.errors[0]
        if order == 2:
            assert by_moments(problem, order).values[0] == pytest.approx(found.values[0], abs=1e-13)


def test_epochs_of_permutations_are_averaged_exactly_and_drawn():
    result = square(Empirical([1.0, -0.5, 2.0, 0.3, 1.2, 0.7]), 2, sampling=Sampling.RESHUFFLED)
    found = scalar_moment_exponent(result.blocks[0], grid(0.9), 1.5)
    drawn = by_monte_carlo(the_problem(result, 0.9), 1.5)
    assert found.kind == ExponentKind.CLOSED_FORM
    assert abs(found.values[0] - drawn.values[0]) < 5 * drawn.errors[0]
    exact = float(result.blocks[0].moment_exponent(1.5).subs(eta, 0.9).evalf())
    assert found.values[0] == pytest.approx(exact, abs=1e-13)
    alone = square(
        Empirical([1.0, -0.5, 2.0]), 1, sampling=Sampling.RESHUFFLED
    )  # numbers commute: one product an epoch
    assert power(alone, 0.9, 3)[0] == pytest.approx(3 * scalar_exponent(alone.blocks[0], grid(0.9)).values[0])


def test_too_many_reshuffled_epochs_are_drawn():
    rows = np.random.default_rng(2).normal(size=60)
    result = square(Empirical(rows), 4, sampling=Sampling.RESHUFFLED)
    value, error, kind = power(result, 0.5, 2)
    orders = np.random.default_rng(3).permuted(np.tile(rows**2, (20_000, 1)), axis=1)
    products = np.prod(1 - 0.5 * orders.reshape(20_000, 15, 4).mean(axis=2), axis=1) ** 2
    spread = products.std() / products.mean() / np.sqrt(20_000) / 15
    assert kind == ExponentKind.MONTE_CARLO
    assert abs(value - np.log(products.mean()) / 15) < 5 * np.hypot(error, spread)
