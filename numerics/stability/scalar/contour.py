r"""Quadratic forms in Gaussian numbers, any batch size: the characteristic function on a rotated contour.

$$ \Lambda = \log\kappa + \mathrm{Re}\int_0^\infty\frac{e^{-t} - e^{it}\varphi(t)^S}{t}\,dt, \qquad
   \varphi(t) = \sum_j p_j \prod_k \Big(1 - 2it\frac{w\lambda_{jk}}{\kappa S}\Big)^{-1/2}, $$

with the multiplier keep + weight h divided by kappa = keep, and t on a ray in both terms (`numerics.stability.scalar.ray`). The branch
points lie on the imaginary axis, the integrand decays exponentially. Each factor stays on its own principal branch. Few points are
evaluated by NumPy, whole grids by a compiled program (`numerics.templates.contour`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import sympy
from numpy.typing import NDArray

from numerics.stability.problem import Array, Estimate, Problem
from numerics.stability.scalar.ray import Ray, Rule, rule_of
from numerics.targets import Target
from numerics.templates.contour import contour_program
from theory import ExponentKind
from theory.stability.batches import FRESH
from theory.stability.characteristic import gaussian_moments, quadratic_parts
from theory.stability.randomness import ENUMERATED

NODES = (18, 12)
"""Nodes per panel of the answer, and of the coarser rule whose distance from it is the error."""
ROUNDING = 1e-13
"""What rounding leaves; the S-th power multiplies it where S is large."""
COMPILED = 2**16
"""Factors times nodes from which the compiled program is worth its loading."""
VANISHING = 1e-60
"""Below this ratio to the random part, what a step keeps changes no digit of the exponent."""


@dataclass(frozen=True)
class Forms:
    """Integrals over a grid: `shares` (point, outcome), `slopes` (point, outcome, factor), on one `ray`."""

    shares: Array
    slopes: Array
    ray: Ray

    @property
    def steepness(self) -> NDArray[np.int64]:
        """The exponent of two of the steepest slope of each point."""
        return self.ray.steepness(np.abs(self.slopes).max(axis=(1, 2)))


def by_contour(problem: Problem) -> Estimate | None:
    """The exponent of batches of Gaussian quadratic forms, conditional on finite laws; None outside that class."""
    spectrum = quadratic_spectrum(problem)
    if spectrum is None:
        return None
    shares, eigenvalues = spectrum  # (point, outcome), (point, outcome, factor)
    keep, weight = problem.grid.table([problem.keep, problem.weight])
    values, errors = np.empty(problem.grid.size), np.empty(problem.grid.size)
    slopes = weight[:, np.newaxis, np.newaxis] * eigenvalues / problem.size
    largest = np.abs(slopes).max(axis=(1, 2))
    kept = np.abs(keep) > VANISHING * largest
    # a batch of samples without curvature, of positive probability, annihilates where nothing is kept
    still = (shares > 0) & ~eigenvalues.any(axis=2) | (weight == 0)[:, np.newaxis]
    dead = ~kept & still.any(axis=1)
    values[dead], errors[dead] = -np.inf, 0.0
    for frequency, rows in ((1.0, kept), (0.0, ~kept & ~dead)):
        if not rows.any():
            continue
        scale = np.abs(keep[rows]) if frequency else largest[rows]
        sign = np.where(keep[rows] < 0, -1.0, 1.0)
        forms = forms_of(
            shares[rows], slopes[rows] * (sign / scale)[:, np.newaxis, np.newaxis], frequency, problem.size
        )
        fine, coarse = (integrals(forms, count) for count in NODES)
        values[rows], errors[rows] = np.log(scale) + fine, np.abs(fine - coarse) + ROUNDING * (1 + problem.size / 32)
    return problem.estimate(values, errors, ExponentKind.QUADRATURE)


def forms_of(shares: Array, slopes: Array, frequency: float, batch: int) -> Forms:
    """The integrals of a grid, on the steepest ray that suits all of them."""
    falling = int((slopes < 0).sum(axis=2).max(initial=0))
    factors = int((slopes != 0).sum(axis=2).max(initial=0))
    return Forms(shares, slopes, Ray(batch, max(factors, 1), falling, frequency, shares.shape[1] == 1))


def integrals(forms: Forms, count: int) -> Array:
    """The integral at every point, with `count` nodes per panel."""
    steepness, places = np.unique(forms.steepness, return_inverse=True)
    rules = [rule_of(forms.ray, int(exponent), count) for exponent in steepness]
    sizes = np.array([rule.nodes.size for rule in rules])
    road = _by_program if forms.slopes[0].size * sizes[places].sum() > COMPILED else _by_arrays
    return road(forms, rules, places)


def _by_arrays(forms: Forms, rules: list[Rule], places: NDArray[np.int64]) -> Array:
    """Few points: NumPy."""
    found = np.empty(len(places))
    for place, rule in enumerate(rules):
        rows = places == place
        t = rule.nodes[:, np.newaxis, np.newaxis, np.newaxis]  # (node, point, outcome, factor)
        factors = 1 / np.sqrt(1 - 2j * t * forms.slopes[rows])
        function = (forms.shares[rows] * factors.prod(axis=3)).sum(axis=2)
        terms = rule.coefficients[:, np.newaxis] * function**forms.ray.batch
        found[rows] = rule.constant - terms.sum(axis=0).real
    return found


def _by_program(forms: Forms, rules: list[Rule], places: NDArray[np.int64], target: Target = Target.CPU) -> Array:
    """Many points: the compiled program."""
    nodes, coefficients = (
        np.concatenate(parts) for parts in zip(*((r.nodes, r.coefficients) for r in rules), strict=True)
    )
    out = np.empty(len(places))
    contour_program(target).run(
        len(places),
        forms.ray.batch,
        np.cumsum([0, *(rule.nodes.size for rule in rules)]),
        [rule.constant for rule in rules],
        nodes.real, nodes.imag, coefficients.real, coefficients.imag,
        places, forms.shares, forms.slopes, out,
    )  # fmt: skip
    return out


# -------------------------------------------------------------------------------------------------- quadratic forms


def quadratic_spectrum(problem: Problem) -> tuple[Array, Array] | None:
    """Probabilities (point, outcome) of the finite outcomes and eigenvalues (point, outcome, factor) of C Q.

    None unless every conditional curvature is a centred quadratic form.
    """
    present = problem.randomness.of(problem.curvature)
    if problem.batch.mode not in FRESH or not present.continuous or present.outcome_count > ENUMERATED:
        return None
    shares: list[Array] = []
    spectra: list[Array] = []
    for conditional, share in problem.cases():
        shares.append(problem.grid.of(share))
        if conditional.curvature == 0:
            spectra.append(np.zeros((problem.grid.size, 1)))
            continue
        left = conditional.randomness
        parts, moments = quadratic_parts(conditional.curvature, left), gaussian_moments(left)
        if parts is None or moments is None or any(parts[1]) or parts[2] != 0 or any(moments[0]):
            return None
        spectra.append(_eigenvalues(problem, parts[0], moments[1]))
    width = max(spectrum.shape[1] for spectrum in spectra)
    padded = [np.pad(spectrum, ((0, 0), (0, width - spectrum.shape[1]))) for spectrum in spectra]
    return np.stack(shares, axis=1), np.stack(padded, axis=1)


def _eigenvalues(problem: Problem, form: sympy.MatrixBase, covariance: sympy.MatrixBase) -> Array:
    """Eigenvalues of C Q, which are those of L^T Q L with C = L L^T, shape (point, eigenvalue)."""
    count = form.rows
    grid = problem.grid
    q = grid.table(list(form)).T.reshape(-1, count, count)
    c = grid.table(list(covariance)).T.reshape(-1, count, count)
    if count == 1:
        return np.asarray((c * q)[:, 0])
    if count == 2:
        return _pair_of_eigenvalues((c * q).sum(axis=(1, 2)), np.maximum(_determinant(c), 0) * _determinant(q))
    levels, vectors = np.linalg.eigh(c)
    root = vectors * np.sqrt(np.clip(levels, 0, None))[:, None, :]
    return np.asarray(np.linalg.eigvalsh(np.swapaxes(root, 1, 2) @ q @ root))


def _pair_of_eigenvalues(trace: Array, determinant: Array) -> Array:
    """The real eigenvalues of 2 x 2 matrices: the one of larger modulus first, the other without cancellation."""
    half = trace / 2
    larger = half + np.copysign(np.sqrt(np.maximum(half**2 - determinant, 0)), half)
    smaller = np.divide(determinant, larger, out=np.zeros_like(larger), where=larger != 0)
    return np.stack([larger, smaller], axis=1)


def _determinant(matrices: Array) -> Array:
    return np.asarray(matrices[:, 0, 0] * matrices[:, 1, 1] - matrices[:, 0, 1] * matrices[:, 1, 0])
