r"""One step of the moments of inner products at any dimension n: exact, by copies of the sample and set partitions."""

from __future__ import annotations

from itertools import product
from typing import Any

import sympy
from sympy import Expr, S, Symbol
from sympy.polys.rings import PolyElement

from theory.algebra import Algebra, NotPolynomial
from theory.algorithm import SGD, Sampling
from theory.calculus.average import SampleAverage
from theory.calculus.increment import BatchPolynomial, OneStep, Renaming
from theory.errors import AlgorithmNotCovered, NonPolynomialUpdate, SamplingNotCovered
from theory.expectation import Averager
from theory.fields import GaussianField
from theory.model import Model
from theory.moments.partitions import fresh_weight, set_partitions
from theory.vectors import InnerProduct, Vector


class GramStep:
    """The update of inner products and trained scalars of a vector model under fresh samples."""

    def __init__(self, model: Model, algorithm: SGD, order: int) -> None:
        mode = algorithm.sampling_for(model.data_count)
        if mode != Sampling.ONLINE:
            raise SamplingNotCovered(
                f"moments of inner products need fresh samples, not sampling={mode}; for a data set work in "
                f"coordinates: model.components()"
            )
        if algorithm.temperature != 0:
            raise AlgorithmNotCovered(
                "moments of inner products do not cover a temperature; work in coordinates: model.components({n: 3})"
            )
        self.model, self.algorithm = model, algorithm
        self.step = OneStep(model, algorithm)
        self.copies = 1 if algorithm.batch_size == 1 else 2 * order
        self.average = SampleAverage(model, range(1, self.copies + 1))
        moving, resting = self.step.moving_vectors, tuple(v for v in model.signals)
        pairs = [(a, b) for i, a in enumerate(moving) for b in (*moving[i:], *resting) if a.dimension == b.dimension]
        self.coordinates: tuple[Expr, ...] = (*(InnerProduct(a, b) for a, b in pairs), *self.step.moving_scalars)
        # degree in what SGD moves: two for <w, w>, one for <w, v>. A linear gradient keeps it, but mixes <w, w> and <w, v>**2
        self.weights = tuple(
            sum(v in moving for v in c.args) if isinstance(c, InnerProduct) else 1 for c in self.coordinates
        )
        self.parts = {c: self._known(self.step.after(c)) for c in self.coordinates}
        self.exact = True

    def _known(self, part: BatchPolynomial) -> BatchPolynomial:
        return BatchPolynomial(
            *(e.xreplace(self.average.known) for e in (part.carried, part.single, part.double, part.same))
        )

    @property
    def variables(self) -> list[Expr]:
        """Coordinates first, then every random quantity that a product of updates can hold."""
        random: set[Expr] = set()
        for part in self.parts.values():
            for number in range(1, self.copies + 1):
                for expression in (part.single, part.same):
                    for _, image in self.average.classes(_renumbered(expression, {1: number}, self.model)):
                        random |= self._random(image)
            if self.copies > 1:
                for pair in product(range(1, self.copies + 1), repeat=2):
                    if pair[0] != pair[1]:
                        renumbered = _renumbered(part.double, {1: pair[0], 2: pair[1]}, self.model)
                        for _, image in self.average.classes(renumbered):
                            random |= self._random(image)
        return [*self.coordinates, *sorted(random, key=str)]

    def _random(self, expression: Expr) -> set[Expr]:
        return {
            symbol for group in self.average.groups([expression]) for symbol in group.symbols if expression.has(symbol)
        }

    def bind(self, algebra: Algebra) -> BoundGramStep:
        """The step with its polynomials in `algebra`."""
        return BoundGramStep(self, algebra)


class BoundGramStep:
    """A `GramStep` in one algebra."""

    def __init__(self, step: GramStep, algebra: Algebra) -> None:
        self.step, self.algebra = step, algebra
        random = algebra.variables[len(step.coordinates) :]
        self.averager = Averager(algebra, tuple(_restricted(step.average.groups(random))))
        self._elements: dict[Expr, PolyElement] = {}

    def expected(self, indices: tuple[int, ...]) -> PolyElement:
        """E of the product of the new coordinates `indices` (with repetition), given the old ones."""
        parts = [self.step.parts[self.step.coordinates[i]] for i in indices]
        batch = self.step.algorithm.batch_size
        if batch == 1:
            return self._average([p.carried + p.single + p.same for p in parts], copies=1)
        total = self.algebra.ring.zero
        for kinds in product(range(3), repeat=len(parts)):
            slots = sum(kinds)
            for partition in set_partitions(slots):
                number = {slot: copy for copy, block in enumerate(partition, start=1) for slot in block}
                factors, used = [], 0
                for part, kind in zip(parts, kinds, strict=True):
                    numbers = [number[used + offset] for offset in range(kind)]
                    used += kind
                    factors.append(self._factor(part, numbers))
                if any(factor == 0 for factor in factors):
                    continue
                weight = self.algebra.element(fresh_weight(batch, slots, len(partition)))
                total += weight * self._average(factors, copies=len(partition))
        return total

    def _factor(self, part: BatchPolynomial, numbers: list[int]) -> Expr:
        model = self.step.model
        if not numbers:
            return part.carried
        if len(numbers) == 1:
            return _renumbered(part.single, {1: numbers[0]}, model)
        if numbers[0] == numbers[1]:
            return _renumbered(part.same, {1: numbers[0]}, model)
        return _renumbered(part.double, {1: numbers[0], 2: numbers[1]}, model)

    def _average(self, factors: list[Expr], copies: int) -> PolyElement:
        total = self.algebra.ring.zero
        joint = sympy.Tuple(*factors)
        for probability, image in self.step.average.classes(joint):
            term = self._element(probability)
            for factor in image.args:
                term *= self._element(factor)
            total += self.averager.average(term)
        return total

    def _element(self, expression: Expr) -> PolyElement:
        if expression not in self._elements:
            try:
                self._elements[expression] = self.algebra.element(expression)
            except NotPolynomial as error:
                raise NonPolynomialUpdate(
                    f"moments of inner products need a loss polynomial in them; {error.part} is not. Use "
                    f"scaling_limit, or simulate directly"
                ) from error
        return self._elements[expression]


def _restricted(groups: list[Any]) -> list[Any]:
    return [group for group in groups if group.symbols]


def _renumbered(expression: Expr, numbers: dict[int, int], model: Model) -> Expr:
    """Copies 1 and 2 of the random quantities renamed to other copy numbers."""
    if expression == S.Zero or all(old == new for old, new in numbers.items()):
        return expression
    symbols: dict[Symbol, Symbol] = {}
    images: dict[Vector, Vector] = {}
    fields: dict[GaussianField, GaussianField] = {}
    for name in model.random:
        for old, new in numbers.items():
            source, target = f"{name.name}#{old}", f"{name.name}#{new}"
            if isinstance(name, Vector):
                images[Vector(source, name.dimension)] = Vector(target, name.dimension)
            elif isinstance(name, GaussianField):
                fields[GaussianField._from_kernel(source, name.kernel)] = GaussianField._from_kernel(
                    target, name.kernel
                )
            else:
                symbols[Symbol(source, real=True)] = Symbol(target, real=True)
    return Renaming(symbols, images, fields).scalar(expression)
