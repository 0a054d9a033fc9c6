"""One Philox block, four independent draws of one kind, in either precision.

The arguments are those of `words4`: seed, stream, replica, step, draw, purpose.
"""

from __future__ import annotations

from typing import Any

from numerics.elementary.compilation import inlined
from numerics.random.philox import words4
from numerics.random.words import exponential_of, normal_pair, sign_of, uniform_of
from numerics.random.words32 import exponential_of32, normal_pair32, sign_of32, uniform_of32


@inlined
def uniform_block(seed: Any, stream: Any, replica: Any, step: Any, draw: Any, purpose: Any) -> Any:
    """Four independent uniforms on the grid 2^-32 {1, ..., 2^32}.

    >>> all(0 < u <= 1 for u in uniform_block(1, 0, 0, 0, 0, 0))
    True
    """
    x0, x1, x2, x3 = words4(seed, stream, replica, step, draw, purpose)
    return uniform_of(x0), uniform_of(x1), uniform_of(x2), uniform_of(x3)


@inlined
def normal_block(seed: Any, stream: Any, replica: Any, step: Any, draw: Any, purpose: Any) -> Any:
    """Four independent standard normals: `normal_pair` of the first two words and of the last two.

    >>> len(normal_block(1, 0, 0, 0, 0, 0))
    4
    """
    x0, x1, x2, x3 = words4(seed, stream, replica, step, draw, purpose)
    first, second = normal_pair(x0, x1)
    third, fourth = normal_pair(x2, x3)
    return first, second, third, fourth


@inlined
def exponential_block(seed: Any, stream: Any, replica: Any, step: Any, draw: Any, purpose: Any) -> Any:
    """Four independent standard exponentials, -log of the uniforms of the block."""
    x0, x1, x2, x3 = words4(seed, stream, replica, step, draw, purpose)
    return exponential_of(x0), exponential_of(x1), exponential_of(x2), exponential_of(x3)


@inlined
def sign_block(seed: Any, stream: Any, replica: Any, step: Any, draw: Any, purpose: Any) -> Any:
    """Four independent signs, the top bits of the four words."""
    x0, x1, x2, x3 = words4(seed, stream, replica, step, draw, purpose)
    return sign_of(x0), sign_of(x1), sign_of(x2), sign_of(x3)


# ---------------------------------------------------------------------------------------------------- single precision


@inlined
def uniform_block32(seed: Any, stream: Any, replica: Any, step: Any, draw: Any, purpose: Any) -> Any:
    """Four independent uniforms in (0, 1], rounded to float32."""
    x0, x1, x2, x3 = words4(seed, stream, replica, step, draw, purpose)
    return uniform_of32(x0), uniform_of32(x1), uniform_of32(x2), uniform_of32(x3)


@inlined
def normal_block32(seed: Any, stream: Any, replica: Any, step: Any, draw: Any, purpose: Any) -> Any:
    """Four independent standard normals: those of `normal_block`, to float32 rounding."""
    x0, x1, x2, x3 = words4(seed, stream, replica, step, draw, purpose)
    first, second = normal_pair32(x0, x1)
    third, fourth = normal_pair32(x2, x3)
    return first, second, third, fourth


@inlined
def exponential_block32(seed: Any, stream: Any, replica: Any, step: Any, draw: Any, purpose: Any) -> Any:
    """Four independent standard exponentials: those of `exponential_block`, to float32 rounding."""
    x0, x1, x2, x3 = words4(seed, stream, replica, step, draw, purpose)
    return exponential_of32(x0), exponential_of32(x1), exponential_of32(x2), exponential_of32(x3)


@inlined
def sign_block32(seed: Any, stream: Any, replica: Any, step: Any, draw: Any, purpose: Any) -> Any:
    """Four independent signs: those of `sign_block`."""
    x0, x1, x2, x3 = words4(seed, stream, replica, step, draw, purpose)
    return sign_of32(x0), sign_of32(x1), sign_of32(x2), sign_of32(x3)
