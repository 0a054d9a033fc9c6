"""One sample, one continuous symbol that enters in any way: quadrature over its density, split at the zeros of the multiplier."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import sympy

from numerics.stability.problem import Array, Estimate, Problem
from numerics.stability.scalar.panels import composite
from numerics.stability.scalar.standard_laws import StandardLaw, component
from theory import ExponentKind

SAMPLES = 4001
"""Points at which the multiplier is looked at for changes of sign."""
NODES = (20, 14)
"""Nodes per panel of the quadrature, and of the coarser rule that judges it."""
ACCEPTED = 1e-5
"""The largest error of an answer; beyond, random draws do better (zeros closer together than the samples, or without a change of sign)."""


Integrate = Callable[[Callable[[Array], Array], StandardLaw], tuple[float, float]]
"""An average of a function of the multiplier, which is given as a function of a standard number, and its error."""


def by_density(problem: Problem) -> Estimate | None:
    """The exponent for one random symbol with a density; None for other randomness, or short of accuracy."""
    return over_density(problem, _integral)


def over_density(problem: Problem, integrate: Integrate) -> Estimate | None:
    """An average over one random symbol with a density at every point; None for other randomness, or short of accuracy."""
    groups = problem.randomness.groups
    if len(groups) != 1 or len(groups[0][0]) != 1:
        return None
    ((symbol,), law) = groups[0]
    part = component(law, problem.grid)
    if part is None:
        return None
    multiplier = problem.keep + problem.weight * problem.curvature
    names = sorted(multiplier.free_symbols - {symbol}, key=str)
    function = sympy.lambdify([symbol, *names], multiplier, ["scipy", "numpy"], cse=True)
    values, errors = np.empty(problem.grid.size), np.empty(problem.grid.size)
    for point in range(problem.grid.size):
        numbers = [float(problem.grid.values[name][point]) for name in names]
        location, scale = float(part.location[point]), float(part.scale[point])

        def at(y: Array, numbers: list[float] = numbers, location: float = location, scale: float = scale) -> Array:
            with np.errstate(all="ignore"):
                return np.asarray(function(location + scale * y, *numbers), dtype=float) + np.zeros(y.shape)

        values[point], errors[point] = integrate(at, part.standard)
    if not np.all(errors <= ACCEPTED):
        return None
    return problem.estimate(values, errors, ExponentKind.QUADRATURE)


def _integral(multiplier: Callable[[Array], Array], law: StandardLaw) -> tuple[float, float]:
    """E log|multiplier(y)| and the difference to a coarser rule."""
    breaks = law.breaks(zeros(multiplier, law))
    return expected_logarithm(lambda y: np.log(np.abs(multiplier(y))), law, breaks)


def expected_logarithm(logarithm: Callable[[Array], Array], law: StandardLaw, breaks: Array) -> tuple[float, float]:
    """E logarithm(y) on the panels, and its error: the difference to a coarser rule, and what the rule misses of the probability."""
    found = []
    largest = missing = 0.0
    for count in NODES:
        nodes, weights = composite(breaks, count)
        with np.errstate(all="ignore"):
            weighted = weights * law.density(nodes)
            kept = weighted > 0
            logs = logarithm(nodes[kept])
        usable = np.isfinite(logs)
        found.append(float(np.sum(weighted[kept][usable] * logs[usable])))
        if not missing:
            missing, largest = abs(1 - float(np.sum(weighted[kept]))), float(np.max(np.abs(logs[usable]), initial=1.0))
    return found[0], abs(found[0] - found[1]) + missing * largest + 1e-13


def zeros(multiplier: Callable[[Array], Array], law: StandardLaw) -> list[float]:
    """Zeros of the multiplier where it changes sign, bisected; looked for where the density matters."""
    inner = np.linspace(max(law.lower, -12.0), min(law.upper, 40.0), SAMPLES)
    outer = 2.0 ** np.arange(3.0, 60.0, 0.125)
    y = np.unique(np.concatenate([inner, outer[outer < law.upper], -outer[-outer > law.lower]]))
    values = multiplier(y)
    changes = np.flatnonzero(np.sign(values[:-1]) * np.sign(values[1:]) < 0)
    low, high = y[changes], y[changes + 1]
    sign = np.sign(values[changes])
    for _ in range(80):
        middle = (low + high) / 2
        same = np.sign(multiplier(middle)) == sign
        low, high = np.where(same, middle, low), np.where(same, high, middle)
    return [*((low + high) / 2).tolist(), *y[values == 0].tolist()]
