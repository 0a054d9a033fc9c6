"""Models and algorithms that between them use every part of the chain; run as a script, shows what a CUDA kernel computes.

As a script, in numba's CUDA simulator, it prints one JSON object: for each member named on the command line and each precision
the statistics of three replicas.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy

from numerics import Precision, Target, simulate
from numerics.chain import run_chain
from numerics.frame import starting_gram
from theory import (
    SGD,
    Clock,
    DecoupledDecay,
    Discrete,
    Gamma,
    GaussianField,
    HeavyBall,
    Model,
    Nesterov,
    NesterovLookahead,
    Normal,
    Sphere,
    StudentT,
    Vector,
    dot,
    symbols,
    vectors,
)
from theory.networks import logistic_loss, relu

n, c, tau, s, snr = symbols("n c tau s snr", positive=True)
xi, a, y, r = symbols("xi a y r")
w, v, z, u, mu, nu, centre = (Vector(name, n) for name in ("w", "v", "z", "u", "mu", "nu", "centre"))
students, teachers, second_layer = vectors("w", n, count=2), vectors("v", n, count=2), symbols("a1:3")
UNIT = {dot(v, v): 1}


def g(x):
    """The activation of committee machines."""
    return sympy.erf(x / sympy.sqrt(2))


def orthonormal(signals):
    """Fixed inner products of orthonormal signals."""
    return {dot(x, other): int(x == other) for i, x in enumerate(signals) for other in signals[i:]}


def overlaps(trained, fixed):
    """Every inner product of trained vectors with each other and with fixed ones."""
    found = {f"m{i}{k}": dot(x, b) for i, x in enumerate(trained) for k, b in enumerate(fixed)}
    return found | {f"q{i}{k}": dot(x, trained[k]) for i, x in enumerate(trained) for k in range(i, len(trained))}


@dataclass(frozen=True)
class Case:
    """A model, an algorithm, numbers, statistics and their start; `size` is the dimension, `steps` those of a short run."""

    model: Model
    algorithm: SGD
    at: dict[Any, float]
    observe: dict[str, Any]
    start: dict[Any, Any]
    size: int
    steps: int

    @property
    def values(self):
        """A number for every symbol."""
        return {**self.at, n: float(self.size)}

    @property
    def statistics(self):
        """The statistics as expressions."""
        return {name: sympy.sympify(value) for name, value in self.observe.items()}

    def chain(self, record, replicas, seed, **options):
        """Statistics (replica, time, statistic) along the chain, and the steps at which replicas stopped."""
        rows, scalars = starting_gram(
            self.model, self.algorithm, self.statistics, self.start, self.values, self.size, replicas, seed
        )
        return run_chain(self.model, self.algorithm, self.statistics, self.values, dimension=self.size, gram_start=rows,
                         scalar_start=scalars, record=np.array(record), replicas=replicas, seed=seed, **options)  # fmt: skip

    def direct(self, record, replicas, seed):
        """The same statistics along direct SGD."""
        run = simulate(self.model, self.algorithm, at=self.values, observe=self.statistics, clock=Clock.STEPS, start=self.start,
                       until=max(record), times=record, replicas=replicas, seed=seed)  # fmt: skip
        return np.stack([run[name].values for name in self.observe], axis=2)


ERF = Model((g(dot(w, z)) - g(dot(v, z)) - tau * xi) ** 2 / 2, [w], {z: Normal(), xi: Normal()}, UNIT)
PHASE = Model((dot(w, z) ** 2 - dot(v, z) ** 2 - tau * xi) ** 2 / 4, [w], {z: Normal(), xi: Normal()}, UNIT)
LEAST_SQUARES = Model((dot(w, z) - dot(v, z) - tau * xi) ** 2 / 2, [w], {z: Normal(), xi: Normal()}, UNIT)
ONE = {"m": dot(w, v), "q": dot(w, w)}
ONE_START = {"m": 0.2, "q": 0.6}
COMMITTEE = Model((sum(g(dot(x, z)) for x in students) - sum(g(dot(x, z)) for x in teachers) - tau * xi) ** 2 / 2, students,
                  {z: Normal(), xi: Normal()}, {**orthonormal(teachers), dot(*teachers): 0.3})  # fmt: skip
TWO = overlaps(students, teachers)
TWO_START = {"m00": 0.3, "m01": -0.1, "m10": 0.05, "m11": 0.2, "q00": 0.8, "q01": 0.1, "q11": 0.6}
NET_INPUT = centre + z / sympy.sqrt(snr)
XOR = Model(
    logistic_loss(sum(v_i * relu(dot(w_i, NET_INPUT)) for v_i, w_i in zip(second_layer, students, strict=True)), y),
    [*students, *second_layer],
    {(centre, y): Discrete([((mu, 1), 0.25), ((-mu, 1), 0.25), ((nu, 0), 0.25), ((-nu, 0), 0.25)]), z: Normal()},
    {dot(mu, mu): 1, dot(nu, nu): 1, dot(mu, nu): 0.2},
)
NET = {**overlaps(students, (mu, nu)), "a1": second_layer[0], "a2": second_layer[1]}
NET_START = {**TWO_START, "a1": 1.0, "a2": -0.6}
CUBIC, OTHER = GaussianField("F", order=3), GaussianField("H", covariance=sympy.Lambda(r, r**2 + sympy.exp(r)))
TENSOR = Model(-2 * (CUBIC(w) + 2 * dot(w, v) ** 3) + dot(w, w) ** 3, [w], [CUBIC], UNIT)
FIELDS = Model(
    xi * OTHER(students[0]) - CUBIC(students[0]) - CUBIC(students[1]) - OTHER(students[1]) + dot(*students) ** 2
    + sum(dot(x, x) ** 2 - dot(x, t) for x, t in zip(students, teachers, strict=True)),
    students, {CUBIC: CUBIC.law, OTHER: OTHER.law, xi: Normal(0, 2)}, orthonormal(teachers),
)  # fmt: skip
NORMALISED = Model((dot(w, z) - dot(v, z) - tau * xi) ** 2 / dot(z, z), [w], {z: Normal(0, s), xi: StudentT(5)}, UNIT)
PAIR = Model(
    (dot(students[0], z) * dot(students[1], u) - a * dot(z, u) / n - dot(v, z)) ** 2 / 2 + sympy.tanh(dot(students[1], z)),
    [*students, a], {z: Normal(), u: Normal(0, s)}, UNIT,
)  # fmt: skip
PAIR_START = {"m00": 0.3, "m10": 0.1, "q00": 0.8, "q01": 0.1, "q11": 0.6, "a": 0.5}
FIVE, THREE = vectors("w", n, count=5), vectors("v", n, count=3)
WIDE = Model((sum(g(dot(x, z)) for x in FIVE) - sum(dot(x, u) ** 2 for x in THREE) - tau * xi * dot(z, u)) ** 2 / 2 + dot(FIVE[0], FIVE[4]),
             FIVE, {z: Normal(), u: Normal(0, 1 / n), xi: Gamma(2, 1)}, orthonormal(THREE))  # fmt: skip
WIDE_OVERLAPS = overlaps(FIVE, THREE)
WIDE_START = {name: 0.8 if name[0] == "q" and name[1] == name[2] else 0.1 for name in WIDE_OVERLAPS}
FOUR_FIELDS = Model(
    -sum(CUBIC(x) + OTHER(x) for x in FIVE[:4]) + sum(dot(x, x) ** 2 for x in FIVE[:4])
    + xi * dot(FIVE[0], z) - sum(dot(x, b) for x, b in zip(FIVE, THREE, strict=False)),
    FIVE[:4], {CUBIC: CUBIC.law, OTHER: OTHER.law, xi: Normal(), z: Normal()}, orthonormal(THREE),
)  # fmt: skip
MARGIN = Model(  # no page mentions it: attention of two queries, a gate, a hinge
    sympy.Max(0, 1 - y * (dot(students[0], z) * sympy.tanh(dot(students[1], u)) + a * sympy.exp(-dot(mu, z) ** 2))) + a**2 / 10,
    [*students, a], {z: Normal(0, s), u: Normal(), y: Discrete({1: 0.7, -1: 0.3})}, {dot(mu, mu): 1},
)  # fmt: skip
MARGIN_START = {"m00": 0.3, "m10": -0.2, "q00": 0.8, "q01": 0.1, "q11": 0.6, "a": 0.5}


def speed(vector):
    """The momentum variable of a trained vector."""
    return Vector(f"velocity_{vector.name}", n)


MOVING = {"p": dot(speed(w), speed(w)), "pw": dot(speed(w), w), "pv": dot(speed(w), v)}
FEW, NOISE = {c: 0.7, tau: 0.3}, {c: 1.1, tau: 0.3}

CASES = {
    "erf unit": Case(ERF, SGD(c / n), {c: 1.5, tau: 0.3}, ONE, ONE_START, 50, 30),
    "erf unit, n = 200": Case(ERF, SGD(c / n), {c: 1.5, tau: 0.3}, ONE, ONE_START, 200, 60),
    "phase retrieval": Case(PHASE, SGD(c / n), {c: 0.05, tau: 0.5}, ONE, {"m": 0.4, "q": 0.8}, 40, 200),
    "committee": Case(COMMITTEE, SGD(c / n), FEW, TWO, TWO_START, 50, 40),
    "XOR": Case(XOR, SGD(c / n), {c: 1.0, snr: 2.0}, NET, NET_START, 50, 40),
    "batch of three": Case(ERF, SGD(c / n, batch_size=3), {c: 2.5, tau: 0.3}, ONE, ONE_START, 50, 30),
    "committee, batch of three": Case(COMMITTEE, SGD(c / n, batch_size=3), {c: 1.7, tau: 0.3}, TWO, TWO_START, 8, 6),
    "heavy ball, heat": Case(ERF, SGD(c / n, momentum=HeavyBall(0.5), temperature=0.1), NOISE, ONE | MOVING, ONE_START, 9, 8),
    "Nesterov, decay, batch": Case(COMMITTEE, SGD(c / n, batch_size=2, momentum=Nesterov(0.6), weight_decay=0.3), {c: 0.9, tau: 0.3},
                                   {**TWO, "p": dot(speed(students[0]), speed(students[1]))}, TWO_START, 12, 6),
    "lookahead, decoupled decay": Case(ERF, SGD(c / n, momentum=NesterovLookahead(0.5), weight_decay=DecoupledDecay(0.4)), NOISE,
                                       ONE | MOVING, ONE_START, 9, 7),
    "Nesterov, scalars, heat": Case(PAIR, SGD(c / n, momentum=Nesterov(0.4), temperature=0.05, batch_size=2), {c: 0.3, s: 0.5},
                                    {**overlaps(students, (v,)), "a": a, "b": symbols("velocity_a")}, PAIR_START, 9, 5),
    "tensor": Case(TENSOR, SGD(c / n, weight_decay=0.2), {c: 0.3}, ONE, {"m": 0.5, "q": 1.0}, 30, 30),
    "tensor, Nesterov, batch": Case(TENSOR, SGD(c / n, momentum=Nesterov(0.5), batch_size=2), {c: 0.1}, ONE, {"m": 0.5, "q": 1.0}, 7, 6),
    "two fields at two points": Case(FIELDS, SGD(c / n), {c: 0.3}, TWO, {**TWO_START}, 6, 4),
    "fields, heavy ball, batch": Case(FIELDS, SGD(c / n, batch_size=2, momentum=HeavyBall(0.3)), {c: 0.3}, TWO, TWO_START, 9, 4),
    "fields at four points": Case(FOUR_FIELDS, SGD(c / n), {c: 0.2}, overlaps(FIVE[:4], THREE),
                                  {k: x for k, x in WIDE_START.items() if "4" not in k}, 14, 4),
    "decay": Case(COMMITTEE, SGD(c / n, weight_decay=0.5), FEW, TWO, TWO_START, 50, 40),
    "heat": Case(COMMITTEE, SGD(c / n, temperature=0.2), FEW, TWO, TWO_START, 8, 5),
    "sphere": Case(COMMITTEE, SGD(c / n, constraint=Sphere()), FEW, {k: x for k, x in TWO.items() if k not in ("q00", "q11")},
                   {(TWO[k] if k in ("q00", "q11") else k): x for k, x in TWO_START.items()}, 50, 40),
    "normalised": Case(NORMALISED, SGD(c), {c: 0.4, tau: 0.3, s: 2.0}, ONE, ONE_START, 5, 6),
    "normalised, batch of three": Case(NORMALISED, SGD(c, batch_size=3), {c: 0.4, tau: 0.3, s: 2.0}, ONE, ONE_START, 5, 6),
    "pair": Case(PAIR, SGD(c / n), {c: 0.3, s: 0.5}, {**overlaps(students, (v,)), "a": a}, PAIR_START, 7, 6),
    "pair, batch of four": Case(PAIR, SGD(c / n, batch_size=4), {c: 0.6, s: 0.5}, {**overlaps(students, (v,)), "a": a}, PAIR_START, 7, 6),
    "wide": Case(WIDE, SGD(c / n), {c: 0.2, tau: 0.3}, WIDE_OVERLAPS, WIDE_START, 12, 4),
    "wide, batch, heat": Case(WIDE, SGD(c / n, batch_size=2, temperature=0.05), {c: 0.2, tau: 0.3}, WIDE_OVERLAPS, WIDE_START, 12, 4),
    "margin": Case(MARGIN, SGD(c / n), {c: 1.0, s: 0.7}, {**overlaps(students, (mu,)), "a": a}, MARGIN_START, 20, 20),
    "margin, batch": Case(MARGIN, SGD(c / n, batch_size=3), {c: 2.0, s: 0.7}, {**overlaps(students, (mu,)), "a": a}, MARGIN_START, 6, 8),
    "pair, n = 3": Case(PAIR, SGD(c / n), {c: 0.2, s: 0.5}, {**overlaps(students, (v,)), "a": a}, PAIR_START, 3, 6),
    "pair, batch, n = 4": Case(PAIR, SGD(c / n, batch_size=2), {c: 0.2, s: 0.5}, {**overlaps(students, (v,)), "a": a}, PAIR_START, 4, 6),
    "committee, batch, n = 4": Case(COMMITTEE, SGD(c / n, batch_size=2), FEW, TWO, TWO_START, 4, 6),
    "committee, batch, n = 5": Case(COMMITTEE, SGD(c / n, batch_size=2), FEW, TWO, TWO_START, 5, 6),
    "committee, heavy ball, n = 5": Case(COMMITTEE, SGD(c / n, momentum=HeavyBall(0.3)), FEW, TWO, TWO_START, 5, 6),
    "committee, heavy ball, n = 6": Case(COMMITTEE, SGD(c / n, momentum=HeavyBall(0.3)), FEW, TWO, TWO_START, 6, 6),
    "wide, n = 8": Case(WIDE, SGD(c / n, temperature=0.05), {c: 0.2, tau: 0.3}, WIDE_OVERLAPS, WIDE_START, 8, 4),
    "wide, batch, n = 9": Case(WIDE, SGD(c / n, batch_size=2), {c: 0.2, tau: 0.3}, WIDE_OVERLAPS, WIDE_START, 9, 4),
}  # fmt: skip


def numbers(name, target):
    """The statistics of three replicas of a member over three steps, for each precision."""
    return {str(p): CASES[name].chain([0, 1, 3], 3, 5, target=target, precision=p)[0] for p in Precision}


if __name__ == "__main__":
    print(json.dumps({m: {p: x.tolist() for p, x in numbers(m, Target.CUDA).items()} for m in sys.argv[1:]}))
