r"""Batches of several samples of any law with a characteristic function: the integral along the real axis.

$$ \Lambda = \int_0^\infty\frac{e^{-t} - \mathrm{Re}\,e^{i\kappa t}\varphi_h(wt/S)^S}{t}\,dt, $$

cut by a smooth window that falls from 1 to 0 between T/2 and T: what oscillates there then contributes less than any power of 1/T,
where a sharp cut would leave a term of order 1/T. T and the number of panels double until two answers agree; their difference is
the error, so that a log singularity met by the support shows as a larger error.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from numerics.stability.problem import Array, Estimate, Problem
from numerics.stability.scalar.characteristics import RULE, Characteristic, characteristic
from numerics.stability.scalar.panels import composite
from theory import ExponentKind
from theory.stability.batches import FRESH
from theory.stability.randomness import ENUMERATED

DOUBLINGS = 10
"""How often the range doubles at most."""
GOAL, GOAL_BY_QUADRATURE = 1e-10, 1e-7
"""The error at which doubling stops; the second where every value of the characteristic function is an integral of its own."""
ACCEPTED = 1e-5
"""The largest error of an answer; beyond, random draws do better."""
POINTS = 4000
"""Points of a grid times outcomes of the finite laws that are visited one by one (some 10 ms each); larger grids draw at random."""
POINTS_BY_QUADRATURE = 16
"""Points of a grid up to which characteristic functions are integrated (a second or so each); larger grids draw at random."""


def by_real_axis(problem: Problem) -> Estimate | None:
    """The exponent of batches of independent draws; None without a usable characteristic function, or short of accuracy."""
    present = problem.randomness.of(problem.curvature)
    if problem.batch.mode not in FRESH or not present.continuous or present.outcome_count > ENUMERATED:
        return None
    if problem.grid.size * present.outcome_count > POINTS:
        return None
    values, errors = np.empty(problem.grid.size), np.empty(problem.grid.size)
    for point in range(problem.grid.size):
        single = replace(problem, grid=problem.grid.subset(np.arange(problem.grid.size) == point))
        function = characteristic(single)
        if function is None or (function.by_quadrature and problem.grid.size > POINTS_BY_QUADRATURE):
            return None
        keep, weight = (float(v[0]) for v in single.grid.table([problem.keep, problem.weight]))
        values[point], errors[point] = _integral(function, keep, weight, problem.size)
    return problem.estimate(values, errors, ExponentKind.QUADRATURE) if np.all(errors <= ACCEPTED) else None


def _integral(function: Characteristic, keep: float, weight: float, batch: int) -> tuple[float, float]:
    """The integral and its error. Time is measured in units of the typical size of the multiplier."""
    scale = typical_size(function, keep, weight, batch)
    previous, difference = np.nan, np.inf
    goal = GOAL_BY_QUADRATURE if function.by_quadrature else GOAL
    for doubling in range(DOUBLINGS):
        end = 64.0 * 2**doubling
        head = 2.0 ** np.arange(-40, 1)
        breaks = np.concatenate([[0.0], head, np.arange(2.0, end + 1)])
        t, weights = composite(breaks, RULE)
        if not function.affordable(weight / scale * t / batch):
            break
        window = falling_window(t / end)
        phase = np.exp(1j * keep / scale * t) * function(weight / scale * t / batch) ** batch
        value = float(weights @ ((np.exp(-t) - np.real(phase) * window) / t))
        difference, previous = abs(value - previous), value
        if difference < goal:
            break
    missing = batch * abs(1 - complex(function(np.zeros(1))[0])) * SPAN
    return np.log(scale) + previous, float(np.nan_to_num(difference, nan=np.inf)) + missing + 1e-13


SPAN = 60.0
"""The integral of dt/t over the range, which multiplies a defect of phi(0) = 1."""


def typical_size(function: Characteristic, keep: float, weight: float, batch: int) -> float:
    """1/t for the t at which the characteristic function of the multiplier has fallen to about one half."""
    t = 2.0 ** np.arange(-40, 41) / max(abs(keep), 1e-12)
    fallen = np.abs(function(weight * t / batch)) ** batch < 0.5
    first = t[np.argmax(fallen)] if fallen.any() else np.inf
    return float(max(abs(keep), 1 / first))


def falling_window(s: Array) -> Array:
    """1 below one half, 0 above one, smooth of every order between."""
    u = np.clip((s - 0.5) * 2, 1e-12, 1 - 1e-12)
    falling = np.exp(-1 / (1 - u))
    rising = np.exp(-1 / u)
    return np.where(s <= 0.5, 1.0, np.where(s >= 1.0, 0.0, falling / (falling + rising)))
