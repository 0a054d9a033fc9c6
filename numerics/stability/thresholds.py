r"""Thresholds: the values of one symbol at which a fixed point is stable, as a set of intervals.

An exponent may vanish several times, so that nothing is bisected blindly. Three cases know all their roots, as functions of the learning
rate of a scalar block: batch means with finitely many values (`numerics.stability.level_sets.finite_sums`), for Lambda and for L(p)
with p < 1; and any law for p >= 1, since

$$ e^{L(p)} = \mathbb{E}|1 - \eta c|^p $$

is then convex in eta: the stable set is one interval or empty. Otherwise the symbol is scanned on a grid, every change of sign is refined,
and the grid is part of the answer.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
from sympy import Symbol

from numerics.stability.exponents import checked_runs, exponents_on, grid_of, refuse_arrays, refuse_impossible
from numerics.stability.level_sets.finite_sums import finite_sum, is_affine
from numerics.stability.level_sets.sign_changes import Evaluation, bracketed, crossings, is_negative, lowest
from numerics.stability.level_sets.stable_sets import (
    MATRIX_SCAN,
    SCAN,
    Interval,
    StableSet,
    Thresholds,
    joined,
    together,
)
from numerics.stability.moment_exponents import block_moment_exponent
from numerics.stability.problem import Array, Grid
from numerics.stability.runs import Runs
from numerics.stability.scalar.moment_exponent import checked_order
from numerics.targets import Target
from theory import Block, ExponentKind, Sampling, Stability
from theory.errors import InvalidRequest, UnknownValue

__all__ = ["StableSet", "Thresholds", "thresholds"]

SMALLEST = 1e-6
"""The first learning rate of a scan that begins at zero, as a share of the last."""


def thresholds(
    equations: Stability,
    *,
    of: Any,
    between: Interval,
    order: float = 0,
    at: Mapping[Any, Any] | None = None,
    steps: int = 4_000,
    replicas: int = 64,
    seed: int = 0,
    target: Target = Target.CPU,
    threads: int | None = None,
) -> Thresholds:
    """Return where each mode is stable as one symbol varies, as sets of intervals, and the value at which it contracts most.

    Parameters
    ----------
    equations : a `Stability`.  of : the symbol that varies, or its name; often the learning rate.
    between : the range, two numbers; positive ones are scanned on a logarithmic grid.
    order : 0 for stability in probability, where the Lyapunov exponent is negative; p > 0 for stability in the p-th mean, L(p) < 0.
    at : a number for every other symbol.
    steps, replicas, seed, target, threads : of the runs that give the exponents of matrix blocks; the same draws serve every value.

    Where the exponent has no closed form and its characteristic function is itself an integral, scans of many points draw at random:
    roots are then known to the width of the undecided stretch around them; `solve` at single values is sharper.

    Raises `UnknownValue` for a symbol that the problem does not have, `MissingValue`, and `InvalidRequest` for an empty range, a negative
    order, or where every mode is neutral.

    >>> from theory import SGD, Discrete, Model, stability, symbols
    >>> u, w, y = symbols("u w y")
    >>> eta = symbols("eta", positive=True)
    >>> model = Model((u*w - y)**2/2, [u, w], {y: Discrete({1: 0.5, -0.8: 0.5})})
    >>> print(thresholds(stability(model, SGD(eta), point={u: 0, w: 0}), of=eta, between=(0.01, 5)).mode("u + w"))
    u + w: stable for eta in (0.25, 1.71107219) within [0.01, 5] (all roots found)
    """
    symbol = _symbol(equations, of)
    low, high = _range(between)
    power = checked_order(order)
    if power < 0:
        raise InvalidRequest(f"order={order}: give 0 (stability in probability) or a positive p (in the p-th mean)")
    if symbol in {str(key) for key in at or {}}:
        raise InvalidRequest(f"{symbol} is what varies; leave it out of at")
    refuse_arrays(at or {})
    if symbol in {str(s) for block in equations.blocks for s in block.batch.size.free_symbols}:
        raise InvalidRequest(
            f"of={symbol}: a batch size takes whole numbers only; compare them with solve(..., at={{{symbol}: [1, 2, 4, 8]}})"
        )
    runs = checked_runs(steps, replicas, seed, target, threads)
    modes = [block for block in equations.blocks if not block.is_silent]
    if not modes:
        raise InvalidRequest(
            "every direction is neutral: no sample curves the loss, and linear theory has no threshold"
        )
    base, _ = grid_of(equations, {**(at or {}), symbol: high})
    if low < 0:  # zero itself is approached, not taken
        grid_of(equations, {**(at or {}), symbol: low})
        if symbol == str(equations.algorithm.learning_rate):
            raise InvalidRequest(f"between={between!r}: a learning rate is positive; begin the range at 0")
    found = tuple(_stable_set(equations, block, symbol, (low, high), power, base, runs) for block in modes)
    return Thresholds(found, together(found))


def _symbol(equations: Stability, of: Any) -> str:
    known = [str(symbol) for symbol in equations.free_symbols]
    if str(of) not in known:
        close = difflib.get_close_matches(str(of), known, n=1)
        hint = f" (did you mean {close[0]}?)" if close else ""
        raise UnknownValue(f"of={of}{hint}: the symbols of this problem are {', '.join(known) or 'none'}")
    return str(of)


def _range(between: Any) -> Interval:
    try:
        low, high = (float(end) for end in between)
    except (TypeError, ValueError):
        raise InvalidRequest(f"between={between!r}: give two numbers, as in between=(0.01, 3)") from None
    if not (np.isfinite(low) and np.isfinite(high) and low < high):
        raise InvalidRequest(f"between={between!r}: the first number must be below the second, both finite")
    return low, high


def _stable_set(
    equations: Stability, block: Block, name: str, between: Interval, order: float, base: Grid, runs: Runs
) -> StableSet:
    symbol = next(s for s in equations.free_symbols if str(s) == name)
    rate = equations.algorithm.learning_rate
    points = SCAN if block.is_scalar else MATRIX_SCAN
    finite = finite_sum(block, rate, symbol, order, between, base)
    convex = False
    if finite is not None and finite.order < 1:
        evaluate, nodes = finite.evaluate, finite.nodes(between)
        values, errors = evaluate(nodes)
        best = finite.lowest(between)
    else:
        affine = is_affine(block, rate, symbol)
        scanned = _Scanned(equations, block, symbol, order, base, runs)
        evaluate, nodes = scanned.evaluate, _scan(between, points, positive=affine)
        values, errors = evaluate(nodes)
        best = (
            (float(nodes[np.argmin(values)]), float(values.min())) if scanned.noisy else lowest(evaluate, nodes, values)
        )
        convex = affine and order >= 1 and not scanned.noisy and block.batch.mode not in DEPENDENT
    if convex:
        intervals, undecided = _of_convex(evaluate, nodes, values, errors, best, between)
    else:
        roots, undecided = crossings(nodes, values, errors, evaluate)
        edges = np.array([between[0], *roots, between[1]])
        negative = [is_negative(evaluate, nodes, values, low, high) for low, high in pairwise(edges)]
        intervals = joined([(a, b) for a, b, inside in zip(edges[:-1], edges[1:], negative, strict=True) if inside])
    complete = convex or (finite is not None and finite.order < 1)
    return StableSet(block.name, name, between, intervals, complete, undecided, *best, order, points)


DEPENDENT = (Sampling.RESHUFFLED, Sampling.CYCLIC)
"""Modes whose L(p) is no average of one step, so that it need not be convex in the learning rate."""


class _Scanned:
    """The exponent of one block at values of the symbol, and whether it has been met as random draws."""

    def __init__(
        self, equations: Stability, block: Block, symbol: Symbol, order: float, base: Grid, runs: Runs
    ) -> None:
        self.equations, self.block, self.symbol = replace(equations, blocks=(block,)), block, symbol
        self.order, self.base, self.runs = order, base, runs
        self.noisy = False

    def evaluate(self, values: Array) -> tuple[Array, Array]:
        """Exponents and their errors; of a matrix block point by point, so that each takes the best road open to it alone."""
        if self.block.is_scalar:
            return self._on(values)
        found = [self._on(values[k : k + 1]) for k in range(len(values))]
        return np.concatenate([value for value, _ in found]), np.concatenate([error for _, error in found])

    def _on(self, values: Array) -> tuple[Array, Array]:
        columns = {s: np.full(len(values), column[0]) for s, column in self.base.values.items()}
        grid = Grid({**columns, self.symbol: values}, len(values))
        if self.order == 0:
            estimate = exponents_on(self.equations, grid, self.runs).estimates[0]
        else:
            refuse_impossible(self.equations, grid)
            estimate = block_moment_exponent(self.block, grid, self.order, self.runs)
        drawn = estimate.kind == ExponentKind.MONTE_CARLO
        self.noisy |= drawn
        return estimate.values, (3.0 if drawn else 1.0) * estimate.errors


def _of_convex(
    evaluate: Evaluation, nodes: Array, values: Array, errors: Array, best: tuple[float, float], between: Interval
) -> tuple[tuple[Interval, ...], tuple[Interval, ...]]:
    """The one interval on which a convex function is below its level, and the stretch around a minimum that touches it."""
    place, value = best
    doubt = float(errors[np.argmin(np.abs(nodes - place))])
    if not value < -doubt:
        index = int(np.argmin(values))
        beside = (float(nodes[max(index - 1, 0)]), float(nodes[min(index + 1, len(nodes) - 1)]))
        return (), ((beside,) if abs(value) <= doubt else ())
    ends = []
    for node, end in ((0, between[0]), (-1, between[1])):
        outside = values[node] > 0 and float(nodes[node]) != place
        ends.append(bracketed(evaluate, *sorted((float(nodes[node]), place))) if outside else end)
    return ((ends[0], ends[1]),), ()


def _scan(between: Interval, points: int, *, positive: bool) -> Array:
    """The points of a scan; a learning rate cannot be zero."""
    low, high = between
    if low > 0:
        return np.geomspace(low, high, points)
    return np.geomspace(SMALLEST * high, high, points) if positive and high > 0 else np.linspace(low, high, points)
