"""Phase diagrams: exponents and phases over a grid of two symbols."""

from __future__ import annotations

from collections.abc import Mapping
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
from numerics.targets import Target
from theory import Stability
from theory.errors import InvalidRequest, UnknownValue


def phase_diagram(
    equations: Stability,
    *,
    over: Mapping[Any, Any],
    at: Mapping[Any, Any] | None = None,
    steps: int = 2_000,
    replicas: int = 64,
    seed: int = 0,
    target: Target = Target.CPU,
    threads: int | None = None,
) -> xr.Dataset:
    """Return the exponents and the phase over a grid.

    Parameters
    ----------
    equations : a `Stability`.
    over : two symbols (or their names), each with a one-dimensional array of values, as in {eta: np.linspace(0.05, 2, 100), s: ...}.
    at : a number for every other symbol.
    steps, replicas, seed, target, threads : of the runs that give the exponents of matrix blocks; scalar blocks need none.

    Returns
    -------
    A dataset over the two symbols and `mode`: `exponent(mode, x, y)`, `exponent_error`, per step; `phase(x, y)`, whose codes are
    spelled out in its attribute `flag_meanings`.

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
    found = exponents_on(equations, grid, checked_runs(steps, replicas, seed, target, threads))
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
    result.attrs = attributes(equations, at or {})
    return result


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
