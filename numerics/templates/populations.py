r"""The program of moment exponents by population resampling: walkers that are copied in proportion to how much they
grew.

A population of M walkers carries unit vectors of (theta, velocity). In an epoch each walker takes its own random steps,

    theta -> A theta,   log-weight += p log|A theta|,   theta -> A theta / |A theta|,

so weights are carried as logarithms and nothing under- or overflows. When the effective size $(\sum w)^2 / \sum w^2$
of the population falls below M/2, the mean weight goes into the growth of the population, $M$ walkers are taken by
systematic resampling, and the weights begin anew.

The growth after an epoch is the sum of the logarithms of the mean weights; its rate tends to L(p) per epoch, with a
bias of order 1/M. A walker that is annihilated has weight 0, and for p < 0 the moment is infinite. Populations run on
the CPU, one after the other on each thread.

References: J. Vanneste, Estimating generalized Lyapunov exponents for products of random matrices (Physical Review E
81, 2010).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from numerics.kernel import Argument, Kernel
from numerics.precision import Precision
from numerics.targets.replica import Block, Lines, Operation, ReplicaProgram
from numerics.templates.curvature import CurvatureCode
from numerics.templates.gram_schmidt import FAINT
from numerics.templates.trajectory import replica_kernel

ARGUMENTS = (
    Argument("walkers", "int64"),
    Argument("power"),
    Argument("epoch", "int64"),
    Argument("first_epoch", "int64"),
    Argument("epochs", "int64"),
    Argument("numbers", dimensions=1),
    Argument("vectors", dimensions=3, written=True),
    Argument("others", dimensions=3, written=True),
    Argument("logs", "float64", 2, written=True),
    Argument("weights", "float64", 2, written=True),
    Argument("scratch", dimensions=3, written=True),
    Argument("grown", "float64", 1, written=True),
    Argument("growth", "float64", 2, written=True),
    Argument("infinite", "int64", 1, written=True),
    Argument("overflown", "int64", 1, written=True),
)
"""After those of the curvature. `power` is p, `epoch` the steps of an epoch, `numbers` one row of
`numerics.templates.products.step_numbers`. `vectors` (population, walker, coordinate), theta before the velocity, and
`logs` (population, walker) are the state; `others`, `weights` and `scratch` (population, 2, size) memory. `grown`
(population,) : the sums so far; `growth` (epoch, population) : the same after each epoch, with the current mean
weight. `infinite` : how many walkers were annihilated under a negative power; `overflown` : how many left the finite
numbers. Walker w of population q is replica q * walkers + w."""


SMALL = 1e-100
"""A product of squared norms is put into the logarithm of a weight before it is smaller, or larger than its inverse."""


def population_program(
    code: CurvatureCode, *, has_velocity: bool, known: Mapping[str, int] = MappingProxyType({})
) -> Kernel:
    """Return the program of a kind of curvature, with or without velocities.

    `known` : numbers of the arguments `size` and `batch` that the program is written for, so that loops over them are
        written out.

    >>> from numerics.templates.curvature import Form
    >>> from theory import Sampling
    >>> program = population_program(CurvatureCode(Form.MATRICES, Sampling.WITH_REPLACEMENT), has_velocity=False)
    >>> "value = logs[index, walker] + 0.5 * power * fast_log(weights[index, walker])" in program.source
    True
    """
    parts = 2 if has_velocity else 1
    step: list[Operation] = [
        Lines(tuple(_looked(parts))),
        *code.multiplied(lambda j, i: f"x[{i}]", lambda j, i: f"y[{i}]", "1"),
        Lines(tuple(_moved(parts))),
    ]
    steps = Block("for step in range(number * epoch, (number + 1) * epoch):", tuple(step))
    start = Lines(("replica = index * walkers + walker", "product = real(1.0)"))
    keep = Lines(("weights[index, walker] = product",))
    walk = Block("for walker in range(walkers):", (start, steps, keep))
    body = (walk, Lines(tuple(_weighed())))
    program = ReplicaProgram(
        prologue=(*(f"{name} = {value}" for name, value in known.items()), *code.drawn.tables),
        operations=(
            Lines(tuple(_begun(parts))),
            *code.setup(),
            Block("for number in range(first_epoch, first_epoch + epochs):", body),
            Lines(tuple(_ended())),
        ),
        rows=(),
        arrays={},
        drawn={},
        signals=(),
        integers=code.integers,
        locals_=code.locals_,
    )
    return replica_kernel(
        functions=code.drawn.functions,
        imports=(*code.drawn.imports, "from numerics.elementary import fast_exp, fast_log"),
        arguments=[*code.arguments, *ARGUMENTS],
        program=program,
        header=f"populations of random vectors: {code.form}, batches {code.mode or 'of a stream'}"
        + (", with velocities" if has_velocity else ""),
        precision=Precision.FLOAT64,
    )


def _begun(parts: int) -> list[str]:
    names = [f"c_{a}{b}" for a in range(parts) for b in range(parts)] + [f"kick_{a}" for a in range(parts)]
    names += ["look", "fixed_size", "kick_size"]
    return [
        *(f"{name} = numbers[{k}]" for k, name in enumerate(names)),
        "first_step = first_epoch * epoch",
        "current = vectors[index]",
        "resampled = others[index]",
        "x = scratch[index, 0]",
        "y = scratch[index, 1]",
        "swapped = 0",
    ]


def _looked(parts: int) -> list[str]:
    """The point at which the gradient is taken."""
    moved = " + look * current[walker, size + i]" if parts == 2 else ""
    return ["for i in range(size):", f"    x[i] = current[walker, i]{moved}"]


def _moved(parts: int) -> list[str]:
    """The step, the norm after it, and what it adds to the weight."""
    places = ["current[walker, i]", "current[walker, size + i]"][:parts]
    lines = ["square = real(0.0)", "for i in range(size):"]
    lines += [f"    old_{a} = {place}" for a, place in enumerate(places)]
    for a, place in enumerate(places):
        carried = " + ".join(f"c_{a}{b} * old_{b}" for b in range(parts))
        lines += [
            f"    new_{a} = {carried} + kick_{a} * y[i]",
            f"    {place} = new_{a}",
            f"    square += new_{a} * new_{a}",
        ]
    return [
        *lines,
        f"least = ({FAINT * Precision.FLOAT64.epsilon!r} * (fixed_size + kick_size * bound)) ** 2",
        "if square > least and square < math.inf:",
        "    product *= square",
        f"    if not {SMALL!r} < product < {1 / SMALL!r}:",
        "        logs[index, walker] += 0.5 * power * math.log(product)",
        "        product = real(1.0)",
        "    scale = real(1.0) / math.sqrt(square)",
        f"    for i in range({parts} * size):",
        "        current[walker, i] *= scale",
        "else:",
        "    logs[index, walker] = -math.inf",
        "    finite = square < math.inf and least < math.inf",
        "    infinite[index] += 1 if finite and power < 0.0 else 0",
        "    overflown[index] += 0 if finite else 1",
        f"    for i in range({parts} * size):",
        "        current[walker, i] = real(1.0) if i == 0 else real(0.0)",
    ]


def _weighed() -> list[str]:
    """The mean weight after an epoch; resampling where the population is poor."""
    return [
        "largest = -math.inf",
        "for walker in range(walkers):",
        "    value = logs[index, walker] + 0.5 * power * fast_log(weights[index, walker])",
        "    logs[index, walker] = value",
        "    largest = max(largest, value)",
        "if largest == -math.inf:",
        "    for rest in range(number, first_epoch + epochs):",
        "        growth[rest - first_epoch, index] = -math.inf",
        "    grown[index] = -math.inf",
        "    break",
        "total = 0.0",
        "squares = 0.0",
        "for walker in range(walkers):",
        "    weight = fast_exp(logs[index, walker] - largest)",
        "    weights[index, walker] = weight",
        "    total += weight",
        "    squares += weight * weight",
        "average = largest + math.log(total / walkers)",
        "growth[number - first_epoch, index] = grown[index] + average",
        "if 2.0 * total * total < walkers * squares:",
        "    grown[index] += average",
        "    mark = uniform_draw(seed, stream, index, number, 0, NOISE_PURPOSE)",
        "    parent = 0",
        "    reached = weights[index, 0]",
        "    for walker in range(walkers):",
        "        wanted = (walker + mark) * (total / walkers)",
        "        while reached < wanted and parent < walkers - 1:",
        "            parent += 1",
        "            reached += weights[index, parent]",
        "        for i in range(resampled.shape[1]):",
        "            resampled[walker, i] = current[parent, i]",
        "        logs[index, walker] = 0.0",
        "    kept = current",
        "    current = resampled",
        "    resampled = kept",
        "    swapped = 1 - swapped",
    ]


def _ended() -> list[str]:
    """The walkers where they are expected."""
    return [
        "if swapped == 1:",
        "    for walker in range(walkers):",
        "        for i in range(resampled.shape[1]):",
        "            resampled[walker, i] = current[walker, i]",
    ]
