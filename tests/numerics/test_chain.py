"""The chain on inner products: its law against theory and against direct SGD, at large n and where n is hardly enough."""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import sympy
from chain_zoo import (
    CASES,
    COMMITTEE,
    ERF,
    LEAST_SQUARES,
    ONE,
    ONE_START,
    PHASE,
    TENSOR,
    TWO,
    XOR,
    Case,
    c,
    n,
    numbers,
    students,
    tau,
    v,
    w,
    xi,
    z,
)
from conformance import evaluated
from scipy import stats

from numerics import Precision, Target, holm, solve
from numerics.chain import chain_vectors, require_chain, run_chain
from numerics.frame import frame_of, starting_gram
from numerics.gram_algebra import add_row, inner_rows, triangular_rows
from numerics.start import build_start
from numerics.templates.chain import chain_program
from numerics.templates.chain_state import FrameShape, moving_vectors
from theory import (
    SGD,
    Empirical,
    Exponential,
    HeavyBall,
    Model,
    Nesterov,
    NesterovLookahead,
    Normal,
    Rademacher,
    Sampling,
    SoftThreshold,
    Sphere,
    StudentT,
    Vector,
    dot,
    moments,
    one_step_increment,
    scaling_limit,
    symbols,
)
from theory.calculus.average import SampleAverage
from theory.calculus.increment import copied
from theory.errors import (
    AlgorithmNotCovered,
    FieldOrder,
    ImpossibleStart,
    InvalidRequest,
    NonGaussianData,
    SamplingNotCovered,
)
from theory.fields import GaussianField

LEVEL = 1e-3
"""The family-wise error rate of a test."""


# --------------------------------------------------------------------------------------------------------- small algebra


def test_rows_are_turned_into_a_triangle_without_changing_any_inner_product():
    rows = np.random.default_rng(1).normal(size=(3, 6))
    turned = rows.copy()
    triangular_rows(turned, 3, 1, 6, 1e-30)
    np.testing.assert_allclose(turned @ turned.T, rows @ rows.T, rtol=1e-14)
    np.testing.assert_array_equal(turned[:, 0], rows[:, 0])
    assert (turned[np.triu_indices(3, 1)[0], np.triu_indices(3, 1)[1] + 1] == 0).all()


def test_parallel_and_vanishing_rows_get_no_direction_of_their_own():
    row = np.random.default_rng(1).normal(size=5)
    rows = np.stack([row, -row, np.zeros(5), 3 * row])
    triangular_rows(rows, 4, 0, 5, (16 * np.finfo(float).eps) ** 2)
    np.testing.assert_allclose(np.abs(rows[:, 0]), np.linalg.norm(row) * np.array([1, 1, 0, 3]), rtol=1e-14)
    assert np.abs(rows[:, 1:]).max() < 1e-15
    assert (rows[np.arange(1, 4), np.arange(1, 4)] == 0).all()


def test_rows_that_are_not_finite_stay_so():
    rows = np.array([[np.nan, 1.0], [1.0, 2.0]])
    triangular_rows(rows, 2, 0, 2, 1e-30)
    assert np.isnan(rows[0, 0])


def test_rows_are_multiplied_and_added():
    rows = np.arange(12.0).reshape(3, 4)
    assert inner_rows(rows, 1, rows, 2, 3) == rows[1, :3] @ rows[2, :3]
    added = rows.copy()
    add_row(added, 0, 2.0, rows, 1, 3)
    np.testing.assert_array_equal(added[0], [8, 11, 14, 3])


# -------------------------------------------------------------------------------------------------------------- frames


def gram_of(rows):
    return (rows @ np.swapaxes(rows, -1, -2)).reshape(-1, rows.shape[-2], rows.shape[-2])


@pytest.mark.parametrize(
    ("moving", "fixed", "dimension"), [(1, 1, 50), (3, 2, 10**8), (2, 2, 4), (3, 2, 4), (2, 2, 2), (2, 0, 7), (0, 2, 9)]
)
def test_a_frame_has_the_inner_products_asked_for(moving, fixed, dimension):
    rows = np.random.default_rng(3).normal(size=(5, moving + fixed, min(dimension, 9)))
    rows[:, moving:] = rows[0, moving:]
    frame = frame_of(gram_of(rows), moving, dimension)
    everything = np.concatenate([frame.moving, np.pad(np.broadcast_to(frame.fixed, (5, *frame.fixed.shape)),
                                                      ((0, 0), (0, 0), (0, frame.shape.size - frame.fixed.shape[1])))], axis=1)  # fmt: skip
    np.testing.assert_allclose(gram_of(everything), gram_of(rows), rtol=1e-9, atol=1e-12)
    assert frame.shape.degrees == max(dimension - moving - fixed, 0)
    if frame.shape.degrees:
        across = frame.moving[:, :, frame.shape.along :]
        assert (np.triu(across, 1) == 0).all()


def test_dependent_vectors_take_no_coordinates():
    signal, student = np.array([1.0, 2.0, 0.0]), np.array([0.3, -1.0, 0.0])
    rows = np.stack([student, 2 * student, signal, -3 * signal, np.array([0, 0, 1.0])])
    frame = frame_of(gram_of(rows), 2, 100)
    assert frame.shape.sizes == (1, 1, 2)
    assert frame.shape.degrees == 96
    assert frame.moving[0, 1, 3] == 0  # the second student is parallel to the first
    copies = frame_of(gram_of(np.stack([signal, signal])), 1, 100)
    assert copies.moving[0, 0, 1] == 0


def test_a_start_that_no_vectors_have_is_refused():
    with pytest.raises(ImpossibleStart, match=r"eigenvalue -0\.5"):
        frame_of(np.array([[[1.0, 1.5], [1.5, 1.0]]]), 1, 100)
    with pytest.raises(ImpossibleStart, match="3 independent vectors do not fit into dimension 2"):
        frame_of(np.eye(3)[np.newaxis], 2, 2)
    with pytest.raises(ImpossibleStart, match="2 independent vectors do not fit into dimension 1"):
        frame_of(np.eye(3)[np.newaxis], 1, 1)
    with pytest.raises(ImpossibleStart, match="differ from replica to replica"):
        frame_of(np.stack([np.eye(2), 2 * np.eye(2)]), 1, 100)


def test_a_start_from_numbers_makes_nothing_of_the_size_of_the_dimension():
    case = dataclasses.replace(CASES["heavy ball, heat"], size=10**12)
    gram, scalars = starting_gram(case.model, case.algorithm, case.statistics, case.start, case.values, case.size, 4, 1)
    assert chain_vectors(case.model, case.algorithm, case.statistics) == (w, Vector("velocity_w", n), v)
    assert gram.tolist() == [[[0.6, 0, 0.2], [0, 0, 0], [0.2, 0, 1]]]
    assert scalars.shape == (1, 0)


def test_a_start_from_laws_and_arrays_is_that_of_direct_sgd():
    case, begin = CASES["XOR"], {students[0]: Normal(0, 1 / n), "a1": Normal(), "a2": 0.5, students[1]: StudentT(5)}
    gram, scalars = starting_gram(case.model, case.algorithm, case.statistics, begin, case.values, 50, 4, 9)
    mu, nu = chain_vectors(case.model, case.algorithm, case.statistics)[2:]
    begun = build_start(case.model, (mu, nu), case.statistics, begin, case.values, 50, 4, 9)
    rows = np.concatenate([begun.vectors, np.broadcast_to(begun.signals, (4, 2, 50))], axis=1)
    np.testing.assert_allclose(gram, gram_of(rows), rtol=1e-12, atol=1e-13)
    np.testing.assert_array_equal(scalars, begun.scalars)


# ------------------------------------------------------------------------------------------- one step against theory


def at_the_start(case):
    """Numbers for every inner product of the start, and for every symbol."""
    known = {dot(v, v): 1, **{case.statistics.get(k, k): x for k, x in case.start.items()}, **case.values}
    return {key: sympy.Float(value, 30) for key, value in known.items()}


@functools.cache
def symbolic_moments(model, algorithm, products):
    """Means of the changes of `ONE` in one step (and of their products), by theory, n and inner products symbolic."""
    average, naming = SampleAverage(model), copied(model, 1)
    changes = [naming.scalar(one_step_increment(model, algorithm, sympy.sympify(e))) for e in ONE.values()]
    pairs = [one * other for one in changes for other in changes] if products else []
    return [average.exact(change) for change in changes], [average.exact(sympy.expand(pair)) for pair in pairs]


STATES = [{"m": 0.2, "q": 0.6}, {"m": -1.1, "q": 1.9}, {"m": 1.0, "q": 1.0}]


def rejected(comparisons):
    """Which comparisons (name, mean, standard error, expected) fail together at the level of a test."""
    p_values = [2 * stats.norm.sf(abs(mean - expected) / error) for _, mean, error, expected in comparisons]
    return [row for row, bad in zip(comparisons, holm(p_values, LEVEL), strict=True) if bad]


@pytest.mark.parametrize(
    ("model", "covered"),
    [
        pytest.param(LEAST_SQUARES, True, id="least squares"),
        pytest.param(PHASE, False, id="phase retrieval", marks=pytest.mark.slow),
        pytest.param(TENSOR, True, id="tensor", marks=pytest.mark.slow),
    ],
)
def test_one_step_has_the_exact_mean_and_covariance_at_any_dimension(model, covered):
    replicas, comparisons = 100_000, []
    for state in STATES:
        for size in (5, 50, 10**6):
            case = Case(model, SGD(c / n, weight_decay=0.3), {c: 0.4, tau: 0.5}, ONE, state, size, 1)
            out, stopped = case.chain([0, 1], replicas, size)
            assert (stopped == -1).all()
            changes = (out[:, 1] - out[:, 0]).T
            known = at_the_start(case)
            means, products = ([float(e.xreplace(known)) for e in part] for part in
                               symbolic_moments(case.model, case.algorithm, covered))  # fmt: skip
            centred, root = changes - np.reshape(means, (2, 1)), np.sqrt(replicas)
            for k in range(2):
                comparisons.append(((state, size, k), changes[k].mean(), changes[k].std() / root, means[k]))
            for k, j in ((0, 0), (0, 1), (1, 1)) if covered else ():
                product, expected = centred[k] * centred[j], products[2 * k + j] - means[k] * means[j]
                comparisons.append(((state, size, k, j), product.mean(), product.std() / root, expected))
    assert rejected([row for row in comparisons if row[2] > 1e-15]) == []


@pytest.mark.parametrize("name", ["erf unit", pytest.param("tensor", marks=pytest.mark.slow)])
def test_steps_at_large_dimension_have_the_drift_and_the_covariance_of_the_limit(name):
    case, replicas = dataclasses.replace(CASES[name], size=10**6), 100_000
    limit = scaling_limit(case.model, case.algorithm, statistics=case.statistics)
    known = {**at_the_start(case), **{symbols(k): sympy.Float(x) for k, x in case.start.items()}}
    known |= {
        s: known.get(sympy.Symbol(str(s), real=True), x) for s, x in zip(limit.state, case.start.values(), strict=True)
    }
    out, _ = case.chain([0, 1], replicas, 7)
    changes = (out[:, 1] - out[:, 0]).T * 10**6 / case.at[c]
    centred, comparisons = changes - changes.mean(axis=1, keepdims=True), []
    for k, name_ in enumerate(limit.state):
        comparisons.append(
            ((name_,), changes[k].mean(), changes[k].std() / np.sqrt(replicas), evaluated(limit.rates[name_], known))
        )
        for j in range(k + 1):
            product = case.at[c] * centred[k] * centred[j]
            expected = evaluated(limit.covariance[k, j], known)
            comparisons.append(((name_, limit.state[j]), product.mean(), product.std() / np.sqrt(replicas), expected))
    assert rejected(comparisons) == []


@pytest.mark.parametrize(
    "options",
    [
        {"momentum": HeavyBall(0.6), "batch_size": 3},
        pytest.param({"momentum": Nesterov(0.6), "weight_decay": 0.3}, marks=pytest.mark.slow),
        pytest.param(
            {"momentum": NesterovLookahead(0.5), "batch_size": 2, "weight_decay": 0.2}, marks=pytest.mark.slow
        ),
    ],
    ids=["heavy ball, batch", "Nesterov, decay", "lookahead, decay, batch"],
)
def test_several_steps_of_least_squares_have_the_moments_of_theory(options):
    squares = {"qq": dot(w, w) ** 2, "mq": dot(w, w) * dot(w, v)}
    algorithm, replicas = SGD(c / n, **options), 40_000
    case = Case(LEAST_SQUARES, algorithm, {c: 0.8, tau: 0.5}, {**ONE, **squares}, {**ONE_START}, 6, 4)
    recurrence = moments(case.model, algorithm, of=case.statistics)
    prediction = solve(recurrence, at=case.values, start={dot(w, w): 0.6, dot(w, v): 0.2}, until=4)
    out, _ = case.chain([1, 4], replicas, 11)
    comparisons = []
    for k, name in enumerate(case.observe):
        for slot, step in enumerate((1, 4)):
            values, expected = out[:, slot, k], float(prediction[name].sel(time=step))
            comparisons.append(((name, step), values.mean(), values.std() / np.sqrt(replicas), expected))
    assert rejected(comparisons) == []


# ------------------------------------------------------------------------------------------ against direct SGD, in law


QUICK = ("erf unit", "committee, batch, n = 4")


@pytest.mark.parametrize("name", [pytest.param(k, marks=[] if k in QUICK else pytest.mark.slow) for k in CASES])
def test_the_chain_has_the_law_of_direct_sgd(name):
    """Kolmogorov-Smirnov for every statistic after one step and after several, and means of all products of two."""
    case, replicas = CASES[name], 4000 if name in QUICK else 10_000
    record = [1, case.steps]
    direct = case.direct(record, replicas, 105)
    chain, _ = case.chain(record, replicas, 106)
    p_values = []
    for slot in range(2):
        one, two = (x[:, slot][np.isfinite(x[:, slot]).all(axis=1)] for x in (direct, chain))
        assert len(one) > 0.99 * replicas
        middle, spread = one.mean(axis=0), one.std(axis=0)
        assert (spread > 1e-9).all()
        # rounded, so that units which a ReLU leaves alone are ties; cut off, so that products have honest standard errors
        one, two = (np.clip(np.round((x - middle) / spread, 8), -6, 6) for x in (one, two))
        for k in range(len(case.observe)):
            p_values.append(stats.ks_2samp(one[:, k], two[:, k]).pvalue)
            for j in range(k + 1):
                left, right = one[:, k] * one[:, j], two[:, k] * two[:, j]
                error = np.sqrt(left.var() / len(left) + right.var() / len(right))
                p_values.append(2 * stats.norm.sf(abs(left.mean() - right.mean()) / error))
    assert not holm(p_values, LEVEL).any(), min(p_values)


# ----------------------------------------------------------------------------------------------------- acceptance values


def test_the_erf_unit_at_a_million_dimensions_ends_where_the_reference_does():
    case = dataclasses.replace(CASES["erf unit"], size=10**6)
    out, _ = case.chain([round(4 / 1.5 * 10**6)], 3, 2)
    found = out[:, 0].mean(axis=0)
    assert (np.abs(found - [0.82031, 0.91621]) < 5 * np.array([4e-4, 7e-4]) * np.sqrt(1 + 1 / 3)).all(), found


def test_phase_retrieval_in_forty_dimensions_has_the_finite_size_means_of_the_reference():
    out, _ = CASES["phase retrieval"].chain([800], 10_000, 3)
    values = out[:, 0]
    error = np.sqrt(values.var(axis=0) / len(values) + 3e-4**2)
    assert (np.abs(values.mean(axis=0) - [0.8815, 0.8747]) < 5 * error).all(), values.mean(axis=0)


@pytest.mark.slow
def test_the_stationary_fluctuations_of_least_squares_are_those_of_the_reference():
    """Variance of sqrt(n) (|w - v|^2 - q*) at c = tau = 1, t = 4: 1.9993 in the limit, 5.998 by the textbook formula."""
    size, replicas = 4000, 2000
    case = Case(
        LEAST_SQUARES,
        SGD(c / n),
        {c: 1.0, tau: 1.0},
        {"d": dot(w - v, w - v), "m": dot(w, v)},
        {"d": 1, "m": 1},
        size,
        1,
    )
    out, _ = case.chain([4 * size], replicas, 8)
    variance = size * out[:, 0, 0].var(ddof=1)
    assert abs(variance / 1.9993 - 1) < 5 * np.sqrt(2 / replicas), variance


# ------------------------------------------------------------------------------------------------------- reproducibility


def test_the_number_of_threads_does_not_change_a_bit():
    runs = [CASES["margin, batch"].chain([1, 5], 17, 4, threads=threads)[0] for threads in (1, 2, 5)]
    assert (runs[0] == runs[1]).all()
    assert (runs[0] == runs[2]).all()


def test_a_replica_depends_on_its_number_and_the_seed_alone():
    case = CASES["erf unit"]
    few, many, other = case.chain([9], 3, 4)[0], case.chain([2, 9], 8, 4)[0], case.chain([9], 3, 5)[0]
    assert (few[:, 0] == many[:3, 1]).all()
    assert (few != other).all()
    assert len(np.unique(many[:, 1, 0])) == 8


def source(name, size, **options):
    case = dataclasses.replace(CASES[name], size=size)
    rows, _ = starting_gram(case.model, case.algorithm, case.statistics, case.start, case.values, size, 1, 1)
    shape = frame_of(rows, len(moving_vectors(case.model, case.algorithm)), size).shape
    return chain_program(case.model, case.algorithm, case.statistics, case.values, shape,
                         single=case.algorithm.batch_size == 1, **options).kernel  # fmt: skip


def test_the_program_is_the_same_for_every_dimension_but_the_smallest():
    assert source("committee", 7) == source("committee", 10**9)
    assert source("committee", 4) != source("committee", 7)


def test_the_program_uses_named_scalars_where_vectors_are_few_and_loops_elsewhere():
    assert "np.empty" not in source("XOR", 50).source
    assert "triangular_rows(x, 5, 3," in source("wide", 50).source


# ----------------------------------------------------------------------------------------------------------- rounding


def test_a_student_that_has_become_its_teacher_stays_so():
    case = Case(ERF, SGD(c / n), {c: 1.5, tau: 0.0}, ONE, {"m": 1, "q": 1}, 10**6, 1)
    out, _ = case.chain([0, 10**6], 1, 1)
    assert (out == 1).all()


def test_a_student_converges_to_its_teacher_without_leaving_the_cone_of_gram_matrices():
    case = Case(PHASE, SGD(c / n), {c: 0.05, tau: 0.0}, ONE, {"m": 0.4, "q": 0.8}, 100, 1)
    out, _ = case.chain([0, 10**4, 10**5, 10**6], 4, 1)
    assert (out[:, :, 1] >= out[:, :, 0] ** 2 * (1 - 1e-14)).all()
    np.testing.assert_allclose(np.abs(out[:, -1]), 1, atol=1e-12)


def test_equal_students_stay_equal_to_rounding():
    equal = {"m00": 0.1, "m01": 0.1, "m10": 0.1, "m11": 0.1, "q00": 0.5, "q01": 0.5, "q11": 0.5}
    for algorithm in (SGD(c / n), SGD(c / n, batch_size=2)):
        case = Case(COMMITTEE, algorithm, {c: 0.7, tau: 0.3}, TWO, equal, 300, 1)
        out, _ = case.chain([0, 300], 4, 1)
        q00, q01, q11 = (out[:, -1, list(TWO).index(k)] for k in ("q00", "q01", "q11"))
        np.testing.assert_allclose(q00, q01, rtol=1e-9)
        np.testing.assert_allclose(q00, q11, rtol=1e-9)
        assert (q00 != 0.5).all()


def test_a_replica_that_diverges_is_stopped_and_says_when():
    case = Case(PHASE, SGD(c / n), {c: 20.0, tau: 0.5}, ONE, {"m": 0.4, "q": 0.8}, 40, 1)
    out, stopped = case.chain([0, 1, 100], 50, 1)
    assert (stopped > 1).all()
    assert (stopped < 100).all()
    assert np.isfinite(out[:, :2]).all()
    assert np.isnan(out[:, 2]).all()


# ---------------------------------------------------------------------------------------------- shapes at the boundary


def test_models_without_fixed_or_without_trained_vectors_are_covered():
    norm = {"q": dot(w, w)}
    alone = Model(dot(w, z) ** 2 / 2, [w], {z: Normal(0, 2)})
    case = Case(alone, SGD(c / n), {c: 0.5}, norm, {"q": 1.0}, 20, 1)
    values = case.chain([1], 20_000, 1)[0][:, 0, 0]
    # E q' = q - 2 delta s q + delta^2 s^2 (n + 2) q with variance s = 2 and delta = c/n
    expected = 1 - 4 * 0.025 + 4 * 0.025**2 * 22
    assert abs(values.mean() - expected) < 5 * values.std() / np.sqrt(len(values))
    a = symbols("a")
    scalar = Model((a * dot(v, z) - tau * xi) ** 2 / 2, [a], {z: Normal(), xi: Normal()}, {dot(v, v): 1})
    case = Case(scalar, SGD(0.1, batch_size=2), {tau: 0.5}, {"a": a, "norm": dot(v, v)}, {"a": 1.0}, 20, 1)
    values = case.chain([1], 20_000, 1)[0][:, 0]
    assert (values[:, 1] == 1).all()
    assert abs(values[:, 0].mean() - 0.9) < 5 * values[:, 0].std() / np.sqrt(len(values))


def test_statistics_may_hold_vectors_that_the_model_does_not():
    probe = Vector("probe", n)
    case = Case(ERF, SGD(c / n), {c: 1.5, tau: 0.3}, {**ONE, "p": dot(w, probe), "r": dot(probe, v)},
                {**ONE_START, "p": 0.1, "r": 0.5, dot(probe, probe): 2.0}, 50, 1)  # fmt: skip
    out, _ = case.chain([0, 5], 4000, 1)
    np.testing.assert_allclose(out[0, 0], [0.2, 0.6, 0.1, 0.5])
    assert (out[:, 1, 3] == 0.5).all()
    direct = case.direct([5], 4000, 1)
    assert stats.ks_2samp(out[:, 1, 2], direct[:, 0, 2]).pvalue > LEVEL


# -------------------------------------------------------------------------------------------------------------- devices


@pytest.mark.parametrize(
    ("precision", "most"), [(Precision.FLOAT64, 128), pytest.param(Precision.FLOAT32, 96, marks=pytest.mark.slow)]
)
def test_device_code_keeps_everything_in_registers(precision, most):
    pytest.importorskip("numba_cuda")
    used = source("erf unit", 10**6, target=Target.CUDA, precision=precision).resources()
    assert (used.spills, used.stack) == (0, 0)
    assert used.registers <= most


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["XOR", "committee, batch of three", "tensor", "Nesterov, decay, batch", "pair, batch of four"]
)
def test_device_code_of_few_vectors_spills_nothing(name):
    pytest.importorskip("numba_cuda")
    used = source(name, 10**6, target=Target.CUDA).resources()
    assert used.spills == 0
    assert used.registers <= 255


IN_THE_SIMULATOR = (
    "XOR",
    "committee, batch of three",
    "fields at four points",
    "wide, batch, heat",
    "pair, batch of four",
    "sphere",
)


@pytest.mark.parametrize("names", [("erf unit",), pytest.param(IN_THE_SIMULATOR, marks=pytest.mark.slow)])
def test_cuda_in_the_simulator_computes_what_the_cpu_does(names):
    pytest.importorskip("numba_cuda", reason="the simulator comes with numba-cuda")
    script = Path(__file__).with_name("chain_zoo.py")
    environment = {**os.environ, "NUMBA_ENABLE_CUDASIM": "1", "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run([sys.executable, str(script), *names], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for name, found in json.loads(done.stdout).items():
        for precision, expected in numbers(name, Target.CPU).items():
            tolerance = 200 * Precision(precision).epsilon
            np.testing.assert_allclose(found[precision], expected, rtol=tolerance, atol=tolerance, err_msg=name)


# -------------------------------------------------------------------------------------------------------------- refusals


def regression(law=None, **options):
    model = Model((dot(w, z) - xi) ** 2 / 2, [w], {z: law or Normal(), xi: Normal()})
    return model, SGD(0.1, **options)


@pytest.mark.parametrize(
    ("statement", "error", "says"),
    [
        (regression(Rademacher()), NonGaussianData, "the entries of z have the law Rademacher"),
        (regression(Normal(1, 1)), NonGaussianData, "centre + z"),
        (regression(Exponential()), NonGaussianData, "method='direct'"),
        (regression(samples=100), SamplingNotCovered, "samples=100"),
        (regression(samples=100, sampling=Sampling.FULL_BATCH), SamplingNotCovered, "fixed data set"),
        ((Model((dot(w, z) - xi) ** 2, [w], {(z, xi): Empirical(np.ones((4, 3)), np.ones(4))}), SGD(0.1)),
         SamplingNotCovered, "Empirical data"),
        (regression(proximal=SoftThreshold(0.1)), AlgorithmNotCovered, "every coordinate"),
        ((Model((symbols("a") * xi) ** 2, [symbols("a")], {xi: Normal()}), SGD(0.1)), InvalidRequest, "no vectors"),
        ((XOR, SGD(0.1, constraint=Sphere())), AlgorithmNotCovered, "trains scalars"),
    ],
)  # fmt: skip
def test_what_makes_the_inner_products_no_chain_is_refused_by_name(statement, error, says):
    with pytest.raises(error) as caught:
        require_chain(*statement)
    assert says in str(caught.value)


def test_a_field_that_enters_non_linearly_is_refused():
    field = GaussianField("F", order=2)
    case = Case(Model(field(w) ** 2, [w], [field]), SGD(0.1), {}, {"q": dot(w, w)}, {"q": 1.0}, 9, 1)
    with pytest.raises(FieldOrder, match="affine"):
        case.chain([1], 2, 1)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"record": np.array([3, 1])}, "record"),
        ({"record": np.array([2**32])}, "record"),
        ({"gram_start": np.eye(3)[np.newaxis]}, "for the vectors w, v"),
        ({"gram_start": np.stack([np.eye(2)] * 3)}, "gram_start"),
        ({"scalar_start": np.ones((1, 2))}, "scalar_start"),
    ],
)
def test_arrays_of_the_wrong_shape_are_named(changes, says):
    arguments = {
        "gram_start": np.eye(2)[np.newaxis],
        "scalar_start": np.zeros((1, 0)),
        "record": np.array([1]),
        **changes,
    }
    with pytest.raises(InvalidRequest, match=says):
        run_chain(ERF, SGD(c / n), ONE, {c: 1.0, tau: 0.3, n: 9.0}, dimension=9, replicas=2, **arguments)


def test_a_frame_knows_its_size():
    shape = FrameShape(sizes=(1, 1, 2), across=3, degrees=5)
    assert (shape.along, shape.size) == (2, 5)
    assert FrameShape((), 1, 3).size == 1
