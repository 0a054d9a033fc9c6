"""`sgd-theory derive`: the equations of a theory for a model, and how they came about."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from derivations.cli.application import command
from derivations.cli.options import AsJson, At, Debug, Fluctuations, Latex, ModelName, Output, TheoryName
from derivations.cli.output import check_output, write_text
from derivations.cli.prepared import read_model
from derivations.cli.values import joined, parse_values
from derivations.cli.work import interruptible, progress
from theory.errors import InvalidRequest

SUFFIXES = (".txt", ".tex", ".json")


@command("derive")
def derive_command(
    model: ModelName,
    theory: TheoryName = None,
    at: At = None,
    steps: Annotated[bool, typer.Option("--steps", help="Show the derivation, step by step.")] = False,
    fluctuations: Fluctuations = False,
    latex: Latex = None,
    output: Output = None,
    json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Derive what theory predicts for MODEL and print the equations; without a theory, its statement and gradient.

    -o writes what is printed (.txt), the equations as LaTeX (.tex), or data (.json).
    """
    values = parse_values(joined(at))
    alone = latex is not None and str(latex) == "-"
    if alone and json:
        raise InvalidRequest("--latex - and --json both want standard output for themselves; give --latex a file")
    check_output(output, SUFFIXES)
    check_output(None if alone else latex, (".tex", ".txt"), "--latex")
    from derivations import display

    file = read_model(model)
    chosen = theory or file.theory
    with progress(f"deriving {file.name} ...", quiet=json):
        text, source, payload = interruptible(
            lambda: _gradient(file, values) if chosen is None else _equations(file, chosen, values, steps, fluctuations)
        )
    if latex is not None and not alone:
        write_text(latex, source + "\n")
    if output is not None:
        contents = {".tex": source, ".json": display.text_of_json(payload)}
        write_text(output, contents.get(output.suffix.lower(), text) + "\n")
    if alone:
        typer.echo(source)
    elif json:
        display.write_json(payload)
    else:
        display.say(text)


def _equations(file: Any, theory: Any, values: Any, steps: bool, fluctuations: bool) -> tuple[str, str, dict[str, Any]]:
    """The equations as text, as LaTeX, and as data."""
    from derivations import display, moves

    derived = moves.derive(file, theory, fluctuations=fluctuations)
    kind = type(derived).__name__
    shown = moves.with_values(derived, values, file) if values else derived
    parts = [display.describe_model(file.title, file.model, file.algorithm) + "\n"]
    parts += [f"{derived.steps}\n"] if steps else []
    parts.append(display.describe_equations(kind, shown))
    statement = display.model_payload(file.name, file.title, file.model, file.algorithm)
    payload = {**statement, "theory": theory, "at": values, **display.equations_payload(kind, shown)}
    return "\n".join(parts), shown.to_latex(), payload


def _gradient(file: Any, values: Any) -> tuple[str, str, dict[str, Any]]:
    """What there is without a theory: the gradient of one sample's loss."""
    from derivations import display
    from theory import gradient

    if values:
        raise InvalidRequest(
            f"--at puts numbers into equations, but {file.path} names no theory; give one with --theory"
        )
    found = gradient(file.model)
    statement = display.model_payload(file.name, file.title, file.model, file.algorithm)
    text = (
        f"{display.describe_model(file.title, file.model, file.algorithm)}\n\n"
        f"gradient of one sample's loss ({Path(file.path).name} names no theory; give one with --theory)\n{found}"
    )
    return text, display.gradient_latex(found), {**statement, "theory": None, **display.gradient_payload(found)}
