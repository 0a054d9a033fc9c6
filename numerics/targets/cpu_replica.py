"""A program of one replica on a CPU: passes are functions over contiguous arrays, random vectors are filled before use."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from numerics.targets.replica import (
    Block,
    Draw,
    DrawnVector,
    Each,
    Lines,
    Once,
    Operation,
    Pass,
    ReplicaProgram,
    assigned_names,
    indented,
)

FILLS = {
    "normal_block": "fill_normals",
    "uniform_block": "fill_uniforms",
    "exponential_block": "fill_exponentials",
    "sign_block": "fill_signs",
}
"""The function that fills an array with what a block function yields four at a time."""


def replicas(name: str, decorator: str, arguments: Sequence[str], program: ReplicaProgram) -> str:
    """The text of the passes, and of the entry that runs the replicas one after the other."""
    speller = _Speller(decorator, program)
    body = speller.spelled(program.operations)
    memory = []
    if program.rows:
        memory.append(f"rows = np.empty(({len(program.rows)}, n), real)")
        memory += [f"row_{row} = rows[{k}]" for k, row in enumerate(program.rows)]
    memory += [f"row_{vector} = np.empty(n, real)" for vector in program.drawn]
    memory += [f"{integer} = np.empty(count, np.int64)" for integer in program.integers]
    memory += [f"{local} = np.empty({shape}, real)" for local, shape in program.locals_.items()]
    entry = [
        decorator,
        f"def {name}({', '.join(['first', 'last', *arguments])}):",
        *indented(program.prologue),
        *indented(memory),
        "    for index in range(first, last):",
        *indented(body, 2),
    ]
    return "\n\n\n".join([*speller.functions, "\n".join(entry)]) + "\n"


class _Speller:
    def __init__(self, decorator: str, program: ReplicaProgram) -> None:
        self.decorator, self.program = decorator, program
        self.functions: list[str] = []

    def spelled(self, operations: Iterable[Operation]) -> list[str]:
        lines: list[str] = []
        for operation in operations:
            if isinstance(operation, (Lines, Once)):
                lines += operation.lines
            elif isinstance(operation, Each):
                lines += [f"for {operation.variable} in range({operation.count}):", *indented(operation.lines)]
            elif isinstance(operation, Block):
                lines += [operation.head, *indented(self.spelled(operation.operations))]
            elif isinstance(operation, Draw):
                for vector in operation.vectors:
                    lines += self._filled(vector, self.program.drawn[vector])
            else:
                lines.append(self._pass(operation))
        return lines

    def _array(self, name: str) -> str | None:
        """The expression of the array whose entries a pass calls by `name`."""
        if name in self.program.rows or name in self.program.drawn:
            return f"row_{name}"
        return self.program.arrays.get(name)

    def _pass(self, operation: Pass) -> str:
        """Add the function of a pass; return its call."""
        names = sorted(operation.names)
        vectors = {name: array for name in names if (array := self._array(name)) is not None}
        own = assigned_names(operation.lines) | set(operation.sums)
        scalars = [name for name in names if name not in vectors and name not in own]
        function = f"pass_{len(self.functions)}"
        body = [
            self.decorator,
            f"def {function}(n, {', '.join([*(f'row_{name}' for name in vectors), *scalars])}):",
            *(f"    {total} = real(0.0)" for total in operation.sums),
            "    for i in range(n):",
            *(f"        {name} = row_{name}[i]" for name in vectors),
            *indented(operation.lines, 2),
            *(f"        row_{name}[i] = {name}" for name in operation.writes),
            *([f"    return {', '.join(operation.sums)}"] if operation.sums else []),
        ]
        self.functions.append("\n".join(body))
        call = f"{function}({', '.join(['n', *vectors.values(), *scalars])})"
        return f"{', '.join(operation.sums)} = {call}" if operation.sums else call

    def _filled(self, name: str, vector: DrawnVector) -> list[str]:
        entries, row = vector.entries, f"row_{name}"
        if entries.row:
            return [f"combine_rows({entries.table}[{entries.row}], signals, {row})"]
        if entries.block:
            where = f"seed, {entries.stream}, replica, step, {vector.purpose}"
            lines = [f"{FILLS[entries.block]}({row}, {where})"]
            if entries.transform:
                value = entries.transform.format(f"{row}[i]")
                lines += ["for i in range(n):", f"    {row}[i] = {value}"]
            return lines
        return [
            f"entries_purpose = {vector.purpose}",
            "for i in range(n):",
            *indented(entries.statements),
            f"    {row}[i] = {entries.value}",
        ]
