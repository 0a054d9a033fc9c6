r"""`emitted`: compiles a large printed function by writing its LLVM instructions, on CPU and CUDA alike.

    printed text  ->  syntax tree  ->  LLVM instructions  ->  a compiled function like any other

Type inference makes numba spend about 5 ms on each statement of straight-line code, a hundred times what writing the
instructions costs. So a generated module holds the text of a large function under `@emitted("float64")` instead of
numba's decorator: the text is read from the module's file when the function is first compiled, and not executed. The
result is an ordinary compiled function: Python and other compiled functions call it, its callers and itself are cached on
disk, and a CUDA kernel that calls it gets a device function.

Differences from numba's own way with the same text: every scalar argument is converted to the stated precision, and
nothing that printed text does not hold (loops, calls with keywords, integers) is accepted.
"""

from __future__ import annotations

import ast
import functools
import linecache
from collections.abc import Callable
from types import FunctionType
from typing import Any

from numba import njit
from numba.core import config, types
from numba.extending import intrinsic

from numerics.cache import guarded
from numerics.errors import PrinterError
from numerics.lowering import NUMBA_TYPES, Lowering, called, returned
from numerics.precision import Precision
from theory.errors import InvalidRequest

# without reassociation, as every generated function: see numerics.printer.modules.DECORATOR
_OPTIONS: dict[str, Any] = {"cache": True, "error_model": "numpy", "fastmath": False}
_CONFIG: Any = config  # whose attributes are made at run time
_BUILTIN = ("abs", "max", "min", "real")


def emitted(precision: Precision | str) -> Callable[[Callable[..., Any]], Any]:
    """Return the decorator that compiles a printed function of a module file by its text.

    Parameters: `precision`, of every real number in the function; "float32" or "float64".
    Raises `InvalidRequest` for another precision, or (at the first call) if the function's file cannot be read;
    `PrinterError` (then, too) where the text holds what is not printed text, by name.

    A function returns a number or a tuple of numbers, or returns nothing and writes entries of its array arguments, as in
    `out[0] = -hyper[0]*state[0]`. It calls functions of `math`, other functions of its file, which are written out where
    they are called, and compiled functions that the file imports.

    >>> from numerics.kernel import load_source
    >>> source = '''
    ... from numerics.emitter import emitted
    ...
    ... @emitted("float64")
    ... def halves(m_x, m_y):
    ...     return 0.5*m_x, 0.5*m_y
    ... '''
    >>> load_source(source).halves(3.0, 8.0)
    (1.5, 4.0)
    """
    if precision not in tuple(Precision):
        raise InvalidRequest(f"precision={precision!r} is unknown; the precisions are {', '.join(Precision)}")

    def decorate(function: Callable[..., Any]) -> Any:
        if _CONFIG.DISABLE_JIT or not isinstance(function, FunctionType):
            return function
        return guarded(njit(**_OPTIONS)(_caller(function, _Emitted(function, Precision(precision)))))

    return decorate


class _Emitted:
    """A printed function whose text is read and typed when a compiler asks for it."""

    def __init__(self, function: FunctionType, precision: Precision) -> None:
        self._function, self._precision = function, precision

    @functools.cached_property
    def _texts(self) -> dict[str, ast.FunctionDef]:
        return _texts(self._function.__code__.co_filename)

    @functools.cached_property
    def _text(self) -> ast.FunctionDef:
        name = self._function.__name__
        if name not in self._texts:
            raise InvalidRequest(
                f"the text of {name!r} is not in {self._function.__code__.co_filename}; an emitted function stands at the "
                f"top level of a module file"
            )
        return self._texts[name]

    def intrinsic(self, parameters: str) -> Any:
        """numba's handle of the function."""
        space: dict[str, Any] = {"typed": self._typed}
        exec(f"def emit(context, {parameters}):\n    return typed(context, [{parameters}])\n", space)
        return intrinsic(space["emit"])

    def _typed(self, typing_context: Any, arguments: list[Any]) -> tuple[Any, Callable[..., Any]]:
        real = NUMBA_TYPES[self._precision]
        kinds = [kind if isinstance(kind, types.Array) else real for kind in arguments]
        result = returned(self._text)
        size = len(result.elts) if isinstance(result, ast.Tuple) else None
        functions = self._functions(typing_context, self._text, {})

        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            lowering = Lowering(context, builder, type(signature), self._precision, self._texts, functions)
            results = lowering.run(self._text, list(zip(kinds, values, strict=True)))
            if results is None:
                return context.get_dummy_value()
            return results[0] if size is None else context.make_tuple(builder, signature.return_type, results)

        tuple_of: Any = types.UniTuple
        outcome: Any = types.none if result is None else real if size is None else tuple_of(real, size)
        return outcome(*kinds), generate

    def _functions(
        self, typing_context: Any, text: ast.FunctionDef, found: dict[str, tuple[Any, Any]]
    ) -> dict[str, tuple[Any, Any]]:
        """The compiled functions that the text and those it is written out with call, with numba's type and signature."""
        real = NUMBA_TYPES[self._precision]
        for name, count in called(text).items():
            if name in self._texts:
                self._functions(typing_context, self._texts[name], found)
            elif name not in found and name not in _BUILTIN and name in self._function.__globals__:
                kind = typing_context.resolve_value_type(self._function.__globals__[name])
                signature = typing_context.resolve_function_type(kind, (real,) * count, {})
                if signature is None or signature.return_type != real:
                    raise PrinterError(
                        name, f"{name} in generated code cannot be emitted: it gives no {real} from {real}"
                    )
                found[name] = kind, signature
        return found


@functools.lru_cache(maxsize=8)
def _texts(path: str) -> dict[str, ast.FunctionDef]:
    """The functions at the top level of a file, by name."""
    tree = ast.parse("".join(linecache.getlines(path)))
    return {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}


def _caller(function: FunctionType, emitted: _Emitted) -> FunctionType:
    """A Python function of the same name, parameters and place that calls nothing but the emitted one.

    numba names a cache entry by the file, the name and the first line of a function.
    """
    code = function.__code__
    parameters = ", ".join(code.co_varnames[: code.co_argcount])
    space = {"emit": emitted.intrinsic(parameters), "__name__": function.__module__}
    text = f"def {function.__name__}({parameters}):\n    return emit({parameters})\n"
    exec(compile(text, code.co_filename, "exec"), space)
    caller = space[function.__name__]
    caller.__code__ = caller.__code__.replace(co_firstlineno=code.co_firstlineno)
    caller.__qualname__, caller.__doc__ = function.__qualname__, function.__doc__
    caller.__wrapped__ = function  # so that inspect.getsource shows the readable text
    return caller
