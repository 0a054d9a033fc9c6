"""`sgd-theory bench`: how fast the engine is."""

from __future__ import annotations

import contextlib
from typing import Annotated

import typer

from derivations.cli import completion
from derivations.cli.application import Interrupted, command
from derivations.cli.options import AsJson, Debug
from derivations.cli.work import interruptible, progress


@command("bench")
def bench_command(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME]...", help="Groups of rows to measure; by default all.", autocompletion=completion.benchmarks
        ),
    ] = None,
    repeats: Annotated[int, typer.Option(min=1, metavar="N", help="How often every figure is measured.")] = 7,
    quick: Annotated[bool, typer.Option("--quick", help="Smaller problems, for a first look.")] = False,
    json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Measure how fast the engine is, against NumPy, JAX, SciPy and C on this machine. No figure is an error."""
    from derivations.benchmarks import groups
    from derivations.benchmarks.timing import Plan, Row, Size

    chosen = groups.select(names or [])
    from derivations import display
    from derivations.benchmarks import table

    plan = Plan(repeats, Size.QUICK if quick else Size.FULL)
    found = table.machine()
    rows: list[Row] = []
    left = list(chosen)
    with progress("measuring ...", total=len(chosen), quiet=json) as bar, contextlib.suppress(KeyboardInterrupt):
        while left:
            bar.describe(f"{left[0]} ...")
            rows += interruptible(lambda: list(groups.run(left[:1], plan)))
            left.pop(0)
            bar.advance()
    if json:
        display.write_json(table.payload(rows, plan, found))
    elif rows:
        display.say(table.heading(found, plan) + "\n")
        display.show(table.table(rows))
        display.say("\n".join(["", *table.notes(rows), "", table.summary(rows)]))
    if left:
        raise Interrupted(f"the groups before {left[0]} are shown above")
