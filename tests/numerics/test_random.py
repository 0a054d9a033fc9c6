"""Philox against its published vectors, and what every draw makes of its words, whatever the loop or array around it."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numba import njit

from numerics import kernel, random as draws
from numerics.elementary import compilation
from numerics.precision import Precision
from numerics.random import Purpose

FILLS = [draws.fill_normals, draws.fill_uniforms, draws.fill_exponentials, draws.fill_signs]
FILLS32 = [draws.fill_normals32, draws.fill_uniforms32, draws.fill_exponentials32, draws.fill_signs32]
KNOWN_ANSWERS = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


def filled(fill, count=1000, seed=11, stream=0, replica=0, step=0, purpose=Purpose.DATA):
    out = np.empty(count, np.float32 if fill.__name__.endswith("32") else float)
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


# ----------------------------------------------------------------------------------------------------- words of a block


@pytest.mark.parametrize(("counter", "key", "answer"), KNOWN_ANSWERS)
def test_philox_passes_the_known_answer_vectors(counter, key, answer):
    assert tuple(int(word) for word in draws.philox4x32(*counter, *key)) == answer
    assert philox_reference(counter, key) == answer


def test_philox_equals_its_definition_at_random_counters_and_keys():
    for numbers in np.random.default_rng(7).integers(0, 2**32, (200, 6)):
        counter, key = tuple(map(int, numbers[:4])), tuple(map(int, numbers[4:]))
        assert tuple(int(word) for word in draws.philox4x32(*counter, *key)) == philox_reference(counter, key)


def test_key_and_counter_hold_what_the_package_documents():
    seed, stream, replica, step, draw, purpose = 0x1234567_89ABCDEF, 5, 6, 7, 8, 9
    key = (0x89ABCDEF, 0x1234567 ^ (5 * 0x9E3779B9 & 0xFFFFFFFF))
    expected = philox_reference((draw, step, replica, purpose), key)
    assert tuple(int(word) for word in draws.words4(seed, stream, replica, step, draw, purpose)) == expected


def test_indices_count_modulo_two_to_the_32():
    assert draws.words4(1, 2, 3, 4, 5, 6) == draws.words4(1, 2 + 2**32, 3 + 2**32, 4 + 2**32, 5 + 2**32, 6)
    assert draws.words4(1, 0, 0, -1, 0, 0) == draws.words4(1, 0, 0, 2**32 - 1, 0, 0)


def test_each_index_changes_the_draw():
    base = [1, 2, 3, 4, 5, 6]
    seen = {draws.uniform_draw(*base)}
    for position in range(6):
        seen.add(draws.uniform_draw(*[value + (index == position) for index, value in enumerate(base)]))
    assert len(seen) == 7


# ------------------------------------------------------------------------------------------------------ draws of words


def test_logarithm_and_circle_are_accurate_to_an_ulp_or_two():
    points = np.concatenate([np.arange(1, 2001), np.arange(2**32 - 2000, 2**32 + 1), 3 ** np.arange(20)]) * 2.0**-32
    for u in points:
        assert draws.logarithm(u) == pytest.approx(math.log(u), rel=3e-16, abs=0)
    for word in [0, 1, 2**29 - 1, 2**29, 2**30, 2**31 - 1, 2**31, 3 * 2**30, 2**32 - 1, 123456789, 3456789012]:
        cosine, sine = draws.circle(word)
        angle = 2 * math.pi * (word + 0.5) / 2**32
        assert cosine == pytest.approx(math.cos(angle), abs=1e-15)
        assert sine == pytest.approx(math.sin(angle), abs=1e-15)


def test_an_angle_of_two_words_keeps_its_precision_next_to_the_axes():
    for quarter in range(4):
        for low in (0, 1, 12345, 2**31, 2**32 - 1):
            offset = 2 * math.pi * (low + 0.5) / 2**64
            cosine, sine = draws.circle_of_pair(quarter << 30, low)
            small = sine if quarter % 2 == 0 else cosine
            assert small == pytest.approx(offset if quarter in (0, 3) else -offset, rel=1e-15)
            single = draws.circle_of_pair32(quarter << 30, low)[1 if quarter % 2 == 0 else 0]
            assert float(single) == pytest.approx(small, rel=3e-7)


def test_uniforms_of_words_lie_on_their_grids():
    assert draws.uniform_of(0) == 2.0**-32
    assert draws.uniform_of(2**32 - 1) == 1.0
    assert draws.uniform_of_pair(0, 0) == 2.0**-53
    assert draws.uniform_of_pair(2**32 - 1, 2**32 - 1) == 1.0
    assert draws.exponential_of(2**32 - 1) == 0.0
    assert draws.exponential_of_pair(0, 0) == pytest.approx(53 * math.log(2), rel=1e-15)


def test_block_draws_are_the_draws_of_the_words_of_the_block():
    place = (3, 1, 2, 5, 17, Purpose.NOISE)
    words = draws.words4(*place)
    for suffix in ("", "32"):
        of = {
            name: getattr(draws, name + suffix) for name in ("uniform_of", "exponential_of", "sign_of", "normal_pair")
        }
        for kind in ("uniform", "exponential", "sign"):
            assert getattr(draws, f"{kind}_block{suffix}")(*place) == tuple(of[f"{kind}_of"](word) for word in words)
        pairs = (*of["normal_pair"](words[0], words[1]), *of["normal_pair"](words[2], words[3]))
        assert getattr(draws, f"normal_block{suffix}")(*place) == pairs


def test_single_draws_take_the_first_words_of_their_block():
    place = (3, 1, 2, 5, 17, Purpose.NOISE)
    first, second, _, _ = draws.words4(*place)
    for suffix in ("", "32"):
        normal, uniform, sign = (getattr(draws, f"{kind}_draw{suffix}") for kind in ("normal", "uniform", "sign"))
        assert normal(*place) == getattr(draws, f"normal_pair{suffix}")(first, second)[0]
        assert uniform(*place) == getattr(draws, f"uniform_of_pair{suffix}")(first, second)
        assert sign(*place) == getattr(draws, f"sign_of{suffix}")(first)
    assert draws.exponential_draw(*place) == draws.exponential_of_pair(first, second)


def test_every_draw_of_a_real_number_has_a_variant_in_single_precision():
    plain = [
        *("uniform_of", "uniform_of_pair", "exponential_of", "sign_of", "normal_pair", "circle", "circle_of_pair"),
        *(f"{kind}_block" for kind in ("normal", "uniform", "exponential", "sign")),
        *(f"fill_{kind}s" for kind in ("normal", "uniform", "exponential", "sign")),
        *(f"{kind}_draw" for kind in ("normal", "uniform", "exponential", "sign", "cauchy")),
        *(f"{kind}_draw" for kind in ("gamma", "chi_square", "student")),
    ]
    for name in plain:
        assert Precision.FLOAT64.suffixed(name) in draws.__all__
        assert Precision.FLOAT32.suffixed(name) in draws.__all__


# -------------------------------------------------------------------------------------------------------------- arrays


@pytest.mark.parametrize("fill", [*FILLS, *FILLS32])
def test_an_element_does_not_depend_on_the_length(fill):
    long = filled(fill, 300)
    for length in [*range(40), 95, 96, 97, 127, 128, 129, 299]:
        assert np.array_equal(filled(fill, length), long[:length])


@pytest.mark.parametrize("suffix", ["", "32"])
@pytest.mark.parametrize("kind", ["normal", "uniform", "exponential"])
def test_fills_equal_the_block_draws_bit_for_bit(kind, suffix):
    long = filled(getattr(draws, f"fill_{kind}s{suffix}"), 400, seed=3, stream=1, replica=2, step=5)
    block = getattr(draws, f"{kind}_block{suffix}")
    assert np.array_equal(long, np.ravel([block(3, 1, 2, 5, index, Purpose.DATA) for index in range(100)]))


def test_signs_are_the_bits_of_the_words():
    words = [int(word) for block in range(3) for word in draws.words4(11, 0, 0, 0, block, Purpose.DATA)]
    bits = [word >> bit & 1 for word in words for bit in range(32)]
    for fill in (draws.fill_signs, draws.fill_signs32):
        assert np.array_equal(filled(fill, 384), 1.0 - 2.0 * np.array(bits))


def test_double_precision_fills_round_into_single_precision_arrays():
    single = np.empty(100, np.float32)
    draws.fill_normals(single, 11, 0, 0, 0, Purpose.DATA)
    assert np.array_equal(single, filled(draws.fill_normals, 100).astype(np.float32))


CALLER_WITH_FASTMATH = """
import numpy as np
from numba import njit
from numerics import random as draws

@njit(fastmath=True)
def caller(out, single):
    draws.fill_normals(out, 1, 0, 0, 0, 0)
    draws.fill_normals32(single, 1, 0, 0, 0, 0)

caller(np.empty(10), np.empty(10, np.float32))
for fill, kind in ((draws.fill_normals, float), (draws.fill_normals32, np.float32)):
    out = np.empty(300, kind)
    fill(out, 1, 0, 0, 0, 0)
    for length in range(40):
        part = np.empty(length, kind)
        fill(part, 1, 0, 0, 0, 0)
        assert np.array_equal(part, out[:length]), length
"""


def test_draws_do_not_inherit_the_fastmath_of_a_caller_that_compiles_them_first(tmp_path):
    root = Path(__file__).parent.parent.parent
    environment = {**os.environ, "PYTHONPATH": str(root), "NUMBA_CACHE_DIR": str(tmp_path)}  # nothing compiled before
    subprocess.run([sys.executable, "-c", CALLER_WITH_FASTMATH], env=environment, check=True)


# ------------------------------------------------------------------------------------------------------- how it is kept


def test_a_generated_source_depends_on_every_module_of_the_package():
    found = kernel._imported("from numerics.random import fill_normals")
    modules = ("philox", "words", "words32", "blocks", "fills", "scalar", "gamma")
    assert found >= {"numerics.random", *(f"numerics.random.{module}" for module in modules)}
    assert found >= {"numerics.elementary.logarithm", "numerics.elementary.trigonometric"}


def _doubled(x):
    return 2 * x


def test_cached_machine_code_goes_stale_when_a_module_changes_that_it_may_have_inlined(monkeypatch):
    def stamp():
        return compilation.compiled(_doubled)._cache._cache_file._source_stamp

    before = stamp()
    assert stamp() == before
    monkeypatch.setattr(compilation, "_sources", lambda: "other text")
    assert stamp() != before


@njit
def _integers(count, size, seed):
    out = np.empty(size, np.int64)
    for index in range(size):
        out[index] = draws.integer_draw(count, seed, 0, 3, 7, index, 1)
    return out


def test_integers_stay_below_their_count():
    assert _integers(1, 10, 5).max() == 0
    assert draws.integer_draw(2**32 - 1, 1, 0, 0, 0, 0, 0) < 2**32 - 1
    assert set(_integers(3, 1000, 5)) == {0, 1, 2}
