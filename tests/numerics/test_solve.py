"""`solve` against analytic solutions and brute-force iteration, and its refusals."""

from __future__ import annotations

import numpy as np
import pytest
import sympy
from scipy.linalg import expm

from numerics import (
    DormandPrince,
    DormandPrince853,
    EulerMaruyama,
    Milstein,
    Precision,
    RungeKutta4,
    SmallNoise,
    Stiff,
    Target,
    TargetUnavailable,
    compare,
    solve,
)
from numerics.targets import backend
from theory import (
    ODE,
    SDE,
    SGD,
    Boundary,
    Clock,
    Empirical,
    HeavyBall,
    Model,
    Normal,
    Rademacher,
    Recurrence,
    Uniform,
    Vector,
    dot,
    moments,
    random_map,
    scaling_limit,
    symbols,
)
from theory.errors import (
    DuplicateName,
    ImpossibleStart,
    InvalidRequest,
    MissingValue,
    StartUnderdetermined,
    UnknownValue,
    UnsupportedExpectation,
    ValuesError,
)
from theory.expectation.quadrature import GaussianQuadrature

x, y, a, b = symbols("x y a b")
logistic = ODE(rates={x: b * x * (1 - x / a)}, observables={"left": a - x}, clock=Clock.STEPS_PER_DIMENSION)

# --------------------------------------------------------------------------------------------------------------- ODE


@pytest.mark.parametrize("at", [{a: 3.0, b: 0.7}, {b: 0.7, a: 3.0}, {"b": 0.7, "a": 3.0}])
def test_an_ode_follows_its_analytic_solution_whatever_the_order_of_the_values(at):
    times = [0, 0.3, 2.0, 5.0]
    path = solve(logistic, at=at, start={"x": 0.2}, until=5, times=times)
    exact = 3 / (1 + (3 / 0.2 - 1) * np.exp(-0.7 * np.array(times)))
    np.testing.assert_allclose(path["x"], exact, rtol=1e-9)
    np.testing.assert_allclose(path["left"], 3 - exact, rtol=1e-9)
    assert path.attrs["clock"] == path["time"].attrs["units"] == "steps / n"
    assert path["time"].values.tolist() == times


def test_a_rotation_keeps_its_radius():
    path = solve(ODE(rates={x: -y, y: x}), start={x: 1.0, y: 0.0}, until=100)
    assert path.sizes["time"] == 41
    np.testing.assert_allclose(path["x"], np.cos(path["time"]), atol=1e-7)
    np.testing.assert_allclose(path["x"] ** 2 + path["y"] ** 2, 1, atol=1e-7)


@pytest.mark.parametrize(("rate", "start"), [(sympy.log(x), -1.0), (1 / x, 0.0), (sympy.sqrt(x), -1.0)])
def test_rates_that_are_not_defined_at_the_start_are_named_and_never_hang(rate, start):
    with pytest.raises(InvalidRequest, match="rate of x"):
        solve(ODE(rates={x: rate}), start={x: start}, until=1)


def test_a_blow_up_is_named_with_its_time():
    with pytest.raises(InvalidRequest, match=r"beyond time 0\.5 .*blow up"):
        solve(ODE(rates={x: x**2}), start={x: 2.0}, until=2, times=np.linspace(0, 2, 201))
    with pytest.raises(InvalidRequest, match=r"beyond time 0\.005 "):
        solve(ODE(rates={x: -1 / x}), start={x: 0.1}, until=2, times=[2.0])


def test_an_ode_whose_rates_hold_a_quadrature_reports_its_error():
    s = symbols("s")
    rate = GaussianQuadrature(sympy.tanh(b * s) ** 2, [s], [[a]]) - x
    path = solve(ODE(rates={x: rate}), at={a: 4.0, b: 0.5}, start={x: 0.0}, until=40)
    nodes, weights = np.polynomial.hermite_e.hermegauss(180)
    exact = np.sum(weights * np.tanh(nodes) ** 2) / np.sqrt(2 * np.pi)
    assert abs(path["x"][-1] - exact) < 1e-8
    assert abs(path["x"][-1] - exact) <= path["x_error"][-1] + 1e-9


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"at": {a: 1.0}}, MissingValue, "b"),
        ({"at": {a: 1.0, b: 1.0, "c": 1}}, UnknownValue, "c"),
        ({"start": {}}, MissingValue, "x"),
        ({"start": {x: 1.0, "z": 1}}, UnknownValue, "z"),
        ({"start": {x: "one"}}, ValuesError, "number"),
        ({"start": {x: float("inf")}}, ValuesError, "finite"),
        ({"until": 0}, InvalidRequest, "until=0"),
        ({"until": -2}, InvalidRequest, "until=-2"),
        ({"times": [1, 3]}, InvalidRequest, "until=2"),
        ({"times": [[1]]}, InvalidRequest, "times"),
    ],
)
def test_a_wrong_request_is_named(options, error, says):
    with pytest.raises(error) as caught:
        solve(logistic, **{"at": {a: 1.0, b: 1.0}, "start": {x: 0.5}, "until": 2, **options})
    assert says in str(caught.value)


def test_equations_without_a_solver_are_refused():
    with pytest.raises(InvalidRequest, match="Boundary"):
        solve(Boundary(expression=a - 1), start={}, until=1)


# --------------------------------------------------------------------------------------------------------------- SDE


def test_the_small_noise_covariance_of_an_ornstein_uhlenbeck_process_is_exact():
    drift, spread = np.array([[-1.0, 0.4], [-0.7, -0.3]]), np.array([[0.5, 0.1], [0.1, 0.2]])
    sde = SDE(
        rates={x: -x + 0.4 * y, y: -a * x - 0.3 * y}, covariance=sympy.ImmutableDenseMatrix([[b, 0.1], [0.1, 0.2]])
    )
    path = solve(sde, at={b: 0.5, a: 0.7}, start={x: 1.0, y: -0.5}, until=3, times=[0, 1.0, 3.0])
    for index, time in enumerate([0, 1.0, 3.0]):
        np.testing.assert_allclose([path["x"][index], path["y"][index]], expm(drift * time) @ [1, -0.5], atol=1e-9)
        grid, weights = np.polynomial.legendre.leggauss(60)
        exact = sum(
            w * expm(drift * s) @ spread @ expm(drift * s).T
            for s, w in zip(time * (grid + 1) / 2, weights, strict=True)
        )
        exact = exact * time / 2
        found = [
            [path["x_variance"][index], path["x_y_covariance"][index]],
            [path["x_y_covariance"][index], path["y_variance"][index]],
        ]
        np.testing.assert_allclose(np.array(found, dtype=float), exact, atol=1e-9)


def test_a_nonlinear_sde_linearises_along_its_mean():
    """dx = -x^3 dt + b x dB: x' = -x^3 gives x(t) = 1/sqrt(1 + 2 t), and P' = -6 x^2 P + b^2 x^2."""
    sde = SDE(rates={x: -(x**3)}, covariance=sympy.ImmutableDenseMatrix([[b**2 * x**2]]))
    path = solve(sde, at={b: 0.3}, start={x: 1.0}, until=2, times=[0.5, 2.0])
    for index, t in enumerate([0.5, 2.0]):
        growth = 1 + 2 * t  # (P growth^3)' = b^2 growth^2
        assert float(path["x"][index]) == pytest.approx(growth**-0.5, rel=1e-9)
        assert float(path["x_variance"][index]) == pytest.approx(0.09 * (growth**3 - 1) / 6 / growth**3, rel=1e-8)
    assert float(solve(sde, at={b: 0.3}, start={x: 1.0}, until=2, times=[0])["x_variance"][0]) == 0


def test_a_drift_with_a_quadrature_has_no_small_noise_expansion():
    s = symbols("s")
    drift = GaussianQuadrature(sympy.tanh(s * x), [s], [[1]])
    with pytest.raises(UnsupportedExpectation, match="Jacobian"):
        solve(SDE(rates={x: drift}, covariance=sympy.ImmutableDenseMatrix([[1]])), start={x: 1.0}, until=1)


# ------------------------------------------------------------------------------------------------------- recurrences


@pytest.mark.parametrize("at", [{a: 3.2, b: 0.5}, {b: 0.5, a: 3.2}])
def test_a_recurrence_is_iterated_from_its_old_state(at):
    both = Recurrence(update={x: a * x * (1 - x), y: b * y + x})
    path = solve(both, at=at, start={x: 0.3, y: 1.0}, until=20, times=[0, 1, 7, 20])
    state, expected = (0.3, 1.0), {}
    for step in range(21):
        expected[step] = state
        state = (3.2 * state[0] * (1 - state[0]), 0.5 * state[1] + state[0])
    np.testing.assert_allclose(
        np.stack([path["x"], path["y"]], axis=1), [expected[k] for k in (0, 1, 7, 20)], rtol=1e-12
    )


def test_an_overflowing_recurrence_is_refused():
    with pytest.raises(InvalidRequest, match="overflows before step"):
        solve(Recurrence(update={x: x**2}), start={x: 2.0}, until=100)


def test_a_recurrence_on_another_clock_is_refused():
    with pytest.raises(InvalidRequest, match="epochs"):
        solve(Recurrence(update={x: x / 2}, clock=Clock.EPOCHS), start={x: 2.0}, until=10)


# ----------------------------------------------------------------------------------------------------------- moments

eta, tau = symbols("eta tau", positive=True)
w, d, e = symbols("w d e")
scalar = moments(Model((w * d - tau * e) ** 2 / 2, [w], {d: Uniform(0, 2), e: Rademacher()}), SGD(eta), order=3)


def test_moments_of_a_scalar_model_are_those_of_brute_force_averages():
    """Every power of w' = w - eta d (w d - tau e), averaged term by term over d uniform on (0, 2) and e = +-1."""
    rate, level = 0.3, 0.6
    nodes, weights = np.polynomial.legendre.leggauss(20)
    expected = np.array([1.0, 0.5, 0.5**2 + 0.2, 0.5**3 + 3 * 0.5 * 0.2])  # E w^k of Normal(0.5, 0.2)
    rows = [expected]
    for _ in range(12):
        new = np.zeros(4)
        for node, weight in zip(nodes + 1, weights / 2, strict=True):
            for sign in (-1, 1):
                factor, shift = 1 - rate * node**2, rate * node * level * sign
                for k in range(4):
                    new[k] += weight / 2 * sum(
                        sympy.binomial(k, j) * factor**j * shift ** (k - j) * rows[-1][j] for j in range(k + 1))  # fmt: skip
        rows.append(new)
    path = solve(scalar, at={tau: level, eta: rate}, start={w: Normal(0.5, 0.2)}, until=12, times=range(13))
    for k in (1, 2, 3):
        name = "w" if k == 1 else f"w**{k}"
        np.testing.assert_allclose(path[name], np.array(rows, dtype=float)[:, k], rtol=1e-12, err_msg=name)


def test_a_start_may_be_a_number_or_a_law_with_hyperparameters():
    by_number = solve(scalar, at={eta: 0.1, tau: 1.0}, start={"w": 0.5}, until=3)
    by_law = solve(scalar, at={eta: 0.1, tau: 1.0}, start={w: Normal(0.5, 0)}, until=3)
    np.testing.assert_allclose(by_number["w**3"], by_law["w**3"], rtol=1e-14)
    drawn = solve(scalar, at={eta: 0.1, tau: 2.0}, start={w: Normal(0, tau)}, until=3)
    assert float(drawn["w**2"][0]) == 2


n = symbols("n", positive=True)
W, v, z = Vector("w", n), Vector("v", n), Vector("z", n)
plain = Model((dot(W, z) - dot(v, z)) ** 2 / 2, [W], {z: Normal()}, fixed={dot(v, v): 1})
gram = moments(plain, SGD(eta), of={"risk": (dot(W, W) - 2 * dot(W, v) + 1) / 2, "q": dot(W, W)})


def test_moments_of_inner_products_start_from_statistics_or_inner_products():
    at = {n: 7, eta: 0.1}
    risk = 0.5 * (1 - 2 * 0.1 + 9 * 0.01) ** np.arange(6)  # E |w - v|^2 contracts by 1 - 2 eta + (n + 2) eta^2
    by_statistics = solve(gram, at=at, start={"q": 1.4, "risk": 0.5}, until=5, times=range(6))
    by_products = solve(gram, at=at, start={dot(W, W): 1.4, dot(W, v): 0.7}, until=5, times=range(6))
    np.testing.assert_allclose(by_statistics["risk"], risk, rtol=1e-12)
    np.testing.assert_allclose(by_products["risk"], risk, rtol=1e-12)


@pytest.mark.parametrize(
    ("start", "error", "says"),
    [
        ({"q": 1.0}, StartUnderdetermined, "dot(v, w)"),
        ({"q": 1.0, "m": 2.0}, UnknownValue, "m"),
        ({"q": Normal(), "risk": 1.0}, ValuesError, "number"),
        ({"q": float("nan"), "risk": 1.0}, ValuesError, "finite"),
        ({W: Normal(), "q": 1.0}, UnknownValue, "not vectors"),
        ({"q": 1.0, "risk": 0.5, dot(W, v): 0.7}, ImpossibleStart, "contradicts"),
    ],
)
def test_a_wrong_start_of_moments_is_named(start, error, says):
    with pytest.raises(error) as caught:
        solve(gram, at={n: 7, eta: 0.1}, start=start, until=5)
    assert says in str(caught.value)


def test_many_moments_of_a_data_set_follow_brute_force_iteration():
    """Eight weights with momentum: 16 state variables, 152 moments; E[s s^T] iterated row by row of the data set."""
    rng = np.random.default_rng(3)
    size, beta, rate = 8, 0.6, 0.05
    rows, labels = rng.normal(size=(12, size)), rng.normal(size=12)
    weights = symbols(f"w_0:{size}")
    inputs, label = symbols(f"x_0:{size}"), symbols("label")
    model = Model((sum(p * q for p, q in zip(weights, inputs, strict=True)) - label) ** 2 / 2, weights,
                  {(*inputs, label): Empirical(*rows.T, labels)})  # fmt: skip
    recurrence = moments(model, SGD(rate, momentum=HeavyBall(beta)), order=2)
    assert len(recurrence.state) == 16 + 16 * 17 // 2
    begin = rng.normal(size=size)
    path = solve(recurrence, start=dict(zip(weights, begin, strict=True)), until=30, times=[30])
    maps = []
    for row, target in zip(rows, labels, strict=True):  # (w, velocity, 1) -> its image, linear
        speed = np.hstack([np.outer(row, row), beta * np.eye(size), -target * row[:, None]])
        place = np.hstack([np.eye(size), np.zeros((size, size + 1))]) - rate * speed
        maps.append(np.vstack([place, speed, np.eye(2 * size + 1)[-1]]))
    state = np.concatenate([begin, np.zeros(size), [1.0]])
    second = np.outer(state, state)
    for _ in range(30):
        second = sum(m @ second @ m.T for m in maps) / len(maps)
    names = [*map(str, weights), *(f"velocity_{p}" for p in weights)]
    for i, one in enumerate(names):
        assert float(path[one][0]) == pytest.approx(second[i, -1], rel=1e-9, abs=1e-12)
        name = f"{one}**2"
        assert float(path[name][0]) == pytest.approx(second[i, i], rel=1e-9)
    product = str(weights[0] * weights[5])
    assert float(path[product][0]) == pytest.approx(second[0, 5], rel=1e-9)


# ------------------------------------------------------------------------------------------- methods and ensembles

k = symbols("k", positive=True)
decay = ODE(rates={x: -k * x})
diffusion = SDE(rates={x: -k * x}, covariance=sympy.ImmutableDenseMatrix([[x]]))
rotating = SDE(rates={x: y, y: -x}, covariance=sympy.ImmutableDenseMatrix([[1, k], [k, 2]]))


def test_the_defaults_are_the_methods_of_the_documentation():
    request = {"at": {k: 1.0}, "start": {x: 1.0}, "until": 1}
    for equations, method in ((decay, DormandPrince853()), (diffusion, SmallNoise())):
        plain, named = solve(equations, **request), solve(equations, **request, method=method)
        assert plain.identical(named)
    assert solve(decay, **request).attrs["method"] == "DOP853, relative tolerance 1e-10"
    many = solve(decay, at={k: [1.0, 2.0]}, start={x: 1.0}, until=1)
    assert many.attrs["method"].startswith("Dormand-Prince 5(4), relative tolerance 1e-08")
    single = solve(decay, **request, precision=Precision.FLOAT32)
    assert single.attrs["method"].endswith("float32 on cpu")
    np.testing.assert_allclose(single["x"], np.exp(-single["time"]), rtol=1e-4)


def test_an_ensemble_carries_the_values_that_it_varies():
    path = solve(decay, at={"k": np.array([0.5, 1.0, 2.0])}, start={x: [3, 2, 1]}, until=2, times=[0.0, 2.0])
    assert dict(path.sizes) == {"time": 2, "trajectory": 3}
    assert path["k"].values.tolist() == [0.5, 1.0, 2.0]
    assert path["x_start"].values.tolist() == [3, 2, 1]
    np.testing.assert_allclose(path["x"][:, 1], path["x_start"] * np.exp(-2 * path["k"]), rtol=1e-7)
    assert not path["failed"].any()
    # what is true of a trajectory as a whole is a coordinate, so that compare sees statistics alone
    assert set(path.data_vars) == {"x"}
    assert path.attrs["at"] == ""
    same = solve(decay, at={k: 1.0}, start={x: [3.0]}, until=2, times=[0.0, 2.0])
    assert same["x"].dims == ("trajectory", "time")
    assert same.attrs["at"] == "k=1"


@pytest.mark.parametrize(
    ("equations", "options", "error", "says"),
    [
        (decay, {"method": EulerMaruyama(steps=5)}, InvalidRequest, "is for an SDE, not for ODE; use"),
        (diffusion, {"method": DormandPrince()}, InvalidRequest, "is for an ODE, not for SDE; use SmallNoise"),
        (decay, {"method": "euler"}, InvalidRequest, "method='euler': expected an object such as DormandPrince()"),
        (decay, {"replicas": 5}, InvalidRequest, "replicas=5: .* deterministic"),
        (diffusion, {"replicas": 5}, InvalidRequest, "EulerMaruyama.* follows paths"),
        (diffusion, {"method": EulerMaruyama(steps=5), "replicas": 0}, InvalidRequest, "replicas=0"),
        (diffusion, {"method": EulerMaruyama(steps=5), "seed": -1}, InvalidRequest, "seed=-1"),
        (decay, {"threads": 0}, InvalidRequest, "threads=0"),
        (decay, {"target": "tpu"}, InvalidRequest, "target='tpu' is unknown"),
        (decay, {"precision": "float16"}, InvalidRequest, "precision='float16' is unknown; the formats are"),
        (decay, {"target": "cuda", "method": Stiff()}, InvalidRequest, "Stiff.* runs on the CPU only; use DormandPrince"),
        (diffusion, {"target": "cuda"}, InvalidRequest, "SmallNoise.* runs on the CPU only; use EulerMaruyama"),
        (decay, {"precision": "float32", "method": Stiff()}, InvalidRequest, "double precision only"),
        (decay, {"precision": "float32", "method": DormandPrince(relative_tolerance=1e-9)}, InvalidRequest, "float32 resolves"),
        (decay, {"at": {k: [1.0, 2.0]}, "method": Stiff()}, InvalidRequest, "one trajectory at a time"),
        (diffusion, {"at": {k: [1.0, 2.0]}}, InvalidRequest, "array of values.*use EulerMaruyama"),
        (decay, {"at": {k: [1.0, 2.0]}, "start": {x: [1, 2, 3]}}, ValuesError, r"at\[k\] has 2, start\[x\] has 3"),
        (decay, {"at": {k: [[1.0, 2.0]]}}, ValuesError, r"one-dimensional .* shape \(1, 2\)"),
        (decay, {"at": {k: []}}, ValuesError, "one-dimensional"),
        (decay, {"at": {k: ["1", "b"]}}, ValuesError, "array of numbers"),
        (decay, {"at": {k: [1.0, -2.0]}}, ValuesError, "declared positive"),
        (decay, {"at": {k: [1.0, float("nan")]}}, ValuesError, "finite"),
        (decay, {"start": {x: [1.0, float("inf")]}}, ValuesError, "finite"),
        (decay, {"start": {x: [1.0, 2.0], "z": 1}}, UnknownValue, "the equations move x"),
        (decay, {"at": {}, "start": {x: [1.0, 2.0]}}, MissingValue, "needs a value for k"),
        (rotating, {"method": Milstein(steps=5), "start": {x: 0, y: 0}}, InvalidRequest, "correlated.*use EulerMaruyama"),
        (Recurrence(update={x: k * x}), {"method": RungeKutta4(steps=5)}, InvalidRequest, "iterated step by step"),
        (Recurrence(update={x: k * x}), {"replicas": 3}, InvalidRequest, "replicas=3: a Recurrence is deterministic"),
        (ODE(rates={symbols("time"): -k}), {"at": {k: [1.0]}, "start": {"time": 1}}, DuplicateName, "'time'"),
    ],
)  # fmt: skip
def test_an_impossible_combination_is_named(equations, options, error, says):
    with pytest.raises(error, match=says):
        solve(equations, **{"at": {k: 1.0}, "start": {x: 0.5}, "until": 2, **options})


@pytest.mark.parametrize(
    ("build", "says"),
    [
        (lambda: RungeKutta4(steps=0), r"RungeKutta4\(steps=0\)"),
        (lambda: RungeKutta4(steps=2.5), "steps=2.5"),
        (lambda: EulerMaruyama(steps=-3), r"EulerMaruyama\(steps=-3\)"),
        (lambda: Milstein(steps=8, brownian_steps=12), "brownian_steps=12 is no multiple of steps=8"),
        (lambda: DormandPrince(relative_tolerance=0), "relative_tolerance=0"),
        (lambda: DormandPrince(maximal_steps=0), "maximal_steps=0"),
        (lambda: Stiff(absolute_tolerance=2.0), "absolute_tolerance=2.0"),
        (lambda: DormandPrince853(relative_tolerance=None), "relative_tolerance=None"),
    ],
)
def test_an_impossible_method_is_refused_where_it_is_written(build, says):
    with pytest.raises(InvalidRequest, match=says):
        build()


@pytest.mark.parametrize("method", [None, DormandPrince(), RungeKutta4(steps=5)])
def test_a_target_that_is_not_there_is_said_before_anything_is_compiled(method):
    if backend(Target.CUDA).reason_unavailable() is None:
        pytest.skip("there is a device")
    with pytest.raises(TargetUnavailable, match="target='cuda'"):
        solve(decay, at={k: 1.0}, start={x: 1.0}, until=1, target=Target.CUDA, method=method)


def test_a_scaling_limit_starts_only_where_vectors_can():
    limit = scaling_limit(plain, SGD(k / n), statistics={"m": dot(W, v), "q": dot(W, W)})
    with pytest.raises(ImpossibleStart, match=r"eigenvalue -0\.151") as caught:
        solve(limit, at={k: 0.5}, start={"m": 1.1, "q": 0.9}, until=1)
    assert caught.value.eigenvalue == pytest.approx(0.95 - np.hypot(0.05, 1.1))
    singular = solve(limit, at={k: 0.5}, start={"m": 0.9, "q": 0.81}, until=1)
    assert singular["q"][0] == 0.81


def test_a_random_map_is_run_and_its_runs_agree_with_its_moments():
    x, eta = symbols("x eta")
    model, algorithm = Model((a * x - b) ** 2 / 2, [a, b], {x: Normal(1, 2)}), SGD(eta)
    start, at = {a: 1.0, b: 0.5}, {eta: 0.1}
    prediction = solve(moments(model, algorithm, of={"a": a, "b": b}), at=at, start=start, until=12)
    runs = solve(random_map(model, algorithm), at=at, start=start, until=12, replicas=20_000, seed=4)
    assert compare(prediction, runs).agrees


def test_a_recurrence_is_iterated_for_many_values_at_once():
    r = symbols("r")
    logistic = Recurrence(update={x: r * x * (1 - x)})
    many = solve(logistic, at={r: [2.0, 3.2]}, start={"x": 0.3}, until=20)
    for k, value in enumerate((2.0, 3.2)):
        one = solve(logistic, at={r: value}, start={"x": 0.3}, until=20)
        np.testing.assert_allclose(many["x"].values[k], one["x"].values, rtol=1e-13)


def test_moments_are_iterated_on_the_cpu_in_double_precision_one_start_at_a_time():
    x, eta = symbols("x eta")
    recurrence = moments(Model((a * x) ** 2 / 2, [a], {x: Normal()}), SGD(eta), of={"a": a})
    for options, says in (({"target": "cuda"}, "CPU only"), ({"precision": "float32"}, "double precision only")):
        with pytest.raises(
            InvalidRequest, match=f"a MomentRecurrence runs {'on the ' if 'CPU' in says else 'in '}{says}"
        ):
            solve(recurrence, at={eta: 0.1}, start={a: 1.0}, until=2, **options)
    with pytest.raises(InvalidRequest, match="one trajectory at a time"):
        solve(recurrence, at={eta: [0.1, 0.2]}, start={a: 1.0}, until=2)
