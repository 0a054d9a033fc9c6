"""Every row of the benchmarks can be measured, and what is compared computes the same thing. No figure is a test."""

from __future__ import annotations

import importlib
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from derivations import display
from derivations.benchmarks import (
    c_code,
    committee,
    device,
    diagrams,
    explicit,
    groups,
    memory,
    peer,
    solvers,
    stability,
    systems,
    table,
)
from derivations.benchmarks.timing import (
    NotRun,
    Plan,
    Requirement,
    Row,
    Sample,
    Setting,
    Size,
    about,
    alone,
    at_least,
    at_most,
    compared,
    interleaved,
    missing,
    per_step,
    timed,
)
from numerics.random import fill_normals32

ROOT = Path(__file__).parents[2]
TINY = Plan(repeats=2, size=Size.TINY)
ERRORS = 5.0
needs_c = pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")


# ------------------------------------------------------------------------------------------------------- every row


@pytest.mark.parametrize("name", groups.GROUPS)
def test_every_row_is_measured_or_says_why_it_is_not(name):
    rows = list(importlib.import_module(f"derivations.benchmarks.{name}").rows(TINY))
    assert rows
    assert len({row.name for row in rows}) == len(rows)
    for row in rows:
        if row.not_run is not None:
            assert row.not_run
            continue
        assert math.isfinite(row.ours)
        assert row.what
        assert row.repeats >= 1
        assert row.setting.sizes
        if row.peer_name:
            assert row.peer > 0
            assert row.ratio > 0
        else:
            assert row.ratio is None
    if name != "device":
        assert sum(row.not_run is None for row in rows) > len(rows) / 2, [row.not_run for row in rows]


def test_a_group_that_cannot_run_is_one_row(monkeypatch):
    def refuse(_):
        raise NotRun("nothing to compare with")
        yield

    monkeypatch.setattr(importlib.import_module("derivations.benchmarks.normals"), "rows", refuse)
    (row,) = groups.run(["normals"], TINY)
    assert row.not_run == "nothing to compare with"


def test_without_a_device_no_figure_of_one_is_given(monkeypatch):
    monkeypatch.setattr(device, "reason", lambda: "no device")
    rows = list(device.rows(TINY))
    assert len(rows) == len(device.WHAT)
    assert {row.not_run for row in rows} == {"no device"}
    assert {row.ours for row in rows} == {None}


def test_numbas_simulator_is_no_device():
    code = (
        "from derivations.benchmarks import device; from derivations.benchmarks.timing import Plan; "
        "print({row.not_run for row in device.rows(Plan())})"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "NUMBA_ENABLE_CUDASIM": "1"}
    pytest.importorskip("numba_cuda")
    run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert "simulator stands for a device" in run.stdout, run.stderr


def test_the_programs_of_the_device_compile_without_one():
    pytest.importorskip("numba_cuda")
    assert "mul.wide.u32" in device.multiplying().ptx() or "mul.lo.s64" in device.multiplying().ptx()
    assert "st.global" in device.copying().ptx()
    assert "sqrt" in device.drawing().ptx()


@pytest.mark.slow
def test_the_rows_of_the_device_run_in_the_simulator():
    pytest.importorskip("numba_cuda")
    code = (
        "from derivations.benchmarks import device; from derivations.benchmarks.timing import Plan, Size; "
        "print(*[row.name for row in device.rows(Plan(1, Size.TINY))])"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "NUMBA_ENABLE_CUDASIM": "1"}
    run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert run.stdout.split() == [f"device-{name}" for name in device.WHAT], run.stderr


# ------------------------------------------------------------------------------- peers compute the same thing


SETTINGS = {"n": 100, "steps": 60, "replicas": 64, "rate": systems.RATE}


@pytest.fixture(scope="module")
def committee_start():
    return systems.vector_start(2, 2, SETTINGS["n"])


@pytest.fixture(scope="module")
def settings(committee_start):
    return {
        **SETTINGS,
        "start": committee_start.vectors[0].tolist(),
        "teachers": committee_start.signals.tolist(),
    }


@pytest.fixture(scope="module")
def ours(committee_start):
    program = systems.direct(systems.committee(), committee_start, SETTINGS["n"])
    return program(SETTINGS["steps"], replicas=SETTINGS["replicas"])


def assert_same_law(first, second):
    """The means of two independent samples of several statistics agree within their standard errors."""
    first, second = np.asarray(first, float), np.asarray(second, float)
    error = np.sqrt(sum(sample.var(axis=0, ddof=1) / len(sample) for sample in (first, second)))
    assert (abs(first.mean(axis=0) - second.mean(axis=0)) < ERRORS * error).all()


@needs_c
@pytest.mark.parametrize("flags", c_code.VARIANTS)
def test_the_c_loop_makes_the_steps_of_the_generated_program(settings, ours, flags):
    library = c_code.variants("committee").get(flags) or pytest.skip(f"this compiler has no variant {flags}")
    found = committee.in_c(library, settings)()
    assert ours.std(axis=0).min() > 0.01
    np.testing.assert_allclose(found, ours, atol=2e-5)


@needs_c
def test_the_c_loop_draws_new_numbers_for_a_new_seed(settings, ours):
    library = next(iter(c_code.variants("committee").values()))
    found = committee.in_c(library, settings, seed=2)()
    assert abs(found - ours).max() > 0.01
    assert_same_law(found, ours)


def test_the_committee_in_numpy_has_the_law_of_the_generated_program(settings, ours):
    with peer.Peer("committee_numpy", settings) as numpy:
        assert_same_law(numpy.found, ours)
        assert numpy() > 0
        assert numpy.first_seconds > 0


@pytest.mark.slow
def test_the_committee_in_jax_has_the_law_of_the_generated_program(settings, ours):
    pytest.importorskip("jax")
    with peer.Peer("committee_jax", settings) as jax:
        assert_same_law(jax.found, ours)
        assert jax() > 0


def test_the_ensemble_in_numpy_has_the_law_of_the_generated_program():
    replicas = 4096
    program = systems.direct(systems.scalar_net(), systems.scalar_start(replicas), rate=explicit.RATE)
    assert_same_law(program(40, replicas=replicas, threads=2), explicit.in_numpy(40, replicas)[:, np.newaxis])


def test_scipy_follows_the_trajectories_of_the_ensemble():
    equations, rates = solvers.limit(), np.linspace(0.01, 0.05, 3)
    np.testing.assert_allclose(solvers.ensemble(equations, rates), solvers.one_by_one(equations, rates), rtol=1e-4)


def test_numpy_and_c_find_the_lyapunov_exponents_of_the_generated_program():
    found = solvers.exponents(solvers.random_map(), 300, 64)
    assert (np.diff(found.mean(axis=0)) < 0).all()
    assert_same_law(solvers.exponents_in_numpy(300, 64), found)
    if shutil.which("cc"):
        library = next(iter(c_code.variants("lyapunov").values()))
        assert_same_law(solvers.exponents_in_c(library, 300, 64)(), found)


def test_numpy_finds_the_exponents_of_the_phase_diagram():
    rates, correlations = np.linspace(0.05, 2, 9), np.linspace(-0.9, 0.9, 7)
    ours = diagrams.exponents(diagrams.net(), rates, correlations)
    np.testing.assert_allclose(ours, diagrams.exponents_in_numpy(rates, correlations), atol=1e-11)


@pytest.mark.parametrize("name", [name for name in stability.EXAMPLES if "inputs" not in name])
def test_every_worked_example_has_exponents(name):
    assert np.all(np.isfinite(stability.answer(name)))


def test_many_fills_are_the_fills_of_many_steps():
    out, last = np.empty(8, np.float32), np.empty(8, np.float32)
    committee.fill_often(out, 5)
    fill_normals32(last, 1, 1, 0, 4, 0)
    np.testing.assert_array_equal(out, last)


# ------------------------------------------------------------------------------------------ peers that are absent


def test_a_peer_that_is_not_installed_is_not_run():
    with pytest.raises(NotRun, match=r"no_such_tool is not installed; .*sgd-theory\[bench\]"):
        peer.require("no_such_tool")


def test_without_a_compiler_the_rows_of_c_say_so(monkeypatch):
    c_code.library.cache_clear()
    monkeypatch.setattr(c_code.shutil, "which", lambda _: None)
    with pytest.raises(NotRun, match="no C compiler"):
        c_code.variants("committee")
    c_code.library.cache_clear()


@needs_c
def test_a_refusal_of_the_compiler_is_reported():
    with pytest.raises(NotRun, match=r"cc refuses committee\.c: .*no-such-flag"):
        c_code.library("committee", "-fno-such-flag")


def test_a_peer_whose_process_ends_says_what_happened():
    with pytest.raises(NotRun, match="KeyError: 'n'"):
        peer.Peer("committee_numpy", {})
    with pytest.raises(NotRun, match="its process ended"):
        peer.once("no_such_module", {})
    with peer.Peer(
        "committee_numpy",
        {"n": 4, "steps": 1, "replicas": 2, "rate": 0.1, "start": [[0.5] * 4] * 2, "teachers": [[0.5] * 4] * 2},
    ) as ended:
        ended._process.kill()
        ended._process.wait()
        with pytest.raises(NotRun, match="its process ended"):
            ended()


def test_memory_is_that_of_this_process():
    assert 10 * 2**20 < memory.peak_memory() < 2**40


# --------------------------------------------------------------------------------------------------------- timing


def test_the_sides_take_turns_after_a_first_call_of_each():
    calls = []
    found = interleaved({name: lambda name=name: calls.append(name) or 1.0 for name in "ab"}, 2)
    assert calls == ["a", "b"] * 3
    assert found["a"].seconds == (1.0, 1.0)


def test_a_ratio_is_the_median_of_those_of_each_round():
    slow, fast = Sample((2.0, 40.0, 6.0), 0.5), Sample((1.0, 10.0, 3.0))
    assert slow.over(fast) == 2.0
    row = compared("x", "a thing", fast, slow, "peer", unit="ms", setting=Setting({"n": 3}), required=at_least(2))
    assert (row.ours, row.peer, row.ratio, row.met, row.figure) == (3000.0, 6000.0, 2.0, True, 2.0)
    above = compared("x", "a thing", slow, fast, "peer", unit="s", setting=Setting(), required=at_most(1.1))
    assert (above.ratio, above.met, above.compile_seconds) == (2.0, False, 0.5)


def test_what_a_call_costs_once_cancels(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("derivations.benchmarks.timing.clock", lambda _: lambda: now[0])

    def run(steps):
        now[0] += 7.0 + 0.5 * steps

    assert per_step(run, 100)() == 0.5
    assert per_step(run, 100, 2)() == 0.25
    assert timed(lambda: run(2), 4, calls=3)() == 2.0


def test_work_that_is_too_short_gives_no_figure():
    short, sample = Sample((0.0, 0.0, 1.0)), Sample((1.0, 1.0, 1.0))
    assert "noise" in compared("x", "a thing", sample, short, "peer", unit="s", setting=Setting()).not_run
    assert "noise" in alone("x", "a thing", Sample((-1.0,)), unit="s", setting=Setting()).not_run


@pytest.mark.parametrize(
    ("requirement", "good", "bad", "text"),
    [(at_least(5), 5.0, 4.9, ">= 5"), (at_most(1.1), 1.1, 1.2, "<= 1.1"), (about(1, 0.1), 0.95, 1.2, "1 ± 0.1")],
)
def test_requirements_say_what_they_ask_for(requirement, good, bad, text):
    assert requirement.met(good)
    assert not requirement.met(bad)
    assert str(requirement) == text


def test_a_single_round_has_no_spread():
    assert Sample((1.0,)).spread == 0.0
    assert Sample((1.0, 2.0, 3.0, 4.0)).spread == pytest.approx(0.6)


# ---------------------------------------------------------------------------------------------------------- table


ROWS = [
    Row("good-row", "a thing", "us", Setting({"n": 1000}, "float32"), 1.25, "NumPy", 12.5, 10.0, at_least(5), 7, 0.03, 1.5, "± 1"),
    Row("poor-row", "a thing", "us", Setting({"n": 1000}, "float32", 2), 1.25, "C", 1.0, 1.25, at_most(1.1), 7, 0.03),
    missing("absent-row", "a thing", "jax is not\ninstalled", peer_name="JAX", required=at_least(5)),
    Row("free-row", "a thing", ours=12345.6),
]  # fmt: skip


def test_the_table_marks_what_is_satisfied_and_what_was_not_run(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")
    display.show(table.table(ROWS))
    good, poor, absent, free = capsys.readouterr().out.splitlines()[1:]
    assert good.split()[:2] == [display.mark(True), "good-row"]
    assert all(
        text in good for text in ("n 1,000, float32", "1.25 us", "3 %", "12.5 us", "NumPy", "10", ">= 5", "1.50 s")
    )
    assert poor.startswith(display.mark(False))
    assert "2 threads" in poor
    assert absent.startswith(display.mark(None))
    assert "not run: jax is not installed" in absent
    assert "12,346" in free
    assert table.summary(ROWS) == "4 rows: 1 of 2 requirements satisfied, 1 not run; missed: poor-row"
    assert table.notes(ROWS) == ["good-row: ± 1"]


def test_the_heading_names_the_machine(monkeypatch):
    found = table.machine()
    assert found["processor"]
    assert "numba" in found["versions"]
    text = table.heading({**found, "load": 1.25}, Plan(5, Size.QUICK))
    assert "load 1.2" in text
    assert "medians of 5 rounds" in text
    assert "sizes: quick" in text


def test_names_select_groups_once_each():
    assert groups.select([]) == list(groups.GROUPS)
    assert groups.select(["chain", "normals", "chain"]) == ["chain", "normals"]
    with pytest.raises(groups.UnknownBenchmark, match=r"did you mean normals\?"):
        groups.select(["normal"])


def test_a_requirement_is_plain_data():
    assert isinstance(Requirement(1, at_least(1).direction).direction, str)
