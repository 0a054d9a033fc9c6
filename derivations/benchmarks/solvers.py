"""Solvers: an ensemble of differential equations against SciPy, and Lyapunov exponents against NumPy and C."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import solve_ivp

from derivations.benchmarks import c_code
from derivations.benchmarks.timing import (
    NotRun,
    Plan,
    Row,
    Setting,
    Task,
    at_least,
    at_most,
    compared,
    interleaved,
    missing,
    per_step,
    timed,
)
from numerics import DormandPrince, generate, solve
from numerics.lyapunov import lyapunov_spectrum
from numerics.quadrature import rules
from theory import SGD, Model, Normal, RandomMap, Vector, dot, scaling_limit, symbols

Array = NDArray[np.float64]
n, c = symbols("n c", positive=True)
RELATIVE, ABSOLUTE, UNTIL, SAVED = 1e-6, 1e-8, 2.0, 11
DIMENSION, RATE = 5, 0.2
QR = "a step of the five exponents of a random linear map"


def rows(plan: Plan) -> Iterator[Row]:
    """One row for ensembles of an ODE, two for the QR iteration."""
    yield _ensemble(plan)
    yield from _exponents(plan)


# ----------------------------------------------------------------------------------------- differential equations


def limit() -> Any:
    """The limit of phase retrieval: two polynomial rates."""
    w, v, z = (Vector(name, n) for name in "wvz")
    model = Model((dot(w, z) ** 2 - dot(v, z) ** 2) ** 2 / 4, [w], {z: Normal()}, {dot(v, v): 1})
    return scaling_limit(model, SGD(c / n), statistics={"m": dot(w, v), "q": dot(w, w)})


def _ensemble(plan: Plan) -> Row:
    equations, count, few = limit(), plan.pick(4096, 1024, 16), plan.pick(20, 10, 4)
    rates = np.linspace(0.01, 0.05, count)
    found = interleaved(
        {
            "ours": timed(lambda: ensemble(equations, rates), count),
            "SciPy": timed(lambda: one_by_one(equations, rates[:: count // few][:few]), few),
        },
        plan.repeats,
    )
    return compared(
        "ode-scipy",
        "a trajectory of an ODE of two quantities, adaptive steps",
        found["ours"],
        found["SciPy"],
        "SciPy solve_ivp, RK45, one by one",
        unit="us",
        setting=Setting({"trajectories": count, "relative tolerance": RELATIVE}, "float64"),
        note="both take compiled rates; the whole call of solve is timed",
    )


def ensemble(equations: Any, rates: Array) -> Array:
    """The end of every trajectory, (quantity, trajectory)."""
    method = DormandPrince(relative_tolerance=RELATIVE, absolute_tolerance=ABSOLUTE)
    found = solve(
        equations, at={c: rates}, start={"m": 0.5, "q": 0.6}, until=UNTIL, times=np.linspace(0, UNTIL, SAVED),
        method=method, threads=1,
    )  # fmt: skip
    return np.stack([found[name].values[:, -1] for name in ("m", "q")])


def one_by_one(equations: Any, rates: Array) -> Array:
    """The same by SciPy."""
    advance, out, points = generate(equations).function, np.empty(2), rules(set())

    def slope(_: float, state: Array, hyper: Array) -> Array:
        advance(state, hyper, out, *points)
        return out.copy()

    ends = []
    for rate in rates:
        found = solve_ivp(
            slope, (0, UNTIL), [0.5, 0.6], "RK45", np.linspace(0, UNTIL, SAVED), args=(np.array([rate]),),
            rtol=RELATIVE, atol=ABSOLUTE,
        )  # fmt: skip
        ends.append(found.y[:, -1])
    return np.stack(ends, axis=1)


# ------------------------------------------------------------------------------------------------ Lyapunov exponents


def random_map() -> RandomMap:
    """w' = w - rate x (x . w) for a standard normal vector x of five numbers."""
    w, x = symbols(f"w0:{DIMENSION}"), symbols(f"x0:{DIMENSION}")
    rate = symbols("eta", positive=True)
    inner = sum(a * b for a, b in zip(w, x, strict=True))
    return RandomMap(
        update={a: a - rate * b * inner for a, b in zip(w, x, strict=True)},
        draws=tuple(((b,), Normal()) for b in x),
    )


def _exponents(plan: Plan) -> Iterator[Row]:
    equations, replicas = random_map(), plan.pick(1024, 1024, 64)
    steps, few = plan.pick(8000, 4000, 30_000), plan.pick(20, 5, 5)
    tasks: dict[str, Task] = {
        "ours": per_step(lambda count: exponents(equations, count + 1, replicas), steps, replicas),
        "NumPy": timed(lambda: exponents_in_numpy(few, replicas), few * replicas),
    }
    absent: NotRun | None = None
    try:
        for name, library in c_code.variants("lyapunov").items():
            tasks[name] = timed(exponents_in_c(library, few * 100, replicas), few * 100 * replicas)
    except NotRun as reason:
        absent = reason
    found = interleaved(tasks, plan.repeats)
    setting = Setting({"d": DIMENSION, "replicas": replicas, "steps": steps}, "float64")
    yield compared(
        "lyapunov-numpy", QR, found["ours"], found["NumPy"], "NumPy, all replicas at once",
        unit="ns", setting=setting, required=at_least(5),
    )  # fmt: skip
    if absent:
        yield missing("lyapunov-c", QR, absent, peer_name="C", required=at_most(1.2))
        return
    fastest = min((side for side in found if side.startswith("C")), key=lambda side: found[side].median)
    yield compared(
        "lyapunov-c", QR, found["ours"], found[fastest], fastest, unit="ns", setting=setting, required=at_most(1.2)
    )


def exponents(equations: RandomMap, steps: int, replicas: int, seed: int = 1) -> Array:
    """The five exponents of every replica, (replica, exponent), on one thread."""
    found = lyapunov_spectrum(
        equations, at={"eta": RATE}, steps=steps, replicas=replicas, seed=seed, burn_in=0, threads=1
    )
    return np.asarray(found["by_replica"].values)


def exponents_in_numpy(steps: int, replicas: int, seed: int = 1) -> Array:
    """The same by NumPy, with its batched QR decomposition."""
    random = np.random.Generator(np.random.SFC64(seed))
    q = np.broadcast_to(np.eye(DIMENSION), (replicas, DIMENSION, DIMENSION)).copy()
    sums = np.zeros((replicas, DIMENSION))
    for _ in range(steps):
        x = random.standard_normal((replicas, DIMENSION))
        q -= RATE * x[:, :, np.newaxis] * (x[:, np.newaxis, :] @ q)
        q, triangle = np.linalg.qr(q)
        sums += np.log(np.abs(np.diagonal(triangle, axis1=1, axis2=2)))
    return sums / steps


def exponents_in_c(library: ctypes.CDLL, steps: int, replicas: int, seed: int = 1) -> Callable[[], Array]:
    """The same by the C loop."""
    found = np.empty((replicas, DIMENSION))
    arguments = [
        ctypes.c_int64(replicas), ctypes.c_int64(steps), ctypes.c_uint64(seed), ctypes.c_double(RATE),
        ctypes.c_void_p(found.ctypes.data),
    ]  # fmt: skip

    def run() -> Array:
        library.lyapunov(*arguments)
        return found / steps

    return run
