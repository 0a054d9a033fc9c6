"""Peers in C: compiled into a temporary folder when they are first needed."""

from __future__ import annotations

import ctypes
import functools
import shutil
import subprocess
import tempfile
from pathlib import Path

from derivations.benchmarks.timing import NotRun

FLAGS = ("-O3", "-march=native", "-ffast-math")
VARIANTS = {"C": (), "C, 512-bit vectors": ("-mprefer-vector-width=512",)}
"""Peers by name, with the flags beyond `FLAGS`; the fastest is the one to compare with."""


@functools.cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="sgd-theory-bench-")  # removed when the process ends


@functools.cache
def library(name: str, *flags: str) -> ctypes.CDLL:
    """The compiled `NAME.c` of this package. Raises `NotRun` without a compiler, or where it refuses."""
    compiler = shutil.which("cc")
    if compiler is None:
        raise NotRun("there is no C compiler: no command cc")
    source, target = Path(__file__).parent / f"{name}.c", Path(_folder().name) / f"{name}{''.join(flags)}"
    # in two steps: linked with -ffast-math, a library changes how the process that loads it treats subnormal numbers
    commands = (
        [compiler, *FLAGS, *flags, "-fPIC", "-c", "-o", f"{target}.o", str(source)],
        [compiler, "-shared", "-o", f"{target}.so", f"{target}.o", "-lm"],
    )
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            lines = done.stderr.strip().splitlines()
            raise NotRun(f"cc refuses {name}.c: {lines[0] if lines else done.returncode}")
    return ctypes.CDLL(f"{target}.so")


def variants(name: str) -> dict[str, ctypes.CDLL]:
    """The library under the flags of every variant that the compiler knows. Raises `NotRun` if that is none."""
    found: dict[str, ctypes.CDLL] = {}
    reasons: list[NotRun] = []
    for label, flags in VARIANTS.items():
        try:
            found[label] = library(name, *flags)
        except NotRun as reason:
            reasons.append(reason)
    if not found:
        raise reasons[0]
    return found
