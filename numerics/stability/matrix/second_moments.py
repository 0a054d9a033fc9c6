r"""The second-moment operator of a block, M -> E A M A^T, applied without its matrix, and its spectral radius.

With $A=C\otimes1+lr^T\otimes H$ and $A_0$ its mean, only $\mathbb E\,HYH$ of one sample is a sum over the data:

$$ \mathbb{E}\,AMA^T=A_0MA_0^T+ll^T\otimes\big[W_2\,\mathbb{E}\,HYH-(1-W_{11})H_0YH_0\big],\quad Y=\sum_{ab}r_ar_bM_{ab}, $$

where $\mathbb E\,\bar HY\bar H=W_2\,\mathbb E\,HYH+W_{11}H_0YH_0$ of the batch mean. A sample of low rank costs vector products alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigs, eigsh

from numerics.stability.matrices import AffineStep, Outcomes, sample_curvatures
from numerics.stability.matrix.curvature_moments import SampleMoments, batch_weights, rank_one, values_at
from numerics.stability.matrix.tensor_powers import lifted, listed
from numerics.stability.problem import Array, Grid
from numerics.stability.simulated.dyads import TOLERANCE, factored
from theory import Block

EPSILON = float(np.finfo(float).eps)
ITERATIONS = 5000
"""Steps of the power iteration up to which its bracket may close."""
ARNOLDI = 300
"""Restarts of the Arnoldi steps before the power method takes over."""
AGREEMENT = 1e-13
"""The relative width of the bracket at which the power iteration stops."""


@dataclass(frozen=True)
class Sandwich:
    """E H Y H of one sample: `apply(Y)`; `size` of H; `mean` H0; `scale`, an upper bound of its norm; `terms` that are added in it.

    `doubt`: the relative error of averages that are quadratures.
    """

    apply: Callable[[Array], Array]
    mean: Array
    scale: float
    terms: int
    doubt: float = 0.0

    @staticmethod
    def of_samples(samples: Outcomes) -> Sandwich:
        """From a finite law: by dyads where the samples are of low rank."""
        norms = np.linalg.norm(samples.matrices, axis=(1, 2)) ** 2
        mean = np.tensordot(samples.shares, samples.matrices, axes=1)
        apply = _by_dyads(samples) or _by_matrices(samples)
        return Sandwich(apply, mean, float(samples.shares @ norms), len(samples.matrices))

    @staticmethod
    def of_moments(moments: list[Array], size: int, doubt: float = 0.0) -> Sandwich:
        """From the forms E u^T H x and E (u^T H x)^2."""
        table = lifted(moments[2], size, 2)
        rows, columns, scale = _pairs(size)

        def apply(inner: Array) -> Array:
            moved = (table @ (inner[rows, columns] * scale)) / scale
            found = np.empty((size, size))
            found[rows, columns] = moved
            found[columns, rows] = moved
            return found

        return Sandwich(apply, moments[1], float(np.linalg.norm(table)), len(rows), doubt)


@dataclass(frozen=True)
class SecondMoments:
    """The operator M -> E A M A^T on symmetric matrices of the state of a block, and its adjoint X -> E A^T X A."""

    fixed: Array
    left: Array
    right: Array
    sandwich: Sandwich
    pair_weight: float
    mean_weight: float

    @staticmethod
    def of(block: Block, grid: Grid, point: int, moments: SampleMoments | None = None) -> SecondMoments:
        """The operator of a block with independent batches at one point of a grid."""
        values = values_at(grid, point)
        known = SampleMoments.of(block, grid, 2) if moments is None else moments
        samples = None if known.symbolic is not None else sample_curvatures(block, values)
        sandwich = (
            Sandwich.of_moments(known.at(point), block.size, known.doubt)
            if samples is None
            else Sandwich.of_samples(samples)
        )
        weights = batch_weights(block, values, 2)[2]
        step = AffineStep.of(block, grid)
        left, right = rank_one(step.slope[point])
        return SecondMoments(step.fixed[point], left, right, sandwich, weights[2,], weights[1, 1])

    @property
    def order(self) -> int:
        """The dimension of the state."""
        return len(self.fixed) * len(self.sandwich.mean)

    @property
    def mean(self) -> Array:
        """E A."""
        size = len(self.sandwich.mean)
        return np.asarray(
            np.kron(self.fixed, np.eye(size)) + np.kron(np.outer(self.left, self.right), self.sandwich.mean),
            dtype=float,
        )

    @property
    def is_self_adjoint(self) -> bool:
        """Whether every step is symmetric: no velocity."""
        return len(self.fixed) == 1

    def fluctuation(self, inner: Array) -> Array:
        """E H Y H - H0 Y H0 of the mean curvature of a batch."""
        mean = self.sandwich.mean
        found = self.pair_weight * self.sandwich.apply(inner) if self.pair_weight else np.zeros_like(inner)
        return np.asarray(found - (1 - self.mean_weight) * (mean @ inner @ mean))

    def apply(self, moments: Array) -> Array:
        """E A M A^T."""
        step = self.mean
        return _symmetric(step @ moments @ step.T + self._placed(moments, self.right, self.left))

    def adjoint(self, form: Array) -> Array:
        """E A^T X A."""
        step = self.mean
        return _symmetric(step.T @ form @ step + self._placed(form, self.left, self.right))

    def _placed(self, table: Array, taken: Array, given: Array) -> Array:
        size = len(self.sandwich.mean)
        blocks = table.reshape(len(taken), size, len(taken), size)
        inner = np.einsum("a,aibj,b->ij", taken, blocks, taken)
        return np.asarray(np.kron(np.outer(given, given), self.fluctuation(inner)), dtype=np.float64)

    @property
    def rounding(self) -> float:
        """An upper estimate of what rounding leaves in the norm of one application, for arguments of norm one."""
        norms = np.linalg.norm(self.fixed) * np.sqrt(len(self.sandwich.mean)) + np.linalg.norm(
            self.left
        ) * np.linalg.norm(self.right) * np.linalg.norm(self.sandwich.mean)
        kicks = (
            (np.linalg.norm(self.left) * np.linalg.norm(self.right)) ** 2 * self.sandwich.scale * abs(self.pair_weight)
        )
        return float(
            (EPSILON * (self.order + np.log2(self.sandwich.terms + 1)) + TOLERANCE + self.sandwich.doubt)
            * (norms**2 + kicks)
        )


def second_moment_radius(operator: SecondMoments) -> tuple[float, float, Array]:
    r"""Return the spectral radius of the operator, an upper estimate of its error, and the matrix that belongs to it.

    Without a velocity the operator is self-adjoint: Lanczos steps, and the error is the residual. With one, Arnoldi steps on both
    sides, and the error is the residual times the condition of the eigenvalue. Where these do not converge, the power method from the
    identity, which stays among positive definite matrices: $T(M)\preceq\beta M$ bounds the radius above by $\beta$,
    $T(M)\succeq\alpha M$ below by $\alpha$, and the bracket is the error.
    """
    found = _by_lanczos(operator) if operator.is_self_adjoint else _by_arnoldi(operator)
    return found or _by_power_method(operator)


def _by_lanczos(operator: SecondMoments) -> tuple[float, float, Array] | None:
    order = operator.order
    if order == 1:
        one = np.ones((1, 1))
        return float(operator.apply(one)[0, 0]), operator.rounding, one
    linear = LinearOperator(
        (order**2, order**2), matvec=lambda v: operator.apply(_symmetric(v.reshape(order, order))).ravel(), dtype=float
    )
    try:
        values, vectors = eigsh(linear, k=1, which="LA", v0=np.eye(order).ravel(), tol=1e-14)
    except ArpackNoConvergence:
        return None
    matrix = _symmetric(vectors[:, 0].reshape(order, order))
    matrix /= np.linalg.norm(matrix) * (1 if np.trace(matrix) >= 0 else -1)
    residual = float(np.linalg.norm(operator.apply(matrix) - values[0] * matrix))
    return float(values[0]), residual + operator.rounding, matrix


def _by_arnoldi(operator: SecondMoments) -> tuple[float, float, Array] | None:
    order = operator.order
    found = []
    for apply in (operator.apply, operator.adjoint):
        linear = LinearOperator(
            (order**2, order**2), matvec=lambda v, f=apply: f(_symmetric(v.reshape(order, order))).ravel(), dtype=float
        )
        try:
            values, vectors = eigs(linear, k=1, which="LR", v0=np.eye(order).ravel(), tol=1e-12, maxiter=ARNOLDI)
        except ArpackNoConvergence:
            return None
        matrix = _symmetric(np.real(vectors[:, 0]).reshape(order, order))
        found.append((float(np.real(values[0])), matrix / np.linalg.norm(matrix)))
    (value, right), (_, left) = found
    residual = float(np.linalg.norm(operator.apply(right) - value * right)) + operator.rounding
    overlap = abs(float(np.sum(left * right)))
    if 2 * residual >= overlap:
        return None
    return value, 2 * residual / overlap, right if np.trace(right) >= 0 else -right


def _by_power_method(operator: SecondMoments) -> tuple[float, float, Array]:
    matrix = np.eye(operator.order)
    low, high = 0.0, np.inf
    best = (0.0, np.inf, matrix)
    for _ in range(ITERATIONS):
        image = operator.apply(matrix)
        low, high = _bracket(matrix, image)
        value, error = (low + high) / 2, (high - low) / 2 + operator.rounding
        if error < best[1]:
            best = (value, error, matrix)
        if not np.any(image) or high - low <= AGREEMENT * high or not np.isfinite(high):
            break
        matrix = image / np.trace(image)
    return best


def _bracket(matrix: Array, image: Array) -> tuple[float, float]:
    """The smallest and the largest eigenvalue of M^(-1/2) T(M) M^(-1/2)."""
    try:
        factor = np.linalg.cholesky(matrix)
    except np.linalg.LinAlgError:
        return 0.0, np.inf
    half = np.linalg.solve(factor, image)
    ratios = np.linalg.eigvalsh(_symmetric(np.linalg.solve(factor, half.T)))
    return max(float(ratios[0]), 0.0), float(ratios[-1])


# ---------------------------------------------------------------------------------------------------------- sandwiches


def _by_dyads(samples: Outcomes) -> Callable[[Array], Array] | None:
    """With H = sum of dyads l r^T: H Y H^T = sum l (r^T Y r') l'^T, samples of one rank together."""
    found = factored(samples.matrices)
    if found is None:
        return None
    size = samples.matrices.shape[-1]
    ranks = np.diff(found.offsets)
    groups: list[tuple[Any, ...]] = []
    for rank in np.unique(ranks[ranks > 0]):
        chosen = np.flatnonzero(ranks == rank)
        rows = found.offsets[chosen][:, None] + np.arange(rank)
        groups.append((found.left[rows], found.right[rows], samples.shares[chosen]))

    def apply(inner: Array) -> Array:
        total = np.zeros((size, size))
        for left, right, shares in groups:
            moved = (right.reshape(-1, size) @ inner).reshape(right.shape)
            pairs = np.einsum("nrk,nsk->nrs", moved, right) * shares[:, None, None]
            total += left.reshape(-1, size).T @ np.matmul(pairs, left).reshape(-1, size)
        return total

    return apply


def _by_matrices(samples: Outcomes) -> Callable[[Array], Array]:
    count, size, _ = samples.matrices.shape
    stacked = samples.matrices.transpose(1, 0, 2).reshape(size, count * size)
    weighted = (samples.matrices * samples.shares[:, None, None]).reshape(count * size, size)

    def apply(inner: Array) -> Array:
        moved = np.matmul(inner, weighted.reshape(count, size, size)).reshape(count * size, size)
        return np.asarray(stacked @ moved)

    return apply


def _pairs(size: int) -> tuple[Any, Any, Array]:
    """Where each coordinate of the orthonormal basis of degree two stands in a symmetric matrix, and its factor."""
    pairs = [tuple(i for i, power in enumerate(alpha) for _ in range(power)) for alpha in listed(size, 2)]
    rows, columns = np.array(pairs).T
    return rows, columns, np.where(rows == columns, 1.0, np.sqrt(2.0))


def _symmetric(table: Array) -> Array:
    return np.asarray((table + table.T) / 2)
