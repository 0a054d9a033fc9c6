"""Small dense linear algebra on rows of coordinates, without allocation: for kernels on every target."""

from __future__ import annotations

import math
from typing import Any

from numba import njit

from numerics.cache import guarded


def _compiled(function: Any) -> Any:
    # no fast mathematics: comparisons with what is left after a cancellation must not be rearranged
    return guarded(njit(cache=True, error_model="numpy", fastmath=False)(function))


@_compiled
def inner_rows(left: Any, i: Any, right: Any, k: Any, size: Any) -> Any:
    """The inner product of the first `size` coordinates of two rows."""
    total = 0 * left[i, 0]
    for j in range(size):
        total += left[i, j] * right[k, j]
    return total


@_compiled
def add_row(target: Any, i: Any, coefficient: Any, rows: Any, k: Any, size: Any) -> None:
    """target[i] += coefficient * rows[k], in the first `size` coordinates."""
    for j in range(size):
        target[i, j] += coefficient * rows[k, j]


@_compiled
def triangular_rows(rows: Any, count: Any, first: Any, width: Any, tolerance: Any) -> None:
    r"""Rotate columns `first`, ..., `width` - 1 of the first `count` rows so that row i ends at column `first` + i.

    The lower triangular factor L of A = L Q with orthonormal rows of Q, by Householder reflections in place: all inner
    products $A A^T$ stay. A squared distance below `tolerance` times the squared length of its row counts as zero.
    Needs `width` - `first` >= `count`.

    >>> import numpy as np
    >>> a = np.array([[3.0, 4.0, 0.0], [3.0, 4.0, 2.0]])
    >>> triangular_rows(a, 2, 0, 3, 1e-30)
    >>> abs(a)
    array([[5., 0., 0.],
           [5., 2., 0.]])
    """
    for i in range(count):
        pivot = first + i
        before = 0 * rows[i, pivot]
        left = before
        for j in range(first, pivot):
            before += rows[i, j] * rows[i, j]
        for j in range(pivot, width):
            left += rows[i, j] * rows[i, j]
        if left > tolerance * (before + left):
            length = math.sqrt(left)
            head = rows[i, pivot]
            # away from the head, so that nothing cancels
            rows[i, pivot] = head + length if head > 0 else head - length
            scale = 1 / (left + abs(head) * length)
            for k in range(i + 1, count):
                share = 0 * head
                for j in range(pivot, width):
                    share += rows[k, j] * rows[i, j]
                share *= scale
                for j in range(pivot, width):
                    rows[k, j] -= share * rows[i, j]
            rows[i, pivot] = -length if head > 0 else length
        else:
            rows[i, pivot] = left * 0  # NaN and infinity pass
        for j in range(pivot + 1, width):
            rows[i, j] = 0
