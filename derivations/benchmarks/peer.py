"""Other tools in a process of their own, on one core and one thread, that takes turns with this one.

parent                                  child: python -m derivations.benchmarks.MODULE SETTINGS
starts it, waits                        prepares, runs once; prints what it found
asks for a run                          runs; prints the processor time it took ("elapsed": the elapsed time)
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from derivations.benchmarks.timing import NotRun

ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
    "JAX_PLATFORMS": "cpu",
}
"""What makes the usual libraries use one thread."""


def require(package: str) -> None:
    """Raise `NotRun` unless a package is installed."""
    if importlib.util.find_spec(package) is None:
        raise NotRun(f"{package} is not installed; install it with python -m pip install 'sgd-theory[bench]'")


class Peer:
    """The parent's side: called, it lets the child run once and returns the seconds per unit.

    `found` is what the child computed in its first run, `first_seconds` how long preparing and that run took.
    Raises `NotRun` if the child ends.
    """

    def __init__(
        self,
        module: str,
        settings: Mapping[str, Any],
        units: float = 1.0,
        environment: Mapping[str, str] = ONE_THREAD,
    ) -> None:
        self.units = units
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(
            _command(module, settings), stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=_environment(environment)
        )
        try:
            answer = self._answer()
        except BaseException:
            self._process.kill()
            raise
        self._signal("SIGSTOP")
        self.first_seconds: float = answer["first_seconds"]
        self.found: Any = answer["found"]

    def __call__(self) -> float:
        if self._process.stdin is None or self._process.poll() is not None:
            raise self._ended()
        self._signal("SIGCONT")
        self._process.stdin.write("run\n")
        self._process.stdin.flush()
        seconds = float(self._answer()["seconds"])
        self._signal(
            "SIGSTOP"
        )  # its threads may go on waiting for work in a loop, which takes time from the other sides
        return seconds / self.units

    def _signal(self, name: str) -> None:
        if hasattr(signal, name):
            self._process.send_signal(getattr(signal, name))

    def __enter__(self) -> Peer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()

    def _answer(self) -> dict[str, Any]:
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line:
            raise self._ended()
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _ended(self) -> NotRun:
        _, errors = self._process.communicate()
        return NotRun(f"its process ended: {_message(errors)}")


def once(module: str, settings: Mapping[str, Any], environment: Mapping[str, str] | None = None) -> dict[str, Any]:
    """What a module of this package prints, as JSON on its last line, in a process of its own. Raises `NotRun` if it fails."""
    done = subprocess.run(
        _command(module, settings), capture_output=True, text=True, env=_environment(environment or {})
    )
    lines = done.stdout.strip().splitlines()
    if done.returncode or not lines:
        raise NotRun(f"its process ended: {_message(done.stderr)}")
    answer: dict[str, Any] = json.loads(lines[-1])
    return answer


def _message(errors: str) -> str:
    """The line of a traceback that says what happened."""
    lines = errors.strip().splitlines()
    named = [line for line in lines if re.match(r"[\w.]*(Error|Exception|Exit)\b", line)]
    return (named or lines or ["without a message"])[-1]


def _command(module: str, settings: Mapping[str, Any]) -> list[str]:
    return [sys.executable, "-m", f"derivations.benchmarks.{module}", json.dumps(settings)]


def _environment(more: Mapping[str, str]) -> dict[str, str]:
    path = os.pathsep.join([str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {**os.environ, **more, "PYTHONPATH": path}


def serve(prepare: Callable[[dict[str, Any]], Callable[[], Any]]) -> None:
    """The child's side: prepare from the settings, run whenever asked; the function must return once all is computed."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    _end_with_parent()
    out, sys.stdout = sys.stdout, sys.stderr  # what libraries print is no answer
    settings: dict[str, Any] = json.loads(sys.argv[1])
    now = time.perf_counter if settings.get("elapsed") else time.process_time
    began = time.perf_counter()
    run = prepare(settings)
    found = run()
    _tell(out, {"first_seconds": time.perf_counter() - began, "found": found})
    for _ in sys.stdin:
        start = now()
        run()
        _tell(out, {"seconds": now() - start})


def _end_with_parent() -> None:
    """On Linux, end when the parent does, even where it is killed: a process that is stopped would never know."""
    if sys.platform == "linux":
        import ctypes

        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def _tell(out: Any, answer: Mapping[str, Any]) -> None:
    out.write(json.dumps(answer) + "\n")
    out.flush()
