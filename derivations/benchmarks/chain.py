"""The exact chain of inner products: what a step costs, at any dimension, and against direct SGD."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
from sympy import Expr

from derivations.benchmarks.systems import committee, direct, eta, n, vector_start
from derivations.benchmarks.timing import Plan, Row, Setting, alone, at_least, at_most, compared, interleaved, per_step
from numerics.chain import run_chain
from numerics.targets import Target
from theory import SGD, Model, Normal, Vector, dot

GRAM = np.array([[[1.0, 0.2], [0.2, 1.0]]])
RATE = 0.1


def phase_retrieval() -> tuple[Model, SGD, dict[str, Expr]]:
    """One vector that learns the modulus of a projection."""
    w, v, x = (Vector(name, n) for name in "wvx")
    model = Model((dot(w, x) ** 2 - dot(v, x) ** 2) ** 2 / 4, [w], {x: Normal()})
    return model, SGD(eta / n), {"m": dot(w, v), "q": dot(w, w)}


def rows(plan: Plan) -> Iterator[Row]:
    """A step of two chains of d = 2 vectors; then the first at n = 10^6 against the vectors themselves."""
    steps, large = plan.pick(2_000_000, 500_000, 200_000), plan.pick(10**6, 10**6, 10**4)
    unit = committee(1, 1)
    for name, system, size in (
        ("erf unit", unit, 1000), ("erf unit", unit, large), ("phase retrieval", phase_retrieval(), large),
    ):  # fmt: skip
        found = interleaved({"ours": per_step(partial(follow, system, size), steps)}, plan.repeats)
        yield alone(
            f"chain-{name.replace(' ', '-')}-{size}",
            f"a step of the chain of an {name}" if name[0] in "aeiou" else f"a step of the chain of {name}",
            found["ours"],
            unit="ns",
            setting=Setting({"n": size, "d": 2, "steps": steps}, "float64"),
            required=at_most(250),
        )
    yield _against_direct(plan, unit, large, steps)


def _against_direct(plan: Plan, system: Any, size: int, steps: int) -> Row:
    vectors = direct(system, vector_start(1, 1, size), size, rate=RATE)
    found = interleaved(
        {
            "ours": per_step(lambda count: follow(system, size, count), steps),
            "direct": per_step(lambda count: vectors(count), plan.pick(30, 10, 10)),
        },
        plan.repeats,
    )
    return compared(
        "chain-direct",
        "a step of the chain of an erf unit",
        found["ours"],
        found["direct"],
        "direct SGD, float32",
        unit="ns",
        setting=Setting({"n": size, "d": 2}, "float64"),
        required=at_least(1000),
    )


def follow(
    system: tuple[Model, SGD, Mapping[str, Expr]],
    dimension: int,
    steps: int,
    replicas: int = 1,
    target: Target = Target.CPU,
) -> Any:
    """The statistics of the chain after so many steps, (replica, statistic), on one thread of a CPU."""
    model, algorithm, statistics = system
    out, _ = run_chain(
        model,
        algorithm,
        statistics,
        {n: float(dimension), eta: RATE},
        dimension=dimension,
        gram_start=GRAM,
        scalar_start=np.zeros((1, 0)),
        record=np.array([0, steps]),
        replicas=replicas,
        seed=1,
        threads=1,
        target=target,
    )
    return out[:, -1]
