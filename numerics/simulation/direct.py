"""Direct SGD: the generated program of a model on the data, the start and the target at hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sympy import Expr

from numerics.precision import Precision
from numerics.simulation.run import Run
from numerics.start import Start
from numerics.targets import Target
from numerics.templates.sgd import SgdProgram, sgd_program

Array = NDArray[np.float64]

SHARED_BYTES = 24 * 1024
"""Memory per block that the vectors of a replica may take; a device has 48 KiB, and sums take their part of it."""


def direct_program(
    run: Run, statistics: Mapping[str, Expr], *, target: Target = Target.CPU, precision: Precision = Precision.FLOAT64
) -> SgdProgram:
    """The program of direct SGD for the numbers of a run."""
    options: dict[str, Any] = {"target": target, "precision": precision}
    program = sgd_program(run.model, run.algorithm, statistics, run.values, **options)
    if target is Target.CPU or not program.kernel.block_per_trajectory:
        return program
    options["threads_per_block"] = block_size(run.dimension)
    options["shared"] = _row_bytes(program, run) <= SHARED_BYTES
    return sgd_program(run.model, run.algorithm, statistics, run.values, **options)


def block_size(dimension: int) -> int:
    """Threads that work on one replica: enough for a quad of coordinates each, a power of two from 32 to 256."""
    return min(256, max(32, 1 << (-(-dimension // 4) - 1).bit_length()))


def _row_bytes(program: SgdProgram, run: Run) -> int:
    return program.rows * run.dimension * program.kernel.precision.dtype.itemsize


def run_direct(
    program: SgdProgram,
    run: Run,
    start: Start,
    record: NDArray[np.int64],
    *,
    replicas: int,
    seed: int,
    threads: int | None,
) -> tuple[Array, NDArray[np.int64]]:
    """The statistics, shape (replica, time, statistic), and the step at which each replica diverged (-1 if it did not)."""
    kernel = program.kernel
    dtype = kernel.precision.dtype
    hyper = np.array([run.values[symbol] for symbol in program.hyperparameters], dtype=float)
    out = np.full((record.size, len(program.statistics), replicas), np.nan, dtype=dtype)
    stopped = np.full(replicas, -1, dtype=np.int64)
    common = (seed, 0, hyper, run.settings())
    if program.ensemble:
        state = np.zeros((program.state, replicas), dtype=dtype)
        state[: start.scalars.shape[1]] = start.scalars.T
        kernel.run(replicas, state, record, out, stopped, *common, *program.tables, threads=threads)
        return np.moveaxis(out, -1, 0), stopped
    sets, columns = data_set(program, run, start, hyper, seed, threads)
    arguments: list[Any] = [*common, run.batch, run.count, start.vectors, start.scalars, start.signals]
    arguments += [*sets, columns, record, out, stopped, *program.tables]
    bytes_needed = 0
    if kernel.target is not Target.CPU:
        bytes_needed = _row_bytes(program, run)
        shared = kernel.block_per_trajectory and bytes_needed <= SHARED_BYTES
        width = 0 if shared else program.rows * run.dimension
        arguments.append(np.empty((replicas, width), dtype=dtype))
        arguments.append(np.empty((replicas, program.integers * run.count), dtype=np.int64))
        bytes_needed = bytes_needed if shared else 0
    kernel.run(replicas, *arguments, threads=threads, shared_bytes=bytes_needed)
    return np.moveaxis(out, -1, 0), stopped


def data_set(
    program: SgdProgram, run: Run, start: Start, hyper: Array, seed: int, threads: int | None
) -> tuple[list[Array], Array]:
    """The fixed data set, one for all replicas: from arrays, or drawn once from the laws."""
    if program.fill is not None:
        dtype = program.fill.precision.dtype
        sets = [np.empty((run.count, run.dimension), dtype) for _ in program.set_vectors]
        columns = np.empty((run.count, len(program.set_scalars)), dtype)
        program.fill.run(
            run.count, seed, 0, hyper, run.dimension, start.signals, *sets, columns, *program.tables, threads=threads
        )
        return sets, columns
    arrays: dict[Any, Array] = {}
    for names, law in run.model.data:
        if hasattr(law, "arrays"):
            arrays.update(
                {name: np.ascontiguousarray(array, dtype=float) for name, array in zip(names, law.arrays, strict=True)}
            )
    sets = [arrays[vector].reshape(run.count, -1) for vector in program.set_vectors]
    scalars = [arrays[symbol].reshape(run.count) for symbol in program.set_scalars]
    return sets, np.ascontiguousarray(np.stack(scalars, axis=1) if scalars else np.zeros((1, 0)))
