"""Stability: exponents of the modes, thresholds, and the fates of runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from derivations.display.sheet import Column, Sheet
from derivations.display.terminal import glyph

if TYPE_CHECKING:
    import xarray as xr


def exponents_sheet(exponents: xr.Dataset) -> Sheet:
    """The Lyapunov exponent of every mode with its error, how it was found, and its multiplicity."""
    columns = (Column("mode", text=True), Column("exponent per step"), Column(glyph("±", "+-")), Column("kind", text=True),
               Column("multiplicity"))  # fmt: skip
    rows = []
    for index, mode in enumerate(exponents["mode"].values):
        error = float(exponents["exponent_error"][index])
        rows.append(
            (
                str(mode),
                f"{float(exponents['exponent'][index]):+.6g}",
                f"{error:.1e}" if error else "0",
                str(exponents["kind"].values[index]),
                str(int(exponents["multiplicity"][index])),
            )
        )
    return Sheet.of(columns, rows)


def exponents_payload(exponents: xr.Dataset, phase: str) -> dict[str, Any]:
    """The exponents as plain data, with the name of the phase."""
    names = [name for name in exponents.data_vars if exponents[name].dims == ("mode",)]
    modes = [
        {"mode": str(mode), **{str(name): exponents[name].values[index] for name in names}}
        for index, mode in enumerate(exponents["mode"].values)
    ]
    return {"phase": phase, "unit": "per step", "modes": modes}


def intervals_payload(intervals: Any, symbol: str, between: tuple[float, float]) -> dict[str, Any]:
    """Sets of stable values of a symbol within a range, as the text that states them."""
    return {"symbol": symbol, "between": between, "stable": str(intervals)}


def fates_sheet(fates: xr.Dataset) -> Sheet:
    """How many runs ended in each way, with Wilson's 95 % interval."""
    columns = (Column("fate", text=True), Column("runs"), Column("fraction"), Column("95 % interval"))
    rows = [
        (
            str(fate),
            str(int(fates["count"][index])),
            f"{float(fates['fraction'][index]):.4f}",
            f"[{float(fates['lower'][index]):.4f}, {float(fates['upper'][index]):.4f}]",
        )
        for index, fate in enumerate(fates["fate"].values)
    ]
    return Sheet.of(columns, rows)


def fates_payload(fates: xr.Dataset) -> dict[str, Any]:
    """The fates as plain data."""
    return {
        "fates": {
            str(fate): {name: fates[name].values[index] for name in ("count", "fraction", "lower", "upper")}
            for index, fate in enumerate(fates["fate"].values)
        }
    }
