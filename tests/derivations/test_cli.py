"""The command line: exit codes, readable errors, JSON and nothing else, and a light `--help`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest
from typer.testing import CliRunner

import derivations
from derivations import claims, cli, moves
from derivations.claims.claim import Body, Claim, ClaimNotRun, Evidence, exact
from derivations.cli import app, parse_values
from derivations.model_files import load_model, shipped_models
from theory import __version__
from theory.errors import InvalidRequest

ROOT = Path(derivations.__file__).parents[1]

SCALAR = '''"""One weight."""
from theory import SGD, Model, Normal, symbols
eta = symbols("eta", positive=True)
w, x, e = symbols("w x e")
model = Model((w * x - e) ** 2 / 2, [w], {x: Normal(), e: Normal()})
algorithm = SGD(eta)
theory = "moments"
at = {eta: 0.1}
start = {w: 1.0}
until = 10
replicas = 200
'''


@pytest.fixture
def invoke():
    def run(*arguments, columns=100):
        return CliRunner().invoke(app, [str(a) for a in arguments], env={"COLUMNS": str(columns)})

    return run


@pytest.fixture
def write(tmp_path):
    def write_file(text, name="mine.py"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write_file


def outside(*arguments, cwd, **environment):
    """The command line in a process of its own, in another folder."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        encoding="utf-8",
    )


def data(result):
    """The JSON on stdout, which must hold nothing else, and no number that JSON does not have."""
    assert result.stderr == ""
    return json.loads(result.stdout, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


def assert_refused(result, *words, code=2):
    assert result.exit_code == code
    assert result.stdout == ""
    assert result.stderr.startswith("sgd-theory: ")
    assert "Traceback" not in result.stderr
    assert all(word in result.stderr for word in words), result.stderr


# ----------------------------------------------------------------------------------------------------------- light


@pytest.mark.parametrize(
    "arguments", [["--help"], ["derive", "--help"], ["bench", "--help"], ["--version"], ["models"], ["cache"]]
)
def test_help_imports_no_heavy_package(tmp_path, arguments):
    code = f"""
import sys
sys.argv = ["sgd-theory", *{arguments!r}]
from derivations.cli import main
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
heavy = {{"sympy", "numba", "numpy", "scipy", "xarray", "matplotlib"}} & set(sys.modules)
assert not heavy, heavy
"""
    run = outside("-c", code, cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip()


def test_version_is_that_of_the_package(invoke):
    result = invoke("--version")
    assert result.exit_code == 0
    assert result.stdout == f"sgd-theory {__version__}\n"


def test_models_lists_every_shipped_model(invoke):
    lines = invoke("models").stdout.splitlines()
    assert [line.split()[0] for line in lines] == list(shipped_models())
    rows = data(invoke("models", "--json"))["models"]
    assert [row["name"] for row in rows] == list(shipped_models())
    assert {row["theory"] for row in rows} == {"scaling_limit", "moments", None}


def test_a_wrong_option_is_a_usage_error(invoke):
    assert invoke("derive", "least_squares", "--theory", "astrology").exit_code == 2
    assert invoke("no-such-command").exit_code == 2
    assert invoke("derive").exit_code == 2


# ---------------------------------------------------------------------------------------------------------- derive


def test_derive_prints_the_equations_and_what_they_rest_on(invoke):
    result = invoke("derive", "least_squares")
    assert result.exit_code == 0
    for text in (
        "dm/dt = 1 - m",
        "dq/dt = -2*c*m + c*q + c*tau**2 + c + 2*m - 2*q",
        "clock: learning rate x steps",
        "symbols     c, tau",
        "[checked]",
        "arXiv:2206.04030",
    ):
        assert text in result.stdout


def test_derive_shows_the_derivation_on_request(invoke):
    assert "1. Differentiate the loss" not in invoke("derive", "least_squares").stdout
    assert "1. Differentiate the loss" in invoke("derive", "least_squares", "--steps").stdout


def test_derive_puts_exact_numbers_into_the_equations(invoke):
    result = invoke("derive", "least_squares", "--at", "c=0.5,n=1000")
    assert "dq/dt = m - 3*q/2 + tau**2/2 + 1/2" in result.stdout
    assert "symbols     tau\n" in result.stdout
    result = invoke("derive", "scalar_regression", "--at", "eta=1/10")
    assert "E[w]' = 9*E[w]/10" in result.stdout


def test_derive_refuses_a_number_for_a_symbol_that_is_not_there(invoke):
    assert_refused(invoke("derive", "least_squares", "--at", "tao=1"), "no symbol tao", "did you mean tau?")


def test_derive_as_json_is_the_same_derivation(invoke):
    found = data(invoke("derive", "least_squares", "--json", "--at", "c=1/2"))
    assert found["model"] == "least_squares"
    assert found["theory"] == "scaling_limit"
    assert found["type"] == "ScalingLimit"
    assert [row["left"] for row in found["equations"]] == ["dm/dt", "dq/dt"]
    assert found["equations"][0]["latex"] == r"\frac{d}{dt} m = 1 - m"
    assert found["at"] == {"c": "1/2"}
    assert found["symbols"] == ["tau"]
    assert {row["status"] for row in found["assumptions"]} == {"checked", "stated by the user"}
    assert len(found["steps"]) > 3


def test_derive_writes_latex(invoke, tmp_path):
    target = tmp_path / "out.tex"
    assert invoke("derive", "scalar_regression", "--latex", target).exit_code == 0
    assert target.read_text().startswith(r"\begin{aligned}")
    assert r"\mathbb{E}" in target.read_text()
    assert_refused(
        invoke("derive", "scalar_regression", "--latex", tmp_path / "no" / "out.tex"), "No such file", "out.tex"
    )


def test_without_a_theory_derive_shows_the_gradient(invoke, tmp_path):
    result = invoke("derive", "two_layer_net", "--latex", tmp_path / "out.tex")
    assert result.exit_code == 0
    assert "d/du = w*x*(-s*x + u*w*x)" in result.stdout
    assert r"\partial_{u} \ell" in (tmp_path / "out.tex").read_text()
    found = data(invoke("derive", "xor_network", "--json"))
    assert found["theory"] is None
    assert set(found["gradient"]["vectors"]) == {"w1", "w2", "w3", "w4"}
    assert invoke("derive", "xor_network", "--latex", tmp_path / "xor.tex").exit_code == 0
    assert r"\nabla_{\mathbf{w_{1}}} \ell" in (tmp_path / "xor.tex").read_text()
    assert_refused(invoke("derive", "two_layer_net", "--at", "p=0.1"), "names no theory", "--theory")


def test_a_theory_that_does_not_cover_the_model_says_why(invoke):
    assert_refused(invoke("derive", "two_layer_net", "--theory", "moments"), "u**2*w**2", "gradient is not linear")
    assert_refused(
        invoke("derive", "two_layer_net", "--theory", "scaling_limit"), "scaling_limit needs trained vectors"
    )


def test_the_theory_of_the_command_wins_over_that_of_the_file(invoke):
    assert data(invoke("derive", "least_squares", "--theory", "moments", "--json"))["type"] == "MomentRecurrence"


# ----------------------------------------------------------------------------------------------------- model files


def test_an_unknown_model_is_refused_with_the_nearest(invoke):
    assert_refused(invoke("derive", "least_sqares"), "did you mean least_squares?", "phase_retrieval")
    assert_refused(invoke("simulate", "no/such/file.py"), "neither a file nor a shipped model")


def test_a_model_file_that_raises_is_named_with_its_line(invoke, write):
    path = write("x = 1\ny = nowhere\n")
    assert_refused(invoke("derive", path), f"{path}:2: NameError: name 'nowhere' is not defined")
    shown = invoke("derive", path, "--debug")
    assert shown.exit_code == 2
    assert "Traceback" in shown.stderr


# -------------------------------------------------------------------------------------------------------- simulate


def test_simulate_compares_with_the_theory_of_the_file(invoke, write):
    result = invoke("simulate", write(SCALAR))
    assert result.exit_code == 0, result.output
    assert "agree: 0 of" in result.stdout
    assert "200 runs of SGD(learning_rate=eta) at eta=0.1, seed 0" in result.stdout
    assert "predicted" in result.stdout


def test_simulate_as_json_holds_every_time(invoke, write):
    found = data(
        invoke("simulate", write(SCALAR), "--json", "--seed", 3, "--replicas", 50, "--until", 5, "--threads", 1)
    )
    assert found["verdict"] == "agree"
    assert found["agrees"] is True
    assert (found["seed"], found["replicas"], found["diverged"], found["until"]) == (3, 50, 0, 5.0)
    assert found["time"] == [0, 1, 2, 3, 4, 5]
    assert set(found["statistics"]) == {"w", "w**2"}
    assert len(found["statistics"]["w"]["prediction"]) == 6
    assert found["statistics"]["w"]["prediction"][1] == pytest.approx(0.9)
    assert found["comparisons"] == 12


def test_the_same_seed_gives_the_same_numbers_at_any_number_of_threads(invoke, write):
    path = write(SCALAR)
    one, two = (data(invoke("simulate", path, "--json", "--threads", threads, "--seed", 5)) for threads in (1, 2))
    assert one == two
    assert one != data(invoke("simulate", path, "--json", "--seed", 6))


def test_the_chain_runs_at_any_dimension(invoke):
    found = data(
        invoke(
            "simulate",
            "least_squares",
            "--method",
            "chain",
            "--at",
            "n=20000",
            "--replicas",
            8,
            "--until",
            0.5,
            "--json",
        )
    )
    assert found["verdict"] == "agree"


def test_simulate_runs_in_single_precision(invoke, write):
    assert data(invoke("simulate", write(SCALAR), "--precision", "float32", "--json"))["verdict"] == "agree"


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("--method", "chian", "choose one of direct, chain"),
        ("--target", "gpu", "choose one of cpu, cuda"),
        ("--precision", "half", "choose one of float32, float64"),
    ],
)
def test_an_unknown_way_to_simulate_is_refused_with_the_known_ones(invoke, write, option, value, says):
    assert_refused(invoke("simulate", write(SCALAR), option, value), value, says)


def test_numbers_of_the_command_replace_those_of_the_file(invoke, write):
    found = data(invoke("simulate", write(SCALAR), "--json", "--at", "eta=1/5", "--until", 2))
    assert found["statistics"]["w"]["prediction"][1] == pytest.approx(0.8)
    assert found["at"] == "eta=0.2"


def test_a_false_prediction_exits_with_one(invoke, write, monkeypatch):
    honest = moves.predict

    def shifted(*arguments):
        found = honest(*arguments)
        return found.assign(w=found["w"] + 1.0)

    monkeypatch.setattr(moves, "predict", shifted)
    result = invoke("simulate", write(SCALAR))
    assert result.exit_code == 1
    assert "disagree" in result.stdout
    assert "!" in result.stdout
    found = json.loads(invoke("simulate", write(SCALAR), "--json").stdout)
    assert found["agrees"] is False
    assert found["largest_z"] is None or found["largest_z"] > 5


def test_runs_that_diverge_are_counted(invoke):
    arguments = ["simulate", "two_layer_net", "--at", "eta=5", "--replicas", 8, "--until", 100]
    found = data(invoke(*arguments, "--json"))
    assert found["diverged"] == 8
    assert set(found["statistics"]["product"]["mean"]) == {None}
    result = invoke(*arguments)
    assert result.exit_code == 0, result.output
    assert "8 of 8 runs diverged and enter no mean" in result.stdout


def test_a_prediction_that_overflows_is_refused(invoke, write):
    assert_refused(
        invoke("simulate", write(SCALAR), "--at", "eta=3", "--until", 600), "overflows", "lower the learning rate"
    )


def test_without_a_theory_simulate_shows_what_sgd_does(invoke):
    result = invoke("simulate", "two_layer_net", "--replicas", 8, "--until", 20)
    assert result.exit_code == 0, result.output
    assert "names no theory" in result.stdout
    found = data(invoke("simulate", "two_layer_net", "--replicas", 8, "--until", 20, "--json"))
    assert found["verdict"] is None
    assert found["statistics"]["product"]["mean"][0] == pytest.approx(0.2)


def test_one_run_has_no_standard_error(invoke, write):
    found = data(invoke("simulate", "two_layer_net", "--replicas", 1, "--until", 20, "--json"))
    assert set(found["statistics"]["product"]["standard_error"]) == {None}
    assert invoke("simulate", "two_layer_net", "--replicas", 1, "--until", 20).exit_code == 0
    assert_refused(invoke("simulate", write(SCALAR), "--replicas", 1), "at least 2 replicas")


def test_what_a_simulation_lacks_is_named(invoke, write):
    assert_refused(invoke("simulate", write(SCALAR.replace("until = 10", ""))), "--until", "mine.py")
    assert_refused(invoke("simulate", write(SCALAR.replace("at = {eta: 0.1}", ""))), "needs a value for eta")
    assert_refused(invoke("simulate", "xor_network", "--until", 1), "no statistics and no theory")
    assert_refused(invoke("simulate", "least_squares", "--at", "k=1"), "no symbol k")
    assert_refused(invoke("simulate", write(SCALAR), "--replicas", 0), "replicas=0")
    assert_refused(invoke("simulate", write(SCALAR), "--seed", -1), "seed=-1")


def test_inner_products_of_fixed_vectors_reach_both_sides(invoke, write):
    shipped = load_model("least_squares").path.read_text(encoding="utf-8")
    path = write(shipped.replace("    fixed={dot(v, v): 1},\n", ""))
    values = "dot(v, v)=2,n=100"
    assert "dot(v, v)" in data(invoke("derive", path, "--json"))["symbols"]
    found = data(invoke("simulate", path, "--at", values, "--replicas", 8, "--until", 1, "--json"))
    assert found["agrees"] is True


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in shipped_models() if load_model(name).theory is not None])
def test_every_shipped_model_agrees_with_its_theory(invoke, name):
    result = invoke("simulate", name)
    assert result.exit_code == 0, result.output


# -------------------------------------------------------------------------------------------------------- validate


def claim(name, check, *, slow=False):
    return Claim(name, f"what {name} says [in brackets]", Body.MOMENTS, check, slow)


def raises(error):
    raise error


TRUE = [exact("an identity", 1, 1, True), Evidence("noise", "0", "0.1", p_values=(0.4, 0.6), largest_z=0.9)]
GOOD = claim("good-claim", lambda: TRUE)
WRONG = claim("wrong-claim", lambda: [exact("an identity", "one", "two", False)])
UNLIKELY = claim("unlikely-claim", lambda: [Evidence("noise", "0", "9", p_values=(1e-12,), largest_z=9.0)])
BROKEN = claim("broken-claim", lambda: raises(ZeroDivisionError("nothing over nothing")))
ABSENT = claim("absent-claim", lambda: raises(ClaimNotRun("scikit-learn is not installed")))
SLOW = claim("slow-claim", lambda: TRUE, slow=True)


@pytest.fixture
def registry(monkeypatch):
    return lambda *found: monkeypatch.setattr(claims, "all_claims", lambda: list(found))


def test_validate_prints_one_line_per_claim_and_a_summary(invoke, registry):
    registry(GOOD, claim("other-claim", lambda: TRUE), SLOW)
    result = invoke("validate")
    assert result.exit_code == 0
    first, second, last = result.stdout.splitlines()
    assert first.startswith("✓ good-claim: what good-claim says [in brackets] [3 comparisons, largest |z| 0.90, ")
    assert second.startswith("✓ other-claim")
    assert last.startswith("✓ 2 claims: 2 agree; 6 comparisons, Holm at 0.001; ")


def test_validate_says_what_speaks_against_a_claim_and_exits_with_one(invoke, registry):
    registry(GOOD, WRONG, UNLIKELY, BROKEN, ABSENT)
    result = invoke("validate")
    assert result.exit_code == 1
    for text in (
        "✓ good-claim",
        "✗ wrong-claim",
        "an identity: expected one, got two",
        "✗ unlikely-claim",
        "smallest p-value 1e-12 in noise: expected 0, got 9",
        "✗ broken-claim",
        "the check raised ZeroDivisionError: nothing over nothing (",
        "– absent-claim",
        "not run: scikit-learn is not installed",
        "✗ 5 claims: 1 agrees, 2 disagree, 1 failed, 1 not run",
    ):
        assert text in result.stdout
    assert "Traceback" not in result.output
    assert "Traceback" in invoke("validate", "--debug").stderr


def test_validate_as_json_is_one_document(invoke, registry):
    def chatty():
        print("a check that prints")
        return TRUE

    registry(claim("chatty-claim", chatty), BROKEN)
    result = invoke("validate", "--json")
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    assert found["agrees"] is False
    assert [row["outcome"] for row in found["claims"]] == ["agrees", "failed"]
    assert found["counts"] == {"agrees": 1, "disagrees": 0, "failed": 1, "not run": 0}
    assert found["claims"][0]["evidence"][1]["smallest_p_value"] == 0.4
    assert "sympy" in found["versions"]


def test_validate_checks_the_claims_that_are_named(invoke, registry):
    registry(GOOD, WRONG, SLOW, ABSENT)
    assert invoke("validate", "good-claim", "slow-claim").exit_code == 0
    assert "2 claims" in invoke("validate", "good-claim", "slow-claim").stdout
    assert "4 claims" in invoke("validate", "--full").stdout
    assert_refused(invoke("validate", "god-claim"), "no claim 'god-claim'", "did you mean good-claim?")


def test_a_claim_that_was_asked_for_and_could_not_run_is_not_success(invoke, registry):
    registry(GOOD, ABSENT)
    assert invoke("validate").exit_code == 0
    assert invoke("validate", "good-claim", "absent-claim").exit_code == 1


def test_a_claim_cleared_by_the_whole_run_is_named_again(invoke, registry):
    early = claim("early-claim", lambda: [Evidence("noise", "0", "3", p_values=(2e-4,), largest_z=3.7)])
    many = claim("many-claim", lambda: [Evidence("noise", "0", "0", p_values=(0.5,) * 20, largest_z=0.7)])
    registry(early, many)
    result = invoke("validate")
    assert result.exit_code == 0
    assert "✗ early-claim" in result.stdout
    assert "✓ early-claim: agrees at the level of the whole run" in result.stdout


def test_an_interrupt_exits_with_130(invoke, registry):
    registry(claim("endless-claim", lambda: raises(KeyboardInterrupt())))
    result = invoke("validate")
    assert result.exit_code == 130
    assert "interrupted" in result.stderr
    assert "Traceback" not in result.output


# -------------------------------------------------------------------------------------------------------- terminals


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["models"],
        ["derive", "least_squares", "--steps"],
        ["simulate", "scalar_regression", "--replicas", "9"],
    ],
)
def test_a_narrow_terminal_is_wide_enough(invoke, arguments):
    result = invoke(*arguments, columns=40)
    assert result.exit_code == 0, result.output
    assert result.stdout


def test_validate_fits_a_narrow_terminal(invoke, registry):
    registry(GOOD, WRONG, BROKEN)
    assert invoke("validate", columns=40).exit_code == 1


def test_a_terminal_without_unicode_gets_words(tmp_path):
    code = "from derivations.display import mark; print(mark(True), mark(False), mark(None))"
    assert outside("-c", code, cwd=tmp_path, PYTHONIOENCODING="ascii").stdout.split() == ["ok", "no", "--"]
    run = outside("-m", "derivations.cli", "models", cwd=tmp_path, PYTHONIOENCODING="ascii")
    assert run.returncode == 0


def test_the_command_works_from_another_folder_and_writes_errors_to_stderr(tmp_path, write):
    good = outside("-m", "derivations.cli", "derive", "mine.py", "--json", cwd=write(SCALAR).parent)
    assert good.returncode == 0, good.stderr
    assert json.loads(good.stdout)["model"] == "mine"
    bad = outside("-m", "derivations.cli", "derive", "nothing.py", cwd=tmp_path)
    assert bad.returncode == 2
    assert bad.stdout == ""
    assert bad.stderr.startswith("sgd-theory: nothing.py is neither")


# ----------------------------------------------------------------------------------------------------------- --at


def test_values_are_read_exactly():
    assert parse_values("") == {}
    assert parse_values(" c = 0.1 , n=1e3,p=-1/3 ") == {"c": Fraction(1, 10), "n": 1000, "p": Fraction(-1, 3)}
    assert parse_values("dot(v, w)=2,c=1") == {"dot(v, w)": 2, "c": 1}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("c", "cannot read 'c'"),
        ("c=", "cannot read 'c='"),
        ("c=1,n", "cannot read 'n'"),
        ("c=one", "--at c=one"),
        ("c=1/0", "--at c=1/0"),
        ("c=1,c=2", "gives c twice"),
        ("c=1=2", "cannot read"),
        ("c=nan", "write the number as"),
    ],
)
def test_what_is_no_value_is_refused(invoke, text, words):
    with pytest.raises(InvalidRequest, match=words.replace("(", r"\(")):
        parse_values(text)
    assert_refused(invoke("derive", "least_squares", "--at", text), words)


def test_exit_codes_are_distinct():
    assert len({0, cli.DISAGREES, cli.CANNOT, cli.INTERRUPTED}) == 4
