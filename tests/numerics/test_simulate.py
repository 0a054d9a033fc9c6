"""Direct SGD against the plain reference simulator: draw for draw where nothing is random, in law elsewhere."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import sympy
from reference_sgd import Rule, cyclic, entries, gradient_of, inner, trajectory, whole, within, within_of
from scipy import stats

from numerics import compare, simulate, solve
from theory import (
    SGD,
    Cauchy,
    Clock,
    DecoupledDecay,
    Discrete,
    Empirical,
    Exponential,
    Gamma,
    GaussianField,
    HeavyBall,
    Mixture,
    Model,
    Nesterov,
    NesterovLookahead,
    Normal,
    Rademacher,
    Recurrence,
    Sampling,
    SoftThreshold,
    Sphere,
    StudentT,
    Uniform,
    Vector,
    bernoulli,
    dot,
    moments,
    persistent,
    symbols,
    vectors,
)
from theory.errors import (
    DuplicateName,
    InvalidAlgorithm,
    InvalidLaw,
    InvalidRequest,
    MissingValue,
    UnknownSymbol,
    UnknownValue,
    ValuesError,
)

n = symbols("n", positive=True)
rng = np.random.default_rng(20240101)
INPUTS, LABELS = rng.normal(size=(6, 3)), rng.normal(size=6)

RULES = [
    ("plain", Rule(0.1), SGD(0.1)),
    ("coupled decay", Rule(0.1, coupled=0.3), SGD(0.1, weight_decay=0.3)),
    ("heavy ball, decoupled", Rule(0.1, "heavy ball", 0.6, decoupled=0.3),
     SGD(0.1, momentum=HeavyBall(0.6), weight_decay=DecoupledDecay(0.3))),
    ("nesterov, coupled", Rule(0.1, "nesterov", 0.6, coupled=0.3), SGD(0.1, momentum=Nesterov(0.6), weight_decay=0.3)),
    ("lookahead, decoupled, L1", Rule(0.1, "lookahead", 0.6, decoupled=0.2, threshold=0.4),
     SGD(0.1, momentum=NesterovLookahead(0.6), weight_decay=DecoupledDecay(0.2), proximal=SoftThreshold(0.4))),
    ("heavy ball, coupled, L1", Rule(0.1, "heavy ball", 0.5, coupled=0.2, threshold=0.5),
     SGD(0.1, momentum=HeavyBall(0.5), weight_decay=0.2, proximal=SoftThreshold(0.5))),
]  # fmt: skip


def rebuilt(algorithm: SGD, **changes) -> SGD:
    """The same algorithm with other batches."""
    kept = {
        name: getattr(algorithm, name) for name in ("momentum", "weight_decay", "proximal", "constraint", "temperature")
    }
    return SGD(algorithm.learning_rate, **kept, **changes)


# --------------------------------------------------------------------------------------- draw for draw: explicit models

u, a, x, y = symbols("u a x y")
net = Model(loss=(u * sympy.tanh(a * x) - y) ** 2 / 2 + u**2 * a**2 / 20, parameters=[u, a],
            data={(x, y): Empirical(INPUTS[:, 0], LABELS)})  # fmt: skip
net_rows = np.stack([INPUTS[:, 0], LABELS], axis=1)
net_gradient = gradient_of((u * sympy.tanh(a * x) - y) ** 2 / 2 + u**2 * a**2 / 20, [u, a], [x, y])
SCALAR_RUN = {"observe": {"u": u, "alpha": a}, "clock": Clock.STEPS, "until": 9, "times": range(10), "replicas": 2,
              "start": {u: 0.7, "alpha": -1.1}}  # fmt: skip


@pytest.mark.parametrize(("rule", "algorithm"), [r[1:] for r in RULES[1::2]], ids=[r[0] for r in RULES[1::2]])
def test_full_batch_steps_of_a_scalar_net_are_those_of_the_reference(rule, algorithm):
    run = simulate(net, rebuilt(algorithm, sampling=Sampling.FULL_BATCH), **SCALAR_RUN)
    path = trajectory(net_gradient, [0.7, -1.1], whole(net_rows, 9), rule)
    for replica in range(2):
        np.testing.assert_allclose(run["u"][replica], path[:, 0], rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(run["alpha"][replica], path[:, 1], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(("rule", "algorithm"), [r[1:] for r in RULES[0::2]], ids=[r[0] for r in RULES[0::2]])
def test_cyclic_batches_of_a_scalar_net_are_those_of_the_reference(rule, algorithm):
    run = simulate(net, rebuilt(algorithm, sampling=Sampling.CYCLIC, batch_size=2), **SCALAR_RUN)
    path = trajectory(net_gradient, [0.7, -1.1], cyclic(net_rows, 2, 9), rule)
    np.testing.assert_allclose(run["u"][1], path[:, 0], rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(run["alpha"][1], path[:, 1], rtol=1e-12, atol=1e-14)


# ----------------------------------------------------------------------------------------- draw for draw: vector models

w1, w2, v, q = (Vector(name, 3) for name in ("w1", "w2", "v", "q"))
X = Vector("X", 3)
committee = Model(
    loss=(a * sympy.tanh(dot(w1, X)) + dot(w2, X) - dot(v, X) - y) ** 2 / 2 + dot(w1, w2) ** 2 / 4 + a**2 * dot(w1, v) / 3,
    parameters=[w1, w2, a], data={(X, y): Empirical(INPUTS, LABELS)})  # fmt: skip
e1, e2, ev, ex = (entries(name, 3) for name in ("p", "r", "s", "x"))
committee_loss = (a * sympy.tanh(inner(e1, ex)) + inner(e2, ex) - inner(ev, ex) - y) ** 2 / 2 + inner(e1, e2) ** 2 / 4 \
    + a**2 * inner(e1, ev) / 3  # fmt: skip
STARTS = rng.normal(size=(3, 3))
FIXED = dict(zip(ev, STARTS[2], strict=True))
committee_gradient = gradient_of(committee_loss.subs(FIXED), [*e1, *e2, a], [*ex, y])
committee_rows = np.column_stack([INPUTS, LABELS])
VECTOR_RUN = {"observe": {"m": dot(w1, v), "o": dot(w1, w2), "l": dot(w2, q), "q1": dot(w1, w1), "a": a}, "clock": Clock.STEPS,
              "until": 8, "times": range(9), "replicas": 1,
              "start": {w1: STARTS[0], w2: STARTS[1], v: STARTS[2], q: np.array([1.0, -2.0, 0.5]), a: 0.8}}  # fmt: skip


def assert_same_path(run, path: np.ndarray) -> None:
    one, two = path[:, :3], path[:, 3:6]
    expected = {"m": one @ STARTS[2], "o": np.sum(one * two, axis=1), "l": two @ [1.0, -2.0, 0.5], "q1": np.sum(one**2, axis=1),
                "a": path[:, 6]}  # fmt: skip
    for name, values in expected.items():
        np.testing.assert_allclose(run[name][0], values, rtol=1e-11, atol=1e-13, err_msg=name)


@pytest.mark.parametrize(
    ("rule", "algorithm"),
    [pytest.param(*r[1:], id=r[0], marks=[] if "decoupled" in r[0] else pytest.mark.slow) for r in RULES],
)
def test_cyclic_batches_of_a_committee_are_those_of_the_reference(rule, algorithm):
    run = simulate(committee, rebuilt(algorithm, sampling=Sampling.CYCLIC, batch_size=3), **VECTOR_RUN)
    path = trajectory(committee_gradient, [*STARTS[0], *STARTS[1], 0.8], cyclic(committee_rows, 3, 8), rule)
    assert_same_path(run, path)


def test_full_batch_steps_of_a_committee_are_those_of_the_reference():
    _, rule, algorithm = RULES[3]
    run = simulate(committee, rebuilt(algorithm, sampling=Sampling.FULL_BATCH), **VECTOR_RUN)
    assert_same_path(run, trajectory(committee_gradient, [*STARTS[0], *STARTS[1], 0.8], whole(committee_rows, 8), rule))


@pytest.mark.parametrize(("momentum", "name"), [(None, None), (Nesterov(0.5), "nesterov")])
def test_the_sphere_rescales_every_trained_vector_after_each_step(momentum, name):
    model = Model((dot(w1, X) * dot(w2, X) - y) ** 2 / 2, [w1, w2], {(X, y): Empirical(INPUTS, LABELS)})
    loss = (inner(e1, ex) * inner(e2, ex) - y) ** 2 / 2
    rule = Rule(0.05, name, 0.5 if name else 0.0, spheres=(slice(0, 3), slice(3, 6)))
    path = trajectory(
        gradient_of(loss, [*e1, *e2], [*ex, y]), [*STARTS[0], *STARTS[1]], cyclic(committee_rows, 1, 7), rule
    )
    run = simulate(model, SGD(0.05, momentum=momentum, constraint=Sphere(), sampling=Sampling.CYCLIC), clock=Clock.STEPS, until=7,
                   observe={"o": dot(w1, w2), "q1": dot(w1, w1), "l": dot(w2, q)}, times=range(8), replicas=1,
                   start={w1: STARTS[0], w2: STARTS[1], q: STARTS[2]})  # fmt: skip
    np.testing.assert_allclose(run["o"][0], np.sum(path[:, :3] * path[:, 3:], axis=1), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(run["l"][0], path[:, 3:] @ STARTS[2], rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(run["q1"][0, 1:], 1, rtol=1e-14)


def test_statistics_may_hold_the_momentum_variables():
    run = simulate(committee, SGD(0.1, momentum=HeavyBall(0.5), sampling=Sampling.CYCLIC),
                   **{**VECTOR_RUN, "observe": {"m": dot(w1, v), "l": dot(w2, q), "p": dot(Vector("velocity_w1", 3), v),
                                               "b": symbols("velocity_a"), "a": a}})  # fmt: skip
    assert run["p"][0, 0] == run["b"][0, 0] == 0
    np.testing.assert_allclose(np.diff(run["m"][0]), -0.1 * run["p"][0, 1:], rtol=1e-12)
    np.testing.assert_allclose(np.diff(run["a"][0]), -0.1 * run["b"][0, 1:], rtol=1e-12)


# ---------------------------------------------------------------------------------------------- in law: what is drawn

p, nu, scale, level = symbols("p nu scale level", positive=True)
AT = {p: 0.2, nu: 7.0, scale: 1.5, level: 0.4}
# scipy's laws of the same draws
SCALAR_LAWS = {
    "rademacher": (Rademacher(), None),
    "uniform": (Uniform(-level, scale), stats.uniform(-0.4, 1.9)),
    "exponential": (Exponential(scale), stats.expon(scale=1 / 1.5)),
    "student": (StudentT(nu, level, scale), stats.t(7, 0.4, 1.5)),
    "gamma": (Gamma(level, scale), None),
    "gamma_large": (Gamma(nu / 2, 1), stats.gamma(3.5)),
    "cauchy": (Cauchy(level, scale), stats.cauchy(0.4, 1.5)),
    "normal": (Normal(level, scale), stats.norm(0.4, np.sqrt(1.5))),
    "mixture": (Mixture([(Normal(-2, 1), 1 - p), (Uniform(0, 2 * scale), p)]), None),
}


@pytest.fixture(scope="module")
def scalar_draws():
    """One step on the sum of parameter * datum from zero: the parameters then are minus the data."""
    names = [*SCALAR_LAWS, "joint_1", "joint_2", "discrete", "pair_1", "pair_2"]
    data = {name: symbols(f"d_{name}") for name in names}
    trained = {name: symbols(f"t_{name}") for name in names}
    laws = {data[name]: law for name, (law, _) in SCALAR_LAWS.items()}
    laws[data["joint_1"], data["joint_2"]] = Normal([1, -1], covariance=[[2, level], [level, 1]])
    laws[data["discrete"]] = Discrete([(0, p), (scale, 1 - 2 * p), (0, p)])
    laws[data["pair_1"], data["pair_2"]] = Discrete([((1, scale), p), ((-1, 0), 1 - p)])
    model = Model(sum(trained[name] * data[name] for name in names), list(trained.values()), laws)
    run = simulate(
        model,
        SGD(1),
        at=AT,
        observe={name: -trained[name] for name in names},
        clock=Clock.STEPS,
        until=2,
        times=[1, 2],
        start={t: 0.0 for t in trained.values()},
        replicas=20_000,
        seed=17,
    )
    return {name: run[name].values for name in names}


@pytest.mark.parametrize("name", [name for name, (_, law) in SCALAR_LAWS.items() if law is not None])
def test_scalar_data_follow_their_laws(scalar_draws, name):
    first, both = scalar_draws[name].T
    assert stats.kstest(first, SCALAR_LAWS[name][1].cdf).pvalue > 1e-5
    assert stats.kstest(both - first, SCALAR_LAWS[name][1].cdf).pvalue > 1e-5  # the second step
    assert abs(stats.spearmanr(first, both - first).statistic) < 5 / np.sqrt(20_000)


def test_gamma_and_mixture_data_follow_their_laws(scalar_draws):
    rate = Gamma(level, scale)
    mean, variance = (float(value.subs({level: 0.4, scale: 1.5})) for value in (rate.mean, rate.variance))
    reference = stats.gamma(0.4, scale=variance / mean)
    assert stats.kstest(scalar_draws["gamma"][:, 0], reference.cdf).pvalue > 1e-5

    def mixture(values):
        return 0.8 * stats.norm.cdf(values + 2) + 0.2 * stats.uniform.cdf(values / 3)

    assert stats.kstest(scalar_draws["mixture"][:, 0], mixture).pvalue > 1e-5


def test_finite_and_joint_data_follow_their_laws(scalar_draws):
    draws = {name: values[:, 0] for name, values in scalar_draws.items()}
    assert set(np.unique(draws["rademacher"])) == {-1, 1}
    within(draws["rademacher"], 0)
    assert set(np.unique(draws["discrete"])) == {0, 1.5}
    within(draws["discrete"] == 0, 0.4)
    assert {tuple(pair) for pair in np.stack([draws["pair_1"], draws["pair_2"]], axis=1)} == {(1, 1.5), (-1, 0)}
    within(draws["pair_1"] == 1, 0.2)
    one, two = draws["joint_1"] - 1, draws["joint_2"] + 1
    within(np.stack([one, two, one**2, two**2, one * two], axis=1), [0, 0, 2, 1, 0.4])


def test_different_data_of_one_sample_are_independent(scalar_draws):
    ranks = np.stack(
        [stats.rankdata(values[:, 0]) for name, values in scalar_draws.items() if name not in ("joint_2", "pair_2")]
    )
    correlation = np.corrcoef(ranks) - np.eye(len(ranks))
    assert np.abs(correlation).max() < 5 / np.sqrt(20_000)


ENTRY_LAWS = {
    "normal": (Normal(level, scale), stats.norm(0.4, np.sqrt(1.5))),
    "uniform": (Uniform(-1, scale), stats.uniform(-1, 2.5)),
    "exponential": (Exponential(scale), stats.expon(scale=1 / 1.5)),
    "student": (StudentT(nu), stats.t(7)),
    "gamma": (Gamma(nu / 2, 1), stats.gamma(3.5)),
    "rademacher": (Rademacher(), None),
    "discrete": (Discrete([(0, p), (scale, 1 - p)]), None),
}


@pytest.fixture(scope="module")
def entry_draws():
    """One step on the sum of <w_k, z_k> from zero with a batch of two: entries of minus twice the batch mean."""
    trained, data = ({name: Vector(f"{kind}_{name}", n) for name in ENTRY_LAWS} for kind in "wz")
    probes = vectors("e", n, count=3)
    model = Model(sum(dot(trained[k], data[k]) for k in ENTRY_LAWS), list(trained.values()),
                  {data[k]: law for k, (law, _) in ENTRY_LAWS.items()})  # fmt: skip
    observe = {f"{k}_{i}": -dot(trained[k], e) for k in ENTRY_LAWS for i, e in enumerate(probes)}
    start = {**{t: np.zeros(5) for t in trained.values()}, **dict(zip(probes, np.eye(5)[[0, 3, 4]], strict=True))}
    runs = {size: simulate(model, SGD(1, batch_size=size), at={**AT, n: 5}, observe=observe, clock=Clock.STEPS, until=1, times=[1],
                           start=start, replicas=6000, seed=23) for size in (1, 2)}  # fmt: skip
    return {
        size: {k: np.stack([run[f"{k}_{i}"][:, 0] for i in range(3)], axis=1) for k in ENTRY_LAWS}
        for size, run in runs.items()
    }


@pytest.mark.parametrize("name", ENTRY_LAWS)
def test_entries_of_data_vectors_follow_their_laws_independently(entry_draws, name):
    draws, law = entry_draws[1][name], ENTRY_LAWS[name][1]
    if law is not None:
        for column in draws.T:
            assert stats.kstest(column, law.cdf).pvalue > 1e-5
    elif name == "rademacher":
        assert set(np.unique(draws)) == {-1, 1}
        within(draws, 0)
    else:
        assert set(np.unique(draws)) == {0, 1.5}
        within(draws == 0, 0.2)
    others = np.hstack([entry_draws[1][k] for k in ENTRY_LAWS])
    correlation = np.corrcoef(others.T) - np.eye(others.shape[1])
    assert np.abs(correlation).max() < 5 / np.sqrt(6000)


@pytest.mark.parametrize("name", ENTRY_LAWS)
def test_a_batch_averages_independent_samples(entry_draws, name):
    single, pair = entry_draws[1][name], entry_draws[2][name]
    centred = single - single.mean(axis=0)
    within_of(pair, single)
    within_of((pair - pair.mean(axis=0)) ** 2, centred**2 / 2)


def test_class_laws_place_the_centre_and_the_label_together():
    mu, z, c, w = Vector("mu", n), Vector("z", n), Vector("c", n), Vector("w", n)
    t, label = symbols("t label")
    model = Model(dot(w, c) + t * label, [w, t],
                  {(c, label): Discrete([((mu, 1), p), ((-mu + 2 * v_(n), 0), 1 - 2 * p), ((0 * mu, -1), p)])})  # fmt: skip
    run = simulate(model, SGD(1), at={p: 0.3, n: 4}, clock=Clock.STEPS, until=1, times=[1], replicas=6000, seed=2,
                   observe={"m": -dot(w, mu), "k": -dot(w, v_(n)), "y": -t},
                   start={w: np.zeros(4), t: 0, mu: [1, 2, 0, 0], v_(n): [0, 1, 1, 0]})  # fmt: skip
    rows = np.stack([run[k][:, 0] for k in "mky"], axis=1)
    expected = {(5.0, 2.0, 1.0): 0.3, (-1.0, 2.0, 0.0): 0.4, (0.0, 0.0, -1.0): 0.3}
    assert {tuple(row) for row in np.round(rows, 12) + 0.0} == set(expected)
    for outcome, probability in expected.items():
        within(np.all(np.abs(rows - outcome) < 1e-9, axis=1), probability)
    assert z not in model.vectors


def v_(dimension):
    return Vector("nu_", dimension)


def test_langevin_noise_has_the_stated_temperature_for_vectors_and_scalars():
    w, z, e, g = (Vector(name, n) for name in ("w", "z", "e", "g"))
    t, heat, rate = symbols("t", positive=True), symbols("heat", positive=True), 0.2
    model = Model(dot(w, w) / 2 + dot(w, z) + t**2 / 2, [w, t], {z: Normal()})
    run = simulate(model, SGD(rate, temperature=heat), at={n: 6, heat: 0.7}, clock=Clock.STEPS, until=4, times=[1, 4],
                   observe={"one": dot(w, e), "two": dot(w, g), "t": t}, start={w: np.zeros(6), t: 1.0, e: np.eye(6)[0], g: np.eye(6)[5]},
                   replicas=5000, seed=4)  # fmt: skip

    def variance(steps, noise):
        return sum((1 - rate) ** (2 * k) for k in range(steps)) * noise

    for index, steps in enumerate((1, 4)):
        one, two, t_ = (run[name][:, index] for name in ("one", "two", "t"))
        shrunk = (1 - rate) ** steps
        vector = variance(steps, rate**2 + 2 * rate * 0.7)
        within(np.stack([one, two, one**2, two**2, one * two], axis=1), [0, 0, vector, vector, 0])
        within(np.stack([t_, (t_ - shrunk) ** 2, t_ * one], axis=1), [shrunk, variance(steps, 2 * rate * 0.7), 0])


def test_a_drawn_data_set_is_shared_by_all_replicas_and_follows_the_laws():
    w, z, mu, c, e, g = (Vector(name, n) for name in ("w", "z", "mu", "c", "e", "g"))
    t, xi, s, label = symbols("t xi s label")
    model = Model(dot(w, z) + dot(w, c) + t * xi + s * label * xi, [w, t, s],
                  {z: Normal(level, scale), xi: Exponential(1), (c, label): Discrete([((mu, 1), p), ((-mu, 0), 1 - p)])})  # fmt: skip
    count, runs = 400, []
    for seed in range(30):
        run = simulate(model, SGD(1, samples=count, sampling=Sampling.FULL_BATCH), clock=Clock.STEPS, until=1, times=[1],
                       at={p: 0.2, level: 0.4, scale: 1.5, n: 3}, replicas=2, seed=seed,
                       observe={"in_e": -dot(w, e), "in_g": -dot(w, g), "minus_t": -t, "minus_s": -s},
                       start={w: np.zeros(3), t: 0, s: 0, mu: [1, 0, 0], e: [1, 0, 0], g: [0, 0, 1]})  # fmt: skip
        names = ("in_e", "in_g", "minus_t", "minus_s")
        assert all((run[k][0] == run[k][1]).all() for k in names)
        runs.append([float(run[k][0, 0]) for k in names])
    within(runs, [0.4 + 0.2 - 0.8, 0.4, 1, 0.2])
    spread = np.var(runs, axis=0, ddof=1) * count
    expected = np.array([1.5 + 1 - 0.36, 1.5, 1, 0.2 * 2 - 0.04])
    assert (np.abs(spread / expected - 1) < 5 * np.sqrt(2 / 29)).all()


@pytest.mark.parametrize(
    ("sampling", "size"),
    [
        (Sampling.WITHOUT_REPLACEMENT, 2),
        *(pytest.param(*pair, marks=pytest.mark.slow) for pair in [
            (Sampling.WITH_REPLACEMENT, 2), (Sampling.RESHUFFLED, 3), (bernoulli(0.4), 1), (persistent(0.5, 0.3), 1)]),
    ],
)  # fmt: skip
def test_random_batches_of_a_committee_agree_in_law_with_the_reference(sampling, size):
    """The reference chooses rows with NumPy's generator; means and second moments must agree."""
    steps, replicas, generator = 7, 1000, np.random.default_rng(99)

    def batches():
        order, on = generator.permutation(6), generator.random(6) < 0.5
        for step in range(steps):
            if sampling == Sampling.WITH_REPLACEMENT:
                yield committee_rows[generator.integers(0, 6, size)], 1 / size
            elif sampling == Sampling.WITHOUT_REPLACEMENT:
                yield committee_rows[generator.choice(6, size, replace=False)], 1 / size
            elif sampling == Sampling.RESHUFFLED:
                order = generator.permutation(6) if step * size % 6 == 0 else order
                yield committee_rows[order[step * size % 6 :][:size]], 1 / size
            elif sampling == bernoulli(0.4):
                yield committee_rows[generator.random(6) < 0.4], 1 / (0.4 * 6)
            else:
                flip = generator.random(6) < 0.1 / 0.3
                on = np.where(flip, ~on, on) if step else on  # b = 1/2: both ways equally likely
                yield committee_rows[on], 1 / 3

    rule = Rule(0.1, "heavy ball", 0.5)
    ends = np.array(
        [trajectory(committee_gradient, [*STARTS[0], *STARTS[1], 0.8], batches(), rule)[-1] for _ in range(replicas)]
    )
    run = simulate(committee, SGD(0.1, momentum=HeavyBall(0.5), sampling=sampling, batch_size=size),
                   **{**VECTOR_RUN, "until": steps, "times": [steps], "replicas": 4000, "seed": 8})  # fmt: skip
    ours = np.stack([run[k][:, 0] for k in ("m", "o", "q1", "a")], axis=1)
    one, two = ends[:, :3], ends[:, 3:6]
    theirs = np.stack([one @ STARTS[2], np.sum(one * two, axis=1), np.sum(one**2, axis=1), ends[:, 6]], axis=1)
    within_of(ours, theirs)
    within_of(ours**2, theirs**2)


def test_online_batches_with_two_data_vectors_and_a_class_law_agree_in_law_with_the_reference():
    size, dimension, steps, generator = 2, 4, 5, np.random.default_rng(5)
    one, two, z1, z2, c, mu = (Vector(name, n) for name in ("one", "two", "z1", "z2", "c", "mu"))
    t, xi, s, y1 = symbols("t xi s y1")
    model = Model((t * dot(one, z1) * dot(two, z2) + sympy.tanh(dot(one, c + s * z1)) - y1 - xi) ** 2 / 2, [one, two, t],
                  {z1: Normal(), z2: Uniform(-1, 1), (c, y1): Discrete([((mu, 1), p), ((-mu, -1), 1 - p)]),
                   xi: Normal(0, s**2)})  # fmt: skip
    f1, f2, d1, d2, dc = (entries(name, dimension) for name in "prstc")
    loss = (t * inner(f1, d1) * inner(f2, d2) + sympy.tanh(inner(f1, dc) + 0.3 * inner(f1, d1)) - y1 - xi) ** 2 / 2
    gradient = gradient_of(loss, [*f1, *f2, t], [*d1, *d2, *dc, y1, xi])
    centre, begin = np.array([1.0, 0.5, 0, 0]), np.array([0.4, -0.3, 0.2, 0.5, 0.1, 0.6, -0.2, 0.3, 0.7])

    def batches():
        for _ in range(steps):
            sign = np.where(generator.random(size) < 0.3, 1.0, -1.0)
            yield np.column_stack([generator.normal(size=(size, 4)), generator.uniform(-1, 1, (size, 4)), sign[:, None] * centre, sign,
                                   0.3 * generator.normal(size=size)]), 1 / size  # fmt: skip

    rule = Rule(0.2, "nesterov", 0.4, coupled=0.1)
    ends = np.array([trajectory(gradient, begin, batches(), rule)[-1] for _ in range(1500)])
    run = simulate(model, SGD(0.2, batch_size=size, momentum=Nesterov(0.4), weight_decay=0.1), at={n: 4, s: 0.3, p: 0.3},
                   observe={"m": dot(one, mu), "o": dot(one, two), "q": dot(two, two), "t": t}, clock=Clock.STEPS, until=steps,
                   times=[steps], start={one: begin[:4], two: begin[4:8], t: 0.7, mu: centre}, replicas=8000, seed=6)  # fmt: skip
    ours = np.stack([run[k][:, 0] for k in "moqt"], axis=1)
    f, g = ends[:, :4], ends[:, 4:8]
    theirs = np.stack([f @ centre, np.sum(f * g, axis=1), np.sum(g * g, axis=1), ends[:, 8]], axis=1)
    within_of(ours, theirs)
    within_of(ours**2, theirs**2)


# -------------------------------------------------------------------------------------------------------------- fields


def test_field_gradients_in_sgd_have_the_covariance_of_brute_force_tensors():
    """Two fields, of order 2 at two points and of order 3 at one of them: one step from known points, against tensors."""
    size, W, Z = 4, GaussianField("W", order=2), GaussianField("Z", order=3)
    one, two = Vector("one", n), Vector("two", n)
    axes = vectors("e", n, count=size)
    model = Model(W(one) + 2 * W(two) + Z(one), [one, two], [W, Z])
    begin = np.random.default_rng(1).normal(size=(2, size)) / 2
    run = simulate(model, SGD(1), at={n: size}, clock=Clock.STEPS, until=1, times=[0, 1], replicas=20_000, seed=12,
                   observe={f"{a}_{i}": dot(a, e) for a in (one, two) for i, e in enumerate(axes)},
                   start={one: begin[0], two: begin[1], **dict(zip(axes, np.eye(size), strict=True))})  # fmt: skip
    moved = np.stack(
        [run[f"{a}_{i}"][:, 0] - run[f"{a}_{i}"][:, 1] for a in ("one", "two") for i in range(size)], axis=1
    )

    def derivative(order, point):
        """d/dw_k of sum W_{i1..} w_i1 ..., as a matrix (k, entries of the tensor)."""
        w = sympy.symbols(f"w:{size}")
        monomials = np.array([1], dtype=object)
        for _ in range(order):
            monomials = np.array([m * s for m in monomials for s in w], dtype=object)
        return np.array(
            [[float(sympy.diff(m, s).subs(dict(zip(w, point, strict=True)))) for m in monomials] for s in w]
        )

    linear_w = np.vstack([derivative(2, begin[0]), 2 * derivative(2, begin[1])])
    linear_z = np.vstack([derivative(3, begin[0]), np.zeros((size, size**3))])
    exact = linear_w @ linear_w.T + linear_z @ linear_z.T
    error = np.sqrt((np.outer(np.diag(exact), np.diag(exact)) + exact**2) / len(moved))
    assert (np.abs(moved.T @ moved / len(moved) - exact) < 5 * error).all()
    assert (np.abs(moved.mean(axis=0)) < 5 * np.sqrt(np.diag(exact) / len(moved))).all()
    first = next(m for m in (moved[:, 0],))
    assert stats.kstest(first / np.sqrt(exact[0, 0]), "norm").pvalue > 1e-5


def test_two_fields_at_several_points_share_no_random_numbers():
    """Field A at two points next to field B at one: gradients of A and B must be uncorrelated, entry by entry."""
    size, A, B = 3, GaussianField("A", order=2), GaussianField("B", order=2)
    points = [Vector(name, n) for name in ("one", "two", "three")]
    axes = vectors("e", n, count=size)
    model = Model(A(points[0]) + A(points[1]) + B(points[2]), points, [A, B])
    begin = np.array([[0, 1, 0.5], [0, -0.3, 1], [1, 0, 0]])  # across the first two points lies the third
    run = simulate(model, SGD(1), at={n: size}, clock=Clock.STEPS, until=1, times=[0, 1], replicas=4000, seed=3,
                   start={**dict(zip(points, begin, strict=True)), **dict(zip(axes, np.eye(size), strict=True))},
                   observe={f"{a}_{i}": dot(a, e) for a in points for i, e in enumerate(axes)})  # fmt: skip
    slopes = np.stack([run[f"{a}_{i}"][:, 0] - run[f"{a}_{i}"][:, 1] for a in points for i in range(size)])
    correlation = np.corrcoef(slopes)
    assert np.abs(correlation[:6, 6:]).max() < 5 / np.sqrt(4000)
    assert np.abs(correlation[:3, 3:6]).max() > 0.2  # the two points of one field are correlated


# ------------------------------------------------------------------------------------------------------ reproducibility

z, wv, vv, xi = Vector("z", n), Vector("w", n), Vector("v", n), symbols("xi")
regression = Model(
    (dot(wv, z) - dot(vv, z) - xi) ** 2 / 2, [wv], {z: Normal(), xi: StudentT(nu)}, fixed={dot(vv, vv): 1}
)
REGRESSION_RUN = {"at": {n: 7, nu: 5}, "observe": {"q": dot(wv, wv), "m": dot(wv, vv)}, "clock": Clock.STEPS, "until": 6,
                  "times": [0, 3, 6]}  # fmt: skip


def regression_run(**options):
    return simulate(regression, SGD(0.05), **{**REGRESSION_RUN, "start": {wv: StudentT(nu)}, **options})


def test_the_number_of_threads_does_not_change_a_bit():
    runs = [regression_run(replicas=12, seed=5, threads=threads) for threads in (1, 2, 5)]
    assert runs[0].identical(runs[1])
    assert runs[0].identical(runs[2])


@pytest.mark.parametrize("law", [StudentT(nu), Mixture([(Normal(), 0.5), (Exponential(1), 0.5)]), Discrete([(1, 0.5), (-2, 0.5)]),
                                 Gamma(0.5, 1), Empirical([1.0, 2.0, 5.0])])  # fmt: skip
def test_a_replica_does_not_depend_on_how_many_others_run(law):
    few, many = (regression_run(replicas=count, seed=5, start={wv: law}) for count in (3, 11))
    assert (few["q"].values == many["q"].values[:3]).all()
    assert (few["m"].values == many["m"].values[:3]).all()
    assert len(np.unique(many["q"].values[:, 2])) == 11


def test_different_seeds_and_replicas_differ():
    one, two = (regression_run(replicas=4, seed=seed)["q"].values for seed in (5, 6))
    assert len(np.unique(np.concatenate([one, two]).ravel())) == one.size + two.size
    high = regression_run(replicas=4, seed=5 + 2**40)["q"].values
    assert not np.isclose(high, one).any()


def test_a_second_process_computes_the_same_bits():
    code = """
import numpy as np
from numerics import simulate
from theory import *
n, nu, xi = symbols("n", positive=True), symbols("nu", positive=True), symbols("xi")
w, v, z = Vector("w", n), Vector("v", n), Vector("z", n)
model = Model((dot(w, z) - dot(v, z) - xi)**2/2, [w], {z: Normal(), xi: StudentT(nu)}, fixed={dot(v, v): 1})
run = simulate(model, SGD(0.05), at={n: 7, nu: 5}, observe={"q": dot(w, w), "m": dot(w, v)}, clock=Clock.STEPS, until=6,
               times=[0, 3, 6], start={w: StudentT(nu)}, replicas=3, seed=5)
print(run["q"].values.tobytes().hex())
"""
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert other.stdout.strip() == regression_run(replicas=3, seed=5)["q"].values.tobytes().hex()


# ---------------------------------------------------------------------------------------------------------- divergence


def test_a_diverging_replica_is_marked_with_its_step_and_never_averaged_in():
    run = simulate(regression, SGD(30), **{**REGRESSION_RUN, "until": 2000, "times": [0, 10, 2000]}, replicas=5, seed=1,
                   start={"q": 1.0, "m": 0.2})  # fmt: skip
    assert run["diverged"].values.all()
    assert (run["diverged_step"].values > 10).all()
    assert (run["diverged_step"].values < 2000).all()
    assert np.isfinite(run["q"].values[:, :2]).all()
    assert np.isnan(run["q"].values[:, 2]).all()
    flat = Recurrence(update={symbols("q"): symbols("q")})
    agreement = compare(solve(flat, start={"q": 1.0}, until=2000, times=[0, 10, 2000]), run)
    assert (agreement.verdict, agreement.diverged) == ("disagree", 5)


def test_some_replicas_may_diverge_while_others_go_on():
    t, x_ = symbols("t x_")
    model = Model(t**4 / 4 - t * x_, [t], {x_: Rademacher()})
    start = np.array([0.1, 30.0, 0.2, 40.0])
    run = simulate(model, SGD(0.1), observe={"t": t}, clock=Clock.STEPS, until=50, start={t: start}, replicas=4, seed=1)
    assert run["diverged"].values.tolist() == [False, True, False, True]
    assert run["diverged_step"].values.tolist()[::2] == [-1, -1]
    assert np.isfinite(run["t"].values[::2]).all()


# ----------------------------------------------------------------------------------------------------------- bad input

GOOD = {"start": {"q": 1.0, "m": 0.1}, "replicas": 2, **REGRESSION_RUN}


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"replicas": 0}, InvalidRequest, "replicas=0"),
        ({"replicas": True}, InvalidRequest, "replicas=True"),
        ({"until": -1.0}, InvalidRequest, "until=-1.0"),
        ({"until": float("nan")}, InvalidRequest, "until=nan"),
        ({"until": "soon"}, InvalidRequest, "until='soon'"),
        ({"seed": -1}, InvalidRequest, "seed=-1"),
        ({"seed": 2**64}, InvalidRequest, "seed="),
        ({"threads": 0}, InvalidRequest, "threads=0"),
        ({"at": {n: 7}}, MissingValue, "nu"),
        ({"at": {n: 7, "nuu": 5}}, UnknownValue, "did you mean nu"),
        ({"at": {n: 7, nu: 5, "tau": 1}}, UnknownValue, "tau"),
        ({"at": {n: 7, nu: float("nan")}}, ValuesError, "nu"),
        ({"at": {n: 7, nu: -2}}, ValuesError, "declared positive"),
        ({"at": {n: 7, nu: "five"}}, ValuesError, "nu"),
        ({"at": {n: 7.5, nu: 5}}, ValuesError, "dimension of"),
        ({"times": [0, 7]}, InvalidRequest, "until=6"),
        ({"times": [-1]}, InvalidRequest, "times"),
        ({"times": []}, InvalidRequest, "times"),
        ({"times": [0.2]}, InvalidRequest, "less than one step"),
        ({"clock": None}, InvalidRequest, "clock=Clock.STEPS"),
        ({"clock": Clock.EPOCHS}, InvalidRequest, "no fixed data set"),
        ({"observe": {}}, InvalidRequest, "dictionary"),
        ({"observe": {"r": dot(wv, z)}}, UnknownSymbol, "random z"),
        ({"observe": {"r": dot(wv, wv) * xi}}, UnknownSymbol, "random xi"),
        ({"observe": {"w": dot(wv, wv)}}, DuplicateName, "'w'"),
        ({"observe": {"time": dot(wv, wv)}}, DuplicateName, "'time'"),
        ({"observe": {"diverged": dot(wv, wv)}}, DuplicateName, "'diverged'"),
        ({"observe": {"q": dot(wv, wv) * symbols("kappa")}}, MissingValue, "kappa"),
    ],
)  # fmt: skip
def test_an_impossible_request_is_refused_and_named(change, error, says):
    with pytest.raises(error) as caught:
        simulate(regression, SGD(0.05), **{**GOOD, **change})
    assert says in str(caught.value)


beta, decay, batch, samples, heat = symbols("beta decay batch samples heat")


@pytest.mark.parametrize(
    ("algorithm", "at", "says"),
    [
        (SGD(0.1, momentum=HeavyBall(beta)), {beta: 1.2}, "beta must be below 1"),
        (SGD(0.1, weight_decay=decay), {decay: -1}, "weight_decay"),
        (SGD(0.1, weight_decay=DecoupledDecay(decay)), {decay: -1}, "weight decay"),
        (SGD(0.1, temperature=heat), {heat: -1}, "temperature"),
        (SGD(0.1, proximal=SoftThreshold(decay)), {decay: -1}, "L1 strength"),
        (SGD(decay), {decay: -0.1}, "learning_rate"),
        (SGD(0.1, batch_size=batch, samples=samples), {batch: 5, samples: 4}, "larger than the data set"),
        (SGD(0.1, batch_size=batch, samples=samples, sampling=Sampling.RESHUFFLED), {batch: 3, samples: 4}, "multiple"),
        (SGD(0.1, samples=4, sampling=bernoulli(beta)), {beta: 1.5}, "at most 1"),
        (SGD(0.1, samples=4, sampling=persistent(0.5, decay)), {decay: 0.01}, "raise tau"),
    ],
)
def test_an_algorithm_that_is_impossible_at_the_values_is_refused(algorithm, at, says):
    with pytest.raises(InvalidAlgorithm) as caught:
        simulate(regression, algorithm, **{**GOOD, "at": {**GOOD["at"], **at}})
    assert says in str(caught.value)


def test_a_batch_must_be_a_whole_number():
    with pytest.raises(ValuesError, match="batch_size"):
        simulate(regression, SGD(0.1, batch_size=batch), **{**GOOD, "at": {**GOOD["at"], batch: 1.5}})


@pytest.mark.parametrize("law", [Normal(0, beta), Discrete([(1, beta), (0, 1 - beta)]), Uniform(beta, -2)])
def test_a_law_that_is_impossible_at_the_values_is_refused(law):
    model = Model((u - x) ** 2 / 2, [u], {x: law})
    with pytest.raises(InvalidLaw):
        simulate(model, SGD(0.1), at={beta: -0.5}, observe={"u": u}, clock=Clock.STEPS, until=2, start={u: 0})


def test_a_data_array_fixes_its_dimension():
    model = Model((dot(wv, z) - y) ** 2 / 2, [wv], {(z, y): Empirical(INPUTS, LABELS)})
    run = {"observe": {"q": dot(wv, wv)}, "clock": Clock.STEPS, "until": 2, "start": {"q": 1.0}}
    assert simulate(model, SGD(0.1), replicas=1, **run).sizes["time"] == 3
    with pytest.raises(InvalidRequest, match="3 columns"):
        simulate(model, SGD(0.1), at={n: 40}, **run)


def test_steps_per_dimension_need_a_dimension():
    with pytest.raises(InvalidRequest, match="no vectors"):
        simulate(net, SGD(0.1), **{**SCALAR_RUN, "clock": Clock.STEPS_PER_DIMENSION})


def test_times_come_out_in_units_of_the_clock():
    at = {n: 7, nu: 5}
    for clock, length in (
        (Clock.STEPS, 1),
        (Clock.LEARNING_RATE_TIMES_STEPS, 0.05),
        (Clock.STEPS_PER_DIMENSION, 1 / 7),
    ):
        run = simulate(regression, SGD(0.05), **{**GOOD, "at": at, "clock": clock, "until": 10 * length, "times": None})
        np.testing.assert_allclose(run["time"], length * np.arange(11), rtol=1e-13)
        assert run["time"].attrs["units"] == run.attrs["clock"] == str(clock)


def test_equations_bring_statistics_and_clock():
    eta = symbols("eta", positive=True)
    recurrence = moments(
        Model((u * x - y) ** 2 / 2, [u], {x: Normal(), y: Normal()}), SGD(eta, momentum=HeavyBall(0.5))
    )
    run = simulate(
        recurrence.model, recurrence.algorithm, at={eta: 0.1}, observe=recurrence, start={u: 1.0}, until=5, replicas=2
    )
    assert set(recurrence.statistics) <= set(run.data_vars)
    assert run.attrs["clock"] == "steps"


def test_results_say_where_they_are_conditional_on_the_frame_of_the_start():
    w, z = Vector("w", n), Vector("z", n)
    for law, conditional in ((Normal(), False), (Normal(0, 2), False), (Rademacher(), True), (Normal(1, 1), True)):
        model = Model((dot(w, z) - 1) ** 2 / 2, [w], {z: law})
        found = simulate(model, SGD(0.1), observe={"q": dot(w, w)}, start={"q": 1.0}, until=1, at={n: 4},
                         clock=Clock.STEPS, replicas=2)  # fmt: skip
        assert ("conditional" in found.attrs.get("start", "")) == conditional
