"""Integers modulo a large prime: ranks there are at most the ranks over the rational numbers, and cost no growing fractions."""

from __future__ import annotations

import sympy
from sympy import Expr

PRIME = 2**61 - 1

Row = list[int]


def modulo_prime(entry: Expr) -> int | None:
    """A rational number modulo the prime; None for other numbers."""
    if not entry.is_Rational:
        entry = sympy.together(entry)
    if not entry.is_Rational or int(entry.q) % PRIME == 0:
        return None
    return int(entry.p) * pow(int(entry.q), -1, PRIME) % PRIME


def rank(rows: list[Row]) -> int:
    """The rank of a matrix modulo the prime; `rows` is used up."""
    rank = 0
    for column in range(len(rows[0])):
        pivot = next((index for index in range(rank, len(rows)) if rows[index][column]), None)
        if pivot is None:
            continue
        rows[rank], rows[pivot] = rows[pivot], rows[rank]
        inverse = pow(rows[rank][column], -1, PRIME)
        for index in range(rank + 1, len(rows)):
            if factor := rows[index][column] * inverse % PRIME:
                rows[index] = [(a - factor * b) % PRIME for a, b in zip(rows[index], rows[rank], strict=True)]
        rank += 1
    return rank
