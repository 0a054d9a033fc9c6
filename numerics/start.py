"""Starts: from the values that a user gives to vectors whose inner products are exactly these."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy
from numpy.typing import NDArray
from sympy import Expr, Symbol

from numerics.gram import determined_gram, realise_gram
from numerics.law_draws import draw_law, scalar_law
from theory.errors import MissingValue, UnknownValue, ValuesError
from theory.laws.law import Law
from theory.model import Model
from theory.vectors import InnerProduct, Vector

Array = NDArray[np.float64]
Sampler = Callable[[int, np.random.Generator], Array]


@dataclass(frozen=True)
class Start:
    """Where SGD starts: trained vectors (replica, K, n) or (1, K, n) if shared, scalars likewise, fixed vectors (M, n)."""

    vectors: Array
    scalars: Array
    signals: Array


def build_start(
    model: Model,
    signals: Sequence[Vector],
    statistics: Mapping[str, Expr],
    start: Mapping[Any, Any],
    values: Mapping[Expr, float],
    dimension: int,
    replicas: int,
    seed: int,
) -> Start:
    """Vectors with the inner products that `start`, `statistics` and `model.fixed` determine.

    Deterministic inner products are realised by a pivoted Cholesky factor of the Gram matrix in a seeded random orthonormal
    frame (never on coordinate axes: for non-Gaussian data that would change the answer). A vector may instead be given an
    array, or a law for its entries, drawn afresh for each replica (once for a vector that is not trained); a scalar a number,
    an array over replicas, or a law.

    Raises `StartUnderdetermined` (the inner products that are missing), `ImpossibleStart` (with the eigenvalue, or what
    contradicts what), `UnknownValue`, `MissingValue`, `ValuesError`.
    """
    keyed = resolve_keys(model, signals, statistics, start)
    scalars = scalar_start(model, keyed, statistics, values, replicas, seed)
    trained = model.vector_parameters
    spread = {v for v in trained if v in keyed and (isinstance(keyed[v], Law) or np.ndim(keyed[v]) == 2)}
    count = replicas if spread else 1
    given = {
        v: _entries(v, keyed[v], dimension, count if v in spread else 1, seed, 2 * position + 1, values)
        for position, v in enumerate((*trained, *signals))
        if v in keyed
    }
    arrays = {v: rows[0] for v, rows in given.items() if v not in spread}
    shared = [*arrays, *(v for v in (*trained, *signals) if v not in given)]
    gram = determined_gram(model, shared, arrays, spread, statistics, keyed, values, scalars)
    placed = realise_gram(gram, shared, arrays, dimension, seed)
    vectors = np.zeros((count, len(trained), dimension))
    for index, vector in enumerate(trained):
        vectors[:, index] = given[vector] if vector in given else placed[vector]
    fixed = np.zeros((len(signals), dimension))
    for index, vector in enumerate(signals):
        fixed[index] = given[vector][0] if vector in given else placed[vector]
    return Start(vectors, scalars, fixed)


def at_rest(statistics: Mapping[str, Expr], velocities: Iterable[Any]) -> dict[str, Expr]:
    """The statistics at the start, where every momentum buffer is empty."""
    moving = set(velocities)
    return {
        name: expression.xreplace(
            {
                atom: sympy.S.Zero
                for atom in expression.atoms(InnerProduct, Symbol)
                if atom in moving or moving & set(atom.args)
            }
        )
        for name, expression in statistics.items()
    }


def resolve_keys(
    model: Model, signals: Sequence[Vector], statistics: Mapping[str, Expr], start: Mapping[Any, Any]
) -> dict[Any, Any]:
    """Keys of `start` as statistic names (str), inner products, vectors or scalar symbols of the model."""
    vectors = {v.name: v for v in (*model.vector_parameters, *signals)}
    scalars = {s.name: s for s in model.scalar_parameters}
    resolved: dict[Any, Any] = {}
    for key, value in start.items():
        name = str(key)
        if isinstance(key, InnerProduct):
            strangers = [v for v in key.args if v not in vectors.values()]
            if strangers:
                raise UnknownValue(f"start={{{key}: ...}}: {strangers[0]} is no vector that SGD starts with")
            resolved[key] = value
        elif isinstance(key, Vector) and key in vectors.values():
            resolved[key] = value
        elif name in statistics and not (name in scalars and statistics[name] == scalars[name]):
            resolved[name] = value
        elif name in scalars:
            resolved[scalars[name]] = value
        elif name in vectors:
            resolved[vectors[name]] = value
        else:
            known = [*statistics, *scalars, *vectors]
            raise UnknownValue(
                f"start={{{key}: ...}}: there is no statistic, parameter or vector of that name; known are "
                f"{', '.join(known)}"
            )
    return resolved


def scalar_start(
    model: Model,
    keyed: Mapping[Any, Any],
    statistics: Mapping[str, Expr],
    values: Mapping[Expr, float],
    replicas: int,
    seed: int,
) -> Array:
    """The trained scalars at the start, (replica, scalar), one row if all replicas share them; see `build_start`."""
    columns: list[Array] = []
    for index, symbol in enumerate(model.scalar_parameters):
        value = keyed.get(symbol)
        if value is None:
            named = [name for name, expression in statistics.items() if expression == symbol and name in keyed]
            value = keyed[named[0]] if named else None
        if value is None:
            raise MissingValue(
                f"start needs a value for the parameter {symbol}: start={{{symbol}: 0.0}} or a law, "
                f"start={{{symbol}: Normal()}}"
            )
        columns.append(_column(symbol, value, replicas, seed, index, values))
    size = max((column.size for column in columns), default=1)
    return np.stack([np.broadcast_to(column, (size,)) for column in columns], axis=1) if columns else np.zeros((1, 0))


def _column(symbol: Symbol, value: Any, replicas: int, seed: int, index: int, values: Mapping[Expr, float]) -> Array:
    if isinstance(value, Law):
        return draw_law(scalar_law(symbol, value, values), (replicas, 1), seed, 2 * index)[:, 0]
    try:
        array = np.atleast_1d(np.asarray(value, dtype=float))
    except (TypeError, ValueError):
        raise ValuesError(
            f"start={{{symbol}: {value!r}}}: expected a number, an array over replicas, or a law"
        ) from None
    if array.shape not in ((1,), (replicas,)):
        raise ValuesError(
            f"start={{{symbol}: array of shape {array.shape}}}: expected one number or {replicas}, one per replica"
        )
    if not np.isfinite(array).all():
        raise ValuesError(f"start={{{symbol}: ...}} is not finite")
    return array


def _entries(
    vector: Vector, value: Any, dimension: int, replicas: int, seed: int, stream: int, values: Mapping[Expr, float]
) -> Array:
    if isinstance(value, Law):
        return draw_law(scalar_law(vector, value, values), (replicas, dimension), seed, stream)
    try:
        array = np.asarray(value, dtype=float)
    except (TypeError, ValueError):
        raise ValuesError(
            f"start={{{vector}: {value!r}}}: expected an array of {dimension} numbers, or a law"
        ) from None
    if array.shape not in ((dimension,), (replicas, dimension)) or not np.isfinite(array).all():
        raise ValuesError(
            f"start={{{vector}: array of shape {array.shape}}}: expected {dimension} finite numbers, or one such row "
            f"for each of {replicas} replicas"
        )
    return np.broadcast_to(array, (replicas, dimension))
