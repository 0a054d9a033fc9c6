"""Philox against its published vectors, and every draw against the law it claims, at seeds fixed beforehand."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numba import njit
from scipy import stats

from numerics import random as draws
from numerics.random import Purpose

SMALLEST_P = 1e-6
COUNT = 200_000

KNOWN_ANSWERS = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


@njit
def many(draw, count, seed):
    """`count` scalar draws of successive indices; the slow reference loop of these tests."""
    out = np.empty(count)
    for index in range(count):
        out[index] = draw(seed, 0, 3, 7, index, 1)
    return out


@njit
def many_of(draw, parameter, count, seed):
    out = np.empty(count)
    for index in range(count):
        out[index] = draw(parameter, seed, 0, 3, 7, index, 1)
    return out


def filled(fill, count=COUNT, seed=11, stream=0, replica=0, step=0, purpose=Purpose.DATA):
    out = np.empty(count)
    fill(out, seed, stream, replica, step, purpose)
    return out


def philox_reference(counter, key):
    """Ten rounds in Python integers."""
    c, k = list(counter), list(key)
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(p1 >> 32) ^ c[1] ^ k[0], p1 & 0xFFFFFFFF, (p0 >> 32) ^ c[3] ^ k[1], p0 & 0xFFFFFFFF]
        k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return tuple(c)


@pytest.mark.parametrize(("counter", "key", "answer"), KNOWN_ANSWERS)
def test_philox_passes_the_known_answer_vectors(counter, key, answer):
    assert tuple(int(word) for word in draws.philox4x32(*counter, *key)) == answer
    assert philox_reference(counter, key) == answer


def test_key_and_counter_hold_what_the_module_documents():
    seed, stream, replica, step, draw, purpose = 0x1234567_89ABCDEF, 5, 6, 7, 8, 9
    key = (0x89ABCDEF, 0x1234567 ^ (5 * 0x9E3779B9 & 0xFFFFFFFF))
    expected = philox_reference((draw, step, replica, purpose), key)
    assert tuple(int(word) for word in draws.words4(seed, stream, replica, step, draw, purpose)) == expected


def test_each_index_changes_the_draw():
    base = [1, 2, 3, 4, 5, 6]
    seen = {draws.uniform1(*base)}
    for position in range(6):
        seen.add(draws.uniform1(*[value + (index == position) for index, value in enumerate(base)]))
    assert len(seen) == 7


def test_logarithm_and_circle_are_accurate_to_an_ulp_or_two():
    points = np.concatenate([np.arange(1, 2001), np.arange(2**32 - 2000, 2**32 + 1), 3 ** np.arange(20)]) * 2.0**-32
    for u in points:
        assert draws.logarithm(u) == pytest.approx(math.log(u), rel=3e-16, abs=0)
    for word in [0, 1, 2**29 - 1, 2**29, 2**30, 2**31 - 1, 2**31, 3 * 2**30, 2**32 - 1, 123456789, 3456789012]:
        cosine, sine = draws.circle(word)
        angle = 2 * math.pi * (word + 0.5) / 2**32
        assert cosine == pytest.approx(math.cos(angle), abs=1e-15)
        assert sine == pytest.approx(math.sin(angle), abs=1e-15)


@pytest.mark.parametrize(
    ("fill", "law"),
    [
        (draws.fill_normals, stats.norm()),
        (draws.fill_uniforms, stats.uniform()),
        (draws.fill_exponentials, stats.expon()),
    ],
)
def test_fills_follow_their_law(fill, law):
    sample = filled(fill)
    assert stats.kstest(sample, law.cdf).pvalue > SMALLEST_P
    for power in (1, 2, 3, 4):
        moment, variance = law.moment(power), law.moment(2 * power) - law.moment(power) ** 2
        assert abs(np.mean(sample**power) - moment) < 5 * math.sqrt(variance / COUNT)


def test_signs_are_fair_and_uncorrelated():
    sample = filled(draws.fill_signs)
    assert set(sample) == {-1.0, 1.0}
    for lag in (1, 2, 31, 32, 128):
        assert abs(np.mean(sample[lag:] * sample[:-lag])) < 5 / math.sqrt(COUNT - lag)
    assert abs(sample.mean()) < 5 / math.sqrt(COUNT)


@pytest.mark.parametrize("fill", [draws.fill_normals, draws.fill_uniforms, draws.fill_exponentials, draws.fill_signs])
def test_an_element_does_not_depend_on_the_length(fill):
    long = filled(fill, 300)
    for length in [*range(40), 127, 128, 129, 299]:
        assert np.array_equal(filled(fill, length), long[:length])


CALLER_WITH_FASTMATH = """
import numpy as np
from numba import njit
from numerics import random as draws

@njit(fastmath=True)
def caller(out):
    draws.fill_normals(out, 1, 0, 0, 0, 0)

caller(np.empty(10))
out = np.empty(300)
draws.fill_normals(out, 1, 0, 0, 0, 0)
for length in range(40):
    part = np.empty(length)
    draws.fill_normals(part, 1, 0, 0, 0, 0)
    assert np.array_equal(part, out[:length]), length
"""


def test_draws_do_not_inherit_the_fastmath_of_a_caller_that_compiles_them_first(tmp_path):
    root = Path(__file__).parent.parent.parent
    environment = {**os.environ, "PYTHONPATH": str(root), "NUMBA_CACHE_DIR": str(tmp_path)}  # nothing compiled before
    subprocess.run([sys.executable, "-c", CALLER_WITH_FASTMATH], env=environment, check=True)


def test_fill_equals_the_block_draws_bit_for_bit():
    long = filled(draws.fill_normals, 400, seed=3, stream=1, replica=2, step=5)
    blocks = [draws.normal4(3, 1, 2, 5, block, Purpose.DATA) for block in range(100)]
    assert np.array_equal(long, np.ravel(blocks))


@pytest.mark.parametrize("changed", ["stream", "replica", "step", "purpose", "seed"])
def test_neighbouring_indices_give_uncorrelated_normals(changed):
    one, two = filled(draws.fill_normals), filled(draws.fill_normals, **{changed: 12 if changed == "seed" else 1})
    for f in (lambda x: x, lambda x: x**2 - 1):
        product = f(one) * f(two)
        assert abs(product.mean()) < 5 * product.std() / math.sqrt(COUNT)


def test_normals_across_replicas_and_steps_are_uncorrelated():
    table = np.array([[filled(draws.fill_normals, 8, replica=r, step=s) for s in range(50)] for r in range(200)])
    for product in (table[1:] * table[:-1], table[:, 1:] * table[:, :-1], table[..., 1:] * table[..., :-1]):
        assert abs(product.mean()) < 5 / math.sqrt(product.size)


@pytest.mark.parametrize(
    ("draw", "law"),
    [(draws.normal1, stats.norm()), (draws.uniform1, stats.uniform()), (draws.exponential1, stats.expon())],
)
def test_scalar_draws_follow_their_law(draw, law):
    assert stats.kstest(many(draw, COUNT, 5), law.cdf).pvalue > SMALLEST_P


def test_sign1_is_fair():
    sample = many(draws.sign1, COUNT, 5)
    assert set(sample) == {-1.0, 1.0}
    assert abs(sample.mean()) < 5 / math.sqrt(COUNT)


def test_choice_and_integer_have_the_right_frequencies():
    weights = np.array([0.1, 0.0, 0.25, 0.65, 0.0])
    counts = np.bincount(many_of(draws.choice1, np.cumsum(weights), COUNT, 5).astype(int), minlength=5)
    assert counts[1] == counts[4] == 0
    assert stats.chisquare(counts[[0, 2, 3]], COUNT * weights[[0, 2, 3]]).pvalue > SMALLEST_P
    integers = many_of(draws.integer1, 7, COUNT, 5).astype(int)
    assert integers.min() == 0
    assert integers.max() == 6
    assert stats.chisquare(np.bincount(integers)).pvalue > SMALLEST_P
    assert many_of(draws.integer1, 1, 10, 5).max() == 0
    assert draws.integer1(2**32 - 1, 1, 0, 0, 0, 0, 0) < 2**32 - 1


@pytest.mark.parametrize("shape", [0.5, 1.0, 3.7])
def test_gamma_has_the_right_mean_variance_and_law(shape):
    sample = many_of(draws.gamma1, shape, COUNT, 5)
    assert abs(sample.mean() - shape) < 5 * math.sqrt(shape / COUNT)
    # the fourth central moment of a gamma variable is 3 a^2 + 6 a
    assert abs(sample.var() - shape) < 5 * math.sqrt((2 * shape**2 + 6 * shape) / COUNT)
    assert stats.kstest(sample, stats.gamma(shape).cdf).pvalue > SMALLEST_P


def test_normals_fill_single_precision_arrays_with_the_rounded_values():
    single = np.empty(100, np.float32)
    draws.fill_normals(single, 11, 0, 0, 0, Purpose.DATA)
    assert np.array_equal(single, filled(draws.fill_normals, 100).astype(np.float32))
