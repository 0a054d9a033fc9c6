"""`simulate`: SGD itself, replica by replica, with reproducible draws."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, TypeVar

import xarray as xr

from numerics.precision import Precision
from numerics.results import dataset
from numerics.simulation.direct import direct_program, run_direct
from numerics.simulation.request import (
    check_data,
    check_request,
    dimension_of,
    needed_symbols,
    observed_statistics,
    recorded_steps,
)
from numerics.simulation.run import Run
from numerics.start import at_rest, build_start
from numerics.targets import Target, backend
from numerics.templates.chain_state import gaussian_vectors
from numerics.templates.names import velocities
from numerics.values import numbers_for
from theory import SGD, Clock, Equations, Model
from theory.errors import InvalidRequest
from theory.identity import content_hash
from theory.laws.law import Slot
from theory.vectors import Vector

Choice = TypeVar("Choice", bound=StrEnum)


class Method(StrEnum):
    """How SGD is simulated."""

    DIRECT = "direct"
    """The algorithm itself, on vectors of R^n: for every model."""
    CHAIN = "chain"
    """The Markov chain of the inner products, exact in law at finite n at a cost independent of n: for Gaussian data."""


def simulate(
    model: Model,
    algorithm: SGD,
    *,
    observe: Equations | Mapping[str, Any],
    start: Mapping[Any, Any],
    until: float,
    at: Mapping[Any, Any] | None = None,
    replicas: int = 64,
    seed: int = 0,
    clock: Clock | None = None,
    times: Any = None,
    method: Method | str = Method.DIRECT,
    target: Target | str = Target.CPU,
    precision: Precision | str = Precision.FLOAT64,
    threads: int | None = None,
) -> xr.Dataset:
    """Return statistics along SGD as a dataset over (replica, time).

    Parameters
    ----------
    observe : equations (their statistics and clock are taken), or name -> expression with `clock=`. Expressions may hold the
        momentum variables, `velocity_w` for a parameter `w`.
    start : values of statistics, inner products, parameters, or laws: see `numerics.start`.
    until : last time, in units of the clock.  times : recorded times; by default 41 equally spaced ones in [0, until].
    at : a number for every hyperparameter and dimension.
    replicas : independent runs (a fixed data set is shared by all).  seed : of all randomness; same seed, same bits.
    method : `Method.DIRECT`, or `Method.CHAIN` where the model allows it.
    target : where the kernel runs.  precision : of its arithmetic; single precision is about twice as fast, and its rounding
        (relatively 1e-7 a step) is far below the Monte Carlo error of any feasible number of replicas.
    threads : worker threads of a CPU; the result does not depend on it.

    Vectors given by inner products start in one random orthonormal frame for all replicas. For Gaussian data no result depends on
    it; for other laws of entries results are conditional on it, which the attribute `start` says: repeat with other seeds, or
    give the vectors themselves.

    A replica whose state leaves the finite numbers is stopped; `diverged` marks it and `diverged_step` says when; its statistics
    are NaN from then on. Raises the errors of `numerics.values` and `numerics.start`, `InvalidRequest`, and
    `TargetUnavailable` where the target cannot run.
    Cost of direct SGD: replicas x steps x (vectors x dimension); memory replicas x vectors x dimension. Cost of the chain:
    replicas x steps.
    """
    statistics, unit = observed_statistics(model, observe, clock)
    check_request(replicas, until, seed, threads)
    way, where, number_format = _choice(Method, method), _choice(Target, target), _choice(Precision, precision)
    backend(where).require()
    needed = needed_symbols(model, algorithm, statistics, start)
    values = numbers_for(needed, {**model.known_dimensions, **(at or {})}, "simulate", optional=model.known_dimensions)
    check_data(model, values)
    dimension = dimension_of(model, statistics, values)
    run = Run(model, algorithm, values, dimension)
    record, elapsed = recorded_steps(times, until, unit, run)
    options: dict[str, Any] = {"replicas": replicas, "seed": seed, "threads": threads}
    if way is Method.CHAIN:
        from numerics.simulation.chain import run_chain_from

        out, stopped = run_chain_from(run, statistics, start, record, target=where, precision=number_format, **options)
    else:
        program = direct_program(run, statistics, target=where, precision=number_format)
        rested = at_rest(statistics, velocities(model, algorithm))
        began = build_start(model, program.signals, rested, start, values, dimension, replicas, seed)
        out, stopped = run_direct(program, run, began, record, **options)
    result = dataset(
        {name: out[:, :, index] for index, name in enumerate(statistics)},
        elapsed,
        clock=unit,
        replicas=True,
        attributes={
            "title": "direct SGD" if way is Method.DIRECT else "SGD as a chain of inner products, exact in law",
            "method": str(way),
            "target": str(where),
            "precision": str(number_format),
            "seed": seed,
            "replicas": replicas,
            "model_hash": content_hash((model, algorithm)),
            "conventions": "; ".join(algorithm.conventions()),
            "sampling": str(run.mode),
            "at": ", ".join(f"{k}={v:g}" for k, v in values.items()),
            "algorithm": repr(algorithm),
            "start": _frame_note(model) if way is Method.DIRECT else None,
        },
    )
    result["diverged"] = ("replica", stopped >= 0)
    result["diverged_step"] = ("replica", stopped)
    return result


def _frame_note(model: Model) -> str | None:
    """What a reader must know of the start, where the directions of vectors matter."""
    isotropic = gaussian_vectors(model)
    entries = [
        (name, law)
        for names, law in model.data
        for name, slot in zip(names, getattr(law, "slots", ()), strict=False)
        if isinstance(name, Vector) and slot != Slot.VECTOR  # random combinations of fixed vectors turn with the frame
    ]
    if all(name in isotropic and law.moment(1) == 0 for name, law in entries):
        return None
    return (
        "vectors given by inner products lie in one random orthonormal frame, drawn from the seed and shared by all replicas; "
        "the law of the data is not rotation invariant, so results are conditional on it"
    )


def _choice(kind: type[Choice], value: Any) -> Choice:
    names = list(kind)
    if value not in names:
        raise InvalidRequest(f"{kind.__name__.lower()}={value!r} is unknown; choose one of {', '.join(names)}")
    return kind(value)
