"""Single-precision code stays single; vectorised functions come from the library, and loops over printed code vectorise."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import sympy
from sympy import Abs, Heaviside, Max, Min, Mod, Piecewise, Rational, exp, log, sqrt, tanh

from numerics.kernel import load_source
from numerics.precision import Precision
from numerics.printer import HELPERS, Elementary, PrinterError, module_source, scalar_function
from numerics.printer.scalar import helper_text
from theory.vectors import symbols

ROOT = Path(__file__).parents[2]
x, y = symbols("x y")
SINGLE = Precision.FLOAT32


@pytest.fixture(autouse=True, scope="module")
def own_cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


FORMULAS = [
    x**2 / 3 - x**7 + (x + y) ** 5 / (x - y) ** 2 - 2,
    x ** Rational(3, 2) + x ** Rational(1, 3) + 2**x + x**y + 1 / sqrt(x),
    sympy.pi * x + sympy.E**2 * y + sympy.EulerGamma,
    sympy.gamma(x) + sympy.loggamma(y) + sympy.factorial(x) + sympy.erf(x) - sympy.erfc(y) + sympy.atan2(x, y),
    Heaviside(x - y) + Heaviside(y - x, 0) + sympy.sign(x - y) + Abs(x - y) + Max(x, y, 0) * Min(x, y, 1),
    Piecewise((x, x > 2), (y**2, sympy.And(x < 1, y > Rational(1, 2)))) + Piecewise((2, x > y), (1, True)),
    Mod(x, y) + sympy.floor(x) + sympy.ceiling(y) + sympy.frac(x) + sympy.sinc(x),
    log(1 + exp(x * y)) + 1 / (1 + exp(-x)) + tanh(x) * sympy.sin(y) + sympy.oo * Heaviside(-x),
]


def compiled_single(outputs, arguments=(x, y), **options):
    text = scalar_function("f", arguments, outputs, precision=SINGLE, **options)
    return load_source(module_source([text], precision=SINGLE)).f


def machine_independent_code(function):
    """The optimised LLVM text of a compiled function, without the wrapper for Python."""
    return next(iter(function.inspect_llvm().values())).split("define ptr @_ZN7cpython")[0]


def test_no_number_of_single_precision_code_is_double():
    function = compiled_single(FORMULAS, constants={symbols("unused"): 0.1})
    values = function(np.float32(1.3), np.float32(0.7))
    assert "double" not in machine_independent_code(function)
    (overload,) = function.overloads.values()
    types = {name: str(kind) for name, kind in overload.type_annotation.typemap.items()}
    assert {kind for name, kind in types.items() if re.match(r"(t\d|m_)", name)} == {"float32"}
    point = {x: sympy.Float("1.3"), y: sympy.Float("0.7")}
    for formula, value in zip(FORMULAS[:-1], values[:-1], strict=True):
        assert value == pytest.approx(float(formula.xreplace(point).evalf()), rel=1e-5, nan_ok=True), formula


def test_the_text_of_single_precision_names_the_type_of_every_constant():
    text = scalar_function("f", [x], [x / 3 - 2, -sympy.pi * x], precision=SINGLE, constants={y: 1 / 3})
    assert "m_y = real(0.33333334)" in text
    assert "real(0.33333334)*m_x - real(2.0), -real(3.1415927)*m_x" in text
    assert not re.search(r"(?<![\w.(])\d+\.\d", text.split("return")[1])
    source = module_source([text], precision=SINGLE)
    assert "\nreal = np.float32\n" in source


@pytest.mark.parametrize("name", sorted(HELPERS))
def test_helpers_have_single_precision_forms(name):
    arguments = "x, real(0.5)" if name == "heaviside" else "x"
    call = f"def f(x):\n    return {name}({arguments})\n"
    single = load_source(module_source([call], precision=SINGLE)).f
    double = load_source(module_source([call])).f
    assert helper_text(name, SINGLE) != HELPERS[name]
    for value in (-2.75, -0.0, 0.0, 0.3, 100.0, np.inf, -np.inf, np.nan, 2.0**60):
        assert single(np.float32(value)) == pytest.approx(double(value), rel=1e-6, nan_ok=True)
    assert "double" not in machine_independent_code(single)


@pytest.mark.parametrize("constant", [sympy.Float(1e39), sympy.Rational(1, 10**60)])
def test_a_constant_that_single_precision_does_not_hold_is_refused(constant):
    with pytest.raises(PrinterError, match="does not fit float32"):
        scalar_function("f", [x], [constant * x], precision=SINGLE)
    assert scalar_function("f", [x], [constant * x])


VECTORISED = [exp(x) * y, log(1 + x**2), tanh(x + y), sympy.erf(x), sympy.sin(x) - sympy.cos(y), 1 / (1 + exp(-x))]


@pytest.mark.parametrize("precision", tuple(Precision), ids=str)
def test_vectorised_functions_come_from_the_library(precision):
    pytest.importorskip("numerics.elementary")
    outputs = [*VECTORISED, log(1 + exp(x))]
    text = scalar_function("f", [x, y], outputs, precision=precision, elementary=Elementary.VECTORISED)
    source = module_source([text], precision=precision)
    names = ["cos", "erf", "exp", "log", "sigmoid", "sin", "softplus", "tanh"]
    assert (
        f"from numerics.elementary import {', '.join(precision.suffixed(f'fast_{name}') for name in names)}\n" in source
    )
    assert "math." not in text
    values = load_source(source).f(*np.array([0.4, -1.7], precision.dtype))
    exact = [float(output.evalf(subs={x: 0.4, y: -1.7})) for output in outputs]
    np.testing.assert_allclose(values, exact, rtol=20 * precision.epsilon)


def test_only_the_functions_that_occur_are_imported():
    text = scalar_function("f", [x], [tanh(x)], precision=SINGLE, elementary=Elementary.VECTORISED)
    assert "from numerics.elementary import fast_tanh32\n" in module_source([text], precision=SINGLE)
    assert "numerics.elementary" not in module_source([scalar_function("f", [x], [x + 1])])
    # what the library lacks, or has no accurate form for, stays with libm
    rest = scalar_function("f", [x], [sympy.erfc(x) + sympy.sinh(x)], elementary=Elementary.VECTORISED)
    assert "math.erfc(m_x)" in rest
    assert "math.sinh(m_x)" in rest


CHOICES = {
    "piecewise": Piecewise((x * y + 1, x > y), (x**2 - y, x < -1), (y / (1 + x**2), True)),
    "heaviside": Heaviside(x - y) * x + Heaviside(y, 0),
    "sign": sympy.sign(x) * y + Abs(x) * Max(x, y, 0),
    "floor": sympy.floor(x) + sympy.ceiling(y),
    "roots": sqrt(x**2 + 1) / sqrt(1 + y**2),
}


@pytest.mark.parametrize("precision", tuple(Precision), ids=str)
def test_loops_over_choices_vectorise(precision):
    functions = [
        scalar_function(f"at_{name}", [x, y], [formula], precision=precision, elementary=Elementary.VECTORISED)
        for name, formula in CHOICES.items()
    ]
    loops = [
        f"def loop_{name}(u, v, out):\n    for i in range(u.size):\n        out[i] = at_{name}(u[i], v[i])[0]\n"
        for name in CHOICES
    ]
    module = load_source(module_source([*functions, *loops], precision=precision))
    kind = {"float32": "float", "float64": "double"}[precision]
    u = np.linspace(-2, 2, 37).astype(precision.dtype)
    out = np.empty_like(u)
    for name in CHOICES:
        loop = getattr(module, f"loop_{name}")
        loop(u, u[::-1].copy(), out)
        assert re.search(rf"<\d+ x {kind}>", machine_independent_code(loop)), f"{name} does not vectorise"


def test_the_text_is_the_same_in_every_process():
    program = """
from sympy import *
from numerics.precision import Precision
from numerics.printer import Elementary, module_source, polynomial_table, scalar_code
from theory.vectors import symbols
a, b, c = symbols("a b c")
e = expand((a + b*c/3)**3)*log(1 + exp(a*b)) + erf(a*b)*exp(a*b)/sqrt(a**2 + c)
out = [e, *(e.diff(s) for s in (a, b, c)), Piecewise((a, a > b), (Max(a, b, c), c > a), (sin(a + b), True))]
single = dict(precision=Precision.FLOAT32)
code = scalar_code([a, b, c], out, elementary=Elementary.VECTORISED, **single)
table = polynomial_table([a, b, c], [expand((a + b*c/3 - c)**5)], **single)
texts = [code.returning("f"), code.filling("g", {"state": 2}), table.constants("T") + "\\n\\n" + table.function("h")]
print(module_source(texts, **single))
"""
    texts = {
        subprocess.run(
            [sys.executable, "-c", program], cwd=ROOT, env={**os.environ, "PYTHONHASHSEED": seed}, check=True,
            capture_output=True, text=True,
        ).stdout
        for seed in ("0", "77")
    }  # fmt: skip
    assert len(texts) == 1
    assert "fast_erf32" in texts.pop()
