"""`sgd-theory generate`: the source of the kernels."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from derivations.cli.application import command
from derivations.cli.options import (
    AsJson,
    At,
    Debug,
    Fluctuations,
    ModelName,
    Output,
    PrecisionName,
    TargetName,
    TheoryName,
)
from derivations.cli.output import check_output, write_text
from derivations.cli.prepared import read_model
from derivations.cli.values import choose, joined, parse_values
from derivations.cli.work import interruptible, progress
from theory.errors import InvalidRequest

SUFFIXES = (".py", ".json")


@command("generate")
def generate_command(
    model: ModelName,
    theory: TheoryName = None,
    at: At = None,
    fluctuations: Fluctuations = False,
    sgd: Annotated[bool, typer.Option("--sgd", help="The kernel of SGD itself, not of the equations.")] = False,
    target: TargetName = "cpu",
    precision: PrecisionName = "float64",
    ptx: Annotated[
        Path | None,
        typer.Option("--ptx", metavar="FILE", help="Also write the PTX of a CUDA kernel; - prints it alone."),
    ] = None,
    output: Output = None,
    json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Generate the kernel that evaluates the equations of MODEL, or with --sgd the one that runs SGD, and print its source.

    No GPU is needed for --target cuda, nor for its PTX. -o writes the source (.py) or data (.json) instead of printing it.
    """
    from numerics.targets import Target

    values = parse_values(joined(at))
    where = choose(Target, target, "--target")
    alone = ptx is not None and str(ptx) == "-"
    if ptx is not None and where is not Target.CUDA:
        raise InvalidRequest(f"--ptx is the assembly of a CUDA kernel, not of one for {where}; add --target cuda")
    if alone and json:
        raise InvalidRequest("--ptx - and --json both want standard output for themselves; give --ptx a file")
    check_output(output, SUFFIXES)
    check_output(None if alone else ptx, (), "--ptx")
    from derivations import display
    from numerics import Precision

    number_format = choose(Precision, precision, "--precision")
    file = read_model(model)
    with progress(f"generating the kernel of {file.name} ...", quiet=json):
        kernel = interruptible(
            lambda: _kernel(file, theory or file.theory, values, sgd, fluctuations, where, number_format)
        )
        assembly = interruptible(kernel.ptx) if ptx is not None else None
    payload = {
        "model": file.name, "kernel": "sgd" if sgd else "equations", "entry": kernel.entry, "target": kernel.target,
        "precision": kernel.precision, "hash": kernel.content_hash, "source": kernel.source, "ptx": assembly,
    }  # fmt: skip
    if assembly is not None and ptx is not None and not alone:
        write_text(ptx, assembly)
    if output is not None:
        write_text(output, display.text_of_json(payload) + "\n" if output.suffix == ".json" else kernel.source)
    if json:
        display.write_json(payload)
    elif alone:
        typer.echo(assembly)
    elif output is None:
        typer.echo(kernel.source.rstrip("\n"))
    if not json:
        for path in (output, None if alone else ptx):
            if path is not None:
                display.note(f"wrote {path}")


def _kernel(file: Any, theory: Any, values: Any, sgd: bool, fluctuations: bool, target: Any, precision: Any) -> Any:
    from derivations import moves
    from numerics import generate

    derived = None if theory is None else moves.derive(file, theory, fluctuations=fluctuations)
    moves.check_names(file, derived, values)
    if sgd:
        observed = None if derived is None or not derived.statistics else derived
        numbers = moves.merged(file, values)
        return moves.kernel_of_sgd(file, observed, numbers, target=target, precision=precision)
    if derived is None:
        raise InvalidRequest(
            f"{file.path} names no theory, so there are no equations to generate; give one with --theory, or --sgd for the "
            f"kernel of SGD itself"
        )
    shown = moves.with_values(derived, values, file) if values else derived
    return generate(shown, target, precision=precision)
