"""Models and algorithms that between them use every part of the template of fates; run as a script, on the target named first.

As a script it writes where every run of the members named next ended, and after how many steps, to the file named second.
"""

from __future__ import annotations

import sys

import numpy as np

from numerics import Precision, Target
from numerics.fates.point import is_at_rest
from numerics.fates.request import centres_of, limits_of, points_of, starts_of
from numerics.fates.run import Ensemble, run_all
from theory import (
    SGD,
    DecoupledDecay,
    Discrete,
    Empirical,
    HeavyBall,
    Mixture,
    Model,
    Nesterov,
    NesterovLookahead,
    Normal,
    Sampling,
    SoftThreshold,
    StudentT,
    Uniform,
    bernoulli,
    persistent,
    symbols,
)
from theory.stability.fixed_point import read_point

u, v, w, x, y, s = symbols("u v w x y s")
eta, rho, gamma, p = symbols("eta rho gamma p")
S = symbols("S", positive=True, integer=True)
TABLE = np.array([[1.0, 0.8], [0.5, -1.1], [-1.2, -0.9], [0.3, 0.7], [1.4, -0.6], [-0.4, -1.5]])
SMALL = {u: Normal(0, 1e-6), w: Normal(0, 1e-6)}
LARGE = {u: Normal(0, 0.5), w: Normal(0, 0.5)}
ORIGIN = {u: 0, w: 0}


def net(data):
    """The scalar net of two layers."""
    return Model((u * w * x - y) ** 2 / 2, [u, w], data)


PAIR = net({(x, y): Normal(covariance=[[1, rho], [rho, 1]])})
ROWS = net({(x, y): Empirical(TABLE[:, 0], TABLE[:, 1])})
FLIPPED = Model((u * w * x - s * x) ** 2 / 2, [u, w], {x: Normal(), s: Discrete({1: 1 - p, -1: p})})
TRIPLE = Model(
    (u * v * w * x - y) ** 2 / 2, [u, v, w], {x: Normal(), y: Mixture([(StudentT(3), 0.5), (Normal(), 0.5)])}
)

MEMBERS = {
    "points": (PAIR, SGD(eta, batch_size=S, weight_decay=gamma), {"at": {eta: [0.2, 0.5], rho: 0.2, S: [1, 3], gamma: 0.1}}),
    "tables": (FLIPPED, SGD(eta), {"at": {eta: [0.1, 0.2, 0.15], p: [0.2, 0.4, 0.2]}}),
    "uniform labels": (net({x: Normal(), y: Uniform(-1, 1)}), SGD(0.2), {}),
    "three factors, look-ahead": (
        TRIPLE,
        SGD(0.1, batch_size=2, momentum=NesterovLookahead(0.5), weight_decay=DecoupledDecay(0.1)),
        {"point": {u: 0, v: 0, w: 0}, "start": {u: 1.0, v: 0.7, w: Normal()}},
    ),
    "heat, Nesterov": (PAIR, SGD(0.2, momentum=Nesterov(0.5), temperature=0.1), {"at": {rho: 0.3}}),
    "heavy ball, proximal": (PAIR, SGD(0.2, momentum=HeavyBall(0.5), proximal=SoftThreshold(0.3)), {"at": {rho: 0.3}}),
    "with replacement": (ROWS, SGD(0.3), {}),
    "without replacement": (ROWS, SGD(0.3, batch_size=2, sampling=Sampling.WITHOUT_REPLACEMENT), {}),
    "reshuffled": (ROWS, SGD(0.3, batch_size=2, sampling=Sampling.RESHUFFLED), {}),
    "cyclic": (ROWS, SGD(0.3, batch_size=3, sampling=Sampling.CYCLIC), {}),
    "full batch": (ROWS, SGD(0.3, sampling=Sampling.FULL_BATCH), {}),
    "bernoulli, drawn set": (PAIR, SGD(0.3, samples=8, sampling=bernoulli(0.4)), {"at": {rho: 0.2}}),
    "persistent, drawn set": (PAIR, SGD(0.1, samples=8, sampling=persistent(0.4, 0.3)), {"at": {rho: 0.2}}),
    "away from 0": (
        Model(((u * w - 2) * x) ** 2 / 2, [u, w], {x: Normal()}), SGD(0.1), {"point": {u: 1, w: 2}, "start": {u: 1.1, w: 2.2}}
    ),
    "runaway": (PAIR, SGD(3), {"at": {rho: 0.2}, "start": {u: 3, w: Normal(0, 9)}}),
}  # fmt: skip


def ended(name, target, precision, *, steps=12, replicas=3, seed=5, threads=None):
    """Where the runs of one member ended, relative to the point, and after how many steps."""
    model, algorithm, options = MEMBERS[name]
    point = read_point(model, options.get("point", ORIGIN))
    start = options.get("start", LARGE)
    points = points_of(model, algorithm, point, start, options.get("at"))
    centres = centres_of(point, points)
    rests = is_at_rest(model, algorithm, point)
    limits = limits_of(1e4, 1e-6, None, centres, at_rest=rests, precision=precision)
    starts = starts_of(model, start, points, centres, limits, replicas, seed)
    ensemble = Ensemble(model, algorithm, points, centres, starts, limits)
    machine = {"target": target, "precision": precision, "threads": threads}
    return run_all(ensemble, steps=steps, replicas=replicas, seed=seed, **machine)


def everything(target, members=tuple(MEMBERS), **options):
    """The runs of members in both precisions, by name."""
    found = {}
    for name in members:
        for precision in Precision:
            runs = ended(name, target, precision, **options)
            found |= {f"{name}, {precision}, gaps": runs.gaps, f"{name}, {precision}, steps": runs.steps}
    return found


def assert_same(found, expected, units):
    """The same runs up to `units` in the last place of the larger numbers of each array; lost at the same step or nowhere."""
    assert set(found) == set(expected)
    for name, values in expected.items():
        if name.endswith("steps"):
            np.testing.assert_array_equal(found[name], values, err_msg=name)
            continue
        precision = Precision.FLOAT32 if "float32" in name else Precision.FLOAT64
        kept = np.isfinite(values) & (np.abs(values) <= 1e4)
        np.testing.assert_array_equal(np.isfinite(found[name]) & (np.abs(found[name]) <= 1e4), kept, err_msg=name)
        scale = max(1.0, float(np.abs(values[kept]).max(initial=0.0)))
        np.testing.assert_allclose(
            found[name][kept], values[kept], atol=units * precision.epsilon * scale, err_msg=name
        )


if __name__ == "__main__":
    np.savez(sys.argv[2], **everything(Target(sys.argv[1]), sys.argv[3:]))
