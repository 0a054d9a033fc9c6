"""Phase diagrams: flat regions, the curves where an exponent vanishes, and what simulated runs ended as."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from numerics.figures.paper import (
    GREY,
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
from numerics.figures.regions import draw_regions, scaled, unscaled
from numerics.stability.level_sets.level_curves import Field, level_curves
from theory.errors import InvalidRequest

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CURVES = ("#000000", "#0072B2", "#B04000", "#007D5C", "#A0407E")
FATES = {
    "saddle": ("s", "#0072B2"), "correct": ("o", "#00694D"), "incorrect": ("^", "#A66F00"), "undirected": ("D", "#8A3F78"),
    "blow-up": ("X", "#B33A00"),
}  # fmt: skip
"""Marker and colour of each fate of a simulated run."""
LEGEND = 30
"""Characters of a line of the legend beside the diagram."""
Floats = NDArray[np.float64]


class NoPhaseDiagram(InvalidRequest):
    """A dataset that holds no phase diagram, or fates that have no place in one."""


@styled
def plot_phase_diagram(dataset: xr.Dataset, fates: xr.Dataset | None = None) -> Figure:
    """Return the figure of a phase diagram, as `phase_diagram` returns it.

    Flat regions are the phases, named inside where there is room, undecided ones hatched. Curves are where the exponent of a mode
    vanishes, broken ones, marked by p, where a moment exponent does: those that the dataset holds, else interpolated ones. `fates`,
    simulated at several points, becomes markers: the shape says which fate most runs had, the size how many. An axis whose grid is
    geometric is logarithmic. Raises `NoPhaseDiagram` for other datasets.
    """
    first, second = _axes_of(dataset)
    x, y = (np.asarray(dataset[name].values, dtype=float) for name in (first, second))
    figure = new_figure(6.3, 4.0)
    panel = figure.subplots()
    found = _boundaries(dataset, (first, second))
    modes = [str(mode) for mode in dataset["mode"].values]
    positive = np.nan_to_num(dataset["exponent"].transpose("mode", first, second).values) > 0
    parting = [boundary.lines for boundary in found if boundary.order == 0]
    phase = dataset["phase"].transpose(first, second)
    marked = np.empty((0, 2)) if fates is None else _places(fates, (first, second))
    others = [line for boundary in found if boundary.order for line in boundary.lines]
    others += [np.stack([point, point]) for point in marked]
    handles, named = draw_regions(panel, phase, positive, parting, others, (x, y))
    handles += _draw_boundaries(panel, found, modes, dataset.attrs)
    _label_moments(panel, found, (x, y), [*named, *map(tuple, marked.tolist())])
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


# ----------------------------------------------------------------------------------------------- curves and markers


@dataclass(frozen=True)
class _Boundary:
    """The polylines on which the exponent of an order of one mode vanishes; order 0 is the Lyapunov exponent."""

    mode: str
    order: float
    lines: tuple[Floats, ...]


def _boundaries(dataset: xr.Dataset, axes: tuple[str, str]) -> list[_Boundary]:
    """The curves of a dataset; interpolated from its exponents where they were not traced."""
    if "boundary" in dataset:
        return _traced(dataset, axes)
    grids = [np.asarray(dataset[name].values, dtype=float) for name in axes]
    x, y = (scaled(grid, grid) for grid in grids)
    found = []
    for order, variable in ((0.0, dataset["exponent"]), *_moments(dataset)):
        for mode in dataset["mode"].values:
            values = np.asarray(variable.sel(mode=mode).transpose(*axes).values, dtype=float)
            field = Field(values, np.zeros_like(values), np.zeros(values.shape, dtype=np.int64))
            curves = level_curves(x, y, field, None)
            lines = tuple(np.stack([unscaled(c.points[:, k], grids[k]) for k in (0, 1)], axis=1) for c in curves)
            found.append(_Boundary(str(mode), order, lines))
    return found


def _moments(dataset: xr.Dataset) -> list[tuple[float, xr.DataArray]]:
    if "moment_exponent" not in dataset:
        return []
    return [(float(order), dataset["moment_exponent"].sel(order=order)) for order in dataset["order"].values]


def _traced(dataset: xr.Dataset, axes: tuple[str, str]) -> list[_Boundary]:
    points = dataset["boundary"].sel(axis=list(axes)).transpose("vertex", "axis").values
    curve, order = dataset["curve"].values, dataset["boundary_order"].values
    mode = dataset["boundary_mode"].values.astype(str)
    orders = [0.0, *(value for value, _ in _moments(dataset))]
    found = []
    for value in orders:
        for name in dataset["mode"].values.astype(str):
            own = (mode == name) & (order == value)
            lines = tuple(points[own & (curve == number)] for number in np.unique(curve[own]))
            found.append(_Boundary(str(name), value, lines))
    return found


def _draw_boundaries(panel: Axes, found: list[_Boundary], modes: list[str], attributes: Any) -> list[Any]:
    """Draw the curves, a colour for each mode and a line for each order; return what the legend says of them."""
    from matplotlib.lines import Line2D

    orders = list(dict.fromkeys(boundary.order for boundary in found))
    drawn = [boundary for boundary in found if boundary.lines]
    several = len({boundary.mode for boundary in drawn}) > 1
    handles: dict[str, Any] = {}
    for boundary in drawn:
        index = modes.index(boundary.mode)
        # with moments a line tells the order, without them it helps the colour to tell the mode
        line = LINES[(orders.index(boundary.order) if len(orders) > 1 else index) % len(LINES)]
        look = {"color": CURVES[index % len(CURVES)], "linestyle": line, "linewidth": 1.0 if boundary.order else 1.5}
        broken = np.concatenate([part for points in boundary.lines for part in (points, [[np.nan, np.nan]])])
        panel.plot(*broken.T, zorder=2, solid_joinstyle="round", scalex=False, scaley=False, **look)
        of_several = several and boundary.order
        what = f"$L({boundary.order:g})$" if boundary.order else "exponent"
        where = "is 0, colours as above" if of_several else f"of {mathematical(boundary.mode)} is 0"
        text = wrapped(theory_label(attributes, f"{what} {where}"), LEGEND)
        handles.setdefault(text, Line2D([], [], label=text, **{**look, **({"color": GREY} if of_several else {})}))
    return list(handles.values())


def _label_moments(
    panel: Axes, found: list[_Boundary], axes: tuple[Floats, Floats], taken: list[tuple[float, float]]
) -> None:
    """Write p on every curve of a moment, where it is farthest from what is written already and from the frame."""
    from matplotlib.patheffects import withStroke

    x, y = axes

    def placed(points: Floats) -> Floats:
        """Points as shares of the axes, as they are drawn."""
        parts = [(scaled(points[:, k], axis), scaled(axis, axis)) for k, axis in enumerate((x, y))]
        return np.stack([(values - grid.min()) / np.ptp(grid) for values, grid in parts], axis=1)

    occupied = list(placed(np.array(taken))) if taken else []
    for boundary in (boundary for boundary in found if boundary.order and boundary.lines):
        longest = max(boundary.lines, key=lambda points: np.linalg.norm(np.diff(placed(points), axis=0), axis=1).sum())
        spots = placed(longest)
        curves = [placed(line) for other in found if other is not boundary for line in other.lines]
        room = np.minimum(spots, 1 - spots).min(axis=1)
        for others, share in [(np.array(occupied).reshape(-1, 2), 0.5), *((curve, 1.0) for curve in curves)]:
            if len(others):
                room = np.minimum(room, share * np.linalg.norm(spots[:, None] - others, axis=2).min(axis=1))
        best = int(room.argmax())
        occupied.append(spots[best])
        panel.text(longest[best, 0], longest[best, 1], f"$p={boundary.order:g}$", fontsize=8, ha="center", va="center", zorder=2.5,
                   clip_on=True, path_effects=[withStroke(linewidth=2.5, foreground="white")])  # fmt: skip


def _places(fates: xr.Dataset, axes: tuple[str, str]) -> Floats:
    """Where runs were simulated, shape (point, 2)."""
    missing = [name for name in axes if name not in fates.coords]
    if missing:
        raise NoPhaseDiagram(
            f"the fates have no coordinate {', '.join(missing)}; simulate them at points of the diagram: "
            f"fates(..., at={{{axes[0]}: [...], {axes[1]}: [...]}})"
        )
    count = fates.sizes.get("point", 1)
    columns = [np.broadcast_to(np.atleast_1d(fates[name].values), count) for name in axes]
    return np.stack(columns, axis=1).astype(float)


def _markers(panel: Axes, fates: xr.Dataset, axes: tuple[str, str]) -> list[Any]:
    """Draw the fate of most runs at each point; return what the legend says of them."""
    from matplotlib.lines import Line2D

    fraction = fates["fraction"].expand_dims("point") if "point" not in fates.dims else fates["fraction"]
    fraction = fraction.transpose("point", "fate")
    x, y = _places(fates, axes).T
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
