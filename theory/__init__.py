"""The language and the derivations: state a model once, derive what theory predicts for SGD on it.

Everything public is listed here and loaded on first use, so that `import theory` stays light.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import Any

__version__ = "0.1.0"

_EXPORTS = {
    "theory.errors": (
        "AlgorithmNotCovered", "DataNormInGradient", "DerivationError", "DimensionMismatch", "DuplicateName",
        "FieldOrder", "HierarchyNotClosed", "ImpossibleStart", "InvalidAlgorithm", "InvalidData", "InvalidLaw",
        "InvalidRequest", "MissingValue", "ModelError", "MomentDoesNotExist", "NonGaussianData",
        "NonPolynomialUpdate", "NotClosed", "NotDimensionFree", "NotReal", "NotStationary", "SamplingNotCovered",
        "StartUnderdetermined", "SupercriticalStep", "TheoryError", "UnknownSymbol", "UnknownValue",
        "UnsupportedExpectation", "ValuesError",
    ),
    "theory.vectors": ("InnerProduct", "LinearCombination", "Vector", "dot", "symbols", "vectors"),
    "theory.fields": ("FieldGradient", "FieldValue", "GaussianField"),
    "theory.laws": (
        "Cauchy", "Discrete", "Empirical", "Exponential", "Gamma", "Mixture", "Normal", "Rademacher", "StudentT", "Uniform",
    ),
    "theory.model": ("Model",),
    "theory.algorithm": (
        "GD", "SGD", "DecoupledDecay", "HeavyBall", "Nesterov", "NesterovLookahead", "Sampling", "SoftThreshold", "Sphere",
        "bernoulli", "persistent",
    ),
    "theory.calculus": ("gradient", "one_step_increment"),
    "theory.equations": (
        "ODE", "SDE", "Assumption", "Boundary", "Clock", "Equations", "RandomMap", "Recurrence", "Status", "Step",
    ),
    "theory.expectation": ("GaussianQuadrature", "Quadrature", "expectation"),
    "theory.scaling": ("ScalingLimit", "scaling_limit"),
    "theory.moments": ("Moment", "MomentRecurrence", "moments", "stationary"),
    "theory.update": ("random_map",),
    "theory.networks": ("MLP", "Attention", "Linear", "Matrix"),
}
_HOME = {name: module for module, names in _EXPORTS.items() for name in names}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'theory' has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*globals(), *__all__]


class _Package(ModuleType):
    """The package object: loading the submodule `theory.moments` must not hide the verb `theory.moments`."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _HOME and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
