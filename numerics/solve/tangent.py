"""Tangent vectors of maps, run: from equations and frames to sums of logarithms, with what can go wrong on the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy
from numpy.typing import NDArray
from sympy import Expr, S

from numerics.precision import Precision
from numerics.random import Purpose
from numerics.solve.replicas import check_laws, check_machine, replica_start, symbols_of, values_of
from numerics.targets import Target
from numerics.templates.lyapunov import lyapunov_program
from numerics.templates.map_draws import draws_of
from numerics.templates.tangent import TangentCode, tangent_code
from theory import Recurrence
from theory.errors import InvalidRequest, ValuesError
from theory.laws.draw import Choice, Draw, Row, StandardSign

Array = NDArray[np.float64]
LARGEST_FAINT_RATE = {Precision.FLOAT64: 1e-9, Precision.FLOAT32: 1e-3}
"""The fraction of steps that may leave rounding noise by accident: a law with a density hits a zero as often as its numbers are coarse."""


@dataclass(frozen=True)
class Linear:
    """The tangent program, and whether the state must be iterated for it."""

    tangent: TangentCode
    moving: bool


def linearised(equations: Recurrence, start: Mapping[Any, Any] | None, verb: str) -> Linear:
    """The tangent program along trajectories from `start`, or at the fixed point 0 without one."""
    update = list(equations.update.values())
    tangent = tangent_code(update, equations.state)
    if not tangent.atoms & set(equations.state):
        return Linear(tangent, moving=False)
    if start is not None:
        return Linear(tangent, moving=True)
    origin = {quantity: S.Zero for quantity in equations.state}
    for quantity, expression in equations.update.items():
        residual = sympy.expand(expression.xreplace(origin))
        if residual != 0:
            raise InvalidRequest(
                f"{verb} without start takes the fixed point 0, but 0 is none: there {quantity}' = {residual}, not 0. Give "
                f"start={{{quantity}: ...}} for the exponents along trajectories"
            )
    return Linear(tangent_code(update, equations.state, point=S.Zero), moving=False)


@dataclass(frozen=True)
class TangentRun:
    """What a program returns: `log_norms` and counts (slot, vector, replica), `frames` (slot, component, replica), stops."""

    log_norms: Array
    frames: NDArray[Any]
    faint: NDArray[np.int64]
    vanished: NDArray[np.int64]
    stopped: NDArray[np.int64]
    steps: int
    values: Mapping[Expr, float]
    target: Target
    precision: Precision


def run_tangent(
    equations: Recurrence,
    linear: Linear,
    at: Mapping[Any, Any] | None,
    start: Mapping[Any, Any] | None,
    frames: Array,
    record: NDArray[np.int64],
    seed: int,
    target: Any,
    precision: Any,
    threads: Any,
    *,
    every: int = 1,
    directions: bool,
    extra: Mapping[Any, Any] | None = None,
) -> TangentRun:
    """Run the program from `frames` (replica, state, vector)."""
    where, format_ = check_machine(target, precision, threads)
    shared, varied = values_of(symbols_of(equations, {**(start or {}), **(extra or {})}), at or {}, "the map")
    if varied:
        raise ValuesError(f"at={{{next(iter(varied))}: ...}}: expected one number; compute a spectrum for each value")
    check_laws(equations, shared, {})
    replicas, size, vectors = frames.shape
    begin = np.zeros((size, replicas)) if start is None else replica_start(equations, start, shared, replicas, seed)
    program = lyapunov_program(
        equations,
        linear.tangent,
        shared,
        vectors=vectors,
        every=every,
        moving=linear.moving,
        directions=directions,
        target=where,
        precision=format_,
    )
    groups = -(-replicas // program.lanes)
    padded = groups * program.lanes
    log_norms = np.empty((record.size, vectors, padded))
    kept = np.zeros((record.size if directions else 1, vectors * size, padded if directions else 1), format_.dtype)
    faint, vanished = (np.empty(log_norms.shape, np.int64) for _ in range(2))
    stopped = np.empty(padded, np.int64)
    program.kernel.run(
        groups,
        np.uint64(seed),
        *(shared[symbol] for symbol in program.hyperparameters),
        _padded(begin, padded),
        _padded(np.moveaxis(frames, 0, 2).swapaxes(0, 1).reshape(vectors * size, replicas), padded),
        record,
        log_norms,
        kept,
        faint,
        vanished,
        stopped,
        *program.tables,
        threads=threads,
    )
    return TangentRun(
        log_norms[:, :, :replicas],
        kept[:, :, :replicas],
        faint[:, :, :replicas],
        vanished[:, :, :replicas],
        stopped[:replicas],
        int(record[-1]),
        shared,
        where,
        format_,
    )


def _padded(array: Array, count: int) -> Array:
    """`array` with its last column repeated up to `count` columns."""
    return np.pad(array, ((0, 0), (0, count - array.shape[1])), mode="edge")


def random_frames(replicas: int, size: int, vectors: int, seed: int) -> Array:
    """Uniformly random orthonormal vectors, shape (replica, size, vectors); those of a replica depend on its number alone.

    >>> frame = random_frames(2, 3, 2, seed=1)[1]
    >>> (frame.T @ frame).round(12).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    bits = np.random.Philox(key=[seed, int(Purpose.FRAME) << 32])
    normals = np.random.Generator(bits).standard_normal((replicas, size, size))
    return np.asarray(np.linalg.qr(normals[:, :, :vectors])[0])


def refuse_overflow(run: TangentRun, linear: Linear, every: int) -> None:
    """Raise where tangent vectors alone left the finite numbers.

    Without a state that could diverge, numbers overflow only between orthonormalisations, or in the Jacobian itself.
    """
    if linear.moving or not (run.stopped >= 0).any():
        return
    replica = int(np.argmax(run.stopped >= 0))
    remedy = (
        f"orthonormalise_every={every} is too much for vectors that grow so fast; lower it"
        if every > 1
        else "the Jacobian overflows there; use precision='float64', or a law with lighter tails"
    )
    raise InvalidRequest(
        f"the tangent vectors of replica {replica} leave the finite numbers at step {run.stopped[replica]}: {remedy}"
    )


def annihilated(run: TangentRun, equations: Recurrence, every: int) -> NDArray[np.bool_]:
    """Whether a volume has vanished: (slot, vector, replica), with all larger volumes.

    A vector of which rounding noise is left has been annihilated if this is no accident: where nothing drawn has a density, or
    where it happens more often than a density explains. Raises `InvalidRequest` in single precision where noise is left so often,
    yet nothing that is far below noise: then the factor may or may not have full rank.
    """
    kept = run.stopped < 0
    events = -(-run.steps // every) * int(kept.sum())
    discrete = all(_is_discrete(law.draw("check")) for _, law in draws_of(equations))
    allowed = 0.0 if discrete else LARGEST_FAINT_RATE[run.precision] * events
    counts = run.faint if run.precision == Precision.FLOAT64 else run.vanished
    real = counts[-1][:, kept].sum(axis=1) > allowed  # (vector,)
    unclear = (run.faint[-1][:, kept].sum(axis=1) > allowed) & ~real
    unclear &= ~np.maximum.accumulate(real)
    if unclear.any():
        vector = int(np.argmax(unclear))
        raise InvalidRequest(
            f"in single precision {int(run.faint[-1, vector][kept].sum())} of {events} steps leave nothing but rounding noise of "
            f"tangent vector {vector + 1}, so its exponent may be finite or minus infinity; use precision='float64'"
        )
    return np.asarray(np.maximum.accumulate((run.faint > 0) & real[:, np.newaxis], axis=1))


def _is_discrete(draw: Draw) -> bool:
    """Whether nothing of a draw has a density."""
    standards = all(isinstance(standard, (Choice, Row, StandardSign)) for _, standard in draw.standards)
    return standards and all(map(_is_discrete, draw.components))
