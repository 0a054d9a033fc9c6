r"""Moments over one epoch of reshuffled batches, exactly, by a recursion over subsets of the data.

With $\Phi_B$ what one step with batch B does to the moments, $Q_\emptyset=1$ and $Q_J=\sum_{B\subset J,|B|=S}\Phi_BQ_{J\setminus B}$, the
mean over all orders of an epoch is $Q_{\{1\dots N\}}(S!)^{N/S}/N!$: $2^N$ subsets in place of $N!$ orders.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from math import comb

import numpy as np
from numpy.typing import NDArray

from numerics.stability.matrices import sample_curvatures
from numerics.stability.matrix.curvature_moments import values_at
from numerics.stability.problem import Array, Estimate, Grid
from numerics.values import whole_number
from theory import Block, ExponentKind, Sampling

LARGEST = 16
"""Samples of the data set up to which the subsets are visited."""
WORK = 2 * 10**9
"""Multiplications up to which an epoch is averaged: a few seconds."""


def batches(count: int, size: int) -> NDArray[np.int64]:
    """The batches of `size` out of `count` samples, shape (batch, size), in the order in which `epoch_average` takes their maps."""
    return np.array(list(combinations(range(count), size)), dtype=np.int64)


def epoch_work(count: int, size: int, width: int) -> float:
    """The multiplications of `epoch_average` for maps of that dimension, infinite beyond `LARGEST` samples."""
    if count > LARGEST or count % size:
        return float("inf")
    pairs = sum(comb(count, filled) * comb(filled, size) for filled in range(size, count + 1, size))
    return float(pairs) * width**3


def epoch_average(maps: Array, count: int, size: int, apply: Callable[[Array, Array], Array]) -> Array:
    """The mean over all orders of an epoch of the products of maps, the later batch on the left.

    `maps`: one per batch, (batch, ...), as `batches` lists them; `apply(map, products)` multiplies one into many, (many, ...).
    """
    chosen = (1 << batches(count, size)).sum(axis=1)
    subsets = np.zeros(1, dtype=np.int64)
    totals = _one(maps)
    for filled in range(size, count + 1, size):
        masks = (1 << batches(count, filled)).sum(axis=1)
        order = np.argsort(masks)
        masks = masks[order]
        grown = np.zeros((len(masks), *maps.shape[1:]))
        for batch, step in zip(chosen, maps, strict=True):
            rows = np.flatnonzero((subsets & batch) == 0)
            grown[np.searchsorted(masks, subsets[rows] | batch)] += apply(step, totals[rows])
        # every subset averages over the batches that may come last, which keeps the numbers in range
        subsets, totals = masks, grown / comb(filled, size)
    return np.asarray(totals[0])


def _one(maps: Array) -> Array:
    if maps.ndim == 3 and maps.shape[1] == maps.shape[2]:
        return np.eye(maps.shape[1])[None]
    return np.ones((1, *maps.shape[1:]))


def reshuffled_scalar(block: Block, grid: Grid, order: float) -> Estimate | None:
    r"""Return L(p) per step of a scalar block under reshuffled batches, $\frac SN\log\mathbb{E}\prod_B|m_B|^p$ over an epoch.

    Any real `order`; +inf where a multiplier vanishes and p < 0. None for other blocks, sampling modes, and more than `LARGEST` samples.
    Exact but for rounding: the values of |m_B|^p are added without cancellation.
    """
    if not block.is_scalar or block.batch.mode != Sampling.RESHUFFLED:
        return None
    count = block.batch.data_count or 1
    values, errors = np.empty(grid.size), np.empty(grid.size)
    keep, weight, sizes = grid.table([block.step.carry, block.step.weight, block.batch.size])
    for size in np.unique(sizes):
        whole = whole_number(float(size), f"batch_size = {block.batch.size}")
        rows = np.flatnonzero(sizes == size)
        if epoch_work(count, whole, 1) * len(rows) > WORK:
            return None
        means = np.stack([_batch_means(block, grid, int(row), whole) for row in rows], axis=1)  # (batch, row)
        multipliers = keep[rows] + weight[rows] * means
        scale = np.abs(keep[rows]) + np.abs(weight[rows] * means)
        zero = np.abs(multipliers) <= 8 * np.finfo(float).eps * scale  # a zero of exact arithmetic, missed by rounding
        multipliers = np.where(zero, 0.0, np.abs(multipliers))
        with np.errstate(divide="ignore", invalid="ignore"):
            sizes_of_steps = order * np.log(multipliers) if order else np.zeros_like(multipliers)
            largest = np.max(sizes_of_steps, axis=0)
            shift = np.where(np.isfinite(largest), largest, 0.0)  # keeps the products of an epoch in range
            total = epoch_average(np.exp(sizes_of_steps - shift), count, whole, np.multiply)
            values[rows] = np.log(total) * whole / count + shift
            loss = np.where(zero, 1.0, scale / np.where(zero, 1.0, multipliers)).max(
                axis=0
            )  # of digits in kappa - eta h
        errors[rows] = np.finfo(float).eps * (4 * abs(order) * loss + 8 * count)
    return Estimate(values, errors, ExponentKind.CLOSED_FORM)


def _batch_means(block: Block, grid: Grid, point: int, size: int) -> Array:
    samples = sample_curvatures(block, values_at(grid, point))
    assert samples is not None  # noqa: S101 - reshuffled batches have an Empirical data set
    return np.asarray(samples.matrices[batches(len(samples.matrices), size)].mean(axis=1)[:, 0, 0])
