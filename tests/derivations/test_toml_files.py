"""A model stated in TOML is the model stated in Python, table by table."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import sympy
from sympy import Lambda, Rational, exp, sqrt

from derivations.model_files import ModelFileError, Theory, load_model
from derivations.model_files.toml_files import model_file_of_text
from theory import (
    GD,
    SGD,
    Cauchy,
    DecoupledDecay,
    Discrete,
    Empirical,
    Exponential,
    Gamma,
    GaussianField,
    HeavyBall,
    Linear,
    Matrix,
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
from theory.networks import (
    MLP,
    Attention,
    cross_entropy,
    inputs,
    logistic_loss,
    relu,
    softmax,
    squared_error,
    swish,
    tanh,
    weight_normalised,
)

n, eta, c = symbols("n eta c", positive=True)
u, w, x, y, s = symbols("u w x y s")


def same_model(file, model, algorithm=None):
    assert file.model.content_hash == model.content_hash
    if algorithm is not None:
        assert file.algorithm.content_hash == algorithm.content_hash


# ------------------------------------------------------------------------------------- the systems of the design page


def scalar_two_layer_net():
    rho = symbols("rho")
    return Model((u * w * x - y) ** 2 / 2, [u, w], {(x, y): Normal(covariance=[[1, rho], [rho, 1]])}), SGD(eta)


def label_noise_net():
    p = symbols("p", positive=True)
    data = {x: Normal(), s: Discrete({1: 1 - p, -1: p})}
    return Model((u * w * x - s * x) ** 2 / 2, [u, w], data), SGD(eta)


def two_point_net():
    a = symbols("a")
    return Model((u * w - y) ** 2 / 2, [u, w], {y: Discrete({1: 1 / 2, a: 1 / 2})}), SGD(eta)


def incorrect_learning():
    decay = symbols("decay", positive=True)
    return Model((u * w - y) ** 2 / 2, [u, w], {y: Discrete({-1: 0.97, 44: 0.03})}), SGD(eta, weight_decay=decay)


def stopping_distances():
    slope, level, speed, distance = symbols("slope level speed distance")
    table = np.loadtxt(load_model("stopping_distances").path.with_suffix(".csv"), delimiter=",", skiprows=1, dtype=int)
    loss = (level + slope * (speed - 15) / 5 - distance / 25) ** 2 / 2
    model = Model(loss, [slope, level], {(speed, distance): Empirical(*table.T)})
    return model, SGD(eta, batch_size=8, sampling=Sampling.WITHOUT_REPLACEMENT)


def spiked_tensor_of_any_order():
    k, snr, ridge = symbols("k snr ridge", positive=True)
    a, v, W = Vector("w", n), Vector("v", n), GaussianField("W", order=k)
    loss = -2 * (W(a) + snr * dot(a, v) ** k) + dot(a, a) ** k
    return Model(loss, [a], {W: W.law}, {dot(v, v): 1}), SGD(c / n, weight_decay=ridge)


def xor_network():
    snr = symbols("snr", positive=True)
    mu, nu, centre, z = (Vector(name, n) for name in ("mu", "nu", "centre", "z"))
    w, a = vectors("w", n, count=4), symbols("a1:5")
    output = sum(a_i * tanh(dot(w_i, centre + z / sqrt(snr))) for a_i, w_i in zip(a, w, strict=True))
    classes = Discrete([((mu, 1), 1 / 4), ((-mu, 1), 1 / 4), ((nu, 0), 1 / 4), ((-nu, 0), 1 / 4)])
    fixed = {dot(mu, mu): 1, dot(nu, nu): 1, dot(mu, nu): 0}
    return Model(logistic_loss(output, y), [*w, *a], {(centre, y): classes, z: Normal()}, fixed), SGD(c / n)


def matrix_factorisation():
    U, V, M = Matrix("U", 4, 2), Matrix("V", 4, 2), Matrix("M", 4, 4)
    return Model(squared_error(U * V.T, M), [U, V], {m: Normal() for m in M}), SGD(eta)


def relu_network():
    f, x = MLP([2, 3, 1], activation=relu), inputs("x", 2)
    data = {x[0]: Normal(), x[1]: Normal(), y: Normal()}
    return Model(squared_error(f(x), y), f.parameters, data), SGD(eta)


def attention_head():
    head, tokens = Attention("head", 2, 1, 1), [inputs(name, 2) for name in ("first", "second", "third")]
    data = {symbol: Normal() for symbol in (*(s for token in tokens for s in token), y)}
    return Model(squared_error(head(tokens)[-1], y), head.parameters, data), SGD(eta)


def persistent_perceptron():
    alpha, b, tau = symbols("alpha b tau", positive=True)
    w, v, z = (Vector(name, n) for name in ("w", "v", "z"))
    loss = logistic_loss(dot(w, z) / sqrt(n), (1 + sympy.sign(dot(v, z))) / 2)
    return Model(loss, [w], {z: Normal()}, {dot(v, v): n}), SGD(eta, samples=alpha * n, sampling=persistent(b, tau))


def swish_network_on_data():
    table = np.loadtxt(
        load_model("swish_network_on_data").path.parent / "twenty_samples.csv", delimiter=",", skiprows=1
    )
    f, x = MLP([10, 16, 1], activation=swish), inputs("x", 10)
    data = {(x, y): Empirical(table[:, :-1], table[:, -1])}
    return Model(squared_error(f(x), y), f.parameters, data), GD(eta)


PYTHON = (
    scalar_two_layer_net,
    label_noise_net,
    two_point_net,
    incorrect_learning,
    stopping_distances,
    spiked_tensor_of_any_order,
    xor_network,
    matrix_factorisation,
    relu_network,
    attention_head,
    persistent_perceptron,
    swish_network_on_data,
)


@pytest.mark.parametrize("state", PYTHON, ids=lambda state: state.__name__)
def test_a_shipped_model_is_the_one_stated_in_python(state):
    same_model(load_model(state.__name__), *state())


# ------------------------------------------------------------------------------------------------------ table by table


@pytest.fixture
def read(tmp_path):
    def read_text(loss="(w*x - y)**2/2", *, symbols="", data='x = "Normal()"\ny = "Normal()"', rest="", rate='"eta"'):
        text = (
            f'[symbols]\neta = "positive"\nw = "real"\nx = "real"\ny = "real"\n{symbols}\n[model]\nloss = """{loss}"""\n'
            f'parameters = ["w"]\n[data]\n{data}\n[algorithm]\nlearning_rate = {rate}\n{rest}\n'
        )
        return model_file_of_text(text, tmp_path / "model.toml")

    return read_text


@pytest.mark.parametrize(
    ("text", "law"),
    [
        ("Normal(1, 4)", Normal(1, 4)),
        ("Normal(0, 0.3)", Normal(0, 0.3)),
        ("Normal(0.1 + 0.2, 1)", Normal(0.1 + 0.2, 1)),
        ("Normal(variance=eta**2)", Normal(variance=eta**2)),
        ("Rademacher()", Rademacher()),
        ("Uniform(-1, 1/2)", Uniform(-1, Rational(1, 2))),
        ("StudentT(5, scale=2)", StudentT(5, scale=2)),
        ("Cauchy(location=eta)", Cauchy(eta)),
        ("Exponential(2)", Exponential(2)),
        ("Gamma(2.5, 3)", Gamma(2.5, 3)),
        ("Discrete({0: 1 - eta, 1: eta})", Discrete({0: 1 - eta, 1: eta})),
        ("Discrete([(1, 0.2), (1, 0.3), (2, 0.5)])", Discrete([(1, 0.2), (1, 0.3), (2, 0.5)])),
        ("Mixture([(Normal(), 3/4), (Cauchy(), 1/4)])", Mixture([(Normal(), 0.75), (Cauchy(), 0.25)])),
        ("Empirical([1, 2, 3])", Empirical([1, 2, 3])),
        ("Empirical([1, 2.5])", Empirical([1, 2.5])),
        ("Empirical([1/3, -2])", Empirical([Fraction(1, 3), -2])),
    ],
)
def test_every_law_is_the_one_that_python_makes(read, text, law):
    file = read(data=f'x = "{text}"\ny = "Normal()"')
    same_model(file, Model((w * x - y) ** 2 / 2, [w], {x: law, y: Normal()}))


OPTIONS = {
    "batch_size = 8": {"batch_size": 8},
    'batch_size = "b"': {"batch_size": symbols("b", positive=True)},
    'momentum = "HeavyBall(0.9)"': {"momentum": HeavyBall(0.9)},
    'momentum = "Nesterov(1/3)"': {"momentum": Nesterov(Rational(1, 3))},
    'momentum = "NesterovLookahead(b)"': {"momentum": NesterovLookahead(symbols("b", positive=True))},
    "weight_decay = 0.05": {"weight_decay": 0.05},
    'weight_decay = "DecoupledDecay(0.1)"': {"weight_decay": DecoupledDecay(0.1)},
    'temperature = "b/2"': {"temperature": symbols("b", positive=True) / 2},
    'constraint = "Sphere()"': {"constraint": Sphere()},
    'proximal = "SoftThreshold(0.3)"': {"proximal": SoftThreshold(0.3)},
    'sampling = "online"': {"sampling": Sampling.ONLINE},
    'samples = 12\nsampling = "full_batch"': {"samples": 12, "sampling": Sampling.FULL_BATCH},
    'samples = 12\nsampling = "reshuffled"\nbatch_size = 3': {
        "samples": 12,
        "sampling": Sampling.RESHUFFLED,
        "batch_size": 3,
    },
    'samples = "2*b"\nsampling = "cyclic"': {"samples": 2 * symbols("b", positive=True), "sampling": Sampling.CYCLIC},
    'samples = 9\nsampling = "with_replacement"': {"samples": 9, "sampling": Sampling.WITH_REPLACEMENT},
    'samples = 9\nsampling = "without_replacement"': {"samples": 9, "sampling": Sampling.WITHOUT_REPLACEMENT},
    'samples = 9\nsampling = "bernoulli(0.25)"': {"samples": 9, "sampling": bernoulli(0.25)},
    'samples = 9\nsampling = "persistent(1/4, b)"': {
        "samples": 9,
        "sampling": persistent(0.25, symbols("b", positive=True)),
    },
}


@pytest.mark.parametrize("text", OPTIONS)
def test_every_option_of_the_algorithm_is_the_one_that_python_makes(read, text):
    file = read(symbols='b = "positive"', rest=text)
    assert file.algorithm.content_hash == SGD(eta, **OPTIONS[text]).content_hash


@pytest.mark.parametrize(
    ("said", "assumptions"),
    [
        ("real", {"real": True}),
        ("positive", {"positive": True}),
        ("nonnegative", {"nonnegative": True}),
        ("positive integer", {"positive": True, "integer": True}),
        ("negative rational", {"negative": True, "rational": True}),
        ("nonzero even", {"nonzero": True, "even": True}),
    ],
)
def test_symbols_are_declared_with_what_is_said_of_them(read, said, assumptions):
    file = read("(w*x - k)**2/2", symbols=f'k = "{said}"', data='x = "Normal()"')
    assert file.model.hyperparameters == (sympy.Symbol("k", **assumptions),)


def test_decimal_numbers_are_exact_and_agree_with_those_of_python(read):
    for text, value in (("0.1", 0.1), ("0.3333333333333333", 1 / 3), ("2.5e-3", 2.5e-3), ("1e20", 1e20), ("7", 7)):
        same_model(read(f"({text}*w*x - y)**2"), Model((value * w * x - y) ** 2, [w], {x: Normal(), y: Normal()}))
    assert read("(w*x/3 - 0.5*y)**2").model.loss == (w * x / 3 - y / 2) ** 2


def test_a_number_may_stand_without_quotes(read):
    assert read(rate="0.1").algorithm == SGD(Rational(1, 10))
    assert read(rate="1").algorithm == SGD(1)


def test_families_are_one_name_many_names_and_entries(read):
    file = read(
        "sum(a[i]*x**i for i in range(3))*w + a1 - a[2] + sum(a) + sum(b) - y",
        symbols='a = { count = 3 }\nb = { assumptions = "positive", count = 2 }',
    )
    a, b = symbols("a1:4"), symbols("b1:3", positive=True)
    loss = sum(a[i] * x**i for i in range(3)) * w + a[0] - a[2] + sum(a) + sum(b) - y
    same_model(file, Model(loss, [w], {x: Normal(), y: Normal()}))


def test_a_matrix_an_input_and_its_entries_are_parameters_and_data(tmp_path):
    text = """
    [matrices]
    U = [2, 3]
    A = [2, 2]
    [inputs]
    x = 3
    t = 2
    g = 2
    [model]
    loss = "squared_error(weight_normalised(U, g)*transpose(U)*A, A) + x[0]*U_0_1*U[1, -1]*x_2 + sum(softmax(t))*t[0]"
    parameters = ["U", "g_0", "g"]
    [data]
    A = "Normal(0, 2)"
    "x, t" = { arrays = [[[1, 2, 3], [4, 5, 6]], [[0.5, 1], [2, 3]]] }
    [algorithm]
    learning_rate = 1
    """
    with pytest.raises(ModelFileError, match="'g_0' is listed twice"):
        model_file_of_text(text, tmp_path / "m.toml")
    file = model_file_of_text(text.replace('"g_0", ', ""), tmp_path / "m.toml")
    U, A, x, t, g = Matrix("U", 2, 3), Matrix("A", 2, 2), inputs("x", 3), inputs("t", 2), inputs("g", 2)
    loss = squared_error(weight_normalised(U, g) * U.T * A, A)
    loss += x[0] * U[0, 1] * U[1, 2] * x[2] + sum(softmax(t)) * t[0]
    data = {**{entry: Normal(0, 2) for entry in A}, (x, t): Empirical([[1, 2, 3], [4, 5, 6]], [[0.5, 1], [2, 3]])}
    same_model(file, Model(loss, [U, *g], data))


@pytest.mark.parametrize(
    ("network", "made", "call"),
    [
        ('kind = "MLP", widths = [2, 3, 2], activation = "tanh"', lambda: MLP([2, 3, 2], activation=tanh), "f(x)"),
        (
            'kind = "MLP", widths = [2, 2, 2], activation = "x*exp(-x**2)", bias = false, name = "net"',
            lambda: MLP([2, 2, 2], activation=lambda z: z * exp(-(z**2)), bias=False, name="net"),
            "f(x)",
        ),
        ('kind = "Linear", inputs = 2, outputs = 2', lambda: Linear("f", 2, 2), "f(x)"),
        ('kind = "Linear", inputs = 2, outputs = 2, bias = false', lambda: Linear("f", 2, 2, bias=False), "f(x)"),
        (
            'kind = "Attention", dimension = 2, key_dimension = 1, outputs = 2, softmax = false, scaled = false',
            lambda: Attention("f", 2, 1, 2, softmax=False, scaled=False),
            "f([x])[0]",
        ),
    ],
)
def test_every_network_is_the_one_that_python_makes(tmp_path, network, made, call):
    text = f"""
    [inputs]
    x = 2
    t = 2
    [networks]
    f = {{ {network} }}
    [model]
    loss = "cross_entropy({call}, t) + cross_entropy({call}, 1)"
    parameters = ["f"]
    [data]
    x = "Normal()"
    t = "Normal()"
    [algorithm]
    learning_rate = 1
    """
    f, x, t = made(), inputs("x", 2), inputs("t", 2)
    outputs = f([x])[0] if isinstance(f, Attention) else f(x)
    loss = cross_entropy(outputs, t) + cross_entropy(outputs, 1)
    file = model_file_of_text(text, tmp_path / "m.toml")
    same_model(file, Model(loss, f.parameters, {symbol: Normal() for symbol in (*x, *t)}))


def test_fields_have_an_order_or_a_covariance(tmp_path):
    text = """
    [symbols]
    n = "positive"
    k = "positive"
    [vectors]
    w = "n"
    [fields]
    V = "k"
    W = { covariance = "r**3 + k*r" }
    [model]
    loss = "V(w) + W(w)*dot(w, w)"
    parameters = ["w"]
    [algorithm]
    learning_rate = "1/n"
    """
    k, r, a = symbols("k", positive=True), symbols("r"), Vector("w", n)
    V, W = GaussianField("V", order=k), GaussianField("W", covariance=Lambda(r, r**3 + k * r))
    file = model_file_of_text(text, tmp_path / "m.toml")
    same_model(file, Model(V(a) + W(a) * dot(a, a), [a], [V, W]), SGD(1 / n))


def test_definitions_stand_in_any_order_and_may_be_vectors_and_tuples(read):
    rest = '[definitions]\nd = "e**2"\ne = "f[0] + f[1]"\nf = "[w*x, -y]"\n'
    assert read("d/2", rest=rest).model == read().model


def test_what_is_measured_and_where_it_starts_is_read(tmp_path):
    text = """
    title = '''Two
      vectors.'''
    theory = "stability"
    [symbols]
    n = "positive"
    lambda = "positive"
    b = "real"
    [vectors]
    w = { dimension = "n", count = 2 }
    v = "n"
    z = "n"
    [model]
    loss = "(dot(w1 + w2, z) - lambda*b)**2 + dot(w2, v)"
    parameters = ["w", "b"]
    [data]
    z = "Normal()"
    [algorithm]
    learning_rate = 1
    [statistics]
    m = "dot(w1, v)/2 + 0.25"
    "odd name" = "b"
    [at]
    n = 10
    lambda = "1/3"
    "dot(v, v)" = 2.5
    [start]
    m = 0.5
    w1 = "Normal(0, 1/n)"
    w2 = [0.5, 1]
    "dot(v, w1)" = "1/7"
    b = { arrays = [[1, 2]] }
    [run]
    until = 3
    replicas = 7
    [point]
    b = 0.5
    w1 = 0
    """
    with pytest.raises(ModelFileError, match=r"\[point\] w1: expected a trained symbol, got the vector w1"):
        model_file_of_text(text, tmp_path / "m.toml")
    file = model_file_of_text(text.replace("w1 = 0\n", "").replace("    ", ""), tmp_path / "m.toml")
    v, (w1, w2) = Vector("v", n), vectors("w", n, count=2)
    assert (file.name, file.title, file.theory, file.until, file.replicas) == (
        "m",
        "Two vectors",
        Theory.STABILITY,
        3.0,
        7,
    )
    b, decay = symbols("b"), symbols("lambda", positive=True)
    assert file.statistics == {"m": dot(w1, v) / 2 + Rational(1, 4), "odd name": b}
    assert dict(file.at) == {n: 10, decay: Rational(1, 3), dot(v, v): 2.5}
    assert type(file.at[n]) is int
    start = dict(file.start)
    assert np.array_equal(start.pop(w2), [0.5, 1.0])
    assert start == {"m": 0.5, w1: Normal(0, 1 / n), dot(v, w1): Rational(1, 7), b: Empirical([1, 2])}
    assert dict(file.point) == {b: Rational(1, 2)}
    with pytest.raises(AttributeError):
        file.until = 3
    with pytest.raises(TypeError):
        file.at["n"] = 3


def test_names_that_python_keeps_for_itself_and_greek_letters_are_names(read):
    file = read("(lambda*w*x - η*y)**2", symbols='lambda = "real"\n"η" = "positive"')
    lam, greek = symbols("lambda"), symbols("η", positive=True)
    same_model(file, Model((lam * w * x - greek * y) ** 2, [w], {x: Normal(), y: Normal()}))


def test_a_long_expression_may_be_broken_into_lines(read):
    assert read("(w*x\n  - y\n)**2\n/2\n").model == read().model


def test_a_byte_order_mark_and_carriage_returns_mean_nothing(tmp_path):
    text = load_model("least_squares").path.read_text(encoding="utf-8")
    path = tmp_path / "windows.toml"
    path.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    assert load_model(path).model == load_model("least_squares").model


# ------------------------------------------------------------------------------------------------------------ CSV files


@pytest.fixture
def read_data(read, tmp_path):
    def read_file(content, entry, *, symbols="", key='"x, y"', loss="(w*x - y)**2/2"):
        (tmp_path / "data.csv").write_text(content, encoding="utf-8")
        return read(loss, symbols=symbols, data=f"{key} = {entry}").model.data[0][1]

    return read_file


def test_columns_of_a_csv_file_are_taken_by_name_by_number_or_in_order(read_data):
    expected = Empirical([1, 3], [2, 4])
    assert read_data("x,y\n1,2\n3,4\n", '{ file = "data.csv" }') == expected
    assert read_data("y,z,x\n2,9,1\n4,9,3\n", '{ file = "data.csv", columns = ["x", "y"] }') == expected
    assert read_data("2;9;1\n4;9;3\n", '{ file = "data.csv", columns = [2, 0] }') == expected
    assert read_data("# x\ty\n1\t2\n\n3\t4\n", '{ file = "data.csv" }') == expected
    assert read_data("x,y\n1,2.0\n3,4\n", '{ file = "data.csv" }') == Empirical([1, 3], [2.0, 4.0])


def test_the_columns_that_are_not_named_make_a_block(tmp_path):
    table = np.random.default_rng(0).normal(size=(5, 4))
    np.savetxt(tmp_path / "data.csv", table, delimiter=",", header="a,b,c,label", fmt="%.17g")
    text = """
    [symbols]
    y = "real"
    [vectors]
    w = 3
    x = 3
    [model]
    loss = "(dot(w, x) - y)**2/2"
    parameters = ["w"]
    [data]
    "x, y" = { file = "data.csv", columns = ["*", "label"] }
    [algorithm]
    learning_rate = 1
    """
    a, z = Vector("w", 3), Vector("x", 3)
    expected = Model((dot(a, z) - y) ** 2 / 2, [a], {(z, y): Empirical(table[:, :-1], table[:, -1])})
    same_model(model_file_of_text(text, tmp_path / "m.toml"), expected)
    named = text.replace('["*", "label"]', '[["a", "b", "c"], "label"]')
    same_model(model_file_of_text(named, tmp_path / "m.toml"), expected)


@pytest.mark.parametrize(
    ("content", "entry", "words"),
    [
        ("x,y\n1,2\n3\n", '{ file = "data.csv" }', "row 3: 1 cells, expected 2"),
        ("x,y\n1,two\n", '{ file = "data.csv" }', "row 2, column y: 'two' is no number"),
        ("x,y\n1,nan\n", '{ file = "data.csv" }', "holds nan at row 0"),
        ("x,y\n", '{ file = "data.csv" }', "no rows of numbers"),
        ("", '{ file = "data.csv" }', "no rows of numbers"),
        ("x,y\n1,2\n", '{ file = "data.csv", columns = ["x", "yy"] }', "no column 'yy'; did you mean y"),
        ("x,y\n1,2\n", '{ file = "data.csv", columns = ["x", "y", "*"] }', "no column is left for"),
        ("x,y\n1,2\n", '{ file = "data.csv", columns = [true] }', "the name of a column"),
        ("x,y\n1,2\n", '{ file = "dta.csv" }', "there is no file"),
        ("x,y\n1,2\n", '{ file = "../data.csv" }', "beside the model file"),
        ("x,y\n1,2\n", '{ file = "/etc/hostname" }', "beside the model file"),
        ("x,y\n1,2\n", '{ file = "." }', "there is no file"),
        ("x,y\n1,2\n", "{ file = 3 }", "the name of a CSV file"),
        ("x,y\n1,2\n", '{ fle = "data.csv" }', "'fle' is not a key of a data set; did you mean file?"),
        ("x,y\n1,2\n", '{ file = "data.csv", arrays = [[1], [2]] }', "or arrays = [...]"),
        ("x,y\n1,2\n", "{ arrays = 3 }", "one array for each name"),
        ("x,y\n1,2\n", '{ arrays = [[1], ["a"]] }', "'a' is no number"),
        ("x,y\n1,2\n", "{ arrays = [[1], [2, 3]] }", "1, 2 samples"),
        ("x,y\n1,2\n", "{ arrays = [[1]] }", "1 slots, but"),
    ],
)
def test_a_data_set_that_cannot_be_read_is_refused_by_name(read_data, content, entry, words):
    with pytest.raises(ModelFileError) as caught:
        read_data(content, entry)
    assert words in str(caught.value)
    assert caught.value.line is not None


def test_a_data_file_that_is_no_text_is_refused(read, tmp_path):
    (tmp_path / "data.csv").write_bytes(b"x,y\n1,\xff\n")
    with pytest.raises(ModelFileError, match="not UTF-8"):
        read(data='"x, y" = { file = "data.csv" }')


def test_a_density_of_ones_own_is_a_law_in_a_model_file(tmp_path):
    path = tmp_path / "triangular.toml"
    path.write_text(
        """
title = "Triangular inputs"
[symbols]
eta = "positive"
w = "real"
x = "real"
t = "real"
[model]
loss = "(w*x)**2 / 2"
parameters = ["w"]
[data]
x = "Density(t, 2*(1 - t), support=(0, 1))"
[algorithm]
learning_rate = "eta"
""",
        encoding="utf-8",
    )
    ((_, law),) = load_model(path).model.data
    assert law.moment(2) == Rational(1, 6)
    path.write_text(path.read_text().replace("2*(1 - t)", "3*(1 - t)"), encoding="utf-8")
    with pytest.raises(ModelFileError, match="3/2"):
        load_model(path)
