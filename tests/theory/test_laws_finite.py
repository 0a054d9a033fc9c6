"""Discrete laws, parameters that are refused, supports, and substitution."""

import pytest
import sympy
from hypothesis import given, strategies as st
from sympy import FiniteSet, I, Interval, Rational, S, Symbol

from theory.errors import InvalidLaw, ModelError, NotReal, UnsupportedExpectation
from theory.laws import (
    Cauchy,
    Discrete,
    Exponential,
    Gamma,
    Mixture,
    Normal,
    Rademacher,
    Slot,
    StudentT,
    Uniform,
)
from theory.vectors import Vector

P = Symbol("p", real=True)
N = Symbol("n", positive=True)
MU, NU = Vector("mu", N), Vector("nu", N)


def test_float_probabilities_become_simple_rationals():
    law = Discrete({0: 0.1, 1: 0.2, 2: 0.7})
    assert law.probabilities == (Rational(1, 10), Rational(1, 5), Rational(7, 10))
    assert Discrete([(i, 1 / 3) for i in range(3)]).probabilities == (Rational(1, 3),) * 3


@given(st.integers(1, 999), st.integers(1000, 10**6))
def test_every_float_near_a_simple_fraction_is_that_fraction(numerator, denominator):
    law = Discrete([(0, numerator / denominator), (1, 1 - Rational(numerator, denominator))])
    assert law.probabilities[0] == Rational(numerator, denominator)


def test_a_float_that_is_no_simple_fraction_is_kept_exactly():
    probability = 0.123456789123456789
    law = Discrete([(0, probability), (1, 1 - Rational(probability))])
    assert law.probabilities[0] == Rational(probability)


def test_symbolic_probabilities_must_sum_to_one_identically():
    assert Discrete({1: 1 - P, -1: P}).mean == 1 - 2 * P
    q = Symbol("q", positive=True)
    assert Discrete({0: q / (q + 1), 1: 1 / (q + 1)}).moment(1) == 1 / (q + 1)
    with pytest.raises(InvalidLaw, match=r"they sum to 2\*p"):
        Discrete({1: P, -1: P})


@pytest.mark.parametrize(
    ("outcomes", "message"),
    [
        ({0: 0.5, 1: 0.6}, "sum to 11/10"),
        ({0: 1.5, 1: -0.5}, "probability number 2 must not be negative"),
        ({}, "at least one outcome"),
        ([1, 2, 3], "pairs"),
        ("ab", "pairs"),
        ({0: "1/2", 1: "1/2"}, "probability number 1"),
        ([((1, 2), 0.5), (1, 0.5)], "unlike the first"),
        ([((1, 2), 0.5), ((1, 2, 3), 0.5)], "different kinds"),
        ([(MU, 0.5), (0, 0.5)], "zero vector"),
        ([(MU, 0.5), (Vector("a", 7), 0.5)], "different dimensions"),
        ({float("nan"): 1}, "finite"),
        ({0: float("inf")}, "finite"),
    ],
    ids=str,
)
def test_bad_outcomes_are_refused_by_name(outcomes, message):
    with pytest.raises(InvalidLaw, match=message):
        Discrete(outcomes)


def test_equal_outcomes_are_kept_apart():
    law = Discrete([(1, 0.25), (1, 0.25), (2, 0.5)])
    assert len(law.outcomes()) == 3
    assert law.mean == Rational(3, 2)
    assert "[(1, 1/4), (1, 1/4)" in repr(law)


def test_vector_outcomes_are_kept_and_have_no_moments():
    law = Discrete([((MU, 1), 0.25), ((-MU, 1), 0.25), ((NU, 0), 0.5)])
    assert law.slots == (Slot.VECTOR, Slot.SCALAR)
    assert law.size == 2
    assert law.vectors == {MU, NU}
    assert law.outcomes()[1] == ((-MU, 1), Rational(1, 4))
    for ask in (lambda: law.moment((1, 0)), lambda: law.characteristic_function((1, 1))):
        with pytest.raises(UnsupportedExpectation, match="vectors"):
            ask()
    assert Discrete([(MU, 0.5), (0 * MU, 0.5)]).slots == (Slot.VECTOR,)


def test_outcomes_round_trip():
    for law in (Discrete({1: P, 2: 1 - P}), Discrete([((MU, 1), 0.5), ((NU, 2), 0.5)])):
        assert Discrete(law.outcomes()) == law
    assert Discrete(Rademacher().outcomes()).moment(4) == 1


def test_supports():
    assert Rademacher().support == FiniteSet(1, -1)
    assert Discrete({0: 1, 5: 0}).support == FiniteSet(0)
    assert Uniform(-1, 2).support == Interval(-1, 2)
    assert Exponential().support == Gamma(2).support == Interval(0, sympy.oo)
    assert Normal().support == StudentT(3).support == Cauchy().support == S.Reals
    assert Normal(2, 0).support == FiniteSet(2)
    assert Mixture([(Rademacher(), 0.5), (Uniform(0, 1), 0.5)]).support == FiniteSet(-1).union(Interval(0, 1))
    assert (1, 2) in Normal(covariance=[[1, 0], [0, 1]]).support


def test_finite_laws_know_that_they_are_finite():
    assert Rademacher().is_finite
    assert Normal(1, 0).outcomes() == ((1, 1),)
    mixture = Mixture([(Rademacher(), 0.5), (Discrete({3: 1}), 0.5), (Normal(), 0)])
    assert mixture.outcomes() == ((1, Rational(1, 4)), (-1, Rational(1, 4)), (3, Rational(1, 2)))
    for law in (Normal(), Uniform(), Mixture([(Rademacher(), 0.5), (Normal(), 0.5)])):
        assert not law.is_finite
        with pytest.raises(UnsupportedExpectation):
            law.outcomes()
    with pytest.raises(UnsupportedExpectation):
        Rademacher().density(0)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Normal(0, -1), "variance must not be negative, got -1"),
        (lambda: Normal(0, -Symbol("v", positive=True)), "variance must not be negative"),
        (lambda: Normal([0, 0]), "needs covariance"),
        (lambda: Normal(variance=1, covariance=[[1]]), "one of the two"),
        (lambda: Normal(covariance=[[1, 2], [2, 1]]), "positive semidefinite"),
        (lambda: Normal(covariance=[[1.0, 1.1], [1.1, 1.0]]), "positive semidefinite"),
        (lambda: Normal(covariance=[[0, 1], [1, 1]]), "positive semidefinite"),
        (lambda: Normal(covariance=[[1, 2], [3, 10]]), "symmetric"),
        (lambda: Normal(covariance=[[1, 2, 3], [2, 10]]), "square"),
        (lambda: Normal(covariance=5), "list of rows"),
        (lambda: Normal([1, 2, 3], covariance=[[1, 0], [0, 1]]), "3 entries"),
        (lambda: Uniform(1, 1), "lower must be below upper"),
        (lambda: Uniform(2, 1), "exchange"),
        (lambda: StudentT(0), "degrees_of_freedom must be positive"),
        (lambda: StudentT(3, 0, -1), "scale must be positive"),
        (lambda: Cauchy(0, 0), "scale must be positive"),
        (lambda: Exponential(-2), "rate must be positive"),
        (lambda: Gamma(0), "shape must be positive"),
        (lambda: Gamma(1, sympy.sqrt(2) - 2), "scale must be positive"),
        (lambda: Normal("1"), "must be a number"),
        (lambda: Normal(float("nan")), "finite"),
        (lambda: Mixture([(Normal(), 0.5), (Cauchy(), 0.6)]), "sum to 11/10"),
        (lambda: Mixture([Normal(), Cauchy()]), "component number 1"),
        (lambda: Mixture([(Normal(covariance=[[1, 0], [0, 1]]), 1)]), "law of one number"),
        (lambda: Mixture([]), "at least one"),
    ],
)
def test_impossible_parameters_are_refused_by_name(build, message):
    with pytest.raises(InvalidLaw, match=message):
        build()


@pytest.mark.parametrize(
    "build",
    [
        lambda: Normal(Symbol("m")),
        lambda: Normal(I),
        lambda: Normal(0, 1 + I),
        lambda: Discrete({Symbol("a"): 1}),
        lambda: Discrete({0: Symbol("q"), 1: 1 - Symbol("q")}),
        lambda: Cauchy(sympy.sqrt(-2)),
    ],
)
def test_parameters_that_are_not_real_are_refused(build):
    with pytest.raises(NotReal):
        build()


def test_singular_float_covariances_are_accepted():
    assert Normal(covariance=[[1.0, 0.1], [0.1, 0.01]]).size == 2
    assert Normal(covariance=[[sympy.sqrt(2), 2], [2, 2 * sympy.sqrt(2)]]).size == 2


def test_substitution_replaces_and_checks_again():
    v = Symbol("v", real=True)
    assert Normal(0, v).substitute({v: 2}) == Normal(0, 2)
    assert Discrete({1: P, 0: 1 - P}).substitute({P: Rational(1, 3)}).mean == Rational(1, 3)
    assert Mixture([(Normal(v), P), (StudentT(3), 1 - P)]).substitute({v: 1, P: Rational(1, 2)}).mean == Rational(1, 2)
    assert Normal(covariance=[[1, v], [v, 1]]).substitute({v: 1}).moment((1, 1)) == 1
    assert Discrete([(v * MU, 0.5), (MU, 0.5)]).substitute({v: 2, MU: NU}).vectors == {NU}
    assert Uniform(0, v).free_symbols == {v}
    for law, value in [(Normal(0, v), -1), (Discrete({1: v, 0: 1 - v}), 2), (Normal(covariance=[[1, v], [v, 1]]), 2)]:
        with pytest.raises(InvalidLaw):
            law.substitute({v: value})


def test_law_errors_are_model_errors_and_value_errors():
    assert issubclass(InvalidLaw, ModelError)
    assert issubclass(InvalidLaw, ValueError)
