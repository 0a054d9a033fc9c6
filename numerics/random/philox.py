"""Philox4x32-10: four 32-bit words as a pure function of a counter and a key."""

from __future__ import annotations

from typing import Any

import numpy as np

from numerics.elementary.compilation import inlined

# numba turns uint64 with int64 into float64: every integer that meets a random word is a uint64
_LOW, _WORD = np.uint64(0xFFFFFFFF), np.uint64(32)
_MULTIPLIER_0, _MULTIPLIER_1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_WEYL_0, _WEYL_1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)


@inlined
def philox4x32(c0: Any, c1: Any, c2: Any, c3: Any, k0: Any, k1: Any) -> Any:
    """The four 32-bit words of Philox4x32-10 for a counter (c0, c1, c2, c3) and a key (k0, k1), as uint64 values.

    >>> [hex(word) for word in philox4x32(0, 0, 0, 0, 0, 0)]
    ['0x6627e8d5', '0xe169c58d', '0xbc57ac4c', '0x9b00dbd8']
    """
    x0, x1, x2, x3 = np.uint64(c0), np.uint64(c1), np.uint64(c2), np.uint64(c3)
    key0, key1 = np.uint64(k0) & _LOW, np.uint64(k1) & _LOW
    for _ in range(10):
        # the upper halves hold rubbish between the rounds: vector multiplication reads the lower halves only, so masks
        # here cost nothing, and masks elsewhere would
        product0, product1 = (x0 & _LOW) * _MULTIPLIER_0, (x2 & _LOW) * _MULTIPLIER_1
        x0 = (product1 >> _WORD) ^ x1 ^ key0
        x2 = (product0 >> _WORD) ^ x3 ^ key1
        x1, x3 = product1, product0
        key0, key1 = (key0 + _WEYL_0) & _LOW, (key1 + _WEYL_1) & _LOW
    return x0 & _LOW, x1 & _LOW, x2 & _LOW, x3 & _LOW


@inlined
def words4(seed: Any, stream: Any, replica: Any, step: Any, draw: Any, purpose: Any) -> Any:
    """The four 32-bit words of one block, as uint64 values; see the package's text for key and counter."""
    key0 = np.uint64(seed) & _LOW
    key1 = (np.uint64(seed) >> _WORD) ^ ((np.uint64(stream) * _WEYL_0) & _LOW)
    return philox4x32(draw, step, replica, purpose, key0, key1)
