"""Tables that fit: aligned columns where the terminal is wide enough, one record below the other where it is not.

A number is never broken: what does not fit is stacked.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

GAP = "  "


@dataclass(frozen=True)
class Column:
    """A column: its `heading`, whether its cells are text (aligned to the left), and whether they may be wrapped."""

    heading: str
    text: bool = False
    wraps: bool = False


@dataclass(frozen=True)
class Sheet:
    """Rows of cells under columns; `keys`, how many leading columns name a row where rows are stacked.

    >>> sheet = Sheet((Column("time"), Column("statistic", text=True), Column("mean")), (("0", "m", "0.1"),), keys=2)
    >>> print(sheet.lines(80))
    time  statistic  mean
       0  m           0.1
    >>> print(sheet.lines(12))
    time 0
    statistic m
      mean  0.1
    """

    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    keys: int = 1

    @classmethod
    def of(cls, columns: Iterable[Column], rows: Iterable[Iterable[str]], *, keys: int = 1) -> Sheet:
        """A sheet from any iterables."""
        return cls(tuple(columns), tuple(tuple(row) for row in rows), keys)

    def lines(self, width: int | None) -> str:
        """The table as text of at most `width` characters a line (None: any), but for a cell that is longer by itself."""
        sizes = self._sizes()
        if width is None or sum(sizes) + len(GAP) * (len(sizes) - 1) <= width:
            return "\n".join(self._aligned(sizes, [column.heading for column in self.columns], *self.rows))
        last = width - sum(sizes[:-1]) - len(GAP) * (len(sizes) - 1)
        if self.columns and self.columns[-1].wraps and last >= 24:
            return "\n".join(self._wrapped(sizes, last))
        return "\n\n".join(self._stacked(row, width) for row in self.rows)

    def _sizes(self) -> list[int]:
        cells = [[column.heading, *(row[k] for row in self.rows)] for k, column in enumerate(self.columns)]
        return [max(map(len, column)) for column in cells]

    def _aligned(self, sizes: list[int], *rows: Iterable[str]) -> list[str]:
        lines = []
        for row in rows:
            cells = [
                cell.ljust(size) if column.text else cell.rjust(size)
                for cell, size, column in zip(row, sizes, self.columns, strict=True)
            ]
            lines.append(GAP.join(cells).rstrip())
        return [line for line in lines if line]

    def _wrapped(self, sizes: list[int], last: int) -> list[str]:
        """The last column, which is prose, on as many lines as it needs."""
        lines: list[str] = []
        for row in ([column.heading for column in self.columns], *self.rows):
            first, *rest = wrap(row[-1], last) or [""]
            lines += self._aligned([*sizes[:-1], 0], [*row[:-1], first])
            indent = " " * (sum(sizes[:-1]) + len(GAP) * (len(sizes) - 1))
            lines += [indent + line for line in rest]
        return lines

    def _stacked(self, row: tuple[str, ...], width: int) -> str:
        pairs = [(column.heading, cell) for column, cell in zip(self.columns, row, strict=True) if cell]
        names = [column.heading for column in self.columns[: self.keys]]
        titles = [f"{name} {cell}".strip() for name, cell in pairs if name in names]
        joined = GAP.join(titles)
        lines = [joined] if len(joined) <= width else titles
        indent = max((len(name) for name, _ in pairs if name not in names), default=0)
        for name, cell in pairs:
            if name not in names:
                head = f"  {name:<{indent}}  "
                lines += [head + cell] if len(head + cell) <= width else [f"  {name}", *_indented(cell, width)]
        return "\n".join(lines)


def _indented(cell: str, width: int) -> list[str]:
    return [f"    {line}" for line in wrap(cell, width - 4)]


def wrap(text: str, width: int) -> list[str]:
    """The words of a text in lines of at most `width` characters; no word is broken.

    >>> wrap("at 1234567 steps", 9)
    ['at', '1234567', 'steps']
    """
    import textwrap

    return textwrap.wrap(text, max(1, width), break_long_words=False, break_on_hyphens=False)
