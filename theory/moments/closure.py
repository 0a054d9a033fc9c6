"""Breadth-first closure: follow the monomials that a moment calls for until nothing new appears."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations_with_replacement
from typing import Any

import sympy
from sympy import Expr, S, Symbol
from sympy.polys.rings import PolyElement

from theory.algebra import Algebra, NotPolynomial, derive_in_algebra
from theory.algorithm import SGD
from theory.equations import (
    Assumption,
    Clock,
    Status,
    Step,
    Steps,
    gradient_coefficient,
    loss_derivative,
    next_value_of,
)
from theory.errors import (
    DuplicateName,
    HierarchyNotClosed,
    InvalidRequest,
    ModelError,
    NonPolynomialUpdate,
    UnknownSymbol,
    UnsupportedExpectation,
)
from theory.expectation.groups import coefficient_symbols
from theory.identity import content_hash
from theory.model import Model
from theory.moments.explicit import ExplicitStep
from theory.moments.gram import GramStep
from theory.moments.partitions import pair_rule
from theory.moments.recurrence import Moment, MomentRecurrence
from theory.references import FINITE_LEARNING_RATE, MINIBATCH_NOISE, PROBABILISTIC_STABILITY
from theory.update import refuse_unless_plain, require_statement
from theory.vectors import InnerProduct

Exponents = tuple[int, ...]


def moments(
    model: Model, algorithm: SGD, *, order: int | None = None, of: Mapping[str, Any] | None = None
) -> MomentRecurrence:
    r"""Return the exact recurrence of the moments of SGD: m' = T m + c, at any learning rate and batch size.

    Formula: E[theta'^a | theta] for each monomial, the batch mean averaged by set partitions; monomials that appear are
    followed until the set closes.

    Parameters
    ----------
    model : explicit (scalar parameters), or over vectors: then the moments are those of inner products, n symbolic.
    algorithm : `SGD` on fresh samples, or on `Empirical` data with or without replacement, `bernoulli(b)`, or full batch.
    order : all moments of the state up to this degree (default 2 without `of`).
    of : name -> polynomial in the state (and, for explicit models, in the data, which are then averaged over): only what
        these need is derived.

    Raises `NonPolynomialUpdate` if the gradient is no polynomial in the state, `HierarchyNotClosed` (with its frontier) if it is
    not linear so that moments call for higher ones, `MomentDoesNotExist`, `SamplingNotCovered`, `AlgorithmNotCovered`.

    Validity: exact. Cost: about C(d + k, k) moments for d parameters and order k.
    Source: Liu Ziyin, Li, Galanti, Ueda (2023), arXiv 2303.13093; K. Liu, Ziyin, Ueda (2020), arXiv 2012.03636.

    >>> from theory import Model, Normal, SGD, moments, symbols
    >>> eta, s = symbols("eta s", positive=True)
    >>> w, x, e = symbols("w x e")
    >>> m = moments(Model((w*x - s*e)**2/2, [w], {x: Normal(), e: Normal()}), SGD(eta))
    >>> print(m)
       E[w]' = (1 - eta)*E[w]
    E[w**2]' = eta**2*s**2 + (3*eta**2 - 2*eta + 1)*E[w**2]
    """
    if of is None and order is None:
        order = 2
    if order is not None and (isinstance(order, bool) or not isinstance(order, int) or order < 1):
        raise InvalidRequest(f"order={order!r}: the order of moments must be a whole number of at least 1")
    if of is not None and order is not None:
        raise InvalidRequest("moments takes order=, or of=, not both")
    require_statement(model, algorithm, "moments")
    refuse_unless_plain(algorithm, "moments", temperature=True)
    degree = order if order is not None else _target_degree(model, of or {})
    step: Any = ExplicitStep(model, algorithm) if model.is_explicit else GramStep(model, algorithm, degree)
    targets = {} if of is None else _checked_targets(model, step, of)
    variables = step.variables

    def derivation(algebra: Algebra) -> MomentRecurrence:
        return _close(model, algorithm, step, algebra, order, targets)

    hyper = {s for _, law in model.data for s in law.free_symbols} | set(model.hyperparameters)
    hints = coefficient_symbols([algorithm.learning_rate, algorithm.batch_size, *hyper, *model.fixed.values()])
    return derive_in_algebra(derivation, variables, [h for h in hints if h not in variables], exact=step.exact)


def _target_degree(model: Model, of: Mapping[str, Any]) -> int:
    """The largest number of inner products or parameters multiplied in a target."""
    degrees = [1]
    for value in of.values():
        expression = sympy.sympify(value)
        atoms = [*expression.atoms(InnerProduct), *model.scalar_parameters]
        dummies = {atom: sympy.Dummy() for atom in atoms}
        marked = expression.xreplace(dummies)
        if dummies and marked.is_polynomial(*dummies.values()):
            degrees.append(sympy.Poly(marked, *dummies.values()).total_degree())
    return max(degrees)


def _checked_targets(model: Model, step: Any, of: Mapping[str, Any]) -> dict[str, Expr]:
    if not of:
        raise InvalidRequest("of={} names no moment; give name -> expression, or leave it out and give order=")
    names = {str(item): item for item in (*model.parameters, *model.random, *model.hyperparameters, *model.vectors)}
    checked: dict[str, Expr] = {}
    for name, value in of.items():
        expression = sympy.sympify(value)
        if not isinstance(name, str) or not isinstance(expression, Expr):
            raise ModelError(f"of={{{name!r}: {value!r}}}: expected a name and a scalar expression")
        if name in names and names[name] != expression:
            raise DuplicateName(f"the name {name!r} in of= is that of {names[name]!r} of the model; rename it")
        known = {*model.parameters, *model.random, *model.hyperparameters, *model.dimensions, *step.coordinates}
        for symbol in sorted(expression.free_symbols - known, key=str):
            raise UnknownSymbol(f"of={{{name!r}: ...}} uses the symbol {symbol}, which the model does not have")
        strangers = expression.atoms(InnerProduct) - set(step.coordinates) - set(model.fixed)
        for product in sorted(strangers, key=str):
            if any(v not in model.vectors for v in product.args):
                raise UnknownSymbol(f"of={{{name!r}: ...}} uses {product}, with a vector that the model does not have")
            if any(v in model.data_vectors for v in product.args):
                raise UnsupportedExpectation(
                    f"of={{{name!r}: ...}} uses {product}, which holds a data vector; average it first, "
                    f"or work in coordinates: model.components"
                )
        checked[name] = expression.xreplace(dict(model.fixed))
    return checked


def _close(
    model: Model, algorithm: SGD, step: Any, algebra: Algebra, order: int | None, targets: Mapping[str, Expr]
) -> MomentRecurrence:
    count = len(step.coordinates)
    bound = step.bind(algebra)
    elements = {name: _averaged_target(step, algebra, bound, value) for name, value in targets.items()}
    if order is not None:
        wanted = [
            _exponents(combo, count)
            for k in range(1, order + 1)
            for combo in combinations_with_replacement(range(count), k)
        ]
    else:
        parts = {name: algebra.split(element, count) for name, element in elements.items()}
        wanted = sorted({e for split in parts.values() for e in split if any(e)}, key=_position)
    limit = max((_degree(e, step) for e in wanted), default=1)
    rows: dict[Exponents, dict[Exponents, PolyElement]] = {}
    queue, frontier = list(wanted), set()
    while queue:
        monomial = queue.pop(0)
        if monomial in rows:
            continue
        indices = tuple(i for i, power in enumerate(monomial) for _ in range(power))
        rows[monomial] = algebra.split(bound.expected(indices), count)
        for called in sorted(rows[monomial], key=_position):
            if _degree(called, step) > limit:
                frontier.add(called)
            elif any(called) and called not in rows:
                queue.append(called)
        if frontier:
            _refuse_frontier(frontier, step, limit)
    return _assemble(model, algorithm, step, algebra, rows, elements)


def _averaged_target(step: Any, algebra: Algebra, bound: Any, value: Expr) -> PolyElement:
    try:
        element = algebra.element(value)
    except NotPolynomial as error:
        raise NonPolynomialUpdate(
            f"of= asks for {value}, which is not polynomial in the state: {error.part}"
        ) from error
    return bound.averager.average(element) if isinstance(step, ExplicitStep) else element


def _refuse_frontier(frontier: set[Exponents], step: Any, limit: int) -> None:
    monomials = [_monomial(e, step.coordinates) for e in sorted(frontier, key=_position)]
    shown = ", ".join(map(str, monomials[:6])) + (", ..." if len(monomials) > 6 else "")
    raise HierarchyNotClosed(
        monomials,
        f"moments of degree {limit} call for higher ones ({shown}), so no finite set is exact: the "
        f"gradient is not linear. Use scaling_limit for a vector model, simulate directly, or state the "
        f"quadratic approximation of the loss",
    )


def _assemble(
    model: Model,
    algorithm: SGD,
    step: Any,
    algebra: Algebra,
    rows: dict[Exponents, dict[Exponents, PolyElement]],
    elements: Mapping[str, PolyElement],
) -> MomentRecurrence:
    count = len(step.coordinates)
    ordered = sorted(rows, key=_position)
    number = {monomial: index for index, monomial in enumerate(ordered)}
    names = {monomial: Moment(_monomial(monomial, step.coordinates)) for monomial in ordered}
    entries = {
        (number[row], number[column] if any(column) else -1): element
        for row, columns in rows.items()
        for column, element in columns.items()
        if element
    }
    update: dict[Expr, Expr] = {}
    for row in ordered:
        terms = [
            _coefficient(algebra, e) * names.get(column, S.One)
            for column, e in sorted(rows[row].items(), key=lambda item: _position(item[0]))
        ]
        update[names[row]] = sympy.Add(*terms)
    observables, statistics = {}, {}
    for name, element in elements.items():
        observables[name] = sympy.Add(
            *(
                _coefficient(algebra, e) * names.get(column, S.One)
                for column, e in algebra.split(element, count).items()
            )
        )
        statistics[name] = algebra.expression(element)
    if not elements:
        statistics = {str(name.monomial): name.monomial for name in names.values()}
        observables = {str(name.monomial): name for name in names.values()}
    return MomentRecurrence(
        update=update,
        observables=observables,
        statistics=statistics,
        order=max(_degree(e, step) for e in ordered),
        degrees=tuple(_degree(e, step) for e in ordered),
        entries=entries,
        algebra=algebra,
        model=model,
        algorithm=algorithm,
        clock=Clock.STEPS,
        conventions=("expectations are over the draws of the algorithm, from a given start", *algorithm.conventions()),
        assumptions=_assumptions(model, algorithm, len(ordered)),
        steps=_steps(step, update, names),
        references=(PROBABILISTIC_STABILITY, FINITE_LEARNING_RATE, MINIBATCH_NOISE),
        model_hash=content_hash((model, algorithm)),
    )


def _coefficient(algebra: Algebra, element: PolyElement) -> Expr:
    from theory.algebra import tidy

    return tidy(algebra.expression(element))


def _exponents(indices: tuple[int, ...], count: int) -> Exponents:
    return tuple(indices.count(i) for i in range(count))


def _degree(exponents: Exponents, step: Any) -> int:
    """The degree of a monomial in the trained quantities: <w, w> counts twice."""
    return sum(e * weight for e, weight in zip(exponents, step.weights, strict=True))


def _position(exponents: Exponents) -> tuple[Any, ...]:
    return sum(exponents), tuple(-e for e in exponents)


def _monomial(exponents: Exponents, coordinates: tuple[Expr, ...]) -> Expr:
    return sympy.Mul(*(c**e for c, e in zip(coordinates, exponents, strict=True)))


def _assumptions(model: Model, algorithm: SGD, size: int) -> tuple[Assumption, ...]:
    mode = algorithm.sampling_for(model.data_count)
    return (
        Assumption(
            "the gradient is polynomial in the state",
            Status.CHECKED,
            "converted into a polynomial ring without remainder",
        ),
        Assumption("the moments close", Status.CHECKED, f"breadth-first search ended with {size} moments"),
        Assumption("every moment of the data that is needed exists", Status.CHECKED, "each was asked of its law"),
        Assumption("batches of different steps are independent", Status.CHECKED, f"sampling is {mode}"),
    )


def _steps(step: Any, update: Mapping[Expr, Expr], names: Mapping[Exponents, Moment]) -> Steps:
    if isinstance(step, ExplicitStep):
        first = tuple((loss_derivative(p), g) for p, g in step.gradients.items())
        reason = "the loss of one sample, differentiated; data enter through their moments"
    else:
        first = tuple(
            (gradient_coefficient(b, w), c) for w, t in step.step.gradient.vectors.items() for b, c in t.items()
        )
        reason = "each inner product is exchanged for a scalar, differentiated, and put back"
    shown = list(update.items())[:6]
    algorithm = step.algorithm
    mode = algorithm.sampling_for(step.model.data_count)
    weights = pair_rule(mode, algorithm.batch_size, step.model.data_count)
    pair, together, apart = (Symbol(text) for text in ("E[gbar_a gbar_b]", "E[g_a g_b]", "E[g_a]E[g_b]"))
    return Steps(
        (
            Step("Differentiate the loss of one sample", first, reason),
            Step(
                "Average products of the batch mean gbar",
                ((pair, weights[0] * together + weights[1] * apart),),
                "set partitions group equal samples (shown for two factors); distinct ones are independent, or exchangeable without "
                "replacement",
            ),
            Step(
                f"Follow every moment that appears ({len(names)} in all)",
                tuple((next_value_of(m), e) for m, e in shown),
                "breadth-first search over monomials until none is new"
                + ("; the first six are shown" if len(update) > 6 else ""),
            ),
        )
    )
