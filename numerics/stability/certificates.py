"""Bounds of Lyapunov exponents with the evidence that proves them: `certificates`."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from typing import Any

import numpy as np
import sympy
from sympy import Symbol

from numerics.stability.exponents import grid_of, refuse_arrays, refuse_impossible
from numerics.stability.matrices import column_lengths
from numerics.stability.matrix.second_moments import SecondMoments, second_moment_radius
from numerics.stability.problem import Grid
from numerics.stability.proofs.enclosed_steps import EnclosedStep
from numerics.stability.proofs.evidence import Certificate, Method, MomentBound, Rigour
from numerics.stability.proofs.exact_steps import ExactStep, NotRational, exact_affine, exact_batches
from numerics.stability.proofs.log_sums import LogarithmSum, enclosed_log_sum
from numerics.stability.proofs.lyapunov_inequality import LyapunovInequality, lyapunov_form
from numerics.stability.proofs.norm_bounds import WordNorms, word_norms
from theory import Block, ExponentKind, Stability
from theory.errors import MomentDiverges, MomentDoesNotExist, UnsupportedExpectation
from theory.stability.mean_square import has_independent_batches

EXACT_WORK = 10**6
"""Samples times dimension^3 up to which second moments are exact."""
BATCHES = 4096
"""Batches up to which they are listed in rationals."""
ORDERS = (0.5, 1.0, 2.0)
"""The orders p at which L(p)/p and -L(-p)/p bound the exponent of a scalar block."""
LONGEST_WORD = 64


def certificates(equations: Stability, *, at: Mapping[Any, Any] | None = None) -> tuple[Certificate, ...]:
    r"""Return bounds of the top exponent of every mode at numbers, each with evidence that can be checked without trust.

    - Mean square: rational $X\succ0$ and r with $rX-\mathbb{E}\,A^TXA\succ0$ prove $\Lambda\le\frac12L(2)\le\frac12\log r$; r < 1
      proves that SGD is stable in probability. Finite laws, and laws whose moments are rational.
    - Sub-additive bounds $\frac1n\mathbb E\log\|A_n\cdots A_1\|$ over all words of batches of a finite law, n = 1, 2, 4, ...
    - Scalar blocks of finite laws: $\Lambda=\sum_jp_j\log|m_j|$ in an interval, and with it the sign.
    - Matrix blocks of finite laws: $\Lambda_1\ge\frac1n\mathbb{E}\log|\det A|$, which proves instability where it is positive.
    - Scalar blocks of any law: $\Lambda\le L(p)/p$, $\Lambda\ge-L(-p)/p$, of rigour `ESTIMATED`.

    What is not certified has a certificate of rigour `NONE` whose statement says why. Floats in the data and in `at` count by their exact
    values; fractions, as `sympy.Rational` or `Fraction`, are taken as they are. Silent blocks have no exponent and are left out.

    Parameters: `equations`, of `theory.stability`; `at`, values of every symbol, one number each.

    Raises `MissingValue`, `UnknownValue`, `ValuesError`, `InvalidRequest` for arrays. Cost: exact for samples times dimension^3 up to
    10^6, floating point beyond; seconds at 1797 samples in 65 dimensions.

    >>> from theory import SGD, Discrete, Model, stability, symbols
    >>> u, w, x, y, eta = symbols("u w x y eta", positive=True)
    >>> data = Discrete({(1, 1): 0.5, (1, -2): 0.25, (-1, 0): 0.25})
    >>> found = stability(Model((u*x + w*y)**2/2, [u, w], {(x, y): data}), SGD(eta), point={u: 0, w: 0})
    >>> first = certificates(found, at={eta: 0.25})[0]
    >>> first.statement, first.check()
    ('L(2) < 0, so SGD is stable in probability along (u, w)', True)
    """
    given = dict(at or {})
    refuse_arrays(given)
    grid, _ = grid_of(equations, given)
    refuse_impossible(equations, grid)
    values = _exact_values(grid, given)
    return tuple(found for block in equations.blocks if not block.is_silent for found in _of_block(block, grid, values))


def _exact_values(grid: Grid, given: Mapping[Any, Any]) -> dict[Symbol, Fraction]:
    """The values as rationals: those given as rationals as they are, floats exactly."""
    names = {str(key): value for key, value in given.items()}
    found = {}
    for symbol, column in grid.values.items():
        number = sympy.sympify(names.get(str(symbol), float(column[0])))
        exact = number.is_Rational
        found[symbol] = Fraction(int(number.p), int(number.q)) if exact else Fraction(float(column[0]))
    return found


Road = Callable[[Block, Grid, Mapping[Symbol, Fraction]], Iterator[Certificate]]


def _of_block(block: Block, grid: Grid, values: Mapping[Symbol, Fraction]) -> Iterator[Certificate]:
    roads: tuple[tuple[Road, Method], ...] = (
        (_mean_square, Method.MEAN_SQUARE),
        *(((_logarithms, Method.LOGARITHMS), (_convexity, Method.CONVEXITY)) if block.is_scalar else ()),
        *(((_words, Method.WORDS), (_determinant, Method.DETERMINANT)) if not block.is_scalar else ()),
    )
    for road, method in roads:
        try:
            yield from road(block, grid, values)
        except (NotRational, MomentDoesNotExist, MomentDiverges, UnsupportedExpectation) as error:
            yield _not_certified(block, method, str(error))


def _not_certified(block: Block, method: Method, reason: str) -> Certificate:
    return Certificate(block.name, f"not certified for {block.name}: {reason}", None, None, method, Rigour.NONE)


# -------------------------------------------------------------------------------------------------------- mean square


def _mean_square(block: Block, grid: Grid, values: Mapping[Symbol, Fraction]) -> Iterator[Certificate]:
    if not has_independent_batches(block):
        yield _not_certified(
            block, Method.MEAN_SQUARE, f"batches of sampling={block.batch.mode} depend on each other over an epoch"
        )
        return
    present = block.randomness.of(block.curvature)
    is_large = not present.continuous and present.outcome_count * block.size**3 > EXACT_WORK
    step = EnclosedStep.of(block, values) if is_large else ExactStep.of(block, values)
    operator = SecondMoments.of(block, grid, 0)
    with np.errstate(over="ignore", invalid="ignore"):
        overflows = not math.isfinite(operator.rounding)
    if overflows:
        yield _not_certified(block, Method.MEAN_SQUARE, "second moments overflow floating-point numbers")
        return
    radius, error, _ = second_moment_radius(operator)
    lengths = column_lengths(block, {symbol: float(value) for symbol, value in values.items()})
    for margin in (1e-6, 1e-4, 1e-2):
        rate = _above(radius + error, margin)
        form = lyapunov_form(operator, float(rate), lengths)
        if form is None:
            continue
        evidence = LyapunovInequality(step, form, rate)
        if evidence.check():
            yield _of_inequality(block, evidence)
            return
    yield _not_certified(
        block,
        Method.MEAN_SQUARE,
        f"no form X was found that proves the computed spectral radius {radius:.12g} of E A^T . A",
    )


def _above(radius: float, margin: float) -> Fraction:
    """A short rational just above a radius: closer where one lies just above it."""
    room = margin * radius if radius >= 1 else min(margin * radius, (1 - radius) / 2)
    digits = max(0, math.ceil(-math.log10(room)) + 1) if room > 0 else 12
    return Fraction(math.ceil((radius + room / 2) * 10**digits), 10**digits)


def _of_inequality(block: Block, evidence: LyapunovInequality) -> Certificate:
    _, above = enclosed_log_sum((evidence.rate,), (Fraction(1),), 2)
    if evidence.rate < 1:
        statement = f"L(2) < 0, so SGD is stable in probability along {block.name}"
    else:
        statement = f"L(2) <= {2 * above:.6g}: no proof of stability along {block.name}, but a bound of its growth"
    rigour = Rigour.EXACT if evidence.is_exact else Rigour.ROUNDING
    return Certificate(block.name, statement, None, above, Method.MEAN_SQUARE, rigour, evidence)


# ------------------------------------------------------------------------------------------------ finite lists of batches


def _logarithms(block: Block, grid: Grid, values: Mapping[Symbol, Fraction]) -> Iterator[Certificate]:
    listed = exact_batches(block, values, BATCHES)
    if listed is None:
        yield _not_certified(block, Method.LOGARITHMS, _why_not_listed(block))
        return
    fixed, left, right = exact_affine(block, values)
    multipliers = tuple(fixed[0, 0] + left[0] * right[0] * curvature[0, 0] for curvature in listed[0])
    yield _of_sum(block, multipliers, tuple(listed[1]), 1, Method.LOGARITHMS)


def _determinant(block: Block, grid: Grid, values: Mapping[Symbol, Fraction]) -> Iterator[Certificate]:
    matrices, shares = _matrices(block, values, BATCHES)
    if not matrices:
        yield _not_certified(block, Method.DETERMINANT, _why_not_listed(block))
        return
    determinants = tuple(_determinant_of(matrix) for matrix in matrices)
    yield _of_sum(block, determinants, shares, block.order, Method.DETERMINANT)


def _of_sum(
    block: Block, numbers: tuple[Fraction, ...], shares: tuple[Fraction, ...], divisor: int, method: Method
) -> Certificate:
    low, high = enclosed_log_sum(numbers, shares, divisor)
    evidence = LogarithmSum(numbers, shares, divisor, low, high)
    upper: float | None = high
    if method == Method.DETERMINANT:
        upper = None  # the mean of the exponents says nothing above their largest
        word = "Lambda > 0, so SGD is unstable" if low > 0 else f"Lambda >= {low:.6g}: no proof of instability"
    elif high < 0:
        word = "Lambda < 0, so SGD is stable in probability"
    else:
        word = "Lambda > 0, so SGD is unstable" if low > 0 else "the sign of Lambda is not decided"
    return Certificate(block.name, f"{word} along {block.name}", low, upper, method, Rigour.INTERVAL, evidence)


def _words(block: Block, grid: Grid, values: Mapping[Symbol, Fraction]) -> Iterator[Certificate]:
    if not has_independent_batches(block):
        yield _not_certified(
            block, Method.WORDS, f"batches of sampling={block.batch.mode} depend on each other over an epoch"
        )
        return
    matrices, shares = _matrices(block, values, BATCHES)
    if not matrices:
        yield _not_certified(block, Method.WORDS, _why_not_listed(block))
        return
    bounds = tuple(word_norms(matrices, shares, LONGEST_WORD))
    length, best = min(bounds, key=lambda pair: pair[1])
    shown = f"E log|A_{length} ... A_1| / {length} = {best:.6g}"
    if best < 0:
        statement = f"Lambda < 0, so SGD is stable in probability along {block.name}: {shown}"
    else:
        statement = f"Lambda <= {best:.6g} along {block.name}: no proof of stability by words of {length} batches"
    evidence = WordNorms(matrices, shares, bounds)
    yield Certificate(block.name, statement, None, best, Method.WORDS, Rigour.ROUNDING, evidence)


def _matrices(
    block: Block, values: Mapping[Symbol, Fraction], limit: int
) -> tuple[tuple[Any, ...], tuple[Fraction, ...]]:
    """The steps of all batches; empty where they are not listed."""
    listed = exact_batches(block, values, limit)
    if listed is None:
        return (), ()
    fixed, left, right = exact_affine(block, values)
    size = block.size
    kick, carried = np.outer(left, right), np.kron(fixed, np.eye(size, dtype=int).astype(object))
    return tuple(carried + np.kron(kick, curvature) for curvature in listed[0]), tuple(listed[1])


def _determinant_of(matrix: Any) -> Fraction:
    """By Gaussian elimination in rationals."""
    table, total = matrix.copy(), Fraction(1)
    for k in range(len(table)):
        row = next((i for i in range(k, len(table)) if table[i, k] != 0), None)
        if row is None:
            return Fraction(0)
        if row != k:
            table[[k, row]] = table[[row, k]]
            total = -total
        total *= table[k, k]
        for i in range(k + 1, len(table)):
            table[i, k:] = table[i, k:] - (table[i, k] / table[k, k]) * table[k, k:]
    return total


def _why_not_listed(block: Block) -> str:
    if block.randomness.of(block.curvature).continuous:
        return "the law of the curvature is continuous, so that its batches cannot be listed"
    return f"there are more than {BATCHES} batches"


# ---------------------------------------------------------------------------------------------------------- convexity


def _convexity(block: Block, grid: Grid, values: Mapping[Symbol, Fraction]) -> Iterator[Certificate]:
    from numerics.stability.scalar.moment_exponent import (
        scalar_moment_exponent,
    )  # which loads kernels that only this road needs

    bounds: dict[bool, list[MomentBound]] = {True: [], False: []}
    for order in ORDERS:
        for sign in (1.0, -1.0):
            found = scalar_moment_exponent(block, grid, sign * order)
            value, error = float(found.values[0]), float(found.errors[0])
            if found.kind != ExponentKind.MONTE_CARLO and math.isfinite(value) and math.isfinite(error):
                bounds[sign > 0].append(MomentBound(sign * order, value, error, found.kind))
    for is_upper, listed in bounds.items():
        if not listed:
            side = "upper" if is_upper else "lower"
            yield _not_certified(block, Method.CONVEXITY, f"no moment exponent is finite that would give {side} bound")
            continue
        best = min(listed, key=lambda b: b.bound) if is_upper else max(listed, key=lambda b: b.bound)
        sense = "<=" if is_upper else ">="
        shown = f"Lambda {sense} L({best.order:g})/({best.order:g}) = {best.bound:.6g}"
        statement = f"{shown} along {block.name}, up to the error of a quadrature"
        lower, upper = (None, best.bound) if is_upper else (best.bound, None)
        yield Certificate(block.name, statement, lower, upper, Method.CONVEXITY, Rigour.ESTIMATED, best)
