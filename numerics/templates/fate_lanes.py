"""Fates of many replicas side by side on a CPU: the replica as the vector index of the innermost loop.

Replicas of one point advance together, in blocks whose numbers stay in the first-level cache. A step has no branches: what it makes
of a replica says whether that one ends here. Those that do are kept and their places closed, so that no work is done in vain.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from numerics.targets import Local
from numerics.targets.replica import Lines, Operation, assigned_names, free_names, indented
from numerics.templates.step import StepCode

WIDTH = 128
"""Replicas of a block."""


@dataclass(frozen=True)
class LaneCode:
    """The function that takes one step with a block of replicas, and the body that calls it for a block number `index`."""

    function: str
    body: tuple[str, ...]
    locals_: tuple[Local, ...]


def lane_code(
    step: StepCode,
    *,
    members: int,
    draws: Sequence[str],
    tables: Sequence[str],
    loads: Sequence[str],
    distances: Sequence[str],
) -> LaneCode:
    """Return the code of blocks of replicas.

    Parameters: `members`, samples of a batch; `draws`, lines that draw one; `tables`, lines to stand before the loop; `loads`,
    lines that set what the replicas of a point share; `distances`, lines that set `reach` and `rest` after a step.
    """
    state = step.state_scalars
    lines = [*step.scalar_shifts()]
    if not step.single:
        lines += [f"share = real(1.0) / real({members})", *_flat(step.clear())]
    member = _flat(step.member())
    for number in range(members):
        lines += [f"member = {number}", "purpose = SCALAR_PURPOSE", *draws, *member]
    slopes = " + ".join(f"scalar_slope_{k}" for k in range(len(step.names.scalars)))
    lines += [f"fine = abs({slopes}) < math.inf", *_flat(step.update()), *distances]
    inside = [
        "replica = which[lane]",
        *(f"{name} = row_{name}[lane]" for name in state),
        *lines,
        "runs = fine and absorbed <= rest and reach <= escape",
        *(f"row_{name}[lane] = {name} if fine else real(math.nan)" for name in state),
        "ending[lane] = 0 if runs else 1",
        "running += 1 if runs else 0",
    ]
    rows = [f"row_{name}" for name in state]
    given = sorted(_arguments([*tables, *inside]) - {"which", "ending", "lane", *rows})
    function = [
        f"def advance({', '.join([*given, 'which', 'ending', *rows])}):",
        *indented(tables),
        "    running = 0",
        "    for lane in range(which.size):",
        *indented(inside, 2),
        "    return running",
    ]
    views = ["which[:size]", "ending[:size]", *(f"state[{k}, :size]" for k in range(len(state)))]
    return LaneCode(
        function="\n".join(function) + "\n",
        body=(*_PLACE, *loads, *_block(step, f"running = advance({', '.join([*given, *views])})")),
        locals_=(Local("which", (WIDTH,), "int64"), Local("ending", (WIDTH,), "int64"), Local("state", (len(state), WIDTH))),
    )  # fmt: skip


_PLACE = (
    f"blocks = (replicas + {WIDTH - 1}) // {WIDTH}",
    "point = index // blocks",
    f"base = index % blocks * {WIDTH}",
)
"""Lines that say which block the number `index` stands for."""


def _block(step: StepCode, advance: str) -> list[str]:
    """The run of one block: its start, its steps, and what is kept of replicas as they end."""
    scalars, every = range(len(step.names.scalars)), range(len(step.state_scalars))
    start = "starts[point % starts.shape[0], which[lane] % starts.shape[1], {}]"
    return [
        f"size = min({WIDTH}, replicas - base)",
        "for lane in range(size):",
        "    which[lane] = base + lane",
        *(f"    state[{k}, lane] = {start.format(k) if k in scalars else 'real(0.0)'}" for k in every),
        "for step in range(steps):",
        f"    {advance}",
        "    over = step == steps - 1",
        "    if over or running < size:",
        "        kept = 0",
        "        for lane in range(size):",
        "            if over or ending[lane] > 0:",
        "                place = replicas * point + which[lane]",
        "                ended[place] = step + 1",
        *(f"                final[{k}, place] = state[{k}, lane]" for k in scalars),
        "            else:",
        "                which[kept] = which[lane]",
        *(f"                state[{k}, kept] = state[{k}, lane]" for k in every),
        "                kept += 1",
        "        size = kept",
        "    if size == 0:",
        "        break",
    ]


def _arguments(lines: Sequence[str]) -> set[str]:
    """The names that lines of code read and do not set, constants of the program left out."""
    found = free_names(lines) - assigned_names(lines)
    return {name for name in found if not name.endswith("_PURPOSE")}


def _flat(operations: Sequence[Operation]) -> list[str]:
    """The lines of operations that are scalar code throughout."""
    lines: list[str] = []
    for operation in operations:
        if not isinstance(operation, Lines):
            raise TypeError(f"an ensemble has scalar code only, not {type(operation).__name__}")
        lines += operation.lines
    return lines
