"""A model file is loaded, checked, and refused with a message that names the file, the line and what to do."""

from __future__ import annotations

import pickle

import pytest

from derivations import model_files
from derivations.model_files import (
    ModelFileError,
    ModelFileRaised,
    ModelNotFound,
    Theory,
    find_model,
    load_model,
    outline,
    shipped_models,
)
from theory import HierarchyNotClosed, gradient, moments, scaling_limit
from theory.errors import ModelError, TheoryError

GOOD = '''"""A title
on two lines.

More text.
"""
from theory import SGD, Model, Normal, symbols
eta = symbols("eta", positive=True)
w, x = symbols("w x")
model = Model((w * x) ** 2 / 2, [w], {x: Normal()})
algorithm = SGD(eta)
'''


@pytest.fixture
def write(tmp_path):
    def write_file(text, name="mine.py"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write_file


def test_a_file_states_its_parts_and_leaves_the_rest_empty(write):
    file = load_model(write(GOOD))
    assert (file.name, file.title) == ("mine", "A title on two lines")
    assert [str(p) for p in file.model.parameters] == ["w"]
    assert (file.statistics, file.until, file.replicas, file.theory) == (None, None, None, None)
    assert dict(file.at) == dict(file.start) == {}


def test_optional_names_are_read(write):
    text = (
        GOOD
        + 'theory = "moments"\nat = {eta: 0.1}\nstart = {"w": 1}\nuntil = 5\nreplicas = 7\nstatistics = {"k": w**2}'
    )
    file = load_model(write(text))
    assert file.theory is Theory.MOMENTS
    assert file.until == 5.0
    assert file.replicas == 7
    assert {str(k): v for k, v in file.at.items()} == {"eta": 0.1}
    assert list(file.statistics) == ["k"]


def test_a_loaded_file_cannot_be_changed(write):
    file = load_model(write(GOOD + "at = {eta: 0.1}"))
    with pytest.raises(AttributeError):
        file.until = 3
    with pytest.raises(TypeError):
        file.at["eta"] = 3


def test_importing_the_package_theory_in_a_model_file_does_not_state_a_theory(write):
    assert load_model(write("import theory\n" + GOOD)).theory is None


@pytest.mark.parametrize(
    ("addition", "words"),
    [
        ("model = 3", ["model must be a theory.Model", "got 3 of type int"]),
        ("algorithm = 'sgd'", ["algorithm must be a theory.SGD", "'sgd'"]),
        ("until = -1", ["until must be a positive number", "-1"]),
        ("until = float('nan')", ["until must be a positive number", "nan"]),
        ("until = 'long'", ["until must be", "'long'"]),
        ("replicas = 0", ["replicas must be a whole number of at least 1"]),
        ("replicas = True", ["replicas must be", "True"]),
        ("theory = 'momentum'", ["theory must be one of 'scaling_limit', 'moments'", "'momentum'"]),
        ("theory = ['moments']", ["theory must be one of"]),
        ("at = [1, 2]", ["at must be a dictionary", "list"]),
        ("start = 1", ["start must be a dictionary"]),
        ("statistics = w", ["statistics must be a dictionary"]),
        ("del model", ["defines no model", "model and algorithm"]),
        ("algorythm = algorithm; del algorithm", ["defines no algorithm", "algorythm; did you mean that?"]),
    ],
)
def test_a_wrong_value_is_refused_by_name(write, addition, words):
    path = write(GOOD + addition)
    with pytest.raises(ModelFileError) as caught:
        load_model(path)
    assert all(word in str(caught.value) for word in [str(path), *words])
    assert caught.value.path == path
    assert isinstance(caught.value, (ModelError, ValueError))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x = 1\ny = 1 / 0\n", [":2: ZeroDivisionError"]),
        ("x = 1\n\nfor\n", [":3: SyntaxError"]),
        ("import no_such_module\n", [":1: ModuleNotFoundError", "no_such_module"]),
        ("raise SystemExit(3)\n", [":1: SystemExit"]),
        (GOOD + "Model(w * x, [w, w], {x: Normal()})", [":11: DuplicateName", "listed twice"]),
        ("def f():\n    return {}['key']\n\nf()\n", [":2: KeyError"]),
    ],
)
def test_a_file_that_raises_is_named_with_its_line(write, text, words):
    path = write(text)
    with pytest.raises(ModelFileRaised) as caught:
        load_model(path)
    assert all(word in str(caught.value) for word in [str(path), *words])
    assert caught.value.__cause__ is not None


def test_an_unknown_name_is_refused_with_the_nearest_and_the_list(tmp_path):
    with pytest.raises(ModelNotFound, match=r"did you mean least_squares\?") as caught:
        load_model("least_sqares")
    assert "phase_retrieval" in str(caught.value)
    with pytest.raises(ModelNotFound, match="is a folder"):
        load_model(tmp_path)


def test_a_suffix_that_no_reader_takes_is_refused(write):
    with pytest.raises(ModelFileError, match=r"ends in \.py, not in '\.txt'"):
        load_model(write("", "notes.txt"))


def test_errors_survive_pickling(write):
    for error in (ModelFileError(write(GOOD), "text"), ModelNotFound("text")):
        copy = pickle.loads(pickle.dumps(error))
        assert type(copy) is type(error)
        assert str(copy) == "text"
        assert isinstance(copy, TheoryError)


# ------------------------------------------------------------------------------------------------- shipped models

SHIPPED = shipped_models()


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_model_loads_and_its_outline_says_what_it_says(name):
    file = load_model(name)
    assert file.path == find_model(name)
    assert outline(file.path) == (file.title, None if file.theory is None else str(file.theory))
    assert 10 < len(file.title) < 120


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_model_does_what_it_is_shipped_for(name):
    file = load_model(name)
    if file.theory is Theory.SCALING_LIMIT:
        derived = scaling_limit(file.model, file.algorithm, statistics=file.statistics)
    elif file.theory is Theory.MOMENTS:
        derived = moments(file.model, file.algorithm, of=file.statistics)
    else:
        assert set(gradient(file.model).vectors) == set(file.model.vector_parameters)
        return
    at = {str(key) for key in file.at}
    assert {str(symbol) for symbol in derived.free_symbols} <= at
    assert file.until is not None
    assert file.start


def test_the_moments_of_the_two_layer_net_do_not_close():
    file = load_model("two_layer_net")
    with pytest.raises(HierarchyNotClosed):
        moments(file.model, file.algorithm)


def test_files_that_begin_with_an_underscore_are_not_models():
    assert (model_files.SHIPPED / "__init__.py").is_file()
    assert not any(name.startswith("_") for name in SHIPPED)
