"""Matrix blocks end to end: which road answers, that roads agree, the determinant rule, and whole spectra of a stability."""

import numpy as np
import pytest

from numerics import lyapunov_spectrum, solve
from numerics.stability.matrix.determinant import determinant_exponent
from numerics.stability.matrix.fixed_products import spectrum_of_fixed_order
from numerics.stability.matrix.matrix_blocks import controlled, matrix_exponent, matrix_moment_exponent, matrix_spectrum
from numerics.stability.matrix.one_step import determinant_of_one_step
from numerics.stability.runs import Runs
from numerics.stability.simulated.products import product_spectrum
from tests.numerics.matrix_cases import (
    ROWS,
    curved,
    eta,
    first,
    gaussian_regression,
    linearised,
    regression,
    u,
    w,
    x,
    y,
)
from theory import (
    SGD,
    Cauchy,
    DecoupledDecay,
    Empirical,
    HeavyBall,
    InvalidRequest,
    Model,
    Nesterov,
    Normal,
    Sampling,
    Uniform,
    stability,
    symbols,
)

RUNS = Runs(steps=1500, replicas=64, seed=5)
S = symbols("S", positive=True, integer=True)


# ------------------------------------------------------------------------------------------------- which road is taken


@pytest.mark.parametrize(
    ("result", "kind"),
    [
        (regression(sampling=Sampling.FULL_BATCH, momentum=HeavyBall(0.5)), "closed form"),
        (regression(sampling=Sampling.CYCLIC), "closed form"),
        (curved(Cauchy(1, 0.5), momentum=HeavyBall(0.9)), "closed form"),
        (gaussian_regression(2), "quadrature"),
        (gaussian_regression(2, batch_size=5), "quadrature"),
        (regression(weight_decay=0.1), "operator"),
        (regression(sampling=Sampling.RESHUFFLED), "operator"),
        (gaussian_regression(2, variances=[1, 2]), "Monte Carlo"),
    ],
    ids=["full-batch", "cyclic", "cauchy", "isotropic", "isotropic-batch", "finite", "epochs", "anisotropic"],
)
def test_the_best_road_answers(result, kind):
    assert str(solve(result, at={eta: 1.4}, replicas=64)["kind"][0].values) == kind


def test_the_boxed_threshold_is_a_zero():
    assert abs(float(solve(gaussian_regression(2), at={eta: 0.937087371920})["exponent"][0])) < 1e-12


def test_batch_sizes_may_vary_over_a_grid():
    block, grid = first(gaussian_regression(2, batch_size=S), {eta: 0.7, S: np.array([1, 4, 1])})
    found = matrix_exponent(block, grid, RUNS)
    for size, value in zip((1, 4, 1), found.values, strict=True):
        single = matrix_exponent(*first(gaussian_regression(2, batch_size=size), {eta: 0.7}), RUNS)
        assert value == pytest.approx(single.values[0], abs=1e-13)


def test_moment_exponents_of_four_samples():
    block, grid = first(regression(), {eta: np.array([1.4, 1.0])})
    for order, expected in (
        (1, (-0.01997415, -0.2486527)),
        (2, (-0.02368311, -0.4151361)),
        (4, (0.00207486, -0.6049439)),
    ):
        found = matrix_moment_exponent(block, grid, order, RUNS)
        assert found.values == pytest.approx(expected, abs=6e-8)
    assert (matrix_moment_exponent(block, grid, 0, RUNS).values == 0).all()


# ------------------------------------------------------------------------------------------------ products in one order


def test_a_long_cyclic_product_keeps_its_small_exponents():
    """Sums over compound matrices: after 200 factors the second eigenvalue is far below the rounding of the first."""
    generator = np.random.Generator(np.random.Philox(3))
    rows = generator.standard_normal((2, 200)).round(3)
    result = linearised((u * x + w * y) ** 2 / 2, {(x, y): Empirical(*rows)}, u, w, sampling=Sampling.CYCLIC)
    block, grid = first(result, {eta: 1.3})
    found = spectrum_of_fixed_order(block, grid, 2)
    expected = np.mean([np.log(abs(1 - 1.3 * row @ row)) for row in rows.T])
    assert found.values[0].sum() == pytest.approx(expected, abs=1e-12)
    assert 200 * (found.values[0, 0] - found.values[0, 1]) > 36.7  # exp of it is beyond double precision
    simulated = product_spectrum(block, {eta: 1.3}, RUNS, 2)
    assert simulated["spectrum"].values == pytest.approx(found.values[0], abs=1e-2)


def test_without_randomness_moments_are_multiples_of_the_exponent():
    block, grid = first(regression(sampling=Sampling.FULL_BATCH, momentum=Nesterov(0.4)), {eta: 0.5})
    top = matrix_exponent(block, grid, RUNS).values[0]
    for order in (-1, 0.5, 4):
        assert matrix_moment_exponent(block, grid, order, RUNS).values[0] == pytest.approx(order * top, rel=1e-13)


def test_steps_that_annihilate_have_the_exponent_minus_infinity():
    """A = 1 - x x^T with |x| = 1 projects on what is orthogonal to x: two orthogonal inputs in turn leave nothing."""
    rows = Empirical([0.6, -0.8, 1.0], [0.8, 0.6, 0.3])
    result = linearised((u * x + w * y) ** 2 / 2, {(x, y): rows}, u, w, sampling=Sampling.CYCLIC)
    found = spectrum_of_fixed_order(*first(result, {eta: 1.0}), 2)
    assert np.isneginf(found.values).all()
    assert (found.errors == 0).all()


# --------------------------------------------------------------------------------------------------- determinant rule


@pytest.mark.parametrize("momentum", [HeavyBall, Nesterov])
@pytest.mark.parametrize("law", [Uniform(0, 2), Cauchy(1, 0.5), Normal(1, 2)], ids=str)
def test_the_sum_rule_of_momentum(momentum, law):
    for options in ({}, {"weight_decay": DecoupledDecay(0.5)}, {"batch_size": 4}):
        block, grid = first(curved(law, momentum=momentum(0.3), **options), {eta: 0.6})
        rule = determinant_exponent(block, grid, RUNS)
        kept = 1 - 0.3 if "weight_decay" in options else 1.0
        if momentum is HeavyBall:  # whatever the law of the curvature
            assert rule.values[0] == pytest.approx(np.log(0.3 * kept), abs=1e-13)
        drawn = determinant_of_one_step(block, grid, RUNS)
        assert abs(rule.values[0] - drawn.values[0]) < 5 * drawn.errors[0] + rule.errors[0]


def test_the_rule_is_a_scalar_expectation():
    for size in (2, 3):
        block, grid = first(gaussian_regression(size, variances=[1, 2, 0.5][:size]), {eta: 0.4})
        rule, drawn = determinant_exponent(block, grid, RUNS), determinant_of_one_step(block, grid, RUNS)
        assert rule.errors[0] < 1e-9
        assert abs(rule.values[0] - drawn.values[0]) < 5 * drawn.errors[0]
    block, grid = first(regression(), {eta: 1.4})
    expected = np.mean([np.log(abs(1 - 1.4 * (a * a + b * b))) for a, b in zip(*ROWS, strict=True)])
    assert determinant_exponent(block, grid, RUNS).values[0] == pytest.approx(expected, abs=1e-14)


def test_the_rule_sharpens_simulated_spectra_and_checks_them():
    result = gaussian_regression(3, variances=[1, 2, 0.5])
    found = lyapunov_spectrum(result, at={eta: 0.3}, steps=1500, seed=8)
    exact = float(determinant_exponent(*first(result, {eta: 0.3}), RUNS).values[0])
    assert abs(float(found["determinant_z"][0])) < 5
    assert float(found["total_error"][0]) > 1e-5  # the sum as it was found
    assert float(found["spectrum"][0].sum()) == pytest.approx(exact, abs=1e-12)
    raw = product_spectrum(result.blocks[0], {eta: 0.3}, Runs(1500, 64, 8), 3)
    assert (found["error"][0].values <= raw["standard_error"].values * 1.05).all()
    assert abs(found["spectrum"][0].values - raw["spectrum"].values).max() < 5 * float(raw["total_error"])


def test_a_control_variate_moves_means_towards_the_known_sum():
    generator = np.random.Generator(np.random.Philox(1))
    common, own = generator.standard_normal((2, 400))
    values = np.stack([0.1 + common + 0.01 * own, -0.3 + 0.5 * common - 0.01 * own], axis=1)
    moved, errors = controlled(values, -0.2)
    assert moved == pytest.approx([0.1, -0.3], abs=5e-3)
    assert moved.sum() == pytest.approx(-0.2, abs=1e-12)
    assert (errors < 0.02 * values.std(axis=0) / 20 * 2).all()
    plain, spread = controlled(values, None)
    assert plain == pytest.approx(values.mean(axis=0))
    assert spread == pytest.approx(values.std(axis=0, ddof=1) / 20)


# ------------------------------------------------------------------------------------------------------- whole spectra


def test_the_spectrum_of_a_stability_lists_every_block():
    result = linearised((u * x) ** 2 / 2 + (w * y) ** 2, {x: Normal(), y: Uniform(0, 1)}, u, w)
    found = lyapunov_spectrum(result, at={eta: [0.3, 0.5]})
    assert found["spectrum"].dims == ("mode", "exponent", "point")
    assert found["eta"].values.tolist() == [0.3, 0.5]
    assert found["spectrum"].values[:, 0] == pytest.approx(solve(result, at={eta: [0.3, 0.5]})["exponent"].values)
    assert found["total"].values == pytest.approx(found["determinant"].values)


def test_spectra_hold_the_sum_rule_and_every_exponent():
    found = lyapunov_spectrum(regression(), at={eta: 1.4})
    assert found["spectrum"][0].values == pytest.approx([-0.03077013, -0.11346156 + 0.03077013], abs=2e-8)
    assert float(found["determinant"][0]) == pytest.approx(-0.11346156, abs=6e-9)
    top = lyapunov_spectrum(regression(), at={eta: 1.4}, exponents=1)
    assert top["spectrum"].shape == (1, 1)
    assert np.isnan(top["total"][0])
    both = matrix_spectrum(*first(regression(), {eta: 1.4}), RUNS, 2)
    assert both.values[0] == pytest.approx(found["spectrum"][0].values, abs=1e-12)


@pytest.mark.parametrize(
    ("options", "word"),
    [({"exponents": 3}, "exponents"), ({"start": {u: 1}}, "start"), ({"burn_in": 5}, "burn_in"), ({"steps": 1}, "steps"),
     ({"orthonormalise_every": 2}, "orthonormalise_every")],
)  # fmt: skip
def test_what_a_stability_cannot_use_is_refused_by_name(options, word):
    with pytest.raises(InvalidRequest, match=word):
        lyapunov_spectrum(regression(), at={eta: 1.4}, **options)


@pytest.mark.parametrize(
    ("size", "rate", "batch", "printed", "error"),
    [(3, 0.5, 1, 0.0665, 3e-4), (3, 0.9, 2, 0.1121, 4e-4), (10, 0.3, 1, 0.0656, 2e-4), (1, 0.5, 1, -0.09942, 5e-6)],
)
def test_a_unit_on_a_vector_of_inputs_has_the_exponents_of_the_literature(size, rate, batch, printed, error):
    weights, inputs = symbols(f"v0:{size}"), symbols(f"z0:{size}")
    loss = (u * sum(a * b for a, b in zip(weights, inputs, strict=True)) - y) ** 2 / 2
    model = Model(loss, [u, *weights], {symbol: Normal() for symbol in (*inputs, y)})
    found = solve(
        stability(model, SGD(eta, batch_size=batch), point=dict.fromkeys(model.parameters, 0)), at={eta: rate}
    )
    top = int(found["exponent"].values.argmax())
    spread = float(np.hypot(found["exponent_error"][top], error))
    assert abs(float(found["exponent"][top]) - printed) < 5 * spread
