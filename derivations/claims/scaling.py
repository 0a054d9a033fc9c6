"""Claims about scaling limits: least squares three ways, and the rows of the acceptance table within reach of this engine."""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy
from sympy import Rational

from derivations.claims.claim import Body, Evidence, Finding, Registry, close, exact, from_agreement
from derivations.claims.exhibits import Derivation, Drawing, Runs
from numerics import compare, fit_exponent, simulate, solve
from numerics.figures import plot_power_laws
from theory import SGD, GaussianField, HeavyBall, Model, Normal, NotClosed, Vector, dot, moments, scaling_limit, symbols

REGISTRY = Registry()

n, c, tau, snr, k, alpha = symbols("n c tau snr k alpha", positive=True)
xi = symbols("xi")
w, v, z = Vector("w", n), Vector("v", n), Vector("z", n)
STATISTICS = {"m": dot(w, v), "q": dot(w, w)}
START = {"m": 0.1, "q": 1.0}


def least_squares() -> Model:
    """Linear regression on a teacher v with label noise."""
    return Model((dot(w, z) - dot(v, z) - tau * xi) ** 2 / 2, [w], {z: Normal(), xi: Normal()}, {dot(v, v): 1})


def phase_retrieval() -> Model:
    """Quartic loss of the squared projections, with label noise."""
    return Model(
        (dot(w, z) ** 2 - dot(v, z) ** 2 - tau * xi) ** 2 / 4, [w], {z: Normal(), xi: Normal()}, {dot(v, v): 1}
    )


@REGISTRY.claim(
    "least-squares-moments", "exact moments of (m, q) at finite n against direct SGD, n = 50 and 400", Body.SCALING
)
def least_squares_moments() -> list[Finding]:
    model, algorithm = least_squares(), SGD(learning_rate=c / n)
    recurrence = moments(model, algorithm, of={**STATISTICS, "q_squared": dot(w, w) ** 2, "m_q": dot(w, v) * dot(w, w)})
    start = {dot(w, v): 0.1, dot(w, w): 1.0}
    findings: list[Finding] = [Derivation(recurrence)]
    for size, replicas in ((50, 8192), (400, 512)):
        at = {c: 0.5, tau: 0.3, n: size}
        until = 10 * size
        prediction = solve(recurrence, at=at, start=start, until=until)
        simulation = simulate(
            model, algorithm, at=at, observe=recurrence, start=start, until=until, replicas=replicas, seed=size
        )
        findings += from_agreement(f"n = {size}", compare(prediction, simulation))
    return findings


@REGISTRY.claim(
    "least-squares-limit",
    "the ODE is the limit of the exact moments: their difference falls as 1/n, n = 50 ... 1600",
    Body.SCALING,
)
def least_squares_limit() -> list[Finding]:
    model, algorithm = least_squares(), SGD(learning_rate=c / n)
    limit = scaling_limit(model, algorithm, statistics=STATISTICS)
    recurrence = moments(model, algorithm, of=STATISTICS)
    sizes = np.array([50, 100, 200, 400, 800, 1600])
    times = np.array([0.5, 1.0, 2.0, 4.0])
    ode = solve(limit, at={c: 0.5, tau: 0.3}, start=START, until=4.0, times=times)
    biases: dict[str, list[float]] = {name: [] for name in STATISTICS}
    findings: list[Finding] = [
        Derivation(limit, "the limit"),
        Derivation(recurrence, "exact moments"),
        Drawing(
            "Root mean square difference of limit and exact moments against the dimension",
            draw=lambda: plot_power_laws(sizes, biases, axis="dimension n", quantity="difference", exponent=-1),
        ),
    ]
    for name, bias in biases.items():
        for size in sizes:
            at = {c: 0.5, tau: 0.3, n: int(size)}
            exact_path = solve(recurrence, at=at, start=START, until=4 * size / 0.5, times=times * size / 0.5)
            bias.append(float(np.sqrt(np.mean((exact_path[name].values - ode[name].values) ** 2))))
        fit = fit_exponent(sizes, np.array(bias), correction_power=1)
        low, high = fit.confidence_interval(0.999)
        findings.append(
            exact(
                f"exponent of the bias of {name}, 99.9 % interval",
                -1,
                f"{fit.exponent:.5f} in [{low:.5f}, {high:.5f}]",
                low <= -1 <= high and high < -0.99,
            )
        )
    return findings


@REGISTRY.claim(
    "least-squares-sgd", "the limit ODE with its critical correction against direct SGD, n = 1000", Body.SCALING
)
def least_squares_sgd() -> list[Finding]:
    model, algorithm = least_squares(), SGD(learning_rate=c / n)
    limit = scaling_limit(model, algorithm, statistics=STATISTICS)
    at = {c: 0.5, tau: 0.3}
    prediction = solve(limit, at=at, start=START, until=5)
    # 64 runs: the standard error is then above twice the 1/n bias, which the exact moments give
    simulation = simulate(
        model, algorithm, at={**at, n: 1000}, observe=limit, start=START, until=5, replicas=64, seed=5
    )
    flow = scaling_limit(model, SGD(learning_rate=c / n**2), statistics=STATISTICS)
    wrong = compare(solve(flow, start=START, until=5), simulation)
    return [
        Derivation(limit),
        *from_agreement("n = 1000, 64 runs", compare(prediction, simulation)),
        exact("without the critical correction the comparison fails", "disagree", wrong.verdict, not wrong.agrees),
    ]


@REGISTRY.claim(
    "least-squares-fluctuations",
    "the stationary variance of sqrt(n) |w - v|^2 needs the second-order noise: 2, not 6",
    Body.SCALING,
)
def least_squares_fluctuations() -> list[Finding]:
    model, algorithm = least_squares(), SGD(learning_rate=c / n)
    limit = scaling_limit(model, algorithm, statistics={"q": dot(w - v, w - v)})
    q = limit.state[0]
    slope = sympy.diff(limit.rates[q], q)
    fixed_point = sympy.solve(limit.rates[q], q)[0]
    at = {c: 1, tau: 1}
    full = (-limit.covariance[0] / (2 * slope)).xreplace({q: fixed_point}).xreplace(at)
    textbook = (-limit.first_order_covariance[0] / (2 * slope)).xreplace({q: fixed_point}).xreplace(at)
    findings: list[Finding] = [
        Derivation(limit.fluctuations()),
        exact("stationary variance at c = tau = 1", 2, full, full == 2),
        exact("textbook formula", 6, textbook, textbook == 6),
        exact("flag second_order_noise", True, limit.second_order_noise, limit.second_order_noise),
    ]
    size, replicas = 200, 1024
    run = simulate(
        model,
        algorithm,
        at={c: 1.0, tau: 1.0, n: size},
        observe=limit,
        start={"q": 1.0, dot(w, v): 1.0},
        until=4,
        times=[4],
        replicas=replicas,
        seed=6,
    )
    at_time_4 = solve(limit.fluctuations(), at={c: 1.0, tau: 1.0, n: size}, start={"q": 1.0}, until=4, times=[4])
    sample = float(np.var(run.q.values[:, -1], ddof=1)) * size
    predicted = float(at_time_4["q_variance"].values[-1]) * size
    spread = np.sqrt(2 / (replicas - 1)) * predicted
    # the finite-n correction of the variance is of relative order 1/n, below a tenth of the standard error
    z_value = (sample - predicted) / spread
    from scipy.stats import norm

    found = Evidence(
        "variance at t = 4, n = 200",
        f"{predicted:.4f}",
        f"{sample:.4f} +- {spread:.3f}",
        p_values=(float(2 * norm.sf(abs(z_value))),),
        largest_z=abs(z_value),
    )
    return [*findings, Runs.of(found.label, run), found]


@REGISTRY.claim(
    "tensor-limit",
    "spiked tensors of symbolic order k: drift and covariance of the literature are what the routine produces",
    Body.SCALING,
)
def tensor_limit() -> list[Finding]:
    field = GaussianField("W", order=k)
    model = Model(-2 * (field(w) + snr * dot(w, v) ** k) + dot(w, w) ** k, [w], {field: field.law}, {dot(v, v): 1})
    limit = scaling_limit(
        model,
        SGD(learning_rate=c / n, weight_decay=alpha),
        statistics={"m": dot(w, v), "r2": dot(w, w) - dot(w, v) ** 2},
    )
    m, r2 = limit.state
    q = m**2 + r2
    expected = {
        m: 2 * snr * k * m ** (k - 1) - 2 * k * q ** (k - 1) * m - alpha * m,
        r2: 4 * k * q ** (k - 1) * (c - r2) - 2 * alpha * r2,
    }
    findings: list[Finding] = [Derivation(limit)]
    for order in (2, 3, 5):  # the identity in k is checked at several numbers of k, exactly
        for name, value in expected.items():
            rest = sympy.expand((limit.rates[name] - value).xreplace({k: sympy.Integer(order)}))
            findings.append(exact(f"d{name}/dt at k = {order}", 0, rest, rest == 0))
        sigma = limit.covariance[0, 0].xreplace({k: sympy.Integer(order)})
        target = (4 * c * k * q ** (k - 2) * (q + (k - 1) * m**2)).xreplace({k: sympy.Integer(order)})
        rest = sympy.expand(sigma - target)
        findings.append(exact(f"Sigma_mm at k = {order}", 0, rest, rest == 0))
    rows: list[tuple[dict[Any, float], tuple[float, float], float, tuple[float, float]]] = [
        ({k: 2, snr: 2, c: 1, alpha: 0}, (0.5, 1.5), 0.25, (0.7809, 1.0223)),
        ({k: 2, snr: 2, c: 1, alpha: 1}, (0.5, 1.5), 0.5, (0.8903, 0.8653)),
        ({k: 3, snr: 3, c: 0.5, alpha: 0}, (0.9, 0.6), 0.5, (1.1730, 0.5000)),
    ]
    for at, (m0, r0), until, numbers in rows:
        order = int(at[k])
        ridge = SGD(learning_rate=c / n, weight_decay=at[alpha]) if at[alpha] else SGD(learning_rate=c / n)
        fixed_order = GaussianField("W", order=order)
        stated = Model(
            -2 * (fixed_order(w) + snr * dot(w, v) ** order) + dot(w, w) ** order, [w], [fixed_order], {dot(v, v): 1}
        )
        numeric = scaling_limit(stated, ridge, statistics={"m": dot(w, v), "r2": dot(w, w) - dot(w, v) ** 2})
        end = solve(numeric, at={snr: at[snr], c: at[c]}, start={"m": m0, "r2": r0}, until=until, times=[until])
        for name, number in zip(("m", "r2"), numbers, strict=True):
            findings.append(
                close(
                    f"{name} at t = {until}, k = {order}, ridge {at[alpha]}", number, float(end[name].values[-1]), 5e-5
                )
            )
    return findings


@REGISTRY.claim(
    "tensor-sgd",
    "spiked matrix: direct SGD with the field drawn exactly in law follows the limit, n = 800",
    Body.SCALING,
)
def tensor_sgd() -> list[Finding]:
    field = GaussianField("W", order=2)
    model = Model(-2 * (field(w) + snr * dot(w, v) ** 2) + dot(w, w) ** 2, [w], [field], {dot(v, v): 1})
    algorithm = SGD(learning_rate=c / n)
    limit = scaling_limit(model, algorithm, statistics={"m": dot(w, v), "r2": dot(w, w) - dot(w, v) ** 2})
    at, start = {snr: 2.0, c: 1.0}, {"m": 0.5, "r2": 1.5}
    prediction = solve(limit, at=at, start=start, until=0.25)
    simulation = simulate(
        model, algorithm, at={**at, n: 800}, observe=limit, start=start, until=0.25, replicas=64, seed=7
    )
    return [Derivation(limit), *from_agreement("n = 800, 64 runs", compare(prediction, simulation))]


@REGISTRY.claim(
    "phase-retrieval",
    "quartic loss: the derived drift is that of the literature, and direct SGD follows it",
    Body.SCALING,
)
def phase_retrieval_claim() -> list[Finding]:
    algorithm = SGD(learning_rate=c / n)
    limit = scaling_limit(phase_retrieval(), algorithm, statistics=STATISTICS)
    m, q = limit.state
    target = {
        m: -3 * m * (q - 1),
        q: 4 * m**2 + 2 * q - 6 * q**2 + c * (15 * q**3 - 6 * q**2 + 3 * q + 12 * m**2 - 24 * m**2 * q + tau**2 * q),
    }
    evidence = [
        exact(f"d{name}/dt", 0, rest := sympy.expand(limit.rates[name] - value), rest == 0)
        for name, value in target.items()
    ]
    at, start = {c: 0.05, tau: 0.5}, {"m": 0.4, "q": 0.8}
    end = solve(limit, at=at, start=start, until=1, times=[1.0])
    for name, number in (("m", 0.8888), ("q", 0.8823)):
        evidence.append(close(f"{name} at t = 1", number, float(end[name].values[-1]), 5e-5))
    prediction = solve(limit, at=at, start=start, until=1)
    simulation = simulate(
        phase_retrieval(), algorithm, at={**at, n: 800}, observe=limit, start=start, until=1, replicas=64, seed=8
    )
    return [Derivation(limit), *evidence, *from_agreement("n = 800, 64 runs", compare(prediction, simulation))]


@REGISTRY.claim(
    "erf-unit", "an erf unit, whose averages are quadratures, reaches the tabulated (0.82073, 0.91676)", Body.SCALING
)
def erf_unit() -> list[Finding]:
    root = sympy.sqrt(2)
    model = Model(
        (sympy.erf(dot(w, z) / root) - sympy.erf(dot(v, z) / root) - tau * xi) ** 2 / 2,
        [w],
        {z: Normal(), xi: Normal()},
        {dot(v, v): 1},
    )
    limit = scaling_limit(model, SGD(learning_rate=c / n), statistics=STATISTICS)
    end = solve(limit, at={c: 1.5, tau: 0.3}, start={"m": 0.2, "q": 0.6}, until=4, times=[4.0])
    evidence = [
        close(f"{name} at t = 4", number, float(end[name].values[-1]), 5e-6)
        for name, number in (("m", 0.82073), ("q", 0.91676))
    ]
    at, start = {c: 1.5, tau: 0.3}, {"m": 0.2, "q": 0.6}
    prediction = solve(limit, at=at, start=start, until=2)
    simulation = simulate(
        model, SGD(learning_rate=c / n), at={**at, n: 1000}, observe=limit, start=start, until=2, replicas=32, seed=9
    )
    return [Derivation(limit), *evidence, *from_agreement("n = 1000, 32 runs", compare(prediction, simulation))]


@REGISTRY.claim("momentum-limit", "heavy ball at fixed beta: the limit with c and t divided by 1 - beta", Body.SCALING)
def momentum_limit() -> list[Finding]:
    algorithm = SGD(learning_rate=c / n, momentum=HeavyBall(Rational(1, 2)))
    limit = scaling_limit(least_squares(), algorithm, statistics={"q": dot(w - v, w - v)})
    path = solve(limit, at={c: 0.4, tau: 0.5}, start={"q": 1.0}, until=1, times=[0.5, 1.0])
    evidence = [
        close(f"q at t = {time}", number, float(value), 5e-5)
        for time, number, value in zip((0.5, 1.0), (0.4177, 0.2423), path["q"].values, strict=True)
    ]
    simulation = simulate(
        least_squares(),
        algorithm,
        at={c: 0.4, tau: 0.5, n: 1600},
        observe=limit,
        start={"q": 1.0, dot(w, v): 0.5},
        until=1,
        replicas=48,
        seed=10,
    )
    prediction = solve(limit, at={c: 0.4, tau: 0.5}, start={"q": 1.0}, until=1)
    return [Derivation(limit), *evidence, *from_agreement("n = 1600, 48 runs", compare(prediction, simulation))]


@REGISTRY.claim(
    "closure",
    "a family that is not closed is refused with what is missing; a smaller closed one is found",
    Body.SCALING,
)
def closure() -> list[Finding]:
    model, algorithm = least_squares(), SGD(learning_rate=c / n)
    try:
        scaling_limit(model, algorithm, statistics={"q": dot(w, w)})
        missing: tuple[Any, ...] = ()
    except NotClosed as refusal:
        missing = refusal.missing
    found = scaling_limit(model, algorithm)
    alone = scaling_limit(model, algorithm, statistics={"q": dot(w - v, w - v)})
    q = alone.state[0]
    rest = sympy.expand(alone.rates[q] - (-2 * q + c * (q + tau**2)))
    return [
        Derivation(found, "found closed"),
        Derivation(alone, "|w - v|^2 alone"),
        exact("missing from {q: <w, w>}", (dot(v, w),), missing, missing == (dot(v, w),)),
        exact("found closed", {"v_w", "w_w"}, set(map(str, found.state)), set(map(str, found.state)) == {"v_w", "w_w"}),
        exact("|w - v|^2 closes by itself", 0, rest, rest == 0),
    ]
