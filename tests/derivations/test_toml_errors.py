"""What is wrong in a TOML model file is named with its line, its column and the nearest known name; nothing is ever run."""

from __future__ import annotations

import errno
import os
import time

import pytest

from derivations.model_files import ModelFileError, load_model, outline
from derivations.model_files.toml_files import model_file_of_text
from theory.errors import InvalidAlgorithm, InvalidLaw, ModelError

GOOD = """\
title = "One weight"
theory = "moments"

[symbols]
eta = "positive"
p = "positive"
w = "real"
x = "real"
y = "real"

[vectors]
v = "7"

[model]
loss = "(w*x - y)**2/2"
parameters = ["w"]

[data]
x = "Normal()"
y = "Normal()"

[algorithm]
learning_rate = "eta"

[statistics]
k = "w**2"

[at]
eta = 0.1

[start]
w = 1

[run]
until = 10
"""


NETWORK = '[vectors]\nv = "7"'
CIRCLE = '[definitions]\na = "b + w"\nb = "c**2"\nc = "exp(a)"\n[run]'


def refused(text, tmp_path):
    with pytest.raises(ModelFileError) as caught:
        model_file_of_text(text, tmp_path / "m.toml")
    error = caught.value
    assert str(error).startswith(str(tmp_path / "m.toml"))
    assert error.path == tmp_path / "m.toml"
    return error


def test_the_file_that_the_errors_are_made_from_is_good(tmp_path):
    assert model_file_of_text(GOOD, tmp_path / "m.toml").until == 10


@pytest.mark.parametrize(
    ("old", "new", "place", "words"),
    [
        # keys and tables
        ("title =", "titel =", (1, 1), "'titel' is not a key of a model file; did you mean title?"),
        ("[statistics]", "[statisics]", (25, 2), "'statisics' is not a key of a model file; did you mean statistics?"),
        ("learning_rate", "learnig_rate", (23, 1), "'learnig_rate' is not a key of [algorithm]; did you mean learning_rate?"),
        ("until = 10", "untill = 10", (35, 1), "'untill' is not a key of [run]; did you mean until?"),
        ('theory = "moments"', "until = 10", (2, 1), "'until' is not a key of a model file; it belongs in [run]"),
        ("until = 10", "title = 'a'", (35, 1), "it belongs in the lines before the first table"),
        ("until = 10", "loss = 3", (35, 1), "'loss' is not a key of [run]; it belongs in [model]"),
        ("[run]", "[model.data]", (34, 2), "'data' is not a key of [model]; it belongs in a table [data] of its own"),
        ("[model]", "[model.x]", (14, 2), "'x' is not a key of [model]; there are loss, parameters"),
        ("[algorithm]\nlearning_rate", "[algorithm]\nbatch_size", (22, 2), "states learning_rate in [algorithm]"),
        ("[run]\nuntil = 10", "[[run]]\nuntil = 10", (34, 1), "expected a table; write [run]"),
        ("[symbols]", "symbols = 3\n[inputs]", (4, 11), "expected a table; write [symbols]"),
        # headings
        ('"One weight"', "3", (1, 9), "title: expected a text, got 3"),
        ('"moments"', '"momentum"', (2, 10), "'scaling_limit', 'moments', 'stability', got 'momentum' of type str; did you mean moments?"),
        ('"moments"', "1979-05-27", (2, 10), "theory must be one of"),
        # declarations
        ('w = "real"', 'w = "reel"', (7, 5), "'reel' is nothing that is said of a symbol; did you mean real?"),
        ('w = "real"', 'w = "complex"', (7, 5), "say real, positive"),
        ('w = "real"', 'w = "positive negative"', (7, 5), "no number is positive and negative"),
        ('w = "real"', "w = 3", (7, 5), "expected what is known of the symbol"),
        ('w = "real"', "w = { count = 0 }", (7, 15), "a whole number from 1 to 1000, got 0"),
        ('w = "real"', "w = { count = 1000000000 }", (7, 15), "a whole number from 1 to 1000"),
        ('w = "real"', "w = { cuont = 3 }", (7, 7), "'cuont' is not a key of this table; did you mean count?"),
        ('w = "real"', 'w = { assumptions = "real" }', (7, 5), "needs count"),
        ('w = "real"', '"w 1" = "real"', (7, 1), "'w 1' is no name"),
        ('w = "real"', 'pi = "real"', (7, 1), "'pi' is the number 3.14159"),
        ('w = "real"', 'for = "real"', (7, 1), "'for' has a meaning of its own"),
        ('w = "real"', '"\ufb01" = "real"', (7, 1), "write fi"),
        ('v = "7"', 'w = "7"', (12, 1), "the name 'w' is taken by [symbols] w in line 7"),
        ('v = "7"', "v = 10000000000", (12, 5), "a dimension of more than 10000000; leave it a symbol"),
        ('v = "7"', "v = -1", (12, 5), "must be a positive integer or a symbol"),
        ('v = "7"', 'v = "7"\nu = "dot(v, v)"', (13, 5), "a dimension is a symbol or a whole number, got the scalar dot(v, v)"),
        ('v = "7"', 'v = "m"', (12, 6), "'m' is not declared"),
        ('v = "7"', 'v = { dimension = "7", count = 10000 }', (12, 32), "from 1 to 1000"),
        ('v = "7"', "v = { count = 3 }", (12, 5), "needs its dimension"),
        ("[vectors]\nv = ", "[matrices]\nM = ", (12, 5), "expected the numbers of rows and columns"),
        ('[vectors]\nv = "7"', "[matrices]\nM = [200, 200]", (12, 5), "more than 4000 entries"),
        ('[vectors]\nv = "7"', "[matrices]\nM = [1000000000, 1000000000]", (12, 5), "more than 4000 entries"),
        ('[vectors]\nv = "7"', "[inputs]\nM = 10000", (12, 5), "from 1 to 1000"),
        ('[vectors]\nv = "7"', "[fields]\nM = -1", (12, 5), "must be a positive integer or a symbol"),
        ('[vectors]\nv = "7"', '[fields]\nM = { covariance = "rr" }', (12, 21), "'rr' is not declared; did you mean r?"),
        ('[vectors]\nv = "7"', '[fields]\nM = { covariance = "r", order = 2 }', (12, 5), "order = k, or covariance"),
        (NETWORK, "[networks]\nM = 3", (12, 5), "expected a table, as in { kind"),
        (NETWORK, '[networks]\nM = { kind = "CNN" }', (12, 14), "kind must be one of Attention, Linear, MLP, got 'CNN'"),
        (NETWORK, '[networks]\nM = { kind = "MLP", widths = [1, 2] }', (12, 5), "needs activation"),
        (NETWORK, '[networks]\nM = { kind = "MLP", width = [1, 2] }', (12, 21), "MLP has no width; did you mean widths?"),
        (NETWORK, '[networks]\nM = { kind = "MLP", widths = [1, 2], activation = "tnh" }', (12, 52), "'tnh' is not declared"),
        (NETWORK, '[networks]\nM = { kind = "MLP", widths = [1, 2], activation = "tanh(w)" }', (12, 57), "'w' is not declared"),
        (NETWORK, '[networks]\nM = { kind = "MLP", widths = [1000000, 9], activation = "tanh" }', (12, 30), "from 1 to 10000"),
        (NETWORK, '[networks]\nM = { kind = "MLP", widths = [900, 900], activation = "tanh" }', (12, 5), "a network of 810900 weights"),
        (NETWORK, '[networks]\nM = { kind = "Linear", inputs = 2, outputs = true }', (12, 46), "a whole number"),
        # the model
        ('"(w*x - y)**2/2"', '"(w*x - z)**2/2"', (15, 16), "'z' is not declared"),
        ('"(w*x - y)**2/2"', '"v"', (15, 8), "the loss of one sample is a scalar, got the vector v"),
        ('"(w*x - y)**2/2"', '"x**2"', (16, 14), "parameter w does not occur in the loss"),
        ('"(w*x - y)**2/2"', "nan", (15, 8), "nan is no finite number"),
        ('"(w*x - y)**2/2"', "inf", (15, 8), "inf is no finite number"),
        ('"(w*x - y)**2/2"', "true", (15, 8), "got true or false"),
        ('"(w*x - y)**2/2"', "07:32:00", (15, 8), "got a time"),
        ('"(w*x - y)**2/2"', "[1]", (15, 8), "got a list"),
        ('["w"]', '"w"', (16, 14), 'expected a list of what is trained, as in ["w", "a"]'),
        ('["w"]', "[]", (16, 14), "expected a list of what is trained"),
        ('["w"]', '["w", "w"]', (16, 14), "'w' is listed twice"),
        ('["w"]', '["w", "ww"]', (16, 21), "'ww' is not declared; did you mean w?"),
        ('["w"]', '["w**2"]', (16, 15), "expected the name of a symbol, a vector, a matrix or a network"),
        ('["w"]', "[3]", (16, 14), "expected the name of a symbol"),
        ('["w"]', '["x"]', (16, 14), "listed both as a parameter and as data"),
        # data
        ('x = "Normal()"', 'z = "Normal()"', (19, 1), "'z' is not declared"),
        ('x = "Normal()"', '"x, z" = "Normal()"', (19, 1), "'z' is not declared"),
        ('x = "Normal()"', '"x, x" = "Normal(covariance=[[1, 0], [0, 1]])"', (19, 10), "'x' is listed twice"),
        ('x = "Normal()"', 'x = "Norml()"', (19, 6), "there is no function 'Norml'; did you mean Normal?"),
        ('x = "Normal()"', 'x = "Laplace(1)"', (19, 6), "no function 'Laplace'; there are Cauchy, Density, "),
        ("(w*x - y)**2/2", "tahn(w*x - y)**2/2", (15, 9), "there is no function 'tahn'; did you mean tanh?"),
        ("(w*x - y)**2/2", "cbrtzz(w*x - y)**2/2", (15, 9), "no function 'cbrtzz'; there are Abs, "),
        ("w = 1", "sigma = 1", (32, 1), "or [definitions]; a statistic has its name in [statistics]"),
        ('x = "Normal()"', 'x = "Normal(varience=2)"', (19, 13), "Normal takes no varience=; did you mean variance?"),
        ('x = "Normal()"', 'x = "Normal(1, 2, 3, 4)"', (19, 6), "it takes mean=..., variance=..., covariance=..."),
        ('x = "Normal()"', 'x = "Normal"', (19, 6), "Normal is a function; write Normal(...)"),
        ('x = "Normal()"', 'x = "Normal(0, -1)"', (19, 6), "variance must not be negative, got -1"),
        ('x = "Normal()"', 'x = "Normal(v)"', (19, 6), "mean must be a number"),
        ('x = "Normal()"', 'x = "Normal(x > 0)"', (19, 6), "expected numbers, scalars or vectors, got the condition x > 0"),
        ('x = "Normal()"', 'x = "Normal(w)"', (19, 5), "depends on w, which is itself trained or random"),
        ('x = "Normal()"', 'x = "p"', (19, 5), "expected a law, such as Normal()"),
        ('x = "Normal()"', "x = 3", (19, 5), "expected a law, such as Normal()"),
        ('x = "Normal()"', 'x = "Discrete({1: 1/2, 1: 1/2})"', (19, 24), "listed twice; pairs [(value, probability), ...]"),
        ('x = "Normal()"', 'x = "Discrete({1: p, 2: p})"', (19, 6), "the probabilities must sum to 1, they sum to 2*p"),
        ('x = "Normal()"', 'x = "Discrete([1, 2])"', (19, 6), "Discrete takes {value: probability, ...}"),
        ('x = "Normal()"', 'x = "Mixture([(1, 1)])"', (19, 6), "must be a pair (law of one number, weight)"),
        ('x = "Normal()"', 'x = "Empirical([p])"', (19, 6), "a data set holds numbers, got the scalar p"),
        ('x = "Normal()"', 'v = "v"', (19, 5), "expected a law"),
        # fixed, algorithm
        ("[statistics]", "[fixed]\nw = 1\n[statistics]", (26, 5), "holds w, which is trained"),
        ("[statistics]", '[fixed]\n"dot(v, v)" = -1\n[statistics]', (26, 15), "a squared norm cannot be negative"),
        ("[statistics]", '[fixed]\n"dot(v, u)" = 1\n[statistics]', (26, 1), "'u' is not declared"),
        ("[statistics]", '[fixed]\n"dot(v, v)" = "v"\n[statistics]', (26, 15), "an inner product and its value"),
        ('"eta"', '"eta - eta"', (23, 17), "learning_rate must be positive"),
        ('"eta"', "-1", (23, 17), "learning_rate must be positive"),
        ('"eta"', '"v"', (23, 17), "learning_rate must be a number or a real symbol"),
        ('"eta"', '"eta"\nmomentum = 0.9', (24, 12), "expected HeavyBall(beta), Nesterov(beta)"),
        ('"eta"', '"eta"\nmomentum = "HeavyBall(2)"', (24, 13), "beta must be below 1"),
        ('"eta"', '"eta"\nmomentum = "HeavyBal(2)"', (24, 13), "did you mean HeavyBall?"),
        ('"eta"', '"eta"\nsampling = "without_replacment"', (24, 13), "did you mean without_replacement?"),
        ('"eta"', '"eta"\nbatch_size = 2.5', (24, 14), "batch_size must be a whole number"),
        # what is measured
        ('k = "w**2"', 'k = "v"', (26, 5), "a statistic is a scalar, such as dot(w, w), got the vector v"),
        ('k = "w**2"', 'k = "q**2"', (26, 6), "'q' is not declared"),
        ('k = "w**2"', '"" = "w"', (26, 1), "a statistic needs a name"),
        ("eta = 0.1", "eat = 0.1", (29, 1), "'eat' is not declared; did you mean eta?"),
        ("eta = 0.1", 'eta = "p"', (29, 7), "expected a number, got the scalar p"),
        ("eta = 0.1", "eta = nan", (29, 7), "nan is no finite number"),
        ("eta = 0.1", "eta = [1, 2]", (29, 7), "got a list"),
        ("eta = 0.1", "v = 3", (29, 1), "expected a symbol or an inner product, got the vector v"),
        ("w = 1", "kk = 1", (32, 1), "'kk' is not declared; did you mean k?"),
        ("w = 1", 'w = "w"', (32, 5), "expected a number, got the scalar w"),
        ("w = 1", "w = [1, [2]]", (32, 5), "expected numbers, or rows of equally many numbers"),
        ("w = 1", "w = [nan]", (32, 5), "expected finite numbers"),
        ("w = 1", 'w = ["a"]', (32, 5), "expected numbers"),
        ("w = 1", '"w**2" = 1', (32, 1), "expected a statistic, a parameter, a vector or an inner product, got the scalar w**2"),
        ("until = 10", "until = -1", (35, 9), "until must be a positive number, in units of the clock, got -1"),
        ("until = 10", "until = inf", (35, 9), "until must be a positive number"),
        ("until = 10", "replicas = 1.5", (35, 12), "replicas must be a whole number of at least 1, got 1.5"),
        ("[run]", "[point]\nv = 0\n[run]", (35, 1), "expected a trained symbol, got the vector v"),
        ("[run]", '[point]\nw = "v"\n[run]', (35, 5), "a coordinate of the point is a scalar"),
        ("[run]", "[over]\neta = [2, 1, 5]\n[run]", (35, 7), "three numbers, first < last and how many, as in 0.1, 2, 50; got [2, 1, 5]"),
        ("[run]", "[over]\neta = [1, 2]\n[run]", (35, 7), "three numbers"),
        ("[run]", "[over]\neta = [1, 2, 10000000000]\n[run]", (35, 7), "from 2 to 10000, got 10000000000"),
        ("[run]", "[over]\neta = [1, 2, 3]\np = [0, 1, 2]\nx = [0, 1, 2]\n[run]", (34, 1), "takes two axes at most, got 3: eta, p, x"),
        # definitions
        ("[run]", CIRCLE, (37, 5), "the definitions go in a circle: a -> b -> c -> a"),
        ("[run]", '[definitions]\na = "a"\n[run]', (35, 5), "the definitions go in a circle: a -> a"),
        ("[run]", '[definitions]\nw = "p"\n[run]', (35, 1), "the name 'w' is taken by [symbols] w in line 7"),
        ("[run]", '[definitions]\na = "x > 0"\n[run]', (35, 5), "a definition is a scalar, a vector, a tuple or a matrix"),
        # TOML itself
        ("eta = 0.1", "eta = ", (29, 7), "this is no TOML: Invalid value"),
        ("eta = 0.1", "eta = 0.1\neta = 0.2", (30, 10), "this is no TOML: Cannot overwrite a value"),
        ("[run]", "[at]", (34, 4), "this is no TOML: Cannot declare ('at',) twice"),
        ("[run]", "[run", (34, 5), "this is no TOML: Expected ']'"),
        ("eta = 0.1", "eta = 0.1.2", (29, 10), "this is no TOML"),
        ('y = "Normal()"', 'y = "Normal()', (20, 14), "this is no TOML: Illegal character '\\n'"),
        ("until = 10", 'until = """a', (35, 12), "this is no TOML: Unterminated string (the text ends here)"),
        ("until = 10", "until = " + "[" * 5000 + "]" * 5000, (35, 26), "nested more than 16 deep"),
        ("until = 10", "until = " + "{a=" * 5000 + "1" + "}" * 5000, (35, 60), "nested more than 16 deep"),
        ("until = 10", ".".join("a" * 5000) + " = 1", (35, 1), "a key of more than 8 parts"),
        ("until = 10", "a" * 5000 + " = 1", (35, 1), "a key of 5000 letters"),
        ("until = 10", "until = " + "1" * 5000, (35, 9), "a number or word of 5000 letters"),
    ],
)  # fmt: skip
def test_a_wrong_line_is_named_with_its_place_and_what_to_do(tmp_path, old, new, place, words):
    assert old in GOOD
    error = refused(GOOD.replace(old, new, 1), tmp_path)
    assert words in str(error)
    assert (error.line, error.column) == place
    assert f"m.toml:{place[0]}:{place[1]}: " in str(error).split("\n")[0]
    assert str(error).split("\n")[2].strip(" |").startswith("^")


def test_an_error_of_the_language_is_the_cause_of_the_error_of_the_file(tmp_path):
    for old, new, kind in (
        ('x = "Normal()"', 'x = "Normal(0, -1)"', InvalidLaw),
        ('"eta"', "-1", InvalidAlgorithm),
        ('["w"]', '["w", "w"]', ModelError),
    ):
        assert isinstance(refused(GOOD.replace(old, new), tmp_path).__cause__, kind)


def test_a_file_without_data_or_with_nothing_at_all_says_what_a_model_file_states(tmp_path):
    without = GOOD.replace('[data]\nx = "Normal()"\ny = "Normal()"\n', "")
    assert "states the law of each random symbol in [data]" in str(refused(without, tmp_path))
    for text in ("", "\n\n", "# nothing\n", "title = 'a'\n"):
        assert "a model file states loss in [model]; there is none" in str(refused(text, tmp_path))


def test_a_long_line_is_cut_around_its_mistake(tmp_path):
    text = GOOD.replace('"(w*x - y)**2/2"', '"' + "w*x + " * 100 + "qq" + " + w*x" * 100 + '"')
    _, shown, mark = str(refused(text, tmp_path)).split("\n")
    assert len(shown) < 90
    assert shown[mark.index("^") : mark.rindex("^") + 1] == "qq"


def test_a_message_that_would_quote_without_end_is_cut(tmp_path):
    text = GOOD.replace("[model]", f"[networks]\nf = {{ kind = '{'9' * 5000}' }}\n[model]")
    message = str(refused(text, tmp_path)).split("\n")[0]
    assert message.startswith(
        f"{tmp_path / 'm.toml'}:15:14: [networks] f.kind: kind must be one of Attention, Linear, MLP, got '99"
    )
    assert len(message) < 1000 + 100 + len(str(tmp_path))


def test_a_circle_through_a_thousand_definitions_is_named_without_listing_all(tmp_path):
    rows = "\n".join(f'd{i} = "d{(i + 1) % 1000} + w"' for i in range(1000))
    error = refused(GOOD + "[definitions]\n" + rows, tmp_path)
    assert "the definitions go in a circle: d0 -> d1 -> d2 -> d3 -> d4 -> d5 -> ... -> d996" in str(error)


def test_definitions_that_double_in_size_are_refused_at_once(tmp_path):
    rows = "\n".join(f'd{i + 1} = "exp(d{i}) + d{i}"' for i in range(60))
    begin = time.process_time()
    error = refused(GOOD + '[definitions]\nd0 = "w*x"\n' + rows, tmp_path)
    assert "an expression of more than 20000 nodes, written out" in str(error)
    assert time.process_time() - begin < 5


def test_a_deep_chain_of_definitions_is_refused_at_once(tmp_path):
    rows = "\n".join(f'd{i + 1} = "sin(d{i})"' for i in range(900))
    error = refused(GOOD + '[definitions]\nd0 = "w*x"\n' + rows, tmp_path)
    assert "nested more than 100 levels deep, written out" in str(error)


def test_inner_products_of_long_combinations_are_refused_at_once(tmp_path):
    text = GOOD.replace('v = "7"', 'v = { dimension = "7", count = 1000 }').replace(
        '"(w*x', '"(dot(sum(v), sum(v)) + w*x'
    )
    assert "operations; state a smaller model" in str(refused(text, tmp_path))


@pytest.mark.parametrize(
    ("kind", "widths"), [("swish", [10, 400, 1]), ("swish", [1] * 16), ("x**3 + x", [50, 50, 50, 1])]
)
def test_a_network_that_would_take_minutes_is_refused_at_once(tmp_path, kind, widths):
    text = GOOD.replace(
        "[model]",
        f'[inputs]\ni = {widths[0]}\n[networks]\nf = {{ kind = "MLP", widths = {widths}, activation = "{kind}" }}\n[model]',
    )
    begin = time.process_time()
    assert "nodes, written out; at most 3500" in str(refused(text.replace('"(w*x', '"(f(i)[0]*w*x'), tmp_path))
    assert time.process_time() - begin < 5


def test_attention_over_many_tokens_is_refused_at_once(tmp_path):
    head = '[networks]\nf = { kind = "Attention", dimension = 9, key_dimension = 9, outputs = 9 }\n[model]'
    text = GOOD.replace("[model]", "[inputs]\ni = 9\n" + head).replace('"(w*x', '"(f([i, i, i, i, i])[0][0]*w*x')
    assert "nodes, written out; at most 3500" in str(refused(text, tmp_path))


# ------------------------------------------------------------------------------------------------------------- files


def test_a_file_of_ten_megabytes_is_refused_unread(tmp_path):
    path = tmp_path / "large.toml"
    path.write_text(GOOD + "# " + "x" * 10_000_000)
    with pytest.raises(ModelFileError, match=r"has 10\.0 MB, at most 2 MB are read; put data into a CSV file"):
        load_model(path)


@pytest.mark.parametrize("content", [b"title = '\xff'", b"\xff\xfe[\x00m\x00", "title = 'ü'".encode("latin-1")])
def test_a_file_that_is_not_utf8_is_refused_with_its_line(tmp_path, content):
    path = tmp_path / "latin.toml"
    path.write_bytes(b"\n\n" + content)
    with pytest.raises(ModelFileError, match=r"latin\.toml:3: the file is not UTF-8 text") as caught:
        load_model(path)
    assert caught.value.line == 3


def test_null_characters_are_no_toml(tmp_path):
    path = tmp_path / "null.toml"
    path.write_bytes(b"\x00" * 100)
    with pytest.raises(ModelFileError, match="this is no TOML"):
        load_model(path)


def test_a_file_without_permission_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "mine.toml"
    path.write_text(GOOD)

    def denied(_):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(type(path), "read_bytes", denied)  # a mode of 0 does not stop an administrator
    with pytest.raises(ModelFileError, match="cannot be read: Permission denied"):
        load_model(path)


def test_a_file_that_vanishes_or_is_a_folder_is_refused(tmp_path):
    from derivations.model_files.document import read_document

    with pytest.raises(ModelFileError, match="cannot be read: No such file"):
        read_document(tmp_path / "gone.toml")
    with pytest.raises(ModelFileError, match="cannot be read: Is a directory"):
        read_document(tmp_path)


def test_an_outline_of_a_broken_file_is_refused_by_name(tmp_path):
    for name, text, words in (
        ("a.toml", "title = ", "this is no TOML"),
        ("a.py", "def", "SyntaxError"),
        ("b.toml", "theory = 'x'", "theory must be"),
    ):
        path = tmp_path / name
        path.write_text(text)
        with pytest.raises(ModelFileError, match=words):
            outline(path)
