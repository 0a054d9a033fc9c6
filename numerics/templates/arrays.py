"""Right-hand sides as one function over small arrays, for programs that keep their state in arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import sympy
from sympy import Expr

from numerics.kernel import Argument
from numerics.precision import Precision
from numerics.printer import argument_names, scalar_code
from numerics.quadrature import ARGUMENTS, QuadratureCode
from numerics.targets import Target


@dataclass(frozen=True)
class ArrayFunction:
    """The source of `NAME(point, hyperparameters..., rules..., out)`, which writes expressions of a state into `out`.

    `functions` : the texts that a program needs to hold it. `state`, `hyperparameters` : the symbols, in order. `dimensions` :
    numbers of Gaussian variables of its quadratures. `outputs` : how many numbers it writes. `target`, `precision` : of its
    code, and so of every program that calls it.
    """

    name: str
    functions: tuple[str, ...]
    state: tuple[Expr, ...]
    hyperparameters: tuple[Expr, ...]
    dimensions: frozenset[int]
    has_quadrature: bool
    outputs: int
    target: Target
    precision: Precision

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of the hyperparameters in the text of a program."""
        names = argument_names([*self.state, *self.hyperparameters])
        return names[len(self.state) :]

    @property
    def rules(self) -> tuple[str, ...]:
        """The names of the quadrature rules that it reads; none where all is in closed form."""
        return ARGUMENTS if self.has_quadrature else ()

    @property
    def arguments(self) -> tuple[Argument, ...]:
        """What a program that calls it must be given besides the hyperparameters."""
        return tuple(Argument(name, dimensions=1) for name in self.rules)

    def literal(self, value: Fraction | float) -> str:
        """A constant in the text of a program; in single precision a bare one would widen the arithmetic around it."""
        return repr(float(value)) if self.precision == Precision.FLOAT64 else f"real({float(value)!r})"

    def unpacked(self) -> list[str]:
        """Lines that read the hyperparameters of a trajectory from column `column` of the array `hyper`."""
        return [f"{name} = hyper[{k}, column]" for k, name in enumerate(self.parameters)]

    def call(self, point: str, out: str) -> str:
        """The statement that evaluates it at the array `point` into the array `out`."""
        return f"{self.name}({', '.join([point, *self.parameters, *self.rules, out])})"


def array_function(
    name: str,
    outputs: Sequence[Expr],
    state: Sequence[Expr],
    hyperparameters: Sequence[Expr],
    *,
    target: Target = Target.CPU,
    precision: Precision = Precision.FLOAT64,
) -> ArrayFunction:
    """Return the function that evaluates `outputs` from arrays; see `ArrayFunction`.

    Raises `UnsupportedExpectation` for a quadrature that no rule covers.

    >>> from theory import symbols
    >>> x, k = symbols("x k")
    >>> print(array_function("rates", [-k*x], [x], [k]).functions[-1])
    def rates(point, m_k, out):
        # -k*x
        m_x = point[0]
        out[0] = -m_k*m_x
    <BLANKLINE>
    """
    code = QuadratureCode()
    arguments = [*state, *hyperparameters]
    names = argument_names(arguments)
    plain, named, statements = code.exchange(outputs, dict(zip(arguments, names, strict=True)), "    ")
    closed = scalar_code([*arguments, *(symbol for symbol, _ in named)], plain, precision=precision)
    functions = [*code.functions, closed.filling(f"{name}_closed" if named else name, {"point": len(state)})]
    if named:
        hyper = names[len(state) :]
        # quadratures are computed in double precision, whatever the format of the program
        passed = [*hyper, *(f"real({variable})" for _, variable in named)]
        lines = [
            f"def {name}({', '.join(['point', *hyper, *ARGUMENTS, 'out'])}):",
            *(f"    {quantity} = point[{k}]" for k, quantity in enumerate(names[: len(state)])),
            *statements,
            f"    {name}_closed({', '.join(['point', *passed, 'out'])})",
        ]
        functions.append("\n".join(lines) + "\n")
    return ArrayFunction(
        name=name,
        functions=tuple(functions),
        state=tuple(state),
        hyperparameters=tuple(hyperparameters),
        dimensions=frozenset(code.dimensions),
        has_quadrature=bool(named),
        outputs=len(outputs),
        target=target,
        precision=precision,
    )


def partial_derivative(expression: Expr, quantity: Expr) -> Expr:
    """d expression / d quantity, where the quantity may be an inner product.

    >>> x = sympy.Symbol("x", real=True)
    >>> partial_derivative(x**3, x)
    3*x**2
    """
    variable = quantity if isinstance(quantity, sympy.Symbol) else sympy.Dummy(real=True)
    return sympy.diff(expression.xreplace({quantity: variable}), variable).xreplace({variable: quantity})
