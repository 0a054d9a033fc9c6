"""Draws from a law outside kernels, keyed by seed, stream and replica.

A law is drawn by its expression of standard draws; a density without a quantile function by a table of its inverse distribution function,
a sampler by its function.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import sympy
from numpy.typing import NDArray
from sympy import Expr

from numerics.densities import inverse_distribution
from numerics.random import Purpose
from theory.errors import MissingValue, ValuesError
from theory.laws.density import Density
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
from theory.laws.mixture import Mixture
from theory.laws.sampler import Sampler as UserSampler

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
    if isinstance(law, UserSampler):
        return lambda count, generator: _checked(law, law.function(generator, count), count)
    if isinstance(law, Density) and law.quantile is None:
        inverse = inverse_distribution(law)
        return lambda count, generator: inverse(1.0 - generator.random(count))
    if isinstance(law, Mixture):
        return _sampler_of_mixture(law)
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


def _sampler_of_mixture(law: Mixture) -> Sampler:
    pairs = [(_sampler(part), float(weight)) for part, weight in law._flat]
    weights = np.array([weight for _, weight in pairs])

    def drawn(count: int, generator: np.random.Generator) -> Array:
        index = generator.choice(len(pairs), size=count, p=weights / weights.sum())
        return np.stack([part(count, generator) for part, _ in pairs])[index, np.arange(count)]

    return drawn


def _checked(law: UserSampler, values: Any, count: int) -> Array:
    """What a user's function returned, as an array of so many real, finite numbers on the support.

    Raises `ValuesError` naming the law and what is wrong.
    """
    array = np.asarray(values)
    if array.shape != (count,):
        raise ValuesError(f"{law}: the function returned an array of shape {array.shape}, expected ({count},)")
    if array.dtype.kind not in "fiu":
        raise ValuesError(f"{law}: the function returned numbers of type {array.dtype}, expected real ones")
    numbers: Array = array.astype(float)
    if not np.all(np.isfinite(numbers)):
        raise ValuesError(f"{law}: the function returned {numbers[~np.isfinite(numbers)][0]}, expected finite numbers")
    low, high = float(law.support.inf), float(law.support.sup)
    if numbers.min(initial=low) < low or numbers.max(initial=high) > high:
        raise ValuesError(
            f"{law}: the function returned numbers between {numbers.min():g} and {numbers.max():g}, outside its support {law.support}"
        )
    return numbers


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
