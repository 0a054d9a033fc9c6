r"""The program of Lyapunov exponents: tangent vectors along random trajectories, kept orthonormal.

Every trajectory carries its state and k tangent vectors (`numerics.templates.tangent`). A step draws, evaluates the coefficients of
the Jacobian and the next state, moves the vectors and orthonormalises them (`numerics.templates.gram_schmidt`). The sums of the
logarithms of their norms are recorded at the steps asked for: their rates are the Lyapunov exponents.

A trajectory of the program is a group of replicas, one per lane (`numerics.templates.lanes`).
"""

from __future__ import annotations

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
    the state and the tangent vectors of replica r; `record_steps`, increasing; at each of these, `log_norms[slot, j, r]`, the sums of
    logarithms, `frames[slot, j * d + i, r]`, the vectors (not written unless `directions`), `faint[slot, j, r]` and
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
    text = _Text(equations, tangent, drawn, (state, hyper), (vectors, every), directions, lanes, target, precision)
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
        imports=text.code.imports,
        target=target,
        precision=precision,
    )
    return LyapunovProgram(kernel, hyper, draw_values(drawn), lanes.count)


class _Text:
    """The lines of the program: `body`, with its `locals_`."""

    def __init__(
        self,
        equations: Recurrence,
        tangent: TangentCode,
        drawn: SampleCode,
        quantities: tuple[tuple[Any, ...], tuple[Expr, ...]],
        frame: tuple[int, int],
        directions: bool,
        lanes: Lanes,
        target: Target,
        precision: Precision,
    ) -> None:
        (self.state, hyper), (self.count, every) = quantities, frame
        self.tangent, self.size, self.directions, self.lanes = tangent, len(equations.state), directions, lanes
        following = list(equations.update.values()) if self.state else []
        outputs = [*tangent.coefficients, *tangent.sizes, *following]
        used = {symbol for output in outputs for symbol in output.free_symbols}
        self.drawn = {symbol: variable for symbol, variable in drawn.scalars.items() if symbol in used}
        self.results = [f"result_{k}" for k in range(len(outputs))]
        arguments = [*self.state, *hyper, *self.drawn]
        self.code = straight("prepare", arguments, outputs, self.results, target=target, precision=precision)
        self.x, self.z, self.rows, height = self._places()
        self.vectors = TangentVectors(tangent, self.rows, self.count, every, lanes, precision)
        memory, aligned = lanes.memory(height, precision)
        self.locals_ = (
            memory,
            Local("exponent", (self.count * lanes.stride,), "int64"),
            Local("stop", (lanes.count,), "int64"),
        )
        before, draw_lines = hoisted(drawn)
        step = [*self._draw(draw_lines), *self._prepare(), *self.vectors.advanced(), *self._watch()]
        self.body = [
            *COUNTER,
            *aligned,
            *before,
            *self._begin(),
            "step = 0",
            "for slot in range(record_steps.size):",
            "    last_step = record_steps[slot]",
            "    while step < last_step:",
            *indented(step, 2),
            "        step += 1",
            *indented(lanes.repeated("j", str(self.count), lambda j: lanes.over(self._recorded(j)))),
            *lanes.over([f"replica = {lanes.replica}", f"stopped[replica] = {lanes.at(0, array='stop')}"]),
        ]

    def _places(self) -> tuple[int, int, Rows, int]:
        """The first rows of the state, of the draws and of the tangent vectors, and the number of all rows."""
        taken = 0

        def rows(count: int) -> int:
            nonlocal taken
            taken += count
            return taken - count

        x, z, d, k = rows(len(self.state)), rows(len(self.drawn)), self.size, self.count
        places = Rows(
            coefficients=rows(len(self.tangent.coefficients)),
            sizes=rows(d),
            old=rows(d),
            new=rows(d),
            scale=rows(1),
            power=rows(1),
            bound=rows(1),
            doubt=rows(1),
            vectors=rows(k * d),
            product=rows(k),
            bounds=rows(k),
            faint=rows(k),
            vanished=rows(k),
        )
        return x, z, places, taken

    def _begin(self) -> list[str]:
        lanes, rows = self.lanes, self.rows

        def read(row: int, count: int, source: str) -> list[str]:
            def lines(i: str) -> list[str]:
                return lanes.over(
                    [f"replica = {lanes.replica}", f"{lanes.at(row, lanes.rows(i))} = {source}[{i}, replica]"]
                )

            return lanes.repeated("i", str(count), lines) if count else []

        def fill(row: int, value: str, array: str = "work") -> list[str]:
            return lanes.repeated(
                "j", str(self.count), lambda j: lanes.over([f"{lanes.at(row, lanes.rows(j), array)} = {value}"])
            )

        return [
            *read(self.x, len(self.state), "start"),
            *read(rows.vectors, self.count * self.size, "frame"),
            *(line for row in (rows.bounds, rows.faint, rows.vanished) for line in fill(row, "real(0.0)")),
            *fill(rows.product, "real(1.0)"),
            *fill(0, "0", "exponent"),
            *lanes.over([f"{lanes.at(rows.doubt)} = real(0.0)", f"{lanes.at(0, array='stop')} = -1"]),
        ]

    def _draw(self, lines: list[str]) -> list[str]:
        """The draws of a step; those that neither the Jacobian nor the next state holds are left out by the compiler."""
        kept = [f"{self.lanes.at(self.z + i)} = {variable}" for i, variable in enumerate(self.drawn.values())]
        return self.lanes.over([f"replica = {self.lanes.replica}", *lines, *kept]) if kept else []

    def _prepare(self) -> list[str]:
        """Coefficients and sizes of the Jacobian, and the next state, from the state and the draws."""
        states = self.code.names[: len(self.state)]
        drawn = self.code.names[len(self.code.names) - len(self.drawn) :]
        load = [f"{name} = {self.lanes.at(self.x + i)}" for i, name in enumerate(states)]
        load += [f"{name} = {self.lanes.at(self.z + i)}" for i, name in enumerate(drawn)]
        rows = [self.rows.coefficients + k for k in range(len(self.tangent.coefficients))]
        rows += [self.rows.sizes + i for i in range(self.size)] + [self.x + i for i in range(len(states))]
        store = [f"{self.lanes.at(row)} = {result}" for row, result in zip(rows, self.results, strict=True)]
        if states:
            following = " + ".join(self.results[-len(states) :])
            store.append(f"{self.lanes.at(self.rows.doubt)} += real(0.0) * ({following})")
        return self.lanes.over([*load, *self.code.lines, *store])

    def _watch(self) -> list[str]:
        stop, doubt = self.lanes.at(0, array="stop"), self.lanes.at(self.rows.doubt)
        return self.lanes.over([f"{stop} = step if {stop} < 0 and not abs({doubt}) < math.inf else {stop}"])

    def _recorded(self, j: str) -> list[str]:
        at, vector = self.lanes.at, self.lanes.rows(j)
        product, exponent = at(self.rows.product, vector), at(0, vector, "exponent")
        lines = [
            f"replica = {self.lanes.replica}",
            f"total = 0.5 * (math.log(np.float64({product})) + {float(np.log(2.0))!r} * np.float64({exponent}))",
            f"log_norms[slot, {j}, replica] = math.nan if {at(0, array='stop')} >= 0 else total",
            f"faint[slot, {j}, replica] = np.int64({at(self.rows.faint, vector)})",
            f"vanished[slot, {j}, replica] = np.int64({at(self.rows.vanished, vector)})",
        ]
        if self.directions:
            column = self.lanes.rows(j, self.size)
            lines += [
                f"frames[slot, {j} * {self.size} + {i}, replica] = {at(self.rows.vectors + i, column)}"
                for i in range(self.size)
            ]
        return lines
