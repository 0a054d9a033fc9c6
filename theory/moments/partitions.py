"""Set partitions, and the weights with which they enter the moments of a batch mean."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from math import factorial, prod

import sympy
from sympy import Expr, S

from theory.algorithm import Bernoulli, Sampling

Block = tuple[int, ...]
Partition = tuple[Block, ...]


@cache
def set_partitions(size: int) -> tuple[Partition, ...]:
    """All partitions of {0, ..., size-1} into non-empty blocks (Bell-number many).

    >>> set_partitions(2)
    (((0, 1),), ((0,), (1,)))
    """
    if size == 0:
        return ((),)
    return tuple(_extend(set_partitions(size - 1), size - 1))


def _extend(partitions: Sequence[Partition], element: int) -> Iterator[Partition]:
    for partition in partitions:
        for index, block in enumerate(partition):
            yield (*partition[:index], (*block, element), *partition[index + 1 :])
        yield (*partition, (element,))


def coarsenings(partition: Partition) -> Iterator[tuple[int, Partition]]:
    """Every coarser partition with its Moebius weight prod (-1)^(n_C - 1) (n_C - 1)!, n_C merged blocks in C."""
    for grouping in set_partitions(len(partition)):
        weight = prod((-1) ** (len(cluster) - 1) * factorial(len(cluster) - 1) for cluster in grouping)
        yield weight, tuple(tuple(sorted(sum((partition[b] for b in cluster), ()))) for cluster in grouping)


def falling(value: Expr, count: int) -> Expr:
    """value (value - 1) ... (value - count + 1)."""
    return sympy.Mul(*(value - j for j in range(count)))


def fresh_weight(batch_size: Expr, slots: int, blocks: int) -> Expr:
    """(S)_b / S^k, the chance that k slots of independent draws fall into b given distinct draws, in powers of 1/S."""
    return sympy.expand(sympy.Mul(*(1 - j / batch_size for j in range(blocks))) * batch_size ** (blocks - slots))


def subset_weight(batch_size: Expr, count: int, slots: int, blocks: int) -> Expr:
    """(S)_b / (S^k (N)_b): S distinct points out of N. Zero if b > N."""
    if blocks > count:
        return S.Zero
    return fresh_weight(batch_size, slots, blocks) / falling(sympy.Integer(count), blocks)


def bernoulli_weight(fraction: Expr, count: int, slots: int, blocks: int) -> Expr:
    """b^blocks / (b N)^k: every point joins with probability b, and the sum is divided by b N."""
    return S.Zero if blocks > count else fraction ** (blocks - slots) / sympy.Integer(count) ** slots


def pair_rule(mode: object, batch_size: Expr, count: int | None) -> tuple[Expr, Expr]:
    """E gbar_a gbar_b = first * E[g_a g_b] + second * E[g_a] E[g_b], for display: the partitions of two slots, collected."""
    if isinstance(mode, Bernoulli) and count is not None:
        together, apart = bernoulli_weight(mode.fraction, count, 2, 1), bernoulli_weight(mode.fraction, count, 2, 2)
    elif mode == Sampling.FULL_BATCH:
        return S.Zero, S.One
    elif mode == Sampling.WITHOUT_REPLACEMENT and count is not None:
        together, apart = subset_weight(batch_size, count, 2, 1), subset_weight(batch_size, count, 2, 2)
    else:
        return fresh_weight(batch_size, 2, 1), fresh_weight(batch_size, 2, 2)
    # sums over distinct points, written by sums over all points: sum_{i != j} = (N E)(N E) - N E
    return sympy.factor(count * (together - apart)), sympy.factor(count**2 * apart)
