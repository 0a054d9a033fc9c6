"""Several Lyapunov exponents over a grid: what every road to a spectrum returns."""

from __future__ import annotations

from dataclasses import dataclass

from numerics.stability.problem import Array, Estimate
from theory import ExponentKind


@dataclass(frozen=True)
class Spectrum:
    """The largest exponents over a grid, `values` and `errors` of shape (point, exponent), and how they are known.

    Errors are upper estimates, or standard errors where `kind` says Monte Carlo. `simulated_sum`: of simulated spectra the sum as it
    was found, before it was corrected by the determinant rule.
    """

    values: Array
    errors: Array
    kind: ExponentKind
    simulated_sum: Estimate | None = None

    @property
    def top(self) -> Estimate:
        """The largest exponent."""
        return Estimate(self.values[:, 0], self.errors[:, 0], self.kind)
