"""Which functions of the random symbols are independent on the outcomes of a large finite law, exactly.

A pixel that is black in every image, or two columns that are multiples of each other, make functions of the sample dependent: a
combination with symbols as coefficients then vanishes for every sample without having a vanishing coefficient.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import sympy
from sympy import Expr, Rational, Symbol

from theory.stability.prime_field import PRIME

LARGEST = 80
"""Functions up to which dependences are sought by exact elimination."""


def independent_functions(
    functions: Sequence[Expr], names: Sequence[Symbol], law: Any
) -> tuple[list[dict[Expr, Rational]], bool]:
    r"""Return combinations $\sum_f B_{rf}c_f$ of coefficients that vanish exactly if $\sum_fc_ff(z)=0$ at every outcome z.

    One dictionary function -> $B_{rf}$ per independent function, and whether they are known to be independent: where the functions are
    no monomials, or more than `LARGEST`, each stands for itself, and only those of a vanishing column are dropped.
    """
    present = set().union(set(), *(function.free_symbols for function in functions))
    used = [(name, array) for name, array in zip(names, law.arrays, strict=True) if name in present]
    names = [name for name, _ in used]
    columns = [[_fraction(entry) for entry in array.tolist()] for _, array in used]
    kept = [f for f in functions if not _vanishes(f, names, columns)]
    itself = [{function: sympy.S.One} for function in kept]
    if len(kept) > LARGEST or not all(f.is_polynomial(*names) for f in kept):
        return itself, False
    powers = [sympy.Poly(f, *names).terms() for f in kept]
    if any(len(terms) != 1 or terms[0][1] != 1 for terms in powers):
        return itself, False
    monomials = [terms[0][0] for terms in powers]
    if _has_full_rank(monomials, columns):
        return itself, True
    basis = _row_space(monomials, columns)
    return [
        {f: Rational(c.numerator, c.denominator) for f, c in zip(kept, row, strict=True) if c != 0} for row in basis
    ], True


def _vanishes(function: Expr, names: Sequence[Symbol], columns: list[list[Fraction]]) -> bool:
    """Whether a factor of the function is a symbol whose column is zero."""
    factors = {base for base, _ in (factor.as_base_exp() for factor in sympy.Mul.make_args(function))}
    return any(name in factors and not any(column) for name, column in zip(names, columns, strict=True))


def _has_full_rank(monomials: list[tuple[int, ...]], columns: list[list[Fraction]]) -> bool:
    """Whether the table (outcome, monomial) has independent columns modulo a prime, and then over the rationals."""
    reduced = [[x.numerator * pow(x.denominator, -1, PRIME) % PRIME for x in column] for column in columns]
    basis: dict[int, list[int]] = {}
    for outcome in zip(*reduced, strict=True):
        row = [_power_product_modulo(outcome, exponents) for exponents in monomials]
        for pivot, other in basis.items():
            if factor := row[pivot]:
                row = [(a - factor * b) % PRIME for a, b in zip(row, other, strict=True)]
        lead = next((index for index, entry in enumerate(row) if entry), None)
        if lead is not None:
            inverse = pow(row[lead], -1, PRIME)
            basis[lead] = [entry * inverse % PRIME for entry in row]
        if len(basis) == len(monomials):
            return True
    return False


def _power_product_modulo(values: Sequence[int], exponents: Sequence[int]) -> int:
    product = 1
    for value, exponent in zip(values, exponents, strict=True):
        if exponent:
            product = product * pow(value, exponent, PRIME) % PRIME
    return product


def _row_space(monomials: list[tuple[int, ...]], columns: list[list[Fraction]]) -> list[list[Fraction]]:
    """The reduced row echelon form of the table (outcome, monomial); it ends as soon as the rank is full."""
    basis: dict[int, list[Fraction]] = {}
    for outcome in zip(*columns, strict=True):
        row = [_power_product(outcome, exponents) for exponents in monomials]
        for pivot, other in basis.items():
            if factor := row[pivot]:
                row = [a - factor * b for a, b in zip(row, other, strict=True)]
        lead = next((index for index, entry in enumerate(row) if entry), None)
        if lead is None:
            continue
        row = [entry / row[lead] for entry in row]
        basis = {
            pivot: [a - other[lead] * b for a, b in zip(other, row, strict=True)] if other[lead] else other
            for pivot, other in basis.items()
        }
        basis[lead] = row
        if len(basis) == len(monomials):
            break
    return [basis[pivot] for pivot in sorted(basis)]


def _power_product(values: Sequence[Fraction], exponents: Sequence[int]) -> Fraction:
    product = Fraction(1)
    for value, exponent in zip(values, exponents, strict=True):
        if exponent:
            product *= value**exponent
    return product


def _fraction(entry: object) -> Fraction:
    """An entry of a data set; floats as the simplest fractions within their accuracy, so that dependences survive rounding."""
    if isinstance(entry, (Fraction, int)):
        return Fraction(entry)
    value = Fraction(float(entry))  # type: ignore[arg-type]
    if value.denominator <= 10**6:
        return value
    simple = value.limit_denominator(10**6)
    return simple if abs(simple - value) <= abs(value) * Fraction(1, 10**14) else value
