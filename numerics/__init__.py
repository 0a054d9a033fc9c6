"""The machine: kernels, solvers, simulators and statistics for the equations that `theory` derives.

Everything public is listed in `__init__.pyi` and loaded on first use, so that `import numerics` stays light.
"""

from theory.lazy import attach

__all__ = attach(__name__, __file__)
