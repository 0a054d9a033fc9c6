"""Vectors without a dimension: linear algebra, bilinear inner products, identity, printing."""

import copy
import pickle

import pytest
import strategies
import sympy
from hypothesis import given, strategies as st
from strategies import DIMENSION as N, in_components
from sympy import Rational, sqrt, srepr

from theory import InnerProduct, LinearCombination, Vector, dot, symbols, vectors
from theory.errors import DimensionMismatch, ModelError, NotDimensionFree
from theory.vectors import replace_vectors, stray_vectors

W, V, Z = Vector("w", N), Vector("v", N), Vector("z", N)
C = symbols("c")
combinations = strategies.vector_expressions()


@given(combinations, combinations)
def test_the_inner_product_is_symmetric(a, b):
    assert sympy.expand(dot(a, b) - dot(b, a)) == 0


@given(combinations, combinations, combinations, strategies.coefficients)
def test_the_inner_product_is_bilinear(a, b, c, number):
    assert sympy.expand(dot(a + number * b, c) - dot(a, c) - number * dot(b, c)) == 0


@given(combinations, combinations, combinations)
def test_addition_is_commutative_and_associative_and_has_inverses(a, b, c):
    assert dot(a + b, V) == dot(b + a, V)
    assert all(sympy.expand(x) == 0 for x in ((a + b) + c - (a + (b + c))).terms.values())
    assert (a - a).terms == {}
    assert sum([a, b]) == a + b


@given(combinations, combinations)
def test_inner_products_agree_with_their_entries_in_two_dimensions(a, b):
    def entries(vector):
        return [sympy.Add(*(c * strategies.entry(v, i) for v, c in vector.terms.items())) for i in range(2)]

    direct = sum(x * y for x, y in zip(entries(a), entries(b), strict=True))
    assert sympy.expand(in_components(dot(a, b), 2) - direct) == 0


@given(combinations, combinations)
def test_replacing_vectors_by_combinations_is_substitution_before_the_product(a, b):
    w1, v1 = strategies.TRAINED[0], strategies.SIGNALS[0]
    replaced = replace_vectors(dot(w1, v1) ** 2 + dot(w1, w1), {w1: a, v1: b})
    assert sympy.expand(replaced - dot(a, b) ** 2 - dot(a, a)) == 0


@given(combinations)
def test_a_combination_survives_pickling_and_copying(a):
    for twin in (pickle.loads(pickle.dumps(a)), copy.deepcopy(a)):
        assert twin == a
        assert hash(twin) == hash(a)
        assert srepr(twin) == srepr(a)


@given(combinations)
def test_every_printer_takes_every_combination(a):
    assert all((str(a), srepr(a), sympy.latex(a), sympy.pretty(a), sympy.mathml(a, printer="presentation")))


def test_a_vector_is_identified_by_name_and_dimension():
    assert Vector("w", N) == W
    assert Vector("w", 3) != W
    assert Vector("w", 3) != Vector("w", 4)
    assert len({srepr(v) for v in (W, V, Vector("w", 3), Vector("w", 4))}) == 4
    assert W != symbols("w")


def test_the_zero_combination_has_no_terms_and_is_orthogonal_to_everything():
    zero = W - W
    assert isinstance(zero, LinearCombination)
    assert zero.dimension is None
    assert dot(zero, V) == 0
    assert zero + W == W == 0 + W == W - 0
    assert 0 - W == -W


def test_scalars_multiply_from_both_sides_and_divide():
    assert 2 * W == W * 2
    assert C * W == W * C
    assert (C * W) / C == W
    assert dot(W / sqrt(C**2 + 1), W) == dot(W, W) / sqrt(C**2 + 1)


def test_an_inner_product_is_real_and_a_squared_norm_nonnegative():
    assert dot(W, V).is_real
    assert dot(W, V).is_nonnegative is None
    assert dot(W, W).is_nonnegative
    assert sqrt(dot(W, W) ** 2) == dot(W, W)
    assert sympy.conjugate(dot(W, V)) == dot(W, V)


def test_an_inner_product_knows_its_factors():
    product = dot(W, V)
    assert product == InnerProduct(V, W) == InnerProduct(W, V)
    assert (product.left, product.right) == (V, W)
    assert product.involves(W)
    assert not product.involves(Z)
    assert product.other(W) == V
    assert dot(W, W).other(W) == W


def test_sympy_algebra_works_on_expressions_of_inner_products():
    d = dot(W, V)
    assert sympy.factor(d**2 + 2 * d + 1) == (d + 1) ** 2
    assert sympy.expand((d + dot(W, W)) ** 2).coeff(d, 1) == 2 * dot(W, W)
    assert sympy.diff(C * d, C) == d
    assert sympy.together(1 / d + 1 / dot(W, W)).is_Mul


def test_inner_products_print_in_every_form():
    expression = dot(W, V) ** 2 / 2
    assert str(expression) == "dot(v, w)**2/2"
    assert sympy.latex(expression) == r"\frac{\langle \mathbf{v}, \mathbf{w}\rangle^{2}}{2}"
    assert "<v, w>" in sympy.pretty(expression)
    assert "<mo>&#10216;</mo><mi>v</mi>" in sympy.mathml(expression, printer="presentation")
    assert "scalarproduct" in sympy.mathml(expression, printer="content")


def test_a_numbered_vector_is_typeset_alike_alone_and_in_a_combination():
    w1 = Vector("w1", N)
    assert sympy.latex(w1) == r"\mathbf{w_{1}}"
    assert sympy.latex(2 * w1) == r"2 \mathbf{w_{1}}"


def test_vectors_makes_a_numbered_family():
    assert vectors("w", N, count=2) == (Vector("w1", N), Vector("w2", N))


def test_symbols_are_real_unless_told_otherwise():
    assert symbols("x").is_real
    assert symbols("x") == sympy.Symbol("x", real=True)
    assert symbols("x", positive=True) == sympy.Symbol("x", positive=True)
    assert symbols("x", complex=True).is_real
    assert [s.name for s in symbols("a:3")] == ["a0", "a1", "a2"]


@pytest.mark.parametrize(
    ("misuse", "message"),
    [
        (lambda: W * W, r"w \* w .*write dot\(w, w\)"),
        (lambda: W * V, r"w \* v .*write dot\(w, v\)"),
        (lambda: W + 1, r"w \+ 1 "),
        (lambda: 1 + W, r"w \+ 1 "),
        (lambda: W - 1, r"w \+ -1 "),
        (lambda: 1 - W, r"-w \+ 1 "),
        (lambda: C + W, r"w \+ c "),
        (lambda: W - C, r"w \+ -c "),
        (lambda: W**2, r"\(w\)\*\*2 .*dot\(w, w\)"),
        (lambda: 1 / W, r"1/\(w\)"),
        (lambda: W / V, "got v of type Vector"),
        (lambda: W * "2", "got '2' of type str"),
        (lambda: dot(W, 1), r"dot\(w, 1\): 1 is no vector"),
        (lambda: dot(C, W), r"dot\(c, w\): c is no vector"),
        (lambda: InnerProduct(2 * W, W), "takes two vectors"),
    ],
)
def test_arithmetic_that_gives_no_vector_is_refused_by_name(misuse, message):
    with pytest.raises(NotDimensionFree, match=message):
        misuse()


def test_vectors_of_different_dimensions_do_not_meet():
    u = Vector("u", symbols("m", positive=True))
    for mix in (lambda: W + u, lambda: dot(W, u), lambda: dot(W + V, u)):
        with pytest.raises(DimensionMismatch, match=r"R\^n.*R\^m|R\^m.*R\^n"):
            mix()


@pytest.mark.parametrize("dimension", ["n", 0, -1, 2.5, 3.0, True, None, Rational(1, 2), symbols("n", negative=True)])
def test_an_impossible_dimension_is_refused(dimension):
    with pytest.raises(ModelError, match="dimension of vector 'w'"):
        Vector("w", dimension)


@pytest.mark.parametrize("count", [0, -1, 1.5, "2", True])
def test_an_impossible_count_of_vectors_is_refused(count):
    with pytest.raises(ModelError, match="count"):
        vectors("w", N, count=count)


@pytest.mark.parametrize("name", ["", "  ", None, 3])
def test_a_vector_needs_a_name(name):
    with pytest.raises(ModelError, match="needs a name"):
        Vector(name, N)


@given(st.data())
def test_a_vector_is_found_wherever_it_stands_outside_an_inner_product(data):
    d = data.draw(strategies.dot_polynomials())
    assert stray_vectors(d) == []
    assert stray_vectors(d + sympy.exp(W))
    assert stray_vectors(2 * W)
