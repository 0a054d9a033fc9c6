r"""Mean-square stability of a block in symbols: where $\rho(\mathbb E\,\mathrm{Sym}^2A)$ crosses one.

The operator M -> E A M A^T keeps the cone of second moments, so that its spectral radius is an eigenvalue, and as the learning rate
grows from a value at which the block is mean-square stable the first loss of it is a root of $\det(I-\mathbb E\,\mathrm{Sym}^2A)$.
"""

from __future__ import annotations

import sympy
from sympy import Expr, S, Symbol
from sympy.polys.matrices import DomainMatrix

from theory.algorithm import SGD, Sampling
from theory.errors import MomentDiverges, MomentDoesNotExist, UnsupportedExpectation
from theory.expectation import GaussianQuadrature, Quadrature
from theory.stability.block import Block
from theory.stability.symmetric_power import mean_symmetric_power

SMALL = 3
"""The states of a block up to which its determinant is written out; `numerics.mean_square_threshold` computes larger ones."""


def mean_square_factors(block: Block) -> tuple[Expr, ...] | None:
    r"""Return the irreducible factors of $\det(I-\mathbb E\,\mathrm{Sym}^2A)$ that hold a symbol; of a scalar block, of $\mathbb Em^2-1$.

    None where there is no such polynomial: batches that depend on each other over an epoch, a block of more than `SMALL` states, data in
    floating point, averages without closed form. Raises `MomentDoesNotExist` where a second moment of the curvature is infinite.

    >>> from theory import SGD, Model, Normal, stability, symbols
    >>> u, x, eta = symbols("u x eta", positive=True)
    >>> found = stability(Model((u*x)**2/2, [u], {x: Normal()}), SGD(eta), point={u: 0})
    >>> mean_square_factors(found.blocks[0])
    (eta, 3*eta - 2)
    """
    if block.order > SMALL or block.is_silent or not has_independent_batches(block):
        return None
    try:
        lifted = mean_symmetric_power(block, 2)
    except (MomentDiverges, UnsupportedExpectation):
        return None
    if lifted.has(sympy.Float, Quadrature, GaussianQuadrature) or not lifted.free_symbols:
        return None
    table = DomainMatrix.from_Matrix(sympy.eye(lifted.rows) - lifted).to_field()
    determinant = sympy.together(table.domain.to_sympy(table.det()))
    factors = sympy.factor_list(sympy.numer(determinant))[1]
    return tuple(factor for factor, _ in factors if factor.free_symbols)


def mean_square_threshold_of(block: Block, algorithm: SGD) -> Expr | None:
    r"""Return the learning rate up to which a block is mean-square stable, as an expression; 0 if it never is.

    It is the first positive root of `mean_square_factors`, for a block whose mean curvature, decay included, is positive definite:
    it is then stable at small learning rates, and only then (unless every sample is neutral along the same direction). None where
    that sign, or the first root, cannot be decided in symbols, or where the learning rate is no symbol of its own;
    `numerics.mean_square_threshold` computes the number.

    >>> from theory import SGD, HeavyBall, Model, Normal, stability, symbols
    >>> u, x = symbols("u x")
    >>> h, s, eta, beta = symbols("h s eta beta", positive=True)
    >>> found = stability(Model(x*u**2/2, [u], {x: Normal(h, s**2)}), SGD(eta, momentum=HeavyBall(beta)), point={u: 0})
    >>> threshold = mean_square_threshold_of(found.blocks[0], found.algorithm)
    >>> sympy.simplify(threshold - 2*h/(h**2/(1 + beta) + s**2/(1 - beta)))
    0
    """
    rate = algorithm.learning_rate
    decay = algorithm.coupled_decay + algorithm.decoupled_decay
    if not isinstance(rate, Symbol) or _holds(block, decay, rate):
        return None
    try:
        factors = mean_square_factors(block)
    except MomentDoesNotExist:
        return S.Zero
    stable = _is_stable_at_first(block, decay)
    if factors is None or stable is None:
        return None
    if not stable:
        return S.Zero
    return _first_root([factor for factor in factors if factor.has(rate) and factor != rate], rate)


def has_independent_batches(block: Block) -> bool:
    """Whether the steps of a block are independent and alike, so that a mean over one step describes them all."""
    ordered = block.batch.mode in (Sampling.RESHUFFLED, Sampling.CYCLIC)
    return not (ordered and block.randomness.of(block.curvature).groups)


def _holds(block: Block, decay: Expr, rate: Symbol) -> bool:
    """Whether anything but the step itself depends on the learning rate."""
    laws = (law for _, law in block.randomness.of(block.curvature).groups)
    found = (
        block.curvature.free_symbols | block.batch.size.free_symbols | decay.free_symbols | block.step.beta.free_symbols
    )
    return rate in found.union(*(law.free_symbols for law in laws))


def _is_stable_at_first(block: Block, decay: Expr) -> bool | None:
    """Whether the mean curvature, decay included, is positive definite (Sylvester's minors); None if undecided."""
    if block.mean_curvature is None or not block.irreducible:
        return None
    table = block.mean_curvature + decay * sympy.eye(block.size)
    minors = [sympy.factor(table[:k, :k].det()) for k in range(1, block.size + 1)]
    if all(minor.is_positive for minor in minors):
        return True
    return False if any(minor.is_nonpositive for minor in minors) else None


def _first_root(factors: list[Expr], rate: Symbol) -> Expr | None:
    """The smallest positive root of the factors; every one of them is solved, or None."""
    roots: list[Expr] = []
    for factor in factors:
        polynomial = sympy.Poly(factor, rate)
        if factor.free_symbols == {rate}:
            roots += [root for root in polynomial.real_roots() if root.is_positive]
        elif polynomial.degree() == 1:
            roots.append(sympy.factor(-polynomial.nth(0) / polynomial.nth(1)))
        else:
            return None
    if len(roots) > 1:
        # a single root is the threshold, since the block is stable first and unstable at last; of several the signs must be known
        if any(root.is_positive is None for root in roots):
            return None
        roots = [root for root in roots if root.is_positive]
    smallest = [root for root in roots if not any(_is_larger(root, other) for other in roots if other != root)]
    return sympy.Min(*smallest) if smallest else None


def _is_larger(root: Expr, other: Expr) -> bool:
    return bool(sympy.factor(root - other).is_positive)
