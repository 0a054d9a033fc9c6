"""Bounds on what expressions may grow into: every value that the reader makes is measured before it is used further.

SymPy computes at once what it can: `9**9**9` and `exp(10**9*log(2))` would fill the memory, and a value of a million nodes takes
minutes to print. So powers are estimated before they are taken, and values are measured as they are made.
"""

from __future__ import annotations

import math
from typing import Any

from sympy import Add, Basic, Expr, Float, Integer, MatrixBase, Pow, Rational, S

LARGEST_VALUE = 20_000
"""Nodes of an expression, counted as a tree."""
DEEPEST_VALUE = 100
LARGEST_POWER = 100
"""Of a symbol or an expression."""
LARGEST_NUMBER_BITS = 1024
"""Numbers stay within the range of a double, 1e308."""
LARGEST_CONSTANT = 60
"""Nodes of a number that is no fraction, such as sqrt(2) + pi."""
WORK = 50_000
"""Operations of a whole file, each counted by the size of what it joins."""


class TooLarge(Exception):
    """A value beyond a bound; the evaluation makes an error of the file of it, with its place."""


class Limits:
    """The work that is left to a file, and the sizes of the values seen so far."""

    def __init__(self) -> None:
        self._left = WORK
        self._measured: dict[Any, tuple[int, int, bool]] = {}

    def charge(self, work: int) -> None:
        """Take `work` from what is left."""
        self._left -= work
        if self._left < 0:
            raise TooLarge(f"the file asks for more than {WORK} operations; state a smaller model")

    def kept(self, value: Any) -> Any:
        """`value` itself, if it is within all bounds."""
        self.charge(1)
        if isinstance(value, (tuple, list, MatrixBase)):
            for item in value:
                self.kept(item)
        elif isinstance(value, Basic):
            self._measure(value)
        return value

    def is_number(self, value: Any) -> bool:
        """Whether an expression holds numbers alone."""
        return self._measure(value)[2]

    def _measure(self, node: Any) -> tuple[int, int, bool]:
        """Nodes, levels, and whether it is a number."""
        found = self._measured.get(node)
        if found is None:
            self.charge(1 + len(node.args))
            if not node.args:
                found = (1, 1, isinstance(node, Expr) and bool(node.is_number))
            else:
                parts = [self._measure(part) for part in node.args if isinstance(part, Basic)]
                found = (
                    1 + sum(size for size, _, _ in parts),
                    1 + max((depth for _, depth, _ in parts), default=0),
                    isinstance(node, Expr) and all(number for _, _, number in parts),
                )
            self._require(node, *found)
            self._measured[node] = found
        return found

    def _require(self, node: Any, size: int, depth: int, number: bool) -> None:
        if size > LARGEST_VALUE:
            raise TooLarge(f"an expression of more than {LARGEST_VALUE} nodes, written out")
        if depth > DEEPEST_VALUE:
            raise TooLarge(f"an expression nested more than {DEEPEST_VALUE} levels deep, written out")
        if isinstance(node, Rational):
            _require_bits(node)
        elif isinstance(node, Pow) and not number and isinstance(node.exp, Rational) and abs(node.exp) > LARGEST_POWER:
            raise TooLarge(f"a power of order {node.exp}; at most {LARGEST_POWER}")
        elif number:
            _require_moderate(node, size)

    # ---------------------------------------------------------------------------------------------- before it is done

    def power(self, base: Expr, exponent: Expr) -> None:
        """Refuse a power whose value would be too large to be computed."""
        if not isinstance(exponent, (Rational, Float)):
            return
        order = abs(float(exponent)) if _logarithm(exponent) < 900 else math.inf
        if not self.is_number(base):
            if order > LARGEST_POWER:
                raise TooLarge(f"a power of order {_short(exponent)}; at most {LARGEST_POWER}")
        elif order * _logarithm(base) > LARGEST_NUMBER_BITS:
            raise TooLarge(f"the number {_short(base)}**{_short(exponent)} is beyond 1e308")

    def exponential(self, argument: Expr) -> None:
        """Refuse an exponential that holds a factor too large to be computed."""
        for term in Add.make_args(argument):
            if self.is_number(term) and not abs(term.evalf(5)) <= LARGEST_NUMBER_BITS * math.log(2):
                raise TooLarge(f"the number exp({_short(term)}) is beyond 1e308 or below 1e-308")


def _require_moderate(node: Expr, size: int) -> None:
    """A number that is no fraction: real, finite, neither huge nor a puzzle."""
    if isinstance(node, (Float, Integer)) or node in (S.Pi, S.Exp1, S.EulerGamma):
        return
    if node.has(S.NaN, S.ComplexInfinity, S.Infinity, S.NegativeInfinity):
        raise TooLarge("a number that is not finite: a division by zero, or the logarithm of zero")
    if node.has(S.ImaginaryUnit):
        raise TooLarge("a number that is not real: the root or the logarithm of a negative number")
    if size > LARGEST_CONSTANT:
        raise TooLarge(f"a number written with more than {LARGEST_CONSTANT} operations")
    value = node.evalf(5)
    if value.has(S.ImaginaryUnit):
        raise TooLarge("a number that is not real")
    if not (value.is_Float or value == 0) or not abs(value) < Float("1e308"):
        raise TooLarge("a number that is not finite, or beyond 1e308")


def _require_bits(number: Rational) -> None:
    if not number.is_finite:
        raise TooLarge("a number that is not finite: a division by zero, or the logarithm of zero")
    if max(abs(int(number.p)).bit_length(), int(number.q).bit_length()) > LARGEST_NUMBER_BITS:
        raise TooLarge("a number beyond 1e308, or a fraction of as many digits")


def _logarithm(number: Any) -> float:
    """The size of the binary logarithm of a number; of a fraction, of its larger part."""
    if isinstance(number, Rational):
        return math.log2(max(abs(int(number.p)), int(number.q)))
    value = abs(float(number.evalf(5)))
    return abs(math.log2(value)) if value > 0 else 0.0


def _short(number: Any) -> str:
    if isinstance(number, Rational) and _logarithm(number) > 200:
        return "N"
    text = str(number)
    return text if len(text) <= 30 else "N"
