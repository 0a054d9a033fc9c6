r"""Phase boundaries: where the exponent of a scalar block vanishes, and where the mean square of a small block ceases to decay.

For a batch mean of finitely many values with rational probabilities n_j/N the boundary is algebraic:

$$ \Lambda = 0 \iff \prod_j m_j^{n_j} = \pm 1, $$

two polynomials, which are factored; otherwise the exponent itself is the expression that vanishes. The mean square ceases to decay at
a root of $\det(I-\mathbb E\,\mathrm{Sym}^2A)$, a polynomial in the learning rate.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import sympy
from sympy import Expr, S, Symbol

from theory.equations import Boundary, Clock
from theory.errors import MomentDoesNotExist
from theory.stability.batches import batch_mean_values
from theory.stability.block import Block
from theory.stability.mean_square import mean_square_factors

DEGREE = 24
"""The largest power product that is multiplied out for an algebraic boundary."""


def boundaries_of(block: Block, learning_rate: Iterable[Symbol], model_hash: str) -> tuple[Boundary, ...]:
    """Return the boundaries of a scalar block: each factor of the algebraic ones, else the exponent; none if it is neutral."""
    if not block.is_scalar or block.is_silent:
        return ()
    algebraic = _algebraic(block, tuple(learning_rate))
    if algebraic is None:
        return (_boundary(block.exponent, model_hash, ("stable", "unstable")),)
    return tuple(_boundary(factor, model_hash, ("one sign", "the other")) for factor in algebraic)


def mean_square_boundaries_of(block: Block, learning_rate: Iterable[Symbol], model_hash: str) -> tuple[Boundary, ...]:
    """Return where L(2) = 0 for a small block: each factor of det(I - E Sym^2 A), without the trivial root at no step at all.

    Empty where a second moment does not exist, since L(2) is then infinite, and for the blocks that `mean_square_factors` leaves to
    numerics.
    """
    rates = tuple(learning_rate)
    try:
        factors = mean_square_factors(block) or ()
    except MomentDoesNotExist:
        return ()
    kept = (factor for factor in factors if factor not in rates and -factor not in rates)
    return tuple(_boundary(factor, model_hash, ("one sign", "the other")) for factor in kept)


def _boundary(expression: Expr, model_hash: str, sides: tuple[str, str]) -> Boundary:
    return Boundary(expression=expression, sides=sides, clock=Clock.STEPS, model_hash=model_hash)


def _algebraic(block: Block, learning_rate: tuple[Symbol, ...]) -> list[Expr] | None:
    """The factors of prod m_j^n_j -+ 1 that can vanish at a positive learning rate, None if probabilities are not rational."""
    values = batch_mean_values(block.curvature[0, 0], block.randomness, block.batch)
    if values is None or not all(share.is_Rational for _, share in values):
        return None
    denominator = math.lcm(*(int(share.q) for _, share in values))
    powers = [int(share * denominator) for _, share in values]
    if sum(powers) > DEGREE:
        return None
    product = sympy.Mul(
        *(
            (block.step.carry + block.step.weight * value) ** power
            for (value, _), power in zip(values, powers, strict=True)
        )
    )
    found: dict[Expr, None] = {}
    for level in (S.One, S.NegativeOne):
        for factor, _ in sympy.factor_list(sympy.numer(sympy.together(sympy.expand(product - level))))[1]:
            if factor.free_symbols and factor not in learning_rate and (-factor) not in learning_rate:
                found[factor] = None
    return list(found)
