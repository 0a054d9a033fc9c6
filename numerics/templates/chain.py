r"""The exact chain on inner products: SGD on isotropic Gaussian data at a cost per step that no dimension enters.

The state are the coordinates of the trained vectors, their velocities and the fixed vectors in an orthonormal frame that
moves with them (see `coordinates`), and the trained scalars. One step draws a batch gradient in these coordinates,
exact in law at any finite n (see `chain_gradient`), updates every coordinate as the algorithm updates every coordinate of R^n,
and turns the frame back onto the vectors. The program knows the model through printed scalar functions alone, those
of direct SGD: the coefficients of the gradient, the statistics, the draws.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray
from sympy import Expr

from numerics.kernel import Argument, Kernel
from numerics.precision import Precision
from numerics.targets import Target
from numerics.templates.chain_gradient import GradientCode
from numerics.templates.chain_state import ChainState, FrameShape
from numerics.templates.coordinates import Code, Draws, Extension
from numerics.templates.trajectory import trajectory_kernel
from theory import SGD, DecoupledDecay, Model, NesterovLookahead

SETTINGS = ("rate", "beta", "decay", "keep", "noise_scale", "share")
"""Numbers of the algorithm, in the order in which the program reads them; deviations of data vectors follow."""
_IMPORTS = (
    "from numerics.gram_algebra import add_row, inner_rows, triangular_rows",
    "from numerics.semidefinite import semidefinite_factor",
    # beyond the purposes of direct SGD
    "RADIUS_PURPOSE, TRIANGLE_PURPOSE, HEAT_PURPOSE, HEAT_RADIUS_PURPOSE, SCALAR_HEAT_PURPOSE = range(32, 37)",
)


@dataclass(frozen=True)
class ChainProgram:
    """A generated chain with what its arguments stand for.

    `kernel` takes seed, hyper, settings, batch, degrees, start (vector, coordinate, replica), scalar_start (scalar, replica), fixed
    (vector, coordinate), `tables`, record, out (time, statistic, replica) and stopped, see `numerics.chain`.
    `hyperparameters` lists the symbols of `hyper`, `variances` those of the data vectors whose deviations follow the settings.
    `centres` names the tables that hold coefficients of the fixed vectors, to be given as coordinates.
    """

    kernel: Kernel
    hyperparameters: tuple[Expr, ...]
    variances: tuple[Expr, ...]
    tables: Mapping[str, NDArray[Any]]
    centres: frozenset[str]


def chain_program(
    model: Model,
    algorithm: SGD,
    statistics: Mapping[str, Expr],
    values: Mapping[Expr, float],
    shape: FrameShape,
    *,
    single: bool,
    target: Target = Target.CPU,
    precision: Precision = Precision.FLOAT64,
) -> ChainProgram:
    """Return the generated chain of SGD on `model`, recording `statistics`.

    Parameters: `shape` of the frame; `single`, whether a batch has one sample; `values`, numbers of the hyperparameters, which
    enter only the tables of finite laws. The text depends on the dimension only where it is too small for the draws of a step.
    """
    return _Builder(ChainState(model, algorithm, statistics, values, shape, precision), single, target).program()


class _Builder:
    """Puts the step into the loop over steps and records."""

    def __init__(self, state: ChainState, single: bool, target: Target) -> None:
        self.state, self.code, self.single, self.target = state, state.code, single, target
        self.algorithm, self.shape = state.algorithm, state.shape
        self.gradient = GradientCode(state, single=single)
        self.heated = self.algorithm.temperature != 0
        trained = len(state.trained)
        self.heat = Extension(self.shape.size, self.shape.degrees)
        self.heat_columns = self.heat.columns(trained) if self.heated else 0
        self.width = self.shape.size + max(self.gradient.columns, self.heat_columns)
        self.code.declare("x", len(state.moving), self.width)
        if state.is_shifted:
            self.code.declare("point", trained, self.shape.size)
        if self.heated:
            self.code.declare("heat", trained, self.shape.size + self.heat_columns)

    # --------------------------------------------------------------------------------------------------- parts of a step

    def _points(self) -> Code:
        """Where the gradient is taken under Nesterov momentum."""
        if not self.state.is_shifted:
            return []
        trained, at = len(self.state.trained), self.code.at
        lines = self.code.each_row(
            trained,
            lambda i: self.code.each(
                0,
                self.shape.size,
                lambda j: [f"{at('point', i, j)} = {at('x', i, j)} - rate * beta * {at('x', _after(trained, i), j)}"],
            ),
        )
        scalars = len(self.state.scalars)
        return [*lines, *(f"scalar_point_{k} = s_{k} - rate * beta * s_{scalars + k}" for k in range(scalars))]

    def _moved(self, x: str, v: str, g: str, at: str) -> Code:
        """Lines that update one number `x` with velocity `v` by the batch sum `g` of gradients."""
        algorithm, lines = self.algorithm, [] if self.single else [f"{g} *= share"]
        if algorithm.coupled_decay != 0:
            lines.append(f"{g} += decay * {at}")
        kept = f"keep * {x}" if isinstance(algorithm.weight_decay, DecoupledDecay) else x
        if algorithm.momentum is None:
            return [*lines, f"{x} = {kept} - rate * {g}"]
        move = f"({g} + beta * {v})" if isinstance(algorithm.momentum, NesterovLookahead) else v
        return [*lines, f"{v} = beta * {v} + {g}", f"{x} = {kept} - rate * {move}"]

    def _update(self) -> Code:
        """The optimiser's update of every coordinate and every scalar, and the frame turned back."""
        trained, size, at = len(self.state.trained), self.shape.size, self.code.at
        point = "point" if self.state.is_shifted else "x"

        def moved(i: object, j: object, origin: str) -> Code:
            return self._moved(at("x", i, j), at("x", _after(trained, i), j), at("g", i, j), origin)

        lines = self.code.each_row(
            trained,
            lambda i: [
                *self.code.each(0, size, lambda j: moved(i, j, at(point, i, j))),
                # all vectors begin in the frame, so that beyond it the old point is zero
                *self.code.each(size, size + self.gradient.columns, lambda j: moved(i, j, "real(0.0)")),
            ],
        )
        scalars, place = len(self.state.scalars), "scalar_point" if self.state.is_shifted else "s"
        for k in range(scalars):
            lines += self._moved(f"s_{k}", f"s_{scalars + k}", f"slope_{k}", f"{place}_{k}")
        return [*lines, *self._turned(self.gradient.columns)]

    def _turned(self, columns: int) -> Code:
        """Turn the frame onto the moving vectors, which have so many coordinates outside it."""
        if not self.shape.degrees:  # the frame is the whole space
            return []
        return self.code.reduced("x", len(self.state.moving), self.shape.along, self.shape.size + columns)

    def _heat(self) -> Code:
        """Langevin noise: independent Gaussian vectors, added to the trained ones."""
        if not self.heated:
            return []
        trained, precision = len(self.state.trained), self.state.precision
        draws = Draws("h", "HEAT_PURPOSE", "HEAT_RADIUS_PURPOSE", precision)
        lines, rows = self.code.gaussian("heat", trained, self.heat, draws)
        for i, row in enumerate(rows):
            lines += self.code.add(self.code.row("x", i, self.width), [("noise_scale", row)])
        lines += self._turned(self.heat_columns)
        scalars = Draws("c", "SCALAR_HEAT_PURPOSE", "", precision)
        warm = [f"s_{k} += noise_scale * {scalars.normal()}" for k in range(len(self.state.scalars))]
        return ["member = 0", *lines, *scalars.statements(), *warm]

    def _sphere(self) -> Code:
        """Rescale every trained vector to unit norm."""
        lines: Code = []
        if self.algorithm.constraint is not None:
            for i in range(len(self.state.trained)):
                row = self.state.moving_row(i)
                lines += self.code.inner("norm", row, row)
                lines.append("norm = real(1.0) / math.sqrt(norm)")
                lines += self.code.scale(row, "norm")
        return lines

    def _step(self) -> Code:
        """One step, or the end of the replica where a coefficient of its gradient is not finite."""
        moved = [*self._update(), *self._heat(), *self._sphere(), "step += 1"]
        return [
            *self._points(),
            *self.gradient.lines(),
            # not isfinite: numba makes it a difference, which reassociation cancels, and divergence would pass unseen
            "if magnitude < math.inf:",
            *(f"    {line}" for line in moved),
            "else:",
            "    alive = False",
            "    stopped[index] = step",
        ]

    # ------------------------------------------------------------------------------------------------------ whole program

    def _begin(self) -> Code:
        state, size = self.state, self.shape.size
        lines = [f"{name} = hyper[{k}]" for k, name in enumerate(state.hyper_names.values())]
        names = [*SETTINGS, *self.gradient.deviations.values()]
        lines += [f"{name} = settings[{k}]" for k, name in enumerate(names)]
        lines += ["stream = 0", "replica = index"]
        for k, rank in enumerate(self.shape.sizes):
            lines += self.code.each(0, rank, lambda j, k=k: [f"{self.code.at('anchor', k, j)} = fixed[{k}, {j}]"])  # type: ignore[misc]
        lines += self.code.each_row(
            len(state.moving),
            lambda i: self.code.each(0, size, lambda j: [f"{self.code.at('x', i, j)} = start[{i}, {j}, index]"]),
        )
        lines += self.code.clear("x", len(state.moving), size, self.width)
        lines += [f"s_{k} = scalar_start[{k}, index]" for k in range(len(state.moving_scalars))]
        return [*lines, "stopped[index] = -1", "alive = True", "step = 0"]

    def _record(self) -> Code:
        statements, call = self.state.call("statistics", list(self.state.statistics.values()), {}, shifted=False)
        names = [f"value_{k}" for k in range(len(self.state.statistics))]
        return [
            *statements,
            f"{', '.join(names)}{',' * (len(names) == 1)} = {call}",
            f"if {' + '.join(f'abs({name})' for name in names)} < math.inf:",
            *(f"    out[slot, {k}, index] = {name}" for k, name in enumerate(names)),
            "else:",
            "    alive = False",
            "    stopped[index] = step",
        ]

    def program(self) -> ChainProgram:
        """The whole program."""
        state = self.state
        body = [
            *self._begin(),
            "for slot in range(record.size):",
            "    while alive and step < record[slot]:",
            *(f"        {line}" for line in self._step()),
            "    if alive:",
            *(f"        {line}" for line in self._record()),
        ]
        sample, chi_square = state.sample, state.precision.suffixed("chi_square_draw")
        header = (
            f"the chain of inner products under SGD on the loss of one sample\n    {state.model.loss}\n"
            f"with {self.algorithm!r}\nstatistics: {dict(state.statistics)}"
        )
        kernel = trajectory_kernel(
            functions=state.functions,
            arguments=self._arguments(),
            body=body,
            locals_=self.code.locals_,
            header=header,
            imports=(f"from numerics.random import {chi_square} as chi_square_draw", *_IMPORTS),
            target=self.target,
            precision=state.precision,
        )
        return ChainProgram(
            kernel=kernel,
            hyperparameters=tuple(state.hyper_names),
            variances=tuple(state.gaussians[z] for z in self.gradient.deviations),
            tables={**sample.tables, **sample.thresholds},
            centres=frozenset(entries.table for entries in sample.entries.values()),
        )

    def _arguments(self) -> list[Argument]:
        sample = self.state.sample
        return [
            Argument("seed", "uint64"),
            Argument("hyper", dimensions=1),
            Argument("settings", dimensions=1),
            Argument("batch", "int64"),
            Argument("degrees", "int64"),
            Argument("start", dimensions=3),
            Argument("scalar_start", dimensions=2),
            Argument("fixed", dimensions=2),
            *(Argument(name, dimensions=table.ndim) for name, table in sample.tables.items()),
            *(Argument(name, "uint64", 1) for name in sample.thresholds),
            Argument("record", "int64", 1),
            Argument("out", dimensions=3, written=True),
            Argument("stopped", "int64", 1, written=True),
        ]


def _after(count: int, index: object) -> object:
    """The row that comes so many rows after row `index`, a number or the variable of a loop."""
    return count + index if isinstance(index, int) else f"{count} + {index}"
