r"""Sums $\sum_jp_j\log|x_j|$ of rationals enclosed by interval arithmetic: the exact sign of a finite law's exponent."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import mpmath
from mpmath.ctx_iv import MPIntervalContext

DIGITS = 30
"""Decimal digits of the intervals."""


@dataclass(frozen=True)
class LogarithmSum:
    """Evidence of sum p_j log|x_j| / `divisor` in [lower, upper]: the `values` x_j and their `shares` p_j, in rationals."""

    values: tuple[Fraction, ...]
    shares: tuple[Fraction, ...]
    divisor: int
    lower: float
    upper: float

    def check(self) -> bool:
        """Whether interval arithmetic confirms the bounds."""
        low, high = enclosed_log_sum(self.values, self.shares, self.divisor)
        return self.lower <= low and high <= self.upper


def enclosed_log_sum(values: tuple[Fraction, ...], shares: tuple[Fraction, ...], divisor: int) -> tuple[float, float]:
    """Floats below and above sum p_j log|x_j| / divisor; minus infinity twice where a value of positive probability is zero.

    >>> low, high = enclosed_log_sum((Fraction(2), Fraction(1, 2)), (Fraction(1, 2), Fraction(1, 2)), 1)
    >>> low <= 0 <= high and high - low < 1e-25
    True
    """
    pairs = [(value, share) for value, share in zip(values, shares, strict=True) if share]
    if any(value == 0 for value, _ in pairs):
        return float("-inf"), float("-inf")
    context = MPIntervalContext()
    context.dps = DIGITS
    total = context.mpf(0)
    for value, share in pairs:
        ratio = context.mpf(abs(value.numerator)) / context.mpf(value.denominator)
        total += context.log(ratio) * context.mpf(share.numerator) / context.mpf(share.denominator)
    low, high = (total / context.mpf(divisor))._mpi_
    return _outward(low, -math.inf), _outward(high, math.inf)


def _outward(number: Any, side: float) -> float:
    """The end of an interval as a float on its outer side."""
    exact = mpmath.mp.make_mpf(number)
    rounded = float(exact)
    inside = mpmath.mpf(rounded) > exact if side < 0 else mpmath.mpf(rounded) < exact
    return math.nextafter(rounded, side) if inside else rounded
