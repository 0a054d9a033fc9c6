"""The checks at the door of `Model`: each part of a statement is accepted, or refused by name.

Every function returns its part in the form that `Model` keeps, or raises a `ModelError` that names what the user wrote.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import sympy
from sympy import Expr, MatrixBase, S, Symbol
from sympy.core.function import AppliedUndef

from theory.errors import (
    DimensionMismatch,
    InvalidData,
    InvalidLaw,
    ModelError,
    NotDimensionFree,
    NotReal,
    UnknownSymbol,
)
from theory.fields import FieldLaw, GaussianField
from theory.identity import canonical_text
from theory.laws.law import Law
from theory.vectors import InnerProduct, Vector, VectorExpression, stray_vectors


def outcome_vectors(law: Any) -> set[Vector]:
    """The vectors among the outcomes of a finite law."""
    found: set[Vector] = set()
    for value in getattr(law, "values", ()):
        for entry in value if isinstance(value, (tuple, sympy.Tuple)) else (value,):
            if isinstance(entry, VectorExpression):
                found |= set(entry.terms)
    return found


def checked_loss(loss: Any) -> Expr:
    """The loss as a real scalar expression with exact numbers, every vector of it inside an inner product."""
    if isinstance(loss, str):
        raise ModelError(f"the loss must be an expression, got the text {loss!r}; build it from theory.symbols")
    try:
        expression = sympy.sympify(loss)
    except sympy.SympifyError:
        expression = None
    if not isinstance(expression, sympy.Basic):
        raise ModelError(f"the loss must be one scalar expression, got {loss!r} of type {type(loss).__name__}")
    if expression.has(sympy.Float):
        expression = sympy.nsimplify(expression, rational=True)  # 0.1 means 1/10: derivations stay exact
    strays = stray_vectors(expression)
    if strays:
        raise NotDimensionFree(
            f"the loss holds a vector outside dot: {strays[0]}; vectors enter a loss only through "
            f"dot(a, b) or a field W(w)"
        )
    if not isinstance(expression, Expr) or isinstance(expression, MatrixBase):
        raise ModelError(f"the loss must be one scalar expression, got {loss!r} of type {type(loss).__name__}")
    if expression.has(S.NaN, S.ComplexInfinity, S.Infinity, S.NegativeInfinity):
        raise ModelError(f"the loss is not finite: {expression}")
    unknown = sorted(expression.atoms(AppliedUndef), key=str)
    if unknown:
        raise UnknownSymbol(
            f"the loss calls the undefined function {unknown[0]}; use a function that SymPy can "
            f"differentiate and evaluate, such as tanh, erf or exp"
        )
    require_real(expression.free_symbols, "the loss")
    if expression.is_real is False or expression.has(S.ImaginaryUnit):
        raise NotReal(f"the loss is not real: {expression}")
    return expression


def require_real(symbols: Iterable[Any], where: str) -> None:
    """Raise `NotReal` for the first symbol that is not declared real."""
    for symbol in sorted(symbols, key=str):
        if not symbol.is_real:
            raise NotReal(
                f"{where} contains {symbol}, a symbol that is not declared real; make it with "
                f"theory.symbols({str(symbol)!r}), or sympy.Symbol({str(symbol)!r}, real=True)"
            )


def checked_parameters(parameters: Iterable[Any]) -> tuple[Any, ...]:
    """The trained vectors and symbols in one flat tuple, matrices unpacked."""
    if isinstance(parameters, (str, Mapping)) or not isinstance(parameters, (Iterable, MatrixBase)):
        raise ModelError(f"parameters must be a list of vectors and symbols, got {parameters!r}")
    flat: list[Any] = []
    for parameter in list(parameters):
        flat.extend(parameter if isinstance(parameter, MatrixBase) else [parameter])
    if not flat:
        raise ModelError("parameters is empty: name what SGD trains, as in parameters=[w]")
    for parameter in flat:
        if not isinstance(parameter, (Vector, Symbol)):
            raise ModelError(f"a parameter must be a Vector, a symbol or a matrix of symbols, got {parameter!r}")
    require_real([p for p in flat if isinstance(p, Symbol)], "parameters")
    return tuple(flat)


def checked_data(data: Any) -> tuple[tuple[tuple[Any, ...], Any], ...]:
    """The data as pairs (names, law), joint laws with several names."""
    if isinstance(data, Mapping):
        items = list(data.items())
    else:
        fields = list(data) if isinstance(data, Iterable) and not isinstance(data, str) else [data]
        if not all(isinstance(item, GaussianField) for item in fields):
            raise ModelError(
                f"data must map random symbols to laws, as in data={{x: Normal()}}, got {data!r}; only "
                f"fields may be listed alone"
            )
        items = [(field, field.law) for field in fields]
    if not items:
        raise ModelError("data is empty: name the random symbols and their laws, as in data={x: Normal()}")
    checked = []
    for key, law in items:
        names = flat(key)
        for name in names:
            if not isinstance(name, (Symbol, Vector, GaussianField)):
                raise ModelError(f"data key {key!r}: expected symbols, vectors or fields, got {name!r}")
        if not isinstance(law, (Law, FieldLaw)):
            raise InvalidLaw(f"data[{key_text(names)}] must be a law such as Normal() or Discrete(...), got {law!r}")
        checked.append((names, by_entries(names, law)))
    require_real([name for names, _ in checked for name in names if isinstance(name, Symbol)], "data")
    return tuple(checked)


def flat(key: Any) -> tuple[Any, ...]:
    """The names of a data key; tuples of symbols inside it, such as the entries of an input, are unpacked."""
    return tuple(name for part in key for name in flat(part)) if isinstance(key, (tuple, sympy.Tuple)) else (key,)


def by_entries(names: tuple[Any, ...], law: Any) -> Any:
    """The law of the names: a data set with one symbol per column is cut into its columns."""
    columns = getattr(law, "columns", ())
    if len(columns) < len(names) == sum(columns) and all(isinstance(name, Symbol) for name in names):
        return scalar_columns(law)
    return law


def scalar_columns(data_set: Any) -> Any:
    """An `Empirical` law with every column of its arrays a slot of its own."""
    return type(data_set)(
        *(
            array if array.ndim == 1 else array[:, index]
            for array, width in zip(data_set.arrays, data_set.columns, strict=True)
            for index in range(width)
        )
    )


def checked_fixed(fixed: Mapping[Any, Any], parameters: tuple[Any, ...]) -> dict[Expr, Expr]:
    """Known values of quantities that are not trained, in a canonical order."""
    checked: dict[Expr, Expr] = {}
    for key, value in fixed.items():
        if isinstance(key, str) or isinstance(value, str):
            raise ModelError(
                f"fixed={{{key!r}: {value!r}}}: expected expressions, as in fixed={{dot(v, v): 1}}, got text"
            )
        expression, number = sympy.sympify(key), sympy.sympify(value)
        if isinstance(number, sympy.Float):
            number = sympy.nsimplify(number, rational=True)
        if not isinstance(expression, Expr) or not (expression.atoms(InnerProduct) or expression.free_symbols):
            raise ModelError(f"fixed={{{key}: {value}}}: the key must be an inner product of fixed vectors, dot(v, v)")
        if not isinstance(number, Expr) or number.is_real is False or number is S.NaN:
            raise ModelError(f"fixed={{{key}: {value}}}: the value must be a real number or symbol")
        require_real(number.free_symbols, f"fixed={{{key}: {value}}}")
        norm = isinstance(expression, InnerProduct) and expression.left == expression.right
        if norm and number.is_negative:
            raise ModelError(f"fixed={{{key}: {value}}}: a squared norm cannot be negative")
        trained = sorted((expression.free_symbols | number.free_symbols) & set(parameters), key=str)
        if trained:
            raise ModelError(
                f"fixed={{{key}: {value}}} holds {trained[0]}, which is trained; fixed takes values that never move"
            )
        checked[expression] = number
    return dict(sorted(checked.items(), key=lambda item: canonical_text(item[0])))


def check_slots(names: tuple[Any, ...], law: Any) -> None:
    """The law must offer as many slots as it has names, of matching kinds and widths."""
    if isinstance(law, FieldLaw):
        if names != (law.field,):
            raise InvalidLaw(
                f"data[{key_text(names)}] is given the law of field {law.field}; write "
                f"data={{{law.field}: {law.field}.law}}"
            )
        return
    if any(isinstance(name, GaussianField) for name in names):
        raise InvalidLaw(f"field {key_text(names)} takes its own law, {names[0]}.law, not {law}")
    if law.size != len(names):
        raise InvalidLaw(f"the law {law} has {law.size} slots, but data[{key_text(names)}] names {len(names)} symbols")
    for name, width in zip(names, getattr(law, "columns", ()), strict=False):
        if isinstance(name, Vector):
            if name.dimension.is_number and int(name.dimension) != width:
                raise DimensionMismatch(f"vector {name} has dimension {name.dimension}, its data have {width} columns")
        elif width != 1:
            raise InvalidData(
                f"symbol {name} is a scalar, its data have {width} columns; state it as Vector({name.name!r}, {width})"
            )
    for value in getattr(law, "values", ()):
        entries = value if isinstance(value, (tuple, sympy.Tuple)) else (value,)
        for name, entry in zip(names, entries, strict=True):
            if isinstance(name, Vector) and not isinstance(entry, VectorExpression) and len(names) == 1:
                continue  # a law of one number, for a vector of independent entries
            if isinstance(name, Vector) != isinstance(entry, VectorExpression):
                kind = "a vector" if isinstance(name, Vector) else "a scalar"
                raise InvalidLaw(f"{name} is {kind}, but the law {law} gives it the outcome {entry}")
            if isinstance(entry, VectorExpression) and entry.dimension not in (None, name.dimension):
                raise DimensionMismatch(
                    f"{name} lives in R^{name.dimension}, its outcome {entry} in R^{entry.dimension}"
                )


def key_text(names: tuple[Any, ...]) -> str:
    """A data key as the user wrote it."""
    return str(names[0]) if len(names) == 1 else "(" + ", ".join(map(str, names)) + ")"


def describe(item: Any) -> str:
    """What an object is, for a message about a name that two of them carry."""
    if isinstance(item, Vector):
        return f"the vector {item} in R^{item.dimension}"
    if isinstance(item, GaussianField):
        return f"the field {item}"
    assumptions = ", ".join(f"{k}={v}" for k, v in sorted(item.assumptions0.items()) if k in ("real", "positive"))
    return f"the symbol {item} ({assumptions})"
