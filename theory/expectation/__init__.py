"""Expectations over the data: exact moments, enumeration, and typed quadrature nodes."""

from theory.expectation.engine import average, average_polynomial, expectation
from theory.expectation.groups import Averager, GaussianGroup, LawGroup
from theory.expectation.quadrature import GaussianQuadrature, Quadrature

__all__ = [
    "Averager",
    "GaussianGroup",
    "GaussianQuadrature",
    "LawGroup",
    "Quadrature",
    "average",
    "average_polynomial",
    "expectation",
]
