"""What theory derives against what direct SGD does: limits at large n, exact moments at any n and on real data."""

from __future__ import annotations

import numpy as np
import pytest
import sympy
from sklearn.datasets import load_diabetes

from numerics import compare, simulate, solve
from theory import (
    SGD,
    Clock,
    Discrete,
    Empirical,
    HeavyBall,
    Model,
    Nesterov,
    NesterovLookahead,
    Normal,
    Sampling,
    Vector,
    bernoulli,
    dot,
    moments,
    scaling_limit,
    symbols,
    vectors,
)

n, c, tau, eta = symbols("n c tau eta", positive=True)
w, v, z, mu = (Vector(name, n) for name in ("w", "v", "z", "mu"))
xi, label = symbols("xi label")


def agreement(limit, model, algorithm, *, at, size, start, until, replicas, seed):
    prediction = solve(limit, at=at, start=start, until=until)
    return compare(prediction, simulate(model, algorithm, at={**at, n: size}, observe=limit, start=start, until=until,
                                        replicas=replicas, seed=seed))  # fmt: skip


def test_phase_retrieval_follows_its_scaling_limit():
    model = Model(
        (dot(w, z) ** 2 - dot(v, z) ** 2 - tau * xi) ** 2 / 4, [w], {z: Normal(), xi: Normal()}, {dot(v, v): 1}
    )
    algorithm = SGD(c / n)
    limit = scaling_limit(model, algorithm, statistics={"m": dot(w, v), "q": dot(w, w)})
    found = agreement(limit, model, algorithm, at={c: 0.15, tau: 0.3}, size=1000, start={"m": 0.4, "q": 0.8}, until=2, replicas=48,
                      seed=101)  # fmt: skip
    assert found.agrees, found.summary()
    wrong = agreement(limit, model, algorithm, at={c: 0.15, tau: 0.3}, size=12, start={"m": 0.4, "q": 0.8}, until=2, replicas=4000,
                      seed=101)  # fmt: skip
    assert not wrong.agrees  # in dimension 12 the limit is not reached, and the comparison sees it


def test_two_classes_follow_their_scaling_limit():
    s = symbols("s", positive=True)
    model = Model((dot(w, mu) * label + s * dot(w, z) - label) ** 2 / 2, [w], {label: Discrete({1: 0.7, -1: 0.3}), z: Normal()},
                  {dot(mu, mu): 1})  # fmt: skip
    joint = Model((dot(w, Vector("x", n)) + s * dot(w, z) - label) ** 2 / 2, [w],
                  {(Vector("x", n), label): Discrete([((mu, 1), 0.7), ((-mu, -1), 0.3)]), z: Normal()}, {dot(mu, mu): 1})  # fmt: skip
    algorithm = SGD(c / n, weight_decay=0.2)
    statistics = {"m": dot(w, mu), "q": dot(w, w)}
    limit = scaling_limit(joint, algorithm, statistics=statistics)
    other = scaling_limit(model, algorithm, statistics=statistics)
    at, start = {c: 0.8, s: 0.7}, {"m": 0.1, "q": 1.0}
    one, two = (solve(equations, at=at, start=start, until=3) for equations in (limit, other))
    np.testing.assert_allclose(one["q"], two["q"], rtol=1e-8)
    found = agreement(limit, joint, algorithm, at=at, size=1000, start=start, until=3, replicas=48, seed=102)
    assert found.agrees, found.summary()


@pytest.mark.slow
def test_a_rank_two_teacher_follows_its_scaling_limit():
    students, teachers = vectors("w", n, count=2), vectors("v", n, count=2)
    loss = (dot(students[0], z) * dot(students[1], z) - dot(teachers[0], z) * dot(teachers[1], z)) ** 2 / 2
    fixed = {dot(a, b): int(a == b) for i, a in enumerate(teachers) for b in teachers[i:]}
    model, algorithm = Model(loss, students, {z: Normal()}, fixed), SGD(c / n)
    statistics = {f"m{i}{j}": dot(a, b) for i, a in enumerate(students) for j, b in enumerate(teachers)}
    statistics |= {f"q{i}{j}": dot(students[i], students[j]) for i in range(2) for j in range(i, 2)}
    limit = scaling_limit(model, algorithm, statistics=statistics)
    start = {"m00": 0.5, "m01": 0.1, "m10": -0.1, "m11": 0.4, "q00": 0.8, "q01": 0.1, "q11": 0.7}
    found = agreement(limit, model, algorithm, at={c: 0.1}, size=1000, start=start, until=2, replicas=48, seed=103)
    assert found.agrees, found.summary()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"momentum": HeavyBall(0.7), "batch_size": 2},
        {"momentum": Nesterov(0.6), "weight_decay": 0.3},
        {"momentum": NesterovLookahead(0.5), "batch_size": 3},
    ],
    ids=["plain", "heavy ball, batch of two", "nesterov, decay", "lookahead, batch of three"],
)
def test_exact_moments_of_least_squares_hold_at_dimension_thirty(options):
    model = Model((dot(w, z) - dot(v, z) - tau * xi) ** 2 / 2, [w], {z: Normal(), xi: Normal()}, {dot(v, v): 1})
    algorithm = SGD(eta, **options)
    recurrence = moments(model, algorithm, order=1)
    at, start = {eta: 0.01, tau: 0.5, n: 30}, {dot(w, w): 1.5, dot(w, v): 0.2}
    prediction = solve(recurrence, at=at, start=start, until=120)
    simulation = simulate(model, algorithm, at=at, observe=recurrence, start=start, until=120, replicas=2000, seed=104)
    found = compare(prediction, simulation)
    assert found.agrees, found.summary()


def test_exact_moments_hold_with_langevin_noise_decay_and_momentum_together():
    a, d = symbols("a d")
    model = Model((a * d - tau * xi) ** 2 / 2, [a], {d: Normal(1, 1), xi: Normal()})
    algorithm = SGD(eta, momentum=NesterovLookahead(0.5), temperature=0.05, weight_decay=0.1, batch_size=2)
    recurrence = moments(model, algorithm, order=4)
    at = {eta: 0.05, tau: 0.5}
    simulation = simulate(
        model, algorithm, at=at, observe=recurrence, start={a: 1.0}, until=60, replicas=8000, seed=107
    )
    found = compare(solve(recurrence, at=at, start={a: 1.0}, until=60), simulation)
    assert found.agrees, found.summary()


@pytest.mark.parametrize("law", ["uniform", "rademacher"])
def test_exact_moments_hold_for_data_that_are_not_gaussian_in_a_random_frame(law):
    """For Rademacher data sum w_i^4 matters: explicit components, so that the moments are exact for every start."""
    from theory import Rademacher, Uniform

    size, entries = 3, {"uniform": Uniform(-1, 2), "rademacher": Rademacher()}[law]
    vector = Model((dot(w, z) - xi) ** 2 / 2, [w], {z: entries, xi: Normal()})
    explicit = vector.components({n: size})
    recurrence = moments(explicit, SGD(eta), order=2)
    begin = np.array([0.5, -0.2, 0.9])
    prediction = solve(recurrence, at={eta: 0.2}, start=dict(zip(explicit.parameters, begin, strict=True)), until=15)
    axes = vectors("e", n, count=size)
    names = [str(p) for p in explicit.parameters]
    observe = {name: dot(w, e) for name, e in zip(names, axes, strict=True)}
    observe |= {f"{name}**2": dot(w, e) ** 2 for name, e in zip(names, axes, strict=True)}
    observe[f"{names[0]}*{names[1]}"] = dot(w, axes[0]) * dot(w, axes[1])
    simulation = simulate(vector, SGD(eta), at={eta: 0.2, n: size}, observe=observe, clock=Clock.STEPS, until=15, replicas=4000, seed=105,
                          start={w: begin, **dict(zip(axes, np.eye(size), strict=True))})  # fmt: skip
    found = compare(prediction[list(observe)], simulation)
    assert found.agrees, found.summary()


@pytest.mark.parametrize(
    "options",
    [
        {"sampling": Sampling.WITH_REPLACEMENT, "batch_size": 8},
        {"sampling": Sampling.WITHOUT_REPLACEMENT, "batch_size": 8, "momentum": HeavyBall(0.5)},
        pytest.param({"sampling": bernoulli(0.02)}, marks=pytest.mark.slow),
        pytest.param({"sampling": Sampling.WITHOUT_REPLACEMENT, "batch_size": 200}, marks=pytest.mark.slow),
    ],
    ids=["with replacement", "without replacement, momentum", "bernoulli", "half the data"],
)
def test_first_and_second_moments_of_the_weights_on_the_diabetes_data(options):
    data = load_diabetes()
    columns = [2, 3, 8, 4]
    inputs = data.data[:, columns] / data.data[:, columns].std(axis=0)
    target = (data.target - data.target.mean()) / data.target.std()
    weights, features = symbols("w_0:4"), symbols("x_0:4")
    loss = (sum(p * q for p, q in zip(weights, features, strict=True)) - label) ** 2 / 2
    model = Model(loss, weights, {(*features, label): Empirical(*inputs.T, target)})
    algorithm = SGD(sympy.Rational(1, 20), **options)
    recurrence = moments(model, algorithm, order=2)
    start = dict(zip(weights, [1.0, -1.0, 0.5, 0.0], strict=True))
    prediction = solve(recurrence, start=start, until=40)
    simulation = simulate(model, algorithm, observe=recurrence, start=start, until=40, replicas=3000, seed=106)
    found = compare(prediction, simulation)
    assert found.agrees, found.summary()
    assert {f"{a}**2" for a in weights} <= set(simulation.data_vars)
