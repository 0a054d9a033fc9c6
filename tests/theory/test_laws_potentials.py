"""Logarithmic potentials U(r) = E log|x - r| against independent quadrature at 30 digits, for real and complex r."""

import mpmath
import pytest
import sympy
from sympy import I, Rational, Symbol, log, oo

from theory.errors import UnsupportedExpectation
from theory.laws import (
    Cauchy,
    Discrete,
    Empirical,
    Exponential,
    Gamma,
    Mixture,
    Normal,
    Rademacher,
    StudentT,
    Uniform,
)

POINTS = [Rational(1, 3), Rational(-5, 2), 7, Rational(1, 3) + I, -1 - 2 * I / 3, 2 + I / 10, 6 * I]


def gamma_density(shape):
    """The density of s = sqrt(x), which is smooth at zero for half-integer shapes."""
    return lambda s: 2 * s ** (2 * shape - 1) * mpmath.exp(-(s**2)) / mpmath.gamma(shape)


def student_density(nu):
    constant = mpmath.gamma(mpmath.mpf(nu + 1) / 2) / mpmath.sqrt(mpmath.pi * nu) / mpmath.gamma(mpmath.mpf(nu) / 2)
    return lambda x: constant * (1 + x**2 / nu) ** (-mpmath.mpf(nu + 1) / 2)


def quadrature(law, r):
    """E log|x - r| with the densities written out here, split at the singularity."""
    point = mpmath.mpc(*(mpmath.mpf(part.p) / part.q for part in sympy.sympify(r).as_real_imag()))
    transform, low, high = (lambda s: s), -mpmath.inf, mpmath.inf
    singular = [point.real]
    match law:
        case Normal():
            density = lambda x: mpmath.exp(-(x**2) / 2) / mpmath.sqrt(2 * mpmath.pi)  # noqa: E731
        case Uniform():
            density, low, high = (lambda x: mpmath.mpf(1)), 0, 1
        case Cauchy():
            density = student_density(1)
        case StudentT():
            density = student_density(int(law.degrees_of_freedom))
        case Exponential() | Gamma():
            shape = law.shape if isinstance(law, Gamma) else sympy.Integer(1)
            density, low, transform = gamma_density(mpmath.mpf(shape.p) / shape.q), 0, lambda s: s**2
            singular = [mpmath.sqrt(point.real)] if point.real > 0 else []
    breaks = sorted({low, high, *(p for p in (*singular, -20, -3, 0, 3, 20) if low < p < high)})
    return mpmath.quad(lambda s: density(s) * mpmath.log(abs(transform(s) - point)), breaks)


@pytest.mark.parametrize(
    "law",
    [
        Normal(),
        Uniform(),
        Cauchy(),
        StudentT(3),
        StudentT(7),
        Exponential(),
        Gamma(3),
        Gamma(Rational(1, 2)),
        Gamma(1),
        Gamma(Rational(7, 2)),
        Gamma(Rational(5, 3)),
        StudentT(5),
    ],
    ids=str,
)
@pytest.mark.parametrize("r", POINTS, ids=str)
def test_closed_potentials_agree_with_quadrature_to_27_digits(law, r):
    with mpmath.workdps(35):
        value = mpmath.mpf(str(law.log_potential(r).evalf(32)))
        assert abs(value - quadrature(law, r)) < mpmath.mpf(10) ** -27


def test_gamma_potential_holds_for_shapes_that_are_neither_integer_nor_half_integer():
    with mpmath.workdps(35):
        for r in (Rational(1, 3), -2, 1 + I):
            value = mpmath.mpf(str(Gamma(Rational(4, 3)).log_potential(r).evalf(32)))
            assert abs(value - quadrature(Gamma(Rational(4, 3)), r)) < mpmath.mpf(10) ** -20


def test_potentials_on_the_edge_of_the_support_are_finite():
    assert Uniform().log_potential(0) == Uniform().log_potential(1) == -1
    assert Exponential().log_potential(0).equals(-sympy.EulerGamma)
    assert Gamma(Rational(5, 2)).log_potential(0) == sympy.digamma(Rational(5, 2))


@pytest.mark.parametrize("r", [Rational(1, 3), 2 - I])
def test_location_and_scale_shift_the_potential(r):
    for standard, law in [
        (Normal(), Normal(1, 4)),
        (Uniform(), Uniform(1, 3)),
        (Cauchy(), Cauchy(1, 2)),
        (StudentT(5), StudentT(5, 1, 2)),
    ]:
        shifted = log(2) + standard.log_potential((r - 1) / 2)
        assert abs((law.log_potential(r) - shifted).evalf(20)) < 1e-18
    assert abs((Exponential(2).log_potential(r) - Gamma(1, Rational(1, 2)).log_potential(r)).evalf(20)) < 1e-18


def test_potentials_of_finite_laws_are_sums_and_minus_infinity_at_an_outcome():
    law = Discrete({1: Rational(1, 4), -2: Rational(3, 4)})
    assert sympy.simplify(law.log_potential(3) - (log(2) / 4 + 3 * log(5) / 4)) == 0
    assert law.log_potential(1) == -oo
    assert Rademacher().log_potential(-1) == -oo
    assert Rademacher().log_potential(I).equals(log(2) / 2)
    assert Empirical([1, 3, 3]).log_potential(0).equals(2 * log(3) / 3)


@pytest.mark.parametrize("r", [Rational(1, 3) + I, -1 - 2 * I / 3, 6 * I, Rational(2, 7)], ids=str)
def test_potentials_of_finite_laws_and_mixtures_at_complex_points_agree_with_30_digits(r):
    third = Rational(1, 3)
    with mpmath.workdps(35):
        point = mpmath.mpc(*(mpmath.mpf(part.p) / part.q for part in sympy.sympify(r).as_real_imag()))
        distance = lambda x: mpmath.log(abs(x - point))  # noqa: E731
        parts = quadrature(Normal(), r) / 3 + 2 * quadrature(Exponential(), r) / 3
        cases = [
            (Rademacher(), (distance(1) + distance(-1)) / 2),
            (Discrete({1: third, -2: 2 * third}), distance(1) / 3 + 2 * distance(-2) / 3),
            (Empirical([1, 3, 3]), distance(1) / 3 + 2 * distance(3) / 3),
            (Mixture([(Normal(), third), (Exponential(), 2 * third)]), parts),
            (
                Mixture([(Normal(), third), (Rademacher(), 2 * third)]),
                quadrature(Normal(), r) / 3 + (distance(1) + distance(-1)) / 3,
            ),
        ]
        for law, expected in cases:
            assert abs(mpmath.mpf(str(law.log_potential(r).evalf(32))) - expected) < mpmath.mpf(10) ** -27


def test_mixture_potentials_are_weighted_sums():
    law = Mixture([(Normal(), Rational(1, 3)), (Cauchy(), Rational(2, 3))])
    r = Rational(1, 2)
    assert law.log_potential(r) == Normal().log_potential(r) / 3 + 2 * Cauchy().log_potential(r) / 3


@pytest.mark.parametrize(
    "law", [Normal(), Uniform(), Cauchy(), StudentT(5), Exponential(), Gamma(2), Gamma(0.5)], ids=str
)
def test_potentials_at_a_symbol_take_every_value_afterwards(law):
    general, real = Symbol("r"), Symbol("r", real=True)
    for value in (Rational(1, 3), Rational(-5, 2)):
        assert abs((law.log_potential(real).subs(real, value) - law.log_potential(value)).evalf(20)) < 1e-18
    for value in (Rational(1, 3), -1 - 2 * I, 3 + I / 2):
        late = law.log_potential(general).subs(general, value).evalf(20)
        assert late.is_real
        assert abs(late - law.log_potential(value).evalf(20)) < 1e-18


def test_potentials_at_roots_of_a_polynomial_are_real_numbers():
    x = Symbol("x")
    cubic = x**3 - x - 7 * x**2 - 1
    for root in (*sympy.Poly(cubic, x).all_roots()[:2], *sympy.roots(cubic, x)):
        for law in (Normal(), StudentT(3), Gamma(2)):
            assert law.log_potential(root).evalf(20).is_Float


def test_the_gaussian_potential_gives_the_exponent_of_gaussian_regression():
    """E log|1 - a g^2| = log(a/2) - gamma + 2F2(1, 1; 3/2, 2; -1/(2a)) / a."""
    a = Rational(3, 2)
    root = 1 / sympy.sqrt(a)
    potentials = log(a) + Normal().log_potential(root) + Normal().log_potential(-root)
    closed = log(a / 2) - sympy.EulerGamma + sympy.hyper((1, 1), (Rational(3, 2), 2), -1 / (2 * a)) / a
    assert abs((potentials - closed).evalf(25)) < 1e-23


def test_laws_without_a_closed_potential_name_quadrature():
    k = Symbol("k", positive=True)
    for law in (StudentT(4), StudentT(Rational(5, 2)), StudentT(k), Gamma(k)):
        with pytest.raises(UnsupportedExpectation, match="quadrature"):
            law.log_potential(1)
