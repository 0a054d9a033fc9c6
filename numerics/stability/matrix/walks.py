r"""Random walks on directions whose noise is almost removed: 2 x 2 blocks with a finite list of steps.

Let g(phi) = sum_j w_j log|A_j e_phi| be the mean growth at the angle phi, and L_0 average a function over the next angle. For any
function h, with the mean over the stationary law of the walk on angles,

$$ \Lambda = \mathbb{E}\big[g + \mathcal L_0 h - h\big] . $$

With the solution of h - L_0 h = g - Lambda there would be no noise at all. A piecewise linear approximation on a fine mesh leaves very
little, also where steps contract so strongly that h is rough and smooth interpolation (`numerics.stability.matrix.transfer`) does not
converge. In epochs g and h depend on the samples that are left besides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np
from numpy.typing import NDArray

from numerics.stability.matrices import AffineStep, batch_curvatures, sample_curvatures
from numerics.stability.problem import Array, Estimate, Grid
from numerics.stability.runs import Runs
from theory import Block, ExponentKind, Sampling
from theory.algorithm import Bernoulli
from theory.stability.batches import FRESH

BATCHES = 4096
"""The largest number of batches; of epochs, of pairs of what is left and a batch from it."""
MESH = 2**18
"""Batches times points of the mesh, about."""
SWEEPS, SETTLED = 400, 1e-13
"""Iterations for h at most, and the change at which they stop."""
WALKS, BURN_IN = 1024, 128
"""Independent walks, and steps before the measured ones, up to a whole epoch."""
VISITS = 2**19
"""Batches times measured steps of all walks, about."""
SHARE = 16
"""Points of a grid beyond one by which mesh and visits are divided at most: little noise is left even so."""
DRIFTED = 5.0
"""Standard errors between the halves of the walks beyond which they are not trusted."""

Places = NDArray[np.int64]


@dataclass(frozen=True)
class Stage:
    """The steps that are possible at one place of an epoch: of each set of samples left, the batches and the sets left after them.

    `batches` and `after` have the shape (set, choice), `shares` (choice,). Independent draws are one stage with one set.
    """

    batches: Places
    after: Places
    shares: Array


@dataclass(frozen=True)
class Steps:
    """The step matrices of all batches, and the stages of an epoch."""

    matrices: Array
    stages: Sequence[Stage]

    @property
    def choices(self) -> int:
        """Sets times batches, over all stages."""
        return sum(stage.batches.size for stage in self.stages)


def by_walks(block: Block, grid: Grid, runs: Runs) -> Estimate | None:
    """The top exponent of a block with two-dimensional states and a finite list of batches, with a standard error.

    None outside that class, for too many batches, and where the walks have not settled.
    """
    if block.order != 2 or block.randomness.of(block.curvature).continuous:
        return None
    values, errors = np.empty(grid.size), np.empty(grid.size)
    step = AffineStep.of(block, grid)
    for point in range(grid.size):
        steps = _steps(block, grid, step, point)
        found = None if steps is None else _walked(steps, runs.seed, min(grid.size, SHARE))
        if found is None:
            return None
        values[point], errors[point] = found
    return Estimate(values, errors, ExponentKind.MONTE_CARLO)


def _steps(block: Block, grid: Grid, step: AffineStep, point: int) -> Steps | None:
    numbers = {symbol: float(column[point]) for symbol, column in grid.values.items()}
    mode, size = block.batch.mode, int(grid.of(block.batch.size)[point])
    if mode == Sampling.RESHUFFLED:
        single = sample_curvatures(block, numbers)
        if single is None or epoch_pairs(len(single.matrices), size) > BATCHES:
            return None
        return _epoch(step, point, single.matrices, size)
    if mode not in (*FRESH, Sampling.WITHOUT_REPLACEMENT) and not isinstance(mode, Bernoulli):
        return None
    outcomes = batch_curvatures(block, numbers, size, BATCHES)
    if outcomes is None:
        return None
    present = outcomes.shares > 0
    shares = outcomes.shares[present]
    stage = Stage(np.arange(len(shares))[None], np.zeros((1, len(shares)), dtype=np.int64), shares / shares.sum())
    return Steps(step.matrices(point, outcomes.matrices[present]), (stage,))


def epoch_pairs(count: int, size: int) -> int:
    """Pairs of a set of samples that an epoch may have left, and a batch from it."""
    return sum(comb(count, left) * comb(left, size) for left in range(size, count + 1, size)) if count <= 40 else 2**62


def _epoch(step: AffineStep, point: int, samples: Array, size: int) -> Steps:
    count = len(samples)
    batches = list(combinations(range(count), size))
    number = {batch: k for k, batch in enumerate(batches)}
    matrices = step.matrices(point, np.stack([samples[list(batch)].mean(axis=0) for batch in batches]))
    stages = []
    for left in range(count, 0, -size):
        following = {rest: k for k, rest in enumerate(combinations(range(count), left - size or count))}
        chosen, after = [], []
        for subset in combinations(range(count), left):
            drawn = list(combinations(subset, size))
            rests = [tuple(sorted(set(subset) - set(batch))) or tuple(range(count)) for batch in drawn]
            chosen.append([number[batch] for batch in drawn])
            after.append([following[rest] for rest in rests])
        ways = comb(left, size)
        stages.append(Stage(np.array(chosen), np.array(after), np.full(ways, 1 / ways)))
    return Steps(matrices, stages)


def _walked(steps: Steps, seed: int, share: int) -> tuple[float, float] | None:
    """The exponent and its standard error over the walks, with one `share`-th of the effort."""
    potentials = _potentials(steps, MESH // share)
    generator = np.random.Generator(np.random.Philox(key=[seed, 0]))
    stages, widest = steps.stages, max(len(stage.shares) for stage in steps.stages)
    visits, length = VISITS // share, len(stages)
    walks = int(np.clip(visits / widest / 64, 64, WALKS))
    epochs = -(-max(64, visits // (widest * walks)) // (2 * length))  # of each half
    burnt = -(-BURN_IN // length)
    angles, left, everyone = np.pi * generator.random(walks), np.zeros(walks, dtype=np.int64), np.arange(walks)
    sums = np.zeros((2, walks))
    for number in range(burnt + 2 * epochs):
        for place, stage in enumerate(stages):
            matrices = steps.matrices[stage.batches[left]]  # (walk, choice, 2, 2)
            growth, images = _images(matrices, angles[:, None])
            after = stage.after[left]
            if number >= burnt:
                following = _interpolated(potentials[(place + 1) % length], after, images)
                residual = (growth + following) @ stage.shares - _interpolated(potentials[place], left, angles)
                sums[(number - burnt) // epochs] += residual
            chosen = generator.choice(len(stage.shares), size=walks, p=stage.shares)
            angles, left = images[everyone, chosen], after[everyone, chosen]
    return _judged(sums / (epochs * length))


def _judged(means: Array) -> tuple[float, float] | None:
    """Mean and standard error over the walks (half, walk); None where the halves differ."""
    if not np.isfinite(means).all():
        return None
    change, walks = means[1] - means[0], means.shape[1]
    rounding = 1e-14 * (1 + float(np.abs(means).max()))
    if abs(change.mean()) > DRIFTED * (change.std(ddof=1) / np.sqrt(walks) + rounding):
        return None
    totals = means.mean(axis=0)
    return float(totals.mean()), float(totals.std(ddof=1) / np.sqrt(walks)) + 1e-13


def _images(matrices: Array, angles: Array) -> tuple[Array, Array]:
    """log|A e| and the angle of A e, for matrices (..., 2, 2) and angles that match."""
    cosine, sine = np.cos(angles), np.sin(angles)
    x = matrices[..., 0, 0] * cosine + matrices[..., 0, 1] * sine
    y = matrices[..., 1, 0] * cosine + matrices[..., 1, 1] * sine
    with np.errstate(divide="ignore"):
        return np.log(np.hypot(x, y)), np.arctan2(y, x) % np.pi


def _potentials(steps: Steps, mesh: int) -> list[Array]:
    """h of every stage, (set, angle) at equidistant angles, by iterating h -> g - Lambda + L_0 h; a converged one serves best."""
    count = int(2 ** np.floor(np.log2(max(mesh / steps.choices, 64))))
    growth, images = _images(steps.matrices[:, None], np.pi * np.arange(count) / count)
    growth = np.maximum(growth, -745.0)
    scaled = images * (count / np.pi)
    low = np.floor(scaled).astype(np.int64)
    part, low, high = scaled - low, low % count, (low + 1) % count
    potentials = [np.zeros((len(stage.batches), count)) for stage in steps.stages]
    for _ in range(SWEEPS):
        before = potentials[0]
        for place in reversed(range(len(steps.stages))):
            stage, following = steps.stages[place], potentials[(place + 1) % len(steps.stages)]
            moved = np.zeros_like(potentials[place])
            for choice, share in enumerate(stage.shares):
                batch, rows = stage.batches[:, choice], following[stage.after[:, choice]]
                left = np.take_along_axis(rows, low[batch], axis=1)
                right = np.take_along_axis(rows, high[batch], axis=1)
                moved += share * (growth[batch] + left + part[batch] * (right - left))
            potentials[place] = moved
        potentials = [table - potentials[0][0, 0] for table in potentials]
        change = float(np.abs(potentials[0] - before).max())
        if change <= SETTLED * max(1.0, float(np.abs(before).max())):
            break
    return potentials


def _interpolated(table: Array, rows: Places, angles: Array) -> Array:
    """Piecewise linear, periodic functions, one for each row of a table, at any angles."""
    count = table.shape[1]
    scaled = angles * (count / np.pi)
    low = np.floor(scaled).astype(np.int64)
    part = scaled - low
    return np.asarray((1 - part) * table[rows, low % count] + part * table[rows, (low + 1) % count])
