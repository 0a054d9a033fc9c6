"""Values as TOML text."""

from __future__ import annotations

import json
import math
import numbers
import re
import textwrap
from collections.abc import Sequence
from typing import Any

from derivations.model_files.errors import NotWritable

WIDTH = 110
_BARE = re.compile(r"[A-Za-z0-9_-]+")


def key_text(key: str) -> str:
    """A key, in quotes where it needs them.

    >>> key_text("w"), key_text("dot(v, v)")
    ('w', '"dot(v, v)"')
    """
    return key if _BARE.fullmatch(key) else string_text(key)


def string_text(text: str) -> str:
    """A text on one line, in double quotes."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def expression_string(text: str, column: int = 0) -> str:
    """An expression in quotes, broken into lines where it is long; line ends mean nothing inside an expression."""
    if len(text) + column <= WIDTH:
        return string_text(text)
    lines = textwrap.wrap(text, WIDTH - 2, break_long_words=False, break_on_hyphens=False)
    return '"""\n  ' + "\n  ".join(lines) + '"""'


def number_text(value: Any) -> str:
    """A number; a fraction as text. Raises `NotWritable` for what is no finite number."""
    if isinstance(value, bool):
        raise NotWritable(f"{value} is no number")
    if isinstance(value, numbers.Integral):
        return str(int(value))
    if isinstance(value, numbers.Rational):
        return string_text(f"{value.numerator}/{value.denominator}")
    if isinstance(value, numbers.Real):
        if not math.isfinite(value):
            raise NotWritable(f"{value} is no finite number")
        return repr(float(value))
    raise NotWritable(f"{value!r} of type {type(value).__name__} is no number")


def list_text(items: Sequence[str]) -> str:
    """A list of values that are text already, one to a line where the line would be long."""
    line = f"[{', '.join(items)}]"
    if len(line) <= WIDTH:
        return line
    rows = textwrap.wrap(", ".join(items), WIDTH - 2, break_long_words=False, break_on_hyphens=False)
    return "[\n  " + "\n  ".join(rows) + ",\n]"


def table_text(heading: str, rows: Sequence[tuple[str, str]]) -> str:
    """A table with its keys and values, or nothing where it has none."""
    return "" if not rows else f"\n[{heading}]\n" + "".join(f"{key_text(key)} = {value}\n" for key, value in rows)
