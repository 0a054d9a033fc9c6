r"""The point whose fate is asked for: where it is, whether SGD can rest there, and the mean Hessian $\mathbb E\,\nabla^2\ell$ at it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import sympy
from numpy.typing import NDArray
from sympy import Expr, ImmutableDenseMatrix

from numerics.generate import function_of_arrays
from numerics.quadrature import has_quadrature, rules
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


def hessian_values(matrix: ImmutableDenseMatrix, values: Sequence[Mapping[Expr, float]]) -> Array:
    """The numbers of the mean Hessian, shape (point, parameter, parameter)."""
    symbols = tuple(sorted({s for s in values[0] if matrix.has(s)}, key=str))
    function = _with_quadrature(matrix, symbols) if has_quadrature(list(matrix)) else _closed(matrix, symbols)
    done: dict[tuple[float, ...], Array] = {}
    for numbers in values:
        if (key := tuple(numbers[symbol] for symbol in symbols)) not in done:
            done[key] = function(*key)
    return np.stack([done[tuple(numbers[symbol] for symbol in symbols)] for numbers in values])


def _closed(matrix: ImmutableDenseMatrix, symbols: Sequence[Expr]) -> Callable[..., Array]:
    function = sympy.lambdify(symbols, matrix, ["scipy", "numpy"])
    return lambda *numbers: np.asarray(function(*numbers), dtype=float)


def _with_quadrature(matrix: ImmutableDenseMatrix, symbols: tuple[Expr, ...]) -> Callable[..., Array]:
    side = function_of_arrays(list(matrix), (), symbols, "the mean Hessian")
    nodes = rules(set(side.dimensions), refinement=2)

    def evaluated(*numbers: float) -> Array:
        found = np.empty(len(matrix))
        side.kernel(np.zeros(0), np.array(numbers, dtype=float), found, *nodes)
        return found.reshape(matrix.shape)

    return evaluated
