"""Scaling limits: one exact step of SGD against the derived drift and covariance, and the results of the literature."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import sympy
from conformance import (
    Reference,
    covariance_with_errors,
    draw_batch,
    evaluated,
    gram_values,
    holm_rejections,
    limit_nodes,
    random_state,
)
from scipy import stats
from scipy.integrate import quad
from scipy.linalg import expm
from sympy import Abs, Max, Rational, Symbol, erf, simplify, sqrt, tanh

from theory import (
    GD,
    SGD,
    DecoupledDecay,
    Discrete,
    Empirical,
    GaussianField,
    HeavyBall,
    Model,
    Nesterov,
    NesterovLookahead,
    Normal,
    Rademacher,
    Sampling,
    SoftThreshold,
    Sphere,
    StudentT,
    Uniform,
    Vector,
    bernoulli,
    dot,
    moments,
    one_step_increment,
    persistent,
    scaling_limit,
    symbols,
    vectors,
)
from theory.errors import (
    AlgorithmNotCovered,
    DataNormInGradient,
    DuplicateName,
    FieldOrder,
    MomentDoesNotExist,
    NonGaussianData,
    NotClosed,
    SamplingNotCovered,
    SupercriticalStep,
    UnknownSymbol,
    UnsupportedExpectation,
)
from theory.vectors import InnerProduct

n, c, tau, snr, alpha, k, lam = symbols("n c tau snr alpha k lam", positive=True)
w, u, v, v2, mu, z, z2 = (Vector(name, n) for name in ("w", "u", "v", "v2", "mu", "z", "z2"))
xi, y, a, b = symbols("xi y a b")
beta = symbols("beta", nonnegative=True)
centre = Vector("centre", n)
UNIT = {dot(v, v): 1}
SIZE = 100_000


@dataclass(frozen=True)
class Case:
    """A model, values of its hyperparameters, and what can be checked of it."""

    name: str
    model: Model
    at: dict[Any, float] = field(default_factory=dict)
    batch: int = 1
    decay: float = 0.0
    c: float = 0.8
    nodes: int = 10
    finite: bool = True
    sampled_covariance: bool = False

    @property
    def algorithm(self) -> SGD:
        return SGD(c / n, batch_size=self.batch, weight_decay=self.decay)

    @property
    def values(self) -> dict[Any, float]:
        return {**self.at, c: self.c}


LEAST_SQUARES = Model((dot(w, z) - dot(v, z) - tau * xi) ** 2 / 2, [w], {z: Normal(), xi: Normal()}, UNIT)
PHASE = Model((dot(w, z) ** 2 - dot(v, z) ** 2) ** 2 / 4, [w], {z: Normal()}, UNIT)
MIXTURE = Model(
    (dot(w, centre) + dot(w, z) / sqrt(snr) - y) ** 2 / 2,
    [w],
    {(centre, y): Discrete([((mu, 1), Rational(3, 10)), ((-mu, -1), Rational(7, 10))]), z: Normal()},
    {dot(mu, mu): 1},
)
RANK_TWO = Model(
    (dot(w, z) - dot(v, z) * dot(v2, z)) ** 2 / 2,
    [w],
    {z: Normal()},
    {dot(v, v): 1, dot(v2, v2): 2, dot(v, v2): Rational(1, 2)},
)
SIGN_NOISE = Model((dot(w, z) - dot(v, z) - tau * xi) ** 2 / 2, [w], {z: Normal(), xi: Rademacher()}, UNIT)
SECOND_LAYER = Model((a * dot(w, z) - dot(v, z)) ** 2 / 2, [w, a], {z: Normal()}, UNIT)
TWO_DATA = Model((dot(w, z) + dot(w, z2) * dot(v, z) - dot(v, z2)) ** 2 / 2, [w], {z: Normal(), z2: Normal(0, 2)}, UNIT)
VARIANCE = Model((dot(w, z) - dot(v, z) - tau * xi) ** 2 / 2, [w], {z: Normal(0, snr), xi: Normal(1, 2)}, UNIT)
CUBIC = Model((dot(w, z) + b) ** 3 / 3 - dot(v, z) * (dot(w, z) + b) + b**2 / 2, [w, b], {z: Normal()}, UNIT)
MULTIPLICATIVE = Model((dot(w, z) - (1 + tau * xi) * dot(v, z)) ** 2 / 2, [w], {z: Normal(), xi: Uniform(-1, 2)}, UNIT)
INTERACTION = Model((dot(w, z) * dot(u, z) - dot(v, z) * xi) ** 2 / 2, [w, u], {z: Normal(), xi: Rademacher()}, UNIT)
DATA_NORM = Model((dot(w, z) * dot(z, z) / n - dot(v, z) - tau * xi) ** 2 / 2, [w], {z: Normal(), xi: Normal()}, UNIT)
SELF_COUPLING = Model((dot(w, w) * dot(v, z) - dot(w, z)) ** 2 / 2 + (dot(w, w) - 1) ** 2 / 4, [w], {z: Normal()}, UNIT)
JOINT_LABEL = Model(
    (y * dot(w, z) - xi * dot(v, z)) ** 2 / 2,
    [w],
    {z: Normal(), (y, xi): Discrete([((1, 2), Rational(1, 4)), ((-2, 1), Rational(3, 4))])},
    UNIT,
)
UNLIKE_DATA = Model(
    dot(w, z) * dot(w, z2) - dot(w, v) * dot(v, z) + dot(w, z2) * xi,
    [w],
    {z: Normal(), z2: Normal(0, 3), xi: Normal(0, 2)},
    UNIT,
)
TANH = Model((tanh(dot(w, z)) - dot(v, z)) ** 2 / 2, [w], {z: Normal()}, UNIT)
COMMITTEE = Model(
    (a * erf(dot(w, z) / sqrt(2)) + b - erf(dot(v, z) / sqrt(2)) - tau * xi) ** 2 / 2,
    [w, a, b],
    {z: Normal(), xi: Normal()},
    UNIT,
)

CASES = [
    Case("least squares", LEAST_SQUARES, {tau: 0.7}, sampled_covariance=True),
    Case("least squares with ridge", LEAST_SQUARES, {tau: 0.7}, decay=0.3, sampled_covariance=True),
    Case("least squares, batch of three", LEAST_SQUARES, {tau: 0.7}, batch=3, sampled_covariance=True),
    Case("phase retrieval", PHASE, c=0.1, nodes=14),
    Case("phase retrieval, batch of two", PHASE, batch=2, c=0.1, nodes=14),
    Case("two classes with means", MIXTURE, {snr: 3.0}, sampled_covariance=True),
    Case("teacher of rank two", RANK_TWO),
    Case("Rademacher label noise", SIGN_NOISE, {tau: 0.7}, sampled_covariance=True),
    Case("trained second layer", SECOND_LAYER, sampled_covariance=True),
    Case("two data vectors in one loss", TWO_DATA, nodes=7),
    Case(
        "entries with a symbolic variance, label noise with a mean",
        VARIANCE,
        {snr: 0.6, tau: 0.5},
        sampled_covariance=True,
    ),
    Case("cubic loss with a bias", CUBIC, c=0.3),
    Case("multiplicative label noise", MULTIPLICATIVE, {tau: 0.9}, sampled_covariance=True),
    Case("product of two units", INTERACTION, c=0.3),
    Case("norm of the data over n in the loss", DATA_NORM, {tau: 0.7}, sampled_covariance=True),
    Case("random coefficient of the trained vector itself", SELF_COUPLING, c=0.4),
    Case("labels of one joint law", JOINT_LABEL, sampled_covariance=True),
    Case("unlike data vectors multiplied", UNLIKE_DATA, nodes=7, sampled_covariance=True),
    Case("unlike data vectors multiplied, batch of two", UNLIKE_DATA, nodes=7, batch=2, sampled_covariance=True),
    Case("tanh unit", TANH, nodes=60, finite=False),
    Case("erf unit with second layer and bias", COMMITTEE, {tau: 0.5}, nodes=40, finite=False),
]
IDS = [case.name for case in CASES]


@pytest.fixture(scope="module")
def limits():
    known: dict[str, Any] = {}

    def limit_of(case: Case) -> Any:
        if case.name not in known:
            known[case.name] = scaling_limit(case.model, case.algorithm, statistics=every_entry(case.model))
        return known[case.name]

    return limit_of


def every_entry(model: Model) -> dict[str, Any]:
    """All inner products with a trained vector, and the trained scalars, by names of their own."""
    trained = model.vector_parameters
    products = [dot(x, other) for i, x in enumerate(trained) for other in (*trained[i:], *model.signals)]
    return {f"u{i}": entry for i, entry in enumerate([*products, *model.scalar_parameters])}


def states(case: Case, count: int = 5):
    rng = np.random.default_rng(abs(hash_of(case.name)))
    return [random_state(case.model, case.values, rng) for _ in range(count)], rng


def hash_of(text: str) -> int:
    return int.from_bytes(text.encode()[:7], "little")  # the same in every process, unlike hash()


def at_state(limit: Any, case: Case, state: Any) -> tuple[list[Any], dict[Any, float]]:
    """The Gram entries of a limit in the order of its state, and all values that its expressions may need."""
    entries = list(limit.statistics.values())
    numbers = gram_values(entries, state)
    return entries, {**case.values, **dict(zip(limit.state, numbers.values(), strict=True)), **numbers}


@pytest.mark.parametrize("case", [case for case in CASES if case.batch == 1], ids=lambda case: case.name)
def test_drift_and_covariance_are_those_of_one_step_by_quadrature_over_the_sample(case, limits):
    limit, reference, large = limits(case), Reference(case.model, case.values), 1e12
    for state in states(case)[0][:2]:
        entries, values = at_state(limit, case, state)
        sample, weight = limit_nodes(case.model, case.values, state, large, case.nodes)
        changes = reference.change(entries, state, [sample], large, case.c / large, case.decay)
        mean = changes @ weight
        covariance = case.c * ((changes * weight) @ changes.T - np.outer(mean, mean))
        tolerance = (
            1e-4 if not case.finite else 1e-8
        )  # a tanh or an erf is no polynomial: Gauss-Hermite converges slowly
        predicted = [evaluated(rate, values, 40) for rate in limit.rates.values()]
        assert mean == pytest.approx(predicted, rel=tolerance, abs=tolerance)
        if case.finite:
            matrix = np.array([evaluated(entry, values) for entry in limit.covariance]).reshape(covariance.shape)
            assert covariance == pytest.approx(matrix, rel=tolerance, abs=tolerance)


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_sampled_steps_at_n_of_a_million_have_the_drift_and_the_covariance_of_the_limit(case, limits):
    limit, reference, size = limits(case), Reference(case.model, case.values), 1_000_000
    comparisons = []
    points, rng = states(case)
    for number, state in enumerate(points):
        entries, values = at_state(limit, case, state)
        samples = draw_batch(case.model, case.values, state, size, SIZE, case.batch, rng)
        changes = reference.change(entries, state, samples, size, case.c / size, case.decay)
        errors = changes.std(axis=1) / np.sqrt(SIZE)
        for name, rate, mean, error in zip(
            limit.state, limit.rates.values(), changes.mean(axis=1), errors, strict=True
        ):
            comparisons.append((f"state {number}, drift of {name}", mean, error, evaluated(rate, values, 40)))
        if case.sampled_covariance:  # increments of degree at most 4: products of two have an honest sampled error
            covariance, spread = covariance_with_errors(changes)
            for i, j in zip(*np.triu_indices(len(entries)), strict=True):
                comparisons.append(
                    (
                        f"state {number}, covariance {i}, {j}",
                        case.c * covariance[i, j],
                        case.c * spread[i, j],
                        evaluated(limit.covariance[int(i), int(j)], values),
                    )
                )
    assert holm_rejections(comparisons) == []


@pytest.mark.parametrize("case", [case for case in CASES if case.finite], ids=lambda case: case.name)
def test_sampled_steps_at_n_of_fifty_have_the_exact_drift_at_finite_dimension(case, limits):
    limit, reference, size = limits(case), Reference(case.model, {**case.values, n: 50}), 50
    update = limit.at_finite_dimension().update
    comparisons = []
    points, rng = states(case)
    for number, state in enumerate(points):
        entries, values = at_state(limit, case, state)
        samples = draw_batch(case.model, case.values, state, size, SIZE, case.batch, rng)
        changes = reference.change(entries, state, samples, size, case.c / size, case.decay)
        errors = changes.std(axis=1) / np.sqrt(SIZE)
        for name, mean, error in zip(limit.state, changes.mean(axis=1), errors, strict=True):
            predicted = (evaluated(update[name], {**values, n: 50}) - values[name]) * 50 / case.c
            comparisons.append((f"state {number}, {name}", mean, error, predicted))
    assert holm_rejections(comparisons) == []


def test_the_reference_step_has_the_law_of_vector_sgd_at_n_of_fifty():
    case, size, dimension = Case("unlike", UNLIKE_DATA, batch=2), 4000, 50
    (state, *_), rng = states(case)
    reference = Reference(case.model, case.values)
    entries = [dot(w, w), dot(w, v)]
    short = draw_batch(case.model, case.values, state, dimension, size, 2, rng)
    long_state = type(state)(
        {x: np.concatenate([p, np.zeros(dimension - p.size)]) for x, p in state.vectors.items()}, {}
    )
    long = [
        type(s)(
            {x: np.sqrt(1 if x == z else 3) * rng.standard_normal((size, dimension)) for x in s.vectors},
            {xi: np.sqrt(2) * rng.standard_normal(size)},
        )
        for s in short
    ]
    first = reference.change(entries, state, short, dimension, 0.02)
    second = reference.change(entries, long_state, long, dimension, 0.02)
    for one, other in zip(first, second, strict=True):
        assert stats.ks_2samp(one, other).pvalue > 1e-3 / 2


@pytest.mark.parametrize("case", [case for case in CASES if case.batch == 1], ids=lambda case: case.name)
def test_the_one_step_increment_is_an_identity_on_every_sample(case):
    (state, *_), rng = states(case)
    reference = Reference(case.model, {**case.values, n: 30})
    (sample,) = draw_batch(case.model, case.values, state, 30, 20, 1, rng)
    entries = [dot(w, w), *([a] if a in case.model.parameters else [])]
    changes = reference.change(entries, state, [sample], 30, case.c / 30, case.decay) * case.c / 30
    everything = {**{x: p[None, :] for x, p in state.vectors.items()}, **sample.vectors}
    width = max(x.shape[1] for x in everything.values())
    padded = {x: np.pad(p, ((0, 0), (0, width - p.shape[1]))) for x, p in everything.items()}
    for entry, change in zip(entries, changes, strict=True):
        formula = one_step_increment(case.model, SGD(c / n, weight_decay=case.decay), entry)
        products = sorted(formula.atoms(InnerProduct), key=str)
        scalars = sorted(formula.free_symbols, key=str)
        dummies = {p: sympy.Dummy(f"p{i}") for i, p in enumerate(products)}
        function = sympy.lambdify([*dummies.values(), *scalars], formula.xreplace(dummies), ["numpy", "scipy"])
        numbers = {**case.values, n: 30, **sample.scalars, **state.scalars}
        values = [np.sum(padded[p.left] * padded[p.right], axis=1) for p in products] + [numbers[s] for s in scalars]
        assert function(*values) == pytest.approx(change, rel=1e-9, abs=1e-12)


# ------------------------------------------------------------------------------------------- results of the literature


def zero(expression: Any) -> bool:
    return simplify(sympy.expand(expression)) == 0


def state_of(limit: Any) -> tuple[Symbol, ...]:
    return limit.state


TENSOR = GaussianField("W", order=k)
SPIKED = Model(-2 * (TENSOR(w) + lam * dot(w, v) ** k) + dot(w, w) ** k, [w], [TENSOR], UNIT)


def test_spiked_tensor_drift_and_covariance_for_symbolic_order_and_strength():
    limit = scaling_limit(
        SPIKED, SGD(c / n, weight_decay=alpha), statistics={"m": dot(w, v), "r2": dot(w, w) - dot(w, v) ** 2}
    )
    m, r2 = state_of(limit)
    q, positive = symbols("q positive", positive=True)
    images = {r2: q - positive**2, m: positive}  # powers combine only where bases are known to be positive
    assert zero((limit.rates[m] - (2 * lam * k * m ** (k - 1) - 2 * k * q ** (k - 1) * m - alpha * m)).subs(images))
    assert zero((limit.rates[r2] - (4 * k * q ** (k - 1) * (c - r2) - 2 * alpha * r2)).subs(images))
    other = scaling_limit(SPIKED, SGD(c / n, weight_decay=alpha), statistics={"m": dot(w, v), "q": dot(w, w)})
    m, q = state_of(other)
    expected = sympy.Matrix(
        [
            [4 * c * k * q ** (k - 2) * (q + (k - 1) * m**2), 8 * c * k**2 * m * q ** (k - 1)],
            [8 * c * k**2 * m * q ** (k - 1), 16 * c * k**2 * q**k],
        ]
    )
    assert (other.covariance - expected).applyfunc(simplify).is_zero_matrix
    assert not other.second_order_noise


def test_spiked_matrix_has_the_fixed_points_and_the_threshold_of_the_page():
    limit = scaling_limit(
        _spiked(2), SGD(c / n, weight_decay=alpha), statistics={"m": dot(w, v), "r2": dot(w, w) - dot(w, v) ** 2}
    )
    m, r2 = state_of(limit)
    informative = {m: sqrt((lam - alpha / 4) * (1 - c / lam)), r2: c / lam * (lam - alpha / 4)}
    for rate in limit.rates.values():
        assert zero(rate.subs(informative))
    jacobian = sympy.Matrix([[sympy.diff(rate, s) for s in (m, r2)] for rate in limit.rates.values()])
    square, norm = informative[m] ** 2, informative[m] ** 2 + informative[r2]
    assert zero(jacobian.trace().subs(informative) - (-8 * square - 8 * norm - 2 * alpha * (1 - c / lam)))
    assert zero(
        jacobian.det().subs(informative)
        - (8 * square * (8 * norm + 2 * alpha * (1 - c / lam)) + 16 * square * c * alpha / lam)
    )
    assert zero(limit.rates[r2].subs({m: 0, r2: c - alpha / 4}))


def _spiked(order: int) -> Model:
    tensor = GaussianField("W", order=order)
    return Model(-2 * (tensor(w) + lam * dot(w, v) ** order) + dot(w, w) ** order, [w], [tensor], UNIT)


@pytest.mark.parametrize("order", [2, 3])
def test_a_symbolic_order_at_a_number_is_the_limit_of_that_number(order):
    general = scaling_limit(SPIKED, SGD(c / n), statistics={"m": dot(w, v), "q": dot(w, w)})
    special = scaling_limit(_spiked(order), SGD(c / n), statistics={"m": dot(w, v), "q": dot(w, w)})
    for name in special.state:
        assert zero(general.rates[name].subs(k, order) - special.rates[name])
        assert zero(general.discarded[name].subs(k, order) - special.discarded[name])
    assert (general.covariance.subs(k, order) - special.covariance).applyfunc(simplify).is_zero_matrix


def test_the_linear_tensor_loss_is_the_other_model_of_the_page():
    ridge = symbols("ridge", positive=True)
    limit = scaling_limit(
        Model(-(TENSOR(w) + lam * dot(w, v) ** k) + ridge * dot(w, w), [w], [TENSOR], UNIT),
        SGD(c / n),
        statistics={"m": dot(w, v), "q": dot(w, w)},
    )
    m, q = state_of(limit)
    assert zero(limit.rates[m] - (lam * k * m ** (k - 1) - 2 * ridge * m))
    assert zero(limit.rates[q] - (2 * lam * k * m**k - 4 * ridge * q + c * k * q ** (k - 1)))


def test_least_squares_stationary_variance_is_two_where_the_textbook_formula_gives_six():
    limit = scaling_limit(LEAST_SQUARES, SGD(c / n), statistics={"q": dot(w - v, w - v)})
    (q,) = state_of(limit)
    assert zero(limit.rates[q] - (-2 * q + c * (q + tau**2)))
    s = q + tau**2
    assert zero(limit.covariance[0, 0] - c * (4 * (s * q + q**2) + 2 * c**2 * s**2 - 8 * c * s * q))
    assert limit.second_order_noise
    fixed = {q: c * tau**2 / (2 - c)}
    assert zero(limit.rates[q].subs(fixed))
    variance = (limit.covariance[0, 0] / (2 * (2 - c))).subs(fixed).subs({c: 1, tau: 1})
    textbook = (limit.first_order_covariance[0, 0] / (2 * (2 - c))).subs(fixed).subs({c: 1, tau: 1})
    assert (simplify(variance), simplify(textbook)) == (2, 6)


def test_a_batch_of_two_divides_the_step_constant_in_drift_and_covariance():
    single = scaling_limit(LEAST_SQUARES, SGD(c / n), statistics={"q": dot(w - v, w - v)})
    double = scaling_limit(LEAST_SQUARES, SGD(c / n, batch_size=2), statistics={"q": dot(w - v, w - v)})
    (q,) = state_of(single)
    assert zero(double.rates[q] - single.rates[q].subs(c, c / 2))
    assert zero(double.covariance[0, 0] - single.covariance[0, 0].subs(c, c / 2))
    fixed = {q: Rational(1, 3), c: 1, tau: 1}
    slope = -sympy.diff(double.rates[q], q).subs(fixed)
    assert zero(double.rates[q].subs(fixed)) and (double.covariance[0, 0].subs(fixed) / (2 * slope)) == Rational(2, 9)


def test_phase_retrieval_has_the_drift_of_the_page():
    model = Model((dot(w, z) ** 2 - dot(v, z) ** 2 - tau * xi) ** 2 / 4, [w], {z: Normal(), xi: Normal()}, UNIT)
    limit = scaling_limit(model, SGD(c / n), statistics={"m": dot(w, v), "q": dot(w, w)})
    m, q = state_of(limit)
    assert zero(limit.rates[m] + 3 * m * (q - 1))
    noise = 15 * q**3 - 6 * q**2 + 3 * q + 12 * m**2 - 24 * m**2 * q + tau**2 * q
    assert zero(limit.rates[q] - (4 * m**2 + 2 * q - 6 * q**2 + c * noise))


def test_one_step_of_phase_retrieval_at_n_of_twenty_is_that_of_the_page():
    limit = scaling_limit(PHASE, SGD(c / n), statistics={"m": dot(w, v), "q": dot(w, w)})
    m, q = state_of(limit)
    at = {c: Rational(1, 20), n: 20, m: Rational(1, 2), q: Rational(9, 10)}
    finite = (limit.at_finite_dimension().update[q] - q).subs(at) * n / c
    assert float(finite.subs(at)) == pytest.approx(-1.6456, abs=5e-5)
    assert float(limit.rates[q].subs(at)) == pytest.approx(-1.7412, abs=5e-5)


def test_the_relu_unit_has_the_closed_form_drift_of_the_page():
    relu = [Max(0, dot(x, z)) for x in (w, v)]
    model = Model((relu[0] - relu[1] - tau * xi) ** 2 / 2, [w], {z: Normal(), xi: Normal()}, UNIT)
    limit = scaling_limit(model, SGD(c / n), statistics={"m": dot(w, v), "q": dot(w, w)})
    m, q = 0.3, 0.8
    rho = m / np.sqrt(q)
    first = 1 / 4 + np.arcsin(rho) / (2 * np.pi) + m * np.sqrt(q - m**2) / (2 * np.pi * q)
    second = m * (1 / 4 + np.arcsin(rho) / (2 * np.pi)) + np.sqrt(q - m**2) / (2 * np.pi)
    expected = [-m / 2 + first, -q + 2 * second + 0.7 * (q / 2 - 2 * second + first + 0.25 / 2)]
    values = {**dict(zip(limit.state, (m, q), strict=True)), c: 0.7, tau: 0.5}
    assert [evaluated(rate, values, kinked=True) for rate in limit.rates.values()] == pytest.approx(expected, abs=2e-4)


def test_the_absolute_loss_is_normalised_least_squares():
    limit = scaling_limit(
        Model(Abs(dot(w, z) - dot(v, z)), [w], {z: Normal()}, UNIT),
        SGD(c / n),
        statistics={"m": dot(w, v), "q": dot(w, w)},
    )
    values = {c: 0.5, **dict(zip(limit.state, (0.3, 0.8), strict=True))}
    rates = [evaluated(rate, values, kinked=True) for rate in limit.rates.values()]
    assert rates[1] - 2 * rates[0] == pytest.approx(-2 * np.sqrt(2 / np.pi) * np.sqrt(0.8 - 0.6 + 1) + 0.5, abs=2e-4)


# ------------------------------------------------------------------------------------------------------------ momentum


@pytest.mark.parametrize("momentum", [HeavyBall, Nesterov, NesterovLookahead])
def test_momentum_exchanges_step_constant_and_time(momentum):
    statistics = {"m": dot(w, v), "q": dot(w, w)}
    plain = scaling_limit(LEAST_SQUARES, SGD(c / n, weight_decay=alpha), statistics=statistics)
    moving = scaling_limit(
        LEAST_SQUARES, SGD(c / n, weight_decay=alpha, momentum=momentum(beta)), statistics=statistics
    )
    for name in plain.state:
        assert zero(moving.rates[name] - plain.rates[name].subs(c, c / (1 - beta)) / (1 - beta))
    expected = plain.covariance.subs(c, c / (1 - beta)) / (1 - beta)
    assert (moving.covariance - expected).applyfunc(simplify).is_zero_matrix


@pytest.mark.parametrize("decay", [Rational(1, 5), DecoupledDecay(Rational(1, 5))], ids=["coupled", "decoupled"])
@pytest.mark.parametrize("momentum", [HeavyBall, Nesterov, NesterovLookahead])
def test_exact_moments_under_momentum_converge_to_the_limit_like_one_over_n(momentum, decay):
    algorithm = SGD(c / n, momentum=momentum(Rational(1, 2)), weight_decay=decay, batch_size=2)
    recurrence = moments(LEAST_SQUARES, algorithm, of={"q": dot(w, w)})
    limit = scaling_limit(LEAST_SQUARES, algorithm, statistics={"m": dot(w, v), "q": dot(w, w)})
    values, time, start = {c: 0.4, tau: 0.5}, 0.5, (0.1, 0.7)
    matrix = sympy.Matrix([[sympy.diff(rate, s) for s in limit.state] for rate in limit.rates.values()]).subs(values)
    constant = sympy.Matrix([rate.subs(dict.fromkeys(limit.state, 0)) for rate in limit.rates.values()]).subs(values)
    generator = np.zeros((3, 3))
    generator[:2, :2], generator[:2, 2] = np.array(matrix, float), np.array(constant, float).ravel()
    predicted = (expm(time * generator) @ np.array([*start, 1.0]))[1]
    errors = []
    for size in (10_000, 100_000):
        entries = recurrence.numbers({**values, n: size})
        count = len(recurrence.degrees)
        step = np.zeros((count + 1, count + 1))
        step[count, count] = 1
        for (row, column), value in entries.items():
            step[row, count if column == -1 else column] = value
        begin = np.zeros(count + 1)
        begin[count] = 1
        for index, moment in enumerate(recurrence.state):
            begin[index] = {dot(w, v): start[0], dot(w, w): start[1]}.get(moment.monomial, 0.0)
        position = [m.monomial for m in recurrence.state].index(dot(w, w))
        steps = round(time * size / values[c])
        errors.append((np.linalg.matrix_power(step, steps) @ begin)[position] - predicted)
    assert abs(errors[1]) < 1e-4 and errors[0] / errors[1] == pytest.approx(10, rel=0.05)


# ------------------------------------------------------------------------------------------- exact at finite dimension


@pytest.mark.parametrize("decay", [0, alpha, DecoupledDecay(alpha)], ids=["none", "coupled", "decoupled"])
@pytest.mark.parametrize("batch", [1, 2, 3])
def test_the_map_at_finite_dimension_is_the_moment_recurrence_of_least_squares(decay, batch):
    algorithm = SGD(c / n, weight_decay=decay, batch_size=batch)
    statistics = {"m": dot(w, v), "q": dot(w, w)}
    finite = scaling_limit(LEAST_SQUARES, algorithm, statistics=statistics).at_finite_dimension()
    exact = moments(LEAST_SQUARES, algorithm, of=statistics)
    names = {
        moment: {dot(w, v): finite.state[0], dot(w, w): finite.state[1]}[moment.monomial] for moment in exact.state
    }
    for moment, name in names.items():
        assert zero(exact.update[moment].xreplace(names) - finite.update[name])
    assert finite.approximation is None


def test_a_statistic_that_is_no_linear_function_of_inner_products_makes_the_finite_map_an_approximation():
    limit = scaling_limit(LEAST_SQUARES, SGD(c / n), statistics={"m": dot(w, v), "r": dot(w, w) - dot(w, v) ** 2})
    assert limit.at_finite_dimension().approximation is not None


def test_the_population_loss_is_the_mean_loss_of_a_fresh_sample():
    limit = scaling_limit(LEAST_SQUARES, SGD(c / n), statistics={"q": dot(w - v, w - v)})
    assert zero(limit.population_loss - (limit.state[0] + tau**2) / 2)
    model = Model((dot(w, z) - (dot(z, z) - n) / sqrt(n)) ** 2 / 2, [w], {z: Normal()})
    limit = scaling_limit(model, SGD(c / n), statistics={"q": dot(w, w)})
    assert zero(limit.population_loss - (limit.state[0] / 2 + 1))


def test_a_drift_that_vanishes_identically_is_zero_and_not_an_error():
    limit = scaling_limit(
        Model(xi * dot(w, v) + dot(w, z) * xi, [w], {z: Normal(), xi: Rademacher()}, UNIT),
        SGD(c / n),
        statistics={"m": dot(w, v), "q": dot(w, w)},
    )
    m, q = state_of(limit)
    assert limit.rates == {m: 0, q: c}
    assert zero(limit.covariance[0, 0] - 2 * c)


# ------------------------------------------------------------------------------------------------------------- closure


def test_the_norm_alone_misses_exactly_the_overlap_with_the_teacher():
    with pytest.raises(NotClosed) as caught:
        scaling_limit(LEAST_SQUARES, SGD(c / n), statistics={"q": dot(w, w)})
    assert caught.value.missing == (dot(v, w),)


def test_a_covariance_that_needs_more_than_the_drift_names_what_it_misses():
    limit = scaling_limit(RANK_TWO, SGD(c / n), statistics={"q": dot(w, w)})
    with pytest.raises(NotClosed) as caught:
        _ = limit.covariance
    assert set(caught.value.missing) == {dot(v, w), dot(v2, w)}


def test_a_closed_family_is_found_where_no_statistics_are_given():
    found = scaling_limit(PHASE, SGD(c / n))
    assert set(found.statistics.values()) == {dot(w, w), dot(w, v)}


def test_the_rates_do_not_depend_on_the_statistics_in_which_they_are_written():
    plain = scaling_limit(PHASE, SGD(c / n), statistics={"m": dot(w, v), "q": dot(w, w)})
    bent = scaling_limit(PHASE, SGD(c / n), statistics={"s": dot(w, v) / sqrt(dot(w, w)), "r": dot(w, w) * 2 + 1})
    m, q = plain.state
    s, r = bent.state
    images = {s: m / sqrt(q), r: 2 * q + 1}
    jacobian = sympy.Matrix([[sympy.diff(value, x) for x in (m, q)] for value in images.values()])
    at = {m: Rational(2, 7), q: Rational(9, 4), c: Rational(1, 3)}
    rates = sympy.Matrix(list(plain.rates.values()))
    assert zero((jacobian * rates - sympy.Matrix([e.subs(images) for e in bent.rates.values()])).subs(at).norm())
    covariance = jacobian * plain.covariance * jacobian.T - bent.covariance.subs(images)
    assert zero(covariance.subs(at).norm())


@pytest.mark.parametrize("covariance", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["drift", "covariance"])
def test_xor_mixture_of_width_two_conforms_by_quadrature(covariance):
    nu = Vector("nu", n)
    weights = vectors("p", n, count=2)
    law = Discrete(
        [((mu, 1), Rational(1, 4)), ((-mu, 1), Rational(1, 4)), ((nu, 0), Rational(1, 4)), ((-nu, 0), Rational(1, 4))]
    )
    pre = [dot(x, centre) + dot(x, z) / sqrt(snr) for x in weights]
    model = Model(
        (a * pre[0] ** 2 + b * pre[1] - y) ** 2 / 2,
        [*weights, a, b],
        {(centre, y): law, z: Normal()},
        {dot(mu, mu): 1, dot(nu, nu): 1, dot(mu, nu): 0},
    )
    case = Case("xor", model, {snr: 4.0}, decay=0.1, nodes=8)
    limit, reference = (
        scaling_limit(model, case.algorithm, statistics=every_entry(model)),
        Reference(model, case.values),
    )
    state = states(case)[0][0]
    entries, values = at_state(limit, case, state)
    sample, weight = limit_nodes(model, case.values, state, 1e12, case.nodes)
    changes = reference.change(entries, state, [sample], 1e12, case.c / 1e12, case.decay)
    mean = changes @ weight
    assert mean == pytest.approx([evaluated(rate, values) for rate in limit.rates.values()], rel=1e-8, abs=1e-8)
    if covariance:
        expected = case.c * ((changes * weight) @ changes.T - np.outer(mean, mean))
        found = np.array([evaluated(e, values) for e in limit.covariance]).reshape(expected.shape)
        assert found == pytest.approx(expected, rel=1e-8, abs=1e-8)


# ------------------------------------------------------------------------------------------------------------ refusals


@pytest.mark.parametrize("rate", [c, c / sqrt(n), c * n, c / n ** Rational(9, 10)], ids=str)
def test_a_step_larger_than_critical_is_refused(rate):
    with pytest.raises(SupercriticalStep):
        scaling_limit(LEAST_SQUARES, SGD(rate))


def test_a_learning_rate_that_stays_finite_is_no_ode_even_with_a_batch_of_order_n():
    with pytest.raises(SupercriticalStep, match="does not vanish"):
        scaling_limit(LEAST_SQUARES, SGD(c, batch_size=lam * n))


def test_a_subcritical_step_is_gradient_flow_without_noise():
    limit = scaling_limit(LEAST_SQUARES, SGD(c / n**2), statistics={"q": dot(w - v, w - v)})
    assert limit.rates == {limit.state[0]: -2 * limit.state[0]} and limit.covariance.is_zero_matrix


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"constraint": Sphere()}, AlgorithmNotCovered),
        ({"proximal": SoftThreshold(1)}, AlgorithmNotCovered),
        ({"temperature": 1}, AlgorithmNotCovered),
        ({"samples": 10}, SamplingNotCovered),
        ({"samples": 10, "sampling": bernoulli(Rational(1, 2))}, SamplingNotCovered),
        ({"samples": 10, "sampling": persistent(Rational(1, 2), 1)}, SamplingNotCovered),
        ({"samples": 10, "batch_size": 2, "sampling": Sampling.RESHUFFLED}, SamplingNotCovered),
    ],
    ids=str,
)
def test_options_that_the_limit_does_not_cover_are_refused_by_name(options, error):
    with pytest.raises(error):
        scaling_limit(LEAST_SQUARES, SGD(c / n, **options))


def test_models_outside_the_assumptions_are_refused_by_name():
    field = GaussianField("F", order=2)
    x, theta = symbols("x theta")
    outside = [
        (Model(dot(w, z) ** 2, [w], {z: Rademacher()}), NonGaussianData),
        (Model(dot(w, z) ** 2, [w], {z: Normal(1, 1)}), NonGaussianData),
        (Model(dot(w, w) ** 2 * xi, [w], {xi: Normal()}), NonGaussianData),
        (Model(tanh(dot(z, z) / n) * dot(w, z), [w], {z: Normal()}), DataNormInGradient),
        (Model(tanh(field(w)), [w], [field]), FieldOrder),
        (Model(dot(z, z) * dot(w, w), [w], {z: Normal()}), SupercriticalStep),
        (Model((theta * x) ** 2, [theta], {x: Normal()}), UnsupportedExpectation),
        (Model((dot(w, z) - xi) ** 2, [w], {z: Normal(), xi: StudentT(2)}), MomentDoesNotExist),
        (
            Model(dot(Vector("s", 3), Vector("t", 3)) ** 2, [Vector("s", 3)], {Vector("t", 3): Normal()}),
            UnsupportedExpectation,
        ),
        (Model((dot(w, z) - y) ** 2, [w], {(z, y): Empirical(np.eye(3), [1, 2, 3])}), SamplingNotCovered),
    ]
    for model, error in outside:
        with pytest.raises(error):
            scaling_limit(model, SGD(c / n))
    with pytest.raises(SamplingNotCovered):
        scaling_limit(LEAST_SQUARES, GD(c / n, samples=5))


def test_a_covariance_moved_by_the_fluctuations_of_the_data_norm_is_refused():
    model = Model((dot(w, z) - (dot(z, z) - n) / sqrt(n)) ** 2 / 2, [w], {z: Normal()})
    limit = scaling_limit(model, SGD(c / n), statistics={"q": dot(w, w)})
    q = limit.state[0]
    assert zero(limit.rates[q] - (-2 * q + c * (q + 2)))  # the drift is exact: the label has variance 2
    with pytest.raises(DataNormInGradient):
        _ = limit.covariance


def test_a_field_times_a_function_of_independent_noise_has_its_drift_and_covariance():
    field = GaussianField("F", order=2)
    limit = scaling_limit(Model(tanh(xi) * field(w), [w], {field: field.law, xi: Normal()}), SGD(c / n))
    values = {limit.state[0]: 0.7, c: 0.6}
    second = quad(lambda s: np.tanh(s) ** 2 * stats.norm.pdf(s), -12, 12)[0]
    fourth = quad(lambda s: np.tanh(s) ** 4 * stats.norm.pdf(s), -12, 12)[0]
    assert evaluated(limit.rates[limit.state[0]], values, 120) == pytest.approx(0.6 * 2 * 0.7 * second, abs=1e-8)
    covariance = 0.6 * (16 * 0.49 * second + 0.36 * 4 * 0.49 * (fourth - second**2))
    assert evaluated(limit.covariance[0, 0], values, 120) == pytest.approx(covariance, abs=1e-8)


def test_a_label_noise_without_fourth_moment_has_a_drift_but_no_covariance():
    limit = scaling_limit(Model((dot(w, z) - xi) ** 2 / 2, [w], {z: Normal(), xi: StudentT(3)}), SGD(c / n))
    assert zero(limit.rates[limit.state[0]] - (-2 * limit.state[0] + c * (limit.state[0] + 3)))
    with pytest.raises(MomentDoesNotExist):
        _ = limit.covariance


def test_statistics_with_foreign_names_are_refused():
    foreign = Vector("foreign", n)
    with pytest.raises(UnknownSymbol):
        scaling_limit(LEAST_SQUARES, SGD(c / n), statistics={"m": dot(w, foreign)})
    with pytest.raises(DuplicateName):
        scaling_limit(LEAST_SQUARES, SGD(c / n), statistics={"tau": dot(w, w)})


def test_the_finite_map_is_refused_under_momentum_and_for_losses_that_are_no_polynomials():
    with pytest.raises(AlgorithmNotCovered):
        scaling_limit(LEAST_SQUARES, SGD(c / n, momentum=HeavyBall(Rational(1, 2)))).at_finite_dimension()
    with pytest.raises(UnsupportedExpectation):
        scaling_limit(TANH, SGD(c / n)).at_finite_dimension()


def test_a_trained_scalar_is_a_statistic_under_its_own_name():
    gain = symbols("gain")
    dimension, constant = symbols("n c", positive=True)
    student, teacher, data = (Vector(name, dimension) for name in ("w", "v", "z"))
    model = Model(
        (gain * dot(student, data) - dot(teacher, data)) ** 2 / 2,
        [student, gain],
        {data: Normal()},
        {dot(teacher, teacher): 1},
    )
    found = scaling_limit(model, SGD(constant / dimension))
    named = scaling_limit(
        model,
        SGD(constant / dimension),
        statistics={"gain": gain, "v_w": dot(student, teacher), "w_w": dot(student, student)},
    )
    overlap, norm = sympy.symbols("v_w w_w", real=True)
    assert sympy.expand(found.rates[gain] - (overlap - gain * norm)) == 0
    assert {str(name): rate for name, rate in found.rates.items()} == {
        str(name): rate for name, rate in named.rates.items()
    }
