"""Blocks whose basis has columns of different lengths: second moments, thresholds and proofs against averages in all parameters."""

from fractions import Fraction

import numpy as np
import pytest
import sympy

from numerics import certificates, mean_square_threshold, moment_exponents
from numerics.stability.matrices import column_lengths
from numerics.stability.proofs.evidence import Method
from numerics.stability.proofs.exact_steps import ExactStep
from numerics.stability.proofs.lyapunov_inequality import LyapunovInequality, exact_adjoint
from numerics.stability.proofs.rational_cholesky import rationals
from theory import SGD, Empirical, HeavyBall, Model, Normal, stability, symbols

a, b, c, eta = *symbols("a b c"), symbols("eta", positive=True)
q = [symbols(f"q{k}") for k in range(4)]
ROWS = ((1, 0.2, -0.3), (0.5, -0.7, 0.1), (-0.2, 0.4, 0.9))
RATIONAL = (a * (q[0] + q[1] + q[2]) + b * (q[0] + q[1] - 2 * q[2])) ** 2 / 2 + (c * (q[0] - q[1])) ** 2 / 2
PAIRS = ((a, b, c, 0), (b, a, 0, c), (c, 0, -a, b), (0, c, b, -a))
IRRATIONAL = sum(PAIRS[i][j] * q[i] * q[j] for i in range(4) for j in range(4)) / 2
CASES = pytest.mark.parametrize(("loss", "size"), [(RATIONAL, 3), (IRRATIONAL, 4)], ids=["rational", "irrational"])


def derived(loss, size, law=None, **options):
    """The stability at the origin, by default on a data set of three rows."""
    data = law or {(a, b, c): Empirical(*zip(*ROWS, strict=True))}
    return stability(Model(loss, q[:size], data), SGD(eta, **options), point=dict.fromkeys(q[:size], 0))


def hessians(loss, size, rows=ROWS):
    """The Hessians of the samples in the parameters themselves."""
    function = sympy.lambdify([a, b, c], sympy.hessian(loss, q[:size]))
    return np.array([np.array(function(*row), dtype=float) for row in rows])


def growth(matrices, order, shares=None):
    """L(order) from the mean of Kronecker powers."""
    total = 0.0
    for matrix, share in zip(
        matrices, shares if shares is not None else [1 / len(matrices)] * len(matrices), strict=True
    ):
        power = matrix
        for _ in range(order - 1):
            power = np.kron(power, matrix)
        total = total + share * power
    return float(np.log(np.abs(np.linalg.eigvals(total)).max()))


def steps(samples, rate, beta=0.0):
    """The step on the parameters, with momentum on parameters and velocities."""
    unit = np.eye(samples.shape[-1])
    if beta == 0:
        return unit - rate * samples
    return np.array([np.block([[unit - rate * h, -rate * beta * unit], [h, beta * unit]]) for h in samples])


def largest(found, order, rate):
    """The largest L(order) of all blocks, and its error."""
    table = moment_exponents(found, orders=[order], at={eta: rate})
    mode = int(table["moment_exponent"].argmax("mode")[0])
    return float(table["moment_exponent"][mode, 0]), float(table["moment_exponent_error"][mode, 0])


@CASES
@pytest.mark.parametrize("order", [2, 4])
def test_even_moments_do_not_depend_on_the_lengths_of_basis_vectors(loss, size, order):
    found = derived(loss, size)
    assert any(np.ptp(column_lengths(block, {})) > 0 for block in found.blocks)
    value, error = largest(found, order, 0.5)
    assert abs(value - growth(steps(hessians(loss, size), 0.5), order)) <= error + 1e-12


@CASES
def test_even_moments_with_momentum_do_not_depend_on_the_lengths_of_basis_vectors(loss, size):
    value, error = largest(derived(loss, size, momentum=HeavyBall(0.5)), 2, 0.5)
    assert abs(value - growth(steps(hessians(loss, size), 0.5, beta=0.5), 2)) <= error + 1e-12


def test_moments_of_a_gaussian_law_do_not_depend_on_the_lengths_of_basis_vectors():
    law = {a: Normal(), b: Normal(Fraction(1, 5)), c: Normal(0, 2)}
    nodes, weights = np.polynomial.hermite_e.hermegauss(5)
    weights = weights / weights.sum()
    rows = [(x, 0.2 + y, np.sqrt(2) * z) for x in nodes for y in nodes for z in nodes]
    shares = [x * y * z for x in weights for y in weights for z in weights]
    found = derived(RATIONAL, 3, law)
    assert any(np.ptp(column_lengths(block, {})) > 0 for block in found.blocks)
    value, error = largest(found, 2, 0.3)
    assert abs(value - growth(steps(hessians(RATIONAL, 3, rows), 0.3), 2, shares)) <= error + 1e-11


def test_at_the_mean_square_threshold_second_moments_in_all_parameters_neither_grow_nor_decay():
    samples = hessians(RATIONAL, 3)
    threshold = mean_square_threshold(derived(RATIONAL, 3)).value
    assert growth(steps(samples, 0.9999 * threshold), 2) < -1e-6
    assert growth(steps(samples, 1.0001 * threshold), 2) > 1e-6


def test_the_adjoint_of_a_proof_is_the_average_over_the_steps_in_the_basis_of_the_block():
    block = next(block for block in derived(RATIONAL, 3).blocks if block.size == 2)
    step = ExactStep.of(block, {eta: Fraction(1, 4)})
    form = rationals([[3, 1], [1, 2]])
    matrices = [step.matrix(sample) for sample in step.samples]
    expected = sum(matrix.T @ form @ matrix for matrix in matrices) / Fraction(3)
    assert any(sample[0, 1] != sample[1, 0] for sample in step.samples)
    assert (exact_adjoint(step, form) == expected).all()


def test_proofs_in_rationals_and_with_rounding_bounds_hold_in_such_a_basis(monkeypatch):
    rate = 0.6  # just below the threshold
    bound = growth(steps(hessians(RATIONAL, 3), rate), 2) / 2
    for work in (10**6, 0):
        monkeypatch.setattr("numerics.stability.certificates.EXACT_WORK", work)
        proofs = [p for p in certificates(derived(RATIONAL, 3), at={eta: rate}) if p.method == Method.MEAN_SQUARE]
        assert all(isinstance(p.evidence, LyapunovInequality) and p.check() for p in proofs)
        assert {p.evidence.is_exact for p in proofs} == {work > 0}
        assert bound <= max(p.upper for p in proofs) < 0.9 * bound
