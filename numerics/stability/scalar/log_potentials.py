r"""Logarithmic potentials U(r) = E log|y - r| of standard laws in floating point, each with its rounding error.

A closed form that is exact on paper may cancel: for the Gamma law of shape k the terms grow like |r|^(k-1), for the uniform law like
|r|. Far from the law the moment series takes over,

$$ U(r) = \log|r| - \Re\sum_{n\ge1}\frac{\mathbb{E}y^n}{n\,r^n}, $$

convergent for a bounded law, else cut at its smallest term. The caller sees the error and may integrate instead.
"""

from __future__ import annotations

from math import factorial

import numpy as np
from numpy.typing import NDArray
from scipy import special

from numerics.stability.scalar.panels import gauss_legendre
from theory.laws.potentials import student_coefficients

Array = NDArray[np.float64]
Complex = NDArray[np.complex128]
EPSILON = float(np.finfo(float).eps)
_GAUSSIAN_CONSTANT = -0.5 * (np.euler_gamma + np.log(2))
_UNIFORM_SERIES, _GAMMA_SERIES = 8.0, 48


def _upper(r: Complex) -> Complex:
    """The points, reflected into the closed upper half-plane: U is the same at both."""
    return np.asarray(np.where(np.imag(r) < 0, np.conj(r), r), dtype=complex)


def gaussian_potential(r: Complex) -> tuple[Array, Array]:
    r"""U of N(0, 1): $-\frac{\gamma+\ln2}2+\Re\int_0^r[-i\sqrt{\pi/2}\,w(\zeta/\sqrt2)]d\zeta$ for |r| <= 7, a series beyond.

    The power series of the closed form cancels in doubles. Maximal error 2e-11, just above the switch.
    """
    point = _upper(r)
    near = np.abs(point) <= 7
    result = np.empty(point.shape)
    nodes, weights = gauss_legendre(48)
    inner = point[near]
    zeta = inner[:, None] * (nodes + 1) / 2
    integrals = (special.wofz(zeta / np.sqrt(2)) * weights).sum(axis=1) * inner / 2
    result[near] = _GAUSSIAN_CONSTANT + np.real(-1j * np.sqrt(np.pi / 2) * integrals)
    outer = point[~near]
    inverse = 1 / outer  # whose square does not overflow
    series, term = np.zeros(outer.shape, dtype=complex), np.ones(outer.shape, dtype=complex)
    for k in range(1, 16):
        term = term * (2 * k - 1) * inverse**2
        series += term / (2 * k)
    result[~near] = np.log(np.abs(outer)) - np.real(series)
    return result, np.where(np.abs(point) <= 6, 1e-13, np.where(np.abs(point) < 20, 4e-11, 1e-14))


def uniform_potential(r: Complex) -> tuple[Array, Array]:
    """U of the uniform law on (0, 1): closed near it, the moment series beyond 8."""
    closed = np.real(special.xlogy(1 - r, 1 - r) - special.xlogy(-r, -r)) - 1
    far = np.abs(r) > _UNIFORM_SERIES
    outer = np.where(far, r, _UNIFORM_SERIES)
    inverse = 1 / outer
    series = sum((inverse**n / ((n + 1) * n) for n in range(1, 20)), np.zeros(r.shape, dtype=complex))
    return np.where(far, np.log(np.abs(outer)) - np.real(series), closed), np.full(r.shape, 64 * EPSILON)


def student_potential(k: int, r: Complex) -> tuple[Array, Array]:
    """U of Student's law with 2k + 1 degrees of freedom."""
    q = np.sqrt(2 * k + 1)
    w = _upper(r) + 1j * q
    total = np.log(np.abs(w))
    magnitude = np.abs(total) + 1
    for n, coefficient in enumerate(student_coefficients(k)):
        if n:
            term = float(coefficient * factorial(n - 1)) * np.real((1j * q / w) ** n)
            total, magnitude = total - term, magnitude + np.abs(term)
    return total, 8 * EPSILON * magnitude


def gamma_potential(k: int, r: Complex) -> tuple[Array, Array]:
    """U of the Gamma law of whole shape k and scale 1: the closed form or the moment series, whichever errs less."""
    point = _upper(r)
    closed, closed_error = _gamma_closed(k, point)
    series, series_error = _gamma_series(k, point)
    better = ~(closed_error <= series_error)  # also where the closed form overflowed
    return np.where(better, series, closed), np.where(better, series_error, closed_error)


def _gamma_closed(k: int, point: Complex) -> tuple[Array, Array]:
    decaying = _scaled_exponential_integral(point)
    with np.errstate(all="ignore"):
        total = np.log(np.abs(point))
        magnitude = np.abs(total) + 1
        for j in range(k):
            terms = [point**j * decaying, *(factorial(i) * point ** (j - 1 - i) for i in range(j))]
            total = total + np.real(sum(terms)) / factorial(j)
            magnitude = magnitude + sum(np.abs(term) for term in terms) / factorial(j)
    at_zero = point == 0
    return np.where(at_zero, special.digamma(k), total), np.where(at_zero, EPSILON, 8 * EPSILON * magnitude)


def _gamma_series(k: int, point: Complex) -> tuple[Array, Array]:
    """The moment series, cut where its terms are smallest; on the positive axis a term of order r^(k-1) exp(-r) is missing."""
    size = np.abs(point)
    with np.errstate(all="ignore"):
        total = np.log(size).astype(complex)
        term = np.ones(point.shape, dtype=complex)
        smallest = np.full(point.shape, np.inf)
        falling = np.ones(point.shape, dtype=bool)
        for n in range(1, _GAMMA_SERIES):
            term = term * (k + n - 1) / point
            falling &= np.abs(term) / n < smallest
            total = np.where(falling, total - term / n, total)
            smallest = np.where(falling, np.abs(term) / n, smallest)
        missing = np.exp(special.xlogy(k - 1, size) - np.maximum(np.real(point), 0) - special.gammaln(k))
    error = 2 * smallest + np.where(np.real(point) > 0, 4 * missing, 0.0) + 8 * EPSILON * (1 + np.abs(np.log(size + 1)))
    return np.real(total), np.where(np.isfinite(error), error, np.inf)


def _scaled_exponential_integral(r: Complex) -> Complex:
    """exp(-r) E_1(-r) in the closed upper half-plane, real part on the positive axis (-exp(-r) Ei(r))."""
    small = np.abs(r) <= 40
    safe = np.where(small, r, 1.0)
    with np.errstate(all="ignore"):
        near = np.exp(-safe) * special.exp1(-safe)
        term, far = np.ones(r.shape, dtype=complex), np.zeros(r.shape, dtype=complex)
        large = np.where(small, 1e3, r)
        for n in range(30):
            far = far + term
            term = term * (n + 1) / large
    return np.where(small, near, -far / large)
