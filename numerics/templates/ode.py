r"""Programs that integrate ordinary differential equations dx/dt = F(x), one trajectory per index, on every target.

Two explicit Runge-Kutta methods. With slopes $k_j = F(x + h\sum_{l<j} a_{jl} k_l)$ a step is $x' = x + h\sum_j b_j k_j$.

- *Classical, order 4, fixed steps.* Between the steps, the cubic through both ends with their slopes (an error of order 4 too).
- *Dormand-Prince, order 5, adaptive.* An embedded solution of order 4 estimates the error of every step of every trajectory,
  a proportional-integral controller chooses the next step from the last two estimates, and a polynomial of degree 4 through the
  slopes at hand gives the output times. The last slope of a step is the first of the next one.

A trajectory that cannot go on is stopped; the numbers asked for from then on are NaN, and it says why and when (`Failure`).
Time is kept in double precision even in single-precision programs: it is a sum of many small steps.

References: J. R. Dormand, P. J. Prince, A family of embedded Runge-Kutta formulae (J. Comp. Appl. Math. 6, 1980); E. Hairer,
S. P. Norsett, G. Wanner, Solving Ordinary Differential Equations I (second edition, 1993), sections II.4 to II.6.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from fractions import Fraction

from numerics.kernel import Argument, Kernel
from numerics.targets import Local
from numerics.templates.arrays import ArrayFunction
from numerics.templates.trajectory import trajectory_kernel


class Failure(IntEnum):
    """Why a trajectory was stopped."""

    NONE = 0
    NOT_FINITE = 1
    """The state overflows, or the rates are not defined where it goes."""
    BLOW_UP = 2
    """The steps shrank to the resolution of time: a singularity in finite time."""
    TOO_MANY_STEPS = 3
    """The limit of steps was reached."""


@dataclass(frozen=True)
class OdeProgram:
    """A kernel that integrates; see `runge_kutta_program` and `dormand_prince_program` for its arguments."""

    kernel: Kernel
    rates: ArrayFunction


_COMMON = (Argument("start", dimensions=2), Argument("hyper", dimensions=2))
_RESULTS = (
    Argument("out", dimensions=3, written=True),
    Argument("failure", "int64", 1, written=True),
    Argument("failed_at", "float64", 1, written=True),
    Argument("step_count", "int64", 1, written=True),
)


def _begin(rates: ArrayFunction) -> list[str]:
    """Read what belongs to the trajectory; a single column of `start` and `hyper` serves all."""
    return [
        "column = min(index, start.shape[1] - 1)",
        *rates.unpacked(),
        f"for i in range({len(rates.state)}):",
        "    state[i] = start[i, column]",
        "    new[i] = state[i]",
    ]


def _end() -> list[str]:
    return [
        "failure[index] = failed",
        f"failed_at[index] = reached if failed != {Failure.NONE:d} else math.nan",
        "step_count[index] = count",
    ]


def _finite(size: int, *arrays: str) -> list[str]:
    """Lines that set `finite`."""
    tests = " and ".join(f"abs({array}[i]) < math.inf" for array in arrays)
    return ["finite = True", f"for i in range({size}):", f"    finite = finite and {tests}"]


def _indented(lines: Sequence[str], depth: int) -> list[str]:
    return [" " * 4 * depth + line for line in lines]


def _combination(rates: ArrayFunction, weights: Sequence[Fraction]) -> str:
    """Weights times the slopes k1, k2, ... at component i."""
    return " + ".join(f"{rates.literal(weight)} * k{j}[i]" for j, weight in enumerate(weights, start=1) if weight)


def _stages(rates: ArrayFunction, tableau: Sequence[Sequence[Fraction]], last: str) -> list[str]:
    """Slopes k2, k3, ...: one per row of the tableau, the last of them at the array `last`."""
    lines = []
    for number, row in enumerate(tableau, start=2):
        point = last if number == len(tableau) + 1 else "stage"
        lines += [
            f"for i in range({len(rates.state)}):",
            f"    {point}[i] = state[i] + step * ({_combination(rates, row)})",
            rates.call(point, f"k{number}"),
        ]
    return lines


def _locals(size: int, slopes: int) -> list[Local]:
    return [Local(name, (size,)) for name in ("state", "new", "stage", *(f"k{j}" for j in range(1, slopes + 1)))]


# --------------------------------------------------------------------------------------- order 4, fixed steps


_F = Fraction
CLASSICAL = ((_F(1, 2),), (_F(0), _F(1, 2)), (_F(0), _F(0), _F(1)), (_F(1, 6), _F(1, 3), _F(1, 3), _F(1, 6)))
"""Rows of a_{jl}; the last one is the step itself, whose slope begins the next."""


def runge_kutta_program(rates: ArrayFunction, *, header: str = "") -> OdeProgram:
    """Return the program of the classical method of order 4 with steps of one length.

    Arguments of the kernel: `start[i, c]` and `hyper[k, c]` with one column, or one per trajectory; `step`, its length;
    `record_steps`, `record_fractions`: a wanted time lies at that fraction of that step (counted from 0), in increasing order; time
    zero is the end of step -1; then the rules of `rates`; then the results `out[slot, i, trajectory]`, `failure`, `failed_at`,
    `step_count` per trajectory.
    """
    size, number = len(rates.state), rates.literal
    body = [
        *_begin(rates),
        "reached, count = np.float64(0.0), 0",
        rates.call("new", "k5"),
        *_finite(size, "k5"),
        f"failed = {Failure.NONE:d} if finite else {Failure.NOT_FINITE:d}",
        f"for i in range({size}):",
        f"    k1[i] = {number(0.0)}",  # time zero reads it before the first step, times zero
        "for slot in range(record_steps.size):",
        f"    while count <= record_steps[slot] and failed == {Failure.NONE:d}:",
        f"        for i in range({size}):",
        "            state[i], k1[i] = new[i], k5[i]",
        *_indented(_stages(rates, CLASSICAL, "new"), 2),
        *_indented(_finite(size, "new", "k5"), 2),
        "        if finite:",
        "            count += 1",
        "        else:",
        f"            failed, reached = {Failure.NOT_FINITE:d}, count * np.float64(step)",
        "    theta = record_fractions[slot]",
        f"    rest = {number(1.0)} - theta",
        f"    for i in range({size}):",
        "        change = new[i] - state[i]",
        "        bend = rest * (step * k1[i] - change) - theta * (step * k5[i] - change)",
        f"        out[slot, i, index] = state[i] + theta * (change + rest * bend) if failed == {Failure.NONE:d} else "
        f"real(math.nan)",
        *_end(),
    ]
    arguments = (
        *_COMMON,
        Argument("step"),
        Argument("record_steps", "int64", 1),
        Argument("record_fractions", dimensions=1),
        *rates.arguments,
        *_RESULTS,
    )
    return OdeProgram(_kernel(rates, arguments, body, _locals(size, 5), header), rates)


# ---------------------------------------------------------------------------------------- order 5, adaptive steps

DORMAND_PRINCE = (
    (_F(1, 5),),
    (_F(3, 40), _F(9, 40)),
    (_F(44, 45), _F(-56, 15), _F(32, 9)),
    (_F(19372, 6561), _F(-25360, 2187), _F(64448, 6561), _F(-212, 729)),
    (_F(9017, 3168), _F(-355, 33), _F(46732, 5247), _F(49, 176), _F(-5103, 18656)),
    (_F(35, 384), _F(0), _F(500, 1113), _F(125, 192), _F(-2187, 6784), _F(11, 84)),
)
"""Rows of a_{jl}; the last one is the step itself, whose slope begins the next."""
ERROR = (_F(71, 57600), _F(0), _F(-71, 16695), _F(71, 1920), _F(-17253, 339200), _F(22, 525), _F(-1, 40))
"""Weights of the slopes in the difference of the solutions of order 5 and 4."""
DENSE = (
    _F(-12715105075, 11282082432),
    _F(0),
    _F(87487479700, 32700410799),
    _F(-10690763975, 1880347072),
    _F(701980252875, 199316789632),
    _F(-1453857185, 822651844),
    _F(69997945, 29380423),
)
"""Weights of the slopes in the highest term of the interpolating polynomial."""
SAFETY, SLOWEST, FASTEST = 0.9, 0.2, 10.0
"""The next step is at most `FASTEST`, at least `SLOWEST` times the last one, and a little shorter than the estimate allows."""
PROPORTIONAL, INTEGRAL = 0.17, 0.04
"""The next step is the last one times error**-0.17 * (error before)**0.04."""


def dormand_prince_program(rates: ArrayFunction, *, header: str = "") -> OdeProgram:
    """Return the program of the Dormand-Prince method of order 5(4), each trajectory with steps of its own.

    A step is accepted if the root mean square over the components of error / (absolute + relative * |x|) is at most one.
    Arguments of the kernel: `start` and `hyper` as for `runge_kutta_program`; `times`, wanted, increasing; `relative`,
    `absolute`, `maximal_steps` (accepted and rejected ones); the rules of `rates`; the results as there.
    """
    size, number = len(rates.state), rates.literal
    running = f"failed == {Failure.NONE:d}"
    body = [
        *_begin(rates),
        "last = times[times.size - 1]",
        "begun, reached, length, count = np.float64(0.0), np.float64(0.0), np.float64(1.0), 0",
        rates.call("new", "k7"),
        *_finite(size, "k7"),
        f"failed = {Failure.NONE:d} if finite else {Failure.NOT_FINITE:d}",
        f"accepted, before = True, {number(1e-4)}",
        *_first_step(rates),
        "for slot in range(times.size):",
        f"    while reached < times[slot] and {running}:",
        *_indented(_attempt(rates), 2),
        # the fraction of the last step at which the wanted time lies
        "    theta = real((times[slot] - begun) / length)",
        f"    rest = {number(1.0)} - theta",
        f"    for i in range({size}):",
        "        change = new[i] - state[i]",
        "        bend = taken * k1[i] - change",
        f"        highest = taken * ({_combination(rates, DENSE)})",
        "        curve = bend + theta * (change - taken * k7[i] - bend + rest * highest)",
        f"        out[slot, i, index] = state[i] + theta * (change + rest * curve) if {running} else real(math.nan)",
        *_end(),
    ]
    arguments = (
        *_COMMON,
        Argument("times", "float64", 1),
        Argument("relative"),
        Argument("absolute"),
        Argument("maximal_steps", "int64"),
        *rates.arguments,
        *_RESULTS,
    )
    return OdeProgram(_kernel(rates, arguments, body, _locals(size, 7), header), rates)


def _first_step(rates: ArrayFunction) -> list[str]:
    """The length of the first step: a hundredth of the state over its rate, then from the change of the rate over that."""
    size, number = len(rates.state), rates.literal
    tiny = number(1e-5)
    return [
        f"norm0, norm1, norm2 = {number(0.0)}, {number(0.0)}, {number(0.0)}",
        f"for i in range({size}):",
        "    scale = absolute + relative * abs(new[i])",
        "    k1[i] = k7[i]",
        # the output at time zero reads them before the first step, times zero
        f"    k3[i], k4[i], k5[i], k6[i] = {number(0.0)}, {number(0.0)}, {number(0.0)}, {number(0.0)}",
        "    norm0 += (new[i] / scale) * (new[i] / scale)",
        "    norm1 += (k7[i] / scale) * (k7[i] / scale)",
        f"norm0, norm1 = math.sqrt(norm0 / {number(size)}), math.sqrt(norm1 / {number(size)})",
        f"step = {number(0.01)} * norm0 / norm1 if norm0 > {tiny} and norm1 > {tiny} else {number(1e-6)}",
        "step = min(step, real(last))",
        f"for i in range({size}):",
        "    stage[i] = new[i] + step * k7[i]",
        rates.call("stage", "k2"),
        f"for i in range({size}):",
        "    scale = absolute + relative * abs(new[i])",
        "    norm2 += ((k2[i] - k7[i]) / scale) * ((k2[i] - k7[i]) / scale)",
        f"norm2 = max(norm1, math.sqrt(norm2 / {number(size)}) / step)",
        # a rate that is not finite there makes no statement, so the guess stays
        f"longer = math.pow({number(0.01)} / norm2, {number(0.2)}) if norm2 > {number(1e-15)} else real(last)",
        f"step = min(min({number(100)} * step, longer), real(last)) if longer > {number(0.0)} else step",
        f"taken = {number(0.0)}",
    ]


def _attempt(rates: ArrayFunction) -> list[str]:
    """One step, accepted or not."""
    size, number = len(rates.state), rates.literal
    return [
        "if accepted:",
        f"    for i in range({size}):",
        "        state[i], k1[i] = new[i], k7[i]",
        "ending = reached + np.float64(step) >= last",
        "step = real(last - reached) if ending else step",
        "count += 1",
        *_stages(rates, DORMAND_PRINCE, "new"),
        f"error = {number(0.0)}",
        f"for i in range({size}):",
        "    scale = absolute + relative * max(abs(state[i]), abs(new[i]))",
        f"    part = step * ({_combination(rates, ERROR)}) / scale",
        "    error += part * part",
        f"error = math.sqrt(error / {number(size)})",
        *_finite(size, "new", "k7"),
        "finite = finite and error < math.inf",
        f"factor = math.pow(error, {number(PROPORTIONAL)}) / {number(SAFETY)} if finite else {number(10)}",
        f"if finite and error <= {number(1.0)}:",
        f"    factor = factor / math.pow(before, {number(INTEGRAL)})",
        f"    factor = max({number(1 / FASTEST)}, min({number(1 / SLOWEST)}, factor))",
        f"    factor = factor if accepted else max({number(1.0)}, factor)",
        f"    before, accepted, taken = max(error, {number(1e-4)}), True, step",
        "    begun = reached",
        "    reached = last if ending else reached + np.float64(step)",
        "    length = reached - begun",
        "else:",
        f"    factor = max({number(1.0)}, min({number(1 / SLOWEST)}, factor))",
        "    accepted = False",
        "step = step / factor",
        "if reached < last:",
        f"    if np.float64(step) < 3.6e-15 * reached or not step > {number(0.0)}:",
        f"        failed = {Failure.BLOW_UP:d} if finite else {Failure.NOT_FINITE:d}",
        "    elif count >= maximal_steps:",
        f"        failed = {Failure.TOO_MANY_STEPS:d}",
    ]


def _kernel(
    rates: ArrayFunction,
    arguments: Sequence[Argument],
    body: Sequence[str],
    locals_: Sequence[Local],
    header: str,
) -> Kernel:
    return trajectory_kernel(
        functions=rates.functions,
        arguments=arguments,
        body=body,
        locals_=locals_,
        header=header,
        target=rates.target,
        precision=rates.precision,
    )
