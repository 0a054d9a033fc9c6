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
SMOOTH = 40.0
"""Powers of the distance from here on are smooth enough for Gauss-Legendre rules."""
NEGLIGIBLE = 36.0
"""Logarithms this far below the level do not count."""
BEST = 8
"""Panels around the highest values of the integrand that are halved in the search for its level."""
STEPS = np.array([0.0, 0.25, 0.5, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 32.0, 48.0])
"""Where panels end at first, at these distances from the points, in standard units; they double from then on."""
Powers = Callable[[NDArray[np.int64], Array], Array]
"""(index of an anchor, signed distance from it) -> log|m| without the power of the distance that the anchor takes out."""


@dataclass(frozen=True)
class Anchor:
    """A point of the support at which the integrand is singular: log|m| ~ `zero` log u, and log f ~ `below` log u or `above` log u
    on its two sides."""

    place: float
    zero: float = 0.0
    below: float = 0.0
    above: float = 0.0


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

    def side(self, table: Array) -> Array:
        """The entries of a table (anchor, side) that belong to the panels."""
        return np.asarray(table[self.index, (self.sign > 0).astype(int)])

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
    edges = np.array([(anchor.below, anchor.above) for anchor in anchors])
    exponents = order * np.array([[anchor.zero] for anchor in anchors]) + edges
    integral = _Integral(log_multiplier, law, anchors, order, edges, exponents)
    panels = _first_panels(anchors, law)
    if np.any(panels.side(exponents) <= -1) or order * growth >= law.tail:
        return np.inf, 0.0
    level = integral.level(panels)
    if not np.isfinite(level):
        return float(level), 0.0
    total, doubt, first = 0.0, 0.0, panels
    for _ in range(ROUNDS):
        fine, coarse = (integral.over(panels, level, count) for count in NODES)
        with np.errstate(invalid="ignore"):  # infinite values differ by no number: such panels are halved
            difference = np.abs(fine - coarse)
        rounding = integral.rounding(panels) * np.abs(fine)
        difference = np.where(difference <= rounding, rounding, difference)
        wide = ~(difference <= np.maximum(rounding, TOLERANCE * max(total + float(np.nansum(fine)), 1e-300)))
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
    if not integral.is_seen(first, level):
        return float(level + np.log(total)), np.inf
    total, doubt = _with_tails(total, doubt, integral, law, level, order * growth)
    return float(level + np.log(total)), doubt / total + 16 * np.finfo(float).eps * (
        2 + abs(level) + np.abs(edges).max()
    )


@dataclass(frozen=True)
class _Integral:
    """The integrand in logarithms, and its integrals over panels."""

    log_multiplier: Powers
    law: StandardLaw
    anchors: Sequence[Anchor]
    order: float
    edges: Array
    """(anchor, side), as `exponents`: of the density, and of the whole integrand."""
    exponents: Array

    def smooth(self, panels: _Panels, u: Array) -> Array:
        """The logarithm of the integrand without the power of u, shape (panel, node)."""
        index, moved = panels.index[:, None], panels.sign[:, None] * u
        places = np.array([anchor.place for anchor in self.anchors])
        edges = panels.side(self.edges)[:, None]
        with np.errstate(all="ignore"):
            density = self.law.log_of_density(places[index] + moved)
            taken = np.where(edges == 0, 0.0, edges * np.log(u))
            return np.asarray(self.order * self.log_multiplier(index, moved) + density - taken)

    def over(self, panels: _Panels, level: float, count: int) -> Array:
        """The integrals over panels, divided by exp(level)."""
        result = np.empty(len(panels.low))
        own = panels.side(self.exponents)
        exponents = np.where((panels.low == 0) & (own < SMOOTH), own, 0.0)
        for exponent in np.unique(exponents):
            rows = exponents == exponent
            part = panels.where(rows)
            half = (part.high - part.low)[:, None] / 2
            nodes, weights = _jacobi(count, float(exponent))
            with np.errstate(all="ignore"):
                if exponent == 0:
                    u = (part.high + part.low)[:, None] / 2 + half * nodes
                    logs = self.smooth(part, u) + own[rows][:, None] * np.log(u) - level
                else:
                    u = half * (1 + nodes)
                    logs = self.smooth(part, u) + exponent * np.log(half) - level
                result[rows] = (half * weights * np.exp(logs)).sum(axis=1)
        return result

    def rounding(self, panels: _Panels) -> Array:
        """The relative error that rounded distances from a singular point of the density leave of panels that touch it."""
        places = np.array([anchor.place for anchor in self.anchors])[panels.index]
        relative = 64 * np.finfo(float).eps * (self.law.offset + np.abs(places)) / panels.high
        return np.where(panels.low == 0, np.abs(panels.side(self.edges)) * relative, 0.0)

    def is_seen(self, panels: _Panels, level: float) -> bool:
        """Whether the integrand is negligible where a density without a logarithm of its own underflows."""
        if self.law.log_density is not None or np.isfinite(self.law.tail) or self.order < 0:
            return True
        for index, sign, end in ((0, -1.0, self.law.lower), (len(self.anchors) - 1, 1.0, self.law.upper)):
            outward = panels.where((panels.index == index) & (panels.sign == sign))
            if np.isinf(end) and self._last(outward) > level - NEGLIGIBLE:
                return False
        return True

    def _last(self, panels: _Panels) -> float:
        """The logarithm of the integrand at the farthest distance, on panels of one side, at which it does not vanish."""
        ends = panels.where(panels.low == 0)

        def at(u: float) -> float:
            value = self.smooth(ends, np.array([[u]]))[0, 0] + ends.side(self.exponents)[0] * np.log(u)
            return -np.inf if np.isnan(value) else float(value)

        positive = [u for u in ((panels.low + panels.high) / 2).tolist() if np.isfinite(at(u))]
        near, far = max(positive, default=0.0), float(panels.high.max())
        while far - near > 1e-6 * far:
            middle = (near + far) / 2 if far < 2 * near or near == 0 else np.sqrt(near * far)
            near, far = (middle, far) if np.isfinite(at(middle)) else (near, middle)
        return at(near) if near > 0 else -np.inf

    def level(self, panels: _Panels) -> float:
        """The largest logarithm of an integral over a panel, roughly: panels around the highest values are halved until these rise
        no further, since a large power peaks within a panel."""
        highest = result = -np.inf
        while True:
            u = (panels.low + panels.high)[:, None] / 2
            with np.errstate(all="ignore"):
                logs = self.smooth(panels, u)[:, 0] + panels.side(self.exponents) * np.log(u[:, 0])
            logs = np.where(np.isnan(logs), -np.inf, logs)
            result = max(result, float(np.max(logs + np.log(panels.high - panels.low))))
            if not logs.max() > highest + 1:
                return result
            highest = float(logs.max())
            panels = panels.where(logs >= np.sort(logs)[-min(BEST, len(logs))]).halved()


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
            logs = integral.smooth(last, np.array([[reach]]))[0, 0] + last.side(integral.exponents)[0] * np.log(reach)
            there = float(np.nan_to_num(np.exp(logs - level))) * reach
        if np.isinf(law.tail):
            doubt += there
        else:
            total += there / (law.tail - growth)
    return total, doubt
