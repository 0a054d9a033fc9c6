r"""The exact one-step increment of inner products: an identity, not an expansion.

With p' = C_p + W_p gbar_p (see `theory.update`),
<p', q'> = <C_p, C_q> + W_q <C_p, gbar_q> + W_p <gbar_p, C_q> + W_p W_q <gbar_p, gbar_q>.
A batch mean is a mean over independent copies of the sample, so each term depends on none, one or two copies.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sympy
from sympy import Expr, S, Symbol

from theory.algorithm import SGD
from theory.calculus.gradient import Gradient, gradient
from theory.errors import AlgorithmNotCovered, UnknownSymbol
from theory.fields import FieldGradient, FieldValue, GaussianField
from theory.model import Model
from theory.update import LinearUpdate, linear_update
from theory.vectors import InnerProduct, Vector, combine, dot, replace_vectors


@dataclass(frozen=True)
class BatchPolynomial:
    """A quantity after one step: `carried` + mean over copies a of `single(a)` + mean over copies a, b of `double(a, b)`.

    `single` is written with copy 1, `double` with copies 1 and 2 of the random symbols (see `copied`); `same` is
    `double` with both copies equal.
    """

    carried: Expr
    single: Expr
    double: Expr
    same: Expr


class OneStep:
    """One step of an algorithm on a model, as a map of vectors and scalars; the source of every exact increment."""

    def __init__(self, model: Model, algorithm: SGD) -> None:
        self.model, self.algorithm = model, algorithm
        self.update: LinearUpdate = linear_update(model, algorithm)
        self.gradient: Gradient = _at_gradient_point(gradient(model), self.update)

    @property
    def moving_vectors(self) -> tuple[Vector, ...]:
        """Trained vectors and their velocities."""
        return tuple(item for item in self.update.items if isinstance(item, Vector))

    @property
    def moving_scalars(self) -> tuple[Symbol, ...]:
        """Trained scalars and their velocities."""
        return tuple(item for item in self.update.items if isinstance(item, Symbol))

    def gradient_terms(self, vector: Vector, copy: int) -> dict[Vector, Expr]:
        """The gradient that moves `vector`, of one copy of the sample: *vector -> coefficient*."""
        terms = self.gradient.vectors[self.update.items[vector].parameter]
        renaming = copied(self.model, copy)
        return {renaming.vector(b): renaming.scalar(c) for b, c in terms.items()}

    def after(self, quantity: Expr) -> BatchPolynomial:
        """The value of an inner product or a scalar of the state after one step."""
        if isinstance(quantity, Symbol):
            return self._scalar_after(quantity)
        if not isinstance(quantity, InnerProduct):
            raise UnknownSymbol(f"{quantity} is neither an inner product nor a trained scalar")
        left, right = quantity.left, quantity.right
        carried_left, carried_right = self._carried(left), self._carried(right)
        single, double, same = S.Zero, S.Zero, S.Zero
        weight_left, weight_right = self._weight(left), self._weight(right)
        if weight_right != 0:
            first_right = combine((c, b) for b, c in self.gradient_terms(right, 1).items())
            single += weight_right * dot(carried_left, first_right)
        if weight_left != 0:
            first_left = combine((c, b) for b, c in self.gradient_terms(left, 1).items())
            single += weight_left * dot(first_left, carried_right)
        if weight_left != 0 and weight_right != 0:
            second_right = combine((c, b) for b, c in self.gradient_terms(right, 2).items())
            double = weight_left * weight_right * dot(first_left, second_right)
            same = weight_left * weight_right * dot(first_left, first_right)
        return BatchPolynomial(dot(carried_left, carried_right), single, double, same)

    def _scalar_after(self, symbol: Symbol) -> BatchPolynomial:
        rule = self.update.items[symbol]
        carried = sympy.Add(*(c * item for item, c in rule.carried.items()))
        single = rule.weight * copied(self.model, 1).scalar(self.gradient.scalars[rule.parameter])
        return BatchPolynomial(carried, single, S.Zero, S.Zero)

    def _carried(self, vector: Vector) -> Any:
        rule = self.update.items.get(vector)
        return vector if rule is None else combine((c, item) for item, c in rule.carried.items())

    def _weight(self, vector: Vector) -> Expr:
        rule = self.update.items.get(vector)
        return S.Zero if rule is None else rule.weight


def _at_gradient_point(grad: Gradient, update: LinearUpdate) -> Gradient:
    """The gradient with every parameter replaced by the point where the optimiser evaluates it."""
    shifted = {p: at for p, at in update.point.items() if list(at) != [p]}
    if not shifted:
        return grad
    images = {p: combine((c, item) for item, c in at.items()) for p, at in shifted.items() if isinstance(p, Vector)}
    scalars = {
        p: sympy.Add(*(c * item for item, c in at.items())) for p, at in shifted.items() if isinstance(p, Symbol)
    }
    if any(isinstance(b, FieldGradient) for terms in grad.vectors.values() for b in terms):
        raise AlgorithmNotCovered(
            "Nesterov momentum evaluates a Gaussian field at a shifted point, which is not covered; "
            "use HeavyBall or NesterovLookahead"
        )

    def move(expression: Expr) -> Expr:
        return replace_vectors(expression, images).xreplace(scalars)

    vectors: dict[Vector, dict[Vector, Expr]] = {}
    for parameter, terms in grad.vectors.items():
        moved = combine((move(c), images[b] if b in images else b) for b, c in terms.items())
        vectors[parameter] = moved.terms
    return Gradient(vectors, {s: move(value) for s, value in grad.scalars.items()})


# ------------------------------------------------------------------------------------------ copies of the random symbols


@dataclass(frozen=True)
class Renaming:
    """A renaming of random symbols, vectors and fields, applied consistently inside products and field values."""

    symbols: dict[Symbol, Symbol]
    images: dict[Vector, Vector]
    fields: dict[GaussianField, GaussianField]

    def vector(self, vector: Vector) -> Vector:
        """The image of a vector; field gradients follow their field."""
        if isinstance(vector, FieldGradient):
            field = vector.field
            return FieldGradient(self.fields[field] if field in self.fields else field, vector.point)
        return self.images.get(vector, vector)

    def scalar(self, expression: Expr) -> Expr:
        """The image of an expression."""
        products = {p: InnerProduct(*map(self.vector, p.args)) for p in expression.atoms(InnerProduct)}
        values = {v: FieldValue(self.fields.get(v.field, v.field), v.point) for v in expression.atoms(FieldValue)}
        return expression.xreplace({**self.symbols, **products, **values})

    def inverse(self) -> Renaming:
        """The renaming that undoes this one."""
        return Renaming(
            *({image: name for name, image in part.items()} for part in (self.symbols, self.images, self.fields))
        )


def copied(model: Model, index: int) -> Renaming:
    """The renaming of every random quantity of `model` to its copy number `index`."""
    symbols: dict[Symbol, Symbol] = {}
    images: dict[Vector, Vector] = {}
    fields: dict[GaussianField, GaussianField] = {}
    for name in model.random:
        text = f"{name.name}#{index}"
        if isinstance(name, Vector):
            images[name] = Vector(text, name.dimension)
        elif isinstance(name, GaussianField):
            fields[name] = GaussianField._from_kernel(text, name.kernel)
        else:
            symbols[name] = Symbol(text, real=True)
    return Renaming(symbols, images, fields)


def one_step_increment(model: Model, algorithm: SGD, quantity: Any) -> Expr:
    """Return the exact change of an inner product (or trained scalar) in one step on a batch of one sample.

    Formula: Delta<p, q> = -delta (<g_p, q> + <p, g_q>) + delta^2 <g_p, g_q> for plain SGD; an identity for every
    realised sample, in which the random symbols of the model stay.

    >>> from theory import Model, Normal, SGD, Vector, dot, one_step_increment, symbols
    >>> n, eta = symbols("n eta", positive=True)
    >>> w, z = Vector("w", n), Vector("z", n)
    >>> model = Model(dot(w, z)**2/2, [w], {z: Normal()})
    >>> one_step_increment(model, SGD(eta), dot(w, w))
    eta**2*dot(w, z)**2*dot(z, z) - 2*eta*dot(w, z)**2
    """
    if algorithm.batch_size != 1:
        raise AlgorithmNotCovered(
            f"one_step_increment is the identity for one sample; batch_size={algorithm.batch_size} "
            f"is averaged by finite_size_drift and moments"
        )
    expression = sympy.sympify(quantity)
    step = OneStep(model, algorithm)
    parts = {
        node: step.after(node)
        for node in expression.atoms(InnerProduct, Symbol)
        if isinstance(node, InnerProduct) or node in step.moving_scalars
    }
    back = copied(model, 1).inverse()
    new = {node: part.carried + back.scalar(part.single + part.same) for node, part in parts.items()}
    return sympy.expand(expression.xreplace(new) - expression)
