"""From Gram entries to the user's statistics: triangular elimination, and what is missing where it fails."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import sympy
from sympy import Expr, Symbol

from theory.algorithm import SGD
from theory.errors import DuplicateName, ModelError, NotClosed, UnknownSymbol
from theory.model import Model
from theory.vectors import InnerProduct, Vector, open_symbols, stray_vectors


@dataclass(frozen=True)
class Elimination:
    """`images` maps Gram entries (and trained scalars) to expressions in the statistics and in entries left open."""

    images: dict[Expr, Expr]

    def apply(self, expression: Expr) -> Expr:
        """The expression in terms of the statistics."""
        return sympy.expand(expression.xreplace(self.images))


def checked_statistics(model: Model, algorithm: SGD, statistics: Mapping[str, Expr]) -> dict[Symbol, Expr]:
    """Statistics as *state symbol -> expression*; refuses clashes of names and symbols that the model lacks."""
    if not isinstance(statistics, Mapping):
        raise ModelError(
            f"statistics must be a dictionary name -> expression, as in {{'m': dot(w, v)}}; got {statistics!r}"
        )
    names = {
        item.name: item
        for item in (
            *model.parameters,
            *model.random,
            *model.vectors,
            *model.hyperparameters,
            *model.dimensions,
            *sorted(algorithm.free_symbols, key=str),
        )
    }
    checked: dict[Symbol, Expr] = {}
    for name, value in statistics.items():
        if not isinstance(name, str) or not name.strip():
            raise ModelError(f"a statistic needs a name, as in statistics={{'m': dot(w, v)}}; got {name!r}")
        expression = sympy.sympify(value)
        if not isinstance(expression, Expr) or stray_vectors(expression):
            raise ModelError(f"statistic {name!r} must be a scalar function of dot products, got {value!r}")
        if name in names and names[name] != expression:
            raise DuplicateName(f"the statistic {name!r} carries the name of {names[name]!r} of the model; rename it")
        known = set(model.vectors)
        for item in sorted(expression.atoms(Vector) - known, key=str):
            raise UnknownSymbol(
                f"statistic {name!r} uses the vector {item}, which the model does not have; its vectors are "
                f"{', '.join(map(str, model.vectors))}"
            )
        allowed = {*model.scalar_parameters, *model.hyperparameters, *model.dimensions}
        for item in sorted(expression.free_symbols - allowed, key=str):
            raise UnknownSymbol(f"statistic {name!r} uses the symbol {item}, which the model does not have")
        # a trained scalar under its own name is its own state symbol, with its assumptions
        symbol = names[name] if names.get(name) == expression else Symbol(name, real=True)
        checked[symbol] = expression.xreplace(dict(model.fixed))
    if not checked:
        raise ModelError("statistics is empty; name at least one, or leave it out to have them found")
    return checked


def is_moving(entry: Expr, model: Model) -> bool:
    """Whether an inner product or symbol changes under training."""
    if isinstance(entry, InnerProduct):
        return any(vector in model.vector_parameters for vector in entry.args)
    return entry in model.scalar_parameters


def moving_entries(expression: Expr, model: Model) -> set[Expr]:
    """The Gram entries and trained scalars that an expression depends on."""
    return {entry for entry in open_symbols(expression, set()) if is_moving(entry, model)}


def eliminate(statistics: Mapping[Symbol, Expr], model: Model) -> Elimination:
    """Solve `statistic = name` for as many Gram entries as there are statistics, one linear equation at a time."""
    images: dict[Expr, Expr] = {}
    open_equations = dict(statistics)
    while open_equations:
        choice = _next_equation(open_equations, images, model)
        if choice is None:
            listed = ", ".join(f"{name} = {value}" for name, value in open_equations.items())
            raise ModelError(
                f"the statistics {listed} cannot be solved for inner products one after another; state them so "
                f"that each brings one new inner product linearly, or drop a redundant one"
            )
        name, entry, value = choice
        del open_equations[name]
        images = {key: image.xreplace({entry: value}) for key, image in images.items()}
        images[entry] = value
    return Elimination({key: sympy.expand(image) for key, image in images.items()})


def _next_equation(
    equations: Mapping[Symbol, Expr], images: Mapping[Expr, Expr], model: Model
) -> tuple[Symbol, Expr, Expr] | None:
    """The equation with the fewest unsolved entries that can be solved for one of them."""
    candidates = []
    for name, value in equations.items():
        reduced = sympy.expand(value.xreplace(dict(images)))
        unknown = sorted(moving_entries(reduced, model), key=str)
        candidates.append((len(unknown), str(name), name, reduced, unknown))
    for _, _, name, reduced, unknown in sorted(candidates, key=lambda row: row[:2]):
        for entry in unknown:
            solution = _solve_for(reduced, name, entry)
            if solution is not None:
                return name, entry, solution
    return None


def _solve_for(value: Expr, name: Symbol, entry: Expr) -> Expr | None:
    dummy = sympy.Dummy(positive=True) if _is_norm(entry) else sympy.Dummy(real=True)
    marked = value.xreplace({entry: dummy})
    slope = sympy.diff(marked, dummy)
    if slope != 0 and not slope.has(dummy):
        return (name - marked.xreplace({dummy: sympy.S.Zero})) / slope
    target = sympy.Dummy(positive=True) if _is_norm(entry) else sympy.Dummy(real=True)
    try:
        solutions = sympy.solve(marked - target, dummy)
    except NotImplementedError:
        return None
    return solutions[0].xreplace({target: name}) if len(solutions) == 1 else None


def _is_norm(entry: Expr) -> bool:
    return isinstance(entry, InnerProduct) and entry.left == entry.right


def refuse_open(expressions: Iterable[Expr], model: Model, state: Iterable[Expr], what: str) -> None:
    """Raise `NotClosed` if expressions (`what`: the drift of which statistics) still hold Gram entries.

    A trained scalar that is itself a statistic is part of the `state`, not open.
    """
    found = set().union(*(moving_entries(expression, model) for expression in expressions))
    missing = sorted(found - set(state), key=str)
    if missing:
        suggestion = {statistic_name(entry): entry for entry in missing}
        wanted = ", ".join(f"{name!r}: {entry}" for name, entry in suggestion.items())
        raise NotClosed(
            missing,
            suggestion,
            f"{what} depends on "
            f"{', '.join(map(str, missing))}, which the statistics do not determine; add {{{wanted}}} to "
            f"statistics, or leave statistics out to have a closed family found",
        )


def statistic_name(entry: Expr) -> str:
    """A name for a Gram entry: `w_v` for dot(w, v); a trained scalar keeps its own."""
    return f"{entry.left}_{entry.right}" if isinstance(entry, InnerProduct) else str(entry)
