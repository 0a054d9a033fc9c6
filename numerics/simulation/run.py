"""The numbers of one run of SGD: what the values at hand make of the algorithm."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import sympy
from numpy.typing import NDArray
from sympy import Expr

from numerics.values import whole_number
from theory import SGD, Clock, DecoupledDecay, Model, Sampling, SoftThreshold
from theory.algorithm import Bernoulli, Persistent
from theory.errors import InvalidAlgorithm, InvalidRequest

Array = NDArray[np.float64]


class Run:
    """The numbers of one run: rates, batch, data-set size.

    Raises `InvalidAlgorithm` where the values make the algorithm impossible.
    """

    def __init__(self, model: Model, algorithm: SGD, values: Mapping[Expr, float], dimension: int) -> None:
        self.model, self.algorithm, self.values, self.dimension = model, algorithm, values, dimension
        self.mode = algorithm.sampling_for(model.data_count)
        self.rate = self.number(algorithm.learning_rate)
        if self.rate <= 0:
            raise InvalidAlgorithm(
                f"learning_rate = {algorithm.learning_rate} is {self.rate:g} at these values; it must be positive"
            )
        self.batch = whole_number(self.number(algorithm.batch_size), "batch_size")
        samples = model.data_count if model.data_count is not None else algorithm.samples
        self.count = 0 if samples is None else whole_number(self.number(sympy.sympify(samples)), "samples")
        self._check_numbers()
        if (
            self.mode in (Sampling.WITHOUT_REPLACEMENT, Sampling.RESHUFFLED, Sampling.CYCLIC)
            and self.batch > self.count
        ):
            raise InvalidAlgorithm(f"a batch of {self.batch} is larger than the data set of {self.count}")
        if self.mode in (Sampling.RESHUFFLED, Sampling.CYCLIC) and self.count % self.batch:
            raise InvalidAlgorithm(
                f"sampling={self.mode} needs a data set ({self.count}) that is a multiple of the batch ({self.batch})"
            )

    def number(self, expression: Expr) -> float:
        """The value of an expression of the hyperparameters."""
        value = sympy.sympify(expression).xreplace({k: sympy.Float(v, 17) for k, v in self.values.items()})
        if not (value.is_real and value.is_finite):
            raise InvalidAlgorithm(f"{expression} is {value} at these values; a finite real number is needed")
        return float(value)

    def _check_numbers(self) -> None:
        """State the algorithm again with numbers for its symbols: the statement refuses what is impossible."""
        algorithm = self.algorithm
        momentum, decay, proximal, mode = algorithm.momentum, algorithm.weight_decay, algorithm.proximal, self.mode
        SGD(
            self.rate,
            batch_size=self.batch,
            temperature=self.number(algorithm.temperature),
            constraint=algorithm.constraint,
            momentum=None if momentum is None else type(momentum)(sympy.Float(self.number(momentum.beta))),
            weight_decay=DecoupledDecay(sympy.Float(self.number(decay.rate)))
            if isinstance(decay, DecoupledDecay)
            else self.number(decay),
            proximal=None if proximal is None else SoftThreshold(sympy.Float(self.number(proximal.strength))),
            samples=None if algorithm.samples is None else self.count,
            sampling=type(mode)(*map(self.number, mode.content()))
            if isinstance(mode, (Bernoulli, Persistent))
            else None,
        )

    def settings(self) -> Array:
        """The numbers in the order of `numerics.templates.sgd.SETTINGS`."""
        algorithm, rate = self.algorithm, self.rate
        beta = 0.0 if algorithm.momentum is None else self.number(algorithm.momentum.beta)
        threshold = 0.0 if algorithm.proximal is None else rate * self.number(algorithm.proximal.strength)
        fraction, switch_on, switch_off = 1.0, 0.0, 0.0
        if isinstance(self.mode, (Bernoulli, Persistent)):
            fraction = self.number(self.mode.fraction)
        if isinstance(self.mode, Persistent):  # stationarity fixes the way back: fraction * off = (1 - fraction) * on
            switch_on = rate / self.number(self.mode.persistence_time)
            switch_off = switch_on * (1 - fraction) / fraction
            if switch_on > 1 or switch_off > 1:
                raise InvalidAlgorithm(
                    f"{self.mode} at learning_rate={rate:g} needs switching probabilities {switch_on:g} and "
                    f"{switch_off:g}; raise tau so that both are at most 1"
                )
        return np.array(
            [
                rate,
                beta,
                self.number(algorithm.coupled_decay),
                1 - rate * self.number(algorithm.decoupled_decay),
                np.sqrt(2 * rate * self.number(algorithm.temperature)),
                threshold,
                fraction,
                switch_on,
                switch_off,
            ]
        )

    def step_length(self, unit: Clock) -> float:
        """How far the clock moves in one step."""
        if unit == Clock.STEPS:
            return 1.0
        if unit == Clock.LEARNING_RATE_TIMES_STEPS:
            return self.rate
        if unit == Clock.STEPS_PER_DIMENSION:
            if not self.model.vectors:
                raise InvalidRequest(
                    "the clock counts steps / n, but the model has no vectors and so no n; use another clock"
                )
            return 1.0 / self.dimension
        if not self.count:
            raise InvalidRequest("the clock counts epochs, but there is no fixed data set; use another clock")
        if self.mode == Sampling.FULL_BATCH:
            return 1.0
        fraction = (
            self.number(self.mode.fraction)
            if isinstance(self.mode, (Bernoulli, Persistent))
            else self.batch / self.count
        )
        return fraction
