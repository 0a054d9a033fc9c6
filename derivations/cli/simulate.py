"""`sgd-theory simulate`: SGD itself, beside what theory predicts for it."""

from __future__ import annotations

from typing import Any

import typer

from derivations.cli.application import ExitCode, command
from derivations.cli.completion import METHODS
from derivations.cli.options import (
    AsJson,
    At,
    Debug,
    MethodName,
    ModelName,
    Output,
    PrecisionName,
    Replicas,
    Seed,
    Start,
    TargetName,
    TheoryName,
    Threads,
    Until,
)
from derivations.cli.output import DATA_SUFFIXES, check_output, write_data
from derivations.cli.prepared import Request, prepare
from derivations.cli.values import parse_method, unknown_choice
from derivations.cli.work import interruptible, progress
from theory.errors import InvalidRequest


@command("simulate")
def simulate_command(
    model: ModelName,
    theory: TheoryName = None,
    at: At = None,
    start: Start = None,
    until: Until = None,
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
    """Run SGD on MODEL, and compare it with what theory predicts; for stability, count the fates of the runs.

    -o writes every time as a table (.csv), as data (.json), or every run as a labelled dataset (.nc, netCDF). Exit code 1
    where theory and SGD do not agree.
    """
    check_output(output, DATA_SUFFIXES)
    way = simulation_method(method)
    with progress(f"deriving {model} ...", quiet=json) as bar:
        request = interruptible(lambda: prepare(model, theory=theory, at=at, start=start))
        options = {"seed": seed, **request.machine(target, precision, threads)}
        bar.describe(f"running SGD on {request.file.name} ...")
        if request.is_stability:
            refuse_chain(way)
            result = interruptible(lambda: _fates(request, until, replicas, options))
        else:
            result = interruptible(lambda: _runs(request, until, replicas, {"method": way, **options}))
    heading, found, agrees = result
    from derivations import display

    if output is not None:
        write_data(output, table=found.rows(), payload={**heading, **found.payload}, dataset=found.dataset)
    if json:
        display.write_json({**heading, **found.payload})
    else:
        found.show(heading)
        if output is not None:
            display.note(f"wrote {output}")
    if not agrees:
        raise typer.Exit(ExitCode.DISAGREES)


def simulation_method(text: str | None) -> str:
    """How SGD is run: the name that `--method` gives. Raises `InvalidRequest` for another one."""
    name, options = parse_method(text or METHODS[0])
    if name not in METHODS:
        raise unknown_choice(name, METHODS, "--method")
    if options:
        raise InvalidRequest(f"--method {text}: {name} takes no options")
    return name


def refuse_chain(way: str) -> None:
    """Raise `InvalidRequest` for fates by the chain of inner products."""
    if way != METHODS[0]:
        raise InvalidRequest(f"--method {way}: the fates of runs are those of SGD itself; leave the option out")


# ----------------------------------------------------------------------------------------------------------- computing


def simulated(
    request: Request, until: float | None, replicas: int | None, options: dict[str, Any]
) -> tuple[Any, Any, float, int]:
    """The prediction (None without a theory) and the simulation, the last time, and how many runs there are."""
    from derivations import moves

    file, equations = request.file, request.equations
    moves.check_runnable(file, equations, until)
    last = moves.last_time(file, until)
    count = replicas if replicas is not None else file.replicas or moves.REPLICAS
    start = moves.started(file, equations, request.start)
    prediction = None
    if equations is not None:
        prediction = moves.predict(file, equations, request.at, last, start=start)
    simulation = moves.run(file, equations, request.at, until=last, replicas=count, start=start, **options)
    return prediction, simulation, last, count


def _runs(
    request: Request, until: float | None, replicas: int | None, options: dict[str, Any]
) -> tuple[Any, Any, bool]:
    from derivations.cli.findings import Comparison, Runs
    from numerics import compare

    prediction, simulation, last, count = simulated(request, until, replicas, options)
    heading = request.heading(at=simulation.attrs["at"], until=last, seed=options["seed"], replicas=count)
    if prediction is None:
        return heading, Runs(simulation), True
    agreement = compare(prediction, simulation)
    return heading, Comparison(simulation, agreement, request.advice(agreement)), agreement.agrees


def _fates(
    request: Request, until: float | None, replicas: int | None, options: dict[str, Any]
) -> tuple[Any, Any, bool]:
    from derivations import phases
    from derivations.cli.findings import Fates

    equations: Any = request.equations
    machine = {"seed": options["seed"], "target": options["target"], "threads": options["threads"]}
    exponents = phases.exponents(request.file, equations, request.at, **machine)
    phase = phases.phase_names(exponents["phase"])[0]
    found = phases.run_fates(request.file, request.at, start=request.start, steps=until, replicas=replicas, **options)
    check = phases.check_point(equations, phase, found)
    heading = request.heading(
        at=found.attrs["at"], until=found.attrs["steps"], seed=options["seed"], replicas=found.attrs["replicas"]
    )
    return heading, Fates(found, exponents, phase, check), check.agrees or check.verdict is None
