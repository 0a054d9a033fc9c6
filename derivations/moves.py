"""The four moves on a model file: the file's values stand in for whatever is not given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from derivations.model_files import ModelFile, ModelFileError, Theory

if TYPE_CHECKING:
    import xarray as xr

    from theory import Equations

REPLICAS = 32
"""Runs of a simulation where neither the command nor the model file says how many."""


def derive(file: ModelFile, theory: Theory) -> Equations:
    """Return the equations of a theory for the model of a file; raises what the theory raises."""
    from theory import moments, scaling_limit

    if theory is Theory.SCALING_LIMIT:
        return scaling_limit(file.model, file.algorithm, statistics=file.statistics)
    return moments(file.model, file.algorithm, of=file.statistics)


def with_values(equations: Equations, at: Mapping[str, Any], file: ModelFile) -> Equations:
    """Return the equations with exact numbers in place of symbols.

    Raises `UnknownValue` for a name that neither the equations nor the model and its algorithm hold.
    """
    from sympy import sympify

    from numerics.values import numbers_for
    from theory import ODE, Recurrence

    symbols = set(equations.free_symbols) | set(file.model.hyperparameters) | set(file.model.dimensions)
    symbols |= file.algorithm.free_symbols
    numbers_for((), at, "the model", optional=sorted(symbols, key=str))
    values = {symbol: sympify(at[str(symbol)]) for symbol in symbols if str(symbol) in at}
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
    if isinstance(equations, ODE):
        return ODE(rates=_replaced(equations.rates, values), **common)
    if isinstance(equations, Recurrence):
        return Recurrence(update=_replaced(equations.update, values), **common)
    raise TypeError(f"{type(equations).__name__} has no form with numbers")


def _replaced(mapping: Mapping[Any, Any], values: Mapping[Any, Any]) -> dict[Any, Any]:
    return {key: value.xreplace(values) for key, value in mapping.items()}


def merged(file: ModelFile, at: Mapping[str, Any]) -> dict[str, Any]:
    """The values of the file, by name, with those of `at` in their place."""
    return {**{str(key): value for key, value in file.at.items()}, **at}


def predict(file: ModelFile, equations: Equations, at: Mapping[str, Any], until: float) -> xr.Dataset:
    """Return the prediction: of `at` and `start`, the equations get what they hold."""
    from numerics import solve
    from theory import ODE

    symbols = {str(symbol) for symbol in equations.free_symbols}
    state = {str(quantity) for quantity in equations.state}
    start = {key: value for key, value in file.start.items() if not isinstance(equations, ODE) or str(key) in state}
    return solve(equations, at={key: value for key, value in at.items() if key in symbols}, start=start, until=until)


def run(
    file: ModelFile,
    equations: Equations | None,
    at: Mapping[str, Any],
    *,
    until: float,
    replicas: int,
    seed: int,
    threads: int | None,
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
    start = {**file.start, **{products[key]: value for key, value in at.items() if key in products}}
    if equations is None and file.statistics is None:
        raise ModelFileError(
            file.path,
            f"{file.path} states no statistics and no theory, so there is nothing to observe; define "
            f"statistics = {{name: expression}}",
        )
    return simulate(
        file.model,
        file.algorithm,
        observe=equations or file.statistics or {},
        clock=None if equations else Clock.STEPS,
        at={key: value for key, value in at.items() if key not in products},
        start=start,
        until=until,
        replicas=replicas,
        seed=seed,
        threads=threads,
        method=method,
        target=target,
        precision=precision,
    )


def last_time(file: ModelFile, until: float | None) -> float:
    """The last time asked for, else the file's. Raises `ModelFileError` where there is none."""
    chosen = file.until if until is None else until
    if chosen is None:
        raise ModelFileError(file.path, f"{file.path} does not say how long to run; define until, or give --until")
    return chosen
