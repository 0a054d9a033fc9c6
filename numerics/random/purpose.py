"""What a draw is for: the fourth counter word."""

from __future__ import annotations

from enum import IntEnum


class Purpose(IntEnum):
    """What a draw is for: the fourth counter word, so that two uses of one step never share random numbers.

    >>> int(Purpose.DATA)
    0
    """

    DATA = 0  # vector-valued data of a fresh sample
    SCALAR = 1  # scalar random symbols of a fresh sample
    BATCH = 2  # which samples of a data set a step uses
    START = 3  # the starting point
    NOISE = 4  # noise that the algorithm injects, or the increments of a stochastic differential equation
    DATASET = 5  # the fixed data set itself
    FIELD = 6  # Gaussian random fields
    FRAME = 7  # the random orthonormal frame in which a start is built
    EFFECTIVE = 8  # the noise of an effective process
