"""`solve`: one verb for every kind of equations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import xarray as xr

from numerics.solve.ode import solve_ode, solve_small_noise
from numerics.solve.recurrence import solve_moments, solve_recurrence
from theory import ODE, SDE, Equations, MomentRecurrence, RandomMap, Recurrence
from theory.errors import InvalidRequest


def solve(
    equations: Equations,
    *,
    start: Mapping[Any, Any],
    until: float,
    at: Mapping[Any, Any] | None = None,
    times: Any = None,
) -> xr.Dataset:
    """Return the prediction of equations as a dataset over time.

    Parameters
    ----------
    equations : an `ODE` (SciPy's DOP853 on the generated kernel), an `SDE` (mean and covariance in the small-noise expansion), a
        `Recurrence` or a `MomentRecurrence` (iterated).
    start : the state at time 0: statistics by name; for moments, parameters or inner products, numbers or laws.
    until : last time, in units of the clock of the equations.  times : output times, by default 41 equally spaced ones.
    at : a number for every symbol of the equations.

    Equations with quadratures also get variables `NAME_error`: the difference to the solution with half the nodes.
    Raises `MissingValue`, `UnknownValue`, `StartUnderdetermined`, `InvalidRequest`.
    """
    if isinstance(equations, RandomMap):
        raise InvalidRequest(
            "a RandomMap is random: simulate runs it; moments(model, algorithm) gives equations for its moments"
        )
    if isinstance(equations, SDE):
        return solve_small_noise(equations, at or {}, start, until, times)
    if isinstance(equations, ODE):
        return solve_ode(equations, at or {}, start, until, times)
    if isinstance(equations, MomentRecurrence):
        return solve_moments(equations, at or {}, start, until, times)
    if isinstance(equations, Recurrence):
        return solve_recurrence(equations, at or {}, start, until, times)
    raise InvalidRequest(
        f"solve has no method for {type(equations).__name__}; it takes ODE, SDE, Recurrence, MomentRecurrence"
    )
