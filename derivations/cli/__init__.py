"""The command line `sgd-theory`: one module for each command.

`derivations.cli.application` says what the exit codes mean. `--json` prints data on stdout and nothing else; messages, progress
and remarks go to stderr. Nothing heavy is imported before a command needs it.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module

from derivations.cli.application import ExitCode, app, complain, explain_system_error, silence_output
from derivations.cli.work import is_abandoned

__all__ = ["COMMANDS", "ExitCode", "app", "main"]

COMMANDS = (
    "derive",
    "generate",
    "solve",
    "simulate",
    "plot",
    "validate",
    "models",
    "new",
    "doctor",
    "bench",
    "cache",
)
"""The commands in the order of the help; each is a module of this package, which registers it when it is imported."""

for _command in COMMANDS:
    import_module(f"derivations.cli.{_command}")


def main() -> None:
    """Run the command line and leave with its exit code.

    Output that a terminal cannot encode is replaced, never fatal; output that cannot be written is reported.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    try:
        code = _run()
        sys.stdout.flush()
    except BrokenPipeError:
        silence_output()
        code = ExitCode.PIPE_CLOSED
    except OSError as error:
        complain(explain_system_error(error))
        silence_output()
        code = ExitCode.CANNOT
    if is_abandoned():  # interrupted inside compiled code, which cannot be stopped otherwise
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def _run() -> int:
    try:
        app(prog_name="sgd-theory")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0 if end.code is None else ExitCode.CANNOT
    return ExitCode.OK
