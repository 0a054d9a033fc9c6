"""Hypothesis strategies of random valid objects of the language: vectors, polynomials, laws, models, algorithms.

Everything is small: the tests that use them compare two derivations, they do not look for large inputs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sympy
from hypothesis import assume, settings, strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy
from sympy import Expr, Rational

from theory import (
    SGD,
    Cauchy,
    DecoupledDecay,
    Discrete,
    Empirical,
    Exponential,
    Gamma,
    HeavyBall,
    Mixture,
    Model,
    Nesterov,
    NesterovLookahead,
    Normal,
    Rademacher,
    Sampling,
    SoftThreshold,
    Sphere,
    StudentT,
    Uniform,
    Vector,
    bernoulli,
    dot,
    persistent,
    symbols,
    vectors,
)
from theory.laws.law import Law
from theory.vectors import InnerProduct, VectorExpression

# exact algebra: the first call of a kind is slow whatever the input, and a failure must come back at the next run
settings.register_profile("exact", deadline=None, derandomize=True)
settings.load_profile("exact")

DIMENSION = symbols("n", positive=True)
TRAINED = vectors("w", DIMENSION, count=2)
SIGNALS = vectors("v", DIMENSION, count=2)
RANDOM = vectors("z", DIMENSION, count=2)
NOISE, LABEL = symbols("xi y")
HYPERPARAMETERS = symbols("tau lambda0")
WEIGHTS = symbols("a b c")
INPUTS = symbols("x_0 x_1")

coefficients: SearchStrategy[Rational] = st.builds(Rational, st.integers(-4, 4), st.integers(1, 3))
nonzero: SearchStrategy[Rational] = coefficients.filter(bool)
positive: SearchStrategy[Rational] = st.builds(Rational, st.integers(1, 9), st.integers(1, 5))


# ------------------------------------------------------------------------------------------------ vectors, polynomials


def vector_expressions(pool: Sequence[Vector] = (*TRAINED, *SIGNALS)) -> SearchStrategy[VectorExpression]:
    """Linear combinations of vectors of `pool`, the zero vector among them; coefficients are numbers or hold a symbol."""
    factor = st.one_of(coefficients, coefficients.map(lambda c: c * HYPERPARAMETERS[0] + 1))
    terms = st.lists(st.tuples(factor, st.sampled_from(pool)), min_size=1, max_size=4)
    return terms.map(lambda pairs: sum((c * v for c, v in pairs[1:]), pairs[0][0] * pairs[0][1]))


def polynomials(generators: Sequence[Expr], max_terms: int = 3, max_factors: int = 3) -> SearchStrategy[Expr]:
    """Polynomials in the given expressions with small rational coefficients."""
    monomial = st.lists(st.sampled_from(list(generators)), max_size=max_factors).map(
        lambda factors: sympy.Mul(*factors)
    )
    term = st.tuples(coefficients, monomial).map(lambda pair: pair[0] * pair[1])
    return st.lists(term, max_size=max_terms).map(lambda terms: sympy.Add(*terms))


def dot_polynomials(pool: Sequence[Vector] = (*TRAINED, *SIGNALS), max_factors: int = 2) -> SearchStrategy[Expr]:
    """Polynomials in the inner products of vectors of `pool`."""
    products = [dot(left, right) for i, left in enumerate(pool) for right in pool[i:]]
    return polynomials(products, max_factors=max_factors)


# ----------------------------------------------------------------------------------------------------------------- laws


@st.composite
def finite_laws(draw: DrawFn) -> Discrete:
    """Laws of one number with one to four outcomes."""
    weights = draw(st.lists(st.integers(1, 5), min_size=1, max_size=4))
    values = draw(st.lists(coefficients, min_size=len(weights), max_size=len(weights)))
    return Discrete([(value, Rational(weight, sum(weights))) for value, weight in zip(values, weights, strict=True)])


def light_laws() -> SearchStrategy[Law]:
    """Laws of one number of which every moment exists."""
    return st.one_of(
        st.builds(Normal, coefficients, positive),
        st.just(Rademacher()),
        finite_laws(),
        st.builds(lambda low, width: Uniform(low, low + width), coefficients, positive),
        st.builds(Exponential, positive),
        st.builds(Gamma, positive, positive),
        st.lists(st.integers(-3, 3), min_size=1, max_size=4).map(Empirical),
    )


def laws() -> SearchStrategy[Law]:
    """Laws of one number, heavy tails and mixtures among them."""
    heavy = st.one_of(st.builds(StudentT, positive, coefficients, positive), st.builds(Cauchy, coefficients, positive))
    mixed = st.tuples(light_laws(), heavy).map(
        lambda pair: Mixture([(pair[0], Rational(1, 3)), (pair[1], Rational(2, 3))])
    )
    return st.one_of(light_laws(), heavy, mixed)


# --------------------------------------------------------------------------------------------------------------- models


@st.composite
def vector_models(draw: DrawFn, max_power: int = 2) -> Model:
    """Models over vectors in R^n: a power of a residual in one or two data vectors with label noise, and a penalty."""
    trained = draw(st.lists(st.sampled_from(TRAINED), min_size=1, unique=True))
    random = draw(st.lists(st.sampled_from(RANDOM), min_size=1, unique=True))
    residual: Any = HYPERPARAMETERS[0] * NOISE if draw(st.booleans()) else 0
    for z in random:
        residual += sum(draw(nonzero) * dot(w, z) for w in trained) - draw(coefficients) * dot(
            draw(st.sampled_from(SIGNALS)), z
        )
    penalty = draw(dot_polynomials((*trained, SIGNALS[0])))
    loss = residual ** draw(st.integers(1, max_power)) / 2 + penalty
    parameters = [w for w in trained if w in loss.atoms(Vector)]
    assume(parameters)
    data: dict[Any, Any] = {z: Normal(0, draw(positive)) for z in random}
    if NOISE in loss.free_symbols:
        data[NOISE] = draw(light_laws())
    fixed = {dot(v, v): draw(positive) for v in SIGNALS if v in loss.atoms(Vector) and draw(st.booleans())}
    return Model(loss, parameters, data, fixed)


@st.composite
def explicit_models(draw: DrawFn) -> Model:
    """Models over one to three scalar parameters with a polynomial loss; data independent, or jointly a data set."""
    weights = WEIGHTS[: draw(st.integers(1, 3))]
    loss = draw(polynomials([*weights, *INPUTS, *HYPERPARAMETERS], max_terms=5, max_factors=4))
    loss += (draw(nonzero) * weights[0] * INPUTS[0] - LABEL) ** 2 / 2
    parameters = [weight for weight in weights if weight in loss.free_symbols]
    assume(parameters)
    if draw(st.booleans()):
        rows = draw(st.lists(st.tuples(*[st.integers(-3, 3)] * 3), min_size=1, max_size=5))
        data: dict[Any, Any] = {(*INPUTS, LABEL): Empirical(*zip(*rows, strict=True))}
    else:
        data = {symbol: draw(light_laws()) for symbol in (*INPUTS, LABEL)}
        assume(sum(isinstance(law, Empirical) for law in data.values()) < 2)
    return Model(loss, parameters, data)


def models() -> SearchStrategy[Model]:
    """Models of both kinds."""
    return st.one_of(vector_models(), explicit_models())


# ----------------------------------------------------------------------------------------------------------- algorithms


@st.composite
def algorithms(draw: DrawFn) -> SGD:
    """SGD with every option: momentum, decay, temperature, constraint, and each way of drawing batches."""
    fraction = positive.map(lambda value: value / (value + 1))
    momentum = st.one_of(st.none(), *(st.builds(kind, fraction) for kind in (HeavyBall, Nesterov, NesterovLookahead)))
    decay = st.one_of(st.just(0), positive, st.builds(DecoupledDecay, positive))
    options: dict[str, Any] = {
        "momentum": draw(momentum),
        "weight_decay": draw(decay),
        "temperature": draw(st.one_of(st.just(0), positive)),
        "constraint": draw(st.sampled_from([None, Sphere()])),
        "proximal": draw(st.one_of(st.none(), st.builds(SoftThreshold, positive))),
    }
    chained = st.one_of(st.builds(bernoulli, fraction), st.builds(persistent, fraction, positive))
    sampling = draw(st.one_of(st.none(), st.sampled_from(Sampling), chained))
    options["sampling"] = sampling
    if sampling is None or (isinstance(sampling, Sampling) and sampling != Sampling.FULL_BATCH):
        options["batch_size"] = draw(st.integers(1, 4))
    if sampling not in (None, Sampling.ONLINE):
        options["samples"] = options.get("batch_size", 1) * draw(st.integers(1, 5))
    rate = draw(st.one_of(positive, positive.map(lambda value: value / DIMENSION)))
    return SGD(rate, **options)


def in_components(expression: Expr, size: int) -> Expr:
    """`expression` with every inner product written out over the entries `w_0`, ..., by the definition."""
    return expression.xreplace(
        {
            node: sympy.Add(*(entry(node.left, i) * entry(node.right, i) for i in range(size)))
            for node in expression.atoms(InnerProduct)
        }
    )


def entry(vector: Vector, index: int) -> Expr:
    """The symbol that stands for one entry of a vector."""
    return sympy.Symbol(f"{vector.name}_{index}", real=True)
