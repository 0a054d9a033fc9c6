"""One SymPy expression of named symbols as Python text over `math`, the helpers and the elementary functions."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Any, ClassVar, NoReturn

import numpy as np
import sympy
from sympy import Basic, Expr, Integer, Pow, Rational, S, Symbol
from sympy.printing.precedence import PRECEDENCE, precedence
from sympy.printing.pycode import PythonCodePrinter

from numerics.errors import PrinterError
from numerics.precision import Precision

HELPERS = {
    "heaviside": """def heaviside(x, at_zero):
    return 1.0 if x > 0.0 else (0.0 if x < 0.0 else (at_zero if x == 0.0 else x))
""",
    # math.floor gives an integer, into which neither NaN nor infinity goes; beyond 2^52 every double is whole
    "round_down": """def round_down(x):
    return real(math.floor(x)) if abs(x) < 4503599627370496.0 else x
""",
    "round_up": """def round_up(x):
    return real(math.ceil(x)) if abs(x) < 4503599627370496.0 else x
""",
    "sigmoid": """def sigmoid(x):
    decay = math.exp(-abs(x))
    return (1.0 if x >= 0.0 else decay) / (1.0 + decay)
""",
    "sign": """def sign(x):
    return 1.0 if x > 0.0 else (-1.0 if x < 0.0 else x)
""",
    "softplus": """def softplus(x):
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))
""",
}
"""The functions that printed code may call, as double-precision source text without decorator."""


class Elementary(StrEnum):
    """Where printed code takes its elementary functions from.

    >>> ScalarPrinter(Precision.FLOAT32, Elementary.VECTORISED).doprint(sympy.exp(sympy.Symbol("x")) / 2)
    'real(0.5)*fast_exp32(x)'
    """

    LIBM = "libm"
    """`math`: correct to the last bit or nearly so, one number at a time."""
    VECTORISED = "vectorised"
    """`numerics.elementary` where it has the function: arithmetic that turns into vector instructions in a loop."""


FAST = ("cos", "erf", "exp", "log", "sigmoid", "sin", "softplus", "tanh")
"""The functions that `Elementary.VECTORISED` takes from `numerics.elementary`, where their names begin with `fast_`."""


def helper_text(name: str, precision: Precision) -> str:
    """The source text of a helper for a precision.

    >>> print(helper_text("sign", Precision.FLOAT32))
    def sign(x):
        return real(1.0) if x > real(0.0) else (-real(1.0) if x < real(0.0) else x)
    <BLANKLINE>
    """
    text = HELPERS[name]
    return text if precision is Precision.FLOAT64 else re.sub(r"(?<![\w.])\d+\.\d+", r"real(\g<0>)", text)


def number_text(value: float, precision: Precision) -> str | None:
    """`value` as a constant of the given precision; None where it has none, being too large or too small for it.

    >>> number_text(1 / 3, Precision.FLOAT64), number_text(-1 / 3, Precision.FLOAT32)
    ('0.3333333333333333', '-real(0.33333334)')
    """
    if precision is Precision.FLOAT64:
        return repr(value)
    with np.errstate(over="ignore", under="ignore"):
        single = np.float32(abs(value))
    if not np.isfinite(single) or (single == 0.0) != (value == 0.0):
        return None
    return f"{'-' * (value < 0.0)}real({single!s})"


def one_line(expression: Any, limit: int = 90) -> str:
    """A text of `expression` for a comment or a message: printable, on one line, not long."""
    if isinstance(expression, Basic) and sympy.count_ops(expression) > 100:
        return f"an expression of {sympy.count_ops(expression)} operations"
    text = "".join(letter if letter.isprintable() else " " for letter in str(expression))
    return text if len(text) <= limit else text[: limit - 4] + " ..."


class ScalarPrinter(PythonCodePrinter):
    """Prints one expression of named symbols as Python text; refuses by name what it cannot print.

    Parameters: `precision`, of the constants; `elementary`, where exp, log, tanh, erf, sin, cos come from.
    """

    _names: ClassVar[dict[str, str]] = {
        **{name: f"math.{name}" for name in (
            "acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "cos", "cosh", "erf", "erfc", "exp", "expm1",
            "gamma", "hypot", "log", "log10", "log1p", "log2", "sin", "sinh", "tan", "tanh",
        )},
        "Abs": "abs", "Max": "max", "Min": "min", "Sqrt": "math.sqrt", "loggamma": "math.lgamma",
        "sigmoid": "sigmoid", "softplus": "softplus",
    }  # fmt: skip

    def __init__(self, precision: Precision = Precision.FLOAT64, elementary: Elementary = Elementary.LIBM) -> None:
        super().__init__({"precision": 17})
        self.precision, self.elementary = Precision(precision), Elementary(elementary)
        self.known_functions = dict(self._names)
        if self.elementary is Elementary.VECTORISED:
            self.known_functions |= {name: self.precision.suffixed(f"fast_{name}") for name in FAST}

    def _refuse(self, node: Any) -> NoReturn:
        name = type(node).__name__
        raise PrinterError(
            node, f"{name} in {one_line(node)} has no scalar code; write it by exp, log, erf, tanh, Max, Piecewise ..."
        )

    _print_not_supported = emptyPrinter = _refuse
    _print_ImaginaryUnit = _print_Sum = _print_Integral = _print_Derivative = _print_MatrixBase = _refuse
    _print_KroneckerDelta = _print_ITE = _print_NaN = _print_ComplexInfinity = _print_Tuple = _print_Subs = _refuse

    def constant(self, value: float) -> str:
        """A constant of the code."""
        text = number_text(value, self.precision)
        if text is None:
            raise PrinterError(value, f"the constant {value!r} does not fit {self.precision}; rescale, or use float64")
        return text

    def _number(self, expression: Expr) -> str:
        try:
            value = expression.p / expression.q if isinstance(expression, Rational) else float(expression.evalf(30))
        except (OverflowError, TypeError):
            self._refuse(expression)
        return self.constant(value)

    _print_Integer = _print_Rational = _print_Float = _print_Half = _print_NumberSymbol = _number
    _print_Pi = _print_Exp1 = _print_EulerGamma = _number

    def parenthesize(self, item: Any, level: int, strict: bool = False) -> str:
        if isinstance(item, Rational) and item >= 0:  # SymPy writes a fraction as a quotient, which needs parentheses
            return self._number(item)
        return str(super().parenthesize(item, level, strict))

    def _typed(self, text: str) -> str:
        """A constant of `math` in the precision of the code."""
        return text if self.precision is Precision.FLOAT64 else f"real({text})"

    def _print_Infinity(self, expression: Expr) -> str:
        return self._typed("math.inf")

    def _print_NegativeInfinity(self, expression: Expr) -> str:
        return f"(-{self._typed('math.inf')})"

    def _print_Heaviside(self, expression: Expr) -> str:
        return f"heaviside({self._print(expression.args[0])}, {self._print(expression.args[1])})"

    def _print_sign(self, expression: Expr) -> str:
        return f"sign({self._print(expression.args[0])})"

    def _print_Mod(self, expression: Expr) -> str:
        left, right = (self.parenthesize(part, PRECEDENCE["Pow"]) for part in expression.args)
        return f"({left} % {right})"

    def _print_floor(self, expression: Expr) -> str:
        return f"round_down({self._print(expression.args[0])})"

    def _print_ceiling(self, expression: Expr) -> str:
        return f"round_up({self._print(expression.args[0])})"

    def _print_factorial(self, expression: Expr) -> str:
        return f"math.gamma({self._print(expression.args[0] + 1)})"

    def _print_sinc(self, expression: Expr) -> str:
        return str(self._print(expression.rewrite(sympy.sin)))

    def _print_Piecewise(self, expression: Expr) -> str:
        text = self._typed("math.nan")
        for value, condition in reversed(expression.args):
            if condition is S.true:
                text = self._print(value)
            else:
                text = f"{self._print(value)} if {self._print(condition)} else {text}"
                text = f"({text})"
        return text

    def _print_Pow(self, expression: Expr, rational: bool = False) -> str:
        base, exponent = expression.base, expression.exp
        if exponent.is_Rational and exponent.is_negative:
            return f"({self.constant(1.0)}/{self._print_Pow(Pow(base, -exponent, evaluate=False))})"
        if exponent == 1:
            return str(self.parenthesize(base, PRECEDENCE["Pow"]))
        if isinstance(exponent, Integer):
            if isinstance(base, Symbol) and exponent <= 4:
                return "(" + "*".join([self._print(base)] * int(exponent)) + ")"
            # numba turns a literal integer exponent into multiplications
            return f"({self.parenthesize(base, precedence(expression), strict=False)}**{int(exponent)})"
        if isinstance(exponent, Rational) and exponent.q == 2 and exponent < 4:
            root = f"math.sqrt({self._print(base)})"
            whole = exponent.p // 2
            return root if whole == 0 else f"({self._print_Pow(Pow(base, whole, evaluate=False))}*{root})"
        # math.pow, since ** of a negative float is complex in Python
        return f"math.pow({self._print(base)}, {self._print(exponent)})"
