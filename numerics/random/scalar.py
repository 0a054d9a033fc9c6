"""One draw at a time: each owns the whole block number `draw`, so draws of any kind with different `draw` are independent.

A step that needs several draws takes them cheaper from the words of one block (`words4` with `normal_pair`, `sign_of`,
...). The arguments after those of the law are those of `words4`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from numerics.elementary.compilation import inlined
from numerics.random.philox import words4
from numerics.random.words import circle_of_pair, exponential_of_pair, normal_pair, sign_of, uniform_of_pair
from numerics.random.words32 import circle_of_pair32, exponential_of32, normal_pair32, sign_of32, uniform_of_pair32

_WORD, _DOUBLE_UNIT = np.uint64(32), 2.0**-53


@inlined
def normal_draw(seed: Any, stream: Any, replica: Any, step: Any, draw: Any, purpose: Any) -> Any:
    """One standard normal: the first of `normal_block`."""
    x0, x1, _, _ = words4(seed, stream, replica, step, draw, purpose)
    return normal_pair(x0, x1)[0]


@inlined
def uniform_draw(seed: Any, stream: Any, replica: Any, step: Any, draw: Any, purpose: Any) -> Any:
    """One uniform in (0, 1], of 53 bits.

    >>> 0 < uniform_draw(1, 0, 0, 0, 0, 0) <= 1
    True
    """
    x0, x1, _, _ = words4(seed, stream, replica, step, draw, purpose)
    return uniform_of_pair(x0, x1)


@inlined
def exponential_draw(seed: Any, stream: Any, replica: Any, step: Any, draw: Any, purpose: Any) -> Any:
    """One exponential of mean one, as -log of `uniform_draw`."""
    x0, x1, _, _ = words4(seed, stream, replica, step, draw, purpose)
    return exponential_of_pair(x0, x1)


@inlined
def sign_draw(seed: Any, stream: Any, replica: Any, step: Any, draw: Any, purpose: Any) -> Any:
    """One sign, +1.0 or -1.0 with probability 1/2 each."""
    return sign_of(words4(seed, stream, replica, step, draw, purpose)[0])


@inlined
def cauchy_draw(seed: Any, stream: Any, replica: Any, step: Any, draw: Any, purpose: Any) -> Any:
    """One standard Cauchy variable: the cotangent of a uniform angle of 64 bits, so |x| reaches 10^19.

    >>> cauchy_draw(1, 0, 0, 0, 0, 0) != 0
    True
    """
    x0, x1, _, _ = words4(seed, stream, replica, step, draw, purpose)
    cosine, sine = circle_of_pair(x0, x1)
    return cosine / sine


@inlined
def choice_draw(cumulative: Any, seed: Any, stream: Any, replica: Any, step: Any, draw: Any, purpose: Any) -> Any:
    """One index in 0, ..., len(cumulative) - 1, drawn with the cumulative probabilities given (the last one is 1).

    Parameters: `cumulative`, a non-decreasing array; entry j is the probability of an index at most j.

    >>> choice_draw(np.array([0.0, 1.0, 1.0]), 1, 0, 0, 0, 0, 0)
    1
    """
    # in [0, 1), so that an entry of weight zero never comes
    u = uniform_draw(seed, stream, replica, step, draw, purpose) - _DOUBLE_UNIT
    index = 0
    for j in range(len(cumulative) - 1):
        index += 1 if cumulative[j] <= u else 0
    return index


@inlined
def integer_draw(count: Any, seed: Any, stream: Any, replica: Any, step: Any, draw: Any, purpose: Any) -> Any:
    """One integer in 0, ..., count - 1 for 1 <= count < 2^32, by a 64-bit multiplication.

    The probabilities differ from 1/count by less than 2^-64 (relatively, less than count 2^-64).
    """
    x0, x1, _, _ = words4(seed, stream, replica, step, draw, purpose)
    size = np.uint64(count)
    return np.int64((x0 * size + ((x1 * size) >> _WORD)) >> _WORD)


# ---------------------------------------------------------------------------------------------------- single precision


@inlined
def normal_draw32(seed: Any, stream: Any, replica: Any, step: Any, draw: Any, purpose: Any) -> Any:
    """One standard normal: that of `normal_draw`, to float32 rounding."""
    x0, x1, _, _ = words4(seed, stream, replica, step, draw, purpose)
    return normal_pair32(x0, x1)[0]


@inlined
def uniform_draw32(seed: Any, stream: Any, replica: Any, step: Any, draw: Any, purpose: Any) -> Any:
    """One uniform in (0, 1]: that of `uniform_draw`, to float32 rounding."""
    x0, x1, _, _ = words4(seed, stream, replica, step, draw, purpose)
    return uniform_of_pair32(x0, x1)


@inlined
def exponential_draw32(seed: Any, stream: Any, replica: Any, step: Any, draw: Any, purpose: Any) -> Any:
    """One exponential of mean one, of 32 bits: at most 22.2, where that of `exponential_draw` has 53."""
    return exponential_of32(words4(seed, stream, replica, step, draw, purpose)[0])


@inlined
def sign_draw32(seed: Any, stream: Any, replica: Any, step: Any, draw: Any, purpose: Any) -> Any:
    """One sign: that of `sign_draw`."""
    return sign_of32(words4(seed, stream, replica, step, draw, purpose)[0])


@inlined
def cauchy_draw32(seed: Any, stream: Any, replica: Any, step: Any, draw: Any, purpose: Any) -> Any:
    """One standard Cauchy variable: that of `cauchy_draw`, to float32 rounding."""
    x0, x1, _, _ = words4(seed, stream, replica, step, draw, purpose)
    cosine, sine = circle_of_pair32(x0, x1)
    return cosine / sine
