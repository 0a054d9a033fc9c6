"""The command line on the machine at hand: doctor, missing devices, places that cannot be written, terminals, completion."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from cli_support import ROOT, SCALAR, assert_refused, command, data, invoke, outside

from derivations.cli import environment, work
from derivations.cli.work import interruptible, progress
from derivations.model_files import Theory, shipped_models
from numerics.targets import Check, Target, backend


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(SCALAR, encoding="utf-8")
    return tmp_path


# ---------------------------------------------------------------------------------------------------------- doctor


def test_doctor_says_what_is_here():
    result = invoke("doctor")
    assert result.exit_code == 0, result.output
    for text in (
        "sgd-theory 0.",
        "sympy 1.",
        "target cpu: works",
        "a probe was compiled and ran",
        "target cuda",
        "encoding",
    ):
        assert text in result.stdout
    found = data(invoke("doctor", "--json"))
    assert found["healthy"] is True
    assert set(found["targets"]) == {*Target}
    assert [check["name"] for check in found["targets"]["cuda"]["checks"]] == [
        "package", "compiler", "driver", "device", "kernel",
    ]  # fmt: skip
    assert found["cache"]["writable"] is True
    assert "cuda" in found["extras"]


def test_doctor_names_what_is_missing_and_what_installs_it(monkeypatch):
    monkeypatch.setattr(environment, "_version", lambda name: None if name == "marimo" else "1.0")
    monkeypatch.setattr(environment, "_targets", lambda: {"cpu": {"works": True, "checks": []}})
    result = invoke("doctor")
    assert "notebook: missing marimo; python -m pip install 'sgd-theory[notebook]'" in result.stdout


def test_doctor_exits_with_two_where_nothing_can_run(monkeypatch):
    broken = Check("compiler", False, "numba compiles nothing", "install numba again")
    for target in Target:
        monkeypatch.setattr(backend(target), "checks", lambda: (broken,))
    result = invoke("doctor")
    assert result.exit_code == 2
    assert "target cpu: does not work" in result.stdout
    assert "install numba again" in result.stdout


# ------------------------------------------------------------------------------------------------------------ CUDA


@pytest.mark.skipif(backend("cuda").reason_unavailable() is None, reason="there is a CUDA device")
@pytest.mark.parametrize("name", ["simulate", "solve", "plot"])
def test_cuda_where_there_is_none_says_why_and_what_to_do(here, name):
    assert_refused(
        invoke(name, "mine.py", "--target", "cuda"), "--target cuda: ", "--target cpu", "sgd-theory doctor", "generate"
    )


# ------------------------------------------------------------------------------------------- caches and model files


def test_a_cache_that_cannot_be_written_costs_a_warning_and_no_result(here):
    (here / "file").write_text("", encoding="utf-8")  # below a file nobody, not even the administrator, makes a folder
    run = command("solve", "least_squares", "--until", "0.1", "--json", cwd=here, XDG_CACHE_HOME=str(here / "file"))
    assert run.returncode == 0, run.stderr
    assert '"model": "least_squares"' in run.stdout
    assert run.stderr.startswith("sgd-theory: warning: the kernel cache")
    assert "Set XDG_CACHE_HOME" in run.stderr
    assert run.stderr.count("\n") == 1


def test_doctor_says_why_a_cache_cannot_be_written(here, monkeypatch):
    (here / "file").write_text("", encoding="utf-8")
    monkeypatch.setenv("XDG_CACHE_HOME", str(here / "file"))
    found = data(invoke("doctor", "--json"))["cache"]
    assert found["writable"] is False
    assert "set XDG_CACHE_HOME to a folder you can write" in found["problem"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("import nothing_of_that_name", "mine.py:1: ModuleNotFoundError"),
        ("def f(:", "mine.py:1: SyntaxError"),
        ("1/0", "mine.py:1: ZeroDivisionError: division by zero"),
    ],
)
def test_a_python_model_file_that_raises_is_named_with_its_line(here, text, says):
    (here / "mine.py").write_text(text, encoding="utf-8")
    for name in ("derive", "solve", "simulate", "plot", "generate"):
        assert_refused(invoke(name, "mine.py"), says)


def test_what_a_python_model_file_prints_is_no_data(here):
    (here / "mine.py").write_text(SCALAR + "print('a file that prints')\n", encoding="utf-8")
    for arguments in (["derive"], ["solve"], ["generate"], ["simulate"]):
        result = invoke(*arguments, "mine.py", "--json")
        assert json.loads(result.stdout)["model"] == "mine"
        assert result.stderr == "a file that prints\n"


# ------------------------------------------------------------------------------------------------------- terminals


@pytest.mark.parametrize("arguments", [["simulate", "mine.py"], ["solve", "mine.py"], ["solve", "two_point_net"]])
def test_a_narrow_terminal_breaks_no_number(here, arguments):
    def numbers(columns):
        result = invoke(*arguments, columns=columns)
        assert result.exit_code == 0, result.output
        return {word for word in result.stdout.split() if any(letter.isdigit() for letter in word)}

    assert numbers(40) == numbers(300)


@pytest.mark.parametrize("arguments", [["models"], ["doctor"], ["derive", "least_squares", "--steps"], ["--help"]])
def test_every_command_has_room_in_a_narrow_terminal(arguments):
    result = invoke(*arguments, columns=40)
    assert result.exit_code == 0, result.output
    assert result.stdout


def test_a_table_is_stacked_where_it_does_not_fit(here):
    lines = invoke("simulate", "mine.py", columns=40).stdout.splitlines()
    first = lines.index("time 0  statistic w")
    assert [line.split()[0] for line in lines[first + 1 : first + 5]] == ["predicted", "simulated", "±", "z"]
    assert "time  statistic" in invoke("simulate", "mine.py", columns=80).stdout


def test_long_lines_are_wrapped_between_words_on_a_terminal_and_left_alone_in_a_pipe(here):
    code = "from derivations.display import say; say('  one = ' + ' + '.join(['1234567'] * 9))"
    piped = outside("-c", code, cwd=here, COLUMNS="40").stdout
    assert piped.count("\n") == 1
    shown = outside("-c", code, cwd=here, COLUMNS="40", TERM="xterm", FORCE_COLOR="1").stdout
    assert max(map(len, shown.splitlines())) <= 40
    assert shown.split() == piped.split()
    assert all(line.startswith("    ") for line in shown.splitlines()[1:])


@pytest.mark.parametrize("arguments", [["models"], ["simulate", "mine.py"], ["--help"], ["derive", "nothing"]])
def test_a_locale_without_unicode_gets_words_and_no_traceback(here, arguments):
    run = command(*arguments, cwd=here, LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0", PYTHONIOENCODING="ascii")
    assert run.returncode == (2 if arguments[0] == "derive" else 0), run.stderr
    assert (run.stdout + run.stderr).isascii()
    assert "Traceback" not in run.stderr
    if arguments[0] == "simulate":
        assert "+- s.e." in run.stdout
        assert "ok agree" in run.stdout


def test_json_in_a_locale_without_unicode_is_still_json(here):
    (here / "mine.py").write_text(SCALAR.replace("One weight", "Ein Gewicht für alle"), encoding="utf-8")
    run = command("solve", "mine.py", "--json", cwd=here, LC_ALL="C", PYTHONUTF8="0", PYTHONIOENCODING="ascii")
    assert data(SimpleNamespace(stdout=run.stdout, stderr=run.stderr))["title"] == "Ein Gewicht für alle"


def test_output_that_nobody_reads_any_more_is_no_disagreement(here):
    with subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(1.5); from derivations.cli import main; main()", "models"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)}, text=True,
    ) as run:  # fmt: skip
        run.stdout.close()
        assert run.stderr.read() == ""
        assert run.wait() == 141


# ---------------------------------------------------------------------------------------------- progress, interrupts


class Terminal:
    """A stream that says it is a terminal, or that it is not."""

    def __init__(self, is_terminal):
        self.is_terminal, self.text, self.encoding = is_terminal, "", "utf-8"

    def isatty(self):
        return self.is_terminal

    def write(self, text):
        self.text += text

    def flush(self):
        pass


@pytest.mark.parametrize(
    ("is_terminal", "quiet", "shows"), [(True, False, True), (False, False, False), (True, True, False)]
)
def test_progress_is_shown_on_a_terminal_and_nowhere_else(monkeypatch, is_terminal, quiet, shows):
    terminal = Terminal(is_terminal)
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with progress("running SGD ...", total=3, quiet=quiet) as bar:
        bar.advance()
        bar.describe("second part")
        time.sleep(0.25)
        with bar.hidden():
            pass
    assert ("second part" in terminal.text) is shows
    assert ("1/3" in terminal.text) is shows
    assert bool(terminal.text) is shows


def test_work_hands_on_what_it_returns_and_what_it_raises():
    assert interruptible(lambda: 42) == 42
    with pytest.raises(ZeroDivisionError):
        interruptible(lambda: 1 / 0)
    assert not work.is_abandoned()


def test_work_may_go_deeper_than_a_small_stack_allows():
    def deep(levels):
        return 0 if levels == 0 else 1 + deep(levels - 1)

    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(20_000)
    try:
        assert interruptible(lambda: deep(15_000)) == 15_000
    finally:
        sys.setrecursionlimit(limit)


ENDLESS = """
import time
from numba import njit

@njit(nogil=True)
def loop(x):
    while x > -1.0:
        x += 1e-9
    return x

from derivations import moves

def derive(*_, **__):
    compiled = loop(-2.0)
    print("running", flush=True)
    return loop(1.0)

moves.derive = derive
from derivations.cli import main
main()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_an_interrupt_ends_even_compiled_loops_at_once(here):
    (here / "run.csv").write_text("old", encoding="utf-8")
    with subprocess.Popen(
        [sys.executable, "-c", ENDLESS, "simulate", "mine.py", "-o", "run.csv"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)}, text=True,
    ) as run:  # fmt: skip
        assert run.stdout.readline() == "running\n"
        began = time.monotonic()
        run.send_signal(signal.SIGINT)
        message = run.stderr.read()
        assert run.wait(timeout=20) == 130
    assert time.monotonic() - began < 5
    assert message == "sgd-theory: interrupted; nothing was written\n"
    assert (here / "run.csv").read_text() == "old"


# ------------------------------------------------------------------------------------------------------- completion


def completed(words, cwd):
    """What a shell is offered, with the heavy packages forbidden."""
    code = """
import sys

class Forbidden:
    def find_spec(self, name, *_):
        if name in ("sympy", "numba", "numpy", "scipy", "xarray"):
            raise ImportError(name)

sys.meta_path.insert(0, Forbidden())
from derivations.cli import main
main()
"""
    line = f"sgd-theory {words}"
    run = outside(
        "-c", code, cwd=cwd, _SGD_THEORY_COMPLETE="complete_bash", COMP_WORDS=line, COMP_CWORD=str(line.count(" "))
    )
    assert run.returncode == 0, run.stderr
    return run.stdout.split()


def test_a_shell_completes_models_claims_theories_and_options(here):
    assert completed("derive least", here) == ["least_squares"]
    assert set(completed("simulate ", here)) == {*shipped_models(), "mine.py"}
    assert completed("solve mi", here) == ["mine.py"]
    assert set(completed("derive x --theory ", here)) == {*Theory}
    assert "phase-retrieval" in completed("validate phase", here)
    assert completed("plot x --target cu", here) == ["cuda"]
    assert completed("solve x --method Runge", here) == ["RungeKutta4"]
    assert set(completed("bench nor", here)) == {"normals"}


def test_the_names_that_are_completed_are_those_that_are_taken():
    from derivations.cli import completion
    from numerics import Method, Precision
    from numerics.solve import methods

    kinds = [kind for kind in vars(methods).values() if isinstance(kind, type) and issubclass(kind, methods.Method)]
    assert set(completion.SOLVERS) == {kind.__name__ for kind in kinds} - {"Method", "PathMethod"}
    assert set(completion.METHODS) == {*Method}
    assert set(completion.PRECISIONS) == {*Precision}


def test_completion_can_be_installed():
    for option in ("--install-completion", "--show-completion"):
        assert option in invoke("--help").stdout


# ------------------------------------------------------------------------------------------------------------ speed


def test_help_is_there_in_half_a_second(here):
    seconds = []
    for _ in range(3):
        before = os.times()
        assert command("--help", cwd=here).returncode == 0
        after = os.times()  # processor time: other programs do not lengthen it
        seconds.append(after.children_user - before.children_user + after.children_system - before.children_system)
    assert min(seconds) < 0.5, seconds


def test_the_folder_of_the_command_matters_to_nothing(here):
    run = command("derive", "mine.py", "--json", cwd=here)
    assert run.returncode == 0, run.stderr
    assert data(SimpleNamespace(stdout=run.stdout, stderr=run.stderr))["model"] == "mine"
    bad = command("derive", "nothing.py", cwd=Path(here))
    assert (bad.returncode, bad.stdout) == (2, "")
    assert bad.stderr.startswith("sgd-theory: nothing.py is neither")
