"""Stability: exponents of the modes, thresholds, and the fates of runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from derivations.display.sheet import Column, Sheet
from derivations.display.terminal import glyph

if TYPE_CHECKING:
    import xarray as xr


def exponents_sheet(exponents: xr.Dataset) -> Sheet:
    """The Lyapunov exponent of every mode with its error, how it was found, and its multiplicity."""
    orders = [float(order) for order in exponents["order"].values] if "order" in exponents.dims else []
    columns = (
        Column("mode", text=True),
        Column("exponent per step"),
        Column(glyph("±", "+-")),
        Column("kind", text=True),
        Column("multiplicity"),
        *(Column(f"L({order:g})") for order in orders),
    )
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
                *(_with_error(exponents, index, position) for position in range(len(orders))),
            )
        )
    return Sheet.of(columns, rows)


def _with_error(exponents: xr.Dataset, mode: int, order: int) -> str:
    """A moment exponent, and its error where that shows among six digits."""
    value, error = (float(exponents[name][mode, order]) for name in ("moment_exponent", "moment_exponent_error"))
    return f"{value:+.6g}" if error < 1e-6 * max(abs(value), 1.0) else f"{value:+.4g} {glyph('±', '+-')} {error:.0e}"


def sense_of(order: float) -> str:
    """In which sense a set of learning rates is stable: that of the exponent of this order, 0 being the Lyapunov exponent."""
    return {0.0: "in probability", 2.0: "in mean square"}.get(float(order), f"in the moment of order {order:g}")


def exponents_payload(exponents: xr.Dataset, phase: str) -> dict[str, Any]:
    """The exponents as plain data, with the name of the phase."""
    names = [name for name in exponents.data_vars if exponents[name].dims == ("mode",)]
    modes = [
        {"mode": str(mode), **{str(name): exponents[name].values[index] for name in names}}
        for index, mode in enumerate(exponents["mode"].values)
    ]
    for index, mode in enumerate(modes if "order" in exponents.dims else ()):
        mode["moments"] = [
            {
                "order": float(order),
                "moment_exponent": exponents["moment_exponent"].values[index, position],
                "error": exponents["moment_exponent_error"].values[index, position],
                "kind": str(exponents["moment_kind"].values[index, position]),
            }
            for position, order in enumerate(exponents["order"].values)
        ]
    return {"phase": phase, "unit": "per step", "modes": modes}


def intervals_payload(intervals: Any, symbol: str, between: tuple[float, float], order: float) -> dict[str, Any]:
    """Sets of values of a symbol within a range that are stable in the sense of an order, as the text that states them."""
    return {"symbol": symbol, "between": between, "order": order, "sense": sense_of(order), "stable": str(intervals)}


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
