"""The largest multiplier of a scalar block, or the largest norm of a matrix step: whether a step can ever expand."""

from __future__ import annotations

from itertools import product

import numpy as np
import sympy

from numerics.stability.matrices import AffineStep, sample_curvatures
from numerics.stability.problem import Array, Grid, Problem
from numerics.stability.scalar.enumeration import single_values
from numerics.stability.scalar.exponent import problems
from numerics.stability.scalar.potentials import TERMS
from numerics.stability.scalar.standard_laws import component
from theory import Block, Sampling
from theory.algorithm import Bernoulli
from theory.stability.batches import SUBSET


def largest_multiplier(block: Block, grid: Grid) -> float | None:
    """The supremum of |m| over the batches that can occur, at the one point of a grid; None where it is not known.

    Infinity where the curvature is a polynomial in a number of unbounded support.
    """
    ((_, problem),) = list(problems(block, grid, 0))
    bounds = _batch_range(problem)
    if bounds is None:
        return None
    keep, weight = (float(v[0]) for v in problem.grid.table([problem.keep, problem.weight]))
    return max(abs(keep + weight * bound) for bound in bounds) if weight else abs(keep)


def largest_norm(block: Block, grid: Grid) -> float | None:
    """A bound of the spectral norms of the steps of a matrix block, at the one point of a grid; None where none is known.

    A batch of fixed size averages the steps of its samples, so that no norm exceeds the largest of a single sample.
    """
    numbers = {symbol: float(column[0]) for symbol, column in grid.values.items()}
    samples = None if isinstance(block.batch.mode, Bernoulli) else sample_curvatures(block, numbers)
    if samples is None:
        return None
    possible = samples.matrices[samples.shares > 0]
    return float(np.linalg.norm(AffineStep.of(block, grid).matrices(0, possible), ord=2, axis=(-2, -1)).max())


def _batch_range(problem: Problem) -> tuple[float, float] | None:
    """The smallest and the largest mean curvature of a batch."""
    present, mode = problem.randomness.of(problem.curvature), problem.batch.mode
    if present.continuous or not present.groups:
        return _sample_range(problem)
    values, shares = (table[:, 0] for table in single_values(problem))
    possible = np.sort(values[np.broadcast_to(shares, values.shape) > 0])
    if isinstance(mode, Bernoulli):
        fraction = float(problem.grid.of(mode.fraction)[0]) * len(values)
        return float(possible[possible < 0].sum()) / fraction, float(possible[possible > 0].sum()) / fraction
    if mode in SUBSET:
        return float(possible[: problem.size].mean()), float(possible[-problem.size :].mean())
    if mode == Sampling.CYCLIC:
        means = values.reshape(-1, problem.size).mean(axis=1)
        return float(means.min()), float(means.max())
    return float(possible[0]), float(possible[-1])


def _sample_range(problem: Problem) -> tuple[float, float] | None:
    """The range of one sample's curvature, over the outcomes of the finite laws and the components of mixtures."""
    if problem.randomness.of(problem.curvature).outcome_count > TERMS:
        return None
    low, high = np.inf, -np.inf
    for case, share in problem.cases():
        if float(problem.grid.of(share)[0]) <= 0:
            continue
        found = _conditional_range(case)
        if found is None:
            return None
        low, high = min(low, found[0]), max(high, found[1])
    return low, high


def _conditional_range(case: Problem) -> tuple[float, float] | None:
    names = [name for symbols, _ in case.randomness.groups for name in symbols]
    if not names:
        value = float(case.grid.of(case.curvature)[0])
        return value, value
    if not case.curvature.is_polynomial(*names):
        return None
    supports = {}
    for symbols, law in case.randomness.groups:
        part = component(law, case.grid) if len(symbols) == 1 else None
        if part is None and not (len(symbols) > 1 and law.is_finite is False):
            return None
        if part is None or part.standard.cut or not np.isfinite([part.standard.lower, part.standard.upper]).all():
            return -np.inf, np.inf  # |h| is unbounded, on which side makes no difference to |m|
        ends = part.location[0] + part.scale[0] * np.array([part.standard.lower, part.standard.upper])
        supports[symbols[0]] = (float(ends[0]), float(ends[1]))
    return _over_box(case, supports)


def _over_box(case: Problem, supports: dict[sympy.Symbol, tuple[float, float]]) -> tuple[float, float] | None:
    """The range of a polynomial of one number on an interval, or of one that is affine in each of several on a box."""
    names = list(supports)
    values = {s: sympy.Float(float(v[0]), 17) for s, v in case.grid.values.items()}
    polynomial = sympy.Poly(case.curvature.xreplace(values), *names)
    places: list[tuple[float, ...]]
    if len(names) == 1:
        low, high = supports[names[0]]
        turning = np.roots([float(c) for c in polynomial.diff().all_coeffs()])
        inside = [float(r.real) for r in turning if abs(r.imag) < 1e-9 and low < r.real < high]
        places = [(place,) for place in (low, high, *inside)]
    elif all(polynomial.degree(name) <= 1 for name in names):
        places = [tuple(corner) for corner in product(*supports.values())]
    else:
        return None
    found: Array = np.array([float(polynomial.eval(place)) for place in places])
    return float(found.min()), float(found.max())
