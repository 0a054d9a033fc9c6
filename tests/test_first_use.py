"""What a first user tried and must not meet again: silent nonsense, raw tracebacks, grids that do not meet."""

from __future__ import annotations

import pytest

from numerics import compare, simulate, solve
from numerics.compare import IncomparableResults
from theory import (
    SGD,
    DuplicateName,
    HeavyBall,
    InvalidRequest,
    Model,
    Normal,
    NotStationary,
    UnknownValue,
    UnsupportedExpectation,
    Vector,
    dot,
    moments,
    scaling_limit,
    stationary,
    symbols,
)

n, c, tau, eta = symbols("n c tau eta", positive=True)
xi = symbols("xi")
w, v, z = (Vector(name, n) for name in ("w", "v", "z"))
MODEL = Model((dot(w, z) - dot(v, z) - tau * xi) ** 2 / 2, [w], {z: Normal(), xi: Normal()}, {dot(v, v): 1})
STATISTICS = {"m": dot(w, v), "q": dot(w, w)}
START = {"m": 0.1, "q": 1.0}


def test_a_limit_that_still_holds_the_dimension_is_refused():
    scaled = Model((dot(w, z) - dot(v, z) - tau * xi) ** 2 / (2 * n), [w], {z: Normal(), xi: Normal()}, {dot(v, v): n})
    cases = [
        lambda: scaling_limit(scaled, SGD(c / n), statistics={"m": dot(w, v) / n, "q": dot(w, w) / n}),
        lambda: scaling_limit(MODEL, SGD(c / n), statistics={"m": n * dot(w, v), "q": dot(w, w)}),
        lambda: scaling_limit(MODEL, SGD(c / n, momentum=HeavyBall(1 - 1 / n)), statistics=STATISTICS),
    ]
    for case in cases:
        with pytest.raises(UnsupportedExpectation, match="still holds n"):
            case()


def test_a_statistic_may_not_carry_the_name_of_a_symbol_of_the_algorithm():
    with pytest.raises(DuplicateName, match="'c'"):
        scaling_limit(MODEL, SGD(c / n), statistics={"c": dot(w, v), "q": dot(w, w)})


def test_prediction_and_simulation_meet_at_any_learning_rate():
    limit = scaling_limit(MODEL, SGD(c / n), statistics=STATISTICS)
    for rate, size in ((0.7, 1000), (0.3, 70), (0.9, 110)):
        at = {c: rate, tau: 0.3}
        prediction = solve(limit, at=at, start=START, until=1)
        simulation = simulate(MODEL, SGD(c / n), at={**at, n: size}, observe=limit, start=START, until=1, replicas=2)
        assert compare(prediction, simulation).comparisons > 0


def test_values_that_differ_between_prediction_and_simulation_are_refused():
    limit = scaling_limit(MODEL, SGD(c / n), statistics=STATISTICS)
    prediction = solve(limit, at={c: 0.5, tau: 0.3}, start=START, until=1)
    simulation = simulate(
        MODEL, SGD(c / n), at={c: 0.5, tau: 0.9, n: 50}, observe=limit, start=START, until=1, replicas=2
    )
    with pytest.raises(IncomparableResults, match=r"tau=0\.3"):
        compare(prediction, simulation)


def test_arguments_in_the_wrong_order_are_named():
    for verb in (scaling_limit, moments):
        with pytest.raises(InvalidRequest, match="takes a Model and an SGD"):
            verb(SGD(c / n), MODEL)


def test_stationary_takes_names_and_refuses_unknown_ones():
    weight, x, e = symbols("w0 x0 e")
    recurrence = moments(Model((weight * x - e) ** 2 / 2, [weight], {x: Normal(), e: Normal()}), SGD(eta))
    with pytest.raises(NotStationary):
        stationary(recurrence, at={"eta": 1})
    with pytest.raises(UnknownValue, match="et"):
        stationary(recurrence, at={"et": 0.1})


def test_a_flat_direction_has_no_stationary_moments():
    a, b, x = symbols("a b x")
    with pytest.raises(NotStationary, match="flat"):
        stationary(moments(Model((a * x + b * x - 1) ** 2 / 2, [a, b], {x: Normal()}), SGD(eta)))
