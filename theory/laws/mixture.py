"""Mixtures of laws of one number: `Mixture`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Self

import sympy
from sympy import Expr

from theory.errors import InvalidLaw
from theory.laws.draw import Choice, Draw, index_symbol
from theory.laws.law import Law
from theory.laws.parameters import probabilities


class Mixture(Law):
    r"""The law that draws from one of several laws of one number, chosen at random: $\sum_iw_iP_i$.

    Parameters: `components`, pairs (law, weight); the weights are probabilities and must sum to 1.
    Raises `InvalidLaw` for a component that is no law of one number, and for impossible weights.

    >>> from sympy import Rational
    >>> from theory.laws import Mixture, Normal
    >>> Mixture([(Normal(0, 1), Rational(3, 4)), (Normal(0, 9), Rational(1, 4))]).variance
    3
    """

    laws: tuple[Law, ...]
    weights: tuple[Expr, ...]

    def __init__(self, components: Iterable[tuple[Law, Any]]) -> None:
        pairs = [tuple(pair) if isinstance(pair, (tuple, list)) else (pair,) for pair in components]
        for index, pair in enumerate(pairs, start=1):
            if len(pair) != 2 or not isinstance(pair[0], Law) or not pair[0].is_scalar:
                raise InvalidLaw(
                    f"Mixture: component number {index} must be a pair (law of one number, weight), got {pair!r}"
                )
        self._set(laws=tuple(pair[0] for pair in pairs), weights=probabilities([pair[1] for pair in pairs], "Mixture"))

    @property
    def _present(self) -> list[tuple[Law, Expr]]:
        return [(law, weight) for law, weight in zip(self.laws, self.weights, strict=True) if weight != 0]

    def _average(self, term: Callable[[Law], Expr]) -> Expr:
        return sympy.Add(*(weight * term(law) for law, weight in self._present))

    def content(self) -> Any:
        return self.laws, self.weights

    @property
    def free_symbols(self) -> set[Any]:
        return set().union(*(part.free_symbols for part in (*self.laws, *self.weights)))

    def _substitute(self, images: Mapping[Any, Any]) -> Self:
        pairs = zip(self.laws, self.weights, strict=True)
        return type(self)([(law.substitute(images), weight.xreplace(images)) for law, weight in pairs])

    def __repr__(self) -> str:
        pairs = zip(self.laws, self.weights, strict=True)
        return f"Mixture([{', '.join(f'({law}, {weight})' for law, weight in pairs)}])"

    def latex(self) -> str:
        pairs = zip(self.laws, self.weights, strict=True)
        return " + ".join(rf"\left({sympy.latex(weight)}\right) {law.latex()}" for law, weight in pairs)

    @property
    def is_finite(self) -> bool:
        return all(law.is_finite for law, _ in self._present)

    def outcomes(self) -> tuple[tuple[Any, Expr], ...]:
        if not self.is_finite:
            return super().outcomes()
        return tuple((value, weight * inner) for law, weight in self._present for value, inner in law.outcomes())

    @property
    def support(self) -> sympy.Set:
        return sympy.Union(*(law.support for law, _ in self._present))

    @property
    def sup_moment(self) -> Expr:
        return sympy.Min(*(law.sup_moment for law, _ in self._present))

    def _moment(self, exponents: tuple[int, ...]) -> Expr:
        return sympy.expand(self._average(lambda law: law.moment(exponents)))

    def density(self, x: Any) -> Expr:
        return self._average(lambda law: law.density(x))

    def characteristic_function(self, t: Any) -> Expr:
        return self._average(lambda law: law.characteristic_function(t))

    def log_potential(self, r: Any) -> Expr:
        return self._average(lambda law: law.log_potential(r))

    def draw(self, name: str = "standard") -> Draw:
        parts = self._flat
        components = tuple(law.draw(f"{name}_{index}") for index, (law, _) in enumerate(parts))
        weights = tuple(weight for _, weight in parts)
        return Draw((), ((index_symbol(name), Choice(weights)),), components=components)

    @property
    def _flat(self) -> list[tuple[Law, Expr]]:
        """The components that are no mixtures themselves, with their weights in the whole."""
        found: list[tuple[Law, Expr]] = []
        for law, weight in zip(self.laws, self.weights, strict=True):
            inner = law._flat if isinstance(law, Mixture) else [(law, sympy.S.One)]
            found += [(part, weight * share) for part, share in inner]
        return found
