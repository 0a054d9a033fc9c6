"""Differential equations under SciPy's integrators, one trajectory at a time: the generated kernel gives the rates."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.integrate import solve_ivp

from numerics.generate import RightHandSide, function_of_arrays, right_hand_side
from numerics.quadrature import has_quadrature, rules
from numerics.results import dataset
from numerics.solve.methods import DormandPrince853, Stiff
from numerics.solve.request import attributes, output_times, state_start
from numerics.templates.arrays import partial_derivative
from numerics.values import numbers_for
from theory import ODE, SDE
from theory.errors import InvalidRequest, UnsupportedExpectation

Array = NDArray[np.float64]
Rates = Callable[[float, Array], Array]


def solve_ode(
    equations: ODE,
    at: Mapping[Any, Any],
    start: Mapping[Any, Any],
    until: float,
    times: Any,
    method: DormandPrince853 | Stiff,
) -> xr.Dataset:
    """The solution of an ODE at the output times."""
    values = numbers_for(equations.free_symbols, at, "the ODE")
    wanted, begin = output_times(until, times), state_start(equations, start)
    side = right_hand_side(equations)
    hyper = np.array(list(values.values()), dtype=float)
    jacobian = _jacobian(equations, hyper) if isinstance(method, Stiff) and not side.has_quadrature else None
    if side.has_quadrature:
        fine = _integrate(side, begin, hyper, wanted, method, jacobian, refinement=2)
        error = np.abs(fine - _integrate(side, begin, hyper, wanted, method, jacobian, refinement=1))
    else:
        fine, error = _integrate(side, begin, hyper, wanted, method, jacobian, refinement=1), None
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
        attributes=attributes(equations, values, _described(method, jacobian)),
    )


def _described(method: DormandPrince853 | Stiff, jacobian: Rates | None) -> str:
    name = "DOP853" if isinstance(method, DormandPrince853) else "Radau"
    by_differences = isinstance(method, Stiff) and jacobian is None
    return f"{name}, relative tolerance {method.relative_tolerance:g}" + by_differences * ", Jacobian by differences"


def _jacobian(equations: ODE, hyper: Array) -> Rates:
    """The derivatives of the rates as a function of time and state."""
    state = equations.state
    outputs = [partial_derivative(rate, s) for rate in equations.rates.values() for s in state]
    side = function_of_arrays(outputs, state, equations.free_symbols, f"Jacobian of\n{equations}")
    out, points, size = np.empty(len(outputs)), rules(set()), len(state)

    def jacobian(_: float, at_state: Array) -> Array:
        side.kernel(np.ascontiguousarray(at_state), hyper, out, *points)
        if not np.isfinite(out).all():  # SciPy would raise an error of its linear algebra, which says nothing of a time
            raise FloatingPointError("the Jacobian of the rates is not finite")
        return out.reshape(size, size).copy()

    return jacobian


def _integrate(
    side: RightHandSide,
    begin: Array,
    hyper: Array,
    wanted: Array,
    method: DormandPrince853 | Stiff,
    jacobian: Rates | None,
    *,
    refinement: int,
) -> Array:
    points = rules(set(side.dimensions), refinement=refinement)
    out = np.empty(begin.size)
    advance = side.kernel.function

    def rates(_: float, state: Array) -> Array:
        advance(np.ascontiguousarray(state), hyper, out, *points)
        return out.copy()

    names = [str(quantity) for quantity in side.state]
    return _integrate_rates(rates, begin, wanted, method, jacobian, names=names)


def _integrate_rates(
    rates: Rates,
    begin: Array,
    wanted: Array,
    method: DormandPrince853 | Stiff,
    jacobian: Rates | None = None,
    *,
    names: Sequence[str],
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
        try:
            # with a first step SciPy evaluates no trial point whose rates, if they are NaN, it would follow for ever
            result = solve_ivp(
                followed,
                (0.0, wanted[-1]),
                begin,
                method="DOP853" if isinstance(method, DormandPrince853) else "Radau",
                t_eval=wanted,
                rtol=method.relative_tolerance,
                atol=method.absolute_tolerance,
                first_step=1e-6 * wanted[-1],
                **({} if jacobian is None else {"jac": jacobian}),
            )
        except FloatingPointError as error:
            raise _not_continued(reached, str(error)) from error
    if not result.success or not np.isfinite(np.asarray(result.y)).all():
        raise _not_continued(reached, result.message)
    return np.asarray(result.y.T)


def _not_continued(time: float, reason: str) -> InvalidRequest:
    return InvalidRequest(
        f"the solution could not be continued beyond time {time:g} ({reason}); it may blow up in finite time at these "
        f"values: shorten until, or lower the learning rate"
    )


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
    jacobian = [partial_derivative(rate, s) for rate in equations.rates.values() for s in state]
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
    joint_begin = np.concatenate([begin, np.zeros(size**2)])
    path = _integrate_rates(rates, joint_begin, wanted, DormandPrince853(), names=names).T
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
