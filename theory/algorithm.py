"""How SGD is run: learning rate, batches, momentum, decay, and the way batches are drawn.

Conventions, stated in every result: `learning_rate` multiplies the batch *mean* of the per-sample gradient;
`weight_decay` is the coefficient of theta/2 squared in the loss (coupled) unless a `DecoupledDecay` is given.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

import sympy
from sympy import Expr, S

from theory.errors import InvalidAlgorithm, NotReal, UnequalBatches
from theory.identity import Identified


def _number(value: Any, what: str) -> Expr:
    """`value` as a real SymPy scalar; floats become the nearest simple rational so that derivations stay exact."""
    if isinstance(value, (bool, str)):
        raise InvalidAlgorithm(f"{what} must be a number or a real symbol, got {value!r}")
    try:
        expression = sympy.sympify(value)
    except sympy.SympifyError:
        expression = None
    if not isinstance(expression, Expr):
        raise InvalidAlgorithm(f"{what} must be a number or a real symbol, got {value!r}")
    if expression.has(S.NaN, S.Infinity, S.NegativeInfinity, S.ComplexInfinity):
        raise InvalidAlgorithm(f"{what} must be finite, got {value!r}")
    if expression.has(sympy.Float):
        expression = sympy.nsimplify(expression, rational=True)
    strays = [symbol for symbol in expression.free_symbols if not symbol.is_real]
    if strays:
        raise NotReal(f"{what} contains {strays[0]}, which is not declared real; make it with theory.symbols")
    return expression


def _require(condition: Any, message: str) -> None:
    """Raise `InvalidAlgorithm` unless `condition` holds; an undecided symbolic condition passes."""
    if condition == False:  # noqa: E712 - SymPy's false is not the Python singleton
        raise InvalidAlgorithm(message)


class _Choice(Identified):
    """A small immutable option object, identified by its fields."""

    def content(self) -> tuple[Any, ...]:
        return tuple(getattr(self, field.name) for field in fields(self))  # type: ignore[arg-type]

    @property
    def free_symbols(self) -> set[Any]:
        return set().union(*(part.free_symbols for part in self.content() if hasattr(part, "free_symbols")))


# ------------------------------------------------------------------------------------------------------- momentum


@dataclass(frozen=True, eq=False)
class Momentum(_Choice):
    """Base of the momentum conventions; `beta` in [0, 1) is the weight of the old velocity."""

    beta: Expr

    def __post_init__(self) -> None:
        object.__setattr__(self, "beta", _number(self.beta, f"{type(self).__name__}(beta)"))
        _require(self.beta >= 0, f"momentum beta must be at least 0, got {self.beta}")
        _require(self.beta < 1, f"momentum beta must be below 1, got {self.beta}")


class HeavyBall(Momentum):
    """v' = beta v + g(theta), theta' = theta - learning_rate v'."""


class Nesterov(Momentum):
    """v' = beta v + g(theta - learning_rate beta v), theta' = theta - learning_rate v'."""


class NesterovLookahead(Momentum):
    """v' = beta v + g(theta), theta' = theta - learning_rate (g(theta) + beta v'), as deep-learning libraries do."""


# --------------------------------------------------------------------------------------------- decay and constraints


@dataclass(frozen=True, eq=False)
class DecoupledDecay(_Choice):
    """Weight decay outside the gradient: theta' = (1 - learning_rate rate) theta - learning_rate (...)."""

    rate: Expr

    def __post_init__(self) -> None:
        object.__setattr__(self, "rate", _number(self.rate, "DecoupledDecay(rate)"))
        _require(self.rate >= 0, f"weight decay must be at least 0, got {self.rate}")


@dataclass(frozen=True, eq=False)
class Sphere(_Choice):
    """Every trained vector is rescaled to unit norm after each step."""


@dataclass(frozen=True, eq=False)
class SoftThreshold(_Choice):
    """Proximal step of the L1 penalty: coordinates shrink towards zero by learning_rate times `strength`."""

    strength: Expr

    def __post_init__(self) -> None:
        object.__setattr__(self, "strength", _number(self.strength, "SoftThreshold(strength)"))
        _require(self.strength >= 0, f"the L1 strength must be at least 0, got {self.strength}")


# ------------------------------------------------------------------------------------------------------- sampling


class Sampling(StrEnum):
    """How a batch is drawn."""

    ONLINE = "online"
    """A fresh sample from the law at every step."""
    WITH_REPLACEMENT = "with_replacement"
    """Independent uniform draws from a fixed data set."""
    WITHOUT_REPLACEMENT = "without_replacement"
    """`batch_size` distinct points of a fixed data set, independently at every step."""
    RESHUFFLED = "reshuffled"
    """A new random permutation every epoch, cut into batches."""
    CYCLIC = "cyclic"
    """The fixed order of the data set, cut into batches."""
    FULL_BATCH = "full_batch"
    """Every point of the data set at every step."""


@dataclass(frozen=True, eq=False)
class Bernoulli(_Choice):
    """Every sample of a fixed data set joins the batch independently with probability `fraction`."""

    fraction: Expr

    def __post_init__(self) -> None:
        object.__setattr__(self, "fraction", _number(self.fraction, "bernoulli(b)"))
        _require(self.fraction > 0, f"the batch fraction b must be above 0, got {self.fraction}")
        _require(self.fraction <= 1, f"the batch fraction b must be at most 1, got {self.fraction}")

    def __str__(self) -> str:
        return f"bernoulli({self.fraction})"


@dataclass(frozen=True, eq=False)
class Persistent(_Choice):
    """A two-state chain per sample: stationary mean `fraction`, P(0 -> 1) = learning_rate / `persistence_time`."""

    fraction: Expr
    persistence_time: Expr

    def __post_init__(self) -> None:
        object.__setattr__(self, "fraction", _number(self.fraction, "persistent(b, tau)"))
        object.__setattr__(self, "persistence_time", _number(self.persistence_time, "persistent(b, tau)"))
        _require(self.fraction > 0, f"the batch fraction b must be above 0, got {self.fraction}")
        _require(self.fraction <= 1, f"the batch fraction b must be at most 1, got {self.fraction}")
        _require(self.persistence_time > 0, f"the persistence time tau must be above 0, got {self.persistence_time}")

    def __str__(self) -> str:
        return f"persistent({self.fraction}, {self.persistence_time})"


def bernoulli(fraction: Any) -> Bernoulli:
    """Return the sampling in which every sample joins the batch with probability `fraction` (in (0, 1])."""
    return Bernoulli(fraction)


def persistent(fraction: Any, persistence_time: Any) -> Persistent:
    """Return the persistent sampling of mean `fraction` in which a sample stays off for about `persistence_time`."""
    return Persistent(fraction, persistence_time)


# ------------------------------------------------------------------------------------------------------------- SGD


@dataclass(frozen=True, eq=False, init=False)
class SGD(_Choice):
    r"""Stochastic gradient descent: theta' = theta - learning_rate * (mean over the batch of the loss gradient).

    Parameters
    ----------
    learning_rate : positive number or expression (it may contain the dimension, as in `c / n`).
    batch_size : positive integer or symbol, 1 by default.
    momentum : `HeavyBall(beta)`, `Nesterov(beta)`, `NesterovLookahead(beta)` or None.
    weight_decay : coefficient of theta^2/2 added to the loss (coupled), or `DecoupledDecay(rate)`.
    temperature : Langevin noise sqrt(2 learning_rate temperature) per coordinate and step.
    constraint : `Sphere()` or None.  proximal : `SoftThreshold(strength)` or None.
    samples : size of a fixed data set drawn once from the law; None for online draws (or for `Empirical` data).
    sampling : a `Sampling`, `bernoulli(b)` or `persistent(b, tau)`; None means online draws, or draws with
        replacement where there is a fixed data set.

    Raises `InvalidAlgorithm` for an impossible value, `NotReal` for a symbol that is not real.

    >>> from theory import SGD, HeavyBall, symbols
    >>> c, n = symbols("c n", positive=True)
    >>> SGD(learning_rate=c / n, momentum=HeavyBall(0.9)).momentum.beta
    9/10
    """

    learning_rate: Expr
    batch_size: Expr
    momentum: Momentum | None
    weight_decay: Expr | DecoupledDecay
    temperature: Expr
    constraint: Sphere | None
    proximal: SoftThreshold | None
    samples: Expr | None
    sampling: Sampling | Bernoulli | Persistent | None

    def __init__(
        self,
        learning_rate: Any,
        *,
        batch_size: Any = 1,
        momentum: Momentum | None = None,
        weight_decay: Any = 0,
        temperature: Any = 0,
        constraint: Sphere | None = None,
        proximal: SoftThreshold | None = None,
        samples: Any = None,
        sampling: Any = None,
    ) -> None:
        rate = _number(learning_rate, "learning_rate")
        _require(rate > 0, f"learning_rate must be positive, got {learning_rate!r}; SGD steps against the gradient")
        batch = _number(batch_size, "batch_size")
        _require(batch >= 1, f"batch_size must be at least 1, got {batch_size!r}")
        if batch.is_number and not batch.is_integer:
            raise InvalidAlgorithm(
                f"batch_size must be a whole number, got {batch_size!r}; a batch given as a "
                f"fraction of the data is sampling=bernoulli(b)"
            )
        _expect(
            momentum, (Momentum, type(None)), "momentum", "HeavyBall(beta), Nesterov(beta), NesterovLookahead(beta)"
        )
        _expect(constraint, (Sphere, type(None)), "constraint", "Sphere()")
        _expect(proximal, (SoftThreshold, type(None)), "proximal", "SoftThreshold(strength)")
        decay = weight_decay
        if not isinstance(decay, DecoupledDecay):
            decay = _number(weight_decay, "weight_decay")
            _require(decay >= 0, f"weight_decay must be at least 0, got {weight_decay!r}")
        heat = _number(temperature, "temperature")
        _require(heat >= 0, f"temperature must be at least 0, got {temperature!r}")
        count = None if samples is None else _number(samples, "samples")
        if count is not None:
            _require(count >= 1, f"samples must be at least 1, got {samples!r}")
            _require(not count.is_number or bool(count.is_integer), f"samples must be a whole number, got {samples!r}")
            _require(batch <= count, f"a batch of {batch} is larger than the data set of {count} samples")
        values = (rate, batch, momentum, decay, heat, constraint, proximal, count, _as_sampling(sampling))
        for field, value in zip(fields(self), values, strict=True):
            object.__setattr__(self, field.name, value)
        if self.sampling == Sampling.ONLINE and count is not None:
            raise InvalidAlgorithm(
                f"sampling=ONLINE draws fresh data, yet samples={count} asks for a fixed data set; drop one of the two"
            )
        if isinstance(self.sampling, (Bernoulli, Persistent)) and batch != 1:
            raise InvalidAlgorithm(f"{self.sampling} sets the batch by itself; drop batch_size={batch}")
        if self.sampling == Sampling.FULL_BATCH and batch != 1:
            raise InvalidAlgorithm(f"sampling=FULL_BATCH uses every sample; drop batch_size={batch}")

    @property
    def coupled_decay(self) -> Expr:
        """The decay inside the gradient, zero if it is decoupled."""
        return S.Zero if isinstance(self.weight_decay, DecoupledDecay) else self.weight_decay

    @property
    def decoupled_decay(self) -> Expr:
        """The decay outside the gradient, zero if it is coupled."""
        return self.weight_decay.rate if isinstance(self.weight_decay, DecoupledDecay) else S.Zero

    def sampling_for(self, data_count: Any) -> Sampling | Bernoulli | Persistent:
        """The sampling in force on a data set of `data_count` samples (None: data drawn online).

        Raises `InvalidAlgorithm` if the mode needs a data set that is not there, or the batch is larger than it.
        """
        count = self.samples if data_count is None else data_count
        if data_count is not None and self.samples is not None and self.samples != data_count:
            raise InvalidAlgorithm(
                f"samples={self.samples} asks for a data set drawn from the law, yet the model holds "
                f"Empirical data of {data_count} samples; drop samples="
            )
        mode = self.sampling
        if mode is None:
            return Sampling.ONLINE if count is None else Sampling.WITH_REPLACEMENT
        if count is None and mode != Sampling.ONLINE:
            raise InvalidAlgorithm(
                f"sampling={mode} needs a fixed data set; give Empirical data, or samples=N to draw "
                f"N samples once from the law"
            )
        if data_count is not None and mode == Sampling.ONLINE:
            mode = Sampling.WITH_REPLACEMENT  # a fresh draw from an empirical law is a draw with replacement
        if mode in (Sampling.WITHOUT_REPLACEMENT, Sampling.RESHUFFLED, Sampling.CYCLIC):
            _require(self.batch_size <= count, f"a batch of {self.batch_size} is larger than the data set of {count}")
        if mode in (Sampling.RESHUFFLED, Sampling.CYCLIC):
            remainder = sympy.Mod(count, self.batch_size)
            if remainder.is_number and remainder != 0:
                raise UnequalBatches(
                    f"sampling={mode} cuts the data into equal batches, yet {count} samples are no multiple of "
                    f"batch_size={self.batch_size}; choose a batch size that divides {count}",
                    mode,
                )
        return mode

    def conventions(self) -> tuple[str, ...]:
        """What the numbers mean, in words, for every result that comes from this algorithm."""
        lines = ["learning_rate multiplies the batch mean of the per-sample gradient"]
        if self.weight_decay != 0:
            lines.append(
                "weight decay is decoupled from the gradient"
                if self.decoupled_decay != 0
                else "weight_decay is the coefficient of theta^2/2 in the loss"
            )
        if self.momentum is not None:
            lines.append(f"momentum: {type(self.momentum).__doc__}")
        return tuple(lines)

    def __repr__(self) -> str:
        defaults = {"batch_size": 1, "weight_decay": 0, "temperature": 0}
        shown = [f"learning_rate={self.learning_rate}"]
        for field in fields(self)[1:]:
            value = getattr(self, field.name)
            if value is not None and value != defaults.get(field.name):
                shown.append(f"{field.name}={value}")
        return f"SGD({', '.join(shown)})"


def GD(learning_rate: Any, **options: Any) -> SGD:
    """Return gradient descent: `SGD` whose batch is the whole data set (options as for `SGD`)."""
    return SGD(learning_rate, sampling=Sampling.FULL_BATCH, **options)


def _expect(value: Any, kinds: tuple[type, ...], name: str, choices: str) -> None:
    if not isinstance(value, kinds):
        raise InvalidAlgorithm(f"{name}={value!r}: expected {choices} or None")


def _as_sampling(value: Any) -> Sampling | Bernoulli | Persistent | None:
    if value is None or isinstance(value, (Sampling, Bernoulli, Persistent)):
        return value
    names = ", ".join(f"Sampling.{member.name}" for member in Sampling)
    raise InvalidAlgorithm(f"sampling={value!r} is unknown; choose one of {names}, bernoulli(b), persistent(b, tau)")
