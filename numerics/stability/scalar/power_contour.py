r"""Quadratic forms in Gaussian numbers, any batch size: E|m|^p from the characteristic function on a ray.

With m in units of its root mean square, characteristic function phi and G(t) = exp(-t^2/2) Q(t) whose Taylor coefficients are
those of phi up to the even order n >= p,

$$ \mathbb{E}|m|^p = -\frac2\pi\Gamma(1+p)\sin\frac{\pi p}2\,\mathrm{Re}\int_0^\infty\frac{\varphi(t)-G(t)}{t^{1+p}}\,dt
   + \sum_{j\le n,\ j\text{ even}} q_j\,2^{(j-p)/2}\frac{\Gamma(1+p)}{\Gamma(1+(p-j)/2)} , $$

G being the transform of a Gram-Charlier approximation, q_j the coefficients of E e^{xm} e^{-x^2/2}. Both sides are analytic in p:
nothing is singular at whole p, and at even p the sum alone is left, the exact moment. The integral runs along t = exp(i theta) r; its
beginning is summed from the Taylor series, where phi - G would cancel.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import gamma, rgamma

from numerics.stability.problem import Array, Estimate, Problem
from numerics.stability.scalar.contour import quadratic_spectrum
from numerics.stability.scalar.panels import composite
from theory import ExponentKind

NODES = (18, 12)
"""Nodes per panel of the answer, and of the coarser rule whose distance from it is the error."""
ANGLE = np.pi / 8
"""Of the ray: exp(-t^2/2) and exp(it) decay on it."""
OVERSHOOT = 6.0
"""The largest logarithm by which a power of phi may grow along the ray."""
TERMS = 64
"""Taylor coefficients beyond the order n; the series is used in half its circle of convergence."""
FARTHEST = 130
"""The last panel ends at 2^FARTHEST, where only a power law decays."""
GAUSSIAN_END = 16.0
"""Where exp(-t^2/2) is negligible on the ray."""
NEGLIGIBLE = 1e-20
"""The modulus of phi at which a ray ends."""
RADIANS = 4.0
"""The phase that a panel holds; more, where the integrand has fallen."""
HIGHEST = 40.0
"""The largest power; the Gram-Charlier sum cancels beyond."""
ACCEPTED = 1e-6
CHUNK = 2**21


@dataclass(frozen=True)
class Forms:
    """phi(t) = exp(i f t) (sum_j p_j prod_k (1 - 2 i t s_jk)^(-1/2))^S at many points.

    `frequencies` (point,), `shares` (point, outcome), `slopes` (point, outcome, factor), `batch` S.
    """

    frequencies: Array
    shares: Array
    slopes: Array
    batch: int

    def where(self, rows: NDArray[np.int64]) -> Forms:
        return Forms(self.frequencies[rows], self.shares[rows], self.slopes[rows], self.batch)

    def values(self, t: NDArray[np.complex128]) -> NDArray[np.complex128]:
        """phi at (node,) -> (node, point)."""
        single = np.zeros((len(t), len(self.frequencies)), dtype=complex)
        for outcome in range(self.shares.shape[1]):
            factor = np.ones_like(single)
            for slope in self.slopes[:, outcome].T:
                factor *= np.sqrt(1 - 2j * t[:, None] * slope)
            single += self.shares[:, outcome] / factor
        return np.asarray(np.exp(1j * t[:, None] * self.frequencies) * _power(single, self.batch))

    def series(self, count: int) -> Array:
        """E m^k / k! for k up to `count`, shape (k, point)."""
        single = np.zeros((count + 1, len(self.frequencies)))
        for outcome in range(self.shares.shape[1]):
            product = _one(count, len(self.frequencies))
            for slope in self.slopes[:, outcome].T:
                factor = _one(count, len(slope))
                for k in range(1, count + 1):
                    factor[k] = factor[k - 1] * 2 * slope * (k - 0.5) / k
                product = _times(product, factor)
            single += self.shares[:, outcome] * product
        powered = _one(count, len(self.frequencies))
        for k in range(1, count + 1):  # of a power, by J. C. P. Miller's recurrence
            powered[k] = sum((i * (self.batch + 1) - k) / k * single[i] * powered[k - i] for i in range(1, k + 1))
        shift = _one(count, len(self.frequencies))
        for k in range(1, count + 1):
            shift[k] = shift[k - 1] * self.frequencies / k
        return _times(powered, shift)


def by_contour(problem: Problem, order: float) -> Estimate | None:
    """The moment exponent of batches of Gaussian quadratic forms, conditional on finite laws; None outside that class."""
    if not -1 < order <= HIGHEST:
        return None
    spectrum = quadratic_spectrum(problem)
    if spectrum is None:
        return None
    shares, eigenvalues = spectrum  # (point, outcome), (point, outcome, factor)
    keep, weight = problem.grid.table([problem.keep, problem.weight])
    slopes = weight[:, None, None] * eigenvalues / problem.size
    raw = Forms(keep, shares, slopes, problem.size)
    scale = np.sqrt(2 * raw.series(2)[2])
    if not np.all(scale > 0):
        return None
    sign = np.where(keep < 0, -1.0, 1.0)
    forms = Forms(np.abs(keep) / scale, shares, slopes * (sign / scale)[:, None, None], problem.size)
    values, errors = np.empty(problem.grid.size), np.empty(problem.grid.size)
    steepness = np.ceil(np.log2(np.maximum(np.abs(forms.slopes).max(axis=(1, 2)), 2.0**-20))).astype(int)
    for exponent in np.unique(steepness):
        rows = np.flatnonzero(steepness == exponent)
        for part in np.array_split(rows, max(1, len(rows) * 1500 // CHUNK)):
            values[part], errors[part] = _expected_powers(forms.where(part), order, 2.0**exponent)
    with np.errstate(all="ignore"):
        found = order * np.log(scale) + np.log(values)
        relative = errors / values
    if not np.all(relative <= ACCEPTED):
        return None
    return problem.estimate(found, relative, ExponentKind.QUADRATURE)


def _expected_powers(forms: Forms, order: float, steepest: float) -> tuple[Array, Array]:
    """E|m|^order at every point, with slopes up to `steepest`, and its error."""
    n = max(0, 2 * int(np.ceil(order / 2)))
    moments = forms.series(n + TERMS)
    gaussian = _gaussian_series(n + TERMS, 0.5)
    weights = hermite_weights(moments[: n + 1])
    padded = np.zeros_like(moments)
    padded[: n + 1] = weights
    rest = moments - _times(np.broadcast_to(gaussian[:, None], moments.shape), padded)
    total, size = gram_charlier(weights, order)
    rounding = 64 * (1 + forms.batch / 8) * np.finfo(float).eps * size
    constant = prefactor(order)
    if constant == 0:
        return total, rounding
    falling = forms.batch * int((forms.slopes < 0).sum(axis=2).max())
    angle = min(ANGLE, float(np.arccos(np.exp(-2 * OVERSHOOT / max(falling, 1)))))
    direction = complex(np.exp(1j * angle))
    begin = min(0.25 / steepest, 1.0)
    start = np.zeros(len(forms.frequencies), dtype=complex)
    for k in range(n + 1, n + TERMS + 1):
        start += rest[k] * 1j**k * (begin * direction) ** (k - order) / (k - order)
    both = []
    breaks = _breaks(forms, direction, begin, steepest)
    for count in NODES:
        radii, rule = composite(breaks, count)
        t = np.asarray(radii * direction, dtype=complex)
        correction = forms.values(t)
        near = radii < GAUSSIAN_END
        approximation = np.polynomial.polynomial.polyval(1j * t[near], weights).T
        correction[near] -= np.exp(-(t[near] ** 2) / 2)[:, None] * approximation
        factor = rule * direction * t ** (-1 - order)
        both.append(constant * np.real(start + factor @ correction))
    last = np.abs(factor[-1] * correction[-1] / rule[-1]) * radii[-1]
    noise = np.finfo(float).eps * begin ** -max(order, 0.0) * np.exp(OVERSHOOT / 2) * abs(constant)
    error = np.abs(both[0] - both[1]) + 4 * abs(constant) * last + noise + rounding
    return total + both[0], error


def prefactor(order: float) -> float:
    """-2/pi Gamma(1 + p) sin(pi p / 2), which vanishes at even p."""
    return -2 / np.pi * float(gamma(1 + order)) * (0.0 if order % 2 == 0 else float(np.sin(np.pi * order / 2)))


def gram_charlier(weights: Array, order: float) -> tuple[Array, Array]:
    """The sum over the coefficients q_j (power, point), and the sum of its moduli."""
    total = size = np.zeros(weights.shape[1])
    for j in range(0, len(weights), 2):
        term = weights[j] * 2 ** ((j - order) / 2) * gamma(1 + order) * rgamma(1 + (order - j) / 2)
        total, size = total + term, size + np.abs(term)
    return total, size


def hermite_weights(moments: Array) -> Array:
    """q_j of E e^{xm} e^{-x^2/2} from E m^k / k!, both (power, point)."""
    return _times(moments, np.broadcast_to(_gaussian_series(len(moments) - 1, -0.5)[:, None], moments.shape))


def _breaks(forms: Forms, direction: complex, begin: float, steepest: float) -> Array:
    """Panels from `begin` on, which double and nowhere hold more than a few radians of the phase, to where phi is negligible."""
    radii = 2.0 ** np.arange(4, FARTHEST + 1)
    small = np.abs(forms.values(np.asarray(radii * direction, dtype=complex))).max(axis=1) < NEGLIGIBLE
    end = radii[np.argmax(small)] if small.any() else radii[-1]
    fastest = float(forms.frequencies.max())
    factors = forms.batch * forms.slopes.shape[2]
    found = [begin]
    while found[-1] < end:
        r = found[-1]
        turning = fastest + factors * min(steepest, 0.5 / r)
        if r < GAUSSIAN_END:
            turning += r  # of exp(-t^2/2)
        found.append(r + min(r, (RADIANS + 0.3 * fastest * r) / turning))
    return np.array(found)


def _power(base: NDArray[np.complex128], exponent: int) -> NDArray[np.complex128]:
    """A whole power by repeated squaring, which costs less than through logarithms."""
    result = None
    while exponent:
        if exponent & 1:
            result = base if result is None else result * base
        exponent >>= 1
        base = base * base if exponent else base
    return np.ones_like(base) if result is None else result


def _one(count: int, points: int) -> Array:
    series = np.zeros((count + 1, points))
    series[0] = 1.0
    return series


def _times(first: Array, second: Array) -> Array:
    """The product of truncated power series (power, point)."""
    result = np.zeros_like(first)
    for k in range(len(first)):
        result[k:] += first[k] * second[: len(first) - k]
    return result


def _gaussian_series(count: int, rate: float) -> Array:
    """exp(rate x^2)."""
    series = np.zeros(count + 1)
    term = 1.0
    for k in range(0, count + 1, 2):
        series[k] = term
        term *= rate / (k // 2 + 1)
    return series
