r"""Lines that multiply vectors by the mean curvature of a batch, without forming it where the samples have low rank.

The curvature of a sample comes in one of three forms:

- *factors*, $H_i = \sum_r l_r r_r^T$: a sample costs two inner products per factor and vector;
- *matrices*, one for each row of a data set, or a stream of them, one for each replica and step;
- *drawn*, the entries as functions of random symbols that the program draws itself.

Rows of a data set are chosen as `numerics.templates.sampling` chooses them for direct SGD; of Bernoulli batches, whose
expected size may be far below that of the data, the gaps between chosen rows are drawn, which are geometric.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from numerics.kernel import Argument
from numerics.targets.replica import Block, Lines, Operation
from numerics.templates.sampling import Mode, batch_choice, batch_setup, integer_arrays, member_row
from theory.algorithm import Bernoulli, Sampling

Place = Callable[[str, str], str]
"""The code of entry (vector, coordinate) of an array."""
_WORDS = "words4(seed, stream, replica, step, member, BATCH_PURPOSE)"


class Form(StrEnum):
    """How the curvature of a sample reaches the program."""

    FACTORS = "factors"
    MATRICES = "matrices"
    DRAWN = "drawn"


@dataclass(frozen=True)
class DrawnEntries:
    """Code that draws one sample: `statements` leave entry `places[k]` (row, column) in `values[k]`, `tables` stand
    before all loops.

    `functions`, `imports`, `arguments` are what the statements need; `size` is the order of the matrix.
    """

    size: int
    places: tuple[tuple[int, int], ...] = ()
    values: tuple[str, ...] = ()
    statements: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()
    functions: tuple[str, ...] = ()
    imports: tuple[str, ...] = ()
    arguments: tuple[Argument, ...] = ()


@dataclass(frozen=True)
class CurvatureCode:
    """The batches of a product of random matrices.

    `mode` : how rows of a data set are chosen; None for a stream, of which replica r takes row r * length + (step -
        first_step).
    `weighted` : whether the rows, drawn with replacement, have unequal probabilities.
    """

    form: Form
    mode: Mode | None
    weighted: bool = False
    drawn: DrawnEntries = field(default_factory=lambda: DrawnEntries(0))

    @property
    def arguments(self) -> tuple[Argument, ...]:
        """What a program must be given; see `numerics.stability.simulated.product_sources`, which makes the values."""
        common = [
            Argument("seed", "uint64"),
            Argument("stream", "int64"),
            Argument("size", "int64"),
            Argument("batch", "int64"),
            Argument("count", "int64"),
            Argument("length", "int64"),
            Argument("fraction"),
            Argument("skip"),
            Argument("thresholds", "uint64", 1),
        ]
        arrays = {
            Form.FACTORS: [
                Argument("left", dimensions=2),
                Argument("right", dimensions=2),
                Argument("offsets", "int64", 1),
                Argument("norms", dimensions=1),
            ],
            Form.MATRICES: [Argument("matrices", dimensions=3), Argument("norms", dimensions=1)],
            Form.DRAWN: list(self.drawn.arguments),
        }
        return (*common, *arrays[self.form])

    @property
    def integers(self) -> tuple[str, ...]:
        """Arrays of `count` integers that a replica keeps."""
        return () if self.mode is None else integer_arrays(self.mode)

    @property
    def locals_(self) -> dict[str, tuple[int, ...]]:
        """Small arrays of a replica."""
        return {"mean": (self.drawn.size**2,)} if self.form == Form.DRAWN else {}

    def setup(self) -> list[Operation]:
        """Operations before the first step of a replica."""
        return [] if self.mode is None else batch_setup(self.mode)

    def multiplied(self, x: Place, y: Place, vectors: str) -> list[Operation]:
        """Operations that set y_j to the mean curvature of a fresh batch times x_j, and `bound` to a bound of the
        sizes of its terms.

        They read `seed, stream, replica, step`, and of a stream `first_step`.
        """
        start = [f"for j in range({vectors}):", "    for i in range(size):", f"        {y('j', 'i')} = real(0.0)"]
        opening: list[Operation] = [Lines((*start, "bound = real(0.0)"))]
        if self.form == Form.DRAWN:
            return [*opening, *self._drawn(x, y, vectors)]
        added = self._factors(x, y, vectors) if self.form == Form.FACTORS else self._matrices(x, y, vectors)
        added = ["bound += share * norms[row]", *added]
        if self.mode is None:
            return [*opening, Lines(("share = real(1.0)", "row = replica * length + (step - first_step)", *added))]
        if isinstance(self.mode, Bernoulli):
            return [*opening, Lines(("share = real(1.0) / (fraction * count)", *_skipping(added)))]
        row = _WEIGHTED if self.weighted else member_row(self.mode)
        member = Block("for member in range(members):", (Lines((*row, *added)),))
        return [*opening, *batch_choice(self.mode), member]

    def _factors(self, x: Place, y: Place, vectors: str) -> list[str]:
        return [
            "for factor in range(offsets[row], offsets[row + 1]):",
            f"    for j in range({vectors}):",
            "        inner = real(0.0)",
            "        for i in range(size):",
            f"            inner += right[factor, i] * {x('j', 'i')}",
            "        inner *= share",
            "        for i in range(size):",
            f"            {y('j', 'i')} += inner * left[factor, i]",
        ]

    def _matrices(self, x: Place, y: Place, vectors: str) -> list[str]:
        return [
            f"for j in range({vectors}):",
            "    for k in range(size):",
            "        inner = real(0.0)",
            "        for i in range(size):",
            f"            inner += matrices[row, k, i] * {x('j', 'i')}",
            f"        {y('j', 'k')} += share * inner",
        ]

    def _drawn(self, x: Place, y: Place, vectors: str) -> list[Operation]:
        drawn = self.drawn
        cells = [f"mean[{row * drawn.size + column}]" for row, column in drawn.places]
        summed = [f"{cell} += {value}" for cell, value in zip(cells, drawn.values, strict=True)]
        member = Lines(("purpose = SCALAR_PURPOSE", *drawn.statements, *summed))
        after = [
            "for k in range(size * size):",
            "    mean[k] *= share",
            "    bound += abs(mean[k])",
            f"for j in range({vectors}):",
            "    for k in range(size):",
            "        inner = real(0.0)",
            "        for i in range(size):",
            f"            inner += mean[k * size + i] * {x('j', 'i')}",
            f"        {y('j', 'k')} = inner",
        ]
        zero = ("share = real(1.0) / real(batch)", "for k in range(size * size):", "    mean[k] = real(0.0)")
        return [Lines(zero), Block("for member in range(batch):", (member,)), Lines(tuple(after))]


_WEIGHTED = (
    f"high, low, spare_0, spare_1 = {_WORDS}",
    "word = (high << np.uint64(32)) | low",
    "row = 0",
    "upper = thresholds.size",
    "while row < upper:",
    "    middle = (row + upper) // 2",
    "    if thresholds[middle] <= word:",
    "        row = middle + 1",
    "    else:",
    "        upper = middle",
)
"""The row is the number of thresholds that a uniform 64-bit word reaches."""


def _skipping(added: Sequence[str]) -> list[str]:
    """The chosen rows in order: of a gap g, P(g >= n) = P(u <= (1 - b)^n), and skip = -1 / log(1 - b)."""
    return [
        "member = 0",
        "row = -1",
        "while True:",
        f"    high, low, spare_0, spare_1 = {_WORDS}",
        "    row += 1 + np.int64(exponential_of_pair(high, low) * skip)",
        "    if row >= count:",
        "        break",
        "    member += 1",
        *(f"    {line}" for line in added),
    ]


FINITE_MODES = (Sampling.ONLINE, Sampling.WITH_REPLACEMENT)
"""Modes in which rows may have unequal probabilities."""
