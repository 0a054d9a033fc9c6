"""Direct SGD: the algorithm itself on the model itself, replica by replica, with reproducible draws."""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import sympy
import xarray as xr
from numpy.typing import NDArray
from sympy import Expr, Symbol

from numerics.results import dataset
from numerics.start import Start, at_rest, build_start
from numerics.templates.sgd import SgdProgram, sgd_program, velocities
from numerics.values import numbers_for, whole_number
from theory import SGD, Clock, DecoupledDecay, Equations, Model, Sampling, SoftThreshold
from theory.algorithm import Bernoulli, Persistent
from theory.errors import DuplicateName, InvalidAlgorithm, InvalidRequest, UnknownSymbol
from theory.identity import content_hash
from theory.laws.law import Law
from theory.laws.parameters import simple_rational
from theory.vectors import Vector

Array = NDArray[np.float64]


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
    threads: int | None = None,
) -> xr.Dataset:
    """Return statistics along direct SGD as a dataset over (replica, time).

    Parameters
    ----------
    observe : equations (their statistics and clock are taken), or name -> expression with `clock=`. Expressions may hold the
        momentum variables, `velocity_w` for a parameter `w`.
    start : values of statistics, inner products, parameters, or laws: see `numerics.start`.
    until : last time, in units of the clock.  times : recorded times; by default 41 equally spaced ones in [0, until].
    at : a number for every hyperparameter and dimension.
    replicas : independent runs (a fixed data set is shared by all).  seed : of all randomness; same seed, same bits.
    threads : worker threads; the result does not depend on it.

    A replica whose state leaves the finite numbers is stopped; `diverged` marks it and `diverged_step` says when; its statistics
    are NaN from then on. Raises the errors of `numerics.values` and `numerics.start`, and `InvalidRequest`.
    Cost: replicas x steps x (vectors x dimension); memory replicas x vectors x dimension.
    """
    statistics, unit = _observed(model, observe, clock)
    _check_request(replicas, until, seed, threads)
    needed = _needed(model, algorithm, statistics, start)
    values = numbers_for(needed, {**model.known_dimensions, **(at or {})}, "simulate", optional=model.known_dimensions)
    _check_data(model, values)
    dimension = _dimension(model, statistics, values)
    run = _Run(model, algorithm, values, dimension)
    program = sgd_program(model, algorithm, statistics, values)
    began = build_start(
        model,
        program.signals,
        at_rest(statistics, velocities(model, algorithm)),
        start,
        values,
        dimension,
        replicas,
        seed,
    )
    record, elapsed = _recorded_steps(times, until, unit, run)
    out, stopped = _run_replicas(program, run, began, record, replicas, seed, threads)
    result = dataset(
        {name: out[:, :, index] for index, name in enumerate(statistics)},
        elapsed,
        clock=unit,
        replicas=True,
        attributes={
            "title": "direct SGD",
            "seed": seed,
            "replicas": replicas,
            "model_hash": content_hash((model, algorithm)),
            "conventions": "; ".join(algorithm.conventions()),
            "sampling": str(run.mode),
            "at": ", ".join(f"{k}={v:g}" for k, v in values.items()),
            "algorithm": repr(algorithm),
        },
    )
    result["diverged"] = ("replica", stopped >= 0)
    result["diverged_step"] = ("replica", stopped)
    return result


class _Run:
    """The numbers of one run: rates, batch, data-set size."""

    def __init__(self, model: Model, algorithm: SGD, values: Mapping[Expr, float], dimension: int) -> None:
        self.model, self.algorithm, self.values, self.dimension = model, algorithm, values, dimension
        self.mode = algorithm.sampling_for(model.data_count)
        self.rate = self.number(algorithm.learning_rate)
        if self.rate <= 0:
            raise InvalidAlgorithm(
                f"learning_rate = {algorithm.learning_rate} is {self.rate:g} at these values; it must be positive"
            )
        self.batch = whole_number(self.number(algorithm.batch_size), "batch_size")
        samples = model.data_count if model.data_count is not None else algorithm.samples
        self.count = 0 if samples is None else whole_number(self.number(sympy.sympify(samples)), "samples")
        self._check_numbers()
        if (
            self.mode in (Sampling.WITHOUT_REPLACEMENT, Sampling.RESHUFFLED, Sampling.CYCLIC)
            and self.batch > self.count
        ):
            raise InvalidAlgorithm(f"a batch of {self.batch} is larger than the data set of {self.count}")
        if self.mode in (Sampling.RESHUFFLED, Sampling.CYCLIC) and self.count % self.batch:
            raise InvalidAlgorithm(
                f"sampling={self.mode} needs a data set ({self.count}) that is a multiple of the batch ({self.batch})"
            )

    def number(self, expression: Expr) -> float:
        """The value of an expression of the hyperparameters."""
        value = sympy.sympify(expression).xreplace({k: sympy.Float(v, 17) for k, v in self.values.items()})
        if not (value.is_real and value.is_finite):
            raise InvalidAlgorithm(f"{expression} is {value} at these values; a finite real number is needed")
        return float(value)

    def _check_numbers(self) -> None:
        """State the algorithm again with numbers for its symbols: the statement refuses what is impossible."""
        algorithm = self.algorithm
        momentum, decay, proximal, mode = algorithm.momentum, algorithm.weight_decay, algorithm.proximal, self.mode
        SGD(
            self.rate,
            batch_size=self.batch,
            temperature=self.number(algorithm.temperature),
            constraint=algorithm.constraint,
            momentum=None if momentum is None else type(momentum)(sympy.Float(self.number(momentum.beta))),
            weight_decay=DecoupledDecay(sympy.Float(self.number(decay.rate)))
            if isinstance(decay, DecoupledDecay)
            else self.number(decay),
            proximal=None if proximal is None else SoftThreshold(sympy.Float(self.number(proximal.strength))),
            samples=None if algorithm.samples is None else self.count,
            sampling=type(mode)(*map(self.number, mode.content()))
            if isinstance(mode, (Bernoulli, Persistent))
            else None,
        )

    def settings(self) -> Array:
        """The numbers in the order of `numerics.templates.sgd.SETTINGS`."""
        algorithm, rate = self.algorithm, self.rate
        beta = 0.0 if algorithm.momentum is None else self.number(algorithm.momentum.beta)
        threshold = 0.0 if algorithm.proximal is None else rate * self.number(algorithm.proximal.strength)
        fraction, switch_on, switch_off = 1.0, 0.0, 0.0
        if isinstance(self.mode, (Bernoulli, Persistent)):
            fraction = self.number(self.mode.fraction)
        if isinstance(self.mode, Persistent):  # stationarity fixes the way back: fraction * off = (1 - fraction) * on
            switch_on = rate / self.number(self.mode.persistence_time)
            switch_off = switch_on * (1 - fraction) / fraction
            if switch_on > 1 or switch_off > 1:
                raise InvalidAlgorithm(
                    f"{self.mode} at learning_rate={rate:g} needs switching probabilities {switch_on:g} and "
                    f"{switch_off:g}; raise tau so that both are at most 1"
                )
        return np.array(
            [
                rate,
                beta,
                self.number(algorithm.coupled_decay),
                1 - rate * self.number(algorithm.decoupled_decay),
                np.sqrt(2 * rate * self.number(algorithm.temperature)),
                threshold,
                fraction,
                switch_on,
                switch_off,
            ]
        )

    def step_length(self, unit: Clock) -> float:
        """How far the clock moves in one step."""
        if unit == Clock.STEPS:
            return 1.0
        if unit == Clock.LEARNING_RATE_TIMES_STEPS:
            return self.rate
        if unit == Clock.STEPS_PER_DIMENSION:
            if not self.model.vectors:
                raise InvalidRequest(
                    "the clock counts steps / n, but the model has no vectors and so no n; use another clock"
                )
            return 1.0 / self.dimension
        if not self.count:
            raise InvalidRequest("the clock counts epochs, but there is no fixed data set; use another clock")
        if self.mode == Sampling.FULL_BATCH:
            return 1.0
        fraction = (
            self.number(self.mode.fraction)
            if isinstance(self.mode, (Bernoulli, Persistent))
            else self.batch / self.count
        )
        return fraction


def _observed(model: Model, observe: Any, clock: Clock | None) -> tuple[dict[str, Expr], Clock]:
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


def _check_request(replicas: Any, until: Any, seed: Any, threads: Any) -> None:
    if isinstance(replicas, bool) or not isinstance(replicas, (int, np.integer)) or replicas < 1:
        raise InvalidRequest(f"replicas={replicas!r}: at least one run is needed (two for statistics)")
    if not isinstance(until, (int, float, np.number)) or not np.isfinite(until) or until <= 0:
        raise InvalidRequest(f"until={until!r}: the last time must be a positive number, in units of the clock")
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= seed < 2**64:
        raise InvalidRequest(f"seed={seed!r}: a whole number in [0, 2**64) is needed")
    if threads is not None and (not isinstance(threads, int) or threads < 1):
        raise InvalidRequest(f"threads={threads!r}: at least one is needed")


def _needed(model: Model, algorithm: SGD, statistics: Mapping[str, Expr], start: Mapping[Any, Any]) -> list[Expr]:
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


def _check_data(model: Model, values: Mapping[Expr, float]) -> None:
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


def _dimension(model: Model, statistics: Mapping[str, Expr], values: Mapping[Expr, float]) -> int:
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


def _recorded_steps(times: Any, until: float, unit: Clock, run: _Run) -> tuple[NDArray[np.int64], Array]:
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


def _run_replicas(
    program: SgdProgram,
    run: _Run,
    start: Start,
    record: NDArray[np.int64],
    replicas: int,
    seed: int,
    threads: int | None,
) -> tuple[Array, NDArray[np.int64]]:
    hyper = np.array([run.values[symbol] for symbol in program.hyperparameters], dtype=float)
    sets, columns = _data_set(program, run, start, hyper, seed)
    settings = run.settings()
    out = np.full((replicas, record.size, len(program.statistics)), np.nan)
    stopped = np.full(replicas, -1, dtype=np.int64)
    key = np.uint64(seed)

    def one(replica: int) -> None:
        vectors = start.vectors[replica if len(start.vectors) > 1 else 0]
        scalars = start.scalars[replica if len(start.scalars) > 1 else 0]
        stopped[replica] = program.kernel(
            key,
            0,
            replica,
            hyper,
            settings,
            run.batch,
            run.count,
            np.ascontiguousarray(vectors),
            np.ascontiguousarray(scalars),
            start.signals,
            *sets,
            columns,
            *program.tables.values(),
            record,
            out[replica],
        )

    one(0)  # compiles, or loads machine code, before the threads start
    workers = threads or os.cpu_count() or 1
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(one, range(1, replicas)))
    return out, stopped


def _data_set(program: SgdProgram, run: _Run, start: Start, hyper: Array, seed: int) -> tuple[list[Array], Array]:
    """The fixed data set, one for all replicas: from arrays, or drawn once from the laws."""
    if program.fill is not None:
        sets = [np.empty((run.count, run.dimension)) for _ in program.set_vectors]
        columns = np.empty((run.count, len(program.set_scalars)))
        program.fill(
            np.uint64(seed), 0, hyper, run.dimension, run.count, start.signals, *sets, columns, *program.tables.values()
        )
        return sets, columns
    arrays: dict[Any, Array] = {}
    for names, law in run.model.data:
        if hasattr(law, "arrays"):
            arrays.update(
                {name: np.ascontiguousarray(array, dtype=float) for name, array in zip(names, law.arrays, strict=True)}
            )
    sets = [arrays[vector].reshape(run.count, -1) for vector in program.set_vectors]
    scalars = [arrays[symbol].reshape(run.count) for symbol in program.set_scalars]
    return sets, np.ascontiguousarray(np.stack(scalars, axis=1) if scalars else np.zeros((1, 0)))
