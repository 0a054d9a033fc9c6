r"""LaTeX as MathML, for the formulas that SymPy and the equations of this project print.

One set of printing hooks then serves notebooks, LaTeX files and the report. The subset is what those printers write: fractions,
roots, scripts, fences, matrices, cases, aligned blocks, alphabets, names of functions, Greek letters and relations. A command that
is not known is shown as it stands.

>>> mathml(r"\frac{x}{2}", display=False)
'<math display="inline"><mrow><mfrac><mrow><mi>x</mi></mrow><mrow><mn>2</mn></mrow></mfrac></mrow></math>'
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import NamedTuple

from derivations.report.characters import (
    ACCENTS,
    ALPHABETS,
    FENCED,
    IGNORED,
    LARGE,
    LETTERS,
    NAMES,
    OPERATORS,
    SPACES,
    TEXTS,
    in_alphabet,
)
from derivations.report.html import Html

_TOKEN = re.compile(
    r"\\begin\{(?P<begin>\w+)\}|\\end\{(?P<end>\w+)\}|\\(?P<command>[A-Za-z]+|.)|(?P<number>\d+(?:\.\d+)?)|(?P<word>[A-Za-z]+)"
    r"|(?P<space>\s+)|(?P<other>.)",
    re.DOTALL,
)


class _Token(NamedTuple):
    """A piece of LaTeX: its kind (a group of `_TOKEN`), its text, and where it begins."""

    kind: str
    text: str
    start: int

    def is_(self, kind: str, text: str) -> bool:
        return self.kind == kind and self.text == text

    @property
    def closes(self) -> bool:
        """Whether an item list ends here: a brace, a cell, a row, a fence or an environment is over."""
        if self.kind == "command":
            return self.text in ("right", "\\")
        return self.kind == "end" or (self.kind == "other" and self.text in "}&")


def mathml(latex: str, *, display: bool = True) -> Html:
    """The `<math>` element of a formula, as a block of its own or within a line."""
    return Html(f'<math display="{"block" if display else "inline"}">{fragment(latex)}</math>')


def fragment(latex: str) -> Html:
    """The row of a formula, to be put into a `<math>` element."""
    return Html(_Parser(latex).formula())


def _tokens(latex: str) -> Iterator[_Token]:
    for match in _TOKEN.finditer(latex):
        kind = str(match.lastgroup)
        if kind != "space":
            yield _Token(kind, match[kind], match.start())


def _row(parts: list[str]) -> str:
    return f"<mrow>{''.join(parts)}</mrow>"


def _operator(text: str, *, stretchy: bool = False) -> str:
    settings = "" if stretchy else ' stretchy="false"' if text in "()[]{}|⟨⟩‖⌊⌋⌈⌉" else ""
    return f"<mo{settings}>{html.escape(text)}</mo>"


class _Parser:
    """A formula, read once from left to right."""

    def __init__(self, latex: str) -> None:
        self.latex = latex
        self.tokens = list(_tokens(latex))
        self.position = 0
        self.alphabet = ""

    def formula(self) -> str:
        parts = []
        while self.position < len(self.tokens):
            parts += self.items()
            self.position += 1  # a brace, a tab or an end that nothing opened
        return _row(parts)

    def next_is(self, kind: str, text: str) -> bool:
        """Whether such a token comes next."""
        return self.position < len(self.tokens) and self.tokens[self.position].is_(kind, text)

    def items(self) -> list[str]:
        """The items up to a token that closes something, which stays to be read."""
        found: list[str] = []
        while self.position < len(self.tokens) and not (token := self.tokens[self.position]).closes:
            if token.kind == "other" and token.text in "^_'":
                found.append(self.scripts(found.pop() if found else "<mrow></mrow>"))
            else:
                self.position += 1
                if text := self.item(token):
                    found.append(text)
        return found

    def scripts(self, base: str) -> str:
        """The base with the sub- and superscripts that follow it."""
        below, above, primes = "", "", ""
        while self.position < len(self.tokens):
            token = self.tokens[self.position]
            if token.is_("other", "'"):
                self.position += 1
                primes += "′"
            elif token.kind == "other" and token.text in "^_" and not (below if token.text == "_" else above):
                self.position += 1
                if token.text == "_":
                    below = self.argument()
                else:
                    above = self.argument()
            else:
                break
        if primes:  # beside the base: fonts without a table for mathematics have a prime that is raised already
            base = _row([base, f'<mo lspace="0" rspace="0.1em">{primes}</mo>'])
            if not below and not above:
                return base
        large = any(f">{symbol}<" in base for symbol in (LARGE["sum"], LARGE["prod"]))
        if below and above:
            return (
                f"<{'munderover' if large else 'msubsup'}>{base}{below}{above}</{'munderover' if large else 'msubsup'}>"
            )
        kind = ("munder" if large else "msub") if below else ("mover" if large else "msup")
        return f"<{kind}>{base}{below or above}</{kind}>"

    def argument(self) -> str:
        """What a command or a script takes: a group in braces, or one token."""
        if self.position >= len(self.tokens):
            return "<mrow></mrow>"
        token = self.tokens[self.position]
        self.position += 1
        if token.is_("other", "{"):
            return self.group()
        return self.item(token) or "<mrow></mrow>"

    def group(self) -> str:
        """The row up to the brace that closes it."""
        parts = self.items()
        if self.next_is("other", "}"):
            self.position += 1
        return _row(parts)

    def raw(self) -> str:
        """The text of a group in braces, as it stands."""
        if not self.next_is("other", "{"):
            self.position += 1
            return self.tokens[self.position - 1].text if self.position <= len(self.tokens) else ""
        first, depth = self.tokens[self.position].start, 0
        while self.position < len(self.tokens):
            token = self.tokens[self.position]
            self.position += 1
            depth += {"{": 1, "}": -1}.get(token.text, 0) if token.kind == "other" else 0
            if depth == 0:
                break
        text = self.latex[first + 1 : self.tokens[self.position - 1].start]
        return re.sub(r"\\([_%#&${}])", r"\1", text)

    def item(self, token: _Token) -> str:
        if token.kind == "number":
            return f"<mn>{self.lettered(token.text)}</mn>"
        if token.kind == "word":
            return self.word(token.text)
        if token.kind == "command":
            return self.command(token.text)
        if token.kind == "begin":
            return self.environment(token.text)
        if token.text == "{":
            return self.group()
        if token.text == "~":
            return _space(SPACES["~"])
        return _operator({"-": "−", "*": "∗"}.get(token.text, token.text))

    def word(self, text: str) -> str:
        """A letter, or a name of several, which is upright."""
        if text == "dt":  # the differential: a product would have been written apart
            return "<mi>d</mi><mi>t</mi>"
        return f"<mi>{self.lettered(text)}</mi>"

    def lettered(self, text: str) -> str:
        """Letters in the alphabet at hand."""
        return html.escape("".join(in_alphabet(letter, self.alphabet) for letter in text))

    def command(self, name: str) -> str:
        if name in LETTERS:
            return f"<mi>{self.lettered(LETTERS[name])}</mi>"
        if name in OPERATORS:
            return _operator(OPERATORS[name])
        if name in SPACES:
            return _space(SPACES[name])
        if name in LARGE:
            return f"<mo>{LARGE[name]}</mo>"
        if name in NAMES:
            return f"<mi>{name}</mi>"
        if name in IGNORED:
            return ""
        if name in TEXTS:
            return self.text(name)
        if name in ALPHABETS:
            outer, self.alphabet = self.alphabet, name
            content = self.argument()
            self.alphabet = outer
            return content
        if name in ("bar", "overline"):  # a border, since few fonts have a bar that stretches
            return f'<mrow class="overline">{self.argument()}</mrow>'
        if name in ACCENTS:
            return f'<mover accent="true">{self.argument()}<mo>{ACCENTS[name]}</mo></mover>'
        if name in ("frac", "tfrac", "dfrac"):
            return f"<mfrac>{self.argument()}{self.argument()}</mfrac>"
        if name == "binom":
            return _row([_operator("(", stretchy=True), f'<mfrac linethickness="0">{self.argument()}{self.argument()}</mfrac>',
                         _operator(")", stretchy=True)])  # fmt: skip
        if name == "sqrt":
            return self.root()
        if name == "left":
            return self.fence()
        return f"<mtext>{html.escape(chr(92) + name)}</mtext>"

    def text(self, name: str) -> str:
        content = self.raw()
        if name == "operatorname" or (name == "mathrm" and content.isalnum()):
            upright = ' mathvariant="normal"' if len(content) == 1 else ""
            return f"<mi{upright}>{html.escape(content)}</mi>"
        return f"<mtext>{html.escape(content).replace(' ', chr(160))}</mtext>"

    def root(self) -> str:
        if self.next_is("other", "["):
            self.position += 1
            degree = []
            while self.position < len(self.tokens) and not self.next_is("other", "]"):
                self.position += 1
                degree.append(self.item(self.tokens[self.position - 1]))
            self.position += 1
            return f"<mroot>{self.argument()}{_row(degree)}</mroot>"
        return f"<msqrt>{self.argument()}</msqrt>"

    def fence(self) -> str:
        """From `left` to its `right`, with fences as high as what they hold."""
        opening = self.delimiter()
        parts = self.items()
        closing = ""
        if self.next_is("command", "right"):
            self.position += 1
            closing = self.delimiter()
        fences = [_operator(mark, stretchy=True) if mark else "" for mark in (opening, closing)]
        return _row([fences[0], *parts, fences[1]])

    def delimiter(self) -> str:
        if self.position >= len(self.tokens):
            return ""
        token = self.tokens[self.position]
        self.position += 1
        if token.kind == "command":
            return OPERATORS.get(token.text, token.text)
        return "" if token.text == "." else token.text

    def environment(self, name: str) -> str:
        """A table: the rows of a matrix, of cases, of aligned equations."""
        if name == "array" and self.position < len(self.tokens):
            self.argument()  # how its columns are aligned
        rows: list[list[list[str]]] = [[[]]]
        while self.position < len(self.tokens):
            rows[-1][-1] += self.items()
            if self.position >= len(self.tokens):
                break
            token = self.tokens[self.position]
            self.position += 1
            if token.is_("other", "&"):
                rows[-1].append([])
            elif token.is_("command", "\\"):
                rows.append([[]])
            elif token.kind == "end":
                break
        aligned = name in ("aligned", "align", "cases")
        body = "".join(f"<mtr>{''.join(f'<mtd>{_row(cell)}</mtd>' for cell in row)}</mtr>" for row in rows if any(row))
        settings = f' class="{name}" displaystyle="true"' if aligned else ""
        opening, closing = FENCED.get(name, ("", ""))
        marks = [_operator(mark, stretchy=True) if mark else "" for mark in (opening, closing)]
        return _row([marks[0], f"<mtable{settings}>{body}</mtable>", marks[1]])


def _space(width: float) -> str:
    return f'<mspace width="{width:g}em"></mspace>' if width else ""
