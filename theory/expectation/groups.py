"""Groups of random quantities, independent of each other, and their mixed moments on exponent tuples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import sympy
from sympy import Expr
from sympy.polys.rings import PolyElement

from theory.algebra import Algebra


class Group(Protocol):
    """Jointly distributed random quantities: `symbols`, and the moment of a tuple of exponents as a ring element."""

    symbols: tuple[Expr, ...]

    def moment(self, exponents: tuple[int, ...], algebra: Algebra) -> PolyElement:
        """E of the product of symbol**exponent."""
        ...

    def hints(self) -> list[Expr]:
        """Expressions whose symbols are likely to occur in the moments."""
        ...


class LawGroup:
    """Symbols with a stated law (one symbol, or several with a joint law)."""

    def __init__(self, symbols: tuple[Expr, ...], law: Any) -> None:
        self.symbols, self.law = symbols, law
        self._memory: dict[tuple[int, ...], PolyElement] = {}
        self._ring: Any = None

    def moment(self, exponents: tuple[int, ...], algebra: Algebra) -> PolyElement:
        """The moment that the law states; raises `MomentDoesNotExist` where it is infinite."""
        if self._ring is not algebra.ring:
            self._ring, self._memory = algebra.ring, {}
        if exponents not in self._memory:
            value = self.law.moment(exponents[0] if len(self.symbols) == 1 else exponents)
            self._memory[exponents] = algebra.element(value)
        return self._memory[exponents]

    def hints(self) -> list[Expr]:
        return sorted(self.law.free_symbols, key=str)


class GaussianGroup:
    """Centred jointly Gaussian quantities with a given covariance, an expression for each pair (Isserlis' theorem)."""

    def __init__(self, symbols: tuple[Expr, ...], covariance: Mapping[tuple[Expr, Expr], Expr]) -> None:
        self.symbols, self.covariance = symbols, covariance
        self._memory: dict[tuple[int, ...], PolyElement] = {}
        self._entries: list[list[PolyElement]] = []
        self._ring: Any = None

    def moment(self, exponents: tuple[int, ...], algebra: Algebra) -> PolyElement:
        """E x^a = sum_j C_ij (a - e_i)_j E x^(a - e_i - e_j), with i the first index of a."""
        if self._ring is not algebra.ring:
            self._ring, self._memory = algebra.ring, {}
            self._entries = [[algebra.element(self.covariance[a, b]) for b in self.symbols] for a in self.symbols]
        return self._isserlis(exponents, algebra)

    def hints(self) -> list[Expr]:
        return list(self.covariance.values())

    def _isserlis(self, exponents: tuple[int, ...], algebra: Algebra) -> PolyElement:
        if sum(exponents) % 2:
            return algebra.ring.zero
        if not any(exponents):
            return algebra.ring.one
        if exponents in self._memory:
            return self._memory[exponents]
        first = next(i for i, power in enumerate(exponents) if power)
        rest = _lower(exponents, first)
        total = algebra.ring.zero
        for other, power in enumerate(rest):
            if power and self._entries[first][other]:
                total += power * self._entries[first][other] * self._isserlis(_lower(rest, other), algebra)
        self._memory[exponents] = total
        return total


def _lower(exponents: tuple[int, ...], index: int) -> tuple[int, ...]:
    return (*exponents[:index], exponents[index] - 1, *exponents[index + 1 :])


class Averager:
    """Averages ring elements over independent groups, term by term and memoised."""

    def __init__(self, algebra: Algebra, groups: tuple[Group, ...]) -> None:
        self.algebra, self.groups = algebra, groups
        self._positions = [[algebra.index(symbol) for symbol in group.symbols] for group in groups]
        self._memory: dict[tuple[int, ...], PolyElement] = {}
        random = sorted(position for positions in self._positions for position in positions)
        self._random = random
        self._mask = frozenset(random)

    def average(self, element: PolyElement) -> PolyElement:
        """E of `element`: every random generator is gone from the result."""
        ring = self.algebra.ring
        parts: dict[tuple[int, ...], dict[tuple[int, ...], Any]] = {}
        for monomial, coefficient in element.terms():
            key = tuple(monomial[i] for i in self._random)
            rest = tuple(0 if i in self._mask else power for i, power in enumerate(monomial))
            parts.setdefault(key, {})[rest] = coefficient
        total = ring.zero
        for key, terms in parts.items():
            total += ring.from_dict(terms) * self._moment(key)
        return total

    def _moment(self, key: tuple[int, ...]) -> PolyElement:
        if key not in self._memory:
            powers = dict(zip(self._random, key, strict=True))
            product = self.algebra.ring.one
            for group, positions in zip(self.groups, self._positions, strict=True):
                exponents = tuple(powers[i] for i in positions)
                if any(exponents):  # also when the product is already 0: 0 times an infinite moment is undefined
                    product *= group.moment(exponents, self.algebra)
            self._memory[key] = product
        return self._memory[key]


def coefficient_symbols(expressions: list[Expr]) -> list[Expr]:
    """The plain symbols and inner products of some expressions, sorted: generators to begin with."""
    from theory.vectors import InnerProduct

    found: set[Expr] = set()
    for expression in expressions:
        found |= {s for s in expression.free_symbols if isinstance(s, sympy.Symbol)} | expression.atoms(InnerProduct)
    return sorted(found, key=str)
