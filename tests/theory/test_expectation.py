"""The expectation engine against numerical integration and enumeration, for every law."""

from itertools import pairwise, product

import mpmath
import numpy as np
import pytest
import sympy
from conformance import evaluated
from hypothesis import given, settings, strategies as st
from scipy.integrate import dblquad, quad
from sympy import Abs, Heaviside, Max, Rational, cos, erf, exp, expand, sign, sin, tanh

import theory
from theory import (
    Cauchy,
    Discrete,
    Empirical,
    Exponential,
    Gamma,
    GaussianQuadrature,
    Mixture,
    Normal,
    Quadrature,
    Rademacher,
    StudentT,
    Uniform,
    expectation,
    symbols,
)
from theory.errors import MomentDoesNotExist, UnsupportedExpectation
from theory.expectation import GaussianGroup, average_polynomial

a, b, x, y, z, t = symbols("a b x y z t")
positive = symbols("positive", positive=True)
LAWS = {
    "normal": (Normal(Rational(1, 2), 2), -np.inf, np.inf),
    "uniform": (Uniform(-1, 2), -1, 2),
    "exponential": (Exponential(Rational(3, 2)), 0, np.inf),
    "gamma": (Gamma(Rational(5, 2), Rational(1, 2)), 0, np.inf),
    "student": (StudentT(9), -np.inf, np.inf),
    "mixture": (Mixture([(Normal(-1, 1), Rational(1, 3)), (Uniform(0, 1), Rational(2, 3))]), -np.inf, np.inf),
}
FINITE = {
    "rademacher": Rademacher(),
    "discrete": Discrete([(1, Rational(1, 4)), (1, Rational(1, 4)), (Rational(-2, 3), Rational(1, 2))]),
    "empirical": Empirical([1, 2, -3, 4]),
}


def integral(law, function, low, high):
    """E of a function of one number by adaptive integration over the density, piece by piece."""
    density = sympy.lambdify(x, law.density(x), ["numpy", "scipy"])
    knots = [low, *(k for k in (-6.0, -1.0, 0.0, 1.0, 2.0, 8.0) if low < k < high), high]
    return sum(
        quad(lambda s: float(density(s)) * float(function(s)), lo, hi, epsabs=1e-12, epsrel=1e-11, limit=300)[0]
        for lo, hi in pairwise(knots)
    )


@pytest.mark.parametrize("name", LAWS)
@given(coefficients=st.lists(st.fractions(-2, 2, max_denominator=5), min_size=1, max_size=5))
@settings(max_examples=8, deadline=None, derandomize=True)
def test_polynomials_have_the_average_that_integration_gives(name, coefficients):
    law, low, high = LAWS[name]
    polynomial = sum(Rational(c.numerator, c.denominator) * x**k for k, c in enumerate(coefficients))
    exact = expectation(polynomial, {x: law})
    assert not exact.free_symbols
    function = sympy.lambdify(x, polynomial, "numpy")
    assert float(exact) == pytest.approx(integral(law, function, low, high), rel=1e-7, abs=1e-7)


@pytest.mark.parametrize(
    "function", [tanh(x), cos(x) * x**2, exp(-(x**2)), 1 / (1 + x**2), Abs(x - 1), erf(x) * x], ids=str
)
@pytest.mark.parametrize("name", LAWS)
def test_functions_become_nodes_whose_value_is_that_of_integration(name, function):
    law, low, high = LAWS[name]
    node = expectation(a * function + b * x, {x: law})
    assert not node.has(x) and {a} <= node.free_symbols <= {a, b}
    numeric = sympy.lambdify(x, function, ["numpy", "scipy"])
    expected = 2 * integral(law, numeric, low, high) - 3 * float(law.moment(1))
    tolerance = 5e-3 if function.has(Abs) else 1e-6  # Gauss-Hermite of a kink
    assert evaluated(node, {a: 2.0, b: -3.0}, 120) == pytest.approx(expected, abs=tolerance)


@pytest.mark.parametrize("name", FINITE)
def test_finite_laws_are_enumerated_whatever_the_function(name):
    law = FINITE[name]
    function = sign(x - a) * tanh(x) + exp(x) / (1 + x**2) + Heaviside(x - b)
    brute = sum(weight * function.xreplace({x: sympy.sympify(value)}) for value, weight in law.outcomes())
    assert sympy.simplify(expectation(function, {x: law}) - brute) == 0


def test_joint_finite_laws_are_enumerated_with_their_correlation():
    law = Discrete([((1, 2), Rational(1, 3)), ((-1, 5), Rational(2, 3))])
    assert (
        expand(
            expectation(tanh(x) * y + x * y, {(x, y): law})
            - (tanh(1) * 2 / 3 - 10 * tanh(1) / 3 + Rational(2, 3) - Rational(10, 3))
        )
        == 0
    )
    data = Empirical([1, 2, 3], [0, 1, 5])
    assert expectation(x**2 * y, {(x, y): data}) == Rational(4 + 45, 3)


def test_independent_laws_multiply():
    laws = {x: Normal(1, 2), y: Exponential(1), z: Rademacher()}
    for i, j, k in product(range(4), repeat=3):
        separate = expectation(x**i, {x: laws[x]}) * expectation(y**j, {y: laws[y]}) * expectation(z**k, {z: laws[z]})
        assert expand(expectation(a * x**i * y**j * z**k, laws) - a * separate) == 0


@given(st.lists(st.integers(0, 3), min_size=3, max_size=3), st.integers(0, 10**6))
@settings(max_examples=25, deadline=None, derandomize=True)
def test_gaussian_groups_agree_with_the_sum_over_pairings(powers, seed):
    rng = np.random.default_rng(seed)
    root = sympy.Matrix(3, 3, [Rational(int(k), 3) for k in rng.integers(-3, 4, 9)])
    matrix, names = root * root.T, (x, y, z)
    group = GaussianGroup(names, {(s, r): matrix[i, j] for i, s in enumerate(names) for j, r in enumerate(names)})
    slots = [i for i, power in enumerate(powers) for _ in range(power)]

    def pairings(rest):
        if not rest:
            return sympy.Integer(1)
        first, *others = rest
        return sum(matrix[first, partner] * pairings(others[:k] + others[k + 1 :]) for k, partner in enumerate(others))

    expected = 0 if len(slots) % 2 else pairings(slots)
    found = average_polynomial(sympy.Mul(*(s**p for s, p in zip(names, powers, strict=True))), [group])
    assert expand(found - expected) == 0


def test_correlated_normals_with_means_in_one_function():
    law = Normal([Rational(1, 2), -1], covariance=[[2, Rational(1, 2)], [Rational(1, 2), 1]])
    node = expectation(tanh(x + y) * y, {(x, y): law})
    matrix = np.array([[2, 0.5], [0.5, 1.0]])
    inverse, norm = np.linalg.inv(matrix), 2 * np.pi * np.sqrt(np.linalg.det(matrix))

    def integrand(second, first):
        d = np.array([first - 0.5, second + 1])
        return np.tanh(first + second) * second * np.exp(-d @ inverse @ d / 2) / norm

    expected = dblquad(integrand, -12, 12, -10, 9, epsabs=1e-8)[0]
    assert evaluated(node, {}, 120) == pytest.approx(expected, abs=1e-6)


def test_two_densities_in_one_function_are_integrated_over_two_variables():
    node = expectation(tanh(x * y) + x, {x: Uniform(0, 1), y: Uniform(0, 2)})
    expected = dblquad(lambda s, r: np.tanh(s * r) / 2, 0, 1, 0, 2)[0] + 0.5
    assert evaluated(node, {}) == pytest.approx(expected, abs=1e-9)
    inner = next(
        e for e in sympy.preorder_traversal(node) if isinstance(e, Quadrature) and not e.integrand.has(Quadrature)
    )
    outer = next(e for e in sympy.preorder_traversal(node) if isinstance(e, Quadrature) and e.integrand.has(Quadrature))
    assert inner.variable != outer.variable and not node.free_symbols


def test_averaging_step_by_step_does_not_capture_the_bound_variables():
    for law, other in (
        (Normal(), Normal(1, 2)),
        (Uniform(0, 1), Uniform(-1, 2)),
        (Normal(), Uniform(0, 1)),
        (Uniform(0, 1), Normal()),
    ):
        function = cos(x * y) + tanh(x + 2 * y)
        together = expectation(function, {x: law, y: other})
        nested = expectation(expectation(function, {x: law}), {y: other})
        if isinstance(other, Normal) and isinstance(law, Normal):
            assert {len(node.bound_symbols) for node in together.atoms(GaussianQuadrature)} == {2}
        assert not nested.free_symbols
        assert numerically(nested) == pytest.approx(numerically(together), abs=1e-6)


def numerically(expression):
    """Nested nodes evaluated by mpmath, one integral inside the other."""
    if isinstance(expression, GaussianQuadrature):
        nodes, weights = np.polynomial.hermite_e.hermegauss(24)
        matrix = np.array(expression.covariance.tolist(), float)
        eigenvalues, axes = np.linalg.eigh(matrix)
        total = mpmath.mpf(0)
        for indices in product(range(24), repeat=len(expression.variables)):
            weight = np.prod([weights[i] for i in indices]) / np.sqrt(2 * np.pi) ** len(indices)
            if weight < 1e-12:
                continue
            point = axes @ (np.sqrt(eigenvalues.clip(0)) * nodes[list(indices)])
            images = {s: sympy.Float(float(v)) for s, v in zip(expression.variables, point, strict=True)}
            total += weight * numerically(expression.integrand.xreplace(images))
        return float(total)
    if isinstance(expression, Quadrature):
        nodes, weights = np.polynomial.legendre.leggauss(16)
        low, high = float(expression.lower), float(expression.upper)
        total = 0.0
        for node, weight in zip(nodes, weights, strict=True):
            point = sympy.Float((low + high) / 2 + (high - low) / 2 * float(node))
            total += (
                (high - low)
                / 2
                * weight
                * numerically((expression.integrand * expression.density).xreplace({expression.variable: point}))
            )
        return total
    if expression.has(GaussianQuadrature, Quadrature):
        return float(expression.func(*(sympy.Float(numerically(argument)) for argument in expression.args)))
    return float(expression)


def test_independent_factors_are_averaged_apart_so_that_nodes_stay_small():
    value = expectation(Heaviside(x) ** 2 * (Max(0, x) - y * b) ** 2, {x: Normal(), y: Normal()})
    assert all(len(node.variables) == 1 for node in value.atoms(GaussianQuadrature))
    assert expectation(tanh(x) * y, {x: Normal(), y: Normal()}) == 0


@pytest.mark.parametrize("expression", [x * y, (x + 1) * 0 + z * x * y, x**3 * y], ids=str)
def test_zero_times_an_infinite_moment_raises(expression):
    with pytest.raises(MomentDoesNotExist):
        expectation(expression, {x: Normal(), y: Cauchy(), z: Rademacher()})


def test_a_moment_exists_up_to_the_tail_of_the_law():
    assert expectation(x**2, {x: StudentT(3)}) == 3
    for power in (3, 4):
        with pytest.raises(MomentDoesNotExist):
            expectation(x**power + 1, {x: StudentT(3)})


def test_parameters_of_laws_stay_symbolic_and_substitution_commutes():
    general = expectation((a + x) ** 4, {x: Normal(b, positive)})
    special = expectation((a + x) ** 4, {x: Normal(2, Rational(1, 3))})
    assert expand(general.subs({b: 2, positive: Rational(1, 3)}) - special) == 0
    node = expectation(tanh(a * x), {x: Uniform(0, positive)})
    assert evaluated(node, {a: 1.5, positive: 2.0}) == pytest.approx(np.log(np.cosh(3)) / 3, abs=1e-10)


def test_nodes_are_differentiated_under_the_integral_or_refuse():
    node = expectation(tanh(a * x) + sin(a * y), {x: Normal(), y: Uniform(0, 1)})
    step = 1e-5
    slope = (evaluated(node, {a: 0.7 + step}, 120) - evaluated(node, {a: 0.7 - step}, 120)) / (2 * step)
    assert evaluated(sympy.diff(node, a), {a: 0.7}, 120) == pytest.approx(slope, abs=1e-7)
    for law in (Normal(0, a**2), Uniform(0, positive)):
        symbol = a if isinstance(law, Normal) else positive
        with pytest.raises(NotImplementedError):
            sympy.diff(expectation(tanh(x), {x: law}), symbol)


def test_a_scale_in_the_density_is_differentiated_too():
    node = expectation(tanh(x), {x: Exponential(positive)})
    step = 1e-5
    slope = (evaluated(node, {positive: 0.7 + step}) - evaluated(node, {positive: 0.7 - step})) / (2 * step)
    assert evaluated(sympy.diff(node, positive), {positive: 0.7}) == pytest.approx(slope, abs=1e-6)


def test_a_normal_law_without_variance_is_a_point():
    assert expectation(tanh(x) + x**2, {x: Normal(2, 0)}) == tanh(2) + 4


def test_what_is_not_random_is_left_alone():
    assert expectation(sin(a) + b, {x: Normal()}) == sin(a) + b
    assert expectation(x * sin(a), {x: Normal(1, 1)}) == sin(a)


def test_joint_laws_without_a_quadrature_are_refused():
    law = Empirical(np.array([[1, 2], [3, 4]]))
    with pytest.raises((UnsupportedExpectation, ValueError)):
        expectation(tanh(x) * y, {(x, y): law})


def test_a_mixture_of_points_and_densities_has_its_moments():
    law = Mixture([(Rademacher(), Rational(1, 2)), (Uniform(0, 1), Rational(1, 2))])
    assert expectation(x**2, {x: law}) == Rational(1, 2) + Rational(1, 6)
    value = evaluated(expectation(exp(x) / (1 + x**2), {x: law}), {})
    expected = np.cosh(1) / 4 + quad(lambda s: np.exp(s) / (1 + s**2) / 2, 0, 1)[0]
    assert value == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize(
    "grows",
    [lambda s: sympy.exp(s**2), lambda s: s * sympy.exp(s**4), lambda s: 1 + sympy.exp(s**2 / 8) * sympy.tanh(s)],
)
def test_exponentials_of_a_positive_square_are_refused(grows):
    x = theory.symbols("x")
    with pytest.raises(theory.MomentDiverges, match="exp"):
        theory.expectation(grows(x), {x: theory.Normal()})


@pytest.mark.parametrize(
    "bounded",
    [
        lambda s: sympy.exp(-(s**2)) * sympy.tanh(s) ** 2,
        lambda s: 1 / (1 + sympy.exp(s**2)),
        lambda s: sympy.exp(s) * sympy.tanh(s),
    ],
)
def test_exponentials_that_do_not_outgrow_the_gaussian_are_averaged(bounded):
    x = theory.symbols("x")
    value = theory.expectation(bounded(x), {x: theory.Normal()})
    grid = np.linspace(-12, 12, 40001)
    weight = np.exp(-(grid**2) / 2) / np.sqrt(2 * np.pi)
    with np.errstate(over="ignore"):  # exp(144) inside a denominator
        expected = np.trapezoid(sympy.lambdify(x, bounded(x), "numpy")(grid) * weight, grid)
    assert abs(float(value) - expected) < 1e-9
