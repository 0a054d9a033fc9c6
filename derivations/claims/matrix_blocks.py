"""Claims about matrix blocks: spectra, operators, moments and certificates, against simulated products and direct SGD."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import sympy
from scipy import stats

from derivations.claims.claim import Body, Finding, Registry, close, exact, statistical
from derivations.claims.exhibits import Derivation, Runs
from numerics import (
    certificates,
    lyapunov_spectrum,
    mean_square_threshold,
    moment_exponents,
    simulate,
    solve,
    thresholds,
    transverse_exponents,
)
from theory import (
    SGD,
    Cauchy,
    Clock,
    Empirical,
    ExponentKind,
    HeavyBall,
    Model,
    Nesterov,
    NesterovLookahead,
    Normal,
    Sampling,
    Stability,
    Uniform,
    Vector,
    bernoulli,
    dot,
    invariant_sets,
    stability,
    symbols,
)
from theory.references import (
    GENERALISED_EXPONENTS,
    INTERPOLATING_MINIMA,
    ISOTROPIC_PRODUCTS,
    QR_ITERATION,
    STOCHASTIC_COLLAPSE,
)

REGISTRY = Registry()

n = symbols("n", positive=True, integer=True)
u, w, v, x, y, z, h = symbols("u w v x y z h")
eta = symbols("eta", positive=True)
POINTS = [[1, 0.5], [-0.3, 1.2], [0.8, -0.9], [0.2, 0.4]]
"""Four samples in the plane."""


def isotropic(dimension: int, algorithm: SGD | None = None) -> Stability:
    """The minimum of a regression without noise, isotropic Gaussian inputs."""
    weights, inputs = Vector("w", n), Vector("x", n)
    model = Model(dot(weights, inputs) ** 2 / 2, [weights], {inputs: Normal()}).components({n: dimension})
    return stability(model, algorithm or SGD(eta), point=dict.fromkeys(model.parameters, 0))


def four_points(algorithm: SGD) -> Stability:
    """The minimum of a regression without noise on four samples."""
    data = {(x, y): Empirical([row[0] for row in POINTS], [row[1] for row in POINTS])}
    return stability(Model((u * x + w * y) ** 2 / 2, [u, w], data), algorithm, point={u: 0, w: 0})


def _against_runs(label: str, result: Stability, at: Mapping[Any, Any], seed: int) -> list[Finding]:
    """The predicted spectrum of the only block against its simulated random map."""
    predicted = lyapunov_spectrum(result, at=at)
    runs = lyapunov_spectrum(result.blocks[0].random_map(1), at=at, steps=10_000, replicas=64, seed=seed)
    findings: list[Finding] = []
    for index in range(runs.sizes["exponent"]):
        number, measured = float(predicted["spectrum"][0, index]), float(runs["spectrum"][index])
        error = float(np.hypot(runs["standard_error"][index], predicted["error"][0, index]))
        p_value = 2 * float(stats.t.sf(abs(measured - number) / error, 63))
        findings.append(statistical(f"Lambda_{index + 1}, {label}, QR", number, measured, error, p_value))
    return [*findings, Runs.of(f"{label}, simulated products", runs)]


@REGISTRY.claim(
    "isotropic-regression-spectra",
    "regression on isotropic Gaussian inputs: Lyapunov spectra from the law of one step, against simulated products",
    Body.MOMENTS,
    references=(
        ISOTROPIC_PRODUCTS,
        QR_ITERATION,
    ),
)
def isotropic_regression_spectra() -> list[Finding]:
    findings: list[Finding] = [Derivation(isotropic(3))]
    for dimension, rate, spectrum in (
        (3, 0.5, (-0.053658, -0.156762, -0.426524)),
        (5, 0.4, (0.036083, -0.005335, -0.045844, -0.108346, -0.290103)),
    ):
        result = isotropic(dimension)
        predicted = lyapunov_spectrum(result, at={eta: rate})
        for index, number in enumerate(spectrum):
            label = f"Lambda_{index + 1}, d = {dimension}, rate {rate}"
            findings.append(close(label, number, float(predicted["spectrum"][0, index]), 2e-6))
        findings += _against_runs(f"d = {dimension}, rate {rate}", result, {eta: rate}, seed=10)
    plane = isotropic(2)
    (end,) = thresholds(plane, of=eta, between=(0.01, 1.5)).modes[0].intervals[0][1:]
    findings += [
        close(
            "Lambda_1, d = 2, rate 0.7", -0.111763062616302, float(solve(plane, at={eta: 0.7})["exponent"][0]), 1e-10
        ),
        close("threshold in probability, d = 2", 0.937087371920, end, 1e-9),
        close("threshold in mean square, d = 2", 0.5, mean_square_threshold(plane).value, 1e-9),
        close("threshold in mean square, d = 7", 2 / 9, mean_square_threshold(isotropic(7)).value, 1e-9),
    ]
    return findings


@REGISTRY.claim(
    "four-samples-in-the-plane",
    "regression on four samples: stable in mean square, unstable in the fourth moment; operators, sums and certificates",
    Body.MOMENTS,
    references=(GENERALISED_EXPONENTS,),
)
def four_samples_in_the_plane() -> list[Finding]:
    result = four_points(SGD(eta))
    findings: list[Finding] = [Derivation(result)]
    for rate, top, first, second, fourth, total, digits in (
        (1.4, -0.03077013, -0.01997415, -0.02368311, 0.00207486, -0.11346156, 5e-9),
        (1.0, -0.296373, -0.2486527, -0.4151361, -0.6049439, -0.7607060, 5e-8),
    ):
        at = {eta: rate}
        spectrum = lyapunov_spectrum(result, at=at)
        powers = moment_exponents(result, orders=[1, 2, 4], at=at)["moment_exponent"].values[0]
        leading, error = float(spectrum["spectrum"][0, 0]), float(spectrum["error"][0, 0])
        slack = 5e-9 if rate > 1 else 1e-6
        if ExponentKind(str(spectrum["kind"].values[0])) == ExponentKind.MONTE_CARLO:
            p_value = 2 * float(stats.t.sf(abs(leading - top) / np.hypot(error, slack), 63))
            findings.append(
                statistical(f"Lambda_1 at rate {rate}", top, leading, float(np.hypot(error, slack)), p_value)
            )
        else:
            findings.append(close(f"Lambda_1 at rate {rate}", top, leading, max(slack, error)))
        findings += [
            close(f"L({order}) at rate {rate}", number, float(value), digits)
            for order, number, value in zip((1, 2, 4), (first, second, fourth), powers, strict=True)
        ]
        findings.append(close(f"sum of exponents at rate {rate}", total, float(spectrum["determinant"][0]), digits))
    proofs = [proof for proof in certificates(result, at={eta: 1.4}) if proof.is_proof and proof.upper is not None]
    proved = [proof for proof in proofs if proof.upper is not None and proof.upper < 0 and proof.check()]
    findings.append(
        exact(
            "stability in probability at rate 1.4, proved in rational arithmetic",
            "a form X > 0 with X - E A^T X A > 0",
            proved[0].statement if proved else "no proof",
            bool(proved),
        )
    )
    return findings


@REGISTRY.claim(
    "momentum-and-cauchy-curvature",
    "momentum: Cauchy curvature in closed form at complex curvature, the sum rule, and the mean-square threshold",
    Body.MOMENTS,
    references=(QR_ITERATION,),
)
def momentum_and_cauchy_curvature() -> list[Finding]:
    findings: list[Finding] = []
    for centre, scale, rate, beta, number in (
        (1.0, 0.5, 0.6, 0.9, 0.158760813),
        (1.0, 0.5, 0.6, 0.0, -np.log(2)),
        (1.2, 1.0, 0.5, 0.3, -0.075807020),
    ):
        model = Model(h * w**2 / 2, [w], {h: Cauchy(centre, scale)})
        algorithm = SGD(eta, momentum=HeavyBall(beta)) if beta else SGD(eta)
        result = stability(model, algorithm, point={w: 0})
        label = f"Lambda, Cauchy({centre}, {scale}) curvature, rate {rate}, beta {beta}"
        findings.append(close(label, float(number), float(solve(result, at={eta: rate})["exponent"][0]), 5e-10))
        if beta:
            findings += [Derivation(result, label), *_against_runs(label, result, {eta: rate}, seed=14)]
    noisy = Model(h * w**2 / 2, [w], {h: Normal(1.3, 0.2)})
    heavy = stability(noisy, SGD(eta, momentum=HeavyBall(0.6)), point={w: 0})
    findings.append(
        close(
            "threshold in mean square, heavy ball, noisy curvature",
            1.670682731,
            mean_square_threshold(heavy).value,
            5e-9,
        )
    )
    for momentum in (Nesterov(0.6), NesterovLookahead(0.6)):
        found = mean_square_threshold(stability(noisy, SGD(eta, momentum=momentum), point={w: 0}))
        findings.append(
            close(
                f"threshold in mean square, {type(momentum).__name__}: L(2) vanishes there",
                0.0,
                float(
                    moment_exponents(
                        stability(noisy, SGD(eta, momentum=momentum), point={w: 0}), orders=[2], at={eta: found.value}
                    )["moment_exponent"][0, 0]
                ),
                1e-8 + found.error,
            )
        )
    return findings


@REGISTRY.claim(
    "sampling-modes",
    "regression on four samples, every way of drawing batches: exponents against direct SGD that carries its logarithm",
    Body.MOMENTS,
)
def sampling_modes() -> list[Finding]:
    findings: list[Finding] = []
    data = {(x, y): Empirical([row[0] for row in POINTS], [row[1] for row in POINTS])}
    model = Model((u * x + w * y) ** 2 / 2, [u, w], data)
    for mode, batch in (
        (Sampling.WITH_REPLACEMENT, 2),
        (Sampling.WITHOUT_REPLACEMENT, 2),
        (Sampling.RESHUFFLED, 2),
        (Sampling.CYCLIC, 2),
        (bernoulli(0.5), 1),
    ):
        algorithm = SGD(eta, batch_size=batch, sampling=mode)
        result = stability(model, algorithm, point={u: 0, w: 0})
        at = {eta: 1.1}
        solved = solve(result, at=at)
        exponent, error = float(solved["exponent"][0]), float(solved["exponent_error"][0])
        measured, spread, runs = _direct_rate(model, algorithm, at)
        total = float(np.hypot(spread, error if str(solved["kind"].values[0]) == ExponentKind.MONTE_CARLO else 0.0))
        if mode == Sampling.CYCLIC:  # a deterministic product: only its transient and rounding are left
            findings.append(close(f"Lambda, {mode}", exponent, measured, _transient(result, at)))
        else:
            p_value = 2 * float(stats.t.sf(abs(measured - exponent) / total, REPLICAS - 1))
            findings.append(
                statistical(f"Lambda, {mode} ({solved['kind'].values[0]})", exponent, measured, total, p_value)
            )
        findings.append(Runs.of(f"direct SGD, {mode}", runs))
    return findings


REPLICAS, FIRST, LAST = 256, 40, 240
"""Direct SGD is read between two steps: before the first the direction still settles, after the last numbers get small."""


def _transient(result: Stability, at: Mapping[Any, Any]) -> float:
    """What the second direction leaves of a growth rate of a product without chance, and the rounding of its logarithms.

    Of `REPLICAS` random starts the least favourable has a share of about 1/`REPLICAS` along the first direction.
    """
    first, second = lyapunov_spectrum(result, at=at)["spectrum"].values[0]
    rounding = 8 * np.finfo(float).eps * abs(first) * LAST
    return float((REPLICAS * np.exp(FIRST * (second - first)) + rounding) / (LAST - FIRST)) + rounding


def _direct_rate(model: Model, algorithm: SGD, at: Mapping[Any, Any]) -> tuple[float, float, Any]:
    """The growth rate of the distance of direct SGD from its minimum, and its standard error."""
    runs = simulate(
        model, algorithm, at=at, observe={"u": u, "w": w}, clock=Clock.STEPS, start={u: Normal(), w: Normal()},
        until=LAST, times=[0, FIRST, LAST], replicas=REPLICAS, seed=12,
    )  # fmt: skip
    distance = np.log(np.hypot(runs["u"].values, runs["w"].values))
    rates = (distance[:, 2] - distance[:, 1]) / (LAST - FIRST)
    return float(rates.mean()), float(rates.std(ddof=1) / np.sqrt(REPLICAS)), runs


@REGISTRY.claim(
    "interpolating-minima",
    "a valley of interpolating minima uw = 1: the exponent across it, its sharpest stable point, and direct SGD beside it",
    Body.MOMENTS,
    references=(INTERPOLATING_MINIMA,),
)
def interpolating_minima() -> list[Finding]:
    t = symbols("t", positive=True)
    model = Model((u * w * x - x) ** 2 / 2, [u, w], {x: Normal()})
    result = stability(model, SGD(eta), point={u: t, w: 1 / t})
    along, across = sorted(result.blocks, key=lambda block: not block.is_neutral)
    curvature = sympy.simplify(across.curvature[0, 0] - (t**2 + t**-2) * x**2)
    findings: list[Finding] = [
        Derivation(result),
        exact("along the valley nothing moves", "neutral", "neutral" if along.is_silent else "not", along.is_silent),
        exact("curvature across the valley", "(t^2 + 1/t^2) x^2", str(across.curvature[0, 0]), curvature == 0),
    ]
    stable = thresholds(result, of=t, between=(1.0, 5.0), at={eta: 0.4}).mode(across.name)
    sharpest = 2.42124952104 / 0.4
    end = float(sympy.sqrt((sharpest + sympy.sqrt(sharpest**2 - 4)) / 2))
    findings.append(close("furthest stable point of the valley, rate 0.4", end, stable.intervals[0][1], 1e-9))
    for place in (1.2, 3.0):
        at = {eta: 0.4, t: place}
        exponent = float(solve(result, at=at)["exponent"].sel(mode=across.name))
        runs = simulate(
            model, SGD(eta), at={eta: 0.4}, observe={"u": u, "w": w}, clock=Clock.STEPS,
            start={u: Normal(place, 1e-10), w: 1 / place}, until=12, times=[0, 12], replicas=4096, seed=27,
        )  # fmt: skip
        distance = np.log(np.abs(runs["u"].values * runs["w"].values - 1))
        rates = (distance[:, 1] - distance[:, 0]) / 12
        spread = float(rates.std(ddof=1) / np.sqrt(len(rates)))
        p_value = 2 * float(stats.t.sf(abs(rates.mean() - exponent) / spread, len(rates) - 1))
        findings += [
            statistical(
                f"growth of |uw - 1| from t = {place}, direct SGD", exponent, float(rates.mean()), spread, p_value
            ),
            Runs.of(f"direct SGD from t = {place}", runs),
        ]
    return findings


@REGISTRY.claim(
    "stochastic-collapse",
    "a dead neuron beside a live weight that fluctuates: invariant sets, transverse exponents, and whether direct SGD keeps it dead",
    Body.MOMENTS,
    references=(STOCHASTIC_COLLAPSE,),
)
def stochastic_collapse() -> list[Finding]:
    a, b, s = symbols("a b s")
    laws = {x: Uniform(-1.5, 1.5), y: Uniform(-1.5, 1.5), s: Uniform(-2, 2)}
    model = Model((u * x + a * b * y - x - y / 5 - s) ** 2 / 2, [u, a, b], laws)
    dead = next(found for found in invariant_sets(model) if str(found) == "InvariantSet(a = 0, b = 0)")
    findings: list[Finding] = [
        exact(
            "the dead neuron is an invariant set",
            "InvariantSet(a = 0, b = 0)",
            str(dead),
            str(dead).endswith("(a = 0, b = 0)"),
        )
    ]
    near = {a: Normal(0, 1e-30), b: Normal(0, 1e-30)}
    live = {u: 1.0}
    for rate in (0.1, 0.6):
        found = transverse_exponents(
            model, SGD(eta), dead, at={eta: rate}, start=live, steps=4000, replicas=64, seed=24
        )
        number, error = float(found["spectrum"][0]), float(found["standard_error"][0])
        measured, spread, runs = _transverse_rate(model, {eta: rate}, {**live, **near}, a, b)
        total = float(np.hypot(error, spread))
        p_value = 2 * float(stats.t.sf(abs(measured - number) / total, 63))
        findings += [
            exact(
                f"at rate {rate} the dead neuron",
                "awakens" if rate < 0.2 else "stays dead",
                "awakens" if number > 5 * error else "stays dead" if number < -5 * error else "undecided",
                (number > 5 * error) if rate < 0.2 else (number < -5 * error),
            ),
            statistical(f"growth of the dead neuron at rate {rate}, direct SGD", number, measured, total, p_value),
            Runs.of(f"direct SGD at rate {rate}", runs),
        ]
    return findings


def _transverse_rate(
    model: Model, at: Mapping[Any, Any], start: Mapping[Any, Any], a: Any, b: Any
) -> tuple[float, float, Any]:
    """The growth rate of |(a, b)| in direct SGD while it is small."""
    runs = simulate(
        model, SGD(eta), at=at, observe={"a": a, "b": b}, clock=Clock.STEPS, start=start, until=600, times=[0, 200, 600],
        replicas=REPLICAS, seed=25,
    )  # fmt: skip
    distance = np.log(np.hypot(runs["a"].values, runs["b"].values))
    rates = (distance[:, 2] - distance[:, 1]) / 400
    return float(rates.mean()), float(rates.std(ddof=1) / np.sqrt(REPLICAS)), runs
