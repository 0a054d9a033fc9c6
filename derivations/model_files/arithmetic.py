"""Sums, products, quotients and powers of scalars, vectors and matrices, as Python writes them, within the bounds of a file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sympy import Add, Expr, MatrixBase

from derivations.model_files.functions import Wrong, kind, scalar
from derivations.model_files.limits import Limits
from theory.vectors import VectorExpression, combine


def operand(value: Any) -> Any:
    """A value that sums and products take. Raises `Wrong` for any other."""
    if isinstance(value, tuple) and len(value) == 1:
        value = value[0]
    if not isinstance(value, (Expr, VectorExpression, MatrixBase)):
        hint = "; take an entry, as in w[0]" if isinstance(value, tuple) else ""
        raise Wrong(f"expected a scalar, a vector or a matrix, got {kind(value)}{hint}")
    return value


def added(limits: Limits, values: Sequence[Any]) -> Any:
    """The sum of values of one kind at once: term by term, the cost of a long sum would grow as its square."""
    if any(isinstance(value, VectorExpression) for value in values):
        strangers = [value for value in values if not isinstance(value, VectorExpression) and value != 0]
        if strangers:
            raise Wrong(f"a sum of vectors holds {kind(strangers[0])}; scalars enter a loss beside dot(a, b)")
        return combine([(1, value) for value in values if isinstance(value, VectorExpression)])
    if any(isinstance(value, MatrixBase) for value in values):
        strangers = [value for value in values if not isinstance(value, MatrixBase)]
        if strangers:
            raise Wrong(f"a sum of matrices holds {kind(strangers[0])}")
        total = values[0]
        for value in values[1:]:
            limits.charge(len(value))
            total = total + value
        return total
    limits.charge(sum(len(value.args) for value in values))
    return Add(*values)


def multiplied(limits: Limits, left: Any, right: Any) -> Any:
    """The product of two values, of which at most one is a vector."""
    matrices = [isinstance(value, MatrixBase) for value in (left, right)]
    limits.charge(len(left.args) + len(right.args))
    if all(matrices):
        limits.charge(left.rows * left.cols * right.cols)
    elif any(matrices) and any(isinstance(value, VectorExpression) for value in (left, right)):
        raise Wrong(f"{kind(left)} times {kind(right)}; a matrix acts on tuples of scalars, not on a vector")
    return left * right


def divided(limits: Limits, left: Any, right: Any) -> Any:
    """The quotient of a value by a scalar."""
    limits.charge(len(left.args) + len(right.args))
    if isinstance(right, MatrixBase):
        raise Wrong(f"nothing is divided by {kind(right)}")
    if right == 0:
        raise Wrong("a division by zero")
    return left / right


def raised(limits: Limits, base: Any, exponent: Any) -> Expr:
    """A power of scalars."""
    if isinstance(base, VectorExpression):
        raise Wrong(f"a vector has no power; a squared norm is dot({base}, {base})")
    below, above = scalar(base), scalar(exponent)
    limits.power(below, above)
    if below == 0 and above.is_negative:
        raise Wrong("a division by zero")
    return below**above
