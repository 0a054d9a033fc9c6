"""The Gaussian law of one number or of several: `Normal`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import sympy
from sympy import Expr, I, S

from theory.errors import InvalidLaw
from theory.laws.covariance import Rows, cholesky, read_covariance
from theory.laws.draw import Draw, StandardNormal, standard_symbol
from theory.laws.law import LocationScale, Slot
from theory.laws.parameters import free_symbols, is_zero, nonnegative_parameter, real_parameter
from theory.laws.potentials import gaussian_potential, point_potential


class Normal(LocationScale):
    r"""The Gaussian law $\mathcal{N}(\mu, \sigma^2)$, or jointly $\mathcal{N}(\mu, C)$ over several numbers.

    Parameters: `mean` and `variance` (>= 0) for one number; or `covariance`, a symmetric positive semidefinite matrix
    as a list of rows, with `mean` a list of as many numbers (zeros if left out).
    Raises `InvalidLaw` for a negative variance, a covariance that is not symmetric or not positive semidefinite, or
    both `variance` and `covariance`; `NotReal` for parameters that are not real.

    >>> from theory.laws import Normal
    >>> Normal().moment(4)
    3
    >>> from sympy import symbols
    >>> rho = symbols("rho", real=True)
    >>> Normal(covariance=[[1, rho], [rho, 1]]).moment((2, 2))
    2*rho**2 + 1
    """

    means: tuple[Expr, ...]
    covariance: Rows

    def __init__(self, mean: Any = None, variance: Any = None, *, covariance: Any = None) -> None:
        if covariance is None:
            if isinstance(mean, (Sequence, sympy.MatrixBase)) and not isinstance(mean, str):
                raise InvalidLaw(f"Normal: a list of means ({mean!r}) needs covariance=[[...], ...]")
            means = (real_parameter(0 if mean is None else mean, "mean", "Normal"),)
            rows: Rows = ((nonnegative_parameter(1 if variance is None else variance, "variance", "Normal"),),)
        elif variance is not None:
            raise InvalidLaw("Normal: variance= is for one number, covariance= for several; give one of the two")
        else:
            rows = read_covariance(covariance, "Normal")
            given = [0] * len(rows) if mean is None else list(mean) if hasattr(mean, "__iter__") else [mean]
            if len(given) != len(rows):
                raise InvalidLaw(
                    f"Normal: mean has {len(given)} entries and covariance has {len(rows)} rows; give as many of each"
                )
            means = tuple(real_parameter(entry, f"mean[{i}]", "Normal") for i, entry in enumerate(given))
        self._set(means=means, covariance=rows)

    @property
    def slots(self) -> tuple[Slot, ...]:
        return (Slot.SCALAR,) * len(self.means)

    def content(self) -> Any:
        return self.means, self.covariance

    @property
    def free_symbols(self) -> set[Any]:
        return free_symbols((*self.means, *(entry for row in self.covariance for entry in row)))

    def _substitute(self, images: Mapping[Any, Any]) -> Self:
        means = [entry.xreplace(images) for entry in self.means]
        return type(self)(means, covariance=[[entry.xreplace(images) for entry in row] for row in self.covariance])

    def __repr__(self) -> str:
        if self.is_scalar:
            return f"Normal({self.means[0]}, {self.covariance[0][0]})"
        return f"Normal({list(self.means)}, covariance={[list(row) for row in self.covariance]})"

    def latex(self) -> str:
        if self.is_scalar:
            return rf"\mathcal{{N}}({sympy.latex(self.means[0])}, {sympy.latex(self.covariance[0][0])})"
        mean = sympy.latex(sympy.Matrix(self.means))
        return rf"\mathcal{{N}}\left({mean}, {sympy.latex(sympy.Matrix(self.covariance))}\right)"

    @property
    def _is_point(self) -> bool:
        return self.is_scalar and is_zero(self.covariance[0][0])

    @property
    def is_finite(self) -> bool:
        return self._is_point

    def outcomes(self) -> tuple[tuple[Any, Expr], ...]:
        return ((self.means[0], S.One),) if self._is_point else super().outcomes()

    @property
    def support(self) -> sympy.Set:
        if self.is_scalar:
            return sympy.FiniteSet(self.means[0]) if self._is_point else S.Reals
        return sympy.ProductSet(*(S.Reals for _ in self.means))  # contains the support if the covariance is singular

    def _moment(self, exponents: tuple[int, ...]) -> Expr:
        """By parts: E[z_i F] = mu_i E F + sum_j C_ij E[d_j F], with F a monomial."""
        i = next(index for index, exponent in enumerate(exponents) if exponent)
        rest = _lowered(exponents, i)
        terms = [self.means[i] * self.moment(rest)]
        terms += [
            self.covariance[i][j] * exponent * self.moment(_lowered(rest, j))
            for j, exponent in enumerate(rest)
            if exponent and self.covariance[i][j] != 0
        ]
        return sympy.expand(sympy.Add(*terms))

    @property
    def _location_scale(self) -> tuple[Expr, Expr]:
        return self.means[0], sympy.sqrt(self.covariance[0][0])

    def _standard_density(self, x: Expr) -> Expr:
        return sympy.exp(-(x**2) / 2) / sympy.sqrt(2 * sympy.pi)

    def _standard_potential(self, r: Expr) -> Expr:
        return gaussian_potential(r)

    def density(self, x: Any) -> Expr:
        if not self.is_scalar or self._is_point:
            raise self._unsupported("density of one number", "use moments, or draw()")
        return super().density(x)

    def characteristic_function(self, t: Any) -> Expr:
        frequencies = [sympy.sympify(entry) for entry in (t if isinstance(t, Sequence) else (t,))]
        if len(frequencies) != self.size:
            raise self._unsupported(f"characteristic function of {len(frequencies)} frequencies", "give one per slot")
        linear = sympy.Add(*(t_i * mean for t_i, mean in zip(frequencies, self.means, strict=True)))
        quadratic = sympy.Add(
            *(
                t_i * entry * t_j
                for t_i, row in zip(frequencies, self.covariance, strict=True)
                for t_j, entry in zip(frequencies, row, strict=True)
            )
        )
        return sympy.exp(I * linear - quadratic / 2)

    def log_potential(self, r: Any) -> Expr:
        if not self.is_scalar:
            raise self._unsupported("logarithmic potential", "it is defined for the law of one number")
        return point_potential(self.means[0], sympy.sympify(r)) if self._is_point else super().log_potential(r)

    def draw(self, name: str = "standard") -> Draw:
        """Mean plus the Cholesky factor of the covariance times independent standard normals."""
        normals = [standard_symbol(name, index) for index in range(self.size)]
        factor = cholesky(self.covariance, "Normal")
        expressions = tuple(
            mean + sympy.Add(*(entry * normal for entry, normal in zip(row, normals, strict=True)))
            for mean, row in zip(self.means, factor, strict=True)
        )
        return Draw(expressions, tuple((normal, StandardNormal()) for normal in normals))


def _lowered(exponents: tuple[int, ...], index: int) -> tuple[int, ...]:
    return (*exponents[:index], exponents[index] - 1, *exponents[index + 1 :])
