r"""The program of Lyapunov exponents: tangent vectors along random trajectories, kept orthonormal.

Every trajectory carries k tangent vectors (`numerics.templates.tangent`). In a step q_j' = J q_j; after every `every` steps they
are orthonormalised one after the other, and the logarithm of what is left of q_j is added up:

    v = q_j / 2^e                          a power of two, so that no square under- or overflows
    v = v - (q_p . v) q_p,  p < j, twice   modified Gram-Schmidt; the second pass makes q_j orthogonal to rounding
    s = |v|^2,   log-norm_j += e log 2 + (log s) / 2,   q_j = v / sqrt(s)

The sum of logarithms is a product of the s, its binary exponent taken out after every factor into a whole number: a step costs no
logarithm, and nothing is rounded but the product itself.

*Rank loss.* What is left of a vector that lies in the span of the ones before it is rounding noise. Each vector carries a bound r of
the sum of the absolute values of the terms that made it (`TangentCode.sizes`). It is *faint* where |v| < 16 epsilon r, and *lost* where
|v| is below an even smaller multiple (see `LOST`); a lost vector is zero from then on, and its log-norm minus infinity.

*Lanes.* On the CPU a trajectory of the program is a group of `lanes` replicas, and every line stands in a loop over them, which
becomes vector instructions; all numbers lie in one array `work` of rows of `lanes` numbers, so that the compiler sees that rows do not
overlap. On a device there is one lane, its numbers in registers if they are few.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sympy import Expr

from numerics.kernel import Argument, Kernel
from numerics.precision import Precision
from numerics.printer import argument_names, scalar_code
from numerics.targets import Local, Target
from numerics.templates.draws import SampleCode
from numerics.templates.maps import (
    COUNTER,
    draw_arguments,
    draw_values,
    drawn_code,
    elementary_for,
    elementary_imports,
    hoisted,
    inlined,
)
from numerics.templates.tangent import TangentCode, Term
from numerics.templates.trajectory import trajectory_kernel
from theory import Recurrence

LANES = {Target.CPU: 64, Target.CUDA: 1}
"""Replicas that advance together: enough that a loop over them is worth its beginning."""
STRIDE = {Precision.FLOAT64: 72, Precision.FLOAT32: 80}
"""The distance of rows on the CPU: whole cache lines, their number odd, else rows crowd into few sets of the cache."""
LARGEST_UNROLLED = 36
"""Numbers of all tangent vectors up to which a device keeps them in registers, which needs loops written out."""
ROWS_AT_A_TIME = 6
"""Rows that one loop over lanes changes: beyond, the compiler gives up checking that they do not overlap."""
FAINT = 16.0
"""Multiples of the resolution of the numbers below which what is left of a vector is rounding noise."""


def lost_below(precision: Precision) -> float:
    """The fraction of its bound below which a vector is lost.

    In double precision, where it is noise. In single precision noise is not rare for laws with a density (a step in 10^6), so only
    what is far below noise: it comes where the entries are exact zeros, and the second pass takes noise from noise.
    """
    epsilon = precision.epsilon
    return FAINT * epsilon if precision == Precision.FLOAT64 else float(epsilon**1.5)


@dataclass(frozen=True)
class LyapunovProgram:
    """The program of k tangent vectors of maps of d scalars.

    Arguments of the kernel, for `groups` of `lanes` replicas each: `seed`; a number per hyperparameter; `start[i, r]` and `frame[j * d +
    i, r]`, the state and the tangent vectors of replica r; `record_steps`, increasing; `log_norms[slot, j, r]`, the sums of logarithms at
    these steps; `frames[slot, j * d + i, r]`, the vectors there (not written unless `directions`); `lost[j, r]` and `faint[j, r]`, how
    often vector j was so; `stopped[r]`, the step at which the numbers ceased to be finite, or -1; `tables`.
    `moving` : the state is iterated; else J does not depend on it, and `start` is not read.
    """

    kernel: Kernel
    hyperparameters: tuple[Expr, ...]
    tables: tuple[NDArray[Any], ...]
    dimension: int
    vectors: int
    lanes: int
    moving: bool


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
    """Return the program of `vectors` tangent vectors; see the module's text and `LyapunovProgram`."""
    hyper = tuple(sorted(values, key=str))
    state = equations.state if moving else ()
    names = argument_names([*state, *hyper])
    held = dict(zip(hyper, names[len(state) :], strict=True))
    drawn = drawn_code(equations, held, values, precision=precision, elementary=elementary_for(target))
    text = _Text(equations, tangent, drawn, tuple(state), hyper, vectors, every, directions, target, precision)
    arguments = (
        Argument("seed", "uint64"),
        *(Argument(name) for name in held.values()),
        Argument("start", dimensions=2),
        Argument("frame", dimensions=2),
        Argument("record_steps", "int64", 1),
        Argument("log_norms", "float64", 3, written=True),
        Argument("frames", dimensions=3, written=True),
        Argument("lost", "int64", 2, written=True),
        Argument("faint", "int64", 2, written=True),
        Argument("stopped", "int64", 1, written=True),
        *draw_arguments(drawn),
    )
    body = text.body()
    kernel = trajectory_kernel(
        functions=[*drawn.functions, *text.functions],
        arguments=arguments,
        body=body,
        locals_=text.locals_,
        header=f"{vectors} tangent vectors of a map, orthonormal after every {every} steps\n{equations}",
        imports=elementary_imports(body),
        target=target,
        precision=precision,
    )
    return LyapunovProgram(kernel, hyper, draw_values(drawn), len(equations.state), vectors, LANES[target], moving)


class _Text:
    """The lines of the program."""

    def __init__(
        self,
        equations: Recurrence,
        tangent: TangentCode,
        drawn: SampleCode,
        state: tuple[Any, ...],
        hyper: tuple[Expr, ...],
        vectors: int,
        every: int,
        directions: bool,
        target: Target,
        precision: Precision,
    ) -> None:
        self.equations, self.tangent, self.drawn, self.state = equations, tangent, drawn, state
        self.k, self.d, self.every, self.directions = vectors, len(equations.state), every, directions
        self.lanes, self.precision = LANES[target], precision
        self.stride = STRIDE[precision] if self.lanes > 1 else 1
        self.unrolled = target != Target.CPU and self.k * self.d <= LARGEST_UNROLLED
        self.before, self.draw_lines = hoisted(drawn)
        symbols: list[Any] = [*drawn.scalars]
        following = list(equations.update.values()) if state else []
        self.code = scalar_code(
            [*state, *hyper, *symbols],
            [*tangent.coefficients, *tangent.sizes, *following],
            precision=precision,
            elementary=elementary_for(target),
        )
        self.drawn_names = self.code.names[len(self.code.names) - len(symbols) :]
        # rows of `work`, each of one number per lane
        self.rows = 0
        self.x, self.z = self._rows(len(state)), self._rows(len(symbols))
        self.c, self.sizes = self._rows(len(tangent.coefficients)), self._rows(self.d)
        self.old, self.new = self._rows(self.d), self._rows(self.d)
        self.scale, self.power, self.doubt = self._rows(1), self._rows(1), self._rows(1)
        self.q, self.product, self.bound = self._rows(self.k * self.d), self._rows(self.k), self._rows(self.k)
        self.losses, self.faints = self._rows(self.k), self._rows(self.k)
        self.functions: list[str] = []

    def _rows(self, count: int) -> int:
        self.rows += count
        return self.rows - count

    @property
    def locals_(self) -> tuple[Local, ...]:
        """The arrays of a group of replicas."""
        return (
            Local("work" if self.lanes == 1 else "memory", (self.rows * self.stride + self.spare,)),
            Local("exponent", (self.k * self.stride,), "int64"),
            Local("stop", (self.lanes,), "int64"),
        )

    # ------------------------------------------------------------------------------------------------- loops and places

    def _at(self, row: int, offset: str = "", array: str = "work") -> str:
        """The place of a lane in a row, or in the row that lies `offset` (in numbers) behind it."""
        if self.lanes == 1:
            return f"{array}[{row}{f' + {offset}' if offset else ''}]"
        return f"{array}[{f'{offset} + ' if offset else ''}{row * self.stride} + lane]"

    def _over_lanes(self, lines: Iterable[str]) -> list[str]:
        return list(lines) if self.lanes == 1 else [f"for lane in range({self.lanes}):", *_indented(lines)]

    def _repeated(self, variable: str, count: str, lines: Callable[[str], list[str]]) -> list[str]:
        """A loop; `lines` takes the text of the counter. Written out on a device, so that its places are constants."""
        if self.unrolled and count.isdigit():
            return [line for number in range(int(count)) for line in lines(str(number))]
        return [f"for {variable} in range({count}):", *_indented(lines(variable))]

    def _in_parts(self, first: Sequence[str], lines: Sequence[str]) -> list[str]:
        """Loops over lanes, each over the lines `first` and a few of `lines`."""
        parts = range(0, len(lines), ROWS_AT_A_TIME)
        return [line for k in parts for line in self._over_lanes([*first, *lines[k : k + ROWS_AT_A_TIME]])]

    def _column(self, vector: str) -> str:
        return f"{vector} * {self.d * self.stride}"

    def _single(self, vector: str) -> str:
        return f"{vector} * {self.stride}" if self.lanes > 1 else vector

    # -------------------------------------------------------------------------------------------------------- the body

    def body(self) -> list[str]:
        """The lines of one group of replicas."""
        step = [*self._draw(), *self._prepare(), *self._advance(), *self._watch()]
        return [
            *COUNTER,
            *self._aligned(),
            *self.before,
            *self._begin(),
            "step = 0",
            "for slot in range(record_steps.size):",
            "    last_step = record_steps[slot]",
            "    while step < last_step:",
            *_indented(step, 2),
            "        step += 1",
            *_indented(self._record()),
            *self._end(),
        ]

    def _aligned(self) -> list[str]:
        """`work` on a boundary of cache lines: vectors that lie across two cost up to twice the time."""
        if self.lanes == 1:
            return []
        size = self.precision.dtype.itemsize
        return [
            f"skipped = (-memory.ctypes.data % 64) // {size}",
            f"work = memory[skipped : skipped + {self.rows * self.stride}]",
        ]

    @property
    def spare(self) -> int:
        """Numbers by which the array is longer, so that a boundary lies in it."""
        return 0 if self.lanes == 1 else 64 // self.precision.dtype.itemsize

    def _replica(self) -> str:
        return f"index * {self.lanes} + lane" if self.lanes > 1 else "index"

    def _begin(self) -> list[str]:
        def read(row: int, count: int, source: str) -> list[str]:
            def lines(i: str) -> list[str]:
                place = self._at(row, self._single(i))
                return self._over_lanes([f"replica = {self._replica()}", f"{place} = {source}[{i}, replica]"])

            return self._repeated("i", str(count), lines)

        def fill(row: int, value: str, array: str = "work") -> list[str]:
            return self._repeated(
                "j", str(self.k), lambda j: self._over_lanes([f"{self._at(row, self._single(j), array)} = {value}"])
            )

        return [
            *(read(self.x, len(self.state), "start") if self.state else []),
            *read(self.q, self.k * self.d, "frame"),
            *(line for row in (self.bound, self.losses, self.faints) for line in fill(row, "real(0.0)")),
            *fill(self.product, "real(1.0)"),
            *fill(0, "0", "exponent"),
            *self._over_lanes([f"{self._at(self.doubt)} = real(0.0)", f"{self._at(0, array='stop')} = -1"]),
        ]

    def _draw(self) -> list[str]:
        if not self.drawn.scalars:
            return []
        kept = [f"{self._at(self.z + i)} = {variable}" for i, variable in enumerate(self.drawn.scalars.values())]
        return self._over_lanes([f"replica = {self._replica()}", *self.draw_lines, *kept])

    def _prepare(self) -> list[str]:
        """Coefficients and sizes of the Jacobian, and the next state, from the state and the draws."""
        states = self.code.names[: len(self.state)]
        load = [f"{name} = {self._at(self.x + i)}" for i, name in enumerate(states)]
        load += [f"{name} = {self._at(self.z + i)}" for i, name in enumerate(self.drawn_names)]
        count, size = len(self.tangent.coefficients), self.d
        results = [f"result_{k}" for k in range(count + size + len(states))]
        functions, lines = inlined(self.code, "prepare", results)
        self.functions = functions
        rows = [self.c + k for k in range(count)] + [self.sizes + i for i in range(size)]
        rows += [self.x + i for i in range(len(states))]
        store = [f"{self._at(row)} = {result}" for row, result in zip(rows, results, strict=True)]
        if states:
            store.append(f"{self._at(self.doubt)} += real(0.0) * ({' + '.join(results[count + size :])})")
        return self._over_lanes([*load, *lines, *store])

    # ------------------------------------------------------------------------------------------------- tangent vectors

    def _advance(self) -> list[str]:
        def column(j: str, lines: list[str]) -> list[str]:
            return [f"column = {self._column(j)}", *lines]

        count = str(self.k)
        if self.every == 1:
            return self._repeated("j", count, lambda j: column(j, [*self._image(j), *self._orthonormalised(j)]))
        moved = self._repeated("j", count, lambda j: column(j, [*self._image(j), *self._copied(self.q, self.new)]))
        normal = self._repeated(
            "j", count, lambda j: column(j, [*self._copied(self.new, self.q), *self._orthonormalised(j)])
        )
        return [*moved, f"if (step + 1) % {self.every} == 0 or step + 1 == last_step:", *_indented(normal)]

    def _copied(self, to: int, source: int) -> list[str]:
        """Between the current column of q and rows at a fixed place."""

        def place(row: int, i: int) -> str:
            return self._at(row + i, "column" if row == self.q else "")

        return self._in_parts((), [f"{place(to, i)} = {place(source, i)}" for i in range(self.d)])

    def _image(self, j: str) -> list[str]:
        """Rows `new` = J q_j, and the bound of its terms."""
        lines = [f"q_{i} = {self._at(self.old + i)}" for i in range(self.d)]
        lines += [f"shared_{n} = {self._sum(terms)}" for n, terms in enumerate(self.tangent.temporaries)]
        lines += [f"{self._at(self.new + i)} = {self._sum(terms)}" for i, terms in enumerate(self.tangent.results)]
        here = " + ".join(f"{self._at(self.sizes + i)} * abs(q_{i})" for i in range(self.d))
        bound = self._at(self.bound, self._single(j))
        if self.every == 1:
            lines.append(f"{self._at(self.scale)} = {here}")
        else:  # noise of earlier steps grows with them: at most by the largest size
            lines.append(f"largest = {self._at(self.sizes)}")
            lines += [f"largest = max(largest, {self._at(self.sizes + i)})" for i in range(1, self.d)]
            lines.append(f"{self._at(self.scale)} = {here} + largest * {bound}")
        kept = self._over_lanes([f"{bound} = {self._at(self.scale)}"])
        return [*self._copied(self.old, self.q), *self._over_lanes(lines), *kept]

    def _sum(self, terms: Sequence[Term]) -> str:
        parts = []
        for term in terms:
            variable = f"q_{term.variable}" if term.variable >= 0 else f"shared_{-1 - term.variable}"
            factor = "" if term.coefficient is None else f"{self._at(self.c + term.coefficient)} * "
            parts.append((" - " if term.sign < 0 else " + ") + factor + variable)
        text = "".join(parts)
        return text.removeprefix(" + ").replace(" - ", "-", 1) if text.startswith(" - ") else text[3:] or "real(0.0)"

    def _orthonormalised(self, j: str) -> list[str]:
        """Column j of q from rows `new`; sums of logarithms, losses and doubts."""
        projected = self._repeated("p", j, lambda p: [f"other = {self._column(p)}", *self._projected()])
        return [
            *self._scaled(j),
            *self._repeated("repeat", "2", lambda _: projected),
            *self._measured(j),
            *self._in_parts(
                [f"scale = {self._at(self.scale)}"],
                [f"{self._at(self.q + i, 'column')} = {self._at(self.new + i)} * scale" for i in range(self.d)],
            ),
        ]

    def _scaled(self, j: str) -> list[str]:
        """Divide rows `new` by a power of two, and keep its exponent."""
        v = [self._at(self.new + i) for i in range(self.d)]
        lines = [f"largest = abs({v[0]})", *(f"largest = max(largest, abs({other}))" for other in v[1:])]
        width, bias, whole = self._format
        lines += [
            f"power = np.int64({self._real('largest')}.view(np.{whole})) >> np.int64({width})",
            f"scale = np.{whole}(np.int64({2 * bias}) - power << np.int64({width})).view(np.{self.precision})",
            f"{self._at(self.power)} = real(power - np.int64({bias}))",
            f"{self._at(self.scale)} = scale",
            *(f"{row} *= scale" for row in v),
        ]
        bound = self._at(self.bound, self._single(j))
        return [*self._over_lanes(lines), *self._over_lanes([f"{bound} *= {self._at(self.scale)}"])]

    @property
    def _format(self) -> tuple[int, int, str]:
        """Bits of the mantissa, bias of the exponent, and the name of the integers of the same width."""
        return (52, 1023, "int64") if self.precision == Precision.FLOAT64 else (23, 127, "int32")

    def _real(self, name: str) -> str:
        return f"np.{self.precision}({name})"

    def _projected(self) -> list[str]:
        """Rows `new` minus their projection on column p of q."""
        v = [self._at(self.new + i) for i in range(self.d)]
        q = [self._at(self.q + i, "other") for i in range(self.d)]
        inner = " + ".join(f"{a} * {b}" for a, b in zip(v, q, strict=True))
        kept = self._at(self.scale)
        removed = [f"{a} -= inner * {b}" for a, b in zip(v, q, strict=True)]
        return [*self._over_lanes([f"{kept} = {inner}"]), *self._in_parts([f"inner = {kept}"], removed)]

    def _measured(self, vector: str) -> list[str]:
        """The squared norm s of rows `new`: into the product, or a loss; row `scale` becomes 1 / sqrt(s)."""
        j = self._single(vector)
        v = [self._at(self.new + i) for i in range(self.d)]
        width, bias, whole = self._format
        lost, epsilon = lost_below(self.precision), self.precision.epsilon
        product, losses, faints = (self._at(row, j) for row in (self.product, self.losses, self.faints))
        lines = [
            f"square = {' + '.join(f'{a} * {a}' for a in v)}",
            f"bound = {self._at(self.bound, j)}",
            f"gone = square <= real({lost**2!r}) * (bound * bound)",
            f"{losses} += real(1.0) if gone else real(0.0)",
        ]
        if lost < FAINT * epsilon:
            lines += [
                f"{faints} += real(1.0) if square <= real({(FAINT * epsilon) ** 2!r}) * (bound * bound) else real(0.0)"
            ]
        lines += [
            f"factor = {product} * (real(1.0) if gone else square)",
            f"bits = np.int64({self._real('factor')}.view(np.{whole}))",
            f"power = (bits >> np.int64({width})) - np.int64({bias})",
            f"{product} = np.{whole}(bits - (power << np.int64({width}))).view(np.{self.precision})",
            f"{self._at(self.power)} = real(power) + (real(0.0) if gone else real(2.0) * {self._at(self.power)})",
            f"{self._at(self.doubt)} += real(0.0) * square",
            f"{self._at(self.scale)} = real(0.0) if gone else real(1.0) / math.sqrt(square)",
        ]
        exponent = self._at(0, j, "exponent")
        reset = [f"{self._at(self.bound, j)} = real(0.0)"] if self.every > 1 else []
        return [
            *self._over_lanes(lines),
            *self._over_lanes([f"{exponent} += np.int64({self._at(self.power)})"]),
            *(self._over_lanes(reset) if reset else []),
        ]

    # --------------------------------------------------------------------------------------------------- stops, results

    def _watch(self) -> list[str]:
        stop, doubt = self._at(0, array="stop"), self._at(self.doubt)
        return self._over_lanes([f"{stop} = step if {stop} < 0 and not abs({doubt}) < math.inf else {stop}"])

    def _record(self) -> list[str]:
        return self._repeated("j", str(self.k), lambda j: self._over_lanes(self._recorded(j)))

    def _recorded(self, vector: str) -> list[str]:
        j, width = self._single(vector), self.d
        product, exponent = self._at(self.product, j), self._at(0, j, "exponent")
        lines = [
            f"replica = {self._replica()}",
            f"total = 0.5 * (math.log(np.float64({product})) + {float(np.log(2.0))!r} * np.float64({exponent}))",
            f"total = -math.inf if {self._at(self.losses, j)} > real(0.0) else total",
            f"log_norms[slot, {vector}, replica] = math.nan if {self._at(0, array='stop')} >= 0 else total",
        ]
        if self.directions:
            lines += [
                f"frames[slot, {vector} * {width} + {i}, replica] = {self._at(self.q + i, self._column(vector))}"
                for i in range(width)
            ]
        return lines

    def _end(self) -> list[str]:
        def counts(j: str) -> list[str]:
            losses, faints = (self._at(row, self._single(j)) for row in (self.losses, self.faints))
            lines = [f"lost[{j}, replica] = np.int64({losses})", f"faint[{j}, replica] = np.int64({faints})"]
            return self._over_lanes([f"replica = {self._replica()}", *lines])

        stops = [f"replica = {self._replica()}", f"stopped[replica] = {self._at(0, array='stop')}"]
        return [*self._repeated("j", str(self.k), counts), *self._over_lanes(stops)]


def _indented(lines: Iterable[str], levels: int = 1) -> list[str]:
    return [" " * 4 * levels + line for line in lines]
