"""Phase diagrams: exponents and phases over a grid of two symbols."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from numerics.stability.exponents import (
    attributes,
    checked_runs,
    exponents_on,
    grid_of,
    phase_attributes,
    refuse_arrays,
)
from numerics.stability.level_sets.boundaries import Boundary, Plane, exponent_boundaries
from numerics.stability.moment_exponents import moment_exponents_on
from numerics.stability.problem import Estimate
from numerics.stability.scalar.moment_exponent import checked_order
from numerics.targets import Target
from theory import Stability
from theory.errors import InvalidRequest, UnknownValue


def phase_diagram(
    equations: Stability,
    *,
    over: Mapping[Any, Any],
    at: Mapping[Any, Any] | None = None,
    orders: Iterable[float] = (),
    boundaries: bool = True,
    steps: int = 2_000,
    replicas: int = 64,
    seed: int = 0,
    target: Target = Target.CPU,
    threads: int | None = None,
) -> xr.Dataset:
    r"""Return the exponents and the phase over a grid, and the curves on which exponents vanish.

    Parameters
    ----------
    equations : a `Stability`.
    over : two symbols (or their names), each with a one-dimensional array of values, as in {eta: np.linspace(0.05, 2, 100), s: ...}.
    at : a number for every other symbol.
    orders : moment exponents L(p) = log E|theta|^p per step to compute besides, as in (1, 2, 4).
    boundaries : whether the curves are traced.
    steps, replicas, seed, target, threads : of the runs that give the exponents of matrix blocks; scalar blocks need none.

    Returns
    -------
    A dataset over the two symbols and `mode`: `exponent(mode, x, y)`, `exponent_error`, per step; `phase(x, y)`, whose codes are
    spelled out in its attribute `flag_meanings`; for orders `moment_exponent(order, mode, x, y)`, infinite where the moment does not exist,
    `moment_exponent_error` and `moment_kind(order, mode)`.

    `boundary(vertex, axis)`: vertices of the curves on which the exponent of a mode vanishes or changes sign, in order along each
    curve; `boundary_error(vertex)`, how far off they may be; with the coordinates `curve`, a number, `boundary_mode` and `boundary_order`
    (0: the Lyapunov exponent). Vertices are refined along the edges of the grid between values of unlike sign; interpolated where
    exponents are simulated (a sign within three standard errors of zero is not known) or where an axis takes whole numbers only. Curves
    narrower than the grid are found about the values at which a finite law makes a multiplier vanish.

    Raises `UnknownValue` and `MissingValue` for symbols, `InvalidRequest` for axes that are not two one-dimensional arrays of distinct
    finite numbers, `ValuesError` for values that a symbol cannot take.

    >>> from theory import SGD, Discrete, Model, stability, symbols
    >>> u, w, y = symbols("u w y")
    >>> eta, a = symbols("eta a", positive=True)
    >>> model = Model((u*w - y)**2/2, [u, w], {y: Discrete({1: 0.5, -a: 0.5})})
    >>> found = phase_diagram(stability(model, SGD(eta), point={u: 0, w: 0}), over={eta: [0.2, 0.5, 1.8], a: [0.7, 0.8]})
    >>> [found["phase"].attrs["flag_meanings"][code] for code in found["phase"].sel(a=0.8).values]
    ['correct learning', 'saddle attracts', 'complete instability']
    """
    axes = _axes(equations, over)
    (first, x), (second, y) = axes.items()
    mesh = dict(zip((first, second), (m.ravel() for m in np.meshgrid(x, y, indexing="ij")), strict=True))
    clash = [key for key in at or {} if str(key) in axes]
    if clash:
        raise InvalidRequest(f"{clash[0]} is given both in over and in at; leave it out of at")
    refuse_arrays(at or {})
    grid, _ = grid_of(equations, {**(at or {}), **mesh})
    listed = _orders(orders)
    runs = checked_runs(steps, replicas, seed, target, threads)
    found = exponents_on(equations, grid, runs)
    moments = moment_exponents_on(equations, grid, listed, runs)
    shape = (len(x), len(y))
    modes = {
        name: (("mode", first, second), np.array(values).reshape(-1, *shape), {"units": "1/step", "long_name": name})
        for name, values in (
            ("exponent", [e.values for e in found.estimates]),
            ("exponent_error", [e.errors for e in found.estimates]),
        )
    }
    result = xr.Dataset(
        {
            **modes,
            "kind": ("mode", [str(e.kind) for e in found.estimates]),
            "neutral": ("mode", [block.is_neutral for block in equations.blocks]),
            "phase": ((first, second), found.phases.reshape(shape), phase_attributes(found)),
        },
        coords={
            "mode": [block.name for block in equations.blocks],
            first: (first, x, {"long_name": _long_name(equations, first), "units": "1"}),
            second: (second, y, {"long_name": _long_name(equations, second), "units": "1"}),
        },
    )
    if listed:
        result = result.merge(_moment_variables(moments, (first, second), shape))
    if boundaries:
        names = {str(symbol): symbol for symbol in grid.values}
        axes_of = {names[first]: x, names[second]: y}
        base = {symbol: float(values[0]) for symbol, values in grid.values.items() if symbol not in axes_of}
        traced = exponent_boundaries(equations, Plane(axes_of, base), {0.0: found.estimates, **moments}, runs)
        result = result.merge(_boundary_variables(traced, (first, second)))
    result.attrs = attributes(equations, at or {})
    return result


def _orders(orders: Any) -> tuple[float, ...]:
    try:
        listed = tuple(checked_order(order) for order in orders)
    except TypeError:
        raise InvalidRequest(f"orders={orders!r}: give a list of powers, as orders=[1, 2, 4]") from None
    if len(set(listed)) != len(listed) or 0.0 in listed:
        raise InvalidRequest(
            f"orders={orders!r}: give each power once, and none that is 0: the Lyapunov exponent is there in any case"
        )
    return listed


def _moment_variables(
    moments: Mapping[float, Sequence[Estimate]], axes: tuple[str, str], shape: tuple[int, int]
) -> xr.Dataset:
    dims, sizes = ("order", "mode", *axes), (len(moments), -1, *shape)
    values, errors = (
        np.array([[getattr(estimate, part) for estimate in row] for row in moments.values()]).reshape(sizes)
        for part in ("values", "errors")
    )
    kinds = [[str(estimate.kind) for estimate in row] for row in moments.values()]
    return xr.Dataset(
        {
            "moment_exponent": (dims, values, {"units": "1/step", "long_name": "moment exponent"}),
            "moment_exponent_error": (dims, errors, {"units": "1/step"}),
            "moment_kind": (("order", "mode"), kinds),
        },
        coords={"order": list(moments)},
    )


def _boundary_variables(found: Sequence[Boundary], axes: tuple[str, str]) -> xr.Dataset:
    """The vertices of all curves one after the other, each with its curve, mode and order."""
    curves = [(boundary, curve) for boundary in found for curve in boundary.curves]
    lengths = [len(curve.points) for _, curve in curves]
    points = np.concatenate([np.empty((0, 2)), *(curve.points for _, curve in curves)])
    errors = np.concatenate([np.empty(0), *(curve.errors for _, curve in curves)])
    return xr.Dataset(
        {
            "boundary": (("vertex", "axis"), points, {"long_name": "where an exponent vanishes"}),
            "boundary_error": ("vertex", errors),
        },
        coords={
            "axis": list(axes),
            "curve": ("vertex", np.repeat(np.arange(len(curves)), lengths)),
            "boundary_mode": ("vertex", np.repeat(np.array([b.mode for b, _ in curves], dtype=str), lengths)),
            "boundary_order": ("vertex", np.repeat(np.array([b.order for b, _ in curves], dtype=float), lengths)),
        },
    )


def _axes(equations: Stability, over: Any) -> dict[str, np.ndarray[Any, Any]]:
    if not isinstance(over, Mapping) or len(over) != 2:
        raise InvalidRequest(
            f"over={over!r}: give two symbols, each with its values, as in over={{eta: [...], s: [...]}}"
        )
    known = {str(symbol) for symbol in equations.free_symbols}
    axes: dict[str, np.ndarray[Any, Any]] = {}
    for key, values in over.items():
        if str(key) in axes:
            raise InvalidRequest(f"over gives {key} twice; give two different symbols")
        if str(key) not in known:
            raise UnknownValue(f"over={{{key}: ...}}: the symbols of this problem are {', '.join(sorted(known))}")
        if isinstance(values, tuple):
            raise InvalidRequest(
                f"over={{{key}: {values}}}: a tuple could mean a range or its values; give an array, as np.linspace(0.05, 2, 40)"
            )
        try:
            array = np.asarray(values, dtype=float)
        except (TypeError, ValueError):
            raise InvalidRequest(f"over={{{key}: {values!r}}}: give real numbers") from None
        if array.ndim != 1 or array.size < 2 or len(np.unique(array)) != array.size or not np.isfinite(array).all():
            raise InvalidRequest(
                f"over={{{key}: ...}}: give a one-dimensional array of at least two distinct finite numbers"
            )
        axes[str(key)] = array
    return axes


def _long_name(equations: Stability, name: str) -> str:
    """The learning rate and the batch size by their names, other symbols by their own."""
    roles = {str(equations.algorithm.learning_rate): "learning rate", str(equations.blocks[0].batch.size): "batch size"}
    return roles.get(name, name)
