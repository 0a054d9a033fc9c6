"""Models and algorithms that between them use every part of the SGD template; run as a script, compares the targets.

As a script, in numba's CUDA simulator, it prints one JSON object: for each member named on the command line (by default all) and
each precision the largest difference between the statistics on the CPU and on CUDA, relative to their size, whether the steps
of divergence agree, and how many replicas diverged.
"""

from __future__ import annotations

import json
import sys

import numpy as np
from sympy import erf, sqrt

from numerics import Precision, Target, simulate
from theory import (
    SGD,
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
    Sampling,
    SoftThreshold,
    Sphere,
    StudentT,
    Uniform,
    Vector,
    bernoulli,
    dot,
    persistent,
    symbols,
    vectors,
)

n, c, tau, p = symbols("n c tau p", positive=True)
xi, a, y, s, t = symbols("xi a y s t")
w, v, z, x = (Vector(name, n) for name in "wvzx")
one, two = vectors("w", n, count=2)
mu, centre = Vector("mu", n), Vector("centre", n)
RATE, STEPS, SIZE = 0.1, 4, 6
GENERATOR = np.random.default_rng(3)
TABLE = GENERATOR.normal(size=(8, SIZE))
START = GENERATOR.normal(size=(4, SIZE)) / 2


def regression(law=None, **options):
    """One trained vector, one signal, entries of any law."""
    model = Model((dot(w, z) - dot(v, z) - tau * xi) ** 2 / 2, [w], {z: law or Normal(), xi: Normal()})
    return model, SGD(RATE, **options), {"m": dot(w, v), "q": dot(w, w)}, {w: START[0], v: START[1]}


def committee():
    """Two trained vectors, a trained second layer."""
    loss = (a * erf(dot(one, z) / sqrt(2)) + erf(dot(two, z) / sqrt(2)) - erf(dot(v, z)) + xi) ** 2 / 2
    model = Model(loss, [one, two, a], {z: Normal(), xi: StudentT(3)})
    return (
        model,
        SGD(RATE, batch_size=2),
        {"q": dot(one, two), "a": a},
        {one: START[0], two: START[1], v: START[2], a: 1},
    )


def classes():
    """A random class centre with its label."""
    law = Discrete([((mu, 1), p), ((-mu, -1), 1 - p)])
    model = Model((dot(w, centre) + dot(w, z) / 2 - y) ** 2, [w], {(centre, y): law, z: Normal()})
    return model, SGD(RATE), {"m": dot(w, mu)}, {w: START[0], mu: START[1]}


def field():
    """Two Gaussian fields at two points, with momentum."""
    first, second = GaussianField("W", order=3), GaussianField("Z", order=2)
    model = Model(first(one) + 2 * first(two) + second(one) + dot(one, two), [one, two], [first, second])
    begin = {one: START[0], two: START[1]}
    return model, SGD(RATE, momentum=HeavyBall(0.5)), {"q": dot(one, two), "m": dot(one, one)}, begin


def on_data(**options):
    """A data set of vectors."""
    data = {(x, y): Empirical(TABLE, TABLE[:, 0])}
    return Model((dot(w, x) - y) ** 2 / 2, [w], data), SGD(RATE, **options), {"q": dot(w, w)}, {w: START[0]}


def drawn_set(**options):
    """A data set drawn once from laws."""
    model, _, observe, start = regression(Exponential())
    return model, SGD(RATE, samples=8, **options), observe, start


def scalar_net(**options):
    """Two scalars, a Gaussian and a sign: an ensemble, or a program where there is a data set."""
    model = Model((s * t * y - a * y) ** 2 / 2, [s, t], {y: Normal(), a: Discrete({1: 1 - p, -1: p})})
    return model, SGD(RATE, **options), {"s": s, "t": t}, {s: 0.3, t: Normal()}


def runaway():
    """A step so large that single precision overflows within the run."""
    model = Model((s * t * y) ** 4, [s, t], {y: Normal()})
    return model, SGD(50), {"s": s}, {s: 3, t: 2}


MEMBERS = {
    "plain": lambda: regression(),
    "Nesterov, decay, heat, batch": lambda: regression(
        batch_size=3, momentum=Nesterov(0.5), temperature=0.1, weight_decay=0.2
    ),
    "look-ahead, decoupled": lambda: regression(momentum=NesterovLookahead(0.5), weight_decay=DecoupledDecay(0.3)),
    "proximal": lambda: regression(proximal=SoftThreshold(0.4)),
    "sphere": lambda: regression(constraint=Sphere(), momentum=HeavyBall(0.3)),
    "signs": lambda: regression(Rademacher()),
    "uniform entries": lambda: regression(Uniform(-1, 1)),
    "gamma entries": lambda: regression(Gamma(0.7)),
    "mixture entries": lambda: regression(Mixture([(Normal(), 0.5), (StudentT(3), 0.5)])),
    "finite entries": lambda: regression(Discrete({0: 0.5, 1: 0.25, -2: 0.25})),
    "committee": committee,
    "classes": classes,
    "field": field,
    "with replacement": lambda: on_data(batch_size=2),
    "without replacement": lambda: on_data(batch_size=3, sampling=Sampling.WITHOUT_REPLACEMENT),
    "reshuffled": lambda: on_data(batch_size=4, sampling=Sampling.RESHUFFLED),
    "cyclic": lambda: on_data(batch_size=4, sampling=Sampling.CYCLIC),
    "full batch": lambda: on_data(sampling=Sampling.FULL_BATCH),
    "bernoulli": lambda: drawn_set(sampling=bernoulli(0.4)),
    "persistent": lambda: drawn_set(sampling=persistent(0.4, 0.3)),
    "ensemble": lambda: scalar_net(),
    "ensemble, batch, momentum, heat": lambda: scalar_net(batch_size=2, momentum=Nesterov(0.5), temperature=0.2),
    "scalars, large batch": lambda: scalar_net(batch_size=9),
    "scalars, drawn set": lambda: scalar_net(samples=6, batch_size=2, sampling=Sampling.RESHUFFLED),
    "runaway": runaway,
}


def run(name, target, precision, replicas=2, **options):
    """The dataset of one member."""
    model, algorithm, observe, start = MEMBERS[name]()
    names = {c: 0.5, tau: 0.3, p: 0.25, n: SIZE}
    needed = {*model.hyperparameters, *model.dimensions} - set(model.known_dimensions)
    at = {symbol: value for symbol, value in names.items() if symbol in needed}
    return simulate(
        model, algorithm, observe=observe, start=start, at=at, clock=Clock.STEPS, until=STEPS, times=range(STEPS + 1),
        replicas=replicas, seed=8, target=target, precision=precision, **options,
    )  # fmt: skip


def difference(left, right):
    """The largest difference of the statistics of two datasets, relative to their size, NaN counting as equal to NaN."""
    worst = 0.0
    for name, value in left.data_vars.items():
        if "time" in value.dims:
            one, other = np.asarray(value.values, float), np.asarray(right[name].values, float)
            if (np.isnan(one) != np.isnan(other)).any():
                return float("inf")
            scale = max(1.0, float(np.nanmax(np.abs(one)))) if np.isfinite(one).any() else 1.0
            gap = np.abs(one - other) / scale
            worst = max(worst, float(np.nanmax(gap)) if np.isfinite(gap).any() else 0.0)
    return worst


if __name__ == "__main__":
    results = {}
    for name in sys.argv[1:] or MEMBERS:
        for precision in Precision:
            cpu, device = run(name, Target.CPU, precision), run(name, Target.CUDA, precision)
            same = bool((cpu["diverged_step"].values == device["diverged_step"].values).all())
            results[f"{name}, {precision}"] = [difference(cpu, device), same, int(cpu["diverged"].sum())]
    json.dump(results, sys.stdout)
