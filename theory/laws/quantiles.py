"""The inverse of a distribution function by elementary functions, where it is one."""

from __future__ import annotations

from collections.abc import Sequence

import sympy
from sympy import Expr, S, Symbol
from sympy.integrals.manualintegrate import manualintegrate

from theory.laws.pieces import Piece, numerical_integral, sample_values

LONGEST = 30
"""Operations of a density up to which its distribution function is looked for."""
PROBED = (sympy.Rational(1, 9), sympy.Rational(1, 2), sympy.Rational(7, 8))
AGREEMENT = 1e-6


def derived_quantile(pieces: Sequence[Piece], variable: Symbol) -> tuple[Symbol, Expr] | None:
    """(p, expression) for a density of the given smooth pieces; None where none is found, or quadrature does not confirm it."""
    probability = Symbol("_p", positive=True)
    below, branches = S.Zero, []
    for piece in pieces:
        if piece.expression == 0:
            continue
        found = _on_piece(piece, variable, probability, below)
        if found is None:
            return None
        value, mass = found
        below = sympy.simplify(below + mass)
        branches.append((value, probability <= below))
    if below != 1:
        return None
    branches[-1] = (branches[-1][0], sympy.true)
    quantile = branches[0][0] if len(branches) == 1 else sympy.Piecewise(*branches)
    return (probability, quantile) if is_quantile(quantile, probability, pieces, variable) else None


def is_quantile(quantile: Expr, probability: Symbol, pieces: Sequence[Piece], variable: Symbol) -> bool:
    """Whether the probability below `quantile` is what it should be, by quadrature, at sample values of the parameters."""
    parts = [part for piece in pieces for part in (piece.expression, piece.lower, piece.upper)]
    sample = sample_values(set().union(*(part.free_symbols for part in parts)) - {variable})
    try:
        for p in PROBED:
            place = sympy.re(quantile.xreplace({**sample, probability: p}).evalf(20))
            total = 0.0
            for piece in pieces:
                low, high, body = (part.xreplace(sample) for part in (piece.lower, piece.upper, piece.expression))
                end = sympy.Min(high, place)
                if bool(end > low):
                    total += numerical_integral(Piece(low, end, body), variable)
            if abs(total - float(p)) > AGREEMENT:
                return False
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        return False
    return True


def _on_piece(piece: Piece, variable: Symbol, probability: Symbol, below: Expr) -> tuple[Expr, Expr] | None:
    """The quantile where the variable lies on a piece, and the probability of the piece.

    Distances from a finite end are inverted, so that a location stays outside logarithms and exponentials.
    """
    shift = piece.lower if piece.lower.is_finite else piece.upper if piece.upper.is_finite else S.Zero
    low, high = piece.lower - shift, piece.upper - shift
    density = piece.expression.xreplace({variable: variable + shift})
    if sympy.count_ops(density) > LONGEST or density.has(sympy.Piecewise, sympy.Abs, sympy.sin, sympy.cos, sympy.tan):
        return None
    part = sympy.Dummy("q", positive=True)
    try:
        primitive = manualintegrate(density, variable)
        if primitive.has(sympy.Integral, sympy.Piecewise):
            return None
        start, end = (_value(primitive, variable, at, side) for at, side in ((low, "+"), (high, "-")))
        solutions = _inverses(sympy.simplify(primitive - start), part, variable)
    except (NotImplementedError, ValueError, TypeError, RecursionError, sympy.PoleError):
        return None
    mass = sympy.simplify(end - start)
    sample = sample_values((density.free_symbols | low.free_symbols | high.free_symbols) - {variable})
    for solution in solutions:
        place = solution.xreplace({**sample, part: mass / 2}).xreplace(sample).evalf(20)
        if place.is_real and bool(place > low.xreplace(sample)) and bool(place < high.xreplace(sample)):
            return shift + solution.xreplace({part: probability - below}), mass
    return None


def _value(primitive: Expr, variable: Symbol, place: Expr, side: str) -> Expr:
    return sympy.limit(primitive, variable, place, side if place.is_finite else "+-")


def _inverses(expression: Expr, value: Expr, variable: Symbol) -> list[Expr]:
    """The variable where an expression takes a value, branch by branch: its operations undone from the outside. Empty where that fails.

    Where the variable occurs in several places, the expression must be quadratic in one function of it.
    """
    if expression == variable:
        return [value]
    if isinstance(expression, (sympy.Add, sympy.Mul)):
        apart, moving = expression.as_independent(variable, as_Add=isinstance(expression, sympy.Add))
        if moving != expression:
            return _inverses(moving, value - apart if expression.is_Add else value / apart, variable)
        return _quadratic(expression, value, variable)
    if isinstance(expression, sympy.exp):
        return _inverses(expression.args[0], sympy.log(value), variable)
    if isinstance(expression, sympy.Pow) and not expression.exp.has(variable):
        root = value ** (1 / expression.exp)
        return [
            x
            for sign in ((1, -1) if expression.exp.is_even else (1,))
            for x in _inverses(expression.base, sign * root, variable)
        ]
    inverse = _INVERSES.get(expression.func)
    return [] if inverse is None else _inverses(expression.args[0], inverse(value), variable)


_INVERSES = {sympy.log: sympy.exp, sympy.atan: sympy.tan, sympy.asin: sympy.sin, sympy.acos: sympy.cos}


def _quadratic(expression: Expr, value: Expr, variable: Symbol) -> list[Expr]:
    polynomial = sympy.Poly(sympy.numer(sympy.together(expression - value)))
    moving = [generator for generator in polynomial.gens if generator.has(variable)]
    if len(moving) != 1 or not 1 <= polynomial.degree(moving[0]) <= 2:
        return []
    coefficients = sympy.Poly(polynomial.as_expr(), moving[0]).all_coeffs()
    if len(coefficients) == 2:
        roots = [-coefficients[1] / coefficients[0]]
    else:
        a, b, c = coefficients
        middle, spread = -b / (2 * a), sympy.sqrt(sympy.expand(b**2 - 4 * a * c)) / (2 * a)
        roots = [middle + spread, middle - spread]
    return [
        x for root in roots for x in _inverses(moving[0], sympy.cancel(root) if len(roots) == 1 else root, variable)
    ]
