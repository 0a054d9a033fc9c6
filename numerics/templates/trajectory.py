"""Programs of independent trajectories: lines of code over one `index`, put into the loop of a target."""

from __future__ import annotations

from collections.abc import Sequence

from numerics.kernel import Argument, Kernel
from numerics.precision import Precision
from numerics.printer import module_source
from numerics.targets import Local, Target, backend
from numerics.targets.ensemble import Ensemble
from numerics.targets.replica import ReplicaProgram
from numerics.templates.library import library_imports

ENTRY = "run"
"""The name of the entry of every program."""


def trajectory_kernel(
    *,
    functions: Sequence[str],
    arguments: Sequence[Argument],
    body: Sequence[str],
    locals_: Sequence[Local] = (),
    header: str = "",
    imports: Sequence[str] = (),
    target: Target = Target.CPU,
    precision: Precision = Precision.FLOAT64,
) -> Kernel:
    """Return the kernel that runs `body` for each trajectory `index`; see `Backend.trajectories`.

    The lines see the `arguments` and `locals_` by name, `index` (int64), `real` (the type of real numbers), `math`, `np`, the
    `functions` (undecorated source texts) and what `imports` imports.
    """
    names = [argument.name for argument in arguments]
    entry = backend(target).trajectories(ENTRY, names, locals_, body)
    return _kernel(functions, arguments, entry, header, imports, target, precision)


def ensemble_kernel(
    *,
    functions: Sequence[str],
    arguments: Sequence[Argument],
    ensemble: Ensemble,
    header: str = "",
    imports: Sequence[str] = (),
    target: Target = Target.CPU,
    precision: Precision = Precision.FLOAT64,
) -> Kernel:
    """Return the kernel that iterates an `Ensemble`; its first arguments are `start, record_steps, out, stopped`."""
    common = (
        Argument("start", dimensions=2),
        Argument("record_steps", "int64", 1),
        Argument("out", dimensions=3, written=True),
        Argument("stopped", "int64", 1, written=True),
    )
    everything = [*common, *arguments]
    entry = backend(target).ensemble(ENTRY, [argument.name for argument in everything], ensemble)
    return _kernel(functions, everything, entry, header, imports, target, precision)


def replica_kernel(
    *,
    functions: Sequence[str],
    arguments: Sequence[Argument],
    program: ReplicaProgram,
    header: str = "",
    imports: Sequence[str] = (),
    target: Target = Target.CPU,
    precision: Precision = Precision.FLOAT64,
    threads_per_block: int = 128,
    shared: bool = False,
) -> Kernel:
    """Return the kernel of a `ReplicaProgram`; see `Backend.replicas`.

    On a device its last arguments are `work` (replicas, vectors x n), empty if these lie in shared memory, and `work_integers`
    (replicas, arrays x count).
    """
    everything = list(arguments)
    if target != Target.CPU:
        everything += [Argument("work", dimensions=2), Argument("work_integers", "int64", 2)]
    names = [argument.name for argument in everything]
    entry = backend(target).replicas(ENTRY, names, program, threads=threads_per_block, shared=shared)
    kernel = _kernel(functions, everything, entry, header, imports, target, precision)
    return Kernel(
        source=kernel.source,
        entry=ENTRY,
        target=target,
        arguments=everything,
        precision=precision,
        threads_per_block=threads_per_block,
        block_per_trajectory=program.has_vectors,
    )


def _kernel(
    functions: Sequence[str],
    arguments: Sequence[Argument],
    entry: str,
    header: str,
    imports: Sequence[str],
    target: Target,
    precision: Precision,
) -> Kernel:
    wanted = [line for line in library_imports([*functions, entry], precision) if line not in imports]
    lines = [*backend(target).imports(), *imports, *wanted]
    source = module_source(functions, header=header, imports=lines, precision=precision)
    return Kernel(source=f"{source}\n\n{entry}", entry=ENTRY, target=target, arguments=arguments, precision=precision)
