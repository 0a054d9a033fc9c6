"""Programs of independent trajectories: lines of code over one `index`, put into the loop of a target."""

from __future__ import annotations

from collections.abc import Sequence

from numerics.kernel import Argument, Kernel
from numerics.precision import Precision
from numerics.printer import module_source
from numerics.targets import Local, Target, backend
from numerics.targets.ensemble import Ensemble

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


def _kernel(
    functions: Sequence[str],
    arguments: Sequence[Argument],
    entry: str,
    header: str,
    imports: Sequence[str],
    target: Target,
    precision: Precision,
) -> Kernel:
    lines = [*backend(target).imports(), *imports]
    source = module_source(functions, header=header, imports=lines, precision=precision)
    if "\nreal = " not in source:
        source += f"\nreal = np.{precision}\n"
    return Kernel(
        source=f"{source}\n\n{entry}", entry=ENTRY, target=target, arguments=arguments, precision=precision
    )
