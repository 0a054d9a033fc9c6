"""`fates`: how many runs of direct SGD end at a point, leave it the right or the wrong way, or run away."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.special import ndtri

from numerics.averages import matrix_values
from numerics.fates.point import is_at_rest, mean_hessian
from numerics.fates.request import (
    Limits,
    Points,
    centres_of,
    check_statement,
    limits_of,
    points_of,
    starts_of,
)
from numerics.fates.run import Ensemble, Runs, run_all
from numerics.precision import Precision
from numerics.results import versions
from numerics.solve.replicas import check_machine, check_randomness
from numerics.targets import Target, backend
from theory import SGD, Model
from theory.identity import content_hash
from theory.stability.fixed_point import read_point

Array = NDArray[np.float64]

ROUNDING = 1e-12
"""The share of its terms below which a sum of products of both signs counts as zero."""


class Fate(StrEnum):
    """How a run ends."""

    SADDLE = "saddle"
    """At the point."""
    CORRECT = "correct"
    """Away from it, in a direction in which the mean loss curves down."""
    INCORRECT = "incorrect"
    """Away from it, in a direction in which the mean loss curves up."""
    UNDIRECTED = "undirected"
    """Away from it, and the mean loss has no curvature in that direction, or no mean Hessian."""
    BLOW_UP = "blow-up"
    """Beyond all bounds, or no number."""


def fates(
    model: Model,
    algorithm: SGD,
    *,
    point: Mapping[Any, Any],
    start: Mapping[Any, Any],
    steps: int,
    at: Mapping[Any, Any] | None = None,
    replicas: int = 1000,
    seed: int = 0,
    escape: float = 1e4,
    collapse: float = 1e-6,
    absorbed: float | None = None,
    target: Target | str = Target.CPU,
    precision: Precision | str = Precision.FLOAT64,
    threads: int | None = None,
) -> xr.Dataset:
    r"""Return how many runs of SGD itself meet each fate around a point $\theta^*$, as a dataset over `fate`.

    After `steps` steps, with $\delta=\theta-\theta^*$ and $\bar H$ the mean Hessian of the loss at the point (decay not included),
    a run is a `Fate`: blow-up if it was ever beyond `escape` or no number; else saddle if $|\delta|<$ `collapse`; else correct if
    $\delta^T\bar H\delta<0$, incorrect if it is positive, undirected if it is zero or $\bar H$ does not exist (a Cauchy law).

    Parameters
    ----------
    model : of scalars; expand vectors first, `model.components({n: 3})`.  algorithm : with any way of drawing batches.
    point : for every parameter a number, or an expression of hyperparameters.
    start : for every parameter a number, an array over replicas, or a law (`Normal(0, 1e-6)` has the *variance* 1e-6).
        Momentum buffers start empty. The draws are the same at all points.
    at : a number for every hyperparameter, or one-dimensional arrays of one length: the result then has a dimension `point`.
    steps : of every run.  replicas : runs at each point.  seed : of all randomness; same seed, same bits.
    escape, collapse : Euclidean distances over the parameters.
    absorbed : distance at which a run ends early, its momentum included, by default the larger of $10^{-100}$ ($10^{-36}$ in single
        precision) and what rounding resolves at the point. Not used (0) where SGD may leave the point again by itself.
    target, precision, threads : where and how it runs; the result does not depend on the number of threads.

    Returns `count`, `fraction`, `lower` and `upper` (its Wilson interval of 95 %) over (point, fate), and over points the median of
    the last distance and the mean number of steps. A data set drawn from laws (`samples=`) is drawn once, for all replicas.
    Raises `InvalidRequest`, `MissingValue`, `UnknownValue`, `ValuesError`, `InvalidLaw`, `InvalidAlgorithm`,
    `AlgorithmNotCovered`, `TargetUnavailable`, and `UnsupportedExpectation` where the mean Hessian has no quadrature.

    Near a phase boundary runs stay long by the point, and single precision ends those that would come back from below $10^{-36}$.
    Cost on a core: 7 ns a step for fresh Gaussian samples in batches of up to 8 (a number, not a symbol), 25 to 50 ns a sample else;
    on a device one thread for each replica at each point.

    >>> from theory import SGD, Discrete, Model, Normal, symbols
    >>> u, w, y, eta = symbols("u w y eta")
    >>> model = Model((u*w - y)**2/2, [u, w], {y: Discrete({1: 0.5, -0.8: 0.5})})
    >>> small = Normal(0, 1e-6)
    >>> found = fates(model, SGD(eta), point={u: 0, w: 0}, at={eta: [0.5, 1.8]}, start={u: small, w: small}, steps=5000, replicas=100)
    >>> found["count"].sel(fate=["saddle", "blow-up"]).values.tolist()
    [[100, 0], [0, 100]]
    """
    check_statement(model, algorithm, start, at, steps)
    check_randomness(replicas, seed)
    where, format_ = check_machine(target, precision, threads)
    place = read_point(model, point)
    points = points_of(model, algorithm, place, start, at)
    centres = centres_of(place, points)
    rests = is_at_rest(model, algorithm, place)
    limits = limits_of(escape, collapse, absorbed, centres, at_rest=rests, precision=format_)
    starts = starts_of(model, start, points, centres, limits, int(replicas), seed)
    hessian = mean_hessian(model, place)
    backend(where).require()
    ensemble = Ensemble(model, algorithm, points, centres, starts, limits)
    machine: dict[str, Any] = {"target": where, "precision": format_, "threads": threads}
    runs = run_all(ensemble, steps=int(steps), replicas=int(replicas), seed=seed, **machine)
    curvature = None if hessian is None else matrix_values(hessian, points.values)
    result = _counted(runs, classified(runs, curvature, limits, int(steps)), points)
    result.attrs = {
        "title": "fates of direct SGD",
        **{"replicas": int(replicas), "steps": int(steps), "seed": seed},
        "at": ", ".join(f"{s}={v:g}" for s, v in points.values[0].items() if str(s) not in points.varied),
        "point": ", ".join(f"{parameter}={value}" for parameter, value in place.items()),
        "start": ", ".join(f"{key}={value}" for key, value in start.items()),
        **{"target": str(where), "precision": str(format_)},
        **{"escape": limits.escape, "collapse": limits.collapse, "absorbed": limits.absorbed},
        "interval": "Wilson, 95 %",
        "sampling": str(algorithm.sampling_for(model.data_count)),
        "model_hash": content_hash((model, algorithm)),
        "conventions": "; ".join(algorithm.conventions()),
        "algorithm": repr(algorithm),
        "versions": versions(),
    }
    return result


def classified(runs: Runs, curvature: Array | None, limits: Limits, steps: int) -> NDArray[np.int8]:
    """The number of the fate of every run, in the order of `Fate`; `curvature`, the mean Hessian at each point."""
    gaps = runs.gaps
    largest = np.abs(gaps).max(axis=2, keepdims=True)  # divided by it, squares neither under- nor overflow
    with np.errstate(invalid="ignore"):
        unit = np.divide(gaps, largest, out=np.zeros_like(gaps), where=largest > 0)
        distance = largest[..., 0] * np.sqrt((unit**2).sum(axis=2))
        lost = ~(distance <= limits.escape) | ((runs.steps < steps) & ~(distance < limits.collapse))
    order = list(Fate)
    found = np.full(distance.shape, order.index(Fate.UNDIRECTED), np.int8)
    if curvature is not None:
        bend = (unit @ curvature * unit).sum(axis=2)
        size = (np.abs(unit) @ np.abs(curvature) * np.abs(unit)).sum(axis=2)
        found[bend < -ROUNDING * size] = order.index(Fate.CORRECT)
        found[bend > ROUNDING * size] = order.index(Fate.INCORRECT)
    found[distance < limits.collapse] = order.index(Fate.SADDLE)
    found[lost] = order.index(Fate.BLOW_UP)
    return found


def wilson_interval(count: Any, total: int, level: float = 0.95) -> tuple[Array, Array]:
    r"""The ends of Wilson's interval for a probability of which `count` out of `total` draws have been seen.

    Where the score test of a proportion p accepts: $|\hat p-p|\le z\sqrt{p(1-p)/n}$.

    >>> wilson_interval([0, 5, 10], 10)[1].round(4).tolist()
    [0.2775, 0.7634, 1.0]
    """
    z = float(ndtri(0.5 + level / 2))
    seen = np.asarray(count, dtype=float)
    middle = (seen + z**2 / 2) / (total + z**2)
    half = z / (total + z**2) * np.sqrt(seen * (total - seen) / total + z**2 / 4)
    return np.where(seen == 0, 0.0, middle - half), np.where(seen == total, 1.0, middle + half)


def _counted(runs: Runs, found: NDArray[np.int8], points: Points) -> xr.Dataset:
    """The dataset of counts; over (fate,) alone where nothing varies."""
    replicas = found.shape[1]
    count = np.stack([(found == k).sum(axis=1) for k in range(len(Fate))], axis=1)
    lower, upper = wilson_interval(count, replicas)
    distance = np.nan_to_num(np.linalg.norm(runs.gaps, axis=2), nan=np.inf, posinf=np.inf)
    over_points = ("point",) if points.varied else ()
    pick: Any = slice(None) if points.varied else 0
    named = {
        "count": (count, "number of runs"),
        "fraction": (count / replicas, "fraction of runs"),
        "lower": (lower, "lower end of the 95 % interval"),
        "upper": (upper, "upper end of the 95 % interval"),
    }
    data = {
        name: ((*over_points, "fate"), values[pick], {"long_name": text, "units": "1"})
        for name, (values, text) in named.items()
    }
    averages = {
        "median_distance": (np.median(distance, axis=1), "median of the last distance from the point", "1"),
        "mean_steps": (runs.steps.mean(axis=1), "mean number of steps until a run ends", "steps"),
    }
    data |= {
        name: (over_points, values[pick], {"long_name": text, "units": unit})
        for name, (values, text, unit) in averages.items()
    }
    coordinates = {name: ("point", array, {"units": "1"}) for name, array in points.varied.items()}
    return xr.Dataset(data, {"fate": ("fate", [str(fate) for fate in Fate]), **coordinates})
