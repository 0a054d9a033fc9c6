"""Maps iterated for many replicas at once: random maps with their own draws, recurrences from many starts and values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy
import xarray as xr
from numpy.typing import NDArray
from sympy import Expr

from numerics.precision import Precision
from numerics.results import dataset
from numerics.solve.replicas import (
    array_of_values,
    check_laws,
    check_machine,
    check_randomness,
    replica_start,
    symbols_of,
    values_of,
)
from numerics.solve.request import attributes, output_times
from numerics.targets import Target
from numerics.templates.map_draws import draws_of
from numerics.templates.maps import check_map, map_program
from theory import Clock, Recurrence
from theory.errors import DuplicateName, InvalidRequest, ValuesError
from theory.laws.law import Law

Array = NDArray[np.float64]
RESERVED = ("time", "replica", "trajectory", "diverged", "diverged_step")
"""Names that results use themselves."""


def iterate_random_map(
    equations: Recurrence,
    *,
    start: Mapping[Any, Any],
    until: int,
    at: Mapping[Any, Any] | None = None,
    times: Any = None,
    observe: Mapping[str, Any] | None = None,
    replicas: int = 64,
    seed: int = 0,
    target: Target = Target.CPU,
    precision: Precision = Precision.FLOAT64,
    threads: int | None = None,
) -> xr.Dataset:
    r"""Return runs of a random map as a dataset over (replica, time), in the form of a simulation.

    $x_{t+1} = F(x_t; z_t)$ with fresh draws $z_t$ for every replica and step.

    Parameters
    ----------
    equations : a `RandomMap`, or a `Recurrence`, whose replicas then differ by their starts only.
    start : for each state quantity a number, an array over replicas, or a law. Momentum buffers may be left out: they start empty.
    until : the last step.  times : recorded steps; by default 41 equally spaced ones.
    at : a number for every symbol of the map and of its laws, or arrays of one length: the runs of every entry then lie along a
        dimension `trajectory`, before `replica`.
    observe : name -> function of the state to be recorded; by default the state and the observables of the equations.
    replicas : independent runs.  seed : of all randomness; same seed, same bits.
    target, precision : where and in which format the program runs.  threads : worker threads on the CPU; the result does not
        depend on it.

    A replica whose state leaves the finite numbers is marked by `diverged`, at the step `diverged_step` (-1 if it never does), and
    NaN from then on. Raises `MissingValue`, `UnknownValue`, `ValuesError`, `InvalidLaw`, `InvalidRequest`, `TargetUnavailable`.

    Cost: on one core, 3 to 10 ns per replica and step for maps of a few scalars with normal draws; draws by rejection (gamma)
    and from tables of more than 16 rows cost about 50.

    >>> from theory import RandomMap, symbols
    >>> from theory.laws import Normal
    >>> w, x, eta = symbols("w x eta")
    >>> step = RandomMap(update={w: w - eta*x**2*w}, draws=(((x,), Normal()),))
    >>> runs = iterate_random_map(step, at={eta: 0.1}, start={w: 1.0}, until=100, times=[0, 100], replicas=4, seed=1)
    >>> runs["w"].dims, bool((abs(runs["w"].values[:, 1]) < 0.1).all()), bool(runs["diverged"].any())
    (('replica', 'time'), True, False)
    """
    check_map(equations, "iterate_random_map")
    check_randomness(replicas, seed)
    symbols = symbols_of(equations, start, observe)
    return _iterated(
        equations, symbols, start, until, at, times, observe, (int(replicas), seed), target, precision, threads
    )


def solve_map_ensemble(
    equations: Recurrence,
    *,
    start: Mapping[Any, Any],
    until: int,
    at: Mapping[Any, Any] | None = None,
    times: Any = None,
    observe: Mapping[str, Any] | None = None,
    target: Target = Target.CPU,
    precision: Precision = Precision.FLOAT64,
    threads: int | None = None,
) -> xr.Dataset:
    """Return the solutions of a recurrence from many starts and for many values, over (trajectory, time).

    Parameters as for `iterate_random_map`, but numbers or arrays of one length in `start` and `at`: trajectory k takes entry k
    of each. The varied values are coordinates of the result (`NAME` for a symbol, `NAME_start` for a start). Without any array the
    result is over (time,) alone, and a solution that leaves the finite numbers raises `InvalidRequest`.

    >>> from theory import Recurrence, symbols
    >>> x, r = symbols("x r")
    >>> logistic = Recurrence(update={x: r*x*(1 - x)})
    >>> solution = solve_map_ensemble(logistic, at={r: [1.5, 2.0, 5.0]}, start={x: 0.3}, until=200, times=[200])
    >>> solution["x"].values[:2, 0].round(12).tolist(), solution["diverged"].values.tolist()
    ([0.333333333333, 0.5], [False, False, True])
    """
    check_map(equations, "solve_map_ensemble")
    if draws_of(equations):
        raise InvalidRequest(
            "solve_map_ensemble takes recurrences without draws; a RandomMap goes to iterate_random_map"
        )
    laws = [key for key, value in start.items() if isinstance(value, Law)]
    if laws:
        raise ValuesError(f"start={{{laws[0]}: {start[laws[0]]}}}: random starts need replicas: use iterate_random_map")
    symbols = symbols_of(equations, start, observe)
    return _iterated(equations, symbols, start, until, at, times, observe, None, target, precision, threads)


def _iterated(
    equations: Recurrence,
    symbols: tuple[Expr, ...],
    start: Mapping[Any, Any],
    until: Any,
    at: Mapping[Any, Any] | None,
    times: Any,
    observe: Mapping[str, Any] | None,
    randomness: tuple[int, int] | None,
    target: Any,
    precision: Any,
    threads: Any,
) -> xr.Dataset:
    where, format_ = check_machine(target, precision, threads)
    steps = steps_of(equations, until, times)
    observed = _observed(equations, observe)
    paths = _paths(equations, symbols, at or {}, start, observed, randomness)
    program = map_program(equations, observed, paths.shared, paths.varied, target=where, precision=format_)
    out = np.empty((steps.size, len(observed), paths.count), format_.dtype)
    stopped = np.empty(paths.count, np.int64)
    hyper = [paths.varied[s] if s in program.varying else paths.shared[s] for s in program.hyperparameters]
    seed = 0 if randomness is None else randomness[1]
    program.kernel.run(
        paths.count, paths.start, steps, out, stopped, np.uint64(seed), *hyper, *program.tables, threads=threads
    )
    if not paths.dimensions and stopped[0] >= 0:
        raise InvalidRequest(
            f"the recurrence leaves the finite numbers at step {stopped[0]}: it is unstable at these values; shorten until, or lower "
            f"the learning rate"
        )
    described = {
        **attributes(equations, paths.shared, f"iteration of the generated step, {format_} on {where}"),
        **({} if randomness is None else {"title": f"runs of {type(equations).__name__}", "seed": seed}),
        **({} if randomness is None else {"replicas": randomness[0]}),
    }
    result: xr.Dataset = dataset({}, steps.astype(float), clock=equations.clock, replicas=False, attributes=described)
    for k, name in enumerate(observed):
        result[name] = ((*paths.dimensions, "time"), out[:, k].T.reshape(*paths.shape, -1), {"units": "1"})
    if paths.dimensions:
        result["diverged"] = (paths.dimensions, (stopped >= 0).reshape(paths.shape))
        result["diverged_step"] = (paths.dimensions, stopped.reshape(paths.shape))
    return result.assign_coords({name: ("trajectory", array) for name, array in paths.coordinates.items()})


@dataclass(frozen=True)
class _Paths:
    """What every path starts from and takes for its values.

    `start` : (state, path). `shared` and `varied` : values of symbols, of all paths or one for each. `dimensions`, `shape` : how the
    paths are arranged. `coordinates` : the values that vary over trajectories.
    """

    start: Array
    shared: dict[Expr, float]
    varied: dict[Expr, Array]
    dimensions: tuple[str, ...]
    shape: tuple[int, ...]
    coordinates: dict[str, Array]

    @property
    def count(self) -> int:
        return int(self.start.shape[1])


def _paths(
    equations: Recurrence,
    symbols: tuple[Expr, ...],
    at: Mapping[Any, Any],
    start: Mapping[Any, Any],
    observed: Mapping[str, Expr],
    randomness: tuple[int, int] | None,
) -> _Paths:
    shared, varied = values_of(symbols, at, f"the {type(equations).__name__}")
    check_laws(equations, shared, varied)
    coordinates = {str(symbol): array for symbol, array in varied.items()}
    if randomness is None:
        arrays = {str(key): array_of_values("start", key, value) for key, value in start.items() if np.ndim(value)}
        coordinates |= {f"{key}_start": array for key, array in arrays.items()}
    lengths = {name: array.size for name, array in coordinates.items()}
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"{name} has {size}" for name, size in lengths.items())
        raise ValuesError(f"arrays of values need one common length, but {listed}; each entry is one trajectory")
    if clash := sorted(set(coordinates) & {*observed, *RESERVED}):
        raise DuplicateName(
            f"the varied value {clash[0]!r} carries a name that the result uses itself; rename the symbol"
        )
    trajectories = next(iter(lengths.values()), None)
    columns = trajectories or 1
    replicas, seed = (columns, 0) if randomness is None else randomness
    begin = replica_start(equations, start, {**shared, **{s: np.nan for s in varied}}, replicas, seed)
    shape: tuple[int, ...] = () if trajectories is None else (columns,)
    names: tuple[str, ...] = () if trajectories is None else ("trajectory",)
    if randomness is not None:  # every trajectory has all replicas
        shape, names = (*shape, replicas), (*names, "replica")
        begin, varied = np.tile(begin, columns), {s: np.repeat(array, replicas) for s, array in varied.items()}
    return _Paths(begin, shared, varied, names, shape, coordinates)


def steps_of(equations: Recurrence, until: Any, times: Any) -> NDArray[np.int64]:
    """The recorded steps of a map, increasing. Raises `InvalidRequest`."""
    if equations.clock != Clock.STEPS:
        raise InvalidRequest(f"a map is iterated step by step, its clock is {equations.clock}")
    steps = np.unique(np.rint(output_times(until, times)).astype(np.int64))
    if steps[-1] >= 2**32:
        raise InvalidRequest(f"{steps[-1]} steps are more than the random-number counter holds (2**32)")
    return steps


def _observed(equations: Recurrence, observe: Mapping[str, Any] | None) -> dict[str, Expr]:
    if observe is None:
        chosen = {**{str(quantity): quantity for quantity in equations.state}, **equations.observables}
    elif isinstance(observe, Mapping) and observe:
        chosen = {str(name): sympy.sympify(value) for name, value in observe.items()}
    else:
        raise InvalidRequest("observe takes a dictionary name -> function of the state")
    for name in chosen:
        if name in RESERVED:
            raise DuplicateName(f"{name!r} carries a name that every result uses itself; rename it")
    return chosen
