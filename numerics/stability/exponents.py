"""Lyapunov exponents of a `Stability` at numbers, over a grid: scalar and matrix blocks by the roads of their own modules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy
import xarray as xr
from numpy.typing import NDArray
from sympy import Symbol

from numerics.averages import matrix_values
from numerics.precision import Precision
from numerics.quadrature import has_quadrature
from numerics.results import versions
from numerics.stability.matrix.matrix_blocks import matrix_exponent
from numerics.stability.phases import PHASES, phases_of
from numerics.stability.problem import Array, Estimate, Grid
from numerics.stability.runs import DEFAULT_RUNS, Runs
from numerics.stability.scalar.exponent import scalar_exponent
from numerics.values import number_for, numbers_for
from theory import Block, Stability
from theory.errors import InvalidLaw, InvalidRequest, UnsupportedExpectation, ValuesError

__all__ = ["ROUNDING", "Exponents", "Runs", "attributes", "checked_runs", "exponents_on", "grid_of", "solve_stability"]

ROUNDING = 1e-13
"""What rounding leaves of an exponent in any case."""


def checked_runs(steps: Any, replicas: Any, seed: Any, target: Any, threads: Any) -> Runs:
    """How matrix blocks are simulated, checked at the door. Raises `InvalidRequest`."""
    from numerics.solve.replicas import (
        check_machine,
        check_randomness,
    )  # which builds on numerics.solve, whose dispatch comes here

    machine, _ = check_machine(target, Precision.FLOAT64, threads)
    check_randomness(replicas, seed)
    if isinstance(steps, bool) or not isinstance(steps, (int, np.integer)) or steps < 2:
        raise InvalidRequest(f"steps={steps!r}: at least two steps of each run are needed")
    return Runs(int(steps), int(replicas), int(seed), machine, threads)


@dataclass(frozen=True)
class Exponents:
    """The exponents of every block over a grid, the spectra (point, eigenvalue) of the mean curvature, which tell descent from ascent,
    and the phases."""

    estimates: tuple[Estimate, ...]
    spectra: tuple[Array, ...]
    phases: NDArray[np.int8]


def solve_stability(equations: Stability, at: Mapping[Any, Any], runs: Runs = DEFAULT_RUNS) -> xr.Dataset:
    """Return the Lyapunov exponents of every mode, per step, and the phase.

    Variables over `mode` (and `point` where values of `at` are one-dimensional arrays of one length): `exponent`; `exponent_error`, an
    upper estimate, or a standard error where `kind` says Monte Carlo; `kind`; `multiplicity`; `neutral`; `mean_curvature` (of a matrix
    block the smallest eigenvalue; NaN where the mean does not exist); `phase`, of the whole point.
    """
    grid, varied = grid_of(equations, at)
    found = exponents_on(equations, grid, runs)
    dims = ("mode", "point") if varied else ("mode",)
    shape = (len(equations.blocks), grid.size) if varied else (len(equations.blocks),)
    data = {
        "exponent": (dims, np.array([e.values for e in found.estimates]).reshape(shape), {"units": "1/step"}),
        "exponent_error": (dims, np.array([e.errors for e in found.estimates]).reshape(shape), {"units": "1/step"}),
        "kind": ("mode", [str(e.kind) for e in found.estimates]),
        "multiplicity": ("mode", [block.multiplicity for block in equations.blocks]),
        "neutral": ("mode", [block.is_neutral for block in equations.blocks]),
        "mean_curvature": (dims, np.array([spectrum[:, 0] for spectrum in found.spectra]).reshape(shape)),
        "phase": (dims[1:], found.phases if varied else found.phases[0], phase_attributes(found)),
    }
    coords: dict[str, Any] = {"mode": [block.name for block in equations.blocks]}
    for symbol, values in grid.values.items():
        if varied and np.ndim(at.get(symbol, at.get(str(symbol)))) > 0:
            coords[str(symbol)] = ("point", values)
    result = xr.Dataset(data, coords=coords)
    result.attrs = attributes(equations, at)
    return result


def grid_of(equations: Stability, at: Mapping[Any, Any]) -> tuple[Grid, bool]:
    """The values of every symbol as a grid, and whether one of them is an array.

    Raises `MissingValue`, `UnknownValue`, `ValuesError`, and `InvalidRequest` for arrays of unlike lengths.
    """
    arrays = {key: np.asarray(value) for key, value in at.items() if np.ndim(value) > 0}
    lengths = {array.size for array in arrays.values()}
    if len(lengths) > 1 or 0 in lengths or any(array.ndim > 1 for array in arrays.values()):
        raise InvalidRequest(
            "the arrays in at must be one-dimensional, of one length and not empty; numerics.phase_diagram makes a grid"
        )
    twice = [key for key in at if sum(str(key) == str(other) for other in at) > 1]
    if twice:
        raise InvalidRequest(f"at gives {twice[0]} twice, as a symbol and by its name; give it once")
    size = max(lengths, default=1)
    first = {key: arrays[key][0] if key in arrays else value for key, value in at.items()}
    values = {
        symbol: np.full(size, number)
        for symbol, number in numbers_for(equations.free_symbols, first, "the stability problem").items()
    }
    names = {str(symbol): symbol for symbol in values}
    for key, given in arrays.items():
        distinct, places = np.unique(given, return_inverse=True)
        values[names[str(key)]] = np.array([number_for(names[str(key)], entry) for entry in distinct])[places]
    return Grid(values, size), bool(lengths)


def refuse_arrays(at: Mapping[Any, Any]) -> None:
    """Raise `InvalidRequest` for an array where one number per symbol is meant."""
    for key, value in at.items():
        if np.ndim(value) > 0:
            raise InvalidRequest(f"at={{{key}: ...}} is an array; here every symbol in at takes one number")


def exponents_on(equations: Stability, grid: Grid, runs: Runs) -> Exponents:
    """The exponents of every block at every point of a grid, and the phases that follow."""
    refuse_impossible(equations, grid)
    estimates = tuple(
        scalar_exponent(block, grid, seed=runs.seed) if block.is_scalar else matrix_exponent(block, grid, runs)
        for block in equations.blocks
    )
    spectra = tuple(_mean_curvature(block, grid) for block in equations.blocks)
    return Exponents(
        estimates, spectra, phases_of(equations.blocks, estimates, spectra, noise_free=equations.noise_free)
    )


def refuse_impossible(equations: Stability, grid: Grid) -> None:
    """Raise `ValuesError` for a learning rate that is not positive and for impossible laws, at any point."""
    rates = grid.of(equations.algorithm.learning_rate)
    if np.any(rates <= 0) or not np.all(np.isfinite(rates)):
        raise ValuesError(
            f"learning_rate = {equations.algorithm.learning_rate} takes the value {rates.min():g}; it must be positive"
        )
    laws = {id(law): law for block in equations.blocks for _, law in block.randomness.of(block.curvature).groups}
    for law in laws.values():
        symbols = sorted(law.free_symbols, key=str)
        if not symbols:
            continue
        table = np.unique(np.stack([grid.values[s] for s in symbols], axis=1), axis=0)
        for row in table if len(table) <= CORNERS else _corners(table):
            _substituted(law, {s: sympy.Rational(float(v)) for s, v in zip(symbols, row, strict=True)})


CORNERS = 64
"""Distinct values of the parameters of a law up to which each is tried; of more, only the extreme ones."""


def _substituted(law: Any, values: Mapping[Symbol, sympy.Rational]) -> None:
    try:
        law.substitute(values)
    except InvalidLaw as error:
        given = ", ".join(f"{symbol}: {float(value):g}" for symbol, value in values.items())
        raise ValuesError(f"at={{{given}}} makes the law {law} impossible: {error}") from None


def _corners(table: Array) -> Array:
    """The rows with the smallest and the largest value of each column: laws are impossible beyond a bound."""
    return table[np.unique([table.argmin(axis=0), table.argmax(axis=0)])]


def _mean_curvature(block: Block, grid: Grid) -> Array:
    """The eigenvalues of the mean curvature of a block, NaN where the mean does not exist."""
    matrix = block.mean_curvature
    if matrix is None:
        return np.full((grid.size, block.size), np.nan)
    table = _matrix_on(matrix, grid)
    spectra = np.full((grid.size, block.size), np.nan)
    finite = np.isfinite(table).all(axis=(1, 2))
    spectra[finite] = np.sort(np.real(np.linalg.eigvals(table[finite])), axis=1)
    return spectra


def _matrix_on(matrix: sympy.ImmutableDenseMatrix, grid: Grid) -> Array:
    """A matrix of averages over a grid, shape (point, row, column); NaN where a kink leaves no quadrature."""
    if not has_quadrature(list(matrix)):
        return grid.table(list(matrix)).T.reshape(-1, *matrix.shape)
    needed = [symbol for symbol in grid.values if matrix.has(symbol)]
    try:
        return matrix_values(matrix, [{s: float(grid.values[s][k]) for s in needed} for k in range(grid.size)])
    except UnsupportedExpectation:
        return np.full((grid.size, *matrix.shape), np.nan)


def phase_attributes(found: Exponents) -> dict[str, Any]:
    """What the codes of a phase mean, in the words of CF conventions."""
    return {"flag_values": list(range(len(PHASES))), "flag_meanings": list(PHASES), "long_name": "phase"}


def attributes(equations: Stability, at: Mapping[Any, Any]) -> dict[str, Any]:
    """What a reader needs to trust the numbers."""
    point = ", ".join(f"{name} = {value}" for name, value in equations.point.items())
    return {
        "clock": str(equations.clock),
        "at": ", ".join(f"{key}={value}" for key, value in at.items() if np.ndim(value) == 0),
        "point": point,
        "conventions": "; ".join(equations.conventions),
        "model_hash": equations.model_hash,
        "versions": versions(),
    }
