"""The vector operations of the kernels, and the law of a Gaussian field's gradients against Wick's formula."""

from __future__ import annotations

import numpy as np
import pytest
from numba import njit

from numerics.linear_algebra import combine_rows, factorise, field_coefficients

rng = np.random.default_rng(42)


def test_rows_are_combined_as_numpy_combines_them():
    rows, target = rng.normal(size=(3, 11)), np.full(11, 7.0)
    combine_rows(np.array([2.0, 0.0, -1.0]), rows, target)
    np.testing.assert_allclose(target, 2 * rows[0] - rows[2], rtol=1e-13)


@pytest.mark.parametrize("rank", [1, 3, 5])
def test_the_factor_of_a_semidefinite_matrix_multiplies_back(rank):
    root = rng.normal(size=(5, rank))
    matrix = root @ root.T
    factor = np.full((5, 5), 7.0)
    factorise(matrix, factor)
    assert (np.triu(factor, 1) == 0).all()
    np.testing.assert_allclose(factor @ factor.T, matrix, atol=1e-7 * np.abs(matrix).max())
    in_place = matrix.copy()
    factorise(in_place, in_place)
    assert (in_place == factor).all()
    zero = np.zeros((3, 3))
    factorise(zero, zero)
    assert (zero == 0).all()


@njit
def many_gradients(points, first, second, noise, out):
    count = len(points)
    square, triangle, white = np.empty((count, count)), np.empty((count, count)), np.empty((count, count))
    across, along = np.empty((count, count)), np.empty((count, count))
    covariance, bracket = np.empty((count * count, count * count)), np.empty((count, count))
    for index in range(len(out)):
        square[:] = first
        field_coefficients(
            points @ points.T,
            noise[index] @ points.T,
            square,
            second,
            triangle,
            white,
            covariance,
            bracket,
            across,
            along,
        )
        out[index] = across @ noise[index] + along @ points


def kernels(order):
    """kappa' and kappa'' of r**order."""
    return lambda r: order * r ** (order - 1), lambda r: order * (order - 1) * r ** max(order - 2, 0)


base = rng.normal(size=(3, 5)) / 2
POINTS = {
    "one": base[:1],
    "two": base[:2],
    "three": base,
    "parallel": np.stack([base[0], -0.5 * base[0]]),
    "equal": np.stack([base[0], base[0]]),
    "dependent": np.stack([base[0], base[1], base[0] - 2 * base[1]]),
    "zero": np.stack([base[0], 0 * base[0]]),
    "orthogonal": np.eye(5)[:3],
}


@pytest.mark.parametrize("order", [1, 2, 3, 4])
@pytest.mark.parametrize("name", POINTS)
def test_gradients_of_a_gaussian_field_follow_wicks_formula(name, order):
    """Cov(<grad F(p), a>, <grad F(q), b>) = kappa'(<p,q>) <a,b> + kappa''(<p,q>) <q,a> <p,b>."""
    points = np.ascontiguousarray(POINTS[name])
    count, n = points.shape
    first, second = (kernel(points @ points.T) for kernel in kernels(order))
    draws, generator = 20_000, np.random.default_rng(7)
    out = np.empty((draws, count, n))
    many_gradients(
        points,
        first,
        second,
        generator.normal(size=(draws, count, n)),
        out,
    )
    exact = np.einsum("pq,ab->paqb", first, np.eye(n)) + np.einsum("pq,qa,pb->paqb", second, points, points)
    exact = exact.reshape(count * n, count * n)
    flat = out.reshape(draws, -1)
    error = np.sqrt((np.outer(np.diag(exact), np.diag(exact)) + exact**2) / draws)
    assert (np.abs(flat.T @ flat / draws - exact) <= 5 * error + 1e-12).all()
    assert (np.abs(flat.mean(axis=0)) <= 5 * np.sqrt(np.diag(exact) / draws) + 1e-12).all()


def test_a_homogeneous_field_obeys_eulers_identity_between_points():
    """For order 2, <grad F(p), q> + <grad F(q), p> is a polarisation: grad F is linear, so grad F(p + q) is the sum."""
    points = np.stack([base[0], base[1], base[0] + base[1]])
    first, second = (kernel(points @ points.T) for kernel in kernels(2))
    out = np.empty((50, 3, 5))
    many_gradients(points, first, second, rng.normal(size=(50, 3, 5)), out)
    np.testing.assert_allclose(out[:, 2], out[:, 0] + out[:, 1], atol=1e-6)
    np.testing.assert_allclose(out[:, 0] @ base[1], out[:, 1] @ base[0], atol=1e-6)
