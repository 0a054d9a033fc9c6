"""Exponents of simulated products: exact values, plain NumPy on the same draws, and direct SGD with the same batches."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest
import sympy
from product_cases import (
    FOUR,
    MEMBERS,
    POINTS,
    WIDE,
    eta,
    fresh_regression,
    grid,
    only_block,
    regression,
    sgd,
    u,
    w,
    x,
    y,
)

from numerics import simulate
from numerics.random import Purpose, integer_draw
from numerics.solve.tangent import random_frames
from numerics.stability.matrices import AffineStep, batch_curvatures, sample_curvatures
from numerics.stability.phases import UNDECIDED, phases_of
from numerics.stability.problem import Estimate
from numerics.stability.runs import Runs
from numerics.stability.simulated import products
from numerics.stability.simulated.product_sources import source_of
from numerics.stability.simulated.products import product_exponents, product_spectrum
from numerics.targets import Target
from numerics.templates.curvature import Form
from theory import (
    SGD,
    Cauchy,
    Clock,
    Empirical,
    ExponentKind,
    HeavyBall,
    Model,
    Nesterov,
    NesterovLookahead,
    Normal,
    Sampler,
    Sampling,
    bernoulli,
)
from theory.errors import InvalidRequest, ValuesError

SHORT = Runs(steps=4000, replicas=64, seed=1)


def deviation(found, exact, *, tolerance=0.0):
    """The largest distance of exponents from what they should be, in standard errors; `tolerance` of what is printed."""
    distance = np.maximum(np.abs(found["spectrum"].values - exact) - tolerance, 0)
    return (distance / found["standard_error"].values).max()


# --------------------------------------------------------------------------------------------------------- exact values


@pytest.mark.parametrize(("rate", "largest"), [(1.4, -0.03077013), (1.0, -0.296373)])
def test_regression_on_four_points_has_the_exponents_of_the_transfer_operator(rate, largest):
    found = product_spectrum(regression(FOUR, sgd(batch_size=1)), {eta: rate}, SHORT, 2)
    assert deviation(found.isel(exponent=[0]), largest, tolerance=1e-6) < 5
    exact = np.mean(np.log(np.abs(1 - rate * (FOUR**2).sum(axis=1))))
    assert abs(float(found["total"]) - exact) < 5 * float(found["total_error"])
    assert (abs(found["drift_z"]) < 5).all()


@pytest.mark.parametrize(
    ("size", "rate", "exact"),
    [
        (3, 0.5, [-0.053658, -0.156762, -0.426524]),
        pytest.param(5, 0.4, [0.036083, -0.005335, -0.045844, -0.108346, -0.290103], marks=pytest.mark.slow),
    ],
)
def test_isotropic_regression_has_the_spectrum_of_rotation_invariance(size, rate, exact, monkeypatch):
    """By the random map, and by the program that draws its samples itself: two programs on the same draws."""
    block, runs = fresh_regression(Normal(), size, sgd(batch_size=1)), Runs(steps=4000, replicas=64, seed=2)
    written = product_spectrum(block, {eta: rate}, runs, size)
    monkeypatch.setattr(products, "LARGEST_LISTED", 0)
    drawn = product_spectrum(block, {eta: rate}, runs, size)
    assert deviation(written, exact, tolerance=2e-6) < 5
    np.testing.assert_allclose(drawn["by_replica"], written["by_replica"], atol=1e-10)


@pytest.mark.parametrize(
    ("sampling", "points"),
    [
        (Sampling.RESHUFFLED, WIDE),
        pytest.param(Sampling.WITH_REPLACEMENT, POINTS, marks=pytest.mark.slow),
        pytest.param(Sampling.CYCLIC, POINTS, marks=pytest.mark.slow),
        pytest.param(bernoulli(0.3), WIDE, marks=pytest.mark.slow),
    ],
)
def test_all_exponents_of_heavy_ball_sum_to_the_logarithm_of_momentum(sampling, points):
    block = regression(points, sgd(sampling, momentum=HeavyBall(sympy.Rational(7, 10))))
    found = product_spectrum(block, {eta: 0.9}, Runs(steps=600, replicas=4), block.order)
    np.testing.assert_allclose(found["by_replica"].sum("exponent"), block.size * np.log(0.7), atol=1e-11)


def test_a_cyclic_order_and_the_full_batch_have_the_exponents_of_one_product():
    for sampling, epoch in ((Sampling.CYCLIC, 3), (Sampling.FULL_BATCH, 1)):
        for options in ({}, {"momentum": Nesterov(sympy.Rational(3, 5)), "weight_decay": 0.2}):
            block = regression(POINTS, sgd(sampling, **options))
            step = AffineStep.of(block, grid([0.8]))
            batches = step.matrices(0, batch_curvatures(block, {eta: 0.8}, 2, 100).matrices)
            whole = np.linalg.multi_dot([*batches[::-1], np.eye(block.order)])
            exact = np.sort(np.log(np.abs(np.linalg.eigvals(whole))))[::-1] / epoch
            found = product_spectrum(block, {eta: 0.8}, Runs(steps=3000, replicas=8), block.order)
            # complex eigenvalues turn the vectors for ever: each end of a run is off by at most the logarithm of a condition
            np.testing.assert_allclose(found["spectrum"], exact, atol=5e-3 if options else 1e-11)
            assert (np.abs(found["spectrum"] - exact) <= 6 * found["standard_error"] + 1e-11).all()


def test_scalar_blocks_have_the_same_exponent_reshuffled_as_in_subsets():
    values, rate = np.array([0.4, 1.9, 0.7, 1.2, 2.6, 0.1]), 0.6
    means = np.array([np.mean(values[list(chosen)]) for chosen in combinations(range(6), 2)])
    exact = np.mean(np.log(np.abs(1 - rate * means)))
    for sampling in (Sampling.RESHUFFLED, Sampling.WITHOUT_REPLACEMENT):
        block = only_block(Model(x * w**2 / 2, [w], {x: Empirical(values)}), sgd(sampling))
        assert deviation(product_spectrum(block, {eta: rate}, SHORT, 1), exact) < 5


def test_bernoulli_batches_come_with_their_probabilities():
    values, rate, share = np.array([0.4, 1.9, 0.7, 1.2]), 0.6, 0.3
    exact = 0.0
    for chosen in product((0, 1), repeat=4):
        weight = share ** sum(chosen) * (1 - share) ** (4 - sum(chosen))
        exact += weight * np.log(abs(1 - rate * np.dot(chosen, values) / (share * 4)))
    block = only_block(Model(x * w**2 / 2, [w], {x: Empirical(values)}), sgd(bernoulli(sympy.Rational(3, 10))))
    assert deviation(product_spectrum(block, {eta: rate}, SHORT, 1), exact) < 5


def test_bernoulli_batches_of_all_samples_are_the_full_batch():
    every, whole = (regression(POINTS, sgd(mode)) for mode in (bernoulli(1), Sampling.FULL_BATCH))
    exponents = [
        product_spectrum(block, {eta: 0.8}, Runs(steps=1000, replicas=2), 2)["spectrum"] for block in (every, whole)
    ]
    np.testing.assert_allclose(*exponents, atol=1e-11)


def test_a_finite_law_is_drawn_with_its_probabilities():
    block = MEMBERS["weighted"]
    outcomes = sample_curvatures(block, {})
    pairs = product(range(len(outcomes.shares)), repeat=2)
    batches = [
        (outcomes.shares[i] * outcomes.shares[j], (outcomes.matrices[i] + outcomes.matrices[j]) / 2) for i, j in pairs
    ]
    exact = sum(share * np.log(abs(np.linalg.det(np.eye(2) - 0.7 * matrix))) for share, matrix in batches)
    found = product_spectrum(block, {eta: 0.7}, SHORT, 2)
    assert abs(float(found["total"]) - exact) < 5 * float(found["total_error"])


def test_standard_errors_are_the_spread_of_repeated_runs():
    """Of 60 runs the squared distances from the exact value, in standard errors, average to 1, or to 1.07 for Student's t of 32."""
    block = regression(FOUR, sgd(batch_size=1))
    found = [product_spectrum(block, {eta: 1.4}, Runs(steps=400, replicas=32, seed=seed), 1) for seed in range(60)]
    z = np.array([(float(f["spectrum"][0]) + 0.03077013) / float(f["standard_error"][0]) for f in found])
    assert abs((z**2).mean() - 1.07) < 5 * np.sqrt(2.3 / 60)
    assert abs(z.mean()) < 5 * np.sqrt(1.07 / 60)


def test_a_short_run_decides_a_sign_only_where_a_long_one_agrees():
    block = regression(POINTS, sgd(Sampling.WITHOUT_REPLACEMENT))
    rates = grid(np.linspace(2.3, 3.1, 33))
    mean = np.linalg.eigvalsh(np.einsum("ni,nj->ij", POINTS, POINTS) / 6)
    codes, signs = [], []
    for runs in (Runs(steps=60, replicas=16), Runs(steps=5000, replicas=64)):
        values, errors = product_exponents(block, rates, runs, 1)
        estimate = Estimate(values[:, 0], errors[:, 0], ExponentKind.MONTE_CARLO)
        codes.append(phases_of([block], [estimate], [np.tile(mean, (33, 1))]))
        signs.append(np.sign(values[:, 0]))
    undecided = codes[0] == UNDECIDED
    assert undecided.any() and not undecided.all()
    assert (signs[0][~undecided] == signs[1][~undecided]).all()
    assert (codes[1] == UNDECIDED).sum() < undecided.sum()


# -------------------------------------------------------------------------------------- plain program, the same draws


def rows_of(mode, seed, replica, steps):
    """The rows of six points in each batch of two."""
    order, batches = list(range(6)), []
    for step in range(steps):

        def drawn(count, place):
            return int(integer_draw(count, seed, 0, replica, step, place, int(Purpose.BATCH)))  # noqa: B023

        if mode == Sampling.WITH_REPLACEMENT:
            batches.append([drawn(6, member) for member in range(2)])
            continue
        places = 2 if mode == Sampling.WITHOUT_REPLACEMENT else 5 if step % 3 == 0 else 0
        for place in range(places):
            other = place + drawn(6 - place, place)
            order[place], order[other] = order[other], order[place]
        begin = 0 if mode == Sampling.WITHOUT_REPLACEMENT else 2 * step % 6
        batches.append(order[begin : begin + 2])
    return batches


@pytest.mark.parametrize(
    ("mode", "points", "momentum"),
    [
        (Sampling.WITH_REPLACEMENT, WIDE, None),
        (Sampling.WITHOUT_REPLACEMENT, POINTS, None),
        (Sampling.RESHUFFLED, WIDE, Nesterov(sympy.Rational(1, 2))),
        pytest.param(Sampling.WITH_REPLACEMENT, POINTS, HeavyBall(sympy.Rational(1, 2)), marks=pytest.mark.slow),
        pytest.param(
            Sampling.WITHOUT_REPLACEMENT, WIDE, NesterovLookahead(sympy.Rational(1, 2)), marks=pytest.mark.slow
        ),
        pytest.param(Sampling.RESHUFFLED, POINTS, None, marks=pytest.mark.slow),
    ],
)
def test_exponents_are_those_of_numpys_qr_on_the_same_draws(mode, points, momentum, monkeypatch):
    monkeypatch.setattr(products, "BURN_IN", 30)
    block = regression(points, sgd(mode, momentum=momentum, weight_decay=0.1))
    form = source_of(block, {eta: 0.9}, Target.CPU).code.form
    assert form == (Form.FACTORS if points is WIDE else Form.MATRICES)
    order, step = block.order, AffineStep.of(block, grid([0.9]))
    found = product_spectrum(block, {eta: 0.9}, Runs(steps=150, replicas=2, seed=7), order)
    curvatures = np.einsum("ni,nj->nij", points, points)
    for replica in range(2):
        q, sums = random_frames(2, order, order, 7)[replica], np.zeros(order)
        for number, rows in enumerate(rows_of(mode, 7, replica, 180)):
            q, r = np.linalg.qr(step.matrices(0, curvatures[rows].mean(axis=0)) @ q)
            sums += np.log(np.abs(np.diag(r))) if number >= 30 else 0
        np.testing.assert_allclose(found["by_replica"][replica], sums / 150, atol=1e-10)


# ---------------------------------------------------------------------------------------------------------- direct SGD


@pytest.mark.parametrize(
    "mode",
    [
        Sampling.RESHUFFLED,
        Sampling.WITHOUT_REPLACEMENT,
        pytest.param(bernoulli(sympy.Rational(1, 3)), marks=pytest.mark.slow),
    ],
)
def test_direct_sgd_with_the_same_batches_shrinks_at_the_largest_exponent(mode):
    """The logarithm of |theta| over 600 steps after 150, of runs whose draws are other ones."""
    algorithm = sgd(mode)
    block = regression(POINTS, algorithm)
    weights = symbols_of(block)
    model = Model((weights[0] * x + weights[1] * y) ** 2 / 2, weights, {(x, y): Empirical(*POINTS.T)})
    runs = simulate(
        model, algorithm, observe={"square": weights[0] ** 2 + weights[1] ** 2}, clock=Clock.STEPS,
        start={weight: Normal() for weight in weights}, at={eta: 2.6}, until=750, times=[150, 750], replicas=400, seed=11,
    )  # fmt: skip
    rates = np.diff(0.5 * np.log(runs["square"].values), axis=1)[:, 0] / 600
    found = product_spectrum(block, {eta: 2.6}, SHORT, 1)
    error = np.hypot(rates.std(ddof=1) / 20, found["standard_error"].values[0])
    assert abs(rates.mean() - found["spectrum"].values[0]) < 5 * error
    assert error < 0.1 * abs(rates.mean())


def symbols_of(block):
    """The parameters that a block moves."""
    return sorted({s for direction in block.directions for s in direction.free_symbols}, key=str)


# ------------------------------------------------------------------------------------- minus infinity, overflow, refusals


def test_a_sample_that_annihilates_a_direction_gives_minus_infinity():
    points = np.array([[1.0, 0.0], [0.6, 0.3], [-0.5, 1.1]])
    found = product_spectrum(regression(points, sgd(batch_size=1)), {eta: 1.0}, Runs(steps=500, replicas=8), 2)
    assert found["spectrum"].values[1] == -np.inf and float(found["total"]) == -np.inf
    assert np.isfinite(found["spectrum"].values[0]) and found["standard_error"].values[1] == 0
    assert (found["by_replica"].values[:, 1] == -np.inf).any()


def test_a_million_steps_leave_finite_numbers():
    for rate in (0.2, 6.0):
        block = regression(POINTS, sgd(Sampling.RESHUFFLED))
        found = product_spectrum(block, {eta: rate}, Runs(steps=1_000_000, replicas=2), 2)
        assert np.isfinite(found["by_replica"]).all()
        assert abs(float(found["spectrum"][0])) * 1e6 > 1000  # far beyond what a number holds


def test_a_single_replica_has_its_errors_from_stretches_of_its_run():
    block = regression(FOUR, sgd(batch_size=1))
    one = product_spectrum(block, {eta: 1.4}, Runs(steps=60_000, replicas=1, seed=3), 2)
    many = product_spectrum(block, {eta: 1.4}, Runs(steps=6000, replicas=64, seed=3), 2)
    assert deviation(one.isel(exponent=[0]), -0.03077013) < 5
    ratio = one["standard_error"] / (many["standard_error"] * np.sqrt(6.4))
    assert ((0.5 < ratio) & (ratio < 2)).all()  # of 32 stretches, whose spread is known to an eighth


def test_more_steps_than_a_counter_holds_are_refused():
    with pytest.raises(InvalidRequest, match="take more replicas"):
        product_spectrum(MEMBERS["cyclic"], {eta: 1.0}, Runs(steps=2**32), 1)


def test_laws_that_overflow_are_refused_by_name():
    block = only_block(Model((u * x) ** 2 / 2, [u], {x: Cauchy(0, 1e160)}), sgd(batch_size=17))
    with pytest.raises(InvalidRequest, match="leave the finite numbers"):
        product_spectrum(block, {eta: 1.0}, Runs(steps=50, replicas=2), 1)


@pytest.mark.parametrize("count", [0, 3, True, 1.0])
def test_a_count_beyond_the_order_is_refused(count):
    with pytest.raises(InvalidRequest, match="ask for 1 to 2"):
        product_spectrum(MEMBERS["full batch"], {eta: 1.0}, SHORT, count)


def test_a_batch_size_that_is_no_number_of_samples_is_refused():
    size = sympy.Symbol("S", positive=True)
    block = fresh_regression(Normal(), 2, SGD(eta, batch_size=size))
    with pytest.raises(ValuesError, match="positive whole number"):
        product_spectrum(block, {eta: 1.0, size: 2.5}, SHORT, 1)


# ------------------------------------------------------------------------------------------------- grids, laws, streams


@pytest.mark.parametrize("name", ["reshuffled, Nesterov", "weighted", "stream, look-ahead"])
def test_points_of_a_grid_share_their_draws(name):
    runs = Runs(steps=300, replicas=4, seed=3)
    values, errors = product_exponents(MEMBERS[name], grid([0.4, 0.9]), runs, 2)
    for point, rate in enumerate((0.4, 0.9)):
        alone = product_spectrum(MEMBERS[name], {eta: rate}, runs, 2)
        np.testing.assert_array_equal(values[point], alone["spectrum"])
        np.testing.assert_array_equal(errors[point], alone["standard_error"])


def test_points_with_other_laws_run_apart():
    scale = sympy.Symbol("s", positive=True)
    block = fresh_regression(Normal(0, scale**2), 2, sgd(batch_size=9))
    both = product_exponents(
        block, type(grid([1]))({eta: np.array([0.9, 0.1]), scale: np.array([1.0, 3.0])}, 2), SHORT, 1
    )[0]
    np.testing.assert_allclose(both[0], both[1], atol=1e-12)  # eta s^2 is the same, and so are the draws


@pytest.mark.slow
def test_a_sampler_has_the_exponents_of_the_law_it_draws_from():
    law = Sampler(lambda generator, count: generator.standard_normal(count), "normal")
    runs = Runs(steps=1500, replicas=64, seed=4)
    drawn, exact = (product_spectrum(fresh_regression(kind, 2, sgd()), {eta: 0.8}, runs, 2) for kind in (law, Normal()))
    error = np.hypot(drawn["standard_error"], exact["standard_error"])
    assert (abs(drawn["spectrum"] - exact["spectrum"]) < 5 * error).all()


@pytest.mark.slow
def test_rows_beside_drawn_numbers_are_drawn_with_replacement():
    """A Gaussian weight times the row of a data set, against the average over the rows by Gauss-Hermite quadrature."""
    model = Model((x * u) ** 2 / 2 + y * u**2 / 2, [u], {x: Normal(0, 0.01), y: Empirical([0.3, 0.9, 1.6])})
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    logs = np.log(np.abs(1 - 0.2 * ((0.1 * nodes[:, None]) ** 2 + np.array([0.3, 0.9, 1.6]))))
    exact = (weights @ logs).mean() / np.sqrt(2 * np.pi)
    block = only_block(model, sgd(batch_size=1))
    products_alone = product_spectrum(block, {eta: 0.2}, SHORT, 1)
    assert deviation(products_alone, exact) < 5
