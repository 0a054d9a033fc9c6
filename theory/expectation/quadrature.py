"""Expectations that have no closed form: typed nodes that stay symbolic until numbers are asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
import sympy
from sympy import Expr, ImmutableDenseMatrix, Symbol, Tuple

from theory.vectors import mathml_row, open_symbols


def _depth(integrand: Expr, kind: type[Expr]) -> int:
    """How many nodes of a kind are nested inside an integrand: bound variables are named by it, so none is captured."""
    deeper = [_depth(argument, kind) for argument in integrand.args]
    return max(deeper, default=0) + isinstance(integrand, kind)


def _is_positive(density: Callable[[float], Any], x: Any) -> bool:
    """Whether a density is above what doubles hold."""
    try:
        return float(density(float(x))) > 0
    except (OverflowError, ZeroDivisionError, ValueError):
        return False


class Quadrature(Expr):
    """E f(x) for a scalar x with a density: arguments integrand, variable, density, lower and upper end.

    The variable is bound. `numerics` evaluates the node in kernels, with an error estimate; where nothing is left open, `evalf`
    evaluates it by mpmath.
    """

    __slots__ = ()
    is_commutative = True

    def __new__(cls, integrand: Expr, variable: Symbol, density: Expr, lower: Expr, upper: Expr) -> Quadrature:
        bound = Symbol(f"_x{_depth(integrand, Quadrature) or ''}", real=True)
        images = {variable: bound}
        return Expr.__new__(
            cls, integrand.xreplace(images), bound, density.xreplace(images), sympy.sympify(lower), sympy.sympify(upper)
        )

    integrand = property(lambda self: self.args[0])
    variable = property(lambda self: self.args[1])
    density = property(lambda self: self.args[2])
    lower = property(lambda self: self.args[3])
    upper = property(lambda self: self.args[4])

    @property
    def bound_symbols(self) -> list[Symbol]:
        """The integration variable."""
        return [self.args[1]]

    @property
    def free_symbols(self) -> set[Any]:
        return set().union(*(argument.free_symbols for argument in self.args)) - {self.args[1]}

    def _eval_is_real(self) -> bool:
        return True

    @property
    def is_number(self) -> bool:
        return not open_symbols(self, set())

    def _eval_evalf(self, prec: int) -> Expr:
        if not self.is_number:
            return self
        with mpmath.workprec(prec + 10):
            weighted = sympy.lambdify(self.variable, self.integrand * self.density, "mpmath")
            in_doubles = sympy.lambdify(self.variable, self.density, ["math", "mpmath"])
            ends = sympy.lambdify([], [self.lower, self.upper], "mpmath")()

            def guarded(x: Any) -> Any:  # exp(exp(10^8)), which mpmath would spell out, is no number to wait for
                return weighted(x) if _is_positive(in_doubles, x) else mpmath.mpf(0)

            return sympy.Float(mpmath.quad(guarded, ends), precision=prec)

    def _latex(self, printer: Any) -> str:
        shown = Symbol(self.variable.name[1:])
        inner = printer._print((self.integrand * self.density).xreplace({self.variable: shown}))
        limits = rf"\int_{{{printer._print(self.lower)}}}^{{{printer._print(self.upper)}}}"
        return rf"{limits} {inner} \, d{printer._print(shown)}"

    def _mathml_presentation(self, printer: Any) -> Any:
        shown = Symbol(self.variable.name[1:])
        inner = (self.integrand * self.density).xreplace({self.variable: shown})
        return mathml_row(printer, ("\u222b", self.lower, "\u2026", self.upper, inner, "d", shown))

    def _eval_derivative(self, symbol: Any) -> Expr:
        if symbol in self.lower.free_symbols | self.upper.free_symbols:
            raise NotImplementedError("differentiate before averaging: the ends of the integral depend on the symbol")
        return Quadrature(
            sympy.diff(self.integrand, symbol), self.variable, self.density, self.lower, self.upper
        ) + Quadrature(
            self.integrand * sympy.diff(sympy.log(self.density), symbol),
            self.variable,
            self.density,
            self.lower,
            self.upper,
        )


class GaussianQuadrature(Expr):
    """E f(s_1, ..., s_p) over a centred Gaussian vector: arguments integrand, variables, covariance matrix."""

    __slots__ = ()
    is_commutative = True

    def __new__(cls, integrand: Expr, variables: Any, covariance: Any) -> GaussianQuadrature:
        names = tuple(variables)
        depth = _depth(integrand, GaussianQuadrature)
        prefix = f"_s{depth}_" if depth else "_s"
        bound = tuple(Symbol(f"{prefix}{index}", real=True) for index in range(1, len(names) + 1))
        matrix = ImmutableDenseMatrix(covariance)
        return Expr.__new__(cls, integrand.xreplace(dict(zip(names, bound, strict=True))), Tuple(*bound), matrix)

    integrand = property(lambda self: self.args[0])
    variables = property(lambda self: tuple(self.args[1]))
    covariance = property(lambda self: self.args[2])

    @property
    def bound_symbols(self) -> list[Symbol]:
        """The Gaussian variables."""
        return list(self.args[1])

    @property
    def free_symbols(self) -> set[Any]:
        return (self.integrand.free_symbols | self.covariance.free_symbols) - set(self.args[1])

    def _eval_is_real(self) -> bool:
        return True

    def _eval_derivative(self, symbol: Any) -> Expr:
        if self.covariance.diff(symbol) != sympy.zeros(*self.covariance.shape):
            raise NotImplementedError("differentiate before averaging: the covariance depends on the symbol")
        return GaussianQuadrature(sympy.diff(self.integrand, symbol), self.args[1], self.covariance)

    @property
    def is_number(self) -> bool:
        return not open_symbols(self, set())

    def _eval_evalf(self, prec: int) -> Expr:
        if not self.is_number:
            return self
        size = len(self.args[1])
        with mpmath.workprec(prec + 10):
            factor = (
                self.covariance.evalf(mpmath.mp.dps).cholesky(hermitian=False)
                if size > 1
                else self.covariance.applyfunc(sympy.sqrt)
            )
            normals = tuple(Symbol(f"_n{index}", real=True) for index in range(size))
            images = {
                bound: sum(factor[i, j] * normals[j] for j in range(size)) for i, bound in enumerate(self.args[1])
            }
            weight = sympy.exp(-sympy.Add(*(s**2 for s in normals)) / 2) / sympy.sqrt(2 * sympy.pi) ** size
            weighted = sympy.lambdify(normals, self.integrand.xreplace(images) * weight, "mpmath")
            return sympy.Float(
                mpmath.quad(weighted, *([-mpmath.inf, 0, mpmath.inf] for _ in range(size))), precision=prec
            )

    @property
    def _shown(self) -> dict[Symbol, Symbol]:
        """The bound variables by the names that a reader sees: s1, s2, ..."""
        return {bound: Symbol(bound.name[1:]) for bound in self.args[1]}

    def _sympystr(self, printer: Any) -> str:
        names = ", ".join(printer._print(name) for name in self._shown.values())
        rows = ", ".join(f"[{', '.join(map(printer._print, row))}]" for row in self.covariance.tolist())
        return f"E[{printer._print(self.integrand.xreplace(self._shown))}; ({names}) ~ N(0, [{rows}])]"

    def _latex(self, printer: Any) -> str:
        names = ", ".join(printer._print(name) for name in self._shown.values())
        return (
            rf"\mathbb{{E}}_{{({names}) \sim \mathcal{{N}}(0, {printer._print(self.covariance)})}}"
            rf"\left[{printer._print(self.integrand.xreplace(self._shown))}\right]"
        )

    def _mathml_presentation(self, printer: Any) -> Any:
        parts = [part for name in self._shown.values() for part in (",", name)][1:]
        law = ("\U0001d53c", "(", *parts, ")", "\u223c", "N", "(", sympy.S.Zero, ",", self.covariance, ")")
        return mathml_row(printer, (*law, "[", self.integrand.xreplace(self._shown), "]"))
