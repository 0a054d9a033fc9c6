"""One engine for expectations: linearity and independence, moments, enumeration, and otherwise a quadrature node."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sympy
from sympy import Expr, ImmutableDenseMatrix, Symbol

from theory.algebra import NotPolynomial, derive_in_algebra
from theory.errors import MomentDiverges, UnsupportedExpectation
from theory.expectation.groups import Averager, GaussianGroup, Group, LawGroup, coefficient_symbols
from theory.expectation.quadrature import GaussianQuadrature, Quadrature

Groups = Sequence[GaussianGroup | LawGroup]


def expectation(expression: Any, data: Mapping[Any, Any]) -> Expr:
    """Return the expectation of a scalar expression over independent random symbols.

    Parameters: `expression`; `data`, a mapping from random symbols (or tuples of symbols with a joint law) to laws.

    Polynomials are averaged exactly from the moments of the laws; finite laws are enumerated; what is left becomes a
    `Quadrature` or `GaussianQuadrature` node. Nothing is approximated. Raises `MomentDoesNotExist` for an infinite moment,
    `UnsupportedExpectation` where not even a quadrature can be stated.

    >>> from theory import Normal, expectation, symbols
    >>> a, x = symbols("a x")
    >>> expectation((a + x)**4, {x: Normal()})
    a**4 + 6*a**2 + 3
    """
    groups = [LawGroup(key if isinstance(key, tuple) else (key,), law) for key, law in data.items()]
    return average(sympy.sympify(expression), groups)


def average(expression: Expr, groups: Groups) -> Expr:
    """E of `expression` over independent groups."""
    present = [group for group in groups if _depends(expression, group)]
    if not present:
        return expression
    try:
        return average_polynomial(expression, present)
    except NotPolynomial:
        return _average_by_terms(expression, present)


def average_polynomial(expression: Expr, groups: Sequence[Group]) -> Expr:
    """E of an expression that is polynomial in the random symbols; raises `NotPolynomial` otherwise."""
    symbols = tuple(symbol for group in groups for symbol in group.symbols)
    hints = [
        s
        for s in coefficient_symbols([expression, *(hint for group in groups for hint in group.hints())])
        if s not in symbols
    ]

    def derivation(algebra: Any) -> Expr:
        return algebra.expression(Averager(algebra, tuple(groups)).average(algebra.element(expression)))

    return derive_in_algebra(derivation, symbols, hints)


def _depends(expression: Expr, group: GaussianGroup | LawGroup) -> bool:
    return any(expression.has(symbol) for symbol in group.symbols)


def _average_by_terms(expression: Expr, groups: Groups) -> Expr:
    """Linearity and independence: split a sum, and each term into independent factors; gather what needs quadrature."""
    done: list[Expr] = []
    pending: dict[tuple[int, ...], list[Expr]] = {}
    for term in sympy.Add.make_args(_expanded(expression)):
        outside, clusters = _independent_clusters(term, groups)
        closed, open_clusters = outside, []
        for factor, members in clusters:
            try:
                closed *= average_polynomial(factor, [groups[i] for i in members])
            except NotPolynomial:
                open_clusters.append((factor, members))
        if not open_clusters:
            done.append(closed)
        elif len(open_clusters) == 1:
            factor, members = open_clusters[0]
            pending.setdefault(members, []).append(closed * factor)
        else:
            done.append(closed * sympy.Mul(*(_hard(factor, [groups[i] for i in m]) for factor, m in open_clusters)))
    for members, parts in pending.items():
        done.append(_hard(sympy.Add(*parts), [groups[i] for i in members]))
    return sympy.Add(*done)


def _expanded(expression: Expr) -> Expr:
    """Products and whole powers of sums multiplied out, the insides of functions left alone (also h(x) * (sum)**2)."""
    if expression.is_Add:
        return sympy.Add(*map(_expanded, expression.args))
    if expression.is_Mul:
        return sympy.Mul(*map(_expanded, expression.args)).expand(deep=False)
    return expression.expand(deep=False) if expression.is_Pow else expression


def _independent_clusters(term: Expr, groups: Groups) -> tuple[Expr, list[tuple[Expr, tuple[int, ...]]]]:
    """A product as (non-random factor, [(factor, indices of the groups it depends on)]), factors independent."""
    outside: list[Expr] = []
    clusters: list[tuple[list[Expr], set[int]]] = []
    for factor in sympy.Mul.make_args(term):
        members = {index for index, group in enumerate(groups) if _depends(factor, group)}
        if not members:
            outside.append(factor)
            continue
        touching = [cluster for cluster in clusters if cluster[1] & members]
        clusters = [cluster for cluster in clusters if not cluster[1] & members]
        clusters.append((sum((c[0] for c in touching), []) + [factor], members.union(*(c[1] for c in touching))))
    return sympy.Mul(*outside), [(sympy.Mul(*factors), tuple(sorted(members))) for factors, members in clusters]


def _hard(expression: Expr, groups: Groups) -> Expr:
    """E of an expression that is no polynomial: enumerate finite laws, then integrate out densities, then Gaussians."""
    from theory.laws import Mixture

    for group in groups:
        if not isinstance(group, (GaussianGroup, LawGroup)):
            raise UnsupportedExpectation(
                f"E of {expression}: {', '.join(map(str, group.symbols))} can be averaged in polynomials "
                f"only, apart from non-polynomial functions of other random quantities"
            )
    for group in groups:
        if isinstance(group, LawGroup) and group.law.is_finite and _depends(expression, group):
            rest = [other for other in groups if other is not group]
            total = []
            for value, probability in group.law.outcomes():
                slots = value if isinstance(value, (tuple, sympy.Tuple)) else (value,)
                images = dict(zip(group.symbols, map(sympy.sympify, slots), strict=True))
                total.append(probability * average(expression.xreplace(images), rest))
            return sympy.Add(*total)
    for group in groups:
        if isinstance(group, LawGroup) and isinstance(
            group.law, Mixture
        ):  # its parts may be points, or differ in support
            rest = [other for other in groups if other is not group]
            parts = zip(group.law.laws, group.law.weights, strict=True)
            return sympy.Add(
                *(
                    weight * average(expression, [*rest, LawGroup(group.symbols, law)])
                    for law, weight in parts
                    if weight != 0
                )
            )
    gaussian, others, expression = _gather_gaussian(expression, groups)
    result = _gaussian_node(expression, gaussian)
    for group in others:
        result = _density_node(result, group)
    return result


def _gather_gaussian(expression: Expr, groups: Groups) -> tuple[list[tuple[Expr, int]], list[LawGroup], Expr]:
    """All Gaussian symbols as centred variables with one joint covariance; the other groups are returned apart."""
    from theory.laws import Normal

    others: list[LawGroup] = []
    shifts: dict[Expr, Expr] = {}
    entries: list[tuple[Expr, int, Any]] = []
    for number, group in enumerate(groups):
        if isinstance(group, GaussianGroup):
            entries += [(symbol, number, group) for symbol in group.symbols]
        elif isinstance(group.law, Normal):
            size = len(group.symbols)
            units = [tuple(int(i == j) for j in range(size)) for i in range(size)]
            means = [group.law.moment(unit if size > 1 else 1) for unit in units]
            covariance = {
                (a, b): group.law.moment(
                    tuple(p + q for p, q in zip(units[i], units[j], strict=True)) if size > 1 else 2
                )
                - means[i] * means[j]
                for i, a in enumerate(group.symbols)
                for j, b in enumerate(group.symbols)
            }
            shifts.update({s: s + m for s, m in zip(group.symbols, means, strict=True) if m != 0})
            centred = GaussianGroup(group.symbols, {key: sympy.expand(value) for key, value in covariance.items()})
            entries += [(symbol, number, centred) for symbol in group.symbols]
        else:
            others.append(group)
    shifted = expression.xreplace(shifts)
    return [entry for entry in entries if shifted.has(entry[0])], others, shifted  # type: ignore[misc]


def _gaussian_node(expression: Expr, entries: list[Any]) -> Expr:
    if not entries:
        return expression
    names = [Symbol(f"_y{index}", real=True) for index in range(len(entries))]
    matrix = [
        [a_group.covariance[a, b] if a_number == b_number else sympy.S.Zero for b, b_number, _ in entries]
        for a, a_number, a_group in entries
    ]
    images = {symbol: name for (symbol, _, _), name in zip(entries, names, strict=True)}
    _refuse_growth(expression.xreplace(images), names)
    return GaussianQuadrature(expression.xreplace(images), names, ImmutableDenseMatrix(matrix))


def _refuse_growth(integrand: Expr, names: list[Symbol]) -> None:
    """Raise `MomentDiverges` for a term that grows like the exponential of a positive square, as exp(s**2) does.

    Whether such an average exists depends on the covariance, hence on the state: exp(a s^2) needs 2 a Var(s) < 1.
    """
    for term in sympy.Add.make_args(sympy.expand(integrand, deep=False)):
        exponent = sympy.Add(*(f.args[0] for f in sympy.Mul.make_args(term) if isinstance(f, sympy.exp)))
        if not exponent.has(*names) or not exponent.is_polynomial(*names):
            continue
        polynomial = sympy.Poly(exponent, *names)
        degree = polynomial.total_degree()
        hessian = sympy.hessian(exponent, names) if degree == 2 else sympy.zeros(1, 1)
        if degree > 2 or (hessian.is_negative_semidefinite is not True and degree == 2):
            raise MomentDiverges(
                f"the average of a term with exp({exponent}) over Gaussian {', '.join(map(str, names))} is infinite, or finite "
                f"only where their variance is small; state a loss that grows more slowly, or give the coefficient of the square "
                f"a negative sign (symbols: negative=True)"
            )


def _density_node(expression: Expr, group: LawGroup) -> Expr:
    if len(group.symbols) != 1:
        raise UnsupportedExpectation(
            f"E over the joint law {group.law} of {group.symbols} has no closed form and no "
            f"quadrature: only scalar densities and joint Gaussians can be integrated"
        )
    variable = Symbol("_u", real=True)
    support, density = group.law.support, group.law.density(variable)
    # the first piece of a density holds on its support, which the limits already say
    density = density.xreplace({piecewise: piecewise.args[0].expr for piecewise in density.atoms(sympy.Piecewise)})
    return Quadrature(expression.xreplace({group.symbols[0]: variable}), variable, density, support.inf, support.sup)
