r"""Symmetric tensor powers of a step: how the monomials of a given degree move, and their mean.

With $A$ the random matrix of a step, $(A\theta)^\alpha$ is a combination of the monomials $\theta^\beta$ of the same degree; the table
of coefficients is $\mathrm{Sym}^kA$. Its mean decides the moments of that degree: $L(p)=\log\rho(\mathbb E\,\mathrm{Sym}^pA)$ for even p.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import factorial, prod
from typing import Any

import sympy
from sympy import Expr, ImmutableDenseMatrix, S
from sympy.polys.rings import PolyElement

from theory.algebra import Algebra, NotPolynomial, derive_in_algebra
from theory.errors import InvalidRequest, SamplingNotCovered
from theory.expectation import Averager, LawGroup
from theory.partitions import moment_weights
from theory.stability.block import Block
from theory.stability.fixed_point import mean
from theory.stability.randomness import Randomness

Exponents = tuple[int, ...]
Pairing = dict[tuple[Exponents, Exponents], Expr]
"""A form in two vectors (u, x): exponents of u and of x -> coefficient."""


def monomials(size: int, degree: int) -> tuple[Exponents, ...]:
    """The exponents of the monomials of a degree in `size` variables, binom(size + degree - 1, degree) many.

    >>> monomials(2, 2)
    ((2, 0), (1, 1), (0, 2))
    """
    if size == 1:
        return ((degree,),)
    return tuple((first, *rest) for first in range(degree, -1, -1) for rest in monomials(size - 1, degree - first))


def symmetric_power(matrix: Any, order: int) -> ImmutableDenseMatrix:
    r"""Return Sym^k A, the matrix of x -> A x on the monomials of degree k: $(Ax)^\alpha=\sum_\beta(\mathrm{Sym}^kA)_{\alpha\beta}x^\beta$.

    Parameters: `matrix`, d x d; `order`, k >= 1. The monomials stand in the order of `monomials`; the dimension is
    binom(d + k - 1, k). Raises `InvalidRequest` for a matrix that is not square and an order below 1.

    >>> symmetric_power([[1, 2], [0, 3]], 2)
    Matrix([
    [1, 4,  4],
    [0, 3,  6],
    [0, 0,  9]])
    """
    table = ImmutableDenseMatrix(matrix)
    if table.rows != table.cols:
        raise InvalidRequest(f"symmetric_power needs a square matrix, got one of {table.rows} x {table.cols}")
    _require_order(order)
    names = [sympy.Dummy(f"x{index}") for index in range(table.cols)]
    powers = monomials(table.rows, order)

    def derivation(algebra: Algebra) -> list[list[Expr]]:
        rows = [
            algebra.element(sympy.Add(*(a * x for a, x in zip(table.row(i), names, strict=True))))
            for i in range(table.rows)
        ]
        found = []
        for alpha in powers:
            product = prod((row**power for row, power in zip(rows, alpha, strict=True)), start=algebra.ring.one)
            parts = algebra.split(product, len(names))
            found.append([algebra.expression(parts[beta]) if beta in parts else S.Zero for beta in powers])
        return found

    return ImmutableDenseMatrix(derive_in_algebra(derivation, names, _symbols(table), exact=not table.has(sympy.Float)))


def mean_symmetric_power(block: Block, order: int) -> ImmutableDenseMatrix:
    r"""Return the mean of Sym^k of a block's step over its batches, E Sym^k A, for independent batches of any law with moments.

    With $Y=u^T(D\otimes H)x$ for one sample and $c=u^T(C\otimes1)x$, the form $\mathbb{E}(u^TAx)^k$ holds every entry, and needs only the
    raw moments of a batch mean of numbers, which whole-number partitions of their order give.

    Parameters: `block`, whose batch size may be a symbol for independent draws; `order`, k >= 1. The mean over one step is the same for
    `reshuffled` and `without_replacement`, but only the latter multiplies from step to step.

    Raises `MomentDoesNotExist(order, law)` for a law without the moments, `SamplingNotCovered` for a cyclic order,
    `UnsupportedExpectation` where an average has no closed form or quadrature. Cost: polynomials in 2 * `block.order` variables;
    quick up to four states and order four.

    >>> from theory import SGD, Model, Normal, stability, symbols
    >>> u, x, eta, n = symbols("u x eta n", positive=True)
    >>> found = stability(Model((u*x)**2/2, [u], {x: Normal()}), SGD(eta, batch_size=n), point={u: 0})
    >>> mean_symmetric_power(found.blocks[0], 2)[0, 0]
    eta**2 + 2*eta**2/n - 2*eta + 1
    """
    _require_order(order)
    refuse_ordered(block)
    size, state = block.size, block.order
    left, right = _vectors("u", state), _vectors("x", state)
    fixed, slope = block.step.affine
    carried = sympy.Add(
        *(
            left[a * size + i] * fixed[a, b] * right[b * size + i]
            for a in range(fixed.rows)
            for b in range(fixed.cols)
            for i in range(size)
        )
    )
    # D is of rank one: the gradient is taken at one combination of (theta, velocity), and enters along one
    row = next(a for a in range(slope.rows) if slope[a, 0] != 0)
    kicks = [
        sympy.Add(*(slope[a, 0] / slope[row, 0] * left[a * size + i] for a in range(slope.rows))) for i in range(size)
    ]
    places = [sympy.Add(*(slope[row, b] * right[b * size + i] for b in range(slope.cols))) for i in range(size)]
    powers = sample_powers(block.curvature, block.randomness, order)
    weights = [moment_weights(block.batch.mode, block.batch.size, block.batch.data_count, k) for k in range(order + 1)]
    listed = [value for form in powers for value in form.values()]
    hints = _symbols(carried, *kicks, *places, *listed, *(w for table in weights for w in table.values()))

    def derivation(algebra: Algebra) -> PolyElement | Any:
        forms = [_substituted(form, kicks, places, algebra) for form in powers]
        start, total = algebra.element(carried), algebra.ring.zero
        for k, table in enumerate(weights):
            moment = algebra.ring.zero
            for parts, weight in table.items():
                moment += algebra.element(weight) * prod((forms[j - 1] for j in parts), start=algebra.ring.one)
            total += int(sympy.binomial(order, k)) * start ** (order - k) * moment
        return _table(total, algebra, monomials(state, order))

    rational = not any(sympy.sympify(value).has(sympy.Float) for value in listed)
    return ImmutableDenseMatrix(
        derive_in_algebra(derivation, [*left, *right], set(hints) - {*left, *right}, exact=rational)
    )


def sample_powers(curvature: ImmutableDenseMatrix, randomness: Randomness, order: int) -> tuple[Pairing, ...]:
    """The forms E (u^T H x)^j of one sample's curvature for j = 1 ... order: exponents of (u, x) -> coefficient.

    Raises `MomentDoesNotExist` where a moment is infinite.
    """
    present = randomness.of(curvature)
    size = curvature.rows
    left, right = _vectors("u", size), _vectors("x", size)
    form = sympy.Add(*(left[i] * curvature[i, j] * right[j] for i in range(size) for j in range(size)))
    groups = tuple(LawGroup(names, law) for names, law in present.groups)
    hints = [
        s for s in _symbols(curvature, *(h for group in groups for h in group.hints())) if s not in present.symbols
    ]
    rational = all(getattr(law, "is_exact", True) for _, law in present.groups) and not curvature.has(sympy.Float)

    def derivation(algebra: Algebra) -> list[Pairing]:
        averager, one = Averager(algebra, groups), algebra.element(form)
        found, power = [], algebra.ring.one
        for _ in range(order):
            power *= one
            parts = algebra.split(averager.average(power), 2 * size)
            found.append({(k[:size], k[size:]): algebra.expression(part) for k, part in parts.items()})
        return found

    try:
        return tuple(derive_in_algebra(derivation, [*left, *right, *present.symbols], hints, exact=rational))
    except NotPolynomial:  # functions of the data: each coefficient by the expectation engine
        return tuple(_engine_powers(form, (*left, *right), present, order))


def refuse_ordered(block: Block) -> None:
    """Raise `SamplingNotCovered` where a step is not a mean over random batches."""
    from theory.algorithm import Sampling

    if block.batch.mode == Sampling.CYCLIC and block.randomness.of(block.curvature).groups:
        raise SamplingNotCovered(
            "sampling=cyclic takes the batches in a fixed order: a mean over them does not describe one step; take the product of the "
            "steps of an epoch (numerics.stability.matrix.symmetric_power)"
        )


# ------------------------------------------------------------------------------------------------------------- parts


def _engine_powers(form: Expr, names: tuple[Any, ...], present: Randomness, order: int) -> list[Pairing]:
    half = len(names) // 2
    found = []
    for power in range(1, order + 1):
        terms = sympy.Poly(sympy.expand(form**power), *names).terms()
        found.append({(k[:half], k[half:]): mean(coefficient, present) for k, coefficient in terms})
    return found


def _substituted(form: Pairing, kicks: Sequence[Expr], places: Sequence[Expr], algebra: Algebra) -> PolyElement:
    """A form in (u, x) at the vectors (kicks, places)."""
    first, second = [algebra.element(e) for e in kicks], [algebra.element(e) for e in places]
    total = algebra.ring.zero
    for (alpha, beta), coefficient in form.items():
        term = algebra.element(coefficient)
        for base, power in zip((*first, *second), (*alpha, *beta), strict=True):
            if power:
                term *= base**power
        total += term
    return total


def _table(form: PolyElement, algebra: Algebra, powers: tuple[Exponents, ...]) -> list[list[Expr]]:
    """Sym^k from the form (u^T A x)^k = sum over alpha of k!/alpha! u^alpha (A x)^alpha."""
    size = len(powers[0])
    parts = algebra.split(form, 2 * size)
    rows = []
    for alpha in powers:
        ways = sympy.Integer(factorial(sum(alpha)) // prod(map(factorial, alpha)))
        rows.append(
            [algebra.expression(parts[alpha + beta]) / ways if alpha + beta in parts else S.Zero for beta in powers]
        )
    return [[sympy.expand(entry) for entry in row] for row in rows]


def _vectors(name: str, size: int) -> list[Any]:
    return [sympy.Dummy(f"{name}{index}", real=True) for index in range(size)]


def _symbols(*expressions: Any) -> list[Any]:
    return sorted(set().union(*(sympy.sympify(e).free_symbols for e in expressions)), key=str)


def _require_order(order: Any) -> None:
    if isinstance(order, bool) or not isinstance(order, (int, sympy.Integer)) or order < 1:
        raise InvalidRequest(f"order={order!r}: a symmetric power takes a whole number of at least 1")
