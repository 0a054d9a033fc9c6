"""Stable sets: published thresholds, sets that are provably complete against brute force, optimal learning rates."""

import numpy as np
import pytest
import sympy

from numerics.stability.thresholds import thresholds
from theory import (
    SGD,
    Cauchy,
    Discrete,
    Empirical,
    InvalidRequest,
    Model,
    Normal,
    Sampling,
    StudentT,
    bernoulli,
    stability,
    symbols,
)

u, w, x, y = symbols("u w x y")
eta, s = symbols("eta s", positive=True)
gamma = symbols("gamma", positive=True)


def scalar(curvature, laws, batch=1, **options):
    return stability(Model(u**2 * curvature / 2, [u], laws), SGD(eta, batch_size=batch, **options), point={u: 0})


def stable(result, order=0, between=(0.01, 5.0), **at):
    return thresholds(result, of=eta, between=between, order=order, at=at).modes[0]


def gaussian(batch=1):
    return scalar(x**2, {x: Normal()}, batch)


# ------------------------------------------------------------------------------------------------------ published values


@pytest.mark.parametrize(
    ("order", "printed"),
    [
        (0, ("2.42124952104", "2.68451035082", "2.66299566871")),
        (0.5, ("1.47313883", "1.86782967", "2.09051885")),
        (1, ("1.05224663", f"{1 / np.log(2):.12f}", "1.74490650")),
        (2, (f"{2 / 3:.12f}", "1.000000000000", f"{4 / 3:.12f}")),
        (4, ("0.38345101", "0.62653829", "0.92608916")),
        (8, ("0.20696918", "0.36244981", "0.58776632")),
    ],
)
def test_thresholds_of_gaussian_regression_in_all_printed_digits(order, printed):
    for batch, expected in zip((1, 2, 4), printed, strict=True):
        found = stable(gaussian(batch), order)
        digits = len(expected.split(".")[1])
        assert found.intervals[0][0] == 0.01
        assert f"{found.intervals[0][1]:.{digits}f}" == expected
        assert len(found.intervals) == 1
        assert found.complete == (order >= 1)
        assert found.order == order


@pytest.mark.parametrize(
    ("batch", "printed"), [(1, 2.4212), (2, 2.6845), (3, 2.6989), (4, 2.6630), (8, 2.4926), (16, 2.2993)]
)
def test_the_threshold_in_probability_rises_with_the_batch_and_falls_back(batch, printed):
    assert round(stable(gaussian(batch)).intervals[0][1], 4) == printed


def test_student_inputs_have_a_threshold_in_probability_and_none_in_the_mean_square():
    heavy = scalar(x**2, {x: StudentT(3)})
    edge = (1 / (-sympy.LambertW(-2 * sympy.exp(-2)) / 2).evalf(20) - 1) / 3
    assert stable(heavy).intervals[0][1] == pytest.approx(float(edge), rel=1e-10)
    assert stable(heavy).intervals[0][1] == pytest.approx(1.307184544855835, rel=1e-12)
    square = stable(heavy, 2)
    assert (square.intervals, square.complete) == ((), True)
    assert stable(heavy, 1).intervals != ()
    assert stable(scalar(x**2, {x: Cauchy()})).intervals == ()


def test_the_optimal_learning_rate_of_gaussian_squares():
    found = stable(gaussian())
    assert (round(found.best, 5), round(found.best_exponent, 5)) == (0.58546, -0.49071)


def test_the_optimal_learning_rate_in_the_mean_square_is_known_in_closed_form():
    for batch in (1, 3):
        found = stable(gaussian(batch), 2)
        best = 1 / (1 + 2 / batch)
        assert found.best == pytest.approx(best, rel=1e-7)
        assert found.best_exponent == pytest.approx(np.log(1 - best), rel=1e-12)


# ------------------------------------------------------------------------------------------------------ complete sets

FINITE = {
    "signs": scalar(x, {x: Discrete({1: 0.5, -0.8: 0.3, 0: 0.2})}),
    "a double pole": scalar(x**2, {x: Discrete({1: 0.3, -1: 0.3, 2: 0.4})}),
    "decay": scalar(x, {x: Discrete({-0.5: 0.45, 2: 0.55})}, weight_decay=0.4),
    "pairs": scalar(x, {x: Discrete({3: 0.3, -1: 0.7})}, 2),
    "subsets": scalar(x, {x: Empirical([0.3, 2.0, -0.4, 5.0])}, 2, sampling=Sampling.WITHOUT_REPLACEMENT),
    "rare": scalar(x, {x: Discrete({0.25: 0.05, -0.1: 0.95})}),
}
FINITE["bernoulli"] = stability(
    Model(u**2 * x / 2, [u], {x: Empirical([0.5, 1.0, -0.2])}), SGD(eta, sampling=bernoulli(0.6)), point={u: 0}
)


def multipliers(result, rates):
    """|m| of every batch and its probability, by the symbolic list of batch means."""
    from theory.stability.batches import batch_mean_values

    block = result.blocks[0]
    pairs = batch_mean_values(block.curvature[0, 0], block.randomness, block.batch)
    maps = [sympy.lambdify(eta, block.step.carry + block.step.weight * value, "numpy") for value, _ in pairs]
    return np.array([np.abs(f(rates) + 0 * rates) for f in maps]), np.array([float(p) for _, p in pairs])[:, None]


@pytest.mark.parametrize("order", [0, 0.4, 1, 2])
@pytest.mark.parametrize("name", FINITE)
def test_a_finite_law_has_exactly_the_intervals_of_a_fine_scan(name, order):
    result, between = FINITE[name], (0.0, 6.0)
    found = stable(result, order, between)
    assert found.complete
    assert found.undecided == ()
    rates = np.linspace(*between, 40_001)[1:-1]
    sizes, shares = multipliers(result, rates)
    with np.errstate(divide="ignore"):
        values = (shares * np.log(sizes)).sum(axis=0) if order == 0 else np.log((shares * sizes**order).sum(axis=0))
    inside = (
        np.any([(rates > low) & (rates < high) for low, high in found.intervals], axis=0) if found.intervals else False
    )
    wrong = (values < -1e-12) != inside
    assert not np.any(wrong & (np.abs(values) > 1e-9))
    assert found.best_exponent <= values.min() + 1e-9


def test_narrow_intervals_around_atoms_are_found():
    """A rare outcome makes a step super-stable near one learning rate only: no scan would see it."""
    found = stable(scalar(x, {x: Discrete({0.25: 0.02, -0.1: 0.98})}), 0, (0.5, 10))
    ((low, high),) = found.intervals
    assert found.complete
    assert low < 4 < high
    depth = 1.4 ** (-0.98 / 0.02)  # |1 - eta/4|^0.02 1.4^0.98 = 1
    assert high - low == pytest.approx(8 * depth, rel=1e-3)


def test_a_finite_law_has_no_more_roots_than_its_poles_allow():
    for result in FINITE.values():
        sizes, _ = multipliers(result, np.array([0.0]))
        for order in (0, 0.4):
            found = stable(result, order, (0.0, 6.0))
            assert len(found.intervals) <= len(sizes) + 1


def test_the_best_rate_of_a_finite_law_annihilates_a_batch():
    found = stable(FINITE["signs"], 0)
    assert (found.best, found.best_exponent) == (1.0, -np.inf)
    assert stable(FINITE["signs"], 0.4).best == pytest.approx(1.0)


def test_cyclic_batches_are_stable_in_every_mean_where_they_are_stable():
    result = scalar(x, {x: Empirical([0.5, 3.0, -0.2])}, sampling=Sampling.CYCLIC)
    first, second = stable(result, 0), stable(result, 3)
    assert first.intervals == second.intervals
    assert second.complete


def test_stable_sets_are_nested_in_the_order():
    previous = (0.0, np.inf)
    for order in (0, 0.3, 0.8, 1, 2, 3.5):
        (interval,) = stable(gaussian(3), order).intervals
        assert interval[1] < previous[1]
        previous = interval


# ------------------------------------------------------------------------------------------------------ other symbols, errors


def test_another_symbol_than_the_learning_rate_is_scanned():
    result = scalar(x**2, {x: Normal(0, s)})
    found = thresholds(result, of=s, between=(0.01, 10), order=2, at={eta: 0.5}).modes[0]
    assert not found.complete
    assert found.intervals[0][1] == pytest.approx(4 / 3)


def test_a_range_that_begins_at_zero_is_scanned_from_just_above():
    assert stable(gaussian(), 2, (0, 5)).intervals == ((0, pytest.approx(2 / 3)),)
    assert stable(gaussian(), 0, (0, 5)).intervals[0] == (0, pytest.approx(2.42124952104))


def test_dependent_batches_of_an_epoch_claim_no_completeness():
    result = scalar(x, {x: Empirical([0.5, 3.0, -0.2, 1.0])}, 2, sampling=Sampling.RESHUFFLED)
    assert stable(result, 0).complete
    assert not stable(result, 2).complete


@pytest.mark.parametrize("order", [-1, np.inf, "two"])
def test_orders_that_name_no_stability_are_refused(order):
    with pytest.raises(InvalidRequest, match="order"):
        stable(gaussian(), order)


def test_the_set_says_in_which_sense_it_is_stable():
    assert str(stable(gaussian(), 2)) == (
        "u: stable in the mean of order 2 for eta in (0.01, 0.666666667) within [0.01, 5] (all roots found)"
    )
