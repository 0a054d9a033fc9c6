"""Covariance matrices: reading them, and their Cholesky factor by hand, symbolic or numeric, also if singular."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import sympy
from sympy import Expr, Float, Integer, S

from theory.errors import InvalidLaw
from theory.laws.parameters import is_negative, is_zero, nonnegative_parameter, real_parameter, simple_rational

Rows = tuple[tuple[Expr, ...], ...]

_WORKING_DIGITS = 40
_FLOAT_TOLERANCE = Float("1e-12")


def read_covariance(entries: Any, law: str) -> Rows:
    """`entries` as a square symmetric matrix, positive semidefinite where it is numeric.

    Raises `InvalidLaw` for a wrong shape, unequal mirrored entries, or a negative pivot.
    """
    table = entries.tolist() if hasattr(entries, "tolist") else entries
    rows_given: list[Any] = list(table) if isinstance(table, Iterable) and not isinstance(table, str) else [None]
    if not all(isinstance(row, Iterable) and not isinstance(row, str) for row in rows_given):
        raise InvalidLaw(f"{law}: covariance must be a list of rows, got {entries!r}; for one number write variance=")
    raw = [list(row) for row in rows_given]
    if not raw or any(len(row) != len(raw) for row in raw):
        raise InvalidLaw(f"{law}: covariance must be square, got rows of lengths {[len(row) for row in raw]}")
    rows = tuple(
        tuple(
            (nonnegative_parameter if i == j else real_parameter)(entry, f"covariance[{i}][{j}]", law)
            for j, entry in enumerate(row)
        )
        for i, row in enumerate(raw)
    )
    for i, row in enumerate(rows):
        for j in range(i):
            if row[j] != rows[j][i] and not is_zero(sympy.expand(row[j] - rows[j][i])):
                raise InvalidLaw(
                    f"{law}: covariance must be symmetric, but [{i}][{j}] is {row[j]} and [{j}][{i}] is {rows[j][i]}"
                )
    if all(entry.is_number for row in rows for entry in row):
        cholesky(rows, law)
    return rows


def cholesky(covariance: Rows, law: str) -> list[list[Expr]]:
    """A lower-triangular L with L L^T = `covariance`; a vanishing pivot gives a column of zeros.

    Symbolic pivots are taken to be positive unless they vanish identically. With floating-point entries the
    arithmetic is done with 40 digits on the nearest simple rationals, and pivots below 1e-12 of their diagonal entry
    count as zero. Raises `InvalidLaw` if a pivot is negative: the matrix is not positive semidefinite.
    """
    size = len(covariance)
    floating = any(entry.has(Float) for row in covariance for entry in row)
    left = [[_working(entry) if floating else entry for entry in row] for row in covariance]
    scales = [left[i][i] for i in range(size)]
    factor: list[list[Expr]] = [[S.Zero] * size for _ in range(size)]
    for j in range(size):
        pivot = left[j][j]
        negligible = floating and pivot.is_number and bool(abs(pivot) <= _FLOAT_TOLERANCE * abs(scales[j]))
        if negligible or is_zero(pivot):
            for i in range(j + 1, size):
                residual = left[i][j]
                bound = _FLOAT_TOLERANCE * abs(scales[i] * scales[j]) if floating else None
                if not is_zero(residual) and (bound is None or bool(residual**2 > bound)):
                    raise _not_semidefinite(law, j, pivot)
            continue
        if is_negative(pivot):
            raise _not_semidefinite(law, j, pivot)
        root = sympy.sqrt(pivot)
        factor[j][j] = root
        for i in range(j + 1, size):
            factor[i][j] = left[i][j] / root
            for k in range(j + 1, i + 1):
                left[i][k] = _tidy(left[i][k] - left[i][j] * left[k][j] / pivot)
                left[k][i] = left[i][k]
    if floating:
        factor = [[entry.evalf(17) if entry.is_number else entry for entry in row] for row in factor]
    return factor


def _working(entry: Expr) -> Expr:
    return entry.xreplace({x: Float(simple_rational(x), _WORKING_DIGITS) for x in entry.atoms(Float)})


def _tidy(entry: Expr) -> Expr:
    if isinstance(entry, (Integer, sympy.Rational, Float)):
        return entry
    return sympy.cancel(sympy.expand(entry))


def _not_semidefinite(law: str, index: int, pivot: Expr) -> InvalidLaw:
    return InvalidLaw(
        f"{law}: covariance must be positive semidefinite, but the variance left in entry {index} given the entries "
        f"before it is {pivot}; check the off-diagonal entries of row {index}"
    )
