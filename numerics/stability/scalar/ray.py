r"""Rules for integrals along a ray t = exp(i angle) r of the complex plane, which a whole grid of points shares.

A batch of S quadratic forms has phi(t)^S with factors (1 - 2 i t s)^(-S/2). A factor with s < 0 overshoots on the ray by up to
cos(angle)^(-S/2), and exp(it) decays as exp(-r sin(angle)): the steepest ray is taken on which the overshoot stays below `OVERSHOOT`, 45
degrees for small batches, an angle of the order of S^(-1/2) for large ones.

Panels double in length from where the integrand begins to vary, and nowhere hold more than a few radians of its phase. They depend on a
point only through the power of two below which its steepest factor lies, so that few rules serve all points.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import exp1

from numerics.stability.scalar.panels import Array, composite

Complex = NDArray[np.complex128]
OVERSHOOT = 2.0**4
"""The largest modulus of phi^S along the ray; rounding errors grow by as much."""
NEGLIGIBLE = 40.0
"""Where the logarithm of the integrand has fallen by so much, the ray ends."""
FARTHEST = 2.0**130
"""Where the ray ends at the latest, in units of the inverse of the steepest slope."""
RADIANS = 3.0
"""The phase that a panel holds; more, where the integrand has fallen."""


@dataclass(frozen=True)
class Ray:
    """What a rule needs to know of its integrands.

    `batch`: S. `factors`: how many factors phi has. `falling`: how many of them may have a negative slope. `frequency`: of
    exp(i frequency t), one or zero. `single`: phi is one product, not a sum of several, so that its steepest factor makes it decay.
    """

    batch: int
    factors: int
    falling: int
    frequency: float
    single: bool

    @property
    def angle(self) -> float:
        """Between the ray and the real axis."""
        if self.batch * self.falling == 0:
            return np.pi / 4
        return float(min(np.pi / 4, np.arccos(OVERSHOOT ** (-2 / (self.batch * self.falling)))))

    @property
    def flattest(self) -> int:
        """The exponent of two below which slopes make no difference to the panels."""
        return -2 - int(np.ceil(np.log2(self.batch * self.factors)))

    def steepness(self, slopes: Array) -> NDArray[np.int64]:
        """The exponent e of each point's steepest slope, 2^(e-1) < |s| <= 2^e; that of the flattest rule for smaller ones."""
        largest = np.maximum(np.abs(slopes), 2.0**self.flattest)
        return np.ceil(np.log2(largest)).astype(np.int64)

    def end(self, steepness: int) -> float:
        """The radius beyond which the integrand is negligible."""
        by_phase = (NEGLIGIBLE + np.log(OVERSHOOT)) / np.sin(self.angle) if self.frequency else FARTHEST
        if not self.single or (steepness == self.flattest and self.frequency):
            return float(by_phase)
        # the modulus of one factor is (1 - 2 x sin(angle) + x^2)^(-S/4) at least so small, x = 2 |s| r
        sine = np.sin(self.angle)
        level = np.exp(4 * (NEGLIGIBLE + np.log(OVERSHOOT)) / self.batch)
        x = sine + np.sqrt(sine**2 + level - 1)
        return float(min(by_phase, x / 2.0**steepness))

    def breaks(self, steepness: int) -> Array:
        """The ends of the panels."""
        slope, sine = 2.0**steepness, np.sin(self.angle)
        begin, end = 0.125 / max(1.0, slope), self.end(steepness)
        found = [0.0]
        while found[-1] < end:
            r = found[-1]
            turning = self.frequency + self.factors * self.batch * min(slope, 0.25 / max(r, 1e-300))
            radians = RADIANS * (1 + self.frequency * r * sine / 3)  # the integrand has fallen by exp(-r sine)
            found.append(r + max(begin, min(r, radians / turning)))
        return np.array(found)


@dataclass(frozen=True)
class Rule:
    r"""Re \int (exp(-t) - exp(i frequency t) f(t)) / t dt = constant - Re sum of coefficients * f(nodes)."""

    nodes: Complex
    coefficients: Complex
    constant: float


@lru_cache(maxsize=512)
def rule_of(ray: Ray, steepness: int, count: int) -> Rule:
    """The rule with `count` nodes per panel for points of the given steepness."""
    breaks = ray.breaks(steepness)
    radii, weights = composite(breaks, count)
    direction = np.exp(1j * ray.angle)
    nodes = direction * radii
    coefficients = weights / radii * np.exp(1j * ray.frequency * nodes)
    # the same nodes for both terms, whose poles at 0 cancel; what the first still has beyond the end is known
    constant = float(weights / radii @ np.exp(-nodes).real + exp1(direction * breaks[-1]).real)
    for array in (nodes, coefficients):
        array.flags.writeable = False
    return Rule(nodes, coefficients, constant)
