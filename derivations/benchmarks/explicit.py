"""An ensemble of small explicit models on two threads, against NumPy over all replicas at once."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from derivations.benchmarks.systems import direct, scalar_net, scalar_start
from derivations.benchmarks.timing import Plan, Row, Setting, at_least, compared, interleaved, timed

RATE = 0.05
THREADS = 2


def rows(plan: Plan) -> Iterator[Row]:
    """The scalar net under label noise: one normal and one sign for each step of each replica."""
    replicas, steps = plan.pick(100_000, 100_000, 2048), plan.pick(1000, 100, 20)
    few = max(steps // 10, 5)
    ours = direct(scalar_net(), scalar_start(replicas), rate=RATE)
    found = interleaved(
        {
            "ours": timed(lambda: ours(steps, replicas=replicas, threads=THREADS), steps * replicas, threads=THREADS),
            "NumPy": timed(lambda: in_numpy(few, replicas), few * replicas, threads=THREADS),
        },
        plan.repeats,
    )
    yield compared(
        "explicit-numpy",
        "a step of a scalar net",
        found["ours"],
        found["NumPy"],
        "NumPy, all replicas at once",
        unit="ns",
        setting=Setting({"replicas": replicas, "steps": steps}, "float32", THREADS),
        required=at_least(8),
    )


def in_numpy(steps: int, replicas: int, seed: int = 1) -> NDArray[np.float32]:
    """The product u w of every replica after so many steps: single precision, the fastest generator, arrays made once."""
    random = np.random.Generator(np.random.SFC64(seed))
    u, w = (np.full(replicas, 0.4, np.float32) for _ in range(2))
    x, rate = np.empty(replicas, np.float32), np.float32(RATE)
    for _ in range(steps):
        random.standard_normal(out=x, dtype=np.float32)
        sign = random.integers(0, 2, replicas, dtype=np.int8) * np.float32(2) - np.float32(1)
        slope = rate * (u * w - sign) * x * x
        u, w = u - slope * w, w - slope * u
    product: NDArray[np.float32] = u * w
    return product
