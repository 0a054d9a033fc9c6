"""From equations to kernels: the code of the right-hand sides, wrapped for arrays.

A short right-hand side is a readable function of scalars that a small entry calls. A long one (see
`numerics.printer.STATEMENTS_FOR_EMITTER`) is itself the entry, compiled by `numerics.emitter`; and polynomials of
thousands of terms become tables.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sympy import Add, Expr

from numerics.kernel import Argument, Kernel
from numerics.precision import Precision
from numerics.printer import (
    STATEMENTS_FOR_EMITTER,
    TERMS_FOR_TABLE,
    ScalarCode,
    argument_names,
    module_source,
    monomials,
    polynomial_table,
    scalar_code,
)
from numerics.quadrature import ARGUMENTS, QuadratureCode
from numerics.targets import Local, Target
from theory import ODE, SDE, Equations, RandomMap, Recurrence
from theory.errors import InvalidRequest


@dataclass(frozen=True)
class RightHandSide:
    """A kernel `advance(state, hyper, out, rules...)` that writes the right-hand side of equations into `out`.

    `arguments`: the symbols of `state` and `hyper` in order. `dimensions`: numbers of Gaussian variables of its quadratures,
    empty where all is in closed form.
    """

    kernel: Kernel
    state: tuple[Expr, ...]
    hyperparameters: tuple[Expr, ...]
    dimensions: frozenset[int]
    has_quadrature: bool


def generate(
    equations: Equations, target: Target | str = Target.CPU, *, precision: Precision | str = Precision.FLOAT64
) -> Kernel:
    """Return the kernel of the right-hand sides of equations: rates of an ODE, the next state of a recurrence.

    On the CPU call it as `kernel(state, hyper, out, *rules)`: arrays of the state, of the hyperparameters (by name), and of the
    result; `rules` are the four arrays of `numerics.quadrature.rules`, read only by equations that hold quadratures. On CUDA a
    thread evaluates one state: `kernel.run(count, state, hyper, out)` with arrays (quantity, count), (hyperparameter,) and
    (output, count), and with the rules at the end for equations that hold quadratures.
    Parameters: `precision`, of the arithmetic and of the arrays; quadratures are evaluated in double precision always.
    Raises `InvalidRequest` for equations that move no state, for an unknown target or precision.

    >>> from theory import ODE, symbols
    >>> x, k = symbols("x k")
    >>> "-m_k*m_x" in generate(ODE(rates={x: -k*x})).source
    True
    """
    if target not in tuple(Target):
        raise InvalidRequest(f"target={target!r} is unknown; the targets are {', '.join(Target)}")
    if precision not in tuple(Precision):
        raise InvalidRequest(f"precision={precision!r} is unknown; the precisions are {', '.join(Precision)}")
    if Target(target) is Target.CPU:
        return right_hand_side(equations, precision=Precision(precision)).kernel
    return _columns(equations, Target(target), Precision(precision))


def _columns(equations: Equations, target: Target, precision: Precision) -> Kernel:
    """The kernel that evaluates the right-hand sides at many states, one per trajectory."""
    from numerics.templates.arrays import array_function
    from numerics.templates.trajectory import trajectory_kernel

    outputs, state = _outputs(equations), equations.state
    function = array_function(
        "right_hand_side", outputs, state, equations.free_symbols, target=target, precision=precision
    )
    body = [
        *(f"{name} = hyper[{k}]" for k, name in enumerate(function.parameters)),
        *(f"point[{k}] = state[{k}, index]" for k in range(len(state))),
        function.call("point", "values"),
        *(f"out[{k}, index] = values[{k}]" for k in range(len(outputs))),
    ]
    return trajectory_kernel(
        functions=function.functions,
        arguments=[
            Argument("state", dimensions=2),
            Argument("hyper", dimensions=1),
            Argument("out", dimensions=2, written=True),
            *function.arguments,
        ],
        body=body,
        locals_=[Local("point", (len(state),)), Local("values", (len(outputs),))],
        header=_title(equations),
        target=target,
        precision=precision,
    )


def right_hand_side(equations: Equations, *, precision: Precision = Precision.FLOAT64) -> RightHandSide:
    """The kernel of `generate` on the CPU, together with the order of its arguments."""
    outputs = _outputs(equations)
    return function_of_arrays(outputs, equations.state, equations.free_symbols, _title(equations), precision=precision)


def _title(equations: Equations) -> str:
    return f"{type(equations).__name__}, clock: {equations.clock}\n{equations}"


def _outputs(equations: Equations) -> list[Expr]:
    """The right-hand sides, those of a covariance row by row."""
    if isinstance(equations, RandomMap):
        raise InvalidRequest(
            "a RandomMap has random right-hand sides; simulate runs it, generate and solve take equations of means"
        )
    if isinstance(equations, ODE):
        rates = list(equations.rates.values())
        if isinstance(equations, SDE):
            size = len(equations.state)
            rates += [equations.covariance[i, j] for i in range(size) for j in range(size)]
        return rates
    if isinstance(equations, Recurrence):
        return list(equations.update.values())
    raise InvalidRequest(f"{type(equations).__name__} moves no state, so there is nothing to generate")


def function_of_arrays(
    outputs: Sequence[Expr],
    state: tuple[Expr, ...],
    hyperparameters: tuple[Expr, ...],
    title: str,
    *,
    precision: Precision = Precision.FLOAT64,
) -> RightHandSide:
    """A kernel that evaluates `outputs` from arrays of the state and of the hyperparameters."""
    code = QuadratureCode()
    arguments = [*state, *hyperparameters]
    scope = dict(zip(arguments, argument_names(arguments), strict=True))
    plain, named, statements = code.exchange(outputs, scope, "    ")
    sources = {"state": len(state), "hyper": len(hyperparameters)}
    if not named and _is_large_polynomial(arguments, plain):
        functions = _table_functions(arguments, plain, sources, precision)
    else:
        closed = scalar_code([*arguments, *(symbol for symbol, _ in named)], plain, precision=precision)
        functions = _code_functions(closed, sources, [variable for _, variable in named], statements)
    source = module_source([*code.functions, *functions], header=title, precision=precision)
    return RightHandSide(
        Kernel(source=source, entry="advance", precision=precision),
        state,
        hyperparameters,
        frozenset(code.dimensions),
        bool(named),
    )


def _code_functions(
    closed: ScalarCode, sources: Mapping[str, int], quadratures: Sequence[str], statements: Sequence[str]
) -> list[str]:
    """`advance` with what it calls; `statements` set the variables `quadratures`, which `closed` takes last."""
    names, size = closed.names[: sum(sources.values())], sources["state"]
    passed = quadratures if closed.precision is Precision.FLOAT64 else [f"real({variable})" for variable in quadratures]
    if closed.statements + len(names) <= STATEMENTS_FOR_EMITTER:
        call = f"    values = right_hand_side({', '.join([*names, *passed])})"
        stores = [f"    out[{i}] = values[{i}]" for i in range(len(closed.results))]
        return [closed.returning("right_hand_side"), _entry(names, size, [*statements, call, *stores])]
    if quadratures:
        call = f"    right_hand_side({', '.join(['state', 'hyper', *passed, 'out'])})"
        return [closed.filling("right_hand_side", sources), _entry(names, size, [*statements, call])]
    return [closed.filling("advance", sources, unused=ARGUMENTS)]


def _table_functions(
    arguments: Sequence[Expr], outputs: Sequence[Expr], sources: Mapping[str, int], precision: Precision
) -> list[str]:
    """`advance` with the tables and the loop that it runs."""
    table = polynomial_table(arguments, outputs, sources=sources, precision=precision)
    tables = [f"TABLE_{name.upper()}" for name in table.tables]
    call = f"    right_hand_side({', '.join(['state', 'hyper', *tables, 'out'])})"
    return [f"{table.constants('TABLE')}\n\n{table.function('right_hand_side')}", _entry((), 0, [call])]


def _entry(names: Sequence[str], size: int, body: Sequence[str]) -> str:
    """The text of `advance` with the state and the hyperparameters in variables of their own."""
    lines = [
        f"def advance(state, hyper, out, {', '.join(ARGUMENTS)}):",
        *(f"    {name} = state[{i}]" for i, name in enumerate(names[:size])),
        *(f"    {name} = hyper[{i}]" for i, name in enumerate(names[size:])),
        *body,
    ]
    return "\n".join(lines) + "\n"


def _is_large_polynomial(arguments: Sequence[Expr], outputs: Sequence[Expr]) -> bool:
    """Whether the outputs are sums of monomials, as they stand, of more terms than code of their own should have."""
    if sum(len(Add.make_args(output)) for output in outputs) <= TERMS_FOR_TABLE:
        return False
    variables = {argument: index for index, argument in enumerate(arguments)}
    return all(monomials(output, variables) is not None for output in outputs)
