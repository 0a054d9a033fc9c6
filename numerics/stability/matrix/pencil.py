r"""The exact mean-square threshold of plain mini-batch SGD on a quadratic: one symmetric generalised eigenvalue.

With $\bar H_0$ the mean curvature, decay included, and $\mathcal DM=\mathbb E\,\bar HM\bar H$ over batches, the second moments contract iff

$$ \eta<1/\lambda_{\max},\qquad \mathcal DM=\lambda(\bar H_0M+M\bar H_0), $$

if $\bar H_0\succ0$ (2306.07850). Directions along which no sample curves the loss are removed first; in every other case the block is
unstable at every learning rate.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.sparse.linalg import LinearOperator, eigsh
from sympy import Symbol

from numerics.stability.matrices import sample_curvatures
from numerics.stability.matrix.curvature_moments import SampleMoments, batch_weights, values_at
from numerics.stability.matrix.second_moments import EPSILON, Sandwich
from numerics.stability.problem import Array, Grid
from theory import Block


@dataclass(frozen=True)
class SecondMomentShape:
    """Evidence of a threshold: the shape of the second moments that neither grow nor decay there, and what is left of its equation."""

    matrix: Array
    residual: float


@dataclass(frozen=True)
class UnstableDirection:
    """Evidence that no learning rate is mean-square stable: along `vector` samples curve the loss, but not upwards in the mean."""

    vector: Array
    mean_curvature: float
    noise: float


@dataclass(frozen=True)
class Curvature:
    """What the threshold of a block depends on: E H Y H of one sample, the decay, and how batches are drawn."""

    sandwich: Sandwich
    decay: float
    pair_weight: float
    mean_weight: float

    @staticmethod
    def of(block: Block, grid: Grid, decay: float) -> Curvature:
        """The curvature of a block at the first point of a grid. Raises `MomentDoesNotExist`."""
        values: Mapping[Symbol, float] = values_at(grid, 0)
        moments = SampleMoments.of(block, grid, 2)
        samples = None if moments.symbolic is not None else sample_curvatures(block, values)
        sandwich = (
            Sandwich.of_moments(moments.at(0), block.size, moments.doubt)
            if samples is None
            else Sandwich.of_samples(samples)
        )
        if not block.randomness.of(block.curvature).groups:
            return Curvature(sandwich, decay, 0.0, 1.0)
        weights = batch_weights(block, values, 2)[2]
        return Curvature(sandwich, decay, weights[2,], weights[1, 1])

    @property
    def mean(self) -> Array:
        """The mean curvature, decay included."""
        return np.asarray(self.sandwich.mean + self.decay * np.eye(len(self.sandwich.mean)))

    def square(self, inner: Array) -> Array:
        """E H M H of the mean curvature of a batch, decay included."""
        mean, plain = self.mean, self.sandwich.mean
        found = mean @ inner @ mean - (1 - self.mean_weight) * (plain @ inner @ plain)
        return np.asarray(found + self.pair_weight * self.sandwich.apply(inner) if self.pair_weight else found)

    @property
    def rounding(self) -> float:
        """What rounding leaves in the norm of `square`, for arguments of norm one."""
        norm = float(np.linalg.norm(self.mean)) ** 2 + abs(self.pair_weight) * self.sandwich.scale
        relative = EPSILON * (8 + len(self.mean) + np.log2(1 + self.sandwich.terms)) + 2 * self.sandwich.doubt
        return float(relative * norm)


def split(curvature: Curvature) -> tuple[Array, Array] | UnstableDirection:
    """The curved directions as columns with their mean curvatures; or the direction in which no learning rate is stable.

    Zeros are decided up to rounding.
    """
    heights, vectors = np.linalg.eigh(curvature.mean)
    scale = max(float(np.sqrt(curvature.sandwich.scale)), float(np.abs(heights).max()))
    zero = EPSILON * (len(heights) + np.log2(1 + curvature.sandwich.terms)) * scale * 8
    squares = np.array([vector @ curvature.square(np.eye(len(heights))) @ vector for vector in vectors.T])
    noise = np.sqrt(np.maximum(squares, 0))  # the root mean square of |H v|
    for height, strength, vector in zip(heights, noise, vectors.T, strict=True):
        if height < -zero or (height <= zero and strength > np.sqrt(zero * scale)):
            return UnstableDirection(vector, float(height), float(strength))
    kept = heights > zero
    return vectors[:, kept], heights[kept]


def largest_of_pencil(curvature: Curvature, basis: Array, heights: Array) -> tuple[float, float, SecondMomentShape]:
    """The largest eigenvalue of D M = lambda (H0 M + M H0) on the curved directions, an upper estimate of its error, and its shape."""
    size = len(heights)
    root = np.sqrt(heights[:, None] + heights)

    def applied(table: Array) -> Array:
        moved = curvature.square(basis @ ((table + table.T) / (2 * root)) @ basis.T)
        return np.asarray(basis.T @ moved @ basis / root)

    if size == 1:
        value, shape = float(applied(np.ones((1, 1)))[0, 0]), np.ones((1, 1))
        residual = 0.0
    else:
        linear = LinearOperator(
            (size**2, size**2), matvec=lambda v: applied(v.reshape(size, size)).ravel(), dtype=float
        )
        values, vectors = eigsh(linear, k=1, which="LA", v0=np.eye(size).ravel(), tol=1e-14, maxiter=100 * size**2)
        value, shape = float(values[0]), vectors[:, 0].reshape(size, size)
        shape = (shape + shape.T) / (2 if np.trace(shape) >= 0 else -2)
        residual = float(np.linalg.norm(applied(shape) - value * shape) / np.linalg.norm(shape))
    error = residual + float(curvature.rounding) / (2 * float(heights.min()))
    return value, error, SecondMomentShape(basis @ (shape / root) @ basis.T, residual)
