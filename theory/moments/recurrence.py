"""What `moments` returns: an exact linear recurrence of moments, ready to display, to solve and to compare."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any

import sympy
from sympy import Expr, S
from sympy.polys.rings import PolyElement

from theory.algebra import Algebra, evaluate
from theory.algorithm import SGD
from theory.equations import Recurrence
from theory.errors import MissingValue
from theory.model import Model
from theory.vectors import InnerProduct, mathml_row


class Moment(Expr):
    """E[monomial], a moment of the state of SGD at one step, as an opaque real quantity."""

    __slots__ = ()
    is_commutative = True

    def __new__(cls, monomial: Expr) -> Moment:
        return Expr.__new__(cls, sympy.sympify(monomial))

    @property
    def monomial(self) -> Expr:
        """What is averaged."""
        return self.args[0]

    @property
    def free_symbols(self) -> set[Any]:
        return set()

    bound_symbols = property(lambda self: sorted(self.args[0].free_symbols | self.args[0].atoms(InnerProduct), key=str))

    def _eval_is_real(self) -> bool:
        return True

    def _eval_derivative(self, symbol: Any) -> Expr:
        return S.Zero

    def _sympystr(self, printer: Any) -> str:
        return f"E[{printer._print(self.monomial)}]"

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        text = rf"\mathbb{{E}}\left[{printer._print(self.monomial)}\right]"
        return text if exp is None else rf"{text}^{{{exp}}}"

    def _pretty(self, printer: Any) -> Any:
        return printer._print(sympy.Function("E")(self.monomial))

    def _mathml_presentation(self, printer: Any) -> Any:
        return mathml_row(printer, ("\U0001d53c", "[", self.monomial, "]"))


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class MomentRecurrence(Recurrence):
    """m' = T m + c for a closed set of moments: exact for the algorithm as stated, at any learning rate.

    `order` is the highest degree in the trained quantities (<w, w> has degree two); `degrees` that of each moment.
    `entries` holds T and c sparsely: (row, column) -> ring element of `algebra`, column -1 for c. `update` shows the same
    as expressions.
    """

    order: int
    degrees: tuple[int, ...]
    entries: Mapping[tuple[int, int], PolyElement] = field(repr=False)
    algebra: Algebra = field(repr=False)
    model: Model = field(repr=False)
    algorithm: SGD = field(repr=False)

    def __getstate__(self) -> dict[str, Any]:
        state = {f.name: getattr(self, f.name) for f in fields(self)}
        domain = self.algebra.domain
        state["entries"] = {
            key: [(m, domain.to_sympy(c)) for m, c in element.terms()] for key, element in self.entries.items()
        }
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        ring, domain = state["algebra"].ring, state["algebra"].domain
        state["entries"] = {
            key: ring.from_dict({m: domain.from_sympy(c) for m, c in terms}) for key, terms in state["entries"].items()
        }
        self.__dict__.update(state)

    @cached_property
    def matrix(self) -> sympy.ImmutableDenseMatrix:
        """T as a matrix of expressions (for display and small systems)."""
        size = len(self.degrees)
        return sympy.ImmutableDenseMatrix(size, size, lambda i, j: self._entry(i, j))

    @cached_property
    def constant(self) -> sympy.ImmutableDenseMatrix:
        """c as a column of expressions."""
        return sympy.ImmutableDenseMatrix(len(self.degrees), 1, lambda i, _: self._entry(i, -1))

    def _entry(self, row: int, column: int) -> Expr:
        element = self.entries.get((row, column))
        return S.Zero if element is None else self.algebra.expression(element)

    def numbers(self, at: Mapping[Any, Any]) -> dict[tuple[int, int], float]:
        """The non-zero entries of T and c (column -1) as floats, for given values of the hyperparameters.

        Raises `MissingValue` naming the symbols without a value.
        """
        values = {sympy.sympify(key): sympy.sympify(value) for key, value in at.items()}
        used = {
            i for element in self.entries.values() for monomial in element.monoms() for i, p in enumerate(monomial) if p
        }
        numbers: dict[Expr, float] = {}
        for index, generator in enumerate(self.algebra.generators):
            number = generator.xreplace(values) if index in used else S.Zero
            if not number.is_number:
                missing = ", ".join(sorted(map(str, number.free_symbols | number.atoms(InnerProduct))))
                raise MissingValue(f"a number is needed for {missing}; give it in at={{...}}")
            numbers[generator] = float(number)
        return {key: evaluate(element, self.algebra, numbers) for key, element in self.entries.items()}
