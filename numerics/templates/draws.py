"""Code that draws one sample of a model: each random symbol from its law, each law from standard draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import sympy
from numpy.typing import NDArray
from sympy import Expr, Symbol

from numerics.printer import ScalarPrinter, scalar_function
from theory.errors import UnsupportedExpectation
from theory.laws.draw import (
    Choice,
    Draw,
    Standard,
    StandardExponential,
    StandardGamma,
    StandardNormal,
    StandardSign,
    StandardUniform,
)
from theory.vectors import Vector, VectorExpression

Code = list[str]


@dataclass
class SampleCode:
    """What it takes to draw one sample: scalar functions, statements, and tables of numbers that they read.

    Statements use the names `seed, stream, replica, step, member, purpose` and the hyperparameters; `scalars` maps random
    symbols, `vectors` random vectors, to the local variable that holds the draw.
    """

    functions: list[str] = field(default_factory=list)
    statements: Code = field(default_factory=list)
    allocations: Code = field(default_factory=list)
    tables: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    scalars: dict[Symbol, str] = field(default_factory=dict)
    vectors: dict[Vector, str] = field(default_factory=dict)
    slots: int = 0


DRAWS_PER_SAMPLE = 64
"""Counter values reserved for the scalar draws of one sample."""


def sample_code(
    data: Sequence[tuple[tuple[Any, ...], Any]],
    hyperparameters: Mapping[Expr, str],
    values: Mapping[Expr, float],
    signals: Sequence[Vector],
) -> SampleCode:
    """The code that draws every random symbol of `data` (pairs of names and law; fields and data arrays left out)."""
    code = SampleCode()
    for number, (names, law) in enumerate(data):
        draw = law.draw(f"draw{number}")
        if len(names) == 1 and isinstance(names[0], Vector) and not draw.table:
            _entries(code, names[0], draw, number, hyperparameters)
        elif len(names) == 1 and isinstance(names[0], Vector) and not isinstance(draw.table[0][0], VectorExpression):
            _table_entries(code, names[0], draw, number, values)
        elif draw.table:
            _finite(code, names, draw, number, values, signals)
        else:
            for name in names:
                code.scalars[name] = f"x_{_identifier(name)}"
            _scalars(code, [code.scalars[name] for name in names], draw, f"{number}", hyperparameters, "    ")
    if code.slots > DRAWS_PER_SAMPLE:
        raise UnsupportedExpectation(
            f"the model draws {code.slots} scalars per sample; at most {DRAWS_PER_SAMPLE} are covered"
        )
    return code


def _identifier(name: Any) -> str:
    return "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in str(name))


def _standard(standard: Standard, position: str, hyperparameters: Mapping[Expr, str], purpose: str = "purpose") -> str:
    """The call that makes one standard draw at a counter position."""
    where = f"seed, stream, replica, step, {position}, {purpose}"
    if isinstance(standard, StandardNormal):
        return f"normal1({where})"
    if isinstance(standard, StandardUniform):
        return f"uniform1({where})"
    if isinstance(standard, StandardExponential):
        return f"exponential1({where})"
    if isinstance(standard, StandardSign):
        return f"sign1({where})"
    if isinstance(standard, StandardGamma):
        return f"gamma1({_inline(standard.shape, hyperparameters)}, {where})"
    raise UnsupportedExpectation(f"the standard draw {standard} has no code")


def _inline(expression: Expr, hyperparameters: Mapping[Expr, str]) -> str:
    """An expression of the hyperparameters as code."""
    return str(
        ScalarPrinter().doprint(
            expression.xreplace({s: Symbol(name, real=True) for s, name in hyperparameters.items()})
        )
    )


def _scalars(
    code: SampleCode, targets: list[str], draw: Draw, label: str, hyperparameters: Mapping[Expr, str], indent: str
) -> None:
    """Statements that assign `targets` from one draw."""
    if draw.components:
        choice = draw.standards[0][1]
        assert isinstance(choice, Choice)  # noqa: S101 - the form of a mixture's draw
        weights = [_inline(weight, hyperparameters) for weight in choice.probabilities]
        code.statements.append(f"{indent}u_{label} = uniform1(seed, stream, replica, step, {_position(code)}, purpose)")
        bound = "0.0"
        for index, (weight, component) in enumerate(zip(weights, draw.components, strict=True)):
            bound = f"{bound} + {weight}"
            last = index == len(weights) - 1
            head = "else:" if last else f"{'if' if index == 0 else 'elif'} u_{label} <= {bound}:"
            code.statements.append(f"{indent}{head}")
            _scalars(code, targets, component, f"{label}_{index}", hyperparameters, indent + "    ")
        return
    if draw.table:
        raise UnsupportedExpectation("a mixture of finite laws is drawn as one Discrete law; state it so")
    arguments = []
    for index, (symbol, standard) in enumerate(draw.standards):
        name = f"e_{label}_{index}"
        code.statements.append(f"{indent}{name} = {_standard(standard, _position(code), hyperparameters)}")
        arguments.append((symbol, name))
    used = sorted(set().union(*(e.free_symbols for e in draw.expression)) & set(hyperparameters), key=str)
    function = f"draw_{label}"
    code.functions.append(scalar_function(function, [*(s for s, _ in arguments), *used], list(draw.expression)))
    call = ", ".join([*(name for _, name in arguments), *(hyperparameters[s] for s in used)])
    code.statements.append(f"{indent}{', '.join(targets)}{',' if len(targets) == 1 else ''} = {function}({call})")


def _position(code: SampleCode) -> str:
    position = f"{DRAWS_PER_SAMPLE} * member + {code.slots}"
    code.slots += 1
    return position


def _finite(
    code: SampleCode,
    names: tuple[Any, ...],
    draw: Draw,
    number: int,
    values: Mapping[Expr, float],
    signals: Sequence[Vector],
) -> None:
    """A finite law: a random row of a table of numbers, and of coefficients of the signals for vector slots."""
    choice = draw.standards[0][1]
    assert isinstance(choice, Choice)  # noqa: S101 - the form of a finite law's draw
    weights = np.array([_value(p, values) for p in choice.probabilities])
    code.tables[f"cumulative_{number}"] = np.cumsum(weights) / weights.sum()
    code.statements.append(
        f"    row_{number} = choice1(cumulative_{number}, seed, stream, replica, step, {_position(code)}, purpose)"
    )
    for slot, name in enumerate(names):
        table = f"table_{number}_{slot}"
        if isinstance(name, Vector):
            rows = [
                [_value(row[slot].terms.get(signal, sympy.S.Zero), values) for signal in signals] for row in draw.table
            ]
            code.tables[table] = np.array(rows, dtype=float).reshape(len(draw.table), len(signals))
            variable = code.vectors[name] = f"v_{_identifier(name)}"
            code.allocations.append(f"    {variable} = np.empty(n)")
            code.statements.append(f"    combine_rows({table}[row_{number}], signals, {variable})")
        else:
            code.tables[table] = np.array([_value(row[slot], values) for row in draw.table])
            variable = code.scalars[name] = f"x_{_identifier(name)}"
            code.statements.append(f"    {variable} = {table}[row_{number}]")


def _value(expression: Any, values: Mapping[Expr, float]) -> float:
    return float(sympy.sympify(expression).xreplace({symbol: sympy.Float(v) for symbol, v in values.items()}))


def _entries(code: SampleCode, name: Vector, draw: Draw, number: int, hyperparameters: Mapping[Expr, str]) -> None:
    """A vector with independent entries of one law: the fast fills where the law is one standard draw, scaled."""
    variable = code.vectors[name] = f"v_{_identifier(name)}"
    code.allocations.append(f"    {variable} = np.empty(n)")
    stream = f"{number} + 1 + {MEMBER_STREAMS} * member"
    fills = {
        StandardNormal: "fill_normals",
        StandardUniform: "fill_uniforms",
        StandardExponential: "fill_exponentials",
        StandardSign: "fill_signs",
    }
    kinds = [type(standard) for _, standard in draw.standards]
    used = (
        sorted(set().union(*(e.free_symbols for e in draw.expression)) & set(hyperparameters), key=str)
        if draw.expression
        else []
    )
    if len(kinds) == 1 and kinds[0] in fills and draw.expression:
        symbol = draw.standards[0][0]
        code.statements.append(
            f"    {fills[kinds[0]]}({variable}, seed, stream + {stream}, replica, step, entries_purpose)"
        )
        if draw.expression[0] != symbol:
            function = f"entry_{number}"
            code.functions.append(scalar_function(function, [symbol, *used], [draw.expression[0]]))
            call = ", ".join([f"{variable}[i]", *(hyperparameters[s] for s in used)])
            code.statements += ["    for i in range(n):", f"        {variable}[i] = {function}({call})[0]"]
        return
    if not draw.expression:
        raise UnsupportedExpectation(
            f"a vector whose entries have a mixture law is not drawn yet; give {name} one plain law"
        )
    count = len(draw.standards)
    code.statements.append("    for i in range(n):")
    names = []
    for index, (_, standard) in enumerate(draw.standards):
        call = _standard(standard, f"{count} * i + {index}", hyperparameters, "entries_purpose").replace(
            "stream,", f"stream + {stream},", 1
        )
        code.statements.append(f"        e_{number}_{index} = {call}")
        names.append(f"e_{number}_{index}")
    function = f"entry_{number}"
    code.functions.append(scalar_function(function, [*(s for s, _ in draw.standards), *used], [draw.expression[0]]))
    code.statements.append(
        f"        {variable}[i] = {function}({', '.join([*names, *(hyperparameters[s] for s in used)])})[0]"
    )


def _table_entries(code: SampleCode, name: Vector, draw: Draw, number: int, values: Mapping[Expr, float]) -> None:
    """A vector with independent entries of a finite law of numbers."""
    choice = draw.standards[0][1]
    assert isinstance(choice, Choice)  # noqa: S101 - the form of a finite law's draw
    weights = np.array([_value(p, values) for p in choice.probabilities])
    code.tables[f"cumulative_{number}"] = np.cumsum(weights) / weights.sum()
    code.tables[f"table_{number}_0"] = np.array([_value(row[0], values) for row in draw.table])
    variable = code.vectors[name] = f"v_{_identifier(name)}"
    code.allocations.append(f"    {variable} = np.empty(n)")
    where = f"seed, stream + {number} + 1 + {MEMBER_STREAMS} * member, replica, step, i, entries_purpose"
    code.statements += [
        "    for i in range(n):",
        f"        {variable}[i] = table_{number}_0[choice1(cumulative_{number}, {where})]",
    ]


MEMBER_STREAMS = 256
"""Streams reserved for the data vectors of one member of a batch."""
