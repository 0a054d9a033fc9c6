"""Stationary moments and spectral radii in floating point, for systems of any size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from numerics.generate import function_of_arrays
from numerics.quadrature import rules
from numerics.results import dataset
from numerics.solve.recurrence import _symbols_of_entries, linear_system
from numerics.solve.request import attributes
from numerics.values import numbers_for
from theory import MomentRecurrence
from theory.errors import InvalidRequest, NotStationary


def spectral_radius(
    recurrence: MomentRecurrence, *, at: Mapping[Any, Any] | None = None, degree: int | None = None
) -> float:
    """Return the spectral radius of the homogeneous block of moments of one degree (default: the largest over all degrees).

    Moments of even degree k stay bounded iff that of degree k is below 1. Raises `MissingValue`, `InvalidRequest`.
    """
    values = numbers_for(sorted(_symbols_of_entries(recurrence), key=str), at or {}, "the moment recurrence")
    matrix, _ = linear_system(recurrence, values)
    degrees = sorted(set(recurrence.degrees)) if degree is None else [degree]
    radii = []
    for k in degrees:
        rows = [i for i, d in enumerate(recurrence.degrees) if d == k]
        if not rows:
            raise InvalidRequest(f"degree={k}: the recurrence has moments of degrees {sorted(set(recurrence.degrees))}")
        radii.append(float(np.abs(np.linalg.eigvals(matrix[np.ix_(rows, rows)])).max()))
    return max(radii)


def stationary(recurrence: MomentRecurrence, *, at: Mapping[Any, Any] | None = None) -> xr.Dataset:
    """Return the stationary observables of a moment recurrence as a dataset without a time axis.

    Formula: m = (I - T)^{-1} c. Raises `NotStationary` unless the spectral radius of every block of the homogeneous part is below
    one: the linear solve would return finite, wrong numbers. For an odd highest degree ask for moments of one order more.
    """
    values = numbers_for(sorted(_symbols_of_entries(recurrence), key=str), at or {}, "the moment recurrence")
    if recurrence.order % 2:
        raise InvalidRequest(
            f"moments of order {recurrence.order} exist for sure only if those of order {recurrence.order + 1} do; "
            f"derive moments(..., order={recurrence.order + 1})"
        )
    matrix, constant = linear_system(recurrence, values)
    for degree in sorted(set(recurrence.degrees)):
        rows = [i for i, d in enumerate(recurrence.degrees) if d == degree]
        radius = float(np.abs(np.linalg.eigvals(matrix[np.ix_(rows, rows)])).max())
        if not radius < 1:
            raise NotStationary(
                radius,
                f"the moments of degree {degree} have no stationary value: the spectral radius of their "
                f"homogeneous block is {radius:.6g}, not below 1. Lower the learning rate or raise the batch size",
            )
    solution = np.linalg.solve(np.eye(len(constant)) - matrix, constant)
    side = (
        function_of_arrays(
            list(recurrence.observables.values()), recurrence.state, tuple(values), "observables of moments"
        )
        if len(recurrence.observables) < 200
        and any(not hasattr(v, "monomial") for v in recurrence.observables.values())
        else None
    )
    if side is None:
        position = {moment: i for i, moment in enumerate(recurrence.state)}
        numbers = {name: solution[position[value]] for name, value in recurrence.observables.items()}
    else:
        out = np.empty(len(recurrence.observables))
        side.kernel(solution, np.array(list(values.values()), dtype=float), out, *rules(set()))
        numbers = dict(zip(recurrence.observables, out, strict=True))
    result = dataset(
        {name: np.array([value]) for name, value in numbers.items()},
        np.array([np.inf]),
        clock=recurrence.clock,
        replicas=False,
        attributes=attributes(recurrence, values, "exact linear solve"),
    )
    return result.isel(time=0, drop=True)
