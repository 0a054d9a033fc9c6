r"""Tails of the stationary law of theta' = m theta + b: the index p* > 0 with L(p*) = 0.

If Lambda < 0, P(|m| > 1) > 0, log|m| is non-arithmetic and the moments just below exist, then (Kesten 1973)

$$ P(|\theta|>r) \sim C r^{-p^*}, \qquad L(p^*) = 0, $$

and the stationary moment of order p is finite if and only if p < p*. On finite data with small steps |m| <= 1 always: the tails are
bounded then.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import numpy as np
from scipy.optimize import brentq

from numerics.stability.exponents import checked_runs, exponents_on, grid_of, refuse_arrays
from numerics.stability.level_sets.tail_support import largest_multiplier, largest_norm
from numerics.stability.matrix.existence import highest_moment
from numerics.stability.moment_exponents import block_moment_exponent
from numerics.stability.problem import Estimate, Grid
from numerics.stability.runs import Runs
from numerics.stability.scalar.moment_exponent import scalar_highest_order
from numerics.targets import Target
from theory import Block, ExponentKind, Sampling, Stability
from theory.errors import UnknownValue

HIGHEST = 2.0**12, 2.0**5
"""The largest order that is tried: of a scalar mode, and of a matrix mode."""
ENDPOINT = 1e-9
"""Share of the endpoint of the existing moments by which orders stay below it."""

ROUNDING = 1e-13
"""What rounding adds to a norm: a step leaves directions that its sample does not see exactly as they are."""


class Tail(StrEnum):
    """What the tail of a stationary law is."""

    POWER_LAW = "power law"
    """P(|theta| > r) falls as a power of r."""
    BOUNDED = "bounded"
    """No step expands: moments of every order are finite, and bounded noise leaves a bounded law."""
    NO_STATIONARY_LAW = "no stationary law"
    """The Lyapunov exponent is not negative."""
    UNDECIDED = "undecided"
    """The Lyapunov exponent is within its error of zero, or no order up to the largest tried has a positive exponent."""


class Verdict(StrEnum):
    """Whether a condition holds."""

    HOLDS = "holds"
    FAILS = "fails"
    NOT_DECIDED = "not decided"


@dataclass(frozen=True)
class Condition:
    """A hypothesis of the theorem: `statement`, whether it holds, and the `evidence`."""

    statement: str
    verdict: Verdict
    evidence: str


@dataclass(frozen=True)
class TailIndex:
    """The tail of the stationary law of one mode.

    `index`: p* of a power law, with its `error`, and the `kind` of the exponents behind it; else None. `exponent`: the Lyapunov exponent.
    `largest`: the supremum of |m| (of a matrix mode a bound of the norm of a step), None where it is not known. `at_endpoint`: the
    moment exponent is still negative where the moments of the curvature cease to exist, and p* is that order. `conditions`: the
    hypotheses.
    """

    mode: str
    outcome: Tail
    index: float | None
    error: float | None
    kind: ExponentKind
    exponent: float
    largest: float | None
    at_endpoint: bool
    conditions: tuple[Condition, ...]

    def __str__(self) -> str:
        if self.outcome != Tail.POWER_LAW:
            return f"{self.mode}: {self.outcome}"
        note = ", where the moments of the curvature end" if self.at_endpoint else ""
        return f"{self.mode}: power law of index {self.index:.7g}{note}"


@dataclass(frozen=True)
class TailIndices:
    """The tails of every mode about which linear theory says something."""

    modes: tuple[TailIndex, ...]

    def mode(self, name: str) -> TailIndex:
        """The tail of one mode. Raises `UnknownValue` for a name that no mode has."""
        names = {found.mode: found for found in self.modes}
        if name not in names:
            raise UnknownValue(f"there is no mode {name!r} with a tail; the modes are {', '.join(names)}")
        return names[name]

    def __str__(self) -> str:
        return "\n".join(map(str, self.modes))


def tail_index(
    equations: Stability,
    *,
    at: Mapping[Any, Any] | None = None,
    steps: int = 4_000,
    replicas: int = 64,
    seed: int = 0,
    target: Target = Target.CPU,
    threads: int | None = None,
) -> TailIndices:
    r"""Return the tail of the stationary law that additive noise sustains, for every mode: its index p* with L(p*) = 0.

    Parameters
    ----------
    equations : a `Stability`; its linear part decides, whatever the additive noise.
    at : a number for every symbol.
    steps, replicas, seed, target, threads : of the runs behind matrix modes without a better road.

    Raises `MissingValue`, `UnknownValue`, `ValuesError`, and `UnsupportedExpectation` where it is not known whether moments exist.

    Validity: a theorem for theta' = m theta + b with independent steps, under the conditions that the result lists; that E|b|^p* is finite
    is for the user to know. Approximate for a non-linear loss: the linear part describes it near the point only.

    References: H. Kesten, Random difference equations and renewal theory for products of random matrices (1973); Mert Gurbuzbalaban,
    Umut Simsekli, Lingjiong Zhu, The Heavy-Tail Phenomenon in SGD (2020, arXiv 2006.04740).

    >>> from theory import SGD, Model, Normal, stability, symbols
    >>> u, x, eta = *symbols("u x"), symbols("eta", positive=True)
    >>> found = stability(Model((u*x)**2/2, [u], {x: Normal()}), SGD(eta), point={u: 0})
    >>> print(tail_index(found, at={eta: 1}))
    u: power law of index 1.090826
    """
    given = at or {}
    refuse_arrays(given)
    grid, _ = grid_of(equations, given)
    runs = checked_runs(steps, replicas, seed, target, threads)
    return TailIndices(
        tuple(_of_block(equations, block, grid, runs) for block in equations.blocks if not block.is_silent)
    )


def _of_block(equations: Stability, block: Block, grid: Grid, runs: Runs) -> TailIndex:
    exponent = exponents_on(replace(equations, blocks=(block,)), grid, runs).estimates[0]
    if block.is_scalar:
        largest, limit = largest_multiplier(block, grid), scalar_highest_order(block, grid)
    else:
        largest, orders = largest_norm(block, grid), highest_moment(block, grid)
        limit = np.inf if orders is None else float(orders[0])
    stable = _contracts(exponent)
    conditions = [
        Condition("the Lyapunov exponent is negative", stable, f"Lambda = {exponent.values[0]:.6g}"),
        _expands(largest, block.is_scalar),
        _non_arithmetic(block),
    ]

    def result(
        outcome: Tail, kind: ExponentKind, index: Any = None, error: Any = None, *, end: bool = False
    ) -> TailIndex:
        value = float(exponent.values[0])
        return TailIndex(block.name, outcome, index, error, kind, value, largest, end, tuple(conditions))

    if stable != Verdict.HOLDS:
        outcome = Tail.NO_STATIONARY_LAW if stable == Verdict.FAILS else Tail.UNDECIDED
        return result(outcome, exponent.kind)
    bounded = largest is not None and largest <= 1 + ROUNDING
    deterministic = not block.randomness.of(block.curvature).groups or block.batch.mode == Sampling.CYCLIC
    if bounded or deterministic:
        return result(Tail.BOUNDED, exponent.kind)
    found = _root(lambda p: block_moment_exponent(block, grid, p, runs), limit, HIGHEST[not block.is_scalar])
    if found is None:
        return result(Tail.UNDECIDED, exponent.kind)
    index, error, kind, end = found
    conditions.append(
        Condition(
            "the moments just below exist",
            Verdict.HOLDS,
            f"E|m|^p is finite for p < {limit:g}" if np.isfinite(limit) else "E|m|^p is finite for every p",
        )
    )
    return result(Tail.POWER_LAW, kind, index, error, end=end)


def _contracts(exponent: Estimate) -> Verdict:
    slack = (3.0 if exponent.kind == ExponentKind.MONTE_CARLO else 1.0) * float(exponent.errors[0])
    value = float(exponent.values[0])
    if value < -slack:
        return Verdict.HOLDS
    return Verdict.FAILS if value > slack or exponent.kind == ExponentKind.CLOSED_FORM else Verdict.NOT_DECIDED


def _expands(largest: float | None, is_scalar: bool) -> Condition:
    statement = "a step expands with positive probability"
    if largest is None or (largest > 1 + ROUNDING and not is_scalar):  # a bound of a norm above one shows nothing
        return Condition(
            statement, Verdict.NOT_DECIDED, "the largest multiplier is not known; a root p* shows that it does"
        )
    return Condition(
        statement, Verdict.HOLDS if largest > 1 + ROUNDING else Verdict.FAILS, f"the largest |m| is {largest:.6g}"
    )


def _non_arithmetic(block: Block) -> Condition:
    statement = "log|m| is non-arithmetic"
    if block.randomness.of(block.curvature).continuous:
        return Condition(statement, Verdict.HOLDS, "m has a density")
    evidence = "finitely many values; if it fails, r^p* P(|theta| > r) oscillates between bounds, and p* is the same"
    return Condition(statement, Verdict.NOT_DECIDED, evidence)


def _root(exponent: Any, limit: float, highest: float) -> tuple[float, float, ExponentKind, bool] | None:
    """p* > 0 with L(p*) = 0, its error, how L is known, and whether it is the end of the moments; None if L stays negative."""
    kinds: list[ExponentKind] = [ExponentKind.CLOSED_FORM]

    def value(order: float) -> float:
        found = exponent(order)
        kinds.append(found.kind)
        return float(np.clip(found.values[0], -1e12, 1e12))

    top = limit * (1 - ENDPOINT) if np.isfinite(limit) else highest
    high = min(1.0, top / 2)
    if value(high) > 0:
        low = high / 2
        while value(low) > 0:
            low, high = low / 2, low
    else:
        low = high
        while value(high) <= 0:
            if high >= top:
                kind = max(kinds, key=list(ExponentKind).index)
                return (limit, ENDPOINT * limit, kind, True) if np.isfinite(limit) else None
            low, high = high, min(2 * high, top)
    noisy = ExponentKind.MONTE_CARLO in kinds
    root = float(brentq(value, low, high, xtol=1e-4 if noisy else 1e-14, rtol=1e-4 if noisy else 1e-13))
    step = 1e-3 * root
    slope = (value(min(root + step, top)) - value(root - step)) / (min(root + step, top) - root + step)
    error = float(exponent(root).errors[0]) / abs(slope) + (1e-4 if noisy else 1e-12) * root
    return root, error, max(kinds, key=list(ExponentKind).index), False
