"""What tests of device code share: a function's PTX where there is no device, and a process of its own for the simulator."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
HOPPER = (9, 0)

KERNEL = """
from numba import cuda
from {module} import {name}

def kernel(out, arguments, seed, index):
    {body}
"""


def ptx(module: str, name: str, body: str, signature: str) -> str:
    """PTX for compute capability 9.0 of `kernel(out, arguments, seed, index)`, whose body calls one library function."""
    pytest.importorskip("numba_cuda")
    from numba import cuda

    from numerics.targets.cuda import without_device

    namespace: dict = {}
    exec(KERNEL.format(module=module, name=name, body=body), namespace)
    with without_device(HOPPER):
        return str(cuda.compile_ptx(namespace["kernel"], signature, cc=HOPPER)[0])


def simulate(script: str, *arguments: str) -> str:
    """What a script prints in a process of its own in which numba's CUDA simulator stands for a device."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "NUMBA_ENABLE_CUDASIM": "1"}
    command = [sys.executable, "-c", script, *arguments]
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
