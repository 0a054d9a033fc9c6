r"""Gamma, chi-square and Student variables, exact in law, by rejection.

Marsaglia and Tsang: for a shape $a \ge 1$, $d(1 + cx)^3$ with $x$ normal, $d = a - 1/3$, $c = (9d)^{-1/2}$, accepted if
a uniform $u$ has $\log u < \tfrac12 x^2 + d(1 - v + \log v)$, $v = (1 + cx)^3$; with probability above 0.95, and above
0.99 for $a \ge 4$. $u < 1 - 0.0331\,x^4$ implies it and saves the logarithms nine times in ten. For a shape below one,
$\Gamma_{a+1} U^{1/a}$.

One attempt takes one Philox block: two words for $x$, one for $u$, one for $U$. Attempt k uses the block
draw + 2^24 k, so keep `draw` below 2^24. A shape that is no positive number is the caller's duty: the loops end, and
what they return (often NaN) means nothing.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from numerics.elementary.compilation import inlined
from numerics.elementary.logarithm import cubic_tail32, fast_log32, logarithm
from numerics.random.philox import words4
from numerics.random.words import normal_pair, uniform_of
from numerics.random.words32 import complement_of32, log_uniform_of32, normal_pair32, uniform_of32

_ATTEMPT = np.uint64(1 << 24)  # how far apart the blocks of successive attempts of one draw are

_F = np.float32
_ZERO, _ONE, _HALF, _THIRD, _TWO, _THREE, _NINE = (_F(v) for v in (0.0, 1.0, 0.5, 1 / 3, 2.0, 3.0, 9.0))
_SQUEEZE, _NAN = _F(0.0331), _F(math.nan)


@inlined
def _gamma_and_normal(shape: Any, seed: Any, stream: Any, replica: Any, step: Any, draw: Any, purpose: Any) -> Any:
    """A gamma variable of the given shape, and a standard normal that is independent of it."""
    boosted = shape + 1.0 if shape < 1.0 else np.float64(shape)
    d = boosted - 1.0 / 3.0
    c = 1.0 / math.sqrt(9.0 * d)
    block = np.uint64(draw)
    while True:
        x0, x1, x2, x3 = words4(seed, stream, replica, step, block, purpose)
        # the companion of x is independent of it, and takes no part in what is accepted
        x, companion = normal_pair(x0, x1)
        root = 1.0 + c * x
        if root > 0.0:
            v, u, square = root * root * root, uniform_of(x2), x * x
            if u < 1.0 - 0.0331 * square * square or logarithm(u) < 0.5 * square + d * (1.0 - v + logarithm(v)):
                return d * v * (uniform_of(x3) ** (1.0 / shape) if shape < 1.0 else 1.0), companion
        elif not root <= 0.0:  # NaN: of a shape that is no positive number
            return root, root
        block += _ATTEMPT


@inlined
def gamma_draw(shape: Any, seed: Any, stream: Any, replica: Any, step: Any, draw: Any, purpose: Any) -> Any:
    """One gamma variable of the given shape > 0 and scale one; needs `draw` < 2^24.

    >>> gamma_draw(2.5, 1, 0, 0, 0, 0, 0) > 0
    True
    """
    return _gamma_and_normal(shape, seed, stream, replica, step, draw, purpose)[0]


@inlined
def chi_square_draw(degrees: Any, seed: Any, stream: Any, replica: Any, step: Any, draw: Any, purpose: Any) -> Any:
    """One chi-square variable: twice a gamma variable of shape degrees / 2; needs `draw` < 2^24.

    >>> 800 < chi_square_draw(1000, 1, 0, 0, 0, 0, 0) < 1200
    True
    """
    return 2.0 * gamma_draw(0.5 * degrees, seed, stream, replica, step, draw, purpose)


@inlined
def student_draw(degrees: Any, seed: Any, stream: Any, replica: Any, step: Any, draw: Any, purpose: Any) -> Any:
    r"""One Student variable of the given degrees of freedom, $x / \sqrt{\chi^2 / \nu}$; needs `draw` < 2^24.

    Its normal costs nothing: Box-Muller makes two, and the gamma variable needs one.
    """
    gamma, normal = _gamma_and_normal(0.5 * degrees, seed, stream, replica, step, draw, purpose)
    return normal / math.sqrt(2.0 * gamma / degrees)


# ---------------------------------------------------------------------------------------------------- single precision


@inlined
def _log_bound32(d: Any, e: Any, x: Any) -> Any:
    r"""$\tfrac12 x^2 + d(1 - v + \log v)$ with $v = (1 + e)^3$, $e = cx$: what log u is compared with.

    For large d the terms cancel to all digits of a float32. With $\log(1 + e) = e - e^2/2 + e^3 p(e)$ they do so by
    algebra, and $d e^3 (3 p(e) - 1)$ is left.
    """
    if abs(e) <= _THIRD:
        return d * (e * e * e) * (_THREE * cubic_tail32(e) - _ONE)
    v = (_ONE + e) * (_ONE + e) * (_ONE + e)
    return _HALF * x * x + d * (_ONE - v + fast_log32(v))


@inlined
def _gamma_and_normal32(shape: Any, seed: Any, stream: Any, replica: Any, step: Any, draw: Any, purpose: Any) -> Any:
    shape = np.float32(shape)
    d = (shape + _ONE if shape < _ONE else shape) - _THIRD
    c = _ONE / np.float32(math.sqrt(_NINE * d))
    block = np.uint64(draw)
    while True:
        x0, x1, x2, x3 = words4(seed, stream, replica, step, block, purpose)
        x, companion = normal_pair32(x0, x1)
        e = c * x
        root = _ONE + e
        if root > _ZERO:
            square = x * x
            if complement_of32(x2) > _SQUEEZE * square * square or log_uniform_of32(x2) < _log_bound32(d, e, x):
                boost = np.float32(uniform_of32(x3) ** (_ONE / shape)) if shape < _ONE else _ONE
                return d * (root * root * root) * boost, companion
        elif not root <= _ZERO:
            return _NAN, _NAN
        block += _ATTEMPT


@inlined
def gamma_draw32(shape: Any, seed: Any, stream: Any, replica: Any, step: Any, draw: Any, purpose: Any) -> Any:
    """One gamma variable in single precision: that of `gamma_draw`, to float32 rounding, but for rare rejections."""
    return _gamma_and_normal32(shape, seed, stream, replica, step, draw, purpose)[0]


@inlined
def chi_square_draw32(degrees: Any, seed: Any, stream: Any, replica: Any, step: Any, draw: Any, purpose: Any) -> Any:
    """One chi-square variable in single precision; its spacing is 2^-24 of its value."""
    return _TWO * gamma_draw32(_HALF * np.float32(degrees), seed, stream, replica, step, draw, purpose)


@inlined
def student_draw32(degrees: Any, seed: Any, stream: Any, replica: Any, step: Any, draw: Any, purpose: Any) -> Any:
    """One Student variable in single precision."""
    nu = np.float32(degrees)
    gamma, normal = _gamma_and_normal32(_HALF * nu, seed, stream, replica, step, draw, purpose)
    return normal / np.float32(math.sqrt(_TWO * gamma / nu))
