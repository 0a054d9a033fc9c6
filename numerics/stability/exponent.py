"""One scalar exponent in numbers: the first road that is open to it, from exact to approximate."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import sympy

from numerics.stability.conditional import by_conditioning
from numerics.stability.contour import by_contour
from numerics.stability.enumeration import enumerated
from numerics.stability.monte_carlo import by_monte_carlo
from numerics.stability.potentials import by_batch_law, by_potential, constant
from numerics.stability.problem import Estimate, Grid, Problem
from numerics.stability.real_axis import by_real_axis
from numerics.values import whole_number
from theory import Block, ExponentKind

ROADS = (constant, enumerated, by_potential, by_batch_law, by_contour, by_conditioning, by_real_axis)
"""In this order; each returns None where it is closed. The last resort, random draws, is open to all."""


def scalar_exponent(block: Block, grid: Grid, *, seed: int = 0) -> Estimate:
    """Return the exponent of a scalar block at every point of a grid, each point by the best road open to its batch size.

    Raises `ValuesError` for a batch size that is no positive whole number.
    """
    sizes = grid.of(block.batch.size)
    values, errors = np.empty(grid.size), np.empty(grid.size)
    kinds: list[ExponentKind] = []
    for size in np.unique(sizes):
        rows = sizes == size
        batch = replace(block.batch, size=sympy.Integer(whole_number(float(size), f"batch_size = {block.batch.size}")))
        part = grid.subset(rows)
        problem = Problem(
            block.step.carry, block.step.weight, block.curvature[0, 0], block.randomness, batch, part, seed
        )
        found = _by_first_road(problem)
        values[rows], errors[rows] = found.values, found.errors
        kinds.append(found.kind)
    worst = max(kinds, key=list(ExponentKind).index)
    return Estimate(values, errors, worst)


def _by_first_road(problem: Problem) -> Estimate:
    for road in ROADS:
        found = road(problem)
        if found is not None:
            return found
    return by_monte_carlo(problem)
