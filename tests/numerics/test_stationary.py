"""Stationary moments against long iteration and closed forms; no stationary value where there is none."""

from __future__ import annotations

import numpy as np
import pytest

from numerics import solve, spectral_radius, stationary
from theory import SGD, HeavyBall, Model, Normal, Vector, dot, moments, symbols
from theory.errors import InvalidRequest, MissingValue, NotStationary, UnknownValue

eta, tau = symbols("eta tau", positive=True)
w, d, e = symbols("w d e")
model = Model((w * d - tau * e) ** 2 / 2, [w], {d: Normal(), e: Normal()})
second = moments(model, SGD(eta))
fourth = moments(model, SGD(eta), order=4)


def test_stationary_variance_of_least_squares_is_the_closed_form():
    result = stationary(second, at={tau: 1.5, eta: 0.2})
    assert float(result["w**2"]) == pytest.approx(0.2 * 2.25 / (2 - 3 * 0.2), rel=1e-13)
    assert float(result["w"]) == pytest.approx(0, abs=1e-14)
    assert "time" not in result.dims


def test_stationary_moments_are_where_the_iteration_ends():
    at = {eta: 0.1, tau: 0.7}
    ends = solve(fourth, at=at, start={w: 1.0}, until=3000, times=[3000])
    for name, value in stationary(fourth, at=at).items():
        assert float(ends[name][0]) == pytest.approx(float(value), rel=1e-9, abs=1e-12)


def test_stationary_moments_with_momentum_and_of_inner_products():
    n = symbols("n", positive=True)
    v, z, W, noise = Vector("v", n), Vector("z", n), Vector("w", n), symbols("noise")
    loss = (dot(W, z) - dot(v, z) - tau * noise) ** 2 / 2
    vector = Model(loss, [W], {z: Normal(), noise: Normal()}, fixed={dot(v, v): 1})
    recurrence = moments(vector, SGD(eta, momentum=HeavyBall(0.5)), of={"risk": dot(W, W) - 2 * dot(W, v) + 1})
    at = {eta: 0.02, n: 9, tau: 0.4}
    ends = solve(recurrence, at=at, start={dot(W, W): 1.0, dot(W, v): 0.0}, until=4000, times=[4000])
    assert float(stationary(recurrence, at=at)["risk"]) == pytest.approx(float(ends["risk"][0]), rel=1e-9)


def test_spectral_radii_are_the_moments_of_the_contraction_factor():
    rate = 0.3
    squares = 1 - 2 * rate + 3 * rate**2
    assert spectral_radius(second, at={eta: rate, tau: 1.0}, degree=1) == pytest.approx(1 - rate, rel=1e-14)
    assert spectral_radius(second, at={eta: rate, tau: 1.0}) == pytest.approx(max(1 - rate, squares), rel=1e-14)
    gauss = {2: 1, 4: 3, 6: 15, 8: 105}
    power4 = 1 - 4 * rate * gauss[2] + 6 * rate**2 * gauss[4] - 4 * rate**3 * gauss[6] + rate**4 * gauss[8]
    assert spectral_radius(fourth, at={eta: rate, tau: 1.0}, degree=4) == pytest.approx(power4, rel=1e-13)
    with pytest.raises(InvalidRequest, match="degree=7"):
        spectral_radius(fourth, at={eta: rate, tau: 1.0}, degree=7)


def test_moments_that_grow_have_no_stationary_value():
    with pytest.raises(NotStationary) as caught:
        stationary(second, at={eta: 0.7, tau: 1.0})
    assert caught.value.spectral_radius == pytest.approx(1 - 1.4 + 3 * 0.49, rel=1e-13)
    assert f"{caught.value.spectral_radius:.6g}" in str(caught.value)
    with pytest.raises(NotStationary, match="degree 4"):  # the second moments do exist at this learning rate
        stationary(fourth, at={eta: 0.5, tau: 1.0})
    assert np.isfinite(float(stationary(second, at={eta: 0.5, tau: 1.0})["w**2"]))


def test_wrong_requests_are_named():
    with pytest.raises(MissingValue, match="tau"):
        stationary(second, at={eta: 0.1})
    with pytest.raises(UnknownValue, match="did you mean tau"):
        stationary(second, at={eta: 0.1, "taau": 1.0})
    with pytest.raises(InvalidRequest, match="order=4"):
        stationary(moments(model, SGD(eta), order=3), at={eta: 0.1, tau: 1.0})
