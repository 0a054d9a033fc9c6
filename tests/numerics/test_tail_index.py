"""Tails of stationary laws: published indices, every outcome, and the Hill estimate of simulated chains."""

import numpy as np
import pytest

from numerics.stability.chernoff import chernoff_bound
from numerics.stability.hill import hill_estimate
from numerics.stability.level_sets.tail_support import largest_multiplier
from numerics.stability.problem import Grid
from numerics.stability.tail_index import Tail, Verdict, tail_index
from theory import (
    SGD,
    AlgorithmNotCovered,
    Cauchy,
    Discrete,
    Empirical,
    Exponential,
    HeavyBall,
    InvalidRequest,
    Mixture,
    Model,
    Normal,
    Sampling,
    StudentT,
    Uniform,
    UnknownValue,
    bernoulli,
    stability,
    symbols,
)

u, w, x, y = symbols("u w x y")
eta = symbols("eta", positive=True)
BOUNDED_DATA = [0.5, 1.0, 2.0, 0.1]


def regression(law, batch=1, **options):
    """Linear regression with label noise: an affine update."""
    model = Model((u * x - y) ** 2 / 2, [u], {x: law, y: Normal()})
    return stability(model, SGD(eta, batch_size=batch, **options))


def curved(curvature, laws, batch=1, **options):
    return stability(Model(u**2 * curvature / 2, [u], laws), SGD(eta, batch_size=batch, **options), point={u: 0})


def tail(result, rate):
    (found,) = tail_index(result, at={eta: rate}).modes
    return found


@pytest.mark.parametrize(("rate", "index"), [(0.3, 5.305901), (2 / 3, 2.0), (1.0, 1.090826), (1.5, 0.477435)])
def test_tails_of_gaussian_regression(rate, index):
    found = tail(regression(Normal()), rate)
    assert found.outcome == Tail.POWER_LAW
    assert round(found.index, 6) == index
    assert found.error < 1e-9
    assert {condition.verdict for condition in found.conditions} == {Verdict.HOLDS}


def test_a_finite_law_solves_its_own_equation():
    found = tail(curved(x, {x: Discrete({-1: 0.25, 1.5: 0.75})}), 0.8)
    residual = 0.25 * 1.8**found.index + 0.75 * 0.2**found.index
    assert residual == pytest.approx(1, abs=1e-10)
    assert found.conditions[2].verdict == Verdict.NOT_DECIDED  # two values may be commensurable


def test_small_steps_on_finite_data_have_bounded_tails():
    found = tail(curved(x, {x: Empirical(BOUNDED_DATA)}), 0.9)
    assert (found.outcome, found.index) == (Tail.BOUNDED, None)
    assert found.largest == pytest.approx(0.91)
    beyond = tail(curved(x, {x: Empirical(BOUNDED_DATA)}), 1.05)
    assert beyond.outcome == Tail.POWER_LAW
    assert beyond.largest == pytest.approx(1.1)


def test_without_contraction_there_is_no_stationary_law():
    assert tail(regression(Normal()), 2.5).outcome == Tail.NO_STATIONARY_LAW
    assert tail(regression(Cauchy()), 0.1).outcome == Tail.NO_STATIONARY_LAW
    assert str(tail(regression(Normal()), 2.5)) == "u: no stationary law"


def test_an_index_at_the_end_of_the_moments_says_so():
    found = tail(regression(StudentT(30)), 1e-3)
    assert found.at_endpoint
    assert found.index == pytest.approx(15)
    assert "where the moments of the curvature end" in str(found)
    before = tail(regression(StudentT(3)), 0.3)
    assert not before.at_endpoint
    assert before.index < 1.5


def test_deterministic_and_cyclic_steps_leave_bounded_laws():
    assert tail(curved(x, {x: Empirical([3.0, 0.5])}, sampling=Sampling.CYCLIC), 0.8).outcome == Tail.BOUNDED
    full = stability(Model(u**2 * x / 2, [u], {x: Empirical([3.0, 0.5])}), SGD(eta, sampling=Sampling.FULL_BATCH))
    assert tail(full, 0.8).outcome == Tail.BOUNDED


def test_heavier_tails_come_with_larger_steps_and_smaller_batches():
    indices = [
        tail(regression(Normal(), batch), rate).index for batch, rate in ((4, 0.5), (2, 0.5), (1, 0.5), (1, 0.9))
    ]
    assert np.all(np.diff(indices) < 0)


@pytest.mark.parametrize(
    ("result", "rate", "largest"),
    [(curved(x**2 - x, {x: Uniform(-1, 2)}), 1.0, 1.25), (curved(x * y, {x: Uniform(0, 2), y: Uniform(-1, 1)}), 0.5, 2.0),
     (curved(x, {x: Exponential(1)}), 0.1, np.inf), (curved(x, {x: Mixture([(Uniform(0, 1), 0.5), (Uniform(2, 3), 0.5)])}), 1.0, 2.0),
     (curved(x, {x: Discrete({1: 0.5, 7: 0, 2: 0.5})}), 1.0, 1.0),
     (curved(x, {x: Empirical([1.0, 2.0, 6.0])}, 2, sampling=Sampling.WITHOUT_REPLACEMENT), 1.0, 3.0)],
    ids=["turning point", "corners", "unbounded", "mixture", "impossible outcome", "subset"],
)  # fmt: skip
def test_the_largest_multiplier_is_that_of_the_extreme_batch(result, rate, largest):
    found = largest_multiplier(result.blocks[0], Grid({eta: np.array([rate])}, 1))
    assert found == pytest.approx(largest)


def test_the_largest_multiplier_of_bernoulli_batches_counts_every_subset():
    data = [1.0, -0.5, 2.0]
    result = stability(Model(u**2 * x / 2, [u], {x: Empirical(data)}), SGD(eta, sampling=bernoulli(0.5)), point={u: 0})
    found = largest_multiplier(result.blocks[0], Grid({eta: np.array([1.5])}, 1))
    sums = [sum(v for k, v in enumerate(data) if code >> k & 1) for code in range(8)]
    assert found == pytest.approx(max(abs(1 - 1.5 * total / 1.5) for total in sums))


def test_a_matrix_mode_takes_the_moment_exponents_of_its_products():
    model = Model((u * x + w * y) ** 2 / 2, [u, w], {(x, y): Empirical([1.0, -0.3, 0.8, 0.2], [0.5, 1.2, -0.9, 0.4])})
    found = tail(stability(model, SGD(eta), point={u: 0, w: 0}), 1.4)
    assert found.outcome == Tail.POWER_LAW
    assert 2 < found.index < 4  # contracting in mean square, expanding in the fourth mean


# ------------------------------------------------------------------------------------------------------ simulated


def chains(count, steps, generator):
    theta = np.zeros(count)
    for _ in range(steps):
        inputs, labels = generator.standard_normal((2, count))
        theta = (1 - inputs**2) * theta + inputs * labels
    return theta


def test_the_hill_estimate_of_stationary_chains_finds_the_index():
    index, error = hill_estimate(chains(100_000, 200, np.random.default_rng(11)), 400)
    assert abs(index - tail(regression(Normal()), 1.0).index) < 4 * error


@pytest.mark.slow
def test_the_hill_estimate_of_a_million_chains_finds_the_index():
    index, error = hill_estimate(chains(10**6, 200, np.random.default_rng(12)), 2000)
    assert error == pytest.approx(index / np.sqrt(2000))
    assert abs(index - tail(regression(Normal()), 1.0).index) < 3 * error


@pytest.mark.slow
def test_a_million_products_have_the_mean_and_the_tail_that_theory_says():
    result = curved(x**2, {x: Normal()})
    generator = np.random.default_rng(13)
    logs = np.zeros(10**6)
    for step in range(100):
        logs += np.log(np.abs(1 - generator.standard_normal(10**6) ** 2))
        if step == 49:
            survivors = np.mean(logs >= np.log(1e-3))
    rates = logs / 100
    assert abs(rates.mean() + 0.416991637) < 5 * rates.std() / 1000
    assert abs(survivors - 0.0175) < 5 * np.sqrt(0.0175 / 10**6) + 2e-4
    assert survivors < chernoff_bound(result, mode="u", at={eta: 1}, steps=50, ratio=1e-3).probability


def test_the_hill_estimate_of_an_exact_power_law_has_the_stated_error():
    generator = np.random.default_rng(5)
    found = np.array([hill_estimate(generator.pareto(2.5, 5000) + 1, 200) for _ in range(200)])
    assert abs(found[:, 0].mean() / 2.5 - 1) < 5 * 0.0708 / np.sqrt(200) + 1 / 200
    assert found[:, 0].std() == pytest.approx(found[:, 1].mean(), rel=0.2)


# ------------------------------------------------------------------------------------------------------ refusals


@pytest.mark.parametrize(("samples", "top"), [([1.0, 2.0], 2), ([1.0, np.inf, 3.0], 2), ([0.0] * 9, 3), ([1.0] * 9, 1)])
def test_samples_without_a_tail_are_refused(samples, top):
    with pytest.raises(InvalidRequest):
        hill_estimate(samples, top)


def test_bounds_of_matrix_modes_and_of_broken_epochs_are_refused():
    matrix = curved(x**2, {x: Normal()}, momentum=HeavyBall(0.5))
    with pytest.raises(AlgorithmNotCovered, match="scalar modes"):
        chernoff_bound(matrix, mode="u", at={eta: 0.1}, steps=10, ratio=0.1)
    epochs = curved(x, {x: Empirical(BOUNDED_DATA)}, 2, sampling=Sampling.RESHUFFLED)
    with pytest.raises(InvalidRequest, match="whole epochs"):
        chernoff_bound(epochs, mode="u", at={eta: 0.1}, steps=3, ratio=0.1)
    assert chernoff_bound(epochs, mode="u", at={eta: 0.1}, steps=4, ratio=1.01).probability < 1
    with pytest.raises(InvalidRequest, match="ratio"):
        chernoff_bound(epochs, mode="u", at={eta: 0.1}, steps=4, ratio=-1)


def test_a_name_that_no_mode_has_is_refused():
    found = tail_index(regression(Normal()), at={eta: 0.3})
    assert found.mode("u").index == pytest.approx(5.305901, abs=1e-6)
    with pytest.raises(UnknownValue, match="modes are u"):
        found.mode("v")


def test_data_on_which_no_step_expands_leave_bounded_tails_in_the_plane_too():
    u, w, x, y, eta = *symbols("u w x y"), symbols("eta", positive=True)
    data = {(x, y): Empirical([1.0, -0.3, 0.8, 0.2], [0.5, 1.2, -0.9, 0.4])}
    result = stability(Model((u * x + w * y) ** 2 / 2, [u, w], data), SGD(eta), point={u: 0, w: 0})
    longest = max(a**2 + b**2 for a, b in zip([1.0, -0.3, 0.8, 0.2], [0.5, 1.2, -0.9, 0.4], strict=True))
    (quiet,) = tail_index(result, at={eta: 1.99 / longest}).modes
    assert quiet.outcome == Tail.BOUNDED
    assert quiet.largest == pytest.approx(1.0, abs=1e-12)  # the direction across a sample is left as it is
    (loud,) = tail_index(result, at={eta: 1.4}).modes
    assert loud.outcome == Tail.POWER_LAW


def test_a_matrix_mode_whose_moments_end_before_its_exponent_is_positive_has_its_index_there():
    u, w, x, y = symbols("u w x y")
    model = Model((u * x + w * y) ** 2 / 2, [u, w], {x: StudentT(5), y: StudentT(7)})
    (found,) = tail_index(stability(model, SGD(0.02), point={u: 0, w: 0}), at={}, steps=1000, replicas=16).modes
    assert found.outcome == Tail.POWER_LAW
    assert found.index <= 2.5  # E|A|^p is infinite from the order 5/2 on
