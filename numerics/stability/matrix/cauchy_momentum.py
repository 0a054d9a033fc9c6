"""Momentum with Cauchy curvature: both exponents from the step at a complex curvature (`theory.stability.cauchy_curvature`)."""

from __future__ import annotations

import numpy as np
import sympy

from numerics.stability.matrix.spectra import Spectrum
from numerics.stability.problem import Grid
from theory import Block, ExponentKind
from theory.stability.cauchy_curvature import complex_step

ROUNDING = 1e-14


def spectrum_by_cauchy(block: Block, grid: Grid, count: int) -> Spectrum | None:
    """The exponents of a direction with momentum and Cauchy curvature; None outside that class, and where steps reverse orientation.

    The second exponent is log|determinant| minus the first: the determinant does not depend on the curvature.
    """
    step = complex_step(block)
    if step is None:
        return None
    determinant = grid.of(step.determinant)
    if not np.all(determinant >= 0):
        return None
    real, imaginary = (grid.table([part(entry) for entry in step.matrix]) for part in (sympy.re, sympy.im))
    matrices = (real + 1j * imaginary).T.reshape(-1, 2, 2)
    radius = np.abs(np.linalg.eigvals(matrices)).max(axis=1)
    scale = np.abs(matrices).max(axis=(1, 2))
    with np.errstate(divide="ignore"):
        top = np.log(radius)
        values = np.stack([top, np.log(determinant) - top], axis=1)
    trace = np.abs(np.trace(matrices, axis1=1, axis2=2))
    gap = np.sqrt(np.abs(trace**2 - 4 * determinant)) + np.sqrt(ROUNDING) * scale  # of the eigenvalues, which may meet
    errors = ROUNDING * (1 + scale**2 / (radius * gap))
    return Spectrum(values[:, :count], np.stack([errors, 2 * errors], axis=1)[:, :count], ExponentKind.CLOSED_FORM)
