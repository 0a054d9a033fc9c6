"""The groups of rows by name, and which of them to run. Nothing is imported before its turn comes."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module

from derivations.benchmarks.timing import NotRun, Plan, Row, missing
from theory.errors import TheoryError

GROUPS = {
    "normals": "standard normals, against NumPy",
    "committee": "direct SGD on vectors, against NumPy, JAX and C",
    "explicit": "an ensemble of small models, against NumPy",
    "fates": "direct SGD followed to its fate, against NumPy",
    "chain": "the exact chain of inner products, alone and against direct SGD",
    "elementary": "tanh, erf and exp of arrays, against libm",
    "solvers": "ensembles of differential equations, Lyapunov exponents, against SciPy, NumPy and C",
    "stability": "worked examples from the loss to the exponents, and how the QR iteration grows",
    "diagrams": "phase diagrams, alone and against NumPy",
    "compilation": "a large kernel: to the CPU, to PTX, from the cache",
    "cost": "how times grow with dimension, units, replicas and steps",
    "memory": "how memory grows with them",
    "device": "a CUDA device, against its own ceilings and JAX",
}
"""What each group measures, in the order of the table; each is a module of this package with a function `rows(plan)`."""


class UnknownBenchmark(TheoryError, LookupError):
    """There is no group of that name."""


def select(names: Sequence[str]) -> list[str]:
    """The groups to run: those named, or all. Raises `UnknownBenchmark` with the nearest name.

    >>> select(["chain", "normals", "chain"])
    ['chain', 'normals']
    """
    for name in names:
        if name not in GROUPS:
            close = difflib.get_close_matches(name, list(GROUPS), n=1)
            guess = f"did you mean {close[0]}? " if close else ""
            raise UnknownBenchmark(f"there is no benchmark {name!r}; {guess}the benchmarks are {', '.join(GROUPS)}")
    return list(dict.fromkeys(names)) or list(GROUPS)


def run(names: Sequence[str], plan: Plan, starting: Callable[[str], None] = lambda _: None) -> Iterator[Row]:
    """The rows of the groups; `starting(name)` is called before each. A group that cannot run is one row that says why."""
    for name in names:
        starting(name)
        try:
            yield from import_module(f"derivations.benchmarks.{name}").rows(plan)
        except NotRun as reason:
            yield missing(name, GROUPS[name], reason)
