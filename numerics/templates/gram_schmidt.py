r"""Lines that move tangent vectors by a Jacobian and keep them orthogonal, with the logarithms of their norms.

In a step v = J q_j, and then, for one vector after the other,

    v = v - g_p (q_p . v) q_p,  p < j, twice   modified Gram-Schmidt; the second pass makes q_j orthogonal to rounding
    s = |v|^2,   q_j = v,   g_j = 1 / s

The vectors are orthogonal, and not unit vectors: a step costs no square root, and its norms multiply by themselves. Only powers of
two are taken out, v = v / 2^e, so that no square under- or overflows: the log-norm is e log 2, summed, plus (log s) / 2 of the last
vector, and nothing is rounded but the vectors themselves. A power of two changes no digit of what follows, so it does not matter when
it is taken out: on the CPU at every `RESCALED_EVERY`th step, and at once for a lane whose numbers leave a safe range.

*Rank loss.* What is left of a vector that lies in the span of the ones before it is rounding noise. Each vector carries a bound r of
the sum of the absolute values of the terms that made it (`TangentCode.sizes`). It is *faint* where |v| < 16 epsilon r, and has *vanished*
where |v| < (16 epsilon)^2 r, the noise of noise: this comes where entries are exact zeros or multiples, since the second pass takes
noise from noise, and by accident once in some 1 / (512 epsilon) times. Both are counted. The faint vector counts with the norm
16 epsilon r, and the j-th unit vector takes its place: what was lost of a volume is known no better, and whoever reads the counts says
whether it was lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from numerics.precision import Precision
from numerics.templates.lanes import Lanes, indented
from numerics.templates.tangent import TangentCode, Term

FAINT = 16.0
"""Multiples of the resolution of the numbers below which what is left of a vector is rounding noise."""
RESCALED_EVERY = 32
"""Steps after which powers of two are taken out of all vectors of a group of replicas."""


@dataclass(frozen=True)
class Format:
    """Bits of the mantissa of a format, the bias of its exponent, integers of its width, and a width of exponents.

    Squares of numbers within `safe` powers of two, from 2^(-safe / 4) on, are in range, and so are their products with the squares
    of `FAINT` and of the resolution.
    """

    mantissa: int
    bias: int
    whole: str
    safe: int

    @property
    def least(self) -> float:
        """What is added to a bound, so that it is not 0, nor its power of two the smallest."""
        return 2.0 ** (3 - self.bias)

    @property
    def even(self) -> int:
        """The bits of the exponent but its last."""
        return 2 * self.bias << self.mantissa

    @property
    def top(self) -> int:
        """From what these bits are taken to make those of 2^-e: for every finite number, the largest too, a normal number."""
        return (2 * self.bias + 1) << self.mantissa

    @property
    def lowest(self) -> int:
        """The bits of the smallest safe number."""
        return self.bias - self.safe // 4 << self.mantissa

    @property
    def unsafe(self) -> int:
        """The bits of which one is set in the difference to `lowest` where a number is not safe."""
        return (2 * self.bias + 1) // self.safe * self.safe << self.mantissa


FORMATS = {Precision.FLOAT64: Format(52, 1023, "int64", 256), Precision.FLOAT32: Format(23, 127, "int32", 64)}


@dataclass(frozen=True)
class Rows:
    """The rows of `work` that hold a quantity, by the first.

    `sizes` : of the tangent program, of this step. `vectors` : the k tangent vectors of d rows each. Of each vector: `inverses`, g_j;
    `bounds`, kept from step to step where vectors are not orthogonalised at every one.
    The array `fresh` holds the vector at work in d rows, and its bound; `whole`, integers, of each vector the exponents, then how often
    it was faint, then how often it vanished, and at last the step at which numbers ceased to be finite.
    """

    sizes: int
    vectors: int
    inverses: int
    bounds: int


class TangentVectors:
    """The lines of `count` vectors; `coefficients` are the places of those of the tangent program."""

    def __init__(
        self,
        tangent: TangentCode,
        coefficients: Sequence[str],
        rows: Rows,
        count: int,
        every: int,
        lanes: Lanes,
        precision: Precision,
    ) -> None:
        self.tangent, self.coefficients, self.rows, self.count, self.every = tangent, coefficients, rows, count, every
        self.size, self.lanes, self.precision = len(tangent.results), lanes, precision
        self.format, self.watched = FORMATS[precision], lanes.count > 1
        self.fresh = [lanes.at(i, array="fresh") for i in range(self.size)]
        self.bound = lanes.at(self.size, array="fresh")

    def advanced(self) -> list[str]:
        """The step of all vectors; sets `lost` where one is no longer finite."""

        def column(j: str) -> str:
            return f"column = {self.lanes.rows(j, self.size)}"

        def at_once(j: str) -> list[str]:
            found = [*self._image(), *self._added("wild", self._unsafe(self.bound))]
            return [column(j), *self.zero("wild"), *self.lanes.over(found), *self._scaled(j), *self._orthogonal(j)]

        def moved(j: str) -> list[str]:
            kept = [*self._pairs(self._column(), self.fresh), f"{self._bounds(j)} = {self.bound}"]
            fetch = f"{self.bound} = {self._bounds(j)}"
            return [column(j), *self.lanes.over([fetch, *self._image()]), *self.lanes.over(kept)]

        def later(j: str) -> list[str]:
            fetched = [*self._pairs(self.fresh, self._column()), f"{self.bound} = {self._bounds(j)}"]
            reset = self.lanes.over([f"{self._bounds(j)} = real(0.0)"])
            return [column(j), *self.lanes.over(fetched), *self._scaled(j), *self._orthogonal(j), *reset]

        if self.every == 1:
            return self.lanes.repeated("j", str(self.count), at_once)
        return [
            *self.lanes.repeated("j", str(self.count), moved),
            f"if (step + 1) % {self.every} == 0 or step + 1 == last_step:",
            *indented(self.lanes.repeated("j", str(self.count), later)),
        ]

    def whole(self, kind: int, vector: str) -> str:
        """The place of an integer that belongs to a vector: its exponent, 0, faint, 1, or vanished, 2."""
        return self.lanes.at(kind * self.count, self.lanes.rows(vector), "whole")

    def square(self, entries: Sequence[str]) -> str:
        """The sum of squares."""
        return " + ".join(f"{entry} * {entry}" for entry in entries)

    def _column(self) -> list[str]:
        """The places of the vector whose first row is `column`."""
        return [self.lanes.at(self.rows.vectors + i, "column") for i in range(self.size)]

    def _inverse(self, vector: str) -> str:
        return self.lanes.at(self.rows.inverses, self.lanes.rows(vector))

    def _bounds(self, vector: str) -> str:
        return self.lanes.at(self.rows.bounds, self.lanes.rows(vector))

    def _pairs(self, targets: Sequence[str], values: Sequence[str]) -> list[str]:
        return [f"{target} = {value}" for target, value in zip(targets, values, strict=True)]

    # ------------------------------------------------------------------------- what some lane of a group has met

    def _bits(self, value: str) -> str:
        return f"np.{self.precision}({value}).view(np.{self.format.whole})"

    def zero(self, flag: str) -> list[str]:
        return [f"{flag} = np.{self.format.whole}(0)"] if self.watched else []

    def seen(self, flag: str, value: str) -> list[str]:
        """Add the bits of a lane's number to those that a group has met."""
        return self._added(flag, self._bits(value))

    def _added(self, flag: str, bits: str) -> list[str]:
        return [f"{flag} = np.{self.format.whole}({flag} | ({bits}))"] if self.watched else []

    def _unsafe(self, value: str) -> str:
        whole = f"np.{self.format.whole}"
        return f"({self._bits(value)} - {whole}({self.format.lowest})) & {whole}({self.format.unsafe})"

    def rarely(self, condition: str, lines: Sequence[str]) -> list[str]:
        """Lines of all lanes that matter only if one of them has met something; for a single lane they cost less than the question."""
        return [f"if {condition}:", *indented(self.lanes.over(lines))] if self.watched else list(lines)

    # -------------------------------------------------------------------------------------------------- one vector

    def _image(self) -> list[str]:
        """Vector `fresh` = J q_j, and the bound of its terms."""
        sizes = [self.lanes.at(self.rows.sizes + i) for i in range(self.size)]
        lines = [f"q_{i} = {place}" for i, place in enumerate(self._column())]
        lines += [f"shared_{n} = {self._sum(terms)}" for n, terms in enumerate(self.tangent.temporaries)]
        lines += self._pairs(self.fresh, [self._sum(terms) for terms in self.tangent.results])
        terms = " + ".join(f"{place} * abs(q_{i})" for i, place in enumerate(sizes))
        terms = f"real({self.format.least!r}) + {terms}"
        if self.every == 1:
            return [*lines, f"{self.bound} = {terms}"]
        # noise of earlier steps grows with them: at most by the largest size
        largest = [f"largest = {sizes[0]}", *(f"largest = max(largest, {place})" for place in sizes[1:])]
        return [*lines, *largest, f"{self.bound} = {terms} + largest * {self.bound}"]

    def _sum(self, terms: Sequence[Term]) -> str:
        text = ""
        for term in terms:
            variable = f"q_{term.variable}" if term.variable >= 0 else f"shared_{-1 - term.variable}"
            factor = "" if term.coefficient is None else f"{self.coefficients[term.coefficient]} * "
            text += (" - " if term.sign < 0 else " + ") + factor + variable
        if not text:
            return "real(0.0)"
        return f"-{text[3:]}" if text.startswith(" - ") else text[3:]

    def _scaled(self, j: str) -> list[str]:
        """Divide `fresh` and its bound by a power of two, and keep its exponent."""
        form = self.format
        some = self.watched and self.every == 1
        only = " if taken else " if some else ""
        lines = [
            f"bits = {self._bits(self.bound)}",
            *([f"taken = regular or ({self._unsafe(self.bound)}) != 0"] if some else []),
            f"bits = np.{form.whole}(bits & np.{form.whole}({form.even}))",
            f"scale = np.{form.whole}(np.{form.whole}({form.top}) - bits).view(np.{self.precision})"
            + (only and f"{only}real(1.0)"),
            f"{self.whole(0, j)} += (np.int64(bits >> np.{form.whole}({form.mantissa})) - np.int64({form.bias + 1}))"
            + (only and f"{only}np.int64(0)"),
            *(f"{place} *= scale" for place in (*self.fresh, self.bound)),
        ]
        if not some:
            return self.lanes.over(lines)
        return [f"regular = step % {RESCALED_EVERY} == 0", *self.rarely("regular or wild != 0", lines)]

    def _orthogonal(self, j: str) -> list[str]:
        """The column at work from `fresh`, its inverse square, counts, and whether numbers are finite."""
        passes = self.lanes.repeated("p", j, self._projected)
        noise = FAINT * self.precision.epsilon
        limit, least = f"{self.bound} * real({noise!r})", f"real({noise**2!r})"
        kept = [
            *(f"v_{i} = {place}" for i, place in enumerate(self.fresh)),
            f"square = {self.square([f'v_{i}' for i in range(self.size)])}",
            f"limit = {limit}",
            "inverse = real(-1.0) if square <= limit * limit else real(1.0) / square",
            f"{self._inverse(j)} = inverse",
            *self._pairs(self._column(), [f"v_{i}" for i in range(self.size)]),
            *self.seen("noise", "inverse"),
            *self.seen("lost", "abs(real(0.0) * (square + limit))"),
        ]
        units = [f"limit if {j} == {i} else real(0.0)" for i in range(self.size)]
        replaced = [
            f"if {self._inverse(j)} < real(0.0):",
            *indented(
                [
                    f"square = {self.square(self.fresh)}",
                    f"limit = {limit}",
                    f"{self.whole(1, j)} += 1",
                    f"{self.whole(2, j)} += 1 if square <= {least} * (limit * limit) else 0",
                    *self._pairs(self._column(), units),
                    f"{self._inverse(j)} = real(1.0) / (limit * limit)",
                ]
            ),
        ]
        return [
            *self.lanes.repeated("repeat", "2", lambda _: passes),
            *self.zero("noise"),
            *self.lanes.over(kept),
            *self.rarely("noise < 0", replaced),
        ]

    def _projected(self, p: str) -> list[str]:
        """Vector `fresh` minus its projection on vector p."""
        other = [self.lanes.at(self.rows.vectors + i, "other") for i in range(self.size)]
        inner = " + ".join(f"{a} * {b}" for a, b in zip(self.fresh, other, strict=True))
        lines = [f"inner = {self._inverse(p)} * ({inner})"]
        lines += [f"{a} -= inner * {b}" for a, b in zip(self.fresh, other, strict=True)]
        return [f"other = {self.lanes.rows(p, self.size)}", *self.lanes.over(lines)]
