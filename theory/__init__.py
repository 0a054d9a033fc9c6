"""The language and the derivations: state a model once, derive what theory predicts for SGD on it.

Everything public is listed in `__init__.pyi` and loaded on first use, so that `import theory` stays light.
"""

from theory.lazy import attach

__version__ = "0.1.0"
__all__ = attach(__name__, __file__)
