"""Figures of two samples that should have one law, and of errors that should fall as a power."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

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
    styled,
    with_unit,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@styled
def plot_distributions(
    samples: Mapping[str, Sequence[ArrayLike]], *, names: Sequence[str], unit: str = "1", points: int = 200
) -> Figure:
    """Return empirical distribution functions over one another, one panel per statistic.

    Parameters: `samples`, for each statistic one sample per entry of `names`; `points`, quantiles that a curve is drawn through.
    """
    columns = columns_for(len(samples))
    rows = -(-len(samples) // columns)
    figure = new_figure(PANEL_WIDTH * columns + (1.0 if columns == 1 else 0.3), PANEL_HEIGHT * rows + 0.4)
    panels = figure.subplots(rows, columns, squeeze=False, sharey=True).ravel()
    handles: dict[str, Any] = {}
    levels = np.linspace(0, 1, points)
    for panel, (statistic, several) in zip(panels, samples.items(), strict=False):
        for index, (name, sample) in enumerate(zip(names, several, strict=True)):
            values = np.asarray(sample, dtype=float)
            label = f"{name}, {values.size} runs"
            panel.plot(np.quantile(values, levels), levels, linestyle=LINES[index], color=PALETTE[index], label=label,
                       linewidth=1.8 if index == 0 else 1.1)  # fmt: skip
        panel.set_xlabel(with_unit(mathematical(statistic), unit))
        collect(panel, handles)
    for panel in panels[len(samples) :]:
        panel.set_visible(False)
    for row in range(rows):
        panels[row * columns].set_ylabel("probability [1]")
    legend_above(figure, handles)
    return figure


@styled
def plot_power_laws(
    x: ArrayLike, series: Mapping[str, ArrayLike], *, axis: str, quantity: str, exponent: float, unit: str = "1"
) -> Figure:
    """Return series against x in double logarithmic axes, each beside the power that theory predicts, through its last point.

    Parameters: `x` and each of `series`, positive; `axis`, `quantity`, what the axes show, both in the unit `unit`.
    """
    abscissa = np.asarray(x, dtype=float)
    figure = new_figure(1.6 * PANEL_WIDTH, 1.35 * PANEL_HEIGHT)
    panel = figure.subplots()
    for index, (name, values) in enumerate(series.items()):
        ordinate = np.asarray(values, dtype=float)
        power = ordinate[-1] * (abscissa / abscissa[-1]) ** exponent
        panel.plot(abscissa, power, color=GREY, linewidth=0.9, zorder=1, linestyle="--",
                   label=rf"theory: slope ${exponent:g}$" if index == 0 else None)  # fmt: skip
        panel.plot(abscissa, ordinate, MARKERS[index], color=PALETTE[index], markersize=5, label=mathematical(name))
    panel.set_xscale("log")
    panel.set_yscale("log")
    panel.set_xlabel(with_unit(axis, unit))
    panel.set_ylabel(with_unit(quantity, unit))
    panel.legend()
    return figure
