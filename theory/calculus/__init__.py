"""Dimension-free calculus: gradients, exact increments and averages of functions of inner products."""

from theory.calculus.gradient import Gradient, gradient

__all__ = ["Gradient", "OneStep", "gradient", "one_step_increment"]


def __getattr__(name: str) -> object:
    # `increment` builds on `theory.update`, which builds on `gradient`: loaded on first use to keep the imports one-way
    if name in ("OneStep", "one_step_increment"):
        from theory.calculus import increment

        return getattr(increment, name)
    raise AttributeError(f"module 'theory.calculus' has no attribute {name!r}")
