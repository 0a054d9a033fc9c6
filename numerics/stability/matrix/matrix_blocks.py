"""Exponents of matrix blocks: each answer by the first road that is open to it, from exact to simulated.

In this order: steps that are not random, or come in a fixed order; Cauchy curvature with momentum; rotation-invariant laws (by
quadrature, then by independent steps); even moments as spectral radii; the transfer operator of 2 x 2 steps from a finite list, and random
walks that it makes precise; simulated products at last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np
import sympy
from numpy.typing import NDArray

from numerics.stability.matrix.cauchy_momentum import spectrum_by_cauchy
from numerics.stability.matrix.determinant import determinant_exponent
from numerics.stability.matrix.existence import highest_moment
from numerics.stability.matrix.fixed_products import spectrum_of_fixed_order
from numerics.stability.matrix.one_step import moments_of_one_step, spectrum_of_one_step
from numerics.stability.matrix.rotation_invariant import (
    moments_by_rotation,
    moments_of_batch,
    spectrum_by_rotation,
    top_of_batch,
)
from numerics.stability.matrix.spectra import Spectrum
from numerics.stability.matrix.transfer import by_transfer_operator
from numerics.stability.matrix.walks import by_walks
from numerics.stability.problem import Array, Estimate, Grid
from numerics.stability.runs import Runs
from numerics.values import whole_number
from theory import Block, ExponentKind
from theory.algorithm import Bernoulli
from theory.errors import UnsupportedExpectation

SpectrumRoad = Callable[[Block, Grid, Runs, int], Spectrum | None]
MomentRoad = Callable[[Block, Grid, float, Runs], Estimate | None]
ROUNDING = 1e-13
"""What rounding leaves of a simulated exponent in any case."""


def matrix_exponent(block: Block, grid: Grid, runs: Runs) -> Estimate:
    """Return the top Lyapunov exponent of a matrix block at every point of a grid.

    Raises `ValuesError` for a batch size that is no positive whole number.

    >>> from theory import SGD, Model, Normal, stability, symbols
    >>> from numerics.stability.exponents import grid_of
    >>> u, w, x, y = symbols("u w x y")
    >>> model = Model((u*x + w*y)**2/2, [u, w], {x: Normal(), y: Normal()})
    >>> found = stability(model, SGD(symbols("eta")), point={u: 0, w: 0})
    >>> top = matrix_exponent(found.blocks[0], grid_of(found, {"eta": 0.7})[0], Runs())
    >>> round(float(top.values[0]), 12), str(top.kind)
    (-0.111763062616, 'quadrature')
    """
    return _over_batch_sizes(block, grid, lambda part, points: _spectrum(part, points, runs, 1)).top


def matrix_spectrum(block: Block, grid: Grid, runs: Runs, count: int) -> Spectrum:
    """Return the `count` largest Lyapunov exponents of a matrix block at every point of a grid."""
    return _over_batch_sizes(block, grid, lambda part, points: _spectrum(part, points, runs, count))


def matrix_moment_exponent(block: Block, grid: Grid, order: float, runs: Runs) -> Estimate:
    """Return the moment exponent L(order) of a matrix block at every point of a grid; for order 0 its value, 0.

    Plus infinity where the moment does not exist. Raises `UnsupportedExpectation` where that is not known.
    """
    if order == 0:
        return Estimate(np.zeros(grid.size), np.zeros(grid.size), ExponentKind.CLOSED_FORM)

    return _over_batch_sizes(block, grid, lambda part, points: _existing_moment(part, points, order, runs)).top


def _existing_moment(block: Block, grid: Grid, order: float, runs: Runs) -> Spectrum:
    """L(order) by the first road that is open, at the points where the moment is finite."""
    limit = highest_moment(block, grid) if order > 0 else np.full(grid.size, np.inf)
    if limit is None:
        raise UnsupportedExpectation(
            f"whether moments of order {order:g} of the block {block.name} are finite is not known: its curvature is no polynomial in "
            f"heavy-tailed numbers, or their laws do not tell; give a density with tails that are known"
        )
    finite = order < limit
    values, errors, kind = np.full(grid.size, np.inf), np.zeros(grid.size), ExponentKind.CLOSED_FORM
    if finite.any():
        points = grid if finite.all() else grid.subset(finite)
        found = (road(block, points, order, runs) for road in MOMENTS)
        chosen = next((estimate for estimate in found if estimate is not None), None)
        chosen = chosen or _resampled(block, points, order, runs)
        values[finite], errors[finite], kind = chosen.values, chosen.errors, chosen.kind
    return Spectrum(values[:, None], errors[:, None], kind)


def _spectrum(block: Block, grid: Grid, runs: Runs, count: int) -> Spectrum:
    found = (road(block, grid, runs, count) for road in ROADS)
    chosen = next((spectrum for spectrum in found if spectrum is not None), None)
    return chosen or _simulated(block, grid, runs, count)


def _over_batch_sizes(block: Block, grid: Grid, solve: Callable[[Block, Grid], Spectrum]) -> Spectrum:
    """The answers for each batch size on the grid, which becomes a number of the block; of Bernoulli batches it is a mean and stays."""
    if isinstance(block.batch.mode, Bernoulli):
        return solve(block, grid)
    sizes = grid.of(block.batch.size)
    parts: list[tuple[NDArray[np.bool_], Spectrum]] = []
    for size in np.unique(sizes):
        number = sympy.Integer(whole_number(float(size), f"batch_size = {block.batch.size}"))
        rows = sizes == size
        parts.append((rows, solve(replace(block, batch=replace(block.batch, size=number)), grid.subset(rows))))
    width = parts[0][1].values.shape[1]
    values, errors = np.empty((grid.size, width)), np.empty((grid.size, width))
    for rows, part in parts:
        values[rows], errors[rows] = part.values, part.errors
    sums = parts[0][1].simulated_sum if len(parts) == 1 else None
    return Spectrum(values, errors, worst_of(part.kind for _, part in parts), sums)


def worst_of(kinds: Iterable[ExponentKind]) -> ExponentKind:
    """The least certain of several kinds."""
    return max(kinds, key=list(ExponentKind).index)


# --------------------------------------------------------------------------------------------------------------- roads


def _fixed_order(block: Block, grid: Grid, runs: Runs, count: int) -> Spectrum | None:
    return spectrum_of_fixed_order(block, grid, count)


def _cauchy(block: Block, grid: Grid, runs: Runs, count: int) -> Spectrum | None:
    return spectrum_by_cauchy(block, grid, count)


def _rotation(block: Block, grid: Grid, runs: Runs, count: int) -> Spectrum | None:
    found = spectrum_by_rotation(block, grid, count)
    return top_of_batch(block, grid) if found is None and count == 1 else found


def _one_step(block: Block, grid: Grid, runs: Runs, count: int) -> Spectrum | None:
    return spectrum_of_one_step(block, grid, count, runs)


def _plane(block: Block, grid: Grid, runs: Runs, count: int) -> Spectrum | None:
    """Two-dimensional states: the top exponent on directions, the other by the determinant rule."""
    if block.order != 2:
        return None
    top = by_transfer_operator(block, grid, 0.0, runs) or by_walks(block, grid, runs)
    if top is None or count == 1:
        return None if top is None else Spectrum(top.values[:, None], top.errors[:, None], top.kind)
    total = determinant_exponent(block, grid, runs)
    if total is None:
        return None
    with np.errstate(invalid="ignore"):
        second = np.where(np.isneginf(total.values), -np.inf, total.values - top.values)
    errors = np.stack([top.errors, np.where(np.isneginf(second), 0.0, top.errors + total.errors)], axis=1)
    return Spectrum(np.stack([top.values, second], axis=1), errors, worst_of((top.kind, total.kind)))


ROADS: tuple[SpectrumRoad, ...] = (_fixed_order, _cauchy, _rotation, _one_step, _plane)
"""In this order; each returns None where it is closed. The last resort, simulated products, is open to all."""


def _moment_of_fixed_order(block: Block, grid: Grid, order: float, runs: Runs) -> Estimate | None:
    """Without randomness the norm grows as one number: L(p) = p Lambda."""
    found = spectrum_of_fixed_order(block, grid, 1)
    if found is None:
        return None
    return Estimate(order * found.values[:, 0], abs(order) * found.errors[:, 0], found.kind)


def _moment_by_rotation(block: Block, grid: Grid, order: float, runs: Runs) -> Estimate | None:
    return moments_by_rotation(block, grid, order) or moments_of_batch(block, grid, order)


def _even_moment(block: Block, grid: Grid, order: float, runs: Runs) -> Estimate | None:
    from numerics.stability.matrix.symmetric_power import even_moment_exponent

    return even_moment_exponent(block, grid, int(order), runs) if order > 0 and order % 2 == 0 else None


MOMENTS: tuple[MomentRoad, ...] = (
    _moment_of_fixed_order,
    _moment_by_rotation,
    _even_moment,
    by_transfer_operator,
    moments_of_one_step,
)
"""The roads to moment exponents, in this order; population resampling comes last."""


# ---------------------------------------------------------------------------------------------------------- simulation


def _simulated(block: Block, grid: Grid, runs: Runs, count: int) -> Spectrum:
    """Exponents from simulated products, whose sum is made that of the determinant rule where all are asked for."""
    from numerics.stability.simulated.products import (  # which build on the exponents
        product_exponents,
        product_spectrum,
    )

    if count < block.order:
        values, errors = product_exponents(block, grid, runs, count)
        return Spectrum(values, errors + ROUNDING, ExponentKind.MONTE_CARLO)
    total = determinant_exponent(block, grid, runs)
    values, errors = np.empty((grid.size, count)), np.empty((grid.size, count))
    sums = Estimate(np.empty(grid.size), np.empty(grid.size), ExponentKind.MONTE_CARLO)
    for point in range(grid.size):
        numbers = {symbol: float(column[point]) for symbol, column in grid.values.items()}
        found = product_spectrum(block, numbers, runs, count)
        by_replica = found["by_replica"].values
        exact = None if total is None or total.kind == ExponentKind.MONTE_CARLO else float(total.values[point])
        values[point], errors[point] = controlled(by_replica, exact)
        sums.values[point], sums.errors[point] = float(found["total"]), float(found["total_error"]) + ROUNDING
        gone = np.isneginf(found["spectrum"].values)
        values[point, gone], errors[point, gone] = -np.inf, 0.0
    return Spectrum(values, errors + ROUNDING, ExponentKind.MONTE_CARLO, sums)


def controlled(by_replica: Array, total: float | None) -> tuple[Array, Array]:
    r"""Means and standard errors of exponents (replica, exponent), with their known sum as control variate where it is given.

    Each exponent is moved by its regression on the sum: mean - b_i (mean of the sum - total) with b_i = Cov(Lambda_i, sum) / Var(sum).
    """
    kept = by_replica[np.isfinite(by_replica).all(axis=1)]
    if len(kept) < 2:
        return np.nanmean(by_replica, axis=0), np.full(by_replica.shape[1], np.nan)
    values, sums = kept.mean(axis=0), kept.sum(axis=1)
    spread = sums.var(ddof=1)
    if total is None or not np.isfinite(total) or len(kept) < FEW or spread <= 1e-24 * (1 + sums.mean() ** 2):
        return values, kept.std(axis=0, ddof=1) / np.sqrt(len(kept))
    slopes = (kept - values).T @ (sums - sums.mean()) / (len(kept) - 1) / spread
    left = kept - np.outer(sums - sums.mean(), slopes)
    errors = left.std(axis=0, ddof=2) / np.sqrt(len(kept))
    return values - slopes * (sums.mean() - total), errors


FEW = 8
"""Replicas below which a regression would not pay."""


def _resampled(block: Block, grid: Grid, order: float, runs: Runs) -> Estimate:
    from numerics.stability.simulated.resampling import resampled_moment_exponent  # which builds on the exponents

    return resampled_moment_exponent(block, grid, order, runs)
