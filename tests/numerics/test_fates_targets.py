"""The program of fates is the same on every target: the same draws, the same numbers up to rounding, no register spilled."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import fates_cases
import numpy as np
import pytest
from fates_cases import MEMBERS, assert_same, ended

from numerics import Precision, Target, TargetUnavailable, fates
from numerics.targets import backend
from numerics.templates.fates import fates_program

ROOT = Path(__file__).parents[2]
ROUNDING = 256
"""Units of the last place by which two orders of the few dozen operations of 12 steps may differ."""
QUICK = ("points", "heat, Nesterov", "without replacement")


def in_the_simulator(path, members):
    """What `fates_cases.py` writes for these members in a process in which numba's CUDA simulator stands for a device."""
    pytest.importorskip("numba_cuda", reason="the simulator comes with numba-cuda")
    environment = {**os.environ, "NUMBA_ENABLE_CUDASIM": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(Path(__file__).with_name("fates_cases.py")), "cuda", str(path), *members]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return dict(np.load(path))


def test_cuda_in_the_simulator_makes_the_runs_of_the_cpu(tmp_path):
    assert_same(in_the_simulator(tmp_path / "found.npz", QUICK), fates_cases.everything(Target.CPU, QUICK), ROUNDING)


@pytest.mark.slow
def test_cuda_in_the_simulator_runs_every_model_and_algorithm_as_the_cpu_does(tmp_path):
    assert_same(in_the_simulator(tmp_path / "found.npz", MEMBERS), fates_cases.everything(Target.CPU), ROUNDING)


def assert_frugal(name, precision):
    pytest.importorskip("numba_cuda", reason="PTX needs the CUDA compiler packages")
    model, algorithm, options = MEMBERS[name]
    values = {symbol: np.min(value) for symbol, value in options.get("at", {}).items()}
    program = fates_program(model, algorithm, values, target=Target.CUDA, precision=precision)
    found = program.kernel.resources((9, 0))
    assert found.spills == 0
    assert found.registers <= 168  # three blocks of 128 threads then share the 65,536 registers of a multiprocessor


def test_device_code_spills_no_register():
    assert_frugal("points", Precision.FLOAT64)


@pytest.mark.slow
@pytest.mark.parametrize("precision", Precision)
@pytest.mark.parametrize("name", MEMBERS)
def test_device_code_of_every_model_and_algorithm_spills_no_register(name, precision):
    assert_frugal(name, precision)


@pytest.mark.parametrize("name", QUICK)
def test_a_run_depends_neither_on_threads_nor_on_the_number_of_replicas(name):
    one, two = (ended(name, Target.CPU, Precision.FLOAT64, replicas=50, steps=40, threads=k) for k in (1, 2))
    few = ended(name, Target.CPU, Precision.FLOAT64, replicas=7, steps=40)
    np.testing.assert_array_equal(one.gaps, two.gaps)
    np.testing.assert_array_equal(one.gaps[:, :7], few.gaps)
    np.testing.assert_array_equal(one.steps, two.steps)


@pytest.mark.skipif("NUMBA_ENABLE_CUDASIM" in os.environ, reason="the simulator passes for a device")
def test_a_device_that_is_not_there_is_named():
    if backend(Target.CUDA).reason_unavailable() is None:
        pytest.skip("there is a device")
    model, algorithm, _ = MEMBERS["with replacement"]
    options = {"point": fates_cases.ORIGIN, "start": fates_cases.SMALL, "steps": 5, "target": "cuda"}
    with pytest.raises(TargetUnavailable, match=r"target='cuda'.*run with target='cpu'"):
        fates(model, algorithm, **options)
