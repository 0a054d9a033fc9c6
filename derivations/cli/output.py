"""Files that a command writes: refused at the door where they cannot be, and never half written."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from theory.errors import InvalidRequest, TheoryError

if TYPE_CHECKING:
    import xarray as xr

Writer = Callable[[Path], None]


class CannotWrite(TheoryError, OSError):
    """A file cannot be written where it was asked for."""

    def __str__(self) -> str:
        return str(self.args[0])


def check_output(path: Path | None, suffixes: Iterable[str], option: str = "-o") -> None:
    """Raise before any work is done where `path` has a suffix that is not written, or lies where nothing can be.

    Raises `InvalidRequest` for the suffix, `CannotWrite` for a folder that is not there, is no folder, or cannot be written.
    """
    if path is None:
        return
    known = list(suffixes)
    if known and path.suffix.lower() not in known and not _is_device(path):
        raise InvalidRequest(f"{option} {path}: the suffix says what is written; write {', '.join(known)}")
    if path.is_dir():
        raise CannotWrite(f"{option} {path} is a folder; give the name of a file in it")
    folder = path.parent
    if not folder.exists():
        raise CannotWrite(f"{option} {path}: No such file or folder: {folder}; make it, or write to another place")
    if not folder.is_dir():
        raise CannotWrite(f"{option} {path}: {folder} is no folder; write to another place")
    if not os.access(path if path.exists() else folder, os.W_OK):
        raise CannotWrite(f"{option} {path} cannot be written (no permission); write to another place")


def _is_device(path: Path) -> bool:
    return path.exists() and not path.is_file() and not path.is_dir()


@contextmanager
def written(path: Path) -> Iterator[Path]:
    """A file to write in the place of `path`: it takes its name only when all of it is there.

    What is at `path` stays as it is if writing fails or is interrupted. Raises `CannotWrite` for errors of the system.
    """
    if _is_device(path):
        with _named(path):
            yield path
        return
    goal = path.resolve()  # a link stays a link
    partial = goal.with_name(f".{os.getpid()}-{goal.name}")  # the suffix decides the format
    try:
        with _named(path):
            yield partial
            os.replace(partial, goal)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Errors of the system say which file the user asked for, not which one stood in for it."""
    from derivations.cli.application import explain_system_error

    try:
        yield
    except CannotWrite:
        raise
    except OSError as error:
        raise CannotWrite(
            explain_system_error(OSError(error.errno or 0, error.strerror or str(error), str(path)))
        ) from error


def write_text(path: Path, text: str) -> None:
    """Write a text, whole or not at all."""
    with written(path) as partial:
        partial.write_text(text, encoding="utf-8")


# ------------------------------------------------------------------------------------------------------------ datasets

DATA_SUFFIXES = (".csv", ".json", ".nc")
"""What `write_data` can write: a table, the payload of `--json`, or the whole dataset as netCDF."""


def write_data(path: Path, *, table: Iterable[Iterable[Any]], payload: dict[str, Any], dataset: xr.Dataset) -> None:
    """Write a result in the format of the suffix of `path`; the first row of `table` names its columns."""
    from derivations import display

    with written(path) as partial:
        suffix = path.suffix.lower()
        if suffix == ".csv":
            _write_csv(partial, table)
        elif suffix == ".nc":
            _write_netcdf(partial, dataset)
        else:
            partial.write_text(display.text_of_json(payload) + "\n", encoding="utf-8")


def _write_csv(path: Path, table: Iterable[Iterable[Any]]) -> None:
    import csv

    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([_cell(value) for value in row] for row in table)


def _cell(value: Any) -> Any:
    """A value of a table: numbers in full, nothing for NaN."""
    number = value.item() if hasattr(value, "item") else value
    return "" if isinstance(number, float) and number != number else number


def _write_netcdf(path: Path, dataset: xr.Dataset) -> None:
    """Classic netCDF by SciPy, which knows no 64-bit integers, no truth values and no attributes but text and numbers."""
    import numpy as np

    kept = dataset.copy()
    kept = kept.rename({name: str(name).replace("/", " over ") for name in kept.variables if "/" in str(name)})
    for name, variable in kept.variables.items():
        if variable.dtype.kind in "biu":
            small = np.abs(variable.values.astype(float)).max(initial=0) < 2**31
            kept[name] = variable.astype(np.int32 if small else float)
        kept[name].attrs = _attributes(variable.attrs)
    kept.attrs = _attributes(dataset.attrs)
    kept.to_netcdf(path, engine="scipy")


def _attributes(attributes: Any) -> dict[str, Any]:
    """Attributes that classic netCDF can hold; others as text."""
    return {
        str(key): value if isinstance(value, (str, float)) or _fits(value) else str(value)
        for key, value in attributes.items()
        if value is not None
    }


def _fits(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**31
