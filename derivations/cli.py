"""The command line: `sgd-theory derive`, `simulate`, `validate`, `models`, `bench`, `cache`.

Exit codes: 0, all is well; 1, a prediction and a simulation disagree; 2, what was asked cannot be done, and one
message on stderr says why; 130, interrupted. `--json` prints data on stdout and nothing else. Nothing heavy is imported
before a command needs it.
"""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any

import typer

from derivations.model_files import Theory
from theory import __version__
from theory.errors import InvalidRequest, TheoryError

DISAGREES, CANNOT, INTERRUPTED = 1, 2, 130

app = typer.Typer(
    name="sgd-theory",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="What theory predicts for stochastic gradient descent, and whether SGD agrees.",
    context_settings={"help_option_names": ["-h", "--help"]},
)

ModelName = Annotated[str, typer.Argument(metavar="MODEL", help="A Python model file, or the name of a shipped model.")]
At = Annotated[
    list[str] | None, typer.Option("--at", metavar="NAME=NUMBER,...", help="Numbers for symbols, as in c=0.5,n=1000.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print data as JSON, and nothing else.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]


def main() -> None:
    """Run the command line; output that a terminal cannot encode is replaced, never fatal."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    app(prog_name="sgd-theory")


def _reported(command: Callable[..., None]) -> Callable[..., None]:
    """Errors of the project become one message and exit code 2, Ctrl-C exit code 130."""

    @functools.wraps(command)
    def wrapped(*arguments: Any, **options: Any) -> None:
        try:
            command(*arguments, **options)
        except (TheoryError, OSError) as error:
            if isinstance(error, BrokenPipeError):
                raise
            if options.get("debug"):
                _show_traceback(error)
            _complain(str(error))
            raise typer.Exit(CANNOT) from None
        except KeyboardInterrupt:
            _complain("interrupted")
            raise typer.Exit(INTERRUPTED) from None

    return wrapped


def _complain(message: str) -> None:
    typer.echo(f"sgd-theory: {message}", err=True)


def _show_traceback(error: BaseException) -> None:
    import traceback

    traceback.print_exception(error)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"sgd-theory {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """What theory predicts for stochastic gradient descent, and whether SGD agrees."""


@app.command("derive")
@_reported
def derive_command(
    model: ModelName,
    theory: Annotated[
        Theory | None, typer.Option(help="The theory; by default the one that the model file names.")
    ] = None,
    latex: Annotated[Path | None, typer.Option(metavar="FILE", help="Also write the equations as LaTeX.")] = None,
    steps: Annotated[bool, typer.Option("--steps", help="Show the derivation, step by step.")] = False,
    at: At = None,
    json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Derive what theory predicts for MODEL and print the equations; without a theory, its statement and gradient."""
    values = parse_values(",".join(at or []))
    from derivations import display, moves
    from derivations.model_files import load_model

    file = load_model(model)
    chosen = theory or file.theory
    if chosen is None:
        _derive_gradient(file, latex, json, values)
        return
    derived = moves.derive(file, chosen)
    kind = type(derived).__name__
    shown = moves.with_values(derived, values, file) if values else derived
    if latex is not None:
        latex.write_text(shown.to_latex() + "\n", encoding="utf-8")
    if json:
        statement = display.model_payload(file.name, file.title, file.model, file.algorithm)
        display.write_json({**statement, "theory": chosen, "at": values, **display.equations_payload(kind, shown)})
        return
    display.say(display.describe_model(file.title, file.model, file.algorithm) + "\n")
    if steps:
        display.say(f"{derived.steps}\n")
    display.say(display.describe_equations(kind, shown))


def _derive_gradient(file: Any, latex: Path | None, json: bool, values: dict[str, Fraction]) -> None:
    from derivations import display
    from theory import gradient

    if values:
        raise InvalidRequest(
            f"--at puts numbers into equations, but {file.path} names no theory; give one with --theory"
        )
    found = gradient(file.model)
    if latex is not None:
        latex.write_text(display.gradient_latex(found) + "\n", encoding="utf-8")
    if json:
        statement = display.model_payload(file.name, file.title, file.model, file.algorithm)
        display.write_json({**statement, "theory": None, **display.gradient_payload(found)})
        return
    display.say(display.describe_model(file.title, file.model, file.algorithm) + "\n")
    display.say(f"gradient of one sample's loss ({file.path.name} names no theory; give one with --theory)\n{found}")


@app.command("simulate")
@_reported
def simulate_command(
    model: ModelName,
    at: At = None,
    until: Annotated[float | None, typer.Option(help="Last time, in units of the clock of the equations.")] = None,
    replicas: Annotated[int | None, typer.Option(help="Independent runs of SGD.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of all randomness.")] = 0,
    method: Annotated[
        str,
        typer.Option(help="direct: SGD itself; chain: its inner products, exact in law, at a cost independent of n."),
    ] = "direct",
    target: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    precision: Annotated[str, typer.Option(help="float64 or float32.")] = "float64",
    threads: Annotated[int | None, typer.Option(help="Worker threads; the result does not depend on it.")] = None,
    json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Run SGD on MODEL, and compare it with the prediction of the theory that the model file names."""
    values = parse_values(",".join(at or []))
    from derivations import display, moves
    from derivations.model_files import load_model
    from numerics import compare

    file = load_model(model)
    numbers, last = moves.merged(file, values), moves.last_time(file, until)
    count = replicas if replicas is not None else file.replicas or moves.REPLICAS
    derived = None if file.theory is None else moves.derive(file, file.theory)
    prediction = None if derived is None else moves.predict(file, derived, numbers, last)
    with display.console(error=True).status("running SGD ..."):
        simulation = moves.run(
            file, derived, numbers, until=last, replicas=count, seed=seed, threads=threads, method=method, target=target,
            precision=precision,
        )  # fmt: skip
    heading = {
        "model": file.name, "title": file.title, "theory": file.theory, "algorithm": repr(file.algorithm),
        "at": simulation.attrs["at"], "until": last, "seed": seed, "replicas": count,
        "conventions": derived.conventions if derived else file.algorithm.conventions(),
    }  # fmt: skip
    if prediction is None:
        _show_simulation(heading, simulation, json)
    else:
        _show_agreement(heading, compare(prediction, simulation), json)


def _show_heading(heading: dict[str, Any]) -> None:
    from derivations import display

    runs = f"{heading['replicas']} runs of {heading['algorithm']} at {heading['at']}, seed {heading['seed']}"
    display.say("\n".join([heading["title"], runs, *heading["conventions"], ""]))


def _show_agreement(heading: dict[str, Any], agreement: Any, json: bool) -> None:
    from derivations import display

    if json:
        display.write_json({**heading, **display.agreement_payload(agreement)})
    else:
        _show_heading(heading)
        display.console().print(display.agreement_table(agreement))
        display.say(f"\n{display.mark(agreement.agrees)} {agreement.summary()}")
    if not agreement.agrees:
        raise typer.Exit(DISAGREES)


def _show_simulation(heading: dict[str, Any], simulation: Any, json: bool) -> None:
    from derivations import display

    summary = display.plain(display.simulation_payload(simulation))
    if json:
        display.write_json({**heading, **summary})
        return
    _show_heading(heading)
    display.console().print(display.simulation_table(summary))
    display.say("\nno prediction: the model file names no theory")
    if summary["diverged"]:
        display.say(f"{summary['diverged']} of {heading['replicas']} runs diverged and enter no mean")


@app.command("validate")
@_reported
def validate_command(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Claims to check; by default all.")
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="Also check the claims that take long.")] = False,
    json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Check every claim: derive, generate, simulate SGD, compare; one line per claim."""
    import contextlib

    from derivations import claims, display
    from derivations.validate import Outcome, outcome, run_claims, select

    chosen = select(claims.all_claims(), names or [], full=full)
    status = display.console(error=True).status("")
    provisional: set[str] = set()

    def starting(claim: Any) -> None:
        status.update(f"{claim.name} ...")

    def finished(result: Any) -> None:
        if not json:
            display.say(display.claim_line(result))
        if result.rejected:
            provisional.add(result.claim.name)

    def raised(_: Any, error: Exception) -> None:
        if debug:
            _show_traceback(error)

    with contextlib.redirect_stdout(sys.stderr) if json else contextlib.nullcontext(), status:
        report = run_claims(chosen, starting=starting, finished=finished, raised=raised)
    if json:
        display.write_json(display.report_payload(report))
    else:
        for result in report.results:
            if result.claim.name in provisional and outcome(result) is Outcome.AGREES:
                display.say(f"{display.mark(True)} {result.claim.name}: agrees at the level of the whole run")
        display.say(display.summary_line(report))
    missed = bool(names) and report.count(Outcome.NOT_RUN) > 0
    if missed or not report.agrees:
        raise typer.Exit(DISAGREES)


@app.command("models")
@_reported
def models_command(json: AsJson = False, debug: Debug = False) -> None:
    """List the shipped models."""
    from derivations.model_files import outline, shipped_models

    found = {name: outline(path) for name, path in shipped_models().items()}
    if json:
        from derivations import display

        rows = [{"name": name, "title": title, "theory": theory} for name, (title, theory) in found.items()]
        display.write_json({"models": rows})
        return
    width = max(map(len, found))
    for name, (title, theory) in found.items():
        typer.echo(f"{name:<{width}}  {title}{f' [{theory}]' if theory else ''}")


@app.command("bench")
@_reported
def bench_command(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Groups of rows to measure; by default all.")
    ] = None,
    repeats: Annotated[int, typer.Option(min=1, metavar="N", help="How often every figure is measured.")] = 7,
    quick: Annotated[bool, typer.Option("--quick", help="Smaller problems, for a first look.")] = False,
    json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Measure how fast the engine is, against NumPy, JAX, SciPy and C on this machine. No figure is an error."""
    from derivations.benchmarks import groups
    from derivations.benchmarks.timing import Plan, Size

    chosen = groups.select(names or [])
    from derivations import display
    from derivations.benchmarks import table

    plan = Plan(repeats, Size.QUICK if quick else Size.FULL)
    found = table.machine()
    with display.console(error=True).status("") as status:
        rows = list(groups.run(chosen, plan, lambda name: status.update(f"{name} ...")))
    if json:
        display.write_json(table.payload(rows, plan, found))
        return
    display.say(table.heading(found, plan) + "\n")
    display.console(least=table.WIDTH).print(table.table(rows))
    display.say("\n".join(["", *table.notes(rows), "", table.summary(rows)]))


@app.command("cache")
@_reported
def cache_command(
    clear: Annotated[bool, typer.Option("--clear", help="Delete every cached kernel.")] = False,
    json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Show where compiled kernels are kept and how much they take, or delete them."""
    from derivations import display
    from numerics.cache import cache_content, clear_cache

    before = clear_cache() if clear else cache_content()
    kept = cache_content() if clear else before
    kernels, files, size = before.kernels - kept.kernels, before.files - kept.files, before.size - kept.size
    if json:
        held = {"folder": kept.folder, "kernels": kept.kernels, "files": kept.files, "size": kept.size}
        removed = {"removed": {"kernels": kernels, "files": files, "size": size}} if clear else {}
        display.write_json({**held, **removed})
        return
    if clear:
        display.say(f"removed {kernels} kernels, {files} files, {display.bytes_text(size)}")
    display.say(
        f"folder   {kept.folder}\nkernels  {kept.kernels}\nfiles    {kept.files}\nsize     {display.bytes_text(kept.size)}"
    )


_PAIR = re.compile(r"\s*(?P<name>[^=]+?)\s*=\s*(?P<value>[^=,]+?)\s*(?:,|$)")


def parse_values(text: str) -> dict[str, Fraction]:
    """The values of `--at`, exact. Raises `InvalidRequest` for a pair that is none.

    A name may hold commas, as that of an inner product does.

    >>> parse_values("c=0.5, dot(v, w)=1/3")
    {'c': Fraction(1, 2), 'dot(v, w)': Fraction(1, 3)}
    """
    values: dict[str, Fraction] = {}
    position = 0
    while position < len(text.rstrip()):
        pair = _PAIR.match(text, position)
        if pair is None:
            raise InvalidRequest(f"--at {text!r}: cannot read {text[position:].strip()!r}; write c=0.5,n=1000")
        name, number = pair["name"], pair["value"]
        try:
            value = Fraction(number)
        except (ValueError, ZeroDivisionError):
            raise InvalidRequest(f"--at {name}={number}: write the number as 0.5, 1e-3 or 1/3") from None
        if name in values:
            raise InvalidRequest(f"--at gives {name} twice")
        values[name] = value
        position = pair.end()
    return values


if __name__ == "__main__":
    main()
