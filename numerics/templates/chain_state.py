"""What stands for what in the text of a chain: the names of vectors, scalars and products, and the shape of the frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sympy import Expr, Symbol

from numerics.precision import Precision
from numerics.printer import scalar_function
from numerics.templates.coordinates import Code, CoordinateCode, Row
from numerics.templates.draws import SampleCode, sample_code
from numerics.templates.names import hyperparameter_names, signals_of
from theory import SGD, Model, Nesterov, gradient
from theory.calculus.gradient import Gradient
from theory.fields import FieldGradient, GaussianField
from theory.laws import Normal
from theory.laws.law import Slot
from theory.update import velocity
from theory.vectors import InnerProduct, Vector

LARGEST_UNROLLED = 6
"""Vectors up to which the coordinates are named scalars."""


@dataclass(frozen=True)
class FrameShape:
    """How vectors lie in their frame.

    `sizes` : for every fixed vector, how many leading coordinates it has; a fixed vector adds one, or none if it depends on
    those before. `across` : coordinates of the moving vectors beyond these. `degrees` : the dimensions outside the frame.
    """

    sizes: tuple[int, ...]
    across: int
    degrees: int

    @property
    def along(self) -> int:
        """The rank of the fixed vectors."""
        return max(self.sizes, default=0)

    @property
    def size(self) -> int:
        """The number of coordinates."""
        return self.along + self.across


def gaussian_vectors(model: Model) -> dict[Vector, Expr]:
    """The data vectors with independent centred Gaussian entries, each with its variance."""
    return {
        names[0]: law.moment(2)
        for names, law in model.data
        if isinstance(names[0], Vector) and isinstance(law, Normal) and law.slots == (Slot.SCALAR,)
    }


def chain_vectors(model: Model, algorithm: SGD, statistics: Mapping[str, Expr]) -> tuple[Vector, ...]:
    """Return the vectors of the state in the order of its Gram matrix: trained, their velocities, fixed ones by name.

    >>> from theory import HeavyBall, Model, Normal, SGD, Vector, dot, symbols
    >>> n = symbols("n", positive=True)
    >>> w, v, z = Vector("w", n), Vector("v", n), Vector("z", n)
    >>> model = Model((dot(w, z) - dot(v, z))**2/2, [w], {z: Normal()}, {dot(v, v): 1})
    >>> chain_vectors(model, SGD(1/n, momentum=HeavyBall(0.5)), {"m": dot(w, v)})
    (w, velocity_w, v)
    """
    moving = moving_vectors(model, algorithm)
    return (*moving, *signals_of(model, algorithm, statistics))


def moving_vectors(model: Model, algorithm: SGD) -> tuple[Vector, ...]:
    """The trained vectors, then their velocities."""
    trained = model.vector_parameters
    return trained if algorithm.momentum is None else (*trained, *(velocity(w) for w in trained))


def moving_scalars(model: Model, algorithm: SGD) -> tuple[Symbol, ...]:
    """The trained scalars, then their velocities."""
    trained = model.scalar_parameters
    return trained if algorithm.momentum is None else (*trained, *(velocity(s) for s in trained))


class ChainState:
    """The names in the text of one chain, and the functions that it calls."""

    def __init__(
        self,
        model: Model,
        algorithm: SGD,
        statistics: Mapping[str, Expr],
        values: Mapping[Expr, float],
        shape: FrameShape,
        precision: Precision,
    ) -> None:
        self.model, self.algorithm, self.statistics = model, algorithm, statistics
        self.shape, self.precision = shape, precision
        self.trained, self.moving = model.vector_parameters, moving_vectors(model, algorithm)
        self.scalars, self.moving_scalars = model.scalar_parameters, moving_scalars(model, algorithm)
        self.fixed = signals_of(model, algorithm, statistics)
        self.gradient: Gradient = gradient(model)
        self.hyper_names = hyperparameter_names(model, algorithm, statistics)
        self.gaussians = self._used_gaussians()
        self.points = {field: self._points(field) for field in model.fields if self._points(field)}
        isotropic = gaussian_vectors(model)
        drawn = [
            (names, law) for names, law in model.data if names[0] not in isotropic and names[0] not in model.fields
        ]
        self.sample: SampleCode = sample_code(drawn, self.hyper_names, values, self.fixed, precision=precision)
        self.functions: list[str] = list(self.sample.functions)
        self.code = CoordinateCode(len(self.moving) + len(self.fixed) <= LARGEST_UNROLLED, precision)
        self.code.declare("anchor", len(self.fixed), shape.along)
        self.code.declare("centre", len(self.sample.entries), shape.along)

    def _used_gaussians(self) -> dict[Vector, Expr]:
        """The Gaussian data vectors that any gradient feels."""
        terms = [self.gradient.vectors[w] for w in self.trained]
        coefficients = [*(c for term in terms for c in term.values()), *self.gradient.scalars.values()]
        present = {b for term in terms for b in term}.union(*(c.atoms(Vector) for c in coefficients))
        return {z: variance for z, variance in gaussian_vectors(self.model).items() if z in present}

    def _points(self, field: GaussianField) -> tuple[int, ...]:
        """The trained vectors at which a field is evaluated."""
        return tuple(
            i
            for i, w in enumerate(self.trained)
            if any(isinstance(b, FieldGradient) and b.field == field for b in self.gradient.vectors[w])
        )

    @property
    def is_shifted(self) -> bool:
        """Whether gradients are taken at a point that is not the parameters."""
        return isinstance(self.algorithm.momentum, Nesterov)

    # ----------------------------------------------------------------------------------------------------------- vectors

    def moving_row(self, index: int) -> Row:
        """A trained vector or a velocity; the frame is turned so that row i ends i + 1 columns after the fixed vectors."""
        triangular = self.code.unrolled and self.shape.degrees > 0
        return self.code.row("x", index, self.shape.along + index + 1 if triangular else self.shape.size)

    def point_row(self, index: int) -> Row:
        """Where the gradient of a trained vector is taken."""
        if not self.is_shifted:
            return self.moving_row(index)
        return self.code.row("point", index, self.moving_row(len(self.trained) + index).size)

    def fixed_row(self, vector: Vector) -> Row:
        """A vector that never moves."""
        index = self.fixed.index(vector)
        return self.code.row("anchor", index, self.shape.sizes[index])

    def row(self, vector: Vector, drawn: Mapping[Vector, Row], *, shifted: bool) -> Row:
        """The coordinates of any vector; `drawn` holds those of the Gaussian ones."""
        if vector in drawn:
            return drawn[vector]
        if vector in self.moving:
            index = self.moving.index(vector)
            return self.point_row(index) if shifted else self.moving_row(index)
        if vector in self.fixed:
            return self.fixed_row(vector)
        if not self.code.unrolled:
            return self.code.row("centre", list(self.sample.entries).index(vector), self.shape.along)
        entries = self.sample.entries[vector]  # a random combination of fixed vectors
        return Row(entries.table, entries.row, self.shape.along)

    def centres(self) -> Code:
        """Statements that bring the random combinations of fixed vectors of one sample to where library functions find them."""
        if self.code.unrolled:
            return []
        return [
            line
            for k, entries in enumerate(self.sample.entries.values())
            for line in self.code.each(
                0,
                self.shape.along,
                lambda j, k=k, e=entries: [f"centre[{k}, {j}] = {e.table}[{e.row}, {j}]"],  # type: ignore[misc]
            )
        ]

    # ----------------------------------------------------------------------------------------------------------- scalars

    def scalar(self, symbol: Expr, *, shifted: bool) -> str:
        """The variable that holds a scalar."""
        if symbol in self.moving_scalars:
            return f"{'scalar_point' if shifted and self.is_shifted else 's'}_{self.moving_scalars.index(symbol)}"
        return self.hyper_names[symbol] if symbol in self.hyper_names else self.sample.scalars[symbol]

    def call(
        self, name: str, outputs: Sequence[Expr], drawn: Mapping[Vector, Row], *, shifted: bool
    ) -> tuple[Code, str]:
        """Statements that compute the inner products a printed function needs, and the call of it."""
        products = sorted(set().union(*(e.atoms(InnerProduct) for e in outputs)), key=str)
        symbols = sorted(set().union(*(e.free_symbols for e in outputs)), key=str)
        self.functions.append(scalar_function(name, [*products, *symbols], outputs, precision=self.precision))
        statements: Code = []
        for k, product in enumerate(products):
            left, right = (self.row(v, drawn, shifted=shifted and v in self.trained) for v in product.args)
            statements += self.code.inner(f"product_{k}", left, right)
        arguments = [f"product_{k}" for k in range(len(products))]
        arguments += [self.scalar(s, shifted=shifted and s in self.scalars) for s in symbols]
        return statements, f"{name}({', '.join(arguments)})"
