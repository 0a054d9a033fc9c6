r"""Draws in single precision as functions of raw 32-bit words: the draws of `words`, to float32 rounding.

All 32 bits of a word take part at both ends. A uniform near 0 keeps 24 significant bits down to 2^-32, so normals reach
6.66 standard deviations. Near 1 a float32 has room for no more than 24 bits: `uniform_of32` rounds there, and is exactly
1 with probability 2^-25. The logarithm does not go through that rounding: where u is above 2/3 it takes 1 - u from the
complement of the word, which is exact to 24 significant bits. So exponentials and radii near 0 are as precise as
elsewhere, and nothing of them is lost.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from numerics.elementary.compilation import inlined
from numerics.elementary.logarithm import assembled32, split32
from numerics.elementary.trigonometric import cosine_within32, sine_within32

_F = np.float32
_ZERO, _HALF, _ONE, _TWO, _MINUS_TWO = _F(0.0), _F(0.5), _F(1.0), _F(2.0), _F(-2.0)
_WORD_UNIT, _DOUBLE_UNIT, _PAIR_UNIT = _F(2.0**-32), _F(2.0**-53), _F(2.0**26)
_TURN_UNIT = _F(math.pi * 2.0**-33)
_FIVE, _SIX = np.uint64(5), np.uint64(6)
_ALL, _SIGN, _NONE = np.uint32(0xFFFFFFFF), np.uint32(1 << 31), np.uint32(0)
_QUARTER, _HALF_QUARTER, _SHIFT = np.uint32(1 << 30), np.uint32(1 << 29), np.uint32(2)
_ONE_BITS = np.uint32(0x3F800000)


@inlined
def uniform_of32(word: Any) -> Any:
    """The uniform 2^-32 (word + 1) rounded to float32, in (0, 1].

    >>> float(uniform_of32(0)) == 2.0**-32
    True
    """
    return (np.float32(np.uint32(word)) + _ONE) * _WORD_UNIT


@inlined
def complement_of32(word: Any) -> Any:
    """One minus the uniform of a word, in [0, 1), to 24 significant bits near 0.

    >>> float(complement_of32(0xFFFFFFFE)) == 2.0**-32
    True
    """
    return np.float32(np.uint32(np.uint32(word) ^ _ALL)) * _WORD_UNIT


@inlined
def uniform_of_pair32(high: Any, low: Any) -> Any:
    """The uniform in (0, 1] of 53 bits of two words, rounded to float32: it keeps 24 bits down to 2^-53."""
    upper, lower = np.uint32(np.uint64(high) >> _FIVE), np.uint32(np.uint64(low) >> _SIX)
    return (np.float32(upper) * _PAIR_UNIT + (np.float32(lower) + _ONE)) * _DOUBLE_UNIT


@inlined
def log_uniform_of32(word: Any) -> Any:
    """log u for the uniform u of a word, to float32 rounding for u near 1 too.

    >>> float(log_uniform_of32(0xFFFFFFFE)) == -(2.0**-32)
    True
    """
    m, exponent = split32(uniform_of32(word))
    return assembled32(-complement_of32(word) if exponent == _ZERO else m - _ONE, exponent)


@inlined
def exponential_of32(word: Any) -> Any:
    """The standard exponential -log u of a word; at most 32 log 2 = 22.2."""
    return -log_uniform_of32(word)


@inlined
def sign_of32(word: Any) -> Any:
    """The sign +1 or -1 that bit 31 of a word stands for.

    >>> float(sign_of32(0)), float(sign_of32(0xFFFFFFFF))
    (1.0, -1.0)
    """
    return np.uint32(np.uint32(np.uint32(word) & _SIGN) | _ONE_BITS).view(np.float32)


@inlined
def _turned32(word: Any, angle: Any) -> Any:
    """Cosine and sine of a whole number of quarter turns, which a word stands for, and an angle within pi/4."""
    shifted = np.uint32(word + _HALF_QUARTER)
    cosine, sine = cosine_within32(angle), sine_within32(angle)
    odd = np.uint32(shifted & _QUARTER) != _NONE
    first, second = (sine if odd else cosine), (cosine if odd else sine)
    first_sign = np.uint32(np.uint32(shifted + _QUARTER) & _SIGN)
    first = np.uint32(np.float32(first).view(np.uint32) ^ first_sign).view(np.float32)
    second = np.uint32(np.float32(second).view(np.uint32) ^ np.uint32(shifted & _SIGN)).view(np.float32)
    return first, second


@inlined
def circle32(word: Any) -> Any:
    """Cosine and sine of the angle 2 pi (word + 1/2) / 2^32, never 0."""
    word = np.uint32(word)
    # the low 30 bits as a signed number times 4, with the half: exact in an int32
    rest = np.int32(np.uint32(np.uint32(word << _SHIFT) | _SHIFT))
    return _turned32(word, np.float32(rest) * _TURN_UNIT)


@inlined
def circle_of_pair32(high: Any, low: Any) -> Any:
    """Cosine and sine of a uniform angle of 64 bits: 2 pi (high + (low + 1/2) / 2^32) / 2^32."""
    word = np.uint32(high)
    rest = np.int32(np.uint32(word << _SHIFT))
    fraction = (np.float32(np.uint32(low)) + _HALF) * (_WORD_UNIT * _TWO * _TWO)
    return _turned32(word, (np.float32(rest) + fraction) * _TURN_UNIT)


@inlined
def normal_pair32(word0: Any, word1: Any) -> Any:
    """Two independent standard normals of two words: those of `normal_pair`, to float32 rounding."""
    radius = np.float32(math.sqrt(_MINUS_TWO * log_uniform_of32(word0)))
    cosine, sine = circle32(word1)
    return radius * cosine, radius * sine
