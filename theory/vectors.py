"""Vectors without a dimension: `Vector`, their linear combinations, and inner products.

A loss is a scalar function of inner products `dot(a, b)`. A vector is not a SymPy expression (`w*w`, `w + 1` and
`exp(w)` have no meaning), so `Vector` subclasses `Basic` and `Atom` but not `Expr`; an `InnerProduct` is an ordinary
real SymPy expression.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import sympy
from sympy import Atom, Basic, Expr, Integer, S, Symbol, Tuple
from sympy.core.sorting import default_sort_key
from sympy.printing.pretty.stringpict import prettyForm

from theory.errors import DimensionMismatch, ModelError, NotDimensionFree, NotReal


class VectorExpression(Basic):
    """A linear combination of vectors: what `Vector` and `LinearCombination` have in common."""

    __slots__ = ()

    @property
    def terms(self) -> dict[Vector, Expr]:
        """The combination as a dictionary *vector -> scalar coefficient*, without zeros."""
        raise NotImplementedError

    @property
    def dimension(self) -> Expr | None:
        """The dimension of the space, or None for the zero combination."""
        raise NotImplementedError

    def __add__(self, other: Any) -> VectorExpression:
        if other == 0:  # lets the built-in sum() start at zero
            return self
        if not isinstance(other, VectorExpression):
            raise NotDimensionFree(
                f"{self} + {other} is no vector: {other!r} is no vector; scalars multiply vectors, and "
                f"enter a loss beside dot(a, b)"
            )
        return combine([(1, self), (1, other)])

    __radd__ = __add__

    def __sub__(self, other: Any) -> VectorExpression:
        if other == 0:
            return self
        return self + (-other)

    def __rsub__(self, other: Any) -> VectorExpression:
        return (-self) + other

    def __neg__(self) -> VectorExpression:
        return combine([(-1, self)])

    def __mul__(self, other: Any) -> VectorExpression:
        if isinstance(other, VectorExpression):
            raise NotDimensionFree(f"{self} * {other} is no product of vectors; write dot({self}, {other})")
        return combine([(scalar(other), self)])

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> VectorExpression:
        return combine([(1 / scalar(other), self)])

    def __pow__(self, other: Any) -> VectorExpression:
        raise NotDimensionFree(f"({self})**{other} is no vector; a squared norm is dot({self}, {self})")

    def __rtruediv__(self, other: Any) -> VectorExpression:
        raise NotDimensionFree(
            f"{other}/({self}): nothing is divided by a vector; a squared norm is dot({self}, {self})"
        )


def scalar(value: Any) -> Expr:
    """`value` as a SymPy scalar; refuses vectors, text and anything that is no expression."""
    expression = None if isinstance(value, str) else sympy.sympify(value)
    if not isinstance(expression, Expr):
        raise NotDimensionFree(f"expected a scalar, got {value!r} of type {type(value).__name__}")
    return expression


class Vector(VectorExpression, Atom):
    """An abstract vector in R^n.

    Parameters: `name`, the name printed and used to tell vectors apart; `dimension`, a positive integer symbol such
    as `n`, or a positive integer. Two vectors are equal if name and dimension are.

    >>> from theory import Vector, dot, symbols
    >>> n = symbols("n", positive=True)
    >>> w, v = Vector("w", n), Vector("v", n)
    >>> dot(w + 2*v, w)
    2*dot(v, w) + dot(w, w)
    """

    __slots__ = ("name", "_dimension")
    is_symbol = False

    def __new__(cls, name: str, dimension: Any) -> Vector:
        if not isinstance(name, str) or not name.strip():
            raise ModelError(f"a vector needs a name, got {name!r}; write Vector('w', n)")
        size = None if isinstance(dimension, (str, bool)) else sympy.sympify(dimension)
        if not isinstance(size, Expr) or size.is_positive is False or (size.is_number and not size.is_Integer):
            raise ModelError(
                f"the dimension of vector {name!r} must be a positive integer or a symbol, got {dimension!r}"
            )
        for symbol in sorted(size.free_symbols, key=str):
            if not symbol.is_real:
                raise NotReal(
                    f"the dimension of vector {name!r} contains {symbol}, which is not declared real; make it with "
                    f"theory.symbols({str(symbol)!r}, positive=True)"
                )
        vector = Basic.__new__(cls)
        vector.name, vector._dimension = name, size
        return vector

    def __getnewargs__(self) -> tuple[Any, ...]:
        return self.name, self._dimension

    def _hashable_content(self) -> tuple[Any, ...]:
        return self.name, self._dimension

    @property
    def terms(self) -> dict[Vector, Expr]:
        return {self: S.One}

    @property
    def dimension(self) -> Expr:
        return self._dimension

    @property
    def free_symbols(self) -> set[Basic]:
        return set()

    def _sympystr(self, printer: Any) -> str:
        return self.name

    def _sympyrepr(self, printer: Any) -> str:
        return f"Vector({self.name!r}, {printer._print(self._dimension)})"

    def _latex(self, printer: Any) -> str:
        return rf"\mathbf{{{printer._print(Symbol(self.name))}}}"

    def _pretty(self, printer: Any) -> Any:
        return printer._print(Symbol(self.name))

    def _mathml_content(self, printer: Any) -> Any:
        return printer._print(Symbol(self.name))

    _mathml_presentation = _mathml_content


class LinearCombination(VectorExpression):
    """A sum of vectors with scalar coefficients; made by arithmetic on vectors, never called by a user."""

    __slots__ = ()

    def __new__(cls, *pairs: Tuple) -> LinearCombination:
        return Basic.__new__(cls, *pairs)

    @property
    def terms(self) -> dict[Vector, Expr]:
        return {pair.args[0]: pair.args[1] for pair in self.args}

    @property
    def dimension(self) -> Expr | None:
        return self.args[0].args[0].dimension if self.args else None

    def _as_printable(self) -> Expr:
        return sympy.Add(*(c * Symbol(v.name) for v, c in self.terms.items()))

    def _sympystr(self, printer: Any) -> str:
        return printer._print(self._as_printable())

    def _sympyrepr(self, printer: Any) -> str:
        return f"LinearCombination({', '.join(printer._print(pair) for pair in self.args)})"

    def _latex(self, printer: Any) -> str:
        bold = {Symbol(v.name): Symbol(printer._print(v)) for v in self.terms}
        return printer._print(self._as_printable().xreplace(bold))

    def _pretty(self, printer: Any) -> Any:
        return printer._print(self._as_printable())

    def _mathml_content(self, printer: Any) -> Any:
        return printer._print(self._as_printable())

    _mathml_presentation = _mathml_content


def combine(pairs: Iterable[tuple[Any, VectorExpression]]) -> VectorExpression:
    """The linear combination sum of `coefficient * vector` over `pairs`, collected by vector."""
    collected: dict[Vector, list[Expr]] = {}
    for coefficient, expression in pairs:
        for vector, inner in expression.terms.items():
            collected.setdefault(vector, []).append(coefficient * inner)
    terms = {vector: total for vector, parts in collected.items() if (total := sympy.Add(*parts)) != 0}
    dimensions = {vector.dimension for vector in terms}
    if len(dimensions) > 1:
        listed = ", ".join(f"{v} in R^{v.dimension}" for v in sorted(terms, key=default_sort_key))
        raise DimensionMismatch(f"vectors of different dimensions cannot be added: {listed}")
    if list(terms.values()) == [S.One]:
        return next(iter(terms))
    ordered = sorted(terms.items(), key=lambda item: default_sort_key(item[0]))
    return LinearCombination(*(Tuple(vector, coefficient) for vector, coefficient in ordered))


class InnerProduct(Expr):
    """The inner product of two vectors: a real scalar, its arguments in canonical order. Made by `dot`."""

    __slots__ = ()
    is_commutative = True

    def __new__(cls, left: Vector, right: Vector) -> InnerProduct:
        if not (isinstance(left, Vector) and isinstance(right, Vector)):
            raise NotDimensionFree(f"an inner product takes two vectors, got {left!r} and {right!r}")
        if left.dimension != right.dimension:
            raise DimensionMismatch(
                f"dot({left}, {right}): {left} lives in R^{left.dimension}, {right} in R^{right.dimension}"
            )
        return Expr.__new__(cls, *sorted((left, right), key=default_sort_key))

    @property
    def left(self) -> Vector:
        """The first vector in canonical order."""
        return self.args[0]

    @property
    def right(self) -> Vector:
        """The second vector in canonical order."""
        return self.args[1]

    def involves(self, vector: Vector) -> bool:
        """Whether `vector` is one of the two factors."""
        return vector in self.args

    def other(self, vector: Vector) -> Vector:
        """The factor that is not `vector` (`vector` itself for a squared norm)."""
        return self.args[1] if self.args[0] == vector else self.args[0]

    def _eval_is_real(self) -> bool:
        return True

    def _eval_is_finite(self) -> bool:
        return True

    def _eval_is_extended_nonnegative(self) -> bool | None:
        return True if self.args[0] == self.args[1] else None

    def _eval_conjugate(self) -> Expr:
        return self

    def _eval_derivative(self, symbol: Basic) -> Expr:
        return S.Zero

    def _sympystr(self, printer: Any) -> str:
        return f"dot({printer._print(self.left)}, {printer._print(self.right)})"

    def _sympyrepr(self, printer: Any) -> str:
        return f"InnerProduct({printer._print(self.left)}, {printer._print(self.right)})"

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        text = rf"\langle {printer._print(self.left)}, {printer._print(self.right)}\rangle"
        return text if exp is None else rf"{text}^{{{exp}}}"

    def _pretty(self, printer: Any) -> prettyForm:
        form = printer._print(self.left)
        for part in (", ", printer._print(self.right), ">"):
            form = prettyForm(*form.right(part))
        return prettyForm(*form.left("<"))

    def _mathml_presentation(self, printer: Any) -> Any:
        return mathml_row(printer, ("\u27e8", self.left, ",", self.right, "\u27e9"))

    def _mathml_content(self, printer: Any) -> Any:
        node = printer.dom.createElement("apply")
        node.appendChild(printer.dom.createElement("scalarproduct"))
        node.appendChild(printer._print(self.left))
        node.appendChild(printer._print(self.right))
        return node


def dot(left: VectorExpression, right: VectorExpression) -> Expr:
    """Return the inner product of two vector expressions, expanded bilinearly.

    Parameters: `left`, `right`, vectors or linear combinations of the same dimension.
    Raises `NotDimensionFree` if an argument is no vector, `DimensionMismatch` if the dimensions differ.
    """
    for argument in (left, right):
        if not isinstance(argument, VectorExpression):
            raise NotDimensionFree(
                f"dot({left}, {right}): {argument!r} is no vector but a {type(argument).__name__}; dot takes "
                f"two vectors or linear combinations of vectors"
            )
    return sympy.Add(*(a * b * InnerProduct(p, q) for p, a in left.terms.items() for q, b in right.terms.items()))


def vectors(name: str, dimension: Any, *, count: int) -> tuple[Vector, ...]:
    """Return `count` vectors `name1`, ..., `nameK` of one dimension (`count` a positive integer)."""
    if isinstance(count, bool) or not isinstance(count, (int, Integer)) or count < 1:
        raise ModelError(f"vectors({name!r}, count={count!r}): count must be a positive integer")
    return tuple(Vector(f"{name}{index}", dimension) for index in range(1, int(count) + 1))


def symbols(names: str, **assumptions: bool) -> Any:
    """Return SymPy symbols that are real unless told otherwise; arguments as for `sympy.symbols`.

    >>> from theory import symbols
    >>> x = symbols("x")
    >>> x.is_real
    True
    """
    if not {"real", "positive", "negative", "nonnegative", "nonpositive", "integer"} & assumptions.keys():
        assumptions = {**assumptions, "real": True}
    return sympy.symbols(names, **assumptions)


def mathml_row(printer: Any, parts: Iterable[Any]) -> Any:
    """A MathML row of operators (given as strings) and printed objects."""
    row = printer.dom.createElement("mrow")
    for part in parts:
        if isinstance(part, str):
            node = printer.dom.createElement("mo")
            node.appendChild(printer.dom.createTextNode(part))
        else:
            node = printer._print(part)
        row.appendChild(node)
    return row


def stray_vectors(expression: Basic) -> list[Basic]:
    """The subexpressions of `expression` that hold a vector outside an inner product, smallest first."""
    found: list[Basic] = []

    def walk(node: Basic) -> None:
        if isinstance(node, InnerProduct) or getattr(node, "holds_vectors", False):
            return
        if any(isinstance(argument, VectorExpression) for argument in node.args):
            found.append(node)
        for argument in node.args:
            walk(argument)

    if isinstance(expression, VectorExpression):
        return [expression]
    walk(expression)
    return found


def replace_vectors(expression: Expr, images: Mapping[Vector, VectorExpression]) -> Expr:
    """`expression` with vectors inside inner products replaced by linear combinations, re-expanded bilinearly."""
    products = {
        product: dot(images.get(product.left, product.left), images.get(product.right, product.right))
        for product in expression.atoms(InnerProduct)
        if product.left in images or product.right in images
    }
    return expression.xreplace(products)


def open_symbols(expression: Any, bound: set[Expr]) -> set[Expr]:
    """The symbols, inner products and other opaque quantities of `expression` that are not in `bound`."""
    found: set[Expr] = set()
    pending = [expression]
    while pending:
        node = pending.pop()
        if node in bound:
            continue
        if isinstance(node, (sympy.Symbol, InnerProduct)):
            found.add(node)
        elif getattr(node, "bound_symbols", None):
            inner = bound | set(node.bound_symbols)
            for argument in node.args:
                found |= open_symbols(argument, inner)
        else:
            pending.extend(node.args)
    return found
