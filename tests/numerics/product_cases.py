"""Blocks that between them use every part of the template of products; run as a script, on the target named first.

As a script it writes the exponents of every replica of the members named next to the file named second.
"""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import sympy

from numerics import Target
from numerics.stability.problem import Grid
from numerics.stability.runs import Runs
from numerics.stability.simulated import products
from theory import (
    SGD,
    DecoupledDecay,
    Discrete,
    Empirical,
    HeavyBall,
    Model,
    Nesterov,
    NesterovLookahead,
    Normal,
    Sampler,
    Sampling,
    StudentT,
    bernoulli,
    stability,
    symbols,
)
from theory.stability.batches import Batch

u, w, v, x, y, z, s = symbols("u w v x y z s")
eta = symbols("eta", positive=True)
POINTS = np.array([[1.0, 0.5], [-0.3, 1.2], [0.8, -0.9], [0.2, 0.4], [1.1, 0.1], [-0.6, 0.7]])
FOUR = POINTS[:4]
WIDE = np.column_stack([POINTS, [0.4, -0.2, 0.9, -1.0, 0.3, 0.5]])
"""In three dimensions a sample is a dyad for the program; in two it is a matrix."""
CUBIC = np.random.default_rng(1).normal(size=(6, 3, 3))
"""Matrices of full rank, symmetric once their transposes are added."""


def regression(points, algorithm):
    """The block of least squares without labels on the rows of an array."""
    names = symbols(f"x:{points.shape[1]}")
    weights = symbols(f"w:{points.shape[1]}")
    model = Model(
        sum(a * b for a, b in zip(weights, names, strict=True)) ** 2 / 2, weights, {names: Empirical(*points.T)}
    )
    return only_block(model, algorithm)


def fresh_regression(law, size, algorithm):
    """The same on independent inputs of one law."""
    names, weights = symbols(f"x:{size}"), symbols(f"w:{size}")
    loss = sum(a * b for a, b in zip(weights, names, strict=True)) ** 2 / 2
    return only_block(Model(loss, weights, {name: law for name in names}), algorithm)


def full_rank(algorithm):
    """Samples whose curvatures are full matrices."""
    symmetric = (CUBIC + CUBIC.transpose(0, 2, 1)) / 4 + np.eye(3)
    places = [(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)]
    names, weights = symbols("h:6"), symbols("w:3")
    terms = (h * weights[a] * weights[b] / (2 if a == b else 1) for h, (a, b) in zip(names, places, strict=True))
    columns = [symmetric[:, a, b] for a, b in places]
    return only_block(Model(sum(terms), weights, {names: Empirical(*columns)}), algorithm), symmetric


def only_block(model, algorithm):
    """The one block of a model at the origin."""
    mode = algorithm.sampling
    if (
        mode == Sampling.FULL_BATCH
    ):  # a block of the full batch would split into scalars: take one of batches, and change these
        block = only_block(
            model, SGD(algorithm.learning_rate, momentum=algorithm.momentum, weight_decay=algorithm.weight_decay)
        )
        return replace(block, batch=Batch(sympy.Integer(model.data_count), mode, model.data_count))
    (block,) = stability(model, algorithm, point={name: 0 for name in model.parameters}).blocks
    return block


def sgd(sampling=Sampling.ONLINE, batch_size=2, **options):
    """SGD with the learning rate `eta`."""
    sized = isinstance(sampling, Sampling) and sampling != Sampling.FULL_BATCH
    return SGD(eta, sampling=sampling, **({"batch_size": batch_size} if sized else {}), **options)


MOMENTUM = Nesterov(sympy.Rational(1, 2))
MEMBERS = {
    "with replacement": regression(FOUR, sgd(Sampling.WITH_REPLACEMENT)),
    "without replacement": regression(WIDE, sgd(Sampling.WITHOUT_REPLACEMENT)),
    "reshuffled": regression(POINTS, sgd(Sampling.RESHUFFLED)),
    "cyclic": regression(WIDE, sgd(Sampling.CYCLIC)),
    "full batch": regression(POINTS, sgd(Sampling.FULL_BATCH)),
    "bernoulli": regression(WIDE, sgd(bernoulli(0.4))),
    "reshuffled, Nesterov": regression(WIDE, sgd(Sampling.RESHUFFLED, momentum=MOMENTUM, weight_decay=0.1)),
    "full rank, heavy ball": full_rank(sgd(momentum=HeavyBall(0.3), weight_decay=DecoupledDecay(0.1)))[0],
    "weighted": only_block(
        Model((u * x + w * y) ** 2 / 2, [u, w], {x: Discrete({1: 0.2, -0.5: 0.8}), y: Discrete({0.3: 0.7, 1.5: 0.3})}), sgd()
    ),
    "drawn": fresh_regression(Normal(0, 0.5), 2, sgd(batch_size=9)),
    "drawn beside rows": only_block(
        Model((u * x + w * y) ** 2 / 2, [u, w], {x: Empirical([0.3, 1.0, -0.8]), y: StudentT(5)}), sgd(batch_size=9)
    ),
    "stream, look-ahead": fresh_regression(
        Sampler(lambda generator, count: generator.uniform(-1, 1, count), "uniform"),
        2, sgd(momentum=NesterovLookahead(0.4)),
    ),
}  # fmt: skip


def by_replica(name, target=Target.CPU, *, steps=40, replicas=3, seed=5, threads=None, rate=0.7, count=2):
    """The exponents of every replica of one member, shape (replica, exponent)."""
    runs = Runs(steps=steps, replicas=replicas, seed=seed, target=target, threads=threads)
    return products.product_spectrum(MEMBERS[name], {eta: rate}, runs, count)["by_replica"].values


def grid(rates):
    """A grid of learning rates."""
    return Grid({eta: np.asarray(rates, dtype=float)}, len(rates))


if __name__ == "__main__":
    products.BURN_IN = 4
    members = sys.argv[3:]
    np.savez(sys.argv[2], **{name: by_replica(name, Target(sys.argv[1]), steps=6, replicas=2) for name in members})
