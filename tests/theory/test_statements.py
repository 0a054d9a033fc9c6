"""Every system of the design is stated in the one language, prints, pickles, and has one identity in every process."""

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import sympy
from sympy import Rational

import theory
from theory import (
    GD,
    SGD,
    Discrete,
    Empirical,
    GaussianField,
    Matrix,
    Model,
    Normal,
    Sampling,
    Vector,
    dot,
    gradient,
    persistent,
    symbols,
    vectors,
)
from theory.identity import content_hash
from theory.networks import (
    MLP,
    Attention,
    cross_entropy,
    inputs,
    logistic_loss,
    relu,
    squared_error,
    swish,
    tanh,
)

ETA, C, ALPHA, B, TAU = symbols("eta c alpha b tau", positive=True)
N = symbols("n", positive=True)


def scalar_two_layer_net():
    u, w, x, s, p = symbols("u w x s p")
    model = Model(
        loss=(u * w * x - s * x) ** 2 / 2,
        parameters=[u, w],
        data={x: Normal(), s: Discrete({1: 1 - p, -1: p})},
    )
    return model, SGD(ETA)


def real_data_set():
    w0, w1, x, y = symbols("w0 w1 x y")
    table = np.random.default_rng(1)
    X, Y = table.normal(size=32), table.normal(size=32)
    model = Model((w1 * x + w0 - y) ** 2 / 2, [w0, w1], {(x, y): Empirical(X, Y)})
    return model, SGD(ETA, batch_size=8, sampling=Sampling.WITHOUT_REPLACEMENT)


def vector_data_set():
    table = np.random.default_rng(2)
    w, x, y = Vector("w", 3), Vector("x", 3), symbols("y")
    data = {(x, y): Empirical(table.normal(size=(16, 3)), table.normal(size=16))}
    return Model((dot(w, x) - y) ** 2 / 2, [w], data), SGD(ETA, batch_size=8, sampling=Sampling.WITHOUT_REPLACEMENT)


def least_squares():
    tau, xi = symbols("tau xi")
    w, v, z = Vector("w", N), Vector("v", N), Vector("z", N)
    loss = (dot(w, z) - dot(v, z) - tau * xi) ** 2 / 2
    return Model(loss, [w], fixed={dot(v, v): 1}, data={z: Normal(), xi: Normal()}), SGD(learning_rate=C / N)


def spiked_tensor(*, alone=False):
    k, snr, ridge = symbols("k snr lambda", positive=True)
    w, v, W = Vector("w", N), Vector("v", N), GaussianField("W", order=k)
    loss = -2 * (W(w) + snr * dot(w, v) ** k) + dot(w, w) ** k
    model = Model(loss, [w], [W] if alone else {W: W.law}, {dot(v, v): 1})
    return model, SGD(C / N, weight_decay=ridge)


def xor_mixture(activation):
    snr = symbols("snr", positive=True)
    y = symbols("y")
    mu, nu, centre, z = (Vector(name, N) for name in ("mu", "nu", "centre", "z"))
    w, a = vectors("w", N, count=4), symbols("a1:5")
    point = centre + z / sympy.sqrt(snr)
    output = sum(a_i * activation(dot(w_i, point)) for a_i, w_i in zip(a, w, strict=True))
    quarter = 1 / 4
    classes = Discrete([((mu, 1), quarter), ((-mu, 1), quarter), ((nu, 0), quarter), ((-nu, 0), quarter)])
    model = Model(
        loss=logistic_loss(output, y),
        parameters=[*w, *a],
        data={(centre, y): classes, z: Normal()},
        fixed={dot(mu, mu): 1, dot(nu, nu): 1, dot(mu, nu): 0},
    )
    return model, SGD(C / N)


def matrix_factorisation():
    U, V, target = Matrix("U", 4, 2), Matrix("V", 4, 2), Matrix("M", 4, 4)
    return Model(squared_error(U * V.T, target), [U, V], {m: Normal() for m in target}), SGD(ETA)


def relu_network():
    network, x, y = MLP([2, 3, 1], activation=relu), inputs("x", 2), symbols("y")
    data = {x[0]: Normal(), x[1]: Normal(), y: Normal()}
    return Model(squared_error(network(x), y), network.parameters, data), SGD(ETA)


def attention():
    head, tokens = Attention("head", 2, 1, 1), [inputs(f"t{i}", 2) for i in range(3)]
    y = symbols("y")
    data = {symbol: Normal() for symbol in (*(s for token in tokens for s in token), y)}
    return Model(squared_error(head(tokens)[-1], y), head.parameters, data), SGD(ETA)


def perceptron():
    w, v, z = Vector("w", N), Vector("v", N), Vector("z", N)
    label = (1 + sympy.sign(dot(v, z))) / 2
    model = Model(logistic_loss(dot(w, z) / sympy.sqrt(N), label), [w], {z: Normal()}, {dot(v, v): N})
    return model, SGD(ETA, samples=ALPHA * N, sampling=persistent(B, TAU))


def mlp_on_data():
    table = np.random.default_rng(3)
    X, Y = table.normal(size=(20, 10)), table.normal(size=20)
    network, x, y = MLP([10, 16, 1], activation=swish), inputs("x", 10), symbols("y")
    return Model(squared_error(network(x), y), network.parameters, {(x, y): Empirical(X, Y)}), GD(ETA)


def softmax_classifier():
    network, x, t = MLP([2, 3], activation=tanh), inputs("x", 2), inputs("t", 3)
    data = {(x, t): Empirical(np.eye(2)[[0, 1, 1]], np.eye(3))}
    return Model(cross_entropy(network(x), t), network.parameters, data), GD(ETA)


STATEMENTS = {
    "scalar two-layer net, label noise": scalar_two_layer_net,
    "a real data set": real_data_set,
    "a real data set of vectors": vector_data_set,
    "least squares in n dimensions": least_squares,
    "spiked tensor, symbolic order": spiked_tensor,
    "XOR mixture, ReLU": lambda: xor_mixture(relu),
    "XOR mixture, tanh": lambda: xor_mixture(tanh),
    "matrix factorisation": matrix_factorisation,
    "ReLU net": relu_network,
    "attention": attention,
    "perceptron on a fixed data set, persistent SGD": perceptron,
    "an MLP at the edge of stability": mlp_on_data,
    "softmax classifier": softmax_classifier,
}


def statement_hashes():
    """The content hash of every model with its algorithm; run in this process and in others."""
    return {name: content_hash(state()) for name, state in STATEMENTS.items()}


@pytest.fixture(params=STATEMENTS)
def statement(request):
    return STATEMENTS[request.param]()


def test_every_statement_prints_as_text(statement):
    model, algorithm = statement
    for text in (str(model), repr(model)):
        assert text.startswith("Model(loss=")
        assert all(item.name in text for item in model.parameters)
    assert str(ETA if algorithm.learning_rate == ETA else C / N) in repr(algorithm)
    assert sympy.pretty(model.loss, use_unicode=True)
    assert sympy.pretty(model.loss, use_unicode=False)


def test_every_statement_prints_as_latex(statement):
    model, _ = statement
    assert sympy.latex(model.loss) in model.to_latex()
    assert model.to_latex().count(r"\sim") == len(model.data)
    assert model._repr_latex_().startswith("$") and model._repr_latex_().endswith("$")
    assert model.to_latex().count("{") == model.to_latex().count("}")


@pytest.mark.parametrize("printer", ["presentation", "content"])
def test_every_statement_prints_as_mathml(statement, printer):
    model, _ = statement
    if printer == "content" and model.loss.has(sympy.Max, sympy.sign):
        pytest.skip("SymPy's content MathML has no Max and no sign")
    text = sympy.mathml(model.loss, printer=printer)
    assert text.startswith("<") and text.endswith(">")


def test_every_statement_survives_pickling(statement):
    copies = pickle.loads(pickle.dumps(statement))
    assert copies == statement
    assert hash(copies) == hash(statement)
    assert copies[0].hyperparameters == statement[0].hyperparameters


def test_stating_a_system_twice_gives_equal_models_and_different_systems_differ():
    first = [state() for state in STATEMENTS.values()]
    second = [state() for state in STATEMENTS.values()]
    assert first == second
    assert len({model for model, _ in first}) == len(first)


def test_every_statement_has_one_content_hash_in_every_process():
    environment = {**os.environ, "PYTHONHASHSEED": "4711", "PYTHONPATH": str(Path(theory.__file__).parents[1])}
    code = f"import runpy, json; print(json.dumps(runpy.run_path({__file__!r})['statement_hashes']()))"
    run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert json.loads(run.stdout) == statement_hashes()


def test_every_statement_has_a_gradient_without_unevaluated_parts(statement):
    model, _ = statement
    derived = gradient(model)
    assert set(derived.vectors) == set(model.vector_parameters)
    assert set(derived.scalars) == set(model.scalar_parameters)
    coefficients = [c for terms in derived.vectors.values() for c in terms.values()] + list(derived.scalars.values())
    assert len(coefficients) >= len(model.parameters)
    for coefficient in coefficients:
        assert coefficient != 0
        assert not coefficient.has(sympy.Derivative, sympy.DiracDelta, sympy.Dummy, sympy.nan, sympy.Subs)


def test_the_sampling_of_every_statement_is_one_that_its_data_admit(statement):
    model, algorithm = statement
    mode = algorithm.sampling_for(model.data_count)
    assert mode == (algorithm.sampling or Sampling.ONLINE)


# ---------------------------------------------------------------------------------------------------- what rows promise


def test_a_field_may_be_listed_alone_or_with_its_own_law():
    assert spiked_tensor(alone=True) == spiked_tensor(alone=False)


def test_the_spiked_tensor_at_a_number_is_the_one_stated_with_that_number():
    k, snr = symbols("k snr", positive=True)
    w, v, W = Vector("w", N), Vector("v", N), GaussianField("W", order=3)
    loss = -2 * (W(w) + snr * dot(w, v) ** 3) + dot(w, w) ** 3
    assert spiked_tensor()[0].substitute({k: 3}) == Model(loss, [w], [W], {dot(v, v): 1})


def test_xor_classes_keep_exact_probabilities_and_trained_scalars_beside_vectors():
    model, _ = xor_mixture(tanh)
    law = dict(model.data)[(Vector("centre", N), symbols("y"))]
    assert law.probabilities == (Rational(1, 4),) * 4
    assert len(model.vector_parameters) == len(model.scalar_parameters) == 4
    assert model.signals == (Vector("mu", N), Vector("nu", N))
    assert model.hyperparameters == (symbols("snr", positive=True),)


def test_the_order_in_which_data_are_listed_does_not_matter_but_the_order_of_parameters_does():
    u, w, x, s = symbols("u w x s")
    loss = (u * w * x - s) ** 2
    assert Model(loss, [u, w], {x: Normal(), s: Normal()}) == Model(loss, [u, w], {s: Normal(), x: Normal()})
    assert Model(loss, [u, w], {x: Normal(), s: Normal()}) != Model(loss, [w, u], {x: Normal(), s: Normal()})
    assert Model(loss, [u, w], {x: Normal(), s: Normal()}) != Model(loss, [u, w], {x: Normal(), s: Normal(0, 2)})


def test_the_explicit_mlp_is_the_vector_data_set_cut_into_columns():
    model, _ = mlp_on_data()
    ((names, law),) = model.data
    assert len(names) == law.size == 11
    assert model.data_count == 20
    assert model.is_explicit


def test_the_explicit_view_of_a_data_set_of_vectors_is_the_model_stated_with_its_columns():
    model, _ = vector_data_set()
    w, x, y = inputs("w", 3), inputs("x", 3), symbols("y")
    ((_, law),) = model.data
    loss = (sum(a * b for a, b in zip(w, x, strict=True)) - y) ** 2 / 2
    assert model.components() == Model(loss, w, {(x, y): Empirical(*law.arrays)})
