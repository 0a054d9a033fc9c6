"""Gram matrices: which inner products a start determines, and vectors that have them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import sympy
from numpy.typing import NDArray
from sympy import Expr, Symbol

from numerics.random import Purpose, fill_normals
from theory.errors import ImpossibleStart, StartUnderdetermined, ValuesError
from theory.model import Model
from theory.vectors import InnerProduct, Vector

Array = NDArray[np.float64]
Sampler = Callable[[int, np.random.Generator], Array]


def determined_gram(
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


def realise_gram(
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
