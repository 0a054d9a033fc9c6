"""`sgd-theory new`: a model file to start from."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from derivations.cli.application import command
from derivations.cli.options import AsJson, Debug, Output, TheoryName
from derivations.cli.output import CannotWrite, check_output, write_text
from theory.errors import InvalidRequest


@command("new")
def new_command(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The name of the model.")],
    theory: TheoryName = None,
    output: Output = None,
    json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Write NAME.toml, a commented model file that runs as it is and is there to be changed. Nothing is overwritten.

    --theory stability writes one about a fixed point instead of one about a scaling limit. -o names another file (.toml).
    """
    stem = name.removesuffix(".toml")
    if not Path(stem).name:
        raise InvalidRequest(f"NAME {name!r} names no model; write sgd-theory new my_model")
    path = output or Path(f"{stem}.toml")
    check_output(path, (".toml",), "NAME" if output is None else "-o")
    if path.exists():
        raise CannotWrite(f"{path} is there already and is left as it is; try sgd-theory new {_free(path)}")
    from derivations.model_files import Theory, starter

    write_text(path, starter(Path(stem).name, theory=theory or Theory.SCALING_LIMIT))
    if json:
        from derivations import display

        display.write_json({"file": path})
        return
    word = shlex.quote(str(path))
    typer.echo(
        f"wrote {path}\n"
        f"next:  sgd-theory derive {word}\n"
        f"       sgd-theory simulate {word}\n"
        f"       sgd-theory plot {word}"
    )


def _free(path: Path) -> str:
    """A name that is not taken yet."""
    number = 2
    while path.with_name(f"{path.stem}_{number}.toml").exists():
        number += 1
    return str(path.with_name(f"{path.stem}_{number}"))
