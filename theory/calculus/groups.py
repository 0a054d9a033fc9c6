r"""Averages over data vectors with independent standard Gaussian entries, and over Gaussian fields, at any dimension n.

Gaussian integration by parts in R^n needs no limit. With z ~ N(0, sigma^2 I_n) and F a function of inner products,
E[<z, z> F] = sigma^2 (n E F + E z.grad_z F),     E[<z, z'> F] = sigma^2 E z'.grad_z F,
and what is left are inner products <z, b> with fixed vectors: jointly Gaussian, averaged by Isserlis' theorem. The
same rule with the covariance of a field (Wick's rule) averages F(p), <grad F(p), b> and <grad F(p), grad F(q)>.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sympy import Expr
from sympy.polys.rings import PolyElement

from theory.algebra import Algebra
from theory.errors import NonGaussianData, UnsupportedExpectation
from theory.fields import FieldGradient, FieldValue, GaussianField
from theory.vectors import InnerProduct, Vector

Powers = tuple[tuple[Expr, int], ...]


class IntegrationByParts:
    """Moments of a family of jointly Gaussian quantities, by recursive Gaussian integration by parts.

    Subclasses say how one factor is contracted with another; `contract(first, other)` returns the pairs
    (coefficient expression, replacement factors) that arise from differentiating `other` along `first`, and
    `trace(first)` the contribution of `first` with itself.
    """

    def __init__(self, symbols: tuple[Expr, ...], known: Mapping[Expr, Expr]) -> None:
        self.symbols, self.known = symbols, known
        self._memory: dict[Powers, PolyElement] = {}
        self._ring: Any = None

    def moment(self, exponents: tuple[int, ...], algebra: Algebra) -> PolyElement:
        """E of the product of symbol**exponent, a ring element in the dimension and in fixed inner products."""
        if self._ring is not algebra.ring:
            self._ring, self._memory = algebra.ring, {}
        powers = tuple((s, e) for s, e in zip(self.symbols, exponents, strict=True) if e)
        return self._average(dict(powers), algebra)

    def hints(self) -> list[Expr]:
        """Expressions whose symbols are likely to occur in the moments: dimensions and inner products of fixed vectors."""
        raise NotImplementedError

    def _average(self, powers: dict[Expr, int], algebra: Algebra) -> PolyElement:
        if not powers:
            return algebra.ring.one
        key = tuple(sorted(powers.items(), key=lambda item: str(item[0])))
        if key in self._memory:
            return self._memory[key]
        first = max(powers, key=lambda factor: (self.rank(factor), str(factor)))
        rest = _lowered(powers, first)
        total = algebra.ring.zero
        trace = self.trace(first)
        if trace != 0:
            total += self._coefficient(trace, algebra) * self._average(rest, algebra)
        for other, power in rest.items():
            remaining = _lowered(rest, other)
            for coefficient, factors in self.contract(first, other):
                if coefficient == 0:
                    continue
                raised = dict(remaining)
                for factor in factors:
                    raised[factor] = raised.get(factor, 0) + 1
                total += power * self._coefficient(coefficient, algebra) * self._average(raised, algebra)
        self._memory[key] = total
        return total

    def _coefficient(self, expression: Any, algebra: Algebra) -> PolyElement:
        return algebra.element(expression.xreplace(self.known) if isinstance(expression, Expr) else expression)

    def rank(self, factor: Expr) -> int:
        """Quadratic factors (rank 1) are contracted before linear ones (rank 0)."""
        raise NotImplementedError

    def trace(self, first: Expr) -> Any:
        """What `first` gives by itself."""
        raise NotImplementedError

    def contract(self, first: Expr, other: Expr) -> list[tuple[Any, tuple[Expr, ...]]]:
        """What differentiating `other` along `first` gives."""
        raise NotImplementedError


def _lowered(powers: dict[Expr, int], factor: Expr) -> dict[Expr, int]:
    lowered = dict(powers)
    lowered[factor] -= 1
    if not lowered[factor]:
        del lowered[factor]
    return lowered


class IsotropicGroup(IntegrationByParts):
    """Inner products that involve data vectors with i.i.d. centred Gaussian entries; `variance[z]` is that of an entry."""

    def __init__(
        self, symbols: tuple[InnerProduct, ...], variance: Mapping[Vector, Expr], known: Mapping[Expr, Expr]
    ) -> None:
        super().__init__(symbols, known)
        self.variance = variance

    def hints(self) -> list[Expr]:
        sides = {v for product in self.symbols for v in product.args}
        fixed = sorted((v for v in sides if v not in self.variance), key=str)
        grams = [InnerProduct(a, b) for i, a in enumerate(fixed) for b in fixed[i:] if a.dimension == b.dimension]
        found = [self.known.get(gram, gram) for gram in grams]
        return found + list(self.variance.values()) + [z.dimension for z in self.variance]

    def rank(self, factor: Expr) -> int:
        return int(factor.left in self.variance and factor.right in self.variance)

    def trace(self, first: Expr) -> Any:
        left, right = first.args
        return self.variance[left] * left.dimension if left == right else 0

    def contract(self, first: Expr, other: Expr) -> list[tuple[Any, tuple[Expr, ...]]]:
        z = first.left if first.left in self.variance else first.right
        partner = first.other(z)
        if not other.involves(z):
            return []
        far = other.other(z)
        product = InnerProduct(partner, far)
        factor = self.variance[z] * (2 if far == z else 1)
        if partner in self.variance or far in self.variance:
            return [(factor, (product,))]
        return [(factor * product, ())]


class FieldGroup(IntegrationByParts):
    """Values and gradients of independent Gaussian fields: F(p), <grad F(p), b>, <grad F(p), grad H(q)>."""

    def hints(self) -> list[Expr]:
        points = {s.point for s in self.symbols if isinstance(s, FieldValue)}
        points |= {v.point for s in self.symbols if isinstance(s, InnerProduct) for v in s.args if _is_gradient(v)}
        ordered = sorted(points, key=str)
        grams = [InnerProduct(a, b) for i, a in enumerate(ordered) for b in ordered[i:] if a.dimension == b.dimension]
        return [self.known.get(gram, gram) for gram in grams] + [p.dimension for p in ordered]

    def rank(self, factor: Expr) -> int:
        return int(isinstance(factor, InnerProduct) and all(_is_gradient(v) for v in factor.args))

    def _kappa(self, field: GaussianField, p: Vector, q: Vector, derivative: int) -> Expr:
        argument = InnerProduct(p, q)
        return field.covariance(self.known.get(argument, argument), derivative=derivative)

    def trace(self, first: Expr) -> Any:
        if not self.rank(first):
            return 0
        left, right = first.args
        if left.field != right.field:
            return 0
        field, p, q = left.field, left.point, right.point
        return self._kappa(field, p, q, 1) * p.dimension + self._kappa(field, p, q, 2) * InnerProduct(p, q)

    def contract(self, first: Expr, other: Expr) -> list[tuple[Any, tuple[Expr, ...]]]:
        """Covariances of F(p), or of grad F(p) contracted with a vector b, with each linear factor of F inside `other`."""
        value = isinstance(first, FieldValue)
        source, b = (first, None) if value else _oriented(first)
        field, p = source.field, source.point
        found: list[tuple[Any, tuple[Expr, ...]]] = []
        for factor_field, q, direction in _linear_factors(other):
            if factor_field != field:
                continue
            if direction is None:  # Cov(F(p), F(q)) = kappa, Cov(<grad F(p), b>, F(q)) = kappa' <q, b>
                covariance = (
                    [(self._kappa(field, p, q, 0), ())] if b is None else _pair(self._kappa(field, p, q, 1), q, b)
                )
            elif b is None:  # Cov(F(p), <grad F(q), a>) = kappa' <p, a>
                covariance = _pair(self._kappa(field, p, q, 1), p, direction)
            else:  # Cov(<grad F(p), b>, <grad F(q), a>) = kappa' <a, b> + kappa'' <p, a> <q, b>
                covariance = _pair(self._kappa(field, p, q, 1), direction, b)
                second = self._kappa(field, p, q, 2)
                for ca, fa in _pair(1, p, direction):
                    for cb, fb in _pair(1, q, b):
                        covariance.append((second * ca * cb, fa + fb))
            found.extend(covariance)
        return found


def _is_gradient(vector: Any) -> bool:
    return isinstance(vector, FieldGradient)


def _pair(coefficient: Any, a: Vector, b: Vector) -> list[tuple[Any, tuple[Expr, ...]]]:
    product = InnerProduct(a, b)
    if _is_gradient(a) or _is_gradient(b):  # still random: a factor to contract further
        return [(coefficient, (product,))]
    return [(coefficient * product, ())]


def _oriented(product: Expr) -> tuple[FieldGradient, Vector]:
    left, right = product.args
    return (left, right) if _is_gradient(left) else (right, left)


def _linear_factors(factor: Expr) -> list[tuple[GaussianField, Vector, Vector | None]]:
    """The ways in which `factor` is linear in a field: (field, point, direction of its gradient or None for its value)."""
    if isinstance(factor, FieldValue):
        return [(factor.field, factor.point, None)]
    left, right = factor.args
    # differentiating <grad F(p), grad H(q)> leaves the other gradient as the direction
    return [(a.field, a.point, b) for a, b in ((left, right), (right, left)) if _is_gradient(a)]


def isotropic_variance(law: Any, vector: Vector) -> Expr:
    """The variance of an entry of a data vector; raises `NonGaussianData` unless its entries are centred Gaussian."""
    from theory.laws import Normal

    name = vector.name.partition("#")[0]  # copies of a sample carry a number that the user never wrote
    if not isinstance(law, Normal) or law.moment(1) != 0:
        raise NonGaussianData(
            f"the entries of {name} have the law {law}; this derivation needs centred Gaussian entries, "
            f"{name}: Normal() or Normal(0, variance). Put means into the input as centre + {name}, "
            f"and simulate other laws directly"
        )
    return law.moment(2)


def refuse_mixed(product: InnerProduct, data_vectors: set[Vector]) -> None:
    """A field gradient times a data vector has no rule here."""
    kinds = [isinstance(v, FieldGradient) for v in product.args]
    if any(kinds) and any(v in data_vectors for v in product.args):
        raise UnsupportedExpectation(
            f"{product} pairs a field gradient with a data vector, which is not covered; state the "
            f"field and the data in different models"
        )
