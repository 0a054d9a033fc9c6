"""How exponents of matrix blocks are simulated."""

from __future__ import annotations

from dataclasses import dataclass

from numerics.targets import Target


@dataclass(frozen=True)
class Runs:
    """How exponents of matrix blocks are simulated: `steps` of each of `replicas` runs, `seed`, `target`, `threads`."""

    steps: int = 20_000
    replicas: int = 64
    seed: int = 0
    target: Target = Target.CPU
    threads: int | None = None


DEFAULT_RUNS = Runs()
"""Runs as they are unless told otherwise."""
