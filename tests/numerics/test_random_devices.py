"""The same draws on a GPU: every function compiles for one, and the simulator of one draws the numbers of the CPU."""

from __future__ import annotations

import inspect
import json
import re

import numpy as np
import pytest
from cuda_support import ptx, simulate

from numerics import random as draws

DEVICE_FUNCTIONS = sorted({f.__name__ for f in vars(draws).values() if hasattr(f, "py_func")} - {"logarithm"})
EXTRA = {"shape": "arguments[0]", "degrees": "arguments[0]", "count": "7", "cumulative": "arguments"}
PLACE = "seed, index, index, index, index, 1"


def statement(name):
    """A call of a library function that stores one number of its result."""
    function = getattr(draws, name).py_func
    names = list(inspect.signature(function).parameters)
    if names[0] == "out":
        return f"{name}(out, seed, index, index, index, 1)"
    if "seed" in names:
        arguments = ", ".join([*(EXTRA[n] for n in names[: names.index("seed")]), PLACE])
    elif names[0] == "c0":
        arguments = "seed, 0, 0, 0, 1, 2"
    else:
        arguments = ", ".join(["seed", "seed >> 3"][: len(names)])
    several = re.search(r"block|quad|normal_pair|circle|words4|philox", name)
    return f"out[0] = {name}({arguments}){'[1]' if several else ''}"


@pytest.mark.parametrize("name", DEVICE_FUNCTIONS)
def test_every_draw_compiles_for_a_gpu_in_its_own_precision(name):
    single = name.endswith("32") and name != "philox4x32"
    real = "float32" if single else "float64"
    text = ptx("numerics.random", name, statement(name), f"void({real}[::1], {real}[::1], uint64, int64)")
    assert ".target sm_90" in text
    assert ".local" not in text  # nothing spills into memory or is indexed there
    assert not (single and ".f64" in text)


CALLS = """
import numpy as np
from numerics import random as draws


def calls(words, reals, singles, line, line32, seed, index):
    x0, x1, x2, x3 = draws.words4(seed, index, 2, 3, 4, 5)
    words[index, 0], words[index, 1], words[index, 2], words[index, 3] = x0, x1, x2, x3
    words[index, 4] = np.uint64(draws.integer_draw(1000, seed, 0, index, 0, 0, 0))
    reals[index, 0], reals[index, 1], reals[index, 2], reals[index, 3] = draws.normal_block(seed, 0, index, 1, 2, 3)
    reals[index, 4] = draws.uniform_draw(seed, 0, index, 1, 2, 3)
    reals[index, 5] = draws.exponential_draw(seed, 0, index, 1, 2, 3)
    reals[index, 6] = draws.gamma_draw(0.7, seed, 0, index, 1, 2, 3)
    reals[index, 7] = draws.chi_square_draw(999.0, seed, 0, index, 1, 2, 3)
    reals[index, 8] = draws.student_draw(3.0, seed, 0, index, 1, 2, 3)
    reals[index, 9] = draws.sign_draw(seed, 0, index, 1, 2, 3)
    draws.fill_normals(line, seed, 0, index, 1, 3)
    draws.fill_normals32(line32, seed, 0, index, 1, 3)
    for i in range(7):
        reals[index, 10 + i] = line[i]
        singles[index, i] = line32[i]
    draws.fill_signs32(line32, seed, 0, index, 1, 3)
    for i in range(7):
        singles[index, 7 + i] = line32[i]
    singles[index, 14] = draws.uniform_draw32(seed, 0, index, 1, 2, 3)
    singles[index, 15] = draws.exponential_draw32(seed, 0, index, 1, 2, 3)
    singles[index, 16] = draws.chi_square_draw32(np.float32(999.0), seed, 0, index, 1, 2, 3)


THREADS = 32
words = np.zeros((THREADS, 5), np.uint64)
reals, singles = np.zeros((THREADS, 17)), np.zeros((THREADS, 17), np.float32)
"""
ON_DEVICE = (
    CALLS
    + """
import json
from numba import cuda

@cuda.jit
def kernel(words, reals, singles, seed):
    index = cuda.grid(1)
    # an array made in the kernel: the simulator cannot hand a compiled function one that came from outside
    line, line32 = cuda.local.array(7, np.float64), cuda.local.array(7, np.float32)
    if index < words.shape[0]:
        calls(words, reals, singles, line, line32, seed, index)

kernel[2, THREADS // 2](words, reals, singles, 2**40 + 9)
print(json.dumps([words.tolist(), reals.tolist(), singles.tolist()]))
"""
)


def test_the_simulator_of_a_gpu_draws_the_words_of_the_cpu_bit_for_bit_and_its_reals_within_rounding():
    pytest.importorskip("numba_cuda")
    words, reals, singles = json.loads(simulate(ON_DEVICE))
    here: dict = {}
    exec(CALLS, here)
    for index in range(here["THREADS"]):
        line, line32 = np.empty(7), np.empty(7, np.float32)
        here["calls"](here["words"], here["reals"], here["singles"], line, line32, 2**40 + 9, index)
    assert np.array_equal(np.array(words, np.uint64), here["words"])
    np.testing.assert_allclose(reals, here["reals"], rtol=1e-14)
    np.testing.assert_allclose(singles, here["singles"], rtol=1e-6)
