"""How the figures look: a table for a terminal, plain data for JSON, with the machine and the versions they belong to."""

from __future__ import annotations

import dataclasses
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from derivations import display
from derivations.benchmarks.timing import Plan, Row

PEERS = ("jax", "numba-cuda")
"""Packages whose versions matter beside those of every result."""


def machine() -> dict[str, Any]:
    """The processor, its number of cores and their load, the system, and the versions of what computes."""
    from numerics.results import versions

    found = [versions()]
    for package in PEERS:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "load": load,
        "system": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "versions": ", ".join(found),
    }


def processor() -> str:
    """The name of the processor."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def heading(found: Mapping[str, Any], plan: Plan) -> str:
    """The lines above the table."""
    load = "" if found["load"] is None else f", load {found['load']:.1f}"
    return "\n".join(
        [
            f"{found['processor']}, {found['cores']} cores{load}; {found['system']}",
            found["versions"],
            f"medians of {plan.repeats} rounds in which the sides take turns; processor time for one thread, elapsed time "
            f"for several; sizes: {plan.size}",
        ]
    )


COLUMNS = (
    display.Column("", text=True),
    display.Column("name", text=True),
    display.Column("what", text=True),
    display.Column("ours"),
    display.Column("spread"),
    display.Column("peer"),
    display.Column("against", text=True),
    display.Column("ratio"),
    display.Column("required", text=True),
    display.Column("first call"),
)


def table(rows: Iterable[Row]) -> display.Sheet:
    """One line for each row: a tick where the requirement is satisfied, a cross where it is not, a dash where there is none."""
    return display.Sheet.of(COLUMNS, map(_cells, rows), keys=2)


def _cells(row: Row) -> tuple[str, ...]:
    required = "" if row.required is None else str(row.required)
    if row.not_run is not None:
        what = f"{row.what}: not run: {row.not_run}"
        return display.mark(None), row.name, what, "", "", "", row.peer_name, "", required, ""
    return (
        display.mark(row.met),
        row.name,
        f"{row.what} ({_setting(row)})",
        f"{_number(row.ours)} {row.unit}".strip(),
        "" if row.spread is None else f"{100 * row.spread:.0f} %",
        "" if row.peer is None else f"{_number(row.peer)} {row.unit}",
        row.peer_name,
        _number(row.ratio),
        required,
        "" if row.compile_seconds is None else f"{row.compile_seconds:.2f} s",
    )


def notes(rows: Iterable[Row]) -> list[str]:
    """What is worth a word besides: one line for each row that has it."""
    return [f"{row.name}: {row.note}" for row in rows if row.note]


def summary(rows: Sequence[Row]) -> str:
    """The last line."""
    held = [row for row in rows if row.met is not None]
    missed = [row.name for row in held if not row.met]
    absent = sum(row.not_run is not None for row in rows)
    text = f"{len(rows)} rows: {len(held) - len(missed)} of {len(held)} requirements satisfied, {absent} not run"
    return f"{text}; missed: {', '.join(missed)}" if missed else text


def payload(rows: Iterable[Row], plan: Plan, found: Mapping[str, Any]) -> dict[str, Any]:
    """The figures as plain data."""
    return {"machine": found, "repeats": plan.repeats, "size": plan.size, "rows": [_row_payload(row) for row in rows]}


def _row_payload(row: Row) -> dict[str, Any]:
    required = row.required
    return {
        "name": row.name,
        "what": row.what,
        "ours": row.ours,
        "peer_name": row.peer_name or None,
        "peer": row.peer,
        "unit": row.unit or None,
        "ratio": row.ratio,
        "required": None if required is None else dataclasses.asdict(required),
        "met": row.met,
        "sizes": dict(row.setting.sizes),
        "precision": row.setting.precision or None,
        "threads": row.setting.threads,
        "repeats": row.repeats,
        "spread": row.spread,
        "compile_seconds": row.compile_seconds,
        "note": row.note or None,
        "not_run": row.not_run,
    }


def _setting(row: Row) -> str:
    parts = [f"{name} {size:,.6g}" for name, size in row.setting.sizes.items()]
    parts += [row.setting.precision] if row.setting.precision else []
    parts += [f"{row.setting.threads} threads"] if row.setting.threads > 1 else []
    return ", ".join(parts)


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
