r"""Very large polynomials as tables of coefficients and factors with a loop, instead of code of their own.

    out_i = \sum_{t = first_i}^{first_{i+1} - 1} c_t \prod_k x_{f(t, k)},

a repeated factor standing for a power. The loop compiles in the same time for any number of terms. Against straight-line
code it multiplies anew in every term what terms have in common, about a nanosecond a factor, and adds in another order: the
values agree within rounding.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy
from numpy.typing import NDArray
from sympy import Add, Expr, Integer, Mul

from numerics.errors import PrinterError
from numerics.precision import Precision
from numerics.printer.scalar import number_text, one_line
from theory.errors import InvalidRequest

TERMS_FOR_TABLE = 4000
"""Polynomials of more terms than this in all are evaluated from a table: their code would be slow to print and compile."""

Term = tuple[tuple[int, ...], float]
"""The indices of a term's factors, in ascending order, and its coefficient."""


@dataclass(frozen=True)
class PolynomialTable:
    """Polynomials as arrays, with the function that evaluates them.

    `sources` : the array arguments, with the number of variables in each. `tables` : the arrays by the names that the function
    reads: `coefficients`, `first` (the first term of each polynomial, and the end), and for each source `SOURCE_factors` with
    `SOURCE_first` (the first factor of each term, and the end). `outputs` : the number of polynomials.
    """

    sources: Mapping[str, int]
    tables: Mapping[str, NDArray[Any]]
    outputs: int

    def function(self, name: str, target: str = "out") -> str:
        """The text of `NAME(sources..., tables..., out)`, for every target: a device takes the tables as arrays of its own.

        >>> x, k = sympy.symbols("x k", real=True)
        >>> table = polynomial_table([x, k], [x**2 - k*x/2], sources={"state": 1, "hyper": 1})
        >>> print(table.function("rates"))
        def rates(state, hyper, coefficients, first, state_factors, state_first, hyper_factors, hyper_first, out):
            # 1 polynomials, 2 terms
            for i in range(1):
                total = real(0.0)
                for term in range(first[i], first[i + 1]):
                    product = coefficients[term]
                    for k in range(state_first[term], state_first[term + 1]):
                        product *= state[state_factors[k]]
                    for k in range(hyper_first[term], hyper_first[term + 1]):
                        product *= hyper[hyper_factors[k]]
                    total += product
                out[i] = total
        <BLANKLINE>
        """
        lines = [
            f"def {name}({', '.join([*self.sources, *self.tables, target])}):",
            f"    # {self.outputs} polynomials, {self.tables['coefficients'].size} terms",
            f"    for i in range({self.outputs}):",
            "        total = real(0.0)",
            "        for term in range(first[i], first[i + 1]):",
            "            product = coefficients[term]",
        ]
        for source in self.sources:
            lines.append(f"            for k in range({source}_first[term], {source}_first[term + 1]):")
            lines.append(f"                product *= {source}[{source}_factors[k]]")
        return "\n".join([*lines, "            total += product", f"        {target}[i] = total"]) + "\n"

    def constants(self, prefix: str) -> str:
        """The text of module constants `PREFIX_COEFFICIENTS`, ...; in a device's constant memory only small tables fit."""
        return "".join(
            f"{prefix}_{name.upper()} = np.array({_numbers(array)}, np.{array.dtype})\n"
            for name, array in self.tables.items()
        )


def polynomial_table(
    arguments: Sequence[Expr],
    outputs: Sequence[Expr],
    *,
    sources: Mapping[str, int] | None = None,
    precision: Precision = Precision.FLOAT64,
) -> PolynomialTable:
    """Return polynomials as a table.

    Parameters: `arguments`, the variables; `outputs`, sums of monomials in them, as they stand; `sources`, the array
    arguments with the number of `arguments` that each holds, in order (by default one array `values`); `precision`, of the
    coefficients.
    Raises `PrinterError` for an output that is no sum of monomials, or a coefficient that the precision does not hold;
    `InvalidRequest` where `sources` do not hold the arguments.

    >>> x, y = sympy.symbols("x y", real=True)
    >>> polynomial_table([x, y], [3*x**2*y - y/2]).tables["coefficients"]
    array([ 3. , -0.5])
    """
    sources = {"values": len(arguments)} if sources is None else dict(sources)
    if sum(sources.values()) != len(arguments) or max(sources.values(), default=0) > np.iinfo(np.uint16).max:
        raise InvalidRequest(
            f"arrays of {sources} numbers do not hold the {len(arguments)} arguments of the polynomials"
        )
    terms = _terms(arguments, outputs)
    flat = [term for group in terms for term in group]
    tables = {
        "coefficients": np.array([_fitting(coefficient, precision) for _, coefficient in flat], precision.dtype),
        "first": _firsts(terms),
    }
    offset = 0
    for source, size in sources.items():
        factors = [[k - offset for k in indices if offset <= k < offset + size] for indices, _ in flat]
        tables[f"{source}_factors"] = np.array([k for group in factors for k in group], np.uint16)
        tables[f"{source}_first"] = _firsts(factors)
        offset += size
    return PolynomialTable(sources, tables, len(outputs))


def monomials(output: Expr, variables: Mapping[Expr, int]) -> list[Term] | None:
    """The terms of a polynomial as it stands, in ascending order of their factors; None if it is no sum of monomials.

    Nothing is expanded. `variables` maps every variable to its index.

    >>> x, y = sympy.symbols("x y", real=True)
    >>> monomials(3*x**2*y - y/2, {x: 0, y: 1})
    [((0, 0, 1), 3.0), ((1,), -0.5)]
    """
    terms = []
    for term in Add.make_args(output):
        factors: list[int] = []
        coefficient = sympy.S.One
        for factor in Mul.make_args(term):
            base, exponent = factor.as_base_exp()
            if factor.is_number and factor.is_real:
                coefficient *= factor
            elif base in variables and isinstance(exponent, Integer) and exponent > 0:
                factors += [variables[base]] * int(exponent)
            else:
                return None
        terms.append((tuple(sorted(factors)), float(coefficient.evalf(30))))
    return sorted(terms)


def _terms(arguments: Sequence[Expr], outputs: Sequence[Expr]) -> list[list[Term]]:
    variables = {argument: index for index, argument in enumerate(arguments)}
    groups = []
    for output in outputs:
        terms = monomials(output, variables)
        if terms is None:
            raise PrinterError(output, f"{one_line(output)} is no sum of monomials in the arguments; expand it first")
        groups.append(terms)
    return groups


def _fitting(value: float, precision: Precision) -> float:
    if number_text(value, precision) is None:
        raise PrinterError(value, f"the coefficient {value!r} does not fit {precision}; rescale, or use float64")
    return value


def _firsts(groups: Sequence[Sequence[object]]) -> NDArray[np.int64]:
    """Where each group begins if they are laid one behind the other, and where the last one ends."""
    return np.cumsum([0, *(len(group) for group in groups)], dtype=np.int64)


def _numbers(array: NDArray[Any]) -> str:
    return f"[{', '.join(str(number) for number in array)}]"
