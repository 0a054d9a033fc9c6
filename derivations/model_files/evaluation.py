"""The value of an expression: its syntax tree, walked node by node over a list of what is allowed.

What Python would do on the same text with the objects of `theory` is done here, operation by operation, so that a model stated
in TOML is the model stated in Python. Decimal numbers are exact (0.1 is 1/10), except where the language itself keeps
floating-point numbers: in laws.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import lru_cache
from itertools import islice
from types import MappingProxyType
from typing import Any

import sympy
from sympy import Expr, Float, Integer, MatrixBase, Rational

from derivations.model_files.arithmetic import added, divided, multiplied, operand, raised
from derivations.model_files.document import nearest
from derivations.model_files.errors import ModelFileError
from derivations.model_files.expressions import Expression
from derivations.model_files.functions import (
    PLACES,
    Known,
    Wrong,
    is_condition,
    kind,
    known_functions,
    scalar,
    scalars,
    whole,
)
from derivations.model_files.limits import TooLarge
from derivations.model_files.networks import call_network, is_network
from derivations.model_files.scope import CONSTANTS, Scope
from theory.errors import TheoryError
from theory.fields import GaussianField

LONGEST_RANGE = 1000
"""Steps of one `for`."""
_FAILURES = (
    TheoryError, ArithmeticError, AttributeError, LookupError, MemoryError, NotImplementedError, RecursionError, TypeError,
    ValueError,
)  # fmt: skip


class Numbers(Enum):
    """What a decimal number means."""

    EXACT = auto()
    """The fraction that it writes."""
    FLOATING = auto()
    """A floating-point number, as in Python."""


def evaluate(
    expression: Expression,
    scope: Scope,
    *,
    numbers: Numbers = Numbers.EXACT,
    calls: Mapping[str, Known] = MappingProxyType({}),
    constants: Mapping[str, Any] = MappingProxyType({}),
) -> Any:
    """Return the value of an expression over the names of `scope`.

    `calls`, functions beside the known ones, with keyword arguments; `constants`, names beside the declared ones.
    Raises `ModelFileError` at the place of what is unknown, of the wrong kind, or beyond a bound.
    """
    return _Walk(expression, scope, numbers, calls, constants).value(expression.tree)


@lru_cache(maxsize=4096)
def exact(text: str) -> Rational:
    """The fraction that a decimal number means, as the doors of `theory` read floats: 0.1 is 1/10.

    >>> exact("0.25")
    1/4
    """
    digits = sum(letter.isdigit() for letter in text.lower().split("e")[0].strip("0."))
    value = float(text)
    if digits <= 15 and 1e-20 < abs(value) < 1e20:
        return Rational(text)
    return sympy.nsimplify(Float(value), rational=True)


@dataclass
class _Walk:
    expression: Expression
    scope: Scope
    numbers: Numbers
    calls: Mapping[str, Known]
    constants: Mapping[str, Any]
    bound: dict[str, Any] = field(default_factory=dict)

    def value(self, node: ast.AST) -> Any:
        handler = _HANDLERS.get(type(node))
        if handler is None:
            raise self.refuse(f"{_NAMES.get(type(node), type(node).__name__)} has no meaning in an expression", node)
        return handler(self, node)

    def refuse(self, message: str, node: ast.AST) -> ModelFileError:
        return self.expression.error(message, node)

    def done(self, node: ast.AST, action: Callable[[], Any]) -> Any:
        """The outcome of an operation within the bounds; what it raises becomes an error at its place."""
        try:
            return self.scope.limits.kept(action())
        except (TooLarge, Wrong) as error:
            raise self.refuse(str(error), node) from None
        except ModelFileError:
            raise
        except _FAILURES as error:
            raise self.refuse(str(error) or type(error).__name__, node) from error

    # ---------------------------------------------------------------------------------------------- names and numbers

    def constant(self, node: ast.Constant) -> Any:
        if isinstance(node.value, bool):
            return sympy.true if node.value else sympy.false
        if isinstance(node.value, int):
            return self.done(node, lambda: Integer(node.value))
        if isinstance(node.value, float) and abs(node.value) < float("inf"):
            floating = self.numbers is Numbers.FLOATING
            text = self.expression.part(node)
            self.done(node, lambda: self.scope.limits.charge(1 if floating or len(text) < 18 else 1000))
            return self.done(node, lambda: Float(node.value) if floating else exact(text))
        raise self.refuse("this is no finite real number", node)

    def name(self, node: ast.Name) -> Any:
        if node.id in self.bound:
            return self.bound[node.id]
        if node.id in self.constants:
            return self.constants[node.id]
        if node.id in self.scope:
            return self.scope[node.id]
        if node.id in CONSTANTS:
            return getattr(sympy, node.id)
        if node.id in known_functions() or node.id in self.calls:
            raise self.refuse(f"{node.id} is a function; write {node.id}(...)", node)
        raise self.refuse(self.scope.unknown(node.id, [*self.bound, *self.constants]), node)

    # ------------------------------------------------------------------------------------------------------ arithmetic

    def unary(self, node: ast.UnaryOp) -> Any:
        value = self.value(node.operand)
        if isinstance(node.op, ast.Invert):
            if not is_condition(value):
                raise self.refuse(f"~ takes a condition, got {kind(value)}", node.operand)
            return self.done(node, lambda: sympy.Not(value))
        number = self.done(node.operand, lambda: operand(value))
        return self.done(node, lambda: -number) if isinstance(node.op, ast.USub) else number

    def binary(self, node: ast.BinOp) -> Any:
        if isinstance(node.op, (ast.Add, ast.Sub)):
            return self.sum(node)
        if isinstance(node.op, (ast.Mult, ast.Div, ast.MatMult)):
            return self.product(node)
        if isinstance(node.op, ast.Pow):
            return self.power(node)
        if isinstance(node.op, (ast.BitAnd, ast.BitOr)):
            return self.junction(node)
        raise self.refuse(f"the operator in {self.expression.part(node)!r} has no meaning in an expression", node)

    def sum(self, node: ast.BinOp) -> Any:
        """A sum of any length, at once."""
        terms: list[Any] = []
        left: ast.expr = node
        while isinstance(left, ast.BinOp) and isinstance(left.op, (ast.Add, ast.Sub)):
            terms.append((left.right, isinstance(left.op, ast.Sub)))
            left = left.left
        terms.append((left, False))
        values = []
        for term, negative in reversed(terms):
            value = self.operand(term)
            values.append(self.done(term, lambda v=value: -v) if negative else value)  # type: ignore[misc]
        return self.done(node, lambda: added(self.scope.limits, values))

    def product(self, node: ast.BinOp) -> Any:
        """A product of any length, factor by factor from the left, as Python takes it."""
        factors: list[tuple[ast.BinOp, ast.expr]] = []
        left: ast.expr = node
        while isinstance(left, ast.BinOp) and isinstance(left.op, (ast.Mult, ast.Div, ast.MatMult)):
            factors.append((left, left.right))
            left = left.left
        result = self.operand(left)
        for link, factor in reversed(factors):
            value = self.operand(factor)
            join = divided if isinstance(link.op, ast.Div) else multiplied
            if isinstance(link.op, ast.MatMult) and not (
                isinstance(result, MatrixBase) and isinstance(value, MatrixBase)
            ):
                raise self.refuse(f"@ takes two matrices, got {kind(result)} and {kind(value)}", link)
            result = self.done(link, lambda j=join, a=result, b=value: j(self.scope.limits, a, b))  # type: ignore[misc]
        return result

    def power(self, node: ast.BinOp) -> Any:
        base, exponent = self.value(node.left), self.value(node.right)
        return self.done(node, lambda: raised(self.scope.limits, base, exponent))

    def operand(self, node: ast.expr) -> Any:
        value = self.value(node)
        return self.done(node, lambda: operand(value))

    # ------------------------------------------------------------------------------------------------------ conditions

    def comparison(self, node: ast.Compare) -> Any:
        sides = [self.value(side) for side in (node.left, *node.comparators)]
        parts = []
        for operation, left, right in zip(node.ops, sides, sides[1:], strict=False):
            relation = _RELATIONS.get(type(operation))
            if relation is None:
                raise self.refuse("of comparisons there are <, <=, >, >=, == and !=", node)
            parts.append(self.done(node, lambda r=relation, a=left, b=right: r(scalar(a), scalar(b))))  # type: ignore[misc]
        return self.done(node, lambda: sympy.And(*parts))

    def junction(self, node: ast.BinOp) -> Any:
        left, right = self.value(node.left), self.value(node.right)
        for value, side in ((left, node.left), (right, node.right)):
            if not is_condition(value):
                raise self.refuse(f"& and | join conditions, got {kind(value)}; put brackets around x > 0", side)
        return self.done(node, lambda: (sympy.And if isinstance(node.op, ast.BitAnd) else sympy.Or)(left, right))

    # ----------------------------------------------------------------------------------------------------- collections

    def collection(self, node: ast.Tuple | ast.List) -> tuple[Any, ...]:
        return tuple(self.value(item) for item in node.elts)

    def mapping(self, node: ast.Dict) -> Any:
        pairs = []
        for key, value in zip(node.keys, node.values, strict=True):
            if key is None:
                raise self.refuse("** has no meaning here", node)
            pairs.append((self.value(key), self.value(value)))
            if pairs[-1][0] in [other for other, _ in pairs[:-1]]:
                raise self.refuse("listed twice; pairs [(value, probability), ...] keep equal values apart", key)
            self.done(key, lambda: self.scope.limits.charge(len(pairs)))
        return tuple(pairs)

    def subscript(self, node: ast.Subscript) -> Any:
        value = self.value(node.value)
        if not isinstance(value, (tuple, MatrixBase)):
            raise self.refuse(f"{kind(value)} has no entries", node.value)
        if isinstance(node.slice, ast.Slice):
            raise self.refuse("ranges such as a:b have no meaning here; take one entry", node)
        index = self.value(node.slice)

        def action() -> Any:
            numbers = tuple(map(whole, index if isinstance(index, tuple) else (index,)))
            rank = 2 if isinstance(value, MatrixBase) else 1
            if len(numbers) != rank:
                raise Wrong(f"{kind(value)} takes {rank} whole number{'s' * (rank > 1)} in [...], got {len(numbers)}")
            sizes = value.shape if isinstance(value, MatrixBase) else (len(value),)
            for number, size in zip(numbers, sizes, strict=True):
                if not -size <= number < size:
                    raise Wrong(f"there is no entry {number}: they are counted from 0 to {size - 1}")
            return value[numbers] if isinstance(value, MatrixBase) else value[numbers[0]]

        return self.done(node, action)

    def generated(self, node: ast.ListComp | ast.GeneratorExp) -> tuple[Any, ...]:
        return tuple(self.steps(node.elt, list(node.generators)))

    def steps(self, element: ast.expr, generators: list[ast.comprehension]) -> Iterator[Any]:
        """The values of `element for ... in ...`."""
        if not generators:
            yield self.value(element)
            return
        first, *rest = generators
        if first.ifs or first.is_async:
            raise self.refuse("a condition has no meaning here", first.ifs[0] if first.ifs else element)
        targets = first.target.elts if isinstance(first.target, ast.Tuple) else [first.target]
        for target in targets:
            if not isinstance(target, ast.Name):
                raise self.refuse("expected a name after for", target)
            if target.id in self.scope or target.id in self.bound:
                raise self.refuse(f"the name {target.id!r} is taken; choose another after for", target)
        names = [target.id for target in targets if isinstance(target, ast.Name)]
        for item in self.items(first.iter):
            self.done(first.iter, lambda: self.scope.limits.charge(1))
            parts = item if len(names) > 1 else (item,)
            if not isinstance(parts, tuple) or len(parts) != len(names):
                raise self.refuse(f"{len(names)} names for {kind(item)}", first.target)
            self.bound.update(zip(names, parts, strict=True))
            yield from self.steps(element, rest)
        for name in names:
            self.bound.pop(name, None)

    def items(self, node: ast.expr) -> Sequence[Any]:
        """What a `for` goes through: a tuple, `range(...)`, or `zip(...)` of tuples."""
        called = node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else None
        if called == "range" and isinstance(node, ast.Call) and 1 <= len(node.args) <= 2 and not node.keywords:
            ends = self.done(node, lambda: [whole(self.value(argument)) for argument in node.args])
            found = [Integer(i) for i in islice(range(*ends), LONGEST_RANGE + 1)]
        elif called == "zip" and isinstance(node, ast.Call) and not node.keywords:
            columns = [self.items(argument) for argument in node.args]
            if len({len(column) for column in columns}) > 1:
                raise self.refuse(f"zip of unlike lengths {', '.join(str(len(c)) for c in columns)}", node)
            found = list(zip(*columns, strict=True))
        else:
            value = self.value(node)
            if not isinstance(value, tuple):
                raise self.refuse(f"for goes through range(K) or a tuple, not {kind(value)}", node)
            found = list(value)
        if len(found) > LONGEST_RANGE:
            raise self.refuse(f"more than {LONGEST_RANGE} steps", node)
        return found

    # ----------------------------------------------------------------------------------------------------------- calls

    def call(self, node: ast.Call) -> Any:
        if not isinstance(node.func, ast.Name):
            if isinstance(node.func, ast.Attribute):
                raise self.attribute(node.func)
            raise self.refuse("a product is written with a star, as in 2*(x + 1); only functions are called", node.func)
        name = node.func.id
        if name == "sum" and name not in self.scope:
            return self.sum_of(node)
        known = self.calls.get(name) or (None if name in self.scope else known_functions().get(name))
        if known is None:
            return self.called_value(node)
        arguments = [self.value(argument) for argument in self.plain(node.args)]
        keywords = {self.keyword(name, known, part): self.value(part.value) for part in node.keywords}
        return self.done(node, lambda: self.applied(name, known, arguments, keywords))

    def applied(self, name: str, known: Known, arguments: Sequence[Any], keywords: Mapping[str, Any]) -> Any:
        import inspect

        limits = self.scope.limits
        limits.charge(sum(len(getattr(argument, "args", ())) for argument in arguments))
        try:
            inspect.signature(known.call).bind(limits, *arguments, **keywords)
        except TypeError:
            raise Wrong(f"{name} takes {known.takes}") from None
        return known.call(limits, *arguments, **keywords)

    def keyword(self, name: str, known: Known, part: ast.keyword) -> str:
        if part.arg is None:
            raise self.refuse("** has no meaning here", part)
        if part.arg not in known.keywords:
            listed = f"; it takes {', '.join(known.keywords)} by name" if known.keywords else ""
            raise self.refuse(f"{name} takes no {part.arg}={nearest(part.arg, known.keywords) or listed}", part)
        return part.arg

    def plain(self, arguments: Sequence[ast.expr]) -> Sequence[ast.expr]:
        for argument in arguments:
            if isinstance(argument, ast.Starred):
                raise self.refuse("* has no meaning before an argument", argument)
        return arguments

    def called_value(self, node: ast.Call) -> Any:
        """The call of a declared name: a field at a vector, a network of a tuple."""
        name = node.func.id  # type: ignore[attr-defined]
        if name not in self.scope and name not in self.bound:
            known = [*known_functions(), *self.calls, "sum", *self.scope.names]
            elsewhere = f" here; {PLACES[name]}" if name in PLACES else ""
            hint = elsewhere or nearest(name, known) or self.listed()
            raise self.refuse(f"there is no function {name!r}{hint}", node.func)
        value = self.value(node.func)
        if not isinstance(value, GaussianField) and not is_network(value):
            head, call = self.expression.part(node.func), self.expression.part(node)
            product = f"{head}*{call[len(head) :]}" if call.startswith(head) else f"written with a star, {head}*(...)"
            raise self.refuse(f"{kind(value)} is no function; a product is {product}", node.func)
        if node.keywords or len(node.args) != 1:
            raise self.refuse(f"{name} takes one argument", node)
        argument = self.value(self.plain(node.args)[0])
        if isinstance(value, GaussianField):
            return self.done(node, lambda: value(argument))
        return self.done(node, lambda: call_network(value, argument, self.scope.limits))

    def listed(self) -> str:
        """What can be called here: where an entry has constructors of its own, such as laws, these alone."""
        names = self.calls or {*known_functions(), "sum"}
        return f"; there are {', '.join(sorted(names, key=lambda name: (name.lower(), name)))}"

    def sum_of(self, node: ast.Call) -> Any:
        """`sum(... for ... in ...)`, or the sum of a tuple."""
        if len(node.args) != 1 or node.keywords:
            raise self.refuse("sum takes one tuple, or EXPRESSION for i in range(K)", node)
        value = self.value(self.plain(node.args)[0])
        items = scalars(value) if isinstance(value, MatrixBase) else value
        if not isinstance(items, tuple):
            raise self.refuse(f"sum takes a tuple, or EXPRESSION for i in range(K); got {kind(value)}", node)
        return self.done(node, lambda: added(self.scope.limits, [operand(item) for item in items]))

    def attribute(self, node: ast.Attribute) -> ModelFileError:
        hints = {"T": "; write transpose(...)", "law": "; a field has its own law, and needs no entry in [data]"}
        return self.refuse(f"there are no attributes in expressions{hints.get(node.attr, '')}", node)

    def refused_attribute(self, node: ast.Attribute) -> Any:
        raise self.attribute(node)


_RELATIONS: Mapping[type, Callable[[Expr, Expr], Any]] = {
    ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge, ast.Eq: sympy.Eq, ast.NotEq: sympy.Ne,
}  # fmt: skip

_HANDLERS: Mapping[type, Callable[[Any, Any], Any]] = {
    ast.Constant: _Walk.constant,
    ast.Name: _Walk.name,
    ast.UnaryOp: _Walk.unary,
    ast.BinOp: _Walk.binary,
    ast.Compare: _Walk.comparison,
    ast.Tuple: _Walk.collection,
    ast.List: _Walk.collection,
    ast.Dict: _Walk.mapping,
    ast.Subscript: _Walk.subscript,
    ast.ListComp: _Walk.generated,
    ast.GeneratorExp: _Walk.generated,
    ast.Call: _Walk.call,
    ast.Attribute: _Walk.refused_attribute,
}

_NAMES: Mapping[type, str] = {
    ast.Starred: "*",
    ast.Set: "a set {...}",
    ast.Slice: "a range a:b",
    ast.NamedExpr: ":=",
    ast.Lambda: "a function of one's own",
    ast.DictComp: "a dictionary with for",
    ast.SetComp: "a set with for",
}
