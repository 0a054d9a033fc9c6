"""A model: the loss of one sample, the trained parameters, and the laws of the random symbols.

The same `Model` serves both views of the language: vectors without a dimension, whose loss is a function of inner
products, and explicit scalar parameters. `Model.components` goes from the first to the second.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import sympy
from sympy import Expr, Symbol

from theory.errors import (
    DimensionMismatch,
    DuplicateName,
    InvalidData,
    InvalidLaw,
    ModelError,
    UnknownSymbol,
    UnknownValue,
)
from theory.fields import FieldLaw, FieldValue, GaussianField
from theory.identity import Identified
from theory.statement import (
    check_slots,
    checked_data,
    checked_fixed,
    checked_loss,
    checked_parameters,
    describe,
    key_text,
    outcome_vectors,
)
from theory.vectors import Vector

Named = Any  # Symbol | Vector | GaussianField; SymPy's classes carry no types


class Model(Identified):
    r"""The statement of a model: one loss, its parameters, its data.

    Parameters
    ----------
    loss : scalar expression, the loss of one sample; a function of `dot` products, field values and scalar symbols.
    parameters : the trained vectors, scalar symbols and matrices of symbols, in order.
    data : mapping from a random symbol, vector, field, or tuple of them, to its law; a scalar law given for a vector
        means independent entries. Fields may be listed alone.
    fixed : known values of inner products of vectors that are not trained, `{dot(v, v): 1}`.

    Every other symbol of the loss is a hyperparameter: it stays symbolic and needs a value (`at=`) for numbers.

    Raises a `ModelError` (`NotReal`, `DuplicateName`, `NotDimensionFree`, `UnknownSymbol`, `InvalidLaw`,
    `InvalidData`, `DimensionMismatch`) that names what is wrong; nothing is computed before.

    >>> from theory import Model, Normal, Vector, dot, symbols
    >>> n = symbols("n", positive=True)
    >>> tau, xi = symbols("tau xi")
    >>> w, v, z = Vector("w", n), Vector("v", n), Vector("z", n)
    >>> model = Model(loss=(dot(w, z) - dot(v, z) - tau*xi)**2/2, parameters=[w],
    ...               data={z: Normal(), xi: Normal()}, fixed={dot(v, v): 1})
    >>> model.hyperparameters
    (tau,)
    """

    loss: Expr
    parameters: tuple[Any, ...]
    data: tuple[tuple[tuple[Any, ...], Any], ...]
    fixed: dict[Expr, Expr]

    def __init__(
        self,
        loss: Any,
        parameters: Iterable[Any],
        data: Mapping[Any, Any] | Iterable[GaussianField],
        fixed: Mapping[Any, Any] | None = None,
    ) -> None:
        flat = checked_parameters(parameters)
        self.__dict__.update(
            loss=checked_loss(loss), parameters=flat, data=checked_data(data), fixed=checked_fixed(fixed or {}, flat)
        )
        self._check_names()
        self._check_occurrence()
        self._check_laws()

    # ----------------------------------------------------------------------------------------------- what it holds

    @property
    def law_of(self) -> dict[Named, Any]:
        """The law of each random symbol that has a law of its own (joint laws are in `data`)."""
        return {names[0]: law for names, law in self.data if len(names) == 1}

    @property
    def random(self) -> tuple[Named, ...]:
        """Every random symbol, vector and field."""
        return tuple(name for names, _ in self.data for name in names)

    @property
    def vector_parameters(self) -> tuple[Vector, ...]:
        """The trained vectors."""
        return tuple(parameter for parameter in self.parameters if isinstance(parameter, Vector))

    @property
    def scalar_parameters(self) -> tuple[Symbol, ...]:
        """The trained scalars."""
        return tuple(parameter for parameter in self.parameters if isinstance(parameter, Symbol))

    @property
    def data_vectors(self) -> tuple[Vector, ...]:
        """The random vectors."""
        return tuple(name for name in self.random if isinstance(name, Vector))

    @property
    def fields(self) -> tuple[GaussianField, ...]:
        """The Gaussian fields."""
        return tuple(name for name in self.random if isinstance(name, GaussianField))

    @property
    def signals(self) -> tuple[Vector, ...]:
        """The fixed vectors: neither trained nor random, in the loss, in a law's outcomes or in `fixed`."""
        known = {*self.vector_parameters, *self.data_vectors}
        return tuple(sorted(self._vectors() - known, key=str))

    @property
    def vectors(self) -> tuple[Vector, ...]:
        """Every vector, by name."""
        return tuple(sorted(self._vectors(), key=str))

    @property
    def hyperparameters(self) -> tuple[Symbol, ...]:
        """The symbols of the loss and of the laws that are neither trained nor random, by name."""
        found = self.loss.free_symbols | {s for value in self.fixed.values() for s in value.free_symbols}
        for _, law in self.data:
            found |= law.free_symbols
        return tuple(sorted(found - set(self.parameters) - set(self.random), key=str))

    @property
    def dimensions(self) -> tuple[Symbol, ...]:
        """The symbolic dimensions of the vectors, by name."""
        found = {symbol for vector in self._vectors() for symbol in vector.dimension.free_symbols}
        return tuple(sorted(found, key=str))

    @property
    def known_dimensions(self) -> dict[Symbol, int]:
        """Dimensions that a data array fixes: the width of an `Empirical` column block."""
        found: dict[Symbol, int] = {}
        for names, law in self.data:
            for name, width in zip(names, getattr(law, "columns", ()), strict=False):
                if isinstance(name, Vector) and isinstance(name.dimension, Symbol):
                    found[name.dimension] = width
        return found

    @property
    def data_count(self) -> int | None:
        """The number of samples of an `Empirical` data set, None where data are drawn from laws."""
        return next((law.count for _, law in self.data if hasattr(law, "count")), None)

    @property
    def is_explicit(self) -> bool:
        """Whether there are no vectors and no fields: scalar parameters and scalar data alone."""
        return not self._vectors() and not self.fields

    def _vectors(self) -> set[Vector]:
        found = set(self.vector_parameters) | set(self.data_vectors)
        for expression in (self.loss, *self.fixed):
            found |= expression.atoms(Vector)
        for _, law in self.data:
            found |= outcome_vectors(law)
        return found

    # ---------------------------------------------------------------------------------------------- other views of it

    def components(self, dimensions: Mapping[Any, int] | None = None) -> Model:
        """Return the explicit model in which every vector is expanded into scalars `w_0`, `w_1`, ...

        `dimensions` gives a number to each symbolic dimension that the data do not fix. Raises `MissingValue` where one
        is open. Cost: proportional to the number of scalars (for a field of order k: dimension**k).
        """
        from theory.components import expand_components

        return expand_components(self, dimensions or {})

    def substitute(self, values: Mapping[Any, Any]) -> Model:
        """Return the model with numbers or expressions in place of hyperparameters, in the loss and in every law.

        Raises `UnknownValue` for a symbol that is none.
        """
        exact = {sympy.sympify(key): sympy.sympify(value) for key, value in values.items()}
        for key in exact:
            if key in self.dimensions:
                raise UnknownValue(
                    f"substitute({{{key}: ...}}): {key} is the dimension of vectors; write "
                    f"model.components({{{key}: ...}})"
                )
            if key not in self.hyperparameters:
                raise UnknownValue(
                    f"substitute({{{key}: ...}}): {key} is no hyperparameter of this model; they are "
                    f"{', '.join(map(str, self.hyperparameters)) or 'none'}"
                )
        fields = {field: field.substitute(exact) for field in self.fields}
        data: dict[Any, Any] = {}
        for names, law in self.data:
            images = tuple(fields.get(name, name) for name in names)
            data[images] = images[0].law if isinstance(law, FieldLaw) else law.substitute(exact)
        fixed = {key.xreplace(exact): value.xreplace(exact) for key, value in self.fixed.items()}
        return Model(self.loss.xreplace({**exact, **fields}), self.parameters, data, fixed)

    # --------------------------------------------------------------------------------------------------- identity

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"a model cannot be changed ({name}=...); state a new one, or use model.substitute")

    @property
    def content_hash(self) -> str:
        """SHA-256 of the content: equal models have equal hashes, in every process."""
        if "_hash" not in self.__dict__:
            self.__dict__["_hash"] = super().content_hash
        return str(self.__dict__["_hash"])

    def content(self) -> tuple[Any, ...]:
        data = sorted(((names, law) for names, law in self.data), key=lambda pair: str(pair[0]))
        return self.loss, self.parameters, tuple(data), self.fixed

    def __reduce__(self) -> tuple[Any, ...]:
        data = {names if len(names) > 1 else names[0]: law for names, law in self.data}
        return Model, (self.loss, self.parameters, data, self.fixed)

    def __repr__(self) -> str:
        data = ", ".join(f"{key_text(names)}: {law}" for names, law in self.data)
        fixed = "".join(f", fixed={{{', '.join(f'{k}: {v}' for k, v in self.fixed.items())}}}" if self.fixed else "")
        return f"Model(loss={self.loss}, parameters={list(self.parameters)}, data={{{data}}}{fixed})"

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {self.to_latex()}$"

    def to_latex(self) -> str:
        """The loss and the laws of the data as a LaTeX `aligned` block."""
        rows = [rf"\ell &= {sympy.latex(self.loss)}"]
        for names, law in self.data:
            left = ", ".join(sympy.latex(name) for name in names)
            right = law.latex() if hasattr(law, "latex") else r"\text{Gaussian field}"
            rows.append(rf"{left} &\sim {right}")
        return r"\begin{aligned} " + r" \\ ".join(rows) + r" \end{aligned}"

    # ------------------------------------------------------------------------------------------------------ checks

    def _check_names(self) -> None:
        """Names are unique: no two different objects may carry one name."""
        carriers: dict[str, Any] = {}
        scalars = self.loss.free_symbols | set(self.hyperparameters) | set(self.dimensions)
        for item in [*self.parameters, *self.random, *sorted(self._vectors() | scalars, key=str)]:
            other = carriers.setdefault(item.name, item)
            if other != item:
                raise DuplicateName(
                    f"the name {item.name!r} is carried by two different objects, {describe(other)} and "
                    f"{describe(item)}; give one of them another name (symbols are made with theory.symbols)"
                )
        for role, items in (("parameters", self.parameters), ("data", self.random)):
            for position, item in enumerate(items):
                if item in items[:position]:
                    raise DuplicateName(f"{item.name!r} is listed twice in {role}")
        both = [item for item in self.parameters if item in self.random]
        if both:
            raise DuplicateName(f"{both[0].name!r} is listed both as a parameter and as data; it can be only one")

    def _check_occurrence(self) -> None:
        present = self.loss.free_symbols | self.loss.atoms(Vector) | self.loss.atoms(GaussianField)
        for parameter in self.parameters:
            if parameter not in present:
                raise ModelError(
                    f"parameter {parameter} does not occur in the loss, so no gradient moves it; "
                    f"remove it from parameters or use it in the loss"
                )
        undeclared = sorted(self.loss.atoms(GaussianField) - set(self.fields), key=str)
        if undeclared:
            raise UnknownSymbol(
                f"field {undeclared[0]} occurs in the loss but not in data; add "
                f"data={{{undeclared[0]}: {undeclared[0]}.law}}"
            )
        for field in self.fields:
            points = sorted({v.point for v in self.loss.atoms(FieldValue) if v.field == field}, key=str)
            for point in points[1:]:
                if point.dimension != points[0].dimension:
                    raise DimensionMismatch(
                        f"field {field} is evaluated at {points[0]} in R^{points[0].dimension} and at "
                        f"{point} in R^{point.dimension}; a field lives on one space"
                    )
        for key in self.fixed:
            moving = [v for v in key.atoms(Vector) if v in (*self.vector_parameters, *self.data_vectors)]
            if moving:
                raise ModelError(
                    f"fixed={{{key}: ...}} holds {moving[0]}, which is "
                    f"{'trained' if moving[0] in self.parameters else 'random'}; fixed takes inner products "
                    f"of vectors that never move"
                )

    def _check_laws(self) -> None:
        occupied = set(self.parameters) | set(self.random)
        for names, law in self.data:
            clash = sorted(occupied & (set(law.free_symbols) | outcome_vectors(law)), key=str)
            if clash:
                raise InvalidLaw(
                    f"the law {law} of {key_text(names)} depends on {clash[0]}, which is itself trained or "
                    f"random; laws may contain hyperparameters only"
                )
            check_slots(names, law)
        data_sets = [(names, law) for names, law in self.data if hasattr(law, "count")]
        if len(data_sets) > 1:
            raise InvalidData(
                f"{key_text(data_sets[0][0])} and {key_text(data_sets[1][0])} have data sets of their own, so their rows do "
                f"not belong together; give the columns of one data set jointly, as in data={{(x, y): Empirical(X, Y)}}"
            )
        widths: dict[Any, tuple[Any, int]] = {}
        for names, law in data_sets:
            for name, width in zip(names, law.columns, strict=True):
                if isinstance(name, Vector):
                    other, first = widths.setdefault(name.dimension, (name, width))
                    if first != width:
                        raise DimensionMismatch(
                            f"vectors {other} and {name} both live in R^{name.dimension}, but their data "
                            f"have {first} and {width} columns"
                        )
