r"""The program of Lyapunov exponents: tangent vectors along random trajectories, kept orthonormal.

Every trajectory carries its state and k tangent vectors (`numerics.templates.tangent`). A step draws, evaluates the coefficients of
the Jacobian and the next state, moves the vectors and orthogonalises them (`numerics.templates.gram_schmidt`). The logarithms of
their norms are recorded at the steps asked for: their rates are the Lyapunov exponents.

A trajectory of the program is a group of replicas, one per lane (`numerics.templates.lanes`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sympy import Expr

from numerics.kernel import Argument, Kernel
from numerics.precision import Precision
from numerics.printer import argument_names
from numerics.targets import Local, Target
from numerics.templates.draws import SampleCode, hoisted
from numerics.templates.gram_schmidt import Rows, TangentVectors
from numerics.templates.lanes import Lanes, indented
from numerics.templates.map_draws import COUNTER, draw_arguments, draw_values, drawn_code
from numerics.templates.maps import elementary_for, straight
from numerics.templates.tangent import TangentCode
from numerics.templates.trajectory import trajectory_kernel
from theory import Recurrence

LARGEST_UNROLLED = 36
"""Numbers of all tangent vectors up to which a device keeps them in registers, which needs loops written out."""


@dataclass(frozen=True)
class LyapunovProgram:
    """The program of k tangent vectors of a map of d scalars.

    Arguments of the kernel, for groups of `lanes` replicas: `seed`; a number per hyperparameter; `start[i, r]` and `frame[j * d + i, r]`,
    the state and the tangent vectors of replica r; `record_steps`, increasing; at each of these, `log_norms[slot, j, r]`, the
    logarithms of the norms, `frames[slot, j * d + i, r]`, the vectors (not written unless `directions`), `faint[slot, j, r]` and
    `vanished[slot, j, r]`, how often vector j was so; `stopped[r]`, the step at which the numbers ceased to be finite, or -1; `tables`.
    """

    kernel: Kernel
    hyperparameters: tuple[Expr, ...]
    tables: tuple[NDArray[Any], ...]
    lanes: int


def lyapunov_program(
    equations: Recurrence,
    tangent: TangentCode,
    values: Mapping[Expr, float],
    *,
    vectors: int,
    every: int = 1,
    moving: bool = True,
    directions: bool = False,
    target: Target = Target.CPU,
    precision: Precision = Precision.FLOAT64,
) -> LyapunovProgram:
    """Return the program of `vectors` tangent vectors that are orthonormalised after `every` steps.

    Parameters: `values`, numbers of all symbols, which enter only tables of laws; `moving`, the state is iterated, else `tangent`
    must not depend on it, and `start` is not read; `directions`, the vectors are recorded too.
    """
    hyper = tuple(sorted(values, key=str))
    state = equations.state if moving else ()
    names = argument_names([*state, *hyper])
    held = dict(zip(hyper, names[len(state) :], strict=True))
    drawn = drawn_code(equations, held, values, precision=precision, elementary=elementary_for(target))
    size = len(equations.state)
    lanes = Lanes.of(target, precision, unrolled=vectors * size <= LARGEST_UNROLLED)
    text = _Text(equations, tangent, drawn, (state, held), (vectors, every), directions, lanes, target, precision)
    arguments = (
        Argument("seed", "uint64"),
        *(Argument(name) for name in held.values()),
        Argument("start", dimensions=2),
        Argument("frame", dimensions=2),
        Argument("record_steps", "int64", 1),
        Argument("log_norms", "float64", 3, written=True),
        Argument("frames", dimensions=3, written=True),
        Argument("faint", "int64", 3, written=True),
        Argument("vanished", "int64", 3, written=True),
        Argument("stopped", "int64", 1, written=True),
        *draw_arguments(drawn),
    )
    kernel = trajectory_kernel(
        functions=[*drawn.functions, *text.code.functions],
        arguments=arguments,
        body=text.body,
        locals_=text.locals_,
        header=f"{vectors} tangent vectors of a map, orthonormal after every {every} steps\n{equations}",
        imports=text.imports,
        target=target,
        precision=precision,
    )
    return LyapunovProgram(kernel, hyper, draw_values(drawn), lanes.count)


class _Text:
    """The lines of the program: `body`, with its `locals_` and `imports`."""

    def __init__(
        self,
        equations: Recurrence,
        tangent: TangentCode,
        drawn: SampleCode,
        quantities: tuple[tuple[Any, ...], Mapping[Expr, str]],
        frame: tuple[int, int],
        directions: bool,
        lanes: Lanes,
        target: Target,
        precision: Precision,
    ) -> None:
        (self.state, held), (self.count, every) = quantities, frame
        self.size, self.directions, self.lanes = len(equations.state), directions, lanes
        following = list(equations.update.values()) if self.state else []
        used = {s for output in (*tangent.coefficients, *tangent.sizes, *following) for s in output.free_symbols}
        self.drawn = {symbol: variable for symbol, variable in drawn.scalars.items() if symbol in used}
        at_hand = {symbol: lanes.at(len(self.state) + i) for i, symbol in enumerate(self.drawn)} | dict(held)
        self.computed = [c for c in tangent.coefficients if c not in at_hand]
        outputs = [*self.computed, *tangent.sizes, *following]
        self.results = [f"result_{k}" for k in range(len(outputs))]
        arguments = [*self.state, *held, *self.drawn]
        self.code = straight("prepare", arguments, outputs, self.results, target=target, precision=precision)
        self.x, self.z, self.coefficients, self.rows, height = self._places()
        at_hand |= {c: lanes.at(self.coefficients + k) for k, c in enumerate(self.computed)}
        places = [at_hand[c] for c in tangent.coefficients]
        self.vectors = TangentVectors(tangent, places, self.rows, self.count, every, lanes, precision)
        memory, aligned = lanes.memory(height, precision)
        before, draw_lines = hoisted(drawn)
        draws, words = self._draw(draw_lines)
        fresh, made, imported = lanes.stack("fresh", self.size + 1)
        self.imports = (*self.code.imports, *imported)
        self.locals_ = (
            memory,
            *fresh,
            Local("whole", ((3 * self.count + 1) * lanes.stride,), "int64"),
            *([Local("words", (words * lanes.stride,), "uint64")] if words else []),
        )
        self.stop = lanes.at(3 * self.count, array="whole")
        step = [*draws, *self._prepare(), *self.vectors.advanced(), *self._watch()]
        self.body = [
            *COUNTER,
            *aligned,
            *made,
            *before,
            *self._begin(),
            "step = 0",
            "for slot in range(record_steps.size):",
            "    last_step = record_steps[slot]",
            "    while step < last_step:",
            *indented(step, 2),
            "        step += 1",
            *indented(lanes.repeated("j", str(self.count), lambda j: lanes.over(self._recorded(j)))),
            *lanes.over([f"replica = {lanes.replica}", f"stopped[replica] = {self.stop}"]),
        ]

    def _places(self) -> tuple[int, int, int, Rows, int]:
        """The first rows of the state, of the draws, of computed coefficients, of the vectors; and the number of all rows."""
        x, z = 0, len(self.state)
        coefficients = z + len(self.drawn)
        sizes = coefficients + len(self.computed)
        vectors = sizes + self.size
        inverses = vectors + self.count * self.size
        rows = Rows(sizes=sizes, vectors=vectors, inverses=inverses, bounds=inverses + self.count)
        return x, z, coefficients, rows, rows.bounds + self.count

    def _begin(self) -> list[str]:
        lanes, rows = self.lanes, self.rows

        def read(row: int, count: int, source: str) -> list[str]:
            def lines(i: str) -> list[str]:
                return lanes.over(
                    [f"replica = {lanes.replica}", f"{lanes.at(row, lanes.rows(i))} = {source}[{i}, replica]"]
                )

            return lanes.repeated("i", str(count), lines) if count else []

        def zero(j: str) -> list[str]:
            bound = lanes.at(rows.bounds, lanes.rows(j))
            return lanes.over([f"{bound} = real(0.0)", *(f"{self.vectors.whole(kind, j)} = 0" for kind in range(3))])

        return [
            *read(self.x, len(self.state), "start"),
            *read(rows.vectors, self.count * self.size, "frame"),
            *lanes.repeated("j", str(self.count), zero),
            *lanes.over([f"{self.stop} = -1"]),
        ]

    def _draw(self, lines: list[str]) -> tuple[list[str], int]:
        """The draws of a step, and how many words they pass on; those that nothing reads are left out by the compiler.

        Random words first, what is made of them in a second loop: one for both would need more registers than there are.
        """
        kept = [f"{self.lanes.at(self.z + i)} = {variable}" for i, variable in enumerate(self.drawn.values())]
        replica = f"replica = {self.lanes.replica}"
        if not kept:
            return [], 0
        if self.lanes.count == 1:
            return [replica, *lines, *kept], 0
        first = [line for line in lines if " = words4(" in line and not line.startswith(" ")]
        rest = [line for line in lines if line not in first]
        named = [name for line in first for name in line.split(" = ")[0].split(", ")]
        words = [name for name in named if any(name in re.findall(r"\w+", line) for line in rest)]
        places = [self.lanes.at(i, array="words") for i in range(len(words))]
        drawn = [f"{place} = {name}" for place, name in zip(places, words, strict=True)]
        read = [f"{name} = {place}" for place, name in zip(places, words, strict=True)]
        return [*self.lanes.over([replica, *first, *drawn]), *self.lanes.over([replica, *read, *rest, *kept])], len(
            words
        )

    def _prepare(self) -> list[str]:
        """Coefficients and sizes of the Jacobian, and the next state, from the state and the draws."""
        at, states = self.lanes.at, self.code.names[: len(self.state)]
        drawn = self.code.names[len(self.code.names) - len(self.drawn) :]
        load = [f"{name} = {at(self.x + i)}" for i, name in enumerate(states)]
        load += [f"{name} = {at(self.z + i)}" for i, name in enumerate(drawn)]
        rows = [self.coefficients + k for k in range(len(self.computed))]
        rows += [self.rows.sizes + i for i in range(self.size)] + [self.x + i for i in range(len(states))]
        store = [f"{at(row)} = {result}" for row, result in zip(rows, self.results, strict=True)]
        following = " + ".join(self.results[-len(states) :])
        lost = self.vectors.seen("lost", f"abs(real(0.0) * ({following}))") if states else []
        return [*self.vectors.zero("lost"), *self.lanes.over([*load, *self.code.lines, *store, *lost])]

    def _watch(self) -> list[str]:
        """Keep the step at which the state or the last vector, to which all others pass it on, is no longer finite."""
        last = self.rows.vectors + (self.count - 1) * self.size
        numbers = [*range(self.x, self.x + len(self.state)), *range(last, last + self.size)]
        doubt = f"real(0.0) * ({' + '.join(map(self.lanes.at, numbers))})"
        line = f"{self.stop} = step if {self.stop} < 0 and not abs({doubt}) < math.inf else {self.stop}"
        return self.vectors.rarely("lost != 0", [line])

    def _recorded(self, j: str) -> list[str]:
        at, vector = self.lanes.at, self.lanes.rows(j, self.size)
        entries = [at(self.rows.vectors + i, vector) for i in range(self.size)]
        lines = [
            f"replica = {self.lanes.replica}",
            f"square = {self.vectors.square([f'np.float64({entry})' for entry in entries])}",
            f"total = 0.5 * math.log(square) + {float(np.log(2.0))!r} * np.float64({self.vectors.whole(0, j)})",
            f"log_norms[slot, {j}, replica] = math.nan if {self.stop} >= 0 else total",
            f"faint[slot, {j}, replica] = {self.vectors.whole(1, j)}",
            f"vanished[slot, {j}, replica] = {self.vectors.whole(2, j)}",
        ]
        if self.directions:
            kept = [f"frames[slot, {j} * {self.size} + {i}, replica]" for i in range(self.size)]
            lines.append("length = math.sqrt(square)")
            lines += [f"{place} = real({entry} / length)" for place, entry in zip(kept, entries, strict=True)]
        return lines
