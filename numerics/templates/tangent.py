r"""The derivative of a map along its trajectory, as a program of linear combinations.

For x' = F(x; z) with Jacobian $J = \partial F / \partial x$, a tangent vector moves as q' = J q. Two programs compute this:

- *entries*: $q'_i = \sum_l J_{il} q_l$, one product per entry that is not identically zero;
- *directional*: the derivative of F along q, in which sums of the map stay sums. For one sample of a regression,
  $F_i = x_i - \eta z_i (z \cdot x - y)$, that is $q'_i = q_i - \eta z_i (z \cdot q)$: 2 d products, and J is never formed.

The one with fewer products is taken. What does not depend on q (`coefficients`) is computed once per step for all vectors.

`sizes` bound the rounding error: the sum over i of $|J|_{il}$, where $|\cdot|$ takes every sum for the sum of the absolute
values of its terms, those of the program too. Where $1 - \eta h$ vanishes, its size is $1 + |\eta h|$, and what is left of it is of
the order of the size times the resolution of the numbers: this is how a rank loss is told from a small number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sympy
from sympy import Add, Expr, Integer, Mul, Pow, S, Symbol

from theory.errors import UnsupportedExpectation
from theory.vectors import open_symbols


@dataclass(frozen=True)
class Term:
    """`sign` * coefficient * variable: `coefficient` numbers `TangentCode.coefficients`, None for 1.

    `variable` : the number of an entry of q, or if negative, -1 - the number of a temporary.
    """

    sign: int
    coefficient: int | None
    variable: int


@dataclass(frozen=True)
class TangentCode:
    """Linear combinations that make J q of q; see the module's text.

    `temporaries` in order of computation, each a sum of terms; `results`, one sum per entry of J q; `jacobian`, the entries.
    """

    coefficients: tuple[Expr, ...]
    temporaries: tuple[tuple[Term, ...], ...]
    results: tuple[tuple[Term, ...], ...]
    sizes: tuple[Expr, ...]
    jacobian: tuple[tuple[Expr, ...], ...]

    @property
    def atoms(self) -> set[Expr]:
        """What the entries of J depend on."""
        return {atom for row in self.jacobian for entry in row for atom in open_symbols(entry, set())}

    @property
    def products(self) -> int:
        """The number of terms: products with an addition each, for one vector."""
        return sum(map(len, (*self.temporaries, *self.results)))


def tangent_code(update: Sequence[Expr], state: Sequence[Expr], *, point: Expr | None = None) -> TangentCode:
    """Return the program of J q for x' = `update`, a function of the quantities `state` (symbols, or inner products).

    Parameters: `point`, a value of every state quantity at which J is taken (0 for the linear part at the origin), else J
    depends on the state. Raises `UnsupportedExpectation` where the update has no derivative that can be printed.

    >>> from theory import symbols
    >>> a, x, eta = symbols("a x eta")
    >>> code = tangent_code([a - eta*x*(a*x - 1)], [a])
    >>> code.coefficients, code.results, code.sizes
    ((eta*x**2 - 1,), ((Term(sign=-1, coefficient=0, variable=0),),), (x**2*Abs(eta) + 1,))
    """
    symbols = [quantity if isinstance(quantity, Symbol) else sympy.Dummy(real=True) for quantity in state]
    exchange = dict(zip(state, symbols, strict=True))
    functions = [expression.xreplace(exchange) for expression in update]
    at = {s: quantity if point is None else point for quantity, s in exchange.items()}
    jacobian = tuple(tuple(_derivative(f, s).xreplace(at) for s in symbols) for f in functions)
    entries = _Builder.of_entries(jacobian)
    direction = [sympy.Dummy(f"q{i}", real=True) for i in range(len(state))]
    along = _directional(functions, symbols, direction, at)
    built = _Builder.of_forms(along, direction)
    best = built if built is not None and built.products < entries.products else entries
    coefficients, temporaries, results = tuple(best.coefficients), tuple(best.temporaries), tuple(best.results)
    sizes = _sizes(coefficients, temporaries, results, len(state))
    return TangentCode(coefficients, temporaries, results, sizes, jacobian)


def _sizes(
    coefficients: Sequence[Expr],
    temporaries: Sequence[Sequence[Term]],
    results: Sequence[Sequence[Term]],
    count: int,
) -> tuple[Expr, ...]:
    """The sum over results of the sizes of all ways from an entry of q to them, taken backwards: sums stay sums."""
    ways: dict[int, Expr] = {}

    def add(terms: Sequence[Term], weight: Expr) -> None:
        for term in terms:
            factor = S.One if term.coefficient is None else size(coefficients[term.coefficient])
            ways[term.variable] = ways.get(term.variable, S.Zero) + factor * weight

    for terms in results:
        add(terms, S.One)
    for number in reversed(range(len(temporaries))):
        add(temporaries[number], ways.get(-1 - number, S.Zero))
    return tuple(ways.get(variable, S.Zero) for variable in range(count))


def _derivative(expression: Expr, symbol: Symbol) -> Expr:
    derivative = sympy.diff(expression, symbol)
    if derivative.has(sympy.Derivative, sympy.Subs, sympy.DiracDelta):
        raise UnsupportedExpectation(
            f"the derivative of the map with respect to {symbol} holds {derivative}, which is no function: Lyapunov exponents need a "
            f"map with a derivative almost everywhere; write jumps as Piecewise, whose jumps are not differentiated"
        )
    return derivative


def _directional(
    update: Sequence[Expr], state: Sequence[Symbol], direction: Sequence[Symbol], at: dict[Symbol, Expr]
) -> list[Expr]:
    step = sympy.Dummy("step", real=True)
    moved = {s: s + step * q for s, q in zip(state, direction, strict=True)}
    return [sympy.diff(f.xreplace(moved), step).xreplace({step: S.Zero}).xreplace(at) for f in update]


def size(expression: Expr) -> Expr:
    """`expression` with every sum exchanged for the sum of the absolute values of its terms.

    >>> h, eta = sympy.symbols("h eta", real=True)
    >>> size(1 - eta*h)
    Abs(eta*h) + 1
    """
    if isinstance(expression, Add):
        return Add(*map(size, expression.args))
    if isinstance(expression, Mul) and any(part.has(Add) for part in expression.args):
        return Mul(*map(size, expression.args))
    if isinstance(expression, Pow) and isinstance(expression.exp, Integer) and expression.exp > 0:
        return size(expression.base) ** expression.exp
    return sympy.Abs(expression)


class _NotLinear(Exception):
    """A form in which a direction stands inside something else than sums and products."""


class _Builder:
    """Collects coefficients and sums of terms."""

    def __init__(self, variables: Sequence[Symbol]) -> None:
        self.coefficients: list[Expr] = []
        self.temporaries: list[tuple[Term, ...]] = []
        self.results: list[tuple[Term, ...]] = []
        self._variables: dict[Expr, int] = {q: i for i, q in enumerate(variables)}

    @property
    def products(self) -> int:
        return sum(map(len, (*self.temporaries, *self.results)))

    @classmethod
    def of_entries(cls, jacobian: Sequence[Sequence[Expr]]) -> _Builder:
        builder = cls(())
        for row in jacobian:
            builder.results.append(tuple(builder._term(entry, i) for i, entry in enumerate(row) if entry != 0))
        return builder

    @classmethod
    def of_forms(cls, forms: Sequence[Expr], variables: Sequence[Symbol]) -> _Builder | None:
        """The program of forms linear in `variables`, common sums computed once; None where one is not so written."""
        builder = cls(variables)
        names = sympy.numbered_symbols("common", cls=sympy.Dummy, real=True)
        shared, results = sympy.cse(forms, symbols=names, list=True)
        images: dict[Expr, Expr] = {}  # what does not depend on the direction goes back into the coefficients
        try:
            for symbol, expression in shared:
                expression = expression.xreplace(images)
                if expression.free_symbols & set(builder._variables):
                    builder._variables[symbol] = builder._temporary(expression)
                else:
                    images[symbol] = expression
            builder.results = [builder._sum(result.xreplace(images)) for result in results]
        except _NotLinear:
            return None
        return builder

    def _temporary(self, expression: Expr) -> int:
        terms = self._sum(expression)
        self.temporaries.append(terms)
        return -len(self.temporaries)

    def _sum(self, expression: Expr) -> tuple[Term, ...]:
        return tuple(self._of(part) for part in Add.make_args(expression) if part != 0)

    def _of(self, part: Expr) -> Term:
        if part in self._variables:
            return self._term(S.One, self._variables[part])
        known = set(self._variables)
        inside = [factor for factor in Mul.make_args(part) if factor.free_symbols & known]
        if len(inside) != 1 or not isinstance(part, Mul):
            raise _NotLinear
        coefficient = Mul(*(factor for factor in part.args if factor is not inside[0]))
        if inside[0] in self._variables:
            return self._term(coefficient, self._variables[inside[0]])
        if not isinstance(inside[0], Add):
            raise _NotLinear
        return self._term(coefficient, self._temporary(inside[0]))

    def _term(self, coefficient: Expr, variable: int) -> Term:
        sign = 1
        if coefficient.could_extract_minus_sign():
            sign, coefficient = -1, -coefficient
        if coefficient == 1:
            return Term(sign, None, variable)
        if coefficient not in self.coefficients:
            self.coefficients.append(coefficient)
        return Term(sign, self.coefficients.index(coefficient), variable)
