"""Whole functions: expressions of atoms as the text of straight-line code, from scalars to a tuple or between arrays."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import sympy
from sympy import Expr, Symbol
from sympy.core.sorting import default_sort_key

from numerics.precision import Precision
from numerics.printer.rewriting import stable
from numerics.printer.scalar import HELPERS, Elementary, ScalarPrinter, one_line
from theory.errors import InvalidRequest, MissingValue
from theory.vectors import InnerProduct

STATEMENTS_FOR_EMITTER = 300
"""A function of more statements carries `@emitted`: numba's own compilation needs about 5 ms for each statement."""


def argument_names(arguments: Iterable[Expr]) -> tuple[str, ...]:
    """The Python identifiers, with prefix `m_`, under which `arguments` occur in printed code.

    >>> from theory import Vector, dot, symbols
    >>> w, z = Vector("w", 3), Vector("z", 3)
    >>> argument_names([dot(w, z), symbols("tau")])
    ('m_dot_w_z', 'm_tau')
    """
    names: dict[str, None] = {}
    for argument in arguments:
        stem = "m_" + re.sub(r"[^A-Za-z0-9]+", "_", "".join(map(_ascii, str(argument)))).strip("_")
        name, count = stem, 2
        while name in names:
            name, count = f"{stem}_{count}", count + 1
        names[name] = None
    return tuple(names)


def _ascii(character: str) -> str:
    """`character`, or the name of a Greek letter, or an underscore."""
    if character.isascii():
        return character
    words = unicodedata.name(character, "").split()
    return words[-1].lower() if words[:1] == ["GREEK"] and "LETTER" in words and len(words) == 4 else "_"


def _with_symbols(arguments: Sequence[Expr], outputs: Sequence[Expr]) -> list[Expr]:
    """`outputs` with each argument exchanged for a symbol of its printed name, its assumptions kept."""
    exchange = {}
    for argument, name in zip(arguments, argument_names(arguments), strict=True):
        assumptions = argument.assumptions0 if isinstance(argument, Symbol) else {"real": True}
        exchange[argument] = Symbol(name, **assumptions)
    exchanged = [sympy.sympify(output).xreplace(exchange) for output in outputs]
    known = set(exchange.values())
    for original, output in zip(outputs, exchanged, strict=True):
        if missing := sorted(map(str, (output.free_symbols - known) | _vectorial(output))):
            raise MissingValue(
                f"{', '.join(missing)} in {one_line(original)} has no value: it is not among the arguments "
                f"{', '.join(map(str, arguments)) or '(none)'}"
            )
    return exchanged


def _vectorial(expression: Expr) -> set[Expr]:
    """The scalars in `expression` that stand for vectors: inner products and values of fields."""
    nodes = sympy.preorder_traversal(expression)
    return {node for node in nodes if isinstance(node, InnerProduct) or getattr(node, "holds_vectors", False)}


def _assignments(outputs: Sequence[Expr]) -> tuple[list[tuple[Symbol, Expr]], list[Expr]]:
    """Temporaries t0, t1, ... and the outputs in terms of them."""
    temporaries = sympy.numbered_symbols("t", real=True)
    assigned, results = sympy.cse([stable(output) for output in outputs], symbols=temporaries, list=True)
    return assigned, results


@dataclass(frozen=True)
class ScalarCode:
    """Straight-line code of some expressions, before it is decided where its numbers come from and go to.

    `names` of the arguments; `comments`, one per output; `assignments` of temporaries and `results`, as text.
    """

    names: tuple[str, ...]
    comments: tuple[str, ...]
    assignments: tuple[tuple[str, str], ...]
    results: tuple[str, ...]
    precision: Precision

    def returning(self, name: str) -> str:
        """The text of a function of the scalars `names` that returns the results as a tuple."""
        last = f"    return ({', '.join(self.results)}{',' * (len(self.results) == 1)})"
        lines = [*self._comments(), *(f"    {target} = {value}" for target, value in self.assignments), last]
        return self._function(name, self.names, lines, len(self.assignments) + len(self.results))

    def filling(self, name: str, sources: Mapping[str, int], target: str = "out", *, unused: Sequence[str] = ()) -> str:
        """The text of a function of arrays that writes the results into the array `target`.

        Parameters: `sources`, array arguments with the number of leading `names` that each holds, in order; the other
        `names` follow as scalar arguments, then `target`, then `unused`, which are not read. Where there are hundreds of
        results this compiles several times faster than a tuple of them.

        >>> x, k, q = sympy.symbols("x k q", real=True)
        >>> print(scalar_code([x, k, q], [q - k*x]).filling("rates", {"state": 1, "hyper": 1}))
        def rates(state, hyper, m_q, out):
            # -k*x + q
            m_x = state[0]
            m_k = hyper[0]
            out[0] = -m_k*m_x + m_q
        <BLANKLINE>
        """
        places = [f"{array}[{i}]" for array, size in sources.items() for i in range(size)]
        loads = [f"    {name} = {place}" for name, place in zip(self.names, places, strict=False)]
        stores = [f"    {target}[{i}] = {result}" for i, result in enumerate(self.results)]
        lines = [*self._comments(), *loads, *(f"    {name} = {value}" for name, value in self.assignments), *stores]
        parameters = [*sources, *self.names[len(places) :], target, *unused]
        return self._function(name, parameters, lines, len(loads) + len(self.assignments) + len(stores))

    def _comments(self) -> list[str]:
        return [f"    # {comment}" for comment in self.comments]

    def _function(self, name: str, parameters: Iterable[str], lines: Iterable[str], statements: int) -> str:
        if not name.isidentifier():
            raise InvalidRequest(f"a generated function needs a Python identifier for a name, got {name!r}")
        if name in HELPERS:
            raise InvalidRequest(f"{name!r} is the name of a function that printed code calls; choose another")
        decorator = [f'@emitted("{self.precision}")'] if statements > STATEMENTS_FOR_EMITTER else []
        return "\n".join([*decorator, f"def {name}({', '.join(parameters)}):", *lines]) + "\n"

    @property
    def statements(self) -> int:
        """The number of temporaries and results."""
        return len(self.assignments) + len(self.results)


def scalar_code(
    arguments: Sequence[Expr],
    outputs: Sequence[Expr],
    *,
    constants: Mapping[Expr, float] | Iterable[tuple[Expr, float]] = (),
    precision: Precision = Precision.FLOAT64,
    elementary: Elementary = Elementary.LIBM,
) -> ScalarCode:
    """Return the code of `outputs`, to be put into a function; the parameters are those of `scalar_function`.

    >>> x = sympy.Symbol("x", real=True)
    >>> scalar_code([x], [(x + 1)**2, (x + 1)**3]).assignments
    (('t0', 'm_x + 1.0'),)
    """
    fixed = dict(constants)
    atoms = [*arguments, *fixed]
    if len(set(atoms)) < len(atoms):
        listed = ", ".join(map(str, atoms))
        raise InvalidRequest(f"an argument of generated code is listed twice, or is a constant too: {listed}")
    assigned, results = _assignments(_with_symbols(atoms, outputs))
    printer, names = ScalarPrinter(precision, elementary), argument_names(atoms)
    named = zip(names[len(arguments) :], fixed.values(), strict=True)
    return ScalarCode(
        names=names[: len(arguments)],
        comments=tuple(one_line(output) for output in outputs),
        assignments=(
            *((constant, printer.constant(float(value))) for constant, value in named),
            *((str(symbol), printer.doprint(value)) for symbol, value in assigned),
        ),
        results=tuple(printer.doprint(result) for result in results),
        precision=printer.precision,
    )


def scalar_function(
    name: str,
    arguments: Sequence[Expr],
    outputs: Sequence[Expr],
    *,
    constants: Mapping[Expr, float] | Iterable[tuple[Expr, float]] = (),
    precision: Precision = Precision.FLOAT64,
    elementary: Elementary = Elementary.LIBM,
) -> str:
    """Return the source text of a function of scalars that returns a tuple, one entry per output.

    Parameters: `name`, an identifier; `arguments`, expressions treated as atoms (symbols, inner products, field
    values), in the order of the function's parameters; `outputs`, expressions of them; `constants`, atoms with the
    number each stands for, which become named constants of the function's body; `precision`, in which every constant is
    written; `elementary`, where exp, log, tanh, erf, sin and cos come from.
    Raises `MissingValue` if an output holds a symbol that is neither, `PrinterError` if it holds a function that has
    no scalar code or a constant that the precision does not hold. The text carries no decorator, unless it has more
    than `STATEMENTS_FOR_EMITTER` statements: then `@emitted`. `module_source` makes a module of several such functions.

    >>> from theory import Vector, dot, symbols
    >>> w, z, tau = Vector("w", 3), Vector("z", 3), symbols("tau")
    >>> print(scalar_function("loss", [dot(w, z), tau], [(dot(w, z) - tau)**2/2]))
    def loss(m_dot_w_z, m_tau):
        # (-tau + dot(w, z))**2/2
        return (0.5*((m_dot_w_z - m_tau)**2),)
    <BLANKLINE>
    """
    code = scalar_code(arguments, outputs, constants=constants, precision=precision, elementary=elementary)
    return code.returning(name)


def operation_count(outputs: Sequence[Expr]) -> int:
    """The number of scalar operations of the printed code of `outputs`, shared subexpressions counted once.

    >>> x = sympy.Symbol("x", real=True)
    >>> operation_count([(x + 1)**2, (x + 1)**3])
    3
    """
    expressions = [sympy.sympify(output) for output in outputs]
    atoms = {atom for expression in expressions for atom in expression.free_symbols | _vectorial(expression)}
    assigned, results = _assignments(_with_symbols(sorted(atoms, key=default_sort_key), expressions))
    return int(sum(sympy.count_ops(part) for part in [*(value for _, value in assigned), *results]))
