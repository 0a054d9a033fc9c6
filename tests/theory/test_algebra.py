"""The sparse ring under the derivations: round trips, what is a coefficient, and what is no polynomial."""

import pickle

import pytest
import sympy
from hypothesis import given, settings, strategies as st
from sympy import Rational, cos, expand, log, sqrt, tanh

from theory import Vector, dot, symbols
from theory.algebra import Algebra, NotPolynomial, derive_in_algebra, evaluate, tidy

x, y, a, b = symbols("x y a b")
c, n = symbols("c n", positive=True)
w, v = Vector("w", n), Vector("v", n)
VARIABLES = (x, y, dot(w, v))
NUMBERS = st.fractions(-3, 3, max_denominator=7).map(lambda q: Rational(q.numerator, q.denominator))
COEFFICIENTS = st.sampled_from(
    [a, b, c, n, 1 / n, c / n, sqrt(c), c ** Rational(-3, 2), 1 / (1 + c), tanh(a), sqrt(2), cos(b) / (a**2 + 1), n**a]
)


def combined(children):
    return st.one_of(
        st.tuples(children, children).map(lambda pair: pair[0] + pair[1]),
        st.tuples(children, children).map(lambda pair: pair[0] * pair[1]),
        st.tuples(children, st.integers(0, 3)).map(lambda pair: pair[0] ** pair[1]),
    )


EXPRESSIONS = st.recursive(st.one_of(NUMBERS, st.sampled_from(VARIABLES), COEFFICIENTS), combined, max_leaves=8)


def round_trip(expression):
    return derive_in_algebra(lambda algebra: algebra.expression(algebra.element(expression)), VARIABLES)


@given(EXPRESSIONS)
@settings(max_examples=150, deadline=None, derandomize=True)
def test_expressions_survive_the_way_into_the_ring_and_back(expression):
    difference = expand(round_trip(expression) - expression)
    assert difference == 0 or sympy.simplify(difference) == 0


@given(EXPRESSIONS, EXPRESSIONS)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_ring_arithmetic_is_that_of_expressions(first, second):
    def product(algebra):
        one, other = algebra.element(first), algebra.element(second)
        return algebra.expression(one * other - other + 2 * one)

    difference = expand(derive_in_algebra(product, VARIABLES) - (first * second - second + 2 * first))
    assert difference == 0 or sympy.simplify(difference) == 0


@given(EXPRESSIONS)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_splitting_by_variables_and_collecting_lose_nothing(expression):
    def parts(algebra):
        element = algebra.element(expression)
        groups = algebra.split(element, 3)
        total = sum(
            (
                algebra.ring.from_dict({(*key, *(0,) * len(algebra.coefficients)): algebra.ring.domain.one}) * value
                if algebra.generators
                else value
                for key, value in groups.items()
            ),
            algebra.ring.zero,
        )
        for value in groups.values():
            assert all(not any(monomial[:3]) for monomial in value.monoms())
        return algebra.expression(total - element), algebra.collected(element)

    rest, collected = derive_in_algebra(parts, VARIABLES)
    assert rest == 0
    assert sympy.simplify(expand(collected - expression)) == 0


@pytest.mark.parametrize(
    "culprit",
    [tanh(x), 1 / x, sqrt(x), x**a, 2**x, sympy.Abs(dot(w, v)), 1 / (1 + dot(w, v)), log(c * x), x ** Rational(3, 2)],
    ids=str,
)
def test_a_variable_inside_a_function_is_named_as_no_polynomial(culprit):
    for expression in (culprit, a * culprit + y, (1 + culprit) ** 2):
        with pytest.raises(NotPolynomial) as caught:
            round_trip(expression)
        assert caught.value.part.has(x) or caught.value.part.has(dot(w, v))


def test_the_dimension_of_a_vector_is_a_coefficient_although_a_variable_holds_it():
    assert round_trip(dot(w, v) / n + sqrt(n)) == dot(w, v) / n + sqrt(n)


def test_an_inner_product_that_is_no_variable_is_a_coefficient():
    assert round_trip(dot(v, v) * x + dot(w, w) ** 2) == dot(v, v) * x + dot(w, w) ** 2


def test_roots_of_a_coefficient_share_one_generator():
    def generators(algebra):
        algebra.element(sqrt(c) * x + c ** Rational(3, 2) + c ** Rational(5, 2))
        return algebra.coefficients

    assert derive_in_algebra(generators, VARIABLES) == (sqrt(c),)


def test_floats_are_exact_rationals_in_an_exact_algebra_and_stay_floats_otherwise():
    exact = derive_in_algebra(lambda algebra: algebra.expression(algebra.element(0.1 * x)), VARIABLES)
    assert exact == x / 10
    rounded = derive_in_algebra(
        lambda algebra: algebra.expression(algebra.element(0.1 * x + Rational(1, 3))), VARIABLES, exact=False
    )
    assert rounded.coeff(x) == sympy.Float(0.1) and float(rounded.subs(x, 0)) == pytest.approx(1 / 3, abs=1e-16)


@given(EXPRESSIONS)
@settings(max_examples=40, deadline=None, derandomize=True)
def test_numerical_values_of_elements_are_those_of_expressions(expression):
    values = {x: 0.3, y: -1.2, dot(w, v): 0.7, a: 0.4, b: 1.1, c: 0.9, n: 5.0}

    def number(algebra):
        return evaluate(
            algebra.element(expression),
            algebra,
            {g: float(sympy.sympify(g).xreplace(values)) for g in algebra.generators},
        )

    assert derive_in_algebra(number, VARIABLES) == pytest.approx(
        float(sympy.sympify(expression).xreplace(values)), rel=1e-9, abs=1e-9
    )


def test_an_algebra_without_generators_holds_numbers():
    algebra = Algebra(())
    assert algebra.expression(algebra.element(Rational(3, 7)) ** 2) == Rational(9, 49)


def test_the_error_of_a_non_polynomial_can_be_sent_between_processes():
    error = pickle.loads(pickle.dumps(NotPolynomial(tanh(x))))
    assert error.part == tanh(x) and "tanh(x)" in str(error)


@given(EXPRESSIONS)
@settings(max_examples=40, deadline=None, derandomize=True)
def test_tidying_changes_the_form_and_not_the_value(expression):
    assert sympy.simplify(expand(tidy(sympy.sympify(expression)) - expression)) == 0
