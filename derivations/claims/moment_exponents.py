"""Claims about scalar blocks: exponents and moment exponents of any law, thresholds of every order, typical runs against means, tails."""

from __future__ import annotations

import math

import numpy as np
from scipy import stats

from derivations.claims.claim import Body, Evidence, Finding, Registry, close, exact, statistical
from derivations.claims.exhibits import Derivation, Runs
from numerics import (
    chernoff_bound,
    hill_estimate,
    linear_growth,
    log_variance,
    moment_exponents,
    simulate,
    solve,
    tail_index,
    thresholds,
)
from theory import (
    SGD,
    Cauchy,
    Clock,
    Model,
    MomentDoesNotExist,
    Normal,
    Stability,
    StudentT,
    Uniform,
    stability,
    symbols,
)
from theory.errors import TheoryError
from theory.references import HEAVY_TAILS

REGISTRY = Registry()

w, x, xi, h = symbols("w x xi h")
eta, s = symbols("eta s", positive=True)
S = symbols("S", positive=True, integer=True)
GAUSSIAN = Model((w * x) ** 2 / 2, [w], {x: Normal()})
"""Linear regression in one dimension without noise; with a unit variance, the learning rate is a = eta sigma^2."""
CHAINS, PRINTED_CHAINS = 100_000, 1_000_000


def regression(law: object = None) -> Stability:
    """The minimum of w of a one-dimensional regression without noise, inputs of any law."""
    model = GAUSSIAN if law is None else Model((w * x) ** 2 / 2, [w], {x: law})
    return stability(model, SGD(eta, batch_size=S), point={w: 0})


def _exponent(result: Stability, rate: float, batch: int = 1) -> float:
    return float(solve(result, at={eta: rate, S: batch})["exponent"][0])


@REGISTRY.claim(
    "regression-exponents",
    "one-dimensional regression, Gaussian, uniform and Student inputs: exponents and moments of the multiplier",
    Body.MOMENTS,
)
def regression_exponents() -> list[Finding]:
    gaussian = regression()
    findings: list[Finding] = [Derivation(gaussian)]
    for batch, rate, number in (
        (1, 0.6, -0.490563204319901848),
        (3, 1.0, -0.878176863516682876),
        (6, 0.5, -0.828682752039840079),
        (8, 0.9, -1.35476314828745594),
    ):
        label = f"Lambda, Gaussian input, batch {batch}, rate {rate}"
        findings.append(close(label, number, _exponent(gaussian, rate, batch), 1e-10 * abs(number)))
    for batch, rate, order, number in ((1, 0.7, 0.5, 0.850272841638847868), (4, 1.1, 1.3, 0.560207466372675423)):
        powers = moment_exponents(gaussian, orders=[order], at={eta: rate, S: batch})
        label = f"E|m|^{order}, Gaussian input, batch {batch}, rate {rate}"
        findings.append(close(label, number, math.exp(float(powers["moment_exponent"][0, 0])), 1e-10 * number))
    for rate, width, number in ((0.5, 1.0, -0.200246219999023256), (2.3, 1.4, -0.263288998392993030)):
        found = _exponent(regression(Uniform(-width, width)), rate)
        findings.append(close(f"Lambda, uniform input on +-{width}, rate {rate}", number, found, 1e-10 * abs(number)))
    mean_curvature = stability(Model(h * w**2 / 2, [w], {h: Uniform(0.2, 3)}), SGD(eta), point={w: 0})
    number = -0.706611802757086387
    found = float(solve(mean_curvature, at={eta: 0.9})["exponent"][0])
    findings.append(close("Lambda, uniform curvature on (0.2, 3), rate 0.9", number, found, 1e-10 * abs(number)))
    heavy = regression(StudentT(3))
    findings += [
        Derivation(heavy, "Student input with three degrees of freedom"),
        close("Lambda, Student input, rate 0.4", -0.302451730544821, _exponent(heavy, 0.4), 1e-10),
        close("its only threshold", 1.307184544855835, _ends(heavy, 1, 0)[0], 1e-10),
        close("Lambda, Cauchy input, rate 0.4", math.log(1.4), _exponent(regression(Cauchy()), 0.4), 1e-10),
    ]
    square = float(moment_exponents(heavy, orders=[2], at={eta: 0.4, S: 1})["moment_exponent"][0, 0])
    findings.append(exact("L(2), Student input: E x^4 is infinite", "inf", f"{square}", square == math.inf))
    return findings


def _ends(result: Stability, batch: int, order: float) -> list[float]:
    """Where stability of an order begins or ends inside a wide range of learning rates."""
    stable = thresholds(result, of=eta, between=(1e-3, 6.0), order=order, at={S: batch}).modes[0]
    return [end for interval in stable.intervals for end in interval if end not in stable.between]


PRINTED_THRESHOLDS = {
    0: (2.42124952104, 2.68451035082, 2.66299566871),
    0.5: (1.47313883, 1.86782967, 2.09051885),
    1: (1.05224663, 1 / math.log(2), 1.74490650),
    2: (2 / 3, 1, 4 / 3),
    4: (0.38345101, 0.62653829, 0.92608916),
    8: (0.20696918, 0.36244981, 0.58776632),
}


@REGISTRY.claim(
    "regression-thresholds",
    "one-dimensional Gaussian regression: the threshold of every order against batch size, and the best learning rate",
    Body.MOMENTS,
)
def regression_thresholds() -> list[Finding]:
    result = regression()
    findings: list[Finding] = []
    for order, row in PRINTED_THRESHOLDS.items():
        for batch, number in zip((1, 2, 4), row, strict=True):
            ends = _ends(result, batch, order)
            label = f"threshold of order {order}, batch {batch}"
            tolerance = 5e-12 if order == 0 else 5e-9
            findings.append(
                close(label, number, ends[0], tolerance)
                if len(ends) == 1
                else exact(label, f"{number}", f"{ends}", False)
            )
    for batch, number in ((1, 2.4212), (2, 2.6845), (3, 2.6989), (4, 2.6630), (8, 2.4926), (16, 2.2993)):
        findings.append(close(f"threshold in probability, batch {batch}", number, _ends(result, batch, 0)[0], 5e-5))
    best = thresholds(result, of=eta, between=(0.01, 2.0), at={S: 1}).modes[0]
    findings += [
        close("best learning rate", 0.58546, float(best.best or math.nan), 5e-6),
        close("its exponent", -0.49071, float(best.best_exponent or math.nan), 5e-6),
    ]
    return findings


@REGISTRY.claim(
    "typical-runs-against-means",
    "Gaussian regression at rate 1: runs shrink while the mean square doubles each step; the Chernoff bound holds",
    Body.MOMENTS,
)
def typical_runs_against_means() -> list[Finding]:
    result = regression()
    at = {eta: 1.0, S: 1}
    block = result.blocks[0]
    variance = float(log_variance(result, mode=block.name, at=at).values[0])
    step = block.random_map(1)
    (mode,) = step.state
    runs = linear_growth(
        step, at={eta: 1.0}, vector={mode: 1.0}, until=100, times=[0, 50, 100], replicas=CHAINS, seed=4
    )
    rates = runs["growth_exponent"].values
    spread = float(rates.std(ddof=1) / np.sqrt(CHAINS))
    exponent = _exponent(result, 1.0)
    p_value = 2 * float(stats.t.sf(abs(rates.mean() - exponent) / spread, CHAINS - 1))
    large = int((runs["log_norm"].sel(time=50).values >= math.log(1e-3)).sum())
    bound = chernoff_bound(result, mode=block.name, at=at, steps=50, ratio=1e-3)
    printed = round(0.0175 * PRINTED_CHAINS)
    two_sample = stats.fisher_exact([[large, CHAINS - large], [printed, PRINTED_CHAINS - printed]]).pvalue
    growth = float(moment_exponents(result, orders=[2], at=at)["moment_exponent"][0, 0])
    return [
        Derivation(result),
        close("Lambda", -0.416991637, exponent, 5e-10),
        close("variance of log|m|", 0.976112, variance, 5e-7),
        close("L(2) = log 2", math.log(2), growth, 1e-10),
        statistical("growth of log|w| over 100 steps", exponent, float(rates.mean()), spread, p_value),
        statistical(
            "variance of its rate, times 100 steps",
            variance,
            float(rates.var(ddof=1) * 100),
            (error := _error_of_variance(rates * 10.0)),
            2 * float(stats.norm.sf(abs(rates.var(ddof=1) * 100 - variance) / error)),
        ),
        Evidence(
            "share of runs above 10^-3 after 50 steps",
            f"0.0175 of {PRINTED_CHAINS} runs",
            f"{large / CHAINS:.4f} of {CHAINS} runs",
            p_values=(float(two_sample),),
        ),
        close("Chernoff bound of that share", 0.1041, bound.probability, 5e-5),
        close("its order", 0.342, bound.order, 5e-4),
        Evidence(
            "runs above are no more than the bound allows",
            f"at most {bound.probability:.4f} of the runs",
            f"{large / CHAINS:.4f} of {CHAINS} runs",
            p_values=(float(stats.binom.sf(large - 1, CHAINS, bound.probability)),),
        ),
        Runs.of("linear runs with carried logarithms", runs),
    ]


def _error_of_variance(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
    """The standard error of a sample variance, from the fourth moment."""
    centred = values - values.mean()
    fourth, second = float((centred**4).mean()), float((centred**2).mean())
    return math.sqrt((fourth - second**2) / len(values))


TAILS = ((0.3, 5.305901), (2 / 3, 2.0), (1.0, 1.090826), (1.5, 0.477435))


@REGISTRY.claim(
    "tail-index",
    "Gaussian regression with label noise: stationary tails follow a power law whose index makes a moment exponent vanish",
    Body.MOMENTS,
    references=(HEAVY_TAILS,),
)
def tail_indices() -> list[Finding]:
    noisy = stability(_noisy_regression(), SGD(eta))
    findings: list[Finding] = [Derivation(noisy)]
    for rate, number in TAILS:
        found = tail_index(noisy, at={eta: rate}).modes[0].index
        findings.append(close(f"index at rate {rate:.3g}", number, float(found or math.nan), 5e-7))
    return [*findings, *_hill(100_000, 500)]


def _noisy_regression() -> Model:
    return Model((w * x - xi) ** 2 / 2, [w], {x: Normal(), xi: Normal()})


def _hill(chains: int, top: int) -> list[Finding]:
    """Hill's estimate from direct SGD, one sample of each independent chain after 200 steps."""
    runs = simulate(
        _noisy_regression(), SGD(eta), at={eta: 1.0}, observe={"w": w}, clock=Clock.STEPS, start={w: 0.0}, until=200,
        times=[200], replicas=chains, seed=23,
    )  # fmt: skip
    index, _ = hill_estimate(np.abs(runs["w"].values[:, -1]), top)
    expected = float(tail_index(stability(_noisy_regression(), SGD(eta)), at={eta: 1.0}).modes[0].index or math.nan)
    error = expected / math.sqrt(top)
    p_value = 2 * float(stats.norm.sf(abs(index - expected) / error))
    label = f"Hill's estimate of the index at rate 1, the {top} largest of {chains} chains of direct SGD"
    return [statistical(label, expected, index, error, p_value), Runs.of("stationary runs", runs)]


@REGISTRY.claim(
    "tail-index-of-a-million-chains",
    "Gaussian regression with label noise at rate 1: Hill's estimate from a million independent chains of 200 steps",
    Body.MOMENTS,
    references=(HEAVY_TAILS,),
    slow=True,
)
def tail_index_of_a_million_chains() -> list[Finding]:
    return _hill(1_000_000, 2000)


@REGISTRY.claim(
    "moments-that-do-not-exist",
    "what has no answer is refused by name: a moment that is infinite, a noisy point, dependent steps",
    Body.MOMENTS,
)
def moments_that_do_not_exist() -> list[Finding]:
    from theory import (
        Empirical,
        NotNoiseFreeFixedPoint,
        NotStationary,
        SamplingNotCovered,
        moments,
        persistent,
        stationary,
    )

    data = Model((w * x) ** 2 / 2, [w], {x: Empirical([1, 2, 3])})
    findings: list[Finding] = []
    for label, error, attempt in (
        (
            "second moments of a regression on Student inputs with three degrees of freedom",
            MomentDoesNotExist,
            lambda: moments(
                Model((w * x - xi) ** 2 / 2, [w], {x: StudentT(3), xi: Normal()}), SGD(eta), of={"q": w**2}
            ),
        ),
        (
            "stationary variance of Gaussian regression at rate 1",
            NotStationary,
            lambda: stationary(moments(_noisy_regression(), SGD(1), of={"q": w**2})),
        ),
        (
            "a point where the gradient of a sample does not vanish",
            NotNoiseFreeFixedPoint,
            lambda: stability(_noisy_regression(), SGD(eta), point={w: 0}),
        ),
        (
            "samples that persist for many steps",
            SamplingNotCovered,
            lambda: stability(data, SGD(eta, sampling=persistent(0.5, 3)), point={w: 0}),
        ),
    ):
        try:
            attempt()
            refused = "nothing"
        except TheoryError as raised:
            refused = type(raised).__name__
        findings.append(exact(label, error.__name__, refused, refused == error.__name__))
    return findings
