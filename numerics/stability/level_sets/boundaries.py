"""Phase boundaries in numbers: the curves of a phase diagram on which an exponent vanishes, refined between the points of its grid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import sympy
from numpy.typing import NDArray
from sympy import Symbol

from numerics.stability.level_sets.level_curves import Curve, Field, level_curves
from numerics.stability.matrix.matrix_blocks import matrix_exponent
from numerics.stability.moment_exponents import block_moment_exponent
from numerics.stability.problem import Array, Estimate, Grid
from numerics.stability.runs import Runs
from numerics.stability.scalar.exponent import scalar_exponent
from theory import Block, ExponentKind, Stability
from theory.stability.batches import batch_mean_values

MULTIPLIERS = 62
"""Values of a multiplier whose signs are followed; beyond, narrow stripes about their zeros are seen as far as the grid resolves them."""
SLACK = 3.0
"""Standard errors within which a simulated exponent is not told from zero."""


@dataclass(frozen=True)
class Boundary:
    """The curves of one mode on which its exponent of an order vanishes; order 0 is the Lyapunov exponent."""

    mode: str
    order: float
    curves: tuple[Curve, ...]


@dataclass(frozen=True)
class Plane:
    """A grid over two symbols: `axes`, symbol -> values; `base`, one value of every other symbol."""

    axes: Mapping[Symbol, Array]
    base: Mapping[Symbol, float]

    @property
    def shape(self) -> tuple[int, int]:
        """Points along the axes."""
        first, second = (len(values) for values in self.axes.values())
        return first, second

    def grid(self, x: Array, y: Array) -> Grid:
        """The points (x_n, y_n) as a grid of all symbols."""
        others = {symbol: np.full(len(x), value) for symbol, value in self.base.items()}
        return Grid({**others, **dict(zip(self.axes, (x, y), strict=True))}, len(x))

    def between(self, block: Block) -> tuple[bool, bool]:
        """Whether each axis takes values between its own: whole numbers do not."""
        first, second = (not (s.is_integer or s in block.batch.size.free_symbols) for s in self.axes)
        return first, second


def exponent_boundaries(
    equations: Stability, plane: Plane, estimates: Mapping[float, Sequence[Estimate]], runs: Runs
) -> list[Boundary]:
    """Return the boundaries of every mode that is not silent, for every order.

    `estimates`: order -> one estimate per block over the plane. Noisy ones, and those along an axis of whole numbers, are interpolated.
    """
    found = []
    x, y = plane.axes.values()
    for order, listed in estimates.items():
        for block, estimate in zip(equations.blocks, listed, strict=True):
            if block.is_silent:
                continue
            regions = _Regions.of(block, plane) if order == 0 else _Regions()
            noisy = estimate.kind == ExponentKind.MONTE_CARLO
            slack = SLACK if noisy else 1.0
            mesh = plane.grid(*(m.ravel() for m in np.meshgrid(x, y, indexing="ij")))
            field = Field(
                estimate.values.reshape(plane.shape),
                (slack * estimate.errors).reshape(plane.shape),
                regions.on(mesh).reshape(plane.shape),
            )

            def evaluate(
                a: Array, b: Array, block: Block = block, order: float = order, regions: _Regions = regions
            ) -> Field:
                points = plane.grid(a, b)
                value = _exponent_at(block, order, points, runs)
                return Field(value.values, value.errors, regions.on(points))

            curves = level_curves(x, y, field, None if noisy else evaluate, plane.between(block))
            found.append(Boundary(block.name, order, tuple(curves)))
    return found


def _exponent_at(block: Block, order: float, grid: Grid, runs: Runs) -> Estimate:
    """The Lyapunov exponent (order 0) or a moment exponent of one block over a grid."""
    if order != 0:
        return block_moment_exponent(block, grid, order, runs)
    return scalar_exponent(block, grid, seed=runs.seed) if block.is_scalar else matrix_exponent(block, grid, runs)


@dataclass(frozen=True)
class _Regions:
    """The sign pattern of a multiplier's finitely many values: where one vanishes the exponent is minus infinity."""

    multipliers: tuple[Any, ...] = ()

    @classmethod
    def of(cls, block: Block, plane: Plane) -> _Regions:
        """Those of a scalar block with a finite law and one batch size; a single region for others."""
        if not block.is_scalar or any(symbol in block.batch.size.free_symbols for symbol in plane.axes):
            return cls()
        size = block.batch.size.xreplace({symbol: sympy.Rational(value) for symbol, value in plane.base.items()})
        values = batch_mean_values(block.curvature[0, 0], block.randomness, replace(block.batch, size=size))
        if values is None or len(values) > MULTIPLIERS:
            return cls()
        return cls(tuple(block.step.carry + block.step.weight * value for value, _ in values))

    def on(self, grid: Grid) -> NDArray[np.int64]:
        """A number for each sign pattern."""
        if not self.multipliers:
            return np.zeros(grid.size, dtype=np.int64)
        signs = grid.table(self.multipliers) > 0
        return np.asarray((signs * 2 ** np.arange(len(signs), dtype=np.int64)[:, np.newaxis]).sum(axis=0))
