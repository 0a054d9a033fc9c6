"""The errors of model files: each names the file and, where it is known, the line and the column."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from theory.errors import ModelError, TheoryError


class ModelFileError(ModelError):
    """A model file does not state what it should, or states something else under that name.

    Attributes: `path`, the file; `line` and `column`, counted from 1, or None where the whole file is meant.
    """

    def __init__(self, path: Path, message: str, *, line: int | None = None, column: int | None = None) -> None:
        self.path, self.line, self.column = path, line, column
        super().__init__(message)

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuilt, (type(self), self.path, str(self), self.line, self.column)


class ModelFileRaised(ModelFileError):
    """A Python model file raised an error while it ran; the message names its line, `__cause__` is the error."""


class ModelNotFound(TheoryError, LookupError):
    """There is no shipped model and no file of that name."""


class NotWritable(ModelError):
    """A model holds something that the text of a model file cannot say."""


def _rebuilt(kind: type[ModelFileError], path: Path, text: str, line: int | None, column: int | None) -> ModelFileError:
    return kind(path, text, line=line, column=column)
