"""How a batch mean of curvatures is distributed: its finite list of values, or a law of the same family."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, combinations_with_replacement
from math import comb, factorial, prod

import sympy
from sympy import Expr, Rational, S, Symbol

from theory.algorithm import SGD, Bernoulli, Persistent, Sampling
from theory.errors import AlgorithmNotCovered, SamplingNotCovered
from theory.model import Model
from theory.stability.randomness import Randomness, coefficients
from theory.update import refuse_drawn_data_set

LISTED = 256
"""Values of a batch mean up to which an average over them is written out."""

FRESH = (Sampling.ONLINE, Sampling.WITH_REPLACEMENT)
SUBSET = (Sampling.WITHOUT_REPLACEMENT, Sampling.RESHUFFLED)


@dataclass(frozen=True)
class Batch:
    """How batches are drawn: `size`, `mode`, and `data_count` where there is a fixed data set.

    Of Bernoulli sampling, `size` is the mean number of samples, by which their sum is divided.

    Every block of a random permutation is a uniform subset, so that averages over one step are the same for `reshuffled` and
    `without_replacement`.
    """

    size: Expr
    mode: Sampling | Bernoulli
    data_count: int | None

    @property
    def is_single(self) -> bool:
        """Whether a step sees one fresh sample (or a uniformly random one)."""
        return self.size == 1 and self.mode in (*FRESH, *SUBSET)

    def content(self) -> tuple[object, ...]:
        """What identifies the way of drawing."""
        return self.size, self.mode, self.data_count


def batch_of(model: Model, algorithm: SGD) -> Batch:
    """The batches of an algorithm. Raises `SamplingNotCovered` and `AlgorithmNotCovered` for what stability lacks."""
    refuse_drawn_data_set(model, algorithm, "stability")
    mode = algorithm.sampling_for(model.data_count)
    if isinstance(mode, Persistent):
        raise SamplingNotCovered(
            f"stability covers batches of different steps that are independent or of one epoch, not sampling={mode}, whose samples "
            f"stay for many steps; simulate it directly with numerics.fates",
            mode,
        )
    if mode not in FRESH and len(model.data) > 1:
        raise SamplingNotCovered(
            f"sampling={mode} is covered for one Empirical data set; this model has further random symbols besides it",
            mode,
        )
    if isinstance(mode, Bernoulli) and model.data_count is not None:
        return Batch(mode.fraction * model.data_count, mode, model.data_count)
    if mode not in FRESH and not algorithm.batch_size.is_number:
        raise AlgorithmNotCovered(f"sampling={mode} needs a number for batch_size={algorithm.batch_size}")
    return Batch(algorithm.batch_size, mode, model.data_count)


def batch_mean_values(curvature: Expr, randomness: Randomness, batch: Batch) -> list[tuple[Expr, Expr]] | None:
    """The values of the batch mean with their probabilities, where they are finitely many and at most `LISTED`.

    Equal values of single samples are merged first. None where they cannot be listed.
    """
    present = randomness.of(curvature)
    if not present.groups:
        return [(curvature, S.One)]
    if present.continuous or present.outcome_count > LISTED:
        return None
    if isinstance(batch.mode, Bernoulli):
        return _subsets_of_any_size(curvature, present, batch.mode)
    if not batch.size.is_Integer:
        return None
    size = int(batch.size)
    outcomes = [(sympy.expand(curvature.xreplace(values)), weight) for values, weight in present.outcomes()]
    if batch.mode in SUBSET:
        if comb(len(outcomes), size) > LISTED:
            return None
        listed = [sympy.Add(*chosen) / size for chosen in combinations([value for value, _ in outcomes], size)]
        return _merged([(value, Rational(1, len(listed))) for value in listed])
    if batch.mode == Sampling.CYCLIC:
        values = [value for value, _ in outcomes]
        blocks = [sympy.Add(*values[k : k + size]) / size for k in range(0, len(values), size)]
        return _merged([(value, Rational(1, len(blocks))) for value in blocks])
    single = _merged(outcomes)
    if comb(size + len(single) - 1, size) > LISTED:
        return None
    return _merged([_composition(chosen, size) for chosen in combinations_with_replacement(single, size)])


def _subsets_of_any_size(curvature: Expr, present: Randomness, mode: Bernoulli) -> list[tuple[Expr, Expr]] | None:
    """Every subset of the data, its sum over b N, with the probability b^k (1 - b)^(N - k) of its k samples."""
    values = [sympy.expand(curvature.xreplace(outcome)) for outcome, _ in present.outcomes()]
    count = len(values)
    if 2**count > LISTED:
        return None
    b = mode.fraction
    return _merged(
        [
            (sympy.Add(*chosen) / (b * count), b**k * (1 - b) ** (count - k))
            for k in range(count + 1)
            for chosen in combinations(values, k)
        ]
    )


def _composition(chosen: tuple[tuple[Expr, Expr], ...], size: int) -> tuple[Expr, Expr]:
    """The mean of a multiset of values and the probability of drawing it."""
    repeats = [chosen.count(pair) for pair in dict.fromkeys(chosen)]
    ways = factorial(size) // prod(map(factorial, repeats))
    return sympy.Add(*(value for value, _ in chosen)) / size, ways * sympy.Mul(*(weight for _, weight in chosen))


def _merged(pairs: list[tuple[Expr, Expr]]) -> list[tuple[Expr, Expr]]:
    total: dict[Expr, Expr] = {}
    for value, weight in pairs:
        key = sympy.expand(value)
        total[key] = total.get(key, S.Zero) + weight
    return [(value, weight) for value, weight in total.items() if weight != 0]


def batch_mean_law(curvature: Expr, randomness: Randomness, batch: Batch) -> tuple[Expr, Expr, object] | None:
    """(offset, slope, law) with batch mean = offset + slope * y for y of the law; None where no such family is known.

    Known are sums of independent Gaussian, Cauchy, exponential and Gamma numbers that enter linearly, and squares of a centred Gaussian
    number, whose mean over a batch of S has a Gamma law of shape S/2.
    """
    from theory.laws import Cauchy, Exponential, Gamma, Normal

    present = randomness.of(curvature)
    if batch.mode not in FRESH or present.finite:
        return None
    terms = coefficients(curvature, present.symbols)
    offset = terms.pop(S.One, S.Zero)
    size = batch.size
    if all(isinstance(law, Normal) for _, law in present.groups) and all(
        function in present.symbols for function in terms
    ):
        mean, variance = _gaussian_sum(terms, present)
        return offset, S.One, Normal(mean, sympy.expand(variance / size))
    if len(present.groups) != 1 or len(terms) != 1:
        return None
    ((names, law),) = present.groups
    ((function, slope),) = terms.items()
    if function == names[0]:
        if isinstance(law, Cauchy):
            return offset, slope, law
        if isinstance(law, Exponential):
            return offset, slope, Gamma(size, 1 / (law.rate * size))
        if isinstance(law, Gamma):
            return offset, slope, Gamma(law.shape * size, law.scale / size)
    if function == names[0] ** 2 and isinstance(law, Normal) and law.is_scalar and law.means[0] == 0:
        return offset, slope, Gamma(size / 2, 2 * law.covariance[0][0] / size)
    return None


def _gaussian_sum(terms: dict[Expr, Expr], present: Randomness) -> tuple[Expr, Expr]:
    """Mean and variance of a linear combination of Gaussian numbers."""
    mean, variance = S.Zero, S.Zero
    for names, law in present.groups:
        weights = [terms.get(name, S.Zero) for name in names]
        mean += sympy.Add(*(a * m for a, m in zip(weights, law.means, strict=True)))
        variance += sympy.Add(
            *(
                a * c * b
                for a, row in zip(weights, law.covariance, strict=True)
                for b, c in zip(weights, row, strict=True)
            )
        )
    return mean, variance


def single_symbol(curvature: Expr, randomness: Randomness) -> Symbol | None:
    """The one random symbol of a curvature that is polynomial in it, None if there are several or it is not."""
    present = randomness.of(curvature)
    found = sorted(curvature.free_symbols & set(present.symbols), key=str)
    if len(found) != 1 or not curvature.is_polynomial(found[0]):
        return None
    return found[0]
