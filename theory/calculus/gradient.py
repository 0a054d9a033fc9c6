"""Gradients of a loss as dictionaries *vector -> scalar coefficient*: no coordinates, no dimension."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sympy
from sympy import Dummy, Expr, Symbol

from theory.fields import FieldGradient, FieldValue
from theory.model import Model
from theory.vectors import InnerProduct, Vector


class Gradient:
    r"""The gradient of one sample's loss, by parameter.

    `vectors[w]` is a dictionary *vector -> coefficient*: grad_w loss = sum of coefficient * vector, where a vector may be
    a parameter, a signal, a data vector or the gradient of a field. `scalars[s]` is the derivative for a scalar symbol.
    """

    def __init__(self, vectors: Mapping[Vector, Mapping[Vector, Expr]], scalars: Mapping[Symbol, Expr]) -> None:
        self.vectors = {parameter: dict(terms) for parameter, terms in vectors.items()}
        self.scalars = dict(scalars)

    def __getitem__(self, parameter: Any) -> Any:
        return self.vectors[parameter] if isinstance(parameter, Vector) else self.scalars[parameter]

    def __repr__(self) -> str:
        rows = [
            f"grad_{w} = " + " + ".join(f"({c}) {b}" for b, c in terms.items()) for w, terms in self.vectors.items()
        ]
        return "\n".join(rows + [f"d/d{s} = {value}" for s, value in self.scalars.items()])


def gradient(model: Model) -> Gradient:
    r"""Return the gradient of the loss of one sample, without weight decay.

    Each inner product D = <w, b> of the loss is exchanged for a scalar, the loss differentiated, and put back:
    grad_w loss = sum_b (d loss / d<w, b>) (1 + [b = w]) b + sum_F (d loss / dF(w)) grad F(w).

    >>> from theory import Model, Normal, Vector, dot, gradient, symbols
    >>> n = symbols("n", positive=True)
    >>> w, z = Vector("w", n), Vector("z", n)
    >>> gradient(Model(dot(w, z)**2/2, [w], {z: Normal()}))[w]
    {z: dot(w, z)}
    """
    opaque = sorted(model.loss.atoms(InnerProduct, FieldValue), key=str)
    forth = {node: Dummy(f"d{index}", real=True) for index, node in enumerate(opaque)}
    back = {dummy: node for node, dummy in forth.items()}
    loss = model.loss.xreplace(forth)
    vectors: dict[Vector, dict[Vector, Expr]] = {}
    for parameter in model.vector_parameters:
        terms: dict[Vector, Expr] = {}
        for node in opaque:
            if isinstance(node, InnerProduct) and node.involves(parameter):
                other = node.other(parameter)
                factor = 2 if other == parameter else 1
            elif isinstance(node, FieldValue) and node.point == parameter:
                other, factor = FieldGradient(node.field, parameter), 1
            else:
                continue
            derivative = factor * _derivative(loss, forth[node])
            if derivative != 0:
                terms[other] = derivative.xreplace(back)
        vectors[parameter] = terms
    scalars = {symbol: _derivative(loss, symbol).xreplace(back) for symbol in model.scalar_parameters}
    return Gradient(vectors, scalars)


def _derivative(expression: Expr, symbol: Symbol) -> Expr:
    """d expression / d symbol with |x|' = sign(x) and no derivative of a step or of a sign left unevaluated."""
    result = sympy.diff(expression, symbol)
    leftovers = {node: sympy.S.Zero for node in result.atoms(sympy.DiracDelta)}  # a null set of samples
    return result.xreplace(leftovers) if leftovers else result
