r"""Characteristic functions of quadratic forms in Gaussian numbers.

For h = z^T Q z + b^T z + c with z ~ N(mu, C) and C Q of eigenvalues lambda_k (of a quadratic form with b = 0 and mu = 0),

$$ \varphi_h(t) = e^{itc} \prod_k (1 - 2it\lambda_k)^{-1/2}, $$

each factor on its own principal branch: the square root of the product would jump.
"""

from __future__ import annotations

import sympy
from sympy import Expr, I, ImmutableDenseMatrix, S, Symbol

from theory.laws import Normal
from theory.stability.randomness import ENUMERATED, Randomness


def quadratic_parts(
    curvature: Expr, randomness: Randomness
) -> tuple[ImmutableDenseMatrix, ImmutableDenseMatrix, Expr] | None:
    """(Q, b, c) of a curvature that is a polynomial of degree at most two in the Gaussian symbols of the randomness."""
    symbols = randomness.symbols
    if not symbols or not curvature.is_polynomial(*symbols):
        return None
    polynomial = sympy.Poly(curvature, *symbols)
    if polynomial.total_degree() > 2:
        return None
    size = len(symbols)
    quadratic, linear, constant = sympy.zeros(size), sympy.zeros(size, 1), S.Zero
    for powers, coefficient in polynomial.terms():
        places = [index for index, power in enumerate(powers) for _ in range(power)]
        if len(places) == 2:
            quadratic[places[0], places[1]] += coefficient / 2
            quadratic[places[1], places[0]] += coefficient / 2
        elif places:
            linear[places[0]] += coefficient
        else:
            constant += coefficient
    return ImmutableDenseMatrix(quadratic), ImmutableDenseMatrix(linear), constant


def gaussian_moments(randomness: Randomness) -> tuple[ImmutableDenseMatrix, ImmutableDenseMatrix] | None:
    """Mean vector and covariance of all symbols, None if one of them is not Gaussian."""
    if not all(isinstance(law, Normal) for _, law in randomness.groups):
        return None
    means = ImmutableDenseMatrix([mean for _, law in randomness.groups for mean in law.means])
    return means, ImmutableDenseMatrix(sympy.diag(*(sympy.Matrix(law.covariance) for _, law in randomness.groups)))


def characteristic_function(curvature: Expr, randomness: Randomness, t: Symbol) -> Expr | None:
    """E exp(i t h) of one sample's curvature, for display: None outside centred quadratic forms of rank at most two.

    >>> from theory import Normal, symbols
    >>> x, t = symbols("x t")
    >>> characteristic_function(x**2, Randomness((((x,), Normal()),)), t)
    1/sqrt(-2*I*t + 1)
    """
    present = randomness.of(curvature)
    if present.outcome_count > ENUMERATED:
        return None
    total: list[Expr] = []
    for values, share in present.outcomes():
        conditional = sympy.expand(curvature.xreplace(values))
        left = Randomness(present.continuous).of(conditional)
        factor = sympy.exp(I * t * conditional) if not left.groups else _quadratic_form(conditional, left, t)
        if factor is None:
            return None
        total.append(share * factor)
    return sympy.Add(*total)


def _quadratic_form(curvature: Expr, randomness: Randomness, t: Symbol) -> Expr | None:
    moments = gaussian_moments(randomness)
    parts = quadratic_parts(curvature, randomness)
    if moments is None or parts is None:
        return None
    (means, covariance), (quadratic, linear, constant) = moments, parts
    if any(means) or any(linear):
        return None
    trace, second = (covariance * quadratic).trace(), ((covariance * quadratic) ** 2).trace()
    if quadratic.rows > 2 and (covariance * quadratic).rank() > 2:
        return None
    root = sympy.sqrt(
        sympy.factor(sympy.expand(2 * second - trace**2))
    )  # two eigenvalues from their sum and their squares
    eigenvalues = [sympy.expand((trace + root) / 2), sympy.expand((trace - root) / 2)]
    factors = [(1 - 2 * I * t * value) ** sympy.Rational(-1, 2) for value in eigenvalues if value != 0]
    return sympy.exp(I * t * constant) * sympy.Mul(*factors)
