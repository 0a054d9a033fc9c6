"""Laws as numbers over a grid, each location + scale * (a standard number).

A standard law offers its density, where it is cut and where it is rough, and its logarithmic potential where one is known in floating
point (`numerics.stability.scalar.log_potentials`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import numpy as np
import sympy
from numpy.typing import NDArray
from scipy import special, stats

from numerics.densities import panel_masses, resolved
from numerics.stability.problem import Array, Grid
from numerics.stability.scalar.log_potentials import (
    gamma_potential,
    gaussian_potential,
    student_potential,
    uniform_potential,
)
from numerics.stability.scalar.panels import graded
from theory.errors import UnsupportedExpectation
from theory.laws import Cauchy, Density, Exponential, Gamma, Mixture, Normal, StudentT, Uniform

Complex = NDArray[np.complex128]


@dataclass(frozen=True)
class StandardLaw:
    """A law without location and scale: density, support, points where the density is not smooth, and its potential.

    `potential(r)` returns values and errors. Panels shrink towards rough points down to 2^-`finest` and reach out to 2^`coarsest`:
    what lies beyond has a probability below rounding, as far as doubles allow. The density behaves like a power of the distance from
    the points of `edges`, each with the exponents below and above it. E|y|^q is finite if and only if q < `tail`. `log_density`: where
    it can be had without underflow. `cut`: whether the ends cut an unbounded support. `offset`: location over scale of a density that
    is evaluated in its own units, which rounds small distances from its singular points.
    """

    density: Callable[[Array], Array]
    lower: float
    upper: float
    rough: tuple[float, ...]
    potential: Callable[[Complex], tuple[Array, Array]] | None
    finest: int = 54
    coarsest: int = 60
    edges: tuple[tuple[float, float, float], ...] = ()
    tail: float = np.inf
    log_density: Callable[[Array], Array] | None = None
    cut: bool = False
    offset: float = 0.0

    def log_of_density(self, y: Array) -> Array:
        """The logarithm of the density, minus infinity where it vanishes."""
        with np.errstate(all="ignore"):
            return np.log(self.density(y)) if self.log_density is None else self.log_density(y)

    def breaks(self, points: Iterable[float] = ()) -> Array:
        """Panels over the support, graded towards the rough points and the given ones."""
        return graded(
            [*points, *self.rough], self.lower, self.upper, finest=2.0**-self.finest, coarsest=2.0**self.coarsest
        )


@dataclass(frozen=True)
class Component:
    """location + scale * (a standard number) over a grid: `location` and `scale` of shape (point,)."""

    location: Array
    scale: Array
    standard: StandardLaw


def component(law: Any, grid: Grid) -> Component | None:
    """A continuous law of one number over a grid; None for a class that is not known here, a mixture among them."""
    if isinstance(law, Density):
        return _of_density(law, grid)
    standard = _standard(law, grid)
    if standard is None or law.is_finite:
        return None
    location, scale = grid.table(law._location_scale)
    return Component(location, scale, standard)


def shape_symbols(law: Any) -> set[sympy.Symbol]:
    """The symbols that change a law otherwise than by location and scale: it has no standard law while they vary."""
    if isinstance(law, Mixture):
        return set().union(set(), *map(shape_symbols, law.laws))
    if isinstance(law, StudentT):
        return set(law.degrees_of_freedom.free_symbols)
    if isinstance(law, Gamma):
        return set(law.shape.free_symbols)
    return set(law.free_symbols) if isinstance(law, Density) else set()


def _standard(law: Any, grid: Grid) -> StandardLaw | None:
    if isinstance(law, Normal):
        return GAUSSIAN if law.is_scalar else None
    if isinstance(law, Uniform):
        return UNIFORM
    if isinstance(law, Cauchy):
        return student(1.0)
    if isinstance(law, StudentT):
        return _with_shape(student, grid.of(law.degrees_of_freedom))
    if isinstance(law, Exponential):
        return gamma(1.0)
    if isinstance(law, Gamma):
        return _with_shape(gamma, grid.of(law.shape))
    return None


def _with_shape(family: Callable[[float], StandardLaw], shapes: Array) -> StandardLaw | None:
    """The member of a family; None where the shape varies over the grid (`shape_symbols`)."""
    return family(float(shapes[0])) if np.all(shapes == shapes[0]) else None


def _of_density(law: Density, grid: Grid) -> Component | None:
    """A density of the user's own in its own units; None where its parameters vary over the grid, or panels do not resolve it."""
    parameters = {symbol: grid.values[symbol] for symbol in law.free_symbols}
    if any(np.any(values != values[0]) for values in parameters.values()):
        return None
    numbers = law.substitute({symbol: sympy.Rational(float(values[0])) for symbol, values in parameters.items()})
    found = _own(numbers)
    if found is None:
        return None
    location, scale, standard = found
    return Component(np.full(grid.size, location), np.full(grid.size, scale), standard)


@lru_cache(maxsize=64)
def _own(law: Density) -> tuple[float, float, StandardLaw] | None:
    """(location, scale, standard law) of a density without symbols: rough points are added until coarse panels find all of it."""
    try:
        shape = resolved(law)
    except UnsupportedExpectation:
        return None
    location, scale = shape.location, shape.scale

    def density(y: Array) -> Array:
        return scale * shape.function(location + scale * y)

    logarithm = _own_logarithm(law, location, scale)
    ends = ((shape.lower - location) / scale, (shape.upper - location) / scale)
    rough = [(point - location) / scale for point in shape.anchors]
    edges = tuple((place, *sides) for place, sides in zip(rough, shape.edges, strict=True))
    for _ in range(ADDED):
        standard = StandardLaw(
            density,
            *ends,
            tuple(rough),
            None,
            shape.finest,
            shape.coarsest,
            edges=edges,
            tail=shape.tail,
            log_density=logarithm,
            offset=abs(location / scale),
        )
        breaks = graded(rough, *ends, finest=2.0**-20)
        masses = [panel_masses(density, breaks, count) for count in (20, 10)]
        defects = np.abs(masses[0] - masses[1])
        if defects.sum() < 1e-10:
            return location, scale, standard
        worst = int(np.argmax(defects))
        rough.append(float(breaks[worst] + breaks[worst + 1]) / 2)
    return location, scale, standard


def _own_logarithm(law: Density, location: float, scale: float) -> Callable[[Array], Array] | None:
    """The logarithm of a density that is a product of powers and exponentials, whose tails underflow; None for another one."""
    spread = sympy.expand_log(sympy.log(law.expression), force=True)
    if any(isinstance(part.args[0], sympy.Add | sympy.Piecewise | sympy.exp) for part in spread.atoms(sympy.log)):
        return None
    compiled = sympy.lambdify(law.bound, spread, ["scipy", "numpy"], cse=True)

    def logarithm(y: Array) -> Array:
        values = np.real(np.asarray(compiled(location + scale * y))) + np.zeros(y.shape)
        return np.where(np.isnan(values), -np.inf, values + np.log(scale))

    return logarithm


ADDED = 12
"""Points that are added to the rough ones of a density at most."""


# --------------------------------------------------------------------------------------------------------------- laws


def _gaussian_density(y: Array) -> Array:
    return np.exp(-(y**2) / 2) / np.sqrt(2 * np.pi)


def _gaussian_log_density(y: Array) -> Array:
    return -(y**2) / 2 - np.log(2 * np.pi) / 2


GAUSSIAN = StandardLaw(
    _gaussian_density, -39.0, 39.0, (0.0,), gaussian_potential, log_density=_gaussian_log_density, cut=True
)
UNIFORM = StandardLaw(np.ones_like, 0.0, 1.0, (0.0, 1.0), uniform_potential)


LIMIT = 1000
"""The largest exponent of two of a panel, short of what doubles hold."""


@cache
def student(degrees: float) -> StandardLaw:
    """Student's law; its potential is known for an odd number of degrees of freedom."""
    k = round((degrees - 1) / 2)
    odd = degrees == 2 * k + 1
    potential = (lambda r: student_potential(k, r)) if odd else None
    constant = float(special.gammaln((degrees + 1) / 2) - special.gammaln(degrees / 2) - np.log(np.pi * degrees) / 2)

    def log_density(y: Array) -> Array:
        return constant - (degrees + 1) / 2 * np.log1p((y / np.sqrt(degrees)) ** 2)

    return StandardLaw(
        stats.t(degrees).pdf,
        -np.inf,
        np.inf,
        (0.0,),
        potential,
        coarsest=int(np.clip(57 / degrees, 60, LIMIT)),
        tail=degrees,
        log_density=log_density,
    )


@cache
def gamma(shape: float) -> StandardLaw:
    """The Gamma law of scale 1; its potential is known for a whole shape (up to 40, beyond it cancels everywhere)."""
    whole = shape == round(shape) and shape <= 40
    potential = (lambda r: gamma_potential(round(shape), r)) if whole else None
    rough = (0.0, max(shape - 1, 0.0))
    constant = float(special.gammaln(shape))

    def log_density(y: Array) -> Array:
        return special.xlogy(shape - 1, y) - y - constant

    return StandardLaw(
        stats.gamma(shape).pdf,
        0.0,
        np.inf,
        rough,
        potential,
        finest=int(np.clip(57 / shape, 54, LIMIT)),
        edges=((0.0, 0.0, shape - 1),),
        log_density=log_density,
    )
