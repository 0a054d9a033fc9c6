"""Values for symbols (`at=`): matched against what needs one, at the door."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping
from typing import Any

import sympy
from sympy import Expr

from theory.errors import MissingValue, UnknownValue, ValuesError


def numbers_for(
    needed: Iterable[Expr], at: Mapping[Any, Any], where: str, *, optional: Iterable[Expr] = ()
) -> dict[Expr, float]:
    """The value of every needed symbol as a float, in the order of `needed`.

    Keys of `at` are symbols, inner products or their names. Raises `MissingValue` and `UnknownValue`, each naming all that is
    wrong, and `ValuesError` for a value that is no finite number, or that contradicts the symbol (a negative number for a
    positive symbol, a fraction for a whole number).
    """
    wanted = tuple(needed)
    known = {str(symbol): symbol for symbol in (*wanted, *optional)}
    given: dict[Expr, float] = {}
    for key, value in at.items():
        symbol = known.get(str(key))
        if symbol is None:
            raise UnknownValue(
                f"at={{{key}: {value}}}: {where} has no symbol {key}{_nearest(str(key), known)}; it needs values for "
                f"{', '.join(map(str, wanted)) or 'nothing'}"
            )
        given[symbol] = number_for(symbol, value)
    missing = [symbol for symbol in wanted if symbol not in given]
    if missing:
        listed = ", ".join(map(str, missing))
        raise MissingValue(
            f"{where} needs a value for {listed}; give it as at={{{missing[0]}: ...}} (if it is random, state its law in the data "
            f"of the model)"
        )
    return {symbol: given[symbol] for symbol in wanted}  # in this order: callers turn it into an array


def _nearest(name: str, known: Mapping[str, Any]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    return f" (did you mean {close[0]}?)" if close else ""


def number_for(symbol: Expr, value: Any) -> float:
    """`value` as a float that the symbol may take; raises `ValuesError` otherwise."""
    if getattr(value, "ndim", None) == 0:
        value = value.item()
    try:
        number = float(sympy.sympify(value))
    except (TypeError, ValueError, sympy.SympifyError):
        raise ValuesError(f"at={{{symbol}: {value!r}}}: the value must be a real number") from None
    if not math.isfinite(number):
        raise ValuesError(f"at={{{symbol}: {value!r}}}: the value must be finite")
    for name, holds in (
        ("positive", number > 0),
        ("nonnegative", number >= 0),
        ("negative", number < 0),
        ("integer", number == int(number)),
    ):
        if getattr(symbol, f"is_{name}", None) and not holds:
            raise ValuesError(f"at={{{symbol}: {value!r}}}: the symbol {symbol} is declared {name}")
    return number


def whole_number(value: float, what: str) -> int:
    """`value` as an int; raises `ValuesError` if it is no positive whole number."""
    if not math.isfinite(value) or value != round(value) or value < 1:
        raise ValuesError(f"{what} must be a positive whole number, got {value:g}")
    return round(value)
