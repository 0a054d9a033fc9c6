"""A block of many samples at numbers, with rigorous bounds of every rounding error in place of exact arithmetic."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import sympy
from sympy import Expr

from numerics.stability.proofs.enclosures import Array, Enclosure
from numerics.stability.proofs.exact_steps import (
    NotRational,
    Values,
    data_columns,
    exact_affine,
    exact_weights,
    rational,
)
from numerics.stability.proofs.rational_cholesky import Rationals
from theory import Block

CHUNK = 2**20
"""Entries of samples that are multiplied at a time."""


@dataclass(frozen=True)
class EnclosedStep:
    """A = fixed (x) 1 + left right^T (x) H: the step in rationals, the `samples` (sample, k, k) of H and their `shares` enclosed.

    `pair_weight`, `mean_weight`: E H Y H of a batch mean in terms of one sample's, and of the mean's.
    """

    fixed: Rationals
    left: Rationals
    right: Rationals
    samples: Enclosure
    shares: Enclosure
    pair_weight: Fraction
    mean_weight: Fraction

    @staticmethod
    def of(block: Block, values: Values) -> EnclosedStep:
        """The step of a block with a finite law. Raises `NotRational` for curvatures that are no polynomials in the data."""
        fixed, left, right = exact_affine(block, values)
        columns, shares = data_columns(block, values)
        known = [Enclosure.of_rationals(column) for column in columns]
        names = list(block.randomness.of(block.curvature).symbols)
        size, count = block.size, len(shares)
        middle, radius = np.zeros((count, size, size)), np.zeros((count, size, size))
        for i in range(size):
            for j in range(size):
                if j < i and block.curvature[i, j] == block.curvature[j, i]:
                    middle[:, i, j], radius[:, i, j] = middle[:, j, i], radius[:, j, i]
                    continue
                entry = _evaluated(block.curvature[i, j], names, known, values, count)
                middle[:, i, j], radius[:, i, j] = entry.middle, entry.radius
        weights = exact_weights(block, values)
        chances = Enclosure.of_rationals(np.array(shares, dtype=object))
        return EnclosedStep(fixed, left, right, Enclosure(middle, radius), chances, *weights)

    @property
    def mean(self) -> Enclosure:
        """The mean of H."""
        count, size, _ = self.samples.middle.shape
        flat = Enclosure(self.samples.middle.reshape(count, -1), self.samples.radius.reshape(count, -1))
        found = self.shares[None, :] @ flat
        return Enclosure(found.middle.reshape(size, size), found.radius.reshape(size, size))

    def adjoint(self, form: Enclosure) -> Enclosure:
        """E A^T X A."""
        mean, size = self.mean, self.samples.middle.shape[-1]
        step = _placed(np.outer(self.left, self.right), mean) + _placed(self.fixed, _exact(np.eye(size)))
        inner = _exact(np.zeros((size, size)))
        weights = np.outer(self.left, self.left)
        for a, b in np.ndindex(*weights.shape):
            inner = inner + _scaled(form[a * size : (a + 1) * size, b * size : (b + 1) * size], weights[a, b])
        square = mean.T @ inner @ mean
        fluctuation = _scaled(self._sandwich(inner), self.pair_weight) - _scaled(square, 1 - self.mean_weight)
        return step.T @ form @ step + _placed(np.outer(self.right, self.right), fluctuation)

    def _sandwich(self, inner: Enclosure) -> Enclosure:
        """E H^T Y H, some samples at a time."""
        count, size, _ = self.samples.middle.shape
        total, length = _exact(np.zeros((size, size))), max(1, CHUNK // size**2)
        for start in range(0, count, length):
            part, shares = self.samples[start : start + length], self.shares[start : start + length, None, None]
            stacked = Enclosure(part.middle.reshape(-1, size), part.radius.reshape(-1, size))
            turned = Enclosure(_turned(part.middle), _turned(part.radius))
            moved = turned @ inner
            weighted = Enclosure(moved.middle.reshape(-1, size, size), moved.radius.reshape(-1, size, size)) * shares
            row = Enclosure(_side_by_side(weighted.middle), _side_by_side(weighted.radius))
            total = total + row @ stacked
        return total


def _evaluated(entry: Expr, names: list[Any], columns: list[Enclosure], values: Values, count: int) -> Enclosure:
    """A polynomial in the data at every sample."""
    total = _exact(np.zeros(count))
    if entry == 0:
        return total
    if not entry.is_polynomial(*names):
        raise NotRational(
            f"the curvature {entry} is no polynomial in the data, so that its rounding errors are not bounded here"
        )
    for powers, coefficient in sympy.Poly(entry, *names).terms() if names else [((), entry)]:
        number = Enclosure.of_rationals(np.array([rational(coefficient, values)], dtype=object))
        term = Enclosure(np.broadcast_to(number.middle, count), np.broadcast_to(number.radius, count))
        for column, power in zip(columns, powers, strict=True):
            for _ in range(power):
                term = term * column
        total = total + term
    return total


def _exact(table: Array) -> Enclosure:
    return Enclosure(table, np.zeros_like(table))


def _scaled(table: Enclosure, factor: Any) -> Enclosure:
    return table * Enclosure.of_rationals(np.array([[factor]], dtype=object))


def _placed(weights: Rationals, table: Enclosure) -> Enclosure:
    """The Kronecker product of rationals with an enclosed matrix."""
    rows, columns = weights.shape
    size = len(table.middle)
    middle, radius = np.zeros((rows * size, columns * size)), np.zeros((rows * size, columns * size))
    for a, b in np.ndindex(rows, columns):
        piece = _scaled(table, weights[a, b])
        place = slice(a * size, (a + 1) * size), slice(b * size, (b + 1) * size)
        middle[place], radius[place] = piece.middle, piece.radius
    return Enclosure(middle, radius)


def _turned(table: Array) -> Array:
    return table.transpose(0, 2, 1).reshape(-1, table.shape[-1])


def _side_by_side(table: Array) -> Array:
    return table.transpose(1, 0, 2).reshape(table.shape[1], -1)
