r"""Matrices as sums of few dyads, $H_i = \sum_r l_r r_r^T$: a sample of rank one or two costs a vector product, not a
matrix product.

By Gaussian elimination with complete pivoting, all samples at once: the largest entry of what is left gives the next
dyad, its column times its row over itself. It serves symmetric and other matrices alike.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from numerics.stability.problem import Array

TOLERANCE = 1e-13
"""What may be left of a matrix, over its largest entry."""


@dataclass(frozen=True)
class Dyads:
    """Dyads left[r] right[r]^T; those of sample i are r = offsets[i], ..., offsets[i + 1] - 1."""

    left: Array
    right: Array
    offsets: NDArray[np.int64]

    def matrices(self) -> Array:
        """The matrices that the dyads sum to, shape (sample, k, k)."""
        size = self.left.shape[1]
        found = np.zeros((len(self.offsets) - 1, size, size))
        for sample, (first, last) in enumerate(zip(self.offsets[:-1], self.offsets[1:], strict=True)):
            found[sample] = self.left[first:last].T @ self.right[first:last]
        return found


def factored(matrices: Array) -> Dyads | None:
    """Return the matrices (sample, k, k) as dyads, or None where this would save no work: on average 2 rank >= k.

    The sum of the dyads differs from the matrix by at most `TOLERANCE` of its largest entry.

    >>> x = np.array([[1.0, 0.5, 2.0], [0.0, 1.2, 1.0]])
    >>> found = factored(np.einsum("ni,nj->nij", x, x))
    >>> found.offsets.tolist(), bool(np.abs(found.matrices() - np.einsum("ni,nj->nij", x, x)).max() < 1e-15)
    ([0, 1, 2], True)
    """
    count, size, _ = matrices.shape
    rest = np.array(matrices, dtype=float)
    bound = TOLERANCE * np.abs(rest).max(axis=(1, 2))
    samples: list[NDArray[np.int64]] = []
    left: list[Array] = []
    right: list[Array] = []
    active = np.arange(count)
    while True:
        flat = np.abs(rest[active]).reshape(active.size, -1)
        place = flat.argmax(axis=1) if active.size else np.zeros(0, np.int64)
        kept = flat[np.arange(active.size), place] > bound[active]
        active, place = active[kept], place[kept]
        if not active.size:
            break
        if 2 * (sum(map(len, samples)) + active.size) >= size * count:
            return None
        rows, columns = np.divmod(place, size)
        up, across = rest[active, :, columns], rest[active, rows, :] / rest[active, rows, columns][:, np.newaxis]
        rest[active] -= up[:, :, np.newaxis] * across[:, np.newaxis, :]
        rest[active, :, columns] = 0.0  # what rounding leaves there is no part of the matrix
        rest[active, rows, :] = 0.0
        samples.append(active)
        left.append(up)
        right.append(across)
    where = np.concatenate([np.zeros(0, np.int64), *samples])
    order = np.argsort(where, kind="stable")
    offsets = np.concatenate([[0], np.cumsum(np.bincount(where, minlength=count))]).astype(np.int64)
    none = np.zeros((0, size))
    found = Dyads(np.concatenate([none, *left])[order], np.concatenate([none, *right])[order], offsets)
    return found if np.all(np.abs(found.matrices() - matrices).max(axis=(1, 2)) <= 2 * bound) else None
