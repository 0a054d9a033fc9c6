"""The application that the commands register with, its exit codes, and what becomes of an error.

Exit codes:  0, all is well;  1, a prediction and a simulation disagree, or do not agree;  2, what was asked cannot be done, and
one message on stderr says why;  70, a defect of this program;  130, interrupted, and a message says what was kept;  141,
whoever read the output went away.
"""

from __future__ import annotations

import errno
import functools
import os
import re
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import IntEnum
from fractions import Fraction
from typing import Annotated, Any

import typer

from theory import __version__
from theory.errors import TheoryError


class ExitCode(IntEnum):
    """How a command ended."""

    OK = 0
    DISAGREES = 1
    CANNOT = 2
    DEFECT = 70
    INTERRUPTED = 130
    PIPE_CLOSED = 141


app = typer.Typer(
    name="sgd-theory",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="What theory predicts for stochastic gradient descent, and whether SGD agrees.",
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode="rich",
)


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


def command(name: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Decorator: a function as the command `name`, whose errors are reported in one message."""

    def register(function: Callable[..., None]) -> Callable[..., None]:
        return app.command(name)(reported(function))

    return register


class Interrupted(Exception):
    """Ctrl-C, with what was kept of the work."""


def reported(function: Callable[..., None]) -> Callable[..., None]:
    """`function`, with every error as one message on stderr and an exit code; `debug=True` adds the traceback."""

    @functools.wraps(function)
    def wrapped(*arguments: Any, **options: Any) -> None:
        try:
            with _plain_warnings():
                function(*arguments, **options)
        except (typer.Exit, typer.Abort):
            raise
        except KeyboardInterrupt:
            complain("interrupted; nothing was written")
            raise typer.Exit(ExitCode.INTERRUPTED) from None
        except Interrupted as kept:
            complain(f"interrupted; {kept}")
            raise typer.Exit(ExitCode.INTERRUPTED) from None
        except BrokenPipeError:
            silence_output()
            raise typer.Exit(ExitCode.PIPE_CLOSED) from None
        except Exception as error:
            if options.get("debug"):
                show_traceback(error)
            code, message = explained(error)
            complain(message)
            raise typer.Exit(code) from None

    return wrapped


def explained(error: Exception) -> tuple[ExitCode, str]:
    """The exit code of an error and the message for the user."""
    if isinstance(error, TheoryError):
        return ExitCode.CANNOT, in_options(str(error))
    if isinstance(error, OSError):
        return ExitCode.CANNOT, explain_system_error(error)
    if isinstance(error, MemoryError):
        return ExitCode.CANNOT, f"not enough memory ({error}); use fewer --replicas, a smaller n, or --method chain"
    kind = type(error).__name__
    return ExitCode.DEFECT, (
        f"this is a defect of sgd-theory, not of what you asked: {kind}: {error}. The same command with --debug shows the "
        f"traceback; please report both"
    )


_SETTING = re.compile(r"\b(at|over)=\{([^{}:]+): ([^{}]*)\}")
_FRACTION = re.compile(r"\bFraction\((-?\d+), (\d+)\)")


def in_options(message: str) -> str:
    """A message of the library in the words of the command line: `at={c: 1}` is `--at c=1`, and fractions are plain.

    >>> in_options("at={c: Fraction(-1, 1)}: the symbol c is declared positive")
    '--at c=-1: the symbol c is declared positive'
    """
    message = _FRACTION.sub(lambda found: str(Fraction(int(found[1]), int(found[2]))), message)
    message = _SETTING.sub(r"--\1 \2=\3", message)
    return message.replace("in at={...}", "with --at").replace("give it as --at", "give it with --at")


def explain_system_error(error: OSError) -> str:
    """What an error of the operating system means, naming the file.

    >>> import errno
    >>> explain_system_error(OSError(errno.ENOSPC, "No space left on device", "run.csv"))
    'run.csv could not be written: the disk is full (No space left on device); free some space, or write to another place'
    """
    where = error.filename or "the output"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{where} could not be written: the disk is full ({error.strerror}); free some space, or write to another place"
    if error.errno == errno.EROFS:
        return f"{where} could not be written: {error.strerror}; write to another place"
    return str(error)


def complain(message: str) -> None:
    """Print one message on stderr, even where stderr itself is in trouble."""
    from derivations import display

    with suppress(OSError):
        display.note(message)


def show_traceback(error: BaseException) -> None:
    """Print the traceback of an error on stderr."""
    import traceback

    traceback.print_exception(error)


@contextmanager
def _plain_warnings() -> Iterator[None]:
    """Warnings as messages to a user: no file names, no lines of code."""

    def shown(message: Warning | str, *_: Any, **__: Any) -> None:
        complain(f"warning: {message}")

    with warnings.catch_warnings():
        warnings.showwarning = shown  # restored on leaving
        yield


def silence_output() -> None:
    """Send what is left of stdout nowhere, so that the interpreter does not fail again when it flushes."""
    with suppress(OSError, ValueError, AttributeError):  # a stream without a descriptor has nothing to flush
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
