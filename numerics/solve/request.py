"""What every solver checks first: times, and a start for every state quantity."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sympy import Expr

from numerics.gram import determined_gram
from numerics.values import numbers_for
from theory import Equations
from theory.errors import ImpossibleStart, InvalidRequest, MissingValue, TheoryError, UnknownValue, ValuesError
from theory.scaling.limit import ScalingLimit


def output_times(until: Any, times: Any) -> NDArray[np.float64]:
    """The times asked for, increasing, within [0, until]."""
    if not isinstance(until, (int, float, np.number)) or not np.isfinite(until) or until <= 0:
        raise InvalidRequest(f"until={until!r}: the last time must be a positive number, in units of the clock")
    wanted = np.linspace(0.0, float(until), 41) if times is None else np.asarray(times, dtype=float)
    bad = wanted.ndim != 1 or wanted.size == 0 or not np.isfinite(wanted).all()
    if bad or (wanted < 0).any() or (wanted > until * (1 + 1e-9)).any():
        raise InvalidRequest(f"times must be numbers in [0, until={until:g}], got {times!r}")
    return np.unique(wanted)


def state_start(equations: Equations, start: Mapping[Any, Any]) -> NDArray[np.float64]:
    """The start of each state quantity, given by name."""
    names = {str(quantity): quantity for quantity in equations.state}
    unknown = [key for key in start if str(key) not in names]
    if unknown:
        raise UnknownValue(f"start={{{unknown[0]}: ...}}: the equations move {', '.join(names)}")
    given: dict[Expr, float] = {}
    for key, value in start.items():
        try:
            number = float(value)
        except (TypeError, ValueError):
            raise ValuesError(f"start={{{key}: {value!r}}}: expected a number") from None
        if not np.isfinite(number):
            raise ValuesError(f"start={{{key}: {value!r}}}: expected a finite number")
        given[names[str(key)]] = number
    missing = [name for name, quantity in names.items() if quantity not in given]
    if missing:
        raise MissingValue(f"start needs a value for {', '.join(missing)}")
    return np.array([given[quantity] for quantity in equations.state])


def refuse_impossible_gram(equations: Equations, at: Mapping[Any, Any], start: Mapping[Any, Any]) -> None:
    """Raise `ImpossibleStart` if no vectors have the statistics from which a scaling limit is to start.

    Only where one start determines the Gram matrix of all vectors; other starts are not checked.
    """
    if not isinstance(equations, ScalingLimit) or equations.model.scalar_parameters:
        return
    vectors = [vector for vector in equations.model.vectors if vector not in equations.model.data_vectors]
    try:
        state_start(equations, start)
        values = numbers_for(equations.free_symbols, at, "the limit")
        keyed = {str(key): value for key, value in start.items()}
        gram = determined_gram(
            equations.model, vectors, {}, set(), equations.statistics, keyed, values, np.zeros((1, 0))
        )
    except TheoryError:  # what is wrong with the request is said by the solver, which comes next
        return
    eigenvalue = float(np.linalg.eigvalsh(gram)[0])
    if eigenvalue < -1e-9 * float(np.abs(gram).max()):
        names = ", ".join(map(str, vectors))
        raise ImpossibleStart(
            eigenvalue,
            f"start={dict(start)}: no vectors {names} have these statistics: their Gram matrix\n{gram}\nhas the eigenvalue "
            f"{eigenvalue:.6g}; check the start against |<a, b>|^2 <= <a, a> <b, b>",
        )


def attributes(equations: Equations, at: Mapping[Expr, float], method: str) -> dict[str, Any]:
    """What a prediction says about itself."""
    return {
        "title": f"prediction of {type(equations).__name__}",
        "method": method,
        "model_hash": equations.model_hash,
        "equations_hash": equations.content_hash,
        "conventions": "; ".join(equations.conventions),
        "approximation": equations.approximation,
        "at": ", ".join(f"{k}={v:g}" for k, v in at.items()),
    }
