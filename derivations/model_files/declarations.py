"""The tables that declare names: symbols, inputs, matrices, vectors, fields, networks, definitions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import sympy
from sympy import Expr, MatrixBase, Symbol

from derivations.model_files.document import Entry, nearest
from derivations.model_files.evaluation import Numbers, evaluate
from derivations.model_files.expressions import Expression, parsed
from derivations.model_files.functions import kind, scalar
from derivations.model_files.networks import activation_lambda, read_network
from derivations.model_files.scope import Scope
from theory import networks
from theory.fields import GaussianField
from theory.vectors import Vector, VectorExpression

ASSUMPTIONS = (
    "real", "positive", "negative", "nonnegative", "nonpositive", "nonzero", "integer", "rational", "even", "odd",
)  # fmt: skip
"""What may be said of a symbol; every one of them implies that it is real."""
MOST_OF_A_KIND = 1000
"""Members of a family, entries of an input."""
MOST_ENTRIES = 4_000
"""Entries of a matrix."""
LARGEST_DIMENSION = 10**7

Reader = Callable[[Scope, Entry], None]


def declare_all(scope: Scope, root: Entry) -> None:
    """Declare every name that the tables of a file declare. Raises `ModelFileError` at what cannot be."""
    for table, read in _READERS.items():
        section = root.get(table)
        if section is None:
            continue
        if not section.is_table:
            raise section.error(f"expected a table of names; write [{table}] on a line of its own")
        for entry in section.entries():
            read(scope, entry)
    definitions = root.get("definitions")
    if definitions is not None:
        if not definitions.is_table:
            raise definitions.error("expected a table of names; write [definitions] on a line of its own")
        _define(scope, definitions)


def known_keys(entry: Entry, keys: tuple[str, ...]) -> Mapping[str, Entry]:
    """The parts of a table by name. Raises `ModelFileError` for a key that is not among `keys`."""
    for part in entry.entries():
        if part.name not in keys:
            hint = nearest(part.name, keys) or f"; it takes {', '.join(keys)}"
            raise part.error(f"{part.name!r} is not a key of this table{hint}", of_key=True)
    return {part.name: part for part in entry.entries()}


def whole_number(entry: Entry, most: int) -> int:
    """A whole number from 1 to `most`."""
    value = entry.value
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
        raise entry.error(f"expected a whole number from 1 to {most}, got {str(value)[:60]}")
    return value


# ------------------------------------------------------------------------------------------------- symbols and vectors


def _read_symbol(scope: Scope, entry: Entry) -> None:
    if not entry.is_table:
        scope.declare(entry.name, _symbol(entry, entry.name), entry)
        return
    parts = known_keys(entry, ("assumptions", "count"))
    if "count" not in parts:
        raise entry.error("a table here declares a family, and needs count: { assumptions = 'real', count = 4 }")
    said = parts.get("assumptions")
    names = _member_names(entry, parts["count"])
    _declare_family(scope, entry, names, [_symbol(said, name) if said else Symbol(name, real=True) for name in names])


def _symbol(entry: Entry, name: str) -> Symbol:
    words = entry.value.split() if isinstance(entry.value, str) else None
    if not words:
        raise entry.error(f"expected what is known of the symbol, such as 'real' or 'positive', got {entry.value!r}")
    for word in words:
        if word not in ASSUMPTIONS:
            raise entry.error(
                f"{word[:60]!r} is nothing that is said of a symbol{nearest(word, ASSUMPTIONS)}"
                f"{'' if nearest(word, ASSUMPTIONS) else '; say ' + ', '.join(ASSUMPTIONS)}"
            )
    try:
        return Symbol(name, **dict.fromkeys(words, True))
    except ValueError:
        raise entry.error(f"no number is {' and '.join(words)}") from None


def _read_input(scope: Scope, entry: Entry) -> None:
    count = whole_number(entry, MOST_OF_A_KIND)
    entries = networks.inputs(entry.name or "x", count)
    _declare_family(scope, entry, [symbol.name for symbol in entries], entries)


def _read_matrix(scope: Scope, entry: Entry) -> None:
    shape = entry.value
    if not isinstance(shape, list) or len(shape) != 2 or not all(type(size) is int and size > 0 for size in shape):
        raise entry.error(f"expected the numbers of rows and columns, as in U = [4, 2], got {str(shape)[:60]}")
    if max(shape) > MOST_ENTRIES or shape[0] * shape[1] > MOST_ENTRIES:
        raise entry.error(f"a matrix of more than {MOST_ENTRIES} entries")
    matrix = networks.Matrix(entry.name or "U", *shape)
    scope.declare(entry.name, matrix, entry)
    for symbol in matrix:
        scope.declare(symbol.name, symbol, entry)


def _read_vector(scope: Scope, entry: Entry) -> None:
    parts = known_keys(entry, ("dimension", "count")) if entry.is_table else {"dimension": entry}
    if "dimension" not in parts:
        raise entry.error("a vector needs its dimension, as in { dimension = 'n', count = 4 }")
    size = _dimension(scope, parts["dimension"])
    with entry.refusing():
        if "count" in parts:
            names = _member_names(entry, parts["count"])
            _declare_family(scope, entry, names, [Vector(name, size) for name in names])
        else:
            scope.declare(entry.name, Vector(entry.name or "v", size), entry)


def _dimension(scope: Scope, entry: Entry) -> Expr:
    size = evaluate(parsed(entry), scope)
    if not isinstance(size, Expr) or size.atoms(Vector):
        raise entry.error(f"a dimension is a symbol or a whole number, got {kind(size)}")
    if size.is_Integer and size > LARGEST_DIMENSION:
        raise entry.error(f"a dimension of more than {LARGEST_DIMENSION}; leave it a symbol, and give a number in [at]")
    return size


def _member_names(entry: Entry, count: Entry) -> list[str]:
    return [f"{entry.name}{index}" for index in range(1, whole_number(count, MOST_OF_A_KIND) + 1)]


def _declare_family(scope: Scope, entry: Entry, names: list[str], members: Any) -> None:
    """The family under its name as a tuple, and every member under its own."""
    scope.declare(entry.name, tuple(members), entry)
    for name, member in zip(names, members, strict=True):
        scope.declare(name, member, entry)


def _read_field(scope: Scope, entry: Entry) -> None:
    parts = known_keys(entry, ("order", "covariance")) if entry.is_table else {"order": entry}
    if len(parts) != 1:
        raise entry.error(
            "a field takes order = k, or covariance = an expression in r, the inner product of two points"
        )
    (part,) = parts.values()
    with part.refusing():
        if part.name == "covariance" and entry.is_table:
            if "r" in scope:
                raise part.error("r is the inner product of two points here; give the declared r another name")
            argument = Symbol("r", real=True)
            image = scalar(evaluate(parsed(part), scope, numbers=Numbers.FLOATING, constants={"r": argument}))
            field = GaussianField(entry.name or "W", covariance=sympy.Lambda(argument, image))
        else:
            field = GaussianField(entry.name or "W", order=scalar(evaluate(parsed(part), scope)))
    scope.declare(entry.name, field, entry)


def _read_network(scope: Scope, entry: Entry) -> None:
    def activation(part: Entry) -> sympy.Lambda:
        argument = Symbol("x", real=True)
        image = evaluate(parsed(part), Scope(), constants={"x": argument})
        if not isinstance(image, Expr):
            raise part.error(f"an activation is a function of x, such as tanh or x*tanh(x), got {kind(image)}")
        return activation_lambda(image, part)

    network = read_network(entry, activation)
    scope.declare(entry.name, network, entry)
    for symbol in network.parameters:
        scope.declare(symbol.name, symbol, entry)


# ---------------------------------------------------------------------------------------------------------- definitions


def _define(scope: Scope, section: Entry) -> None:
    """Evaluate named expressions, each after those that it names."""
    if len(section.value) > MOST_OF_A_KIND:
        raise section.error(f"more than {MOST_OF_A_KIND} definitions")
    expressions = {entry.name: parsed(entry) for entry in section.entries()}
    for entry in section.entries():
        scope.declare(entry.name, None, entry)
    for name in _in_order(expressions):
        value = evaluate(expressions[name], scope)
        if not isinstance(value, (Expr, VectorExpression, MatrixBase, tuple)):
            raise expressions[name].error(f"a definition is a scalar, a vector, a tuple or a matrix, got {kind(value)}")
        scope.set(name, value)


def _in_order(expressions: Mapping[str, Expression]) -> list[str]:
    """The names of definitions, each after those that its expression names. Refuses a circle, spelled out."""
    needs = {
        name: list(dict.fromkeys(node.id for node in expression.names() if node.id in expressions))
        for name, expression in expressions.items()
    }
    done: dict[str, None] = {}
    for first in expressions:
        path: dict[str, None] = {}
        pending = [(first, False)]
        while pending:
            name, leaving = pending.pop()
            if leaving:
                path.pop(name)
                done[name] = None
            elif name in path:
                circle = [*list(path)[list(path).index(name) :], name]
                text = " -> ".join(circle if len(circle) <= 12 else [*circle[:6], "...", *circle[-5:]])
                raise expressions[circle[-2]].error(f"the definitions go in a circle: {text}")
            elif name not in done:
                path[name] = None
                pending.append((name, True))
                pending.extend((other, False) for other in needs[name])
    return list(done)


_READERS: Mapping[str, Reader] = {
    "symbols": _read_symbol,
    "inputs": _read_input,
    "matrices": _read_matrix,
    "vectors": _read_vector,
    "fields": _read_field,
    "networks": _read_network,
}
"""The tables that declare names, in the order in which they may refer to each other."""
