"""High-dimensional scaling limits: ODEs and fluctuations of summary statistics of online SGD."""

from theory.scaling.limit import ScalingLimit, scaling_limit

__all__ = ["ScalingLimit", "scaling_limit"]
