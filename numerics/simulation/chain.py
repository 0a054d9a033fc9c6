"""SGD as a chain of inner products, from the start that a user gives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sympy import Expr

from numerics.chain import require_chain, run_chain
from numerics.frame import starting_gram
from numerics.precision import Precision
from numerics.simulation.run import Run
from numerics.targets import Target

Array = NDArray[np.float64]


def run_chain_from(
    run: Run,
    statistics: Mapping[str, Expr],
    start: Mapping[Any, Any],
    record: NDArray[np.int64],
    *,
    replicas: int,
    seed: int,
    threads: int | None,
    target: Target,
    precision: Precision,
) -> tuple[Array, NDArray[np.int64]]:
    """The statistics, shape (replica, time, statistic), and the step at which each replica diverged (-1 if it did not).

    Raises the errors of `numerics.chain.require_chain` and of `numerics.start`.
    """
    model, algorithm = run.model, run.algorithm
    require_chain(model, algorithm)
    gram, scalars = starting_gram(
        model, algorithm, statistics, start, run.values, run.dimension, replicas=replicas, seed=seed
    )
    return run_chain(
        model,
        algorithm,
        statistics,
        run.values,
        dimension=run.dimension,
        gram_start=gram,
        scalar_start=scalars,
        record=record,
        replicas=replicas,
        seed=seed,
        threads=threads,
        target=target,
        precision=precision,
    )
