r"""Moments of the step of a block in numbers: the forms $\mathbb{E}(u^THx)^j$ of one sample, of a batch, and of the step they make."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import sympy
from sympy import ImmutableDenseMatrix, Symbol

from numerics.averages import matrix_values
from numerics.generate import function_of_arrays
from numerics.quadrature import has_quadrature, rules
from numerics.stability.matrices import AffineStep, column_lengths, sample_curvatures
from numerics.stability.matrix.tensor_powers import listed, mean_powers, multiply, powers, substituted
from numerics.stability.problem import Array, Grid
from theory import Block
from theory.partitions import moment_weights
from theory.stability.symmetric_power import Pairing, sample_powers

LISTED = 4096
"""Joint outcomes of several finite laws up to which samples are listed; beyond, their moments are multiplied out."""


@dataclass(frozen=True)
class SampleMoments:
    """The forms E (u^T H x)^j of one sample's curvature in an orthonormal basis, j = 0 ... order, at points of a grid.

    Of a finite law by enumeration.

    `doubt`: the relative error of averages that are quadratures, by two refinements of the rule; 0 where there are none.
    """

    block: Block
    grid: Grid
    order: int
    symbolic: tuple[Array, ...] | None
    doubt: float = 0.0

    @staticmethod
    def of(block: Block, grid: Grid, order: int) -> SampleMoments:
        """The moments of a block over a grid. Raises `MomentDoesNotExist` where one is infinite."""
        present = block.randomness.of(block.curvature)
        if not present.continuous and (len(present.groups) <= 1 or present.outcome_count <= LISTED):
            return SampleMoments(block, grid, order, None)
        found = sample_powers(block.curvature, block.randomness, order)
        points = [{symbol: float(v[k]) for symbol, v in grid.values.items()} for k in range(grid.size)]
        matrices = [_as_matrix(form, block.size, j) for j, form in enumerate(found, start=1)]
        scales = np.array([column_lengths(block, point) for point in points])
        tables = tuple(
            _rescaled(matrix_values(matrix, points), scales, j) for j, matrix in enumerate(matrices, start=1)
        )
        coarse = (_rescaled(_coarse(matrix, points), scales, j) for j, matrix in enumerate(matrices, start=1))
        doubt = max(
            float(np.abs(fine - other).max() / (np.abs(fine).max() or 1.0))
            for fine, other in zip(tables, coarse, strict=True)
        )
        return SampleMoments(block, grid, order, tables, doubt)

    def at(self, point: int) -> list[Array]:
        """The forms at one point."""
        if self.symbolic is not None:
            return [np.ones((1, 1)), *(table[point] for table in self.symbolic)]
        return self._enumerated(point)

    def magnitudes(self, point: int) -> list[Array]:
        """The same with every sample's entries replaced by their absolute values: what rounding errors are relative to."""
        if self.symbolic is not None:
            return [np.abs(table) for table in self.at(point)]
        return self._enumerated(point, absolute=True)

    @property
    def terms(self) -> int:
        """The numbers that are added in a mean."""
        return 1 if self.symbolic is not None else self.block.randomness.of(self.block.curvature).outcome_count

    def _enumerated(self, point: int, *, absolute: bool = False) -> list[Array]:
        samples = sample_curvatures(self.block, values_at(self.grid, point))
        assert samples is not None  # noqa: S101 - `of` has seen that every law is finite
        return mean_powers(np.abs(samples.matrices) if absolute else samples.matrices, samples.shares, self.order)

    @property
    def is_constant(self) -> bool:
        """Whether the curvature holds no symbol that varies over the grid."""
        present = self.block.randomness.of(self.block.curvature)
        names = self.block.curvature.free_symbols.union(*(law.free_symbols for _, law in present.groups))
        return all(np.ptp(self.grid.values[s]) == 0 for s in names if s in self.grid.values)


def _rescaled(forms: Array, lengths: Array, degree: int) -> Array:
    """Forms (point, alpha, beta) in coordinates along columns of these lengths (point, k), in an orthonormal basis."""
    powers = np.array(listed(lengths.shape[1], degree))
    scale = np.prod(lengths[:, None, :] ** powers, axis=-1)
    return np.asarray(forms * scale[:, :, None] / scale[:, None, :])


def _coarse(matrix: ImmutableDenseMatrix, points: list[dict[Symbol, float]]) -> Array:
    """Averages over the nodes of a coarser rule, to compare with; closed ones as they are."""
    if not has_quadrature(list(matrix)):
        return matrix_values(matrix, points)
    names = tuple(sorted({symbol for symbol in points[0] if matrix.has(symbol)}, key=str))
    side = function_of_arrays(list(matrix), (), names, "a matrix of averages")
    nodes = rules(set(side.dimensions), refinement=1)
    found = np.empty((len(points), len(matrix)))
    for row, values in zip(found, points, strict=True):
        side.kernel(np.zeros(0), np.array([values[name] for name in names], dtype=float), row, *nodes)
    return found.reshape(-1, *matrix.shape)


def values_at(grid: Grid, point: int) -> dict[Symbol, float]:
    """The values of the symbols at one point of a grid."""
    return {symbol: float(values[point]) for symbol, values in grid.values.items()}


def batch_weights(block: Block, values: Mapping[Symbol, float], order: int) -> list[dict[tuple[int, ...], float]]:
    """The weights of `theory.partitions.moment_weights` in numbers, for k = 0 ... order."""
    numbers = {symbol: sympy.Rational(value) for symbol, value in values.items()}
    size = sympy.sympify(block.batch.size).xreplace(numbers)
    mode = block.batch.mode
    if hasattr(mode, "fraction"):
        mode = type(mode)(mode.fraction.xreplace(numbers))
    return [
        {parts: float(weight) for parts, weight in moment_weights(mode, size, block.batch.data_count, k).items()}
        for k in range(order + 1)
    ]


def batch_moments(moments: list[Array], weights: list[dict[tuple[int, ...], float]], size: int) -> list[Array]:
    """The forms of a batch mean from those of one sample."""
    found = []
    for k, table in enumerate(weights):
        width = len(listed(size, k))
        total = np.zeros((width, width))
        for parts, weight in table.items():
            if weight != 0:
                form, degree = np.ones((1, 1)), 0
                for part in parts:
                    form, degree = multiply(size, form, moments[part], degree, part), degree + part
                total = total + weight * form
        found.append(total)
    return found


def step_moment(step: AffineStep, point: int, moments: list[Array], size: int, order: int) -> Array:
    """The form E (u^T A x)^p of the step A = C (x) 1 + D (x) H, from the forms of the batch mean H."""
    fixed, slope = step.fixed[point], step.slope[point]
    left, right = rank_one(slope)
    carried = powers(np.kron(fixed, np.eye(size)), order)
    state = size * len(fixed)
    total = np.zeros_like(carried[order])
    for k in range(order + 1):
        form = substituted(moments[k], size, k, left, right)
        product = multiply(state, carried[order - k], form, order - k, k)
        total = total + float(sympy.binomial(order, k)) * product
    return total


def rank_one(slope: Array) -> tuple[Array, Array]:
    """D = left right^T: the gradient is taken at one combination of (theta, velocity) and enters along one."""
    row = int(np.argmax(np.abs(slope[:, 0])))
    if slope[row, 0] == 0:
        return np.zeros(len(slope)), np.zeros(len(slope))
    return slope[:, 0] / slope[row, 0], slope[row]


def _as_matrix(form: Pairing, size: int, degree: int) -> ImmutableDenseMatrix:
    names = listed(size, degree)
    return ImmutableDenseMatrix([[form.get((alpha, beta), sympy.S.Zero) for beta in names] for alpha in names])
