"""Claims about stability on real data: the diabetes regression and a two-layer net on handwritten digits, from scikit-learn."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from scipy import stats

from derivations.claims.claim import Body, ClaimNotRun, Evidence, Finding, Registry, exact
from derivations.claims.exhibits import Derivation, Runs
from numerics import Fate, certificates, fates, mean_square_threshold, moment_exponents, solve, thresholds
from theory import SGD, Empirical, Model, Normal, Sampling, Stability, Vector, dot, stability, symbols
from theory.references import MEAN_SQUARE_STABILITY

REGISTRY = Registry()

d = symbols("d", positive=True, integer=True)
u, y = symbols("u y")
eta = symbols("eta", positive=True)


def _scikit_learn() -> Any:
    try:
        import sklearn.datasets
    except ImportError:
        raise ClaimNotRun("it needs scikit-learn's data: python -m pip install '.[test]'") from None
    return sklearn.datasets


@cache
def diabetes_model() -> Model:
    """The distance from the minimum of a least-squares fit that fits exactly: standardised features, no residual."""
    features, _ = _scikit_learn().load_diabetes(return_X_y=True)
    standard = (features - features.mean(axis=0)) / features.std(axis=0)
    w, x = Vector("w", d), Vector("x", d)
    return Model(dot(w, x) ** 2 / 2, [w], {x: Empirical(standard)}).components()


@cache
def digits_model() -> Model:
    """One hidden unit on the digits, labels +-1 for even and odd, pixels scaled to [0, 1]."""
    images, digits = _scikit_learn().load_digits(return_X_y=True)
    labels = np.where(digits % 2 == 0, 1, -1)
    w, x = Vector("w", d), Vector("x", d)
    return Model((u * dot(w, x) - y) ** 2 / 2, [u, w], {(x, y): Empirical(images / 16, labels)}).components()


def _at_origin(model: Model, algorithm: SGD) -> Stability:
    return stability(model, algorithm, point=dict.fromkeys(model.parameters, 0))


def _fates(
    label: str, model: Model, algorithm: SGD, rate: float, steps: int, replicas: int, fate: Fate, least: float
) -> list[Finding]:
    """That at least a fraction of runs near the point ends in a fate, as the sign of the exponent there says."""
    start = {parameter: Normal(0, 1e-6) for parameter in model.parameters}
    runs = fates(
        model, algorithm, point=dict.fromkeys(model.parameters, 0), at={eta: rate}, start=start, steps=steps,
        replicas=replicas, seed=31,
    )  # fmt: skip
    count = int(runs["count"].sel(fate=fate))
    return [
        Evidence(
            label,
            f"at least {least:.0%} of runs: {fate}",
            f"{count} of {replicas} runs",
            p_values=(float(stats.binom.cdf(count, replicas, least)),),
        ),
        Runs.of(label, runs),
    ]


@REGISTRY.claim(
    "diabetes-thresholds",
    "least squares on the diabetes data, batches of 8: mean-square threshold, threshold in probability, and direct SGD",
    Body.MOMENTS,
    references=(MEAN_SQUARE_STABILITY,),
)
def diabetes_thresholds() -> list[Finding]:
    model, algorithm = diabetes_model(), SGD(eta, batch_size=8, sampling=Sampling.WITHOUT_REPLACEMENT)
    result = _at_origin(model, algorithm)
    square = mean_square_threshold(result)
    findings: list[Finding] = [
        Derivation(result),
        _second_moment_at_threshold(model, square.value),
        *_proofs(result, square.value),
    ]
    typical = thresholds(result, of=eta, between=(square.value, 2 * square.value), seed=30).modes[0]
    low, high = typical.undecided[-1] if typical.undecided else (typical.intervals[0][1],) * 2
    findings.append(
        exact(
            "the threshold in probability lies above the one in mean square",
            f"above {square.value:.6f}",
            f"in [{low:.4f}, {high:.4f}]",
            bool(low > square.value),
        )
    )
    between, beyond = (square.value + low) / 2, 1.06 * high
    findings += [
        exact(
            f"at rate {between:.4f} the mean square grows while the exponent is negative",
            "L(2) > 0 > Lambda",
            *_signs(result, between),
        ),
        *_fates(f"runs at rate {between:.4f} converge", model, algorithm, between, 8000, 100, Fate.SADDLE, 0.95),
        *_fates(f"runs at rate {beyond:.4f} diverge", model, algorithm, beyond, 8000, 100, Fate.BLOW_UP, 0.95),
    ]
    return findings


def _second_moment_at_threshold(model: Model, rate: float) -> Evidence:
    """The spectral radius of M -> E A M A^T as a dense matrix over all products of two features: 1 at the threshold."""
    (_, law), *_ = model.data
    features = np.stack([np.asarray(column, dtype=float) for column in law.arrays], axis=1)
    count, size = features.shape
    mean = features.T @ features / count
    share = (count - 8) / (8 * (count - 1))
    products = np.einsum("ni,nj->nij", features, features).reshape(count, -1)
    noise = np.einsum("np,nq->pq", products, products).reshape(size, size, size, size) / count
    # E (H M H) with H = x x^T has the entries sum_kl E x_i x_k M_kl x_l x_j
    per_sample = noise.transpose(0, 2, 1, 3).reshape(size * size, size * size)
    eye = np.eye(size)
    lifted = (
        np.eye(size * size)
        - rate * (np.kron(mean, eye) + np.kron(eye, mean))
        + rate**2 * ((1 - share) * np.kron(mean, mean) + share * per_sample)
    )
    radius = float(np.abs(np.linalg.eigvals(lifted)).max())
    return exact(
        f"spectral radius of the second moments, 100 x 100, at the threshold {rate:.9f}",
        1,
        f"{radius:.12f}",
        abs(radius - 1) < 1e-9,
    )


def _proofs(result: Stability, threshold: float) -> list[Finding]:
    """A proof of stability just below the threshold, checked afresh."""
    rate = 0.99 * threshold
    proofs = [c for c in certificates(result, at={eta: rate}) if c.is_proof and c.upper is not None and c.upper < 0]
    return [
        exact(
            f"stability in probability at rate {rate:.4f}, proved",
            "X > 0 with X - E A^T X A > 0",
            f"{proofs[0].statement} ({proofs[0].rigour})" if proofs else "no proof",
            bool(proofs) and proofs[0].check(),
        )
    ]


def _signs(result: Stability, rate: float) -> tuple[str, bool]:
    """L(2) and Lambda at a learning rate, and whether the first is positive and the second negative beyond its error."""
    square = float(moment_exponents(result, orders=[2], at={eta: rate}, steps=2000)["moment_exponent"].max())
    solved = solve(result, at={eta: rate})
    top = int(solved["exponent"].values.argmax())
    value, error = float(solved["exponent"][top]), float(solved["exponent_error"][top])
    return f"L(2) = {square:.4f}, Lambda = {value:.5f} +- {error:.1g}", square > 0 > value + 5 * error


@REGISTRY.claim(
    "digits-net-saddle",
    "a two-layer net on the digits with weight decay, batches of 16, at its saddle: both thresholds and direct SGD",
    Body.MOMENTS,
    references=(MEAN_SQUARE_STABILITY,),
)
def digits_net_saddle() -> list[Finding]:
    model = digits_model()
    algorithm = SGD(eta, batch_size=16, weight_decay=1, sampling=Sampling.WITHOUT_REPLACEMENT)
    result = _at_origin(model, algorithm)
    square = mean_square_threshold(result)
    above = 1.05 * square.value
    sizes = sorted((block.size, block.multiplicity, block.is_neutral) for block in result.blocks)
    return [
        exact(
            "one block of 62, and three pixels that are always black",
            "[(1, 3, True), (62, 1, False)]",
            f"{sizes}",
            sizes == [(1, 3, True), (62, 1, False)],
        ),
        exact(f"at rate {above:.4f}, above the mean-square threshold", "L(2) > 0 > Lambda", *_signs(result, above)),
        *_fates(
            f"runs at rate {above:.4f} converge to the saddle", model, algorithm, above, 500, 64, Fate.SADDLE, 0.95
        ),
    ]
