r"""Draws in double precision as functions of raw 32-bit words.

A Philox block has four words (`words4`); these functions say what a draw makes of one or two of them, so that a step
which needs a normal, a sign and a uniform can take all three from one block. Words are uint64 values below 2^32;
different words make independent draws, the same word used twice does not.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from numerics.elementary.compilation import inlined
from numerics.elementary.logarithm import logarithm
from numerics.elementary.trigonometric import cosine_within, sine_within

_LOW, _ZERO, _FIVE, _SIX = (np.uint64(k) for k in (0xFFFFFFFF, 0, 5, 6))
_TO_DOUBLE_SIGN, _DOUBLE_SIGN, _ONE_BITS = np.uint64(32), np.uint64(1 << 63), np.uint64(0x3FF << 52)
_HALF_QUARTER, _QUARTER, _QUARTER_MASK = np.uint64(1 << 29), np.uint64(1 << 30), np.uint64((1 << 30) - 1)
_WORD_UNIT, _DOUBLE_UNIT = 2.0**-32, 2.0**-53
_TURN_UNIT = math.pi * 2.0**-31


@inlined
def uniform_of(word: Any) -> Any:
    """The uniform 2^-32 (word + 1), in (0, 1].

    >>> uniform_of(0xFFFFFFFF)
    1.0
    """
    # through int64: the conversion of unsigned words is slow before AVX-512
    return (np.float64(np.int64(word)) + 1.0) * _WORD_UNIT


@inlined
def uniform_of_pair(high: Any, low: Any) -> Any:
    """The uniform in (0, 1] of 53 bits of two words.

    >>> uniform_of_pair(0, 0) == 2.0**-53
    True
    """
    upper, lower = np.int64(np.uint64(high) >> _FIVE), np.int64(np.uint64(low) >> _SIX)
    return (np.float64(upper) * 67108864.0 + np.float64(lower) + 1.0) * _DOUBLE_UNIT


@inlined
def exponential_of(word: Any) -> Any:
    """The standard exponential -log u of `uniform_of`; at most 32 log 2 = 22.2."""
    return -logarithm(uniform_of(word))


@inlined
def exponential_of_pair(high: Any, low: Any) -> Any:
    """The standard exponential -log u of `uniform_of_pair`; at most 53 log 2 = 36.7."""
    return -logarithm(uniform_of_pair(high, low))


@inlined
def sign_of(word: Any) -> Any:
    """The sign +1.0 or -1.0 that bit 31 of a word stands for.

    >>> sign_of(0), sign_of(0xFFFFFFFF)
    (1.0, -1.0)
    """
    sign = (np.uint64(word) << _TO_DOUBLE_SIGN) & _DOUBLE_SIGN
    return np.uint64(sign | _ONE_BITS).view(np.float64)


@inlined
def _turned(word: Any, fraction: Any) -> Any:
    """Cosine and sine of the angle 2 pi (word + fraction) / 2^32, fraction in [0, 1], by an exact reduction."""
    shifted = (np.uint64(word) + _HALF_QUARTER) & _LOW
    angle = ((np.float64(np.int64(shifted & _QUARTER_MASK)) - 536870912.0) + fraction) * _TURN_UNIT
    cosine, sine = cosine_within(angle), sine_within(angle)
    # bit 30 says that the two change places, bit 31 is the sign of the sine, bit 31 a quarter turn on of the cosine
    odd = (shifted & _QUARTER) != _ZERO
    first, second = (sine if odd else cosine), (cosine if odd else sine)
    first_sign = ((shifted + _QUARTER) << _TO_DOUBLE_SIGN) & _DOUBLE_SIGN
    second_sign = (shifted << _TO_DOUBLE_SIGN) & _DOUBLE_SIGN
    first = np.uint64(np.float64(first).view(np.uint64) ^ first_sign).view(np.float64)
    second = np.uint64(np.float64(second).view(np.uint64) ^ second_sign).view(np.float64)
    return first, second


@inlined
def circle(word: Any) -> Any:
    """Cosine and sine of the angle 2 pi (word + 1/2) / 2^32, never 0."""
    return _turned(word, 0.5)


@inlined
def circle_of_pair(high: Any, low: Any) -> Any:
    """Cosine and sine of a uniform angle of 64 bits: 2 pi (high + (low + 1/2) / 2^32) / 2^32."""
    return _turned(high, (np.float64(np.int64(low)) + 0.5) * _WORD_UNIT)


@inlined
def normal_pair(word0: Any, word1: Any) -> Any:
    r"""Two independent standard normals of two words, by Box-Muller: within 6.66 standard deviations.

    $\sqrt{-2\log u}\,(\cos\phi, \sin\phi)$ with $u = 2^{-32}(x_0 + 1)$ and $\phi = 2\pi\,2^{-32}(x_1 + 1/2)$.

    >>> x, y = normal_pair(0, 0)
    >>> round(x, 2)
    6.66
    """
    radius = math.sqrt(-2.0 * logarithm(uniform_of(word0)))
    cosine, sine = circle(word1)
    return radius * cosine, radius * sine
