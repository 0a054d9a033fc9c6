r"""Counter-based random numbers: Philox4x32-10 and the standard draws, as functions that generated kernels call.

A draw is a pure function of *what it is for*, so the same draws come at any number of threads, chunks or restarts, on
the CPU and on a GPU:

    key     = (low word of the seed,  high word of the seed XOR 0x9E3779B9 * stream  mod 2^32)
    counter = (draw, step, replica, purpose), a 32-bit word each, never windows of one sequence

One (key, counter) pair, a *block*, yields four 32-bit words. Multiplication by an odd number permutes the streams,
so for seeds below 2^32 two different (seed, stream) pairs never share a key; a 64-bit seed shares one only with
seeds of the same low word and a stream at the matching distance. All indices are taken modulo 2^32.

Four levels, each built on the one before:

| module | what it gives | example |
|---|---|---|
| `philox` | the four words of a block | `words4` |
| `words`, `words32` | what one or two words make | `normal_pair`, `uniform_of`, `sign_of` |
| `blocks`, `fills`, `quads` | four draws of a block, arrays of them, four entries of an array | `fill_normals` |
| `scalar`, `gamma` | one draw that owns its block | `normal_draw`, `chi_square_draw` |

A name without suffix is double precision; the same name with suffix 32 is the same draw in single precision, of the
same words, so the two agree to float32 rounding. A fill and scalar draws must not share a purpose.

Logarithm, sine and cosine are written out in plain arithmetic without contraction or reassociation
(`numerics.elementary`). They vectorise, which calls of libm do not, and their bits are the same in scalar and in vector
code, and on every IEEE machine; a GPU fuses multiplications with additions, and agrees within rounding.

Normals come from 32-bit words and so end at sqrt(2 log 2^32) = 6.66 standard deviations, uniforms of a block lie on
the grid 2^-32 {1, ..., 2^32}; `uniform_draw`, `choice_draw` and `exponential_draw` use 53 bits.

References: J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, Parallel random numbers: as easy as 1, 2, 3 (SC 2011);
G. Marsaglia, W. W. Tsang, A simple method for generating gamma variables (ACM TOMS 26, 2000).
"""

from __future__ import annotations

from numerics.elementary.logarithm import logarithm
from numerics.random.blocks import (
    exponential_block,
    exponential_block32,
    normal_block,
    normal_block32,
    sign_block,
    sign_block32,
    uniform_block,
    uniform_block32,
)
from numerics.random.fills import (
    fill_exponentials,
    fill_exponentials32,
    fill_normals,
    fill_normals32,
    fill_signs,
    fill_signs32,
    fill_uniforms,
    fill_uniforms32,
)
from numerics.random.gamma import (
    chi_square_draw,
    chi_square_draw32,
    gamma_draw,
    gamma_draw32,
    student_draw,
    student_draw32,
)
from numerics.random.philox import philox4x32, words4
from numerics.random.purpose import Purpose
from numerics.random.quads import sign_quad, sign_quad32
from numerics.random.scalar import (
    cauchy_draw,
    cauchy_draw32,
    choice_draw,
    exponential_draw,
    exponential_draw32,
    integer_draw,
    normal_draw,
    normal_draw32,
    sign_draw,
    sign_draw32,
    uniform_draw,
    uniform_draw32,
)
from numerics.random.words import (
    circle,
    circle_of_pair,
    exponential_of,
    exponential_of_pair,
    normal_pair,
    sign_of,
    uniform_of,
    uniform_of_pair,
)
from numerics.random.words32 import (
    circle32,
    circle_of_pair32,
    complement_of32,
    exponential_of32,
    log_uniform_of32,
    normal_pair32,
    sign_of32,
    uniform_of32,
    uniform_of_pair32,
)

__all__ = [
    "Purpose",
    "cauchy_draw",
    "cauchy_draw32",
    "chi_square_draw",
    "chi_square_draw32",
    "choice_draw",
    "circle",
    "circle32",
    "circle_of_pair",
    "circle_of_pair32",
    "complement_of32",
    "exponential_block",
    "exponential_block32",
    "exponential_draw",
    "exponential_draw32",
    "exponential_of",
    "exponential_of32",
    "exponential_of_pair",
    "fill_exponentials",
    "fill_exponentials32",
    "fill_normals",
    "fill_normals32",
    "fill_signs",
    "fill_signs32",
    "fill_uniforms",
    "fill_uniforms32",
    "gamma_draw",
    "gamma_draw32",
    "integer_draw",
    "log_uniform_of32",
    "logarithm",
    "normal_block",
    "normal_block32",
    "normal_draw",
    "normal_draw32",
    "normal_pair",
    "normal_pair32",
    "philox4x32",
    "sign_block",
    "sign_block32",
    "sign_draw",
    "sign_draw32",
    "sign_of",
    "sign_of32",
    "sign_quad",
    "sign_quad32",
    "student_draw",
    "student_draw32",
    "uniform_block",
    "uniform_block32",
    "uniform_draw",
    "uniform_draw32",
    "uniform_of",
    "uniform_of32",
    "uniform_of_pair",
    "uniform_of_pair32",
    "words4",
]
