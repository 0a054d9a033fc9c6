r"""Batches of several samples of any law with a characteristic function: E|m|^p as an integral along the real axis.

The formula is that of `numerics.stability.scalar.power_contour`, with theta = 0: phi - G is cut by a smooth window that doubles until two
answers agree, and continued below the first panel by the power of t that it follows there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import comb, factorial

import numpy as np

from numerics.stability.problem import Array, Estimate, Problem
from numerics.stability.scalar.characteristics import RULE, Characteristic, characteristic
from numerics.stability.scalar.panels import composite
from numerics.stability.scalar.power_contour import gram_charlier, hermite_weights, prefactor
from numerics.stability.scalar.power_roads import central_moments, highest_order
from numerics.stability.scalar.real_axis import (
    ACCEPTED,
    DOUBLINGS,
    POINTS,
    POINTS_BY_QUADRATURE,
    falling_window,
    typical_size,
)
from theory import ExponentKind
from theory.stability.batches import FRESH
from theory.stability.randomness import ENUMERATED

HIGHEST = 16.0
"""The largest power; higher ones cancel near t = 0."""
NOISE = 1e-15, 1e-13
"""The error of a characteristic function: of a closed form, and of an integral."""
GOAL = 1e-11
"""The error at which doubling stops."""
UNCUT = 1e100
"""The end of a window that cuts nothing."""


def by_closed_characteristic(problem: Problem, order: float) -> Estimate | None:
    """The moment exponent where the characteristic function is closed: a hundred times faster than through one that is integrated."""
    return _along_axis(problem, order, integrated=False)


def by_real_axis(problem: Problem, order: float) -> Estimate | None:
    """The moment exponent of batches of independent draws; None without a usable characteristic function, or short of accuracy."""
    return _along_axis(problem, order, integrated=True)


def _along_axis(problem: Problem, order: float, *, integrated: bool) -> Estimate | None:
    present = problem.randomness.of(problem.curvature)
    if problem.batch.mode not in FRESH or not present.continuous or present.outcome_count > ENUMERATED:
        return None
    if problem.grid.size * present.outcome_count > POINTS or not -1 < order <= HIGHEST:
        return None
    limits = highest_order(problem)
    if limits is None:
        return None
    values, errors = np.empty(problem.grid.size), np.empty(problem.grid.size)
    for point in range(problem.grid.size):
        single = replace(problem, grid=problem.grid.subset(np.arange(problem.grid.size) == point))
        function = characteristic(single)
        if function is None or (
            function.by_quadrature and (not integrated or problem.grid.size > POINTS_BY_QUADRATURE)
        ):
            return None
        found = _log_power(single, function, order, float(limits[point]))
        if found is None:
            return None
        values[point], errors[point] = found
    return problem.estimate(values, errors, ExponentKind.QUADRATURE) if np.all(errors <= ACCEPTED) else None


def _log_power(problem: Problem, function: Characteristic, order: float, limit: float) -> tuple[float, float] | None:
    """log E|m|^order at the one point of the grid, and its error; None where a moment that G needs has no exact form."""
    keep, weight = (float(v[0]) for v in problem.grid.table([problem.keep, problem.weight]))
    n = max(0, 2 * int(np.ceil(order / 2)))
    if n >= limit:
        n -= 2
    scale = typical_size(function, keep, weight, problem.size)
    raw = np.ones((1, 1))
    if n > 0:
        moments = central_moments(problem, n)
        if moments is None:
            return None
        scale, raw = _scaled_moments(keep + weight * moments[0], [weight**k * c for k, c in enumerate(moments[1])])
    weights = hermite_weights(raw)
    total = float(gram_charlier(weights, order)[0][0])

    def correction(t: Array, end: float) -> Array:
        phase = np.exp(1j * keep / scale * t) * function(weight / scale * t / problem.size) ** problem.size
        approximation = np.exp(-(t**2) / 2) * np.real(np.polynomial.polynomial.polyval(1j * t, weights[:, 0]))
        return np.asarray(np.real(phase) * falling_window(t / end) - approximation)

    noise = NOISE[function.by_quadrature]
    begin = float(noise ** (1 / (n + 4)))
    head, head_error = _beginning(correction, begin, order)
    previous, difference = np.nan, np.inf
    for doubling in range(DOUBLINGS):
        end = 64.0 * 2**doubling
        breaks = np.concatenate([begin * 2.0 ** np.arange(0, int(-np.log2(begin)) + 1), np.arange(2.0, end + 1)])
        t, rule = composite(breaks[breaks <= end], RULE)
        if not function.affordable(weight / scale * t / problem.size):
            break
        value = prefactor(order) * (head + float(rule @ (correction(t, end) * t ** (-1 - order))))
        difference, previous = abs(value - previous), value
        if difference < GOAL:
            break
    error = difference + abs(prefactor(order)) * (head_error + noise * begin ** (-max(order, 0.0)))
    result = total + previous
    if not result > 0:
        return None
    return float(order * np.log(scale) + np.log(result)), float(error / result) + 1e-13


def _scaled_moments(mean: Array, central: list[Array]) -> tuple[float, Array]:
    """The root mean square of m, and E m^k / k! in units of it, shape (power, 1)."""
    count = len(central) - 1
    raw = np.array(
        [
            [comb(k, j) * mean[0] ** (k - j) * central[j][0] if j <= k else 0.0 for j in range(count + 1)]
            for k in range(count + 1)
        ]
    ).sum(axis=1)
    scale = float(np.sqrt(raw[2]))
    return scale, np.array([[moment / scale**k / factorial(k)] for k, moment in enumerate(raw)])


def _beginning(correction: Callable[[Array, float], Array], begin: float, order: float) -> tuple[float, float]:
    """The integral up to `begin` of a function that follows a power of t there, and its error."""
    estimates = []
    for start in (begin / 2, begin):
        first, second = correction(np.array([start, 2 * start]), UNCUT)
        power = np.log2(abs(second / first)) if first != 0 and second != 0 else np.inf
        estimates.append(first * start ** (-order) / (power - order) if power > order else 0.0)
    t, rule = composite(np.array([begin / 2, begin]), RULE)
    between = float(rule @ (correction(t, UNCUT) * t ** (-1 - order)))
    return float(estimates[1]), float(abs(estimates[0] + between - estimates[1]))
