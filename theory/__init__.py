"""The language and the derivations: state a model once, derive what theory predicts for SGD on it.

Everything public is listed here and loaded on first use, so that `import theory` stays light.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

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
if TYPE_CHECKING:  # the same list once more for type checkers, which do not run __getattr__; a test compares the two
    from theory.algorithm import (
        GD as GD,
    )
    from theory.algorithm import (
        SGD as SGD,
    )
    from theory.algorithm import (
        DecoupledDecay as DecoupledDecay,
    )
    from theory.algorithm import (
        HeavyBall as HeavyBall,
    )
    from theory.algorithm import (
        Nesterov as Nesterov,
    )
    from theory.algorithm import (
        NesterovLookahead as NesterovLookahead,
    )
    from theory.algorithm import (
        Sampling as Sampling,
    )
    from theory.algorithm import (
        SoftThreshold as SoftThreshold,
    )
    from theory.algorithm import (
        Sphere as Sphere,
    )
    from theory.algorithm import (
        bernoulli as bernoulli,
    )
    from theory.algorithm import (
        persistent as persistent,
    )
    from theory.calculus import (
        gradient as gradient,
    )
    from theory.calculus import (
        one_step_increment as one_step_increment,
    )
    from theory.equations import (
        ODE as ODE,
    )
    from theory.equations import (
        SDE as SDE,
    )
    from theory.equations import (
        Assumption as Assumption,
    )
    from theory.equations import (
        Boundary as Boundary,
    )
    from theory.equations import (
        Clock as Clock,
    )
    from theory.equations import (
        Equations as Equations,
    )
    from theory.equations import (
        RandomMap as RandomMap,
    )
    from theory.equations import (
        Recurrence as Recurrence,
    )
    from theory.equations import (
        Status as Status,
    )
    from theory.equations import (
        Step as Step,
    )
    from theory.errors import (
        AlgorithmNotCovered as AlgorithmNotCovered,
    )
    from theory.errors import (
        DataNormInGradient as DataNormInGradient,
    )
    from theory.errors import (
        DerivationError as DerivationError,
    )
    from theory.errors import (
        DimensionMismatch as DimensionMismatch,
    )
    from theory.errors import (
        DuplicateName as DuplicateName,
    )
    from theory.errors import (
        FieldOrder as FieldOrder,
    )
    from theory.errors import (
        HierarchyNotClosed as HierarchyNotClosed,
    )
    from theory.errors import (
        ImpossibleStart as ImpossibleStart,
    )
    from theory.errors import (
        InvalidAlgorithm as InvalidAlgorithm,
    )
    from theory.errors import (
        InvalidData as InvalidData,
    )
    from theory.errors import (
        InvalidLaw as InvalidLaw,
    )
    from theory.errors import (
        InvalidRequest as InvalidRequest,
    )
    from theory.errors import (
        MissingValue as MissingValue,
    )
    from theory.errors import (
        ModelError as ModelError,
    )
    from theory.errors import (
        MomentDoesNotExist as MomentDoesNotExist,
    )
    from theory.errors import (
        NonGaussianData as NonGaussianData,
    )
    from theory.errors import (
        NonPolynomialUpdate as NonPolynomialUpdate,
    )
    from theory.errors import (
        NotClosed as NotClosed,
    )
    from theory.errors import (
        NotDimensionFree as NotDimensionFree,
    )
    from theory.errors import (
        NotReal as NotReal,
    )
    from theory.errors import (
        NotStationary as NotStationary,
    )
    from theory.errors import (
        SamplingNotCovered as SamplingNotCovered,
    )
    from theory.errors import (
        StartUnderdetermined as StartUnderdetermined,
    )
    from theory.errors import (
        SupercriticalStep as SupercriticalStep,
    )
    from theory.errors import (
        TheoryError as TheoryError,
    )
    from theory.errors import (
        UnknownSymbol as UnknownSymbol,
    )
    from theory.errors import (
        UnknownValue as UnknownValue,
    )
    from theory.errors import (
        UnsupportedExpectation as UnsupportedExpectation,
    )
    from theory.errors import (
        ValuesError as ValuesError,
    )
    from theory.expectation import (
        GaussianQuadrature as GaussianQuadrature,
    )
    from theory.expectation import (
        Quadrature as Quadrature,
    )
    from theory.expectation import (
        expectation as expectation,
    )
    from theory.fields import (
        FieldGradient as FieldGradient,
    )
    from theory.fields import (
        FieldValue as FieldValue,
    )
    from theory.fields import (
        GaussianField as GaussianField,
    )
    from theory.laws import (
        Cauchy as Cauchy,
    )
    from theory.laws import (
        Discrete as Discrete,
    )
    from theory.laws import (
        Empirical as Empirical,
    )
    from theory.laws import (
        Exponential as Exponential,
    )
    from theory.laws import (
        Gamma as Gamma,
    )
    from theory.laws import (
        Mixture as Mixture,
    )
    from theory.laws import (
        Normal as Normal,
    )
    from theory.laws import (
        Rademacher as Rademacher,
    )
    from theory.laws import (
        StudentT as StudentT,
    )
    from theory.laws import (
        Uniform as Uniform,
    )
    from theory.model import (
        Model as Model,
    )
    from theory.moments import (
        Moment as Moment,
    )
    from theory.moments import (
        MomentRecurrence as MomentRecurrence,
    )
    from theory.moments import (
        moments as moments,
    )
    from theory.moments import (
        stationary as stationary,
    )
    from theory.networks import (
        MLP as MLP,
    )
    from theory.networks import (
        Attention as Attention,
    )
    from theory.networks import (
        Linear as Linear,
    )
    from theory.networks import (
        Matrix as Matrix,
    )
    from theory.scaling import (
        ScalingLimit as ScalingLimit,
    )
    from theory.scaling import (
        scaling_limit as scaling_limit,
    )
    from theory.update import (
        random_map as random_map,
    )
    from theory.vectors import (
        InnerProduct as InnerProduct,
    )
    from theory.vectors import (
        LinearCombination as LinearCombination,
    )
    from theory.vectors import (
        Vector as Vector,
    )
    from theory.vectors import (
        dot as dot,
    )
    from theory.vectors import (
        symbols as symbols,
    )
    from theory.vectors import (
        vectors as vectors,
    )

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
