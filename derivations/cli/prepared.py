"""What solve, simulate and plot have in common: the file, the theory, and the numbers of one request."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from derivations.cli.values import choose, joined, parse_ranges, parse_values

if TYPE_CHECKING:
    from derivations.model_files import ModelFile, Theory
    from numerics import Agreement
    from theory import Equations

FEW = 8
"""Runs below which a comparison says little."""


@dataclass(frozen=True)
class Request:
    """A model file with the equations of its theory (None without one) and the numbers to use."""

    file: ModelFile
    theory: Theory | None
    equations: Equations | None
    at: Mapping[str, Any]
    start: Mapping[str, Any]
    over: Mapping[str, tuple[float, float, int]]

    @property
    def is_stability(self) -> bool:
        """Whether the theory is that of stability, whose results are exponents and fates."""
        from derivations.model_files import Theory

        return self.theory is Theory.STABILITY

    def machine(self, target: str, precision: str, threads: int | None) -> dict[str, Any]:
        """Where kernels run, as the options of a computation. Raises `TargetUnavailable` where that is not possible."""
        from numerics import Precision
        from numerics.targets import Target, TargetUnavailable, backend

        where = choose(Target, target, "--target")
        number_format = choose(Precision, precision, "--precision")
        if reason := backend(where).reason_unavailable():
            raise TargetUnavailable(
                f"--target {where}: {reason}. Without it, run with --target cpu; sgd-theory generate --target {where} shows the "
                f"code all the same; sgd-theory doctor says what is here"
            )
        return {"target": where, "precision": number_format, "threads": threads}

    def advice(self, agreement: Agreement) -> tuple[str, ...]:
        """What to know of a comparison over time: that few runs agree with much, that a limit is a limit."""
        from derivations.model_files import Theory

        lines = []
        if agreement.replicas < FEW:
            lines.append(
                f"{agreement.replicas} runs agree with much: Student's t has {agreement.replicas - 1} degrees of freedom "
                f"then; try --replicas 32"
            )
        sizes = [str(size) for size in self.file.model.dimensions if size.is_Symbol]
        if self.theory is Theory.SCALING_LIMIT and not agreement.agrees and sizes:
            lines.append(f"the limit holds as {sizes[0]} -> infinity; try a larger {sizes[0]} with --at {sizes[0]}=...")
        return tuple(lines)

    def heading(self, **more: Any) -> dict[str, Any]:
        """What every payload begins with."""
        conventions = self.equations.conventions if self.equations is not None else self.file.algorithm.conventions()
        return {
            "model": self.file.name,
            "title": self.file.title,
            "theory": self.theory,
            "algorithm": repr(self.file.algorithm),
            **more,
            "conventions": conventions,
        }


def read_model(name: str) -> ModelFile:
    """The model file of that name or path. What a Python file prints goes to stderr: stdout belongs to the command."""
    from derivations.model_files import load_model

    with contextlib.redirect_stdout(sys.stderr):
        return load_model(name)


def prepare(
    model: str,
    *,
    theory: Theory | None,
    at: list[str] | None,
    fluctuations: bool = False,
    start: list[str] | None = None,
    over: list[str] | None = None,
) -> Request:
    """Return the request of a command, its options read and its names checked, with the equations derived."""
    values, begun, axes = parse_values(joined(at)), parse_values(joined(start), "--start", "m=0.1,q=1"), {}
    if over:
        axes = parse_ranges(joined(over))
    from derivations import moves

    file = read_model(model)
    chosen = theory or file.theory
    equations = None if chosen is None else moves.derive(file, chosen, fluctuations=fluctuations)
    moves.check_names(file, equations, values)
    return Request(file, chosen, equations, moves.merged(file, values), begun, axes)
