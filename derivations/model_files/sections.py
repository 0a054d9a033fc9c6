"""The tables of a TOML model file that use its names: the model, its algorithm, and what to measure on them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from sympy import Expr, MatrixBase, Symbol

from derivations.model_files.constructors import laws, options, sampling_names
from derivations.model_files.data_files import read_data_set
from derivations.model_files.document import Entry
from derivations.model_files.evaluation import Numbers, evaluate
from derivations.model_files.expressions import parsed
from derivations.model_files.functions import kind, scalar
from derivations.model_files.model_file import checked_axis, checked_over
from derivations.model_files.networks import is_network
from derivations.model_files.scope import Scope
from theory import SGD, Model
from theory.errors import TheoryError
from theory.fields import GaussianField
from theory.laws.law import Law
from theory.statement import checked_data, checked_fixed, checked_loss, checked_parameters
from theory.vectors import InnerProduct, Vector, VectorExpression

# --------------------------------------------------------------------------------------------------------------- model


def read_model(scope: Scope, root: Entry) -> Model:
    """The model of `[model]`, `[data]` and `[fixed]`; every declared field is data, with its own law."""
    section = root.entry("model")
    loss = evaluate(parsed(section.entry("loss")), scope)
    if not isinstance(loss, Expr) or isinstance(loss, (MatrixBase, VectorExpression)):
        raise section.entry("loss").error(f"the loss of one sample is a scalar, got {kind(loss)}")
    parameters = _parameters(scope, section.entry("parameters"))
    data = _data(scope, root.get("data"))
    data.update({scope[name]: (scope[name].law, section) for name in scope.names if _is_field(scope[name])})
    if not data:
        raise root.complaint('a model file states the law of each random symbol in [data], as in x = "Normal()"')
    fixed = {key: (scalar(value), entry) for key, value, entry in _fixed(scope, root.get("fixed"))}
    statement = (
        loss,
        parameters,
        {key: law for key, (law, _) in data.items()},
        {key: value for key, (value, _) in fixed.items()},
    )
    try:
        return Model(*statement)
    except RecursionError:
        raise section.entry("loss").error("the loss is nested too deeply; state a smaller model") from None
    except TheoryError as error:
        doors: list[tuple[Entry, Callable[[], Any]]] = [
            (section.entry("loss"), lambda: checked_loss(loss)),
            (section.entry("parameters"), lambda: checked_parameters(parameters)),
            *((entry, lambda k=key, v=law: checked_data({k: v})) for key, (law, entry) in data.items()),
            *((entry, lambda k=key, v=value: checked_fixed({k: v}, ())) for key, (value, entry) in fixed.items()),
        ]
        raise _refused_at(doors, error, section.entry("loss")).error(str(error)) from error


def _refused_at(doors: list[tuple[Entry, Callable[[], Any]]], error: TheoryError, otherwise: Entry) -> Entry:
    """The entry that a model was refused for: the first that is refused alone, else the one that the message names."""
    for entry, door in doors:
        try:
            door()
        except TheoryError:
            return entry
    words = set(re.findall(r"\w+", str(error)))
    if words & {"parameter", "parameters"}:
        return doors[1][0]
    named = (entry for entry, _ in doors[2:] if words & set(re.findall(r"\w+", entry.name)))
    return next(named, otherwise)


def _is_field(value: Any) -> bool:
    return isinstance(value, GaussianField)


def _parameters(scope: Scope, entry: Entry) -> list[Any]:
    if not isinstance(entry.value, list) or not entry.value:
        raise entry.error('expected a list of what is trained, as in ["w", "a"]')
    found: list[Any] = []
    for part in entry.entries():
        value: Any = evaluate(parsed(part), scope) if isinstance(part.value, str) else ()
        flat = _flat(value.parameters if is_network(value) else value)
        if not flat or not all(isinstance(member, (Symbol, Vector)) for member in flat):
            raise part.error(
                f"expected the name of a symbol, a vector, a matrix or a network, got {str(part.value)[:60]!r}"
            )
        found.extend(flat)
    return found


def _flat(value: Any) -> list[Any]:
    if isinstance(value, (tuple, MatrixBase)):
        return [part for item in value for part in _flat(item)]
    return [value]


def _data(scope: Scope, section: Entry | None) -> dict[Any, tuple[Any, Entry]]:
    data: dict[Any, tuple[Any, Entry]] = {}
    for entry in section.entries() if section is not None else ():
        names = _random_names(scope, entry)
        law = _law(scope, entry)
        alone = law.size == 1 and not (hasattr(law, "columns") and sum(law.columns) == len(names))
        keys = [(name,) for name in names] if alone and len(names) > 1 and "," not in entry.name else [tuple(names)]
        for key in keys:
            name = key if len(key) > 1 else key[0]
            if name in data:
                raise entry.error(f"{entry.name} has a law already", of_key=True)
            data[name] = (law, entry)
    return data


def _random_names(scope: Scope, entry: Entry) -> list[Any]:
    """The random symbols and vectors of a key such as `x, y`; a family stands for its members."""
    found: list[Any] = []
    for name in (part.strip() for part in entry.name.split(",")):
        value = scope.resolve(entry, name)
        if _is_field(value):
            raise entry.error(f"{name} is a field: it has its own law, and needs no entry here", of_key=True)
        members = _flat(value)
        if not members or not all(isinstance(member, (Symbol, Vector)) for member in members):
            raise entry.error(
                f"{name} is {kind(value)}; the data are declared symbols, vectors and inputs", of_key=True
            )
        found.extend(members)
    return found


def _law(scope: Scope, entry: Entry) -> Any:
    if entry.is_table:
        return read_data_set(entry)
    law = evaluate(parsed(entry), scope, numbers=Numbers.FLOATING, calls=laws())
    if not isinstance(law, Law):
        raise entry.error(f"expected a law, such as Normal() or Discrete({{1: 1 - p, -1: p}}), got {kind(law)}")
    return law


def _fixed(scope: Scope, section: Entry | None) -> list[tuple[Any, Any, Entry]]:
    found = []
    for entry in section.entries() if section is not None else ():
        key = evaluate(parsed(entry.as_key()), scope)
        value = evaluate(parsed(entry), scope, numbers=Numbers.FLOATING)
        for what, part in ((key, entry.as_key()), (value, entry)):
            if not isinstance(what, Expr) or isinstance(what, (MatrixBase, VectorExpression)):
                raise part.error(f"expected an inner product and its value, as in 'dot(v, v)' = 1, got {kind(what)}")
        found.append((key, value, entry))
    return found


# ----------------------------------------------------------------------------------------------------------- algorithm


def read_algorithm(scope: Scope, section: Entry) -> SGD:
    """The algorithm of `[algorithm]`: the options of `SGD` by their names."""
    given: dict[str, Any] = {}
    for entry in section.entries():
        names = sampling_names() if entry.name == "sampling" else {}
        value = evaluate(parsed(entry), scope, calls=options(), constants=names)
        given[entry.name] = value
    try:
        return SGD(given.pop("learning_rate"), **given)
    except TheoryError as error:
        named = [entry for entry in section.entries() if entry.name in str(error)]
        raise (named or [section])[0].error(str(error)) from error


# ---------------------------------------------------------------------------------------------------- what is measured


def read_statistics(scope: Scope, section: Entry | None) -> Mapping[str, Expr]:
    """Name -> expression."""
    found: dict[str, Expr] = {}
    for entry in section.entries() if section is not None else ():
        if not entry.name.strip():
            raise entry.error("a statistic needs a name", of_key=True)
        value = evaluate(parsed(entry), scope)
        if not isinstance(value, Expr) or isinstance(value, (MatrixBase, VectorExpression)):
            raise entry.error(f"a statistic is a scalar, such as dot(w, w), got {kind(value)}")
        found[entry.name] = value
    return MappingProxyType(found)


def read_at(scope: Scope, section: Entry | None) -> Mapping[Any, Any]:
    """Symbol or inner product -> number."""
    found: dict[Any, Any] = {}
    for entry in section.entries() if section is not None else ():
        value = _number(scope, entry)
        for key in _keys(scope, entry, (Symbol, InnerProduct), "a symbol or an inner product"):
            found[key] = value
    return MappingProxyType(found)


def read_start(scope: Scope, section: Entry | None, statistics: Mapping[str, Expr]) -> Mapping[Any, Any]:
    """Name of a statistic, symbol, vector or inner product -> number, array or law."""
    found: dict[Any, Any] = {}
    for entry in section.entries() if section is not None else ():
        value = _start_value(scope, entry)
        if entry.name in statistics:
            found[entry.name] = value
            continue
        kinds = (Symbol, InnerProduct, Vector)
        for key in _keys(scope, entry, kinds, "a statistic, a parameter, a vector or an inner product", statistics):
            found[key] = value
    return MappingProxyType(found)


def read_point(scope: Scope, section: Entry | None) -> Mapping[Any, Any]:
    """Parameter -> value: a number or an expression, exact."""
    found: dict[Any, Any] = {}
    for entry in section.entries() if section is not None else ():
        value = evaluate(parsed(entry), scope)
        if not isinstance(value, Expr) or isinstance(value, (MatrixBase, VectorExpression)):
            raise entry.error(f"a coordinate of the point is a scalar, got {kind(value)}")
        for key in _keys(scope, entry, (Symbol,), "a trained symbol"):
            found[key] = value
    return MappingProxyType(found)


def read_over(scope: Scope, section: Entry | None) -> Mapping[Any, tuple[float, float, int]]:
    """Symbol -> first value, last value, number of values."""
    if section is None:
        return MappingProxyType({})
    found: dict[Any, Any] = {}
    for entry in section.entries():
        (key, *others) = _keys(scope, entry, (Symbol,), "a symbol")
        if others:
            raise entry.error("one axis runs over one symbol", of_key=True)
        found[key] = checked_axis(entry.name, entry.value, lambda _, problem, entry=entry: entry.error(problem))  # type: ignore[misc]
    return checked_over(found, lambda _, problem: section.error(problem))


def _keys(
    scope: Scope, entry: Entry, kinds: tuple[type, ...], expected: str, others: Mapping[str, Any] | None = None
) -> list[Any]:
    """The symbols, vectors or inner products that a key names."""
    if entry.name.isidentifier() and entry.name not in scope:
        message = scope.unknown(entry.name, others or ())
        if others is not None:
            message += " A statistic has" if message.endswith("?") else "; a statistic has"
            message += " its name in [statistics]"
        raise entry.error(message, of_key=True)
    value = evaluate(parsed(entry.as_key()), scope)
    members = value.parameters if is_network(value) else value
    found = _flat(members)
    if not found or not all(isinstance(member, kinds) for member in found):
        raise entry.error(f"expected {expected}, got {kind(value)}", of_key=True)
    return found


def _number(scope: Scope, entry: Entry) -> Any:
    """A plain number as it is, or the value of an expression without symbols, exact."""
    if isinstance(entry.value, (int, float)) and not isinstance(entry.value, bool):
        parsed(entry)
        return entry.value
    value = evaluate(parsed(entry), scope)
    if not isinstance(value, Expr) or not value.is_number:
        raise entry.error(f"expected a number, got {kind(value)}")
    return value


def _start_value(scope: Scope, entry: Entry) -> Any:
    if entry.is_table:
        return read_data_set(entry)
    if isinstance(entry.value, list):
        return _array(entry)
    if not isinstance(entry.value, str):
        return _number(scope, entry)
    value = evaluate(parsed(entry), scope, numbers=Numbers.FLOATING, calls=laws())
    return value if isinstance(value, Law) else _number(scope, entry)


def _array(entry: Entry) -> Any:
    import numpy as np

    try:
        array = np.array(entry.value, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise entry.error("expected numbers, or rows of equally many numbers") from None
    if array.ndim > 2 or not array.size or not np.isfinite(array).all():
        raise entry.error("expected finite numbers, or rows of finite numbers")
    array.flags.writeable = False
    return array
