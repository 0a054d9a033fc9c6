"""The floating-point formats of generated code."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import numpy as np


class Precision(StrEnum):
    """The format of every real number in a kernel: of its arrays, its constants and its elementary functions.

    >>> Precision.FLOAT32.dtype
    dtype('float32')
    """

    FLOAT32 = "float32"
    """Twice the numbers per vector instruction; for direct simulation, whose Monte Carlo error hides rounding."""
    FLOAT64 = "float64"
    """For predictions, and for every comparison that has no Monte Carlo error."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """The NumPy type of arrays."""
        return np.dtype(self.value)

    @property
    def epsilon(self) -> float:
        """The distance from 1 to the next number."""
        return float(np.finfo(self.dtype).eps)

    def suffixed(self, name: str) -> str:
        """The name of the variant of a library function for this format: single precision has the suffix 32.

        >>> Precision.FLOAT32.suffixed("fill_normals"), Precision.FLOAT64.suffixed("fill_normals")
        ('fill_normals32', 'fill_normals')
        """
        return f"{name}32" if self is Precision.FLOAT32 else name
