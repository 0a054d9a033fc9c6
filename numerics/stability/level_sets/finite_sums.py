r"""Exponents of finite laws as functions of the learning rate, with provably all their roots.

With c_j the values of the batch mean, decay included,

$$ \Lambda(\eta) = \sum_j p_j\log|1-\eta c_j|, \qquad e^{L(p)} = \sum_j p_j|1-\eta c_j|^p, \quad 0<p<1, $$

are concave between neighbouring poles 1/c_j, because log|x| and |x|^p are on each half-line: on every such piece the function is
maximised, and takes the value that separates stable from unstable at most twice. Their minima lie at the poles or at the ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import sympy
from scipy.optimize import minimize_scalar
from sympy import Symbol

from numerics.stability.level_sets.stable_sets import Interval
from numerics.stability.problem import Array, Grid
from theory import Block, Sampling
from theory.stability.batches import batch_mean_values

ROUNDING = 1e-13
"""What rounding leaves of a value."""


@dataclass(frozen=True)
class FiniteSum:
    """`factor` times Lambda (order 0), or L(order), of a batch mean with finitely many values."""

    coefficients: Array
    shares: Array
    order: float = 0.0
    factor: float = 1.0

    def evaluate(self, values: Array) -> tuple[Array, Array]:
        """The exponent at each learning rate, and its error."""
        with np.errstate(divide="ignore"):
            logs = np.log(np.abs(1 - np.multiply.outer(values, self.coefficients)))
        if self.order == 0:
            found = (logs * self.shares).sum(axis=-1)
        else:
            found = np.logaddexp.reduce(np.log(self.shares) + self.order * logs, axis=-1)
        return np.asarray(self.factor * found), np.full(np.shape(values), ROUNDING)

    def poles(self, between: Interval) -> Array:
        """Where a multiplier vanishes."""
        with np.errstate(divide="ignore"):
            poles = 1 / self.coefficients[self.coefficients != 0]
        return np.unique(poles[(poles > between[0]) & (poles < between[1])])

    def nodes(self, between: Interval) -> Array:
        """Per piece: its maximum and points towards its ends, so that roots lie between neighbours of unlike sign."""
        found: list[float] = []
        for low, high in pairwise([between[0], *self.poles(between), between[1]]):
            top = minimize_scalar(
                lambda x: -float(self.evaluate(np.array(x))[0]),
                bounds=(low, high),
                method="bounded",
                options={"xatol": 1e-12 * (high - low)},
            )
            inner = (high - low) * 0.5 ** np.arange(1, 50)
            found += [*(low + inner), *(high - inner), float(top.x)]
            if self.order:
                found += [low, high]
        nodes = np.unique(np.array(found))
        if between[0] == 0:  # where every exponent vanishes: nodes so close that it has not left zero yet say nothing
            nodes = nodes[np.argmax(np.abs(self.evaluate(nodes)[0]) > 2 * ROUNDING) :]
        return nodes

    def lowest(self, between: Interval) -> tuple[float, float]:
        """The smallest exponent, at a pole or at an end, and where it lies."""
        places = np.array([*self.poles(between), *between])
        values = self.evaluate(places)[0]
        if self.order == 0 and len(places) > 2:
            return float(places[0]), -np.inf  # a pole, missed by rounding
        best = int(np.argmin(values))
        return float(places[best]), float(values[best])


def finite_sum(
    block: Block, learning_rate: sympy.Expr, symbol: Symbol, order: float, between: Interval, base: Grid
) -> FiniteSum | None:
    """The exponent as a finite sum in the learning rate; None where it is not one."""
    if not is_affine(block, learning_rate, symbol) or between[0] < 0:
        return None
    if order and block.batch.mode == Sampling.RESHUFFLED:
        return None
    pairs = batch_mean_values(block.curvature[0, 0], block.randomness, block.batch)
    if pairs is None or symbol in set().union(*(share.free_symbols for _, share in pairs)):
        return None
    coefficients = [sympy.cancel((1 - block.step.carry - block.step.weight * value) / symbol) for value, _ in pairs]
    shares = base.table([share for _, share in pairs])[:, 0]
    table = base.table(coefficients)[:, 0]
    cyclic = block.batch.mode == Sampling.CYCLIC  # one product: L(p) = p Lambda
    order_of_sum, factor = (0.0, order or 1.0) if cyclic else (order, 1.0)
    return FiniteSum(table[shares > 0], shares[shares > 0], order_of_sum, factor)


def is_affine(block: Block, learning_rate: sympy.Expr, symbol: Symbol) -> bool:
    """Whether the multiplier of a scalar block is 1 - eta c with c free of the learning rate eta."""
    if not block.is_scalar or learning_rate != symbol:
        return False
    slopes = [sympy.cancel((1 - block.step.carry) / symbol), sympy.cancel(block.step.weight / symbol)]
    laws = [law.free_symbols for _, law in block.randomness.of(block.curvature).groups]
    open_symbols = set().union(block.curvature.free_symbols, *(slope.free_symbols for slope in slopes), *laws)
    return symbol not in open_symbols
