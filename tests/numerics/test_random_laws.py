"""Every draw against the law it claims: moments, Kolmogorov-Smirnov, and the tails, at seeds fixed beforehand.

A moment may be off by five standard errors, a p-value be no smaller than 10^-6: with a few hundred tests, one fails by
chance in a thousand choices of the seed. No seed was chosen.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from numba import njit
from scipy import stats

from numerics import random as draws
from numerics.random import Purpose

SMALLEST_P = 1e-6
COUNT = 200_000
MANY = 4_000_000
LAWS = {"normal": stats.norm(), "uniform": stats.uniform(), "exponential": stats.expon()}


@njit
def many(draw, count, seed):
    """`count` scalar draws of successive indices."""
    out = np.empty(count)
    for index in range(count):
        out[index] = draw(seed, 0, 3, 7, index, 1)
    return out


@njit
def many_of(draw, parameter, count, seed):
    out = np.empty(count)
    for index in range(count):
        out[index] = draw(parameter, seed, 0, 3, 7, index, 1)
    return out


def filled(name, count, seed=11):
    """A long fill, in double precision whatever it was drawn in."""
    out = np.empty(count, np.float32 if name.endswith("32") else float)
    getattr(draws, name)(out, seed, 0, 0, 0, Purpose.DATA)
    return out.astype(float)


def anderson_darling_p(uniforms):
    """The p-value of the Anderson-Darling statistic of numbers that should be uniform.

    The asymptotic distribution, by the formula of G. Marsaglia and J. Marsaglia, Evaluating the Anderson-Darling
    distribution (J. Stat. Software 9, 2004), whose error is below 2e-6 and of no importance for long samples.
    """
    u = np.sort(uniforms)
    n = len(u)
    odd = 2 * np.arange(1, n + 1) - 1
    z = -n - np.mean(odd * (np.log(u) + np.log1p(-u[::-1])))
    if z < 2:
        series = 2.00012 + (0.247105 - (0.0649821 - (0.0347962 - (0.011672 - 0.00168691 * z) * z) * z) * z) * z
        return 1 - math.exp(-1.2337141 / z) / math.sqrt(z) * series
    series = 1.0776 - (2.30695 - (0.43424 - (0.082433 - (0.008056 - 0.0003146 * z) * z) * z) * z) * z
    return -math.expm1(-math.exp(series))


def test_the_anderson_darling_p_value_is_uniform_for_uniform_numbers():
    samples = np.random.default_rng(3).uniform(size=(2000, 500))
    assert stats.kstest([anderson_darling_p(sample) for sample in samples], "uniform").pvalue > SMALLEST_P


# -------------------------------------------------------------------------------------------------------------- fills


@pytest.mark.parametrize("suffix", ["", "32"])
@pytest.mark.parametrize(("kind", "order"), [("normal", 8), ("uniform", 8), ("exponential", 4)])
def test_moments_of_fills_are_those_of_the_law(kind, order, suffix):
    # higher powers of an exponential are so skewed that five standard errors mean little
    sample, law = filled(f"fill_{kind}s{suffix}", MANY), LAWS[kind]
    power = np.ones(MANY)
    for k in range(1, order + 1):
        power *= sample
        moment, variance = law.moment(k), law.moment(2 * k) - law.moment(k) ** 2
        assert abs(power.mean() - moment) < 5 * math.sqrt(variance / MANY), k


@pytest.mark.parametrize("suffix", ["", "32"])
@pytest.mark.parametrize("kind", ["normal", "uniform", "exponential"])
def test_fills_follow_their_law(kind, suffix):
    assert stats.kstest(filled(f"fill_{kind}s{suffix}", COUNT), LAWS[kind].cdf).pvalue > SMALLEST_P


@pytest.mark.parametrize("suffix", ["", "32"])
def test_tails_of_normals_are_gaussian_on_both_sides(suffix):
    sample = filled(f"fill_normals{suffix}", MANY)
    for side in (sample, -sample):
        for level in (3.0, 4.0, 5.0):
            beyond = int((side > level).sum())
            assert stats.binomtest(beyond, MANY, stats.norm.sf(level)).pvalue > SMALLEST_P
        # far out, given that it is beyond 3
        assert anderson_darling_p(stats.norm.sf(side[side > 3.0]) / stats.norm.sf(3.0)) > SMALLEST_P
        # near zero, where single precision would lose digits if radii went through a rounded uniform
        small = side[(side > 0) & (side < 1e-3)]
        assert anderson_darling_p((stats.norm.cdf(small) - 0.5) / (stats.norm.cdf(1e-3) - 0.5)) > SMALLEST_P


@pytest.mark.parametrize("suffix", ["", "32"])
def test_tails_of_exponentials_and_the_ends_of_uniforms_are_right(suffix):
    exponentials, uniforms = filled(f"fill_exponentials{suffix}", MANY), filled(f"fill_uniforms{suffix}", MANY)
    assert anderson_darling_p(np.exp(7.0 - exponentials[exponentials > 7.0])) > SMALLEST_P
    assert anderson_darling_p(exponentials[exponentials < 1e-3] / 1e-3) > 1e-6  # 1 - e^-x is x to half its spacing
    assert anderson_darling_p(uniforms[uniforms < 2.0**-10] * 2.0**10) > SMALLEST_P
    assert stats.binomtest(int((exponentials > 10.0).sum()), MANY, math.exp(-10.0)).pvalue > SMALLEST_P


def test_signs_are_fair_and_uncorrelated():
    sample = filled("fill_signs", COUNT)
    assert set(sample) == {-1.0, 1.0}
    for lag in (1, 2, 31, 32, 128):
        assert abs(np.mean(sample[lag:] * sample[:-lag])) < 5 / math.sqrt(COUNT - lag)
    assert abs(sample.mean()) < 5 / math.sqrt(COUNT)


# ------------------------------------------------------------------------------------------------------- single draws


@pytest.mark.parametrize("suffix", ["", "32"])
@pytest.mark.parametrize(("kind", "law"), [*LAWS.items(), ("cauchy", stats.cauchy())])
def test_single_draws_follow_their_law(kind, law, suffix):
    sample = many(getattr(draws, f"{kind}_draw{suffix}"), COUNT, 5)
    assert stats.kstest(sample, law.cdf).pvalue > SMALLEST_P


@pytest.mark.parametrize("suffix", ["", "32"])
def test_single_signs_are_fair(suffix):
    sample = many(getattr(draws, f"sign_draw{suffix}"), COUNT, 5)
    assert set(sample) == {-1.0, 1.0}
    assert abs(sample.mean()) < 5 / math.sqrt(COUNT)


def test_choice_and_integer_have_the_right_frequencies():
    weights = np.array([0.1, 0.0, 0.25, 0.65, 0.0])
    counts = np.bincount(many_of(draws.choice_draw, np.cumsum(weights), COUNT, 5).astype(int), minlength=5)
    assert counts[1] == counts[4] == 0
    assert stats.chisquare(counts[[0, 2, 3]], COUNT * weights[[0, 2, 3]]).pvalue > SMALLEST_P
    integers = many_of(draws.integer_draw, 7, COUNT, 5).astype(int)
    assert stats.chisquare(np.bincount(integers, minlength=7)).pvalue > SMALLEST_P


@pytest.mark.parametrize("suffix", ["", "32"])
def test_gamma_draws_have_the_right_mean_variance_and_law(suffix):
    for shape in (0.1, 0.5, 1.0, 3.7, 40.0):
        sample = many_of(getattr(draws, f"gamma_draw{suffix}"), shape, COUNT, 5)
        assert abs(sample.mean() - shape) < 5 * math.sqrt(shape / COUNT)
        # the fourth central moment of a gamma variable is 3 a^2 + 6 a
        assert abs(sample.var() - shape) < 5 * math.sqrt((2 * shape**2 + 6 * shape) / COUNT)
        assert stats.kstest(sample, stats.gamma(shape).cdf).pvalue > SMALLEST_P


@pytest.mark.parametrize("suffix", ["", "32"])
def test_chi_square_draws_are_exact_from_one_degree_of_freedom_to_a_million(suffix):
    for degrees in (1.0, 2.0, 17.0, 1000.0, 1e6):
        sample = many_of(getattr(draws, f"chi_square_draw{suffix}"), degrees, COUNT, 5)
        law = stats.chi2(degrees)
        assert stats.kstest(sample, law.cdf).pvalue > SMALLEST_P
        assert anderson_darling_p(law.cdf(sample)) > SMALLEST_P
        assert abs(sample.mean() - degrees) < 5 * math.sqrt(2 * degrees / COUNT)


@pytest.mark.parametrize("suffix", ["", "32"])
def test_student_draws_follow_their_law(suffix):
    # its normal and its chi-square come from one block: their law is right only if the two are independent
    for degrees in (1.0, 3.0, 30.0):
        sample = many_of(getattr(draws, f"student_draw{suffix}"), degrees, COUNT, 5)
        assert stats.kstest(sample, stats.t(degrees).cdf).pvalue > SMALLEST_P
        assert anderson_darling_p(stats.t(degrees).sf(sample)) > SMALLEST_P


def test_rejection_never_hangs_on_a_shape_that_has_no_law():
    for draw in (draws.gamma_draw, draws.gamma_draw32):
        for shape in (math.nan, -1.0, -math.inf):
            assert not draw(shape, 1, 0, 0, 0, 0, 0) > 0
        assert draw(math.inf, 1, 0, 0, 0, 0, 0) == math.inf


def test_rejected_attempts_move_to_blocks_that_no_other_draw_owns():
    taken = []
    for draw in range(2000):
        first = draws.words4(9, 0, 0, 0, draw, 0)
        x, u = draws.normal_pair(first[0], first[1])[0], draws.uniform_of(first[2])
        d = 1.0 - 1.0 / 3.0
        root = 1.0 + x / math.sqrt(9.0 * d)
        accepted = root > 0 and math.log(u) < 0.5 * x * x + d * (1 - root**3 + 3 * math.log(root))
        if accepted:
            assert draws.gamma_draw(1.0, 9, 0, 0, 0, draw, 0) == pytest.approx(d * root**3, rel=1e-14)
        else:
            taken.append(draw)
            assert draws.gamma_draw(1.0, 9, 0, 0, 0, draw, 0) == draws.gamma_draw(1.0, 9, 0, 0, 0, draw + (1 << 24), 0)
    assert 0 < len(taken) < 0.08 * 2000
