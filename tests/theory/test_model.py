"""Models: two views of one loss agree, and a model is a value with one identity."""

import pickle

import pytest
import strategies
import sympy
from hypothesis import assume, given, strategies as st
from strategies import DIMENSION as N, entry, in_components
from sympy import Rational
from sympy.core.cache import clear_cache

from theory import (
    Discrete,
    Empirical,
    FieldGradient,
    GaussianField,
    Model,
    Normal,
    Rademacher,
    Vector,
    dot,
    gradient,
    symbols,
)
from theory.errors import DuplicateName, InvalidRequest, MissingValue, UnknownValue
from theory.identity import canonical_text

W, V, U, Z = (Vector(name, N) for name in "wvuz")
TAU, XI, A, X, Y = symbols("tau xi a x y")


def gradient_in_components(model, size):
    """The dimension-free gradient, its vectors replaced by their entries."""
    derived = gradient(model)
    found = {}
    for vector, terms in derived.vectors.items():
        for index in range(size):
            parts = [in_components(c, size) * entry(other, index) for other, c in terms.items()]
            found[entry(vector, index)] = sympy.Add(*parts)
    return {**found, **{symbol: in_components(value, size) for symbol, value in derived.scalars.items()}}


# ------------------------------------------------------------------------------------------------- a model is a value


@given(strategies.models())
def test_a_model_survives_pickling(model):
    twin = pickle.loads(pickle.dumps(model))
    assert twin == model
    assert hash(twin) == hash(model)
    assert twin.content_hash == model.content_hash
    assert repr(twin) == repr(model)


@given(strategies.models(), strategies.models())
def test_models_are_equal_if_and_only_if_they_read_alike(first, second):
    assert (first == second) == (first.content_hash == second.content_hash)
    if first.loss != second.loss or first.parameters != second.parameters:
        assert first != second


@given(strategies.models(), st.randoms())
def test_the_order_of_the_data_does_not_matter(model, random):
    data = [(names if len(names) > 1 else names[0], law) for names, law in model.data]
    random.shuffle(data)
    assert Model(model.loss, model.parameters, dict(data), model.fixed) == model


@given(strategies.models())
def test_every_symbol_has_exactly_one_role(model):
    roles = [
        *model.scalar_parameters,
        *(s for s in model.random if isinstance(s, sympy.Symbol)),
        *model.hyperparameters,
    ]
    assert len(set(roles)) == len(roles)
    assert model.loss.free_symbols <= set(roles)
    assert set(model.vectors) == {*model.vector_parameters, *model.data_vectors, *model.signals}


def test_a_model_cannot_be_changed():
    model = Model(dot(W, Z) ** 2, [W], {Z: Normal()})
    with pytest.raises(AttributeError, match="loss"):
        model.loss = dot(W, Z)


# ------------------------------------------------------------------------------------------- two views of one gradient


@given(strategies.vector_models(), st.integers(1, 3))
def test_the_gradient_without_a_dimension_is_the_gradient_in_coordinates(model, size):
    explicit = model.components({N: size})
    by_hand = in_components(model.loss, size)
    assert sympy.expand(explicit.loss - by_hand) == 0
    expected = gradient_in_components(model, size)
    derived = gradient(explicit).scalars
    assert set(expected) == set(derived) == set(explicit.parameters)
    for parameter, value in expected.items():
        assert sympy.expand(value - sympy.diff(by_hand, parameter)) == 0
        assert sympy.expand(value - derived[parameter]) == 0


@given(
    strategies.vector_models(),
    st.sampled_from([sympy.tanh, sympy.exp, sympy.cos, lambda d: sympy.log(1 + sympy.exp(d))]),
)
def test_the_gradient_of_a_function_of_the_loss_follows_the_chain_rule(model, outer):
    composed = Model(outer(model.loss), model.parameters, dict(model.data))
    inner, whole = gradient(model), gradient(composed)
    loss = sympy.Dummy("loss", real=True)
    slope = sympy.diff(outer(loss), loss).xreplace({loss: model.loss})
    for parameter in model.vector_parameters:
        assert set(inner[parameter]) == set(whole[parameter])
        for other, coefficient in whole[parameter].items():
            assert sympy.expand(coefficient - slope * inner[parameter][other]) == 0


@given(strategies.explicit_models())
def test_the_gradient_of_an_explicit_model_is_the_derivative(model):
    for parameter, value in gradient(model).scalars.items():
        assert sympy.expand(value - sympy.diff(model.loss, parameter)) == 0


@given(strategies.vector_models(), strategies.dot_polynomials(), strategies.positive)
def test_the_gradient_is_linear_in_the_loss(model, extra, number):
    trained, data = [*strategies.TRAINED], dict(model.data) | {(XI,): Normal()}
    anchor = sum(XI * dot(w, w) for w in trained)  # every vector occurs in every loss
    first, second = model.loss + anchor, extra + anchor
    one, two, whole = (gradient(Model(loss, trained, data)) for loss in (first, second, first + number * second))
    for w in trained:
        for other in {*one[w], *two[w], *whole[w]}:
            parts = one[w].get(other, 0) + number * two[w].get(other, 0)
            assert sympy.expand(whole[w].get(other, 0) - parts) == 0


def test_the_gradient_of_a_squared_norm_is_twice_the_vector():
    derived = gradient(Model(dot(W, W) ** 2 + dot(W, Z), [W], {Z: Normal()}))
    assert derived[W] == {W: 4 * dot(W, W), Z: 1}
    assert str(derived) == "grad_w = (4*dot(w, w)) w + (1) z"


def test_the_gradient_of_a_kink_is_a_sign_and_of_a_sign_nothing():
    derived = gradient(Model(sympy.Abs(dot(W, Z)) + sympy.sign(dot(W, V)) * dot(W, W), [W], {Z: Normal()}))
    assert derived[W] == {Z: sympy.sign(dot(W, Z)), W: 2 * sympy.sign(dot(W, V))}


def test_the_gradient_covers_vectors_scalars_and_fields_at_once():
    F = GaussianField("F", order=2)
    derived = gradient(Model(A * F(W) + A**2 * dot(W, Z), [W, A], {F: F.law, Z: Normal()}))
    assert derived[W] == {FieldGradient(F, W): A, Z: A**2}
    assert derived[A] == F(W) + 2 * A * dot(W, Z)


# --------------------------------------------------------------------------------------------------- the explicit view


@given(strategies.vector_models())
def test_the_explicit_view_keeps_hyperparameters_and_the_law_of_every_entry(model):
    explicit = model.components({N: 2})
    assert explicit.is_explicit
    signal_entries = {entry(v, i) for v in model.signals for i in range(2)}
    assert set(model.hyperparameters) == set(explicit.hyperparameters) - signal_entries
    for z in model.data_vectors:
        assert all(explicit.law_of[entry(z, i)] == model.law_of[z] for i in range(2))


@given(strategies.vector_models())
def test_the_explicit_view_of_an_explicit_model_is_itself(model):
    explicit = model.components({N: 2})
    assert explicit.components() == explicit


def test_the_dimension_becomes_a_number_everywhere():
    model = Model(dot(W, Z) ** 2 / N, [W], {Z: Normal(0, 1 / N)}, {dot(V, V): N})
    explicit = model.components({N: 3})
    w, z, v = ([entry(vector, i) for i in range(3)] for vector in (W, Z, V))
    expected = sum(a * b for a, b in zip(w, z, strict=True)) ** 2 / 3
    law = Normal(0, Rational(1, 3))
    assert explicit == Model(expected, w, dict.fromkeys(z, law), {sum(s**2 for s in v): 3})


def test_a_fixed_sum_of_inner_products_is_expanded_too():
    model = Model(dot(W, Z) * dot(V, U), [W], {Z: Normal()}, {dot(V, V) + dot(V, U): 2})
    v0, u0 = entry(V, 0), entry(U, 0)
    assert model.components({N: 1}).fixed == {v0**2 + v0 * u0: 2}


def test_a_law_over_vectors_becomes_a_joint_law_of_entries():
    law = Discrete([((V, 1), Rational(1, 3)), ((2 * U - V, 0), Rational(2, 3))])
    explicit = Model((dot(W, Z) - Y) ** 2, [W], {(Z, Y): law}).components({N: 2})
    v, u, z = ([entry(vector, i) for i in range(2)] for vector in (V, U, Z))
    pairs = [((v[0], v[1], 1), Rational(1, 3)), ((2 * u[0] - v[0], 2 * u[1] - v[1], 0), Rational(2, 3))]
    assert dict(explicit.data) == {(z[0], z[1], Y): Discrete(pairs)}


def test_a_law_of_one_number_for_a_vector_means_independent_entries():
    for law in (Rademacher(), Discrete({1: Rational(1, 4), -1: Rational(3, 4)}), Normal(1, 2)):
        explicit = Model(dot(W, Z) ** 2, [W], {Z: law}).components({N: 2})
        assert explicit.law_of == {entry(Z, 0): law, entry(Z, 1): law}


def test_a_data_array_fixes_the_dimension():
    model = Model((dot(W, Z) - Y) ** 2, [W], {(Z, Y): Empirical([[1, 2], [3, 4], [5, 6]], [1, 2, 3])})
    assert model.known_dimensions == {N: 2}
    assert model.data_count == 3
    names, law = model.components().data[0]
    assert names == (entry(Z, 0), entry(Z, 1), Y)
    assert law == Empirical([1, 3, 5], [2, 4, 6], [1, 2, 3])
    with pytest.raises(InvalidRequest, match="the data array fixes n = 2"):
        model.components({N: 3})


@pytest.mark.parametrize("size", [0, -1, 2.5, "3", True])
def test_an_impossible_dimension_is_refused(size):
    with pytest.raises(InvalidRequest, match=r"n: .* positive whole number"):
        Model(dot(W, Z), [W], {Z: Normal()}).components({N: size})


def test_an_open_or_foreign_dimension_is_refused_by_name():
    model = Model(dot(W, Z), [W], {Z: Normal()})
    with pytest.raises(MissingValue, match="dimension n of vector"):
        model.components()
    with pytest.raises(InvalidRequest, match="m is no dimension of this model; its dimensions are n"):
        model.components({N: 2, symbols("m"): 2})


def test_entries_do_not_take_the_name_of_another_symbol():
    w_0 = symbols("w_0")
    for model in (
        Model(w_0 * dot(W, Z), [W], {Z: Normal()}),
        Model(w_0 * dot(W, Z), [W], {Z: Normal(), w_0: Normal()}),
    ):
        with pytest.raises(DuplicateName, match="entry of w would carry the name 'w_0' of the symbol w_0"):
            model.components({N: 2})


# -------------------------------------------------------------------------------------------------------- substitution


@given(strategies.models(), strategies.coefficients, strategies.coefficients)
def test_substitution_reaches_the_whole_statement_and_commutes_with_the_gradient(model, first, second):
    values = {
        s: number
        for s, number in zip(strategies.HYPERPARAMETERS, (first, second), strict=True)
        if s in model.hyperparameters
    }
    image = model.loss.xreplace(values)
    assume(all(p in image.free_symbols | image.atoms(Vector) for p in model.parameters))
    replaced = model.substitute(values)
    assert replaced.hyperparameters == ()
    before, after = gradient(model), gradient(replaced)
    for parameter in model.vector_parameters:
        for other in before[parameter]:
            assert sympy.expand(before[parameter][other].xreplace(values) - after[parameter].get(other, 0)) == 0
    for symbol in model.scalar_parameters:
        assert sympy.expand(before[symbol].xreplace(values) - after[symbol]) == 0


@given(strategies.models())
def test_substituting_nothing_changes_nothing(model):
    assert model.substitute({}) == model


def test_substitution_reaches_laws_and_fixed_values():
    p, norm = symbols("p norm", positive=True)
    model = Model(X * dot(W, V), [W], {X: Discrete({1: p, -1: 1 - p})}, {dot(V, V): norm})
    assert model.hyperparameters == (norm, p)
    half = Rational(1, 2)
    assert model.substitute({p: half, norm: 4}) == Model(
        X * dot(W, V), [W], {X: Discrete({1: half, -1: half})}, {dot(V, V): 4}
    )
    checked = model.substitute({p: TAU**2 / (1 + TAU**2)})
    assert set(checked.hyperparameters) == {TAU, norm}


@pytest.mark.parametrize(
    ("key", "message"),
    [
        (A, "a is no hyperparameter of this model; they are tau"),
        (XI, "xi is no hyper"),
        (N, r"n is the dimension of vectors; write model.components\(\{n: ...\}\)"),
    ],
)
def test_substitution_refuses_what_is_no_hyperparameter(key, message):
    model = Model((dot(W, Z) - TAU * XI) ** 2, [W], {Z: Normal(), XI: Normal()})
    with pytest.raises(UnknownValue, match=message):
        model.substitute({key: 1})


def test_the_hash_does_not_depend_on_the_order_in_which_assumptions_were_declared() -> None:
    texts = []
    for assumptions in ({"positive": True, "integer": True}, {"integer": True, "positive": True}):
        clear_cache()  # SymPy hands out whichever of several equal symbols was made first
        texts.append(canonical_text(sympy.Symbol("unseen_elsewhere", **assumptions) + 1))
    assert texts[0] == texts[1]
