"""Claims and their outcomes: a line for each, the summary, plain data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from derivations.display.terminal import mark

if TYPE_CHECKING:
    from derivations.claims.claim import ClaimResult, Evidence
    from derivations.validate import Report


def claim_line(result: ClaimResult) -> str:
    """One line: the mark, the name, what is claimed, what it rests on; and below it whatever speaks against it."""
    from derivations.validate import Outcome, outcome

    kind = outcome(result)
    good = {Outcome.AGREES: True, Outcome.NOT_RUN: None}.get(kind, False)
    size = f"{result.comparisons} comparison{'' if result.comparisons == 1 else 's'}"
    z = "" if result.largest_z is None else f", largest |z| {result.largest_z:.2f}"
    rests = "not run" if kind is Outcome.NOT_RUN else f"{size}{z}, {result.seconds:.1f} s"
    lines = [f"{mark(good)} {result.claim.name}: {result.claim.statement} [{rests}]"]
    if result.not_run is not None:
        lines.append(f"    not run: {result.not_run}")
    if result.error is not None:
        lines.append(f"    the check raised {result.error}")
    elif kind is Outcome.FAILED:
        lines.append("    the check compared nothing")
    for evidence in result.evidence:
        if evidence.holds is False:
            lines.append(f"    {evidence.label}: expected {evidence.predicted}, got {evidence.measured}")
    if result.rejected:
        suspects = sorted((e for e in result.evidence if e.p_values), key=lambda e: min(e.p_values))
        lines.append(
            f"    {result.rejected} comparisons rejected; smallest p-value {min(suspects[0].p_values):.2g} in "
            f"{suspects[0].label}: expected {suspects[0].predicted}, got {suspects[0].measured}"
        )
    return "\n".join(lines)


def summary_line(report: Report, *, interrupted_of: int | None = None) -> str:
    """The last line of a run; of one that was interrupted, with how many claims it was to check."""
    from derivations.validate import Outcome

    size = len(report.results)
    claims = f"{size} claim{'' if size == 1 else 's'}"
    if interrupted_of is not None:
        claims = f"{size} of {interrupted_of} claims, interrupted"
    found = {kind: report.count(kind) for kind in Outcome if report.count(kind) or kind is Outcome.AGREES}
    counts = [f"{count} {str(kind) if count == 1 else str(kind).removesuffix('s')}" for kind, count in found.items()]
    return (
        f"{mark(report.agrees)} {claims}: {', '.join(counts)}; "
        f"{report.comparisons} comparisons, Holm at {report.level:g}; {report.seconds:.1f} s"
    )


def report_payload(report: Report) -> dict[str, Any]:
    """A run of claims as plain data."""
    from derivations.validate import Outcome
    from numerics.results import versions

    return {
        "agrees": report.agrees,
        "level": report.level,
        "seconds": report.seconds,
        "comparisons": report.comparisons,
        "counts": {kind: report.count(kind) for kind in Outcome},
        "versions": versions(),
        "claims": [_claim_payload(result) for result in report.results],
    }


def _claim_payload(result: ClaimResult) -> dict[str, Any]:
    from derivations.validate import outcome

    return {
        "name": result.claim.name,
        "statement": result.claim.statement,
        "body": result.claim.body,
        "outcome": outcome(result),
        "comparisons": result.comparisons,
        "rejected": result.rejected,
        "largest_z": result.largest_z,
        "seconds": result.seconds,
        "error": result.error,
        "not_run": result.not_run,
        "evidence": [_evidence_payload(evidence) for evidence in result.evidence],
    }


def _evidence_payload(evidence: Evidence) -> dict[str, Any]:
    return {
        "label": evidence.label,
        "predicted": evidence.predicted,
        "measured": evidence.measured,
        "holds": evidence.holds,
        "comparisons": len(evidence.p_values),
        "smallest_p_value": min(evidence.p_values, default=None),
        "largest_z": evidence.largest_z,
    }
