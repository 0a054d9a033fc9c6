r"""Sine and cosine.

$x = k \tfrac\pi2 + r$ with $k$ the integer nearest to $2x/\pi$, by Cody and Waite: $\pi/2$ in parts so short that
every product with $k$ but the last is exact, and the rounding of each difference carried into the next. So $r$ keeps
its relative precision however close $x$ is to a multiple of $\pi/2$, while $|k| < 2^{20}$ in double precision and
$|k| < 2^{13}$ in single: that is `ACCURATE_UP_TO` and `ACCURATE_UP_TO32`. Beyond, the error
is absolute and grows with the spacing of the numbers: up to $|x| = 2^{51}$ ($2^{22}$ in single precision) it is what one
unit in the last place of $x$ would make, after that at most $2^{-50} |x|$ ($2^{-21} |x|$), and the value stays in
[-1, 1]. Infinity gives NaN.

On $|r| \le \pi/4$: fdlibm's polynomials in double precision, those of least greatest error in single.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from numerics.elementary.compilation import inlined

ACCURATE_UP_TO = 2.0**20 * math.pi / 2
"""The largest |x| at which the stated accuracy of `fast_sin` and `fast_cos` holds."""
ACCURATE_UP_TO32 = 2.0**13 * math.pi / 2
"""The largest |x| at which the stated accuracy of `fast_sin32` and `fast_cos32` holds."""

_ROUND = 1.5 * 2.0**52
_SIGN, _SIGN_BIT, _BIT_1 = np.uint64(1 << 63), np.uint64(62), np.uint64(2)
_ZERO, _ONE = np.uint64(0), np.uint64(1)
# pi/2 in parts that end at the bits 2^-32, 2^-52, 2^-85
_PART_1, _PART_2, _PART_3, _PART_4 = (
    1.5707963267341256,
    6.077094383272197e-11,
    6.12323399409214e-17,
    1.6446256936324258e-26,
)
_LARGEST = 0.8

_F = np.float32
_ROUND32 = _F(1.5 * 2.0**23)
_SIGN_BIT32, _BIT_1_32, _ZERO32, _ONE32 = np.uint32(30), np.uint32(2), np.uint32(0), np.uint32(1)
_SIGN32 = np.uint32(1 << 31)
_PER_QUARTER32 = _F(2 / math.pi)
# pi/2 in parts that end at the bits 2^-10, 2^-22, 2^-33, 2^-44
_PART_1_32, _PART_2_32, _PART_3_32 = _F(1.5703125), _F(0.0004837512969970703), _F(7.543712854385376e-08)
_PART_4_32, _PART_5_32 = _F(6.076561476220377e-11), _F(5.390302953474238e-15)
_LARGEST32, _UNIT32, _HALF32 = _F(0.8), _F(1.0), _F(0.5)
_S0, _S1, _S2 = _F(-0.16666655242443085), _F(0.008332189172506332), _F(-0.0001951828453456983)
_C0, _C1, _C2 = _F(0.04166664555668831), _F(-0.00138873013202101), _F(2.4430670237052254e-05)


@inlined
def sine_within(angle: Any) -> Any:
    """sin(angle) for |angle| <= pi/4."""
    z = angle * angle
    sine = 1.58969099521155010221e-10 * z - 2.50507602534068634195e-08
    sine = (sine * z + 2.75573137070700676789e-06) * z - 1.98412698298579493134e-04
    sine = (sine * z + 8.33333333332248946124e-03) * z - 1.66666666666666324348e-01
    return angle + angle * z * sine


@inlined
def cosine_within(angle: Any) -> Any:
    """cos(angle) for |angle| <= pi/4."""
    z = angle * angle
    cosine = -1.13596475577881948265e-11 * z + 2.08757232129817482790e-09
    cosine = (cosine * z - 2.75573143513906633035e-07) * z + 2.48015872894767294178e-05
    cosine = (cosine * z - 1.38888888888741095749e-03) * z + 4.16666666666666019037e-02
    return 1.0 - (0.5 * z - z * z * cosine)


@inlined
def _quarter_turns(x: Any) -> Any:
    """(r, k) with x = k pi/2 + r; of the integer k the lowest bits, as uint64."""
    shifted = x * (2.0 / math.pi) + _ROUND
    whole = shifted - _ROUND
    # exact: all digits of this difference fit
    rest = (x - whole * _PART_1) - whole * _PART_2
    part = whole * _PART_3
    r = rest - part
    lost = (rest - r) - part
    r = r - (whole * _PART_4 - lost)
    # far beyond the accurate range nothing else would keep the result in [-1, 1]
    r = _LARGEST if r > _LARGEST else r
    r = -_LARGEST if r < -_LARGEST else r
    return r, np.float64(shifted).view(np.uint64)


@inlined
def fast_sin(x: Any) -> Any:
    """sin(x) in double precision, see the module's text for large |x|; NaN for infinity and NaN.

    >>> fast_sin(0.0), abs(fast_sin(1.0) - math.sin(1.0)) < 1e-15
    (0.0, True)
    """
    x = np.float64(x)
    r, k = _quarter_turns(abs(x))
    value = cosine_within(r) if (k & _ONE) != _ZERO else sine_within(r)
    # the sign of x, and a minus for the quarter turns 2 and 3
    sign = (np.float64(x).view(np.uint64) ^ ((k & _BIT_1) << _SIGN_BIT)) & _SIGN
    return np.uint64(np.float64(value).view(np.uint64) ^ sign).view(np.float64)


@inlined
def fast_cos(x: Any) -> Any:
    """cos(x) in double precision, see the module's text for large |x|; NaN for infinity and NaN.

    >>> fast_cos(0.0)
    1.0
    """
    r, k = _quarter_turns(abs(np.float64(x)))
    value = sine_within(r) if (k & _ONE) != _ZERO else cosine_within(r)
    sign = ((k + _ONE) & _BIT_1) << _SIGN_BIT  # a minus for the quarter turns 1 and 2
    return np.uint64(np.float64(value).view(np.uint64) ^ sign).view(np.float64)


# ---------------------------------------------------------------------------------------------------- single precision


@inlined
def sine_within32(angle: Any) -> Any:
    """sin(angle) for |angle| <= pi/4 in single precision."""
    z = angle * angle
    return angle + angle * z * ((_S2 * z + _S1) * z + _S0)


@inlined
def cosine_within32(angle: Any) -> Any:
    """cos(angle) for |angle| <= pi/4 in single precision."""
    z = angle * angle
    return _UNIT32 - (_HALF32 * z - z * z * ((_C2 * z + _C1) * z + _C0))


@inlined
def _quarter_turns32(x: Any) -> Any:
    """(r, k) with x = k pi/2 + r; of the integer k the lowest bits, as uint32."""
    shifted = x * _PER_QUARTER32 + _ROUND32
    whole = shifted - _ROUND32
    rest = (x - whole * _PART_1_32) - whole * _PART_2_32
    part = whole * _PART_3_32
    further = rest - part
    lost = (rest - further) - part
    part = whole * _PART_4_32
    r = further - part
    lost = lost + ((further - r) - part)
    r = r - (whole * _PART_5_32 - lost)
    r = _LARGEST32 if r > _LARGEST32 else r
    r = -_LARGEST32 if r < -_LARGEST32 else r
    return r, np.float32(shifted).view(np.uint32)


@inlined
def fast_sin32(x: Any) -> Any:
    """sin(x) in single precision, see the module's text for large |x|; NaN for infinity and NaN.

    >>> abs(float(fast_sin32(np.float32(1))) - math.sin(1.0)) < 1e-7
    True
    """
    x = np.float32(x)
    r, k = _quarter_turns32(abs(x))
    value = cosine_within32(r) if np.uint32(k & _ONE32) != _ZERO32 else sine_within32(r)
    turned = np.uint32(np.uint32(k & _BIT_1_32) << _SIGN_BIT32)
    sign = np.uint32(np.uint32(np.float32(x).view(np.uint32) ^ turned) & _SIGN32)
    return np.uint32(np.float32(value).view(np.uint32) ^ sign).view(np.float32)


@inlined
def fast_cos32(x: Any) -> Any:
    """cos(x) in single precision, see the module's text for large |x|; NaN for infinity and NaN.

    >>> float(fast_cos32(np.float32(0)))
    1.0
    """
    r, k = _quarter_turns32(abs(np.float32(x)))
    value = sine_within32(r) if np.uint32(k & _ONE32) != _ZERO32 else cosine_within32(r)
    sign = np.uint32(np.uint32(np.uint32(k + _ONE32) & _BIT_1_32) << _SIGN_BIT32)
    return np.uint32(np.float32(value).view(np.uint32) ^ sign).view(np.float32)
