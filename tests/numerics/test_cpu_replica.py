"""Programs of one replica on a CPU: passes that write many rows are written as several, which changes no bit."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from numerics import Precision
from numerics.simulation.direct import direct_program, run_direct
from numerics.simulation.run import Run
from numerics.start import Start
from numerics.targets import cpu_replica
from numerics.targets.cpu_replica import parts
from numerics.targets.replica import Pass
from theory import SGD, HeavyBall, Model, Normal, Vector, dot, symbols, vectors

UNITS, DIMENSION = 3, 300
n, eta = symbols("n eta", positive=True)


def committee(algorithm, *, coupled):
    w, v, x = vectors("w", n, count=UNITS), Vector("v", n), Vector("x", n)
    error = sum(dot(a, x) ** 2 for a in w) - dot(v, x)
    penalty = sum(dot(a, b) for a, b in itertools.pairwise(w)) / 10 if coupled else 0
    model = Model(error**2 / 2 + penalty, list(w), {x: Normal()})
    run = Run(model, algorithm, {n: float(DIMENSION), eta: 0.002}, DIMENSION)
    statistics = {f"q{k}": dot(a, a) for k, a in enumerate(w)}
    return run, direct_program(run, statistics, precision=Precision.FLOAT32)


def simulated(algorithm, coupled):
    run, program = committee(algorithm, coupled=coupled)
    random = np.random.default_rng(0)
    rows = random.standard_normal((UNITS + 1, DIMENSION)) / np.sqrt(DIMENSION * UNITS)
    start = Start(rows[np.newaxis, :UNITS], np.zeros((1, 0)), rows[UNITS:])
    record = np.array([0, 7])
    out, _ = run_direct(program, run, start, record, replicas=2, seed=1, threads=1)
    return program.kernel.source, out


@pytest.mark.parametrize(
    ("algorithm", "coupled"),
    [
        pytest.param(SGD(eta / n, momentum=HeavyBall(0.5), weight_decay=0.1), False, id="momentum"),
        pytest.param(SGD(eta / n), False, id="plain", marks=pytest.mark.slow),
        pytest.param(SGD(eta / n), True, id="gradients of other rows", marks=pytest.mark.slow),
    ],
)
def test_passes_over_many_rows_compute_the_same_in_parts(algorithm, coupled, monkeypatch):
    whole, expected = simulated(algorithm, coupled)
    monkeypatch.setattr(cpu_replica, "ROWS_AT_A_TIME", 2)
    source, found = simulated(algorithm, coupled)
    assert (source.count("def pass_") > whole.count("def pass_")) or coupled
    assert np.isfinite(expected).all()
    np.testing.assert_array_equal(found, expected)


def test_a_row_stays_with_its_velocity():
    lines = [
        line
        for k in range(9)
        for line in (
            f"g_{k} = c_{k} * x + decay * w_{k}",
            f"v_{k} = beta * v_{k} + g_{k}",
            f"w_{k} = w_{k} - rate * v_{k}",
        )
    ]
    rows = tuple(f"{name}_{k}" for name in "wv" for k in range(9))
    found = parts(Pass(tuple(lines), writes=rows))
    assert [part.writes for part in found] == [
        tuple(f"{name}_{k}" for k in group for name in "vw") for group in (range(4), range(4, 8), range(8, 9))
    ]
    assert [line for part in found for line in part.lines] == lines


def test_rows_that_depend_on_others_move_together():
    rows = tuple(f"w_{k}" for k in range(9))
    lines = [*(f"g_{k} = w_{(k + 1) % 9}" for k in range(9)), *(f"w_{k} = w_{k} - rate * g_{k}" for k in range(9))]
    operation = Pass(tuple(lines), writes=rows)
    assert parts(operation) == [operation]


def test_passes_of_few_rows_or_with_sums_stay_whole():
    few = Pass(("w_0 = c * x",), writes=("w_0",))
    summed = Pass(
        (*(f"w_{k} = c * x" for k in range(9)), "total += w_0"), tuple(f"w_{k}" for k in range(9)), ("total",)
    )
    assert parts(few) == [few]
    assert parts(summed) == [summed]
