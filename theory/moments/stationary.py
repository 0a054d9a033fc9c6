"""The stationary moments in closed form, with the condition under which they exist."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import mpmath
import sympy
from sympy import Expr
from sympy.polys.matrices import DomainMatrix
from sympy.polys.matrices.exceptions import DMNonInvertibleMatrixError

from theory.equations import Boundary, Clock
from theory.errors import InvalidRequest, MomentDoesNotExist, NotStationary, UnknownValue
from theory.moments.recurrence import Moment, MomentRecurrence
from theory.vectors import InnerProduct


@dataclass(frozen=True)
class StationaryMoments:
    """`values`: moment -> stationary value. `boundaries`: where each degree's block loses stability (det(I - T_k) = 0).

    The values are meaningful only where the spectral radius of every block of even degree is below one; `boundaries`
    vanish where that first fails as the learning rate grows from zero.
    """

    values: Mapping[Moment, Expr]
    boundaries: Mapping[int, Boundary]
    observables: Mapping[str, Expr]

    @property
    def lines(self) -> tuple[tuple[Any, Expr], ...]:
        """The stationary moments as pairs (moment, value), in order."""
        return tuple(self.values.items())

    def to_latex(self) -> str:
        r"""The stationary moments as a LaTeX `aligned` block, then where the moments of each degree stop to exist.

        >>> from sympy import Symbol
        >>> x, s = Symbol("x"), Symbol("s")
        >>> boundary = Boundary(expression=s - 2, sides=("stable", "unstable"))
        >>> print(StationaryMoments({Moment(x**2): s/2}, {2: boundary}, {}).to_latex())
        \begin{aligned} \mathbb{E}\left[x^{2}\right] &= \frac{s}{2} \\ \text{degree 2 loses stability at } 0 &= s - 2 \end{aligned}
        """
        rows = [f"{sympy.latex(moment)} &= {sympy.latex(value)}" for moment, value in self.lines]
        rows += [
            rf"\text{{degree {degree} loses stability at }} 0 &= {sympy.latex(boundary.expression)}"
            for degree, boundary in self.boundaries.items()
        ]
        body = r" \\ ".join(rows)
        return rf"\begin{{aligned}} {body} \end{{aligned}}"

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {self.to_latex()}$"

    def __str__(self) -> str:
        rows = [f"{moment} = {value}" for moment, value in self.lines]
        rows += [f"degree {k} loses stability where 0 = {b.expression}" for k, b in self.boundaries.items()]
        return "\n".join(rows)


def stationary(recurrence: MomentRecurrence, *, at: Mapping[Any, Any] | None = None) -> StationaryMoments:
    r"""Return the stationary moments m = (I - T)^{-1} c as exact expressions, with their existence condition.

    Parameters: `recurrence` from `moments`; `at`, values for some hyperparameters (exact numbers stay exact).
    Raises `NotStationary` if all hyperparameters of T have numbers and the spectral radius of a homogeneous block (one more
    degree for an odd highest order) is not below one: the linear solve would give finite, wrong numbers.
    Raises `HierarchyNotClosed` if that one more degree does not close.
    Cost: exact linear algebra over rational functions; use `numerics.stationary` for more than about 30 moments.

    >>> from theory import Model, Normal, SGD, moments, stationary, symbols
    >>> eta, s = symbols("eta s", positive=True)
    >>> w, x, e = symbols("w x e")
    >>> m = moments(Model((w*x - s*e)**2/2, [w], {x: Normal(), e: Normal()}), SGD(eta))
    >>> list(stationary(m).values.values())
    [0, -eta*s**2/(3*eta - 2)]
    """
    exact = _exact_values(recurrence, at or {})
    matrix = recurrence.matrix.xreplace(exact)
    constant = recurrence.constant.xreplace(exact)
    size = matrix.shape[0]
    blocks = {
        degree: [i for i, d in enumerate(recurrence.degrees) if d == degree]
        for degree in sorted(set(recurrence.degrees))
    }
    boundaries = {}
    for degree, rows in blocks.items():
        block = matrix.extract(rows, rows)
        if is_numeric(block):
            refuse_unstable(spectral_radius_exact(block), degree)
        contraction = DomainMatrix.from_Matrix(sympy.eye(len(rows)) - block)
        determinant = (-1) ** len(rows) * contraction.domain.to_sympy(contraction.charpoly()[-1])
        boundaries[degree] = Boundary(
            expression=sympy.factor(determinant),
            sides=("unstable", "stable for small learning rates"),
            clock=Clock.STEPS,
            model_hash=recurrence.model_hash,
        )
    if is_numeric(matrix):
        _refuse_odd_without_even(recurrence, exact)
    if matrix.free_symbols and matrix.has(sympy.Float):
        raise InvalidRequest(
            "the moments hold numbers of a data array, so that their symbolic solution has no readable form; give every symbol a "
            "number in at={...}, or use numerics.stationary"
        )
    left = DomainMatrix.from_Matrix(sympy.eye(size) - matrix).to_field()
    right = DomainMatrix.from_Matrix(constant).to_field()
    left, right = left.unify(right)
    try:
        solution = left.lu_solve(right).to_Matrix()
    except DMNonInvertibleMatrixError:
        raise NotStationary(
            1.0,
            "I - T is singular at every value of the symbols: a direction of the parameters is flat (no gradient acts on it), so its "
            "moments keep their start forever. Drop the redundant parameter, or ask for moments of the others with of={...}",
        ) from None
    values = {moment: sympy.factor(solution[i, 0]) for i, moment in enumerate(recurrence.state)}
    observables = {
        name: sympy.factor(value.xreplace(exact).xreplace(values)) for name, value in recurrence.observables.items()
    }
    return StationaryMoments(values, boundaries, observables)


def is_numeric(matrix: Any) -> bool:
    """Whether every hyperparameter and every inner product of fixed vectors has a number."""
    return not matrix.free_symbols and not matrix.has(InnerProduct)


def _refuse_odd_without_even(recurrence: MomentRecurrence, exact: Mapping[Any, Expr]) -> None:
    """A moment of odd degree k exists if those of degree k + 1 do; contraction of its own block says nothing about |x|^k."""
    from theory.moments.closure import moments

    degree = max(recurrence.degrees)
    if degree % 2 == 0:
        return
    order = degree + 1 if recurrence.model.is_explicit else (degree + 1) // 2  # inner products may be of degree two
    try:
        higher = moments(recurrence.model, recurrence.algorithm, order=order)
    except MomentDoesNotExist as error:
        raise NotStationary(
            math.inf,
            f"the existence of moments of odd degree {degree} rests on those of degree {degree + 1}, "
            f"which are infinite: {error}",
        ) from error
    rows = [i for i, d in enumerate(higher.degrees) if d == degree + 1]
    refuse_unstable(spectral_radius_exact(higher.matrix.xreplace(dict(exact)).extract(rows, rows)), degree + 1)


def _exact_values(recurrence: MomentRecurrence, at: Mapping[Any, Any]) -> dict[Expr, Expr]:
    """`at` with exact numbers, keyed by symbols; keys are symbols, inner products or their names."""
    stated = {*recurrence.model.hyperparameters, *recurrence.model.dimensions, *recurrence.algorithm.free_symbols}
    known = {str(symbol): symbol for symbol in sorted({*recurrence.free_symbols, *stated}, key=str)}
    exact = {}
    for key, value in at.items():
        if str(key) not in known:
            raise UnknownValue(
                f"at={{{key}: {value}}}: the moments have no symbol {key}; theirs are {', '.join(known) or 'none'}"
            )
        exact[known[str(key)]] = sympy.nsimplify(value, rational=True)
    return exact


def spectral_radius_exact(block: Any) -> float:
    """The spectral radius of a numeric matrix, in 30 digits."""
    if block.shape == (1, 1):  # mpmath.eig returns another shape here
        return abs(float(block[0, 0]))
    with mpmath.workdps(30):
        values = mpmath.eig(mpmath.matrix(block.evalf(30).tolist()), left=False, right=False)
    return float(max((abs(value) for value in values), default=0))


def refuse_unstable(radius: float, degree: int) -> None:
    """Raise `NotStationary` if the block of this degree does not contract."""
    if not radius < 1:
        raise NotStationary(
            radius,
            f"the moments of degree {degree} have no stationary value: the spectral radius of their "
            f"homogeneous block is {radius:.6g}, not below 1. Lower the learning rate or raise the batch size",
        )
