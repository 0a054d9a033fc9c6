"""Changes of sign of a function that is known at nodes up to an error: roots, and stretches on which the error hides the sign."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from scipy.optimize import brentq, minimize_scalar

from numerics.stability.level_sets.stable_sets import Interval
from numerics.stability.problem import Array

Evaluation = Callable[[Array], tuple[Array, Array]]
"""Exponents and their errors at values of the symbol."""
REFINED = 33
"""Points at which a noisy change of sign is looked at again."""
NOISY = 1e-6
"""The error from which on a root is interpolated, not bracketed."""
LARGEST = 1e6
"""Stands for infinite values, of either sign, where roots are bracketed."""


def crossings(
    nodes: Array, values: Array, errors: Array, evaluate: Evaluation
) -> tuple[list[float], tuple[Interval, ...]]:
    """Refined roots where the sign is sure on both sides, and intervals on which it is hidden by the error."""
    sure = np.abs(values) > errors
    roots: list[float] = []
    undecided: list[Interval] = []
    known = np.flatnonzero(sure)
    if not known.size:
        return [], ((float(nodes[0]), float(nodes[-1])),)
    if known[0] > 0:
        undecided.append((float(nodes[0]), float(nodes[known[0]])))
    for left, right in pairwise(known):
        changes = (values[left] > 0) != (values[right] > 0)
        noisy = errors[left] > NOISY or errors[right] > NOISY
        if changes:
            refined = interpolated if noisy else bracketed
            roots.append(refined(evaluate, float(nodes[left]), float(nodes[right])))
        if right > left + 1 or (changes and noisy):
            undecided.append((float(nodes[left]), float(nodes[right])))
    if known[-1] < len(nodes) - 1:
        undecided.append((float(nodes[known[-1]]), float(nodes[-1])))
    return roots, tuple(undecided)


def bracketed(evaluate: Evaluation, left: float, right: float) -> float:
    """A root between two signs, to rounding."""
    return float(brentq(lambda x: at(evaluate, x), left, right, xtol=1e-15, rtol=1e-14))


def interpolated(evaluate: Evaluation, left: float, right: float) -> float:
    """A root of noisy values, linear between the points where they change sign: finer than the noise it would mean nothing."""
    nodes = np.linspace(left, right, REFINED)
    values = evaluate(nodes)[0]
    changes = np.flatnonzero((values[:-1] > 0) != (values[1:] > 0))
    if (
        not changes.size
    ):  # a better road is open to so few points, and the change of sign was noise: the root is next to an end
        return left if abs(values[0]) < abs(values[-1]) else right
    change = int(changes[0])
    low, high = values[change], values[change + 1]
    share = low / (low - high) if np.isfinite(low) and np.isfinite(high) else 0.5
    return float(nodes[change] + share * (nodes[change + 1] - nodes[change]))


def is_negative(evaluate: Evaluation, nodes: Array, values: Array, low: float, high: float) -> bool:
    """The sign between two neighbouring roots: that of the largest value there."""
    inside = values[(nodes > low) & (nodes < high)]
    if not inside.size:
        inside = evaluate(np.array([(low + high) / 2]))[0]
    return bool(inside[np.argmax(np.abs(inside))] < 0)


def lowest(evaluate: Evaluation, nodes: Array, values: Array) -> tuple[float, float]:
    """The smallest value and where it lies, refined between the neighbours of the smallest node."""
    index = int(np.argmin(values))
    place, value = float(nodes[index]), float(values[index])
    low, high = float(nodes[max(index - 1, 0)]), float(nodes[min(index + 1, len(nodes) - 1)])
    if not np.isfinite(value) or low == high:
        return place, value
    found = minimize_scalar(
        lambda x: at(evaluate, x), bounds=(low, high), method="bounded", options={"xatol": 1e-10 * (high - low)}
    )
    return (float(found.x), float(found.fun)) if found.fun < value else (place, value)


def at(evaluate: Evaluation, x: float) -> float:
    """One value, within what root finders bear."""
    return float(np.clip(evaluate(np.array([x]))[0][0], -LARGEST, LARGEST))
