r"""Programs that follow paths of stochastic differential equations in the Ito sense, one path per index, on every target.

    du = h(u) dt + Sigma(u)^(1/2) dB,        dB = (B_{t + dt} - B_t), of variance dt, on a grid of equal steps

*Euler-Maruyama* takes drift and noise at the beginning of a step, $u' = u + h\,dt + L\,dB$ with $L L^T = \Sigma$: weak order 1,
strong order 1/2 (1 where Sigma is constant). L is the root of a diagonal Sigma, otherwise a pivoted Cholesky factor: Sigma may be
singular or zero. A law of u needs no particular root, but a single path does, and pivots may change along it.

*Milstein* adds $\frac12 b_i \partial_i b_i (dB_i^2 - dt)$, strong order 1. Since $b_i^2 = \Sigma_{ii}$, this is
$\frac14 \partial_i\Sigma_{ii}\,(dB_i^2 - dt)$: no derivative of a root, and no division where the noise vanishes. It is the whole
term of that order only if Sigma is diagonal and no entry depends on another state that is noisy itself; else the order needs
iterated integrals of two Brownian motions, and `noise_obstacle` says so.

The Brownian path may be drawn on a finer grid than the steps: an increment is then a sum of `fine` increments, so that runs with
the same seed and the same fine grid follow one path. A negative Sigma_ii (an excursion of a discretised path beyond the edge of its
state space) counts as zero noise in that direction, and the steps where this happened are counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sympy import Expr

from numerics.kernel import Argument, Kernel
from numerics.precision import Precision
from numerics.quadrature import has_quadrature
from numerics.random import Purpose
from numerics.targets import Local, Target
from numerics.templates.arrays import ArrayFunction, array_function, partial_derivative
from numerics.templates.trajectory import trajectory_kernel
from theory import SDE

ROUNDING = 64
"""A variance below this many units in the last place of the largest one is zero."""


@dataclass(frozen=True)
class SdeProgram:
    """A kernel that follows paths; see `sde_program` for its arguments. `coefficients`: drift, then what the noise needs."""

    kernel: Kernel
    coefficients: ArrayFunction


def noisy_states(equations: SDE) -> tuple[int, ...]:
    """The positions of the states that carry noise at all."""
    return tuple(i for i in range(len(equations.state)) if equations.covariance[i, i] != 0)


def is_diagonal(equations: SDE) -> bool:
    """Whether every state has a Brownian motion of its own."""
    size = len(equations.state)
    return all(equations.covariance[i, j] == 0 for i in range(size) for j in range(size) if i != j)


def noise_obstacle(equations: SDE) -> str | None:
    """Why the method of Milstein does not reach strong order 1 on these equations; None if it does.

    >>> import sympy
    >>> from theory import symbols
    >>> x, y = symbols("x y")
    >>> noise_obstacle(SDE(rates={x: -x, y: x}, covariance=sympy.ImmutableDenseMatrix([[x*y, 0], [0, 0]])))
    >>> noise_obstacle(SDE(rates={x: -x, y: x}, covariance=sympy.ImmutableDenseMatrix([[x*y, 0], [0, 1]])))
    'Sigma(x, x) = x*y depends on y, which carries noise of its own'
    """
    state, sigma = equations.state, equations.covariance
    if not is_diagonal(equations):
        i, j = next((i, j) for i in range(len(state)) for j in range(len(state)) if i != j and sigma[i, j] != 0)
        return f"the noises of {state[i]} and {state[j]} are correlated, Sigma({state[i]}, {state[j]}) = {sigma[i, j]}"
    noisy = noisy_states(equations)
    for i in noisy:
        for j in noisy:
            if i != j and sigma[i, i].has(state[j]):
                return f"Sigma({state[i]}, {state[i]}) = {sigma[i, i]} depends on {state[j]}, which carries noise of its own"
        if has_quadrature([sigma[i, i]]):
            return f"the derivative of Sigma({state[i]}, {state[i]}), which holds a quadrature, is not derived"
    return None


def sde_program(
    equations: SDE, *, milstein: bool = False, target: Target = Target.CPU, precision: Precision = Precision.FLOAT64
) -> SdeProgram:
    """Return the program that follows paths by Euler-Maruyama, or where `noise_obstacle` is None by Milstein.

    Arguments of the kernel: `start[i, c]` and `hyper[k, c]`, a column for `replicas` successive paths, or one for all; `replicas`;
    `seed`, `stream` of the random numbers; `step`, its length; `fine`, draws per step; `record_steps`, increasing; the rules of the
    coefficients; then the results `out[slot, i, path]`, and per path `stopped`, the step in which it left the finite numbers (-1
    if it never did; its record is NaN from then on), and `clamped`, in how many steps Sigma was not positive semidefinite.
    """
    size, noisy, diagonal = len(equations.state), noisy_states(equations), is_diagonal(equations)
    sigma = equations.covariance
    if diagonal:
        variances = [sigma[i, i] for i in noisy]
        slopes = [partial_derivative(sigma[i, i], equations.state[i]) for i in noisy] if milstein else []
    else:
        variances, slopes = [sigma[i, j] for i in range(size) for j in range(i + 1)], []
    outputs: list[Expr] = [*equations.rates.values(), *variances, *slopes]
    coefficients = array_function(
        "coefficients", outputs, equations.state, equations.free_symbols, target=target, precision=precision
    )
    noise = _diagonal_noise(coefficients, noisy, milstein) if diagonal else _correlated_noise(coefficients)
    locals_ = [Local("state", (size,)), Local("values", (len(outputs),)), Local("draws", (max(len(noisy), size),))]
    if not diagonal:
        locals_ += [Local("sigma", (size, size)), Local("root", (size, size))]
    arguments = (
        Argument("start", dimensions=2),
        Argument("hyper", dimensions=2),
        Argument("replicas", "int64"),
        Argument("seed", "uint64"),
        Argument("stream", "int64"),
        Argument("step"),
        Argument("fine", "int64"),
        Argument("record_steps", "int64", 1),
        *coefficients.arguments,
        Argument("out", dimensions=3, written=True),
        Argument("stopped", "int64", 1, written=True),
        Argument("clamped", "int64", 1, written=True),
    )
    imports = [] if diagonal else ["from numerics.semidefinite import semidefinite_factor"]
    kernel = trajectory_kernel(
        functions=coefficients.functions,
        arguments=arguments,
        body=_body(coefficients, noise, len(noisy) if diagonal else size),
        locals_=locals_,
        header=f"{type(equations).__name__} by {'Milstein' if milstein else 'Euler-Maruyama'}, Ito\n{equations}",
        imports=imports,
        target=target,
        precision=precision,
    )
    return SdeProgram(kernel, coefficients)


def _body(coefficients: ArrayFunction, noise: Sequence[str], draws: int) -> list[str]:
    size = len(coefficients.state)
    return [
        "column = min(index // replicas, start.shape[1] - 1)",
        *coefficients.unpacked(),
        f"for i in range({size}):",
        "    state[i] = start[i, column]",
        "spread = math.sqrt(step / real(fine))",
        "count, lost, negative = 0, -1, 0",
        "for slot in range(record_steps.size):",
        "    while count < record_steps[slot] and lost < 0:",
        f"        {coefficients.call('state', 'values')}",
        *(f"        {line}" for line in [*_draws(coefficients, draws), *noise]),
        "        finite = True",
        f"        for i in range({size}):",
        "            state[i] += step * values[i]",
        "            finite = finite and abs(state[i]) < math.inf",
        "        lost = lost if finite else count",
        "        count += 1",
        f"    for i in range({size}):",
        "        out[slot, i, index] = state[i] if lost < 0 else real(math.nan)",
        "stopped[index] = lost",
        "clamped[index] = negative",
    ]


def _draws(coefficients: ArrayFunction, count: int) -> list[str]:
    """Lines that fill `draws` with the increments of `count` Brownian motions."""
    lines = [f"draws[{k}] = {coefficients.literal(0)}" for k in range(count)]
    if count:
        lines.append("for part in range(fine):")
    for block in range(-(-count // 4)):
        counter = f"seed, stream, index, count * fine + part, {block}, {int(Purpose.NOISE)}"
        lines.append(f"    z0, z1, z2, z3 = normal_block({counter})")
        lines += [f"    draws[{k}] += z{k % 4}" for k in range(4 * block, min(4 * block + 4, count))]
    return [*lines, *(f"draws[{k}] *= spread" for k in range(count))]


def _diagonal_noise(coefficients: ArrayFunction, noisy: Sequence[int], milstein: bool) -> list[str]:
    size, zero = len(coefficients.state), coefficients.literal(0)
    lines = ["indefinite = False"] if noisy else []
    for k, i in enumerate(noisy):
        variance = f"values[{size + k}]"
        lines += [
            f"indefinite = indefinite or {variance} < {zero}",
            # zero times NaN is NaN: a variance that is no number stops the path
            f"state[{i}] += draws[{k}] * (math.sqrt({variance}) if {variance} > {zero} else {zero} * {variance})",
        ]
        if milstein:
            slope = f"{coefficients.literal(0.25)} * values[{size + len(noisy) + k}]"
            lines.append(f"state[{i}] += {slope} * (draws[{k}] * draws[{k}] - step)")
    return [*lines, "negative += 1 if indefinite else 0"] if noisy else []


def _correlated_noise(coefficients: ArrayFunction) -> list[str]:
    size = len(coefficients.state)
    tolerance = coefficients.literal(ROUNDING * coefficients.precision.epsilon)
    return [
        "entry = 0",
        f"for i in range({size}):",
        "    for j in range(i + 1):",
        f"        sigma[i, j] = values[{size} + entry]",
        "        entry += 1",
        f"negative += 0 if semidefinite_factor(sigma, root, {tolerance}) else 1",
        f"for i in range({size}):",
        f"    for k in range({size}):",
        "        state[i] += root[i, k] * draws[k]",
    ]
