"""What a terminal can show: its width, its characters; and JSON, for programs."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Mapping
from enum import Enum
from typing import TYPE_CHECKING, Any

from rich.console import Console

if TYPE_CHECKING:
    from derivations.display.sheet import Sheet


class _Console(Console):
    """A console that leaves it to the command what a closed pipe means."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def console(*, error: bool = False) -> Console:
    """A console on stdout or stderr that prints brackets as brackets."""
    return _Console(stderr=error, markup=False, emoji=False, highlight=False)


def columns() -> int | None:
    """Characters in a line of the terminal, or of `$COLUMNS`; None where stdout is a file or a pipe, which has no width."""
    found = console()
    return found.width if found.is_terminal or os.environ.get("COLUMNS") else None


def say(text: str = "", *, error: bool = False) -> None:
    """Print a text on stdout, or on stderr: on a terminal wrapped between words, into a file or a pipe as it is."""
    found = console(error=error)
    width = found.width if found.is_terminal else None
    for line in text.split("\n"):
        found.print(line if width is None else _wrapped(line, width), soft_wrap=True)


def _wrapped(line: str, width: int) -> str:
    """A line broken at its spaces, what follows indented by two more than its start; no word is broken."""
    import textwrap

    if len(line) <= width:
        return line
    indent = line[: len(line) - len(line.lstrip())]
    return textwrap.fill(
        line,
        width,
        subsequent_indent=f"{indent}  ",
        break_long_words=False,
        break_on_hyphens=False,
        drop_whitespace=True,
    )


def show(sheet: Sheet) -> None:
    """Print a table so that it fits."""
    console().print(sheet.lines(columns()), soft_wrap=True)


def note(text: str) -> None:
    """Print a remark on stderr, where it disturbs no data."""
    say(f"sgd-theory: {text}", error=True)


def plain(value: Any) -> Any:
    """`value` as JSON can hold it: arrays as lists, numbers that are not finite as null, everything else as text.

    >>> plain({"z": (1.0, float("inf")), "ok": True})
    {'z': [1.0, None], 'ok': True}
    """
    if value is None or isinstance(value, (str, bool, int)):
        return str(value) if isinstance(value, Enum) else value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    return str(value)


def text_of_json(payload: Mapping[str, Any]) -> str:
    """A payload as the text of one JSON document.

    >>> print(text_of_json({"c": float("nan")}))
    {
      "c": null
    }
    """
    return json.dumps(plain(payload), indent=2, allow_nan=False, ensure_ascii=not _speaks_unicode())


def write_json(payload: Mapping[str, Any]) -> None:
    """Print a payload as JSON, and nothing else, on stdout."""
    sys.stdout.write(text_of_json(payload) + "\n")
    sys.stdout.flush()


def _speaks_unicode() -> bool:
    return (getattr(sys.stdout, "encoding", None) or "").lower().replace("-", "").startswith("utf")


def glyph(symbol: str, fallback: str) -> str:
    """`symbol`, or `fallback` where the terminal's encoding has no such character."""
    try:
        symbol.encode(getattr(sys.stdout, "encoding", None) or "ascii")
    except (UnicodeEncodeError, LookupError):
        return fallback
    return symbol


def mark(good: bool | None) -> str:
    """A tick, a cross, or a dash for neither; words where the terminal has no such characters."""
    return glyph(*{True: ("✓", "ok"), False: ("✗", "no"), None: ("–", "--")}[good])


def bytes_text(size: int) -> str:
    """A number of bytes for a reader.

    >>> bytes_text(999), bytes_text(123456)
    ('999 bytes', '123.5 kB')
    """
    if size < 1000:
        return f"{size} bytes"
    unit = next(power for power in range(1, 5) if size < 1000 ** (power + 1) or power == 4)
    return f"{size / 1000**unit:.1f} {('kB', 'MB', 'GB', 'TB')[unit - 1]}"
