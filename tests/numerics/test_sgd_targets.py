"""Direct SGD is the same program on every target and in both precisions: the same draws, the same numbers up to rounding."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sgd_zoo import MEMBERS, SIZE, difference, run

from numerics import Precision, Target, TargetUnavailable
from numerics.templates.sgd import sgd_program

ROOT = Path(__file__).parents[2]
ROUNDING = 64
"""Units of the last place by which two orders of the few dozen operations of these runs may differ."""
QUICK = ("Nesterov, decay, heat, batch", "field", "persistent", "ensemble, batch, momentum, heat")


def in_the_simulator(names):
    """What `sgd_zoo.py` prints for these members in a process of its own."""
    pytest.importorskip("numba_cuda", reason="the simulator comes with numba-cuda")
    environment = {**os.environ, "NUMBA_ENABLE_CUDASIM": "1", "PYTHONPATH": str(ROOT)}
    script = Path(__file__).with_name("sgd_zoo.py")
    done = subprocess.run(
        [sys.executable, str(script), *names], env=environment, capture_output=True, text=True, timeout=1200
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def assert_same(results):
    assert results
    for name, (gap, same_steps, _) in results.items():
        allowed = ROUNDING * Precision(name.rsplit(", ", 1)[1]).epsilon
        assert gap <= allowed, f"{name}: {gap}"
        assert same_steps, name


def test_cuda_in_the_simulator_makes_the_draws_and_steps_of_the_cpu():
    assert_same(in_the_simulator(QUICK))


@pytest.mark.slow
def test_cuda_in_the_simulator_runs_every_model_and_algorithm_as_the_cpu_does():
    results = in_the_simulator(())
    assert len(results) == 2 * len(MEMBERS)
    assert_same(results)
    assert all(diverged == 2 for name, (_, _, diverged) in results.items() if name.startswith("runaway"))


def device_program(name, precision, shared=True):
    model, algorithm, observe, _ = MEMBERS[name]()
    symbols = {*model.hyperparameters, *model.dimensions, *algorithm.free_symbols}
    values = {symbol: SIZE if symbol in model.dimensions else 0.5 for symbol in symbols}
    return sgd_program(model, algorithm, observe, values, target=Target.CUDA, precision=precision, shared=shared)


def assert_frugal(name, precision):
    pytest.importorskip("numba_cuda", reason="PTX needs the CUDA compiler packages")
    found = device_program(name, precision).kernel.resources()
    assert found.spills == 0
    assert found.registers <= 168  # three blocks of 128 threads then share the 65,536 registers of a multiprocessor


@pytest.mark.parametrize("precision", Precision)
@pytest.mark.parametrize("name", ["plain", "ensemble", "reshuffled"])
def test_device_code_spills_no_register(name, precision):
    assert_frugal(name, precision)


@pytest.mark.slow
@pytest.mark.parametrize("precision", Precision)
@pytest.mark.parametrize("name", MEMBERS)
def test_device_code_of_every_model_and_algorithm_spills_no_register(name, precision):
    assert_frugal(name, precision)


@pytest.mark.parametrize("name", ["plain", "ensemble"])
def test_single_precision_device_code_holds_no_double(name):
    pytest.importorskip("numba_cuda", reason="PTX needs the CUDA compiler packages")
    assert ".f64" not in device_program(name, Precision.FLOAT32).kernel.ptx()


def test_rows_may_lie_in_global_memory():
    pytest.importorskip("numba_cuda", reason="PTX needs the CUDA compiler packages")
    kernels = [device_program("plain", Precision.FLOAT32, shared=shared).kernel for shared in (False, True)]
    assert "pool = work[index - first]" in kernels[0].source
    assert ["extern .shared" in kernel.ptx() for kernel in kernels] == [False, True]


@pytest.mark.parametrize("name", ["plain", "look-ahead, decoupled", "classes", "gamma entries", "ensemble"])
def test_single_precision_follows_double_precision(name):
    single, double = (run(name, Target.CPU, precision, replicas=8) for precision in Precision)
    assert difference(double, single) <= ROUNDING * Precision.FLOAT32.epsilon
    assert single.attrs["precision"] == "float32"


def test_a_replica_of_an_ensemble_does_not_depend_on_its_place_in_a_block():
    """1024 replicas advance together; the numbers of one do not depend on how many there are."""
    many, few = (run("ensemble", Target.CPU, Precision.FLOAT32, replicas=count) for count in (1500, 7))
    for name in ("s", "t"):
        assert (many[name].values[:7] == few[name].values).all()


def test_threads_do_not_change_a_bit_of_an_ensemble():
    one, three = (
        run("ensemble, batch, momentum, heat", Target.CPU, Precision.FLOAT32, replicas=5000, threads=threads)
        for threads in (1, 3)
    )
    assert (one["s"].values == three["s"].values).all()


def test_divergence_is_recorded_at_its_step_in_either_precision():
    single, double = (run("runaway", Target.CPU, precision, replicas=50) for precision in Precision)
    for found in (single, double):
        lost = found["diverged_step"].values
        assert (lost >= 0).any()
        for replica in np.flatnonzero(lost >= 0):
            path = found["s"].values[replica]
            assert np.isnan(path[lost[replica] + 1 :]).all()
            assert np.isfinite(path[: lost[replica] + 1]).all()
    assert (single["diverged_step"].values <= np.where(double["diverged_step"] < 0, 99, double["diverged_step"])).all()


@pytest.mark.skipif("NUMBA_ENABLE_CUDASIM" in os.environ, reason="the simulator passes for a device")
def test_a_device_that_is_not_there_is_named_before_anything_is_computed():
    from numerics.targets import backend

    if backend(Target.CUDA).reason_unavailable() is None:
        pytest.skip("there is a device")
    with pytest.raises(TargetUnavailable, match=r"target='cuda'.*run with target='cpu'"):
        run("plain", Target.CUDA, Precision.FLOAT64)
