"""What of CUDA is here: the packages, the compiler, the driver, a device; and what to do about what is not."""

from __future__ import annotations

import importlib.util
import os
from functools import cache
from typing import Any

from numerics.targets.target import Check

INSTALL = "install the CUDA packages with python -m pip install 'sgd-theory[cuda]'"
"""What to do where the packages are missing."""
_SIMULATOR = "NUMBA_ENABLE_CUDASIM"
_ELSEWHERE = f"kernels also run, slowly, in numba's simulator: set {_SIMULATOR}=1"


@cache
def missing_packages() -> str | None:
    """What is not installed, None if all is there."""
    try:
        found = importlib.util.find_spec("numba_cuda")
    except (ImportError, ValueError):
        found = None
    return None if found else f"numba-cuda is not installed; {INSTALL}"


def is_simulated() -> bool:
    """Whether kernels run in numba's simulator."""
    return os.environ.get(_SIMULATOR, "0") not in ("", "0")


def reason_unavailable() -> str | None:
    """Why no kernel can run here, and what to do; None if one can."""
    missing = missing_packages()
    if missing:
        return missing
    for check in (driver(), device()):
        if check.works is False:
            return f"{check.detail}; {check.remedy}"
    return None


def driver() -> Check:
    """Whether the NVIDIA driver is here and can be started."""
    if is_simulated():
        return Check("driver", True, "numba's simulator stands in for it")
    from numba.cuda.cudadrv.driver import driver as handle

    try:
        handle.ensure_initialized()
        major, minor = handle.get_version()
    except Exception as error:  # the driver has errors of its own for every way of not being there
        text = " ".join(str(error).split())
        if "NO_DEVICE" in text:
            return Check("driver", True, "it is installed")
        if "library cannot be found" in text:
            remedy = f"install the driver of your GPU, or expose it to this container (--gpus all); {_ELSEWHERE}"
            return Check("driver", False, "the NVIDIA driver is not installed (no libcuda)", remedy)
        return Check("driver", False, f"the NVIDIA driver does not start ({text})", f"look at nvidia-smi; {_ELSEWHERE}")
    return Check("driver", True, f"CUDA {major}.{minor}")


def device() -> Check:
    """Whether there is a device that a process may use."""
    if is_simulated():
        return Check("device", True, "numba's simulator")
    from numba import cuda

    try:
        cuda.current_context()
        found: Any = cuda.get_current_device()
        name = found.name.decode() if isinstance(found.name, bytes) else str(found.name)
    except Exception as error:
        hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
        remedy = f"look at nvidia-smi; {_ELSEWHERE}"
        if hidden is not None:
            remedy = f"CUDA_VISIBLE_DEVICES={hidden!r} hides devices; {remedy}"
        return Check("device", False, f"no CUDA device can be used ({' '.join(str(error).split())})", remedy)
    major, minor = found.compute_capability
    return Check("device", True, f"{name}, compute capability {major}.{minor}")


def compiler() -> Check:
    """Whether a kernel becomes PTX here; that needs no device."""
    if is_simulated():
        return Check("compiler", None, "not looked at: numba's simulator compiles nothing")
    from numba import cuda

    def probe(values: Any) -> None:
        index = cuda.grid(1)
        if index < values.size:
            values[index] *= 2.0

    try:
        text, _ = cuda.compile_ptx(probe, "void(float64[::1])", cc=(9, 0))
    except Exception as error:  # NVVM and the toolkit are found, or not, in many ways
        return Check("compiler", False, f"no PTX can be made ({' '.join(str(error).split())})", INSTALL)
    return Check("compiler", True, f"makes PTX ({len(text)} characters for a probe)")


def launch() -> Check:
    """Whether a kernel runs and gives the right numbers."""
    if is_simulated():
        return Check("kernel", None, "not looked at: numba's simulator runs kernels as Python")
    import numpy as np
    from numba import cuda

    def probe(values: Any) -> None:
        index = cuda.grid(1)
        if index < values.size:
            values[index] *= 2.0

    values = np.arange(4.0)
    try:
        kernel: Any = cuda.jit(probe)
        on_device = cuda.to_device(values)
        kernel[1, 32](on_device)
        result = on_device.copy_to_host()
    except Exception as error:
        return Check("kernel", False, f"no kernel runs ({' '.join(str(error).split())})", "look at nvidia-smi")
    right = bool((result == 2 * values).all())
    return Check(
        "kernel", right, "a probe ran" if right else f"a probe gave {result}", "" if right else "look at nvidia-smi"
    )


def checks() -> tuple[Check, ...]:
    """Package, compiler, driver, device, kernel, in this order; what rests on something missing is not looked at."""
    missing = missing_packages()
    if missing:
        what, _, remedy = missing.partition("; ")
        rest = tuple(Check(name, None, "not looked at") for name in ("compiler", "driver", "device", "kernel"))
        return (Check("package", False, what, remedy), *rest)
    from importlib.metadata import version

    found = [Check("package", True, f"numba-cuda {version('numba-cuda')}"), compiler(), driver()]
    found.append(device() if found[-1].works else Check("device", None, "not looked at: it needs the driver"))
    found.append(launch() if found[-1].works else Check("kernel", None, "not looked at: it needs a device"))
    return tuple(found)
