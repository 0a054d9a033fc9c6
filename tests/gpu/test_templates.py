"""Integrators and the chain on a real device against the CPU. Run with `python -m pytest -m gpu tests/gpu`."""

from __future__ import annotations

import chain_zoo
import integration_cases
import numpy as np
import pytest

from numerics import Precision, Target
from numerics.targets import backend

REASON = backend(Target.CUDA).reason_unavailable()
pytestmark = [pytest.mark.gpu, pytest.mark.skipif(REASON is not None, reason=str(REASON))]

# A device fuses multiplications with additions, and its elementary functions differ from libm's in the last places.
ROUNDING = 4096


def assert_close(found, expected, name):
    precision = Precision.FLOAT32 if "float32" in name else Precision.FLOAT64
    scale = max(1.0, float(np.nanmax(np.abs(expected))))
    np.testing.assert_allclose(found, expected, atol=ROUNDING * precision.epsilon * scale, rtol=0, err_msg=name)


def test_integrators_follow_the_cpu():
    device, cpu = (integration_cases.everything(target) for target in (Target.CUDA, Target.CPU))
    for name, values in cpu.items():
        assert_close(device[name], values, name)


@pytest.mark.parametrize("member", chain_zoo.CASES)
def test_the_chain_follows_the_cpu(member):
    device, cpu = (chain_zoo.numbers(member, target) for target in (Target.CUDA, Target.CPU))
    for precision, values in cpu.items():
        assert_close(np.asarray(device[precision], float), np.asarray(values, float), str(precision))
