"""Phase diagrams: flat regions, the curves where an exponent vanishes, and what simulated runs ended as."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from numerics.figures.paper import (
    LINES,
    is_geometric,
    mathematical,
    new_figure,
    note,
    styled,
    theory_label,
    with_unit,
    wrapped,
)
from theory.errors import InvalidRequest

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

REGIONS = ("#9FD3F5", "#9ADBC4", "#F6D58B", "#EFB08C", "#D9C2E0", "#C3E3A6", "#D9D9D9")
"""Tints of Okabe and Ito's colours, of unlike lightness, for the phases in the order in which a dataset names them."""
CURVES = ("#000000", "#0072B2", "#B04000", "#007D5C", "#A0407E")
FATES = {
    "saddle": ("s", "#0072B2"), "correct": ("o", "#00694D"), "incorrect": ("^", "#A66F00"), "undirected": ("D", "#8A3F78"),
    "blow-up": ("X", "#B33A00"),
}  # fmt: skip
"""Marker and colour of each fate of a simulated run."""
LEGEND = 30
"""Characters of a line of the legend beside the diagram."""
CELLS = 320
"""Cells along an axis at which regions are drawn, so that their edges follow the curves."""
WIDTH, HEIGHT = 4.0, 3.3
"""Inches of the axes, about: where the name of a region is longer than the region is wide, the legend alone names it."""

Floats = NDArray[np.float64]


class NoPhaseDiagram(InvalidRequest):
    """A dataset that holds no phase diagram, or fates that have no place in one."""


@styled
def plot_phase_diagram(dataset: xr.Dataset, fates: xr.Dataset | None = None) -> Figure:
    """Return the figure of a phase diagram, as `phase_diagram` returns it.

    Flat regions are the phases, named inside where there is room; curves are where the exponent of a mode vanishes. `fates`,
    simulated at several points, becomes markers: the shape says which fate most runs had, the size how many. An axis whose grid is
    geometric is logarithmic. Raises `NoPhaseDiagram` for other datasets.
    """
    first, second = _axes_of(dataset)
    x, y = (np.asarray(dataset[name].values, dtype=float) for name in (first, second))
    figure = new_figure(6.3, 4.0)
    panel = figure.subplots()
    handles: list[Any] = []
    handles += _regions(panel, dataset, x, y, (first, second))
    handles += _curves(panel, dataset, x, y, (first, second))
    if fates is not None:
        handles += _markers(panel, fates, (first, second))
    for values, name, axis in ((x, first, "x"), (y, second, "y")):
        getattr(panel, f"set_{axis}scale")("log" if is_geometric(values) else "linear")
        getattr(panel, f"set_{axis}lim")(*_ends(values))
        getattr(panel, f"set_{axis}label")(_axis_label(dataset[name], name))
    panel.spines[["top", "right"]].set_visible(True)
    figure.legend(handles=handles, loc="outside right upper")
    if text := _described(dataset, fates):
        note(figure, text)
    return figure


def _axes_of(dataset: xr.Dataset) -> tuple[str, str]:
    if "phase" not in dataset or "exponent" not in dataset or dataset["phase"].ndim != 2:
        raise NoPhaseDiagram(
            f"a phase diagram holds phase over two axes and exponent over mode and the same two, got the variables "
            f"{', '.join(f'{name} {tuple(value.dims)}' for name, value in dataset.data_vars.items()) or 'none'}"
        )
    first, second = map(str, dataset["phase"].dims)
    for name in (first, second):
        if dataset.sizes[name] < 2:
            raise NoPhaseDiagram(f"axis {name} holds {dataset.sizes[name]} value; a phase diagram needs at least 2")
    return first, second


def _axis_label(coordinate: xr.DataArray, name: str) -> str:
    long_name = str(coordinate.attrs.get("long_name", ""))
    symbol = mathematical(name)
    unit = coordinate.attrs.get("unit", coordinate.attrs.get("units", "1"))
    return with_unit(f"{long_name} {symbol}" if long_name and long_name != name else symbol, unit)


def _ends(values: Floats) -> tuple[float, float]:
    return float(values.min()), float(values.max())


def _described(dataset: xr.Dataset, fates: xr.Dataset | None) -> str:
    texts = []
    if dataset.attrs.get("at"):
        texts.append(f"at {dataset.attrs['at']}")
    if fates is not None:
        runs = [
            f"{fates.attrs[key]} {text}"
            for key, text in (("replicas", "runs"), ("steps", "steps"))
            if key in fates.attrs
        ]
        texts.append(f"markers: {' of '.join(runs)} of SGD each, larger where more of them agree" if runs else "")
    return "; ".join(text for text in texts if text)


# ---------------------------------------------------------------------------------------------------------- regions


def _regions(panel: Axes, dataset: xr.Dataset, x: Floats, y: Floats, axes: tuple[str, str]) -> list[Any]:
    """Draw the phases; return what the legend says of them."""
    from matplotlib.collections import PolyCollection
    from matplotlib.patches import Patch

    phase = dataset["phase"].transpose(*axes)
    exponents = np.stack(
        [_bounded(dataset["exponent"].isel(mode=i).transpose(*axes).values) for i in range(dataset.sizes["mode"])]
    )
    fine_x, fine_y = _finer(x), _finer(y)
    cells = _fine_phases(phase.values, exponents, (x, y), (fine_x, fine_y))
    handles = []
    for index, (value, name) in enumerate(phase_names(phase).items()):
        inside = cells == value
        if not inside.any():
            continue
        colour = REGIONS[index % len(REGIONS)]
        rectangles = _rectangles(inside, _edges(fine_x), _edges(fine_y))
        # the outlines close the seams that a screen would show between neighbouring rectangles
        panel.add_collection(PolyCollection(rectangles, facecolors=colour, edgecolors=colour, linewidths=0.9, zorder=0))
        handles.append(Patch(facecolor=colour, label=name))
        place = _deepest(inside)
        if _has_room(inside, place, name):
            panel.text(fine_x[place[0]], fine_y[place[1]], name.replace(" ", "\n"), ha="center", va="center", fontsize=9,
                       color="#202020", style="italic", zorder=1.5, linespacing=0.95, clip_on=True)  # fmt: skip
    return handles


def phase_names(phase: xr.DataArray) -> dict[int, str]:
    """What each number of a `phase` variable means."""
    values, meanings = np.atleast_1d(phase.attrs["flag_values"]).tolist(), phase.attrs["flag_meanings"]
    return dict(zip(values, meanings.split("\n") if isinstance(meanings, str) else meanings, strict=True))


def _bounded(values: Any) -> Floats:
    """Exponents that can be interpolated: infinite ones become large."""
    finite = np.abs(values[np.isfinite(values)])
    largest = 10 * max(1.0, float(finite.max(initial=0.0)))
    return np.nan_to_num(np.asarray(values, dtype=float), nan=0.0, posinf=largest, neginf=-largest)


def _scaled(values: Floats) -> Floats:
    """An axis in the coordinate in which it is drawn."""
    return np.log(values) if is_geometric(values) else values


def _finer(values: Floats) -> Floats:
    """The grid of an axis, with equally many cells between its points, to about `CELLS` in all."""
    pieces = max(1, round(CELLS / (values.size - 1)))
    places = np.interp(np.arange((values.size - 1) * pieces + 1) / pieces, np.arange(values.size), _scaled(values))
    return np.exp(places) if is_geometric(values) else places


def _fine_phases(phase: Any, exponents: Floats, coarse: tuple[Floats, Floats], fine: tuple[Floats, Floats]) -> Any:
    """The phase of each fine cell: that of the nearest sample where the exponents have the same signs.

    So a region ends where the interpolated exponents vanish, and where it ends for another reason, halfway between samples.
    """
    from scipy.ndimage import distance_transform_edt

    places = np.ix_(*(_nearest(_scaled(a), _scaled(b)) for a, b in zip(coarse, fine, strict=True)))
    weights = 2 ** np.arange(len(exponents))[:, None, None]
    sampled = ((exponents < 0) * weights).sum(axis=0)[places]
    found, result = phase[places], phase[places].copy()
    interpolated = (np.stack([_bilinear(field, coarse, fine) for field in exponents]) < 0) * weights
    signs = interpolated.sum(axis=0)
    for pattern in np.unique(sampled):
        near = distance_transform_edt(sampled != pattern, return_distances=False, return_indices=True)
        result = np.where(signs == pattern, found[tuple(near)], result)
    return result


def _nearest(grid: Floats, places: Floats) -> NDArray[np.int64]:
    return np.searchsorted((grid[1:] + grid[:-1]) / 2, places)


def _bilinear(field: Floats, coarse: tuple[Floats, Floats], fine: tuple[Floats, Floats]) -> Floats:
    (x, y), (new_x, new_y) = (tuple(map(_scaled, pair)) for pair in (coarse, fine))
    rows = np.stack([np.interp(new_x, x, column) for column in field.T], axis=1)
    return np.stack([np.interp(new_y, y, row) for row in rows])


def _edges(values: Floats) -> Floats:
    scaled = _scaled(values)
    middle = (scaled[1:] + scaled[:-1]) / 2
    edges = np.concatenate([[scaled[0]], middle, [scaled[-1]]])
    return np.exp(edges) if is_geometric(values) else edges


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


# ----------------------------------------------------------------------------------------------- curves and markers


def _curves(panel: Axes, dataset: xr.Dataset, x: Floats, y: Floats, axes: tuple[str, str]) -> list[Any]:
    """Draw where the exponent of each mode vanishes; return what the legend says of them."""
    from matplotlib.lines import Line2D

    handles = []
    for index, mode in enumerate(dataset["mode"].values):
        field = _bounded(dataset["exponent"].sel(mode=mode).transpose(*axes).values)
        if not (field.min() < 0 < field.max()):
            continue
        colour, line = CURVES[index % len(CURVES)], LINES[index % len(LINES)]
        panel.contour(x, y, field.T, levels=[0.0], colors=[colour], linewidths=1.3, linestyles=[line], zorder=2)
        text = theory_label(dataset.attrs, f"exponent of {mathematical(str(mode))} is 0")
        handles.append(Line2D([], [], color=colour, linestyle=line, label=wrapped(text, LEGEND)))
    return handles


def _markers(panel: Axes, fates: xr.Dataset, axes: tuple[str, str]) -> list[Any]:
    """Draw the fate of most runs at each point; return what the legend says of them."""
    from matplotlib.lines import Line2D

    missing = [name for name in axes if name not in fates.coords]
    if missing:
        raise NoPhaseDiagram(
            f"the fates have no coordinate {', '.join(missing)}; simulate them at points of the diagram: "
            f"fates(..., at={{{axes[0]}: [...], {axes[1]}: [...]}})"
        )
    fraction = fates["fraction"].expand_dims("point") if "point" not in fates.dims else fates["fraction"]
    fraction = fraction.transpose("point", "fate")
    x, y = (np.broadcast_to(np.atleast_1d(fates[name].values), fraction.sizes["point"]) for name in axes)
    names = [str(name) for name in fraction["fate"].values]
    majority, share = fraction.values.argmax(axis=1), fraction.values.max(axis=1)
    handles = []
    for index, name in enumerate(names):
        chosen = majority == index
        if not chosen.any():
            continue
        marker, colour = FATES.get(name, ("*", "#000000"))
        panel.scatter(x[chosen], y[chosen], s=8 + 34 * share[chosen] ** 2, marker=marker, color=colour, edgecolors="white",
                      linewidths=0.6, zorder=3, clip_on=False)  # fmt: skip
        handles.append(Line2D([], [], marker=marker, color=colour, linestyle="none", markeredgecolor="white", markersize=6.5,
                              label=f"SGD: {name}"))  # fmt: skip
    return handles
