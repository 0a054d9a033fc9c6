"""The words and marks of a report: what became of a claim, of a piece of evidence, of the run."""

from __future__ import annotations

from derivations.claims.claim import ClaimResult, Evidence
from derivations.report.html import Html, element
from derivations.validate import Outcome, Report, outcome

_MARKS = {Outcome.AGREES: "✓", Outcome.DISAGREES: "✗", Outcome.FAILED: "✗", Outcome.NOT_RUN: "–"}
_CLASSES = {Outcome.AGREES: "good", Outcome.DISAGREES: "bad", Outcome.FAILED: "bad", Outcome.NOT_RUN: "open"}


def badge(kind: Outcome) -> Html:
    """The outcome of a claim: a mark, a word and a colour."""
    return element("span", f"{_MARKS[kind]} {kind}", class_=f"badge {_CLASSES[kind]}")


def evidence_badge(evidence: Evidence, rejected: int) -> Html:
    """Whether a piece of evidence speaks for its claim."""
    if evidence.holds is not None:
        good, word = evidence.holds, "holds" if evidence.holds else "fails"
    else:
        good, word = rejected == 0, f"{rejected} rejected" if rejected else "agrees"
    return element("span", f"{'✓' if good else '✗'} {word}", class_=f"badge {'good' if good else 'bad'}")


def verdict(report: Report) -> Html:
    """The first line of a report."""
    if report.agrees:
        return element("p", "✓ Theory and simulation agree.", class_="verdict good")
    if not report.results or report.count(Outcome.NOT_RUN) == len(report.results):
        return element("p", "– No claim was checked.", class_="verdict open")
    found = [_counted(report.count(kind), word) for kind, word in _AGAINST if report.count(kind)]
    return element("p", f"✗ Theory and simulation do not agree: {' and '.join(found)}.", class_="verdict bad")


_AGAINST = (
    (Outcome.DISAGREES, ("claim disagrees", "claims disagree")),
    (Outcome.FAILED, ("claim failed", "claims failed")),
)


def _counted(count: int, words: tuple[str, str]) -> str:
    return f"{count} {words[count != 1]}"


def counted(count: int, kind: Outcome) -> str:
    """How many claims have an outcome.

    >>> counted(1, Outcome.AGREES), counted(2, Outcome.AGREES), counted(2, Outcome.NOT_RUN)
    ('1 agrees', '2 agree', '2 not run')
    """
    return f"{count} {str(kind) if count == 1 else str(kind).removesuffix('s')}"


def kind_of(result: ClaimResult) -> Outcome:
    """What became of a claim."""
    return outcome(result)


def number(value: float | None, form: str = ".2f") -> str:
    """A number for a table; nothing where there is none."""
    return "" if value is None else format(value, form)


def seconds(value: float) -> str:
    """A duration.

    >>> seconds(0.04), seconds(12.34), seconds(75)
    ('0.0 s', '12.3 s', '1 min 15 s')
    """
    if value < 60:
        return f"{value:.1f} s"
    return f"{int(value // 60)} min {value % 60:.0f} s"
