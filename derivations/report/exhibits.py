"""What a claim shows: derivations with their steps, figures, generated code, as parts of a page."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from derivations.claims.claim import ClaimResult
from derivations.claims.exhibits import Derivation, Drawing, Formulas, GeneratedCode, Runs
from derivations.report.environment import without_places
from derivations.report.formulas import equation_block, formula_block, prose
from derivations.report.html import Html, element, folded, joined
from theory.errors import TheoryError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from theory import Equations
    from theory.equations import Assumption, Step
    from theory.references import Reference

CODE_LINES = 160
"""Lines of generated code that a report shows."""
CODED = 24
"""Equations of a system whose code is generated for a report; that of a larger one takes seconds, and no one reads it."""
FIGURES = 6
"""Figures of one claim."""
_RUN_COLUMNS = ("seed", "replicas", "at", "algorithm", "method", "target", "precision")


def derivations(result: ClaimResult) -> list[Html]:
    """The derivations and formulas of a claim."""
    parts, shown = [], None
    for exhibit in result.exhibits:
        if isinstance(exhibit, Derivation):
            parts.append(_derivation(exhibit, shown))
            shown = getattr(exhibit.equations, "model", shown)
        elif isinstance(exhibit, Formulas):
            title = element("p", prose(exhibit.label), class_="label")
            parts.append(element("div", title, equation_block(exhibit.lines), class_="derivation"))
    return parts


def _derivation(exhibit: Derivation, shown: Any) -> Html:
    """A derivation; its model is left out where it is the one that was `shown` just before."""
    equations = exhibit.equations
    kind = _in_words(type(equations).__name__)
    approximation = f"; approximation: {equations.approximation}" if equations.approximation else ""
    label = f"{exhibit.label}: {kind}" if exhibit.label else kind
    heading = element("p", prose(f"{label}, clock: {clock_text(equations.clock)}{approximation}"), class_="label")
    parts = [heading, *_stated(equations, shown), equation_block(equations.lines)]
    observed = [(name, value) for name, value in equations.observables.items() if str(value) != name]
    if observed:
        parts.append(folded(f"{len(observed)} observables of the state", equation_block(observed)))
    if equations.steps:
        count = len(equations.steps)
        steps = element("ol", *(_step(step) for step in equations.steps), class_="steps")
        parts.append(folded(f"Derivation in {count} step{'' if count == 1 else 's'}", steps))
    if equations.assumptions or equations.conventions:
        parts.append(folded("Assumptions and conventions", _assumptions(equations.assumptions, equations.conventions)))
    return element("div", *parts, class_="derivation")


def _in_words(name: str) -> str:
    """The name of a type in words: `ScalingLimit` is a scaling limit, `SDE` stays as it is."""
    return name if name.isupper() else re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).capitalize()


def clock_text(clock: Any) -> str:
    """A clock with a sign of multiplication."""
    return str(clock).replace(" x ", " × ")


def _stated(equations: Equations, shown: Any) -> list[Html]:
    """The model and the algorithm that the equations are of, where they carry them."""
    model = getattr(equations, "model", None)
    if model is None or not hasattr(model, "to_latex"):
        return []
    if shown is not None and model == shown:
        stated = [element("p", "of the same model", class_="note")]
    else:
        stated = [element("p", "of the model", class_="note"), formula_block(model.to_latex())]
    algorithm = getattr(equations, "algorithm", None)
    if algorithm is not None:
        stated.append(element("p", "under ", element("code", repr(algorithm)), class_="note"))
    return stated


def _step(step: Step) -> Html:
    block = equation_block(step.equations) if step.equations else None
    reason = element("p", prose(f"because {step.reason}"), class_="reason")
    return element("li", element("p", prose(step.title), class_="title"), block, reason)


def _assumptions(assumptions: Iterable[Assumption], conventions: Iterable[str]) -> Html:
    rows = [
        element("li", element("em", str(a.status)), " ", prose(a.statement), ": ", prose(a.evidence))
        for a in assumptions
    ]
    return element("ul", *rows, *(element("li", element("em", "convention"), " ", prose(text)) for text in conventions))


# ---------------------------------------------------------------------------------------------------------- figures


def figures(result: ClaimResult) -> list[Html]:
    """The figures of a claim, drawn now: those that it offers, and one for each of its comparisons."""
    drawn = list(_drawings(result))
    parts = [element("figure", _inline(draw(), caption, f"{result.claim.name}-{index}"), element("figcaption", prose(caption)))
             for index, (caption, draw) in enumerate(drawn[:FIGURES])]  # fmt: skip
    if len(drawn) > FIGURES:
        parts.append(element("p", f"and {len(drawn) - FIGURES} further figures, not shown: "
                                  f"{'; '.join(caption for caption, _ in drawn[FIGURES:])}", class_="note"))  # fmt: skip
    return parts


def _drawings(result: ClaimResult) -> Iterator[tuple[str, Any]]:
    """Captions and what draws the figures: several comparisons at one time share one."""
    from numerics.figures import plot_residuals

    for exhibit in result.exhibits:
        if isinstance(exhibit, Drawing):
            yield exhibit.caption, exhibit.draw
    compared = [(e.label, e.agreement) for e in result.evidence if e.agreement is not None]
    single = [(label, agreement) for label, agreement in compared if agreement.table.sizes["time"] == 1]
    if len(single) > 1:
        yield "Residuals of prediction and simulation", lambda: plot_residuals(single)
        compared = [pair for pair in compared if pair not in single]
    for label, agreement in compared:
        yield f"{label}: prediction and simulation", agreement.plot


def _inline(figure: Figure, title: str, prefix: str) -> Html:
    """The figure as an inline image with a title, its inner names made unique on the page."""
    from numerics.figures import svg_text

    text = svg_text(figure)
    names = set(re.findall(r'\bid="([^"]+)"', text))
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', text))
    text = re.sub(r' id="([^"]+)"', lambda m: f' id="{prefix}-{m[1]}"' if m[1] in used else "", text)
    text = re.sub(r'(href="#|url\(#)([^")]+)', lambda m: f"{m[1]}{prefix}-{m[2]}" if m[2] in names else m[0], text)
    opening, rest = text.split(">", 1)
    label = element("title", title)
    points = re.search(r'width="([\d.]+)pt"', opening)
    style = f"--natural:{float(points[1]) / 12:.1f}rem" if points else None
    opening = re.sub(r'\s(?:width|height)="[^"]*"', "", opening)
    return element("div", Html(f'{opening} role="img">{label}{rest}'), class_="figure scroll", style=style, tabindex=0)


# ------------------------------------------------------------------------------------------------- code, runs, sources


def generated_code(result: ClaimResult, seen: dict[str, str]) -> list[Html]:
    """The code that is generated from the derived equations; `seen` maps a text to the claim that shows it already."""
    parts = []
    for title, text in _codes(result):
        if text is None:
            parts.append(element("p", f"{title}: too long for a report", class_="note"))
            continue
        if text in seen and seen[text] != result.claim.name:
            link = element("a", seen[text], href=f"#{seen[text]}")
            parts.append(element("p", f"{title}: the same code as of ", link, class_="note"))
            continue
        if text not in seen:
            seen[text] = result.claim.name
            lines = text.splitlines()
            cut = [f"# ... {len(lines) - CODE_LINES} further lines"] if len(lines) > CODE_LINES else []
            code = element("code", "\n".join(line[:600] for line in [*lines[:CODE_LINES], *cut]))
            parts.append(folded(f"{title} ({len(lines)} lines)", element("pre", code, class_="scroll", tabindex=0)))
    return parts


def _codes(result: ClaimResult) -> Iterator[tuple[str, str | None]]:
    """Titles and texts of the code of a claim; None in the place of a text that would be too long."""
    from numerics import generate

    for exhibit in result.exhibits:
        if isinstance(exhibit, GeneratedCode):
            yield f"Generated code: {exhibit.label}", exhibit.text
        elif isinstance(exhibit, Derivation):
            title = f"Generated code{f': {exhibit.label}' if exhibit.label else ''}"
            size = len(exhibit.equations.lines)
            if size > CODED:
                yield f"{title}, of {size} equations", None
                continue
            with suppress(TheoryError):  # equations that move no state, or random ones, have no right-hand side
                yield title, generate(exhibit.equations).source


def references(result: ClaimResult) -> list[Reference]:
    """The sources of a claim, each once."""
    shown = [r for e in result.exhibits if isinstance(e, Derivation) for r in e.equations.references]
    return list({reference.key: reference for reference in [*shown, *result.claim.references]}.values())


def run_rows(result: ClaimResult) -> list[tuple[Any, ...]]:
    """What a reader needs to repeat each simulation of a claim."""
    found = [(evidence.label, evidence.agreement.run) for evidence in result.evidence if evidence.agreement is not None]
    found += [(exhibit.label, exhibit.attributes) for exhibit in result.exhibits if isinstance(exhibit, Runs)]
    link = element("a", result.claim.name, href=f"#{result.claim.name}")
    return [
        (link, prose(label), *(without_places(str(attributes.get(key, ""))) for key in _RUN_COLUMNS))
        for label, attributes in found
        if "seed" in attributes
    ]


RUN_HEADINGS = ("claim", "runs", *_RUN_COLUMNS)


def source_list(results: Iterable[ClaimResult]) -> Html | None:
    """Every source of a run, with its BibTeX."""
    found = {reference.key: reference for result in results for reference in references(result)}
    if not found:
        return None
    items = [
        element("li", cited(reference), folded("BibTeX", element("pre", element("code", reference.bibtex()), class_="scroll")),
                id=f"source-{reference.key}")
        for reference in sorted(found.values(), key=lambda r: (r.authors, r.year))
    ]  # fmt: skip
    return element("ol", *items, class_="sources")


def cited(reference: Reference) -> Html:
    """A source as a reader cites it; an arXiv number is a link."""
    people = [" ".join(reversed(name.split(", "))) for name in reference.authors.split(" and ")]
    authors = ", ".join(people[:-1]) + (" and " if len(people) > 1 else "") + people[-1]
    place: Any = reference.journal
    if reference.arxiv:
        place = element(
            "a", f"arXiv:{reference.arxiv}", href=f"https://arxiv.org/abs/{reference.arxiv}", rel="noreferrer"
        )
    return joined([f"{authors}, ", element("cite", reference.title), f" ({reference.year}), ", place])
