"""Set partitions, and the weights with which they enter the moments of a batch mean."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import product
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


# ----------------------------------------------------------------------------------------- powers of one batch mean


def moment_weights(mode: object, batch_size: Expr, count: int | None, order: int) -> dict[tuple[int, ...], Expr]:
    r"""The raw moment of a batch mean, E ybar^k, as a sum over the whole-number partitions of k: partition -> weight.

    $$ \mathbb{E}\bar y^k=\sum_{\lambda\vdash k}W_\lambda\prod_{j\in\lambda}\mathbb{E}y^j . $$

    The k slots hold the same number, so that set partitions of one type enter together and their Bell-number many terms are never
    listed. `mode`: a `Sampling` of independent batches, or `Bernoulli`; `count`: the size N of the data set where there is one.

    >>> from theory import Sampling, symbols
    >>> S = symbols("S", positive=True, integer=True)
    >>> moment_weights(Sampling.ONLINE, S, None, 2)
    {(2,): 1/S, (1, 1): 1 - 1/S}
    >>> moment_weights(Sampling.WITHOUT_REPLACEMENT, sympy.Integer(5), 5, 2)
    {(2,): 0, (1, 1): 1}
    """
    return {parts: _type_weight(mode, batch_size, count, parts) for parts in whole_partitions(order)}


@cache
def whole_partitions(order: int, largest: int | None = None) -> tuple[tuple[int, ...], ...]:
    """The ways to write a whole number as a sum of positive ones, largest first.

    >>> whole_partitions(3)
    ((3,), (2, 1), (1, 1, 1))
    """
    if order == 0:
        return ((),)
    top = order if largest is None else min(order, largest)
    return tuple((first, *rest) for first in range(top, 0, -1) for rest in whole_partitions(order - first, first))


def _type_weight(mode: object, batch_size: Expr, count: int | None, parts: tuple[int, ...]) -> Expr:
    slots, blocks = sum(parts), len(parts)
    repeats = prod(factorial(parts.count(part)) for part in set(parts))
    ways = factorial(slots) // (prod(map(factorial, parts)) * repeats)
    if mode == Sampling.FULL_BATCH:
        return S.One if blocks == slots else S.Zero
    if count is None or mode in (Sampling.ONLINE, Sampling.WITH_REPLACEMENT):
        return ways * fresh_weight(batch_size, slots, blocks)
    # sums over distinct points by sums over all points: every block of this type merges finer blocks, Moebius-weighted
    merged: dict[int, int] = {}
    for fine in product(*(range(1, part + 1) for part in parts)):
        moebius = prod(
            stirling(part, pieces) * (-1) ** (pieces - 1) * factorial(pieces - 1)
            for part, pieces in zip(parts, fine, strict=True)
        )
        merged[sum(fine)] = merged.get(sum(fine), 0) + moebius
    total = S.Zero
    for distinct, moebius in merged.items():
        if isinstance(mode, Bernoulli):
            total += moebius * bernoulli_weight(mode.fraction, count, slots, distinct)
        else:
            total += moebius * subset_weight(batch_size, count, slots, distinct)
    return sympy.expand(ways * sympy.Integer(count) ** blocks * total)


@cache
def stirling(size: int, blocks: int) -> int:
    """The number of partitions of a set into that many blocks (Stirling's number of the second kind)."""
    if size == blocks:
        return 1
    if blocks < 1 or blocks > size:
        return 0
    return blocks * stirling(size - 1, blocks) + stirling(size - 1, blocks - 1)
