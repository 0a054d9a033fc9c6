"""The expectation that defines a scalar exponent, as a SymPy node: E log|keep + weight * batch mean of the curvature|."""

from __future__ import annotations

from typing import Any

import sympy
from sympy import Expr, Symbol, Tuple

from theory.vectors import mathml_row


class ExpectedLogarithm(Expr):
    """E log|keep + weight * mean of `batch_size` independent copies of the curvature|; its random symbols are bound.

    It is not evaluated by SymPy; `numerics` does, from the laws of the symbols.
    """

    __slots__ = ()
    is_commutative = True

    def __new__(cls, keep: Expr, weight: Expr, curvature: Expr, batch_size: Expr, names: Any) -> ExpectedLogarithm:
        return Expr.__new__(cls, *map(sympy.sympify, (keep, weight, curvature, batch_size)), Tuple(*names))

    keep = property(lambda self: self.args[0])
    weight = property(lambda self: self.args[1])
    curvature = property(lambda self: self.args[2])
    batch_size = property(lambda self: self.args[3])

    @property
    def bound_symbols(self) -> list[Symbol]:
        """The random symbols."""
        return list(self.args[4])

    @property
    def free_symbols(self) -> set[Any]:
        return set().union(*(argument.free_symbols for argument in self.args[:4])) - set(self.args[4])

    @property
    def is_number(self) -> bool:
        return False  # its value needs the laws of the symbols, which SymPy does not see

    def _eval_is_real(self) -> bool:
        return True

    @property
    def _is_batch(self) -> bool:
        return self.batch_size != 1 and bool(self.bound_symbols)

    def _sympystr(self, printer: Any) -> str:
        shown = f"mean({printer._print(self.curvature)})" if self._is_batch else None
        return f"E[log|{printer._print(self._multiplier(shown))}|]"

    def _latex(self, printer: Any) -> str:
        shown = rf"\overline{{{printer._print(self.curvature)}}}" if self._is_batch else None
        return rf"\mathbb{{E}}\,\log\left|{printer._print(self._multiplier(shown))}\right|"

    def _multiplier(self, shown: str | None) -> Expr:
        """keep + weight * curvature, with the batch mean as a symbol of the given name."""
        inner = self.curvature if shown is None else sympy.Symbol(shown)
        return self.keep + sympy.expand(self.weight * inner)

    def _mathml_presentation(self, printer: Any) -> Any:
        inner = ("\u27e8", self.curvature, "\u27e9") if self._is_batch else ("(", self.curvature, ")")
        return mathml_row(printer, ("\U0001d53c", "log", "|", self.keep, "+", "(", self.weight, ")", *inner, "|"))
