"""Programs on the cores of this machine: a serial loop over a range of trajectories, ranges dealt out to threads."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NoReturn

from numerics.targets import cpu_replica
from numerics.targets.ensemble import Ensemble
from numerics.targets.replica import ReplicaProgram
from numerics.targets.target import Check, Local, Resources
from theory.errors import InvalidRequest

if TYPE_CHECKING:
    from numerics.kernel import Kernel

DECORATOR = '@njit(cache=True, error_model="numpy", nogil=True, fastmath={"arcp", "contract", "nsz", "reassoc"})'
"""The decorator of entries: compiled code that other threads may run beside."""
INNER = DECORATOR.replace("cache=True, ", "")
"""The decorator of the loops that an entry calls. They are cached as part of the entry and not by themselves: linked from a cache of
their own they would be optimised otherwise, and sums over coordinates, which may be reordered, would change their last bits."""
WIDTH = 1024
"""Replicas of an ensemble that advance together: their state stays in the first-level cache."""


def imports() -> tuple[str, ...]:
    """Import lines of every program: none beyond numba itself."""
    return ()


def trajectories(name: str, arguments: Sequence[str], locals_: Sequence[Local], body: Sequence[str]) -> str:
    """A loop over the trajectories; small arrays are made once, before it."""
    lines = [
        DECORATOR,
        f"def {name}({', '.join(['first', 'last', *arguments])}):",
        *(f"    {local.name} = np.empty({local.code})" for local in locals_),
        "    for index in range(first, last):",
        *(f"        {line}" for line in body),
    ]
    return "\n".join(lines) + "\n"


def ensemble(name: str, arguments: Sequence[str], ensemble: Ensemble) -> str:
    """Blocks of replicas, the replica as the vector index of the innermost loop.

    Divergence costs no branch: a sum of 0 * x over the block is NaN only if some x is not finite, and only then are the
    replicas looked at one by one. A stopped replica goes on from its start, unrecorded, so that it does so once.
    """
    rows = [f"row_{state}" for state in ensemble.state]
    load = [f"        {state} = {row}[lane]" for state, row in zip(ensemble.state, rows, strict=True)]
    store = [f"        {row}[lane] = {state}" for state, row in zip(ensemble.state, rows, strict=True)]
    finite = " and ".join(f"abs({row}[lane]) < math.inf" for row in rows)
    parameters = ", ".join(ensemble.parameters)
    shown = "".join(f", state[{k}, :size]" for k in range(len(rows)))
    comma = ", " if parameters else ""
    advance = [
        INNER,
        f"def advance(base, step{comma}{parameters}, {', '.join(rows)}):",
        *(f"    {line}" for line in ensemble.prologue),
        "    finite = real(0.0)",
        f"    for lane in range({rows[0]}.size):",
        "        index = base + lane",
        *load,
        *(f"        {line}" for line in ensemble.step),
        *store,
        f"        finite += real(0.0) * ({' + '.join(ensemble.state)})",
        "    return finite",
    ]
    observe = [
        INNER,
        f"def observe(base, step{comma}{parameters}, {', '.join(rows)}, stopped, rows):",
        *(f"    {line}" for line in ensemble.prologue),
        f"    for lane in range({rows[0]}.size):",
        "        index = base + lane",
        *load,
        *(f"        {line}" for line in ensemble.record),
        "        lost = stopped[index] >= 0",
        *(
            f"        rows[{k}, index] = real(math.nan) if lost else {value}"
            for k, value in enumerate(ensemble.recorded)
        ),
    ]
    entry = [
        DECORATOR,
        f"def {name}({', '.join(['first', 'last', *arguments])}):",
        f"    state = np.empty(({len(rows)}, {WIDTH}), real)",
        f"    for base in range(first, last, {WIDTH}):",
        f"        size = min({WIDTH}, last - base)",
        f"        for k in range({len(rows)}):",
        "            for lane in range(size):",
        "                state[k, lane] = start[k, base + lane]",
        "        for lane in range(size):",
        "            stopped[base + lane] = -1",
        "        slot = 0",
        "        for step in range(record_steps[-1] + 1):",
        "            if record_steps[slot] == step:",
        f"                observe(base, step{comma}{parameters}{shown}, stopped, out[slot])",
        "                slot += 1",
        "            if slot < record_steps.size:",
        f"                finite = advance(base, step{comma}{parameters}{shown})",
        "                if not abs(finite) < math.inf:",
        "                    for lane in range(size):",
        *(f"                        {row} = state[{k}]" for k, row in enumerate(rows)),
        f"                        if not ({finite}):",
        "                            if stopped[base + lane] < 0:",
        "                                stopped[base + lane] = step",
        f"                            for k in range({len(rows)}):",
        "                                state[k, lane] = start[k, base + lane]",
    ]
    return "\n\n\n".join("\n".join(lines) for lines in (advance, observe, entry)) + "\n"


def replicas(name: str, arguments: Sequence[str], program: ReplicaProgram, *, threads: int, shared: bool) -> str:
    """Replicas one after the other, passes as vectorised loops over arrays."""
    return cpu_replica.replicas(name, DECORATOR, INNER, arguments, program)


def reason_unavailable() -> str | None:
    """A CPU is always there."""
    return None


def require() -> None:
    """A CPU is always there."""


def checks() -> tuple[Check, ...]:
    """Whether a function compiles to machine code here and gives the right number."""
    from numba import njit

    def probe(x: float) -> float:
        return 2.0 * x

    try:
        compiled: Any = njit(probe)
        value = compiled(21.0)
    except Exception as error:  # LLVM, or an installation that does not fit together
        text = " ".join(str(error).split())
        remedy = "install numba again: python -m pip install --force-reinstall numba"
        return (Check("compiler", False, f"numba compiles nothing ({type(error).__name__}: {text})", remedy),)
    return (
        Check("compiler", value == 42.0, "a probe was compiled and ran" if value == 42.0 else f"a probe gave {value}"),
    )


def run(kernel: Kernel, count: int, values: Sequence[Any], *, threads: int | None, shared_bytes: int) -> None:
    """Ranges of trajectories on a pool of threads; which thread takes which range changes no bit of the result."""
    if count == 0:
        return
    workers = threads or os.cpu_count() or 1
    function: Any = kernel.function
    function.compile(kernel.signature) if not function.signatures else None
    grain = WIDTH if count >= WIDTH * workers else 1
    pieces = min(-(-count // grain), 1 if workers == 1 else 8 * workers)
    size = -(-count // (pieces * grain)) * grain
    ranges = [(first, min(first + size, count)) for first in range(0, count, size)]
    if workers == 1:
        for first, last in ranges:
            function(first, last, *values)
        return
    with ThreadPoolExecutor(workers) as pool:
        for future in [pool.submit(function, first, last, *values) for first, last in ranges]:
            future.result()


def _refuse(kernel: Kernel) -> NoReturn:
    raise InvalidRequest(
        f"kernel {kernel.entry!r} is for the target {kernel.target}, which has no PTX; generate it with target='cuda'"
    )


def assembly(kernel: Kernel, compute_capability: tuple[int, int]) -> str:
    """Refused: PTX is CUDA's."""
    _refuse(kernel)


def resources(kernel: Kernel, compute_capability: tuple[int, int]) -> Resources:
    """Refused: registers are counted for devices only."""
    _refuse(kernel)
