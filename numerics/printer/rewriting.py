r"""Expressions in a form that is safe in floating-point arithmetic; nothing changes in exact arithmetic.

Constants are folded to correctly rounded numbers, `m**k/m` becomes `m**(k - 1)` (finite at m = 0), and

    log(1 + e^F) = softplus(F),    1/(1 + e^F) = sigmoid(-F),    e^F/(1 + e^F) = sigmoid(F)

with their powers and products, which as they stand overflow for large F.
"""

from __future__ import annotations

from typing import Any

import sympy
from sympy import Add, Basic, Expr, Float, Function, Mul, Pow, Rational, S
from sympy.core.sorting import default_sort_key


class softplus(Function):  # named as the printed function, as SymPy names its own
    """log(1 + e^x), made by the rewriting alone."""

    nargs = 1


class sigmoid(Function):
    """1/(1 + e^(-x)), made by the rewriting alone."""

    nargs = 1


def stable(expression: Expr) -> Expr:
    """`expression` in a form that is safe in floating-point arithmetic; equal to it in exact arithmetic.

    >>> x = sympy.Symbol("x", real=True)
    >>> stable(sympy.diff(sympy.log(1 + sympy.exp(3*x)), x))
    3*sigmoid(3*x)
    """
    return _rewritten(expression, {})


def _rewritten(node: Any, memory: dict[Basic, Any]) -> Any:
    """`node` rewritten from the leaves up; `memory` keeps shared subexpressions shared."""
    if not isinstance(node, Basic) or not node.args or isinstance(node, Rational):
        return node
    if node not in memory:
        arguments = [_rewritten(argument, memory) for argument in node.args]
        changed = any(new is not old for new, old in zip(arguments, node.args, strict=True))
        memory[node] = _rewritten_here(node.func(*arguments) if changed else node)
    return memory[node]


def _rewritten_here(node: Basic) -> Basic:
    if isinstance(node, sympy.log) and (exponent := _one_plus_exponential(node.args[0])) is not None:
        return softplus(exponent)
    if isinstance(node, Pow):
        exponent = _one_plus_exponential(node.base)
        if exponent is not None and node.exp.is_Rational and node.exp.is_negative:
            return sigmoid(-exponent) ** (-node.exp)
    if isinstance(node, Mul):
        return _folded(_combined_sigmoids(_combined_powers(node)))
    return _folded(node) if isinstance(node, Add) else node


def _one_plus_exponential(expression: Expr) -> Expr | None:
    """F if `expression` is 1 + exp(F)."""
    if isinstance(expression, Add) and len(expression.args) == 2 and expression.args[0] == 1:
        other = expression.args[1]
        return other.args[0] if isinstance(other, sympy.exp) else None
    return None


def _combined_powers(product: Expr) -> Expr:
    """`product` with m**k / m written m**(k - 1), which is finite at m = 0 for k >= 1."""
    exponents: dict[Expr, list[Expr]] = {}
    for factor in Mul.make_args(product):
        base, exponent = factor.as_base_exp()
        exponents.setdefault(base, []).append(exponent)
    if all(len(parts) == 1 for parts in exponents.values()):
        return product
    return Mul(*(Pow(base, Add(*parts)) for base, parts in exponents.items()))


def _combined_sigmoids(product: Expr) -> Expr:
    """`product` with exp(k F) sigmoid(-F)**r as sigmoid(F)**u sigmoid(-F)**(r - u) exp((k - u) F), u = min(k, r)."""
    factors = list(Mul.make_args(product))
    for exponential in [factor for factor in factors if isinstance(factor, sympy.exp)]:
        total = exponential.args[0].as_coefficients_dict()
        for factor in factors:
            base, power = factor.as_base_exp()
            if not isinstance(base, sigmoid) or not power.is_Rational or not power.is_positive:
                continue
            exponent = -base.args[0]
            term, weight = min(exponent.as_coefficients_dict().items(), key=lambda pair: default_sort_key(pair[0]))
            times = sympy.nsimplify(total.get(term, S.Zero) / weight, rational=True)
            if times > 0:
                used = min(times, power)
                rest = sympy.exp(exponential.args[0] - used * exponent)
                others = [other for other in factors if other is not exponential and other is not factor]
                return _combined_sigmoids(Mul(*others, rest, sigmoid(exponent) ** used, base ** (power - used)))
    return product


def _folded(node: Expr) -> Expr:
    """The sum or product with its irrational constants (sqrt(2), pi, log(3)) as one number of 30 digits."""
    constants = [argument for argument in node.args if argument.is_number]
    if all(isinstance(constant, (Rational, Float)) or not constant.is_finite for constant in constants):
        return node
    rest = [argument for argument in node.args if not argument.is_number]
    return node.func(node.func(*constants).evalf(30), *rest)
