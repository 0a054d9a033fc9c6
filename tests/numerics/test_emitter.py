"""Emitted functions have the bits of numba's own compilation, on every target, in every process."""

from __future__ import annotations

import inspect
import itertools
import os
import pickle
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import sympy
from hypothesis import Phase, given, settings, strategies as st
from sympy import Abs, Heaviside, Max, Min, Mod, Piecewise, Rational, S, exp, log, sqrt, tanh

from numerics.emitter import emitted
from numerics.errors import PrinterError
from numerics.kernel import load_source
from numerics.precision import Precision
from numerics.printer import DECORATOR, Elementary, ScalarCode, module_source, scalar_function
from theory.errors import InvalidRequest
from theory.vectors import symbols

ROOT = Path(__file__).parents[2]
IMPORT = "from numerics.emitter import emitted"
x, y, k = symbols("x y k")
PRECISIONS = pytest.mark.parametrize("precision", tuple(Precision), ids=str)


@pytest.fixture(autouse=True, scope="module")
def own_cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


ZOO = [
    x**2 - 3 * x * y + Rational(1, 3),
    (x + y) ** 3 / (x - y) ** 2 - (x**-2) + y / x**3 - 1 / (x * y),
    sqrt(x) * y - x ** Rational(3, 2) / y ** Rational(5, 2) + x ** Rational(1, 3) + 2**x + x ** (-k),
    exp(-(x**2) / 2) / sqrt(2 * sympy.pi) + sympy.E * x + sympy.oo * Heaviside(x - 2),
    sympy.erf(x) * sympy.erfc(y) + tanh(x) + sympy.atan2(x, y) + sympy.loggamma(x) + sympy.gamma(y),
    Abs(x - y) + sympy.sign(y - x) + Max(0, x - 1, y) * Min(x, y, k),
    Heaviside(x - y) + Heaviside(y - x, 0) + sympy.sign(x) * x,
    Piecewise((x, x > 2), (y**2, x < Rational(1, 2)), (x * y, True)) * x + Piecewise((x, x >= y), (k, x <= -y)),
    -Piecewise((1, sympy.Or(x > 1, y > 1)), (2, True)) * y
    - Piecewise((x, sympy.And(x > 1, sympy.Ne(y, 1))), (k, True)),
    Piecewise((exp(x) * y + x * k, x * y > 1), (sympy.sin(x) * k + y * x, x > k), (x * k + y * k, True)) * x + x * k,
    Mod(x, y) * 3 + sympy.floor(x) / 2 + sympy.ceiling(y) + sympy.frac(k),
    x**7 - (x + 1) ** 6 / y**5 + (x * k + y) ** 11,
    log(1 + exp(x * y)) + exp(x) / (1 + exp(x)) - 1 / (1 + exp(-y)),
    sympy.expand((x + 2 * y + k / 3 + 1) ** 5),
    sum(sympy.sin(i * x) * sympy.cos(y / i) / (i + k) for i in range(1, 5)),
    sympy.acosh(1 + x**2) + sympy.asinh(x) + sympy.sinh(x) * sympy.cosh(y) + sympy.tan(k) + sympy.sinc(x),
    sympy.asin(x / 9) + sympy.acos(y / 9) + sympy.atan(k) + sympy.atanh(x / 9) + sympy.factorial(y),
    Piecewise((x, ~((x > y) & (y > k))), (sympy.log(x, 2), True)),
]
SPECIAL = (0.0, -0.0, 1.0, -1.5, 1e-30, 1e18, np.inf, -np.inf, np.nan)


def points(precision, count=400):
    """Random points, and every pair of special values."""
    random = np.random.default_rng(7).uniform(-3, 3, (count, 3))
    special = [(a, b, 0.75) for a, b in itertools.product(SPECIAL, repeat=2)]
    return np.vstack([random, special]).astype(precision.dtype)


def sources(expressions, precision, elementary=Elementary.LIBM):
    """The module of a printed function, compiled from its source and emitted."""
    text = scalar_function("f", [x, y, k], expressions, precision=precision, elementary=elementary)
    short = text.removeprefix(f'@emitted("{precision}")\n')
    by_emitter = module_source([short], decorator=f'@emitted("{precision}")', imports=[IMPORT], precision=precision)
    return module_source([short], precision=precision), by_emitter


def assert_same_bits(expressions, precision, elementary=Elementary.LIBM):
    compiled, written = (load_source(source).f for source in sources(expressions, precision, elementary))
    with np.errstate(all="ignore"):
        for point in points(precision):
            expected, values = np.array(compiled(*point)), np.array(written(*point))
            np.testing.assert_array_equal(values, expected, err_msg=str(point))
            numbers = ~np.isnan(values)
            np.testing.assert_array_equal(np.signbit(values[numbers]), np.signbit(expected[numbers]))
    for function in (compiled, written):
        assert str(function.nopython_signatures[0].return_type) == f"UniTuple({precision} x {len(expressions)})"


@PRECISIONS
def test_emitted_code_has_the_bits_of_compiled_source(precision):
    assert_same_bits(ZOO, precision)


@PRECISIONS
def test_so_it_has_with_vectorised_functions(precision):
    pytest.importorskip("numerics.elementary")
    vectorised = [
        exp(-(x**2)) * log(1 + y**2) + tanh(x * y),
        sympy.erf(x) + sympy.sin(x) * sympy.cos(y),
        log(1 + exp(x * y)) + 1 / (1 + exp(-y)) + Piecewise((exp(x), x < 0), (1 + x, True)),
    ]
    assert_same_bits(vectorised, precision, Elementary.VECTORISED)


expressions = st.recursive(
    st.sampled_from([x, y, k, S(2), Rational(-3, 7), sqrt(2)]),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(lambda pair: pair[0] + pair[1]),
        st.tuples(inner, inner).map(lambda pair: pair[0] * pair[1]),
        st.tuples(inner, st.integers(2, 9)).map(lambda pair: pair[0] ** pair[1]),
        st.tuples(inner, inner, inner).map(lambda three: Piecewise((three[0], three[1] > y), (three[2], True))),
        st.tuples(inner, inner).map(lambda pair: Max(*pair) - Abs(pair[0])),
        inner.map(lambda e: 1 / (1 + e**2)),
        inner.map(tanh),
        inner.map(lambda e: log(1 + exp(e))),
        inner.map(lambda e: Heaviside(e) + sympy.floor(e)),
    ),
    max_leaves=12,
)


@settings(max_examples=3, deadline=None, derandomize=True, phases=[Phase.generate])
@given(st.lists(expressions, min_size=15, max_size=15), st.sampled_from(tuple(Precision)))
def test_so_it_has_for_any_expressions(formulas, precision):
    # the constant NaN and infinities of degenerate formulas have no code
    finite = [formula for formula in formulas if not formula.has(sympy.nan, sympy.zoo, sympy.oo, -sympy.oo)]
    assert_same_bits([x, *finite], precision)


ARRAYS = """
import math

import numpy as np
from numerics.emitter import emitted

real = np.float64


@emitted("float64")
def rates(state, hyper, m_q, out):
    m_x = state[0]
    m_y = state[1]
    t0 = hyper[1]*m_x
    out[0] = t0 - m_q
    out[2] = math.exp(t0)*m_y
"""


def test_arrays_are_read_and_written_whatever_their_type_and_strides():
    rates = load_source(ARRAYS).rates
    state, hyper = np.array([0.5, 2.0]), np.array([7.0, 3.0])
    expected = [1.5 - 0.25, -1.0, np.exp(1.5) * 2.0]
    for kind, step in itertools.product((np.float64, np.float32), (1, 2)):
        out = np.full(3 * step, -1.0, kind)
        spread = np.repeat(state, step).astype(kind)
        rates(spread[::step], hyper, 0.25, out[::step])
        np.testing.assert_allclose(out[::step], expected, rtol=np.finfo(kind).eps)


def test_other_numbers_are_converted_to_the_precision_of_the_function():
    _, by_emitter = sources([x / 3 + y], Precision.FLOAT32)
    f = load_source(by_emitter).f
    assert f(1, 2.0, 0) == (float(np.float32(1) * np.float32(1 / 3) + np.float32(2)),)


def test_the_readable_text_is_in_the_module_and_reached_from_the_function():
    _, by_emitter = sources([x**2 + y], Precision.FLOAT64)
    f = load_source(by_emitter).f
    assert "    return ((m_x*m_x) + m_y,)" in by_emitter
    assert inspect.getsource(f.__wrapped__).startswith('@emitted("float64")\ndef f(m_x, m_y, m_k):')
    assert not f.signatures, "nothing is compiled before it is called"


# ------------------------------------------------------------------------------------------------- process to process

PROGRAM = """
import pathlib, sys
import numpy as np
from numerics.kernel import Kernel
kernel = Kernel(source=pathlib.Path(sys.argv[1]).read_text(), entry="advance")
out = np.empty(3)
kernel(np.array([0.3, 0.7, -1.1]), out)
print(out.tobytes().hex(), len(kernel.function.stats.cache_hits), len(kernel.function.stats.cache_misses))
"""
CALLER = f"""

{DECORATOR}
def advance(state, out):
    for i in range(3):
        out[i] = f(state[i], state[0], 0.5)[1]
"""


def run(source_file, folder, seed):
    process = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(source_file)], cwd=ROOT, capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONHASHSEED": seed, "XDG_CACHE_HOME": str(folder)},
    )  # fmt: skip
    values, hits, misses = process.stdout.split()
    return values, int(hits), int(misses)


def test_the_second_process_loads_what_the_first_compiled_and_gets_the_same_bits(tmp_path):
    """Under reassociation it would not: numba links a callee in one case and optimises a copy of it anew in the other."""
    _, by_emitter = sources(ZOO, Precision.FLOAT64)
    (tmp_path / "source.txt").write_text(by_emitter + CALLER)
    first = run(tmp_path / "source.txt", tmp_path / "cache", "1")
    second = run(tmp_path / "source.txt", tmp_path / "cache", "2")
    assert first[1:] == (0, 1)
    assert second == (first[0], 1, 0)


def test_the_cache_depends_on_the_text_and_on_the_emitter():
    from numerics.kernel import cache_key

    _, by_emitter = sources([x + y], Precision.FLOAT64)
    assert cache_key(by_emitter) != cache_key(by_emitter.replace("m_x + m_y", "m_y + m_x"))
    assert cache_key(by_emitter) != cache_key(by_emitter.replace(IMPORT, ""))


def test_a_function_goes_to_another_process():
    f = load_source(sources([x * y + 1], Precision.FLOAT64)[1]).f
    assert pickle.loads(pickle.dumps(f))(2.0, 3.0, 0.0) == (7.0,)


# ------------------------------------------------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("for i in range(3): m_x = m_x", "only assignments"),
        ("return math.comb(m_x, 2)", "a number of generated code has a decimal point"),
        ("return m_x + 2", "a number of generated code has a decimal point"),
        ("return unknown(m_x)", "'unknown' is no function of the module"),
        ("return math.unknown(m_x)", "the function is unknown"),
        ("return math.fsum", "it is no constant of math"),
        ("return m_y", "the name has no value"),
        ("return m_x**m_x", "an exponent of \\*\\* is a positive integer"),
        ("return m_x**-1", "an exponent of \\*\\* is a positive integer"),
        ("return m_x // m_x", "the operator is unknown"),
        ("return round(m_x, ndigits=2)", "calls have no keywords"),
        ("return 0.0 < m_x < 1.0", "only two numbers can be compared"),
        ("return [m_x]", "List is no part of printed text"),
        ("return m_x[0]", "only array"),
        ("m_x.y = 2.0", "neither a name nor an entry"),
    ],
)
def test_what_is_no_printed_text_is_refused_by_name(line, reason):
    source = module_source([f"def f(m_x):\n    {line}\n"], decorator='@emitted("float64")', imports=[IMPORT])
    with pytest.raises(PrinterError, match=rf"in generated code cannot be emitted: .*{reason}"):
        load_source(source).f(1.0)


def test_a_function_of_another_precision_is_refused():
    source = module_source(
        ["def f(m_x):\n    return fast_exp(m_x)\n"],
        decorator='@emitted("float32")',
        imports=[IMPORT, "from numerics.elementary import fast_exp"],
        precision=Precision.FLOAT32,
    )
    with pytest.raises(
        PrinterError, match="fast_exp in generated code cannot be emitted: it gives no float32 from float32"
    ):
        load_source(source).f(1.0)


def test_a_bare_constant_in_single_precision_is_refused():
    source = module_source(
        ["def f(m_x):\n    return 0.5*m_x\n"],
        decorator='@emitted("float32")',
        imports=[IMPORT],
        precision=Precision.FLOAT32,
    )
    with pytest.raises(PrinterError, match=r"stands in real\(\.\.\.\)"):
        load_source(source).f(1.0)


def test_impossible_requests_are_refused():
    with pytest.raises(InvalidRequest, match="'half' is unknown; the precisions are float32, float64"):
        emitted("half")

    def inside(m_x):
        return m_x

    with pytest.raises(InvalidRequest, match="top level of a module file"):
        emitted("float64")(inside)(1.0)


# ---------------------------------------------------------------------------------------------------------------- CUDA


def device_code(source, precision):
    """PTX of a kernel that calls `f`."""
    from numba import cuda

    from numerics.targets.cuda import without_device

    kernel = "\n\ndef kernel(values, out):\n    out[0] = f(values[0], values[1], values[2])[0]\n"
    with without_device((9, 0)):
        module = load_source(source + kernel)
        return str(cuda.compile_ptx(module.kernel, f"void({precision}[::1], {precision}[::1])", cc=(9, 0))[0])


def double_instructions(ptx):
    return re.findall(r"^\s*(?:@\S+ )?([a-z][\w.]*\.f64[\w.]*)", ptx, re.MULTILINE)


# libdevice reduces the large arguments of sine, cosine and tangent in double precision
SINGLE = [sum(e for e in ZOO if not e.has(sympy.sin, sympy.cos, sympy.tan, sympy.sinc))]


def test_single_precision_stays_single_on_a_device_and_accurate():
    pytest.importorskip("numba_cuda")
    for source in sources(SINGLE, Precision.FLOAT32):
        ptx = device_code(source, Precision.FLOAT32)
        assert not double_instructions(ptx)
        assert "tanh.approx" not in ptx
    assert double_instructions(device_code(sources([x + y], Precision.FLOAT64)[1], Precision.FLOAT64))


def test_many_uses_of_a_function_share_its_device_code():
    pytest.importorskip("numba_cuda")
    assignments = tuple((f"t{i}", f"math.exp(t{i - 1})") for i in range(1, 120))
    code = ScalarCode(("m_x", "m_y", "m_k"), (), (("t0", "m_x - m_y"), *assignments), ("t119",), Precision.FLOAT64)
    source = module_source([code.returning("f")], decorator='@emitted("float64")', imports=[IMPORT])
    ptx = device_code(source, Precision.FLOAT64)
    assert "emitted_exp_float64" in ptx
    assert ptx.count("fma.rn.f64") < 400, "each of the 120 uses, written out, has about 12"
    assert np.isinf(load_source(source).f(3.0, 0.0, 0.0)[0])


# ----------------------------------------------------------------------------------------------------- large functions


def test_long_functions_are_printed_for_the_emitter():
    outputs = [tanh(i * x + y) ** power for i in range(150) for power in (1, 2)]
    text = scalar_function("f", [x, y], outputs)
    assert text.startswith('@emitted("float64")\ndef f(m_x, m_y):')
    assert IMPORT in module_source([text])
    assert "@njit" not in module_source([text])
    assert "@emitted" not in module_source([scalar_function("f", [x, y], outputs[:100])])
