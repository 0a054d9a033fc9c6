"""Generated quadratures against scipy's adaptive integration; their error estimates are bounds, kinks are refused."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import sympy
from scipy import integrate, special, stats

from numerics.generate import function_of_arrays
from numerics.quadrature import rules
from theory import Cauchy, Exponential, Gamma, Normal, Quadrature, StudentT, Uniform, symbols
from theory.errors import UnsupportedExpectation
from theory.expectation.quadrature import GaussianQuadrature

s, t, r, c, k = symbols("s t r c k")
x, y = symbols("x y")
tanh, cos, erf, exp, oo = sympy.tanh, sympy.cos, sympy.erf, sympy.exp, sympy.oo


def evaluated(*nodes, at=()) -> list[tuple[float, float]]:
    """Value and error estimate (difference to half the nodes) of each node, all in one kernel."""
    hyper = dict(at)
    side = function_of_arrays(list(nodes), (), tuple(hyper), "nodes")
    rows = []
    for refinement in (2, 1):
        out = np.empty(len(nodes))
        side.kernel(
            np.empty(0),
            np.array(list(hyper.values()), dtype=float),
            out,
            *rules(set(side.dimensions), refinement=refinement),
        )
        rows.append(out)
    return [(fine, abs(fine - coarse)) for fine, coarse in zip(*rows, strict=True)]


def gaussian(function, covariance) -> float:
    """E function over a centred Gaussian vector by nested adaptive integration along an eigenbasis."""
    eigenvalues, basis = np.linalg.eigh(np.array(covariance, dtype=float))
    roots = [(root, basis[:, i]) for i, root in enumerate(np.sqrt(np.maximum(eigenvalues, 0))) if root > 1e-7]

    def integrand(*g):
        point = sum(u * root * direction for u, (root, direction) in zip(g, roots, strict=True))
        return function(*point) * np.prod([stats.norm.pdf(u) for u in g])

    return integrate.nquad(integrand, [(-9, 9)] * len(roots), opts={"epsabs": 1e-11, "epsrel": 1e-11, "limit": 200})[0]


ONE = [
    (tanh(c * s) ** 2, [[k]], lambda u: np.tanh(0.8 * u) ** 2, [[1.7]]),
    (erf(s + c) * cos(s), [[1]], lambda u: special.erf(u + 0.8) * np.cos(u), [[1.0]]),
    (sympy.log(1 + exp(s)), [[4]], lambda u: np.logaddexp(0, u), [[4.0]]),
]
TWO = [
    (tanh(s) * tanh(t + c), [[k, 0.6], [0.6, 1]], lambda u, v: np.tanh(u) * np.tanh(v + 0.8), [[1.7, 0.6], [0.6, 1]]),
    (tanh(s) * tanh(t), [[1, -1], [-1, 1]], lambda u, v: np.tanh(u) * np.tanh(v), [[1, -1], [-1, 1]]),
    (cos(s * t), [[0, 0], [0, 2]], lambda u, v: np.cos(u * v), [[0, 0], [0, 2]]),
]  # fmt: skip
COVARIANCE = [[0.5, 0.2, 0.1], [0.2, 0.7, -0.3], [0.1, -0.3, 0.4]]
SINGULAR = [[1, 0.5, 1.5], [0.5, 1, 1.5], [1.5, 1.5, 3]]


@pytest.mark.parametrize(("cases", "variables"), [(ONE, [s]), (TWO, [s, t])], ids=["one variable", "two variables"])
def test_gaussian_quadratures_agree_with_adaptive_integration(cases, variables):
    found = evaluated(*(GaussianQuadrature(f, variables, m) for f, m, _, _ in cases), at={c: 0.8, k: 1.7})
    for (value, error), (*_, function, covariance) in zip(found, cases, strict=True):
        exact = gaussian(function, covariance)
        assert abs(value - exact) < 1e-8
        assert abs(value - exact) <= error + 1e-10


@pytest.mark.parametrize("covariance", [COVARIANCE, SINGULAR], ids=["regular", "singular"])
def test_gaussian_quadratures_of_three_variables(covariance):
    """E cos(s + 2t - r) exp(-(s - t)/5) in closed form, and E tanh tanh tanh = 0 by symmetry."""
    linear, tilt = np.array([1, 2, -1]), np.array([-0.2, 0.2, 0.0])
    matrix = np.array(covariance)
    closed = np.exp(0.5 * (tilt @ matrix @ tilt - linear @ matrix @ linear)) * np.cos(linear @ matrix @ tilt)
    one, two = evaluated(GaussianQuadrature(cos(s + 2 * t - r) * exp(-(s - t) / 5), [s, t, r], covariance),
                         GaussianQuadrature(tanh(s) * tanh(t) * tanh(r), [s, t, r], covariance))  # fmt: skip
    assert abs(one[0] - closed) < 1e-8
    assert abs(one[0] - closed) <= one[1] + 1e-10
    assert abs(two[0]) < 1e-12


def test_four_gaussian_variables_are_refused():
    with pytest.raises(UnsupportedExpectation, match="4 Gaussian variables"):
        evaluated(GaussianQuadrature(tanh(s + t + r + x), [s, t, r, x], sympy.eye(4)))


LAWS = {
    "uniform": (Uniform(-1, 2), -1, 2, stats.uniform(-1, 3)),
    "exponential": (Exponential(2), 0, oo, stats.expon(scale=0.5)),
    "gamma": (Gamma(sympy.Rational(5, 2), 1), 0, oo, stats.gamma(2.5)),
    "normal": (Normal(1, 4), -oo, oo, stats.norm(1, 2)),
    "student": (StudentT(3), -oo, oo, stats.t(3)),
    "cauchy": (Cauchy(0, 1), -oo, oo, stats.cauchy()),
}


def over(function, name, variable=y):
    law, lower, upper, _ = LAWS[name]
    return Quadrature(function, variable, law.density(variable), sympy.sympify(lower), sympy.sympify(upper))


@pytest.fixture(scope="module")
def density_values():
    """Two integrands for every law, and a reflected exponential with support (-oo, 1]."""
    nodes = [over(f, name) for name in LAWS for f in (tanh(c * y) ** 2, exp(-(y**2)) + 1 / (1 + y**2))]
    reflected = Quadrature(tanh(y), y, exp(y - 1), -oo, sympy.Integer(1))
    return evaluated(*nodes, reflected, at={c: 0.8})


@pytest.mark.parametrize("name", LAWS)
def test_quadratures_over_densities_agree_with_adaptive_integration(density_values, name):
    law = LAWS[name][3]
    functions = (lambda u: np.tanh(0.8 * u) ** 2, lambda u: np.exp(-(u**2)) + 1 / (1 + u**2))
    for (value, error), function in zip(density_values[2 * list(LAWS).index(name) :], functions, strict=False):
        low, high = law.support()
        cuts = np.clip([low, -30, -3, 0, 3, 30, high], low, high)
        exact = sum(integrate.quad(lambda u: function(u) * law.pdf(u), p, q, epsabs=1e-13, epsrel=1e-13, limit=400)[0]  # noqa: B023
                    for p, q in itertools.pairwise(cuts) if p < q)  # fmt: skip
        assert abs(value - exact) < 1e-9
        assert abs(value - exact) <= error + 1e-9


def test_a_support_that_ends_above_is_integrated(density_values):
    exact = integrate.quad(lambda u: np.tanh(u) * np.exp(u - 1), -40, 1, epsabs=1e-13)[0]
    assert abs(density_values[-1][0] - exact) < 1e-10


def test_the_error_estimate_shows_what_heavy_tails_and_singular_densities_lose():
    """Gamma(1/10) piles up at zero, Student's t with half a degree of freedom reaches to infinity."""
    near_zero = Quadrature(cos(y), y, Gamma(sympy.Rational(1, 10), 1).density(y), sympy.Integer(0), oo)
    heavy = Quadrature(tanh(y) ** 2, y, StudentT(sympy.Rational(1, 2)).density(y), -oo, oo)
    heaviest = Quadrature(tanh(y) ** 2, y, StudentT(sympy.Rational(1, 40)).density(y), -oo, oo)
    found = evaluated(near_zero, heavy, heaviest)
    half = 2 * integrate.quad(lambda v: (np.tanh(np.exp(v)) ** 2 - 1) * stats.t(0.5).pdf(np.exp(v)) * np.exp(v), -60, 4,
                              epsabs=1e-13, limit=500)[0] + 1  # fmt: skip
    slow = 2 * integrate.quad(lambda v: (np.tanh(np.exp(v)) ** 2 - 1) * stats.t(1 / 40).pdf(np.exp(v)) * np.exp(v), -60, 4,
                              epsabs=1e-13, limit=500)[0] + 1  # fmt: skip
    for (value, error), exact in zip(found, (((1 - 1j) ** -0.1).real, half, slow), strict=True):
        assert abs(value - exact) <= error + 1e-9
    assert abs(found[0][0] - ((1 - 1j) ** -0.1).real) < 1e-9
    assert abs(found[1][0] - half) < 1e-9
    assert found[2][1] > 1e-6  # the last one is not accurate, and says so


def test_quadratures_nest_in_each_other():
    """E_y over Exponential(2) inside a Gaussian, a Gaussian inside a density, a density inside a density."""
    in_gauss = GaussianQuadrature(over(cos(y * s + c), "exponential"), [s], [[k]])
    in_density = over(GaussianQuadrature(tanh(s * y + x * c), [s], [[1]]), "uniform").subs(x, 1)
    both = Quadrature(over(cos(x * y), "uniform"), x, Exponential(1).density(x), sympy.Integer(0), oo)
    found = evaluated(in_gauss, in_density, both, at={c: 0.8, k: 0.09})
    exact = [
        integrate.quad(lambda u: np.cos(0.8) * np.exp(-(u**2) * 0.045) * 2 * np.exp(-2 * u), 0, 40, epsabs=1e-13)[0],
        integrate.dblquad(lambda v, u: np.tanh(v * u + 0.8) * stats.norm.pdf(v) / 3, -1, 2, -9, 9, epsabs=1e-11)[0],
        integrate.quad(lambda u: 1 / (1 + u**2) / 3, -1, 2)[0],
    ]
    for (value, error), expected in zip(found, exact, strict=True):
        assert abs(value - expected) < 1e-8
        assert abs(value - expected) <= error + 1e-9


@pytest.mark.parametrize("kink", [sympy.Abs(s), sympy.Heaviside(s), sympy.sign(s), sympy.Max(s, 0), sympy.Min(s, c), sympy.floor(s + c),
                                  sympy.Piecewise((s, s > 0), (0, True)), sympy.Mod(s, 1)])  # fmt: skip
def test_kinks_are_refused_by_name(kink):
    with pytest.raises(UnsupportedExpectation) as caught:
        evaluated(GaussianQuadrature(tanh(s) * kink, [s], [[1]]), at={c: 1})
    assert "kink" in str(caught.value)
    assert str(type(kink).__name__) in str(caught.value)


def test_kinks_in_what_is_not_integrated_are_no_obstacle():
    ((value, _),) = evaluated(GaussianQuadrature(tanh(s + sympy.Abs(c)) * sympy.Max(c, 2), [s], [[1]]), at={c: -0.4})
    assert abs(value - 2 * gaussian(lambda u: np.tanh(u + 0.4), [[1]])) < 1e-9
