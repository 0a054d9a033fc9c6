"""The peak of resident memory of direct SGD, each curve in a process of its own."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from derivations.benchmarks import peer
from derivations.benchmarks.timing import NotRun, Plan, Requirement, Row, Setting, about, missing

UNITS = 2
LINEAR, CONSTANT = about(1.0, 0.1), about(0.0, 0.05)


def rows(plan: Plan) -> Iterator[Row]:
    """Against replicas x vectors x dimension, each replica with a start of its own; and against steps."""
    size = plan.pick(4096, 4096, 1024)
    counts = [plan.pick(256, 128, 256) * factor for factor in (1, 2, 4, 8)]
    yield _row(
        "memory-size",
        "exponent of the memory of direct SGD against R x K x n",
        {"n": size, "replicas": counts, "steps": [2] * len(counts)},
        [count * UNITS * size for count in counts],
        LINEAR,
        above=True,
    )
    lengths = [plan.pick(500, 200, 10) * factor for factor in (1, 4, 16, 64)]
    yield _row(
        "memory-steps",
        "exponent of the memory of direct SGD against steps",
        {"n": 256, "replicas": [4] * len(lengths), "steps": lengths},
        lengths,
        CONSTANT,
        above=False,
    )


def _row(name: str, what: str, settings: dict[str, Any], sizes: list[int], required: Requirement, *, above: bool) -> Row:
    """The row of an exponent: of the memory above that of a small run, or of the whole."""
    from numerics import fit_exponent

    try:
        answer = peer.once("memory", settings)
    except NotRun as reason:
        return missing(name, what, reason, required=required)
    peaks = [peak - answer["base"] if above else peak for peak in answer["peaks"]]
    if min(peaks) <= 0:
        return missing(name, what, "the runs are too small to show above what the process holds", required=required)
    fit = fit_exponent(sizes, peaks)
    listed = f"{peaks[-1] / sizes[-1]:.1f} bytes a number" if above else f"{peaks[-1] / 2**20:.0f} MiB"
    largest = {"n": settings["n"], "K": UNITS, "replicas": settings["replicas"][-1], "steps": settings["steps"][-1]}
    note = f"± {fit.standard_error:.2g}; at the largest {listed}"
    return Row(name, what, setting=Setting(largest, "float32"), ours=fit.exponent, required=required, repeats=1, spread=0.0, note=note)


def peak_memory() -> int:
    """The largest resident memory of this process so far, in bytes."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return 1024 * int(status.partition("VmHWM:")[2].split()[0])  # what getrusage tells is inherited from the parent
    except (OSError, IndexError, ValueError):
        pass
    try:
        import resource
    except ImportError:
        raise SystemExit("this system does not tell how much memory a process takes") from None
    unit = 1 if sys.platform == "darwin" else 1024  # kilobytes, but bytes on macOS
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main() -> None:
    """What the process of its own does: runs of growing size, and the peak of its memory after each."""
    from derivations.benchmarks.systems import committee, direct, vector_start

    settings: dict[str, Any] = json.loads(sys.argv[1])
    size = settings["n"]
    def run(replicas: int, steps: int) -> None:
        direct(committee(UNITS), vector_start(UNITS, 2, size, replicas), size)(steps, replicas=replicas)

    run(2, 2)
    base, peaks = peak_memory(), []
    for replicas, steps in zip(settings["replicas"], settings["steps"], strict=True):
        run(replicas, steps)
        peaks.append(peak_memory())
    sys.stdout.write(json.dumps({"base": base, "peaks": peaks}) + "\n")


if __name__ == "__main__":
    main()
