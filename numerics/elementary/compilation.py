"""How the scalar functions that kernels call are compiled: one function for every target.

numba compiles each of them for the CPU, and numba-cuda takes the same function into a kernel of a GPU. For that they
allocate nothing, hold no Python objects, and give every integer and every single-precision constant its type: uint64
with int64 makes float64 in numba, and one bare literal would turn float32 arithmetic into float64.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

from numba import njit

from numerics.cache import guarded

Function = TypeVar("Function", bound=Callable[..., Any])


def inlined(function: Function) -> Function:
    """The compiled function, inlined wherever it is called: else LLVM leaves a call in a loop and cannot vectorise it."""
    return _compile(function, forceinline=True)


def compiled(function: Function) -> Function:
    """The compiled function, called as a function: for loops over arrays, which every caller then shares."""
    return _compile(function, forceinline=False)


def _compile(function: Function, forceinline: bool) -> Function:
    # the bits of a result must not depend on how a loop around it is compiled, so no fastmath; said in words, since a
    # function that leaves it open inherits the flags of whichever caller happens to compile it first
    options: dict[str, Any] = {"error_model": "numpy", "fastmath": False, "forceinline": forceinline}
    try:
        dispatcher: Any = njit(cache=True, **options)(function)
    except RuntimeError:  # numba found no writable folder: neither beside the module nor at home
        dispatcher = njit(**options)(function)
    _stamp(dispatcher)
    return cast("Function", guarded(dispatcher))


def _stamp(dispatcher: Any) -> None:
    """Let cached machine code go stale when any module changes whose functions may be inlined in it.

    numba looks at the module that defines a function, and not at those that this one imports.
    """
    file: Any = getattr(getattr(dispatcher, "_cache", None), "_cache_file", None)
    if hasattr(file, "_source_stamp"):
        file._source_stamp = (file._source_stamp, _sources())


@functools.cache
def _sources() -> str:
    """A hash of every module of scalar functions."""
    digest = hashlib.sha256()
    here = Path(__file__).parent
    for path in sorted([*here.glob("*.py"), *(here.parent / "random").glob("*.py")]):
        digest.update(path.read_bytes())
    return digest.hexdigest()
