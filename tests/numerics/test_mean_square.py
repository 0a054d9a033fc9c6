"""The mean-square threshold: closed forms, exact second moments step by step, monotonicity in the batch, real data, refusals."""

import numpy as np
import pytest
from sympy import exp

from numerics.stability.exponents import grid_of
from numerics.stability.matrices import AffineStep, batch_curvatures
from numerics.stability.matrix.pencil import SecondMomentShape, UnstableDirection
from numerics.stability.matrix.symmetric_power import even_moment_exponent
from numerics.stability.mean_square import NoExponent, NoSecondMoment, mean_square_threshold
from theory import (
    SGD,
    Empirical,
    ExponentKind,
    HeavyBall,
    InvalidRequest,
    MissingValue,
    Model,
    Nesterov,
    NesterovLookahead,
    Normal,
    Sampling,
    SamplingNotCovered,
    StudentT,
    UnknownValue,
    bernoulli,
    stability,
    symbols,
)

u, w, v, x, y, z = symbols("u w v x y z")
eta, gamma, c = symbols("eta gamma c", positive=True)
ORIGIN = {u: 0, w: 0}
FOUR = np.array([(1, 0.5), (-0.3, 1.2), (0.8, -0.9), (0.2, 0.4)])
DATA = np.array([(1.1, 0.2), (-0.4, 1.3), (0.7, -0.6), (0.3, 0.9), (-1.2, 0.5), (0.6, 0.8)])


def regression(data, algorithm):
    law = {(x, y): Empirical(*np.asarray(data).T)}
    return stability(Model((u * x + w * y) ** 2 / 2, [u, w], law), algorithm, point=ORIGIN)


def crosses(equations, threshold, *, at=None, symbol=eta):
    """Whether L(2) changes from negative to positive there."""
    rates = threshold.value + np.array([-1, 1]) * max(2 * threshold.error, 1e-10 * threshold.value)
    grid, _ = grid_of(equations, {**(at or {}), symbol: rates})
    block = next(b for b in equations.blocks if b.name == threshold.decisive.mode)
    found = even_moment_exponent(block, grid, 2)
    return found.values[0] < 0 < found.values[1]


# -------------------------------------------------------------------------------------------------------- closed forms


@pytest.mark.parametrize("dimension", [1, 2, 3, 5])
def test_isotropic_gaussian_regression_has_its_closed_threshold(dimension):
    weights, data = ([*symbols(" ".join(f"{n}{k}" for k in range(9)))][:dimension] for n in "wx")
    loss = sum(a * b for a, b in zip(weights, data, strict=True)) ** 2 / 2
    model = Model(loss, weights, {name: Normal() for name in data})
    for size in (1, 4):
        found = mean_square_threshold(stability(model, SGD(eta, batch_size=size), point=dict.fromkeys(weights, 0)))
        assert abs(found.value - 2 * size / (size + 1 + dimension)) <= found.error < 1e-11


@pytest.mark.parametrize("beta", [0.3, 0.6, 0.9])
def test_heavy_ball_has_its_closed_threshold(beta):
    h, variance = 1.3, 0.2
    found = mean_square_threshold(
        stability(Model(x * u**2 / 2, [u], {x: Normal(h, variance)}), SGD(eta, momentum=HeavyBall(beta)), point={u: 0})
    )
    assert abs(found.value - 2 * h / (h**2 / (1 + beta) + variance / (1 - beta))) <= found.error < 1e-10
    if beta == 0.6:
        assert round(found.value, 9) == 1.670682731


@pytest.mark.parametrize("momentum", [Nesterov(0.6), NesterovLookahead(0.6)], ids=str)
def test_both_forms_of_nesterov_lose_stability_where_their_variance_formula_does(momentum):
    h, variance, beta = 1.3, 0.2, 0.6
    found = mean_square_threshold(
        stability(Model(x * u**2 / 2, [u], {x: Normal(h, variance)}), SGD(eta, momentum=momentum), point={u: 0})
    )
    quadratic = [
        -h * beta * (1 + 2 * beta) * (h**2 + variance),
        -(h**2 * (1 - beta - 4 * beta**2) + variance * (1 + beta)),
        2 * h * (1 - beta**2),
    ]
    assert abs(found.value - max(np.roots(quadratic))) <= found.error < 1e-10


def test_a_lognormal_curvature_is_averaged_by_quadrature_and_says_so():
    found = mean_square_threshold(stability(Model(exp(x) * u**2 / 2, [u], {x: Normal()}), SGD(eta), point={u: 0}))
    assert found.kind == ExponentKind.QUADRATURE
    assert abs(found.value - 2 * np.exp(0.5) / np.exp(2)) <= found.error < 1e-12


def test_full_batch_is_gradient_descent():
    found = mean_square_threshold(regression(FOUR, SGD(eta, sampling=Sampling.FULL_BATCH)))
    assert abs(found.value - 2 / np.linalg.eigvalsh(FOUR.T @ FOUR / 4)[-1]) <= found.error < 1e-12


def test_the_number_is_the_root_of_the_symbolic_determinant():
    equations = stability(
        Model((u * w * x - y) ** 2 / 2, [u, w], {x: Normal(), y: Normal()}), SGD(eta, weight_decay=gamma), point=ORIGIN
    )
    found = mean_square_threshold(equations, at={gamma: 0.5})
    assert found.kind == ExponentKind.CLOSED_FORM
    assert abs(found.value - float(equations.mean_square_thresholds["u + w"].subs(gamma, 0.5))) <= found.error


# ------------------------------------------------------------------------------------------------- every way to draw


@pytest.mark.parametrize("momentum", [None, HeavyBall(0.5), Nesterov(0.5)], ids=str)
@pytest.mark.parametrize(
    "options",
    [
        {"batch_size": 2},
        {"batch_size": 2, "sampling": Sampling.WITHOUT_REPLACEMENT},
        {"batch_size": 2, "sampling": Sampling.RESHUFFLED},
        {"batch_size": 2, "sampling": Sampling.CYCLIC},
        {"sampling": bernoulli(0.4)},
    ],
    ids=["fresh", "subset", "reshuffled", "cyclic", "bernoulli"],
)
def test_the_exponent_changes_sign_at_the_threshold(options, momentum):
    equations = regression(DATA, SGD(eta, momentum=momentum, weight_decay=0.05, **options))
    found = mean_square_threshold(equations)
    assert found.error < 1e-8 * found.value
    assert crosses(equations, found)


def test_exact_second_moments_decay_below_the_threshold_and_grow_above_it():
    """E |theta_t|^2 over all batches, step by step, with no operator: the slowest mode has the exponent L(2)."""
    equations = regression(DATA, SGD(eta, batch_size=2, sampling=Sampling.WITHOUT_REPLACEMENT))
    threshold, block = mean_square_threshold(equations).value, equations.blocks[0]
    for factor, grows in ((0.98, False), (1.02, True)):
        rate = factor * threshold
        grid, _ = grid_of(equations, {eta: rate})
        outcomes = batch_curvatures(block, {eta: rate}, 2, 100)
        steps = AffineStep.of(block, grid).matrices(0, outcomes.matrices)
        moments, sizes = np.eye(2), []
        for _ in range(400):
            moments = np.einsum("b,bij,jk,blk->il", outcomes.shares, steps, moments, steps)
            sizes.append(np.trace(moments))
        assert (sizes[-1] > sizes[-2]) == grows
        assert abs(np.log(sizes[-1] / sizes[-2]) - even_moment_exponent(block, grid, 2).values[0]) < 1e-10


def test_larger_batches_are_stable_up_to_larger_steps():
    for mode in (Sampling.WITH_REPLACEMENT, Sampling.WITHOUT_REPLACEMENT):
        found = [
            mean_square_threshold(regression(DATA, SGD(eta, batch_size=b, sampling=mode))).value for b in range(1, 7)
        ]
        assert np.all(np.diff(found) > 0)


def test_the_evidence_solves_the_generalised_eigenvalue_problem():
    found = mean_square_threshold(regression(FOUR, SGD(eta)))
    assert isinstance(found.evidence, SecondMomentShape)
    shape, mean = found.evidence.matrix, FOUR.T @ FOUR / 4
    squared = sum(np.outer(s, s) @ shape @ np.outer(s, s) for s in FOUR) / 4
    assert np.allclose(found.value * squared, mean @ shape + shape @ mean, atol=1e-12)
    assert np.linalg.eigvalsh(shape)[0] > 0


# --------------------------------------------------------------------------------------------------- never, or neutral


def test_a_saddle_is_stable_at_no_learning_rate_and_the_direction_is_named():
    equations = stability(Model((u * w * x - y) ** 2 / 2, [u, w], {(x, y): Empirical(*DATA.T)}), SGD(eta), point=ORIGIN)
    found = mean_square_threshold(equations)
    assert found.stable_at_no_learning_rate and isinstance(found.evidence, UnstableDirection)
    assert found.evidence.mean_curvature < 0 and found.decisive.mode in ("u + w", "u - w")


def test_noise_without_mean_curvature_is_stable_at_no_learning_rate():
    found = mean_square_threshold(stability(Model(x * u**2 / 2, [u], {x: Normal()}), SGD(eta), point={u: 0}))
    assert found.stable_at_no_learning_rate and found.evidence.noise == pytest.approx(1)


def test_heavy_tails_are_stable_at_no_learning_rate_for_want_of_a_moment():
    found = mean_square_threshold(stability(Model((u * x) ** 2 / 2, [u], {x: StudentT(3)}), SGD(0.1), point={u: 0}))
    assert found.value == 0 and isinstance(found.evidence, NoSecondMoment) and "order 4" in found.evidence.reason


def test_neutral_directions_do_not_count():
    line = np.outer([1.0, -0.5, 2.0], [3.0, 4.0])  # every sample on one line: the direction across it is flat
    found = mean_square_threshold(regression(line, SGD(eta)))
    flat = [block for block in found.blocks if isinstance(block.evidence, NoExponent)]
    norms = (line**2).sum(axis=1)
    assert np.isfinite(found.value) and len(flat) <= 1
    assert abs(found.value - 2 * norms.mean() / (norms**2).mean()) < 1e-12


# ------------------------------------------------------------------------------------------------------------ real data


def diabetes(count):
    from sklearn.datasets import load_diabetes

    features = load_diabetes().data
    features = features * np.sqrt(len(features))  # unit variance
    weights, data = (symbols(" ".join(f"{n}{k}" for k in range(10))) for n in "wx")
    loss = sum(a * b for a, b in zip(weights, data, strict=True)) ** 2 / 2
    model = Model(loss, list(weights), {tuple(data): Empirical(*features[:count].T)})
    return model, dict.fromkeys(weights, 0), features[:count]


def test_the_threshold_on_the_diabetes_data_is_that_of_the_kronecker_square():
    model, origin, features = diabetes(442)
    mean = features.T @ features / 442
    square = np.einsum("ni,nj,nk,nl->ikjl", features, features, features, features).reshape(100, 100) / 442
    for size in (1, 8, 64):
        algorithm = SGD(eta, batch_size=size, sampling=Sampling.WITHOUT_REPLACEMENT)
        found = mean_square_threshold(stability(model, algorithm, point=origin))
        share = (442 - size) / (size * 441)
        for factor, stable in ((1 - 1e-9, True), (1 + 1e-9, False)):
            rate = found.value * factor
            drift = np.kron(np.eye(10), mean) + np.kron(mean, np.eye(10))
            whole = np.eye(100) - rate * drift + rate**2 * ((1 - share) * np.kron(mean, mean) + share * square)
            assert (np.linalg.eigvalsh((whole + whole.T) / 2)[-1] < 1) == stable


# -------------------------------------------------------------------------------------------------------------- refused


def test_a_long_reshuffled_epoch_is_refused_by_name():
    data = np.random.default_rng(0).normal(size=(20, 2))
    with pytest.raises(SamplingNotCovered, match="20 samples"):
        mean_square_threshold(regression(data, SGD(eta, sampling=Sampling.RESHUFFLED)))


def test_a_decay_that_depends_on_the_learning_rate_has_no_threshold():
    with pytest.raises(InvalidRequest, match="eta"):
        mean_square_threshold(regression(FOUR, SGD(eta, weight_decay=0.1 * eta)))


def test_values_are_asked_for_by_name_and_that_of_the_learning_rate_changes_nothing():
    equations = regression(FOUR, SGD(eta / c, weight_decay=gamma))
    with pytest.raises(MissingValue, match="gamma"):
        mean_square_threshold(equations)
    with pytest.raises(UnknownValue):
        mean_square_threshold(equations, at={gamma: 0.1, "beta": 1})
    free = mean_square_threshold(equations, at={gamma: 0.1})
    assert free.value == mean_square_threshold(equations, at={gamma: 0.1, eta: 7.0}).value
    assert free.value == mean_square_threshold(regression(FOUR, SGD(0.25, weight_decay=0.1))).value
