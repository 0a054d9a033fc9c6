"""The few vector operations that generated kernels call, compiled once."""

from __future__ import annotations

import math
from typing import Any

from numba import njit

from numerics.cache import guarded


def _compiled(function: Any) -> Any:
    # said in words: a function that leaves it open inherits the flags of whichever caller compiles it first
    return guarded(njit(cache=True, error_model="numpy", fastmath=False)(function))


@_compiled
def combine_rows(coefficients: Any, rows: Any, target: Any) -> None:
    """target = sum over j of coefficients[j] * rows[j]."""
    target[:] = 0.0
    for j in range(coefficients.size):
        if coefficients[j] != 0.0:
            for i in range(target.size):
                target[i] += coefficients[j] * rows[j, i]


@_compiled
def field_coefficients(
    gram: Any,
    reach: Any,
    first: Any,
    second: Any,
    triangle: Any,
    white: Any,
    covariance: Any,
    bracket: Any,
    across: Any,
    along: Any,
) -> None:
    """Coefficients of the gradients of a Gaussian field at K points p_a, exact in law.

    grad F(p_a) = sum_b across[a, b] noise_b + sum_c along[a, c] p_c for K standard normal vectors noise_b. Reads `gram` = <p_a, p_b>,
    `reach` = <noise_a, p_b>, `first` = kappa'(gram), `second` = kappa''(gram); the rest is room for work, (K, K) each but
    `covariance` of (K^2, K^2). `first` and `covariance` are overwritten by their factors.

    Across the orthogonal complement of the points only kappa' acts: there the noises are mixed by its factor. Along an
    orthonormal basis e of the points the projections zeta = <noise, e> are independent standard normals, and independent of
    the rest: the factor of the full covariance of the K r projections is applied to them.
    """
    count = gram.shape[0]
    factorise(gram, triangle)  # p_a = sum_j triangle[a, j] e_j
    for b in range(count):  # zeta: the triangular system of <noise_b, p_a> = sum_j triangle[a, j] zeta[b, j]
        for j in range(count):
            white[b, j] = reach[b, j]
            for k in range(j):
                white[b, j] -= triangle[j, k] * white[b, k]
            white[b, j] = white[b, j] / triangle[j, j] if triangle[j, j] > 0.0 else 0.0 * white[b, j]
    size = count * count
    for a in range(count):
        for b in range(count):
            for j in range(count):
                for k in range(count):
                    here = triangle[j, j] > 0.0 and triangle[k, k] > 0.0
                    same = first[a, b] if j == k else 0.0 * first[a, b]
                    value = same + second[a, b] * triangle[b, j] * triangle[a, k]
                    covariance[a * count + j, b * count + k] = value if here else 0.0 * value
    factorise(first, across)
    factorise(covariance, covariance)
    for a in range(count):
        for j in range(count):
            projection = 0.0 * first[0, 0]
            for m in range(size):
                if m <= a * count + j:
                    projection += covariance[a * count + j, m] * white[m // count, m % count]
            for b in range(count):
                projection -= across[a, b] * white[b, j]
            bracket[a, j] = projection
        for j in range(count - 1, -1, -1):  # e in terms of the points: the transposed system
            value = bracket[a, j]
            for k in range(j + 1, count):
                value -= along[a, k] * triangle[k, j]
            along[a, j] = value / triangle[j, j] if triangle[j, j] > 0.0 else 0.0 * value


@_compiled
def factorise(matrix: Any, factor: Any) -> None:
    """Write into `factor` the lower L with L L^T = matrix, positive semidefinite; the two may be one array.

    Cholesky's method; a pivot that is rounding, relative to its diagonal entry, leaves a zero column.
    """
    size = matrix.shape[0]
    tolerance = 1e-14 if matrix.itemsize == 8 else 1e-6
    for j in range(size):
        diagonal = matrix[j, j]
        pivot = diagonal
        for k in range(j):
            pivot -= factor[j, k] * factor[j, k]
        positive = pivot > tolerance * (abs(diagonal) + 1e-300)
        root = math.sqrt(pivot) if positive else 0.0 * pivot
        for i in range(j + 1, size):
            value = matrix[i, j]
            for k in range(j):
                value -= factor[i, k] * factor[j, k]
            factor[i, j] = value / root if positive else 0.0 * value
        factor[j, j] = root
        for i in range(j):
            factor[i, j] = 0.0
