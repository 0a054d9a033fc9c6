"""Laws of a user's own in numbers: draws, exponents end to end, and refusals; log-potentials where no closed form exists."""

import mpmath
import numpy as np
import pytest
import sympy
from scipy import stats
from sympy import Abs, Rational, cosh, exp, oo, pi, sqrt

from numerics import simulate, solve
from numerics.densities import inverse_distribution
from numerics.law_draws import draw_law
from numerics.stability.problem import Grid
from numerics.stability.scalar.moment_exponent import scalar_moment_exponent
from theory import (
    SGD,
    Cauchy,
    Clock,
    Density,
    Exponential,
    ExponentKind,
    Gamma,
    HeavyBall,
    Mixture,
    Model,
    Normal,
    Sampler,
    StudentT,
    Uniform,
    stability,
    symbols,
)
from theory.errors import InvalidLaw, UnsupportedExpectation, ValuesError

W, X = symbols("w x")
A, ETA = symbols("a eta", positive=True)
GAUSSIAN = Density(X, exp(-(X**2) / 2) / sqrt(2 * pi))
TWO_PEAKS = Density(X, (exp(-2 * (X - 3) ** 2) + exp(-2 * (X + 3) ** 2)) / sqrt(2 * pi))
PAIRS = [
    (GAUSSIAN, Normal()),
    (Density(X, exp(-X), (0, oo)), Exponential()),
    (Density(X, 1 / (pi * (1 + X**2))), Cauchy()),
    (Density(X, Rational(1, 2), (-1, 1)), Uniform(-1, 1)),
    (Density(X, 3 / (8 * (1 + X**2 / 4) ** Rational(5, 2))), StudentT(4)),
    (TWO_PEAKS, Mixture([(Normal(3, Rational(1, 4)), Rational(1, 2)), (Normal(-3, Rational(1, 4)), Rational(1, 2))])),
]
IDS = ["normal", "exponential", "cauchy", "uniform", "student", "mixture"]


def exponent(law, at, *, batch_size=1, curvature=X**2, momentum=None):
    """The exponent of one parameter with a given curvature, its error, and its kind."""
    model = Model(curvature * W**2 / 2, [W], {X: law})
    found = solve(stability(model, SGD(ETA, batch_size=batch_size, momentum=momentum), point={W: 0}), at=at)
    return float(found["exponent"][0]), float(found["exponent_error"][0]), str(found["kind"][0].item())


# -------------------------------------------------------------------------------------------------------------- exponents


@pytest.mark.parametrize(("own", "built_in"), PAIRS, ids=IDS)
@pytest.mark.parametrize("curvature", [X**2 + 2 * X / 3, -1 - X**2], ids=str)
def test_a_density_has_the_exponents_of_the_built_in_law_that_it_spells_out(own, built_in, curvature):
    found, error, kind = exponent(own, {ETA: 0.4}, curvature=curvature)
    expected, other, _ = exponent(built_in, {ETA: 0.4}, curvature=curvature)
    assert kind == "quadrature"
    assert abs(found - expected) < error + other < 1e-7


def test_a_density_that_no_law_spells_out_has_the_exponent_of_independent_quadrature():
    law = Density(X, 1 / (pi * cosh(X)))
    found, error, _ = exponent(law, {ETA: 0.7})
    root = mpmath.sqrt(1 / mpmath.mpf("0.7"))

    def integrand(x):
        return mpmath.log(abs(1 - mpmath.mpf("0.7") * x**2)) / (mpmath.pi * mpmath.cosh(x))

    expected = 2 * mpmath.quad(integrand, [0, root, 4, 20, 60])
    assert abs(found - expected) < error < 1e-9


@pytest.mark.parametrize("size", [2, 4])
def test_batches_of_a_density_agree_with_batches_of_the_law(size):
    """h = x^2 of the Rayleigh law is exponential, whose batch means are Gamma."""
    rayleigh = Density(X, 2 * X * exp(-(X**2)), (0, oo))
    found, error, kind = exponent(rayleigh, {ETA: 0.3}, batch_size=size)
    expected, other, _ = exponent(Exponential(), {ETA: 0.3}, batch_size=size, curvature=X)
    factor = 5 if kind == "Monte Carlo" else 1
    assert abs(found - expected) < factor * error + other


def test_parameters_of_a_density_may_vary_over_a_grid():
    weibull = Density(X, A * X ** (A - 1) * exp(-(X**A)), (0, oo))
    model = Model(X**2 * W**2 / 2, [W], {X: weibull})
    found = solve(stability(model, SGD(ETA), point={W: 0}), at={ETA: 0.3, A: np.array([1.0, 2.0])})
    expected = [
        exponent(Exponential(), {ETA: 0.3})[0],
        exponent(Exponential(), {ETA: 0.3}, curvature=X)[0],
    ]
    assert found["kind"].item() == "quadrature"
    assert np.abs(found["exponent"].values[0] - expected).max() < 1e-9


@pytest.mark.parametrize("size", [1, 4])
def test_a_sampler_has_monte_carlo_exponents_of_the_law_that_it_draws(size):
    law = Sampler(lambda generator, count: generator.standard_normal(count), "a normal of my own")
    found, error, kind = exponent(law, {ETA: 0.6}, batch_size=size)
    expected, _, _ = exponent(Normal(), {ETA: 0.6}, batch_size=size)
    assert kind == "Monte Carlo"
    assert 0 < error < 5e-3
    assert abs(found - expected) < 5 * error


def test_a_mixture_may_hold_laws_of_ones_own():
    half = Rational(1, 2)
    sampler = Sampler(lambda generator, count: generator.standard_normal(count), "a normal of my own")
    expected, _, _ = exponent(Normal(), {ETA: 0.6})
    found, error, kind = exponent(Mixture([(GAUSSIAN, half), (Normal(), half)]), {ETA: 0.6})
    assert kind == "quadrature"
    assert abs(found - expected) < error
    found, error, kind = exponent(Mixture([(GAUSSIAN, half), (sampler, half)]), {ETA: 0.6})
    assert kind == "Monte Carlo"
    assert abs(found - expected) < 5 * error


def moment_exponent(law, order, rate):
    (block,) = stability(Model(X**2 * W**2 / 2, [W], {X: law}), SGD(ETA), point={W: 0}).blocks
    found = scalar_moment_exponent(block, Grid({ETA: np.array([rate])}, 1), order)
    return float(found.values[0]), float(found.errors[0]), found.kind


def test_moment_exponents_of_laws_of_ones_own():
    """E(1 - eta x^2)^2 = 1 - 2 eta/4 + eta^2/8 for the semicircle, whose moments SymPy leaves as integrals."""
    found, error, kind = moment_exponent(Density(X, 2 * sqrt(1 - X**2) / pi, (-1, 1)), 2.0, 0.4)
    assert kind == ExponentKind.QUADRATURE
    assert abs(found - np.log(1 - 0.2 + 0.02)) < error + 1e-15 < 1e-12
    found, _, _ = moment_exponent(Density(X, sqrt(2) / (pi * (1 + X**4))), 2.0, 0.4)  # no fourth moment
    assert found == np.inf
    bounded = Sampler(lambda generator, count: generator.uniform(-1, 1, count), "uniform", sup_moment=oo)
    found, error, kind = moment_exponent(bounded, 2.0, 0.4)
    assert kind == ExponentKind.MONTE_CARLO
    assert abs(found - np.log(1 - 0.8 / 3 + 0.16 / 5)) < 5 * error
    with pytest.raises(UnsupportedExpectation, match="declare it as sup_moment="):
        moment_exponent(
            Sampler(lambda generator, count: generator.uniform(-1, 1, count), "a tail nobody knows"), 2.0, 0.4
        )


# ------------------------------------------------------------------------------------------------------------------ draws


@pytest.mark.parametrize(
    ("law", "reference"),
    [
        (GAUSSIAN, stats.norm()),
        (Density(X, exp(-X) * X ** Rational(-9, 10) / sympy.gamma(Rational(1, 10)), (0, oo)), stats.gamma(0.1)),
        (Density(X, 3 / (8 * (1 + X**2 / 4) ** Rational(5, 2))), stats.t(4)),
        (Density(X, exp(-50000 * (X - 100) ** 2) * sqrt(50000 / pi)), stats.norm(100, 1 / np.sqrt(1e5))),
        (Density(X, 6 * X * (1 - X), (0, 1)), stats.beta(2, 2)),
    ],
    ids=["normal", "singular", "student", "narrow", "beta"],
)
def test_the_table_inverts_the_distribution_function_to_its_stated_error_in_both_tails(law, reference):
    inverse = inverse_distribution(law)
    assert inverse.error < 1e-8
    small = 10.0 ** -np.arange(1, 15)
    low = inverse(small)
    assert np.abs(reference.cdf(low) / small - 1).max() < 2e-8
    high = inverse(1 - 0.5 ** np.arange(1, 34))  # numbers whose distance from 1 is exact
    gap = np.finfo(float).eps * np.abs(high) * reference.pdf(high)  # what the rounding of a quantile changes
    assert np.all(np.abs(reference.sf(high) - 0.5 ** np.arange(1, 34)) < 2e-8 * 0.5 ** np.arange(1, 34) + 4 * gap)
    assert np.all(np.diff(inverse(np.linspace(1e-3, 1, 2001))) > 0)


@pytest.mark.parametrize(
    "law", [GAUSSIAN, TWO_PEAKS, Density(X, exp(-Abs(X)) / 2), Density(X, 2 * sqrt(1 - X**2) / pi, (-1, 1))], ids=str
)
def test_draws_outside_kernels_have_the_stated_density(law):
    values = draw_law(law, (1, 20_000), seed=5, stream=0)[0]
    density = sympy.lambdify(X, law.density(X), "numpy")
    edges = np.quantile(values, np.linspace(0, 1, 21)[1:-1])
    grid = np.linspace(max(float(law.lower), -40), min(float(law.upper), 40), 400_001)
    mass = np.cumsum(density(grid)) * (grid[1] - grid[0])
    expected = np.diff(np.concatenate([[0], np.interp(edges, grid, mass), [1]])) * len(values)
    counts = np.histogram(values, np.concatenate([[-np.inf], edges, [np.inf]]))[0]
    half = draw_law(law, (1, 20_000), seed=6, stream=0)[0]  # the edges are quantiles of the first sample: test a second
    counts = np.histogram(half, np.concatenate([[-np.inf], edges, [np.inf]]))[0]
    assert stats.chi2.sf(((counts - expected) ** 2 / expected).sum(), len(counts) - 1) > 1e-5


def test_a_peak_that_quadrature_does_not_find_is_refused_not_dropped():
    with pytest.raises(InvalidLaw, match=r"by quadrature.*narrow peak"):
        Density(X, 1 / (pi * cosh(X - 10**7)))


def test_the_units_of_a_density_do_not_matter():
    found, error, _ = exponent(GAUSSIAN, {ETA: 0.6})
    small = Density(X, exp(-(X**2) / (2 * A**2)) / sqrt(2 * pi * A**2)).substitute({A: Rational(1, 10**9)})
    scaled, other, _ = exponent(small, {ETA: 0.6}, curvature=10**18 * X**2)
    assert abs(found - scaled) < error + other < 1e-10


@pytest.mark.parametrize(
    ("function", "match"),
    [
        (lambda generator, count: np.zeros(3), r"shape \(3,\), expected"),
        (lambda generator, count: np.full(count, 1j), "expected real ones"),
        (lambda generator, count: np.full(count, np.nan), "expected finite"),
        (lambda generator, count: np.full(count, -1.0), "outside its support"),
    ],
)
def test_what_a_sampler_returns_is_checked(function, match):
    law = Sampler(function, f"wrong {match}", support=sympy.Interval(0, oo))
    with pytest.raises(ValuesError, match=match):
        draw_law(law, (1, 10), seed=1, stream=0)


def test_kernels_refuse_what_they_cannot_draw_and_name_the_remedy():
    request = {"observe": {"w": W}, "clock": Clock.STEPS, "start": {W: 0}, "until": 1, "at": {ETA: 1}, "replicas": 2}
    with pytest.raises(UnsupportedExpectation, match="give quantile="):
        simulate(Model(-W * X, [W], {X: GAUSSIAN}), SGD(ETA), **request)
    sampler = Sampler(lambda generator, count: generator.standard_normal(count), "a normal of my own")
    with pytest.raises(UnsupportedExpectation, match="which kernels need"):
        simulate(Model(-W * X, [W], {X: sampler}), SGD(ETA), **request)


@pytest.mark.slow
def test_sgd_draws_a_density_by_its_quantile_inside_kernels():
    gumbel = Density(X, exp(-X - exp(-X)))
    found = simulate(
        Model(-W * X, [W], {X: gumbel}),
        SGD(ETA),
        observe={"w": W},
        clock=Clock.STEPS,
        start={W: 0},
        until=1,
        at={ETA: 1},
        replicas=20_000,
        seed=3,
    )
    assert stats.kstest(found["w"].values[:, -1], stats.gumbel_r.cdf).pvalue > 1e-5


@pytest.mark.slow
def test_products_of_matrices_with_laws_of_ones_own_agree_with_the_built_in_law():
    momentum = HeavyBall(Rational(1, 2))
    sampler = Sampler(lambda generator, count: generator.standard_normal(count), "a normal of my own")
    expected, other, _ = exponent(Normal(), {ETA: 0.5}, momentum=momentum)
    for law in (GAUSSIAN, sampler):
        found, error, kind = exponent(law, {ETA: 0.5}, momentum=momentum)
        assert kind == "Monte Carlo" or law is not sampler
        assert abs(found - expected) < 5 * np.hypot(error, other)


# ----------------------------------------------------------------------------------- potentials of laws without closed form


@pytest.mark.parametrize(
    ("law", "density", "lower"),
    [
        (StudentT(4), lambda x: mpmath.mpf(3) / 8 * (1 + x**2 / 4) ** mpmath.mpf(-2.5), -mpmath.inf),
        (
            StudentT(Rational(5, 2)),
            lambda x: mpmath.mpf(str(stats.t(2.5).pdf(0))) * (1 + x**2 / 2.5) ** -1.75,
            -mpmath.inf,
        ),
        (Gamma(Rational(5, 2)), lambda x: x**1.5 * mpmath.exp(-x) / mpmath.gamma(2.5), 0),
        (
            Gamma(Rational(7, 3)),
            lambda x: x ** (mpmath.mpf(4) / 3) * mpmath.exp(-x) / mpmath.gamma(mpmath.mpf(7) / 3),
            0,
        ),
    ],
    ids=lambda value: "" if callable(value) else str(value),
)
def test_potentials_at_complex_roots_by_quadrature_have_their_stated_error(law, density, lower):
    """1 + eta (1 - x + x^2) has a pair of complex roots next to the law."""
    found, error, _ = exponent(law, {ETA: 1.0}, curvature=-(1 - X + X**2))
    breaks = [point for point in (-mpmath.inf, -20, -2, 0, 0.5, 2, 20, mpmath.inf) if point >= lower]
    expected = mpmath.quad(lambda x: density(x) * mpmath.log(2 - x + x**2), breaks)
    assert abs(found - expected) < error + 1e-9
    assert error < 1e-8
