"""The statistics of simulated products: exponents of each replica, their means with standard errors, and whether they drift."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from numerics.results import versions
from numerics.stability.problem import Array
from theory import Clock

EPSILON = float(np.finfo(float).eps)


@dataclass(frozen=True)
class ProductRun:
    """Sums of logarithms of norms (slot, vector, replica) at the steps `record`; `vanished` (vector, replica): lost volumes."""

    sums: Array
    vanished: NDArray[np.bool_]
    record: NDArray[np.int64]

    @property
    def rounding(self) -> float:
        """A bound of the relative error of a sum of as many numbers as there are steps."""
        return EPSILON * int(self.record[-1])

    @property
    def lost(self) -> NDArray[np.bool_]:
        """Which exponents are minus infinity: those of volumes that vanish in some replica."""
        return np.asarray(self.vanished.any(axis=1))

    def by_replica(self) -> Array:
        """The exponents of each replica, (replica, vector)."""
        return np.where(self.vanished, -np.inf, self._rates(0, -1)).T

    def exponents(self) -> tuple[Array, Array]:
        """The exponents per step and their standard errors, each (vector,); minus infinity has the error 0."""
        mean = self._rates(0, -1).mean(axis=1)
        error = self._error(np.eye(len(mean))) + self.rounding * np.abs(mean)
        return np.where(self.lost, -np.inf, mean), np.where(self.lost, 0.0, error)

    def dataset(self, attributes: Mapping[str, Any]) -> xr.Dataset:
        """The exponents as `numerics.lyapunov_spectrum` returns them: `spectrum`, `standard_error`, `by_replica`, ... ."""
        spectrum, error = self.exponents()
        lost, middle = self.lost, self.record.size // 2
        halves = self._rates(middle, -1) - self._rates(0, middle)
        # where all replicas are alike, the drift and its error are rounding errors of the sums
        rounding = self.rounding * np.maximum(1.0, np.abs(np.where(lost, 0.0, spectrum)))
        total_error = (
            self._error(np.ones((1, len(lost))))[0] + self.rounding * np.abs(np.where(lost, 0.0, spectrum)).sum()
        )
        drift, noise = halves.mean(axis=1), standard_error(halves.T)
        result = xr.Dataset(
            {
                "spectrum": ("exponent", spectrum),
                "standard_error": ("exponent", error),
                "drift": ("exponent", np.where(lost, 0.0, drift)),
                "drift_z": ("exponent", np.where(lost, 0.0, drift / np.hypot(noise, rounding))),
                "by_replica": (("replica", "exponent"), self.by_replica()),
                "total": spectrum.sum(),
                "total_error": 0.0 if lost.any() else total_error,
            },
            {"exponent": np.arange(1, len(spectrum) + 1)},
        )
        result.attrs = {"clock": str(Clock.STEPS), "versions": versions(), **attributes}
        return result

    def _rates(self, first: int, last: int) -> Array:
        """The growth per step between two slots, (vector, replica); 0 for volumes that vanish."""
        sums, record = np.where(self.vanished, 0.0, self.sums), self.record
        return np.asarray((sums[last] - sums[first]) / (record[last] - record[first]))

    def _error(self, weights: Array) -> Array:
        """The standard errors of weighted sums of the exponents: over replicas, or over the stretches of a single one."""
        if self.sums.shape[2] > 1:
            return standard_error(self._rates(0, -1).T @ weights.T)
        stretches = np.array([self._rates(slot, slot + 1)[:, 0] for slot in range(self.record.size - 1)])
        return standard_error(stretches @ weights.T)


def standard_error(values: Array) -> Array:
    """The standard error of a mean over rows; NaN from a single one."""
    if len(values) < 2:
        return np.full(values.shape[1], np.nan)
    return np.asarray(values.std(axis=0, ddof=1) / np.sqrt(len(values)))
