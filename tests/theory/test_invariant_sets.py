"""Invariant sets: the fixed spaces of the loss's symmetries, what acts across them, and that SGD never leaves them."""

from itertools import chain, combinations

import pytest
import sympy
from sympy import ImmutableDenseMatrix, cos, tanh

from theory import (
    SGD,
    Discrete,
    HeavyBall,
    Model,
    Normal,
    Rademacher,
    Symmetry,
    Vector,
    dot,
    invariant_sets,
    random_map,
    stability,
    symbols,
    transverse_map,
    transverse_stability,
)
from theory.errors import InvalidRequest, UnsupportedExpectation, ValuesError

ETA = symbols("eta", positive=True)
U1, W1, U2, W2, X, Y = symbols("u1 w1 u2 w2 x y")
DATA = {X: Normal(), Y: Normal()}
TWO_NEURONS = Model((U1 * W1 * X + U2 * W2 * X - Y) ** 2 / 2, [U1, W1, U2, W2], DATA)
TANH = Model((U1 * tanh(W1 * X) + U2 * tanh(W2 * X) - Y) ** 2 / 2, [U1, W1, U2, W2], DATA)
NO_POLYNOMIAL = Model(cos(U1 * X) * (U2 - W2) ** 2 + W1**4 * Y**2 + (U2 + W2) ** 3 * X, [U1, W1, U2, W2], DATA)


def signed_permutations(model, kind):
    """Every flip of a subset, or every product of disjoint transpositions, as a substitution."""
    parameters = model.parameters
    if kind == Symmetry.SIGN_FLIP:
        subsets = chain.from_iterable(combinations(parameters, k) for k in range(1, len(parameters) + 1))
        return [{p: -p for p in subset} for subset in subsets]
    pairs = list(combinations(parameters, 2))
    groups = chain.from_iterable(combinations(pairs, k) for k in range(1, len(parameters) // 2 + 1))
    disjoint = [group for group in groups if len(set(chain(*group))) == 2 * len(group)]
    return [{a: b for pair in group for a, b in (pair, pair[::-1])} for group in disjoint]


def fixed_space(model, images):
    parameters = model.parameters
    matrix = sympy.Matrix([[sympy.diff(images.get(p, p), q) for q in parameters] for p in parameters])
    return ImmutableDenseMatrix(matrix)


@pytest.mark.parametrize("model", [TWO_NEURONS, TANH, NO_POLYNOMIAL], ids=["net", "tanh", "cosine"])
@pytest.mark.parametrize("kind", list(Symmetry))
def test_the_sets_are_those_that_a_search_over_all_candidates_finds(model, kind):
    expected = {
        fixed_space(model, images)
        for images in signed_permutations(model, kind)
        if sympy.expand(model.loss.xreplace(images) - model.loss) == 0
    }
    found = [one.reflection for one in invariant_sets(model) if one.symmetry == kind]
    assert len(found) == len(set(found))
    assert set(found) == expected


@pytest.mark.parametrize("model", [TWO_NEURONS, TANH], ids=["net", "tanh"])
@pytest.mark.parametrize("momentum", [None, HeavyBall(sympy.Rational(1, 2))])
def test_a_step_from_the_set_stays_on_it_for_every_sample(model, momentum):
    from theory.update import velocity

    step = random_map(model, SGD(ETA, momentum=momentum, weight_decay=symbols("gamma", positive=True)))
    for one in invariant_sets(model):
        place = dict(one.frozen)
        if momentum is not None:
            place |= {
                velocity(p): value.xreplace({q: velocity(q) for q in one.free}) for p, value in one.frozen.items()
            }
        for equation in one.equations:
            moved = equation.xreplace(step.update).xreplace(place)
            assert sympy.expand(moved) == 0


def test_a_set_names_its_symmetry_its_equations_and_its_coordinates():
    swap = next(one for one in invariant_sets(TANH) if one.symmetry == Symmetry.EXCHANGE)
    assert swap.equations == (U1 - U2, W1 - W2)
    assert swap.free == (U1, W1)
    assert swap.frozen == {U2: U1, W2: W1}
    assert swap.contains({U1: 3, U2: 3, W1: sympy.sqrt(2), W2: sympy.sqrt(8) / 2})
    assert not swap.contains({U1: 3, U2: -3, W1: 1, W2: 1})


def test_transverse_blocks_split_the_blocks_of_the_saddle():
    """At the origin R is a symmetry of every block; copies across the set and copies along it add up."""
    saddle = stability(TWO_NEURONS, SGD(ETA), point=dict.fromkeys(TWO_NEURONS.parameters, 0))
    for one in invariant_sets(TWO_NEURONS):
        across = transverse_stability(saddle, one)
        assert sum(block.size * block.multiplicity for block in across.blocks) == len(one.moved)
        for block in across.blocks:
            assert one.reflection * block.vectors == -block.vectors
            (original,) = [b for b in saddle.blocks if b.curvature == block.curvature]
            assert original.exponent == block.exponent


def test_dead_neurons_of_a_partly_live_saddle_see_the_residual():
    """Neuron 1 fits the samples with x1 = 1 exactly; neuron 2 is dead and sees e x2 = -y x2 in place of its own error."""
    x1, x2 = symbols("x1 x2")
    data = Discrete([((1, 0, 1), 0.5), ((0, 1, 2), 0.25), ((0, 1, -1), 0.25)])
    model = Model((U1 * W1 * x1 + U2 * W2 * x2 - Y) ** 2 / 2, [U1, W1, U2, W2], {(x1, x2, Y): data})
    with pytest.warns(match="u1 - w1"):  # the valley u1 w1 = 1
        found = stability(model, SGD(ETA), point={U1: 1, W1: 1, U2: 0, W2: 0})
    dead = next(one for one in invariant_sets(model) if one.equations == (U2, W2))
    across = transverse_stability(found, dead)
    expected = {
        U2 - W2: (sympy.log(abs(1 - 2 * ETA)) + sympy.log(1 + ETA)) / 4,
        U2 + W2: (sympy.log(1 + 2 * ETA) + sympy.log(abs(1 - ETA))) / 4,
    }
    assert {block.label for block in across.blocks} == set(expected)
    for block in across.blocks:
        for eta in (0.3, 0.7, 1.9):
            assert abs(float((block.exponent - expected[block.label]).subs(ETA, eta))) < 1e-14


def test_the_transverse_map_is_the_derivative_of_sgd_across_the_set():
    """Displace the parameters by epsilon along the transverse directions, step, and differentiate at epsilon = 0."""
    epsilon = sympy.Dummy("epsilon")
    step = random_map(TANH, SGD(ETA, batch_size=2))
    for one in invariant_sets(TANH):
        equations = transverse_map(TANH, SGD(ETA, batch_size=2), one)
        coordinates = [quantity for quantity in equations.state if quantity not in one.free]
        shift = dict.fromkeys(TANH.parameters, sympy.S.Zero)
        for coordinate, direction in zip(coordinates, one.transverse, strict=True):
            for p, weight in direction.items():
                shift[p] += epsilon * weight * coordinate
        displaced = {p: one.frozen.get(p, p) + shift[p] for p in TANH.parameters}
        for coordinate, direction in zip(coordinates, one.transverse, strict=True):
            moved = sum(weight * step.update[p] for p, weight in direction.items()) / len(direction)
            derivative = sympy.diff(moved.xreplace(displaced), epsilon).subs(epsilon, 0)
            assert sympy.expand(derivative - equations.update[coordinate]) == 0


def test_a_point_off_the_set_and_a_foreign_set_are_refused():
    dead = next(one for one in invariant_sets(TWO_NEURONS) if one.equations == (U2, W2))
    model = Model((U1 * W1 * X + U2 * W2 * X - X) ** 2 / 2, [U1, W1, U2, W2], {X: Normal()})
    with pytest.warns(match="no sample curves"):
        point = stability(model, SGD(ETA), point={U1: 1, W1: 1, U2: 1, W2: 0})
    with pytest.raises(ValuesError, match="does not lie on"):
        transverse_stability(point, dead)
    other = Model((U1 * W1 * X + U2 * W2 * Y) ** 2 / 2 + U2, [U1, W1, U2, W2], DATA)
    with pytest.raises(ValuesError, match="no invariant set of this model"):
        transverse_map(other, SGD(ETA), dead)


def test_large_and_vector_models_are_refused_by_name():
    names = symbols(" ".join(f"p{k}" for k in range(13)))
    with pytest.raises(InvalidRequest, match="at most 12"):
        invariant_sets(Model(sum(p**2 for p in names) * X**2, list(names), {X: Normal()}))
    w, x = (Vector(name, symbols("n", positive=True)) for name in "wx")
    with pytest.raises(UnsupportedExpectation, match="components"):
        invariant_sets(Model((dot(w, x) - Y) ** 2, [w], {x: Normal(), Y: Rademacher()}))
