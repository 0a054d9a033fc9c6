"""Draws from a law outside kernels: the random part of a start, keyed by seed, stream and replica."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import sympy
from numpy.typing import NDArray
from sympy import Expr

from numerics.random import Purpose
from theory.errors import MissingValue, ValuesError
from theory.laws.draw import (
    Choice,
    Draw,
    StandardExponential,
    StandardGamma,
    StandardNormal,
    StandardSign,
    StandardUniform,
)
from theory.laws.law import Law

Array = NDArray[np.float64]
Sampler = Callable[[int, np.random.Generator], Array]


def scalar_law(owner: Any, law: Law, values: Mapping[Expr, float]) -> Law:
    """The law with numbers for its symbols, if it is one of a single number."""
    if not law.is_scalar:
        raise ValuesError(
            f"start={{{owner}: {law}}}: expected the law of one number, this one has {law.size} slots of kinds "
            f"{', '.join(law.slots)}"
        )
    numbers = {s: sympy.Float(values[s], 17) for s in law.free_symbols if s in values}
    missing = sorted(map(str, set(law.free_symbols) - set(numbers)))
    if missing:
        raise MissingValue(
            f"start={{{owner}: {law}}} needs a value for {', '.join(missing)}; give it as at={{{missing[0]}: ...}}"
        )
    return law.substitute(numbers)


def draw_law(law: Law, shape: tuple[int, int], seed: int, stream: int) -> Array:
    """Draws from a scalar law with numeric parameters, shape (replica, entry); a row depends on seed, stream and replica alone."""
    sampler = _sampler(law)
    rows = np.empty(shape)
    for replica in range(shape[0]):
        bits = np.random.Philox(key=[seed, (int(Purpose.START) << 32) + stream], counter=[0, 0, 0, replica])
        rows[replica] = sampler(shape[1], np.random.Generator(bits))
    return rows


def _sampler(law: Law) -> Sampler:
    if hasattr(law, "arrays"):
        values = np.asarray(law.arrays[0], dtype=float)
        return lambda count, generator: values[generator.integers(0, len(values), count)]
    return _sampler_of_draw(law.draw("start"))


def _sampler_of_draw(draw: Draw) -> Sampler:
    if draw.table or draw.components:
        choice = draw.standards[0][1]
        assert isinstance(choice, Choice)  # noqa: S101 - the form of a finite law's draw
        weights = np.array(choice.probabilities, dtype=float)
        weights /= weights.sum()
        table = np.array([float(row[0]) for row in draw.table])
        parts = [_sampler_of_draw(part) for part in draw.components]

        def chosen(count: int, generator: np.random.Generator) -> Array:
            index = generator.choice(len(weights), size=count, p=weights)
            if table.size:
                return np.asarray(table[index])
            return np.stack([part(count, generator) for part in parts])[index, np.arange(count)]

        return chosen
    function = sympy.lambdify([symbol for symbol, _ in draw.standards], draw.expression[0], "numpy")

    def transformed(count: int, generator: np.random.Generator) -> Array:
        columns = [_standard_draws(standard, count, generator) for _, standard in draw.standards]
        return np.broadcast_to(np.asarray(function(*columns), dtype=float), (count,)).copy()

    return transformed


def _standard_draws(standard: Any, count: int, generator: np.random.Generator) -> Array:
    if isinstance(standard, StandardNormal):
        return generator.standard_normal(count)
    if isinstance(standard, StandardUniform):
        return np.asarray(1.0 - generator.random(count))
    if isinstance(standard, StandardExponential):
        return generator.standard_exponential(count)
    if isinstance(standard, StandardSign):
        return np.asarray(2 * generator.integers(0, 2, count) - 1, dtype=float)
    if isinstance(standard, StandardGamma):
        return generator.standard_gamma(float(standard.shape), count)
    raise ValuesError(f"a start cannot be drawn from {standard}")
