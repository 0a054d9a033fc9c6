"""The exponent as an average of log|multiplier| over random batches: unbiased for any law, with a standard error."""

from __future__ import annotations

import numpy as np
import sympy

from numerics.law_draws import draw_law
from numerics.stability.conditional import independent
from numerics.stability.problem import Array, Estimate, Problem
from theory import ExponentKind
from theory.errors import UnsupportedExpectation
from theory.stability.batches import SUBSET

BATCHES = 2**18
"""Batches that are drawn; the same draws serve every point of a grid."""
CHUNK = 2**14


def by_monte_carlo(problem: Problem) -> Estimate:
    """The exponent from `BATCHES` random batches. Raises `UnsupportedExpectation` for joint laws that cannot be drawn here."""
    size, points = problem.size, problem.grid.size
    total, squares = np.zeros(points), np.zeros(points)
    for chunk in range(BATCHES // CHUNK):
        logs = _logs(problem, chunk, size)
        total += logs.sum(axis=0)
        squares += (logs**2).sum(axis=0)
    mean = total / BATCHES
    spread = np.sqrt(np.maximum(squares / BATCHES - mean**2, 0) / (BATCHES - 1))
    return problem.estimate(mean, spread, ExponentKind.MONTE_CARLO)


def _logs(problem: Problem, chunk: int, size: int) -> Array:
    """log|multiplier| for a chunk of batches at every point, shape (batch, point)."""
    present = problem.randomness.of(problem.curvature)
    keep, weight = problem.grid.table([problem.keep, problem.weight])
    if problem.batch.mode in SUBSET or any(hasattr(law, "count") for _, law in present.groups):
        means = _table_means(problem, chunk, size)
    else:
        means = _law_means(problem, chunk, size)
    with np.errstate(divide="ignore"):
        return np.log(np.abs(keep + weight * means))


def _table_means(problem: Problem, chunk: int, size: int) -> Array:
    """Batch means over a data set, drawn with or without replacement."""
    from numerics.stability.enumeration import single_values

    values, shares = single_values(problem)
    generator = np.random.Generator(np.random.Philox(key=[problem.seed, chunk]))
    if problem.batch.mode in SUBSET:
        rows = np.argpartition(generator.random((CHUNK, len(values))), size - 1, axis=1)[:, :size]
    else:
        rows = generator.choice(len(values), size=(CHUNK, size), p=shares[:, 0] / shares[:, 0].sum())
    return np.asarray(values[rows].mean(axis=1))


def _law_means(problem: Problem, chunk: int, size: int) -> Array:
    """Batch means of fresh draws, made once for each distinct set of values that the curvature or a law depends on."""
    statement = independent(problem.curvature, problem.randomness)
    if statement is None:
        raise UnsupportedExpectation(
            f"the exponent of {problem.curvature} has no quadrature, and its joint law cannot be drawn here; take the exponents "
            f"of block.random_map() by numerics.lyapunov_spectrum"
        )
    names = sorted(statement.curvature.free_symbols - set(statement.laws), key=str)
    function = sympy.lambdify([*statement.laws, *names], statement.curvature, "numpy", cse=True)
    relevant = sorted({*names, *(s for law in statement.laws.values() for s in law.free_symbols)}, key=str)
    table = np.array([problem.grid.values[s] for s in relevant]).reshape(len(relevant), problem.grid.size)
    distinct, places = np.unique(table, axis=1, return_inverse=True)
    means = np.empty((CHUNK, distinct.shape[1]))
    for column in range(distinct.shape[1]):
        values = {s: sympy.Float(float(v), 17) for s, v in zip(relevant, distinct[:, column], strict=True)}
        draws = [
            draw_law(
                law.substitute({s: values[s] for s in law.free_symbols}),
                (1, CHUNK * size),
                problem.seed,
                chunk * 64 + index,
            )
            for index, law in enumerate(statement.laws.values())
        ]
        curvature = function(*(d.reshape(CHUNK, size) for d in draws), *(float(values[name]) for name in names))
        means[:, column] = np.broadcast_to(curvature, (CHUNK, size)).mean(axis=1)
    return means[:, places.reshape(-1)]
