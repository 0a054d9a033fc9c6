"""Values that differ from trajectory to trajectory: one-dimensional arrays of one length in `at` or `start`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from sympy import Expr

from numerics.results import dataset
from numerics.solve.request import state_start
from numerics.values import numbers_for
from theory import Equations
from theory.errors import DuplicateName, ValuesError

Array = NDArray[np.float64]
RESERVED = ("time", "trajectory", "replica", "failed", "failed_at", "failure", "diverged", "diverged_step")
"""Names that results of ensembles use themselves."""


@dataclass(frozen=True)
class Ensemble:
    """The starts and the values of all trajectories.

    `start` : (state, column), `hyper` : (hyperparameter, column), with one column, or one per trajectory. `fixed` : the values
    that all share. `varied` : name of a coordinate -> its values. `count` : trajectories, None for a single one.
    """

    start: Array
    hyper: Array
    fixed: Mapping[Expr, float]
    varied: Mapping[str, Array]
    count: int | None

    def dimensions(self, replicas: int | None = None) -> dict[str, int]:
        """The dimensions of a result before the axis of time, with their sizes."""
        sizes = {"trajectory": self.count, "replica": replicas}
        return {name: size for name, size in sizes.items() if size is not None}

    def by_name(self, path: NDArray[Any], replicas: int | None = None) -> list[NDArray[Any]]:
        """From (time, quantity, path) to one array (trajectory, replica, time) per quantity, as far as there are such."""
        shape = (*self.dimensions(replicas).values(), len(path))
        return [path[:, i].T.reshape(shape) for i in range(path.shape[1])]


def varies(value: Any) -> bool:
    """Whether a value is a list or an array rather than one number."""
    return not isinstance(value, (str, bytes)) and np.ndim(value) > 0


def ensemble(equations: Equations, at: Mapping[Any, Any], start: Mapping[Any, Any]) -> Ensemble:
    """Return the trajectories that `at` and `start` ask for.

    Raises `ValuesError` for arrays of other dimensions or of different lengths, and what `numbers_for` and `state_start` raise.

    >>> from theory import ODE, symbols
    >>> x, k = symbols("x k")
    >>> ensemble(ODE(rates={x: -k*x}), {k: [1.0, 2.0]}, {x: 5.0}).hyper
    array([[1., 2.]])
    """
    arrays = {
        (where, str(key)): _array(where, key, value)
        for where, values in (("at", at), ("start", start))
        for key, value in values.items()
        if varies(value)
    }
    lengths = {array.size for array in arrays.values()}
    if len(lengths) > 1:
        listed = ", ".join(f"{where}[{key}] has {array.size}" for (where, key), array in arrays.items())
        raise ValuesError(f"arrays of values need one common length, but {listed}; each entry is one trajectory")
    what = f"the {type(equations).__name__}"
    for pick in _EXTREMES:  # an array is possible if these entries of it are
        numbers = numbers_for(equations.free_symbols, _picked(at, "at", arrays, pick), what)
        begin = state_start(equations, _picked(start, "start", arrays, pick))
    columns = lengths.pop() if lengths else 1
    hyper = [np.broadcast_to(arrays.get(("at", str(s)), value), columns) for s, value in numbers.items()]
    starts = [
        np.broadcast_to(arrays.get(("start", str(s)), value), columns)
        for s, value in zip(equations.state, begin, strict=True)
    ]
    varied = {(key if where == "at" else f"{key}_start"): array for (where, key), array in arrays.items()}
    _refuse_clashes(equations, varied)
    return Ensemble(
        start=np.array(starts, dtype=float).reshape(len(starts), columns),
        hyper=np.array(hyper, dtype=float).reshape(len(hyper), columns),
        fixed={s: value for s, value in numbers.items() if ("at", str(s)) not in arrays},
        varied=varied,
        count=columns if arrays else None,
    )


def _last_fraction(array: Array) -> Any:
    return array[np.argmax(array != np.rint(array))]


_EXTREMES = (np.min, np.max, _last_fraction)
"""Entries of an array that are refused if any is: NaN and infinity, of the wrong sign, no whole numbers."""


def _picked(
    values: Mapping[Any, Any], where: str, arrays: Mapping[tuple[str, str], Array], pick: Any
) -> dict[Any, Any]:
    """`values` with one entry in the place of every array."""
    return {
        key: float(pick(arrays[where, str(key)])) if (where, str(key)) in arrays else value
        for key, value in values.items()
    }


def _array(where: str, key: Any, value: Any) -> Array:
    try:
        array = np.asarray(value, dtype=float)
    except (TypeError, ValueError):
        raise ValuesError(f"{where}={{{key}: {value!r}}}: expected a number, or an array of numbers") from None
    if array.ndim != 1 or array.size == 0:
        raise ValuesError(
            f"{where}={{{key}: ...}}: expected a number, or a one-dimensional array with one entry per trajectory, got an array of "
            f"shape {array.shape}"
        )
    return array


def _refuse_clashes(equations: Equations, varied: Mapping[str, Array]) -> None:
    taken = [str(s) for s in equations.state] + list(equations.observables)
    for name in varied:
        if name in taken or name in RESERVED:
            raise DuplicateName(
                f"the varied value {name!r} carries a name that the result uses itself; rename the symbol"
            )
    for name in taken:
        if name in RESERVED:
            raise DuplicateName(f"{name!r} carries a name that every result uses itself; rename it")


def assembled(
    variables: Mapping[str, NDArray[Any]],
    times: Array,
    ensemble: Ensemble,
    equations: Equations,
    attributes: Mapping[str, Any],
    *,
    replicas: int | None = None,
) -> xr.Dataset:
    """The dataset of `variables` over (trajectory, replica, time), as far as there are such, with the varied values."""
    result = dataset({}, times, clock=equations.clock, replicas=False, attributes=attributes)
    dimensions = (*ensemble.dimensions(replicas), "time")
    for name, values in variables.items():
        result[name] = (dimensions, values, {"units": "1"})
    return result.assign_coords({name: ("trajectory", array) for name, array in ensemble.varied.items()})
