"""Composite Gauss-Legendre rules on panels that are graded towards singular points."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
RATIO = 2.0
"""Length ratio of neighbouring panels towards a singular point."""


@cache
def gauss_legendre(count: int) -> tuple[Array, Array]:
    """Nodes and weights on (-1, 1)."""
    nodes, weights = np.polynomial.legendre.leggauss(count)
    return nodes, weights


def composite(breaks: Array, count: int) -> tuple[Array, Array]:
    """Nodes and weights of `count` points on each panel between neighbouring breaks."""
    nodes, weights = gauss_legendre(count)
    half = np.diff(breaks)[:, None] / 2
    centre = (breaks[1:] + breaks[:-1])[:, None] / 2
    return (centre + half * nodes).ravel(), (half * weights).ravel()


def graded(
    points: Iterable[float], lower: float, upper: float, *, finest: float = 2.0**-54, coarsest: float = 2.0**60
) -> Array:
    """Breaks in [lower, upper], doubling in distance from each of the points; infinite ends are cut at `coarsest`."""
    steps = RATIO ** np.arange(np.log2(finest), np.log2(coarsest) + 1)
    found = []
    for point in points:
        found += [np.array([point]), point + steps, point - steps]
    low, high = max(lower, -coarsest), min(upper, coarsest)
    breaks = np.concatenate([*found, [low, high]])
    breaks = breaks[np.isfinite(breaks)]
    return np.unique(breaks[(breaks >= low) & (breaks <= high)])
