"""Claims about the language: the dimension-free calculus is exact, for models that no formula was written for."""

from __future__ import annotations

from typing import Any

import sympy
from sympy import Expr, Rational

from derivations.claims.claim import Body, Finding, Registry, exact, from_agreement
from derivations.claims.exhibits import Derivation, Formulas
from numerics import compare, simulate, solve
from theory import SGD, Discrete, Model, Normal, Rademacher, Vector, dot, gradient, moments, symbols, vectors
from theory.components import component_symbols
from theory.equations import Display, gradient_coefficient

REGISTRY = Registry()

n, c, tau, snr = symbols("n c tau snr", positive=True)
xi, y, a = symbols("xi y a")
w, v, z, centre, mu, nu = (Vector(name, n) for name in ("w", "v", "z", "centre", "mu", "nu"))
v1, v2 = vectors("v", n, count=2)


def general_models() -> dict[str, tuple[Model, SGD, dict[Any, float]]]:
    """Models that the derivations were not written for, each with an algorithm and a start (inner products)."""
    step = SGD(learning_rate=c / n)
    teacher = {dot(v, v): 1}
    return {
        "quartic": (
            Model((dot(w, z) ** 2 - dot(v, z) ** 2) ** 2 / 4, [w], {z: Normal()}, teacher),
            step,
            {dot(v, w): 0.4, dot(w, w): 0.8},
        ),
        "ridge": (
            Model((dot(w, z) - dot(v, z) - tau * xi) ** 2 / 2, [w], {z: Normal(), xi: Normal()}, teacher),
            SGD(learning_rate=c / n, weight_decay=Rational(1, 2)),
            {dot(v, w): 0.4, dot(w, w): 0.8},
        ),
        "two classes": (
            Model(
                (dot(w, centre + z / sympy.sqrt(snr)) - y) ** 2 / 2,
                [w],
                {(centre, y): Discrete([((mu, 1), Rational(1, 3)), ((nu, -1), Rational(2, 3))]), z: Normal()},
                {dot(mu, mu): 1, dot(nu, nu): 2, dot(mu, nu): Rational(1, 2)},
            ),
            SGD(learning_rate=c / n, batch_size=2),
            {dot(w, mu): 0.3, dot(w, nu): -0.2, dot(w, w): 0.7},
        ),
        "rank-two teacher": (
            Model(
                (dot(w, z) ** 2 - dot(v1, z) * dot(v2, z)) ** 2 / 8,
                [w],
                {z: Normal()},
                {dot(v1, v1): 1, dot(v2, v2): 1, dot(v1, v2): 0},
            ),
            step,
            {dot(w, v1): 0.4, dot(w, v2): 0.2, dot(w, w): 0.6},
        ),
        "Rademacher label noise": (
            Model((dot(w, z) - dot(v, z) - tau * y) ** 2 / 2, [w], {z: Normal(), y: Rademacher()}, teacher),
            step,
            {dot(v, w): 0.4, dot(w, w): 0.8},
        ),
        "trained second layer": (
            Model((a * dot(w, z) - dot(v, z)) ** 2 / 2, [w, a], {z: Normal()}, teacher),
            step,
            {dot(v, w): 0.4, dot(w, w): 0.8, a: 0.7},
        ),
    }


@REGISTRY.claim(
    "gradients-agree-with-coordinates",
    "dimension-free gradients, expanded into components, are the ordinary gradients",
    Body.LANGUAGE,
)
def gradients_agree_with_coordinates() -> list[Finding]:
    findings: list[Finding] = []
    for name, (model, _, _) in general_models().items():
        dimension = 3
        expanded = model.components({n: dimension})
        free, explicit = gradient(model), gradient(expanded)
        entries = {vector: component_symbols(vector, dimension) for vector in model.vectors}
        worst = sympy.S.Zero
        for vector in model.vector_parameters:
            for index in range(dimension):
                total = sympy.Add(
                    *(_expanded(coefficient, entries) * entries[b][index] for b, coefficient in free[vector].items())
                )
                worst += sympy.expand(total - explicit[entries[vector][index]]) ** 2
        lines = [
            (gradient_coefficient(b, vector), coefficient)
            for vector in model.vector_parameters
            for b, coefficient in free[vector].items()
        ]
        findings += [Formulas(f"{name}: the gradient", tuple(lines)), exact(name, 0, worst, worst == 0)]
    return findings


def _expanded(expression: Expr, entries: dict[Vector, tuple[Any, ...]]) -> Expr:
    from theory import InnerProduct

    images = {
        p: sympy.Add(*(x * u for x, u in zip(entries[p.left], entries[p.right], strict=True)))
        for p in expression.atoms(InnerProduct)
    }
    return expression.xreplace(images)


@REGISTRY.claim(
    "one-step-drift",
    "one step of direct SGD at n = 50 moves every inner product by the exact finite-n drift",
    Body.LANGUAGE,
)
def one_step_drift() -> list[Finding]:
    findings: list[Finding] = []
    for name, (model, algorithm, start) in general_models().items():
        at = {c: 0.5, n: 50, tau: 0.3, snr: 2.0}
        needed = {*model.hyperparameters, c, n}
        chosen = {symbol: value for symbol, value in at.items() if symbol in needed}
        # one step of the means is exact whether or not the hierarchy closes: ask for it entry by entry
        observed = {f"u{index}": quantity for index, quantity in enumerate(start)}
        drift = _one_step_means(model, algorithm, observed)
        values = {**chosen, **start}
        simulation = simulate(
            model,
            algorithm,
            at=chosen,
            observe=observed,
            clock=_steps(),
            start=start,
            until=1,
            times=[1],
            replicas=20000,
            seed=11,
        )
        prediction = (
            simulation.isel(replica=0).drop_vars(["diverged", "diverged_step"], errors="ignore").copy(deep=True)
        )
        for key, expression in drift.items():
            prediction[key].values[:] = float(expression.xreplace({k: sympy.Float(x) for k, x in values.items()}))
        lines = [(next_mean_of(observed[key]), expression) for key, expression in drift.items()]
        findings += [Formulas(f"{name}: means after one step", tuple(lines))]
        findings += from_agreement(name, compare(prediction, simulation))
    return findings


def next_mean_of(quantity: Expr) -> Display:
    """E x', the mean after one step."""
    return Display("E {}'", r"\mathbb{{E}}\, {}'", quantity)


def _steps() -> Any:
    from theory import Clock

    return Clock.STEPS


def _one_step_means(model: Model, algorithm: SGD, observed: dict[str, Expr]) -> dict[str, Expr]:
    from theory.calculus.average import SampleAverage
    from theory.calculus.increment import OneStep

    step, average = OneStep(model, algorithm), SampleAverage(model)
    batch = algorithm.batch_size
    means = {}
    for name, quantity in observed.items():
        part = step.after(quantity)
        mean = part.carried + average.exact(part.single) + average.exact(part.same) / batch
        means[name] = mean + (1 - 1 / batch) * average.exact(part.double)
    return {name: mean.xreplace(dict(model.fixed)) for name, mean in means.items()}


@REGISTRY.claim(
    "momentum-conventions",
    "heavy ball and both Nesterov forms: exact moments of inner products against direct SGD, n = 20",
    Body.LANGUAGE,
)
def momentum_conventions() -> list[Finding]:
    from theory import DecoupledDecay, HeavyBall, Nesterov, NesterovLookahead

    model = Model((dot(w, z) - dot(v, z) - tau * xi) ** 2 / 2, [w], {z: Normal(), xi: Normal()}, {dot(v, v): 1})
    findings: list[Finding] = []
    at = {c: 0.4, n: 20, tau: 0.5}
    start = {dot(v, w): 0.2, dot(w, w): 0.5}
    for momentum in (HeavyBall(Rational(1, 2)), Nesterov(Rational(1, 2)), NesterovLookahead(Rational(1, 2))):
        algorithm = SGD(learning_rate=c / n, momentum=momentum, weight_decay=DecoupledDecay(Rational(1, 5)))
        recurrence = moments(model, algorithm, of={"m": dot(w, v), "q": dot(w, w)})
        prediction = solve(recurrence, at=at, start=start, until=60)
        simulation = simulate(
            model, algorithm, at=at, observe=recurrence, start=start, until=60, replicas=4096, seed=12
        )
        name = type(momentum).__name__
        findings += [Derivation(recurrence, name), *from_agreement(name, compare(prediction, simulation))]
    return findings
