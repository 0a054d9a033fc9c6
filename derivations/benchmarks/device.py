"""A CUDA device: its own ceilings, and what share of them the random numbers, direct SGD, an ensemble and the chain reach.

All times are elapsed times of many steps less those of one, so that copies and launches cancel.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np

from derivations.benchmarks import peer
from derivations.benchmarks.chain import follow
from derivations.benchmarks.explicit import RATE as SCALAR_RATE
from derivations.benchmarks.systems import RATE, committee, direct, scalar_net, scalar_start, vector_start
from derivations.benchmarks.timing import (
    NotRun,
    Plan,
    Row,
    Setting,
    Size,
    Task,
    alone,
    compared,
    interleaved,
    missing,
    per_step,
)
from numerics.kernel import Argument, Kernel
from numerics.precision import Precision
from numerics.targets import Target, backend
from numerics.templates.trajectory import trajectory_kernel

WHAT = {
    "normals": "a standard normal on the device",
    "committee": "a step of an erf committee, K = M = 2, on the device",
    "wide": "a step of a wide erf committee, vectors in the memory of the device",
    "explicit": "a step of a scalar net on the device",
    "chain": "a step of the chain of an erf unit on the device",
}
ELAPSED = 2
"""More than one thread: elapsed time."""
CHAINS = 8
"""Independent products that a thread has under way, to find the ceiling."""
PRODUCTS_PER_BLOCK = 20
"""Multiplications of 32-bit words with all their 64 bits in one Philox block, which makes four words."""
BYTES_PER_ENTRY = 8 * 4
"""Of a committee with two units and teachers: four reads for the inner products, two reads and two writes for the update."""


def reason() -> str | None:
    """Why nothing can be measured; None if there is a device."""
    found = backend(Target.CUDA).reason_unavailable()
    if found is None and _simulated():
        return "numba's simulator stands for a device"
    return found


def _simulated() -> bool:
    from numba.core import config

    return bool(getattr(config, "ENABLE_CUDASIM", False))


def rows(plan: Plan) -> Iterator[Row]:
    """One row for each program; without a device each says why it was not run."""
    why = reason()
    if why is not None and not (plan.size is Size.TINY and _simulated()):
        yield from (missing(f"device-{name}", what, why) for name, what in WHAT.items())
        return
    products, bandwidth = _ceilings(plan)
    yield _normals(plan, products)
    yield _committee(plan, products)
    yield _wide(plan, bandwidth)
    yield _explicit(plan, products)
    yield _chain(plan)


# ----------------------------------------------------------------------------------------------------------- ceilings


def _program(name: str, body: Sequence[str], arrays: Sequence[Argument], imports: Sequence[str] = ()) -> Kernel:
    """A program of `steps` steps for each index, which does what the body says."""
    return trajectory_kernel(
        functions=[],
        arguments=[Argument("steps", "int64"), *arrays],
        body=body,
        header=name,
        imports=imports,
        target=Target.CUDA,
        precision=Precision.FLOAT32,
    )


def multiplying() -> Kernel:
    """Independent chains of products of 32-bit words with all their 64 bits, as Philox has them."""
    chains = range(CHAINS)
    body = [
        *(f"x{k} = np.uint64(index + {k + 1})" for k in chains),
        "for step in range(steps):",
        *(f"    x{k} = (x{k} & np.uint64(0xFFFFFFFF)) * np.uint64(0xD2511F53)" for k in chains),
        f"out[index] = {' ^ '.join(f'x{k}' for k in chains)}",
    ]
    return _program("products of words", body, [Argument("out", "uint64", 1, written=True)])


def copying() -> Kernel:
    """Numbers read from one array and written to another, at other places (a power of two in all) in every step."""
    body = [
        "for step in range(steps):",
        "    i = (index + step * stride) & (source.size - 1)",
        "    target[i] = source[i]",
    ]
    arrays = [Argument("source", dimensions=1), Argument("target", dimensions=1, written=True)]
    return _program("copies of numbers", body, [Argument("stride", "int64"), *arrays])


def drawing() -> Kernel:
    """Sums of standard normals, four in every step."""
    body = [
        "total = real(0.0)",
        "for step in range(steps):",
        "    first, second, third, fourth = normal_block(np.uint64(1), 0, index, step, 0, 0)",
        "    total += (first + second) + (third + fourth)",
        "out[index] = total",
    ]
    imports = ("from numerics.random import normal_block32 as normal_block",)
    return _program("normals", body, [Argument("out", dimensions=1, written=True)], imports)


def _ceilings(plan: Plan) -> tuple[float, float]:
    """Products of 32-bit words a second, and bytes a second from and to the memory of the device."""
    threads, steps = plan.pick(1 << 20, 1 << 18, 4), plan.pick(2000, 500, 2)
    places, stride, passes = plan.pick(1 << 26, 1 << 26, 4), plan.pick(1 << 20, 1 << 20, 2), plan.pick(50, 20, 2)
    out, source, target = np.empty(threads, np.uint64), np.ones(places, np.float32), np.empty(places, np.float32)
    words, move = multiplying(), copying()
    tasks: dict[str, Task] = {
        "products": per_step(lambda k: words.run(threads, k, out), steps, threads * CHAINS, threads=ELAPSED),
        "bytes": per_step(lambda k: move.run(places, k, stride, source, target), passes, places * 8, threads=ELAPSED),
    }
    found = interleaved(tasks, plan.repeats)
    return 1 / found["products"].median, 1 / found["bytes"].median


def _share(figure: float, ceiling: float, name: str) -> str:
    return f"{100 * figure / ceiling:.0f} % of the measured {name} ceiling"


# --------------------------------------------------------------------------------------------------------------- rows


def _normals(plan: Plan, products: float) -> Row:
    threads, steps = plan.pick(1 << 20, 1 << 18, 4), plan.pick(500, 100, 2)
    kernel, out = drawing(), np.empty(threads, np.float32)
    found = interleaved(
        {"ours": per_step(lambda k: kernel.run(threads, k, out), steps, 4 * threads, threads=ELAPSED)}, plan.repeats
    )
    share = _share(PRODUCTS_PER_BLOCK / 4 / found["ours"].median, products, "integer")
    setting = Setting({"threads": threads, "steps": steps}, "float32")
    return alone("device-normals", WHAT["normals"], found["ours"], unit="ns", setting=setting, note=share)


def _committee(plan: Plan, products: float) -> Row:
    size, replicas, steps = plan.pick(1000, 1000, 8), plan.pick(2112, 2112, 2), plan.pick(2000, 500, 2)
    start = vector_start(2, 2, size)
    ours = direct(committee(), start, size, target=Target.CUDA)
    settings = {
        "n": size, "steps": steps, "replicas": replicas, "rate": RATE, "elapsed": True,
        "start": start.vectors[0].tolist(), "teachers": start.signals.tolist(),
    }  # fmt: skip
    tasks: dict[str, Task] = {
        "ours": per_step(lambda count: ours(count, replicas=replicas), steps, replicas, threads=ELAPSED)
    }
    absent: NotRun | None = None
    with ExitStack() as stack:
        try:
            peer.require("jax")
            environment = {"JAX_PLATFORMS": "cuda"}
            tasks["JAX"] = stack.enter_context(peer.Peer("committee_jax", settings, steps * replicas, environment))
        except NotRun as why:
            absent = why
        found = interleaved(tasks, plan.repeats)
    share = _share(PRODUCTS_PER_BLOCK * size / 4 / found["ours"].median, products, "integer")
    setting = Setting({"n": size, "replicas": replicas, "steps": steps}, "float32")
    options: dict[str, Any] = {"unit": "ns", "setting": setting}
    if absent is not None:
        note = f"{share}; JAX not run: {absent}"
        return alone("device-committee", WHAT["committee"], found["ours"], note=note, **options)
    return compared(
        "device-committee", WHAT["committee"], found["ours"], found["JAX"], "JAX on the device", note=share, **options
    )


def _wide(plan: Plan, bandwidth: float) -> Row:
    size, replicas, steps = plan.pick(200_000, 100_000, 8), plan.pick(264, 132, 2), plan.pick(200, 50, 2)
    ours = direct(committee(), vector_start(2, 2, size), size, target=Target.CUDA)
    found = interleaved(
        {"ours": per_step(lambda count: ours(count, replicas=replicas), steps, replicas, threads=ELAPSED)}, plan.repeats
    )
    share = _share(BYTES_PER_ENTRY * size / found["ours"].median, bandwidth, "bandwidth")
    setting = Setting({"n": size, "replicas": replicas, "steps": steps}, "float32")
    return alone("device-wide", WHAT["wide"], found["ours"], unit="us", setting=setting, note=share)


def _explicit(plan: Plan, products: float) -> Row:
    replicas, steps = plan.pick(1 << 20, 1 << 18, 4), plan.pick(1000, 200, 2)
    ours = direct(scalar_net(), scalar_start(replicas), rate=SCALAR_RATE, target=Target.CUDA)
    found = interleaved(
        {"ours": per_step(lambda count: ours(count, replicas=replicas), steps, replicas, threads=ELAPSED)}, plan.repeats
    )
    share = _share(PRODUCTS_PER_BLOCK / found["ours"].median, products, "integer")
    setting = Setting({"replicas": replicas, "steps": steps}, "float32")
    return alone("device-explicit", WHAT["explicit"], found["ours"], unit="ns", setting=setting, note=share)


def _chain(plan: Plan) -> Row:
    size, replicas, steps = 10**6, plan.pick(1 << 17, 1 << 15, 2), plan.pick(2000, 500, 2)
    unit = committee(1, 1)
    task = per_step(lambda count: follow(unit, size, count, replicas, Target.CUDA), steps, replicas, threads=ELAPSED)
    found = interleaved({"ours": task}, plan.repeats)
    rate = f"{1 / statistics.median(found['ours'].seconds):.3g} steps a second"
    setting = Setting({"n": size, "replicas": replicas, "steps": steps}, "float64")
    return alone("device-chain", WHAT["chain"], found["ours"], unit="ns", setting=setting, note=rate)
