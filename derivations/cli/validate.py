"""`sgd-theory validate`: every claim, checked."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from derivations.cli import completion
from derivations.cli.application import ExitCode, Interrupted, command, complain, explain_system_error, show_traceback
from derivations.cli.options import AsJson, Debug, Output
from derivations.cli.output import check_output
from derivations.cli.work import Bar, interruptible, progress
from theory.errors import TheoryError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from derivations.claims.claim import Claim, ClaimResult
    from derivations.validate import Report

DEFAULT_REPORT = Path("sgd-theory-report.html")


@command("validate")
def validate_command(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME]...", help="Claims to check; by default all.", autocompletion=completion.claims),
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="Also check the claims that take long.")] = False,
    output: Output = None,
    no_report: Annotated[bool, typer.Option("--no-report", help="Write no report.")] = False,
    json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Check every claim: derive, generate, simulate SGD, compare; one line per claim, and a report (.html).

    The report goes to sgd-theory-report.html in this folder, or where -o says; with --json, only where -o says. Exit code 0 where
    theory and simulation agree in every claim, else 1, also where a claim that was named could not be checked. A report that
    cannot be written changes the exit code (to 2) only if -o asked for it.
    """
    check_output(output, (".html", ".htm"))
    from derivations import claims
    from derivations.validate import Outcome, select

    chosen = select(claims.all_claims(), names or [], full=full)
    run = _Run(chosen, json=json, debug=debug)
    with contextlib.redirect_stdout(sys.stderr) if json else contextlib.nullcontext():
        report = run.finish()
    run.summarise(report)
    wanted = bool(report.results) and not no_report and (output is not None or not json)
    written = False
    if wanted:
        if run.is_interrupted:
            complain("interrupted; writing the report of what was checked (Ctrl-C again: no report)")
        written = _write_report(report, output or DEFAULT_REPORT, quiet=json, debug=debug)
    if run.is_interrupted:
        kept = f"{len(report.results)} of {len(chosen)} claims were checked and are summarised above"
        raise Interrupted(f"{kept} and in the report" if written else kept)
    missed = bool(names) and report.count(Outcome.NOT_RUN) > 0
    if missed or not report.agrees:
        raise typer.Exit(ExitCode.DISAGREES)
    if output is not None and wanted and not written:
        raise typer.Exit(ExitCode.CANNOT)


class _Run:
    """One run over claims: what it prints on the way, and what is left of it when it is interrupted."""

    def __init__(self, chosen: Sequence[Claim], *, json: bool, debug: bool) -> None:
        self._chosen, self._json, self._debug = chosen, json, debug
        self._done: list[ClaimResult] = []
        self._provisional: set[str] = set()
        self.is_interrupted = False

    def finish(self) -> Report:
        """The report of the whole run, or of the claims that were checked before Ctrl-C."""
        from derivations.claims.claim import LEVEL, judge
        from derivations.validate import Report, run_claims

        began = perf_counter()
        with progress("", total=len(self._chosen), quiet=self._json) as bar:
            try:
                return interruptible(
                    lambda: run_claims(
                        self._chosen,
                        starting=lambda claim: bar.describe(f"{claim.name} ..."),
                        finished=lambda result: self._finished(result, bar),
                        raised=self._raised,
                    )
                )
            except KeyboardInterrupt:
                self.is_interrupted = True
        return Report(tuple(judge(self._done, LEVEL)), LEVEL, perf_counter() - began)

    def _finished(self, result: ClaimResult, bar: Bar) -> None:
        from derivations import display

        if self.is_interrupted:  # the claim that Ctrl-C met may end after it
            return
        self._done.append(result)
        if not self._json:
            with bar.hidden():
                display.say(display.claim_line(result))
        if result.rejected:
            self._provisional.add(result.claim.name)
        bar.advance()

    def _raised(self, _: Any, error: Exception) -> None:
        if self._debug and not self.is_interrupted:
            show_traceback(error)

    def summarise(self, report: Report) -> None:
        """Print what the whole run says."""
        from derivations import display
        from derivations.validate import Outcome, outcome

        if self._json:
            display.write_json({**display.report_payload(report), "interrupted": self.is_interrupted})
            return
        for result in report.results:
            if result.claim.name in self._provisional and outcome(result) is Outcome.AGREES:
                display.say(f"{display.mark(True)} {result.claim.name}: agrees at the level of the whole run")
        total = len(self._chosen) if self.is_interrupted else None
        display.say(display.summary_line(report, interrupted_of=total))


def _write_report(report: Report, path: Path, *, quiet: bool, debug: bool) -> bool:
    """Write the HTML report and say where it is, or why it could not be written; whether it was."""
    from derivations import display
    from derivations.report import write_report

    try:
        with progress("writing the report ...", quiet=quiet):
            found = interruptible(lambda: write_report(report, path))
    except KeyboardInterrupt as interruption:
        raise Interrupted("the claims were checked and are summarised above; there is no report") from interruption
    except (TheoryError, OSError) as error:
        if debug:
            show_traceback(error)
        reason = explain_system_error(error) if isinstance(error, OSError) else str(error)
        complain(f"no report: {reason}. Write it elsewhere with -o FILE, or leave it out with --no-report")
        return False
    if not quiet:
        display.note(f"wrote the report {found}")
    return True
