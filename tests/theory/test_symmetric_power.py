"""Symmetric powers of steps, and the mean-square thresholds that follow in symbols."""

from itertools import combinations, product

import pytest
import sympy
from sympy import Rational

from theory import (
    SGD,
    Discrete,
    Empirical,
    Gamma,
    HeavyBall,
    InvalidRequest,
    Model,
    MomentDoesNotExist,
    Nesterov,
    Normal,
    Sampling,
    SamplingNotCovered,
    StudentT,
    Uniform,
    bernoulli,
    stability,
    symbols,
)
from theory.partitions import moment_weights, set_partitions, whole_partitions
from theory.stability.mean_square import mean_square_factors, mean_square_threshold_of
from theory.stability.symmetric_power import mean_symmetric_power, monomials, symmetric_power

u, w, v, x, y, z = symbols("u w v x y z")
eta, gamma, h, s, beta = symbols("eta gamma h s beta", positive=True)
S = symbols("S", positive=True, integer=True)
POINTS = [(1, 2), (-1, 1), (3, Rational(1, 2)), (0, -2)]
ORIGIN = {u: 0, w: 0}


def regression(law, algorithm, names=(x, y)):
    data = {tuple(names): law} if not isinstance(law, dict) else law
    return stability(Model((u * x + w * y) ** 2 / 2, [u, w], data), algorithm, point=ORIGIN).blocks[0]


def batches(algorithm):
    """Every batch of `POINTS` with its probability and what its sum is multiplied with."""
    mode, count = algorithm.sampling_for(len(POINTS)), len(POINTS)
    if mode == Sampling.WITHOUT_REPLACEMENT:
        listed = list(combinations(range(count), int(algorithm.batch_size)))
        return [(members, Rational(1, len(listed)), Rational(1, len(members))) for members in listed]
    if mode == Sampling.WITH_REPLACEMENT:
        size = int(algorithm.batch_size)
        return [(m, Rational(1, count**size), Rational(1, size)) for m in product(range(count), repeat=size)]
    b = mode.fraction
    kept = [[i for i in range(count) if flags[i]] for flags in product((0, 1), repeat=count)]
    return [(m, b ** len(m) * (1 - b) ** (count - len(m)), 1 / (b * count)) for m in kept]


# -------------------------------------------------------------------------------------------------- symmetric powers


def test_a_symmetric_power_of_a_product_is_the_product_of_the_powers():
    first, second = sympy.Matrix([[1, 2], [eta, 3]]), sympy.Matrix([[0, -1], [5, gamma]])
    for order in (1, 2, 3, 4):
        together = symmetric_power(first * second, order)
        assert (together - symmetric_power(first, order) * symmetric_power(second, order)).expand().is_zero_matrix


def test_the_trace_of_a_symmetric_power_is_the_complete_homogeneous_polynomial_of_the_eigenvalues():
    matrix = sympy.Matrix([[2, 1, 0], [0, -3, 4], [0, 0, 5]])
    expected = sum(sympy.prod(t**e for t, e in zip((2, -3, 5), powers, strict=True)) for powers in monomials(3, 3))
    assert symmetric_power(matrix, 3).trace() == expected
    assert len(monomials(3, 3)) == sympy.binomial(5, 3)


@pytest.mark.parametrize("momentum", [None, HeavyBall(Rational(1, 3)), Nesterov(Rational(1, 3))], ids=str)
@pytest.mark.parametrize(
    "options",
    [
        {"batch_size": 2, "sampling": Sampling.WITHOUT_REPLACEMENT},
        {"batch_size": 3, "sampling": Sampling.WITHOUT_REPLACEMENT},
        {"batch_size": 2, "sampling": Sampling.WITH_REPLACEMENT},
        {"sampling": bernoulli(Rational(1, 3))},
    ],
    ids=["2 of 4", "3 of 4", "2 with replacement", "bernoulli"],
)
def test_the_mean_symmetric_power_is_the_average_over_every_batch(momentum, options):
    algorithm = SGD(Rational(1, 5), momentum=momentum, weight_decay=Rational(1, 7), **options)
    block = regression(Empirical(*zip(*POINTS, strict=True)), algorithm)
    fixed, slope = block.step.affine
    for order in (2, 3) if momentum is None else (2,):
        total = sympy.zeros(len(monomials(block.order, order)))
        for members, share, weight in batches(algorithm):
            curvature = sympy.zeros(2)
            for i in members:
                curvature += sympy.Matrix(POINTS[i]) * sympy.Matrix(POINTS[i]).T * weight
            step = sympy.kronecker_product(fixed, sympy.eye(2)) + sympy.kronecker_product(slope, curvature)
            total += share * symmetric_power(step, order)
        assert mean_symmetric_power(block, order) == sympy.ImmutableMatrix(total)


def test_the_weights_of_one_type_add_those_of_its_set_partitions():
    for order in (1, 2, 3, 4, 5):
        found = moment_weights(Sampling.ONLINE, S, None, order)
        for parts in whole_partitions(order):
            same = [p for p in set_partitions(order) if sorted(map(len, p), reverse=True) == list(parts)]
            blocks = len(parts)
            expected = len(same) * sympy.prod(S - j for j in range(blocks)) / S**order
            assert sympy.simplify(found[parts] - expected) == 0


@pytest.mark.parametrize("law", [Normal(1, 2), Uniform(-1, 3), Gamma(3, 2)], ids=str)
def test_a_scalar_block_has_the_moments_of_its_multiplier(law):
    block = stability(Model(x * u**2 / 2, [u], {x: law}), SGD(eta), point={u: 0}).blocks[0]
    for order in (2, 3, 4):
        expected = sum(sympy.binomial(order, k) * (-eta) ** k * law.moment(k) for k in range(order + 1))
        assert sympy.expand(mean_symmetric_power(block, order)[0, 0] - expected) == 0


def test_functions_of_finitely_many_data_are_averaged_exactly():
    law = Discrete({0: Rational(1, 3), 1: Rational(2, 3)})
    block = stability(Model(sympy.exp(x) * u**2 / 2, [u], {x: law}), SGD(eta), point={u: 0}).blocks[0]
    expected = (1 - eta) ** 2 / 3 + 2 * (1 - eta * sympy.E) ** 2 / 3
    assert sympy.expand(mean_symmetric_power(block, 2)[0, 0] - expected) == 0


# --------------------------------------------------------------------------------------------------------- thresholds


def test_isotropic_gaussian_regression_is_stable_up_to_two_over_the_batch_corrected_dimension():
    found = stability(
        Model((u * x + w * y) ** 2 / 2, [u, w], {x: Normal(), y: Normal()}), SGD(eta, batch_size=S), point=ORIGIN
    )
    assert sympy.simplify(found.mean_square_thresholds["(u, w)"] - 2 * S / (S + 3)) == 0
    assert found.mean_square_thresholds["(u, w)"].subs(S, 1) == Rational(2, 4)  # 2 / (d + 2)


def test_momentum_widens_the_range_against_curvature_and_narrows_it_against_its_noise():
    found = stability(Model(x * u**2 / 2, [u], {x: Normal(h, s**2)}), SGD(eta, momentum=HeavyBall(beta)), point={u: 0})
    threshold = found.mean_square_thresholds["u"]
    assert sympy.simplify(threshold - 2 * h / (h**2 / (1 + beta) + s**2 / (1 - beta))) == 0


def test_a_law_without_fourth_moment_is_never_mean_square_stable():
    found = stability(Model((u * x) ** 2 / 2, [u], {x: StudentT(3)}), SGD(eta), point={u: 0})
    assert found.mean_square_thresholds == {"u": 0} and found.mean_square_boundaries == ()
    with pytest.raises(MomentDoesNotExist) as caught:
        mean_square_factors(found.blocks[0])
    assert caught.value.order == 4


def test_a_saddle_is_never_mean_square_stable_and_decay_can_make_it_so():
    plain = stability(Model((u * w * x - y) ** 2 / 2, [u, w], {x: Normal(), y: Normal()}), SGD(eta), point=ORIGIN)
    assert set(plain.mean_square_thresholds.values()) == {0}
    held = stability(
        Model((u * w * x - y) ** 2 / 2, [u, w], {x: Normal(), y: Normal()}), SGD(eta, weight_decay=gamma), point=ORIGIN
    )
    assert all(sympy.simplify(t - 2 * gamma / (gamma**2 + 1)) == 0 for t in held.mean_square_thresholds.values())


def test_a_small_block_of_numbers_has_its_threshold_as_an_algebraic_number():
    data = Discrete({(1, 2): Rational(1, 2), (-1, 1): Rational(1, 4), (2, 0): Rational(1, 4)})
    block = regression(data, SGD(eta))
    threshold = mean_square_threshold_of(block, SGD(eta))
    lifted = mean_symmetric_power(block, 2)
    for factor, sign in ((Rational(999, 1000), -1), (Rational(1001, 1000), 1)):
        values = lifted.subs(eta, sympy.nsimplify(threshold.evalf(30) * factor, rational=True)).evalf(20)
        radius = max(abs(sympy.N(r)) for r in sympy.Matrix(values).eigenvals())
        assert sympy.sign(radius - 1) == sign


def test_boundaries_leave_out_the_trivial_root():
    found = stability(Model((u * x) ** 2 / 2, [u], {x: Normal()}), SGD(eta), point={u: 0})
    assert [boundary.expression for boundary in found.mean_square_boundaries] == [3 * eta - 2]


# ------------------------------------------------------------------------------------------------------------ refused


def test_a_fixed_order_of_batches_has_no_mean_step():
    block = regression(Empirical(*zip(*POINTS, strict=True)), SGD(eta, batch_size=2, sampling=Sampling.CYCLIC))
    with pytest.raises(SamplingNotCovered, match="fixed order"):
        mean_symmetric_power(block, 2)


@pytest.mark.parametrize(("matrix", "order"), [([[1, 2]], 2), ([[1]], 0), ([[1]], True), ([[1]], 1.5)])
def test_what_is_no_square_matrix_or_no_positive_order_is_refused(matrix, order):
    with pytest.raises(InvalidRequest):
        symmetric_power(matrix, order)
