r"""Code over vectors that are held by their coordinates in a small orthonormal frame.

The frame of R vectors spans everything that moves or is fixed; the dimension n of the space around it is a number. A standard
Gaussian vector z that is independent of the frame has R independent normal coordinates, and its component across the frame is a
standard Gaussian vector of n - R dimensions. Of several such components only inner products matter, and these are given
by Bartlett's triangle: in a frame of their own the k-th one has k independent normals and, last, a radius

    t_kk^2 ~ chi^2(n - R - k),   k = 0, 1, ...

So a step extends the frame by a few coordinates, moves vectors in it as in any space, and turns the frame so that
the new coordinates vanish (`reduced`). Nothing is approximated, no Gram matrix of the state is ever factorised, and what
is stored are vectors: no rounding makes their inner products impossible.

The same lines are written in two ways: over named scalars (`x_0_1`), which a compiler keeps in registers, where there
are few, and over small arrays with loops where there are many.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from numerics.precision import Precision
from numerics.targets import Local
from numerics.templates.draws import MEMBER_STREAMS, WordCode
from theory.laws.draw import StandardNormal

Code = list[str]
CANCELLATION = 16
"""What is left of a vector after a projection counts as rounding below so many units of the last place."""


@dataclass(frozen=True)
class Row:
    """A vector in code, row `index` of `array`: coordinates from `size` on are zero. `named`: each coordinate is a scalar."""

    array: str
    index: object
    size: int
    named: bool = False

    def entry(self, column: object) -> str:
        """One coordinate."""
        return f"{self.array}_{self.index}_{column}" if self.named else f"{self.array}[{self.index}, {column}]"

    @property
    def place(self) -> str:
        """The arguments by which library functions take a row."""
        return f"{self.array}, {self.index}"


@dataclass(frozen=True)
class Extension:
    """Coordinates from column `base` on that a few Gaussian vectors take: at most `room`, the dimensions there are."""

    base: int
    room: int

    def columns(self, vectors: int) -> int:
        """The coordinates that so many vectors need."""
        return min(vectors, self.room)


class Draws:
    """Where the random numbers of one group of Gaussian vectors come from.

    `prefix` tells the variables of groups apart, `purpose` and `radius_purpose` their counters. Normals of named scalars
    come from the words of the blocks from `position` on; rows of arrays from fills, one stream each, from `stream` on;
    radii are chi variables of `degrees`, less one for each vector before, at the draw indices from `radii` on.
    """

    def __init__(
        self,
        prefix: str,
        purpose: str,
        radius_purpose: str,
        precision: Precision,
        *,
        position: str = "0",
        degrees: str = "degrees",
        radii: str = "0",
    ) -> None:
        self.purpose, self.radius_purpose, self.precision = purpose, radius_purpose, precision
        self.degrees, self.radii = degrees, radii
        self.words = WordCode(f"{prefix}_", position, purpose, "stream", precision)

    def normal(self) -> str:
        """A standard normal number."""
        return self.words.draw(StandardNormal(), {})

    def statements(self) -> Code:
        """The statements of the draws made so far, which come before the lines that use them."""
        found, self.words.statements = self.words.statements, []
        return found

    def fill(self, row: str, number: object) -> str:
        """The call that fills a row of an array with normals."""
        place = f"seed, stream + 1 + {number} + {MEMBER_STREAMS} * member, replica, step, {self.purpose}"
        return f"fill_normals({row}, {place})"

    def radius(self, number: object) -> str:
        """The length of the part of vector `number` that is across all before it."""
        place = f"seed, stream, replica, step, {self.radii} + {number}, {self.radius_purpose}"
        return f"real(math.sqrt(chi_square_draw({self.degrees} - {number}, {place})))"


class CoordinateCode:
    """Writes statements over rows of coordinates; `unrolled` chooses named scalars, else there are `locals_` to declare."""

    def __init__(self, unrolled: bool, precision: Precision) -> None:
        self.unrolled, self.precision = unrolled, precision
        self.locals_: list[Local] = []

    # ------------------------------------------------------------------------------------------------ rows and columns

    def declare(self, array: str, rows: int, columns: int) -> None:
        """Make room for `rows` vectors of `columns` coordinates."""
        if not self.unrolled and rows and columns:
            self.locals_.append(Local(array, (rows, columns)))

    def row(self, array: str, index: object, size: int) -> Row:
        """One vector of an array."""
        return Row(array, index, size, self.unrolled)

    def at(self, array: str, index: object, column: object) -> str:
        """One coordinate of a vector."""
        return self.row(array, index, 0).entry(column)

    def each_row(self, count: int, lines: Callable[[object], Iterable[str]]) -> Code:
        """`lines(i)` for every row i below `count`."""
        return self._repeated("i", 0, count, lines)

    def each(self, first: int, last: int, lines: Callable[[object], Iterable[str]]) -> Code:
        """`lines(j)` for every column j with first <= j < last."""
        return self._repeated("j", first, last, lines)

    def _repeated(self, name: str, first: int, last: int, lines: Callable[[object], Iterable[str]]) -> Code:
        if self.unrolled:
            return [line for k in range(first, last) for line in lines(k)]
        body = [f"    {line}" for line in lines(name)]
        return [f"for {name} in range({first}, {last}):", *body] if last > first and body else []

    def clear(self, array: str, rows: int, first: int, last: int) -> Code:
        """Set columns of the first rows to zero."""
        return self.each_row(rows, lambda i: self.each(first, last, lambda j: [f"{self.at(array, i, j)} = real(0.0)"]))

    def scale(self, row: Row, factor: str) -> Code:
        """Multiply a vector."""
        return self.each(0, row.size, lambda j: [f"{row.entry(j)} *= {factor}"])

    def inner(self, target: str, left: Row, right: Row) -> Code:
        """target = the inner product of two vectors."""
        size = min(left.size, right.size)
        if not self.unrolled:
            return [f"{target} = inner_rows({left.place}, {right.place}, {size})"]
        return [f"{target} = {' + '.join(f'{left.entry(j)} * {right.entry(j)}' for j in range(size)) or 'real(0.0)'}"]

    def add(self, target: Row, terms: Sequence[tuple[str, Row]]) -> Code:
        """Add the linear combination sum of coefficient * vector to a row."""
        if not self.unrolled:
            return [f"add_row({target.place}, {c}, {vector.place}, {vector.size})" for c, vector in terms]
        lines: Code = []
        for j in range(max((vector.size for _, vector in terms), default=0)):
            parts = [f"{c} * {vector.entry(j)}" for c, vector in terms if j < vector.size]
            lines.append(f"{target.entry(j)} += {' + '.join(parts)}")
        return lines

    # ----------------------------------------------------------------------------------- Gaussian vectors, and the frame

    def gaussian(
        self, array: str, count: int, extension: Extension, draws: Draws, scales: Sequence[str] = ()
    ) -> tuple[Code, list[Row]]:
        """Statements that draw `count` independent Gaussian vectors, and the vectors.

        Each has `extension.base` normals, and its row of Bartlett's triangle. `scales` are factors ("" for none).
        """
        base, columns = extension.base, extension.columns(count)
        width = base + columns
        if not count or not width:
            return [], [self.row(array, k, 0) for k in range(count)]
        if self.unrolled:
            rows = [self.row(array, k, base + min(k + 1, columns)) for k in range(count)]
            lines: Code = []
            for k, row in enumerate(rows):
                lines += [f"{row.entry(j)} = {draws.normal()}" for j in range(base + min(k, columns))]
                lines += [f"{row.entry(base + k)} = {draws.radius(k)}"] if k < columns else []
                lines += [f"{row.entry(j)} = real(0.0)" for j in range(row.size, width)]
            lines = [*draws.statements(), *lines]
        else:
            rows = [self.row(array, k, width) for k in range(count)]
            lines = [f"for i in range({count}):", f"    {draws.fill(f'{array}[i]', 'i')}"]
            if columns:
                lines += [
                    f"for i in range({columns}):",
                    f"    {array}[i, {base} + i] = {draws.radius('i')}",
                    f"    for j in range({base} + i + 1, {width}):",
                    f"        {array}[i, j] = real(0.0)",
                ]
        for row, factor in zip(rows, scales, strict=False):
            lines += self.scale(row, factor) if factor else []
        return lines, rows

    def reduced(self, array: str, rows: int, first: int, width: int) -> Code:
        """Turn the frame so that row i of `array` has no coordinates from `first` + i + 1 on, out of `width`.

        Gram-Schmidt on the rows from column `first` on: row i gets its distance to those before, and their projections.
        A distance that is rounding becomes zero, so that parallel vectors stay parallel.
        """
        if width <= first or not rows:
            return []
        tolerance = f"real({(CANCELLATION * self.precision.epsilon) ** 2!r})"
        if not self.unrolled:
            return [f"triangular_rows({array}, {rows}, {first}, {width}, {tolerance})"]

        def product(i: int, k: int) -> str:
            return " + ".join(f"{self.at(array, i, j)} * {self.at(array, k, j)}" for j in range(first, width))

        lines = [f"whole_{i} = {product(i, i)}" for i in range(1, rows)]
        for i in range(rows):
            lines.append(f"left_{i} = {product(i, i)}")
            if i:
                lines.append(f"left_{i} = left_{i} if left_{i} > {tolerance} * whole_{i} else real(0.0)")
            lines.append(f"distance_{i} = math.sqrt(left_{i})")
            if i < rows - 1:
                lines.append(f"inverse_{i} = real(1.0) / left_{i} if left_{i} > real(0.0) else real(0.0)")
            for k in range(i + 1, rows):
                lines.append(f"part_{k}_{i} = ({product(k, i)}) * inverse_{i}")
                lines += [
                    f"{self.at(array, k, j)} -= part_{k}_{i} * {self.at(array, i, j)}" for j in range(first, width)
                ]
        for i in range(rows):
            lines += [f"{self.at(array, i, first + j)} = part_{i}_{j} * distance_{j}" for j in range(i)]
            lines.append(f"{self.at(array, i, first + i)} = distance_{i}")
            lines += [f"{self.at(array, i, j)} = real(0.0)" for j in range(first + i + 1, width)]
        return lines
