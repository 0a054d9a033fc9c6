r"""Blocks whose steps are not random, or come in a fixed order: one product of matrices, and the logarithms of its eigenvalues.

Sums of exponents are those of compound matrices, whose entries are the minors of j rows and columns,

$$ \Lambda_1 + \dots + \Lambda_j = \frac1n \log\rho\big(C_j(A_n)\cdots C_j(A_1)\big) , $$

so that small eigenvalues are not lost next to large ones in a long product.
"""

from __future__ import annotations

from itertools import combinations
from math import comb

import numpy as np

from numerics.stability.matrices import AffineStep, batch_curvatures
from numerics.stability.matrix.spectra import Spectrum
from numerics.stability.problem import Array, Grid
from theory import Block, ExponentKind, Sampling

EPSILON = float(np.finfo(float).eps)
COMPOUND = 1000
"""The largest size of a compound matrix that is formed."""


def spectrum_of_fixed_order(block: Block, grid: Grid, count: int) -> Spectrum | None:
    """The exponents of one product of steps, per step; None for random batches."""
    random = bool(block.randomness.of(block.curvature).groups)
    if random and block.batch.mode not in (Sampling.CYCLIC, Sampling.FULL_BATCH):
        return None
    if max(comb(block.order, j) for j in range(1, count + 1) if j < block.order or j == 1) > COMPOUND:
        return None
    step = AffineStep.of(block, grid)
    sums, errors = np.zeros((grid.size, count + 1)), np.zeros((grid.size, count + 1))
    for point in range(grid.size):
        numbers = {symbol: float(column[point]) for symbol, column in grid.values.items()}
        size = int(grid.of(block.batch.size)[point]) if random else 1
        outcomes = batch_curvatures(block, numbers, size, 2**62)
        if outcomes is None:
            return None
        matrices = step.matrices(point, outcomes.matrices)
        for j in range(1, count + 1):
            sums[point, j], errors[point, j] = _log_radius(_compounds(matrices, j))
    with np.errstate(invalid="ignore"):
        gone = np.logical_or.accumulate(np.isneginf(sums[:, 1:]), axis=1)
        values = np.where(gone, -np.inf, np.diff(sums, axis=1))
    return Spectrum(values, np.where(gone, 0.0, errors[:, 1:] + errors[:, :-1]), ExponentKind.CLOSED_FORM)


def _compounds(matrices: Array, j: int) -> Array:
    """The minors of j rows and j columns of each matrix."""
    if j == 1:
        return matrices
    chosen = np.array(list(combinations(range(matrices.shape[-1]), j)))
    parts = np.stack([matrix[chosen[:, None, :, None], chosen[None, :, None, :]] for matrix in matrices])
    minors = np.linalg.det(parts)
    bound = np.linalg.norm(parts, axis=-1).prod(axis=-1)  # Hadamard's
    return np.where(np.abs(minors) <= 8 * EPSILON * bound, 0.0, minors)


def _log_radius(matrices: Array) -> tuple[float, float]:
    """log of the spectral radius of the product of matrices, the first applied first, per matrix, and its error."""
    product, scale = np.eye(matrices.shape[-1]), 0.0
    for matrix in matrices:
        terms = float((np.abs(matrix) @ np.abs(product)).max())
        product = matrix @ product
        largest = float(np.abs(product).max())
        if largest <= 8 * EPSILON * terms:  # nothing is left but the rounding of the terms
            return -np.inf, 0.0
        product, scale = product / largest, scale + np.log(largest)
    radius, doubt = _spectral_radius(product)
    count = len(matrices)
    if radius <= EPSILON:
        return -np.inf, 0.0
    return (np.log(radius) + scale) / count, doubt / radius + 8 * EPSILON * (1 + abs(scale) / count)


def _spectral_radius(product: Array) -> tuple[float, float]:
    """The spectral radius and how far a rounding of each factor may have moved it.

    An eigenvalue moves by its condition number times the rounding, one of a cluster by no more than a root of it.
    """
    eigenvalues, right = np.linalg.eig(product)
    leading = int(np.argmax(np.abs(eigenvalues)))
    rounding = 8 * EPSILON * float(np.linalg.norm(product))
    with np.errstate(all="ignore"):
        try:
            condition = float(np.linalg.norm(np.linalg.inv(right)[leading]) * np.linalg.norm(right[:, leading]))
        except np.linalg.LinAlgError:
            condition = np.inf
    moved = min(condition * rounding, rounding ** (1 / len(eigenvalues)))
    return float(np.abs(eigenvalues[leading])), moved
