"""The exponent as an average of log|multiplier| over random batches: unbiased for any law, with a standard error.

The batch means do not depend on the learning rate: they are drawn once and serve every point of a grid that differs in nothing else,
so that differences along a scan are not blurred by fresh noise.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np
import sympy
from sympy import Expr, Symbol

from numerics.law_draws import draw_law
from numerics.stability.problem import Array, Estimate, Problem
from numerics.stability.scalar.enumeration import single_values
from theory import ExponentKind, Normal
from theory.algorithm import Bernoulli
from theory.errors import UnsupportedExpectation
from theory.stability.batches import SUBSET, Batch
from theory.stability.randomness import Randomness

BATCHES = 2**18
"""Batches that are drawn."""
CHUNK = 2**15
"""Batches that are held at a time, and numbers of batches times points."""
EPOCHS = 2**14
"""Epochs that are drawn, where batches of one epoch depend on each other."""
ROUNDING = 1e-13


def by_monte_carlo(problem: Problem) -> Estimate:
    """The exponent from `BATCHES` random batches. Raises `UnsupportedExpectation` for joint laws that cannot be drawn here."""
    mean, error = np.empty(problem.grid.size), np.empty(problem.grid.size)
    for point, logs in batch_logarithms(problem):
        mean[point] = logs.mean()
        spread = float(logs.std()) / np.sqrt(BATCHES - 1) if np.isfinite(mean[point]) else 0.0
        error[point] = spread + ROUNDING  # a multiplier that may vanish has the exponent minus infinity, without error
    return problem.estimate(mean, error, ExponentKind.MONTE_CARLO)


def batch_logarithms(problem: Problem) -> Iterator[tuple[int, Array]]:
    """Points of the grid, those with the same batches together, each with log|multiplier| of `BATCHES` random batches.

    Raises `UnsupportedExpectation` for joint laws that cannot be drawn here.
    """
    present = problem.randomness.of(problem.curvature)
    mode = problem.batch.mode
    parameters = mode.fraction.free_symbols if isinstance(mode, Bernoulli) else set()
    relevant = sorted(
        (problem.curvature.free_symbols - set(present.symbols)).union(
            parameters, *(law.free_symbols for _, law in present.groups)
        ),
        key=str,
    )
    table = np.array([problem.grid.values[s] for s in relevant]).reshape(len(relevant), problem.grid.size)
    distinct, places = np.unique(table, axis=1, return_inverse=True)
    keep, weight = problem.grid.table([problem.keep, problem.weight])
    for column in range(distinct.shape[1]):
        values = tuple(zip(relevant, map(float, distinct[:, column]), strict=True))
        means = _batch_means(problem.curvature, present, problem.batch, problem.seed, values)
        for point in np.flatnonzero(places.reshape(-1) == column):
            with np.errstate(divide="ignore"):
                yield int(point), np.log(np.abs(keep[point] + weight[point] * means))


def epoch_logarithms(problem: Problem) -> tuple[Iterator[tuple[int, Array]], int]:
    """log|product of the multipliers of one epoch| of `EPOCHS` random permutations, point by point; and the steps of an epoch."""
    values, _ = single_values(problem)
    count, size = len(values), problem.size
    generator = np.random.Generator(np.random.Philox(key=[problem.seed, 2**32]))
    orders = generator.permuted(np.tile(np.arange(count), (EPOCHS, 1)), axis=1)
    keep, weight = problem.grid.table([problem.keep, problem.weight])

    def logarithms() -> Iterator[tuple[int, Array]]:
        for point in range(problem.grid.size):
            means = values[:, point][orders].reshape(EPOCHS, count // size, size).mean(axis=2)
            with np.errstate(divide="ignore"):
                yield point, np.log(np.abs(keep[point] + weight[point] * means)).sum(axis=1)

    return logarithms(), count // size


@lru_cache(maxsize=8)
def _batch_means(
    curvature: Expr, present: Randomness, batch: Batch, seed: int, values: tuple[tuple[Symbol, float], ...]
) -> Array:
    """The mean curvatures of all batches, shape (batch,)."""
    exact = {symbol: sympy.Rational(value) for symbol, value in values}
    groups = [(names, law.substitute({s: exact[s] for s in law.free_symbols})) for names, law in present.groups]
    function = sympy.lambdify(list(present.symbols), curvature.xreplace(exact), ["scipy", "numpy"], cse=True)
    means = np.empty(BATCHES)
    if isinstance(batch.mode, Bernoulli):
        singles = np.broadcast_to(
            np.asarray(function(*_table(groups[0][1])[0].T), dtype=float), (int(batch.data_count or 0),)
        )
        fraction = float(batch.mode.fraction.xreplace(exact))
        for chunk in range(BATCHES // CHUNK):
            rows = slice(chunk * CHUNK, (chunk + 1) * CHUNK)
            means[rows] = _bernoulli_sums(singles, fraction, seed, chunk) / (fraction * len(singles))
        means.flags.writeable = False
        return means
    size = int(batch.size)
    for chunk in range(BATCHES // CHUNK):
        columns: list[Array] = []
        for stream, (_, law) in enumerate(groups):
            if batch.mode in SUBSET:
                columns += _subsets(law, size, seed, chunk)
            else:
                columns += _draws(law, size, seed, chunk * 64 + stream)
        part = np.broadcast_to(np.asarray(function(*columns), dtype=float), (CHUNK, size))
        means[chunk * CHUNK : (chunk + 1) * CHUNK] = part.mean(axis=1)
    means.flags.writeable = False
    return means


def _draws(law: Any, size: int, seed: int, stream: int) -> list[Array]:
    """Fresh draws of a group of symbols, each of shape (CHUNK, size)."""
    if law.is_finite:
        table, shares = _table(law)
        generator = np.random.Generator(np.random.Philox(key=[seed, stream]))
        rows = generator.choice(len(table), size=(CHUNK, size), p=shares)
        return [table[rows, column] for column in range(table.shape[1])]
    if law.is_scalar:
        return [draw_law(law, (1, CHUNK * size), seed, stream).reshape(CHUNK, size)]
    if isinstance(law, Normal):
        generator = np.random.Generator(np.random.Philox(key=[seed, stream]))
        covariance = np.array([[float(entry) for entry in row] for row in law.covariance])
        levels, vectors = np.linalg.eigh(covariance)
        root = vectors * np.sqrt(np.clip(levels, 0, None))
        found = generator.standard_normal((CHUNK, size, len(root))) @ root.T + np.array(law.means, dtype=float)
        return [found[..., column] for column in range(len(root))]
    raise UnsupportedExpectation(
        f"the joint law {law} cannot be drawn here; take the exponents of block.random_map() by numerics.lyapunov_spectrum"
    )


def _subsets(law: Any, size: int, seed: int, chunk: int) -> list[Array]:
    """Distinct rows of a data set for every batch."""
    table, _ = _table(law)
    generator = np.random.Generator(np.random.Philox(key=[seed, chunk]))
    rows = np.empty((CHUNK, size), dtype=np.int64)
    step = max(1, 2**22 // len(table))
    for begin in range(0, CHUNK, step):
        keys = generator.random((min(step, CHUNK - begin), len(table)))
        rows[begin : begin + step] = np.argpartition(keys, size - 1, axis=1)[:, :size]
    return [table[rows, column] for column in range(table.shape[1])]


def _bernoulli_sums(singles: Array, fraction: float, seed: int, chunk: int) -> Array:
    """Sums over the samples that join, each with the probability `fraction`, of CHUNK batches."""
    generator = np.random.Generator(np.random.Philox(key=[seed, chunk]))
    step = max(1, 2**22 // len(singles))
    return np.concatenate(
        [
            (generator.random((min(step, CHUNK - begin), len(singles))) < fraction) @ singles
            for begin in range(0, CHUNK, step)
        ]
    )


def _table(law: Any) -> tuple[Array, Array]:
    """The outcomes of a finite law, shape (outcome, slot), and their probabilities."""
    if hasattr(law, "arrays"):
        table = np.stack([np.asarray(array, dtype=float) for array in law.arrays], axis=1)
        return table, np.full(len(table), 1 / len(table))
    pairs = [(value if isinstance(value, tuple) else (value,), weight) for value, weight in law.outcomes()]
    shares = np.array([float(weight) for _, weight in pairs])
    return np.array([[float(entry) for entry in value] for value, _ in pairs]), shares / shares.sum()
