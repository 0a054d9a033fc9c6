"""Arrays of draws: element i is output i % 4 of block i // 4, whatever the length of the array.

Signs take one bit each: sign i is bit i % 32 of word (i // 32) % 4 of block i // 128.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
from numba import njit, types
from numba.core import config
from numba.core.cpu import CPUContext
from numba.extending import intrinsic

from numerics.elementary.compilation import compiled
from numerics.random.blocks import (
    exponential_block,
    exponential_block32,
    normal_block,
    normal_block32,
    uniform_block,
    uniform_block32,
)
from numerics.random.philox import words4
from numerics.random.words import sign_of
from numerics.random.words32 import sign_of32

Function = TypeVar("Function", bound=Callable[..., Any])

# a function that takes a function: compiled into its callers, so it has no cache entry of its own
_template = cast("Callable[[Function], Function]", njit(error_model="numpy", fastmath=False, forceinline=True))
_LAST_BIT = np.uint64(31)
_CACHE_LINE = 64


def _frame(_: Any) -> Any:
    """Make the compiled function begin its stack frame at a cache line.

    A fill keeps more vectors than there are registers. By itself the frame begins where the caller left off, at random from
    process to process, and in half of them the vectors on the stack straddle two cache lines: up to a quarter of the time.
    """

    def generate(context: Any, builder: Any, _signature: Any, _arguments: Any) -> Any:
        if isinstance(context, CPUContext):
            attributes = builder.function.attributes
            attributes.alignstack = _CACHE_LINE
            attributes.add("nounwind")  # true of all that numba compiles; llvmlite does not print the alignment alone
        return context.get_dummy_value()

    return types.none(), generate


aligned_stack: Any = (lambda: None) if getattr(config, "DISABLE_JIT", False) else intrinsic(_frame)


@_template
def _fill(out: Any, block: Any, seed: Any, stream: Any, replica: Any, step: Any, purpose: Any) -> None:
    whole = out.size // 4
    for draw in range(whole):
        i = 4 * draw
        out[i], out[i + 1], out[i + 2], out[i + 3] = block(seed, stream, replica, step, draw, purpose)
    if out.size > 4 * whole:
        first, second, third, _ = block(seed, stream, replica, step, whole, purpose)
        out[4 * whole] = first
        if out.size > 4 * whole + 1:
            out[4 * whole + 1] = second
        if out.size > 4 * whole + 2:
            out[4 * whole + 2] = third


@_template
def _spread(out: Any, first: Any, word: Any, sign: Any) -> None:
    """The signs of the 32 bits of one word, the lowest first, as far as the array goes."""
    if out.size - first >= 32:  # a loop of fixed length vectorises
        for bit in range(32):
            out[first + bit] = sign((word >> np.uint64(bit)) << _LAST_BIT)
    else:
        for bit in range(out.size - first):
            out[first + bit] = sign((word >> np.uint64(bit)) << _LAST_BIT)


@_template
def _fill_signs(out: Any, sign: Any, seed: Any, stream: Any, replica: Any, step: Any, purpose: Any) -> None:
    for draw in range((out.size + 127) // 128):
        x0, x1, x2, x3 = words4(seed, stream, replica, step, draw, purpose)
        _spread(out, 128 * draw, x0, sign)
        _spread(out, 128 * draw + 32, x1, sign)
        _spread(out, 128 * draw + 64, x2, sign)
        _spread(out, 128 * draw + 96, x3, sign)


@compiled
def fill_normals(out: Any, seed: Any, stream: Any, replica: Any, step: Any, purpose: Any) -> None:
    """Fill the one-dimensional array `out` with independent standard normals.

    >>> short, long = np.empty(3), np.empty(1000)
    >>> fill_normals(short, 1, 0, 0, 0, 0)
    >>> fill_normals(long, 1, 0, 0, 0, 0)
    >>> bool((short == long[:3]).all())
    True
    """
    aligned_stack()
    _fill(out, normal_block, seed, stream, replica, step, purpose)


@compiled
def fill_uniforms(out: Any, seed: Any, stream: Any, replica: Any, step: Any, purpose: Any) -> None:
    """Fill the one-dimensional array `out` with independent uniforms in (0, 1]."""
    aligned_stack()
    _fill(out, uniform_block, seed, stream, replica, step, purpose)


@compiled
def fill_exponentials(out: Any, seed: Any, stream: Any, replica: Any, step: Any, purpose: Any) -> None:
    """Fill the one-dimensional array `out` with independent exponentials of mean one."""
    aligned_stack()
    _fill(out, exponential_block, seed, stream, replica, step, purpose)


@compiled
def fill_signs(out: Any, seed: Any, stream: Any, replica: Any, step: Any, purpose: Any) -> None:
    """Fill the one-dimensional array `out` with independent signs +1 and -1, one random bit each."""
    aligned_stack()
    _fill_signs(out, sign_of, seed, stream, replica, step, purpose)


# ---------------------------------------------------------------------------------------------------- single precision


@compiled
def fill_normals32(out: Any, seed: Any, stream: Any, replica: Any, step: Any, purpose: Any) -> None:
    """Fill the one-dimensional float32 array `out` with the normals of `fill_normals`, to float32 rounding.

    >>> out = np.empty(1000, np.float32)
    >>> fill_normals32(out, 1, 0, 0, 0, 0)
    >>> bool(abs(out.mean()) < 0.2)
    True
    """
    aligned_stack()
    _fill(out, normal_block32, seed, stream, replica, step, purpose)


@compiled
def fill_uniforms32(out: Any, seed: Any, stream: Any, replica: Any, step: Any, purpose: Any) -> None:
    """Fill the one-dimensional float32 array `out` with the uniforms of `fill_uniforms`, to float32 rounding."""
    aligned_stack()
    _fill(out, uniform_block32, seed, stream, replica, step, purpose)


@compiled
def fill_exponentials32(out: Any, seed: Any, stream: Any, replica: Any, step: Any, purpose: Any) -> None:
    """Fill the one-dimensional float32 array `out` with the exponentials of `fill_exponentials`, to float32 rounding."""
    aligned_stack()
    _fill(out, exponential_block32, seed, stream, replica, step, purpose)


@compiled
def fill_signs32(out: Any, seed: Any, stream: Any, replica: Any, step: Any, purpose: Any) -> None:
    """Fill the one-dimensional float32 array `out` with the signs of `fill_signs`."""
    aligned_stack()
    _fill_signs(out, sign_of32, seed, stream, replica, step, purpose)
