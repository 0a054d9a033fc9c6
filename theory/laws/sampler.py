"""A law of one number that can only be drawn: `Sampler`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NoReturn, Self

import sympy
from sympy import Expr

from theory.errors import InvalidLaw, MomentDoesNotExist, UnsupportedExpectation
from theory.laws.draw import Draw
from theory.laws.law import Law
from theory.laws.parameters import real_parameter

Function = Callable[[Any, int], Any]
"""(generator, count) -> array of `count` numbers; the generator is a `numpy.random.Generator`."""


class Sampler(Law):
    """The law of the numbers that a function of your own draws.

    Nothing exact can be derived from it: moments, densities, characteristic functions and logarithmic potentials raise
    `UnsupportedExpectation`. What averages over draws works (`numerics` labels it Monte Carlo). It cannot be drawn inside kernels.

    Parameters
    ----------
    function : (generator, count) -> `count` independent real numbers, all its randomness taken from the `numpy.random.Generator`.
    name : what identifies the law. Two samplers of one name are equal and share cached results, whatever their functions do: put a
        version into the name when you change the function.
    support : a set of real numbers that holds every draw, if you know one smaller than the line.
    sup_moment : the supremum of the orders of moments that exist, if you know it.

    Raises `InvalidLaw` for a function that cannot be called, and for an empty name.

    >>> from theory import Sampler
    >>> law = Sampler(lambda generator, count: generator.standard_normal(count)**3, "cubed normal", sup_moment=float("inf"))
    >>> law, law.sup_moment
    (Sampler('cubed normal'), oo)
    """

    function: Function
    name: str
    place: sympy.Set
    declared_sup_moment: Expr | None

    def __init__(
        self, function: Function, name: str, *, support: sympy.Set = sympy.S.Reals, sup_moment: Any = None
    ) -> None:
        if not callable(function):
            raise InvalidLaw(f"Sampler: function must be callable as function(generator, count), got {function!r}")
        if not isinstance(name, str) or not name.strip():
            raise InvalidLaw(f"Sampler: name must be a text that identifies the law, got {name!r}")
        if not isinstance(support, sympy.Set) or support.is_subset(sympy.S.Reals) is False or support.is_empty:
            raise InvalidLaw(
                f"Sampler {name!r}: support must be a set of real numbers, as Interval(0, oo), got {support!r}"
            )
        self._set(function=function, name=name, place=support, declared_sup_moment=_order(sup_moment, name))

    def content(self) -> Any:
        return self.name, self.place, self.declared_sup_moment

    @property
    def free_symbols(self) -> set[Any]:
        return set()

    def _substitute(self, images: Mapping[Any, Any]) -> Self:
        return self

    @property
    def _values(self) -> tuple[Expr, ...]:
        return self._refuse("text of its own, since it holds a Python function")

    def __repr__(self) -> str:
        return f"Sampler({self.name!r})"

    def latex(self) -> str:
        return rf"\mathrm{{Sampler}}(\text{{{self.name}}})"

    @property
    def support(self) -> sympy.Set:
        return self.place

    @property
    def sup_moment(self) -> Expr:
        """The declared supremum of the orders that exist. Raises `UnsupportedExpectation` if none was declared."""
        if self.declared_sup_moment is None:
            self._refuse("stated order up to which moments exist", "declare it as sup_moment=")
        return self.declared_sup_moment

    def _moment(self, exponents: tuple[int, ...]) -> Expr:
        if self.declared_sup_moment is not None and not self.declared_sup_moment > exponents[0]:
            raise MomentDoesNotExist(exponents[0], self)
        return self._refuse(f"exact moment of order {exponents[0]}")

    def density(self, x: Any) -> Expr:
        return self._refuse("density")

    def characteristic_function(self, t: Any) -> Expr:
        return self._refuse("characteristic function")

    def log_potential(self, r: Any) -> Expr:
        return self._refuse("logarithmic potential")

    def draw(self, name: str = "standard") -> Draw:
        return self._refuse("draw in terms of standard draws, which kernels need")

    def _refuse(self, what: str, remedy: str = "") -> NoReturn:
        raise UnsupportedExpectation(
            f"{self} has no {what}: it is only known by its draws; "
            f"{remedy or 'state the law as Density(x, expression, support), or by built-in laws'}"
        )


def _order(value: Any, name: str) -> Expr | None:
    if value is None:
        return None
    infinite = value in (float("inf"), sympy.oo)
    order = sympy.oo if infinite else real_parameter(value, "sup_moment", f"Sampler {name!r}")
    if not order.is_number or not order > 0:
        raise InvalidLaw(f"Sampler {name!r}: sup_moment must be a positive number or infinite, got {value!r}")
    return order
