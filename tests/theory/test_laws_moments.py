"""Moments of the data laws: against quadrature, against enumeration of pairings, and where they do not exist."""

from itertools import product

import mpmath
import pytest
import sympy
from hypothesis import given, settings, strategies as st
from sympy import Expr, Matrix, Rational, Symbol, lambdify, oo

from theory.errors import InvalidRequest, MomentDoesNotExist, UnsupportedExpectation
from theory.laws import Cauchy, Discrete, Exponential, Gamma, Law, Mixture, Normal, Rademacher, StudentT, Uniform

X = Symbol("x", real=True)
INF = mpmath.inf

CONTINUOUS = [
    (Normal(Rational(1, 2), 3), (-INF, INF)),
    (Uniform(-1, Rational(5, 2)), (-1, Rational(5, 2))),
    (StudentT(9, Rational(1, 3), 2), (-INF, INF)),
    (Exponential(Rational(3, 2)), (0, INF)),
    (Gamma(Rational(7, 3), Rational(1, 2)), (0, INF)),
    (Gamma(2, 3), (0, INF)),
    (Mixture([(Normal(-1, 1), Rational(1, 3)), (StudentT(7), Rational(2, 3))]), (-INF, INF)),
]


def number(value) -> mpmath.mpf:
    """A rational or an infinity in the working precision of mpmath."""
    return mpmath.mpf(value) if isinstance(value, (int, mpmath.mpf)) else mpmath.mpf(value.p) / value.q


def integral(law: Law, weight: Expr, interval) -> mpmath.mpf:
    """The expectation of an expression in X by tanh-sinh quadrature over the density."""
    with mpmath.workdps(25):
        integrand = lambdify(X, law.density(X) * weight, "mpmath")
        low, high = map(number, interval)
        points = [low, *(mpmath.mpf(point) for point in (-30, -5, 0, 5, 30) if low < point < high), high]
        return mpmath.quad(lambda x: integrand(x) if low < x < high else mpmath.mpf(0), points)


@pytest.mark.parametrize(("law", "interval"), CONTINUOUS, ids=str)
@pytest.mark.parametrize("order", range(7))
def test_moments_agree_with_quadrature_over_the_density(law, interval, order):
    exact = law.moment(order)
    assert exact.is_rational
    assert abs(integral(law, X**order, interval) - mpmath.mpf(exact.p) / exact.q) < 1e-9 * (1 + abs(exact))


def pairing_moment(means: list[Expr], covariance: Matrix, slots: tuple[int, ...]) -> Expr:
    """E of a product of Gaussian numbers: each is its mean, or is paired with one of the others."""
    if not slots:
        return sympy.Integer(1)
    first, *rest = slots
    total = means[first] * pairing_moment(means, covariance, tuple(rest))
    for position, other in enumerate(rest):
        left = tuple(rest[:position] + rest[position + 1 :])
        total += covariance[first, other] * pairing_moment(means, covariance, left)
    return total


entry = st.fractions(min_value=-2, max_value=2, max_denominator=4).map(lambda f: Rational(f.numerator, f.denominator))


@settings(max_examples=25, deadline=None)
@given(st.lists(entry, min_size=9, max_size=9), st.lists(entry, min_size=3, max_size=3))
def test_joint_normal_moments_agree_with_the_enumeration_of_all_pairings(entries, means):
    root = Matrix(3, 3, entries)
    covariance = root * root.T  # positive semidefinite, sometimes singular
    law = Normal(means, covariance=covariance.tolist())
    for exponents in [(1, 0, 0), (1, 1, 0), (2, 1, 1), (0, 3, 2), (2, 2, 2)]:
        slots = tuple(index for index, exponent in enumerate(exponents) for _ in range(exponent))
        assert law.moment(exponents) == pairing_moment(means, covariance, slots)


def test_symbolic_joint_normal_moment_is_the_wick_formula():
    rho = Symbol("rho", real=True)
    law = Normal(covariance=[[1, rho], [rho, 1]])
    assert sympy.expand(law.moment((3, 3)) - (9 * rho + 6 * rho**3)) == 0


def test_joint_discrete_moments_are_sums_over_outcomes():
    law = Discrete([((1, 2), Rational(1, 4)), ((-1, 3), Rational(1, 4)), ((0, -2), Rational(1, 2))])
    for exponents in product(range(4), repeat=2):
        expected = sum(p * a ** exponents[0] * b ** exponents[1] for (a, b), p in law.outcomes())
        assert law.moment(exponents) == expected


@pytest.mark.parametrize("law", [law for law, _ in CONTINUOUS] + [Rademacher(), Discrete({2: 1})])
def test_moment_of_order_zero_is_one_and_variance_is_the_centred_second_moment(law):
    assert law.moment(0) == 1
    assert sympy.expand(law.moment(2) - law.mean**2 - law.variance) == 0


def test_location_and_scale_act_on_symbolic_moments():
    m, s = sympy.symbols("m s", positive=True)
    assert sympy.expand(Normal(m, s**2).moment(4) - (m**4 + 6 * m**2 * s**2 + 3 * s**4)) == 0
    assert sympy.expand(Uniform(-s, s).moment(2) - s**2 / 3) == 0


@pytest.mark.parametrize(
    ("law", "order"),
    [(Cauchy(), 1), (StudentT(3), 3), (StudentT(3), 4), (Mixture([(Normal(), 0.5), (Cauchy(), 0.5)]), 1)],
)
def test_moments_that_do_not_exist_are_refused_with_order_and_law(law, order):
    with pytest.raises(MomentDoesNotExist) as caught:
        law.moment(order)
    assert caught.value.order == order
    assert order >= law.sup_moment


def test_moments_of_absent_components_do_not_matter():
    assert Mixture([(Normal(), 1), (Cauchy(), 0)]).moment(2) == 1


def test_symbolic_degrees_of_freedom_must_be_declared_large_enough():
    excess = Symbol("excess", positive=True)
    with pytest.raises(MomentDoesNotExist, match="not declared; write the parameter as 2"):
        StudentT(excess).moment(2)
    assert sympy.simplify(StudentT(2 + excess).moment(2) - (2 + excess) / excess) == 0


def test_supremum_of_existing_moments():
    assert Normal().sup_moment == oo
    assert StudentT(Rational(7, 2)).sup_moment == Rational(7, 2)
    assert Cauchy().sup_moment == 1
    assert Mixture([(StudentT(3), 0.5), (StudentT(5), 0.5)]).sup_moment == 3


@pytest.mark.parametrize("order", [-1, 1.5, (1, 1), "2", True])
def test_orders_that_do_not_fit_the_law_are_refused(order):
    with pytest.raises(InvalidRequest, match="expected 1"):
        Normal().moment(order)


def test_joint_laws_have_no_single_mean_density_or_potential():
    law = Normal(covariance=[[1, 0], [0, 1]])
    for ask in (lambda: law.mean, lambda: law.variance, lambda: law.density(0), lambda: law.log_potential(0)):
        with pytest.raises(UnsupportedExpectation):
            ask()


@pytest.mark.parametrize(("law", "interval"), [*CONTINUOUS, (Cauchy(1, 2), (-INF, INF))], ids=str)
@pytest.mark.parametrize("t", [Rational(-7, 10), Rational(5, 3)])
def test_characteristic_functions_agree_with_quadrature(law, interval, t):
    density = lambdify(X, law.density(X), "mpmath")
    frequency = number(t)
    low, high = map(number, interval)

    def transform(wave) -> mpmath.mpf:
        if high != INF:
            return mpmath.quad(lambda x: density(x) * wave(frequency * x), [low, high])
        signs = (1,) if low == 0 else (1, -1)
        return sum(
            mpmath.quadosc(lambda x: density(sign * x) * wave(frequency * sign * x), [0, INF], omega=abs(frequency))  # noqa: B023
            for sign in signs
        )

    value = complex(law.characteristic_function(t).evalf(20))
    assert abs(value - complex(transform(mpmath.cos), transform(mpmath.sin))) < 1e-7  # the accuracy of quadosc


def test_characteristic_functions_are_one_at_zero_and_generate_moments():
    t = Symbol("t", real=True)
    for law in (Normal(1, 2), Rademacher(), Discrete({1: 0.25, -3: 0.75}), Exponential(2), Gamma(3, 2)):
        function = law.characteristic_function(t)
        assert function.subs(t, 0) == 1
        for order in (1, 2, 3):
            derivative = sympy.diff(function, t, order).subs(t, 0) / sympy.I**order
            assert sympy.simplify(derivative - law.moment(order)) == 0
    assert Uniform(1, 3).characteristic_function(0) == 1


def test_joint_characteristic_functions_take_one_frequency_per_slot():
    a, b, rho = sympy.symbols("a b rho", real=True)
    law = Normal(covariance=[[1, rho], [rho, 1]])
    assert sympy.expand(law.characteristic_function((a, b)).args[0]) == sympy.expand(
        -(a**2 + 2 * rho * a * b + b**2) / 2
    )
    with pytest.raises(UnsupportedExpectation, match="one per slot"):
        law.characteristic_function(a)


def test_student_with_even_degrees_has_no_closed_characteristic_function():
    with pytest.raises(UnsupportedExpectation, match="odd"):
        StudentT(4).characteristic_function(1)
