"""Which laws of a curvature no rotation changes, what follows without numbers, and which momentum admits a complex curvature."""

import mpmath
import pytest
import sympy

from theory import (
    SGD,
    Cauchy,
    DecoupledDecay,
    Empirical,
    ExponentKind,
    Gamma,
    HeavyBall,
    Model,
    Nesterov,
    NesterovLookahead,
    Normal,
    Rademacher,
    Sampling,
    StudentT,
    Uniform,
    stability,
    symbols,
)
from theory.stability.cauchy_curvature import complex_step
from theory.stability.matrix_formulas import plane_exponent
from theory.stability.rotation_invariance import axial_form, is_rotation_invariant

u, w, v, x, y, z, t = symbols("u w v x y z t")
eta, gamma, s, beta = symbols("eta gamma s beta", positive=True)
rho = symbols("rho")
SQUARE = (u * x + w * y) ** 2 / 2


def block(loss, laws, *parameters, **options):
    parameters = parameters or (u, w)
    found = stability(Model(loss, list(parameters), laws), SGD(eta, **options), point=dict.fromkeys(parameters, 0))
    return max(found.blocks, key=lambda candidate: candidate.size)


def pair(first=1, second=1):
    return {x: Normal(0, first), y: Normal(0, second)}


# ------------------------------------------------------------------------------------------------ what is left unchanged


@pytest.mark.parametrize(
    ("loss", "laws"),
    [
        (SQUARE, pair()),
        (SQUARE, pair(s, s)),
        (SQUARE, {(x, y): Normal(covariance=[[s, 0], [0, s]])}),
        (((u * (x + y) + w * (x - y)) ** 2) / 2, pair()),
        ((u * (x + y) + w * (2 * x - y)) ** 2 / 2, {(x, y): Normal(covariance=[[2, 1], [1, 5]])}),
        (t**2 * SQUARE, {**pair(), t: Gamma(3)}),
        (SQUARE + (u * z + w * t) ** 2, {**pair(), z: Normal(0, 4), t: Normal(0, 4)}),
        (sympy.log(sympy.cosh(u * x + w * y)), pair()),
        (SQUARE * sympy.exp(-(x**2) - y**2), pair()),
    ],
    ids=["plain", "symbol", "joint", "turned", "whitened", "random-length", "two-vectors", "log-cosh", "bounded"],
)
def test_isotropic_gaussian_vectors_make_invariant_curvatures(loss, laws):
    assert is_rotation_invariant(block(loss, laws))


@pytest.mark.parametrize(
    ("loss", "laws"),
    [
        (SQUARE, pair(1, 2)),
        (SQUARE, pair(1, s)),
        (SQUARE, {(x, y): Normal(covariance=[[1, rho], [rho, 1]])}),
        (SQUARE, {x: Normal(1, 1), y: Normal()}),
        (SQUARE, {x: Uniform(-1, 1), y: Uniform(-1, 1)}),
        (SQUARE, {x: StudentT(5), y: StudentT(5)}),
        (SQUARE, {x: Rademacher(), y: Rademacher()}),
        (SQUARE * x**2, pair()),
        (SQUARE + u * w * z, {**pair(), z: Normal()}),
    ],
    ids=["variances", "symbols", "correlated", "shifted", "uniform", "student", "signs", "weighted", "coupled"],
)
def test_other_laws_are_not_called_invariant(loss, laws):
    assert not is_rotation_invariant(block(loss, laws))


def test_whitened_inputs_are_invariant_and_the_raw_ones_are_not():
    laws = {(x, y): Normal(covariance=[[2, 1], [1, 1]])}
    assert is_rotation_invariant(block((u * (x - y) + w * y) ** 2 / 2, laws))
    assert not is_rotation_invariant(block((u * x + w * y) ** 2 / 2, laws))


def test_finite_data_is_never_invariant():
    assert not is_rotation_invariant(block(SQUARE, {(x, y): Empirical([1, 0, -1, 0], [0, 1, 0, -1.5])}))


def test_the_eigenvalues_of_a_rescaled_outer_product():
    form = axial_form(block(t * SQUARE + 3 * (u**2 + w**2), {**pair(s, s), t: Gamma(3)}))
    assert form.along.expand() == s * t * form.radius**2 + 6
    assert form.across == 6
    assert [names for names, _ in form.others.groups] == [(t,)]


def test_two_independent_vectors_have_no_single_axis():
    both = block(SQUARE + (u * z + w * t) ** 2 / 2, {**pair(), z: Normal(), t: Normal()})
    assert is_rotation_invariant(both)
    assert axial_form(both) is None


def test_a_length_that_depends_on_a_third_gaussian_is_no_single_axis():
    """x and y are shifted by z: around their conditional mean the curvature is invariant, but its radius depends on z."""
    law = Normal(covariance=[[2, 1, 1], [1, 2, 1], [1, 1, 1]])
    shifted = block((u * (x - z) + w * (y - z)) ** 2 / 2 * (1 + z**2), {(x, y, z): law})
    assert is_rotation_invariant(shifted)
    assert axial_form(shifted) is None


def test_three_dimensions_share_one_axis():
    three = block((u * x + w * y + v * z) ** 2 / 2, {**pair(), z: Normal()}, u, w, v)
    form = axial_form(three)
    assert (form.size, form.across, form.along) == (3, 0, form.radius**2)
    assert not is_rotation_invariant(block((u * x + w * y + v * z) ** 2 / 2, {**pair(), z: Normal(0, 2)}, u, w, v))


def test_the_radius_takes_a_name_that_is_free():
    r = symbols("r", positive=True)
    form = axial_form(block(SQUARE, pair(r, r)))
    assert form.radius != r
    assert form.along == r * form.radius**2


# --------------------------------------------------------------------------------------------------- formulas and kinds


def test_the_exponent_in_the_plane_follows_by_parts():
    found = plane_exponent(block(SQUARE, pair()))
    c = 1 / eta
    box = sympy.expint(1, c / 2) - sympy.exp(-c) * (sympy.Ei(c) - sympy.Ei(c / 2))
    assert sympy.simplify(found - box) == 0
    with mpmath.workdps(30):
        root = mpmath.findroot(sympy.lambdify(eta, found, "mpmath"), mpmath.mpf("0.93"))
    assert float(root) == pytest.approx(0.937087371920, abs=1e-12)


@pytest.mark.parametrize(("shift", "scale", "rate"), [(0, 1, "0.7"), (1, 2, "0.3"), (3, 1, "0.2")])
def test_the_formula_in_the_plane_equals_its_definition(shift, scale, rate):
    found = block(SQUARE + sympy.Rational(shift, 2) * (u**2 + w**2), pair(scale, scale))
    step = found.step.carry + found.step.weight * shift
    keep = mpmath.mpf(sympy.Rational(rate)._to_mpmath(60) * -shift + 1)
    assert step == 1 - eta * shift
    formula = plane_exponent(found)
    if shift == 0:
        value = formula.xreplace({eta: sympy.Rational(rate)}).evalf(25)
    else:  # the sign of 1 - shift eta is open
        assert formula is None
        number = stability(
            Model(SQUARE + sympy.Rational(shift, 2) * (u**2 + w**2), [u, w], pair(scale, scale)),
            SGD(sympy.Rational(rate)),
            point={u: 0, w: 0},
        )
        value = plane_exponent(number.blocks[0]).evalf(25)
    fall = 2 * scale * mpmath.mpf(rate)
    with mpmath.workdps(25):
        definition = mpmath.quad(
            lambda q: mpmath.exp(-q) * mpmath.log((keep + abs(keep - fall * q)) / 2), [0, keep / fall, 10, 80]
        )
    assert float(value) == pytest.approx(float(definition), abs=1e-14)


def test_kinds_are_known_before_numbers_are_put_in():
    data = {(x, y): Empirical([1, -0.3, 0.8], [0.5, 1.2, -0.9])}
    assert block(SQUARE, pair()).kind == ExponentKind.QUADRATURE
    assert block(SQUARE, data).kind == ExponentKind.OPERATOR
    assert block(SQUARE, pair(1, 2)).kind == ExponentKind.MONTE_CARLO
    assert block(SQUARE, data, sampling=Sampling.CYCLIC).kind == ExponentKind.CLOSED_FORM
    assert block(x * u**2, {x: Cauchy()}, u, momentum=HeavyBall(beta)).kind == ExponentKind.CLOSED_FORM


# ------------------------------------------------------------------------------------------------------ Cauchy curvature


@pytest.mark.parametrize("decay", [0, gamma, DecoupledDecay(gamma)], ids=["none", "coupled", "decoupled"])
def test_only_heavy_ball_momentum_turns_one_way(decay):
    def step(momentum):
        return complex_step(block(x * u**2 / 2, {x: Cauchy(1, 2)}, u, momentum=momentum, weight_decay=decay))

    kept = 1 - eta * gamma if isinstance(decay, DecoupledDecay) else 1
    assert sympy.expand(step(HeavyBall(beta)).determinant - beta * kept) == 0
    assert step(Nesterov(beta)) is None
    assert step(NesterovLookahead(beta)) is None


def test_the_polynomial_of_the_complex_step():
    found = complex_step(block(x * u**2 / 2, {x: Cauchy(3, 2)}, u, momentum=HeavyBall(beta), batch_size=7))
    r = symbols("r")
    polynomial = sympy.expand((found.matrix - r * sympy.eye(2)).det())
    assert sympy.expand(polynomial - (r**2 - (1 + beta - 3 * eta + 2 * sympy.I * eta) * r + beta)) == 0


def test_other_laws_have_no_complex_curvature():
    assert complex_step(block(x * u**2 / 2, {x: Normal()}, u, momentum=HeavyBall(beta))) is None
    assert complex_step(block(x**2 * u**2 / 2, {x: Cauchy()}, u, momentum=HeavyBall(beta))) is None
