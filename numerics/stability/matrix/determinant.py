r"""The determinant rule: the sum of all exponents of a block is a scalar expectation.

$$ \Lambda_1 + \dots + \Lambda_n = \mathbb{E}\log|\det A|. $$

It checks every spectrum and sharpens simulated ones. Finitely many batches are enumerated; the determinant of a single sample's
step is an expression of its random symbols, a scalar multiplier like any other; of larger batches it is averaged over random
steps.
"""

from __future__ import annotations

import numpy as np
import sympy

from numerics.stability.matrices import AffineStep, batch_curvatures
from numerics.stability.matrix.one_step import determinant_of_one_step
from numerics.stability.problem import Array, Estimate, Grid, Problem
from numerics.stability.runs import Runs
from numerics.stability.scalar.exponent import ROADS
from numerics.stability.scalar.monte_carlo import by_monte_carlo
from theory import Block, ExponentKind
from theory.stability.batches import FRESH
from theory.stability.randomness import ENUMERATED, coefficients

BATCHES = 2**16
"""The largest number of batches that are enumerated."""
EXPANDED = 6
"""The largest order of a step whose determinant is expanded."""
EPSILON = float(np.finfo(float).eps)


def determinant_exponent(block: Block, grid: Grid, runs: Runs) -> Estimate | None:
    """The sum of all exponents of a block, by the determinant rule; None where it is no average over single steps that can be taken.

    Every block of a reshuffled epoch is a uniform subset, so that the rule holds for epochs too.

    >>> from theory import SGD, HeavyBall, Model, Normal, stability, symbols
    >>> from numerics.stability.exponents import grid_of
    >>> w, x = symbols("w x")
    >>> found = stability(Model((w*x)**2/2, [w], {x: Normal()}), SGD(0.1, momentum=HeavyBall(0.5)), point={w: 0})
    >>> total = determinant_exponent(found.blocks[0], grid_of(found, {})[0], Runs())
    >>> round(float(total.values[0]), 12), str(total.kind)  # log 0.5, whatever the curvature
    (-0.69314718056, 'closed form')
    """
    for road in (_enumerated, _of_one_sample):
        found = road(block, grid, runs)
        if found is not None:
            return found
    return determinant_of_one_step(block, grid, runs)


def _enumerated(block: Block, grid: Grid, runs: Runs) -> Estimate | None:
    """Finitely many batches."""
    if block.randomness.of(block.curvature).continuous:
        return None
    step, sizes = AffineStep.of(block, grid), grid.of(block.batch.size)
    values, errors = np.empty(grid.size), np.empty(grid.size)
    for point in range(grid.size):
        numbers = {symbol: float(column[point]) for symbol, column in grid.values.items()}
        outcomes = batch_curvatures(block, numbers, int(sizes[point]), BATCHES)
        if outcomes is None:
            return None
        matrices = step.matrices(point, outcomes.matrices)
        logs = np.linalg.slogdet(matrices)[1]
        largest = _log_bound(matrices)
        logs = np.where(
            logs < largest + np.log(8 * EPSILON), -np.inf, logs
        )  # a zero of exact arithmetic, missed by rounding
        present = outcomes.shares > 0
        values[point] = np.sum(outcomes.shares[present] * logs[present])
        lost = np.exp(np.minimum(largest - logs, 700))[present] * EPSILON
        errors[point] = 0.0 if np.isneginf(values[point]) else 8 * np.sum(outcomes.shares[present] * (lost + EPSILON))
    return Estimate(values, errors, ExponentKind.CLOSED_FORM)


def _log_bound(matrices: Array) -> Array:
    """Hadamard's bound of log|determinant|: the sum of the logarithms of the lengths of the rows."""
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(np.linalg.norm(matrices, axis=-1)).sum(axis=-1))


def _of_one_sample(block: Block, grid: Grid, runs: Runs) -> Estimate | None:
    """The determinant as an expression of one sample, or without randomness whatever the batch, as for the heavy ball."""
    if block.order > EXPANDED or block.batch.mode not in FRESH:
        return None
    fixed, moved = block.step.affine
    if block.batch.size != 1 and block.size > 1:
        return None
    identity = sympy.eye(block.size)
    matrix = sympy.kronecker_product(fixed, identity) + sympy.kronecker_product(moved, block.curvature)
    determinant = sympy.expand(matrix.det(method="berkowitz"))
    present = block.randomness.of(determinant)
    if present.outcome_count > ENUMERATED:
        return None
    constant = coefficients(determinant, present.symbols).get(sympy.S.One, sympy.S.Zero)
    problem = Problem(
        keep=constant,
        weight=sympy.S.One,
        curvature=sympy.expand(determinant - constant),
        randomness=present,
        batch=block.batch,
        grid=grid,
        seed=runs.seed,
    )
    found = (road(problem) for road in ROADS)
    return next((estimate for estimate in found if estimate is not None), None) or by_monte_carlo(problem)
