r"""The exponent E log|keep + weight * mean curvature| of a scalar block in closed form, where it has one.

Finitely many values of the batch mean give a finite sum. One continuous symbol, in which the curvature is polynomial, gives logarithmic
potentials: with keep + weight h(x) = a prod_j (x - r_j),

$$ \Lambda = \log|a| + \sum_j U(r_j), \qquad U(r) = \mathbb{E}\log|x - r|. $$

Batches of several samples are reduced to one by the law of the batch mean, where its family is known.
"""

from __future__ import annotations

from typing import Any

import sympy
from mpmath.libmp import NoConvergence
from sympy import Abs, Expr, S, Symbol

from theory.errors import UnsupportedExpectation
from theory.expectation.quadrature import Quadrature
from theory.laws.law import Law
from theory.stability.batches import LISTED, Batch, batch_mean_law, batch_mean_values, single_symbol
from theory.stability.randomness import Randomness


def closed_form(keep: Expr, weight: Expr, curvature: Expr, randomness: Randomness, batch: Batch) -> Expr | None:
    """Return the exponent as an expression, or None where this module knows no closed form."""
    values = batch_mean_values(curvature, randomness, batch)
    if values is not None:
        return sympy.Add(*(share * log_distance(keep + weight * value) for value, share in values))
    variable = sympy.Dummy("y", real=True)
    family = batch_mean_law(curvature, randomness, batch)
    if family is not None:
        offset, slope, law = family
        return _potentials(keep + weight * (offset + slope * variable), variable, law)
    if not batch.is_single or randomness.of(curvature).outcome_count > LISTED:
        return None
    return _single_sample(keep, weight, curvature, randomness.of(curvature))


def log_distance(multiplier: Expr) -> Expr:
    """log|multiplier|, minus infinity at zero."""
    value = sympy.factor_terms(multiplier)
    return S.NegativeInfinity if value == 0 else sympy.log(Abs(value))


def _single_sample(keep: Expr, weight: Expr, curvature: Expr, randomness: Randomness) -> Expr | None:
    """Enumerate the finite laws; what is left must be a polynomial in one continuous symbol."""
    total: list[Expr] = []
    for values, share in randomness.outcomes():
        conditional = sympy.expand(curvature.xreplace(values))
        left = Randomness(randomness.continuous).of(conditional)
        if not left.groups:
            total.append(share * log_distance(keep + weight * conditional))
            continue
        symbol = single_symbol(conditional, left)
        if symbol is None or len(left.groups) != 1:
            return None
        law = marginal(left.groups[0], symbol)
        part = None if law is None else _potentials(keep + weight * conditional, symbol, law)
        if part is None:
            return None
        total.append(share * part)
    return sympy.Add(*total)


def marginal(group: tuple[tuple[Symbol, ...], Any], symbol: Symbol) -> Law | None:
    """The law of one symbol of a group."""
    from theory.laws import Normal

    names, law = group
    if len(names) == 1:
        return law
    if isinstance(law, Normal):
        index = names.index(symbol)
        return Normal(law.means[index], law.covariance[index][index])
    return None


def _potentials(multiplier: Expr, symbol: Symbol, law: Any) -> Expr | None:
    """log|a| + sum of potentials at the roots; None for degrees above two with symbols, or a law without potential."""
    polynomial = sympy.Poly(multiplier, symbol)
    degree = polynomial.degree()
    leading = sympy.factor_terms(polynomial.LC())
    if degree == 0:
        return log_distance(multiplier)
    roots = _roots(polynomial)
    if roots is None:
        return None
    try:
        potentials = [law.log_potential(root) for root in roots]
    except UnsupportedExpectation:
        return None
    if any(potential.has(Quadrature) for potential in potentials):  # an integral is no closed form
        return None
    return sympy.Add(sympy.log(Abs(leading)), *potentials)


def _roots(polynomial: sympy.Poly) -> list[Expr] | None:
    """The roots with multiplicity, where they are expressible by square roots (or are numbers)."""
    if polynomial.degree() == 1:
        leading, constant = polynomial.all_coeffs()
        return [sympy.factor_terms(sympy.cancel(-constant / leading))]
    if polynomial.degree() == 2:
        a, b, c = polynomial.all_coeffs()
        half, product = sympy.cancel(-b / (2 * a)), sympy.cancel(c / a)
        root = sympy.sqrt(sympy.factor(half**2 - product))
        return [half + root, half - root]
    if polynomial.free_symbols_in_domain:
        return None
    found: list[Expr] = []
    try:
        for factor, multiplicity in polynomial.sqf_list()[1]:  # a multiple root would not converge
            found += [root for root in factor.nroots(n=30, maxsteps=200) for _ in range(multiplicity)]
    except NoConvergence:
        return None
    return [sympy.nsimplify(root) if root.is_Float and root == int(root) else root for root in found]
