"""What this machine offers: packages, targets, the cache, the terminal, as plain data."""

from __future__ import annotations

import os
import platform
import re
import sys
from importlib.metadata import PackageNotFoundError, requires, version
from typing import Any

from theory import __version__

_REQUIREMENT = re.compile(r"(?P<name>[A-Za-z0-9._-]+)(\[[^]]*\])?[^;]*(;.*extra\s*==\s*[\"'](?P<extra>[\w-]+)[\"'])?")


def examine() -> dict[str, Any]:
    """Everything that `sgd-theory doctor` reports; targets are tried, not only looked up."""
    packages, extras = _packages()
    return {
        "version": __version__,
        "system": _system(),
        "packages": packages,
        "extras": extras,
        "targets": _targets(),
        "cache": _cache(),
        "terminal": _terminal(),
    }


def _system() -> dict[str, Any]:
    from derivations.benchmarks.table import processor

    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": processor(),
        "cores": os.cpu_count(),
        "usable_cores": usable,
    }


def _packages() -> tuple[list[dict[str, Any]], dict[str, dict[str, Any]]]:
    """The required packages and those of the extras, as the installed distribution states them."""
    packages: list[dict[str, Any]] = []
    extras: dict[str, dict[str, Any]] = {}
    try:
        stated = requires("sgd-theory") or []
    except PackageNotFoundError:
        stated = []
    for line in stated:
        match = _REQUIREMENT.match(line)
        if match is None:
            continue
        name, extra = match["name"], match["extra"]
        found = _version(name)
        if extra is None:
            packages.append({"name": name, "version": found})
            continue
        install = f"python -m pip install 'sgd-theory[{extra}]'"
        part = extras.setdefault(extra, {"installed": [], "missing": [], "install": install})
        part["missing" if found is None else "installed"].append(name if found is None else f"{name} {found}")
    return packages, extras


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _targets() -> dict[str, dict[str, Any]]:
    from numerics.targets import Target, backend

    found = {}
    for target in Target:
        checks = backend(target).checks()
        found[str(target)] = {
            "works": all(check.works is not False for check in checks) and any(check.works for check in checks),
            "checks": [
                {"name": check.name, "works": check.works, "detail": check.detail, "remedy": check.remedy}
                for check in checks
            ],
        }
    return found


def _cache() -> dict[str, Any]:
    from numerics.cache import cache_content, why_not_writable

    content = cache_content()
    problem = why_not_writable(content.folder)
    return {
        "folder": content.folder,
        "kernels": content.kernels,
        "size": content.size,
        "writable": problem is None,
        "problem": problem,
    }


def _terminal() -> dict[str, Any]:
    from derivations import display

    return {
        "is_terminal": sys.stdout.isatty(),
        "encoding": sys.stdout.encoding,
        "columns": display.columns(),
        "locale": os.environ.get("LC_ALL") or os.environ.get("LC_CTYPE") or os.environ.get("LANG") or None,
    }
