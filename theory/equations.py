"""Equations: what every derivation returns, and the whole contract with `numerics`.

An equation is immutable. It names its state, its clock and its conventions, carries every assumption with how it was
checked, and the steps that lead from the loss to the answer.
"""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import sympy
from sympy import Expr, ImmutableDenseMatrix

from theory.identity import Identified
from theory.references import Reference
from theory.vectors import open_symbols


class Clock(StrEnum):
    """What one unit of time is."""

    STEPS = "steps"
    LEARNING_RATE_TIMES_STEPS = "learning rate x steps"
    STEPS_PER_DIMENSION = "steps / n"
    EPOCHS = "epochs"


class Status(StrEnum):
    """How an assumption is known."""

    CHECKED = "checked"
    STATED = "stated by the user"


@dataclass(frozen=True)
class Assumption:
    """A hypothesis of a derivation: `statement`, its `status`, and `evidence`, the check made or who said so."""

    statement: str
    status: Status
    evidence: str

    def content(self) -> tuple[Any, ...]:
        """What identifies the assumption."""
        return self.statement, self.status, self.evidence


@dataclass(frozen=True)
class Step:
    """One step of a derivation: `title`, `equations` (pairs of left and right side), `reason`."""

    title: str
    equations: tuple[tuple[Any, Any], ...]
    reason: str

    def __str__(self) -> str:
        lines = [self.title, *(f"    {left} = {right}" for left, right in self.equations), f"  because {self.reason}"]
        return "\n".join(lines)

    def to_latex(self) -> str:
        """The equations of the step as an `aligned` block."""
        return _aligned([(_latex(left), "=", _latex(right)) for left, right in self.equations])


class Steps(tuple[Step, ...]):
    """The steps of a derivation in order; printing it shows the derivation, a notebook typesets it."""

    def __str__(self) -> str:
        return "\n".join(f"{number}. {step}" for number, step in enumerate(self, start=1))

    __repr__ = __str__

    def _repr_markdown_(self) -> str:
        blocks = []
        for number, step in enumerate(self, start=1):
            equations = f"$${step.to_latex()}$$" if step.equations else ""
            title, reason = _plain_markdown(step.title), _plain_markdown(step.reason)
            blocks.append(f"**{number}. {title}**\n\n{equations}\n\n*because {reason}*")
        return "\n\n".join(blocks)


@dataclass(frozen=True, eq=False, kw_only=True)
class Equations(Identified):
    """Base of every result.

    `clock`: the unit of time. `conventions`: what the numbers mean. `approximation`: the name of a closure or of an
    approximation, None where the equations are exact in the sense that the type states. `observables`: named functions
    of the state, reported instead of it. `statistics`: the same names as functions of the model's own quantities, which a
    simulation measures. `model_hash`: content hash of model and algorithm.
    """

    clock: Clock = Clock.STEPS
    conventions: tuple[str, ...] = ()
    approximation: str | None = None
    observables: Mapping[str, Expr] = field(default_factory=dict)
    statistics: Mapping[str, Expr] = field(default_factory=dict)
    assumptions: tuple[Assumption, ...] = ()
    steps: Steps = Steps()
    references: tuple[Reference, ...] = ()
    model_hash: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "observables", dict(self.observables))
        object.__setattr__(self, "statistics", dict(self.statistics))
        object.__setattr__(self, "steps", Steps(self.steps))

    @property
    def lines(self) -> tuple[tuple[Any, Any], ...]:
        """The equations as pairs (left side, right side), in order."""
        raise NotImplementedError

    @property
    def state(self) -> tuple[Expr, ...]:
        """The quantities that the equations move."""
        return ()

    @property
    def free_symbols(self) -> tuple[Expr, ...]:
        """The symbols (and inner products of fixed vectors) that need a value before numbers come out, by name."""
        bound = set(self.state) | set(self._bound_symbols())
        found: set[Expr] = set()
        for expression in self._expressions():
            found |= open_symbols(expression, bound)
        return tuple(sorted(found, key=str))

    def _bound_symbols(self) -> tuple[Expr, ...]:
        """Symbols that the equations themselves bind (time, noise)."""
        return ()

    def _expressions(self) -> tuple[Expr, ...]:
        """Every right-hand side."""
        return tuple(right for _, right in self.lines) + tuple(self.observables.values())

    def content(self) -> tuple[Any, ...]:
        return self.clock, tuple(self.lines), self.observables, self.approximation

    def to_latex(self) -> str:
        """The equations as a LaTeX `aligned` block."""
        return _aligned([(_latex(left), "=", _latex(right)) for left, right in self.lines])

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {self.to_latex()}$"

    def __str__(self) -> str:
        width = max((len(str(left)) for left, _ in self.lines), default=0)
        return "\n".join(f"{left!s:>{width}} = {right}" for left, right in self.lines)

    def __repr__(self) -> str:
        label = f", approximation: {self.approximation}" if self.approximation else ""
        return f"{type(self).__name__} (clock: {self.clock}{label})\n{self}"

    def bibtex(self) -> str:
        """BibTeX of the sources of this derivation."""
        return "\n\n".join(reference.bibtex() for reference in self.references)


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Recurrence(Equations):
    """x_{k+1} = F(x_k): `update` maps each state quantity to its next value."""

    update: Mapping[Expr, Expr]

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "update", dict(self.update))

    @property
    def state(self) -> tuple[Expr, ...]:
        return tuple(self.update)

    @property
    def lines(self) -> tuple[tuple[Any, Any], ...]:
        return tuple((next_value_of(key), value) for key, value in self.update.items())


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class RandomMap(Recurrence):
    """x_{k+1} = F(x_k; z_k) with i.i.d. draws z_k: `draws` are pairs (tuple of symbols, law)."""

    draws: tuple[tuple[tuple[Expr, ...], Any], ...] = ()

    def _bound_symbols(self) -> tuple[Expr, ...]:
        return tuple(symbol for names, _ in self.draws for symbol in names)

    def content(self) -> tuple[Any, ...]:
        return (*super().content(), self.draws)


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class ODE(Equations):
    """dx/dt = F(x): `rates` maps each state quantity to its rate of change per unit of the clock."""

    rates: Mapping[Expr, Expr]
    clock: Clock = Clock.LEARNING_RATE_TIMES_STEPS

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "rates", dict(self.rates))

    @property
    def state(self) -> tuple[Expr, ...]:
        return tuple(self.rates)

    @property
    def lines(self) -> tuple[tuple[Any, Any], ...]:
        return tuple((rate_of(key), value) for key, value in self.rates.items())


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class SDE(ODE):
    """dx = F dt + dM in the Ito sense: `rates` is F, `covariance` the matrix Sigma of d<M>/dt, in the order of `state`."""

    covariance: ImmutableDenseMatrix

    @property
    def lines(self) -> tuple[tuple[Any, Any], ...]:
        names = self.state
        entries = tuple(
            (sympy.Function("Sigma")(sympy.Symbol(str(names[i])), sympy.Symbol(str(names[j]))), self.covariance[i, j])
            for i in range(len(names))
            for j in range(i, len(names))
        )
        return super().lines + entries


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Boundary(Equations):
    """A boundary between phases: where `expression` vanishes. `sides` says what its sign means."""

    expression: Expr
    sides: tuple[str, str] = ("negative", "positive")

    @property
    def lines(self) -> tuple[tuple[Any, Any], ...]:
        return ((self.expression, sympy.S.Zero),)

    def _expressions(self) -> tuple[Expr, ...]:
        return (self.expression,)

    def content(self) -> tuple[Any, ...]:
        return (*super().content(), self.sides)


# -------------------------------------------------------------------------------------------------------- display


class Display:
    r"""A left side: a format for plain text, one for LaTeX, and the expressions that go into them.

    >>> from sympy import Symbol
    >>> print(Display("d{}/dt", r"\frac{{d}}{{dt}} {}", Symbol("m")))
    dm/dt
    """

    def __init__(self, text: str, latex: str, *parts: Any) -> None:
        self.text, self.latex, self.parts = text, latex, parts

    def content(self) -> tuple[Any, ...]:
        """What identifies the left side."""
        return self.text, self.parts

    def __str__(self) -> str:
        return self.text.format(*self.parts)

    def _latex(self, printer: Any) -> str:
        return self.latex.format(*(printer._print(part) for part in self.parts))


def rate_of(quantity: Any) -> Display:
    """d x / dt."""
    text = "d{}/dt" if isinstance(quantity, sympy.Symbol) else "d/dt {}"
    return Display(text, r"\frac{{d}}{{dt}} {}", quantity)


def next_value_of(quantity: Any) -> Display:
    """x', the value after one step."""
    return Display("{}'", r"{}'", quantity)


def loss_derivative(parameter: Any) -> Display:
    """d loss / d parameter."""
    return Display("d loss / d {}", r"\partial \ell / \partial {}", parameter)


def gradient_coefficient(vector: Any, parameter: Any) -> Display:
    """The coefficient of a vector in the gradient with respect to a trained vector."""
    latex = r"\text{{coefficient of }} {} \text{{ in }} \nabla_{{{}}} \ell"
    return Display("coefficient of {} in grad_{} loss", latex, vector, parameter)


def _plain_markdown(text: str) -> str:
    """Text that Markdown shows as it stands: `n**2` is no emphasis, `<z, z>` no tag."""
    escaped = html.escape(text, quote=False)
    for mark in "\\`*_[]#|~$":
        escaped = escaped.replace(mark, f"\\{mark}")
    return escaped


def _latex(side: Any) -> str:
    return rf"\text{{{side}}}" if isinstance(side, str) else str(sympy.latex(side))


def _aligned(rows: list[tuple[str, str, str]]) -> str:
    body = r" \\ ".join(f"{left} &{relation} {right}" for left, relation, right in rows)
    return rf"\begin{{aligned}} {body} \end{{aligned}}"
