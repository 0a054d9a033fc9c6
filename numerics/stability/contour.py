r"""Quadratic forms in Gaussian numbers, any batch size: the characteristic function on a rotated contour.

$$ \Lambda = \log\kappa + \mathrm{Re}\int_0^\infty\frac{e^{-t} - e^{it}\varphi(t)^S}{t}\,dt, \qquad
   \varphi(t) = \sum_j p_j \prod_k \Big(1 - 2it\frac{w\lambda_{jk}}{\kappa S}\Big)^{-1/2}, $$

with the multiplier keep + weight h divided by kappa = keep, and t = exp(i pi/4) r in both terms. The branch points lie on
the imaginary axis, the integrand decays exponentially. Each factor stays on its own principal branch. On the ray phi^S overshoots by up
to 2^(S/4), so that batches above `LARGEST` go along the real axis (`numerics.stability.real_axis`).
"""

from __future__ import annotations

import numpy as np
import sympy
from numpy.typing import NDArray

from numerics.stability.panels import composite
from numerics.stability.problem import Array, Estimate, Problem
from theory import ExponentKind
from theory.stability.batches import FRESH
from theory.stability.characteristic import gaussian_moments, quadratic_parts
from theory.stability.randomness import ENUMERATED

LARGEST = 24
"""The largest batch for which the rotated integrand keeps twelve digits."""
LAST, FAR = 6, 130
"""The last panel ends at radius 2^6, where exp(-r/sqrt 2) is negligible; where keep = 0 only a power law decays, and it ends at 2^130."""
NODES = (18, 12)
CHUNK = 2**22


def by_contour(problem: Problem) -> Estimate | None:
    """The exponent of batches of Gaussian quadratic forms, conditional on finite laws; None outside that class."""
    spectrum = quadratic_spectrum(problem)
    if spectrum is None or problem.size > LARGEST:
        return None
    shares, eigenvalues = spectrum  # (outcome, point), (outcome, eigenvalue, point)
    keep, weight = problem.grid.table([problem.keep, problem.weight])
    values, errors = np.empty(problem.grid.size), np.empty(problem.grid.size)
    largest = np.abs(weight) * np.abs(eigenvalues).max(axis=(0, 1)) / problem.size
    for frequency, rows in ((1.0, keep != 0), (0.0, keep == 0)):
        scale = np.abs(keep[rows]) if frequency else np.where(largest[rows] > 0, largest[rows], 1.0)
        sign = np.where(keep[rows] < 0, -1.0, 1.0)
        slopes = sign * weight[rows] / scale / problem.size * eigenvalues[..., rows]
        fine, coarse = (_in_chunks(shares[:, rows], slopes, frequency, problem.size, n) for n in NODES)
        values[rows], errors[rows] = np.log(scale) + fine, np.abs(fine - coarse) + 1e-13
    return problem.estimate(values, errors, ExponentKind.QUADRATURE)


def _in_chunks(shares: Array, slopes: Array, frequency: float, batch: int, count: int) -> Array:
    length = max(1, CHUNK // (32 * count * slopes.shape[0] * slopes.shape[1]))
    parts = [slice(begin, begin + length) for begin in range(0, slopes.shape[-1], length)]
    return np.concatenate(
        [_integral(shares[:, part], slopes[..., part], frequency, batch, count) for part in parts] or [np.empty(0)]
    )


def _breaks(slopes: Array, frequency: float) -> Array:
    """Panels of the radius, doubling from where the fastest factor begins to vary, t ~ 1/slope."""
    steepest = max(1.0, float(np.abs(slopes).max(initial=0.0)))
    return np.concatenate([[0.0], 2.0 ** np.arange(np.floor(-3 - np.log2(steepest)), (LAST if frequency else FAR) + 1)])


def _integral(shares: Array, slopes: Array, frequency: float, batch: int, count: int) -> Array:
    """The integral along t = exp(i pi/4) r for every point: (outcome, point), (outcome, eigenvalue, point)."""
    radii, weights = composite(_breaks(slopes, frequency), count)
    t = np.exp(0.25j * np.pi) * radii[:, None]  # (node, 1)
    function: NDArray[np.complex128] = np.zeros((len(radii), slopes.shape[-1]), dtype=complex)
    for share, outcome in zip(shares, slopes, strict=True):
        factor = np.ones_like(function)
        for eigenvalue in outcome:
            factor /= np.sqrt(1 - 2j * t * eigenvalue)
        function += share * factor
    integrand = (np.exp(-t) - np.exp(1j * frequency * t) * function**batch) / radii[:, None]
    return np.real(weights @ integrand)


def quadratic_spectrum(problem: Problem) -> tuple[Array, Array] | None:
    """Probabilities of the finite outcomes and eigenvalues of C Q, where every conditional curvature is a centred quadratic form."""
    present = problem.randomness.of(problem.curvature)
    if problem.batch.mode not in FRESH or not present.continuous or present.outcome_count > ENUMERATED:
        return None
    shares, spectra = [], []
    for conditional, share in problem.cases():
        left = conditional.randomness
        parts, moments = quadratic_parts(conditional.curvature, left), gaussian_moments(left)
        if parts is None or moments is None or any(parts[1]) or parts[2] != 0 or any(moments[0]):
            return None
        shares.append(problem.grid.of(share))
        spectra.append(_eigenvalues(problem, parts[0], moments[1]))
    width = max(spectrum.shape[0] for spectrum in spectra)
    padded = [np.vstack([s, np.zeros((width - len(s), problem.grid.size))]) for s in spectra]
    return np.array(shares), np.array(padded)


def _eigenvalues(problem: Problem, form: sympy.MatrixBase, covariance: sympy.MatrixBase) -> Array:
    """Eigenvalues of L^T Q L with C = L L^T, shape (eigenvalue, point)."""
    count = form.rows
    grid = problem.grid
    q = grid.table(list(form)).T.reshape(-1, count, count)
    c = grid.table(list(covariance)).T.reshape(-1, count, count)
    levels, vectors = np.linalg.eigh(c)
    root = vectors * np.sqrt(np.clip(levels, 0, None))[:, None, :]
    return np.linalg.eigvalsh(np.swapaxes(root, 1, 2) @ q @ root).T
