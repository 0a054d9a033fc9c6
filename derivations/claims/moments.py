"""Claims about exact moments: acceptance rows of the moment equations, and mini-batch SGD on a real data set."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations, product
from math import factorial
from typing import Any

import numpy as np
import sympy
from sympy import Expr, Rational

from derivations.claims.claim import Body, ClaimNotRun, Evidence, Finding, Registry, close, exact, from_agreement
from derivations.claims.exhibits import Derivation
from numerics import compare, simulate, solve, spectral_radius, stationary as stationary_numbers
from theory import (
    SGD,
    Clock,
    Empirical,
    HeavyBall,
    HierarchyNotClosed,
    Model,
    MomentDoesNotExist,
    Nesterov,
    NesterovLookahead,
    Normal,
    NotStationary,
    Sampling,
    StudentT,
    Vector,
    dot,
    moments,
    stationary,
    symbols,
)

REGISTRY = Registry()

eta, s2 = symbols("eta s2", positive=True)
theta, x, y, e, h = symbols("theta x y e h")


@REGISTRY.claim(
    "regression-stationary-moments",
    "Gaussian regression in three dimensions: stationary second moments",
    Body.MOMENTS,
)
def regression_stationary_moments() -> list[Finding]:
    weights, inputs = symbols("w0:3"), symbols("x0:3")
    spectrum = (Rational(1), Rational(1, 2), Rational(1, 5))
    data = {**{xi: Normal(0, lam) for xi, lam in zip(inputs, spectrum, strict=True)}, e: Normal(0, Rational(1, 4))}
    model = Model((sum(a * b for a, b in zip(weights, inputs, strict=True)) - e) ** 2 / 2, weights, data)
    findings: list[Finding] = []
    for rate, batch, numbers in (
        (Rational(3, 10), 1, (0.08049026, 0.06628610, 0.05993956)),
        (Rational(6, 10), 4, (0.03669142, 0.02822417, 0.02479150)),
    ):
        recurrence = moments(model, SGD(learning_rate=eta, batch_size=batch))
        values = stationary_numbers(recurrence, at={eta: rate})
        findings.append(Derivation(recurrence, f"batch {batch}"))
        for weight, number in zip(weights, numbers, strict=True):
            findings.append(
                close(f"E {weight}^2 at rate {rate}, batch {batch}", number, float(values[f"{weight}**2"]), 5e-9)
            )
    return findings


def _momentum_model() -> Model:
    return Model(
        h * theta**2 / 2 + e * theta,
        [theta],
        {h: Normal(Rational(13, 10), Rational(1, 5)), e: Normal(0, Rational(1, 2))},
    )


@REGISTRY.claim(
    "momentum-stationary-variance",
    "stationary variance under heavy ball and both Nesterov forms, and direct SGD",
    Body.MOMENTS,
)
def momentum_stationary_variance() -> list[Finding]:
    findings: list[Finding] = []
    model = _momentum_model()
    for momentum, number in ((HeavyBall, 0.25284450), (Nesterov, 0.14975685), (NesterovLookahead, 0.26584167)):
        algorithm = SGD(learning_rate=Rational(2, 5), momentum=momentum(Rational(3, 5)))
        recurrence = moments(model, algorithm)
        value = float(stationary_numbers(recurrence)["theta**2"])
        findings.append(close(momentum.__name__, number, value, 5e-9))
        targets = moments(model, algorithm, of={"m1": theta, "m2": theta**2})
        prediction = solve(targets, start={theta: 1.0}, until=40)
        simulation = simulate(model, algorithm, observe=targets, start={theta: 1.0}, until=40, replicas=8192, seed=21)
        findings.append(Derivation(targets, momentum.__name__))
        findings += from_agreement(f"{momentum.__name__}, 8192 runs", compare(prediction, simulation))
    return findings


@REGISTRY.claim(
    "momentum-threshold", "heavy ball loses mean-square stability at learning rate 1.670682731", Body.MOMENTS
)
def momentum_threshold() -> list[Finding]:
    recurrence = moments(_momentum_model(), SGD(learning_rate=eta, momentum=HeavyBall(Rational(3, 5))))
    boundary = stationary(recurrence).boundaries[2]
    roots = [complex(root) for root in sympy.Poly(sympy.numer(sympy.together(boundary.expression)), eta).nroots(n=20)]
    smallest = min(root.real for root in roots if abs(root.imag) < 1e-15 and root.real > 1e-12)
    below, above = (spectral_radius(recurrence, at={eta: smallest * (1 + shift)}, degree=2) for shift in (-1e-6, 1e-6))
    return [
        Derivation(recurrence, "heavy ball"),
        Derivation(boundary, "where second moments lose stability"),
        close("first positive root of det(I - T_2)", 1.670682731, smallest, 5e-10),
        exact(
            "spectral radius just below and above",
            "below 1 < above",
            f"{below:.9f} < 1 < {above:.9f}",
            below < 1 < above,
        ),
    ]


@REGISTRY.claim(
    "batch-enumeration",
    "third moments of mini-batch SGD on five rational points equal full enumeration, exactly",
    Body.MOMENTS,
)
def batch_enumeration() -> list[Finding]:
    inputs = [Rational(1), Rational(-2, 3), Rational(1, 2), Rational(3, 4), Rational(-1, 5)]
    labels = [Rational(1, 2), Rational(1), Rational(-1, 3), Rational(2, 5), Rational(1, 7)]
    model = Model((theta * x - y) ** 2 / 2, [theta], {(x, y): Empirical(inputs, labels)})
    rate, start = Rational(1, 3), Rational(2, 7)
    findings: list[Finding] = []
    for batch in (1, 2, 3, 5):
        for mode in (Sampling.WITH_REPLACEMENT, Sampling.WITHOUT_REPLACEMENT):
            recurrence = moments(model, SGD(learning_rate=rate, batch_size=batch, sampling=mode), order=3)
            cubes = [m for m in recurrence.state if m.monomial == theta**3]
            images = {m: m.monomial.xreplace({theta: start}) for m in recurrence.state}
            derived = sympy.expand(recurrence.update[cubes[0]].xreplace(images))
            enumerated = _enumerated_cube(inputs, labels, rate, start, batch, mode)
            if batch == 2:
                findings.append(Derivation(recurrence, f"batch 2, {mode}"))
            findings.append(exact(f"{mode}, batch {batch}", enumerated, derived, derived == enumerated))
    return findings


def _enumerated_cube(
    inputs: list[Expr], labels: list[Expr], rate: Expr, start: Expr, batch: int, mode: Sampling
) -> Expr:
    """E theta'^3 by listing every batch."""
    indices = range(len(inputs))
    batches = (
        list(product(indices, repeat=batch))
        if mode == Sampling.WITH_REPLACEMENT
        else list(combinations(indices, batch))
    )
    total = sympy.S.Zero
    for chosen in batches:
        slope = sum(((start * inputs[i] - labels[i]) * inputs[i] for i in chosen), sympy.S.Zero) / batch
        total += (start - rate * slope) ** 3
    return total / len(batches)


@REGISTRY.claim(
    "refusals",
    "what has no answer is refused by name: cubic loss, heavy tails, no stationary variance",
    Body.MOMENTS,
)
def refusals() -> list[Evidence]:
    regression = Model((theta * x - e) ** 2 / 2, [theta], {x: Normal(), e: Normal()})
    cases: list[tuple[str, type[Exception], Callable[[], Any]]] = [
        (
            "cubic loss",
            HierarchyNotClosed,
            lambda: moments(Model(theta**3 * x, [theta], {x: Normal(1, 1)}), SGD(learning_rate=eta)),
        ),
        (
            "Student t3 input",
            MomentDoesNotExist,
            lambda: moments(
                Model((theta * x - e) ** 2 / 2, [theta], {x: StudentT(3), e: Normal()}), SGD(learning_rate=eta)
            ),
        ),
        ("a = 1, one sample", NotStationary, lambda: stationary(moments(regression, SGD(learning_rate=1)))),
        (
            "the same in floating point",
            NotStationary,
            lambda: stationary_numbers(moments(regression, SGD(learning_rate=1))),
        ),
    ]
    evidence = []
    for label, error, call in cases:
        try:
            call()
            got = "no error"
        except error as refusal:
            got = type(refusal).__name__
        evidence.append(exact(label, error.__name__, got, got == error.__name__))
    return evidence


def diabetes(features: int = 10) -> tuple[np.ndarray, np.ndarray]:
    """scikit-learn's bundled diabetes set: standardised features (the first few by correlation with the label) and label."""
    try:
        from sklearn.datasets import load_diabetes
    except ImportError:
        raise ClaimNotRun("it needs scikit-learn's bundled data: python -m pip install '.[test]'") from None
    inputs, labels = load_diabetes(return_X_y=True)
    inputs, labels = (inputs - inputs.mean(0)) / inputs.std(0), (labels - labels.mean()) / labels.std()
    strongest = np.argsort(-np.abs(inputs.T @ labels))[:features]
    return inputs[:, np.sort(strongest)], labels


def data_model(inputs: np.ndarray, labels: np.ndarray) -> Model:
    """Linear regression on arrays, in coordinates."""
    d = symbols("d", positive=True, integer=True)
    w, row = Vector("w", d), Vector("x", d)
    return Model((dot(w, row) - y) ** 2 / 2, [w], {(row, y): Empirical(inputs, labels)}).components()


@REGISTRY.claim(
    "diabetes-moments",
    "diabetes data, batches of 8 with and without replacement: first and second moments of all weights",
    Body.MOMENTS,
)
def diabetes_moments() -> list[Finding]:
    model = data_model(*diabetes())
    start = {parameter: 0.0 for parameter in model.parameters}
    findings: list[Finding] = []
    for mode in (Sampling.WITH_REPLACEMENT, Sampling.WITHOUT_REPLACEMENT):
        algorithm = SGD(learning_rate=eta, batch_size=8, sampling=mode)
        recurrence = moments(model, algorithm)
        at = {eta: 0.1}
        prediction = solve(recurrence, at=at, start=start, until=200)
        simulation = simulate(
            model, algorithm, at=at, observe=recurrence, start=start, until=200, replicas=2048, seed=31
        )
        findings += [Derivation(recurrence, str(mode)), *from_agreement(str(mode), compare(prediction, simulation))]
    return findings


@REGISTRY.claim(
    "diabetes-loss",
    "diabetes data, three features: mean and second moment of the training loss under mini-batch SGD",
    Body.MOMENTS,
)
def diabetes_loss() -> list[Finding]:
    inputs, labels = diabetes(3)
    model = data_model(inputs, labels)
    start = {parameter: 0.0 for parameter in model.parameters}
    findings: list[Finding] = []
    for mode in (Sampling.WITH_REPLACEMENT, Sampling.WITHOUT_REPLACEMENT):
        algorithm = SGD(learning_rate=eta, batch_size=8, sampling=mode)
        loss = moments(model, algorithm, of={"loss": model.loss}).statistics[
            "loss"
        ]  # the mean over the data, a polynomial
        recurrence = moments(model, algorithm, of={"loss": loss, "loss_squared": loss**2})
        prediction = solve(recurrence, at={eta: 0.3}, start=start, until=100)
        weights = {f"weight{i}": p for i, p in enumerate(model.parameters)}
        run = simulate(
            model,
            algorithm,
            at={eta: 0.3},
            observe=weights,
            clock=Clock.STEPS,
            start=start,
            until=100,
            replicas=4096,
            seed=32,
        )
        path = np.stack([run[name].values for name in weights], axis=-1)
        measured = ((path @ inputs.T - labels) ** 2).mean(axis=-1) / 2  # the loss itself, on the data, run by run
        simulation = run.drop_vars(list(weights)).assign(
            loss=(("replica", "time"), measured), loss_squared=(("replica", "time"), measured**2)
        )
        findings += [Derivation(recurrence, str(mode)), *from_agreement(str(mode), compare(prediction, simulation))]
    return findings


@REGISTRY.claim(
    "diabetes-stationary-covariance",
    "diabetes data at a large learning rate: the stationary covariance of all weights",
    Body.MOMENTS,
)
def diabetes_stationary_covariance() -> list[Finding]:
    model = data_model(*diabetes())
    algorithm = SGD(learning_rate=eta, batch_size=8, sampling=Sampling.WITHOUT_REPLACEMENT)
    recurrence = moments(model, algorithm)
    at = {eta: 0.25}
    radius = spectral_radius(recurrence, at=at)
    predicted = stationary_numbers(recurrence, at=at)
    steps = int(np.ceil(np.log(1e-7) / np.log(radius)))  # the start is forgotten to 10^-7
    start = {parameter: 0.0 for parameter in model.parameters}
    run = simulate(
        model, algorithm, at=at, observe=recurrence, start=start, until=steps, times=[steps], replicas=1024, seed=33
    )
    prediction = predicted.expand_dims(time=run.time.values).assign_attrs(clock=str(Clock.STEPS))
    return [
        Derivation(recurrence),
        *from_agreement(f"after {steps} steps, 1024 runs", compare(prediction, run)),
        exact("spectral radius below 1", "< 1", f"{radius:.6f}", radius < 1),
    ]


@REGISTRY.claim(
    "partition-weights",
    "set partitions carry the right weights: E of a product of batch means of constants is exact",
    Body.MOMENTS,
)
def partition_weights() -> list[Evidence]:
    from theory.moments.partitions import fresh_weight, set_partitions

    size = symbols("S", positive=True)
    evidence = []
    for slots in range(1, 6):
        total = sympy.expand(sum(fresh_weight(size, slots, len(p)) for p in set_partitions(slots)))
        count = len(set_partitions(slots))
        bell = sum(
            sum((-1) ** (k - j) * sympy.Integer(j) ** slots / (factorial(j) * factorial(k - j)) for j in range(k + 1))
            for k in range(slots + 1)
        )
        evidence.append(
            exact(
                f"{slots} slots: weights sum to one, Bell number of partitions",
                (1, bell),
                (total, count),
                total == 1 and count == bell,
            )
        )
    return evidence
