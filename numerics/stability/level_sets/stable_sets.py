"""Stable sets: where a mode is stable as one symbol varies, as intervals, and how sure that is."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from theory.errors import UnknownValue

Interval = tuple[float, float]
SCAN = 240
"""Points of the scan where the roots are not provably all found."""
MATRIX_SCAN = 60
"""The same for matrix blocks, of which every point may cost seconds."""


@dataclass(frozen=True)
class StableSet:
    """Where a mode (or, with `mode` None, the whole point) is stable.

    `intervals`: open intervals of the symbol within `between` on which the exponent is negative. `complete`: whether they are provably
    all, but for those narrower than rounding; else only those wider than the spacing of the scan are. `undecided`: intervals on which the
    error of the exponent hides its sign. `best`: the value with the smallest exponent, and `best_exponent`: the optimal learning rate,
    where that is what varies; None for the whole point. `order`: of the exponent, 0 for the Lyapunov exponent (stable in probability), p
    for L(p) (in the p-th mean). `points`: of the scan.
    """

    mode: str | None
    symbol: str
    between: Interval
    intervals: tuple[Interval, ...]
    complete: bool
    undecided: tuple[Interval, ...] = ()
    best: float | None = None
    best_exponent: float | None = None
    order: float = 0.0
    points: int = SCAN

    def __str__(self) -> str:
        shown = " u ".join(f"({self._end(low)}, {self._end(high)})" for low, high in self.intervals)
        how = "all roots found" if self.complete else f"on a scan of {self.points} points"
        unsure = f"; undecided: {', '.join(f'[{a:.6g}, {b:.6g}]' for a, b in self.undecided)}" if self.undecided else ""
        who = "every mode" if self.mode is None else self.mode
        sense = f" in the mean of order {self.order:g}" if self.order else ""
        within = f"within [{self.between[0]:g}, {self.between[1]:g}] ({how}{unsure})"
        return f"{who}: stable{sense} for {f'{self.symbol} in {shown}' if shown else f'no {self.symbol}'} {within}"

    def _end(self, value: float) -> str:
        """An end of an interval, with no more digits than an undecided stretch around it leaves."""
        widths = [high - low for low, high in self.undecided if low <= value <= high]
        if not widths:
            return f"{value:.9g}"
        digits = max(1, math.ceil(math.log10(abs(value) / min(widths))) + 1) if value else 1
        return f"{value:.{digits}g}"


@dataclass(frozen=True)
class Thresholds:
    """The stable sets of every mode that is not neutral, and of all of them together."""

    modes: tuple[StableSet, ...]
    all_modes: StableSet

    def mode(self, name: str) -> StableSet:
        """The stable set of one mode. Raises `UnknownValue` for a name that no mode has."""
        names = {found.mode: found for found in self.modes}
        if name not in names:
            raise UnknownValue(
                f"there is no mode {name!r} that is not neutral; the modes are {', '.join(map(str, names))}"
            )
        return names[name]

    def __str__(self) -> str:
        return "\n".join(str(found) for found in (*self.modes, self.all_modes))


def together(sets: tuple[StableSet, ...]) -> StableSet:
    """The intersection of the stable sets of several modes."""
    first = sets[0]
    common: list[Interval] = [first.between]
    for found in sets:
        common = [(max(a, c), min(b, d)) for a, b in common for c, d in found.intervals if max(a, c) < min(b, d)]
    undecided = tuple(sorted(set(_undecided_together(sets))))
    complete = all(found.complete for found in sets)
    return StableSet(
        None, first.symbol, first.between, tuple(common), complete, undecided, order=first.order, points=first.points
    )


def _undecided_together(sets: tuple[StableSet, ...]) -> Iterator[Interval]:
    """The undecided stretches of a mode that touch where no other mode is surely unstable."""
    for index, found in enumerate(sets):
        others = [other for place, other in enumerate(sets) if place != index]
        for low, high in found.undecided:
            open_to = [any(a <= high and low <= b for a, b in (*other.intervals, *other.undecided)) for other in others]
            if all(open_to):
                yield low, high


def joined(intervals: list[Interval]) -> tuple[Interval, ...]:
    """Intervals in ascending order, neighbours with a common end as one."""
    found: list[Interval] = []
    for low, high in intervals:
        if found and found[-1][1] == low:
            found[-1] = (found[-1][0], float(high))
        else:
            found.append((float(low), float(high)))
    return tuple(found)
