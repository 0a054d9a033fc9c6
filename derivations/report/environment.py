"""Where a run took place: the machine and the versions, without anything that names a person or a folder."""

from __future__ import annotations

import os
import platform
import re
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_PACKAGES = (
    "sgd-theory",
    "sympy",
    "numpy",
    "scipy",
    "numba",
    "llvmlite",
    "xarray",
    "matplotlib",
    "scikit-learn",
    "numba-cuda",
)
_PLACE = re.compile(r"(?:[A-Za-z]:)?[\\/](?:[^\s\\/:()'\"]+[\\/])+(?=[^\s\\/:()'\"]+)")


def environment() -> dict[str, str]:
    """What a run was computed with, in the order in which to show it."""
    system = f"{platform.system()} {platform.release()}, {platform.machine()}"
    return {
        "written": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "processor": f"{_processor()}, {os.cpu_count()} cores",
        "system": system,
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
        **_versions(),
    }


def without_places(text: str) -> str:
    """A text with the file names alone of the paths that it holds.

    >>> without_places("cannot read /home/someone/models/mine.toml (/usr/lib/reader.py:12)")
    'cannot read mine.toml (reader.py:12)'
    """
    return _PLACE.sub("", text)


def _versions() -> dict[str, str]:
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
