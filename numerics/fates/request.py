"""What `fates` is asked for, checked at the door: points of a grid of values, starts, limits of distance."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy
from numpy.typing import NDArray
from sympy import Expr

from numerics.precision import Precision
from numerics.simulation.request import check_data, needed_symbols
from numerics.solve.replicas import values_of
from numerics.start import resolve_keys, scalar_start
from theory import SGD, Model
from theory.errors import DuplicateName, InvalidRequest, ValuesError
from theory.laws.law import Law
from theory.update import require_statement

Array = NDArray[np.float64]

SMALLEST = {Precision.FLOAT32: 1e-36, Precision.FLOAT64: 1e-150}
"""Distances from 0 below which numbers lose digits, or their squares in double precision do."""
RESOLVED = 4
"""Units in the last place of the point from which on a distance from it means something."""


@dataclass(frozen=True)
class Points:
    """The values of all points: `values`, one dictionary each; `varied`, name -> the values along the dimension of points."""

    values: tuple[dict[Expr, float], ...]
    varied: dict[str, Array]


@dataclass(frozen=True)
class Limits:
    """Distances from the point: beyond `escape` a run is lost, within `collapse` it has collapsed, within `absorbed` it ends at once.

    `absorbed` is zero where a run may leave the point again, so that none is ended there.
    """

    escape: float
    collapse: float
    absorbed: float


def check_statement(model: Any, algorithm: Any, start: Any, at: Any, steps: Any) -> None:
    """Raise `InvalidRequest` for what is no model of scalars, no SGD, no dictionary, no number of steps."""
    require_statement(model, algorithm, "fates")
    if not model.is_explicit:
        dimension = model.dimensions[0] if model.dimensions else "n"
        raise InvalidRequest(
            f"fates follows scalar parameters, and this model has vectors; expand them first: "
            f"model.components({{{dimension}: 3}})"
        )
    for name, value in (("start", start), ("at", {} if at is None else at)):
        if not isinstance(value, Mapping):
            raise InvalidRequest(f"{name}={value!r}: expected a dictionary from symbols to values")
    if isinstance(steps, bool) or not isinstance(steps, (int, np.integer)) or not 1 <= steps < 2**32:
        raise InvalidRequest(f"steps={steps!r}: a positive whole number below 2**32 is needed")


def points_of(
    model: Model, algorithm: SGD, point: Mapping[Expr, Expr], start: Mapping[Any, Any], at: Mapping[Any, Any] | None
) -> Points:
    """The values of every symbol at every point. Raises what `numbers_for` does, and `ValuesError` for unequal arrays."""
    places = {str(parameter): place for parameter, place in point.items()}
    symbols = needed_symbols(model, algorithm, places, start)
    given = {key: value.item() if _is_scalar_array(value) else value for key, value in (at or {}).items()}
    shared, arrays = values_of(symbols, given, "fates")
    varied = {str(symbol): array for symbol, array in arrays.items()}
    if len({array.size for array in varied.values()}) > 1:
        listed = ", ".join(f"{name} has {array.size}" for name, array in varied.items())
        raise ValuesError(f"arrays of values need one common length, but {listed}; each entry is one point")
    if clash := sorted(set(varied) & RESERVED):
        raise DuplicateName(
            f"the varied value {clash[0]!r} carries a name that the result uses itself; rename the symbol"
        )
    count = next((array.size for array in varied.values()), 1)
    values = tuple({s: float(arrays[s][k]) if s in arrays else shared[s] for s in symbols} for k in range(count))
    in_laws = sorted({s for _, law in model.data for s in law.free_symbols}, key=str)
    for numbers in {tuple(numbers[s] for s in in_laws): numbers for numbers in values}.values():
        check_data(model, numbers)
    return Points(values, varied)


RESERVED = frozenset(
    {"point", "fate", "count", "fraction", "lower", "upper", "median_distance", "mean_steps", "replica"}
)
"""Names that the result uses itself."""


def _is_scalar_array(value: Any) -> bool:
    return hasattr(value, "item") and np.ndim(value) == 0 and not isinstance(value, sympy.Basic)


def centres_of(point: Mapping[Expr, Expr], points: Points) -> Array:
    """Where the point is, shape (point of the grid, parameter). Raises `ValuesError` where it is not a real number."""
    found = np.empty((len(points.values), len(point)))
    for row, values in zip(found, points.values, strict=True):
        numbers = {symbol: sympy.Float(value, 17) for symbol, value in values.items()}
        for k, (parameter, place) in enumerate(point.items()):
            value = place.xreplace(numbers)
            if not (value.is_real and value.is_finite):
                raise ValuesError(f"point={{{parameter}: {place}}} is {value} at these values; a real number is needed")
            row[k] = float(value)
    return found


def starts_of(
    model: Model,
    start: Mapping[Any, Any],
    points: Points,
    centres: Array,
    limits: Limits,
    replicas: int,
    seed: int,
) -> Array:
    """Where every run starts, shape (point, replica, parameter), 1 where all points or replicas share it.

    Draws from laws are the same at all points. Raises `UnknownValue`, `MissingValue`, `ValuesError`.
    """
    keyed = resolve_keys(model, (), {}, start)
    used = sorted({s for law in keyed.values() if isinstance(law, Law) for s in law.free_symbols}, key=str)
    done: dict[tuple[float, ...], Array] = {}
    for values in points.values:
        if (key := tuple(values[s] for s in used)) not in done:
            done[key] = scalar_start(model, keyed, {}, values, replicas, seed)
    rows = [done[tuple(values[s] for s in used)] for values in points.values] if used else list(done.values())
    found = np.stack(rows)
    far = np.linalg.norm(found - centres[:, np.newaxis], axis=2) > limits.escape
    if far.any():
        raise ValuesError(
            f"start: {np.count_nonzero(far)} of {far.size} starts lie farther than escape={limits.escape:g} from the point; "
            f"start nearer, or raise escape"
        )
    return found


def limits_of(
    escape: Any, collapse: Any, absorbed: Any, centres: Array, *, at_rest: bool, precision: Precision
) -> Limits:
    """The distances, each checked against what the precision resolves around the point. Raises `InvalidRequest`."""
    named = {"escape": escape, "collapse": collapse, **({} if absorbed is None else {"absorbed": absorbed})}
    for name, value in named.items():
        number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool)
        if not number or not math.isfinite(value) or value <= 0:
            raise InvalidRequest(f"{name}={value!r}: a distance is a positive number")
    rounding = RESOLVED * precision.epsilon * float(np.abs(centres).max())
    resolution = max(SMALLEST[precision], rounding)
    default = max(resolution, 1e-100)
    if absorbed is not None and absorbed < resolution:
        raise InvalidRequest(
            f"absorbed={absorbed:g}: {precision} resolves distances from this point down to {resolution:.1e}; "
            f"{_remedy(precision, rounding)}"
        )
    inner = float(default if absorbed is None else absorbed)
    if not inner < collapse:
        raise InvalidRequest(
            f"collapse={collapse:g} must exceed absorbed={inner:.1e}, the distance at which a run ends; raise it, or "
            f"{_remedy(precision, rounding)}"
        )
    if not collapse < escape:
        raise InvalidRequest(f"escape={escape:g} must exceed collapse={collapse:g}")
    return Limits(float(escape), float(collapse), inner if at_rest else 0.0)


def _remedy(precision: Precision, rounding: float) -> str:
    if precision is Precision.FLOAT32:
        return "use precision='float64'"
    return "state the model in coordinates in which the point is 0" if rounding > 1e-100 else "leave absorbed out"
