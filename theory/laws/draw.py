"""How to draw from a law, said once for every target: expressions of standard draws.

A generator of kernels needs only the few standard draws listed here; everything else about a law is in the
expressions. One of three forms is filled in a `Draw`:

- `expression` (one per slot) for laws that transform continuous standard draws;
- `table` for finite laws: the one standard draw is a `Choice`, whose index selects a row of the table;
- `components` for mixtures: the one standard draw is a `Choice`, whose index selects the component to draw from.

An `Empirical` law has none of the three: its one standard draw is a `Row`, which selects a row of `law.arrays`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sympy import Expr, Symbol


@dataclass(frozen=True)
class Standard:
    """A standard draw: a random number with no location and no scale."""


@dataclass(frozen=True)
class StandardNormal(Standard):
    """A Gaussian number with mean 0 and variance 1."""


@dataclass(frozen=True)
class StandardUniform(Standard):
    """A number uniform on the half-open interval (0, 1], so that its logarithm is finite."""


@dataclass(frozen=True)
class StandardExponential(Standard):
    """An exponential number with mean 1."""


@dataclass(frozen=True)
class StandardGamma(Standard):
    """A Gamma number of the given `shape`, with scale 1."""

    shape: Expr


@dataclass(frozen=True)
class StandardSign(Standard):
    """+1 or -1, with probability 1/2 each."""


@dataclass(frozen=True)
class Choice(Standard):
    """An index 0, ..., m-1 with the given `probabilities`."""

    probabilities: tuple[Expr, ...]


@dataclass(frozen=True)
class Row(Standard):
    """A uniformly random row index 0, ..., count-1."""

    count: int


@dataclass(frozen=True)
class Draw:
    """One draw from a law, in terms of standard draws.

    Parameters: `expression`, one expression per slot (empty for finite laws, mixtures and data sets); `standards`, the
    symbols that occur in it, each with the standard draw it stands for, all independent; `table`, for a finite law one
    tuple of slot values per index; `components`, for a mixture one `Draw` per index. No symbol name occurs twice in a
    `Draw` and its components.

    >>> from theory.laws import Normal
    >>> Normal(1, 4).draw("xi")
    Draw(expression=(2*xi_0 + 1,), standards=((xi_0, StandardNormal()),), table=(), components=())
    """

    expression: tuple[Expr, ...]
    standards: tuple[tuple[Symbol, Standard], ...]
    table: tuple[tuple[Any, ...], ...] = ()
    components: tuple[Draw, ...] = ()


def standard_symbol(name: str, index: int) -> Symbol:
    """The real symbol of the standard draw number `index` of the draw called `name`."""
    return Symbol(f"{name}_{index}", real=True)


def index_symbol(name: str) -> Symbol:
    """The integer symbol of the random index of the draw called `name`."""
    return Symbol(f"{name}_index", integer=True, nonnegative=True)
