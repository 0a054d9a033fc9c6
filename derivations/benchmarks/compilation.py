"""How long a large kernel takes to compile: for the CPU, to PTX, and from the cache, each in a process of its own."""

from __future__ import annotations

import json
import pickle
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from derivations.benchmarks import peer
from derivations.benchmarks.timing import NotRun, Plan, Row, Sample, Setting, alone, at_most, missing
from numerics.kernel import Argument, Kernel
from numerics.targets import Target
from numerics.templates.trajectory import trajectory_kernel

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
    kernels = {target: large_kernel(count, target) for target in Target}
    times: dict[str, list[float]] = {name: [] for name in REQUIRED}
    absent: dict[str, NotRun] = {}
    for _ in range(plan.pick(min(plan.repeats, 5), 1, 1)):
        with tempfile.TemporaryDirectory() as folder:
            for name in REQUIRED:
                path = Path(folder) / f"{name}.kernel"
                path.write_bytes(pickle.dumps(kernels[Target.CUDA if name == "ptx" else Target.CPU]))
                try:
                    settings = {"kernel": str(path)}
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
    """A program that evaluates a function of so many statements, such as the printer makes of derivatives of a network."""
    return trajectory_kernel(
        functions=[large_function(statements)],
        arguments=[Argument("points", dimensions=2), Argument("results", dimensions=2, written=True)],
        body=["large(points[index], results[index])"],
        target=target,
    )


def large_function(statements: int) -> str:
    """Temporaries, each made of earlier ones and all of them needed; one in sixteen is a hyperbolic tangent."""
    lines = [f"x{k} = point[{k}]" for k in range(STATE)]
    names = [f"x{k}" for k in range(STATE)]
    for k in range(statements):
        far, farther = names[-2 - 7 * k % (STATE - 2)], names[-2 - 5 * k % (STATE - 2)]
        value = f"0.5*{names[-1]}*{far} + 0.25*{farther}"
        lines.append(f"t{k} = math.tanh({value})" if k % 16 == 0 else f"t{k} = {value}")
        names.append(f"t{k}")
    lines += [f"out[{k}] = {name}" for k, name in enumerate(names[-STATE:])]
    body = "\n".join(f"    {line}" for line in lines)
    return f'@emitted("float64")\ndef large(point, out):\n{body}\n'


def trivial_kernel(target: Target) -> Kernel:
    """A program that does next to nothing, written out: making it takes no SymPy."""
    return trajectory_kernel(
        functions=[],
        arguments=[Argument("results", dimensions=2, written=True)],
        body=["results[index, 0] = real(1.0)"],
        target=target,
    )


def main() -> None:
    """What the process of its own does: load a kernel that this package pickled, and compile it."""
    settings: dict[str, Any] = json.loads(sys.argv[1])
    kernel: Kernel = pickle.loads(Path(settings["kernel"]).read_bytes())
    trivial, out = trivial_kernel(kernel.target), np.empty((1, STATE))
    cuda = kernel.target is Target.CUDA
    # numba's own beginnings come first, whatever the kernel
    trivial.ptx() if cuda else trivial.run(1, out, threads=1)
    points = np.ones((1, STATE))
    began = time.process_time()
    kernel.ptx() if cuda else kernel.run(1, points, out, threads=1)
    sys.stdout.write(json.dumps({"seconds": time.process_time() - began}) + "\n")


if __name__ == "__main__":
    main()
