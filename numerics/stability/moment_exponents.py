r"""Moment exponents of a `Stability` at numbers: how fast E|theta|^p grows in every mode, beside the Lyapunov exponent.

$L_p$-stability implies stability in probability, never the converse: report both.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import xarray as xr

from numerics.stability.exponents import attributes, checked_runs, exponents_on, grid_of, refuse_impossible
from numerics.stability.problem import Estimate, Grid
from numerics.stability.runs import Runs
from numerics.stability.scalar.moment_exponent import checked_order, scalar_log_variance, scalar_moment_exponent
from numerics.targets import Target
from theory import Block, Stability
from theory.errors import AlgorithmNotCovered, InvalidRequest


def moment_exponents(
    equations: Stability,
    *,
    orders: Iterable[float] = (1, 2, 4),
    at: Mapping[Any, Any] | None = None,
    steps: int = 20_000,
    replicas: int = 64,
    seed: int = 0,
    target: Target = Target.CPU,
    threads: int | None = None,
) -> xr.Dataset:
    r"""Return the moment exponents $L(p)=\lim\frac1t\log\mathbb E\|\theta_t\|^p$ of every mode, per step.

    Parameters
    ----------
    equations : a `Stability`.
    orders : the powers p, real numbers; for scalar modes p > -1, and beyond where the moment is known to exist.
    at : a number, or a one-dimensional array, for every symbol.
    steps, replicas, seed, target, threads : of the runs behind matrix modes without a better road.

    Returns
    -------
    A dataset over `mode` and `order` (and `point` where values of `at` are arrays): `moment_exponent`, plus infinity where the moment
    does not exist; `moment_exponent_error`, an upper estimate, or a standard error where `moment_kind` says Monte Carlo; `moment_kind`; and
    over `mode` the Lyapunov exponent `exponent` with `exponent_error`. The mode is stable in the p-th mean where L(p) < 0.

    Raises `InvalidRequest` for orders that are no finite real numbers, `MissingValue`, `UnknownValue`, `ValuesError`, and
    `UnsupportedExpectation` where it is not known whether a moment exists.

    Validity: exact for the linearised dynamics. Cost: finite laws and even orders are sums; other scalar modes a quadrature, of a
    millisecond a point for built-in laws and of seconds for batches of a density of your own.

    References: Liu Ziyin, Botao Li, Tomer Galanti, Masahito Ueda, The Probabilistic Stability of Stochastic Gradient Descent (2023,
    arXiv 2303.13093).

    >>> from theory import SGD, Model, Normal, stability, symbols
    >>> u, x, eta = *symbols("u x"), symbols("eta", positive=True)
    >>> model = Model((u*x)**2/2, [u], {x: Normal()})
    >>> found = moment_exponents(stability(model, SGD(eta), point={u: 0}), orders=[1, 2], at={eta: 1})
    >>> found["moment_exponent"].values.round(6), found["exponent"].values.round(6)
    (array([[-0.032644,  0.693147]]), array([-0.416992]))
    """
    powers = _orders(orders)
    given = at or {}
    grid, varied = grid_of(equations, given)
    runs = checked_runs(steps, replicas, seed, target, threads)
    exponents = exponents_on(equations, grid, runs).estimates
    found = moment_exponents_on(equations, grid, powers, runs)
    dims = ("mode", "order", "point") if varied else ("mode", "order")
    single = ("mode", "point") if varied else ("mode",)
    shape = (len(equations.blocks), len(powers), grid.size) if varied else (len(equations.blocks), len(powers))
    units = {"units": "1/step"}

    def table(part: str) -> Any:
        rows = [[getattr(found[order][mode], part) for order in powers] for mode in range(len(equations.blocks))]
        return np.array(rows).reshape(shape)

    result = xr.Dataset(
        {
            "moment_exponent": (dims, table("values"), units),
            "moment_exponent_error": (dims, table("errors"), units),
            "moment_kind": (
                ("mode", "order"),
                [[str(found[order][mode].kind) for order in powers] for mode in range(len(equations.blocks))],
            ),
            "exponent": (single, np.array([e.values for e in exponents]).reshape((shape[0], *shape[2:])), units),
            "exponent_error": (single, np.array([e.errors for e in exponents]).reshape((shape[0], *shape[2:])), units),
        },
        coords={"mode": [block.name for block in equations.blocks], "order": list(powers)},
    )
    for symbol, values in grid.values.items():
        if varied and np.ndim(given.get(symbol, given.get(str(symbol)))) > 0:
            result = result.assign_coords({str(symbol): ("point", values)})
    result.attrs = attributes(equations, given)
    return result


def moment_exponents_on(
    equations: Stability, grid: Grid, orders: Iterable[float], runs: Runs
) -> dict[float, tuple[Estimate, ...]]:
    """The moment exponents of every block at every point of a grid: order -> one estimate per block."""
    refuse_impossible(equations, grid)
    return {
        float(order): tuple(block_moment_exponent(block, grid, float(order), runs) for block in equations.blocks)
        for order in orders
    }


def block_moment_exponent(block: Block, grid: Grid, order: float, runs: Runs) -> Estimate:
    """L(order) of one block, scalar or matrix, at every point of a grid."""
    if block.is_scalar:
        return scalar_moment_exponent(block, grid, order, seed=runs.seed)
    from numerics.stability.matrix.matrix_blocks import (
        matrix_moment_exponent,  # whose simulated roads come here in turn
    )

    return matrix_moment_exponent(block, grid, order, runs)


def log_variance(equations: Stability, *, mode: str, at: Mapping[Any, Any] | None = None, seed: int = 0) -> Estimate:
    r"""Return Var log|m| = L''(0) of a scalar mode: log|theta_t| has the mean $t\Lambda$ and the variance t times this.

    `values` and `errors` have one entry per point of `at`. A run of t steps knows the exponent no better than to $\sqrt{L''(0)/t}$.
    Raises `UnknownValue` for a name that no mode has, `AlgorithmNotCovered` for a matrix mode.

    >>> from theory import SGD, Model, Normal, stability, symbols
    >>> u, x, eta = *symbols("u x"), symbols("eta", positive=True)
    >>> found = stability(Model((u*x)**2/2, [u], {x: Normal()}), SGD(eta), point={u: 0})
    >>> log_variance(found, mode="u", at={eta: 1}).values.round(6)
    array([0.976112])
    """
    block = equations.block(mode)
    if not block.is_scalar:
        raise AlgorithmNotCovered(
            f"the mode {mode} is a product of {block.order} x {block.order} matrices; the spread of its exponent is simulated"
        )
    grid, _ = grid_of(equations, at or {})
    refuse_impossible(equations, grid)
    return scalar_log_variance(block, grid, seed=seed)


def _orders(orders: Any) -> tuple[float, ...]:
    try:
        if isinstance(orders, str):
            raise TypeError
        listed = tuple(checked_order(order) for order in orders)
    except TypeError:
        raise InvalidRequest(f"orders={orders!r}: give a list of powers, as orders=[1, 2, 4]") from None
    if not listed or len(set(listed)) < len(listed):
        raise InvalidRequest(f"orders={orders!r}: give at least one power, each of them once")
    return listed
