"""A block of the linearised dynamics: its curvature, its one-step map, its Lyapunov exponent."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any

import sympy
from sympy import Expr, ImmutableDenseMatrix, S, Symbol

from theory.algorithm import Sampling
from theory.equations import Clock, RandomMap
from theory.errors import AlgorithmNotCovered, MomentDiverges, MomentDoesNotExist, UnsupportedExpectation, ValuesError
from theory.identity import Identified
from theory.laws.parameters import rationalized
from theory.laws.sampler import Sampler
from theory.stability.batches import FRESH, Batch
from theory.stability.closed_form import closed_form
from theory.stability.fixed_point import mean
from theory.stability.logarithm import ExpectedLogarithm
from theory.stability.moment_exponent import moment_exponent
from theory.stability.randomness import Randomness
from theory.update import sample_copies
from theory.vectors import symbols


class ExponentKind(StrEnum):
    """How a Lyapunov exponent is known."""

    CLOSED_FORM = "closed form"
    """A finite sum, or logarithmic potentials of the law."""
    QUADRATURE = "quadrature"
    """A convergent integral, evaluated to a stated accuracy."""
    OPERATOR = "operator"
    """The spectral radius of an operator: a lifted matrix, or a transfer operator refined until two resolutions agree."""
    MONTE_CARLO = "Monte Carlo"
    """Averages over random draws, with a standard error."""


@dataclass(frozen=True)
class OneStep:
    """The scalars of one step on (theta, velocity): theta' = carry theta + drag v + weight g, v' = pull theta + beta v + g.

    The gradient is taken at theta + shift v. Without momentum only `carry` and `weight` matter.
    """

    carry: Expr
    weight: Expr
    drag: Expr = S.Zero
    pull: Expr = S.Zero
    beta: Expr = S.Zero
    shift: Expr = S.Zero
    has_velocity: bool = False

    @property
    def affine(self) -> tuple[ImmutableDenseMatrix, ImmutableDenseMatrix]:
        """C and D of the step A = C (x) 1 + D (x) H, with H the mean curvature of the batch; the state is (theta, velocity)."""
        if not self.has_velocity:
            return ImmutableDenseMatrix([[self.carry]]), ImmutableDenseMatrix([[self.weight]])
        fixed = ImmutableDenseMatrix([[self.carry, self.drag], [self.pull, self.beta]])
        return fixed, ImmutableDenseMatrix([[self.weight, self.weight * self.shift], [1, self.shift]])


@dataclass(frozen=True, eq=False)
class Block(Identified):
    """An invariant subspace of the linearised dynamics.

    `directions`: the coordinates of one copy as combinations of the parameters. `vectors`: their coefficients, one column per dimension
    and copy.
    `curvature`: one sample's Hessian in that basis; a scalar block has a 1 x 1 matrix. `multiplicity`: copies of a block with
    the same curvature. `irreducible`: False where it might split further (`theory.stability.splitting`).
    """

    directions: tuple[Expr, ...]
    vectors: ImmutableDenseMatrix
    curvature: ImmutableDenseMatrix
    randomness: Randomness
    batch: Batch
    step: OneStep
    multiplicity: int = 1
    irreducible: bool = True

    @property
    def label(self) -> Expr:
        """What the block is called: its direction, or the tuple of them."""
        return self.directions[0] if self.size == 1 else sympy.Tuple(*self.directions)

    @property
    def name(self) -> str:
        """The label as a text, `u + w` or `(u, w)`."""
        return str(self.label)

    @property
    def size(self) -> int:
        """The dimension of one copy, velocities not counted."""
        return self.curvature.rows

    @property
    def is_scalar(self) -> bool:
        """Whether one step multiplies a number by a random number: size 1 and no momentum."""
        return self.size == 1 and not self.step.has_velocity

    @property
    def is_neutral(self) -> bool:
        """Whether no sample curves the loss in these directions."""
        return all(entry == 0 for entry in self.curvature)

    @property
    def is_silent(self) -> bool:
        """Whether linear theory says nothing about these directions: neutral, and without decay, so that nothing moves along them."""
        return self.is_neutral and self.step.carry == 1 and self.step.pull == 0

    @cached_property
    def mean_curvature(self) -> ImmutableDenseMatrix | None:
        """The Hessian of the mean loss in the basis of the block; None where the mean does not exist or has no quadrature."""
        try:
            return ImmutableDenseMatrix(self.curvature.applyfunc(lambda entry: mean(entry, self.randomness)))
        except (MomentDoesNotExist, MomentDiverges, UnsupportedExpectation):
            return None

    @cached_property
    def closed_form(self) -> Expr | None:
        """The exponent as an expression, None where there is none (or the block is a matrix)."""
        if not self.is_scalar:
            return None
        return closed_form(self.step.carry, self.step.weight, self.curvature[0, 0], self.randomness, self.batch)

    @property
    def kind(self) -> ExponentKind:
        """How the exponent is known before numbers are put in."""
        if not self.is_scalar:
            from theory.stability.matrix_formulas import matrix_kind  # which builds on blocks

            return matrix_kind(self)
        if self.closed_form is not None:
            return ExponentKind.CLOSED_FORM
        return ExponentKind.MONTE_CARLO if self._holds_sampler else ExponentKind.QUADRATURE

    @property
    def _holds_sampler(self) -> bool:
        """Whether a law of the curvature, or of a mixture's component, can only be drawn."""
        laws = [law for _, law in self.randomness.of(self.curvature).groups]
        return any(isinstance(part, Sampler) for law in laws for part in (law, *getattr(law, "laws", ())))

    @property
    def exponent(self) -> Expr:
        """The exponent of a scalar block: its closed form, or the expectation that defines it.

        Raises `AlgorithmNotCovered` for a matrix block, whose exponents are computed from `random_map()`.
        """
        if not self.is_scalar:
            raise AlgorithmNotCovered(
                f"the block {self.name} is a product of {self.order} x {self.order} matrices, whose exponents have no formula here; "
                f"numerics.solve computes them from block.random_map()"
            )
        return self.definition if self.closed_form is None else self.closed_form

    @property
    def definition(self) -> Expr:
        """E log|carry + weight * mean curvature| of a scalar block."""
        names = tuple(self.randomness.of(self.curvature).symbols)
        return ExpectedLogarithm(self.step.carry, self.step.weight, self.curvature[0, 0], self.batch.size, names)

    def moment_exponent(self, order: Any) -> Expr:
        r"""The moment exponent $L(p)=\log\mathbb E|m|^p$ of a scalar block: its closed form, or the expectation that defines it.

        `order`: a real number p > -1, or a real symbol. Closed are finite laws, even p (a polynomial in the learning rate) and batch
        means with a Gamma law, as of squares of Gaussian numbers. Infinity where the moment does not exist.
        Raises `AlgorithmNotCovered` for a matrix block, `ValuesError` for an order that is not real.
        """
        if not self.is_scalar:
            raise AlgorithmNotCovered(
                f"the block {self.name} is a product of {self.order} x {self.order} matrices, whose moment exponents have no formula "
                f"here; numerics.moment_exponents computes them"
            )
        power = sympy.sympify(order)
        if isinstance(order, bool) or not isinstance(power, Expr) or power.is_real is not True:
            raise ValuesError(f"order={order!r}: expected a real number or a real symbol, the power p in E|m|^p")
        parts = self.step.carry, self.step.weight, self.curvature[0, 0], self.randomness, self.batch
        return moment_exponent(*parts, rationalized(power))

    @property
    def order(self) -> int:
        """The dimension of one copy's state, velocities counted."""
        return self.size * (2 if self.step.has_velocity else 1)

    def random_map(self, batch_size: int | None = None) -> RandomMap:
        """The linear random map of one copy, for batches of independent draws.

        `batch_size` is needed where that of the algorithm is a symbol. Raises `AlgorithmNotCovered` for a symbolic batch size and
        for batches that are not independent draws.
        """
        size = self.batch.size if batch_size is None else sympy.Integer(batch_size)
        if not size.is_Integer:
            raise AlgorithmNotCovered(f"the random map lists the draws of a batch; batch_size={size} must be a number")
        present = self.randomness.of(self.curvature)
        independent = self.batch.mode in FRESH or (self.batch.mode == Sampling.WITHOUT_REPLACEMENT and size == 1)
        if present.groups and not independent:
            raise AlgorithmNotCovered(f"a random map of independent draws does not cover sampling={self.batch.mode}")
        state, speeds = self._state()
        copies = sample_copies(present.symbols, int(size), self._names | {s.name for s in (*state, *speeds)})
        mean_curvature = sum((self.curvature.xreplace(copy) for copy in copies), sympy.zeros(self.size)) / size
        step = self.step
        point = [a + step.shift * v for a, v in zip(state, speeds or [S.Zero] * self.size, strict=True)]
        slopes = list(mean_curvature * sympy.Matrix(point))
        update: dict[Expr, Expr] = {}
        for index, item in enumerate(state):
            speed = speeds[index] if speeds else S.Zero
            update[item] = step.carry * item + step.drag * speed + step.weight * slopes[index]
        for index, speed in enumerate(speeds):
            update[speed] = step.pull * state[index] + step.beta * speed + slopes[index]
        draws = tuple((tuple(copy[s] for s in names), law) for copy in copies for names, law in present.groups)
        return RandomMap(update=update, draws=draws, clock=Clock.STEPS)

    @property
    def _names(self) -> set[str]:
        """The names of everything that the block holds."""
        step = self.step
        parts = (step.carry, step.weight, step.drag, step.pull, step.beta, step.shift, self.batch.size, self.curvature)
        found = set().union(*(sympy.sympify(part).free_symbols for part in parts))
        found = found.union(*(law.free_symbols for _, law in self.randomness.groups))
        return {symbol.name for symbol in found}

    def _state(self) -> tuple[list[Symbol], list[Symbol]]:
        """The coordinates of the block and their velocities, as symbols under names of their own."""
        taken = self._names
        rows = []
        for word in ("mode", "velocity"):
            while any(name.startswith(word) for name in taken):
                word += "_"
            rows.append([symbols(f"{word}_{index}") for index in range(1, self.size + 1)])
        return rows[0], rows[1] if self.step.has_velocity else []

    def content(self) -> tuple[Any, ...]:
        step = self.step
        scalars = (step.carry, step.weight, step.drag, step.pull, step.beta, step.shift, step.has_velocity)
        return self.directions, self.vectors, self.curvature, self.randomness, self.batch, scalars, self.multiplicity

    def __repr__(self) -> str:
        copies = f" x{self.multiplicity}" if self.multiplicity > 1 else ""
        shown = self.curvature[0, 0] if self.size == 1 else self.curvature.tolist()
        return f"Block({self.name}{copies}, size {self.size}, curvature {shown})"
