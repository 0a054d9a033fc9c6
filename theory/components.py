"""From vectors without a dimension to explicit scalars: the bridge to theories that work in coordinates."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import Any

import sympy
from sympy import Expr, Symbol

from theory.errors import DuplicateName, InvalidRequest, MissingValue, UnsupportedExpectation
from theory.fields import FieldLaw, FieldValue, GaussianField
from theory.model import Model
from theory.statement import scalar_columns
from theory.vectors import InnerProduct, Vector, VectorExpression


def component_symbols(vector: Vector, size: int) -> tuple[Symbol, ...]:
    """The scalars `w_0`, ..., `w_{size-1}` that stand for the entries of a vector."""
    return tuple(Symbol(f"{vector.name}_{index}", real=True) for index in range(size))


def expand_components(model: Model, dimensions: Mapping[Any, int]) -> Model:
    """The explicit model of `Model.components`."""
    sizes = {**model.known_dimensions, **{key: _dimension(key, value) for key, value in dimensions.items()}}
    for symbol, width in model.known_dimensions.items():
        if sizes[symbol] != width:
            raise InvalidRequest(f"components({{{symbol}: {sizes[symbol]}}}): the data array fixes {symbol} = {width}")
    unused = sorted((set(sizes) - set(model.dimensions)), key=str)
    if unused:
        raise InvalidRequest(
            f"components: {unused[0]} is no dimension of this model; its dimensions are "
            f"{', '.join(map(str, model.dimensions)) or 'all numbers already'}"
        )
    entries = {vector: component_symbols(vector, _size(vector, sizes)) for vector in model.vectors}
    _require_new_names(entries, model)
    values = {symbol: sympy.Integer(size) for symbol, size in sizes.items()}
    opaque = {node: _expand(node, entries) for node in model.loss.atoms(InnerProduct)}
    data: dict[Any, Any] = {}
    for names, law in model.data:
        if isinstance(law, FieldLaw):
            images, entries_of_field = _expand_field(law.field, model, entries)
            opaque.update(images)
            data.update(entries_of_field)
        else:
            data.update(_expand_law(names, law.substitute(values), entries))
    parameters = [symbol for p in model.parameters for symbol in (entries[p] if isinstance(p, Vector) else (p,))]
    fixed = {
        key.xreplace({node: _expand(node, entries) for node in key.atoms(InnerProduct)}): value.xreplace(values)
        for key, value in model.fixed.items()
    }
    return Model(model.loss.xreplace(opaque).xreplace(values), parameters, data, fixed)


def _require_new_names(entries: Mapping[Vector, tuple[Symbol, ...]], model: Model) -> None:
    """The names of the entries must not be those of other entries or of the symbols of the model."""
    owners: dict[str, str] = {
        symbol.name: f"the symbol {symbol}"
        for symbol in (
            *model.scalar_parameters,
            *model.hyperparameters,
            *(name for name in model.random if isinstance(name, Symbol)),
        )
    }
    for vector, symbols in entries.items():
        for symbol in symbols:
            other = owners.setdefault(symbol.name, f"an entry of {vector}")
            if other != f"an entry of {vector}":
                raise DuplicateName(
                    f"components: an entry of {vector} would carry the name {symbol.name!r} of {other}; rename "
                    f"one of them"
                )


def _dimension(key: Any, value: Any) -> int:
    if isinstance(value, (bool, str)) or not sympy.sympify(value).is_Integer or value < 1:
        raise InvalidRequest(f"components({{{key}: {value!r}}}): a dimension must be a positive whole number")
    return int(value)


def _size(vector: Vector, sizes: Mapping[Any, int]) -> int:
    size = vector.dimension.xreplace({key: sympy.Integer(value) for key, value in sizes.items()})
    if not size.is_Integer:
        raise MissingValue(
            f"components: the dimension {vector.dimension} of vector {vector} needs a number; write "
            f"model.components({{{vector.dimension}: 3}})"
        )
    return int(size)


def _expand(node: InnerProduct, entries: Mapping[Vector, tuple[Symbol, ...]]) -> Expr:
    return sympy.Add(*(a * b for a, b in zip(entries[node.left], entries[node.right], strict=True)))


def _expand_vector(
    expression: VectorExpression, entries: Mapping[Vector, tuple[Symbol, ...]], size: int
) -> tuple[Expr, ...]:
    return tuple(
        sympy.Add(*(c * entries[vector][index] for vector, c in expression.terms.items())) for index in range(size)
    )


def _expand_law(names: tuple[Any, ...], law: Any, entries: Mapping[Vector, tuple[Symbol, ...]]) -> dict[Any, Any]:
    from theory.laws import Discrete, Empirical

    flat = tuple(symbol for name in names for symbol in (entries[name] if isinstance(name, Vector) else (name,)))
    if not any(isinstance(name, Vector) for name in names):
        return {names if len(names) > 1 else names[0]: law}
    if isinstance(law, Empirical):
        return {flat: scalar_columns(law)}
    if isinstance(law, Discrete) and not law.is_scalar:
        pairs = []
        for value, probability in law.outcomes():
            slots = value if isinstance(value, (tuple, sympy.Tuple)) else (value,)
            row: list[Expr] = []
            for name, slot in zip(names, slots, strict=True):
                row.extend(_expand_vector(slot, entries, len(entries[name])) if isinstance(name, Vector) else [slot])
            pairs.append((tuple(row) if len(row) > 1 else row[0], probability))
        return {flat if len(flat) > 1 else flat[0]: Discrete(pairs)}
    if len(names) == 1 and law.size == 1:
        return {symbol: law for symbol in flat}
    raise UnsupportedExpectation(f"the joint law {law} of {names} cannot be expanded into components")


def _expand_field(
    field: GaussianField, model: Model, entries: Mapping[Vector, tuple[Symbol, ...]]
) -> tuple[dict[Expr, Expr], dict[Any, Any]]:
    """F(w) = sum W_{i1..ik} w_i1 ... w_ik with i.i.d. standard Gaussian entries, for a kernel r**k with a number k."""
    from theory.laws import Normal

    argument = sympy.Dummy("r", real=True)
    base, order = field.covariance(argument).as_base_exp()
    if base != argument or not order.is_Integer:
        raise UnsupportedExpectation(
            f"field {field} with covariance {field.kernel} has no expansion into a finite tensor; "
            f"components needs GaussianField(order=k) with a number k"
        )
    values = sorted((node for node in model.loss.atoms(FieldValue) if node.field == field), key=str)
    if not values:
        return {}, {}
    size = len(entries[values[0].point])
    tensor = {
        index: Symbol(f"{field.name}_{'_'.join(map(str, index))}", real=True)
        for index in product(range(size), repeat=int(order))
    }
    images = {
        node: sympy.Add(
            *(symbol * sympy.Mul(*(entries[node.point][i] for i in index)) for index, symbol in tensor.items())
        )
        for node in values
    }
    return images, {symbol: Normal() for symbol in tensor.values()}
