"""Moment exponents as expressions: closed forms against independent integrals, batch moments against enumeration."""

from fractions import Fraction
from itertools import combinations, permutations, product

import mpmath
import pytest
import sympy

from theory import (
    SGD,
    AlgorithmNotCovered,
    Discrete,
    Empirical,
    HeavyBall,
    MissingValue,
    Model,
    Normal,
    NotNoiseFreeFixedPoint,
    Sampling,
    StudentT,
    ValuesError,
    bernoulli,
    stability,
    symbols,
)
from theory.stability.batch_moments import batch_moments
from theory.stability.logarithm import ExpectedPower

u, w, x, y = symbols("u w x y")
eta, p, b = symbols("eta p b", positive=True)
S = symbols("S", positive=True, integer=True)
POINTS = [Fraction(1), Fraction(-2), Fraction(1, 2), Fraction(3), Fraction(-1, 3)]
DATA = Empirical([sympy.Rational(f.numerator, f.denominator) for f in POINTS])


def block(law, algorithm, loss=u**2 * x / 2):
    return stability(Model(loss, [u], {x: law}), algorithm, point={u: 0}).blocks[0]


def square(law, batch=1, **options):
    return block(law, SGD(eta, batch_size=batch, **options), (u * x) ** 2 / 2)


# ------------------------------------------------------------------------------------------------------ closed forms


@pytest.mark.parametrize(("batch", "rate", "order"), [(1, "0.7", "0.5"), (4, "1.1", "1.3"), (3, "0.2", "2.7")])
def test_the_formula_for_gaussian_squares_equals_its_integral_to_twenty_five_digits(batch, rate, order):
    formula = square(Normal(), S).moment_exponent(p)
    values = {S: sympy.Integer(batch), eta: sympy.Rational(rate), p: sympy.Rational(order)}
    with mpmath.workdps(50):
        found = mpmath.mpf(str(sympy.exp(formula.xreplace(values)).evalf(40)))
        k, a, power = mpmath.mpf(batch) / 2, mpmath.mpf(rate), mpmath.mpf(order)
        c = k / a

        def integrand(root):  # in sqrt(y), which takes out the singularity at zero
            return 2 * abs(1 - root**2 / c) ** power * root ** (2 * k - 1) * mpmath.exp(-(root**2)) / mpmath.gamma(k)

        zero = mpmath.sqrt(c)
        exact = mpmath.quad(integrand, [0, zero / 2, zero, zero + 1, zero + 4, zero + 12])
        assert abs(found / exact - 1) < mpmath.mpf(10) ** -25


def test_the_formula_for_gaussian_squares_holds_with_weight_decay_and_any_variance():
    decayed = block(Normal(0, 3), SGD(eta, batch_size=2, weight_decay=sympy.Rational(1, 5)), (u * x) ** 2 / 2)
    even = sympy.exp(decayed.moment_exponent(2))
    kappa = 1 - eta / 5
    assert sympy.expand(even - (kappa**2 - 2 * kappa * 3 * eta + eta**2 * (9 + 9))) == 0


def test_even_exponents_equal_direct_expectations_over_a_written_out_batch():
    from theory import expectation

    for size in (1, 2, 3):
        copies = symbols(" ".join(f"z{i}" for i in range(size)))
        copies = copies if size > 1 else (copies,)
        multiplier = 1 - eta * sum(z**2 for z in copies) / size
        exact = expectation(sympy.expand(multiplier**4), {z: Normal() for z in copies})
        found = sympy.exp(square(Normal(), S).moment_exponent(4)).xreplace({S: sympy.Integer(size)})
        assert sympy.expand(found - exact) == 0


def test_even_exponents_are_polynomials_in_the_learning_rate():
    found = square(Normal(), S).moment_exponent(2)
    assert sympy.expand(sympy.exp(found) - (1 - 2 * eta + eta**2 * (1 + 2 / S))) == 0


def test_the_order_zero_and_constant_curvature_are_exact():
    assert square(Normal()).moment_exponent(0) == 0
    constant = stability(Model(u**2 + w**2 * x / 2, [u, w], {x: Normal()}), SGD(eta), point={u: 0, w: 0}).block("u")
    assert sympy.simplify(constant.moment_exponent(p) - p * constant.exponent) == 0


def test_a_finite_law_gives_a_finite_sum_whose_slope_at_zero_is_the_lyapunov_exponent():
    found = block(Discrete({1: 0.25, -b: 0.75}), SGD(eta))
    exponent = found.moment_exponent(p)
    slope = sympy.diff(exponent, p).subs(p, 0)
    difference = (slope - found.exponent).subs({eta: 0.3, b: 0.7})
    assert abs(difference.evalf()) < 1e-14


# ------------------------------------------------------------------------------------------------------ batches


def central(means, weights, order):
    mean = sum(m * q for m, q in zip(means, weights, strict=True))
    return [sum(q * (m - mean) ** k for m, q in zip(means, weights, strict=True)) for k in range(order + 1)]


def listed(mode, size):
    """Every batch mean and its probability, by brute force."""
    if mode == Sampling.WITH_REPLACEMENT:
        chosen = list(product(POINTS, repeat=size))
        return [sum(c) / size for c in chosen], [Fraction(1, len(chosen))] * len(chosen)
    chosen = list(combinations(POINTS, size))
    return [sum(c) / size for c in chosen], [Fraction(1, len(chosen))] * len(chosen)


@pytest.mark.parametrize("mode", [Sampling.WITH_REPLACEMENT, Sampling.WITHOUT_REPLACEMENT])
@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_moments_of_a_batch_mean_equal_enumeration_in_rational_numbers(mode, size):
    means, weights = listed(mode, size)
    found = block(DATA, SGD(eta, batch_size=size, sampling=mode))
    mean, moments = batch_moments(x, found.randomness, found.batch, 6)
    assert mean == sympy.Rational(13, 30)
    assert [Fraction(int(m.p), int(m.q)) for m in moments] == central(means, weights, 6)


def test_moments_of_bernoulli_batches_equal_the_sum_over_all_subsets():
    fraction = Fraction(2, 7)
    subsets = list(product((0, 1), repeat=len(POINTS)))
    means = [sum(s * h for s, h in zip(members, POINTS, strict=True)) / (fraction * 5) for members in subsets]
    weights = [fraction ** sum(m) * (1 - fraction) ** (5 - sum(m)) for m in subsets]
    found = block(DATA, SGD(eta, sampling=bernoulli(sympy.Rational(2, 7))))
    _, moments = batch_moments(x, found.randomness, found.batch, 6)
    assert [Fraction(int(m.p), int(m.q)) for m in moments] == central(means, weights, 6)


def test_bernoulli_batches_of_every_sample_are_the_full_batch():
    whole = block(DATA, SGD(eta, sampling=bernoulli(1)))
    assert sympy.simplify(whole.exponent - sympy.log(sympy.Abs(1 - 13 * eta / 30))) == 0


def test_reshuffled_exponents_average_the_product_of_an_epoch_over_all_permutations():
    data = [sympy.Integer(v) for v in (1, 3, -2, 5)]
    found = block(Empirical(data), SGD(eta, batch_size=2, sampling=Sampling.RESHUFFLED))
    rate, order = sympy.Rational(1, 7), sympy.Rational(3, 2)
    powers = []
    for a, c, d, e in permutations(data):
        powers.append((abs(1 - rate * (a + c) / 2) * abs(1 - rate * (d + e) / 2)) ** order)
    exact = sympy.log(sympy.Add(*powers) / len(powers)) / 2
    assert abs((found.moment_exponent(order).subs(eta, rate) - exact).evalf()) < 1e-14


def test_cyclic_batches_are_one_product_so_that_its_exponents_are_proportional():
    found = block(DATA, SGD(eta, sampling=Sampling.CYCLIC))
    assert sympy.simplify(found.moment_exponent(p) - p * found.exponent) == 0


# ------------------------------------------------------------------------------------------------------ what has no form


def test_a_moment_that_does_not_exist_makes_the_exponent_infinite():
    assert square(StudentT(3)).moment_exponent(2) == sympy.oo
    assert square(StudentT(9)).moment_exponent(2) != sympy.oo


def test_without_a_closed_form_the_exponent_is_the_expectation_that_defines_it():
    found = square(StudentT(3), S).moment_exponent(p)
    (node,) = found.atoms(ExpectedPower)
    assert node.free_symbols == {eta, S, p}
    assert node.subs(x, 2) == node
    assert node.subs(p, 3).order == 3
    assert "overline" in sympy.latex(found)
    assert str(node) == "E[|-eta*mean(x**2) + 1|^p]"


def test_orders_that_are_no_real_numbers_and_matrix_blocks_are_refused():
    with pytest.raises(ValuesError, match="real"):
        square(Normal()).moment_exponent(sympy.I)
    matrix = block(Normal(), SGD(eta, momentum=HeavyBall(0.5)))
    with pytest.raises(AlgorithmNotCovered, match="moment_exponents"):
        matrix.moment_exponent(2)


# ------------------------------------------------------------------------------------------------------ affine updates


def test_an_affine_update_needs_no_point_and_has_the_exponent_of_its_linear_part():
    noisy = stability(Model((u * x - y) ** 2 / 2, [u], {x: Normal(), y: Normal()}), SGD(eta))
    assert not noisy.noise_free
    assert noisy.blocks[0].exponent == square(Normal()).exponent
    assert "stationary law" in noisy.assumptions[0].statement
    assert str(noisy).startswith("linear part of an affine update")


def test_a_noisy_point_is_refused_with_the_way_out():
    with pytest.raises(NotNoiseFreeFixedPoint, match="point may be left out"):
        stability(Model((u * x - y) ** 2 / 2, [u], {x: Normal(), y: Normal()}), SGD(eta), point={u: 0})


@pytest.mark.parametrize("loss", [(u * w * x - y) ** 2 / 2, sympy.Abs(u * x - y) + w**2])
def test_an_update_that_is_not_affine_needs_its_point(loss):
    with pytest.raises(MissingValue, match="affine"):
        stability(Model(loss, [u, w], {x: Normal(), y: Normal()}), SGD(eta))
