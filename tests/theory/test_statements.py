"""Every system of the design is stated in the one language, prints, pickles, and has one identity in every process."""

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import statements
import sympy
from statements import STATEMENTS, mlp_on_data, spiked_tensor, statement_hashes, vector_data_set, xor_mixture
from sympy import Rational

import theory
from theory import (
    Empirical,
    GaussianField,
    Model,
    Normal,
    Sampling,
    Vector,
    dot,
    gradient,
    symbols,
)
from theory.networks import (
    inputs,
    tanh,
)

ETA, C, ALPHA, B, TAU = symbols("eta c alpha b tau", positive=True)
N = symbols("n", positive=True)


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
    code = f"import runpy, json; print(json.dumps(runpy.run_path({statements.__file__!r})['statement_hashes']()))"
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
