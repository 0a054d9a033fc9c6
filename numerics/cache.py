"""The disk cache of generated sources and their machine code: where it is, what it holds, how damage is mended.

Entries are named by the SHA-256 of what they depend on, so they never go stale; they may only be damaged, and then they
are rebuilt. Where the user's cache folder cannot be written, a temporary folder serves for the life of the process, with
one warning that says so.
"""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from theory.errors import TheoryError

_PAGE = 4096


def home_folder() -> Path:
    """Where the cache belongs: `$XDG_CACHE_HOME` or `~/.cache`, then `sgd-theory/kernels`. It need not exist."""
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "sgd-theory" / "kernels"


def cache_folder() -> Path:
    """The folder of generated sources and their machine code; a temporary one where the user's cannot be written."""
    return _writable(home_folder())


@functools.cache
def _writable(folder: Path) -> Path:
    try:
        _try_to_write(folder)
    except OSError as error:
        temporary = _temporary_folder()
        warnings.warn(
            f"the kernel cache {folder} cannot be written ({error}); kernels are compiled into {temporary} and lost when "
            f"this process ends. Set XDG_CACHE_HOME to a folder you can write.",
            RuntimeWarning,
            stacklevel=2,
        )
        return temporary
    return folder


def _try_to_write(folder: Path) -> None:
    """Make the folder and a file of one page in it and in the one that numba writes to; raises what goes wrong."""
    (folder / "__pycache__").mkdir(parents=True, exist_ok=True, mode=0o700)
    for place in (folder, folder / "__pycache__"):
        with tempfile.TemporaryFile(dir=place) as file:
            file.write(b"\0" * _PAGE)  # a full disk lets an empty file be made


def why_not_writable(folder: Path) -> str | None:
    """Why a cache in `folder` cannot be written; None if it can. What is missing of the folder is made."""
    try:
        _try_to_write(folder)
    except OSError as error:
        return f"it cannot be written ({error}); set XDG_CACHE_HOME to a folder you can write"
    return None


@functools.cache
def _temporary_folder() -> Path:
    try:
        folder = Path(tempfile.mkdtemp(prefix="sgd-theory-"))
    except OSError as error:
        raise NoCache(
            f"generated code must lie in a file to be compiled, and neither the kernel cache {home_folder()} nor a temporary "
            f"folder can be written ({error}); set XDG_CACHE_HOME or TMPDIR to a folder you can write"
        ) from error
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


class NoCache(TheoryError, OSError):
    """There is no place for generated code."""

    def __str__(self) -> str:
        return str(self.args[0])


def keep(content: bytes, name: str) -> Path:
    """Return the file of the cache that holds `content` under `name`; a temporary one where the disk has become full.

    Raises `NoCache` where that cannot be written either.
    """
    path = cache_folder() / name
    try:
        place(content, path)
    except OSError as error:
        path = _temporary_folder() / name
        warnings.warn(
            f"the kernel cache {home_folder()} cannot be written any more ({error}); {name[:12]}... goes into {path.parent} and is "
            f"lost when this process ends. Free some space, or set XDG_CACHE_HOME to another disk.",
            RuntimeWarning,
            stacklevel=2,
        )
        try:
            place(content, path)
        except OSError as second:
            raise NoCache(
                f"generated code must lie in a file to be compiled, and neither the kernel cache {home_folder()} ({error}) nor "
                f"the temporary folder {path.parent} ({second}) can be written; free some space, or set XDG_CACHE_HOME and "
                f"TMPDIR to another disk"
            ) from second
    return path


def place(content: bytes, path: Path) -> None:
    """Make `path` hold exactly `content`, atomically; a file that differs is replaced."""
    try:
        if path.read_bytes() == content:
            return
    except OSError:
        pass
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


@dataclass(frozen=True)
class CacheContent:
    """What the cache holds: its `folder`, the number of `kernels`, of all `files`, and their `size` in bytes."""

    folder: Path
    kernels: int
    files: int
    size: int


def cache_content() -> CacheContent:
    """Return what the user's cache folder holds; nothing is created."""
    folder = home_folder()
    files = [path for path in folder.rglob("*") if path.is_file()] if folder.is_dir() else []
    kernels = sum(path.name.startswith("k_") and path.suffix == ".py" for path in files)
    size = 0
    for path in files:
        try:
            size += path.stat().st_size
        except OSError:  # another process has just removed it
            continue
    return CacheContent(folder, kernels, len(files), size)


def clear_cache() -> CacheContent:
    """Delete every cached kernel and return what there was; running processes keep what they have loaded.

    Only files that this project wrote are removed. Raises `OSError` where the folder cannot be changed.
    """
    content = cache_content()
    if content.folder.is_dir():
        for path in sorted(content.folder.rglob("*")):
            if path.is_file() and path.name.startswith("k_"):
                path.unlink(missing_ok=True)
    return content


# ---------------------------------------------------------------------------------------- damaged machine-code caches


def guarded(function: Any) -> Any:
    """Return `function`; if numba compiles it, a damaged entry of its disk cache is from now on rebuilt.

    By itself numba raises `UnpicklingError` or `EOFError` from the call if a file of its cache is truncated.
    """
    cache: Any = getattr(function, "_cache", None)
    if not hasattr(function, "py_func") or not hasattr(cache, "flush") or hasattr(cache, "guarded"):
        return function
    from numba.core.sigutils import normalize_signature  # here: the command line looks at the cache without numba

    normalise: Any = normalize_signature
    load, save = cache.load_overload, cache.save_overload

    def load_overload(signature: Any, target: Any) -> Any:
        try:
            result = load(signature, target)
        except Exception:  # whatever unpickling of arbitrary bytes may raise
            _empty(cache)
            return None
        # two processes that compile different signatures at once can leave an index that names the other's code
        wanted = tuple(normalise(signature)[0])
        found = getattr(getattr(result, "signature", None), "args", None)  # a CUDA kernel's entry carries none
        if found is not None and tuple(found) != wanted:
            _empty(cache)
            return None
        return result

    def save_overload(signature: Any, result: Any) -> None:
        try:
            save(signature, result)
        except OSError as error:  # a full disk: the function is compiled all the same
            message = f"machine code could not be cached in {cache.cache_path}: {error}"
            warnings.warn(message, RuntimeWarning, stacklevel=2)

    cache.load_overload, cache.save_overload, cache.guarded = load_overload, save_overload, True
    return function


def _empty(cache: Any) -> None:
    """Forget what is cached of one function, so that it is rebuilt."""
    try:
        cache.flush()
    except OSError:
        cache.disable()
