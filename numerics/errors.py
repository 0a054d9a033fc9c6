"""The errors of the machine that several of its modules raise."""

from __future__ import annotations

from typing import Any

from theory.errors import TheoryError


class PrinterError(TheoryError, NotImplementedError):
    """Something has no scalar code: an unknown function, an integral, an infinity, a number too large for the precision.

    Attribute: `node`, the offending subexpression, or the offending node of a printed text's syntax tree.
    """

    def __init__(self, node: Any, message: str) -> None:
        self.node = node
        super().__init__(message)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.node, str(self))
