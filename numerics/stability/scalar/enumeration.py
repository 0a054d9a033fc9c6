"""Batch means with finitely many values: averages over a step as finite sums, over compositions or subsets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations, combinations_with_replacement, islice, pairwise
from math import comb, lgamma

import numpy as np
import sympy
from numpy.typing import NDArray
from scipy.special import gammaln

from numerics.stability.problem import Array, Estimate, Problem
from theory import ExponentKind, Sampling
from theory.algorithm import Bernoulli
from theory.stability.batches import SUBSET
from theory.stability.randomness import ENUMERATED

WORK = 3 * 10**7
"""Batches times points up to which all are visited: a second or two."""
IMPOSSIBLE = 1e-300
"""Stands for a probability of zero, whose powers vanish."""
CHUNK = 2**20
"""Terms times points that are held at a time."""

Batches = Iterator[tuple[Array, Array]]
"""Mean curvatures (batch, point) with their probabilities, of a shape that broadcasts to it."""


def enumerated(problem: Problem) -> Estimate | None:
    """The exponent by visiting every batch; None where the curvature is continuous or the batches are too many."""
    visited = all_batches(problem)
    if visited is None:
        return None
    total = np.zeros(problem.grid.size)
    for means, shares in visited:
        total += np.where(shares > 0, shares * log_multipliers(problem, means), 0.0).sum(axis=0)
    return problem.estimate(total, 64 * np.finfo(float).eps, ExponentKind.CLOSED_FORM)


def all_batches(problem: Problem) -> Batches | None:
    """Every batch of one step, in parts; None where the curvature is continuous or there are too many.

    Batches of a cyclic order or of one epoch are listed with their frequencies.
    """
    present = problem.randomness.of(problem.curvature)
    if present.continuous:
        return None
    values, shares = single_values(problem)
    count, mode = len(values), problem.batch.mode
    length = max(1, CHUNK // problem.grid.size)
    if not present.groups:
        return iter([(values, shares)])
    if isinstance(mode, Bernoulli):
        return _bernoulli(problem, mode, values, length) if count < 60 and _affordable(problem, 2**count) else None
    size = problem.size
    if mode in SUBSET:
        ways = comb(count, size)
        blocks = _chunks(combinations(range(count), size), max(1, length // size))
        return (
            ((values[b].mean(axis=1), np.full((1, 1), 1 / ways)) for b in blocks)
            if _affordable(problem, ways)
            else None
        )
    if mode == Sampling.CYCLIC:
        means = values.reshape(count // size, size, -1).mean(axis=1)
        return iter([(means, np.full((1, 1), 1 / len(means)))])
    return _fresh(size, values, shares, length) if _affordable(problem, comb(size + count - 1, size)) else None


def log_multipliers(problem: Problem, means: Array) -> Array:
    """log|keep + weight * mean| at every point, minus infinity where a multiplier is zero."""
    keep, weight = problem.grid.table([problem.keep, problem.weight])
    multipliers = keep + weight * means
    scale = np.abs(keep) + np.abs(weight * means)
    exact = np.abs(multipliers) <= 8 * np.finfo(float).eps * scale  # a zero of exact arithmetic, missed by rounding
    with np.errstate(divide="ignore"):
        return np.log(np.where(exact, 0.0, np.abs(multipliers)))


def single_values(problem: Problem) -> tuple[Array, Array]:
    """One sample's curvature and its probability, each of shape (outcome, point).

    Equal symbolic values are merged, unless the place in a data set matters.
    """
    present = problem.randomness.of(problem.curvature)
    if not present.groups:
        return problem.grid.table([problem.curvature]), np.ones((1, problem.grid.size))
    placed = problem.batch.mode in (*SUBSET, Sampling.CYCLIC) or isinstance(problem.batch.mode, Bernoulli)
    if present.outcome_count > ENUMERATED or placed:
        return _table_values(problem)
    merged: dict[sympy.Expr, sympy.Expr] = {}
    for values, share in present.outcomes():
        key = sympy.expand(problem.curvature.xreplace(values))
        merged[key] = merged.get(key, sympy.S.Zero) + share
    return problem.grid.table(merged), problem.grid.table(merged.values())


def _affordable(problem: Problem, count: int) -> bool:
    return count * problem.grid.size <= WORK


def _fresh(size: int, values: Array, shares: Array, length: int) -> Batches:
    """Independent draws: how many of each outcome, with the multinomial probability."""
    logs = np.log(np.where(shares > 0, shares, IMPOSSIBLE))
    if np.all(logs == logs[:, :1]):
        logs = logs[:, :1]
    if size < len(values):  # shorter rows
        for picked in _chunks(combinations_with_replacement(range(len(values)), size), max(1, length // size)):
            yield values[picked].mean(axis=1), np.exp(_ways(picked) + logs[picked].sum(axis=1))
        return
    for counts in _compositions(size, len(values), length):
        ways = lgamma(size + 1) - gammaln(counts + 1).sum(axis=1)[:, None]  # (term, 1)
        yield counts @ values / size, np.exp(ways + counts @ logs)


def _ways(picked: NDArray[np.int64]) -> Array:
    """The logarithm of the number of orders of every sorted row, shape (row, 1): S! over the factorials of what repeats."""
    place = np.ones(len(picked))  # the k-th of its kind
    total = np.full(len(picked), lgamma(picked.shape[1] + 1))
    for left, right in pairwise(picked.T):
        place = np.where(left == right, place + 1, 1.0)
        total -= np.log(place)
    return total[:, None]


def _bernoulli(problem: Problem, mode: Bernoulli, values: Array, length: int) -> Batches:
    """Every subset of the data, its sum over fraction * N."""
    count = len(values)
    (fraction,) = problem.grid.table([mode.fraction])
    for begin in range(0, 2**count, length):
        codes = np.arange(begin, min(begin + length, 2**count))
        members = (codes[:, None] >> np.arange(count)) & 1
        sizes = members.sum(axis=1)[:, None]
        yield members @ values / (fraction * count), fraction**sizes * (1 - fraction) ** (count - sizes)


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


def epochs(values: Array, size: int, limit: int, power: Callable[[Array], Array]) -> Array | None:
    r"""log E prod_B |m_B|^p over one epoch of a random permutation, at every point; None for more than `limit` steps of work.

    Numbers commute, so that a permutation counts as the partition of the data into its blocks. With J what is left to distribute and
    the block of its first element drawn among all blocks that hold it,

    $$ Q_J = \binom{|J|-1}{S-1}^{-1} \sum_{B \subset J,\ \min J \in B} |m_B|^p\, Q_{J \setminus B} . $$

    `power`: mean curvatures of blocks (block, point) -> p log|m|.
    """
    count = len(values)
    work = sum(comb(count - 1, k) for k in range(size - 1, count, size)) * comb(count - 1, size - 1)
    if size > 1 and (count > 24 or work * values.shape[1] > limit):
        return None
    if size in (1, count):
        return np.asarray(power(values.reshape(count // size, size, -1).mean(axis=1)).sum(axis=0))
    known: dict[tuple[int, ...], Array] = {(): np.zeros(values.shape[1])}
    single: dict[tuple[int, ...], Array] = {}

    def of(left: tuple[int, ...]) -> Array:
        if left not in known:
            first, rest = left[0], left[1:]
            terms = []
            for others in combinations(rest, size - 1):
                block = (first, *others)
                if block not in single:
                    single[block] = power(values[list(block)].mean(axis=0)[None])[0]
                terms.append(single[block] + of(tuple(item for item in rest if item not in others)))
            known[left] = np.logaddexp.reduce(terms, axis=0) - np.log(len(terms))
        return known[left]

    return of(tuple(range(count)))
