"""How long a large kernel takes to compile: for the CPU, to PTX, and from the cache, each in a process of its own."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import sympy

from derivations.benchmarks import peer
from derivations.benchmarks.timing import NotRun, Plan, Row, Sample, Setting, alone, at_most, missing
from numerics.kernel import Argument, Kernel
from numerics.targets import Target
from numerics.templates.arrays import array_function
from numerics.templates.trajectory import trajectory_kernel
from theory.vectors import symbols

STATEMENTS = 1600
STATE = 16
REQUIRED = {"cpu": at_most(1.0), "ptx": at_most(1.0), "cached": at_most(0.1)}
"""Seconds allowed: to a kernel of the CPU, to PTX, and from the cache in a new process."""
WHAT = {
    "cpu": "a large kernel, from text to its first run on the CPU",
    "ptx": "a large kernel, from text to PTX",
    "cached": "a large kernel from the cache to its first run",
}


def rows(plan: Plan) -> Iterator[Row]:
    """Three rows; an empty cache folder, and one trivial kernel before what is timed."""
    count = plan.pick(STATEMENTS, STATEMENTS, 60)
    times: dict[str, list[float]] = {name: [] for name in REQUIRED}
    absent: dict[str, NotRun] = {}
    for _ in range(plan.pick(min(plan.repeats, 3), 1, 1)):
        with tempfile.TemporaryDirectory() as folder:
            for name in REQUIRED:
                try:
                    settings = {"statements": count, "target": "cuda" if name == "ptx" else "cpu"}
                    answer = peer.once("compilation", settings, {"XDG_CACHE_HOME": folder})
                    times[name].append(answer["seconds"])
                except NotRun as reason:
                    absent[name] = reason
    setting = Setting({"statements": count}, "float64")
    for name, seconds in times.items():
        if name in absent:
            yield missing(f"compile-{name}", WHAT[name], absent[name], required=REQUIRED[name])
        else:
            sample = Sample(tuple(seconds), seconds[0])
            yield alone(f"compile-{name}", WHAT[name], sample, unit="s", setting=setting, required=REQUIRED[name])


def large_kernel(statements: int, target: Target) -> Kernel:
    """A program that evaluates so many different expressions of its state, as derivatives of a network do."""
    state = symbols(f"x0:{STATE}")
    outputs = [
        (state[k % STATE] * state[(7 * k + 1) % STATE] + state[(3 * k + 2) % STATE] ** 2) * sympy.Rational(k + 1, 7)
        - state[(k // STATE) % STATE]
        for k in range(statements)
    ]
    rates = array_function("rates", outputs, list(state), [], target=target)
    arguments = [
        Argument("points", dimensions=2),
        Argument("results", dimensions=2, written=True),
    ]
    return trajectory_kernel(
        functions=rates.functions,
        arguments=arguments,
        body=["point = points[index]", "out = results[index]", rates.call("point", "out")],
        target=target,
    )


def _compiled(kernel: Kernel, statements: int) -> None:
    if kernel.target is Target.CPU:
        kernel.run(1, np.ones((1, STATE)), np.empty((1, statements)), threads=1)
    else:
        kernel.ptx()


def main() -> None:
    """What the process of its own does."""
    settings: dict[str, Any] = json.loads(sys.argv[1])
    target, statements = Target(settings["target"]), settings["statements"]
    _compiled(large_kernel(2, target), 2)  # numba's own beginnings, whatever the kernel
    kernel = large_kernel(statements, target)
    began = time.perf_counter()
    _compiled(kernel, statements)
    sys.stdout.write(json.dumps({"seconds": time.perf_counter() - began}) + "\n")


if __name__ == "__main__":
    main()
