"""The high-dimensional limit of SGD seen through summary statistics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import sympy
from sympy import Expr, ImmutableDenseMatrix, S, Symbol

from theory.algebra import NotPolynomial
from theory.algorithm import SGD, Sampling
from theory.equations import (
    ODE,
    SDE,
    Assumption,
    Clock,
    Display,
    Recurrence,
    Status,
    Step,
    Steps,
    gradient_coefficient,
    loss_derivative,
    rate_of,
)
from theory.errors import (
    AlgorithmNotCovered,
    NonGaussianData,
    NotClosed,
    SamplingNotCovered,
    SupercriticalStep,
    UnsupportedExpectation,
)
from theory.identity import content_hash
from theory.model import Model
from theory.references import EFFECTIVE_DYNAMICS, MOMENTUM_LIMITS, SOFT_COMMITTEE
from theory.scaling.closure import (
    Elimination,
    checked_statistics,
    eliminate,
    moving_entries,
    refuse_open,
    statistic_name,
)
from theory.scaling.drift import STEP_SIZE, Drift, GramDynamics, by_dimension, limit_rate, order_zero
from theory.update import refuse_unless_plain, require_statement
from theory.vectors import InnerProduct


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class ScalingLimit(ODE):
    """The ballistic limit as an ODE for the statistics, with what the limit discards and its fluctuations.

    `statistics`: name -> function of inner products. `gram_rates`: rate of each Gram entry, before elimination.
    `discarded`: what the limit drops from each rate, in powers of 1/n (None where it is not derived); exact for statistics
    affine in inner products, for others by the chain rule, without the spread of one step.
    """

    gram_rates: Mapping[Expr, Expr]
    discarded: Mapping[Symbol, Expr | None]
    dimension: Symbol
    model: Model
    algorithm: SGD
    _dynamics: GramDynamics = field(repr=False)
    _elimination: Elimination = field(repr=False)

    @property
    def noise_constant(self) -> Expr:
        """n * learning_rate / (batch_size (1 - beta)) at order n^0: what multiplies the noise terms."""
        beta = S.Zero if self.algorithm.momentum is None else self.algorithm.momentum.beta
        scaled = order_zero(self.dimension * self.algorithm.learning_rate, self.dimension, "n * learning_rate")
        return scaled / (self.algorithm.batch_size * (1 - beta))

    @cached_property
    def covariance(self) -> ImmutableDenseMatrix:
        """Sigma: covariance per unit of time of the sqrt(n)-rescaled statistics (Ito), in the order of `state`.

        Formula (2): Sigma = n delta Cov(<grad L, grad u> - (delta/2) grad L^T (grad^2 u) grad L). Raises `NotClosed` where it
        depends on inner products that the statistics do not determine (a drift may close where its covariance does not),
        `DataNormInGradient`, `MomentDoesNotExist`.
        """
        return self._covariance(second_order=True)

    @cached_property
    def first_order_covariance(self) -> ImmutableDenseMatrix:
        """The textbook expression n delta (grad u) V (grad u)^T, without the second-order noise."""
        return self._covariance(second_order=False)

    @property
    def second_order_noise(self) -> bool:
        """Whether the textbook covariance is wrong for this model."""
        difference = (self.covariance - self.first_order_covariance).applyfunc(sympy.expand)
        return not difference.is_zero_matrix

    def _covariance(self, *, second_order: bool) -> ImmutableDenseMatrix:
        beta = S.Zero if self.algorithm.momentum is None else self.algorithm.momentum.beta
        entries = sorted(set().union(*(moving_entries(u, self.model) for u in self.statistics.values())), key=str)
        jacobian = sympy.Matrix([[derivative(u, e) for e in entries] for u in self.statistics.values()])
        size = len(entries)
        gram = sympy.zeros(size, size)
        for i in range(size):
            for j in range(i, size):
                value = self._dynamics.covariance(
                    entries[i], entries[j], self.noise_constant, second_order=second_order
                )
                gram[i, j] = gram[j, i] = value / (1 - beta)
        matrix = (jacobian * gram * jacobian.T).applyfunc(lambda e: _present(self._elimination.apply(e)))
        refuse_open(matrix, self.model, self.state, f"the covariance of {', '.join(map(str, self.state))}")
        return ImmutableDenseMatrix(matrix)

    def fluctuations(self) -> SDE:
        """The limit with its noise at finite n: du = h dt + sqrt(Sigma/n) dB in the Ito sense.

        Raises as `covariance`. The drift is the limit's; corrections of order 1/n to it are in `discarded`.
        """
        noise = self.covariance / self.dimension
        return SDE(
            rates=self.rates,
            covariance=ImmutableDenseMatrix(noise),
            clock=self.clock,
            conventions=self.conventions,
            approximation="limit drift with Gaussian fluctuations of order n**(-1/2)",
            statistics=self.statistics,
            assumptions=self.assumptions,
            steps=self.steps,
            references=self.references,
            model_hash=self.model_hash,
        )

    def at_finite_dimension(self) -> Recurrence:
        """The map u' = u + delta h_n(u) with the exact drift h_n of the inner products at finite n.

        Exact for the means where h_n is affine in the statistics and these are affine in inner products, otherwise an
        approximation: fluctuations feel the curvature of h_n, and of the statistics, at the same order 1/n. Raises
        `AlgorithmNotCovered` under momentum, whose velocities are further vectors (use `moments`), and
        `UnsupportedExpectation` where the drift is not polynomial.
        """
        if self.algorithm.momentum is not None:
            raise AlgorithmNotCovered(
                "the finite-n drift with momentum needs the velocities; use moments(model, algorithm, of=...)"
            )
        open_rates = [str(name) for name, rest in self.discarded.items() if rest is None]
        if open_rates:
            raise UnsupportedExpectation(
                f"the exact finite-n drift of {', '.join(open_rates)} is derived for losses that are "
                f"polynomial in the data; simulate it directly"
            )
        delta = self.algorithm.learning_rate
        update = {
            name: _present(name + sympy.expand(delta * (rate + self.discarded[name])))
            for name, rate in self.rates.items()
        }
        affine = all(is_affine(value, self.state) for value in update.values()) and all(
            is_affine(u, tuple(moving_entries(u, self.model))) for u in self.statistics.values()
        )
        return Recurrence(
            update=update,
            clock=Clock.STEPS,
            conventions=self.conventions,
            assumptions=self.assumptions,
            approximation=None if affine else "mean drift iterated, fluctuations neglected",
            statistics=self.statistics,
            steps=self.steps,
            references=self.references,
            model_hash=self.model_hash,
        )

    @cached_property
    def population_loss(self) -> Expr:
        """The mean loss of a fresh sample as a function of the statistics, weight decay not included."""
        from theory.calculus.increment import copied

        loss = copied(self.model, 1).scalar(self.model.loss)
        try:
            mean = self._dynamics.average.exact(loss)
        except NotPolynomial:
            mean = self._dynamics.average.leading(loss)
        kept = {power: c for power, c in by_dimension(mean, self.dimension).items() if not power.is_negative}
        return _present(self._elimination.apply(sympy.Add(*(c * self.dimension**power for power, c in kept.items()))))


def scaling_limit(model: Model, algorithm: SGD, *, statistics: Mapping[str, Any] | None = None) -> ScalingLimit:
    r"""Return the limit n -> infinity of online SGD as an ODE for summary statistics, with time learning_rate x steps.

    Formula: dG/dt = E f1 + c E f2, with f1 the first-order change of a Gram entry and c = n * learning_rate.

    Parameters
    ----------
    model : a model over vectors of one symbolic dimension n, its data vectors with centred Gaussian entries.
    algorithm : `SGD` with fresh samples; batches, momentum and both kinds of weight decay are covered.
    statistics : name -> function of inner products and trained scalars; None finds a closed family.

    Raises `SamplingNotCovered` for fixed data sets, `AlgorithmNotCovered` for constraints, proximal steps and temperature,
    `NonGaussianData`, `NotClosed` (naming the missing inner products), `SupercriticalStep`, `DataNormInGradient`.

    Cost: milliseconds for polynomial losses; other losses return `GaussianQuadrature` nodes.
    Source: Ben Arous, Gheissari, Jagannath (2022), arXiv 2206.04030.

    >>> from theory import Model, Normal, SGD, Vector, dot, scaling_limit, symbols
    >>> n, c = symbols("n c", positive=True)
    >>> w, v, z = Vector("w", n), Vector("v", n), Vector("z", n)
    >>> model = Model((dot(w, z) - dot(v, z))**2/2, [w], {z: Normal()}, {dot(v, v): 1})
    >>> scaling_limit(model, SGD(c/n), statistics={"m": dot(w, v), "q": dot(w, w)})
    ScalingLimit (clock: learning rate x steps)
    dm/dt = 1 - m
    dq/dt = -2*c*m + c*q + c + 2*m - 2*q
    """
    require_statement(model, algorithm, "scaling_limit")
    dimension = _checked(model, algorithm)
    dynamics = GramDynamics(model, algorithm)
    if statistics is None:
        return _find_closed(model, algorithm, dynamics, dimension)
    return _derive(model, algorithm, dynamics, dimension, checked_statistics(model, algorithm, statistics))


def _checked(model: Model, algorithm: SGD) -> Symbol:
    if not model.vector_parameters:
        raise UnsupportedExpectation(
            "scaling_limit needs trained vectors of a symbolic dimension, as in Vector('w', n); this "
            "model has scalar parameters only: use moments"
        )
    refuse_unless_plain(algorithm, "scaling_limit")
    mode = algorithm.sampling_for(model.data_count)
    if mode != Sampling.ONLINE:
        raise SamplingNotCovered(
            f"scaling_limit covers fresh samples only, not sampling={mode} on a fixed data set; moments "
            f"covers Empirical data exactly"
        )
    dimensions = {vector.dimension for vector in model.vectors}
    if len(dimensions) != 1 or not isinstance(next(iter(dimensions)), Symbol):
        listed = ", ".join(sorted(map(str, dimensions)))
        raise UnsupportedExpectation(
            f"scaling_limit needs one symbolic dimension, the vectors live in dimensions {listed}"
        )
    if not (model.data_vectors or model.fields):
        raise NonGaussianData("scaling_limit needs a high-dimensional data vector or a field; this model has none")
    dimension = next(iter(dimensions))
    _refuse_constant_step(algorithm, dimension)
    return dimension


def _refuse_constant_step(algorithm: SGD, dimension: Symbol) -> None:
    """With a learning rate that stays finite, one step moves the statistics by order 1: a map, no ODE."""
    for power in by_dimension(algorithm.learning_rate, dimension):
        if not power.is_negative:
            raise SupercriticalStep(
                f"learning_rate={algorithm.learning_rate} does not vanish as {dimension} grows, so there is no "
                f"limit in continuous time; the critical scaling is learning_rate = c/{dimension}"
            )


def _find_closed(model: Model, algorithm: SGD, dynamics: GramDynamics, dimension: Symbol) -> ScalingLimit:
    """Start from the Gram entries of the gradient flow of the trained vectors; add what is missing until nothing is."""
    entries: set[Expr] = {InnerProduct(w, w) for w in model.vector_parameters} | set(model.scalar_parameters)
    while True:
        named = checked_statistics(model, algorithm, {statistic_name(e): e for e in sorted(entries, key=str)})
        try:
            return _derive(model, algorithm, dynamics, dimension, named)
        except NotClosed as incomplete:
            if entries.issuperset(incomplete.missing):  # asked for again: no larger family will help
                raise
            entries |= set(incomplete.missing)


def _derive(
    model: Model, algorithm: SGD, dynamics: GramDynamics, dimension: Symbol, statistics: dict[Symbol, Expr]
) -> ScalingLimit:
    entries = sorted(set().union(*(moving_entries(u, model) for u in statistics.values())), key=str)
    drifts: dict[Expr, Drift] = {entry: dynamics.drift(entry) for entry in entries}
    gram: dict[Expr, Expr] = {}
    rest: dict[Expr, Expr | None] = {}
    for entry, drift in drifts.items():
        gram[entry], rest[entry] = limit_rate(drift, algorithm, dimension, f"the drift of {entry}")
    elimination = eliminate(statistics, model)
    rates = {name: elimination.apply(_chain(u, gram)) for name, u in statistics.items()}
    refuse_open(rates.values(), model, statistics, f"the drift of {', '.join(map(str, rates))}")
    discarded = {
        name: None if any(rest[e] is None for e in moving_entries(u, model)) else elimination.apply(_chain(u, rest))
        for name, u in statistics.items()
    }
    rates = {name: _present(rate) for name, rate in rates.items()}
    _refuse_dimension(rates, dimension)
    return ScalingLimit(
        rates=rates,
        statistics={str(name): u for name, u in statistics.items()},
        gram_rates=gram,
        discarded=discarded,
        dimension=dimension,
        model=model,
        algorithm=algorithm,
        _dynamics=dynamics,
        _elimination=elimination,
        observables={},
        conventions=(
            "time is learning_rate x steps",
            *algorithm.conventions(),
            "the limit is n -> infinity at fixed statistics; fluctuations are of order n**(-1/2)",
        ),
        assumptions=_assumptions(model, algorithm, dimension),
        references=_references(algorithm),
        steps=_steps(dynamics, algorithm, statistics, entries, gram, rates, dimension),
        model_hash=content_hash((model, algorithm)),
    )


def _refuse_dimension(rates: Mapping[Symbol, Expr], dimension: Symbol) -> None:
    """A limit holds no n: powers are counted for vectors of order-1 norm and statistics and constants without n."""
    for name, rate in rates.items():
        if rate.has(dimension):
            raise UnsupportedExpectation(
                f"the rate of {name} still holds {dimension}: {rate}. The limit counts powers of {dimension} for vectors whose "
                f"norms, known inner products (fixed), statistics and momentum do not grow with it; absorb factors such as "
                f"1/sqrt({dimension}) into the vectors, so that dot(v, v) is of order 1 (the critical step is then c/{dimension})"
            )


def _chain(u: Expr, rates: Mapping[Expr, Any]) -> Expr:
    return sympy.Add(*(derivative(u, entry) * rate for entry, rate in rates.items() if u.has(entry)))


def derivative(expression: Expr, entry: Expr) -> Expr:
    """d expression / d entry, where the entry may be an inner product."""
    dummy = sympy.Dummy(real=True)
    return sympy.diff(expression.xreplace({entry: dummy}), dummy).xreplace({dummy: entry})


def is_affine(expression: Expr, state: tuple[Expr, ...]) -> bool:
    """Whether an expression is affine in the state."""
    try:
        return sympy.Poly(expression, *state).total_degree() <= 1
    except sympy.PolynomialError:
        return False


def _present(expression: Expr) -> Expr:
    """Powers combined (so that m**k/m has a value at 0), otherwise as expanded."""
    if any(not p.exp.is_number for p in expression.atoms(sympy.Pow)):
        return sympy.powsimp(sympy.powdenest(expression))
    return expression


def _assumptions(model: Model, algorithm: SGD, dimension: Symbol) -> tuple[Assumption, ...]:
    checks = [
        Assumption(
            "the loss depends on vectors only through inner products and fields",
            Status.CHECKED,
            "every vector of the loss stands inside dot or a field",
        ),
        Assumption(
            "the entries of the data vectors are independent centred Gaussians",
            Status.CHECKED,
            "; ".join(f"{name}: {law}" for names, law in model.data for name in names[:1]),
        ),
        Assumption(
            f"no drift grows with {dimension}",
            Status.CHECKED,
            f"powers of {dimension} counted at learning_rate = {algorithm.learning_rate}",
        ),
        Assumption(
            "the statistics determine their own drift", Status.CHECKED, "no inner product is left after elimination"
        ),
        Assumption(
            f"the statistics stay of order 1 as {dimension} grows", Status.STATED, "implied by the choice of the start"
        ),
    ]
    return tuple(checks)


def _references(algorithm: SGD) -> tuple[Any, ...]:
    base = (EFFECTIVE_DYNAMICS, SOFT_COMMITTEE)
    return base if algorithm.momentum is None else (*base, MOMENTUM_LIMITS)


def _steps(
    dynamics: GramDynamics,
    algorithm: SGD,
    statistics: Mapping[Symbol, Expr],
    entries: list[Expr],
    gram: Mapping[Expr, Expr],
    rates: Mapping[Symbol, Expr],
    dimension: Symbol,
) -> Steps:
    from theory.calculus.increment import copied

    back, delta = copied(dynamics.model, 1).inverse(), Symbol("delta", positive=True)
    gradients = [
        (gradient_coefficient(b, w), coefficient)
        for w, terms in dynamics.step.gradient.vectors.items()
        for b, coefficient in terms.items()
    ]
    gradients += [(loss_derivative(s), value) for s, value in dynamics.step.gradient.scalars.items()]
    increments, averages = [], []
    for entry in entries:
        part = dynamics.step.after(entry)
        change = back.scalar(part.carried - entry + part.single + part.same).xreplace({STEP_SIZE: delta})
        increments.append((Display("Delta {}", r"\Delta {}", entry), change))
        coefficients = dynamics.drift(entry).coefficients
        mean = Display("E Delta {} / delta", r"\mathbb{{E}} \Delta {} / \delta", entry)
        averages.append((mean, sympy.Add(*(c * delta**power for power, c in sorted(coefficients.items())))))
    notes = [f"delta = {algorithm.learning_rate}"]
    if algorithm.batch_size != 1:
        notes.append(f"averaging over a batch of {algorithm.batch_size} divides the noise term by it")
    if algorithm.momentum is not None:
        notes.append(
            "the velocity sums past gradients, which multiplies drift by 1/(1 - beta) and noise by 1/(1 - beta)**2"
        )
    every = "exactly" if all(dynamics.drift(entry).exact for entry in entries) else f"at leading order in {dimension}"
    return Steps(
        (
            Step(
                "Differentiate the loss of one sample",
                tuple(gradients),
                "each inner product is exchanged for a scalar, differentiated, and put back",
            ),
            Step(
                "Write the exact change of each inner product in one step",
                tuple(increments),
                "an identity for every sample (shown for a batch of one, without momentum), delta the learning rate",
            ),
            Step(
                "Average over the sample",
                tuple(averages),
                f"Gaussian integration by parts averages every term {every}; <z, z> contributes {dimension} times the variance",
            ),
            Step(
                f"Keep order {dimension}**0",
                tuple((rate_of(e), gram[e]) for e in entries),
                "; ".join(notes) + f"; lower orders in {dimension} are what the limit discards",
            ),
            Step(
                "Name the statistics",
                tuple((name, u) for name, u in statistics.items()),
                "chosen by the user, or found closed",
            ),
            Step(
                "Apply the chain rule and eliminate the inner products",
                tuple((rate_of(name), rate) for name, rate in rates.items()),
                "at scale 1 the quadratic variation vanishes, so no second derivatives enter",
            ),
        )
    )
