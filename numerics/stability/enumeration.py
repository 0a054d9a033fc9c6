"""Batch means with finitely many values: the exponent as a finite sum, over compositions or subsets."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, islice
from math import comb, lgamma

import numpy as np
import sympy
from numpy.typing import NDArray
from scipy.special import gammaln

from numerics.stability.problem import Array, Estimate, Problem
from theory import ExponentKind, Sampling
from theory.stability.batches import SUBSET
from theory.stability.randomness import ENUMERATED

WORK = 3 * 10**7
"""Batches times points up to which all are visited: a second or two."""
IMPOSSIBLE = 1e-300
"""Stands for a probability of zero, whose powers vanish."""
CHUNK = 2**20
"""Terms times points that are held at a time."""


def enumerated(problem: Problem) -> Estimate | None:
    """The exponent by visiting every batch; None where the curvature is continuous or the batches are too many."""
    present = problem.randomness.of(problem.curvature)
    if present.continuous:
        return None
    values, shares = _single_values(problem)
    count, size = len(values), problem.size
    mode = problem.batch.mode
    if mode in SUBSET:
        if comb(count, size) * problem.grid.size > WORK:
            return None
        blocks = _chunks(combinations(range(count), size), max(1, CHUNK // problem.grid.size))
        total = sum((_log_sum(problem, values[block].mean(axis=1)) for block in blocks), np.zeros(problem.grid.size))
        return _estimate(problem, total / comb(count, size))
    if mode == Sampling.CYCLIC:
        means = values.reshape(count // size, size, -1).mean(axis=1)
        return _estimate(problem, _log_sum(problem, means) / len(means))
    if comb(size + count - 1, size) * problem.grid.size > WORK:
        return None
    logs = np.log(np.where(shares > 0, shares, IMPOSSIBLE))
    if np.all(logs == logs[:, :1]):
        logs = logs[:, :1]
    total = np.zeros(problem.grid.size)
    for counts in _compositions(size, count, max(1, CHUNK // problem.grid.size)):
        ways = lgamma(size + 1) - gammaln(counts + 1).sum(axis=1)[:, None]  # (term, 1)
        total += _log_sum(problem, counts @ values / size, np.exp(ways + counts @ logs))
    return _estimate(problem, total)


def _estimate(problem: Problem, values: Array) -> Estimate:
    return problem.estimate(values, 64 * np.finfo(float).eps, ExponentKind.CLOSED_FORM)


def _single_values(problem: Problem) -> tuple[Array, Array]:
    """One sample's curvature and its probability, each of shape (outcome, point); equal symbolic values are merged."""
    present = problem.randomness.of(problem.curvature)
    if not present.groups:
        return problem.grid.table([problem.curvature]), np.ones((1, problem.grid.size))
    if present.outcome_count > ENUMERATED or problem.batch.mode in (*SUBSET, Sampling.CYCLIC):
        return _table_values(problem)
    merged: dict[sympy.Expr, sympy.Expr] = {}
    for values, share in present.outcomes():
        key = sympy.expand(problem.curvature.xreplace(values))
        merged[key] = merged.get(key, sympy.S.Zero) + share
    return problem.grid.table(merged), problem.grid.table(merged.values())


def _table_values(problem: Problem) -> tuple[Array, Array]:
    """The same for large tables: outcomes as columns of numbers, the curvature a function of them."""
    present = problem.randomness.of(problem.curvature)
    ((_, law),) = present.groups if len(present.groups) == 1 else ((None, None),)
    if law is not None and hasattr(law, "arrays"):
        columns = [np.asarray(array, dtype=float) for array in law.arrays]
        shares = np.full((law.count, 1), 1 / law.count)
    else:
        rows = list(present.outcomes())
        columns = [np.array([float(values[s]) for values, _ in rows]) for s in present.symbols]
        shares = problem.grid.table([share for _, share in rows])
    names = sorted(problem.curvature.free_symbols - set(present.symbols), key=str)
    function = sympy.lambdify([*present.symbols, *names], problem.curvature, ["scipy", "numpy"], cse=True)
    arguments = [c[:, None] for c in columns] + [problem.grid.values[name][None] for name in names]
    shape = (len(columns[0]), problem.grid.size)
    values = np.broadcast_to(np.asarray(function(*arguments), dtype=float), shape)
    return np.array(values), np.broadcast_to(shares, shape)


def _log_sum(problem: Problem, means: Array, shares: Array | float = 1.0) -> Array:
    """Sum over batches (first axis) of probability * log|multiplier|, minus infinity where a multiplier is zero."""
    keep, weight = problem.grid.table([problem.keep, problem.weight])
    multipliers = keep + weight * means
    scale = np.abs(keep) + np.abs(weight * means)
    exact = np.abs(multipliers) <= 8 * np.finfo(float).eps * scale  # a zero of exact arithmetic, missed by rounding
    with np.errstate(divide="ignore"):
        logs = np.log(np.where(exact, 0.0, np.abs(multipliers)))
    return np.where(np.asarray(shares) > 0, shares * logs, 0.0).sum(axis=0)


def _chunks(tuples: Iterator[tuple[int, ...]], length: int) -> Iterator[NDArray[np.int64]]:
    while block := list(islice(tuples, length)):
        yield np.array(block)


def _compositions(total: int, parts: int, length: int) -> Iterator[NDArray[np.int64]]:
    """Arrays of at most `length` rows: every way to write `total` as an ordered sum of `parts` whole numbers >= 0."""
    bars = combinations(range(total + parts - 1), parts - 1)
    while block := list(islice(bars, length)):
        table: NDArray[np.int64] = np.array(block, dtype=np.int64).reshape(len(block), parts - 1)
        edges = np.hstack([np.full((len(block), 1), -1), table, np.full((len(block), 1), total + parts - 1)])
        yield np.diff(edges, axis=1) - 1
