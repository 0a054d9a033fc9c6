"""A block at numbers without a rounding error: its step, its batches and its samples as rationals, floats by their exact values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations, combinations_with_replacement, product
from math import comb, factorial, prod
from typing import Any

import numpy as np
import sympy
from sympy import Expr, Symbol

from numerics.stability.proofs.rational_cholesky import Rationals, rationals
from theory import Block, Sampling
from theory.algorithm import Bernoulli
from theory.errors import DerivationError
from theory.partitions import moment_weights
from theory.stability.batches import SUBSET
from theory.stability.symmetric_power import sample_powers


class NotRational(DerivationError, ValueError):
    """A quantity that exact arithmetic needs is no rational number at these values."""


Values = Mapping[Symbol, Fraction]


def rational(expression: Any, values: Values) -> Fraction:
    """An expression at rational values; raises `NotRational` where the result is not one. A float counts by its exact value.

    >>> x = sympy.Symbol("x")
    >>> rational(x / 3, {x: Fraction(1, 2)})
    Fraction(1, 6)
    """
    images = {symbol: sympy.Rational(value.numerator, value.denominator) for symbol, value in values.items()}
    images.update({number: sympy.Rational(float(number)) for number in sympy.sympify(expression).atoms(sympy.Float)})
    number = sympy.sympify(expression).xreplace(images)
    number = number if number.is_Rational else sympy.expand(number)
    if not number.is_Rational:
        raise NotRational(f"{number} is no rational number, so that exact arithmetic cannot hold it")
    return Fraction(int(number.p), int(number.q))


@dataclass(frozen=True)
class ExactStep:
    """A = fixed (x) 1 + left right^T (x) H in rationals, and of one sample's H what a law offers.

    `samples` (sample, k, k) with `shares` for a finite law; otherwise `pairs` (i, j, k, l), E H_ij H_kl, and `mean`.
    `pair_weight`, `mean_weight`: E H Y H of a batch mean in terms of one sample's, and of the mean's.
    """

    fixed: Rationals
    left: Rationals
    right: Rationals
    mean: Rationals
    pair_weight: Fraction
    mean_weight: Fraction
    samples: Rationals | None
    shares: tuple[Fraction, ...]
    pairs: Rationals | None

    @staticmethod
    def of(block: Block, values: Values) -> ExactStep:
        """The step of a block. Raises `NotRational`, and `MomentDoesNotExist` where a second moment is infinite."""
        fixed, left, right = exact_affine(block, values)
        present = block.randomness.of(block.curvature)
        samples, pairs = None, None
        shares: tuple[Fraction, ...] = (Fraction(1),)
        if not present.continuous:
            samples, shares = exact_samples(block, values)
            weights = np.array(shares, dtype=object)
            mean = (weights @ samples.reshape(len(samples), -1)).reshape(block.curvature.shape)
        else:
            first, second = sample_powers(block.curvature, block.randomness, 2)
            mean, pairs = _moments(first, second, block.size, values)
        return ExactStep(fixed, left, right, mean, *exact_weights(block, values), samples, shares, pairs)

    def matrix(self, curvature: Rationals) -> Rationals:
        """The step with that mean curvature of the batch."""
        size = len(self.mean)
        return np.kron(self.fixed, _identity(size)) + np.kron(np.outer(self.left, self.right), curvature)


def exact_weights(block: Block, values: Values) -> tuple[Fraction, Fraction]:
    """(W, V) with E H Y H of a batch mean = W E H Y H of one sample + V H0 Y H0."""
    if not block.randomness.of(block.curvature).groups:
        return Fraction(0), Fraction(1)
    images = {symbol: sympy.Rational(v.numerator, v.denominator) for symbol, v in values.items()}
    mode, size = block.batch.mode, sympy.sympify(block.batch.size).xreplace(images)
    if isinstance(mode, Bernoulli):
        mode = Bernoulli(mode.fraction.xreplace(images))
    table = moment_weights(mode, size, block.batch.data_count, 2)
    return rational(table[2,], {}), rational(table[1, 1], {})


def exact_affine(block: Block, values: Values) -> tuple[Rationals, Rationals, Rationals]:
    """C, left and right of the step C (x) 1 + left right^T (x) H."""
    fixed, slope = (
        rationals([[rational(entry, values) for entry in matrix.row(i)] for i in range(matrix.rows)])
        for matrix in block.step.affine
    )
    row = next(i for i in range(len(slope)) if slope[i, 0] != 0)
    return fixed, slope[:, 0] / slope[row, 0], slope[row]


def exact_samples(block: Block, values: Values) -> tuple[Rationals, tuple[Fraction, ...]]:
    """One sample's curvature at every outcome, and the probabilities. Raises `NotRational` for curvatures that are no polynomials."""
    present = block.randomness.of(block.curvature)
    columns, shares = data_columns(block, values)
    names = list(present.symbols)
    entries = []
    for entry in block.curvature:
        if not entry.is_polynomial(*names):
            raise NotRational(
                f"the curvature {entry} is no polynomial in the data, so that exact arithmetic cannot hold it"
            )
        total: Any = rationals([0] * len(shares))
        for powers, coefficient in sympy.Poly(entry, *names).terms() if names else [((), entry)]:
            term = np.array([rational(coefficient, values)] * len(shares), dtype=object)
            for column, power in zip(columns, powers, strict=True):
                term = term * column**power if power else term
            total = total + term
        entries.append(total)
    size = block.size
    return np.stack(entries, axis=1).reshape(-1, size, size), shares


def exact_batches(block: Block, values: Values, limit: int) -> tuple[list[Rationals], list[Fraction]] | None:
    """The mean curvature of every batch with its probability, in rationals; None for continuous laws and more than `limit` batches."""
    if block.randomness.of(block.curvature).continuous:
        return None
    if not block.randomness.of(block.curvature).groups:
        return [exact_samples(block, values)[0][0]], [Fraction(1)]
    listed = _chosen(block, values, data_columns(block, values)[1], limit)
    if listed is None:
        return None
    samples, _ = exact_samples(block, values)
    merged: dict[tuple[Any, ...], Fraction] = {}
    for members, weight, share in listed:
        key = tuple((sum((samples[i] for i in members), rationals(np.zeros(samples.shape[1:]))) * weight).ravel())
        merged[key] = merged.get(key, Fraction(0)) + share
    shape = samples.shape[1:]
    return [np.array(key, dtype=object).reshape(shape) for key in merged], list(merged.values())


Choice = tuple[tuple[int, ...], Fraction, Fraction]
"""The samples of a batch, what their sum is multiplied with, and the probability."""


def _chosen(block: Block, values: Values, shares: tuple[Fraction, ...], limit: int) -> Iterator[Choice] | None:
    count, mode = len(shares), block.batch.mode
    if isinstance(mode, Bernoulli):
        fraction = rational(mode.fraction, values)
        if 2**count > limit:
            return None
        subsets = ([i for i in range(count) if kept[i]] for kept in product((0, 1), repeat=count))
        return (
            (tuple(s), 1 / (fraction * count), fraction ** len(s) * (1 - fraction) ** (count - len(s))) for s in subsets
        )
    size = int(rational(block.batch.size, values))
    if mode in SUBSET:
        total = comb(count, size)
        if total > limit:
            return None
        return ((s, Fraction(1, size), Fraction(1, total)) for s in combinations(range(count), size))
    if mode == Sampling.CYCLIC:
        pieces = count // size
        blocks = (tuple(range(k * size, (k + 1) * size)) for k in range(pieces))
        return ((s, Fraction(1, size), Fraction(1, pieces)) for s in blocks)
    if comb(count + size - 1, size) > limit:
        return None
    return ((s, Fraction(1, size), _multinomial(s, shares)) for s in combinations_with_replacement(range(count), size))


def _multinomial(members: tuple[int, ...], shares: tuple[Fraction, ...]) -> Fraction:
    ways = factorial(len(members)) // prod(factorial(n) for n in Counter(members).values())
    return ways * prod((shares[i] for i in members), start=Fraction(1))


def data_columns(block: Block, values: Values) -> tuple[list[Rationals], tuple[Fraction, ...]]:
    """Every joint outcome of the random symbols of the curvature as columns, and the probabilities."""
    present = block.randomness.of(block.curvature)
    if not present.groups:
        return [], (Fraction(1),)
    if len(present.groups) == 1 and hasattr(present.groups[0][1], "arrays"):
        law = present.groups[0][1]
        return [rationals(array) for array in law.arrays], (Fraction(1, law.count),) * law.count
    rows = list(present.outcomes())
    columns = [rationals([rational(row[s], values) for row, _ in rows]) for s in present.symbols]
    return columns, tuple(rational(share, values) for _, share in rows)


def _moments(first: Any, second: Any, size: int, values: Values) -> tuple[Rationals, Rationals]:
    """The mean of H and E H_ij H_kl, from the forms E u^T H x and E (u^T H x)^2 of a symmetric H."""
    unit = [tuple(int(i == j) for j in range(size)) for i in range(size)]

    def entry(form: Mapping[Any, Expr], left: tuple[int, ...], right: tuple[int, ...]) -> Fraction:
        return rational(form.get((left, right), sympy.S.Zero), values)

    mean = rationals([[entry(first, unit[i], unit[k]) for k in range(size)] for i in range(size)])
    pairs = rationals(np.zeros((size,) * 4))
    for i, j, k, n in product(range(size), repeat=4):
        # the coefficient of u_i u_j x_k x_n collects E H_ik H_jn and E H_in H_jk; only their sum acts on symmetric matrices
        sums = tuple(a + b for a, b in zip(unit[i], unit[j], strict=True))
        others = tuple(a + b for a, b in zip(unit[k], unit[n], strict=True))
        ways = (1 if i == j else 2) * (1 if k == n else 2)
        pairs[i, j, k, n] = entry(second, sums, others) / ways
    return mean, pairs


def _identity(size: int) -> Rationals:
    return rationals(np.eye(size, dtype=int))
