"""Figures of results as a paper prints them: matplotlib without global state, for vector formats.

Colours are those of Okabe and Ito, which the colour-blind can tell apart, and never the only difference; every axis has a unit;
an approximation is named in the legend. `figure.savefig(...)` writes the same bytes for the same data.
"""

from numerics.figures.agreement import plot_agreement, plot_residuals
from numerics.figures.comparisons import plot_distributions, plot_power_laws
from numerics.figures.paper import PALETTE, svg_text
from numerics.figures.phases import plot_phase_diagram
from numerics.figures.results import plot_dataset

__all__ = [
    "PALETTE",
    "plot_agreement",
    "plot_dataset",
    "plot_distributions",
    "plot_phase_diagram",
    "plot_power_laws",
    "plot_residuals",
    "svg_text",
]
