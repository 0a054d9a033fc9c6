"""Running claims: every check in order, judged together, one result at a time.

Holm's procedure over a whole run rejects no p-value that it would not reject over a part of the run: more comparisons
only lower its thresholds. So a claim that agrees when its check ends agrees for good; one whose p-values are rejected
then may be cleared at the end of the run.
"""

from __future__ import annotations

import traceback
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from time import perf_counter

from derivations.claims.claim import LEVEL, Claim, ClaimNotRun, ClaimResult, Evidence, judge
from derivations.model_files.finding import SUFFIXES, shipped_models
from derivations.model_files.nearest import closest
from theory.errors import InvalidRequest, NeutralDirection, TheoryError


class UnknownClaim(TheoryError, LookupError):
    """There is no claim of that name."""


class Outcome(StrEnum):
    """What became of a claim."""

    AGREES = "agrees"
    DISAGREES = "disagrees"
    FAILED = "failed"
    NOT_RUN = "not run"


def outcome(result: ClaimResult) -> Outcome:
    """The outcome of a judged claim: `failed` if its check raised or compared nothing."""
    if result.not_run is not None:
        return Outcome.NOT_RUN
    if result.error is not None or result.comparisons == 0:
        return Outcome.FAILED
    return Outcome.AGREES if result.agrees else Outcome.DISAGREES


@dataclass(frozen=True)
class Report:
    """A finished run: `results` judged together at family-wise error rate `level`, and the `seconds` it took."""

    results: tuple[ClaimResult, ...]
    level: float
    seconds: float

    @property
    def agrees(self) -> bool:
        """Whether a claim was checked and none disagrees or failed; claims that were not run do not count."""
        found = {outcome(result) for result in self.results}
        return Outcome.AGREES in found and found <= {Outcome.AGREES, Outcome.NOT_RUN}

    @property
    def comparisons(self) -> int:
        """How many comparisons the run rests on."""
        return sum(result.comparisons for result in self.results)

    def count(self, kind: Outcome) -> int:
        """How many claims ended with this outcome."""
        return sum(outcome(result) == kind for result in self.results)


def select(claims: Iterable[Claim], names: Sequence[str], *, full: bool = False) -> list[Claim]:
    """The claims to run: those named (slow or not), or without names all that are not slow (with `full`: all).

    Raises `UnknownClaim` with the nearest name.
    """
    known = {claim.name: claim for claim in claims}
    for name in names:
        if name not in known:
            raise UnknownClaim(f"there is no claim {name!r}; {_instead(name, known)}")
    if names:
        return [known[name] for name in dict.fromkeys(names)]
    return [claim for claim in known.values() if full or not claim.slow]


def _instead(name: str, known: Iterable[str]) -> str:
    """What to do about a name that no claim has."""
    if Path(name).suffix in SUFFIXES or name in shipped_models():
        return f"validate takes the names of claims, and sgd-theory simulate {name} compares a model with SGD"
    close = closest(name, known)
    return f"{f'did you mean {close}? The' if close else 'the'} claims are {', '.join(known) or 'none'}"


def run_claims(
    claims: Iterable[Claim],
    *,
    level: float = LEVEL,
    starting: Callable[[Claim], None] = lambda _: None,
    finished: Callable[[ClaimResult], None] = lambda _: None,
    raised: Callable[[Claim, Exception], None] = lambda *_: None,
) -> Report:
    """Return the report of a run over `claims`.

    `starting(claim)` and `finished(result)` are called around each check, the result judged with those before it;
    `raised(claim, error)` when a check raises: the claim has then failed, and the run goes on.
    """
    began = perf_counter()
    results: list[ClaimResult] = []
    for claim in claims:
        starting(claim)
        results.append(_checked(claim, raised))
        finished(judge(results, level)[-1])
    return Report(tuple(judge(results, level)), level, perf_counter() - began)


def _checked(claim: Claim, raised: Callable[[Claim, Exception], None]) -> ClaimResult:
    began = perf_counter()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NeutralDirection)  # a claim that meets one says so
            findings = tuple(claim.check())
        evidence = tuple(finding for finding in findings if isinstance(finding, Evidence))
        _refuse_impossible(evidence)
    except ClaimNotRun as reason:
        return ClaimResult(claim, (), perf_counter() - began, not_run=str(reason))
    except Exception as error:
        raised(claim, error)
        frame = traceback.extract_tb(error.__traceback__)[-1]
        text = f"{type(error).__name__}: {error} ({frame.filename}:{frame.lineno})"
        return ClaimResult(claim, (), perf_counter() - began, error=text)
    exhibits = tuple(finding for finding in findings if not isinstance(finding, Evidence))
    return ClaimResult(claim, evidence, perf_counter() - began, exhibits=exhibits)


def _refuse_impossible(evidence: Iterable[Evidence]) -> None:
    """A p-value that is none (0/0 without noise) must not pass for agreement, nor end the run."""
    for piece in evidence:
        bad = [p for p in piece.p_values if not 0 <= p <= 1]
        if bad:
            raise InvalidRequest(f"{piece.label}: {bad[0]} is no p-value")
