"""Laws with finitely many outcomes: `Rademacher` and `Discrete`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

import sympy
from sympy import Expr, I, Rational, S, Tuple

from theory.errors import InvalidLaw, UnsupportedExpectation
from theory.laws.draw import Choice, Draw, StandardSign, index_symbol, standard_symbol
from theory.laws.law import Law, Slot
from theory.laws.parameters import free_symbols, probabilities, real_parameter
from theory.laws.potentials import point_potential
from theory.vectors import Vector, VectorExpression, combine


class FiniteLaw(Law):
    """A law with finitely many outcomes: every expectation is a finite sum over them."""

    @property
    def is_finite(self) -> bool:
        return True

    def _rows(self) -> list[tuple[tuple[Any, ...], Expr]]:
        """The outcomes with positive or symbolic probability, each as a tuple of slot values."""
        if Slot.VECTOR in self.slots:
            raise UnsupportedExpectation(
                f"{self} has vectors among its outcomes, which have no moments; use outcomes() and inner products"
            )
        pairs = ((value if isinstance(value, tuple) else (value,), weight) for value, weight in self.outcomes())
        return [(values, weight) for values, weight in pairs if weight != 0]

    def _moment(self, exponents: tuple[int, ...]) -> Expr:
        return sympy.expand(
            sympy.Add(
                *(
                    weight * sympy.Mul(*(value**e for value, e in zip(values, exponents, strict=True) if e))
                    for values, weight in self._rows()
                )
            )
        )

    @property
    def support(self) -> sympy.Set:
        values = [value for value, weight in self.outcomes() if weight != 0]
        return sympy.FiniteSet(*(Tuple(*value) if isinstance(value, tuple) else value for value in values))

    def characteristic_function(self, t: Any) -> Expr:
        frequencies = [sympy.sympify(entry) for entry in (t if isinstance(t, Sequence) else (t,))]
        if len(frequencies) != self.size:
            raise self._unsupported(f"characteristic function of {len(frequencies)} frequencies", "give one per slot")
        phases = (
            (weight, sympy.Add(*(f * value for f, value in zip(frequencies, values, strict=True))))
            for values, weight in self._rows()
        )
        return sympy.Add(*(weight * sympy.exp(I * phase) for weight, phase in phases))

    def log_potential(self, r: Any) -> Expr:
        if not self.is_scalar:
            raise self._unsupported("logarithmic potential", "it is defined for the law of one number")
        point = sympy.sympify(r)
        return sympy.Add(*(weight * point_potential(values[0], point) for values, weight in self._rows()))


class Rademacher(FiniteLaw):
    """The law of a random sign: +1 or -1, with probability 1/2 each.

    >>> from theory.laws import Rademacher
    >>> Rademacher().moment(2), Rademacher().moment(3)
    (1, 0)
    """

    def outcomes(self) -> tuple[tuple[Any, Expr], ...]:
        half = Rational(1, 2)
        return ((S.One, half), (S.NegativeOne, half))

    def characteristic_function(self, t: Any) -> Expr:
        return sympy.cos(sympy.sympify(t))

    def draw(self, name: str = "standard") -> Draw:
        sign = standard_symbol(name, 0)
        return Draw((sign,), ((sign, StandardSign()),))


class Discrete(FiniteLaw):
    r"""The law of finitely many `outcomes`, each with its probability.

    Parameters: `outcomes`, a dictionary *value -> probability* or pairs (value, probability), which keep equal values
    apart. A value is a number, a scalar expression, a vector, or a tuple of these with the same kinds in every
    outcome. Probabilities may be symbolic; floats become the nearest simple rationals; they must sum to 1.
    The order of the outcomes is part of the law's identity, since it fixes which random number selects which.
    Raises `InvalidLaw` for probabilities that are negative or do not sum to 1, and for outcomes of unlike kinds.

    >>> from sympy import symbols
    >>> from theory.laws import Discrete
    >>> p = symbols("p", real=True)
    >>> Discrete({1: 1 - p, -1: p}).mean
    1 - 2*p
    """

    values: tuple[tuple[Any, ...], ...]
    probabilities: tuple[Expr, ...]
    is_joint: bool

    def __init__(self, outcomes: Mapping[Any, Any] | Iterable[tuple[Any, Any]]) -> None:
        pairs = _read_pairs(outcomes)
        joint = bool(pairs) and isinstance(pairs[0][0], (tuple, list, Tuple))
        values = tuple(_read_value(value, joint, index) for index, (value, _) in enumerate(pairs, start=1))
        weights = probabilities([weight for _, weight in pairs], "Discrete")
        _require_like(values)
        self._set(values=values, probabilities=weights, is_joint=joint)

    @property
    def slots(self) -> tuple[Slot, ...]:
        return tuple(_kind(value) for value in self.values[0])

    @property
    def vectors(self) -> set[Vector]:
        """The vectors that occur in the outcomes."""
        return {
            vector
            for values in self.values
            for value in values
            if isinstance(value, VectorExpression)
            for vector in value.terms
        }

    def outcomes(self) -> tuple[tuple[Any, Expr], ...]:
        shown = self.values if self.is_joint else tuple(value for (value,) in self.values)
        return tuple(zip(shown, self.probabilities, strict=True))

    def content(self) -> Any:
        return self.is_joint, self.values, self.probabilities

    @property
    def free_symbols(self) -> set[Any]:
        return free_symbols((*self.probabilities, *(value for values in self.values for value in values)))

    def _substitute(self, images: Mapping[Any, Any]) -> Self:
        pairs = []
        for values, weight in zip(self.values, self.probabilities, strict=True):
            replaced = tuple(_replaced(value, images) for value in values)
            pairs.append((replaced if self.is_joint else replaced[0], weight.xreplace(images)))
        return type(self)(pairs)

    def __repr__(self) -> str:
        if len({value for value, _ in self.outcomes()}) < len(self.values):
            return f"Discrete([{', '.join(f'({value}, {weight})' for value, weight in self.outcomes())}])"
        return f"Discrete({{{', '.join(f'{value}: {weight}' for value, weight in self.outcomes())}}})"

    def latex(self) -> str:
        listed = ", ".join(
            rf"{sympy.latex(Tuple(*value) if isinstance(value, tuple) else value)} : {sympy.latex(weight)}"
            for value, weight in self.outcomes()
        )
        return rf"\mathrm{{Discrete}}\left\{{{listed}\right\}}"

    def draw(self, name: str = "standard") -> Draw:
        return Draw((), ((index_symbol(name), Choice(self.probabilities)),), table=self.values)


def _read_pairs(outcomes: Any) -> list[tuple[Any, Any]]:
    if isinstance(outcomes, Mapping):
        return list(outcomes.items())
    listed = list(outcomes) if isinstance(outcomes, Iterable) and not isinstance(outcomes, str) else None
    if listed is None or not all(isinstance(pair, (tuple, list, Tuple)) and len(pair) == 2 for pair in listed):
        raise InvalidLaw(
            f"Discrete: outcomes must be a dictionary value -> probability or pairs (value, probability), "
            f"got {outcomes!r}"
        )
    return [(pair[0], pair[1]) for pair in listed]


def _read_value(value: Any, joint: bool, index: int) -> tuple[Any, ...]:
    if isinstance(value, (tuple, list, Tuple)) != joint or (joint and not len(value)):
        raise InvalidLaw(f"Discrete: outcome number {index}, {value!r}, is unlike the first; give tuples throughout")
    return tuple(
        entry if isinstance(entry, VectorExpression) else real_parameter(entry, f"outcome number {index}", "Discrete")
        for entry in (value if joint else (value,))
    )


def _kind(value: Any) -> Slot:
    return Slot.VECTOR if isinstance(value, VectorExpression) else Slot.SCALAR


def _require_like(rows: tuple[tuple[Any, ...], ...]) -> None:
    """Every outcome has as many slots as the first, of the same kinds, vectors of the same dimension."""
    for index, values in enumerate(rows, start=1):
        if tuple(map(_kind, values)) != tuple(map(_kind, rows[0])):
            raise InvalidLaw(
                f"Discrete: outcome number {index}, {values}, and the first, {rows[0]}, hold different kinds of "
                f"values; give numbers and vectors in the same places (the zero vector is 0*v)"
            )
    for slot, first in enumerate(rows[0] if rows else ()):
        if isinstance(first, VectorExpression):
            dimensions = {values[slot].dimension for values in rows} - {None}
            if len(dimensions) > 1:
                listed = ", ".join(sorted(map(str, dimensions)))
                raise InvalidLaw(f"Discrete: the vectors in place {slot + 1} have different dimensions: {listed}")


def _replaced(value: Any, images: Mapping[Any, Any]) -> Any:
    if isinstance(value, VectorExpression):
        return combine([(c.xreplace(images), images.get(vector, vector)) for vector, c in value.terms.items()])
    return value.xreplace(images)
