"""Averages of functions of inner products over one sample, or over several independent copies of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import product
from typing import Any

import sympy
from sympy import Dummy, Expr, S, Symbol

from theory.algebra import NotPolynomial
from theory.calculus.groups import FieldGroup, IsotropicGroup, isotropic_variance, refuse_mixed
from theory.calculus.increment import copied
from theory.errors import DataNormInGradient, FieldOrder, UnsupportedExpectation
from theory.expectation import GaussianGroup, LawGroup, average, average_polynomial
from theory.fields import FieldGradient, FieldValue, GaussianField
from theory.model import Model
from theory.statement import outcome_vectors
from theory.vectors import InnerProduct, Vector, replace_vectors


class SampleAverage:
    """E over independent copies of the sample of a vector model, exact at any dimension where it is polynomial.

    `copies` are the copy numbers that the expressions may hold (see `theory.calculus.increment.copied`).
    """

    def __init__(self, model: Model, copies: Iterable[int] = (1, 2)) -> None:
        self.model = model
        self.known = dict(model.fixed)
        self.renamings = [copied(model, index) for index in copies]
        self.laws: list[tuple[tuple[Any, ...], Any]] = []
        self.class_laws: list[tuple[tuple[Any, ...], Any]] = []
        self.vector_laws: dict[Vector, Any] = {}
        self.fields: list[GaussianField] = []
        for renaming in self.renamings:
            for names, law in model.data:
                images = tuple(self._image(renaming, name) for name in names)
                if isinstance(images[0], GaussianField):
                    self.fields.append(images[0])
                elif outcome_vectors(law) or (len(images) > 1 and any(isinstance(name, Vector) for name in images)):
                    self.class_laws.append((images, law))
                elif isinstance(images[0], Vector):
                    self.vector_laws[images[0]] = law
                else:
                    self.laws.append((images, law))

    @staticmethod
    def _image(renaming: Any, name: Any) -> Any:
        if isinstance(name, GaussianField):
            return renaming.fields[name]
        return renaming.images[name] if isinstance(name, Vector) else renaming.symbols[name]

    # ------------------------------------------------------------------------------------------------- exact average

    def exact(self, expression: Expr) -> Expr:
        """E of an expression that is polynomial in the random quantities, the dimension symbolic.

        Raises `theory.algebra.NotPolynomial` otherwise.
        """
        total = []
        for probability, image in self.classes(expression):
            total.append(probability * average_polynomial(image, self.groups([image])))
        return sympy.Add(*total)

    def leading(self, expression: Expr) -> Expr:
        """E of an expression after `<z, z>` has become n sigma^2: its leading order in the dimension."""
        total = []
        for power, coefficient in self.concentrated(expression).items():
            for probability, image in self.classes(coefficient):
                try:
                    value = average_polynomial(image, self.groups([image]))
                except NotPolynomial:
                    value = average(image, self._projection_groups(image))
                total.append(self.dimension**power * probability * value)
        return sympy.Add(*total)

    def concentrated(self, expression: Expr) -> dict[int, Expr]:
        """`expression` by powers of n, with self-contractions of the high-dimensional noise at their leading order.

        <z, z> becomes n sigma^2, <z, z'> and its like 0, <grad F(p), grad F(q)> becomes n kappa'(<p, q>). Raises
        `DataNormInGradient` if a norm stands inside a non-polynomial function.
        """
        images: dict[Expr, Expr] = {}
        mark = Dummy("n", positive=True)
        for node in expression.atoms(InnerProduct):
            left, right = node.args
            if left in self.vector_laws and right in self.vector_laws:
                images[node] = isotropic_variance(self.vector_laws[left], left) * mark if left == right else S.Zero
            elif isinstance(left, FieldGradient) and isinstance(right, FieldGradient):
                gram = InnerProduct(left.point, right.point)
                value = left.field.covariance(self.known.get(gram, gram), derivative=1) * mark
                images[node] = value if left.field == right.field else S.Zero
        marked = expression.xreplace(images)
        powers: dict[int, Expr] = {}
        for power in range(9):
            constant = marked.xreplace({mark: S.Zero})
            if constant != 0:
                powers[power] = constant
            if not marked.has(mark):
                return powers
            marked = sympy.diff(marked, mark) / (power + 1)
        raise DataNormInGradient(
            "the squared norm of a data vector enters the loss inside a non-polynomial function; the "
            "derivation covers it only as a polynomial factor"
        )

    @property
    def dimension(self) -> Expr:
        """The dimension of the trained and of the data vectors."""
        vectors = [*self.vector_laws, *self.model.vector_parameters]
        return vectors[0].dimension

    # --------------------------------------------------------------------------------------------- classes and groups

    def classes(self, expression: Expr) -> Iterator[tuple[Expr, Expr]]:
        """The expression in each class of the sample, with its probability: laws over vectors are enumerated."""
        involved = [(names, law) for names, law in self.class_laws if self._involves(expression, names)]
        for _, law in involved:
            if not law.is_finite or any(law_width(law)):
                raise UnsupportedExpectation(
                    f"the data set {law} fixes vectors of a given width; work in coordinates: model.components()"
                )
        for outcomes in product(*(law.outcomes() for _, law in involved)):
            probability: Expr = S.One
            vectors: dict[Vector, Any] = {}
            scalars: dict[Symbol, Expr] = {}
            for (names, _), (value, weight) in zip(involved, outcomes, strict=True):
                probability *= weight
                entries = value if isinstance(value, (tuple, sympy.Tuple)) else (value,)
                for name, entry in zip(names, entries, strict=True):
                    (vectors if isinstance(name, Vector) else scalars)[name] = entry
            yield probability, replace_vectors(expression, vectors).xreplace(scalars).xreplace(self.known)

    @staticmethod
    def _involves(expression: Expr, names: tuple[Any, ...]) -> bool:
        return bool(expression.atoms(Vector) & set(names)) or bool(expression.free_symbols & set(names))

    def groups(self, expressions: Iterable[Expr]) -> list[Any]:
        """The independent groups of random quantities that occur in some expressions."""
        products: set[InnerProduct] = set()
        field_symbols: set[Expr] = set()
        scalars: set[Any] = set()
        for expression in expressions:
            scalars |= expression.free_symbols
            for node in expression.atoms(InnerProduct):
                refuse_mixed(node, set(self.vector_laws))
                if any(isinstance(v, FieldGradient) for v in node.args):
                    field_symbols.add(node)
                elif any(v in self.vector_laws for v in node.args):
                    products.add(node)
            field_symbols |= expression.atoms(FieldValue)
        found: list[Any] = [LawGroup(names, law) for names, law in self.laws if scalars & set(names)]
        if products:
            vectors = {v for node in products for v in node.args if v in self.vector_laws}
            variance = {v: isotropic_variance(self.vector_laws[v], v) for v in sorted(vectors, key=str)}
            found.append(IsotropicGroup(tuple(sorted(products, key=str)), variance, self.known))
        if field_symbols:
            found.append(FieldGroup(tuple(sorted(field_symbols, key=str)), self.known))
        return found

    def _projection_groups(self, expression: Expr) -> list[Any]:
        """Groups for non-polynomial expressions without data norms: projections <z, b> as plain Gaussians."""
        groups: list[Any] = [LawGroup(names, law) for names, law in self.laws if expression.free_symbols & set(names)]
        fields = expression.atoms(FieldValue) | {
            p for p in expression.atoms(InnerProduct) if any(isinstance(v, FieldGradient) for v in p.args)
        }
        if fields:
            self._refuse_nonpolynomial_field(expression, fields)
            groups.append(FieldGroup(tuple(sorted(fields, key=str)), self.known))
        for vector, law in self.vector_laws.items():
            symbols = tuple(sorted((p for p in expression.atoms(InnerProduct) if p.involves(vector)), key=str))
            if symbols:
                variance = isotropic_variance(law, vector)
                covariance = {}
                for a in symbols:
                    for b in symbols:
                        gram = InnerProduct(a.other(vector), b.other(vector))
                        covariance[a, b] = variance * self.known.get(gram, gram)
                groups.append(GaussianGroup(symbols, covariance))
        return groups

    @staticmethod
    def _refuse_nonpolynomial_field(expression: Expr, fields: set[Any]) -> None:
        dummies = {node: Dummy(real=True) for node in fields}
        if not expression.xreplace(dummies).is_polynomial(*dummies.values()):
            names = ", ".join(sorted({str(node) for node in fields}))
            raise FieldOrder(
                f"a Gaussian field enters the loss inside a non-polynomial function (through {names}); the "
                f"derivation covers fields as polynomial factors. Simulate it directly"
            )


def law_width(law: Any) -> tuple[bool, ...]:
    """Which slots of a law are filled by a data array of several columns."""
    return tuple(width > 1 for width in getattr(law, "columns", ()))
