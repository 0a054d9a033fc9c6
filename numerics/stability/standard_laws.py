"""Laws as numbers over a grid, each location + scale * (a standard number).

A standard law offers its density, where it is cut and where it is rough, and its logarithmic potential where one is known in floating
point (`numerics.stability.log_potentials`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from numerics.stability.log_potentials import gamma_potential, gaussian_potential, student_potential, uniform_potential
from numerics.stability.panels import graded
from numerics.stability.problem import Array, Grid
from theory.laws import Cauchy, Exponential, Gamma, Normal, StudentT, Uniform

Complex = NDArray[np.complex128]


@dataclass(frozen=True)
class StandardLaw:
    """A law without location and scale: density, support, points where the density is not smooth, and its potential.

    `potential(r)` returns values and errors. Panels shrink towards rough points down to 2^-`finest` and reach out to 2^`coarsest`:
    what lies beyond has a probability below rounding, as far as doubles allow.
    """

    density: Callable[[Array], Array]
    lower: float
    upper: float
    rough: tuple[float, ...]
    potential: Callable[[Complex], tuple[Array, Array]] | None
    finest: int = 54
    coarsest: int = 60

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
    standard = _standard(law, grid)
    if standard is None or law.is_finite:
        return None
    location, scale = grid.table(law._location_scale)
    return Component(location, scale, standard)


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
    """The member of a family; None where the shape varies over the grid (the caller then goes point by point)."""
    return family(float(shapes[0])) if np.all(shapes == shapes[0]) else None


# --------------------------------------------------------------------------------------------------------------- laws


def _gaussian_density(y: Array) -> Array:
    return np.exp(-(y**2) / 2) / np.sqrt(2 * np.pi)


GAUSSIAN = StandardLaw(_gaussian_density, -39.0, 39.0, (0.0,), gaussian_potential)
UNIFORM = StandardLaw(np.ones_like, 0.0, 1.0, (0.0, 1.0), uniform_potential)


LIMIT = 1000
"""The largest exponent of two of a panel, short of what doubles hold."""


@cache
def student(degrees: float) -> StandardLaw:
    """Student's law; its potential is known for an odd number of degrees of freedom."""
    k = round((degrees - 1) / 2)
    odd = degrees == 2 * k + 1
    potential = (lambda r: student_potential(k, r)) if odd else None
    return StandardLaw(
        stats.t(degrees).pdf, -np.inf, np.inf, (0.0,), potential, coarsest=int(np.clip(57 / degrees, 60, LIMIT))
    )


@cache
def gamma(shape: float) -> StandardLaw:
    """The Gamma law of scale 1; its potential is known for a whole shape (up to 40, beyond it cancels everywhere)."""
    whole = shape == round(shape) and shape <= 40
    potential = (lambda r: gamma_potential(round(shape), r)) if whole else None
    rough = (0.0, max(shape - 1, 0.0))
    return StandardLaw(
        stats.gamma(shape).pdf, 0.0, np.inf, rough, potential, finest=int(np.clip(57 / shape, 54, LIMIT))
    )
