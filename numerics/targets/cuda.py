"""Programs on an NVIDIA GPU: one thread, or one block of threads, per trajectory.

Library functions need no second version: a function that numba compiled for the CPU is compiled for the device when a
kernel calls it. Code can be made, read and measured where there is no GPU, and runs, slowly, in numba's simulator
(`NUMBA_ENABLE_CUDASIM=1`).
"""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from numerics.cache import cache_folder, keep
from numerics.targets import cuda_replica
from numerics.targets.cuda_presence import (
    checks as checks,
    missing_packages,
    reason_unavailable as reason_unavailable,
)
from numerics.targets.ensemble import Ensemble
from numerics.targets.replica import ReplicaProgram
from numerics.targets.target import Local, Resources, TargetUnavailable
from theory.identity import content_hash

if TYPE_CHECKING:
    from numerics.kernel import Kernel

DECORATOR = "@cuda.jit(cache=True)"
"""The decorator of entries. No fast mathematics: it would take NaN and infinity their meaning."""


def imports() -> tuple[str, ...]:
    """Import lines of every program."""
    return ("from numba import cuda",)


def trajectories(name: str, arguments: Sequence[str], locals_: Sequence[Local], body: Sequence[str]) -> str:
    """One thread per trajectory."""
    lines = [
        DECORATOR,
        f"def {name}({', '.join(['first', 'last', *arguments])}):",
        *(f"    {local.name} = cuda.local.array({local.code})" for local in locals_),
        "    index = first + cuda.grid(1)",
        "    if index < last:",
        *(f"        {line}" for line in body),
    ]
    return "\n".join(lines) + "\n"


def ensemble(name: str, arguments: Sequence[str], ensemble: Ensemble) -> str:
    """One thread per replica, its state in registers from the first step to the last."""
    finite = " and ".join(f"abs({state}) < math.inf" for state in ensemble.state)
    body = [
        *ensemble.prologue,
        *(f"{state} = start[{k}, index]" for k, state in enumerate(ensemble.state)),
        "stopped[index] = -1",
        "slot = 0",
        "for step in range(record_steps[record_steps.size - 1] + 1):",
        "    if record_steps[slot] == step:",
        *(f"        {line}" for line in ensemble.record),
        "        lost = stopped[index] >= 0",
        *(
            f"        out[slot, {k}, index] = real(math.nan) if lost else {value}"
            for k, value in enumerate(ensemble.recorded)
        ),
        "        slot += 1",
        "    if slot < record_steps.size:",
        *(f"        {line}" for line in ensemble.step),
        f"        if not ({finite}):",
        "            if stopped[index] < 0:",
        "                stopped[index] = step",
        *(f"            {state} = start[{k}, index]" for k, state in enumerate(ensemble.state)),
    ]
    return trajectories(name, arguments, (), body)


def replicas(name: str, arguments: Sequence[str], program: ReplicaProgram, *, threads: int, shared: bool) -> str:
    """A block of threads per replica, or one thread where there are no vectors."""
    return cuda_replica.replicas(name, DECORATOR, arguments, program, threads=threads, shared=shared)


# --------------------------------------------------------------------------------------------------------- running it


def require() -> None:
    """Raise `TargetUnavailable` unless there is a device."""
    reason = reason_unavailable()
    if reason:
        raise TargetUnavailable(f"target='cuda': {reason}; run with target='cpu', or read the code with kernel.ptx()")


def _require_compiler() -> None:
    missing = missing_packages()
    if missing:
        raise TargetUnavailable(f"PTX needs the CUDA compiler: {missing}")


def run(kernel: Kernel, count: int, values: Sequence[Any], *, threads: int | None, shared_bytes: int) -> None:
    """Copy the arrays to the device, launch, copy back what was written; an error of the device surfaces here."""
    require()
    if count == 0:
        return
    from numba import cuda

    on_device = [
        cuda.to_device(value) if argument.dimensions else value
        for argument, value in zip(kernel.arguments, values, strict=True)
    ]
    size = kernel.threads_per_block
    blocks = count if kernel.block_per_trajectory else math.ceil(count / size)
    launch: Any = kernel.function
    launch[blocks, size, 0, shared_bytes](0, count, *on_device)
    cuda.synchronize()
    for argument, value, array in zip(kernel.arguments, values, on_device, strict=True):
        if argument.written:
            array.copy_to_host(value)


# ------------------------------------------------------------------------------------------- code without a device


class _AnyDevice:
    """Stands for the current device while code is made for a stated compute capability."""

    def __init__(self, compute_capability: tuple[int, int]) -> None:
        self.compute_capability = compute_capability


@contextlib.contextmanager
def without_device(compute_capability: tuple[int, int]) -> Iterator[None]:
    """While this is open, functions called by a kernel are compiled for `compute_capability`, device or not.

    numba-cuda asks the current device for its compute capability as soon as a kernel calls a function.
    """
    from numba.cuda import dispatcher

    original = dispatcher.get_current_device
    dispatcher.get_current_device = lambda: _AnyDevice(compute_capability)
    try:
        yield
    finally:
        dispatcher.get_current_device = original


def assembly(kernel: Kernel, compute_capability: tuple[int, int]) -> str:
    """PTX by numba-cuda and NVVM; cached on disk by the content of the kernel and the versions of both."""
    _require_compiler()
    from importlib.metadata import version

    from numerics.kernel import cache_key

    versions = tuple(version(package) for package in ("numba-cuda", "numba", "cuda-toolkit"))
    key = content_hash((cache_key(kernel.source), kernel.entry, kernel.signature, compute_capability, versions))
    path = cache_folder() / f"k_{key}.ptx"
    try:
        text = path.read_text(encoding="utf-8")
        if text.endswith(_END):
            return text.removesuffix(_END)
    except (OSError, UnicodeDecodeError):
        pass
    text = _compiled(kernel, compute_capability)
    keep((text + _END).encode(), path.name)
    return text


_END = "\n// whole\n"  # a cached text that was cut short does not end so


def _compiled(kernel: Kernel, compute_capability: tuple[int, int]) -> str:
    from numba import cuda

    entry: Any = getattr(kernel.module, kernel.entry)
    with without_device(compute_capability):
        text, _ = cuda.compile_ptx(entry.py_func, kernel.signature, cc=compute_capability)
    return _renumbered(str(text))


def _renumbered(text: str) -> str:
    """PTX with the versions in mangled names (`v7`: numba counts what a process compiles) numbered as they occur."""
    numbers: dict[str, str] = {}

    def version(match: re.Match[str]) -> str:
        number = numbers.setdefault(match[1], f"v{len(numbers) + 1}")
        return f"B{len(number)}{number}"

    return re.sub(r"B\d+v(\d+)(?=B)", version, text)


def resources(kernel: Kernel, compute_capability: tuple[int, int]) -> Resources:
    """What ptxas, inside nvJitLink, reports of the linked machine code."""
    text = assembly(kernel, compute_capability).encode()
    from cuda.bindings import nvjitlink

    major, minor = compute_capability
    handle = nvjitlink.create(3, [f"-arch=sm_{major}{minor}", "-verbose", "-Xptxas=-v"])
    try:
        nvjitlink.add_data(handle, nvjitlink.InputType.PTX, text, len(text), kernel.entry)
        nvjitlink.complete(handle)
        log = bytearray(nvjitlink.get_info_log_size(handle))
        nvjitlink.get_info_log(handle, log)
    finally:
        nvjitlink.destroy(handle)
    report = log.decode(errors="replace")
    return Resources(
        registers=_largest(r"Used (\d+) registers", report),
        stack=_largest(r"(\d+) bytes stack frame", report),
        spills=_largest(r"(\d+) bytes spill stores", report) + _largest(r"(\d+) bytes spill loads", report),
    )


def _largest(pattern: str, text: str) -> int:
    found = re.findall(pattern, text)
    if not found:
        raise TargetUnavailable(f"the linker's report has no {pattern!r}; it was\n{text}")
    return max(map(int, found))
