r"""SymPy expressions as the source text of scalar Python functions that numba compiles.

    expressions -> atoms exchanged for named symbols -> numerical rewriting -> common subexpressions -> text

The text is the same in every process, so its hash is a sound cache key. Rewriting changes no value in exact
arithmetic: constants are folded to correctly rounded doubles, `m**k/m` becomes `m**(k - 1)` (finite at m = 0), and

    log(1 + e^F) = softplus(F),    1/(1 + e^F) = sigmoid(-F),    e^F/(1 + e^F) = sigmoid(F)

with their powers and products, which as they stand overflow for large F. Conventions: Heaviside(0) is 1/2 unless
the expression says otherwise, sign(0) = 0, `Mod` takes the sign of the divisor, and a non-integer power of a negative
number is NaN. Subexpressions shared by the branches of a `Piecewise` are evaluated before the choice.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, NoReturn

import sympy
from sympy import Add, Basic, Expr, Float, Function, Integer, Mul, Pow, Rational, S, Symbol
from sympy.core.sorting import default_sort_key
from sympy.printing.precedence import PRECEDENCE, precedence
from sympy.printing.pycode import PythonCodePrinter

from theory.errors import InvalidRequest, MissingValue, TheoryError
from theory.vectors import InnerProduct

DECORATOR = '@njit(cache=True, error_model="numpy", fastmath={"arcp", "contract", "nsz", "reassoc"})'
"""The decorator of every generated function; this fastmath subset leaves NaN and infinity their meaning."""

HELPERS = {
    "heaviside": """def heaviside(x, at_zero):
    return 1.0 if x > 0.0 else (0.0 if x < 0.0 else (at_zero if x == 0.0 else x))
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
"""The functions that printed code may call, as source text without decorator."""


class PrinterError(TheoryError, NotImplementedError):
    """An expression holds something that has no scalar code: an unknown function, an integral, an infinity.

    Attribute: `node`, the offending subexpression.
    """

    def __init__(self, node: Any, message: str) -> None:
        self.node = node
        super().__init__(message)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.node, str(self))


class softplus(Function):  # named as the printed function, as SymPy names its own
    """log(1 + e^x), made by the rewriting alone."""

    nargs = 1


class sigmoid(Function):
    """1/(1 + e^(-x)), made by the rewriting alone."""

    nargs = 1


# ----------------------------------------------------------------------------------------------------------- rewriting


def stable(expression: Expr) -> Expr:
    """`expression` in a form that is safe in double precision; equal to it in exact arithmetic.

    >>> x = sympy.Symbol("x", real=True)
    >>> stable(sympy.diff(sympy.log(1 + sympy.exp(3*x)), x))
    3*sigmoid(3*x)
    """
    return _rewritten(expression, {})


def _rewritten(node: Any, memory: dict[Basic, Any]) -> Any:
    """`node` rewritten from the leaves up; `memory` keeps shared subexpressions shared."""
    if not isinstance(node, Basic) or not node.args or isinstance(node, Rational):
        return node
    if node not in memory:
        arguments = [_rewritten(argument, memory) for argument in node.args]
        changed = any(new is not old for new, old in zip(arguments, node.args, strict=True))
        memory[node] = _rewritten_here(node.func(*arguments) if changed else node)
    return memory[node]


def _rewritten_here(node: Basic) -> Basic:
    if isinstance(node, sympy.log) and (exponent := _one_plus_exponential(node.args[0])) is not None:
        return softplus(exponent)
    if isinstance(node, Pow):
        exponent = _one_plus_exponential(node.base)
        if exponent is not None and node.exp.is_Rational and node.exp.is_negative:
            return sigmoid(-exponent) ** (-node.exp)
    if isinstance(node, Mul):
        return _folded(_combined_sigmoids(_combined_powers(node)))
    return _folded(node) if isinstance(node, Add) else node


def _one_plus_exponential(expression: Expr) -> Expr | None:
    """F if `expression` is 1 + exp(F)."""
    if isinstance(expression, Add) and len(expression.args) == 2 and expression.args[0] == 1:
        other = expression.args[1]
        return other.args[0] if isinstance(other, sympy.exp) else None
    return None


def _combined_powers(product: Expr) -> Expr:
    """`product` with m**k / m written m**(k - 1), which is finite at m = 0 for k >= 1."""
    exponents: dict[Expr, list[Expr]] = {}
    for factor in Mul.make_args(product):
        base, exponent = factor.as_base_exp()
        exponents.setdefault(base, []).append(exponent)
    if all(len(parts) == 1 for parts in exponents.values()):
        return product
    return Mul(*(Pow(base, Add(*parts)) for base, parts in exponents.items()))


def _combined_sigmoids(product: Expr) -> Expr:
    """`product` with exp(k F) sigmoid(-F)**r as sigmoid(F)**u sigmoid(-F)**(r - u) exp((k - u) F), u = min(k, r)."""
    factors = list(Mul.make_args(product))
    for exponential in [factor for factor in factors if isinstance(factor, sympy.exp)]:
        total = exponential.args[0].as_coefficients_dict()
        for factor in factors:
            base, power = factor.as_base_exp()
            if not isinstance(base, sigmoid) or not power.is_Rational or not power.is_positive:
                continue
            exponent = -base.args[0]
            term, weight = min(exponent.as_coefficients_dict().items(), key=lambda pair: default_sort_key(pair[0]))
            times = sympy.nsimplify(total.get(term, S.Zero) / weight, rational=True)
            if times > 0:
                used = min(times, power)
                rest = sympy.exp(exponential.args[0] - used * exponent)
                others = [other for other in factors if other is not exponential and other is not factor]
                return _combined_sigmoids(Mul(*others, rest, sigmoid(exponent) ** used, base ** (power - used)))
    return product


def _folded(node: Expr) -> Expr:
    """The sum or product with its irrational constants (sqrt(2), pi, log(3)) as one number of 30 digits."""
    constants = [argument for argument in node.args if argument.is_number]
    if all(isinstance(constant, (Rational, Float)) or not constant.is_finite for constant in constants):
        return node
    rest = [argument for argument in node.args if not argument.is_number]
    return node.func(node.func(*constants).evalf(30), *rest)


# ------------------------------------------------------------------------------------------------------------ printing


class ScalarPrinter(PythonCodePrinter):
    """Prints one expression of named symbols as Python text over `math` and the helpers; refuses what it cannot."""

    _names: ClassVar[dict[str, str]] = {
        **{name: f"math.{name}" for name in (
            "acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "cos", "cosh", "erf", "erfc", "exp", "expm1",
            "gamma", "hypot", "log", "log10", "log1p", "log2", "sin", "sinh", "tan", "tanh",
        )},
        "Abs": "abs", "Max": "max", "Min": "min", "Sqrt": "math.sqrt", "loggamma": "math.lgamma",
        "sigmoid": "sigmoid", "softplus": "softplus",
    }  # fmt: skip

    def __init__(self) -> None:
        super().__init__({"precision": 17})
        self.known_functions = dict(self._names)

    def _refuse(self, node: Any) -> NoReturn:
        name = type(node).__name__
        raise PrinterError(
            node, f"{name} in {_one_line(node)} has no scalar code; write it by exp, log, erf, tanh, Max, Piecewise ..."
        )

    _print_not_supported = emptyPrinter = _refuse
    _print_ImaginaryUnit = _print_Sum = _print_Integral = _print_Derivative = _print_MatrixBase = _refuse
    _print_KroneckerDelta = _print_ITE = _print_NaN = _print_ComplexInfinity = _print_Tuple = _print_Subs = _refuse

    def _number(self, expression: Expr) -> str:
        try:
            value = expression.p / expression.q if isinstance(expression, Rational) else float(expression.evalf(30))
        except (OverflowError, TypeError):
            self._refuse(expression)
        return repr(value)

    _print_Integer = _print_Rational = _print_Float = _print_Half = _print_NumberSymbol = _number
    _print_Pi = _print_Exp1 = _print_EulerGamma = _number

    def parenthesize(self, item: Any, level: int, strict: bool = False) -> str:
        if isinstance(item, Rational) and item >= 0:  # SymPy writes a fraction as a quotient, which needs parentheses
            return self._number(item)
        return str(super().parenthesize(item, level, strict))

    def _print_Infinity(self, expression: Expr) -> str:
        return "math.inf"

    def _print_NegativeInfinity(self, expression: Expr) -> str:
        return "(-math.inf)"

    def _print_Heaviside(self, expression: Expr) -> str:
        return f"heaviside({self._print(expression.args[0])}, {self._print(expression.args[1])})"

    def _print_sign(self, expression: Expr) -> str:
        return f"sign({self._print(expression.args[0])})"

    def _print_Mod(self, expression: Expr) -> str:
        left, right = (self.parenthesize(part, PRECEDENCE["Pow"]) for part in expression.args)
        return f"({left} % {right})"

    def _print_floor(self, expression: Expr) -> str:
        return f"float(math.floor({self._print(expression.args[0])}))"

    def _print_ceiling(self, expression: Expr) -> str:
        return f"float(math.ceil({self._print(expression.args[0])}))"

    def _print_factorial(self, expression: Expr) -> str:
        return f"math.gamma({self._print(expression.args[0] + 1)})"

    def _print_Piecewise(self, expression: Expr) -> str:
        text = "math.nan"
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
            return f"(1.0/{self._print_Pow(Pow(base, -exponent, evaluate=False))})"
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


# ----------------------------------------------------------------------------------------------------- whole functions


def argument_names(arguments: Iterable[Expr]) -> tuple[str, ...]:
    """The Python identifiers, with prefix `m_`, under which `arguments` occur in printed code.

    >>> from theory import Vector, dot, symbols
    >>> w, z = Vector("w", 3), Vector("z", 3)
    >>> argument_names([dot(w, z), symbols("tau")])
    ('m_dot_w_z', 'm_tau')
    """
    names: list[str] = []
    for argument in arguments:
        stem = "m_" + re.sub(r"[^A-Za-z0-9]+", "_", "".join(map(_ascii, str(argument)))).strip("_")
        name, count = stem, 2
        while name in names:
            name, count = f"{stem}_{count}", count + 1
        names.append(name)
    return tuple(names)


def _ascii(character: str) -> str:
    """`character`, or the name of a Greek letter, or an underscore."""
    if character.isascii():
        return character
    words = unicodedata.name(character, "").split()
    return words[-1].lower() if words[:1] == ["GREEK"] and "LETTER" in words and len(words) == 4 else "_"


def _one_line(expression: Any, limit: int = 90) -> str:
    """A text of `expression` for a comment or a message: printable, on one line, not long."""
    if isinstance(expression, Basic) and sympy.count_ops(expression) > 100:
        return f"an expression of {sympy.count_ops(expression)} operations"
    text = "".join(letter if letter.isprintable() else " " for letter in str(expression))
    return text if len(text) <= limit else text[: limit - 4] + " ..."


def _with_symbols(arguments: Sequence[Expr], outputs: Sequence[Expr]) -> list[Expr]:
    """`outputs` with each argument exchanged for a symbol of its printed name, its assumptions kept."""
    exchange = {}
    for argument, name in zip(arguments, argument_names(arguments), strict=True):
        assumptions = argument.assumptions0 if isinstance(argument, Symbol) else {"real": True}
        exchange[argument] = Symbol(name, **assumptions)
    exchanged = [sympy.sympify(output).xreplace(exchange) for output in outputs]
    known = set(exchange.values())
    for original, output in zip(outputs, exchanged, strict=True):
        if missing := sorted(map(str, (output.free_symbols - known) | _vectorial(output))):
            raise MissingValue(
                f"{', '.join(missing)} in {_one_line(original)} has no value: it is not among the arguments "
                f"{', '.join(map(str, arguments)) or '(none)'}"
            )
    return exchanged


def _vectorial(expression: Expr) -> set[Expr]:
    """The scalars in `expression` that stand for vectors: inner products and values of fields."""
    nodes = sympy.preorder_traversal(expression)
    return {node for node in nodes if isinstance(node, InnerProduct) or getattr(node, "holds_vectors", False)}


def _assignments(outputs: Sequence[Expr]) -> tuple[list[tuple[Symbol, Expr]], list[Expr]]:
    """Temporaries t0, t1, ... and the outputs in terms of them."""
    temporaries = sympy.numbered_symbols("t", real=True)
    assigned, results = sympy.cse([stable(output) for output in outputs], symbols=temporaries, list=True)
    return assigned, results


def scalar_function(
    name: str,
    arguments: Sequence[Expr],
    outputs: Sequence[Expr],
    *,
    constants: Mapping[Expr, float] | Iterable[tuple[Expr, float]] = (),
) -> str:
    """Return the source text of a function of scalars that returns a tuple, one entry per output.

    Parameters: `name`, an identifier; `arguments`, expressions treated as atoms (symbols, inner products, field
    values), in the order of the function's parameters; `outputs`, expressions of them; `constants`, atoms with the
    number each stands for, which become named constants of the function's body.
    Raises `MissingValue` if an output holds a symbol that is neither, `PrinterError` if it holds a function that has
    no scalar code. The text carries no decorator; `module_source` makes a module of several such functions.

    >>> from theory import Vector, dot, symbols
    >>> w, z, tau = Vector("w", 3), Vector("z", 3), symbols("tau")
    >>> print(scalar_function("loss", [dot(w, z), tau], [(dot(w, z) - tau)**2/2]))
    def loss(m_dot_w_z, m_tau):
        # (-tau + dot(w, z))**2/2
        return (0.5*((m_dot_w_z - m_tau)**2),)
    <BLANKLINE>
    """
    if not name.isidentifier():
        raise InvalidRequest(f"a generated function needs a Python identifier for a name, got {name!r}")
    fixed = dict(constants)
    atoms = [*arguments, *fixed]
    if len(set(atoms)) < len(atoms):
        listed = ", ".join(map(str, atoms))
        raise InvalidRequest(f"an argument of {name} is listed twice, or is a constant too: {listed}")
    assigned, results = _assignments(_with_symbols(atoms, outputs))
    printer, names = ScalarPrinter(), argument_names(atoms)
    lines = [f"def {name}({', '.join(names[: len(arguments)])}):"]
    lines += [f"    # {_one_line(output)}" for output in outputs]
    named = zip(names[len(arguments) :], fixed.values(), strict=True)
    lines += [f"    {constant} = {float(value)!r}" for constant, value in named]
    lines += [f"    {symbol} = {printer.doprint(value)}" for symbol, value in assigned]
    lines.append(f"    return ({', '.join(printer.doprint(result) for result in results)}{',' * (len(results) == 1)})")
    return "\n".join(lines) + "\n"


def operation_count(outputs: Sequence[Expr]) -> int:
    """The number of scalar operations of the printed code of `outputs`, shared subexpressions counted once.

    >>> x = sympy.Symbol("x", real=True)
    >>> operation_count([(x + 1)**2, (x + 1)**3])
    3
    """
    expressions = [sympy.sympify(output) for output in outputs]
    atoms = {atom for expression in expressions for atom in expression.free_symbols | _vectorial(expression)}
    assigned, results = _assignments(_with_symbols(sorted(atoms, key=default_sort_key), expressions))
    return int(sum(sympy.count_ops(part) for part in [*(value for _, value in assigned), *results]))


def module_source(
    functions: Sequence[str], *, header: str = "", imports: Sequence[str] = (), decorator: str = DECORATOR
) -> str:
    """Return the text of a module of `functions`: header comment, imports, the helpers they call, decorated functions.

    Parameters: `functions`, undecorated source texts in an order in which callees come first; `header`, text for the
    comment at the top; `imports`, further import lines; `decorator`, the line put before each function.
    """
    body = "\n".join(functions)
    helpers = [text for name, text in sorted(HELPERS.items()) if re.search(rf"\b{name}\(", body)]
    comment = [f"# {line}".rstrip() for line in header.splitlines()]
    lines = [*comment, "import math", "", "import numpy as np", "from numba import njit", *imports]
    return "\n".join(lines) + "\n" + "".join(f"\n\n{decorator}\n{text.strip()}\n" for text in [*helpers, *functions])
