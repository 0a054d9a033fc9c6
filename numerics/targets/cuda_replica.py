"""A program of one replica on a GPU: a block of threads per replica, each thread the owner of some coordinates.

Coordinates go to threads in quads, as normals come from random words; a thread draws the entries of a random vector anew in
every pass that reads them, which costs arithmetic and saves memory traffic. Rows lie in shared memory where they fit. Sums
are added in one fixed order, so results do not depend on timing. Without vectors a replica is one thread.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from numerics.targets.replica import (
    Block,
    Each,
    Lines,
    Once,
    Operation,
    Pass,
    ReplicaProgram,
    indented,
    walk,
)

CHUNKS = 16
"""Partial sums that every thread adds up at the end of a pass."""
QUADS = {"sign_block": "sign_quad"}
"""Functions that yield entries 4 q, ..., 4 q + 3 where a random block holds more than four."""


def replicas(
    name: str, decorator: str, arguments: Sequence[str], program: ReplicaProgram, *, threads: int, shared: bool
) -> str:
    """The text of the entry. `threads` per block, a multiple of `CHUNKS`; `shared`: whether rows lie in shared memory."""
    speller = _Speller(program, threads)
    body = speller.spelled(program.operations)
    memory = []
    if speller.vectors:
        sums = max(len(operation.sums) for operation in walk(program.operations) if isinstance(operation, Pass))
        memory += [
            f"partial = cuda.shared.array(({max(sums, 1)}, {threads}), real)",
            f"chunk = cuda.shared.array(({max(sums, 1)}, {CHUNKS}), real)",
            "thread = cuda.threadIdx.x",
            "index = first + cuda.blockIdx.x",
            "pool = cuda.shared.array(0, pool_type)" if shared else "pool = work[index - first]",
            *(f"row_{row} = pool[{k} * n:{k + 1} * n]" for k, row in enumerate(program.rows)),
        ]
    else:
        memory.append("index = first + cuda.grid(1)")
    memory += [
        f"{integer} = work_integers[index - first, {k} * count:{k + 1} * count]"
        for k, integer in enumerate(program.integers)
    ]
    if not speller.vectors:  # a thread beyond the last replica must not touch memory
        grid, *rest = memory
        memory, body = [grid], ["if index < last:", *indented([*rest, *body])]
    entry = [
        "pool_type = np.dtype(real)\n\n" if shared and speller.vectors else "",
        decorator,
        f"def {name}({', '.join(['first', 'last', *arguments])}):",
        *(f"    {local} = cuda.local.array({shape}, real)" for local, shape in program.locals_.items()),
        *indented(program.prologue),
        *indented(memory),
        *indented(body),
    ]
    return "\n".join(entry).lstrip() + "\n"


class _Speller:
    def __init__(self, program: ReplicaProgram, threads: int) -> None:
        self.program, self.threads, self.vectors = program, threads, program.has_vectors

    def spelled(self, operations: Iterable[Operation]) -> list[str]:
        lines: list[str] = []
        for operation in operations:
            if isinstance(operation, Lines):
                lines += operation.lines
            elif isinstance(operation, Once):
                lines += self._alone(operation.lines)
            elif isinstance(operation, Each):
                lines += self._dealt(operation)
            elif isinstance(operation, Block):
                lines += [operation.head, *indented(self.spelled(operation.operations))]
            elif isinstance(operation, Pass):
                lines += self._pass(operation)
            # Draw: entries are drawn where they are read
        return lines

    def _alone(self, lines: Sequence[str]) -> list[str]:
        if not self.vectors:
            return list(lines)
        return ["cuda.syncthreads()", "if thread == 0:", *indented(lines), "cuda.syncthreads()"]

    def _dealt(self, operation: Each) -> list[str]:
        if not self.vectors:
            return [f"for {operation.variable} in range({operation.count}):", *indented(operation.lines)]
        return [
            "cuda.syncthreads()",
            f"for {operation.variable} in range(thread, {operation.count}, {self.threads}):",
            *indented(operation.lines),
            "cuda.syncthreads()",
        ]

    def _pass(self, operation: Pass) -> list[str]:
        names = sorted(operation.names)
        drawn = [name for name in names if name in self.program.drawn]
        blocks = [name for name in drawn if self.program.drawn[name].entries.block]
        combined = [name for name in drawn if self.program.drawn[name].entries.row]
        arrays = [name for name in names if name in self.program.arrays]
        if combined:
            arrays = [*arrays, *(signal for signal in self.program.signals if signal not in arrays)]
        loaded = [name for name in names if name in self.program.rows or name in arrays]
        lines = [f"row_{name} = {self.program.arrays[name]}" for name in arrays]
        lines += [f"{total} = real(0.0)" for total in operation.sums]
        lines += [f"for quad in range(thread, (n + 3) // 4, {self.threads}):"]
        for name in blocks:
            vector = self.program.drawn[name]
            where = f"seed, {vector.entries.stream}, replica, step, quad, {vector.purpose}"
            four = ", ".join(f"{name}_{k}" for k in range(4))
            lines.append(f"    {four} = {QUADS.get(vector.entries.block, vector.entries.block)}({where})")
        for k in range(4):
            lines += [
                f"    i = 4 * quad + {k}",
                "    if i < n:",
                *(f"        {name} = row_{name}[i]" for name in loaded),
                *indented((line for name in drawn for line in self._entry(name, k)), 2),
                *indented(operation.lines, 2),
                *(f"        row_{name}[i] = {name}" for name in operation.writes),
            ]
        return [*lines, *self._summed(operation.sums)]

    def _entry(self, name: str, k: int) -> list[str]:
        vector = self.program.drawn[name]
        entries = vector.entries
        if entries.row:
            terms = [f"{entries.table}[{entries.row}, {j}] * row_{s}[i]" for j, s in enumerate(self.program.signals)]
            return [f"{name} = {' + '.join(terms)}"]
        if entries.block:
            value = f"{name}_{k}"
            return [f"{name} = {entries.transform.format(value) if entries.transform else value}"]
        return [f"entries_purpose = {vector.purpose}", *entries.statements, f"{name} = {entries.value}"]

    def _summed(self, sums: Sequence[str]) -> list[str]:
        """Every thread ends with the same totals, added in the same order whatever the timing."""
        if not sums:
            return []
        lines = [f"partial[{k}, thread] = {total}" for k, total in enumerate(sums)]
        lines += [
            "cuda.syncthreads()",
            f"for place in range(thread, {len(sums) * CHUNKS}, {self.threads}):",
            f"    part = place % {CHUNKS}",
            "    subtotal = real(0.0)",
            f"    for k in range({self.threads // CHUNKS}):",
            f"        subtotal += partial[place // {CHUNKS}, {CHUNKS} * k + part]",
            f"    chunk[place // {CHUNKS}, part] = subtotal",
            "cuda.syncthreads()",
        ]
        for k, total in enumerate(sums):
            lines += [f"{total} = real(0.0)", f"for k in range({CHUNKS}):", f"    {total} += chunk[{k}, k]"]
        return lines
