"""The SGD template: draw, inner products, one scalar function, scaled additions - for every model of the language.

The generated program knows the model only through printed scalar functions (the coefficients of the gradient, the
statistics, the draws); the loop around them is the algorithm as stated, never a shortcut of theory.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sympy import Expr, Symbol

from numerics.kernel import Kernel
from numerics.printer import argument_names, module_source, scalar_function
from numerics.templates.draws import MEMBER_STREAMS, SampleCode, sample_code
from numerics.templates.sampling import batch_choice, batch_setup, member_row
from theory import SGD, Model, Nesterov, NesterovLookahead, gradient
from theory.errors import AlgorithmNotCovered, FieldOrder
from theory.fields import FieldGradient, FieldValue, GaussianField
from theory.update import velocity
from theory.vectors import InnerProduct, Vector

Code = list[str]

_IMPORTS = (
    "from numerics.linear_algebra import add_scaled, combine_rows, field_gradients, inner, normalise, shrink",
    "from numerics.random import choice1, exponential1, fill_exponentials, fill_normals, fill_signs, fill_uniforms",
    "from numerics.random import gamma1, integer1, normal1, sign1, uniform1",
)
_PURPOSES = """
DATA_PURPOSE, SCALAR_PURPOSE, BATCH_PURPOSE, START_PURPOSE, NOISE_PURPOSE, DATASET_PURPOSE, FIELD_PURPOSE = range(7)
DATASET_ENTRIES_PURPOSE = 16
"""
ENTRY_DECORATOR = '@njit(cache=True, error_model="numpy", nogil=True, fastmath={"arcp", "contract", "nsz", "reassoc"})'
SETTINGS = ("rate", "beta", "decay", "keep", "noise_scale", "threshold", "fraction", "switch_on", "switch_off")
"""Numbers of the algorithm, in the order in which the program reads them."""


@dataclass(frozen=True)
class SgdProgram:
    """A generated SGD program with what its arguments stand for.

    `kernel` runs one replica; `fill` draws the fixed data set (None where data are drawn online or come as arrays).
    `hyperparameters` lists the symbols of the array `hyper`, `tables` the arrays read by the draws.
    """

    kernel: Kernel
    fill: Kernel | None
    hyperparameters: tuple[Expr, ...]
    parameter_vectors: tuple[Vector, ...]
    parameter_scalars: tuple[Symbol, ...]
    signals: tuple[Vector, ...]
    set_vectors: tuple[Vector, ...]
    set_scalars: tuple[Symbol, ...]
    tables: Mapping[str, NDArray[np.float64]]
    statistics: tuple[str, ...]


def velocities(model: Model, algorithm: SGD) -> dict[Any, Any]:
    """The momentum variables that statistics may hold, each with its parameter; none without momentum."""
    return {} if algorithm.momentum is None else {velocity(parameter): parameter for parameter in model.parameters}


class _Builder:
    """Collects the pieces of one program."""

    def __init__(
        self, model: Model, algorithm: SGD, statistics: Mapping[str, Expr], values: Mapping[Expr, float]
    ) -> None:
        self.model, self.algorithm, self.statistics = model, algorithm, statistics
        self.mode = algorithm.sampling_for(model.data_count)
        self.gradient = gradient(model)
        self.vectors, self.scalars, self.signals = model.vector_parameters, model.scalar_parameters, self._signals()
        self.velocities: dict[Any, Any] = velocities(model, algorithm)
        self.hyperparameters = self._hyperparameters()
        self.hyper_names = dict(zip(self.hyperparameters, argument_names(self.hyperparameters), strict=True))
        arrays = [(names, law) for names, law in model.data if hasattr(law, "arrays")]
        drawn = [
            (names, law) for names, law in model.data if not hasattr(law, "arrays") and names[0] not in model.fields
        ]
        self.whole_set = algorithm.samples is not None and not arrays
        self.sample: SampleCode = sample_code(drawn, self.hyper_names, values, self.signals)
        in_set = [name for names, _ in (drawn if self.whole_set else arrays) for name in names]
        self.set_vectors = tuple(name for name in in_set if isinstance(name, Vector))
        self.set_scalars = tuple(name for name in in_set if isinstance(name, Symbol))
        if self.whole_set and model.fields:
            raise AlgorithmNotCovered(
                "a Gaussian field is drawn afresh at every step; samples= fixes a data set, which a field does not have"
            )
        self.functions: list[str] = list(self.sample.functions)

    def _signals(self) -> tuple[Vector, ...]:
        found = set(self.model.signals)
        for expression in self.statistics.values():
            found |= (
                expression.atoms(Vector) - set(self.vectors_of_model()) - set(velocities(self.model, self.algorithm))
            )
        return tuple(sorted(found, key=str))

    def vectors_of_model(self) -> tuple[Vector, ...]:
        return (*self.model.vector_parameters, *self.model.data_vectors)

    def _hyperparameters(self) -> tuple[Expr, ...]:
        found: set[Expr] = set(self.model.hyperparameters)
        for expression in (*self.statistics.values(), self.model.loss):
            found |= {s for s in expression.free_symbols if isinstance(s, Symbol)}
        found -= set(self.model.parameters) | set(self.model.random) | set(velocities(self.model, self.algorithm))
        return tuple(sorted(found, key=str))

    # ------------------------------------------------------------------------------------------------ names in the code

    def vector_name(self, vector: Vector, parameters: str) -> str:
        """The array that holds a vector: a row of `parameters` for a trained one."""
        if vector in self.vectors:
            return f"{parameters}[{self.vectors.index(vector)}]"
        if vector in self.velocities:
            return f"velocity[{self.vectors.index(self.velocities[vector])}]"
        if vector in self.signals:
            return f"signals[{self.signals.index(vector)}]"
        if isinstance(vector, FieldGradient):
            return f"slopes_{self.model.fields.index(vector.field)}[{self._points(vector.field).index(vector.point)}]"
        if vector in self.set_vectors:
            return f"set_{self.set_vectors.index(vector)}[row]"
        return self.sample.vectors[vector]

    def scalar_name(self, symbol: Expr, scalars: str) -> str:
        if symbol in self.scalars:
            return f"{scalars}[{self.scalars.index(symbol)}]"
        if symbol in self.velocities:
            return f"scalar_velocity[{self.scalars.index(self.velocities[symbol])}]"
        if symbol in self.hyper_names:
            return self.hyper_names[symbol]
        if symbol in self.set_scalars:
            return f"columns[row, {self.set_scalars.index(symbol)}]"
        return self.sample.scalars[symbol]

    def call(self, name: str, outputs: list[Expr], parameters: str, scalars: str, indent: str) -> tuple[Code, str]:
        """Statements that compute the inner products a printed function needs, and the call of it."""
        products = sorted(set().union(*(e.atoms(InnerProduct) for e in outputs)), key=str) if outputs else []
        symbols = sorted(set().union(*(e.free_symbols for e in outputs)), key=str) if outputs else []
        self.functions.append(scalar_function(name, [*products, *symbols], outputs))
        statements, arguments = [], []
        for product, local in zip(products, argument_names(products), strict=True):
            left, right = (self.vector_name(v, parameters) for v in product.args)
            statements.append(f"{indent}{local} = inner({left}, {right})")
            arguments.append(local)
        arguments += [self.scalar_name(symbol, scalars) for symbol in symbols]
        return statements, f"{name}({', '.join(arguments)})"

    def _points(self, field: GaussianField) -> list[Vector]:
        return [
            w
            for w in self.vectors
            if any(isinstance(b, FieldGradient) and b.field == field for b in self.gradient.vectors[w])
        ]

    # -------------------------------------------------------------------------------------------------- pieces of a step

    def gradient_code(self, parameters: str, scalars: str) -> Code:
        """One sample's gradient, added with weight `share` to `slope` and `scalar_slope`."""
        targets: list[tuple[int, Vector]] = []
        outputs: list[Expr] = []
        for index, w in enumerate(self.vectors):
            for b, coefficient in self.gradient.vectors[w].items():
                targets.append((index, b))
                outputs.append(coefficient)
        outputs += [self.gradient.scalars[s] for s in self.scalars]
        if any(e.atoms(FieldValue) for e in outputs):
            raise FieldOrder(
                "a Gaussian field enters the loss non-linearly; its gradient is drawn in law only for a loss that is "
                "affine in the field"
            )
        statements, call = self.call("gradient_coefficients", outputs, parameters, scalars, " " * 12)
        statements = [*self._field_code(parameters), *statements, f"            coefficient = {call}"]
        for number, (index, b) in enumerate(targets):
            vector = self.vector_name(b, parameters)
            statements.append(f"            add_scaled(slope[{index}], share * coefficient[{number}], {vector})")
        for index in range(len(self.scalars)):
            statements.append(f"            scalar_slope[{index}] += share * coefficient[{len(targets) + index}]")
        total = " + ".join(f"coefficient[{k}]" for k in range(len(outputs)))
        # not isfinite: numba makes it a difference, which reassociation cancels, and divergence would pass unseen
        return [*statements, f"            if not abs({total}) < math.inf:", "                return step"]

    def _field_code(self, parameters: str) -> Code:
        statements: Code = []
        first = 0  # stream of the field: one for its small draws, one per point, shared with no other field
        for number, field in enumerate(self.model.fields):
            points = self._points(field)
            if not points:
                continue
            argument = Symbol("gram", real=True)
            symbols = sorted(field.free_symbols, key=str)
            outputs = [field.covariance(argument, derivative=1), field.covariance(argument, derivative=2)]
            self.functions.append(scalar_function(f"kernel_{number}", [argument, *symbols], outputs))
            extra = "".join(f", {self.scalar_name(s, '')}" for s in symbols)
            rows = ", ".join(str(self.vectors.index(p)) for p in points)
            count = len(points)
            stream = f"stream + {first} + {MEMBER_STREAMS} * member"
            first += count + 1
            statements += [
                f"            for a, i in enumerate(({rows},)):",
                f"                at_{number}[a] = {parameters}[i]",
                f"                fill_normals(noise_{number}[a], seed, {stream} + a + 1, replica, step, FIELD_PURPOSE)",
                f"            fill_normals(small_{number}, seed, {stream}, replica, step, FIELD_PURPOSE)",
                f"            for a in range({count}):",
                f"                for b in range({count}):",
                f"                    first_{number}[a, b], second_{number}[a, b] = "
                f"kernel_{number}(inner(at_{number}[a], at_{number}[b]){extra})",
                f"            field_gradients(at_{number}, first_{number}, second_{number}, noise_{number}, small_{number}, "
                f"slopes_{number})",
            ]
        return statements

    def field_allocations(self) -> Code:
        lines: Code = []
        for number, field in enumerate(self.model.fields):
            count = len(self._points(field))
            for name, shape in (
                ("at", f"({count}, n)"),
                ("noise", f"({count}, n)"),
                ("slopes", f"({count}, n)"),
                ("small", f"{count * count}"),
                ("first", f"({count}, {count})"),
                ("second", f"({count}, {count})"),
            ):
                lines.append(f"    {name}_{number} = np.empty({shape})")
        return lines

    def update_code(self) -> Code:
        """The optimiser's update of the parameters from the batch gradient in `slope`."""
        momentum = self.algorithm.momentum
        lines: Code = []
        for name, x, v, g in (("vector", "w", "velocity", "slope"), ("scalar", "s", "scalar_velocity", "scalar_slope")):
            if not (self.vectors if name == "vector" else self.scalars):
                continue
            at = "point" if isinstance(momentum, Nesterov) else x
            if name == "scalar" and isinstance(momentum, Nesterov):
                at = "scalar_point"
            lines.append(f"        {g} += decay * {at}")
            if momentum is None:
                lines.append(f"        {x} *= keep")
                lines.append(f"        {x} -= rate * {g}")
            else:
                lines.append(f"        {v} *= beta")
                lines.append(f"        {v} += {g}")
                lines.append(f"        {x} *= keep")
                if isinstance(momentum, NesterovLookahead):
                    lines.append(f"        {x} -= rate * ({g} + beta * {v})")
                else:
                    lines.append(f"        {x} -= rate * {v}")
        return lines + self._after_update()

    def _after_update(self) -> Code:
        lines: Code = []
        if self.algorithm.temperature != 0:
            if self.vectors:
                lines += [
                    f"        for i in range({len(self.vectors)}):",
                    "            fill_normals(heat, seed, stream + i + 1, replica, step, NOISE_PURPOSE)",
                    "            add_scaled(w[i], noise_scale, heat)",
                ]
            if self.scalars:
                lines += [
                    f"        for i in range({len(self.scalars)}):",
                    "            s[i] += noise_scale * normal1(seed, stream, replica, step, i, NOISE_PURPOSE)",
                ]
        if self.algorithm.proximal is not None:
            lines += (
                [f"        for i in range({len(self.vectors)}):", "            shrink(w[i], threshold)"]
                if self.vectors
                else []
            )
            lines += ["        shrink(s, threshold)"] if self.scalars else []
        if self.algorithm.constraint is not None:
            lines += [f"        for i in range({len(self.vectors)}):", "            normalise(w[i])"]
        return lines

    # ------------------------------------------------------------------------------------------------------ whole program

    def source(self) -> str:
        nesterov = isinstance(self.algorithm.momentum, Nesterov)
        parameters, scalars = ("point", "scalar_point") if nesterov else ("w", "s")
        stats_statements, stats_call = self.call("statistics", list(self.statistics.values()), "w", "s", " " * 12)
        gradient_lines = self.gradient_code(parameters, scalars)
        point = [
            "        point = w - rate * beta * velocity",
            "        scalar_point = s - rate * beta * scalar_velocity",
        ]
        fresh = (
            [] if self.whole_set else ["    " * 2 + line for line in self._purposes("SCALAR_PURPOSE", "DATA_PURPOSE")]
        )
        lines = [
            f"def run_replica({', '.join(self._arguments())}):",
            *self._unpacking(),
            "    w, s = start_vectors.copy(), start_scalars.copy()",
            "    n = w.shape[1]",
            "    slope, velocity = np.zeros_like(w), np.zeros_like(w)",
            "    scalar_slope, scalar_velocity = np.zeros_like(s), np.zeros_like(s)",
            *(["    heat = np.empty(n)"] if self.algorithm.temperature != 0 else []),
            *([] if self.whole_set else self.sample.allocations),
            *self.field_allocations(),
            *batch_setup(self.mode),
            "    slot = 0",
            "    for step in range(record[-1] + 1):",
            "        if record[slot] == step:",
            *stats_statements,
            f"            out[slot] = {stats_call}",
            "            for value in out[slot]:",
            "                if not abs(value) < math.inf:",
            "                    out[slot] = math.nan",
            "                    return step",
            "            slot += 1",
            "            if slot == record.size:",
            "                return -1",
            *(point if nesterov else []),
            "        slope[:] = 0.0",
            "        scalar_slope[:] = 0.0",
            *batch_choice(self.mode),
            "        for member in range(members):",
            *member_row(self.mode),
            *fresh,
            *gradient_lines,
            *self.update_code(),
            "    return -1",
        ]
        header = f"SGD on the loss of one sample\n    {self.model.loss}\nwith {self.algorithm!r}\nstatistics: {dict(self.statistics)}"
        functions = module_source(self.functions, header=header, imports=_IMPORTS)
        return functions + _PURPOSES + f"\n\n{ENTRY_DECORATOR}\n" + "\n".join(lines) + "\n"

    def _purposes(self, scalar_purpose: str, vector_purpose: str) -> Code:
        if not self.sample.statements:
            return []
        return [f"    purpose, entries_purpose = {scalar_purpose}, {vector_purpose}", *self.sample.statements]

    def _arguments(self) -> list[str]:
        sets = [f"set_{index}" for index in range(len(self.set_vectors))]
        return [
            "seed",
            "stream",
            "replica",
            "hyper",
            "settings",
            "batch",
            "count",
            "start_vectors",
            "start_scalars",
            "signals",
            *sets,
            "columns",
            *self.sample.tables,
            "record",
            "out",
        ]

    def _unpacking(self) -> Code:
        lines = [f"    {name} = hyper[{index}]" for index, name in enumerate(self.hyper_names.values())]
        return lines + [f"    {', '.join(SETTINGS)} = settings"]

    def fill_source(self) -> str | None:
        """The program that draws a fixed data set from the laws, once for all replicas."""
        if not self.whole_set:
            return None
        stores = [f"        set_{i}[row] = {self.sample.vectors[v]}" for i, v in enumerate(self.set_vectors)]
        stores += [f"        columns[row, {i}] = {self.sample.scalars[s]}" for i, s in enumerate(self.set_scalars)]
        sets = [f"set_{index}" for index in range(len(self.set_vectors))]
        arguments = ["seed", "stream", "hyper", "n", "count", "signals", *sets, "columns", *self.sample.tables]
        lines = [
            f"def fill_set({', '.join(arguments)}):",
            *[f"    {name} = hyper[{index}]" for index, name in enumerate(self.hyper_names.values())],
            "    replica, member = 0, 0",
            *self.sample.allocations,
            "    for row in range(count):",
            "        step = row",
            *["    " + line for line in self._purposes("DATASET_PURPOSE", "DATASET_ENTRIES_PURPOSE")],
            *stores,
        ]
        functions = module_source(self.sample.functions, header=f"the data set of {self.model.loss}", imports=_IMPORTS)
        return functions + _PURPOSES + f"\n\n{ENTRY_DECORATOR}\n" + "\n".join(lines) + "\n"


def sgd_program(
    model: Model, algorithm: SGD, statistics: Mapping[str, Expr], values: Mapping[Expr, float]
) -> SgdProgram:
    """Return the generated program of direct SGD on `model`, recording `statistics`.

    `values` (numbers of the hyperparameters) enter only the tables of finite laws; the code itself is the same for all values.
    """
    if algorithm.constraint is not None and (model.scalar_parameters or not model.vector_parameters):
        raise AlgorithmNotCovered("constraint=Sphere() rescales trained vectors; this model trains scalars")
    builder = _Builder(model, algorithm, statistics, values)
    fill = builder.fill_source()
    return SgdProgram(
        kernel=Kernel(source=builder.source(), entry="run_replica"),
        fill=None if fill is None else Kernel(source=fill, entry="fill_set"),
        hyperparameters=builder.hyperparameters,
        parameter_vectors=builder.vectors,
        parameter_scalars=builder.scalars,
        signals=builder.signals,
        set_vectors=builder.set_vectors,
        set_scalars=builder.set_scalars,
        tables=builder.sample.tables,
        statistics=tuple(statistics),
    )
