r"""The drift and the fluctuations of inner products under one step, ordered by powers of the dimension n.

With the learning rate delta as a symbol, E Delta G = delta f1 + delta^2 f2 + ..., each coefficient exact in n. With
delta = c/n the terms of order n^0 of f1 + delta f2 + ... are the limit,
the rest is what the limit discards.
"""

from __future__ import annotations

from dataclasses import dataclass

import sympy
from sympy import Expr, S, Symbol

from theory.algebra import NotPolynomial
from theory.algorithm import SGD
from theory.calculus.average import SampleAverage
from theory.calculus.groups import isotropic_variance
from theory.calculus.increment import BatchPolynomial, OneStep
from theory.errors import DataNormInGradient, SupercriticalStep, UnsupportedExpectation
from theory.model import Model
from theory.vectors import InnerProduct

STEP_SIZE = Symbol("step#size", positive=True)
"""The learning rate while powers of it are counted."""


@dataclass(frozen=True)
class Drift:
    """E Delta G / delta = sum of `coefficients[k] * delta**k`; `exact` says whether lower orders in n are kept."""

    coefficients: dict[int, Expr]
    decay: Expr
    exact: bool


class GramDynamics:
    """Increments of Gram entries under plain SGD with step size `STEP_SIZE`, their means and their covariances."""

    def __init__(self, model: Model, algorithm: SGD) -> None:
        self.model, self.algorithm = model, algorithm
        # the exchange rule of momentum amplifies the gradient, not the decoupled decay: then it joins as a rate of its own
        decay = algorithm.weight_decay if algorithm.momentum is None else algorithm.coupled_decay
        plain = SGD(STEP_SIZE, weight_decay=decay)
        self.step = OneStep(model, plain)
        self.average = SampleAverage(model)
        self._drifts: dict[Expr, Drift] = {}
        self._fluctuations: dict[Expr, tuple[Expr, Expr]] = {}

    def drift(self, entry: Expr) -> Drift:
        """The mean increment of an entry, by powers of the step size (memoised)."""
        if entry not in self._drifts:
            self._drifts[entry] = self._drift(entry)
        return self._drifts[entry]

    def fluctuation(self, entry: Expr) -> tuple[Expr, Expr]:
        """The random increment per step size: its first order, and the coefficient of n * step size (memoised)."""
        if entry not in self._fluctuations:
            self._fluctuations[entry] = self._fluctuation(entry)
        return self._fluctuations[entry]

    def _drift(self, entry: Expr) -> Drift:
        part, batch = self.step.after(entry), self.algorithm.batch_size
        change = part.carried.xreplace(self.average.known) - entry
        rate = S.Zero if self.algorithm.momentum is None else self.algorithm.decoupled_decay
        decay = -rate * self._degree(entry) * entry
        try:
            mean = change + self.average.exact(part.single) + self.average.exact(part.same) / batch
            if batch != 1:
                mean += (1 - 1 / batch) * self.average.exact(part.double)
            return Drift(_by_power(mean / STEP_SIZE, STEP_SIZE), decay, True)
        except NotPolynomial:
            first = self.average.leading(self._first_order(part, entry))
            second = self.average.leading(_coefficient(part.same, STEP_SIZE, 2)) / batch
            return Drift({0: first, 1: second}, decay, False)

    def _degree(self, entry: Expr) -> int:
        """How many trained factors an inner product has: decay acts on each."""
        moving = self.step.moving_vectors
        return 1 if isinstance(entry, Symbol) else sum(vector in moving for vector in entry.args)

    def _first_order(self, part: BatchPolynomial, entry: Expr) -> Expr:
        carried = _coefficient(sympy.expand(part.carried - entry), STEP_SIZE, 1)
        return carried.xreplace(self.average.known) + _coefficient(part.single, STEP_SIZE, 1)

    def _fluctuation(self, entry: Expr) -> tuple[Expr, Expr]:
        """Powers of n in the loss itself count too: with <z, z>/n in the loss, <z, z>**3/n**2 is of order n."""
        part, dimension = self.step.after(entry), self.average.dimension
        first, quadratic = self._first_order(part, entry), _coefficient(part.same, STEP_SIZE, 2)
        self._refuse_norm_fluctuations(first, entry)
        self._refuse_norm_fluctuations(quadratic / dimension, entry)
        second = self.average.concentrated(quadratic)
        kept = {power: c for power, c in second.items() if power > 0 or c.has(dimension)}
        return first, sympy.Add(*(dimension ** (power - 1) * c for power, c in kept.items()))

    def _refuse_norm_fluctuations(self, quantity: Expr, entry: Expr) -> None:
        """<z, z> = n sigma^2 + O(sqrt(n)): the second part may be dropped unless the loss itself magnifies it by powers of n."""
        dimension, spread = self.average.dimension, sympy.Dummy("spread", real=True)
        laws = self.average.vector_laws
        norms = [p for p in quantity.atoms(InnerProduct) if p.left == p.right and p.left in laws]
        if not norms or not self.model.loss.has(dimension):
            return
        images = {
            p: isotropic_variance(laws[p.left], p.left) * dimension + sympy.sqrt(dimension) * spread for p in norms
        }
        moved = quantity.xreplace(images)
        orders = by_dimension(moved - moved.xreplace({spread: S.Zero}), dimension)
        if any(not power.is_negative for power in orders):
            raise DataNormInGradient(
                f"the fluctuations of {dimension} around the squared norm of a data vector move {entry} at "
                f"leading order (the loss holds the norm times a power of {dimension}); the covariance "
                f"treats squared norms as constants. Simulate it directly"
            )

    def covariance(self, left: Expr, right: Expr, noise: Expr, *, second_order: bool = True) -> Expr:
        """noise * Cov of the increments per step size, with `noise` = n * step size at order n^0."""
        if noise == 0:
            return S.Zero
        (a0, a1), (b0, b1) = self.fluctuation(left), self.fluctuation(right)
        powers = {0: a0 * b0, 1: a0 * b1 + a1 * b0, 2: a1 * b1} if second_order else {0: a0 * b0}
        product = sympy.Add(*(noise**k * self.average.leading(value) for k, value in powers.items()))
        means = [
            self.average.leading(first) + (noise * self.average.leading(second) if second_order else 0)
            for first, second in ((a0, a1), (b0, b1))
        ]
        total = product - means[0] * means[1]
        dimension = self.average.dimension
        return noise * (order_zero(total, dimension, f"Cov({left}, {right})") if total.has(dimension) else total)


def limit_rate(drift: Drift, algorithm: SGD, dimension: Symbol, what: str) -> tuple[Expr, Expr | None]:
    """The rate per unit of learning rate x steps at order n^0, and the discarded part (None where it is not derived)."""
    beta = S.Zero if algorithm.momentum is None else algorithm.momentum.beta
    gain = sympy.Dummy("gain", positive=True)  # 1/(1 - beta), kept whole while powers of n are counted
    effective = algorithm.learning_rate * gain
    total = sympy.Add(*(c * effective**k for k, c in drift.coefficients.items())) * gain + drift.decay
    orders = {power: c.xreplace({gain: 1 / (1 - beta)}) for power, c in by_dimension(total, dimension).items()}
    _refuse_growth(orders, dimension, what, algorithm)
    zero = orders.get(S.Zero, S.Zero)
    rest = sympy.Add(*(c * dimension**p for p, c in orders.items() if p != 0))
    return zero, rest if drift.exact and beta == 0 else None


def order_zero(expression: Expr, dimension: Symbol, what: str) -> Expr:
    """The part of order n^0; raises `SupercriticalStep` if the expression grows with n."""
    orders = by_dimension(expression, dimension)
    _refuse_growth(orders, dimension, what, None)
    return orders.get(S.Zero, S.Zero)


def _refuse_growth(orders: dict[Expr, Expr], dimension: Symbol, what: str, algorithm: SGD | None) -> None:
    for power in orders:
        if power.is_positive:
            rate = f" at learning_rate={algorithm.learning_rate}" if algorithm is not None else ""
            raise SupercriticalStep(
                f"{what} grows like {dimension**power}{rate}, so there is no limit; the critical scaling "
                f"is learning_rate = c/{dimension} with statistics of order 1"
            )
        if not power.is_negative and power != 0:
            raise SupercriticalStep(
                f"cannot decide whether {what} grows: it contains {dimension**power}; give the exponent a number"
            )


def by_dimension(expression: Expr, dimension: Symbol) -> dict[Expr, Expr]:
    """An expression as powers of n: exponent -> coefficient without n."""
    groups: dict[Expr, list[Expr]] = {}
    expanded = sympy.expand(expression)
    for term in sympy.Add.make_args(expanded) if expanded != 0 else ():
        coefficient, dependent = term.as_independent(dimension, as_Add=False)
        if dependent == 1:
            power: Expr = S.Zero
        else:
            base, power = sympy.powsimp(dependent).as_base_exp()
            if base != dimension or power.has(dimension):
                raise UnsupportedExpectation(
                    f"the dimension {dimension} enters as {dependent}, which is no power of it; scale "
                    f"the loss and the learning rate by powers of {dimension} outside functions"
                )
        groups.setdefault(power, []).append(coefficient)
    collected = {power: sympy.Add(*parts) for power, parts in groups.items()}
    return {power: total for power, total in collected.items() if total != 0}


def _by_power(expression: Expr, symbol: Symbol) -> dict[int, Expr]:
    groups: dict[int, list[Expr]] = {}
    for term in sympy.Add.make_args(sympy.expand(expression)):
        coefficient, power = term.as_coeff_exponent(symbol)
        groups.setdefault(int(power), []).append(coefficient)
    return {power: sympy.Add(*parts) for power, parts in groups.items()}


def _coefficient(expression: Expr, symbol: Symbol, power: int) -> Expr:
    """The coefficient of symbol**power at lowest order: (expression / symbol**power) at symbol = 0."""
    scaled = sympy.expand(expression / symbol**power, deep=False)
    return scaled.xreplace({symbol: S.Zero})
