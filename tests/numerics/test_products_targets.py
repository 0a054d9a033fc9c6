"""The program of products is the same on every target: the same draws, the same numbers up to rounding, no register spilled."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import product_cases
import pytest
from product_cases import MEMBERS, by_replica, eta

from numerics import Target, TargetUnavailable
from numerics.stability.simulated import products
from numerics.stability.simulated.product_sources import source_of
from numerics.targets import backend
from numerics.templates.products import product_program

ROOT = Path(__file__).parents[2]
ROUNDING = 1e-12
"""Exponents of 6 steps after 4, of norms that differ in the last places."""
QUICK = ("reshuffled, Nesterov", "bernoulli", "drawn", "stream, look-ahead")


def in_the_simulator(path, members):
    """What `product_cases.py` writes for these members in a process in which numba's CUDA simulator stands for a device."""
    pytest.importorskip("numba_cuda", reason="the simulator comes with numba-cuda")
    environment = {**os.environ, "NUMBA_ENABLE_CUDASIM": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(Path(__file__).with_name("product_cases.py")), "cuda", str(path), *members]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return dict(np.load(path))


def assert_same(found, members, monkeypatch):
    monkeypatch.setattr(products, "BURN_IN", 4)
    assert set(found) == set(members)
    for name in members:
        expected = by_replica(name, steps=6, replicas=2)
        np.testing.assert_allclose(found[name], expected, atol=ROUNDING, err_msg=name)


def test_cuda_in_the_simulator_makes_the_products_of_the_cpu(tmp_path, monkeypatch):
    assert_same(in_the_simulator(tmp_path / "found.npz", QUICK), QUICK, monkeypatch)


@pytest.mark.slow
def test_cuda_in_the_simulator_draws_every_kind_of_batch_as_the_cpu_does(tmp_path, monkeypatch):
    assert_same(in_the_simulator(tmp_path / "found.npz", MEMBERS), MEMBERS, monkeypatch)


def assert_frugal(name):
    pytest.importorskip("numba_cuda", reason="PTX needs the CUDA compiler packages")
    block = MEMBERS[name]
    source = source_of(block, {eta: 0.5}, Target.CUDA)
    program = product_program(source.code, has_velocity=block.step.has_velocity, target=Target.CUDA)
    found = program.resources((9, 0))
    assert found.spills == 0
    assert found.registers <= 168  # three blocks of 128 threads then share the 65,536 registers of a multiprocessor


def test_device_code_spills_no_register():
    assert_frugal("reshuffled, Nesterov")


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in MEMBERS if not name.startswith("stream")])
def test_device_code_of_every_kind_of_batch_spills_no_register(name):
    assert_frugal(name)


@pytest.mark.parametrize("name", [*QUICK, "without replacement", "weighted"])
def test_a_replica_depends_neither_on_threads_nor_on_the_number_of_replicas(name):
    one, two = (by_replica(name, replicas=9, threads=threads) for threads in (1, 2))
    np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(one[:4], by_replica(name, replicas=4))


@pytest.mark.skipif("NUMBA_ENABLE_CUDASIM" in os.environ, reason="the simulator passes for a device")
def test_a_device_that_is_not_there_is_named():
    if backend(Target.CUDA).reason_unavailable() is None:
        pytest.skip("there is a device")
    with pytest.raises(TargetUnavailable):
        product_cases.by_replica("reshuffled", Target.CUDA)
