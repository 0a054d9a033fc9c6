"""A bound of a Lyapunov exponent with what proves it: `Certificate`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from theory import ExponentKind


class Rigour(StrEnum):
    """What stands behind a certificate."""

    EXACT = "exact rational arithmetic"
    INTERVAL = "interval arithmetic"
    ROUNDING = "floating point with rigorous bounds of every rounding error"
    ESTIMATED = "a number with an error estimate: no proof"
    NONE = "nothing: not certified"


class Method(StrEnum):
    """How a bound was found."""

    MEAN_SQUARE = "mean square: a form X > 0 with r X - E A^T X A > 0"
    WORDS = "sub-additivity: E log|A_n ... A_1| / n"
    LOGARITHMS = "the exponent itself, a finite sum of logarithms"
    DETERMINANT = "the mean log|det A|, the sum of all exponents"
    CONVEXITY = "convexity of L(p): L(p)/p above, -L(-p)/p below"


class Evidence(Protocol):
    """What a certificate rests on."""

    def check(self) -> bool:
        """Whether it holds, from itself alone."""
        ...


@dataclass(frozen=True)
class MomentBound:
    """Evidence of a bound of a scalar exponent by a moment exponent: `order` p, the `value` L(p), its `error` and `kind`."""

    order: float
    value: float
    error: float
    kind: ExponentKind

    @property
    def bound(self) -> float:
        """L(p)/p, moved to the safe side by the error estimate: an upper bound for p > 0, a lower bound for p < 0."""
        return (self.value + self.error) / self.order

    def check(self) -> bool:
        """False: an error estimate proves nothing."""
        return False


@dataclass(frozen=True)
class Certificate:
    """One bound of the top exponent Lambda of a mode, per step.

    `statement`: what it says; `lower`, `upper`: the bounds, None where there is none; `method`; `rigour`: what stands behind it;
    `evidence`: what `check()` verifies afresh, without anything else. A certificate of rigour `ESTIMATED` or `NONE` proves nothing, and
    its check is False.
    """

    mode: str
    statement: str
    lower: float | None
    upper: float | None
    method: Method
    rigour: Rigour
    evidence: Evidence | None = None

    def check(self) -> bool:
        """Whether the bounds follow from the evidence, verified afresh."""
        return self.evidence is not None and self.evidence.check()

    @property
    def is_proof(self) -> bool:
        """Whether the bounds are proved, not estimated."""
        return self.rigour not in (Rigour.ESTIMATED, Rigour.NONE)
