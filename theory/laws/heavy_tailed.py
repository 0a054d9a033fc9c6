"""Laws of one number with power-law tails, of which only some moments exist: `StudentT`, `Cauchy`."""

from __future__ import annotations

from typing import Any, ClassVar

import sympy
from sympy import Abs, Expr, Integer, Rational, S

from theory.laws.draw import Standard, StandardGamma, StandardNormal, StandardUniform, standard_symbol
from theory.laws.law import LocationScale
from theory.laws.parameters import integer_value, positive_parameter, rationalized, real_parameter
from theory.laws.potentials import student_coefficients, student_potential


class StudentT(LocationScale):
    r"""Student's law of $\mu+\sigma T$, with T of density proportional to $(1+x^2/\nu)^{-(\nu+1)/2}$.

    The moment of order k exists if and only if k < nu; for a symbolic nu this must follow from its assumptions.

    Parameters: `degrees_of_freedom` nu > 0 (a float becomes the nearest simple rational), `location`, `scale` > 0.
    Raises `InvalidLaw` if nu or the scale is not positive.

    >>> from theory.laws import StudentT
    >>> StudentT(5).moment(4)
    25
    """

    _parameters: ClassVar[tuple[str, ...]] = ("degrees_of_freedom", "location", "scale")
    _latex_name: ClassVar[str] = "t"
    degrees_of_freedom: Expr
    location: Expr
    scale: Expr

    def __init__(self, degrees_of_freedom: Any, location: Any = 0, scale: Any = 1) -> None:
        self._set(
            degrees_of_freedom=rationalized(positive_parameter(degrees_of_freedom, "degrees_of_freedom", "StudentT")),
            location=real_parameter(location, "location", "StudentT"),
            scale=positive_parameter(scale, "scale", "StudentT"),
        )

    @property
    def sup_moment(self) -> Expr:
        return self.degrees_of_freedom

    @property
    def support(self) -> sympy.Set:
        return S.Reals

    def _moment(self, exponents: tuple[int, ...]) -> Expr:
        moment = super()._moment(exponents)
        return sympy.cancel(moment) if self.degrees_of_freedom.free_symbols else moment

    def _standard_moment(self, order: int) -> Expr:
        """E N^k E (nu / 2G)^(k/2) with N standard normal and G of the Gamma law of shape nu/2; zero for odd k."""
        if order % 2:
            return S.Zero
        nu = self.degrees_of_freedom
        factors = (Integer(2 * i - 1) * nu / (nu - 2 * i) for i in range(1, order // 2 + 1))
        return sympy.Mul(*factors)

    def _standard_density(self, x: Expr) -> Expr:
        nu = self.degrees_of_freedom
        constant = sympy.gamma((nu + 1) / 2) / (sympy.sqrt(sympy.pi * nu) * sympy.gamma(nu / 2))
        return constant * (1 + x**2 / nu) ** (-(nu + 1) / 2)

    @property
    def _half_degrees(self) -> int:
        degrees = integer_value(self.degrees_of_freedom)
        if degrees is None or degrees % 2 == 0:
            raise self._unsupported(
                "closed form unless its degrees of freedom are an odd number", "use quadrature over its density"
            )
        return degrees // 2

    def _standard_characteristic(self, t: Expr) -> Expr:
        k = self._half_degrees
        distance = sympy.sqrt(2 * k + 1) * Abs(t)
        return sympy.exp(-distance) * sympy.Add(*(c * distance**n for n, c in enumerate(student_coefficients(k))))

    def _standard_potential(self, r: Expr) -> Expr:
        return student_potential(self._half_degrees, r)

    def _standard_draw(self, name: str) -> tuple[Expr, tuple[tuple[sympy.Symbol, Standard], ...]]:
        half = self.degrees_of_freedom / 2
        normal, gamma = standard_symbol(name, 0), standard_symbol(name, 1)
        return normal * sympy.sqrt(half / gamma), ((normal, StandardNormal()), (gamma, StandardGamma(half)))


class Cauchy(LocationScale):
    r"""The Cauchy law with density $\frac{\sigma}{\pi(\sigma^2+(x-\mu)^2)}$; no moment exists, not even the mean.

    Parameters: `location` mu, `scale` sigma > 0. Raises `InvalidLaw` if the scale is not positive.

    >>> from theory.laws import Cauchy
    >>> Cauchy().log_potential(0)
    0
    """

    _parameters: ClassVar[tuple[str, ...]] = ("location", "scale")
    location: Expr
    scale: Expr

    def __init__(self, location: Any = 0, scale: Any = 1) -> None:
        self._set(
            location=real_parameter(location, "location", "Cauchy"), scale=positive_parameter(scale, "scale", "Cauchy")
        )

    @property
    def sup_moment(self) -> Expr:
        return S.One

    @property
    def support(self) -> sympy.Set:
        return S.Reals

    def _standard_density(self, x: Expr) -> Expr:
        return 1 / (sympy.pi * (1 + x**2))

    def _standard_characteristic(self, t: Expr) -> Expr:
        return sympy.exp(-Abs(t))

    def _standard_potential(self, r: Expr) -> Expr:
        return student_potential(0, r)

    def _standard_draw(self, name: str) -> tuple[Expr, tuple[tuple[sympy.Symbol, Standard], ...]]:
        uniform = standard_symbol(name, 0)
        return sympy.tan(sympy.pi * (uniform - Rational(1, 2))), ((uniform, StandardUniform()),)
