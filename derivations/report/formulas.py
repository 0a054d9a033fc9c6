"""Equations as typeset blocks: long sums are broken at their terms, and what would not be readable is counted instead."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import sympy
from sympy import Add, Expr
from sympy.printing.latex import LatexPrinter

from derivations.report.html import Html, element, escaped
from derivations.report.mathml import fragment, mathml

LINES, ROWS = 12, 30
"""Equations that a block shows, and the rows that they may take; of more, the number is said."""
DIGITS = 6
"""Digits of a decimal fraction in an equation; kernels use them all."""
ROOM = 64
"""Characters of a line before a sum is broken."""
TERMS = 24
"""Terms of one right-hand side that are typeset."""
LONGEST = 1200
"""Characters of a term that is still typeset."""

_MARKUP = re.compile(r"\\(?:left|right|mathbf|mathbb|mathcal|operatorname|text|frac|sqrt)\b|\\[A-Za-z]+|[{}_^&\\\s]")
_POWER = re.compile(r"(?<=[\w)|])(?:\*\*|\^)(?:\((?P<group>[^()]*)\)|(?P<plain>-?\w+))")


def latex_of(side: Any) -> str:
    """A side of an equation as LaTeX: a text stays a text."""
    return rf"\text{{{side}}}" if isinstance(side, str) else str(sympy.latex(side))


def equation_block(lines: Iterable[tuple[Any, Any]], *, relation: str = "=") -> Html:
    """Equations one below another, aligned, in a box that scrolls by itself.

    >>> equation_block([(sympy.Symbol("x"), sympy.Integer(1))])[:24]
    '<div class="math scroll"'
    """
    listed = list(lines)
    if not listed:
        return Html("")
    rows: list[str] = []
    shown = 0
    for left, right in listed[:LINES]:
        further = _rows(latex_of(left), relation, _rounded(right))
        if rows and len(rows) + len(further) > ROWS:
            break
        rows, shown = rows + further, shown + 1
    table = f'<math display="block"><mtable class="aligned" displaystyle="true">{"".join(rows)}</mtable></math>'
    notes = []
    if len(listed) > shown:
        notes.append(f"and {len(listed) - shown} further equations, {len(listed)} in all")
    if any(_rounded(right) is not right for _, right in listed[:shown]):
        notes.append(f"numbers are shown to {DIGITS} digits")
    note = element("p", "; ".join(notes), class_="note") if notes else None
    box = element("div", Html(table), class_="math scroll", tabindex=0, role="region", aria_label="equations")
    return Html(box + escaped(note))


def formula_block(latex: str) -> Html:
    """A formula on a line of its own."""
    return element("div", mathml(latex), class_="math scroll", tabindex=0, role="region", aria_label="formula")


def prose(text: Any) -> Html:
    """A sentence with powers raised, `n**(-1/2)` and `10^5` alike.

    >>> prose("order n**(-1/2) & 10^5")
    'order n<sup>-1/2</sup> &amp; 10<sup>5</sup>'
    """
    parts, position = [], 0
    for found in _POWER.finditer(str(text)):
        parts += [escaped(str(text)[position : found.start()]), element("sup", found["group"] or found["plain"])]
        position = found.end()
    return Html("".join([*parts, escaped(str(text)[position:])]))


def _rounded(right: Any) -> Any:
    """An expression with its decimal fractions cut to the digits shown; itself where nothing is cut."""
    if not isinstance(right, sympy.Basic):
        return right
    cut = {number: sympy.Float(number, DIGITS) for number in right.atoms(sympy.Float)}
    long = {number: short for number, short in cut.items() if float(short) != float(number)}
    return right.xreplace(long) if long else right


def _rows(left: str, relation: str, right: Any) -> list[str]:
    """The table rows of one equation."""
    chunks = _chunks(right)
    first = f"<mtr><mtd>{fragment(left)}</mtd><mtd>{fragment(relation + ' ' + chunks[0])}</mtd></mtr>"
    further = [f'<mtr><mtd></mtd><mtd class="further">{fragment(chunk)}</mtd></mtr>' for chunk in chunks[1:]]
    return [first, *further]


def _chunks(right: Any) -> list[str]:
    """The right side in pieces that fit a line: a sum is broken before a term."""
    if not isinstance(right, Add):
        return [_shortened(right)]
    terms = _ordered(right)
    pieces, widths = [""], [0]
    for index, term in enumerate(terms[:TERMS]):
        text = _shortened(term)
        signed = text if index == 0 or text.lstrip().startswith("-") else f"+ {text}"
        width = len(_MARKUP.sub("", signed)) + 2
        if widths[-1] and widths[-1] + width > ROOM:
            pieces.append("")
            widths.append(0)
        pieces[-1] += f" {signed}"
        widths[-1] += width
    if len(terms) > TERMS:
        pieces.append(rf"+ \cdots \quad \text{{({len(terms) - TERMS} further terms, {len(terms)} in all)}}")
    return pieces


def _ordered(total: Expr) -> Sequence[Expr]:
    """The terms of a sum in the order in which SymPy prints them."""
    return list(LatexPrinter()._as_ordered_terms(total))


def _shortened(expression: Any) -> str:
    """An expression as LaTeX, or how large it is where nobody could read it."""
    if isinstance(expression, Expr) and (size := int(sympy.count_ops(expression))) > LONGEST:
        return rf"\text{{(an expression of {size} operations)}}"
    text = latex_of(expression)
    if len(text) > 20 * LONGEST:
        return rf"\text{{(an expression of {len(text)} characters)}}"
    return text
