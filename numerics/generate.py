"""From equations to kernels: the scalar code of the right-hand sides, wrapped for arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sympy import Expr

from numerics.kernel import Kernel
from numerics.printer import argument_names, module_source, scalar_function
from numerics.quadrature import ARGUMENTS, QuadratureCode
from numerics.targets import Target
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


def generate(equations: Equations, target: Target | str = Target.CPU) -> Kernel:
    """Return the kernel of the right-hand sides of equations: rates of an ODE, the next state of a recurrence.

    Call it as `kernel(state, hyper, out, *rules)`: arrays of the state, of the hyperparameters (by name), and of the result;
    `rules` are the four arrays of `numerics.quadrature.rules`, read only by equations that hold quadratures.
    Raises `InvalidRequest` for equations that move no state or for an unknown target.

    >>> from theory import ODE, symbols
    >>> x, k = symbols("x k")
    >>> "-m_k*m_x" in generate(ODE(rates={x: -k*x})).source
    True
    """
    if target not in tuple(Target):
        raise InvalidRequest(f"target={target!r} is unknown; the targets are {', '.join(Target)}")
    return right_hand_side(equations).kernel


def right_hand_side(equations: Equations) -> RightHandSide:
    """The kernel of `generate` together with the order of its arguments."""
    if isinstance(equations, RandomMap):
        raise InvalidRequest(
            "a RandomMap has random right-hand sides; simulate runs it, generate and solve take equations of means"
        )
    if isinstance(equations, ODE):
        outputs: Sequence[Expr] = list(equations.rates.values())
        if isinstance(equations, SDE):
            size = len(equations.state)
            outputs = [*outputs, *(equations.covariance[i, j] for i in range(size) for j in range(size))]
    elif isinstance(equations, Recurrence):
        outputs = list(equations.update.values())
    else:
        raise InvalidRequest(f"{type(equations).__name__} moves no state, so there is nothing to generate")
    title = f"{type(equations).__name__}, clock: {equations.clock}\n{equations}"
    return function_of_arrays(outputs, equations.state, equations.free_symbols, title)


def function_of_arrays(
    outputs: Sequence[Expr], state: tuple[Expr, ...], hyperparameters: tuple[Expr, ...], title: str
) -> RightHandSide:
    """A kernel that evaluates `outputs` from arrays of the state and of the hyperparameters."""
    code = QuadratureCode()
    arguments = [*state, *hyperparameters]
    names = argument_names(arguments)
    plain, named, statements = code.exchange(outputs, dict(zip(arguments, names, strict=True)), "    ")
    body = scalar_function("right_hand_side", [*arguments, *(s for s, _ in named)], plain)
    unpack = [f"    {name} = state[{i}]" for i, name in enumerate(names[: len(state)])]
    unpack += [f"    {name} = hyper[{i}]" for i, name in enumerate(names[len(state) :])]
    call = ", ".join([*names, *(v for _, v in named)])
    entry = (
        "\n".join(
            [
                f"def advance(state, hyper, out, {', '.join(ARGUMENTS)}):",
                *unpack,
                *statements,
                f"    values = right_hand_side({call})",
                *(f"    out[{i}] = values[{i}]" for i in range(len(outputs))),
            ]
        )
        + "\n"
    )
    imports = ("from numerics.linear_algebra import lower_factor",) if code.functions else ()
    source = module_source([*code.functions, body, entry], header=title, imports=imports)
    return RightHandSide(
        Kernel(source=source, entry="advance"), state, hyperparameters, frozenset(code.dimensions), bool(named)
    )
