"""Recurrences: the generated step iterated; linear ones as a matrix, so that hundreds of moments cost no compilation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import sympy
import xarray as xr
from numba import njit
from numpy.typing import NDArray
from sympy import Expr, Symbol

from numerics.cache import guarded
from numerics.generate import function_of_arrays, right_hand_side
from numerics.gram import solve_entries
from numerics.quadrature import rules
from numerics.results import dataset
from numerics.solve.request import attributes, output_times, state_start
from numerics.values import numbers_for
from theory import Clock, Moment, MomentRecurrence, Recurrence
from theory.errors import InvalidRequest, StartUnderdetermined, UnknownValue, ValuesError
from theory.laws.law import Law
from theory.vectors import InnerProduct, Vector, open_symbols

Array = NDArray[np.float64]


def solve_recurrence(
    equations: Recurrence, at: Mapping[Any, Any], start: Mapping[Any, Any], until: float, times: Any
) -> xr.Dataset:
    """The state of a recurrence at the output steps."""
    values = numbers_for(equations.free_symbols, at, "the recurrence")
    begin = state_start(equations, start)
    steps = _steps(equations, until, times)
    side = right_hand_side(equations)
    hyper, points = np.array(list(values.values()), dtype=float), rules(set(side.dimensions), refinement=2)
    rows = np.empty((steps.size, begin.size))
    state, new = begin.copy(), np.empty_like(begin)
    advance, slot = side.kernel.function, 0
    for step in range(int(steps[-1]) + 1):
        if step == steps[slot]:
            rows[slot], slot = state, slot + 1
        if slot < steps.size:
            advance(state, hyper, new, *points)
            state, new = new, state
    _refuse_overflow(rows, steps)
    variables = {str(quantity): rows[:, i] for i, quantity in enumerate(equations.state)}
    return dataset(
        variables,
        steps.astype(float),
        clock=equations.clock,
        replicas=False,
        attributes=attributes(equations, values, "iteration of the generated step"),
    )


def solve_moments(
    equations: MomentRecurrence, at: Mapping[Any, Any], start: Mapping[Any, Any], until: float, times: Any
) -> xr.Dataset:
    """The observables of a moment recurrence at the output steps."""
    begin_symbols = _symbols_of_start(equations)
    needed = sorted(_symbols_of_entries(equations), key=str)
    values = numbers_for(needed, at, "the moment recurrence", optional=begin_symbols)
    begin = initial_moments(equations, start, values)
    steps = _steps(equations, until, times)
    matrix, constant = linear_system(equations, values)
    rows = iterate_linear(matrix, constant, begin, steps)
    _refuse_overflow(rows, steps)
    side = (
        function_of_arrays(
            list(equations.observables.values()), equations.state, tuple(values), "observables of moments"
        )
        if not _are_states(equations)
        else None
    )
    variables: dict[str, Array] = {}
    if side is None:
        position = {moment: i for i, moment in enumerate(equations.state)}
        variables = {name: rows[:, position[value]] for name, value in equations.observables.items()}
    else:
        hyper, out = np.array(list(values.values()), dtype=float), np.empty((steps.size, len(equations.observables)))
        for row, target in zip(rows, out, strict=True):
            side.kernel(np.ascontiguousarray(row), hyper, target, *rules(set()))
        variables = {name: out[:, i] for i, name in enumerate(equations.observables)}
    return dataset(
        variables,
        steps.astype(float),
        clock=equations.clock,
        replicas=False,
        attributes=attributes(equations, values, "iteration of the exact linear recurrence"),
    )


def _are_states(equations: MomentRecurrence) -> bool:
    return all(isinstance(value, Moment) for value in equations.observables.values())


def _symbols_of_entries(equations: MomentRecurrence) -> set[Expr]:
    used = {
        i
        for element in equations.entries.values()
        for monomial in element.monoms()
        for i, p in enumerate(monomial)
        if p
    }
    found: set[Expr] = set()
    for index in used:
        found |= open_symbols(equations.algebra.generators[index], set())
    for value in equations.observables.values():
        found |= open_symbols(value, set(equations.state))
    return found


def _symbols_of_start(equations: MomentRecurrence) -> set[Expr]:
    return set(equations.free_symbols)


def linear_system(equations: MomentRecurrence, values: Mapping[Expr, float]) -> tuple[Array, Array]:
    """T and c as arrays."""
    size = len(equations.degrees)
    matrix, constant = np.zeros((size, size)), np.zeros(size)
    for (row, column), value in equations.numbers({k: sympy.Float(v, 17) for k, v in values.items()}).items():
        if column < 0:
            constant[row] = value
        else:
            matrix[row, column] = value
    return matrix, constant


@njit(cache=True, error_model="numpy")
def _iterate(matrix, constant, state, steps, rows):  # type: ignore[no-untyped-def]  # compiled code carries no annotations
    slot = 0
    for step in range(steps[-1] + 1):
        if step == steps[slot]:
            rows[slot] = state
            slot += 1
        if slot < steps.size:
            state = matrix @ state + constant


guarded(_iterate)


def iterate_linear(matrix: Array, constant: Array, begin: Array, steps: NDArray[np.int64]) -> Array:
    """The states m_k of m' = T m + c at the given steps, shape (steps, moments)."""
    rows = np.empty((steps.size, begin.size))
    _iterate(np.ascontiguousarray(matrix), constant, begin.copy(), steps, rows)
    return rows


def _steps(equations: Recurrence, until: float, times: Any) -> NDArray[np.int64]:
    if equations.clock != Clock.STEPS:
        raise InvalidRequest(f"a recurrence is iterated step by step, its clock is {equations.clock}")
    return np.unique(np.rint(output_times(until, times)).astype(np.int64))


def _refuse_overflow(rows: Array, steps: NDArray[np.int64]) -> None:
    bad = ~np.isfinite(rows).all(axis=1)
    if bad.any():
        raise InvalidRequest(
            f"the recurrence overflows before step {steps[np.argmax(bad)]}: it is unstable at these values; shorten "
            f"until, or lower the learning rate"
        )


# -------------------------------------------------------------------------------------------------- moments of a start


def initial_moments(equations: MomentRecurrence, start: Mapping[Any, Any], values: Mapping[Expr, float]) -> Array:
    """The moments of the start: deterministic numbers multiply, laws contribute their own moments."""
    atoms = sorted({a for m in equations.state for a in _atoms(m.monomial)}, key=str)
    names = {str(atom): atom for atom in atoms}
    numbers = {symbol: sympy.Float(v, 17) for symbol, v in values.items()}
    given: dict[Expr, Any] = {}
    relations: dict[str, Expr] = {}
    for key, value in start.items():
        if key in atoms or str(key) in names:
            given[names[str(key)]] = value
        elif str(key) in equations.statistics:
            relations[f"start[{str(key)!r}]"] = equations.statistics[str(key)].xreplace(numbers) - _finite(key, value)
        elif isinstance(key, InnerProduct):
            continue  # an inner product of the start that the moments do not involve
        elif isinstance(key, Vector):
            raise UnknownValue(
                f"start={{{key}: ...}}: these are moments of inner products, so give {', '.join(names)}, not vectors"
            )
        else:
            raise UnknownValue(f"start={{{key}: ...}}: the moments involve {', '.join(names)}")

    known = {atom: _finite(atom, value) for atom, value in given.items() if not isinstance(value, Law)}
    solve_entries(relations, known, set(atoms))
    for atom in atoms:
        if atom not in known and atom not in given and "velocity_" in str(atom):
            known[atom] = sympy.S.Zero  # the momentum buffer starts empty
    missing = [atom for atom in atoms if atom not in known and atom not in given]
    if missing:
        raise StartUnderdetermined(
            missing, f"start leaves {', '.join(map(str, missing))} open; give a number or a law for each"
        )
    return np.array([_start_moment(m.monomial, known, given, numbers) for m in equations.state])


def _finite(key: Any, value: Any) -> Expr:
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise ValuesError(f"start={{{key}: {value!r}}}: expected one number, or for a parameter a law") from None
    if not np.isfinite(number):
        raise ValuesError(f"start={{{key}: {value!r}}}: expected a finite number")
    return sympy.Float(number, 17)


def _atoms(monomial: Expr) -> set[Expr]:
    return monomial.atoms(InnerProduct) or {s for s in monomial.free_symbols if isinstance(s, Symbol)}


def _start_moment(
    monomial: Expr, known: Mapping[Expr, Expr], given: Mapping[Expr, Any], numbers: Mapping[Expr, Expr]
) -> float:
    value = 1.0
    for base, power in monomial.as_powers_dict().items():
        law = given.get(base)
        if isinstance(law, Law):
            value *= float(law.moment(int(power)).xreplace(dict(numbers)))
        else:
            value *= float(known[base]) ** int(power)
    return value
