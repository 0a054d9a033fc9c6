"""Reading the parameters of a law: real, finite, of the right sign, and probabilities that sum to one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Any

import sympy
from sympy import Expr, Float, Integer, Rational

from theory.errors import InvalidLaw, NotReal

_LARGEST_DENOMINATOR = 10**6
_NUMERICAL_ZERO = Rational(1, 10**25)
_RATIONAL_TOLERANCE = Fraction(1, 10**12)


def is_negative(expression: Expr) -> bool:
    """Whether a real `expression` is known to be negative, by assumptions or by its numerical value."""
    if expression.is_negative is None and expression.is_number:
        return bool(sympy.re(expression.evalf(30)) < -_NUMERICAL_ZERO)
    return expression.is_negative is True


def is_zero(expression: Expr) -> bool:
    """Whether `expression` is known to vanish; a number whose value is not small is settled without algebra."""
    if expression.is_zero is None and expression.is_number:
        return bool(abs(expression.evalf(30)) < _NUMERICAL_ZERO) and bool(expression.equals(0))
    return expression.is_zero is True


def _has_imaginary_part(expression: Expr) -> bool:
    return bool(expression.is_number and abs(sympy.im(expression.evalf(30))) > _NUMERICAL_ZERO)


def real_parameter(value: Any, name: str, law: str) -> Expr:
    """`value` as a real, finite SymPy expression.

    Raises `InvalidLaw` for text, containers, NaN and infinities, `NotReal` for complex numbers and symbols.
    """
    try:
        if isinstance(value, str):  # sympify would evaluate text
            raise TypeError
        expression = sympy.sympify(value)
    except (TypeError, sympy.SympifyError):
        expression = None
    if not isinstance(expression, Expr):
        raise InvalidLaw(f"{law}: {name} must be a number or a SymPy expression, got {value!r}")
    if expression.has(sympy.nan, sympy.oo, -sympy.oo, sympy.zoo):
        raise InvalidLaw(f"{law}: {name} must be finite, got {value!r}")
    complex_symbols = sorted((s for s in expression.free_symbols if not s.is_real), key=str)
    if complex_symbols:
        listed = ", ".join(map(str, complex_symbols))
        raise NotReal(f"{law}: {name} = {expression} contains {listed}, not declared real; write theory.symbols(...)")
    if expression.is_real is False or (expression.is_real is None and _has_imaginary_part(expression)):
        raise NotReal(f"{law}: {name} must be real, got {expression}")
    return expression


def positive_parameter(value: Any, name: str, law: str) -> Expr:
    """`value` as a real expression that is not known to be zero or negative."""
    expression = real_parameter(value, name, law)
    if is_negative(expression) or is_zero(expression):
        raise InvalidLaw(f"{law}: {name} must be positive, got {expression}; give a {name} > 0")
    return expression


def nonnegative_parameter(value: Any, name: str, law: str) -> Expr:
    """`value` as a real expression that is not known to be negative."""
    expression = real_parameter(value, name, law)
    if is_negative(expression):
        raise InvalidLaw(f"{law}: {name} must not be negative, got {expression}; give a {name} >= 0")
    return expression


def simple_rational(number: Float) -> Rational:
    """The simplest rational within 1e-12 (relative) of a floating-point number, else its exact value."""
    stored = Rational(number)
    exact = Fraction(int(stored.p), int(stored.q))
    simple = exact.limit_denominator(_LARGEST_DENOMINATOR)
    close = abs(simple - exact) <= _RATIONAL_TOLERANCE * abs(exact)
    chosen = simple if close else exact
    return Rational(chosen.numerator, chosen.denominator)


def rationalized(expression: Expr) -> Expr:
    """`expression` with every floating-point number replaced by a simple rational."""
    return expression.xreplace({number: simple_rational(number) for number in expression.atoms(Float)})


def probabilities(values: Sequence[Any], law: str) -> tuple[Expr, ...]:
    """`values` as exact probabilities: floats become simple rationals; none negative; the sum is 1.

    Raises `InvalidLaw` naming the probability, or the sum.
    """
    if not values:
        raise InvalidLaw(f"{law}: at least one outcome is needed; give pairs (value, probability)")
    exact = tuple(
        rationalized(real_parameter(value, f"probability number {index}", law))
        for index, value in enumerate(values, start=1)
    )
    for index, probability in enumerate(exact, start=1):
        if is_negative(probability):
            raise InvalidLaw(f"{law}: probability number {index} must not be negative, got {probability}")
    total = sympy.expand(sympy.Add(*exact))
    if total != 1 and not is_zero(sympy.cancel(sympy.together(total - 1))):
        shown = f"{total} = {total.evalf(17)}" if total.is_number and not total.is_Integer else f"{total}"
        raise InvalidLaw(
            f"{law}: the probabilities must sum to 1, they sum to {shown}; write them as fractions "
            f"(Rational(1, 3)), or write the last one as 1 minus the others"
        )
    return exact


def free_symbols(expressions: Iterable[Any]) -> set[Any]:
    """The symbols of all expressions together."""
    return set().union(*(expression.free_symbols for expression in expressions))


def integer_value(expression: Expr) -> int | None:
    """The value of an integer number, or None for anything else."""
    return int(expression) if isinstance(expression, Integer) else None
