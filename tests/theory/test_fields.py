"""Gaussian fields: covariance, values and gradients, identity, printing, and their finite tensors."""

import pickle

import pytest
import sympy
from hypothesis import given, settings, strategies as st
from sympy import Lambda, exp

from theory import FieldGradient, GaussianField, Model, Normal, Vector, dot, gradient, symbols
from theory.errors import DimensionMismatch, InvalidLaw, ModelError, NotReal, UnknownSymbol, UnsupportedExpectation
from theory.expectation import expectation

N, K = symbols("n k", positive=True)
R = symbols("r")
W, V = Vector("w", N), Vector("v", N)


def test_a_field_of_order_k_has_the_covariance_of_a_contracted_gaussian_tensor():
    field = GaussianField("W", order=K)
    assert field.covariance(R) == R**K
    assert sympy.simplify(field.covariance(R, derivative=1) - K * R ** (K - 1)) == 0


def test_a_derivative_of_the_covariance_is_finite_at_zero():
    assert GaussianField("W", order=3).covariance(sympy.S.Zero, derivative=1) == 0
    assert GaussianField("W", order=K).covariance(R, derivative=1).xreplace({R: sympy.S.Zero, K: sympy.S(2)}) == 0


def test_a_covariance_may_be_given_as_a_function():
    x = symbols("x")
    assert GaussianField("W", covariance=Lambda(x, x**2)) == GaussianField("W", order=2)
    assert GaussianField("W", covariance=Lambda(x, exp(x))).covariance(R) == exp(R)


def test_a_hyperparameter_of_the_covariance_is_not_mixed_up_with_its_argument():
    x, r = symbols("x r")
    field = GaussianField("W", covariance=Lambda(x, r * x))
    assert field.free_symbols == {r}
    assert field.covariance(W_W := dot(W, W)) == r * W_W


def test_fields_are_equal_if_name_and_covariance_are():
    assert GaussianField("W", order=2) == GaussianField("W", order=2)
    assert GaussianField("W", order=2) != GaussianField("W", order=3)
    assert GaussianField("W", order=2) != GaussianField("U", order=2)
    assert GaussianField("W", order=2).law == GaussianField("W", order=2).law
    assert GaussianField("W", order=2).law != GaussianField("W", order=3).law


@pytest.mark.parametrize("order", [1, 3, K])
def test_fields_their_values_and_gradients_survive_pickling(order):
    field = GaussianField("W", order=order)
    for item in (
        field,
        field.law,
        field(W),
        field(W) ** 2 + dot(W, W),
        FieldGradient(field, W),
        dot(FieldGradient(field, W), V),
    ):
        twin = pickle.loads(pickle.dumps(item))
        assert twin == item
        assert hash(twin) == hash(item)
        assert repr(twin) == repr(item)


def test_field_values_print_in_every_form():
    value = GaussianField("W", order=K)(W)
    assert str(value**2) == "W(w)**2"
    assert sympy.latex(value**2) == r"W\left(\mathbf{w}\right)^{2}"
    assert sympy.pretty(value) == "W(w)"
    assert "W" in sympy.mathml(value, printer="presentation")
    assert sympy.latex(FieldGradient(GaussianField("W", order=K), W)) == r"\nabla W\left(\mathbf{w}\right)"
    assert sympy.srepr(value) != sympy.srepr(GaussianField("W", order=2)(W))


def test_a_field_value_is_a_real_scalar():
    value = GaussianField("W", order=2)(W)
    assert value.is_real
    assert sympy.diff(value, R) == 0


def test_substitution_reaches_the_covariance():
    field = GaussianField("W", order=K)
    assert field.substitute({K: sympy.S(2)}) == GaussianField("W", order=2)
    model = Model(field(W) + dot(W, V) ** K, [W], [field])
    assert model.substitute({K: 2}) == Model(
        GaussianField("W", order=2)(W) + dot(W, V) ** 2, [W], [GaussianField("W", order=2)]
    )


@pytest.mark.parametrize("order", [1, 2, 3])
def test_the_finite_tensor_of_a_field_has_its_covariance(order):
    field = GaussianField("F", order=order)
    u = Vector("u", N)
    model = Model(field(W) * field(u), [W, u], [field]).components({N: 2})
    laws = dict(model.data)
    assert len(laws) == 2**order
    average = expectation(model.loss, {names[0]: law for names, law in laws.items()})
    w0, w1, u0, u1 = symbols("w_0 w_1 u_0 u_1")
    assert sympy.expand(average - (w0 * u0 + w1 * u1) ** order) == 0


@settings(deadline=None, derandomize=True)
@given(st.integers(1, 3), st.integers(1, 2))
def test_the_gradient_of_a_field_is_the_gradient_of_its_finite_tensor(order, size):
    field = GaussianField("F", order=order)
    model = Model(3 * field(W) + dot(W, V), [W], [field])
    assert gradient(model)[W] == {FieldGradient(field, W): 3, V: 1}
    explicit = model.components({N: size})
    derived = gradient(explicit)
    for index in range(size):
        w_i, v_i = symbols(f"w_{index} v_{index}")
        assert sympy.expand(derived[w_i] - sympy.diff(explicit.loss, w_i)) == 0
        assert derived[w_i].has(v_i)


@pytest.mark.parametrize("options", [{}, {"order": 2, "covariance": Lambda(R, R)}])
def test_a_field_takes_an_order_or_a_covariance(options):
    with pytest.raises(ModelError, match="field 'W' takes either"):
        GaussianField("W", **options)


@pytest.mark.parametrize("order", [0, -1, 1.5, "k", True])
def test_an_impossible_order_is_refused(order):
    with pytest.raises(ModelError, match="order of field 'W'"):
        GaussianField("W", order=order)


def test_other_misuse_of_a_field_is_refused_by_name():
    field = GaussianField("W", order=2)
    with pytest.raises(ModelError, match="needs a name"):
        GaussianField("", order=2)
    with pytest.raises(ModelError, match="covariance of field 'W'"):
        GaussianField("W", covariance=R**2)
    with pytest.raises(NotReal, match="field 'W' contains k"):
        GaussianField("W", order=sympy.Symbol("k"))
    with pytest.raises(ModelError, match="field W is evaluated at a single vector"):
        field(W + V)
    with pytest.raises(UnknownSymbol, match="field W occurs in the loss but not in data"):
        Model(field(W), [W], {V: Normal()})
    with pytest.raises(InvalidLaw, match=r"W takes its own law, W\.law"):
        Model(field(W), [W], {field: Normal()})
    with pytest.raises(InvalidLaw, match=r"given the law of field U; write data=\{U: U.law\}"):
        Model(field(W), [W], {field: GaussianField("U", order=2).law})
    with pytest.raises(DimensionMismatch, match=r"field W is evaluated at .* in R\^n"):
        Model(field(W) + field(Vector("u", 3)), [W], [field])
    with pytest.raises(UnsupportedExpectation, match=r"field W with covariance .* has no expansion"):
        exponential = GaussianField("W", covariance=Lambda(R, exp(R)))
        Model(exponential(W), [W], [exponential]).components({N: 2})
