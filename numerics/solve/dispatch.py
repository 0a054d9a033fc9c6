"""`solve`: one verb for every kind of equations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from numerics.precision import Precision
from numerics.solve.ensemble import varies
from numerics.solve.maps import iterate_random_map, solve_map_ensemble
from numerics.solve.methods import DormandPrince, DormandPrince853, Method, PathMethod, RungeKutta4, SmallNoise
from numerics.solve.ode import solve_ode, solve_small_noise
from numerics.solve.paths import solve_paths
from numerics.solve.recurrence import solve_moments, solve_recurrence
from numerics.solve.request import refuse_impossible_gram
from numerics.solve.trajectories import Machine, solve_trajectories
from numerics.stability.exponents import Runs, solve_stability
from numerics.targets import Target, backend
from theory import ODE, SDE, Equations, MomentRecurrence, RandomMap, Recurrence, Stability
from theory.errors import InvalidRequest


def solve(
    equations: Equations,
    *,
    start: Mapping[Any, Any] | None = None,
    until: float | None = None,
    at: Mapping[Any, Any] | None = None,
    times: Any = None,
    method: Method | None = None,
    target: Target = Target.CPU,
    precision: Precision = Precision.FLOAT64,
    replicas: int | None = None,
    seed: int = 0,
    threads: int | None = None,
) -> xr.Dataset:
    """Return the prediction of equations as a dataset over time.

    Parameters
    ----------
    equations : an `ODE`, an `SDE`; a `Recurrence` or a `MomentRecurrence`, which are iterated; a `RandomMap`, which is run; a
        `Stability`, whose Lyapunov exponents are returned: it takes no start and no until.
    start : the state at time 0: statistics by name; for moments, parameters or inner products, numbers or laws.
    until : last time, in units of the clock of the equations.  times : output times, by default 41 equally spaced ones.
    at : a number for every symbol of the equations.
    method : how, an object of `numerics.solve.methods`. For an ODE `DormandPrince853` (the default for one trajectory on the CPU in
        double precision), `DormandPrince` (the default otherwise), `RungeKutta4`, `Stiff`; for an SDE `SmallNoise` (the default: mean
        and covariance), `EulerMaruyama`, `Milstein` (paths).
    target, precision : where and in which format generated programs run.
    replicas, seed : random paths of an SDE or runs of a random map (64 by default), and the seed of all their randomness; same
        seed, same bits.
    threads : worker threads on the CPU; the result does not depend on it.

    *Ensembles.* Values of `start` or `at` of an ODE, of a recurrence, or of an SDE followed by paths, may be one-dimensional arrays
    of one length: trajectory k takes entry k of each. The result then has a dimension `trajectory`, the varied values as
    coordinates (`NAME` for a symbol, `NAME_start` for a start), and says which trajectories could not go on (`failed`, `failed_at`
    and `failure` for an ODE, `diverged` and `diverged_step` else): these are NaN from then on and counted, where a single one
    raises an error.

    *Paths and runs* have a dimension `replica` and variables `diverged`, `diverged_step`, as those of `simulate` (paths also
    `clamped_steps`); `compare` takes them in the place of a simulation. Starts of a random map may be laws.

    Equations with quadratures also get variables `NAME_error`: the difference to the solution with half the nodes.
    Raises `MissingValue`, `UnknownValue`, `ValuesError`, `StartUnderdetermined`, `TargetUnavailable`, and `InvalidRequest` for
    impossible combinations and for solutions that end early.

    >>> from theory import ODE, symbols
    >>> x, k = symbols("x k")
    >>> paths = solve(ODE(rates={x: -k*x}), at={k: [1, 2]}, start={x: 1.0}, until=1, times=[1.0])
    >>> paths["x"].dims, paths["x"].values.round(7).tolist()
    (('trajectory', 'time'), [[0.3678794], [0.1353353]])
    """
    machine = _machine(target, precision, threads)
    at = at or {}
    if isinstance(equations, Stability):
        given = {"start": start, "until": until, "times": times, "method": method}
        return solve_stability(equations, at, _runs(given, machine, replicas, seed))
    if start is None or until is None:
        raise InvalidRequest(
            f"solve needs start={{...}} and until=... for {type(equations).__name__}, which move in time"
        )
    varied = any(varies(value) for value in [*at.values(), *start.values()])
    if isinstance(equations, Recurrence):
        return _solve_map(equations, at, start, until, times, method, machine, replicas, seed, varied)
    if not isinstance(equations, ODE):
        raise InvalidRequest(
            f"solve has no method for {type(equations).__name__}; it takes ODE, SDE, Recurrence, MomentRecurrence, Stability"
        )
    chosen = _method(equations, method, machine, varied)
    _refuse_options(equations, chosen, machine, replicas, varied)
    _check_randomness(replicas, seed)
    backend(machine.target).require()
    if not varied:
        refuse_impossible_gram(equations, at, start)
    if isinstance(equations, SDE):
        if isinstance(chosen, PathMethod):
            return solve_paths(equations, at, start, until, times, chosen, machine, replicas, seed)
        return solve_small_noise(equations, at, start, until, times)
    if isinstance(chosen, (RungeKutta4, DormandPrince)):
        return solve_trajectories(equations, at, start, until, times, chosen, machine)
    return solve_ode(equations, at, start, until, times, chosen)


def _solve_map(
    equations: Recurrence,
    at: Mapping[Any, Any],
    start: Mapping[Any, Any],
    until: Any,
    times: Any,
    method: Method | None,
    machine: Machine,
    replicas: Any,
    seed: Any,
    varied: bool,
) -> xr.Dataset:
    """A recurrence: moments by their matrix, a random map by runs, an ensemble by a generated program."""
    generated = not isinstance(equations, MomentRecurrence)
    random = isinstance(equations, RandomMap)
    plain = not varied and machine.target == Target.CPU and machine.precision == Precision.FLOAT64
    if not generated or method is not None or (replicas is not None and not random):
        _refuse_options(equations, method, machine, replicas, varied)
    if isinstance(equations, MomentRecurrence):
        return solve_moments(equations, at, start, until, times)
    where: dict[str, Any] = {
        "target": machine.target,
        "precision": machine.precision,
        "threads": machine.threads,
        "times": times,
    }
    if random:
        count = 64 if replicas is None else replicas
        return iterate_random_map(equations, start=start, until=until, at=at, replicas=count, seed=seed, **where)
    if plain:
        return solve_recurrence(equations, at, start, until, times)
    return solve_map_ensemble(equations, start=start, until=until, at=at, **where)


def _runs(given: Mapping[str, Any], machine: Machine, replicas: Any, seed: Any) -> Runs:
    """How exponents of matrix blocks are simulated; what moves in time is refused."""
    for name, value in given.items():
        if value is not None:
            raise InvalidRequest(
                f"{name}=...: the exponents of a Stability are per step and have no {name}; leave it out"
            )
    if machine.precision != Precision.FLOAT64:
        raise InvalidRequest("exponents are computed in double precision; leave precision out")
    _check_randomness(replicas, seed)
    backend(machine.target).require()
    return Runs(
        replicas=64 if replicas is None else replicas, seed=seed, target=machine.target, threads=machine.threads
    )


def _machine(target: Any, precision: Any, threads: Any) -> Machine:
    backend(target)  # refuses an unknown one
    if precision not in tuple(Precision):
        raise InvalidRequest(f"precision={precision!r} is unknown; the formats are {', '.join(Precision)}")
    if threads is not None and (isinstance(threads, bool) or not isinstance(threads, (int, np.integer)) or threads < 1):
        raise InvalidRequest(f"threads={threads!r}: at least one is needed")
    return Machine(Target(target), Precision(precision), None if threads is None else int(threads))


def _method(equations: ODE, method: Method | None, machine: Machine, varied: bool) -> Any:
    """The method asked for, or the default for these equations."""
    stochastic = isinstance(equations, SDE)
    if method is None:
        if stochastic:
            return SmallNoise()
        plain = not varied and machine.target == Target.CPU and machine.precision == Precision.FLOAT64
        return DormandPrince853() if plain else DormandPrince()
    if not isinstance(method, Method) or type(method) in (Method, PathMethod):
        raise InvalidRequest(
            f"method={method!r}: expected an object such as DormandPrince() or EulerMaruyama(steps=...)"
        )
    if method.stochastic != stochastic:
        others = "SmallNoise(), EulerMaruyama(...), Milstein(...)"
        fitting = others if stochastic else "DormandPrince853(), DormandPrince(), RungeKutta4(...), Stiff()"
        raise InvalidRequest(
            f"method={method} is for {'an SDE' if method.stochastic else 'an ODE'}, not for {type(equations).__name__}; use "
            f"{fitting}"
        )
    return method


def _refuse_options(
    equations: Equations, method: Method | None, machine: Machine, replicas: Any, varied: bool = False
) -> None:
    """Options that the equations or the method have no use for."""
    name, kind = f"method={method}", type(equations).__name__
    if isinstance(equations, Recurrence):
        if method is not None:
            raise InvalidRequest(f"{name}: a {kind} is iterated step by step and takes no method")
        name = f"a {kind}"
    if replicas is not None and not isinstance(method, PathMethod):
        remedy = "method=EulerMaruyama(steps=...) follows paths" if isinstance(equations, SDE) else "leave it out"
        raise InvalidRequest(f"replicas={replicas}: {name} is deterministic, every replica would be equal; {remedy}")
    if method is not None and method.generated:
        return
    others = "EulerMaruyama(steps=...)" if isinstance(equations, SDE) else "DormandPrince() or RungeKutta4(steps=...)"
    remedy = "leave the option out" if isinstance(equations, Recurrence) else f"use {others}"
    if machine.target != Target.CPU:
        raise InvalidRequest(f"target={str(machine.target)!r}: {name} runs on the CPU only; {remedy}")
    if machine.precision != Precision.FLOAT64:
        raise InvalidRequest(f"precision={str(machine.precision)!r}: {name} runs in double precision only; {remedy}")
    if varied:
        raise InvalidRequest(f"an array of values in at or start: {name} solves one trajectory at a time; {remedy}")


def _check_randomness(replicas: Any, seed: Any) -> None:
    if replicas is not None and (
        isinstance(replicas, bool) or not isinstance(replicas, (int, np.integer)) or replicas < 1
    ):
        raise InvalidRequest(f"replicas={replicas!r}: at least one path is needed (two for statistics)")
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= seed < 2**64:
        raise InvalidRequest(f"seed={seed!r}: a whole number in [0, 2**64) is needed")
