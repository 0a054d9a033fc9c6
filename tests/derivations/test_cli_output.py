"""The commands `solve`, `generate`, `plot` and `new`, and the files that commands write."""

from __future__ import annotations

import csv
import errno
import json
import runpy
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from cli_support import SCALAR, assert_refused, command, data, invoke

from derivations.cli import output
from derivations.cli.output import CannotWrite, check_output, write_text
from derivations.model_files import load_model


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """A folder of its own with the file of one weight."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(SCALAR, encoding="utf-8")
    return tmp_path


def table(path):
    with Path(path).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


# ----------------------------------------------------------------------------------------------------------- solve


def test_solve_prints_the_prediction_at_a_few_times():
    result = invoke("solve", "mine.py", "--at", "eta=0.2")
    assert result.exit_code == 0, result.output
    assert "prediction at eta=0.2; time in steps" in result.stdout
    rows = [line.split() for line in result.stdout.splitlines() if " w " in line]
    assert rows[-1][0] == "10"
    assert float(rows[-1][2]) == pytest.approx(0.8**10)


def test_solve_as_json_holds_every_time():
    found = data(invoke("solve", "mine.py", "--json", "--until", 4, "--start", "w=2"))
    assert found["time"] == [0, 1, 2, 3, 4]
    assert found["statistics"]["w"]["prediction"] == pytest.approx([2 * 0.9**k for k in range(5)])
    assert (found["theory"], found["clock"], found["at"]) == ("moments", "steps", "eta=0.1")


def test_solve_reports_the_error_of_its_quadratures():
    found = data(invoke("solve", "erf_unit", "--until", 0.2, "--json"))
    assert 0 < max(found["statistics"]["m"]["numerical_error"]) < 1e-6
    assert "numerical error" in invoke("solve", "erf_unit", "--until", 0.2).stdout


def test_methods_of_solve_are_named_with_their_options():
    accurate = data(invoke("solve", "least_squares", "--json"))["statistics"]["q"]["prediction"]
    found = data(invoke("solve", "least_squares", "--method", "rungekutta4,steps=400", "--json"))
    assert found["statistics"]["q"]["prediction"] == pytest.approx(accurate, abs=1e-8)
    assert_refused(
        invoke("solve", "least_squares", "--method", "RungeKuta"), "did you mean RungeKutta4?", "DormandPrince853"
    )
    assert_refused(invoke("solve", "least_squares", "--method", "RungeKutta4"), "needs steps", "steps=1000")
    assert_refused(invoke("solve", "least_squares", "--method", "RungeKutta4,step=9"), "did you mean steps?")
    assert_refused(invoke("solve", "least_squares", "--method", "Milstein,steps=9"), "for an SDE")
    assert_refused(invoke("solve", "mine.py", "--replicas", 5), "replicas=5")


def test_the_noise_of_a_limit_is_derived_and_solved():
    shown = invoke("derive", "least_squares", "--fluctuations", "--at", "c=1/2")
    assert shown.exit_code == 0, shown.output
    assert "Sigma(m, m) = " in shown.stdout
    assert "SDE (clock" in shown.stdout
    found = data(invoke("solve", "least_squares", "--fluctuations", "--json"))["statistics"]
    assert 0 < found["m_variance"]["prediction"][-1] < 1e-4
    euler = ("--method", "EulerMaruyama,steps=40", "--replicas", 50)
    assert data(invoke("solve", "least_squares", "--fluctuations", *euler, "--json"))["replicas"] == 50
    assert_refused(invoke("solve", "mine.py", "--fluctuations"), "those of a scaling limit", "moments")


def test_solve_says_what_it_lacks():
    assert_refused(invoke("solve", "two_layer_net"), "names no theory", "--theory")
    assert_refused(invoke("solve", "mine.py", "--at", "etta=1"), "no symbol etta", "did you mean eta?")
    assert_refused(invoke("solve", "mine.py", "--start", "v=1"), "does not start from v", "w")
    assert_refused(invoke("solve", "mine.py", "--over", "eta=1"), "lowest:highest:points")
    assert_refused(invoke("solve", "mine.py", "--over", "eta=0:1:5"), "--over has no meaning")


# ----------------------------------------------------------------------------------------------------- -o of results


def test_a_prediction_is_written_as_a_table_as_data_and_as_a_dataset():
    for name in ("run.csv", "run.json", "run.nc"):
        assert invoke("solve", "mine.py", "-o", name).exit_code == 0
    rows = table("run.csv")
    assert [float(row["w"]) for row in rows] == pytest.approx([0.9**k for k in range(11)])
    assert json.loads(Path("run.json").read_text())["statistics"]["w"]["prediction"][1] == pytest.approx(0.9)
    with xr.open_dataset("run.nc") as found:
        assert found["w"].values == pytest.approx(0.9 ** np.arange(11))
        assert found.attrs["at"] == "eta=0.1"


def test_a_comparison_is_written_with_every_time_and_every_run():
    for name in ("run.csv", "run.json", "run.nc"):
        result = invoke("simulate", "mine.py", "--seed", 2**40, "-o", name)
        assert result.exit_code == 0, result.output
        assert f"wrote {name}" in result.stderr
    rows = [row for row in table("run.csv") if row["statistic"] == "w"]
    assert [float(row["time"]) for row in rows] == list(range(11))
    assert float(rows[3]["prediction"]) == pytest.approx(0.9**3)
    assert abs(float(rows[3]["mean"]) - 0.9**3) < 5 * float(rows[3]["standard_error"])
    assert json.loads(Path("run.json").read_text())["verdict"] == "agree"
    with xr.open_dataset("run.nc") as found:
        assert dict(found["w"].sizes) == {"replica": 200, "time": 11}
        assert found["w"].mean("replica").values == pytest.approx([float(row["mean"]) for row in rows])
        assert str(found.attrs["seed"]) == str(2**40)


def test_a_simulation_without_a_prediction_is_written_too():
    assert invoke("simulate", "two_layer_net", "--until", 5, "--replicas", 4, "-o", "run.csv").exit_code == 0
    assert {row["statistic"] for row in table("run.csv")} == set(load_model("two_layer_net").statistics)


def test_a_derivation_is_written_in_the_format_of_the_suffix():
    for name in ("mine.tex", "mine.txt", "mine.json"):
        assert invoke("derive", "mine.py", "-o", name).exit_code == 0
    assert Path("mine.tex").read_text().startswith(r"\begin{aligned}")
    assert "MomentRecurrence" in Path("mine.txt").read_text()
    assert json.loads(Path("mine.json").read_text())["theory"] == "moments"


def test_latex_alone_goes_to_standard_output():
    assert invoke("derive", "mine.py", "--latex", "-").stdout.startswith(r"\begin{aligned}")
    assert_refused(invoke("derive", "mine.py", "--latex", "-", "--json"), "standard output")


# ------------------------------------------------------------------------------------------------------ bad places


def test_a_file_is_refused_before_any_work_where_it_cannot_be():
    for arguments in (("solve", "mine.py"), ("simulate", "mine.py"), ("plot", "mine.py"), ("generate", "mine.py")):
        assert_refused(invoke(*arguments, "-o", "run.xlsx"), "the suffix says what is written")
        suffix = {"plot": ".svg", "generate": ".py"}.get(arguments[0], ".csv")
        assert_refused(invoke(*arguments, "-o", f"no/run{suffix}"), "No such file or folder: no")
        assert_refused(invoke(*arguments, "-o", f"mine.py/run{suffix}"), "is no folder")
    Path("run.csv").mkdir()
    assert_refused(invoke("solve", "mine.py", "-o", "run.csv"), "is a folder")


def test_a_folder_without_permission_is_named(monkeypatch):
    monkeypatch.setattr(output.os, "access", lambda *_: False)  # the administrator may write anywhere
    with pytest.raises(CannotWrite, match=r"run.csv cannot be written \(no permission\)"):
        check_output(Path("run.csv"), [".csv"])


def test_a_full_disk_is_named_and_what_was_there_stays(monkeypatch):
    Path("run.json").write_text("old", encoding="utf-8")

    def full(self, *_, **__):
        self.open("w").close()  # the file can be made, its content not
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patches:
        patches.setattr(output.Path, "write_text", full)
        result = invoke("solve", "mine.py", "--json", "-o", "run.json")
    assert_refused(result, "run.json could not be written", "the disk is full")
    assert Path("run.json").read_text() == "old"
    assert [path.name for path in Path.cwd().iterdir() if path.name.startswith(".")] == []


def test_an_interrupt_leaves_the_file_as_it_was(monkeypatch):
    Path("run.json").write_text("old", encoding="utf-8")

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(output.os, "replace", interrupted)
    result = invoke("solve", "mine.py", "-o", "run.json")
    assert result.exit_code == 130
    assert "interrupted; nothing was written" in result.stderr
    assert Path("run.json").read_text() == "old"
    assert sorted(path.name for path in Path.cwd().iterdir()) == ["mine.py", "run.json"]


def test_a_link_stays_a_link_and_a_device_a_device():
    Path("goal.txt").write_text("old", encoding="utf-8")
    Path("link.txt").symlink_to("goal.txt")
    write_text(Path("link.txt"), "new")
    assert Path("link.txt").is_symlink()
    assert Path("goal.txt").read_text() == "new"
    write_text(Path("/dev/null"), "nothing")
    assert not Path("/dev/null").is_file()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is always full")
def test_standard_output_on_a_full_disk_is_one_message(here):
    for arguments in (["models"], ["models", "--json"], ["--help"]):
        with open("/dev/full", "w") as full:
            run = command(*arguments, cwd=here, stdout=full)
        assert run.returncode == 2, run.stderr
        assert run.stderr.count("\n") == 1
        assert "the output could not be written: the disk is full" in run.stderr


# --------------------------------------------------------------------------------------------------------- generate


def test_generate_prints_source_that_is_python_and_runs():
    shown = invoke("generate", "mine.py").stdout
    assert invoke("generate", "mine.py", "-o", "kernel.py").exit_code == 0
    assert Path("kernel.py").read_text() == shown
    assert runpy.run_path("kernel.py")["right_hand_side"].py_func(1.0, 1.0, 0.1)[0] == pytest.approx(0.9)


def test_generate_writes_source_and_data():
    assert invoke("generate", "mine.py", "--at", "eta=1/4", "-o", "kernel.py").exit_code == 0
    assert "0.75" in Path("kernel.py").read_text()
    found = data(invoke("generate", "mine.py", "--precision", "float32", "--json"))
    assert (found["target"], found["precision"], found["ptx"]) == ("cpu", "float32", None)
    assert "def advance(" in found["source"]


def test_generate_shows_the_kernel_of_sgd_itself():
    assert "range(first, last" in invoke("generate", "two_layer_net", "--sgd").stdout
    assert_refused(invoke("generate", "two_layer_net"), "names no theory", "--sgd")
    assert_refused(invoke("generate", "attention_head", "--sgd"), "no statistics and no theory")


def test_generate_makes_ptx_without_a_device():
    pytest.importorskip("numba_cuda")
    assert invoke("generate", "mine.py", "--target", "cuda", "--ptx", "kernel.ptx", "-o", "kernel.py").exit_code == 0
    assert ".visible .entry" in Path("kernel.ptx").read_text()
    assert "cuda.grid(1)" in Path("kernel.py").read_text()
    assert ".version" in invoke("generate", "mine.py", "--target", "cuda", "--ptx", "-").stdout


def test_generate_refuses_what_does_not_go_together():
    assert_refused(invoke("generate", "mine.py", "--ptx", "kernel.ptx"), "add --target cuda")
    assert_refused(invoke("generate", "mine.py", "--target", "gpu"), "did you mean cpu?", "cuda")
    assert_refused(invoke("generate", "mine.py", "--at", "e=1"), "no symbol e")


# ------------------------------------------------------------------------------------------------------------- plot


@pytest.mark.parametrize(("name", "begins"), [("a.svg", b"<?xml"), ("a.pdf", b"%PDF"), ("a.png", b"\x89PNG")])
def test_plot_writes_the_figure_in_the_format_of_the_suffix(name, begins):
    result = invoke("plot", "mine.py", "-o", name)
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[-1] == f"wrote {name}"
    assert "agree: 0 of" in result.stdout
    assert Path(name).read_bytes().startswith(begins)


def test_plot_names_the_figure_after_the_model():
    found = data(invoke("plot", "mine.py", "--json"))
    assert (found["file"], found["verdict"]) == ("mine.svg", "agree")
    assert Path("mine.svg").exists()


def test_plot_draws_a_simulation_alone_where_there_is_no_theory():
    result = invoke("plot", "two_layer_net", "--until", 5, "--replicas", 4)
    assert result.exit_code == 0, result.output
    assert "no prediction" in result.stdout
    assert Path("two_layer_net.svg").exists()


def test_plot_refuses_a_phase_diagram_of_another_theory():
    assert_refused(invoke("plot", "mine.py", "--over", "eta=0:1:5"), "phase diagrams", "moments")
    assert_refused(invoke("plot", "mine.py", "--fates"), "phase diagrams")


# -------------------------------------------------------------------------------------------------------------- new


def test_new_writes_a_model_file_that_runs():
    result = invoke("new", "first")
    assert result.exit_code == 0, result.output
    assert "sgd-theory derive first.toml" in result.stdout
    assert load_model("first.toml").theory is not None
    assert invoke("derive", "first.toml").exit_code == 0


def test_new_overwrites_nothing_and_suggests_a_free_name():
    assert invoke("new", "first.toml").exit_code == 0
    Path("first.toml").write_text("mine", encoding="utf-8")
    Path("first_2.toml").write_text("mine too", encoding="utf-8")
    assert_refused(invoke("new", "first"), "there already", "sgd-theory new first_3")
    assert Path("first.toml").read_text() == "mine"
    assert data(invoke("new", "first", "--json", "-o", "other.toml")) == {"file": "other.toml"}
    assert_refused(invoke("new", "first", "-o", "other.ini"), ".toml")


def test_a_starter_about_stability_runs_as_it_stands():
    assert invoke("new", "mine_too", "--theory", "stability").exit_code == 0
    result = invoke("simulate", "mine_too", "--replicas", 50, "--until", 500)
    assert result.exit_code == 0, result.output
    assert "phase: saddle attracts" in result.stdout
    assert_refused(invoke("new", "third", "--theory", "moments"), "no starter for the theory moments", "stability")


def test_new_refuses_names_that_are_none():
    assert_refused(invoke("new", ""), "names no model", "sgd-theory new my_model")
    assert_refused(invoke("new", "no/first"), "NAME no/first.toml: No such file or folder: no")
    assert "sgd-theory derive 'my model.toml'" in invoke("new", "my model").stdout
