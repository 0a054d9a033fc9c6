"""The verdicts of `compare` have the error rates they state, and nothing is dropped silently."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from numerics.compare import (
    Agreement,
    IncomparableResults,
    Verdict,
    compare,
    fit_exponent,
    holm,
    student_p_value,
)
from theory.errors import InvalidRequest

TIME = np.linspace(0.0, 2.0, 21)
CURVES = {"m": lambda t: np.sin(t) + 2, "q": lambda t: np.exp(-t)}


def predicted(time=TIME, clock="steps / n", **more):
    values = {name: ("time", curve(time)) for name, curve in CURVES.items()} | more
    return xr.Dataset(values, {"time": time}, {"clock": clock})


def simulated(seed=1, replicas=100, noise=0.1, shift=0.0, time=TIME, clock="steps / n", **more):
    rng = np.random.default_rng(seed)
    values = {
        name: (("replica", "time"), curve(time) + shift + noise * rng.standard_normal((replicas, time.size)),
               {"units": "1/n"})
        for name, curve in CURVES.items()
    }  # fmt: skip
    return xr.Dataset(values | more, {"time": time}, {"clock": clock})


def test_a_true_prediction_agrees_and_a_false_one_does_not():
    assert compare(predicted(), simulated()).agrees
    wrong = compare(predicted(), simulated(shift=0.06))  # six standard errors at every time
    assert wrong.verdict is Verdict.DISAGREE
    assert wrong.largest_z > 5


def test_the_family_wise_error_rate_is_at_most_the_level():
    level, trials = 0.1, 400
    verdicts = [compare(predicted(), simulated(seed, replicas=8), level=level).agrees for seed in range(trials)]
    rejections = verdicts.count(False)
    # for independent comparisons Holm's rate is 1 - (1 - level/m)^m, close to the level
    assert abs(rejections / trials - level) < 5 * np.sqrt(level * (1 - level) / trials)


def test_z_and_p_are_those_of_a_t_test():
    simulation = simulated(replicas=12)
    table = compare(predicted(), simulation).table
    reference = stats.ttest_1samp(simulation["q"].values, CURVES["q"](TIME), axis=0)
    np.testing.assert_allclose(table["z"].sel(statistic="q"), reference.statistic, rtol=1e-9)
    np.testing.assert_allclose(table["p_value"].sel(statistic="q"), reference.pvalue, rtol=1e-9)
    assert set(table.data_vars) == {"mean", "standard_error", "prediction", "z", "p_value", "rejected", "exact"}
    assert table.attrs["clock"] == "steps / n"


def test_a_prediction_on_another_grid_is_interpolated():
    fine = compare(predicted(np.linspace(0, 2.5, 400)), simulated())
    np.testing.assert_allclose(fine.table["prediction"].sel(statistic="m"), CURVES["m"](TIME), atol=1e-9)
    assert fine.agrees


def test_a_subgrid_needs_no_interpolation():
    part = compare(predicted(TIME[:3]), simulated(time=TIME[1:3]))
    assert np.array_equal(part.table["prediction"].sel(statistic="q"), CURVES["q"](TIME[1:3]))
    with pytest.raises(IncomparableResults, match="3 times, too few to interpolate"):
        compare(predicted(TIME[:3]), simulated(time=np.array([0.0, 0.15])))


def test_times_outside_the_prediction_are_refused():
    with pytest.raises(IncomparableResults, match=r"0 \.\.\. 2, the prediction of m only over 0 \.\.\. 1"):
        compare(predicted(np.linspace(0, 1, 11)), simulated())
    assert compare(predicted(np.linspace(0, 2 - 1e-8, 200)), simulated()).agrees


def test_a_deterministic_start_is_compared_exactly():
    simulation = simulated()
    simulation["q"][:, 0] = 1.0 + 1e-15 * np.random.default_rng(0).standard_normal(100)
    agreement = compare(predicted(), simulation)
    assert agreement.exact == (("q", 0.0),)
    assert agreement.agrees
    assert "1 without Monte Carlo error" in agreement.summary()
    simulation["q"][:, 0] = 1.0 + 1e-6
    missed = compare(predicted(), simulation)
    assert not missed.agrees
    assert bool(missed.table["rejected"].sel(statistic="q", time=0.0))


def test_a_simulation_without_any_noise_is_compared_exactly():
    assert compare(predicted(), simulated(noise=0.0)).agrees
    assert np.isnan(compare(predicted(), simulated(noise=0.0)).largest_z)
    assert not compare(predicted(), simulated(noise=0.0, shift=1e-5)).agrees


def test_a_diverged_replica_is_counted_and_decides():
    flags = np.zeros(100, bool)
    flags[3] = True
    agreement = compare(predicted(), simulated(diverged=("replica", flags)))
    assert agreement.diverged == 1
    assert agreement.verdict is Verdict.DISAGREE
    assert not agreement.table["rejected"].any()
    assert "1 diverged" in agreement.summary()
    assert compare(predicted(), simulated(diverged=("replica", ~flags | flags))).diverged == 100


def test_a_replica_that_is_not_finite_counts_as_diverged():
    simulation = simulated()
    simulation["m"][7, 5] = np.nan
    agreement = compare(predicted(), simulation)
    assert agreement.diverged == 1
    assert not agreement.agrees
    assert np.isfinite(agreement.table["mean"]).all()


def test_a_numerical_error_widens_the_standard_error():
    bound = {f"{name}_error": ("time", np.full(TIME.size, 0.06)) for name in CURVES}
    assert not compare(predicted(), simulated(shift=0.06)).agrees
    widened = compare(predicted(**bound), simulated(shift=0.06))
    assert widened.agrees
    assert (widened.table["standard_error"] >= 0.06).all()
    assert compare(predicted(**bound), simulated(noise=0.0, shift=0.06)).agrees


def test_different_clocks_are_refused():
    with pytest.raises(IncomparableResults, match=r"'steps'.*'steps / n'"):
        compare(predicted(clock="steps"), simulated())


def test_missing_statistics_are_named_and_unpredicted_ones_reported():
    with pytest.raises(IncomparableResults, match="not simulated: q"):
        compare(predicted(), simulated().drop_vars("q"))
    agreement = compare(predicted().drop_vars("q"), simulated())
    assert agreement.not_predicted == ("q",)
    assert "not predicted: q" in agreement.summary()


def test_impossible_requests_are_refused():
    with pytest.raises(InvalidRequest, match="at least 2 replicas"):
        compare(predicted(), simulated(replicas=1))
    with pytest.raises(InvalidRequest, match="level=0"):
        compare(predicted(), simulated(), level=0)
    with pytest.raises(IncomparableResults, match="not finite from time 0"):
        compare(predicted(q=("time", np.full(TIME.size, np.nan))), simulated())
    with pytest.raises(InvalidRequest, match="p-values"):
        holm([0.1, np.nan])


def test_holm_follows_its_definition():
    assert holm([0.01, 0.04, 0.03, 0.005], level=0.05).tolist() == [True, False, False, True]
    assert holm([[0.001, 1.0], [0.5, 0.0]], level=0.05).tolist() == [[True, False], [False, True]]
    assert holm([]).size == 0
    # step-down: a p-value above its own threshold stops all later ones
    assert holm([0.04, 0.045], level=0.05).tolist() == [False, False]


def test_student_p_value_is_symmetric_and_needs_replicas():
    assert student_p_value(1.0, 0.5, 5) == student_p_value(-1.0, 0.5, 5)
    assert student_p_value([0.0], [1.0], 5).tolist() == [1.0]
    with pytest.raises(InvalidRequest, match="at least 2"):
        student_p_value(1.0, 1.0, 1)


def test_an_agreement_describes_itself_on_one_line():
    agreement = compare(predicted(), simulated())
    assert isinstance(agreement, Agreement)
    assert repr(agreement) == f"<Agreement {agreement.summary()}>"
    assert "\n" not in agreement.summary()
    assert agreement.summary().startswith("agree: 0 of 42 comparisons rejected")


def test_a_fitted_exponent_covers_the_truth_at_its_confidence_level():
    n, rng, covered, trials = np.array([100, 200, 400, 800, 1600]), np.random.default_rng(2), 0, 1000
    for _ in range(trials):
        fit = fit_exponent(n, 5 / n * np.exp(0.02 * rng.standard_normal(5)))
        low, high = fit.confidence_interval(0.9)
        covered += low < -1 < high
    assert abs(covered / trials - 0.9) < 5 * np.sqrt(0.09 / trials)


def test_known_errors_weight_the_fit():
    n = np.array([100.0, 200, 400, 800, 1600])
    y = 5 / n
    y[0] *= 1.5  # a bad point with a large error
    errors = np.where(n == 100, 10.0, 0.001) * y
    assert fit_exponent(n, y, errors).exponent == pytest.approx(-1, abs=1e-6)
    assert abs(fit_exponent(n, y).exponent + 1) > 0.05


def test_the_correction_absorbs_the_next_order():
    n = np.array([20, 40, 80, 160, 320, 640])
    y = 2 / n * (1 + 4 / n)
    plain, corrected = fit_exponent(n, y), fit_exponent(n, y, correction_power=1)
    assert abs(corrected.exponent + 1) < 0.1 * abs(plain.exponent + 1)
    assert corrected.correction == pytest.approx(4, rel=0.2)


def test_impossible_fits_are_refused():
    with pytest.raises(InvalidRequest, match="positive numbers, but y"):
        fit_exponent([1, 2, 3], [1, -1, 2])
    with pytest.raises(InvalidRequest, match="do not determine"):
        fit_exponent([1, 2], [1, 2])
    with pytest.raises(InvalidRequest, match="one length"):
        fit_exponent([1, 2, 3], [1, 2])


def test_a_prediction_too_coarse_to_interpolate_is_refused_instead_of_rejected():
    """At a few coarse times a spline is wrong by more than the noise: the theory must not be blamed for it."""
    rng = np.random.default_rng(7)
    coarse, fine = np.linspace(0, 40, 41), np.linspace(0, 1, 41)
    prediction = xr.Dataset({"q": ("time", np.exp(-3 * coarse))}, {"time": coarse}, {"clock": "steps"})
    runs = np.exp(-3 * fine) + 0.01 * rng.standard_normal((64, fine.size))
    simulation = xr.Dataset({"q": (("replica", "time"), runs)}, {"time": fine}, {"clock": "steps"})
    with pytest.raises(IncomparableResults, match="too coarse"):
        compare(prediction, simulation)
    good = xr.Dataset(
        {"q": ("time", np.exp(-3 * np.linspace(0, 2, 201)))}, {"time": np.linspace(0, 2, 201)}, {"clock": "steps"}
    )
    assert compare(good, simulation).agrees


def test_swapped_arguments_are_named():
    time = np.linspace(0, 1, 5)
    prediction = xr.Dataset({"q": ("time", np.exp(-time))}, {"time": time}, {"clock": "steps"})
    simulation = xr.Dataset({"q": (("replica", "time"), np.ones((3, 5)))}, {"time": time}, {"clock": "steps"})
    with pytest.raises(IncomparableResults, match="swapped"):
        compare(simulation, prediction)
