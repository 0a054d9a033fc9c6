"""Content hashes: the same text for the same mathematics, in every process.

Anything that must be identified by what it says (models, laws, algorithms, equations) offers `content()`, a nested
tuple of strings, numbers, bytes, SymPy objects and further such objects; `content_hash` turns it into a SHA-256.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from enum import Enum
from typing import Any

from sympy import Basic, Dummy
from sympy.printing.repr import ReprPrinter


class _CanonicalPrinter(ReprPrinter):
    """SymPy's own representation, with the assumptions of a symbol in alphabetical order.

    SymPy lists them in the order in which the first of several equal symbols was declared.
    """

    def _print_Symbol(self, expr: Any) -> str:
        stated = [f"{name}={value}" for name, value in sorted(expr._assumptions_orig.items())]
        if isinstance(expr, Dummy):
            stated.append(f"dummy_index={expr.dummy_index}")
        return f"{type(expr).__name__}({', '.join([repr(expr.name), *stated])})"

    _print_Dummy = _print_Symbol


_CANONICAL = _CanonicalPrinter()


def canonical_text(part: Any) -> str:
    """A text that determines `part` and is the same in every process."""
    if isinstance(part, Basic):
        return _CANONICAL.doprint(part)
    if isinstance(part, Enum):
        return f"{type(part).__name__}.{part.name}"
    if part is None or isinstance(part, (str, int, float, bool)):
        return repr(part)
    if isinstance(part, bytes):
        return f"bytes:{hashlib.sha256(part).hexdigest()}"
    if isinstance(part, Mapping):
        items = sorted((canonical_text(key), canonical_text(value)) for key, value in part.items())
        return "{" + ", ".join(f"{key}: {value}" for key, value in items) + "}"
    if isinstance(part, (tuple, list)):
        return "(" + ", ".join(canonical_text(item) for item in part) + ")"
    if hasattr(part, "content"):
        return f"{type(part).__name__}{canonical_text(part.content())}"
    raise TypeError(f"{type(part).__name__} has no canonical text: give it a content() method")


def content_hash(part: Any) -> str:
    """The SHA-256 of the canonical text of `part`, in hexadecimal."""
    return hashlib.sha256(canonical_text(part).encode()).hexdigest()


class Identified:
    """Mixin: equality, hash and `content_hash` from `content()`, for immutable values that are no SymPy objects."""

    def content(self) -> Any:
        """What identifies this value."""
        raise NotImplementedError

    @property
    def content_hash(self) -> str:
        """SHA-256 of the content: equal values have equal hashes, in every process."""
        return content_hash((type(self).__name__, self.content()))

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self.content_hash == other.content_hash

    def __hash__(self) -> int:
        return hash(self.content_hash)
