r"""Printed text as LLVM instructions, written one by one: what numba would make of the text, in a hundredth of the time.

The text is the straight-line Python that `numerics.printer` writes: assignments of scalar expressions and one `return`,
or assignments to entries of arrays. Each node of its syntax tree becomes the instructions that numba makes of it, in the
order in which the text is read: sums and products from the left, powers by repeated squaring, conditional expressions as
branches, of which LLVM turns the short ones into selections. No instruction may be reassociated or contracted, so on the
CPU the results have the bits of numba's own way. The same walk serves CUDA: elementary functions are those of the target
that asks, libm's or libdevice's.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

from llvmlite import ir
from numba.core import types

from numerics.errors import PrinterError
from numerics.precision import Precision

NUMBA_TYPES = {Precision.FLOAT32: types.float32, Precision.FLOAT64: types.float64}
"""numba's type of a real number in each precision."""
_ARITHMETIC = {ast.Add: "fadd", ast.Sub: "fsub", ast.Mult: "fmul", ast.Div: "fdiv"}
_COMPARISONS = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!="}
_STORES_TOGETHER = 64
"""Stores that the scheduler of a CPU may reorder, in time quadratic in their number; a fence for the compiler divides them."""
_INLINED_ON_DEVICE = 16
"""Uses of one function of double precision that a device function spells out; libdevice's are 50 instructions each."""


def refuse(node: ast.AST, reason: str) -> NoReturn:
    """Raise `PrinterError` for a node of the text that has no instructions here."""
    raise PrinterError(node, f"{ast.unparse(node)[:90]} in generated code cannot be emitted: {reason}")


def called(function: ast.FunctionDef) -> dict[str, int]:
    r"""The functions that a text calls by a plain name, in order, with the number of arguments of each.

    >>> called(ast.parse("def f(x):\n    return sign(x) + math.exp(heaviside(x, real(0.5)))").body[0])
    {'sign': 1, 'heaviside': 2, 'real': 1}
    """
    calls = [node for statement in function.body for node in ast.walk(statement) if isinstance(node, ast.Call)]
    calls.sort(key=lambda call: (call.lineno, call.col_offset))
    return {call.func.id: len(call.args) for call in calls if isinstance(call.func, ast.Name)}


def returned(function: ast.FunctionDef) -> ast.expr | None:
    """The expression that a text returns; None if it writes its results into arrays."""
    last = function.body[-1]
    return last.value if isinstance(last, ast.Return) else None


class Lowering:
    """Writes the instructions of one call of a text.

    Parameters: `context`, `builder`, numba's lowering context and llvmlite's instruction builder; `make_signature`, the
    class of the target's signatures; `precision`, of every real number; `texts`, the functions that are written out where
    they are called, by name; `functions`, those that are called, with numba's type and signature of each.
    """

    def __init__(
        self,
        context: Any,
        builder: Any,
        make_signature: Callable[..., Any],
        precision: Precision,
        texts: Mapping[str, ast.FunctionDef],
        functions: Mapping[str, tuple[Any, Any]],
    ) -> None:
        self.context, self.builder = context, builder
        self.precision = precision
        self.real = NUMBA_TYPES[precision]
        self.type = context.get_value_type(self.real)
        self._make_signature = make_signature
        self._texts, self._functions = texts, functions
        self._found: dict[Any, Any] = {}
        self._scope: dict[str, Any] = {}
        self._stores = 0
        self._on_device = builder.module.triple.startswith("nvptx")

    def run(self, function: ast.FunctionDef, arguments: Sequence[tuple[Any, Any]]) -> Any:
        """Write the body for `arguments`, pairs of a numba type and a value; return the list of results, or None."""
        outer, self._scope = self._scope, {}
        for parameter, (kind, value) in zip(function.args.args, arguments, strict=True):
            self._scope[parameter.arg] = _Entries(self, kind, value) if isinstance(kind, types.Array) else value
        results = None
        for statement in function.body:
            if isinstance(statement, ast.Return) and statement.value is not None:
                value = statement.value
                parts = value.elts if isinstance(value, ast.Tuple) else [value]
                results = [self.value(part) for part in parts]
            elif isinstance(statement, ast.Assign) and len(statement.targets) == 1:
                self._assign(statement.targets[0], statement.value)
            elif not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)):
                refuse(statement, "only assignments and one return can be")
        self._scope = outer
        return results

    def _assign(self, target: ast.expr, value: ast.expr) -> None:
        result = self.value(value)
        if isinstance(target, ast.Name):
            self._scope[target.id] = result
        elif isinstance(target, ast.Subscript):
            entries, index = self._entry(target)
            entries.store(index, result)
            self._stores += 1
            if self._stores % _STORES_TOGETHER == 0 and not self._on_device:
                self.builder.fence("seq_cst", "singlethread")
        else:
            refuse(target, "it is neither a name nor an entry of an array")

    # --------------------------------------------------------------------------------------------------- expressions

    def value(self, node: ast.expr) -> Any:
        """The value of an expression: a real number, or a truth value of one bit."""
        method: Callable[[Any], Any] | None = getattr(self, f"_{type(node).__name__}", None)
        return method(node) if method else refuse(node, f"{type(node).__name__} is no part of printed text")

    def constant(self, number: float) -> Any:
        """A real constant."""
        return ir.Constant(self.type, number)

    def _Constant(self, node: ast.Constant) -> Any:
        if not isinstance(node.value, float):
            refuse(node, "a number of generated code has a decimal point")
        if self.precision is not Precision.FLOAT64:
            refuse(node, f"a constant of {self.precision} code stands in real(...)")
        return self.constant(node.value)

    def _Name(self, node: ast.Name) -> Any:
        if node.id not in self._scope:
            refuse(node, "the name has no value")
        return self._scope[node.id]

    def _Attribute(self, node: ast.Attribute) -> Any:
        number = getattr(math, node.attr, None) if _module(node) == "math" else None
        return self.constant(number) if isinstance(number, float) else refuse(node, "it is no constant of math")

    def _UnaryOp(self, node: ast.UnaryOp) -> Any:
        operand = self.value(node.operand)
        if isinstance(node.op, ast.Not):
            return self.builder.not_(operand)
        if isinstance(node.op, ast.USub):
            return self.builder.fsub(self.constant(-0.0), operand)  # as numba negates
        return refuse(node, "the operator is unknown")

    def _BinOp(self, node: ast.BinOp) -> Any:
        left = self.value(node.left)
        if isinstance(node.op, ast.Pow):
            exponent = node.right.value if isinstance(node.right, ast.Constant) else None
            if type(exponent) is not int or not 0 < exponent <= 0x10000:
                refuse(node, "an exponent of ** is a positive integer; other powers are math.pow")
            return self._power(left, exponent)
        right = self.value(node.right)
        if isinstance(node.op, ast.Mod):
            return self._call(operator.mod, [left, right])
        name = _ARITHMETIC.get(type(node.op))
        return getattr(self.builder, name)(left, right) if name else refuse(node, "the operator is unknown")

    def _power(self, base: Any, exponent: int) -> Any:
        """Repeated squaring, in the order of numba's loop."""
        result = None
        while exponent:
            if exponent & 1:
                result = base if result is None else self.builder.fmul(result, base)
            exponent >>= 1
            if exponent:
                base = self.builder.fmul(base, base)
        return result

    def _Compare(self, node: ast.Compare) -> Any:
        symbol = _COMPARISONS.get(type(node.ops[0]))
        if symbol is None or len(node.ops) > 1:
            refuse(node, "only two numbers can be compared")
        compare = self.builder.fcmp_unordered if symbol == "!=" else self.builder.fcmp_ordered  # NaN != NaN
        return compare(symbol, self.value(node.left), self.value(node.comparators[0]))

    def _BoolOp(self, node: ast.BoolOp) -> Any:
        combine = self.builder.and_ if isinstance(node.op, ast.And) else self.builder.or_
        total, *rest = [self.value(part) for part in node.values]
        for value in rest:
            total = combine(total, value)
        return total

    def _IfExp(self, node: ast.IfExp) -> Any:
        condition = self.value(node.test)
        with self.builder.if_else(condition) as (then, otherwise):
            with then:
                first = self.value(node.body), self.builder.block
            with otherwise:
                second = self.value(node.orelse), self.builder.block
        choice = self.builder.phi(first[0].type)
        for value, block in (first, second):
            choice.add_incoming(value, block)
        return choice

    def _Subscript(self, node: ast.Subscript) -> Any:
        entries, index = self._entry(node)
        return entries.load(index)

    def _entry(self, node: ast.Subscript) -> tuple[_Entries, int]:
        entries = self._scope.get(node.value.id) if isinstance(node.value, ast.Name) else None
        index = node.slice.value if isinstance(node.slice, ast.Constant) else None
        if not isinstance(entries, _Entries) or type(index) is not int:
            refuse(node, "only array[number] of an argument can be")
        return entries, index

    # --------------------------------------------------------------------------------------------------------- calls

    def _Call(self, node: ast.Call) -> Any:
        if node.keywords:
            refuse(node, "calls have no keywords")
        if isinstance(node.func, ast.Attribute):
            return self._library_call(node, node.func)
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name == "real":
            return self._constant_call(node)
        arguments = [self.value(argument) for argument in node.args]
        if name == "abs":
            return self._call(abs, arguments)
        if name in ("max", "min"):
            return self._extreme(">" if name == "max" else "<", arguments)
        if name in self._texts:
            (result,) = self.run(self._texts[name], [(self.real, argument) for argument in arguments])
            return result
        if name in self._functions:
            kind, signature = self._functions[name]
            return self.context.get_function(kind, signature)(self.builder, arguments)
        return refuse(node, f"{name!r} is no function of the module")

    def _constant_call(self, node: ast.Call) -> Any:
        (argument,) = node.args
        if isinstance(argument, ast.Constant) and isinstance(argument.value, float):
            return self.constant(argument.value)
        return self.value(argument)  # of real(math.nan), and of real(math.floor(x)), which is real here already

    def _library_call(self, node: ast.Call, function: ast.Attribute) -> Any:
        module, name = _module(function), function.attr
        arguments = [self.value(argument) for argument in node.args]
        if module == "math" and callable(getattr(math, name, None)):
            return self._call(getattr(math, name), arguments)
        return refuse(node, "the function is unknown")

    def _call(self, function: Any, arguments: Sequence[Any]) -> Any:
        """A call of what numba itself would call on this target; it is looked up once."""
        if function not in self._found:
            signature = self._make_signature(self.real, (self.real,) * len(arguments), None)
            self._found[function] = [self.context.get_function(function, signature), 0]
        implementation, uses = self._found[function]
        self._found[function][1] += 1
        if self._on_device and self.precision is Precision.FLOAT64 and uses >= _INLINED_ON_DEVICE:
            return self.builder.call(self._outlined(function, implementation, len(arguments)), arguments)
        return implementation(self.builder, arguments)

    def _outlined(self, function: Any, implementation: Any, count: int) -> Any:
        """A device function that holds one use of `function`, for the many that would make the code too long."""
        module, name = self.builder.module, f"emitted_{function.__name__}_{self.precision}"
        if name not in module.globals:
            outlined = ir.Function(module, ir.FunctionType(self.type, [self.type] * count), name)
            outlined.linkage = "internal"
            outlined.attributes.add("noinline")
            builder = ir.IRBuilder(outlined.append_basic_block())
            builder.ret(implementation(builder, outlined.args))
        return module.globals[name]

    def _extreme(self, symbol: str, values: Sequence[Any]) -> Any:
        """Python's max and min; on CUDA too, where numba's own would drop a NaN."""
        best, *rest = values
        for value in rest:
            best = self.builder.select(self.builder.fcmp_ordered(symbol, value, best), value, best)
        return best


class _Entries:
    """An array argument, one-dimensional."""

    def __init__(self, lowering: Lowering, kind: Any, value: Any) -> None:
        self._lowering, self._kind = lowering, kind
        self._array = lowering.context.make_array(kind)(lowering.context, lowering.builder, value)

    def _place(self, index: int) -> Any:
        builder = self._lowering.builder
        position = ir.Constant(ir.IntType(64), index)
        if self._kind.layout in "CF":
            return builder.gep(self._array.data, [position], inbounds=True)
        stride = builder.extract_value(self._array.strides, 0)
        address = builder.add(builder.ptrtoint(self._array.data, stride.type), builder.mul(stride, position))
        return builder.inttoptr(address, self._array.data.type)

    def load(self, index: int) -> Any:
        value = self._lowering.builder.load(self._place(index))
        return self._lowering.context.cast(self._lowering.builder, value, self._kind.dtype, self._lowering.real)

    def store(self, index: int, value: Any) -> None:
        kind, context, builder = self._kind.dtype, self._lowering.context, self._lowering.builder
        builder.store(context.cast(builder, value, self._lowering.real, kind), self._place(index))


def _module(node: ast.Attribute) -> str:
    return node.value.id if isinstance(node.value, ast.Name) else ""
