"""Ensembles of maps: plain NumPy with the same draws agrees, and so do theory, other targets and other precisions."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import sympy
import xarray as xr
from map_cases import LOGISTIC, NET, NET_VALUES, SIGNS, a, eta, everything, p, u, v, w, x, y

from numerics import Precision, Target, compare, iterate_random_map, solve, solve_map_ensemble
from numerics.random import Purpose, words4
from numerics.templates.maps import map_program
from theory import ODE, SGD, Clock, Model, RandomMap, Recurrence, moments, symbols
from theory.errors import (
    DuplicateName,
    InvalidLaw,
    InvalidRequest,
    MissingValue,
    UnknownValue,
    UnsupportedExpectation,
    ValuesError,
)
from theory.expectation.quadrature import GaussianQuadrature
from theory.laws import Discrete, Empirical, Gamma, Mixture, Normal, Uniform
from theory.update import random_map
from theory.vectors import Vector

ROOT = Path(__file__).parents[2]


# ------------------------------------------------------------------------------------- plain programs, the same draws


def words(seed, replica, step, block, purpose):
    """The four words of a block as Python integers."""
    return [int(word) for word in words4(seed, 0, replica, step, block, int(purpose))]


def normal(first, second):
    return np.sqrt(-2 * np.log((first + 1) / 2**32)) * np.cos(2 * np.pi * (second + 0.5) / 2**32)


def outcome(law, high, low):
    """The outcome that a 64-bit word stands for: outcomes in order, each as long as its probability."""
    draw = law.draw("d")
    cumulative = np.cumsum([float(q) for q in draw.standards[0][1].probabilities])
    return float(draw.table[int(np.searchsorted(cumulative, (high * 2**32 + low) / 2**64, side="right"))][0])


def test_a_random_map_is_the_plain_recursion_on_the_same_draws():
    """60 steps of about 20 operations on numbers of order one."""
    found = iterate_random_map(NET, **NET_VALUES, until=60, times=[0, 7, 60], replicas=3, seed=11)
    law = Discrete({1: sympy.Rational(7, 10), -1: sympy.Rational(3, 10)})
    for replica in range(3):
        first, second, rows = 1.0, 0.5, []
        for step in range(61):
            if step in (0, 7, 60):
                rows.append((first, second))
            block = words(11, replica, step, 0, Purpose.SCALAR)
            sample, label = normal(*block[:2]), outcome(law, *block[2:])
            slope = 0.1 * sample * (first * second * sample - label)
            first, second = first - slope * second, second - slope * first
        np.testing.assert_allclose(found["u"].values[replica], [row[0] for row in rows], rtol=1e-11)
        np.testing.assert_allclose(found["product"].values[replica], [s * t for s, t in rows], rtol=1e-11)


def test_rows_of_data_are_drawn_with_replacement_from_64_bits():
    found = iterate_random_map(SIGNS, start={w: 0.1}, until=30, times=[30], replicas=2, seed=5)
    inputs, angles = np.array([1, 2, 3]), np.tanh([0.5, -1, 2])
    for replica in range(2):
        state = 0.1
        for step in range(30):
            high, low, *_ = words(5, replica, step, 0, Purpose.BATCH)
            row = (high * 2**32 + low) * 3 >> 64
            sign = 1.0 - 2.0 * (words(5, replica, step, 0, Purpose.SCALAR)[0] >> 31)
            state = state / 2 + angles[row] * inputs[row] + sign
        np.testing.assert_allclose(found["w"].values[replica, 0], state, rtol=1e-13)


def test_code_that_is_too_long_for_the_loop_is_a_function_of_the_same_map(monkeypatch):
    start = {"start": {x: 0.4}, "at": {a: 3.2}, "until": 50, "times": [50]}
    short = solve_map_ensemble(LOGISTIC, **start)
    monkeypatch.setattr("numerics.templates.maps.LONGEST_INLINED", 10)
    assert "emitted" in map_program(LOGISTIC, {"x": x}, {a: 3.2}).kernel.source
    np.testing.assert_allclose(solve_map_ensemble(LOGISTIC, **start)["x"], short["x"], rtol=1e-12)


@pytest.mark.slow
def test_a_large_map_with_hundreds_of_statements_is_the_plain_recursion():
    """12 states, each moved by its own sum of 32 products, which share no subexpression."""
    rng = np.random.default_rng(3)
    states = sympy.symbols("s0:12", real=True)
    pairs, weights = rng.integers(0, 12, (12, 32, 2)), rng.uniform(-0.05, 0.05, (12, 32)).round(6)
    update = {
        s: sympy.sin(s) / 2
        + sympy.Add(*(sympy.Float(c) * states[i] * sympy.cos(states[j] + k) for k, (c, (i, j)) in enumerate(terms)))
        for s, terms in zip(
            states, (list(zip(c, q, strict=True)) for c, q in zip(weights, pairs, strict=True)), strict=True
        )
    }
    start = rng.uniform(-1, 1, 12)
    recurrence = Recurrence(update=update)
    solution = solve_map_ensemble(recurrence, start=dict(zip(states, start, strict=True)), until=20, times=[20])
    state = start
    for _ in range(20):
        moved = np.cos(state[pairs[:, :, 1]] + np.arange(32))
        state = np.sin(state) / 2 + (weights * state[pairs[:, :, 0]] * moved).sum(axis=1)
    found = [float(solution[str(s)][0]) for s in states]
    np.testing.assert_allclose(found, state, atol=1e-13)
    assert "emitted" in map_program(recurrence, {"s0": states[0]}, {}).kernel.source


# ---------------------------------------------------------------------------------------------------- theory, statistics


def test_exact_moments_of_regression_agree_with_the_runs_of_its_random_map():
    model = Model(loss=(w * x - y) ** 2 / 2, parameters=[w], data={x: Uniform(0, 1), y: Normal(1, 2)})
    algorithm = SGD(eta, batch_size=2)
    prediction = solve(moments(model, algorithm, order=2), at={eta: 0.3}, start={w: 0.5}, until=30, times=[1, 5, 30])
    runs = iterate_random_map(
        random_map(model, algorithm),
        at={eta: 0.3},
        start={w: 0.5},
        until=30,
        times=[1, 5, 30],
        observe={name: w ** int(name.count("w") if "**" not in name else name[-1]) for name in prediction.data_vars},
        replicas=4000,
        seed=1,
    )
    agreement = compare(prediction, runs)
    assert agreement.agrees, agreement
    assert agreement.comparisons == 3 * len(prediction.data_vars)


@pytest.mark.parametrize(
    ("law", "mean", "variance"),
    [
        (Gamma(2.5, 2), 5.0, 10.0),
        (Mixture([(Normal(-1, 1), 0.25), (Uniform(0, 6), 0.75)]), 2.0, 1.0 * 0.25 + 3 * 0.75 + 0.25 * 9 + 0.75 * 1),
        (Empirical(np.arange(40)), 19.5, (40**2 - 1) / 12),
    ],
    ids=["rejection", "branches", "more rows than variables"],
)
def test_draws_have_mean_and_variance_of_their_law(law, mean, variance):
    """Five standard errors of 4000 replicas; the sum of the draws of one step from zero is the draw itself."""
    runs = iterate_random_map(
        RandomMap(update={w: x}, draws=(((x,), law),)), start={w: 0}, until=1, times=[1], replicas=4000, seed=2
    )
    values = runs["w"].values[:, 0]
    assert abs(values.mean() - mean) < 5 * np.sqrt(variance / 4000)
    squares = (values - mean) ** 2
    assert abs(squares.mean() - variance) < 5 * squares.std() / np.sqrt(4000)


def test_starts_are_numbers_arrays_and_laws():
    start = {u: np.arange(6.0), w: Uniform(2, 3)}
    runs = iterate_random_map(NET, at=NET_VALUES["at"], start=start, until=1, times=[0], replicas=6, seed=4)
    assert runs["u"].values[:, 0].tolist() == list(range(6))
    values = runs["w"].values[:, 0]
    assert ((values > 2) & (values < 3)).all()
    assert len(set(values)) == 6


# --------------------------------------------------------------------------------------------- divergence, invariances


def test_a_path_that_leaves_the_finite_numbers_is_marked_and_the_others_go_on():
    values = np.array([2.0, 3.9, 9.0])
    found = solve_map_ensemble(LOGISTIC, at={a: values}, start={x: 0.4}, until=12, times=range(13))
    state, rows = np.full(3, 0.4), []
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(13):
            rows.append(state)
            state = values * state * (1 - state)
    rows = np.array(rows).T
    step = int(np.argmin(np.isfinite(rows[2]))) - 1  # the step that made the first number that is not finite
    assert found["diverged_step"].values.tolist() == [-1, -1, step]
    assert found["diverged"].values.tolist() == [False, False, True]
    np.testing.assert_allclose(found["x"].values[:2], rows[:2], rtol=1e-9)
    np.testing.assert_allclose(found["x"].values[2, : step + 1], rows[2, : step + 1], rtol=1e-9)
    assert np.isnan(found["x"].values[2, step + 1 :]).all()
    assert found["a"].dims == ("trajectory",)


def test_a_diverged_replica_makes_the_verdict_disagree():
    runs = iterate_random_map(LOGISTIC, at={a: 2.0}, start={x: [0.1, 0.2, 9.0]}, until=20, times=[20], replicas=3)
    prediction = xr.Dataset({"x": ("time", [0.5])}, {"time": [20.0]}, {"clock": "steps"})
    assert not compare(prediction, runs).agrees
    assert runs["diverged"].values.tolist() == [False, False, True]


def test_the_bits_depend_on_neither_threads_nor_the_number_of_replicas():
    def run(replicas, threads):
        arguments = {**NET_VALUES, "until": 50, "times": [50], "seed": 3}
        return iterate_random_map(NET, replicas=replicas, threads=threads, **arguments)["product"].values

    reference = run(3000, 1)
    np.testing.assert_array_equal(run(3000, 2), reference)
    np.testing.assert_array_equal(run(1100, 2), reference[:1100])


def test_every_value_of_an_ensemble_has_all_replicas():
    arguments = {"start": NET_VALUES["start"], "until": 5, "times": [5], "replicas": 4, "seed": 3}
    runs = iterate_random_map(NET, at={eta: [0.1, 0.2], p: 0.3}, **arguments)
    assert runs["product"].dims == ("trajectory", "replica", "time")
    single = iterate_random_map(NET, at={eta: 0.1, p: 0.3}, **arguments)
    np.testing.assert_array_equal(runs["product"].values[0], single["product"].values)
    assert runs["eta"].values.tolist() == [0.1, 0.2]


def test_single_precision_follows_double_precision():
    """50 steps of about 20 roundings each on numbers of order one, in a contracting map."""
    found = [
        iterate_random_map(NET, **NET_VALUES, until=50, times=[50], replicas=50, seed=3, precision=precision)[
            "u"
        ].values
        for precision in Precision
    ]
    assert [values.dtype for values in found] == [np.float32, np.float64]
    np.testing.assert_allclose(found[0], found[1], atol=50 * 20 * Precision.FLOAT32.epsilon)


# -------------------------------------------------------------------------------------------------------------- devices


def test_the_simulated_device_computes_the_maps_and_exponents_of_the_cpu(tmp_path):
    """At most 12 steps, each with roundings of its own, since contraction into multiply-adds differs."""
    pytest.importorskip("numba_cuda", reason="the simulator comes with numba-cuda")
    environment = {**os.environ, "NUMBA_ENABLE_CUDASIM": "1", "PYTHONPATH": str(ROOT)}
    script, output = Path(__file__).with_name("map_cases.py"), tmp_path / "found.npz"
    command = [sys.executable, str(script), "cuda", str(output)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    found, expected = np.load(output), everything(Target.CPU)
    assert set(found) == set(expected)
    for name, values in expected.items():
        precision = Precision.FLOAT32 if "float32" in name else Precision.FLOAT64
        np.testing.assert_allclose(found[name], values, rtol=1000 * precision.epsilon, atol=1000 * precision.epsilon)


@pytest.mark.parametrize(("precision", "registers"), [(Precision.FLOAT32, 72), (Precision.FLOAT64, 96)])
def test_a_scalar_net_lives_in_registers(precision, registers):
    pytest.importorskip("numba_cuda", reason="PTX needs the CUDA compiler packages")
    program = map_program(NET, {"u": u}, {eta: 0.1, p: 0.3}, target=Target.CUDA, precision=precision)
    found = program.kernel.resources((9, 0))
    assert (found.spills, found.stack) == (0, 0)
    assert found.registers <= registers


@pytest.mark.slow
@pytest.mark.gpu
def test_a_device_computes_the_maps_and_exponents_of_the_cpu():
    found, expected = everything(Target.CUDA), everything(Target.CPU)
    for name, values in expected.items():
        precision = Precision.FLOAT32 if "float32" in name else Precision.FLOAT64
        np.testing.assert_allclose(found[name], values, rtol=1000 * precision.epsilon, atol=1000 * precision.epsilon)


# ------------------------------------------------------------------------------------------------------------- refusals

GOOD = {"equations": NET, **NET_VALUES, "until": 5}


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"start": {u: 1, w: 1, v: 1}}, UnknownValue, "start={v: ...}: the equations move u, w"),
        ({"start": {u: 1}}, MissingValue, "start needs a value for w"),
        ({"start": {u: 1, w: [1.0, 2.0]}}, ValuesError, "one per replica"),
        ({"start": {u: 1, w: np.nan}}, ValuesError, "finite"),
        ({"start": {u: 1, w: "much"}}, ValuesError, "expected a number, an array over replicas, or a law"),
        ({"at": {eta: 0.1}}, MissingValue, "needs a value for p"),
        ({"at": {eta: 0.1, p: 1.5}}, InvalidLaw, "probabilit"),
        ({"at": {eta: 0.1, p: [0.1, 0.2]}}, InvalidRequest, "p cannot vary within one ensemble"),
        ({"until": 0}, InvalidRequest, "until=0"),
        ({"times": [9]}, InvalidRequest, "times must be numbers in"),
        ({"replicas": 0}, InvalidRequest, "replicas=0"),
        ({"seed": -1}, InvalidRequest, "seed=-1"),
        ({"threads": 0}, InvalidRequest, "threads=0"),
        ({"target": "tpu"}, InvalidRequest, "the targets are cpu, cuda"),
        ({"precision": "float16"}, InvalidRequest, "the formats are float32, float64"),
        ({"observe": {}}, InvalidRequest, "observe takes a dictionary"),
        ({"observe": {"time": u}}, DuplicateName, "'time' carries a name"),
        ({"equations": ODE(rates={u: -u})}, InvalidRequest, "takes a Recurrence or a RandomMap, not ODE"),
        ({"equations": Recurrence(update={})}, InvalidRequest, "a map without state"),
        ({"equations": Recurrence(update={u: u, w: w}, clock=Clock.EPOCHS)}, InvalidRequest, "its clock is epochs"),
        (
            {"equations": RandomMap(update={u: u, w: w}, draws=(((Vector("g", 3),), Normal()),)), "at": {}},
            InvalidRequest,
            "expand the model first",
        ),
    ],
    ids=lambda value: "" if isinstance(value, type) else str(value)[:40],
)
def test_what_cannot_be_run_is_refused_by_name(changed, error, message):
    arguments = {**GOOD, **changed}
    with pytest.raises(error) as caught:
        iterate_random_map(arguments.pop("equations"), **arguments)
    assert message in str(caught.value)


def test_recurrences_refuse_what_needs_replicas_and_single_ones_name_their_divergence():
    with pytest.raises(InvalidRequest, match="goes to iterate_random_map"):
        solve_map_ensemble(NET, **NET_VALUES, until=5)
    with pytest.raises(ValuesError, match="random starts need replicas"):
        solve_map_ensemble(LOGISTIC, at={a: 2}, start={x: Normal()}, until=5)
    with pytest.raises(ValuesError, match="one common length, but a has 2, x_start has 3"):
        solve_map_ensemble(LOGISTIC, at={a: [1, 2]}, start={x: [0.1, 0.2, 0.3]}, until=5)
    with pytest.raises(InvalidRequest, match="leaves the finite numbers at step 9"):
        solve_map_ensemble(LOGISTIC, at={a: 9}, start={x: 0.4}, until=20)
    s = symbols("s")
    node = GaussianQuadrature(sympy.tanh(s) ** 2, [s], [[1 + x**2]])
    with pytest.raises(UnsupportedExpectation, match="does not cover updates with quadratures"):
        solve_map_ensemble(Recurrence(update={x: node}), start={x: 0.1}, until=5)
