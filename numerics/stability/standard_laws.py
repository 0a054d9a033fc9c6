r"""Laws as numbers over a grid, each location + scale * (a standard number).

A standard law offers its density, where it is cut, and its logarithmic potential U(r) = E log|y - r| where one is known in
floating point; the Gaussian one by the recipe that does not cancel: a line integral of the Faddeeva function for |r| <= 7, the
asymptotic series beyond.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from math import factorial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from numerics.stability.panels import gauss_legendre
from numerics.stability.problem import Array, Grid
from theory.laws import Cauchy, Exponential, Gamma, Normal, StudentT, Uniform
from theory.laws.potentials import student_coefficients

Complex = NDArray[np.complex128]


@dataclass(frozen=True)
class StandardLaw:
    """A law without location and scale: density, support, points where the density is not smooth, and its potential."""

    density: Callable[[Array], Array]
    lower: float
    upper: float
    rough: tuple[float, ...]
    potential: Callable[[Complex], Array] | None


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


# ---------------------------------------------------------------------------------------------------------- potentials

_GAMMA_CONSTANT = -0.5 * (np.euler_gamma + np.log(2))


def gaussian_potential(r: Complex) -> Array:
    r"""U(r) of N(0, 1): $-\frac{\gamma+\ln2}2+\Re\int_0^r[-i\sqrt{\pi/2}\,w(\zeta/\sqrt2)]d\zeta$ for |r| <= 7, a series beyond.

    Maximal error 2e-11, just above the switch.
    """
    point = np.where(np.imag(r) < 0, np.conj(r), r)
    near = np.abs(point) <= 7
    result = np.empty(point.shape)
    nodes, weights = gauss_legendre(48)
    inner = point[near]
    zeta = inner[:, None] * (nodes + 1) / 2
    integrals = (special.wofz(zeta / np.sqrt(2)) * weights).sum(axis=1) * inner / 2
    result[near] = _GAMMA_CONSTANT + np.real(-1j * np.sqrt(np.pi / 2) * integrals)
    outer = point[~near]
    series, term = np.zeros(outer.shape, dtype=complex), np.ones(outer.shape, dtype=complex)
    for k in range(1, 16):
        term = term * (2 * k - 1) / outer**2
        series += term / (2 * k)
    result[~near] = np.log(np.abs(outer)) - np.real(series)
    return result


def uniform_potential(r: Complex) -> Array:
    """U(r) of the uniform law on (0, 1)."""
    return np.real(special.xlogy(1 - r, 1 - r) - special.xlogy(-r, -r)) - 1


def _student_potential(k: int, r: Complex) -> Array:
    """U(r) of Student's law with 2k + 1 degrees of freedom."""
    q = np.sqrt(2 * k + 1)
    w = np.where(np.imag(r) < 0, np.conj(r), r) + 1j * q
    total = np.log(np.abs(w))
    for n, coefficient in enumerate(student_coefficients(k)):
        if n:
            total = total - float(coefficient) * q**n * factorial(n - 1) * np.real((1j / w) ** n)
    return np.asarray(total)


def _gamma_potential(k: int, r: Complex) -> Array:
    """U(r) of the Gamma law of whole shape k; E = exp(-r) E_1(-r), from its continued fraction where r is large."""
    point = np.asarray(np.where(np.imag(r) < 0, np.conj(r), r), dtype=complex)
    decaying = _scaled_exponential_integral(point)
    with np.errstate(divide="ignore", invalid="ignore"):
        total = np.log(np.abs(point))
        inner = np.zeros(point.shape, dtype=complex)
        for j in range(k):
            polynomial = sum(
                (factorial(i) * point ** (j - 1 - i) for i in range(j)), np.zeros(point.shape, dtype=complex)
            )
            inner = inner + (point**j * decaying + polynomial) / factorial(j)
    return np.where(point == 0, special.digamma(k), total + np.real(inner))


def _scaled_exponential_integral(r: Complex) -> Complex:
    """exp(-r) E_1(-r) in the closed upper half-plane, real part on the positive axis (-exp(-r) Ei(r))."""
    small = np.abs(r) <= 40
    safe = np.where(small, r, 1.0)
    with np.errstate(all="ignore"):
        near = np.exp(-safe) * special.exp1(-safe)
        far_terms, far = np.ones(r.shape, dtype=complex), np.zeros(r.shape, dtype=complex)
        large = np.where(small, 1e3, r)
        for n in range(30):
            far = far + far_terms
            far_terms = far_terms * (n + 1) / large
        far = -far / large
    return np.where(small, near, far)


# --------------------------------------------------------------------------------------------------------------- laws


def _gaussian_density(y: Array) -> Array:
    return np.exp(-(y**2) / 2) / np.sqrt(2 * np.pi)


GAUSSIAN = StandardLaw(_gaussian_density, -39.0, 39.0, (0.0,), gaussian_potential)
UNIFORM = StandardLaw(np.ones_like, 0.0, 1.0, (0.0, 1.0), uniform_potential)


@cache
def student(degrees: float) -> StandardLaw:
    """Student's law; its potential is known for an odd number of degrees of freedom."""
    k = round((degrees - 1) / 2)
    odd = degrees == 2 * k + 1
    potential = (lambda r: _student_potential(k, r)) if odd else None
    return StandardLaw(stats.t(degrees).pdf, -np.inf, np.inf, (0.0,), potential)


@cache
def gamma(shape: float) -> StandardLaw:
    """The Gamma law of scale 1; its potential is known for a whole shape up to 8, beyond it cancels."""
    whole = shape == round(shape) and shape <= 8
    potential = (lambda r: _gamma_potential(round(shape), r)) if whole else None
    return StandardLaw(stats.gamma(shape).pdf, 0.0, np.inf, (0.0, max(shape - 1, 0.0)), potential)
