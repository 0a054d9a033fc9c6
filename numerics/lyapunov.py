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
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from numerics.precision import Precision
from numerics.results import dataset
from numerics.solve.maps import steps_of
from numerics.solve.replicas import check_randomness, replica_start, symbols_of, values_of
from numerics.solve.request import attributes
from numerics.solve.tangent import (
    TangentRun,
    annihilated,
    linearised,
    random_frames,
    refuse_overflow,
    run_tangent,
)
from numerics.targets import Target
from numerics.templates.maps import check_map
from theory import Recurrence, Stability
from theory.errors import InvalidRequest, ValuesError

Array = NDArray[np.float64]
BLOCKS = 32
"""Stretches of a run whose averages are kept."""
BURN_IN = 1000
"""Steps before the measured ones."""


def lyapunov_spectrum(
    equations: Recurrence | Stability,
    *,
    at: Mapping[Any, Any] | None = None,
    start: Mapping[Any, Any] | None = None,
    steps: int | None = None,
    replicas: int = 64,
    seed: int = 0,
    burn_in: int = BURN_IN,
    orthonormalise_every: int = 1,
    exponents: int | None = None,
    target: Target = Target.CPU,
    precision: Precision = Precision.FLOAT64,
    threads: int | None = None,
) -> xr.Dataset:
    r"""Return the Lyapunov exponents of a random map or a recurrence, largest first, with standard errors.

    Parameters
    ----------
    equations : a `RandomMap` or a `Recurrence`; its Jacobian is derived symbolically. Or a `Stability`: then the spectrum of every
        block, each by the best road open to it, over `mode` and `exponent` (`numerics.stability.spectrum`); the last is simulation with
        these `steps` (20000 by default), `replicas`, `seed`, `target` and `threads`.
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

    A vector of which a step leaves less than 16 times the rounding error of its terms counts as annihilated, if the law of the
    draws is discrete or it happens more often than a density explains (a step in 10^9, in single precision in 10^3): in double
    precision exponents that lie more than 33 per step apart end so, in single precision 13.

    Raises `InvalidRequest` for impossible requests, for a map without fixed point 0 and without `start`, and in single precision where
    rounding noise cannot be told from a rank loss; `MissingValue`, `UnknownValue`, `ValuesError`, `InvalidLaw`, `TargetUnavailable`.

    Cost on one core, per replica and step: 6, 28, 110, 280 ns for 2, 5, 8, 12 exponents of a regression, half to four fifths of it in
    single precision.

    >>> from theory import Recurrence, symbols
    >>> x, y, a, b = symbols("x y a b")
    >>> henon = Recurrence(update={x: 1 - a*x**2 + y, y: b*x})
    >>> found = lyapunov_spectrum(henon, at={a: 1.4, b: 0.3}, start={x: 0.1, y: 0.1}, steps=20_000)
    >>> found["spectrum"].values.round(2).tolist(), round(float(found["total"]), 12)
    ([0.42, -1.62], -1.203972804326)
    """
    if isinstance(equations, Stability):
        refused = {
            "start": start is not None,
            "burn_in": burn_in != BURN_IN,
            "orthonormalise_every": orthonormalise_every != 1,
            "precision": precision != Precision.FLOAT64,
        }
        return _of_stability(equations, at or {}, refused, (steps, replicas, seed, target, threads), exponents)
    check_map(equations, "lyapunov_spectrum")
    size = len(equations.state)
    measured, transient = check_count("steps", steps, 2), check_count("burn_in", burn_in, 0)
    every, vectors = check_count("orthonormalise_every", orthonormalise_every, 1), _vectors(exponents, size)
    if measured + transient >= 2**32:
        raise InvalidRequest(f"steps={steps}: at most 2**32 steps, burn_in included, are covered; take more replicas")
    check_randomness(replicas, seed)
    blocks = min(BLOCKS, 2 * (measured // 2))
    record = transient + np.rint(np.linspace(0, measured, blocks + 1)).astype(np.int64)
    linear = linearised(equations, start, "lyapunov_spectrum")
    frames = random_frames(int(replicas), size, vectors, seed)
    run = run_tangent(
        equations, linear, at, start, frames, record, seed, target, precision, threads, every=every, directions=False
    )
    refuse_overflow(run, linear, every)
    if (run.stopped >= 0).all():
        raise InvalidRequest(
            f"every replica leaves the finite numbers, the last at step {run.stopped.max()}: the map diverges from this start; there "
            f"are exponents only along trajectories that stay"
        )
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
    return spectrum_of(run, annihilated(run, equations, every)[-1], record, equations, described)


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
    linear = linearised(equations, start, "linear_growth")
    if vector is None:
        begin = random_frames(count, size, 1, seed)[:, :, 0].T
    else:
        shared, _ = values_of(symbols_of(equations, {**(start or {}), **vector}), at or {}, "linear_growth")
        begin = replica_start(equations, vector, shared, count, seed, argument="vector", first_stream=2 * size)
    largest = np.abs(begin).max(axis=0)
    if not largest.all():
        raise ValuesError(f"vector is 0 in replica {int(np.argmin(largest != 0))}, and stays 0; give a direction")
    lengths = largest * np.linalg.norm(begin / largest, axis=0)
    frames = (begin / largest / (lengths / largest)).T[:, :, np.newaxis]
    extra = {} if vector is None else vector
    run = run_tangent(
        equations, linear, at, start, frames, record, seed, target, precision, threads, directions=True, extra=extra
    )
    refuse_overflow(run, linear, 1)
    gone = annihilated(run, equations, 1)[:, 0].T  # (replica, time)
    described = {
        **attributes(equations, run.values, f"carried log-norm, {run.precision} on {run.target}"),
        "title": f"growth of a vector under {type(equations).__name__}",
        "seed": seed,
        "replicas": count,
    }
    log_norms = np.where(gone, -np.inf, run.log_norms[:, 0].T + np.log(lengths)[:, np.newaxis])
    result = dataset(
        {"log_norm": log_norms},
        record.astype(float),
        clock=equations.clock,
        replicas=True,
        attributes=described,
    )
    directions = np.where(gone[:, :, np.newaxis], 0, np.moveaxis(run.frames, 2, 0))
    directions[run.stopped >= 0] = np.nan
    result["direction"] = (("replica", "time", "component"), directions)
    last = max(int(record[-1]), 1)
    result["growth_exponent"] = ("replica", (log_norms[:, -1] - np.log(lengths)) / last)
    result["diverged"] = ("replica", run.stopped >= 0)
    result["diverged_step"] = ("replica", run.stopped)
    return result.assign_coords(component=[str(quantity) for quantity in equations.state])


# ------------------------------------------------------------------------------------------------------- what is asked


def _of_stability(
    equations: Stability, at: Mapping[Any, Any], refused: Mapping[str, bool], options: tuple[Any, ...], exponents: Any
) -> xr.Dataset:
    from numerics.stability.exponents import checked_runs  # which builds on numerics.solve, and that on this module
    from numerics.stability.runs import DEFAULT_RUNS
    from numerics.stability.spectrum import spectrum_of_stability

    for name, given in refused.items():
        if given:
            raise InvalidRequest(
                f"{name}= is for maps; the spectrum of a Stability is that of its fixed point, leave it out"
            )
    steps, *others = options
    return spectrum_of_stability(
        equations, at, checked_runs(DEFAULT_RUNS.steps if steps is None else steps, *others), exponents
    )


def check_count(name: str, value: Any, least: int) -> int:
    """`value` as a whole number of at least `least`. Raises `InvalidRequest` naming the argument."""
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


# ---------------------------------------------------------------------------------------------------------- statistics


def spectrum_of(
    run: TangentRun,
    infinite: NDArray[np.bool_],
    record: NDArray[np.int64],
    equations: Recurrence,
    described: Mapping[str, Any],
) -> xr.Dataset:
    """The dataset of exponents; `infinite` (vector, replica) says which volumes have vanished."""
    kept = run.stopped < 0
    sums = np.where(infinite, 0.0, run.log_norms)  # (slot, vector, replica)
    rates = np.diff(sums, axis=0) / np.diff(record)[:, np.newaxis, np.newaxis]
    length, middle = record[-1] - record[0], record.size // 2
    by_replica = np.where(infinite, -np.inf, (sums[-1] - sums[0]) / length).T  # (replica, vector)
    by_replica[~kept] = np.nan
    never = infinite[:, kept].any(axis=1)
    halves = (sums[-1] - sums[middle]) / (record[-1] - record[middle]) - (sums[middle] - sums[0]) / (
        record[middle] - record[0]
    )
    values, blocks = by_replica[kept], rates[:, :, kept].mean(axis=2)
    finite = np.where(never, 0.0, values)
    block_error = _error(blocks, axis=0)
    error = _error(finite, axis=0) if kept.sum() > 1 else block_error
    drift, drift_error = _drift(halves[:, kept].T, blocks)
    # where all replicas are alike, the drift and its error are rounding errors of the sums
    z = drift / np.hypot(drift_error, run.precision.epsilon * np.maximum(1.0, np.abs(finite).max(axis=0)))
    result = xr.Dataset(
        {
            "spectrum": ("exponent", np.where(never, -np.inf, finite.mean(axis=0))),
            "standard_error": ("exponent", np.where(never, 0.0, error)),
            "block_error": ("exponent", np.where(never, 0.0, block_error)),
            "drift": ("exponent", np.where(never, 0.0, drift)),
            "drift_z": ("exponent", np.where(never, 0.0, z)),
            "by_replica": (("replica", "exponent"), by_replica),
            "total": -np.inf if never.any() else values.sum(axis=1).mean(),
            "total_error": 0.0 if never.any() else _total_error(values, blocks),
            "diverged": ("replica", ~kept),
            "diverged_step": ("replica", run.stopped),
        },
        {"exponent": np.arange(1, len(infinite) + 1)},
    )
    result.attrs = dataset({}, np.zeros(0), clock=equations.clock, replicas=False, attributes=described).attrs
    return result


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
