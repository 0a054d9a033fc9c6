r"""One sample, one continuous symbol: log|multiplier| as potentials at its roots, or by quadrature over the density.

With keep + weight h(x) = a prod_j (x - r_j), E log|...| = log|a| + sum_j U(r_j). A law without a potential in floating point is
integrated on panels graded towards the real parts of the roots and the rough points of the density.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import sympy
from numpy.typing import NDArray

from numerics.stability.density import by_density
from numerics.stability.panels import composite, graded
from numerics.stability.problem import Array, Estimate, Problem
from numerics.stability.standard_laws import Component, component
from theory import ExponentKind
from theory.stability.batches import batch_mean_law, single_symbol
from theory.stability.closed_form import marginal

ACCURACY = 4e-11
"""Error of a floating-point potential."""
TERMS = 4096
"""Joint outcomes of the finite laws that are visited one by one at most."""
NODES = (20, 14)
"""Nodes per panel of the quadrature, and of the coarser rule that judges it."""


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
    """E log|polynomial(location + scale y)| for rows of coefficients (point, degree + 1), its error, and whether by potentials.

    Leading coefficients may vanish at some points: the degree is then lower there.
    """
    values, errors = np.empty(len(polynomial)), np.empty(len(polynomial))
    degrees = polynomial.shape[1] - 1 - np.argmax(polynomial != 0, axis=1)
    exact = part.standard.potential is not None
    for degree in np.unique(degrees):
        rows = degrees == degree
        coefficients = polynomial[rows][:, polynomial.shape[1] - 1 - degree :]
        roots = (_roots(coefficients) - part.location[rows, None]) / part.scale[rows, None]
        with np.errstate(divide="ignore"):
            leading = np.log(np.abs(coefficients[:, 0])) + degree * np.log(part.scale[rows])
        if exact and part.standard.potential is not None:
            values[rows] = leading + part.standard.potential(roots).sum(axis=1)
            errors[rows] = ACCURACY * (degree + np.abs(values[rows]))
        else:
            found = [_by_quadrature(row, part) for row in roots]
            values[rows] = leading + np.array([value for value, _ in found])
            errors[rows] = [error for _, error in found]
    return values, errors, exact


def _roots(coefficients: Array) -> NDArray[np.complex128]:
    """The roots of rows of coefficients with non-zero leading ones, shape (point, degree)."""
    degree = coefficients.shape[1] - 1
    if degree == 0:
        return np.empty((len(coefficients), 0), dtype=complex)
    monic = coefficients / coefficients[:, :1]
    if degree == 1:
        return -monic[:, 1:].astype(complex)
    if degree == 2:
        half, product = -monic[:, 1] / 2, monic[:, 2]
        root = np.sqrt((half**2 - product).astype(complex))
        larger = np.where(half >= 0, half + root, half - root)  # without cancellation
        other = np.divide(product, larger, out=np.zeros_like(larger), where=larger != 0)
        return np.stack([larger, other], axis=1)
    companion = np.zeros((len(coefficients), degree, degree))
    companion[:, 0, :] = -monic[:, 1:]
    companion[:, np.arange(1, degree), np.arange(degree - 1)] = 1
    return np.linalg.eigvals(companion).astype(complex)


def _by_quadrature(roots: NDArray[np.complex128], part: Component) -> tuple[float, float]:
    """Sum over the roots of E log|y - r|, and the difference to a coarser rule."""
    law = part.standard
    breaks = graded([*np.real(roots).tolist(), *law.rough], law.lower, law.upper)
    found = []
    for count in NODES:
        nodes, weights = composite(breaks, count)
        with np.errstate(all="ignore"):
            logs = np.log(np.abs(nodes[:, None] - roots[None, :])).sum(axis=1)
            terms = weights * law.density(nodes) * logs
        found.append(float(np.sum(terms[np.isfinite(terms)])))
    return found[0], abs(found[0] - found[1]) + 1e-14
