r"""Expected powers E|m(y)|^p over a density, with the singularities taken out exactly.

The support is split at the zeros of the multiplier m, at the ends of the support and at the rough points of the density. Next to
such a point, at distance u,

$$ |m(y)|^p f(y) = u^\alpha g(u), \qquad g \text{ smooth}, $$

and the panel that touches it is integrated by the Gauss-Jacobi rule of that exponent; all others by Gauss-Legendre rules. Panels are
halved until a finer and a coarser rule agree on each. Logarithms throughout, so that large powers neither over- nor underflow.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.special import roots_jacobi

from numerics.stability.scalar.panels import gauss_legendre
from numerics.stability.scalar.standard_laws import StandardLaw

Array = NDArray[np.float64]
NODES = (20, 14)
"""Nodes per panel of the rule, and of the coarser one that judges it."""
ROUNDS = 40
"""How often panels are halved at most."""
PANELS = 4000
"""Panels in use at most."""
TOLERANCE = 3e-15
"""Share of the integral by which the two rules may differ on one panel."""
STEPS = np.array([0.0, 0.25, 0.5, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 32.0, 48.0])
"""Where panels end at first, at these distances from the points, in standard units; they double from then on."""
Powers = Callable[[NDArray[np.int64], Array], Array]
"""(index of an anchor, signed distance from it) -> log|m| without the power of the distance that the anchor takes out."""


@dataclass(frozen=True)
class Anchor:
    """A point of the support at which the integrand is singular: log|m| ~ `zero` log u and log f ~ `edge` log u."""

    place: float
    zero: float = 0.0
    edge: float = 0.0


@dataclass(frozen=True)
class _Panels:
    """Panels at distances between `low` and `high` from the anchor `index`, on its side `sign`."""

    index: NDArray[np.int64]
    sign: Array
    low: Array
    high: Array

    def halved(self) -> _Panels:
        middle = (self.low + self.high) / 2
        twice = np.concatenate
        return _Panels(
            twice([self.index, self.index]),
            twice([self.sign, self.sign]),
            twice([self.low, middle]),
            twice([middle, self.high]),
        )

    def where(self, mask: NDArray[np.bool_]) -> _Panels:
        return _Panels(self.index[mask], self.sign[mask], self.low[mask], self.high[mask])


def log_expected_power(
    log_multiplier: Powers, law: StandardLaw, anchors: Sequence[Anchor], order: float, growth: float
) -> tuple[float, float]:
    """log E|m|^order and its error; plus infinity where the integral diverges.

    `anchors`: the zeros of the multiplier in the support, ends and rough points, in ascending order. `growth`: m ~ y^growth far out.
    """
    if order == 0:
        return 0.0, 0.0
    exponents = np.array([order * anchor.zero + anchor.edge for anchor in anchors])
    if np.any(exponents <= -1) or order * growth >= law.tail:
        return np.inf, 0.0
    integral = _Integral(log_multiplier, law, anchors, order, exponents)
    panels = _first_panels(anchors, law)
    level = integral.level(panels)
    if not np.isfinite(level):
        return float(level), 0.0
    total = doubt = 0.0
    for _ in range(ROUNDS):
        fine, coarse = (integral.over(panels, level, count) for count in NODES)
        difference = np.abs(fine - coarse)
        wide = ~(difference <= TOLERANCE * max(total + float(np.nansum(fine)), 1e-300))
        total += float(fine[~wide].sum())
        doubt += float(difference[~wide].sum())
        if not wide.any():
            break
        panels = panels.where(wide)
        if len(panels.low) > PANELS:
            total, doubt = total + float(fine[wide].sum()), doubt + float(difference[wide].sum())
            break
        panels = panels.halved()
    else:
        last = integral.over(panels, level, NODES[0])
        total, doubt = total + float(np.nansum(last)), doubt + float(np.nansum(last))
    total, doubt = _with_tails(total, doubt, integral, law, level, order * growth)
    return float(level + np.log(total)), doubt / total + 16 * np.finfo(float).eps * (2 + abs(level) + abs(law.edge))


@dataclass(frozen=True)
class _Integral:
    """The integrand in logarithms, and its integrals over panels."""

    log_multiplier: Powers
    law: StandardLaw
    anchors: Sequence[Anchor]
    order: float
    exponents: Array

    def smooth(self, panels: _Panels, u: Array) -> Array:
        """The logarithm of the integrand without the power of u, shape (panel, node)."""
        index, moved = panels.index[:, None], panels.sign[:, None] * u
        places = np.array([anchor.place for anchor in self.anchors])
        edges = np.array([anchor.edge for anchor in self.anchors])
        with np.errstate(all="ignore"):
            density = self.law.log_of_density(places[index] + moved)
            taken = np.where(edges[index] == 0, 0.0, edges[index] * np.log(u))
            return np.asarray(self.order * self.log_multiplier(index, moved) + density - taken)

    def over(self, panels: _Panels, level: float, count: int) -> Array:
        """The integrals over panels, divided by exp(level)."""
        result = np.empty(len(panels.low))
        exponents = np.where(panels.low == 0, self.exponents[panels.index], 0.0)
        for exponent in np.unique(exponents):
            rows = exponents == exponent
            part = panels.where(rows)
            half = (part.high - part.low)[:, None] / 2
            nodes, weights = _jacobi(count, float(exponent))
            with np.errstate(all="ignore"):
                if exponent == 0:
                    u = (part.high + part.low)[:, None] / 2 + half * nodes
                    logs = self.smooth(part, u) + self.exponents[part.index][:, None] * np.log(u) - level
                else:
                    u = half * (1 + nodes)
                    logs = self.smooth(part, u) + exponent * np.log(half) - level
                result[rows] = (half * weights * np.exp(logs)).sum(axis=1)
        return result

    def level(self, panels: _Panels) -> float:
        """The largest logarithm of an integral over a panel, roughly."""
        u = (panels.low + panels.high)[:, None] / 2
        with np.errstate(all="ignore"):
            logs = self.smooth(panels, u)[:, 0] + self.exponents[panels.index] * np.log(u[:, 0])
            logs = logs + np.log(panels.high - panels.low)
        return float(np.max(logs[~np.isnan(logs)], initial=-np.inf))


@lru_cache(maxsize=256)
def _jacobi(count: int, exponent: float) -> tuple[Array, Array]:
    """Nodes and weights on (-1, 1) for the weight (1 + x)^exponent."""
    if exponent == 0:
        return gauss_legendre(count)
    nodes, weights = roots_jacobi(count, 0.0, exponent)
    return np.asarray(nodes), np.asarray(weights)


def _first_panels(anchors: Sequence[Anchor], law: StandardLaw) -> _Panels:
    """Panels on both sides of every anchor, up to half way to the next one or out to the end of the support."""
    places = [anchor.place for anchor in anchors]
    farthest = 2.0**law.coarsest
    parts: list[tuple[int, float, float, float]] = []
    for index, place in enumerate(places):
        below = place - (places[index - 1] if index else max(law.lower, place - farthest))
        above = (places[index + 1] if index + 1 < len(places) else min(law.upper, place + farthest)) - place
        for sign, room, inner in ((-1.0, below, index > 0), (1.0, above, index + 1 < len(places))):
            reach = room / 2 if inner else room
            if reach <= 0:
                continue
            breaks = np.concatenate([STEPS, 2.0 ** np.arange(6, law.coarsest + 1)])
            breaks = np.append(breaks[breaks < reach], reach)
            parts += [(index, sign, low, high) for low, high in pairwise(breaks.tolist())]
    table = np.array(parts, dtype=float).T
    return _Panels(table[0].astype(np.int64), *table[1:])


def _with_tails(
    total: float, doubt: float, integral: _Integral, law: StandardLaw, level: float, growth: float
) -> tuple[float, float]:
    """What lies beyond the last panel: of a power law R times the integrand over its exponent; else as much again is the doubt."""
    for end, index, sign in ((law.lower, 0, -1.0), (law.upper, len(integral.anchors) - 1, 1.0)):
        if np.isfinite(end) and not law.cut:
            continue
        reach = 2.0**law.coarsest if np.isinf(end) else abs(end - integral.anchors[index].place)
        last = _Panels(np.array([index]), np.array([sign]), np.array([reach / 2]), np.array([reach]))
        with np.errstate(all="ignore"):
            logs = integral.smooth(last, np.array([[reach]]))[0, 0] + integral.exponents[index] * np.log(reach)
            there = float(np.nan_to_num(np.exp(logs - level))) * reach
        if np.isinf(law.tail):
            doubt += there
        else:
            total += there / (law.tail - growth)
    return total, doubt
