"""Curves on which a function changes sign: exact vertices, closed and open curves, stripes narrower than the grid."""

from __future__ import annotations

import numpy as np
import pytest

from numerics.stability.level_sets.level_curves import TOLERANCE, Field, level_curves

X, Y = np.linspace(-2, 2, 14), np.linspace(-1.5, 1.5, 11)


def sampled(function, x, y):
    values = function(x, y)
    return Field(values, np.full(values.shape, 1e-14), np.zeros(values.shape, dtype=np.int64))


def traced(function, x=X, y=Y, evaluate=sampled, **options):
    grid = evaluate(function, *np.meshgrid(x, y, indexing="ij"))
    return level_curves(x, y, grid, lambda a, b: evaluate(function, a, b), **options)


def test_every_vertex_of_a_circle_lies_on_it_within_its_error():
    (curve,) = traced(lambda x, y: x**2 + y**2 - 1)
    np.testing.assert_allclose(np.hypot(*curve.points.T), 1, atol=1e-12)
    assert np.all(np.abs(np.hypot(*curve.points.T) - 1) <= curve.errors + 1e-15)
    assert np.all(curve.errors < 1e-10)
    np.testing.assert_array_equal(curve.points[0], curve.points[-1])
    turns = np.unwrap(np.arctan2(*curve.points.T[::-1]))
    assert abs(turns[-1] - turns[0]) == pytest.approx(2 * np.pi)
    assert np.all(np.diff(turns) > 0) or np.all(np.diff(turns) < 0)


def test_a_curve_that_leaves_the_grid_ends_at_its_edge():
    (curve,) = traced(lambda x, y: y - 0.31 * np.sin(3 * x))
    assert sorted(curve.points[[0, -1], 0].tolist()) == [-2, 2]
    np.testing.assert_allclose(curve.points[:, 1], 0.31 * np.sin(3 * curve.points[:, 0]), atol=1e-11)


def test_a_row_may_be_crossed_many_times():
    curves = traced(lambda x, y: np.cos(3 * x) + 0.1 * y, x=np.linspace(-2, 2, 41))
    assert len(curves) == 4
    middles = sorted(float(curve.points[np.argmin(np.abs(curve.points[:, 1])), 0]) for curve in curves)
    np.testing.assert_allclose(middles, np.pi / 6 * np.array([-3, -1, 1, 3]), atol=0.02)


def test_the_sign_at_the_centre_decides_how_a_saddle_is_joined():
    x = y = np.array([-1.0, 1.0])
    for shift in (0.2, -0.2):
        curves = traced(lambda x, y, shift=shift: x * y + shift, x, y)
        assert len(curves) == 2
        for curve in curves:  # each branch of a hyperbola stays in one quadrant
            assert np.all(curve.points.prod(axis=1) * shift < 0)
            assert len({tuple(signs) for signs in np.sign(curve.points).tolist()}) == 1


def test_a_jump_to_infinity_is_found_by_bisection():
    (curve,) = traced(lambda x, y: np.where(x + 0 * y > 0.123, np.inf, -1.0))
    np.testing.assert_allclose(curve.points[:, 0], 0.123, atol=1e-10)


def stripes(function, x, y):
    """log|m| + 1/2, below zero where |m| < exp(-1/2) only; the sign of m tells the regions."""
    multiplier = function(x, y)
    with np.errstate(divide="ignore"):
        values = np.log(np.abs(multiplier)) + 0.5
    return Field(values, np.full(values.shape, 1e-14), (multiplier > 0).astype(np.int64))


def test_both_edges_of_a_stripe_narrower_than_the_grid_are_found():
    """m = 1000 (x - y/5): the stripe is one thousandth wide, the grid three tenths."""
    curves = traced(lambda x, y: 1000 * (x - 0.2 * y - 0.05), evaluate=stripes)
    assert len(curves) == 2
    for curve in curves:
        offsets = 1000 * (curve.points[:, 0] - 0.2 * curve.points[:, 1] - 0.05)
        np.testing.assert_allclose(np.abs(offsets), np.exp(-0.5), atol=1e-6)
    assert len({float(np.sign(curve.points[0] @ [1, -0.2] - 0.05)) for curve in curves}) == 2


def test_the_same_stripe_is_invisible_without_regions():
    def blind(function, x, y):
        field = stripes(function, x, y)
        return Field(field.values, field.errors, np.zeros(field.values.shape, dtype=np.int64))

    assert traced(lambda x, y: 1000 * (x - 0.2 * y - 0.05), evaluate=blind) == []


def test_without_evaluation_vertices_are_interpolated_and_say_so():
    values = np.add.outer(X, 2 * Y) - 0.3
    field = Field(values, np.full(values.shape, 0.01), np.zeros(values.shape, dtype=np.int64))
    (curve,) = level_curves(X, Y, field, None)
    np.testing.assert_allclose(curve.points @ [1, 2], 0.3, atol=1e-12)
    edge = min(np.diff(X).min(), np.diff(Y).min())
    assert np.all(curve.errors >= edge / 2)


def test_along_an_axis_with_nothing_between_its_points_only_the_other_is_refined():
    sizes = np.array([1.0, 2.0, 4.0])
    asked = []

    def only_whole(function, x, y):
        asked.extend(np.ravel(y).tolist())
        return sampled(function, x, y)

    (curve,) = traced(lambda x, y: x * y - 2.2, np.linspace(0.4, 3, 9), sizes, only_whole, between=(True, False))
    assert set(asked) <= set(sizes.tolist())
    rows = np.isin(curve.points[:, 1], sizes)
    np.testing.assert_allclose(curve.points[rows].prod(axis=1), 2.2, atol=1e-10)
    assert np.all(curve.errors[~rows] > 0.2)
    assert np.all(curve.errors[rows] < 10 * TOLERANCE)


def test_a_function_of_one_sign_has_no_curve():
    assert traced(lambda x, y: 1 + x**2 + y**2) == []
    assert traced(lambda x, y: -1 - x**2 - y**2) == []
