"""Roots of many polynomials at once, each with an estimate of how far rounding displaces it."""

from __future__ import annotations

import numpy as np
import sympy
from mpmath.libmp import NoConvergence
from numpy.typing import NDArray

Array = NDArray[np.float64]
Complex = NDArray[np.complex128]
DISPLACED = 1e-9
"""Displacement beyond which a polynomial is factored exactly: multiple roots split by a root of the rounding error."""


def polynomial_roots(coefficients: Array) -> tuple[Complex, Array]:
    """The roots of rows of coefficients, leading ones not zero, shape (polynomial, degree), and their displacements."""
    degree = coefficients.shape[1] - 1
    monic = coefficients / coefficients[:, :1]
    if degree == 1:
        return -monic[:, 1:].astype(complex), np.zeros((len(monic), 1))
    if degree == 2:
        return _quadratic(monic), np.zeros((len(monic), 2))
    companion = np.zeros((len(coefficients), degree, degree))
    companion[:, 0, :] = -monic[:, 1:]
    companion[:, np.arange(1, degree), np.arange(degree - 1)] = 1
    roots = np.linalg.eigvals(companion).astype(complex)
    displacement = _displacement(monic, roots)
    for row in np.flatnonzero(displacement.max(axis=1) > DISPLACED):
        exact = _exact_roots(coefficients[row])
        if exact is not None:
            roots[row], displacement[row] = exact, 1e-14 * (1 + np.abs(exact))
    return roots, displacement


def _quadratic(monic: Array) -> Complex:
    half, product = -monic[:, 1] / 2, monic[:, 2]
    root = np.sqrt((half**2 - product).astype(complex))
    larger = np.where(half >= 0, half + root, half - root)  # without cancellation
    other = np.divide(product, larger, out=np.zeros_like(larger), where=larger != 0)
    return np.stack([larger, other], axis=1)


def _displacement(monic: Array, roots: Complex) -> Array:
    """Rounding of the value over the slope, at most what an n-fold root moves."""
    degree = monic.shape[1] - 1
    powers = np.abs(roots)[:, :, None] ** np.arange(degree, -1, -1)
    rounding = 8 * np.finfo(float).eps * (np.abs(monic)[:, None, :] * powers).sum(axis=2)
    factors = monic[:, :-1] * np.arange(degree, 0, -1)
    slope = np.abs((factors[:, None, :] * roots[:, :, None] ** np.arange(degree - 1, -1, -1)).sum(axis=2))
    with np.errstate(divide="ignore", invalid="ignore"):  # a multiple root at zero is exact, 0/0
        return np.asarray(np.fmin(rounding / slope, rounding ** (1 / degree)))


def _exact_roots(row: Array) -> Complex | None:
    """The roots of the exact square-free factors, with multiplicity; None if they do not converge."""
    variable = sympy.Dummy("x")
    polynomial = sympy.Poly([sympy.Rational(float(c)) for c in row], variable)
    try:
        found = [
            complex(root)
            for factor, multiplicity in polynomial.sqf_list()[1]
            for root in factor.nroots(n=20, maxsteps=200)
            for _ in range(multiplicity)
        ]
    except NoConvergence:
        return None
    return np.array(found)
