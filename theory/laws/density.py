r"""A law of one number given by its probability density: `Density`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Any, Self

import sympy
from sympy import Expr, I, S, Symbol, Tuple
from sympy.codegen.cfunctions import log1p

from theory.errors import InvalidLaw, MomentDoesNotExist, NotReal
from theory.expectation.quadrature import Quadrature
from theory.laws.draw import Draw, StandardSign, StandardUniform, standard_symbol
from theory.laws.law import Law
from theory.laws.parameters import is_negative, rationalized
from theory.laws.pieces import Piece, exact_integral, numerical_integral, pieces, rough_points
from theory.laws.quantiles import derived_quantile, is_quantile

NORMALISED = 1e-6
"""How far the integral of a density may be from 1: what quadrature and rounded constants leave."""


class Density(Law):
    r"""The law of one number with a density of your own.

    What has a closed form is found exactly (moments, the quantile function); the rest is stated as integrals over the density
    (`Quadrature` nodes), which numerics evaluates with an error estimate.

    Parameters
    ----------
    variable : the symbol of the number in `expression`; it is bound, and may be any real symbol.
    expression : the density on the support, a function of the variable and of symbols that are parameters.
    support : the two ends; expressions of parameters, or infinite.
    quantile : a pair (p, expression), the value below which the number lies with probability p. Without it one is derived where the
        distribution function is inverted by elementary functions. Kernels draw by it; without one, draws outside kernels invert the
        distribution function in a table (`numerics.law_draws`).

    Raises `InvalidLaw` for a density that is negative, or whose integral over the support is not 1 (the message names it); with
    parameters that leave it undecided, when numbers are put in. `NotReal` for symbols that are not real.

    >>> from sympy import exp, oo
    >>> from theory import symbols
    >>> x, a = symbols("x a", positive=True)
    >>> rayleigh = Density(x, x*exp(-x**2/(2*a))/a, (0, oo))
    >>> rayleigh.moment(4), rayleigh.sup_moment
    (8*a**2, oo)
    >>> rayleigh.draw("z").expression
    (sqrt(2)*sqrt(a)*sqrt(-log(z_0)),)
    """

    variable: Symbol
    """As it was written; `bound` stands for it in `expression`."""
    expression: Expr
    lower: Expr
    upper: Expr
    bound: Symbol
    given: tuple[Symbol, Expr] | None

    def __init__(
        self,
        variable: Symbol,
        expression: Any,
        support: tuple[Any, Any] = (-sympy.oo, sympy.oo),
        quantile: tuple[Symbol, Any] | None = None,
    ) -> None:
        if not isinstance(variable, Symbol):
            raise InvalidLaw(
                f"Density: variable must be a symbol, as in Density(x, exp(-x), (0, oo)); got {variable!r}"
            )
        body = _real_expression(expression, f"expression of {variable}")
        ends = tuple(support) if isinstance(support, (tuple, list, Tuple)) else ()
        if len(ends) != 2:
            raise InvalidLaw(f"Density: support must be a pair of ends, as in (0, oo), got {support!r}")
        low, high = (_end(value, name) for value, name in zip(ends, ("lower end", "upper end"), strict=True))
        if variable in low.free_symbols | high.free_symbols:
            raise InvalidLaw(
                f"Density: the support {support} depends on {variable}; its ends are numbers or parameters"
            )
        if is_negative(high - low) or high == low or low is S.Infinity or high is S.NegativeInfinity:
            raise InvalidLaw(f"Density: the support must not be empty, got the ends {low} and {high}; exchange them")
        bound = _bound(variable, body, low, high)
        self._set(variable=variable, expression=body.xreplace({variable: bound}), lower=low, upper=high, bound=bound)
        self._set(given=None if quantile is None else self._read_quantile(quantile))
        self._check()

    # ------------------------------------------------------------------------------------------------ a value object

    def content(self) -> Any:
        return self.expression, self.bound, self.lower, self.upper, self.given

    @property
    def free_symbols(self) -> set[Any]:
        found = set().union(*(part.free_symbols for part in (self.expression, self.lower, self.upper)))
        return (found if self.given is None else found | self.given[1].free_symbols - {self.given[0]}) - {self.bound}

    def _substitute(self, images: Mapping[Any, Any]) -> Self:
        moved = {symbol: image for symbol, image in images.items() if symbol in self.free_symbols}
        given = None if self.given is None else (self.given[0], self.given[1].xreplace(moved))
        ends = (self.lower.xreplace(moved), self.upper.xreplace(moved))
        expression = self.expression.xreplace(moved)
        captured = any(self.variable in sympy.sympify(image).free_symbols for image in moved.values())
        shown = self.bound if captured else self.variable
        return type(self)(shown, expression.xreplace({self.bound: shown}), ends, given)

    @property
    def _values(self) -> tuple[Any, ...]:
        shown = self.expression.xreplace({self.bound: self.variable})
        values = (self.variable, shown, Tuple(self.lower, self.upper))
        return values if self.given is None else (*values, Tuple(*self.given))

    def latex(self) -> str:
        shown = self.expression.xreplace({self.bound: self.variable})
        place = rf"{sympy.latex(self.variable)} \in {sympy.latex(self.support)}"
        return rf"\mathrm{{Density}}\left({sympy.latex(shown)},\ {place}\right)"

    # ---------------------------------------------------------------------------------------------------- the density

    @property
    def support(self) -> sympy.Set:
        return sympy.Interval(self.lower, self.upper)

    def density(self, x: Any) -> Expr:
        point = sympy.sympify(x)
        inside = sympy.And(point >= self.lower, point <= self.upper)
        value = self.expression.xreplace({self.bound: point})
        return value if inside == sympy.true else sympy.Piecewise((value, inside), (S.Zero, True))

    @property
    def rough_points(self) -> tuple[Expr, ...]:
        """The points inside the support, as far as they can be written down, where the density need not be smooth."""
        return rough_points(self.expression, self.bound)

    @property
    def _pieces(self) -> tuple[Piece, ...]:
        if "_parts" not in self.__dict__:
            self._set(_parts=pieces(self.expression, self.bound, self.lower, self.upper))
        found: tuple[Piece, ...] = self.__dict__["_parts"]
        return found

    def _check(self) -> None:
        exact = [exact_integral(piece, self.bound) for piece in self._pieces]
        total: Any = None if None in exact else sympy.simplify(sympy.Add(*exact))
        if total is not None and not total.free_symbols and total != 1:
            raise self._not_normalised(total)
        if self.free_symbols:
            return  # what is still open is decided when numbers are put in
        if total is None:
            total = math.fsum(numerical_integral(piece, self.bound) for piece in self._pieces)
            if not abs(total - 1) < NORMALISED:  # also NaN
                raise self._not_normalised(f"{total:.10g} by quadrature")
        for piece in self._pieces:
            self._refuse_negative(piece)

    def _not_normalised(self, total: Any) -> InvalidLaw:
        return InvalidLaw(
            f"Density: the integral of {self._values[1]} over ({self.lower}, {self.upper}) must be 1, it is {total}; divide the "
            f"density by it, correct the support, or put a narrow peak next to 0"
        )

    def _refuse_negative(self, piece: Piece) -> None:
        low = -20.0 if piece.lower.is_infinite else float(piece.lower)
        high = 20.0 if piece.upper.is_infinite else float(piece.upper)
        low, high = (
            min(low, high - 1) if piece.lower.is_infinite else low,
            max(high, low + 1) if piece.upper.is_infinite else high,
        )
        for part in range(1, 16):
            place = low + (high - low) * part / 16
            value = piece.expression.evalf(15, subs={self.bound: place})
            if value.is_extended_negative and abs(value) > 1e-12:
                raise InvalidLaw(f"Density: a density must not be negative; {self._values[1]} is {value} at {place:g}")

    # --------------------------------------------------------------------------------------------------- expectations

    @property
    def sup_moment(self) -> Expr:
        r"""The smaller tail exponent, $\lim -\log f(x)/\log|x|-1$; infinite without a power-law tail.

        Raises `UnsupportedExpectation` where SymPy finds no limit.
        """
        if "_sup" not in self.__dict__:
            tails = [self._tail(direction) for direction in (-1, 1)]
            self._set(_sup=sympy.Min(*tails))
        result: Expr = self.__dict__["_sup"]
        return result

    def _tail(self, direction: int) -> Expr:
        end, piece = (self.upper, self._pieces[-1]) if direction > 0 else (self.lower, self._pieces[0])
        if end.is_infinite is not True or piece.expression == 0:
            return S.Infinity
        distance = sympy.Dummy("y", positive=True)
        tail = piece.expression.xreplace({self.bound: direction * distance})
        try:
            ratio = -sympy.expand_log(sympy.log(tail), force=True) / sympy.log(distance)
            exponent = sympy.limit(ratio, distance, sympy.oo)
        except (NotImplementedError, ValueError, TypeError, RecursionError, sympy.PoleError):
            exponent = S.NaN
        if exponent is S.NaN or exponent.has(sympy.Limit, sympy.AccumBounds, distance):
            raise self._unsupported(
                f"tail exponent that SymPy finds at {direction * sympy.oo}",
                "simplify the density, or bound its support",
            )
        return sympy.simplify(exponent - 1)

    def _moment(self, exponents: tuple[int, ...]) -> Expr:
        (order,) = exponents
        self._require_moment(order)
        weight = self.bound**order
        closed, open_parts = S.Zero, S.Zero
        for piece in self._pieces:
            part = Piece(piece.lower, piece.upper, sympy.expand_mul(weight * piece.expression))
            exact = exact_integral(part, self.bound)
            if exact is None:
                open_parts += self._average(weight, piece)
            else:
                closed += exact
        return sympy.expand(closed) + open_parts

    def _require_moment(self, order: int) -> None:
        supremum = self.sup_moment
        if (supremum - order).is_extended_positive is True:
            return
        if supremum.free_symbols:
            raise MomentDoesNotExist(
                order,
                self,
                f"the moment of order {order} of {self} exists only if {supremum} > {order}, which is not declared",
            )
        raise MomentDoesNotExist(order, self)

    def _average(self, function: Expr, piece: Piece) -> Expr:
        """The integral of a function of the bound variable over one piece, left to quadrature."""
        return Quadrature(function, self.bound, piece.expression, piece.lower, piece.upper)

    def characteristic_function(self, t: Any) -> Expr:
        """E cos(tx) + i E sin(tx), as quadratures over the density."""
        phase = sympy.sympify(t) * self.bound
        return sympy.Add(
            *(
                self._average(sympy.cos(phase), piece) + I * self._average(sympy.sin(phase), piece)
                for piece in self._pieces
            )
        )

    def log_potential(self, r: Any) -> Expr:
        """E log|x - r| as quadratures, split at the real part of `r`, next to which the logarithm is steep.

        Raises `UnsupportedExpectation` with symbols in `r` or in the density, whose order on the line is not known.
        """
        point = sympy.sympify(r)
        if point.free_symbols or self.free_symbols:
            raise self._unsupported("logarithmic potential at symbols", "put in numbers, by substitute(...)")
        real, imaginary = (rationalized(part.evalf(40)) for part in point.as_real_imag())
        distance = self.bound - real
        function = sympy.log(sympy.Abs(distance)) if imaginary == 0 else sympy.log(distance**2 + imaginary**2) / 2
        total: list[Expr] = []
        for piece in self._pieces:
            inside = bool(piece.lower < real) and bool(real < piece.upper)
            ends = (piece.lower, real, piece.upper) if inside else (piece.lower, piece.upper)
            total += [self._average(function, Piece(a, b, piece.expression)) for a, b in pairwise(ends)]
        return sympy.Add(*total)

    # ----------------------------------------------------------------------------------------------------------- draws

    @property
    def quantile(self) -> tuple[Symbol, Expr] | None:
        """(p, expression) of the value below which the number lies with probability p: given, derived, or None."""
        if self.given is not None:
            return self.given
        if "_derived" not in self.__dict__:
            self._set(_derived=derived_quantile(self._pieces, self.bound))
        found: tuple[Symbol, Expr] | None = self.__dict__["_derived"]
        return found

    def _read_quantile(self, given: Any) -> tuple[Symbol, Expr]:
        pair = tuple(given) if isinstance(given, (tuple, list, Tuple)) else ()
        if len(pair) != 2 or not isinstance(pair[0], Symbol):
            raise InvalidLaw(f"Density: quantile must be a pair (p, expression of p), got {given!r}")
        expression = _real_expression(pair[1], "quantile")
        free = set().union(*(part.free_symbols for part in (self.expression, self.lower, self.upper))) - {self.bound}
        if foreign := sorted(expression.free_symbols - {pair[0]} - free, key=str):
            raise InvalidLaw(
                f"Density: quantile = {expression} holds {foreign[0]}, which is neither {pair[0]} nor a parameter of the density"
            )
        probability = Symbol("_p", positive=True)
        moved = expression.xreplace({pair[0]: probability})
        if not free and not is_quantile(moved, probability, self._pieces, self.bound):
            raise InvalidLaw(
                f"Density: quantile = {expression} does not belong to the density {self._values_shown}: the probability below it is "
                f"not {pair[0]}"
            )
        return probability, moved

    @property
    def _values_shown(self) -> Expr:
        return self.expression.xreplace({self.bound: self.variable})

    def draw(self, name: str = "standard") -> Draw:
        """By the quantile function, from its finite end or, if both are infinite, from either half of the probability.

        Uniform numbers are dense near 0 only, and 1 is among them: so neither tail is cut, and no draw is infinite.
        Raises `UnsupportedExpectation` without a quantile function.
        """
        found = self.quantile
        if found is None:
            raise self._unsupported(
                "quantile function that is elementary",
                "give quantile=(p, expression), to be drawn in kernels; outside kernels it is drawn all the same",
            )
        p, value = found
        uniform = standard_symbol(name, 0)
        positive = sympy.Dummy("u", positive=True)
        below = _for_doubles(value.xreplace({p: positive}), positive)
        above = _for_doubles(sympy.simplify(value.xreplace({p: 1 - positive})), positive)
        standards: tuple[Any, ...] = ((uniform, StandardUniform()),)
        if self.lower.is_infinite and self.upper.is_infinite:
            sign = standard_symbol(name, 1)
            half = {positive: uniform / 2}
            chosen = sympy.Piecewise((below.xreplace(half), sign < 0), (above.xreplace(half), True))
            return Draw((chosen,), (*standards, (sign, StandardSign())))
        return Draw(((below if self.lower.is_infinite else above).xreplace({positive: uniform}),), standards)


def _for_doubles(expression: Expr, variable: Symbol) -> Expr:
    """Logarithms of powers as multiples, which do not overflow, and of numbers next to 1 as log1p, for a variable next to 0."""

    def of_power(node: Any) -> bool:
        return isinstance(node, sympy.log) and node.args[0].is_Pow and node.args[0].exp.is_even is not True

    def next_to_one(node: Any) -> bool:
        return isinstance(node, sympy.log) and sympy.expand(node.args[0].xreplace({variable: S.Zero})) == 1

    multiples = expression.replace(of_power, lambda node: node.args[0].exp * sympy.log(node.args[0].base))
    found: Expr = multiples.replace(next_to_one, lambda node: log1p(sympy.expand(node.args[0] - 1)))
    return found


def _bound(variable: Symbol, *expressions: Expr) -> Symbol:
    """The canonical name of the variable, which no parameter has: the law does not depend on what the variable is called."""
    taken = {symbol.name for expression in expressions for symbol in expression.free_symbols - {variable}}
    name = "_x"
    while name in taken:
        name += "_"
    return Symbol(name, real=True)


def _real_expression(value: Any, name: str) -> Expr:
    try:
        if isinstance(value, (str, bool)):  # sympify would evaluate text
            raise TypeError
        expression = sympy.sympify(value)
    except (TypeError, sympy.SympifyError):
        expression = None
    if not isinstance(expression, Expr) or expression.has(sympy.nan, sympy.zoo):
        raise InvalidLaw(f"Density: the {name} must be a SymPy expression, got {value!r}")
    if complex_symbols := sorted((s for s in expression.free_symbols if not s.is_real), key=str):
        raise NotReal(
            f"Density: the {name} contains {', '.join(map(str, complex_symbols))}, not declared real; write theory.symbols(...)"
        )
    return rationalized(expression)


def _end(value: Any, name: str) -> Expr:
    end = _real_expression(value, name)
    if end.is_extended_real is False:
        raise NotReal(f"Density: the {name} of the support must be real, got {end}")
    return end
