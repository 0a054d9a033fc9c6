"""LaTeX becomes MathML that is well formed, whatever it is, and holds what the printers of this project write."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
import sympy
from hypothesis import given, settings, strategies as st

from derivations.report.formulas import equation_block, prose
from derivations.report.mathml import mathml
from theory import SGD, Discrete, GaussianField, Model, Normal, Vector, dot, moments, scaling_limit, symbols

n, c, tau = symbols("n c tau", positive=True)
x, y = symbols("x y")
w, v, z = Vector("w", n), Vector("v", n), Vector("z", n)


def inner(latex):
    text = mathml(latex, display=False)
    return text.removeprefix('<math display="inline"><mrow>').removesuffix("</mrow></math>")


def read(latex):
    return "".join(ElementTree.fromstring(mathml(latex)).itertext())


@pytest.mark.parametrize(
    ("latex", "expected"),
    [
        (r"\tau", "<mi>τ</mi>"),
        ("2.5", "<mn>2.5</mn>"),
        ("snr", "<mi>snr</mi>"),
        ("a - b", "<mi>a</mi><mo>−</mo><mi>b</mi>"),
        ("a < b", "<mi>a</mi><mo>&lt;</mo><mi>b</mi>"),
        (r"\mathbf{w}", "<mrow><mi>𝐰</mi></mrow>"),
        (r"\mathbf{\mu}", "<mrow><mi>𝛍</mi></mrow>"),
        (r"\mathbb{E}", "<mrow><mi>𝔼</mi></mrow>"),
        (r"\mathcal{N}", "<mrow><mi>𝒩</mi></mrow>"),
        (r"\text{a_b < c}", "<mtext>a_b\N{NO-BREAK SPACE}&lt;\N{NO-BREAK SPACE}c</mtext>"),
        (r"x^{2}", "<msup><mi>x</mi><mrow><mn>2</mn></mrow></msup>"),
        (r"x_{1}^{2}", "<msubsup><mi>x</mi><mrow><mn>1</mn></mrow><mrow><mn>2</mn></mrow></msubsup>"),
        (r"\frac{1}{x}", "<mfrac><mrow><mn>1</mn></mrow><mrow><mi>x</mi></mrow></mfrac>"),
        (r"\sqrt{x}", "<msqrt><mrow><mi>x</mi></mrow></msqrt>"),
        (r"\sqrt[3]{x}", "<mroot><mrow><mi>x</mi></mrow><mrow><mn>3</mn></mrow></mroot>"),
        (r"\left(x\right)", "<mrow><mo>(</mo><mi>x</mi><mo>)</mo></mrow>"),
        (r"\left|x\right.", "<mrow><mo>|</mo><mi>x</mi></mrow>"),
        (r"\operatorname{erf}^{2}", "<msup><mi>erf</mi><mrow><mn>2</mn></mrow></msup>"),
        (r"\foo", r"<mtext>\foo</mtext>"),
    ],
)
def test_a_construct_has_its_element(latex, expected):
    assert inner(latex) == expected


def test_tables_have_rows_and_cells():
    text = mathml(r"\begin{aligned} a &= b \\ c &\sim d \end{aligned}")
    assert text.count("<mtr>") == 2
    assert text.count("<mtd>") == 4
    assert 'class="aligned"' in text
    cases = mathml(sympy.latex(sympy.Piecewise((1, x > 0), (0, True))))
    assert cases.count("<mtr>") == 2
    assert "{" in cases
    assert mathml(sympy.latex(sympy.Matrix([[1, x], [x, 2]]))).count("<mtd>") == 4


@pytest.mark.parametrize(
    "expression",
    [
        dot(w, v) ** 2 / n,
        sympy.erf(dot(w, z) / sympy.sqrt(2)) * sympy.exp(-x),
        sympy.Abs(x) ** sympy.Rational(1, 3),
        sympy.Piecewise((x, x > 0), (0, True)),
        sympy.Integral(sympy.log(x), (x, 0, sympy.oo)),
        sympy.Sum(x**2, (x, 1, n)),
        sympy.Float(1.5e-30) * x,
        GaussianField("W", order=3)(w),
        sympy.tanh(x) + sympy.asin(y) - sympy.Max(x, y) + sympy.floor(x) + sympy.binomial(n, 2) + sympy.gamma(x),
    ],
)
def test_what_sympy_prints_is_known(expression):
    assert "\\" not in read(sympy.latex(expression))


def test_models_limits_and_moments_leave_no_command_unread():
    model = Model(
        (dot(w, z) - dot(v, z) - tau * x) ** 2 / 2, [w], {z: Normal(), x: Discrete({1: 0.5, -1: 0.5})}, {dot(v, v): 1}
    )
    algorithm, of = SGD(c / n), {"m": dot(w, v), "q": dot(w, w)}
    limit, recurrence = scaling_limit(model, algorithm, statistics=of), moments(model, algorithm, of=of)
    shown = [model.to_latex(), *(step.to_latex() for step in [*limit.steps, *recurrence.steps] if step.equations)]
    for latex in [*shown, limit.to_latex(), recurrence.to_latex()]:
        assert "\\" not in read(latex)


@settings(max_examples=300)
@given(st.text(alphabet=st.sampled_from("\\{}^_&[]()'~ abx12.<>frcsqtlegindm"), max_size=60))
def test_any_text_becomes_well_formed_markup(text):
    ElementTree.fromstring(mathml(text))


def test_a_long_sum_is_broken_between_its_terms():
    terms = sum(x**k * y ** (20 - k) * sympy.Rational(k + 1, 7) for k in range(20))
    block = equation_block([(x, terms)])
    ElementTree.fromstring(block)
    assert 3 <= block.count("<mtr>") <= 12
    assert block.count("further terms") == 0


def test_what_nobody_could_read_is_counted():
    block = equation_block([(x, sum(x**k * y for k in range(40)))])
    assert (
        "(16\N{NO-BREAK SPACE}further\N{NO-BREAK SPACE}terms,\N{NO-BREAK SPACE}40\N{NO-BREAK SPACE}in\N{NO-BREAK SPACE}all)"
        in block
    )
    many = equation_block([(symbols(f"x{k}"), sympy.Integer(k)) for k in range(70)])
    assert "58 further equations, 70 in all" in many
    product = sympy.Mul(*(symbols(f"a{k}") + 1 for k in range(700)), evaluate=False)
    assert "an\N{NO-BREAK SPACE}expression\N{NO-BREAK SPACE}of" in equation_block([(x, product)])


def test_no_equations_make_no_block():
    assert equation_block([]) == ""


def test_decimal_fractions_are_cut_for_the_eye_and_the_reader_is_told():
    block = equation_block([(x, sympy.Float("0.123456789012345") * y)])
    assert "<mn>0.123457</mn>" in block
    assert "numbers are shown to 6 digits" in block
    assert "digits" not in equation_block([(x, sympy.Float("0.5") * y)])


def test_prose_raises_powers_and_escapes_the_rest():
    assert prose("10^6 < n**2 & x") == "10<sup>6</sup> &lt; n<sup>2</sup> &amp; x"


def test_a_bar_lies_over_all_that_it_covers():
    assert inner(r"\overline{x y}") == '<mrow class="overline"><mrow><mi>x</mi><mi>y</mi></mrow></mrow>'
