"""Stability at noise-free fixed points: what is found, how the space splits, what is refused."""

import pytest
import sympy
from sympy import Rational, log

from theory import (
    GD,
    SGD,
    AlgorithmNotCovered,
    Cauchy,
    DecoupledDecay,
    Discrete,
    Empirical,
    ExponentKind,
    HeavyBall,
    InvalidRequest,
    MissingValue,
    Model,
    Nesterov,
    NesterovLookahead,
    Normal,
    NotDifferentiable,
    NotNoiseFreeFixedPoint,
    Rademacher,
    Sampling,
    SamplingNotCovered,
    Sphere,
    Step,
    UnknownValue,
    UnsupportedExpectation,
    ValuesError,
    Vector,
    dot,
    fixed_points,
    persistent,
    random_map,
    stability,
    symbols,
)
from theory.equations import Steps

u, w, v, x, y, s, z = symbols("u w v x y s z")
eta, p, gamma = symbols("eta p gamma", positive=True)
a, b, rho = symbols("a b rho")
PAIR = {(x, y): Normal(covariance=[[1, rho], [rho, 1]])}
NET = Model((u * w * x - y) ** 2 / 2, [u, w], PAIR)
ORIGIN = {u: 0, w: 0}


# ------------------------------------------------------------------------------------------------------ fixed points


def test_the_saddle_is_the_only_noise_free_fixed_point_under_label_noise():
    model = Model((u * w * x - s * x) ** 2 / 2, [u, w], {x: Normal(), s: Discrete({1: 1 - p, -1: p})})
    assert fixed_points(model, SGD(eta)) == [ORIGIN]


def test_without_label_noise_the_valley_of_minima_is_found_as_a_family():
    model = Model((u * w * x - 2 * x) ** 2 / 2, [u, w], {x: Normal()})
    found = fixed_points(model, SGD(eta))
    assert ORIGIN in found
    assert {u: 2 / w, w: w} in found
    for point in found:
        stability(model, SGD(eta), point={k: e.subs(w, 3) for k, e in point.items()})


def test_weight_decay_removes_the_valley():
    model = Model((u * w * x - 2 * x) ** 2 / 2, [u, w], {x: Normal()})
    assert fixed_points(model, SGD(eta, weight_decay=gamma)) == [ORIGIN]


def test_a_linear_network_has_planes_of_fixed_points():
    model = Model((u * w * v * x - y) ** 2 / 2, [u, w, v], PAIR)
    assert fixed_points(model, SGD(eta)) == [{u: 0, w: 0, v: v}, {u: 0, w: w, v: 0}, {u: u, w: 0, v: 0}]


def test_complex_solutions_are_no_fixed_points():
    model = Model(x**2 * (u**3 / 3 + u), [u], {x: Normal()})
    assert fixed_points(model, SGD(eta)) == []


def test_full_batch_needs_the_mean_gradient_to_vanish_only():
    model = Model((u * x - y) ** 2 / 2, [u], {(x, y): Empirical([1, 2], [1, 3])})
    optimum = Rational(7, 5)
    assert fixed_points(model, GD(eta)) == [{u: optimum}]
    assert stability(model, GD(eta), point={u: optimum}).block("u").exponent == log(sympy.Abs(5 * eta / 2 - 1))
    with pytest.raises(NotNoiseFreeFixedPoint) as caught:
        stability(model, SGD(eta), point={u: optimum})
    assert caught.value.residual.keys() == {u}


def test_dependent_gaussian_symbols_are_seen_through():
    dependent = {(x, y): Normal(covariance=[[1, 2], [2, 4]])}  # y = 2 x almost surely
    result = stability(Model((u * x - y) ** 2 / 2, [u], dependent), SGD(eta), point={u: 2})
    assert result.block("u").kind == ExponentKind.CLOSED_FORM
    with pytest.raises(NotNoiseFreeFixedPoint):
        stability(
            Model((u * x - y) ** 2 / 2, [u], {(x, y): Normal(covariance=[[1, 2], [2, 5]])}), SGD(eta), point={u: 2}
        )


def test_a_gradient_that_cancels_on_every_outcome_only_counts_as_vanishing():
    signs = Model((u * s**2 - u - w) ** 2 / 2 + w**2 / 2, [u, w], {s: Rademacher()})  # s^2 = 1 on the support
    assert stability(signs, SGD(eta), point={u: 5, w: 0}).point == {u: 5, w: 0}


# ------------------------------------------------------------------------------------------------------- block structure


def names(result):
    return {block.name: block.multiplicity for block in result.blocks}


def test_the_scalar_net_splits_into_sum_and_difference():
    result = stability(NET, SGD(eta, weight_decay=gamma), point=ORIGIN)
    assert names(result) == {"u - w": 1, "u + w": 1}
    assert result.block("u + w").curvature[0, 0] == -x * y
    assert result.block("u + w").step.carry == 1 - eta * gamma
    assert result.block("u + w").mean_curvature[0, 0] == -rho


def test_equal_units_give_copies():
    u2, w2 = symbols("u2 w2")
    model = Model((u * w * x + u2 * w2 * x - y) ** 2 / 2, [u, w, u2, w2], PAIR)
    assert names(stability(model, SGD(eta), point=dict.fromkeys([u, w, u2, w2], 0))) == {"u - w": 2, "u + w": 2}


def test_a_partly_live_saddle_has_neutral_and_dead_directions():
    model = Model((u * w * v * x - y) ** 2 / 2, [u, w, v], PAIR)
    result = stability(model, SGD(eta), point={u: 0, w: 0, v: a})
    assert names(result) == {"u - w": 1, "u + w": 1, "v": 1}
    assert result.block("v").is_neutral
    assert result.block("v").exponent == 0
    assert result.block("u + w").curvature[0, 0] == -a * x * y


def test_a_quartic_loss_keeps_its_own_curvature():
    result = stability(Model((u * w * x - y) ** 4, [u, w], PAIR), SGD(eta), point=ORIGIN)
    assert result.block("u + w").curvature[0, 0] == -4 * x * y**3
    assert result.block("u + w").kind == ExponentKind.QUADRATURE


def test_three_factors_are_neutral_at_the_origin():
    model = Model((u * w * v * x - y) ** 2 / 2, [u, w, v], PAIR)
    (block,) = stability(model, SGD(eta, weight_decay=gamma), point=dict.fromkeys([u, w, v], 0)).blocks
    assert block.is_neutral
    assert block.multiplicity == 3
    assert block.exponent == log(sympy.Abs(eta * gamma - 1))


def test_decay_breaks_the_silence_of_neutral_directions():
    model = Model((u * w * v * x - y) ** 2 / 2, [u, w, v], PAIR)
    origin = dict.fromkeys([u, w, v], 0)
    (free,) = stability(model, SGD(eta), point=origin).blocks
    (held,) = stability(model, SGD(eta, weight_decay=gamma), point=origin).blocks
    assert (free.is_silent, free.exponent) == (True, 0)
    assert not held.is_silent


def test_fixed_points_of_a_loss_that_is_no_polynomial_are_not_guessed():
    model = Model((u * sympy.tanh(w * x) - s * x) ** 2 / 2, [u, w], {x: Normal(), s: Rademacher()})
    with pytest.raises(UnsupportedExpectation, match="polynomial in the parameters"):
        fixed_points(model, SGD(eta))
    assert names(stability(model, SGD(eta), point=ORIGIN)) == {"u - w": 1, "u + w": 1}


def test_rotated_coordinates_are_found():
    model = Model(((u + 2 * w) * x) ** 2 / 2 + ((2 * u - w) * y) ** 2 / 2, [u, w], {x: Normal(), y: Normal()})
    result = stability(model, SGD(eta), point=ORIGIN)
    assert names(result) == {"u + 2*w": 1, "2*u - w": 1}
    assert result.block("u + 2*w").curvature[0, 0] == 5 * x**2


def test_surds_are_exact():
    (first, second) = stability(
        Model(x * (u**2 + 2 * u * w) / 2, [u, w], {x: Normal(1, 1)}), SGD(eta), point=ORIGIN
    ).blocks
    assert {sympy.expand(block.curvature[0, 0] / x) for block in (first, second)} == {
        Rational(1, 2) + sympy.sqrt(5) / 2,
        Rational(1, 2) - sympy.sqrt(5) / 2,
    }


def test_regression_in_two_dimensions_is_one_irreducible_block():
    result = stability(Model((u * x + w * y) ** 2 / 2, [u, w], {x: Normal(), y: Normal()}), SGD(eta), point=ORIGIN)
    assert names(result) == {"(u, w)": 1}
    assert result.blocks[0].irreducible
    with pytest.raises(AlgorithmNotCovered, match=r"random_map"):
        _ = result.blocks[0].exponent


def test_hidden_copies_are_found_by_the_commutant():
    u1, u2, w1, w2 = symbols("u1 u2 w1 w2")
    loss = (u1 * x + w1 * y) ** 2 / 2 + (u2 * x + w2 * y) ** 2 / 2 + z * (u1 * u2 + w1 * w2)
    result = stability(
        Model(loss, [u1, w1, u2, w2], {x: Normal(), y: Normal(), z: Normal()}),
        SGD(eta),
        point=dict.fromkeys([u1, w1, u2, w2], 0),
    )
    assert names(result) == {"(u1 + u2, w1 + w2)": 1, "(u1 - u2, w1 - w2)": 1}
    assert result.block("(u1 + u2, w1 + w2)").curvature == sympy.Matrix([[x**2 + z, x * y], [x * y, y**2 + z]])


def test_blocks_rebuild_the_hessian():
    """The blocks, put back in the coordinates of the parameters, are the Hessian of every sample."""
    u2, w2 = symbols("u2 w2")
    loss = (u * w * x + u2 * w2 * x - y) ** 2 / 2 + z * (u + u2) ** 2 / 2 + z * (w + w2) ** 2 / 2
    model = Model(loss, [u, w, u2, w2], {**PAIR, z: Normal(1, 1)})
    result = stability(model, SGD(eta), point=dict.fromkeys([u, w, u2, w2], 0))
    total = sympy.zeros(4)
    for block in result.blocks:
        basis = block.vectors
        core = block.curvature if block.size > 1 else block.curvature[0, 0] * sympy.eye(basis.cols)
        gram = sympy.diag(*[(basis[:, j].T * basis[:, j])[0] for j in range(basis.cols)])
        total += basis * core * gram.inv() * basis.T
    assert sympy.simplify(total - result.hessian) == sympy.zeros(4)
    assert sum(block.vectors.cols for block in result.blocks) == 4


def test_eigenvalues_beyond_square_roots_leave_a_block_that_says_so():
    loss = x * (u**2 + 2 * u * w + 3 * w**2 + 2 * w * v + 7 * v**2 + u * v) / 2
    (block,) = stability(Model(loss, [u, w, v], {x: Normal()}), SGD(eta), point=dict.fromkeys([u, w, v], 0)).blocks
    assert block.size == 3
    assert not block.irreducible


# ------------------------------------------------------------------------------------------------------- closed forms


def test_two_point_law_boundaries_are_algebraic():
    model = Model((u * w - y) ** 2 / 2, [u, w], {y: Discrete({1: 0.5, a: 0.5})})
    found = {sympy.expand(boundary.expression) for boundary in stability(model, SGD(eta), point=ORIGIN).boundaries}
    assert found == {
        sympy.expand(form)
        for form in (a * eta + a + 1, a * eta**2 + (a + 1) * eta + 2, a * eta - a - 1, a * eta**2 - (a + 1) * eta + 2)
    }


def test_batches_of_a_finite_law_are_enumerated():
    model = Model((u * w - y) ** 2 / 2, [u, w], {y: Rademacher()})
    found = stability(model, SGD(eta, batch_size=2), point=ORIGIN).block("u + w").exponent
    assert sympy.simplify(found - log(sympy.Abs(eta - 1)) / 4 - log(eta + 1) / 4) == 0


def test_cauchy_curvature_does_not_feel_the_batch_size():
    model = Model((u * w - y) ** 2 / 2, [u, w], {y: Cauchy(1, 2)})
    small, large = (stability(model, SGD(eta, batch_size=k), point=ORIGIN).block("u + w").exponent for k in (1, 64))
    assert sympy.simplify(small - large) == 0
    exact = log((1 + eta) ** 2 + 4 * eta**2) / 2
    assert abs((small - exact).subs(eta, Rational(2, 3)).evalf(20)) < 1e-18


def test_gaussian_regression_has_a_closed_form_at_every_batch_size():
    model = Model((u * x - 2 * x) ** 2 / 2, [u], {x: Normal()})
    for batch, rate, number in (
        (1, Rational(6, 10), "-0.490563204319901848"),
        (3, 1, "-0.878176863516682876"),
        (6, Rational(1, 2), "-0.828682752039840079"),
        (8, Rational(9, 10), "-1.35476314828745594"),
    ):
        exponent = stability(model, SGD(eta, batch_size=batch), point={u: 2}).block("u").exponent
        assert abs(exponent.subs(eta, rate).evalf(30) - sympy.Float(number, 30)) < 1e-17


def test_without_replacement_visits_subsets():
    data = {(x, y): Empirical([1, 2, 3], [2, 4, 6])}
    model = Model((u * x - y) ** 2 / 2, [u], data)
    found = (
        stability(model, SGD(eta, batch_size=2, sampling=Sampling.WITHOUT_REPLACEMENT), point={u: 2})
        .block("u")
        .exponent
    )
    by_hand = sum(log(sympy.Abs(1 - eta * h)) for h in (Rational(5, 2), 5, Rational(13, 2))) / 3
    assert abs((found - by_hand).subs(eta, Rational(1, 3)).evalf()) < 1e-14


def test_cyclic_batches_have_the_exponent_of_their_product():
    data = {(x, y): Empirical([1, 2, 3, 5], [2, 4, 6, 10])}
    model = Model((u * x - y) ** 2 / 2, [u], data)
    found = stability(model, SGD(eta, batch_size=2, sampling=Sampling.CYCLIC), point={u: 2}).block("u").exponent
    by_hand = (log(sympy.Abs(1 - eta * Rational(5, 2))) + log(sympy.Abs(1 - 17 * eta))) / 2
    assert abs((found - by_hand).subs(eta, Rational(1, 3)).evalf()) < 1e-14


# ----------------------------------------------------------------------------------------------------------- momentum


@pytest.mark.parametrize("momentum", [HeavyBall(b), Nesterov(b), NesterovLookahead(b)], ids=lambda m: type(m).__name__)
@pytest.mark.parametrize("decay", [0, gamma, DecoupledDecay(gamma)], ids=["no decay", "coupled", "decoupled"])
def test_the_map_of_a_block_is_the_linearised_step(momentum, decay):
    """Two derivations: the scalars read off the update, and the Jacobian of one full step at the point."""
    algorithm = SGD(eta, momentum=momentum, weight_decay=decay)
    full = random_map(NET, algorithm)
    at_origin = dict.fromkeys(full.state, 0)
    jacobian = sympy.Matrix(
        [[sympy.diff(new, old).xreplace(at_origin) for old in full.state] for new in full.update.values()]
    )
    index = {str(symbol): k for k, symbol in enumerate(full.state)}
    for block in stability(NET, algorithm, point=ORIGIN).blocks:
        small = block.random_map()
        image = sympy.Matrix([[sympy.diff(new, old) for old in small.state] for new in small.update.values()])
        embed = sympy.zeros(4, 2)
        for row, parameter in enumerate(("u", "w")):
            embed[index[parameter], 0] = block.vectors[row, 0]
            embed[index[f"velocity_{parameter}"], 1] = block.vectors[row, 0]
        assert sympy.simplify(jacobian * embed - embed * image) == sympy.zeros(4, 2)


def test_the_determinant_of_heavy_ball_is_beta():
    for block in stability(NET, SGD(eta, momentum=HeavyBall(b)), point=ORIGIN).blocks:
        small = block.random_map()
        matrix = sympy.Matrix([[sympy.diff(new, old) for old in small.state] for new in small.update.values()])
        assert sympy.simplify(matrix.det() - b) == 0


# -------------------------------------------------------------------------------------------------------- the object


def test_the_result_names_its_symbols_and_is_the_same_in_every_process():
    first, second = (stability(NET, SGD(eta, weight_decay=gamma), point=ORIGIN) for _ in range(2))
    assert [str(symbol) for symbol in first.free_symbols] == ["eta", "gamma", "rho"]
    assert first == second
    assert first.content_hash == second.content_hash
    assert first != stability(NET, SGD(eta), point=ORIGIN)


def test_the_result_shows_its_derivation():
    result = stability(NET, SGD(eta, batch_size=4), point=ORIGIN)
    assert "Split the space" in str(result.steps)
    assert r"\Lambda_{u + w}" in result.to_latex()
    assert "ziyin2023probabilistic" in result.bibtex()
    assert str(result).splitlines()[0] == "noise-free fixed point u = 0, w = 0"


def test_text_of_a_step_is_shown_as_it_stands_in_a_notebook():
    shown = Steps((Step("Keep order n**0 of <z, z>", (), "w_1 is small"),))._repr_markdown_()
    assert r"Keep order n\*\*0 of &lt;z, z&gt;" in shown
    assert r"w\_1 is small" in shown


# ----------------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("error", "match", "call"),
    [
        (NotNoiseFreeFixedPoint, "d loss / d u", lambda: stability(NET, SGD(eta), point={u: 1, w: 1})),
        (MissingValue, "w", lambda: stability(NET, SGD(eta), point={u: 0})),
        (UnknownValue, "did you mean w", lambda: stability(NET, SGD(eta), point={u: 0, "ww": 0})),
        (ValuesError, "random", lambda: stability(NET, SGD(eta), point={u: x, w: 0})),
        (ValuesError, "real number", lambda: stability(NET, SGD(eta), point={u: sympy.oo, w: 0})),
        (ValuesError, "real number", lambda: stability(NET, SGD(eta), point={u: "__import__('os')", w: 0})),
        (ValuesError, "expected a value", lambda: stability(NET, SGD(eta), point=3)),
        (InvalidRequest, "Model and an SGD", lambda: stability(SGD(eta), NET, point=ORIGIN)),
        (AlgorithmNotCovered, "temperature", lambda: stability(NET, SGD(eta, temperature=1), point=ORIGIN)),
        (AlgorithmNotCovered, "constraint", lambda: stability(NET, SGD(eta, constraint=Sphere()), point=ORIGIN)),
        (SamplingNotCovered, "samples", lambda: stability(NET, SGD(eta, samples=20), point=ORIGIN)),
    ],
)
def test_what_cannot_be_answered_is_refused_by_name(error, match, call):
    with pytest.raises(error, match=match):
        call()


def test_persistent_samples_make_steps_dependent_and_are_refused():
    model = Model((u * x - y) ** 2 / 2, [u], {(x, y): Empirical([1, 2], [2, 4])})
    with pytest.raises(SamplingNotCovered, match="persistent"):
        stability(model, SGD(eta, sampling=persistent(0.5, 3)), point={u: 2})


def test_vector_models_are_told_to_expand():
    n = symbols("n", positive=True, integer=True)
    weights, inputs = Vector("w", n), Vector("z", n)
    model = Model(dot(weights, inputs) ** 2 / 2, [weights], {inputs: Normal()})
    with pytest.raises(UnsupportedExpectation, match="components"):
        stability(model, SGD(eta), point={weights: 0})
    found = stability(model.components({n: 3}), SGD(eta), point=dict.fromkeys(["w_0", "w_1", "w_2"], 0))
    assert [block.size for block in found.blocks] == [3]


def test_a_kink_at_the_point_is_refused_and_a_kink_elsewhere_is_not():
    relu = sympy.Max(0, w * x)
    model = Model((u * relu - sympy.Max(0, x)) ** 2 / 2, [u, w], {x: Normal()})
    with pytest.raises(NotDifferentiable, match="kink"):
        stability(Model((u * relu) ** 2 / 2, [u, w], {x: Normal()}), SGD(eta), point=ORIGIN)
    assert stability(model, SGD(eta), point={u: 1, w: 1}).blocks[0].size == 2
