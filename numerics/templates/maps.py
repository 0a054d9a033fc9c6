r"""Maps x' = F(x; z) of named scalars as straight-line code, and the program of an ensemble of them.

    draws with their laws -> statements over Philox words -> x_0, x_1, ...    (`numerics.templates.map_draws`)
    F                     -> statements over state and draws -> next state     (`straight`)

`map_program` puts both into the loop over an ensemble (`numerics.targets.ensemble`), replicas as the vector index.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray
from sympy import Expr

from numerics.kernel import Argument, Kernel
from numerics.precision import Precision
from numerics.printer import HELPERS, STATEMENTS_FOR_EMITTER, Elementary, argument_names, scalar_code
from numerics.quadrature import has_quadrature
from numerics.targets import Target
from numerics.targets.ensemble import Ensemble
from numerics.templates.draws import hoisted
from numerics.templates.map_draws import COUNTER, draw_arguments, draw_values, drawn_code
from numerics.templates.trajectory import ensemble_kernel
from theory import Equations, MomentRecurrence, Recurrence
from theory.errors import InvalidRequest, UnsupportedExpectation

LONGEST_INLINED = 8000
"""Characters of code up to which it stands where it is used: beyond, numba needs seconds to compile it."""


def elementary_for(target: Target) -> Elementary:
    """Arithmetic that vectorises on the CPU; a device has instructions of its own for its library."""
    return Elementary.VECTORISED if target == Target.CPU else Elementary.LIBM


def check_map(equations: Equations, verb: str) -> Recurrence:
    """`equations` if it is a map that a program can iterate; raises `InvalidRequest` or `UnsupportedExpectation`."""
    if not isinstance(equations, Recurrence):
        raise InvalidRequest(f"{verb} takes a Recurrence or a RandomMap, not {type(equations).__name__}")
    if isinstance(equations, MomentRecurrence):
        raise InvalidRequest(
            f"{verb} takes maps of a few scalars; a MomentRecurrence is linear: use solve or stationary"
        )
    if not equations.state:
        raise InvalidRequest(f"{verb} got a map without state: its update is empty, so there is nothing to iterate")
    if has_quadrature(list(equations.update.values())):
        raise UnsupportedExpectation(
            f"{verb} does not cover updates with quadratures; solve iterates one such recurrence"
        )
    return equations


@dataclass(frozen=True)
class Straight:
    """Straight-line code: `lines` over the variables `names` of the arguments, which call `functions` and need `imports`."""

    names: tuple[str, ...]
    lines: tuple[str, ...]
    functions: tuple[str, ...]
    imports: tuple[str, ...]


def straight(
    name: str,
    arguments: Sequence[Expr],
    outputs: Sequence[Expr],
    results: Sequence[str],
    *,
    target: Target,
    precision: Precision,
) -> Straight:
    """Return code that leaves `outputs`, functions of `arguments`, in the variables `results`.

    Short code stands where it is used, so that a loop around it vectorises. Long code is a function called `name`, compiled without
    numba's type inference; so is code that calls helpers, since these are put beside the functions that call them.

    >>> import sympy
    >>> x, k = sympy.symbols("x k", real=True)
    >>> straight("decay", [x, k], [sympy.exp(-k*x)], ["y"], target=Target.CPU, precision=Precision.FLOAT64).lines
    ('y = fast_exp(-m_k*m_x)',)
    """
    code = scalar_code(arguments, outputs, precision=precision, elementary=elementary_for(target))
    lines = [f"{target} = {value}" for target, value in (*code.assignments, *zip(results, code.results, strict=True))]
    long = code.statements > STATEMENTS_FOR_EMITTER or sum(map(len, lines)) > LONGEST_INLINED
    if not long and not any(re.search(rf"\b{helper}\(", line) for helper in HELPERS for line in lines):
        fast = sorted({function for line in lines for function in re.findall(r"\b(fast_\w+)\(", line)})
        imports = (f"from numerics.elementary import {', '.join(fast)}",) if fast else ()
        return Straight(code.names, tuple(lines), (), imports)
    if long:  # it will not be vectorised, and functions of a library are calls instead of code
        code = scalar_code(arguments, outputs, precision=precision, elementary=Elementary.LIBM)
    text = code.returning(name)
    if long and not text.startswith("@"):
        text = f'@emitted("{code.precision}")\n{text}'
    comma = "," * (len(results) == 1)
    return Straight(code.names, (f"{', '.join(results)}{comma} = {name}({', '.join(code.names)})",), (text,), ())


@dataclass(frozen=True)
class MapProgram:
    """The program of an ensemble of maps.

    Its kernel's arguments: `start, record_steps, out, stopped` (see `numerics.targets.ensemble`), `seed`, a number per entry of
    `hyperparameters` or an array over replicas per entry of `varying`, then `tables`. `recorded` : names of what is recorded.
    """

    kernel: Kernel
    hyperparameters: tuple[Expr, ...]
    varying: frozenset[Expr]
    tables: tuple[NDArray[Any], ...]
    recorded: tuple[str, ...]


def map_program(
    equations: Recurrence,
    observed: Mapping[str, Expr],
    values: Mapping[Expr, float],
    varying: Iterable[Expr] = (),
    *,
    target: Target = Target.CPU,
    precision: Precision = Precision.FLOAT64,
) -> MapProgram:
    """Return the program that iterates a map for many replicas and records the `observed` functions of its state.

    Parameters: `values`, numbers of the hyperparameters that all replicas share, which enter only tables of laws; `varying`, those that
    have one value per replica.

    >>> from theory import Recurrence, symbols
    >>> x, r = symbols("x r")
    >>> program = map_program(Recurrence(update={x: r*x*(1 - x)}), {"x": x}, {r: 3.5})
    >>> "m_r*m_x*(1.0 - m_x)" in program.kernel.source
    True
    """
    different = frozenset(varying)
    hyper = tuple(sorted({*values, *different}, key=str))
    names = argument_names([*equations.state, *hyper])
    state, held = names[: len(equations.state)], dict(zip(hyper, names[len(equations.state) :], strict=True))
    machine: dict[str, Any] = {"target": target, "precision": precision}
    drawn = drawn_code(equations, held, values, precision=precision, elementary=elementary_for(target))
    following = [f"next_{k}" for k in range(len(state))]
    update = list(equations.update.values())
    step = straight("next_state", [*equations.state, *hyper, *drawn.scalars], update, following, **machine)
    results = [f"recorded_{k}" for k in range(len(observed))]
    record = straight("record", [*equations.state, *hyper], list(observed.values()), results, **machine)
    arguments = (
        Argument("seed", "uint64"),
        *(Argument(_argument(s, held, different), dimensions=int(s in different)) for s in hyper),
        *draw_arguments(drawn),
    )
    tables, statements = hoisted(drawn)
    load = [f"{held[s]} = {_argument(s, held, different)}[index]" for s in hyper if s in different]
    given = zip(step.names[len(names) :], drawn.scalars.values(), strict=True)
    ensemble = Ensemble(
        state=state,
        step=(
            *load,
            "replica = index",
            *statements,
            *(f"{name} = {variable}" for name, variable in given),
            *step.lines,
            *(f"{quantity} = {value}" for quantity, value in zip(state, following, strict=True)),
        ),
        record=(*load, *record.lines),
        recorded=tuple(results),
        parameters=tuple(argument.name for argument in arguments),
        prologue=(*COUNTER, *tables),
    )
    kernel = ensemble_kernel(
        functions=[*drawn.functions, *step.functions, *record.functions],
        arguments=arguments,
        ensemble=ensemble,
        header=f"ensemble of maps, clock: {equations.clock}\n{equations}",
        imports=sorted({*step.imports, *record.imports}),
        target=target,
        precision=precision,
    )
    return MapProgram(kernel, hyper, different, draw_values(drawn), tuple(observed))


def _argument(symbol: Expr, held: Mapping[Expr, str], varying: frozenset[Expr]) -> str:
    """The argument that brings a hyperparameter: its variable itself, or an array of its values."""
    return f"values_of_{held[symbol]}" if symbol in varying else held[symbol]
