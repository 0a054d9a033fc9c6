r"""The exponential, and sigmoid and softplus, which are built on it.

$e^x = 2^k e^r$ with $k$ the integer nearest to $x / \log 2$, so that $|r| \le \tfrac12 \log 2$, and
$e^r = 1 + r + r^2 p(r)$ with $p$ the polynomial of least greatest error (degree 9 in double precision, 4 in single).
The power of two is put on in two halves, so that results below the normal range are rounded once, not flushed.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from numerics.elementary.compilation import inlined
from numerics.elementary.logarithm import log1p_of_unit, log1p_of_unit32

# adding it rounds to an integer, and leaves that integer in the low bits
_ROUND = 1.5 * 2.0**52
_ROUND_BITS = np.float64(_ROUND).view(np.int64)
_WIDTH, _BIAS, _TWICE_BIAS, _ONE = np.int64(52), np.int64(1023), np.int64(2046), np.uint64(1)
# log 2 in two parts; the first has so few digits that its multiples by k are exact
_LOG2_HIGH, _LOG2_LOW = 0.6931471804855391, 7.440617110012397e-11
_OVERFLOWS, _VANISHES = 710.0, -746.0

_F = np.float32
_ROUND32 = _F(1.5 * 2.0**23)
_ROUND_BITS32 = _ROUND32.view(np.int32)
_WIDTH32, _BIAS32, _TWICE_BIAS32, _ONE32 = np.int32(23), np.int32(127), np.int32(254), np.uint32(1)
_PER_LOG2_32, _LOG2_HIGH32, _LOG2_LOW32 = _F(1.4426950408889634), _F(0.693145751953125), _F(1.4286068203094173e-06)
_OVERFLOWS32, _VANISHES32 = _F(89.0), _F(-104.0)
_HALF32, _UNIT32, _ZERO32 = _F(0.5), _F(1.0), _F(0.0)
_P1, _P2, _P3, _P4 = (
    _F(0.1666648801444578),
    _F(0.04166554996333208),
    _F(0.008372330014822672),
    _F(0.0014035774702386326),
)


@inlined
def _reduced(x: Any) -> Any:
    """(m, k) with exp(x) = m 2^k and m between sqrt(1/2) and sqrt(2), for |x| < 2^50."""
    shifted = x * 1.4426950408889634 + _ROUND
    whole = shifted - _ROUND
    # from the bits, not by conversion, which has no defined result for NaN
    k = np.float64(shifted).view(np.int64) - _ROUND_BITS
    r = (x - whole * _LOG2_HIGH) - whole * _LOG2_LOW
    p = 2.500003175888719e-08 * r + 2.7630378363609137e-07
    p = (p * r + 2.7557587169624803e-06) * r + 2.4801492765171666e-05
    p = (p * r + 0.0001984126950490044) * r + 0.0013888888943918093
    p = (p * r + 0.0083333333334956) * r + 0.04166666666652922
    p = (p * r + 0.1666666666666641) * r + 0.5000000000000011
    return 1.0 + (r + r * r * p), k


@inlined
def exp_within(x: Any) -> Any:
    """exp(x) for |x| <= 700 (NaN stays NaN), where neither overflow nor underflow needs care."""
    m, k = _reduced(x)
    return m * np.int64((k + _BIAS) << _WIDTH).view(np.float64)


@inlined
def fast_exp(x: Any) -> Any:
    """exp(x) in double precision; inf above 709.78, subnormal below -708.4, 0 below -745.13, NaN for NaN.

    >>> fast_exp(0.0), fast_exp(-1e300), fast_exp(1e300)
    (1.0, 0.0, inf)
    """
    x = np.float64(x)
    x = _OVERFLOWS if x > _OVERFLOWS else x
    x = _VANISHES if x < _VANISHES else x
    m, k = _reduced(x)
    biased = np.uint64(k + _TWICE_BIAS)
    half = biased >> _ONE
    rest = biased - half
    return m * np.uint64(half << np.uint64(52)).view(np.float64) * np.uint64(rest << np.uint64(52)).view(np.float64)


@inlined
def fast_sigmoid(x: Any) -> Any:
    """1 / (1 + exp(-x)) in double precision, exact to its last digits for very negative x too.

    >>> fast_sigmoid(0.0), fast_sigmoid(-800.0), fast_sigmoid(800.0)
    (0.5, 0.0, 1.0)
    """
    x = np.float64(x)
    t = fast_exp(-abs(x))
    return (t if x < 0.0 else 1.0) / (1.0 + t)


@inlined
def fast_softplus(x: Any) -> Any:
    """log(1 + exp(x)) in double precision, without overflow: x for large x, exp(x) for very negative x.

    >>> fast_softplus(800.0), fast_softplus(-800.0)
    (800.0, 0.0)
    """
    x = np.float64(x)
    correction = log1p_of_unit(fast_exp(-abs(x)))
    return correction if x < 0.0 else x + correction


# ---------------------------------------------------------------------------------------------------- single precision


@inlined
def _reduced32(x: Any) -> Any:
    """(m, k) with exp(x) = m 2^k, for |x| < 2^20."""
    shifted = x * _PER_LOG2_32 + _ROUND32
    whole = shifted - _ROUND32
    k = np.int32(np.float32(shifted).view(np.int32) - _ROUND_BITS32)
    r = (x - whole * _LOG2_HIGH32) - whole * _LOG2_LOW32
    p = (_P4 * r + _P3) * r + _P2
    p = (p * r + _P1) * r + _HALF32
    return _UNIT32 + (r + r * r * p), k


@inlined
def exp_within32(x: Any) -> Any:
    """exp(x) for |x| <= 87 in single precision (NaN stays NaN)."""
    m, k = _reduced32(x)
    return m * np.int32(np.int32(k + _BIAS32) << _WIDTH32).view(np.float32)


@inlined
def fast_exp32(x: Any) -> Any:
    """exp(x) in single precision; inf above 88.72, subnormal below -87.33, 0 below -103.97, NaN for NaN.

    >>> float(fast_exp32(np.float32(0))), float(fast_exp32(np.float32(100)))
    (1.0, inf)
    """
    x = np.float32(x)
    x = _OVERFLOWS32 if x > _OVERFLOWS32 else x
    x = _VANISHES32 if x < _VANISHES32 else x
    m, k = _reduced32(x)
    biased = np.uint32(k + _TWICE_BIAS32)
    half = np.uint32(biased >> _ONE32)
    rest = np.uint32(biased - half)
    return m * np.uint32(half << np.uint32(23)).view(np.float32) * np.uint32(rest << np.uint32(23)).view(np.float32)


@inlined
def fast_sigmoid32(x: Any) -> Any:
    """1 / (1 + exp(-x)) in single precision."""
    x = np.float32(x)
    t = fast_exp32(-abs(x))
    return (t if x < _ZERO32 else _UNIT32) / (_UNIT32 + t)


@inlined
def fast_softplus32(x: Any) -> Any:
    """log(1 + exp(x)) in single precision, without overflow."""
    x = np.float32(x)
    correction = log1p_of_unit32(fast_exp32(-abs(x)))
    return correction if x < _ZERO32 else x + correction
