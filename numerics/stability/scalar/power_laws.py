r"""E|m|^p of one random number: its multiplier a polynomial, or any function of a number with a density.

With keep + weight h(x) = a prod_j (x - r_j), the real roots inside the support are the points where |m|^p is singular; a root of
multiplicity n contributes |x - r|^{np}.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from numerics.stability.problem import Estimate, Problem
from numerics.stability.scalar.density import over_density, zeros
from numerics.stability.scalar.power_quadrature import Anchor, Array, log_expected_power
from numerics.stability.scalar.roots import polynomial_roots
from numerics.stability.scalar.standard_laws import Component, StandardLaw

EPSILON = float(np.finfo(float).eps)
MERGED = 3e-8
"""Roots closer than this, in units of their size, are one multiple root: rounding splits a double root so far."""


def log_expected_powers(polynomial: Array, part: Component, order: float) -> tuple[Array, Array]:
    """log E|polynomial(location + scale y)|^order for rows of coefficients (point, degree + 1), and its error.

    Leading coefficients may vanish at some points, and so may the scale: the law is then a point.
    """
    values, errors = np.empty(len(polynomial)), np.empty(len(polynomial))
    degrees = polynomial.shape[1] - 1 - np.argmax(polynomial != 0, axis=1)
    degrees = np.where(part.scale == 0, 0, degrees)
    for degree in np.unique(degrees):
        rows = np.flatnonzero(degrees == degree)
        if degree == 0:
            at_point = [np.polyval(polynomial[row], part.location[row]) for row in rows]
            values[rows] = log_power(np.array(at_point), order)
            errors[rows] = 8 * EPSILON * (1 + abs(order))
            continue
        coefficients = polynomial[rows][:, polynomial.shape[1] - 1 - degree :]
        found, displacement = polynomial_roots(coefficients)
        roots = (found - part.location[rows, None]) / part.scale[rows, None]
        leading = np.log(np.abs(coefficients[:, 0])) + degree * np.log(part.scale[rows])
        shift = 2 * abs(order) * (displacement / part.scale[rows, None]).sum(axis=1)
        for place, row in enumerate(rows):
            value, error = _of_roots(roots[place], part.standard, order)
            values[row] = order * leading[place] + value
            errors[row] = error + shift[place] + 8 * EPSILON * abs(order * leading[place])
    return values, errors


def log_power(multipliers: Array, order: float) -> Array:
    """order * log|multiplier|, zero for the order zero."""
    if order == 0:
        return np.zeros(np.shape(multipliers))
    with np.errstate(divide="ignore"):
        return np.asarray(order * np.log(np.abs(multipliers)))


def _of_roots(roots: NDArray[np.complex128], law: StandardLaw, order: float) -> tuple[float, float]:
    """log E prod_j |y - r_j|^order."""
    centres, counts, spread = _clusters(roots)
    real = np.abs(np.imag(centres)) <= 1e-12 * (1 + np.abs(centres))
    centres = np.where(real, np.real(centres), centres)
    inside = [
        (float(centre.real), count)
        for centre, count, on_line in zip(centres, counts, real, strict=True)
        if on_line and law.lower <= centre.real <= law.upper
    ]
    anchors, own = _anchors(inside, law)
    exclusion = np.array(
        [[centre.real == place and on for centre, on in zip(centres, real, strict=True)] for place in own]
    )
    places = np.array([anchor.place for anchor in anchors])

    def log_multiplier(index: NDArray[np.int64], moved: Array) -> Array:
        y = places[index] + moved
        total = np.zeros(moved.shape)
        for column, (centre, count) in enumerate(zip(centres, counts, strict=True)):
            offset = y - centre.real
            distance = np.log(np.abs(offset)) if centre.imag == 0 else np.log(offset**2 + centre.imag**2) / 2
            total += count * np.where(exclusion[index, column], 0.0, distance)
        return total

    value, error = log_expected_power(log_multiplier, law, anchors, order, float(len(roots)))
    return value, error + abs(order) * spread


def _clusters(roots: NDArray[np.complex128]) -> tuple[NDArray[np.complex128], list[int], float]:
    """Roots that coincide up to rounding as one, with multiplicity, and how far they are apart."""
    groups: list[list[complex]] = []
    for root in sorted(map(complex, roots), key=lambda r: (r.real, r.imag)):
        for group in groups:
            if abs(group[0] - root) <= MERGED * (1 + abs(root)):
                group.append(root)
                break
        else:
            groups.append([root])
    spread = max(abs(group[0] - group[-1]) for group in groups)
    return np.array([sum(group) / len(group) for group in groups]), [len(group) for group in groups], spread


def _anchors(zeros_inside: Sequence[tuple[float, int]], law: StandardLaw) -> tuple[list[Anchor], list[float]]:
    """The singular points in ascending order, and the zero that each one takes out (NaN for none)."""
    powers: dict[float, float] = {}
    for place, count in zeros_inside:
        powers[place] = powers.get(place, 0.0) + count
    ends = [] if law.cut else [end for end in (law.lower, law.upper) if np.isfinite(end)]
    listed = sorted({*powers, *law.rough, *ends})
    edges = {place: (below, above) for place, below, above in law.edges}
    anchors = [Anchor(place, powers.get(place, 0.0), *edges.get(place, (0.0, 0.0))) for place in listed]
    return anchors, [place if place in powers else np.nan for place in listed]


# ------------------------------------------------------------------------------------------------- any function of a number


def by_density(problem: Problem, order: float) -> Estimate | None:
    """log E|m|^order for one random symbol with a density that enters in any way; None for other randomness, or short of accuracy.

    Zeros are taken to be simple, as those are that change the sign.
    """
    return over_density(problem, lambda multiplier, law: _of_function(multiplier, law, order))


def _of_function(multiplier: Callable[[Array], Array], law: StandardLaw, order: float) -> tuple[float, float]:
    anchors, _ = _anchors([(place, 1) for place in zeros(multiplier, law)], law)
    places = np.array([anchor.place for anchor in anchors])
    powers = np.array([anchor.zero for anchor in anchors])

    def log_multiplier(index: NDArray[np.int64], moved: Array) -> Array:
        with np.errstate(all="ignore"):
            taken = np.where(powers[index] == 0, 0.0, np.log(np.abs(moved)))
            return np.asarray(np.log(np.abs(multiplier(places[index] + moved))) - taken)

    return log_expected_power(log_multiplier, law, anchors, order, _growth(multiplier, law))


def _growth(multiplier: Callable[[Array], Array], law: StandardLaw) -> float:
    """The power with which the multiplier grows far out, where the law has a power-law tail."""
    if np.isinf(law.tail):
        return 0.0
    found = [0.0]
    for end in (law.lower, law.upper):
        if np.isinf(end):
            far = np.sign(end) * 2.0 ** np.array([law.coarsest - 8, law.coarsest])
            with np.errstate(all="ignore"):
                slope = float(np.diff(np.log(np.abs(multiplier(far))))[0] / (8 * np.log(2)))
            found.append(slope if np.isfinite(slope) else np.inf)
    return max(found)
