"""A wrong statement is refused where it is made, by an error that names what the user wrote and says what to do."""

import numpy as np
import pytest
import sympy
from sympy import Rational

from theory import (
    GD,
    SGD,
    Cauchy,
    Discrete,
    Empirical,
    GaussianField,
    Mixture,
    Model,
    Normal,
    Sampling,
    StudentT,
    Vector,
    bernoulli,
    dot,
    moments,
    persistent,
    scaling_limit,
    symbols,
)
from theory.errors import (
    DimensionMismatch,
    DuplicateName,
    InvalidAlgorithm,
    InvalidData,
    InvalidLaw,
    MissingValue,
    ModelError,
    MomentDoesNotExist,
    NotDimensionFree,
    NotReal,
    SamplingNotCovered,
    TheoryError,
    UnknownSymbol,
)

N, M, ETA, C = symbols("n m eta c", positive=True)
W, V, Z, U = (Vector(name, N) for name in "wvzu")
X, Y, A, B, XI = symbols("x y a b xi")
PLAIN = sympy.Symbol("x")  # not declared real
FIELD = GaussianField("F", order=2)
LOSS = (dot(W, Z) - dot(V, Z)) ** 2 / 2
ROWS = [[1, 2], [3, 4], [5, 6], [7, 8]]


def linear(**changes):
    """The least-squares model, with some of its parts replaced."""
    return Model(**{"loss": LOSS, "parameters": [W], "data": {Z: Normal()}, **changes})


def regression(law):
    return Model((A * X - Y) ** 2 / 2, [A], {X: law, Y: Normal()})


def on_data():
    return Model((A * X - Y) ** 2 / 2, [A], {(X, Y): Empirical([1, 2, 3, 4], [1, 2, 2, 3])})


def online(**options):
    return SGD(C / N, **options)


def refuses(error, message, build):
    with pytest.raises(error, match=message) as caught:
        build()
    assert isinstance(caught.value, TheoryError)
    assert len(str(caught.value)) > 20


CASES = {
    # ------------------------------------------------------------------------------------------------------- symbols
    "a plain symbol in the loss": (
        NotReal,
        r"the loss contains x, .*theory.symbols\('x'\)",
        lambda: Model((A * PLAIN) ** 2, [A], {XI: Normal()}),
    ),
    "a plain symbol as a parameter": (
        NotReal,
        "x, a symbol that is not declared real",
        lambda: Model(PLAIN, [PLAIN], {XI: Normal()}),
    ),
    "a plain symbol as data": (NotReal, "data contains x", lambda: Model(A, [A], {PLAIN: Normal()})),
    "a plain symbol in a law": (NotReal, "Normal: variance = x contains x", lambda: Normal(0, PLAIN)),
    "a plain symbol in fixed": (
        NotReal,
        r"fixed=\{dot\(v, v\): x\} contains x",
        lambda: linear(fixed={dot(V, V): PLAIN}),
    ),
    "a plain symbol as dimension": (NotReal, "dimension of vector 'w' contains x", lambda: Vector("w", PLAIN)),
    "a complex loss": (NotReal, "the loss is not real: I", lambda: Model(sympy.I * A * X, [A], {X: Normal()})),
    # --------------------------------------------------------------------------------------------------------- names
    "a vector with the name of a symbol": (
        DuplicateName,
        "'w' is carried by .* the vector w in R.n",
        lambda: linear(loss=LOSS * symbols("w")),
    ),
    "two vectors of one name": (
        DuplicateName,
        r"'w' .*R\^n .*R\^m|'w' .*R\^m .*R\^n",
        lambda: linear(loss=LOSS + dot(Vector("w", M), Vector("u", M))),
    ),
    "two symbols of one name": (
        DuplicateName,
        "'x' is carried by",
        lambda: Model(A * X + symbols("x", positive=True), [A], {X: Normal()}),
    ),
    "a vector with the name of its dimension": (
        DuplicateName,
        "'n' is carried by",
        lambda: Model(dot(Vector("n", N), Z), [Vector("n", N)], {Z: Normal()}),
    ),
    "a field with the name of a vector": (
        DuplicateName,
        "'w' is carried by .*the field w",
        lambda: Model(GaussianField("w", order=2)(W), [W], [GaussianField("w", order=2)]),
    ),
    "a parameter listed twice": (DuplicateName, "'w' is listed twice in parameters", lambda: linear(parameters=[W, W])),
    "data listed twice": (
        DuplicateName,
        "'x' is listed twice in data",
        lambda: Model(A * X * Y, [A], {X: Normal(), (X, Y): Empirical([1], [2])}),
    ),
    "a symbol both data and parameter": (
        DuplicateName,
        "'x' is listed both as a parameter and as data",
        lambda: Model(A * X, [A, X], {X: Normal()}),
    ),
    "a statistic with the name of a vector": (
        DuplicateName,
        "statistic 'w' carries the name",
        lambda: scaling_limit(linear(), online(), statistics={"w": dot(W, V)}),
    ),
    "a moment with the name of a symbol": (
        DuplicateName,
        "name 'x' in of= is that of x",
        lambda: moments(regression(Normal()), SGD(ETA), of={"x": A**2}),
    ),
    # ---------------------------------------------------------------------------------------------------------- loss
    "a vector outside dot": (NotDimensionFree, "vector outside dot: w", lambda: linear(loss=W)),
    "a function of a vector": (
        NotDimensionFree,
        r"vector outside dot: exp\(w\)",
        lambda: linear(loss=LOSS + sympy.exp(W)),
    ),
    "a product of vectors": (NotDimensionFree, r"w \* w .*write dot\(w, w\)", lambda: linear(loss=W * W)),
    "a vector plus a number": (NotDimensionFree, r"w \+ 1 is no vector", lambda: linear(loss=W + 1)),
    "a loss given as text": (ModelError, r"the text '\(a\*x\)\*\*2'", lambda: Model("(a*x)**2", [A], {X: Normal()})),
    "no loss": (ModelError, "one scalar expression, got None of type NoneType", lambda: linear(loss=None)),
    "a list of losses": (ModelError, r"one scalar expression, got \[", lambda: linear(loss=[LOSS])),
    "a matrix as a loss": (ModelError, "one scalar expression, got Matrix", lambda: linear(loss=sympy.Matrix([A, X]))),
    "a comparison as a loss": (
        ModelError,
        "one scalar expression, got a < x",
        lambda: Model(A < X, [A], {X: Normal()}),
    ),
    "any object as a loss": (ModelError, "one scalar expression, got <object", lambda: linear(loss=object())),
    "an infinite loss": (ModelError, "the loss is not finite: oo", lambda: linear(loss=sympy.oo)),
    "an undefined function": (
        UnknownSymbol,
        r"undefined function f\(a\*x\)",
        lambda: Model(sympy.Function("f")(A * X), [A], {X: Normal()}),
    ),
    "a field that is no datum": (
        UnknownSymbol,
        r"field F occurs in the loss but not in data; add data=\{F: F.law\}",
        lambda: linear(loss=LOSS + FIELD(W)),
    ),
    # ---------------------------------------------------------------------------------------------------- parameters
    "no parameters": (ModelError, "parameters is empty", lambda: linear(parameters=[])),
    "one parameter without a list": (
        ModelError,
        r"parameters must be a list of vectors and symbols, got w",
        lambda: linear(parameters=W),
    ),
    "text as a parameter": (ModelError, "a parameter must be a Vector, .* got 'w'", lambda: linear(parameters=["w"])),
    "a parameter missing from the loss": (
        ModelError,
        "parameter a does not occur in the loss",
        lambda: linear(parameters=[W, A]),
    ),
    # ---------------------------------------------------------------------------------------------------------- data
    "no data": (ModelError, "data is empty", lambda: linear(data={})),
    "data listed without a law": (ModelError, r"data=\{x: Normal\(\)\}, got \[z\]", lambda: linear(data=[Z])),
    "data that is no mapping": (ModelError, "data must map random symbols to laws, .*got 3", lambda: linear(data=3)),
    "text as a data key": (
        ModelError,
        "expected symbols, vectors or fields, got 'z'",
        lambda: linear(data={"z": Normal()}),
    ),
    "a number as a law": (
        InvalidLaw,
        r"data\[z\] must be a law such as Normal\(\).*got 1",
        lambda: linear(data={Z: 1}),
    ),
    "a law of too few slots": (
        InvalidLaw,
        r"has 1 slots, but data\[\(x, y\)\] names 2",
        lambda: Model(A * X * Y, [A], {(X, Y): Normal()}),
    ),
    "a law that holds a parameter": (
        InvalidLaw,
        r"the law Normal\(0, a\*\*2\) of x depends on a",
        lambda: Model(A * X, [A], {X: Normal(0, A**2)}),
    ),
    "a law that holds a datum": (
        InvalidLaw,
        "of x depends on y",
        lambda: Model(A * X * Y, [A], {X: Normal(Y), Y: Normal()}),
    ),
    "a law whose outcome is a trained vector": (
        InvalidLaw,
        "of z depends on w, which is itself trained",
        lambda: linear(data={Z: Discrete([(W, 1)])}),
    ),
    "a field with the law of a number": (
        InvalidLaw,
        r"field F takes its own law, F.law",
        lambda: Model(FIELD(W), [W], {FIELD: Normal()}),
    ),
    "a number for a vector": (
        InvalidLaw,
        "z is a vector, but the law .* gives it the outcome 1",
        lambda: linear(data={(Z, Y): Discrete([((1, 1), 1)])}),
    ),
    "a vector for a number": (
        InvalidLaw,
        "x is a scalar, but the law .* gives it the outcome v",
        lambda: Model(A * X, [A], {X: Discrete([(V, 1)])}),
    ),
    "an outcome of another dimension": (
        DimensionMismatch,
        r"z lives in R\^n, its outcome u in R\^m",
        lambda: linear(data={Z: Discrete([(Vector("u", M), 1)])}),
    ),
    "a data array of another width": (
        DimensionMismatch,
        "vector z has dimension 3, its data have 2 columns",
        lambda: Model(dot(Vector("w", 3), Vector("z", 3)), [Vector("w", 3)], {Vector("z", 3): Empirical(ROWS)}),
    ),
    "columns for a scalar": (
        InvalidData,
        r"symbol x is a scalar, its data have 2 columns; state it as Vector\('x', 2\)",
        lambda: Model(A * X, [A], {X: Empirical(ROWS)}),
    ),
    "two widths for one dimension": (
        DimensionMismatch,
        r"vectors z and u both live in R\^n, but their data have 2 and 1 columns",
        lambda: linear(loss=LOSS + dot(W, U), data={(Z, U): Empirical(ROWS, [[1]] * 4)}),
    ),
    "two data sets in one model": (
        InvalidData,
        "x and y have data sets of their own",
        lambda: Model(A * X * Y, [A], {X: Empirical([1, 2]), Y: Empirical([1, 2])}),
    ),
    "columns of unlike length": (InvalidData, "the arrays have 4, 3 samples", lambda: Empirical(ROWS, [1, 2, 3])),
    "NaN in the data": (InvalidData, "array number 2 holds nan at row 1", lambda: Empirical([1, 2], [0.5, np.nan])),
    "an infinity in the data": (InvalidData, "holds inf at row 0, column 1", lambda: Empirical([[0.0, np.inf]])),
    "no rows": (InvalidData, r"is empty, of shape \(0,\)", lambda: Empirical([])),
    "ragged rows": (InvalidData, "ragged", lambda: Empirical([[1, 2], [3]])),
    # --------------------------------------------------------------------------------------------------------- fixed
    "fixed with a trained vector": (
        ModelError,
        r"fixed=\{dot\(v, w\): ...\} holds w, which is trained",
        lambda: linear(fixed={dot(W, V): 1}),
    ),
    "fixed with a random vector": (
        ModelError,
        r"fixed=\{dot\(v, z\): ...\} holds z, which is random",
        lambda: linear(fixed={dot(Z, V): 1}),
    ),
    "a negative norm": (
        ModelError,
        r"fixed=\{dot\(v, v\): -1\}: a squared norm cannot be negative",
        lambda: linear(fixed={dot(V, V): -1}),
    ),
    "a fixed number": (ModelError, r"fixed=\{3: 1\}: the key must be an inner product", lambda: linear(fixed={3: 1})),
    "a fixed vector": (ModelError, r"fixed=\{v: 1\}: the key must be an inner product", lambda: linear(fixed={V: 1})),
    "a fixed value that is a vector": (
        ModelError,
        "the value must be a real number",
        lambda: linear(fixed={dot(V, V): V}),
    ),
    "a fixed value that is NaN": (
        ModelError,
        "the value must be a real number",
        lambda: linear(fixed={dot(V, V): float("nan")}),
    ),
    "a fixed value that is text": (
        ModelError,
        r"fixed=\{dot\(v, v\): '1'\}: .*got text",
        lambda: linear(fixed={dot(V, V): "1"}),
    ),
    "a fixed value that is trained": (
        ModelError,
        r"fixed=\{dot\(v, v\): a\} holds a, which is trained",
        lambda: linear(loss=A * LOSS, parameters=[W, A], fixed={dot(V, V): A}),
    ),
    # ---------------------------------------------------------------------------------------------------------- laws
    "probabilities that do not sum to one": (
        InvalidLaw,
        "must sum to 1, they sum to 9/10",
        lambda: Discrete({1: 0.5, -1: 0.4}),
    ),
    "weights that do not sum to one": (
        InvalidLaw,
        "Mixture: the probabilities must sum to 1, they sum to 5/4",
        lambda: Mixture([(Normal(), Rational(3, 4)), (Cauchy(), Rational(1, 2))]),
    ),
    "a negative probability": (
        InvalidLaw,
        "probability number 2 must not be negative, got -1/2",
        lambda: Discrete({1: 1.5, -1: -0.5}),
    ),
    "a negative variance": (InvalidLaw, "variance must not be negative, got -1", lambda: Normal(0, -1)),
    # ---------------------------------------------------------------------------------------------------- algorithms
    "a negative learning rate": (InvalidAlgorithm, "learning_rate must be positive, got -0.1", lambda: SGD(-0.1)),
    "a batch larger than samples": (
        InvalidAlgorithm,
        "a batch of 9 is larger than the data set of 8 samples",
        lambda: SGD(ETA, batch_size=9, samples=8),
    ),
    "a batch larger than the data": (
        InvalidAlgorithm,
        "a batch of 5 is larger than the data set of 4",
        lambda: moments(on_data(), SGD(ETA, batch_size=5, sampling=Sampling.WITHOUT_REPLACEMENT)),
    ),
    "a fractional batch": (
        InvalidAlgorithm,
        "batch_size must be a whole number, got 1.5",
        lambda: SGD(ETA, batch_size=1.5),
    ),
    "unknown sampling": (InvalidAlgorithm, "sampling='shuffle' is unknown", lambda: SGD(ETA, sampling="shuffle")),
    "a full batch of nothing": (
        InvalidAlgorithm,
        "sampling=full_batch needs a fixed data set",
        lambda: moments(regression(Normal()), GD(ETA)),
    ),
    "samples beside a data set": (
        InvalidAlgorithm,
        "samples=9 .* the model holds Empirical data of 4",
        lambda: moments(on_data(), SGD(ETA, samples=9)),
    ),
    # --------------------------------------------------------------------------------------------------- derivations
    "moments of a Cauchy law": (
        MomentDoesNotExist,
        r"of Cauchy\(0, 1\)",
        lambda: moments(regression(Cauchy()), SGD(ETA)),
    ),
    "second moments under tails that are too heavy": (
        MomentDoesNotExist,
        r"order 4 .*StudentT\(3, 0, 1\)",
        lambda: moments(regression(StudentT(3)), SGD(ETA)),
    ),
    "a limit on a fixed data set": (
        SamplingNotCovered,
        "scaling_limit covers fresh samples only, not sampling=with_replacement",
        lambda: scaling_limit(linear(), online(samples=100)),
    ),
    "a limit of persistent SGD": (
        SamplingNotCovered,
        r"not sampling=persistent\(1/2, 3\)",
        lambda: scaling_limit(linear(), online(samples=C * N, sampling=persistent(0.5, 3))),
    ),
    "moments with reshuffling": (
        SamplingNotCovered,
        "not sampling=reshuffled",
        lambda: moments(on_data(), SGD(ETA, sampling=Sampling.RESHUFFLED)),
    ),
    "moments of persistent SGD": (
        SamplingNotCovered,
        r"not sampling=persistent\(1/2, 3\)",
        lambda: moments(on_data(), SGD(ETA, sampling=persistent(0.5, 3))),
    ),
    "moments of inner products on a data set": (
        SamplingNotCovered,
        "not sampling=bernoulli",
        lambda: moments(linear(), SGD(ETA, samples=8, sampling=bernoulli(0.5))),
    ),
    "a statistic of an unknown vector": (
        UnknownSymbol,
        "statistic 'm' uses the vector u, which the model does not have; its vectors are v, w, z",
        lambda: scaling_limit(linear(), online(), statistics={"m": dot(W, U)}),
    ),
    "a statistic of an unknown symbol": (
        UnknownSymbol,
        "statistic 'm' uses the symbol b",
        lambda: scaling_limit(linear(), online(), statistics={"m": B * dot(W, V)}),
    ),
    "a statistic that is a vector": (
        ModelError,
        "statistic 'm' must be a scalar function of dot products, got w",
        lambda: scaling_limit(linear(), online(), statistics={"m": W}),
    ),
    "moments of an unknown vector": (
        UnknownSymbol,
        r"of=\{'m': ...\} uses dot\(u, w\)",
        lambda: moments(linear(), SGD(ETA), of={"m": dot(W, U)}),
    ),
    "moments of an unknown symbol": (
        UnknownSymbol,
        r"of=\{'m': ...\} uses the symbol b",
        lambda: moments(regression(Normal()), SGD(ETA), of={"m": A * B}),
    ),
    "components without a dimension": (
        MissingValue,
        r"the dimension n of vector \w needs a number; write model.components\(\{n: 3\}\)",
        lambda: linear().components(),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_wrong_statement_is_refused_by_name(case):
    refuses(*CASES[case])


def test_every_error_of_a_statement_is_a_value_error_and_of_this_project():
    for error, _, build in CASES.values():
        assert issubclass(error, TheoryError)
        assert issubclass(error, (ValueError, ArithmeticError))
        assert callable(build)
