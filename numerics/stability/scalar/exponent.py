"""One scalar exponent in numbers: the first road that is open to it, from exact to approximate."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np
import sympy
from numpy.typing import NDArray

from numerics.stability.problem import Array, Estimate, Grid, Problem
from numerics.stability.scalar.conditional import by_conditioning
from numerics.stability.scalar.contour import by_contour
from numerics.stability.scalar.enumeration import enumerated
from numerics.stability.scalar.monte_carlo import by_monte_carlo
from numerics.stability.scalar.potentials import by_batch_law, by_potential, constant
from numerics.stability.scalar.real_axis import by_real_axis
from numerics.stability.scalar.standard_laws import shape_symbols
from numerics.values import whole_number
from theory import Block, ExponentKind
from theory.algorithm import Bernoulli

ROADS = (constant, enumerated, by_potential, by_batch_law, by_contour, by_conditioning, by_real_axis)
"""In this order; each returns None where it is closed. The last resort, random draws, is open to all."""

SHAPES = 256
"""Batch sizes and shapes of laws over a grid that are integrated one after the other; of more shapes, batches are drawn at random."""


def scalar_exponent(block: Block, grid: Grid, *, seed: int = 0) -> Estimate:
    """Return the exponent of a scalar block at every point of a grid, each point by the best road open to its batch size.

    Raises `ValuesError` for a batch size that is no positive whole number.
    """
    return together([(rows, _by_first_road(problem)) for rows, problem in problems(block, grid, seed)], grid.size)


def problems(block: Block, grid: Grid, seed: int) -> Iterator[tuple[NDArray[np.bool_], Problem]]:
    """The points of a grid by batch size and by the shape of their laws, each part as a problem of its own.

    The size of Bernoulli batches is random.
    """
    parts = block.step.carry, block.step.weight, block.curvature[0, 0], block.randomness
    if isinstance(block.batch.mode, Bernoulli):
        yield np.ones(grid.size, dtype=bool), Problem(*parts, block.batch, grid, seed)
        return
    sizes = grid.of(block.batch.size)
    for size, rows in _alike(sizes, block, grid):
        whole = whole_number(float(size), f"batch_size = {block.batch.size}")
        batch = replace(block.batch, size=sympy.Integer(whole))
        yield rows, Problem(*parts, batch, grid.subset(rows), seed)


def _alike(sizes: Array, block: Block, grid: Grid) -> Iterator[tuple[float, NDArray[np.bool_]]]:
    """The points of one batch size and one shape of the laws, as masks; shapes that are too many stay together."""
    laws = [law for _, law in block.randomness.of(block.curvature).groups]
    shapes = sorted(set().union(set(), *map(shape_symbols, laws)), key=str)
    distinct, places = np.unique(np.array([sizes, *(grid.values[s] for s in shapes)]), axis=1, return_inverse=True)
    if distinct.shape[1] > SHAPES:
        distinct, places = np.unique(sizes[None, :], axis=1, return_inverse=True)
    for index, column in enumerate(distinct.T):
        yield float(column[0]), places.reshape(-1) == index


def together(parts: Iterable[tuple[NDArray[np.bool_], Estimate]], size: int) -> Estimate:
    """The answers for parts of a grid of so many points as one, of the least exact kind among them."""
    values, errors = np.empty(size), np.empty(size)
    kinds: list[ExponentKind] = []
    for rows, found in parts:
        values[rows], errors[rows] = found.values, found.errors
        kinds.append(found.kind)
    return Estimate(values, errors, max(kinds, key=list(ExponentKind).index))


def _by_first_road(problem: Problem) -> Estimate:
    for road in ROADS:
        found = road(problem)
        if found is not None:
            return found
    return by_monte_carlo(problem)
