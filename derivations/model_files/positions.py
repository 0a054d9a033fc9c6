"""Where every key and every value of a TOML text stands: Python's `tomllib` reads values, but says no positions.

The scan also refuses what would take `tomllib` long or deep: arrays and inline tables nested without end, keys of
hundreds of parts, numbers of thousands of digits. It judges nothing else: where the text is no TOML, it stops, and `tomllib`
says what is wrong there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

Keys = tuple[str | int, ...]

DEEPEST = 16
"""How deep arrays and inline tables may lie in each other."""
MOST_KEY_PARTS = 8
LONGEST_WORD = 200
"""Of a bare key, a number, a date."""

_BLANK = re.compile(r"[ \t]*")
_GAP = re.compile(r"(?:[ \t\n]+|#[^\n]*)*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_WORD = re.compile(r"[^,\]}\n#]+")
_QUOTED = re.compile(r"\"\"\"(?:[^\"\\]|\\.|\"(?!\"\"))*\"\"\"\"{0,2}|'''(?:[^']|'(?!''))*''''{0,2}", re.DOTALL)
_QUOTED_LINE = re.compile(r"\"(?:[^\"\\\n]|\\[^\n])*\"|'[^'\n]*'")
_ESCAPE = re.compile(r"\\(?:u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|[ \t]*\n[ \t\n]*|.)", re.DOTALL)


@dataclass(frozen=True)
class Spot:
    """Where a key begins, and where its value begins and ends, as offsets in the text."""

    key: int
    value: int
    end: int


class Refused(Exception):
    """A text that is not read further; `offset` is where. Its reader makes the error of the file of it."""

    def __init__(self, message: str, offset: int) -> None:
        self.offset = offset
        super().__init__(message)


class _NoToml(Exception):
    """The text is no TOML from here on."""


def scan(text: str) -> dict[Keys, Spot]:
    r"""The spots of all tables, keys, strings and nested values of a TOML text with `\n` at the ends of lines.

    Raises `Refused` beyond a bound.

    >>> scan('[model]\nloss = "w**2"')[("model", "loss")]
    Spot(key=8, value=15, end=21)
    """
    scanner = _Scanner(text)
    with suppress(_NoToml):
        scanner.run()
    return scanner.spots


def letter_offset(text: str, spot: Spot, index: int) -> int:
    r"""The offset in `text` of letter number `index` of the string at `spot`.

    >>> text = 'a = "1\\t2"'
    >>> letter_offset(text, Spot(0, 4, 10), 2)
    8
    """
    for position, offset in enumerate(_letters(text, spot)):
        if position == index:
            return offset
    return spot.end - 1


def _letters(text: str, spot: Spot) -> Iterator[int]:
    """The offset of each letter of a string, escapes counted as the letter that they mean."""
    quotes = 3 if text[spot.value : spot.value + 3] in ('"""', "'''") else 1
    offset, end, escapes = spot.value + quotes, spot.end - quotes, text[spot.value] == '"'
    if quotes == 3 and text[offset : offset + 1] == "\n":
        offset += 1
    while offset < end:
        escape = _ESCAPE.match(text, offset) if escapes and text[offset] == "\\" else None
        if escape is None or not escape[0][1:].isspace():  # an escaped end of line means nothing
            yield offset
        offset = offset + 1 if escape is None else escape.end()


@dataclass
class _Scanner:
    text: str
    spots: dict[Keys, Spot] = field(default_factory=dict)
    offset: int = 0
    tables: dict[Keys, int] = field(default_factory=dict)

    def run(self) -> None:
        prefix: Keys = ()
        while True:
            self._skip(_GAP)
            if self.offset >= len(self.text):
                return
            if self.text[self.offset] == "[":
                prefix = self._header()
            else:
                self._pair(prefix, 0)

    def _skip(self, pattern: re.Pattern[str]) -> None:
        match = pattern.match(self.text, self.offset)
        self.offset = match.end() if match else self.offset

    def _take(self, letters: str) -> None:
        if not self.text.startswith(letters, self.offset):
            raise _NoToml
        self.offset += len(letters)

    def _header(self) -> Keys:
        start, double = self.offset, self.text.startswith("[[", self.offset)
        self._take("[[" if double else "[")
        named = self.offset
        keys = self._key()
        self._take("]]" if double else "]")
        self.spots.setdefault(keys, Spot(named, start, self.offset))
        if not double:
            return keys
        self.tables[keys] = self.tables.get(keys, -1) + 1
        return (*keys, self.tables[keys])

    def _key(self) -> Keys:
        parts: list[str] = []
        start = self.offset
        while True:
            self._skip(_BLANK)
            quoted = _QUOTED_LINE.match(self.text, self.offset)
            match = quoted or _BARE_KEY.match(self.text, self.offset)
            if match is None:
                raise _NoToml
            if len(match[0]) > LONGEST_WORD:
                raise Refused(f"a key of {len(match[0])} letters; at most {LONGEST_WORD} are read", start)
            parts.append(_unquoted(match[0]) if quoted else match[0])
            if len(parts) > MOST_KEY_PARTS:
                raise Refused(f"a key of more than {MOST_KEY_PARTS} parts", start)
            self.offset = match.end()
            self._skip(_BLANK)
            if not self.text.startswith(".", self.offset):
                return tuple(parts)
            self.offset += 1

    def _pair(self, prefix: Keys, depth: int) -> None:
        start = self.offset
        keys = (*prefix, *self._key())
        self._take("=")
        self._skip(_BLANK)
        value = self.offset
        self._value(keys, depth)
        self.spots[keys] = Spot(start, value, self.offset)

    def _value(self, keys: Keys, depth: int) -> None:
        if depth > DEEPEST:
            raise Refused(f"arrays or tables nested more than {DEEPEST} deep", self.offset)
        letter = self.text[self.offset : self.offset + 1]
        if letter == "[":
            self._array(keys, depth)
        elif letter == "{":
            self._inline_table(keys, depth)
        else:
            long = self.text.startswith(('"""', "'''"), self.offset)
            pattern = (_QUOTED if long else _QUOTED_LINE) if letter in ('"', "'") else _WORD
            match = pattern.match(self.text, self.offset)
            if match is None:
                raise _NoToml
            if pattern is _WORD and len(match[0].rstrip()) > LONGEST_WORD:
                raise Refused(
                    f"a number or word of {len(match[0])} letters; at most {LONGEST_WORD} are read", self.offset
                )
            self.offset = match.end()

    def _array(self, keys: Keys, depth: int) -> None:
        self._take("[")
        index = 0
        while True:
            self._skip(_GAP)
            if self.text.startswith("]", self.offset):
                self.offset += 1
                return
            start, inner = self.offset, (*keys, index)
            plain = self.text[start : start + 1] not in ("[", "{", '"', "'")
            self._value(inner, depth + 1)
            if not plain:  # numbers by the thousand have no spot of their own
                self.spots[inner] = Spot(start, start, self.offset)
            index += 1
            self._skip(_GAP)
            if not self.text.startswith("]", self.offset):
                self._take(",")

    def _inline_table(self, keys: Keys, depth: int) -> None:
        self._take("{")
        self._skip(_BLANK)
        while not self.text.startswith("}", self.offset):
            self._pair(keys, depth + 1)
            self._skip(_BLANK)
            if not self.text.startswith("}", self.offset):
                self._take(",")
                self._skip(_BLANK)
        self.offset += 1


def _unquoted(text: str) -> str:
    """A quoted key; one with an escape other than of a quote or a backslash is found under its written form."""
    inner = text[1:-1]
    return inner.replace('\\"', '"').replace("\\\\", "\\") if text[0] == '"' else inner
