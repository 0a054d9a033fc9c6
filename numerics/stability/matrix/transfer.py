r"""Products of random 2 x 2 matrices: the transfer operator on directions.

For batches j of probability w_j with step matrices A_j (of a curvature with one random number, the nodes and weights of a quadrature over
it), and e_phi the unit vector at the angle phi,

$$ (\mathcal L_p f)(\varphi) = \sum_j w_j |A_j e_\varphi|^p f(\arg A_j e_\varphi), \qquad e^{L(p)} = \rho(\mathcal L_p), $$

and Lambda is the mean of sum_j w_j log|A_j e_phi| over the left eigenvector of L_0 at 1. Functions of period pi are interpolated at n (odd)
equidistant angles by sin(n delta) / (n sin delta). The convergence is spectral where no matrix is nearly singular; n doubles until two
answers agree. Of epochs the operator is the average over orders of the batches, by recursion over the subsets of the data that are left,

$$ \mathcal Q_\emptyset = 1, \qquad \mathcal Q_J = \binom{|J|}{S}^{-1} \sum_{B\subset J,\,|B|=S} \mathcal L_B \mathcal Q_{J\setminus B}. $$
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from numerics.stability.matrices import AffineStep, batch_curvatures, sample_curvatures
from numerics.stability.matrix.quadrature_atoms import quadrature_curvatures
from numerics.stability.matrix.walks import epoch_pairs
from numerics.stability.problem import Array, Estimate, Grid
from numerics.stability.runs import Runs
from theory import Block, ExponentKind, Sampling

ANGLES = (21, 41, 81, 161, 321, 641)
"""Resolutions, in turn."""
ANGLES_BEFORE_WALKS = (21, 41, 81, 161)
"""Resolutions for Lyapunov exponents of finite lists: what does not converge by then is for `numerics.stability.matrix.walks`."""
NODES = (16, 11)
"""Nodes per panel of the quadrature over a random number, and of the coarser one that judges it."""
ATOMS = 4096
"""The largest number of batches."""
SUBSETS = 4096
"""The largest number of pairs of a subset of the data and a batch from it."""
WORK = 6 * 10**8
"""Batches times the square of the resolution (of epochs: pairs times the cube, by hundred): a few seconds."""
GOAL, ACCEPTED = 1e-12, 1e-6
"""The difference at which doubling stops, and the largest error of an answer."""
CHUNK = 2**18
"""Batches times angles that are held at a time."""
SHRINKING = 0.75
"""The largest ratio of the last two differences of an answer that has not reached the goal."""
GOAL_OF_QUADRATURE = 1e-9
"""The difference at which doubling stops for the nodes of a quadrature, which at last are told apart by the angles."""
ITERATIONS, CONVERGED = 2000, 1e-15
"""Powers of an operator that are taken at most, and the relative change of its radius at which they stop."""
OFFSET = 0.2360679774997897
"""Where the first angle lies between two, so that none is a direction of symmetry, which a matrix may annihilate."""


def by_transfer_operator(block: Block, grid: Grid, order: float, runs: Runs | None = None) -> Estimate | None:
    """The moment exponent L(order), or for order 0 the Lyapunov exponent, of a block with two-dimensional states.

    None where states are larger, batches are not finitely many or too many, or two resolutions do not agree to `ACCEPTED`. Random draws
    are not used: `runs` is ignored.
    """
    if block.order != 2:
        return None
    step = AffineStep.of(block, grid)
    sizes = grid.of(block.batch.size)
    values, errors = np.empty(grid.size), np.empty(grid.size)
    for point in range(grid.size):
        found = _at_point(block, grid, step, point, int(sizes[point]), order)
        if found is None:
            return None
        values[point], errors[point] = found
    return Estimate(values, errors, ExponentKind.OPERATOR)


def _at_point(
    block: Block, grid: Grid, step: AffineStep, point: int, size: int, order: float
) -> tuple[float, float] | None:
    numbers = {symbol: float(column[point]) for symbol, column in grid.values.items()}
    if block.batch.mode == Sampling.RESHUFFLED:
        single = sample_curvatures(block, numbers)
        count = 0 if single is None else len(single.matrices)
        if single is None or epoch_pairs(count, size) > SUBSETS:
            return None
        batches = list(combinations(range(count), size))
        curvatures = np.stack([single.matrices[list(batch)].mean(axis=0) for batch in batches])
        epoch = _Epoch(step.matrices(point, curvatures), batches, count)
        return _refined(epoch, order, angles=ANGLES if order else ANGLES_BEFORE_WALKS)
    outcomes = batch_curvatures(block, numbers, size, ATOMS)
    if outcomes is not None:
        source = _Draws(step.matrices(point, outcomes.matrices), outcomes.shares)
        return _refined(source, order, angles=ANGLES if order else ANGLES_BEFORE_WALKS)
    found = []
    for nodes in NODES:
        outcomes = quadrature_curvatures(block, numbers, nodes)
        if outcomes is None or len(outcomes.shares) > ATOMS:
            return None
        source = _Draws(step.matrices(point, outcomes.matrices), outcomes.shares)
        part = _refined(source, order, GOAL_OF_QUADRATURE, ANGLES[:-1])
        if part is None:
            return None
        found.append(part)
    (value, error), (coarse, _) = found
    total = error + abs(value - coarse)
    return (value, total) if total <= ACCEPTED else None


@dataclass(frozen=True)
class _Draws:
    """Independent steps: their matrices and probabilities."""

    matrices: Array
    shares: Array

    @property
    def steps(self) -> int:
        return 1

    def work(self, count: int) -> float:
        return len(self.shares) * count**2

    def operator(self, count: int, order: float) -> tuple[Array, Array]:
        """L_order as a matrix on values at the angles, and the mean of log|A e| at each."""
        return _interpolated(self.matrices, self.shares, count, order)


@dataclass(frozen=True)
class _Epoch:
    """Epochs of random order: the matrices of all `batches` of `data_count` samples."""

    matrices: Array
    batches: Sequence[tuple[int, ...]]
    data_count: int

    @property
    def steps(self) -> int:
        return self.data_count // len(self.batches[0])

    def work(self, count: int) -> float:
        return epoch_pairs(self.data_count, len(self.batches[0])) * count**3 / 100

    def operator(self, count: int, order: float) -> tuple[Array, Array]:
        """The operator of an epoch, and the mean of the logarithm of the growth over it, at each angle."""
        parts = [_interpolated(matrix[None], np.ones(1), count, order) for matrix in self.matrices]
        known: dict[tuple[int, ...], tuple[Array, Array]] = {(): (np.eye(count), np.zeros(count))}
        for steps in range(1, self.steps + 1):
            known = {
                subset: self._of_subset(subset, parts, known)
                for subset in combinations(range(self.data_count), steps * len(self.batches[0]))
            }
        return known[tuple(range(self.data_count))]

    def _of_subset(
        self,
        subset: tuple[int, ...],
        parts: Sequence[tuple[Array, Array]],
        known: dict[tuple[int, ...], tuple[Array, Array]],
    ) -> tuple[Array, Array]:
        places = [k for k, batch in enumerate(self.batches) if set(batch) <= set(subset)]
        total, logs = np.zeros_like(parts[0][0]), np.zeros_like(parts[0][1])
        for k in places:
            (operator, growth), rest = parts[k], known[tuple(sorted(set(subset) - set(self.batches[k])))]
            total = total + operator @ rest[0] / len(places)
            logs = logs + (growth + operator @ rest[1]) / len(places)
        return total, logs


def _refined(
    source: _Draws | _Epoch, order: float, goal: float = GOAL, angles: Sequence[int] = ANGLES
) -> tuple[float, float] | None:
    """The exponent per step and its error: what differences that go on shrinking as they do would add up to, twice the last at least."""
    if order == 0 and isinstance(source, _Draws) and any(not m.any() for m in source.matrices[source.shares > 0]):
        return -np.inf, 0.0
    previous, last = np.nan, np.inf
    for count in angles:
        if source.work(count) > WORK:
            return None
        value = _exponent(*source.operator(count, order), order) / source.steps
        difference = abs(value - previous)
        ratio = difference / last if last > 0 else 0.0
        error = difference * max(2.0, 1 / (1 - min(ratio, 0.9))) + GOAL / 10
        if difference <= goal or (count == angles[-1] and error <= ACCEPTED and ratio <= SHRINKING):
            return value, error
        previous, last = value, difference if np.isfinite(difference) else np.inf
    return None


def _exponent(operator: Array, logs: Array, order: float) -> float:
    if order != 0:
        with np.errstate(divide="ignore"):
            return float(np.log(_radius(operator))) if np.isfinite(operator).all() else np.nan
    count = len(logs)
    bordered = np.block([[operator.T - np.eye(count), np.ones((count, 1))], [np.ones((1, count)), np.zeros((1, 1))]])
    try:
        density = np.linalg.solve(bordered, np.append(np.zeros(count), 1.0))[:count]
    except np.linalg.LinAlgError:
        return np.nan
    return float(density @ logs)


def _radius(operator: Array) -> float:
    """The spectral radius of an operator that maps positive functions to positive ones, by iteration from the constant function."""
    function, radius = np.ones(len(operator)), np.nan
    for _ in range(ITERATIONS):
        image = operator @ function
        size = float(np.abs(image).max())
        if size == 0:
            return 0.0
        before, radius = radius, float(function @ image / (function @ function))
        function = image / size
        if abs(radius - before) <= CONVERGED * abs(radius):
            return abs(radius)
    return float(np.abs(np.linalg.eigvals(operator)).max())


def _interpolated(matrices: Array, shares: Array, count: int, order: float) -> tuple[Array, Array]:
    """The mean of |A e|^order times the interpolation at the angle of A e, shape (angle, angle), and the mean of log|A e|.

    The interpolation is the sum of exp(2 i k (angle - node)) / n over |k| < n/2; means of these exponentials come first.
    """
    nodes = np.pi * (np.arange(count) + OFFSET) / count
    circle = np.stack([np.cos(nodes), np.sin(nodes)])
    half = count // 2
    means, logs = np.zeros((half + 1, count), dtype=complex), np.zeros(count)
    for begin in range(0, len(shares), CHUNK // count):
        part = slice(begin, begin + CHUNK // count)
        image = matrices[part] @ circle
        x, y = image[:, 0], image[:, 1]
        square = x**2 + y**2
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            growth = np.log(square) / 2
            turn = np.where(square > 0, (x + 1j * y) ** 2 / np.where(square > 0, square, 1.0), 1.0)
            weight = shares[part, None] * (np.exp(order * growth) if order != 0 else np.ones(growth.shape))
        logs += shares[part] @ growth
        power = weight.astype(complex)
        for k in range(half + 1):
            means[k] += power.sum(axis=0)
            power *= turn
    waves = np.exp(-2j * np.outer(np.arange(half + 1), nodes))
    waves[1:] *= 2
    return np.real(means.T @ waves) / count, logs
