r"""Simultaneous block diagonalisation of symmetric matrices, by successive splitting with the commutant as last resort.

The space is split into the eigenspaces of one matrix after the other. Where a matrix does not map the pieces into themselves, those
that some matrix couples are joined again, and split into the eigenspaces of a generic symmetric matrix that commutes with all:
these are invariant, and irreducible.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import cycle

import sympy
from sympy import Expr, ImmutableDenseMatrix, Matrix
from sympy.polys.matrices import DomainMatrix

from theory.laws.parameters import rationalized
from theory.stability.irreducibility import is_irreducible
from theory.stability.randomness import vanishes

GENERIC = ((2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37), (3, 7, 1, 9, 4, 8, 5, 2, 6, 10, 13, 11))
"""Two choices of fixed small integers that make a generic element of a commutant; both must give the same dimensions."""
LARGEST_COMMUTANT = 16
"""The largest dimension whose commutant is solved for."""


@dataclass(frozen=True)
class Invariant:
    """An invariant subspace: `basis`, orthogonal columns; `irreducible` is False where it might split further.

    It might where eigenvalues are roots of irreducible polynomials of degree three or more, which stay unexpressed.
    """

    basis: ImmutableDenseMatrix
    irreducible: bool = True


def invariant_subspaces(matrices: Sequence[sympy.MatrixBase], size: int) -> list[Invariant]:
    """Return orthogonal subspaces that every symmetric matrix maps into itself, and whose sum is the whole space.

    Floating-point entries are read as the simplest rationals within their accuracy, so that ranks are decided exactly.
    A subspace on which every matrix is a multiple of the identity comes in one piece: its dimension is the multiplicity.
    """
    exact = [ImmutableDenseMatrix(matrix.applyfunc(rationalized)) for matrix in matrices]
    found: list[Invariant] = []
    for coordinates in _coupled_coordinates(exact, size):
        basis = sympy.eye(size)[:, coordinates]
        restrictions = [matrix.extract(coordinates, coordinates) for matrix in exact]
        for piece in _split(restrictions, len(coordinates)):
            found.append(Invariant(ImmutableDenseMatrix(basis * piece.basis), piece.irreducible))
    return found


def restriction(matrix: sympy.MatrixBase, basis: sympy.MatrixBase) -> Matrix:
    """The matrix of the restriction to an invariant subspace, in a basis of orthogonal columns."""
    if (coordinates := _coordinates(basis)) is not None:
        return Matrix(matrix.extract(coordinates, coordinates))
    image = basis.T * (matrix * basis)
    norms = [(basis[:, j].T * basis[:, j])[0] for j in range(basis.cols)]
    return Matrix(basis.cols, basis.cols, lambda i, j: _tidy(image[i, j] / norms[i]))


def _coordinates(basis: sympy.MatrixBase) -> list[int] | None:
    """The coordinates that a basis of unit vectors selects; None for any other basis."""
    entries = basis.todok()
    if len(entries) != basis.cols or any(entry != 1 for entry in entries.values()):
        return None
    rows = {column: row for row, column in entries}
    return [rows[column] for column in range(basis.cols)] if len(rows) == basis.cols else None


def is_scalar(matrix: sympy.MatrixBase) -> bool:
    """Whether a matrix is a multiple of the identity."""
    return all(
        vanishes(matrix[i, j] - (matrix[0, 0] if i == j else 0)) for i in range(matrix.rows) for j in range(matrix.cols)
    )


def _coupled_coordinates(matrices: Sequence[sympy.MatrixBase], size: int) -> list[list[int]]:
    """Groups of coordinates that no matrix couples to the others."""
    return _components(size, lambda i, j: any(matrix[i, j] != 0 for matrix in matrices))


def _components(count: int, coupled: Callable[[int, int], bool]) -> list[list[int]]:
    groups: list[list[int]] = []
    for index in range(count):
        touching = [group for group in groups if any(coupled(index, other) for other in group)]
        groups = [group for group in groups if group not in touching]
        groups.append(sorted([index, *(member for group in touching for member in group)]))
    return sorted(groups)


def _split(matrices: Sequence[sympy.MatrixBase], size: int) -> list[Invariant]:
    if size == 1 or is_irreducible(matrices, size):
        return [Invariant(ImmutableDenseMatrix(sympy.eye(size)))]
    spaces: list[Matrix] = [Matrix(sympy.eye(size))]
    known = 0
    while known < len(spaces):  # a piece that a matrix did not preserve may fall apart later into pieces that it does
        known = len(spaces)
        for matrix in matrices:
            spaces = [part for space in spaces for part in _eigenspaces_within(matrix, space)]
    groups = _components(
        len(spaces), lambda i, j: any(not _is_zero(spaces[i].T * matrix * spaces[j]) for matrix in matrices)
    )
    if len(groups) == 1:
        if len(spaces) == 1 and all(map(is_scalar, matrices)):
            return [Invariant(ImmutableDenseMatrix(sympy.eye(size)))]
        return _split_by_commutant(matrices, size)
    found: list[Invariant] = []
    for group in groups:
        basis = Matrix.hstack(*(spaces[index] for index in group))
        restrictions = [restriction(matrix, basis) for matrix in matrices]
        if len(group) == 1 and all(map(is_scalar, restrictions)):
            found.append(Invariant(ImmutableDenseMatrix(basis)))
        else:
            pieces = _split_by_commutant(restrictions, basis.cols, weights=_norms(basis))
            found += [Invariant(ImmutableDenseMatrix(basis * piece.basis), piece.irreducible) for piece in pieces]
    return found


def _eigenspaces_within(matrix: sympy.MatrixBase, space: Matrix) -> list[Matrix]:
    """The eigenspaces of a matrix inside a subspace; the subspace itself where it is not invariant or does not split."""
    restricted = restriction(matrix, space)
    if not _is_zero(matrix * space - space * restricted):
        return [space]
    if is_scalar(restricted):
        return [space]
    parts = _eigenspaces(restricted)
    return [space] if parts is None else [_orthogonalised(space * part) for part in parts]


def _split_by_commutant(
    matrices: Sequence[sympy.MatrixBase], size: int, weights: Sequence[Expr] | None = None
) -> list[Invariant]:
    """The eigenspaces of a generic matrix that commutes with all and is self-adjoint for the given squared norms."""
    metric = sympy.diag(*(weights or [1] * size))
    if size > LARGEST_COMMUTANT:
        return [Invariant(ImmutableDenseMatrix(sympy.eye(size)), irreducible=False)]
    commutant = _commutant(matrices, metric)
    whole = [Invariant(ImmutableDenseMatrix(sympy.eye(size)))]
    if len(commutant) == 1:
        return whole
    choices = [
        _eigenspaces(sum(map(operator.mul, cycle(numbers), commutant), sympy.zeros(size))) for numbers in GENERIC
    ]
    if any(parts is None for parts in choices):
        return [Invariant(whole[0].basis, irreducible=False)]
    first, second = (sorted(part.cols for part in parts or []) for parts in choices)
    parts = choices[0] if len(first) >= len(second) else choices[1]
    return [Invariant(ImmutableDenseMatrix(_orthogonalised(part, metric)), first == second) for part in parts or []]


def _commutant(matrices: Sequence[sympy.MatrixBase], metric: sympy.MatrixBase) -> list[Matrix]:
    """A basis of the X with X C = C X for every C and metric * X symmetric."""
    size = metric.rows
    unknowns = {(i, j): sympy.Dummy(f"x{i}{j}") for i in range(size) for j in range(i, size)}
    generic = Matrix(size, size, lambda i, j: unknowns[min(i, j), max(i, j)] / metric[i, i])
    names = list(unknowns.values())
    rows = [
        [sympy.expand(entry).coeff(name) for name in names]
        for matrix in matrices
        for entry in generic * matrix - matrix * generic
    ]
    kernel = _nullspace(Matrix(rows))
    return [Matrix(generic.xreplace(dict(zip(names, vector, strict=True)))) for vector in kernel]


# --------------------------------------------------------------------------------------------------- exact linear algebra


def _eigenspaces(matrix: sympy.MatrixBase) -> list[Matrix] | None:
    """Bases of the eigenspaces of a diagonalisable matrix; None if an eigenvalue needs more than a square root."""
    variable = sympy.Dummy("lambda")
    domain = DomainMatrix.from_Matrix(Matrix(matrix)).to_field()
    coefficients = [domain.domain.to_sympy(entry) for entry in domain.charpoly()]
    polynomial = sum(c * variable ** (len(coefficients) - 1 - k) for k, c in enumerate(coefficients))
    spaces: list[Matrix] = []
    for factor, _ in sympy.factor_list(polynomial, variable)[1]:
        leading, *rest = sympy.Poly(factor, variable).all_coeffs()
        if len(rest) == 1:
            shifted = matrix + rest[0] / leading * sympy.eye(matrix.rows)
            spaces.append(Matrix.hstack(*map(Matrix, _nullspace(shifted))))
        elif len(rest) == 2:
            spaces += _conjugate_pair(matrix, rest[0] / leading, rest[1] / leading)
        else:
            return None
    return spaces if sum(space.cols for space in spaces) == matrix.rows else None


def _conjugate_pair(matrix: sympy.MatrixBase, linear: Expr, constant: Expr) -> list[Matrix]:
    """The two eigenspaces inside the kernel of C^2 + linear C + constant: (C - other eigenvalue) v for v in the kernel."""
    kernel = _nullspace(matrix * matrix + linear * matrix + constant * sympy.eye(matrix.rows))
    root = sympy.sqrt(sympy.factor(linear**2 - 4 * constant))
    eigenvalues = [(-linear + root) / 2, (-linear - root) / 2]
    chosen: list[Matrix] = []
    for vector in map(Matrix, kernel):
        pair = [*chosen, vector, matrix * vector]
        if Matrix.hstack(*pair).rank() == len(pair):
            chosen = pair
    starts = chosen[::2]
    return [
        Matrix.hstack(*((matrix * v - other * v).applyfunc(_tidy) for v in starts)) for other in reversed(eigenvalues)
    ]


def _nullspace(matrix: sympy.MatrixBase) -> list[list[Expr]]:
    """A basis of the kernel of a matrix over the field of its entries."""
    domain = DomainMatrix.from_Matrix(Matrix(matrix), extension=True).to_field()
    kernel = domain.nullspace().to_Matrix()
    return [_cleared(kernel.row(index)) for index in range(kernel.rows)]


def _cleared(row: sympy.MatrixBase) -> list[Expr]:
    """A vector without denominators, its first entry positive where that is decided."""
    entries = [sympy.cancel(entry) for entry in row]
    scale = sympy.Integer(1)
    for entry in entries:
        scale = sympy.lcm(scale, sympy.fraction(entry)[1])
    entries = [sympy.cancel(entry * scale) for entry in entries]
    common = sympy.Integer(0)
    for entry in entries:
        common = sympy.gcd(common, entry)
    first = next((entry for entry in entries if entry != 0), sympy.Integer(1))
    sign = -1 if first.could_extract_minus_sign() else 1
    return [sympy.cancel(sign * entry / common) if common != 0 else entry for entry in entries]


def _orthogonalised(basis: sympy.MatrixBase, metric: sympy.MatrixBase | None = None) -> Matrix:
    """Gram-Schmidt without normalisation, so that no square roots appear."""
    weight = sympy.eye(basis.rows) if metric is None else metric
    columns: list[Matrix] = []
    for index in range(basis.cols):
        column = Matrix(basis[:, index])
        for other in columns:
            column -= other * ((other.T * weight * column)[0] / (other.T * weight * other)[0])
        columns.append(Matrix(_cleared(column.applyfunc(_tidy).T)))
    return Matrix.hstack(*columns)


def _norms(basis: sympy.MatrixBase) -> list[Expr]:
    return [_tidy((basis[:, j].T * basis[:, j])[0]) for j in range(basis.cols)]


def _is_zero(matrix: sympy.MatrixBase) -> bool:
    return all(vanishes(entry) for entry in matrix)


def _tidy(entry: Expr) -> Expr:
    return entry if entry.is_Number else sympy.radsimp(sympy.cancel(sympy.expand(entry)))
