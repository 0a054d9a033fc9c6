r"""The random matrices of a block in numbers: curvatures of samples and of batches, and the step that they make.

With H the mean curvature of a batch, the step on (theta, velocity) is affine in it, $A = C\otimes 1 + D\otimes H$.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations, combinations_with_replacement, product
from math import comb, lgamma

import numpy as np
import sympy
from scipy.special import gammaln
from sympy import Expr, Symbol

from numerics.stability.problem import Array, Grid
from theory import Block, Sampling
from theory.algorithm import Bernoulli
from theory.stability.batches import SUBSET


@dataclass(frozen=True)
class AffineStep:
    """A = fixed (x) 1 + slope (x) H at every point of a grid: both of shape (point, m, m), m = 2 with a velocity and 1 without."""

    fixed: Array
    slope: Array

    @staticmethod
    def of(block: Block, grid: Grid) -> AffineStep:
        """The step of a block over a grid."""
        fixed, slope = (grid.table(list(matrix)).T.reshape(grid.size, *matrix.shape) for matrix in block.step.affine)
        return AffineStep(fixed, slope)

    def matrices(self, point: int, curvatures: Array) -> Array:
        """The step matrices at one point for mean curvatures (..., k, k): shape (..., m k, m k)."""
        size = curvatures.shape[-1]
        order = self.fixed.shape[-1] * size
        lifted = np.einsum("ab,...ij->...aibj", self.slope[point], curvatures)
        lifted = lifted + np.einsum("ab,ij->aibj", self.fixed[point], np.eye(size))
        return lifted.reshape(*curvatures.shape[:-2], order, order)


@dataclass(frozen=True)
class Outcomes:
    """Finitely many matrices (outcome, k, k) with their probabilities."""

    matrices: Array
    shares: Array


def column_lengths(block: Block, values: Mapping[Symbol, float]) -> Array:
    """The lengths of the columns of a block: its curvature K is symmetric in the basis of unit length, diag(l) K diag(1/l).

    Ones where all are equal.
    """
    columns = [block.vectors[:, j] for j in range(block.size)]
    squares = [(column.T * column)[0] for column in columns]
    if all(square == squares[0] for square in squares):
        return np.ones(block.size)
    # a symbol that the curvature does not hold cannot matter for the ratios of the lengths: any value will do
    images = {s: sympy.Float(values.get(s, 0.7), 30) for square in squares for s in square.free_symbols}
    return np.array([float(sympy.sqrt(square.xreplace(images)).evalf(17)) for square in squares])


def sample_curvatures(block: Block, values: Mapping[Symbol, float]) -> Outcomes | None:
    """One sample's curvature, in an orthonormal basis, at every outcome of its finite laws, in the order of the data set.

    None if some law is not finite.
    """
    present = block.randomness.of(block.curvature)
    if present.continuous:
        return None
    names = present.symbols
    columns, shares = _outcome_columns(block, values)
    function = sympy.lambdify(
        [*names, *(others := sorted(block.curvature.free_symbols - set(names), key=str))],
        list(block.curvature),
        ["scipy", "numpy"],
        cse=True,
    )
    entries = function(*columns, *(values[symbol] for symbol in others))
    table = np.stack([np.broadcast_to(np.asarray(entry, dtype=float), shares.shape) for entry in entries], axis=-1)
    lengths = column_lengths(block, values)
    return Outcomes(table.reshape(-1, *block.curvature.shape) * lengths[:, None] / lengths, shares)


def batch_curvatures(block: Block, values: Mapping[Symbol, float], batch_size: int, limit: int) -> Outcomes | None:
    """The mean curvature of every batch, with the probabilities of the batches; None if they are more than `limit`.

    Batches of a cyclic order or of one epoch are listed as single batches, each with its frequency; that they are dependent is for the
    caller.
    """
    single = sample_curvatures(block, values)
    if single is None:
        return None
    count, mode = len(single.matrices), block.batch.mode
    if isinstance(mode, Bernoulli):
        if 2**count > limit:
            return None
        return _bernoulli(single, float(mode.fraction.xreplace({s: sympy.Float(v) for s, v in values.items()})))
    if mode in SUBSET:
        if comb(count, batch_size) > limit:
            return None
        chosen = np.array(list(combinations(range(count), batch_size)))
        return Outcomes(_means(single.matrices, chosen), np.full(len(chosen), 1 / len(chosen)))
    if mode == Sampling.CYCLIC:
        chosen = np.arange(count).reshape(-1, batch_size)
        return Outcomes(_means(single.matrices, chosen), np.full(len(chosen), 1 / len(chosen)))
    if mode == Sampling.FULL_BATCH:
        return Outcomes(np.einsum("n,nij->ij", single.shares, single.matrices)[None], np.ones(1))
    if comb(count + batch_size - 1, batch_size) > limit:
        return None
    chosen = np.array(list(combinations_with_replacement(range(count), batch_size)))
    counts = np.stack([(chosen == index).sum(axis=1) for index in range(count)], axis=1)
    with np.errstate(divide="ignore"):
        logs = np.where(counts > 0, counts * np.log(single.shares), 0.0).sum(axis=1)
    ways = lgamma(batch_size + 1) - gammaln(counts + 1).sum(axis=1)
    return Outcomes(_means(single.matrices, chosen), np.exp(ways + logs))


def _means(matrices: Array, chosen: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> Array:
    return np.asarray(matrices[chosen].mean(axis=1))


def _bernoulli(single: Outcomes, fraction: float) -> Outcomes:
    """Every subset of the data, its sum over fraction * N."""
    count = len(single.matrices)
    members = np.array(list(product((0.0, 1.0), repeat=count)))
    sizes = members.sum(axis=1)
    means = np.einsum("bn,nij->bij", members, single.matrices) / (fraction * count)
    return Outcomes(means, fraction**sizes * (1 - fraction) ** (count - sizes))


def _outcome_columns(block: Block, values: Mapping[Symbol, float]) -> tuple[list[Array], Array]:
    """Every joint outcome of the random symbols as columns of numbers, and their probabilities."""
    present = block.randomness.of(block.curvature)
    if not present.groups:
        return [], np.ones(1)
    if len(present.groups) == 1 and hasattr(present.groups[0][1], "arrays"):
        law = present.groups[0][1]
        return [np.asarray(array, dtype=float) for array in law.arrays], np.full(law.count, 1 / law.count)
    rows = list(present.outcomes())
    numbers = {symbol: sympy.Float(value) for symbol, value in values.items()}
    columns = [np.array([_number(row[s], numbers) for row, _ in rows]) for s in present.symbols]
    return columns, np.array([_number(share, numbers) for _, share in rows])


def _number(expression: Expr, values: Mapping[Symbol, Expr]) -> float:
    return float(sympy.sympify(expression).xreplace(dict(values)))
