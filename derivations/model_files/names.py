"""The names that a model and its algorithm use, as the tables that declare them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sympy import Basic, Symbol

from derivations.model_files.errors import NotWritable
from derivations.model_files.expressions import declarable
from derivations.model_files.printing import expression_text, symbol_words
from derivations.model_files.scope import CONSTANTS
from derivations.model_files.toml_text import number_text, string_text, table_text
from theory.fields import FieldValue, GaussianField
from theory.vectors import Vector

Families = Mapping[str, tuple[Any, ...]]
_PLACE = re.compile(r"(?P<name>.+?)_(?P<row>\d+)(?:_(?P<column>\d+))?")
_NUMBERED = re.compile(r"(?P<name>.*[^\d_])(?P<index>[1-9]\d*)")


class Names:
    """Every symbol, vector and field, each in the table that declares it, and the families that stand for several."""

    def __init__(self, objects: Iterable[Any]) -> None:
        found: dict[str, Any] = {}
        for item in objects:
            other = found.setdefault(item.name, item)
            if other != item:
                raise NotWritable(f"two different objects carry the name {item.name!r}: {other!r} and {item!r}")
            problem = declarable(item.name) or (
                f"is {CONSTANTS[item.name]} in a model file; rename it" if item.name in CONSTANTS else None
            )
            if problem:
                raise NotWritable(f"the name {item.name!r} {problem}")
        self.symbols = [item for item in found.values() if isinstance(item, Symbol)]
        self.vectors = [item for item in found.values() if isinstance(item, Vector)]
        self.fields = [item for item in found.values() if isinstance(item, GaussianField)]
        for vector in self.vectors:
            if type(vector) is not Vector:
                raise NotWritable(f"the vector {vector} of type {type(vector).__name__} has no text in a model file")
        self.matrices, self.inputs = _grids(self.symbols, set(found))
        self.families = _numbered(self.vectors, set(found))

    def tables(self) -> str:
        """The tables that declare the names."""
        members = {symbol for group in (*self.matrices.values(), *self.inputs.values()) for symbol in group}
        plain = sorted((s for s in self.symbols if s not in members), key=lambda s: (symbol_words(s) == "real", s.name))
        symbols = [(s.name, string_text(symbol_words(s))) for s in plain]
        inputs = [(name, str(len(group))) for name, group in self.inputs.items()]
        shapes = [(name, f"[{_rows(group)}, {len(group) // _rows(group)}]") for name, group in self.matrices.items()]
        return "".join(
            [
                table_text("symbols", symbols),
                table_text("inputs", inputs),
                table_text("matrices", shapes),
                table_text("vectors", self._vector_rows()),
                table_text("fields", [(field.name, _field_text(field)) for field in self.fields]),
            ]
        )

    def _vector_rows(self) -> list[tuple[str, str]]:
        members = {vector for group in self.families.values() for vector in group}
        rows = [
            (name, f"{{ dimension = {_dimension(group[0])}, count = {len(group)} }}")
            for name, group in self.families.items()
        ]
        return [*rows, *((vector.name, _dimension(vector)) for vector in self.vectors if vector not in members)]

    def listed(self, items: Sequence[Any]) -> list[str]:
        """The names of objects in a row, families by their own name."""
        groups = {**self.matrices, **self.inputs, **self.families}
        by_first = {group[0]: (name, group) for name, group in groups.items()}
        names: list[str] = []
        position = 0
        while position < len(items):
            name, group = by_first.get(items[position], ("", ()))
            if group and tuple(items[position : position + len(group)]) == tuple(group):
                names.append(name)
                position += len(group)
            else:
                names.append(items[position].name)
                position += 1
        return names


def names_in(expressions: Iterable[Any]) -> list[Any]:
    """The symbols, vectors and fields of expressions, by name."""
    found: set[Any] = set()
    for expression in expressions:
        if isinstance(expression, Basic):
            found |= expression.free_symbols | expression.atoms(Vector)
            found |= {value.field for value in expression.atoms(FieldValue)}
    for item in list(found):
        found |= item.dimension.free_symbols if isinstance(item, Vector) else set()
        found |= item.free_symbols if isinstance(item, GaussianField) else set()
    return sorted(found, key=lambda item: str(item.name))


def _grids(symbols: Sequence[Symbol], taken: set[str]) -> tuple[Families, Families]:
    """Matrices `U_i_j` and inputs `x_i` of real symbols that are complete, by name."""
    cells: dict[str, dict[tuple[int, ...], Symbol]] = {}
    for symbol in symbols:
        match = _PLACE.fullmatch(symbol.name)
        if match and symbol._assumptions_orig == {"real": True}:
            index = tuple(int(part) for part in (match["row"], match["column"]) if part is not None)
            if symbol.name == "_".join([match["name"], *map(str, index)]):
                cells.setdefault(f"{len(index)} {match['name']}", {})[index] = symbol
    matrices: dict[str, tuple[Any, ...]] = {}
    inputs: dict[str, tuple[Any, ...]] = {}
    for label, group in cells.items():
        rank, name = int(label[0]), label[2:]
        ordered = tuple(group[index] for index in sorted(group))
        sizes = [max(index[axis] for index in group) + 1 for axis in range(rank)]
        complete = len(group) == (sizes[0] if rank == 1 else sizes[0] * sizes[1]) and len(group) > 1
        if complete and name not in taken and name not in matrices and declarable(name) is None:
            (inputs if rank == 1 else matrices)[name] = ordered
    return matrices, {name: group for name, group in inputs.items() if name not in matrices}


def _numbered(vectors: Sequence[Vector], taken: set[str]) -> Families:
    """Vectors `w1`, ..., `wK` of one dimension, by their common name."""
    members: dict[str, dict[int, Vector]] = {}
    for vector in vectors:
        match = _NUMBERED.fullmatch(vector.name)
        if match:
            members.setdefault(match["name"], {})[int(match["index"])] = vector
    return {
        name: tuple(group[index] for index in range(1, len(group) + 1))
        for name, group in members.items()
        if len(group) > 1
        and set(group) == set(range(1, len(group) + 1))
        and len({vector.dimension for vector in group.values()}) == 1
        and name not in taken
        and declarable(name) is None
    }


def _rows(group: Sequence[Symbol]) -> int:
    return int(group[-1].name.split("_")[-2]) + 1


def _dimension(vector: Vector) -> str:
    size = vector.dimension
    return number_text(int(size)) if size.is_Integer else string_text(expression_text(size))


def _field_text(field: GaussianField) -> str:
    argument = Symbol("r", real=True)
    kernel = field.covariance(argument)
    base, order = kernel.as_base_exp()
    if base == argument and GaussianField(field.name, order=order) == field:
        return number_text(int(order)) if order.is_Integer else string_text(expression_text(order))
    return f"{{ covariance = {string_text(expression_text(kernel))} }}"
