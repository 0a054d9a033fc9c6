"""Figures of results, drawn with matplotlib's object interface: no global state, no display needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from numerics.compare import Agreement

# Okabe and Ito's palette, which the colour-blind can tell apart
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442", "#000000")
"""Colours for curves, in the order in which to use them."""


def agreement_figure(agreement: Agreement) -> Figure:
    """Return a figure of simulated means (band: two standard errors) and theory, one panel per statistic.

    Rejected comparisons are ringed; the title is the verdict; the legend names the replicas, and whatever
    approximation the prediction names in `attrs["approximation"]`.
    """
    from matplotlib.figure import Figure

    names = [str(name) for name in agreement.table["statistic"].values]
    columns = min(3, len(names))
    rows = -(-len(names) // columns)
    figure = Figure(figsize=(1.0 + 4.0 * columns, 0.8 + 3.0 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for panel, name in zip(panels, names, strict=False):
        _panel(panel, agreement, name)
    for panel in panels[len(names) :]:
        panel.set_visible(False)
    panels[0].legend(fontsize="small")
    figure.suptitle(f"{agreement.verdict}: largest |z| = {agreement.largest_z:.2f}, {agreement.diverged} diverged")
    return figure


def _panel(panel: Axes, agreement: Agreement, name: str) -> None:
    table, theory = agreement.table.sel(statistic=name), agreement.theory
    time, mean, error = table["time"].values, table["mean"].values, table["standard_error"].values
    theory_label = "theory"
    if approximation := theory.attrs.get("approximation"):
        theory_label += f" ({approximation})"
    if name in theory:
        # the part of the predicted curve that the simulation covers, on the prediction's own, maybe finer, grid
        curve = theory[name]
        covered = (curve["time"].values >= time.min()) & (curve["time"].values <= time.max())
        if covered.sum() >= time.size:
            panel.plot(curve["time"].values[covered], curve.values[covered], color=PALETTE[1], label=theory_label)
        else:
            panel.plot(time, table["prediction"].values, color=PALETTE[1], label=theory_label)
    survivors = agreement.replicas - agreement.diverged
    panel.fill_between(time, mean - 2 * error, mean + 2 * error, color=PALETTE[0], alpha=0.3, linewidth=0)
    panel.plot(time, mean, ".", color=PALETTE[0], label=f"SGD, mean of {survivors} replicas, 2 s.e.")
    rejected = table["rejected"].values & np.isfinite(mean)
    if rejected.any():
        panel.plot(time[rejected], mean[rejected], "o", mfc="none", color=PALETTE[7], label="rejected")
    unit = str(table["unit"].values)
    panel.set_xlabel(f"time [{agreement.table['time'].attrs.get('units', agreement.table.attrs['clock'])}]")
    panel.set_ylabel(f"{name} [{unit}]" if unit else name)
