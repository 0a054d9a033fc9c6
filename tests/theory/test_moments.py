"""Exact moment equations against brute-force enumeration of batches, and against the closed forms of the page."""

from fractions import Fraction
from itertools import combinations, product
from typing import Any

import numpy as np
import pytest
import sympy
from conformance import evaluated
from scipy.integrate import quad
from sympy import Expr, Integer, Poly, Rational, Symbol, cos, exp, expand, sqrt, tanh

from theory import (
    GD,
    SGD,
    DecoupledDecay,
    Discrete,
    Empirical,
    Exponential,
    HeavyBall,
    Model,
    Nesterov,
    NesterovLookahead,
    Normal,
    Rademacher,
    Sampling,
    Sphere,
    StudentT,
    Uniform,
    Vector,
    bernoulli,
    dot,
    moments,
    persistent,
    random_map,
    symbols,
)
from theory.algebra import Algebra, derive_in_algebra
from theory.errors import (
    AlgorithmNotCovered,
    DuplicateName,
    HierarchyNotClosed,
    InvalidRequest,
    MissingValue,
    MomentDoesNotExist,
    NonPolynomialUpdate,
    SamplingNotCovered,
    UnknownSymbol,
)
from theory.moments import Moment
from theory.moments.explicit import ExplicitStep

eta, alpha, s, T, fraction = symbols("eta alpha s T b_", positive=True)
S = symbols("S", positive=True)
theta, x, y, e, u, w = symbols("theta x y e u w")
POINTS = [
    (Rational(1, 2), Rational(2)),
    (Rational(-3, 4), Rational(1, 3)),
    (Rational(5, 3), Rational(-1)),
    (Rational(1), Rational(7, 5)),
    (Rational(-2, 7), Rational(1, 2)),
]


def fractions_of(values: Any) -> list[Fraction]:
    return [Fraction(int(v.p), int(v.q)) for v in values]


def data_of(points: Any) -> Empirical:
    return Empirical(*(fractions_of(column) for column in zip(*points, strict=True)))


REGRESSION = Model((theta * x - y) ** 2 / 2, [theta], {(x, y): data_of(POINTS)})


def conditional(recurrence: Any, monomial: Expr) -> Expr:
    """E[monomial after one step | state], from a moment recurrence."""
    value = recurrence.update[Moment(monomial)]
    return expand(value.xreplace({moment: moment.monomial for moment in recurrence.state}))


def average(terms: Any) -> Expr:
    return expand(sympy.Add(*(weight * value for weight, value in terms)))


def batches(mode: Any, size: int, count: int) -> list[tuple[Expr, tuple[int, ...], Expr]]:
    """All batches as (probability, indices, what the sum of gradients is divided by)."""
    if mode == Sampling.WITH_REPLACEMENT:
        return [(Rational(1, count**size), chosen, Integer(size)) for chosen in product(range(count), repeat=size)]
    if mode == Sampling.WITHOUT_REPLACEMENT:
        chosen = list(combinations(range(count), size))
        return [(Rational(1, len(chosen)), subset, Integer(size)) for subset in chosen]
    if mode == Sampling.FULL_BATCH:
        return [(Integer(1), tuple(range(count)), Integer(count))]
    b = mode.fraction
    return [
        (b ** len(subset) * (1 - b) ** (count - len(subset)), subset, b * count)
        for k in range(count + 1)
        for subset in combinations(range(count), k)
    ]


@pytest.mark.parametrize("size", [1, 2, 3, 5])
@pytest.mark.parametrize("mode", [Sampling.WITH_REPLACEMENT, Sampling.WITHOUT_REPLACEMENT])
def test_third_moments_of_scalar_regression_equal_the_enumeration_of_all_batches(mode, size):
    recurrence = moments(REGRESSION, SGD(eta, batch_size=size, sampling=mode), order=3)
    totals: dict[int, list[Expr]] = {1: [], 2: [], 3: []}
    slopes = [(a**2, a * b) for a, b in POINTS]
    sums: dict[tuple[Expr, Expr], Expr] = {}
    for weight, chosen, divisor in batches(mode, size, 5):
        key = (sum(slopes[i][0] for i in chosen) / divisor, sum(slopes[i][1] for i in chosen) / divisor)
        sums[key] = sums.get(key, Integer(0)) + weight
    for (curvature, force), weight in sums.items():
        for power, terms in totals.items():
            terms.append(weight * (theta * (1 - eta * curvature) + eta * force) ** power)
    for power, terms in totals.items():
        assert expand(conditional(recurrence, theta**power) - expand(sympy.Add(*terms))) == 0


@pytest.mark.parametrize(
    "mode", [bernoulli(fraction), bernoulli(Rational(2, 5)), Sampling.FULL_BATCH], ids=["symbolic", "2/5", "full"]
)
def test_bernoulli_and_full_batches_equal_the_enumeration_of_all_subsets(mode):
    recurrence = moments(REGRESSION, SGD(eta, sampling=mode), order=3)
    for power in (1, 2, 3):
        brute = average(
            (
                weight,
                expand(
                    (theta - eta * sum(POINTS[i][0] * (theta * POINTS[i][0] - POINTS[i][1]) for i in chosen) / divisor)
                    ** power
                ),
            )
            for weight, chosen, divisor in batches(mode, 1, 5)
        )
        assert sympy.cancel(conditional(recurrence, theta**power) - brute) == 0


def test_the_batch_size_may_stay_a_symbol_with_and_without_replacement():
    for mode in (Sampling.WITH_REPLACEMENT, Sampling.WITHOUT_REPLACEMENT):
        general = conditional(moments(REGRESSION, SGD(eta, batch_size=S, sampling=mode), order=3), theta**3)
        for size in (1, 2, 3):
            special = conditional(moments(REGRESSION, SGD(eta, batch_size=size, sampling=mode), order=3), theta**3)
            assert expand(general.subs(S, size) - special) == 0


def test_second_moments_without_replacement_have_the_finite_population_factor():
    algorithms = (SGD(eta, batch_size=2, sampling=Sampling.WITHOUT_REPLACEMENT), GD(eta), SGD(eta))
    pair, full, single = (conditional(moments(REGRESSION, algorithm), theta**2) for algorithm in algorithms)
    assert expand(pair - full - (single - full) * Rational(5 - 2, 2 * 4)) == 0


# -------------------------------------------------------------------------------------------- two parameters, momentum

PLANE = [
    (Rational(1), Rational(-1, 2), Rational(2)),
    (Rational(1, 3), Rational(2), Rational(-1)),
    (Rational(-1), Rational(1), Rational(1, 2)),
]
NETWORK = Model((u * x + w * y - e) ** 2 / 2, [u, w], {(x, y, e): data_of(PLANE)})
BETA = Rational(1, 3)


def momentum_step(
    kind: Any, chosen: tuple[int, ...], divisor: Expr, rate: Expr, coupled: Expr, decoupled: Expr
) -> dict[Symbol, Expr]:
    """One step by the definitions in the docstrings of the momentum classes."""
    speed = {p: Symbol(f"velocity_{p.name}", real=True) for p in (u, w)}

    def slope(p: Symbol, at: dict[Symbol, Expr]) -> Expr:
        value = Integer(0)
        for i in chosen:
            a, b, label = PLANE[i]
            value += {u: a, w: b}[p] * (a * at[u] + b * at[w] - label)
        return value / divisor + coupled * at[p]

    here = {p: p for p in (u, w)}
    new: dict[Symbol, Expr] = {}
    for p in (u, w):
        shrunk = (1 - rate * decoupled) * p
        if kind is None:
            new[p] = shrunk - rate * slope(p, here)
        elif kind is HeavyBall:
            new[speed[p]] = BETA * speed[p] + slope(p, here)
            new[p] = shrunk - rate * new[speed[p]]
        elif kind is Nesterov:
            new[speed[p]] = BETA * speed[p] + slope(p, {q: q - rate * BETA * speed[q] for q in (u, w)})
            new[p] = shrunk - rate * new[speed[p]]
        else:
            new[speed[p]] = BETA * speed[p] + slope(p, here)
            new[p] = shrunk - rate * (slope(p, here) + BETA * new[speed[p]])
    return new


@pytest.mark.parametrize(
    ("mode", "decay"),
    [
        (Sampling.WITH_REPLACEMENT, alpha),
        (Sampling.WITH_REPLACEMENT, DecoupledDecay(alpha)),
        (Sampling.WITHOUT_REPLACEMENT, alpha),
        (Sampling.FULL_BATCH, DecoupledDecay(alpha)),
        (bernoulli(Rational(1, 3)), alpha),
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", [None, HeavyBall, Nesterov, NesterovLookahead])
def test_moments_of_two_parameters_under_momentum_equal_the_enumeration_of_batches(kind, mode, decay):
    size = 2 if mode in (Sampling.WITH_REPLACEMENT, Sampling.WITHOUT_REPLACEMENT) else 1
    algorithm = SGD(
        eta, batch_size=size, sampling=mode, momentum=None if kind is None else kind(BETA), weight_decay=decay
    )
    recurrence = moments(NETWORK, algorithm)
    coupled, decoupled = (Integer(0), alpha) if isinstance(decay, DecoupledDecay) else (alpha, Integer(0))
    steps = [
        (weight, momentum_step(kind, chosen, divisor, eta, coupled, decoupled))
        for weight, chosen, divisor in batches(mode, size, 3)
    ]
    monomials = [moment.monomial for moment in recurrence.state]
    assert len(monomials) == (5 if kind is None else 14)
    for monomial in monomials:
        brute = average((weight, expand(monomial.xreplace(new))) for weight, new in steps)
        assert expand(conditional(recurrence, monomial) - brute) == 0, monomial


def test_third_moments_of_two_parameters_equal_the_enumeration_of_batches():
    algorithm = SGD(eta, batch_size=2, sampling=Sampling.WITHOUT_REPLACEMENT)
    recurrence = moments(NETWORK, algorithm, order=3)
    steps = [
        (weight, momentum_step(None, chosen, divisor, eta, Integer(0), Integer(0)))
        for weight, chosen, divisor in batches(Sampling.WITHOUT_REPLACEMENT, 2, 3)
    ]
    for monomial in (u**3, u**2 * w, u * w**2, w**3):
        assert (
            expand(
                conditional(recurrence, monomial)
                - average((weight, expand(monomial.xreplace(new))) for weight, new in steps)
            )
            == 0
        )


def test_langevin_noise_adds_gaussian_moments_to_the_parameters_only():
    for momentum in (None, HeavyBall(BETA)):
        cold = moments(REGRESSION, SGD(eta, momentum=momentum), order=4)
        warm = moments(REGRESSION, SGD(eta, momentum=momentum, temperature=T), order=4)
        noise = 2 * eta * T
        for power in (1, 2, 3, 4):
            lower = [conditional(cold, theta**k) if k else Integer(1) for k in range(power + 1)]
            expected = sum(
                sympy.binomial(power, k) * lower[power - k] * {0: 1, 2: noise, 4: 3 * noise**2}.get(k, 0)
                for k in range(power + 1)
            )
            assert expand(conditional(warm, theta**power) - expected) == 0
    velocity = Symbol("velocity_theta", real=True)
    assert expand(conditional(warm, velocity**2) - conditional(cold, velocity**2)) == 0
    assert expand(conditional(warm, velocity * theta) - conditional(cold, velocity * theta)) == 0


# ---------------------------------------------------------------------------------------------------- laws of the data


def test_functions_of_the_data_enter_through_their_own_moments():
    model = Model((theta * tanh(x) - cos(x) * y) ** 2 / 2, [theta], {x: Uniform(-1, 2), y: Exponential(1)})
    value = conditional(moments(model, SGD(eta)), theta**2)
    rate, point = 0.3, 0.7

    def mean(function: Any) -> float:
        return quad(lambda t: function(t) / 3, -1, 2, epsabs=1e-13)[0]

    t2, t4 = mean(lambda t: np.tanh(t) ** 2), mean(lambda t: np.tanh(t) ** 4)
    tc, t3c = mean(lambda t: np.tanh(t) * np.cos(t)), mean(lambda t: np.tanh(t) ** 3 * np.cos(t))
    t2c2 = mean(lambda t: np.tanh(t) ** 2 * np.cos(t) ** 2)
    expected = point**2 - 2 * rate * point * (point * t2 - tc) + rate**2 * (point**2 * t4 - 2 * point * t3c + 2 * t2c2)
    assert evaluated(value, {eta: rate, theta: point}) == pytest.approx(expected, abs=1e-10)


def test_functions_of_finite_data_are_enumerated():
    model = Model(
        (theta * exp(x) - y) ** 2 / 2,
        [theta],
        {(x, y): Discrete([((0, 1), Rational(1, 4)), ((1, -2), Rational(3, 4))])},
    )
    brute = (
        Rational(1, 4) * (theta - eta * (theta - 1)) ** 2
        + Rational(3, 4) * (theta - eta * sympy.E * (theta * sympy.E + 2)) ** 2
    )
    assert sympy.simplify(expand(conditional(moments(model, SGD(eta)), theta**2) - expand(brute))) == 0


def test_a_symbolic_batch_of_joint_discrete_data_equals_the_enumeration():
    p = symbols("p", positive=True)
    law = Discrete([((1, 2), p), ((-3, 1), 1 - p)])
    model = Model((theta * x - y) ** 2 / 2, [theta], {(x, y): law})
    recurrence = moments(model, SGD(eta, batch_size=2), order=3)
    points = [((1, 2), p), ((-3, 1), 1 - p)]
    for power in (1, 2, 3):
        brute = average(
            (p1 * p2, expand((theta - eta / 2 * (a1 * (theta * a1 - b1) + a2 * (theta * a2 - b2))) ** power))
            for ((a1, b1), p1), ((a2, b2), p2) in product(points, repeat=2)
        )
        assert expand(conditional(recurrence, theta**power) - brute) == 0


def test_a_correlated_normal_law_gives_the_second_moment_of_the_two_layer_net():
    law = Normal([0, 0], covariance=[[1, Rational(1, 2)], [Rational(1, 2), 1]])
    step = ExplicitStep(Model((u * w * x - y) ** 2 / 2, [u, w], {(x, y): law}), SGD(eta))

    def derivation(algebra: Algebra) -> Expr:
        return algebra.expression(step.bind(algebra).expected((0, 1)))

    found = derive_in_algebra(derivation, step.variables, [eta])
    expected = (
        (1 + 3 * eta**2 / 2) * u * w
        + eta / 2 * (u**2 + w**2)
        - 3 * eta**2 * u**2 * w**2
        - eta * (u**3 * w + u * w**3)
        + 3 * eta**2 * u**3 * w**3
    )
    assert expand(found - expected) == 0


def test_float_data_give_the_numbers_of_exact_data():
    exact = moments(REGRESSION, SGD(eta, batch_size=2, sampling=Sampling.WITHOUT_REPLACEMENT), order=3).numbers(
        {eta: 0.3}
    )
    rounded = Model(
        REGRESSION.loss,
        [theta],
        {(x, y): Empirical(*(np.array(column, float) for column in zip(*POINTS, strict=True)))},
    )
    floats = moments(rounded, SGD(eta, batch_size=2, sampling=Sampling.WITHOUT_REPLACEMENT), order=3).numbers(
        {eta: 0.3}
    )
    assert floats.keys() == exact.keys() and all(floats[key] == pytest.approx(exact[key], rel=1e-12) for key in exact)


def test_the_moments_of_the_random_map_are_the_moment_equations():
    model = Model((theta * x - y) ** 2 / 2, [theta], {x: Normal(0, s), y: Rademacher()})
    algorithm = SGD(eta, batch_size=2, momentum=Nesterov(BETA), weight_decay=alpha, temperature=T)
    mapping, recurrence = random_map(model, algorithm), moments(model, algorithm)
    laws = {names[0]: law for names, law in mapping.draws}
    velocity = Symbol("velocity_theta", real=True)
    for monomial in (theta, theta**2, theta * velocity, velocity**2):
        polynomial = Poly(expand(monomial.xreplace(mapping.update)), *laws)
        brute = sympy.Add(
            *(
                coefficient * sympy.Mul(*(law.moment(k) for law, k in zip(laws.values(), powers, strict=True)))
                for powers, coefficient in polynomial.terms()
            )
        )
        assert expand(conditional(recurrence, monomial) - brute) == 0


# ------------------------------------------------------------------------------------------------- closed forms of 7.2


def gaussian_regression(count: int) -> tuple[Model, list[Symbol], list[Symbol]]:
    deltas, curvatures = symbols(f"delta1:{count + 1}"), symbols(f"lam1:{count + 1}", positive=True)
    inputs = symbols(f"x1:{count + 1}")
    loss = (sympy.Add(*(d * i for d, i in zip(deltas, inputs, strict=True))) - s * e) ** 2 / 2
    data = {i: Normal(0, value) for i, value in zip(inputs, curvatures, strict=True)} | {e: Normal()}
    return Model(loss, deltas, data), list(deltas), list(curvatures)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_gaussian_regression_has_the_matrix_recurrence_for_symbolic_spectrum_and_batch(count):
    model, deltas, curvatures = gaussian_regression(count)
    recurrence = moments(model, SGD(eta, batch_size=S))
    matrix, sigma = sympy.Matrix(deltas) * sympy.Matrix(deltas).T, sympy.diag(*curvatures)
    expected = (
        matrix
        - eta * (sigma * matrix + matrix * sigma)
        + eta**2 * ((1 + 1 / S) * sigma * matrix * sigma + sigma * (sigma * matrix).trace() / S)
        + eta**2 * s**2 / S * sigma
    )
    for i in range(count):
        for j in range(i, count):
            assert expand(conditional(recurrence, deltas[i] * deltas[j]) - expand(expected[i, j])) == 0


def test_the_fourth_moment_of_scalar_gaussian_regression_is_that_of_the_page():
    model, (delta,), (a,) = gaussian_regression(1)
    value = conditional(moments(model.substitute({a: a / eta}), SGD(eta), order=4), delta**4)
    expected = (
        (1 - 4 * a + 18 * a**2 - 60 * a**3 + 105 * a**4) * delta**4
        + 6 * eta * a * s**2 * (1 - 6 * a + 15 * a**2) * delta**2
        + 9 * eta**2 * a**2 * s**4
    )
    assert expand(value - expected) == 0


def test_an_observable_of_parameters_and_data_is_averaged_over_fresh_data():
    model, (delta,), (curvature,) = gaussian_regression(1)
    recurrence = moments(model, SGD(eta), of={"risk": model.loss})
    assert expand(recurrence.observables["risk"] - (curvature * Moment(delta**2) + s**2) / 2) == 0
    assert [moment.monomial for moment in recurrence.state] == [delta**2]


def test_numbers_are_the_entries_of_the_displayed_matrix():
    recurrence = moments(NETWORK, SGD(eta, momentum=HeavyBall(BETA)))
    values = {eta: Rational(1, 7)}
    matrix, constant = (
        np.array(recurrence.matrix.subs(values), float),
        np.array(recurrence.constant.subs(values), float),
    )
    dense, column = np.zeros_like(matrix), np.zeros_like(constant)
    for (row, place), value in recurrence.numbers(values).items():
        if place == -1:
            column[row] = value
        else:
            dense[row, place] = value
    assert dense == pytest.approx(matrix, abs=1e-15) and column == pytest.approx(constant, abs=1e-15)
    with pytest.raises(MissingValue, match="eta"):
        recurrence.numbers({})


# ------------------------------------------------------------------------------------------------------------ refusals


def test_a_cubic_gradient_is_flagged_with_its_frontier():
    with pytest.raises(HierarchyNotClosed) as caught:
        moments(Model(theta**4 / 4 + theta**2 / 2 + theta * x, [theta], {x: Normal()}), SGD(eta))
    assert theta**3 in caught.value.frontier


def test_a_vector_model_with_a_linear_gradient_closes_although_squared_overlaps_join():
    n, p = symbols("n p", positive=True)
    vector, mean, noise, centre = (Vector(name, n) for name in ("vector", "mean", "noise", "centre"))
    model = Model(
        (dot(vector, centre + noise) - y) ** 2 / 2,
        [vector],
        {(centre, y): Discrete([((mean, 1), p), ((-mean, -1), 1 - p)]), noise: Normal()},
        {dot(mean, mean): 1},
    )
    recurrence = moments(model, SGD(eta), of={"q": dot(vector, vector)})
    assert {moment.monomial for moment in recurrence.state} == {
        dot(vector, vector),
        dot(vector, mean),
        dot(vector, mean) ** 2,
    }
    assert recurrence.order == 2


def test_a_phase_retrieval_hierarchy_does_not_close():
    n = symbols("n", positive=True)
    vector, teacher, noise = (Vector(name, n) for name in ("vector", "teacher", "noise"))
    with pytest.raises(HierarchyNotClosed):
        moments(
            Model((dot(vector, noise) ** 2 - dot(teacher, noise) ** 2) ** 2, [vector], {noise: Normal()}),
            SGD(eta),
            order=1,
        )


def test_student_data_without_a_fourth_moment_have_no_second_moment_equation():
    with pytest.raises(MomentDoesNotExist):
        moments(Model((theta * x - y) ** 2 / 2, [theta], {x: StudentT(3), y: Normal()}), SGD(eta))
    assert (
        moments(Model((theta * x - y) ** 2 / 2, [theta], {x: StudentT(3), y: Normal()}), SGD(eta), order=1) is not None
    )


def test_zero_times_an_infinite_moment_is_no_number():
    with pytest.raises(MomentDoesNotExist):
        moments(Model(theta * x * y, [theta], {x: Rademacher(), y: StudentT(1)}), SGD(eta), order=1)


def test_samples_drawn_once_from_a_law_are_no_fresh_draws():
    model = Model((theta * x - 1) ** 2 / 2, [theta], {x: Normal()})
    for algorithm in (
        SGD(eta, samples=10),
        GD(eta, samples=10),
        SGD(eta, samples=10, sampling=Sampling.WITHOUT_REPLACEMENT),
    ):
        with pytest.raises(SamplingNotCovered):
            moments(model, algorithm)
        with pytest.raises(SamplingNotCovered):
            random_map(model, algorithm)


@pytest.mark.parametrize("sampling", [Sampling.RESHUFFLED, Sampling.CYCLIC, persistent(Rational(1, 2), 3)], ids=str)
def test_batches_that_depend_on_each_other_are_refused(sampling):
    with pytest.raises(SamplingNotCovered):
        moments(REGRESSION, SGD(eta, sampling=sampling))


def test_what_moments_do_not_cover_is_refused_by_name():
    with pytest.raises(AlgorithmNotCovered):
        moments(REGRESSION, SGD(eta, constraint=Sphere()))
    with pytest.raises(NonPolynomialUpdate):
        moments(Model(tanh(theta * x), [theta], {x: Normal()}), SGD(eta))
    with pytest.raises(NonPolynomialUpdate):
        moments(Model(theta * tanh(x + y), [theta], {x: Normal(), y: Rademacher()}), SGD(eta))
    with pytest.raises(NonPolynomialUpdate):
        moments(REGRESSION, SGD(eta), of={"abs": sympy.Abs(theta)})
    with pytest.raises(UnknownSymbol):
        moments(REGRESSION, SGD(eta), of={"q": theta * symbols("stranger")})
    with pytest.raises(DuplicateName):
        moments(REGRESSION, SGD(eta), of={"theta": theta**2})
    with pytest.raises(SamplingNotCovered):
        moments(
            Model((theta * x - y - e) ** 2, [theta], {(x, y): data_of(POINTS), e: Normal()}),
            SGD(eta, sampling=Sampling.WITHOUT_REPLACEMENT),
        )
    for options in ({"order": 0}, {"order": True}, {"of": {}}, {"order": 2, "of": {"m": theta}}):
        with pytest.raises(InvalidRequest):
            moments(REGRESSION, SGD(eta), **options)
    with pytest.raises(AlgorithmNotCovered):
        random_map(REGRESSION, SGD(eta, batch_size=S))


def test_an_irrational_constant_leaves_no_spurious_frontier():
    model = Model((sqrt(2) * theta * x - sqrt(s) * y) ** 2 / 2, [theta], {x: Normal(0, sqrt(3)), y: Normal(0, s)})
    assert expand(conditional(moments(model, SGD(eta)), theta) - theta * (1 - 2 * sqrt(3) * eta)) == 0
