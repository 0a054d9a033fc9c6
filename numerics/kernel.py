"""`Kernel`: a generated program as readable text, compiled when first used and cached on disk by its content.

The text is written to `k_<sha256>.py` in the user's cache folder (`$XDG_CACHE_HOME` or `~/.cache`, then
`sgd-theory/kernels`) and loaded from there, since numba caches machine code only for functions of a real file; a
second process then loads machine code instead of compiling. The hash covers the text and the modules of this package
that it imports, whose machine code is linked into the kernel's. A damaged cache entry is never an error: it is
replaced. Where the folder cannot be written, a temporary folder serves for the life of the process.
"""

from __future__ import annotations

import ast
import atexit
import functools
import hashlib
import importlib.util
import os
import shutil
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from theory.errors import InvalidRequest
from theory.identity import Identified

_LOCK = threading.RLock()
_PACKAGE = __name__.partition(".")[0]


class Kernel(Identified):
    """A generated program: its source text, and one function of it, compiled on first use.

    Parameters (keyword-only): `source`, the text of a Python module that needs nothing but what it imports; `entry`,
    the name of the function in it that a call runs. Kernels are immutable and equal if source and entry are.
    Raises `InvalidRequest` if the text is no Python, or defines no such function.

    >>> from numerics.printer import module_source, scalar_function
    >>> import sympy
    >>> x = sympy.Symbol("x", real=True)
    >>> square = Kernel(source=module_source([scalar_function("square", [x], [x**2])]), entry="square")
    >>> square(3.0)
    (9.0,)
    """

    _source: str
    _entry: str
    _function: Callable[..., Any] | None

    def __init__(self, *, source: str, entry: str) -> None:
        try:
            tree = ast.parse(source)
        except SyntaxError as error:
            raise InvalidRequest(f"the source of kernel {entry!r} is no Python: {error}") from error
        defined = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
        if entry not in defined:
            raise InvalidRequest(
                f"the source of the kernel defines no function {entry!r}; it defines {', '.join(defined) or 'none'}"
            )
        object.__setattr__(self, "_source", source)
        object.__setattr__(self, "_entry", entry)
        object.__setattr__(self, "_function", None)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"a Kernel is immutable: cannot set {name!r}")

    def __reduce__(self) -> tuple[Any, ...]:
        return _kernel, (self.source, self.entry)

    @property
    def source(self) -> str:
        """The text of the generated module."""
        return self._source

    @property
    def entry(self) -> str:
        """The name of the function that a call runs."""
        return self._entry

    def content(self) -> tuple[str, str]:
        """Source and entry: what identifies the kernel."""
        return self.source, self.entry

    @property
    def module(self) -> ModuleType:
        """The loaded module, for the other functions of the source."""
        return load_source(self.source)

    @property
    def function(self) -> Callable[..., Any]:
        """The compiled function; other compiled code may call it too."""
        function = self._function
        if function is None:
            function = getattr(self.module, self.entry)
            object.__setattr__(self, "_function", function)
        return function

    def __call__(self, *arguments: Any) -> Any:
        return self.function(*arguments)

    def __repr__(self) -> str:
        return f"<Kernel {self.entry}, {self.source.count(chr(10))} lines, {self.content_hash[:12]}>"


def _kernel(source: str, entry: str) -> Kernel:
    return Kernel(source=source, entry=entry)


def cache_folder() -> Path:
    """The folder of generated sources and their machine code; a temporary one where the user's cannot be written."""
    home = os.environ.get("XDG_CACHE_HOME")
    return _writable(Path(home) if home else Path.home() / ".cache")


@functools.cache
def _writable(home: Path) -> Path:
    folder = home / "sgd-theory" / "kernels"
    try:
        (folder / "__pycache__").mkdir(parents=True, exist_ok=True, mode=0o700)
        for place in (folder, folder / "__pycache__"):  # numba writes its files into the second
            tempfile.TemporaryFile(dir=place).close()
    except OSError as error:
        folder = _temporary_folder()
        warnings.warn(
            f"the kernel cache {home / 'sgd-theory' / 'kernels'} cannot be written ({error}); kernels are compiled "
            f"into {folder} and lost when this process ends. Set XDG_CACHE_HOME to a folder you can write.",
            RuntimeWarning,
            stacklevel=2,
        )
    return folder


@functools.cache
def _temporary_folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="sgd-theory-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def load_source(source: str) -> ModuleType:
    """Return the module of a generated source text, loaded once per process through the cache folder."""
    with _LOCK:
        name = f"k_{_cache_key(source)}"
        if name in sys.modules:
            return sys.modules[name]
        path = cache_folder() / f"{name}.py"
        _place(source, path)
        specification = importlib.util.spec_from_file_location(name, path)
        if specification is None:
            raise ImportError(f"no loader for {path}")  # cannot happen: a path that ends in .py has one
        module = importlib.util.module_from_spec(specification)
        sys.modules[name] = module  # before the code runs: numba looks the module up by its name
        try:
            # the text at hand is what runs: a .pyc of Python's own could be damaged in its turn
            exec(compile(source, str(path), "exec"), module.__dict__)
        except BaseException:
            del sys.modules[name]
            raise
        for value in list(vars(module).values()):
            guarded(value)
        return module


def _place(source: str, path: Path) -> None:
    """Make `path` hold exactly `source`, atomically; a file that differs is replaced."""
    content = source.encode()
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


def _cache_key(source: str) -> str:
    """SHA-256 of the text and of every module of this package that it imports, directly or not."""
    digest = hashlib.sha256(source.encode())
    for name in sorted(_imported(source)):
        digest.update(name.encode() + _module_text(name).encode())
    return digest.hexdigest()


def _imported(source: str) -> set[str]:
    """The modules of this package that `source` imports, and those that these import."""
    found: set[str] = set()
    pending = [source]
    while pending:
        for node in ast.walk(ast.parse(pending.pop())):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            else:
                continue
            for name in names:
                if name.startswith(f"{_PACKAGE}.") and name not in found and (text := _module_text(name)):
                    found.add(name)
                    pending.append(text)
    return found


@functools.cache
def _module_text(name: str) -> str:
    """The text of a module; empty if there is none of that name."""
    try:
        specification = importlib.util.find_spec(name)
    except ModuleNotFoundError:  # a name inside a module, not a module
        return ""
    if specification is None or specification.origin is None:
        return ""
    return Path(specification.origin).read_text(encoding="utf-8")


# ---------------------------------------------------------------------------------------- damaged machine-code caches


def guarded(function: Any) -> Any:
    """Return `function`; if numba compiles it, a damaged entry of its disk cache is from now on rebuilt.

    By itself numba raises `UnpicklingError` or `EOFError` from the call if a file of its cache is truncated.
    """
    cache: Any = getattr(function, "_cache", None)
    if not hasattr(function, "py_func") or not hasattr(cache, "flush") or hasattr(cache, "guarded"):
        return function
    load, save = cache.load_overload, cache.save_overload

    def load_overload(signature: Any, target: Any) -> Any:
        try:
            result = load(signature, target)
        except Exception:  # whatever unpickling of arbitrary bytes may raise
            _empty(cache)
            return None
        # two processes that compile different signatures at once can leave an index that names the other's code
        wanted = getattr(signature, "args", signature)
        if result is not None and tuple(result.signature.args) != tuple(wanted):
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
