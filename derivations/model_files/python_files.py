"""Python model files: programs that define `model`, `algorithm`, and what to measure on them."""

from __future__ import annotations

import ast
import difflib
import runpy
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any

from derivations.model_files.errors import ModelFileError, ModelFileRaised
from derivations.model_files.model_file import (
    ModelFile,
    Theory,
    checked_over,
    checked_replicas,
    checked_theory,
    checked_until,
    one_line,
    shown,
)

OPTIONAL = ("statistics", "at", "start", "until", "replicas", "theory", "point", "over")


def read_python(path: Path) -> ModelFile:
    """Return what a Python file states: it is run, and the names that it defines are checked."""
    return _checked(path, _names(path))


def outline_of_python(path: Path) -> tuple[str, str | None]:
    """The title and the theory of a Python file, read from its text without running it."""
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError) as error:
        raise _raised(path, error) from error
    theory = None
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and _assigns(node, "theory"):
            theory = str(node.value.value)
    return one_line(ast.get_docstring(tree)), theory


def _assigns(node: ast.Assign, name: str) -> bool:
    return any(isinstance(target, ast.Name) and target.id == name for target in node.targets)


def _names(path: Path) -> Mapping[str, Any]:
    try:
        return runpy.run_path(str(path))
    except (Exception, SystemExit) as error:
        raise _raised(path, error) from error


def _raised(path: Path, error: BaseException) -> ModelFileRaised:
    line = _line(path, error)
    where = f":{line}" if line else ""
    return ModelFileRaised(path, f"{path}{where}: {type(error).__name__}: {error}", line=line)


def _line(path: Path, error: BaseException) -> int | None:
    """The last line of the file that was running when the error was raised."""
    if isinstance(error, SyntaxError):
        return error.lineno
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    return lines[-1] if lines else None


def _checked(path: Path, names: Mapping[str, Any]) -> ModelFile:
    from theory import SGD, Model

    def refuse(name: str, problem: str) -> ModelFileError:
        return ModelFileError(path, f"{path}: {name} {problem}")

    stated = {name: names[name] for name in OPTIONAL if not isinstance(names.get(name), (ModuleType, type(None)))}
    theory = checked_theory(stated["theory"], refuse) if "theory" in stated else None
    mappings = {}
    for name in ("statistics", "at", "start", "point", "over"):
        value = stated.get(name, {})
        if name in ("point", "over") and theory is not Theory.STABILITY and not isinstance(value, Mapping):
            value = {}  # a name of the program's own
        if not isinstance(value, Mapping):
            raise refuse(name, f"must be a dictionary, got {shown(value)}")
        mappings[name] = MappingProxyType(dict(value))
    return ModelFile(
        name=path.stem,
        title=one_line(names.get("__doc__")),
        path=path,
        model=_required(path, names, "model", Model, "a theory.Model", refuse),
        algorithm=_required(path, names, "algorithm", SGD, "a theory.SGD", refuse),
        statistics=mappings["statistics"] or None,
        at=mappings["at"],
        start=mappings["start"],
        until=checked_until(stated["until"], refuse) if "until" in stated else None,
        replicas=checked_replicas(stated["replicas"], refuse) if "replicas" in stated else None,
        theory=theory,
        point=mappings["point"],
        over=checked_over(mappings["over"], refuse),
    )


def _required(
    path: Path,
    names: Mapping[str, Any],
    name: str,
    kind: type,
    expected: str,
    refuse: Callable[[str, str], ModelFileError],
) -> Any:
    if name not in names:
        close = difflib.get_close_matches(name, [other for other in names if not other.startswith("_")], n=1)
        guess = f" (it defines {close[0]}; did you mean that?)" if close else ""
        raise ModelFileError(
            path,
            f"{path} defines no {name}{guess}; a model file defines model and algorithm, and may define "
            f"{', '.join(OPTIONAL)}",
        )
    if not isinstance(names[name], kind):
        raise refuse(name, f"must be {expected}, got {shown(names[name])}")
    return names[name]
