"""SGD through its inner products: the exact chain at finite n, for isotropic Gaussian data, at a cost independent of n."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import sympy
from numpy.typing import NDArray
from sympy import Expr

from numerics.frame import Frame, frame_of
from numerics.precision import Precision
from numerics.targets import Target
from numerics.templates.chain import ChainProgram, chain_program
from numerics.templates.chain_state import chain_vectors, gaussian_vectors, moving_scalars, moving_vectors
from numerics.values import whole_number
from theory import SGD, Model, Sampling
from theory.errors import AlgorithmNotCovered, InvalidRequest, NonGaussianData, SamplingNotCovered
from theory.laws.law import Slot
from theory.vectors import Vector

__all__ = ["chain_vectors", "require_chain", "run_chain"]

Array = NDArray[np.float64]
LARGEST_BATCH = 2**16
"""Samples of a batch whose draws the counters of one step can tell apart."""


def run_chain(
    model: Model,
    algorithm: SGD,
    statistics: Mapping[str, Expr],
    values: Mapping[Expr, float],
    *,
    dimension: int,
    gram_start: Array,
    scalar_start: Array,
    record: NDArray[np.int64],
    replicas: int,
    seed: int = 0,
    threads: int | None = None,
    target: Target = Target.CPU,
    precision: Precision = Precision.FLOAT64,
) -> tuple[Array, NDArray[np.int64]]:
    r"""Return statistics along SGD, (replica, time, statistic), and the step at which each replica stopped (-1: it did not).

    For isotropic Gaussian data the inner products of trained and fixed vectors are a Markov chain of their own: a sample enters
    a step through its projections on their span, normal numbers, and through the inner products of what is left of it, which
    are a Wishart matrix of n - d degrees. Nothing is approximated, at any n; a step costs the same at every n.

    Parameters
    ----------
    statistics : name -> function of inner products of the vectors of `chain_vectors`, of trained scalars and their velocities.
    values : a number for every symbol of model, algorithm and statistics, the dimension among them.
    dimension : n.
    gram_start : (replicas or 1, d, d), the Gram matrix of `chain_vectors` at the start; see `numerics.frame.starting_gram`.
    scalar_start : (replicas or 1, S) the trained scalars, or (., 2 S) followed by their velocities, which are else zero.
    record : increasing steps at which statistics are recorded.
    replicas, seed, threads : independent runs; the bits of each depend on the seed and its number alone.

    A replica whose state leaves the finite numbers is stopped; its statistics are NaN from then on.
    Raises what `require_chain` does, and `ImpossibleStart` for Gram matrices of no vectors in R^n.

    >>> from theory import Model, Normal, SGD, Vector, dot, symbols
    >>> n = symbols("n", positive=True)
    >>> w, v, z = Vector("w", n), Vector("v", n), Vector("z", n)
    >>> model = Model((dot(w, z) - dot(v, z))**2/2, [w], {z: Normal()}, {dot(v, v): 1})
    >>> gram = np.array([[[1.0, 0.0], [0.0, 1.0]]])  # of w and v
    >>> out, stopped = run_chain(model, SGD(0.5/n), {"m": dot(w, v)}, {n: 1e8}, dimension=10**8, gram_start=gram,
    ...     scalar_start=np.zeros((1, 0)), record=np.array([0, 1000]), replicas=2, seed=1, threads=1)
    >>> out.shape, stopped
    ((2, 2, 1), array([-1, -1]))
    """
    require_chain(model, algorithm)
    batch = whole_number(_number(algorithm.batch_size, values), "batch_size")
    if batch > LARGEST_BATCH:
        raise InvalidRequest(f"batch_size={batch}: a chain covers batches of at most {LARGEST_BATCH}")
    steps = np.asarray(record, dtype=np.int64)
    if steps.ndim != 1 or not steps.size or steps[0] < 0 or (np.diff(steps) <= 0).any() or steps[-1] >= 2**32:
        raise InvalidRequest(f"record={record!r}: expected increasing steps in [0, 2**32)")
    expected = len(chain_vectors(model, algorithm, statistics))
    gram = np.asarray(gram_start, dtype=float)
    if gram.shape[1:] != (expected, expected) or len(gram) not in (1, replicas):
        raise InvalidRequest(
            f"gram_start has shape {gram.shape}; expected (1 or {replicas}, {expected}, {expected}), for the vectors "
            f"{', '.join(map(str, chain_vectors(model, algorithm, statistics)))}"
        )
    frame = frame_of(gram, len(moving_vectors(model, algorithm)), dimension)
    program = chain_program(
        model,
        algorithm,
        statistics,
        values,
        frame.shape,
        single=batch == 1,
        target=Target(target),
        precision=Precision(precision),
    )
    out = np.full((steps.size, len(statistics), replicas), np.nan, Precision(precision).dtype)
    stopped = np.full(replicas, -1, dtype=np.int64)
    program.kernel.run(
        replicas,
        np.uint64(seed),
        np.array([values[symbol] for symbol in program.hyperparameters] or [0.0]),
        _settings(algorithm, values, batch, program),
        batch,
        frame.shape.degrees,
        _spread(frame.moving.transpose(1, 2, 0), replicas),
        _spread(_scalars(model, algorithm, scalar_start, replicas).T, replicas),
        _padded(frame.fixed),
        *_tables(program, frame),
        steps,
        out,
        stopped,
        threads=threads,
    )
    return np.ascontiguousarray(out.transpose(2, 0, 1), dtype=float), stopped


def require_chain(model: Model, algorithm: SGD) -> None:
    """Raise unless the inner products of SGD on `model` are a Markov chain of their own.

    Raises `SamplingNotCovered` for fixed data sets, `NonGaussianData` for data vectors whose law is not isotropic,
    `AlgorithmNotCovered` for steps that act coordinate by coordinate, `InvalidRequest` for a model without vectors.
    """
    if not model.vectors:
        raise InvalidRequest(
            "the model has no vectors and so no inner products to follow; simulate it with method='direct'"
        )
    if (
        model.data_count is not None
        or algorithm.sampling_for(None if algorithm.samples is None else algorithm.samples) != Sampling.ONLINE
    ):
        raise SamplingNotCovered(
            f"the chain on inner products draws fresh samples; a fixed data set "
            f"({'Empirical data' if model.data_count is not None else f'samples={algorithm.samples}'}) has as many inner products "
            f"as it has samples. Simulate it with method='direct'"
        )
    if algorithm.proximal is not None:
        raise AlgorithmNotCovered(
            f"proximal={algorithm.proximal} acts on every coordinate, so that inner products do not determine their next "
            f"values; simulate it with method='direct'"
        )
    if algorithm.constraint is not None and (model.scalar_parameters or not model.vector_parameters):
        raise AlgorithmNotCovered("constraint=Sphere() rescales trained vectors; this model trains scalars")
    isotropic = gaussian_vectors(model)
    for names, law in model.data:
        for name, slot in zip(names, getattr(law, "slots", ()), strict=False):
            if not isinstance(name, Vector) or slot == Slot.VECTOR:
                continue
            if name not in isotropic or law.moment(1) != 0:
                raise NonGaussianData(
                    f"the entries of {name} have the law {law}; only independent centred Gaussian entries, {name}: Normal() or "
                    f"Normal(0, variance), make the inner products a Markov chain. Put means into the input as centre + {name}, "
                    f"and simulate other laws with method='direct'"
                )


def _number(expression: Any, values: Mapping[Expr, float]) -> float:
    return float(sympy.sympify(expression).xreplace({k: sympy.Float(v, 17) for k, v in values.items()}))


def _settings(algorithm: SGD, values: Mapping[Expr, float], batch: int, program: ChainProgram) -> Array:
    """The numbers in the order of `numerics.templates.chain.SETTINGS`, then the deviations of data vectors."""
    rate = _number(algorithm.learning_rate, values)
    return np.array(
        [
            rate,
            0.0 if algorithm.momentum is None else _number(algorithm.momentum.beta, values),
            _number(algorithm.coupled_decay, values),
            1 - rate * _number(algorithm.decoupled_decay, values),
            np.sqrt(2 * rate * _number(algorithm.temperature, values)),
            1 / batch,
            *(np.sqrt(_number(variance, values)) for variance in program.variances),
        ]
    )


def _scalars(model: Model, algorithm: SGD, given: Array, replicas: int) -> Array:
    """The trained scalars and their velocities, (replicas or 1, scalar)."""
    needed, trained = len(moving_scalars(model, algorithm)), len(model.scalar_parameters)
    scalars = np.asarray(given, dtype=float)
    if scalars.ndim != 2 or scalars.shape[1] not in (trained, needed) or len(scalars) not in (1, replicas):
        raise InvalidRequest(
            f"scalar_start has shape {np.shape(given)}; expected (1 or {replicas}, {trained}), for "
            f"{', '.join(map(str, model.scalar_parameters)) or 'no trained scalar'}"
        )
    return np.concatenate([scalars, np.zeros((len(scalars), needed - scalars.shape[1]))], axis=1)


def _spread(array: Array, replicas: int) -> Array:
    """An array over (..., replica) for every replica; never empty, which a device could not hold."""
    return _padded(np.ascontiguousarray(np.broadcast_to(array, (*array.shape[:-1], replicas))))


def _padded(array: Array) -> Array:
    return array if array.size else np.zeros([max(size, 1) for size in array.shape])


def _tables(program: ChainProgram, frame: Frame) -> list[NDArray[Any]]:
    """The tables of the draws; random combinations of fixed vectors become coordinates."""
    return [
        _padded(table @ frame.fixed) if name in program.centres else table for name, table in program.tables.items()
    ]
