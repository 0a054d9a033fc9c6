"""The data laws: how the random symbols of a model are drawn.

Every law knows its exact moments, its support, which moments exist, its characteristic function and logarithmic
potential where these have closed forms, and how to draw from it as an expression of standard draws.
Names are imported on first use, so that numpy is only needed by `Empirical`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from theory.laws.density import Density
    from theory.laws.draw import (
        Choice,
        Draw,
        Row,
        Standard,
        StandardExponential,
        StandardGamma,
        StandardNormal,
        StandardSign,
        StandardUniform,
    )
    from theory.laws.empirical import Empirical
    from theory.laws.finite import Discrete, Rademacher
    from theory.laws.gaussian import Normal
    from theory.laws.heavy_tailed import Cauchy, StudentT
    from theory.laws.law import Law, Slot
    from theory.laws.light_tailed import Exponential, Gamma, Uniform
    from theory.laws.mixture import Mixture
    from theory.laws.sampler import Sampler

_MODULE_OF = {
    "Law": "law",
    "Slot": "law",
    "Normal": "gaussian",
    "Rademacher": "finite",
    "Discrete": "finite",
    "Uniform": "light_tailed",
    "Exponential": "light_tailed",
    "Gamma": "light_tailed",
    "StudentT": "heavy_tailed",
    "Cauchy": "heavy_tailed",
    "Mixture": "mixture",
    "Empirical": "empirical",
    "Density": "density",
    "Sampler": "sampler",
    "Draw": "draw",
    "Standard": "draw",
    "StandardNormal": "draw",
    "StandardUniform": "draw",
    "StandardExponential": "draw",
    "StandardGamma": "draw",
    "StandardSign": "draw",
    "Choice": "draw",
    "Row": "draw",
}

__all__ = [
    "Cauchy",
    "Choice",
    "Density",
    "Discrete",
    "Draw",
    "Empirical",
    "Exponential",
    "Gamma",
    "Law",
    "Mixture",
    "Normal",
    "Rademacher",
    "Row",
    "Sampler",
    "Slot",
    "Standard",
    "StandardExponential",
    "StandardGamma",
    "StandardNormal",
    "StandardSign",
    "StandardUniform",
    "StudentT",
    "Uniform",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'theory.laws' has no attribute {name!r}; it has {', '.join(__all__)}")
    value = getattr(import_module(f"theory.laws.{_MODULE_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
