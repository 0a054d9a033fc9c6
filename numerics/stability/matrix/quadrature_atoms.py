"""Batch curvatures with one continuous random number as a weighted list: the nodes of a quadrature over its density."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import sympy
from sympy import Expr, Symbol

from numerics.stability.matrices import Outcomes
from numerics.stability.problem import Array, Grid, Problem
from numerics.stability.scalar.panels import composite, graded
from numerics.stability.scalar.standard_laws import Component, component
from theory import Block
from theory.stability.batches import batch_mean_law
from theory.stability.closed_form import marginal
from theory.stability.randomness import ENUMERATED

NEGLIGIBLE = 1e-19
"""Weights below are left out."""
WIDEST = 0.5
"""The largest panel, in standard units, where the density is not in its tail."""
BULK = 12.0


def quadrature_curvatures(block: Block, values: Mapping[Symbol, float], nodes: int) -> Outcomes | None:
    """The mean curvature of a batch at every node, and weights that sum to 1; None unless it is a function of one number with a density.

    That is a batch mean of known family in one dimension, and otherwise a single sample. Finite laws besides are enumerated.
    """
    grid = Grid({symbol: np.array([value]) for symbol, value in values.items()}, 1)
    numbers = {symbol: sympy.Float(value, 17) for symbol, value in values.items()}
    if block.size == 1:
        family = batch_mean_law(block.curvature[0, 0], block.randomness, block.batch)
        if family is not None:
            offset, slope, law = family
            variable = sympy.Dummy("y", real=True)
            part = component(law, grid)
            return None if part is None else _outcomes([offset + slope * variable], variable, part, numbers, nodes, 1)
    present = block.randomness.of(block.curvature)
    if not block.batch.is_single or present.outcome_count > ENUMERATED:
        return None
    matrices, shares = [], []
    problem = Problem(sympy.S.One, sympy.S.One, sympy.Add(*_tagged(block)), present, block.batch, grid)
    for case, share in problem.cases():
        entries = [sympy.expand(case.curvature).coeff(tag) for tag in _TAGS[: block.size**2]]
        found = _of_case(case, entries, numbers, nodes, block.size)
        if found is None:
            return None
        matrices.append(found.matrices)
        shares.append(float(share.xreplace(numbers)) * found.shares)
    return Outcomes(np.concatenate(matrices), np.concatenate(shares))


_TAGS = tuple(sympy.Dummy(f"tag{index}") for index in range(4))
"""Keep the entries of a matrix apart while the outcomes of finite laws and mixtures are put into their sum."""


def _tagged(block: Block) -> list[Expr]:
    return [tag * entry for tag, entry in zip(_TAGS, block.curvature, strict=False)]


def _of_case(
    case: Problem, entries: list[Expr], numbers: Mapping[Symbol, Expr], nodes: int, size: int
) -> Outcomes | None:
    """The curvature given the outcomes of the finite laws and the components of mixtures."""
    present = case.randomness.of(*entries)
    if not present.groups:
        constant = np.array([float(entry.xreplace(dict(numbers))) for entry in entries])
        return Outcomes(constant.reshape(1, size, size), np.ones(1))
    free = set().union(*(entry.free_symbols for entry in entries)) & set(present.symbols)
    if len(present.groups) != 1 or len(free) != 1:
        return None
    (symbol,) = free
    law = marginal(present.groups[0], symbol)
    part = None if law is None else component(law, case.grid)
    return None if part is None else _outcomes(entries, symbol, part, numbers, nodes, size)


def _outcomes(
    entries: list[Expr], symbol: Symbol, part: Component, numbers: Mapping[Symbol, Expr], nodes: int, size: int
) -> Outcomes:
    places, weights = _rule(part, nodes)
    function = sympy.lambdify([symbol], [entry.xreplace(dict(numbers)) for entry in entries], ["scipy", "numpy"])
    at = part.location[0] + part.scale[0] * places
    table = np.stack([np.broadcast_to(np.asarray(entry, dtype=float), at.shape) for entry in function(at)], axis=-1)
    return Outcomes(table.reshape(-1, size, size), weights / weights.sum())


def _rule(part: Component, nodes: int) -> tuple[Array, Array]:
    """Nodes of the standard law and weights that hold its density, on panels that are no wider than `WIDEST` in the bulk."""
    law = part.standard
    inner = np.arange(max(law.lower, -BULK), min(law.upper, BULK) + WIDEST / 2, WIDEST)
    fine = 2.0**-30 if 0.0 in law.rough and law.lower == 0.0 else WIDEST
    breaks = np.unique(np.concatenate([graded(law.rough, law.lower, law.upper, finest=fine), inner]))
    breaks = breaks[(breaks >= law.lower) & (breaks <= law.upper)]
    places, weights = composite(breaks, nodes)
    with np.errstate(all="ignore"):
        weighted = np.nan_to_num(weights * law.density(places), posinf=0.0)
    kept = weighted > NEGLIGIBLE
    return places[kept], weighted[kept]
