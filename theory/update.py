"""One step of an algorithm, written once for vectors and for scalars: linear in the batch gradient.

Every optimiser of `SGD` moves each state quantity X (a parameter or its velocity) to
X' = (combination of state quantities) + weight * gbar, where gbar is the batch mean of the loss gradient of one
parameter, evaluated at the *gradient point* (the parameters themselves, or shifted ones for Nesterov momentum).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import sympy
from sympy import Expr, S, Symbol

from theory.algorithm import SGD, HeavyBall, Nesterov, NesterovLookahead, Sampling
from theory.calculus.gradient import gradient
from theory.equations import Clock, RandomMap, Step, Steps, loss_derivative
from theory.errors import AlgorithmNotCovered, InvalidRequest, SamplingNotCovered, UnsupportedExpectation
from theory.identity import content_hash
from theory.model import Model
from theory.vectors import Vector

Item = Any  # Vector | Symbol; SymPy's classes carry no types


@dataclass(frozen=True)
class ItemUpdate:
    """X' = sum of `carried[item] * item` + `weight` * (batch gradient of `parameter`)."""

    carried: dict[Item, Expr]
    weight: Expr
    parameter: Item


@dataclass(frozen=True)
class LinearUpdate:
    """The update of every state quantity, and where the gradient is taken (parameter -> combination of the state)."""

    items: dict[Item, ItemUpdate]
    point: dict[Item, dict[Item, Expr]]

    @property
    def velocities(self) -> tuple[Item, ...]:
        """The state quantities that are no parameters."""
        return tuple(item for item in self.items if item not in self.point)


def velocity(parameter: Item) -> Item:
    """The momentum variable that belongs to a parameter."""
    name = f"velocity_{parameter.name}"
    return Vector(name, parameter.dimension) if isinstance(parameter, Vector) else Symbol(name, real=True)


def linear_update(model: Model, algorithm: SGD) -> LinearUpdate:
    """The step of `algorithm` on the parameters of `model` (deterministic parts; thermal noise is added by callers)."""
    rate, decay, keep = (
        algorithm.learning_rate,
        algorithm.coupled_decay,
        1 - algorithm.learning_rate * algorithm.decoupled_decay,
    )
    momentum = algorithm.momentum
    items: dict[Item, ItemUpdate] = {}
    point: dict[Item, dict[Item, Expr]] = {}
    for parameter in model.parameters:
        if momentum is None:
            items[parameter] = _item({parameter: keep - rate * decay}, -rate, parameter)
            point[parameter] = {parameter: S.One}
            continue
        speed, beta = velocity(parameter), momentum.beta
        at = {parameter: S.One, speed: -rate * beta} if isinstance(momentum, Nesterov) else {parameter: S.One}
        new_speed = {speed: beta + decay * at.get(speed, S.Zero), parameter: decay}
        if isinstance(momentum, (HeavyBall, Nesterov)):
            carried = {parameter: keep - rate * new_speed[parameter], speed: -rate * new_speed[speed]}
            weight = -rate
        elif isinstance(momentum, NesterovLookahead):
            carried = {
                parameter: keep - rate * (decay + beta * new_speed[parameter]),
                speed: -rate * beta * new_speed[speed],
            }
            weight = -rate * (1 + beta)
        else:
            raise AlgorithmNotCovered(
                f"momentum {momentum} has no update rule; use HeavyBall, Nesterov or NesterovLookahead"
            )
        items[parameter] = _item(carried, weight, parameter)
        items[speed] = _item(new_speed, S.One, parameter)
        point[parameter] = at
    return LinearUpdate(items, point)


def _item(carried: dict[Item, Expr], weight: Expr, parameter: Item) -> ItemUpdate:
    return ItemUpdate({item: sympy.expand(c) for item, c in carried.items() if c != 0}, weight, parameter)


def require_statement(model: Any, algorithm: Any, theory: str) -> None:
    """Raise `InvalidRequest` unless the two arguments are a `Model` and an `SGD`, in this order."""
    if not isinstance(model, Model) or not isinstance(algorithm, SGD):
        raise InvalidRequest(
            f"{theory} takes a Model and an SGD, got {type(model).__name__} and {type(algorithm).__name__}; write "
            f"{theory}(model, SGD(learning_rate=...))"
        )


def refuse_unless_plain(algorithm: SGD, theory: str, *, temperature: bool = False) -> None:
    """Raise `AlgorithmNotCovered` for the options that `theory` does not implement."""
    options = {"constraint": algorithm.constraint, "proximal": algorithm.proximal}
    if not temperature:
        options["temperature"] = algorithm.temperature if algorithm.temperature != 0 else None
    for name, value in options.items():
        if value is not None:
            raise AlgorithmNotCovered(
                f"{theory} does not cover {name}={value}; simulate it directly, or drop the option"
            )


def refuse_drawn_data_set(model: Model, algorithm: SGD, theory: str) -> None:
    """Raise `SamplingNotCovered` for `samples=N`: draws from a law, kept as the data set, are not fresh draws."""
    if model.data_count is None and algorithm.samples is not None:
        raise SamplingNotCovered(
            f"{theory} does not cover samples={algorithm.samples}, a data set drawn once from the laws; give "
            f"the data as Empirical(...), or drop samples= for fresh draws"
        )


def sample_copies(random: Iterable[Symbol], size: int, taken: set[str]) -> list[dict[Symbol, Symbol]]:
    """The random symbols of each sample of a batch: themselves for one sample, else `x_1`, `x_2`, ... under names not taken."""
    listed = tuple(random)
    if size == 1:
        return [{symbol: symbol for symbol in listed}]
    copies: list[dict[Symbol, Symbol]] = []
    used = set(taken)
    for index in range(1, size + 1):
        names = {}
        for symbol in listed:
            name = f"{symbol.name}_{index}"
            while name in used:
                name += "_"
            used.add(name)
            names[symbol] = Symbol(name, real=True)
        copies.append(names)
    return copies


def noise_symbol(parameter: Symbol) -> Symbol:
    """The Gaussian draw of Langevin noise on a scalar parameter."""
    return Symbol(f"noise_{parameter.name}", real=True)


def random_map(model: Model, algorithm: SGD) -> RandomMap:
    """Return one step of SGD on an explicit model as a random map of its parameters (and velocities).

    The draws of a batch are separate symbols (`x_1`, `x_2`, ... for a batch of two or more). Raises
    `UnsupportedExpectation` for vector models (use `model.components`), `SamplingNotCovered` where batches are not
    independent draws, `AlgorithmNotCovered` for constraints and proximal steps or a symbolic batch size.
    """
    if not model.is_explicit:
        raise UnsupportedExpectation(
            "random_map works in coordinates; expand the vectors first: model.components({n: 3})"
        )
    refuse_unless_plain(algorithm, "random_map", temperature=True)
    refuse_drawn_data_set(model, algorithm, "random_map")
    mode = algorithm.sampling_for(model.data_count)
    if mode not in (Sampling.ONLINE, Sampling.WITH_REPLACEMENT):
        raise SamplingNotCovered(f"random_map needs batches of independent draws, not sampling={mode}", mode)
    if not algorithm.batch_size.is_Integer:
        raise AlgorithmNotCovered(
            f"random_map lists the draws of a batch one by one; batch_size={algorithm.batch_size} must be a number"
        )
    update, grad = linear_update(model, algorithm), gradient(model)
    size = int(algorithm.batch_size)
    taken = {s.name for s in (*model.parameters, *model.random, *model.hyperparameters, *algorithm.free_symbols)}
    copies = sample_copies(model.random, size, taken)
    shift = {p: sympy.Add(*(c * item for item, c in at.items())) for p, at in update.point.items()}
    new: dict[Expr, Expr] = {}
    draws = [(tuple(copy[s] for s in names), law) for copy in copies for names, law in model.data]
    for item, rule in update.items.items():
        mean = sympy.Add(*(grad.scalars[rule.parameter].xreplace(shift).xreplace(copy) for copy in copies)) / size
        new[item] = sympy.Add(*(c * other for other, c in rule.carried.items())) + rule.weight * mean
        if algorithm.temperature != 0 and item in model.parameters:
            from theory.laws import Normal

            new[item] += noise_symbol(item)
            draws.append(((noise_symbol(item),), Normal(0, 2 * algorithm.learning_rate * algorithm.temperature)))
    steps = (
        Step(
            "Take the gradient of the loss of one sample",
            tuple((loss_derivative(p), g) for p, g in grad.scalars.items()),
            "the loss is differentiated with respect to each parameter",
        ),
    )
    return RandomMap(
        update=new,
        draws=tuple(draws),
        clock=Clock.STEPS,
        conventions=algorithm.conventions(),
        steps=Steps(steps),
        model_hash=content_hash((model, algorithm)),
    )
