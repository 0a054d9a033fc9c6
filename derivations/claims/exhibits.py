"""What a claim shows beside its evidence: a derivation, a figure, generated code, the runs that it rests on.

Exhibits hold what the check computed anyway; figures and texts are made only where a report is written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

    from theory import Equations


@dataclass(frozen=True)
class Derivation:
    """Equations that the check derived; `label` tells several of one claim apart.

    A report shows the model where the equations carry it, the equations, their steps, assumptions and sources, and the
    code that is generated from them.
    """

    equations: Equations
    label: str = ""


@dataclass(frozen=True)
class Formulas:
    """Equations that are no `Equations`: `lines` are pairs of a left and a right side, texts or expressions."""

    label: str
    lines: tuple[tuple[Any, Any], ...]


@dataclass(frozen=True)
class Drawing:
    """A figure beyond those of the comparisons: `caption` says what it shows, `draw()` returns it."""

    caption: str
    draw: Callable[[], Figure]


@dataclass(frozen=True)
class GeneratedCode:
    """The text of a kernel that the check ran or compiled."""

    label: str
    text: str


@dataclass(frozen=True)
class Runs:
    """A simulation that enters no `Agreement`: what a reader needs to repeat it, taken from its dataset by `Runs.of`."""

    label: str
    attributes: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, label: str, simulation: xr.Dataset) -> Runs:
        """The runs of a simulated dataset, without its numbers."""
        return cls(label, dict(simulation.attrs))


Exhibit = Derivation | Formulas | Drawing | GeneratedCode | Runs
"""Anything that a check may return beside its evidence."""
