"""Code for expectations without a closed form: quadrature rules inside generated kernels, with an error estimate.

A `GaussianQuadrature` of p smooth variables becomes a product Gauss-Hermite rule along a Cholesky factor of its
covariance, a `Quadrature` over a density a double-exponential rule on its support. The number of nodes is an argument of
the generated program, so that the same kernel at twice the nodes gives the error estimate that every result carries.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import sympy
from numpy.typing import NDArray
from sympy import Expr, Symbol

from numerics.printer import argument_names, scalar_function
from theory import GaussianQuadrature, Quadrature
from theory.errors import UnsupportedExpectation
from theory.vectors import open_symbols

Node = GaussianQuadrature | Quadrature
Array = NDArray[np.float64]

LARGEST_PRODUCT_RULE = 3
"""Gaussian variables that a product rule covers; more would cost nodes**p."""
NODES = {1: 64, 2: 40, 3: 20}
"""Nodes per variable of the coarse rule, by the number of variables; the fine rule has twice as many."""
_KINKS = (
    sympy.Abs,
    sympy.Heaviside,
    sympy.sign,
    sympy.Max,
    sympy.Min,
    sympy.Piecewise,
    sympy.floor,
    sympy.ceiling,
    sympy.Mod,
    sympy.frac,
)
ARGUMENTS = ("hermite_x", "hermite_w", "double_x", "double_w")
"""Extra arguments of a program that holds quadratures: Gauss-Hermite and double-exponential nodes and weights."""


class QuadratureCode:
    """Functions for the quadrature nodes of some expressions; the expressions then hold symbols `q_0`, `q_1`, ... instead."""

    def __init__(self) -> None:
        self.functions: list[str] = []
        self.dimensions: set[int] = set()
        self._count = 0

    def exchange(
        self, expressions: Sequence[Expr], scope: Mapping[Expr, str], indent: str
    ) -> tuple[list[Expr], list[tuple[Symbol, str]], list[str]]:
        """Expressions without nodes, the symbols that stand for them with their variables, and the statements that set these.

        `scope` maps every open symbol of the expressions to the variable that holds it where the statements stand.
        """
        nodes = sorted({node for e in expressions for node in _outermost(e)}, key=sympy.default_sort_key)
        images: dict[Expr, Expr] = {}
        named: list[tuple[Symbol, str]] = []
        statements: list[str] = []
        for node in nodes:
            number = self._count
            self._count += 1
            symbol = Symbol(f"q_{number}", real=True)
            images[node] = symbol
            named.append((symbol, f"q_{number}"))
            statements.append(f"{indent}q_{number} = {self._function(node, number, scope)}")
        return [e.xreplace(images) for e in expressions], named, statements

    def _function(self, node: Any, number: int, scope: Mapping[Expr, str]) -> str:
        """Append the function that evaluates a node; return the call."""
        _refuse_kinks(node)
        outside = sorted(open_symbols(node, set()), key=str)
        names = argument_names(outside)
        bound = [str(s).lstrip("_") + f"_{number}" for s in node.bound_symbols]
        here = dict(zip((*outside, *node.bound_symbols), (*names, *bound), strict=True))
        inner, inner_named, inner_statements = self.exchange([node.integrand], here, " " * 4 * (len(bound) + 2))
        callable_arguments = [*node.bound_symbols, *outside, *(s for s, _ in inner_named)]
        call_arguments = [*bound, *names, *(v for _, v in inner_named)]
        self.functions.append(scalar_function(f"integrand_{number}", callable_arguments, inner))
        header = f"def node_{number}({', '.join([*names, *ARGUMENTS])}):"
        value = f"integrand_{number}({', '.join(call_arguments)})[0]"
        body = (self._gaussian if isinstance(node, GaussianQuadrature) else self._density)(
            node, number, outside, names, bound, inner_statements, value
        )
        self.functions.append("\n".join([header, *body]) + "\n")
        return f"node_{number}({', '.join([*(scope[symbol] for symbol in outside), *ARGUMENTS])})"

    def _gaussian(
        self, node: Any, number: int, outside: Any, names: Any, bound: list[str], inner: list[str], value: str
    ) -> list[str]:
        size = len(bound)
        if size > LARGEST_PRODUCT_RULE:
            raise UnsupportedExpectation(
                f"an expectation over {size} Gaussian variables needs a rule with nodes**{size} points; at "
                f"most {LARGEST_PRODUCT_RULE} are covered. Fewer distinct projections, or direct simulation"
            )
        self.dimensions.add(size)
        entries = [node.covariance[i, j] for i in range(size) for j in range(size)]
        self.functions.append(scalar_function(f"covariance_{number}", outside, entries))
        lines = [f"    flat = covariance_{number}({', '.join(names)})", *_factor_lines(size), "    total = 0.0"]
        weight = "1.0"
        for k in range(size):
            indent = " " * 4 * (k + 1)
            lines.append(f"{indent}for i{k} in range(hermite_x.size):")
            weight = f"hermite_w[i{k}]" if k == 0 else f"{weight} * hermite_w[i{k}]"
        indent = " " * 4 * (size + 1)
        for k in range(size):
            terms = " + ".join(f"factor_{k}_{j} * hermite_x[i{j}]" for j in range(k + 1))
            lines.append(f"{indent}{bound[k]} = {terms}")
        lines += [line.replace(" " * 4 * (size + 2), indent, 1) for line in inner]
        return [*lines, f"{indent}total += {weight} * {value}", "    return total"]

    def _density(
        self, node: Any, number: int, outside: Any, names: Any, bound: list[str], inner: list[str], value: str
    ) -> list[str]:
        lower, upper = node.lower, node.upper
        limits = [e for e in (lower, upper) if e.is_finite is not False]
        self.functions.append(scalar_function(f"density_{number}", [node.variable, *outside], [node.density]))
        ends = [e if e in limits else sympy.S.Zero for e in (lower, upper)]
        self.functions.append(scalar_function(f"ends_{number}", outside, ends))
        if lower in limits and upper in limits:
            place = ("a + (b - a) / (1.0 + math.exp(-2.0 * y))", "(b - a) / (2.0 * math.cosh(y) ** 2)")
        elif lower in limits:
            place = ("a + math.exp(y)", "math.exp(y)")
        elif upper in limits:
            place = ("b - math.exp(y)", "math.exp(y)")
        else:
            place = ("math.sinh(y)", "math.cosh(y)")
        variable = bound[0]
        return [
            f"    a, b = ends_{number}({', '.join(names)})",
            "    total = 0.0",
            "    for i in range(double_x.size):",
            "        y = double_x[i]",
            f"        {variable} = {place[0]}",
            f"        jacobian = {place[1]}",
            *[line.replace(" " * 12, " " * 8, 1) for line in inner],
            f"        term = jacobian * density_{number}({', '.join([variable, *names])})[0]",
            "        if term > 0.0:",
            f"            term *= {value}",
            "        total += double_w[i] * term",
            "    return total",
        ]


def _factor_lines(size: int) -> list[str]:
    """Lines that factorise the covariance in the tuple `flat` by Cholesky; a vanishing pivot leaves a zero column."""
    lines = []
    for j in range(size):
        squares = "".join(f" - factor_{j}_{k} * factor_{j}_{k}" for k in range(j))
        lines.append(f"    pivot = flat[{j * size + j}]{squares}")
        lines.append(f"    positive = pivot > 1e-14 * abs(flat[{j * size + j}])")
        lines.append(f"    factor_{j}_{j} = math.sqrt(pivot) if positive else 0.0")
        for i in range(j + 1, size):
            mixed = "".join(f" - factor_{i}_{k} * factor_{j}_{k}" for k in range(j))
            lines.append(f"    factor_{i}_{j} = (flat[{i * size + j}]{mixed}) / factor_{j}_{j} if positive else 0.0")
    return lines


def _outermost(expression: Any) -> list[Any]:
    if isinstance(expression, (GaussianQuadrature, Quadrature)):
        return [expression]
    return [node for argument in expression.args for node in _outermost(argument)]


def has_quadrature(expressions: Sequence[Expr]) -> bool:
    """Whether any expression holds a quadrature node."""
    return any(e.has(GaussianQuadrature, Quadrature) for e in expressions)


def rules(dimensions: set[int], *, refinement: int = 1) -> tuple[Array, Array, Array, Array]:
    """Nodes and weights in the order of `ARGUMENTS`, `refinement` times finer than the coarse rule."""
    count = NODES[max(dimensions)] * refinement if dimensions else 1
    x, w = np.polynomial.hermite_e.hermegauss(count)
    # y = (pi/2) sinh(t), t equally spaced: the trapezoidal rule then converges exponentially. The finer rule also reaches
    # further into the tails, so that the difference of the two shows what was cut off
    steps = 110 if refinement == 1 else 133 * refinement
    t = 0.045 / refinement * np.arange(-steps, steps + 1)
    y = np.pi / 2 * np.sinh(t)
    return x, w / np.sqrt(2 * np.pi), y, (t[1] - t[0]) * np.pi / 2 * np.cosh(t)


def _refuse_kinks(node: Node) -> None:
    found = [kink for kink in _kinks(node.integrand) if kink.free_symbols & set(node.bound_symbols)]
    if found:
        raise UnsupportedExpectation(
            f"the expectation has a kink ({found[0]}), where a Gauss rule converges erratically; state a "
            f"smooth activation (tanh, erf, softplus), or simulate directly"
        )


def _kinks(expression: Any) -> list[Expr]:
    """The functions with kinks or jumps in an integrand; a nested node's density is averaged over, not differentiated."""
    here = [expression] if isinstance(expression, _KINKS) else []
    parts = (expression.integrand,) if isinstance(expression, Quadrature) else expression.args
    return sorted([*here, *(kink for part in parts for kink in _kinks(part))], key=str)
