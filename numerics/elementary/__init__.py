"""Elementary functions in plain arithmetic, which vectorises: exp, log, tanh, erf, sin, cos, sigmoid and softplus.

Calls of libm in a loop stay scalar, at 3 to 15 ns each. These functions consist of additions, multiplications, at most one
division and operations on bits, and choose between formulas without branches, so LLVM turns a loop around them into
vector code: 1 to 3 ns in double precision, 0.4 to 1 ns in single, on one core with 512-bit vectors. The same functions compile for
CUDA. Their bits do not depend on the loop around them, nor on its fast-mathematics flags.

A name without suffix is double precision, the suffix 32 is single; arguments are rounded to the precision of the
function. Errors are in `MAXIMAL_ERROR_ULP`; infinity, NaN, zero and subnormal numbers have the results that the standard
library gives them. Sine and cosine are accurate up to `ACCURATE_UP_TO` and lose precision beyond (see
`trigonometric`).
"""

from __future__ import annotations

from numerics.elementary.accuracy import MAXIMAL_ERROR_ULP
from numerics.elementary.exponential import (
    fast_exp,
    fast_exp32,
    fast_sigmoid,
    fast_sigmoid32,
    fast_softplus,
    fast_softplus32,
)
from numerics.elementary.logarithm import fast_log, fast_log32
from numerics.elementary.sigmoidal import fast_erf, fast_erf32, fast_tanh, fast_tanh32
from numerics.elementary.trigonometric import (
    ACCURATE_UP_TO,
    ACCURATE_UP_TO32,
    fast_cos,
    fast_cos32,
    fast_sin,
    fast_sin32,
)

__all__ = [
    "ACCURATE_UP_TO",
    "ACCURATE_UP_TO32",
    "MAXIMAL_ERROR_ULP",
    "fast_cos",
    "fast_cos32",
    "fast_erf",
    "fast_erf32",
    "fast_exp",
    "fast_exp32",
    "fast_log",
    "fast_log32",
    "fast_sigmoid",
    "fast_sigmoid32",
    "fast_sin",
    "fast_sin32",
    "fast_softplus",
    "fast_softplus32",
    "fast_tanh",
    "fast_tanh32",
]
