r"""Chernoff bounds on scalar modes: $P(|\theta_t|\ge\epsilon|\theta_0|)\le\min_{p>0}\epsilon^{-p}e^{tL(p)}$ at every finite t."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar

from numerics.stability.exponents import grid_of, refuse_arrays, refuse_impossible
from numerics.stability.problem import Grid
from numerics.stability.scalar.moment_exponent import scalar_moment_exponent
from theory import Block, ExponentKind, Sampling, Stability
from theory.errors import AlgorithmNotCovered, InvalidRequest

LARGEST = 512.0
"""The largest power that is tried."""


@dataclass(frozen=True)
class ChernoffBound:
    """A bound on P(|theta_t| >= ratio |theta_0|): `probability`, at most one; the `order` p that gives it; how L(p) is `kind` known."""

    mode: str
    probability: float
    order: float
    kind: ExponentKind


def chernoff_bound(
    equations: Stability, *, mode: str, at: Mapping[Any, Any] | None = None, steps: int, ratio: float
) -> ChernoffBound:
    r"""Return a bound on the probability that a scalar mode, after `steps` steps, is not below `ratio` times its start.

    $$ P(|\theta_t|\ge\epsilon|\theta_0|) \le \min_{p>0}\epsilon^{-p}e^{tL(p)} . $$

    Parameters
    ----------
    equations : a `Stability`. mode : the name of a scalar mode. at : a number for every symbol.
    steps : t, at least 1. ratio : epsilon > 0.

    Raises `InvalidRequest` for other `steps` (whole epochs of reshuffled and cyclic data) and `ratio`, `UnknownValue` for the mode,
    `AlgorithmNotCovered` for a matrix mode and for a moment exponent that is known from random draws alone, which prove nothing.

    Validity: a theorem (Markov's inequality) at every t, up to the error of L(p); where the batches of one epoch depend on each other,
    after whole epochs. The exponent p log(1/eps) + t L(p) is convex in p, and is minimised to rounding.

    >>> from theory import SGD, Model, Normal, stability, symbols
    >>> u, x, eta = *symbols("u x"), symbols("eta", positive=True)
    >>> found = stability(Model((u*x)**2/2, [u], {x: Normal()}), SGD(eta), point={u: 0})
    >>> bound = chernoff_bound(found, mode="u", at={eta: 1}, steps=50, ratio=1e-3)
    >>> round(bound.probability, 4), round(bound.order, 3)
    (0.1041, 0.342)
    """
    if isinstance(steps, bool) or not isinstance(steps, (int, np.integer)) or steps < 1:
        raise InvalidRequest(f"steps={steps!r}: expected a positive whole number")
    if not (np.isfinite(ratio) and ratio > 0):
        raise InvalidRequest(f"ratio={ratio!r}: expected a positive number, |theta_t| over |theta_0|")
    block = equations.block(mode)
    if not block.is_scalar:
        raise AlgorithmNotCovered(
            f"the mode {mode} is a product of {block.order} x {block.order} matrices; the bound is for scalar modes"
        )
    refuse_arrays(at or {})
    grid, _ = grid_of(equations, at or {})
    refuse_impossible(equations, grid)
    _require_whole_epochs(block, grid, steps)
    kinds: list[ExponentKind] = [ExponentKind.CLOSED_FORM]

    def logarithm(order: float) -> float:
        if order == 0:
            return 0.0
        found = scalar_moment_exponent(block, grid, order)
        kinds.append(found.kind)
        value = float(found.values[0] + found.errors[0]) * steps - order * np.log(ratio)
        return float(np.clip(value, -1e300, 1e300))

    high = 1.0
    while high < LARGEST and logarithm(2 * high) < logarithm(high):
        high *= 2
    best = minimize_scalar(logarithm, bounds=(0.0, 2 * high), method="bounded", options={"xatol": 1e-9})
    order, value = (float(best.x), float(best.fun)) if best.fun < 0 else (0.0, 0.0)
    kind = max(kinds, key=list(ExponentKind).index)
    if kind == ExponentKind.MONTE_CARLO:
        raise AlgorithmNotCovered(
            f"the moment exponents of the mode {mode} are known from random draws alone here, which bound nothing"
        )
    return ChernoffBound(mode, float(np.exp(value)), order, kind)


def _require_whole_epochs(block: Block, grid: Grid, steps: int) -> None:
    """Batches of one epoch depend on each other; after whole epochs E|theta|^p is exp(t L(p)) all the same."""
    if block.batch.mode not in (Sampling.RESHUFFLED, Sampling.CYCLIC) or block.batch.data_count is None:
        return
    epoch = block.batch.data_count // int(grid.of(block.batch.size)[0])
    if steps % epoch:
        raise InvalidRequest(
            f"steps={steps}: with sampling={block.batch.mode} give whole epochs, multiples of {epoch} steps"
        )
