"""Fates of direct SGD: a plain program counts the same, theory's acceptance checks hold, refusals are by name."""

from __future__ import annotations

import numpy as np
import pytest
import sympy
import xarray as xr
from fates_cases import LARGE, ORIGIN, PAIR, ROWS, SMALL, TABLE, TRIPLE, S, eta, gamma, p, rho, u, v, w, x, y
from reference_fates import FATES, reference_counts
from reference_sgd import Rule
from scipy.stats import binomtest

from numerics import Precision, fates, simulate
from numerics.fates import Fate, wilson_interval
from theory import (
    SGD,
    Cauchy,
    Clock,
    Discrete,
    HeavyBall,
    Model,
    Normal,
    Rademacher,
    Sampling,
    SoftThreshold,
    Sphere,
    Uniform,
    Vector,
    dot,
    persistent,
    symbols,
)
from theory.errors import (
    AlgorithmNotCovered,
    DuplicateName,
    InvalidAlgorithm,
    InvalidLaw,
    InvalidRequest,
    MissingValue,
    UnknownValue,
    ValuesError,
)

REPLICAS = 2000


def label_net(law):
    """The scalar net with constant input."""
    return Model((u * w - y) ** 2 / 2, [u, w], {y: law})


def assert_same_proportions(found, counts, replicas=REPLICAS):
    """Two samples of `replicas` runs have the same proportions, up to 5 standard errors of their difference."""
    for name in FATES:
        one, other = int(found["count"].sel(fate=name)), counts[name]
        pooled = (one + other) / (2 * replicas)
        error = np.sqrt(2 * pooled * (1 - pooled) / replicas)
        assert abs(one - other) / replicas <= 5 * error, f"{name}: {one} against {other} of {replicas}"


# ------------------------------------------------------------------------------------------- plain programs count the same


def pairs(generator, replicas, members=1):
    """Standard Gaussian pairs of correlation 1/5."""
    first, second = generator.standard_normal((2, replicas, members))
    return np.stack([first, 0.2 * first + np.sqrt(0.96) * second], axis=2)


def choices(values, weights):
    """Draws from a law of finitely many numbers."""
    return lambda generator, replicas: generator.choice(values, size=(replicas, 1, 1), p=weights)


def subsets(generator, replicas):
    """Batches of two distinct rows of the table."""
    return TABLE[np.argsort(generator.random((replicas, len(TABLE))), axis=1)[:, :2]]


def factors(generator, replicas):
    """Inputs and labels for the net of three factors."""
    heavy = generator.standard_t(3, (replicas, 2)), generator.standard_normal((replicas, 2))
    label = np.where(generator.random((replicas, 2)) < 0.5, *heavy)
    return np.stack([generator.standard_normal((replicas, 2)), label], axis=2)


def off_diagonal(value):
    return np.array([[0.0, -value], [-value, 0.0]])


INCORRECT = {-1: 0.97, 44: 0.03}
PRODUCT = float(np.mean(TABLE[:, 0] * TABLE[:, 1]))
DECAYING = SGD(eta, weight_decay=gamma)
PAIRWISE = SGD(eta, batch_size=2, weight_decay=gamma, sampling=Sampling.WITHOUT_REPLACEMENT)
HEAVY = SGD(eta, momentum=HeavyBall(0.5), weight_decay=gamma)
CASES = {
    "a law of two points": {
        "model": label_net(Discrete({1: 0.5, -0.8: 0.5})), "algorithm": DECAYING, "at": {eta: 0.2, gamma: 0}, "steps": 1000,
        "data": [y], "draw": choices([1, -0.8], [0.5, 0.5]), "rule": Rule(0.2), "slope": 0.1, "met": ("saddle", "correct"),
    },
    "a Gaussian pair": {
        "model": PAIR, "algorithm": SGD(eta), "at": {eta: 0.6, rho: 0.2}, "steps": 2000,
        "data": [x, y], "draw": pairs, "rule": Rule(0.6), "slope": 0.2, "met": ("saddle", "blow-up"),
    },
    "momentum and weight decay": {
        "model": PAIR, "algorithm": HEAVY, "at": {eta: 0.1, gamma: 0.1, rho: 0.2}, "steps": 500,
        "data": [x, y], "draw": pairs, "rule": Rule(0.1, "heavy ball", 0.5, coupled=0.1), "slope": 0.2,
        "met": ("saddle", "correct"),
    },
    "batches without replacement": {
        "model": ROWS, "algorithm": PAIRWISE, "at": {eta: 1, gamma: 0}, "steps": 300,
        "data": [x, y], "draw": subsets, "rule": Rule(1), "slope": PRODUCT, "met": ("correct", "blow-up"),
    },
    "three factors": {
        "model": TRIPLE, "algorithm": SGD(0.3, batch_size=2), "variance": 1, "steps": 300,
        "data": [x, y], "draw": factors, "rule": Rule(0.3), "met": ("undirected", "blow-up"),
    },
    "the incorrect phase": {
        "model": label_net(Discrete(INCORRECT)), "algorithm": DECAYING, "at": {eta: 0.05, gamma: 0.5}, "steps": 40,
        "data": [y], "draw": choices([-1, 44], [0.97, 0.03]), "rule": Rule(0.05, coupled=0.5), "slope": 0.35,
        "met": ("incorrect", "correct"),
    },
}  # fmt: skip
"""`slope` : the mean of x y, `variance` : of each parameter at the start."""


@pytest.mark.parametrize("name", CASES)
def test_a_plain_program_counts_the_same_fates(name):
    case = CASES[name]
    model, steps = case["model"], case["steps"]
    parameters = list(model.parameters)
    variance = case.get("variance", 1e-6)
    start = dict.fromkeys(parameters, Normal(0, variance))
    options = {"at": case.get("at"), "steps": steps, "replicas": REPLICAS, "seed": 4}
    found = fates(model, case["algorithm"], point=dict.fromkeys(parameters, 0), start=start, **options)
    loss = model.loss.xreplace({rho: sympy.Rational(1, 5)})
    theta = np.sqrt(variance) * np.random.default_rng(7).standard_normal((REPLICAS, len(parameters)))
    hessian = off_diagonal(case["slope"]) if "slope" in case else None
    counts = reference_counts(
        loss, parameters, case["data"], case["draw"], case["rule"], theta, steps=steps, hessian=hessian
    )
    assert_same_proportions(found, counts)
    assert all(counts[fate] > REPLICAS / 100 for fate in case["met"]), counts  # else it would say little
    assert int(found["count"].sum()) == REPLICAS


# ------------------------------------------------------------------- acceptance checks of the specification, by their number


def assert_fraction(found, fate, expected, error, replicas=1000):
    """A printed fraction, of its own error, within 5 standard errors of 1000 runs."""
    allowed = 5 * np.hypot(error, np.sqrt(expected * (1 - expected) / replicas))
    assert abs(float(found["fraction"].sel(fate=fate)) - expected) <= allowed, found["fraction"].to_series().to_dict()


def test_check_15_two_points_give_correct_learning_then_collapse_then_divergence():
    model = label_net(Discrete({1: 0.5, -0.8: 0.5}))
    at = {eta: [0.2, 0.5, 1.8], gamma: 0}
    found = fates(model, DECAYING, point=ORIGIN, at=at, start=SMALL, steps=20_000, seed=1)
    first, second, third = (found.isel(point=k) for k in range(3))
    assert_fraction(first, "correct", 0.960, 0.002)
    assert int(first["count"].sel(fate=["saddle", "correct"]).sum()) == 1000
    assert int(second["count"].sel(fate="saddle")) == 1000
    assert int(third["count"].sel(fate="blow-up")) == 1000


def test_check_16_the_saddle_of_a_gaussian_net_attracts_until_batches_grow_and_decay_helps_it():
    """The variance of the start is 1e-6: from 1e-6 itself the share of blow-ups at S = 1 would be a quarter smaller."""
    options = {"point": ORIGIN, "start": SMALL, "steps": 20_000, "seed": 1}
    found = fates(PAIR, DECAYING, at={eta: 0.6, rho: 0.2, gamma: [0, 0.1]}, **options)
    single, decay = (found.isel(point=k) for k in range(2))
    batch = fates(PAIR, SGD(eta, batch_size=4), at={eta: 0.6, rho: 0.2}, **options)
    assert_fraction(single, "saddle", 0.644, 0.005)
    assert_fraction(batch, "correct", 0.792, 0.004)
    assert_fraction(batch, "blow-up", 0.208, 0.004)
    assert int(batch["count"].sel(fate=["correct", "blow-up"]).sum()) == 1000
    assert_fraction(decay, "saddle", 0.9965, 0.0006)


def test_check_17_the_incorrect_phase_is_reached():
    model, at = label_net(Discrete(INCORRECT)), {eta: 0.05, gamma: 0.5}
    found = fates(model, DECAYING, point=ORIGIN, at=at, start=SMALL, steps=5000, seed=1)
    assert_fraction(found, "incorrect", 0.996, 0.001)
    assert int(found["count"].sel(fate=["incorrect", "blow-up"]).sum()) == 1000


# ------------------------------------------------------------------------------------------ the same SGD as `simulate` runs


@pytest.mark.parametrize(
    ("model", "algorithm"),
    [
        (PAIR, SGD(eta)),
        (ROWS, PAIRWISE),
        pytest.param(PAIR, SGD(eta, samples=8, sampling=persistent(0.4, 0.3)), marks=pytest.mark.slow),
    ],
    ids=["online", "without replacement", "persistent on a drawn set"],
)
def test_a_single_point_makes_the_draws_of_simulate(model, algorithm):
    """25 small steps; the median over three runs is one of them."""
    at = {eta: 0.1, **({gamma: 0.3} if model is ROWS else {rho: 0.2})}
    shared = {"at": at, "start": LARGE, "replicas": 3, "seed": 11}
    found = fates(model, algorithm, point=ORIGIN, steps=25, **shared)
    run = simulate(model, algorithm, observe={"u": u, "w": w}, clock=Clock.STEPS, until=25, times=[25], **shared)
    distance = np.hypot(run["u"], run["w"]).values[:, 0]
    assert float(found["median_distance"]) == pytest.approx(np.median(distance), rel=1e-9)
    assert float(found["mean_steps"]) == 25


# --------------------------------------------------------------------------------------------------- what a fate means


def test_a_fate_is_the_sign_of_the_mean_curvature_along_the_displacement():
    """One step away from the saddle of (u^2 - w^2) x^2 / 2; the third start is such that then u = w, up to rounding."""
    model = Model((u**2 - w**2) * x**2 / 2, [u, w], {x: Rademacher()})
    starts = {"correct": {u: 0.1, w: 0.2}, "incorrect": {u: 0.2, w: 0.1}, "undirected": {u: 0.1 / 0.9, w: 0.1 / 1.1}}
    for name, start in starts.items():
        found = fates(model, SGD(0.1), point=ORIGIN, start=start, steps=1, replicas=2)
        assert int(found["count"].sel(fate=name)) == 2


def test_without_a_mean_hessian_no_direction_is_right():
    found = fates(label_net(Cauchy()), SGD(0.05), point=ORIGIN, start=LARGE, steps=20, replicas=200)
    assert int(found["count"].sel(fate="undirected")) > 0
    assert int(found["count"].sel(fate=["correct", "incorrect"]).sum()) == 0


def test_the_mean_hessian_may_need_a_quadrature():
    """E of tanh'' and the like at a point that depends on a hyperparameter, against a sum over 200 nodes."""
    from numerics.averages import matrix_values
    from numerics.fates.point import mean_hessian

    model = Model(sympy.log(1 + sympy.exp(u * x)) + w**2 * y**4, [u, w], {x: Normal(), y: Uniform(-1, 1)})
    found = matrix_values(mean_hessian(model, {u: rho, w: 0}), [{rho: 0.7}, {rho: 2.0}])
    nodes, weights = np.polynomial.hermite_e.hermegauss(200)
    for k, place in enumerate((0.7, 2.0)):
        expected = weights @ (nodes**2 / (4 * np.cosh(place * nodes / 2) ** 2)) / np.sqrt(2 * np.pi)
        np.testing.assert_allclose(found[k], [[expected, 0], [0, 2 / 5]], rtol=1e-9)


def test_a_point_met_by_chance_is_left_again():
    """theta' = z, a fair coin: half of the runs are at 0 after any number of steps, although all have been there."""
    coin = Model((w - y) ** 2 / 2, [w], {y: Discrete({0: 0.5, 1: 0.5})})
    found = fates(coin, SGD(1), point={w: 0}, start={w: 1}, steps=30, seed=2)
    assert found.attrs["absorbed"] == 0
    assert float(found["mean_steps"]) == 30
    assert_fraction(found, "saddle", 0.5, 0)


def test_a_point_passed_with_momentum_is_left_again():
    """At curvature 1 / learning_rate heavy ball is at 0 after one step, to the last bit, and moves on: 0, -1/2, -1/4, ..."""
    parabola = Model(w**2 * x**2 / 2, [w], {x: Rademacher()})
    algorithm = SGD(1, momentum=HeavyBall(0.5))
    for steps, distance in ((1, 0.0), (2, 0.5), (3, 0.25)):
        found = fates(parabola, algorithm, point={w: 0}, start={w: 1}, steps=steps, replicas=2)
        assert (float(found["median_distance"]), float(found["mean_steps"])) == (distance, steps)


def test_a_run_at_rest_ends_early():
    parabola = Model(w**2 * x**2 / 2, [w], {x: Rademacher()})
    found = fates(parabola, SGD(0.5), point={w: 0}, start={w: 1}, steps=10**6, replicas=2)
    assert int(found["count"].sel(fate="saddle")) == 2
    assert float(found["mean_steps"]) == 333  # 2^-332 > 1e-100 > 2^-333


def test_a_loss_that_is_no_number_is_a_blow_up_and_not_a_collapse():
    """The soft threshold, a minimum and a maximum, turns NaN into 0."""
    model = Model(sympy.exp(sympy.exp(w * x)), [w], {x: Rademacher()})
    found = fates(model, SGD(1, proximal=SoftThreshold(0.1)), point={w: 0}, start={w: 5}, steps=50, replicas=4)
    assert int(found["count"].sel(fate="blow-up")) == 4


# ----------------------------------------------------------------------------------------------------------- the result


def test_the_result_says_what_was_run():
    found = fates(PAIR, SGD(eta), point=ORIGIN, at={eta: 0.6, rho: 0.2}, start=SMALL, steps=10, replicas=20, seed=3)
    assert found["count"].dims == ("fate",)
    assert found["fate"].values.tolist() == list(FATES) == [str(fate) for fate in Fate]
    kept = ("replicas", "steps", "seed", "at", "target", "point", "escape", "collapse", "absorbed", "sampling")
    assert [found.attrs[name] for name in kept] == [
        20, 10, 3, "eta=0.6, rho=0.2", "cpu", "u=0, w=0", 1e4, 1e-6, 1e-100, "online",
    ]  # fmt: skip
    fraction = found["fraction"].values
    assert (found["lower"] <= fraction).all() and (fraction <= found["upper"]).all()
    np.testing.assert_array_equal(fraction, found["count"].values / 20)


def test_points_run_side_by_side_are_those_run_together_in_any_company():
    """A point draws by its place; the points of one launch share the tables of laws, so these take three launches."""
    from fates_cases import FLIPPED

    arguments = {"point": ORIGIN, "start": LARGE, "steps": 30, "replicas": 50, "seed": 3}
    rates, flips = np.array([0.3, 0.9, 0.5, 0.9]), np.array([0.2, 0.4, 0.2, 0.1])
    found = fates(FLIPPED, SGD(eta), at={eta: rates, p: flips}, **arguments)
    assert found["count"].dims == ("point", "fate")
    assert found["eta"].values.tolist() == rates.tolist() and found["p"].dims == ("point",)
    for count in (1, 3):
        fewer = fates(FLIPPED, SGD(eta), at={eta: xr.DataArray(rates[:count], dims="a"), p: flips[:count]}, **arguments)
        np.testing.assert_array_equal(fewer["median_distance"], found["median_distance"][:count])
    single = fates(FLIPPED, SGD(eta), at={eta: np.array(0.3), p: 0.2}, **arguments)
    assert float(single["median_distance"]) == float(found["median_distance"][0])


def test_threads_do_not_change_a_bit():
    def run(threads):
        at = {eta: np.linspace(0.3, 1, 5), rho: 0.2}
        found = fates(PAIR, SGD(eta), point=ORIGIN, at=at, start=LARGE, steps=200, replicas=101, threads=threads)
        return found["count"].values, found["median_distance"].values, found["mean_steps"].values

    for one, two in zip(run(1), run(2), strict=True):
        np.testing.assert_array_equal(one, two)


def test_single_precision_counts_the_same_and_says_what_it_resolves():
    def run(precision):
        options = {"start": SMALL, "steps": 500, "replicas": REPLICAS, "seed": 5, "precision": precision}
        return fates(PAIR, SGD(eta), point=ORIGIN, at={eta: [0.6, 1.5], rho: 0.2}, **options)

    single, double = (run(precision) for precision in Precision)
    assert [found.attrs["absorbed"] for found in (single, double)] == [1e-36, 1e-100]
    for k in range(2):
        counts = {name: int(double["count"].sel(fate=name)[k]) for name in FATES}
        assert_same_proportions(single.isel(point=k), counts)


def test_intervals_are_those_of_wilson():
    for count, total in ((0, 10), (3, 10), (10, 10), (644, 1000)):
        expected = binomtest(count, total).proportion_ci(method="wilson")
        np.testing.assert_allclose(np.array(wilson_interval(count, total)), [expected.low, expected.high], atol=1e-12)


# ------------------------------------------------------------------------------------------------------------- refusals

GOOD = {
    "model": PAIR, "algorithm": SGD(eta), "point": ORIGIN, "at": {eta: 0.5, rho: 0.2}, "start": {u: 0.1, w: 0.1},
    "steps": 5, "replicas": 4,
}  # fmt: skip
n, k = symbols("n k", positive=True)
VECTORS = Model((dot(Vector("a", n), Vector("z", n))) ** 2, [Vector("a", n)], {Vector("z", n): Normal()})


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"model": VECTORS}, InvalidRequest, "model.components({n: 3})"),
        ({"model": 3}, InvalidRequest, "fates takes a Model and an SGD"),
        ({"algorithm": SGD(eta, constraint=Sphere())}, AlgorithmNotCovered, "constraint="),
        ({"algorithm": SGD(eta - 1)}, InvalidAlgorithm, "must be positive"),
        ({"algorithm": SGD(eta, batch_size=S), "at": {eta: 0.5, rho: 0.2, S: [1, 2.5]}}, ValuesError, "declared integer"),
        ({"point": {u: 0}}, MissingValue, "point needs a value for w"),
        ({"point": {u: 0, "ww": 0, w: 0}}, UnknownValue, "the model trains no ww (did you mean w?)"),
        ({"point": {u: 0, w: "__import__('os')"}}, ValuesError, "expected a real number or an expression"),
        ({"point": {u: 0, w: x}}, ValuesError, "x is random"),
        ({"point": {u: 0, w: u}}, ValuesError, "u is trained"),
        ({"point": {u: 0, w: sympy.I}}, ValuesError, "expected a real number"),
        ({"point": {u: 0, w: float("nan")}}, ValuesError, "expected a real number"),
        ({"point": 0}, ValuesError, "expected a value for each of u, w"),
        ({"point": {u: 0, w: sympy.sqrt(eta - 1)}}, ValuesError, "a real number is needed"),
        ({"point": {u: 0, w: k}}, MissingValue, "needs a value for k"),
        ({"start": {u: 0.1}}, MissingValue, "start needs a value for the parameter w"),
        ({"start": {u: 0.1, w: 0.1, v: 0}}, UnknownValue, "start={v: ...}"),
        ({"start": {u: 0.1, w: [1, 2]}}, ValuesError, "one per replica"),
        ({"start": {u: 0.1, w: Normal(0, k)}}, MissingValue, "needs a value for k"),
        ({"start": {u: 0.1, w: 2e4}}, ValuesError, "1 of 1 starts lie farther than escape=10000"),
        ({"start": 1}, InvalidRequest, "start=1: expected a dictionary"),
        ({"at": {eta: 0.5}}, MissingValue, "fates needs a value for rho"),
        ({"at": {"eta_": 0.5, rho: 0.2}}, UnknownValue, "did you mean eta?"),
        ({"at": {eta: [0.5, 0.6], rho: [0.1, 0.2, 0.3]}}, ValuesError, "eta has 2, rho has 3"),
        ({"at": {eta: 0.5, rho: [0.2, 2]}}, InvalidLaw, "positive semidefinite"),
        ({"at": [1]}, InvalidRequest, "expected a dictionary"),
        ({"steps": 0}, InvalidRequest, "steps=0"),
        ({"steps": 2.5}, InvalidRequest, "steps=2.5"),
        ({"replicas": -1}, InvalidRequest, "replicas=-1"),
        ({"replicas": True}, InvalidRequest, "replicas=True"),
        ({"seed": 0.5}, InvalidRequest, "seed=0.5"),
        ({"threads": 0}, InvalidRequest, "threads=0"),
        ({"target": "tpu"}, InvalidRequest, "the targets are cpu, cuda"),
        ({"precision": "float16"}, InvalidRequest, "float32, float64"),
        ({"escape": -1}, InvalidRequest, "escape=-1: a distance is a positive number"),
        ({"collapse": 1e5}, InvalidRequest, "escape=10000 must exceed collapse"),
        ({"absorbed": 1e-3}, InvalidRequest, "collapse=1e-06 must exceed absorbed"),
        ({"absorbed": 1e-200}, InvalidRequest, "down to 1.0e-150; leave absorbed out"),
        ({"absorbed": 1e-100, "precision": "float32"}, InvalidRequest, "down to 1.0e-36; use precision='float64'"),
        ({"absorbed": 1e-30, "point": {u: 1, w: 0}}, InvalidRequest, "coordinates in which the point is 0"),
        ({"point": {u: 100, w: 0}, "precision": "float32"}, InvalidRequest, "use precision='float64'"),
    ],
    ids=lambda value: "" if isinstance(value, type) else str(value)[:40],
)  # fmt: skip
def test_what_cannot_be_run_is_refused_by_name(changed, error, message):
    arguments = {**GOOD, **changed}
    with pytest.raises(error) as caught:
        fates(arguments.pop("model"), arguments.pop("algorithm"), **arguments)
    assert message in str(caught.value)


def test_a_varied_symbol_must_not_carry_a_name_of_the_result():
    fate = symbols("fate")
    model = Model((u * w - fate * y) ** 2 / 2, [u, w], {y: Normal()})
    with pytest.raises(DuplicateName, match="'fate' carries a name that the result uses itself"):
        fates(model, SGD(0.1), point=ORIGIN, at={fate: [1, 2]}, start=SMALL, steps=5)
