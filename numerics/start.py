"""Starts: from the values that a user gives to vectors whose inner products are exactly these."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy
from numpy.typing import NDArray
from sympy import Expr, Symbol

from numerics.random import Purpose, fill_normals
from theory.errors import ImpossibleStart, MissingValue, StartUnderdetermined, UnknownValue, ValuesError
from theory.laws.draw import (
    Choice,
    Draw,
    StandardExponential,
    StandardGamma,
    StandardNormal,
    StandardSign,
    StandardUniform,
)
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
    keyed = _resolve_keys(model, signals, statistics, start)
    scalars = _scalars(model, keyed, statistics, values, replicas, seed)
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
    gram = _gram(model, shared, arrays, spread, statistics, keyed, values, scalars)
    placed = _realise(gram, shared, arrays, dimension, seed)
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


def _resolve_keys(
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


def _scalars(
    model: Model,
    keyed: Mapping[Any, Any],
    statistics: Mapping[str, Expr],
    values: Mapping[Expr, float],
    replicas: int,
    seed: int,
) -> Array:
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
        return draw_law(_scalar_law(symbol, value, values), (replicas, 1), seed, 2 * index)[:, 0]
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
        return draw_law(_scalar_law(vector, value, values), (replicas, dimension), seed, stream)
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


# -------------------------------------------------------------------------------------------------------- draws of laws


def _scalar_law(owner: Any, law: Law, values: Mapping[Expr, float]) -> Law:
    """The law with numbers for its symbols, if it is one of a single number."""
    if not law.is_scalar:
        raise ValuesError(
            f"start={{{owner}: {law}}}: expected the law of one number, this one has {law.size} slots of kinds "
            f"{', '.join(law.slots)}"
        )
    numbers = {s: sympy.Float(values[s], 17) for s in law.free_symbols if s in values}
    missing = sorted(map(str, set(law.free_symbols) - set(numbers)))
    if missing:
        raise MissingValue(
            f"start={{{owner}: {law}}} needs a value for {', '.join(missing)}; give it as at={{{missing[0]}: ...}}"
        )
    return law.substitute(numbers)


def draw_law(law: Law, shape: tuple[int, int], seed: int, stream: int) -> Array:
    """Draws from a scalar law with numeric parameters, shape (replica, entry); a row depends on seed, stream and replica alone."""
    sampler = _sampler(law)
    rows = np.empty(shape)
    for replica in range(shape[0]):
        bits = np.random.Philox(key=[seed, (int(Purpose.START) << 32) + stream], counter=[0, 0, 0, replica])
        rows[replica] = sampler(shape[1], np.random.Generator(bits))
    return rows


def _sampler(law: Law) -> Sampler:
    if hasattr(law, "arrays"):
        values = np.asarray(law.arrays[0], dtype=float)
        return lambda count, generator: values[generator.integers(0, len(values), count)]
    return _sampler_of_draw(law.draw("start"))


def _sampler_of_draw(draw: Draw) -> Sampler:
    if draw.table or draw.components:
        choice = draw.standards[0][1]
        assert isinstance(choice, Choice)  # noqa: S101 - the form of a finite law's draw
        weights = np.array(choice.probabilities, dtype=float)
        weights /= weights.sum()
        table = np.array([float(row[0]) for row in draw.table])
        parts = [_sampler_of_draw(part) for part in draw.components]

        def chosen(count: int, generator: np.random.Generator) -> Array:
            index = generator.choice(len(weights), size=count, p=weights)
            if table.size:
                return np.asarray(table[index])
            return np.stack([part(count, generator) for part in parts])[index, np.arange(count)]

        return chosen
    function = sympy.lambdify([symbol for symbol, _ in draw.standards], draw.expression[0], "numpy")

    def transformed(count: int, generator: np.random.Generator) -> Array:
        columns = [_standard_draws(standard, count, generator) for _, standard in draw.standards]
        return np.broadcast_to(np.asarray(function(*columns), dtype=float), (count,)).copy()

    return transformed


def _standard_draws(standard: Any, count: int, generator: np.random.Generator) -> Array:
    if isinstance(standard, StandardNormal):
        return generator.standard_normal(count)
    if isinstance(standard, StandardUniform):
        return np.asarray(1.0 - generator.random(count))
    if isinstance(standard, StandardExponential):
        return generator.standard_exponential(count)
    if isinstance(standard, StandardSign):
        return np.asarray(2 * generator.integers(0, 2, count) - 1, dtype=float)
    if isinstance(standard, StandardGamma):
        return generator.standard_gamma(float(standard.shape), count)
    raise ValuesError(f"a start cannot be drawn from {standard}")


# ---------------------------------------------------------------------------------------------------- Gram matrices


def _gram(
    model: Model,
    vectors: Sequence[Vector],
    arrays: Mapping[Vector, Array],
    spread: set[Vector],
    statistics: Mapping[str, Expr],
    keyed: Mapping[Any, Any],
    values: Mapping[Expr, float],
    scalars: Array,
) -> Array:
    """The Gram matrix of the vectors that all replicas share; every value that the user gave is used or refused."""
    pairs = [InnerProduct(a, b) for i, a in enumerate(vectors) for b in vectors[i:]]
    numbers = {symbol: sympy.Float(value, 17) for symbol, value in values.items()}
    varying = set()
    for index, symbol in enumerate(model.scalar_parameters):
        numbers[symbol] = sympy.Float(float(scalars[0, index]), 17)
        if np.ptp(scalars[:, index]) > 0:
            varying.add(symbol)
    equations: dict[str, Expr] = {}
    for product, value in model.fixed.items():
        if product in pairs:
            equations[f"fixed[{product}]"] = product - _real(value.xreplace(numbers), f"fixed[{product}]")
    for key, value in keyed.items():
        if isinstance(key, (Vector, Symbol)):
            continue
        label, expression = (repr(key), statistics[key]) if isinstance(key, str) else (str(key), key)
        if expression in model.scalar_parameters and expression not in keyed:
            continue  # a parameter that is given under the name of its statistic
        loose = sorted((expression.atoms(Vector) & spread) | (expression.free_symbols & varying), key=str)
        if loose:
            raise ValuesError(
                f"start={{{label}: {value}}}: {loose[0]} differs from replica to replica, so this value follows from "
                f"it; drop one of the two"
            )
        equations[f"start[{label}]"] = expression.xreplace(numbers) - _real(value, f"start[{label}]")
    known: dict[Expr, Expr] = {
        InnerProduct(a, b): sympy.Float(float(arrays[a] @ arrays[b]), 17) for a in arrays for b in arrays
    }
    solve_entries(equations, known, set(pairs))
    missing = [product for product in pairs if product not in known]
    if missing:
        listed = ", ".join(map(str, missing))
        free = [
            v for v in model.vector_parameters if v not in arrays and any(product.involves(v) for product in missing)
        ]
        remedy = f", or give a vector a law, as in start={{{free[0]}: Normal()}}" if free else ""
        raise StartUnderdetermined(
            missing,
            f"statistics, fixed and start leave {listed} open; give them, as in start={{{missing[0]}: 0.0}}{remedy}",
        )
    return np.array([[float(known[InnerProduct(a, b)]) for b in vectors] for a in vectors]).reshape(
        len(vectors), len(vectors)
    )


def _real(value: Any, what: str) -> Expr:
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise ValuesError(f"{what} = {value!r} must be a real number") from None
    if not np.isfinite(number):
        raise ValuesError(f"{what} = {value!r} must be finite")
    return sympy.Float(number, 17)


def solve_entries(equations: dict[str, Expr], known: dict[Expr, Expr], entries: set[Expr]) -> None:
    """Solve equations = 0 for `entries` into `known`: one unknown at a time, then what is left as a linear system.

    Equations that do not determine their unknowns are left in `equations`; contradictions raise `ImpossibleStart`.
    """
    progress = True
    while equations and progress:
        progress = False
        for name in list(equations):
            reduced = equations[name].xreplace(known)
            unknown = sorted((entry for entry in entries if reduced.has(entry)), key=str)
            if len(unknown) > 1:
                continue
            size = abs(float(equations.pop(name).as_coeff_Add()[0]))
            progress = True
            if not unknown:
                if not abs(float(reduced)) <= 1e-9 * max(1.0, size):
                    raise ImpossibleStart(
                        float("nan"), f"{name} has a value that contradicts the others by {abs(float(reduced)):.3g}"
                    )
                continue
            known[unknown[0]] = _root(reduced, unknown[0], name)
        progress = progress or _solve_linear(equations, known, entries)


def _root(equation: Expr, unknown: Expr, name: str) -> Expr:
    """The one admissible solution of a scalar equation."""
    dummy = sympy.Dummy(real=True)
    try:
        solutions = [s for s in sympy.solve(equation.xreplace({unknown: dummy}), dummy) if s.is_real]
    except NotImplementedError:
        solutions = []
    if isinstance(unknown, InnerProduct) and unknown.left == unknown.right:
        solutions = [s for s in solutions if s >= 0] or solutions
    if len(solutions) != 1:
        raise ImpossibleStart(
            float("nan"),
            f"{name} does not determine {unknown} ({len(solutions)} real solutions found); give "
            f"{unknown} itself in start",
        )
    return solutions[0]


def _solve_linear(equations: dict[str, Expr], known: dict[Expr, Expr], entries: set[Expr]) -> bool:
    """Whether some unknowns were found from the linear ones among the equations."""
    reduced = {name: equation.xreplace(known) for name, equation in equations.items()}
    unknown = sorted({entry for equation in reduced.values() for entry in entries if equation.has(entry)}, key=str)
    dummies = {entry: sympy.Dummy(real=True) for entry in unknown}
    polynomials = [
        sympy.Poly(e.xreplace(dummies), *dummies.values())
        for e in reduced.values()
        if e.xreplace(dummies).is_polynomial(*dummies.values())
    ]
    linear = [p for p in polynomials if p.total_degree() == 1]
    if not linear:
        return False
    matrix = np.array([[float(p.coeff_monomial(d)) for d in dummies.values()] for p in linear])
    solution, _, rank, _ = np.linalg.lstsq(matrix, np.array([-float(p.coeff_monomial(1)) for p in linear]), rcond=None)
    null_space = np.linalg.svd(matrix)[2][rank:]
    found = {
        entry: sympy.Float(float(solution[i]), 17)
        for i, entry in enumerate(unknown)
        if np.all(np.abs(null_space[:, i]) < 1e-9)
    }
    known.update(found)
    return bool(found)


def _realise(
    gram: Array, vectors: Sequence[Vector], arrays: Mapping[Vector, Array], dimension: int, seed: int
) -> dict[Vector, Array]:
    """Vectors in R^n with a given Gram matrix, in a seeded random orthonormal frame; `arrays` (the first ones) stay as they are."""
    if not vectors:
        return {}
    scale = max(float(np.abs(np.diag(gram)).max()), 1e-300)
    eigenvalue = float(np.linalg.eigvalsh(gram)[0])
    if eigenvalue < -1e-10 * scale:
        names = ", ".join(map(str, vectors))
        raise ImpossibleStart(
            eigenvalue,
            f"no vectors {names} have the inner products asked for: their Gram matrix\n{gram}\nhas the "
            f"eigenvalue {eigenvalue:.6g}; check the start against |<a, b>|^2 <= <a, a> <b, b>",
        )
    given = np.array([arrays[v] for v in vectors[: len(arrays)]]).reshape(len(arrays), dimension)
    # coefficients of the given arrays in each further vector, then what is orthogonal to all of them
    cross = gram[len(arrays) :, : len(arrays)]
    weights = cross @ np.linalg.pinv(gram[: len(arrays), : len(arrays)], rcond=1e-13, hermitian=True)
    across = _pivoted_cholesky(gram[len(arrays) :, len(arrays) :] - weights @ cross.T, 1e-14 * scale)
    rank, occupied = across.shape[1], int(np.linalg.matrix_rank(given)) if len(arrays) else 0
    if rank + occupied > dimension:
        raise ImpossibleStart(
            eigenvalue,
            f"{rank + occupied} independent vectors do not fit into dimension {dimension}; raise the dimension",
        )
    columns = np.empty((rank, dimension))
    for index in range(rank):
        fill_normals(columns[index], seed, index, 0, 0, int(Purpose.FRAME))
    if len(arrays):
        basis = np.linalg.svd(given, full_matrices=False)[2][:occupied]
        for _ in range(2):  # twice is enough
            columns -= (columns @ basis.T) @ basis
    frame, triangle = np.linalg.qr(columns.T)
    built = weights @ given + across @ (frame * np.sign(np.diag(triangle))).T
    return {**arrays, **dict(zip(vectors[len(arrays) :], built, strict=True))}


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
