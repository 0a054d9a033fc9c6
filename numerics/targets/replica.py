"""A program of one replica that holds vectors of R^n: scalar code, and passes over the coordinates.

A simulated step of SGD is inner products, one scalar function, scaled additions. Here it is said without a loop over
coordinates and without a place in memory: a target runs a pass as a vectorised loop over arrays in the first-level cache, or
as a block of threads that each own some coordinates.

Scalar code is the same in every thread of a block, and so must be what it computes: it reads scalars, results of sums and
arrays that no thread is writing.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Lines:
    """Scalar code."""

    lines: tuple[str, ...]


@dataclass(frozen=True)
class Once:
    """Scalar code that writes to memory: one thread of a block runs it, and the others wait."""

    lines: tuple[str, ...]


@dataclass(frozen=True)
class Each:
    """Scalar code for every `variable` in range(`count`), in any order."""

    variable: str
    count: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Draw:
    """The entries of these random vectors are needed from here on; a target may draw them now, or where they are read."""

    vectors: tuple[str, ...]


@dataclass(frozen=True)
class Pass:
    """A loop over the coordinates i.

    `lines` : code of one coordinate over the entries of rows and random vectors, each under its name, and over scalars.
    `writes` : rows whose entry the lines change. `sums` : names to which the lines add, zero before; afterwards scalars.
    """

    lines: tuple[str, ...]
    writes: tuple[str, ...] = ()
    sums: tuple[str, ...] = ()

    @property
    def names(self) -> set[str]:
        """Every name that the lines hold, functions left out."""
        return free_names(self.lines)


@dataclass(frozen=True)
class Block:
    """A loop or a condition around operations."""

    head: str
    operations: tuple[Operation, ...]


Operation = Lines | Once | Each | Draw | Pass | Block


@dataclass(frozen=True)
class Entries:
    """How the entries of one random vector come about.

    `block` : the library function that yields four standard entries from one Philox block ("normal_block", ...), empty if the
    entries do not come in blocks. `stream` : the stream of its draws. `transform` : the call that turns a standard entry,
    written `{}`, into an entry, empty if they are the same. `statements` and `value` : for entries drawn one by one,
    lines over the coordinate `i` and the variable that they leave the entry in. `row`, `table` : for a vector that is a random
    combination of signals, the variable of the random row and the table of its coefficients.
    """

    block: str = ""
    stream: str = ""
    transform: str = ""
    statements: tuple[str, ...] = ()
    value: str = ""
    row: str = ""
    table: str = ""


@dataclass(frozen=True)
class DrawnVector:
    """A random vector: its entries, and the purpose of its draws."""

    entries: Entries
    purpose: str


@dataclass(frozen=True)
class ReplicaProgram:
    """A whole program.

    `prologue` : lines that come first, once: what the arguments hold. `rows` : names of the vectors that belong to a replica.
    `arrays` : names of further one-dimensional arrays, each with the expression that yields it where a pass begins. `drawn` :
    random vectors by name. `signals` : for random combinations of fixed vectors, the names of these among `arrays`. `integers` :
    names of int64 arrays of length `count` that belong to a replica. `locals_` : small arrays of real numbers with their
    shapes. The operations see `index`, the number of the replica.
    """

    prologue: tuple[str, ...]
    operations: tuple[Operation, ...]
    rows: tuple[str, ...]
    arrays: Mapping[str, str]
    drawn: Mapping[str, DrawnVector]
    signals: tuple[str, ...]
    integers: tuple[str, ...]
    locals_: Mapping[str, tuple[int, ...]]

    @property
    def has_vectors(self) -> bool:
        """Whether there is any pass over coordinates."""
        return any(isinstance(operation, Pass) for operation in walk(self.operations))


def walk(operations: Iterable[Operation]) -> Iterable[Operation]:
    """Every operation, those inside blocks included."""
    for operation in operations:
        yield operation
        if isinstance(operation, Block):
            yield from walk(operation.operations)


_GIVEN = {"real", "math", "np", "i", *dir(builtins)}


def free_names(lines: Iterable[str]) -> set[str]:
    """The names that lines of code hold, apart from functions that they call and what every program knows.

    >>> sorted(free_names(["total += rate * w_0", "other = sign(total)"]))
    ['other', 'rate', 'total', 'w_0']
    """
    tree = ast.parse("\n".join(lines))
    called = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} - called - _GIVEN


def assigned_names(lines: Iterable[str]) -> set[str]:
    """The names that lines of code assign."""
    tree = ast.parse("\n".join(lines))
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}


def indented(lines: Iterable[str], levels: int = 1) -> list[str]:
    """Lines of code moved to the right."""
    return [" " * 4 * levels + line for line in lines]
