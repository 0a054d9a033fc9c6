"""One scalar exponent over a grid of values: what every road to a number is given, and what it returns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import product
from typing import Any

import numpy as np
import sympy
from numpy.typing import NDArray
from sympy import Expr, Symbol

from theory import ExponentKind, Mixture
from theory.stability.batches import Batch
from theory.stability.randomness import Randomness

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Grid:
    """Values of symbols at `size` points: symbol -> array of that length."""

    values: Mapping[Symbol, Array]
    size: int

    def of(self, expression: Any) -> Array:
        """An expression of the symbols at every point, shape (point,)."""
        return np.asarray(self.table([expression])[0])

    def table(self, expressions: Any) -> Array:
        """Several expressions at every point, shape (expression, point)."""
        listed = [sympy.sympify(expression) for expression in expressions]
        names, function = _compiled(tuple(listed))
        with np.errstate(all="ignore"):
            found = function(*(self.values[name] for name in names))
        return np.stack([np.broadcast_to(np.asarray(row, dtype=float), (self.size,)) for row in found])

    def subset(self, mask: NDArray[np.bool_]) -> Grid:
        """The points where the mask holds."""
        return Grid({s: v[mask] for s, v in self.values.items()}, int(mask.sum()))


@lru_cache(maxsize=512)
def _compiled(expressions: tuple[Expr, ...]) -> tuple[list[Symbol], Any]:
    """The free symbols of expressions, and the expressions as a function of arrays of these."""
    names = sorted({s for expression in expressions for s in expression.free_symbols}, key=str)
    return names, sympy.lambdify(names, list(expressions), modules=["scipy", "numpy"], cse=True)


@dataclass(frozen=True)
class Problem:
    """E log|keep + weight * batch mean of the curvature|, over a grid; the batch size is a number."""

    keep: Expr
    weight: Expr
    curvature: Expr
    randomness: Randomness
    batch: Batch
    grid: Grid
    seed: int = 0

    @property
    def size(self) -> int:
        """The batch size."""
        return int(self.batch.size)

    def cases(self) -> Iterator[tuple[Problem, Expr]]:
        """The problem given every outcome of the finite laws and every component of the mixtures, with the probability."""
        present = self.randomness.of(self.curvature)
        choices = [[(names, law, weight) for law, weight in _parts(law)] for names, law in present.continuous]
        for values, share in present.outcomes():
            curvature = sympy.expand(self.curvature.xreplace(values))
            for chosen in product(*choices):
                groups = Randomness(tuple((names, law) for names, law, _ in chosen)).of(curvature)
                weight = sympy.Mul(share, *(w for _, _, w in chosen))
                yield replace(self, curvature=curvature, randomness=groups), weight

    def estimate(self, values: Array, errors: Any, kind: ExponentKind) -> Estimate:
        """The answer, with an error of the same shape."""
        return Estimate(values, np.broadcast_to(np.asarray(errors, dtype=float), values.shape), kind)


def _parts(law: Any) -> list[tuple[Any, Expr]]:
    """The components of a mixture, of mixtures in turn; any other law is its own."""
    if not isinstance(law, Mixture):
        return [(law, sympy.S.One)]
    pairs = zip(law.laws, law.weights, strict=True)
    return [(inner, weight * share) for part, weight in pairs if weight != 0 for inner, share in _parts(part)]


@dataclass(frozen=True)
class Estimate:
    """Exponents over a grid: `values`, `errors` (an upper estimate, or a standard error for Monte Carlo), and how they are known."""

    values: Array
    errors: Array
    kind: ExponentKind
