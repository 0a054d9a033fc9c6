"""What every target offers, and the names of the targets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

from theory.errors import InvalidRequest, TheoryError

if TYPE_CHECKING:
    from numerics.kernel import Kernel
    from numerics.targets.ensemble import Ensemble
    from numerics.targets.replica import ReplicaProgram


class Target(StrEnum):
    """Where a kernel runs."""

    CPU = "cpu"
    """Every core of this machine, by numba."""
    CUDA = "cuda"
    """An NVIDIA GPU, by numba-cuda; its code can be made and read where there is none."""


class TargetUnavailable(TheoryError, RuntimeError):
    """A target cannot run here: no device, or its compiler is not installed. The message says what to do."""


@dataclass(frozen=True)
class Resources:
    """What the machine code of a device kernel needs per thread: `registers`, and bytes of `stack` and of `spills`."""

    registers: int
    stack: int
    spills: int


@dataclass(frozen=True)
class Local:
    """A small array that belongs to one trajectory; `kind` as for `Argument`, `shape` in numbers."""

    name: str
    shape: tuple[int, ...]
    kind: str = "real"

    @property
    def code(self) -> str:
        """Shape and type as the arguments of the call that makes it."""
        shape = str(self.shape[0]) if len(self.shape) == 1 else str(self.shape)
        return f"{shape}, {'real' if self.kind == 'real' else f'np.{self.kind}'}"


@dataclass(frozen=True)
class Check:
    """One thing that a target needs: whether it `works` (None: not looked at), what was found, and what to do if it does not."""

    name: str
    works: bool | None
    detail: str
    remedy: str = ""


class Backend(Protocol):
    """The functions of a target's module."""

    def imports(self) -> tuple[str, ...]:
        """Import lines of every program."""

    def trajectories(self, name: str, arguments: Sequence[str], locals_: Sequence[Local], body: Sequence[str]) -> str:
        """The entry that runs `body` for every `index` in range(first, last); the lines may neither return nor continue.

        `locals_` hold their values from one trajectory to the next: a body sets what it reads.
        """

    def ensemble(self, name: str, arguments: Sequence[str], ensemble: Ensemble) -> str:
        """The entry that iterates a map of few scalars for every `index` in range(first, last)."""

    def replicas(
        self, name: str, arguments: Sequence[str], program: ReplicaProgram, *, threads: int, shared: bool
    ) -> str:
        """The entry that runs a program of scalars and vectors for every `index` in range(first, last).

        On a device, `threads` per block; `shared` puts the vectors of a replica into shared memory, which the launch must offer,
        else they lie in the argument `work`. The arrays of integers lie in the argument `work_integers`.
        """

    def reason_unavailable(self) -> str | None:
        """Why kernels of this target cannot run here; None if they can."""

    def require(self) -> None:
        """Raise `TargetUnavailable` unless kernels can run here."""

    def checks(self) -> tuple[Check, ...]:
        """What the target needs, tried out one by one, for a reader who asks why it does not run."""

    def run(self, kernel: Kernel, count: int, values: Sequence[Any], *, threads: int | None, shared_bytes: int) -> None:
        """Run a program; see `Kernel.run`."""

    def assembly(self, kernel: Kernel, compute_capability: tuple[int, int]) -> str:
        """PTX; see `Kernel.ptx`."""

    def resources(self, kernel: Kernel, compute_capability: tuple[int, int]) -> Resources:
        """See `Kernel.resources`."""


def backend(target: Target | str) -> Backend:
    """The module of a target. Raises `InvalidRequest` for an unknown one."""
    if target not in tuple(Target):
        raise InvalidRequest(f"target={target!r} is unknown; the targets are {', '.join(Target)}")
    module: Any = import_module(f"numerics.targets.{Target(target).value}")
    return module
