"""What options say in text, read exactly: numbers for symbols, ranges, methods. Nothing is ever evaluated."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from enum import StrEnum
from fractions import Fraction
from typing import TypeVar

from derivations.model_files.nearest import closest
from theory.errors import InvalidRequest

Choice = TypeVar("Choice", bound=StrEnum)

_PAIR = re.compile(r"\s*(?P<name>[^=]+?)\s*=\s*(?P<value>[^=,]+?)\s*(?:,|$)")
_NUMBER = re.compile(r"\s*[+-]?(\d{1,400}\.?\d{0,400}|\.\d{1,400})(e[+-]?\d{1,3}|/\d{1,400})?\s*", re.IGNORECASE)


def parse_values(text: str, option: str = "--at", example: str = "c=0.5,n=1000") -> dict[str, Fraction]:
    """The numbers for names in the text of an option, exact. Raises `InvalidRequest` for what is none.

    A name may hold commas, as that of an inner product does.

    >>> parse_values("c=0.5, dot(v, w)=1/3")
    {'c': Fraction(1, 2), 'dot(v, w)': Fraction(1, 3)}
    """
    return {name: number(value, f"{option} {name}={value}") for name, value in _pairs(text, option, example).items()}


def parse_ranges(text: str) -> dict[str, tuple[float, float, int]]:
    """The axes of `--over`: name -> (lowest value, highest, how many).

    >>> parse_ranges("eta=0.05:2:60,tau=0:3:40")
    {'eta': (0.05, 2.0, 60), 'tau': (0.0, 3.0, 40)}
    """
    from derivations.model_files.model_file import MOST_GRID_POINTS

    axes = {}
    for name, value in _pairs(text, "--over", "eta=0.05:2:60").items():
        parts, written = value.split(":"), f"--over {name}={value}"
        if len(parts) != 3:
            raise InvalidRequest(f"{written}: write the range as lowest:highest:points, as in eta=0.05:2:60")
        low, high, count = (number(part, written) for part in parts)
        if not low < high:
            raise InvalidRequest(f"{written}: the highest value must be above the lowest")
        if count.denominator != 1 or not 2 <= count <= MOST_GRID_POINTS:
            raise InvalidRequest(f"{written}: the number of points must be a whole number from 2 to {MOST_GRID_POINTS}")
        axes[name] = float(low), float(high), int(count)
    return axes


def parse_method(text: str) -> tuple[str, dict[str, Fraction]]:
    """The name of a method and its options.

    >>> parse_method("RungeKutta4,steps=1000")
    ('RungeKutta4', {'steps': Fraction(1000, 1)})
    """
    name, _, options = text.partition(",")
    return name.strip(), parse_values(options, "--method", "RungeKutta4,steps=1000")


def joined(values: Sequence[str] | None) -> str:
    """An option that may be given more than once, as one text."""
    return ",".join(values or [])


def number(text: str, written: str) -> Fraction:
    """An exact number. Raises `InvalidRequest`, which quotes the option as it was `written`.

    >>> number("1e-3", "--at c=1e-3")
    Fraction(1, 1000)
    """
    try:
        if _NUMBER.fullmatch(text):  # bounded: 1e999999999 would fill the memory
            return Fraction(text)
    except ZeroDivisionError:
        pass
    raise InvalidRequest(f"{written}: write the number as 0.5, 1e-3 or 1/3")


def _pairs(text: str, option: str, example: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    position = 0
    while position < len(text.rstrip()):
        pair = _PAIR.match(text, position)
        if pair is None:
            raise InvalidRequest(f"{option} {text!r}: cannot read {text[position:].strip()!r}; write {example}")
        if pair["name"] in pairs:
            raise InvalidRequest(f"{option} gives {pair['name']} twice")
        pairs[pair["name"]] = pair["value"]
        position = pair.end()
    return pairs


def choose(kind: type[Choice], value: str, option: str) -> Choice:
    """The member of an enumeration that an option names. Raises `InvalidRequest` with the list of them."""
    if value not in list(kind):
        raise unknown_choice(value, [str(member) for member in kind], option)
    return kind(value)


def unknown_choice(value: str, choices: Iterable[str], option: str) -> InvalidRequest:
    """The error of an option whose value is not in the list.

    >>> print(unknown_choice("gpu", ["cpu", "cuda"], "--target"))
    --target gpu is unknown (did you mean cpu?); choose one of cpu, cuda
    """
    known = list(choices)
    close = closest(value, known)
    guess = f" (did you mean {close}?)" if close else ""
    return InvalidRequest(f"{option} {value} is unknown{guess}; choose one of {', '.join(known)}")
