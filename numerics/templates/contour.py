r"""The program of integrals along a ray: a sum over nodes for every point of a grid.

$$ c - \mathrm{Re}\sum_n b_n\,\varphi(t_n)^S, \qquad \varphi(t) = \sum_j p_j\prod_k(1 - 2its_{jk})^{-1/2}, $$

each factor on its own principal branch, the power by repeated squaring; a single product to an even power needs no roots, as its
factors enter through their squares. Nodes come in blocks, real and imaginary parts in arrays of
their own, so that loops over a block vectorise.
"""

from __future__ import annotations

from functools import cache

from numerics.kernel import Argument, Kernel
from numerics.targets import Local, Target
from numerics.templates.trajectory import trajectory_kernel

BLOCK = 64
"""Nodes that are worked on together."""

_PRODUCT = """\
def multiply_by_factors(size, node_real, node_imaginary, slope, real_part, imaginary_part):
    # (1 - 2 i t slope)^(-1/2): with (u + i v)^2 = 1 - 2 i t slope and u >= 0 it is (u - i v) / |u + i v|^2
    for lane in range(size):
        a = 1.0 + 2.0 * slope * node_imaginary[lane]
        b = -2.0 * slope * node_real[lane]
        modulus = math.sqrt(a * a + b * b)
        larger = math.sqrt(0.5 * (modulus + abs(a)))
        smaller = 0.5 * b / larger
        u = larger if a >= 0.0 else abs(smaller)
        v = smaller if a >= 0.0 else math.copysign(larger, b)
        p, q = real_part[lane], imaginary_part[lane]
        real_part[lane] = (p * u + q * v) / modulus
        imaginary_part[lane] = (q * u - p * v) / modulus
"""
_RECIPROCAL = """\
def multiply_by_reciprocals(size, node_real, node_imaginary, slope, real_part, imaginary_part):
    # 1 / (1 - 2 i t slope)
    for lane in range(size):
        a = 1.0 + 2.0 * slope * node_imaginary[lane]
        b = -2.0 * slope * node_real[lane]
        scale = 1.0 / (a * a + b * b)
        p, q = real_part[lane], imaginary_part[lane]
        real_part[lane] = (p * a + q * b) * scale
        imaginary_part[lane] = (q * a - p * b) * scale
"""
_MULTIPLY = """\
def multiply(size, first_real, first_imaginary, second_real, second_imaginary):
    for lane in range(size):
        p, q = first_real[lane], first_imaginary[lane]
        u, v = second_real[lane], second_imaginary[lane]
        first_real[lane] = p * u - q * v
        first_imaginary[lane] = p * v + q * u
"""
_SQUARE = """\
def square(size, real_part, imaginary_part):
    for lane in range(size):
        p, q = real_part[lane], imaginary_part[lane]
        real_part[lane] = (p - q) * (p + q)
        imaginary_part[lane] = 2.0 * p * q
"""
_BODY = (
    "row = rows[index]",
    "whole = shares.shape[1] == 1 and batch % 2 == 0",
    "total = constants[row]",
    "place = begins[row]",
    "while place < begins[row + 1]:",
    f"    size = min({BLOCK}, begins[row + 1] - place)",
    "    for lane in range(size):",
    "        t_real[lane] = node_real[place + lane]",
    "        t_imaginary[lane] = node_imaginary[place + lane]",
    "        sum_real[lane] = 0.0",
    "        sum_imaginary[lane] = 0.0",
    "    for outcome in range(shares.shape[1]):",
    "        for lane in range(size):",
    "            part_real[lane] = shares[index, outcome]",
    "            part_imaginary[lane] = 0.0",
    "        for factor in range(slopes.shape[2]):",
    "            slope = slopes[index, outcome, factor]",
    "            if whole:",
    "                multiply_by_reciprocals(size, t_real, t_imaginary, slope, part_real, part_imaginary)",
    "            else:",
    "                multiply_by_factors(size, t_real, t_imaginary, slope, part_real, part_imaginary)",
    "        for lane in range(size):",
    "            sum_real[lane] += part_real[lane]",
    "            sum_imaginary[lane] += part_imaginary[lane]",
    "    for lane in range(size):",
    "        part_real[lane] = coefficient_real[place + lane]",
    "        part_imaginary[lane] = coefficient_imaginary[place + lane]",
    "    power = batch // 2 if whole else batch",
    "    while power > 0:",
    "        if power % 2 == 1:",
    "            multiply(size, part_real, part_imaginary, sum_real, sum_imaginary)",
    "        power //= 2",
    "        if power > 0:",
    "            square(size, sum_real, sum_imaginary)",
    "    for lane in range(size):",
    "        total -= part_real[lane]",
    "    place += size",
    "out[index] = total",
)


@cache
def contour_program(target: Target = Target.CPU) -> Kernel:
    """Return the kernel.

    Arguments: `batch`, S; `begins`, where the nodes of each rule begin, and the end; `constants` per rule; `node_real`,
    `node_imaginary`, `coefficient_real`, `coefficient_imaginary` of all rules; per point `rows`, its rule, `shares` (point, outcome),
    `slopes` (point, outcome, factor), and `out`, the integral.
    """
    nodes = ("node_real", "node_imaginary", "coefficient_real", "coefficient_imaginary")
    locals_ = ("t_real", "t_imaginary", "sum_real", "sum_imaginary", "part_real", "part_imaginary")
    return trajectory_kernel(
        functions=[_PRODUCT, _RECIPROCAL, _MULTIPLY, _SQUARE],
        arguments=(
            Argument("batch", "int64"),
            Argument("begins", "int64", 1),
            Argument("constants", dimensions=1),
            *(Argument(name, dimensions=1) for name in nodes),
            Argument("rows", "int64", 1),
            Argument("shares", dimensions=2),
            Argument("slopes", dimensions=3),
            Argument("out", dimensions=1, written=True),
        ),
        body=_BODY,
        locals_=tuple(Local(name, (BLOCK,)) for name in locals_),
        header="E log|m| of batches of quadratic forms: a sum over the nodes of a ray for every point",
        target=target,
    )
