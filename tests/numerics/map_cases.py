"""Maps that several tests run, and the same runs on any target: as a script, on the one that stands in the first argument."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import sympy

from numerics import (
    Precision,
    Target,
    iterate_random_map,
    linear_growth,
    lyapunov_spectrum,
    solve_map_ensemble,
)
from theory import RandomMap, Recurrence, symbols
from theory.laws import Discrete, Empirical, Normal, Rademacher, Uniform

u, v, w, x, y, z = symbols("u v w x y z")
a, b, p, eta = symbols("a b p eta")

NET = RandomMap(
    update={u: u - eta * w * x * (u * w * x - y), w: w - eta * u * x * (u * w * x - y)},
    draws=(((x,), Normal()), ((y,), Discrete({1: 1 - p, -1: p}))),
    observables={"product": u * w},
)
"""A scalar net of two layers, with labels that do not depend on the input."""
POINTS = np.array([[1.0, 0.5], [-0.3, 1.2], [0.8, -0.9], [0.2, 0.4]])
REGRESSION = RandomMap(
    update={u: u - eta * x * (u * x + v * y), v: v - eta * y * (u * x + v * y)},
    draws=(((x, y), Empirical(POINTS[:, 0], POINTS[:, 1])),),
)
"""Regression on four points without noise: theory/moments_and_stability.md, acceptance checks 12 and 13."""
SQUARE = RandomMap(update={w: w - eta * x**2 * w}, draws=(((x,), Normal()),))
"""Regression of one parameter on Gaussian inputs."""
HENON = Recurrence(update={x: 1 - a * x**2 + y, y: b * x})
DIAGONAL = Recurrence(update={x: a * x, y: b * y})
LOGISTIC = Recurrence(update={x: a * x * (1 - x)})
SIGNS = RandomMap(update={w: w / 2 + sympy.tanh(z) * x + y}, draws=(((x, z), Empirical([1, 2, 3], [0.5, -1, 2])), ((y,), Rademacher())))
SPREAD = RandomMap(update={w: w / 2 + x}, draws=(((x,), Uniform(-1, 1)),))


def everything(target: Target, replicas: int = 5) -> dict[str, np.ndarray[Any, Any]]:
    """A few short runs of every program, in both precisions."""
    found = {}
    for precision in Precision:
        where = {"target": target, "precision": precision}
        random = {"replicas": replicas, "seed": 7, **where}
        net = iterate_random_map(NET, at={eta: 0.1, p: 0.3}, start={u: 1.0, w: 0.5}, until=6, times=[2, 6], **random)
        signs = iterate_random_map(SIGNS, start={w: 0.1}, until=4, times=[4], **random)
        logistic = solve_map_ensemble(LOGISTIC, at={a: [2.0, 3.9, 9.0]}, start={x: 0.4}, until=12, times=[3, 12], **where)
        spectrum = lyapunov_spectrum(REGRESSION, at={eta: 1.0}, steps=6, burn_in=2, **random)
        henon = lyapunov_spectrum(
            HENON, at={a: 1.4, b: 0.3}, start={x: 0.1, y: 0.1}, steps=5, burn_in=0, orthonormalise_every=2, **random
        )
        growth = linear_growth(NET, at={eta: 0.1, p: 0.3}, start={u: 1.0, w: 0.5}, until=5, times=[2, 5], **random)
        found |= {
            f"net {precision}": net["product"].values,
            f"signs {precision}": signs["w"].values,
            f"logistic {precision}": logistic["x"].values,
            f"logistic stops {precision}": logistic["diverged_step"].values,
            f"spectrum {precision}": spectrum["by_replica"].values,
            f"henon {precision}": henon["by_replica"].values,
            f"growth {precision}": growth["log_norm"].values,
            f"directions {precision}": growth["direction"].values,
        }
    return found


if __name__ == "__main__":
    np.savez(sys.argv[2], **everything(Target(sys.argv[1])))
