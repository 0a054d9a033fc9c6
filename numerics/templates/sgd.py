"""The SGD template: draw, inner products, one scalar function, scaled additions - for every model of the language.

The generated program knows the model only through printed scalar functions (the coefficients of the gradient, the
statistics, the draws); the loop around them is the algorithm as stated, never a shortcut of theory. Models of few scalars
with fresh samples become an ensemble, whose replicas are the vector index.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray
from sympy import Expr, Symbol

from numerics.kernel import Argument, Kernel
from numerics.precision import Precision
from numerics.printer import Elementary
from numerics.targets import Target
from numerics.targets.ensemble import Ensemble
from numerics.targets.replica import Block, Draw, DrawnVector, Lines, Once, Operation, Pass, ReplicaProgram
from numerics.templates.draws import SampleCode, hoisted, sample_code
from numerics.templates.names import Names, hyperparameter_names, signals_of, velocities
from numerics.templates.sampling import batch_choice, batch_setup, integer_arrays, member_row
from numerics.templates.step import DIVERGED, StepCode
from numerics.templates.trajectory import ensemble_kernel, replica_kernel
from theory import SGD, Model, Sampling, gradient
from theory.errors import AlgorithmNotCovered
from theory.vectors import Vector

SETTINGS = ("rate", "beta", "decay", "keep", "noise_scale", "threshold", "fraction", "switch_on", "switch_off")
"""Numbers of the algorithm, in the order in which the program reads them."""
LARGEST_ENSEMBLE_BATCH = 8
"""Samples of a batch up to which an ensemble writes their gradients one after the other."""


@dataclass(frozen=True)
class SgdProgram:
    """A generated SGD program with what its arguments stand for.

    `kernel` runs replicas; `fill` draws the fixed data set (None where data are drawn online or come as arrays).
    `hyperparameters` lists the symbols of the array `hyper`; `tables` are the arrays read by the draws. `ensemble`: whether the
    kernel is an ensemble, whose start holds one row per number of the state: the parameters, then `velocities` zeros.
    `rows`, `integers`: vectors and arrays of `count` integers that a replica keeps.
    """

    kernel: Kernel
    fill: Kernel | None
    hyperparameters: tuple[Expr, ...]
    parameter_vectors: tuple[Vector, ...]
    parameter_scalars: tuple[Symbol, ...]
    signals: tuple[Vector, ...]
    set_vectors: tuple[Vector, ...]
    set_scalars: tuple[Symbol, ...]
    tables: tuple[NDArray[Any], ...]
    statistics: tuple[str, ...]
    ensemble: bool
    state: int
    rows: int
    integers: int


def sgd_program(
    model: Model,
    algorithm: SGD,
    statistics: Mapping[str, Expr],
    values: Mapping[Expr, float],
    *,
    target: Target = Target.CPU,
    precision: Precision = Precision.FLOAT64,
    shared: bool = False,
    threads_per_block: int = 128,
) -> SgdProgram:
    """Return the generated program of direct SGD on `model`, recording `statistics`.

    `values` (numbers of the hyperparameters) enter only the tables of finite laws; the code itself is the same for all values.
    `shared`: whether the vectors of a replica fit into the shared memory of a device.
    """
    if algorithm.constraint is not None and (model.scalar_parameters or not model.vector_parameters):
        raise AlgorithmNotCovered("constraint=Sphere() rescales trained vectors; this model trains scalars")
    builder = _Builder(model, algorithm, statistics, values, target, precision)
    kernel = builder.ensemble() if builder.is_ensemble else builder.replicas(shared, threads_per_block)
    return SgdProgram(
        kernel=kernel,
        fill=builder.fill(),
        hyperparameters=tuple(builder.names.hyper),
        parameter_vectors=model.vector_parameters,
        parameter_scalars=model.scalar_parameters,
        signals=builder.names.signals,
        set_vectors=builder.names.set_vectors,
        set_scalars=builder.names.set_scalars,
        tables=(*builder.sample.tables.values(), *builder.sample.thresholds.values()),
        statistics=tuple(statistics),
        ensemble=builder.is_ensemble,
        state=len(builder.step.state_scalars),
        rows=len(builder.step.rows),
        integers=len(integer_arrays(builder.mode)),
    )


class _Builder:
    """Collects the pieces of one program."""

    def __init__(
        self,
        model: Model,
        algorithm: SGD,
        statistics: Mapping[str, Expr],
        values: Mapping[Expr, float],
        target: Target,
        precision: Precision,
    ) -> None:
        self.model, self.algorithm, self.statistics = model, algorithm, statistics
        self.target, self.precision = target, precision
        self.mode = algorithm.sampling_for(model.data_count)
        arrays = [(names, law) for names, law in model.data if hasattr(law, "arrays")]
        drawn = [
            (names, law) for names, law in model.data if not hasattr(law, "arrays") and names[0] not in model.fields
        ]
        self.whole_set = algorithm.samples is not None and not arrays
        if self.whole_set and model.fields:
            raise AlgorithmNotCovered(
                "a Gaussian field is drawn afresh at every step; samples= fixes a data set, which a field does not have"
            )
        in_set = [name for names, _ in (drawn if self.whole_set else arrays) for name in names]
        batch = algorithm.batch_size
        few = batch.is_Integer and batch <= LARGEST_ENSEMBLE_BATCH
        self.is_ensemble = model.is_explicit and self.mode == Sampling.ONLINE and bool(few)
        vectorised = self.is_ensemble and target is Target.CPU
        options = {"elementary": Elementary.VECTORISED if vectorised else Elementary.LIBM}
        hyper = hyperparameter_names(model, algorithm, statistics)
        signals = signals_of(model, algorithm, statistics)
        self.sample: SampleCode = sample_code(drawn, hyper, values, signals, precision=precision, print_options=options)
        self.names = Names(
            vectors=model.vector_parameters,
            scalars=model.scalar_parameters,
            velocities=velocities(model, algorithm),
            signals=signals,
            set_vectors=tuple(name for name in in_set if isinstance(name, Vector)),
            set_scalars=tuple(name for name in in_set if isinstance(name, Symbol)),
            hyper=hyper,
            sample=self.sample,
        )
        online = self.mode in (Sampling.ONLINE, Sampling.WITH_REPLACEMENT)
        self.step = StepCode(
            model,
            algorithm,
            gradient(model),
            self.names,
            single=bool(batch == 1) and online,
            guarded=not self.is_ensemble,
            precision=precision,
            print_options=options,
        )

    # ------------------------------------------------------------------------------------------------------- arguments

    def _common(self) -> list[Argument]:
        return [
            Argument("seed", "uint64"),
            Argument("stream", "int64"),
            Argument("hyper", dimensions=1),
            Argument("settings", dimensions=1),
        ]

    def _tables(self) -> list[Argument]:
        tables = [Argument(name, dimensions=table.ndim) for name, table in self.sample.tables.items()]
        return tables + [Argument(name, "uint64", 1) for name in self.sample.thresholds]

    def _unpacking(self) -> list[str]:
        lines = [f"{name} = hyper[{k}]" for k, name in enumerate(self.names.hyper.values())]
        return lines + [f"{name} = settings[{k}]" for k, name in enumerate(SETTINGS)]

    def _header(self) -> str:
        return (
            f"SGD on the loss of one sample\n    {self.model.loss}\nwith {self.algorithm!r}\n"
            f"statistics: {dict(self.statistics)}"
        )

    def _fresh(self) -> list[str]:
        """Lines that draw one sample; none where samples are rows of a data set."""
        if self.whole_set:
            return []
        return ["purpose = SCALAR_PURPOSE", "entries_purpose = DATA_PURPOSE", *self.sample.statements]

    def _evaluated(self) -> tuple[list[Operation], list[str], list[str]]:
        """Operations before, lines of, and names of the statistics."""
        held = [f"value_{k}" for k in range(len(self.statistics))]
        operations, call = self.step.evaluation("statistics", list(self.statistics.values()), at="w", scalar_at="s")
        return operations, [f"{', '.join(held)}{',' * (len(held) == 1)} = {call}"], held

    # --------------------------------------------------------------------------------------------------------- programs

    def ensemble(self) -> Kernel:
        """Few scalars, fresh samples: straight-line code of one replica."""
        tables, draws = hoisted(self.sample)
        lines = ["replica = index", *self.step.scalar_shifts()]
        members = int(self.algorithm.batch_size)
        if not self.step.single:
            lines += [f"share = real(1.0) / real({members})", *_flat(self.step.clear())]
        member = _flat(self.step.member())
        for number in range(members):
            lines += [f"member = {number}", "purpose = SCALAR_PURPOSE", *draws, *member]
        lines += _flat(self.step.update())
        _, values, held = self._evaluated()
        arguments = [*self._common(), *self._tables()]
        ensemble = Ensemble(
            state=self.step.state_scalars,
            step=tuple(lines),
            record=tuple(values),
            recorded=tuple(held),
            parameters=tuple(argument.name for argument in arguments),
            prologue=(*self._unpacking(), *tables),
        )
        return ensemble_kernel(
            functions=[*self.sample.functions, *self.step.functions],
            arguments=arguments,
            ensemble=ensemble,
            header=self._header(),
            target=self.target,
            precision=self.precision,
        )

    def replicas(self, shared: bool, threads_per_block: int) -> Kernel:
        """Vectors, or samples from a data set: one replica after the other, or a block of threads for each."""
        step, names = self.step, self.names
        scalars = range(len(names.scalars))
        begin: list[Operation] = [
            Lines(
                (
                    "replica = index",
                    "slot = 0",
                    "stopped_at = -1",
                    "member = 0",
                    "row = 0",
                    *(f"s_{k} = start_scalars[index % start_scalars.shape[0], {k}]" for k in scalars),
                    *(f"{name} = real(0.0)" for name in step.state_scalars[len(names.scalars) :]),
                )
            )
        ]
        if names.vectors:
            copies = [f"w_{k} = start_{k}" for k in range(len(names.vectors))]
            rest = [f"{row} = real(0.0)" for row in step.rows[len(names.vectors) :]]
            begin.append(Pass((*copies, *rest), writes=step.rows))
        body: list[Operation] = [Block("if record_steps[slot] == step:", tuple(self._recorded()))]
        shifts = step.scalar_shifts()
        body += [Lines(tuple(shifts))] if shifts else []
        member = [Lines((*member_row(self.mode), *self._fresh())), *step.member()]
        if step.single:
            body += member
        else:
            body += [*step.clear(), *batch_choice(self.mode)]
            body.append(Block("for member in range(members):", tuple(member)))
            body.append(Lines(("if stopped_at >= 0:", "    break")))
        body += step.update()
        loop = Block("for step in range(record_steps[record_steps.size - 1] + 1):", tuple(body))
        end = Once(("stopped[index] = stopped_at",))
        program = ReplicaProgram(
            prologue=(*self._unpacking(), "n = start_vectors.shape[2]"),
            operations=(*begin, *batch_setup(self.mode), loop, end),
            rows=step.rows if names.vectors else (),
            arrays=self._arrays(),
            drawn=step.drawn,
            signals=tuple(f"signal_{j}" for j in range(len(names.signals))),
            integers=integer_arrays(self.mode),
            locals_=step.locals_,
        )
        return replica_kernel(
            functions=[*self.sample.functions, *step.functions],
            arguments=[*self._common(), *self._replica_arguments(), *self._tables()],
            program=program,
            header=self._header(),
            target=self.target,
            precision=self.precision,
            threads_per_block=threads_per_block,
            shared=shared,
        )

    def _replica_arguments(self) -> list[Argument]:
        sets = [Argument(f"set_{k}", dimensions=2) for k in range(len(self.names.set_vectors))]
        return [
            Argument("batch", "int64"),
            Argument("count", "int64"),
            Argument("start_vectors", dimensions=3),
            Argument("start_scalars", dimensions=2),
            Argument("signals", dimensions=2),
            *sets,
            Argument("columns", dimensions=2),
            Argument("record_steps", "int64", 1),
            Argument("out", dimensions=3, written=True),
            Argument("stopped", "int64", 1, written=True),
        ]

    def _arrays(self) -> dict[str, str]:
        names = self.names
        found = {f"start_{k}": f"start_vectors[index % start_vectors.shape[0], {k}]" for k in range(len(names.vectors))}
        found.update({f"signal_{j}": f"signals[{j}]" for j in range(len(names.signals))})
        found.update({f"column_{k}": f"set_{k}[row]" for k in range(len(names.set_vectors))})
        return found

    def _recorded(self) -> list[Operation]:
        operations, values, held = self._evaluated()
        finite = " and ".join(f"abs({value}) < math.inf" for value in held)
        kept = [f"out[slot, {k}, index] = {value} if fine else real(math.nan)" for k, value in enumerate(held)]
        after = ["if not fine:", *(f"    {line}" for line in DIVERGED)]
        after += ["slot += 1", "if slot == record_steps.size:", "    break"]
        return [*operations, Lines((*values, f"fine = {finite}")), Once(tuple(kept)), Lines(tuple(after))]

    def fill(self) -> Kernel | None:
        """The program that draws a fixed data set from the laws, once for all replicas: a row for each `index`."""
        if not self.whole_set:
            return None
        names = self.names
        drawn = {
            f"drawn_{k}": DrawnVector(entries, "DATASET_ENTRIES_PURPOSE")
            for k, entries in enumerate(self.sample.entries.values())
        }
        order = list(self.sample.entries)
        copies = [f"column_{k} = drawn_{order.index(vector)}" for k, vector in enumerate(names.set_vectors)]
        operations: list[Operation] = [
            Lines(
                (
                    "replica, member, step = 0, 0, index",
                    "purpose = DATASET_PURPOSE",
                    *self.sample.statements,
                )
            )
        ]
        if drawn:
            written = tuple(f"column_{k}" for k in range(len(names.set_vectors)))
            operations += [Draw(tuple(drawn)), Pass(tuple(copies), writes=written)]
        stores = [f"columns[index, {k}] = {self.sample.scalars[s]}" for k, s in enumerate(names.set_scalars)]
        operations.append(Once(tuple(stores)))
        program = ReplicaProgram(
            prologue=tuple(f"{name} = hyper[{k}]" for k, name in enumerate(names.hyper.values())),
            operations=tuple(operations),
            rows=(),
            arrays={
                **{f"signal_{j}": f"signals[{j}]" for j in range(len(names.signals))},
                **{f"column_{k}": f"set_{k}[index]" for k in range(len(names.set_vectors))},
            },
            drawn=drawn,
            signals=tuple(f"signal_{j}" for j in range(len(names.signals))),
            integers=(),
            locals_={},
        )
        sets = [Argument(f"set_{k}", dimensions=2, written=True) for k in range(len(names.set_vectors))]
        return replica_kernel(
            functions=self.sample.functions,
            arguments=[
                Argument("seed", "uint64"),
                Argument("stream", "int64"),
                Argument("hyper", dimensions=1),
                Argument("n", "int64"),
                Argument("signals", dimensions=2),
                *sets,
                Argument("columns", dimensions=2, written=True),
                *self._tables(),
            ],
            program=program,
            header=f"the data set of {self.model.loss}",
            target=Target.CPU,
            precision=self.precision,
        )


def _flat(operations: Sequence[Operation]) -> list[str]:
    """The lines of operations that are scalar code throughout."""
    lines: list[str] = []
    for operation in operations:
        if not isinstance(operation, Lines):
            raise TypeError(f"an ensemble has scalar code only, not {type(operation).__name__}")
        lines += operation.lines
    return lines
