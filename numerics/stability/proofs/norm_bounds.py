r"""Sub-additive upper bounds of the top exponent: $\Lambda\le\frac1n\mathbb{E}\log\|A_n\cdots A_1\|$ over all words of n batches.

The bounds decrease along n = 1, 2, 4, ...; they are evaluated in floating point, with every rounding error bounded on the safe side.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from numerics.stability.proofs.enclosures import UNIT, Array, Enclosure, gamma
from numerics.stability.proofs.rational_cholesky import Rationals

WORDS = 2**17
"""Words up to which all are visited."""


@dataclass(frozen=True)
class WordNorms:
    """Evidence of E log|A_n ... A_1| / n <= bound for n = 1, 2, 4, ...: the `matrices` of a step and their `shares`, in rationals, and the
    `bounds` (n, bound)."""

    matrices: tuple[Rationals, ...]
    shares: tuple[Fraction, ...]
    bounds: tuple[tuple[int, float], ...]

    def check(self) -> bool:
        """Whether the bounds follow from the matrices, evaluated afresh."""
        found = dict(word_norms(self.matrices, self.shares, self.bounds[-1][0]))
        return all(n in found and found[n] <= bound for n, bound in self.bounds)


def word_norms(matrices: tuple[Rationals, ...], shares: tuple[Fraction, ...], longest: int) -> list[tuple[int, float]]:
    """The bounds for n = 1, 2, 4, ... up to `longest`, as far as the words are at most `WORDS`."""
    words, scales = _scaled(Enclosure.of_rationals(np.array(matrices, dtype=object)))
    chances = Enclosure.of_rationals(np.array(shares, dtype=object))
    found, length = [], 1
    while True:
        found.append((length, _mean_log(spectral_bound(words), scales, chances) / length))
        count = len(words.middle)
        if 2 * length > longest or count**2 > WORDS:
            return [(n, float(np.nextafter(bound + 4 * UNIT * abs(bound), np.inf))) for n, bound in found]
        size = words.middle.shape[-1]
        words = words[:, None] @ words[None, :]
        words, more = _scaled(Enclosure(words.middle.reshape(-1, size, size), words.radius.reshape(-1, size, size)))
        scales = (scales[:, None] + scales[None, :]).reshape(-1) + more
        chances = chances[:, None] * chances[None, :]
        chances = Enclosure(chances.middle.reshape(-1), chances.radius.reshape(-1))
        length *= 2


def _scaled(words: Enclosure) -> tuple[Enclosure, NDArray[np.int64]]:
    """Matrices divided by powers of two, so that long words do not overflow, and the exponents of these."""
    _, exponents = np.frexp(words.magnitude.max(axis=(-2, -1)))
    middle, radius = (np.ldexp(table, -exponents[:, None, None]) for table in (words.middle, words.radius))
    return Enclosure(middle, np.nextafter(radius, np.inf)), exponents.astype(np.int64)


def spectral_bound(matrices: Enclosure) -> Array:
    r"""Upper bounds of the spectral norms of matrices (..., d, d).

    With V nearly orthogonal, $\|P\|^2\le\|V^TP^TPV\|_\infty/(1-\|V^TV-1\|_\infty)$, which is sharp where V diagonalises $P^TP$.
    """
    middle = matrices.middle
    size = middle.shape[-1]
    _, vectors = np.linalg.eigh(np.swapaxes(middle, -1, -2) @ middle)
    frame = Enclosure(vectors, np.zeros_like(vectors))
    moved = matrices @ frame
    square = (moved.T @ moved).magnitude.sum(axis=-1).max(axis=-1)
    one = Enclosure(np.broadcast_to(np.eye(size), vectors.shape), np.zeros_like(vectors))
    skew = (frame.T @ frame - one).magnitude.sum(axis=-1).max(axis=-1)
    return np.asarray(np.sqrt(square / (1 - 2 * skew)) * (1 + 16 * (size + 4) * UNIT))


def _mean_log(bounds: Array, scales: NDArray[np.int64], shares: Enclosure) -> float:
    """An upper bound of the mean of log(bounds * 2^scales); the logarithm is taken to be right to four units in the last place."""
    with np.errstate(divide="ignore"):
        logs = np.log(bounds)
    logs = np.where(
        np.isneginf(logs), np.log(np.finfo(float).tiny), logs
    )  # a zero product: any finite bound is above it
    shifts = scales * np.log(2.0)
    total = float(np.sum(shares.middle * (logs + shifts)))
    size = np.abs(logs) + np.abs(shifts)
    lost = shares.radius * size + (gamma(len(logs)) + 8 * UNIT) * np.abs(shares.middle) * size
    return total + float(lost.sum()) * (1 + 4 * (len(logs) + 4) * UNIT)
