"""The figure of a comparison: prediction, simulated means with their errors, and below them the residuals z."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from numerics.figures.paper import (
    GREY,
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

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from numerics.compare import Agreement

PANELS = 9
"""Statistics with a panel of their own; of more, those with the largest residuals are shown."""
NAMES = 12
"""Statistics that an axis names; more are numbered."""
FAR = 6.0
"""Residuals beyond this lie at the edge of their panel, as arrows."""


@styled
def plot_agreement(agreement: Agreement) -> Figure:
    """Return the figure of a comparison of prediction and simulation.

    One panel per statistic: the prediction as a line, with a band where it states an error; simulated means with bars of two
    standard errors; below, z = (mean - prediction) / standard error, with |z| < 2 shaded and rejected comparisons ringed. Of more
    than nine statistics those with the largest |z| are shown, and a note says so. A comparison at a single time becomes one panel of
    simulated against predicted values. The legend names the approximation that the prediction states.
    """
    if agreement.table.sizes["time"] == 1:
        return _single_time(agreement)
    table = agreement.table
    names = [str(name) for name in table["statistic"].values]
    shown = _worst(agreement, names)
    columns = columns_for(len(shown))
    rows = -(-len(shown) // columns)
    width = PANEL_WIDTH * columns + (1.4 if columns == 1 else 0.3)
    figure = new_figure(width, (PANEL_HEIGHT + 0.55) * rows + 0.6)
    grid = figure.subplots(2 * rows, columns, squeeze=False, height_ratios=[3, 1.1] * rows, sharex=True)
    handles: dict[str, Any] = {}
    for index, name in enumerate(shown):
        row, column = divmod(index, columns)
        panel, residuals = grid[2 * row, column], grid[2 * row + 1, column]
        _curves(panel, agreement, name)
        _residuals(residuals, agreement, name)
        collect(panel, handles)
        last = index + columns >= len(shown)
        residuals.set_xlabel(_time_label(agreement) if last else "")
        residuals.tick_params(labelbottom=last)
        residuals.set_ylabel("$z$" if column == 0 else "")
    for index in range(len(shown), rows * columns):
        row, column = divmod(index, columns)
        grid[2 * row, column].set_visible(False)
        grid[2 * row + 1, column].set_visible(False)
    legend_above(figure, handles)
    _say_left_out(figure, agreement, names, shown)
    return figure


def _worst(agreement: Agreement, names: list[str]) -> list[str]:
    """The statistics that get a panel, in their own order: of too many, those with the largest residuals."""
    if len(names) <= PANELS:
        return names
    sizes = np.nan_to_num(np.abs(agreement.table["z"].values), nan=np.inf).max(axis=1)
    return [names[i] for i in sorted(np.argsort(-sizes, kind="stable")[:PANELS])]


def _say_left_out(figure: Figure, agreement: Agreement, names: list[str], shown: list[str]) -> None:
    left = [name for name in names if name not in shown]
    texts = []
    if left:
        largest = float(np.abs(agreement.table["z"].sel(statistic=left)).max())
        texts.append(
            f"{len(shown)} of {len(names)} statistics, those with the largest $|z|$; the others have $|z|$ ≤ {largest:.2f}"
        )
    if agreement.diverged:
        texts.append(f"{agreement.diverged} of {agreement.replicas} runs diverged and enter no mean")
    if texts:
        note(figure, "; ".join(texts))


def _clock(agreement: Agreement) -> str:
    return str(agreement.table["time"].attrs.get("units", agreement.table.attrs["clock"]))


def _time_label(agreement: Agreement) -> str:
    return with_unit("time", _clock(agreement))


def _runs_label(agreement: Agreement) -> str:
    return f"SGD: mean of {agreement.replicas - agreement.diverged} runs ± 2 s.e."


def _curves(panel: Axes, agreement: Agreement, name: str) -> None:
    table, theory = agreement.table.sel(statistic=name), agreement.theory
    time, mean, error = table["time"].values, table["mean"].values, table["standard_error"].values
    at, curve, bound = time, table["prediction"].values, None
    if name in theory:
        # the part of the predicted curve that the simulation covers, on the prediction's own, maybe finer, grid
        grid = theory["time"].values
        covered = (grid >= time.min()) & (grid <= time.max())
        if covered.sum() >= time.size:
            at, curve = grid[covered], theory[name].values[covered]
            bound = np.abs(theory[f"{name}_error"].values[covered]) if f"{name}_error" in theory else None
    panel.plot(at, curve, color=PALETTE[1], label=theory_label(theory.attrs), zorder=3)
    if bound is not None and bound.any():
        panel.fill_between(at, curve - bound, curve + bound, color=PALETTE[1], alpha=0.25, linewidth=0,
                           label="error that the theory states")  # fmt: skip
    panel.errorbar(time, mean, 2 * error, fmt="o", markersize=2.8, color=PALETTE[0], elinewidth=0.8,
                   label=_runs_label(agreement), zorder=2)  # fmt: skip
    rejected = table["rejected"].values & np.isfinite(mean)
    if rejected.any():
        panel.plot(time[rejected], mean[rejected], "o", markersize=7, markerfacecolor="none", color=PALETTE[7],
                   markeredgewidth=0.8, label=_rejected_label(agreement), zorder=4)  # fmt: skip
    panel.set_ylabel(with_unit(mathematical(name), table["unit"].values))


def _rejected_label(agreement: Agreement) -> str:
    return f"rejected (Holm, {agreement.level:g})"


def _residuals(panel: Axes, agreement: Agreement, name: str) -> None:
    table = agreement.table.sel(statistic=name)
    _z_axis(panel, agreement.largest_z, vertical=True)
    _z_marks(panel, table["time"].values, table["z"].values, table["rejected"].values, vertical=True)


def _z_axis(panel: Axes, largest: float, *, vertical: bool) -> None:
    """A band of two standard errors about zero, and a range that shows the largest residual or an arrow in its place."""
    reach = min(FAR, max(3.4, 1.15 * largest)) if np.isfinite(largest) else FAR
    (panel.axhspan if vertical else panel.axvspan)(-2, 2, color="#E6E6E6", linewidth=0)
    (panel.axhline if vertical else panel.axvline)(0, color=GREY, linewidth=0.6)
    (panel.set_ylim if vertical else panel.set_xlim)(-reach, reach)
    ticks = 2 if reach < 4.5 else 4
    (panel.set_yticks if vertical else panel.set_xticks)([-ticks, 0, ticks])


def _z_marks(panel: Axes, places: Any, values: Any, rejected: Any, *, vertical: bool) -> None:
    edge = 0.9 * float((panel.get_ylim() if vertical else panel.get_xlim())[1])
    known = ~np.isnan(values)
    drawn = np.clip(values, -edge, edge)
    inside = known & (np.abs(values) <= edge)
    arrows = ("^", "v") if vertical else (">", "<")
    for chosen, marker, size, options in (
        (inside, "o", 2.8, {"color": PALETTE[0]}),
        (inside & rejected, "o", 6.0, {"color": PALETTE[7], "markerfacecolor": "none", "markeredgewidth": 0.8}),
        (known & (values > edge), arrows[0], 4.5, {"color": PALETTE[7]}),
        (known & (values < -edge), arrows[1], 4.5, {"color": PALETTE[7]}),
    ):
        if chosen.any():
            pair = (places[chosen], drawn[chosen]) if vertical else (drawn[chosen], places[chosen])
            panel.plot(*pair, marker, markersize=size, **options)


# ------------------------------------------------------------------------------------------------------ at one time


def _single_time(agreement: Agreement) -> Figure:
    """Simulated against predicted values of all statistics at one time, and their residuals."""
    table = agreement.table.isel(time=0)
    names = [mathematical(str(name)) for name in table["statistic"].values]
    few = len(names) <= NAMES
    figure = new_figure(2 * PANEL_WIDTH + 1.2, max(2.6, 1.3 + 0.19 * len(names)) if few else 3.3)
    values, residuals = figure.subplots(1, 2)
    predicted, mean, error = (table[key].values for key in ("prediction", "mean", "standard_error"))
    known = np.concatenate([predicted, mean[np.isfinite(mean)]])
    ends = np.array([known.min(), known.max()]) + np.array([-0.08, 0.08]) * (np.ptp(known) or 1.0)
    values.plot(ends, ends, color=PALETTE[1], label=theory_label(agreement.theory.attrs), zorder=1)
    values.errorbar(predicted, mean, 2 * error, fmt="o", markersize=3.2, color=PALETTE[0], elinewidth=0.8,
                    label=_runs_label(agreement), zorder=2)  # fmt: skip
    rejected = table["rejected"].values & np.isfinite(mean)
    if rejected.any():
        values.plot(predicted[rejected], mean[rejected], "o", markersize=7, markerfacecolor="none", color=PALETTE[7],
                    markeredgewidth=0.8, label=_rejected_label(agreement))  # fmt: skip
    units = ", ".join(dict.fromkeys(str(unit) for unit in table["unit"].values))
    values.set_xlabel(with_unit("predicted value", units))
    values.set_ylabel(with_unit("simulated value", units))
    places = np.arange(1, len(names) + 1)
    _z_axis(residuals, agreement.largest_z, vertical=not few)
    _z_marks(residuals, places, table["z"].values, table["rejected"].values, vertical=not few)
    if few:
        residuals.set_yticks(places, names)
        residuals.set_ylim(len(names) + 0.6, 0.4)
        residuals.set_xlabel("$z$ [standard errors]")
    else:
        residuals.set_xlabel(f"statistic [number 1 ... {len(names)}]")
        residuals.set_ylabel("$z$ [standard errors]")
    handles: dict[str, Any] = {}
    collect(values, handles)
    legend_above(figure, handles)
    lost = (
        f"; {agreement.diverged} of {agreement.replicas} runs diverged and enter no mean" if agreement.diverged else ""
    )
    note(figure, f"at time {float(table['time']):g} [{_clock(agreement)}]{lost}")
    return figure


@styled
def plot_residuals(agreements: Sequence[tuple[str, Agreement]]) -> Figure:
    """Return the residuals z of several comparisons, each at a single time, one line per statistic.

    Parameters: `agreements`, pairs of a label and a comparison; of one with more than twelve statistics those with the largest |z|.
    """
    places: list[int] = []
    ends: list[int] = []
    names, values, rejected = [], [], []
    for label, agreement in agreements:
        table = agreement.table.isel(time=0)
        sizes = np.nan_to_num(np.abs(table["z"].values), nan=np.inf)
        for index in sorted(np.argsort(-sizes, kind="stable")[:NAMES]):
            places.append(len(places) + len(ends))
            names.append(f"{label}: {mathematical(str(table['statistic'].values[index]))}")
            values.append(float(table["z"].values[index]))
            rejected.append(bool(table["rejected"].values[index]))
        ends.append(places[-1] + 1)
    figure = new_figure(2.6 * PANEL_WIDTH, 0.9 + 0.17 * (places[-1] + 1))
    panel = figure.subplots()
    _z_axis(panel, max((abs(z) for z in values if not np.isnan(z)), default=0.0), vertical=False)
    for end in ends[:-1]:
        panel.axhline(end, color="#DDDDDD", linewidth=0.5)
    _z_marks(panel, np.array(places), np.array(values), np.array(rejected), vertical=False)
    panel.set_yticks(places, names)
    panel.set_ylim(places[-1] + 0.7, -0.7)
    panel.set_xlabel("$z$ [standard errors]")
    return figure
