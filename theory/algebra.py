"""Sparse polynomials over named generators: the arithmetic under every derivation.

Derivations multiply and average large polynomials; expression trees are a hundred times too slow for that. An
`Algebra` is a SymPy sparse ring whose generators are SymPy expressions: state quantities, random quantities, and
*coefficients* (hyperparameters, and whatever non-polynomial expressions of them occur, such as `1/n` or `sqrt(snr)`,
each a generator of its own). Coefficient generators are found by trial: `derive_in_algebra` restarts with one more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import sympy
from sympy import QQ, RR, Expr, Integer, Rational
from sympy.polys.rings import PolyElement, PolyRing

from theory.errors import DerivationError

Result = TypeVar("Result")


class NotPolynomial(DerivationError, ValueError):
    """An expression is not polynomial in the quantities that must be polynomial. Attribute: `part`, the culprit."""

    def __init__(self, part: Expr) -> None:
        self.part = part
        super().__init__(f"{part} is not polynomial")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.part,)


class _NeedsGenerator(Exception):
    """Signals that a coefficient is not yet a generator; never leaves this module."""

    def __init__(self, generator: Expr) -> None:
        self.generator = generator


class Algebra:
    """Polynomials in `variables` (quantities that must enter polynomially) and in coefficient generators.

    `exact` chooses rational coefficients; otherwise 53-bit floating point (data arrays of floats).
    """

    def __init__(self, variables: Iterable[Expr], coefficients: Iterable[Expr] = (), *, exact: bool = True) -> None:
        self.variables = tuple(variables)
        self.coefficients = tuple(coefficients)
        self.generators = self.variables + self.coefficients
        self.domain = QQ if exact else RR
        names = tuple(f"g{index}" for index in range(len(self.generators)))
        self.ring: PolyRing = PolyRing(names or ("unused",), self.domain, sympy.polys.orderings.lex)
        self._index = {generator: index for index, generator in enumerate(self.generators)}
        self._protected = frozenset(self.variables)
        self._protected_parts = (
            frozenset().union(*(variable.free_symbols | {variable} for variable in self.variables))
            if self.variables
            else frozenset()
        )

    def __reduce__(self) -> tuple[Any, ...]:
        # SymPy's rings cannot be pickled (their __getstate__ changes the dictionary it iterates over): make a new one
        return _algebra, (self.variables, self.coefficients, self.domain is QQ)

    def generator(self, expression: Expr) -> PolyElement:
        """The ring element of a generator."""
        return self.ring.gens[self._index[expression]]

    def index(self, expression: Expr) -> int:
        """The position of a generator in exponent tuples."""
        return self._index[expression]

    def element(self, expression: Any) -> PolyElement:
        """`expression` as a ring element. Raises `NotPolynomial` where a variable enters non-polynomially."""
        expression = sympy.sympify(expression)
        position = self._index.get(expression)
        if position is not None:
            return self.ring.gens[position]
        if isinstance(expression, (Integer, Rational)):
            return self.ring.domain_new(QQ(expression.p, expression.q)) * self.ring.one
        if isinstance(expression, sympy.Float):
            exact = expression if self.domain is RR else sympy.nsimplify(expression, rational=True)
            return self.ring.domain_new(self.domain.from_sympy(exact)) * self.ring.one
        if expression.is_Add:
            total = self.ring.zero
            for argument in expression.args:
                total += self.element(argument)
            return total
        if expression.is_Mul:
            product = self.ring.one
            for argument in expression.args:
                product *= self.element(argument)
            return product
        if expression.is_Pow:
            return self._power(expression)
        return self._coefficient(expression)

    def _power(self, expression: Expr) -> PolyElement:
        base, exponent = expression.as_base_exp()
        if exponent.is_Integer and exponent > 0:
            return self.element(base) ** int(exponent)
        if exponent.is_Rational and not base.is_number:
            root = base ** Rational(1 if exponent > 0 else -1, exponent.q)
            if root != expression:
                return self._coefficient(root) ** abs(int(exponent.p))
        return self._coefficient(expression)

    def _coefficient(self, expression: Expr) -> PolyElement:
        position = self._index.get(expression)
        if position is not None:
            return self.ring.gens[position]
        if self._holds_variable(expression):
            raise NotPolynomial(expression)
        raise _NeedsGenerator(expression)

    def _holds_variable(self, expression: Expr) -> bool:
        if self._protected_parts & (expression.free_symbols | {expression}):
            return True
        return any(variable in self._protected for variable in sympy.preorder_traversal(expression))

    def expression(self, element: PolyElement) -> Expr:
        """A ring element as a SymPy expression, its terms in a canonical order."""
        terms = []
        for monomial, coefficient in element.terms():
            factors = [self.generators[i] ** power for i, power in enumerate(monomial) if power]
            terms.append(sympy.Mul(self.domain.to_sympy(coefficient), *factors))
        return sympy.Add(*terms)

    def collected(self, element: PolyElement) -> Expr:
        """A ring element as an expression collected by its monomials in the variables, coefficients factored."""
        count = len(self.variables)
        groups: dict[tuple[int, ...], list[Expr]] = {}
        for monomial, coefficient in element.terms():
            factors = [self.generators[i] ** p for i, p in enumerate(monomial) if i >= count and p]
            groups.setdefault(monomial[:count], []).append(sympy.Mul(self.domain.to_sympy(coefficient), *factors))
        return sympy.Add(
            *(
                sympy.Mul(tidy(sympy.Add(*parts)), *(self.variables[i] ** p for i, p in enumerate(powers) if p))
                for powers, parts in groups.items()
            )
        )

    def split(self, element: PolyElement, count: int) -> dict[tuple[int, ...], PolyElement]:
        """`element` by its exponents in the first `count` generators: exponents -> coefficient element."""
        groups: dict[tuple[int, ...], dict[tuple[int, ...], Any]] = {}
        zeros = (0,) * count
        for monomial, coefficient in element.terms():
            groups.setdefault(monomial[:count], {})[zeros + monomial[count:]] = coefficient
        return {key: self.ring.from_dict(terms) for key, terms in groups.items()}


def _algebra(variables: tuple[Expr, ...], coefficients: tuple[Expr, ...], exact: bool) -> Algebra:
    return Algebra(variables, coefficients, exact=exact)


def tidy(expression: Expr) -> Expr:
    """A coefficient without random or state quantities, factored if that is cheap and no longer."""
    if not expression.is_Add or len(expression.args) > 12 or expression.has(sympy.Float):
        return expression
    factored = sympy.factor_terms(expression)
    candidate = sympy.factor(expression) if len(expression.free_symbols) <= 4 else factored
    return min((expression, factored, candidate), key=lambda e: (e.count_ops(), str(e)))


def derive_in_algebra(
    derivation: Callable[[Algebra], Result],
    variables: Iterable[Expr],
    coefficients: Iterable[Expr] = (),
    *,
    exact: bool = True,
) -> Result:
    """Run `derivation(algebra)`, restarting with one more coefficient generator whenever one is met.

    A derivation meets only finitely many coefficients, so this ends; restarts are rare because the symbols of the
    model are generators from the beginning.
    """
    known: dict[Expr, None] = dict.fromkeys(coefficients)
    fixed = tuple(variables)
    while True:
        try:
            return derivation(Algebra(fixed, (c for c in known if c not in fixed), exact=exact))
        except _NeedsGenerator as missing:
            known[missing.generator] = None


def evaluate(element: PolyElement, algebra: Algebra, values: Mapping[Expr, float]) -> float:
    """The number that a ring element becomes when every generator is given one."""
    numbers = [values[generator] for generator in algebra.generators]
    total = 0.0
    for monomial, coefficient in element.terms():
        term = float(coefficient)
        for number, power in zip(numbers, monomial, strict=True):
            if power:
                term *= number**power
        total += term
    return total
