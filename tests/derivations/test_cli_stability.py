"""The commands on the theory of stability: exponents, thresholds, phase diagram, and the fates of direct SGD."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import pytest
import xarray as xr
from cli_support import assert_refused, data, invoke

from derivations import moves, phases
from derivations.model_files import load_model
from derivations.phases import Verdict, check_fates
from numerics import Fate

FATES = ("--replicas", 100, "--until", 3000)


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def found(saddle=0, correct=0, incorrect=0, undirected=0, blow_up=0):
    """Counts of fates."""
    return xr.Dataset(
        {"count": ("fate", [saddle, correct, incorrect, undirected, blow_up])}, {"fate": [str(fate) for fate in Fate]}
    )


# ----------------------------------------------------------------------------------------------------- derive, solve


def test_derive_shows_the_blocks_and_their_exponents():
    result = invoke("derive", "two_point_net")
    assert result.exit_code == 0, result.output
    assert "Stability (clock: steps)" in result.stdout
    assert "Lambda(u + w) =" in result.stdout
    assert_refused(invoke("derive", "two_point_net", "--at", "eta=0.2"), "sgd-theory solve two_point_net --at")


def test_stability_needs_a_point():
    assert_refused(invoke("derive", "two_layer_net", "--theory", "stability"), "states no point", "u, w")


def test_solve_gives_the_exponents_of_acceptance_row_15():
    exponents = data(invoke("solve", "two_point_net", "--json", "--at", "eta=0.2"))
    modes = {mode["mode"]: mode["exponent"] for mode in exponents["modes"]}
    assert modes["u + w"] == pytest.approx(0.0040, abs=5e-5)
    assert modes["u - w"] == pytest.approx(-0.0374, abs=5e-5)
    assert exponents["phase"] == "correct learning"
    assert exponents["thresholds"]["symbol"] == "eta"


def test_solve_prints_the_phase_and_the_thresholds_and_writes_the_modes():
    result = invoke("solve", "two_point_net", "--at", "eta=0.5", "--over", "eta=0.1:2:5", "-o", "modes.csv")
    assert result.exit_code == 0, result.output
    assert "phase: saddle attracts" in result.stdout
    assert "stable in probability for eta between 0.1 and 2" in result.stdout
    assert "u + w: stable for eta in (0.25, 1.71" in result.stdout
    with Path("modes.csv").open() as file:
        rows = {row["mode"]: float(row["exponent"]) for row in csv.DictReader(file)}
    assert rows == pytest.approx({"u - w": -0.1783, "u + w": -0.0527}, abs=5e-5)


def test_solve_refuses_what_exponents_have_no_use_for():
    assert_refused(invoke("solve", "two_point_net", "--until", 5), "--until has no meaning for exponents")
    assert_refused(invoke("solve", "two_point_net", "--method", "Stiff"), "--method has no meaning for exponents")
    assert_refused(invoke("solve", "two_point_net", "--over", "etta=0:1:5"), "--over etta", "did you mean eta?")


# ------------------------------------------------------------------------------------------------------------ fates


@pytest.mark.parametrize(
    ("rate", "phase", "fate"),
    [
        ("1/2", "saddle attracts", "saddle"),
        ("9/5", "complete instability", "blow-up"),
        ("1/5", "correct learning", None),
    ],
)
def test_simulate_compares_the_fates_with_the_phase(rate, phase, fate):
    result = invoke("simulate", "two_point_net", "--at", f"eta={rate}", *FATES, "--json")
    assert result.exit_code == 0, result.output
    shown = data(result)
    assert (shown["phase"], shown["verdict"]) == (phase, "agree")
    counts = {name: row["count"] for name, row in shown["fates"].items()}
    assert sum(counts.values()) == 100
    assert fate is None or counts[fate] == 100


def test_simulate_prints_exponents_fates_and_verdict():
    result = invoke("simulate", "two_point_net", "--at", "eta=0.5", *FATES, "--start", "u=0.001,w=0.001", columns=60)
    assert result.exit_code == 0, result.output
    for text in ("phase: saddle attracts", "fates after 3000 steps", "blow-up", "✓ agree", "100 of 100 did"):
        assert text in result.stdout


def test_fates_against_the_phase_exit_with_one(monkeypatch):
    monkeypatch.setattr(phases, "phase_names", lambda _: ["correct learning"])
    result = invoke("simulate", "two_point_net", "--at", "eta=0.5", *FATES)
    assert result.exit_code == 1
    assert "✗ disagree" in result.stdout


def test_simulate_says_what_fates_need():
    assert_refused(invoke("simulate", "two_point_net", "--start", "v=1"), "no parameter v", "u, w")
    assert_refused(invoke("simulate", "two_point_net", "--until", 2.5), "whole number of steps")
    assert_refused(invoke("simulate", "two_point_net", "--method", "chain"), "SGD itself")


def test_the_verdict_follows_from_the_counts():
    assert check_fates("saddle attracts", found(saddle=90, blow_up=10)).verdict is Verdict.AGREE
    assert check_fates("minimum attracts", found(saddle=90, correct=10)).verdict is Verdict.AGREE
    assert check_fates("saddle attracts", found(saddle=50, blow_up=50)).verdict is Verdict.UNDECIDED
    assert check_fates("complete instability", found(saddle=90, blow_up=10)).verdict is Verdict.DISAGREE
    assert check_fates("instability", found(undirected=90, saddle=10)).verdict is Verdict.AGREE
    assert check_fates("undecided", found(saddle=100)).verdict is Verdict.UNDECIDED


def test_the_direction_of_escape_counts_where_the_phase_names_one():
    assert check_fates("correct learning", found(correct=80, incorrect=5, blow_up=15)).agrees
    assert check_fates("correct learning", found(correct=5, incorrect=80)).verdict is Verdict.DISAGREE
    assert check_fates("incorrect learning", found(correct=5, incorrect=80)).agrees
    # where runs blow up the linear theory does not say in which direction, so nothing speaks against it
    assert check_fates("incorrect learning", found(blow_up=100)).agrees
    assert len(check_fates("incorrect learning", found(blow_up=100)).reasons) == 1


def test_an_undecided_comparison_is_no_agreement(monkeypatch):
    monkeypatch.setattr(phases, "phase_names", lambda _: ["undecided"])
    result = invoke("simulate", "two_point_net", "--at", "eta=0.5", *FATES)
    assert result.exit_code == 1
    assert "undecided\nthe exponents are known too roughly" in result.stdout


# ------------------------------------------------------------------------------------------------------------- plot


def test_plot_draws_the_phase_diagram_over_the_axes_of_the_file():
    shown = data(invoke("plot", "two_point_net", "--json"))
    assert shown["file"] == "two_point_net.svg"
    assert sum(shown["phases"].values()) == pytest.approx(1)
    assert {"saddle attracts", "correct learning", "complete instability"} <= set(shown["phases"])
    assert Path("two_point_net.svg").exists()


def test_plot_overlays_fates_and_counts_where_they_agree():
    axes = ("--over", "eta=0.2:2:7", "--over", "a=-0.9:-0.5:5")
    result = invoke("plot", "two_point_net", *axes, "--fates", "--replicas", 40, "--until", 500, "-o", "phases.png")
    assert result.exit_code == 0, result.output
    assert "of 36 points leave or stay as predicted" in result.stdout
    assert "(blow-up counts as leaving)" in result.stdout
    assert Path("phases.png").read_bytes().startswith(b"\x89PNG")


def test_a_phase_diagram_refuses_what_only_runs_have():
    assert_refused(invoke("plot", "two_point_net", "--replicas", 40), "--replicas", "add --fates")


def test_a_phase_diagram_has_two_axes():
    assert_refused(invoke("plot", "two_point_net", "--over", "eta=0.2:2:7"), "two axes, got 1 (eta)", "--over")
    file = load_model("two_point_net")
    assert list(phases.axes_of(file, moves.derive(file, file.theory), {})) == ["eta", "a"]


# ------------------------------------------------------------------------------------------- where theory is silent

FLAT = """\
title = "Three layers, whose loss is flat at the origin"
theory = "stability"
[symbols]
eta = "positive"
p = "positive"
a = "real"
b = "real"
d = "real"
x = "real"
s = "real"
[model]
loss = "(a*b*d*x - s*x)**2/2"
parameters = ["a", "b", "d"]
[data]
x = "Normal()"
s = "Discrete({1: 1 - p, -1: p})"
[algorithm]
learning_rate = "eta"
[at]
eta = 0.1
p = 0.2
[point]
a = 0
b = 0
d = 0
[over]
eta = [0.01, 1.5, 5]
p = [0.1, 0.9, 5]
"""


def test_where_every_direction_is_neutral_solve_says_why_there_are_no_thresholds():
    Path("flat.toml").write_text(FLAT)
    result = invoke("solve", "flat")
    assert result.exit_code == 0, result.output
    assert "exponent per step" in result.stdout
    assert "no thresholds: every direction is neutral" in result.stdout
    assert "thresholds" not in data(invoke("solve", "flat", "--json"))
    assert_refused(invoke("solve", "flat", "--over", "etta=0:1:5"), "did you mean eta?")


def test_where_every_direction_is_neutral_fates_are_counted_and_not_judged():
    Path("flat.toml").write_text(FLAT)
    result = invoke("simulate", "flat", *FATES)
    assert result.exit_code == 0, result.output
    assert "no verdict\nlinear theory is silent here" in result.stdout
    assert data(invoke("simulate", "flat", *FATES, "--json"))["verdict"] is None


def test_an_axis_that_no_exponent_depends_on_is_refused_by_name():
    Path("flat.toml").write_text(FLAT)
    assert_refused(invoke("plot", "flat"), "over p in flat.toml: p drops out at this point", "eta")
    axes = ("--over", "eta=0.1:1:3", "--over", "p=0.1:0.9:3")
    assert_refused(invoke("plot", "flat", *axes), "--over p=...: p drops out at this point")


def test_orders_add_moment_exponents_and_thresholds_in_that_sense():
    result = invoke("solve", "two_point_net", "--order", "2")
    assert "L(2)" in result.stdout
    assert "stable in probability for eta between 0.02 and 2" in result.stdout
    assert "stable in mean square for eta between 0.02 and 2" in result.stdout
    found = data(invoke("solve", "two_point_net", "--order", "1", "--order", "2", "--json"))
    (thresholds,) = [entry for entry in found["moment_thresholds"] if entry["order"] == 2]
    assert thresholds["sense"] == "in mean square"
    modes = {mode["mode"]: mode for mode in found["modes"]}
    assert [moment["order"] for moment in modes["u + w"]["moments"]] == [1, 2]
    # E m^2 of u + w at rate 0.2: the mean of 1.2^2 and (1 - 0.16)^2
    assert modes["u + w"]["moments"][1]["moment_exponent"] == pytest.approx(math.log((1.2**2 + 0.84**2) / 2), abs=1e-12)


def test_orders_belong_to_stability():
    assert_refused(invoke("solve", "least_squares", "--order", "2"), "--order has no meaning for equations in time")
    assert_refused(invoke("plot", "least_squares", "--order", "2"), "--order belong to phase diagrams")


def test_a_noisy_quadratic_loss_needs_no_point():
    result = invoke("solve", "scalar_regression", "--theory", "stability")
    assert "phase: stationary law exists" in result.stdout
