"""Gaussian random fields on parameter space, drawn afresh for each sample: the noise of spiked tensor models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sympy
from sympy import Atom, Basic, Expr, S, Symbol

from theory.errors import ModelError, NotReal
from theory.identity import Identified
from theory.vectors import Vector, mathml_row

_ARGUMENT = Symbol("<p, q>", real=True)  # no name that a user would give to a hyperparameter


class GaussianField(Atom):
    r"""A centred Gaussian field F on R^n with E F(p) F(q) = kappa(<p, q>).

    Parameters: `name`; either `order` k (a number or a symbol) for `kappa(r) = r**k`, the law of <W, p^{(x) k}> with
    i.i.d. standard Gaussian entries of the tensor W, or `covariance`, kappa as a `sympy.Lambda` of one argument.

    >>> from theory import GaussianField, Vector, symbols
    >>> n, k = symbols("n k", positive=True)
    >>> W, w = GaussianField("W", order=k), Vector("w", n)
    >>> W(w)
    W(w)
    """

    __slots__ = ("name", "kernel")

    def __new__(cls, name: str, *, order: Any = None, covariance: sympy.Lambda | None = None) -> GaussianField:
        if not isinstance(name, str) or not name.strip():
            raise ModelError(f"a field needs a name, got {name!r}; write GaussianField('W', order=2)")
        if (order is None) == (covariance is None):
            raise ModelError(f"field {name!r} takes either order=k or covariance=Lambda(r, ...), one of the two")
        if isinstance(order, (str, bool)):
            raise ModelError(f"the order of field {name!r} must be a positive integer or a symbol, got {order!r}")
        if order is not None:
            exponent = sympy.sympify(order)
            if exponent.is_number and not (exponent.is_integer and exponent.is_positive):
                raise ModelError(f"the order of field {name!r} must be a positive integer or a symbol, got {order!r}")
            kernel = _ARGUMENT**exponent
        else:
            if not isinstance(covariance, sympy.Lambda) or len(covariance.signature) != 1:
                raise ModelError(f"the covariance of field {name!r} must be a sympy.Lambda of one argument")
            kernel = covariance(_ARGUMENT)
        for symbol in sorted(kernel.free_symbols - {_ARGUMENT}, key=str):
            if not symbol.is_real:
                raise NotReal(
                    f"the covariance of field {name!r} contains {symbol}, which is not declared real; make it with "
                    f"theory.symbols({str(symbol)!r})"
                )
        return cls._from_kernel(name, kernel)

    @classmethod
    def _from_kernel(cls, name: str, kernel: Expr) -> GaussianField:
        field = Basic.__new__(cls)
        field.name, field.kernel = name, kernel
        return field

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return GaussianField._from_kernel, (self.name, self.kernel)

    def _hashable_content(self) -> tuple[Any, ...]:
        return self.name, self.kernel

    @property
    def free_symbols(self) -> set[Basic]:
        return self.kernel.free_symbols - {_ARGUMENT}

    def substitute(self, values: Mapping[Any, Any]) -> GaussianField:
        """The field with symbols of its covariance replaced, checked afresh."""
        kernel = self.kernel.xreplace(dict(values))
        return GaussianField(self.name, covariance=sympy.Lambda(_ARGUMENT, kernel))

    @property
    def law(self) -> FieldLaw:
        """The law of the field, to be listed in `data={W: W.law}`."""
        return FieldLaw(self)

    def covariance(self, argument: Expr, *, derivative: int = 0) -> Expr:
        """kappa, or its derivative of the given order, at `argument`; powers are combined so that 0 is admissible."""
        return sympy.powsimp(sympy.diff(self.kernel, _ARGUMENT, derivative)).xreplace({_ARGUMENT: argument})

    def __call__(self, point: Vector) -> FieldValue:
        return FieldValue(self, point)

    def _sympystr(self, printer: Any) -> str:
        return self.name

    def _sympyrepr(self, printer: Any) -> str:
        return f"GaussianField({self.name!r}, kernel={printer._print(self.kernel)})"

    def _latex(self, printer: Any) -> str:
        return printer._print(Symbol(self.name))

    def _pretty(self, printer: Any) -> Any:
        return printer._print(Symbol(self.name))

    def _mathml_content(self, printer: Any) -> Any:
        return printer._print(Symbol(self.name))

    _mathml_presentation = _mathml_content


class FieldLaw(Identified):
    """The law of a Gaussian field: centred, with the covariance that the field states."""

    def __init__(self, field: GaussianField) -> None:
        self.field = field

    @property
    def free_symbols(self) -> set[Basic]:
        return self.field.free_symbols

    def __repr__(self) -> str:
        return f"{self.field.name}.law"

    def content(self) -> tuple[Any, ...]:
        return (self.field,)


class FieldValue(Expr):
    """The value F(w) of a Gaussian field at a vector: a real scalar."""

    __slots__ = ()
    is_commutative = True
    holds_vectors = True

    def __new__(cls, field: GaussianField, point: Vector) -> FieldValue:
        if not isinstance(point, Vector):
            raise ModelError(f"field {field.name} is evaluated at a single vector, got {point!r}")
        return Expr.__new__(cls, field, point)

    @property
    def field(self) -> GaussianField:
        """The field."""
        return self.args[0]

    @property
    def point(self) -> Vector:
        """Where the field is evaluated."""
        return self.args[1]

    def _eval_is_real(self) -> bool:
        return True

    def _eval_is_finite(self) -> bool:
        return True

    def _eval_derivative(self, symbol: Basic) -> Expr:
        return S.Zero

    def _sympystr(self, printer: Any) -> str:
        return f"{self.field.name}({printer._print(self.point)})"

    def _sympyrepr(self, printer: Any) -> str:
        return f"FieldValue({printer._print(self.field)}, {printer._print(self.point)})"

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        text = rf"{printer._print(self.field)}\left({printer._print(self.point)}\right)"
        return text if exp is None else rf"{text}^{{{exp}}}"

    def _pretty(self, printer: Any) -> Any:
        return printer._print(sympy.Function(self.field.name)(Symbol(self.point.name)))

    def _mathml_content(self, printer: Any) -> Any:
        return mathml_row(printer, (self.field, "(", self.point, ")"))

    _mathml_presentation = _mathml_content


class FieldGradient(Vector):
    """The gradient of a Gaussian field at a vector, as an abstract (random) vector."""

    __slots__ = ("field", "point")

    def __new__(cls, field: GaussianField, point: Vector) -> FieldGradient:
        vector = Vector.__new__(cls, f"grad {field.name}({point.name})", point.dimension)
        vector.field, vector.point = field, point
        return vector

    def __getnewargs__(self) -> tuple[Any, ...]:
        return self.field, self.point

    def _hashable_content(self) -> tuple[Any, ...]:
        return self.name, self._dimension, self.field

    def _sympyrepr(self, printer: Any) -> str:
        return f"FieldGradient({printer._print(self.field)}, {printer._print(self.point)})"

    def _latex(self, printer: Any) -> str:
        return rf"\nabla {printer._print(self.field)}\left({printer._print(self.point)}\right)"
