"""Continuous laws of one number with exponential tails or none: `Uniform`, `Exponential`, `Gamma`."""

from __future__ import annotations

from typing import Any, ClassVar

import sympy
from sympy import Expr, I, Integer, Piecewise, S

from theory.errors import InvalidLaw, UnsupportedExpectation
from theory.laws.draw import Standard, StandardExponential, StandardGamma, StandardUniform
from theory.laws.law import LocationScale, one_standard
from theory.laws.parameters import is_negative, is_zero, positive_parameter, rationalized, real_parameter
from theory.laws.potentials import gamma_potential, uniform_potential


class Uniform(LocationScale):
    r"""The uniform law on the interval from `lower` to `upper`.

    Parameters: `lower` < `upper`, real. Raises `InvalidLaw` if they are in the wrong order or equal.

    >>> from theory.laws import Uniform
    >>> Uniform(0, 2).moment(3)
    2
    """

    _parameters: ClassVar[tuple[str, ...]] = ("lower", "upper")
    _latex_name: ClassVar[str] = r"\mathcal{U}"
    lower: Expr
    upper: Expr

    def __init__(self, lower: Any = 0, upper: Any = 1) -> None:
        low, high = real_parameter(lower, "lower", "Uniform"), real_parameter(upper, "upper", "Uniform")
        if is_negative(high - low) or is_zero(high - low):
            raise InvalidLaw(f"Uniform: lower must be below upper, got lower = {low}, upper = {high}; exchange them")
        self._set(lower=low, upper=high)

    @property
    def _location_scale(self) -> tuple[Expr, Expr]:
        return self.lower, self.upper - self.lower

    @property
    def support(self) -> sympy.Set:
        return sympy.Interval(self.lower, self.upper)

    def _standard_moment(self, order: int) -> Expr:
        return 1 / Integer(order + 1)

    def density(self, x: Any) -> Expr:
        point = sympy.sympify(x)
        inside = sympy.And(point >= self.lower, point <= self.upper)
        return Piecewise((1 / (self.upper - self.lower), inside), (S.Zero, True))

    def characteristic_function(self, t: Any) -> Expr:
        r"""$e^{it(a+b)/2}\,\mathrm{sinc}(t(b-a)/2)$, which needs no exception at t = 0."""
        half = sympy.sympify(t) / 2
        return sympy.exp(I * half * (self.lower + self.upper)) * sympy.sinc(half * (self.upper - self.lower))

    def _standard_potential(self, r: Expr) -> Expr:
        return uniform_potential(r)

    def _standard_draw(self, name: str) -> tuple[Expr, tuple[tuple[sympy.Symbol, Standard], ...]]:
        return one_standard(name, StandardUniform())


class Gamma(LocationScale):
    r"""The Gamma law with density $x^{k-1}e^{-x/\theta}/(\Gamma(k)\theta^k)$ on x > 0.

    Parameters: `shape` k > 0 (a float becomes the nearest simple rational, because closed forms depend on whether k is
    an integer) and `scale` theta > 0; the mean is k theta. Raises `InvalidLaw` if one of them is not positive.

    >>> from theory.laws import Gamma
    >>> Gamma(3, scale=2).mean
    6
    """

    _parameters: ClassVar[tuple[str, ...]] = ("shape", "scale")
    shape: Expr
    scale: Expr

    def __init__(self, shape: Any, scale: Any = 1) -> None:
        self._set(
            shape=rationalized(positive_parameter(shape, "shape", "Gamma")),
            scale=positive_parameter(scale, "scale", "Gamma"),
        )

    @property
    def _location_scale(self) -> tuple[Expr, Expr]:
        return S.Zero, self.scale

    @property
    def support(self) -> sympy.Set:
        return sympy.Interval(0, sympy.oo)

    def _standard_moment(self, order: int) -> Expr:
        return sympy.Mul(*(self.shape + i for i in range(order)))

    def _standard_density(self, x: Expr) -> Expr:
        positive = x ** (self.shape - 1) * sympy.exp(-x) / sympy.gamma(self.shape)
        return Piecewise((positive, x > 0), (S.Zero, True))

    def _standard_characteristic(self, t: Expr) -> Expr:
        return (1 - I * t) ** (-self.shape)

    def _standard_potential(self, r: Expr) -> Expr:
        potential = gamma_potential(self.shape, r)
        if potential is None:
            lack = "of so large a shape" if self.shape.is_Integer else "without knowing whether its shape is an integer"
            remedy = "" if self.shape.is_Integer else "give a number for the shape, or "
            raise self._unsupported(
                f"closed-form logarithmic potential {lack}", f"{remedy}use quadrature over its density"
            )
        return potential

    def _standard_draw(self, name: str) -> tuple[Expr, tuple[tuple[sympy.Symbol, Standard], ...]]:
        return one_standard(name, StandardGamma(self.shape))


class Exponential(LocationScale):
    r"""The exponential law with density $\lambda e^{-\lambda x}$ on x >= 0.

    Parameters: `rate` lambda > 0; the mean is 1/lambda. Raises `InvalidLaw` if it is not positive.

    >>> from theory.laws import Exponential
    >>> Exponential(2).moment(2)
    1/2
    """

    _parameters: ClassVar[tuple[str, ...]] = ("rate",)
    rate: Expr

    def __init__(self, rate: Any = 1) -> None:
        self._set(rate=positive_parameter(rate, "rate", "Exponential"))

    @property
    def _location_scale(self) -> tuple[Expr, Expr]:
        return S.Zero, 1 / self.rate

    @property
    def support(self) -> sympy.Set:
        return sympy.Interval(0, sympy.oo)

    def _standard_moment(self, order: int) -> Expr:
        return sympy.factorial(order)

    def _standard_density(self, x: Expr) -> Expr:
        return Piecewise((sympy.exp(-x), x >= 0), (S.Zero, True))

    def _standard_characteristic(self, t: Expr) -> Expr:
        return 1 / (1 - I * t)

    def _standard_potential(self, r: Expr) -> Expr:
        potential = gamma_potential(S.One, r)
        if potential is None:  # cannot happen: the shape is the integer 1
            raise UnsupportedExpectation(f"the log-potential of {self} at {r} has no closed form")
        return potential

    def _standard_draw(self, name: str) -> tuple[Expr, tuple[tuple[sympy.Symbol, Standard], ...]]:
        return one_standard(name, StandardExponential())
