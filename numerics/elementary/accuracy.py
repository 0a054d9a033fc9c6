"""How accurate the elementary functions are: greatest errors, measured, as data that tests hold them to."""

from __future__ import annotations

MAXIMAL_ERROR_ULP = {
    "fast_exp": 1.1,
    "fast_log": 1.0,
    "fast_tanh": 1.5,
    "fast_erf": 1.5,
    "fast_sin": 1.7,
    "fast_cos": 1.7,
    "fast_sigmoid": 2.7,
    "fast_softplus": 1.9,
    "fast_exp32": 1.1,
    "fast_log32": 0.9,
    "fast_tanh32": 1.4,
    "fast_erf32": 1.4,
    "fast_sin32": 1.6,
    "fast_cos32": 1.6,
    "fast_sigmoid32": 2.5,
    "fast_softplus32": 1.9,
}
"""The greatest error of each function in units in the last place of the exact result, subnormal results included.

Single precision: over all 2^32 arguments (sine and cosine: up to `ACCURATE_UP_TO32`). Double precision: over 8 10^7
random arguments (erf: 8 10^5) and 10^4 hard ones, rounded up by a tenth or more, since nobody can try them all (sine and
cosine: up to `ACCURATE_UP_TO`).
On a CPU; a GPU fuses multiplications with additions and is as accurate.
"""
