"""A function of one variable piece by piece: where it is not smooth, what it is between, and its integrals there.

Exact integrals are looked for by SymPy's tables of Meijer G-functions, which answer or give up within fractions of a second, and are
believed only where quadrature agrees.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import mpmath
import sympy
from sympy import Expr, S, Symbol
from sympy.integrals.meijerint import meijerint_definite

LONGEST = 40
"""Operations up to which an exact integral is looked for."""
HIGHEST = 24
"""The highest degree of a polynomial whose roots are looked for."""
AGREEMENT = 1e-6
"""The relative difference to quadrature at which an exact integral is believed."""
_SLOW = (sympy.sin, sympy.cos, sympy.tan)
_SIGNED = (sympy.Abs, sympy.sign, sympy.Heaviside)
_SCALES = (1e-6, 1e-3, 0.1, 1.0, 3.0, 10.0, 1e2, 1e4, 1e8)
"""Distances from a peak, in its widths, or from an end at which integrals are split."""


@dataclass(frozen=True)
class Piece:
    """An expression that is smooth between `lower` and `upper`."""

    lower: Expr
    upper: Expr
    expression: Expr


def rough_points(expression: Expr, variable: Symbol) -> tuple[Expr, ...]:
    """The real points, as far as they can be written down, where `expression` need not be smooth in `variable`.

    >>> x = Symbol("x", real=True)
    >>> rough_points(sympy.exp(-sympy.Abs(x - 1)) * sympy.sqrt(x), x)
    (0, 1)
    """
    found: dict[Expr, None] = {}
    for switch in _switches(expression, variable):
        found.update(dict.fromkeys(_real_zeros(switch, variable)))
    return tuple(sorted(found, key=sympy.default_sort_key))


def peaks(expression: Expr, variable: Symbol) -> tuple[tuple[float, float], ...]:
    """Stationary points of a positive function with their widths 1/sqrt|(log f)''|, where they solve a polynomial equation.

    Empty where they do not, and where the expression holds further symbols.
    """
    if expression.free_symbols != {variable}:
        return ()
    slope = sympy.together(sympy.diff(sympy.expand_log(sympy.log(expression), force=True), variable))
    numerator = sympy.numer(slope)
    if not numerator.is_polynomial(variable) or not 1 <= sympy.degree(numerator, variable) <= HIGHEST:
        return ()
    curvature = sympy.lambdify(variable, sympy.diff(slope, variable), "mpmath")
    found = []
    for root in sympy.Poly(numerator, variable).nroots(n=15, maxsteps=200):
        if abs(sympy.im(root)) < 1e-9 * (1 + abs(root)):
            place = float(sympy.re(root))
            bend = abs(float(mpmath.re(curvature(mpmath.mpf(place)))))
            found.append((place, bend**-0.5 if bend > 0 else 1.0))
    return tuple(found)


def pieces(expression: Expr, variable: Symbol, lower: Expr, upper: Expr) -> tuple[Piece, ...]:
    """The smooth pieces of an expression between two ends; a single one where the rough points cannot be put in order."""
    inside = [p for p in rough_points(expression, variable) if _is_above(p, lower) and _is_above(upper, p)]
    ordered = _in_order(inside)
    ends = (lower, *ordered, upper) if ordered is not None else (lower, upper)
    return tuple(Piece(a, b, _on_piece(expression, variable, a, b)) for a, b in pairwise(ends))


def exact_integral(piece: Piece, variable: Symbol) -> Expr | None:
    """The integral over a piece from tables; None where they hold none, or where quadrature does not confirm it."""
    integrand = piece.expression
    if integrand == 0:
        return S.Zero
    if integrand.has(*_SLOW, sympy.Piecewise, *_SIGNED):
        return None
    parts = [_from_tables(term, piece, variable) for term in sympy.Add.make_args(sympy.expand_mul(integrand))]
    if None in parts:
        parts = [_from_tables(integrand, piece, variable)]  # a sum may converge where its terms do not
    if None in parts:
        return None
    value = sympy.Add(*parts)
    value = sympy.simplify(value) if sympy.count_ops(value) < LONGEST else value
    return value if _is_confirmed(value, piece, variable) else None


def _from_tables(term: Expr, piece: Piece, variable: Symbol) -> Expr | None:
    """The integral of one term, a Gaussian one moved to its centre first: tables know those without a linear exponent."""
    if sympy.count_ops(term) > LONGEST:
        return None
    centre = _centre(term, variable)
    if centre != 0:
        if not (piece.lower.is_infinite and piece.upper.is_infinite):
            return None
        moved = sympy.powsimp(sympy.expand(term.xreplace({variable: variable + centre}), power_base=False))
        if any(_centre(part, variable) != 0 for part in sympy.Add.make_args(moved)):
            return None
        found = [_from_tables(part, piece, variable) for part in sympy.Add.make_args(moved)]
        return None if None in found else sympy.Add(*found)
    try:
        answer = meijerint_definite(term, variable, piece.lower, piece.upper)
    except (NotImplementedError, ValueError, TypeError, AttributeError, RecursionError, ZeroDivisionError):
        return None
    if answer is None or answer[0].has(sympy.Integral, sympy.nan, sympy.oo, sympy.zoo):
        return None
    return answer[0]


def _centre(term: Expr, variable: Symbol) -> Expr:
    """Where the exponent of a Gaussian term is stationary; 0 for other terms."""
    exponents = [factor.exp for factor in sympy.Mul.make_args(term) if isinstance(factor, sympy.exp)]
    exponent = sympy.expand(sympy.Add(*exponents))
    if not exponent.is_polynomial(variable) or sympy.degree(exponent, variable) != 2:
        return S.Zero
    a, b, _ = sympy.Poly(exponent, variable).all_coeffs()
    return sympy.cancel(-b / (2 * a))


def numerical_integral(piece: Piece, variable: Symbol) -> float:
    """The integral over a piece without further symbols, by quadrature in doubles: some eight digits, fewer at a singular end."""
    function = _in_doubles(piece.expression, variable)
    low, high = _double(piece.lower), _double(piece.upper)
    finite_ends = [(end, 1.0) for end in (low, high) if math.isfinite(end)]
    anchors = [*peaks(piece.expression, variable), *finite_ends] or [(0.0, 1.0)]
    inner = {place + sign * width * scale for place, width in anchors for scale in (0.0, *_SCALES) for sign in (-1, 1)}
    if math.isfinite(low) and math.isfinite(high):
        inner.add((low + high) / 2)
    points = sorted(point for point in inner if low < point < high)
    total = float(mpmath.fp.quad(function, points)) if len(points) > 1 else 0.0
    total += _outside(piece.expression, variable, piece.lower, points[0] - low, -points[0], -1)
    return total + _outside(piece.expression, variable, piece.upper, high - points[-1], points[-1], 1)


def _outside(expression: Expr, variable: Symbol, end: Expr, distance: float, last: float, side: int) -> float:
    """The integral beyond the last of the points: in the logarithm of the distance from a finite end, which resolves a singular one,
    or of the distance from 0, which resolves a heavy tail."""
    finite = not end.is_infinite
    moved = end - side * variable if finite else side * variable
    function = _in_doubles(expression.xreplace({variable: moved}), variable)
    first, final = (-700.0, math.log(distance)) if finite else (math.log(last), 700.0)
    stretches = [v for v in (-200.0, -60.0, -30.0, 30.0, 60.0, 200.0) if first < v < final]
    return float(mpmath.fp.quad(lambda v: function(math.exp(v)) * math.exp(v), [first, *stretches, final]))


def _in_doubles(expression: Expr, variable: Symbol) -> Callable[[float], float]:
    """A function of a float; 0 where an exponential overflows, as a density beyond its reach."""
    compiled = sympy.lambdify(variable, expression, ["math", "mpmath"])

    def function(x: float) -> float:
        try:
            value = compiled(x)
            return float(getattr(value, "real", value))
        except (OverflowError, ZeroDivisionError, ValueError):
            return 0.0

    return function


def _double(value: Expr) -> float:
    if value.is_infinite:
        return math.inf if value.is_extended_positive else -math.inf
    return float(value)


def sample_values(symbols: Any) -> dict[Symbol, Expr]:
    """Numbers that fit the assumptions of some symbols: integers above 2, positive numbers above 2, others wherever."""
    found = {}
    for index, symbol in enumerate(sorted(symbols, key=str)):
        shift = sympy.Rational(index + 1, 7)
        number = sympy.Integer(3 + index) if symbol.is_integer else 2 + shift
        found[symbol] = -number if symbol.is_negative else number
    return found


# ------------------------------------------------------------------------------------------------------- rough points


def _switches(expression: Expr, variable: Symbol) -> list[Expr]:
    """Expressions at whose zeros `expression` need not be smooth."""
    found: list[Expr] = []
    for node in sympy.preorder_traversal(expression):
        if isinstance(node, (*_SIGNED, sympy.log)):
            found.append(node.args[0])
        elif isinstance(node, (sympy.Max, sympy.Min)):
            found += [node.args[0] - other for other in node.args[1:]]
        elif isinstance(node, sympy.core.relational.Relational):
            found.append(node.lhs - node.rhs)
        elif isinstance(node, sympy.Pow) and not (node.exp.is_integer and node.exp.is_nonnegative):
            found.append(node.base)
    return [switch for switch in found if switch.has(variable)]


def _real_zeros(expression: Expr, variable: Symbol) -> list[Expr]:
    """The zeros that can be written down: all of them for polynomials over numbers, or of degree one and two."""
    moduli = sorted((node for node in expression.atoms(sympy.Abs) if node.has(variable)), key=sympy.default_sort_key)
    if moduli:
        signed = (expression.xreplace({moduli[0]: sign * moduli[0].args[0]}) for sign in (1, -1))
        return [
            zero for branch in signed for zero in _real_zeros(branch, variable)
        ]  # some of them may be none: no harm
    numerator = sympy.numer(sympy.together(expression))
    if not numerator.is_polynomial(variable) or numerator.is_positive or numerator.is_negative:
        return []
    polynomial = sympy.Poly(numerator, variable)
    if polynomial.degree() > HIGHEST:
        return []
    if not polynomial.free_symbols_in_domain:
        return [root for root, _ in polynomial.real_roots(multiple=False)]
    if polynomial.degree() > 2:
        return []
    return [root for root in sympy.roots(polynomial) if root.is_real is not False]


def _is_above(point: Expr, other: Expr) -> bool:
    """Whether a point may lie above another: what is not known to be false counts."""
    return bool((point - other).is_extended_nonpositive is not True)


def _in_order(points: list[Expr]) -> list[Expr] | None:
    if len(points) < 2:
        return points
    if all(point.is_number for point in points):
        return sorted(points, key=lambda point: float(point))
    return None


def _on_piece(expression: Expr, variable: Symbol, lower: Expr, upper: Expr) -> Expr:
    """The expression where signs and conditions are those of a point inside."""
    if lower.is_infinite and upper.is_infinite:
        inside: Expr = S.Zero
    elif upper.is_infinite:
        inside = lower + 1
    elif lower.is_infinite:
        inside = upper - 1
    else:
        inside = (lower + upper) / 2
    return _resolved(expression, variable, inside)


def _resolved(node: Any, variable: Symbol, inside: Expr) -> Any:
    """A node with its signs, maxima and conditions decided at a point, as far as they can be."""
    if not node.has(variable) or node == variable:
        return node
    if isinstance(node, sympy.core.relational.Relational):
        value = sympy.simplify(node.xreplace({variable: inside}))
        return value if value in (sympy.true, sympy.false) else node
    arguments = [_resolved(argument, variable, inside) for argument in node.args]
    if isinstance(node, _SIGNED):
        value = sympy.expand(arguments[0].xreplace({variable: inside}))
        sign = 1 if value.is_positive else -1 if value.is_negative else 0
        if sign:
            return _signed(node, arguments[0], sign)
    if isinstance(node, (sympy.Max, sympy.Min)):
        values = [argument.xreplace({variable: inside}) for argument in arguments]
        for argument, value in zip(arguments, values, strict=True):
            if node.func(*values) == value:
                return argument
    return node.func(*arguments)


def _signed(node: Any, argument: Expr, sign: int) -> Expr:
    if isinstance(node, sympy.Abs):
        return sign * argument
    return S(sign) if isinstance(node, sympy.sign) else S((1 + sign) // 2)


def _is_confirmed(value: Expr, piece: Piece, variable: Symbol) -> bool:
    """Whether quadrature agrees, at sample values of the parameters."""
    sample = sample_values(
        (piece.expression.free_symbols | piece.lower.free_symbols | piece.upper.free_symbols) - {variable}
    )
    at = Piece(*(part.xreplace(sample) for part in (piece.lower, piece.upper, piece.expression)))
    try:
        exact = float(value.xreplace(sample))
        size = abs(exact)
        if size < AGREEMENT:  # much may have cancelled
            size = numerical_integral(Piece(at.lower, at.upper, sympy.Abs(at.expression)), variable)
        return abs(exact - numerical_integral(at, variable)) <= AGREEMENT * max(size, 1e-300)
    except (TypeError, ValueError, ZeroDivisionError, OverflowError, mpmath.libmp.NoConvergence):
        return False
