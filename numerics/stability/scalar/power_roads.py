r"""Roads to the moment exponent L(p) = log E|m|^p of one scalar block, each closed (None) or open to a problem.

They mirror the roads to the Lyapunov exponent (`numerics.stability.scalar.exponent`): every batch visited, even powers through moments, one
random number by quadrature over its density, batches through characteristic functions, few numbers by conditioning, random draws.
"""

from __future__ import annotations

from collections.abc import Callable
from math import comb

import numpy as np
import sympy
from scipy.special import logsumexp

from numerics.stability.problem import Array, Estimate, Problem
from numerics.stability.scalar.conditional import conditioned, is_few, one_sample
from numerics.stability.scalar.enumeration import WORK, all_batches, epochs, log_multipliers, single_values
from numerics.stability.scalar.monte_carlo import batch_logarithms, epoch_logarithms
from numerics.stability.scalar.potentials import TERMS
from numerics.stability.scalar.power_laws import by_density, log_expected_powers, log_power
from numerics.stability.scalar.standard_laws import Component, component
from theory import ExponentKind, Sampling
from theory.algorithm import Bernoulli
from theory.errors import MomentDoesNotExist
from theory.stability.batch_moments import (
    DEPENDENT,
    batch_central_moments,
    batch_moments,
    bernoulli_cumulants,
    bernoulli_sum_cumulants,
    from_cumulants,
)
from theory.stability.batches import SUBSET, batch_mean_law, single_symbol
from theory.stability.closed_form import marginal

ACCEPTED = 1e-5
"""The largest error of an answer by conditioning; beyond, the roads that follow do better."""
CANCELLED = 1e-11
"""The largest rounding error of a power through moments; beyond, it is integrated."""
HIGHEST = 64
"""The largest even power that is taken through moments."""
EPSILON = float(np.finfo(float).eps)
INTEGRALS = 6_000
"""Outer nodes times points of the conditioning road at most, each an integral of about a millisecond."""

Road = Callable[[Problem, float], Estimate | None]


def constant(problem: Problem, order: float) -> Estimate | None:
    """The exponent of a curvature without randomness."""
    if problem.randomness.of(problem.curvature).groups:
        return None
    values = log_power(problem.grid.of(problem.keep + problem.weight * problem.curvature), order)
    return problem.estimate(values, 4 * EPSILON * (1 + abs(order)), ExponentKind.CLOSED_FORM)


def enumerated(problem: Problem, order: float) -> Estimate | None:
    """The exponent by visiting every batch, of one step or of one epoch."""
    mode = problem.batch.mode
    error = 64 * EPSILON * (1 + abs(order))

    def power(means: Array) -> Array:
        with np.errstate(invalid="ignore"):
            return np.asarray(order * log_multipliers(problem, means))

    if mode == Sampling.RESHUFFLED:
        values, _ = single_values(problem)
        whole = epochs(values, problem.size, WORK // 30, power)
        if whole is None:
            return None
        return problem.estimate(whole * problem.size / len(values), error, ExponentKind.CLOSED_FORM)
    visited = all_batches(problem)
    if visited is None:
        return None
    total = np.full(problem.grid.size, -np.inf)
    for means, shares in visited:
        if mode == Sampling.CYCLIC:  # one product, its power the power of the product
            total = (power(means) * shares).sum(axis=0)
        else:
            weights = np.broadcast_to(shares, means.shape)
            part = logsumexp(np.where(weights > 0, power(means), -np.inf), b=weights, axis=0)
            total = np.logaddexp(total, part)
    return problem.estimate(total, error, ExponentKind.CLOSED_FORM)


def by_moments(problem: Problem, order: float) -> Estimate | None:
    """Even powers: a polynomial in the mean and the central moments of the batch mean, which cancel little."""
    if order % 2 or not 0 < order <= HIGHEST:
        return None
    count = int(order)
    moments = central_moments(problem, count)
    if moments is None:
        return None
    keep, weight = problem.grid.table([problem.keep, problem.weight])
    mean, central = moments
    terms = np.array(
        [comb(count, k) * (keep + weight * mean) ** (count - k) * weight**k * central[k] for k in range(count + 1)]
    )
    total, size = terms.sum(axis=0), np.abs(terms).sum(axis=0)
    with np.errstate(all="ignore"):
        errors = 4 * count * EPSILON * size / np.abs(total)
        values = np.log(np.abs(total))
    if not np.all(np.isfinite(values)) or not np.all(errors <= CANCELLED):
        return None
    return problem.estimate(values, errors, ExponentKind.CLOSED_FORM)


def central_moments(problem: Problem, count: int) -> tuple[Array, list[Array]] | None:
    """The mean of a batch mean and its central moments from 0 to `count`, at every point."""
    batch, present = problem.batch, problem.randomness.of(problem.curvature)
    if batch.mode in DEPENDENT:
        return None
    if present.continuous:
        try:
            symbolic = batch_moments(problem.curvature, problem.randomness, batch, count)
        except (
            MomentDoesNotExist
        ):  # for every value of a parameter of the law; here it has one, and the moment was found to exist
            return None
        if symbolic is None:
            return None
        mean, *rest = problem.grid.table([symbolic[0], *symbolic[1]])
        return mean, rest
    values, shares = single_values(problem)  # central from the start: powers of data far from zero would cancel
    mean = (shares * values).sum(axis=0)
    if isinstance(batch.mode, Bernoulli):
        powers = [(shares * values**k).sum(axis=0) for k in range(count + 1)]
        numbers = problem.grid.table([batch.mode.fraction, *bernoulli_cumulants(batch.mode.fraction, count)])
        return mean, from_cumulants(bernoulli_sum_cumulants(powers, numbers[0], list(numbers[1:]), len(values)))
    powers = [(shares * (values - mean) ** k).sum(axis=0) for k in range(count + 1)]
    return mean, batch_central_moments(powers, batch.size, len(values) if batch.mode in SUBSET else None)


def by_batch_law(problem: Problem, order: float) -> Estimate | None:
    """Through the law of the batch mean, where its family is known (Gaussian, Cauchy, Gamma, squares of a Gaussian)."""
    family = batch_mean_law(problem.curvature, problem.randomness, problem.batch)
    if family is None:
        return None
    offset, slope, law = family
    variable = sympy.Dummy("y", real=True)
    return _one_variable(problem, problem.keep + problem.weight * (offset + slope * variable), variable, law, order)


def by_one_number(problem: Problem, order: float) -> Estimate | None:
    """Single samples whose curvature is a function of one continuous symbol, given the finite ones."""
    return power_over_cases(problem, order, _given_outcome) if problem.batch.is_single else None


def by_conditioning(problem: Problem, order: float) -> Estimate | None:
    """Batches that hold few continuous symbols together: integrals over one of them, averaged over the others."""
    if not is_few(problem):
        return None

    def road(case: Problem, power: float) -> Estimate | None:
        known = constant(case, power)
        if known is not None:
            return known

        def inner(table: Array, part: Component) -> Array:
            values = log_expected_powers(table, part, power)[0]
            return np.asarray(np.exp(values))

        found = conditioned(case, inner, INTEGRALS)
        if found is None:
            return None
        with np.errstate(all="ignore"):
            return case.estimate(np.log(found.values), found.errors / found.values, ExponentKind.QUADRATURE)

    found = power_over_cases(one_sample(problem), order, road)
    return found if found is not None and np.all(found.errors <= ACCEPTED) else None


def by_monte_carlo(problem: Problem, order: float) -> Estimate:
    """From random batches (or epochs), with the standard error of the logarithm of a mean; infinite where |m|^p has no variance."""
    limits = highest_order(problem)
    heavy = np.zeros(problem.grid.size, dtype=bool) if limits is None or order < 0 else 2 * order >= limits
    if problem.batch.mode == Sampling.RESHUFFLED:
        draws, steps = epoch_logarithms(problem)
    else:
        draws, steps = batch_logarithms(problem), 1
    values, errors = np.empty(problem.grid.size), np.empty(problem.grid.size)
    for point, logs in draws:
        powers = order * logs
        top = float(powers.max())
        if not np.isfinite(top):
            values[point], errors[point] = top, 0.0
            continue
        scaled = np.exp(powers - top)
        mean = float(scaled.mean())
        values[point] = (top + np.log(mean)) / steps
        spread = float(scaled.std()) / mean / np.sqrt(len(scaled) - 1) / steps
        errors[point] = np.inf if heavy[point] else spread + 1e-13
    return problem.estimate(values, errors, ExponentKind.MONTE_CARLO)


def power_over_cases(problem: Problem, order: float, road: Road) -> Estimate | None:
    """log of the average of E|m|^p over the outcomes of the finite laws and of mixtures; None if the road is closed to one."""
    if problem.randomness.of(problem.curvature).outcome_count > TERMS:
        return None
    logs, errors, kinds = [], [], []
    for case, share in problem.cases():
        part = road(case, order)
        if part is None:
            return None
        probability = problem.grid.of(share)
        with np.errstate(divide="ignore"):
            logs.append(np.where(probability > 0, np.log(probability) + part.values, -np.inf))
        errors.append(part.errors)
        kinds.append(part.kind)
    total = np.logaddexp.reduce(logs, axis=0)
    with np.errstate(all="ignore"):
        shares = np.nan_to_num(np.exp(np.array(logs) - total))
    worst = max(kinds, key=list(ExponentKind).index)
    return problem.estimate(total, (shares * np.array(errors)).sum(axis=0), worst)


def _given_outcome(problem: Problem, order: float) -> Estimate | None:
    known = constant(problem, order)
    if known is not None:
        return known
    symbol = single_symbol(problem.curvature, problem.randomness)
    if symbol is None or len(problem.randomness.groups) != 1:
        return by_density(problem, order)
    law = marginal(problem.randomness.groups[0], symbol)
    multiplier = problem.keep + problem.weight * problem.curvature
    return None if law is None else _one_variable(problem, multiplier, symbol, law, order)


def _one_variable(
    problem: Problem, multiplier: sympy.Expr, variable: sympy.Symbol, law: object, order: float
) -> Estimate | None:
    part = component(law, problem.grid)
    if part is None:
        return None
    polynomial = problem.grid.table(sympy.Poly(multiplier, variable).all_coeffs()).T  # (point, degree + 1)
    values, errors = log_expected_powers(polynomial, part, order)
    return problem.estimate(values, errors, ExponentKind.QUADRATURE)


def highest_order(problem: Problem) -> Array | None:
    """The supremum of the orders p with E|m|^p finite, at every point; None where it is not known.

    For a polynomial in independent numbers, of degree d_i in the i-th, E|m|^p is finite if and only if p d_i is below the supremum of
    the moments of each: the coefficient of the highest power vanishes on a null set only.
    """
    limit = np.full(problem.grid.size, np.inf)
    if problem.randomness.of(problem.curvature).outcome_count > TERMS:
        present = problem.randomness.of(problem.curvature).continuous
        return limit if all(law.sup_moment == sympy.oo for _, law in present) else None
    weight = problem.grid.of(problem.weight)
    for case, share in problem.cases():
        for names, law in case.randomness.groups:
            if law.sup_moment == sympy.oo:
                continue
            if not case.curvature.is_polynomial(*names):
                return None
            degree = max(sympy.Poly(case.curvature, name).degree() for name in names)
            reached = (problem.grid.of(share) > 0) & (weight != 0)
            limit = np.where(reached, np.minimum(limit, problem.grid.of(law.sup_moment) / degree), limit)
    return limit
