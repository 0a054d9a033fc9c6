"""The functions that expressions may call: each takes values that are checked first, and says what it takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any

import sympy
from sympy import Expr, MatrixBase
from sympy.core.relational import Relational
from sympy.logic.boolalg import BooleanAtom, BooleanFunction

from derivations.model_files.limits import Limits, TooLarge
from theory import networks
from theory.vectors import VectorExpression, dot

LAWS = (
    "Cauchy",
    "Density",
    "Discrete",
    "Empirical",
    "Exponential",
    "Gamma",
    "Mixture",
    "Normal",
    "Rademacher",
    "StudentT",
    "Uniform",
)
OPTIONS = (
    "DecoupledDecay",
    "HeavyBall",
    "Nesterov",
    "NesterovLookahead",
    "SoftThreshold",
    "Sphere",
    "bernoulli",
    "persistent",
)
NETWORKS = ("Attention", "Linear", "MLP")
PLACES: Mapping[str, str] = MappingProxyType(
    dict.fromkeys(LAWS, "laws stand in [data] and [start]")
    | dict.fromkeys(OPTIONS, "it is an option of [algorithm]")
    | dict.fromkeys(NETWORKS, "networks are declared in [networks]")
    | {"Vector": "vectors are declared in [vectors]", "Matrix": "matrices are declared in [matrices]"}
)
"""Where a name that is no function of expressions belongs."""

MOST_COMPARED = 16
"""Arguments of Max and Min, which compare each with each."""


class Wrong(Exception):
    """A value of the wrong kind; the evaluation makes an error of the file of it, with its place."""


@dataclass(frozen=True)
class Known:
    """A function that expressions may call: what it takes, in words, and the call, with the limits as first argument."""

    takes: str
    call: Callable[..., Any]
    keywords: tuple[str, ...] = ()


def kind(value: Any) -> str:
    """What a value is, in words.

    >>> kind(sympy.Symbol("x"))
    'the scalar x'
    """
    from theory.fields import GaussianField

    if isinstance(value, MatrixBase):
        return f"a matrix of {value.rows} x {value.cols}"
    if isinstance(value, GaussianField):
        return f"the field {value}"
    if isinstance(value, VectorExpression):
        return f"the vector {_text(value)}"
    if is_condition(value):
        return f"the condition {_text(value)}"
    if isinstance(value, Expr):
        return f"the scalar {_text(value)}"
    if isinstance(value, tuple):
        return f"a tuple of {len(value)}"
    return f"a {type(value).__name__}"


def is_condition(value: Any) -> bool:
    """Whether a value is true, false, or a condition such as x > 0; a symbol is none, though SymPy lets it be one."""
    return isinstance(value, (BooleanAtom, BooleanFunction, Relational))


def _text(value: Any) -> str:
    text = str(value) if sympy.count_ops(value) < 60 else "..."
    return text if len(text) <= 60 else text[:56] + " ..."


def scalar(value: Any) -> Expr:
    """`value`, if it is a scalar; a matrix of one entry counts as that entry."""
    if isinstance(value, MatrixBase) and value.shape == (1, 1):
        value = value[0, 0]
    if isinstance(value, tuple) and len(value) == 1:
        value = value[0]
    if not isinstance(value, Expr) or isinstance(value, MatrixBase):
        raise Wrong(f"expected a scalar, got {kind(value)}")
    return value


def scalars(value: Any) -> tuple[Expr, ...]:
    """`value` as a tuple of scalars: a tuple, a matrix row by row, or one scalar."""
    if isinstance(value, MatrixBase):
        return tuple(value)
    return tuple(map(scalar, value)) if isinstance(value, tuple) else (scalar(value),)


def matrix(value: Any) -> MatrixBase:
    """`value`, if it is a matrix."""
    if not isinstance(value, MatrixBase):
        raise Wrong(f"expected a matrix, got {kind(value)}")
    return value


def whole(value: Any) -> int:
    """`value`, if it is a whole number, as an int."""
    if not isinstance(value, sympy.Integer):
        raise Wrong(f"expected a whole number, got {kind(value)}")
    return int(value)


@cache
def known_functions() -> Mapping[str, Known]:
    """Name -> function."""
    known = {
        **{name: _of_one(getattr(sympy, name)) for name in _ELEMENTARY},
        **{name: _of_one(function, bounded=name in _EXPONENTIAL) for name, function in activations().items()},
        "abs": _of_one(sympy.Abs),
        "exp": _of_one(sympy.exp, bounded=True),
        "Heaviside": Known("a scalar, and its value at zero if it is not 1/2", _heaviside),
        "atan2": Known("two scalars", lambda limits, y, x: sympy.atan2(scalar(y), scalar(x))),
        "Max": Known("scalars", _comparing(sympy.Max)),
        "Min": Known("scalars", _comparing(sympy.Min)),
        "Piecewise": Known("pairs (value, condition)", _piecewise),
        "dot": Known("two vectors", _dot),
        "transpose": Known("a matrix", lambda limits, value: matrix(value).T),
        "softmax": Known("a tuple of scalars", lambda limits, values: networks.softmax(_bounded(limits, values))),
        "squared_error": Known("outputs and targets", _squared_error),
        "cross_entropy": Known("outputs, and the number of a class or a weight for each", _cross_entropy),
        "logistic_loss": Known("an output and a label", _logistic_loss),
        "weight_normalised": Known("a matrix, and a gain for each row", _weight_normalised),
    }
    return MappingProxyType(known)


@cache
def activations() -> Mapping[str, Callable[[Any], Any]]:
    """Name -> activation of a network."""
    return MappingProxyType({name: getattr(networks, name) for name in _ACTIVATIONS})


_ELEMENTARY = (
    "Abs", "acos", "acosh", "asin", "asinh", "atan", "atanh", "cos", "cosh", "erfc", "log", "sign", "sin", "sinh", "sqrt",
    "tan",
)  # fmt: skip
_ACTIVATIONS = ("erf", "identity", "relu", "sigmoid", "softplus", "square", "swish", "tanh")
_EXPONENTIAL = ("sigmoid", "softplus", "swish")


def _of_one(function: Callable[[Expr], Expr], *, bounded: bool = False) -> Known:
    """A function of one scalar; `bounded` where exponentials are taken of it."""

    def call(limits: Limits, argument: Any) -> Expr:
        value = scalar(argument)
        if bounded:
            limits.exponential(value)
            limits.exponential(-value)
        return function(value)

    return Known("one scalar", call)


def _bounded(limits: Limits, values: Any) -> tuple[Expr, ...]:
    """Scalars of whose differences exponentials may be taken."""
    row = scalars(values)
    limits.charge(len(row) ** 2)
    for value in row:
        limits.exponential(value)
    return row


def _heaviside(limits: Limits, argument: Any, *at_zero: Any) -> Expr:
    return sympy.Heaviside(scalar(argument), *map(scalar, at_zero))


def _comparing(function: Callable[..., Expr]) -> Callable[..., Expr]:
    def call(limits: Limits, *arguments: Any) -> Expr:
        if not arguments:
            raise Wrong("expected at least one scalar")
        if len(arguments) > MOST_COMPARED:
            raise TooLarge(f"{len(arguments)} arguments; at most {MOST_COMPARED} are compared")
        return function(*map(scalar, arguments))

    return call


def _piecewise(limits: Limits, *pairs: Any) -> Expr:
    for pair in pairs:
        if not isinstance(pair, tuple) or len(pair) != 2 or not is_condition(pair[1]):
            raise Wrong(f"expected pairs (value, condition), got {kind(pair)}")
    if not 1 <= len(pairs) <= MOST_COMPARED:
        raise Wrong(f"expected 1 to {MOST_COMPARED} pairs (value, condition), got {len(pairs)}")
    if pairs[-1][1] != sympy.true:
        raise Wrong("the last pair must be (value, True), so that every case has a value")
    return sympy.Piecewise(*((scalar(value), condition) for value, condition in pairs))


def _dot(limits: Limits, left: Any, right: Any) -> Expr:
    limits.charge(int(sympy.prod(len(side.terms) for side in (left, right) if isinstance(side, VectorExpression))))
    return dot(left, right)


def _squared_error(limits: Limits, outputs: Any, targets: Any) -> Expr:
    return networks.squared_error(scalars(outputs), scalars(targets))


def _cross_entropy(limits: Limits, outputs: Any, target: Any) -> Expr:
    row = _bounded(limits, outputs)
    return networks.cross_entropy(row, int(target) if isinstance(target, sympy.Integer) else scalars(target))


def _logistic_loss(limits: Limits, output: Any, label: Any) -> Expr:
    (score,) = _bounded(limits, scalar(output))
    return networks.logistic_loss(score, scalar(label))


def _weight_normalised(limits: Limits, directions: Any, gains: Any) -> MatrixBase:
    return networks.weight_normalised(matrix(directions), scalars(gains))
