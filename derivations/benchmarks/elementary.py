"""Elementary functions that vectorise, against those of the C library, in the same loop."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from numba import njit

from derivations.benchmarks.timing import Plan, Row, Setting, at_least, compared, interleaved, timed
from numerics import elementary
from numerics.precision import Precision

FUNCTIONS: dict[str, Callable[[float], float]] = {"tanh": math.tanh, "erf": math.erf, "exp": math.exp}


def rows(plan: Plan) -> Iterator[Row]:
    """One row for each function and precision, over arguments in [-4, 4]."""
    count, calls = plan.pick(2048, 2048, 256), plan.pick(400, 100, 2)
    for precision in (Precision.FLOAT32, Precision.FLOAT64):
        for name, slow in FUNCTIONS.items():
            fast = getattr(elementary, precision.suffixed(f"fast_{name}"))
            arguments = np.linspace(-4, 4, count).astype(precision.dtype)
            out = np.empty_like(arguments)
            sides = {"ours": fast, "libm": slow}
            tasks = {
                side: timed(partial(loop(function), arguments, out, calls), count * calls)
                for side, function in sides.items()
            }
            found = interleaved(tasks, plan.repeats)
            yield compared(
                f"elementary-{name}-{precision}",
                f"{name} of an array",
                found["ours"],
                found["libm"],
                "libm, same loop",
                unit="ns",
                setting=Setting({"numbers": count}, str(precision)),
                required=at_least(3),
            )


def loop(function: Callable[..., Any]) -> Callable[..., None]:
    """A compiled loop that writes the function of every entry, `calls` times."""

    @njit(error_model="numpy", fastmath={"reassoc", "contract", "nsz", "arcp"})
    def apply(arguments: Any, out: Any, calls: Any) -> None:
        for _ in range(calls):
            for i in range(arguments.size):
                out[i] = function(arguments[i])

    return apply
