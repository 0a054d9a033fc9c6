r"""A proof that matrices have no common invariant subspace, in integers modulo a prime.

The matrices that commute with a family form a linear space, whose dimension modulo a prime is at least that over the real numbers: the
rank of a linear system cannot grow by reduction, nor by putting numbers in for symbols. So if only multiples of the identity commute
modulo a prime, only they do over the reals, and symmetric matrices then share no invariant subspace.

Let R be a combination of the matrices and their squares, T one of the matrices, and v a vector whose images
$v, Rv, R^2v, \dots$ span the space. What commutes with R is then a polynomial $X=\sum_k q_kR^k$, and $XTv=TXv$ is a linear system
for q, which leaves one dimension if the family is irreducible and nothing is unlucky. The cost is that of a few eliminations, where
the eigenspaces of large matrices are out of reach.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import sympy
from sympy import Expr

from theory.stability.prime_field import PRIME, Row, modulo_prime, rank

LARGEST = 200
"""The largest dimension that is tried: arithmetic in Python takes a minute there."""

SQUARED = 256
"""Matrices whose squares take part: few of rank one or two would leave R without a cyclic vector."""

Sparse = dict[int, dict[int, int]]


def is_irreducible(matrices: Sequence[sympy.MatrixBase], size: int) -> bool:
    """Whether symmetric matrices are proved to have no common invariant subspace. False where this proof does not tell.

    >>> import sympy
    >>> is_irreducible([sympy.Matrix([[0, 1], [1, 0]]), sympy.Matrix([[1, 0], [0, 2]])], 2)
    True
    >>> is_irreducible([sympy.Matrix([[0, 1], [1, 0]]), sympy.eye(2)], 2)
    False
    """
    if not 1 < size <= LARGEST:
        return size == 1
    symbols = sorted(set().union(set(), *(matrix.free_symbols for matrix in matrices)), key=str)
    values = {symbol: sympy.Integer(_pseudorandom(index, 1)) for index, symbol in enumerate(symbols)}
    first, second = ([[0] * size for _ in range(size)] for _ in range(2))
    for number, matrix in enumerate(matrices):
        rows = _sparse_rows(matrix, values)
        if rows is None:
            return False
        _add(first, rows, _pseudorandom(number, 2))
        _add(second, rows, _pseudorandom(number, 3))
        if number < SQUARED:
            _add(first, _square(rows), _pseudorandom(number, 5))
    start = [_pseudorandom(index, 4) for index in range(size)]
    orbit, image_orbit = [start], [_applied(second, start)]
    for _ in range(size - 1):
        orbit.append(_applied(first, orbit[-1]))
        image_orbit.append(_applied(first, image_orbit[-1]))
    if rank([list(row) for row in orbit]) < size:
        return False
    conditions = [
        [(a - b) % PRIME for a, b in zip(image, _applied(second, vector), strict=True)]
        for image, vector in zip(image_orbit, orbit, strict=True)
    ]
    return rank(conditions) == size - 1


def _pseudorandom(index: int, purpose: int) -> int:
    """Fixed numbers without a pattern that matrices of models could share."""
    return pow(3 + 2 * purpose, 7 * index + 11 * purpose + 5, PRIME)


def _sparse_rows(matrix: sympy.MatrixBase, values: Mapping[Expr, Expr]) -> Sparse | None:
    """The entries that do not vanish, modulo the prime, row by row; None where one is no rational number."""
    rows: Sparse = {}
    for (i, j), entry in matrix.todok().items():
        reduced = modulo_prime(entry.xreplace(values))
        if reduced is None:
            return None
        rows.setdefault(i, {})[j] = reduced
    return rows


def _square(rows: Sparse) -> Sparse:
    product: Sparse = {}
    for i, row in rows.items():
        target = product.setdefault(i, {})
        for k, left in row.items():
            for j, right in rows.get(k, {}).items():
                target[j] = (target.get(j, 0) + left * right) % PRIME
    return product


def _add(total: list[Row], rows: Sparse, weight: int) -> None:
    for i, row in rows.items():
        for j, entry in row.items():
            total[i][j] = (total[i][j] + weight * entry) % PRIME


def _applied(matrix: list[Row], vector: Row) -> Row:
    return [sum(a * b for a, b in zip(row, vector, strict=True) if a) % PRIME for row in matrix]
