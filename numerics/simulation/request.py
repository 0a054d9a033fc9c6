"""What a simulation is asked for, checked at the door: statistics, clock, times, values, dimensions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import sympy
from numpy.typing import NDArray
from sympy import Expr, Symbol

from numerics.simulation.run import Run
from numerics.templates.names import velocities
from numerics.values import whole_number
from theory import SGD, Clock, Equations, Model
from theory.errors import DuplicateName, InvalidRequest, UnknownSymbol
from theory.laws.law import Law
from theory.laws.parameters import simple_rational
from theory.vectors import Vector

Array = NDArray[np.float64]


def observed_statistics(model: Model, observe: Any, clock: Clock | None) -> tuple[dict[str, Expr], Clock]:
    """The statistics to record and the clock, from equations or a dictionary; refuses names and symbols that cannot be."""
    if isinstance(observe, Equations):
        if not observe.statistics:
            raise InvalidRequest(
                f"observe={type(observe).__name__} carries no statistics; give observe={{'name': expression}}"
            )
        return {name: sympy.sympify(value) for name, value in observe.statistics.items()}, clock or observe.clock
    if not isinstance(observe, Mapping) or not observe:
        raise InvalidRequest("observe takes equations, or a dictionary name -> expression")
    if clock is None:
        raise InvalidRequest(
            "observe is a dictionary, so the clock is not known; give clock=Clock.STEPS or another Clock"
        )
    statistics = {str(name): sympy.sympify(value) for name, value in observe.items()}
    taken = {item.name: item for item in (*model.parameters, *model.random, *model.vectors)}
    for name, value in statistics.items():
        if name in ("time", "replica", "diverged", "diverged_step"):
            raise DuplicateName(f"the statistic {name!r} carries a name that every result uses itself; rename it")
        if name in taken and taken[name] != value:
            raise DuplicateName(f"the statistic {name!r} carries the name of {taken[name]!r} of the model; rename it")
        strangers = sorted(
            (value.atoms(Vector) & set(model.data_vectors)) | (value.free_symbols & set(model.random)), key=str
        )
        if strangers:
            raise UnknownSymbol(
                f"statistic {name!r} holds the random {strangers[0]}; statistics are functions of the parameters"
            )
    return statistics, clock


def check_request(replicas: Any, until: Any, seed: Any, threads: Any) -> None:
    """Raise `InvalidRequest` for impossible numbers of replicas, times, seeds and threads."""
    if isinstance(replicas, bool) or not isinstance(replicas, (int, np.integer)) or replicas < 1:
        raise InvalidRequest(f"replicas={replicas!r}: at least one run is needed (two for statistics)")
    if not isinstance(until, (int, float, np.number)) or not np.isfinite(until) or until <= 0:
        raise InvalidRequest(f"until={until!r}: the last time must be a positive number, in units of the clock")
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= seed < 2**64:
        raise InvalidRequest(f"seed={seed!r}: a whole number in [0, 2**64) is needed")
    if threads is not None and (not isinstance(threads, int) or threads < 1):
        raise InvalidRequest(f"threads={threads!r}: at least one is needed")


def needed_symbols(
    model: Model, algorithm: SGD, statistics: Mapping[str, Expr], start: Mapping[Any, Any]
) -> list[Expr]:
    """Every symbol that needs a number: hyperparameters, the algorithm's symbols, the dimensions, those of laws in the start."""
    found: set[Any] = set(model.hyperparameters) | set(model.dimensions) | set(algorithm.free_symbols)
    found |= {s for law in start.values() if isinstance(law, Law) for s in law.free_symbols}
    for expression in statistics.values():
        found |= {s for s in expression.free_symbols if isinstance(s, Symbol)} - {
            *model.parameters,
            *velocities(model, algorithm),
        }
        found |= {s for v in expression.atoms(Vector) for s in v.dimension.free_symbols}
    return sorted(found - set(model.random) - set(model.parameters), key=str)


def check_data(model: Model, values: Mapping[Expr, float]) -> None:
    """What the values make of the data: possible laws, and the widths of the arrays."""
    for symbol, width in model.known_dimensions.items():
        if values.get(symbol, width) != width:
            raise InvalidRequest(
                f"at={{{symbol}: {values[symbol]:g}}}: the data array has {width} columns, so {symbol} is {width}"
            )
    numbers = {symbol: simple_rational(sympy.Float(value, 17)) for symbol, value in values.items()}
    for _, law in model.data:
        if isinstance(law, Law):
            law.substitute({s: numbers[s] for s in law.free_symbols})  # raises InvalidLaw


def dimension_of(model: Model, statistics: Mapping[str, Expr], values: Mapping[Expr, float]) -> int:
    """The dimension that all vectors share, 1 where there are none."""
    vectors = set(model.vectors) | {v for e in statistics.values() for v in e.atoms(Vector)}
    sizes = {
        whole_number(
            float(v.dimension.xreplace({k: sympy.Float(x, 17) for k, x in values.items()})), f"the dimension of {v}"
        )
        for v in vectors
    }
    if len(sizes) > 1:
        raise InvalidRequest(f"the vectors have different dimensions {sorted(sizes)}; simulate covers one dimension")
    return sizes.pop() if sizes else 1


def recorded_steps(times: Any, until: float, unit: Clock, run: Run) -> tuple[NDArray[np.int64], Array]:
    """The recorded steps, increasing, and their times in units of the clock."""
    length = run.step_length(unit)
    wanted = np.linspace(0.0, until, 41) if times is None else np.asarray(times, dtype=float)
    if (
        wanted.ndim != 1
        or wanted.size == 0
        or not np.isfinite(wanted).all()
        or (wanted < 0).any()
        or (wanted > until * (1 + 1e-9)).any()
    ):
        raise InvalidRequest(f"times must be numbers in [0, until={until:g}], got {times!r}")
    last = np.floor(until / length * (1 + 1e-12))  # the recorded times stay within [0, until], as those of solve do
    steps = np.unique(np.minimum(np.rint(wanted / length), last).astype(np.int64))
    if steps[-1] == 0 < wanted.max():
        raise InvalidRequest(
            f"the last recorded time {wanted.max():g} is less than one step ({length:g} in units of the clock)"
        )
    if steps[-1] >= 2**32:
        raise InvalidRequest(
            f"{steps[-1]} steps are more than the random-number counter holds (2**32); raise the learning rate"
        )
    return steps, np.asarray(steps * length, dtype=np.float64)
