"""The systems that are measured: a committee of erf units, a single unit, a scalar net, each ready to run as direct SGD."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy
from numpy.typing import NDArray
from sympy import Expr

from numerics.precision import Precision
from numerics.simulation.direct import direct_program, run_direct
from numerics.simulation.run import Run
from numerics.start import Start
from numerics.targets import Target
from numerics.templates.sgd import SgdProgram
from theory import SGD, Model, Normal, Rademacher, Vector, dot, symbols, vectors

n, eta = symbols("n eta", positive=True)
RATE = 0.5
"""The learning rate, over n for vectors."""


def erf_unit(h: Expr) -> Expr:
    """erf(h / sqrt(2)), whose derivative is sqrt(2/pi) exp(-h^2/2)."""
    return sympy.erf(h / sympy.sqrt(2))


def committee(units: int = 2, teachers: int = 2) -> tuple[Model, SGD, dict[str, Expr]]:
    """A committee of erf units that learns from another one, its algorithm, and two statistics of its first unit."""
    w, v, x = vectors("w", n, count=units), vectors("v", n, count=teachers), Vector("x", n)
    error = sum(erf_unit(dot(a, x)) for a in w) - sum(erf_unit(dot(a, x)) for a in v)
    model = Model(error**2 / 2, list(w), {x: Normal()})
    return model, SGD(eta / n), {"q": dot(w[0], w[0]), "r": dot(w[0], v[0])}


def scalar_net() -> tuple[Model, SGD, dict[str, Expr]]:
    """A net of two scalar weights that learns a random sign: few numbers, so an ensemble of replicas."""
    u, w, x, s = symbols("u w x s")
    model = Model((u * w * x - s * x) ** 2 / 2, [u, w], {x: Normal(), s: Rademacher()})
    return model, SGD(eta), {"product": u * w}


@dataclass(frozen=True)
class Direct:
    """Direct SGD, ready to run: the program, what it runs on, and its start."""

    run: Run
    program: SgdProgram
    start: Start

    def __call__(self, steps: int, *, replicas: int = 1, threads: int = 1, seed: int = 1) -> NDArray[Any]:
        """The statistics of every replica after so many steps, shape (replica, statistic)."""
        record = np.array([0, steps], dtype=np.int64)
        out, _ = run_direct(self.program, self.run, self.start, record, replicas=replicas, seed=seed, threads=threads)
        return np.asarray(out[:, -1])


def direct(
    system: tuple[Model, SGD, Mapping[str, Expr]],
    start: Start,
    dimension: int = 1,
    *,
    rate: float = RATE,
    precision: Precision = Precision.FLOAT32,
    target: Target = Target.CPU,
) -> Direct:
    """Direct SGD on a system."""
    model, algorithm, statistics = system
    values = {eta: rate, **({n: float(dimension)} if model.vectors else {})}
    run = Run(model, algorithm, values, dimension)
    return Direct(run, direct_program(run, statistics, target=target, precision=precision), start)


def vector_start(units: int, teachers: int, dimension: int, replicas: int = 1) -> Start:
    """Random vectors of length about 1, the same for every replica unless there are several."""
    random = np.random.default_rng(0)
    trained = random.standard_normal((replicas, units, dimension)) / np.sqrt(dimension)
    fixed = random.standard_normal((teachers, dimension)) / np.sqrt(dimension)
    return Start(trained, np.zeros((1, 0)), fixed)


def scalar_start(replicas: int, value: float = 0.4) -> Start:
    """Two weights of the same value."""
    return Start(np.zeros((1, 0, 1)), np.full((replicas, 2), value), np.zeros((0, 1)))
