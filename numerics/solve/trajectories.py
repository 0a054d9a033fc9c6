"""Ordinary differential equations by generated programs: one trajectory or many, on every target, in both precisions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from numerics.precision import Precision
from numerics.quadrature import rules
from numerics.solve.ensemble import Ensemble, assembled, ensemble
from numerics.solve.methods import DormandPrince, RungeKutta4
from numerics.solve.observables import observables
from numerics.solve.request import attributes, output_times
from numerics.targets import Target
from numerics.templates.arrays import array_function
from numerics.templates.ode import Failure, OdeProgram, dormand_prince_program, runge_kutta_program
from theory import ODE
from theory.errors import InvalidRequest

_REASONS = {
    Failure.NONE: "",
    Failure.NOT_FINITE: "not finite: the state overflows, or the rates are not defined where it goes",
    Failure.BLOW_UP: "blow-up: the steps shrank to the resolution of time",
    Failure.TOO_MANY_STEPS: "too many steps",
}


@dataclass(frozen=True)
class Machine:
    """Where and how programs run."""

    target: Target = Target.CPU
    precision: Precision = Precision.FLOAT64
    threads: int | None = None


@dataclass(frozen=True)
class _Solved:
    """What a program returns: `path` (time, state, trajectory), and per trajectory why, when, after how many steps it stopped."""

    path: NDArray[Any]
    failure: NDArray[np.int64]
    failed_at: NDArray[np.float64]
    step_count: NDArray[np.int64]


def solve_trajectories(
    equations: ODE,
    at: Mapping[Any, Any],
    start: Mapping[Any, Any],
    until: float,
    times: Any,
    method: RungeKutta4 | DormandPrince,
    machine: Machine,
) -> xr.Dataset:
    """The solution of an ODE over (time,), or for an ensemble over (trajectory, time).

    In an ensemble `failed`, `failed_at` and `failure` say which trajectories were stopped, when and why; a single trajectory that
    fails raises `InvalidRequest`.
    """
    wanted = output_times(until, times)
    members = ensemble(equations, at, start)
    program = _program(equations, isinstance(method, DormandPrince), machine.target, machine.precision)
    settings = _settings(method, wanted, float(until), machine.precision)
    fine = _run(program, members, settings, wanted, machine, refinement=2)
    if members.count is None and fine.failure[0]:
        raise InvalidRequest(_sentence(fine))
    names = [str(quantity) for quantity in equations.state]
    variables = dict(zip(names, members.by_name(fine.path), strict=True))
    observed = observables(equations, members.hyper, fine.path, threads=machine.threads)
    variables.update(zip(equations.observables, members.by_name(observed), strict=True))
    if program.rates.has_quadrature:
        coarse = _run(program, members, settings, wanted, machine, refinement=1)
        errors = members.by_name(np.abs(fine.path - coarse.path))
        variables.update({f"{name}_error": error for name, error in zip(names, errors, strict=True)})
    described = attributes(equations, members.fixed, _described(method, machine, fine))
    result = assembled(variables, wanted, members, equations, described)
    return result if members.count is None else _with_failures(result, fine)


@lru_cache(maxsize=64)
def _program(equations: ODE, adaptive: bool, target: Target, precision: Precision) -> OdeProgram:
    """The program of equations; printing large ones takes longer than running them."""
    rates = array_function(
        "rates",
        list(equations.rates.values()),
        equations.state,
        equations.free_symbols,
        target=target,
        precision=precision,
    )
    header = f"{type(equations).__name__}, clock: {equations.clock}\n{equations}"
    build = dormand_prince_program if adaptive else runge_kutta_program
    return build(rates, header=header)


def _settings(
    method: RungeKutta4 | DormandPrince, wanted: NDArray[np.float64], until: float, precision: Precision
) -> tuple[Any, ...]:
    """The arguments of a program between the values and the quadrature rules."""
    if isinstance(method, DormandPrince):
        return wanted, *method.tolerances(precision), method.maximal_steps
    position = wanted / until * method.steps
    # rounded to a grid point where it is one up to rounding, so that no step is taken for an interpolation at its end
    position = np.where(np.abs(position - np.rint(position)) < 1e-9, np.rint(position), position)
    steps = np.ceil(position).astype(np.int64) - 1
    return until / method.steps, steps, position - steps


def _run(
    program: OdeProgram,
    members: Ensemble,
    settings: tuple[Any, ...],
    wanted: NDArray[np.float64],
    machine: Machine,
    *,
    refinement: int,
) -> _Solved:
    count = members.count or 1
    path = np.empty((wanted.size, len(program.rates.state), count), machine.precision.dtype)
    failure, failed_at, steps = np.empty(count, np.int64), np.empty(count), np.empty(count, np.int64)
    points = rules(set(program.rates.dimensions), refinement=refinement) if program.rates.has_quadrature else ()
    results = (path, failure, failed_at, steps)
    program.kernel.run(count, members.start, members.hyper, *settings, *points, *results, threads=machine.threads)
    return _Solved(*results)


def _described(method: RungeKutta4 | DormandPrince, machine: Machine, solved: _Solved) -> str:
    if isinstance(method, RungeKutta4):
        name = f"Runge-Kutta of order 4, {method.steps} steps"
    else:
        name = f"Dormand-Prince 5(4), relative tolerance {method.tolerances(machine.precision)[0]:g}"
        name += f", at most {int(solved.step_count.max())} steps"
    return f"{name}, {machine.precision} on {machine.target}"


def _sentence(solved: _Solved) -> str:
    """Why a single trajectory failed."""
    code = Failure(int(solved.failure[0]))
    if code == Failure.NOT_FINITE and solved.failed_at[0] == 0 and solved.step_count[0] == 0:
        return "a rate is not finite at the start; the equations are not defined there, start elsewhere"
    remedy = (
        "allow more with maximal_steps, loosen the tolerances, or use Stiff()"
        if code == Failure.TOO_MANY_STEPS
        else "shorten until, take shorter steps, or lower the learning rate"
    )
    return (
        f"the solution could not be continued beyond time {solved.failed_at[0]:g} after {solved.step_count[0]} steps "
        f"({_REASONS[code]}); {remedy}"
    )


def _with_failures(result: xr.Dataset, solved: _Solved) -> xr.Dataset:
    """Coordinates, not statistics: what is true of a trajectory as a whole."""
    reasons = np.array([_REASONS[Failure(int(code))] for code in solved.failure], dtype=object)
    result = result.assign_coords(
        failed=("trajectory", solved.failure != Failure.NONE),
        failed_at=("trajectory", solved.failed_at, {"units": result.attrs["clock"]}),
        failure=("trajectory", reasons.astype(str)),
    )
    result.attrs["failed"] = int((solved.failure != Failure.NONE).sum())
    return result
