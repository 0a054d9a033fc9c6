"""Stochastic differential equations by random paths: many replicas in one generated program, on every target."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from numerics.precision import Precision
from numerics.quadrature import rules
from numerics.solve.ensemble import Ensemble, assembled, ensemble
from numerics.solve.methods import EulerMaruyama, Milstein, PathMethod
from numerics.solve.observables import observables
from numerics.solve.request import attributes, output_times
from numerics.solve.trajectories import Machine
from numerics.targets import Target
from numerics.templates.sde import SdeProgram, noise_obstacle, sde_program
from theory import SDE
from theory.errors import InvalidRequest

REPLICAS = 64
"""Paths that are followed where none are asked for."""


def solve_paths(
    equations: SDE,
    at: Mapping[Any, Any],
    start: Mapping[Any, Any],
    until: float,
    times: Any,
    method: PathMethod,
    machine: Machine,
    replicas: int | None,
    seed: int,
) -> xr.Dataset:
    """Paths of an SDE over (replica, time), or for an ensemble over (trajectory, replica, time), on the grid of the steps.

    `diverged` and `diverged_step` say which paths left the finite numbers; `clamped_steps`, in how many steps of a path the
    covariance was not positive semidefinite and its negative directions were taken for zero.
    """
    refuse_order(equations, method)
    wanted = output_times(until, times)
    length = float(until) / method.steps
    record = np.unique(np.rint(wanted / length).astype(np.int64))
    elapsed = np.asarray(record * length, dtype=np.float64)
    members = ensemble(equations, at, start)
    count = REPLICAS if replicas is None else replicas
    program = _program(equations, isinstance(method, Milstein), machine.target, machine.precision)
    path, stopped, clamped = _run(program, members, method, length, record, machine, count, seed, refinement=2)
    names = [str(quantity) for quantity in equations.state]
    variables = dict(zip(names, members.by_name(path, count), strict=True))
    observed = observables(equations, members.hyper, path, replicas=count, threads=machine.threads)
    variables.update(zip(equations.observables, members.by_name(observed, count), strict=True))
    if program.coefficients.has_quadrature:
        coarse, *_ = _run(program, members, method, length, record, machine, count, seed, refinement=1)
        errors = members.by_name(np.abs(path - coarse), count)
        variables.update({f"{name}_error": error for name, error in zip(names, errors, strict=True)})
    described = {
        **attributes(equations, members.fixed, f"{_described(method)}, {machine.precision} on {machine.target}"),
        "title": f"paths of {type(equations).__name__}",
        "seed": seed,
        "replicas": count,
    }
    result = assembled(variables, elapsed, members, equations, described, replicas=count)
    sizes = members.dimensions(count)
    for name, values in (("diverged", stopped >= 0), ("diverged_step", stopped), ("clamped_steps", clamped)):
        result[name] = (tuple(sizes), values.reshape(tuple(sizes.values())))
    return result


@lru_cache(maxsize=64)
def _program(equations: SDE, milstein: bool, target: Target, precision: Precision) -> SdeProgram:
    """The program of equations; printing large ones takes longer than running them."""
    return sde_program(equations, milstein=milstein, target=target, precision=precision)


def refuse_order(equations: SDE, method: PathMethod) -> None:
    """Raise `InvalidRequest` where the method does not reach the order that it states."""
    obstacle = noise_obstacle(equations) if isinstance(method, Milstein) else None
    if obstacle:
        raise InvalidRequest(
            f"method={method}: {obstacle}, so strong order 1 needs iterated integrals of two Brownian motions, which Milstein "
            f"leaves out; use EulerMaruyama(steps={method.steps})"
        )


def _run(
    program: SdeProgram,
    members: Ensemble,
    method: PathMethod,
    length: float,
    record: NDArray[np.int64],
    machine: Machine,
    replicas: int,
    seed: int,
    *,
    refinement: int,
) -> tuple[NDArray[Any], NDArray[np.int64], NDArray[np.int64]]:
    count = (members.count or 1) * replicas
    coefficients = program.coefficients
    path = np.empty((record.size, len(coefficients.state), count), machine.precision.dtype)
    stopped, clamped = np.empty(count, np.int64), np.empty(count, np.int64)
    points = rules(set(coefficients.dimensions), refinement=refinement) if coefficients.has_quadrature else ()
    settings = (replicas, np.uint64(seed), 0, length, method.draws_per_step, record)
    results = (path, stopped, clamped)
    program.kernel.run(count, members.start, members.hyper, *settings, *points, *results, threads=machine.threads)
    return results


def _described(method: PathMethod) -> str:
    name = "Euler-Maruyama" if isinstance(method, EulerMaruyama) else "Milstein"
    drawn = f", Brownian path in {method.brownian_steps} increments" if method.brownian_steps else ""
    return f"{name} (Ito), {method.steps} steps{drawn}"
