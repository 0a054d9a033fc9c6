"""Starts: from the values that a user gives to vectors whose inner products are exactly these."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy
from numpy.typing import NDArray
from sympy import Expr, Symbol

from numerics.random import Purpose, fill_normals
from theory.errors import ImpossibleStart, MissingValue, StartUnderdetermined, UnknownValue, ValuesError
from theory.laws.law import Law
from theory.model import Model
from theory.vectors import InnerProduct, Vector

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Start:
    """Where SGD starts: trained vectors (replica, K, n) or (1, K, n) if shared, scalars likewise, fixed vectors (M, n)."""

    vectors: Array
    scalars: Array
    signals: Array


def build_start(
    model: Model, signals: Sequence[Vector], statistics: Mapping[str, Expr], start: Mapping[Any, Any], values: Mapping[Expr, float],
    dimension: int, replicas: int, seed: int,
) -> Start:
    """Vectors with the inner products that `start`, `statistics` and `model.fixed` determine.

    Deterministic inner products are realised by a pivoted Cholesky factor of the Gram matrix in a seeded random orthonormal
    frame (never on coordinate axes: for non-Gaussian data that would change the answer). A vector may instead be given an
    array, or a law for its entries, drawn afresh for each replica; a scalar a number, an array over replicas, or a law.

    Raises `StartUnderdetermined` (the inner products that are missing), `ImpossibleStart` (with the eigenvalue),
    `UnknownValue`, `MissingValue`, `ValuesError`.
    """
    keyed = _resolve_keys(model, signals, statistics, start)
    scalars = _scalars(model, keyed, statistics, values, replicas, seed)
    trained = model.vector_parameters
    given = {v: keyed[v] for v in (*trained, *signals) if v in keyed}
    gram_vectors = [v for v in (*trained, *signals) if v not in given]
    placed = {}
    if gram_vectors:
        gram = _gram(model, gram_vectors, statistics, keyed, values, scalars)
        placed = dict(zip(gram_vectors, _realise(gram, gram_vectors, dimension, seed), strict=True))
    shared = not any(isinstance(value, Law) or np.ndim(value) == 2 for value in given.values())
    count = 1 if shared else replicas
    vectors = np.zeros((count, len(trained), dimension))
    for index, vector in enumerate(trained):
        vectors[:, index] = placed[vector] if vector in placed else _entries(vector, given[vector], dimension, count, seed, index)
    fixed = np.zeros((len(signals), dimension))
    for index, vector in enumerate(signals):
        fixed[index] = placed[vector] if vector in placed else _entries(vector, given[vector], dimension, 1, seed, 1000 + index)[0]
    return Start(vectors, scalars, fixed)


def _resolve_keys(model: Model, signals: Sequence[Vector], statistics: Mapping[str, Expr], start: Mapping[Any, Any]) -> dict[Any, Any]:
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
        elif name in statistics and not (name in scalars and statistics[name] == scalars[name]):
            resolved[name] = value
        elif name in scalars:
            resolved[scalars[name]] = value
        elif name in vectors:
            resolved[vectors[name]] = value
        else:
            known = [*statistics, *scalars, *vectors]
            raise UnknownValue(f"start={{{key}: ...}}: there is no statistic, parameter or vector of that name; known are "
                               f"{', '.join(known)}")
    return resolved


def _scalars(
    model: Model, keyed: Mapping[Any, Any], statistics: Mapping[str, Expr], values: Mapping[Expr, float], replicas: int, seed: int
) -> Array:
    columns: list[Array] = []
    for index, symbol in enumerate(model.scalar_parameters):
        value = keyed.get(symbol)
        if value is None:
            named = [name for name, expression in statistics.items() if expression == symbol and name in keyed]
            value = keyed[named[0]] if named else None
        if value is None:
            raise MissingValue(f"start needs a value for the parameter {symbol}: start={{{symbol}: 0.0}} or a law, "
                               f"start={{{symbol}: Normal()}}")
        columns.append(_column(symbol, value, replicas, seed, index, values))
    size = max((column.size for column in columns), default=1)
    return np.stack([np.broadcast_to(column, (size,)) for column in columns], axis=1) if columns else np.zeros((1, 0))


def _column(symbol: Symbol, value: Any, replicas: int, seed: int, index: int, values: Mapping[Expr, float]) -> Array:
    if isinstance(value, Law):
        return draw_law(value.substitute({s: sympy.Float(v) for s, v in values.items()}), replicas, seed, index)
    try:
        array = np.atleast_1d(np.asarray(value, dtype=float))
    except (TypeError, ValueError):
        raise ValuesError(f"start={{{symbol}: {value!r}}}: expected a number, an array over replicas, or a law") from None
    if array.shape not in ((1,), (replicas,)):
        raise ValuesError(f"start={{{symbol}: array of shape {array.shape}}}: expected one number or {replicas}, one per replica")
    if not np.isfinite(array).all():
        raise ValuesError(f"start={{{symbol}: ...}} is not finite")
    return array


def _entries(vector: Vector, value: Any, dimension: int, replicas: int, seed: int, index: int) -> Array:
    if isinstance(value, Law):
        return draw_law(value, replicas * dimension, seed, index + 1).reshape(replicas, dimension)
    array = np.asarray(value, dtype=float)
    if array.shape not in ((dimension,), (replicas, dimension)) or not np.isfinite(array).all():
        raise ValuesError(f"start={{{vector}: array of shape {array.shape}}}: expected {dimension} finite numbers, or one such row "
                          f"for each of {replicas} replicas")
    return np.broadcast_to(array, (replicas, dimension))


def draw_law(law: Law, count: int, seed: int, stream: int) -> Array:
    """`count` draws from a scalar law with numeric parameters, reproducible from seed and stream."""
    generator = np.random.Generator(np.random.Philox(key=[seed % 2**64, (int(Purpose.START) << 32) + stream]))
    return _evaluate(law.draw("start"), count, generator)


def _evaluate(draw: Any, count: int, generator: np.random.Generator) -> Array:
    from theory.laws.draw import Choice, StandardExponential, StandardGamma, StandardNormal, StandardSign, StandardUniform

    if draw.table or draw.components:
        choice = draw.standards[0][1]
        assert isinstance(choice, Choice)  # noqa: S101 - the form of a finite law's draw
        index = generator.choice(len(choice.probabilities), size=count, p=np.array(choice.probabilities, dtype=float))
        if draw.table:
            return np.array([float(row[0]) for row in draw.table])[index]
        parts = np.stack([_evaluate(part, count, generator) for part in draw.components])
        return np.asarray(parts[index, np.arange(count)])
    columns = []
    for _, standard in draw.standards:
        if isinstance(standard, StandardNormal):
            columns.append(generator.standard_normal(count))
        elif isinstance(standard, StandardUniform):
            columns.append(1.0 - generator.random(count))
        elif isinstance(standard, StandardExponential):
            columns.append(generator.standard_exponential(count))
        elif isinstance(standard, StandardSign):
            columns.append(2.0 * generator.integers(0, 2, count) - 1.0)
        elif isinstance(standard, StandardGamma):
            columns.append(generator.standard_gamma(float(standard.shape), count))
    function = sympy.lambdify([symbol for symbol, _ in draw.standards], draw.expression[0], "numpy")
    return np.broadcast_to(np.asarray(function(*columns), dtype=float), (count,)).copy()


# ---------------------------------------------------------------------------------------------------- Gram matrices


def _gram(
    model: Model, vectors: Sequence[Vector], statistics: Mapping[str, Expr], keyed: Mapping[Any, Any], values: Mapping[Expr, float],
    scalars: Array,
) -> Array:
    """The Gram matrix that the given values determine."""
    pairs = [InnerProduct(a, b) for i, a in enumerate(vectors) for b in vectors[i:]]
    numbers = {symbol: sympy.Float(value, 17) for symbol, value in values.items()}
    for index, symbol in enumerate(model.scalar_parameters):
        numbers[symbol] = sympy.Float(float(scalars[0, index]), 17)
    known: dict[Expr, Expr] = {}
    for product, value in model.fixed.items():
        if product in pairs:
            known[product] = _real(value.xreplace(numbers), f"fixed[{product}]")
    for key, value in keyed.items():
        if isinstance(key, InnerProduct) and key in pairs:
            known[key] = _real(value, f"start[{key}]")
    equations = {name: statistics[name].xreplace(numbers) - _real(keyed[name], f"start[{name!r}]") for name in keyed
                 if isinstance(name, str)}
    solve_entries(equations, known, set(pairs))
    missing = [product for product in pairs if product not in known]
    if missing:
        listed = ", ".join(map(str, missing))
        raise StartUnderdetermined(missing, f"statistics, fixed and start leave {listed} open; give them, as in start={{"
                                   f"{missing[0]}: 0.0}}, or give a vector a law, as in start={{{vectors[0]}: Normal()}}")
    gram = np.zeros((len(vectors), len(vectors)))
    for i, a in enumerate(vectors):
        for j, b in enumerate(vectors):
            gram[i, j] = float(known[InnerProduct(a, b)])
    return gram


def _real(value: Any, what: str) -> Expr:
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise ValuesError(f"{what} = {value!r} must be a real number") from None
    if not np.isfinite(number):
        raise ValuesError(f"{what} = {value!r} must be finite")
    return sympy.Float(number, 17)


def solve_entries(equations: dict[str, Expr], known: dict[Expr, Expr], entries: set[Expr]) -> None:
    """Solve equations = 0 for `entries`, one unknown at a time, into `known`; contradictions raise `ImpossibleStart`."""
    progress = True
    while equations and progress:
        progress = False
        for name in list(equations):
            reduced = equations[name].xreplace(known)
            unknown = sorted((entry for entry in entries if reduced.has(entry)), key=str)
            if len(unknown) > 1:
                continue
            del equations[name]
            progress = True
            if not unknown:
                if abs(float(reduced)) > 1e-9:
                    raise ImpossibleStart(float("nan"), f"start gives the statistic {name!r} a value that contradicts the others "
                                          f"by {float(reduced):.3g}")
                continue
            dummy = sympy.Dummy(real=True)
            solutions = [s for s in sympy.solve(reduced.xreplace({unknown[0]: dummy}), dummy) if s.is_real]
            if isinstance(unknown[0], InnerProduct) and unknown[0].left == unknown[0].right:
                solutions = [s for s in solutions if s >= 0] or solutions
            if len(solutions) != 1:
                raise ImpossibleStart(float("nan"), f"the statistic {name!r} does not determine {unknown[0]} ({len(solutions)} real "
                                      f"solutions); give {unknown[0]} itself in start")
            known[unknown[0]] = solutions[0]


def _realise(gram: Array, vectors: Sequence[Vector], dimension: int, seed: int) -> Array:
    """Vectors in R^n with a given Gram matrix, in a seeded random orthonormal frame."""
    scale = max(float(np.abs(np.diag(gram)).max()), 1e-300)
    eigenvalue = float(np.linalg.eigvalsh(gram)[0])
    if eigenvalue < -1e-10 * scale:
        names = ", ".join(map(str, vectors))
        raise ImpossibleStart(eigenvalue, f"no vectors {names} have the inner products asked for: their Gram matrix\n{gram}\nhas the "
                              f"eigenvalue {eigenvalue:.6g}; check the start against |<a, b>|^2 <= <a, a> <b, b>")
    coordinates = _pivoted_cholesky(gram, 1e-14 * scale)
    rank = coordinates.shape[1]
    if rank > dimension:
        raise ImpossibleStart(eigenvalue, f"{rank} independent vectors do not fit into dimension {dimension}; raise the dimension")
    columns = np.empty((rank, dimension))
    for index in range(rank):
        fill_normals(columns[index], seed, index, 0, 0, int(Purpose.FRAME))
    frame, triangle = np.linalg.qr(columns.T)
    return np.asarray(coordinates @ (frame * np.sign(np.diag(triangle))).T)


def _pivoted_cholesky(gram: Array, tolerance: float) -> Array:
    """Rows x with x x^T = gram, as few columns as its rank."""
    residual, columns = gram.copy(), []
    for _ in range(len(gram)):
        pivot = int(np.argmax(np.diag(residual)))
        if residual[pivot, pivot] <= tolerance:
            break
        column = residual[:, pivot] / np.sqrt(residual[pivot, pivot])
        columns.append(column)
        residual = residual - np.outer(column, column)
    return np.stack(columns, axis=1) if columns else np.zeros((len(gram), 0))
