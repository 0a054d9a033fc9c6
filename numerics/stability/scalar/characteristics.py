"""Characteristic functions of one sample's curvature in numbers: closed, or averaged over a density that resolves their phase."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import sympy
from numpy.typing import NDArray

from numerics.quadrature import has_quadrature
from numerics.stability.problem import Array, Grid, Problem
from numerics.stability.scalar.conditional import independent
from numerics.stability.scalar.panels import composite, graded
from numerics.stability.scalar.standard_laws import Component, StandardLaw, component
from theory.errors import UnsupportedExpectation
from theory.stability.characteristic import gaussian_moments, quadratic_parts

Complex = NDArray[np.complex128]
WORK = 6 * 10**7
"""Exponentials that one range may cost."""
PANELS = 4096
"""Panels of an integrated characteristic function at most; they bound the frequencies that it resolves."""


@dataclass(frozen=True)
class Characteristic:
    """phi(t) of one sample's curvature. Where every value is an integral: `spread`, panels that a unit of t needs (0 else)."""

    function: Callable[[Array], Complex]
    spread: float = 0.0

    def __call__(self, t: Array) -> Complex:
        return self.function(t)

    @property
    def by_quadrature(self) -> bool:
        """Whether every value is an integral."""
        return self.spread > 0

    def affordable(self, t: Array) -> bool:
        """Whether the values at these points can be resolved, within `WORK`."""
        panels = float(np.abs(t).max()) * self.spread
        return not self.by_quadrature or (panels <= PANELS and t.size * max(panels, 300.0) * RULE <= WORK)


RULE = 12
"""Nodes per panel."""


def characteristic(problem: Problem) -> Characteristic | None:
    """phi(t) of one sample's curvature at the one point of the grid, averaged over the finite laws and mixtures.

    None where neither a closed form nor a quadrature over a light-tailed density is known.
    """
    parts: list[tuple[float, Characteristic]] = []
    for conditional, share in problem.cases():
        for road in (_of_constant, _of_gaussian, _of_linear, _of_density, _of_conditional):
            function = road(conditional)
            if function is not None:
                break
        else:
            return None
        parts.append((float(problem.grid.of(share)[0]), function))
    return Characteristic(
        lambda t: sum((share * function(t) for share, function in parts), np.zeros(t.shape, dtype=complex)),
        max(function.spread for _, function in parts),
    )


def _number(grid: Grid, expression: sympy.Expr) -> float:
    return float(grid.of(expression)[0])


def _of_constant(problem: Problem) -> Characteristic | None:
    if problem.randomness.groups:
        return None
    value = _number(problem.grid, problem.curvature)
    return Characteristic(lambda t: np.exp(1j * value * t))


def _of_gaussian(problem: Problem) -> Characteristic | None:
    """A polynomial of degree two in Gaussian numbers: one factor for each principal axis."""
    parts, moments = quadratic_parts(problem.curvature, problem.randomness), gaussian_moments(problem.randomness)
    if parts is None or moments is None:
        return None
    grid, size = problem.grid, parts[0].rows
    quadratic, covariance = (grid.table(list(m)).reshape(size, size) for m in (parts[0], moments[1]))
    linear, means = (grid.table(list(m)).reshape(size) for m in (parts[1], moments[0]))
    levels, vectors = np.linalg.eigh(covariance)
    root = vectors * np.sqrt(np.clip(levels, 0, None))
    axes, rotation = np.linalg.eigh(root.T @ quadratic @ root)
    slopes = rotation.T @ root.T @ (2 * quadratic @ means + linear)
    constant = means @ quadratic @ means + linear @ means + _number(grid, parts[2])

    def function(t: Array) -> Complex:
        result = np.exp(1j * constant * t)
        for axis, slope in zip(axes, slopes, strict=True):
            factor = 1 - 2j * t * axis
            result = result / np.sqrt(factor) * np.exp(-(t**2) * slope**2 / (2 * factor))
        return result

    return Characteristic(function)


def _of_linear(problem: Problem) -> Characteristic | None:
    """A sum of independent symbols, each with a characteristic function in closed form."""
    statement = independent(problem.curvature, problem.randomness)
    if statement is None:
        return None
    names = list(statement.laws)
    polynomial = sympy.Poly(statement.curvature, *names) if statement.curvature.is_polynomial(*names) else None
    if polynomial is None or polynomial.total_degree() > 1:
        return None
    t = sympy.Dummy("t", real=True)
    try:
        factors = [law.characteristic_function(t * polynomial.coeff_monomial(s)) for s, law in statement.laws.items()]
    except UnsupportedExpectation:
        return None
    if has_quadrature(factors):  # a density's, which is integrated below
        return None
    constant = polynomial.coeff_monomial(1)
    expression = sympy.exp(sympy.I * t * constant) * sympy.Mul(*factors)
    values = {s: sympy.Float(float(v[0]), 17) for s, v in problem.grid.values.items()}
    compiled = sympy.lambdify(t, expression.xreplace(values), "numpy")
    return Characteristic(lambda x: np.asarray(compiled(x), dtype=complex) + np.zeros(x.shape, dtype=complex))


def _of_density(problem: Problem) -> Characteristic | None:
    """A function of one continuous symbol on a bounded or fast decaying support: quadrature over its density."""
    if len(problem.randomness.groups) != 1 or len(problem.randomness.symbols) != 1:
        return None
    (symbol,) = problem.randomness.symbols
    part = component(problem.randomness.groups[0][1], problem.grid)
    if part is None or not _decays(part.standard):
        return None
    law = part.standard
    values = {s: float(v[0]) for s, v in problem.grid.values.items()}
    compiled = sympy.lambdify(
        symbol, problem.curvature.xreplace({s: sympy.Float(v, 17) for s, v in values.items()}), "numpy"
    )

    lower, upper = max(law.lower, -40.0), min(law.upper, 60.0)
    spread = _spread(compiled, part)

    def function(t: Array) -> Complex:
        y, weights, kept = _rule(law, lower, upper, np.abs(t).max() * spread)
        h = np.asarray(compiled(part.location[0] + part.scale[0] * y[kept]), dtype=float) + np.zeros(kept.sum())
        blocks = np.array_split(t, max(1, t.size * kept.sum() // 2**22))
        return np.concatenate([np.exp(1j * np.outer(block, h)) @ weights[kept] for block in blocks])

    return Characteristic(function, spread)


def _rule(law: StandardLaw, lower: float, upper: float, panels: float) -> tuple[Array, Array, NDArray[np.bool_]]:
    """Nodes on the support, weights that hold the density, and which matter; at least so many panels."""
    count = int(np.clip(np.ceil(panels), 32, PANELS))
    finest = 2.0 ** -(40 if law.finest <= 54 else law.finest)
    y, w = composite(
        np.union1d(graded(law.rough, lower, upper, finest=finest), np.linspace(lower, upper, count + 1)), RULE
    )
    weights = w * law.density(y)
    return y, weights, weights > 1e-20


def _spread(compiled: Callable[[Array], Array], part: Component) -> float:
    """A quarter of the range of a function over what matters of the support."""
    y = np.linspace(max(part.standard.lower, -8.0), min(part.standard.upper, 30.0), 257)
    h = np.asarray(compiled(part.location[0] + part.scale[0] * y), dtype=float) + np.zeros(y.size)
    return max(float(h.max() - h.min()) / 4, 1e-3)


def _decays(law: StandardLaw) -> bool:
    """Whether the density is negligible beyond 60 standard units."""
    far = np.array([-60.0, 60.0])
    inside = np.array([law.lower > -60.0, law.upper < 60.0])
    return bool(np.all(inside | (law.density(far) < 1e-18)))


def _of_conditional(problem: Problem) -> Characteristic | None:
    """A product form c(y) + x b(y): the characteristic function of x given y, averaged over the density of y."""
    statement = independent(problem.curvature, problem.randomness)
    if statement is None or len(statement.laws) != 2:
        return None
    values = {s: sympy.Rational(float(v[0])) for s, v in problem.grid.values.items()}
    for inner, law in statement.laws.items():
        (outer,) = [s for s in statement.laws if s != inner]
        part = component(statement.laws[outer], problem.grid)
        if not statement.curvature.is_polynomial(inner) or sympy.degree(statement.curvature, inner) != 1:
            continue
        if part is None or not _decays(part.standard):
            continue
        slope, constant = sympy.Poly(statement.curvature.xreplace(values), inner).all_coeffs()
        t = sympy.Dummy("t", real=True)
        try:
            phase = law.substitute(values).characteristic_function(t * slope) * sympy.exp(sympy.I * t * constant)
        except UnsupportedExpectation:
            continue
        if has_quadrature([phase]):
            continue
        size = float(np.abs(problem.grid.table(law._location_scale)[:, 0]).sum())
        spread = _spread(sympy.lambdify(outer, slope, "numpy"), part) * size
        spread += _spread(sympy.lambdify(outer, constant, "numpy"), part)
        # only the mean of x oscillates with y: a quarter of the panels resolves it
        return _averaged(sympy.lambdify([t, outer], phase, "numpy", cse=True), part, spread / 4)
    return None


def _averaged(compiled: Callable[[Array, Array], Complex], part: Component, spread: float) -> Characteristic:
    law = part.standard
    lower, upper = max(law.lower, -40.0), min(law.upper, 60.0)

    def function(t: Array) -> Complex:
        y, weights, kept = _rule(law, lower, upper, np.abs(t).max() * spread)
        at = part.location[0] + part.scale[0] * y[kept]
        blocks = np.array_split(t, max(1, t.size * kept.sum() // 2**22))
        return np.concatenate([compiled(block[:, None], at[None, :]) @ weights[kept] for block in blocks])

    return Characteristic(function, spread)
