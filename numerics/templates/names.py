"""Which variable of a simulation holds which quantity of a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sympy import Expr, Symbol

from numerics.printer import argument_names
from numerics.templates.draws import SampleCode
from theory import SGD, Model
from theory.update import velocity
from theory.vectors import Vector


@dataclass(frozen=True)
class Names:
    """The names of one program.

    `vectors`, `scalars` : the trained ones; a vector's entry is called `w_0`, `w_1`, ..., a scalar `s_0`, ... `velocities` maps momentum
    variables to their parameters. `signals` : fixed vectors. `set_vectors`, `set_scalars` : columns of a fixed data set.
    `hyper` maps hyperparameters to the variables that hold them.
    """

    vectors: tuple[Vector, ...]
    scalars: tuple[Symbol, ...]
    velocities: Mapping[Any, Any]
    signals: tuple[Vector, ...]
    set_vectors: tuple[Vector, ...]
    set_scalars: tuple[Symbol, ...]
    hyper: Mapping[Expr, str]
    sample: SampleCode

    def vector(self, vector: Vector, *, parameter: str = "w") -> str:
        """The name of a vector's entry in a pass; trained vectors go by `parameter` ("w", or "point" where gradients are taken)."""
        if vector in self.vectors:
            return f"{parameter}_{self.vectors.index(vector)}"
        if vector in self.velocities:
            return f"velocity_{self.vectors.index(self.velocities[vector])}"
        if vector in self.signals:
            return f"signal_{self.signals.index(vector)}"
        if vector in self.set_vectors:
            return f"column_{self.set_vectors.index(vector)}"
        return f"drawn_{list(self.sample.entries).index(vector)}"

    def scalar(self, symbol: Any, *, parameter: str = "s") -> str:
        """The variable that holds a scalar; trained ones go by `parameter` ("s", or "scalar_point")."""
        if symbol in self.scalars:
            return f"{parameter}_{self.scalars.index(symbol)}"
        if symbol in self.velocities:
            return f"scalar_velocity_{self.scalars.index(self.velocities[symbol])}"
        if symbol in self.hyper:
            return self.hyper[symbol]
        if symbol in self.set_scalars:
            return f"columns[row, {self.set_scalars.index(symbol)}]"
        return self.sample.scalars[symbol]


def velocities(model: Model, algorithm: SGD) -> dict[Any, Any]:
    """The momentum variables that statistics may hold, each with its parameter; none without momentum."""
    return {} if algorithm.momentum is None else {velocity(parameter): parameter for parameter in model.parameters}


def hyperparameter_names(model: Model, algorithm: SGD, statistics: Mapping[str, Expr]) -> dict[Expr, str]:
    """The symbols that a program reads from its array of hyperparameters, with the variables that hold them."""
    found: set[Any] = set(model.hyperparameters)
    for expression in (*statistics.values(), model.loss):
        found |= {s for s in expression.free_symbols if isinstance(s, Symbol)}
    found -= set(model.parameters) | set(model.random) | set(velocities(model, algorithm))
    symbols = tuple(sorted(found, key=str))
    return dict(zip(symbols, argument_names(symbols), strict=True))


def signals_of(model: Model, algorithm: SGD, statistics: Mapping[str, Expr]) -> tuple[Vector, ...]:
    """The fixed vectors of the model and of the statistics, by name."""
    moving = {*model.vector_parameters, *model.data_vectors, *velocities(model, algorithm)}
    found: set[Any] = set(model.signals)
    for expression in statistics.values():
        found |= expression.atoms(Vector) - moving
    return tuple(sorted(found, key=str))
