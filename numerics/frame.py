"""Where the chain on inner products starts: a Gram matrix, and coordinates that have it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sympy import Expr

from numerics.gram import determined_gram
from numerics.start import at_rest, build_start, resolve_keys, scalar_start
from numerics.templates.chain_state import FrameShape, moving_vectors
from numerics.templates.names import signals_of, velocities
from theory import SGD, Model
from theory.errors import ImpossibleStart
from theory.vectors import Vector

Array = NDArray[np.float64]
ROUNDING = 16 * np.finfo(float).eps
"""What counts as zero in a Gram matrix that was computed, relative to the squared lengths."""


def starting_gram(
    model: Model,
    algorithm: SGD,
    statistics: Mapping[str, Expr],
    start: Mapping[Any, Any],
    values: Mapping[Expr, float],
    dimension: int,
    replicas: int,
    seed: int,
) -> tuple[Array, Array]:
    """Return the Gram matrix of `chain_vectors` at the start, (replica, d, d), and the trained scalars (replica, S).

    Both have one row for all replicas, unless these start apart. Momentum starts at rest. The parameters are those of
    `numerics.start.build_start`, whose vectors are realised only where `start` gives laws or arrays: otherwise nothing of the
    size of the dimension is made. Raises what `build_start` does.
    """
    signals = signals_of(model, algorithm, statistics)
    rested = at_rest(statistics, velocities(model, algorithm))
    keyed = resolve_keys(model, signals, rested, start)
    if any(isinstance(key, Vector) for key in keyed):
        begun = build_start(model, signals, rested, start, values, dimension, replicas, seed)
        signal_rows = np.broadcast_to(begun.signals, (len(begun.vectors), *begun.signals.shape))
        rows = np.concatenate([begun.vectors, signal_rows], axis=1)
        gram, scalars = rows @ rows.transpose(0, 2, 1), begun.scalars
    else:
        scalars = scalar_start(model, keyed, rested, values, replicas, seed)
        vectors = (*model.vector_parameters, *signals)
        gram = determined_gram(model, vectors, {}, set(), rested, keyed, values, scalars)[np.newaxis]
    resting = len(moving_vectors(model, algorithm)) - len(model.vector_parameters)
    return _with_resting(gram, len(model.vector_parameters), resting), scalars


def _with_resting(gram: Array, position: int, count: int) -> Array:
    """The Gram matrix with `count` zero vectors inserted."""
    places = [k + count * (k >= position) for k in range(gram.shape[1])]
    wider = np.zeros((len(gram), gram.shape[1] + count, gram.shape[1] + count))
    wider[:, np.array(places, dtype=int)[:, np.newaxis], np.array(places, dtype=int)] = gram
    return wider


@dataclass(frozen=True)
class Frame:
    """Coordinates: of the moving vectors (replica or 1, vector, coordinate), of the fixed ones (vector, coordinate)."""

    shape: FrameShape
    moving: Array
    fixed: Array


def frame_of(gram: Array, moving: int, dimension: int) -> Frame:
    """Return coordinates in a frame of R^n with the Gram matrices (replica, d, d), of which the first vectors move.

    Fixed vectors come first, each adding a coordinate unless it depends on those before; the moving ones add one each, or as many
    as the dimension has left. Raises `ImpossibleStart` for matrices that are not positive semidefinite, that do not
    agree in the fixed vectors, or whose rank is larger than the dimension.

    >>> frame = frame_of(np.array([[[2.0, 1.0], [1.0, 1.0]]]), 1, 100)
    >>> frame.fixed, frame.moving, frame.shape.degrees
    (array([[1.]]), array([[[1., 1.]]]), 98)
    """
    scale = np.maximum(np.abs(np.diagonal(gram, axis1=1, axis2=2)).max(axis=1, initial=0.0), 1e-300)
    lowest = np.linalg.eigvalsh(gram).min(axis=1, initial=0.0)
    if (lowest < -1e-10 * scale).any():
        worst = int(np.argmin(lowest / scale))
        raise ImpossibleStart(
            float(lowest[worst]),
            f"no vectors have the Gram matrix\n{gram[worst]}\n: it has the eigenvalue {lowest[worst]:.6g}; check the "
            f"start against |<a, b>|^2 <= <a, a> <b, b>",
        )
    block = gram[:, moving:, moving:]
    if (np.abs(block - block[:1]) > 1e-12 * scale.max()).any():
        raise ImpossibleStart(float("nan"), "the inner products of fixed vectors differ from replica to replica")
    fixed, sizes = _staircase(block[0])
    along = fixed.shape[1]
    reach = _solved(fixed, sizes, gram[:, :moving, moving:])
    rest = gram[:, :moving, :moving] - reach @ reach.transpose(0, 2, 1)
    across = min(moving, dimension - along)
    if across < 0:
        raise _too_small(along, dimension)
    squares = np.diagonal(gram, axis1=1, axis2=2)[:, :moving]
    degrees = dimension - along - across
    columns = _triangles(rest, squares) if degrees else _principal(rest, squares, across, along, dimension)
    shape = FrameShape(sizes=sizes, across=across, degrees=degrees)
    return Frame(shape, np.concatenate([reach, columns], axis=2), fixed)


def _too_small(rank: int, dimension: int) -> ImpossibleStart:
    return ImpossibleStart(
        float("nan"), f"{rank} independent vectors do not fit into dimension {dimension}; raise the dimension"
    )


def _staircase(gram: Array) -> tuple[Array, tuple[int, ...]]:
    """Rows with this Gram matrix, each with at most one coordinate more than those before, and their lengths."""
    count = len(gram)
    rows, sizes, rank = np.zeros((count, count)), [], 0
    pivots: list[int] = []
    for k in range(count):
        for column, pivot in enumerate(pivots):
            rows[k, column] = (gram[k, pivot] - rows[k, :column] @ rows[pivot, :column]) / rows[pivot, column]
        left = gram[k, k] - rows[k, :rank] @ rows[k, :rank]
        if left > 1e-14 * gram[k, k]:
            rows[k, rank] = np.sqrt(left)
            pivots.append(k)
            rank += 1
        sizes.append(rank)
    return rows[:, :rank], tuple(sizes)


def _solved(fixed: Array, sizes: tuple[int, ...], products: Array) -> Array:
    """Coordinates along the fixed vectors of vectors with these inner products with them."""
    found = np.zeros((*products.shape[:2], fixed.shape[1]))
    for column in range(fixed.shape[1]):
        pivot = sizes.index(column + 1)
        known = found[:, :, :column] @ fixed[pivot, :column]
        found[:, :, column] = (products[:, :, pivot] - known) / fixed[pivot, column]
    return found


def _triangles(gram: Array, squares: Array) -> Array:
    """Lower triangular rows with these Gram matrices; what is rounding against `squares` counts as zero."""
    factor = np.zeros_like(gram)
    for k in range(gram.shape[1]):
        left = gram[:, k, k] - np.sum(factor[:, k, :k] ** 2, axis=1)
        pivot = np.sqrt(np.where(left > ROUNDING * squares[:, k], left, 0.0))
        below = gram[:, k + 1 :, k] - np.einsum("rij,rj->ri", factor[:, k + 1 :, :k], factor[:, k, :k])
        factor[:, k, k] = pivot
        factor[:, k + 1 :, k] = np.divide(below, pivot[:, None], out=np.zeros_like(below), where=pivot[:, None] > 0)
    return factor


def _principal(gram: Array, squares: Array, columns: int, along: int, dimension: int) -> Array:
    """Rows of so few coordinates with these Gram matrices, by their largest eigenvalues."""
    eigenvalues, vectors = np.linalg.eigh(gram)
    kept = gram.shape[1] - columns
    scale = squares.max(axis=1, initial=1e-300)
    if (eigenvalues[:, :kept] > 1e-10 * scale[:, None]).any():
        rank = int((eigenvalues > 1e-10 * scale[:, None]).sum(axis=1).max())
        raise _too_small(along + rank, dimension)
    roots = np.where(eigenvalues > ROUNDING * scale[:, None], eigenvalues, 0.0)[:, kept:]
    return np.asarray(vectors[:, :, kept:] * np.sqrt(roots)[:, None, :])
