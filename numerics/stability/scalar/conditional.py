"""Few continuous symbols, of one sample or of a small batch: potentials in one of them, the others by quadrature."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import sympy
from sympy import Expr, Symbol

from numerics.stability.problem import Array, Estimate, Problem
from numerics.stability.scalar.panels import composite, graded
from numerics.stability.scalar.potentials import expected_log, over_cases
from numerics.stability.scalar.standard_laws import Component, component
from theory import ExponentKind, Normal
from theory.stability.batches import FRESH
from theory.stability.randomness import ENUMERATED, Randomness

NODES = (10, 7)
"""Nodes per panel of the outer rule, and of the coarser one that judges it."""
OUTER = 2
"""Symbols that are integrated by product rules at most."""
DISCRIMINATED = 4
"""The largest degree whose discriminant is formed."""
ACCEPTED = 1e-5
"""The largest error of an answer for batches; beyond, the roads that follow do better."""
FARTHEST = 2.0**40
"""Special points farther out, in standard units, are left to the panels of the tail."""
EVALUATIONS = 4 * 10**6
"""Nodes times points times the square of the degree that are spent at most: some ten seconds."""


def by_conditioning(problem: Problem) -> Estimate | None:
    """The exponent of batches that hold few continuous symbols together; None if no symbol will serve, or there are too many."""
    if problem.size == 1:
        return over_cases(problem, _given_outcome) if problem.batch.is_single else None
    if not is_few(problem):
        return None
    found = over_cases(one_sample(problem), _given_outcome)
    return found if found is not None and np.all(found.errors <= ACCEPTED) else None


def is_few(problem: Problem) -> bool:
    """Whether a batch of independent draws holds few enough continuous symbols together to integrate over them one by one."""
    if problem.batch.is_single:
        return True
    present = problem.randomness.of(problem.curvature)
    few = problem.size * len([s for names, _ in present.continuous for s in names]) <= OUTER + 1
    return problem.batch.mode in FRESH and few and present.outcome_count**problem.size <= ENUMERATED


def one_sample(problem: Problem) -> Problem:
    """A batch as a single sample of as many symbols: the copies of each under names of their own."""
    if problem.size == 1:
        return problem
    present = problem.randomness.of(problem.curvature)
    copies = [{s: sympy.Dummy(s.name, real=True) for s in present.symbols} for _ in range(problem.size)]
    mean = sympy.Add(*(problem.curvature.xreplace(copy) for copy in copies)) / problem.size
    groups = tuple((tuple(copy[s] for s in names), law) for copy in copies for names, law in present.groups)
    batch = replace(problem.batch, size=sympy.Integer(1))
    return replace(problem, curvature=sympy.expand(mean), randomness=Randomness(groups), batch=batch)


@dataclass(frozen=True)
class _Independent:
    """The curvature in independent continuous symbols, each with its law."""

    curvature: Expr
    laws: dict[Symbol, Any]


def independent(curvature: Expr, randomness: Randomness) -> _Independent | None:
    """Jointly Gaussian symbols are written through independent standard ones; other joint laws are not covered."""
    images: dict[Symbol, Expr] = {}
    laws: dict[Symbol, Any] = {}
    for names, law in randomness.groups:
        if len(names) == 1:
            laws[names[0]] = law
        elif isinstance(law, Normal):
            draw = law.draw("_".join(name.name for name in names))
            images.update(zip(names, draw.expression, strict=True))
            laws.update({symbol: Normal() for symbol, _ in draw.standards})
        else:
            return None
    moved = sympy.expand(curvature.xreplace(images))
    return _Independent(moved, {symbol: law for symbol, law in laws.items() if symbol in moved.free_symbols})


def _given_outcome(problem: Problem) -> Estimate | None:
    return conditioned(problem, lambda table, part: expected_log(table, part)[0], None)


Inner = Callable[[Array, Component], Array]
"""Averages over the inner symbol for rows of coefficients (node, degree + 1)."""


def conditioned(problem: Problem, average: Inner, budget: int | None) -> Estimate | None:
    """An average over all symbols: over one of them in closed form, by `average`, over the others by quadrature.

    None if no symbol will serve, or if the nodes are too many: more than `budget` over the grid, or than vectorised averages allow.
    """
    statement = independent(problem.curvature, problem.randomness)
    if statement is None or len(statement.laws) > OUTER + 1:
        return None
    chosen = _inner_symbol(statement, problem, needs_potential=budget is None)
    if chosen is None:
        return None
    inner, inner_part = chosen
    outer = [symbol for symbol in statement.laws if symbol != inner]
    outer_parts = [component(statement.laws[symbol], problem.grid) for symbol in outer]
    known = [part for part in outer_parts if part is not None]
    if len(known) < len(outer):
        return None
    multiplier = sympy.Poly(problem.keep + problem.weight * statement.curvature, inner)
    both = []
    for count in NODES:
        found = _average(problem, multiplier, _Inner(inner_part, average, budget), outer, known, count)
        if found is None:
            return None
        both.append(found)
    return problem.estimate(both[0], np.abs(both[0] - both[1]) + 1e-10, ExponentKind.QUADRATURE)


@dataclass(frozen=True)
class _Inner:
    """How the inner symbol is averaged over: its law, the rule, and how many nodes it may cost."""

    law: Component
    average: Inner
    budget: int | None

    def affords(self, nodes: int, degree: int) -> bool:
        return nodes * max(degree, 1) ** 2 <= EVALUATIONS if self.budget is None else nodes <= self.budget


def _inner_symbol(
    statement: _Independent, problem: Problem, *, needs_potential: bool
) -> tuple[Symbol, Component] | None:
    """The symbol of lowest degree, whose law has a potential in floating point if need be."""
    candidates = []
    for symbol, law in statement.laws.items():
        part = component(law, problem.grid)
        if part is None or (needs_potential and part.standard.potential is None):
            continue
        if statement.curvature.is_polynomial(symbol):
            candidates.append((sympy.degree(statement.curvature, symbol), str(symbol), symbol, part))
    if not candidates:
        return None
    _, _, symbol, chosen = min(candidates, key=lambda candidate: candidate[:2])
    return symbol, chosen


def _average(
    problem: Problem, multiplier: sympy.Poly, inner: _Inner, outer: list[Symbol], parts: list[Component], count: int
) -> Array | None:
    """The integral over the outer symbols of the average over the inner one, at every point."""
    names = sorted(multiplier.free_symbols_in_domain - set(outer), key=str)
    function = sympy.lambdify([*outer, *names], multiplier.all_coeffs(), "numpy", cse=True)
    values = np.empty(problem.grid.size)
    for point in range(problem.grid.size):
        numbers = {name: float(problem.grid.values[name][point]) for name in names}
        at = [(float(part.location[point]), float(part.scale[point])) for part in parts]
        special = _special_points(multiplier, numbers, inner.law, point, outer) if len(outer) == 1 else []
        rules = [
            _rule(part, [(z - shift) / scale for z in special], count)
            for part, (shift, scale) in zip(parts, at, strict=True)
        ]
        weights = np.ones(1)
        for _, w in rules:
            weights = np.outer(weights, w).ravel()
        if not inner.affords(len(weights) * problem.grid.size, multiplier.degree()):
            return None
        mesh = np.meshgrid(*(nodes for nodes, _ in rules), indexing="ij")
        nodes = [shift + scale * axis.ravel() for (shift, scale), axis in zip(at, mesh, strict=True)]
        with np.errstate(all="ignore"):
            rows = function(*nodes, *numbers.values())
        table = np.stack([np.broadcast_to(np.asarray(row, dtype=float), weights.shape) for row in rows], axis=1)
        location, scale = (np.full(len(weights), array[point]) for array in (inner.law.location, inner.law.scale))
        values[point] = np.sum(weights * inner.average(table, Component(location, scale, inner.law.standard)))
    return values


def _special_points(
    multiplier: sympy.Poly, numbers: dict[Symbol, float], inner: Component, point: int, outer: list[Symbol]
) -> list[float]:
    """Where the inner average is not smooth in the one outer symbol: its leading coefficient vanishes, two roots meet and leave the
    real line, or a root meets an end of the support."""
    exact = {name: sympy.Float(value, 17) for name, value in numbers.items()}
    ends = [
        float(inner.location[point] + inner.scale[point] * end)
        for end in (inner.standard.lower, inner.standard.upper, *inner.standard.rough)
        if np.isfinite(end)
    ]
    conditions = [multiplier.LC().xreplace(exact)]
    if 2 <= multiplier.degree() <= DISCRIMINATED:
        conditions.append(sympy.expand(multiplier.discriminant().xreplace(exact)))
    conditions += [multiplier.as_expr().xreplace({**exact, multiplier.gen: sympy.Float(end, 17)}) for end in ends]
    found: list[float] = []
    for condition in conditions:
        if condition.is_polynomial(outer[0]) and outer[0] in condition.free_symbols:
            roots = np.roots([float(c) for c in sympy.Poly(condition, outer[0]).all_coeffs()])
            found += np.real(roots[np.abs(np.imag(roots)) < 1e-9 * (1 + np.abs(roots))]).tolist()
    return found


def _rule(part: Component, special: list[float], count: int) -> tuple[Array, Array]:
    """Nodes of the standard law and weights that hold its density; panels shrink towards its rough and the special points."""
    law = part.standard
    points = [*law.rough, *(z for z in special if law.lower < z < law.upper and abs(z) < FARTHEST)]
    nodes, weights = composite(graded(points, law.lower, law.upper, finest=2.0**-20), count)
    weighted = weights * law.density(nodes)
    kept = weighted > 1e-20
    return nodes[kept], weighted[kept]
