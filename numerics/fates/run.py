"""The runs themselves: one launch for all points that share the tables of their laws and their data set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sympy import Expr

from numerics.fates.request import Limits, Points
from numerics.precision import Precision
from numerics.simulation.direct import data_set
from numerics.simulation.run import Run
from numerics.start import Start
from numerics.targets import Target
from numerics.templates.fates import FatesProgram, fates_program
from numerics.templates.sgd import sgd_program
from theory import SGD, Model
from theory.laws.draw import Choice, Draw

Array = NDArray[np.float64]

LARGEST_ORDERS = 2**25
"""Integers that the replicas of one launch on a device keep between them, 256 MiB."""


@dataclass(frozen=True)
class Runs:
    """Where the runs ended: `gaps` from the point (point, replica, parameter), NaN if lost, and how many `steps` they took."""

    gaps: Array
    steps: NDArray[np.int64]


@dataclass(frozen=True)
class Ensemble:
    """What is run: a statement, its points, and from where (`starts`) around what (`centres`)."""

    model: Model
    algorithm: SGD
    points: Points
    centres: Array
    starts: Array
    limits: Limits


def run_all(
    ensemble: Ensemble,
    *,
    steps: int,
    replicas: int,
    seed: int,
    target: Target,
    precision: Precision,
    threads: int | None,
) -> Runs:
    """Run every replica at every point; its draws depend on the seed, on its number and on that of its point alone."""
    algorithms = _algorithms(ensemble)
    count, parameters = len(algorithms), len(ensemble.model.parameters)
    gaps, taken = np.empty((count, replicas, parameters)), np.empty((count, replicas), np.int64)
    machine: dict[str, Any] = {"target": target, "precision": precision}
    for group in _groups(ensemble, algorithms):
        first, values = algorithms[group[0]], ensemble.points.values[group[0]]
        program = fates_program(ensemble.model, ensemble.algorithm, values, **machine)
        columns = _columns(ensemble, program, first.run, values, precision, seed, threads)
        integers = program.integers * first.run.count
        at_once = len(group) if target is Target.CPU else max(1, LARGEST_ORDERS // max(1, replicas * integers))
        for begin in range(0, len(group), at_once):
            some = group[begin : begin + at_once]
            final = np.empty((parameters, len(some) * replicas), precision.dtype)
            ended = np.empty(len(some) * replicas, np.int64)
            hyper = [[ensemble.points.values[k][s] for s in program.hyperparameters] for k in some]
            arguments: list[Any] = [seed, replicas, steps, first.run.count]
            arguments += [ensemble.limits.absorbed**2, ensemble.limits.escape**2]
            arguments += [np.array(some), np.array([algorithms[k].run.batch for k in some])]
            arguments += [np.array(hyper, dtype=float).reshape(len(some), len(program.hyperparameters))]
            arguments += [np.array([algorithms[k].settings for k in some]), ensemble.centres[some]]
            arguments += [ensemble.starts[some] if len(ensemble.starts) > 1 else ensemble.starts]
            arguments += [columns, final, ended, *program.tables]
            if target is not Target.CPU:  # no vectors, and the integers of each replica
                arguments += [np.empty((ended.size, 0), precision.dtype), np.empty((ended.size, integers), np.int64)]
            trajectories = len(some) * -(-replicas // program.width)
            program.kernel.run(trajectories, *arguments, threads=threads)
            centres = ensemble.centres[some].astype(precision.dtype).astype(float)  # as the program knows them
            gaps[some] = final.T.reshape(len(some), replicas, parameters) - centres[:, np.newaxis]
            taken[some] = ended.reshape(len(some), replicas)
    return Runs(gaps, taken)


@dataclass(frozen=True)
class _Algorithm:
    """The numbers of the algorithm at a point."""

    run: Run
    settings: Array


def _algorithms(ensemble: Ensemble) -> list[_Algorithm]:
    """The numbers of the algorithm at every point, made once for equal values of its symbols."""
    symbols = sorted(ensemble.algorithm.free_symbols, key=str)
    done: dict[tuple[float, ...], _Algorithm] = {}
    found = []
    for values in ensemble.points.values:
        key = tuple(values[s] for s in symbols)
        if key not in done:
            run = Run(ensemble.model, ensemble.algorithm, values, 1)
            done[key] = _Algorithm(run, run.settings())
        found.append(done[key])
    return found


def _groups(ensemble: Ensemble, algorithms: Sequence[_Algorithm]) -> list[list[int]]:
    """Points that one launch can run: equal numbers in the tables of finite laws, and in a data set drawn from laws."""
    drawn_set = ensemble.algorithm.samples is not None
    laws = [law for _, law in ensemble.model.data if drawn_set or _has_table(law.draw("check"))]
    symbols: list[Expr] = sorted({s for law in laws for s in law.free_symbols}, key=str)
    groups: dict[tuple[float, ...], list[int]] = {}
    for k, (values, algorithm) in enumerate(zip(ensemble.points.values, algorithms, strict=True)):
        groups.setdefault((algorithm.run.count, *(values[s] for s in symbols)), []).append(k)
    return list(groups.values())


def _has_table(draw: Draw) -> bool:
    """Whether values and probabilities of a law are numbers of the program."""
    return any(isinstance(standard, Choice) for _, standard in draw.standards)


def _columns(
    ensemble: Ensemble,
    program: FatesProgram,
    run: Run,
    values: Mapping[Expr, float],
    precision: Precision,
    seed: int,
    threads: int | None,
) -> Array:
    """The fixed data set, a column for each random scalar: from arrays, or drawn once from the laws, as `simulate` does."""
    if not program.set_scalars:
        return np.zeros((1, 0))
    model = ensemble.model
    observed = {str(parameter): parameter for parameter in model.parameters}
    direct = sgd_program(model, ensemble.algorithm, observed, values, precision=precision)
    hyper = np.array([values[s] for s in direct.hyperparameters], dtype=float)
    nothing = Start(np.zeros((1, 0, 1)), np.zeros((1, 0)), np.zeros((0, 1)))
    return data_set(direct, run, nothing, hyper, seed, threads)[1]
