"""Maps that several tests run, and the same runs on any target: as a script, on the one named by the first argument."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import sympy

from numerics import Precision, Target, iterate_random_map, linear_growth, lyapunov_spectrum, solve_map_ensemble
from theory import RandomMap, Recurrence, symbols
from theory.laws import Discrete, Empirical, Normal, Rademacher

u, v, w, x, y, z = symbols("u v w x y z")
a, b, c, d, p, eta = symbols("a b c d p eta")

NET = RandomMap(
    update={u: u - eta * w * x * (u * w * x - y), w: w - eta * u * x * (u * w * x - y)},
    draws=(((x,), Normal()), ((y,), Discrete({1: 1 - p, -1: p}))),
    observables={"product": u * w},
)
"""A scalar net of two layers, with labels that do not depend on the input."""
NET_VALUES = {"at": {eta: 0.1, p: 0.3}, "start": {u: 1.0, w: 0.5}}
POINTS = np.array([[1.0, 0.5], [-0.3, 1.2], [0.8, -0.9], [0.2, 0.4]])
REGRESSION = RandomMap(
    update={u: u - eta * x * (u * x + v * y), v: v - eta * y * (u * x + v * y)},
    draws=(((x, y), Empirical(POINTS[:, 0], POINTS[:, 1])),),
)
"""Regression on four points without noise: the specification of moments and stability, acceptance checks 12 and 13."""
SQUARE = RandomMap(update={w: w - eta * x**2 * w}, draws=(((x,), Normal()),))
"""Regression of one parameter on Gaussian inputs."""
HENON = Recurrence(update={x: 1 - a * x**2 + y, y: b * x})
HENON_VALUES = {"at": {a: 1.4, b: 0.3}, "start": {x: 0.1, y: 0.1}}
LINEAR = Recurrence(update={x: a * x + b * y, y: c * x + d * y})
LOGISTIC = Recurrence(update={x: a * x * (1 - x)})
SIGNS = RandomMap(
    update={w: w / 2 + sympy.tanh(z) * x + y},
    draws=(((x, z), Empirical([1, 2, 3], [0.5, -1, 2])), ((y,), Rademacher())),
)


def everything(target: Target) -> dict[str, np.ndarray[Any, Any]]:
    """A few short runs of every program."""
    random, found = {"target": target, "replicas": 5, "seed": 7}, {}
    for precision in Precision:
        net = iterate_random_map(NET, **NET_VALUES, until=6, times=[2, 6], precision=precision, **random)
        found[f"net, {precision}"] = net["product"].values
    short = {"steps": 6, "burn_in": 2, **random}
    found[f"spectrum, {Precision.FLOAT64}"] = lyapunov_spectrum(REGRESSION, at={eta: 1.0}, **short)["by_replica"].values
    matrix = {a: 0.5, b: 1.2, c: -0.7, d: 0.1}
    found[f"matrix, {Precision.FLOAT32}"] = lyapunov_spectrum(LINEAR, at=matrix, precision=Precision.FLOAT32, **short)[
        "by_replica"
    ].values
    signs = iterate_random_map(SIGNS, start={w: 0.1}, until=4, times=[4], **random)
    logistic = solve_map_ensemble(LOGISTIC, at={a: [2.0, 3.9, 9.0]}, start={x: 0.4}, until=12, target=target)
    henon = lyapunov_spectrum(HENON, **HENON_VALUES, steps=5, burn_in=0, orthonormalise_every=2, **random)
    growth = linear_growth(REGRESSION, at={eta: 1.0}, until=5, times=[2, 5], **random)
    return found | {
        "signs": signs["w"].values,
        "logistic": logistic["x"].values,
        "logistic stops": logistic["diverged_step"].values,
        "henon": henon["by_replica"].values,
        "growth": growth["log_norm"].values,
        "directions": growth["direction"].values,
    }


if __name__ == "__main__":
    np.savez(sys.argv[2], **everything(Target(sys.argv[1])))
