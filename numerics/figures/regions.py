"""The flat regions of a phase diagram: each fine cell has the phase of the nearest sample on its side of every curve."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from numerics.figures.paper import is_geometric

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TINTS = ("#9FD3F5", "#9ADBC4", "#F6D58B", "#EFB08C", "#D9C2E0", "#C3E3A6", "#EFEFEF", "#C9CBEA")
"""Tints of Okabe and Ito's colours, of unlike lightness, for the phases in the order in which a dataset names them."""
UNDECIDED = "undecided"
"""The phase that is hatched: which one it is is not known."""
HATCH, HATCH_COLOUR = "////", "#8A8A8A"
CELLS = 320
"""Cells along an axis at which regions are drawn, so that their edges follow the curves."""
WIDTH, HEIGHT = 4.0, 3.3
"""Inches of the axes, about: where the name of a region is longer than the region is wide, the legend alone names it."""

Floats = NDArray[np.float64]
Signs = NDArray[np.bool_]


def draw_regions(
    panel: Axes,
    phase: xr.DataArray,
    positive: Signs,
    curves: Sequence[Sequence[Floats]],
    others: Sequence[Floats],
    axes: tuple[Floats, Floats],
) -> tuple[list[Any], list[tuple[float, float]]]:
    """Draw the phases; return what the legend says of them and where their names stand.

    `phase` over the two axes; `positive` (mode, x, y), where the exponent of a mode is positive; `curves`, for each mode the polylines
    that part both signs; `others`, further lines on which no name should stand.
    """
    from matplotlib.collections import PolyCollection
    from matplotlib.patches import Patch

    x, y = axes
    fine_x, fine_y = _finer(x), _finer(y)
    cells = _fine_phases(phase.values, positive, curves, (x, y), (fine_x, fine_y))
    free = ~_crossed([line for lines in (*curves, others) for line in lines], (x, y), (fine_x, fine_y))
    handles, places = [], []
    for index, (value, name) in enumerate(phase_names(phase).items()):
        inside = cells == value
        if not inside.any():
            continue
        colour = TINTS[index % len(TINTS)]
        rectangles = _rectangles(inside, _edges(fine_x), _edges(fine_y))
        # the outlines close the seams that a screen would show between neighbouring rectangles
        panel.add_collection(PolyCollection(rectangles, facecolors=colour, edgecolors=colour, linewidths=0.9, zorder=0))
        look: dict[str, Any] = {"facecolor": colour}
        if name == UNDECIDED:
            look |= {"hatch": HATCH, "edgecolor": HATCH_COLOUR, "linewidth": 0.0}
            panel.add_collection(PolyCollection(rectangles, facecolors="none", zorder=0.5, edgecolors=HATCH_COLOUR,
                                                hatch=HATCH, linewidths=0.0))  # fmt: skip
        handles.append(Patch(label=name, **look))
        room = inside & free
        place = _deepest(room)
        if _has_room(room, place, name):
            places.append((float(fine_x[place[0]]), float(fine_y[place[1]])))
            panel.text(*places[-1], name.replace(" ", "\n"), ha="center", va="center", fontsize=9, color="#202020",
                       style="italic", zorder=1.5, linespacing=0.95, clip_on=True)  # fmt: skip
    return handles, places


def phase_names(phase: xr.DataArray) -> dict[int, str]:
    """What each number of a `phase` variable means."""
    values, meanings = np.atleast_1d(phase.attrs["flag_values"]).tolist(), phase.attrs["flag_meanings"]
    return dict(zip(values, meanings.split("\n") if isinstance(meanings, str) else meanings, strict=True))


def scaled(values: Floats, axis: Floats) -> Floats:
    """Values of an axis in the coordinate in which the axis is drawn."""
    return np.log(values) if is_geometric(axis) else values


def unscaled(places: Floats, axis: Floats) -> Floats:
    """The inverse of `scaled`."""
    return np.exp(places) if is_geometric(axis) else places


def _finer(values: Floats) -> Floats:
    """The grid of an axis, with equally many cells between its points, to about `CELLS` in all."""
    pieces = max(1, round(CELLS / (values.size - 1)))
    places = np.interp(
        np.arange((values.size - 1) * pieces + 1) / pieces, np.arange(values.size), scaled(values, values)
    )
    return unscaled(places, values)


def _fine_phases(
    phase: Any,
    positive: Signs,
    curves: Sequence[Sequence[Floats]],
    coarse: tuple[Floats, Floats],
    fine: tuple[Floats, Floats],
) -> Any:
    """The phase of each fine cell: that of the nearest sample at which the exponents have the same signs.

    So a region ends at the curves, and where it ends for another reason, halfway between samples.
    """
    from scipy.ndimage import distance_transform_edt

    places = np.ix_(*(_nearest(scaled(a, a), scaled(b, a)) for a, b in zip(coarse, fine, strict=True)))
    weights = 2 ** np.arange(len(positive))[:, None, None]
    sampled = (positive * weights).sum(axis=0)[places]
    found, result = phase[places], phase[places].copy()
    parted = [_sides(field, lines, coarse, fine) for field, lines in zip(positive, curves, strict=True)]
    signs = (np.stack(parted) * weights).sum(axis=0)
    for pattern in np.unique(sampled):
        near = distance_transform_edt(sampled != pattern, return_distances=False, return_indices=True)
        result = np.where(signs == pattern, found[tuple(near)], result)
    return result


def _crossed(lines: Sequence[Floats], coarse: tuple[Floats, Floats], fine: tuple[Floats, Floats]) -> Signs:
    """The fine cells through which a line goes."""
    grids = [scaled(a, axis) for a, axis in zip(fine, coarse, strict=True)]
    result = np.zeros(tuple(grid.size for grid in grids), dtype=bool)
    for line in lines:
        points = np.stack([scaled(line[:, k], coarse[k]) for k in (0, 1)], axis=1)
        along = points[:-1, None] + np.linspace(0, 1, CELLS // 8)[None, :, None] * np.diff(points, axis=0)[:, None]
        result[tuple(_nearest(grid, along[..., k].ravel()) for k, grid in enumerate(grids))] = True
    return result


def _nearest(grid: Floats, places: Floats) -> NDArray[np.int64]:
    return np.searchsorted((grid[1:] + grid[:-1]) / 2, places)


def _sides(
    positive: Signs, lines: Sequence[Floats], coarse: tuple[Floats, Floats], fine: tuple[Floats, Floats]
) -> Signs:
    """The sign at every fine place: that of a corner of its coarse cell, turned once for each line between the two."""
    (x, y), (new_x, new_y) = (
        [scaled(a, axis) for a, axis in zip(pair, coarse, strict=True)] for pair in (coarse, fine)
    )
    result = positive[np.ix_(_nearest(x, new_x), _nearest(y, new_y))]
    segments: dict[tuple[int, int], list[Floats]] = {}
    for line in lines:
        points = np.stack([scaled(line[:, k], coarse[k]) for k in (0, 1)], axis=1)
        for pair in np.stack([points[:-1], points[1:]], axis=1):
            i, j = (int(np.clip(np.searchsorted(grid, m) - 1, 0, grid.size - 2)) for grid, m in
                    zip((x, y), pair.mean(axis=0), strict=True))  # fmt: skip
            segments.setdefault((i, j), []).append(pair)
    for (i, j), pairs in segments.items():
        rows, columns = (np.flatnonzero((new >= grid[k]) & (new <= grid[k + 1])) for new, grid, k in
                         ((new_x, x, i), (new_y, y, j)))  # fmt: skip
        inside = np.stack(np.meshgrid(new_x[rows], new_y[columns], indexing="ij"), axis=-1)
        corners = np.array([[x[a], y[b]] for a in (i, i + 1) for b in (j, j + 1)])
        signs = np.array([positive[a, b] for a in (i, i + 1) for b in (j, j + 1)])
        # the corner farthest from all lines: one on a line would not tell its sides
        reference = int(np.argmax(np.min([np.abs(_height(corners, pair)) for pair in pairs], axis=0)))
        turned = sum(
            ((_height(inside, pair) > 0) != (_height(corners[reference], pair) > 0)).astype(int) for pair in pairs
        )
        result[np.ix_(rows, columns)] = signs[reference] ^ (turned % 2 == 1)
    return result


def _height(points: Floats, pair: Floats) -> Any:
    """On which side of the line through two points others lie, and how far, in units of no matter."""
    along = pair[1] - pair[0]
    away = points - pair[0]
    return along[0] * away[..., 1] - along[1] * away[..., 0]


def _edges(values: Floats) -> Floats:
    places = scaled(values, values)
    middle = (places[1:] + places[:-1]) / 2
    edges = np.concatenate([[places[0]], middle, [places[-1]]])
    return unscaled(edges, values)


def _rectangles(inside: Any, x: Floats, y: Floats) -> list[Any]:
    """A region as few rectangles: runs of cells along y, joined over equal neighbouring columns."""
    found: list[Any] = []
    open_runs: dict[tuple[int, int], int] = {}
    for column in range(inside.shape[0] + 1):
        padded = np.zeros(inside.shape[1] + 2, dtype=int)
        if column < inside.shape[0]:
            padded[1:-1] = inside[column]
        change = np.diff(padded)
        runs = list(zip(np.flatnonzero(change == 1).tolist(), np.flatnonzero(change == -1).tolist(), strict=True))
        for run in [run for run in open_runs if run not in runs]:
            began = open_runs.pop(run)
            low, high = y[run[0]], y[run[1]]
            found.append([(x[began], low), (x[column], low), (x[column], high), (x[began], high)])
        for run in runs:
            open_runs.setdefault(run, column)
    return found


def _deepest(inside: Any) -> tuple[int, int]:
    """The cell of a region that lies farthest from its edge, where a name fits best."""
    from scipy.ndimage import distance_transform_edt

    depth = distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1]
    row, column = np.unravel_index(int(depth.argmax()), depth.shape)
    return int(row), int(column)


def _has_room(inside: Any, place: tuple[int, int], name: str) -> bool:
    """Whether a name, one word a line, fits into a region about a cell."""
    words = name.split()
    across, along = (_run_about(line, index) / line.size for line, index in
                     ((inside[:, place[1]], place[0]), (inside[place[0]], place[1])))  # fmt: skip
    return across * WIDTH > 0.1 + 0.075 * max(map(len, words)) and along * HEIGHT > 0.1 + 0.16 * len(words)


def _run_about(line: Any, index: int) -> int:
    """Twice the distance from an index to the nearer end of the run of true cells about it."""
    before, after = np.flatnonzero(~line[:index]), np.flatnonzero(~line[index:])
    low = index - (before[-1] + 1 if before.size else 0)
    high = after[0] - 1 if after.size else line.size - 1 - index
    return 2 * int(min(low, high))
