"""Values for symbols: in the order asked for, whatever the order given; every mistake named."""

from __future__ import annotations

import math

import pytest
import sympy

from numerics.values import numbers_for, whole_number
from theory import Vector, dot, symbols
from theory.errors import MissingValue, UnknownValue, ValuesError

c, tau = symbols("c tau", positive=True)
k = symbols("kappa", integer=True)
d = symbols("delta")
v = Vector("v", 3)


def test_values_come_in_the_order_of_the_symbols():
    assert list(numbers_for([c, tau, d], {d: 1, "tau": 2, c: 3}, "it").items()) == [(c, 3.0), (tau, 2.0), (d, 1.0)]
    assert numbers_for([dot(v, v)], {dot(v, v): sympy.Rational(1, 4)}, "it") == {dot(v, v): 0.25}


def test_optional_symbols_may_be_given_and_are_not_missed():
    assert numbers_for([c], {c: 1, d: 5}, "it", optional=[d]) == {c: 1.0}


@pytest.mark.parametrize(
    ("at", "error", "says"),
    [
        ({c: 1}, MissingValue, "tau, kappa"),
        ({c: 1, "taau": 2}, UnknownValue, "did you mean tau"),
        ({c: 1, "zeta": 2}, UnknownValue, "c, tau, kappa"),
        ({c: -1}, ValuesError, "declared positive"),
        ({c: 0}, ValuesError, "declared positive"),
        ({c: math.nan}, ValuesError, "finite"),
        ({c: math.inf}, ValuesError, "finite"),
        ({c: 1j}, ValuesError, "real number"),
        ({c: [1, 2]}, ValuesError, "real number"),
        ({c: tau}, ValuesError, "real number"),
        ({k: 1.5}, ValuesError, "declared integer"),
    ],
)
def test_a_wrong_value_is_named(at, error, says):
    with pytest.raises(error) as caught:
        numbers_for([c, tau, k], at, "the equations")
    assert says in str(caught.value)


def test_whole_numbers():
    assert whole_number(3.0, "batch_size") == 3
    for value in (0, -1, 2.5, math.nan):
        with pytest.raises(ValuesError, match="batch_size"):
            whole_number(value, "batch_size")
