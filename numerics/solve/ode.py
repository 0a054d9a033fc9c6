"""Ordinary differential equations: the generated kernel under SciPy's Dormand-Prince integrator of order 8(5,3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import sympy
import xarray as xr
from numpy.typing import NDArray
from scipy.integrate import solve_ivp

from numerics.generate import RightHandSide, function_of_arrays, right_hand_side
from numerics.quadrature import has_quadrature, rules
from numerics.results import dataset
from numerics.solve.request import attributes, output_times, state_start
from numerics.values import numbers_for
from theory import ODE, SDE
from theory.errors import InvalidRequest, UnsupportedExpectation

Array = NDArray[np.float64]
_RELATIVE, _ABSOLUTE = 1e-10, 1e-12


def solve_ode(equations: ODE, at: Mapping[Any, Any], start: Mapping[Any, Any], until: float, times: Any) -> xr.Dataset:
    """The solution of an ODE at the output times."""
    values = numbers_for(equations.free_symbols, at, "the ODE")
    wanted, begin = output_times(until, times), state_start(equations, start)
    side = right_hand_side(equations)
    hyper = np.array(list(values.values()), dtype=float)
    if side.has_quadrature:
        fine = _integrate(side, begin, hyper, wanted, refinement=2)
        error = np.abs(fine - _integrate(side, begin, hyper, wanted, refinement=1))
    else:
        fine, error = _integrate(side, begin, hyper, wanted, refinement=1), None
    names = [str(quantity) for quantity in equations.state]
    variables = {name: fine[:, i] for i, name in enumerate(names)}
    variables.update(_observables(equations, fine, hyper))
    if error is not None:
        variables.update({f"{name}_error": error[:, i] for i, name in enumerate(names)})
    return dataset(
        variables,
        wanted,
        clock=equations.clock,
        replicas=False,
        attributes=attributes(equations, values, f"DOP853, relative tolerance {_RELATIVE:g}"),
    )


def _integrate(side: RightHandSide, begin: Array, hyper: Array, wanted: Array, *, refinement: int) -> Array:
    points = rules(set(side.dimensions), refinement=refinement)
    out = np.empty(begin.size)
    advance = side.kernel.function

    def rates(_: float, state: Array) -> Array:
        advance(state, hyper, out, *points)
        return out.copy()

    return _integrate_rates(rates, begin, wanted, names=[str(quantity) for quantity in side.state])


def _integrate_rates(
    rates: Callable[[float, Array], Array], begin: Array, wanted: Array, *, names: Sequence[str]
) -> Array:
    """The solution at the wanted times, shape (time, state); a blow-up is named, never returned."""
    if wanted[-1] == 0:
        return begin[np.newaxis]
    reached = 0.0

    def followed(time: float, state: Array) -> Array:
        nonlocal reached
        reached = time  # in a blow-up the steps shrink, so the last time asked for is where it happens
        return rates(time, state)

    with np.errstate(all="ignore"):
        first = rates(0.0, begin)
        if not np.isfinite(first).all():
            bad = int(np.argmin(np.isfinite(first)))
            raise InvalidRequest(
                f"the rate of {names[bad] if bad < len(names) else 'a covariance'} is {first[bad]} at the start; the "
                f"equations are not defined there, start elsewhere"
            )
        # with a first step SciPy evaluates no trial point whose rates, if they are NaN, it would follow for ever
        result = solve_ivp(
            followed,
            (0.0, wanted[-1]),
            begin,
            method="DOP853",
            t_eval=wanted,
            rtol=_RELATIVE,
            atol=_ABSOLUTE,
            first_step=1e-6 * wanted[-1],
        )
    if not result.success or not np.isfinite(np.asarray(result.y)).all():
        raise InvalidRequest(
            f"the solution could not be continued beyond time {reached:g} ({result.message}); it may blow up in "
            f"finite time at these values: shorten until, or lower the learning rate"
        )
    return np.asarray(result.y.T)


def _observables(equations: ODE, states: Array, hyper: Array) -> dict[str, Array]:
    if not equations.observables:
        return {}
    side = function_of_arrays(
        list(equations.observables.values()), equations.state, equations.free_symbols, "observables"
    )
    points, rows = rules(set(side.dimensions), refinement=2), np.empty((len(states), len(equations.observables)))
    for state, row in zip(states, rows, strict=True):
        side.kernel(np.ascontiguousarray(state), hyper, row, *points)
    return {name: rows[:, i] for i, name in enumerate(equations.observables)}


def solve_small_noise(
    equations: SDE, at: Mapping[Any, Any], start: Mapping[Any, Any], until: float, times: Any
) -> xr.Dataset:
    """Mean and covariance of an SDE in the small-noise expansion: du = h dt, dP/dt = J P + P J^T + Sigma.

    The covariance starts at zero. Variables: NAME, NAME_variance and FIRST_SECOND_covariance.
    """
    if has_quadrature([*equations.rates.values(), *equations.covariance]):
        raise UnsupportedExpectation(
            "the small-noise expansion needs the Jacobian of the drift, which is not derived for drifts with "
            "quadratures; simulate directly"
        )
    values = numbers_for(equations.free_symbols, at, "the SDE")
    wanted, begin = output_times(until, times), state_start(equations, start)
    state, size = equations.state, len(equations.state)
    jacobian = [sympy.diff(rate, s) for rate in equations.rates.values() for s in state]
    outputs = [*equations.rates.values(), *jacobian, *equations.covariance]
    side = function_of_arrays(outputs, state, equations.free_symbols, f"drift, Jacobian and covariance\n{equations}")
    hyper, points, buffer = np.array(list(values.values())), rules(set()), np.empty(len(outputs))

    def rates(_: float, joint: Array) -> Array:
        side.kernel(np.ascontiguousarray(joint[:size]), hyper, buffer, *points)
        drift, linear = buffer[:size], buffer[size : size + size**2].reshape(size, size)
        spread = joint[size:].reshape(size, size)
        growth = linear @ spread
        return np.concatenate([drift, (growth + growth.T + buffer[size + size**2 :].reshape(size, size)).ravel()])

    names = [str(s) for s in state]
    path = _integrate_rates(rates, np.concatenate([begin, np.zeros(size**2)]), wanted, names=names).T
    variables = {name: path[i] for i, name in enumerate(names)}
    for i, a in enumerate(names):
        for j, b in enumerate(names[i:], start=i):
            variables[f"{a}_variance" if i == j else f"{a}_{b}_covariance"] = path[size + size * i + j]
    return dataset(
        variables,
        wanted,
        clock=equations.clock,
        replicas=False,
        attributes=attributes(equations, values, "small-noise expansion by DOP853"),
    )
