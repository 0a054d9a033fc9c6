"""A factor of a covariance matrix that may be singular or zero, without allocation: for kernels on every target."""

from __future__ import annotations

import math
from typing import Any

from numba import njit

from numerics.cache import guarded


def _compiled(function: Any) -> Any:
    # no fast mathematics: the sum of 0 * x must see NaN and infinity on every target
    return guarded(njit(cache=True, error_model="numpy", fastmath=False)(function))


@_compiled
def semidefinite_factor(matrix: Any, factor: Any, tolerance: Any) -> Any:
    r"""Fill `factor` with L such that $L L^T$ = matrix; return whether the matrix is positive semidefinite.

    Cholesky with complete pivoting: column k of L belongs to the k-th largest pivot, and columns beyond the rank are zero. L is
    not triangular, since its rows stay in the order of the matrix.

    Parameters: `matrix`, square, of which the lower triangle is read and overwritten; `factor`, square, of the same type;
    `tolerance`, what counts as rounding, relative to the largest diagonal entry. Directions of negative variance get no
    column. A matrix that is not finite is not, and gives a factor of NaN.

    >>> import numpy as np
    >>> root = np.array([[1.0, 0.0], [-2.0, 0.0]])  # of rank one
    >>> factor = np.empty((2, 2))
    >>> semidefinite_factor(root @ root.T, factor, 1e-14), factor @ factor.T
    (True, array([[ 1., -2.], [-2.,  4.]]))
    """
    size = matrix.shape[0]
    largest = abs(matrix[0, 0])
    total = 0 * largest  # NaN if any entry is not finite
    for i in range(size):
        largest = max(largest, abs(matrix[i, i]))
        for j in range(i + 1):
            total += 0 * matrix[i, j]
    for i in range(size):
        for j in range(size):
            factor[i, j] = total
    if total != 0:
        return False
    smallest = tolerance * largest
    for column in range(size):
        pivot = 0
        for i in range(1, size):
            if matrix[i, i] > matrix[pivot, pivot]:
                pivot = i
        if matrix[pivot, pivot] > smallest:
            root = math.sqrt(matrix[pivot, pivot])
            for i in range(size):
                factor[i, column] = (matrix[i, pivot] if i >= pivot else matrix[pivot, i]) / root
            for i in range(size):
                for j in range(i + 1):
                    matrix[i, j] -= factor[i, column] * factor[j, column]
            for i in range(size):  # what is left of this row and column is rounding
                matrix[max(i, pivot), min(i, pivot)] = 0
    semidefinite = True
    for i in range(size):
        for j in range(i + 1):
            semidefinite = semidefinite and abs(matrix[i, j]) <= smallest
    return semidefinite
