r"""The point whose fate is asked for: where it is, whether SGD can rest there, and the mean Hessian $\mathbb E\,\nabla^2\ell$ at it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import sympy
from numpy.typing import NDArray
from sympy import Expr, ImmutableDenseMatrix

from theory import SGD, Model, expectation, gradient
from theory.errors import MomentDiverges, MomentDoesNotExist
from theory.stability.fixed_point import residual_gradient

Array = NDArray[np.float64]


def is_at_rest(model: Model, algorithm: SGD, point: Mapping[Expr, Expr]) -> bool:
    r"""Whether a run that has reached the point with empty momentum stays there for every draw, as far as algebra can tell.

    $\nabla\ell(\theta^*; z) + \gamma\theta^* \equiv 0$ in z, no heat, no decay outside the gradient that moves the point.
    """
    if algorithm.temperature != 0 or (algorithm.proximal is not None and any(point.values())):
        return False
    return not residual_gradient(model, algorithm, point)


def mean_hessian(model: Model, point: Mapping[Expr, Expr]) -> ImmutableDenseMatrix | None:
    """The mean over the data of the Hessian of the loss at the point, decay not included; None if an average does not exist.

    >>> from theory import Cauchy, Model, Normal, symbols
    >>> u, w, x, y, k = symbols("u w x y k")
    >>> mean_hessian(Model((u*w*x - k*x)**2/2, [u, w], {x: Normal()}), {u: 0, w: 0})
    Matrix([
    [ 0, -k],
    [-k,  0]])
    >>> mean_hessian(Model((u*w - y)**2/2, [u, w], {y: Cauchy()}), {u: 0, w: 0}) is None
    True
    """
    slopes, data, parameters = gradient(model).scalars, dict(model.data), model.scalar_parameters
    rows = [[sympy.diff(slopes[a], b).xreplace(dict(point)) for b in parameters] for a in parameters]
    try:
        means = [[expectation(entry, data) for entry in row] for row in rows]
    except (MomentDoesNotExist, MomentDiverges):
        return None
    matrix = ImmutableDenseMatrix(means)
    undefined = (sympy.S.NaN, sympy.zoo, sympy.oo, -sympy.oo, sympy.DiracDelta, sympy.Derivative)
    return None if matrix.has(*undefined) else matrix
