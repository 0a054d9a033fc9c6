r"""Noise-free fixed points: points at which every sample's gradient, weight decay included, vanishes."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

import sympy
from sympy import Expr, ImmutableDenseMatrix, S, Symbol

from theory.algorithm import SGD, Sampling
from theory.calculus.gradient import gradient
from theory.errors import DerivationError, MissingValue, UnknownValue, UnsupportedExpectation, ValuesError
from theory.expectation import expectation
from theory.laws.parameters import rationalized
from theory.model import Model
from theory.stability.randomness import Randomness, nonvanishing_parts, randomness_of
from theory.update import require_statement


class NotNoiseFreeFixedPoint(DerivationError, ValueError):
    """The gradient of some sample does not vanish at the point, so that SGD does not stay there.

    Attribute: `residual`, parameter -> gradient at the point, weight decay included.
    """

    def __init__(self, residual: Mapping[Any, Expr], message: str) -> None:
        self.residual = dict(residual)
        super().__init__(message)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.residual, str(self))


class NotDifferentiable(DerivationError, ValueError):
    """The loss has a kink at the point for every sample: there is no linearisation there."""


def local_gradient(model: Model, algorithm: SGD, point: Mapping[Symbol, Expr]) -> tuple[dict[Symbol, Expr], Randomness]:
    """The gradient at a point, weight decay included, of one sample (full batch: of the data), and its randomness."""
    randomness, images = randomness_of(model)
    decay = algorithm.coupled_decay + algorithm.decoupled_decay
    slopes = {p: g.xreplace(dict(point)).xreplace(images) for p, g in gradient(model).scalars.items()}
    if is_full_batch(model, algorithm):
        slopes, randomness = {p: mean(g, randomness) for p, g in slopes.items()}, Randomness(())
    return {p: sympy.expand(g + decay * point[p]) for p, g in slopes.items()}, randomness


def local_hessian(
    model: Model, algorithm: SGD, point: Mapping[Symbol, Expr]
) -> tuple[ImmutableDenseMatrix, Randomness]:
    """The Hessian of the loss at a point, without weight decay, of one sample (full batch: of the data)."""
    _refuse_kinks(model, point)
    randomness, images = randomness_of(model)
    slopes, parameters = gradient(model).scalars, model.parameters
    entries = {
        (i, j): _derivative(slopes[parameters[i]], parameters[j], point, images)
        for i in range(len(parameters))
        for j in range(i, len(parameters))
    }
    hessian = ImmutableDenseMatrix(len(parameters), len(parameters), lambda i, j: entries[min(i, j), max(i, j)])
    if is_full_batch(model, algorithm):
        hessian = hessian.applyfunc(lambda entry: mean(entry, randomness))
    return hessian, randomness.of(hessian)


def is_full_batch(model: Model, algorithm: SGD) -> bool:
    """Whether every step sees every sample."""
    return algorithm.sampling_for(model.data_count) == Sampling.FULL_BATCH


def refuse_vectors(model: Model) -> None:
    """Raise `UnsupportedExpectation` for a model that is not explicit."""
    if not model.is_explicit:
        raise UnsupportedExpectation(
            "stability works in coordinates; expand the vectors first: model.components({n: 3})"
        )


def read_point(model: Model, point: Any) -> dict[Symbol, Expr]:
    """Return the place of every parameter, a number or an expression of hyperparameters.

    Raises `UnknownValue`, `MissingValue`, `ValuesError`, each naming the parameter; `UnsupportedExpectation` for a vector model.

    >>> from theory import Model, Normal, symbols
    >>> u, w, x = symbols("u w x")
    >>> read_point(Model((u*w*x - x)**2/2, [u, w], {x: Normal()}), {"u": 0, w: 0.5})
    {u: 0, w: 1/2}
    """
    refuse_vectors(model)
    names = {parameter.name: parameter for parameter in model.parameters}
    if not isinstance(point, Mapping):
        raise ValuesError(
            f"point={point!r}: expected a value for each of {', '.join(names)}, as in {{{next(iter(names))}: 0}}"
        )
    given: dict[Symbol, Expr] = {}
    for key, value in point.items():
        parameter = names.get(str(key))
        if parameter is None:
            close = difflib.get_close_matches(str(key), list(names), n=1)
            hint = f" (did you mean {close[0]}?)" if close else ""
            raise UnknownValue(
                f"point={{{key}: {value}}}: the model trains no {key}{hint}; its parameters are {', '.join(names)}"
            )
        given[parameter] = _place(model, parameter, value)
    if missing := [name for name in names if names[name] not in given]:
        raise MissingValue(f"point needs a value for {', '.join(missing)}; give it as point={{{missing[0]}: 0}}")
    return {parameter: given[parameter] for parameter in model.parameters}


def _place(model: Model, parameter: Any, value: Any) -> Expr:
    label = f"point={{{parameter}: {value!r}}}"
    try:
        place = None if isinstance(value, bool) else sympy.sympify(value, strict=True)  # text is refused, not evaluated
    except sympy.SympifyError:
        place = None
    if not isinstance(place, Expr) or place.is_real is False or place.is_finite is False or place is S.NaN:
        raise ValuesError(f"{label}: expected a real number or an expression of hyperparameters")
    if moving := sorted(place.free_symbols & {*model.parameters, *model.random}, key=str):
        raise ValuesError(
            f"{label}: a point is fixed, but {moving[0]} is {'trained' if moving[0] in model.parameters else 'random'}"
        )
    return rationalized(place)


def residual_gradient(model: Model, algorithm: SGD, point: Mapping[Symbol, Expr]) -> dict[Symbol, Expr]:
    """The gradients at a point, weight decay included, that do not vanish for every sample: none at a noise-free fixed point."""
    slopes, randomness = local_gradient(model, algorithm, point)
    return {p: slope for p, slope in slopes.items() if nonvanishing_parts(slope, randomness)}


def require_fixed_point(model: Model, algorithm: SGD, point: Mapping[Symbol, Expr]) -> None:
    """Raise `NotNoiseFreeFixedPoint` with what is left of the gradient."""
    residual = residual_gradient(model, algorithm, point)
    if residual:
        shown = "; ".join(f"d loss / d {p} = {g}" for p, g in residual.items())
        where = ", ".join(f"{p} = {value}" for p, value in point.items())
        raise NotNoiseFreeFixedPoint(
            residual,
            f"{where} is no noise-free fixed point: there {shown}, which does not vanish for every sample. "
            f"fixed_points(model, algorithm) lists the points where it does. "
            f"{_instead(model)}",
        )


def _instead(model: Model) -> str:
    """What to ask about a minimum with noise."""
    if is_affine(model):
        return (
            "This loss is quadratic, so point may be left out: stability(model, algorithm) is then about its stationary law, and "
            "moments(model, algorithm) about its size"
        )
    return (
        "A minimum with noise of its own is no fixed point; simulate SGD there with numerics.simulate or numerics.fates"
    )


def is_affine(model: Model) -> bool:
    """Whether the gradient of every sample is affine in the parameters of an explicit model."""
    return model.is_explicit and all(_is_affine(slope, model) for slope in gradient(model).scalars.values())


def _is_affine(slope: Expr, model: Model) -> bool:
    return slope.is_polynomial(*model.parameters) and sympy.Poly(slope, *model.parameters).total_degree() <= 1


def require_affine(model: Model) -> None:
    """Raise `MissingValue` unless the gradient of every sample is affine in the parameters, so that no point is needed."""
    refuse_vectors(model)
    for parameter, slope in gradient(model).scalars.items():
        if not _is_affine(slope, model):
            names = ", ".join(f"{p.name}: ..." for p in model.parameters)
            raise MissingValue(
                f"point may be left out only where the gradient is affine in the parameters; d loss / d {parameter} = {slope} is not. Give "
                f"the fixed point, point={{{names}}}; fixed_points(model, algorithm) lists those without noise"
            )


def fixed_points(model: Model, algorithm: SGD) -> list[dict[Symbol, Expr]]:
    r"""Return the noise-free fixed points, each a dictionary parameter -> value.

    The coefficients of $\nabla\ell(\theta;z)+\gamma\theta$ in z, at every outcome of the finite laws, are solved for the parameters.
    A family of positive dimension keeps the parameters that are free in it on the right-hand sides (`{u: u, w: 0}`).
    Raises `InvalidRequest` for arguments of other types, `UnsupportedExpectation` for vector models and for equations
    that are not polynomial in the parameters.

    >>> from theory import SGD, Model, Normal, Rademacher, fixed_points, symbols
    >>> u, w, x, s = symbols("u w x s")
    >>> eta = symbols("eta", positive=True)
    >>> fixed_points(Model((u*w*x - s*x)**2/2, [u, w], {x: Normal(), s: Rademacher()}), SGD(eta))
    [{u: 0, w: 0}]
    """
    require_statement(model, algorithm, "fixed_points")
    refuse_vectors(model)
    itself = {parameter: parameter for parameter in model.parameters}
    slopes, randomness = local_gradient(model, algorithm, itself)
    if not all(slope.is_polynomial(*model.parameters) for slope in slopes.values()):
        raise UnsupportedExpectation(
            "fixed_points solves equations polynomial in the parameters; this gradient is not. Check a point of your own with "
            "stability(model, algorithm, point=...)"
        )
    equations = list(dict.fromkeys(part for slope in slopes.values() for part in nonvanishing_parts(slope, randomness)))
    if not equations:
        return [itself]
    solutions: dict[str, dict[Symbol, Expr]] = {}
    for solution in _solved(equations, model.parameters):
        if all(value.is_extended_real is not False for value in solution.values()):
            place = {parameter: solution.get(parameter, parameter) for parameter in model.parameters}
            solutions[str(place)] = place
    return [solutions[key] for key in sorted(solutions)]


def _solved(equations: list[Expr], unknowns: tuple[Symbol, ...]) -> list[dict[Symbol, Expr]]:
    """The solutions; real roots of one polynomial in one unknown stay roots where radicals do not express them.

    Raises `UnsupportedExpectation` where solutions exist that cannot be expressed.
    """
    if len(unknowns) == 1 and not set().union(*(e.free_symbols for e in equations)) - set(unknowns):
        common = equations[0]
        for equation in equations[1:]:
            common = sympy.gcd(common, equation)
        if not common.has(unknowns[0]):
            return []
        roots = sympy.Poly(common, unknowns[0]).real_roots(multiple=False)
        return [{unknowns[0]: root} for root, _ in roots]
    found = sympy.solve(equations, list(unknowns), dict=True)
    if not found and sympy.groebner(equations, *unknowns).exprs != [1]:
        raise UnsupportedExpectation(
            "the equations of the fixed points have solutions that radicals do not express; check a point of your own with "
            "stability(model, algorithm, point=...)"
        )
    return list(found)


# ------------------------------------------------------------------------------------------------------- derivatives


def _derivative(slope: Expr, parameter: Symbol, point: Mapping[Symbol, Expr], images: Mapping[Symbol, Expr]) -> Expr:
    if slope.is_polynomial(
        *point
    ):  # then the other parameters may take their places first, which leaves little to differentiate
        others = {other: place for other, place in point.items() if other != parameter}
        return sympy.expand(sympy.diff(slope.xreplace(others), parameter).xreplace(dict(point)).xreplace(dict(images)))
    entry = sympy.diff(slope, parameter)
    spikes = {
        node: S.Zero for node in entry.atoms(sympy.DiracDelta)
    }  # a null set of samples, `_refuse_kinks` has seen to it
    return sympy.expand(entry.xreplace(spikes).xreplace(dict(point)).xreplace(dict(images)))


_KINKED = (sympy.Abs, sympy.sign, sympy.Heaviside, sympy.Max, sympy.Min)


def _refuse_kinks(model: Model, point: Mapping[Symbol, Expr]) -> None:
    """A kink at the point for every sample leaves no linearisation; one that only null sets of samples meet is harmless."""
    randomness, images = randomness_of(model)
    for node in model.loss.atoms(*_KINKED):
        arguments = (
            [node.args[0] - other for other in node.args[1:]]
            if isinstance(node, (sympy.Max, sympy.Min))
            else [node.args[0]]
        )
        for argument in arguments:
            moved = argument.free_symbols & set(model.parameters)
            at_point = argument.xreplace(dict(point)).xreplace(images)
            if moved and not nonvanishing_parts(at_point, randomness):
                raise NotDifferentiable(
                    f"the loss holds {node}, whose kink lies at this point for every sample: there is no linear map to study; "
                    f"replace it by a smooth function, or choose a point away from the kink"
                )


def mean(expression: Expr, randomness: Randomness) -> Expr:
    """E of an expression over its random symbols."""
    present = randomness.of(expression).groups
    return sympy.expand(expectation(expression, {names if len(names) > 1 else names[0]: law for names, law in present}))
