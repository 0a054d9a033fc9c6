"""SymPy expressions, vectors and laws as the text that `evaluate` reads back to the same objects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, NoReturn

import sympy
from sympy import Add, Float, Mul, Rational, Symbol
from sympy.printing.precedence import PRECEDENCE
from sympy.printing.str import StrPrinter

from derivations.model_files.errors import NotWritable
from derivations.model_files.expressions import MOST_OPERATORS
from theory.laws import Discrete, Empirical, Mixture, Normal
from theory.laws.law import Law
from theory.vectors import VectorExpression

_TERMS_IN_A_ROW = MOST_OPERATORS // 5
"""Terms of a sum that are written side by side; longer sums are written as sums of sums in brackets."""


class ExpressionPrinter(StrPrinter):
    """Prints what the language of model files has; refuses by name what it has not."""

    _functions: ClassVar[tuple[str, ...]] = (
        "Abs", "acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "cos", "cosh", "erf", "erfc", "exp", "log", "sign",
        "sin", "sinh", "tan", "tanh",
    )  # fmt: skip

    def _refuse(self, node: Any) -> NoReturn:
        raise NotWritable(
            f"{type(node).__name__} in {str(node)[:90]} has no text in a model file; write it by exp, log, erf, tanh, Max, "
            f"Piecewise ..., or keep the model in Python"
        )

    _print_not_supported = emptyPrinter = _print_Basic = _refuse
    _print_Derivative = _print_Integral = _print_Sum = _print_Subs = _print_Lambda = _print_MatrixBase = _refuse
    _print_NaN = _print_Infinity = _print_NegativeInfinity = _print_ComplexInfinity = _print_ImaginaryUnit = _refuse

    def _print_Function(self, node: Any) -> str:
        name = type(node).__name__
        if name not in self._functions:
            self._refuse(node)
        return f"{name}({self.stringify(node.args, ', ')})"

    def _print_Heaviside(self, node: Any) -> str:
        arguments = node.args if node.args[1] != Rational(1, 2) else node.args[:1]
        return f"Heaviside({self.stringify(arguments, ', ')})"

    def _print_Max(self, node: Any) -> str:
        return f"Max({self.stringify(node.args, ', ')})"

    def _print_Min(self, node: Any) -> str:
        return f"Min({self.stringify(node.args, ', ')})"

    def _print_Piecewise(self, node: Any) -> str:
        return f"Piecewise({', '.join(f'({self._print(value)}, {self._print(test)})' for value, test in node.args)})"

    def _print_Exp1(self, node: Any) -> str:
        return "exp(1)"

    def _print_Float(self, node: Any) -> str:
        value = float(node)
        if Float(value) != node or not abs(value) < float("inf"):
            raise NotWritable(f"{node} has more digits than a model file keeps; write it as a fraction")
        return repr(value)

    def _print_Add(self, node: Any, order: Any = None) -> str:
        if len(node.args) <= _TERMS_IN_A_ROW:
            return str(super()._print_Add(node, order))
        pieces = [Add(*node.args[i : i + _TERMS_IN_A_ROW]) for i in range(0, len(node.args), _TERMS_IN_A_ROW)]
        return " + ".join(f"({self._print(piece)})" for piece in pieces)

    def _print_Mul(self, node: Any) -> str:
        """A number before a sum would be multiplied into it when the text is read, so it is written after the product."""
        number, rest = node.as_coeff_Mul()
        factors = Mul.make_args(rest) if number == 1 else rest.as_ordered_factors()
        below = [f for f in factors if f.is_Pow and f.exp.could_extract_minus_sign()]
        above = [f for f in factors if f not in below]
        before_sum = bool(above) and above[0].is_Add and len(factors) > 1
        under_sum = any(f.base.is_Add for f in below) and number.is_Rational and number.q != 1
        if number == 1 or not number.is_Rational or not (before_sum or under_sum):
            return str(super()._print_Mul(node))
        text = self._print(rest)
        times, over = abs(number.p), number.q
        text += f"*{times}" * (times != 1) + f"/{over}" * (over != 1)
        return f"-({text})" if number < 0 else text

    def _print_Relational(self, node: Any) -> str:
        sides = (self.parenthesize(side, PRECEDENCE["Relational"] + 1) for side in (node.lhs, node.rhs))
        return f" {node.rel_op} ".join(sides)

    def _print_And(self, node: Any) -> str:
        return " & ".join(f"({self._print(part)})" for part in sorted(node.args, key=sympy.default_sort_key))

    def _print_Or(self, node: Any) -> str:
        return " | ".join(f"({self._print(part)})" for part in sorted(node.args, key=sympy.default_sort_key))

    def _print_Not(self, node: Any) -> str:
        return f"~({self._print(node.args[0])})"


_PRINTER = ExpressionPrinter()


def expression_text(expression: Any) -> str:
    """The text of a scalar or a vector. Raises `NotWritable` for what the language of model files has not.

    >>> x = Symbol("x", real=True)
    >>> expression_text(sympy.sqrt(x) / 3 + sympy.exp(-x))
    'sqrt(x)/3 + exp(-x)'
    """
    return str(_PRINTER.doprint(expression))


def value_text(value: Any, zero: str = "") -> str:
    """An outcome of a law: a scalar, a vector, or a tuple; `zero`, the name of a vector to write the zero vector with."""
    if isinstance(value, tuple):
        inner = ", ".join(value_text(part, zero) for part in value)
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    if isinstance(value, VectorExpression) and not value.terms:
        return f"0*{zero}"
    return expression_text(value)


def law_text(law: Any, zero: str = "") -> str:
    """The text of a law. Raises `NotWritable` for a data set, which is written as a table, and for a law of one's own.

    >>> law_text(Normal(0, 4))
    'Normal(0, 4)'
    """
    if isinstance(law, Normal):
        return _normal_text(law)
    if isinstance(law, Discrete):
        return _discrete_text(law, zero)
    if isinstance(law, Mixture):
        pairs = ", ".join(
            f"({law_text(part)}, {expression_text(weight)})" for part, weight in zip(law.laws, law.weights, strict=True)
        )
        return f"Mixture([{pairs}])"
    if isinstance(law, Empirical):
        arrays = ", ".join(str(array.tolist()) for array in law.arrays if array.dtype != object)
        if any(array.dtype == object for array in law.arrays):
            raise NotWritable(f"{law} of fractions inside another law has no text in a model file")
        return f"Empirical({arrays})"
    if type(law).__module__.startswith("theory.laws.") and isinstance(law, Law):
        return f"{type(law).__name__}({', '.join(map(expression_text, law._values))})"
    raise NotWritable(f"the law {law} of type {type(law).__name__} has no text in a model file")


def _normal_text(law: Normal) -> str:
    means, rows = law.means, law.covariance
    if law.is_scalar:
        plain = (means[0], rows[0][0]) == (0, 1)
        return "Normal()" if plain else f"Normal({expression_text(means[0])}, {expression_text(rows[0][0])})"
    matrix = ", ".join(f"[{', '.join(map(expression_text, row))}]" for row in rows)
    mean = "" if not any(means) else f"[{', '.join(map(expression_text, means))}], "
    return f"Normal({mean}covariance=[{matrix}])"


def _discrete_text(law: Discrete, zero: str) -> str:
    pairs = [(value_text(value, zero), expression_text(weight)) for value, weight in law.outcomes()]
    if law.is_joint or len({value for value, _ in pairs}) < len(pairs):
        return f"Discrete([{', '.join(f'({value}, {weight})' for value, weight in pairs)}])"
    return f"Discrete({{{', '.join(f'{value}: {weight}' for value, weight in pairs)}}})"


def symbol_words(symbol: Symbol) -> str:
    """What is said of a symbol, in the words of `[symbols]`. Raises `NotWritable` where there are none."""
    from derivations.model_files.declarations import ASSUMPTIONS

    said: Mapping[str, Any] = {
        key: value for key, value in symbol._assumptions_orig.items() if not (key == "commutative" and value)
    }
    words = [word for word, value in said.items() if value is True]
    if len(words) < len(said) or not set(words) <= set(ASSUMPTIONS) or not words:
        raise NotWritable(
            f"the symbol {symbol} is declared with {dict(said)}; a model file can say {', '.join(ASSUMPTIONS)} of a symbol"
        )
    return " ".join(words)
