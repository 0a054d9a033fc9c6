"""Model files: a Python file that states a model, an algorithm, and what to measure on them.

A file defines `model` and `algorithm`, and may define `statistics` (name -> expression), `at` (numbers for symbols),
`start`, `until`, `replicas` and `theory` ("scaling_limit" or "moments"); its docstring is its title. Shipped models lie
in `derivations/models` and are called by name. A model file is a program, and loading it runs it.

>>> from derivations.model_files import load_model
>>> load_model("least_squares").title
'Least squares in n dimensions with label noise: the closed limit of overlap and norm'
"""

from __future__ import annotations

import ast
import difflib
import runpy
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import TYPE_CHECKING, Any

from theory.errors import ModelError, TheoryError

if TYPE_CHECKING:
    from theory import SGD, Model

SHIPPED = Path(__file__).parent / "models"
"""The folder of the shipped models."""

_OPTIONAL = ("statistics", "at", "start", "until", "replicas", "theory")


class Theory(StrEnum):
    """The verb that derives equations from a model."""

    SCALING_LIMIT = "scaling_limit"
    MOMENTS = "moments"


class ModelFileError(ModelError):
    """A model file does not define what it should, or defines something else under that name.

    Attribute: `path`, the file.
    """

    def __init__(self, path: Path, message: str) -> None:
        self.path = path
        super().__init__(message)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.path, str(self))


class ModelFileRaised(ModelFileError):
    """A model file raised an error while it ran; the message names its line, `__cause__` is the error."""


class ModelNotFound(TheoryError, LookupError):
    """There is no shipped model and no file of that name."""


@dataclass(frozen=True)
class ModelFile:
    """What a model file states.

    `name`, the file's name without suffix; `title`, the first paragraph of its docstring; `path`. `statistics`,
    `until`, `replicas` and `theory` are None where the file does not state them, `at` and `start` are then empty.
    """

    name: str
    title: str
    path: Path
    model: Model
    algorithm: SGD
    statistics: Mapping[str, Any] | None = None
    at: Mapping[Any, Any] = field(default_factory=dict)
    start: Mapping[Any, Any] = field(default_factory=dict)
    until: float | None = None
    replicas: int | None = None
    theory: Theory | None = None


def load_model(name_or_path: str | Path) -> ModelFile:
    """Return what a model file states: `name_or_path` is a path, or the name of a shipped model.

    Raises `ModelNotFound` (with the nearest name), `ModelFileRaised` (with the line) if the file raises, and
    `ModelFileError` for a name that is missing or of a wrong type.

    >>> load_model("scalar_regression").theory
    <Theory.MOMENTS: 'moments'>
    """
    path = find_model(name_or_path)
    return _checked(path, _READERS[path.suffix](path))


def shipped_models() -> dict[str, Path]:
    """The shipped models: name -> file, by name; nothing is run.

    >>> "phase_retrieval" in shipped_models()
    True
    """
    return {path.stem: path for path in sorted(SHIPPED.glob("*.py")) if not path.stem.startswith("_")}


def outline(path: Path) -> tuple[str, str | None]:
    """The title and the theory of a Python model file, read from its text without running it."""
    tree = ast.parse(path.read_bytes())
    theory = None
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and _assigns(node, "theory"):
            theory = str(node.value.value)
    return _title(ast.get_docstring(tree)), theory


def _assigns(node: ast.Assign, name: str) -> bool:
    return any(isinstance(target, ast.Name) and target.id == name for target in node.targets)


def find_model(name_or_path: str | Path) -> Path:
    """The file of a shipped model or of a path.

    Raises `ModelNotFound` with the nearest name, `ModelFileError` for a suffix that is not read.
    """
    shipped = shipped_models()
    if str(name_or_path) in shipped:
        return shipped[str(name_or_path)]
    path = Path(name_or_path)
    if not path.is_file():
        close = difflib.get_close_matches(path.stem, list(shipped), n=1)
        guess = f"did you mean {close[0]}? " if close else ""
        what = "is a folder, not a model file" if path.is_dir() else "is neither a file nor a shipped model"
        raise ModelNotFound(f"{name_or_path} {what}; {guess}The shipped models are {', '.join(shipped)}")
    if path.suffix not in _READERS:
        raise ModelFileError(path, f"{path}: a model file ends in {', '.join(_READERS)}, not in {path.suffix!r}")
    return path


# ------------------------------------------------------------------------------------------------------ reading


def _read_python(path: Path) -> Mapping[str, Any]:
    """The names that a Python file defines."""
    try:
        return runpy.run_path(str(path))
    except (Exception, SystemExit) as error:
        where = _line(path, error)
        raise ModelFileRaised(path, f"{path}{f':{where}' if where else ''}: {type(error).__name__}: {error}") from error


def _line(path: Path, error: BaseException) -> int | None:
    """The last line of the file that was running when the error was raised."""
    if isinstance(error, SyntaxError):
        return error.lineno
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    return lines[-1] if lines else None


_READERS: Mapping[str, Callable[[Path], Mapping[str, Any]]] = MappingProxyType({".py": _read_python})
"""Suffix -> reader: a reader returns the names that the file defines, which `_checked` checks."""


# ----------------------------------------------------------------------------------------------------- checking


def _checked(path: Path, names: Mapping[str, Any]) -> ModelFile:
    from theory import SGD, Model

    stated = {name: names[name] for name in _OPTIONAL if not isinstance(names.get(name), (ModuleType, type(None)))}
    until = stated.get("until")
    if until is not None:
        until = float(_expect(path, "until", until, _is_positive, "a positive number, in units of the clock"))
    replicas = stated.get("replicas")
    if replicas is not None:
        _expect(path, "replicas", replicas, _is_count, "a whole number of at least 1")
    mappings = {}
    for name in ("statistics", "at", "start"):
        value = stated.get(name, {})
        _expect(path, name, value, lambda value: isinstance(value, Mapping), "a dictionary")
        mappings[name] = MappingProxyType(dict(value))
    return ModelFile(
        name=path.stem,
        title=_title(names.get("__doc__")),
        path=path,
        model=_required(path, names, "model", Model, "a theory.Model"),
        algorithm=_required(path, names, "algorithm", SGD, "a theory.SGD"),
        statistics=mappings["statistics"] or None,
        at=mappings["at"],
        start=mappings["start"],
        until=until,
        replicas=replicas,
        theory=_theory(path, stated.get("theory")),
    )


def _required(path: Path, names: Mapping[str, Any], name: str, kind: type, expected: str) -> Any:
    if name not in names:
        close = difflib.get_close_matches(name, [other for other in names if not other.startswith("_")], n=1)
        guess = f" (it defines {close[0]}; did you mean that?)" if close else ""
        raise ModelFileError(
            path,
            f"{path} defines no {name}{guess}; a model file defines model and algorithm, and may define "
            f"{', '.join(_OPTIONAL)}",
        )
    return _expect(path, name, names[name], lambda value: isinstance(value, kind), expected)


def _expect(path: Path, name: str, value: Any, condition: Callable[[Any], bool], expected: str) -> Any:
    if not condition(value):
        raise ModelFileError(path, f"{path}: {name} must be {expected}, got {value!r} of type {type(value).__name__}")
    return value


def _is_positive(value: Any) -> bool:
    try:
        return not isinstance(value, (bool, str)) and 0 < float(value) < float("inf")
    except (TypeError, ValueError):
        return False


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _theory(path: Path, value: Any) -> Theory | None:
    if value is None:
        return None
    choices = ", ".join(repr(str(member)) for member in Theory)
    _expect(path, "theory", value, lambda value: value in list(Theory), f"one of {choices}")
    return Theory(value)


def _title(docstring: Any) -> str:
    """The first paragraph of a docstring on one line, without its full stop."""
    first = str(docstring or "").strip().split("\n\n")[0]
    return " ".join(first.split()).removesuffix(".")
