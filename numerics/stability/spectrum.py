"""Full Lyapunov spectra of a `Stability` at numbers: every exponent of every block, and their sum by the determinant rule."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from numerics.stability.exponents import attributes, grid_of, refuse_impossible
from numerics.stability.matrix.determinant import determinant_exponent
from numerics.stability.matrix.matrix_blocks import matrix_spectrum
from numerics.stability.matrix.spectra import Spectrum
from numerics.stability.problem import Array, Estimate, Grid
from numerics.stability.runs import Runs
from numerics.stability.scalar.exponent import scalar_exponent
from theory import Block, Stability
from theory.errors import InvalidRequest


def spectrum_of_stability(
    equations: Stability, at: Mapping[Any, Any], runs: Runs, exponents: int | None = None
) -> xr.Dataset:
    r"""Return the Lyapunov spectra of all blocks, largest exponents first, per step.

    Variables over `mode` and `exponent` (and `point` where values of `at` are arrays of one length): `spectrum` and `error` (an upper
    estimate, or a standard error where `kind` says Monte Carlo), NaN beyond the dimension of a block; over `mode`: `kind`,
    `multiplicity`, `order` (the dimension of one copy's state). Where all exponents of a block are asked for, over `mode` (and `point`):
    `total` and `total_error`, their sum; `determinant`, `determinant_error` and `determinant_kind`, the same sum by the determinant
    rule, E log|det A|; `determinant_z`, the difference in units of the errors. Of simulated spectra `total` is the sum as it was found: the
    exponents themselves are then corrected by the rule where it is exact. Of two-dimensional states the second exponent may come from
    the rule, which then checks nothing.

    `exponents` : how many of the largest of each block, by default all.
    """
    largest = max(block.order for block in equations.blocks)
    if exponents is not None and (
        isinstance(exponents, bool) or not isinstance(exponents, (int, np.integer)) or not 1 <= exponents <= largest
    ):
        raise InvalidRequest(
            f"exponents={exponents!r}: the largest block has {largest} exponents; ask for 1 to {largest}"
        )
    grid, varied = grid_of(equations, at)
    refuse_impossible(equations, grid)
    width = largest if exponents is None else int(exponents)
    found = [_spectrum(block, grid, runs, min(width, block.order)) for block in equations.blocks]
    table, errors = (np.full((len(found), width, grid.size), np.nan) for _ in range(2))
    for row, spectrum in enumerate(found):
        table[row, : spectrum.values.shape[1]] = spectrum.values.T
        errors[row, : spectrum.values.shape[1]] = spectrum.errors.T
    dims = ("mode", "exponent", "point") if varied else ("mode", "exponent")
    shape = table.shape if varied else table.shape[:2]
    data: dict[str, Any] = {
        "spectrum": (dims, table.reshape(shape), {"units": "1/step"}),
        "error": (dims, errors.reshape(shape), {"units": "1/step"}),
        "kind": ("mode", [str(spectrum.kind) for spectrum in found]),
        "multiplicity": ("mode", [block.multiplicity for block in equations.blocks]),
        "order": ("mode", [block.order for block in equations.blocks]),
        **_totals(equations, grid, runs, found, varied),
    }
    coords: dict[str, Any] = {
        "mode": [block.name for block in equations.blocks],
        "exponent": np.arange(1, width + 1),
    }
    for symbol, values in grid.values.items():
        if varied and np.ndim(at.get(symbol, at.get(str(symbol)))) > 0:
            coords[str(symbol)] = ("point", values)
    result = xr.Dataset(data, coords=coords)
    result.attrs = {**attributes(equations, at), "title": "Lyapunov spectra of Stability", "seed": runs.seed}
    return result


def _spectrum(block: Block, grid: Grid, runs: Runs, count: int) -> Spectrum:
    if not block.is_scalar:
        return matrix_spectrum(block, grid, runs, count)
    found = scalar_exponent(block, grid, seed=runs.seed)
    return Spectrum(found.values[:, None], found.errors[:, None], found.kind)


def _totals(
    equations: Stability, grid: Grid, runs: Runs, found: list[Spectrum], varied: bool
) -> dict[str, tuple[Any, ...]]:
    """The sums of the exponents and the determinant rule, NaN for blocks of which not all are known."""
    shape = (len(found), grid.size)
    rows: dict[str, Array] = {
        name: np.full(shape, np.nan)
        for name in ("total", "total_error", "determinant", "determinant_error", "determinant_z")
    }
    kinds = []
    for row, (block, spectrum) in enumerate(zip(equations.blocks, found, strict=True)):
        rule = _rule(block, grid, runs, spectrum)
        kinds.append("" if rule is None else str(rule.kind))
        if spectrum.values.shape[1] < block.order:
            continue
        found_sum = spectrum.simulated_sum
        rows["total"][row] = spectrum.values.sum(axis=1) if found_sum is None else found_sum.values
        rows["total_error"][row] = _error_of_sum(spectrum) if found_sum is None else found_sum.errors
        if rule is None:
            continue
        rows["determinant"][row], rows["determinant_error"][row] = rule.values, rule.errors
        with np.errstate(invalid="ignore", divide="ignore"):
            difference = rows["total"][row] - rule.values
            difference[np.isneginf(rule.values) & np.isneginf(rows["total"][row])] = 0.0
            rows["determinant_z"][row] = difference / np.hypot(rows["total_error"][row], rule.errors)
    dims = ("mode", "point") if varied else ("mode",)
    table: dict[str, tuple[Any, ...]] = {
        name: (dims, values.reshape(shape if varied else shape[:1])) for name, values in rows.items()
    }
    return {**table, "determinant_kind": ("mode", kinds)}


def _rule(block: Block, grid: Grid, runs: Runs, spectrum: Spectrum) -> Estimate | None:
    """The determinant rule; of a scalar block its exponent itself."""
    if block.is_scalar:
        return Estimate(spectrum.values[:, 0], spectrum.errors[:, 0], spectrum.kind)
    return determinant_exponent(block, grid, runs)


def _error_of_sum(spectrum: Spectrum) -> Array:
    """Upper estimates add; so do, as the safe choice, standard errors of correlated exponents."""
    return np.asarray(spectrum.errors.sum(axis=1)) + np.finfo(float).eps
