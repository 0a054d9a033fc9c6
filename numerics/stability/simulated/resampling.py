r"""Moment exponents by population resampling, for every block, order and way of drawing batches whose epochs are
independent.

$$ L(p) = \lim_{t\to\infty} \frac1t \log \mathbb{E}|A_{t-1} \cdots A_0\,\theta|^p $$

from populations of walkers that are copied in proportion to $|A\theta|^p$ (`numerics.templates.populations`). The
plain average of $|\theta_t|^p$ over independent runs fails for large t: what dominates the expectation, no run visits.

*What the numbers rest on.* The growth of a population of M walkers is biased by order 1/M. Populations of half the
size on other draws show how much: the difference of the two goes into the error, with the standard error over
populations. For p < 0 this is the exponent of the vector $\theta_t$, which may exceed that of the norm of the product.
Where $\mathbb{E}|A|^{2p}$ is infinite the weights have no variance and the error is itself uncertain.

References: J. Vanneste, Estimating generalized Lyapunov exponents for products of random matrices (Physical Review E
81, 2010).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from sympy import Symbol

from numerics.stability.problem import Array, Estimate, Grid
from numerics.stability.runs import Runs
from numerics.stability.simulated.product_sources import Source, batch_size_of, source_of
from numerics.stability.simulated.product_streams import Stream
from numerics.stability.simulated.products import step_table
from numerics.targets import Target
from numerics.templates.populations import population_program
from theory import Block, ExponentKind
from theory.errors import InvalidRequest

WALKERS = 4096
"""Walkers of a population; those that show the bias have half of them."""
LARGEST_WRITTEN_OUT = 8
"""The size of a block up to which a program of its own is worth the seconds of its compilation."""
LONGEST_PART = 16
"""Steps of a part of a stream at most."""
ENTRIES = 2**7
"""Numbers of a part of a stream that a walker has at most, where a step has fewer."""


def resampled_moment_exponent(block: Block, grid: Grid, order: float, runs: Runs) -> Estimate:
    """Return L(order) per step at every point of a grid, with errors that hold statistics and bias.

    Parameters: `order`, any real number; of `runs`, a quarter of the `replicas` (four at least) are the populations,
    and a tenth of the `steps` (200 at least, in whole epochs) those of each walker, a tenth of them before the
    measurement. Points share their draws.

    For a negative order the value is plus infinity where a step annihilates a vector. Raises `InvalidRequest` for an
    order that is no finite number; `ValuesError`, `UnsupportedExpectation` as `product_spectrum` does.

    Cost: 30 to 60 ns for each walker and step of a batch of one, in dimension 2 to 10.

    >>> from numerics.stability.runs import Runs
    >>> from theory import SGD, Model, Normal, stability, symbols
    >>> w, x, eta = symbols("w x eta")
    >>> (block,) = stability(Model((w*x)**2/2, [w], {x: Normal()}), SGD(eta), point={w: 0}).blocks
    >>> found = resampled_moment_exponent(block, Grid({eta: np.array([0.1])}, 1), 2.0, Runs(steps=2000, replicas=16))
    >>> bool(abs(found.values[0] - np.log(1 - 0.2 + 3*0.01)) < 4 * found.errors[0])
    True
    """
    if not math.isfinite(order):
        raise InvalidRequest(f"order={order!r}: a moment exponent is of a finite real order")
    if order == 0:
        return Estimate(np.zeros(grid.size), np.zeros(grid.size), ExponentKind.CLOSED_FORM)
    table = step_table(block, grid)
    values, errors = np.empty(grid.size), np.empty(grid.size)
    for point in range(grid.size):
        numbers = {symbol: float(column[point]) for symbol, column in grid.values.items()}
        populations = _Populations(block, numbers, table[point], order, runs)
        many, few = populations.rates(WALKERS, 0), populations.rates(WALKERS // 2, 1)
        values[point] = many.mean()
        if not math.isfinite(values[point]):
            errors[point] = 0.0
            continue
        statistical = many.std(ddof=1) / math.sqrt(many.size)
        errors[point] = math.hypot(statistical, values[point] - few.mean())
    return Estimate(values, errors, ExponentKind.MONTE_CARLO)


class _Populations:
    """The populations of one point."""

    def __init__(self, block: Block, values: Mapping[Symbol, float], numbers: Array, order: float, runs: Runs) -> None:
        self.block, self.values, self.numbers, self.order, self.runs = block, values, numbers, order, runs
        self.source: Source | None = source_of(block, values, Target.CPU)
        self.epoch = 1 if self.source is None else self.source.epoch
        self.count = max(4, runs.replicas // 4)
        self.burn = -(-max(20, runs.steps // 100) // self.epoch)
        self.epochs = self.burn + max(2, -(-max(200, runs.steps // 10) // self.epoch))

    def rates(self, walkers: int, stream: int) -> Array:
        """The growth per step of each population, on the random numbers of a stream."""
        from numerics.solve.tangent import random_frames  # numerics.solve builds on numerics.stability

        shape = (self.count, walkers)
        starts = random_frames(self.count * walkers, self.block.order, 1, self.runs.seed)[:, :, 0]
        vectors = np.ascontiguousarray(starts.reshape(*shape, self.block.order))
        state: list[Any] = [vectors, np.empty_like(vectors), np.zeros(shape), np.empty(shape)]
        state += [np.empty((self.count, 2, self.block.size)), np.zeros(self.count)]
        growth = np.empty((self.epochs, self.count))
        infinite, overflown = lost = np.zeros((2, self.count), np.int64)
        if self.source is not None:
            self._launch(self.source, walkers, stream, 0, growth, 1, state, lost)
        else:
            size = batch_size_of(self.block, self.values)
            length = max(1, min(LONGEST_PART, ENTRIES // self.block.size**2))
            options = {"replicas": self.count, "seed": self.runs.seed, "length": length, "walkers": walkers}
            drawn = Stream(self.block, self.values, size, **options)
            for part, first in enumerate(range(0, self.epochs, length)):
                rows = growth[first : first + length]
                source = drawn.part(2 * part + stream)
                self._launch(source, walkers, stream, first, rows, length, state, lost)
        if overflown.any():
            raise InvalidRequest(
                f"random steps of the block {self.block.name} leave the finite numbers: a single step overflows there; take a law "
                f"with lighter tails or a smaller learning rate"
            )
        if infinite.any():
            return np.full(self.count, math.inf)
        with np.errstate(invalid="ignore"):
            rates = (growth[-1] - growth[self.burn - 1]) / ((self.epochs - self.burn) * self.epoch)
        return np.asarray(np.where(growth[-1] == -np.inf, -np.inf, rates))

    def _launch(
        self,
        source: Source,
        walkers: int,
        stream: int,
        first: int,
        growth: Array,
        length: int,
        state: list[Any],
        lost: Any,
    ) -> None:
        small = {"size": source.size, "batch": source.batch} if source.size <= LARGEST_WRITTEN_OUT else {}
        known = {name: value for name, value in small.items() if name == "size" or value == 1}
        program = population_program(source.code, has_velocity=self.block.step.has_velocity, known=known)
        common = source.values(self.runs.seed, length, stream=stream)
        whole = [walkers, self.order, self.epoch, first, len(growth)]
        program.run(self.count, *common, *whole, self.numbers, *state, growth, *lost, threads=self.runs.threads)
