"""Certificates: the bounds hold, the evidence proves them afresh, tampered evidence does not, and what is not proved is said."""

from dataclasses import replace
from fractions import Fraction

import mpmath
import numpy as np
import pytest
import sympy

from numerics.stability.certificates import certificates
from numerics.stability.exponents import grid_of
from numerics.stability.matrix.second_moments import SecondMoments
from numerics.stability.mean_square import mean_square_threshold
from numerics.stability.proofs.enclosed_steps import EnclosedStep
from numerics.stability.proofs.enclosures import Enclosure
from numerics.stability.proofs.evidence import Certificate, Method, Rigour
from numerics.stability.proofs.exact_steps import ExactStep, NotRational, rational
from numerics.stability.proofs.log_sums import enclosed_log_sum
from numerics.stability.proofs.lyapunov_inequality import exact_adjoint
from numerics.stability.proofs.norm_bounds import spectral_bound, word_norms
from numerics.stability.proofs.rational_cholesky import is_positive_definite, pivots, rationals
from theory import (
    SGD,
    Discrete,
    Empirical,
    HeavyBall,
    InvalidRequest,
    Model,
    Nesterov,
    Normal,
    Sampling,
    StudentT,
    bernoulli,
    stability,
    symbols,
)

u, w, x, y = symbols("u w x y")
eta = symbols("eta", positive=True)
ORIGIN = {u: 0, w: 0}
FOUR = np.array([(1, 0.5), (-0.3, 1.2), (0.8, -0.9), (0.2, 0.4)])


def regression(algorithm, data=FOUR):
    law = {(x, y): Empirical(*np.asarray(data).T)}
    return stability(Model((u * x + w * y) ** 2 / 2, [u, w], law), algorithm, point=ORIGIN)


def by_method(equations, at) -> dict[Method, Certificate]:
    return {found.method: found for found in certificates(equations, at=at)}


# -------------------------------------------------------------------------------------------------- exact arithmetic


def test_pivots_multiply_to_the_leading_minors():
    table = rationals([[4, Fraction(1, 3), 1], [Fraction(1, 3), 2, Fraction(-1, 7)], [1, Fraction(-1, 7), 1]])
    exact = sympy.Matrix(3, 3, [sympy.Rational(e.numerator, e.denominator) for e in table.ravel()])
    products = np.cumprod(np.array(pivots(table), dtype=object))
    assert [sympy.Rational(p.numerator, p.denominator) for p in products] == [exact[:k, :k].det() for k in (1, 2, 3)]


@pytest.mark.parametrize("shift", [Fraction(1, 10**40), Fraction(0), Fraction(-1, 10**40)])
def test_definiteness_is_decided_where_floats_cannot(shift):
    table = rationals([[1, 1], [1, 1]]) + rationals([[0, 0], [0, 1]]) * shift
    assert is_positive_definite(table) == (shift > 0)


def test_a_matrix_that_is_not_symmetric_is_not_certified():
    assert not is_positive_definite(rationals([[2, 1], [0, 2]]))


def test_enclosures_hold_the_exact_product_and_sum():
    draw = np.random.default_rng(2)
    first, second = draw.normal(size=(2, 5, 5)) * 10.0 ** draw.integers(-8, 8, size=(2, 5, 5))
    exact = rationals(first) @ rationals(second) + rationals(first)
    found = Enclosure(first, np.zeros((5, 5))) @ Enclosure(second, np.zeros((5, 5))) + Enclosure(
        first, np.zeros((5, 5))
    )
    middle, radius = rationals(found.middle), rationals(found.radius)
    assert np.all(abs(exact - middle) <= radius)
    assert np.all(found.radius <= 1e-13 * (np.abs(first) @ np.abs(second) + np.abs(first)))


def test_an_enclosure_is_definite_only_where_every_member_is():
    for gap in (1e-3, 1e-12, 1e-17, 0.0, -1e-12):
        middle = np.array([[1.0, 1 - gap], [1 - gap, 1.0]])
        found = Enclosure(middle, np.zeros((2, 2))).is_positive_definite()
        assert found <= is_positive_definite(rationals(middle))  # a proof is never wrong
        assert found or gap < 1e-10  # and is found where there is room
    assert not Enclosure(np.eye(2), np.full((2, 2), 0.6)).is_positive_definite()


def test_intervals_enclose_sums_of_logarithms_to_the_last_digits():
    values, shares = (Fraction(3, 7), Fraction(-22, 7)), (Fraction(2, 3), Fraction(1, 3))
    low, high = enclosed_log_sum(values, shares, 2)
    with mpmath.workdps(40):
        exact = (2 * mpmath.log(mpmath.mpf(3) / 7) + mpmath.log(mpmath.mpf(22) / 7)) / 6
        assert low <= exact <= high and high - low <= 2 * np.spacing(abs(float(exact)))


def test_norm_bounds_are_above_the_norm_and_sharp():
    matrices = np.random.default_rng(1).normal(size=(50, 4, 4))
    found, norms = (
        spectral_bound(Enclosure(matrices, np.zeros_like(matrices))),
        np.linalg.norm(matrices, 2, axis=(1, 2)),
    )
    assert np.all(found >= norms * (1 - 1e-15)) and np.all(found <= norms * (1 + 1e-12))


def test_what_is_no_rational_number_is_refused():
    assert rational(sympy.Float(0.1), {}) == Fraction(0.1)
    with pytest.raises(NotRational):
        rational(sympy.sqrt(2), {})


@pytest.mark.parametrize("momentum", [None, HeavyBall(0.5), Nesterov(0.5)], ids=str)
@pytest.mark.parametrize(
    "options",
    [{"batch_size": 3}, {"batch_size": 3, "sampling": Sampling.WITHOUT_REPLACEMENT}, {"sampling": bernoulli(0.25)}],
    ids=["fresh", "subset", "bernoulli"],
)
def test_three_arithmetics_apply_the_same_operator(momentum, options):
    equations = regression(SGD(eta, momentum=momentum, weight_decay=0.1, **options))
    block, (grid, _) = equations.blocks[0], grid_of(equations, {eta: 0.7})
    values = {eta: Fraction(0.7)}
    form = np.eye(block.order) + 0.25
    exact = exact_adjoint(ExactStep.of(block, values), rationals(form))
    enclosed = EnclosedStep.of(block, values).adjoint(Enclosure(form, np.zeros_like(form)))
    assert (
        np.all(abs(exact - rationals(enclosed.middle)) <= rationals(enclosed.radius)) and enclosed.radius.max() < 1e-12
    )
    assert np.allclose(exact.astype(float), SecondMoments.of(block, grid, 0).adjoint(form), rtol=1e-13)


# -------------------------------------------------------------------------------------------------------- certificates


@pytest.mark.parametrize(("rate", "top", "second"), [(1.4, -0.03077013, -0.02368311), (1.0, -0.296373, -0.4151361)])
def test_mean_square_decay_of_four_points_is_proved_in_rationals(rate, top, second):
    found = by_method(regression(SGD(eta)), {eta: rate})[Method.MEAN_SQUARE]
    assert found.rigour == Rigour.EXACT and found.is_proof and found.check()
    assert "L(2) < 0, so SGD is stable in probability" in found.statement
    assert top < second / 2 <= found.upper + 5e-9 < second / 2 + 2e-6 and found.upper < 0


def test_evidence_that_was_tampered_with_does_not_check():
    found = by_method(regression(SGD(eta)), {eta: 1.4})
    square, words, volume = (found[m] for m in (Method.MEAN_SQUARE, Method.WORDS, Method.DETERMINANT))
    lower = replace(square.evidence, rate=square.evidence.rate - Fraction(1, 1000))
    negative = replace(square.evidence, form=-square.evidence.form)
    assert (
        square.check()
        and not replace(square, evidence=lower).check()
        and not replace(square, evidence=negative).check()
    )
    sharper = replace(words.evidence, bounds=tuple((n, bound - 1e-6) for n, bound in words.evidence.bounds))
    assert words.check() and not replace(words, evidence=sharper).check()
    assert volume.check() and not replace(volume, evidence=replace(volume.evidence, lower=volume.lower + 1e-6)).check()


def test_bounds_by_words_fall_and_stay_above_the_exponent():
    found = by_method(regression(SGD(eta)), {eta: 1.0})[Method.WORDS]
    bounds = [bound for _, bound in found.evidence.bounds]
    assert [n for n, _ in found.evidence.bounds] == [1, 2, 4, 8]
    assert bounds == sorted(bounds, reverse=True) and found.upper == bounds[-1] < 0
    assert all(bound > -0.296373 for bound in bounds)


def test_the_determinant_bounds_the_exponent_from_below_and_can_prove_instability():
    found = by_method(regression(SGD(eta)), {eta: 1.4})[Method.DETERMINANT]
    assert abs(2 * found.lower - -0.11346156) < 6e-9 and "no proof of instability" in found.statement
    far = by_method(regression(SGD(eta)), {eta: 3.0})[Method.DETERMINANT]
    assert far.lower > 0 and "unstable" in far.statement and far.check()


def test_the_sign_of_a_scalar_exponent_of_a_finite_law_is_proved():
    law = {x: Discrete({1: 1}), y: Discrete({1: sympy.Rational(1, 2), sympy.Rational(-4, 5): sympy.Rational(1, 2)})}
    equations = stability(Model((u * w * x - y) ** 2 / 2, [u, w], law), SGD(eta), point=ORIGIN)
    for rate, plus, minus in ((0.2, 0.0040, -0.0374), (0.5, -0.0527, -0.1783), (1.8, 0.1043, 0.3344)):
        found = [c for c in certificates(equations, at={eta: rate}) if c.method == Method.LOGARITHMS]
        signs = {c.mode: (c.lower, c.upper, "Lambda > 0" in c.statement) for c in found}
        for mode, value in (("u + w", plus), ("u - w", minus)):
            low, high, unstable = signs[mode]
            assert low <= high < low + 1e-14 and abs(low - value) < 6e-5 and unstable == (value > 0)
        assert all(c.check() and c.rigour == Rigour.INTERVAL for c in found)


def test_a_multiplier_that_vanishes_has_the_exponent_minus_infinity():
    equations = stability(Model((u * x) ** 2 / 2, [u], {x: Discrete({1: 0.5, 3: 0.5})}), SGD(eta), point={u: 0})
    found = by_method(equations, {eta: 1})[Method.LOGARITHMS]
    assert found.upper == found.lower == -np.inf and found.check()


def test_a_gaussian_law_is_certified_through_its_moments():
    model = Model((u * x + w * y) ** 2 / 2, [u, w], {x: Normal(), y: Normal()})
    equations = stability(model, SGD(eta), point=ORIGIN)
    below, above = (by_method(equations, {eta: rate}) for rate in (0.49, 0.51))
    assert below[Method.MEAN_SQUARE].upper < 0 < above[Method.MEAN_SQUARE].upper  # 2 / (d + 2) = 1 / 2
    assert below[Method.MEAN_SQUARE].rigour == Rigour.EXACT and below[Method.MEAN_SQUARE].check()
    assert "no proof of stability" in above[Method.MEAN_SQUARE].statement


def test_moment_exponents_bound_a_scalar_exponent_but_are_no_proof():
    equations = stability(Model((u * x) ** 2 / 2, [u], {x: Normal()}), SGD(eta), point={u: 0})
    found = [c for c in certificates(equations, at={eta: 0.6}) if c.method == Method.CONVEXITY]
    lower = max(c.lower for c in found if c.lower is not None)
    upper = min(c.upper for c in found if c.upper is not None)
    assert lower < -0.490563204319901848 < upper < 0
    assert all(not c.is_proof and not c.check() and c.rigour == Rigour.ESTIMATED for c in found)


@pytest.mark.parametrize(
    ("algorithm", "law", "method", "reason"),
    [
        (
            SGD(eta, batch_size=2, sampling=Sampling.RESHUFFLED),
            Empirical(*FOUR.T),
            Method.MEAN_SQUARE,
            "depend on each other",
        ),
        (SGD(eta), Normal(covariance=[[1, 0], [0, 1]]), Method.WORDS, "continuous"),
        (SGD(eta, batch_size=30), Empirical(*FOUR.T), Method.WORDS, "more than 4096 batches"),
    ],
    ids=["epoch", "continuous", "many"],
)
def test_what_is_not_certified_is_said_by_name(algorithm, law, method, reason):
    equations = stability(Model((u * x + w * y) ** 2 / 2, [u, w], {(x, y): law}), algorithm, point=ORIGIN)
    found = by_method(equations, {eta: 0.3})[method]
    assert found.rigour == Rigour.NONE and not found.is_proof and not found.check()
    assert found.lower is None and found.upper is None and reason in found.statement


def test_a_missing_moment_leaves_the_mean_square_without_a_certificate():
    equations = stability(Model((u * x) ** 2 / 2, [u], {x: StudentT(3)}), SGD(eta), point={u: 0})
    found = by_method(equations, {eta: 0.3})[Method.MEAN_SQUARE]
    assert found.rigour == Rigour.NONE and "does not exist" in found.statement


def test_rationals_are_taken_as_they_are_and_arrays_are_refused():
    equations = regression(SGD(eta), data=[(1, 2), (2, -1), (1, 1)])
    found = by_method(equations, {eta: Fraction(1, 3)})[Method.MEAN_SQUARE]
    assert set(found.evidence.step.right) == {Fraction(-1, 3)}
    with pytest.raises(InvalidRequest):
        certificates(equations, at={eta: np.array([0.1, 0.2])})


@pytest.mark.slow
def test_a_saddle_of_the_digits_is_certified_with_bounded_rounding():
    from sklearn.datasets import load_digits

    digits = load_digits()
    features, labels = digits.data[:, digits.data.std(axis=0) > 0] / 16, (digits.target >= 5) * 2.0 - 1
    weights, data = (symbols(" ".join(f"{n}{k}" for k in range(features.shape[1]))) for n in "wx")
    loss = (u * sum(a * b for a, b in zip(weights, data, strict=True)) - y) ** 2 / 2
    model = Model(loss, [u, *weights], {(*data, y): Empirical(*features.T, labels)})
    equations = stability(model, SGD(eta, batch_size=16, weight_decay=3), point=dict.fromkeys((u, *weights), 0))
    rate = 0.999 * mean_square_threshold(equations).value
    found = [c for c in certificates(equations, at={eta: rate}) if c.method == Method.MEAN_SQUARE]
    assert all(c.rigour == Rigour.ROUNDING and c.upper < 0 and c.check() for c in found)


def test_bounds_of_words_scale_with_the_steps_and_do_not_overflow():
    samples = tuple(rationals(np.outer(row, row)) for row in FOUR)
    small, large = (word_norms(tuple(2**power * m for m in samples), (Fraction(1, 4),) * 4, 64) for power in (0, 200))
    assert [length for length, _ in large] == [1, 2, 4, 8]
    shifts = [b - a for (_, a), (_, b) in zip(small, large, strict=True)]
    np.testing.assert_allclose(shifts, 200 * np.log(2), rtol=4**8 * np.finfo(float).eps)  # of a sum of 4^8 terms


def test_second_moments_that_overflow_are_not_certified():
    found = by_method(regression(SGD(eta)), {eta: 1e200})[Method.MEAN_SQUARE]
    assert found.rigour == Rigour.NONE
    assert "overflow" in found.statement
