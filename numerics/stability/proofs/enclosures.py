r"""Matrices known up to rounding: a midpoint in floating point and a rigorous bound of every entry's error.

Every operation adds the standard bound of its own rounding, $\gamma_n=nu/(1-nu)$ times the product of absolute values, which holds for
any order of the additions; the bounds themselves are inflated for the rounding in their evaluation. Positive definiteness is
proved by a Cholesky factorisation in floating point that runs to its end on the matrix minus more than it can lose.

References: S. M. Rump, Verification of positive definiteness, BIT 46 (2006) 433-452.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
UNIT = float(np.finfo(float).eps) / 2
TINY = 1e-290
"""Added to every bound for underflow, and far enough above it that no product of bounds slows down the processor."""


@dataclass(frozen=True)
class Enclosure:
    """Numbers within `radius` of `middle`, entry by entry."""

    middle: Array
    radius: Array

    @staticmethod
    def of_rationals(table: Any) -> Enclosure:
        """Rationals rounded to floats."""
        flat = [float(entry) for entry in np.asarray(table, dtype=object).ravel()]
        middle = np.array(flat).reshape(np.shape(table))
        return Enclosure(middle, _up(UNIT * np.abs(middle), 1))

    @property
    def T(self) -> Enclosure:
        """The transpose of the last two axes."""
        return Enclosure(np.swapaxes(self.middle, -1, -2), np.swapaxes(self.radius, -1, -2))

    @property
    def magnitude(self) -> Array:
        """An upper bound of the absolute values."""
        return _up(np.abs(self.middle) + self.radius, 1)

    def __getitem__(self, place: Any) -> Enclosure:
        return Enclosure(self.middle[place], self.radius[place])

    def __add__(self, other: Enclosure) -> Enclosure:
        middle = self.middle + other.middle
        return Enclosure(middle, _up(self.radius + other.radius + UNIT * np.abs(middle), 3))

    def __neg__(self) -> Enclosure:
        return Enclosure(-self.middle, self.radius)

    def __sub__(self, other: Enclosure) -> Enclosure:
        return self + (-other)

    def __mul__(self, other: Enclosure) -> Enclosure:
        middle = self.middle * other.middle
        lost = self.radius * other.magnitude + np.abs(self.middle) * other.radius
        return Enclosure(middle, _up(lost + UNIT * np.abs(middle), 5))

    def __matmul__(self, other: Enclosure) -> Enclosure:
        length = self.middle.shape[-1]
        middle = self.middle @ other.middle
        lost = self.radius @ other.magnitude + np.abs(self.middle) @ (
            other.radius + gamma(length) * np.abs(other.middle)
        )
        return Enclosure(middle, _up(lost, length + 5))

    def is_positive_definite(self) -> bool:
        """Whether every symmetric matrix in the enclosure is positive definite; True is a proof, False is not one of the contrary.

        The factorisation of G = M - s I satisfies R^T R = G + E with |E| at most gamma_(n+1) tr G / (1 - gamma_(n+1)).
        """
        size = len(self.middle)
        middle = (self.middle + self.middle.T) / 2
        diagonal = np.diagonal(middle)
        if not np.all(np.isfinite(middle)) or np.any(diagonal <= 0):
            return False
        spread = float(self.radius.sum(axis=1).max())
        bound = gamma(size + 1) / (1 - gamma(size + 1)) * float(diagonal.sum())
        # symmetrising and subtracting round once each, and the factor covers the rounding of these bounds
        shift = (1 + 8 * (size + 4) * UNIT) * (
            spread + bound + 4 * UNIT * float(np.abs(middle).sum(axis=1).max())
        ) + TINY
        try:
            np.linalg.cholesky(middle - shift * np.eye(size))
        except np.linalg.LinAlgError:
            return False
        return True


def gamma(count: int) -> float:
    """The relative error of a sum of products of that length, rounded up."""
    return (count + 1) * UNIT / (1 - (count + 1) * UNIT)


def _up(bound: Array, operations: int) -> Array:
    """A bound evaluated in that many rounded operations, made safe; underflow included."""
    return np.asarray(bound * (1 + 4 * (operations + 2) * UNIT) + 4 * (operations + 2) * TINY)
