"""Lyapunov exponents in numbers: thresholds, phase diagrams, and the quadratures under them."""
