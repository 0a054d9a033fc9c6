"""Figures of a single result: a prediction, a simulation, exponents, fates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from numerics.figures.paper import (
    GREY,
    LINES,
    MARKERS,
    PALETTE,
    PANEL_HEIGHT,
    PANEL_WIDTH,
    collect,
    columns_for,
    legend_above,
    mathematical,
    new_figure,
    note,
    styled,
    theory_label,
    with_unit,
)
from numerics.figures.phases import plot_phase_diagram
from numerics.figures.regions import phase_names
from theory.errors import InvalidRequest

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANELS = 12
"""Statistics with a panel of their own; a note names those that are left out."""
LISTED = 30
"""Names along one axis."""
TRAJECTORIES, PATHS = 7, 12
"""Trajectories that a legend tells apart, and single runs that are drawn behind their mean."""


class NothingToPlot(InvalidRequest):
    """A dataset that holds none of the results that there is a figure for."""


@styled
def plot_dataset(dataset: xr.Dataset) -> Figure:
    """Return the figure of what `solve`, `simulate`, `stationary`, `lyapunov_spectrum`, `phase_diagram` or `fates` returns.

    Statistics over time become lines, with bands for the stated error or the predicted spread; simulated runs their mean with two
    standard errors, single runs behind; ensembles one line per trajectory; exponents and stationary values points with bars.
    Raises `NothingToPlot` for other datasets, naming their dimensions.
    """
    if "phase" in dataset and "mode" in dataset.dims and dataset["phase"].ndim == 2:
        return plot_phase_diagram(dataset)
    if "fate" in dataset.dims:
        return _fates(dataset)
    if "spectrum" in dataset and "exponent" in dataset.dims:
        return _spectrum(dataset)
    if "exponent" in dataset and dataset["exponent"].dims == ("mode",):
        return _modes(dataset)
    statistics = [str(name) for name in dataset.data_vars if _is_statistic(dataset, str(name))]
    if "time" in dataset.dims and statistics:
        return _over_time(dataset, statistics)
    numbers = [str(name) for name, value in dataset.data_vars.items() if value.ndim == 0 and value.dtype.kind == "f"]
    if numbers:
        return _numbers(dataset, numbers)
    raise NothingToPlot(
        f"there is no figure for a dataset of dimensions {', '.join(map(str, dataset.dims)) or 'none'} and variables "
        f"{', '.join(map(str, dataset.data_vars)) or 'none'}; plot what solve, simulate, stationary, lyapunov_spectrum, "
        f"phase_diagram or fates returns"
    )


# ------------------------------------------------------------------------------------------------------- over time


def _is_statistic(dataset: xr.Dataset, name: str) -> bool:
    """Whether a variable gets a panel: numbers over time that describe no other variable."""
    value = dataset[name]
    if "time" not in value.dims or not set(value.dims) <= {"trajectory", "replica", "time"} or value.dtype.kind != "f":
        return False
    if any(name.endswith(end) and name.removesuffix(end) in dataset for end in ("_error", "_variance")):
        return False
    return not name.endswith("_covariance")


def _over_time(dataset: xr.Dataset, statistics: list[str]) -> Figure:
    shown = statistics[:PANELS]
    columns = columns_for(len(shown))
    rows = -(-len(shown) // columns)
    figure = new_figure(PANEL_WIDTH * columns + (1.4 if columns == 1 else 0.3), PANEL_HEIGHT * rows + 0.5)
    panels = figure.subplots(rows, columns, squeeze=False, sharex=True).ravel()
    handles: dict[str, Any] = {}
    for index, name in enumerate(shown):
        panel = panels[index]
        _lines(panel, dataset, name)
        panel.set_ylabel(with_unit(mathematical(name), dataset[name].attrs.get("units", "1")))
        collect(panel, handles)
        if index + columns >= len(shown):
            unit = dataset["time"].attrs.get("units", dataset.attrs.get("clock", ""))
            panel.set_xlabel(with_unit("time", unit))
            panel.tick_params(labelbottom=True)
    for panel in panels[len(shown) :]:
        panel.set_visible(False)
    legend_above(figure, handles)
    _notes(figure, dataset, statistics[PANELS:])
    return figure


def _notes(figure: Figure, dataset: xr.Dataset, left_out: list[str]) -> None:
    texts = []
    if left_out:
        named = ", ".join(map(mathematical, left_out[:6])) + (", ..." if len(left_out) > 6 else "")
        texts.append(f"{len(left_out)} statistics not shown: {named}")
    if "diverged" in dataset and bool(dataset["diverged"].any()):
        lost = dataset["diverged"]
        texts.append(f"{int(lost.sum())} of {lost.size} runs diverged and enter no mean")
    if texts:
        note(figure, "; ".join(texts))


def _lines(panel: Axes, dataset: xr.Dataset, name: str) -> None:
    value, time = dataset[name], dataset["time"].values
    if value.dims == ("time",):
        _prediction(panel, dataset, name)
        return
    lost = dataset["diverged"] if "diverged" in dataset else None
    if "trajectory" not in value.dims:
        runs = value.transpose("replica", "time").values
        kept = np.isfinite(runs).all(axis=1) & (True if lost is None else ~lost.values.astype(bool))
        _mean_of_runs(panel, time, runs[kept])
        return
    spread = value if lost is None or "replica" not in value.dims else value.where(~lost)
    means = spread.mean("replica") if "replica" in value.dims else spread
    _ensemble(panel, time, means.transpose("trajectory", "time"), theory_label(dataset.attrs, _kind(dataset)))


def _kind(dataset: xr.Dataset) -> str:
    return "mean of paths" if "replica" in dataset.dims else "theory"


def _prediction(panel: Axes, dataset: xr.Dataset, name: str) -> None:
    time, curve = dataset["time"].values, dataset[name].values
    mark: dict[str, Any] = {"marker": "o", "linestyle": "none"} if time.size == 1 else {}
    panel.plot(time, curve, color=PALETTE[1], label=theory_label(dataset.attrs), **mark)
    for end, label in (("_error", "error that the theory states"), ("_variance", "± one standard deviation")):
        if f"{name}{end}" in dataset:
            size = dataset[f"{name}{end}"].values
            width = np.abs(size) if end == "_error" else np.sqrt(np.maximum(size, 0))
            if width.any():
                panel.fill_between(
                    time, curve - width, curve + width, color=PALETTE[1], alpha=0.2, linewidth=0, label=label
                )


def _mean_of_runs(panel: Axes, time: Any, runs: Any) -> None:
    count = len(runs)
    if count == 0:
        panel.text(0.5, 0.5, "every run diverged", transform=panel.transAxes, ha="center", va="center", color=GREY)
        return
    for run in runs[:PATHS]:
        panel.plot(time, run, color=PALETTE[5], linewidth=0.5, alpha=0.6, zorder=1,
                   label=f"single runs ({min(PATHS, count)} of {count})")  # fmt: skip
    error = runs.std(axis=0, ddof=1) / np.sqrt(count) if count > 1 else np.zeros(time.size)
    panel.errorbar(time, runs.mean(axis=0), 2 * error, fmt="o", markersize=2.8, color=PALETTE[0], elinewidth=0.8,
                   label=f"mean of {count} runs ± 2 s.e.", zorder=3)  # fmt: skip


def _ensemble(panel: Axes, time: Any, curves: xr.DataArray, label: str) -> None:
    varied = [
        str(name) for name, values in curves.coords.items() if values.dims == ("trajectory",) and name != "trajectory"
    ]
    count = curves.sizes["trajectory"]
    if count > TRAJECTORIES:
        for values in curves.values:
            panel.plot(time, values, color=PALETTE[0], linewidth=0.6, alpha=max(0.1, min(0.7, 20 / count)),
                       label=f"{label}: {count} trajectories")  # fmt: skip
        return
    for index, values in enumerate(curves.values):
        stated = ", ".join(f"{mathematical(name)} = {float(curves[name][index]):.4g}" for name in varied)
        panel.plot(time, values, color=PALETTE[index], linestyle=LINES[index], label=f"{label}: {stated or index}")


# --------------------------------------------------------------------------------------------------- points with bars


def _spectrum(dataset: xr.Dataset) -> Figure:
    values, error = dataset["spectrum"].values, dataset["standard_error"].values
    figure = new_figure(1.6 * PANEL_WIDTH, 1.3 * PANEL_HEIGHT)
    panel = figure.subplots()
    finite = np.isfinite(values)
    index = dataset["exponent"].values
    panel.axhline(0, color=GREY, linewidth=0.6)
    panel.errorbar(index[finite], values[finite], 2 * error[finite], fmt="o", color=PALETTE[0], markersize=4,
                   capsize=2, label=f"{theory_label(dataset.attrs, 'exponents')} ± 2 s.e.")  # fmt: skip
    if (~finite).any():
        low, high = panel.get_ylim()
        panel.set_ylim(low - 0.12 * (high - low), high)
        panel.plot(index[~finite], np.full((~finite).sum(), low - 0.06 * (high - low)), "v", color=PALETTE[1],
                   label="minus infinity")  # fmt: skip
    panel.set_xticks(index)
    panel.set_xlabel("number of the exponent [1]")
    panel.set_ylabel(f"Lyapunov exponent [1 / {str(dataset.attrs.get('clock', 'steps')).removesuffix('s')}]")
    panel.legend()
    return figure


def _modes(dataset: xr.Dataset) -> Figure:
    """The exponent of each mode of a fixed point."""
    names = [str(name) for name in dataset["mode"].values]
    values = dataset["exponent"].values.astype(float)
    error = dataset["exponent_error"].values if "exponent_error" in dataset else np.zeros(values.shape)
    unit = dataset["exponent"].attrs.get("units", dataset["exponent"].attrs.get("unit", "per step"))
    figure = _listed(names, values, error, f"exponent [{unit}]", theory_label(dataset.attrs, "exponent of the mode"))
    figure.axes[0].axvline(0, color=GREY, linewidth=0.8)
    if "phase" in dataset:
        note(figure, ", ".join([f"phase: {phase_names(dataset['phase'])[dataset['phase'].item()]}", *_place(dataset)]))
    return figure


def _numbers(dataset: xr.Dataset, names: list[str]) -> Figure:
    """Values without a time axis, as of stationary moments."""
    names = [name for name in names if not (name.endswith("_error") and name.removesuffix("_error") in dataset)]
    shown = names[:LISTED]
    values = np.array([float(dataset[name]) for name in shown])
    error = np.array([abs(float(dataset[f"{n}_error"])) if f"{n}_error" in dataset else 0.0 for n in shown])
    figure = _listed(shown, values, error, "value [1]", theory_label(dataset.attrs))
    _notes(figure, dataset, names[LISTED:])
    return figure


def _listed(names: list[str], values: Any, error: Any, axis: str, label: str) -> Figure:
    figure = new_figure(1.8 * PANEL_WIDTH, 1.0 + 0.22 * max(len(names), 3))
    panel = figure.subplots()
    places = np.arange(len(names))
    finite = np.isfinite(values)
    bars = np.where(np.isfinite(error), error, 0.0)
    panel.errorbar(values[finite], places[finite], xerr=bars[finite], fmt="o", color=PALETTE[1], markersize=4, capsize=2,
                   label=label)  # fmt: skip
    if (~finite).any():
        low, high = panel.get_xlim()
        panel.plot(np.where(values[~finite] < 0, low, high), places[~finite], "<", color=PALETTE[0], label="infinite")
    panel.set_yticks(places, [mathematical(name) for name in names])
    panel.set_ylim(len(names) - 0.4, -0.6)
    panel.set_xlabel(axis)
    panel.grid(axis="y", linewidth=0.3, color="#DDDDDD")
    handles: dict[str, Any] = {}
    collect(panel, handles)
    legend_above(figure, handles)
    return figure


def _fates(dataset: xr.Dataset) -> Figure:
    """Fractions of runs by fate, with their 95 % intervals."""
    if "point" in dataset.dims:
        raise NothingToPlot(
            "fates at several points are drawn into a phase diagram: plot_phase_diagram(diagram, fates=this dataset)"
        )
    names = [str(name) for name in dataset["fate"].values]
    fraction = dataset["fraction"].values
    reach = np.abs(np.stack([dataset[name].values - fraction for name in ("lower", "upper")]))
    figure = new_figure(1.7 * PANEL_WIDTH, 1.2 * PANEL_HEIGHT)
    panel = figure.subplots()
    for index in range(len(names)):
        one = slice(index, index + 1)
        panel.errorbar(
            [index], fraction[one], reach[:, one], fmt=MARKERS[index], color=PALETTE[index], markersize=6, capsize=3
        )
        panel.annotate(
            f"{fraction[index]:.3g}", (index, fraction[index]), (7, 3), textcoords="offset points", fontsize=9
        )
    panel.set_xticks(range(len(names)), names)
    panel.set_xlim(-0.5, len(names) - 0.3)
    panel.set_ylim(-0.04, 1.08)
    panel.set_ylabel("fraction of runs, 95 % interval [1]")
    panel.set_xlabel("fate")
    details = [f"{dataset.attrs[key]} {key}" for key in ("replicas", "steps") if key in dataset.attrs]
    note(figure, ", ".join([*details, *_place(dataset)]))
    return figure


def _place(dataset: xr.Dataset) -> list[str]:
    return [f"at {dataset.attrs['at']}"] if dataset.attrs.get("at") else []
