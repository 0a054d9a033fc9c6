r"""Maps x' = F(x; z) of named scalars as straight-line code: the draws z of a step, and the next state.

    draws with their laws -> statements over Philox words -> x_0, x_1, ...    (`drawn_code`)
    F                     -> statements over state and draws -> next state     (`map_program`)

`map_program` puts both into the loop over an ensemble (`numerics.targets.ensemble`), replicas as the vector index; the
template of Lyapunov exponents puts the same draws into a loop of its own. So the draws of a replica at a step are the same in
both: a pure function of seed, replica and step.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy
from numpy.typing import NDArray
from sympy import Expr

from numerics.kernel import Argument, Kernel
from numerics.precision import Precision
from numerics.printer import HELPERS, STATEMENTS_FOR_EMITTER, Elementary, ScalarCode, argument_names, scalar_code
from numerics.quadrature import has_quadrature
from numerics.random import Purpose
from numerics.targets import Target
from numerics.targets.ensemble import Ensemble
from numerics.templates.draws import LARGEST_UNROLLED_CHOICE, SampleCode, sample_code
from numerics.templates.trajectory import ensemble_kernel
from theory import Equations, MomentRecurrence, RandomMap, Recurrence
from theory.errors import InvalidRequest, UnsupportedExpectation
from theory.laws.draw import Choice, Draw, Row
from theory.vectors import Vector

_LARGEST_DATA_SET = 2**32 - 1
COUNTER = ("stream = 0", "member = 0", f"purpose = {int(Purpose.SCALAR)}")
"""Lines that say which random numbers the statements of a draw take, besides `seed`, `replica` and `step`."""


# --------------------------------------------------------------------------------------------------------------- draws


def draws_of(equations: Recurrence) -> tuple[tuple[tuple[Expr, ...], Any], ...]:
    """The draws of a random map as pairs (symbols, law); none for a deterministic one."""
    return equations.draws if isinstance(equations, RandomMap) else ()


def drawn_code(
    equations: Recurrence,
    hyper: Mapping[Expr, str],
    values: Mapping[Expr, float],
    *,
    precision: Precision,
    elementary: Elementary,
) -> SampleCode:
    """Return the code that makes the draws of one step.

    Parameters: `hyper` maps symbols to the variables that hold them; `values`, the numbers of those that all replicas share.
    The statements read `seed, replica, step` and what `COUNTER` sets. A row of a data set is drawn with replacement.
    Raises `InvalidRequest` for vectors, and where the table of a finite law would differ between replicas.
    """
    scalar: list[tuple[tuple[Any, ...], Any]] = []
    data: list[tuple[tuple[Any, ...], Any]] = []
    for names, law in draws_of(equations):
        if any(isinstance(name, Vector) for name in names):
            raise InvalidRequest(
                f"the random map draws the vector {names[0]}; expand the model first: model.components({{n: 3}})"
            )
        draw = law.draw("check")
        _refuse_varying_tables(names, draw, set(hyper) - set(values))
        (data if _is_row(draw) else scalar).append((names, law))
    options = {"elementary": elementary}
    code = sample_code(scalar, hyper, values, (), precision=precision, print_options=options)
    _add_rows(code, data)
    return code


def _is_row(draw: Draw) -> bool:
    return len(draw.standards) == 1 and isinstance(draw.standards[0][1], Row)


def _refuse_varying_tables(names: Sequence[Any], draw: Draw, varying: set[Expr]) -> None:
    """The numbers of a finite law are a table of the program, one for all replicas."""
    entries: list[Any] = [entry for row in draw.table for entry in row]
    for _, standard in draw.standards:
        entries += standard.probabilities if isinstance(standard, Choice) else ()
    held = sorted({s for entry in entries for s in sympy.sympify(entry).free_symbols} & varying, key=str)
    if held:
        raise InvalidRequest(
            f"the law of {', '.join(map(str, names))} is a table of values and probabilities that depends on {held[0]}, so "
            f"{held[0]} cannot vary within one ensemble; run one ensemble per value"
        )
    for component in draw.components:
        _refuse_varying_tables(names, component, varying)


def _add_rows(code: SampleCode, data: Sequence[tuple[tuple[Any, ...], Any]]) -> None:
    """Draws of rows: two per Philox block, by a 64-bit multiplication, so that rows are equally likely up to 2^-64."""
    tables: dict[Any, int] = {}
    for number, (names, law) in enumerate(data):
        if law.count > _LARGEST_DATA_SET:
            raise InvalidRequest(f"{law} has {law.count} rows; at most {_LARGEST_DATA_SET} are covered")
        block, half = divmod(number, 2)
        words = [f"row_word_{block}_{k}" for k in range(4)]
        if half == 0:
            place = f"seed, stream, replica, step, {block}, {int(Purpose.BATCH)}"
            code.statements.append(f"{', '.join(words)} = words4({place})")
        high, low = words[2 * half : 2 * half + 2]
        size, word = f"np.uint64({law.count})", "np.uint64(32)"
        code.statements.append(f"row_{number} = np.int64(({high} * {size} + (({low} * {size}) >> {word})) >> {word})")
        table = tables.setdefault(law, len(tables))  # the samples of a batch share one copy of the data
        for slot, (name, column) in enumerate(zip(names, law.arrays, strict=True)):
            code.tables[f"data_{table}_{slot}"] = np.ascontiguousarray(column, dtype=float)
            code.scalars[name] = f"row_{number}_{slot}"
            code.statements.append(f"row_{number}_{slot} = data_{table}_{slot}[row_{number}]")


def hoisted(code: SampleCode) -> tuple[list[str], list[str]]:
    """Lines that load small tables into variables, to stand before a loop, and the statements that read these instead.

    A look-up at a random place keeps a loop from becoming vector instructions: the compiler cannot know that the table is not
    among the arrays that the loop writes. A choice between a few variables does not.

    >>> code = SampleCode(tables={"t": np.array([1.0, 2.0])}, statements=["x = t[index_0]"])
    >>> hoisted(code)
    (['t_0 = t[0]', 't_1 = t[1]'], ['x = (t_0 if index_0 == 0 else t_1)'])
    """
    before: list[str] = []
    statements = code.statements
    for name, table in (*code.tables.items(), *code.thresholds.items()):
        if not 0 < table.size <= LARGEST_UNROLLED_CHOICE:
            continue
        before += [f"{name}_{k} = {name}[{k}]" for k in range(table.size)]
        statements = [_with_variables(line, name, table.size) for line in statements]
    return before, statements


def _with_variables(line: str, name: str, size: int) -> str:
    """A line that reads variables `NAME_0`, ... instead of entries of the array NAME."""
    line = re.sub(rf"\b{name}\[(\d+)\]", rf"{name}_\1", line)
    found = re.search(rf"\b{name}\[(\w+)\]", line)
    if found is None:
        return line
    chosen = f"{name}_{size - 1}"
    for k in reversed(range(size - 1)):
        chosen = f"({name}_{k} if {found[1]} == {k} else {chosen})"
    return line.replace(found[0], chosen)


def draw_arguments(code: SampleCode) -> tuple[Argument, ...]:
    """The tables that the statements of a draw read, as arguments of a program; `draw_values` are their values."""
    return (
        *(Argument(name, dimensions=1) for name in code.tables),
        *(Argument(name, "uint64", 1) for name in code.thresholds),
    )


def draw_values(code: SampleCode) -> tuple[NDArray[Any], ...]:
    """The values of `draw_arguments`."""
    return (*code.tables.values(), *code.thresholds.values())


# ---------------------------------------------------------------------------------------------------------------- maps


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


def inlined(code: ScalarCode, name: str, results: Sequence[str]) -> tuple[list[str], list[str]]:
    """The functions and the statements that leave the results of `code` in the variables `results`.

    Short code stands where it is used, so that a loop around it vectorises. Long code is a function of its own, compiled without
    numba's type inference; so is code that calls helpers, since these are put beside the functions that call them.
    """
    statements = [
        f"{target} = {value}" for target, value in (*code.assignments, *zip(results, code.results, strict=True))
    ]
    helped = any(re.search(rf"\b{helper}\(", line) for helper in HELPERS for line in statements)
    if helped or code.statements > STATEMENTS_FOR_EMITTER:
        comma = "," * (len(results) == 1)
        return [code.returning(name)], [f"{', '.join(results)}{comma} = {name}({', '.join(code.names)})"]
    return [], statements


def elementary_imports(lines: Iterable[str]) -> tuple[str, ...]:
    """Import lines of the functions of `numerics.elementary` that lines of code call.

    >>> elementary_imports(["t0 = fast_exp32(m_x)"])
    ('from numerics.elementary import fast_exp32',)
    """
    names = sorted({name for line in lines for name in re.findall(r"\b(fast_\w+)\(", line)})
    return (f"from numerics.elementary import {', '.join(names)}",) if names else ()


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
    elementary = elementary_for(target)
    drawn = drawn_code(equations, held, values, precision=precision, elementary=elementary)
    step = _step(equations, held, drawn, precision, elementary)
    record = scalar_code(
        [*equations.state, *hyper], list(observed.values()), precision=precision, elementary=elementary
    )
    results = [f"recorded_{k}" for k in range(len(observed))]
    record_functions, record_lines = inlined(record, "record", results)
    arguments = (
        Argument("seed", "uint64"),
        *(Argument(_argument(s, held, different), dimensions=int(s in different)) for s in hyper),
        *draw_arguments(drawn),
    )
    tables, statements = hoisted(drawn)
    load = [f"{held[s]} = {_argument(s, held, different)}[index]" for s in hyper if s in different]
    ensemble = Ensemble(
        state=state,
        step=(*load, "replica = index", *statements, *step.lines),
        record=(*load, *record_lines),
        recorded=tuple(results),
        parameters=tuple(argument.name for argument in arguments),
        prologue=(*COUNTER, *tables),
    )
    kernel = ensemble_kernel(
        functions=[*drawn.functions, *step.functions, *record_functions],
        arguments=arguments,
        ensemble=ensemble,
        header=f"ensemble of maps, clock: {equations.clock}\n{equations}",
        imports=elementary_imports([*step.lines, *record_lines]),
        target=target,
        precision=precision,
    )
    return MapProgram(kernel, hyper, different, draw_values(drawn), tuple(observed))


def _argument(symbol: Expr, held: Mapping[Expr, str], varying: frozenset[Expr]) -> str:
    """The argument that brings a hyperparameter: its variable itself, or an array of its values."""
    return f"values_of_{held[symbol]}" if symbol in varying else held[symbol]


@dataclass(frozen=True)
class _Step:
    functions: list[str]
    lines: list[str]


def _step(
    equations: Recurrence, held: Mapping[Expr, str], drawn: SampleCode, precision: Precision, elementary: Elementary
) -> _Step:
    """Lines that replace the state by the next one."""
    symbols = list(drawn.scalars)
    arguments = [*equations.state, *held, *symbols]
    code = scalar_code(arguments, list(equations.update.values()), precision=precision, elementary=elementary)
    renamed = zip(code.names[len(code.names) - len(symbols) :], drawn.scalars.values(), strict=True)
    following = [f"next_{k}" for k in range(len(equations.state))]
    functions, lines = inlined(code, "next_state", following)
    states = code.names[: len(following)]
    return _Step(
        functions,
        [
            *(f"{name} = {variable}" for name, variable in renamed),
            *lines,
            *(f"{state} = {value}" for state, value in zip(states, following, strict=True)),
        ],
    )
