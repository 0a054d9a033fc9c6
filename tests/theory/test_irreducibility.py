"""Proofs modulo a prime: irreducible families of matrices, independent functions on the rows of a data set."""

from __future__ import annotations

import numpy as np
import pytest
import sympy

from theory import SGD, Empirical, Model, Normal, Vector, dot, stability, symbols
from theory.stability.irreducibility import is_irreducible
from theory.stability.outcome_functions import independent_functions
from theory.stability.splitting import invariant_subspaces

eta = symbols("eta", positive=True)
x, y, z = symbols("x y z")


def symmetric(rng, size):
    matrix = rng.integers(-3, 4, (size, size))
    return sympy.Matrix(matrix + matrix.T)


def hidden_blocks(rng, *sizes):
    """Symmetric matrices with common invariant subspaces, in a basis that shows none of them."""
    total = sum(sizes)
    basis = sympy.Matrix(np.tril(rng.integers(-2, 3, (total, total)), -1) + np.eye(total, dtype=int))
    rotation = sympy.Matrix.hstack(*sympy.Matrix.orthogonalize(*(basis[:, j] for j in range(total))))
    inverse_norms = sympy.diag(*((rotation[:, j].T * rotation[:, j])[0] ** -1 for j in range(total)))
    return [
        rotation * inverse_norms * sympy.diag(*(symmetric(rng, size) for size in sizes)) * inverse_norms * rotation.T
        for _ in range(3)
    ]


@pytest.mark.parametrize("size", [2, 3, 5, 9])
def test_generic_symmetric_matrices_share_no_invariant_subspace(size):
    rng = np.random.default_rng(size)
    matrices = [symmetric(rng, size) for _ in range(2)]
    assert is_irreducible(matrices, size)


@pytest.mark.parametrize("sizes", [(1, 1), (1, 2), (2, 3), (3, 3), (1, 1, 4)])
def test_a_family_with_an_invariant_subspace_is_never_called_irreducible(sizes):
    matrices = hidden_blocks(np.random.default_rng(7), *sizes)
    assert not is_irreducible(matrices, sum(sizes))
    assert sorted(piece.basis.cols for piece in invariant_subspaces(matrices, sum(sizes))) == sorted(sizes)


def test_equal_blocks_are_never_called_irreducible():
    rng = np.random.default_rng(3)
    matrices = [sympy.diag(block, block) for block in (symmetric(rng, 3) for _ in range(3))]
    assert not is_irreducible(matrices, 6)


def test_symbols_and_roots_in_the_entries():
    a = symbols("a")
    assert is_irreducible([sympy.Matrix([[0, a], [a, 0]]), sympy.Matrix([[1, 0], [0, 2]])], 2)
    assert not is_irreducible([sympy.Matrix([[a, 0], [0, 2 * a]]), sympy.Matrix([[1, 0], [0, 2]])], 2)
    assert not is_irreducible([sympy.Matrix([[0, sympy.sqrt(2)], [sympy.sqrt(2), 1]])], 2)  # a root proves nothing


def test_rank_one_curvatures_of_isotropic_data_make_one_block():
    n = symbols("n", positive=True, integer=True)
    w, inputs = Vector("w", n), Vector("z", n)
    model = Model(dot(w, inputs) ** 2 / 2, [w], {inputs: Normal()}).components({n: 12})
    found = stability(model, SGD(eta), point=dict.fromkeys(model.parameters, 0))
    assert [(block.size, block.irreducible) for block in found.blocks] == [(12, True)]


def test_a_column_of_zeros_and_a_repeated_column_of_a_large_data_set_are_neutral_directions():
    rng = np.random.default_rng(5)
    columns = rng.integers(-4, 5, (400, 3))
    data = np.column_stack([columns, np.zeros(400, dtype=int), columns[:, 0] - 2 * columns[:, 1]])
    d = symbols("d", positive=True, integer=True)
    w, inputs = Vector("w", d), Vector("x", d)
    model = Model(dot(w, inputs) ** 2 / 2, [w], {inputs: Empirical(data)}).components()
    found = stability(model, SGD(eta, batch_size=4), point=dict.fromkeys(model.parameters, 0))
    neutral = [block for block in found.blocks if block.is_neutral]
    assert sorted((block.size, block.multiplicity) for block in found.blocks) == [(1, 2), (3, 1)]
    (block,) = neutral
    assert all(not (data @ np.array(block.vectors[:, j], dtype=float)).any() for j in range(block.vectors.cols))


def test_functions_that_are_dependent_on_the_data_are_combined():
    law = Empirical([1, 2, 3, 4], [2, 4, 6, 8], [0, 0, 0, 0])
    rows, known = independent_functions([x, y, z, x * y], (x, y, z), law)
    assert known
    assert rows == [{x: 1, y: 2}, {x * y: 1}]
    many, known = independent_functions([sympy.sin(x), y], (x, y, z), law)
    assert not known
    assert many == [{sympy.sin(x): 1}, {y: 1}]
