"""Predictions, simulations and their comparison: tables of a few times, plain data of all."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from derivations.display.sheet import Column, Sheet
from derivations.display.terminal import glyph

if TYPE_CHECKING:
    import xarray as xr

    from numerics import Agreement

SHOWN_TIMES = 5
"""How many times of a run a table shows; JSON and files hold all."""
SHOWN_REJECTED = 5
"""How many rejected comparisons are shown before the table."""
_KEYS = (Column("time"), Column("statistic", text=True))


def agreement_sheet(agreement: Agreement) -> Sheet:
    """Prediction against simulated mean, standard error and z, at a few times."""
    rows = []
    table = agreement.table
    for index, name in enumerate(table["statistic"].values):
        for time in _shown(table.sizes["time"]):
            row = table.isel(statistic=index, time=time)
            z = "exact" if bool(row["exact"]) else f"{float(row['z']):+.2f}"
            rows.append(
                (
                    f"{float(row['time']):.4g}",
                    str(name),
                    f"{float(row['prediction']):.6g}",
                    f"{float(row['mean']):.6g}",
                    f"{float(row['standard_error']):.1e}",
                    z + (" !" if bool(row["rejected"]) else ""),
                )
            )
    return Sheet.of((*_KEYS, Column("predicted"), Column("simulated"), Column(_error()), Column("z")), rows, keys=2)


def rejected_sheet(agreement: Agreement) -> tuple[Sheet, int]:
    """The rejected comparisons with the largest z first, at most `SHOWN_REJECTED`, and how many more there are."""
    table = agreement.table
    found = [
        (abs(float(row["z"])), str(name), f"{float(row['time']):.4g}", f"{float(row['z']):+.2f}")
        for index, name in enumerate(table["statistic"].values)
        for time in range(table.sizes["time"])
        if bool((row := table.isel(statistic=index, time=time))["rejected"])
    ]
    found.sort(key=lambda row: -row[0])
    columns = (Column("statistic", text=True), Column("time"), Column("z"))
    return Sheet.of(columns, (row[1:] for row in found[:SHOWN_REJECTED]), keys=2), max(0, len(found) - SHOWN_REJECTED)


def agreement_payload(agreement: Agreement) -> dict[str, Any]:
    """A comparison as plain data."""
    table = agreement.table
    return {
        "verdict": agreement.verdict,
        "agrees": agreement.agrees,
        "level": agreement.level,
        "comparisons": agreement.comparisons,
        "largest_z": agreement.largest_z,
        "replicas": agreement.replicas,
        "diverged": agreement.diverged,
        "clock": table.attrs["clock"],
        "time": table["time"].values,
        "statistics": {
            str(name): {column: table[column].isel(statistic=index).values for column in table.data_vars}
            for index, name in enumerate(table["statistic"].values)
        },
    }


def simulation_sheet(summary: Mapping[str, Any]) -> Sheet:
    """Simulated means and standard errors at a few times, where there is no prediction."""
    rows = []
    for name, columns in summary["statistics"].items():
        for index in _shown(len(summary["time"])):
            mean, error = columns["mean"][index], columns["standard_error"][index]
            shown = "-" if mean is None else f"{mean:.6g}", "-" if error is None else f"{error:.1e}"
            rows.append((f"{summary['time'][index]:.4g}", name, *shown))
    return Sheet.of((*_KEYS, Column("simulated"), Column(_error())), rows, keys=2)


def simulation_payload(simulation: xr.Dataset) -> dict[str, Any]:
    """Means and standard errors over the runs that did not diverge, as plain data; NaN where too few are left."""
    import numpy as np

    kept = simulation.isel(replica=~simulation["diverged"].values)
    count = kept.sizes["replica"]
    statistics = {}
    for name in simulation.data_vars:
        if simulation[name].dims == ("replica", "time"):
            runs = kept[name].values
            nothing = np.full(runs.shape[1], np.nan)
            error = runs.std(axis=0, ddof=1) / math.sqrt(count) if count > 1 else nothing
            statistics[str(name)] = {"mean": runs.mean(axis=0) if count else nothing, "standard_error": error}
    return {
        "verdict": None,
        "replicas": simulation.sizes["replica"],
        "diverged": int(simulation["diverged"].sum()),
        "clock": simulation.attrs["clock"],
        "time": simulation["time"].values,
        "statistics": statistics,
    }


def prediction_sheet(prediction: xr.Dataset) -> Sheet:
    """The predicted statistics at a few times, with the numerical error where it is known."""
    names = _predicted(prediction)
    bounded = any(f"{name}_error" in prediction for name in names)
    rows = []
    for name in names:
        for index in _shown(prediction.sizes["time"]):
            cells = [f"{float(prediction['time'][index]):.4g}", name, f"{float(prediction[name][index]):.8g}"]
            if bounded:
                error = prediction.get(f"{name}_error")
                cells.append("" if error is None else f"{float(error[index]):.1e}")
            rows.append(cells)
    columns = (*_KEYS, Column("predicted"), *((Column("numerical error"),) if bounded else ()))
    return Sheet.of(columns, rows, keys=2)


def prediction_payload(prediction: xr.Dataset) -> dict[str, Any]:
    """A prediction as plain data: every time, every statistic, and what is known of its numerical error."""
    statistics = {}
    for name in _predicted(prediction):
        error = prediction.get(f"{name}_error")
        statistics[name] = {
            "prediction": prediction[name].values,
            **({} if error is None else {"numerical_error": error.values}),
        }
    return {"clock": prediction.attrs["clock"], "time": prediction["time"].values, "statistics": statistics}


def _predicted(prediction: xr.Dataset) -> list[str]:
    """The statistics over time of a prediction, without the bounds of their errors."""
    names = [str(name) for name in prediction.data_vars if prediction[name].dims == ("time",)]
    return [name for name in names if not (name.endswith("_error") and name.removesuffix("_error") in names)]


def _shown(count: int) -> list[int]:
    """The indices of a few equally spaced times, first and last among them."""
    return sorted({round(i * (count - 1) / (SHOWN_TIMES - 1)) for i in range(SHOWN_TIMES)})


def _error() -> str:
    return f"{glyph('±', '+-')} s.e."
