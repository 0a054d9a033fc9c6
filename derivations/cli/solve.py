"""`sgd-theory solve`: the prediction of a theory in numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from derivations.cli.application import command
from derivations.cli.options import (
    AsJson,
    At,
    Debug,
    Fluctuations,
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
from derivations.cli.output import DATA_SUFFIXES, check_output, write_data
from derivations.cli.prepared import Request, prepare
from derivations.cli.values import parse_method, unknown_choice
from derivations.cli.work import interruptible, progress
from theory.errors import InvalidRequest

if TYPE_CHECKING:
    import xarray as xr

    from derivations.display import Sheet
    from numerics.solve.methods import Method


@command("solve")
def solve_command(
    model: ModelName,
    theory: TheoryName = None,
    at: At = None,
    start: Start = None,
    fluctuations: Fluctuations = False,
    until: Until = None,
    over: Over = None,
    order: Orders = None,
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
    """Print what theory predicts for MODEL in numbers; for stability, exponents, phase, thresholds (--order 2: in mean square).

    -o writes every time as a table (.csv), as data (.json), or as a labelled dataset (.nc, netCDF).
    """
    check_output(output, DATA_SUFFIXES)
    way = None if method is None else solver(method)
    with progress(f"solving {model} ...", quiet=json) as bar:
        request = interruptible(
            lambda: prepare(model, theory=theory, at=at, start=start, over=over, fluctuations=fluctuations)
        )
        if request.equations is None:
            raise InvalidRequest(
                f"{request.file.path} names no theory, so there is nothing to solve; give one with --theory"
            )
        machine = request.machine(target, precision, threads)
        bar.describe(f"solving {request.file.name} ...")
        if request.is_stability:
            _refuse_for_stability(method=method, until=until, start=start)
            options = {"seed": seed, "replicas": replicas, **machine}
            found = interruptible(lambda: _stability(request, order or [], options))
        else:
            _refuse_over_time(over=over, order=order)
            options = {"method": way, "seed": seed, "replicas": replicas, **machine}
            found = interruptible(lambda: _over_time(request, until, options))
    _deliver(found, output, json)


def solver(text: str) -> Method:
    """The method that `--method` names, with its options. Raises `InvalidRequest` with what there is."""
    from dataclasses import fields

    from derivations.cli.completion import SOLVERS
    from numerics.solve import methods

    name, options = parse_method(text)
    by_name = {known.lower(): known for known in SOLVERS}
    if name.lower() not in by_name:
        raise unknown_choice(name, SOLVERS, "--method")
    kind: Any = getattr(methods, by_name[name.lower()])
    known = [field.name for field in fields(kind)]
    for option in options:
        if option not in known:
            raise unknown_choice(option, known or ["no option"], f"--method {name}: the option")
    needed = {field.name for field in fields(kind) if field.default is field.default_factory}
    if missing := needed - set(options):
        raise InvalidRequest(f"--method {name} needs {', '.join(sorted(missing))}, as in {name},steps=1000")
    return kind(**{option: _plain_number(value) for option, value in options.items()})


def _plain_number(value: Fraction) -> int | float:
    return int(value) if value.denominator == 1 else float(value)


def _refuse_for_stability(**given: Any) -> None:
    for name, value in given.items():
        if value is not None:
            raise InvalidRequest(
                f"--{name} has no meaning for exponents, which are rates per step; sgd-theory simulate runs SGD itself"
            )


def _refuse_over_time(**given: Any) -> None:
    for name, value in given.items():
        if value:
            raise InvalidRequest(
                f"--{name} has no meaning for equations in time; it belongs to exponents, thresholds and phase diagrams"
            )


# -------------------------------------------------------------------------------------------------------- computing


@dataclass(frozen=True)
class Found:
    """A prediction as a dataset, as plain data, as a table to print, and the lines that follow it."""

    dataset: xr.Dataset
    payload: dict[str, Any]
    sheet: Sheet
    lines: tuple[str, ...] = ()


def _over_time(request: Request, until: float | None, options: Mapping[str, Any]) -> Found:
    from derivations import display, moves

    equations = request.equations
    last = moves.last_time(request.file, until)
    start = moves.started(request.file, equations, request.start)
    dataset = moves.predict(request.file, equations, request.at, last, start=start, **options)  # type: ignore[arg-type]
    heading = request.heading(at=dataset.attrs["at"], until=last, method=dataset.attrs.get("method"))
    if "replica" in dataset.dims:
        payload = display.simulation_payload(dataset)
        return Found(dataset, {**heading, **payload}, display.simulation_sheet(display.plain(payload)))
    payload = display.prediction_payload(dataset)
    return Found(dataset, {**heading, **payload}, display.prediction_sheet(dataset))


def _stability(request: Request, orders: Sequence[float], options: Mapping[str, Any]) -> Found:
    from derivations import display, phases

    equations: Any = request.equations
    file, at = request.file, request.at
    dataset = phases.exponents(file, equations, at, orders=orders, **options)
    phase = phases.phase_names(dataset["phase"])[0]
    silent = phases.is_silent(equations)
    phases.axes_of(file, equations, request.over, needed=False)  # a misspelt name is refused in any case
    heading = request.heading(at=", ".join(f"{name}={float(value):g}" for name, value in at.items()))
    payload = {**heading, **display.exponents_payload(dataset, phase)}
    lines = [f"phase: {phase}"]
    if silent:
        lines.append(
            "no thresholds: every direction is neutral, as no sample curves the loss at this point; linear theory is silent here"
        )
    for order in () if silent else dict.fromkeys((0.0, *orders)):
        stable = phases.stable_rates(file, equations, at, request.over, order=order)
        if stable is not None:
            symbol, between, intervals = stable
            found = display.intervals_payload(intervals, symbol, between, order)
            if order == 0:
                payload["thresholds"] = found
            else:
                payload.setdefault("moment_thresholds", []).append(found)
            lines += [
                f"stable {display.sense_of(order)} for {symbol} between {between[0]:g} and {between[1]:g}:",
                str(intervals),
            ]
    return Found(dataset, payload, display.exponents_sheet(dataset), tuple(lines))


# -------------------------------------------------------------------------------------------------------- delivering


def _deliver(found: Found, output: Path | None, json: bool) -> None:
    from derivations import display

    dataset, payload = found.dataset, found.payload
    if output is not None:
        write_data(output, table=_rows(dataset), payload=payload, dataset=dataset)
    if json:
        display.write_json(payload)
        return
    clock = f"time in {payload['clock']}" if "clock" in payload else "exponents per step"
    approximation = dataset.attrs.get("approximation")
    label = f", approximation: {approximation}" if approximation else ""
    display.say(f"{payload['title']}\nprediction at {payload['at'] or 'no numbers'}; {clock}{label}\n")
    display.show(found.sheet)
    if found.lines:
        display.say("\n" + "\n".join(found.lines))
    if output is not None:
        display.note(f"wrote {output}")


def _rows(dataset: xr.Dataset) -> list[list[Any]]:
    """A dataset as a table: one row for each time or mode, and for each replica where there are several."""
    frame = dataset.reset_coords(drop=True)
    sizes = [str(name) for name in frame.sizes]
    wide = frame[[name for name in frame.data_vars if set(frame[name].dims) <= set(sizes)]].broadcast_like(frame)
    names = [str(name) for name in wide.data_vars]
    stacked = wide.stack(row=sizes) if sizes else wide
    columns = [stacked[name].values for name in (*sizes, *names)]
    return [[*sizes, *names], *(list(row) for row in zip(*columns, strict=True))]
