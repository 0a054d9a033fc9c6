r"""Moment exponents of even order as spectral radii: $L(p)=\log\rho(\mathbb{E}\,\mathrm{Sym}^pA)$.

The average keeps the cone of sums of p-th powers of linear forms, so that its spectral radius is the growth rate of
$\mathbb E|A\cdots A|^p$.
"""

from __future__ import annotations

from dataclasses import replace
from math import comb

import numpy as np
import scipy.linalg
import sympy
from sympy import Symbol

from numerics.stability.matrices import AffineStep, sample_curvatures
from numerics.stability.matrix.curvature_moments import (
    SampleMoments,
    batch_moments,
    batch_weights,
    step_moment,
    values_at,
)
from numerics.stability.matrix.epoch_moments import WORK, batches, epoch_average, epoch_work
from numerics.stability.matrix.second_moments import SecondMoments, second_moment_radius
from numerics.stability.matrix.tensor_powers import lifted, lifted_powers
from numerics.stability.problem import Array, Estimate, Grid
from numerics.stability.runs import Runs
from numerics.values import whole_number
from theory import Block, ExponentKind, Sampling
from theory.errors import MomentDiverges, MomentDoesNotExist, UnsupportedExpectation

EPSILON = float(np.finfo(float).eps)
DENSE = 60
"""The dimension of Sym^p up to which its matrix is formed; above, second moments are iterated without one."""
LARGEST = 250
"""The dimension beyond which no matrix is formed for p > 2 either."""


def even_moment_exponent(block: Block, grid: Grid, order: float, runs: Runs | None = None) -> Estimate | None:
    r"""Return L(p) per step of a block for even p >= 2, or None where this road is closed.

    Independent batches: $\log\rho(\mathbb{E}\,\mathrm{Sym}^pA)$ from the moments of one sample, whatever the batch size; +inf where a
    moment does not exist. Reshuffled batches: the exact mean over an epoch, for up to 16 samples. A cyclic order: the spectral radius of
    the product of an epoch. `runs` is not used: nothing is simulated.

    The error is what rounding leaves, times the condition of the eigenvalue. Closed for other orders, for p > 2 in large dimensions
    (`LARGEST`), and for longer reshuffled epochs.

    >>> from theory import SGD, Discrete, Model, stability, symbols
    >>> from numerics.stability.exponents import grid_of
    >>> u, w, x, y = symbols("u w x y")
    >>> data = Discrete({(1.0, 0.5): 0.25, (-0.3, 1.2): 0.25, (0.8, -0.9): 0.25, (0.2, 0.4): 0.25})
    >>> found = stability(Model((u*x + w*y)**2/2, [u, w], {(x, y): data}), SGD(1.4), point={u: 0, w: 0})
    >>> estimate = even_moment_exponent(found.blocks[0], grid_of(found, {})[0], 2)
    >>> round(float(estimate.values[0]), 8)
    -0.02368311
    """
    if order != round(order) or order < 2 or order % 2:
        return None
    power = round(order)
    if _has_open_tails(block):
        return _point_by_point(block, grid, power, runs)
    present = block.randomness.of(block.curvature)
    if not present.groups or block.batch.mode == Sampling.CYCLIC:
        return _of_one_product(block, grid, power)
    if block.batch.mode == Sampling.RESHUFFLED:
        return _reshuffled(block, grid, power)
    return _independent(block, grid, power)


def _has_open_tails(block: Block) -> bool:
    """Whether the existence of a moment depends on a symbol in a law."""
    return any(
        law.sup_moment.free_symbols
        for _, law in block.randomness.of(block.curvature).continuous
        if hasattr(law, "sup_moment")
    )


def _point_by_point(block: Block, grid: Grid, power: int, runs: Runs | None) -> Estimate | None:
    names: set[Symbol] = set().union(*(law.free_symbols for _, law in block.randomness.groups))
    found = []
    for point in range(grid.size):
        values = {symbol: sympy.Rational(float(grid.values[symbol][point])) for symbol in names}
        settled = replace(block, randomness=block.randomness.substitute(values))
        alone = Grid({symbol: column[point : point + 1] for symbol, column in grid.values.items()}, 1)
        estimate = even_moment_exponent(settled, alone, power, runs)
        if estimate is None:
            return None
        found.append(estimate)
    return Estimate(
        np.concatenate([e.values for e in found]), np.concatenate([e.errors for e in found]), ExponentKind.OPERATOR
    )


# ---------------------------------------------------------------------------------------------- independent batches


def _independent(block: Block, grid: Grid, power: int) -> Estimate | None:
    width = dimension_of_power(block.order, power)
    if width > LARGEST and power > 2:
        return None
    try:
        moments = SampleMoments.of(block, grid, power)
    except (MomentDiverges, UnsupportedExpectation):  # no average to take: for other roads
        return None
    except MomentDoesNotExist:
        return Estimate(np.full(grid.size, np.inf), np.zeros(grid.size), ExponentKind.OPERATOR)
    step = AffineStep.of(block, grid)
    values, errors = np.empty(grid.size), np.empty(grid.size)
    known: tuple[list[Array], list[Array]] | None = None
    for point in range(grid.size):
        if power == 2 and width > DENSE:
            radius, error, _ = second_moment_radius(SecondMoments.of(block, grid, point, moments))
        else:
            if known is None or not moments.is_constant:
                known = moments.at(point), moments.magnitudes(point)
            weights = batch_weights(block, values_at(grid, point), power)
            table = _lifted_step(step, point, known[0], weights, block.size, power)
            bound = _magnitude(step, point, known[1], weights, block.size, power)
            relative = EPSILON * (8 * power + moments.terms) + power * moments.doubt
            rounding = relative * float(np.linalg.norm(bound))
            radius, error = spectral_radius(table, rounding, symmetric=not block.step.has_velocity)
        values[point], errors[point] = _logarithm(radius, error)
    return Estimate(values, errors, ExponentKind.OPERATOR)


def dimension_of_power(size: int, power: int) -> int:
    """The dimension of Sym^p, binom(d + p - 1, p)."""
    return comb(size + power - 1, power)


def _lifted_step(
    step: AffineStep,
    point: int,
    moments: list[Array],
    weights: list[dict[tuple[int, ...], float]],
    size: int,
    power: int,
) -> Array:
    means = batch_moments(moments, weights, size)
    return lifted(step_moment(step, point, means, size, power), size * step.fixed.shape[-1], power)


def _magnitude(
    step: AffineStep,
    point: int,
    moments: list[Array],
    weights: list[dict[tuple[int, ...], float]],
    size: int,
    power: int,
) -> Array:
    """The same with every number replaced by its absolute value: what rounding errors are relative to."""
    absolute = AffineStep(np.abs(step.fixed), np.abs(step.slope))
    return _lifted_step(
        absolute, point, moments, [{k: abs(w) for k, w in table.items()} for table in weights], size, power
    )


# ------------------------------------------------------------------------------------------------- dependent batches


def _of_one_product(block: Block, grid: Grid, power: int) -> Estimate:
    """No randomness, or a fixed order: p times the logarithm of the spectral radius of the product of an epoch, per step."""
    step, sizes = AffineStep.of(block, grid), grid.of(block.batch.size)
    values, errors = np.empty(grid.size), np.empty(grid.size)
    for point in range(grid.size):
        samples = sample_curvatures(block, values_at(grid, point))
        assert samples is not None  # noqa: S101 - there is no law, or that of a data set
        random = bool(block.randomness.of(block.curvature).groups)
        size = whole_number(float(sizes[point]), f"batch_size = {block.batch.size}") if random else 1
        means = samples.matrices.reshape(-1, size, block.size, block.size).mean(axis=1)
        product, logarithm, lost = np.eye(block.order), 0.0, 0.0
        for matrix in step.matrices(point, means):
            growth = float(np.linalg.norm(matrix)) * float(np.linalg.norm(product))
            product = matrix @ product
            scale = float(np.linalg.norm(product))
            if scale == 0:
                break
            lost += EPSILON * (block.order + 4) * growth / scale
            product, logarithm = product / scale, logarithm + np.log(scale)
        radius, error = spectral_radius(product, lost)
        value, error = _logarithm(radius, error)
        values[point], errors[point] = power * (value + logarithm) / len(means), power * error / len(means)
    return Estimate(values, errors, ExponentKind.OPERATOR)


def _reshuffled(block: Block, grid: Grid, power: int) -> Estimate | None:
    count, sizes = block.batch.data_count or 1, grid.of(block.batch.size)
    width = dimension_of_power(block.order, power)
    step = AffineStep.of(block, grid)
    work = sum(epoch_work(count, whole_number(float(size), "batch_size"), width) for size in sizes)
    if work > WORK:
        return None
    values, errors = np.empty(grid.size), np.empty(grid.size)
    for point in range(grid.size):
        samples = sample_curvatures(block, values_at(grid, point))
        assert samples is not None  # noqa: S101 - reshuffled batches have an Empirical data set
        size = int(sizes[point])
        means = samples.matrices[batches(count, size)].mean(axis=1)
        maps = lifted_powers(step.matrices(point, means), power)
        scale = float(np.linalg.norm(maps, axis=(1, 2)).max()) or 1.0
        steps = count // size
        table = epoch_average(maps / scale, count, size, np.matmul)
        bound = float(np.linalg.norm(epoch_average(np.abs(maps) / scale, count, size, np.matmul)))
        rounding = EPSILON * steps * (width + 8 * power + count) * bound
        radius, error = spectral_radius(table, rounding)
        value, error = _logarithm(radius, error)
        values[point], errors[point] = value / steps + np.log(scale), error / steps
    return Estimate(values, errors, ExponentKind.OPERATOR)


# ---------------------------------------------------------------------------------------------------- spectral radii


def spectral_radius(table: Array, rounding: float, *, symmetric: bool = False) -> tuple[float, float]:
    """Return the spectral radius of a matrix known up to an error of norm `rounding`, and an upper estimate of its error.

    A simple eigenvalue moves by its condition times the error; never by more than Elsner's bound, which also holds where it is multiple.
    """
    size = len(table)
    norm = float(np.linalg.norm(table))
    noise = rounding + EPSILON * size * norm
    if symmetric:
        return float(np.abs(np.linalg.eigvalsh((table + table.T) / 2)).max()), noise
    values, left, right = scipy.linalg.eig(table, left=True, right=True)
    place = int(np.argmax(np.abs(values)))
    ceiling = (2 * norm + noise) ** (1 - 1 / size) * noise ** (1 / size)
    overlap = abs(np.vdot(left[:, place], right[:, place]))
    first_order = 2 * noise / overlap if overlap > np.sqrt(noise / norm if norm else 0.0) else np.inf
    return float(np.abs(values[place])), float(min(first_order, ceiling))


def _logarithm(radius: float, error: float) -> tuple[float, float]:
    if radius <= 0:
        return -np.inf, 0.0 if error == 0 else np.inf
    return float(np.log(radius)), float(-np.log1p(-error / radius)) if error < radius else np.inf
