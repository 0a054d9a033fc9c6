"""The four moves on a model file: the file's values stand in for whatever is not given."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from derivations.model_files import ModelFile, ModelFileError, Theory
from derivations.model_files.nearest import closest
from theory.errors import InvalidRequest, MissingValue, UnknownValue

if TYPE_CHECKING:
    import xarray as xr

    from numerics import Kernel
    from theory import Equations

REPLICAS = 32
"""Runs of a simulation where neither the command nor the model file says how many."""
_MISSING = re.compile(r"value for (.+?); give it as at=")


# ------------------------------------------------------------------------------------------------------------- derive


def derive(file: ModelFile, theory: Theory, *, fluctuations: bool = False) -> Equations:
    """Return the equations of a theory for the model of a file; raises what the theory raises.

    `fluctuations`: of a scaling limit, the stochastic differential equation that adds the noise at finite dimension. Raises
    `InvalidRequest` for another theory.
    """
    import theory as language

    if fluctuations and theory is not Theory.SCALING_LIMIT:
        raise InvalidRequest(f"--fluctuations are those of a scaling limit; the theory here is {theory}")
    if theory is Theory.SCALING_LIMIT:
        limit = language.scaling_limit(file.model, file.algorithm, statistics=file.statistics)
        return limit.fluctuations() if fluctuations else limit
    if theory is Theory.STABILITY:
        return language.stability(file.model, file.algorithm, point=_point(file))
    return language.moments(file.model, file.algorithm, of=file.statistics)


def _point(file: ModelFile) -> Mapping[Any, Any] | None:
    """The point of the file; None where it states none and an affine update needs none."""
    from theory.stability.fixed_point import is_affine

    if not file.point and not is_affine(file.model):
        raise ModelFileError(
            file.path,
            f"{file.path} states no point, and stability is that of a fixed point of SGD; add point with a number for "
            f"each of {', '.join(map(str, file.model.parameters))}",
        )
    return file.point or None


def with_values(equations: Equations, at: Mapping[str, Any], file: ModelFile) -> Equations:
    """Return the equations with exact numbers in place of symbols.

    Raises `UnknownValue` for a name that neither the equations nor the model and its algorithm hold, `InvalidRequest` for
    equations that have no such form.
    """
    from sympy import sympify

    from theory import ODE, SDE, Recurrence

    check_names(file, equations, at)
    symbols = known_symbols(file, equations)
    values = {symbols[name]: sympify(value) for name, value in at.items()}
    if not isinstance(equations, (ODE, Recurrence)):
        raise InvalidRequest(
            f"--at puts numbers into the right-hand sides of equations, and {type(equations).__name__} has none; "
            f"sgd-theory solve {file.name} --at ... evaluates it"
        )
    common = {
        name: getattr(equations, name)
        for name in (
            "clock",
            "conventions",
            "approximation",
            "statistics",
            "assumptions",
            "steps",
            "references",
            "model_hash",
        )
    }
    common["observables"] = _replaced(equations.observables, values)
    if isinstance(equations, SDE):
        covariance = equations.covariance.xreplace(values)
        return SDE(rates=_replaced(equations.rates, values), covariance=covariance, **common)
    if isinstance(equations, ODE):
        return ODE(rates=_replaced(equations.rates, values), **common)
    return Recurrence(update=_replaced(equations.update, values), **common)


def _replaced(mapping: Mapping[Any, Any], values: Mapping[Any, Any]) -> dict[Any, Any]:
    return {key: value.xreplace(values) for key, value in mapping.items()}


# ------------------------------------------------------------------------------------------------------------- values


def known_symbols(file: ModelFile, equations: Equations | None = None) -> dict[str, Any]:
    """Every symbol that may be given a number, by name: of the model, the algorithm, the equations and the file's laws."""
    symbols = {*file.model.hyperparameters, *file.model.dimensions, *file.algorithm.free_symbols}
    if equations is not None:
        symbols |= set(equations.free_symbols)
    symbols |= {symbol for symbol in file.at if hasattr(symbol, "free_symbols")}
    for law in file.start.values():
        symbols |= set(getattr(law, "free_symbols", ()))
    return {str(symbol): symbol for symbol in sorted(symbols, key=str)}


def check_names(file: ModelFile, equations: Equations | None, names: Iterable[str], option: str = "--at") -> None:
    """Raise `UnknownValue` for a name that has no symbol, with the nearest one that has."""
    known = known_symbols(file, equations)
    for name in names:
        if name not in known:
            raise UnknownValue(
                f"{option} {name}=...: {file.name} has no symbol {name}{nearest(name, known)}; its symbols are "
                f"{', '.join(known) or 'none'}"
            )


def nearest(name: str, known: Iterable[str]) -> str:
    """The name that was meant, as a question in brackets; empty where none is near."""
    close = closest(name, known)
    return f" (did you mean {close}?)" if close else ""


def merged(file: ModelFile, at: Mapping[str, Any]) -> dict[str, Any]:
    """The values of the file, by name, with those of `at` in their place."""
    return {**{str(key): value for key, value in file.at.items()}, **at}


def started(file: ModelFile, equations: Equations | None, start: Mapping[str, Any]) -> dict[Any, Any]:
    """The start of the file with the numbers of `start`, by name, in their place.

    Raises `UnknownValue` for a name that is no statistic, no scalar parameter and nothing that the file starts from.
    """
    keys: dict[str, Any] = {str(parameter): parameter for parameter in file.model.scalar_parameters}
    keys |= {name: name for name in (file.statistics if equations is None else equations.statistics) or {}}
    keys |= {str(key): key for key in file.start}
    for name in start:
        if name not in keys:
            raise UnknownValue(
                f"--start {name}=...: {file.name} does not start from {name}{nearest(name, keys)}; it starts from "
                f"{', '.join(keys) or 'nothing'}"
            )
    return {**file.start, **{keys[name]: float(value) for name, value in start.items()}}


@contextmanager
def numbers_of(file: ModelFile, at: Mapping[str, Any]) -> Iterator[None]:
    """Say of a symbol that needs a number and has none where a model file states it: a random one in [data], others in [at].

    A `MissingValue` inside becomes one that names each symbol so; one that is about something else passes.
    """
    try:
        yield
    except MissingValue as error:
        listed = _MISSING.search(str(error))
        missing = listed[1].split(", ") if listed else []
        if not missing or not set(missing) <= set(known_symbols(file)) - set(at):
            raise
        inside = {str(symbol) for symbol in file.model.hyperparameters} - {str(size) for size in file.model.dimensions}
        data, numbers = ("data", "at") if file.path.suffix == ".py" else ("[data]", "[at]")
        parts = [
            f"{name} has neither a law in {data} nor a number in {numbers} (or --at {name}=...)"
            if name in inside
            else f"{name} has no number in {numbers} (or --at {name}=...)"
            for name in missing
        ]
        raise MissingValue("; ".join(parts)) from error


def check_runnable(file: ModelFile, equations: Equations | None, until: float | None) -> None:
    """Raise `ModelFileError` that names all that is missing for a run of SGD: how long it is, and what is observed."""
    missing = []
    if until is None and file.until is None:
        missing.append("how long to run (until in [run], or --until)")
    if equations is None and not file.statistics:
        missing.append("what to observe (statistics, a name and an expression each, or a theory)")
    if missing:
        raise ModelFileError(file.path, f"{file.path} does not say {' and '.join(missing)}; SGD is not run without")


def last_time(file: ModelFile, until: float | None) -> float:
    """The last time asked for, else the file's. Raises `ModelFileError` where there is none."""
    chosen = file.until if until is None else until
    if chosen is None:
        raise ModelFileError(file.path, f"{file.path} does not say how long to run; define until, or give --until")
    return chosen


# ---------------------------------------------------------------------------------------------------------- solve, run


def predict(
    file: ModelFile,
    equations: Equations,
    at: Mapping[str, Any],
    until: float,
    *,
    start: Mapping[Any, Any] | None = None,
    **options: Any,
) -> xr.Dataset:
    """Return the prediction: of `at` and `start`, the equations get what they hold. `options` are those of `solve`."""
    from numerics import solve
    from theory import ODE

    symbols = {str(symbol) for symbol in equations.free_symbols}
    state = {str(quantity) for quantity in equations.state}
    given = file.start if start is None else start
    begun = {key: value for key, value in given.items() if not isinstance(equations, ODE) or str(key) in state}
    numbers = {key: value for key, value in at.items() if key in symbols}
    with numbers_of(file, at):
        return solve(equations, at=numbers, start=begun, until=until, **options)


def run(
    file: ModelFile,
    equations: Equations | None,
    at: Mapping[str, Any],
    *,
    until: float,
    replicas: int,
    seed: int,
    threads: int | None,
    start: Mapping[Any, Any] | None = None,
    method: str = "direct",
    target: str = "cpu",
    precision: str = "float64",
) -> xr.Dataset:
    """Return SGD, observed as the equations say, or without equations the file's statistics, step by step.

    An inner product of fixed vectors that `at` gives to the equations is part of the start of a simulation.
    """
    from numerics import simulate
    from theory import Clock
    from theory.vectors import InnerProduct

    symbols = equations.free_symbols if equations is not None else ()
    products = {str(symbol): symbol for symbol in symbols if isinstance(symbol, InnerProduct)}
    begun = dict(file.start if start is None else start)
    begun |= {products[key]: value for key, value in at.items() if key in products}
    if equations is None and file.statistics is None:
        raise ModelFileError(
            file.path,
            f"{file.path} states no statistics and no theory, so there is nothing to observe; define "
            f"statistics = {{name: expression}}",
        )
    with numbers_of(file, at):
        return simulate(
            file.model,
            file.algorithm,
            observe=equations or file.statistics or {},
            clock=None if equations else Clock.STEPS,
            at={key: value for key, value in at.items() if key not in products},
            start=begun,
            until=until,
            replicas=replicas,
            seed=seed,
            threads=threads,
            method=method,
            target=target,
            precision=precision,
        )


# ----------------------------------------------------------------------------------------------------------- generate


def kernel_of_sgd(
    file: ModelFile, equations: Equations | None, at: Mapping[str, Any], *, target: str, precision: str
) -> Kernel:
    """Return the kernel that `run` would run: direct SGD with the statistics of the equations, or those of the file.

    Raises `ModelFileError` where there are none, `MissingValue` where the form of the program depends on a number.
    """
    from numerics import Precision, Target
    from numerics.simulation.direct import direct_program
    from numerics.simulation.request import dimension_of, needed_symbols, observed_statistics
    from numerics.simulation.run import Run
    from numerics.values import numbers_for
    from theory import Clock

    if equations is None and file.statistics is None:
        raise ModelFileError(
            file.path, f"{file.path} states no statistics and no theory, so a kernel of SGD has nothing to record"
        )
    observed, _ = observed_statistics(file.model, equations or file.statistics, None if equations else Clock.STEPS)
    needed = needed_symbols(file.model, file.algorithm, observed, file.start)
    fixed = file.model.known_dimensions
    symbols = {str(symbol) for symbol in needed}
    given = {name: value for name, value in at.items() if name in symbols}
    with numbers_of(file, at):
        values = numbers_for(needed, {**fixed, **given}, "SGD", optional=fixed)
    run = Run(file.model, file.algorithm, values, dimension_of(file.model, observed, values))
    return direct_program(run, observed, target=Target(target), precision=Precision(precision)).kernel
