"""Long work: what it shows while it runs, and how Ctrl-C ends it.

Compiled loops do not look at signals. So the work runs in a thread of its own while the main thread waits; on Ctrl-C the main
thread answers at once, and the process ends without waiting for the loop.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

Result = TypeVar("Result")

_STACK = 64 * 1024 * 1024  # the main thread has megabytes, others may have half of one, and expressions are deep


class _Work(threading.Thread):
    """A task in a thread of its own, with what came of it."""

    def __init__(self, task: Callable[[], Any]) -> None:
        super().__init__(daemon=True)
        self._task = task
        self.ended = (
            threading.Event()
        )  # `join` is not safe: interrupted, it may take a running thread for one that ended
        self.result: Any = None
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self.result = self._task()
        except BaseException as error:  # handed to the thread that waits
            self.error = error
        finally:
            self.ended.set()


def interruptible(task: Callable[[], Result]) -> Result:
    """Return what `task` returns, or raise what it raises; `KeyboardInterrupt` is raised at once, whatever `task` is doing."""
    work = _Work(task)
    before = threading.stack_size(_STACK)
    try:
        work.start()
    finally:
        threading.stack_size(before)
    while not work.ended.wait(0.1):  # with a limit: without one, some systems do not deliver signals
        pass
    if work.error is not None:
        raise work.error
    result: Result = work.result
    return result


def is_abandoned() -> bool:
    """Whether interrupted work is still running."""
    return any(isinstance(thread, _Work) and not thread.ended.is_set() for thread in threading.enumerate())


class Bar:
    """A progress bar on stderr, or nothing at all."""

    def __init__(self, progress: Progress | None, task: TaskID | None) -> None:
        self._progress, self._task = progress, task

    def describe(self, text: str) -> None:
        """Say what is being done now."""
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, description=text)

    def advance(self) -> None:
        """One part is done."""
        if self._progress is not None and self._task is not None:
            self._progress.advance(self._task)

    @contextmanager
    def hidden(self) -> Iterator[None]:
        """Take the bar away while something else is printed to the terminal."""
        if self._progress is None:
            yield
            return
        self._progress.stop()
        try:
            yield
        finally:
            self._progress.start()


@contextmanager
def progress(text: str, *, total: int | None = None, quiet: bool = False) -> Iterator[Bar]:
    """Show `text`, the time, and with a `total` how many parts are done; nothing if `quiet` or if stderr is no terminal."""
    if quiet or not sys.stderr.isatty():
        yield Bar(None, None)
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    from derivations import display

    shown = display.console(error=True)
    spinner = "dots" if shown.encoding.lower().startswith("utf") else "line"
    parts: list[Any] = [SpinnerColumn(spinner)]
    if total is not None:
        parts += [BarColumn(bar_width=20)] if shown.width >= 80 else []  # the numbers matter more
        parts.append(MofNCompleteColumn())
    parts += [TimeElapsedColumn(), TextColumn("{task.description}", markup=False)]
    bar = Progress(*parts, console=shown, transient=True, redirect_stdout=False)
    with bar:
        yield Bar(bar, bar.add_task(text, total=total))
