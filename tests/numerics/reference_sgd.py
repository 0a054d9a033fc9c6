"""A plain, slow simulator of SGD, the reference of these tests: SymPy's derivative of an explicit loss, NumPy, one loop.

It shares no code with the package: gradients come from `sympy.diff` of a loss that the test writes out over the entries
of its vectors, draws from NumPy, the update rules from their definitions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy


@dataclass(frozen=True)
class Rule:
    """An optimiser in numbers. `momentum` is "heavy ball", "nesterov", "lookahead" or None; `spheres` are slices of theta."""

    rate: float
    momentum: str | None = None
    beta: float = 0.0
    coupled: float = 0.0
    decoupled: float = 0.0
    threshold: float = 0.0
    spheres: Sequence[slice] = ()


def gradient_of(loss: Any, parameters: Sequence[Any], data: Sequence[Any]) -> Callable[[Any, Any], np.ndarray]:
    """grad(theta, row): the gradient of an explicit loss at one sample."""
    compiled = sympy.lambdify([list(parameters), list(data)], [sympy.diff(loss, p) for p in parameters], "numpy")
    return lambda theta, row: np.array(compiled(theta, row), dtype=float)


def entries(name: str, size: int) -> tuple[Any, ...]:
    """Real symbols for the entries of a vector."""
    return tuple(sympy.Symbol(f"{name}{i}", real=True) for i in range(size))


def inner(left: Sequence[Any], right: Sequence[Any]) -> Any:
    """The inner product of two lists of entries, written out."""
    return sum(a * b for a, b in zip(left, right, strict=True))


def trajectory(
    gradient: Callable[[Any, Any], np.ndarray], theta: Any, batches: Iterable[tuple[Sequence[Any], float]], rule: Rule
) -> np.ndarray:
    """theta after 0, 1, 2, ... steps. `batches` yields (rows, weight of each row) for every step."""
    theta = np.array(theta, dtype=float)
    velocity = np.zeros_like(theta)
    path = [theta]
    for rows, weight in batches:
        at = theta - rule.rate * rule.beta * velocity if rule.momentum == "nesterov" else theta
        g = rule.coupled * at
        for row in rows:
            g = g + weight * gradient(at, row)
        if rule.momentum is None:
            step = g
        else:
            velocity = rule.beta * velocity + g
            step = g + rule.beta * velocity if rule.momentum == "lookahead" else velocity
        theta = (1 - rule.rate * rule.decoupled) * theta - rule.rate * step
        theta = np.sign(theta) * np.maximum(np.abs(theta) - rule.rate * rule.threshold, 0)
        for block in rule.spheres:
            theta[block] = theta[block] / np.sqrt(np.sum(theta[block] ** 2))
        path.append(theta.copy())
    return np.array(path)


def cyclic(rows: np.ndarray, batch: int, steps: int) -> list[tuple[np.ndarray, float]]:
    """Consecutive batches of a data set, again and again."""
    return [(rows[np.arange(k * batch, (k + 1) * batch) % len(rows)], 1 / batch) for k in range(steps)]


def whole(rows: np.ndarray, steps: int) -> list[tuple[np.ndarray, float]]:
    """The whole data set at every step."""
    return [(rows, 1 / len(rows))] * steps


def within(values: Any, expected: Any, errors: float = 5.0) -> None:
    """Assert that the mean over the first axis (replicas) is `expected` up to so many standard errors."""
    values = np.asarray(values, dtype=float)
    error = values.std(axis=0, ddof=1) / np.sqrt(len(values))
    deviation = np.abs(values.mean(axis=0) - expected)
    assert (deviation <= errors * error + 1e-12).all(), (
        f"{np.max(deviation / np.maximum(error, 1e-300)):.2f} standard errors"
    )


def within_of(values: Any, others: Any, errors: float = 5.0) -> None:
    """Assert that two samples of replicas have the same means up to so many standard errors."""
    left, right = np.asarray(values, dtype=float), np.asarray(others, dtype=float)
    error = np.sqrt(left.var(axis=0, ddof=1) / len(left) + right.var(axis=0, ddof=1) / len(right))
    deviation = np.abs(left.mean(axis=0) - right.mean(axis=0))
    assert (deviation <= errors * error + 1e-12).all(), (
        f"{np.max(deviation / np.maximum(error, 1e-300)):.2f} standard errors"
    )
