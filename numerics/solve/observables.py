"""Observables along a solution: functions of the state, for every trajectory and output time in one program."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from numerics.kernel import Argument
from numerics.precision import Precision
from numerics.quadrature import rules
from numerics.targets import Local
from numerics.templates.arrays import ArrayFunction, array_function
from numerics.templates.trajectory import trajectory_kernel
from theory import ODE


def observables(
    equations: ODE, hyper: NDArray[np.float64], path: NDArray[Any], *, replicas: int = 1, threads: int | None = None
) -> NDArray[Any]:
    """The observables of `equations` along `path` of shape (time, state, path): shape (time, observable, path), on the CPU.

    `hyper` : (hyperparameter, column), a column for `replicas` successive paths, or one for all. NaN where the state is.
    """
    values = list(equations.observables.values())
    rows = np.empty((path.shape[0], len(values), path.shape[2]), path.dtype)
    if not values:
        return rows
    precision = Precision(path.dtype.name)
    function = array_function("observables", values, equations.state, equations.free_symbols, precision=precision)
    kernel = trajectory_kernel(
        functions=function.functions,
        arguments=(
            Argument("hyper", dimensions=2),
            Argument("replicas", "int64"),
            Argument("path", dimensions=3),
            *function.arguments,
            Argument("rows", dimensions=3, written=True),
        ),
        body=_body(function),
        locals_=[Local("point", (len(function.state),)), Local("row", (len(values),))],
        header="observables along a solution",
        precision=precision,
    )
    points = rules(set(function.dimensions), refinement=2) if function.has_quadrature else ()
    kernel.run(rows.shape[2], hyper, replicas, path, *points, rows, threads=threads)
    lost = np.isnan(path).any(axis=1)[:, np.newaxis]  # a step function of NaN would be a number
    return np.where(lost, path.dtype.type(np.nan), rows)


def _body(function: ArrayFunction) -> list[str]:
    return [
        "column = min(index // replicas, hyper.shape[1] - 1)",
        *function.unpacked(),
        "for slot in range(path.shape[0]):",
        f"    for i in range({len(function.state)}):",
        "        point[i] = path[slot, i, index]",
        f"    {function.call('point', 'row')}",
        f"    for k in range({function.outputs}):",
        "        rows[slot, k, index] = row[k]",
    ]
