"""The peak of resident memory of direct SGD, in a process of its own."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from derivations.benchmarks import peer
from derivations.benchmarks.timing import NotRun, Plan, Requirement, Row, Setting, about, missing

UNITS = 2
LINEAR, CONSTANT = about(1.0, 0.1), about(0.0, 0.05)


def rows(plan: Plan) -> Iterator[Row]:
    """Against steps; and against replicas x vectors x dimension, each replica with a start of its own."""
    lengths = [plan.pick(500, 200, 10) * factor for factor in (1, 4, 16, 64)]
    counts = [plan.pick(256, 128, 512) * factor for factor in (1, 2, 4, 8)]
    size = plan.pick(4096, 4096, 512)
    whats = {
        "memory-steps": "exponent of the memory of direct SGD against steps",
        "memory-size": "exponent of the memory of direct SGD against R x K x n",
    }
    try:
        answer = peer.once("memory", {"n": size, "steps": lengths, "replicas": counts})
    except NotRun as reason:
        yield from (missing(name, what, reason) for name, what in whats.items())
        return
    at = {"n": size, "K": UNITS}
    note = f"{answer['steps'][-1] / 2**20:.0f} MiB at the largest"
    yield _row(
        "memory-steps", whats, {**at, "replicas": 2, "steps": lengths[-1]}, lengths, answer["steps"], CONSTANT, note
    )
    numbers = [count * UNITS * size for count in counts]
    above = [peak - answer["steps"][-1] for peak in answer["replicas"]]
    if min(above) <= 0:
        yield missing(
            "memory-size", whats["memory-size"], "the runs are too small to show above what the process holds"
        )
        return
    note = f"{above[-1] / numbers[-1]:.1f} bytes a number at the largest"
    yield _row("memory-size", whats, {**at, "replicas": counts[-1], "steps": 2}, numbers, above, LINEAR, note)


def _row(
    name: str,
    whats: Mapping[str, str],
    largest: Mapping[str, float],
    sizes: Sequence[float],
    peaks: Sequence[float],
    required: Requirement,
    note: str,
) -> Row:
    """The row of the exponent p of memory ~ size^p."""
    from numerics import fit_exponent

    fit = fit_exponent(sizes, peaks)
    setting = Setting(largest, "float32")
    note = f"± {fit.standard_error:.2g}; {note}"
    return Row(name, whats[name], setting=setting, ours=fit.exponent, required=required, repeats=1, note=note)


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
    program = direct(committee(UNITS), vector_start(UNITS, 2, size), size)
    peaks: dict[str, list[int]] = {"steps": [], "replicas": []}
    for steps in settings["steps"]:
        program(steps, replicas=2)
        peaks["steps"].append(peak_memory())
    for replicas in settings["replicas"]:
        own = replace(program, start=vector_start(UNITS, 2, size, replicas))
        own(2, replicas=replicas)
        peaks["replicas"].append(peak_memory())
    sys.stdout.write(json.dumps(peaks) + "\n")


if __name__ == "__main__":
    main()
