"""Where exponents are hard in floating point, and models that once gave a wrong number, a wrong label or no answer."""

import numpy as np
import pytest
import sympy
from sympy import Rational

from numerics import phase_diagram, solve, thresholds
from numerics.stability.scalar.log_potentials import gamma_potential, uniform_potential
from theory import (
    SGD,
    Discrete,
    Empirical,
    Exponential,
    Gamma,
    HeavyBall,
    InvalidRequest,
    Mixture,
    Model,
    Normal,
    Sampling,
    StudentT,
    Uniform,
    UnknownValue,
    fixed_points,
    stability,
    symbols,
)

u, u1, u2, x, y, z, s, x_1 = symbols("u u1 u2 x y z s x_1")
eta, p, gamma, c = symbols("eta p gamma c", positive=True)


def one(curvature, laws, algorithm):
    """A scalar block of any curvature: m = 1 - eta * (mean of the curvature)."""
    return stability(Model(curvature * u**2 / 2, [u], laws), algorithm, point={u: 0})


def exponent(curvature, laws, algorithm, at):
    found = solve(one(curvature, laws, algorithm), at=at)
    return float(found["exponent"][0]), float(found["exponent_error"][0]), str(found["kind"][0].values)


# ------------------------------------------------------------------------------------------------------ cancellation


@pytest.mark.parametrize(
    ("curvature", "law", "batch", "first", "second"),
    [(x**2, Normal(), 16, 1, 1 + 2 / 16), (x**2, Normal(), 1, 1, 3), (x, Exponential(1), 8, 1, 1 + 1 / 8), (x, Gamma(8), 1, 8, 72),
     (x, Uniform(0, 1), 1, 1 / 2, 1 / 3), (x, Gamma(30), 1, 30, 930)],
)  # fmt: skip
@pytest.mark.parametrize("rate", [1e-8, 1e-5])
def test_small_learning_rates_follow_the_expansion(curvature, law, batch, first, second, rate):
    """Lambda = -eta E h - eta^2 E h^2 / 2 + O(eta^3): closed forms cancel there by many digits."""
    found, error, _ = exponent(curvature, {x: law}, SGD(eta, batch_size=batch), {eta: rate})
    expansion = -rate * first - rate**2 * second / 2
    assert abs(found - expansion) < error + 100 * (rate * first) ** 3 + 1e-15
    assert error < 1e-9


@pytest.mark.parametrize("k", [1, 2, 5, 8, 16])
@pytest.mark.parametrize("r", [0.3, 3.0, 12.0, 25.0, 60.0, 500.0, 1e6, -7.0, 9 + 4j])
def test_gamma_potentials_err_by_no_more_than_they_say(k, r):
    point = sympy.nsimplify(complex(r).real) + sympy.I * sympy.nsimplify(complex(r).imag)
    exact = float(sympy.re(Gamma(k).log_potential(point).evalf(40, maxn=500)))
    value, error = gamma_potential(k, np.array([complex(r)]))
    assert abs(value[0] - exact) <= error[0] + 1e-15 * abs(exact)


def test_uniform_potentials_far_out_are_those_of_the_mean():
    value, error = uniform_potential(np.array([1e9 + 0j]))
    assert value[0] - np.log(1e9) == pytest.approx(-0.5e-9, abs=error[0])


@pytest.mark.parametrize(
    ("curvature", "law", "number"),
    [(1 - (2 * x - 1) ** 6, Uniform(0, 1), -6.0), (1 - (x - 1) ** 6, Normal(), -1.2509749106), (1 - (x - 1) ** 3, Normal(), -0.6254874553)],
)  # fmt: skip
def test_multiple_roots_do_not_cost_digits(curvature, law, number):
    """E log|x - 1|^m is m times the potential at 1, and E log|2x - 1| = -1."""
    found, error, _ = exponent(curvature, {x: law}, SGD(eta), {eta: 1.0})
    assert found == pytest.approx(number, abs=1e-9 + error)
    assert error < 1e-9


@pytest.mark.parametrize(
    ("law", "rate", "number"),
    [(StudentT(Rational(1, 10)), 0.7, 7.99135539659), (Gamma(Rational(1, 10)), 0.3, -0.03810759798550)],
)
def test_heavy_tails_and_heavy_zeros_are_inside_the_rule(law, rate, number):
    found, error, kind = exponent(x, {x: law}, SGD(eta), {eta: rate})
    assert found == pytest.approx(number, abs=1e-9)
    assert (error < 1e-9, kind) == (True, "quadrature")


def test_what_the_rule_cannot_hold_enters_the_error():
    """Half of this law lies below 2^-70, a tenth below the smallest double."""
    found, error, _ = exponent(x, {x: Gamma(Rational(1, 100))}, SGD(eta), {eta: 0.3})
    assert abs(found + 0.00374) < error


def test_a_batch_of_a_law_with_a_heavy_zero_is_not_integrated_blindly():
    found, error, kind = exponent(x**2, {x: Gamma(Rational(1, 10))}, SGD(eta, batch_size=2), {eta: 0.5})
    assert abs(found + 0.0510) < 5 * max(error, 3e-4)
    assert kind == "Monte Carlo"


# ------------------------------------------------------------------------------------------------------ names and numbers


def test_copies_of_samples_never_take_the_name_of_another_symbol():
    laws = {x: Normal(), y: Normal()}
    found = []
    for symbol in (x_1, c):
        model = Model((u1 * x + u2 * y * symbol) ** 2 / 2, [u1, u2], laws)
        result = stability(model, SGD(eta, batch_size=2), point={u1: 0, u2: 0})
        found.append(float(solve(result, at={eta: 0.3, symbol: 1.5}, seed=1)["exponent"][0]))
    assert found[0] == pytest.approx(found[1], abs=1e-12)


@pytest.mark.parametrize("share", [0.150279123123, 0.1, 0.7071067811865476, 1e-9])
def test_any_float_is_a_probability(share):
    for law in (Discrete({1: p, -1: 1 - p}), Mixture([(Normal(), p), (Exponential(1), 1 - p)])):
        found, _, _ = exponent(x * y**2, {x: law, y: Normal()}, SGD(eta, batch_size=9), {eta: 0.3, p: share})
        assert np.isfinite(found)


def test_a_law_that_shrinks_to_a_point_is_one():
    spread = symbols("spread", nonnegative=True)
    found, _, _ = exponent(x, {x: Normal(1, spread)}, SGD(eta), {eta: 0.5, spread: 0})
    assert found == pytest.approx(np.log(0.5), abs=1e-14)


def test_zero_dimensional_arrays_are_numbers_and_empty_ones_are_refused():
    result = one(x, {x: Normal()}, SGD(eta))
    assert float(solve(result, at={eta: np.array(0.4)})["exponent"][0]) == float(
        solve(result, at={eta: 0.4})["exponent"][0]
    )
    for at, match in (({eta: []}, "not empty"), ({eta: 0.3, "eta": 0.5}, "twice")):
        with pytest.raises(InvalidRequest, match=match):
            solve(result, at=at)


def test_an_array_where_one_number_is_meant_is_refused():
    result = one(x, {x: Normal()}, SGD(eta, weight_decay=gamma))
    with pytest.raises(InvalidRequest, match="one number"):
        thresholds(result, of=eta, between=(0.1, 1), at={gamma: [0.1, 0.2]})
    wide = one(x * c, {x: Normal()}, SGD(eta, weight_decay=gamma))
    with pytest.raises(InvalidRequest, match="one number"):
        phase_diagram(wide, over={eta: [0.1, 0.2], c: [1.0, 2.0]}, at={gamma: [0.1, 0.2, 0.3, 0.4]})
    with pytest.raises(InvalidRequest, match="twice"):
        phase_diagram(wide, over={eta: [0.1, 0.2], "eta": [1.0, 2.0]}, at={gamma: 1, c: 1})


def test_a_batch_size_is_no_symbol_to_scan():
    batch = symbols("S", positive=True, integer=True)
    with pytest.raises(InvalidRequest, match="whole numbers"):
        thresholds(one(x, {x: Normal()}, SGD(eta, batch_size=batch)), of=batch, between=(1, 8), at={eta: 0.1})


# ------------------------------------------------------------------------------------------------------------- blocks


def test_rank_one_data_in_floats_has_its_neutral_direction():
    data = {(x, y): Empirical([0.1, 0.2, 0.3], [0.3, 0.6, 0.9])}
    found = solve(
        stability(Model((u1 * x + u2 * y) ** 2 / 2, [u1, u2], data), SGD(eta), point={u1: 0, u2: 0}), at={eta: 0.3}
    )
    assert found["mode"].values.tolist() == ["3*u1 - u2", "u1 + 3*u2"]
    assert found["neutral"].values.tolist() == [True, False]
    assert found["phase"].attrs["flag_meanings"][int(found["phase"])] == "minimum attracts"


def test_a_curvature_that_vanishes_on_the_data_alone_is_neutral():
    data = {(x, y): Empirical([1, 2, 3], [2, 4, 6])}
    result = stability(Model((u1 * x + u2 * y) ** 2 / 2, [u1, u2], data), SGD(eta), point={u1: 0, u2: 0})
    assert result.block("2*u1 - u2").is_neutral
    assert not result.block("u1 + 2*u2").is_neutral


def test_a_block_without_randomness_needs_no_runs():
    data = {(x, y): Empirical([1, 2, 3], [1, 2, 3])}
    algorithm = SGD(eta, momentum=HeavyBall(0.5), sampling=Sampling.FULL_BATCH)
    found = solve(stability(Model((u * x - y) ** 2 / 2, [u], data), algorithm, point={u: 1}), at={eta: 0.3})
    assert float(found["exponent"][0]) == pytest.approx(
        np.log(0.5) / 2, abs=1e-12
    )  # complex eigenvalues of modulus sqrt(beta)
    assert str(found["kind"][0].values) == "closed form"


def test_cyclic_batches_of_a_matrix_are_one_product():
    rows = np.array([[1.0, 2.0], [2.0, 1.0], [3.0, 5.0]])
    data = {(x, y): Empirical(*rows.T)}
    result = stability(
        Model((u1 * x + u2 * y) ** 2 / 2, [u1, u2], data), SGD(eta, sampling=Sampling.CYCLIC), point={u1: 0, u2: 0}
    )
    product = np.linalg.multi_dot([np.eye(2) - 0.1 * np.outer(row, row) for row in rows[::-1]])
    found = solve(result, at={eta: 0.1})
    assert str(found["kind"][0].values) == "closed form"
    assert float(found["exponent"][0]) == pytest.approx(np.log(np.abs(np.linalg.eigvals(product)).max()) / 3, rel=1e-12)


@pytest.mark.parametrize(
    ("curvature", "laws", "batch"),
    [(x * z**2, {z: Normal(), x: Empirical(np.linspace(-1, 2, 300))}, 3), (x * z**2, {z: StudentT(4), x: Empirical([0.1, 0.2, 0.5])}, 3)],
)  # fmt: skip
def test_data_sets_mix_with_other_laws(curvature, laws, batch):
    found, error, _ = exponent(curvature, laws, SGD(eta, batch_size=batch), {eta: 0.3})
    generator = np.random.default_rng(0)
    rows = np.asarray(next(law for law in laws.values() if hasattr(law, "arrays")).arrays[0], dtype=float)
    noise = generator.standard_normal if isinstance(laws[z], Normal) else lambda shape: generator.standard_t(4, shape)
    logs = np.log(
        np.abs(1 - 0.3 * (generator.choice(rows, (200_000, batch)) * noise((200_000, batch)) ** 2).mean(axis=1))
    )
    assert abs(found - logs.mean()) < 5 * np.hypot(error, logs.std() / np.sqrt(logs.size))


def test_nested_mixtures_run_in_kernels():
    law = Mixture([(Mixture([(Normal(), 0.5), (Normal(1, 1), 0.5)]), 0.5), (Exponential(1), 0.5)])
    scalar, _, _ = exponent(x, {x: law}, SGD(eta), {eta: 0.3})
    heavy = stability(Model(x * u**2 / 2, [u], {x: law}), SGD(eta, momentum=HeavyBall(1e-12)), point={u: 0})
    found = solve(heavy, at={eta: 0.3})
    assert abs(float(found["exponent"][0]) - scalar) < 5 * float(found["exponent_error"][0])


def test_a_multiplier_that_may_vanish_dies_without_an_error():
    found = solve(
        one(s * x**2 + (1 - s) * 2, {x: Normal(), s: Discrete({0: 0.5, 1: 0.5})}, SGD(eta, batch_size=2)), at={eta: 0.5}
    )
    assert float(found["exponent"][0]) == -np.inf
    assert found["phase"].attrs["flag_meanings"][int(found["phase"])] == "minimum attracts"


@pytest.mark.parametrize("function", [sympy.Abs(x), sympy.Heaviside(x) * x**2, sympy.exp(x), sympy.sin(5 * x)])
def test_functions_of_the_data_have_exponents_even_where_their_mean_has_no_quadrature(function):
    found, error, _ = exponent(function, {x: Normal()}, SGD(eta), {eta: 0.5})
    draws = np.random.default_rng(1).standard_normal(400_000)
    logs = np.log(np.abs(1 - 0.5 * sympy.lambdify(x, function, ["scipy", "numpy"])(draws)))
    assert abs(found - logs.mean()) < 5 * np.hypot(error, logs.std() / np.sqrt(logs.size))


# ------------------------------------------------------------------------------------------------- answers that say less


def test_where_linear_theory_is_silent_there_is_no_phase():
    w, v = symbols("w v")
    model = Model((u * w * v * x - s * x) ** 2 / 2, [u, w, v], {x: Normal(), s: Discrete({1: 0.7, -1: 0.3})})
    silent = solve(stability(model, SGD(eta), point={u: 0, w: 0, v: 0}), at={eta: 0.1})
    assert silent["phase"].attrs["flag_meanings"][int(silent["phase"])] == "undecided"
    held = stability(model, SGD(eta, weight_decay=gamma), point={u: 0, w: 0, v: 0})
    found = solve(held, at={eta: 0.1, gamma: 0.5})
    assert float(found["exponent"][0]) == pytest.approx(np.log(0.95))
    assert found["phase"].attrs["flag_meanings"][int(found["phase"])] == "saddle attracts"
    ((low, high),) = thresholds(held, of=eta, between=(0.01, 10), at={gamma: 0.5}).all_modes.intervals
    assert (low, high) == (0.01, pytest.approx(4.0))


def test_a_root_inside_an_undecided_stretch_is_printed_without_idle_digits():
    found = thresholds(one(x**2, {x: StudentT(4)}, SGD(eta, batch_size=8)), of=eta, between=(0.01, 4)).all_modes
    assert found.undecided
    assert len(str(found).split("in (")[1].split(", ")[1].split(")")[0]) <= 5


def test_a_tuple_is_no_axis():
    with pytest.raises(InvalidRequest, match="linspace"):
        phase_diagram(one(x * c, {x: Normal()}, SGD(eta)), over={eta: (0.05, 2, 20), c: [1.0, 2.0]})


def test_an_exponent_that_is_zero_everywhere_is_undecided_everywhere():
    found = thresholds(one(x, {x: Discrete({0: p, 2: 1 - p})}, SGD(1)), of=p, between=(0.1, 0.9)).all_modes
    assert found.intervals == ()
    assert found.undecided == ((0.1, 0.9),)


def test_a_large_data_set_has_all_its_intervals_in_no_time():
    data = np.random.default_rng(3).normal(size=200)
    found = thresholds(one(x**2, {x: Empirical(data)}, SGD(eta)), of=eta, between=(0.01, 4)).all_modes
    assert found.complete
    edges = [end for interval in found.intervals for end in interval if 0.01 < end < 4]
    assert np.min(np.abs(1 - edges[0] * data**2)) > 1e-9  # the first is no pole, so that something is compared
    for edge in edges:
        multipliers = 1 - edge * data**2
        if np.min(np.abs(multipliers)) > 1e-9:  # narrower intervals around a pole are at the limit of floats
            slope = np.abs(np.mean(data**2 / multipliers))
            assert abs(np.mean(np.log(np.abs(multipliers)))) < 1e-9 + 1e-11 * slope


def test_roots_that_radicals_do_not_express_are_fixed_points_too():
    (found,) = fixed_points(Model(x * (u**6 / 6 - u**2 / 2 - u), [u], {x: Normal()}), SGD(eta))
    assert float(found[u]) == pytest.approx(1.1673039782614187)


def test_identities_between_functions_of_the_data_are_seen():
    model = Model(u * (sympy.sin(x) ** 2 + sympy.cos(x) ** 2 - 1) + u**2 * x**2, [u], {x: Normal()})
    assert stability(model, SGD(eta), point={u: 0}).block("u").curvature[0, 0] == 2 * x**2


def test_names_that_do_not_exist_are_refused_with_those_that_do():
    result = one(x, {x: Normal()}, SGD(eta))
    with pytest.raises(UnknownValue, match="the blocks are u"):
        result.block("w")
    with pytest.raises(UnknownValue, match="the modes are u"):
        thresholds(result, of=eta, between=(0.1, 1)).mode("w")


def test_a_bound_symbol_is_not_replaced():
    exponent_of = one(x**4 * y, {x: Normal(), y: Normal()}, SGD(eta)).block("u").exponent
    assert exponent_of.subs(x, 3) == exponent_of
    assert exponent_of.xreplace({x: sympy.Integer(3)}) == exponent_of
    assert exponent_of.subs(eta, 2) != exponent_of


def test_a_change_of_sign_that_was_noise_is_no_crash():
    """The scan draws at random, so few points enumerate exactly: they may all have one sign."""
    data = [round(1 + 1.5 * float(np.sin(7.3 * k)), 3) for k in range(45)]
    result = one(x, {x: Empirical(data)}, SGD(eta, batch_size=4, weight_decay=gamma))
    found = thresholds(result, of=gamma, between=(1.03, 1.26), at={eta: 1.0}, seed=601).all_modes
    assert found.undecided


@pytest.mark.parametrize(
    "options", [{"seed": 2**70}, {"seed": "a"}, {"seed": -1}, {"steps": 1}, {"replicas": 0}, {"target": "tpu"}]
)
def test_impossible_options_of_runs_are_refused(options):
    result = one(x, {x: Normal()}, SGD(eta, weight_decay=gamma))
    with pytest.raises(InvalidRequest):
        thresholds(result, of=eta, between=(0.1, 3), at={gamma: 0.1}, **options)
    with pytest.raises(InvalidRequest):
        phase_diagram(result, over={eta: [0.1, 0.2], gamma: [0.1, 0.2]}, **options)
