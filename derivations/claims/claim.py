"""A claim: a statement of theory, and the check that could refute it.

A check returns findings: evidence, and whatever exhibits (`derivations.claims.exhibits`) a reader should see beside it.
Evidence is of two kinds. *Exact* evidence holds or does not (an identity, a number to a stated digit).
*Statistical* evidence is a set of p-values of prediction against simulation; whether one is too small is decided once
for a whole run, by Holm's procedure at family-wise level 10^-3 over every p-value of every claim.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np

from derivations.claims.exhibits import Exhibit

if TYPE_CHECKING:
    from numerics import Agreement
    from theory.references import Reference

LEVEL = 1e-3
"""Family-wise error rate of a run of `validate`."""


class Body(StrEnum):
    """The bodies of theory."""

    LANGUAGE = "language"
    KERNELS = "kernels and simulation"
    MOMENTS = "moments and stability"
    SCALING = "scaling limits"


@dataclass(frozen=True)
class Evidence:
    """One piece of evidence.

    `label` says what was compared; `predicted` and `measured` are texts for the reader. `holds` is the verdict of exact evidence
    (None for statistical evidence); `p_values` and `largest_z` belong to statistical evidence. `agreement` is the comparison
    that it rests on, for a figure and a table.
    """

    label: str
    predicted: str
    measured: str
    holds: bool | None = None
    p_values: tuple[float, ...] = ()
    largest_z: float | None = None
    agreement: Agreement | None = field(default=None, repr=False, compare=False)


Finding = Evidence | Exhibit
"""What a check returns, in the order in which a reader should meet it."""
Check = Callable[[], Sequence[Finding]]


@dataclass(frozen=True)
class Claim:
    """A named claim: `check()` returns its findings; `slow` claims run under `validate --full` only.

    `references`: sources beyond those of the equations that the check shows.
    """

    name: str
    statement: str
    body: Body
    check: Check
    slow: bool = False
    references: tuple[Reference, ...] = ()


class ClaimNotRun(Exception):
    """A check cannot run here; the text says what is missing. The claim is reported as not run, neither true nor false."""


@dataclass(frozen=True)
class ClaimResult:
    """A claim after its check.

    `evidence`, `seconds`, `rejections`, how many p-values of each evidence are rejected (after Holm), `error` if the check raised,
    `not_run` if something it needs is not installed; `exhibits`, what the check shows beside its evidence.
    """

    claim: Claim
    evidence: tuple[Evidence, ...]
    seconds: float
    rejections: tuple[int, ...] = ()
    error: str | None = None
    not_run: str | None = None
    exhibits: tuple[Exhibit, ...] = ()

    @property
    def rejected(self) -> int:
        """How many p-values of the claim are rejected."""
        return sum(self.rejections)

    @property
    def agrees(self) -> bool:
        """No exact evidence fails, no p-value is rejected, and the check ran (a claim that was not run does not agree)."""
        return (
            self.error is None
            and bool(self.evidence)
            and self.rejected == 0
            and all(e.holds is not False for e in self.evidence)
        )

    @property
    def comparisons(self) -> int:
        """How many comparisons the claim rests on."""
        return sum(len(e.p_values) if e.holds is None else 1 for e in self.evidence)

    @property
    def largest_z(self) -> float | None:
        """The largest |z| of the claim's statistical evidence."""
        values = [abs(e.largest_z) for e in self.evidence if e.largest_z is not None]
        return max(values, default=None)


@dataclass(frozen=True)
class Registry:
    """The claims of one body of theory, in the order in which a reader should meet them."""

    claims: list[Claim] = field(default_factory=list)

    def claim(
        self, name: str, statement: str, body: Body, *, slow: bool = False, references: Sequence[Reference] = ()
    ) -> Callable[[Check], Check]:
        """Decorator: register a check under a name."""

        def register(check: Check) -> Check:
            self.claims.append(Claim(name, statement, body, check, slow, tuple(references)))
            return check

        return register


def exact(label: str, predicted: Any, measured: Any, holds: bool) -> Evidence:
    """Evidence that holds or does not."""
    return Evidence(label, str(predicted), str(measured), holds=bool(holds))


def close(label: str, predicted: float, measured: float, tolerance: float) -> Evidence:
    """Exact evidence that two numbers agree to an absolute tolerance that the caller derives, not tunes."""
    difference = abs(predicted - measured)
    return exact(
        label,
        f"{predicted:.10g}",
        f"{measured:.10g} (off by {difference:.1g}, tolerance {tolerance:.1g})",
        difference <= tolerance,
    )


def from_agreement(label: str, agreement: Agreement) -> list[Evidence]:
    """The p-values of a comparison of prediction and simulation; diverged runs are evidence against."""
    table = agreement.table
    p_values = np.ravel(table["p_value"].values)
    z_values = np.ravel(table["z"].values)
    found = [
        Evidence(
            label,
            f"{agreement.comparisons} predicted values",
            f"{agreement.replicas} runs",
            p_values=tuple(float(p) for p in p_values[np.isfinite(p_values)]),
            largest_z=float(np.nanmax(np.abs(z_values[np.isfinite(z_values)])))
            if np.isfinite(z_values).any()
            else None,
            agreement=agreement,
        )
    ]
    if agreement.diverged:
        found.append(exact(f"{label}: runs that diverged", 0, agreement.diverged, False))
    return found


def statistical(label: str, predicted: float, measured: float, standard_error: float, p_value: float) -> Evidence:
    """Evidence from one number with a standard error."""
    z = (measured - predicted) / standard_error
    return Evidence(
        label, f"{predicted:.6g}", f"{measured:.6g} +- {standard_error:.2g}", p_values=(p_value,), largest_z=abs(z)
    )


def judge(results: Iterable[ClaimResult], level: float = LEVEL) -> list[ClaimResult]:
    """The results with `rejections` filled in: Holm's procedure over every p-value of the run."""
    from numerics import holm

    listed = list(results)
    p_values = np.array([p for r in listed for e in r.evidence for p in e.p_values])
    rejected = iter(holm(p_values, level) if p_values.size else ())
    return [
        replace(result, rejections=tuple(sum(bool(next(rejected)) for _ in e.p_values) for e in result.evidence))
        for result in listed
    ]
