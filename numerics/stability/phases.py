"""Phases: which modes grow, those that lower the mean loss, those that raise it, or both."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from numerics.stability.problem import Array, Estimate, Grid
from theory import Block, ExponentKind

PHASES = (
    "saddle attracts",
    "correct learning",
    "incorrect learning",
    "complete instability",
    "instability",
    "minimum attracts",
    "undecided",
)
"""The names of the phases; their position is their code.

A mode descends if its mean curvature is negative, so that the mean loss falls along it. No mode grows: the point attracts. Only modes
that descend grow: correct learning. Only modes that ascend: incorrect learning at a saddle, and plain instability at a minimum,
where every mode ascends. Both: complete instability. Modes whose mean curvature is zero, indefinite or undefined give instability
without a direction. Undecided: an exponent is within its error of zero (three standard errors for Monte Carlo).
"""

SADDLE, CORRECT, INCORRECT, COMPLETE, UNDIRECTED, MINIMUM, UNDECIDED = range(len(PHASES))


ROUNDING = 1e-12
"""A mean curvature below this share of the largest one at the point is zero up to rounding."""


def phases_of(
    blocks: Sequence[Block], estimates: Sequence[Estimate], curvatures: Sequence[Array], grid: Grid
) -> NDArray[np.int8]:
    """The phase at every point of a grid. Neutral modes never count as unstable."""
    descending, ascending, other, unsure, saddle = (np.zeros(grid.size, dtype=bool) for _ in range(5))
    scale = ROUNDING * np.maximum(np.max([np.nan_to_num(np.abs(c)) for c in curvatures], axis=0), 1.0)
    for block, estimate, curvature in zip(blocks, estimates, curvatures, strict=True):
        if block.is_neutral:
            continue
        lowest, highest = _range(block, curvature, grid)
        falls, rises = highest < -scale, lowest > scale
        slack = (3.0 if estimate.kind == ExponentKind.MONTE_CARLO else 1.0) * estimate.errors
        grows = estimate.values > 0
        unsure |= ~(np.abs(estimate.values) > slack)
        saddle |= ~rises
        descending |= grows & falls
        ascending |= grows & rises
        other |= grows & ~falls & ~rises
    codes = np.where(saddle, SADDLE, MINIMUM)
    codes = np.where(other, UNDIRECTED, codes)
    codes = np.where(~other & descending, CORRECT, codes)
    codes = np.where(~other & ascending, np.where(saddle, INCORRECT, UNDIRECTED), codes)
    codes = np.where(descending & ascending, COMPLETE, codes)
    return np.where(unsure, UNDECIDED, codes).astype(np.int8)


def _range(block: Block, lowest: Array, grid: Grid) -> tuple[Array, Array]:
    """The smallest and the largest eigenvalue of the mean curvature."""
    matrix = block.mean_curvature
    if block.size == 1 or matrix is None:
        return lowest, lowest
    table = grid.table(list(matrix)).T.reshape(-1, block.size, block.size)
    return lowest, np.real(np.linalg.eigvals(table)).max(axis=1)
