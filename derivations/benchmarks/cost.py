"""How the cost of direct SGD and of the chain grows: exponents fitted to times over several sizes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from derivations.benchmarks.chain import follow
from derivations.benchmarks.systems import committee, direct, vector_start
from derivations.benchmarks.timing import (
    Plan,
    Requirement,
    Row,
    Setting,
    Task,
    about,
    at_most,
    interleaved,
    per_step,
    timed,
)
from numerics import fit_exponent

LINEAR, CONSTANT = at_most(1.1), about(0.0, 0.1)
"""Linear means at most linear: what a step costs whatever the size makes small sizes dearer."""


def rows(plan: Plan) -> Iterator[Row]:
    """Direct SGD against dimension, trained vectors, replicas and steps; the chain against dimension."""
    steps = plan.pick(2000, 500, 20)
    sizes = (1024, 2048, 4096, 8192)[: plan.pick(4, 4, 3)]

    def of_dimension(size: int) -> Task:
        ours = direct(committee(), vector_start(2, 2, size), size)
        return timed(lambda: ours(steps))

    yield exponent(plan, "n", "direct SGD against n", sizes, of_dimension, LINEAR, {"K": 2, "steps": steps})

    def of_units(units: int) -> Task:
        ours = direct(committee(units), vector_start(units, 2, 512), 512)
        return timed(lambda: ours(steps))

    counts = (8, 16, 32) if plan.pick(1, 1, 0) else (1, 2, 3)
    yield exponent(plan, "K", "direct SGD against K", counts, of_units, LINEAR, {"n": 512, "steps": steps})

    ours = direct(committee(), vector_start(2, 2, 1024), 1024)

    def of_replicas(replicas: int) -> Task:
        return timed(lambda: ours(steps, replicas=replicas))

    yield exponent(plan, "replicas", "direct SGD against replicas", (2, 4, 8, 16), of_replicas, LINEAR, {"n": 1024})

    def of_steps(count: int) -> Task:
        return timed(lambda: ours(count))

    lengths = tuple(steps * factor for factor in (2, 4, 8, 16))
    yield exponent(plan, "steps", "direct SGD against steps", lengths, of_steps, LINEAR, {"n": 1024})

    unit, many = committee(1, 1), plan.pick(500_000, 200_000, 100_000)

    def of_chain(size: int) -> Task:
        return per_step(lambda count: follow(unit, size, count), many)

    dimensions = (10**2, 10**4, 10**6, 10**8)
    yield exponent(plan, "chain-n", "the chain against n", dimensions, of_chain, CONSTANT, {"d": 2, "steps": many})


def exponent(
    plan: Plan,
    name: str,
    what: str,
    sizes: Sequence[int],
    task: Callable[[int], Task],
    required: Requirement,
    others: dict[str, float],
) -> Row:
    """The row of the exponent p of time ~ size^p."""
    found = interleaved({str(size): task(size) for size in sizes}, plan.repeats)
    medians = [found[str(size)].median for size in sizes]
    fit = fit_exponent(list(sizes), medians)
    largest = found[str(sizes[-1])]
    listed = ", ".join(f"{size}: {1e3 * median:.3g} ms" for size, median in zip(sizes, medians, strict=True))
    if name == "chain-n":
        listed = ", ".join(f"{size}: {1e9 * median:.3g} ns" for size, median in zip(sizes, medians, strict=True))
    return Row(
        f"cost-{name}",
        f"exponent of the time of {what}",
        setting=Setting(others, "float64" if name == "chain-n" else "float32"),
        ours=fit.exponent,
        required=required,
        repeats=plan.repeats,
        spread=largest.spread,
        compile_seconds=sum(sample.first_seconds for sample in found.values()),
        note=f"± {fit.standard_error:.2g}; {listed}",
    )
