r"""Moments of the mean of a batch, from the moments of one sample.

With d = h - E h and the k factors of a power distributed over distinct samples, as the integer partition rho of k says,

$$ \mathbb{E}\bar d^{\,k} = S^{-k} \sum_{\rho\vdash k} n_\rho\, (S)_b\, D_\rho , $$

n_rho the number of set partitions of that shape and b its number of blocks. For independent draws D_rho = prod E d^{rho_j}; for distinct
samples out of N it is the mean over distinct samples, which power sums give. Of Bernoulli batches the cumulants add up:
kappa_k = c_k(b) sum_i h_i^k / (bN)^k with c_k those of a Bernoulli number.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache
from math import comb, factorial, prod
from typing import Any

import sympy
from sympy import Expr, S

from theory.algorithm import Bernoulli, Sampling
from theory.errors import UnsupportedExpectation
from theory.expectation import Quadrature
from theory.stability.batches import SUBSET, Batch
from theory.stability.fixed_point import mean
from theory.stability.randomness import Randomness

DEPENDENT = (Sampling.RESHUFFLED, Sampling.CYCLIC)
"""Modes whose steps depend on each other, so that moments of one step are not those of a product."""
EXPANDED = 5000
"""Terms of a power of the curvature at most."""


def batch_moments(
    curvature: Expr, randomness: Randomness, batch: Batch, order: int
) -> tuple[Expr, tuple[Expr, ...]] | None:
    """The mean of a batch mean and its central moments from 0 to `order`; None where they have no exact form.

    Raises `MomentDoesNotExist` where a moment is infinite.

    >>> from theory import Normal, Sampling, symbols
    >>> x, S = symbols("x"), symbols("S", positive=True, integer=True)
    >>> squares = Randomness((((x,), Normal()),))
    >>> batch_moments(x**2, squares, Batch(S, Sampling.ONLINE, None), 3)
    (1, (1, 0, 2/S, 8/S**2))
    """
    present = randomness.of(curvature)
    if not present.groups:
        return curvature, (S.One, *[S.Zero] * order)
    continuous = [symbol for names, _ in present.continuous for symbol in names]
    terms = len(sympy.Add.make_args(sympy.expand(curvature))) + 1
    if not curvature.is_polynomial(*continuous) or comb(terms + order, order) > EXPANDED:
        return None
    try:
        first = mean(curvature, present)
        if isinstance(batch.mode, Bernoulli):
            powers = [mean(curvature**k, present) for k in range(order + 1)]
        else:
            powers = [mean(sympy.expand((curvature - first) ** k), present) for k in range(order + 1)]
    except UnsupportedExpectation:  # a law that can only be drawn
        return None
    if any(moment.has(Quadrature) for moment in (first, *powers)):
        return None
    if isinstance(batch.mode, Bernoulli):
        numbers = bernoulli_cumulants(batch.mode.fraction, order)
        found = from_cumulants(
            bernoulli_sum_cumulants(powers, batch.mode.fraction, numbers, int(batch.data_count or 0))
        )
    else:
        found = batch_central_moments(powers, batch.size, batch.data_count if batch.mode in SUBSET else None)
    return first, tuple(sympy.expand(moment) for moment in found)


def batch_central_moments(powers: Sequence[Any], batch_size: Any, data_count: int | None) -> list[Any]:
    """Central moments of a batch mean from those of one sample, both from 0 on, as expressions or as arrays.

    `data_count`: the size of the data set out of which distinct samples are taken; None for independent draws.
    """
    symbolic = isinstance(powers[0], sympy.Basic)
    found = [powers[0]]
    for k in range(1, len(powers)):
        total = 0 * powers[0]
        for shape in _shapes(k):
            weight = _weight(shape, batch_size, data_count)
            total = total + (weight if symbolic else float(weight)) * _spread(shape, powers, data_count)
        found.append(total)
    return found


def bernoulli_cumulants(fraction: Any, order: int) -> list[Expr]:
    """The cumulants of a number that is 1 with probability `fraction` and else 0, from 0 to `order`."""
    b = sympy.Dummy("b")
    found = [S.Zero, b]
    for _ in range(order - 1):
        found.append(sympy.expand(b * (1 - b) * sympy.diff(found[-1], b)))
    return [cumulant.xreplace({b: sympy.sympify(fraction)}) for cumulant in found[: order + 1]]


def bernoulli_sum_cumulants(powers: Sequence[Any], fraction: Any, numbers: Sequence[Any], data_count: int) -> list[Any]:
    """The cumulants of sum_i s_i h_i / (bN) from the raw moments E h^k of the data and the cumulants of a Bernoulli number."""
    return [
        numbers[k] * data_count * power / (fraction * data_count) ** k if k else 0 * power
        for k, power in enumerate(powers)
    ]


def from_cumulants(cumulants: Sequence[Any]) -> list[Any]:
    """Central moments from cumulants, the first one left out: m_k = sum_j C(k-1, j-1) kappa_j m_{k-j}."""
    found: list[Any] = [1 + 0 * cumulants[0]]
    for k in range(1, len(cumulants)):
        found.append(sum((comb(k - 1, j - 1) * cumulants[j] * found[k - j] for j in range(2, k + 1)), 0 * cumulants[0]))
    return found


# ---------------------------------------------------------------------------------------------------- integer partitions


@cache
def _shapes(total: int) -> tuple[tuple[int, ...], ...]:
    """The integer partitions of a number, parts in descending order."""
    return tuple(_parts(total, total))


def _parts(total: int, largest: int) -> Iterator[tuple[int, ...]]:
    if total == 0:
        yield ()
    for part in range(min(total, largest), 0, -1):
        for rest in _parts(total - part, part):
            yield (part, *rest)


def _weight(shape: tuple[int, ...], batch_size: Any, data_count: int | None) -> Any:
    """n_rho (S)_b / S^k, over (N)_b for distinct samples."""
    ways = factorial(sum(shape)) // prod(
        factorial(part) ** count * factorial(count) for part, count in Counter(shape).items()
    )
    size = sympy.sympify(batch_size)
    chance = sympy.Mul(*(1 - j / size for j in range(len(shape)))) * size ** (len(shape) - sum(shape))
    if data_count is None:
        return ways * chance
    if len(shape) > data_count:
        return S.Zero
    return ways * chance / prod(data_count - j for j in range(len(shape)))


def _spread(shape: tuple[int, ...], powers: Sequence[Any], data_count: int | None) -> Any:
    """prod E d^{rho_j}, or the sum over distinct samples of prod d_i^{rho_j}."""
    if data_count is None:
        result = powers[shape[0]]
        for part in shape[1:]:
            result = result * powers[part]
        return result
    *others, last = shape
    total = data_count * powers[last]
    if not others:
        return total
    result = total * _spread(tuple(others), powers, data_count)
    for place, part in enumerate(others):  # less the terms in which the last sample is one of the others
        merged = (*others[:place], part + last, *others[place + 1 :])
        result = result - _spread(tuple(sorted(merged, reverse=True)), powers, data_count)
    return result
