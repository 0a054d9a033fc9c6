"""Draws for different purposes, replicas, steps, streams or positions are independent, as far as correlations can tell."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numba import njit

from numerics import random as draws
from numerics.random import Purpose

COUNT = 200_000
# functions of a standard normal with mean 0: products of independent ones have mean 0 too
FUNCTIONS = [lambda x: x, lambda x: x**2 - 1, lambda x: x**3 - 3 * x, lambda x: np.abs(x) - math.sqrt(2 / math.pi)]


def normals(count=COUNT, seed=11, stream=0, replica=0, step=0, purpose=Purpose.DATA):
    out = np.empty(count)
    draws.fill_normals(out, seed, stream, replica, step, purpose)
    return out


def assert_uncorrelated(one, two):
    for f in FUNCTIONS:
        for g in FUNCTIONS:
            product = f(one) * g(two)
            assert abs(product.mean()) < 5 * product.std() / math.sqrt(product.size)


@pytest.mark.parametrize(
    "changed",
    [
        {"seed": 12},
        {"stream": 1},
        {"replica": 1},
        {"step": 1},
        {"purpose": 1},
        {"seed": 11 + 2**32},
        {"stream": 2**31},
        {"replica": 2**31, "step": 2**31},
    ],
)
def test_neighbouring_indices_give_independent_normals(changed):
    assert_uncorrelated(normals(), normals(**changed))


def test_exchanged_indices_give_independent_normals():
    assert_uncorrelated(normals(replica=1, step=2), normals(replica=2, step=1))
    assert_uncorrelated(normals(stream=1, replica=0), normals(stream=0, replica=1))


@pytest.mark.parametrize("lag", [1, 2, 3, 4, 5, 8, 32, 64, 1024])
def test_neighbouring_elements_of_a_fill_are_independent(lag):
    sample = normals()
    assert_uncorrelated(sample[lag:], sample[:-lag])


def test_normals_across_replicas_and_steps_are_uncorrelated():
    table = np.array([[normals(8, replica=r, step=s) for s in range(50)] for r in range(200)])
    for product in (table[1:] * table[:-1], table[:, 1:] * table[:, :-1], table[..., 1:] * table[..., :-1]):
        assert abs(product.mean()) < 5 / math.sqrt(product.size)


@njit
def words_of_blocks(count):
    """Four draws of the four words of each block: both normals of two words, the normal scores of the two others."""
    out = np.empty((4, count))
    for block in range(count):
        x0, x1, x2, x3 = draws.words4(21, 0, 1, 2, block, 0)
        out[0, block], out[1, block] = draws.normal_pair(x0, x1)
        out[2, block] = draws.normal_pair(x2, x3)[0]
        out[3, block] = draws.sign_of(x0) * draws.sign_of(x3)
    return out


def test_draws_of_different_words_of_one_block_are_independent():
    first, second, third, signs = words_of_blocks(COUNT)
    assert_uncorrelated(first, second)
    assert_uncorrelated(first, third)
    for sample in (second, third):
        assert abs(np.mean(signs * sample)) < 5 / math.sqrt(COUNT)


@njit
def chi_squares(degrees, count, step):
    out = np.empty(count)
    for replica in range(count):
        out[replica] = draws.chi_square_draw(degrees, 21, 0, replica, step, 5, 0)
    return out


def test_chi_squares_of_neighbouring_replicas_and_steps_are_uncorrelated():
    one, two = ((chi_squares(100.0, COUNT, step) - 100.0) / math.sqrt(200.0) for step in (0, 1))
    for product in (one * two, one[1:] * one[:-1], (one**2 - 1) * (two**2 - 1)):
        assert abs(product.mean()) < 5 * product.std() / math.sqrt(product.size)
