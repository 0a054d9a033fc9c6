"""One step of SGD as operations: inner products, the printed gradient coefficients, and the optimiser's update.

What is written here is the algorithm as stated, entry by entry, never a shortcut of theory. Trained vectors are rows `w_0`,
`w_1`, ..., trained scalars variables `s_0`, ...; where a batch has one sample, its gradient is applied where it is computed, else
it is collected in rows `slope_0`, ... first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sympy import Expr

from numerics.precision import Precision
from numerics.printer import argument_names, scalar_function
from numerics.targets.replica import Draw, DrawnVector, Entries, Lines, Operation, Pass
from numerics.templates.fields import fields_code
from numerics.templates.names import Names
from theory import SGD, DecoupledDecay, Model, Nesterov, NesterovLookahead
from theory.calculus.gradient import Gradient
from theory.errors import FieldOrder
from theory.fields import FieldGradient, FieldValue, GaussianField
from theory.vectors import InnerProduct, Vector

DIVERGED = ("stopped_at = step", "break")
"""Lines that end the run of a replica."""


class StepCode:
    """The operations of one step, and the scalar functions that they call.

    `single`: a batch has one sample. `guarded`: a gradient that is not finite ends the run of the replica at once.
    """

    def __init__(
        self,
        model: Model,
        algorithm: SGD,
        gradient: Gradient,
        names: Names,
        *,
        single: bool,
        guarded: bool,
        precision: Precision,
        print_options: Mapping[str, Any],
    ) -> None:
        self.model, self.algorithm, self.gradient, self.names, self.single = model, algorithm, gradient, names, single
        self.guarded = guarded
        self.precision, self.print_options = precision, print_options
        self.functions: list[str] = []
        nesterov = isinstance(algorithm.momentum, Nesterov)
        self.at, self.scalar_at = ("point", "scalar_point") if nesterov else ("w", "s")
        self.shifts = [f"point_{k} = w_{k} - rate * beta * velocity_{k}" for k in range(len(names.vectors)) if nesterov]
        self.fields = fields_code(model.fields, self._points, names.scalar, precision)
        self.functions += [field.function for field in self.fields if field is not None]

    # ------------------------------------------------------------------------------------------------------- what it needs

    @property
    def rows(self) -> tuple[str, ...]:
        """The vectors that a replica keeps."""
        kinds = ["w"]
        kinds += ["velocity"] if self.algorithm.momentum is not None else []
        kinds += [] if self.single else ["slope"]
        return tuple(f"{kind}_{k}" for kind in kinds for k in range(len(self.names.vectors)))

    @property
    def state_scalars(self) -> tuple[str, ...]:
        """The scalars that a replica keeps from step to step."""
        kinds = ["s", *(["scalar_velocity"] if self.algorithm.momentum is not None else [])]
        return tuple(f"{kind}_{k}" for kind in kinds for k in range(len(self.names.scalars)))

    @property
    def drawn(self) -> dict[str, DrawnVector]:
        """The random vectors: of the data, of the fields, of the heat bath."""
        found = {
            f"drawn_{k}": DrawnVector(entries, "DATA_PURPOSE")
            for k, entries in enumerate(self.names.sample.entries.values())
            if not self.names.set_vectors
        }
        for field in self.fields:
            found.update({} if field is None else field.noises)
        if self.algorithm.temperature != 0:
            for k in range(len(self.names.vectors)):
                heat = Entries(block="normal_block", stream=f"stream + {k + 1}")
                found[f"heat_{k}"] = DrawnVector(heat, "NOISE_PURPOSE")
        return found

    @property
    def locals_(self) -> dict[str, tuple[int, ...]]:
        """Small arrays of the fields."""
        return {name: shape for field in self.fields if field is not None for name, shape in field.locals_.items()}

    def _points(self, field: GaussianField) -> list[str]:
        return [f"{self.at}_{k}" for k in self._field_parameters(field)]

    def _field_parameters(self, field: GaussianField) -> list[int]:
        return [
            k
            for k, w in enumerate(self.names.vectors)
            if any(isinstance(b, FieldGradient) and b.field == field for b in self.gradient.vectors[w])
        ]

    # ----------------------------------------------------------------------------------------------- functions of products

    def evaluation(self, name: str, outputs: Sequence[Expr], *, at: str, scalar_at: str) -> tuple[list[Operation], str]:
        """Operations that compute the inner products a printed function needs, and the call of it."""
        products = sorted(set().union(*(e.atoms(InnerProduct) for e in outputs)), key=str)
        symbols = sorted(set().union(*(e.free_symbols for e in outputs)), key=str)
        self.functions.append(
            scalar_function(name, [*products, *symbols], list(outputs), precision=self.precision, **self.print_options)
        )
        sums = argument_names([*products, *symbols])[: len(products)]
        lines = list(self.shifts) if at == "point" else []
        for total, product in zip(sums, products, strict=True):
            left, right = (self.names.vector(v, parameter=at) for v in product.args)
            lines.append(f"{total} += {left} * {right}")
        arguments = [*sums, *(self.names.scalar(symbol, parameter=scalar_at) for symbol in symbols)]
        operations: list[Operation] = [Pass(tuple(lines), sums=tuple(sums))] if products else []
        return operations, f"{name}({', '.join(arguments)})"

    # ----------------------------------------------------------------------------------------------------------- gradient

    def member(self) -> list[Operation]:
        """One sample: its gradient coefficients, after the statements of its draws have run; collected unless it is the only one."""
        targets: list[tuple[int, Vector]] = []
        outputs: list[Expr] = []
        for k, w in enumerate(self.names.vectors):
            for b, coefficient in self.gradient.vectors[w].items():
                targets.append((k, b))
                outputs.append(coefficient)
        outputs += [self.gradient.scalars[s] for s in self.names.scalars]
        if any(e.atoms(FieldValue) for e in outputs):
            raise FieldOrder(
                "a Gaussian field enters the loss non-linearly; its gradient is drawn in law only for a loss that is "
                "affine in the field"
            )
        operations: list[Operation] = []
        drawn = tuple(name for name in self.drawn if not name.startswith("heat"))
        if drawn:
            operations.append(Draw(drawn))
        for field in self.fields:
            if field is not None:
                operations += field.operations(self.shifts)
        products, call = self.evaluation("gradient_coefficients", outputs, at=self.at, scalar_at=self.scalar_at)
        held = [f"coefficient_{k}" for k in range(len(outputs))]
        lines = [f"{', '.join(held)}{',' * (len(held) == 1)} = {call}"]
        if self.guarded:
            # not isfinite: numba makes it a difference, which reassociation cancels, and divergence would pass unseen
            lines += [f"if not abs({' + '.join(held)}) < math.inf:", *(f"    {line}" for line in DIVERGED)]
        operations += [*products, Lines(tuple(lines))]
        self._terms: dict[int, list[str]] = {k: [] for k in range(len(self.names.vectors))}
        for number, (k, b) in enumerate(targets):
            self._terms[k].append(f"coefficient_{number} * {self._entry(k, b)}")
        first_scalar = len(targets)
        if not self.single:
            collect = [f"slope_{k} += share * ({' + '.join(terms)})" for k, terms in self._terms.items() if terms]
            if collect:
                written = tuple(f"slope_{k}" for k, terms in self._terms.items() if terms)
                operations.append(Pass((*self.shifts, *collect), writes=written))
            collected = [
                f"scalar_slope_{k} += share * coefficient_{first_scalar + k}" for k in range(len(self.names.scalars))
            ]
        else:
            collected = [f"scalar_slope_{k} = coefficient_{first_scalar + k}" for k in range(len(self.names.scalars))]
        return [*operations, *([Lines(tuple(collected))] if collected else [])]

    def _entry(self, k: int, b: Vector) -> str:
        """The entry of a vector of the gradient of the trained vector number k."""
        if isinstance(b, FieldGradient):
            field: Any = self.fields[self.model.fields.index(b.field)]
            point = self._field_parameters(b.field).index(k)
            return f"({field.gradient_entry(point)})"
        return self.names.vector(b, parameter=self.at)

    # ------------------------------------------------------------------------------------------------------------- update

    def clear(self) -> list[Operation]:
        """Empty the collected gradient."""
        if self.single:
            return []
        rows = tuple(f"slope_{k}" for k in range(len(self.names.vectors)))
        operations: list[Operation] = []
        if rows:
            operations.append(Pass(tuple(f"{row} = real(0.0)" for row in rows), writes=rows))
        if self.names.scalars:
            operations.append(Lines(tuple(f"scalar_slope_{k} = real(0.0)" for k in range(len(self.names.scalars)))))
        return operations

    def scalar_shifts(self) -> list[str]:
        """Where the gradient of trained scalars is taken under Nesterov momentum."""
        if self.scalar_at == "s":
            return []
        count = range(len(self.names.scalars))
        return [f"scalar_point_{k} = s_{k} - rate * beta * scalar_velocity_{k}" for k in count]

    def update(self) -> list[Operation]:
        """Move the parameters by the gradient of the batch."""
        operations: list[Operation] = []
        count = len(self.names.vectors)
        if count:
            lines = list(self.shifts)
            for k in range(count):
                terms = self._terms[k] if self.single else [f"slope_{k}"]
                lines.append(f"gradient_{k} = {' + '.join(terms) if terms else 'real(0.0)'}")
            for k in range(count):  # only now, since a gradient may hold other trained vectors
                lines += self._moved(f"w_{k}", f"velocity_{k}", f"gradient_{k}", f"{self.at}_{k}", f"heat_{k}")
            heated = self.algorithm.temperature != 0
            if heated:
                operations.append(Draw(tuple(f"heat_{k}" for k in range(count))))
            written = tuple(row for row in self.rows if not row.startswith("slope"))
            sums: tuple[str, ...] = ()
            if self.algorithm.constraint is not None:
                sums = tuple(f"norm_{k}" for k in range(count))
                lines += [f"norm_{k} += w_{k} * w_{k}" for k in range(count)]
            operations.append(Pass(tuple(lines), writes=written, sums=sums))
            if sums:
                operations.append(Lines(tuple(f"scale_{k} = real(1.0 / math.sqrt(norm_{k}))" for k in range(count))))
                rows = tuple(f"w_{k}" for k in range(count))
                operations.append(Pass(tuple(f"w_{k} *= scale_{k}" for k in range(count)), writes=rows))
        scalar_lines: list[str] = []
        for k in range(len(self.names.scalars)):
            heat = f"normal_draw(seed, stream, replica, step, {k}, NOISE_PURPOSE)"
            scalar_lines += self._moved(
                f"s_{k}", f"scalar_velocity_{k}", f"scalar_slope_{k}", f"{self.scalar_at}_{k}", heat
            )
        return [*operations, *([Lines(tuple(scalar_lines))] if scalar_lines else [])]

    def _moved(self, x: str, v: str, g: str, at: str, heat: str) -> list[str]:
        """Lines that update one number `x` with velocity `v` by the gradient `g`; `heat`, a standard normal."""
        algorithm, lines = self.algorithm, []
        if algorithm.coupled_decay != 0:
            lines.append(f"{g} += decay * {at}")
        kept = f"keep * {x}" if isinstance(algorithm.weight_decay, DecoupledDecay) else x
        if algorithm.momentum is None:
            lines.append(f"{x} = {kept} - rate * {g}")
        else:
            lines.append(f"{v} = beta * {v} + {g}")
            move = f"({g} + beta * {v})" if isinstance(algorithm.momentum, NesterovLookahead) else v
            lines.append(f"{x} = {kept} - rate * {move}")
        if algorithm.temperature != 0:
            lines.append(f"{x} += noise_scale * {heat}")
        if algorithm.proximal is not None:  # towards zero by the threshold, stopping there
            lines.append(f"{x} = max({x} - threshold, min({x} + threshold, real(0.0)))")
        return lines
