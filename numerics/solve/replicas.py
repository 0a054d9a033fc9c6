"""What a run of many replicas of a map is asked for, checked at the door: machine, randomness, values, starts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import sympy
from numpy.typing import NDArray
from sympy import Expr

from numerics.law_draws import draw_law, scalar_law
from numerics.precision import Precision
from numerics.targets import Target, backend
from numerics.templates.map_draws import draws_of
from numerics.values import numbers_for
from theory import Equations, Recurrence
from theory.errors import InvalidRequest, MissingValue, UnknownValue, ValuesError
from theory.laws.law import Law
from theory.laws.parameters import simple_rational
from theory.vectors import open_symbols

Array = NDArray[np.float64]


def check_machine(target: Any, precision: Any, threads: Any) -> tuple[Target, Precision]:
    """The target and the precision by name. Raises `InvalidRequest` for unknown ones, and for no threads."""
    backend(target)  # refuses an unknown one
    if precision not in tuple(Precision):
        raise InvalidRequest(f"precision={precision!r} is unknown; the formats are {', '.join(Precision)}")
    if threads is not None and (isinstance(threads, bool) or not isinstance(threads, (int, np.integer)) or threads < 1):
        raise InvalidRequest(f"threads={threads!r}: at least one is needed")
    return Target(target), Precision(precision)


def check_randomness(replicas: Any, seed: Any) -> None:
    """Raise `InvalidRequest` for an impossible number of replicas or seed."""
    if isinstance(replicas, bool) or not isinstance(replicas, (int, np.integer)) or not 1 <= replicas < 2**32:
        raise InvalidRequest(f"replicas={replicas!r}: at least one run is needed (two for statistics)")
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= seed < 2**64:
        raise InvalidRequest(f"seed={seed!r}: a whole number in [0, 2**64) is needed")


def symbols_of(
    equations: Recurrence, start: Mapping[Any, Any], observe: Mapping[str, Any] | None = None
) -> tuple[Expr, ...]:
    """Every symbol that needs a number: of the map, of its laws, of laws in the start, and of what is observed."""
    found: set[Expr] = set(equations.free_symbols)
    laws = [*(law for _, law in draws_of(equations)), *(value for value in start.values() if isinstance(value, Law))]
    found |= {symbol for law in laws for symbol in law.free_symbols}
    bound = set(equations.state)
    for expression in (observe or {}).values() if isinstance(observe, Mapping) else ():
        found |= open_symbols(sympy.sympify(expression), bound)
    return tuple(sorted(found - bound, key=str))


def values_of(
    symbols: Iterable[Expr], at: Mapping[Any, Any], where: str
) -> tuple[dict[Expr, float], dict[Expr, Array]]:
    """The values of symbols: those with one number, and those with an array. Raises as `numbers_for` does."""
    arrays = {str(key): array_of_values("at", key, value) for key, value in at.items() if np.ndim(value)}
    wanted = tuple(symbols)
    for pick in (np.min, np.max, lambda array: array[np.argmax(array != np.rint(array))]):
        one = {key: float(pick(arrays[str(key)])) if str(key) in arrays else value for key, value in at.items()}
        numbers = numbers_for(wanted, one, where)
    shared = {symbol: value for symbol, value in numbers.items() if str(symbol) not in arrays}
    return shared, {symbol: arrays[str(symbol)] for symbol in numbers if str(symbol) in arrays}


def array_of_values(where: str, key: Any, value: Any) -> Array:
    """The values of an ensemble, one per trajectory; raises `ValuesError` for what is no list of numbers."""
    try:
        array = np.asarray(value, dtype=float)
    except (TypeError, ValueError):
        raise ValuesError(f"{where}={{{key}: {value!r}}}: expected a number, or an array of numbers") from None
    if array.ndim != 1 or array.size == 0:
        raise ValuesError(f"{where}={{{key}: array of shape {array.shape}}}: expected a number, or a list of numbers")
    return array


def check_laws(equations: Recurrence, shared: Mapping[Expr, float], varied: Mapping[Expr, Array]) -> None:
    """Raise `InvalidLaw` where values make no law: a negative variance, probabilities that do not sum to 1."""
    for pick in (np.min, np.max):
        values = {**shared, **{symbol: float(pick(array)) for symbol, array in varied.items()}}
        numbers = {symbol: simple_rational(sympy.Float(value, 17)) for symbol, value in values.items()}
        for _, law in draws_of(equations):
            law.substitute({symbol: numbers[symbol] for symbol in law.free_symbols})


def replica_start(
    equations: Equations,
    start: Mapping[Any, Any],
    values: Mapping[Expr, float],
    replicas: int,
    seed: int,
    *,
    argument: str = "start",
    first_stream: int = 0,
) -> Array:
    """The start of every state quantity and replica, shape (state, replica): numbers, arrays, or draws from laws.

    Parameters: `values`, of the symbols of laws, NaN for those that vary; `argument`, the name of what is given in messages;
    `first_stream`, of the draws. Raises `UnknownValue`, `MissingValue`, `ValuesError`, each naming the quantity.
    """
    names = {str(quantity): quantity for quantity in equations.state}
    if unknown := [key for key in start if str(key) not in names]:
        raise UnknownValue(f"{argument}={{{unknown[0]}: ...}}: the equations move {', '.join(names)}")
    given = {str(key): value for key, value in start.items()}
    missing = [name for name in names if name not in given and not name.startswith("velocity_")]
    if missing:
        raise MissingValue(f"{argument} needs a value for {', '.join(missing)}")
    rows = []
    for index, (name, quantity) in enumerate(names.items()):
        value, label = given.get(name, 0.0), f"{argument}={{{quantity}: "
        if isinstance(value, Law):
            # the streams of `numerics.start`, so that SGD itself, simulated with the same seed, starts at the same place
            rows.append(_drawn(quantity, value, values, replicas, seed, first_stream + 2 * index, label))
        else:
            rows.append(_given(value, replicas, label))
    return np.stack(rows)


def _drawn(
    quantity: Expr, law: Law, values: Mapping[Expr, float], replicas: int, seed: int, stream: int, label: str
) -> Array:
    if varied := sorted((s for s in law.free_symbols if np.isnan(values.get(s, 0.0))), key=str):
        raise ValuesError(f"{label}{law}}} depends on {varied[0]}, which varies; give it one number")
    return draw_law(scalar_law(quantity, law, values), (replicas, 1), seed, stream)[:, 0]


def _given(value: Any, replicas: int, label: str) -> Array:
    try:
        array = np.atleast_1d(np.asarray(value, dtype=float))
    except (TypeError, ValueError):
        raise ValuesError(f"{label}{value!r}}}: expected a number, an array over replicas, or a law") from None
    if array.shape not in ((1,), (replicas,)):
        raise ValuesError(f"{label}array of shape {array.shape}}}: expected one number or {replicas}, one per replica")
    if not np.isfinite(array).all():
        raise ValuesError(f"{label}...}}: expected finite numbers")
    return np.broadcast_to(array, (replicas,)).astype(float)
