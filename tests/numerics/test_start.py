"""Starts have exactly the inner products asked for, sit on no coordinate axis, and refuse what cannot be."""

from __future__ import annotations

import numpy as np
import pytest
import sympy
from scipy import stats

from numerics.gram import solve_entries
from numerics.law_draws import draw_law
from numerics.start import at_rest, build_start
from theory import (
    Cauchy,
    Discrete,
    Empirical,
    Exponential,
    Gamma,
    Mixture,
    Model,
    Normal,
    Rademacher,
    StudentT,
    Uniform,
    Vector,
    dot,
    symbols,
)
from theory.errors import ImpossibleStart, MissingValue, StartUnderdetermined, UnknownValue, ValuesError
from theory.vectors import InnerProduct

n = symbols("n", positive=True)
tau, rho = symbols("tau rho", positive=True)
a, b = symbols("a b")
w, u, v, s, z = (Vector(name, n) for name in "wuvsz")
model = Model((a * dot(w, z) + b * dot(u, z) - dot(v, z) - dot(s, z)) ** 2 / 2, [w, u, a, b], {z: Normal()},
              fixed={dot(v, v): 1, dot(s, s): tau, dot(s, v): rho})  # fmt: skip
STATISTICS = {"q": dot(w, w), "m": dot(w, v), "a": a}
NUMBERS = {"a": 1.0, "b": 2.0}
COMPLETE = {"q": 2.0, "m": -0.3, dot(u, u): 0.7, dot(u, v): 0.1, dot(u, w): 0.4, dot(w, s): 0.2, dot(u, s): -0.5}


def start(given, *, statistics=None, size=9, replicas=3, seed=1, at=None):
    return build_start(model, (s, v), STATISTICS if statistics is None else statistics, {**NUMBERS, **given},
                       {n: size, tau: 1.5, rho: 0.25, **(at or {})}, size, replicas, seed)  # fmt: skip


def test_the_gram_matrix_is_the_one_asked_for():
    for seed in (1, 2, 3):
        begun = start(COMPLETE, seed=seed)
        rows = np.concatenate([begun.vectors[0], begun.signals])  # w, u, s, v
        expected = [[2, 0.4, 0.2, -0.3], [0.4, 0.7, -0.5, 0.1], [0.2, -0.5, 1.5, 0.25], [-0.3, 0.1, 0.25, 1]]
        np.testing.assert_allclose(rows @ rows.T, expected, atol=1e-12)
        assert begun.scalars.tolist() == [[1, 2]]


def test_the_frame_is_random_and_lies_on_no_coordinate_axis():
    rows = np.stack([start(COMPLETE, size=200, seed=seed).vectors[0, 0] for seed in range(40)])
    assert np.abs(rows).max() < np.sqrt(2) * 0.5  # a vector on an axis would have an entry sqrt(2)
    kurtosis = np.mean(rows**4) / np.mean(rows**2) ** 2
    assert abs(kurtosis - 3 * 200 / 202) < 5 * np.sqrt(24 / rows.size)  # uniform on a sphere
    products = rows @ rows.T - 2 * np.eye(40)
    assert np.abs(products).max() < 2 * 5 / np.sqrt(200)  # different seeds, independent frames


def test_singular_gram_matrices_are_realised():
    parallel = {"q": 4.0, "m": -2.0, dot(u, u): 1.0, dot(u, v): 1.0, dot(u, w): -2.0, dot(w, s): -0.5, dot(u, s): 0.25}
    begun = start(parallel, size=2)
    np.testing.assert_allclose(begun.vectors[0, 0], -2 * begun.signals[1], atol=1e-12)
    zero = start({**COMPLETE, "q": 0, "m": 0, dot(u, w): 0, dot(w, s): 0})
    assert (zero.vectors[0, 0] == 0).all()


def test_statistics_may_be_nonlinear_functions():
    statistics = {"norm": sympy.sqrt(dot(w, w)), "cosine": dot(w, v) / sympy.sqrt(dot(w, w) * dot(v, v)), "third": dot(u, v) ** 3,
                  "scaled": tau * a * dot(u, u)}  # fmt: skip
    given = {"norm": 1.5, "cosine": 0.6, "third": -0.008, "scaled": 3.0, dot(u, w): 0, dot(w, s): 0.1, dot(u, s): 0}
    begun = start(given, statistics=statistics)
    (w_, u_), (_, v_) = begun.vectors[0], begun.signals
    np.testing.assert_allclose([w_ @ w_, w_ @ v_, u_ @ v_, u_ @ u_], [2.25, 0.9, -0.2, 2.0], atol=1e-12)


def test_statistics_that_determine_each_other_jointly_are_solved_as_a_system():
    statistics = {
        "sum": dot(w, w) + 2 * dot(w, v),
        "difference": dot(w, w) - dot(w, v),
        "d2": (dot(u, u) - dot(w, w)) ** 3,
    }
    rest = {dot(u, v): 0.1, dot(u, w): 0.4, dot(w, s): 0.2, dot(u, s): -0.5}
    begun = start({"sum": 2.0, "difference": 1.4, "d2": -0.125, **rest}, statistics=statistics)
    w_, u_ = begun.vectors[0]
    np.testing.assert_allclose([w_ @ w_, w_ @ begun.signals[1], u_ @ u_], [1.6, 0.2, 1.1], atol=1e-12)


def test_the_missing_inner_products_are_listed():
    with pytest.raises(StartUnderdetermined) as caught:
        start({"q": 1.0, "m": 0.1, dot(u, u): 1, dot(u, v): 0, dot(w, s): 0})
    assert set(caught.value.missing) == {InnerProduct(u, w), InnerProduct(u, s)}
    assert "dot(u, w)" in str(caught.value)


def test_an_impossible_gram_matrix_carries_its_eigenvalue():
    with pytest.raises(ImpossibleStart) as caught:
        start({**COMPLETE, "m": 3.0})
    gram = np.array([[2, 0.4, 0.2, 3.0], [0.4, 0.7, -0.5, 0.1], [0.2, -0.5, 1.5, 0.25], [3.0, 0.1, 0.25, 1]])
    assert caught.value.eigenvalue == pytest.approx(np.linalg.eigvalsh(gram)[0])
    assert f"{caught.value.eigenvalue:.6g}" in str(caught.value)


def test_more_independent_vectors_than_dimensions_are_refused():
    with pytest.raises(ImpossibleStart, match="4 independent vectors"):
        start(COMPLETE, size=3)


@pytest.mark.parametrize(
    ("given", "error", "says"),
    [
        ({**COMPLETE, dot(w, w): 1.0}, ImpossibleStart, "contradicts"),
        ({**COMPLETE, dot(v, v): 4.0}, ImpossibleStart, "contradicts"),
        ({**COMPLETE, "cubic": 1.0}, UnknownValue, "cubic"),
        ({**COMPLETE, Vector("stranger", n): [1.0] * 9}, UnknownValue, "stranger"),
        ({**COMPLETE, dot(w, z): 1.0}, UnknownValue, "z is no vector"),
        ({**COMPLETE, "q": float("nan")}, ValuesError, "finite"),
        ({**COMPLETE, "q": "one"}, ValuesError, "real number"),
        ({**COMPLETE, "q": Normal()}, ValuesError, "real number"),
        ({**COMPLETE, "a": [1.0, 2.0]}, ValuesError, "3, one per replica"),
        ({**COMPLETE, "a": float("inf")}, ValuesError, "finite"),
        ({**COMPLETE, "a": "x"}, ValuesError, "law"),
        ({**COMPLETE, w: np.ones(8)}, ValuesError, "(8,)"),
        ({**COMPLETE, w: np.ones((2, 9))}, ValuesError, "(2, 9)"),
        ({**COMPLETE, w: np.full(9, np.nan)}, ValuesError, "finite"),
        ({**COMPLETE, w: "ones"}, ValuesError, "array"),
        ({**COMPLETE, w: np.ones(9)}, ImpossibleStart, "contradicts"),
        ({**COMPLETE, v: 2 * np.eye(9)[0]}, ImpossibleStart, "contradicts"),
        ({**COMPLETE, w: Normal()}, ValuesError, "differs from replica to replica"),
        ({**COMPLETE, w: Normal([0, 0], covariance=[[1, 0], [0, 1]])}, ValuesError, "2 slots"),
        ({**COMPLETE, "a": Normal(0, symbols("kappa", positive=True))}, MissingValue, "kappa"),
    ],
)  # fmt: skip
def test_a_wrong_start_is_refused_and_named(given, error, says):
    with pytest.raises(error) as caught:
        start(given)
    assert says in str(caught.value)


def test_a_missing_scalar_is_named():
    with pytest.raises(MissingValue, match="parameter b"):
        build_start(model, (s, v), STATISTICS, {**COMPLETE, "a": 1.0}, {n: 9, tau: 1.5, rho: 0.25}, 9, 2, 1)


def test_a_statistic_of_a_random_scalar_cannot_be_prescribed():
    with pytest.raises(ValuesError, match="a differs"):
        start({**COMPLETE, "a": Normal(), "p": 0.2}, statistics={**STATISTICS, "p": a * dot(w, v)})


def test_an_ambiguous_statistic_is_refused():
    with pytest.raises(ImpossibleStart, match="2 real solutions"):
        start({"q": 1.0, "square": 0.04}, statistics={"q": dot(w, w), "square": dot(w, v) ** 2})
    with pytest.raises(ImpossibleStart, match="give dot"):
        start({"odd": 1.2}, statistics={"odd": dot(w, v) + sympy.cos(dot(w, v))})


def test_arrays_are_used_as_they_are_and_others_are_placed_around_them():
    """Given v and s as arrays, w and u still get the inner products asked for, with them and with each other."""
    v_, s_ = np.eye(9)[2], np.array([1.0, 0, 0.25, 0, 0, 0, 0, 0, np.sqrt(1.5 - 1 - 0.0625)])
    begun = start({**COMPLETE, v: v_, s: s_})
    np.testing.assert_array_equal(begun.signals, [s_, v_])
    (w_, u_) = begun.vectors[0]
    np.testing.assert_allclose([w_ @ w_, w_ @ v_, u_ @ u_, u_ @ v_, u_ @ w_, w_ @ s_, u_ @ s_],
                               [2, -0.3, 0.7, 0.1, 0.4, 0.2, -0.5], atol=1e-12)  # fmt: skip
    with pytest.raises(StartUnderdetermined) as caught:
        start({k: x for k, x in {**COMPLETE, v: v_, s: s_}.items() if k != dot(w, s)})
    assert caught.value.missing == (InnerProduct(s, w),)


def test_an_array_over_replicas_gives_each_its_own_row():
    rows = np.random.default_rng(1).normal(size=(3, 9))
    begun = start({w: rows, u: np.ones(9), dot(u, v): 0.5, dot(u, s): 0, "a": [3.0, 4.0, 5.0]})
    np.testing.assert_array_equal(begun.vectors[:, 0], rows)
    np.testing.assert_array_equal(begun.vectors[:, 1], np.ones((3, 9)))
    assert begun.scalars.tolist() == [[3, 2], [4, 2], [5, 2]]


def test_laws_may_hold_hyperparameters_and_the_dimension():
    begun = start({w: Normal(0, 4 / n), u: Rademacher(), "a": Uniform(0, tau)}, size=400, replicas=50)
    squares = np.sum(begun.vectors[:, 0] ** 2, axis=1)
    assert abs(squares.mean() - 4) < 5 * 4 * np.sqrt(2 / 400 / 50)
    assert set(np.unique(begun.vectors[:, 1])) == {-1, 1}
    assert 0 < begun.scalars[:, 0].min() < begun.scalars[:, 0].max() <= 1.5


def test_different_parameters_get_independent_draws():
    begun = start({w: Normal(), u: Normal(), "a": Normal(), "b": Normal()}, size=6, replicas=2000)
    columns = np.column_stack([begun.scalars, begun.vectors[:, 0], begun.vectors[:, 1]])
    correlation = np.corrcoef(columns.T) - np.eye(columns.shape[1])
    assert np.abs(correlation).max() < 5 / np.sqrt(2000)


@pytest.mark.parametrize(
    ("law", "reference"),
    [
        (Normal(1, 4), stats.norm(1, 2)),
        (Uniform(-1, 3), stats.uniform(-1, 4)),
        (Exponential(2), stats.expon(scale=0.5)),
        (StudentT(5, 1, 2), stats.t(5, 1, 2)),
        (Gamma(0.5, 1), stats.gamma(0.5)),
        (Cauchy(0, 2), stats.cauchy(0, 2)),
    ],
)
def test_a_law_of_a_start_is_drawn(law, reference):
    draws = draw_law(law, (100, 50), 3, 1)
    assert stats.kstest(draws.ravel(), reference.cdf).pvalue > 1e-5
    assert (draws[:7] == draw_law(law, (7, 50), 3, 1)).all()
    assert (draws != draw_law(law, (100, 50), 3, 2)).all()
    assert (draws != draw_law(law, (100, 50), 4, 1)).all()


def test_finite_laws_mixtures_and_data_sets_are_drawn():
    draws = draw_law(Discrete([(0, 0.2), (3, 0.5), (0, 0.3)]), (100, 50), 3, 1)
    assert set(np.unique(draws)) == {0, 3}
    assert abs(draws.mean() - 1.5) < 5 * 1.5 / np.sqrt(5000)
    mixed = draw_law(Mixture([(Normal(10, 1), 0.25), (Uniform(0, 1), 0.75)]), (100, 50), 3, 1)
    assert abs((mixed > 5).mean() - 0.25) < 5 * np.sqrt(0.1875 / 5000)
    assert set(np.unique(draw_law(Empirical([1.0, 7.0]), (10, 50), 3, 1))) == {1, 7}


def test_momentum_starts_at_rest():
    speed = Vector("velocity_w", n)
    rested = at_rest(
        {"one": dot(speed, w) + dot(w, w), "two": symbols("velocity_a") + a}, [speed, symbols("velocity_a")]
    )
    assert rested == {"one": dot(w, w), "two": a}


def test_equations_that_do_not_determine_their_unknowns_are_left():
    x, y = dot(w, w), dot(u, u)
    known: dict = {}
    equations = {"one": x * y - 2}
    solve_entries(equations, known, {x, y})
    assert list(equations) == ["one"]
    assert not known
