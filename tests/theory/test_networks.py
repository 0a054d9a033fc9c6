"""Layered models: layers, activations and losses are what their formulas say, entry by entry."""

import itertools
import math
import pickle
import random

import numpy as np
import pytest
import sympy
from hypothesis import given, settings, strategies as st

from theory import Empirical, Model, Normal, Vector, dot, gradient, networks, symbols
from theory.errors import DimensionMismatch, ModelError, NotDimensionFree
from theory.networks import (
    MLP,
    Attention,
    Linear,
    Matrix,
    cross_entropy,
    inputs,
    logistic_loss,
    relu,
    softmax,
    square,
    squared_error,
    weight_normalised,
)

ACTIVATIONS = {
    "relu": lambda x: max(x, 0.0),
    "swish": lambda x: x / (1 + math.exp(-x)),
    "softplus": lambda x: math.log1p(math.exp(x)),
    "sigmoid": lambda x: 1 / (1 + math.exp(-x)),
    "tanh": math.tanh,
    "erf": math.erf,
    "square": lambda x: x * x,
    "identity": lambda x: x,
}
X = symbols("x")


def numbers_for(expressions, seed=0):
    generator = random.Random(seed)
    found = sorted(set().union(*(e.free_symbols for e in expressions)), key=str)
    return {symbol: generator.uniform(-1.5, 1.5) for symbol in found}


def evaluated(values, parameters_or_matrix):
    return np.array([float(entry.xreplace(values)) for entry in parameters_or_matrix])


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("value", [-2.0, -0.3, 0.0, 0.7, 3.0])
def test_an_activation_has_the_values_of_its_formula(name, value):
    assert math.isclose(
        float(getattr(networks, name)(X).xreplace({X: sympy.Float(value)})), ACTIVATIONS[name](value), abs_tol=1e-14
    )


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_a_network_of_any_activation_has_a_gradient_that_agrees_with_finite_differences(name):
    network, x, y = MLP([2, 2, 1], activation=getattr(networks, name)), inputs("x", 2), symbols("y")
    model = Model(squared_error(network(x), y), network.parameters, {s: Normal() for s in (*x, y)})
    derived, values = gradient(model), numbers_for([model.loss], seed=3)
    loss = sympy.lambdify(list(values), model.loss, "math")
    for parameter in model.parameters:
        assert not derived[parameter].has(sympy.DiracDelta, sympy.Derivative)
        up, down = (
            loss(**{str(s): v + (sign * 1e-6 if s == parameter else 0) for s, v in values.items()}) for sign in (1, -1)
        )
        assert math.isclose(float(derived[parameter].xreplace(values)), (up - down) / 2e-6, rel_tol=1e-6, abs_tol=1e-8)


def test_the_derivative_of_relu_is_a_step_and_its_second_derivative_vanishes_almost_everywhere():
    w = symbols("w")
    model = Model(relu(w * X), [w], {X: Normal()})
    assert gradient(model)[w] == X * sympy.Heaviside(w * X)
    again = Model(gradient(model)[w] * w, [w], {X: Normal()})
    assert gradient(again)[w] == X * sympy.Heaviside(w * X)


def test_a_relu_unit_is_x_times_a_step_as_homogeneity_needs():
    assert sympy.expand(relu(X).rewrite(sympy.Heaviside) - X * sympy.Heaviside(X)) == 0


@settings(deadline=None, derandomize=True)
@given(st.lists(st.integers(1, 4), min_size=2, max_size=4), st.booleans())
def test_a_linear_network_is_the_product_of_its_matrices(widths, bias):
    network = MLP(widths, activation=networks.identity, bias=bias)
    outputs, x = network(inputs("x", widths[0])), inputs("x", widths[0])
    values = numbers_for(outputs)
    state = evaluated(values, x)
    for layer in network.layers:
        state = evaluated(values, layer.weight).reshape(layer.outputs, layer.inputs) @ state
        if bias:
            state = state + evaluated(values, layer.shift)
    assert np.allclose([float(o.xreplace(values)) for o in outputs], state, atol=1e-12)


@settings(deadline=None, derandomize=True)
@given(st.lists(st.integers(1, 4), min_size=2, max_size=4), st.booleans())
def test_a_network_has_as_many_parameters_as_its_widths_say(widths, bias):
    network = MLP(widths, activation=relu, bias=bias, name="net")
    expected = sum(after * (before + bias) for before, after in itertools.pairwise(widths))
    assert len(set(network.parameters)) == len(network.parameters) == expected
    assert set(network(inputs("x", widths[0]))[0].free_symbols) <= {*network.parameters, *inputs("x", widths[0])}
    assert all(symbol.is_real and symbol.name.startswith("net_W") for symbol in network.parameters)


def test_networks_are_equal_if_they_say_the_same():
    network = MLP([2, 3, 1], activation=networks.tanh)
    assert network == MLP((2, 3, 1), activation=sympy.tanh) == MLP([2, 3, 1], activation=lambda x: sympy.tanh(x))
    assert hash(network) == hash(MLP((2, 3, 1), activation=sympy.tanh))
    others = [
        MLP([2, 3, 1], activation=relu),
        MLP([2, 2, 1], activation=networks.tanh),
        MLP([2, 3, 1], activation=networks.tanh, bias=False),
        MLP([2, 3, 1], activation=networks.tanh, name="b"),
    ]
    assert len({network, *others}) == 5
    assert Linear("A", 2, 1) == Linear("A", 2, 1) != Linear("A", 2, 1, bias=False)
    assert Attention("A", 2, 1, 1) == Attention("A", 2, 1, 1) != Attention("A", 2, 1, 1, softmax=False)


@pytest.mark.parametrize(
    "layer",
    [MLP([2, 3, 1], activation=lambda x: x**3), Linear("A", 2, 1), Attention("A", 2, 1, 1, scaled=False)],
    ids=["MLP", "Linear", "Attention"],
)
def test_layers_survive_pickling_and_cannot_be_changed(layer):
    assert layer.parameters
    twin = pickle.loads(pickle.dumps(layer))
    assert twin == layer
    assert twin.content_hash == layer.content_hash
    assert twin.parameters == layer.parameters
    with pytest.raises(AttributeError):
        layer.name = "other"


@pytest.mark.parametrize("scaled", [True, False])
@pytest.mark.parametrize("normalised", [True, False])
def test_attention_is_its_matrix_formula(scaled, normalised):
    head, tokens = Attention("h", 2, 3, 2, softmax=normalised, scaled=scaled), [inputs(f"t{i}", 2) for i in range(3)]
    outputs = head(tokens)
    values = numbers_for([o for row in outputs for o in row], seed=5)
    queries, keys, worth = (
        evaluated(values, matrix).reshape(matrix.shape) for matrix in (head.query, head.key, head.value)
    )
    x = np.array([evaluated(values, token) for token in tokens])
    scores = (x @ queries.T) @ (x @ keys.T).T / (math.sqrt(3) if scaled else 1)
    weights = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True) if normalised else scores
    found = [[float(entry.xreplace(values)) for entry in row] for row in outputs]
    assert np.allclose(found, weights @ x @ worth.T, atol=1e-12)


def test_softmax_weights_sum_to_one_and_do_not_overflow():
    scores = symbols("s0:3")
    weights = softmax(scores)
    assert sympy.simplify(sympy.Add(*weights) - 1) == 0
    large = sympy.lambdify(scores, weights, "numpy")
    with np.errstate(over="ignore"):
        assert large(np.float64(1000), np.float64(0), np.float64(-1000)) == (1.0, 0.0, 0.0)


def test_weight_normalised_rows_have_the_length_of_their_gain():
    matrix, gains = Matrix("V", 2, 3), symbols("g1 g2", positive=True)
    rows = weight_normalised(matrix, gains)
    for row, gain in enumerate(gains):
        assert sympy.simplify(sum(entry**2 for entry in rows.row(row)) - gain**2) == 0


def test_the_losses_are_their_formulas():
    a, b, y = symbols("a b y")
    assert squared_error(a, y) == (a - y) ** 2 / 2
    assert squared_error([a, b], [y, 0]) == (a - y) ** 2 / 2 + b**2 / 2
    assert logistic_loss(a, y) == sympy.log(1 + sympy.exp(a)) - y * a
    values = {a: 0.3, b: -1.2, y: 1.7}
    direct = math.log(math.exp(0.3) + math.exp(-1.2) + math.exp(1.7)) - (-1.2)
    assert math.isclose(cross_entropy([a, b, y], 1).xreplace(values), direct)
    assert math.isclose(cross_entropy([a, b, y], [0, 1, 0]).xreplace(values), direct)


def test_cross_entropy_of_two_classes_is_the_logistic_loss_of_the_difference():
    a, b = symbols("a b")
    assert sympy.expand(cross_entropy([a, b], 0) - logistic_loss(a - b, 1)).equals(0)
    assert sympy.expand(cross_entropy([a, b], [1, 0]) - logistic_loss(a - b, 1)) == 0


def test_the_inputs_of_a_network_are_the_entries_of_a_vector():
    w, x = Vector("w", 2), Vector("x", 2)
    layer, data = Linear("w", 2, 1, bias=False), {symbol: Normal() for symbol in inputs("x", 2)}
    by_entries = Model(sympy.tanh(layer(inputs("x", 2))[0]), layer.parameters, data)
    renamed = dict(zip(layer.parameters, inputs("w", 2), strict=True))
    assert Model(sympy.tanh(dot(w, x)), [w], {x: Normal()}).components().loss == by_entries.loss.xreplace(renamed)
    assert by_entries.random == inputs("x", 2)


def test_a_data_set_is_cut_into_columns_for_the_inputs_of_a_network():
    network, x, y = MLP([2, 1], activation=relu), inputs("x", 2), symbols("y")
    loss = squared_error(network(x), y)
    table, labels = [[1, 2], [3, 4], [5, 6]], [0, 1, 1]
    whole = Model(loss, network.parameters, {(x, y): Empirical(table, labels)})
    by_column = Model(loss, network.parameters, {(*x, y): Empirical([1, 3, 5], [2, 4, 6], labels)})
    assert whole == by_column
    assert whole.data_count == 3


def test_a_matrix_may_be_a_parameter_whole():
    U = Matrix("U", 2, 2)
    assert Model(U.trace() * X, [U[0, 0], U[1, 1]], {X: Normal()}).parameters == (U[0, 0], U[1, 1])
    assert (
        Model(sum(U) * X, [U], {X: Normal()})
        == Model(sum(U) * X, U, {X: Normal()})
        == Model(sum(U) * X, list(U), {X: Normal()})
    )
    assert U.T * U == (U.T * U).T


@pytest.mark.parametrize(
    ("build", "error", "message"),
    [
        (lambda: Matrix("U", 0, 2), ModelError, r"Matrix\('U', 0, 2\): rows"),
        (lambda: Matrix("U", 2, 1.5), ModelError, "columns must be a positive whole number, got 1.5"),
        (lambda: Matrix("U", 2, symbols("n")), ModelError, "columns must be a positive whole number, got n"),
        (lambda: Matrix("", 2, 2), ModelError, "a name is needed"),
        (lambda: inputs("x", -1), ModelError, r"inputs\('x', -1\): count"),
        (lambda: MLP([3], activation=relu), ModelError, r"MLP\(\[3\]\): widths must list"),
        (lambda: MLP("33", activation=relu), ModelError, "widths must list"),
        (lambda: MLP([3, 0, 1], activation=relu), ModelError, r"MLP\(\[3, 0, 1\]\): a width .* got 0"),
        (lambda: MLP([3, True], activation=relu), ModelError, "a width must be a positive whole number, got True"),
        (lambda: MLP([3, 1], activation="relu"), ModelError, "activation='relu' must be a function"),
        (
            lambda: MLP([3, 1], activation=lambda x: x * symbols("q")),
            ModelError,
            "must be a function of one expression",
        ),
        (lambda: MLP([3, 1], activation=square)(inputs("x", 2)), DimensionMismatch, "layer W1 takes 3 inputs, got 2"),
        (lambda: Linear("A", 2, 0), ModelError, "rows must be a positive whole number, got 0"),
        (
            lambda: Linear("A", 2, 1)(Vector("x", 2)),
            NotDimensionFree,
            r"got x of type Vector.*inputs\(name, count\)|got Vector",
        ),
        (lambda: Linear("A", 1, 1)([Vector("x", 2)]), NotDimensionFree, "of type Vector"),
        (lambda: Linear("A", 1, 1)("x"), ModelError, "got the text 'x'"),
        (lambda: Attention("A", 2, 0, 1), ModelError, "positive whole number, got 0"),
        (lambda: Attention("A", 2, 1, 1)([[1, 2], [1]]), DimensionMismatch, "token 1 has width 1"),
        (lambda: weight_normalised(Matrix("V", 2, 2), [1]), DimensionMismatch, "2 rows and 1 gains"),
        (lambda: squared_error([1, 2], [1]), DimensionMismatch, "2 outputs and 1 targets"),
        (lambda: cross_entropy([1, 2], 2), ModelError, "target 2 is no class; the classes are 0 to 1"),
        (lambda: cross_entropy([1, 2], [1]), DimensionMismatch, "2 outputs and 1 target weights"),
        (lambda: logistic_loss(X, -1), ModelError, "the label must be 0 or 1, got -1"),
    ],
)
def test_impossible_layers_are_refused_by_what_was_written(build, error, message):
    with pytest.raises(error, match=message):
        build()
