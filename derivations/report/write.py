"""Writing the report."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from theory.errors import TheoryError

if TYPE_CHECKING:
    from derivations.validate import Report


class ReportNotWritten(TheoryError, OSError):
    """The file of a report cannot be written."""


def write_report(report: Report, path: Path | str) -> Path:
    """Write the report of a run as one HTML file and return its path; missing folders are made.

    The file is self-contained: no script, no font, no image and no style is loaded from anywhere. An earlier file of that
    name is replaced when the new one is complete, so that there is never half a report.
    Raises `ReportNotWritten`, which names the folder, where it cannot be written.
    """
    target = Path(path)
    _refuse_unwritable(target)
    from derivations.report.page import page

    text = page(report)
    beside = target.with_name(f".{target.name}.part")
    try:
        beside.write_text(text, encoding="utf-8")
        beside.replace(target)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise _not_written(target, error) from error
    return target


def _refuse_unwritable(target: Path) -> None:
    """Raise before the figures are drawn, which takes a while."""
    if target.is_dir():
        raise ReportNotWritten(
            f"the report cannot be written to {target}, which is a folder; name a file, as in {target}/report.html"
        )
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _not_written(target, error) from error
    if not os.access(target.parent, os.W_OK):
        raise ReportNotWritten(
            f"the report {target.name} cannot be written into the folder {target.parent}: no permission"
        )


def _not_written(target: Path, error: OSError) -> ReportNotWritten:
    reason = error.strerror or str(error)
    return ReportNotWritten(f"the report {target.name} cannot be written into the folder {target.parent}: {reason}")
