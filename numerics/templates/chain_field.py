r"""Code that draws the gradients of one Gaussian field at the trained vectors, exact in law, in the coordinates of a frame.

With kappa', kappa'' at |p|^2 and a standard normal vector zeta, one point p needs no factorisation:

    grad F(p) = sqrt(kappa') zeta + kappa'' <zeta, p> / (sqrt(kappa') + sqrt(kappa' + kappa'' |p|^2)) p,

whose variance is kappa' + kappa'' |p|^2 along p and kappa' across. Several points: `field_coefficients`.
"""

from __future__ import annotations

from collections.abc import Sequence

from sympy import Symbol

from numerics.printer import scalar_function
from numerics.targets import Local
from numerics.templates.chain_state import ChainState
from numerics.templates.coordinates import Code, Row
from theory.fields import FieldGradient, GaussianField
from theory.vectors import Vector

ARRAYS = ("gram", "reach", "first", "second", "triangle", "white", "covariance", "bracket", "across", "along")
"""What `numerics.linear_algebra.field_coefficients` reads, works in and fills."""


class ChainField:
    """The code of one field. `number` tells fields apart; its noise vectors are the rows of `z` from `offset` on."""

    def __init__(self, state: ChainState, number: int, field: GaussianField, offset: int) -> None:
        self.state, self.code = state, state.code
        self.number, self.field, self.offset = number, field, offset
        self.points = state.points[field]
        count = len(self.points)
        if count > 1:
            shapes = {name: (count**2, count**2) if name == "covariance" else (count, count) for name in ARRAYS}
            shapes["kernel"] = (count, count)
            self.code.locals_ += [Local(f"{name}_{number}", shape) for name, shape in shapes.items()]

    def kernel(self, left: int, right: int) -> str:
        """kappa' between two trained vectors, after `lines`."""
        if len(self.points) == 1:
            return f"kernel_{self.number}"
        return f"kernel_{self.number}[{self.points.index(left)}, {self.points.index(right)}]"

    def lines(self, rows: Sequence[Row]) -> tuple[Code, dict[Vector, Row]]:
        """Statements that compute the gradients, and where these are; `rows` are those of `z`."""
        f, symbols = self.number, sorted(self.field.free_symbols, key=str)
        argument = Symbol("gram", real=True)
        outputs = [self.field.covariance(argument, derivative=1), self.field.covariance(argument, derivative=2)]
        self.state.functions.append(
            scalar_function(f"field_kernel_{f}", [argument, *symbols], outputs, precision=self.state.precision)
        )
        call = f"field_kernel_{f}(norm{''.join(f', {self.state.hyper_names[s]}' for s in symbols)})"
        points = [self.state.point_row(i) for i in self.points]
        noises = rows[self.offset : self.offset + len(points)]
        width = max(noise.size for noise in noises)
        slopes = [self.code.row("slopes", self.offset + a, width) for a in range(len(points))]
        found = {FieldGradient(self.field, self.state.trained[i]): slopes[a] for a, i in enumerate(self.points)}
        write = self._one if len(points) == 1 else self._named if self.code.unrolled else self._looped
        return write(call, points, noises, slopes), found

    def _one(self, call: str, points: Sequence[Row], noises: Sequence[Row], slopes: Sequence[Row]) -> Code:
        (point,), (noise,), (slope,), f = points, noises, slopes, self.number
        return [
            *self.code.inner("norm", point, point),
            *self.code.inner("reach", noise, point),
            f"kernel_{f}, bend = {call}",
            f"root = math.sqrt(kernel_{f})",
            f"length = root + math.sqrt(kernel_{f} + bend * norm)",
            "reach = bend * reach / length if length != real(0.0) else real(0.0)",
            *self.code.each(0, noise.size, lambda j: [f"{slope.entry(j)} = root * {noise.entry(j)}"]),
            *self.code.add(slope, [("reach", point)]),
        ]

    def _named(self, call: str, points: Sequence[Row], noises: Sequence[Row], slopes: Sequence[Row]) -> Code:
        f, lines = self.number, []
        for a, left in enumerate(points):
            for b, right in enumerate(points):
                lines += [*self.code.inner("norm", noises[a], right), f"reach_{f}[{a}, {b}] = norm"]
                if b < a:
                    continue
                lines += [*self.code.inner("norm", left, right), f"value, bend = {call}"]
                for i, j in ((a, b), (b, a)):
                    lines += [
                        f"gram_{f}[{i}, {j}] = norm",
                        f"kernel_{f}[{i}, {j}] = value",
                        f"first_{f}[{i}, {j}] = value",
                        f"second_{f}[{i}, {j}] = bend",
                    ]
        lines.append(f"field_coefficients({', '.join(f'{name}_{f}' for name in ARRAYS)})")
        for a, slope in enumerate(slopes):
            terms = [(f"across_{f}[{a}, {b}]", noise) for b, noise in enumerate(noises)]
            terms += [(f"along_{f}[{a}, {c}]", point) for c, point in enumerate(points)]
            lines += self.code.each(0, slope.size, lambda j, slope=slope: [f"{slope.entry(j)} = real(0.0)"])  # type: ignore[misc]
            lines += self.code.add(slope, terms)
        return lines

    def _looped(self, call: str, points: Sequence[Row], noises: Sequence[Row], slopes: Sequence[Row]) -> Code:
        f, count, size, o = self.number, len(points), self.state.shape.size, self.offset
        array = points[0].array
        return [
            f"points_{f} = ({', '.join(str(point.index) for point in points)})",
            f"for a in range({count}):",
            f"    for b in range({count}):",
            f"        reach_{f}[a, b] = inner_rows(z, {o} + a, {array}, points_{f}[b], {size})",
            f"        norm = inner_rows({array}, points_{f}[a], {array}, points_{f}[b], {size})",
            f"        gram_{f}[a, b] = norm",
            f"        value, bend = {call}",
            f"        kernel_{f}[a, b], first_{f}[a, b], second_{f}[a, b] = value, value, bend",
            f"field_coefficients({', '.join(f'{name}_{f}' for name in ARRAYS)})",
            f"for a in range({count}):",
            f"    for j in range({slopes[0].size}):",
            f"        slopes[{o} + a, j] = real(0.0)",
            f"    for b in range({count}):",
            f"        add_row(slopes, {o} + a, across_{f}[a, b], z, {o} + b, {slopes[0].size})",
            f"        add_row(slopes, {o} + a, along_{f}[a, b], {array}, points_{f}[b], {size})",
        ]
