"""Scalar exponents where floating point is in danger: singular densities, huge powers, tiny rates, multipliers without a constant."""

import time

import mpmath
import numpy as np
import pytest
from sympy import Abs, Rational, exp, oo, pi, sqrt

from numerics import moment_exponents, solve, thresholds
from theory import SGD, Density, Empirical, Gamma, Model, Normal, Sampling, StudentT, Uniform, stability, symbols
from theory.errors import UnsupportedExpectation, ValuesError

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")

W, X, Y = symbols("w x y")
A, ETA = symbols("a eta", positive=True)
ARCSINE = Density(X, 1 / (pi * sqrt(1 - X**2)), (-1, 1))
PEAK_INSIDE = Density(X, 1 / (4 * sqrt(Abs(X - 1))), (0, 2))
LAPLACE = Density(X, exp(-Abs(X)) / 2)


def linearised(curvature, laws, **options):
    return stability(Model(curvature * W**2 / 2, [W], laws), SGD(ETA, **options), point={W: 0})


def moment(equations, order, at):
    found = moment_exponents(equations, orders=[order], at=at)
    return float(found["moment_exponent"].values[0, 0]), float(found["moment_exponent_error"].values[0, 0])


@pytest.mark.parametrize("order", [-0.5, 0.3, 2, 8])
def test_moments_of_a_law_with_singular_ends_err_by_no_more_than_they_say(order):
    found, error = moment(linearised(X**2, {X: ARCSINE}), order, {ETA: 0.7})
    mean = mpmath.quad(lambda t: abs(1 - mpmath.mpf(0.7) * mpmath.cos(t) ** 2) ** order, [0, mpmath.pi / 2])
    assert abs(found - float(mpmath.log(2 * mean / mpmath.pi))) <= error < 1e-9


def test_moments_of_a_density_with_a_pole_inside_err_by_no_more_than_they_say():
    """With x = 1 - t^2 and x = 1 + t^2 the pole is gone."""
    found, error = moment(linearised(X, {X: PEAK_INSIDE}), 1.7, {ETA: 0.5})
    below, above = (
        mpmath.quad(lambda t, s=sign: (1 - (1 + s * t**2) / 2) ** mpmath.mpf(1.7) / 2, [0, 1]) for sign in (-1, 1)
    )
    assert abs(found - float(mpmath.log(below + above))) <= error < 1e-9


@pytest.mark.parametrize("order", [1e3, 1e6])
def test_huge_powers_of_a_density_neither_overflow_nor_miss_the_peak(order):
    found, error = moment(linearised(X**2, {X: LAPLACE}), order, {ETA: 0.5})

    def logarithm(x):
        return order * mpmath.log(x**2 / 2 - 1) - x

    peak = mpmath.findroot(lambda x: order * x / (x**2 / 2 - 1) - 1, 2 * order)
    width = mpmath.sqrt(2 * order)
    area = mpmath.quad(lambda s: mpmath.exp(logarithm(peak + s * width) - logarithm(peak)), [-12, -6, 0, 6, 12])
    expected = float(logarithm(peak) + mpmath.log(area * width))
    assert abs(found - expected) <= error + 1e-14 * expected
    assert error < 1e-6


def test_a_peak_beyond_where_the_density_underflows_is_no_number_with_a_small_error():
    mixed = Density(X, exp(-Abs(X)) / 4 + exp(-2 * Abs(X)) / 2)
    found, error = moment(linearised(X**2, {X: mixed}), 1e3, {ETA: 0.5})
    expected, _ = moment(linearised(X**2, {X: LAPLACE}), 1e3, {ETA: 0.5})  # the heavier half has all of the moment
    assert abs(found - (expected - np.log(2))) <= error


@pytest.mark.parametrize("order", [8, 1e6])
def test_powers_of_squares_have_their_closed_moments(order):
    """E|g^2/2|^p = Gamma(p + 1/2)/sqrt(pi), with no constant in the multiplier (eta gamma = 1)."""
    found, error = moment(linearised(X**2, {X: Normal()}, weight_decay=2), order, {ETA: 0.5})
    expected = float(mpmath.loggamma(order + 0.5) - mpmath.log(mpmath.pi) / 2)
    assert abs(found - expected) <= error + 1e-13 * expected


def test_a_multiplier_that_is_a_pure_cube_has_three_times_the_potential_of_one():
    law = Uniform(-1, 2)
    found = solve(linearised(X**3, {X: law}, weight_decay=Rational(10, 7)), at={ETA: 0.7})
    mean = (2 * np.log(2) - 3) / 3  # E log|x|
    assert abs(found["exponent"].item() - (np.log(0.7) + 3 * mean)) <= found["exponent_error"].item() < 1e-10


@pytest.mark.parametrize(
    ("curvature", "laws", "size"),
    [(X**2, {X: Normal()}, 8), (X * Y, {X: Normal(), Y: Uniform()}, 1), (X, {X: Uniform()}, 1)],
    ids=["Gamma", "Gaussian", "uniform"],
)
@pytest.mark.parametrize("rate", [1e-300, 1e-200])
def test_tiny_learning_rates_do_nothing(curvature, laws, size, rate):
    found = solve(linearised(curvature, laws, batch_size=size), at={ETA: rate})
    assert abs(found["exponent"].item()) <= found["exponent_error"].item() < 1e-9


def test_large_batches_of_squares_need_no_formula_of_a_thousand_terms():
    started = time.perf_counter()
    found = solve(linearised(X**2, {X: Normal()}, batch_size=1000), at={ETA: 1.1})
    assert time.perf_counter() - started < 10
    draws = 1 - 1.1 * np.random.default_rng(1).chisquare(1000, 10**6) / 1000
    logs = np.log(np.abs(draws))
    assert abs(found["exponent"].item() - logs.mean()) < 5 * logs.std() / 1e3
    with pytest.raises(UnsupportedExpectation, match="of so large a shape"):
        Gamma(500).log_potential(3)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_batches_smaller_than_the_data_are_counted_once_for_every_order_of_their_draws(size):
    data = np.array([0.3, -0.7, 1.9, 0.8, 2.6])
    found = solve(
        linearised(X**2, {X: Empirical(data)}, batch_size=size, sampling=Sampling.WITH_REPLACEMENT), at={ETA: 0.55}
    )
    means = np.stack(np.meshgrid(*[data**2] * size)).mean(axis=0)
    assert abs(found["exponent"].item() - np.log(np.abs(1 - 0.55 * means)).mean()) < 1e-13


def test_the_second_moment_of_a_law_exists_where_its_parameter_says_so():
    """E(1 - eta x^2)^2 = 1 - 2 eta a/(a-2) + 3 eta^2 a^2/((a-2)(a-4)) for Student's law of a > 4 degrees of freedom."""
    equations = linearised(X**2, {X: StudentT(A)})
    found, error = moment(equations, 2, {ETA: 0.1, A: 8})
    assert abs(found - np.log(1 - 0.2 * 8 / 6 + 0.03 * 64 / 24)) <= error < 1e-10
    assert moment(equations, 2, {ETA: 0.1, A: 3.5})[0] == np.inf


def test_a_range_that_a_symbol_cannot_take_is_refused_at_its_lower_end():
    equations = linearised(X**2, {X: Normal()})
    with pytest.raises(ValuesError, match="eta is declared positive"):
        thresholds(equations, of=ETA, between=(-1, 2))
    assert thresholds(equations, of=ETA, between=(0, 2)).mode("w").intervals == ((0, 2),)


def test_support_of_half_a_line_is_seen_out_to_its_tail():
    """h = x of Exp(1) at eta gamma = 1: E|x|^p = Gamma(p + 1)."""
    law = Density(X, exp(-X), (0, oo))
    found, error = moment(linearised(X, {X: law}, weight_decay=1), 400.5, {ETA: 1})
    assert abs(found - float(mpmath.loggamma(401.5))) <= error < 1e-8
