"""Printed code computes what the expression says, stably, and as the same text in every process."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import sympy
from hypothesis import given, settings, strategies as st
from sympy import Piecewise, Rational, S, exp, log, sqrt

from numerics.kernel import load_source
from numerics.printer import (
    HELPERS,
    PrinterError,
    argument_names,
    module_source,
    operation_count,
    scalar_function,
    stable,
)
from theory.errors import InvalidRequest, MissingValue
from theory.vectors import Vector, dot, symbols

ROOT = Path(__file__).parents[2]
x, y, k = symbols("x y k")
w, z = Vector("w", 3), Vector("z", 3)


@pytest.fixture(autouse=True, scope="module")
def own_cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


FORMULAS = [
    x**2 - 3 * x * y + Rational(1, 3),
    (x + y) ** 3 / (x - y) ** 2,
    -(x**-2) + y / x**3 - 1 / (x * y),
    sqrt(x) * y - x ** Rational(3, 2) / y ** Rational(5, 2) + x ** Rational(-1, 2),
    x ** Rational(1, 3) + 2**x + x**k + x ** (-k),
    exp(-(x**2) / 2) / sqrt(2 * sympy.pi) + sympy.E * x + sympy.EulerGamma,
    sympy.erf(x) * sympy.erfc(y) + sympy.tanh(x) + sympy.atan2(x, y) + sympy.loggamma(x) + sympy.gamma(y),
    sympy.Abs(x - y) + sympy.sign(y - x) + sympy.Max(0, x - 1, y) * sympy.Min(x, y),
    sympy.Heaviside(x - y) + sympy.Heaviside(y - x, 0),
    Piecewise((x, x > 2), (y**2, x < Rational(1, 2)), (x * y, True)) * x,
    -Piecewise((1, sympy.Or(x > 1, y > 1)), (2, True)) * y - Piecewise((x, sympy.And(x > 1, y > 1)), (k, True)),
    sympy.Mod(x, y) * 3 + sympy.floor(x) / 2 + sympy.ceiling(y),
    x**7 - (x + 1) ** 6 / y**5,
    log(1 + exp(x * y)) + exp(x) / (1 + exp(x)) - 1 / (1 + exp(-y)),
]


def evaluated(arguments, outputs, values, **options):
    """The outputs at `values`, by Python itself from the printed text."""
    space: dict[str, object] = {}
    helpers = "\n".join(HELPERS.values())
    exec(
        "import math\nimport numpy as np\nreal = float\n"
        + helpers
        + scalar_function("f", arguments, outputs, **options),
        space,
    )
    return space["f"](*values)


@pytest.mark.parametrize("formula", FORMULAS, ids=str)
def test_printed_code_equals_the_expression(formula):
    for point in [(0.3, 1.7, 2.5), (2.6, 0.4, 3.0), (1.1, 1.3, 0.5)]:
        exact = formula.xreplace(dict(zip((x, y, k), map(sympy.Float, point), strict=True))).evalf(20)
        (printed,) = evaluated([x, y, k], [formula], point)
        assert printed == pytest.approx(float(exact), rel=2e-14)


@pytest.mark.parametrize("formula", FORMULAS, ids=str)
def test_compiled_code_equals_interpreted_code(formula):
    compiled = load_source(module_source([scalar_function("f", [x, y, k], FORMULAS)])).f
    index = FORMULAS.index(formula)
    for point in [(0.3, 1.7, 2.5), (2.6, 0.4, 3.0)]:
        assert compiled(*point)[index] == pytest.approx(evaluated([x, y, k], FORMULAS, point)[index], rel=1e-13)


@settings(max_examples=60, deadline=None)
@given(
    st.recursive(
        st.sampled_from([x, y, S(2), Rational(-3, 7), sqrt(2)]),
        lambda inner: st.one_of(
            st.tuples(inner, inner).map(lambda pair: pair[0] + pair[1]),
            st.tuples(inner, inner).map(lambda pair: pair[0] * pair[1]),
            inner.map(lambda e: e**2),
            inner.map(lambda e: e**-3 if e != 0 else e),
            inner.map(sympy.tanh),
            inner.map(lambda e: log(1 + exp(e))),
            inner.map(lambda e: exp(e) / (1 + exp(e))),
        ),
        max_leaves=8,
    )
)
def test_printing_and_rewriting_preserve_the_value_of_any_expression(formula):
    point = {x: sympy.Rational(7, 10), y: sympy.Rational(-9, 8)}
    exact = sympy.N(formula.xreplace(point), 30)
    if not exact.is_finite or abs(exact) > 1e6:
        return
    values = [float(point[x]), float(point[y])]
    # the condition of the formula bounds the rounding error: compare with its value at nearby points
    moved = sympy.N(formula.xreplace({x: point[x] * (1 + Rational(1, 10**12)), y: point[y]}), 30)
    tolerance = 1e-12 * (1 + abs(float(exact))) + 100 * abs(float(moved - exact))
    assert evaluated([x, y], [formula], values)[0] == pytest.approx(float(exact), abs=tolerance, rel=1e-11)


def test_softplus_and_sigmoid_do_not_overflow():
    loss = log(1 + exp(x * y))
    derivatives = [loss, loss.diff(x), loss.diff(x, 2), loss.diff(x, 3), 1 / (1 + exp(-x)), exp(x / 2) / (1 + exp(x))]
    compiled = load_source(module_source([scalar_function("f", [x, y], derivatives)])).f
    for point in [(2000.0, 1.0), (-2000.0, 1.0), (2000.0, 3.0), (2000.0, -3.0)]:
        for values in (evaluated([x, y], derivatives, point), compiled(*point)):
            assert np.isfinite(values).all()
            assert values[0] == pytest.approx(max(point[0] * point[1], 0.0), rel=1e-12, abs=1e-300)
    assert evaluated([x], [log(1 + exp(x))], [-40.0])[0] == pytest.approx(math.exp(-40), rel=1e-12)


def test_stable_recognises_the_patterns():
    texts = {
        log(1 + exp(x)): "softplus(x)",
        1 / (1 + exp(-x)): "sigmoid(x)",
        exp(x) / (1 + exp(x)): "sigmoid(x)",
        exp(2 * x) / (1 + exp(x)) ** 3: "sigmoid(-x)*sigmoid(x)**2",
        exp(x + y) / (1 + exp(x)): "exp(y)*sigmoid(x)",
        exp(3 * x) / (1 + exp(x)): "exp(2*x)*sigmoid(x)",
        (1 + exp(x)) ** Rational(-1, 2): "sqrt(sigmoid(-x))",
        exp(0.5 * x) / (1 + exp(0.5 * x)): "sigmoid(0.5*x)",
    }
    assert {formula: str(stable(formula)) for formula in texts} == texts


def test_a_symbolic_power_is_finite_at_zero():
    order = symbols("order", positive=True)
    derivative = sympy.diff(x**order, x)  # SymPy writes order*x**order/x
    assert evaluated([x, order], [derivative], [0.0, 2.0]) == (0.0,)
    assert evaluated([x, order], [derivative], [0.0, 1.0]) == (1.0,)


def test_conventions_at_the_edges():
    values = evaluated([x], [sympy.Heaviside(x), sympy.Heaviside(x, 1), sympy.sign(x), Piecewise((1, x > 0))], [0.0])
    assert values[:3] == (0.5, 1.0, 0.0)
    assert math.isnan(values[3])
    compiled = load_source(module_source([scalar_function("f", [x], [x ** Rational(1, 3)])])).f
    assert math.isnan(compiled(-8.0)[0])


def test_constants_are_correctly_rounded_doubles():
    text = scalar_function("f", [x], [x / 3 + sympy.pi, sqrt(2) * x, Rational(1, 2) * x])
    for constant in (repr(1 / 3), repr(math.pi), repr(math.sqrt(2)), "0.5*m_x"):
        assert constant in text


def test_one_output_is_a_tuple_and_constants_are_named():
    text = scalar_function("f", [dot(w, z)], [dot(w, z) * x], constants={x: 0.1})
    assert "    m_x = 0.1\n" in text
    assert evaluated([dot(w, z)], [dot(w, z) * x], [2.0], constants={x: 0.1}) == (0.2,)


def test_argument_names_are_readable_unique_identifiers():
    plain = [symbols(name) for name in ("tau", "w_z", "w.z", "\u03b1", "lambda")]
    names = argument_names([dot(w, z), *plain])
    assert names == ("m_dot_w_z", "m_tau", "m_w_z", "m_w_z_2", "m_alpha", "m_lambda")


def test_a_hostile_symbol_name_stays_a_comment():
    hostile = sympy.Symbol("x\nimport os  # ", real=True)
    text = scalar_function("f", [hostile], [hostile + 1])
    assert evaluated([hostile], [hostile + 1], [1.0]) == (2.0,)
    assert all(line.startswith(("def ", "    ")) for line in text.splitlines())


def test_a_missing_symbol_is_named():
    with pytest.raises(MissingValue, match=r"tau in .*tau.* has no value.* x"):
        scalar_function("f", [x], [x + symbols("tau")])
    with pytest.raises(MissingValue, match=r"dot\(w, z\)"):
        scalar_function("f", [x], [x + dot(w, z)])


@pytest.mark.parametrize(
    "formula",
    [
        sympy.Function("unknown")(x),
        sympy.DiracDelta(x),
        sympy.LambertW(x),
        sympy.Integral(exp(-(x**2)), (x, 0, y)),
        sympy.Sum(x**k, (k, 0, 3)),
        sympy.I * x,
        sympy.zoo * 1,
        sympy.nan,
        sympy.Derivative(sympy.Function("g")(x), x),
    ],
    ids=str,
)
def test_what_has_no_scalar_code_is_refused_by_name(formula):
    with pytest.raises(PrinterError) as caught:
        scalar_function("f", [x, y, k], [formula])
    assert "no scalar code" in str(caught.value)
    assert isinstance(caught.value, NotImplementedError)


def test_impossible_requests_are_refused():
    with pytest.raises(InvalidRequest, match="identifier"):
        scalar_function("not a name", [x], [x])
    with pytest.raises(InvalidRequest, match="'sign' is the name of a function that printed code calls"):
        scalar_function("sign", [x], [x])
    with pytest.raises(InvalidRequest, match="twice"):
        scalar_function("f", [x], [x], constants={x: 1.0})


def test_operations_are_counted_once():
    assert operation_count([(x + y) ** 2, (x + y) ** 3]) == 3
    assert operation_count([dot(w, z) + 1, x * (dot(w, z) + 1)]) == 2


def test_text_is_the_same_in_every_process():
    program = """
from sympy import *
from theory.vectors import Vector, dot, symbols
from numerics.printer import scalar_function, module_source
a, b, c, d = symbols("a b c d")
u, v = Vector("u", 3), Vector("v", 3)
e = expand((a + b*dot(u, v) + c*dot(u, u))**3) * log(1 + exp(a*b*c)) + sqrt(a**2 + b**2)*exp(a*b*c)
out = [e] + [e.diff(s) for s in (a, b, c)] + [Piecewise((a, a > b), (Max(a, b, c, d), c > d), (sin(a + b + c), True))]
print(module_source([scalar_function("f", [dot(u, v), dot(u, u), a, b, c, d], out)], header="x"), end="")
"""
    texts = {
        subprocess.run(
            [sys.executable, "-c", program], cwd=ROOT, env={**os.environ, "PYTHONHASHSEED": seed}, check=True,
            capture_output=True, text=True,
        ).stdout
        for seed in ("0", "1", "77")
    }  # fmt: skip
    assert len(texts) == 1
    assert "t0 = " in texts.pop()
