"""Stability from the loss to the exponents: worked examples, each in a process of its own, first and asked again; and the cost of QR."""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from derivations.benchmarks import peer
from derivations.benchmarks.timing import (
    TOO_SHORT,
    Plan,
    Row,
    Sample,
    Setting,
    alone,
    at_most,
    interleaved,
    missing,
    per_step,
)
from numerics import fit_exponent, lyapunov_spectrum, solve
from theory import (
    SGD,
    Cauchy,
    Discrete,
    Model,
    Normal,
    Rademacher,
    RandomMap,
    StudentT,
    stability,
    symbols,
)

REQUIRED = {"cold": at_most(0.5), "cached": at_most(0.05)}
WHAT = {
    "cold": "blocks and exponents of the slowest worked example, the first time",
    "cached": "blocks and exponents of the slowest worked example, asked again",
}

u, w, x, y, e = symbols("u w x y e")
eta, k, s, rho = symbols("eta k s rho")


@dataclass(frozen=True)
class Example:
    """A loss, a law, a point, and numbers of the symbols."""

    loss: Any
    data: dict[Any, Any]
    algorithm: SGD
    point: dict[Any, Any]
    at: dict[Any, float]


def _net(law: dict[Any, Any], at: dict[Any, float], loss: Any = (u * w * x - y) ** 2 / 2, **options: Any) -> Example:
    return Example(loss, law, SGD(eta, **options), {u: 0, w: 0}, at)


def _pair(batch: int) -> Example:
    return _net({(x, y): Normal(covariance=[[1, rho], [rho, 1]])}, {eta: 0.6, rho: 0.2}, batch_size=batch)


def _regression(law: Any, rate: float, batch: int = 1) -> Example:
    return Example((w * x) ** 2 / 2, {x: law}, SGD(eta, batch_size=batch), {w: 0}, {eta: rate})


def _units(count: int) -> Example:
    """A saddle of `count` hidden units, all of them inactive."""
    first, second = symbols(f"u0:{count}"), symbols(f"w0:{count}")
    loss = (sum(a * b for a, b in zip(first, second, strict=True)) * x - y) ** 2 / 2
    law = {(x, y): Normal(covariance=[[1, rho], [rho, 1]])}
    return Example(loss, law, SGD(eta), dict.fromkeys((*first, *second), 0), {eta: 0.6, rho: 0.2})


def _vector_input(size: int) -> Example:
    weights, inputs = symbols(f"w0:{size}"), symbols(f"x0:{size}")
    loss = (u * sum(a * b for a, b in zip(weights, inputs, strict=True)) - y) ** 2 / 2
    laws = {symbol: Normal() for symbol in (*inputs, y)}
    return Example(loss, laws, SGD(eta), dict.fromkeys((u, *weights), 0), {eta: 0.4})


EXAMPLES: dict[str, Callable[[], Example]] = {
    "net, two-point": lambda: _net({y: Discrete({1: 0.5, -0.8: 0.5})}, {eta: 0.5}, (u * w - y) ** 2 / 2),
    "net, Gaussian, S=1": lambda: _pair(1),
    "net, Gaussian, S=8": lambda: _pair(8),
    "net, Gaussian, S=64": lambda: _pair(64),
    "net, label noise": lambda: _net(
        {x: Normal(), e: Normal()}, {eta: 0.5, k: 0.3, s: 1.0}, (u * w * x - k * x - s * e) ** 2 / 2
    ),
    "net, Cauchy labels": lambda: _net({x: Rademacher(), y: Cauchy(0.5, 1)}, {eta: 0.5}),
    "net, rare labels": lambda: _net(
        {y: Discrete({-1: 0.97, 44: 0.03})}, {eta: 0.05}, (u * w - y) ** 2 / 2, weight_decay=0.5
    ),
    "regression, S=1": lambda: _regression(Normal(), 1.0),
    "regression, S=2": lambda: _regression(Normal(), 1.0, 2),
    "regression, S=4": lambda: _regression(Normal(), 1.0, 4),
    "regression, Student": lambda: _regression(StudentT(3), 0.4),
    "regression, Cauchy": lambda: _regression(Cauchy(), 1.0),
    "3 units": lambda: _units(3),
    "6 units": lambda: _units(6),
    "net, 3 inputs": lambda: _vector_input(3),
}


def rows(plan: Plan) -> Iterator[Row]:
    """The slowest example, first and asked again; fitted exponents of the cost of QR."""
    yield from _examples(plan)
    yield from _costs(plan)


def _examples(plan: Plan) -> Iterator[Row]:
    names = list(EXAMPLES)[: plan.pick(len(EXAMPLES), len(EXAMPLES), 1)]
    times: dict[str, dict[str, list[float]]] = {kind: {name: [] for name in names} for kind in REQUIRED}
    firsts = {kind: 0.0 for kind in REQUIRED}
    warming = plan.pick(1, 1, 0)
    for turn in range(warming + plan.pick(min(plan.repeats, 5), 1, 1)):
        for name in names:
            found = peer.once("stability", {"example": name})
            for kind, listed in times.items():
                if turn >= warming:
                    listed[name].append(found[kind])
                if turn == 0:  # kernels that no earlier process compiled are compiled in this round
                    firsts[kind] = max(firsts[kind], found[kind])
    for kind, listed in times.items():
        medians = {name: statistics.median(seconds) for name, seconds in listed.items()}
        slowest = max(medians, key=lambda name: medians[name])
        yield alone(
            f"stability-{kind}",
            WHAT[kind],
            Sample(tuple(listed[slowest]), firsts[kind]),
            unit="s",
            setting=Setting({"examples": len(names)}, "float64"),
            required=REQUIRED[kind],
            note=", ".join(f"{name} {seconds:.2g} s" for name, seconds in sorted(medians.items(), key=lambda p: -p[1])),
        )


def answer(name: str) -> Any:
    """The exponents of an example, from its loss."""
    example = EXAMPLES[name]()
    model = Model(example.loss, list(example.point), example.data)
    return solve(stability(model, example.algorithm, point=example.point), at=example.at)["exponent"].values


def main() -> None:
    """What the process of its own does: the same question twice, each from a model made anew."""
    name = json.loads(sys.argv[1])["example"]
    seconds = []
    for _ in range(2):
        began = time.process_time()
        answer(name)
        seconds.append(time.process_time() - began)
    sys.stdout.write(json.dumps(dict(zip(REQUIRED, seconds, strict=True))) + "\n")


# ------------------------------------------------------------------------------------------------------- cost of QR


def _costs(plan: Plan) -> Iterator[Row]:
    """Against d at k = d, and against k at the largest d: no steeper than the multiplications of a step."""
    sizes = (2, 4, 6, 8, 10, 12) if plan.pick(1, 1, 0) else (1, 2, 3)
    largest = sizes[-1]
    yield _cost(plan, "d", "the QR iteration against d = k", {d: (d, d) for d in sizes}, {"S": 1})
    yield _cost(plan, "k", "the QR iteration against k", {k: (largest, k) for k in sizes}, {"S": 1, "d": largest})


def multiplications(size: int, vectors: int, batch: int = 1) -> int:
    """Of a step: rank-one updates of all vectors, and Gram-Schmidt."""
    return 2 * batch * size * vectors + 2 * size * vectors**2


def _cost(plan: Plan, name: str, what: str, shapes: dict[int, tuple[int, int]], others: dict[str, float]) -> Row:
    steps, replicas = plan.pick(4000, 2000, 4000), plan.pick(256, 256, 64)
    tasks = {}
    dearest = max(multiplications(*shape) for shape in shapes.values())
    for key, (size, vectors) in shapes.items():
        equations = random_map(size)

        def run(count: int, equations: RandomMap = equations, vectors: int = vectors) -> object:
            return lyapunov_spectrum(
                equations, at={eta: 0.2 / len(equations.state)}, steps=count + 1, replicas=replicas, seed=1,
                exponents=vectors, burn_in=0, threads=1,
            )  # fmt: skip

        # as many steps as make the work about the same for all, and long beside what a call costs
        tasks[str(key)] = per_step(run, steps * dearest // multiplications(size, vectors), replicas)
    found = interleaved(tasks, plan.repeats)
    if any(sample.too_short for sample in found.values()):
        return missing(f"stability-cost-{name}", f"exponent of the time of {what}", TOO_SHORT)
    medians = [found[key].median for key in tasks]
    fit = fit_exponent(list(shapes), medians)
    expected = fit_exponent(list(shapes), [multiplications(*shape) for shape in shapes.values()]).exponent
    listed = ", ".join(f"{key}: {1e9 * median:.3g} ns" for key, median in zip(tasks, medians, strict=True))
    return Row(
        f"stability-cost-{name}",
        f"exponent of the time of {what}",
        setting=Setting(others, "float64"),
        ours=fit.exponent,
        required=at_most(round(expected + 0.1, 2)),
        repeats=plan.repeats,
        spread=found[list(tasks)[-1]].spread,
        compile_seconds=sum(sample.first_seconds for sample in found.values()),
        note=f"± {fit.standard_error:.2g}; {expected:.3g} for 2 S d k + 2 d k^2 multiplications; {listed}",
    )


def random_map(size: int) -> RandomMap:
    """w' = w - rate x (x . w) for a standard normal vector x."""
    weights, inputs = symbols(f"w0:{size}"), symbols(f"x0:{size}")
    inner = sum(a * b for a, b in zip(weights, inputs, strict=True))
    return RandomMap(
        update={a: a - eta * b * inner for a, b in zip(weights, inputs, strict=True)},
        draws=tuple(((b,), Normal()) for b in inputs),
    )


if __name__ == "__main__":
    main()
