"""Numbers from equations: `solve` dispatches on the type of the equations."""

from numerics.solve.dispatch import solve
from numerics.solve.stationary import spectral_radius, stationary

__all__ = ["solve", "spectral_radius", "stationary"]
