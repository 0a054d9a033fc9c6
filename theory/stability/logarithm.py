"""Averages over one step of a scalar block as SymPy nodes: E log|m| and E|m|^p, m = keep + weight * batch mean of the curvature."""

from __future__ import annotations

from typing import Any

import sympy
from sympy import Expr, Symbol, Tuple

from theory.vectors import mathml_row


class StepAverage(Expr):
    """An average over keep + weight * mean of `batch_size` independent copies of the curvature; its random symbols are bound.

    It is not evaluated by SymPy; `numerics` does, from the laws of the symbols.
    """

    __slots__ = ()
    is_commutative = True

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
        present = (*self.args[:4], *self.args[5:])
        return set().union(*(argument.free_symbols for argument in present)) - set(self.args[4])

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

    def _multiplier(self, printer: Any, mean: str) -> Expr:
        """keep + weight * curvature; the mean over a batch is a symbol whose name is the formatted curvature, without its sign."""
        sign, inner = 1, self.curvature
        if self._is_batch:
            sign = -1 if inner.could_extract_minus_sign() else 1
            inner = sympy.Symbol(mean.format(printer._print(sign * inner)))
        return self.keep + sympy.expand(sign * self.weight * inner)

    def _shown(self, printer: Any) -> str:
        return str(printer._print(self._multiplier(printer, "mean({})")))

    def _shown_in_latex(self, printer: Any) -> str:
        return str(printer._print(self._multiplier(printer, r"\overline{{{}}}")))

    def _mathml_parts(self) -> tuple[Any, ...]:
        inner = ("\u27e8", self.curvature, "\u27e9") if self._is_batch else ("(", self.curvature, ")")
        return ("|", self.keep, "+", "(", self.weight, ")", *inner, "|")


class ExpectedLogarithm(StepAverage):
    """E log|keep + weight * mean of `batch_size` independent copies of the curvature|: the Lyapunov exponent of a scalar block."""

    __slots__ = ()

    def __new__(cls, keep: Expr, weight: Expr, curvature: Expr, batch_size: Expr, names: Any) -> ExpectedLogarithm:
        return Expr.__new__(cls, *map(sympy.sympify, (keep, weight, curvature, batch_size)), Tuple(*names))

    def _sympystr(self, printer: Any) -> str:
        return f"E[log|{self._shown(printer)}|]"

    def _latex(self, printer: Any) -> str:
        return rf"\mathbb{{E}}\,\log\left|{self._shown_in_latex(printer)}\right|"

    def _mathml_presentation(self, printer: Any) -> Any:
        return mathml_row(printer, ("\U0001d53c", "log", *self._mathml_parts()))


class ExpectedPower(StepAverage):
    """E |keep + weight * mean of `batch_size` independent copies of the curvature|^order."""

    __slots__ = ()

    def __new__(
        cls, keep: Expr, weight: Expr, curvature: Expr, batch_size: Expr, names: Any, order: Expr
    ) -> ExpectedPower:
        listed = map(sympy.sympify, (keep, weight, curvature, batch_size))
        return Expr.__new__(cls, *listed, Tuple(*names), sympy.sympify(order))

    order = property(lambda self: self.args[5])

    def _eval_is_nonnegative(self) -> bool:
        return True

    def _sympystr(self, printer: Any) -> str:
        return f"E[|{self._shown(printer)}|^{printer._print(self.order)}]"

    def _latex(self, printer: Any) -> str:
        return rf"\mathbb{{E}}\left|{self._shown_in_latex(printer)}\right|^{{{printer._print(self.order)}}}"

    def _mathml_presentation(self, printer: Any) -> Any:
        return mathml_row(printer, ("\U0001d53c", *self._mathml_parts(), "^", self.order))
