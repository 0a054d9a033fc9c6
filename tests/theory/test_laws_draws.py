"""Draws: sampling the expression of standard draws reproduces the law, from a seed fixed beforehand."""

import math

import numpy as np
import pytest
import scipy.stats
import sympy
from sympy import Rational, lambdify

from theory.laws import (
    Cauchy,
    Choice,
    Discrete,
    Draw,
    Exponential,
    Gamma,
    Mixture,
    Normal,
    Rademacher,
    StandardExponential,
    StandardGamma,
    StandardNormal,
    StandardSign,
    StandardUniform,
    StudentT,
    Uniform,
)
from theory.laws.law import Law

COUNT = 100_000


def standard(kind, generator):
    match kind:
        case StandardNormal():
            return generator.standard_normal(COUNT)
        case StandardUniform():
            return 1 - generator.random(COUNT)
        case StandardExponential():
            return generator.standard_exponential(COUNT)
        case StandardGamma(shape):
            return generator.standard_gamma(float(shape), COUNT)
        case StandardSign():
            return generator.integers(0, 2, COUNT) * 2.0 - 1
        case Choice(probabilities):
            return generator.choice(len(probabilities), COUNT, p=[float(p) for p in probabilities])


def sample(draw: Draw, generator: np.random.Generator) -> np.ndarray:  # (slots, COUNT)
    """The plain reading of a `Draw`."""
    symbols = [symbol for symbol, _ in draw.standards]
    values = [standard(kind, generator) for _, kind in draw.standards]
    if draw.table:
        return np.array([[float(x) for x in row] for row in draw.table])[values[0]].T
    if draw.components:
        return np.choose(values[0], [sample(part, generator) for part in draw.components])
    return np.array([lambdify(symbols, expression, "numpy")(*values) for expression in draw.expression])


@pytest.mark.parametrize(
    "law",
    [
        Normal(1, 4),
        Rademacher(),
        Discrete({-1: 0.25, 3: 0.7, 10: 0.05}),
        Uniform(-1, 3),
        StudentT(9, 1, 2),
        Exponential(3),
        Gamma(Rational(5, 2), 2),
        Gamma(0.3),
        Mixture([(Normal(-1, 1), 0.3), (Exponential(), 0.7)]),
    ],
    ids=str,
)
def test_samples_have_the_mean_and_variance_of_the_law(law):
    (values,) = sample(law.draw(), np.random.default_rng(20240607))
    mean, variance = float(law.mean), float(law.variance)
    fourth = float(sum(math.comb(4, k) * law.moment(k) * (-law.mean) ** (4 - k) for k in range(5)))
    assert abs(values.mean() - mean) < 5 * math.sqrt(variance / COUNT)
    assert abs(((values - mean) ** 2).mean() - variance) <= 5 * math.sqrt((fourth - variance**2) / COUNT)


@pytest.mark.parametrize(
    ("law", "reference"),
    [
        (Normal(1, 4), scipy.stats.norm(1, 2)),
        (Uniform(-1, 3), scipy.stats.uniform(-1, 4)),
        (StudentT(3, 1, 2), scipy.stats.t(3, 1, 2)),
        (StudentT(1.5), scipy.stats.t(1.5)),
        (Cauchy(1, 2), scipy.stats.cauchy(1, 2)),
        (Exponential(4), scipy.stats.expon(scale=0.25)),
        (Gamma(0.5, 3), scipy.stats.gamma(0.5, scale=3)),
    ],
    ids=lambda value: str(value) if isinstance(value, Law) else "reference",
)
def test_samples_have_the_distribution_of_the_law(law, reference):
    (values,) = sample(law.draw(), np.random.default_rng(7))
    assert scipy.stats.kstest(values, reference.cdf).pvalue > 1e-6


def test_joint_samples_have_the_covariance_also_when_it_is_singular():
    covariance = np.array([[2.0, 1.0, 3.0], [1.0, 1.0, 2.0], [3.0, 2.0, 5.0]])  # third = first + second
    law = Normal([1, 2, 3], covariance=covariance)
    values = sample(law.draw(), np.random.default_rng(11))
    assert np.allclose(values[2], values[0] + values[1], atol=1e-9)
    errors = np.sqrt((covariance**2 + np.outer(np.diag(covariance), np.diag(covariance))) / COUNT)
    assert (np.abs(np.cov(values, bias=True) - covariance) < 5 * errors).all()
    assert (np.abs(values.mean(axis=1) - [1, 2, 3]) < 5 * np.sqrt(np.diag(covariance) / COUNT)).all()


def test_the_cholesky_factor_of_a_symbolic_covariance_reproduces_it():
    a, b, rho = sympy.symbols("a b rho", positive=True)
    covariance = [[a, rho, 0], [rho, b, 1], [0, 1, 2]]
    draw = Normal(covariance=covariance).draw("z")
    normals = [symbol for symbol, _ in draw.standards]
    factor = sympy.Matrix(draw.expression).jacobian(normals)
    assert sympy.simplify(factor * factor.T - sympy.Matrix(covariance)) == sympy.zeros(3, 3)


def test_joint_discrete_draws_take_whole_rows_of_the_table():
    law = Discrete([((1, 10), 0.5), ((2, 20), 0.25), ((3, 30), 0.25)])
    values = sample(law.draw(), np.random.default_rng(3))
    assert (values[1] == 10 * values[0]).all()


def test_no_symbol_name_occurs_twice_in_a_draw():
    law = Mixture([(Mixture([(Normal(), 0.5), (StudentT(3), 0.5)]), 0.5), (Normal(2), 0.5)])

    def names(draw):
        return [symbol.name for symbol, _ in draw.standards] + [n for part in draw.components for n in names(part)]

    listed = names(law.draw("xi"))
    assert len(listed) == len(set(listed))
    assert all(name.startswith("xi") for name in listed)
