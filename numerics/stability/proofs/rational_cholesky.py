"""Positive definiteness proved in rational arithmetic: the pivots of L D L^T, without a rounding error."""

from __future__ import annotations

from fractions import Fraction
from math import lcm
from typing import Any

import numpy as np
from numpy.typing import NDArray

Rationals = NDArray[Any]
"""An array of `Fraction`s (of dtype object)."""


def pivots(matrix: Rationals) -> tuple[Fraction, ...]:
    """The pivots D of L D L^T = matrix, up to the first that is not positive: all of them if the matrix is positive definite.

    The elimination runs on whole numbers (Bareiss), whose divisions are exact.

    >>> pivots(np.array([[2, 1], [1, 2]], dtype=object))
    (Fraction(2, 1), Fraction(3, 2))
    >>> pivots(np.array([[1, 2], [2, 1]], dtype=object))
    (Fraction(1, 1), Fraction(-3, 1))
    """
    table, scale = whole_numbers(matrix)
    size, previous = len(table), 1
    found: list[Fraction] = []
    for k in range(size):
        minor = table[k, k]  # the leading minor of order k + 1, in units of scale^-(k + 1)
        found.append(Fraction(int(minor), int(previous) * scale))
        if minor <= 0:
            break
        rest = slice(k + 1, size)
        table[rest, rest] = (minor * table[rest, rest] - np.outer(table[rest, k], table[k, rest])) // previous
        previous = minor
    return tuple(found)


def is_positive_definite(matrix: Rationals) -> bool:
    """Whether a symmetric matrix of rationals is positive definite: a proof either way.

    >>> is_positive_definite(np.array([[Fraction(1, 3), Fraction(1, 7)], [Fraction(1, 7), Fraction(1, 16)]], dtype=object))
    True
    """
    if not np.array_equal(matrix, matrix.T):
        return False
    found = pivots(matrix)
    return len(found) == len(matrix) and all(pivot > 0 for pivot in found)


def whole_numbers(array: Rationals) -> tuple[Rationals, int]:
    """Rationals as whole numbers over one common denominator."""
    flat = [Fraction(entry) for entry in np.asarray(array, dtype=object).ravel()]
    scale = 1
    for entry in flat:
        scale = lcm(scale, entry.denominator)
    numbers = np.empty(len(flat), dtype=object)
    numbers[:] = [entry.numerator * (scale // entry.denominator) for entry in flat]
    return numbers.reshape(np.shape(array)), scale


def rationals(array: Any) -> Rationals:
    """Numbers as `Fraction`s: floats by their exact values."""
    table = np.asarray(array, dtype=object)
    found = np.empty(table.size, dtype=object)
    found[:] = [Fraction(entry) for entry in table.ravel()]
    return found.reshape(table.shape)
