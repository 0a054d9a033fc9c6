"""What is written is read back as the same model, and what cannot be said is refused by name."""

from __future__ import annotations

import numpy as np
import pytest
import sympy
from hypothesis import given, settings, strategies as st
from statements import STATEMENTS
from strategies import algorithms, laws, models, vector_expressions

from derivations.model_files import ModelFile, NotWritable, Theory, load_model, shipped_models, write_model
from derivations.model_files.printing import expression_text
from derivations.model_files.toml_files import model_file_of_text
from theory import (
    SGD,
    DecoupledDecay,
    Discrete,
    Empirical,
    GaussianField,
    HeavyBall,
    Mixture,
    Model,
    Normal,
    Sampling,
    SoftThreshold,
    Sphere,
    Uniform,
    Vector,
    bernoulli,
    dot,
    persistent,
    symbols,
    vectors,
)
from theory.laws.law import Law

n, eta = symbols("n eta", positive=True)
u, w, x, y, p = symbols("u w x y p")


def read(text, tmp_path):
    return model_file_of_text(text, tmp_path / "model.toml")


def assert_same(copy, model, algorithm):
    assert copy.model.content_hash == model.content_hash
    assert copy.algorithm.content_hash == algorithm.content_hash


@pytest.mark.parametrize("name", shipped_models())
def test_every_shipped_model_is_read_back_as_itself(name, tmp_path):
    file = load_model(name)
    copy = read(write_model(file), tmp_path)
    assert_same(copy, file.model, file.algorithm)
    for part in ("title", "theory", "statistics", "at", "start", "until", "replicas", "point", "over"):
        assert getattr(copy, part) == getattr(file, part), part


@pytest.mark.parametrize("name", STATEMENTS)
def test_every_statement_of_the_design_is_read_back_as_itself(name, tmp_path):
    model, algorithm = STATEMENTS[name]()
    assert_same(read(write_model(model, algorithm), tmp_path), model, algorithm)


@settings(max_examples=40)
@given(models(), algorithms())
def test_generated_models_are_read_back_as_themselves(tmp_path_factory, model, algorithm):
    copy = model_file_of_text(write_model(model, algorithm), tmp_path_factory.getbasetemp() / "model.toml")
    assert_same(copy, model, algorithm)


@settings(max_examples=50)
@given(laws())
def test_generated_laws_are_read_back_as_themselves(tmp_path_factory, law):
    model, algorithm = Model((w * x - 1) ** 2, [w], {x: law}), SGD(eta)
    copy = model_file_of_text(write_model(model, algorithm), tmp_path_factory.getbasetemp() / "model.toml")
    assert_same(copy, model, algorithm)


@settings(max_examples=30)
@given(vector_expressions(), vector_expressions())
def test_generated_combinations_of_vectors_are_read_back_as_themselves(tmp_path_factory, first, second):
    trained = Vector("w0", n)
    outcomes = Discrete([((first, 1), p), ((second, 0), 1 - p)])
    model = Model(dot(trained, Vector("centre", n)) * y, [trained], {(Vector("centre", n), y): outcomes})
    copy = model_file_of_text(write_model(model, SGD(eta)), tmp_path_factory.getbasetemp() / "model.toml")
    assert_same(copy, model, SGD(eta))


# a product, a quotient, a power or a function of what has been built so far
LEAVES = [x, y, w, symbols("lambda", positive=True), sympy.Integer(2), sympy.Rational(-5, 2), sympy.sqrt(2), sympy.pi]
STEPS = [
    lambda a, b: a + b,
    lambda a, b: a - b,
    lambda a, b: 3 * a * b,
    lambda a, b: a / (1 + b**2),
    lambda a, b: -(a + 1) * (b - 2) / 3,
    lambda a, b: sympy.exp(-a / 2) * b,
    lambda a, b: sympy.tanh(a) + sympy.erf(b),
    lambda a, b: sympy.sqrt(1 + a**2) ** 3 * b,
    lambda a, b: sympy.Max(a, 0) - sympy.Min(b, 1),
    lambda a, b: sympy.Piecewise((a, (x > 0) & (y < 1)), (b, sympy.Ne(x, 2)), (1, True)),
    lambda a, b: sympy.Heaviside(a) * sympy.sign(b) * sympy.log(1 + a**2),
    lambda a, b: 2**a * (b + 1) ** -2,
]
expressions = st.recursive(
    st.sampled_from(LEAVES),
    lambda inner: st.tuples(st.sampled_from(STEPS), inner, inner).map(lambda step: step[0](step[1], step[2])),
    max_leaves=6,
)


@settings(max_examples=60)
@given(expressions)
def test_generated_expressions_are_read_back_as_themselves(tmp_path_factory, expression):
    model = Model((w * x * y - expression) ** 2, [w], {x: Normal()})
    copy = model_file_of_text(write_model(model, SGD(eta)), tmp_path_factory.getbasetemp() / "model.toml")
    assert copy.model == model


# --------------------------------------------------------------------------------------------------- parts, one by one


def test_every_part_of_a_model_file_is_read_back(tmp_path):
    k, r = symbols("k", positive=True, integer=True), symbols("r")
    field = GaussianField("F", covariance=sympy.Lambda(r, r**2 + k * r))
    (a, b), z, centre = vectors("a", n, count=2), Vector("z", n), Vector("centre", n)
    loss = (dot(a + b, z) - y) ** 2 / 2 + field(b) * x
    law = Discrete([((centre, 2.5), 0.25), ((0 * centre, k), 0.25), ((-2 * centre / 3, 1), 0.5)])
    model = Model(loss, [a, b, x], {(z, y): law, field: field.law}, {dot(centre, centre): 0.5})
    algorithm = SGD(
        eta / n,
        momentum=HeavyBall(p),
        weight_decay=DecoupledDecay(0.1),
        temperature=0.2,
        constraint=Sphere(),
        proximal=SoftThreshold(k),
        samples=12,
        sampling=persistent(p, 3),
    )
    parts = {
        "statistics": {"q": dot(a, a) / 2, "odd name": 0.5 * x},
        "at": {eta: 0.1, n: 30, p: sympy.Rational(1, 3), dot(centre, centre): 2, k: np.int64(3)},
        "start": {
            "q": 1.5,
            b: Normal(0, 1 / n),
            x: Mixture([(Normal(0, 0.5), 0.5), (Uniform(), 0.5)]),
            a: np.arange(3.0),
            dot(b, centre): np.float64(0.25),
        },
        "until": 7.5,
        "replicas": 9,
        "point": {x: 0.5},
        "over": {eta: (0.1, 2.0, 5), p: (0.0, 1.0, 3)},
    }
    text = write_model(model, algorithm, title="All parts\nin one", theory=Theory.STABILITY, **parts)
    copy = read(text, tmp_path)
    assert_same(copy, model, algorithm)
    assert (copy.title, copy.theory, copy.until, copy.replicas) == ("All parts in one", Theory.STABILITY, 7.5, 9)
    assert copy.statistics == {"q": dot(a, a) / 2, "odd name": x / 2}
    assert dict(copy.at) == parts["at"]
    start = dict(copy.start)
    assert np.array_equal(start.pop(a), np.arange(3.0))
    assert start == {key: value for key, value in parts["start"].items() if key != a}
    assert dict(copy.point) == {x: sympy.Rational(1, 2)}
    assert dict(copy.over) == parts["over"]
    assert write_model(copy) == text.replace('"odd name" = "0.5*x"', '"odd name" = "x/2"')


@pytest.mark.parametrize(
    "algorithm",
    [
        SGD(eta, batch_size=4, samples=8, sampling=Sampling.RESHUFFLED),
        SGD(eta, samples=8, sampling=bernoulli(0.5)),
        SGD(eta, samples=8 * p, sampling=Sampling.FULL_BATCH),
    ],
)
def test_every_sampling_is_read_back(algorithm, tmp_path):
    model = Model((w * x) ** 2, [w], {x: Normal()})
    assert_same(read(write_model(model, algorithm), tmp_path), model, algorithm)


@pytest.mark.parametrize(
    "arrays",
    [
        ([1, 2, 3],),
        ([1.0, 0.1, 1e-300],),
        ([sympy.Rational(1, 3), 2],),
        ([[1, 2], [3, 4]], [0.5, 1.5]),
    ],
)
def test_every_kind_of_data_set_is_read_back(arrays, tmp_path):
    names = (Vector("x", 2), y) if len(arrays) > 1 else (x,)
    v = Vector("v", 2)
    loss = (dot(v, names[0]) - y) ** 2 if len(arrays) > 1 else (w * x) ** 2
    model = Model(loss, [v if len(arrays) > 1 else w], {names: Empirical(*arrays)})
    assert_same(read(write_model(model, SGD(eta)), tmp_path), model, SGD(eta))


def test_a_long_sum_and_a_long_list_are_broken_into_lines(tmp_path):
    data = symbols("d1:260")
    model = Model(sum(i * d * w for i, d in enumerate(data, start=1)), [w], dict.fromkeys(data, Normal()))
    text = write_model(model, SGD(eta))
    assert max(map(len, text.splitlines())) <= 120
    assert_same(read(text, tmp_path), model, SGD(eta))


# ------------------------------------------------------------------------------------------------------ what is refused


class Own(Law):
    """A law of one's own."""


class Twice(sympy.Function):
    """A function of one's own."""

    def _eval_is_real(self):
        return True


def assert_not_writable(words, model, algorithm=None, **parts):
    with pytest.raises(NotWritable) as caught:
        write_model(model, algorithm or SGD(eta), **parts)
    assert words in str(caught.value)


def test_what_a_model_file_cannot_say_is_refused_by_name():
    def model(loss, data=None):
        return Model(loss, [w], data or {x: Normal()})

    plain = model((w * x) ** 2)
    assert_not_writable("the law", model((w * x) ** 2, {x: Own()}))
    assert_not_writable("Twice in Twice(x)", model(w * Twice(x)))
    assert_not_writable("gamma in gamma(x)", model(w * sympy.gamma(x)))
    assert_not_writable("the name 'a b' is no name", model(w * sympy.Symbol("a b", real=True)))
    assert_not_writable("'pi' is the number", model(w * sympy.Symbol("pi", real=True)))
    assert_not_writable("letters that read as 'x2'", model(w * sympy.Symbol("x²", real=True)))
    assert_not_writable("is declared with", model(w * sympy.Symbol("k", real=True, finite=True)))
    assert_not_writable("has more digits", model((w * x) ** 2, {x: Normal(0, sympy.Float("0.1", 40))}))
    assert_not_writable("differs in the loss", model(sympy.Mul(2, w * x + y, evaluate=False)))
    assert_not_writable("inf is no finite number", plain, at={eta: float("inf")})
    assert_not_writable("True is no number", plain, at={eta: True})
    assert_not_writable("is no number", plain, start={w: object()})
    assert_not_writable("two different objects carry the name 'w'", plain, at={symbols("w", positive=True): 1})
    assert_not_writable("takes a ModelFile, or a Model and an SGD", plain, algorithm=3)
    assert_not_writable("takes a ModelFile, or a Model and an SGD", "least_squares")


def test_a_model_file_and_its_parts_write_the_same_text():
    file = load_model("heavy_ball_regression")
    assert isinstance(file, ModelFile)
    parts = {
        name: getattr(file, name) for name in ("title", "theory", "statistics", "at", "start", "until", "replicas")
    }
    assert write_model(file.model, file.algorithm, **parts) == write_model(file)


def test_expressions_are_written_as_they_are_read():
    assert expression_text((x + 1) * (y - 1) * 2 / 3) == "(x + 1)*(y - 1)*2/3"
    assert expression_text((x + 1) * (y - 1) / 3) == "(x + 1)*(y - 1)/3"
    assert expression_text(-((x + 1) * (y - 1))) == "-((x + 1)*(y - 1))"
    assert expression_text(x - (x + 1) * (y - 1)) == "x - ((x + 1)*(y - 1))"
    assert expression_text(5 / (x + sympy.pi) / 2) == "1/(x + pi)*5/2"
