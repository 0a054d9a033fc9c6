"""A density in floating point: panels that resolve it, its location and scale, and the inverse of its distribution function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import sympy
from numpy.typing import NDArray

from numerics.stability.scalar.panels import composite, graded
from theory.errors import UnsupportedExpectation
from theory.laws import Density
from theory.laws.pieces import peaks

Array = NDArray[np.float64]
NODES = (20, 14)
"""Nodes per panel, and of the coarser rule that tells which panels to split."""
MISSING = 1e-6
"""The largest probability that panels may miss: what a singular end away from 0 hides between two doubles, and rounded constants."""
FINEST = (54, 200, 1000)
"""Exponents of two of the smallest panels next to rough points, tried until no probability is missing."""
PANELS = 2**15
INVERSION = 1e-9
"""The largest relative error of a tail probability in the table of the inverse distribution function."""
_LEAST = 1e-17


@dataclass(frozen=True)
class Resolved:
    """A density of one number without symbols: `function`, `breaks` of panels that resolve it, their `masses`, what is `missing` of 1.

    `anchors` are the points towards which panels shrink to 2^-`finest`; panels reach out to 2^`coarsest`. `location` and `scale`
    bring the law to a standard size; the location is a rough point or a finite end, where there is one, next to which x - location is
    exact.
    """

    function: Callable[[Array], Array]
    lower: float
    upper: float
    anchors: tuple[float, ...]
    finest: int
    coarsest: int
    breaks: Array
    masses: Array
    missing: float
    location: float
    scale: float
    edges: tuple[tuple[float, float], ...]
    """For every anchor the exponents with which the density grows from it, downwards and upwards; 0 where it is smooth."""
    tail: float
    """The supremum of the orders of moments that exist, infinite where SymPy does not find it."""


@lru_cache(maxsize=64)
def resolved(law: Density) -> Resolved:
    """Panels that resolve a density.

    Raises `UnsupportedExpectation` where they miss some of the probability: a peak that was not found, or a tail that is too heavy.
    """
    function = _vectorised(law)
    lower, upper = float(law.lower), float(law.upper)
    rough = [float(point) for point in law.rough_points if point.is_real]
    rough = [point for point in rough if lower <= point <= upper]
    tops = [(place, width) for place, width in peaks(law.expression, law.bound) if lower <= place <= upper]
    ends = [end for end in (lower, upper) if np.isfinite(end)]
    anchors = tuple(dict.fromkeys([*ends, *rough, *(place for place, _ in tops)])) or (0.0,)
    tail = _tail_exponent(law)
    coarsest = int(np.clip(57 / tail, 60, 1000)) if tail > 0 else 1000
    for finest in FINEST:
        breaks = graded(anchors, lower, upper, finest=2.0**-finest, coarsest=2.0**coarsest)
        breaks, masses = _refined(function, breaks)
        missing = abs(1 - float(masses.sum()))
        if missing < 1e-12:
            break
    if missing > MISSING:
        raise UnsupportedExpectation(
            f"quadrature finds the probability {masses.sum():.10g} for {law}: a peak was missed, or a tail is too heavy for doubles; "
            f"write the density with its centre at a point where it is not smooth, or in other units"
        )
    quartiles = np.interp([0.25, 0.5, 0.75], np.concatenate([[0.0], np.cumsum(masses)]), breaks)
    location = (*ends, *rough, float(quartiles[1]))[0]
    distance = abs(quartiles[1] - location) if ends else (quartiles[2] - quartiles[0]) / 1.35
    return Resolved(
        function,
        lower,
        upper,
        anchors,
        finest,
        coarsest,
        breaks,
        masses,
        missing,
        location,
        float(distance) or 1.0,
        tuple(_edges(function, anchor, float(distance) or 1.0) for anchor in anchors),
        tail,
    )


def _vectorised(law: Density) -> Callable[[Array], Array]:
    if law.free_symbols:
        raise UnsupportedExpectation(
            f"{law} holds {', '.join(sorted(map(str, law.free_symbols)))}; put in numbers first"
        )
    compiled = sympy.lambdify(law.bound, law.expression, ["scipy", "numpy"], cse=True)

    def function(x: Array) -> Array:
        with np.errstate(all="ignore"):
            values = np.real(np.asarray(compiled(x))) + np.zeros(x.shape)
        return np.where(np.isfinite(values), np.maximum(values, 0.0), 0.0)

    return function


def _tail_exponent(law: Density) -> float:
    try:
        return float(law.sup_moment)
    except UnsupportedExpectation:
        return np.inf


def _edges(function: Callable[[Array], Array], anchor: float, distance: float) -> tuple[float, float]:
    """The exponents of the density as powers of the distance from an anchor, below and above it, to one part in a thousand."""
    below, above = (function(anchor + sign * distance * np.array([2.0**-24, 2.0**-25])) for sign in (-1, 1))
    found = (float(np.round(np.log2(near[0] / near[1]), 3)) if np.all(near > 0) else 0.0 for near in (below, above))
    return next(found), next(found)


def _refined(function: Callable[[Array], Array], breaks: Array) -> tuple[Array, Array]:
    """Panels split until two rules agree on the probability of each, and the probabilities."""
    for _ in range(40):
        fine, coarse = (panel_masses(function, breaks, count) for count in NODES)
        rough = np.abs(fine - coarse) > 1e-15 + 1e-12 * fine
        if not rough.any() or len(breaks) > PANELS:
            break
        middle = (breaks[:-1] + breaks[1:]) / 2
        split = rough & (middle > breaks[:-1]) & (middle < breaks[1:])
        if not split.any():
            break
        breaks = np.unique(np.concatenate([breaks, middle[split]]))
    return breaks, panel_masses(function, breaks, NODES[0])


def panel_masses(function: Callable[[Array], Array], breaks: Array, count: int) -> Array:
    """The integral over each panel by a rule of `count` nodes."""
    nodes, weights = composite(breaks, count)
    found: Array = (weights * function(nodes)).reshape(-1, count).sum(axis=1)
    return found


# ------------------------------------------------------------------------------------------------------------- inversion


@dataclass(frozen=True)
class _Tail:
    """x as a cubic Hermite polynomial of log(tail probability) on each panel, the tail probability rising to one half."""

    left: Array
    right: Array
    values: Array
    """x and its slopes at both ends of each panel, shape (4, panel)."""

    def __call__(self, probability: Array) -> Array:
        t = np.log(np.maximum(probability, np.exp(self.left[0])))
        index = np.clip(np.searchsorted(self.left, t, side="right") - 1, 0, len(self.left) - 1)
        return _hermite(self.left[index], self.right[index], self.values[:, index], np.minimum(t, self.right[index]))


@dataclass(frozen=True)
class InverseDistribution:
    """The numerical inverse of a distribution function: `error` is the largest relative error of a tail probability."""

    lower: _Tail
    upper: _Tail
    error: float

    def __call__(self, uniform: Array) -> Array:
        """The quantiles of uniform numbers in (0, 1]."""
        below = uniform <= 0.5
        result = np.empty(uniform.shape)
        result[below] = self.lower(uniform[below])
        result[~below] = self.upper(1 - uniform[~below])
        return result


@lru_cache(maxsize=64)
def inverse_distribution(law: Density) -> InverseDistribution:
    """The inverse of the distribution function of a density, from a table that is refined until it inverts to `INVERSION`."""
    shape = resolved(law)
    lower, low_error = _tail(shape.function, shape.breaks, shape.masses)
    upper, high_error = _tail(lambda x: shape.function(-x), -shape.breaks[::-1], shape.masses[::-1])
    mirrored = _Tail(upper.left, upper.right, -upper.values)
    return InverseDistribution(lower, mirrored, max(low_error, high_error, shape.missing))


def _tail(function: Callable[[Array], Array], breaks: Array, masses: Array) -> tuple[_Tail, float]:
    below = np.concatenate([[0.0], np.cumsum(masses)]) / masses.sum()
    kept = (below[1:] > _LEAST) & (below[:-1] > 0) & (below[:-1] < 0.5) & (below[1:] > below[:-1])
    if not kept.any():  # the whole lower half lies on the first panel that matters
        first = int(np.argmax(below[1:] > _LEAST))
        kept[first] = True
        below[first] = _LEAST
    x, s = np.stack([breaks[:-1][kept], breaks[1:][kept]]), np.stack([below[:-1][kept], below[1:][kept]])
    total = masses.sum()
    error = np.inf
    for _ in range(30):
        left, right = np.log(s)
        values = _coefficients(function, x, s, total)
        middle = _hermite(left, right, values, (left + right) / 2)
        inside = np.clip(middle, x[0], x[1])
        nodes, weights = composite(np.array([-1.0, 1.0]), NODES[0])
        half = (inside - x[0]) / 2
        reached = s[0] + half * (function(x[0] + half * (nodes[:, None] + 1)) * weights[:, None]).sum(axis=0) / total
        defect = np.abs(np.log(np.maximum(reached, 1e-300)) - (left + right) / 2)
        rounding = 8 * np.finfo(float).eps * np.abs(inside) * function(inside) / total / np.maximum(reached, 1e-300)
        defect = np.where(reached > _LEAST, np.maximum(defect - rounding, 0.0), 0.0)
        split = (defect > INVERSION) & (inside > x[0]) & (inside < x[1]) & (reached > s[0]) & (reached < s[1])
        error = float(np.max(defect))
        if not split.any() or x.shape[1] > PANELS:
            break
        x = np.concatenate([x[:, ~split], [x[0, split], inside[split]], [inside[split], x[1, split]]], axis=1)
        s = np.concatenate([s[:, ~split], [s[0, split], reached[split]], [reached[split], s[1, split]]], axis=1)
        order = np.argsort(s[0], kind="stable")
        order = order[np.log(s[1, order]) > np.log(s[0, order])]
        x, s = x[:, order], s[:, order]
    left, right = np.log(s)
    return _Tail(left, right, _coefficients(function, x, s, total)), error


def _coefficients(function: Callable[[Array], Array], x: Array, s: Array, total: float) -> Array:
    """x and dx/d(log s) = s/f at both ends; slopes are held to three times the secant, so that the cubic rises."""
    secant = (x[1] - x[0]) / (np.log(s[1]) - np.log(s[0]))
    with np.errstate(divide="ignore", invalid="ignore"):
        slopes = [s[k] * total / function(x[k]) for k in (0, 1)]
    held = [np.where(np.isfinite(slope), np.minimum(slope, 3 * secant), secant) for slope in slopes]
    return np.stack([x[0], x[1], *held])


def _hermite(left: Array, right: Array, values: Array, t: Array) -> Array:
    length = right - left
    v = (t - left) / length
    begin, end, first, last = values
    rise = end - begin
    return np.asarray(
        begin
        + v * (length * first + v * (3 * rise - length * (2 * first + last) + v * (length * (first + last) - 2 * rise)))
    )
