"""What a model file states: `ModelFile`, and the checks that both kinds of files pass."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from theory import SGD, Model

Refuse = Callable[[str, str], Exception]
"""Makes the error for a value, from its name and what is wrong."""

MOST_GRID_POINTS = 10_000


class Theory(StrEnum):
    """The verb that derives equations from a model."""

    SCALING_LIMIT = "scaling_limit"
    MOMENTS = "moments"
    STABILITY = "stability"


@dataclass(frozen=True)
class ModelFile:
    """What a model file states.

    `name`, the file's name without suffix; `title`; `path`; `model` and `algorithm`. `statistics`, `until`, `replicas` and
    `theory` are None where the file does not state them; `at`, `start`, `point` (where to ask for stability) and `over`
    (symbol -> first value, last value, number of values: the axes of a phase diagram) are then empty.
    """

    name: str
    title: str
    path: Path
    model: Model
    algorithm: SGD
    statistics: Mapping[str, Any] | None = None
    at: Mapping[Any, Any] = field(default_factory=dict)
    start: Mapping[Any, Any] = field(default_factory=dict)
    until: float | None = None
    replicas: int | None = None
    theory: Theory | None = None
    point: Mapping[Any, Any] = field(default_factory=dict)
    over: Mapping[Any, tuple[float, float, int]] = field(default_factory=dict)


def one_line(text: Any) -> str:
    r"""The first paragraph of a text on one line, without its full stop.

    >>> one_line("Phase retrieval,\n  on one line.\n\nMore.")
    'Phase retrieval, on one line'
    """
    first = str(text or "").strip().split("\n\n")[0]
    return " ".join(first.split()).removesuffix(".")


def checked_until(value: Any, refuse: Refuse) -> float:
    """A positive finite time."""
    if not _is_positive(value):
        raise refuse("until", f"must be a positive number, in units of the clock, got {shown(value)}")
    return float(value)


def checked_replicas(value: Any, refuse: Refuse) -> int:
    """A positive whole number."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise refuse("replicas", f"must be a whole number of at least 1, got {shown(value)}")
    return value


def checked_theory(value: Any, refuse: Refuse) -> Theory:
    """One of the theories, by name."""
    if not isinstance(value, str) or value not in list(Theory):
        choices = ", ".join(repr(str(member)) for member in Theory)
        raise refuse("theory", f"must be one of {choices}, got {shown(value)}")
    return Theory(value)


def checked_axis(name: str, value: Any, refuse: Refuse) -> tuple[float, float, int]:
    """One axis of a phase diagram: first value, last value, number of values."""
    axis = list(value) if isinstance(value, Sequence) and not isinstance(value, str) else []
    if len(axis) != 3 or not all(_is_finite(end) for end in axis[:2]) or not float(axis[0]) < float(axis[1]):
        raise refuse(name, f"must be three numbers, first < last and how many, as in 0.1, 2, 50; got {shown(value)}")
    count = axis[2]
    if not isinstance(count, int) or isinstance(count, bool) or not 2 <= count <= MOST_GRID_POINTS:
        raise refuse(name, f"the number of values must be a whole number from 2 to {MOST_GRID_POINTS}, got {count!r}")
    return float(axis[0]), float(axis[1]), count


def checked_over(axes: Mapping[Any, Any], refuse: Refuse) -> Mapping[Any, tuple[float, float, int]]:
    """The axes of a phase diagram: at most two."""
    if len(axes) > 2:
        raise refuse("over", f"takes two axes at most, got {len(axes)}: {', '.join(map(str, axes))}")
    return MappingProxyType({key: checked_axis(f"over {key}", value, refuse) for key, value in axes.items()})


def shown(value: Any) -> str:
    """A value with its type, cut where it is long."""
    text = repr(value)
    return f"{text if len(text) <= 80 else text[:76] + ' ...'} of type {type(value).__name__}"


def _is_finite(value: Any) -> bool:
    try:
        return not isinstance(value, (bool, str)) and math.isfinite(float(value))
    except (TypeError, ValueError, OverflowError):
        return False


def _is_positive(value: Any) -> bool:
    return _is_finite(value) and float(value) > 0
