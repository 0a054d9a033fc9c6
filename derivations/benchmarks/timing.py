"""How figures are measured: sides that take turns, medians and their spread, and rows that say what was measured.

Work on one thread is timed in processor time, which other programs on the machine do not lengthen; work on several in
elapsed time. The first call of each side, which compiles or loads machine code from the cache, is reported apart.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from theory.errors import TheoryError

Task = Callable[[], float]
"""Does a fixed amount of work and returns the seconds that one unit of it took."""


class NotRun(TheoryError, RuntimeError):
    """A row cannot be measured here; the message says why."""


class Size(StrEnum):
    """How large the measured problems are."""

    FULL = "full"
    QUICK = "quick"
    TINY = "tiny"
    """Too small for figures that mean anything: for tests."""


@dataclass(frozen=True)
class Plan:
    """How much is measured: `repeats` of every figure, and the `size` of the problems."""

    repeats: int = 7
    size: Size = Size.FULL

    def pick(self, full: int, quick: int, tiny: int) -> int:
        """The number for the size."""
        return {Size.FULL: full, Size.QUICK: quick, Size.TINY: tiny}[self.size]


# ---------------------------------------------------------------------------------------------------------- measuring


@dataclass(frozen=True)
class Sample:
    """Seconds for a unit of work, one for each round, and the elapsed `first_seconds` of the whole first call.

    >>> Sample((2.0, 1.0, 4.0)).median
    2.0
    """

    seconds: tuple[float, ...]
    first_seconds: float = 0.0

    @property
    def median(self) -> float:
        """The figure."""
        return statistics.median(self.seconds)

    @property
    def spread(self) -> float:
        """The interquartile range as a fraction of the median; 0 for a single round."""
        if len(self.seconds) < 2 or self.median == 0:
            return 0.0
        quarters = statistics.quantiles(self.seconds, n=4, method="inclusive")
        return (quarters[2] - quarters[0]) / abs(self.median)

    @property
    def too_short(self) -> bool:
        """Whether a typical round took no time that the clock can tell."""
        return self.median <= 0

    def over(self, other: Sample) -> float:
        """The median over rounds of this side's time over the other's, both measured in the same round.

        Rounds in which noise left no time for a side do not count.
        """
        rounds = [a / b for a, b in zip(self.seconds, other.seconds, strict=True) if a > 0 and b > 0]
        return statistics.median(rounds or [self.median / other.median])


def clock(threads: int) -> Callable[[], float]:
    """The clock for work on so many threads: processor time for one, elapsed time for several."""
    return time.process_time if threads == 1 else time.perf_counter


def timed(work: Callable[[], object], units: float = 1.0, *, threads: int = 1, calls: int = 1) -> Task:
    """The task that does `work` so many times, each of so many units."""
    now = clock(threads)

    def task() -> float:
        began = now()
        for _ in range(calls):
            work()
        return (now() - began) / (calls * units)

    return task


def per_step(run: Callable[[int], object], steps: int, units: float = 1.0, *, threads: int = 1) -> Task:
    """The task that takes so many steps more than one, each of so many units: what a call costs once cancels."""
    now = clock(threads)

    def task() -> float:
        times = []
        for count in (1, steps + 1):
            began = now()
            run(count)
            times.append(now() - began)
        return (times[1] - times[0]) / (steps * units)

    return task


def interleaved(tasks: Mapping[str, Task], repeats: int) -> dict[str, Sample]:
    """Measure every side `repeats` times, in turns, after a first call of each.

    >>> found = interleaved({"a": lambda: 1.0, "b": lambda: 2.0}, 3)
    >>> found["b"].over(found["a"]), found["a"].spread
    (2.0, 0.0)
    """
    first: dict[str, float] = {}
    for name, task in tasks.items():
        began = time.perf_counter()
        task()
        first[name] = time.perf_counter() - began
    found: dict[str, list[float]] = {name: [] for name in tasks}
    for _ in range(max(repeats, 1)):
        for name, task in tasks.items():
            found[name].append(task())
    return {name: Sample(tuple(seconds), first[name]) for name, seconds in found.items()}


# --------------------------------------------------------------------------------------------------------------- rows


class Direction(StrEnum):
    """Which figures satisfy a requirement."""

    AT_LEAST = ">="
    AT_MOST = "<="
    ABOUT = "~"


@dataclass(frozen=True)
class Requirement:
    """What a figure must be: `bound`, on the side that `direction` says, or within `tolerance` of it.

    >>> print(at_least(5), at_most(1.1), about(1, 0.1))
    >= 5 <= 1.1 1 ± 0.1
    """

    bound: float
    direction: Direction
    tolerance: float = 0.0

    def met(self, figure: float) -> bool:
        """Whether a figure satisfies it."""
        if self.direction is Direction.AT_LEAST:
            return figure >= self.bound
        if self.direction is Direction.AT_MOST:
            return figure <= self.bound
        return abs(figure - self.bound) <= self.tolerance

    def __str__(self) -> str:
        if self.direction is Direction.ABOUT:
            return f"{self.bound:g} ± {self.tolerance:g}"
        return f"{self.direction} {self.bound:g}"


def at_least(bound: float) -> Requirement:
    """A ratio "peer's time over ours" of at least `bound`."""
    return Requirement(bound, Direction.AT_LEAST)


def at_most(bound: float) -> Requirement:
    """A ratio "our time over the peer's", or a figure, of at most `bound`."""
    return Requirement(bound, Direction.AT_MOST)


def about(bound: float, tolerance: float) -> Requirement:
    """A figure within `tolerance` of `bound`."""
    return Requirement(bound, Direction.ABOUT, tolerance)


@dataclass(frozen=True)
class Setting:
    """What a row was measured at."""

    sizes: Mapping[str, float] = field(default_factory=dict)
    precision: str = ""
    threads: int = 1


@dataclass(frozen=True)
class Row:
    """One line of the table.

    `ours` and `peer` are in `unit`. `ratio` is "peer over ours" (how many times as fast we are), or "ours over peer" where
    `required` bounds it from above; without a peer the requirement is one on `ours`. `spread` is the interquartile range
    of `ours` as a fraction of it; `compile_seconds` the elapsed time of our first call. `not_run` says why a row has no figures.
    """

    name: str
    what: str
    unit: str = ""
    setting: Setting = Setting()
    ours: float | None = None
    peer_name: str = ""
    peer: float | None = None
    ratio: float | None = None
    required: Requirement | None = None
    repeats: int = 0
    spread: float | None = None
    compile_seconds: float | None = None
    note: str = ""
    not_run: str | None = None

    @property
    def figure(self) -> float | None:
        """The number that the requirement is about."""
        return self.ours if self.ratio is None else self.ratio

    @property
    def met(self) -> bool | None:
        """Whether the requirement is satisfied; None where there is none, or no figure."""
        return None if self.required is None or self.figure is None else self.required.met(self.figure)


TOO_SHORT = "the work is too short to be told from the noise of the clock"
SECONDS = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}


def compared(
    name: str,
    what: str,
    ours: Sample,
    peer: Sample,
    peer_name: str,
    *,
    unit: str,
    setting: Setting,
    required: Requirement | None = None,
    note: str = "",
) -> Row:
    """The row of two sides measured together; `unit` of time."""
    if ours.too_short or peer.too_short:
        return missing(name, what, TOO_SHORT, peer_name=peer_name, required=required)
    above = required is not None and required.direction is Direction.AT_MOST
    return Row(
        name,
        what,
        unit,
        setting,
        ours=SECONDS[unit] * ours.median,
        peer_name=peer_name,
        peer=SECONDS[unit] * peer.median,
        ratio=ours.over(peer) if above else peer.over(ours),
        required=required,
        repeats=len(ours.seconds),
        spread=ours.spread,
        compile_seconds=ours.first_seconds,
        note=note,
    )


def alone(
    name: str,
    what: str,
    ours: Sample,
    *,
    unit: str,
    setting: Setting,
    required: Requirement | None = None,
    note: str = "",
) -> Row:
    """The row of a time without a peer; `required` is about it, in `unit`."""
    if ours.too_short:
        return missing(name, what, TOO_SHORT, required=required)
    return Row(
        name,
        what,
        unit,
        setting,
        ours=SECONDS[unit] * ours.median,
        required=required,
        repeats=len(ours.seconds),
        spread=ours.spread,
        compile_seconds=ours.first_seconds,
        note=note,
    )


def missing(name: str, what: str, reason: object, *, peer_name: str = "", required: Requirement | None = None) -> Row:
    """The row of what could not be measured."""
    return Row(name, what, peer_name=peer_name, required=required, not_run=" ".join(str(reason).split()))
