"""Exponents in numbers: every road against another, thresholds as sets, phases, and what is refused."""

from dataclasses import replace

import mpmath
import numpy as np
import pytest
import sympy

from numerics import lyapunov_spectrum, phase_diagram, solve, thresholds
from numerics.stability.exponents import grid_of
from numerics.stability.problem import Problem
from numerics.stability.scalar.conditional import by_conditioning
from numerics.stability.scalar.contour import by_contour
from numerics.stability.scalar.enumeration import enumerated
from numerics.stability.scalar.monte_carlo import by_monte_carlo
from numerics.stability.scalar.potentials import by_batch_law, by_potential
from numerics.stability.scalar.real_axis import by_real_axis
from numerics.stability.scalar.standard_laws import GAUSSIAN, UNIFORM, gamma, student
from theory import (
    SGD,
    Cauchy,
    Discrete,
    Empirical,
    Exponential,
    Gamma,
    HeavyBall,
    InvalidRequest,
    MissingValue,
    Mixture,
    Model,
    Normal,
    Rademacher,
    Sampling,
    StudentT,
    Uniform,
    UnknownValue,
    ValuesError,
    stability,
    symbols,
)

u, w, v, x, y, s, z = symbols("u w v x y s z")
eta, p, c = symbols("eta p c", positive=True)
a, rho = symbols("a rho")
S = symbols("S", positive=True, integer=True)
ORIGIN = {u: 0, w: 0}


def net(laws, algorithm, loss=(u * w * x - y) ** 2 / 2):
    return stability(Model(loss, [u, w], laws), algorithm, point=ORIGIN)


def pair(**options):
    return net({(x, y): Normal(covariance=[[1, rho], [rho, 1]])}, SGD(eta, **options))


def linear(law, batch=1):
    """A scalar block of curvature x."""
    return stability(Model(u**2 * x / 2, [u], {x: law}), SGD(eta, batch_size=batch), point={u: 0})


def square(law, batch=1):
    """A scalar block of curvature x^2."""
    return stability(Model((u * x) ** 2 / 2, [u], {x: law}), SGD(eta, batch_size=batch), point={u: 0})


def problem(result, at, *, index=0, seed=3):
    block, (grid, _) = result.blocks[index], grid_of(result, at)
    batch = replace(block.batch, size=sympy.sympify(block.batch.size).xreplace({S: sympy.Integer(int(at.get(S, 1)))}))
    return Problem(block.step.carry, block.step.weight, block.curvature[0, 0], block.randomness, batch, grid, seed)


# ---------------------------------------------------------------------------------------------------------- potentials


@pytest.mark.parametrize(
    ("standard", "law"),
    [(GAUSSIAN, Normal()), (UNIFORM, Uniform()), (student(1.0), Cauchy()), (student(3.0), StudentT(3)), (student(7.0), StudentT(7)),
     (gamma(1.0), Exponential()), (gamma(3.0), Gamma(3)), (gamma(6.0), Gamma(6))],
    ids=["normal", "uniform", "cauchy", "t3", "t7", "exponential", "gamma3", "gamma6"],
)  # fmt: skip
@pytest.mark.parametrize(
    "r", [0.3, 1.7, 5.0, 6.99, 7.01, 15.0, 55.0, -0.4, -9.0, 0.2 + 0.1j, -3 + 2j, 30 + 1e-3j, 2 - 5j]
)
def test_floating_point_potentials_equal_the_closed_forms_at_thirty_digits(standard, law, r):
    point = (
        sympy.nsimplify(r.real) + sympy.I * sympy.nsimplify(complex(r).imag)
        if isinstance(r, complex)
        else sympy.nsimplify(r)
    )
    exact = float(sympy.re(law.log_potential(point).evalf(30)))
    assert standard.potential(np.array([complex(r)]))[0][0] == pytest.approx(exact, rel=1e-10, abs=4e-11)


@pytest.mark.parametrize("law", [student(4.0), gamma(2.5), gamma(0.5)], ids=["t4", "gamma2.5", "gamma0.5"])
def test_laws_without_a_potential_say_so(law):
    assert law.potential is None


@pytest.mark.parametrize(
    ("law", "rate"), [(Gamma(2.5), 0.7), (Gamma(0.5), 0.4), (StudentT(4), 0.7), (Gamma(2.5), 0.02)], ids=str
)
def test_quadrature_over_a_density_equals_mpmath(law, rate):
    found = solve(linear(law), at={eta: rate})
    density = sympy.lambdify(x, law.density(x), "mpmath")
    with mpmath.workdps(20):
        breaks = [-mpmath.inf, 0, 1 / mpmath.mpf(rate), 1 / mpmath.mpf(rate) + 3, mpmath.inf]
        breaks = breaks if isinstance(law, StudentT) else breaks[1:]
        exact = mpmath.quad(lambda t: density(t) * mpmath.log(abs(1 - rate * t)), breaks)
    assert str(found["kind"][0].values) == "quadrature"
    assert float(found["exponent"][0]) == pytest.approx(
        float(exact), abs=1e-8
    )  # mpmath meets the endpoints' logarithms


# ------------------------------------------------------------------------------------------------- roads that must agree


def agree(first, second):
    assert first is not None
    assert second is not None
    np.testing.assert_allclose(first.values, second.values, atol=float(np.max(first.errors + second.errors)) + 1e-11)


def test_potentials_and_contour_agree_on_squares():
    for rate in (0.05, 0.6, 2.0, 20.0):
        given = problem(square(Normal()), {eta: rate})
        agree(by_potential(given), by_contour(given))


@pytest.mark.parametrize("batch", [2, 3, 8, 20])
def test_the_law_of_the_batch_mean_agrees_with_contour_and_real_axis(batch):
    given = problem(square(Normal(), batch), {eta: 0.9})
    agree(by_batch_law(given), by_contour(given))
    agree(by_contour(given), by_real_axis(given))


@pytest.mark.parametrize(("batch", "law"), [(2, Exponential(1)), (5, Gamma(2)), (3, Cauchy(1, 0.5)), (4, Normal(1, 1))])
def test_families_that_add_up_agree_with_the_real_axis(batch, law):
    given = problem(linear(law, batch), {eta: 0.6})
    agree(by_batch_law(given), by_real_axis(given))


def test_conditioning_and_contour_agree_on_a_gaussian_pair():
    given = problem(pair(), {eta: 0.7, rho: 0.6})
    agree(by_conditioning(given), by_contour(given))


@pytest.mark.parametrize(
    "law", [Uniform(-1, 2), Mixture([(Normal(), 0.5), (Normal(1, 4), 0.5)])], ids=["uniform", "mixture"]
)
def test_a_batch_of_two_by_conditioning_and_along_the_real_axis(law):
    given = problem(square(law, 2), {eta: 0.7})
    agree(by_conditioning(given), by_real_axis(given))


def test_contour_and_real_axis_agree_where_they_take_over():
    for batch in (20, 24):
        given = problem(pair(batch_size=batch), {eta: 1.1, rho: 0.4})
        agree(by_contour(given), by_real_axis(given))


def test_a_vanishing_keep_factor_is_no_special_case():
    decay = pair(weight_decay=c)
    at = {eta: 0.5, rho: 0.3, c: 2.0}  # keep = 0
    found = solve(decay, at=at)["exponent"].values
    near = solve(decay, at={**at, c: 2.0 + 1e-9})["exponent"].values
    np.testing.assert_allclose(found, near, atol=1e-8)
    product = Model(u**2 * x * y / 2, [u], {(x, y): Normal(covariance=[[1, rho], [rho, 1]])})
    alone = stability(product, SGD(eta, weight_decay=1 / eta), point={u: 0})
    exact = np.log(0.5) + solve(alone, at={eta: 1.0, rho: 0.3})["exponent"].values[0]
    np.testing.assert_allclose(found, exact, atol=1e-10)


def test_a_negative_keep_factor_flips_the_sign_of_the_multiplier():
    given = problem(pair(weight_decay=c), {eta: 0.5, rho: 0.3, c: 5.0})
    agree(by_contour(given), by_conditioning(given))


CASES = {
    "uniform and exponential, batch 1": ({x: Uniform(-1, 2), y: Exponential(2)}, 1),
    "uniform and exponential, batch 3": ({x: Uniform(-1, 2), y: Exponential(2)}, 3),
    "gaussian and cauchy, batch 1": ({x: Normal(), y: Cauchy(0.5, 0.3)}, 1),
    "gaussian and cauchy, batch 3": ({x: Normal(), y: Cauchy(0.5, 0.3)}, 3),
    "student and mixture": ({x: StudentT(3), y: Mixture([(Normal(1, 0.1), 0.7), (Normal(-1, 0.1), 0.3)])}, 1),
    "gamma and three values": ({x: Gamma(2), y: Discrete({-1: 0.2, 0: 0.3, 2: 0.5})}, 2),
    "shifted gaussian pair, batch 3": ({(x, y): Normal([0.5, -1], covariance=[[1, 0.4], [0.4, 2]])}, 3),
    "gaussian and signs, batch 5": ({x: Normal(), y: Rademacher()}, 5),
    "data set, batch 4": ({(x, y): Empirical([0.3, 1.2, -0.7, 2.0], [1, 0.2, -1.0, 0.5])}, 4),
}


@pytest.mark.parametrize("name", CASES)
def test_every_law_and_batch_size_agrees_with_random_draws(name):
    laws, batch = CASES[name]
    result = net(laws, SGD(eta, batch_size=batch))
    for index in range(2):
        given = problem(result, {eta: 0.7}, index=index)
        exact = solve(result, at={eta: 0.7}).isel(mode=index)
        drawn = by_monte_carlo(given)
        assert str(exact["kind"].values) != "Monte Carlo"
        error = np.hypot(float(exact["exponent_error"]), drawn.errors[0])
        assert abs(float(exact["exponent"]) - drawn.values[0]) < 5 * error


def test_three_random_symbols_and_a_quartic_loss_agree_with_random_draws():
    for result in (
        net({x: Normal(), y: Normal(1, 1), z: Uniform()}, SGD(eta), (u * w * x - y * z) ** 2 / 2),
        net({x: Normal(), y: Normal(0.5, 1)}, SGD(eta), (u * w * x - y) ** 4),
    ):
        found, drawn = solve(result, at={eta: 0.3}), by_monte_carlo(problem(result, {eta: 0.3}))
        assert abs(float(found["exponent"][0]) - drawn.values[0]) < 5 * np.hypot(
            drawn.errors[0], found["exponent_error"][0]
        )


def test_a_function_of_the_data_agrees_with_random_draws():
    result = net(
        {x: Uniform(-2, 2), s: Discrete({1: 0.8, -4: 0.2})}, SGD(eta), (u * w * sympy.tanh(x) - s * x) ** 2 / 2
    )
    found, drawn = solve(result, at={eta: 0.5}), by_monte_carlo(problem(result, {eta: 0.5}))
    assert str(found["kind"][0].values) == "quadrature"
    assert float(found["exponent_error"][0]) < 1e-9
    assert abs(float(found["exponent"][0]) - drawn.values[0]) < 5 * drawn.errors[0]
    mean = float(found["mean_curvature"].sel(mode="u - w"))  # E s E x tanh(x): no polynomial, so a quadrature too
    assert mean == pytest.approx(0.0, abs=1e-12)


def test_an_exponent_agrees_with_simulated_products():
    result = net({x: Uniform(-1, 2), y: Exponential(2)}, SGD(eta, batch_size=3))
    block = result.block("u + w")
    runs = lyapunov_spectrum(block.random_map(), at={eta: 0.3}, steps=4000, replicas=64, seed=5, burn_in=0)
    found = float(solve(result, at={eta: 0.3})["exponent"].sel(mode="u + w"))
    assert abs(float(runs["spectrum"][0]) - found) < 5 * float(runs["standard_error"][0])


def test_without_a_quadrature_the_answer_is_labelled_monte_carlo():
    found = solve(square(StudentT(4), 8), at={eta: 0.3})
    assert str(found["kind"][0].values) == "Monte Carlo"
    assert 0 < float(found["exponent_error"][0]) < 0.01


def test_subsets_are_not_independent_draws():
    data = {(x, y): Empirical([0.3, 1.2, -0.7, 2.0, 0.9], [1, 0.2, -1.0, 0.5, 2.0])}
    subset = net(data, SGD(eta, batch_size=2, sampling=Sampling.WITHOUT_REPLACEMENT))
    given = problem(subset, {eta: 0.7})
    exact, drawn = enumerated(given), by_monte_carlo(given)
    assert abs(exact.values[0] - drawn.values[0]) < 5 * drawn.errors[0]
    fresh = solve(net(data, SGD(eta, batch_size=2)), at={eta: 0.7})["exponent"].values[0]
    assert abs(fresh - exact.values[0]) > 20 * drawn.errors[0]


def test_a_multiplier_that_dies_has_the_exponent_minus_infinity():
    result = net({y: Discrete({1: 0.5, a: 0.5})}, SGD(eta), (u * w - y) ** 2 / 2)
    found = solve(result, at={eta: 1.0, a: -0.8})
    assert float(found["exponent"].sel(mode="u - w")) == -np.inf
    assert np.isfinite(float(found["exponent"].sel(mode="u + w")))


def test_large_batches_approach_gradient_descent():
    sizes = np.array([64, 256, 1024])
    found = solve(pair(batch_size=S), at={eta: 0.8, rho: 0.4, S: sizes})["exponent"].sel(mode="u + w").values
    gap = found - np.log(1 + 0.8 * 0.4)
    np.testing.assert_allclose(gap[:-1] / gap[1:], 4, rtol=0.02)  # the bias falls as 1/S


# ------------------------------------------------------------------------------------------------- thresholds and phases


def test_zeros_of_the_gaussian_net_are_all_found():
    stable = thresholds(pair(), of=eta, between=(0.001, 4), at={rho: 0.2})
    np.testing.assert_allclose(stable.mode("u + w").intervals, [(0.452752992, 0.890844831)], atol=1e-9)
    np.testing.assert_allclose(stable.mode("u - w").intervals, [(0.001, 1.839137059)], atol=1e-9)
    assert stable.all_modes.intervals == stable.mode("u + w").intervals
    assert not stable.all_modes.complete


def test_thresholds_in_probability_of_gaussian_regression_rise_and_fall_with_the_batch():
    printed = {1: 2.42124952104, 2: 2.68451035082, 4: 2.66299566871}
    for batch, number in printed.items():
        found = thresholds(square(Normal(), batch), of="eta", between=(0.01, 4)).all_modes
        assert found.intervals[0][1] == pytest.approx(number, abs=1e-10)
    more = [thresholds(square(Normal(), k), of=eta, between=(0.01, 4)).all_modes.intervals[0][1] for k in (3, 8, 16)]
    np.testing.assert_allclose(more, [2.6989, 2.4926, 2.2993], atol=5e-5)


def test_student_inputs_have_the_printed_threshold_and_cauchy_inputs_none():
    found = thresholds(square(StudentT(3)), of=eta, between=(0.01, 4)).all_modes
    assert found.intervals[0][1] == pytest.approx(1.307184544855835, abs=1e-9)
    assert thresholds(square(Cauchy()), of=eta, between=(0.01, 4)).all_modes.intervals == ()


def test_a_finite_law_has_provably_all_its_intervals():
    """Narrow stable intervals around poles, which a scan would miss: each atom's reciprocal makes one."""
    atoms = [1, 9, 10]
    result = linear(Discrete({atom: sympy.Rational(1, 3) for atom in atoms}))
    found = thresholds(result, of=eta, between=(0.0, 5.0)).all_modes
    assert found.complete

    def exponent(rate):
        return np.mean([np.log(abs(1 - rate * atom)) for atom in atoms])

    edges = [end for interval in found.intervals for end in interval if 0 < end < 5]
    assert all(abs(exponent(edge)) < 1e-9 for edge in edges)
    inside = np.linspace(0.0005, 4.9995, 200_001)
    negative = np.mean(np.log(np.abs(1 - np.outer(inside, atoms)) + 1e-300), axis=1) < 0
    covered = np.any([(inside > low) & (inside < high) for low, high in found.intervals], axis=0)
    assert np.mean(negative != covered) < 1e-4  # points next to an edge


def test_a_narrow_interval_around_a_pole_is_not_missed():
    tiny = thresholds(linear(Discrete({1: 0.001, -1: 0.999})), of=eta, between=(0.0, 3.0)).all_modes
    assert all(
        low <= 1 <= high and high - low < 1e-13 for low, high in tiny.intervals
    )  # exp(-700) wide, below rounding
    wide = thresholds(linear(Discrete({1: 0.1, -1: 0.9})), of=eta, between=(0.0, 3.0)).all_modes
    ((low, high),) = wide.intervals
    assert low < 1 < high
    assert 0.1 * np.log(abs(1 - high)) + 0.9 * np.log(1 + high) == pytest.approx(0, abs=1e-6)


def test_phases_follow_the_signs_of_the_exponents():
    result = net({x: Normal(), s: Discrete({1: 1 - p, -4: p})}, SGD(eta), (u * w * x - s * x) ** 2 / 2)
    diagram = phase_diagram(result, over={eta: np.geomspace(0.03, 2.5, 12), p: np.linspace(0.01, 0.38, 9)})
    plus, minus = (diagram["exponent"].sel(mode=mode) > 0 for mode in ("u + w", "u - w"))
    falls_along_plus = diagram["p"] < 0.2
    descends, ascends = plus.where(falls_along_plus, minus), minus.where(falls_along_plus, plus)
    meanings = diagram["phase"].attrs["flag_meanings"]
    for code, phase in ((0, ~plus & ~minus), (1, descends & ~ascends), (2, ascends & ~descends), (3, plus & minus)):
        assert ((diagram["phase"] == code) == phase).all(), meanings[code]
        assert phase.any()


def test_where_the_mean_curvature_vanishes_instability_has_no_direction():
    result = net({x: Normal(), s: Discrete({1: 1 - p, -4: p})}, SGD(eta), (u * w * x - s * x) ** 2 / 2)
    found = solve(result, at={eta: [0.1, 0.4, 2.0], p: 0.2})
    meanings = found["phase"].attrs["flag_meanings"]
    assert [meanings[code] for code in found["phase"].values] == ["saddle attracts", "instability", "instability"]


def test_a_minimum_is_stable_or_unstable_without_a_direction():
    found = solve(square(Normal()), at={eta: [0.5, 2.0, 3.0]})
    meanings = found["phase"].attrs["flag_meanings"]
    assert [meanings[code] for code in found["phase"].values] == ["minimum attracts", "minimum attracts", "instability"]


def test_neutral_directions_never_count_as_unstable():
    model = Model((u * w * v * x - y) ** 2 / 2, [u, w, v], {(x, y): Normal(covariance=[[1, rho], [rho, 1]])})
    result = stability(model, SGD(eta), point={u: 0, w: 0, v: 1})
    found = solve(result, at={eta: 0.6, rho: 0.2})
    assert found["neutral"].values.tolist() == [False, False, True]
    assert found["phase"].attrs["flag_meanings"][int(found["phase"])] == "saddle attracts"


def test_without_a_mean_there_is_no_direction():
    found = solve(net({y: Cauchy(1, 2)}, SGD(eta), (u * w - y) ** 2 / 2), at={eta: 1.0})
    assert np.isnan(found["mean_curvature"].values).all()
    assert found["phase"].attrs["flag_meanings"][int(found["phase"])] == "instability"


def test_momentum_is_solved_by_products_of_matrices():
    result = pair(momentum=HeavyBall(0.5))
    found = solve(result, at={eta: 0.6, rho: 0.2}, replicas=64, seed=2)
    assert set(found["kind"].values) <= {"operator", "Monte Carlo"}
    zero = solve(pair(), at={eta: 0.6, rho: 0.2})["exponent"].sel(mode="u + w")
    assert abs(float(found["exponent"].sel(mode="u + w")) - float(zero)) > 0.01


@pytest.mark.slow
def test_heavy_ball_with_cauchy_curvature_has_its_closed_form():
    """The projective map of heavy ball maps Cauchy laws to Cauchy laws: the deterministic answer at complex curvature."""
    for mean, scale, rate, beta, number in ((1, 0.5, 0.6, 0.9, 0.158760813), (1.2, 1, 0.5, 0.3, -0.075807020)):
        model = Model(u**2 * x / 2, [u], {x: Cauchy(mean, scale)})
        found = solve(stability(model, SGD(eta, momentum=HeavyBall(beta)), point={u: 0}), at={eta: rate}, replicas=256)
        assert abs(float(found["exponent"][0]) - number) < 5 * float(found["exponent_error"][0])


# ----------------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("error", "match", "call"),
    [
        (MissingValue, "rho", lambda: solve(pair(), at={eta: 0.6})),
        (UnknownValue, "did you mean eta", lambda: solve(pair(), at={"etaa": 0.6, rho: 0.2})),
        (ValuesError, "declared positive", lambda: solve(pair(), at={eta: -0.6, rho: 0.2})),
        (ValuesError, "impossible", lambda: solve(pair(), at={eta: 0.6, rho: 1.2})),
        (ValuesError, "whole number", lambda: solve(pair(batch_size=c), at={eta: 0.6, rho: 0.2, c: 1.5})),
        (InvalidRequest, "one length", lambda: solve(pair(), at={eta: [0.6, 0.7], rho: [0.2, 0.3, 0.4]})),
        (InvalidRequest, "no until", lambda: solve(pair(), at={eta: 0.6, rho: 0.2}, until=3)),
        (InvalidRequest, "no start", lambda: solve(pair(), at={eta: 0.6, rho: 0.2}, start={u: 1})),
        (InvalidRequest, "two symbols", lambda: phase_diagram(pair(), over={eta: [1, 2]})),
        (UnknownValue, "symbols of this problem", lambda: phase_diagram(pair(), over={eta: [1, 2], a: [1, 2]})),
        (InvalidRequest, "distinct finite", lambda: phase_diagram(pair(), over={eta: [1, 1], rho: [0.1, 0.2]})),
        (InvalidRequest, "both in over", lambda: phase_diagram(pair(), over={eta: [1, 2], rho: [0.1, 0.2]}, at={eta: 1})),
        (InvalidRequest, "below the second", lambda: thresholds(pair(), of=eta, between=(3, 1), at={rho: 0.2})),
        (InvalidRequest, "two numbers", lambda: thresholds(pair(), of=eta, between=3, at={rho: 0.2})),
        (InvalidRequest, "what varies", lambda: thresholds(pair(), of=eta, between=(1, 3), at={rho: 0.2, eta: 1})),
        (UnknownValue, "of=kappa", lambda: thresholds(pair(), of="kappa", between=(1, 3), at={rho: 0.2})),
    ],
)  # fmt: skip
def test_bad_requests_are_refused_by_name(error, match, call):
    with pytest.raises(error, match=match):
        call()


def test_only_neutral_directions_have_no_threshold():
    model = Model((u * w * v * x - y) ** 2 / 2, [u, w, v], {x: Normal(), y: Normal()})
    result = stability(model, SGD(eta), point=dict.fromkeys([u, w, v], 0))
    with pytest.raises(InvalidRequest, match="neutral"):
        thresholds(result, of=eta, between=(0.1, 1))


def test_every_road_is_closed_or_open_but_never_wrong_on_one_grid():
    """Every open road gives the same exponents on a grid as point by point."""
    result = pair(batch_size=S)
    rates, correlations = np.array([0.3, 0.9, 2.5]), np.array([-0.5, 0.1, 0.8])
    together = solve(result, at={eta: rates, rho: correlations, S: 3})["exponent"].values
    for index in range(3):
        alone = solve(result, at={eta: rates[index], rho: correlations[index], S: 3})["exponent"].values
        np.testing.assert_allclose(together[:, index], alone, atol=1e-12)
