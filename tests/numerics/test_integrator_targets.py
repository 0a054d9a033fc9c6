"""The integrators are the same programs on every target and in both precisions: the same numbers up to rounding."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import sympy
from integration_cases import CYCLE, METHODS, PROGRAMS, SPREAD, everything, pair, paths

from numerics import DormandPrince, Milstein, Precision, RungeKutta4, Target, solve
from numerics.templates.arrays import array_function
from numerics.templates.ode import dormand_prince_program, runge_kutta_program
from numerics.templates.sde import sde_program
from theory import Quadrature, symbols
from theory.expectation.quadrature import GaussianQuadrature

ROOT = Path(__file__).parents[2]


def test_the_simulated_device_computes_the_trajectories_and_paths_of_the_cpu(tmp_path):
    """At most 120 steps, each with roundings of its own since contraction into multiply-adds differs.

    The estimate of an adaptive step's error moves by about 50 roundings over the tolerance, relatively, and that part of the error of
    the solution, some 20 tolerances, moves with it: 1000 roundings, whatever the tolerance.
    """
    pytest.importorskip("numba_cuda", reason="the simulator comes with numba-cuda")
    environment = {**os.environ, "NUMBA_ENABLE_CUDASIM": "1", "PYTHONPATH": str(ROOT)}
    script = Path(__file__).with_name("integration_cases.py")
    command = [sys.executable, str(script), str(tmp_path / "found.npz")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    found, expected = np.load(tmp_path / "found.npz"), everything(Target.CPU)
    assert set(found) == set(expected)
    np.testing.assert_allclose(found["failed_at"], expected["failed_at"], rtol=1e-9)
    for precision in Precision:
        for name in (*METHODS, *PROGRAMS):
            key = f"{name}, {precision}"
            scale = max(1.0, float(np.abs(expected[key]).max()))
            allowed = (1120 if name == "adaptive" else 120) * precision.epsilon * scale
            np.testing.assert_allclose(found[key], expected[key], atol=allowed, rtol=0)


# ----------------------------------------------------------------------------------------------------------- precision


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_single_precision_trajectories_follow_double_precision(method):
    """A limit cycle forgets errors of the radius; those of the phase add up over at most 120 steps of one rounding each."""
    single = solve(CYCLE, **SPREAD, method=method, precision=Precision.FLOAT32)
    assert single["x"].dtype == single["r2"].dtype == np.float32
    double = solve(CYCLE, **SPREAD, method=method)
    tolerance = 20 * method.tolerances(Precision.FLOAT32)[0] if isinstance(method, DormandPrince) else 0
    np.testing.assert_allclose(pair(single), pair(double), atol=120 * Precision.FLOAT32.epsilon + tolerance)


@pytest.mark.parametrize("name", PROGRAMS)
def test_single_precision_paths_are_those_of_double_precision(name):
    """The increments are the same numbers, rounded: 25 steps of a few roundings each."""
    equations, method = PROGRAMS[name]
    single, double = (paths(equations, method, replicas=8, precision=p)["x"] for p in Precision)
    assert single.dtype == np.float32
    scale = max(1.0, float(np.abs(double).max()))
    np.testing.assert_allclose(single, double, atol=25 * 8 * Precision.FLOAT32.epsilon * scale)


# ----------------------------------------------------------------------------------------------------------- registers

ODE_REGISTERS = {
    (dormand_prince_program, Precision.FLOAT32): 80,
    (dormand_prince_program, Precision.FLOAT64): 128,
    (runge_kutta_program, Precision.FLOAT32): 48,
    (runge_kutta_program, Precision.FLOAT64): 64,
}
PATH_REGISTERS = {"Euler-Maruyama": 96, "Milstein": 96, "correlated": 128}


def resources(kernel):
    pytest.importorskip("numba_cuda", reason="PTX needs the CUDA compiler packages")
    return kernel.resources((9, 0))


@pytest.mark.parametrize(("build", "precision"), ODE_REGISTERS, ids=[f"{b.__name__}, {p}" for b, p in ODE_REGISTERS])
def test_a_system_of_two_states_lives_in_registers(build, precision):
    machine = {"target": Target.CUDA, "precision": precision}
    rates = array_function("rates", list(CYCLE.rates.values()), CYCLE.state, CYCLE.free_symbols, **machine)
    found = resources(build(rates).kernel)
    assert (found.spills, found.stack) == (0, 0)
    assert found.registers <= ODE_REGISTERS[build, precision]


@pytest.mark.parametrize("precision", Precision)
@pytest.mark.parametrize("name", PROGRAMS)
def test_paths_spill_no_register(name, precision):
    equations, method = PROGRAMS[name]
    program = sde_program(equations, milstein=isinstance(method, Milstein), target=Target.CUDA, precision=precision)
    found = resources(program.kernel)
    assert found.spills == 0
    assert found.registers <= PATH_REGISTERS[name]
    # pivots are chosen at run time, so that small arrays are addressed in memory
    assert found.stack <= (64 if name == "correlated" else 0)


def test_quadratures_are_compiled_for_a_device():
    s, x, a = symbols("s x a")
    gaussian = GaussianQuadrature(sympy.tanh(a * s) ** 2, [s], [[1 + x**2]])
    density = Quadrature(sympy.tanh(a * s), s, sympy.exp(-s), sympy.S.Zero, sympy.oo)
    machine = {"target": Target.CUDA, "precision": Precision.FLOAT32}
    rates = array_function("rates", [gaussian + density - x], [x], [a], **machine)
    assert resources(runge_kutta_program(rates).kernel).spills == 0


@pytest.mark.slow
@pytest.mark.gpu
def test_a_device_computes_the_trajectories_and_paths_of_the_cpu():
    found, expected = everything(Target.CUDA), everything(Target.CPU)
    for name, values in expected.items():
        epsilon = Precision.FLOAT32.epsilon if "float32" in name else Precision.FLOAT64.epsilon
        scale = max(1.0, float(np.nanmax(np.abs(values))))
        tolerance = 1e-9 if name == "failed_at" else 1000 * epsilon * scale
        np.testing.assert_allclose(found[name], values, atol=tolerance, rtol=0, err_msg=name)
    many = {"at": {"a": np.linspace(0.5, 1.5, 100_000)}, "start": {"x": 0.3, "y": 0.0}, "until": 4, "times": [4.0]}
    radius = solve(CYCLE, **many, method=RungeKutta4(steps=400), target=Target.CUDA)["r2"].values[:, 0]
    exact = 1 / (1 + (0.3**-2 - 1) * np.exp(-8 * many["at"]["a"]))
    np.testing.assert_allclose(radius, exact, atol=1e-8)
