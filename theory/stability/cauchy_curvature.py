r"""Momentum on one direction whose batch curvature has a Cauchy law: the deterministic exponent at a complex curvature.

The step on (theta, velocity) is A(h) = C + h p q^T. A product of steps applied to a vector is affine in each curvature. If it has no zero
while all of them lie in one half-plane, the mean of the logarithm of its length over Cauchy(mu, Gamma) numbers is its value at
h = mu - i Gamma, so that

$$ \Lambda = \log\rho\big(C + (\mu - i\Gamma)\, p q^T\big). $$

There are no zeros where the direction of A(h) e turns the same way for every real h and e, and every step keeps orientation. The first is
p x C e = s q.e for some number s, the second det C >= 0 (by the first, det A(h) = det C for every h).
Heavy-ball momentum satisfies both while 1 - learning_rate * weight_decay >= 0; neither form of Nesterov's does.
"""

from __future__ import annotations

from dataclasses import dataclass

import sympy
from sympy import Expr, I, ImmutableDenseMatrix

from theory.laws import Cauchy
from theory.stability.batches import batch_mean_law
from theory.stability.block import Block
from theory.stability.randomness import vanishes


@dataclass(frozen=True)
class ComplexStep:
    """The step at a complex curvature, and its determinant: where that is >= 0, log of the spectral radius is the exponent."""

    matrix: ImmutableDenseMatrix
    determinant: Expr


def complex_step(block: Block) -> ComplexStep | None:
    """The step at the complex curvature mu - i Gamma; None where the curvature is not Cauchy or the argument does not hold.

    >>> from theory import SGD, Cauchy, HeavyBall, Model, Nesterov, stability, symbols
    >>> w, x = symbols("w x")
    >>> def block(momentum):
    ...     model = Model(x*w**2/2, [w], {x: Cauchy(1, 2)})
    ...     return stability(model, SGD(symbols("eta", positive=True), momentum=momentum), point={w: 0}).blocks[0]
    >>> complex_step(block(HeavyBall(0.5))).matrix
    Matrix([
    [-eta*(1 - 2*I) + 1, -eta/2],
    [           1 - 2*I,    1/2]])
    >>> complex_step(block(Nesterov(0.5))) is None
    True
    """
    if block.size != 1 or not block.step.has_velocity or not turns_one_way(block):
        return None
    family = batch_mean_law(block.curvature[0, 0], block.randomness, block.batch)
    if family is None:
        return None
    offset, slope, law = family
    if not isinstance(law, Cauchy):
        return None
    fixed, moved = block.step.affine
    curvature = offset + slope * (law.location - I * law.scale)
    return ComplexStep(ImmutableDenseMatrix(fixed + curvature * moved), fixed.det())


def turns_one_way(block: Block) -> bool:
    """Whether p x C e is a multiple of q.e, so that A(h) e turns one way as h grows, whatever e."""
    fixed, moved = block.step.affine
    weight = sympy.Matrix([moved[0, 0], moved[1, 0]])  # moved = p q^T with q = (1, shift)
    turning = (weight[0] * fixed.row(1) - weight[1] * fixed.row(0)).expand()
    return vanishes(turning[1] * moved[1, 0] - turning[0] * moved[1, 1])
