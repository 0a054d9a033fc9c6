"""Evidence of certificates: exact rational arithmetic, intervals, bounds of every rounding error."""
