r"""One sample, one continuous symbol: log|multiplier| as potentials at its roots, or by quadrature over the density.

With keep + weight h(x) = a prod_j (x - r_j), E log|...| = log|a| + sum_j U(r_j). A law without a potential in floating point is
integrated on panels graded towards the real parts of the roots and the rough points of the density.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import sympy
from numpy.typing import NDArray

from numerics.stability.problem import Array, Estimate, Problem
from numerics.stability.scalar.density import by_density, expected_logarithm
from numerics.stability.scalar.log_potentials import EPSILON
from numerics.stability.scalar.roots import polynomial_roots
from numerics.stability.scalar.standard_laws import Component, component
from theory import ExponentKind
from theory.stability.batches import batch_mean_law, single_symbol
from theory.stability.closed_form import marginal

ACCURACY = 1e-9
"""The largest error of a sum of potentials; beyond, the density is integrated."""
TERMS = 4096
"""Joint outcomes of the finite laws that are visited one by one at most."""


def by_batch_law(problem: Problem) -> Estimate | None:
    """The exponent through the law of the batch mean, where its family is known (Gaussian, Cauchy, Gamma, squares of a Gaussian)."""
    family = batch_mean_law(problem.curvature, problem.randomness, problem.batch)
    if family is None:
        return None
    offset, slope, law = family
    variable = sympy.Dummy("y", real=True)
    return _one_variable(problem, problem.keep + problem.weight * (offset + slope * variable), variable, law)


def by_potential(problem: Problem) -> Estimate | None:
    """The exponent of single samples whose curvature is a polynomial in one continuous symbol, given the finite ones."""
    if not problem.batch.is_single:
        return None
    return over_cases(problem, _given_outcome)


def over_cases(problem: Problem, road: Callable[[Problem], Estimate | None]) -> Estimate | None:
    """The average of a road over the outcomes of the finite laws and of mixtures; None if it is closed to one of them."""
    if problem.randomness.of(problem.curvature).outcome_count > TERMS:
        return None
    values, errors = np.zeros(problem.grid.size), np.zeros(problem.grid.size)
    kind = ExponentKind.CLOSED_FORM
    for case, share in problem.cases():
        part = road(case)
        if part is None:
            return None
        probability = problem.grid.of(share)
        taken = probability > 0  # an outcome of probability zero may have the exponent minus infinity
        values[taken] += probability[taken] * part.values[taken]
        errors[taken] += probability[taken] * part.errors[taken]
        kind = ExponentKind.QUADRATURE if part.kind == ExponentKind.QUADRATURE else kind
    return problem.estimate(values, errors, kind)


def constant(problem: Problem) -> Estimate | None:
    """The exponent of a curvature without randomness."""
    if problem.randomness.of(problem.curvature).groups:
        return None
    with np.errstate(divide="ignore"):
        values = np.log(np.abs(problem.grid.of(problem.keep + problem.weight * problem.curvature)))
    return problem.estimate(values, 4 * np.finfo(float).eps, ExponentKind.CLOSED_FORM)


def _given_outcome(problem: Problem) -> Estimate | None:
    known = constant(problem)
    if known is not None:
        return known
    symbol = single_symbol(problem.curvature, problem.randomness)
    if symbol is None or len(problem.randomness.groups) != 1:
        return by_density(problem)
    law = marginal(problem.randomness.groups[0], symbol)
    return (
        None if law is None else _one_variable(problem, problem.keep + problem.weight * problem.curvature, symbol, law)
    )


def _one_variable(problem: Problem, multiplier: sympy.Expr, variable: sympy.Symbol, law: object) -> Estimate | None:
    part = component(law, problem.grid)
    if part is None:
        return None
    polynomial = problem.grid.table(sympy.Poly(multiplier, variable).all_coeffs()).T  # (point, degree + 1)
    values, errors, exact = expected_log(polynomial, part)
    return problem.estimate(values, errors, ExponentKind.CLOSED_FORM if exact else ExponentKind.QUADRATURE)


def expected_log(polynomial: Array, part: Component) -> tuple[Array, Array, bool]:
    """E log|polynomial(location + scale y)| for rows of coefficients (point, degree + 1), its error, and whether by potentials alone.

    Leading coefficients may vanish at some points: the degree is then lower there; so may the scale: the law is then a point. Where
    a potential is missing or cancels, the density is integrated.
    """
    values, errors = np.empty(len(polynomial)), np.empty(len(polynomial))
    degrees = polynomial.shape[1] - 1 - np.argmax(polynomial != 0, axis=1)
    degrees = np.where(part.scale == 0, 0, degrees)
    exact = True
    for degree in np.unique(degrees):
        rows = degrees == degree
        if degree == 0:
            at_point = np.array(
                [np.polyval(row, x) for row, x in zip(polynomial[rows], part.location[rows], strict=True)]
            )
            with np.errstate(divide="ignore"):
                values[rows], errors[rows] = np.log(np.abs(at_point)), 8 * EPSILON
            continue
        coefficients = polynomial[rows][:, polynomial.shape[1] - 1 - degree :]
        found, displacement = polynomial_roots(coefficients)
        roots = (found - part.location[rows, None]) / part.scale[rows, None]
        leading = np.log(np.abs(coefficients[:, 0])) + degree * np.log(part.scale[rows])
        value, error = _sum_of_potentials(roots, part)
        coarse = error > ACCURACY
        for index in np.flatnonzero(coarse):
            value[index], error[index] = _by_quadrature(roots[index], part)
        exact = exact and not coarse.any()
        shift = 2 * (displacement / part.scale[rows, None]).sum(axis=1)  # |U'| is of order one next to a standard law
        values[rows] = leading + value
        errors[rows] = error + shift + 8 * EPSILON * (np.abs(leading) + np.abs(value))
    return values, errors, exact


def _sum_of_potentials(roots: NDArray[np.complex128], part: Component) -> tuple[Array, Array]:
    if part.standard.potential is None:
        return np.zeros(len(roots)), np.full(len(roots), np.inf)
    values, errors = part.standard.potential(roots)
    return values.sum(axis=1), errors.sum(axis=1)


def _by_quadrature(roots: NDArray[np.complex128], part: Component) -> tuple[float, float]:
    """Sum over the roots of E log|y - r|."""
    return expected_logarithm(
        lambda y: np.log(np.abs(y[:, None] - roots[None, :])).sum(axis=1),
        part.standard,
        part.standard.breaks(np.real(roots)),
    )
