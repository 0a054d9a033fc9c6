"""The dimension-free calculus against coordinates: gradients, increments and averages at n = 2 and 3, symbolically."""

from functools import cache
from itertools import product
from math import prod
from typing import Any

import pytest
import sympy
from sympy import Expr, Poly, Rational, Symbol, cos, diff, exp, sqrt, tanh

from theory import (
    SGD,
    DecoupledDecay,
    Discrete,
    GaussianField,
    HeavyBall,
    Model,
    Nesterov,
    NesterovLookahead,
    Normal,
    Rademacher,
    Vector,
    dot,
    gradient,
    moments,
    one_step_increment,
    scaling_limit,
    symbols,
)
from theory.algebra import Algebra, derive_in_algebra
from theory.calculus.average import SampleAverage
from theory.calculus.increment import copied
from theory.errors import AlgorithmNotCovered, UnknownSymbol, UnsupportedExpectation
from theory.expectation.groups import coefficient_symbols
from theory.fields import FieldGradient
from theory.moments.gram import GramStep
from theory.vectors import InnerProduct

n, eta, tau, alpha, snr, p = symbols("n eta tau alpha snr p", positive=True)
w, u, v, mu, z, z2, centre = (Vector(name, n) for name in ("w", "u", "v", "mu", "z", "z2", "centre"))
xi, y, a, b = symbols("xi y a b")


# ---------------------------------------------------------------------------------- coordinates, without any of theory


def entries(vector: Vector, size: int) -> list[Symbol]:
    return [Symbol(f"{vector.name}_{i}", real=True) for i in range(size)]


def written_out(expression: Expr, size: int) -> Expr:
    """Inner products as sums over coordinates, n as a number."""
    images = {
        q: sympy.Add(*(s * t for s, t in zip(entries(q.args[0], size), entries(q.args[1], size), strict=True)))
        for q in expression.atoms(InnerProduct)
    }
    return sympy.sympify(expression).xreplace(images).xreplace({n: sympy.Integer(size)})


@cache
def normal_moment(power: int) -> int:
    return 0 if power % 2 else prod(range(1, power, 2))


def gaussian_average(expression: Expr, variances: dict[Symbol, Any]) -> Expr:
    """E over independent centred Gaussians, monomial by monomial."""
    names = [s for s in variances if expression.has(s)]
    if not names:
        return expression
    total = []
    for powers, coefficient in Poly(expression, *names).terms():
        moment = prod(normal_moment(e) for e in powers)
        if moment:
            total.append(
                coefficient
                * moment
                * sympy.Mul(*(variances[s] ** (e // 2) for s, e in zip(names, powers, strict=True)))
            )
    return sympy.Add(*total)


def copies(expression: Expr, random: list[Symbol], number: int) -> Expr:
    return expression.xreplace({s: Symbol(f"{s.name}__{number}", real=True) for s in random})


def brute_force(
    model: Model,
    algorithm: SGD,
    targets: list[Expr],
    size: int,
    gaussians: dict[Symbol, Any],
    classes: list[tuple[Any, dict[Symbol, Any]]],
) -> list[Expr]:
    """E of products of inner products after one step, by writing out a batch in coordinates and averaging monomials.

    `gaussians`: variances of the coordinates of the data; `classes`: pairs (probability, values of the other data).
    """
    loss = sympy.expand(written_out(model.loss, size))
    batch, rate = int(algorithm.batch_size), algorithm.learning_rate.xreplace({n: sympy.Integer(size)})
    parameters = [s for q in model.parameters for s in (entries(q, size) if isinstance(q, Vector) else [q])]
    other = sorted({s for _, values in classes for s in values}, key=str)
    random = [*gaussians, *other]
    slopes = {q: diff(loss, q) for q in parameters}
    new = {
        q: q
        - rate
        * (sympy.Add(*(copies(slopes[q], random, j) for j in range(batch))) / batch + algorithm.coupled_decay * q)
        for q in parameters
    }
    variances = {Symbol(f"{s.name}__{j}", real=True): value for s, value in gaussians.items() for j in range(batch)}
    results = []
    for target in targets:
        moved = written_out(target, size).xreplace(new)
        total = sympy.S.Zero
        for chosen in product(classes, repeat=batch):
            images = {
                Symbol(f"{s.name}__{j}", real=True): x
                for j, (_, values) in enumerate(chosen)
                for s, x in values.items()
            }
            total += sympy.Mul(*(weight for weight, _ in chosen)) * gaussian_average(
                sympy.expand(moved.xreplace(images)), variances
            )
        results.append(sympy.expand(total))
    return results


def derived(model: Model, algorithm: SGD, target: Expr) -> Expr:
    """E of a product of inner products after one step, derived without a dimension, whether moments close or not."""
    atoms = sorted(target.atoms(InnerProduct) | (set(model.scalar_parameters) & target.free_symbols), key=str)
    powers = Poly(target.xreplace(dict(zip(atoms, sympy.symbols(f"x:{len(atoms)}"), strict=True)))).monoms()[0]
    step = GramStep(model, algorithm, sum(powers))
    indices = tuple(
        step.coordinates.index(atom) for atom, power in zip(atoms, powers, strict=True) for _ in range(power)
    )

    def derivation(algebra: Algebra) -> Expr:
        return algebra.expression(step.bind(algebra).expected(indices))

    hints = coefficient_symbols([algorithm.learning_rate, *model.fixed.values(), *model.hyperparameters])
    return derive_in_algebra(derivation, step.variables, [h for h in hints if h not in step.variables])


def normal_entries(*vectors: Vector, size: int, variance: Any = 1) -> dict[Symbol, Any]:
    return {s: variance for vector in vectors for s in entries(vector, size)}


LEAST_SQUARES = Model((dot(w, z) - dot(v, z) - tau * xi) ** 2 / 2, [w], {z: Normal(), xi: Rademacher()})
PHASE = Model((dot(w, z) ** 2 - dot(v, z) ** 2) ** 2 / 4, [w], {z: Normal()})
DATA_NORM = Model((dot(w, z) * dot(z, z) / n - dot(v, z)) ** 2 / 2, [w], {z: Normal(0, snr)})
TWO_DATA = Model(
    (dot(w, z) + dot(w, z2) * dot(z, z2) - xi) ** 2 / 2, [w], {z: Normal(), z2: Normal(0, 2), xi: Rademacher()}
)
SECOND_LAYER = Model((a * dot(w, z) - dot(v, z)) ** 2 / 2, [w, a], {z: Normal()})
MIXTURE = Model(
    (dot(w, centre + z) - y) ** 2 / 2,
    [w],
    {(centre, y): Discrete([((mu, 1), p), ((-2 * mu + v, -3), 1 - p)]), z: Normal()},
)
SELF = Model((dot(w, w) * dot(v, z) - dot(w, z)) ** 2 / 2, [w], {z: Normal()})
PAIR = Model((dot(w, z) + dot(u, z) - xi) ** 2 / 2 + dot(w, u) * dot(u, z), [w, u], {z: Normal(), xi: Rademacher()})
SIGNS: list[tuple[Any, dict[Symbol, Any]]] = [(Rational(1, 2), {xi: 1}), (Rational(1, 2), {xi: -1})]
NOTHING: list[tuple[Any, dict[Symbol, Any]]] = [(sympy.S.One, {})]


def mixture_classes(size: int) -> list[tuple[Any, dict[Symbol, Any]]]:
    first = dict(zip(entries(centre, size), entries(mu, size), strict=True))
    second = {c: -2 * m + s for c, m, s in zip(entries(centre, size), entries(mu, size), entries(v, size), strict=True)}
    return [(p, {**first, y: 1}), (1 - p, {**second, y: -3})]


BRUTE = [
    ("least squares", LEAST_SQUARES, 3, 1, [dot(w, w), dot(w, v), dot(w, w) * dot(w, v)], None, SIGNS),
    ("least squares, second moments", LEAST_SQUARES, 2, 1, [dot(w, w) ** 2], None, SIGNS),
    ("least squares, batch of two", LEAST_SQUARES, 2, 2, [dot(w, v), dot(w, w), dot(w, v) ** 2], None, SIGNS),
    ("least squares, second moments of a batch", LEAST_SQUARES, 2, 2, [dot(w, v) ** 2, dot(w, w) ** 2], None, SIGNS),
    ("least squares, batch of three", LEAST_SQUARES, 2, 3, [dot(w, w), dot(w, v) ** 2], None, SIGNS),
    ("phase retrieval", PHASE, 3, 1, [dot(w, w), dot(w, v)], None, NOTHING),
    ("phase retrieval, batch of two", PHASE, 2, 2, [dot(w, w)], None, NOTHING),
    ("norm of the data over n, symbolic variance", DATA_NORM, 3, 1, [dot(w, w), dot(w, v)], snr, NOTHING),
    ("two data vectors multiplied", TWO_DATA, 2, 1, [dot(w, w)], {z2: 2}, SIGNS),
    ("two data vectors multiplied, batch of two", TWO_DATA, 2, 2, [dot(w, w)], {z2: 2}, SIGNS),
    ("trained second layer", SECOND_LAYER, 3, 1, [dot(w, w), a, a * dot(w, v), a**2], None, NOTHING),
    ("trained second layer, batch of two", SECOND_LAYER, 2, 2, [dot(w, w), a**2], None, NOTHING),
    ("classes with means and labels", MIXTURE, 2, 1, [dot(w, w), dot(w, mu), dot(w, v) * dot(w, mu)], None, "mixture"),
    ("classes with means and labels, batch of two", MIXTURE, 2, 2, [dot(w, mu), dot(w, w)], None, "mixture"),
    ("random coefficient of the trained vector", SELF, 2, 1, [dot(w, w), dot(w, v)], None, NOTHING),
    ("two trained vectors that interact", PAIR, 2, 2, [dot(w, u), dot(w, w), dot(u, u)], None, SIGNS),
]


COSTLY = {
    "least squares, second moments of a batch",
    "least squares, batch of three",
    "trained second layer, batch of two",
    "two data vectors multiplied, batch of two",
}


@pytest.mark.parametrize(
    ("model", "size", "batch", "targets", "variance", "classes"),
    [pytest.param(*case[1:], id=case[0], marks=[pytest.mark.slow] * (case[0] in COSTLY)) for case in BRUTE],
)
def test_averages_of_inner_products_equal_those_of_coordinates(model, size, batch, targets, variance, classes):
    check_average(model, SGD(eta, batch_size=batch, weight_decay=alpha), targets[:1], size, variance, classes)
    check_average(model, SGD(eta, batch_size=batch), targets[1:], size, variance, classes)


def check_average(model: Model, algorithm: SGD, targets: list[Expr], size: int, variance: Any, classes: Any) -> None:
    gaussians: dict[Symbol, Any] = {}
    for vector in model.data_vectors:
        if vector != centre:
            special = variance.get(vector, 1) if isinstance(variance, dict) else variance or 1
            gaussians |= normal_entries(vector, size=size, variance=special)
    expected = brute_force(
        model, algorithm, targets, size, gaussians, mixture_classes(size) if classes == "mixture" else classes
    )
    for target, value in zip(targets, expected, strict=True):
        assert sympy.expand(written_out(derived(model, algorithm, target), size) - value) == 0, target


@pytest.mark.parametrize("batch", [1, 2, 3])
@pytest.mark.parametrize("order", [2, 3])
def test_tensor_fields_average_like_tensors_with_normal_entries(order, batch):
    size = 2
    field = GaussianField("W", order=order)
    model = Model(-field(w) - tau * dot(w, v) ** order + dot(w, w) ** 2, [w], [field])
    algorithm = SGD(eta, batch_size=batch)
    tensor = {
        index: Symbol(f"W_{'_'.join(map(str, index))}", real=True) for index in product(range(size), repeat=order)
    }
    coordinates = entries(w, size)
    value = sympy.Add(*(s * sympy.Mul(*(coordinates[i] for i in index)) for index, s in tensor.items()))
    explicit = Model(
        -value - tau * written_out(dot(w, v), size) ** order + written_out(dot(w, w), size) ** 2,
        coordinates,
        {s: Normal() for s in tensor.values()},
    )
    targets = [
        dot(w, w),
        dot(w, v),
        *([dot(w, v) ** 2] if batch < 3 else []),
        *([dot(w, w) ** 2] if batch == 1 and order == 2 else []),
    ]
    expected = brute_force(explicit, algorithm, targets, size, dict.fromkeys(tensor.values(), 1), NOTHING)
    for target, found in zip(targets, expected, strict=True):
        assert sympy.expand(written_out(derived(model, algorithm, target), size) - found) == 0, target


@pytest.mark.parametrize("batch", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_squared_norms_under_linear_fields_average_like_coordinates(batch):
    size, first, second = 2, GaussianField("F", order=1), GaussianField("H", order=2)
    model = Model(first(w) + 3 * second(w) + second(w) * dot(w, v), [w], [first, second])
    coordinates = entries(w, size)
    linear = [Symbol(f"F_{i}", real=True) for i in range(size)]
    square = [[Symbol(f"H_{i}_{j}", real=True) for j in range(size)] for i in range(size)]
    form = sympy.Add(*(square[i][j] * coordinates[i] * coordinates[j] for i in range(size) for j in range(size)))
    loss = (
        sympy.Add(*(s * x for s, x in zip(linear, coordinates, strict=True)))
        + 3 * form
        + form * written_out(dot(w, v), size)
    )
    explicit = Model(loss, coordinates, {s: Normal() for s in [*linear, *sum(square, [])]})
    targets = [dot(w, w), dot(w, v), dot(w, v) ** 2, *([dot(w, w) * dot(w, v)] if batch == 1 else [])]
    algorithm = SGD(eta, batch_size=batch)
    expected = brute_force(explicit, algorithm, targets, size, dict.fromkeys([*linear, *sum(square, [])], 1), NOTHING)
    for target, found in zip(targets, expected, strict=True):
        assert sympy.expand(written_out(derived(model, algorithm, target), size) - found) == 0, target


def test_second_moments_under_a_field_and_a_batch_hold_no_random_quantity():
    field = GaussianField("W", order=2)
    recurrence = moments(Model(-field(w) - dot(w, v), [w], [field]), SGD(eta, batch_size=2), of={"q": dot(w, w) ** 2})
    for value in recurrence.update.values():
        assert not any(isinstance(x, FieldGradient) for q in value.atoms(InnerProduct) for x in q.args)


def test_fields_of_independent_copies_are_uncorrelated_and_equal_copies_are_wick_contracted():
    field = GaussianField("W", order=3)
    average = SampleAverage(Model(field(w) + field(u), [w, u], [field]))
    one, two = (copied(average.model, i).fields[field] for i in (1, 2))
    first, second = FieldGradient(one, w), FieldGradient(two, w)
    q = dot(w, w)
    assert average.exact(InnerProduct(first, second)) == 0
    squared = average.exact(InnerProduct(first, second) ** 2)
    # E <grad F, grad F'>^2 = tr C^2 with C = 3 q^2 I + 6 q w w^T, by hand
    assert sympy.expand(squared - ((3 * q**2) ** 2 * n + 2 * 3 * q**2 * 6 * q * q + (6 * q * q) ** 2)) == 0
    mixed = average.exact(InnerProduct(FieldGradient(one, u), w) * one(w))
    assert sympy.expand(mixed - 3 * dot(u, w) ** 2 * dot(w, w)) == 0


@pytest.mark.parametrize(
    "model", [LEAST_SQUARES, PHASE, DATA_NORM, TWO_DATA, SECOND_LAYER, MIXTURE, SELF, PAIR], ids=range(8)
)
def test_one_step_increments_equal_those_of_coordinates(model):
    size = 3
    loss = written_out(model.loss, size)
    coordinates = [s for x in model.vector_parameters for s in entries(x, size)]
    new = {s: s - eta * diff(loss, s) for s in coordinates}
    for other in (w, v):
        change = written_out(dot(w, other), size)
        expected = sympy.expand(change.xreplace(new) - change)
        assert sympy.expand(written_out(one_step_increment(model, SGD(eta), dot(w, other)), size) - expected) == 0


def test_gradients_of_functions_equal_those_of_coordinates():
    size = 3
    loss = tanh(dot(w, z)) * exp(dot(u, v)) + sqrt(dot(w, w) + 1) * cos(dot(w, u)) + a * dot(u, u) ** 3
    model = Model(loss, [w, u, a], {z: Normal()})
    derivative = gradient(model)
    for x in (w, u):
        for i, coordinate in enumerate(entries(x, size)):
            found = sympy.Add(
                *(written_out(c, size) * entries(direction, size)[i] for direction, c in derivative[x].items())
            )
            assert sympy.simplify(found - diff(written_out(loss, size), coordinate)) == 0
    assert derivative[a] == dot(u, u) ** 3


@pytest.mark.parametrize("momentum", [HeavyBall, Nesterov, NesterovLookahead])
@pytest.mark.parametrize("batch", [1, 2])
def test_moments_of_inner_products_under_momentum_equal_those_of_components(momentum, batch):
    model = Model((dot(w, z) - dot(v, z) - tau * xi) ** 2 / 2, [w], {z: Normal(), xi: Normal()})
    algorithm = SGD(eta, momentum=momentum(Rational(1, 3)), batch_size=batch, weight_decay=alpha)
    vector = moments(model, algorithm, of={"q": dot(w, w)})
    explicit = moments(model.components({n: 2}), algorithm, of={"q": written_out(dot(w, w), 2)})
    images = {
        moment: sympy.Add(
            *(explicit_moment(term) for term in sympy.Add.make_args(sympy.expand(written_out(moment.monomial, 2))))
        )
        for moment in vector.state
    }
    after = {
        moment: sympy.Add(
            *(updated(term, explicit) for term in sympy.Add.make_args(sympy.expand(written_out(moment.monomial, 2))))
        )
        for moment in vector.state
    }
    for moment, value in vector.update.items():
        assert sympy.expand(written_out(value.xreplace(images), 2) - after[moment]) == 0, moment


def explicit_moment(term: Expr) -> Expr:
    from theory.moments import Moment

    fixed, moving = term.as_independent(
        *[s for s in term.free_symbols if s.name.startswith(("w_", "velocity"))], as_Add=False
    )
    return fixed * (Moment(moving) if moving != 1 else 1)


def updated(term: Expr, explicit: Any) -> Expr:
    from theory.moments import Moment

    fixed, moving = term.as_independent(
        *[s for s in term.free_symbols if s.name.startswith(("w_", "velocity"))], as_Add=False
    )
    return fixed * (explicit.update[Moment(moving)] if moving != 1 else 1)


@pytest.mark.parametrize("batch", [1, 2, 3])
@pytest.mark.parametrize("size", [2, pytest.param(3, marks=pytest.mark.slow)])
def test_the_closed_moments_of_a_model_equal_those_of_its_components(size, batch):
    algorithm = SGD(eta, batch_size=batch, weight_decay=DecoupledDecay(alpha))
    for model in (LEAST_SQUARES, MIXTURE):
        vector = moments(model, algorithm, of={"q": dot(w, w)})
        explicit = moments(model.components({n: size}), algorithm, order=2)
        for moment, value in vector.update.items():
            terms = sympy.Add.make_args(sympy.expand(written_out(moment.monomial, size)))
            after = sympy.Add(*(updated(term, explicit) for term in terms))
            images = {
                other: sympy.Add(
                    *(explicit_moment(t) for t in sympy.Add.make_args(sympy.expand(written_out(other.monomial, size))))
                )
                for other in vector.state
            }
            assert sympy.expand(written_out(value.xreplace(images), size) - after) == 0


@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize("model", [PHASE, SELF, DATA_NORM], ids=["phase retrieval", "self-coupling", "data norm"])
def test_the_exact_drift_of_a_limit_equals_that_of_coordinates(model, size):
    c = symbols("c", positive=True)
    variance = snr if model is DATA_NORM else 1
    finite = scaling_limit(
        model, SGD(c / n, weight_decay=alpha), statistics={"m": dot(w, v), "q": dot(w, w)}
    ).at_finite_dimension()
    names = dict(zip(finite.state, (dot(w, v), dot(w, w)), strict=True))
    expected = brute_force(
        model,
        SGD(c / n, weight_decay=alpha),
        list(names.values()),
        size,
        normal_entries(z, size=size, variance=variance),
        NOTHING,
    )
    for (name, value), exact in zip(finite.update.items(), expected, strict=True):
        assert sympy.expand(written_out(value.xreplace(names), size) - exact) == 0, name


def test_vectors_of_two_dimensions_have_moments_of_their_own():
    p_dim = symbols("p_dim", positive=True)
    small, data = Vector("small", p_dim), Vector("data", p_dim)
    model = Model((dot(w, z) - dot(small, data)) ** 2 / 2, [w, small], {z: Normal(), data: Normal()})
    recurrence = moments(model, SGD(eta), of={"q": dot(w, w)})
    q, other = recurrence.state
    expected = (1 - 2 * eta + eta**2 * (n + 2)) * q + eta**2 * n * other
    assert sympy.expand(recurrence.update[q] - expected) == 0


def test_increments_of_what_is_no_quantity_of_the_state_are_refused():
    with pytest.raises(AlgorithmNotCovered):
        one_step_increment(LEAST_SQUARES, SGD(eta, batch_size=2), dot(w, w))
    field = GaussianField("W", order=2)
    with pytest.raises(AlgorithmNotCovered):
        moments(
            Model(field(w) + dot(w, w), [w], [field]), SGD(eta, momentum=Nesterov(Rational(1, 2))), of={"q": dot(w, w)}
        )
    with pytest.raises(UnknownSymbol):
        moments(LEAST_SQUARES, SGD(eta), of={"q": dot(w, Vector("other", n))})
    with pytest.raises(UnsupportedExpectation):
        moments(LEAST_SQUARES, SGD(eta), of={"q": dot(w, z)})
