"""Claims about probabilistic stability: Lyapunov exponents, thresholds, phases, and the fates of direct SGD."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import sympy
from scipy import stats

from derivations.claims.claim import Body, Evidence, Finding, Registry, close, exact, statistical
from derivations.claims.exhibits import Derivation, Drawing, Runs
from numerics import Fate, fates, lyapunov_spectrum, phase_diagram, solve, thresholds
from theory import (
    SGD,
    Cauchy,
    Discrete,
    Exponential,
    Gamma,
    HeavyBall,
    Mixture,
    Model,
    Normal,
    NotNoiseFreeFixedPoint,
    Stability,
    StudentT,
    Uniform,
    fixed_points,
    stability,
    symbols,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

REGISTRY = Registry()

u, w, v, x, y, s = symbols("u w v x y s")
eta, gamma, p = symbols("eta gamma p", positive=True)
rho, a = symbols("rho a")
S = symbols("S", positive=True, integer=True)
ORIGIN = {u: 0, w: 0}
START = {u: Normal(0, 1e-6), w: Normal(0, 1e-6)}
THREE = Discrete({-1: 0.2, 0: 0.3, 2: 0.5})
QUICK_RUNS, PRINTED_RUNS = 1_000, 10_000
"""Runs of a claim, and behind the printed fractions of fates (and with `--full` of a claim)."""


def gaussian_net(algorithm: SGD) -> Stability:
    """The scalar net at its saddle, input and label a correlated Gaussian pair."""
    return stability(_gaussian_model(), algorithm, point=ORIGIN)


def _gaussian_model() -> Model:
    return Model((u * w * x - y) ** 2 / 2, [u, w], {(x, y): Normal(covariance=[[1, rho], [rho, 1]])})


def _listed(items: Iterable[Any]) -> str:
    return ", ".join(sorted(map(str, items))) or "none"


def _exponent(result: Stability, mode: str, at: Mapping[Any, Any]) -> float:
    return float(solve(result, at=at)["exponent"].sel(mode=mode))


@REGISTRY.claim(
    "gaussian-net-exponents",
    "scalar net with a Gaussian pair: exponents of any batch size, weight decay, and every threshold",
    Body.MOMENTS,
)
def gaussian_net_exponents() -> list[Finding]:
    result = gaussian_net(SGD(eta, batch_size=S, weight_decay=gamma))
    findings: list[Finding] = [Derivation(result)]
    for mode, rate, correlation, batch, decay, number, digits in (
        ("u - w", 0.7, 0.6, 1, 0, -0.360660615069100, 15),
        ("u + w", 0.7, 0.6, 1, 0, 0.226029863200944, 15),
        ("u - w", 0.9, 0.3, 4, 0, -0.457017017993407, 15),
        ("u + w", 1.2, -0.3, 3, 0, -0.473637251977013, 15),
        ("u + w", 0.5, 0.0, 1, 0, -0.0994194627, 10),
        ("u + w", 1.3, 0.0, 1, 0, -0.0445135289, 10),
        ("u + w", 2.0, 0.0, 1, 0, 0.0979513919, 10),
        ("u + w", 0.6, 0.2, 1, 0, -0.00845, 5),
        ("u - w", 0.6, 0.2, 1, 0, -0.20305, 5),
        ("u + w", 0.6, 0.2, 4, 0, 0.07299, 5),
        ("u - w", 0.6, 0.2, 4, 0, -0.21057, 5),
        ("u + w", 0.6, 0.2, 1, 0.1, -0.07108, 5),
        ("u - w", 0.6, 0.2, 1, 0.1, -0.26721, 5),
    ):
        label = f"Lambda({mode}) at rate {rate}, correlation {correlation}, batch {batch}, decay {decay}"
        plain = result if decay else gaussian_net(SGD(eta, batch_size=S))
        found = _exponent(plain, mode, {eta: rate, rho: correlation, S: batch, **({gamma: decay} if decay else {})})
        findings.append(close(label, number, found, max(10.0**-digits / 2, 1e-10 * abs(number))))
    for correlation, mode, roots in (
        (0.2, "u + w", (0.452752992, 0.890844831)),
        (0.2, "u - w", (1.839137059,)),
        (0.3, "u + w", ()),
        (0.3, "u - w", (1.952205060,)),
        (0.5, "u + w", ()),
        (0.5, "u - w", (2.130542915,)),
    ):
        stable = thresholds(gaussian_net(SGD(eta)), of=eta, between=(0.001, 4), at={rho: correlation}).mode(mode)
        ends = [end for interval in stable.intervals for end in interval if end not in stable.between]
        label = f"zeros of Lambda({mode}) at correlation {correlation}"
        agree = len(ends) == len(roots) and all(abs(e - r) <= 1e-9 for e, r in zip(ends, roots, strict=True))
        findings.append(exact(label, _listed(roots), _listed(np.round(ends, 9).tolist()), agree))
    return findings


@REGISTRY.claim(
    "exponents-of-any-law",
    "scalar net, any law and batch size: closed forms and quadratures against simulated products",
    Body.MOMENTS,
)
def exponents_of_any_law() -> list[Finding]:
    findings: list[Finding] = []
    heavy = {x: StudentT(3), y: Mixture([(Normal(1, 0.1), 0.7), (Normal(-1, 0.1), 0.3)])}
    for label, loss, laws, batch in (
        ("Gaussian input, Cauchy label", (u * w * x - y) ** 2 / 2, {x: Normal(), y: Cauchy(0.5, 0.3)}, 3),
        ("uniform input, exponential label", (u * w * x - y) ** 2 / 2, {x: Uniform(-1, 2), y: Exponential(2)}, 3),
        ("Student input, mixture label", (u * w * x - y) ** 2 / 2, heavy, 1),
        ("Gamma input, label of three values", (u * w * x - y) ** 2 / 2, {x: Gamma(2), y: THREE}, 1),
        ("quartic loss", (u * w * x - y) ** 4, {x: Normal(), y: Normal(0.5, 1)}, 1),
    ):
        result = stability(Model(loss, [u, w], laws), SGD(eta, batch_size=batch), point=ORIGIN)
        block = result.block("u + w")
        predicted = solve(result, at={eta: 0.3}).sel(mode=block.name)
        runs = lyapunov_spectrum(block.random_map(), at={eta: 0.3}, steps=4000, replicas=64, seed=41, burn_in=0)
        number, error = float(predicted["exponent"]), float(predicted["exponent_error"])
        spread = float(np.hypot(runs["standard_error"][0], error))
        measured = float(runs["spectrum"][0])
        p_value = 2 * float(stats.t.sf(abs(measured - number) / spread, 63))
        name = f"Lambda(u + w), {label}, batch {batch} ({predicted['kind'].values})"
        findings += [
            Derivation(result, f"{label}, batch {batch}"),
            statistical(name, number, measured, spread, p_value),
            Runs.of(f"{label}, simulated products", runs),
        ]
    return findings


def _two_sample(label: str, found: Any, fate: Fate, printed: float) -> Evidence:
    """Fisher's exact test of our count against the printed fraction of `PRINTED_RUNS` runs."""
    replicas, count = int(found.attrs["replicas"]), int(found["count"].sel(fate=fate))
    expected = round(printed * PRINTED_RUNS)
    p_value = float(stats.fisher_exact([[count, replicas - count], [expected, PRINTED_RUNS - expected]]).pvalue)
    fraction = count / replicas
    return Evidence(
        label,
        f"{printed:.4g} of {PRINTED_RUNS} runs",
        f"{fraction:.4g} [{float(found['lower'].sel(fate=fate)):.4g}, {float(found['upper'].sel(fate=fate)):.4g}] of {replicas} runs",
        p_values=(p_value,),
        largest_z=abs(float(stats.norm.isf(max(p_value, 1e-300) / 2))),
    )


@REGISTRY.claim(
    "two-point-law-phases",
    "scalar net with xy of two values: algebraic boundaries, exponents, and the fates of direct SGD",
    Body.MOMENTS,
)
def two_point_law_phases() -> list[Finding]:
    return _two_point_law(QUICK_RUNS)


@REGISTRY.claim(
    "two-point-law-phases-in-full",
    "the same, fates of as many runs as were printed",
    Body.MOMENTS,
    slow=True,
)
def two_point_law_phases_in_full() -> list[Finding]:
    return _two_point_law(PRINTED_RUNS)


def _two_point_law(replicas: int) -> list[Finding]:
    model = Model((u * w - y) ** 2 / 2, [u, w], {y: Discrete({1: 0.5, a: 0.5})})
    result = stability(model, SGD(eta), point=ORIGIN)
    found = {sympy.expand(boundary.expression) for boundary in result.boundaries}
    expected = {
        sympy.expand(form)
        for form in (a * eta + a + 1, a * eta**2 + (a + 1) * eta + 2, a * eta - a - 1, a * eta**2 - (a + 1) * eta + 2)
    }
    findings: list[Finding] = [
        Derivation(result),
        exact("algebraic boundaries", _listed(expected), _listed(found), found == expected),
    ]
    for rate, plus, minus, fate, share in (
        (0.2, 0.0040, -0.0374, Fate.CORRECT, 0.960),
        (0.5, -0.0527, -0.1783, Fate.SADDLE, 1.0),
        (1.8, 0.1043, 0.3344, Fate.BLOW_UP, 1.0),
    ):
        at = {eta: rate, a: -0.8}
        findings += [
            close(f"Lambda(u + w) at rate {rate}", plus, _exponent(result, "u + w", at), 5e-5),
            close(f"Lambda(u - w) at rate {rate}", minus, _exponent(result, "u - w", at), 5e-5),
        ]
        runs = fates(model, SGD(eta), point=ORIGIN, at=at, start=START, steps=20_000, replicas=replicas, seed=15)
        findings += [_two_sample(f"fate {fate} at rate {rate}", runs, fate, share), Runs.of(f"rate {rate}", runs)]
    return findings


@REGISTRY.claim(
    "gaussian-net-fates",
    "scalar net with a Gaussian pair of correlation 0.2: what batch size and weight decay do to the fates of direct SGD",
    Body.MOMENTS,
)
def gaussian_net_fates() -> list[Finding]:
    return _gaussian_net_fates(QUICK_RUNS)


@REGISTRY.claim(
    "gaussian-net-fates-in-full",
    "the same, fates of as many runs as were printed",
    Body.MOMENTS,
    slow=True,
)
def gaussian_net_fates_in_full() -> list[Finding]:
    return _gaussian_net_fates(PRINTED_RUNS)


def _gaussian_net_fates(replicas: int) -> list[Finding]:
    findings: list[Finding] = []
    for label, algorithm, expected in (
        ("batch 1", SGD(eta), {Fate.SADDLE: 0.644}),
        ("batch 4", SGD(eta, batch_size=4), {Fate.CORRECT: 0.792, Fate.BLOW_UP: 0.208}),
        ("batch 1, decay 0.1", SGD(eta, weight_decay=0.1), {Fate.SADDLE: 0.9965}),
    ):
        at = {eta: 0.6, rho: 0.2}
        runs = fates(
            _gaussian_model(), algorithm, point=ORIGIN, at=at, start=START, steps=20_000, replicas=replicas, seed=16
        )
        findings += [_two_sample(f"fate {fate}, {label}", runs, fate, share) for fate, share in expected.items()]
        findings.append(Runs.of(label, runs))
    return findings


@REGISTRY.claim(
    "incorrect-learning",
    "scalar net with rare large labels and weight decay: exponents say that it learns the wrong sign, and direct SGD does",
    Body.MOMENTS,
)
def incorrect_learning() -> list[Finding]:
    return _incorrect_learning(QUICK_RUNS)


@REGISTRY.claim(
    "incorrect-learning-in-full",
    "the same, fates of as many runs as were printed",
    Body.MOMENTS,
    slow=True,
)
def incorrect_learning_in_full() -> list[Finding]:
    return _incorrect_learning(PRINTED_RUNS)


def _incorrect_learning(replicas: int) -> list[Finding]:
    model = Model((u * w - y) ** 2 / 2, [u, w], {y: Discrete({-1: 0.97, 44: 0.03})})
    algorithm = SGD(eta, weight_decay=0.5)
    result = stability(model, algorithm, point=ORIGIN)
    predicted = solve(result, at={eta: 0.05})
    meanings = predicted["phase"].attrs["flag_meanings"]
    runs = fates(model, algorithm, point=ORIGIN, at={eta: 0.05}, start=START, steps=5_000, replicas=replicas, seed=17)
    phase = meanings[int(predicted["phase"])]
    return [
        Derivation(result),
        close("Lambda(u + w)", -0.0410, float(predicted["exponent"].sel(mode="u + w")), 5e-5),
        close("Lambda(u - w)", 0.0300, float(predicted["exponent"].sel(mode="u - w")), 5e-5),
        exact("phase", "incorrect learning", phase, phase == "incorrect learning"),
        _two_sample("fate incorrect", runs, Fate.INCORRECT, 0.996),
        Runs.of("fates", runs),
    ]


DECIDED, WRONG = 0.02, 1e-2
"""Where the largest exponent is beyond 0.02, 80,000 steps decide whether a run stays at the saddle.

log|theta| then moves by 1600 against a spread of about 280. A run is counted wrong if it wanders 200 against its drift, from
10^-90 up or from 10^-10 down: a walk of unit variance does so with a probability of about exp(-2 x 0.02 x 200) = 3 x 10^-4, which
10^-2 bounds generously.
"""


@REGISTRY.claim(
    "label-noise-phase-diagram",
    "scalar net with outliers among the labels: four phases over learning rate and label noise, against direct SGD on a grid",
    Body.MOMENTS,
)
def label_noise_phase_diagram() -> list[Finding]:
    model = Model((u * w * x - s * x) ** 2 / 2, [u, w], {x: Normal(), s: Discrete({1: 1 - p, -4: p})})
    result = stability(model, SGD(eta), point=ORIGIN)
    diagram = phase_diagram(result, over={eta: np.geomspace(0.03, 2.5, 90), p: np.linspace(0.005, 0.395, 80)})
    rates, noises = (values.ravel() for values in np.meshgrid(np.geomspace(0.05, 2, 9), np.linspace(0.03, 0.38, 8)))
    runs = fates(
        model, SGD(eta), point=ORIGIN, at={eta: rates, p: noises}, start=START, steps=20_000, replicas=100, seed=18
    )
    findings: list[Finding] = [
        Derivation(result),
        Drawing(
            "phases over learning rate and label noise; at each marker the majority fate of 100 runs of direct SGD from 10^-3",
            lambda: _drawn(diagram, runs),
        ),
        Runs.of("fates on the grid", runs),
    ]
    top = solve(result, at={eta: rates, p: noises})["exponent"].values.max(axis=0)
    for stable, variance in ((True, 1e-180), (False, 1e-20)):
        chosen = (top < -DECIDED) if stable else (top > DECIDED)
        close_by = {u: Normal(0, variance), w: Normal(0, variance)}
        at = {eta: rates[chosen], p: noises[chosen]}
        local = fates(model, SGD(eta), point=ORIGIN, at=at, start=close_by, steps=80_000, replicas=100, seed=20)
        stayed = local["count"].sel(fate=Fate.SADDLE).values
        wrong, total = int((100 - stayed if stable else stayed).sum()), 100 * int(chosen.sum())
        findings.append(
            Evidence(
                f"runs that {'leave' if stable else 'stay at'} the saddle where the largest exponent is "
                f"{f'below -{DECIDED}' if stable else f'above {DECIDED}'}",
                f"at most {WRONG:g} of {total}",
                f"{wrong} of {total} runs at {int(chosen.sum())} points",
                p_values=(float(stats.binom.sf(wrong - 1, total, WRONG)),),
            )
        )
    meanings = diagram["phase"].attrs["flag_meanings"]
    seen = [meanings[code] for code in np.unique(diagram["phase"])]
    points = fixed_points(model, SGD(eta))
    four = ["saddle attracts", "correct learning", "incorrect learning", "complete instability"]
    findings += [
        exact("phases in the diagram", _listed(four), _listed(seen), seen == four),
        exact(
            "mean curvature along u + w",
            5 * p - 1,
            _mean_curvature(result),
            _mean_curvature(result) == sympy.expand(5 * p - 1),
        ),
        exact("noise-free fixed points", _listed([ORIGIN]), _listed(points), points == [ORIGIN]),
    ]
    return findings


def _mean_curvature(result: Stability) -> sympy.Expr | None:
    matrix = result.block("u + w").mean_curvature
    return None if matrix is None else sympy.expand(matrix[0, 0])


def _drawn(diagram: Any, runs: Any) -> Figure:
    from numerics.figures import plot_phase_diagram

    return plot_phase_diagram(diagram, fates=runs)


@REGISTRY.claim(
    "stability-of-other-nets",
    "the same call on other nets: multiplicities, neutral directions, momentum, refusals by name",
    Body.MOMENTS,
)
def stability_of_other_nets() -> list[Finding]:
    u2, w2 = symbols("u2 w2")
    pair = {(x, y): Normal(covariance=[[1, rho], [rho, 1]])}
    two = stability(
        Model((u * w * x + u2 * w2 * x - y) ** 2 / 2, [u, w, u2, w2], pair),
        SGD(eta),
        point=dict.fromkeys([u, w, u2, w2], 0),
    )
    deep = stability(
        Model((u * w * v * x - y) ** 2 / 2, [u, w, v], pair),
        SGD(eta, weight_decay=gamma),
        point=dict.fromkeys([u, w, v], 0),
    )
    heavy = gaussian_net(SGD(eta, momentum=HeavyBall(0.5)))
    runs = [
        lyapunov_spectrum(block.random_map(), at={eta: 0.6, rho: 0.2}, steps=4000, replicas=64, seed=19)
        for block in heavy.blocks
    ]
    findings: list[Finding] = [
        Derivation(two, "two units"),
        exact(
            "two units: modes and copies",
            "2 modes, 2 copies each",
            _listed(f"{block.name} ({block.multiplicity} copies)" for block in two.blocks),
            [b.multiplicity for b in two.blocks] == [2, 2],
        ),
        Derivation(deep, "three factors"),
        exact(
            "three factors: neutral, with exponent log|1 - eta gamma|",
            "log(Abs(eta*gamma - 1)), 3 copies",
            str(deep).splitlines()[-1],
            len(deep.blocks) == 1
            and deep.blocks[0].is_neutral
            and deep.blocks[0].multiplicity == 3
            and deep.blocks[0].exponent == sympy.log(sympy.Abs(eta * gamma - 1)),
        ),
        Derivation(heavy, "heavy ball"),
    ]
    for block, found in zip(heavy.blocks, runs, strict=True):
        total, error = float(found["total"]), float(found["total_error"])
        findings.append(
            close(
                f"heavy ball, sum of the exponents of {block.name} = log(beta)",
                float(np.log(0.5)),
                total,
                1e-10 + 5 * error,
            )
        )
    try:
        stability(_gaussian_model(), SGD(eta), point={u: 1, w: 1})
        refused = "nothing"
    except NotNoiseFreeFixedPoint as error:
        refused = type(error).__name__
    findings.append(
        exact(
            "a point with gradient noise is refused",
            "NotNoiseFreeFixedPoint",
            refused,
            refused == "NotNoiseFreeFixedPoint",
        )
    )
    return findings
