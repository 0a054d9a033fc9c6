"""Data sets of a model file: arrays in the file itself, or columns of a CSV file beside it."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from derivations.model_files.document import Entry, nearest
from theory import Empirical
from theory.laws.law import Law

LARGEST_DATA = 50_000_000
"""Bytes of a CSV file."""

_WHOLE = re.compile(r"[+-]?\d{1,18}")
REST = "*"
"""In `columns`: every column that is not named by itself."""


def read_data_set(entry: Entry) -> Law:
    """The empirical law of `{ file = "data.csv", columns = ["*", "label"] }` or of `{ arrays = [...] }`."""
    keys = ("file", "columns", "arrays")
    for part in entry.entries():
        if part.name not in keys:
            hint = nearest(part.name, keys) or "; it takes file and columns, or arrays"
            raise part.error(f"{part.name!r} is not a key of a data set{hint}", of_key=True)
    file, columns, arrays = (entry.get(key) for key in keys)
    if (file is None) == (arrays is None) or (columns is not None and file is None):
        raise entry.error('a data set takes file = "data.csv", with columns = [...] if you like, or arrays = [...]')
    with entry.refusing():
        if arrays is not None:
            return Empirical(*_arrays(arrays))
        table = _Table(file) if file is not None else None
        return Empirical(*table.arrays(columns)) if table is not None else Empirical()


def _arrays(entry: Entry) -> list[Any]:
    if not isinstance(entry.value, list) or not entry.value:
        raise entry.error("expected a list with one array for each name, as in [[1, 2, 3], [0.5, 1, 1.5]]")
    return [_numbers(part) for part in entry.entries()]


def _numbers(entry: Entry) -> Any:
    """Nested lists of numbers; a fraction is written as text, "1/3"."""
    if isinstance(entry.value, list):
        plain = all(type(item) in (int, float) for item in entry.value)
        return entry.value if plain else [_numbers(part) for part in entry.entries()]
    if isinstance(entry.value, str):
        from fractions import Fraction

        try:
            return Fraction(entry.value) if len(entry.value) <= 100 else None
        except (ValueError, ZeroDivisionError):
            raise entry.error(f"{entry.value[:60]!r} is no number") from None
    if isinstance(entry.value, bool) or not isinstance(entry.value, (int, float)):
        raise entry.error(f"expected a number, got {str(entry.value)[:60]}")
    return entry.value


class _Table:
    """A CSV file: its columns by name, or by number where it has no header."""

    def __init__(self, entry: Entry) -> None:
        self.entry = entry
        lines = self._text().splitlines()
        if lines and lines[0].startswith("#"):  # as numpy writes a header
            lines[0] = lines[0].lstrip("# ")
        first = lines[0] if lines else ""
        delimiter = max(",;\t", key=first.count)
        try:
            rows = [row for row in csv.reader(io.StringIO("\n".join(lines)), delimiter=delimiter) if row]
        except csv.Error as error:
            raise entry.error(f"{self.path} is no CSV file: {error}") from None
        rows = [[cell.strip() for cell in row] for row in rows if not row[0].startswith("#")]
        header = bool(rows) and any(not _is_number(cell) for cell in rows[0])
        self.names: list[str] = rows[0] if header else [str(index) for index in range(len(rows[0]) if rows else 0)]
        self.first_row = 2 if header else 1
        self.rows = rows[header:]
        if not self.rows:
            raise entry.error(f"{self.path} has no rows of numbers")
        for number, row in enumerate(self.rows, start=self.first_row):
            if len(row) != len(self.names):
                raise entry.error(f"{self.path}, row {number}: {len(row)} cells, expected {len(self.names)}")

    @property
    def path(self) -> Path:
        """The file, which lies in the folder of the model file or below it."""
        name = self.entry.value
        if not isinstance(name, str) or not name.strip() or "\0" in name:
            raise self.entry.error('expected the name of a CSV file, as in file = "data.csv"')
        relative = Path(name)
        if relative.is_absolute() or ".." in relative.parts or ":" in name:
            raise self.entry.error(f"{name!r}: a data file lies beside the model file, or in a folder below it")
        return self.entry.document.path.parent / relative

    def _text(self) -> str:
        path = self.path
        try:
            if not path.is_file():
                raise self.entry.error(f"there is no file {path}")
            if path.stat().st_size > LARGEST_DATA:
                raise self.entry.error(
                    f"{path} has more than {LARGEST_DATA // 10**6} MB; use theory.Empirical in Python"
                )
            return path.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError:
            raise self.entry.error(f"{path} is not UTF-8 text; save it as UTF-8") from None
        except OSError as error:
            raise self.entry.error(f"{path} cannot be read: {error.strerror or error}") from error

    def arrays(self, columns: Entry | None) -> list[Any]:
        """An array for each slot: one column, or a block of several."""
        if columns is None:
            return [self._column(index) for index in range(len(self.names))]
        if not isinstance(columns.value, list) or not columns.value:
            raise columns.error('expected a list of columns, one for each name, as in ["*", "label"]')
        named = {name for part in columns.entries() for name in self._named(part)}
        blocks = []
        for part in columns.entries():
            names = self._named(part)
            if part.value == REST:
                names = [name for name in self.names if name not in named]
                if not names:
                    raise part.error("no column is left for '*'")
            indices = [self._index(part, name) for name in names]
            single = len(indices) == 1 and part.value != REST and not isinstance(part.value, list)
            blocks.append(self._column(indices[0]) if single else self._block(indices))
        return blocks

    def _named(self, part: Entry) -> list[str]:
        listed = part.value if isinstance(part.value, list) else [part.value]
        if not all(isinstance(name, (str, int)) and not isinstance(name, bool) for name in listed) or not listed:
            raise part.error("expected the name of a column, or a list of names")
        return [] if part.value == REST else [str(name) for name in listed]

    def _index(self, part: Entry, name: str) -> int:
        if name not in self.names:
            found = nearest(name, self.names) or f"; it has {', '.join(self.names[:20])}"
            raise part.error(f"{self.path.name} has no column {name[:60]!r}{found}")
        return self.names.index(name)

    def _column(self, index: int) -> list[Any]:
        return _converted(self._cells([index]))[0]

    def _block(self, indices: Sequence[int]) -> list[list[Any]]:
        return [list(row) for row in zip(*_converted(self._cells(indices)), strict=True)]

    def _cells(self, indices: Sequence[int]) -> list[list[str]]:
        columns = [[row[index] for row in self.rows] for index in indices]
        for index, column in zip(indices, columns, strict=True):
            for number, cell in enumerate(column, start=self.first_row):
                if not _is_number(cell):
                    raise self.entry.error(
                        f"{self.path.name}, row {number}, column {self.names[index]}: {cell[:40]!r} is no number"
                    )
        return columns


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell


def _converted(columns: list[list[str]]) -> list[list[Any]]:
    """Whole numbers if every cell is one, so that moments are exact, else floating-point numbers."""
    whole = all(_WHOLE.fullmatch(cell) for column in columns for cell in column)
    return [[int(cell) if whole else float(cell) for cell in column] for column in columns]
