"""Which samples a step visits, observed directly: on the data set of unit vectors SGD on <w, z> counts its visits."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from reference_sgd import within
from scipy import stats

from numerics import simulate
from theory import SGD, Clock, Empirical, Model, Sampling, Vector, bernoulli, dot, persistent, symbols, vectors

COUNT = 6
n = symbols("n", positive=True)
b, tau = symbols("b tau", positive=True)
w, z = Vector("w", n), Vector("z", n)
axes = vectors("e", n, count=COUNT)
counting = Model(loss=dot(w, z), parameters=[w], data={z: Empirical(np.eye(COUNT))})


def visits(algorithm: SGD, steps: int, replicas: int, seed: int = 3, **options) -> np.ndarray:
    """How often each step visited each sample: an array (replica, step, sample) of whole numbers."""
    run = simulate(
        counting,
        algorithm,
        observe={e.name: dot(w, e) for e in axes},
        clock=Clock.STEPS,
        until=steps,
        times=range(steps + 1),
        replicas=replicas,
        seed=seed,
        start={w: np.zeros(COUNT), **dict(zip(axes, np.eye(COUNT), strict=True))},
        **options,
    )
    moved = -np.diff(np.stack([run[e.name].values for e in axes], axis=2), axis=1)
    fraction = options.get("at", {}).get(b)
    scale = fraction * COUNT if fraction else float(algorithm.batch_size)
    counts = moved * scale / float(algorithm.learning_rate)
    assert np.abs(counts - np.rint(counts)).max() < 1e-9
    return np.rint(counts).astype(int)


def uniform_on(outcomes: np.ndarray, size: int) -> None:
    """Chi-squared test that labels 0, ..., size - 1 are equally likely."""
    assert stats.chisquare(np.bincount(outcomes, minlength=size)).pvalue > 1e-6


def test_draws_with_replacement_are_independent_and_uniform():
    seen = visits(SGD(1, batch_size=3, sampling=Sampling.WITH_REPLACEMENT), steps=4, replicas=3000)
    assert (seen.sum(axis=2) == 3).all()
    flat = seen.reshape(-1, COUNT)
    within(flat, 3 / COUNT)
    within(flat[:, 0] * flat[:, 1], 3 * 2 / COUNT**2)  # multinomial: E n_i n_j = m (m - 1) p^2
    within(flat[:, 0] ** 2, 3 / COUNT + 3 * 2 / COUNT**2)
    within(seen[:, 0, 0] * seen[:, 1, 0], (3 / COUNT) ** 2)  # steps are independent


def test_batches_without_replacement_are_uniform_subsets_drawn_afresh_at_every_step():
    seen = visits(SGD(1, batch_size=3, sampling=Sampling.WITHOUT_REPLACEMENT), steps=3, replicas=4000)
    assert set(np.unique(seen)) == {0, 1}
    assert (seen.sum(axis=2) == 3).all()
    index = {subset: i for i, subset in enumerate(itertools.combinations(range(COUNT), 3))}
    labels = np.array([[index[tuple(np.flatnonzero(step))] for step in run] for run in seen])
    for step in range(3):
        uniform_on(labels[:, step], 20)
    uniform_on(labels[:, 0] * 20 + labels[:, 1], 400)


def test_reshuffled_epochs_visit_every_sample_once_in_uniform_independent_orders():
    seen = visits(SGD(1, batch_size=2, sampling=Sampling.RESHUFFLED), steps=6, replicas=8000)
    assert (seen[:, :3].sum(axis=1) == 1).all()
    assert (seen[:, 3:].sum(axis=1) == 1).all()
    index = {subset: i for i, subset in enumerate(itertools.combinations(range(COUNT), 2))}
    labels = np.array([[index[tuple(np.flatnonzero(step))] for step in run] for run in seen])
    for step in range(6):
        uniform_on(labels[:, step], 15)
    uniform_on(labels[:, 0] * 15 + labels[:, 3], 225)
    orders = {pair: i for i, pair in enumerate(sorted({(int(a), int(c)) for a, c in labels[:, :2]}))}
    assert len(orders) == 90  # ordered pairs of disjoint pairs
    uniform_on(np.array([orders[int(a), int(c)] for a, c in labels[:, :2]]), 90)


def test_cyclic_batches_follow_the_order_of_the_data():
    seen = visits(SGD(1, batch_size=2, sampling=Sampling.CYCLIC), steps=6, replicas=1)[0]
    assert [tuple(np.flatnonzero(step)) for step in seen] == [(0, 1), (2, 3), (4, 5)] * 2


def test_bernoulli_selects_each_sample_independently_with_the_stated_fraction():
    seen = visits(SGD(1, sampling=bernoulli(b)), steps=3, replicas=4000, at={b: 0.3})
    assert set(np.unique(seen)) == {0, 1}
    within(seen.reshape(-1, COUNT), 0.3)
    within(seen[:, :, 0] * seen[:, :, 1], 0.09)
    within(seen[:, 0] * seen[:, 1], 0.09)


@pytest.mark.parametrize(("fraction", "time"), [(0.3, 4.0), (0.8, 9.0)])
def test_persistent_selection_is_stationary_with_the_stated_mean_and_memory(fraction, time):
    rate = 0.5
    seen = visits(SGD(rate, sampling=persistent(b, tau)), steps=12, replicas=3000, at={b: fraction, tau: time}, seed=5)
    assert set(np.unique(seen)) == {0, 1}
    within(seen, fraction)  # at every step and for every sample
    on = rate / time
    memory = 1 - on - on * (1 - fraction) / fraction
    for lag in (1, 2, 5, 11):
        product = seen[:, 0] * seen[:, lag]
        within(product, fraction**2 + fraction * (1 - fraction) * memory**lag)
    within((1 - seen[:, 3]) * seen[:, 4], (1 - fraction) * on)  # P(0 -> 1) = learning_rate / tau
    within(seen[:, 6, 0] * seen[:, 6, 1], fraction**2)  # samples are independent


def test_full_batch_visits_every_sample():
    run = simulate(
        counting,
        SGD(1, sampling=Sampling.FULL_BATCH),
        observe={"s": dot(w, axes[0]) - dot(w, axes[5]), "q": dot(w, w)},
        clock=Clock.EPOCHS,
        until=2,
        times=[0, 1, 2],
        replicas=1,
        start={w: np.zeros(COUNT), axes[0]: np.eye(COUNT)[0], axes[5]: np.eye(COUNT)[5]},
    )
    assert np.allclose(run["s"], 0, atol=1e-15)
    assert np.allclose(run["q"][0], [0, 1 / COUNT, 4 / COUNT], atol=1e-15)


def test_an_epoch_is_as_many_steps_as_batches_fill_the_data_set():
    options = {"observe": {"q": dot(w, w)}, "clock": Clock.EPOCHS, "until": 2, "start": {"q": 1.0}, "replicas": 1}
    run = simulate(counting, SGD(1, batch_size=2, sampling=Sampling.CYCLIC), times=[0, 1, 2], **options)
    assert run["time"].values.tolist() == [0, 1, 2]
    run = simulate(counting, SGD(1, sampling=bernoulli(b)), at={b: 0.25}, times=[0, 0.25, 2], **options)
    assert run["time"].values.tolist() == [0, 0.25, 2]
