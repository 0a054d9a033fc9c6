"""Lines of code for a group of replicas that advance together, a *lane* each.

On the CPU every line stands in a loop over lanes, which becomes vector instructions. Numbers lie in arrays in rows of one number per
lane: rows of one array at constant distances cannot overlap, and the compiler sees that. What a loop writes while it reads rows at a
variable place belongs into an array on the stack (`stack`), which overlaps no other. On a device there is one lane; with all loops
written out its places are constants, and its numbers stay in registers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from numerics.precision import Precision
from numerics.targets import Local, Target

LANES = {Target.CPU: 64, Target.CUDA: 1}
"""Replicas that advance together: so many that the compiler vectorises a loop over them instead of writing it out."""
STRIDE = {Precision.FLOAT64: 72, Precision.FLOAT32: 80}
"""The distance of rows on the CPU: whole cache lines, their number odd, else rows crowd into few sets of the cache."""
_CACHE_LINE = 64


@dataclass(frozen=True)
class Lanes:
    """Places and loops. `count` of lanes, `stride` of rows; `unrolled`: loops of known length are written out."""

    count: int
    stride: int
    unrolled: bool

    @classmethod
    def of(cls, target: Target, precision: Precision, *, unrolled: bool) -> Lanes:
        """The lanes of a target; only a device has loops written out."""
        count = LANES[target]
        return cls(count, STRIDE[precision] if count > 1 else 1, unrolled and count == 1)

    @property
    def replica(self) -> str:
        """The number of a lane's replica."""
        return f"index * {self.count} + lane" if self.count > 1 else "index"

    def at(self, row: int, offset: str = "", array: str = "work") -> str:
        """The place of a lane in a row, or in the one that lies `offset` (in numbers, see `rows`) behind it.

        >>> Lanes(64, 72, False).at(2), Lanes(1, 1, True).at(2, "3")
        ('work[144 + lane]', 'work[3 + 2]')
        """
        behind = f"{offset} + " if offset else ""
        return f"{array}[{behind}{row * self.stride}{' + lane' if self.count > 1 else ''}]"

    def rows(self, number: str, height: int = 1) -> str:
        """The distance of `number` times `height` rows."""
        distance = height * self.stride
        return number if distance == 1 else f"{number} * {distance}"

    def over(self, lines: Iterable[str]) -> list[str]:
        """A loop over lanes."""
        return list(lines) if self.count == 1 else [f"for lane in range({self.count}):", *indented(lines)]

    def repeated(self, variable: str, count: str, lines: Callable[[str], list[str]]) -> list[str]:
        """A loop; `lines` takes the text of the counter."""
        if self.unrolled and count.isdigit():
            return [line for number in range(int(count)) for line in lines(str(number))]
        return [f"for {variable} in range({count}):", *indented(lines(variable))]

    def memory(self, rows: int, precision: Precision) -> tuple[Local, list[str]]:
        """The array of all rows, and the lines that make `work` of it, on a boundary of cache lines.

        Vectors that lie across two cache lines cost up to twice the time.
        """
        size, item = rows * self.stride, precision.dtype.itemsize
        if self.count == 1:
            return Local("work", (size,)), []
        lines = [
            f"skipped = (-memory.ctypes.data % {_CACHE_LINE}) // {item}",
            f"work = memory[skipped : skipped + {size}]",
        ]
        return Local("memory", (size + _CACHE_LINE // item,)), lines

    def stack(self, name: str, rows: int) -> tuple[list[Local], list[str], list[str]]:
        """An array of real numbers that overlaps no other: as a local array, or by lines and what they import."""
        size = rows * self.stride
        if self.count == 1:
            return [Local(name, (size,))], [], []
        return [], [f"{name} = stack_array({size}, real)"], ["from numerics.templates.stack import stack_array"]


def indented(lines: Iterable[str], levels: int = 1) -> list[str]:
    """Lines of code moved to the right."""
    return [" " * 4 * levels + line for line in lines]
