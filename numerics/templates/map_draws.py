"""The draws of one step of a random map as statements over Philox words: scalars from their laws, rows of data sets.

The draws of a replica at a step are a pure function of seed, replica and step: the same in every program of a map.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import sympy
from numpy.typing import NDArray
from sympy import Expr

from numerics.kernel import Argument
from numerics.precision import Precision
from numerics.printer import Elementary
from numerics.random import Purpose
from numerics.templates.draws import SampleCode, sample_code
from theory import RandomMap, Recurrence
from theory.errors import InvalidRequest
from theory.laws.draw import Choice, Draw, Row
from theory.vectors import Vector

COUNTER = ("stream = 0", "member = 0", f"purpose = {int(Purpose.SCALAR)}")
"""Lines that say which random numbers the statements of a draw take, besides `seed`, `replica` and `step`."""
_LARGEST_DATA_SET = 2**32 - 1


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


def draw_arguments(code: SampleCode) -> tuple[Argument, ...]:
    """The tables that the statements of a draw read, as arguments of a program; `draw_values` are their values."""
    return (
        *(Argument(name, dimensions=1) for name in code.tables),
        *(Argument(name, "uint64", 1) for name in code.thresholds),
    )


def draw_values(code: SampleCode) -> tuple[NDArray[Any], ...]:
    """The values of `draw_arguments`."""
    return (*code.tables.values(), *code.thresholds.values())
