r"""Symmetric tensor powers in numbers, through forms in two vectors: $(u^TAx)^k=\sum_{\alpha\beta}F_{\alpha\beta}u^\alpha x^\beta$.

Forms multiply as polynomials, so that the powers of one matrix, products of means, and changes of variables are all tables over
monomials. The lifted matrix is $F$ in the basis $\sqrt{k!/\alpha!}\,x^\alpha$, in which it is symmetric where A is.
"""

from __future__ import annotations

from functools import cache
from math import factorial, prod

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from theory.stability.symmetric_power import Exponents, monomials

Array = NDArray[np.float64]
CHUNK = 2**22
"""Entries of batched forms that are held at a time."""


@cache
def listed(size: int, degree: int) -> tuple[Exponents, ...]:
    """The monomials of a degree, in the order in which every table here has them."""
    return monomials(size, degree)


@cache
def multiplicities(size: int, degree: int) -> Array:
    """k!/alpha! of every monomial."""
    return np.array([factorial(degree) / prod(map(factorial, alpha)) for alpha in listed(size, degree)])


@cache
def _sums(size: int, first: int, second: int) -> NDArray[np.int64]:
    """The place of alpha + alpha' among the monomials of the summed degree, shape (alpha, alpha')."""
    places = {alpha: index for index, alpha in enumerate(listed(size, first + second))}
    rows = [
        [places[tuple(a + b for a, b in zip(alpha, other, strict=True))] for other in listed(size, second)]
        for alpha in listed(size, first)
    ]
    return np.array(rows, dtype=np.int64).reshape(len(listed(size, first)), len(listed(size, second)))


@cache
def _adder(size: int, first: int, second: int) -> sparse.csr_array:
    """The matrix that sends pairs (alpha, alpha') to the monomials alpha + alpha'."""
    places = _sums(size, first, second).ravel()
    shape = (len(listed(size, first + second)), places.size)
    return sparse.csr_array((np.ones(places.size), (places, np.arange(places.size))), shape=shape)


def multiply(size: int, left: Array, right: Array, first: int, second: int) -> Array:
    """The product of two forms of degrees `first` and `second` in vectors of length `size`; either may be batched, (..., a, b)."""
    if first == 0 or second == 0:
        return np.asarray(left * right)
    adder = _adder(size, first, second)
    shape = np.broadcast_shapes(left.shape[:-2], right.shape[:-2])
    outer = np.einsum("...ab,...cd->...acbd", left, right).reshape(*shape, adder.shape[1], adder.shape[1])
    flat = outer.reshape(-1, *outer.shape[-2:])
    found = np.stack([adder @ (adder @ table.T).T for table in flat])
    return found.reshape(*shape, adder.shape[0], adder.shape[0])


def powers(matrices: Array, order: int) -> list[Array]:
    """The forms (u^T A x)^k for k = 0 ... order of matrices (..., d, d)."""
    size = matrices.shape[-1]
    found = [np.ones((*matrices.shape[:-2], 1, 1)), matrices]
    for k in range(1, order):
        found.append(_times_linear(size, found[-1], matrices, k))
    return found[: order + 1]


def _times_linear(size: int, form: Array, matrices: Array, degree: int) -> Array:
    """A form times u^T A x: d^2 shifted additions, without the table of pairs."""
    places = _sums(size, degree, 1)
    count = len(listed(size, degree + 1))
    result = np.zeros((*form.shape[:-2], count, count))
    for i in range(size):
        for j in range(size):
            result[..., places[:, i][:, None], places[:, j][None, :]] += form * matrices[..., i, j][..., None, None]
    return result


def mean_powers(matrices: Array, shares: Array, order: int) -> list[Array]:
    """The means over outcomes (outcome, d, d) of the forms (u^T A x)^k, k = 0 ... order, a part of the outcomes at a time."""
    size = matrices.shape[-1]
    widths = [len(listed(size, k)) for k in range(order + 1)]
    length = max(1, CHUNK // widths[-1] ** 2)
    totals = [np.zeros((width, width)) for width in widths]
    for start in range(0, len(matrices), length):
        part, weight = matrices[start : start + length], shares[start : start + length]
        for total, form in zip(totals, powers(part, order), strict=True):
            total += np.tensordot(weight, form, axes=1)
    return totals


def substituted(form: Array, size: int, degree: int, left: Array, right: Array) -> Array:
    """A form in vectors of length `size` at combinations u = sum_a left_a u_a, x = sum_b right_b x_b of `len(left)` vectors each."""
    if degree == 0:
        return form
    return np.asarray(_expansion(size, degree, left).T @ form @ _expansion(size, degree, right))


def _expansion(size: int, degree: int, weights: Array) -> Array:
    """The monomials of sum_a weights_a x_a in those of (x_1, ..., x_m) stacked, shape (small, large)."""
    count = len(weights)
    linear = np.kron(weights[None, :], np.eye(size))  # (size, count * size): each coordinate as a combination
    places = {alpha: index for index, alpha in enumerate(listed(count * size, degree))}
    table = np.zeros((len(listed(size, degree)), len(places)))
    for row, alpha in enumerate(listed(size, degree)):
        terms: dict[Exponents, float] = {(0,) * (count * size): 1.0}
        for coordinate in (i for i, power in enumerate(alpha) for _ in range(power)):
            grown: dict[Exponents, float] = {}
            for key, value in terms.items():
                for place in np.flatnonzero(linear[coordinate]):
                    new = (*key[:place], key[place] + 1, *key[place + 1 :])
                    grown[new] = grown.get(new, 0.0) + value * linear[coordinate, place]
            terms = grown
        for key, value in terms.items():
            table[row, places[key]] = value
    return table


def lifted(form: Array, size: int, degree: int) -> Array:
    """Sym^k A in the orthonormal basis sqrt(k!/alpha!) x^alpha, from its form (..., a, b)."""
    scale = 1 / np.sqrt(multiplicities(size, degree))
    return np.asarray(scale[:, None] * form * scale)


def lifted_powers(matrices: Array, order: int) -> Array:
    """Sym^k of matrices (..., d, d) in the orthonormal basis."""
    return lifted(powers(matrices, order)[order], matrices.shape[-1], order)
