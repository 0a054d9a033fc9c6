r"""Thresholds: the values of one symbol at which a fixed point is stable, as a set of intervals.

An exponent may vanish several times, so that nothing is bisected blindly. For a scalar block whose batch mean takes finitely many
values, as a function of the learning rate

$$ \Lambda(\eta) = \sum_j p_j \log|1 - \eta c_j| $$

is concave between neighbouring poles 1/c_j: on each such interval it is maximised, and has at most two roots, which are bracketed. The set
is then complete. Otherwise the symbol is scanned on a grid, every change of sign is refined, and the grid is part of the answer.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import sympy
from scipy.optimize import brentq, minimize_scalar
from sympy import Symbol

from numerics.stability.exponents import ROUNDING, Runs, checked_runs, exponents_on, grid_of, refuse_arrays
from numerics.stability.problem import Array, Grid
from numerics.targets import Target
from theory import Block, Stability
from theory.errors import InvalidRequest, UnknownValue
from theory.stability.batches import batch_mean_values

Interval = tuple[float, float]
Evaluation = Callable[[Array], tuple[Array, Array]]
"""Exponents and their errors at values of the symbol."""
REFINED = 33
"""Points at which a noisy change of sign is looked at again."""
SCAN = 240
"""Points of the scan where the roots are not provably all found."""


@dataclass(frozen=True)
class StableSet:
    """Where a mode (or, with `mode` None, the whole point) is stable.

    `intervals`: open intervals of the symbol within `between` on which the exponent is negative. `complete`: whether they are provably
    all; else only those wider than the spacing of the scan are. `undecided`: intervals on which the error of the exponent hides its
    sign. `best`: the value with the smallest exponent found, and `best_exponent`; None for the whole point of a saddle without
    stability.
    """

    mode: str | None
    symbol: str
    between: Interval
    intervals: tuple[Interval, ...]
    complete: bool
    undecided: tuple[Interval, ...] = ()
    best: float | None = None
    best_exponent: float | None = None

    def __str__(self) -> str:
        shown = " u ".join(f"({self._end(low)}, {self._end(high)})" for low, high in self.intervals) or "nowhere"
        how = "all roots found" if self.complete else f"on a scan of {SCAN} points"
        unsure = f"; undecided: {', '.join(f'[{a:.6g}, {b:.6g}]' for a, b in self.undecided)}" if self.undecided else ""
        who = "every mode" if self.mode is None else self.mode
        return f"{who}: stable for {self.symbol} in {shown} within [{self.between[0]:g}, {self.between[1]:g}] ({how}{unsure})"

    def _end(self, value: float) -> str:
        """An end of an interval, with no more digits than an undecided stretch around it leaves."""
        widths = [high - low for low, high in self.undecided if low <= value <= high]
        if not widths:
            return f"{value:.9g}"
        digits = max(1, math.ceil(math.log10(abs(value) / min(widths))) + 1) if value else 1
        return f"{value:.{digits}g}"


@dataclass(frozen=True)
class Thresholds:
    """The stable sets of every mode that is not neutral, and of all of them together."""

    modes: tuple[StableSet, ...]
    all_modes: StableSet

    def mode(self, name: str) -> StableSet:
        """The stable set of one mode. Raises `UnknownValue` for a name that no mode has."""
        names = {found.mode: found for found in self.modes}
        if name not in names:
            raise UnknownValue(
                f"there is no mode {name!r} that is not neutral; the modes are {', '.join(map(str, names))}"
            )
        return names[name]

    def __str__(self) -> str:
        return "\n".join(str(found) for found in (*self.modes, self.all_modes))


def thresholds(
    equations: Stability,
    *,
    of: Any,
    between: Interval,
    at: Mapping[Any, Any] | None = None,
    steps: int = 4_000,
    replicas: int = 64,
    seed: int = 0,
    target: Target = Target.CPU,
    threads: int | None = None,
) -> Thresholds:
    """Return where each mode is stable in probability as one symbol varies, as sets of intervals.

    Parameters
    ----------
    equations : a `Stability`.  of : the symbol that varies, or its name; often the learning rate.
    between : the range, two numbers; positive ones are scanned on a logarithmic grid.
    at : a number for every other symbol.
    steps, replicas, seed, target, threads : of the runs that give the exponents of matrix blocks; the same draws serve every value.

    Where the exponent has no closed form and its characteristic function is itself an integral, scans of many points draw at random:
    roots are then known to the width of the undecided stretch around them; `solve` at single values is sharper.

    Raises `UnknownValue` for a symbol that the problem does not have, `MissingValue`, and `InvalidRequest` for an empty range or where
    every mode is neutral.

    >>> from theory import SGD, Discrete, Model, stability, symbols
    >>> u, w, y = symbols("u w y")
    >>> eta = symbols("eta", positive=True)
    >>> model = Model((u*w - y)**2/2, [u, w], {y: Discrete({1: 0.5, -0.8: 0.5})})
    >>> print(thresholds(stability(model, SGD(eta), point={u: 0, w: 0}), of=eta, between=(0.01, 5)).mode("u + w"))
    u + w: stable for eta in (0.25, 1.71107219) within [0.01, 5] (all roots found)
    """
    symbol = _symbol(equations, of)
    low, high = _range(between)
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
    found = tuple(_stable_set(equations, block, symbol, (low, high), base, runs) for block in modes)
    return Thresholds(found, _together(found, symbol, (low, high)))


def _symbol(equations: Stability, of: Any) -> str:
    known = [str(symbol) for symbol in equations.free_symbols]
    if str(of) not in known:
        raise UnknownValue(f"of={of}: the symbols of this problem are {', '.join(known) or 'none'}")
    return str(of)


def _range(between: Any) -> Interval:
    try:
        low, high = (float(end) for end in between)
    except (TypeError, ValueError):
        raise InvalidRequest(f"between={between!r}: give two numbers, as in between=(0.01, 3)") from None
    if not (np.isfinite(low) and np.isfinite(high) and low < high):
        raise InvalidRequest(f"between={between!r}: the first number must be below the second, both finite")
    return low, high


def _stable_set(equations: Stability, block: Block, name: str, between: Interval, base: Grid, runs: Runs) -> StableSet:
    symbol = next(s for s in equations.free_symbols if str(s) == name)
    alone = replace(equations, blocks=(block,))

    def evaluate(values: Array) -> tuple[Array, Array]:
        columns = {s: np.full(len(values), column[0]) for s, column in base.values.items()}
        estimate = exponents_on(alone, Grid({**columns, symbol: values}, len(values)), runs).estimates[0]
        slack = 3.0 if estimate.kind == "Monte Carlo" else 1.0
        return estimate.values, slack * estimate.errors

    finite = _finite_law(block, equations.algorithm.learning_rate, symbol, between, base)
    nodes = _scan(between)
    if finite is not None:
        evaluate = finite.evaluate
        nodes = finite.nodes(between)
    values, errors = evaluate(nodes)
    roots, undecided = _crossings(nodes, values, errors, evaluate)
    edges = np.array([between[0], *roots, between[1]])
    negative = [_is_negative(evaluate, nodes, values, low, high) for low, high in pairwise(edges)]
    intervals = _joined([(a, b) for a, b, inside in zip(edges[:-1], edges[1:], negative, strict=True) if inside])
    best = int(np.argmin(values))
    return StableSet(
        block.name, name, between, intervals, finite is not None, undecided, float(nodes[best]), float(values[best])
    )


def _scan(between: Interval) -> Array:
    return np.geomspace(*between, SCAN) if between[0] > 0 else np.linspace(*between, SCAN)


@dataclass(frozen=True)
class _FiniteLaw:
    """Lambda(eta) = sum of shares * log|1 - eta * coefficients|, concave between neighbouring poles."""

    coefficients: Array
    shares: Array

    def evaluate(self, values: Array) -> tuple[Array, Array]:
        """The exponent at each value, and its error."""
        with np.errstate(divide="ignore"):
            logs = np.log(np.abs(1 - np.multiply.outer(values, self.coefficients)))
        return (logs * self.shares).sum(axis=-1), np.full(np.shape(values), ROUNDING)

    def nodes(self, between: Interval) -> Array:
        """Per piece: points towards its ends, where a pole makes the exponent minus infinity, and its maximum: roots lie between."""
        with np.errstate(divide="ignore"):
            poles = 1 / self.coefficients
        inside = np.unique(poles[np.isfinite(poles) & (poles > between[0]) & (poles < between[1])])
        found: list[float] = []
        for low, high in pairwise([between[0], *inside, between[1]]):
            top = minimize_scalar(
                lambda x: -float(self.evaluate(np.array(x))[0]),
                bounds=(low, high),
                method="bounded",
                options={"xatol": 1e-12 * (high - low)},
            )
            inner = (high - low) * 0.5 ** np.arange(1, 50)
            found += [*(low + inner), *(high - inner), float(top.x)]
        return np.unique(np.array(found))


def _finite_law(
    block: Block, learning_rate: sympy.Expr, symbol: Symbol, between: Interval, base: Grid
) -> _FiniteLaw | None:
    """The exponent as a finite sum in the learning rate; None where it is not one."""
    if not block.is_scalar or learning_rate != symbol or between[0] < 0:
        return None
    pairs = batch_mean_values(block.curvature[0, 0], block.randomness, block.batch)
    if pairs is None or symbol in set().union(*(v.free_symbols | p.free_symbols for v, p in pairs)):
        return None
    coefficients = [sympy.cancel((1 - block.step.carry - block.step.weight * value) / symbol) for value, _ in pairs]
    if any(symbol in c.free_symbols for c in coefficients):
        return None
    return _FiniteLaw(base.table(coefficients)[:, 0], base.table([share for _, share in pairs])[:, 0])


def _is_negative(evaluate: Evaluation, nodes: Array, values: Array, low: float, high: float) -> bool:
    """The sign of the exponent between two neighbouring roots: that of its largest value there."""
    inside = values[(nodes > low) & (nodes < high)]
    if not inside.size:
        inside = evaluate(np.array([(low + high) / 2]))[0]
    return bool(inside[np.argmax(np.abs(inside))] < 0)


def _crossings(
    nodes: Array, values: Array, errors: Array, evaluate: Evaluation
) -> tuple[list[float], tuple[Interval, ...]]:
    """Refined roots where the sign is sure on both sides, and intervals on which it is hidden by the error."""
    sure = np.abs(values) > errors
    roots: list[float] = []
    undecided: list[Interval] = []
    known = np.flatnonzero(sure)
    if not known.size:
        return [], ((float(nodes[0]), float(nodes[-1])),)
    if known[0] > 0:
        undecided.append((float(nodes[0]), float(nodes[known[0]])))
    for left, right in pairwise(known):
        changes = (values[left] > 0) != (values[right] > 0)
        noisy = errors[left] > 1e-6 or errors[right] > 1e-6
        if changes:
            refined = _interpolated if noisy else _bracketed
            roots.append(refined(evaluate, float(nodes[left]), float(nodes[right])))
        if right > left + 1 or (changes and noisy):
            undecided.append((float(nodes[left]), float(nodes[right])))
    if known[-1] < len(nodes) - 1:
        undecided.append((float(nodes[known[-1]]), float(nodes[-1])))
    return roots, tuple(undecided)


def _bracketed(evaluate: Evaluation, left: float, right: float) -> float:
    """A root between two signs, to rounding."""
    return float(brentq(lambda x: _finite(evaluate(np.array([x]))[0][0]), left, right, xtol=1e-13, rtol=1e-13))


def _interpolated(evaluate: Evaluation, left: float, right: float) -> float:
    """A root of noisy values, linear between the points where they change sign: finer than the noise it would mean nothing."""
    nodes = np.linspace(left, right, REFINED)
    values = evaluate(nodes)[0]
    changes = np.flatnonzero((values[:-1] > 0) != (values[1:] > 0))
    if (
        not changes.size
    ):  # a better road is open to so few points, and the change of sign was noise: the root is next to an end
        return left if abs(values[0]) < abs(values[-1]) else right
    change = int(changes[0])
    low, high = values[change], values[change + 1]
    share = low / (low - high) if np.isfinite(low) and np.isfinite(high) else 0.5
    return float(nodes[change] + share * (nodes[change + 1] - nodes[change]))


def _finite(value: float) -> float:
    return float(np.clip(value, -1e6, 1e6))


def _joined(intervals: list[Interval]) -> tuple[Interval, ...]:
    found: list[Interval] = []
    for low, high in intervals:
        if found and found[-1][1] == low:
            found[-1] = (found[-1][0], float(high))
        else:
            found.append((float(low), float(high)))
    return tuple(found)


def _together(sets: tuple[StableSet, ...], symbol: str, between: Interval) -> StableSet:
    """The intersection of the stable sets."""
    common: list[Interval] = [between]
    for found in sets:
        common = [(max(a, c), min(b, d)) for a, b in common for c, d in found.intervals if max(a, c) < min(b, d)]
    undecided = tuple(interval for found in sets for interval in found.undecided)
    return StableSet(None, symbol, between, tuple(common), all(found.complete for found in sets), undecided)
