r"""Averages over one random step: the spectrum of rotation-invariant blocks, and the sum of the exponents of any block.

Where rotations of a block leave the law of its step unchanged, the partial sums of its exponents are averages over single steps,

$$ \Lambda_1 + \dots + \Lambda_j = \tfrac12 \mathbb{E}\log\det(E_j^T A^T A E_j) = \mathbb{E}\log|R_{11}\cdots R_{jj}|, \qquad A = QR, $$

with E_j the first j columns of the identity. Independent steps replace long products: no transient, no correlation, errors that
are those of independent numbers.

References: C. M. Newman, The distribution of Lyapunov exponents: exact results for random matrices (Communications in
Mathematical Physics 103, 1986).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np
import sympy
from sympy import Symbol

from numerics.stability.matrices import AffineStep
from numerics.stability.matrix.spectra import Spectrum
from numerics.stability.problem import Array, Estimate, Grid
from numerics.stability.runs import Runs
from theory import Block, ExponentKind
from theory.stability.batches import FRESH
from theory.stability.rotation_invariance import is_rotation_invariant, orthonormal_curvature

ROWS = 64
"""Independent streams of draws, whose means tell the error."""
STEPS = 2**18
"""Steps that are drawn, of blocks up to 4 x 4; of larger ones, as many as cost the same."""
CHUNK = 2**20
"""Numbers of one symbol that are held at a time."""
ROUNDING = 1e-13


def spectrum_of_one_step(block: Block, grid: Grid, count: int, runs: Runs) -> Spectrum | None:
    """The `count` largest exponents of a rotation-invariant block from independent steps; None outside that class."""
    if block.step.has_velocity or not is_rotation_invariant(block):
        return None

    def growth(matrices: Array) -> Array:
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(np.abs(np.diagonal(np.linalg.qr(matrices, mode="r"), axis1=-2, axis2=-1))))

    values, errors = _averages(block, grid, runs, growth, block.size)
    return Spectrum(values[:, :count], errors[:, :count], ExponentKind.MONTE_CARLO)


def moments_of_one_step(block: Block, grid: Grid, order: float, runs: Runs) -> Estimate | None:
    """The moment exponent of a rotation-invariant block, log E|A e|^order, from independent steps; None outside that class."""
    if block.step.has_velocity or order < 0 or not is_rotation_invariant(block):
        return None

    def power(matrices: Array) -> Array:
        return np.asarray(np.linalg.norm(matrices[..., 0], axis=-1) ** order)[..., None]

    values, errors = _averages(block, grid, runs, power, 1)
    return Estimate(np.log(values[:, 0]), errors[:, 0] / values[:, 0], ExponentKind.MONTE_CARLO)


def determinant_of_one_step(block: Block, grid: Grid, runs: Runs) -> Estimate | None:
    """E log|det A| over independent steps, the sum of all exponents; None for batches that are no independent draws."""
    if block.batch.mode not in FRESH:
        return None
    values, errors = _averages(block, grid, runs, lambda m: np.asarray(np.linalg.slogdet(m)[1])[..., None], 1)
    return Estimate(values[:, 0], errors[:, 0], ExponentKind.MONTE_CARLO)


def _averages(
    block: Block, grid: Grid, runs: Runs, function: Callable[[Array], Array], width: int
) -> tuple[Array, Array]:
    """Means and standard errors of a function of one step matrix, (..., order, order) -> (..., width), at every point."""
    values, errors = np.empty((grid.size, width)), np.empty((grid.size, width))
    step, sizes = AffineStep.of(block, grid), grid.of(block.batch.size)
    for point in range(grid.size):
        numbers = {symbol: float(column[point]) for symbol, column in grid.values.items()}
        sums, drawn = np.zeros((ROWS, width)), 0
        for curvatures in drawn_curvatures(block, numbers, int(sizes[point]), runs.seed):
            sums += function(step.matrices(point, curvatures)).sum(axis=1)
            drawn += curvatures.shape[1]
        means = sums / drawn
        values[point] = means.mean(axis=0)
        with np.errstate(invalid="ignore"):
            spread = means.std(axis=0, ddof=1) / np.sqrt(ROWS)
        errors[point] = np.where(np.isfinite(values[point]), spread + ROUNDING, 0.0)
    return values, errors


def drawn_curvatures(block: Block, values: Mapping[Symbol, float], batch_size: int, seed: int) -> Iterator[Array]:
    """Mean curvatures of independent batches in an orthonormal basis, in parts of shape (`ROWS`, steps, k, k)."""
    from numerics.stability.simulated.product_streams import (
        host_draws,  # which builds on the exponents, whose dispatch comes here
    )

    exact = {symbol: sympy.Float(value, 17) for symbol, value in values.items()}
    present = block.randomness.of(block.curvature)
    laws = [law.substitute({s: exact[s] for s in law.free_symbols}) for _, law in present.groups]
    entries = [entry.xreplace(exact) for entry in orthonormal_curvature(block)]
    function = sympy.lambdify(list(present.symbols), entries, ["scipy", "numpy"], cse=True)
    steps = max(4096, int(STEPS * min(1.0, 64 / block.order**3))) // ROWS
    length = max(1, min(steps, CHUNK // (ROWS * batch_size)))
    for part in range(-(-steps // length)):
        shape = (ROWS, length * batch_size)
        columns = [c for k, law in enumerate(laws) for c in host_draws(law, shape, seed, _FIRST + part * len(laws) + k)]
        table = [np.broadcast_to(np.asarray(entry, dtype=float), shape) for entry in function(*columns)]
        means = np.stack([entry.reshape(ROWS, length, batch_size).mean(axis=2) for entry in table], axis=-1)
        yield means.reshape(ROWS, length, block.size, block.size)


_FIRST = 2**21
"""Streams of draws below this are those of random starts and of products."""
