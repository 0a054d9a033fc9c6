r"""The moment exponent of a scalar block in numbers, $L(p) = \log\mathbb E|m|^p$ per step: the first road that is open to it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from numerics.stability.problem import Array, Estimate, Grid, Problem
from numerics.stability.scalar.exponent import problems, together
from numerics.stability.scalar.power_contour import by_contour
from numerics.stability.scalar.power_real_axis import by_closed_characteristic, by_real_axis
from numerics.stability.scalar.power_roads import (
    by_batch_law,
    by_conditioning,
    by_moments,
    by_monte_carlo,
    by_one_number,
    constant,
    enumerated,
    highest_order,
)
from theory import Block, ExponentKind
from theory.errors import InvalidRequest, UnsupportedExpectation

ROADS = (
    constant,
    enumerated,
    by_moments,
    by_batch_law,
    by_one_number,
    by_contour,
    by_closed_characteristic,
    by_conditioning,
    by_real_axis,
)
"""In this order; each returns None where it is closed. The last resort, random draws, is open to all powers p > -1/2."""


def scalar_moment_exponent(block: Block, grid: Grid, order: float, *, seed: int = 0) -> Estimate:
    """Return L(order) = log E|m|^order of a scalar block at every point of a grid, each point by the best road open to its batch size.

    Plus infinity where the moment does not exist, minus infinity where the multiplier vanishes with certainty.

    Parameters
    ----------
    block : a scalar block.
    grid : values of every symbol.
    order : the real number p. Beyond p <= -1 only finite laws and functions of one random number are covered.
    seed : of random draws, the last resort.

    Raises `InvalidRequest` for an order that is no finite real number, `ValuesError` for a batch size that is no positive whole number,
    `UnsupportedExpectation` where it is not known whether the moment exists.

    Validity: L is convex in p, L(0) = 0, L'(0) = Lambda. Steps of one epoch are dependent: of reshuffled data the exponent is that of
    an epoch over its steps.

    References: Liu Ziyin, Botao Li, Tomer Galanti, Masahito Ueda, The Probabilistic Stability of Stochastic Gradient Descent (2023,
    arXiv 2303.13093).

    >>> import numpy as np
    >>> from theory import SGD, Model, Normal, stability, symbols
    >>> u, x, eta = *symbols("u x"), symbols("eta", positive=True)
    >>> block = stability(Model((u*x)**2/2, [u], {x: Normal()}), SGD(eta), point={u: 0}).blocks[0]
    >>> np.exp(scalar_moment_exponent(block, Grid({eta: np.array([0.5])}, 1), 2.0).values)
    array([0.75])
    """
    power = checked_order(order)
    if power == 0:
        return Estimate(np.zeros(grid.size), np.zeros(grid.size), ExponentKind.CLOSED_FORM)
    parts = [(rows, _existing(problem, power)) for rows, problem in problems(block, grid, seed)]
    return together(parts, grid.size)


def checked_order(order: float) -> float:
    """The order as a number. Raises `InvalidRequest`."""
    try:
        power = float("nan") if isinstance(order, bool) else float(order)
    except (TypeError, ValueError):
        power = float("nan")
    if not np.isfinite(power):
        raise InvalidRequest(f"order={order!r}: expected a finite real number, the power p in E|m|^p")
    return power


def _existing(problem: Problem, order: float) -> Estimate:
    """By the first open road, at the points where E|m|^order is finite."""
    limit = highest_order(problem) if order > 0 else np.full(problem.grid.size, np.inf)
    if limit is None:
        return _undecided_existence(problem, order)
    infinite = order >= limit
    if not infinite.any():
        return _by_first_road(problem, order)
    values, errors = np.full(problem.grid.size, np.inf), np.zeros(problem.grid.size)
    kind = ExponentKind.CLOSED_FORM
    if not infinite.all():
        found = _by_first_road(replace(problem, grid=problem.grid.subset(~infinite)), order)
        values[~infinite], errors[~infinite], kind = found.values, found.errors, found.kind
    return problem.estimate(values, errors, kind)


def _undecided_existence(problem: Problem, order: float) -> Estimate:
    """A curvature that is no polynomial in heavy-tailed numbers: of one number the tail is measured, of several it is not known."""
    found = by_one_number(problem, order)
    if found is None:
        raise UnsupportedExpectation(
            f"whether E|m|^{order:g} is finite is not known for the curvature {problem.curvature} of heavy-tailed numbers, which is no "
            f"polynomial in them"
        )
    return found


def _by_first_road(problem: Problem, order: float) -> Estimate:
    for road in ROADS:
        found = road(problem, order)
        if found is not None:
            return found
    if order <= -0.5:
        raise UnsupportedExpectation(
            f"the negative moment of order {order:g} of {problem.curvature} has no quadrature here, and random draws of it have no finite "
            f"variance; ask for an order above -1/2"
        )
    return by_monte_carlo(problem, order)


def scalar_highest_order(block: Block, grid: Grid) -> float:
    """The supremum of the orders at which E|m|^p is finite at every point of a grid, infinity where all are or it is not known."""
    limits = [highest_order(problem) for _, problem in problems(block, grid, 0)]
    return min((float(limit.min()) for limit in limits if limit is not None), default=np.inf)


LOG_VARIANCE_SPAN = 0.3
"""L is interpolated on (-span, span) for its second derivative; it is analytic on (-1, p_max)."""


def scalar_log_variance(block: Block, grid: Grid, *, seed: int = 0) -> Estimate:
    r"""Return Var log|m| = L''(0) of a scalar block at every point: the variance of log|theta| that a step adds.

    Plus infinity where the multiplier vanishes with positive probability.

    From L at Chebyshev points around zero, on which L is analytic; the error is the difference to a coarser interpolation.
    """
    span = min(LOG_VARIANCE_SPAN, 0.6 * scalar_highest_order(block, grid))
    fine, coarse = (_second_derivative(block, grid, span, count, seed) for count in (15, 11))
    with np.errstate(invalid="ignore"):
        errors = np.abs(fine.values - coarse.values) + fine.errors
    return Estimate(fine.values, np.nan_to_num(errors, nan=0.0), fine.kind)


def _second_derivative(block: Block, grid: Grid, span: float, count: int, seed: int) -> Estimate:
    nodes = np.polynomial.chebyshev.chebpts1(count)
    nodes = nodes[np.abs(nodes) > 1e-12]
    found = [scalar_moment_exponent(block, grid, span * node, seed=seed) for node in nodes]
    table = np.array([np.zeros(grid.size), *(estimate.values for estimate in found)])  # (node, point)
    weights = _weights(np.concatenate([[0.0], nodes])) / span**2
    infinite = ~np.isfinite(table).all(axis=0)
    values = weights @ np.where(infinite, 0.0, table)
    values[infinite] = np.inf
    errors = np.abs(weights[1:]) @ np.array([np.nan_to_num(estimate.errors) for estimate in found])
    worst = max((estimate.kind for estimate in found), key=list(ExponentKind).index)
    return Estimate(values, np.where(infinite, 0.0, errors), worst)


def _weights(nodes: Array) -> Array:
    """Weights of the values at nodes in the second derivative at zero of the interpolating polynomial."""
    vandermonde = np.polynomial.chebyshev.chebvander(nodes, len(nodes) - 1)
    identity = np.eye(len(nodes))
    at_zero = [np.polynomial.chebyshev.chebval(0.0, np.polynomial.chebyshev.chebder(row, 2)) for row in identity]
    return np.asarray(np.linalg.solve(vandermonde.T, np.array(at_zero)))
