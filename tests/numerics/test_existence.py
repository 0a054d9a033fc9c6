"""Moments of matrix blocks that do not exist: plus infinity by whatever road, and never a simulated number."""

import numpy as np
import pytest

from numerics import moment_exponents
from numerics.stability.exponents import grid_of
from numerics.stability.matrix.existence import highest_moment
from theory import SGD, Cauchy, HeavyBall, Mixture, Model, Normal, StudentT, stability, symbols

u, w, x, y, h, nu, eta = symbols("u w x y h nu eta", positive=True)


def regression(first, second):
    """The block of two weights on independent inputs."""
    return stability(Model((u * x + w * y) ** 2 / 2, [u, w], {x: first, y: second}), SGD(eta), point={u: 0, w: 0})


@pytest.mark.parametrize(
    ("first", "second", "highest"),
    [
        (Cauchy(0, 1), Normal(), 0.5),
        (StudentT(5), StudentT(7), 2.5),
        (Normal(), Mixture([(Normal(), 0.5), (StudentT(3), 0.5)]), 1.5),
        (Normal(0, 1), Normal(0, 2), np.inf),
    ],
)
def test_the_heaviest_entry_of_the_curvature_limits_the_moments(first, second, highest):
    found = regression(first, second)
    assert highest_moment(found.blocks[0], grid_of(found, {eta: 0.1})[0]) == highest


def test_moments_that_do_not_exist_are_infinite_and_others_are_not():
    table = moment_exponents(
        regression(Cauchy(0, 1), Cauchy(0, 1)), orders=[0.25, 0.5, 1, 3], at={eta: 0.3}, steps=400, replicas=8
    )
    values = table["moment_exponent"].values[0]
    assert np.isfinite(values[0])
    assert np.isposinf(values[1:]).all()


def test_where_the_law_varies_each_point_has_its_own_limit():
    found = regression(StudentT(nu), Normal())
    at = {eta: 0.1, nu: np.array([2.5, 5.0])}
    values = moment_exponents(found, orders=[1.5], at=at, steps=400, replicas=8)["moment_exponent"].values[0, 0]
    assert np.isposinf(values[0])
    assert np.isfinite(values[1])


def test_momentum_does_not_make_the_mean_of_a_cauchy_curvature_exist():
    model = Model(h * u**2 / 2, [u], {h: Cauchy(1, 0.5)})
    found = stability(model, SGD(eta, momentum=HeavyBall(0.5)), point={u: 0})
    values = moment_exponents(found, orders=[0.5, 1, 2], at={eta: 0.6}, steps=400, replicas=8)["moment_exponent"].values
    assert np.isfinite(values[0, 0])
    assert np.isposinf(values[0, 1:]).all()
