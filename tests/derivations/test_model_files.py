"""A model file is loaded, checked, and refused with a message that names the file, the line and what to do."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import textwrap
from pathlib import Path

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
    starter,
    write_model,
)
from derivations.model_files.toml_files import model_file_of_text
from theory import HierarchyNotClosed, gradient, moments, scaling_limit, stability
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
    assert dict(file.at) == dict(file.start) == dict(file.point) == dict(file.over) == {}


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


def test_a_point_and_the_axes_of_a_phase_diagram_are_read(write):
    file = load_model(write(GOOD + 'theory = "stability"\npoint = {w: 0}\nover = {eta: (0.1, 2, 5)}'))
    assert file.theory is Theory.STABILITY
    assert {str(k): v for k, v in file.point.items()} == {"w": 0}
    assert {str(k): v for k, v in file.over.items()} == {"eta": (0.1, 2.0, 5)}


def test_a_name_of_the_program_s_own_is_no_point(write):
    assert dict(load_model(write(GOOD + "point = w + 1\nover = 3")).point) == {}


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
        ("theory = 'momentum'", ["theory must be one of 'scaling_limit', 'moments', 'stability'", "'momentum'"]),
        ("theory = 'stability'; point = 3", ["point must be a dictionary", "int"]),
        ("over = {eta: (2, 1, 5)}", ["over eta must be three numbers", "(2, 1, 5)"]),
        ("over = {eta: (1, 2, 1)}", ["over eta", "from 2 to 10000, got 1"]),
        ("over = {k: (1, 2, 5) for k in 'abc'}", ["over takes two axes at most, got 3: a, b, c"]),
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
    for impossible in ("x" * 5000, "a\0b"):
        with pytest.raises(ModelNotFound, match="neither a file nor a shipped model"):
            load_model(impossible)


def test_a_suffix_that_no_reader_takes_is_refused(write):
    with pytest.raises(ModelFileError, match=r"ends in \.toml or \.py, not in '\.txt'"):
        load_model(write("", "notes.txt"))


def test_errors_survive_pickling(write):
    for error in (ModelFileError(write(GOOD), "text", line=3, column=4), ModelNotFound("text")):
        copy = pickle.loads(pickle.dumps(error))
        assert vars(copy) == vars(error)
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
    elif file.theory is Theory.STABILITY:
        derived = stability(file.model, file.algorithm, point=file.point)
        assert {str(symbol) for symbol in file.over} <= {str(symbol) for symbol in file.at}
    else:
        few = len(file.model.parameters) < 100  # SymPy takes seconds over the gradient of a large network
        assert not few or set(gradient(file.model).vectors) == set(file.model.vector_parameters)
        return
    at = {str(key) for key in file.at}
    assert {str(symbol) for symbol in derived.free_symbols} <= at
    assert file.until is not None
    assert file.start


def test_a_dozen_models_are_shipped_and_every_one_is_data():
    assert len(SHIPPED) >= 12
    assert {path.suffix for path in SHIPPED.values()} == {".toml"}


def test_the_moments_of_the_two_layer_net_do_not_close():
    file = load_model("two_layer_net")
    with pytest.raises(HierarchyNotClosed):
        moments(file.model, file.algorithm)


def test_files_that_begin_with_an_underscore_are_not_models():
    assert (model_files.SHIPPED / "__init__.py").is_file()
    assert not any(name.startswith("_") for name in SHIPPED)


def test_listing_and_outlining_shipped_models_imports_nothing_heavy():
    code = """
import sys
from derivations.model_files import outline, shipped_models, starter
assert all(title for title, _ in map(outline, shipped_models().values())) and starter("mine")
assert not {"sympy", "numpy"} & set(sys.modules)
"""
    environment = {**os.environ, "PYTHONPATH": str(Path(model_files.__file__).parents[2])}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)


# ------------------------------------------------------------------------------------------- the starter, the example


@pytest.mark.parametrize("name", ["mine", 'a "quoted"\nname \\', "τ"])
def test_the_starter_loads_and_derives_as_it_stands(name, tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(starter(name), encoding="utf-8")
    file = load_model(path)
    assert file.title.startswith(" ".join(name.split()))
    limit = scaling_limit(file.model, file.algorithm, statistics=file.statistics)
    assert {str(symbol) for symbol in limit.free_symbols} <= {str(symbol) for symbol in file.at}
    assert file.model == load_model("least_squares").model
    assert (file.until, file.replicas) == (4.0, 32)


def test_the_example_of_the_documentation_is_a_model_file(tmp_path):
    text = model_files.__doc__.partition("\n\n")[2].partition("\n\nExpressions have")[0]
    file = model_file_of_text(textwrap.dedent(text), tmp_path / "example.toml")
    assert [str(parameter) for parameter in file.model.parameters] == ["w1", "w2", "a1", "a2"]
    assert {str(key): value for key, value in file.over.items()} == {"eta": (0.01, 1.5, 60)}
    assert write_model(file)
