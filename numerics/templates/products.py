r"""The program of Lyapunov exponents of products of random matrices, driven by data.

A replica carries k orthonormal vectors q_j of (theta, velocity). In a step, with H the mean curvature of a batch,

    y = H (theta + look v),   theta' = c_00 theta + c_01 v + kick_0 y,   v' = c_10 theta + c_11 v + kick_1 y,

for each of them, where the product with H is `numerics.templates.curvature`'s: the step matrix is never formed. Then
modified Gram-Schmidt, twice over, and the sums of the logarithms of the norms. Sizes and numbers are arguments, so one
program serves every data set of its kind; so does one launch every point of a grid on which the curvatures are the
same: the draws of a replica do not depend on the point.

*Rank loss.* `growth` bounds the sum of the absolute values of the terms that made a vector since it was last
normalised. What is left of it below 16 times the rounding error of that bound is noise: it is counted as *faint*,
enters with that norm, and a unit vector takes its place.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from numerics.kernel import Argument, Kernel
from numerics.precision import Precision
from numerics.targets import Target
from numerics.targets.replica import Block, Lines, Operation, ReplicaProgram
from numerics.templates.curvature import CurvatureCode
from numerics.templates.gram_schmidt import FAINT
from numerics.templates.trajectory import replica_kernel

ARGUMENTS = (
    Argument("replicas", "int64"),
    Argument("vectors", "int64"),
    Argument("first_step", "int64"),
    Argument("steps", dimensions=2),
    Argument("record_steps", "int64", 1),
    Argument("frames", dimensions=3, written=True),
    Argument("scratch", dimensions=3, written=True),
    Argument("totals", "float64", 2, written=True),
    Argument("log_norms", "float64", 3, written=True),
    Argument("faint", "int64", 2, written=True),
    Argument("stopped", "int64", 1, written=True),
)
"""After those of the curvature. Trajectory number point * replicas + replica. `steps` (point, number): what
`step_numbers` lists.
`frames`, `scratch` : memory of the shape `memory_shape`; the first holds
the vectors of theta, then those of the velocity. `totals` (vector, trajectory) : sums of logarithms, which go on from
what they hold, as do the counts `faint`; the sums at each of the increasing `record_steps` are `log_norms` (slot,
vector, trajectory). `stopped` : the step at which numbers ceased to be finite, or -1."""


def product_program(code: CurvatureCode, *, has_velocity: bool, target: Target = Target.CPU) -> Kernel:
    """Return the program of a kind of curvature, with or without velocities.

    >>> from numerics.templates.curvature import Form
    >>> from theory import Sampling
    >>> program = product_program(CurvatureCode(Form.FACTORS, Sampling.RESHUFFLED), has_velocity=False)
    >>> "inner += right[factor, i] * frame[j, i]" in program.source
    True
    """
    text = _Text(has_velocity, target)
    x = text.scratch if has_velocity else text.frame
    product = code.multiplied(x, text.image, "vectors")
    body: list[Operation] = [Lines(tuple(text.looked())), *product, Lines((*text.moved(), *text.orthonormalised()))]
    walk = Block("while step < last_step:", (*body, Lines(("step += 1",))))
    slots = Block("for slot in range(record_steps.size):", (Lines(("last_step = record_steps[slot]",)), walk, _RECORD))
    program = ReplicaProgram(
        prologue=code.drawn.tables,
        operations=(Lines(tuple(text.begun())), *code.setup(), slots, Lines(("stopped[index] = stop",))),
        rows=(),
        arrays={},
        drawn={},
        signals=(),
        integers=code.integers,
        locals_=code.locals_,
    )
    return replica_kernel(
        functions=code.drawn.functions,
        imports=code.drawn.imports,
        arguments=[*code.arguments, *ARGUMENTS],
        program=program,
        header=f"products of random matrices: {code.form}, batches {code.mode or 'of a stream'}"
        + (", with velocities" if has_velocity else ""),
        target=target,
        precision=Precision.FLOAT64,
    )


def memory_shape(target: Target, trajectories: int, rows: int, columns: int) -> tuple[int, int, int]:
    """The shape of an array in which each trajectory has a matrix: neighbours of a device's threads lie side by side."""
    return (trajectories, rows, columns) if target is Target.CPU else (rows, columns, trajectories)


def step_numbers(fixed: NDArray[np.float64], kick: NDArray[np.float64], look: float) -> list[float]:
    """One row of `steps`: the entries of C, those of the vector that multiplies y, `look`, and a bound of |C| and of |D|."""
    kicked = float(np.linalg.norm(kick) * np.hypot(1.0, look)) if kick.size > 1 else abs(float(kick[0]))
    return [*fixed.ravel(), *kick, look, float(np.linalg.norm(fixed)), kicked]


class _Text:
    """The lines of a program."""

    def __init__(self, has_velocity: bool, target: Target) -> None:
        self.parts = 2 if has_velocity else 1
        self.on_cpu = target is Target.CPU

    def _at(self, local: str, array: str, row: str, column: str) -> str:
        return f"{local}[{row}, {column}]" if self.on_cpu else f"{array}[{row}, {column}, index]"

    def frame(self, row: str, column: str) -> str:
        """Entry of a vector; row `vectors + j` is the velocity of vector j."""
        return self._at("frame", "frames", row, column)

    def scratch(self, row: str, column: str) -> str:
        """Entry of the points at which gradients are taken."""
        return self._at("held", "scratch", row, column)

    def image(self, row: str, column: str) -> str:
        """Entry of y."""
        return self.scratch(f"vectors + {row}" if self.parts == 2 else row, column)

    def _rows(self, vector: str) -> list[str]:
        return [vector] if self.parts == 1 else [vector, f"vectors + {vector}"]

    def begun(self) -> list[str]:
        """What a trajectory starts with."""
        m = self.parts
        names = [f"c_{a}{b}" for a in range(m) for b in range(m)] + [f"kick_{a}" for a in range(m)]
        names += ["look", "fixed_size", "kick_size"]
        return [
            "point = index // replicas",
            "replica = index % replicas",
            *(f"{name} = steps[point, {k}]" for k, name in enumerate(names)),
            *(["frame = frames[index]", "held = scratch[index]"] if self.on_cpu else []),
            "stop = -1",
            "step = first_step",
        ]

    def looked(self) -> list[str]:
        """The points at which gradients are taken."""
        if self.parts == 1:
            return []
        moved = f"{self.frame('j', 'i')} + look * {self.frame('vectors + j', 'i')}"
        return ["for j in range(vectors):", "    for i in range(size):", f"        {self.scratch('j', 'i')} = {moved}"]

    def moved(self) -> list[str]:
        """The vectors after the step, and the bound of the terms that made them."""
        lines = ["growth = fixed_size + kick_size * bound", "for j in range(vectors):", "    for i in range(size):"]
        here = [self.frame(row, "i") for row in self._rows("j")]
        lines += [f"        old_{a} = {place}" for a, place in enumerate(here)]
        for a, place in enumerate(here):
            carried = " + ".join(f"c_{a}{b} * old_{b}" for b in range(self.parts))
            lines.append(f"        {place} = {carried} + kick_{a} * {self.image('j', 'i')}")
        return lines

    def orthonormalised(self) -> list[str]:
        """Gram-Schmidt."""
        own = [self.frame(row, "i") for row in self._rows("j")]
        other = [self.frame(row, "i") for row in self._rows("p")]
        inner = " + ".join(f"{a} * {b}" for a, b in zip(own, other, strict=True))
        removed = [f"{a} -= inner * {b}" for a, b in zip(own, other, strict=True)]
        square = " + ".join(f"{a} * {a}" for a in own)
        unit = self.frame("(j // size) * vectors + j", "j % size")
        return [
            f"least = ({FAINT * Precision.FLOAT64.epsilon!r} * growth) ** 2",
            "for j in range(vectors):",
            "    for repeat in range(2):",
            "        for p in range(j):",
            "            inner = real(0.0)",
            "            for i in range(size):",
            f"                inner += {inner}",
            "            for i in range(size):",
            *(f"                {line}" for line in removed),
            "    square = real(0.0)",
            "    for i in range(size):",
            f"        square += {square}",
            "    if square > least and square < math.inf:",
            "        totals[j, index] += 0.5 * math.log(square)",
            "        scale = real(1.0) / math.sqrt(square)",
            "        for i in range(size):",
            *(f"            {place} *= scale" for place in own),
            "    else:",
            "        if not (square < math.inf and least < math.inf):",
            "            stop = step if stop < 0 else stop",
            "        else:",
            "            faint[j, index] += 1",
            "            totals[j, index] += 0.5 * math.log(least) if least > 0.0 else -math.inf",
            "        for i in range(size):",
            *(f"            {place} = real(0.0)" for place in own),
            f"        {unit} = real(1.0)",
        ]


_RECORD = Lines(
    (
        "for j in range(vectors):",
        "    log_norms[slot, j, index] = math.nan if stop >= 0 else totals[j, index]",
    )
)
