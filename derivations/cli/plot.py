"""`sgd-theory plot`: the figure of a model: prediction and simulation, or the phase diagram."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from derivations.cli.application import ExitCode, command
from derivations.cli.options import (
    AsJson,
    At,
    Debug,
    MethodName,
    ModelName,
    Orders,
    Output,
    Over,
    PrecisionName,
    Replicas,
    Seed,
    Start,
    TargetName,
    TheoryName,
    Threads,
    Until,
)
from derivations.cli.output import check_output, written
from derivations.cli.prepared import Request, prepare
from derivations.cli.simulate import refuse_chain, simulated, simulation_method
from derivations.cli.work import interruptible, progress
from theory.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure

    from derivations.phases import Verdict

SUFFIXES = (".svg", ".pdf", ".png")


@command("plot")
def plot_command(
    model: ModelName,
    theory: TheoryName = None,
    at: At = None,
    start: Start = None,
    until: Until = None,
    over: Over = None,
    order: Orders = None,
    fates: Annotated[
        bool, typer.Option("--fates", help="Run SGD at points of the phase diagram and draw the fates over it.")
    ] = False,
    method: MethodName = None,
    replicas: Replicas = None,
    seed: Seed = 0,
    target: TargetName = "cpu",
    precision: PrecisionName = "float64",
    threads: Threads = None,
    output: Output = None,
    json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Draw prediction and simulation of MODEL over time; for stability, the phase diagram over two symbols.

    -o names the file (.svg, .pdf, .png), by default MODEL.svg in this folder. Exit code 1 where prediction and simulation over time do
    not agree; fates over a phase diagram are counted, not judged.
    """
    check_output(output, SUFFIXES)
    way = simulation_method(method)
    with progress(f"deriving {model} ...", quiet=json) as bar:
        request = interruptible(lambda: prepare(model, theory=theory, at=at, start=start, over=over))
        path = output or Path(f"{request.file.name}.svg")
        check_output(path, SUFFIXES)
        options = {"seed": seed, **request.machine(target, precision, threads)}
        bar.describe(f"drawing {request.file.name} ...")
        if request.is_stability:
            refuse_chain(way)
            _refuse_without_fates(fates, until=until, replicas=replicas, start=start)
            runs = {"steps": until, "replicas": replicas, **options} if fates else None
            figure, summary, agrees = interruptible(lambda: _phase_diagram(request, order or [], runs))
        else:
            if fates or over or order:
                raise InvalidRequest(
                    "--fates, --over and --order belong to phase diagrams; MODEL's theory is "
                    f"{request.theory or 'none'}, so give --theory stability or leave them out"
                )
            figure, summary, agrees = interruptible(
                lambda: _over_time(request, until, replicas, {"method": way, **options})
            )
        interruptible(lambda: _save(figure, path))
    from derivations import display

    if json:
        display.write_json({**request.heading(), "file": path, **summary})
    else:
        display.say(f"{summary['summary']}\nwrote {path}")
    if not agrees:
        raise typer.Exit(ExitCode.DISAGREES)


def _refuse_without_fates(fates: bool, **given: Any) -> None:
    for name, value in given.items():
        if value is not None and not fates:
            raise InvalidRequest(f"--{name} is about runs of SGD, and a phase diagram has none; add --fates")


def _over_time(
    request: Request, until: float | None, replicas: int | None, options: dict[str, Any]
) -> tuple[Figure, dict[str, Any], bool]:
    from numerics import compare
    from numerics.figures import plot_agreement, plot_dataset

    prediction, simulation, _, count = simulated(request, until, replicas, options)
    if prediction is None:
        text = f"{count} runs; no prediction: the model file names no theory"
        return plot_dataset(simulation), {"verdict": None, "summary": text}, True
    agreement = compare(prediction, simulation)
    text = "\n".join([agreement.summary(), *request.advice(agreement)])
    return plot_agreement(agreement), {"verdict": agreement.verdict, "summary": text}, agreement.agrees


def _phase_diagram(
    request: Request, orders: Sequence[float], runs: dict[str, Any] | None
) -> tuple[Figure, dict[str, Any], bool]:
    """The diagram; with `runs` the fates over it, and at how many of their points they agree with the phase."""
    from derivations import phases
    from numerics.figures import plot_phase_diagram

    file = request.file
    equations: Any = request.equations
    diagram = phases.diagram(file, equations, request.at, request.over, orders=orders)
    names = phases.phase_names(diagram["phase"])
    shares = {name: names.count(name) / len(names) for name in sorted(set(names))}
    summary: dict[str, Any] = {"phases": shares}
    lines = ["; ".join(f"{name} {share:.0%}" if share >= 0.01 else f"{name} < 1%" for name, share in shares.items())]
    found = None
    if runs is not None:
        found = phases.fates_on(file, equations, request.at, request.over, start=request.start, **runs)
        verdicts = [check.verdict for check in phases.check_points(file, equations, request.at, found)]
        summary["fates"] = {verdict: verdicts.count(verdict) for verdict in phases.Verdict}
        lines.append(_counted(verdicts))
    summary["summary"] = "\n".join(lines)
    return plot_phase_diagram(diagram, fates=found), summary, True


def _counted(verdicts: Sequence[Verdict | None]) -> str:
    """At how many points of a diagram SGD does what the phase there says."""
    from derivations.phases import Verdict

    agree, undecided = verdicts.count(Verdict.AGREE), verdicts.count(Verdict.UNDECIDED)
    if verdicts and all(verdict is None for verdict in verdicts):
        return f"fates of SGD at {len(verdicts)} points: linear theory is silent here, so there is nothing to compare"
    unsure = f"; at {undecided} too close to tell" if undecided else ""
    return f"fates of SGD: {agree} of {len(verdicts)} points leave or stay as predicted{unsure} (blow-up counts as leaving)"


def _save(figure: Figure, path: Path) -> None:
    with written(path) as partial:
        figure.savefig(partial, format=path.suffix.lower().removeprefix("."))
