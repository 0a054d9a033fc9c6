"""The errors of the language: one small tree, each member also a built-in exception.

Every message names what the user wrote, what was expected, and what to do; the exception carries the offending
data as attributes, so that a program can act on it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


class TheoryError(Exception):
    """Base of every error that this project raises on purpose."""


# ---------------------------------------------------------------- the statement of a model or an algorithm is wrong


class ModelError(TheoryError, ValueError):
    """The statement of a model cannot be accepted; nothing has been computed."""


class UnknownSymbol(ModelError):
    """A name, symbol or vector was used that the model does not declare."""


class NotReal(ModelError):
    """A symbol that is not declared real; write `theory.symbols("x")`, which makes real symbols."""


class DuplicateName(ModelError):
    """Two different objects (symbols, vectors, fields, statistics) carry one name."""


class NotDimensionFree(ModelError):
    """A vector occurs outside `dot` and outside a field, as in `exp(w)`: the loss is no scalar."""


class DimensionMismatch(ModelError):
    """Two vectors of different dimensions were added, multiplied, or matched to data of another width."""


class InvalidLaw(ModelError):
    """A data law whose parameters are impossible: probabilities that do not sum to 1, a negative variance."""


class InvalidData(ModelError):
    """A data array that cannot be used: NaN, no rows, a wrong shape, columns of different lengths."""


class InvalidAlgorithm(ModelError):
    """An algorithm that cannot be run: a negative learning rate, a batch larger than the data set."""


# ------------------------------------------------------------------------------ a derivation does not cover the case


class DerivationError(TheoryError):
    """A derivation refuses: the mathematics it implements does not cover what was asked."""


class MomentDoesNotExist(DerivationError, ArithmeticError):
    """A moment that the derivation needs is infinite or undefined under the stated law.

    Attributes: `order` (int or tuple of int), `law`.
    """

    def __init__(self, order: Any, law: Any, message: str | None = None) -> None:
        self.order, self.law = order, law
        super().__init__(
            message
            or f"the moment of order {order} of {law} does not exist; use a law with lighter tails, or ask for "
            f"moments of lower order"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.order, self.law, str(self))


class MomentDiverges(DerivationError, ArithmeticError):
    """A Gaussian expectation is infinite, or finite on part of the state space only: the exponential of a square."""


class UnsupportedExpectation(DerivationError, NotImplementedError):
    """An expectation has neither a closed form nor a quadrature that this library can state."""


class NonPolynomialUpdate(DerivationError, ValueError):
    """The moment map was asked for an update that is not polynomial in the parameters."""


class HierarchyNotClosed(DerivationError, ValueError):
    """The moment equations call for ever higher moments.

    Attribute: `frontier`, the monomials beyond the requested degree that the equations call for.
    """

    def __init__(self, frontier: Iterable[Any], message: str) -> None:
        self.frontier = tuple(frontier)
        super().__init__(message)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.frontier, str(self))


class NotStationary(DerivationError, ArithmeticError):
    """No stationary moments exist: the spectral radius of a homogeneous moment block is not below one.

    Attribute: `spectral_radius` (float).
    """

    def __init__(self, spectral_radius: float, message: str) -> None:
        self.spectral_radius = spectral_radius
        super().__init__(message)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.spectral_radius, str(self))


class SamplingNotCovered(DerivationError, ValueError):
    """The theory asked for does not cover this way of drawing batches.

    Attribute: `mode`, the way of drawing, None where it is not known.
    """

    def __init__(self, message: str, mode: Any = None) -> None:
        self.mode = mode
        super().__init__(message)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (str(self), self.mode)


class UnequalBatches(SamplingNotCovered, InvalidAlgorithm):
    """Epochs are cut into batches of one size, which must divide the number of samples."""


class AlgorithmNotCovered(DerivationError, ValueError):
    """The theory asked for does not cover this optimiser or one of its options."""


class NotClosed(DerivationError, ValueError):
    """The statistics do not determine their own drift.

    Attributes: `missing`, the inner products that are called for; `suggestion`, statistics that would close it.
    """

    def __init__(self, missing: Iterable[Any], suggestion: dict[str, Any], message: str) -> None:
        self.missing, self.suggestion = tuple(missing), dict(suggestion)
        super().__init__(message)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.missing, self.suggestion, str(self))


class SupercriticalStep(DerivationError, ValueError):
    """The learning rate is too large for a limit: a drift grows with the dimension."""


class FieldOrder(DerivationError, ValueError):
    """A Gaussian field enters the loss non-linearly."""


class DataNormInGradient(DerivationError, ValueError):
    """The squared norm of a data vector enters a gradient in a way that the derivation does not cover."""


class NonGaussianData(DerivationError, ValueError):
    """A vector-valued datum whose entries are not standard Gaussian, where the derivation needs them to be."""


# -------------------------------------------------------------------------------------------------------- warnings


class NeutralDirection(UserWarning):
    """No sample curves the loss along some directions, to first order in the step: linear theory does not decide them.

    Attributes: `vectors`, the directions as combinations of the parameters; `exponent`, log|1 - learning rate * weight decay|, which is
    0 without decay, None with momentum (whose two exponents are those of the decay alone).
    """

    def __init__(self, vectors: Iterable[Any], exponent: Any, message: str) -> None:
        self.vectors, self.exponent = tuple(vectors), exponent
        super().__init__(message)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.vectors, self.exponent, str(self))


# ----------------------------------------------------------------------- values given for symbols do not fit the model


class ValuesError(TheoryError, ValueError):
    """Values given for symbols (`at=`, `start=`) do not fit the equations or the model."""


class MissingValue(ValuesError):
    """A symbol needs a number and none was given."""


class UnknownValue(ValuesError):
    """A value was given for a symbol that the equations or the model do not contain."""


class StartUnderdetermined(ValuesError):
    """Statistics, `fixed` and `start` leave inner products open.

    Attribute: `missing`, the inner products that must be given.
    """

    def __init__(self, missing: Iterable[Any], message: str) -> None:
        self.missing = tuple(missing)
        super().__init__(message)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.missing, str(self))


class ImpossibleStart(ValuesError):
    """No vectors have the inner products asked for: the Gram matrix has a negative eigenvalue.

    Attribute: `eigenvalue` (float), the most negative one.
    """

    def __init__(self, eigenvalue: float, message: str) -> None:
        self.eigenvalue = eigenvalue
        super().__init__(message)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.eigenvalue, str(self))


class InvalidRequest(TheoryError, ValueError):
    """A number that controls a computation (replicas, times, seed) is impossible."""
