"""What tests of figures share: what a reader sees of a figure."""

from __future__ import annotations

import warnings

from numerics.figures import svg_text

PHASES = ["saddle attracts", "correct learning", "incorrect learning", "complete instability", "instability"]


def labels(figure):
    return [text.get_text().replace("\n", " ") for legend in figure.legends for text in legend.get_texts()]


def drawn(figure):
    """The axes that a reader sees, after the figure has been drawn without a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        svg_text(figure)
    return [panel for panel in figure.axes if panel.get_visible()]
