"""The systems that the language must be able to state: each function returns a model and its algorithm."""

import numpy as np
import sympy

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
