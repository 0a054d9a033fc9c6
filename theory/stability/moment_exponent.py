r"""The moment exponent L(p) = log E|m|^p of a scalar block as an expression, m = keep + weight * mean curvature.

Finitely many values of the batch mean give a finite sum. An even p gives a polynomial in keep and weight, through the moments of the
batch mean. A batch mean with a Gamma law, m = kappa (1 - theta y) with y of shape k (so do squares of Gaussian numbers, k = S/2), gives

$$ \mathbb{E}|m|^p = \frac{\kappa^p\vartheta^{-k}}{\Gamma(k)}\Big[ B(k, p+1)\,{}_1F_1(k; k+p+1; -c)
   + e^{-c} c^{-p-k} \int_0^\infty s^p (c+s)^{k-1} e^{-s} ds \Big], \qquad c = 1/\vartheta,\ p > -1. $$

The integral is Gamma(p+1) c^{p+k} U(p+1, p+k+1, c), whose usual evaluation may not converge.
"""

from __future__ import annotations

from itertools import combinations
from math import factorial
from typing import Any

import sympy
from sympy import Abs, Expr, S

from theory.algorithm import Sampling
from theory.errors import MomentDiverges, MomentDoesNotExist, UnsupportedExpectation
from theory.stability.batch_moments import DEPENDENT, batch_moments
from theory.stability.batches import LISTED, Batch, batch_mean_law, batch_mean_values
from theory.stability.logarithm import ExpectedPower
from theory.stability.randomness import Randomness

HIGHEST = 16
"""The largest even power that is written out."""


def moment_exponent(
    keep: Expr, weight: Expr, curvature: Expr, randomness: Randomness, batch: Batch, order: Expr
) -> Expr:
    """Return log E|keep + weight * mean curvature|^order per step: in closed form, or as the expectation that defines it.

    Infinity where the moment does not exist for any value of the symbols. Steps of one epoch are not independent: of reshuffled data
    the exponent is that of an epoch over its steps.
    """
    power = sympy.sympify(order)
    if power == 0:
        return S.Zero
    names = tuple(randomness.of(curvature).symbols)
    found = _closed(keep, weight, curvature, randomness, batch, power)
    if found is not None:
        return found
    return sympy.log(ExpectedPower(keep, weight, curvature, batch.size, names, power))


def _closed(
    keep: Expr, weight: Expr, curvature: Expr, randomness: Randomness, batch: Batch, power: Expr
) -> Expr | None:
    if batch.mode == Sampling.RESHUFFLED and randomness.of(curvature).groups:
        return _of_epoch(keep, weight, curvature, randomness, batch, power)
    values = batch_mean_values(curvature, randomness, batch)
    if values is not None:
        distances = [(Abs(sympy.factor_terms(keep + weight * value)), share) for value, share in values]
        if len(values) == 1 or batch.mode == Sampling.CYCLIC:
            return power * sympy.Add(*(share * sympy.log(distance) for distance, share in distances))
        if not _is_even(power):
            return sympy.log(sympy.Add(*(share * distance**power for distance, share in distances)))
    if batch.mode in DEPENDENT:
        return None
    if _is_even(power):
        return _through_moments(keep, weight, curvature, randomness, batch, int(power))
    return _through_gamma_law(keep, weight, curvature, randomness, batch, power)


def _is_even(power: Expr) -> bool:
    return bool(power.is_Integer and power % 2 == 0 and 0 < power <= HIGHEST)


def _through_moments(
    keep: Expr, weight: Expr, curvature: Expr, randomness: Randomness, batch: Batch, power: int
) -> Expr | None:
    try:
        moments = batch_moments(curvature, randomness, batch, power)
    except MomentDoesNotExist:
        fixed = not any(law.free_symbols for _, law in randomness.of(curvature).groups)
        return S.Infinity if fixed else None
    except (MomentDiverges, UnsupportedExpectation):
        return None
    if moments is None:
        return None
    mean, central = moments
    kept = keep + weight * mean
    terms = (sympy.binomial(power, k) * kept ** (power - k) * weight**k * central[k] for k in range(power + 1))
    return sympy.log(sympy.expand(sympy.Add(*terms)))


def _through_gamma_law(
    keep: Expr, weight: Expr, curvature: Expr, randomness: Randomness, batch: Batch, power: Expr
) -> Expr | None:
    from theory.laws import Gamma

    family = batch_mean_law(curvature, randomness, batch)
    if family is None or (power + 1).is_nonpositive:
        return None
    offset, slope, law = family
    if not isinstance(law, Gamma):
        return None
    kappa = sympy.expand(keep + weight * offset)
    theta = sympy.cancel(-weight * slope * law.scale / kappa)
    if theta.is_positive is not True:
        return None
    k, c = law.shape, 1 / theta
    s = sympy.Dummy("s", positive=True)
    below = (
        sympy.gamma(k) * sympy.gamma(power + 1) / sympy.gamma(k + power + 1) * sympy.hyper((k,), (k + power + 1,), -c)
    )
    above = sympy.Integral(s**power * (c + s) ** (k - 1) * sympy.exp(-s), (s, 0, sympy.oo))
    bracket = below + sympy.exp(-c) * theta ** (power + k) * above
    return power * sympy.log(Abs(kappa)) - k * sympy.log(theta) - sympy.log(sympy.gamma(k)) + sympy.log(bracket)


def _of_epoch(
    keep: Expr, weight: Expr, curvature: Expr, randomness: Randomness, batch: Batch, power: Expr
) -> Expr | None:
    """S/N times log E prod |m_B|^p over the blocks of a random permutation; numbers commute, so partitions into blocks count."""
    present = randomness.of(curvature)
    if present.continuous or not batch.size.is_Integer:
        return None
    values = [sympy.expand(curvature.xreplace(outcome)) for outcome, _ in present.outcomes()]
    size, count = int(batch.size), len(values)
    ways = factorial(count) // (factorial(size) ** (count // size) * factorial(count // size))
    if ways > LISTED:
        return None
    products: dict[Any, int] = {}
    for partition in _into_blocks(tuple(range(count)), size):
        means = [sympy.Add(*(values[i] for i in block)) / size for block in partition]
        key = tuple(sorted((sympy.factor_terms(keep + weight * mean) for mean in means), key=sympy.default_sort_key))
        products[key] = products.get(key, 0) + 1
    if len(products) == 1:
        ((only, _),) = products.items()
        return power * size / count * sympy.Add(*(sympy.log(Abs(m)) for m in only))
    total = sympy.Add(
        *(sympy.Rational(n, ways) * sympy.Mul(*(Abs(m) ** power for m in key)) for key, n in products.items())
    )
    return sympy.Rational(size, count) * sympy.log(total)


def _into_blocks(items: tuple[int, ...], size: int) -> list[list[tuple[int, ...]]]:
    """Every partition into blocks of one size."""
    if not items:
        return [[]]
    first, rest = items[0], items[1:]
    found = []
    for others in combinations(rest, size - 1):
        left = tuple(item for item in rest if item not in others)
        found += [[(first, *others), *tail] for tail in _into_blocks(left, size)]
    return found
