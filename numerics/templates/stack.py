"""Small arrays on the stack of the compiled function, for the CPU.

No other array can overlap one of these, and the compiler knows it: of two arrays from the heap it has to ask at run time, and for
more than a few rows it gives up and leaves scalar code. They begin at a cache line, and so does the whole stack frame.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import config
from numba.extending import intrinsic

_CACHE_LINE = 64


def _array(_: Any, count: Any, real: Any) -> Any:
    """The type of the array and the function that makes it; `count` is a literal number."""
    if not isinstance(count, types.IntegerLiteral):
        return None
    kind = types.Array(real.dtype, 1, "C")

    def generate(context: Any, builder: Any, _signature: Any, _arguments: Any) -> Any:
        item = context.get_data_type(kind.dtype)
        with builder.goto_entry_block():
            memory = builder.alloca(ir.ArrayType(item, count.literal_value))
        memory.align = _CACHE_LINE
        array = context.make_array(kind)(context, builder)
        size = context.get_abi_sizeof(item)
        context.populate_array(
            array,
            data=builder.bitcast(memory, item.as_pointer()),
            shape=[context.get_constant(types.intp, count.literal_value)],
            strides=[context.get_constant(types.intp, size)],
            itemsize=context.get_constant(types.intp, size),
            meminfo=None,
        )
        return array._getvalue()

    return kind(count, real), generate


stack_array: Any = np.empty if getattr(config, "DISABLE_JIT", False) else intrinsic(prefer_literal=True)(_array)
"""`stack_array(count, real)`: an array of a literal number of entries that lives as long as the function that calls it."""
