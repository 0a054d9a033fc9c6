r"""Rotation-invariant blocks with one axis: every Lyapunov exponent, and every moment exponent, from one step.

Let one step multiply by m along a uniformly random axis and by k across it (`theory.stability.rotation_invariance`). Products of such
steps forget their directions, so that with B ~ Beta(j/2, (d - j)/2), independent of m and k (B = 1 for j = d),

$$ \Lambda_1 + \dots + \Lambda_j = (j-1)\,\mathbb{E}\log|k| + \tfrac12\,\mathbb{E}\log\big|k^2(1-B) + m^2 B\big|, \qquad
   L(p) = \log\mathbb{E}\big|k^2(1-B) + m^2 B\big|^{p/2} \quad (j = 1). $$

The top exponent of batches of S samples with curvatures a + b x x^T, x Gaussian, is of the same kind: with k = 1 - learning_rate
(gamma + a), w = learning_rate b / S, and R and Q independent chi-square numbers of S and d - 1 degrees of freedom,

$$ |A e|^2 = (k - w R)^2 + w^2 R\,Q . $$

Both integrals are taken on panels: that over B through a double-exponential substitution, that over the radius graded towards the zeros of
m and k, next to which the inner integral is not smooth.

References: C. M. Newman, The distribution of Lyapunov exponents: exact results for random matrices (Communications in
Mathematical Physics 103, 1986).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import sympy
from scipy.special import betaln
from sympy import Symbol

from numerics.stability.matrix.spectra import Spectrum
from numerics.stability.problem import Array, Estimate, Grid
from numerics.stability.scalar.density import expected_logarithm
from numerics.stability.scalar.panels import composite
from numerics.stability.scalar.standard_laws import gamma
from theory import Block, ExponentKind
from theory.stability.randomness import ENUMERATED
from theory.stability.rotation_invariance import Axial, axial_form

STEPS, REACH = (1 / 16, 1 / 11), 4.0
"""Steps of the double-exponential rule over B, the second to judge the first, and half its range: weights beyond are below 1e-18."""
ROOTS = 4001
"""Radii at which the multipliers are looked at for changes of sign."""
ACCEPTED = 1e-6
"""The largest error of an answer; beyond, random steps do better."""


@dataclass(frozen=True)
class _Case:
    """The multipliers along and across the axis as functions of the squared radius, for one outcome of everything else."""

    along: Callable[[Array], Array]
    across: Callable[[Array], Array]
    share: float


def spectrum_by_rotation(block: Block, grid: Grid, count: int) -> Spectrum | None:
    """The `count` largest exponents of a rotation-invariant block with one axis; None outside that class, or short of accuracy."""
    form = _single_axis(block)
    if form is None:
        return None
    sums, errors = np.zeros((grid.size, count + 1)), np.zeros((grid.size, count + 1))
    for point in range(grid.size):
        cases = _cases(block, form, _numbers(grid, point))
        for j in range(1, count + 1):
            parts = [(case.share, *_average(case, form.size, _partial_sum(j, form.size))) for case in cases]
            sums[point, j] = sum(share * value for share, value, _ in parts)
            errors[point, j] = sum(share * error for share, _, error in parts)
    if not np.all(errors <= ACCEPTED):
        return None
    return Spectrum(np.diff(sums, axis=1), errors[:, 1:] + errors[:, :-1], ExponentKind.QUADRATURE)


def moments_by_rotation(block: Block, grid: Grid, order: float) -> Estimate | None:
    """The moment exponent L(order), order > -1; None outside the class, or short of accuracy."""
    form = _single_axis(block)
    if form is None or order <= -1:
        return None
    values, errors = np.empty(grid.size), np.empty(grid.size)
    for point in range(grid.size):
        cases = _cases(block, form, _numbers(grid, point))
        parts = [(case.share, *_average(case, form.size, _power(order, form.size))) for case in cases]
        moment = sum(share * value for share, value, _ in parts)
        values[point] = np.log(moment)
        errors[point] = sum(share * error for share, _, error in parts) / moment
    return Estimate(values, errors, ExponentKind.QUADRATURE) if np.all(errors <= ACCEPTED) else None


def top_of_batch(block: Block, grid: Grid) -> Spectrum | None:
    """The top exponent of batches of a + b x x^T with constant a and b; None outside that class, or short of accuracy."""
    found = _over_batches(block, grid, lambda square: np.log(square) / 2)
    if found is None:
        return None
    values, errors = found
    return Spectrum(values[:, None], errors[:, None], ExponentKind.QUADRATURE)


def moments_of_batch(block: Block, grid: Grid, order: float) -> Estimate | None:
    """The moment exponent L(order), order > -1, of batches of a + b x x^T; None outside that class, or short of accuracy."""
    found = None if order <= -1 else _over_batches(block, grid, lambda square: square ** (order / 2))
    if found is None:
        return None
    values, errors = np.log(found[0]), found[1] / found[0]
    return Estimate(values, errors, ExponentKind.QUADRATURE) if np.all(errors <= ACCEPTED) else None


def _over_batches(block: Block, grid: Grid, function: Callable[[Array], Array]) -> tuple[Array, Array] | None:
    """The mean of function(|A e|^2) over batches, and its error, at every point."""
    form = None if block.step.has_velocity else axial_form(block)
    if form is None or form.others.groups or form.across.has(form.radius):
        return None
    slope = sympy.expand((form.along - form.across) / form.radius**2)
    if slope.has(form.radius):
        return None
    keep = grid.of(block.step.carry + block.step.weight * form.across)
    sizes = grid.of(block.batch.size)
    slopes = grid.of(block.step.weight * slope) / sizes
    values, errors = np.empty(grid.size), np.empty(grid.size)
    for point in range(grid.size):
        values[point], errors[point] = _mean_square(keep[point], slopes[point], int(sizes[point]), form.size, function)
    return (values, errors) if np.all(errors <= ACCEPTED * (1 + np.abs(values))) else None


def _mean_square(
    keep: float, slope: float, batch: int, size: int, function: Callable[[Array], Array]
) -> tuple[float, float]:
    """The mean of function((keep + slope R)^2 + slope^2 R Q) and its error."""
    outer, inner = gamma(batch / 2), gamma((size - 1) / 2)
    breaks = outer.breaks([-keep / (2 * slope)] if slope != 0 and keep / slope < 0 else [])
    found = []
    for count in BATCH_NODES:
        nodes, weights = composite(inner.breaks(), count)
        with np.errstate(all="ignore"):
            shares = weights * inner.density(nodes)
        kept = np.isfinite(shares) & (shares > NEGLIGIBLE)
        nodes, shares = nodes[kept], shares[kept] / shares[kept].sum()

        def average(y: Array, nodes: Array = nodes, shares: Array = shares) -> Array:
            total = np.empty(y.shape)
            for begin in range(0, y.size, 512):
                r = 2 * y[begin : begin + 512, None]
                total[begin : begin + 512] = function((keep + slope * r) ** 2 + 2 * slope**2 * r * nodes) @ shares
            return total

        found.append(expected_logarithm(average, outer, breaks))
    (fine, error), (coarse, _) = found
    return fine, error + abs(fine - coarse) + BATCH_ROUNDING * (1 + abs(fine))


BATCH_NODES = (12, 8)
"""Nodes per panel of the rule over Q, and of the coarser one that judges it."""
NEGLIGIBLE, BATCH_ROUNDING = 1e-18, 1e-12
"""Weights that are left out, and what that leaves of an answer."""


def _single_axis(block: Block) -> Axial | None:
    """The form of a block for which one step is drawn from one sample, everything but the radius taking finitely many values."""
    if not block.batch.is_single or block.step.has_velocity:
        return None
    form = axial_form(block)
    if form is None or form.others.continuous or form.others.outcome_count > ENUMERATED:
        return None
    return form


def _numbers(grid: Grid, point: int) -> dict[Symbol, float]:
    return {symbol: float(values[point]) for symbol, values in grid.values.items()}


def _cases(block: Block, form: Axial, values: Mapping[Symbol, float]) -> list[_Case]:
    numbers = {symbol: sympy.Float(value, 17) for symbol, value in values.items()}
    found = []
    for outcome, share in form.others.outcomes():
        along, across = (
            _of_square((block.step.carry + block.step.weight * part.xreplace(outcome)).xreplace(numbers), form.radius)
            for part in (form.along, form.across)
        )
        found.append(_Case(along, across, float(share.xreplace(numbers))))
    return [case for case in found if case.share > 0]


def _of_square(multiplier: sympy.Expr, radius: Symbol) -> Callable[[Array], Array]:
    function = sympy.lambdify(radius, multiplier, ["scipy", "numpy"], cse=True)

    def of_square(squared: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.asarray(function(np.sqrt(squared)), dtype=float) + np.zeros(squared.shape)

    return of_square


Inner = Callable[[Array, Array, float], Array]
"""A mean over B as a function of m^2 and k^2, by the rule with this step."""


def _average(case: _Case, size: int, inner: Inner) -> tuple[float, float]:
    """The mean over the radius of a function of m^2 and k^2, and its error. Half the squared radius has the Gamma law of shape d/2."""
    law = gamma(size / 2)
    roots = [root for multiplier in (case.along, case.across) for root in _zeros(multiplier)]
    breaks = law.breaks(roots)
    (fine, error), (coarse, _) = (
        expected_logarithm(lambda y: inner(case.along(2 * y) ** 2, case.across(2 * y) ** 2, step), law, breaks)  # noqa: B023
        for step in STEPS
    )
    return fine, error + abs(fine - coarse)


def _zeros(multiplier: Callable[[Array], Array]) -> list[float]:
    """Halved squared radii where a multiplier changes sign, bisected."""
    y = np.unique(np.concatenate([np.linspace(0, 100, ROOTS), 2.0 ** np.arange(-60, 12, 0.125)]))
    signs = np.sign(multiplier(2 * y))
    changes = np.flatnonzero(signs[:-1] * signs[1:] < 0)
    low, high, sign = y[changes], y[changes + 1], signs[changes]
    for _ in range(80):
        middle = (low + high) / 2
        same = np.sign(multiplier(2 * middle)) == sign
        low, high = np.where(same, middle, low), np.where(same, high, middle)
    return [*((low + high) / 2).tolist(), *y[signs == 0].tolist()]


def _partial_sum(j: int, size: int) -> Inner:
    """The integrand of Lambda_1 + ... + Lambda_j over the radius."""

    def inner(along: Array, across: Array, step: float) -> Array:
        with np.errstate(divide="ignore", invalid="ignore"):
            first = (j - 1) / 2 * np.log(across) if j > 1 else np.zeros(across.shape)
            return np.asarray(first + _over_beta(along, across, j, size, np.log, step) / 2)

    return inner


def _power(order: float, size: int) -> Inner:
    return lambda along, across, step: _over_beta(along, across, 1, size, lambda square: square ** (order / 2), step)


def _over_beta(
    along: Array, across: Array, j: int, size: int, function: Callable[[Array], Array], step: float
) -> Array:
    """The mean of function(across (1 - B) + along B) over B ~ Beta(j/2, (size - j)/2)."""
    if j == size:
        return function(along)
    shares, rests, weights = _beta_rule(j / 2, (size - j) / 2, step)
    total = np.empty(along.shape)
    for begin in range(0, along.size, 4096):
        part = slice(begin, begin + 4096)
        total[part] = function(across[part, None] * rests + along[part, None] * shares) @ weights
    return total


def _beta_rule(first: float, second: float, step: float) -> tuple[Array, Array, Array]:
    """B, 1 - B and weights: B = 1/(1 + exp(-pi sinh t)) on an equidistant mesh of t."""
    t = np.arange(-REACH, REACH + step / 2, step)
    exponent = np.pi * np.sinh(t)
    log_share, log_rest = -np.logaddexp(0, -exponent), -np.logaddexp(0, exponent)
    logs = first * log_share + second * log_rest - betaln(first, second)
    weights = step * np.pi * np.cosh(t) * np.exp(logs)
    return np.exp(log_share), np.exp(log_rest), weights
