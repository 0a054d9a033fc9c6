"""Streams of batch curvatures made outside programs: for laws without device code and for curvatures with very many
entries.

The draws of a replica depend on the seed, its number and the number of the part alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import sympy
from sympy import Symbol

from numerics.law_draws import draw_law
from numerics.random import Purpose
from numerics.stability.problem import Array
from numerics.stability.simulated.product_sources import Source, stream_source
from theory import Block
from theory.errors import UnsupportedExpectation
from theory.laws.draw import Draw, StandardNormal

_FIRST = 2**20
"""Streams of law draws below this are those of random starts."""


class Stream:
    """The mean curvatures of the batches of every replica, or of every walker of each, `length` steps at a time."""

    def __init__(
        self,
        block: Block,
        values: Mapping[Symbol, float],
        batch_size: int,
        *,
        replicas: int,
        seed: int,
        length: int,
        walkers: int = 1,
    ) -> None:
        self.size, self.batch, self.seed = block.size, batch_size, seed
        self.replicas, self.per_replica = replicas, walkers * length
        exact = {symbol: sympy.Float(value, 17) for symbol, value in values.items()}
        present = block.randomness.of(block.curvature)
        self.laws = [law.substitute({s: exact[s] for s in law.free_symbols}) for _, law in present.groups]
        entries = [entry.xreplace(exact) for entry in block.curvature]
        self.distinct = list(dict.fromkeys(entries))
        self.places = [self.distinct.index(entry) for entry in entries]
        self.function = sympy.lambdify(list(present.symbols), self.distinct, ["scipy", "numpy"], cse=True)

    def part(self, number: int) -> Source:
        """The source of part `number`: a matrix for each replica, walker and step, in this order."""
        shape = (self.replicas, self.per_replica * self.batch)
        first = _FIRST + number * len(self.laws)
        columns = [c for k, law in enumerate(self.laws) for c in host_draws(law, shape, self.seed, first + k)]
        means = np.empty((len(self.distinct), self.replicas * self.per_replica))
        for k, entry in enumerate(self.function(*columns)):
            whole = np.broadcast_to(np.asarray(entry, dtype=float), shape)
            means[k] = whole.reshape(-1, self.batch).mean(axis=1)
        return stream_source(np.ascontiguousarray(means[self.places].T.reshape(-1, self.size, self.size)))


def host_draws(law: Any, shape: tuple[int, int], seed: int, stream: int) -> list[Array]:
    """Return draws of every slot of a law of numbers, each of shape (replica, entry); a row depends on its number
    alone.

    Scalar laws are drawn as random starts are, joint laws if they are data sets, finite, or Gaussian numbers
    transformed. Raises `UnsupportedExpectation` for others.

    >>> from theory import Normal
    >>> x, y = host_draws(Normal([0, 0], covariance=[[1, 1], [1, 1]]), (2, 3), seed=1, stream=0)
    >>> x.shape, bool(np.allclose(x, y))
    ((2, 3), True)
    """
    if law.is_scalar:
        return [draw_law(law, shape, seed, stream)]
    table, shares = _table(law)
    rows = []
    for replica in range(shape[0]):
        bits = np.random.Philox(key=[seed, (int(Purpose.DATA) << 32) + stream], counter=[0, 0, 0, replica])
        generator = np.random.Generator(bits)
        if table is not None:
            rows.append(table[generator.choice(len(table), size=shape[1], p=shares)])
        else:
            rows.append(_transformed(law, law.draw("host"), shape[1], generator))
    return list(np.moveaxis(np.array(rows), -1, 0))


def _table(law: Any) -> tuple[Array | None, Array | None]:
    """The outcomes of a finite law (outcome, slot) and their probabilities."""
    if hasattr(law, "arrays"):
        return np.stack([np.asarray(array, dtype=float) for array in law.arrays], axis=1), None
    if not law.is_finite:
        return None, None
    pairs = law.outcomes()
    shares = np.array([float(share) for _, share in pairs])
    return np.array([[float(entry) for entry in value] for value, _ in pairs]), shares / shares.sum()


def _transformed(law: Any, draw: Draw, count: int, generator: np.random.Generator) -> Array:
    """Functions of Gaussian numbers, shape (count, slot)."""
    if not draw.expression or not all(isinstance(standard, StandardNormal) for _, standard in draw.standards):
        raise UnsupportedExpectation(
            f"the joint law {law} cannot be drawn outside programs; give it as independent laws"
        )
    function = sympy.lambdify([symbol for symbol, _ in draw.standards], list(draw.expression), "numpy")
    found = function(*generator.standard_normal((len(draw.standards), count)))
    return np.stack([np.broadcast_to(np.asarray(column, dtype=float), (count,)) for column in found], axis=1)
