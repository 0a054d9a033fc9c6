r"""Lines that move tangent vectors by a Jacobian and keep them orthonormal, with sums of the logarithms of their norms.

In a step q_j' = J q_j, and then, for one vector after the other,

    v = q_j / 2^e                          a power of two, so that no square under- or overflows
    v = v - (q_p . v) q_p,  p < j, twice   modified Gram-Schmidt; the second pass makes q_j orthogonal to rounding
    s = |v|^2,   log-norm_j += e log 2 + (log s) / 2,   q_j = v / sqrt(s)

The sum of logarithms is a product of the s, its binary exponent taken out after every factor into a whole number: a step costs no
logarithm, and nothing is rounded but the product itself.

*Rank loss.* What is left of a vector that lies in the span of the ones before it is rounding noise. Each vector carries a bound r of
the sum of the absolute values of the terms that made it (`TangentCode.sizes`). It is *faint* where |v| < 16 epsilon r, and has *vanished*
where |v| < epsilon^(3/2) r, far below noise: this comes where entries are exact zeros, since the second pass takes noise from noise. Both
are counted. The faint vector counts with the norm 16 epsilon r, and the j-th unit vector takes its place: what was lost of a volume is
known no better, and whoever reads the counts says whether it was lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from numerics.precision import Precision
from numerics.templates.lanes import Lanes, indented
from numerics.templates.tangent import TangentCode, Term

FAINT = 16.0
"""Multiples of the resolution of the numbers below which what is left of a vector is rounding noise."""
_FORMATS = {Precision.FLOAT64: (52, 1023, "int64"), Precision.FLOAT32: (23, 127, "int32")}
"""Bits of the mantissa, bias of the exponent, and the integers of the same width."""


@dataclass(frozen=True)
class Rows:
    """The rows that hold a quantity, by the first.

    `coefficients`, `sizes` : of the tangent program, of this step. `old`, `new` : the vector at work, before and after. `scale`, `power`
    , `bound` : of the
    vector at work. `doubt` : NaN as soon as a number is not finite. `vectors` : the k tangent vectors of d rows each. Of each vector:
    `product`, see the module's text; `bounds`, kept from step to step; `faint`, `vanished`, how often it was so.
    """

    coefficients: int
    sizes: int
    old: int
    new: int
    scale: int
    power: int
    bound: int
    doubt: int
    vectors: int
    product: int
    bounds: int
    faint: int
    vanished: int


class TangentVectors:
    """The lines of `count` vectors of `size` entries; the array `exponent` holds the exponent of each product."""

    def __init__(
        self, tangent: TangentCode, rows: Rows, count: int, every: int, lanes: Lanes, precision: Precision
    ) -> None:
        self.tangent, self.rows, self.count, self.every = tangent, rows, count, every
        self.size, self.lanes, self.precision = len(tangent.results), lanes, precision

    def advanced(self) -> list[str]:
        """The step of all vectors."""

        def column(j: str) -> str:
            return f"column = {self.lanes.rows(j, self.size)}"

        def at_once(j: str) -> list[str]:
            fetched = self._copied(self.rows.old, self.rows.vectors)
            return [column(j), *fetched, *self.lanes.over([*self._image(), *self._scaled()]), *self._orthonormalised(j)]

        def moved(j: str) -> list[str]:
            fetched = [*self._copied(self.rows.old, self.rows.vectors), *self._bound(j, load=True)]
            kept = [*self._copied(self.rows.vectors, self.rows.new), *self._bound(j, load=False)]
            return [column(j), *fetched, *self.lanes.over(self._image()), *kept]

        def later(j: str) -> list[str]:
            fetched = [*self._copied(self.rows.new, self.rows.vectors), *self._bound(j, load=True)]
            reset = self.lanes.over([f"{self._at(self.rows.bounds, j)} = real(0.0)"])
            return [column(j), *fetched, *self.lanes.over(self._scaled()), *self._orthonormalised(j), *reset]

        if self.every == 1:
            return self.lanes.repeated("j", str(self.count), at_once)
        return [
            *self.lanes.repeated("j", str(self.count), moved),
            f"if (step + 1) % {self.every} == 0 or step + 1 == last_step:",
            *indented(self.lanes.repeated("j", str(self.count), later)),
        ]

    def _at(self, row: int, vector: str) -> str:
        """The place of the number that belongs to a vector."""
        return self.lanes.at(row, self.lanes.rows(vector))

    def _entries(self, row: int) -> list[str]:
        """The places of a vector's entries, in the column at work for `vectors`."""
        offset = "column" if row == self.rows.vectors else ""
        return [self.lanes.at(row + i, offset) for i in range(self.size)]

    def _copied(self, to: int, source: int) -> list[str]:
        """Between the column at work and rows at a fixed place: only these a long loop can change."""
        pairs = zip(self._entries(to), self._entries(source), strict=True)
        return self.lanes.parts((), [f"{target} = {value}" for target, value in pairs])

    def _bound(self, j: str, *, load: bool) -> list[str]:
        """The bound of a vector, to or from the row of the vector at work."""
        here, kept = self.lanes.at(self.rows.bound), self._at(self.rows.bounds, j)
        return self.lanes.over([f"{here} = {kept}" if load else f"{kept} = {here}"])

    def _image(self) -> list[str]:
        """Rows `new` = J q_j, and the bound of its terms."""
        sizes = [self.lanes.at(self.rows.sizes + i) for i in range(self.size)]
        lines = [f"q_{i} = {place}" for i, place in enumerate(self._entries(self.rows.old))]
        lines += [f"shared_{n} = {self._sum(terms)}" for n, terms in enumerate(self.tangent.temporaries)]
        images = zip(self._entries(self.rows.new), self.tangent.results, strict=True)
        lines += [f"{place} = {self._sum(terms)}" for place, terms in images]
        terms = " + ".join(f"{place} * abs(q_{i})" for i, place in enumerate(sizes))
        bound = self.lanes.at(self.rows.bound)
        if self.every == 1:
            return [*lines, f"{bound} = {terms}"]
        # noise of earlier steps grows with them: at most by the largest size
        largest = [f"largest = {sizes[0]}", *(f"largest = max(largest, {place})" for place in sizes[1:])]
        return [*lines, *largest, f"{bound} = {terms} + largest * {bound}"]

    def _sum(self, terms: Sequence[Term]) -> str:
        text = ""
        for term in terms:
            variable = f"q_{term.variable}" if term.variable >= 0 else f"shared_{-1 - term.variable}"
            factor = (
                "" if term.coefficient is None else f"{self.lanes.at(self.rows.coefficients + term.coefficient)} * "
            )
            text += (" - " if term.sign < 0 else " + ") + factor + variable
        if not text:
            return "real(0.0)"
        return f"-{text[3:]}" if text.startswith(" - ") else text[3:]

    def _orthonormalised(self, j: str) -> list[str]:
        """The column at work from rows `new`, which are scaled; the product of norms, counts and doubts."""
        scale = self.lanes.at(self.rows.scale)
        passes = self.lanes.repeated("p", j, self._projected)
        rows = zip(self._entries(self.rows.vectors), self._entries(self.rows.new), strict=True)
        units = [f"unit_{i} = real(1.0) if {j} == {i} else real(0.0)" for i in range(self.size)]
        return [
            *self.lanes.repeated("repeat", "2", lambda _: passes),
            *self._measured(j),
            *units,
            *self.lanes.parts(
                [f"scale = {scale}", "small = real(1.0) if scale == real(0.0) else real(0.0)"],
                [f"{target} = {value} * scale + small * unit_{i}" for i, (target, value) in enumerate(rows)],
            ),
        ]

    def _scaled(self) -> list[str]:
        """Divide rows `new` by a power of two, and keep its exponent."""
        entries, real = self._entries(self.rows.new), f"np.{self.precision}"
        width, bias, whole = _FORMATS[self.precision]
        return [
            f"largest = abs({entries[0]})",
            *(f"largest = max(largest, abs({entry}))" for entry in entries[1:]),
            f"power = np.int64({real}(largest).view(np.{whole})) >> np.int64({width})",
            f"scale = np.{whole}((np.int64({2 * bias}) - power) << np.int64({width})).view({real})",
            f"{self.lanes.at(self.rows.power)} = real(power - np.int64({bias}))",
            f"{self.lanes.at(self.rows.bound)} *= scale",
            *(f"{entry} *= scale" for entry in entries),
        ]

    def _projected(self, p: str) -> list[str]:
        """Rows `new` minus their projection on vector p."""
        entries = self._entries(self.rows.new)
        other = [self.lanes.at(self.rows.vectors + i, "other") for i in range(self.size)]
        inner = " + ".join(f"{a} * {b}" for a, b in zip(entries, other, strict=True))
        kept = self.lanes.at(self.rows.scale)
        removed = [f"{a} -= inner * {b}" for a, b in zip(entries, other, strict=True)]
        return [
            f"other = {self.lanes.rows(p, self.size)}",
            *self.lanes.over([f"{kept} = {inner}"]),
            *self.lanes.parts([f"inner = {kept}"], removed),
        ]

    def _measured(self, j: str) -> list[str]:
        """The squared norm of rows `new`, into the product; row `scale` becomes what normalises them, 0 for a faint vector."""
        width, bias, whole = _FORMATS[self.precision]
        epsilon, real = self.precision.epsilon, f"np.{self.precision}"
        product, bound = self._at(self.rows.product, j), self.lanes.at(self.rows.bound)
        power, scale = self.lanes.at(self.rows.power), self.lanes.at(self.rows.scale)
        exponent = self.lanes.at(0, self.lanes.rows(j), "exponent")
        lines = [
            f"square = {' + '.join(f'{entry} * {entry}' for entry in self._entries(self.rows.new))}",
            f"least = real({(FAINT * epsilon) ** 2!r}) * ({bound} * {bound})",
            "small = square <= least",
            f"{self._at(self.rows.faint, j)} += real(1.0) if small else real(0.0)",
            f"{self._at(self.rows.vanished, j)} += real(1.0) if square <= real({epsilon / FAINT**2!r}) * least else real(0.0)",
            f"factor = {product} * (least if small else square)",
            f"bits = np.int64({real}(factor).view(np.{whole}))",
            f"shift = (bits >> np.int64({width})) - np.int64({bias})",
            f"{product} = np.{whole}(bits - (shift << np.int64({width}))).view({real})",
            f"{power} = real(shift) + real(2.0) * {power}",
            f"{self.lanes.at(self.rows.doubt)} += real(0.0) * square",
            f"{scale} = real(0.0) if small else real(1.0) / math.sqrt(square)",
        ]
        return [*self.lanes.over(lines), *self.lanes.over([f"{exponent} += np.int64({power})"])]
