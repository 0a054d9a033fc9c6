"""Phases: which modes grow, those that lower the mean loss, those that raise it, or both."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from numerics.stability.problem import Array, Estimate
from theory import Block, ExponentKind

PHASES = (
    "saddle attracts",
    "correct learning",
    "incorrect learning",
    "complete instability",
    "instability",
    "minimum attracts",
    "undecided",
    "stationary law exists",
)
"""The names of the phases; their position is their code.

A mode descends if its mean curvature is negative, so that the mean loss falls along it. No mode grows: the point attracts. Only modes
that descend grow: correct learning. Only modes that ascend: incorrect learning at a saddle, and plain instability at a minimum,
where every mode ascends. Both: complete instability. Modes whose mean curvature is zero, indefinite or undefined give instability
without a direction. Undecided: an exponent is within its error of zero (three standard errors for Monte Carlo), or linear theory
is silent about every direction. Where the samples' gradients do not vanish and the update is affine, no mode growing means that there is
one stationary law, and instability that there is none.
"""

SADDLE, CORRECT, INCORRECT, COMPLETE, UNDIRECTED, MINIMUM, UNDECIDED, STATIONARY = range(len(PHASES))


ROUNDING = 1e-12
"""A mean curvature below this share of the largest one at the point is zero up to rounding."""


def phases_of(
    blocks: Sequence[Block], estimates: Sequence[Estimate], spectra: Sequence[Array], *, noise_free: bool = True
) -> NDArray[np.int8]:
    """The phase at every point of a grid, from spectra of the mean curvature (point, eigenvalue). Directions about which linear theory
    is silent never count. `noise_free`: whether the samples' gradients vanish at the point."""
    descending, ascending, other, unsure, saddle = (np.zeros(len(spectra[0]), dtype=bool) for _ in range(5))
    heard = False
    largest = np.max([np.nan_to_num(np.abs(spectrum)).max(axis=1) for spectrum in spectra], axis=0)
    scale = ROUNDING * np.maximum(largest, 1.0)
    for block, estimate, spectrum in zip(blocks, estimates, spectra, strict=True):
        if block.is_silent:
            continue
        heard = True
        falls, rises = spectrum[:, -1] < -scale, spectrum[:, 0] > scale
        slack = (3.0 if estimate.kind == ExponentKind.MONTE_CARLO else 1.0) * np.nan_to_num(estimate.errors)
        grows = estimate.values > 0
        unsure |= ~(np.abs(estimate.values) > slack)
        saddle |= ~rises
        descending |= grows & falls
        ascending |= grows & rises
        other |= grows & ~falls & ~rises
    codes = np.where(saddle, SADDLE, MINIMUM)
    codes = np.where(other, UNDIRECTED, codes)
    codes = np.where(~other & descending, CORRECT, codes)
    codes = np.where(~other & ascending, np.where(saddle, INCORRECT, UNDIRECTED), codes)
    codes = np.where(descending & ascending, COMPLETE, codes)
    if not noise_free:
        codes = np.where(descending | ascending | other, UNDIRECTED, STATIONARY)
    return np.where(unsure if heard else True, UNDECIDED, codes).astype(np.int8)
