r"""`Kernel`: a generated program as readable text, compiled when first used and cached on disk by its content.

The text is written to `k_<sha256>.py` in the cache folder (see `numerics.cache`) and loaded from there, since numba caches
machine code only for functions of a real file; a second process then loads machine code instead of compiling. The hash
covers the text and the modules of this package that it imports, whose machine code is linked into the kernel's.

A kernel says for which target it was written. Everything that depends on it (how a program is launched, what assembly
it becomes) is asked of that target's module in `numerics.targets`.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.util
import sys
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from numerics.cache import guarded, keep
from numerics.precision import Precision
from numerics.targets import Resources, Target, backend
from theory.errors import InvalidRequest
from theory.identity import Identified

_LOCK = threading.RLock()
_PACKAGE = __name__.partition(".")[0]


@dataclass(frozen=True)
class Argument:
    """One argument of a program: `kind` is "real" (the kernel's precision), "int64", "uint64" or "bool_".

    `dimensions` is 0 for a number; `written` marks arrays that the program fills, which come back from a device.
    """

    name: str
    kind: str = "real"
    dimensions: int = 0
    written: bool = False

    def content(self) -> tuple[Any, ...]:
        """What identifies the argument."""
        return self.name, self.kind, self.dimensions, self.written

    def type_name(self, precision: Precision) -> str:
        """The name of the NumPy type of its numbers."""
        return str(precision) if self.kind == "real" else self.kind

    def signature(self, precision: Precision) -> str:
        """The type in numba's notation."""
        name = self.type_name(precision)
        return f"{name}[{', '.join([':'] * (self.dimensions - 1) + ['::1'])}]" if self.dimensions else name

    def prepared(self, value: Any, precision: Precision) -> Any:
        """`value` in exactly the declared type; an array that is written must have it already."""
        dtype = np.dtype(self.type_name(precision))
        if not self.dimensions:
            return dtype.type(value)
        with np.errstate(
            over="ignore"
        ):  # what single precision cannot hold becomes infinite, and divergence is recorded
            array = np.ascontiguousarray(value, dtype=dtype)
        if array.ndim != self.dimensions or (self.written and array is not value):
            raise InvalidRequest(
                f"argument {self.name} of a kernel must be a contiguous {dtype} array of {self.dimensions} dimensions, got "
                f"{getattr(value, 'dtype', type(value).__name__)} of {np.ndim(value)}"
            )
        return array


class Kernel(Identified):
    """A generated program: its source text, and one function of it, compiled on first use.

    Parameters (keyword-only)
    -------------------------
    source : the text of a Python module that needs nothing but what it imports.
    entry : the name of the function in it that a call runs.
    target : where it runs.
    arguments : what the entry takes after `first, last`, for programs over independent trajectories (see `run`).
    precision : the format of its real numbers.
    threads_per_block, block_per_trajectory : on a device, the size of a block, and whether a whole block works on one
        trajectory.

    Kernels are immutable, and equal if all of this is. Raises `InvalidRequest` if the text is no Python, or defines no
    such function.

    >>> from numerics.printer import module_source, scalar_function
    >>> import sympy
    >>> x = sympy.Symbol("x", real=True)
    >>> square = Kernel(source=module_source([scalar_function("square", [x], [x**2])]), entry="square")
    >>> square(3.0)
    (9.0,)
    """

    source: str
    entry: str
    target: Target
    arguments: tuple[Argument, ...]
    precision: Precision
    threads_per_block: int
    block_per_trajectory: bool

    def __init__(
        self,
        *,
        source: str,
        entry: str,
        target: Target = Target.CPU,
        arguments: Iterable[Argument] = (),
        precision: Precision = Precision.FLOAT64,
        threads_per_block: int = 128,
        block_per_trajectory: bool = False,
    ) -> None:
        try:
            tree = _tree(source)
        except SyntaxError as error:
            raise InvalidRequest(f"the source of kernel {entry!r} is no Python: {error}") from error
        defined = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
        if entry not in defined:
            raise InvalidRequest(
                f"the source of the kernel defines no function {entry!r}; it defines {', '.join(defined) or 'none'}"
            )
        self.__dict__.update(
            source=source,
            entry=entry,
            target=Target(target),
            arguments=tuple(arguments),
            precision=Precision(precision),
            threads_per_block=threads_per_block,
            block_per_trajectory=block_per_trajectory,
        )

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"a Kernel is immutable: cannot set {name!r}")

    def __reduce__(self) -> tuple[Any, ...]:
        return _kernel, (self._statement(),)

    def _statement(self) -> dict[str, Any]:
        names = (
            "source",
            "entry",
            "target",
            "arguments",
            "precision",
            "threads_per_block",
            "block_per_trajectory",
        )
        return {name: self.__dict__[name] for name in names}

    def content(self) -> tuple[Any, ...]:
        """What identifies the kernel."""
        return tuple(self._statement().values())

    @property
    def module(self) -> ModuleType:
        """The loaded module, for the other functions of the source."""
        return load_source(self.source)

    @functools.cached_property
    def function(self) -> Callable[..., Any]:
        """The compiled function; on the CPU other compiled code may call it too."""
        backend(self.target).require()
        function: Callable[..., Any] = getattr(self.module, self.entry)
        return function

    def __call__(self, *arguments: Any) -> Any:
        """Call the function itself with `arguments` as they are (a program on the CPU; see `run` for every target)."""
        return self.function(*arguments)

    def run(self, count: int, *values: Any, threads: int | None = None, shared_bytes: int = 0) -> None:
        """Run the program for the trajectories 0, ..., count - 1 and fill the arrays it writes.

        Parameters: `values`, one per argument, converted to the declared types; `threads`, worker threads on a CPU, by
        default all cores; `shared_bytes`, memory per block on a device. The result depends on neither.
        Raises `TargetUnavailable` where the target cannot run, `InvalidRequest` for values that do not fit.
        """
        if len(values) != len(self.arguments):
            names = ", ".join(argument.name for argument in self.arguments)
            raise InvalidRequest(f"the program takes {len(self.arguments)} values ({names}), got {len(values)}")
        prepared = [a.prepared(v, self.precision) for a, v in zip(self.arguments, values, strict=True)]
        backend(self.target).run(self, count, prepared, threads=threads, shared_bytes=shared_bytes)

    @property
    def signature(self) -> str:
        """The types of the entry's arguments, in numba's notation."""
        return f"void({', '.join(['int64', 'int64', *(a.signature(self.precision) for a in self.arguments)])})"

    def ptx(self, compute_capability: tuple[int, int] = (9, 0)) -> str:
        """The PTX assembly for a compute capability, made with no GPU present, and cached on disk.

        Raises `InvalidRequest` for a kernel of another target, `TargetUnavailable` without the CUDA compiler packages.
        """
        return backend(self.target).assembly(self, compute_capability)

    def resources(self, compute_capability: tuple[int, int] = (9, 0)) -> Resources:
        """Registers, stack and spills of the machine code for a compute capability, found with no GPU present.

        Raises as `ptx` does.
        """
        return backend(self.target).resources(self, compute_capability)

    def __repr__(self) -> str:
        lines = self.source.count("\n")
        return f"<Kernel {self.entry} for {self.target}, {self.precision}, {lines} lines, {self.content_hash[:12]}>"


def _kernel(statement: dict[str, Any]) -> Kernel:
    return Kernel(**statement)


# ----------------------------------------------------------------------------------------------------------- loading


def load_source(source: str) -> ModuleType:
    """Return the module of a generated source text, loaded once per process through the cache folder."""
    with _LOCK:
        name = f"k_{cache_key(source)}"
        if name in sys.modules:
            return sys.modules[name]
        path = keep(source.encode(), f"{name}.py")
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


def cache_key(source: str) -> str:
    """SHA-256 of the text and of every module of this package that it imports, directly or not."""
    digest = hashlib.sha256(source.encode())
    for name in sorted(_imported(source)):
        digest.update(name.encode() + _module_text(name).encode())
    return digest.hexdigest()


def _imported(source: str) -> set[str]:
    """The modules of this package that `source` imports at its top level, and those that these import."""
    found: set[str] = set()
    pending = [_tree(source)]
    while pending:
        for node in pending.pop().body:
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            else:
                continue
            for name in names:
                if name.startswith(f"{_PACKAGE}.") and name not in found and (text := _module_text(name)):
                    found.add(name)
                    pending.append(_tree(text))
    return found


@functools.lru_cache(maxsize=64)
def _tree(source: str) -> ast.Module:
    """The syntax tree of a text; long texts are parsed once."""
    return ast.parse(source)


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
