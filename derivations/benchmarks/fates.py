"""Fates of a scalar net on one thread, against NumPy over all runs at once; what a call costs before its first step is left out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from derivations.benchmarks.timing import Plan, Row, Setting, compared, interleaved, per_step, timed
from numerics import fates
from theory import SGD, Model, Normal, symbols

u, w, x, y, eta = symbols("u w x y eta")
RATE, CORRELATION = 0.05, 0.2
"""So small a rate that no run ends early: every replica takes every step."""


def rows(plan: Plan) -> Iterator[Row]:
    """The net with a correlated Gaussian pair of input and label: two normals for each step of each replica."""
    # even the smallest plan takes steps enough to stand out of what a call costs before its first one
    replicas, steps = plan.pick(1000, 1000, 256), plan.pick(5000, 1000, 40_000)
    few = plan.pick(500, 100, 20)
    found = interleaved(
        {
            "ours": per_step(lambda count: ours(count, replicas), steps, replicas),
            "NumPy": timed(lambda: in_numpy(few, replicas), few * replicas),
        },
        plan.repeats,
    )
    yield compared(
        "fates-numpy",
        "a step of a scalar net followed to its fate",
        found["ours"],
        found["NumPy"],
        "NumPy, all replicas at once",
        unit="ns",
        setting=Setting({"replicas": replicas, "steps": steps}, "float64"),
    )


def ours(steps: int, replicas: int) -> float:
    """The median distance from the saddle after so many steps."""
    pair = Normal(covariance=[[1, CORRELATION], [CORRELATION, 1]])
    model = Model((u * w * x - y) ** 2 / 2, [u, w], {(x, y): pair})
    start = {u: Normal(0, 1e-6), w: Normal(0, 1e-6)}
    options: dict[str, Any] = {"at": {eta: RATE}, "steps": steps, "replicas": replicas, "threads": 1}
    found = fates(model, SGD(eta), point={u: 0, w: 0}, start=start, **options)
    return float(found["median_distance"])


def in_numpy(steps: int, replicas: int, seed: int = 1) -> NDArray[np.float64]:
    """The distances after so many steps, by the fastest generator; runs beyond the limits are counted after every step."""
    random = np.random.Generator(np.random.SFC64(seed))
    first, second = 1e-3 * random.standard_normal((2, replicas))
    x, noise = np.empty(replicas), np.empty(replicas)
    for _ in range(steps):
        random.standard_normal(out=x)
        random.standard_normal(out=noise)
        slope = RATE * (first * second * x - CORRELATION * x - np.sqrt(1 - CORRELATION**2) * noise) * x
        first, second = first - slope * second, second - slope * first
        square = first * first + second * second
        if not ((square >= 1e-200) & (square <= 1e8)).all():
            raise FloatingPointError("a run has left the range in which all runs take all steps")
    return np.sqrt(first * first + second * second)
