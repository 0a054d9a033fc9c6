r"""Lyapunov exponents of a matrix block by simulated products of its random matrices, for every way of drawing batches.

$$ \Lambda_1 + \dots + \Lambda_k = \lim_{t\to\infty} \frac1t \log \mathrm{vol}_k(A_{t-1} \cdots A_0), \qquad A =
C\otimes 1 + D\otimes\bar H, $$

by Benettin's QR iteration on the samples themselves (`numerics.templates.products`): batches with and without
replacement, reshuffled epochs, a cyclic order, Bernoulli batches, the full batch, and fresh samples of any law that
can be drawn. Exponents are per step. Where batches repeat or are dealt anew every epoch, runs are whole epochs.

The draws of a replica depend on the seed, its number and the step alone, not on the learning rate, momentum or decay:
differences along a scan are not blurred by fresh noise.

References: G. Benettin, L. Galgani, A. Giorgilli, J.-M. Strelcyn, Lyapunov characteristic exponents for smooth
dynamical systems (Meccanica 15, 1980).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from sympy import Symbol

from numerics.precision import Precision
from numerics.stability.problem import Array, Grid
from numerics.stability.runs import Runs
from numerics.stability.simulated.product_runs import ProductRun
from numerics.stability.simulated.product_sources import Source, batch_size_of, has_code, number, relevant, source_of
from numerics.stability.simulated.product_streams import Stream
from numerics.targets import Target
from numerics.templates.products import memory_shape, product_program, step_numbers
from theory import Block, Sampling
from theory.errors import InvalidRequest

LARGEST_LISTED = 16
"""Numbers, batch size times dimension, up to which a batch of fresh samples is written out as one random map."""
LONGEST_PART = 64
"""Steps of a part of a stream at most."""
ENTRIES = 2**15
"""Numbers of a part of a stream that a replica has at most, where a step has fewer."""
BURN_IN = 1000
"""Steps before the measured ones, up to a whole epoch."""
SLOTS = 32
"""Stretches of a run whose sums are kept."""


def product_spectrum(block: Block, values: Mapping[Symbol, float], runs: Runs, count: int) -> xr.Dataset:
    r"""Return the `count` leading Lyapunov exponents of a block, largest first, with standard errors over replicas.

    Parameters
    ----------
    block : of a `theory.Stability`; scalar blocks are products too, of numbers.
    values : a number for every symbol of the block and of its laws.
    runs : `steps` measured steps (up to a whole epoch, two at least) of each of `replicas` runs, after `BURN_IN`
        others; `seed`, `target`, `threads`.
    count : exponents wanted, 1 to `block.order`.

    Returns
    -------
    A dataset over `exponent`: `spectrum`, `standard_error` (over replicas), `drift` (second half of the run minus
    first) and `drift_z`, in units of its own error; `by_replica` (replica, exponent); `total` and `total_error`, of
    the sum. The errors of a single replica are from stretches of its run. An exponent is minus infinity, with error 0, where steps leave
    nothing of a volume but rounding noise: one step of a finite law, of laws with a density more often than once in
    10^9 steps.

    Raises `InvalidRequest` for an impossible count or steps that overflow, `ValuesError` for an impossible batch size,
    `UnsupportedExpectation` for laws that cannot be drawn here, `TargetUnavailable`.

    Cost: 4 d k multiplications for each sample and dyad of its curvature, 2 d^2 k where the rank is not small, and 4 d
    k^2 for Gram-Schmidt.

    >>> from numerics.stability.runs import Runs
    >>> from theory import SGD, Empirical, Model, Sampling, stability, symbols
    >>> u, w, x, y, eta = symbols("u w x y eta")
    >>> data = {(x, y): Empirical([1.0, -0.3, 0.8, 0.2], [0.5, 1.2, -0.9, 0.4])}
    >>> model = Model((u*x + w*y)**2/2, [u, w], data)
    >>> (block,) = stability(model, SGD(eta, sampling=Sampling.RESHUFFLED), point={u: 0, w: 0}).blocks
    >>> found = product_spectrum(block, {eta: 1.4}, Runs(steps=4000, replicas=16), 2)
    >>> round(float(found["total"]), 8)  # the mean of log|1 - eta (x^2 + y^2)|, whatever the order
    -0.11346156
    """
    size = block.order
    if isinstance(count, bool) or not isinstance(count, (int, np.integer)) or not 1 <= count <= size:
        raise InvalidRequest(f"count={count!r}: the block {block.name} has {size} exponents; ask for 1 to {size}")
    if _is_short(block, values):
        return _of_random_map(block, values, runs, int(count))
    grid = Grid({symbol: np.array([float(value)]) for symbol, value in values.items()}, 1)
    run = next(iter(_runs(block, grid, runs, int(count))))[1]
    return run.dataset(
        {
            "title": f"Lyapunov exponents of the block {block.name}",
            "method": f"QR iteration of simulated products, float64 on {runs.target}",
            "sampling": str(block.batch.mode),
            "seed": runs.seed,
            "replicas": runs.replicas,
            "steps": int(run.record[-1] - run.record[0]),
            "burn_in": int(run.record[0]),
        }
    )


def product_exponents(block: Block, grid: Grid, runs: Runs, count: int) -> tuple[Array, Array]:
    """Return exponents and standard errors at every point of a grid, each of shape (point, count), on the same draws
    at all points.

    Parameters and errors as for `product_spectrum`; points that differ in learning rate, momentum or decay alone run
    together.
    """
    exponents, errors = np.empty((grid.size, count)), np.empty((grid.size, count))
    numbers = [{symbol: float(column[k]) for symbol, column in grid.values.items()} for k in range(grid.size)]
    if all(_is_short(block, values) for values in numbers):
        for point, values in enumerate(numbers):
            found = _of_random_map(block, values, runs, count)
            exponents[point], errors[point] = found["spectrum"].values, found["standard_error"].values
        return exponents, errors
    for point, run in _runs(block, grid, runs, count):
        exponents[point], errors[point] = run.exponents()
    return exponents, errors


def _is_short(block: Block, values: Mapping[Symbol, float]) -> bool:
    """Whether `numerics.lyapunov_spectrum` of the random map is the shorter way: few fresh samples of a law with a density and code."""
    present = block.randomness.of(block.curvature)
    if not present.continuous or block.size * number(block.batch.size, values) > LARGEST_LISTED:
        return False
    return has_code(present)


def _of_random_map(block: Block, values: Mapping[Symbol, float], runs: Runs, count: int) -> xr.Dataset:
    from numerics.lyapunov import lyapunov_spectrum  # which builds on numerics.solve, and that on numerics.stability

    equations = block.random_map(batch_size_of(block, values))
    needed = set(equations.free_symbols).union(*(law.free_symbols for _, law in equations.draws))
    return lyapunov_spectrum(
        equations,
        at={symbol: value for symbol, value in values.items() if symbol in needed},
        steps=runs.steps,
        replicas=runs.replicas,
        seed=runs.seed,
        burn_in=BURN_IN,
        exponents=count,
        target=runs.target,
        threads=runs.threads,
    )


# ------------------------------------------------------------------------------------------------------------ the runs


def _runs(block: Block, grid: Grid, runs: Runs, count: int) -> Iterator[tuple[int, ProductRun]]:
    """The run at every point, points with the same curvatures and batches together."""
    names = [symbol for symbol in relevant(block) if symbol in grid.values]
    table = np.array([grid.values[symbol] for symbol in names]).reshape(len(names), grid.size)
    _, places = np.unique(table, axis=1, return_inverse=True)
    for place in range(int(places.max()) + 1):
        points = np.flatnonzero(places.reshape(-1) == place)
        numbers = {symbol: float(column[points[0]]) for symbol, column in grid.values.items()}
        part = grid.subset(places.reshape(-1) == place)
        yield from zip(map(int, points), _Products(block, part, runs, count, numbers).run(), strict=True)


class _Products:
    """The launches for points that share their curvatures."""

    def __init__(self, block: Block, grid: Grid, runs: Runs, count: int, numbers: Mapping[Symbol, float]) -> None:
        self.block, self.runs, self.count, self.points = block, runs, count, grid.size
        self.target = Target(runs.target)
        self.steps = step_table(block, grid)
        found = source_of(block, numbers, self.target)
        self.source, self.numbers = found, numbers
        self.record = _record(runs.steps, found)
        self.trajectories = self.points * runs.replicas
        parts = 2 if block.step.has_velocity else 1
        self.frames = self._frames(parts)
        self.scratch = np.empty(memory_shape(self.target, self.trajectories, parts * count, block.size))
        self.totals = np.zeros((count, self.trajectories))
        self.faint = np.zeros((count, self.trajectories), np.int64)
        self.sums = np.empty((self.record.size, count, self.trajectories))

    def run(self) -> list[ProductRun]:
        """The run at each point."""
        if self.source is not None:
            self._launch(self.source, 0, self.record, self.sums, length=1)
        else:
            self._streamed()
        vanished = self._vanished()
        replicas = self.runs.replicas
        parts = [slice(point * replicas, (point + 1) * replicas) for point in range(self.points)]
        return [ProductRun(self.sums[:, :, p], vanished[:, p], self.record) for p in parts]

    def _streamed(self) -> None:
        """Matrices made here, some steps at a time."""
        size, replicas = batch_size_of(self.block, self.numbers), self.runs.replicas
        length = max(1, min(LONGEST_PART, ENTRIES // self.block.size**2))
        stream = Stream(self.block, self.numbers, size, replicas=replicas, seed=self.runs.seed, length=length)
        last = int(self.record[-1])
        for part, first in enumerate(range(0, last, length)):
            end = min(first + length, last)
            slots = np.flatnonzero((self.record > first - (first == 0)) & (self.record <= end))
            steps = np.unique([*self.record[slots], end])
            sums = np.empty((steps.size, self.count, self.trajectories))
            self._launch(stream.part(part), first, steps, sums, length=length)
            self.sums[slots] = sums[np.searchsorted(steps, self.record[slots])]

    def _launch(self, source: Source, first: int, record: NDArray[np.int64], sums: Array, *, length: int) -> None:
        program = product_program(source.code, has_velocity=self.block.step.has_velocity, target=self.target)
        stopped = np.empty(self.trajectories, np.int64)
        arguments: list[Any] = [*source.values(self.runs.seed, length), self.runs.replicas, self.count, first]
        arguments += [self.steps, record, self.frames, self.scratch, self.totals, sums, self.faint, stopped]
        if self.target is not Target.CPU:  # no vectors of a block, and the integers of each trajectory
            integers = len(source.code.integers) * source.count
            arguments += [np.empty((self.trajectories, 0)), np.empty((self.trajectories, integers), np.int64)]
        program.run(self.trajectories, *arguments, threads=self.runs.threads)
        if (stopped >= 0).any():
            raise InvalidRequest(
                f"the random matrices of the block {self.block.name} leave the finite numbers at step {stopped.max()}: a single "
                f"step overflows there; take a law with lighter tails or a smaller learning rate"
            )

    def _frames(self, parts: int) -> Array:
        """Random orthonormal vectors of each replica, the same at every point, in the program's order."""
        from numerics.solve.tangent import random_frames  # numerics.solve builds on numerics.stability

        vectors = random_frames(self.runs.replicas, self.block.order, self.count, self.runs.seed)
        split = vectors.reshape(self.runs.replicas, parts, self.block.size, self.count).transpose(0, 1, 3, 2)
        rows = np.tile(split.reshape(self.runs.replicas, parts * self.count, self.block.size), (self.points, 1, 1))
        return np.ascontiguousarray(rows if self.target is Target.CPU else np.moveaxis(rows, 0, -1))

    def _vanished(self) -> NDArray[np.bool_]:
        """Whether a volume has vanished, with all larger ones: (vector, trajectory)."""
        from numerics.solve.tangent import LARGEST_FAINT_RATE  # numerics.solve builds on numerics.stability

        finite = self.source.finite if self.source is not None else False
        allowed = 0.0 if finite else LARGEST_FAINT_RATE[Precision.FLOAT64] * int(self.record[-1]) * self.runs.replicas
        lost = np.zeros((self.count, self.trajectories), bool)
        for point in range(self.points):
            part = slice(point * self.runs.replicas, (point + 1) * self.runs.replicas)
            real = self.faint[:, part].sum(axis=1) > allowed
            lost[:, part] = np.maximum.accumulate((self.faint[:, part] > 0) & real[:, np.newaxis], axis=0)
        return lost


def step_table(block: Block, grid: Grid) -> Array:
    """`numerics.templates.products.step_numbers` at every point of a grid."""
    fixed, _ = block.step.affine
    entries = grid.table(list(fixed)).T.reshape(-1, *fixed.shape)
    weight, shift = grid.table([block.step.weight, block.step.shift])
    kicks = np.stack([weight, np.ones(grid.size)], axis=1) if block.step.has_velocity else weight[:, np.newaxis]
    rows = zip(entries, kicks, shift, strict=True)
    return np.array([step_numbers(matrix, kick, float(look)) for matrix, kick, look in rows])


def _record(steps: int, source: Source | None) -> NDArray[np.int64]:
    """The steps at which sums are kept: whole epochs, two at least. Of a product without chance nothing but the transient is an error."""
    epoch = 1 if source is None else source.epoch
    epochs = max(2, -(-steps // epoch))
    stretches = min(SLOTS, 2 * (epochs // 2))
    fixed = source is not None and source.code.mode in (Sampling.CYCLIC, Sampling.FULL_BATCH)
    begin = -(-max(BURN_IN, steps if fixed else 0) // epoch) * epoch
    if begin + epochs * epoch >= 2**32:
        raise InvalidRequest(f"steps={steps}: at most 2**32 steps, burn-in included, are covered; take more replicas")
    return np.asarray(begin + epoch * np.rint(np.linspace(0, epochs, stretches + 1)).astype(np.int64))
