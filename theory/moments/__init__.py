"""Exact moment equations of SGD: recurrences, stationary values and their existence."""

from theory.moments.closure import moments
from theory.moments.recurrence import Moment, MomentRecurrence
from theory.moments.stationary import StationaryMoments, stationary

__all__ = ["Moment", "MomentRecurrence", "StationaryMoments", "moments", "stationary"]
