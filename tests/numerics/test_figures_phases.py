"""Figures of phase diagrams: regions where the phases are, curves where exponents vanish, names that cover nothing."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from figure_support import PHASES, drawn, labels

from numerics.figures import plot_dataset, plot_phase_diagram
from numerics.figures.phases import FATES, NoPhaseDiagram
from numerics.figures.results import NothingToPlot


def diagram(columns=24, rows=20, **attributes):
    """Exponents that vanish at eta = 1 and at tau = 1; the phase is decided by their signs."""
    eta, tau = np.geomspace(0.1, 10, columns), np.linspace(0, 2, rows)
    first, second = np.broadcast_arrays(np.log(eta)[:, None], (tau - 1)[None, :])
    phase = np.where(first < 0, np.where(second < 0, 0, 1), np.where(second < 0, 2, 3)).astype(np.int8)
    return xr.Dataset(
        {"exponent": (("mode", "eta", "tau"), np.stack([first, second])),
         "phase": (("eta", "tau"), phase, {"flag_values": np.arange(5, dtype=np.int8), "flag_meanings": PHASES})},
        {"eta": ("eta", eta, {"long_name": "learning rate", "unit": "1"}), "tau": ("tau", tau), "mode": ["u + w", "u - w"]},
        attributes,
    )  # fmt: skip


def outcomes(eta, tau, majority):
    fraction = np.full((len(majority), len(FATES)), 0.05)
    fraction[np.arange(len(majority)), [list(FATES).index(name) for name in majority]] = 0.8
    return xr.Dataset({"fraction": (("point", "fate"), fraction)},
                      {"fate": list(FATES), "eta": ("point", eta), "tau": ("point", tau)},
                      {"replicas": 1000, "steps": 20_000})  # fmt: skip


def test_a_phase_diagram_names_phases_curves_units_and_approximation():
    figure = plot_phase_diagram(diagram(at="batch size 1", approximation="Gaussian closure"))
    (panel,) = drawn(figure)
    assert panel.get_xlabel() == r"learning rate $\eta$ [1]"
    assert panel.get_ylabel() == r"$\tau$ [1]"
    assert (panel.get_xscale(), panel.get_yscale()) == ("log", "linear")
    assert labels(figure) == [
        *PHASES[:4],
        "exponent of $u + w$ is 0 (Gaussian closure)",
        "exponent of $u - w$ is 0 (Gaussian closure)",
    ]
    assert {text.get_text().replace("\n", " ") for text in panel.texts} == set(PHASES[:4])
    assert "at batch size 1" in figure._supxlabel.get_text()


def test_regions_are_bounded_by_the_curves_where_the_exponents_vanish():
    figure = plot_phase_diagram(diagram(columns=8, rows=8))
    panel = figure.axes[0]
    edges = {0: (0.1, 1, 0, 1), 1: (0.1, 1, 1, 2), 2: (1, 10, 0, 1), 3: (1, 10, 1, 2)}
    regions = [found for found in panel.collections if found.get_paths() and len(found.get_facecolor())]
    for phase, (left, right, low, high) in edges.items():
        corners = np.concatenate([path.vertices for path in regions[phase].get_paths()])
        assert corners[:, 0].min() == pytest.approx(left, rel=0.02)
        assert corners[:, 0].max() == pytest.approx(right, rel=0.02)
        assert corners[:, 1].min() == pytest.approx(low, abs=0.01)
        assert corners[:, 1].max() == pytest.approx(high, abs=0.01)


def test_phases_that_signs_do_not_decide_are_drawn_as_they_are():
    data = diagram(columns=6, rows=6)
    data["phase"].values[0, 0] = 4  # a cell of its own among cells with the same signs
    figure = plot_phase_diagram(data)
    assert "instability" in labels(figure)


def test_infinite_exponents_and_an_exponent_of_one_sign_are_drawn_without_a_curve_too_many():
    data = diagram()
    data["exponent"].values[0] = -np.inf
    data["phase"].values[:] = 0
    figure = plot_phase_diagram(data)
    assert drawn(figure)
    assert sum("is 0" in label for label in labels(figure)) == 1


def test_simulated_fates_are_markers_by_what_most_runs_did():
    fates = outcomes([0.2, 5.0, 5.0], [0.5, 0.5, 1.5], ["correct", "saddle", "saddle"])
    figure = plot_phase_diagram(diagram(), fates=fates)
    (panel,) = drawn(figure)
    assert labels(figure)[-2:] == ["SGD: saddle", "SGD: correct"]
    points = [
        found.get_offsets() for found in panel.collections if len(found.get_offsets()) and found.get_zorder() == 3
    ]
    assert sorted(map(len, points)) == [1, 2]
    assert "1000 runs of 20000 steps" in figure._supxlabel.get_text()


def test_fates_without_a_place_and_datasets_without_phases_are_refused():
    with pytest.raises(NoPhaseDiagram, match="no coordinate eta, tau"):
        plot_phase_diagram(diagram(), fates=outcomes([1.0], [1.0], ["saddle"]).drop_vars(["eta", "tau"]))
    with pytest.raises(NoPhaseDiagram, match=r"got the variables q \('time',\)"):
        plot_phase_diagram(xr.Dataset({"q": ("time", np.linspace(0, 2, 21))}))
    with pytest.raises(NoPhaseDiagram, match="at least 2"):
        plot_phase_diagram(diagram().isel(eta=slice(0, 1)))


def test_fates_alone_are_fractions_with_intervals():
    found = outcomes([1.0], [1.0], ["saddle"]).isel(point=0)
    found["lower"], found["upper"] = found["fraction"] - 0.02, found["fraction"] + 0.02
    (panel,) = drawn(plot_dataset(found))
    assert [text.get_text() for text in panel.get_xticklabels()] == list(FATES)
    with pytest.raises(NothingToPlot, match="phase diagram"):
        plot_dataset(outcomes([1.0], [1.0], ["saddle"]))


def test_every_phase_has_a_colour_of_its_own():
    from numerics.figures.regions import TINTS
    from numerics.stability.phases import PHASES

    assert len(set(TINTS)) == len(TINTS) >= len(PHASES)


def traced(diagram, lines, order=0.0, mode="u + w"):
    """A diagram that holds the curves of one mode."""
    counts = [len(line) for line in lines]
    found = xr.Dataset(
        {"boundary": (("vertex", "axis"), np.concatenate(lines))},
        {"axis": ["eta", "tau"], "curve": ("vertex", np.repeat(np.arange(len(lines)), counts)),
         "boundary_mode": ("vertex", np.repeat(mode, sum(counts))),
         "boundary_order": ("vertex", np.repeat(order, sum(counts)))},
    )  # fmt: skip
    return diagram.drop_vars([name for name in ("boundary",) if name in diagram]).merge(found)


def test_traced_curves_are_drawn_and_bound_the_regions_instead_of_interpolated_ones():
    """The stripe 2.2 < eta < 2.6 between two traced lines holds one column of samples of the other sign."""
    data = diagram(columns=9, rows=6)
    eta = data["eta"].values
    data["exponent"].values[0] = np.where(np.arange(9) == 6, 1.0, -1.0)[:, None]
    data["exponent"].values[1] = -1.0
    data["phase"].values[:] = np.where(np.arange(9) == 6, 2, 0)[:, None]
    left, right = eta[6] * 0.99, eta[6] * 1.005
    lines = [np.stack([np.full(6, place), data["tau"].values], axis=1) for place in (left, right)]
    figure = plot_phase_diagram(traced(data, lines))
    panel = figure.axes[0]
    drawn_line = panel.lines[0].get_xdata()
    assert set(drawn_line[np.isfinite(drawn_line)]) == {left, right}
    regions = [found for found in panel.collections if found.get_paths() and len(found.get_facecolor())]
    corners = np.concatenate([path.vertices for path in regions[1].get_paths()])
    assert corners[:, 0].min() == pytest.approx(left, rel=0.01)
    assert corners[:, 0].max() == pytest.approx(right, rel=0.01)


def test_moments_are_broken_lines_marked_by_their_order():
    data = diagram()
    order = xr.DataArray([2.0, 4.0], dims="order", coords={"order": [2.0, 4.0]})
    data["moment_exponent"] = data["exponent"] + 0.2 * order
    figure = plot_phase_diagram(data)
    (panel,) = drawn(figure)
    marks = [text.get_text() for text in panel.texts if "p=" in text.get_text()]
    assert sorted(marks) == ["$p=2$"] * 2 + ["$p=4$"] * 2
    assert labels(figure)[-2:] == ["$L(2)$ is 0, colours as above", "$L(4)$ is 0, colours as above"]
    assert len({line.get_linestyle() for line in panel.lines}) == 3
    assert len({line.get_color() for line in panel.lines}) == 2


def test_no_name_stands_on_a_curve_or_on_another_name():
    data = diagram()
    order = xr.DataArray([1.0, 2.0, 4.0], dims="order", coords={"order": [1.0, 2.0, 4.0]})
    data["moment_exponent"] = data["exponent"] + 0.25 * order
    figure = plot_phase_diagram(data)
    figure.draw_without_rendering()
    (panel,) = drawn(figure)
    boxes = [text.get_window_extent() for text in panel.texts]
    assert not [(a, b) for k, a in enumerate(boxes) for b in boxes[:k] if a.overlaps(b)]
    names = [text.get_window_extent() for text in panel.texts if "p=" not in text.get_text()]
    assert names
    for line in panel.lines:
        points = panel.transData.transform(np.column_stack(line.get_data()))
        for box in names:
            assert not any(box.contains(*point) for point in points[np.isfinite(points).all(axis=1)])


def test_undecided_samples_are_hatched():
    data = diagram()
    data["phase"].attrs["flag_values"] = np.arange(6, dtype=np.int8)
    data["phase"].attrs["flag_meanings"] = [*PHASES, "undecided"]
    data["phase"].values[:4, :4] = 5
    figure = plot_phase_diagram(data)
    assert "undecided" in labels(figure)
    assert [found.get_hatch() for found in drawn(figure)[0].collections if found.get_hatch()] == ["////"]


def test_a_phase_diagram_with_moments_and_fates_has_the_same_bytes_twice(tmp_path):
    data = diagram()
    data["moment_exponent"] = data["exponent"].expand_dims(order=[2.0]) + 0.3
    data["phase"].attrs["flag_meanings"] = [*PHASES[:4], "undecided"]
    data["phase"].values[:4, :4] = 4
    fates = outcomes([0.2, 5.0], [0.5, 1.5], ["correct", "saddle"])
    files = [tmp_path / name for name in ("a.svg", "b.svg")]
    for file in files:
        plot_phase_diagram(data, fates=fates).savefig(file)
    assert files[0].read_bytes() == files[1].read_bytes()
