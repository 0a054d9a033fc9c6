"""Arrays on the stack: their own memory, at the beginning of a cache line, in every call."""

from __future__ import annotations

import numpy as np
import pytest
from numba import njit
from numba.core.errors import TypingError

from numerics.templates.stack import stack_array


@njit
def filled(real, start):
    first, second = stack_array(13, real), stack_array(5, real)
    for i in range(first.size):
        first[i] = start + i
    for i in range(second.size):
        second[i] = -first[i]
    return first.sum(), second.sum(), first.size, first.ctypes.data % 64, second.ctypes.data % 64


@pytest.mark.parametrize("real", [np.float32, np.float64])
def test_two_arrays_hold_their_own_numbers_and_begin_at_cache_lines(real):
    assert filled(real, 1.0) == (91, -15, 13, 0, 0)
    assert filled(real, 2.0) == (104, -20, 13, 0, 0)


def test_the_size_of_an_array_on_the_stack_is_known_to_the_compiler():
    @njit
    def of_any_size(count):
        return stack_array(count, np.float64).size

    with pytest.raises(TypingError):
        of_any_size(int(np.int64(3)))
