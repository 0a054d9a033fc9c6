"""An ensemble of maps of few scalars, in lines of code that know nothing of the loop around them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Ensemble:
    """One step of a map x' = F(x; draws) of named scalars, written as straight-line code of one replica.

    `state` : the names of the scalars, which `step` reads and assigns. `step` : lines that also read `index` and `step` and the
    arguments; no branches that jump, so that a loop over replicas around them becomes vector instructions.
    `record` : lines over the same names that leave the numbers to be recorded in `recorded`. The start is read from the argument
    `start[k, index]` and numbers go to `out[slot, k, index]` at the steps listed in `record_steps`; the step at which the state
    left the finite numbers goes to `stopped[index]` (-1 if it never did), and what is recorded from then on is NaN.
    """

    state: tuple[str, ...]
    step: tuple[str, ...]
    record: tuple[str, ...]
    recorded: tuple[str, ...]
    parameters: tuple[str, ...]
    """Names of the arguments that the lines read."""
    prologue: tuple[str, ...] = ()
    """Lines that come first, outside the loop: what the arguments hold."""
