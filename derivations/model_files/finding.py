"""Where model files lie, and which reader takes which: `load_model`, `find_model`, `shipped_models`, `outline`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from derivations.model_files.errors import ModelFileError, ModelNotFound
from derivations.model_files.model_file import ModelFile
from derivations.model_files.nearest import closest

SHIPPED = Path(__file__).parent.parent / "models"
"""The folder of the shipped models."""

SUFFIXES = (".toml", ".py")


def load_model(name_or_path: str | Path) -> ModelFile:
    """Return what a model file states: `name_or_path` is a path, or the name of a shipped model.

    Raises `ModelNotFound` (with the nearest name), `ModelFileError` for a statement that cannot be accepted (with its line
    and column in a TOML file), and `ModelFileRaised` (with the line) if a Python file raises.

    >>> load_model("scalar_regression").theory
    <Theory.MOMENTS: 'moments'>
    """
    path = find_model(name_or_path)
    return _reader(path)(path)


def shipped_models() -> dict[str, Path]:
    """The shipped models: name -> file, by name; nothing is read.

    >>> "phase_retrieval" in shipped_models()
    True
    """
    files = (path for path in SHIPPED.iterdir() if path.suffix in SUFFIXES and not path.stem.startswith("_"))
    return {path.stem: path for path in sorted(files)}


def outline(path: Path) -> tuple[str, str | None]:
    """The title and the theory of a model file, read from its text without building or running anything.

    >>> outline(find_model("scalar_regression"))[1]
    'moments'
    """
    if path.suffix == ".py":
        from derivations.model_files.python_files import outline_of_python

        return outline_of_python(path)
    from derivations.model_files.document import read_document
    from derivations.model_files.toml_files import outline_of_document

    return outline_of_document(read_document(path))


def find_model(name_or_path: str | Path) -> Path:
    """The file of a shipped model or of a path; a path without a suffix stands for the file with one, .toml first.

    Raises `ModelNotFound` with the nearest name, `ModelFileError` for a suffix that is not read.
    """
    shipped = shipped_models()
    if str(name_or_path) in shipped:
        return shipped[str(name_or_path)]
    path = Path(name_or_path)
    if not _is_file(path) and path.name and not path.suffix:
        path = next((full for suffix in SUFFIXES if _is_file(full := path.with_suffix(suffix))), path)
    if not _is_file(path):
        close = closest(path.stem[:60], shipped)
        guess = f"did you mean {close}? The" if close else "the"
        what = "is a folder, not a model file" if _is_folder(path) else "is neither a file nor a shipped model"
        raise ModelNotFound(f"{name_or_path} {what}; {guess} shipped models are {', '.join(shipped)}")
    if path.suffix not in SUFFIXES:
        raise ModelFileError(path, f"{path}: a model file ends in {' or '.join(SUFFIXES)}, not in {path.suffix!r}")
    return path


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that no file can have: too long, or with a null character
        return False


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def _reader(path: Path) -> Callable[[Path], ModelFile]:
    if path.suffix == ".py":
        from derivations.model_files.python_files import read_python

        return read_python
    from derivations.model_files.toml_files import read_toml

    return read_toml
