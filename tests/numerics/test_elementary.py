"""The elementary functions: their stated accuracy against mpmath, their edges, and that loops around them vectorise."""

from __future__ import annotations

import math
import re
import warnings

import mpmath
import numpy as np
import pytest
from cuda_support import ptx
from numba import njit
from scipy import special

from numerics import elementary
from numerics.elementary import ACCURATE_UP_TO, ACCURATE_UP_TO32, MAXIMAL_ERROR_ULP

NAMES = ["exp", "log", "tanh", "erf", "sin", "cos", "sigmoid", "softplus"]
VARIANTS = sorted(MAXIMAL_ERROR_ULP)


def softplus(x):
    return mpmath.log1p(mpmath.exp(x))


def sigmoid(x):
    return 1 / (1 + mpmath.exp(-x))


EXACT = {name: getattr(mpmath, name, None) for name in NAMES} | {"softplus": softplus, "sigmoid": sigmoid}
IN_DOUBLE = {name: getattr(np, name, None) for name in NAMES} | {
    "erf": special.erf,
    "sigmoid": special.expit,
    "softplus": lambda x: np.log1p(np.exp(-np.abs(x))) + np.maximum(x, 0),
}
FUNCTIONS = {name: getattr(elementary, name) for name in VARIANTS}


@njit(error_model="numpy")
def over(function, x, out):
    for i in range(x.size):
        out[i] = function(x[i])


def values(name, x):
    out = np.empty_like(x)
    over(FUNCTIONS[name], x, out)
    return out


def plain(name):
    return name.removeprefix("fast_").removesuffix("32")


def neighbours(points, kind):
    """The points in a precision, with the two numbers next to each."""
    points = np.asarray(points, kind)
    infinity = kind(np.inf)
    return np.concatenate([points, np.nextafter(points, infinity), np.nextafter(points, -infinity)])


def hard_points(name, kind):
    """Where formulas change, results leave the normal range, or digits cancel."""
    k = np.arange(1, 400)
    if name in ("sin", "cos"):
        bound = ACCURATE_UP_TO if kind is np.float64 else ACCURATE_UP_TO32
        far = np.random.default_rng(5).integers(400, int(bound / math.pi * 4), 600)
        turns = np.concatenate([k, far[far * (math.pi / 4) < 0.999 * bound]]) * (math.pi / 4)
        return neighbours(np.concatenate([turns, -turns]), kind)
    if name == "log":
        return neighbours([0.5, 2 / 3, 0.70710678, 1.0, 1.3333333, 1.41421356, 2.0, *(1 + 2.0 ** -k[:50])], kind)
    if name in ("exp", "sigmoid", "softplus"):
        borders = (k[:200] - 100.5) * math.log(2)
        return neighbours([*borders, *(2.0 ** -k[:60]), *(-(2.0 ** -k[:60])), -math.log(math.sqrt(2) - 1)], kind)
    return neighbours([0.625, 0.875, 5.9, 3.9, 9.0, 19.0, 22.0, *(2.0 ** -k[:60])], kind)


def spread_points(name, kind, count):
    """A dense grid where the function varies, and random numbers of every size."""
    generator = np.random.default_rng(17)
    low, high = {"exp": (-700, 700), "log": (0.01, 30)}.get(name, (-12, 12))
    if kind is np.float32 and name == "exp":
        low, high = -85, 85
    largest = 300 if kind is np.float64 else 37
    sizes = 10.0 ** generator.uniform(-largest, largest, count) * generator.choice([-1, 1], count)
    sizes = np.abs(sizes) if name == "log" else sizes
    if name in ("exp", "sigmoid", "softplus"):
        sizes = sizes[np.abs(sizes) < (700 if kind is np.float64 else 85)]
    if name in ("sin", "cos"):
        bound = ACCURATE_UP_TO if kind is np.float64 else ACCURATE_UP_TO32
        sizes = np.concatenate([sizes[np.abs(sizes) < bound], generator.uniform(-bound, bound, count)])
    grid, near = np.linspace(low, high, count), generator.uniform(-1.5, 1.5, count)
    return np.concatenate([grid, np.abs(near) if name == "log" else near, sizes]).astype(kind)


# ------------------------------------------------------------------------------------------------------------ accuracy


@pytest.mark.parametrize("name", [name for name in VARIANTS if not name.endswith("32")])
def test_double_precision_errors_stay_below_what_is_stated(name):
    x = np.concatenate([spread_points(plain(name), np.float64, 1500), hard_points(plain(name), np.float64)])
    got, worst = values(name, x), 0.0
    with mpmath.workprec(160):
        for argument, value in zip(x.tolist(), got.tolist(), strict=True):
            exact = EXACT[plain(name)](mpmath.mpf(argument))
            worst = max(worst, float(abs(mpmath.mpf(value) - exact)) / float(np.spacing(abs(float(exact)))))
    assert worst <= MAXIMAL_ERROR_ULP[name]


@pytest.mark.parametrize("name", [name for name in VARIANTS if name.endswith("32")])
def test_single_precision_errors_stay_below_what_is_stated(name):
    # every 4099th float32 there is, besides the points that all functions share
    every = np.arange(0, 2**32, 4099, dtype=np.uint32).view(np.float32)
    every = every[np.isfinite(every)]
    if plain(name) in ("sin", "cos"):
        every = every[np.abs(every) < ACCURATE_UP_TO32]
    if plain(name) == "log":
        every = every[every > 0]
    x = np.concatenate([every, spread_points(plain(name), np.float32, 20_000), hard_points(plain(name), np.float32)])
    got = values(name, x).astype(float)
    with np.errstate(all="ignore"):
        exact = IN_DOUBLE[plain(name)](x.astype(float))
        ordinary = np.abs(exact) < float(np.finfo(np.float32).max)
        error = np.abs(got - exact)[ordinary] / np.spacing(np.abs(exact[ordinary]).astype(np.float32)).astype(float)
    assert error.max() <= MAXIMAL_ERROR_ULP[name]


@pytest.mark.parametrize("name", ["sin", "cos"])
def test_the_error_of_huge_angles_is_at_most_that_of_a_last_place_or_two_of_the_angle(name):
    generator = np.random.default_rng(6)
    for suffix, kind, bound, loss in (
        ("", np.float64, ACCURATE_UP_TO, 2**-50),
        ("32", np.float32, ACCURATE_UP_TO32, 2**-21),
    ):
        top = 300 if kind is np.float64 else 38
        x = (10.0 ** generator.uniform(math.log10(bound), top, 1000)).astype(kind)
        got = values(f"fast_{name}{suffix}", x)
        assert np.all(np.abs(got) <= 1)
        with mpmath.workprec(1200):
            for argument, value in zip(x.tolist(), got.tolist(), strict=True):
                assert abs(EXACT[name](mpmath.mpf(argument)) - value) <= loss * argument


# --------------------------------------------------------------------------------------------------------------- edges


@pytest.mark.parametrize("name", VARIANTS)
def test_edges_have_the_results_of_the_standard_library(name):
    kind = np.float32 if name.endswith("32") else np.float64
    tiny, largest = np.finfo(kind).smallest_subnormal, np.finfo(kind).max
    sized = [0.0, -0.0, np.inf, -np.inf, np.nan, tiny, -tiny, 3 * tiny, largest, -largest]
    x = np.array([v for v in sized if not (plain(name) in ("sin", "cos") and abs(v) == largest)], kind)
    with np.errstate(all="ignore"):
        expected = IN_DOUBLE[plain(name)](x.astype(float))
        if plain(name) == "erf":  # scipy flushes the smallest numbers to zero
            expected[np.abs(x) < 1e-30] = 2 / math.sqrt(math.pi) * x[np.abs(x) < 1e-30].astype(float)
        expected = expected.astype(kind)
    got = values(name, x)
    close = np.isclose(got, expected, rtol=4 * np.finfo(kind).eps, atol=tiny, equal_nan=True)
    assert close.all(), (x[~close], got[~close], expected[~close])
    zero = x == 0
    assert np.array_equal(np.signbit(got[zero]), np.signbit(expected[zero]))


@pytest.mark.parametrize(("name", "borders"), [("fast_exp", (709.7, 709.9)), ("fast_exp32", (88.7, 88.8))])
def test_the_exponential_overflows_and_vanishes_where_it_should(name, borders):
    kind = np.float32 if name.endswith("32") else np.float64
    below, above = values(name, np.array(borders, kind))
    assert np.isfinite(below)
    assert above == np.inf
    smallest = float(np.finfo(kind).smallest_subnormal)
    logarithm = math.log(smallest)
    subnormal = values(
        name, np.linspace(logarithm + 0.5, math.log(np.finfo(kind).smallest_normal) - 0.1, 50).astype(kind)
    )
    assert np.all(subnormal > 0)
    assert np.all(np.diff(subnormal) >= 0)
    assert values(name, np.array([logarithm - 1.0], kind))[0] == 0


@pytest.mark.parametrize("suffix", ["", "32"])
def test_odd_functions_are_odd_and_even_ones_even_to_the_last_bit(suffix):
    x = np.random.default_rng(8).normal(size=2000) * 3
    x = x.astype(np.float32 if suffix else np.float64)
    for name, sign in (("tanh", -1), ("erf", -1), ("sin", -1), ("cos", 1)):
        assert np.array_equal(values(f"fast_{name}{suffix}", -x), sign * values(f"fast_{name}{suffix}", x))


@pytest.mark.parametrize("suffix", ["", "32"])
def test_saturating_functions_stay_within_their_range_and_reach_its_end(suffix):
    x = np.linspace(-30, 30, 20001).astype(np.float32 if suffix else np.float64)
    for name in ("tanh", "erf"):
        got = values(f"fast_{name}{suffix}", x)
        assert np.abs(got).max() == 1.0
    got = values(f"fast_sigmoid{suffix}", x)
    assert got.min() > 0
    assert got.max() <= 1


@pytest.mark.parametrize("suffix", ["", "32"])
def test_functional_equations_hold_to_rounding(suffix):
    kind = np.float32 if suffix else np.float64
    epsilon = np.finfo(kind).eps
    x = np.random.default_rng(9).normal(size=5000).astype(kind) * kind(2)
    f = {name: values(f"fast_{name}{suffix}", x).astype(float) for name in NAMES if name != "log"}
    minus = {name: values(f"fast_{name}{suffix}", -x).astype(float) for name in ("sigmoid", "softplus", "exp")}
    np.testing.assert_allclose(f["sin"] ** 2 + f["cos"] ** 2, 1, atol=4 * epsilon)
    np.testing.assert_allclose(f["exp"] * minus["exp"], 1, atol=3 * epsilon)
    np.testing.assert_allclose(f["sigmoid"] + minus["sigmoid"], 1, atol=3 * epsilon)
    np.testing.assert_allclose(f["softplus"] - minus["softplus"], x, atol=20 * epsilon)
    round_trip = values(f"fast_log{suffix}", f["exp"].astype(kind))
    np.testing.assert_allclose(round_trip, x, atol=12 * epsilon)


# ------------------------------------------------------------------------------------------------- what is compiled


@pytest.mark.parametrize("name", VARIANTS)
def test_a_loop_around_the_function_becomes_vector_code(name):
    kind, letters = (np.float32, "float") if name.endswith("32") else (np.float64, "double")
    x = np.linspace(0.1, 1.0, 64).astype(kind)
    values(name, x)
    texts = [
        text
        for signature, text in over.inspect_llvm().items()
        if f"({name})" in str(signature[0]).replace("type(CPUDispatcher(<function ", "(").split(" at ")[0] + ")"
    ]
    assert len(texts) == 1
    assert re.search(rf"fmul <\d+ x {letters}>", texts[0])
    if kind is np.float32:
        assert "double" not in re.sub(r"define .*|declare .*", "", texts[0])


@pytest.mark.parametrize("name", VARIANTS)
def test_bits_do_not_depend_on_the_loop_around_or_its_fast_mathematics(name):
    function = FUNCTIONS[name]

    @njit(fastmath=True, error_model="numpy")
    def fast(x, out):
        for i in range(x.size):
            out[i] = function(x[i])

    kind = np.float32 if name.endswith("32") else np.float64
    x = np.abs(np.random.default_rng(4).normal(size=203)).astype(kind)
    together = np.empty_like(x)
    fast(x, together)
    assert np.array_equal(together, values(name, x))
    assert np.array_equal(together[:20], np.array([function(v) for v in x[:20]], kind))


@pytest.mark.parametrize("name", VARIANTS)
def test_every_function_compiles_for_a_gpu_in_its_own_precision(name):
    real = "float32" if name.endswith("32") else "float64"
    signature = f"void({real}[::1], {real}[::1], uint64, int64)"
    text = ptx("numerics.elementary", name, f"out[index] = {name}(arguments[index])", signature)
    assert ".target sm_90" in text
    assert not re.search(r"\bcall\b", text)
    assert not (real == "float32" and ".f64" in text)


def test_integers_are_taken_as_numbers_of_the_precision_of_the_function():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert elementary.fast_exp(0) == 1.0
        assert elementary.fast_cos32(0) == 1.0
