"""Claims about the machine: draws that are what they say, and simulations in three ways that have one law."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
import sympy
from scipy import stats
from sympy import Expr, ImmutableDenseMatrix, erf, sqrt

from derivations.claims.claim import Body, ClaimNotRun, Evidence, Finding, Registry, exact, from_agreement, statistical
from derivations.claims.exhibits import Derivation, Drawing, GeneratedCode, Runs
from numerics import EulerMaruyama, Method, Milstein, Precision, Target, compare, simulate, solve
from numerics.figures import plot_distributions
from theory import (
    SDE,
    SGD,
    Clock,
    Discrete,
    HeavyBall,
    Model,
    Normal,
    Vector,
    dot,
    moments,
    scaling_limit,
    symbols,
    vectors,
)
from theory.references import Reference

REGISTRY = Registry()

n, c, tau, eta, p = symbols("n c tau eta p", positive=True)
xi, x, s, u, w1, w2, y = symbols("xi x s u w1 w2 y")
w, v, z = Vector("w", n), Vector("v", n), Vector("z", n)
STATISTICS = {"m": dot(w, v), "q": dot(w, w)}
RANDOM123 = Reference(
    "salmon2011parallel",
    "Salmon, John K. and Moraes, Mark A. and Dror, Ron O. and Shaw, David E.",
    "Parallel random numbers: as easy as 1, 2, 3",
    2011,
    journal="Proceedings of the International Conference for High Performance Computing (SC11)",
)
KNOWN_ANSWERS = (  # counter; key; output of Philox4x32-10, from Random123's kat_vectors
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
)


def erf_unit() -> Model:
    """One erf unit taught by another, with label noise."""
    student, teacher = erf(dot(w, z) / sqrt(2)), erf(dot(v, z) / sqrt(2))
    return Model((student - teacher - tau * xi) ** 2 / 2, [w], {z: Normal(), xi: Normal()}, {dot(v, v): 1})


def two_units() -> Model:
    """Two trained tanh units with trained outputs, on a two-class input."""
    one, two = vectors("w", n, count=2)
    mu, centre = Vector("mu", n), Vector("centre", n)
    label, out1, out2 = symbols("label out1 out2")
    data = {(centre, label): Discrete([((mu, 1), 0.5), ((-mu, -1), 0.5)]), z: Normal()}
    point = centre + z / 2
    output = out1 * sympy.tanh(dot(one, point)) + out2 * sympy.tanh(dot(two, point))
    return Model((output - label) ** 2 / 2, [one, two, out1, out2], data, {dot(mu, mu): 1})


@REGISTRY.claim("philox-known-answers", "the generator is Philox4x32-10: Random123's known answers", Body.KERNELS,
                references=(RANDOM123,))  # fmt: skip
def philox_known_answers() -> list[Evidence]:
    from numerics.random import philox4x32

    return [
        exact(f"counter {counter[0]:08x}...", [f"{word:08x}" for word in output], [f"{int(word):08x}" for word in found],
              tuple(map(int, found)) == output)
        for counter, key, output in KNOWN_ANSWERS
        for found in [philox4x32(*counter, *key)]
    ]  # fmt: skip


def _in_law(
    model: Model, algorithm: SGD, at: dict[Any, float], observe: dict[str, Expr], start: dict[Any, Any], **options: Any
) -> list[Finding]:
    """Kolmogorov-Smirnov p-values of the chain against direct SGD, one per statistic, at the last step."""
    found: list[Finding] = []
    samples: dict[str, tuple[Any, ...]] = {}
    runs = {
        method: simulate(
            model, algorithm, observe=observe, start=start, at=at, clock=Clock.STEPS, times=[options["until"]],
            method=method, seed=seed, **options,
        )
        for seed, method in enumerate(Method, start=11)
    }  # fmt: skip
    for name in observe:
        one, other = samples[name] = tuple(runs[method][name].values[:, -1] for method in Method)
        test = stats.ks_2samp(one, other)
        label = f"n = {at[n]:g}, {name} after {options['until']} steps, {one.size} runs each way"
        found.append(Evidence(label, "one law", f"distance {test.statistic:.4f}", p_values=(float(test.pvalue),)))
    stated = f"n = {at[n]:g}, {options['until']} steps, batch {algorithm.batch_size}"
    names = tuple(map(str, Method))
    drawing = Drawing(f"Distribution functions, {stated}", draw=lambda: plot_distributions(samples, names=names))
    return [drawing, *(Runs.of(f"{stated}, {method}", run) for method, run in runs.items()), *found]


@REGISTRY.claim(
    "chain-in-law",
    "the chain of inner products has the law of direct SGD at n = 50 and 200: Kolmogorov-Smirnov",
    Body.KERNELS,
)
def chain_in_law() -> list[Finding]:
    unit, at = erf_unit(), {c: 1.5, tau: 0.3}
    start = {"m": 0.2, "q": 0.6}
    findings: list[Finding] = []
    for size in (50, 200):
        findings += _in_law(unit, SGD(c / n), {**at, n: size}, STATISTICS, start, until=2 * size, replicas=4000)
        findings += _in_law(
            unit, SGD(c / n, batch_size=3, momentum=HeavyBall(0.5), weight_decay=0.2), {**at, n: size}, STATISTICS, start,
            until=size, replicas=2000,
        )  # fmt: skip
    net = two_units()
    one, two = net.vector_parameters
    out1, out2 = net.scalar_parameters
    mu = net.signals[0]
    observe = {"m1": dot(one, mu), "q12": dot(one, two), "output": out1}
    begin = {
        dot(one, one): 1,
        dot(two, two): 0.5,
        dot(one, two): 0.1,
        "m1": 0.2,
        dot(two, mu): -0.1,
        out1: 1,
        out2: -0.6,
    }
    return [*findings, *_in_law(net, SGD(c / n), {c: 0.5, n: 50}, observe, begin, until=100, replicas=4000)]


@REGISTRY.claim(
    "erf-unit-large-n",
    "an erf unit at n = 10^6, c = 1.5, tau = 0.3, t = 4: the chain against the limit ODE",
    Body.KERNELS,
)
def erf_unit_large_n() -> list[Finding]:
    model, algorithm, at = erf_unit(), SGD(c / n), {c: 1.5, tau: 0.3}
    limit = scaling_limit(model, algorithm, statistics=STATISTICS)
    start = {"m": 0.2, "q": 0.6}
    prediction = solve(limit, at=at, start=start, until=4)
    # 8 runs: the bias of order 1/n is a thousandth of their standard error of order n^(-1/2)
    simulation = simulate(
        model,
        algorithm,
        at={**at, n: 1e6},
        observe=limit,
        start=start,
        until=4,
        replicas=8,
        seed=3,
        method=Method.CHAIN,
    )
    found = {name: float(prediction[name].values[-1]) for name in STATISTICS}
    evidence = [
        exact(f"{name} at t = 4 to five digits", value, f"{found[name]:.6f}", round(found[name], 5) == value)
        for name, value in {"m": 0.82073, "q": 0.91676}.items()
    ]
    return [Derivation(limit), *evidence, *from_agreement("n = 10^6, 8 runs", compare(prediction, simulation))]


@REGISTRY.claim(
    "ensemble-moments",
    "10^5 replicas of a linear unit in single precision, as vector instructions, against exact moments",
    Body.KERNELS,
)
def ensemble_moments() -> list[Finding]:
    model = Model(
        (w1 * x + w2 * s - y) ** 2 / 2, [w1, w2], {x: Normal(), s: Discrete({1: 1 - p, -1: p}), y: Normal(1, 2)}
    )
    algorithm = SGD(eta, batch_size=2, momentum=HeavyBall(0.5))
    observe = {"w1": w1, "w2": w2, "w1_w2": w1 * w2, "w1_squared": w1**2}
    recurrence = moments(model, algorithm, of=observe)
    at, start = {eta: 0.05, p: 0.25}, {w1: 1.0, w2: -0.5}
    prediction = solve(recurrence, at=at, start=start, until=40)
    simulation = simulate(
        model, algorithm, observe=recurrence, start=start, at=at, until=40, replicas=100_000, seed=2,
        precision=Precision.FLOAT32,
    )  # fmt: skip
    return [Derivation(recurrence), *from_agreement("100,000 runs", compare(prediction, simulation))]


@REGISTRY.claim(
    "ito",
    "du = a u dt + b u dB is integrated in the sense of Ito: E u and E u^2, which Stratonovich misses",
    Body.KERNELS,
)
def ito() -> list[Finding]:
    a, b = sympy.Rational(1, 2), sympy.Rational(4, 5)
    equations = SDE(rates={u: a * u}, covariance=ImmutableDenseMatrix([[b**2 * u**2]]))
    findings: list[Finding] = [Derivation(equations)]
    replicas = 40_000
    for number, method in enumerate((EulerMaruyama(steps=400), Milstein(steps=400)), start=5):
        path = solve(equations, start={"u": 1.0}, until=1.0, times=[1.0], method=method, replicas=replicas, seed=number)
        values = path["u"].values[:, -1]
        findings.append(Runs.of(type(method).__name__, path))
        # the moments of the scheme itself, which differ from those of the equation by a known O(1/steps)
        step = 1.0 / 400
        second = (1 + float(a) * step) ** 2 + float(b) ** 2 * step
        second += float(b) ** 4 * step**2 / 2 if isinstance(method, Milstein) else 0.0
        expected = {1: (1 + float(a) * step) ** 400, 2: second**400}
        for power, value in expected.items():
            sample = values**power
            error = float(sample.std(ddof=1) / np.sqrt(replicas))
            chance = float(2 * stats.norm.sf(abs(sample.mean() - value) / error))
            findings.append(
                statistical(f"E u^{power} by {type(method).__name__}", value, float(sample.mean()), error, chance)
            )
        other = float(np.exp(float(a) + float(b) ** 2 / 2))
        far = (other - values.mean()) / (values.std(ddof=1) / np.sqrt(replicas))
        findings.append(
            exact("E u of Stratonovich is excluded", f"{other:.4f}", f"{far:.0f} standard errors away", far > 5)
        )
    return findings


@REGISTRY.claim(
    "device-code", "every shipped kind of kernel becomes PTX for compute capability 9.0 without a spill", Body.KERNELS
)
def device_code() -> list[Finding]:
    if importlib.util.find_spec("numba_cuda") is None:
        raise ClaimNotRun("the CUDA compiler is not installed; python -m pip install 'sgd-theory[cuda]'")
    from numerics.templates.sgd import sgd_program

    scalar = Model((u * s * x - x) ** 2 / 2, [u, s], {x: Normal()})
    programs: dict[str, tuple[Model, SGD, dict[str, Expr], dict[Any, float]]] = {
        "direct SGD of an erf unit": (erf_unit(), SGD(c / n), STATISTICS, {c: 1, tau: 1, n: 100}),
        "an ensemble of scalar nets": (scalar, SGD(eta), {"u": u}, {eta: 0.1}),
    }
    findings: list[Finding] = []
    for name, (model, algorithm, observe, values) in programs.items():
        for precision in Precision:
            kernel = sgd_program(model, algorithm, observe, values, target=Target.CUDA, precision=precision).kernel
            found = kernel.resources()
            text = f"{found.spills} bytes, {found.registers} registers"
            findings.append(exact(f"spills of {name}, {precision}", "0 bytes", text, found.spills == 0))
        findings.append(GeneratedCode(f"{name}, {precision}, for a GPU", kernel.source))
    return findings
