"""Transverse exponents: against formulas where they exist, and against plain SGD started next to the set."""

import numpy as np
import pytest
import sympy

from numerics import solve
from numerics.stability.transverse import transverse_exponents
from theory import (
    SGD,
    Discrete,
    HeavyBall,
    Model,
    Normal,
    Rademacher,
    invariant_sets,
    stability,
    symbols,
    transverse_stability,
)
from theory.errors import InvalidRequest, MissingValue, UnknownValue

ETA, SPREAD = symbols("eta s", positive=True)
SIGNAL = symbols("k")
U1, W1, U2, W2, X1, X2, Y, XI = symbols("u1 w1 u2 w2 x1 x2 y xi")
NEURONS = [U1, W1, U2, W2]


def dead_second(model):
    return next(one for one in invariant_sets(model) if one.equations == (U2, W2))


NOISY = Model(
    (U1 * W1 * X1 + U2 * W2 * X2 - X1 - SIGNAL * X2 - SPREAD * XI) ** 2 / 2,
    NEURONS,
    {X1: Rademacher(), X2: Rademacher(), XI: Normal()},
)
"""Two neurons on inputs of their own and labels with noise: on the set u2 = w2 = 0 the first fluctuates about u1 w1 = 1."""


def plain_sgd(signal, eta, noise, *, steps, replicas, seed, distance=1e-6):
    """SGD written out, put back to a small distance from u2 = w2 = 0 after every step: the logarithms of growth, (step, replica)."""
    rng = np.random.default_rng(seed)
    u, w = np.ones(replicas), np.ones(replicas)
    a, b = np.full(replicas, distance), np.full(replicas, -distance / 3)
    logs = []
    for _ in range(steps):
        x1, x2 = rng.choice([-1.0, 1.0], (2, replicas))
        error = u * w * x1 + a * b * x2 - x1 - signal * x2 - noise * rng.standard_normal(replicas)
        before = np.hypot(a, b)
        u, w, a, b = (
            u - eta * error * w * x1,
            w - eta * error * u * x1,
            a - eta * error * b * x2,
            b - eta * error * a * x2,
        )
        after = np.hypot(a, b)
        logs.append(np.log(after / before))
        a, b = a * distance / after, b * distance / after
    return np.array(logs)


@pytest.mark.slow
def test_a_frozen_live_part_gives_the_exponents_of_the_linearisation():
    """The live neuron fits its samples exactly; what is left is a scalar problem with closed forms."""
    data = Discrete([((1, 0, 1), 0.5), ((0, 1, 2), 0.25), ((0, 1, -1), 0.25)])
    model = Model((U1 * W1 * X1 + U2 * W2 * X2 - Y) ** 2 / 2, NEURONS, {(X1, X2, Y): data})
    with pytest.warns(match="no sample curves"):
        point = stability(model, SGD(ETA), point={U1: 1, W1: 1, U2: 0, W2: 0})
    exact = solve(transverse_stability(point, dead_second(model)), at={ETA: 0.3})["exponent"].values
    found = transverse_exponents(
        model, SGD(ETA), dead_second(model), at={ETA: 0.3}, start={U1: 1, W1: 1}, steps=20_000, replicas=64, seed=1
    )
    z = (found["spectrum"].values - np.sort(exact)[::-1]) / found["standard_error"].values
    assert np.all(np.abs(z) < 5)
    assert np.all(found["standard_error"] < 1e-3)


@pytest.mark.parametrize(("signal", "attracts"), [(0.0, True), (0.5, False)])
def test_sgd_next_to_the_set_closes_in_or_leaves_at_the_transverse_exponent(signal, attracts):
    eta, noise = 0.15, 0.8
    found = transverse_exponents(
        NOISY,
        SGD(ETA),
        dead_second(NOISY),
        at={ETA: eta, SPREAD: noise, SIGNAL: signal},
        start={U1: 1, W1: 1},
        steps=4000,
        replicas=256,
        seed=2,
    )
    top, error = float(found["spectrum"][0]), float(found["standard_error"][0])
    assert abs(float(found["drift_z"][0])) < 5
    assert top + 5 * error < 0 if attracts else top - 5 * error > 0
    logs = plain_sgd(signal, eta, noise, steps=4000, replicas=256, seed=3)
    rates = logs[1000:].mean(axis=0)
    direct, direct_error = rates.mean(), rates.std(ddof=1) / np.sqrt(len(rates))
    assert abs(top - direct) < 5 * np.hypot(error, direct_error)


def test_small_steps_with_label_noise_collapse_at_the_rate_of_the_residuals_second_moment():
    """The modes u2 +- w2 have multipliers 1 +- eta e x2 with independent signs: Lambda = E log|1 - (eta e)^2| / 2 to fourth order."""
    eta = 0.02
    found = transverse_exponents(
        NOISY,
        SGD(ETA),
        dead_second(NOISY),
        at={ETA: eta, SPREAD: 1.0, SIGNAL: 0},
        start={U1: 1, W1: 1},
        steps=4000,
        replicas=64,
        seed=4,
    )
    expected = -(eta**2) / 2  # E e^2 = 1 + O(eta): the neuron's own fluctuation adds a few per cent
    assert np.all(np.abs(found["spectrum"] - expected) < 0.1 * abs(expected) + 5 * found["standard_error"])


@pytest.mark.slow
def test_momentum_doubles_the_transverse_directions_and_their_sum_is_known():
    """Heavy ball: every transverse 2 x 2 block has the determinant beta, so that the exponents add up to 2 log beta."""
    found = transverse_exponents(
        NOISY,
        SGD(ETA, momentum=HeavyBall(sympy.Rational(1, 2))),
        dead_second(NOISY),
        at={ETA: 0.05, SPREAD: 0.5, SIGNAL: 0},
        start={U1: 1, W1: 1},
        steps=500,
        replicas=8,
        seed=5,
    )
    assert found.sizes["exponent"] == 4
    assert float(found["total"]) == pytest.approx(2 * np.log(0.5), abs=1e-10)


@pytest.mark.slow
def test_equal_neurons_attract_or_repel_as_their_difference_does():
    """On u1 = u2, w1 = w2 with the labels 2 x: the total is fitted, and the differences see the residual 0: exponents 0 and of the fit."""
    x = symbols("x")
    model = Model((U1 * W1 * x + U2 * W2 * x - 2 * x) ** 2 / 2, NEURONS, {x: Rademacher()})
    equal = next(one for one in invariant_sets(model) if one.equations == (U1 - U2, W1 - W2))
    found = transverse_exponents(
        model, SGD(ETA), equal, at={ETA: 0.1}, start={U1: 0.7, W1: 1.2}, steps=100, replicas=4, seed=6
    )
    assert np.all(np.abs(found["spectrum"]) < 1e-12)  # H across the set is e x times a matrix, and e has died out


def test_requests_that_do_not_fit_are_refused_by_name():
    request = {"at": {ETA: 0.1, SPREAD: 1, SIGNAL: 0}, "steps": 10, "replicas": 2}
    with pytest.raises(UnknownValue, match=r"on this set u2 = 0"):
        transverse_exponents(NOISY, SGD(ETA), dead_second(NOISY), start={U1: 1, W1: 1, U2: 1}, **request)
    with pytest.raises(MissingValue, match="w1"):
        transverse_exponents(NOISY, SGD(ETA), dead_second(NOISY), start={U1: 1}, **request)
    with pytest.raises(InvalidRequest, match="2 transverse directions"):
        transverse_exponents(NOISY, SGD(ETA), dead_second(NOISY), start={U1: 1, W1: 1}, exponents=3, **request)
    with pytest.raises(InvalidRequest, match="one of invariant_sets"):
        transverse_exponents(NOISY, SGD(ETA), "u2 = 0", start={U1: 1, W1: 1}, **request)
    with pytest.raises(InvalidRequest, match="diverges there"):
        transverse_exponents(
            NOISY,
            SGD(ETA),
            dead_second(NOISY),
            start={U1: 9, W1: 9},
            at={ETA: 3, SPREAD: 1, SIGNAL: 0},
            steps=100,
            replicas=2,
        )
