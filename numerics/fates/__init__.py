"""Where SGD ends up: direct simulation from a start near a point, each run counted under one of five fates."""

from numerics.fates.counting import Fate, fates, wilson_interval

__all__ = ["Fate", "fates", "wilson_interval"]
