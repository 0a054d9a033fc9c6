"""Large polynomials from a table have the values of their code, on every target."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import sympy

from numerics.generate import generate, right_hand_side
from numerics.kernel import load_source
from numerics.precision import Precision
from numerics.printer import PrinterError, module_source, polynomial_table, scalar_code
from theory import ODE
from theory.errors import InvalidRequest
from theory.vectors import symbols

x, y, k = symbols("x y k")
SOURCES = {"state": 2, "hyper": 1}
OUTPUTS = [sympy.expand((x + 2 * y - k / 3 + 1) ** 6), sympy.pi * x**3 * k - y, sympy.S(0), k**2, sympy.Rational(7, 2)]


@pytest.fixture(autouse=True, scope="module")
def own_cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.mark.parametrize("precision", tuple(Precision), ids=str)
def test_a_table_has_the_values_of_the_code(precision):
    table = polynomial_table([x, y, k], OUTPUTS, sources=SOURCES, precision=precision)
    code = scalar_code([x, y, k], OUTPUTS, precision=precision)
    module = load_source(
        module_source([table.function("from_table"), code.filling("from_code", SOURCES)], precision=precision)
    )
    for seed in range(20):
        state, hyper = np.split(np.random.default_rng(seed).uniform(-1, 1, 3).astype(precision.dtype), [2])
        values, expected = np.empty((2, len(OUTPUTS)), precision.dtype)
        module.from_table(state, hyper, *table.tables.values(), values)
        module.from_code(state, hyper, expected)
        np.testing.assert_allclose(values, expected, rtol=500 * precision.epsilon, atol=500 * precision.epsilon)
    np.testing.assert_array_equal(values[2:], [0.0, hyper[0] ** 2, 3.5])


def test_a_table_is_device_code_too_and_stays_in_single_precision():
    pytest.importorskip("numba_cuda")
    from numba import cuda

    from numerics.targets.cuda import without_device

    table = polynomial_table([x, y, k], OUTPUTS, sources=SOURCES, precision=Precision.FLOAT32)
    arguments = ", ".join(["state", "hyper", *table.tables, "out"])
    source = module_source([table.function("polynomials")], precision=Precision.FLOAT32)
    module = load_source(f"{source}\n\ndef kernel({arguments}):\n    polynomials({arguments})\n")
    types = ["float32[::1]"] * 2 + [f"{array.dtype}[::1]" for array in table.tables.values()] + ["float32[::1]"]
    with without_device((9, 0)):
        ptx, _ = cuda.compile_ptx(module.kernel, f"void({', '.join(types)})", cc=(9, 0))
    assert ".f64" not in ptx
    assert "mul.f32" in ptx


def test_a_right_hand_side_of_too_many_terms_is_a_table(monkeypatch):
    monkeypatch.setattr(sys.modules["numerics.generate"], "TERMS_FOR_TABLE", 200)  # numerics.generate is the function
    variables = symbols("a b c d e f")
    cubic = sum((i + 1) * u for i, u in enumerate(variables)) ** 3
    rates = {u: sympy.expand(cubic * (1 + u)) for u in variables}
    side = right_hand_side(ODE(rates=rates))
    assert "TABLE_COEFFICIENTS" in side.kernel.source
    state, out = np.linspace(-0.9, 1.3, 6), np.empty(6)
    side.kernel(state, np.empty(0), out, *[np.empty(1)] * 4)
    np.testing.assert_allclose(out, np.dot(range(1, 7), state) ** 3 * (1 + state), rtol=1e-11)
    assert "TABLE_" not in generate(ODE(rates={**rates, variables[0]: cubic})).source, "a factor is no sum of monomials"


def test_what_is_no_table_is_refused():
    with pytest.raises(PrinterError, match=r"no sum of monomials .*; expand it first"):
        polynomial_table([x, y], [(x + y) ** 2])
    with pytest.raises(PrinterError, match="no sum of monomials"):
        polynomial_table([x], [1 / x])
    with pytest.raises(PrinterError, match="does not fit float32"):
        polynomial_table([x], [x / 10**60], precision=Precision.FLOAT32)
    with pytest.raises(InvalidRequest, match="do not hold the 2 arguments"):
        polynomial_table([x, y], [x], sources={"state": 3})


# ------------------------------------------------------------------------------------------------------ generated code


def test_a_long_right_hand_side_is_emitted_and_has_the_values_of_a_short_one():
    states = symbols(" ".join(f"s{i}" for i in range(8)))
    rates = {u: sympy.tanh(k * u) + sum(sympy.tanh(u * v + i) for i, v in enumerate(states)) for u in states}
    long = ODE(rates={**rates, **{v: v * k for v in symbols(" ".join(f"r{i}" for i in range(240)))}})
    side = right_hand_side(long)
    assert '@emitted("float64")\ndef advance(state, hyper, out, hermite_x' in side.kernel.source
    assert "@emitted" not in generate(ODE(rates=rates)).source
    at = {quantity: 0.01 * i - 0.5 for i, quantity in enumerate(side.state)}
    out = np.empty(len(at))
    side.kernel(np.array(list(at.values())), np.array([0.3]), out, *[np.empty(1)] * 4)
    few, short = np.empty(8), right_hand_side(ODE(rates=rates))
    short.kernel(np.array([at[u] for u in short.state]), np.array([0.3]), few, *[np.empty(1)] * 4)
    position = {u: i for i, u in enumerate(side.state)}
    np.testing.assert_allclose([out[position[u]] for u in short.state], few, rtol=1e-14)


def test_a_kernel_of_single_precision():
    kernel = generate(ODE(rates={x: sympy.exp(-k * x) / 3}), precision="float32")
    assert kernel.precision is Precision.FLOAT32
    assert "real(0.33333334)*math.exp(-m_k*m_x)" in kernel.source
    out = np.empty(1, np.float32)
    kernel(np.array([0.5], np.float32), np.array([2.0], np.float32), out, *[np.empty(1, np.float32)] * 4)
    assert out[0] == pytest.approx(np.exp(-1) / 3, rel=1e-6)
    with pytest.raises(InvalidRequest, match="'half' is unknown"):
        generate(ODE(rates={x: x}), precision="half")
