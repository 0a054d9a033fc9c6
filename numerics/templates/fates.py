"""The template of fates: direct SGD on a few scalars until it ends at a point, runs away, or its steps are over.

The loop is the algorithm as stated (`numerics.templates.step`, `numerics.templates.sampling`), with two questions after every
step: how far the parameters are from the point, and whether anything is left that could move them. What a run ends with goes to
the place `replicas * point + replica`, for a point of a grid of values.
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
from numerics.targets.replica import Block, Lines, Once, Operation, ReplicaProgram
from numerics.templates.draws import hoisted, sample_code
from numerics.templates.fate_lanes import WIDTH, lane_code
from numerics.templates.names import Names, hyperparameter_names, velocities
from numerics.templates.sampling import Mode, batch_choice, batch_setup, integer_arrays, member_row
from numerics.templates.sgd import LARGEST_ENSEMBLE_BATCH, SETTINGS
from numerics.templates.step import StepCode
from numerics.templates.trajectory import replica_kernel, trajectory_kernel
from theory import SGD, Model, Sampling, gradient
from theory.errors import AlgorithmNotCovered


@dataclass(frozen=True)
class FatesProgram:
    """A generated program with what its arguments stand for.

    `hyperparameters` : the symbols of the rows of `hyper`. `set_scalars` : those of the columns of a fixed data set. `tables` : the
    arrays that the draws read. `integers` : arrays of `count` integers that a replica keeps. `width` : replicas of one point that
    one trajectory of the program runs, so that it has ceil(replicas / width) of them for each point.
    """

    kernel: Kernel
    hyperparameters: tuple[Expr, ...]
    set_scalars: tuple[Symbol, ...]
    tables: tuple[NDArray[Any], ...]
    integers: int
    width: int


def fates_program(
    model: Model,
    algorithm: SGD,
    values: Mapping[Expr, float],
    *,
    target: Target = Target.CPU,
    precision: Precision = Precision.FLOAT64,
) -> FatesProgram:
    """Return the program that runs SGD on an explicit model from starts to fates.

    `values`, numbers of the hyperparameters, enter only the tables of finite laws; the code is the same for all values.
    Raises `AlgorithmNotCovered` for a constraint.

    >>> from theory import SGD, Model, Normal, symbols
    >>> u, w, x, eta = symbols("u w x eta")
    >>> program = fates_program(Model((u*w*x - x)**2/2, [u, w], {x: Normal()}), SGD(eta), {eta: 0.1})
    >>> "runs = fine and absorbed <= rest and reach <= escape" in program.kernel.source
    True
    """
    if algorithm.constraint is not None:
        raise AlgorithmNotCovered(f"fates does not cover constraint={algorithm.constraint}: the model trains scalars")
    mode = algorithm.sampling_for(model.data_count)
    batch = algorithm.batch_size
    few = bool(batch.is_Integer) and bool(batch <= LARGEST_ENSEMBLE_BATCH)
    lanes = target is Target.CPU and mode == Sampling.ONLINE and few
    elementary = Elementary.VECTORISED if lanes else Elementary.LIBM
    step = _step(model, algorithm, values, guarded=not lanes, precision=precision, elementary=elementary)
    sample = step.names.sample
    tables, draws = hoisted(sample)
    build = _in_lanes if lanes else _one_by_one
    kernel = build(
        step,
        mode,
        tables,
        draws if sample.scalars else [],
        functions=sample.functions,
        arguments=[
            *_ARGUMENTS,
            *(Argument(name, dimensions=table.ndim) for name, table in sample.tables.items()),
            *(Argument(name, "uint64", 1) for name in sample.thresholds),
        ],
        header=f"fates of SGD on the loss of one sample\n    {model.loss}\nwith {algorithm!r}",
        target=target,
        precision=precision,
    )
    return FatesProgram(
        kernel=kernel,
        hyperparameters=tuple(step.names.hyper),
        set_scalars=step.names.set_scalars,
        tables=(*sample.tables.values(), *sample.thresholds.values()),
        integers=len(integer_arrays(mode)),
        width=WIDTH if lanes else 1,
    )


def _step(
    model: Model,
    algorithm: SGD,
    values: Mapping[Expr, float],
    *,
    guarded: bool,
    precision: Precision,
    elementary: Elementary,
) -> StepCode:
    """One step of the algorithm, and how its samples are drawn."""
    arrays = [(names, law) for names, law in model.data if hasattr(law, "arrays")]
    drawn = [(names, law) for names, law in model.data if not hasattr(law, "arrays")]
    whole_set = algorithm.samples is not None and not arrays
    options = {"elementary": elementary}
    hyper = hyperparameter_names(model, algorithm, {})
    sample = sample_code([] if whole_set else drawn, hyper, values, (), precision=precision, print_options=options)
    names = Names(
        vectors=(),
        scalars=model.scalar_parameters,
        velocities=velocities(model, algorithm),
        signals=(),
        set_vectors=(),
        set_scalars=tuple(name for group, _ in (drawn if whole_set else arrays) for name in group),
        hyper=hyper,
        sample=sample,
    )
    independent = algorithm.sampling_for(model.data_count) in (Sampling.ONLINE, Sampling.WITH_REPLACEMENT)
    return StepCode(
        model,
        algorithm,
        gradient(model),
        names,
        single=bool(algorithm.batch_size == 1) and independent,
        guarded=guarded,
        precision=precision,
        print_options=options,
    )


def _one_by_one(
    step: StepCode, mode: Mode, tables: Sequence[str], draws: Sequence[str], *, functions: Sequence[str], **options: Any
) -> Kernel:
    """Any batches, on any target: one replica after the other, or a thread for each."""
    fresh = ["purpose = SCALAR_PURPOSE", *draws] if draws else []
    member: list[Operation] = [Lines((*member_row(mode), *fresh)), *step.member()]
    body: list[Operation] = [Lines(tuple(shifts))] if (shifts := step.scalar_shifts()) else []
    if step.single:
        body += member
    else:
        body += [*step.clear(), *batch_choice(mode), Block("for member in range(members):", tuple(member))]
        body.append(Lines(("if stopped_at >= 0:", "    break")))
    # the comparison is false for NaN, so that it ends the run
    ending = ("if not (absorbed <= rest and reach <= escape):", "    taken = step + 1", "    break")
    body += [*step.update(), Lines((*_distances(step), *ending))]
    program = ReplicaProgram(
        prologue=tuple(tables),
        operations=(_begin(step), *batch_setup(mode), Block("for step in range(steps):", tuple(body)), _end(step)),
        rows=(),
        arrays={},
        drawn={},
        signals=(),
        integers=integer_arrays(mode),
        locals_={},
    )
    return replica_kernel(functions=[*functions, *step.functions], program=program, **options)


def _in_lanes(
    step: StepCode, mode: Mode, tables: Sequence[str], draws: Sequence[str], *, functions: Sequence[str], **options: Any
) -> Kernel:
    """Small batches of fresh samples on a CPU: replicas as vector index (`numerics.templates.fate_lanes`)."""
    members = int(step.algorithm.batch_size)
    code = lane_code(step, members=members, draws=draws, tables=tables, loads=_loads(step), distances=_distances(step))
    texts = [*functions, *step.functions, code.function]
    return trajectory_kernel(functions=texts, body=code.body, locals_=code.locals_, **options)


_ARGUMENTS = (
    Argument("seed", "uint64"),
    Argument("replicas", "int64"),
    Argument("steps", "int64"),
    Argument("count", "int64"),
    Argument("absorbed", "float64"),
    Argument("escape", "float64"),
    Argument("streams", "int64", 1),
    Argument("batches", "int64", 1),
    Argument("hyper", dimensions=2),
    Argument("settings", dimensions=2),
    Argument("centres", dimensions=2),
    Argument("starts", dimensions=3),
    Argument("columns", dimensions=2),
    Argument("final", dimensions=2, written=True),
    Argument("ended", "int64", 1, written=True),
)
"""`absorbed`, `escape` : squares of distances. `streams`, `batches`, `hyper`, `settings`, `centres` : a row for each point; `starts`
(point, replica, parameter), with one row where all share it. `final` (parameter, index), NaN if lost, after `ended` steps."""


def _loads(step: StepCode) -> list[str]:
    """Lines that set what all replicas of the point number `point` share."""
    held, scalars = step.names.hyper.values(), range(len(step.names.scalars))
    return [
        "stream = streams[point]",
        *(f"{name} = hyper[point, {k}]" for k, name in enumerate(held)),
        *(f"{name} = settings[point, {k}]" for k, name in enumerate(SETTINGS)),
        *(f"centre_{k} = centres[point, {k}]" for k in scalars),
    ]


def _begin(step: StepCode) -> Operation:
    """What a replica starts with."""
    scalars = range(len(step.names.scalars))
    return Lines(
        (
            "point = index // replicas",
            "replica = index % replicas",
            *_loads(step),
            "batch = batches[point]",
            *(f"s_{k} = starts[point % starts.shape[0], replica % starts.shape[1], {k}]" for k in scalars),
            *(f"{name} = real(0.0)" for name in step.state_scalars[len(scalars) :]),
            "member = 0",
            "row = 0",
            "stopped_at = -1",
            "taken = steps",
        )
    )


def _distances(step: StepCode) -> list[str]:
    """Lines that set `reach`, the squared distance from the point, and `rest`, the same with what momentum will add to it.

    In double precision, whose squares do not underflow.
    """
    scalars = range(len(step.names.scalars))
    moving = step.state_scalars[len(scalars) :]
    lines = [f"gap_{k} = np.float64(s_{k}) - np.float64(centre_{k})" for k in scalars]
    lines.append(f"reach = {' + '.join(f'gap_{k} * gap_{k}' for k in scalars)}")
    lines += [f"move_{k} = np.float64(rate) * np.float64({name})" for k, name in enumerate(moving)]
    lines.append(f"rest = {' + '.join(['reach', *(f'move_{k} * move_{k}' for k in range(len(moving)))])}")
    return lines


def _end(step: StepCode) -> Operation:
    """What is kept of a replica."""
    scalars = range(len(step.names.scalars))
    return Once(
        (
            "lost = stopped_at >= 0",
            *(f"final[{k}, index] = real(math.nan) if lost else s_{k}" for k in scalars),
            "ended[index] = stopped_at + 1 if lost else taken",
        )
    )
