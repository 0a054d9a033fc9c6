"""The learning rate up to which SGD is mean-square stable at a fixed point: `mean_square_threshold`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import sympy
from sympy import Symbol

from numerics.stability.exponents import refuse_arrays
from numerics.stability.matrix.first_crossing import Crossing, first_crossing
from numerics.stability.matrix.pencil import Curvature, SecondMomentShape, UnstableDirection, largest_of_pencil, split
from numerics.stability.matrix.symmetric_power import even_moment_exponent
from numerics.stability.problem import Grid
from numerics.values import numbers_for
from theory import SGD, Block, ExponentKind, Sampling, Stability
from theory.errors import (
    AlgorithmNotCovered,
    InvalidRequest,
    MomentDoesNotExist,
    SamplingNotCovered,
    UnsupportedExpectation,
)
from theory.stability.derivation import one_step
from theory.stability.mean_square import has_independent_batches


@dataclass(frozen=True)
class NoSecondMoment:
    """Evidence that no learning rate is mean-square stable: the mean square of the curvature is infinite."""

    reason: str


@dataclass(frozen=True)
class NoExponent:
    """A neutral direction without decay: nothing moves along it, and it is left out."""


@dataclass(frozen=True)
class BlockThreshold:
    """The threshold of one block: `mode`, its name; `value`; `error`, an upper estimate; `kind`; `evidence`, which shows it.

    `value` is 0 where no learning rate is stable and infinite for a neutral direction.
    """

    mode: str
    value: float
    error: float
    kind: ExponentKind
    evidence: SecondMomentShape | UnstableDirection | NoSecondMoment | NoExponent | Crossing


@dataclass(frozen=True)
class MeanSquareThreshold:
    """The learning rate up to which SGD is mean-square stable: the smallest of its `blocks`, with its `error` and `kind`.

    `stable_at_no_learning_rate` where it is 0: `evidence` names the direction, or the missing moment.
    """

    value: float
    error: float
    kind: ExponentKind
    blocks: tuple[BlockThreshold, ...]

    @property
    def evidence(self) -> Any:
        """The evidence of the block that decides."""
        return self.decisive.evidence

    @property
    def decisive(self) -> BlockThreshold:
        """The block that loses stability first."""
        return min(self.blocks, key=lambda block: block.value)

    def __str__(self) -> str:
        if self.stable_at_no_learning_rate:
            return f"mean-square stable at no learning rate, because of {self.decisive.mode}"
        shown = f"{self.value:.10g} +- {self.error:.1g}" if np.isfinite(self.value) else "any value"
        return f"mean-square stable for learning rates below {shown} ({self.kind}; {self.decisive.mode} decides)"

    @property
    def stable_at_no_learning_rate(self) -> bool:
        """Whether the mean square grows, or is infinite, whatever the learning rate."""
        return self.value == 0


def mean_square_threshold(equations: Stability, *, at: Mapping[Any, Any] | None = None) -> MeanSquareThreshold:
    r"""Return the learning rate below which $\mathbb{E}|\theta_t|^2\to0$ at a noise-free fixed point.

    Plain SGD with independent batches is mean-square stable exactly for $0<\eta<1/\lambda_{\max}$ of the symmetric pencil

    $$ \mathbb{E}\,\bar HM\bar H=\lambda(\bar H_0M+M\bar H_0),\qquad \bar H_0=\mathbb{E}H+\gamma, $$

    for any law with second moments and any batch size, with replacement, without, or Bernoulli. With momentum, and for batches that
    depend on each other over an epoch, L(2) is scanned from small learning rates upwards and its first zero bracketed: a stable interval
    further up is not reported, and an unstable one between two points of the scan (a tenth of a decade) would be missed.

    Parameters
    ----------
    equations : of `theory.stability`. The learning rate may be a symbol or a number: its value is not used.
    at : values of every other symbol.

    Raises `InvalidRequest` where something else depends on the learning rate, `SamplingNotCovered` for reshuffled epochs of more than
    16 samples, `MissingValue` and `UnknownValue`, `UnsupportedExpectation` where an average has no value.

    Cost: for a finite law one pass over the data per application, some tens of applications; a data set of ten features takes
    milliseconds.

    References: Rotem Mulayoff, Tomer Michaeli, Exact Mean Square Linear Stability Analysis for SGD (2023, arXiv 2306.07850).

    >>> from theory import SGD, Model, Normal, stability, symbols
    >>> from numerics import mean_square_threshold
    >>> u, w, x, y, eta = symbols("u w x y eta", positive=True)
    >>> model = Model((u*x + w*y)**2/2, [u, w], {x: Normal(), y: Normal()})
    >>> found = mean_square_threshold(stability(model, SGD(eta), point={u: 0, w: 0}))
    >>> round(found.value, 12), str(found.kind)  # 2/(d + 2)
    (0.5, 'operator')
    """
    given = dict(at or {})
    refuse_arrays(given)
    rate = sympy.Dummy("rate", positive=True)
    algorithm = _with_rate(equations.algorithm, rate)
    step = one_step(equations.model, algorithm)
    rates = equations.algorithm.learning_rate.free_symbols
    blocks = tuple(replace(block, step=step) for block in equations.blocks)
    decay = sympy.sympify(algorithm.coupled_decay + algorithm.decoupled_decay)
    _refuse_dependence(blocks, decay, step.beta, rates)
    needed = tuple(symbol for symbol in equations.free_symbols if symbol not in rates)
    values = numbers_for(needed, given, "the mean-square threshold", optional=rates)
    constants = Grid({symbol: np.array([number]) for symbol, number in values.items()}, 1)
    found = tuple(_of_block(block, constants, float(constants.of(decay)[0]), rate) for block in blocks)
    smallest = min(found, key=lambda block: block.value)
    return MeanSquareThreshold(smallest.value, smallest.error, smallest.kind, found)


def _with_rate(algorithm: SGD, rate: Symbol) -> SGD:
    others = {field.name: getattr(algorithm, field.name) for field in fields(algorithm)[1:]}
    return SGD(rate, **others)


def _refuse_dependence(blocks: tuple[Block, ...], decay: Any, beta: Any, rates: set[Symbol]) -> None:
    for block in blocks:
        present = block.randomness.of(block.curvature)
        parts = (block.curvature, sympy.sympify(block.batch.size), decay, sympy.sympify(beta))
        held = set().union(*(part.free_symbols for part in parts), *(law.free_symbols for _, law in present.groups))
        if shared := sorted(held & rates, key=str):
            raise InvalidRequest(
                f"the learning rate and the rest of the problem both hold {shared[0]}: there is no threshold of the one with the other "
                f"fixed; write the learning rate as a symbol of its own"
            )


def _of_block(block: Block, constants: Grid, decay: float, rate: Symbol) -> BlockThreshold:
    if block.is_silent:
        return BlockThreshold(block.name, np.inf, 0.0, ExponentKind.CLOSED_FORM, NoExponent())
    try:
        curvature = Curvature.of(block, constants, decay)
    except MomentDoesNotExist as missing:
        return BlockThreshold(block.name, 0.0, 0.0, ExponentKind.CLOSED_FORM, NoSecondMoment(str(missing)))
    pieces = split(curvature)
    if isinstance(pieces, UnstableDirection):
        return BlockThreshold(block.name, 0.0, 0.0, ExponentKind.OPERATOR, pieces)
    basis, heights = pieces
    value, error, shape = largest_of_pencil(curvature, basis, heights)
    if not block.step.has_velocity and has_independent_batches(block):
        closed = ExponentKind.CLOSED_FORM if curvature.sandwich.doubt == 0 else ExponentKind.QUADRATURE
        kind = closed if block.size == 1 else ExponentKind.OPERATOR
        return BlockThreshold(block.name, 1 / value, error / value**2, kind, shape)
    if len(heights) < block.size:
        raise AlgorithmNotCovered(
            f"no sample curves the loss along some direction of the block {block.name}, which with momentum or batches of one epoch "
            f"is not removed here; state the model without that direction"
        )
    return _by_scan(block, constants, rate, 1 / value)


def _by_scan(block: Block, constants: Grid, rate: Symbol, scale: float) -> BlockThreshold:
    def exponent(rates: Any) -> tuple[Any, Any]:
        table = {symbol: np.full(len(rates), column[0]) for symbol, column in constants.values.items()}
        estimate = even_moment_exponent(block, Grid({**table, rate: np.asarray(rates)}, len(rates)), 2)
        if estimate is None:
            if block.batch.mode != Sampling.RESHUFFLED:
                raise UnsupportedExpectation(
                    f"the second moments of the curvature of the block {block.name} have no closed form and no quadrature here; give "
                    f"laws with moments, or the data as Empirical(...)"
                )
            raise SamplingNotCovered(
                f"second moments over reshuffled epochs are averaged over all subsets of the data, for up to 16 samples and small "
                f"blocks, not for {block.batch.data_count} samples and {block.order} states; "
                f"sampling=WITHOUT_REPLACEMENT has an exact threshold"
            )
        return estimate.values, estimate.errors

    found = first_crossing(exponent, scale)
    if found is None:
        raise UnsupportedExpectation(
            f"the first zero of L(2) of the block {block.name} was not found between learning rates {1e-10 * scale:g} and {1e6 * scale:g}"
        )
    return BlockThreshold(block.name, found.value, found.error, ExponentKind.OPERATOR, found)
