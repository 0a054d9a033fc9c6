"""The documents: their cells fit together, their formulas come from the library, and run as scripts they hold."""

from __future__ import annotations

import ast
import subprocess
import sys
from html import unescape
from pathlib import Path
from types import SimpleNamespace

import pytest
import sympy

import derivations

pytest.importorskip("marimo", reason="marimo is not installed")

FOLDER = Path(derivations.__file__).parent
NAMES = ("effective_dynamics", "probabilistic_stability")


@pytest.mark.parametrize("name", NAMES)
def test_cells_form_a_graph_without_cycles_clashes_or_empty_cells(name):
    command = [sys.executable, "-m", "marimo", "check", "--strict", str(FOLDER / f"{name}.py")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", NAMES)
def test_no_displayed_formula_is_typed_in(name):
    tree = ast.parse((FOLDER / f"{name}.py").read_text(encoding="utf-8"))
    prose = [
        node.args[0].value
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "mo.md" and isinstance(node.args[0], ast.Constant)
    ]
    assert len(prose) > 10
    assert not [text for text in prose if "$$" in text or "\\begin" in text or "\\[" in text]


def test_importing_the_package_loads_no_marimo():
    code = "import sys, derivations; assert 'marimo' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_effective_dynamics_shows_the_limit_that_the_library_derives():
    from derivations.effective_dynamics import derive

    output, defined = derive.run()
    limit = defined["limit"]
    c, S, tau = (symbol for symbol in sorted(limit.free_symbols, key=lambda s: "cSt".index(str(s)[0])))
    m, q = limit.state
    assert sympy.expand(limit.rates[q] - (2 * (m - q) + c / S * (q - 2 * m + 1 + tau**2))) == 0
    assert limit.to_latex() in unescape(output.text)


def test_probabilistic_stability_finds_the_saddle_and_its_modes():
    from derivations.probabilistic_stability import derive

    output, defined = derive.run()
    saddle = defined["saddle"]
    assert set(saddle.point.values()) == {0}
    assert [block.name for block in saddle.blocks] == ["u - w", "u + w"]
    shown = unescape(unescape(output.text))
    assert all(step.title in shown for step in saddle.steps)


NAMED = ("agreement", "chained", "complete", "exact", "quoted", "rejected", "unit_agreement")


@pytest.mark.parametrize("broken", NAMED)
def test_the_verdict_of_effective_dynamics_falls_with_each_of_its_claims(broken):
    from derivations.effective_dynamics import verdict

    def found(name):
        agrees = (name not in ("quoted", "rejected")) != (name == broken)
        return SimpleNamespace(agrees=agrees, summary=lambda: f"about {name}", verdict="agree")

    with pytest.raises(AssertionError, match=f"about {broken}"):
        verdict.run(**{name: found(name) for name in NAMED})


def test_fates_that_contradict_the_sign_of_the_exponent_are_counted():
    import numpy as np
    import xarray as xr

    from derivations.probabilistic_stability import mismatches
    from theory import SGD, Discrete, Model, stability, symbols

    u, w, y = symbols("u w y")
    eta = symbols("eta", positive=True)
    net = Model((u * w - y) ** 2 / 2, [u, w], {y: Discrete({1: 0.5, -0.8: 0.5})})
    saddle = stability(net, SGD(eta), point={u: 0, w: 0})
    fraction = np.array([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]])  # at 0.24, too near the threshold 1/4; at 0.5; at 1.8
    found = xr.Dataset(
        {"fraction": (("point", "fate"), fraction)},
        {"fate": ["saddle", "blow-up"], "eta": ("point", [0.24, 0.5, 1.8])},
    )
    assert mismatches(saddle, found, {}) == (1, 2)


def test_only_scores_beyond_chance_are_named():
    from derivations.probabilistic_stability import contradicted

    agreeing = {f"score {k}": z for k, z in enumerate((-2.5, 0.3, 1.9, -0.7, 2.8))}
    assert contradicted(agreeing) == []
    assert contradicted({**agreeing, "far off": -6.0}) == ["far off"]


def test_without_scikit_learn_probabilistic_stability_reads_the_cars(monkeypatch):
    import numpy as np

    from derivations.probabilistic_stability import measurements, real

    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    _, read = measurements.run()
    assert read["source"] == "cars" and read["features"].shape == (50, 2)
    _, found = real.run(features=read["features"], eta=sympy.Symbol("eta", positive=True))
    assert np.isfinite(found["real_square"].value) and found["real_square"].value < found["low"] <= found["high"]
    assert found["proof"].check() and found["real_square_growth"] > 0
    assert found["real_fates"]["between"]["fraction"].sel(fate="saddle") > 0.9
    assert found["real_fates"]["beyond"]["fraction"].sel(fate="blow-up") > 0.9


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "said"),
    [("effective_dynamics", "Theory and simulation agree"), ("probabilistic_stability", "told the fate")],
)
def test_a_document_run_as_a_script_holds(name, said):
    command = [sys.executable, str(FOLDER / f"{name}.py")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    assert said in done.stdout
