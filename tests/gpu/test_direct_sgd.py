"""Direct SGD on a real device makes the draws and steps of the CPU. Run with `python -m pytest -m gpu tests/gpu`."""

from __future__ import annotations

import pytest
from sgd_zoo import MEMBERS, difference, run

from numerics import Precision, Target
from numerics.targets import backend

REASON = backend(Target.CUDA).reason_unavailable()
pytestmark = [pytest.mark.gpu, pytest.mark.skipif(REASON is not None, reason=str(REASON))]

# A device fuses multiplications with additions, and its elementary functions differ from libm's in the last places.
ROUNDING = 4096


@pytest.mark.parametrize("precision", Precision)
@pytest.mark.parametrize("name", MEMBERS)
def test_a_device_runs_every_model_and_algorithm_as_the_cpu_does(name, precision):
    cpu, device = (run(name, target, precision, replicas=64) for target in (Target.CPU, Target.CUDA))
    assert difference(cpu, device) <= ROUNDING * precision.epsilon
    assert (cpu["diverged_step"].values == device["diverged_step"].values).all()


def test_a_second_launch_gives_the_same_bits():
    first, second = (run("committee", Target.CUDA, Precision.FLOAT32, replicas=300) for _ in range(2))
    assert (first["q"].values == second["q"].values).all()
