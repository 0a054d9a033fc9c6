"""The command line: exit codes, readable errors, JSON and nothing else, and a light `--help`."""

from __future__ import annotations

import json
from fractions import Fraction

import pytest
import typer
from cli_support import SCALAR, assert_refused, data, invoke, outside

from derivations import moves
from derivations.cli import ExitCode, app
from derivations.cli.values import parse_method, parse_ranges, parse_values
from derivations.model_files import Theory, load_model, shipped_models, starter
from theory import __version__
from theory.errors import InvalidRequest


@pytest.fixture
def write(tmp_path):
    def write_file(text, name="mine.py"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write_file


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


def test_version_is_that_of_the_package():
    result = invoke("--version")
    assert result.exit_code == 0
    assert result.stdout == f"sgd-theory {__version__}\n"


def test_models_lists_every_shipped_model():
    found = invoke("models").stdout
    assert [line.split()[0] for line in found.splitlines()[1:-2] if not line.startswith(" ")] == list(shipped_models())
    rows = data(invoke("models", "--json"))["models"]
    assert [row["name"] for row in rows] == list(shipped_models())
    assert {row["theory"] for row in rows} == {*Theory, None}


def test_a_wrong_option_is_a_usage_error():
    assert invoke("derive", "least_squares", "--theory", "astrology").exit_code == 2
    assert invoke("no-such-command").exit_code == 2
    assert invoke("derive").exit_code == 2


# ---------------------------------------------------------------------------------------------------------- derive


def test_derive_prints_the_equations_and_what_they_rest_on():
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


def test_derive_shows_the_derivation_on_request():
    assert "1. Differentiate the loss" not in invoke("derive", "least_squares").stdout
    assert "1. Differentiate the loss" in invoke("derive", "least_squares", "--steps").stdout


def test_derive_puts_exact_numbers_into_the_equations():
    result = invoke("derive", "least_squares", "--at", "c=0.5,n=1000")
    assert "dq/dt = m - 3*q/2 + tau**2/2 + 1/2" in result.stdout
    assert "symbols     tau\n" in result.stdout
    result = invoke("derive", "scalar_regression", "--at", "eta=1/10")
    assert "E[w]' = 9*E[w]/10" in result.stdout


def test_derive_refuses_a_number_for_a_symbol_that_is_not_there():
    assert_refused(invoke("derive", "least_squares", "--at", "tao=1"), "no symbol tao", "did you mean tau?")


def test_derive_as_json_is_the_same_derivation():
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


def test_derive_writes_latex(tmp_path):
    target = tmp_path / "out.tex"
    assert invoke("derive", "scalar_regression", "--latex", target).exit_code == 0
    assert target.read_text().startswith(r"\begin{aligned}")
    assert r"\mathbb{E}" in target.read_text()
    assert_refused(
        invoke("derive", "scalar_regression", "--latex", tmp_path / "no" / "out.tex"), "No such file", "out.tex"
    )


def test_without_a_theory_derive_shows_the_gradient(tmp_path):
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


def test_a_theory_that_does_not_cover_the_model_says_why():
    assert_refused(invoke("derive", "two_layer_net", "--theory", "moments"), "u**2*w**2", "gradient is not linear")
    assert_refused(
        invoke("derive", "two_layer_net", "--theory", "scaling_limit"), "scaling_limit needs trained vectors"
    )


def test_the_theory_of_the_command_wins_over_that_of_the_file():
    assert data(invoke("derive", "least_squares", "--theory", "moments", "--json"))["type"] == "MomentRecurrence"


# ----------------------------------------------------------------------------------------------------- model files


def test_an_unknown_model_is_refused_with_the_nearest():
    assert_refused(invoke("derive", "least_sqares"), "did you mean least_squares?", "phase_retrieval")
    assert_refused(invoke("simulate", "no/such/file.py"), "neither a file nor a shipped model")


def test_a_model_file_that_raises_is_named_with_its_line(write):
    path = write("x = 1\ny = nowhere\n")
    assert_refused(invoke("derive", path), f"{path}:2: NameError: name 'nowhere' is not defined")
    shown = invoke("derive", path, "--debug")
    assert shown.exit_code == 2
    assert "Traceback" in shown.stderr


# -------------------------------------------------------------------------------------------------------- simulate


def test_simulate_compares_with_the_theory_of_the_file(write):
    result = invoke("simulate", write(SCALAR))
    assert result.exit_code == 0, result.output
    assert "agree: 0 of" in result.stdout
    assert "200 runs of SGD(learning_rate=eta) at eta=0.1, seed 0" in result.stdout
    assert "predicted" in result.stdout


def test_simulate_as_json_holds_every_time(write):
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


def test_the_same_seed_gives_the_same_numbers_at_any_number_of_threads(write):
    path = write(SCALAR)
    one, two = (data(invoke("simulate", path, "--json", "--threads", threads, "--seed", 5)) for threads in (1, 2))
    assert one == two
    assert one != data(invoke("simulate", path, "--json", "--seed", 6))


def test_the_chain_runs_at_any_dimension():
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


def test_simulate_runs_in_single_precision(write):
    assert data(invoke("simulate", write(SCALAR), "--precision", "float32", "--json"))["verdict"] == "agree"


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("--method", "chian", "choose one of direct, chain"),
        ("--target", "gpu", "choose one of cpu, cuda"),
        ("--precision", "half", "choose one of float32, float64"),
    ],
)
def test_an_unknown_way_to_simulate_is_refused_with_the_known_ones(write, option, value, says):
    assert_refused(invoke("simulate", write(SCALAR), option, value), value, says)


def test_numbers_of_the_command_replace_those_of_the_file(write):
    found = data(invoke("simulate", write(SCALAR), "--json", "--at", "eta=1/5", "--until", 2))
    assert found["statistics"]["w"]["prediction"][1] == pytest.approx(0.8)
    assert found["at"] == "eta=0.2"


def test_a_false_prediction_exits_with_one(write, monkeypatch):
    honest = moves.predict

    def shifted(*arguments, **options):
        found = honest(*arguments, **options)
        return found.assign(w=found["w"] + 1.0)

    monkeypatch.setattr(moves, "predict", shifted)
    result = invoke("simulate", write(SCALAR))
    assert result.exit_code == 1
    assert "disagree" in result.stdout
    assert "!" in result.stdout
    found = json.loads(invoke("simulate", write(SCALAR), "--json").stdout)
    assert found["agrees"] is False
    assert found["largest_z"] is None or found["largest_z"] > 5


def test_runs_that_diverge_are_counted():
    arguments = ["simulate", "two_layer_net", "--at", "eta=5", "--replicas", 8, "--until", 100]
    found = data(invoke(*arguments, "--json"))
    assert found["diverged"] == 8
    assert set(found["statistics"]["product"]["mean"]) == {None}
    result = invoke(*arguments)
    assert result.exit_code == 0, result.output
    assert "8 of 8 runs diverged and enter no mean" in result.stdout


def test_a_prediction_that_overflows_is_refused(write):
    assert_refused(
        invoke("simulate", write(SCALAR), "--at", "eta=3", "--until", 600), "overflows", "lower the learning rate"
    )


def test_without_a_theory_simulate_shows_what_sgd_does():
    result = invoke("simulate", "two_layer_net", "--replicas", 8, "--until", 20)
    assert result.exit_code == 0, result.output
    assert "names no theory" in result.stdout
    found = data(invoke("simulate", "two_layer_net", "--replicas", 8, "--until", 20, "--json"))
    assert found["verdict"] is None
    assert found["statistics"]["product"]["mean"][0] == pytest.approx(0.2)


def test_one_run_has_no_standard_error(write):
    found = data(invoke("simulate", "two_layer_net", "--replicas", 1, "--until", 20, "--json"))
    assert set(found["statistics"]["product"]["standard_error"]) == {None}
    assert invoke("simulate", "two_layer_net", "--replicas", 1, "--until", 20).exit_code == 0
    assert_refused(invoke("simulate", write(SCALAR), "--replicas", 1), "at least 2 replicas")


def test_what_a_simulation_lacks_is_named(write):
    assert_refused(invoke("simulate", write(SCALAR.replace("until = 10", ""))), "--until", "mine.py")
    assert_refused(
        invoke("simulate", write(SCALAR.replace("at = {eta: 0.1}", ""))), "eta has no number in at (or --at eta=...)"
    )
    assert_refused(invoke("simulate", "xor_network", "--until", 1), "does not say what to observe")
    assert_refused(invoke("simulate", "least_squares", "--at", "k=1"), "no symbol k")
    assert_refused(invoke("simulate", write(SCALAR), "--replicas", 0), "replicas=0")
    assert_refused(invoke("simulate", write(SCALAR), "--seed", -1), "seed=-1")


def test_inner_products_of_fixed_vectors_reach_both_sides(write):
    shipped = load_model("least_squares").path.read_text(encoding="utf-8")
    path = write(shipped.replace('[fixed]\n"dot(v, v)" = 1\n', ""), "mine.toml")
    values = "dot(v, v)=2,n=100"
    assert "dot(v, v)" in data(invoke("derive", path, "--json"))["symbols"]
    found = data(invoke("simulate", path, "--at", values, "--replicas", 8, "--until", 1, "--json"))
    assert found["agrees"] is True


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in shipped_models() if load_model(name).theory is not None])
def test_every_shipped_model_agrees_with_its_theory(name):
    result = invoke("simulate", name)
    assert result.exit_code == 0, result.output


# ----------------------------------------------------------------------------------------------------------- numbers


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
        ("c=1e999999999", "write the number as"),
        ("c=__import__('os')", "write the number as"),
    ],
)
def test_what_is_no_value_is_refused(text, words):
    with pytest.raises(InvalidRequest, match=words.replace("(", r"\(")):
        parse_values(text)
    assert_refused(invoke("derive", "least_squares", "--at", text), words)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("eta=0:2", "lowest:highest:points"),
        ("eta=2:1:5", "must be above the lowest"),
        ("eta=0:1:1", "whole number from 2"),
        ("eta=0:1:2.5", "whole number from 2"),
        ("eta=0:1:1e9", "whole number from 2"),
        ("eta=a:1:5", "write the number as"),
    ],
)
def test_what_is_no_axis_is_refused(text, words):
    with pytest.raises(InvalidRequest, match=words):
        parse_ranges(text)


def test_a_method_has_options_of_its_own():
    assert parse_method("Stiff") == ("Stiff", {})
    assert parse_method("Milstein,steps=100,brownian_steps=200") == ("Milstein", {"steps": 100, "brownian_steps": 200})


def test_exit_codes_are_distinct():
    assert len({code.value for code in ExitCode}) == len(ExitCode.__members__) == 6


# ----------------------------------------------------------------------------------------------------------- grammar


def test_an_option_is_the_same_in_every_command():
    commands = typer.main.get_command(app).commands
    assert set(commands) == {
        "derive", "generate", "solve", "simulate", "plot", "validate", "models", "new", "doctor", "bench", "cache",
    }  # fmt: skip
    meanings = {}
    for name, command in commands.items():
        options = {option.name: option for option in command.params}
        assert {"json", "debug"} <= set(options), name
        for option in options.values():
            if option.name != "names":
                meaning = (option.opts, option.help, option.metavar, option.default)
                assert meanings.setdefault(option.name, meaning) == meaning, (name, option.name)
        assert all(option.help for option in options.values()), name


def test_every_command_says_what_it_does():
    for name in typer.main.get_command(app).commands:
        assert invoke(name, "--help").exit_code == 0


def test_a_defect_is_told_apart_from_a_wrong_request(monkeypatch):
    def broken(*_, **__):
        raise ZeroDivisionError("nothing over nothing")

    monkeypatch.setattr(moves, "derive", broken)
    assert_refused(
        invoke("derive", "least_squares"),
        "a defect of sgd-theory",
        "ZeroDivisionError",
        "--debug",
        code=ExitCode.DEFECT,
    )
    assert "Traceback" in invoke("derive", "least_squares", "--debug").stderr


def test_too_little_memory_is_named_with_what_saves_some(monkeypatch):
    def greedy(*_, **__):
        raise MemoryError("Unable to allocate 1. TiB")

    monkeypatch.setattr(moves, "derive", greedy)
    assert_refused(invoke("derive", "least_squares"), "not enough memory", "--replicas", "--method chain")


# ---------------------------------------------------------------------------------------------------- first attempts


@pytest.fixture
def starting(tmp_path, monkeypatch):
    """A folder with the starter as `first.toml`, and what writes a changed one."""
    monkeypatch.chdir(tmp_path)

    def change(old="", new=""):
        assert old in starter("first")
        (tmp_path / "first.toml").write_text(starter("first").replace(old, new, 1), encoding="utf-8")

    return change


def test_a_bare_name_finds_the_file_with_its_suffix(starting, write):
    starting()
    assert data(invoke("derive", "first", "--json"))["model"] == "first"
    write(SCALAR, "second.py")
    assert data(invoke("derive", "second", "--json"))["model"] == "second"
    assert_refused(invoke("derive", "third"), "third is neither a file nor a shipped model; the shipped models are")


def test_a_symbol_without_law_and_number_is_named_with_both(starting):
    starting('xi = "Normal()"\n', "")
    expected = "xi has neither a law in [data] nor a number in [at] (or --at xi=...)"
    assert_refused(invoke("simulate", "first"), expected)
    starting("c = 0.5\n", "")
    assert_refused(invoke("solve", "first"), "c has no number in [at] (or --at c=...)")


def test_messages_speak_of_options_and_plain_numbers(starting):
    starting()
    result = invoke("solve", "first", "--at", "c=-1")
    assert_refused(result, "--at c=-1: the symbol c is declared positive")
    assert "Fraction" not in result.stderr and "{" not in result.stderr


def test_latex_goes_into_a_text_file(starting):
    starting()
    assert_refused(invoke("derive", "first", "--latex", "first.pdf"), "--latex first.pdf", ".tex, .txt")


def test_models_that_name_no_theory_are_listed_as_statements():
    assert "two_layer_net               statement only" in invoke("models", columns=200).stdout


def test_all_that_a_run_lacks_is_named_at_once(write):
    lines = [line for line in SCALAR.splitlines() if not line.startswith(("theory", "until"))]
    result = invoke("simulate", write("\n".join(lines)))
    assert_refused(result, "how long to run (until in [run], or --until)", "what to observe (statistics")


def test_few_runs_are_said_to_agree_with_much(starting):
    starting()
    few = "runs agree with much: Student's t has 3 degrees of freedom"
    assert few in invoke("simulate", "first", "--replicas", 4, "--at", "n=20").stdout
    assert few in invoke("plot", "first", "--replicas", 4, "--at", "n=20").stdout
    assert "agree with much" not in invoke("simulate", "first", "--replicas", 8, "--at", "n=20").stdout


def test_a_rejected_limit_shows_where_first_and_asks_for_a_larger_dimension(starting):
    starting()
    result = invoke("simulate", "first", "--at", "n=4", "--replicas", 4000)
    assert result.exit_code == 1, result.output
    lines = result.stdout.splitlines()
    assert lines.index("rejected") < next(i for i, line in enumerate(lines) if "predicted" in line)
    assert lines[lines.index("rejected") + 1].split() == ["statistic", "time", "z"]
    assert lines[-1] == "the limit holds as n -> infinity; try a larger n with --at n=..."
