"""A TOML file as a document: its values with their places, and errors that point at the line and the column."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from derivations.model_files.errors import ModelFileError
from derivations.model_files.nearest import closest
from derivations.model_files.positions import Keys, Refused, Spot, letter_offset, scan
from theory.errors import TheoryError

LARGEST_FILE = 2_000_000
"""Bytes; larger data belong in a CSV file beside the model file."""

_SHOWN_WIDTH = 72
_LONGEST_MESSAGE = 1000
_WHERE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")


@dataclass(frozen=True)
class Document:
    """The text of a model file, its values, and where they stand."""

    path: Path
    text: str
    values: Mapping[str, Any]
    spots: Mapping[Keys, Spot]

    @property
    def root(self) -> Entry:
        """The whole file as an entry."""
        return Entry(self, (), self.values)

    def error(self, message: str, offset: int | None = None, width: int = 1) -> ModelFileError:
        """The error that `message` is about the `width` letters at `offset`, or about the whole file."""
        return error_at(self.path, self.text, message, offset, width)


@dataclass(frozen=True)
class Entry:
    """A value of a document with the keys that lead to it."""

    document: Document
    keys: Keys
    value: Any

    @property
    def name(self) -> str:
        """The last key."""
        return str(self.keys[-1]) if self.keys else ""

    @property
    def label(self) -> str:
        """The entry as a reader finds it: `[data] x`."""
        if not self.keys:
            return "the file"
        first, *rest = self.keys
        inner = "".join(f"[{key}]" if isinstance(key, int) else f"{'.' * bool(i)}{key}" for i, key in enumerate(rest))
        return f"[{first}] {inner}" if rest else f"{first}" if not isinstance(self.value, Mapping) else f"[{first}]"

    @property
    def is_table(self) -> bool:
        """Whether it holds keys of its own."""
        return isinstance(self.value, Mapping)

    def entry(self, key: str | int) -> Entry:
        """The entry under a key or index that is there."""
        return Entry(self.document, (*self.keys, key), self.value[key])

    def get(self, key: str) -> Entry | None:
        """The entry under a key, or None."""
        return self.entry(key) if key in self.value else None

    def entries(self) -> Iterator[Entry]:
        """The entries of a table or an array, in order."""
        keys: Iterable[Any] = self.value if self.is_table else range(len(self.value))
        return (self.entry(key) for key in keys)

    @cached_property
    def spot(self) -> Spot | None:
        """Where it stands; for a number in an array, where the array stands."""
        for size in range(len(self.keys), 0, -1):
            found = self.document.spots.get(self.keys[:size])
            if found is not None:
                return found
        return None

    def as_key(self) -> Entry:
        """The key of this entry as an entry: its text is the key, and errors about it point there."""
        return _Key(self.document, self.keys, self.name)

    def error(self, problem: str, *, of_key: bool = False) -> ModelFileError:
        """The error that this entry (or its key) has a problem; the message begins with its label."""
        return self.complaint(f"{self.label}: {problem}", of_key=of_key)

    def complaint(self, message: str, *, of_key: bool = False) -> ModelFileError:
        """The error with this message, at the place of this entry or of its key."""
        spot = self.spot
        if spot is None:
            return self.document.error(message)
        start, end = (spot.key, spot.key + len(self.name)) if of_key else (spot.value, spot.end)
        return self.document.error(message, start, end - start)

    @contextmanager
    def refusing(self) -> Iterator[None]:
        """Within it, an error of the language becomes the error of the file that this entry has that problem."""
        try:
            yield
        except ModelFileError:
            raise
        except TheoryError as error:
            raise self.error(str(error)) from error

    def error_within(self, message: str, index: int, width: int) -> ModelFileError:
        """The error about `width` letters of this entry's text, from letter number `index`."""
        spot = self.spot
        if spot is None or not isinstance(self.value, str) or self.document.spots.get(self.keys) is not spot:
            return self.complaint(message)
        text = self.document.text
        start = letter_offset(text, spot, index)
        return self.document.error(message, start, letter_offset(text, spot, index + max(width, 1) - 1) + 1 - start)


class _Key(Entry):
    """A key, read as an expression."""

    def complaint(self, message: str, *, of_key: bool = False) -> ModelFileError:
        return super().complaint(message, of_key=True)

    def error_within(self, message: str, index: int, width: int) -> ModelFileError:
        return self.complaint(message)


def read_document(path: Path) -> Document:
    """The document of a TOML file.

    Raises `ModelFileError` for a file that cannot be read, is too large, is no UTF-8 or no TOML.
    """
    try:
        size = path.stat().st_size
        if size > LARGEST_FILE:
            raise ModelFileError(
                path,
                f"{path}: the file has {size / 1e6:.1f} MB, at most {LARGEST_FILE / 1e6:.0f} MB are read; put data into a "
                f"CSV file beside it, as in [data] x = {{ file = 'data.csv' }}",
            )
        raw = path.read_bytes()
    except OSError as error:
        raise ModelFileError(path, f"{path} cannot be read: {error.strerror or error}") from error
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ModelFileError(
            path,
            f"{path}:{line}: the file is not UTF-8 text (byte {raw[error.start]:#04x}); save it as UTF-8",
            line=line,
        ) from error
    return document_of(path, text)


def document_of(path: Path, text: str) -> Document:
    """The document of a text; `path` names it in messages."""
    text = text.replace("\r\n", "\n")
    try:
        spots = scan(text)
        values = tomllib.loads(text)
    except Refused as error:
        raise error_at(path, text, str(error), error.offset) from None
    except tomllib.TOMLDecodeError as error:
        raise _no_toml(path, text, str(error)) from error
    except (ValueError, RecursionError) as error:
        raise ModelFileError(path, f"{path} is not read as TOML: {error}") from error
    return Document(path, text, values, spots)


def _no_toml(path: Path, text: str, problem: str) -> ModelFileError:
    where = _WHERE.search(problem)
    message = f"this is no TOML: {problem[: where.start()] if where else problem}"
    if where is None:
        return error_at(path, text, message)
    if where[1] is None:
        return error_at(path, text, f"{message} (the text ends here)", max(len(text.rstrip()) - 1, 0))
    lines = text.split("\n")
    line, column = int(where[1]), int(where[2])
    return error_at(path, text, message, sum(len(row) + 1 for row in lines[: line - 1]) + column - 1)


def error_at(path: Path, text: str, message: str, offset: int | None = None, width: int = 1) -> ModelFileError:
    """The error about a place in a text: PATH:LINE:COLUMN, the message, and the line with the place marked below."""
    if len(message) > _LONGEST_MESSAGE:  # it quotes what is long
        message = f"{message[: _LONGEST_MESSAGE - 200]} ... {message[-195:]}"
    if offset is None:
        return ModelFileError(path, f"{path}: {message}")
    offset = min(offset, len(text))
    line, start = text.count("\n", 0, offset) + 1, text.rfind("\n", 0, offset) + 1
    column, row = offset - start + 1, text[start:].split("\n", 1)[0]
    shown = f"{path}:{line}:{column}: {message}\n{_marked(row, line, column - 1, width)}"
    return ModelFileError(path, shown, line=line, column=column)


def _marked(row: str, line: int, column: int, width: int) -> str:
    """A line of the text with a mark below the letters that are meant; a long line is cut around them."""
    width = max(1, min(width, len(row) - column))
    first = 0
    if len(row) > _SHOWN_WIDTH:
        first = max(0, min(column - _SHOWN_WIDTH // 3, len(row) - _SHOWN_WIDTH))
    visible = "".join(letter if letter.isprintable() else " " for letter in row[first : first + _SHOWN_WIDTH])
    mark = " " * (column - first) + "^" * min(width, _SHOWN_WIDTH - (column - first))
    return f"{line:>6} | {visible}\n{'':>6} | {mark}"


def nearest(name: str, known: Iterable[str]) -> str:
    """`; did you mean X?` for the known name nearest to `name`, or nothing.

    >>> nearest("learning_rat", ["learning_rate", "momentum"])
    '; did you mean learning_rate?'
    """
    if len(name) > 60:
        return ""
    close = closest(name, known)
    return f"; did you mean {close}?" if close else ""
