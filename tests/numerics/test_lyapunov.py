"""Lyapunov exponents: closed forms within five standard errors, plain NumPy on the same draws, and no number out of range."""

from __future__ import annotations

import numpy as np
import pytest
import sympy
from map_cases import (
    HENON,
    HENON_VALUES,
    LINEAR,
    LOGISTIC,
    NET,
    NET_VALUES,
    POINTS,
    REGRESSION,
    SQUARE,
    a,
    b,
    c,
    d,
    eta,
    u,
    v,
    w,
    x,
    y,
)
from scipy.special import digamma

from numerics import Precision, Target, iterate_random_map, linear_growth, lyapunov_spectrum
from numerics.random import Purpose, words4
from numerics.solve.tangent import random_frames
from numerics.templates.lyapunov import lyapunov_program
from numerics.templates.tangent import size, tangent_code
from theory import ODE, SGD, HeavyBall, Model, RandomMap, Recurrence, dot, moments, symbols
from theory.errors import InvalidLaw, InvalidRequest, MissingValue, UnknownValue, UnsupportedExpectation, ValuesError
from theory.laws import Cauchy, Discrete, Normal
from theory.update import random_map
from theory.vectors import Vector


def deviation(found, exact, *, tolerance=0.0):
    """The largest distance of exponents from what they should be, in standard errors; `tolerance` of what is printed."""
    distance = np.maximum(np.abs(found["spectrum"].values - exact) - tolerance, 0)
    return (distance / found["standard_error"].values).max()


# --------------------------------------------------------------------------------------------------------- closed forms


def test_the_exponent_of_one_parameter_is_the_mean_logarithm_of_its_multiplier():
    """E log|1 - eta x^2| for Gaussian x: Gauss-Hermite fails at the singularity, so the two sides of it by substitution."""
    rate, root = 0.6, 1 / np.sqrt(0.6)
    nodes, weights = np.polynomial.legendre.leggauss(400)

    def part(t, scale):  # x = root + scale * t^2, which takes the logarithm's edge away
        point = root + scale * t**2
        return np.log(abs(1 - rate * point**2)) * np.exp(-(point**2) / 2) * 2 * abs(scale) * t

    t = (nodes + 1) / 2
    exact = sum((weights / 2 * part(t, scale)).sum() for scale in (-root, 12.0)) * 2 / np.sqrt(2 * np.pi)
    assert abs(exact + 0.490563204319901848) < 1e-6  # acceptance check 1 of the specification
    found = lyapunov_spectrum(SQUARE, at={eta: rate}, steps=20_000, replicas=64, seed=1, burn_in=0)
    assert deviation(found, exact) < 5
    assert float(found["standard_error"][0]) < 1e-3
    assert abs(float(found["drift_z"][0])) < 5


@pytest.mark.parametrize(("rate", "largest", "total"), [(1.4, -0.03077013, -0.11346156), (1.0, -0.296373, None)])
def test_regression_on_four_points_has_the_exponents_of_the_transfer_operator(rate, largest, total):
    """Acceptance checks 12 and 13 of the specification of moments and stability."""
    found = lyapunov_spectrum(REGRESSION, at={eta: rate}, steps=20_000, replicas=64, seed=2)
    assert deviation(found.isel(exponent=[0]), largest, tolerance=1e-6) < 5
    exact = np.mean([np.log(abs(1 - rate * (point @ point))) for point in POINTS])
    assert abs(float(found["total"]) - exact) < 5 * float(found["total_error"])
    assert total is None or abs(exact - total) < 1e-8


def test_the_henon_map_has_its_known_exponents():
    """0.41922(3); the sum is log b at every step. Vectors are orthonormalised at every second step."""
    found = lyapunov_spectrum(
        HENON,
        at=HENON_VALUES["at"],
        start={x: np.linspace(-0.1, 0.1, 64), y: 0.1},
        steps=20_000,
        orthonormalise_every=2,
    )
    assert deviation(found.isel(exponent=[0]), 0.41922, tolerance=3e-5) < 5
    np.testing.assert_allclose(found["by_replica"].sum("exponent").values, np.log(0.3), rtol=1e-12)


@pytest.mark.slow
def test_products_of_gaussian_matrices_have_newmans_exponents():
    """Lambda_i = (log(2 s^2) + digamma((d - i + 1) / 2)) / 2: |A q|^2 / s^2 is chi-square, with one degree less per vector."""
    count, s = 3, 0.7
    entries = sympy.symbols("m0:9", real=True)
    state = (u, v, w)
    update = {q: sympy.Add(*(entries[count * i + j] * r for j, r in enumerate(state))) for i, q in enumerate(state)}
    equations = RandomMap(update=update, draws=tuple(((m,), Normal(0, sympy.Rational(49, 100))) for m in entries))
    exact = [(np.log(2 * s**2) + digamma((count - i) / 2)) / 2 for i in range(count)]
    found = lyapunov_spectrum(equations, steps=5000, replicas=128, seed=3, burn_in=20)
    assert deviation(found, exact) < 5
    leading = lyapunov_spectrum(equations, steps=5000, replicas=128, seed=3, burn_in=20, exponents=2)
    np.testing.assert_allclose(leading["by_replica"], found["by_replica"].values[:, :2], rtol=1e-9)


@pytest.mark.slow
def test_isotropic_regression_in_five_dimensions_has_the_spectrum_of_the_specification():
    """Acceptance check 10, printed to 2e-6; J is never formed, and only the leading products are counted."""
    n = symbols("n", positive=True)
    weights, inputs = Vector("w", n), Vector("z", n)
    model = Model(loss=dot(weights, inputs) ** 2 / 2, parameters=[weights], data={inputs: Normal()})
    equations = random_map(model.components({n: 5}), SGD(eta))
    exact = [0.036083, -0.005335, -0.045844, -0.108346, -0.290103]
    found = lyapunov_spectrum(equations, at={eta: 0.4}, steps=20_000, replicas=128, seed=4)
    assert deviation(found, exact, tolerance=2e-6) < 5
    single = lyapunov_spectrum(
        equations, at={eta: 0.4}, steps=20_000, replicas=128, seed=4, precision=Precision.FLOAT32
    )
    assert deviation(single, exact, tolerance=2e-6) < 5


@pytest.mark.slow
def test_heavy_ball_on_cauchy_curvature_has_the_exponent_of_complex_curvature():
    """Acceptance check 14; the determinant of a step is the momentum for every curvature."""
    h = symbols("h")
    equations = RandomMap(update={u: (1 + b - eta * h) * u - b * v, v: u}, draws=(((h,), Cauchy(1, 0.5)),))
    found = lyapunov_spectrum(equations, at={eta: 0.6, b: 0.9}, steps=10_000, replicas=256, seed=5)
    assert deviation(found.isel(exponent=[0]), 0.158760813, tolerance=1e-9) < 5
    np.testing.assert_allclose(found["by_replica"].sum("exponent").values, np.log(0.9), atol=1e-12)


# -------------------------------------------------------------------------------------- plain program, the same draws


def rows_of(seed, replica, steps):
    """The rows of `REGRESSION` that a replica draws."""
    words = [[int(k) for k in words4(seed, 0, replica, step, 0, int(Purpose.BATCH))] for step in range(steps)]
    return [((high * 2**32 + low) * 4) >> 64 for high, low, *_ in words]


@pytest.mark.parametrize("precision", [pytest.param(Precision.FLOAT32, marks=pytest.mark.slow), Precision.FLOAT64])
def test_exponents_are_those_of_numpys_qr_on_the_same_draws(precision):
    """200 steps; a logarithm of a norm is off by a few roundings, and so is their mean."""
    found = lyapunov_spectrum(REGRESSION, at={eta: 1.0}, steps=200, replicas=3, seed=6, burn_in=10, precision=precision)
    frames = random_frames(3, 2, 2, 6)
    for replica in range(3):
        q, sums = frames[replica], np.zeros(2)
        for step, row in enumerate(rows_of(6, replica, 210)):
            q, r = np.linalg.qr(q - np.outer(POINTS[row], POINTS[row] @ q))
            sums += np.log(abs(np.diag(r))) * (step >= 10)
        np.testing.assert_allclose(found["by_replica"].values[replica], sums / 200, atol=20 * precision.epsilon)


def test_growth_is_that_of_the_plain_product_and_its_direction():
    vector = {u: np.array([1.0, -2.0]), v: 0.5}
    found = linear_growth(REGRESSION, at={eta: 1.0}, vector=vector, until=40, times=[0, 13, 40], replicas=2, seed=6)
    for replica in range(2):
        q, norms, directions = np.array([vector[u][replica], 0.5]), [], []
        for step, row in enumerate([*rows_of(6, replica, 40), 0]):
            if step in (0, 13, 40):
                norms.append(np.log(np.linalg.norm(q)))
                directions.append(q / np.linalg.norm(q))
            q = q - POINTS[row] * (POINTS[row] @ q)
        np.testing.assert_allclose(found["log_norm"].values[replica], norms, atol=1e-12)
        np.testing.assert_allclose(found["direction"].values[replica], directions, atol=1e-11)
        exponent = (norms[-1] - norms[0]) / 40
        np.testing.assert_allclose(found["growth_exponent"].values[replica], exponent, atol=1e-13)
    assert found["component"].values.tolist() == ["u", "v"]


def test_a_linear_map_grows_as_its_own_state_does():
    """Two programs, one with the state itself and one with its log-norm, on the same draws."""
    arguments = {"until": 30, "times": [5, 30], "replicas": 4, "seed": 8, "at": {eta: 1.0}}
    state = iterate_random_map(REGRESSION, start={u: 0.3, v: -1.1}, **arguments)
    growth = linear_growth(REGRESSION, vector={u: 0.3, v: -1.1}, **arguments)
    lengths = np.hypot(state["u"].values, state["v"].values)
    np.testing.assert_allclose(growth["log_norm"].values, np.log(lengths), atol=1e-11)


# ------------------------------------------------------------------------------------------------------ no loss of range


def test_a_million_contracting_steps_leave_a_finite_log_norm():
    """|x_T| is about exp(-30770); the error of T Lambda is that of the replicas."""
    found = linear_growth(REGRESSION, at={eta: 1.4}, until=1_000_000, times=[1_000_000], replicas=64, seed=9)
    values = found["growth_exponent"].values
    assert abs(values.mean() + 0.03077013) < 5 * values.std(ddof=1) / 8 + 1e-8
    assert (found["log_norm"].values < -29_000).all()
    np.testing.assert_allclose((found["direction"].values ** 2).sum(axis=-1), 1, rtol=1e-12)


def linear(entries, **arguments):
    """The spectrum of a matrix ((a, b), (c, d))."""
    return lyapunov_spectrum(LINEAR, at=dict(zip((a, b, c, d), entries, strict=True)), seed=12, **arguments)


@pytest.mark.parametrize("precision", Precision)
@pytest.mark.parametrize("factors", [(np.exp(5), np.exp(-5)), (np.exp(-20), np.exp(-25)), (1e-12, 1e-15), (1e15, 1e11)])
def test_growth_and_decay_at_every_step_stay_in_range(factors, precision):
    """10^5 steps, up to e^(500000) or e^(-3500000); in single precision squares would overflow at once."""
    found = linear((factors[0], 0, 0, factors[1]), steps=100_000, replicas=2, burn_in=50, precision=precision)
    np.testing.assert_allclose(found["spectrum"], np.log(factors), rtol=4 * precision.epsilon)
    assert (np.abs(found["drift_z"].values) < 5).all()
    assert not found["diverged"].any()


@pytest.mark.parametrize("precision", Precision)
@pytest.mark.parametrize(
    ("entries", "exponents"),
    [
        ((0, 1, 0, 0), (-np.inf, -np.inf)),
        ((0.5, 0, 0, 0), (-np.log(2), -np.inf)),
        ((1, 1, 1, 1), (np.log(2), -np.inf)),
        ((0, 0, 0, 0), (-np.inf, -np.inf)),
    ],
    ids=["nilpotent", "zero entry", "equal rows", "zero"],
)
def test_a_factor_without_full_rank_has_exponents_minus_infinity(entries, exponents, precision):
    found = linear(entries, steps=40, replicas=5, burn_in=10, precision=precision)
    np.testing.assert_allclose(found["spectrum"], exponents, rtol=1e-6)
    assert not np.isnan(found.to_array().values).any()


@pytest.mark.slow
def test_entries_that_vanish_identically_do_as_well():
    found = lyapunov_spectrum(Recurrence(update={x: y, y: sympy.S.Zero}), steps=40, burn_in=0)
    assert found["spectrum"].values.tolist() == [-np.inf, -np.inf]


NEARLY_EQUAL_ROWS = (0.31 * 1.13, -0.31 * 0.59, 0.77 * 1.13, -0.77 * 0.59)


def test_single_precision_says_where_it_cannot_tell_a_rank_loss():
    """Rows that are multiples only up to rounding: in double precision what is left is noise of the last bits."""
    arguments = {"entries": NEARLY_EQUAL_ROWS, "steps": 40, "replicas": 5, "burn_in": 10}
    assert linear(**arguments)["spectrum"].values[1] == -np.inf
    with pytest.raises(InvalidRequest, match="of tangent vector 2, so its exponent may be finite or minus infinity"):
        linear(**arguments, precision=Precision.FLOAT32)


def test_a_factor_that_has_no_full_rank_only_now_and_then_ends_the_volume():
    """At eta = 0.8 the first point annihilates its own direction, of which rounding leaves 1e-17."""
    found = lyapunov_spectrum(REGRESSION, at={eta: 0.8}, steps=2000, replicas=10, burn_in=0)
    assert np.isfinite(found["by_replica"].values[:, 0]).all()
    assert (found["by_replica"].values[:, 1] == -np.inf).all()


@pytest.mark.slow
def test_a_vector_that_is_annihilated_never_comes_back():
    """1 - eta h vanishes for h = 10 at eta = 0.1, of which rounding leaves 5e-17: an annihilation, no number."""
    h = symbols("h")
    equations = RandomMap(update={w: w - eta * h * w}, draws=(((h,), Discrete({1: 0.99, 10: 0.01})),))
    growth = linear_growth(equations, at={eta: 0.1}, until=2000, times=range(2001), replicas=10)
    finite = np.isfinite(growth["log_norm"].values)
    gone = finite.argmin(axis=1)
    assert ((gone > 0) & (gone < 1500)).all()  # 0.99^1500 = 3e-7
    assert (finite.sum(axis=1) == gone).all()
    assert (growth["direction"].values[~finite] == 0).all()


# ----------------------------------------------------------------------------------------------- trajectories, invariance


def test_a_chaotic_trajectory_has_the_exponent_of_its_map():
    """log 2 for the logistic map at 4, from starts that differ."""
    starts = np.linspace(0.1, 0.3, 64)
    found = lyapunov_spectrum(LOGISTIC, at={a: 4}, start={x: starts}, steps=5000, replicas=64, burn_in=100)
    assert deviation(found, np.log(2)) < 5


def test_the_fixed_point_0_needs_no_start_and_other_points_do():
    origin = lyapunov_spectrum(LOGISTIC, at={a: 3}, steps=100, replicas=8, burn_in=0)
    started = lyapunov_spectrum(LOGISTIC, at={a: 3}, start={x: 0}, steps=100, replicas=8, burn_in=0)
    np.testing.assert_allclose(origin["by_replica"], np.log(3), rtol=1e-12)
    np.testing.assert_allclose(started["by_replica"], np.log(3), rtol=1e-12)
    with pytest.raises(InvalidRequest, match="takes the fixed point 0, but 0 is none: there x' = 1, not 0"):
        lyapunov_spectrum(HENON, at=HENON_VALUES["at"], steps=10)


def test_replicas_that_diverge_are_marked_and_enter_no_average():
    """The state is lost at the step that overflows; the rest ends at the fixed point 1/2 of slope 0 + rounding."""
    arguments = {"at": {a: 3.0}, "steps": 12, "burn_in": 0, "replicas": 3}
    found = lyapunov_spectrum(LOGISTIC, start={x: [0.4, 9.0, 0.4]}, **arguments)
    state, slopes = 0.4, []
    for _ in range(12):
        slopes.append(np.log(abs(3 * (1 - 2 * state))))
        state = 3 * state * (1 - state)
    far, steps = 9.0, 0
    while np.isfinite(far):
        far, steps = 3 * far * (1 - far), steps + 1
    assert found["diverged_step"].values.tolist() == [-1, steps - 1, -1]
    assert np.isnan(found["by_replica"].values[1]).all()
    np.testing.assert_allclose(found["spectrum"], np.mean(slopes), rtol=1e-12)
    with pytest.raises(InvalidRequest, match="every replica leaves the finite numbers"):
        lyapunov_spectrum(LOGISTIC, start={x: 9.0}, **arguments)


def test_the_bits_depend_on_neither_threads_nor_the_number_of_replicas():
    def run(replicas, threads):
        arguments = {"at": {eta: 1.0}, "steps": 50, "burn_in": 5, "seed": 3, "replicas": replicas}
        return lyapunov_spectrum(REGRESSION, threads=threads, **arguments)["by_replica"].values

    reference = run(200, 1)
    np.testing.assert_array_equal(run(200, 2), reference)
    np.testing.assert_array_equal(run(70, 2), reference[:70])


def test_statistics_are_those_of_the_replicas():
    found = lyapunov_spectrum(REGRESSION, at={eta: 1.0}, steps=320, replicas=200, seed=3)
    values = found["by_replica"].values
    np.testing.assert_allclose(found["spectrum"], values.mean(axis=0))
    np.testing.assert_allclose(found["standard_error"], values.std(axis=0, ddof=1) / np.sqrt(200))
    np.testing.assert_allclose(found["total"], values.sum(axis=1).mean())
    # independent steps: blocks and replicas measure the same variance, each within 20 % at 32 blocks and more
    ratio = found["block_error"].values / found["standard_error"].values
    assert ((ratio > 0.4) & (ratio < 2.5)).all()
    single = lyapunov_spectrum(REGRESSION, at={eta: 1.0}, steps=320, replicas=1, seed=3)
    np.testing.assert_array_equal(single["standard_error"], single["block_error"])
    assert (single["standard_error"].values > 0).all()


# --------------------------------------------------------------------------------------------------- derivatives, devices


def test_the_tangent_program_is_the_jacobian_in_fewer_products():
    """For a sum of squares of one sample the derivative along a vector needs 3 d + 1 products, the entries d^2."""
    n = symbols("n", positive=True)
    weights, inputs = Vector("w", n), Vector("z", n)
    model = Model(loss=dot(weights, inputs) ** 2 / 2, parameters=[weights], data={inputs: Normal()})
    equations = random_map(model.components({n: 6}), SGD(eta, momentum=HeavyBall(b)))
    code = tangent_code(list(equations.update.values()), equations.state)
    direction = sympy.symbols("q0:12", real=True)
    variables = list(direction)

    def value(terms):
        return sympy.Add(
            *(
                t.sign * (1 if t.coefficient is None else code.coefficients[t.coefficient]) * taken(t.variable)
                for t in terms
            )
        )

    def taken(number):
        return variables[number] if number >= 0 else shared[-1 - number]

    shared = []
    for terms in code.temporaries:
        shared.append(value(terms))
    jacobian = sympy.Matrix(list(equations.update.values())).jacobian(list(equations.state))
    product = jacobian * sympy.Matrix(direction)
    assert all(sympy.expand(value(terms) - entry) == 0 for terms, entry in zip(code.results, product, strict=True))
    assert code.products < sum(entry != 0 for entry in jacobian)


def test_the_countof_a_sum_is_that_of_its_terms():
    q, h = sympy.symbols("q h", real=True)
    assert size(1 - eta * h) == 1 + sympy.Abs(eta * h)
    assert size((q - h) ** 2 * q) == (sympy.Abs(q) + sympy.Abs(h)) ** 2 * sympy.Abs(q)
    assert size(sympy.tanh(q - h)) == sympy.Abs(sympy.tanh(q - h))


@pytest.mark.parametrize(
    ("precision", "registers"), [(Precision.FLOAT32, 96), (Precision.FLOAT64, 128)], ids=lambda value: str(value)
)
def test_two_tangent_vectors_live_in_registers(precision, registers):
    pytest.importorskip("numba_cuda", reason="PTX needs the CUDA compiler packages")
    tangent = tangent_code(list(REGRESSION.update.values()), REGRESSION.state)
    program = lyapunov_program(
        REGRESSION, tangent, {eta: 1.0}, vectors=2, moving=False, target=Target.CUDA, precision=precision
    )
    found = program.kernel.resources((9, 0))
    assert (found.spills, found.stack) == (0, 0)
    assert found.registers <= registers


@pytest.mark.slow
@pytest.mark.parametrize(("dimension", "registers", "stack"), [(5, 168, 0), (12, 128, 2304)])
@pytest.mark.parametrize("precision", Precision)
def test_many_tangent_vectors_spill_no_register(dimension, registers, stack, precision):
    pytest.importorskip("numba_cuda", reason="PTX needs the CUDA compiler packages")
    n = symbols("n", positive=True)
    weights, inputs = Vector("w", n), Vector("z", n)
    model = Model(loss=dot(weights, inputs) ** 2 / 2, parameters=[weights], data={inputs: Normal()})
    equations = random_map(model.components({n: dimension}), SGD(eta))
    tangent = tangent_code(list(equations.update.values()), equations.state)
    program = lyapunov_program(
        equations, tangent, {eta: 0.4}, vectors=dimension, moving=False, target=Target.CUDA, precision=precision
    )
    found = program.kernel.resources((9, 0))
    assert found.spills == 0
    assert found.registers <= registers
    assert found.stack <= stack


# ------------------------------------------------------------------------------------------------------------- refusals

GOOD = {"equations": NET, **NET_VALUES, "steps": 10}


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"start": {u: 1, w: 1, v: 1}}, UnknownValue, "start={v: ...}: the equations move u, w"),
        ({"start": {u: 1}}, MissingValue, "start needs a value for w"),
        ({"at": {eta: 0.1}}, MissingValue, "needs a value for p"),
        ({"at": {eta: 0.1, "p": [0.1, 0.2]}}, ValuesError, "compute a spectrum for each value"),
        ({"at": {eta: 0.1, "p": -0.5}}, InvalidLaw, "probabilit"),
        ({"steps": 0}, InvalidRequest, "steps=0: a whole number, at least 2"),
        ({"steps": 2.5}, InvalidRequest, "steps=2.5"),
        ({"burn_in": -1}, InvalidRequest, "burn_in=-1"),
        ({"orthonormalise_every": 0}, InvalidRequest, "orthonormalise_every=0"),
        ({"exponents": 3}, InvalidRequest, "the map moves 2 quantities, so it has 2 exponents; ask for 1 to 2"),
        ({"exponents": 0}, InvalidRequest, "exponents=0"),
        ({"replicas": 0}, InvalidRequest, "replicas=0"),
        ({"seed": 2**64}, InvalidRequest, "seed="),
        ({"target": "tpu"}, InvalidRequest, "the targets are cpu, cuda"),
        ({"precision": "float16"}, InvalidRequest, "the formats are float32, float64"),
        ({"equations": ODE(rates={u: -u})}, InvalidRequest, "takes a Recurrence or a RandomMap, not ODE"),
        ({"equations": Recurrence(update={})}, InvalidRequest, "a map without state"),
        (
            {"equations": moments(Model(loss=(w * x) ** 2, parameters=[w], data={x: Normal()}), SGD(eta), order=2)},
            InvalidRequest,
            "a MomentRecurrence is linear",
        ),
        (
            {"equations": Recurrence(update={u: sympy.Heaviside(u)})},
            UnsupportedExpectation,
            "write jumps as Piecewise",
        ),
    ],
    ids=lambda value: "" if isinstance(value, type) else str(value)[:40],
)
def test_what_has_no_exponents_is_refused_by_name(changed, error, message):
    arguments = {**GOOD, **changed}
    with pytest.raises(error) as caught:
        lyapunov_spectrum(arguments.pop("equations"), **arguments)
    assert message in str(caught.value)


def test_a_vector_must_have_a_direction():
    with pytest.raises(ValuesError, match="vector is 0 in replica 1, and stays 0"):
        linear_growth(REGRESSION, at={eta: 1}, vector={u: [1.0, 0.0], v: 0}, until=5, replicas=2)
    with pytest.raises(MissingValue, match="vector needs a value for v"):
        linear_growth(REGRESSION, at={eta: 1}, vector={u: 1}, until=5)


@pytest.mark.slow
def test_vectors_that_outgrow_their_numbers_between_orthonormalisations_are_refused():
    with pytest.raises(InvalidRequest, match="orthonormalise_every=100 is too much for vectors that grow so fast"):
        linear((1e9, 0, 0, 1), steps=200, burn_in=0, orthonormalise_every=100, precision=Precision.FLOAT32, replicas=2)
