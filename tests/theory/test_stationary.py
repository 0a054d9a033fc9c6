"""Stationary moments: the acceptance rows, closed forms under momentum, and where no stationary value exists."""

import math

import pytest
import sympy
from sympy import Rational, Symbol, nsolve, simplify

from theory import (
    SGD,
    Discrete,
    Empirical,
    HeavyBall,
    Model,
    Nesterov,
    NesterovLookahead,
    Normal,
    Sampling,
    StudentT,
    Vector,
    dot,
    moments,
    stationary,
    symbols,
)
from theory.errors import HierarchyNotClosed, NotStationary
from theory.moments import Moment

eta, s, S, h, beta, a = symbols("eta s S h beta a", positive=True)
tau2 = symbols("tau2", positive=True)
theta, x, y, e, g = symbols("theta x y e g")


def regression(curvatures, noise):
    count = len(curvatures)
    deltas, inputs = symbols(f"delta1:{count + 1}"), symbols(f"x1:{count + 1}")
    loss = (sympy.Add(*(d * i for d, i in zip(deltas, inputs, strict=True))) - e) ** 2 / 2
    return Model(
        loss, deltas, {**{i: Normal(0, c) for i, c in zip(inputs, curvatures, strict=True)}, e: Normal(0, noise)}
    ), deltas


@pytest.mark.parametrize(
    ("rate", "batch", "expected"),
    [
        (Rational(3, 10), 1, (0.08049026, 0.06628610, 0.05993956)),
        (Rational(3, 5), 4, (0.03669142, 0.02822417, 0.02479150)),
    ],
)
def test_row_18_second_moments_of_gaussian_regression(rate, batch, expected):
    model, deltas = regression((1, Rational(1, 2), Rational(1, 5)), Rational(1, 4))
    values = stationary(moments(model, SGD(rate, batch_size=batch))).values
    assert [float(values[Moment(d**2)]) for d in deltas] == pytest.approx(expected, abs=5e-9)
    assert all(values[Moment(d)] == 0 for d in deltas)


def test_the_closed_form_of_gaussian_regression_holds_for_symbolic_spectrum_and_batch():
    curvatures = symbols("lam1:3", positive=True)
    model, deltas = regression(curvatures, s**2)
    values = stationary(moments(model, SGD(eta, batch_size=S))).values
    kappa = eta / S * sum(lam / (2 - eta * lam * (1 + 1 / S)) for lam in curvatures)
    trace = s**2 * kappa / (1 - kappa)
    for d, lam in zip(deltas, curvatures, strict=True):
        assert simplify(values[Moment(d**2)] - eta / S * (trace + s**2) / (2 - eta * lam * (1 + 1 / S))) == 0


def curved(mean, variance, noise):
    return Model((mean + g) * theta**2 / 2 + e * theta, [theta], {g: Normal(0, variance), e: Normal(0, noise)})


MOMENTA = [HeavyBall, Nesterov, NesterovLookahead]


@pytest.mark.parametrize(
    ("momentum", "expected"), list(zip(MOMENTA, (0.25284450, 0.14975685, 0.26584167), strict=True))
)
def test_row_19_variances_under_momentum(momentum, expected):
    model = curved(Rational(13, 10), Rational(1, 5), Rational(1, 2))
    found = stationary(moments(model, SGD(Rational(2, 5), momentum=momentum(Rational(3, 5)))))
    assert float(found.values[Moment(theta**2)]) == pytest.approx(expected, abs=5e-9)


@pytest.mark.parametrize("momentum", MOMENTA)
def test_variances_under_momentum_have_the_closed_forms_of_the_page(momentum):
    noise = s**2
    found = stationary(moments(curved(h, tau2, noise), SGD(eta, momentum=momentum(beta)))).values[Moment(theta**2)]
    common = (
        2 * h * (1 - beta**2)
        - eta * (h**2 * (1 - beta - 4 * beta**2) + tau2 * (1 + beta))
        - eta**2 * h * beta * (1 + 2 * beta) * (h**2 + tau2)
    )
    expected = {
        HeavyBall: eta * noise / ((1 - beta) * (2 * h - eta * (h**2 / (1 + beta) + tau2 / (1 - beta)))),
        Nesterov: eta * noise * (1 + beta - beta * eta * h) / common,
        NesterovLookahead: eta * noise * (1 + beta + beta * eta * h + 2 * beta**2 * eta * h) / common,
    }[momentum]
    assert simplify(found - expected) == 0


def test_row_20_the_mean_square_threshold_of_heavy_ball_is_where_the_boundary_vanishes():
    recurrence = moments(
        curved(Rational(13, 10), Rational(1, 5), Rational(1, 2)), SGD(eta, momentum=HeavyBall(Rational(3, 5)))
    )
    boundary = stationary(recurrence).boundaries[2].expression
    threshold = float(nsolve(boundary, eta, 1.6))
    assert threshold == pytest.approx(1.670682731, abs=5e-10)
    assert stationary(recurrence, at={eta: Rational(167, 100)}).values[Moment(theta**2)] > 0
    with pytest.raises(NotStationary) as caught:
        stationary(recurrence, at={eta: Rational(168, 100)})
    assert caught.value.spectral_radius > 1


def test_row_24_there_is_no_stationary_variance_at_a_of_one():
    model, _ = regression((1,), 1)
    with pytest.raises(NotStationary):
        stationary(moments(model, SGD(1)))
    assert stationary(moments(model, SGD(1, batch_size=4))).values[
        Moment(Symbol("delta1", real=True) ** 2)
    ] == Rational(1, 2)


def test_the_fourth_moment_of_scalar_regression_exists_up_to_the_value_of_the_page():
    model, _ = regression((1,), 1)
    recurrence = moments(model, SGD(eta), order=4)
    boundary = stationary(recurrence).boundaries[4].expression
    assert float(nsolve(boundary, eta, 0.38)) == pytest.approx(0.38345, abs=5e-6)
    with pytest.raises(NotStationary):
        stationary(recurrence, at={eta: Rational(39, 100)})


@pytest.mark.parametrize("order", [1, 3])
def test_odd_moments_are_refused_where_the_next_even_moment_does_not_exist(order):
    model, _ = regression((1,), 1)
    rate = {1: Rational(19, 10), 3: Rational(39, 100)}[order]  # the blocks of degree 1 and 3 alone contract here
    with pytest.raises(NotStationary):
        stationary(moments(model, SGD(eta), order=order), at={eta: rate})
    lower = stationary(moments(model, SGD(eta), order=order), at={eta: Rational(1, 10)}).values
    assert lower[Moment(Symbol("delta1", real=True))] == 0


def test_an_overlap_alone_is_refused_where_the_norm_that_dominates_it_is_infinite():
    n = symbols("n", positive=True)
    w, v, z = (Vector(name, n) for name in ("w", "v", "z"))
    model = Model((dot(w, z) - dot(v, z)) ** 2 / 2 + e * dot(w, v), [w], {z: Normal(), e: Normal()}, {dot(v, v): 1})
    recurrence = moments(model, SGD(eta), of={"m": dot(w, v)})
    assert stationary(recurrence, at={eta: Rational(1, 100), n: 20}).observables == {"m": 1}
    with pytest.raises(NotStationary):
        stationary(recurrence, at={eta: Rational(1, 5), n: 20})


def test_a_mean_whose_second_moment_is_infinite_for_the_data_is_refused():
    model = Model((theta * x - 1) ** 2 / 2, [theta], {x: StudentT(3)})
    with pytest.raises(NotStationary) as caught:
        stationary(moments(model, SGD(Rational(1, 100)), order=1))
    assert caught.value.spectral_radius == math.inf


def test_a_mean_that_closes_alone_is_refused_with_the_frontier_of_the_second_moment():
    model = Model(theta**2 / 2 + e * theta**3 / 3, [theta], {e: Normal()})
    recurrence = moments(model, SGD(Rational(1, 10)), order=1)
    with pytest.raises(HierarchyNotClosed):
        stationary(recurrence)


def test_stationary_moments_are_fixed_by_one_more_step():
    points = ([1, -1, 2], [2, 1, 0])
    model = Model((theta * x - y) ** 2 / 2, [theta], {(x, y): Empirical(*points)})
    recurrence = moments(model, SGD(eta, batch_size=2, sampling=Sampling.WITHOUT_REPLACEMENT, momentum=Nesterov(beta)))
    values = stationary(recurrence).values
    for moment, value in recurrence.update.items():
        assert simplify(value.xreplace(values) - values[moment]) == 0


def test_exact_stationary_moments_solve_the_enumeration_of_a_contracting_map():
    third = Rational(1, 3)
    law = Discrete([((1, 1), third), ((2, -1), 2 * third)])
    model = Model((theta * x - y) ** 2 / 2, [theta], {(x, y): law})
    values = stationary(moments(model, SGD(Rational(1, 5)), order=4)).values
    maps = [(third, Rational(4, 5), Rational(1, 5)), (2 * third, Rational(1, 5), Rational(-2, 5))]
    for power in (1, 2, 3, 4):
        after = sum(
            weight
            * sum(
                sympy.binomial(power, k) * slope**k * shift ** (power - k) * (values[Moment(theta**k)] if k else 1)
                for k in range(power + 1)
            )
            for weight, slope, shift in maps
        )
        assert sympy.expand(after - values[Moment(theta**power)]) == 0


def test_subset_batches_have_the_stationary_moments_of_row_21():
    points = [
        (1, 2),
        (-1, 1),
        (2, Rational(3, 10)),
        (Rational(1, 2), 3),
        (Rational(3, 2), -1),
        (Rational(1, 5), Rational(1, 10)),
    ]
    from fractions import Fraction

    columns = [[Fraction(str(sympy.Rational(value))) for value in column] for column in zip(*points, strict=True)]
    model = Model((theta * x - y) ** 2 / 2, [theta], {(x, y): Empirical(*columns)})
    algorithm = SGD(Rational(35, 100), batch_size=2, sampling=Sampling.WITHOUT_REPLACEMENT)
    values = stationary(moments(model, algorithm)).values
    second, mean = float(values[Moment(theta**2)]), float(values[Moment(theta)])
    assert (second, mean, second - mean**2) == pytest.approx((0.16669461, 0.18969555, 0.13071021), abs=5e-9)


def test_a_spectral_radius_is_not_asked_for_while_a_fixed_inner_product_has_no_number():
    n = symbols("n", positive=True)
    w, v, z = (Vector(name, n) for name in ("w", "v", "z"))
    model = Model(dot(v, v) * (dot(w, z) - e) ** 2 / 2, [w], {z: Normal(), e: Normal()})
    values = stationary(moments(model, SGD(eta), of={"q": dot(w, w)}), at={eta: Rational(1, 40), n: 10}).values
    (value,) = values.values()
    assert simplify(value - 10 * dot(v, v) / (80 - 12 * dot(v, v))) == 0
