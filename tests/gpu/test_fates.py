"""Fates on a real device: the runs of the CPU. Run with `python -m pytest -m gpu tests/gpu`."""

from __future__ import annotations

import fates_cases
import numpy as np
import pytest

from numerics import Target, fates
from numerics.targets import backend
from theory import SGD

REASON = backend(Target.CUDA).reason_unavailable()
pytestmark = [pytest.mark.gpu, pytest.mark.skipif(REASON is not None, reason=str(REASON))]

# A device fuses multiplications with additions, and its elementary functions differ from libm's in the last places.
ROUNDING = 4096


def test_a_device_runs_every_model_and_algorithm_as_the_cpu_does():
    device, cpu = (fates_cases.everything(target, replicas=64) for target in (Target.CUDA, Target.CPU))
    fates_cases.assert_same(device, cpu, ROUNDING)


def test_a_grid_of_points_meets_the_fates_of_the_cpu():
    """Long runs part where rounding does, so the counts agree as two samples do: within 5 standard errors."""
    rates = np.linspace(0.3, 1.5, 7)
    options = {"point": fates_cases.ORIGIN, "at": {fates_cases.eta: rates, fates_cases.rho: 0.2}, "steps": 2000}
    device, cpu = (
        fates(fates_cases.PAIR, SGD(fates_cases.eta), start=fates_cases.SMALL, replicas=1000, target=target, **options)
        for target in (Target.CUDA, Target.CPU)
    )
    pooled = (device["fraction"] + cpu["fraction"]) / 2
    error = np.sqrt(2 * pooled * (1 - pooled) / 1000)
    assert (abs(device["fraction"] - cpu["fraction"]) <= 5 * error).all()
