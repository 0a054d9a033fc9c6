"""Code that draws one sample of a model: each random symbol from its law, each law from standard draws.

The scalar draws of a sample share the random words of a few Philox blocks: a normal takes two words and yields two normals,
a sign takes one word, a uniform two (one in single precision), a choice two. All statements are straight-line code, so that a
loop over replicas around them vectorises, except where a law needs rejection (gamma) or has branches (mixtures).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import sympy
from numpy.typing import NDArray
from sympy import Expr, Symbol

from numerics.precision import Precision
from numerics.printer import ScalarPrinter, argument_names, scalar_function
from numerics.targets.replica import Entries
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

BLOCKS_PER_SAMPLE = 64
"""Counter values (Philox blocks) reserved for the scalar draws of one sample."""
LARGEST_UNROLLED_CHOICE = 16
"""Outcomes up to which the index of a finite law is a sum of comparisons instead of a loop."""


@dataclass
class SampleCode:
    """What it takes to draw one sample: scalar functions, statements, and tables of numbers that they read.

    `statements` use the names `seed, stream, replica, step, member, purpose` and the hyperparameters; `scalars` maps random
    symbols to the local variable that holds the draw; `entries` says how the entries of random vectors come about.
    `tables` are arrays of the kernel's real numbers, `thresholds` of uint64, both passed to the program by name.
    """

    functions: list[str] = field(default_factory=list)
    statements: Code = field(default_factory=list)
    tables: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    thresholds: dict[str, NDArray[np.uint64]] = field(default_factory=dict)
    scalars: dict[Symbol, str] = field(default_factory=dict)
    entries: dict[Vector, Entries] = field(default_factory=dict)


class WordCode:
    """Deals out the words of Philox blocks to standard draws, block after block.

    `prefix` tells the variables of one group of draws from another's; `position` is the number of the first block.
    """

    def __init__(self, prefix: str, position: str, purpose: str, stream: str, precision: Precision) -> None:
        self.prefix, self.position, self.purpose, self.stream = prefix, position, purpose, stream
        self.precision = precision
        self.statements: Code = []
        self.blocks = 0
        self._free: list[str] = []
        self._spare_normal: str | None = None
        self._count = 0

    def _place(self, block: int) -> str:
        return f"seed, {self.stream}, replica, step, {self.position} + {block}, {self.purpose}"

    def _words(self, count: int) -> list[str]:
        if len(self._free) < count:
            names = [f"{self.prefix}word_{self.blocks}_{k}" for k in range(4)]
            self.statements.append(f"{', '.join(names)} = words4({self._place(self.blocks)})")
            self.blocks += 1
            self._free = names
        taken, self._free = self._free[:count], self._free[count:]
        return taken

    def _name(self, kind: str) -> str:
        self._count += 1
        return f"{self.prefix}{kind}_{self._count - 1}"

    def draw(self, standard: Standard, inline: Mapping[Expr, str]) -> str:
        """The variable that holds a standard draw, after a statement that sets it."""
        if isinstance(standard, StandardNormal):
            if self._spare_normal is not None:
                name, self._spare_normal = self._spare_normal, None
                return name
            first, second = self._name("normal"), self._name("normal")
            self.statements.append(f"{first}, {second} = normal_pair({', '.join(self._words(2))})")
            self._spare_normal = second
            return first
        if isinstance(standard, (StandardUniform, StandardExponential)):
            kind = "uniform" if isinstance(standard, StandardUniform) else "exponential"
            single = self.precision is Precision.FLOAT32
            call = f"{kind}_of({self._words(1)[0]})" if single else f"{kind}_of_pair({', '.join(self._words(2))})"
        elif isinstance(standard, StandardSign):
            kind, call = "sign", f"sign_of({self._words(1)[0]})"
        elif isinstance(standard, StandardGamma):
            kind, call = "gamma", f"gamma_draw({inlined(standard.shape, inline)}, {self._place(self.blocks)})"
            self.blocks += 1
            self._free = []
        else:
            raise UnsupportedExpectation(f"the standard draw {standard} has no code")
        name = self._name(kind)
        self.statements.append(f"{name} = {call}")
        return name

    def choice(self, thresholds: str, outcomes: int) -> str:
        """The variable that holds a random index below `outcomes`, chosen by an array of 64-bit thresholds."""
        name = self._name("index")
        first, second = self._words(2)
        self.statements.append(f"{name}_word = ({first} << np.uint64(32)) | {second}")
        if outcomes <= LARGEST_UNROLLED_CHOICE:
            terms = [f"({thresholds}[{j}] <= {name}_word)" for j in range(outcomes - 1)]
            self.statements.append(f"{name} = {' + '.join(['0', *terms])}")
        else:
            self.statements += [
                f"{name} = 0",
                f"for outcome in range({thresholds}.size):",
                f"    {name} += {thresholds}[outcome] <= {name}_word",
            ]
        return name


def sample_code(
    data: Sequence[tuple[tuple[Any, ...], Any]],
    hyperparameters: Mapping[Expr, str],
    values: Mapping[Expr, float],
    signals: Sequence[Vector],
    *,
    precision: Precision = Precision.FLOAT64,
    print_options: Mapping[str, Any] | None = None,
) -> SampleCode:
    """The code that draws every random symbol of `data` (pairs of names and law; fields and data arrays left out).

    `hyperparameters` maps symbols to the variables that hold them; `values` are their numbers, which enter only the tables of
    finite laws; `print_options` go to `scalar_function`.
    """
    scalars = [name for names, _ in data for name in names if not isinstance(name, Vector)]
    held = [f"x_{name.removeprefix('m_')}" for name in argument_names(scalars)]
    variables = dict(zip(scalars, held, strict=True))
    builder = _SampleBuilder(hyperparameters, values, signals, variables, precision, print_options or {})
    for number, (names, law) in enumerate(data):
        builder.add(number, names, law.draw(f"draw{number}"))
    code = builder.code
    code.statements = [*builder.words.statements, *code.statements]
    if builder.words.blocks > BLOCKS_PER_SAMPLE:
        raise UnsupportedExpectation(
            f"the model draws scalars from {builder.words.blocks} random blocks per sample; at most {BLOCKS_PER_SAMPLE} are "
            f"covered. Draw many numbers as the entries of one vector"
        )
    return code


class _SampleBuilder:
    """Collects the code of one sample, law by law."""

    def __init__(
        self,
        hyperparameters: Mapping[Expr, str],
        values: Mapping[Expr, float],
        signals: Sequence[Vector],
        variables: Mapping[Any, str],
        precision: Precision,
        print_options: Mapping[str, Any],
    ) -> None:
        self.hyperparameters, self.values, self.signals = hyperparameters, values, signals
        self.variables = variables
        self.precision, self.print_options = precision, print_options
        self.code = SampleCode()
        self.words = WordCode("", f"{BLOCKS_PER_SAMPLE} * member", "purpose", "stream", precision)

    def add(self, number: int, names: tuple[Any, ...], draw: Draw) -> None:
        """Add the draw of one law for `names`."""
        single = names[0] if len(names) == 1 else None
        if isinstance(single, Vector) and not (draw.table and isinstance(draw.table[0][0], VectorExpression)):
            self.code.entries[single] = self._entries(number, draw)
        elif draw.table:
            self._finite(number, names, draw)
        else:
            targets = [self.variables[name] for name in names]
            self.code.scalars.update(zip(names, targets, strict=True))
            self.code.statements += self._scalars(targets, draw, f"{number}", self.words)

    def _scalars(self, targets: Sequence[str], draw: Draw, label: str, words: WordCode) -> Code:
        """Statements that assign `targets` from one draw, after those of its standard draws, which go to `words`."""
        if draw.components:
            return self._mixture(targets, draw, label, words)
        if draw.table:
            index = self._index(draw, label, words)
            lines = []
            for slot, target in enumerate(targets):
                table = f"table_{label}_{slot}"
                self.code.tables[table] = np.array([self._value(row[slot]) for row in draw.table])
                lines.append(f"{target} = {table}[{index}]")
            return lines
        held = [(symbol, words.draw(standard, self.hyperparameters)) for symbol, standard in draw.standards]
        return [f"{', '.join(targets)}{',' * (len(targets) == 1)} = {self._function(f'draw_{label}', held, draw)}"]

    def _function(self, name: str, held: Sequence[tuple[Symbol, str]], draw: Draw) -> str:
        """Add the printed function of a draw's expressions; return the call."""
        used = sorted(set().union(*(e.free_symbols for e in draw.expression)) & set(self.hyperparameters), key=str)
        arguments = [*(symbol for symbol, _ in held), *used]
        self.code.functions.append(
            scalar_function(name, arguments, list(draw.expression), precision=self.precision, **self.print_options)
        )
        return f"{name}({', '.join([*(variable for _, variable in held), *(self.hyperparameters[s] for s in used)])})"

    def _mixture(self, targets: Sequence[str], draw: Draw, label: str, words: WordCode) -> Code:
        index = self._index(draw, label, words)
        lines: Code = []
        for number, component in enumerate(draw.components):
            head = "if" if number == 0 else "elif"
            last = number == len(draw.components) - 1
            lines.append("else:" if last and number else f"{head} {index} == {number}:")
            lines += [f"    {line}" for line in self._scalars(targets, component, f"{label}_{number}", words)]
        return lines

    def _index(self, draw: Draw, label: str, words: WordCode) -> str:
        choice = draw.standards[0][1]
        assert isinstance(choice, Choice)  # noqa: S101 - the form of a finite law's draw
        name = f"thresholds_{label}"
        self.code.thresholds[name] = choice_thresholds([self._value(p) for p in choice.probabilities])
        return words.choice(name, len(choice.probabilities))

    def _finite(self, number: int, names: tuple[Any, ...], draw: Draw) -> None:
        """A finite law of several slots: a random row of tables, of numbers or of coefficients of the signals."""
        index = self._index(draw, f"{number}", self.words)
        for slot, name in enumerate(names):
            table = f"table_{number}_{slot}"
            if isinstance(name, Vector):
                rows = [
                    [self._value(row[slot].terms.get(signal, sympy.S.Zero)) for signal in self.signals]
                    for row in draw.table
                ]
                self.code.tables[table] = np.array(rows, dtype=float).reshape(len(draw.table), len(self.signals))
                self.code.entries[name] = Entries(row=index, table=table)
            else:
                self.code.tables[table] = np.array([self._value(row[slot]) for row in draw.table])
                variable = self.code.scalars[name] = self.variables[name]
                self.code.statements.append(f"{variable} = {table}[{index}]")

    def _entries(self, number: int, draw: Draw) -> Entries:
        """A vector with independent entries of one law: in blocks of four where the law is one standard draw, transformed."""
        stream = f"stream + {number + 1} + {MEMBER_STREAMS} * member"
        kinds = [type(standard) for _, standard in draw.standards]
        if draw.expression and len(kinds) == 1 and kinds[0] in BLOCKS:
            symbol = draw.standards[0][0]
            same = draw.expression[0] == symbol
            transform = "" if same else self._function(f"entry_{number}", [(symbol, "{}")], draw) + "[0]"
            return Entries(block=BLOCKS[kinds[0]], stream=stream, transform=transform)
        count = _blocks_of(draw)
        words = WordCode(f"entry_{number}_", f"{count} * i", "entries_purpose", stream, self.precision)
        value = f"entry_{number}_value"
        lines = self._scalars([value], draw, f"entry_{number}", words)
        return Entries(statements=(*words.statements, *lines), value=value)

    def _value(self, expression: Any) -> float:
        return float(sympy.sympify(expression).xreplace({s: sympy.Float(v) for s, v in self.values.items()}))


BLOCKS: dict[type[Standard], str] = {
    StandardNormal: "normal_block",
    StandardUniform: "uniform_block",
    StandardExponential: "exponential_block",
    StandardSign: "sign_block",
}
"""The library function that yields four entries of a standard law from one Philox block."""
MEMBER_STREAMS = 256
"""Streams reserved for the data vectors of one member of a batch."""


def _blocks_of(draw: Draw) -> int:
    """A bound on the blocks that the draw of one entry takes."""
    return len(draw.standards) + sum(_blocks_of(component) for component in draw.components)


def inlined(expression: Expr, names: Mapping[Expr, str]) -> str:
    """An expression of symbols as code over the variables that hold them, in double precision."""
    return str(ScalarPrinter().doprint(expression.xreplace({s: Symbol(name, real=True) for s, name in names.items()})))


def choice_thresholds(weights: Sequence[float]) -> NDArray[np.uint64]:
    """The 64-bit thresholds of a random index: index j has probability weights[j] / sum, up to 2^-53.

    The index is the number of thresholds that a uniform 64-bit word reaches, so an entry of weight zero never comes.

    >>> choice_thresholds([0.25, 0.0, 0.75])
    array([4611686018427387904, 4611686018427387904], dtype=uint64)
    """
    cumulative = np.cumsum(np.asarray(weights, dtype=float))
    reached = [min(int(c * 2**64), 2**64 - 1) for c in (cumulative / cumulative[-1])[:-1]]
    return np.array(reached, dtype=np.uint64)


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
    if size <= 2:
        chosen = f"({name}_0 if {found[1]} == 0 else {name}_{size - 1})"
    else:  # exact, since all terms but one are zero; many choices would be branches
        chosen = " + ".join(f"{name}_{k} * real({found[1]} == {k})" for k in range(size))
    return line.replace(found[0], chosen)
