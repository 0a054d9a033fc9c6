r"""One step of the moments of an explicit model: E prod (D_i - eta gbar_i) by set partitions of the batch."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import sympy
from sympy import Expr, S, Symbol
from sympy.polys.rings import PolyElement

from theory.algebra import Algebra, NotPolynomial
from theory.algorithm import SGD, Bernoulli, Sampling
from theory.calculus.gradient import gradient
from theory.errors import NonPolynomialUpdate, SamplingNotCovered
from theory.expectation import Averager, LawGroup, average
from theory.model import Model
from theory.moments.partitions import bernoulli_weight, coarsenings, fresh_weight, set_partitions, subset_weight
from theory.update import linear_update, noise_symbol, refuse_drawn_data_set

COVERED = (Sampling.ONLINE, Sampling.WITH_REPLACEMENT, Sampling.WITHOUT_REPLACEMENT, Sampling.FULL_BATCH)


class CompositeGroup:
    """A law group extended by non-polynomial functions of its symbols, each a random quantity of its own."""

    def __init__(self, group: LawGroup, functions: dict[Symbol, Expr]) -> None:
        self.group, self.functions = group, functions
        self.symbols = (*group.symbols, *functions)

    def hints(self) -> list[Expr]:
        """Expressions whose symbols are likely to occur in the moments."""
        return self.group.hints()

    def moment(self, exponents: tuple[int, ...], algebra: Algebra) -> PolyElement:
        """E of the product, by the expectation engine if a function takes part."""
        plain = len(self.group.symbols)
        if not any(exponents[plain:]):
            return self.group.moment(exponents[:plain], algebra)
        images = {**{s: s for s in self.group.symbols}, **self.functions}
        product = sympy.Mul(*(images[s] ** e for s, e in zip(self.symbols, exponents, strict=True)))
        return algebra.element(average(product, [self.group]))


class ExplicitStep:
    """The update of an explicit model in a form ready for moments; `expected(indices)` averages a product of coordinates."""

    def __init__(self, model: Model, algorithm: SGD) -> None:
        self.model, self.algorithm = model, algorithm
        self.mode = algorithm.sampling_for(model.data_count)
        if self.mode not in COVERED and not isinstance(self.mode, Bernoulli):
            raise SamplingNotCovered(
                f"moments covers independent batches ({', '.join(COVERED)}, bernoulli), not sampling="
                f"{self.mode}; simulate it directly"
            )
        refuse_drawn_data_set(model, algorithm, "moments")
        if self.mode not in (Sampling.ONLINE, Sampling.WITH_REPLACEMENT) and len(model.data) > 1:
            raise SamplingNotCovered(
                f"sampling={self.mode} is covered for one Empirical data set; this model has further random "
                f"symbols besides it"
            )
        self.update = linear_update(model, algorithm)
        self.coordinates: tuple[Symbol, ...] = tuple(self.update.items)
        self.weights = (1,) * len(self.coordinates)
        shift = {p: sympy.Add(*(c * item for item, c in at.items())) for p, at in self.update.point.items()}
        functions: dict[Expr, Symbol] = {}
        self.gradients = {p: self._marked(g, functions).xreplace(shift) for p, g in gradient(model).scalars.items()}
        self.functions = functions
        self.groups = self._groups()
        self.exact = all(getattr(law, "is_exact", True) for _, law in model.data)

    def _marked(self, expression: Expr, functions: dict[Expr, Symbol]) -> Expr:
        """Non-polynomial functions of the data alone become symbols; parameters must enter polynomially."""
        if not expression.free_symbols & set(self.model.random):
            if not expression.is_polynomial(*self.model.parameters):
                raise NonPolynomialUpdate(
                    f"moments needs a gradient polynomial in the parameters; {expression} is not. Expand "
                    f"the loss in powers of the parameters, or simulate it directly"
                )
            return expression
        if expression.is_Symbol:
            return expression
        if (
            expression.is_Add
            or expression.is_Mul
            or (expression.is_Pow and expression.exp.is_Integer and expression.exp > 0)
        ):
            return expression.func(*(self._marked(argument, functions) for argument in expression.args))
        if expression.free_symbols & set(self.model.parameters):
            raise NonPolynomialUpdate(
                f"moments needs a gradient polynomial in the parameters; {expression} is not. Expand the "
                f"loss in powers of the parameters, or simulate it directly"
            )
        return functions.setdefault(expression, Symbol(f"f#{len(functions)}", real=True))

    def _groups(self) -> list[Any]:
        groups: list[Any] = []
        for names, law in self.model.data:
            base = LawGroup(names, law)
            own = {symbol: f for f, symbol in self.functions.items() if f.free_symbols & set(names)}
            joint = [f for f in own.values() if f.free_symbols & (set(self.model.random) - set(names))]
            if joint:
                raise NonPolynomialUpdate(
                    f"{joint[0]} mixes random symbols of different laws non-polynomially; give them one joint law"
                )
            groups.append(CompositeGroup(base, own) if own else base)
        return groups

    @property
    def noise(self) -> list[LawGroup]:
        """Langevin noise on each parameter."""
        if self.algorithm.temperature == 0:
            return []
        from theory.laws import Normal

        law = Normal(0, 2 * self.algorithm.learning_rate * self.algorithm.temperature)
        return [LawGroup((noise_symbol(p),), law) for p in self.model.parameters]

    @property
    def variables(self) -> list[Expr]:
        """Coordinates first, then everything random."""
        random = [s for group in [*self.groups, *self.noise] for s in group.symbols]
        return [*self.coordinates, *random]

    def bind(self, algebra: Algebra) -> BoundExplicitStep:
        """The step with its polynomials in `algebra`."""
        return BoundExplicitStep(self, algebra)


class BoundExplicitStep:
    """An `ExplicitStep` in one algebra, with every batch moment memoised by its sorted index tuple."""

    def __init__(self, step: ExplicitStep, algebra: Algebra) -> None:
        self.step, self.algebra = step, algebra
        self.averager = Averager(algebra, tuple(step.groups))
        self.thermal = Averager(algebra, tuple(step.noise))
        try:
            self.gradients = {p: algebra.element(g) for p, g in step.gradients.items()}
        except NotPolynomial as error:
            raise NonPolynomialUpdate(
                f"moments needs a gradient polynomial in the parameters; {error.part} is not"
            ) from error
        self.carried: list[PolyElement] = []
        self.weighted: list[tuple[PolyElement, Symbol]] = []
        for item, rule in step.update.items.items():
            carried = sympy.Add(*(c * other for other, c in rule.carried.items()))
            if step.algorithm.temperature != 0 and item in step.model.parameters:
                carried += noise_symbol(item)
            self.carried.append(algebra.element(carried))
            self.weighted.append((algebra.element(rule.weight), rule.parameter))
        self._blocks: dict[tuple[Symbol, ...], PolyElement] = {}
        self._batches: dict[tuple[Symbol, ...], PolyElement] = {}

    def expected(self, indices: tuple[int, ...]) -> PolyElement:
        """E of the product of the new coordinates `indices` (with repetition), given the old ones."""
        ring = self.algebra.ring
        total = ring.zero
        slots = range(len(indices))
        for count in range(len(indices) + 1):
            for chosen in combinations(slots, count):
                term = ring.one
                parameters = []
                for slot in slots:
                    if slot in chosen:
                        weight, parameter = self.weighted[indices[slot]]
                        term *= weight
                        parameters.append(parameter)
                    else:
                        term *= self.carried[indices[slot]]
                if term:
                    total += term * self._batch(tuple(sorted(parameters, key=str)))
        return self.thermal.average(total) if self.step.noise else total

    def _block(self, parameters: tuple[Symbol, ...]) -> PolyElement:
        """E over one sample of the product of gradient components."""
        if parameters not in self._blocks:
            product = self.algebra.ring.one
            for parameter in parameters:
                product *= self.gradients[parameter]
            self._blocks[parameters] = self.averager.average(product)
        return self._blocks[parameters]

    def _batch(self, parameters: tuple[Symbol, ...]) -> PolyElement:
        """E over the batch of the product of batch-mean gradient components."""
        if not parameters:
            return self.algebra.ring.one
        if parameters not in self._batches:
            self._batches[parameters] = self._sum_over_partitions(parameters)
        return self._batches[parameters]

    def _sum_over_partitions(self, parameters: tuple[Symbol, ...]) -> PolyElement:
        step, slots = self.step, len(parameters)
        batch, mode, count = step.algorithm.batch_size, step.mode, step.model.data_count
        if mode == Sampling.FULL_BATCH:
            return self._product_of_blocks(parameters, tuple((slot,) for slot in range(slots)))
        if mode in (Sampling.ONLINE, Sampling.WITH_REPLACEMENT):
            if batch == 1:
                return self._block(parameters)
            total = self.algebra.ring.zero
            for partition in set_partitions(slots):
                weight = self.algebra.element(fresh_weight(batch, slots, len(partition)))
                total += weight * self._product_of_blocks(parameters, partition)
            return total
        assert count is not None  # noqa: S101 - sampling_for refuses these modes without a data set
        total = self.algebra.ring.zero
        for partition in set_partitions(slots):
            if isinstance(mode, Bernoulli):
                share: Expr = bernoulli_weight(mode.fraction, count, slots, len(partition))
            else:
                share = subset_weight(batch, count, slots, len(partition))
            if share == S.Zero:
                continue
            distinct = self.algebra.ring.zero
            for moebius, coarser in coarsenings(partition):
                scale = moebius * count ** len(coarser)
                distinct += self._product_of_blocks(parameters, coarser) * self.algebra.element(sympy.Integer(scale))
            total += self.algebra.element(share) * distinct
        return total

    def _product_of_blocks(self, parameters: tuple[Symbol, ...], partition: tuple[tuple[int, ...], ...]) -> PolyElement:
        product = self.algebra.ring.one
        for block in partition:
            product *= self._block(tuple(sorted((parameters[slot] for slot in block), key=str)))
        return product
