"""The random symbols of one sample: which take finitely many values, and what must vanish for every value of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any

import sympy
from sympy import Expr, ImmutableDenseMatrix, S, Symbol

from theory.model import Model
from theory.stability.outcome_functions import independent_functions

ENUMERATED = 256
"""Joint outcomes of the finite laws up to which they are taken one by one; beyond, their symbols stay symbols."""

Group = tuple[tuple[Symbol, ...], Any]


@dataclass(frozen=True)
class Randomness:
    """The random symbols of a sample as independent groups (symbols, law).

    A jointly Gaussian group with a singular covariance is written through independent standard draws: its symbols are
    then dependent, and a polynomial in them may vanish without having a vanishing coefficient.
    """

    groups: tuple[Group, ...]

    @property
    def finite(self) -> tuple[Group, ...]:
        """The groups with finitely many outcomes."""
        return tuple(group for group in self.groups if group[1].is_finite)

    @property
    def continuous(self) -> tuple[Group, ...]:
        """The other groups."""
        return tuple(group for group in self.groups if not group[1].is_finite)

    @property
    def symbols(self) -> tuple[Symbol, ...]:
        """Every random symbol."""
        return tuple(symbol for names, _ in self.groups for symbol in names)

    @property
    def outcome_count(self) -> int:
        """The number of joint outcomes of the finite groups."""
        return prod(_count(law) for _, law in self.finite)

    def of(self, *expressions: Any) -> Randomness:
        """The groups that occur in the expressions."""
        present = set().union(*(expression.free_symbols for expression in expressions))
        return Randomness(tuple(group for group in self.groups if present & set(group[0])))

    def outcomes(self) -> Iterator[tuple[dict[Symbol, Expr], Expr]]:
        """The joint outcomes of the finite groups: values of their symbols, and the probability."""
        listed = [
            [(_values(value), weight) for value, weight in law.outcomes() if weight != 0] for _, law in self.finite
        ]
        names = [symbol for symbols, _ in self.finite for symbol in symbols]
        for combination in product(*listed):
            values = [entry for outcome, _ in combination for entry in outcome]
            yield dict(zip(names, values, strict=True)), sympy.Mul(*(weight for _, weight in combination))

    def substitute(self, values: Mapping[Any, Any]) -> Randomness:
        """The groups with symbols in the parameters of their laws replaced."""
        return Randomness(tuple((names, law.substitute(values)) for names, law in self.groups))

    def content(self) -> tuple[Any, ...]:
        """What identifies the randomness."""
        return self.groups


def randomness_of(model: Model) -> tuple[Randomness, dict[Symbol, Expr]]:
    """The randomness of an explicit model, and the images of those of its random symbols that are dependent."""
    groups: list[Group] = []
    images: dict[Symbol, Expr] = {}
    for names, law in model.data:
        covariance = getattr(law, "covariance", None)
        if covariance is None or len(names) == 1 or not vanishes(sympy.Matrix(covariance).det()):
            groups.append((names, law))
            continue
        from theory.laws import Normal

        draw = law.draw("_".join(name.name for name in names))
        images.update(zip(names, draw.expression, strict=True))
        used = set().union(*(expression.free_symbols for expression in draw.expression))
        groups += [((symbol,), Normal()) for symbol, _ in draw.standards if symbol in used]
    return Randomness(tuple(groups)), images


def coefficients(expression: Expr, symbols: Sequence[Symbol]) -> dict[Expr, Expr]:
    """`expression` as a sum of products: function of `symbols` -> coefficient free of them.

    The functions are monomials where the expression is polynomial, and otherwise whatever products occur.

    >>> from theory import symbols
    >>> a, x, y = symbols("a x y")
    >>> coefficients(a*x*y + 2*x*y - x, [x, y])
    {x*y: a + 2, x: -1}
    """
    free = expression.free_symbols
    symbols = [
        symbol for symbol in symbols if symbol in free
    ]  # each further generator would make the polynomial dearer
    if not symbols:
        return {S.One: expression} if expression != 0 else {}
    try:
        polynomial = sympy.Poly(expression, *symbols)
    except sympy.PolynomialError:
        found: dict[Expr, Expr] = {}
        for term in sympy.Add.make_args(sympy.expand(expression)):
            coefficient, function = term.as_independent(*symbols, as_Add=False)
            found[function] = found.get(function, S.Zero) + coefficient
        return {function: c for function, c in found.items() if c != 0}
    return {
        sympy.Mul(*(s**e for s, e in zip(symbols, powers, strict=True))): c
        for powers, c in polynomial.terms()
        if c != 0
    }


def matrix_terms(matrix: sympy.MatrixBase, symbols: Sequence[Symbol]) -> dict[Expr, ImmutableDenseMatrix]:
    """A matrix as a sum: function of `symbols` -> constant matrix, in a canonical order."""
    terms: dict[Expr, sympy.MutableDenseMatrix] = {}
    for row in range(matrix.rows):
        for column in range(matrix.cols):
            for function, coefficient in coefficients(matrix[row, column], symbols).items():
                entry = terms.setdefault(function, sympy.zeros(*matrix.shape))
                entry[row, column] = coefficient
    return {function: ImmutableDenseMatrix(terms[function]) for function in sorted(terms, key=sympy.default_sort_key)}


def spanning_matrices(matrix: sympy.MatrixBase, randomness: Randomness) -> list[ImmutableDenseMatrix]:
    """Constant matrices whose span holds the matrix for every value of the random symbols, without repetition.

    Coefficients in the continuous symbols at every outcome of the finite laws; with too many outcomes the coefficients in all
    symbols, whose span may be larger.
    """
    present = randomness.of(matrix)
    if present.outcome_count > ENUMERATED:
        terms = matrix_terms(matrix, present.symbols)
        combinations, _ = _independent(list(terms), present)
        return list(dict.fromkeys(_combined(combination, terms, matrix.shape) for combination in combinations))
    continuous = [symbol for names, _ in present.continuous for symbol in names]
    found: dict[ImmutableDenseMatrix, None] = {}
    for values, _ in present.outcomes():
        found.update(dict.fromkeys(matrix_terms(matrix.xreplace(values), continuous).values()))
    return list(found)


def nonvanishing_parts(expression: Expr, randomness: Randomness) -> list[Expr]:
    """What is left of an expression that should vanish for every sample; empty if it does, without repetition."""
    present = randomness.of(expression)
    if present.outcome_count > ENUMERATED:
        terms = coefficients(expression, present.symbols)
        combinations, independent = _independent(list(terms), present)
        parts = _nonzero({index: _sum(c, terms) for index, c in enumerate(combinations)})
        if not parts or present.continuous or independent:
            return parts
    continuous = [symbol for names, _ in present.continuous for symbol in names]
    found: dict[Expr, None] = {}
    for values, _ in present.outcomes():
        conditional = expression.xreplace(values)
        parts = _nonzero(coefficients(conditional, continuous))
        if parts and not conditional.is_polynomial(*continuous) and sympy.simplify(conditional) == 0:
            continue  # an identity between functions of the data, as sin^2 + cos^2 = 1
        found.update(dict.fromkeys(parts))
    return list(found)


def _independent(functions: list[Expr], present: Randomness) -> tuple[list[dict[Expr, sympy.Rational]], bool]:
    """Combinations of the coefficients of the functions that all vanish if their sum does at every outcome, where that is known."""
    ((names, law),) = present.groups if len(present.groups) == 1 else (((), None),)
    if hasattr(law, "arrays"):
        return independent_functions(functions, names, law)
    return [{function: S.One} for function in functions], False


def _combined(
    combination: Mapping[Expr, Expr], terms: Mapping[Expr, ImmutableDenseMatrix], shape: tuple[int, int]
) -> ImmutableDenseMatrix:
    return ImmutableDenseMatrix(sum((weight * terms[f] for f, weight in combination.items()), sympy.zeros(*shape)))


def _sum(combination: Mapping[Expr, Expr], terms: Mapping[Expr, Expr]) -> Expr:
    return sympy.Add(*(weight * terms[f] for f, weight in combination.items()))


def _nonzero(parts: Mapping[Any, Expr]) -> list[Expr]:
    return [part for part in parts.values() if not vanishes(part)]


def vanishes(expression: Any) -> bool:
    """Whether an expression of constants and hyperparameters is zero; numbers that hold floats, up to their rounding."""
    expression = sympy.sympify(expression)
    if expression.is_zero:
        return True
    if expression.is_number:
        exact = not expression.has(sympy.Float)
        return bool(sympy.simplify(expression) == 0) if exact else bool(abs(expression.evalf()) < _rounding(expression))
    expanded = sympy.expand(expression)
    if expanded == 0:
        return True
    if _is_rational(expanded):  # decided without heuristics
        return bool(sympy.cancel(expanded) == 0)
    return bool(sympy.simplify(expanded) == 0)


def _is_rational(expression: Expr) -> bool:
    """Whether an expression is a rational function of symbols with rational coefficients."""
    return all(
        isinstance(node, (sympy.Add, sympy.Mul, Symbol, sympy.Rational)) or (node.is_Pow and node.exp.is_Integer)
        for node in sympy.preorder_traversal(expression)
    )


def _rounding(expression: Expr) -> float:
    scale = sum(abs(float(term.evalf())) for term in sympy.Add.make_args(expression))
    return 1e-12 * max(scale, 1.0)


def _values(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, (tuple, sympy.Tuple)) else (value,)


def _count(law: Any) -> int:
    return int(law.count) if hasattr(law, "count") else len(law.outcomes())
