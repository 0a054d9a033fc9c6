"""Where a function of two variables changes sign: vertices refined along the edges of a grid, joined to curves.

A function may fall to minus infinity along curves of its own, between two of which it is positive: then its signs at the points of
a grid do not tell that it vanishes twice between two of them. Such curves separate *regions*, whose numbers the function tells
besides its value. Within each region, what lies outside counts as negative: both zeros are found, however close they are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from numerics.stability.problem import Array

TOLERANCE = 1e-11
"""Width of a bracket, as a share of its edge, at which refinement ends."""
LARGEST = 1e3
"""Infinite values enter the interpolation as this much."""
ITERATIONS = 90
Integers = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Field:
    """Values of the function with the errors that hide their sign, and the region of each point, all of one shape."""

    values: Array
    errors: Array
    regions: Integers

    def inside(self, region: int) -> Mask:
        """Where the function is positive and the point lies in the region."""
        return (self.values > 0) & (self.regions == region)

    def within(self, region: int) -> Array:
        """The function, bounded, and -1 outside the region."""
        bounded = np.clip(np.nan_to_num(self.values, nan=-1.0), -LARGEST, LARGEST)
        return np.where(self.regions == region, bounded, -1.0)


Evaluation = Callable[[Array, Array], Field]
"""The field at the points (x_n, y_n)."""


@dataclass(frozen=True)
class Curve:
    """Vertices in order, shape (vertex, 2), and how far off each may be; a closed curve ends where it begins."""

    points: Array
    errors: Array


def level_curves(
    x: Array, y: Array, field: Field, evaluate: Evaluation | None, between: tuple[bool, bool] = (True, True)
) -> list[Curve]:
    """Return the curves on which a function vanishes, from its values at the grid (x_i, y_j), shape (i, j).

    Each edge of the grid between points of unlike sign is refined by `evaluate` until the bracket is narrower than `TOLERANCE` of the
    edge or the error hides the sign. Without `evaluate`, and along an axis for which `between` says that there is nothing between its
    points, vertices are interpolated, and may lie anywhere on their edge. Curves that are narrower than the grid are found at the
    borders of regions only.
    """
    found: list[Curve] = []
    for region in np.unique(field.regions[field.values > 0]).tolist():
        inside = field.inside(region)
        changes = (inside[1:] != inside[:-1], inside[:, 1:] != inside[:, :-1])
        parts = [
            _vertices(x, y, field, evaluate if between[axis] else None, region, axis, changes[axis]) for axis in (0, 1)
        ]
        points, errors = (np.concatenate(listed) for listed in zip(*parts, strict=True))
        numbers = [np.full(mask.shape, -1) for mask in changes]
        numbers[0][changes[0]] = np.arange(len(parts[0][0]))
        numbers[1][changes[1]] = len(parts[0][0]) + np.arange(len(parts[1][0]))
        centres = evaluate if all(between) else None
        segments = _segments(x, y, inside, (numbers[0], numbers[1]), region, centres)
        found += [Curve(points[chain], errors[chain]) for chain in _chains(segments, len(points))]
    return found


def _vertices(
    x: Array, y: Array, field: Field, evaluate: Evaluation | None, region: int, axis: int, changes: Mask
) -> tuple[Array, Array]:
    """Where edges along an axis are crossed, and the errors."""
    first = np.nonzero(changes)
    if not first[0].size:
        return np.empty((0, 2)), np.empty(0)
    second = (first[0] + (axis == 0), first[1] + (axis == 1))
    outward = field.inside(region)[first]  # edges run from inside to outside
    begin = tuple(np.where(outward, a, b) for a, b in zip(first, second, strict=True))
    end = tuple(np.where(outward, b, a) for a, b in zip(first, second, strict=True))
    start, stop = (np.stack([x[place[0]], y[place[1]]], axis=1) for place in (begin, end))
    shares, errors = _roots(start, stop, _at(field, begin), _at(field, end), region, evaluate)
    return start + shares[:, np.newaxis] * (stop - start), errors * np.linalg.norm(stop - start, axis=1)


def _at(field: Field, places: tuple[Integers, ...]) -> Field:
    return Field(field.values[places], field.errors[places], field.regions[places])


# ------------------------------------------------------------------------------------------------------- refinement


def _roots(
    start: Array, stop: Array, first: Field, last: Field, region: int, evaluate: Evaluation | None
) -> tuple[Array, Array]:
    """Shares of the edges at which the sign changes, and their errors, by Chandrupatla's method on all edges at once.

    Inverse quadratic interpolation where it can be trusted, bisection elsewhere.
    """
    a, b = np.zeros(len(start)), np.ones(len(start))
    fa, fb = first.within(region), last.within(region)
    noise = np.maximum(np.nan_to_num(first.errors), np.nan_to_num(last.errors))
    slope = np.abs(fa - fb)
    if evaluate is None:
        shares = np.where((np.abs(fa) < LARGEST) & (np.abs(fb) < LARGEST), fa / (fa - fb), 0.5)
        return shares, np.maximum(np.maximum(shares, 1 - shares), noise / slope)
    c, fc, t = b.copy(), fb.copy(), np.full(len(start), 0.5)
    active = np.arange(len(start))
    for _ in range(ITERATIONS):
        s = a[active] + t[active] * (b[active] - a[active])
        points = start[active] + s[:, np.newaxis] * (stop[active] - start[active])
        found = evaluate(points[:, 0], points[:, 1])
        value = found.within(region)
        noise[active] = np.nan_to_num(found.errors)
        same = (value > 0) == (fa[active] > 0)
        c[active], fc[active] = np.where(same, a[active], b[active]), np.where(same, fa[active], fb[active])
        b[active], fb[active] = np.where(same, b[active], a[active]), np.where(same, fb[active], fa[active])
        a[active], fa[active] = s, value
        width = np.abs(b - a)
        wide = width > 1e-5
        slope[wide] = (np.abs(fa - fb)[wide] / width[wide]).clip(1e-300)
        hidden = np.abs(value) <= noise[active]
        active = active[~hidden & (width[active] > TOLERANCE)]
        if not active.size:
            break
        t[active] = _next_share(*(array[active] for array in (a, b, c, fa, fb, fc)))
    nearest = np.where(np.abs(fa) <= np.abs(fb), a, b)
    error = np.where(np.abs(fa) <= noise, 0.0, np.abs(b - a)) + noise / slope
    return nearest, np.minimum(error, 1.0)


def _next_share(a: Array, b: Array, c: Array, fa: Array, fb: Array, fc: Array) -> Array:
    """Where to look next between a and b, which have unlike signs; c is the point before."""
    with np.errstate(all="ignore"):
        place, height = (a - b) / (c - b), (fa - fb) / (fc - fb)
        trusted = (height**2 < place) & ((1 - height) ** 2 < 1 - place)
        inverse = fa / (fb - fa) * fc / (fb - fc) + (c - a) / (b - a) * fa / (fc - fa) * fb / (fc - fb)
    least = np.minimum(TOLERANCE / 2 / np.abs(b - a), 0.5)
    return np.clip(np.where(trusted & np.isfinite(inverse), inverse, 0.5), least, 1 - least)


# ---------------------------------------------------------------------------------------------------------- joining


def _segments(
    x: Array, y: Array, inside: Mask, numbers: tuple[Integers, Integers], region: int, evaluate: Evaluation | None
) -> Integers:
    """Pairs of vertices that a cell joins, shape (segment, 2). Where all four edges cross, the sign at the centre decides."""
    across, along = numbers
    edges = np.stack([across[:, :-1], along[1:], across[:, 1:], along[:-1]], axis=-1)  # bottom, right, top, left
    count = (edges >= 0).sum(axis=-1)
    simple = np.sort(edges[count == 2], axis=-1)[:, 2:]
    i, j = np.nonzero(count == 4)
    if not i.size:
        return simple
    if evaluate is None:
        centre = inside[i, j]
    else:
        middle = evaluate((x[i] + x[i + 1]) / 2, (y[j] + y[j + 1]) / 2)
        centre = middle.inside(region)
    joined = (centre == inside[i, j])[:, np.newaxis]
    bottom, right, top, left = edges[i, j].T
    one = np.where(joined, np.stack([bottom, right], axis=1), np.stack([bottom, left], axis=1))
    two = np.where(joined, np.stack([top, left], axis=1), np.stack([top, right], axis=1))
    return np.concatenate([simple, one, two])


def _chains(segments: Integers, count: int) -> list[list[int]]:
    """Vertices in the order in which segments join them: open chains first, then closed ones."""
    neighbours: list[list[int]] = [[] for _ in range(count)]
    for a, b in segments.tolist():
        neighbours[a].append(b)
        neighbours[b].append(a)
    seen = [False] * count
    found: list[list[int]] = []
    for begin in sorted(range(count), key=lambda vertex: len(neighbours[vertex])):
        if seen[begin]:
            continue
        chain, current = [begin], begin
        seen[begin] = True
        while following := [vertex for vertex in neighbours[current] if not seen[vertex]]:
            current = following[0]
            seen[current] = True
            chain.append(current)
        if len(chain) > 2 and begin in neighbours[current]:
            chain.append(begin)
        found.append(chain)
    return found
