"""Code that draws the gradient of a Gaussian field at all trained vectors at once, exact in law.

At K points p_a the gradients have the covariance of <grad F(p), u> and <grad F(q), v> equal to
kappa'(<p, q>) <u, v> + kappa''(<p, q>) <q, u> <p, v>. They are drawn as combinations of K standard normal vectors and the points
themselves, so that a field costs inner products and scaled additions like every other datum:

    grad F(p_a) = sum_b across[a, b] noise_b + sum_c along[a, c] p_c.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sympy import Expr, Symbol

from numerics.precision import Precision
from numerics.printer import scalar_function
from numerics.targets.replica import DrawnVector, Entries, Lines, Operation, Pass
from numerics.templates.draws import MEMBER_STREAMS
from theory.fields import GaussianField


class FieldCode:
    """The code of one field: its noise vectors, and the coefficients of its gradients.

    `number` tells fields apart; `points`, the names of the rows at which it is evaluated; `stream`, the first of its streams, one
    for each point; `held`, the variable that holds a hyperparameter.
    """

    def __init__(
        self,
        field: GaussianField,
        number: int,
        points: Sequence[str],
        stream: int,
        held: Callable[[Expr], str],
        precision: Precision,
    ) -> None:
        self.field, self.number, self.points, self.held, self.precision = field, number, tuple(points), held, precision
        streams = [f"stream + {stream + a + 1} + {MEMBER_STREAMS} * member" for a in range(len(points))]
        self.noises = {
            f"noise_{number}_{a}": DrawnVector(Entries(block="normal_block", stream=where), "FIELD_PURPOSE")
            for a, where in enumerate(streams)
        }

    @property
    def _pairs(self) -> list[tuple[int, int]]:
        return [(a, b) for a in range(len(self.points)) for b in range(len(self.points))]

    @property
    def function(self) -> str:
        """The printed function of kappa' and kappa''."""
        argument = Symbol("gram", real=True)
        outputs = [self.field.covariance(argument, derivative=1), self.field.covariance(argument, derivative=2)]
        arguments = [argument, *sorted(self.field.free_symbols, key=str)]
        return scalar_function(f"kernel_{self.number}", arguments, outputs, precision=self.precision)

    @property
    def locals_(self) -> dict[str, tuple[int, ...]]:
        """Small arrays: Gram matrices, covariances, coefficients, and what their factorisation needs."""
        k, f = len(self.points), self.number
        square = ("gram", "noise_gram", "first", "second", "across", "along", "triangle", "white")
        return {**{f"{name}_{f}": (k, k) for name in square}, f"covariance_{f}": (k * k, k * k), f"bracket_{f}": (k, k)}

    def operations(self, shifts: Sequence[str]) -> list[Operation]:
        """Inner products of points and noises, then the coefficients as scalars; `shifts`, lines that compute the points."""
        f, points, noises = self.number, self.points, list(self.noises)
        sums, lines = [], list(shifts)
        for a, b in self._pairs:
            if a <= b:
                sums.append(f"gram_{f}_{a}_{b}")
                lines.append(f"gram_{f}_{a}_{b} += {points[a]} * {points[b]}")
            sums.append(f"reach_{f}_{a}_{b}")
            lines.append(f"reach_{f}_{a}_{b} += {noises[a]} * {points[b]}")
        extra = "".join(f", {self.held(s)}" for s in sorted(self.field.free_symbols, key=str))
        small = []
        for a, b in self._pairs:
            small += [
                f"gram_{f}[{a}, {b}] = gram_{f}_{min(a, b)}_{max(a, b)}",
                f"noise_gram_{f}[{a}, {b}] = reach_{f}_{a}_{b}",
                f"first_{f}[{a}, {b}], second_{f}[{a}, {b}] = kernel_{f}(gram_{f}[{a}, {b}]{extra})",
            ]
        arrays = ", ".join(f"{name}_{f}" for name in _FIELD_ARRAYS)
        small.append(f"field_coefficients({arrays})")
        for a, b in self._pairs:
            small += [f"across_{f}_{a}_{b} = across_{f}[{a}, {b}]", f"along_{f}_{a}_{b} = along_{f}[{a}, {b}]"]
        return [Pass(tuple(lines), sums=tuple(sums)), Lines(tuple(small))]

    def gradient_entry(self, point: int) -> str:
        """The entry of the gradient at a point, over the entries of noises and points."""
        f, count = self.number, range(len(self.points))
        across = [f"across_{f}_{point}_{b} * {noise}" for b, noise in enumerate(self.noises)]
        along = [f"along_{f}_{point}_{c} * {self.points[c]}" for c in count]
        return " + ".join([*across, *along])


_FIELD_ARRAYS = (
    "gram",
    "noise_gram",
    "first",
    "second",
    "triangle",
    "white",
    "covariance",
    "bracket",
    "across",
    "along",
)


def fields_code(
    fields: Sequence[GaussianField],
    points_of: Callable[[GaussianField], Sequence[str]],
    held: Callable[[Any], str],
    precision: Precision,
) -> list[FieldCode | None]:
    """The code of every field; None for one whose gradient no parameter feels."""
    found: list[FieldCode | None] = []
    first = 0
    for number, field in enumerate(fields):
        points = points_of(field)
        found.append(FieldCode(field, number, points, first, held, precision) if points else None)
        first += len(points)
    return found
