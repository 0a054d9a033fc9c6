"""The name that was meant: how every message about an unknown name guesses."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def closest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that was most likely meant, or None where none is near.

    Names that differ in upper and lower case alone come first, then those of the same letters in another order, then the most
    similar ones, of the same length before others.

    >>> closest("tahn", ["tan", "tanh"]), closest("ETA", ["beta", "eta"]), closest("x", ["eta"])
    ('tanh', 'eta', None)
    """
    names = list(known)
    folded = [other for other in names if other.lower() == name.lower()]
    if folded:
        return folded[0]
    near = difflib.get_close_matches(name, names, n=6)

    def merit(other: str) -> tuple[bool, float, bool]:
        alike = difflib.SequenceMatcher(None, other, name).ratio()
        return sorted(other) == sorted(name), alike, len(other) == len(name)

    return max(near, key=merit, default=None)
