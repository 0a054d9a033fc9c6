"""The law of a data set: `Empirical`. The one module of `theory` that uses numpy."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from fractions import Fraction
from typing import Any, Self

import numpy as np
import sympy
from numpy.typing import NDArray
from sympy import Expr, Integer, Rational, S

from theory.errors import InvalidData
from theory.laws.draw import Draw, Row, index_symbol
from theory.laws.finite import FiniteLaw
from theory.laws.law import Slot


class Empirical(FiniteLaw):
    r"""The law of a uniformly random row of a data set: $\frac1N\sum_j\delta_{z_j}$.

    Parameters: `arrays`, each with the samples along its first axis; a one-dimensional array fills a scalar slot, an
    array of shape (N, d) a vector slot of width d. Integers and exact rationals stay exact, floats are float64.
    Moments take one exponent per column, slot after slot.
    Raises `InvalidData` for NaN, infinities, empty or ragged arrays, arrays of unlike lengths or of three dimensions.

    >>> from theory.laws import Empirical
    >>> Empirical([1, 2, 3], [[1, 0], [0, 1], [0, 0]]).moment((2, 1, 0))
    1/3
    """

    arrays: tuple[NDArray[Any], ...]

    def __init__(self, *arrays: Any) -> None:
        if not arrays:
            raise InvalidData("Empirical needs at least one array; write Empirical(X) or Empirical(X, y)")
        stored = tuple(_read_array(array, index) for index, array in enumerate(arrays, start=1))
        lengths = [len(array) for array in stored]
        if len(set(lengths)) > 1:
            raise InvalidData(
                f"Empirical: the arrays have {', '.join(map(str, lengths))} samples; give as many rows in each"
            )
        self._set(arrays=stored)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self.arrays

    @property
    def count(self) -> int:
        """The number N of samples."""
        return len(self.arrays[0])

    @property
    def columns(self) -> tuple[int, ...]:
        """The width of each slot: 1 for a scalar slot, d for a vector slot."""
        return tuple(1 if array.ndim == 1 else int(array.shape[1]) for array in self.arrays)

    @property
    def is_exact(self) -> bool:
        """Whether all data are integers or rationals, so that moments are exact."""
        return all(array.dtype != np.float64 for array in self.arrays)

    @property
    def slots(self) -> tuple[Slot, ...]:
        return tuple(Slot.SCALAR if array.ndim == 1 else Slot.VECTOR for array in self.arrays)

    def content(self) -> Any:
        return tuple((array.dtype.str, array.shape, _digest(array)) for array in self.arrays)

    @property
    def free_symbols(self) -> set[Any]:
        return set()

    def _substitute(self, images: Mapping[Any, Any]) -> Self:
        return self

    def __repr__(self) -> str:
        return f"Empirical({', '.join(f'<{kind} array {array.shape}>' for kind, array in self._kinds())})"

    def _kinds(self) -> list[tuple[str, NDArray[Any]]]:
        return [("float" if array.dtype == np.float64 else "exact", array) for array in self.arrays]

    def latex(self) -> str:
        return rf"\widehat{{P}}_{{{self.count}}}"

    def outcomes(self) -> tuple[tuple[Any, Expr], ...]:
        """The rows, each with probability 1/N; for scalar slots only."""
        if Slot.VECTOR in self.slots:
            raise self._unsupported("list of scalar outcomes: it has vector slots", "use .arrays")
        columns = [[_scalar(entry) for entry in array] for array in self.arrays]
        weight = Rational(1, self.count)
        rows = zip(*columns, strict=True)
        return tuple((row[0] if self.is_scalar else row, weight) for row in rows)

    @property
    def support(self) -> sympy.Set:
        table = [self._column(index) for index in range(sum(self.columns))]
        rows = zip(*([_scalar(entry) for entry in column] for column in table), strict=True)
        return sympy.FiniteSet(*(row[0] if self.is_scalar else sympy.Tuple(*row) for row in rows))

    @property
    def _exponent_count(self) -> int:
        return sum(self.columns)

    def _column(self, index: int) -> NDArray[Any]:
        for array, width in zip(self.arrays, self.columns, strict=True):
            if index < width:
                return array if array.ndim == 1 else array[:, index]
            index -= width
        raise IndexError(index)

    def _moment(self, exponents: tuple[int, ...]) -> Expr:
        used = [(self._column(index), exponent) for index, exponent in enumerate(exponents) if exponent]
        if all(column.dtype != np.float64 for column, _ in used):
            products = np.ones(self.count, dtype=object)
            for column, exponent in used:
                products = products * column.astype(object) ** exponent
            total = Fraction(sum(products.tolist())) / self.count
            return Rational(total.numerator, total.denominator)
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            product = np.ones(self.count)
            for column, exponent in used:
                product = product * column.astype(np.float64) ** exponent
            mean = float(product.mean())
        if not np.isfinite(mean):
            raise InvalidData(f"{self}: the moment of order {exponents} overflows a float; rescale the data")
        return sympy.Float(mean)

    def draw(self, name: str = "standard") -> Draw:
        return Draw((), ((index_symbol(name), Row(self.count)),))


def _read_array(values: Any, index: int) -> NDArray[Any]:
    """A read-only copy with entries int, Fraction (in an object array) or float64."""
    label = f"Empirical: array number {index}"
    try:
        array = np.asarray(values)
    except (ValueError, TypeError) as error:
        raise InvalidData(f"{label} is ragged or no array ({error}); give rows of equal length") from None
    if array.ndim not in (1, 2):
        raise InvalidData(f"{label} has {array.ndim} dimensions, of shape {array.shape}; give (N,) or (N, d)")
    if 0 in array.shape:
        raise InvalidData(f"{label} is empty, of shape {array.shape}; give at least one row and one column")
    if array.dtype == bool:
        array = array.astype(np.int8)
    if array.dtype == object:
        array = _read_objects(array, label)
    elif array.dtype.kind == "f":
        array = array.astype(np.float64)
    elif array.dtype.kind not in "iu":
        raise InvalidData(f"{label} has entries of type {array.dtype}; give real numbers")
    if array.dtype == np.float64 and not np.isfinite(array).all():
        position = tuple(int(p) for p in np.argwhere(~np.isfinite(array))[0])
        place = f"row {position[0]}" + (f", column {position[1]}" if len(position) == 2 else "")
        raise InvalidData(f"{label} holds {array[position]} at {place}, counted from 0; remove or impute such rows")
    copy = np.array(array, order="C", copy=True)
    copy.flags.writeable = False
    return copy


def _read_objects(array: NDArray[Any], label: str) -> NDArray[Any]:
    """Exact rationals as an object array of Fraction, or float64 if any entry is a float."""
    exact: list[Any] = []
    for position, entry in zip(np.ndindex(array.shape), array.ravel().tolist(), strict=True):
        if isinstance(entry, (int, Fraction, np.integer)):
            exact.append(Fraction(int(entry)) if isinstance(entry, np.integer) else Fraction(entry))
        elif isinstance(entry, (sympy.Rational, Integer)):
            exact.append(Fraction(int(entry.p), int(entry.q)))
        elif isinstance(entry, (float, np.floating)) or (getattr(entry, "is_real", False) and entry.is_number):
            exact.append(float(entry))
        else:
            place = ", column ".join(map(str, position))
            raise InvalidData(f"{label} holds {entry!r} at row {place}, counted from 0; give real numbers")
    if any(isinstance(entry, float) for entry in exact):
        return np.array([float(entry) for entry in exact]).reshape(array.shape)
    result = np.empty(len(exact), dtype=object)
    result[:] = exact
    return result.reshape(array.shape)


def _digest(array: NDArray[Any]) -> str:
    if array.dtype == object:
        return hashlib.sha256(" ".join(map(str, array.ravel())).encode()).hexdigest()
    canonical = array.astype(array.dtype.newbyteorder("<"), copy=False)
    return hashlib.sha256(np.ascontiguousarray(canonical).tobytes()).hexdigest()


def _scalar(entry: Any) -> Expr:
    if isinstance(entry, Fraction):
        return Rational(entry.numerator, entry.denominator)
    if isinstance(entry, np.integer):
        return Integer(int(entry))
    return sympy.Float(float(entry)) if entry else S.Zero
