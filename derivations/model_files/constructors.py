"""The laws of data and the options of algorithms, as functions that expressions may call in their places."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import cache
from types import MappingProxyType
from typing import Any

from sympy import Expr, Float, Integer, Rational

import theory
from derivations.model_files.functions import LAWS, OPTIONS, Known, Wrong, kind
from derivations.model_files.limits import Limits
from theory.laws.law import Law
from theory.vectors import VectorExpression

MOST_OUTCOMES = 2000
"""Of a discrete law, of a mixture, and rows of a data set inside an expression."""


@cache
def laws() -> Mapping[str, Known]:
    """Name -> law."""
    return MappingProxyType({name: _constructor(getattr(theory, name), _readers().get(name)) for name in LAWS})


@cache
def options() -> Mapping[str, Known]:
    """Name -> option of an algorithm."""
    return MappingProxyType({name: _constructor(getattr(theory, name), None) for name in OPTIONS})


def sampling_names() -> Mapping[str, Any]:
    """Name -> way of drawing batches."""
    return {str(member): member for member in theory.Sampling}


def _constructor(build: Callable[..., Any], read: Callable[..., tuple[Any, ...]] | None) -> Known:
    parameters = list(inspect.signature(build).parameters.values())
    named = tuple(p.name for p in parameters if p.kind is not inspect.Parameter.VAR_POSITIONAL)
    takes = ", ".join(_shown(parameter) for parameter in parameters) or "nothing in its brackets"

    def call(limits: Limits, *arguments: Any, **keywords: Any) -> Any:
        if read is not None:
            arguments = read(*arguments, **keywords)
            keywords = {}
        for value in (*arguments, *keywords.values()):
            _require_plain(value)
        try:
            inspect.signature(build).bind(*arguments, **keywords)
        except TypeError:
            raise Wrong(f"it takes {takes}") from None
        return build(*arguments, **keywords)

    return Known(takes, call, named)


def _shown(parameter: inspect.Parameter) -> str:
    return parameter.name if parameter.default is inspect.Parameter.empty else f"{parameter.name}=..."


def _require_plain(value: Any) -> None:
    """Only values that a law or an option can hold: no fields, no conditions."""
    if isinstance(value, (tuple, list)):
        for item in value:
            _require_plain(item)
    elif not isinstance(value, (Expr, VectorExpression, Law, int, float, Fraction)):
        raise Wrong(f"expected numbers, scalars or vectors, got {kind(value)}")


def _readers() -> Mapping[str, Callable[..., tuple[Any, ...]]]:
    return {"Discrete": _outcomes, "Mixture": _components, "Empirical": _columns}


def _outcomes(outcomes: Any) -> tuple[Any, ...]:
    return (_pairs(outcomes, "Discrete takes {value: probability, ...} or [(value, probability), ...]"),)


def _components(components: Any) -> tuple[Any, ...]:
    return (_pairs(components, "Mixture takes [(law, weight), ...]"),)


def _pairs(given: Any, expected: str) -> list[tuple[Any, Any]]:
    if not isinstance(given, tuple) or not all(isinstance(pair, tuple) and len(pair) == 2 for pair in given):
        raise Wrong(f"{expected}, got {kind(given)}")
    if len(given) > MOST_OUTCOMES:
        raise Wrong(f"{len(given)} outcomes; at most {MOST_OUTCOMES}")
    return list(given)


def _columns(*arrays: Any) -> tuple[Any, ...]:
    return tuple(_numbers(array) for array in arrays)


def _numbers(value: Any) -> Any:
    """Numbers as Python writes them, so that whole numbers make whole arrays."""
    if isinstance(value, tuple):
        if len(value) > MOST_OUTCOMES:
            raise Wrong(f"{len(value)} rows; at most {MOST_OUTCOMES} in an expression, put them into a CSV file")
        return [_numbers(item) for item in value]
    if isinstance(value, Integer):
        return int(value)
    if isinstance(value, Rational):
        return Fraction(int(value.p), int(value.q))
    if isinstance(value, Float):
        return float(value)
    raise Wrong(f"a data set holds numbers, got {kind(value)}")
