"""Matrix blocks that several test files share."""

from numerics.stability.exponents import grid_of
from theory import SGD, Empirical, Model, Normal, stability, symbols

u, w, x, y, h = symbols("u w x y h")
eta = symbols("eta", positive=True)
ROWS = ((1, -0.3, 0.8, 0.2), (0.5, 1.2, -0.9, 0.4))
"""Inputs of four samples, by coordinate."""


def linearised(loss, laws, *parameters, **options):
    """The stability of a model at the origin."""
    return stability(Model(loss, list(parameters), laws), SGD(eta, **options), point=dict.fromkeys(parameters, 0))


def regression(**options):
    """Linear regression with two weights on four samples."""
    return linearised((u * x + w * y) ** 2 / 2, {(x, y): Empirical(*ROWS)}, u, w, **options)


def gaussian_regression(size, *, variances=None, **options):
    """Linear regression on independent centred Gaussian inputs."""
    weights = symbols([f"w{k}" for k in range(size)])
    inputs = symbols([f"x{k}" for k in range(size)])
    laws = {name: Normal(0, variance) for name, variance in zip(inputs, variances or [1] * size, strict=True)}
    loss = sum(a * b for a, b in zip(weights, inputs, strict=True)) ** 2 / 2
    return linearised(loss, laws, *weights, **options)


def curved(law, **options):
    """One weight whose curvature is a random number."""
    return linearised(h * u**2 / 2, {h: law}, u, **options)


def first(result, at):
    """The block and the grid at some values."""
    return result.blocks[0], grid_of(result, at)[0]
