r"""The natural logarithm.

$\log x = e \log 2 + \log(1 + f)$. In double precision, fdlibm's rational form in $s = f / (2 + f)$ for $1 + f$ between
$\sqrt{1/2}$ and $\sqrt 2$; in single precision, $f - f^2/2 + f^3 p(f)$ for $1 + f$ between 2/3 and 4/3, with $p$ the
polynomial of least greatest error of degree 7.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from numerics.elementary.compilation import inlined

# the fields of a double, and what carries the mantissa of sqrt(2) into the exponent
_MANTISSA, _WIDTH, _BIAS = np.int64((1 << 52) - 1), np.int64(52), np.int64(1023)
_ONE_BITS, _EXPONENT_ONE, _ROOT_CARRY = np.int64(0x3FF << 52), np.int64(1 << 52), np.int64(0x95F6400000000)
_LOG2_HIGH, _LOG2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
_SMALLEST_NORMAL, _RAISE, _RAISED_BY = 2.0**-1022, 2.0**54, 54.0 * math.log(2.0)
_BELOW_ROOT = math.sqrt(2.0) - 1.0

_F = np.float32
# exponents stay where they are in the bits of a number, so they count in units of 2^-23
_TWO_THIRDS32, _EXPONENT32, _EXPONENT_ONE32 = np.int32(0x3F2AAAAB), np.int32(-(1 << 23)), _F(2.0**23)
_LOG2_HIGH32, _LOG2_LOW32 = _F(0.693145751953125 * 2.0**-23), _F(1.4286068203094173e-06 * 2.0**-23)
_SMALLEST_NORMAL32, _RAISE32, _RAISED_BY32 = _F(2.0**-126), _F(2.0**24), _F(24.0 * 2.0**23)
_ZERO32, _HALF32, _ONE32, _THIRD32 = _F(0.0), _F(0.5), _F(1.0), _F(1 / 3)
_INFINITY32, _NAN32 = _F(math.inf), _F(math.nan)
_P0, _P1, _P2, _P3 = _F(0.3333321511745453), _F(-0.24999797344207764), _F(0.20010405778884888), _F(-0.16680489480495453)
_P4, _P5, _P6, _P7 = (
    _F(0.14005863666534424),
    _F(-0.12184243649244308),
    _F(0.13984468579292297),
    _F(-0.12891753017902374),
)


@inlined
def _assembled(f: Any, exponent: Any) -> Any:
    """exponent log 2 + log(1 + f) for 1 + f in [sqrt(1/2), sqrt(2)]."""
    s = f / (2.0 + f)
    z = s * s
    w = z * z
    even = w * (3.999999999940941908e-01 + w * (2.222219843214978396e-01 + w * 1.531383769920937332e-01))
    odd = 2.857142874366239149e-01 + w * (1.818357216161805012e-01 + w * 1.479819860511658591e-01)
    odd = z * (6.666666666666735130e-01 + w * odd)
    half_square = 0.5 * f * f
    return exponent * _LOG2_HIGH - ((half_square - (s * (half_square + even + odd) + exponent * _LOG2_LOW)) - f)


@inlined
def logarithm(u: Any) -> Any:
    """The natural logarithm of a positive normal double, below one unit in the last place (fdlibm's e_log).

    >>> logarithm(1.0)
    0.0
    """
    bits = np.float64(u).view(np.int64)
    mantissa = bits & _MANTISSA
    # one if the mantissa is above sqrt(2): then it is halved, so that it lies in [sqrt(1/2), sqrt(2)]
    carry = ((mantissa + _ROOT_CARRY) >> _WIDTH) & np.int64(1)
    exponent = np.float64((bits >> _WIDTH) - _BIAS + carry)
    f = np.int64((mantissa | _ONE_BITS) - carry * _EXPONENT_ONE).view(np.float64) - 1.0
    return _assembled(f, exponent)


@inlined
def fast_log(x: Any) -> Any:
    """log(x) in double precision, of subnormal numbers too; -inf for 0, NaN for x < 0, inf for inf, NaN for NaN.

    >>> fast_log(1.0), fast_log(0.0), fast_log(-1.0)
    (0.0, -inf, nan)
    """
    x = np.float64(x)
    small = x < _SMALLEST_NORMAL
    value = logarithm(x * _RAISE if small else x)
    value = value - _RAISED_BY if small else value
    value = value if x < math.inf else x
    return value if x > 0.0 else (-math.inf if x == 0.0 else math.nan)


@inlined
def log1p_of_unit(t: Any) -> Any:
    """log(1 + t) for t in [0, 1], in double precision."""
    halved = t > _BELOW_ROOT
    return _assembled(0.5 * (t - 1.0) if halved else t, 1.0 if halved else 0.0)


# ---------------------------------------------------------------------------------------------------- single precision


@inlined
def cubic_tail32(f: Any) -> Any:
    """p(f) with log(1 + f) = f - f^2/2 + f^3 p(f), for |f| <= 1/3."""
    p = (_P7 * f + _P6) * f + _P5
    p = (p * f + _P4) * f + _P3
    p = (p * f + _P2) * f + _P1
    return p * f + _P0


@inlined
def assembled32(f: Any, exponent: Any) -> Any:
    """exponent log 2 / 2^23 + log(1 + f) for |f| <= 1/3."""
    z = f * f
    tail = f * z * cubic_tail32(f)
    return exponent * _LOG2_HIGH32 - ((_HALF32 * z - (tail + exponent * _LOG2_LOW32)) - f)


@inlined
def split32(x: Any) -> Any:
    """(m, 2^23 e) with x = m 2^e and m in [2/3, 4/3), both float32, for a positive normal float32."""
    bits = np.float32(x).view(np.int32)
    exponent = np.int32(np.int32(bits - _TWO_THIRDS32) & _EXPONENT32)
    return np.int32(bits - exponent).view(np.float32), np.float32(exponent)


@inlined
def fast_log32(x: Any) -> Any:
    """log(x) in single precision, of subnormal numbers too; -inf for 0, NaN for x < 0, inf for inf, NaN for NaN.

    >>> float(fast_log32(np.float32(1))), float(fast_log32(np.float32(0)))
    (0.0, -inf)
    """
    x = np.float32(x)
    small = x < _SMALLEST_NORMAL32
    m, exponent = split32(x * _RAISE32 if small else x)
    value = assembled32(m - _ONE32, exponent - _RAISED_BY32 if small else exponent)
    value = value if x < _INFINITY32 else x
    return value if x > _ZERO32 else (-_INFINITY32 if x == _ZERO32 else _NAN32)


@inlined
def log1p_of_unit32(t: Any) -> Any:
    """log(1 + t) for t in [0, 1], in single precision."""
    halved = t > _THIRD32
    return assembled32(_HALF32 * (t - _ONE32) if halved else t, _EXPONENT_ONE32 if halved else _ZERO32)
