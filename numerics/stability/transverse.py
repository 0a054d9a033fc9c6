r"""Transverse exponents along trajectories: does an invariant set attract while SGD moves and fluctuates on it?

On an invariant set (`theory.invariant_sets`) SGD is an SGD of fewer parameters, $a_{t+1}=F(a_t;B_t)$, and a small distance to the set
obeys $b_{t+1}=M(a_t;B_t)\,b_t$. The transverse exponents are those of the product of the M along a stationary trajectory of a: QR
iteration on the transverse directions alone, while the trajectory runs. All negative: the set attracts (stochastic collapse); one
positive: it repels.

References: Feng Chen, Daniel Kunin, Atsushi Yamamura, Surya Ganguli, Stochastic Collapse (2023, arXiv 2306.04251).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from sympy import Expr

from numerics.lyapunov import BLOCKS, check_count, spectrum_of
from numerics.precision import Precision
from numerics.solve.replicas import check_randomness
from numerics.solve.request import attributes
from numerics.solve.tangent import annihilated, linearised, random_frames, refuse_overflow, run_tangent
from numerics.targets import Target
from theory import SGD, Model
from theory.equations import RandomMap
from theory.errors import InvalidRequest, MissingValue, UnknownValue
from theory.stability.invariant_sets import InvariantSet, transverse_coordinates, transverse_map


def transverse_exponents(
    model: Model,
    algorithm: SGD,
    invariant_set: InvariantSet,
    *,
    start: Mapping[Any, Any],
    steps: int,
    at: Mapping[Any, Any] | None = None,
    replicas: int = 64,
    seed: int = 0,
    burn_in: int = 1000,
    exponents: int | None = None,
    target: Target = Target.CPU,
    precision: Precision = Precision.FLOAT64,
    threads: int | None = None,
) -> xr.Dataset:
    """Return the exponents, per step, of small distances to an invariant set on which SGD runs, largest first.

    Parameters
    ----------
    model, algorithm : an explicit model and an `SGD` whose batches are independent draws.
    invariant_set : one of `theory.invariant_sets(model)`.
    start : where SGD starts on the set: for each free parameter of the set a number, an array over replicas, or a law.
    steps : measured steps of each replica, at least 2, after `burn_in` others, in which the trajectory becomes stationary.
    at : a number for every symbol. replicas, seed, target, precision, threads : as for `lyapunov_spectrum`.
    exponents : how many of the leading ones; by default all, as many as transverse directions (twice as many with momentum).

    Returns
    -------
    The dataset of `lyapunov_spectrum`: `spectrum` and `standard_error` over `exponent`, `drift_z` (was the run long enough?), `by_replica`,
    `total`, `diverged`. Attributes name the set and its transverse coordinates.

    Raises `MissingValue` and `UnknownValue` for a start that does not fit the set, `InvalidRequest` for impossible requests and if every
    replica diverges, and what `theory.random_map` raises.

    Validity: Monte Carlo; exact for small distances, along the trajectories that the start leads to. A replica that diverges on the set
    enters no average. Cost: that of `lyapunov_spectrum` for all parameters.

    >>> from theory import SGD, Model, Normal, invariant_sets, symbols
    >>> u, w, v, x, y = symbols("u w v x y")
    >>> eta = symbols("eta", positive=True)
    >>> model = Model((u*x - y)**2/2 + (v*w)**2*x**2/2 - v*w*x**2/2, [u, v, w], {x: Normal(), y: Normal()})
    >>> dead = next(found for found in invariant_sets(model) if str(found) == "InvariantSet(v = 0, w = 0)")
    >>> found = transverse_exponents(model, SGD(eta), dead, at={eta: 0.5}, start={u: 0}, steps=2000, replicas=8, seed=1)
    >>> bool(found["spectrum"][0] > 0)
    True
    """
    equations = transverse_map(model, algorithm, invariant_set)
    begin = _start(equations, invariant_set, start)
    measured, transient = check_count("steps", steps, 2), check_count("burn_in", burn_in, 0)
    check_randomness(replicas, seed)
    across = transverse_coordinates(equations, invariant_set)
    places = [index for index, quantity in enumerate(equations.state) if quantity in across]
    vectors = len(places) if exponents is None else check_count("exponents", exponents, 1)
    if vectors > len(places):
        raise InvalidRequest(f"exponents={exponents!r}: there are {len(places)} transverse directions")
    blocks = min(BLOCKS, 2 * (measured // 2))
    record = transient + np.rint(np.linspace(0, measured, blocks + 1)).astype(np.int64)
    linear = linearised(equations, begin, "transverse_exponents")
    frames = np.zeros((int(replicas), len(equations.state), vectors))
    frames[:, places] = random_frames(int(replicas), len(places), vectors, seed)
    run = run_tangent(
        equations, linear, at, begin, frames, record, seed, target, precision, threads, every=1, directions=False
    )
    refuse_overflow(run, linear, 1)
    if (run.stopped >= 0).all():
        raise InvalidRequest(
            f"every replica leaves the finite numbers on {invariant_set}, the last at step {run.stopped.max()}: SGD diverges there; lower "
            f"the learning rate, or start elsewhere"
        )
    described = {
        **attributes(equations, run.values, f"QR iteration, {run.precision} on {run.target}"),
        "title": f"transverse exponents of {invariant_set}",
        "transverse": ", ".join(map(str, across)),
        "seed": seed,
        "replicas": int(replicas),
        "steps": measured,
        "burn_in": transient,
        "diverged": int((run.stopped >= 0).sum()),
    }
    return spectrum_of(run, annihilated(run, equations, 1)[-1], record, equations, described)


def _start(equations: RandomMap, invariant_set: InvariantSet, start: Mapping[Any, Any]) -> dict[Expr, Any]:
    """A start for every quantity of the map: as given, and 0 for transverse coordinates and velocities."""
    free = {str(parameter): parameter for parameter in invariant_set.free}
    for key in start:
        if str(key) not in free:
            fixed = {str(parameter): value for parameter, value in invariant_set.frozen.items()}
            hint = f"; on this set {key} = {fixed[str(key)]}" if str(key) in fixed else ""
            raise UnknownValue(
                f"start={{{key}: ...}}: the free parameters of {invariant_set} are {', '.join(free)}{hint}"
            )
    given = {free[str(key)]: value for key, value in start.items()}
    if missing := [name for name, parameter in free.items() if parameter not in given]:
        raise MissingValue(f"start needs a value for {', '.join(missing)}; give it as start={{{missing[0]}: 0.1}}")
    return {quantity: given.get(quantity, 0) for quantity in equations.state}
