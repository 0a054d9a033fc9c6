"""Online SGD of an erf committee, step for step, against NumPy, JAX and C, each on one thread."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from derivations.benchmarks import c_code, peer
from derivations.benchmarks.systems import RATE, committee, direct, vector_start
from derivations.benchmarks.timing import (
    NotRun,
    Plan,
    Requirement,
    Row,
    Setting,
    Task,
    at_least,
    at_most,
    compared,
    interleaved,
    missing,
    timed,
)
from numerics.random import fill_normals32

UNITS = TEACHERS = 2
REPLICAS = 32
REQUIRED: dict[str, Requirement] = {"NumPy": at_least(15), "JAX": at_least(5), "C": at_most(1.1)}
WHAT = "a step of an erf committee, K = M = 2"


def rows(plan: Plan) -> Iterator[Row]:
    """A row for each peer, and one for our own random numbers; all sides take turns."""
    size, steps = plan.pick(1000, 1000, 64), plan.pick(200, 50, 40)
    start = vector_start(UNITS, TEACHERS, size)
    ours = direct(committee(UNITS, TEACHERS), start, size)
    normals = np.empty(-(-size // 64) * 64, np.float32)
    units, fills = steps * REPLICAS, plan.pick(4000, 1000, 5)
    settings = {
        "n": size, "steps": steps, "replicas": REPLICAS, "rate": RATE,
        "start": start.vectors[0].tolist(), "teachers": start.signals.tolist(),
    }  # fmt: skip
    with ExitStack() as stack:
        tasks: dict[str, Task] = {
            "ours": timed(lambda: ours(steps, replicas=REPLICAS), units),
            "its normals": timed(lambda: fill_often(normals, fills), fills),
        }
        absent: dict[str, NotRun] = {}
        for name, module in (("NumPy", "committee_numpy"), ("JAX", "committee_jax")):
            try:
                if name == "JAX":
                    peer.require("jax")
                tasks[name] = stack.enter_context(peer.Peer(module, settings, units))
            except NotRun as reason:
                absent[name] = reason
        try:
            for name, library in c_code.variants("committee").items():
                tasks[name] = timed(in_c(library, settings), units)
        except NotRun as reason:
            absent["C"] = reason
        found = interleaved(tasks, plan.repeats)
    setting = Setting({"n": size, "replicas": REPLICAS, "steps": steps}, "float32")
    for name in REQUIRED:
        yield _row(name, found, absent, setting)
    yield compared(
        "committee-normals",
        f"{WHAT}, against its own random numbers",
        found["ours"],
        found["its normals"],
        f"{normals.size} normals",
        unit="us",
        setting=setting,
        required=at_most(1.25),
        note="the entries of x are drawn in whole vectors, so some more than n",
    )


def _row(name: str, found: Mapping[str, Any], absent: Mapping[str, NotRun], setting: Setting) -> Row:
    label = f"committee-{name.lower()}"
    if name in absent:
        return missing(label, WHAT, absent[name], peer_name=name, required=REQUIRED[name])
    fastest = min((side for side in found if side.partition(",")[0] == name), key=lambda side: found[side].median)
    others = ", ".join(
        f"{side} {1e6 * sample.median:.2f} us"
        for side, sample in found.items()
        if side.partition(",")[0] == name and side != fastest
    )
    batched = f"{fastest}, {REPLICAS} replicas at once" if name != "C" else fastest
    return compared(
        label, WHAT, found["ours"], found[fastest], batched,
        unit="us", setting=setting, required=REQUIRED[name], note=others,
    )  # fmt: skip


def in_c(library: ctypes.CDLL, settings: Mapping[str, Any], seed: int = 1) -> Callable[[], NDArray[np.float32]]:
    """The C loop: the function that runs all steps and returns the statistics of every replica.

    The data vector has stream 1, as in the generated program, so the numbers drawn are the same.
    """
    start, teachers = (np.array(settings[key], dtype=np.float32) for key in ("start", "teachers"))
    found = np.empty((settings["replicas"], 2), np.float32)
    rate = settings["rate"] / settings["n"]
    whole = ctypes.c_int64
    arguments = [
        ctypes.c_void_p(start.ctypes.data), ctypes.c_void_p(teachers.ctypes.data), whole(settings["n"]),
        whole(settings["steps"]), whole(settings["replicas"]), ctypes.c_uint64(seed), ctypes.c_uint64(1),
        ctypes.c_float(rate), ctypes.c_void_p(found.ctypes.data),
    ]  # fmt: skip

    def run() -> NDArray[np.float32]:
        # the arrays are named here, so that they live as long as the function
        if library.committee(*arguments) or not (start.size and teachers.size):
            raise MemoryError("the C loop could not allocate its vectors")
        return found

    return run


@njit
def fill_often(out: Any, count: Any) -> None:
    """Fill an array with normals so many times."""
    for step in range(count):
        fill_normals32(out, 1, 1, 0, step, 0)
