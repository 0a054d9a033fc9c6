"""Where the moments of a matrix block exist: a simulation of one that does not would return a number all the same."""

from __future__ import annotations

import numpy as np
import sympy

from numerics.stability.problem import Array, Grid, Problem
from numerics.stability.scalar.power_roads import highest_order
from theory import Block


def highest_moment(block: Block, grid: Grid) -> Array | None:
    """The supremum of the orders p with E|A|^p finite, for the steps A of a block, at every point; None where it is not known.

    It is the smallest over the entries of the curvature, polynomials in independent numbers.

    >>> from theory import SGD, Model, StudentT, stability, symbols
    >>> from numerics.stability.exponents import grid_of
    >>> u, w, x, y = symbols("u w x y")
    >>> found = stability(Model((u*x + w*y)**2/2, [u, w], {x: StudentT(5), y: StudentT(7)}), SGD(0.1), point={u: 0, w: 0})
    >>> highest_moment(found.blocks[0], grid_of(found, {})[0])
    array([2.5])
    """
    limit = np.full(grid.size, np.inf)
    for entry in dict.fromkeys(block.curvature):
        present = block.randomness.of(entry)
        if not present.continuous:
            continue
        found = highest_order(Problem(sympy.S.Zero, sympy.S.One, entry, present, block.batch, grid))
        if found is None:
            return None
        limit = np.minimum(limit, found)
    return limit
