"""Laws of a user's own: densities against the built-in laws they spell out, samplers against what they may not say."""

import math
import pickle

import pytest
import sympy
from scipy import stats
from sympy import Abs, I, Max, Piecewise, Rational, Symbol, cosh, exp, gamma, log, oo, pi, sqrt

from theory import (
    SGD,
    Cauchy,
    Density,
    Discrete,
    Empirical,
    Exponential,
    ExponentKind,
    Gamma,
    Mixture,
    Model,
    Normal,
    NotNoiseFreeFixedPoint,
    Sampler,
    Sampling,
    StudentT,
    Uniform,
    expectation,
    fixed_points,
    persistent,
    stability,
    symbols,
)
from theory.errors import (
    InvalidAlgorithm,
    InvalidLaw,
    MomentDoesNotExist,
    NeutralDirection,
    NotReal,
    SamplingNotCovered,
    UnsupportedExpectation,
)
from theory.laws import StandardSign, StandardUniform

X, MU = symbols("x mu")
A, ETA = symbols("a eta", positive=True)
GAUSSIAN = Density(X, exp(-((X - MU) ** 2) / (2 * A)) / sqrt(2 * pi * A))
LAPLACE = Density(X, exp(-Abs(X - MU) / A) / (2 * A))
SPELT_OUT = [
    (GAUSSIAN, Normal(MU, A)),
    (Density(X, 1 / A, (MU, MU + A)), Uniform(MU, MU + A)),
    (Density(X, A * exp(-A * X), (0, oo)), Exponential(A)),
    (
        Density(X, X ** Rational(3, 2) * exp(-X / A) / A ** Rational(5, 2) / gamma(Rational(5, 2)), (0, oo)),
        Gamma(Rational(5, 2), A),
    ),
    (Density(X, 3 / (8 * (1 + X**2 / 4) ** Rational(5, 2))), StudentT(4)),
]


@pytest.mark.parametrize(("own", "built_in"), SPELT_OUT, ids=[str(law) for _, law in SPELT_OUT])
def test_moments_of_a_density_are_those_of_the_law_that_it_spells_out(own, built_in):
    assert own.sup_moment == built_in.sup_moment
    for order in range(4):
        assert sympy.simplify(own.moment(order) - built_in.moment(order)) == 0


def test_moments_without_a_closed_form_are_quadratures_of_the_right_value():
    semicircle = Density(X, 2 * sqrt(1 - X**2) / pi, (-1, 1))
    logistic = Density(X, exp(-X) / (1 + exp(-X)) ** 2)
    assert abs(semicircle.moment(4).evalf(15) - Rational(1, 8)) < 1e-12
    assert abs(logistic.moment(2).evalf(15) - pi**2 / 3).evalf() < 1e-12
    assert expectation(A * X**2 + 1, {X: semicircle}).has(A)


def test_a_density_in_pieces_is_integrated_in_pieces():
    triangle = Density(X, Max(0, 1 - Abs(X)), (-1, 1))
    bent = Density(X, Piecewise((X, X < 1), (2 - X, True)), (0, 2))
    assert triangle.moment(2) == Rational(1, 6)
    assert bent.mean == 1
    assert bent.variance == Rational(1, 6)
    assert LAPLACE.variance == 2 * A**2


@pytest.mark.parametrize(
    ("law", "supremum"),
    [
        (Density(X, sqrt(2) / (pi * (1 + X**4))), 3),
        (Density(X, A * X ** (-1 - A), (1, oo)), A),
        (Density(X, 1 / (pi * cosh(X))), oo),
        (Density(X, 2 * sqrt(1 - X**2) / pi, (-1, 1)), oo),
    ],
    ids=str,
)
def test_the_tail_of_a_density_tells_which_moments_exist(law, supremum):
    assert law.sup_moment == supremum
    if supremum == 3:
        assert law.moment(2) == 1
        with pytest.raises(MomentDoesNotExist) as caught:
            law.moment(3)
        assert (caught.value.order, caught.value.law) == (3, law)
    if supremum == A:
        with pytest.raises(MomentDoesNotExist, match="a > 1, which is not declared"):
            law.moment(1)


def test_a_density_that_is_none_is_refused_with_what_is_wrong():
    with pytest.raises(InvalidLaw, match=r"must be 1, it is 2"):
        Density(X, exp(-Abs(X)))
    with pytest.raises(InvalidLaw, match=r"must be 1, it is 0\.99"):
        Density(X, exp(-X - exp(-X)) * Rational(99, 100))
    with pytest.raises(InvalidLaw, match="must not be negative"):
        Density(X, Rational(1, 2) + 3 * X, (-1, 1))
    with pytest.raises(InvalidLaw, match="exchange them"):
        Density(X, exp(-X), (oo, 0))
    with pytest.raises(NotReal, match="z, not declared real"):
        Density(X, exp(-X) + Symbol("z"), (0, oo))
    with pytest.raises(InvalidLaw, match="it is 1/2"):
        Density(X, A * exp(-2 * A * X), (0, oo))
    with pytest.raises(InvalidLaw, match="does not belong to the density"):
        Density(X, exp(-X), (0, oo), quantile=(A, log(A)))


def test_parameters_that_leave_the_integral_open_are_checked_when_numbers_come_in():
    hyperbolic = Density(X, A / (pi * cosh(X)))
    assert hyperbolic.substitute({A: 1}).moment(0) == 1
    with pytest.raises(InvalidLaw, match="must be 1"):
        hyperbolic.substitute({A: 2})


def test_the_name_of_the_variable_is_no_part_of_the_law():
    y = symbols("y")
    law = Density(X, exp(-X), (0, oo))
    assert law == Density(y, exp(-y), (0, oo))
    assert law.free_symbols == set()
    assert pickle.loads(pickle.dumps(law)) == law
    assert GAUSSIAN.substitute({MU: 0}) == Density(y, exp(-(y**2) / (2 * A)) / sqrt(2 * pi * A))
    assert repr(law) == "Density(x, exp(-x), (0, oo))"
    model = Model((symbols("w") * X) ** 2, [symbols("w")], {X: law})  # its variable may be the random symbol itself
    assert model.hyperparameters == ()


@pytest.mark.parametrize("r", [Rational(1, 3), -2, 3 + 2 * I, I / 10], ids=str)
@pytest.mark.parametrize(
    ("own", "built_in"),
    [
        (Density(X, exp(-(X**2) / 2) / sqrt(2 * pi)), Normal()),
        (Density(X, exp(-X), (0, oo)), Exponential()),
        (Density(X, 1 / (pi * (1 + X**2))), Cauchy()),
        (Density(X, Rational(1, 2), (-1, 1)), Uniform(-1, 1)),
    ],
    ids=["normal", "exponential", "cauchy", "uniform"],
)
def test_potentials_and_characteristic_functions_by_quadrature_agree_with_closed_forms(own, built_in, r):
    assert abs(own.log_potential(r).evalf(25) - built_in.log_potential(r).evalf(25)) < 1e-18
    t = Rational(7, 5)
    exact, found = (
        complex(built_in.characteristic_function(t).evalf(15)),
        complex(own.characteristic_function(t).evalf(15)),
    )
    assert abs(exact - found) < (
        1e-12 if built_in.sup_moment == oo else 1e-2
    )  # mpmath is poor at slowly decaying waves


def test_a_potential_by_quadrature_is_not_called_a_closed_form():
    w = symbols("w")
    law = Density(X, exp(-(X**2) / 2) / sqrt(2 * pi))
    (block,) = stability(Model((w * X) ** 2 / 2, [w], {X: law}), SGD(Rational(1, 2)), point={w: 0}).blocks
    assert block.kind == ExponentKind.QUADRATURE
    with pytest.raises(UnsupportedExpectation, match="put in numbers"):
        law.log_potential(A)


@pytest.mark.parametrize(
    ("law", "reference"),
    [
        (Density(X, exp(-X - exp(-X))), stats.gumbel_r()),
        (Density(X, A * X ** (A - 1) * exp(-(X**A)), (0, oo)), stats.weibull_min(1.7)),
        (LAPLACE, stats.laplace(-0.5, 1.7)),
        (Density(X, exp(-X) / (1 + exp(-X)) ** 2), stats.logistic()),
        (Density(X, 1 / (pi * sqrt(X * (1 - X))), (0, 1)), stats.arcsine()),
        (Density(X, Piecewise((X, X < 1), (2 - X, True)), (0, 2)), stats.triang(0.5, 0, 2)),
    ],
    ids=["gumbel", "weibull", "laplace", "logistic", "arcsine", "triangle"],
)
def test_derived_quantiles_invert_the_distribution_function(law, reference):
    numbers = {A: Rational(17, 10), MU: Rational(-1, 2)}
    p, value = law.quantile
    for probability in (0.02, 0.4, 0.9):
        assert float(value.subs({**numbers, p: Rational(probability)})) == pytest.approx(
            reference.ppf(probability), rel=1e-10
        )


def test_draws_reach_both_tails_from_uniform_numbers_that_are_dense_at_zero_only():
    draw = Density(X, exp(-X - exp(-X))).draw("z")
    assert {type(kind) for _, kind in draw.standards} == {StandardUniform, StandardSign}
    values = {type(kind): symbol for symbol, kind in draw.standards}
    least, largest = (
        float(
            draw.expression[0]
            .subs({values[StandardUniform]: Rational(1, 10**15), values[StandardSign]: sign})
            .evalf(20)
        )
        for sign in (-1, 1)
    )
    assert least == pytest.approx(-3.563, abs=1e-2)
    assert largest == pytest.approx(15 * 2.302585 + 0.6931, abs=1e-2)
    one_sided = Density(X, exp(-X), (0, oo)).draw("z")
    assert one_sided.expression[0].subs(one_sided.standards[0][0], 1) == 0


def test_a_far_location_does_not_overflow_inside_a_draw():
    fixed = LAPLACE.substitute({MU: 10**6, A: Rational(1, 1000)})
    draw = fixed.draw("z")
    function = sympy.lambdify([symbol for symbol, _ in draw.standards], draw.expression[0], "numpy")
    for sign in (-1.0, 1.0):
        assert function(0.5, sign) == pytest.approx(10**6 + sign * 0.001 * math.log(2), abs=1e-9)


def test_a_density_without_an_elementary_quantile_names_the_remedy():
    law = Density(X, 1 / (pi * cosh(X)))
    assert law.quantile is None or law.draw()  # SymPy may learn it
    semicircle = Density(X, 2 * sqrt(1 - X**2) / pi, (-1, 1))
    with pytest.raises(UnsupportedExpectation, match="give quantile="):
        semicircle.draw()
    given = Density(X, 1 / (pi * cosh(X)), quantile=(A, log(sympy.tan(pi * A / 2))))
    assert len(given.draw().standards) == 2


# --------------------------------------------------------------------------------------------------------------- samplers


def draws(generator, count):
    return generator.standard_normal(count) ** 3


def test_a_sampler_is_identified_by_its_name_and_says_only_what_was_declared():
    law = Sampler(draws, "cubed normal", sup_moment=oo)
    assert law == Sampler(lambda generator, count: None, "cubed normal", sup_moment=oo)
    assert law != Sampler(draws, "cubed normal, version 2", sup_moment=oo)
    assert pickle.loads(pickle.dumps(law)) == law
    assert law.sup_moment == oo
    assert law.support == sympy.S.Reals
    assert Sampler(draws, "positive", support=sympy.Interval(0, oo)).support.inf == 0


@pytest.mark.parametrize(
    "ask",
    [
        lambda law: law.moment(2),
        lambda law: law.density(1),
        lambda law: law.characteristic_function(1),
        lambda law: law.log_potential(I),
        lambda law: law.draw(),
        lambda law: law.sup_moment,
        lambda law: Mixture([(law, Rational(1, 2)), (Normal(), Rational(1, 2))]).moment(2),
        lambda law: expectation(sympy.cos(X), {X: law}),
    ],
)
def test_everything_exact_about_a_sampler_is_refused_naming_it_and_what_to_give(ask):
    with pytest.raises(UnsupportedExpectation, match=r"Sampler\('mine'\).*(Density|sup_moment)"):
        ask(Sampler(draws, "mine"))


def test_a_declared_tail_refuses_the_moments_beyond_it():
    with pytest.raises(MomentDoesNotExist, match="order 3"):
        Sampler(draws, "heavy", sup_moment=Rational(5, 2)).moment(3)


def test_samplers_that_cannot_be_are_refused():
    for arguments, match in [
        ((3, "x"), "callable"),
        ((draws, ""), "name"),
    ]:
        with pytest.raises(InvalidLaw, match=match):
            Sampler(*arguments)
    with pytest.raises(InvalidLaw, match="sup_moment"):
        Sampler(draws, "x", sup_moment=-1)
    with pytest.raises(InvalidLaw, match="support"):
        Sampler(draws, "x", support=(0, 1))


# ------------------------------------------------------------------------------------------------------ errors, warnings


def test_neutral_directions_are_warned_of_once_with_their_exponent():
    u, v, w, y = symbols("u v w y")
    decay = symbols("gamma", positive=True)
    deep = Model((u * v * w * X - y) ** 2 / 2, [u, v, w], {X: Normal(), y: Normal()})
    with pytest.warns(NeutralDirection) as caught:
        stability(deep, SGD(ETA), point={u: 0, v: 0, w: 0})
    (warning,) = caught
    assert (warning.message.vectors, warning.message.exponent) == ((u, v, w), 0)
    with pytest.warns(NeutralDirection, match="decay alone") as caught:
        stability(deep, SGD(ETA, weight_decay=decay), point={u: 0, v: 0, w: 0})
    assert sympy.simplify(caught[0].message.exponent - log(Abs(1 - ETA * decay))) == 0
    assert pickle.loads(pickle.dumps(caught[0].message)).vectors == (u, v, w)


def test_a_point_without_neutral_directions_is_not_warned_of(recwarn):
    u, w, y = symbols("u w y")
    stability(Model((u * w * X - y) ** 2 / 2, [u, w], {X: Normal(), y: Normal()}), SGD(ETA), point={u: 0, w: 0})
    assert not [one for one in recwarn if isinstance(one.message, NeutralDirection)]


def test_the_tangent_of_a_manifold_of_minima_is_neutral_and_its_normal_is_not():
    """At (t, 1/t) of (u w x - x)^2/2 the Hessian is x^2 n n^T with n = (1/t, t)."""
    u, w, t = symbols("u w t")
    model = Model((u * w * X - X) ** 2 / 2, [u, w], {X: Discrete({1: 0.5, 2: 0.5})})
    with pytest.warns(NeutralDirection):
        found = stability(model, SGD(ETA), point={u: t, w: 1 / t})
    neutral, normal = sorted(found.blocks, key=lambda block: not block.is_neutral)
    assert neutral.vectors.T * sympy.Matrix([1 / t, t]) == sympy.zeros(1)
    size = t**2 + 1 / t**2
    expected = log(Abs(1 - ETA * size)) / 2 + log(Abs(1 - 4 * ETA * size)) / 2
    for number in (Rational(1, 2), 1, -3):
        assert abs((normal.exponent - expected).subs({t: number, ETA: Rational(1, 50)}).evalf(20)) < 1e-15


def test_a_sampling_that_is_not_covered_names_its_mode():
    w = symbols("w")
    model = Model((w * X) ** 2 / 2, [w], {X: Empirical([1.0, 2.0, 3.0, 4.0])})
    mode = persistent(Rational(1, 4), 10)
    with pytest.raises(SamplingNotCovered) as caught:
        stability(model, SGD(ETA, sampling=mode), point={w: 0})
    assert caught.value.mode == mode
    assert pickle.loads(pickle.dumps(caught.value)).mode == mode
    with pytest.raises(SamplingNotCovered, match="no multiple of batch_size=3") as caught:
        stability(model, SGD(ETA, batch_size=3, sampling=Sampling.RESHUFFLED), point={w: 0})
    assert caught.value.mode == Sampling.RESHUFFLED
    assert isinstance(caught.value, InvalidAlgorithm)


def test_a_point_that_is_no_fixed_point_carries_its_residual():
    u, w = symbols("u w")
    with pytest.raises(NotNoiseFreeFixedPoint) as caught:
        stability(Model((u * w * X - 1) ** 2 / 2, [u, w], {X: Normal()}), SGD(ETA), point={u: 1, w: 2})
    assert sympy.expand(caught.value.residual[u] - 2 * X * (2 * X - 1)) == 0
    assert pickle.loads(pickle.dumps(caught.value)).residual == caught.value.residual


def test_a_family_of_minima_is_listed_with_its_free_parameters():
    u, v, w = symbols("u v w")
    found = fixed_points(Model((u * v * w * X - X) ** 2 / 2, [u, v, w], {X: Normal()}), SGD(ETA))
    assert {u: 1 / (v * w), v: v, w: w} in found
    assert {u: 0, v: 0, w: w} in found
    assert len(found) == 4


def test_the_kind_of_a_sampler_is_monte_carlo_before_numbers_are_put_in():
    w = symbols("w")
    law = Mixture([(Sampler(draws, "mine"), Rational(1, 2)), (Normal(), Rational(1, 2))])
    for one in (Sampler(draws, "mine"), law):
        (block,) = stability(Model((w * X) ** 2 / 2, [w], {X: one}), SGD(ETA), point={w: 0}).blocks
        assert block.kind == ExponentKind.MONTE_CARLO
