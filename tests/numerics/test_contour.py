"""Batches of Gaussian quadratic forms along a ray: two programs, two rays and closed forms agree, for small and large batches."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from cuda_support import simulate
from scipy.special import digamma

from numerics import Target, solve
from numerics.stability.problem import Grid, Problem
from numerics.stability.scalar.contour import NODES, _by_arrays, _by_program, by_contour, forms_of, integrals
from numerics.stability.scalar.enumeration import enumerated
from numerics.stability.scalar.potentials import by_batch_law
from numerics.stability.scalar.ray import rule_of
from numerics.templates.contour import contour_program
from theory import SGD, Discrete, Model, Normal, stability, symbols

u, w, x, y, z = symbols("u w x y z")
eta, rho, c = symbols("eta rho c")
PAIR = Normal(covariance=[[1, rho], [rho, 1]])


def problem(data, loss, values, **options):
    """That of the last mode."""
    found = stability(Model(loss, [u, w], data), SGD(eta, **options), point={u: 0, w: 0})
    block = found.blocks[-1]
    size = max(np.size(value) for value in values.values())
    grid = Grid({s: np.broadcast_to(np.asarray(v, dtype=float), (size,)) for s, v in values.items()}, size)
    return Problem(block.step.carry, block.step.weight, block.curvature[0, 0], block.randomness, block.batch, grid)


def pair(batch, values, **options):
    return problem({(x, y): PAIR}, (u * w * x - y) ** 2 / 2, values, batch_size=batch, **options)


@pytest.mark.parametrize("batch", [1, 2, 7, 16, 33])
def test_batches_of_squares_have_the_exponent_of_their_gamma_law(batch):
    rates = np.geomspace(0.02, 50, 9)
    (block,) = stability(Model((w * x) ** 2 / 2, [w], {x: Normal()}), SGD(eta, batch_size=batch), point={w: 0}).blocks
    given = Problem(
        block.step.carry, block.step.weight, block.curvature[0, 0], block.randomness, block.batch, Grid({eta: rates}, 9)
    )
    first, second = by_contour(given), by_batch_law(given)
    assert np.all(np.abs(first.values - second.values) <= first.errors + second.errors + 1e-11)
    assert np.all(first.errors < 1e-9)


@pytest.mark.parametrize(("batch", "rate", "correlation"), [(1, 0.7, 0.6), (8, 1.5, -0.4), (64, 2.5, 0.3)])
def test_the_ray_gives_the_integral_over_the_real_axis(batch, rate, correlation):
    """The integral of the definition, by mpmath with tanh-sinh on other panels, without a rotation for large batches."""
    found = by_contour(pair(batch, {eta: rate, rho: correlation}))
    angle = mpmath.pi / 8 if batch < 20 else mpmath.mpf(0)
    slope = mpmath.mpf(rate) / batch

    def integrand(r):
        t = mpmath.exp(1j * angle) * r
        factor = (1 - 1j * (1 + correlation) * slope * t) ** mpmath.mpf(-0.5)
        other = (1 + 1j * (1 - correlation) * slope * t) ** mpmath.mpf(-0.5)
        return mpmath.re((mpmath.exp(-t) - mpmath.exp(1j * t) * (factor * other) ** batch) / r)

    breaks = [0, *(mpmath.mpf(2) ** k for k in range(-6, 2)), *range(4, 120, 4)]
    exact = float(mpmath.quad(integrand, breaks))
    assert abs(found.values[0] - exact) <= found.errors[0] + 1e-12


@pytest.mark.parametrize("batch", [1, 2, 8, 9, 40])
@pytest.mark.parametrize("outcomes", [1, 2])
def test_the_program_and_arrays_compute_the_same_sums(batch, outcomes):
    random = np.random.default_rng(batch)
    slopes = random.normal(size=(40, outcomes, 2)) / batch
    forms = forms_of(np.full((40, outcomes), 1 / outcomes), slopes, 1.0, batch)
    steepness, places = np.unique(forms.steepness, return_inverse=True)
    rules = [rule_of(forms.ray, int(exponent), NODES[0]) for exponent in steepness]
    np.testing.assert_allclose(_by_program(forms, rules, places), _by_arrays(forms, rules, places), atol=1e-12)


def test_a_grid_has_the_values_of_its_points():
    rates, correlations = np.linspace(0.1, 2, 120), np.linspace(-0.9, 0.9, 120)
    many = by_contour(pair(5, {eta: rates, rho: correlations}))
    for point in (0, 17, 119):
        alone = by_contour(pair(5, {eta: rates[point], rho: correlations[point]}))
        assert abs(many.values[point] - alone.values[0]) < 1e-12


def test_the_distance_of_two_rules_bounds_the_error():
    random = np.random.default_rng(3)
    slopes = random.normal(size=(60, 1, 2)) * random.lognormal(sigma=2, size=(60, 1, 1))
    for batch in (1, 6, 30):
        forms = forms_of(np.ones((60, 1)), slopes / batch, 1.0, batch)
        coarse, fine, finest = (integrals(forms, count) for count in (NODES[1], NODES[0], 40))
        assert np.all(np.abs(fine - finest) <= np.abs(fine - coarse) + 1e-13 * (1 + batch / 32))


def test_a_mixture_of_forms_is_conditioned_on_its_finite_part():
    """With x of two values, xy is Gaussian given x, and so is a sum of two: their laws add up by hand."""
    data = {(x, y): PAIR, z: Discrete({1: 0.5, 2: 0.5})}
    found = by_contour(problem(data, (u * w * x - y * z) ** 2 / 2, {eta: 0.6, rho: 0.3}))
    parts = [by_contour(pair(1, {eta: 0.6 * factor, rho: 0.3})).values[0] for factor in (1, 2)]
    assert abs(found.values[0] - np.mean(parts)) < 1e-12


def test_a_batch_without_curvature_annihilates_where_nothing_is_kept():
    data = {(x, y): PAIR, z: Discrete({0: 0.25, 1: 0.75})}
    given = problem(
        data, (u * w * x - y * z) ** 2 / 2, {eta: 0.5, rho: 0.3, c: [2.0, 1.9]}, weight_decay=c, batch_size=3
    )
    found = by_contour(given)
    assert np.isneginf(found.values[0])
    assert np.isfinite(found.values[1])


def test_what_is_not_kept_leaves_the_logarithm_of_the_form():
    """keep = 0: E log(eta x^2) for S = 1 in closed form."""
    found = stability(Model((w * x) ** 2 / 2, [w], {x: Normal()}), SGD(eta, weight_decay=c), point={w: 0})
    (block,) = found.blocks
    grid = Grid({eta: np.array([0.5]), c: np.array([2.0])}, 1)
    given = Problem(block.step.carry, block.step.weight, block.curvature[0, 0], block.randomness, block.batch, grid)
    exact = np.log(0.5) + np.log(2) + digamma(0.5)
    assert by_contour(given).values[0] == pytest.approx(exact, abs=1e-12)


def test_other_laws_go_another_way():
    assert by_contour(problem({x: Normal(1, 1), y: Normal()}, (u * w * x - y) ** 2 / 2, {eta: 0.5})) is None
    finite = problem({x: Discrete({1: 0.5, -1: 0.5}), y: Discrete({1: 1})}, (u * w * x - y) ** 2 / 2, {eta: 0.5})
    assert by_contour(finite) is None
    assert enumerated(finite) is not None


def test_large_batches_have_their_exponent_in_a_whole_grid():
    """No road is closed to a grid of thousands of points: nothing is drawn at random."""
    found = stability(
        Model((u * w * x - y) ** 2 / 2, [u, w], {(x, y): PAIR}), SGD(eta, batch_size=100), point={u: 0, w: 0}
    )
    result = solve(found, at={eta: np.linspace(0.1, 2, 5000), rho: 0.3})
    assert set(result["kind"].values) == {"quadrature"}
    assert float(result["exponent_error"].max()) < 1e-11


# -------------------------------------------------------------------------------------------------------------- devices


def test_the_program_becomes_ptx_without_a_device():
    pytest.importorskip("numba_cuda", reason="PTX needs the CUDA compiler packages")
    kernel = contour_program(Target.CUDA)
    assert ".target sm_90" in kernel.ptx((9, 0))
    assert kernel.resources((9, 0)).spills == 0


DEVICE = """
import numpy as np
from numerics import Target
from numerics.stability.scalar.contour import NODES, _by_program, forms_of
from numerics.stability.scalar.ray import rule_of

random = np.random.default_rng(1)
for batch, outcomes in ((8, 1), (3, 2)):
    slopes = random.normal(size=(3, outcomes, 2)) / batch
    forms = forms_of(np.full((3, outcomes), 1 / outcomes), slopes, 1.0, batch)
    steepness, places = np.unique(forms.steepness, return_inverse=True)
    rules = [rule_of(forms.ray, int(exponent), 4) for exponent in steepness]
    print(*map(repr, (_by_program(forms, rules, places, {target})).tolist()))
"""


def test_the_simulated_device_computes_what_the_cpu_does(capsys):
    pytest.importorskip("numba_cuda", reason="the simulator comes with numba-cuda")
    on_device = simulate(DEVICE.format(target="Target.CUDA"))
    exec(DEVICE.format(target="Target.CPU"), {})
    expected = capsys.readouterr().out
    assert on_device.split()
    np.testing.assert_allclose(
        np.array(on_device.split(), dtype=float), np.array(expected.split(), dtype=float), rtol=1e-12, atol=1e-13
    )
