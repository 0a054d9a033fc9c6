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

    def _eval_subs(self, old: Any, new: Any) -> Expr | None:
        return self if old in self.bound_symbols else None

    def _xreplace(self, rule: Any) -> Any:
        return super()._xreplace({old: new for old, new in rule.items() if old not in self.bound_symbols})

    @property
    def is_number(self) -> bool:
        return False  # its value needs the laws of the symbols, which SymPy does not see

    def _eval_is_real(self) -> bool:
        return True

    @property
    def _is_batch(self) -> bool:
        return self.batch_size != 1 and bool(self.bound_symbols)

    def _sympystr(self, printer: Any) -> str:
        return f"E[log|{printer._print(self._multiplier(printer, 'mean({})'))}|]"

    def _latex(self, printer: Any) -> str:
        shown = printer._print(self._multiplier(printer, r"\overline{{{}}}"))
        return rf"\mathbb{{E}}\,\log\left|{shown}\right|"

    def _multiplier(self, printer: Any, mean: str) -> Expr:
        """keep + weight * curvature; the mean over a batch is a symbol whose name is the formatted curvature, without its sign."""
        sign, inner = 1, self.curvature
        if self._is_batch:
            sign = -1 if inner.could_extract_minus_sign() else 1
            inner = sympy.Symbol(mean.format(printer._print(sign * inner)))
        return self.keep + sympy.expand(sign * self.weight * inner)

    def _mathml_presentation(self, printer: Any) -> Any:
        inner = ("\u27e8", self.curvature, "\u27e9") if self._is_batch else ("(", self.curvature, ")")
        return mathml_row(printer, ("\U0001d53c", "log", "|", self.keep, "+", "(", self.weight, ")", *inner, "|"))
