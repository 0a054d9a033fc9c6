"""Figures show what they should: units, approximations, errors, phases where they are, the same bytes for the same data."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import xarray as xr
from figure_support import PHASES, drawn, labels

from numerics import Agreement, compare
from numerics.figures import (
    plot_agreement,
    plot_dataset,
    plot_distributions,
    plot_power_laws,
    plot_residuals,
    svg_text,
)
from numerics.figures.paper import mathematical
from numerics.figures.results import NothingToPlot

TIME = np.linspace(0, 2, 21)


def agreement(names=("m",), *, times=TIME, shift=0.0, approximation=None, error=0.0, diverged=0, replicas=100):
    """A comparison of noise about a decay with the decay, `shift` away from it."""
    rng = np.random.default_rng(3)
    theory = {name: ("time", np.exp(-times) + index) for index, name in enumerate(names)}
    if error:
        theory[f"{names[0]}_error"] = ("time", np.full(times.size, error))
    attributes = {"clock": "steps / n"} | ({"approximation": approximation} if approximation else {})
    prediction = xr.Dataset(theory, {"time": times}, attributes)
    runs = {
        name: (("replica", "time"), prediction[name].values + 0.1 * rng.standard_normal((replicas, times.size)) + shift)
        for name in names
    }
    simulation = xr.Dataset(runs, {"time": times}, {"clock": "steps / n"})
    for name in names:
        simulation[name].attrs["units"] = "1/n"
    simulation["diverged"] = ("replica", np.arange(replicas) < diverged)
    return compare(prediction, simulation)


# ------------------------------------------------------------------------------------------------------ comparisons


def test_a_comparison_shows_theory_simulation_units_and_approximation():
    found = agreement(shift=np.where(TIME > 1, 0.2, 0.0), approximation="Gaussian closure, order n**(-1/2)", error=0.01)
    figure = found.plot()
    panel, residuals = drawn(figure)
    assert labels(figure) == [
        "theory (Gaussian closure, order $n^{-1/2}$)",
        "error that the theory states",
        "rejected (Holm, 0.001)",
        "SGD: mean of 100 runs ± 2 s.e.",
    ]
    assert panel.get_ylabel() == "$m$ [1/n]"
    assert residuals.get_xlabel() == "time [steps / n]"
    assert residuals.get_ylabel() == "$z$"


def test_the_error_bars_are_two_standard_errors_of_the_simulated_mean():
    found = agreement()
    panel = found.plot().axes[0]
    segments = panel.containers[0].lines[2][0].get_segments()
    lengths = [segment[1, 1] - segment[0, 1] for segment in segments]
    assert lengths == pytest.approx(4 * found.table["standard_error"].values[0])


@pytest.mark.parametrize(("count", "axes"), [(1, 2), (2, 4), (4, 8), (9, 18), (65, 18)])
def test_dozens_of_statistics_fit_a_page_and_the_rest_is_named(count, axes):
    figure = plot_agreement(agreement([f"w{index}" for index in range(count)], replicas=5))
    assert len(drawn(figure)) == axes
    width, height = figure.get_size_inches()
    assert width < 8 and height < 9.5
    if count > 9:
        assert "9 of 65 statistics, those with the largest" in figure._supxlabel.get_text()


def test_the_panels_of_too_many_statistics_are_those_with_the_largest_residuals():
    found = agreement([f"w{index}" for index in range(30)], replicas=20)
    figure = plot_agreement(found)
    shown = {panel.get_ylabel() for panel in figure.axes} - {"$z$", ""}
    largest = np.abs(found.table["z"].values).max(axis=1)
    assert shown == {f"$w_{{{index}}}$ [1/n]" for index in np.argsort(-largest)[:9]}


@pytest.mark.parametrize("count", [2, 40])
def test_a_comparison_at_one_time_shows_simulated_against_predicted_values(count):
    figure = plot_agreement(agreement([f"w{index}" for index in range(count)], times=np.array([5.0]), shift=0.01))
    values, residuals = drawn(figure)
    assert values.get_xlabel() == "predicted value [1/n]"
    assert values.get_ylabel() == "simulated value [1/n]"
    assert "standard errors" in residuals.get_xlabel() + residuals.get_ylabel()
    assert "at time 5 [steps / n]" in figure._supxlabel.get_text()


def test_diverged_runs_are_named_in_the_figure_even_if_all_are():
    for lost in (3, 100):
        for times in (TIME, TIME[-1:]):
            figure = plot_agreement(agreement(times=times, diverged=lost))
            assert drawn(figure)
            assert f"{lost} of 100 runs diverged" in figure._supxlabel.get_text()


def test_a_residual_beyond_the_panel_is_an_arrow_at_its_edge():
    _, residuals = drawn(plot_agreement(agreement(shift=5.0)))
    _, high = residuals.get_ylim()
    arrows = [line for line in residuals.lines if line.get_marker() == "^"]
    assert len(arrows) == 1
    assert ((arrows[0].get_ydata() < high) & (arrows[0].get_ydata() > 0.8 * high)).all()
    assert high <= 6


def test_several_comparisons_at_one_time_share_a_figure():
    pairs = [(label, agreement(["a", "b"], times=TIME[-1:])) for label in ("first", "second")]
    (panel,) = drawn(plot_residuals(pairs))
    assert [text.get_text() for text in panel.get_yticklabels()] == [
        "first: $a$", "first: $b$", "second: $a$", "second: $b$",
    ]  # fmt: skip
    assert panel.get_xlabel() == "$z$ [standard errors]"


def test_the_same_data_give_the_same_bytes_and_no_date(tmp_path):
    files = []
    for name in ("one", "two"):
        for kind in ("svg", "pdf"):
            plot_agreement(agreement()).savefig(tmp_path / f"{name}.{kind}")
        files.append([(tmp_path / f"{name}.{kind}").read_bytes() for kind in ("svg", "pdf")])
    assert files[0] == files[1]
    assert svg_text(plot_agreement(agreement())) == svg_text(plot_agreement(agreement()))
    assert b"<dc:date>" not in files[0][0]


def test_figures_leave_the_settings_of_the_caller_alone():
    import matplotlib

    before = dict(matplotlib.rcParams)
    svg_text(plot_agreement(agreement()))
    assert dict(matplotlib.rcParams) == before
    assert "matplotlib.pyplot" not in sys.modules or not sys.modules["matplotlib.pyplot"].get_fignums()


@pytest.mark.parametrize(
    ("name", "shown"),
    [("m", "$m$"), ("w12", "$w_{12}$"), ("q_squared", r"$q_{\mathrm{squared}}$"), ("sigma", r"$\sigma$"),
     ("w0*w1", "$w_{0} w_{1}$"), ("u + w", "$u + w$"), ("cost $5", r"cost \$5"), ("E[x]", "E[x]")],
)  # fmt: skip
def test_names_are_typeset_where_they_are_names_of_symbols(name, shown):
    assert mathematical(name) == shown


# ------------------------------------------------------------------------------------------------------ single results


def test_a_prediction_shows_its_spread_and_its_approximation():
    data = {"q": ("time", TIME), "q_variance": ("time", 0.1 * TIME), "q_p_covariance": ("time", TIME)}
    prediction = xr.Dataset(data, {"time": TIME}, {"clock": "steps", "approximation": "small noise"})
    figure = plot_dataset(prediction)
    (panel,) = drawn(figure)
    assert labels(figure) == ["theory (small noise)", "± one standard deviation"]
    assert panel.get_xlabel() == "time [steps]"
    assert panel.get_ylabel() == "$q$ [1]"


def test_a_simulation_shows_its_mean_and_names_diverged_runs():
    rng = np.random.default_rng(0)
    runs = xr.Dataset({"q": (("replica", "time"), rng.standard_normal((40, 21)))}, {"time": TIME}, {"clock": "steps"})
    runs["diverged"] = ("replica", np.arange(40) < 2)
    runs["diverged_step"] = ("replica", np.arange(40))
    figure = plot_dataset(runs)
    assert len(drawn(figure)) == 1
    assert labels(figure) == ["single runs (12 of 38)", "mean of 38 runs ± 2 s.e."]
    assert "2 of 40 runs diverged" in figure._supxlabel.get_text()


def test_trajectories_differ_by_line_as_well_as_by_colour():
    curves = np.exp(-TIME * np.arange(1, 4)[:, None])
    data = xr.Dataset({"q": (("trajectory", "time"), curves)}, {"time": TIME, "c": ("trajectory", [1.0, 2.0, 3.0])})
    figure = plot_dataset(data.assign_attrs(clock="steps / n"))
    (panel,) = drawn(figure)
    assert labels(figure) == ["theory: $c$ = 1", "theory: $c$ = 2", "theory: $c$ = 3"]
    assert len({line.get_linestyle() for line in panel.lines}) == 3


def test_exponents_are_points_with_bars_and_minus_infinity_is_marked():
    found = xr.Dataset(
        {"spectrum": ("exponent", [0.4, -np.inf]), "standard_error": ("exponent", [0.1, 0.0])},
        {"exponent": [1, 2]}, {"clock": "steps"},
    )  # fmt: skip
    (panel,) = drawn(plot_dataset(found))
    assert panel.get_ylabel() == "Lyapunov exponent [1 / step]"
    assert "minus infinity" in [text.get_text() for text in panel.get_legend().get_texts()]


def test_modes_and_stationary_values_are_listed_by_name():
    modes = xr.Dataset({"exponent": ("mode", [0.2, -0.3])}, {"mode": ["u + w", "u - w"]}, {"at": "eta=0.5"})
    modes["phase"] = ((), 1, {"flag_values": np.arange(5), "flag_meanings": PHASES})
    figure = plot_dataset(modes)
    (panel,) = drawn(figure)
    assert figure._supxlabel.get_text() == "phase: correct learning, at eta=0.5"
    assert [text.get_text() for text in panel.get_yticklabels()] == ["$u + w$", "$u - w$"]
    values = xr.Dataset({"theta**2": 0.5, "theta": 0.0})
    (panel,) = drawn(plot_dataset(values))
    assert [text.get_text() for text in panel.get_yticklabels()] == [r"$\theta^{2}$", r"$\theta$"]


def test_what_has_no_figure_is_refused_by_its_dimensions():
    with pytest.raises(NothingToPlot, match="dimensions place and variables words"):
        plot_dataset(xr.Dataset({"words": ("place", ["a", "b"])}))


def test_distribution_functions_of_two_samples_lie_over_each_other():
    rng = np.random.default_rng(1)
    figure = plot_distributions({"m": (rng.random(50), rng.random(60))}, names=("direct", "chain"))
    (panel,) = drawn(figure)
    assert labels(figure) == ["direct, 50 runs", "chain, 60 runs"]
    assert (panel.get_xlabel(), panel.get_ylabel()) == ("$m$ [1]", "probability [1]")


def test_a_power_law_is_drawn_with_the_slope_that_theory_predicts():
    (panel,) = drawn(plot_power_laws([10, 100], {"m": [0.1, 0.01]}, axis="dimension n", quantity="bias", exponent=-1))
    assert (panel.get_xscale(), panel.get_yscale()) == ("log", "log")
    line = panel.lines[0].get_ydata()
    assert line[0] / line[-1] == pytest.approx(10)


def test_an_agreement_without_a_prediction_beside_it_is_still_drawn():
    found = agreement()
    bare = Agreement(found.table, found.level, found.replicas, found.diverged)
    assert len(drawn(plot_agreement(bare))) == 2
