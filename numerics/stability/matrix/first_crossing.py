"""The first change of sign of an exponent as the learning rate grows: scan, then bracket."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq

from numerics.stability.problem import Array

Exponent = Callable[[Array], tuple[Array, Array]]
"""Learning rates -> values of the exponent and their errors."""
PER_DECADE = 10
LOWEST, HIGHEST = 1e-10, 1e6
"""The range of the scan, in units of the scale of the problem."""


@dataclass(frozen=True)
class Crossing:
    """Where an exponent turns from negative to positive: `below` and `above` bracket it, with the signs shown by `values`."""

    value: float
    error: float
    below: float
    above: float
    values: tuple[float, float]


def first_crossing(exponent: Exponent, scale: float) -> Crossing | None:
    """The first zero above the smallest learning rate at which the exponent is negative beyond its error; None if there is none.

    The scan starts at a hundredth of `scale`, and lower where the exponent is not yet negative there; it goes up until the exponent is
    positive beyond its error.
    """
    start = 1e-2 * scale
    while True:
        values, errors = exponent(np.array([start]))
        if values[0] < -errors[0]:
            break
        start /= 10
        if start < LOWEST * scale:
            return None
    last_stable = start
    while start < HIGHEST * scale:
        rates = start * 10 ** (np.arange(1, PER_DECADE + 1) / PER_DECADE)
        values, errors = exponent(rates)
        for rate, value, error in zip(rates, values, errors, strict=True):
            if value > error:
                return _refined(exponent, last_stable, float(rate))
            if value < -error:
                last_stable = float(rate)
        start = float(rates[-1])
    return None


def _refined(exponent: Exponent, low: float, high: float) -> Crossing:
    def value(rate: float) -> float:
        return float(exponent(np.array([rate]))[0][0])

    root = float(brentq(value, low, high, xtol=1e-15 * high, rtol=4 * np.finfo(float).eps))
    # the bracket opens until both signs stand out of the error, which then is its width
    width = 1e-14 * root
    while True:
        below, above = max(low, root - width), min(high, root + width)
        values, errors = exponent(np.array([below, above]))
        shown = values[0] < -errors[0] and values[1] > errors[1]
        if shown or (below == low and above == high):
            return Crossing(root, max(root - below, above - root), below, above, (float(values[0]), float(values[1])))
        width *= 2
