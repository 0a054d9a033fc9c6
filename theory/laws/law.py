"""What every data law offers: `Law`, and `LocationScale` for the laws of location + scale * (a standard number)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, ClassVar, Self

import sympy
from sympy import Expr, I, Integer, S

from theory.errors import InvalidRequest, MomentDoesNotExist, UnsupportedExpectation
from theory.identity import Identified
from theory.laws.draw import Draw, Standard, standard_symbol
from theory.laws.parameters import free_symbols
from theory.laws.potentials import at_point


class Slot(StrEnum):
    """What one slot of a law holds: a real number, or a vector."""

    SCALAR = "scalar"
    VECTOR = "vector"


class Law(Identified):
    """A probability law of one real number, or jointly of several slots; immutable, equal and hashed by content.

    A subclass says what it can: what it cannot say raises `UnsupportedExpectation`.
    """

    _parameters: ClassVar[tuple[str, ...]] = ()
    _latex_name: ClassVar[str] = ""

    # ------------------------------------------------------------------------------------------------ a value object

    def _set(self, **attributes: Any) -> None:
        self.__dict__.update(attributes)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{self} cannot be changed; substitute(...) returns a new law")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{self} cannot be changed; substitute(...) returns a new law")

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if not name.startswith("_")}

    @property
    def content_hash(self) -> str:
        """SHA-256 of the content: equal laws have equal hashes, in every process."""
        if "_hash" not in self.__dict__:
            self._set(_hash=super().content_hash)
        return str(self.__dict__["_hash"])

    def content(self) -> Any:
        """What identifies this law: its parameters."""
        return self._values

    @property
    def _values(self) -> tuple[Expr, ...]:
        return tuple(getattr(self, name) for name in self._parameters)

    @property
    def free_symbols(self) -> set[Any]:
        """The symbols that occur in the parameters."""
        return free_symbols(self._values)

    def substitute(self, values: Mapping[Any, Any]) -> Self:
        """The law with symbols in its parameters replaced, checked afresh."""
        images = {symbol: sympy.sympify(value) for symbol, value in values.items()}
        return self._substitute(images) if images else self

    def _substitute(self, images: Mapping[Any, Any]) -> Self:
        return type(self)(*(value.xreplace(images) for value in self._values))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(str, self._values))})"

    def latex(self) -> str:
        """The law in LaTeX, without dollar signs."""
        name = self._latex_name or rf"\mathrm{{{type(self).__name__}}}"
        return rf"{name}({', '.join(map(sympy.latex, self._values))})"

    def _repr_latex_(self) -> str:
        return f"${self.latex()}$"

    # ------------------------------------------------------------------------------------------------ what it is over

    @property
    def slots(self) -> tuple[Slot, ...]:
        """What each slot holds."""
        return (Slot.SCALAR,)

    @property
    def size(self) -> int:
        """The number of slots: 1 for the law of one number."""
        return len(self.slots)

    @property
    def is_scalar(self) -> bool:
        """Whether this is the law of one real number."""
        return self.slots == (Slot.SCALAR,)

    @property
    def is_finite(self) -> bool:
        """Whether the law has finitely many outcomes."""
        return False

    def outcomes(self) -> tuple[tuple[Any, Expr], ...]:
        """The pairs (value, probability) of a finite law; equal values are kept apart.

        Raises `UnsupportedExpectation` if there are not finitely many.
        """
        raise self._unsupported("finite list of outcomes", "integrate over its density instead")

    @property
    def support(self) -> sympy.Set:
        """The set of values that can occur."""
        raise NotImplementedError

    # --------------------------------------------------------------------------------------------------- expectations

    def moment(self, order: int | Sequence[int]) -> Expr:
        r"""The exact moment $\mathbb{E} z^\alpha$.

        Parameters: `order`, a non-negative integer for the law of one number, or one exponent per slot.
        Raises `MomentDoesNotExist` where the expectation is infinite or undefined, `InvalidRequest` for an order that
        does not fit the law.
        """
        exponents = self._exponents(order)
        memo = self.__dict__.setdefault("_memo", {})
        if exponents not in memo:
            memo[exponents] = self._moment(exponents) if any(exponents) else S.One
        result: Expr = memo[exponents]
        return result

    @property
    def _exponent_count(self) -> int:
        return self.size

    def _exponents(self, order: int | Sequence[int]) -> tuple[int, ...]:
        entries: tuple[Any, ...] = tuple(order) if isinstance(order, Sequence) else (order,)
        fits = len(entries) == self._exponent_count
        if not fits or not all(isinstance(e, (int, Integer)) and not isinstance(e, bool) and e >= 0 for e in entries):
            raise InvalidRequest(
                f"the moment of order {order!r} of {self} was asked for; expected {self._exponent_count} "
                f"non-negative integer exponent(s)"
            )
        return tuple(int(e) for e in entries)

    def _moment(self, exponents: tuple[int, ...]) -> Expr:
        raise NotImplementedError

    @property
    def sup_moment(self) -> Expr:
        r"""The supremum of the orders that exist: $\mathbb{E}|z|^q<\infty$ if and only if $q$ is below it."""
        return S.Infinity

    @property
    def mean(self) -> Expr:
        """The mean of a law of one number."""
        return self._scalar("mean").moment(1)

    @property
    def variance(self) -> Expr:
        """The variance of a law of one number."""
        return sympy.expand(self._scalar("variance").moment(2) - self.moment(1) ** 2)

    def density(self, x: Any) -> Expr:
        """The probability density at `x`; `UnsupportedExpectation` if there is none."""
        raise self._unsupported("density", "use outcomes() or draw()")

    def characteristic_function(self, t: Any) -> Expr:
        r"""The characteristic function $\mathbb{E} e^{itz}$; for a joint law `t` has one entry per slot."""
        raise self._unsupported("closed-form characteristic function", "use quadrature over its density")

    def log_potential(self, r: Any) -> Expr:
        r"""The logarithmic potential $U(r)=\mathbb{E}\log|z-r|$ at a real or complex `r`.

        Raises `UnsupportedExpectation` where there is no closed form.
        """
        raise self._unsupported("closed-form logarithmic potential", "use quadrature over its density")

    def draw(self, name: str = "standard") -> Draw:
        """How to draw from the law; `name` begins the names of the symbols of standard draws."""
        raise NotImplementedError

    # --------------------------------------------------------------------------------------------------------- refusal

    def _scalar(self, what: str) -> Self:
        if not self.is_scalar:
            raise self._unsupported(f"single {what}", "ask for moment(...) with one exponent per slot")
        return self

    def _unsupported(self, what: str, remedy: str) -> UnsupportedExpectation:
        return UnsupportedExpectation(f"{self} has no {what}; {remedy}")


class LocationScale(Law):
    """The law of `location + scale * x` with x of a standard law.

    A subclass gives `_location_scale`, and of the standard law `_standard_moment`, `_standard_density`,
    `_standard_characteristic`, `_standard_potential` and `_standard_draw`.
    """

    @property
    def _location_scale(self) -> tuple[Expr, Expr]:
        return self.location, self.scale  # type: ignore[attr-defined]

    def _standard_moment(self, order: int) -> Expr:
        raise NotImplementedError

    def _standard_density(self, x: Expr) -> Expr:
        raise NotImplementedError

    def _standard_characteristic(self, t: Expr) -> Expr:
        raise NotImplementedError

    def _standard_potential(self, r: Expr) -> Expr:
        raise NotImplementedError

    def _standard_draw(self, name: str) -> tuple[Expr, tuple[tuple[sympy.Symbol, Standard], ...]]:
        raise NotImplementedError

    def _moment(self, exponents: tuple[int, ...]) -> Expr:
        (order,) = exponents
        location, scale = self._location_scale
        self._require_moment(order)
        return sympy.expand(
            sympy.Add(
                *(
                    sympy.binomial(order, k) * location ** (order - k) * scale**k * self._standard_moment(k)
                    for k in range(order + 1)
                )
            )
        )

    def _require_moment(self, order: int) -> None:
        if (self.sup_moment - order).is_extended_positive is not True:
            message = None
            if self.sup_moment.free_symbols:
                message = (
                    f"the moment of order {order} of {self} exists only if {self.sup_moment} > {order}, which is not "
                    f"declared; write the parameter as {order} + excess with excess = symbols('excess', positive=True)"
                )
            raise MomentDoesNotExist(order, self, message)

    def density(self, x: Any) -> Expr:
        location, scale = self._location_scale
        return self._standard_density((sympy.sympify(x) - location) / scale) / scale

    def characteristic_function(self, t: Any) -> Expr:
        location, scale = self._location_scale
        frequency = sympy.sympify(t)
        return sympy.exp(I * frequency * location) * self._standard_characteristic(scale * frequency)

    def log_potential(self, r: Any) -> Expr:
        location, scale = self._location_scale
        return sympy.log(scale) + at_point(self._standard_potential, (sympy.sympify(r) - location) / scale)

    def draw(self, name: str = "standard") -> Draw:
        location, scale = self._location_scale
        expression, standards = self._standard_draw(name)
        return Draw((location + scale * expression,), standards)


def one_standard(name: str, standard: Standard) -> tuple[Expr, tuple[tuple[sympy.Symbol, Standard], ...]]:
    """A single standard draw: its symbol as the expression, and the list that declares it."""
    symbol = standard_symbol(name, 0)
    return symbol, ((symbol, standard),)
