"""Phase diagrams: boundaries are those of the theory, to rounding; moments, batches and noise have their place."""

from __future__ import annotations

import numpy as np
import pytest
import sympy

from numerics import phase_diagram, solve, thresholds
from theory import SGD, Discrete, HeavyBall, Model, Normal, stability, symbols
from theory.errors import InvalidRequest

u, w, x, y = symbols("u w x y")
eta, a, s, S = *symbols("eta a s", positive=True), symbols("S", positive=True, integer=True)
rho, beta = symbols("rho beta")
RATES, LABELS = np.linspace(0.03, 3, 31), np.linspace(0.05, 2, 23)


def two_point(**options):
    model = Model((u * w - y) ** 2 / 2, [u, w], {y: Discrete({1: 0.5, -a: 0.5})})
    return stability(model, SGD(eta, **options), point={u: 0, w: 0})


def regression(law=Normal(), **options):  # noqa: B008  (a law is immutable)
    return stability(Model((w * x) ** 2 / 2, [w], {x: law}), SGD(eta, **options), point={w: 0})


def net(**options):
    pair = Normal(covariance=[[1, rho], [rho, 1]])
    return stability(Model((u * w * x - y) ** 2 / 2, [u, w], {(x, y): pair}), SGD(eta, **options), point={u: 0, w: 0})


def vertices(diagram, mode, order=0):
    return diagram["boundary"].values[(diagram["boundary_mode"] == mode) & (diagram["boundary_order"] == order)]


def test_the_algebraic_boundaries_of_the_theory_pass_through_every_vertex():
    equations = two_point()
    diagram = phase_diagram(equations, over={eta: RATES, a: LABELS})
    functions = [sympy.lambdify((eta, a), found.expression) for found in equations.boundaries]
    first, second = diagram["boundary"].values.T
    residual = np.min([np.abs(function(first, second) + 0 * first) for function in functions], axis=0)
    assert diagram.sizes["vertex"] > 100
    assert residual.max() < 1e-10


def test_every_algebraic_boundary_is_traced():
    """Between the poles of u - w, at eta = 1, and of u + w, at eta = 1/a, no branch is lost."""
    equations = two_point()
    diagram = phase_diagram(equations, over={eta: RATES, a: LABELS})
    for expression in {boundary.expression for boundary in equations.boundaries}:
        found = [
            (float(root), label)
            for label in (0.4, 0.9, 1.6)
            for root in sympy.Poly(expression.subs(a, label), eta).nroots()
            if root.is_real and RATES[0] < root < RATES[-1]
        ]
        for root, label in found:
            distance = np.hypot(*(diagram["boundary"].values - [root, label]).T).min()
            assert distance < np.hypot(np.diff(RATES)[0], np.diff(LABELS)[0])


def test_a_stripe_of_stability_about_a_pole_is_seen_on_a_coarse_grid():
    """A rare label: the exponent is minus infinity at eta = 1, and below zero on an interval that no point of the grid hits."""
    model = Model((u * w - y) ** 2 / 2, [u, w], {y: Discrete({1: 0.2, -a: 0.8})})
    equations = stability(model, SGD(eta), point={u: 0, w: 0})
    over = {eta: np.linspace(0.5, 1.7, 7), a: np.array([1.0, 1.2, 1.4])}
    diagram = phase_diagram(equations, over=over)
    assert (diagram["exponent"].sel(mode="u - w") > 0).all()
    found = thresholds(equations, of=eta, between=(0.5, 1.7), at={a: 1.2}).mode("u - w").intervals
    assert len(found) == 1
    points = vertices(diagram, "u - w")
    row = np.sort(points[points[:, 1] == 1.2, 0])
    np.testing.assert_allclose(row, found[0], rtol=1e-9)
    assert row[1] - row[0] < np.diff(over[eta])[0]


@pytest.mark.parametrize("batch", [1, 8])
def test_the_boundary_of_the_gaussian_net_meets_the_thresholds_of_a_row(batch):
    equations = net(batch_size=batch)
    over = {eta: np.linspace(0.1, 4.0, 40), rho: np.array([0.1, 0.15, 0.2])}
    diagram = phase_diagram(equations, over=over)
    for mode in ("u + w", "u - w"):
        stable = thresholds(equations, of=eta, between=(0.1, 4.0), at={rho: 0.15}).mode(mode).intervals
        expected = sorted(end for interval in stable for end in interval if 0.1 < end < 4.0)
        points = vertices(diagram, mode)
        np.testing.assert_allclose(np.sort(points[points[:, 1] == 0.15, 0]), expected, rtol=1e-9)


def test_the_zeros_of_the_specified_net_are_on_its_curves():
    """At rho = 0.2 the saddle attracts along u + w between 0.452752992 and 0.890844831; u - w grows beyond 1.839137059."""
    diagram = phase_diagram(net(), over={eta: np.linspace(0.1, 3, 30), rho: np.array([0.1, 0.2, 0.3])})
    for mode, expected in (("u + w", [0.452752992, 0.890844831]), ("u - w", [1.839137059])):
        points = vertices(diagram, mode)
        np.testing.assert_allclose(np.sort(points[points[:, 1] == 0.2, 0]), expected, atol=2e-9)


def test_the_mean_square_vanishes_on_its_own_curve():
    """E (1 - eta s^2 g^2)^2 = 1 at eta s^2 = 2/3, and L(p) is below L(q)/q p for p < q: the curves are nested."""
    diagram = phase_diagram(
        regression(Normal(0, s**2)), over={eta: np.geomspace(0.05, 5, 12), s: np.geomspace(0.4, 2.5, 9)}, orders=(2, 4)
    )
    assert diagram["moment_exponent"].dims == ("order", "mode", "eta", "s")
    points = vertices(diagram, "w", 2)
    np.testing.assert_allclose(points[:, 0] * points[:, 1] ** 2, 2 / 3, rtol=1e-9)
    assert len(points) > 8
    levels = [np.mean(p[:, 0] * p[:, 1] ** 2) for p in (vertices(diagram, "w", order) for order in (4, 2, 0))]
    np.testing.assert_allclose(levels, [0.38345101, 2 / 3, 2.42124952104], rtol=1e-7)


def test_the_error_of_a_vertex_is_an_upper_estimate():
    diagram = phase_diagram(
        regression(Normal(0, s**2)), over={eta: np.geomspace(0.5, 5, 7), s: np.geomspace(0.5, 2, 6)}
    )
    first, second = diagram["boundary"].values.T
    level = 2.42124952104  # eta s^2 on the curve, to eleven digits; its gradient turns an error of it into a distance
    distance = np.abs(first * second**2 - level) / np.hypot(second**2, 2 * first * second)
    assert np.all(distance <= diagram["boundary_error"].values + 1e-11)
    assert float(diagram["boundary_error"].max()) < 1e-9


def test_curves_along_batch_sizes_are_exact_at_whole_numbers():
    sizes = np.array([1, 2, 3, 4, 8, 16])
    diagram = phase_diagram(regression(batch_size=S), over={eta: np.linspace(0.5, 4, 9), S: sizes})
    points = vertices(diagram, "w")
    whole = np.isin(points[:, 1], sizes)
    known = {1: 2.42124952104, 2: 2.68451035082, 4: 2.66299566871}
    for size, expected in known.items():
        (found,) = points[whole & (points[:, 1] == size), 0]
        assert found == pytest.approx(expected, rel=1e-9)
    assert len(points) >= len(sizes)


def test_simulated_exponents_have_an_undecided_band_and_a_coarse_boundary():
    equations = stability(Model((w * x) ** 2 / 2, [w], {x: Normal()}), SGD(eta, momentum=HeavyBall(beta)), point={w: 0})
    over = {eta: np.linspace(0.8, 2.8, 9), beta: np.array([0.1, 0.3])}
    diagram = phase_diagram(equations, over=over, steps=200, replicas=8, seed=2)
    assert set(diagram["kind"].values) == {"Monte Carlo"}
    hidden = np.abs(diagram["exponent"]) <= 3 * diagram["exponent_error"]
    meanings = diagram["phase"].attrs["flag_meanings"]
    undecided = diagram["phase"] == meanings.index("undecided")
    assert hidden.any()
    np.testing.assert_array_equal(undecided.values, hidden.any("mode").values)
    assert diagram.sizes["vertex"] > 0
    assert float(diagram["boundary_error"].min()) >= np.diff(over[beta])[0] / 2


def test_a_diagram_without_curves_costs_none():
    plain = phase_diagram(two_point(), over={eta: RATES[:5], a: LABELS[:4]}, boundaries=False)
    assert "boundary" not in plain
    empty = phase_diagram(two_point(), over={eta: [0.01, 0.02], a: [0.1, 0.2]})
    assert empty.sizes["vertex"] == 0


@pytest.mark.parametrize("orders", [2, (2, 2), (0, 1), ("two",), (np.inf,)])
def test_orders_are_distinct_finite_powers(orders):
    with pytest.raises(InvalidRequest, match="order"):
        phase_diagram(two_point(), over={eta: [0.1, 0.2], a: [0.1, 0.2]}, orders=orders)


def test_points_of_the_grid_are_what_solve_finds():
    diagram = phase_diagram(net(batch_size=6), over={eta: np.linspace(0.1, 2, 30), rho: np.linspace(-0.5, 0.9, 40)})
    for i, j in ((0, 0), (13, 27), (29, 39)):
        point = {eta: float(diagram["eta"][i]), rho: float(diagram["rho"][j])}
        alone = solve(net(batch_size=6), at=point)["exponent"].values
        np.testing.assert_allclose(diagram["exponent"].values[:, i, j], alone, atol=1e-11)
