r"""Counter-based random numbers: Philox4x32-10 and the standard draws, as functions that generated kernels call.

A draw is a pure function of *what it is for*, so the same draws come at any number of threads, chunks or restarts:

    key     = (low word of the seed,  high word of the seed XOR 0x9E3779B9 * stream  mod 2^32)
    counter = (draw, step, replica, purpose), a 32-bit word each, never windows of one sequence

One (key, counter) pair, a *block*, yields four 32-bit words. Multiplication by an odd number permutes the streams,
so for seeds below 2^32 two different (seed, stream) pairs never share a key; a 64-bit seed shares one only with
seeds of the same low word and a stream at the matching distance. All indices are taken modulo 2^32.

The scalar draws (`normal1`, `uniform1`, ...) own the whole block number `draw`: draws of any kind with different
`draw` are independent. Where a draw needs several blocks (`gamma1`), attempt `a` uses the block `draw + 2^24 a`, so
keep `draw < 2^24` there. In an array fill, element i of normals, uniforms or exponentials is output i % 4 of block
i // 4, and sign i is bit i % 32 of word (i // 32) % 4 of block i // 128: an element does not depend on the length
of the array. A fill and scalar draws must not share a purpose.

Logarithm, sine and cosine are written out here in plain double-precision arithmetic (fdlibm's polynomials, below one
unit in the last place) without contraction or reassociation. They vectorise, which calls of libm do not, and their
bits are the same in scalar and in vector code, and on every IEEE machine.

Normals come from 32-bit words and so end at sqrt(2 log 2^32) = 6.66 standard deviations, uniforms of a fill lie on
the grid 2^-32 {1, ..., 2^32}; `uniform1`, `choice1` and `exponential1` use 53 bits.

References: J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, Parallel random numbers: as easy as 1, 2, 3 (SC 2011);
G. Marsaglia, W. W. Tsang, A simple method for generating gamma variables (ACM TOMS 26, 2000).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from enum import IntEnum
from typing import Any, TypeVar, cast

import numpy as np
from numba import njit

from numerics.kernel import guarded

Function = TypeVar("Function", bound=Callable[..., Any])


def _jit(forceinline: bool) -> Callable[[Function], Function]:
    """njit with a disk cache if there is a place for one."""

    def decorate(function: Function) -> Function:
        # the bits of a draw must not depend on how a loop around it is compiled, so no fastmath; said in words, since a
        # function that leaves it open inherits the flags of whichever caller happens to compile it first
        try:
            compiled: Any = njit(cache=True, error_model="numpy", fastmath=False, forceinline=forceinline)(function)
        except RuntimeError:  # numba found no writable folder: neither beside this file nor at home
            compiled = njit(error_model="numpy", fastmath=False, forceinline=forceinline)(function)
        return cast("Function", guarded(compiled))

    return decorate


_compiled = _jit(forceinline=False)
# forced inlining, else LLVM leaves a call in the loop and cannot vectorise it: 1.2 ns a normal instead of 7
_inlined = _jit(forceinline=True)
# a function that takes a function: compiled into its callers, so it has no cache entry of its own
_template = cast("Callable[[Function], Function]", njit(error_model="numpy", fastmath=False, forceinline=True))


class Purpose(IntEnum):
    """What a draw is for: the fourth counter word, so that two uses of one step never share random numbers.

    >>> int(Purpose.DATA)
    0
    """

    DATA = 0  # vector-valued data of a fresh sample
    SCALAR = 1  # scalar random symbols of a fresh sample
    BATCH = 2  # which samples of a data set a step uses
    START = 3  # the starting point
    NOISE = 4  # noise that the algorithm injects, or the increments of a stochastic differential equation
    DATASET = 5  # the fixed data set itself
    FIELD = 6  # Gaussian random fields
    FRAME = 7  # the random orthonormal frame in which a start is built
    EFFECTIVE = 8  # the noise of an effective process


# numba turns uint64 with int64 into float64: every integer that meets a random word is a uint64
_LOW = np.uint64(0xFFFFFFFF)
_MULTIPLIER_0, _MULTIPLIER_1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_WEYL_0, _WEYL_1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
_ZERO, _ONE, _TWO, _FIVE, _SIX = (np.uint64(k) for k in (0, 1, 2, 5, 6))
_WORD, _SIGN_BIT, _QUARTER = np.uint64(32), np.uint64(31), np.uint64(30)
_HALF_QUARTER, _QUARTER_MASK = np.uint64(1 << 29), np.uint64((1 << 30) - 1)
_WORD_UNIT, _DOUBLE_UNIT = 2.0**-32, 2.0**-53
_TURN_UNIT = math.pi * 2.0**-31
_ATTEMPT = 1 << 24  # how far apart the blocks of successive attempts of one draw are
# the fields of a double, and what carries the mantissa of sqrt(2) into the exponent
_MANTISSA, _MANTISSA_WIDTH, _BIAS = np.int64((1 << 52) - 1), np.int64(52), np.int64(1023)
_ONE_BITS, _EXPONENT_ONE, _ROOT_CARRY = np.int64(0x3FF << 52), np.int64(1 << 52), np.int64(0x95F6400000000)
_LOG2_HIGH, _LOG2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10


@_inlined
def philox4x32(c0: Any, c1: Any, c2: Any, c3: Any, k0: Any, k1: Any) -> Any:
    """The four 32-bit words of Philox4x32-10 for a counter (c0, c1, c2, c3) and a key (k0, k1), as uint64 values.

    >>> [hex(word) for word in philox4x32(0, 0, 0, 0, 0, 0)]
    ['0x6627e8d5', '0xe169c58d', '0xbc57ac4c', '0x9b00dbd8']
    """
    x0, x1 = np.uint64(c0) & _LOW, np.uint64(c1) & _LOW
    x2, x3 = np.uint64(c2) & _LOW, np.uint64(c3) & _LOW
    key0, key1 = np.uint64(k0) & _LOW, np.uint64(k1) & _LOW
    for _ in range(10):
        product0, product1 = x0 * _MULTIPLIER_0, x2 * _MULTIPLIER_1
        x0 = (product1 >> _WORD) ^ x1 ^ key0
        x2 = (product0 >> _WORD) ^ x3 ^ key1
        x1, x3 = product1 & _LOW, product0 & _LOW
        key0, key1 = (key0 + _WEYL_0) & _LOW, (key1 + _WEYL_1) & _LOW
    return x0, x1, x2, x3


@_inlined
def words4(seed: Any, stream: Any, replica: Any, step: Any, draw: Any, purpose: Any) -> Any:
    """The four 32-bit words of one block, as uint64 values; see the module's text for key and counter."""
    key0 = np.uint64(seed) & _LOW
    key1 = (np.uint64(seed) >> _WORD) ^ ((np.uint64(stream) * _WEYL_0) & _LOW)
    return philox4x32(draw, step, replica, purpose, key0, key1)


@_inlined
def logarithm(u: Any) -> Any:
    """The natural logarithm of a positive normal double, in arithmetic that vectorises (fdlibm's e_log)."""
    bits = np.float64(u).view(np.int64)
    mantissa = bits & _MANTISSA
    # one if the mantissa is above sqrt(2): then it is halved, so that it lies in [sqrt(1/2), sqrt(2)]
    carry = ((mantissa + _ROOT_CARRY) >> _MANTISSA_WIDTH) & np.int64(1)
    exponent = np.float64((bits >> _MANTISSA_WIDTH) - _BIAS + carry)
    f = np.int64((mantissa | _ONE_BITS) - carry * _EXPONENT_ONE).view(np.float64) - 1.0
    s = f / (2.0 + f)
    z = s * s
    w = z * z
    even = w * (3.999999999940941908e-01 + w * (2.222219843214978396e-01 + w * 1.531383769920937332e-01))
    odd = 2.857142874366239149e-01 + w * (1.818357216161805012e-01 + w * 1.479819860511658591e-01)
    odd = z * (6.666666666666735130e-01 + w * odd)
    half_square = 0.5 * f * f
    return exponent * _LOG2_HIGH - ((half_square - (s * (half_square + even + odd) + exponent * _LOG2_LOW)) - f)


@_inlined
def circle(word: Any) -> Any:
    """Cosine and sine of the angle 2 pi (word + 1/2) / 2^32 for a 32-bit word, by an exact quarter-turn reduction."""
    shifted = (np.uint64(word) + _HALF_QUARTER) & _LOW
    quarter = shifted >> _QUARTER
    # through int64: unsigned-to-float conversion is slow before AVX-512
    angle = (np.float64(np.int64(shifted & _QUARTER_MASK)) - 536870911.5) * _TURN_UNIT
    z = angle * angle
    sine = 1.58969099521155010221e-10 * z - 2.50507602534068634195e-08
    sine = (sine * z + 2.75573137070700676789e-06) * z - 1.98412698298579493134e-04
    sine = (sine * z + 8.33333333332248946124e-03) * z - 1.66666666666666324348e-01
    sine = angle + angle * z * sine
    cosine = -1.13596475577881948265e-11 * z + 2.08757232129817482790e-09
    cosine = (cosine * z - 2.75573143513906633035e-07) * z + 2.48015872894767294178e-05
    cosine = (cosine * z - 1.38888888888741095749e-03) * z + 4.16666666666666019037e-02
    cosine = 1.0 - (0.5 * z - z * z * cosine)
    odd = (quarter & _ONE) != _ZERO
    first, second = (sine if odd else cosine), (cosine if odd else sine)
    first = -first if ((quarter + _ONE) & _TWO) != _ZERO else first
    second = -second if (quarter & _TWO) != _ZERO else second
    return first, second


# ----------------------------------------------------------------------------------------------- one block, four draws


@_inlined
def _unit(word: Any) -> Any:
    """The uniform in (0, 1] of one 32-bit word."""
    # through int64: the conversion of unsigned words is slow before AVX-512
    return (np.float64(np.int64(word)) + 1.0) * _WORD_UNIT


@_inlined
def _unit53(high: Any, low: Any) -> Any:
    """The uniform in (0, 1] of 53 bits of two words."""
    return (np.float64(np.int64(high >> _FIVE)) * 67108864.0 + np.float64(np.int64(low >> _SIX)) + 1.0) * _DOUBLE_UNIT


@_inlined
def uniform4(seed: Any, stream: Any, replica: Any, step: Any, draw: Any, purpose: Any) -> Any:
    """Four independent uniforms on the grid 2^-32 {1, ..., 2^32}, from one block.

    >>> all(0 < u <= 1 for u in uniform4(1, 0, 0, 0, 0, Purpose.DATA))
    True
    """
    x0, x1, x2, x3 = words4(seed, stream, replica, step, draw, purpose)
    return _unit(x0), _unit(x1), _unit(x2), _unit(x3)


@_inlined
def normal4(seed: Any, stream: Any, replica: Any, step: Any, draw: Any, purpose: Any) -> Any:
    r"""Four independent standard normals, from one block, by Box-Muller.

    $\sqrt{-2\log u_0}\,(\cos\phi_1, \sin\phi_1)$ and $\sqrt{-2\log u_2}\,(\cos\phi_3, \sin\phi_3)$, where
    $u_k = 2^{-32}(x_k + 1)$ and $\phi_k = 2\pi\,2^{-32}(x_k + 1/2)$ for the words $x_k$ of the block.
    """
    x0, x1, x2, x3 = words4(seed, stream, replica, step, draw, purpose)
    radius0, radius1 = math.sqrt(-2.0 * logarithm(_unit(x0))), math.sqrt(-2.0 * logarithm(_unit(x2)))
    (cosine0, sine0), (cosine1, sine1) = circle(x1), circle(x3)
    return radius0 * cosine0, radius0 * sine0, radius1 * cosine1, radius1 * sine1


@_inlined
def exponential4(seed: Any, stream: Any, replica: Any, step: Any, draw: Any, purpose: Any) -> Any:
    """Four independent standard exponentials, from one block, as -log of its uniforms."""
    u0, u1, u2, u3 = uniform4(seed, stream, replica, step, draw, purpose)
    return -logarithm(u0), -logarithm(u1), -logarithm(u2), -logarithm(u3)


# -------------------------------------------------------------------------------------------------------------- arrays


@_template
def _fill(out: Any, draw4: Any, seed: Any, stream: Any, replica: Any, step: Any, purpose: Any) -> None:
    """Element i becomes output i % 4 of block i // 4."""
    blocks = out.size // 4
    for block in range(blocks):
        i = 4 * block
        out[i], out[i + 1], out[i + 2], out[i + 3] = draw4(seed, stream, replica, step, block, purpose)
    if out.size > 4 * blocks:
        last = draw4(seed, stream, replica, step, blocks, purpose)
        for k in range(out.size - 4 * blocks):
            out[4 * blocks + k] = last[k]


@_compiled
def fill_normals(out: Any, seed: Any, stream: Any, replica: Any, step: Any, purpose: Any) -> None:
    """Fill the one-dimensional array `out` with independent standard normals.

    >>> short, long = np.empty(3), np.empty(1000)
    >>> fill_normals(short, 1, 0, 0, 0, Purpose.DATA)
    >>> fill_normals(long, 1, 0, 0, 0, Purpose.DATA)
    >>> bool((short == long[:3]).all())
    True
    """
    _fill(out, normal4, seed, stream, replica, step, purpose)


@_compiled
def fill_uniforms(out: Any, seed: Any, stream: Any, replica: Any, step: Any, purpose: Any) -> None:
    """Fill the one-dimensional array `out` with independent uniforms in (0, 1]."""
    _fill(out, uniform4, seed, stream, replica, step, purpose)


@_compiled
def fill_exponentials(out: Any, seed: Any, stream: Any, replica: Any, step: Any, purpose: Any) -> None:
    """Fill the one-dimensional array `out` with independent exponentials of mean one."""
    _fill(out, exponential4, seed, stream, replica, step, purpose)


@_compiled
def fill_signs(out: Any, seed: Any, stream: Any, replica: Any, step: Any, purpose: Any) -> None:
    """Fill the one-dimensional array `out` with independent signs +1 and -1, one random bit each."""
    for first in range(0, out.size, 32):
        x0, x1, x2, x3 = words4(seed, stream, replica, step, first // 128, purpose)
        part = (first // 32) % 4
        word = np.int64(x0 if part == 0 else (x1 if part == 1 else (x2 if part == 2 else x3)))
        for bit in range(min(32, out.size - first)):
            out[first + bit] = 1.0 - 2.0 * ((word >> bit) & 1)


# ------------------------------------------------------------------------------------------------------- single draws


@_inlined
def normal1(seed: Any, stream: Any, replica: Any, step: Any, draw: Any, purpose: Any) -> Any:
    """One standard normal: the first of `normal4`."""
    return normal4(seed, stream, replica, step, draw, purpose)[0]


@_inlined
def uniform1(seed: Any, stream: Any, replica: Any, step: Any, draw: Any, purpose: Any) -> Any:
    """One uniform in (0, 1], of 53 bits.

    >>> 0 < uniform1(1, 0, 0, 0, 0, Purpose.SCALAR) <= 1
    True
    """
    x0, x1, _, _ = words4(seed, stream, replica, step, draw, purpose)
    return _unit53(x0, x1)


@_inlined
def exponential1(seed: Any, stream: Any, replica: Any, step: Any, draw: Any, purpose: Any) -> Any:
    """One exponential of mean one, as -log of `uniform1`."""
    return -logarithm(uniform1(seed, stream, replica, step, draw, purpose))


@_inlined
def sign1(seed: Any, stream: Any, replica: Any, step: Any, draw: Any, purpose: Any) -> Any:
    """One sign, +1.0 or -1.0 with probability 1/2 each."""
    return 1.0 - 2.0 * np.float64(np.int64(words4(seed, stream, replica, step, draw, purpose)[0] >> _SIGN_BIT))


@_inlined
def choice1(cumulative: Any, seed: Any, stream: Any, replica: Any, step: Any, draw: Any, purpose: Any) -> Any:
    """One index in 0, ..., len(cumulative) - 1, drawn with the cumulative probabilities given (the last one is 1).

    Parameters: `cumulative`, a non-decreasing array; entry j is the probability of an index at most j.

    >>> choice1(np.array([0.0, 1.0, 1.0]), 1, 0, 0, 0, 0, Purpose.SCALAR)
    1
    """
    # in [0, 1), so that an entry of weight zero never comes
    u = uniform1(seed, stream, replica, step, draw, purpose) - _DOUBLE_UNIT
    index = 0
    for j in range(len(cumulative) - 1):
        index += 1 if cumulative[j] <= u else 0
    return index


@_inlined
def integer1(count: Any, seed: Any, stream: Any, replica: Any, step: Any, draw: Any, purpose: Any) -> Any:
    """One integer in 0, ..., count - 1 for 1 <= count < 2^32, by a 64-bit multiplication.

    The probabilities differ from 1/count by less than 2^-64 (relatively, less than count 2^-64).
    """
    x0, x1, _, _ = words4(seed, stream, replica, step, draw, purpose)
    size = np.uint64(count)
    return np.int64((x0 * size + ((x1 * size) >> _WORD)) >> _WORD)


@_compiled
def gamma1(shape: Any, seed: Any, stream: Any, replica: Any, step: Any, draw: Any, purpose: Any) -> Any:
    r"""One gamma variable of the given shape > 0 and scale one; needs `draw` < 2^24.

    Marsaglia and Tsang: $d(1 + cx)^3$ with $x$ normal, $d = a - 1/3$, $c = (9d)^{-1/2}$, accepted with probability
    above 0.95; for a shape $a$ below one, $\Gamma_{a+1} U^{1/a}$.
    """
    boosted = shape + 1.0 if shape < 1.0 else np.float64(shape)
    d = boosted - 1.0 / 3.0
    c = 1.0 / math.sqrt(9.0 * d)
    attempt = 0
    while True:
        block = draw + _ATTEMPT * attempt
        x0, x1, x2, x3 = words4(seed, stream, replica, step, block, purpose)
        x = math.sqrt(-2.0 * logarithm(_unit(x0))) * circle(x1)[0]
        root = 1.0 + c * x
        if root > 0.0:
            v = root * root * root
            if logarithm(_unit(x2)) < 0.5 * x * x + d * (1.0 - v + logarithm(v)):
                # the fourth word took no part in the acceptance, so it is still uniform
                return d * v * (_unit(x3) ** (1.0 / shape) if shape < 1.0 else 1.0)
        attempt += 1
