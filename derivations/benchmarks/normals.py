"""Standard normals on one thread, against the generators of NumPy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from derivations.benchmarks.timing import Plan, Row, Setting, Task, at_least, compared, interleaved, timed
from numerics.random import fill_normals, fill_normals32

GENERATORS: dict[str, Callable[[int], Any]] = {
    name: getattr(np.random, name) for name in ("PCG64", "PCG64DXSM", "SFC64", "Philox", "MT19937")
}
COUNT = 65_536
"""Numbers in an array: as many as the second-level cache holds."""
PRECISIONS: dict[str, tuple[Callable[..., None], Any, float | None]] = {
    "float32": (fill_normals32, np.float32, 5.0),
    "float64": (fill_normals, np.float64, None),
}
"""For each precision the fill, the type, and the ratio required."""


def rows(plan: Plan) -> Iterator[Row]:
    """One row for each precision, against the fastest of NumPy's generators."""
    for precision in PRECISIONS:
        yield _row(plan, precision)


def _row(plan: Plan, precision: str) -> Row:
    fill, dtype, required = PRECISIONS[precision]
    count, calls = plan.pick(COUNT, COUNT, 512), plan.pick(40, 10, 1)
    out = np.empty(count, dtype)
    tasks: dict[str, Task] = {"ours": timed(lambda: fill(out, 1, 0, 0, 0, 0), count, calls=calls)}
    for name, kind in GENERATORS.items():
        generator = np.random.Generator(kind(1))
        draw = partial(generator.standard_normal, out=out, dtype=dtype)
        tasks[name] = timed(draw, count, calls=max(calls // 4, 1))
    found = interleaved(tasks, plan.repeats)
    fastest = min(GENERATORS, key=lambda name: found[name].median)
    others = ", ".join(f"{name} {1e9 * found[name].median:.1f} ns" for name in GENERATORS if name != fastest)
    return compared(
        f"normals-{precision}",
        "a standard normal",
        found["ours"],
        found[fastest],
        f"NumPy {fastest}",
        unit="ns",
        setting=Setting({"numbers": count}, precision),
        required=None if required is None else at_least(required),
        note=f"NumPy's others: {others}",
    )
