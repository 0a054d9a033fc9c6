"""The few vector operations that generated kernels call, compiled once."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from numerics.kernel import guarded

_FASTMATH = {"arcp", "contract", "nsz", "reassoc"}


def _compiled(function: Any) -> Any:
    return guarded(njit(cache=True, error_model="numpy", fastmath=_FASTMATH)(function))


@_compiled
def inner(left: Any, right: Any) -> Any:
    """The inner product of two one-dimensional arrays."""
    total = 0.0
    for i in range(left.size):
        total += left[i] * right[i]
    return total


@_compiled
def add_scaled(target: Any, coefficient: Any, vector: Any) -> None:
    """target += coefficient * vector."""
    for i in range(target.size):
        target[i] += coefficient * vector[i]


@_compiled
def combine_rows(coefficients: Any, rows: Any, target: Any) -> None:
    """target = sum over j of coefficients[j] * rows[j]."""
    target[:] = 0.0
    for j in range(coefficients.size):
        if coefficients[j] != 0.0:
            for i in range(target.size):
                target[i] += coefficients[j] * rows[j, i]


@_compiled
def normalise(vector: Any) -> None:
    """Scale a vector to unit norm."""
    scale = 1.0 / np.sqrt(inner(vector, vector))
    for i in range(vector.size):
        vector[i] *= scale


@_compiled
def shrink(vector: Any, threshold: Any) -> None:
    """Move every coordinate towards zero by `threshold`, stopping at zero."""
    for i in range(vector.size):
        size = abs(vector[i]) - threshold
        vector[i] = (size if vector[i] > 0.0 else -size) if size > 0.0 else 0.0


@_compiled
def field_gradients(points: Any, first: Any, second: Any, noise: Any, small: Any, out: Any) -> None:
    """Gradients of one Gaussian field at K points, exact in law: out[a] gets grad F(points[a]).

    The covariance of <grad F(p), a> and <grad F(q), b> is kappa'(<p, q>) <a, b> + kappa''(<p, q>) <q, a> <p, b>. Across the
    orthogonal complement of the points only the first term acts: `noise` (K standard normal vectors) mixed by a
    Cholesky factor of `first` = kappa'(Gram). Along an orthonormal basis of the points, the full covariance of K * d
    projections is factorised and applied to `small` (K * K standard normals). `second` = kappa''(Gram).
    """
    count, n = points.shape
    basis = np.zeros((count, n))
    rank = 0
    for a in range(count):  # modified Gram-Schmidt; dependent points add no direction
        basis[rank] = points[a]
        for b in range(rank):
            add_scaled(basis[rank], -inner(basis[b], basis[rank]), basis[b])
        size = inner(basis[rank], basis[rank])
        if size > 1e-24 * inner(points[a], points[a]) and size > 0.0:
            basis[rank] *= 1.0 / np.sqrt(size)
            rank += 1
    across = lower_factor(first)
    for a in range(count):
        out[a] = 0.0
        for b in range(count):
            if across[a, b] != 0.0:
                add_scaled(out[a], across[a, b], noise[b])
        for j in range(rank):
            add_scaled(out[a], -inner(basis[j], out[a]), basis[j])
    along = np.zeros((count, rank))
    for a in range(count):
        for j in range(rank):
            along[a, j] = inner(points[a], basis[j])
    covariance = np.zeros((count * rank, count * rank))
    for a in range(count):
        for b in range(count):
            for j in range(rank):
                for k in range(rank):
                    same = first[a, b] if j == k else 0.0
                    covariance[a * rank + j, b * rank + k] = same + second[a, b] * along[b, j] * along[a, k]
    factor = lower_factor(covariance)
    for a in range(count):
        for j in range(rank):
            projection = 0.0
            for m in range(count * rank):
                projection += factor[a * rank + j, m] * small[m]
            add_scaled(out[a], projection, basis[j])


@_compiled
def lower_factor(matrix: Any) -> Any:
    """L with L L^T = matrix for a positive semidefinite matrix (Cholesky; a vanishing pivot leaves a zero column)."""
    size = matrix.shape[0]
    factor = np.zeros((size, size))
    for j in range(size):
        pivot = matrix[j, j]
        for k in range(j):
            pivot -= factor[j, k] * factor[j, k]
        if pivot <= 1e-14 * (abs(matrix[j, j]) + 1e-300):
            continue
        factor[j, j] = np.sqrt(pivot)
        for i in range(j + 1, size):
            value = matrix[i, j]
            for k in range(j):
                value -= factor[i, k] * factor[j, k]
            factor[i, j] = value / factor[j, j]
    return factor
