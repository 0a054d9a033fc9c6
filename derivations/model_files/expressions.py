"""The text of an expression as a syntax tree of Python, bounded before Python sees it.

Nothing is evaluated here, and nothing is ever evaluated by Python. The text is cut into tokens first: what has no
place in a formula (text, comments, `^`, `3x`) is refused with a hint, and so is what would take Python's parser deep or
long. A name that Python keeps for itself, such as `lambda`, is an ordinary name here.
"""

from __future__ import annotations

import ast
import keyword
import math
import re
import unicodedata
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from derivations.model_files.document import Entry
from derivations.model_files.errors import ModelFileError

LONGEST = 50_000
"""Letters of one expression."""
DEEPEST_BRACKETS = 32
DEEPEST_TREE = 120
"""Levels of the syntax tree; a sum or a product of any length is one level."""
MOST_OPERATORS = 1000
"""Operators between two brackets or commas."""
LONGEST_NUMBER = 60
"""Digits and signs of one number."""
LONGEST_NAME = 60

_TOKEN = re.compile(
    r"(?P<space>[ \t\n]+)|(?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)|(?P<name>[^\W\d]\w*)"
    r"|(?P<operator>\*\*|//|<=|>=|==|!=|[-+*/@<>&|~^=:.,])|(?P<open>[\[({])|(?P<close>[\])}])"
)
_CLOSING = {"(": ")", "[": "]", "{": "}"}
_STAND_IN = "\u0298"  # a letter that no declared name may hold
_USED_KEYWORDS = {"for", "in", "True", "False"}
_INSTEAD = {
    "and": "write &",
    "or": "write |",
    "not": "write ~",
    "is": "write ==",
    "if": "write Piecewise((value, condition), ...)",
    "else": "write Piecewise((value, condition), ...)",
}


@dataclass(frozen=True)
class Expression:
    """An expression: the entry that holds it, its text, what Python's parser saw instead (letter for letter), and the tree."""

    entry: Entry
    text: str
    seen: str
    tree: ast.expr

    def error(self, message: str, node: ast.AST | None = None) -> ModelFileError:
        """The error that `message` is about a part of the expression, or about all of it."""
        if node is None or not hasattr(node, "lineno"):
            return self.entry.complaint(f"{self.entry.label}: {message}")
        start, end = self._index(node.col_offset), self._index(node.end_col_offset)  # type: ignore[attr-defined]
        return self.entry.error_within(f"{self.entry.label}: {message}", start, end - start)

    def _index(self, column: int) -> int:
        """The letter of `text` at a column of the tree: Python counts bytes, and the text stands in parentheses."""
        return len(self.seen.encode()[: column - 1].decode(errors="ignore"))

    def part(self, node: ast.AST) -> str:
        """The text of a part of the expression."""
        start, end = self._index(node.col_offset), self._index(node.end_col_offset)  # type: ignore[attr-defined]
        return self.text[start:end]

    def names(self) -> Iterator[ast.Name]:
        """Every name in it."""
        return (node for node in ast.walk(self.tree) if isinstance(node, ast.Name))


def declarable(name: str) -> str | None:
    """Why `name` cannot be a name in expressions, or None if it can."""
    if len(name) > LONGEST_NAME:
        return f"has {len(name)} letters; at most {LONGEST_NAME} are read"
    match = _TOKEN.fullmatch(name)
    if match is None or match.lastgroup != "name" or _STAND_IN in name:
        return "is no name; write letters, digits and _, as in w, tau_1"
    if name in _USED_KEYWORDS or name in _INSTEAD:
        return "has a meaning of its own in expressions; choose another name"
    normal = unicodedata.normalize("NFKC", name)
    return None if normal == name else f"has letters that read as {normal!r}; write {normal}"


def parsed(entry: Entry) -> Expression:
    """The expression of an entry: of its text, or of a plain number.

    Raises `ModelFileError`, at the place, for what is no expression or beyond a bound.
    """
    value = entry.value
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if not math.isfinite(value):
            raise entry.error(f"{value} is no finite number")
        if isinstance(value, int) and len(str(value)) > LONGEST_NUMBER:
            raise entry.error(f"a number of more than {LONGEST_NUMBER} digits")
        text = repr(value)
    elif isinstance(value, str):
        text = value
    else:
        raise entry.error(f"expected an expression, as text in quotes or a number, got {_kind(value)}")
    if not text.strip():
        raise entry.error("the expression is empty")
    return _expression(entry, text)


def _kind(value: Any) -> str:
    kinds = {bool: "true or false", dict: "a table", list: "a list"}
    return kinds.get(type(value), f"a {type(value).__name__}")


def _expression(entry: Entry, text: str) -> Expression:
    if len(text) > LONGEST:
        raise entry.error(f"an expression of {len(text)} letters; at most {LONGEST} are read, use [definitions]")
    seen = _guarded(entry, text)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(f"({seen})", mode="eval").body
    except SyntaxError as error:
        index = min(max((error.offset or 2) - 2, 0), len(text) - 1)
        raise entry.error_within(f"{entry.label}: this is no expression: {error.msg}", index, 1) from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise entry.error(f"this is no expression: {error}") from None
    expression = Expression(entry, text, seen, tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id.startswith(_STAND_IN):
            node.id = expression.part(node)
        elif isinstance(node, ast.keyword) and node.arg and node.arg.startswith(_STAND_IN):
            node.arg = expression.part(node)[: len(node.arg)]
    if _depth(tree) > DEEPEST_TREE:
        raise expression.error(f"nested more than {DEEPEST_TREE} levels deep; use [definitions]")
    return expression


# ------------------------------------------------------------------------------------------------------------- tokens


def _guarded(entry: Entry, text: str) -> str:
    """The text on one line with stand-ins for names that Python keeps; of the same length."""

    def refuse(message: str, index: int, width: int = 1) -> ModelFileError:
        return entry.error_within(f"{entry.label}: {message}", index, width)

    pieces: list[str] = []
    levels = [_Level("", 0)]
    before, last, index = "", "", 0
    while index < len(text):
        match = _TOKEN.match(text, index)
        if match is None:
            raise refuse(_strange(text, index), index)
        kind, token = str(match.lastgroup), match[0]
        if kind == "number" and len(token) > LONGEST_NUMBER:
            raise refuse(f"a number of {len(token)} digits; at most {LONGEST_NUMBER} are read", index, len(token))
        if kind == "name" and len(token) > LONGEST_NAME:
            raise refuse(f"a name of {len(token)} letters; at most {LONGEST_NAME} are read", index, len(token))
        if token in _INSTEAD:
            raise refuse(f"{token!r} has no meaning in an expression; {_INSTEAD[token]}", index, len(token))
        if _is_product(before, last, kind, token):
            raise refuse("a product is written with a star, as in 3*x", index, len(token))
        if token == "^":
            raise refuse("a power is written with two stars, as in x**2", index)
        if kind == "operator" and levels[-1].counted(token) > MOST_OPERATORS:
            raise refuse(f"more than {MOST_OPERATORS} operators in a row; use brackets or [definitions]", index)
        if kind == "open":
            if len(levels) > DEEPEST_BRACKETS:
                raise refuse(f"brackets nested more than {DEEPEST_BRACKETS} deep; use [definitions]", index)
            levels.append(_Level(_CLOSING[token], index))
        elif kind == "close":
            level = levels.pop()
            if token != level.closing:
                opened = (
                    f"{text[level.opened]!r} is closed by {token!r}" if level.closing else f"{token!r} closes nothing"
                )
                raise refuse(opened, index)
        pieces.append(_plain(kind, token))
        before, last = (before, last) if kind == "space" else (kind, token)
        index = match.end()
    if len(levels) > 1:
        raise refuse(f"{text[levels[-1].opened]!r} is never closed", levels[-1].opened)
    return "".join(pieces)


@dataclass
class _Level:
    """What stands between two brackets: how they close, where they opened, and the operators so far."""

    closing: str
    opened: int
    sums: int = 0
    others: int = 0

    def counted(self, operator: str) -> int:
        """The operators in a row, of the kind of this one: signs between two commas, others between two signs."""
        if operator == ",":
            self.sums = self.others = 0
        elif operator in "+-":
            self.sums, self.others = self.sums + 1, 0
        else:
            self.others += 1
        return max(self.sums, self.others)


def _is_product(before: str, last: str, kind: str, token: str) -> bool:
    """Whether two tokens stand side by side as a product does on paper."""
    if token in ("for", "in") or last in ("for", "in"):
        return False
    return (before == "number" and kind in ("name", "number", "open")) or (
        before in ("name", "close") and kind in ("name", "number")
    )


def _plain(kind: str, token: str) -> str:
    """A token as Python reads it."""
    if kind == "space":
        return " " * len(token)
    if kind == "name" and keyword.iskeyword(token) and token not in _USED_KEYWORDS:
        return _STAND_IN + token[1:]
    return token


def _strange(text: str, index: int) -> str:
    letter = text[index]
    if letter in "\"'":
        return "there is no text inside an expression"
    if letter == "#":
        return "there is no comment inside an expression; end the text before it"
    hints = {
        "\u2212": "-",
        "\u00b7": "*",
        "\u00d7": "*",
        "\u2062": "*",
        "\u00b2": "**2",
        "\u00b3": "**3",
        "\u221a": "sqrt(...)",
    }
    hint = f"; write {hints[letter]}" if letter in hints else ""
    return f"{letter!r} has no meaning in an expression{hint}"


def _depth(tree: ast.expr) -> int:
    """The levels of a tree, chains of + and of * counted once."""
    deepest, pending = 0, [(tree, 1)]
    while pending:
        node, depth = pending.pop()
        deepest = max(deepest, depth)
        chain = _rank(node)
        for child in ast.iter_child_nodes(node):
            same = chain is not None and child is getattr(node, "left", None) and _rank(child) == chain
            pending.append((child, depth + (not same)))  # type: ignore[arg-type]
    return deepest


def _rank(node: ast.AST) -> str | None:
    """Whether a node is a link of a sum, a link of a product, or neither."""
    if not isinstance(node, ast.BinOp):
        return None
    if isinstance(node.op, (ast.Add, ast.Sub)):
        return "sum"
    return "product" if isinstance(node.op, (ast.Mult, ast.Div, ast.MatMult)) else None
