"""The page: a summary first, then every claim, then what is needed to repeat the run."""

from __future__ import annotations

from importlib.resources import files
from itertools import groupby

from derivations.claims.claim import ClaimResult
from derivations.report import exhibits
from derivations.report.comparisons import agreement_table, evidence_table
from derivations.report.environment import environment, without_places
from derivations.report.formulas import prose
from derivations.report.html import Html, element, folded, joined, table
from derivations.report.outcomes import badge, counted, kind_of, number, seconds, verdict
from derivations.validate import Outcome, Report

TITLE = "Theory against simulation"


def page(report: Report) -> Html:
    """The whole document."""
    style = files("derivations.report").joinpath("style.css").read_text(encoding="utf-8")
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", f"{TITLE}: {report.count(Outcome.AGREES)} of {len(report.results)} claims agree"),
        element("style", Html(style)),
    )
    seen: dict[str, str] = {}
    body = element(
        "body",
        element("a", "To the summary", href="#summary", class_="skip"),
        element("header", element("h1", TITLE), verdict(report), _counts(report)),
        element("main", _summary(report), *_bodies(report, seen), _sources(report), _environment(report)),
    )
    return Html(f"<!doctype html>\n{element('html', head, body, lang='en')}\n")


def _counts(report: Report) -> Html:
    size = len(report.results)
    found = [counted(report.count(kind), kind) for kind in Outcome if report.count(kind)]
    text = (
        f"{size} claim{'' if size == 1 else 's'} ({', '.join(found) or 'none'}), {report.comparisons:,} comparisons in "
        f"{seconds(report.seconds)}. If every claim is true, a run rejects anything at all with a probability of at most "
        f"{report.level:g} (Holm over all p-values of the run)."
    )
    return element("p", text, class_="lead")


def _summary(report: Report) -> Html:
    parts = []
    for name, results in groupby(report.results, key=lambda result: str(result.claim.body)):
        rows = [
            (
                joined([element("a", result.claim.name, href=f"#{result.claim.name}"),
                        element("span", prose(result.claim.statement), class_="statement")]),
                joined([badge(kind_of(result)), *_reason(result)]),
                str(result.comparisons) if result.comparisons else "",
                number(result.largest_z),
                f"{result.seconds:.1f}",
            )
            for result in results
        ]  # fmt: skip
        headings = ("claim", "outcome", "comparisons", "largest |z|", "seconds")
        parts.append(table(_capital(name), headings, rows, numeric=(2, 3, 4), class_="summary"))
    return element("section", element("h2", "Summary"), *parts, id="summary")


def _reason(result: ClaimResult) -> list[Html]:
    """Why a claim was not run, below its outcome."""
    return [] if result.not_run is None else [element("span", without_places(result.not_run), class_="statement")]


def _bodies(report: Report, seen: dict[str, str]) -> list[Html]:
    return [
        element("section", element("h2", _capital(name)), *(_claim(result, seen) for result in results))
        for name, results in groupby(report.results, key=lambda result: str(result.claim.body))
    ]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _claim(result: ClaimResult, seen: dict[str, str]) -> Html:
    kind = kind_of(result)
    z = "" if result.largest_z is None else f", largest |z| {result.largest_z:.2f}"
    rests = "" if kind is Outcome.NOT_RUN else f" {result.comparisons} comparisons{z}, {seconds(result.seconds)}"
    drawn = exhibits.figures(result)
    parts: list[Html | None] = [
        element("h3", result.claim.name),
        element("p", prose(_capital(result.claim.statement) + "."), class_="claimed"),
        element("p", badge(kind), rests, class_="outcome"),
        _trouble(result),
        _part("Derivation", exhibits.derivations(result)),
        _part("Figure" if len(drawn) == 1 else "Figures", drawn),
        _part("Evidence", [evidence_table(result), *_numbers(result)] if result.evidence else []),
        _part("Generated code", exhibits.generated_code(result, seen)),
        _part("Sources", _cited(result)),
    ]
    return element("article", *parts, id=result.claim.name)


def _part(title: str, content: list[Html]) -> Html | None:
    return element("section", element("h4", title), *content, class_="part") if content else None


def _trouble(result: ClaimResult) -> Html | None:
    """Why a claim was not run, or how its check ended."""
    if result.not_run is not None:
        return element("p", f"Not run: {without_places(result.not_run)}", class_="trouble")
    if result.error is not None:
        return element("p", f"The check raised {without_places(result.error)}", class_="trouble")
    return element("p", "The check compared nothing.", class_="trouble") if result.comparisons == 0 else None


def _numbers(result: ClaimResult) -> list[Html]:
    tables = [found for evidence in result.evidence if (found := agreement_table(evidence)) is not None]
    title = f"Predictions and simulations in numbers ({len(tables)} table{'' if len(tables) == 1 else 's'})"
    return [folded(title, *tables)] if tables else []


def _cited(result: ClaimResult) -> list[Html]:
    items = [
        element("li", exhibits.cited(reference), " ", element("a", "BibTeX", href=f"#source-{reference.key}"))
        for reference in exhibits.references(result)
    ]
    return [element("ul", *items)] if items else []


def _sources(report: Report) -> Html | None:
    listed = exhibits.source_list(report.results)
    return None if listed is None else element("section", element("h2", "Sources"), listed, id="sources")


def _environment(report: Report) -> Html:
    rows = list(environment().items())
    parts = [element("h2", "Environment and seeds"), table("Computed with", ("what", "which"), rows, class_="facts")]
    runs = [row for result in report.results for row in exhibits.run_rows(result)]
    if runs:
        shown = [i for i in range(len(exhibits.RUN_HEADINGS)) if any(str(row[i]) for row in runs)]
        headings = [exhibits.RUN_HEADINGS[i] for i in shown]
        parts.append(
            table("Simulations, each with its seed", headings, ([row[i] for i in shown] for row in runs), class_="runs")
        )
    return element("section", *parts, id="environment")
