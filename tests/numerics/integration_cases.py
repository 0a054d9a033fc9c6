"""Equations and requests that the tests of the integrators share; as a script, what they give in the CUDA simulator."""

from __future__ import annotations

import sys

import numpy as np
import sympy

from numerics import DormandPrince, EulerMaruyama, Milstein, Precision, RungeKutta4, Target, solve
from theory import ODE, SDE, symbols

x, y, a, b = symbols("x y a b")
# a limit cycle with a known solution: the radius obeys r' = a r (1 - r^2), the angle turns at unit speed
CYCLE = ODE(rates={x: a * x * (1 - x**2 - y**2) - y, y: a * y * (1 - x**2 - y**2) + x}, observables={"r2": x**2 + y**2})
# at a = 1 it blows up at time 1/x0, at a = 0 it reaches zero, where its rate ends
SINGULAR = ODE(rates={x: a * x**2 - (1 - a) * (1 + sympy.sqrt(x))})
METHODS = {"adaptive": DormandPrince(), "fixed": RungeKutta4(steps=120)}
SPREAD = {"at": {a: np.linspace(0.5, 1.5, 11)}, "start": {x: 0.3, y: 0.0}, "until": 4, "times": np.linspace(0, 4, 9)}


def sde(rates, covariance, **options):
    return SDE(rates=rates, covariance=sympy.ImmutableDenseMatrix(covariance), **options)


# du = a u dt + b u dB has the strong solution u0 exp((a - b^2/2) t + b B_t)
MULTIPLICATIVE = sde({x: a * x}, [[b**2 * x**2]], observables={"square": x**2})
CORRELATED = sde({x: -x, y: a * x - y}, [[1 + x**2, b * x], [b * x, b**2]])
AT = {a: 1.0, b: 0.5}
PROGRAMS = {
    "Euler-Maruyama": (MULTIPLICATIVE, EulerMaruyama(steps=25)),
    "Milstein": (MULTIPLICATIVE, Milstein(steps=25)),
    "correlated": (CORRELATED, EulerMaruyama(steps=25)),
}


def pair(path):
    return np.stack([path["x"].values, path["y"].values])


def paths(equations, method, *, replicas, start=None, at=None, times=(1.0,), **options):
    """Paths with seed 11, from ones, recorded at time 1."""
    start = dict.fromkeys(equations.state, 1.0) if start is None else start
    at = {s: AT[s] for s in equations.free_symbols} if at is None else at
    request = {"until": max(times), "times": times, "method": method, "replicas": replicas, "seed": 11, **options}
    return solve(equations, start=start, at=at, **request)


def everything(target):
    """Name -> array: every method in every precision on a target, and when trajectories failed."""
    found = {}
    for precision in Precision:
        machine = {"target": target, "precision": precision}
        for name, method in METHODS.items():
            found[f"{name}, {precision}"] = pair(solve(CYCLE, **SPREAD, method=method, **machine))
        for name, (equations, method) in PROGRAMS.items():
            found[f"{name}, {precision}"] = paths(equations, method, replicas=8, **machine)["x"].values
    failing = {"at": {a: 1.0}, "start": {x: np.array([0.1, 0.25, 2.0])}, "until": 2}
    found["failed_at"] = solve(SINGULAR, **failing, method=DormandPrince(), target=target)["failed_at"].values
    return found


if __name__ == "__main__":
    np.savez(sys.argv[1], **everything(Target.CUDA))
