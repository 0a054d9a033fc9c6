"""Stability of SGD at a noise-free fixed point: block structure, Lyapunov exponents, phase boundaries."""

from theory.stability.block import Block, ExponentKind
from theory.stability.derivation import Stability, stability
from theory.stability.fixed_point import fixed_points

__all__ = ["Block", "ExponentKind", "Stability", "fixed_points", "stability"]
