"""Matrices of averages in numbers: closed entries by NumPy, quadrature nodes by the generated rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import sympy
from numpy.typing import NDArray
from sympy import Expr, ImmutableDenseMatrix

from numerics.generate import function_of_arrays
from numerics.quadrature import has_quadrature, rules

Array = NDArray[np.float64]


def matrix_values(matrix: ImmutableDenseMatrix, values: Sequence[Mapping[Any, float]]) -> Array:
    """A matrix of averages at every point of `values`, shape (point, row, column); equal points are evaluated once."""
    symbols = tuple(sorted({s for s in values[0] if matrix.has(s)}, key=str))
    function = _with_quadrature(matrix, symbols) if has_quadrature(list(matrix)) else _closed(matrix, symbols)
    done: dict[tuple[float, ...], Array] = {}
    for numbers in values:
        if (key := tuple(numbers[symbol] for symbol in symbols)) not in done:
            done[key] = function(*key)
    return np.stack([done[tuple(numbers[symbol] for symbol in symbols)] for numbers in values])


def _closed(matrix: ImmutableDenseMatrix, symbols: Sequence[Expr]) -> Callable[..., Array]:
    function = sympy.lambdify(symbols, matrix, ["scipy", "numpy"])
    return lambda *numbers: np.asarray(function(*numbers), dtype=float)


def _with_quadrature(matrix: ImmutableDenseMatrix, symbols: tuple[Expr, ...]) -> Callable[..., Array]:
    side = function_of_arrays(list(matrix), (), symbols, "a matrix of averages")
    nodes = rules(set(side.dimensions), refinement=2)

    def evaluated(*numbers: float) -> Array:
        found = np.empty(len(matrix))
        side.kernel(np.zeros(0), np.array(numbers, dtype=float), found, *nodes)
        return found.reshape(matrix.shape)

    return evaluated
