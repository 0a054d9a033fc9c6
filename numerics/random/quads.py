"""Four neighbouring entries of a fill whose random blocks hold more than four: what a thread that owns them draws."""

from __future__ import annotations

from typing import Any

import numpy as np

from numerics.elementary.compilation import inlined
from numerics.random.philox import words4
from numerics.random.words import sign_of
from numerics.random.words32 import sign_of32

_LAST_BIT = np.uint64(31)


@inlined
def _word(seed: Any, stream: Any, replica: Any, step: Any, quad: Any, purpose: Any) -> Any:
    """The word that holds the bits of a quad, shifted so that these come first."""
    x0, x1, x2, x3 = words4(seed, stream, replica, step, quad // 32, purpose)
    part = (quad // 8) % 4
    word = x0 if part == 0 else (x1 if part == 1 else (x2 if part == 2 else x3))
    return word >> np.uint64(4 * (quad % 8))


@inlined
def sign_quad(seed: Any, stream: Any, replica: Any, step: Any, quad: Any, purpose: Any) -> Any:
    """The entries 4 q, ..., 4 q + 3 of `fill_signs` for q = `quad`.

    >>> from numerics.random import fill_signs
    >>> signs = np.empty(200)
    >>> fill_signs(signs, 1, 0, 0, 0, 0)
    >>> sign_quad(1, 0, 0, 0, 40, 0) == tuple(signs[160:164])
    True
    """
    word = _word(seed, stream, replica, step, quad, purpose)
    first, second = sign_of(word << _LAST_BIT), sign_of((word >> np.uint64(1)) << _LAST_BIT)
    third, fourth = sign_of((word >> np.uint64(2)) << _LAST_BIT), sign_of((word >> np.uint64(3)) << _LAST_BIT)
    return first, second, third, fourth


@inlined
def sign_quad32(seed: Any, stream: Any, replica: Any, step: Any, quad: Any, purpose: Any) -> Any:
    """The entries 4 q, ..., 4 q + 3 of `fill_signs32` for q = `quad`."""
    word = _word(seed, stream, replica, step, quad, purpose)
    first, second = sign_of32(word << _LAST_BIT), sign_of32((word >> np.uint64(1)) << _LAST_BIT)
    third, fourth = sign_of32((word >> np.uint64(2)) << _LAST_BIT), sign_of32((word >> np.uint64(3)) << _LAST_BIT)
    return first, second, third, fourth
