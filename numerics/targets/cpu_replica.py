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
    free_names,
    indented,
    walk,
)

FILLS = {
    "normal_block": "fill_normals",
    "uniform_block": "fill_uniforms",
    "exponential_block": "fill_exponentials",
    "sign_block": "fill_signs",
}
"""The function that fills an array with what a block function yields four at a time."""
WHOLE_VECTORS = 64
"""Entries that a fill computes with vector instructions alone: what is left of an array it draws one block at a time."""
SHORT = 256
"""Entries up to which drawing some in vain costs more than the blocks that are left."""
ROWS_AT_A_TIME = 8
"""Rows that one loop writes. For some more the compiler gives up checking that they do not overlap, and leaves scalar code."""


def replicas(name: str, decorator: str, inner: str, arguments: Sequence[str], program: ReplicaProgram) -> str:
    """The text of the passes, and of the entry that runs the replicas one after the other."""
    speller = _Speller(inner, program)
    body = speller.spelled(program.operations)
    memory = _vectors(program)
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


def _vectors(program: ReplicaProgram) -> list[str]:
    """Lines that make the rows, the random vectors and copies of the signals that passes read.

    They are pieces of one array, each at the beginning of a cache line: where a vector instruction straddles two of them, it
    takes twice as long.
    """
    copied = _copied(program)
    names = [*program.rows, *program.drawn, *copied]
    if not names:
        return []
    lines = [
        f"stride = (n + {WHOLE_VECTORS - 1}) // {WHOLE_VECTORS} * {WHOLE_VECTORS}",
        f"vectors = np.empty({len(names)} * stride + {WHOLE_VECTORS}, real)",
        f"place = -(vectors.ctypes.data // vectors.itemsize) % {WHOLE_VECTORS}",
    ]
    if program.drawn:
        lines.append(f"drawn_size = n if n < {SHORT} else stride")
    for name in names:
        drawn = program.drawn.get(name)
        lines.append(f"row_{name} = vectors[place : place + {'drawn_size' if drawn and drawn.entries.block else 'n'}]")
        lines.append("place += stride")
    for name in copied:
        lines += ["for i in range(n):", f"    row_{name}[i] = {program.arrays[name]}[i]"]
    return lines


def _copied(program: ReplicaProgram) -> list[str]:
    """The signals that passes read: the same for every replica, so they are copied once."""
    read = {name for operation in walk(program.operations) if isinstance(operation, Pass) for name in operation.names}
    return [name for name in program.signals if name in read]


def parts(operation: Pass) -> list[Pass]:
    """Passes that write a few rows each and together do the same; the pass itself where a row depends on others that move.

    >>> lines = ("move = rate * x", *(f"w_{k} -= move" for k in range(9)))
    >>> [part.lines for part in parts(Pass(lines, writes=tuple(f"w_{k}" for k in range(9))))][1]
    ('move = rate * x', 'w_8 -= move')
    """
    if len(operation.writes) <= ROWS_AT_A_TIME or operation.sums:
        return [operation]
    first_line = {row: k for k, line in reversed([*enumerate(operation.lines)]) for row in assigned_names([line])}
    rows = sorted(operation.writes, key=lambda row: first_line.get(row, 0))  # a row and its velocity stay together
    found: list[Pass] = []
    for first in range(0, len(rows), ROWS_AT_A_TIME):
        some = tuple(rows[first : first + ROWS_AT_A_TIME])
        part = Pass(_lines_for(some, operation.lines), writes=some)
        if part.names & set(rows[:first]):
            return [operation]
        found.append(part)
    return found


def _lines_for(wanted: Iterable[str], lines: Sequence[str]) -> tuple[str, ...]:
    """Those of the lines that what is wanted depends on."""
    needed, kept = set(wanted), [False] * len(lines)
    changed = True
    while changed:
        changed = False
        for k, line in enumerate(lines):
            if not kept[k] and assigned_names([line]) & needed:
                kept[k] = changed = True
                needed |= free_names([line])
    return tuple(line for line, keep in zip(lines, kept, strict=True) if keep)


class _Speller:
    def __init__(self, decorator: str, program: ReplicaProgram) -> None:
        self.decorator, self.program, self.copied = decorator, program, _copied(program)
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
                lines += [self._pass(part) for part in parts(operation)]
        return lines

    def _array(self, name: str) -> str | None:
        """The expression of the array whose entries a pass calls by `name`."""
        if name in self.program.rows or name in self.program.drawn or name in self.copied:
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
