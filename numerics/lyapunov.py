r"""Lyapunov exponents of random maps and recurrences, and the growth of single vectors, by simulation.

For x' = F(x; z) with Jacobians J_t along a trajectory,

$$ \Lambda_1 + \dots + \Lambda_k = \lim_{t\to\infty} \frac1t \log \mathrm{vol}_k(J_{t-1} \cdots J_0), $$

estimated from k tangent vectors that are orthonormalised as they go (Benettin's QR iteration; the program is in
`numerics.templates.lyapunov`). An exponent is per step of the map. A volume that vanishes in finite time has the exponent
minus infinity, and so have all after it: a legitimate answer, not an error.

*What the numbers rest on.* Replicas are independent, so their spread gives the `standard_error`. The `drift` between the halves of a
run, in units of its own error (`drift_z`), tells whether the run was long enough: the transient of the first steps and slow
fluctuations both show there. No exponent is sorted or corrected.

References: G. Benettin, L. Galgani, A. Giorgilli, J.-M. Strelcyn, Lyapunov characteristic exponents for smooth dynamical
systems (Meccanica 15, 1980).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy
import xarray as xr
from numpy.typing import NDArray
from sympy import Expr, S

from numerics.precision import Precision
from numerics.random import Purpose
from numerics.results import dataset
from numerics.solve.maps import steps_of
from numerics.solve.replicas import (
    check_laws,
    check_machine,
    check_randomness,
    replica_start,
    symbols_of,
    values_of,
)
from numerics.solve.request import attributes
from numerics.targets import Target
from numerics.templates.lyapunov import LyapunovProgram, lyapunov_program
from numerics.templates.maps import check_map, draws_of
from numerics.templates.tangent import TangentCode, tangent_code
from theory import Recurrence
from theory.errors import InvalidRequest, MissingValue, ValuesError
from theory.laws.draw import Choice, Draw, Row, StandardSign

Array = NDArray[np.float64]
BLOCKS = 32
"""Stretches of a run whose averages are kept."""
LARGEST_FAINT_RATE = 1e-3
"""The fraction of steps in single precision that may end in rounding noise, for laws with a density."""


def lyapunov_spectrum(
    equations: Recurrence,
    *,
    at: Mapping[Any, Any] | None = None,
    start: Mapping[Any, Any] | None = None,
    steps: int,
    replicas: int = 64,
    seed: int = 0,
    burn_in: int = 1000,
    orthonormalise_every: int = 1,
    exponents: int | None = None,
    target: Target = Target.CPU,
    precision: Precision = Precision.FLOAT64,
    threads: int | None = None,
) -> xr.Dataset:
    r"""Return the Lyapunov exponents of a random map or a recurrence, largest first, with standard errors.

    Parameters
    ----------
    equations : a `RandomMap` or a `Recurrence`; its Jacobian is derived symbolically.
    at : a number for every symbol of the map and of its laws.
    start : where trajectories start: numbers, arrays over replicas, or laws. Without it the exponents are those of the fixed point
        0, or of the linear part of the map where that is the same everywhere.
    steps : measured steps of each replica, at least 2, after `burn_in` others.
    replicas : independent runs; on the CPU 64 of them advance together, so fewer cost as much.  seed : of all randomness.
    orthonormalise_every : steps between orthonormalisations. With r of them the vectors draw together by a factor
        exp(-r (Lambda_1 - Lambda_k)), which must stay far above rounding: keep r (Lambda_1 - Lambda_k) below 10.
    exponents : how many of the leading ones; by default all.
    target, precision : where and in which format the program runs; sums of logarithms are exact in both.
    threads : worker threads on the CPU; the result does not depend on it.

    Returns
    -------
    A dataset over `exponent` = 1, ..., k: `spectrum`, `standard_error` (over replicas; from blocks for a single one), `block_error`
    (from the averages of 32 stretches of the run), `drift` (second half minus first) and `drift_z`; `by_replica` (replica, exponent);
    `total` and `total_error`, of the sum of the exponents; `diverged` and `diverged_step` (replica): replicas whose state
    or Jacobian left the finite numbers, whose exponents are NaN and enter no average. The error of an exponent minus infinity is 0.

    Raises `InvalidRequest` for impossible requests, for a map without fixed point 0 and without `start`, and in single precision where
    rounding noise cannot be told from a rank loss; `MissingValue`, `UnknownValue`, `ValuesError`, `InvalidLaw`, `TargetUnavailable`.

    Cost on one core, per replica and step: 10, 45, 130, 400 ns for 2, 5, 8, 12 exponents of a regression, half of it in single precision.

    >>> from theory import Recurrence, symbols
    >>> x, y, a, b = symbols("x y a b")
    >>> henon = Recurrence(update={x: 1 - a*x**2 + y, y: b*x})
    >>> found = lyapunov_spectrum(henon, at={a: 1.4, b: 0.3}, start={x: 0.1, y: 0.1}, steps=2000, replicas=64)
    >>> found["spectrum"].values.round(2).tolist(), round(float(found["total"]), 12)
    ([0.42, -1.62], -1.203972804326)
    """
    check_map(equations, "lyapunov_spectrum")
    size = len(equations.state)
    measured, transient = _count("steps", steps, 2), _count("burn_in", burn_in, 0)
    every, vectors = _count("orthonormalise_every", orthonormalise_every, 1), _vectors(exponents, size)
    if measured + transient >= 2**32:
        raise InvalidRequest(f"steps={steps}: at most 2**32 steps, burn_in included, are covered; take more replicas")
    check_randomness(replicas, seed)
    blocks = min(BLOCKS, 2 * (measured // 2))
    record = transient + np.rint(np.linspace(0, measured, blocks + 1)).astype(np.int64)
    linear = _linearised(equations, start, "lyapunov_spectrum")
    frames = random_frames(int(replicas), size, vectors, seed)
    run = _run(
        equations, linear, at, start, frames, record, seed, target, precision, threads, every=every, directions=False
    )
    _refuse_overflow(run, linear, every)
    _refuse_faint(run, equations, every)
    described = {
        **attributes(equations, run.values, f"QR iteration, {run.precision} on {run.target}"),
        "title": f"Lyapunov exponents of {type(equations).__name__}",
        "seed": seed,
        "replicas": int(replicas),
        "steps": measured,
        "burn_in": transient,
        "orthonormalise_every": every,
        "diverged": int((run.stopped >= 0).sum()),
    }
    return _spectrum(run, record, equations, described)


def linear_growth(
    equations: Recurrence,
    *,
    until: int,
    vector: Mapping[Any, Any] | None = None,
    at: Mapping[Any, Any] | None = None,
    start: Mapping[Any, Any] | None = None,
    times: Any = None,
    replicas: int = 64,
    seed: int = 0,
    target: Target = Target.CPU,
    precision: Precision = Precision.FLOAT64,
    threads: int | None = None,
) -> xr.Dataset:
    r"""Return the growth of a tangent vector, $v_t = J_{t-1} \cdots J_0 v_0$, as its log-norm and its direction.

    For a linear map, or one that starts at its fixed point 0, v_t is the state itself, which neither under- nor overflows here:
    a million contracting steps leave a finite log-norm. A vector that is annihilated has the log-norm minus infinity from
    then on, and the direction 0.

    Parameters are those of `lyapunov_spectrum`, and `vector`, v_0: for each state quantity a number, an array over replicas, or a law (by
    default a random direction for each replica); `until`, the last step; `times`, recorded steps, by default 41 equally spaced ones.

    The dataset holds `log_norm` (replica, time), `direction` (replica, time, component), the unit vector v_t / |v_t|,
    `growth_exponent` (replica), (log |v_T| - log |v_0|) / T, and `diverged`, `diverged_step`.

    >>> from theory import RandomMap, symbols
    >>> from theory.laws import Normal
    >>> w, x, eta = symbols("w x eta")
    >>> step = RandomMap(update={w: w - eta*x**2*w}, draws=(((x,), Normal()),))
    >>> runs = linear_growth(step, at={eta: 0.6}, vector={w: 2.0}, until=10_000, times=[0, 10_000], replicas=8, seed=1)
    >>> runs["log_norm"].values[0].round(4)[0].item(), bool((abs(runs["growth_exponent"] + 0.49) < 0.05).all())
    (0.6931, True)
    """
    check_map(equations, "linear_growth")
    check_randomness(replicas, seed)
    count, size = int(replicas), len(equations.state)
    record = steps_of(equations, until, times)
    linear = _linearised(equations, start, "linear_growth")
    if vector is None:
        begin = random_frames(count, size, 1, seed)[:, :, 0].T
    else:
        shared, _ = values_of(symbols_of(equations, {**(start or {}), **vector}), at or {}, "linear_growth")
        begin = replica_start(equations, vector, shared, count, seed, what="vector")
    largest = np.abs(begin).max(axis=0)
    if not largest.all():
        raise ValuesError(f"vector is 0 in replica {int(np.argmin(largest != 0))}, and stays 0; give a direction")
    lengths = largest * np.linalg.norm(begin / largest, axis=0)
    frames = (begin / largest / (lengths / largest)).T[:, :, np.newaxis]
    extra = {} if vector is None else vector
    run = _run(
        equations, linear, at, start, frames, record, seed, target, precision, threads, directions=True, extra=extra
    )
    _refuse_overflow(run, linear, 1)
    _refuse_faint(run, equations, 1)
    described = {
        **attributes(equations, run.values, f"carried log-norm, {run.precision} on {run.target}"),
        "title": f"growth of a vector under {type(equations).__name__}",
        "seed": seed,
        "replicas": count,
    }
    log_norms = run.log_norms[:, 0].T + np.log(lengths)[:, np.newaxis]  # (replica, time)
    result = dataset(
        {"log_norm": log_norms},
        record.astype(float),
        clock=equations.clock,
        replicas=True,
        attributes=described,
    )
    directions = np.where(run.stopped[:, np.newaxis, np.newaxis] >= 0, np.nan, np.moveaxis(run.frames, 2, 0))
    result["direction"] = (("replica", "time", "component"), directions)
    last = max(int(record[-1]), 1)
    result["growth_exponent"] = ("replica", (log_norms[:, -1] - np.log(lengths)) / last)
    result["diverged"] = ("replica", run.stopped >= 0)
    result["diverged_step"] = ("replica", run.stopped)
    return result.assign_coords(component=[str(quantity) for quantity in equations.state])


# ------------------------------------------------------------------------------------------------------- what is asked


def _count(name: str, value: Any, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or not least <= value < 2**32:
        raise InvalidRequest(f"{name}={value!r}: a whole number, at least {least}, is needed")
    return int(value)


def _vectors(exponents: Any, size: int) -> int:
    if exponents is None:
        return size
    if isinstance(exponents, bool) or not isinstance(exponents, (int, np.integer)) or not 1 <= exponents <= size:
        raise InvalidRequest(
            f"exponents={exponents!r}: the map moves {size} quantities, so it has {size} exponents; ask for 1 to {size}"
        )
    return int(exponents)


@dataclass(frozen=True)
class _Linear:
    """The tangent program, and whether the state must be iterated for it."""

    tangent: TangentCode
    moving: bool


def _linearised(equations: Recurrence, start: Mapping[Any, Any] | None, verb: str) -> _Linear:
    """The tangent program along trajectories from `start`, or at the fixed point 0 without one."""
    update = list(equations.update.values())
    tangent = tangent_code(update, equations.state)
    if not tangent.atoms & set(equations.state):
        return _Linear(tangent, moving=False)
    if start is not None:
        return _Linear(tangent, moving=True)
    origin = {quantity: S.Zero for quantity in equations.state}
    for quantity, expression in equations.update.items():
        residual = sympy.expand(expression.xreplace(origin))
        if residual != 0:
            raise InvalidRequest(
                f"{verb} without start takes the fixed point 0, but 0 is none: there {quantity}' = {residual}, not 0. Give "
                f"start={{{quantity}: ...}} for the exponents along trajectories"
            )
    return _Linear(tangent_code(update, equations.state, point=S.Zero), moving=False)


# ------------------------------------------------------------------------------------------------------------- running


@dataclass(frozen=True)
class _Run:
    """What a program returns: `log_norms` (slot, vector, replica), `frames` (slot, component, replica), counts, stops."""

    log_norms: Array
    frames: NDArray[Any]
    lost: NDArray[np.int64]
    faint: NDArray[np.int64]
    stopped: NDArray[np.int64]
    steps: int
    values: Mapping[Expr, float]
    target: Target
    precision: Precision


def _run(
    equations: Recurrence,
    linear: _Linear,
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
) -> _Run:
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
    lost, faint = np.empty((vectors, padded), np.int64), np.empty((vectors, padded), np.int64)
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
        lost,
        faint,
        stopped,
        *program.tables,
        threads=threads,
    )
    return _Run(
        log_norms[:, :, :replicas],
        kept[:, :, :replicas],
        lost[:, :replicas],
        faint[:, :replicas],
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


def _refuse_overflow(run: _Run, linear: _Linear, every: int) -> None:
    """Without a state that could diverge, numbers overflow only between orthonormalisations, or in the Jacobian itself."""
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


def _refuse_faint(run: _Run, equations: Recurrence, every: int) -> None:
    """Raise where single precision cannot tell a factor without full rank from one that nearly has none."""
    faint = np.where((run.lost > 0) | (run.stopped >= 0), 0, run.faint)
    events = run.steps / every * run.stopped.size
    if run.precision == Precision.FLOAT64 or not faint.any():
        return
    rate, vector = faint.sum(axis=1).max() / events, int(faint.sum(axis=1).argmax())
    draws = draws_of(equations)
    atoms = not draws or any(_has_atoms(law.draw("check")) for _, law in draws)
    if atoms or rate > LARGEST_FAINT_RATE:
        raise InvalidRequest(
            f"in single precision {int(faint[vector].sum())} of {events:.0f} steps leave nothing but rounding noise of tangent vector "
            f"{vector + 1}, so exponent {vector + 1} may be finite or minus infinity; use precision='float64'"
        )


def _has_atoms(draw: Draw) -> bool:
    discrete = any(isinstance(standard, (Choice, Row, StandardSign)) for _, standard in draw.standards)
    return discrete or not draw.standards or any(map(_has_atoms, draw.components))


# ---------------------------------------------------------------------------------------------------------- statistics


def _spectrum(run: _Run, record: NDArray[np.int64], equations: Recurrence, described: Mapping[str, Any]) -> xr.Dataset:
    kept = run.stopped < 0
    # a volume that has vanished has the exponent minus infinity, and so has every larger one
    infinite = np.maximum.accumulate(run.lost > 0, axis=0)  # (vector, replica)
    sums = np.where(infinite, 0.0, run.log_norms)  # (slot, vector, replica)
    rates = np.diff(sums, axis=0) / np.diff(record)[:, np.newaxis, np.newaxis]
    length, middle = record[-1] - record[0], record.size // 2
    by_replica = np.where(infinite, -np.inf, (sums[-1] - sums[0]) / length).T  # (replica, vector)
    by_replica[~kept] = np.nan
    never = infinite[:, kept].any(axis=1)
    halves = (sums[-1] - sums[middle]) / (record[-1] - record[middle]) - (sums[middle] - sums[0]) / (
        record[middle] - record[0]
    )
    values, blocks = by_replica[kept], rates[:, :, kept].mean(axis=2) if kept.any() else rates[:, :, 0] * np.nan
    finite = np.where(never, 0.0, values)
    block_error = _error(blocks, axis=0)
    error = _error(finite, axis=0) if kept.sum() > 1 else block_error
    drift, drift_error = _drift(halves[:, kept].T, blocks)
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where(drift == 0, 0.0, drift / drift_error)
    result = xr.Dataset(
        {
            "spectrum": ("exponent", np.where(never, -np.inf, _mean(finite))),
            "standard_error": ("exponent", np.where(never, 0.0, error)),
            "block_error": ("exponent", np.where(never, 0.0, block_error)),
            "drift": ("exponent", np.where(never, 0.0, drift)),
            "drift_z": ("exponent", np.where(never, 0.0, z)),
            "by_replica": (("replica", "exponent"), by_replica),
            "total": -np.inf if never.any() else _mean(values.sum(axis=1)),
            "total_error": 0.0 if never.any() else _total_error(values, blocks),
            "diverged": ("replica", ~kept),
            "diverged_step": ("replica", run.stopped),
        },
        {"exponent": np.arange(1, run.lost.shape[0] + 1)},
    )
    result.attrs = dataset({}, np.zeros(0), clock=equations.clock, replicas=False, attributes=described).attrs
    return result


def _mean(values: Array) -> Any:
    return values.mean(axis=0) if len(values) else np.full(values.shape[1:], np.nan)


def _error(values: Array, axis: int) -> Any:
    """The standard error of a mean; NaN from a single value."""
    count = values.shape[axis]
    if count < 2:
        return np.full(np.delete(values.shape, axis), np.nan)
    return values.std(axis=axis, ddof=1) / np.sqrt(count)


def _total_error(values: Array, blocks: Array) -> float:
    return float(_error(values.sum(axis=1), axis=0) if len(values) > 1 else _error(blocks.sum(axis=1), axis=0))


def _drift(halves: Array, blocks: Array) -> tuple[Any, Any]:
    """Second half minus first, and its error: over replicas, or from the blocks of a single run."""
    if len(halves) > 1:
        return halves.mean(axis=0), _error(halves, axis=0)
    middle = len(blocks) // 2
    parts: Sequence[Array] = (blocks[:middle], blocks[middle:])
    drift = parts[1].mean(axis=0) - parts[0].mean(axis=0)
    return drift, np.hypot(_error(parts[0], axis=0), _error(parts[1], axis=0))
