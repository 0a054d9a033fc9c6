"""Simulated products on a real device: those of the CPU. Run with `python -m pytest -m gpu tests/gpu`."""

from __future__ import annotations

import numpy as np
import pytest
from product_cases import MEMBERS, POINTS, by_replica, eta, grid, regression, sgd

from numerics import Target
from numerics.stability.runs import Runs
from numerics.stability.simulated.products import product_exponents, product_spectrum
from numerics.targets import backend
from theory import Sampling

REASON = backend(Target.CUDA).reason_unavailable()
pytestmark = [pytest.mark.gpu, pytest.mark.skipif(REASON is not None, reason=str(REASON))]


@pytest.mark.parametrize("name", MEMBERS)
def test_a_device_makes_the_products_of_the_cpu(name):
    """The same draws: exponents of 40 steps, of norms that differ in the last places."""
    device, cpu = (by_replica(name, target, replicas=64) for target in (Target.CUDA, Target.CPU))
    np.testing.assert_allclose(device, cpu, atol=1e-9)


def test_a_grid_of_points_has_the_exponents_of_the_cpu():
    """Rounding does not change an average over many steps by more than its own size, since a product forgets where it came from."""
    block = regression(POINTS, sgd(Sampling.RESHUFFLED))
    found = []
    for target in (Target.CUDA, Target.CPU):
        found.append(product_exponents(block, grid(np.linspace(0.2, 2.0, 10)), Runs(steps=2000, target=target), 2)[0])
    np.testing.assert_allclose(*found, atol=1e-8)


def test_a_wide_block_runs_in_global_memory():
    points = np.random.default_rng(0).normal(size=(50, 20))
    block = regression(points, sgd(Sampling.WITHOUT_REPLACEMENT, batch_size=5))
    runs = (Runs(steps=500, replicas=32, target=target) for target in (Target.CUDA, Target.CPU))
    device, cpu = (product_spectrum(block, {eta: 0.02}, run, 20) for run in runs)
    np.testing.assert_allclose(device["spectrum"], cpu["spectrum"], atol=1e-8)
