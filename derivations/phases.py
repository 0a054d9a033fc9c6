"""The moves of stability on a model file: exponents, thresholds, the phase diagram, direct fates, and whether they agree.

The theory is that of the linearised algorithm near a fixed point: it says whether runs that start there stay, and if they
leave, in which direction. Where they end after that it does not say. So that is what is compared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from derivations.model_files import ModelFile
from derivations.moves import check_names, known_symbols, nearest, numbers_of
from theory.errors import InvalidRequest, UnknownValue

if TYPE_CHECKING:
    import xarray as xr

    from theory import Stability

STEPS = 20_000
"""Steps of a run where neither the command nor the model file says how many."""
REPLICAS = 1000
"""Runs where neither the command nor the model file says how many."""
SPREAD = 1e-6
"""Variance of the start around the fixed point where the model file gives no start."""
SWEEP = (0.001, 4.0)
"""Learning rates over which thresholds are sought where the model file names no range."""

Range = tuple[float, float, int]


# ---------------------------------------------------------------------------------------------------------- predictions


def exponents(
    file: ModelFile, equations: Stability, at: Mapping[str, Any], *, orders: Sequence[float] = (), **options: Any
) -> xr.Dataset:
    """Return the exponent of every mode and the phase, and moment exponents of the orders asked for.

    Of `at`, the equations get what they hold. `options` are those of `solve`: how the exponents of blocks are found that only
    simulation gives.
    """
    from numerics import moment_exponents, solve

    with numbers_of(file, at):
        found = solve(equations, at=_numbers(equations, at), **options)
        if not orders:
            return found
        machine = {name: value for name, value in options.items() if name in ("seed", "replicas", "target", "threads")}
        given = {name: value for name, value in machine.items() if value is not None}
        moments = moment_exponents(equations, orders=tuple(orders), at=_numbers(equations, at), **given)
        return found.merge(moments[["moment_exponent", "moment_exponent_error", "moment_kind"]])


def phase_names(phase: xr.DataArray) -> list[str]:
    """The names of the phases that a variable `phase` holds, in its order.

    >>> import xarray as xr
    >>> attributes = {"flag_values": [0, 1], "flag_meanings": ["saddle attracts", "instability"]}
    >>> phase_names(xr.DataArray([1, 0, 1], dims="point", attrs=attributes))
    ['instability', 'saddle attracts', 'instability']
    """
    meanings = dict(zip(phase.attrs["flag_values"], phase.attrs["flag_meanings"], strict=True))
    return [meanings[int(code)] for code in phase.values.ravel()]


def stable_rates(
    file: ModelFile, equations: Stability, at: Mapping[str, Any], over: Mapping[str, Range], *, order: float = 0
) -> tuple[str, tuple[float, float], Any] | None:
    """The learning rates at which the modes are stable, in probability or for a moment of an order above 0: the symbol, the range looked
    at, the sets of intervals.

    None where the learning rate is no symbol, or is not one of the equations.
    """
    from numerics import thresholds

    rate = file.algorithm.learning_rate
    if not getattr(rate, "is_Symbol", False) or rate not in equations.free_symbols:
        return None
    axes = axes_of(file, equations, over, needed=False)
    low, high, _ = axes.get(str(rate), (*SWEEP, 0))
    others = {name: value for name, value in _numbers(equations, at).items() if name != str(rate)}
    between = (low, high) if low > 0 else (min(SWEEP[0], high / 2), high)
    with numbers_of(file, {**at, str(rate): high}):
        return str(rate), between, thresholds(equations, of=rate, between=between, order=order, at=others)


def is_silent(equations: Stability) -> bool:
    """Whether linear theory says nothing at this point: its exponents are zero by construction, and there is no threshold."""
    return all(block.is_silent for block in equations.blocks)


def axes_of(
    file: ModelFile, equations: Stability, over: Mapping[str, Range], *, needed: bool = True
) -> dict[str, Range]:
    """The axes of the phase diagram by the name of their symbol: those of `over`, else those of the file.

    Raises `UnknownValue` for a name that has no symbol, and where they are `needed`, `InvalidRequest` unless there are two.
    """
    check_names(file, equations, over, option="--over")
    axes = dict(over) or {str(symbol): axis for symbol, axis in file.over.items()}
    if needed and len(axes) != 2:
        found = ", ".join(axes) or "none"
        raise InvalidRequest(
            f"a phase diagram has two axes, got {len(axes)} ({found}); give --over eta=0.05:2:60 --over tau=0:3:40, or "
            f"over in {file.path.name}"
        )
    return axes


def diagram(
    file: ModelFile,
    equations: Stability,
    at: Mapping[str, Any],
    over: Mapping[str, Range],
    *,
    orders: Sequence[float] = (),
) -> xr.Dataset:
    """Return the phase at every point of a grid over two symbols, and moment exponents, as `numerics.phase_diagram` does.

    Raises `InvalidRequest` for a symbol of the model on which nothing at this point depends.
    """
    import numpy as np

    from numerics import phase_diagram

    axes = axes_of(file, equations, over)
    symbols = known_symbols(file, equations)
    inside = [str(symbol) for symbol in equations.free_symbols]
    for name in axes:
        if name not in inside:
            raise InvalidRequest(
                f"{f'--over {name}=...' if name in over else f'over {name} in {file.path.name}'}: {name} drops out at this "
                f"point, as no exponent there depends on it; what they depend on is {', '.join(inside) or 'nothing'}"
            )
    grids = {symbols[name]: np.linspace(low, high, count) for name, (low, high, count) in axes.items()}
    others = {name: value for name, value in _numbers(equations, at).items() if name not in axes}
    with numbers_of(file, {**at, **axes}):
        return phase_diagram(equations, over=grids, at=others, orders=tuple(orders))


def _numbers(equations: Stability, at: Mapping[str, Any]) -> dict[str, Any]:
    names = {str(symbol) for symbol in equations.free_symbols}
    return {name: value for name, value in at.items() if name in names}


# ---------------------------------------------------------------------------------------------------------- simulation


def run_fates(
    file: ModelFile,
    at: Mapping[str, Any],
    *,
    start: Mapping[str, Any] | None = None,
    steps: float | None = None,
    replicas: int | None = None,
    **options: Any,
) -> xr.Dataset:
    """Return the fates of direct SGD near the fixed point; `options` are those of `numerics.fates`.

    Numbers of `start` replace laws of the file; a parameter with neither starts from a narrow Gaussian around the point.
    """
    from numerics import fates
    from theory import Normal

    parameters = {str(parameter): parameter for parameter in file.model.parameters}
    begun: dict[Any, Any] = {p: Normal(file.point.get(p, 0), SPREAD) for p in parameters.values()}
    begun |= {parameters[str(key)]: value for key, value in file.start.items() if str(key) in parameters}
    for name, value in (start or {}).items():
        if name not in parameters:
            raise UnknownValue(
                f"--start {name}=...: {file.name} has no parameter {name}{nearest(name, parameters)}; its parameters are "
                f"{', '.join(parameters)}"
            )
        begun[parameters[name]] = float(value)
    length = steps if steps is not None else file.until or STEPS
    if length != int(length) or length < 1:
        raise InvalidRequest(
            f"--until {length:g}: the fates of runs are counted after a whole number of steps, at least 1"
        )
    with numbers_of(file, at):
        return fates(
            file.model,
            file.algorithm,
            point=file.point,
            at=dict(at),
            start=begun,
            steps=int(length),
            replicas=replicas or file.replicas or REPLICAS,
            **options,
        )


def fates_on(
    file: ModelFile,
    equations: Stability,
    at: Mapping[str, Any],
    over: Mapping[str, Range],
    side: int = 6,
    **options: Any,
) -> xr.Dataset:
    """Return the fates at `side` x `side` points spread over the axes of the phase diagram, in a dimension `point`."""
    import numpy as np

    axes = axes_of(file, equations, over)
    grids = [np.linspace(low, high, 2 * side + 1)[1::2] for low, high, _ in axes.values()]
    points = (grid.ravel() for grid in np.meshgrid(*grids, indexing="ij"))
    return run_fates(file, {**at, **dict(zip(axes, points, strict=True))}, **options)


# ------------------------------------------------------------------------------------------------------------ verdict


class Verdict(StrEnum):
    """What the fates say of the predicted phase."""

    AGREE = "agree"
    DISAGREE = "disagree"
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class FateCheck:
    """The comparison: its `verdict`, None where theory is silent, and `reasons`, one line each, that say what was expected and what
    was found.
    """

    verdict: Verdict | None
    reasons: tuple[str, ...]

    @property
    def agrees(self) -> bool:
        """Whether the fates speak for the predicted phase."""
        return self.verdict is Verdict.AGREE


def check_point(equations: Stability, phase: str, found: xr.Dataset) -> FateCheck:
    """The comparison of `check_fates`, or none at all where linear theory is silent."""
    if is_silent(equations):
        return FateCheck(
            None,
            ("linear theory is silent here: every direction is neutral, as no sample curves the loss at this point",),
        )
    return check_fates(phase, found)


def check_points(file: ModelFile, equations: Stability, at: Mapping[str, Any], found: xr.Dataset) -> list[FateCheck]:
    """The comparison at every point of `fates_on`; `at` gives the other symbols their numbers."""
    varied = {str(name): values.values for name, values in found.coords.items() if values.dims == ("point",)}
    phases = phase_names(exponents(file, equations, {**at, **varied})["phase"])
    return [check_point(equations, phase, found.isel(point=index)) for index, phase in enumerate(phases)]


_DIRECTION = {"correct learning": ("correct", "incorrect"), "incorrect learning": ("incorrect", "correct")}
_ATTRACTS = ("saddle attracts", "minimum attracts")
_UNDECIDED = "undecided"


def check_fates(phase: str, found: xr.Dataset) -> FateCheck:
    """Return whether most runs do what the phase says, beyond the 95 % interval of their share.

    Where the saddle attracts, most runs must end at it; in every other phase most must leave it. Where one direction alone
    is unstable, most of the runs that left and have a direction must have that one. An interval that holds 1/2 decides nothing.

    >>> import xarray as xr
    >>> found = xr.Dataset({"count": ("fate", [0, 990, 2, 0, 8])},
    ...                    {"fate": ["saddle", "correct", "incorrect", "undirected", "blow-up"]})
    >>> check_fates("correct learning", found).verdict
    <Verdict.AGREE: 'agree'>
    >>> check_fates("saddle attracts", found).verdict
    <Verdict.DISAGREE: 'disagree'>
    """
    counts = {str(fate): int(count) for fate, count in zip(found["fate"].values, found["count"].values, strict=True)}
    total = sum(counts.values())
    if phase == _UNDECIDED:
        return FateCheck(Verdict.UNDECIDED, ("the exponents are known too roughly to tell the phase",))
    stays = phase in _ATTRACTS
    expected = counts["saddle"] if stays else total - counts["saddle"]
    what = "end at the point" if stays else "leave the point"
    parts = [_majority(expected, total, f"{phase}: most runs should {what}")]
    if phase in _DIRECTION:
        right, wrong = _DIRECTION[phase]
        directed = counts[right] + counts[wrong]
        if directed:
            parts.append(_majority(counts[right], directed, f"of those that have a direction, most should be {right}"))
    verdicts = {verdict for verdict, _ in parts}
    worst = next(v for v in (Verdict.DISAGREE, Verdict.UNDECIDED, Verdict.AGREE) if v in verdicts)
    return FateCheck(worst, tuple(text for _, text in parts))


def _majority(count: int, total: int, expected: str) -> tuple[Verdict, str]:
    from numerics.fates import wilson_interval

    low, high = (float(end) for end in wilson_interval(count, total))
    verdict = Verdict.AGREE if low > 0.5 else Verdict.DISAGREE if high < 0.5 else Verdict.UNDECIDED
    return verdict, f"{expected}; {count} of {total} did, 95 % interval [{low:.3f}, {high:.3f}]: {verdict}"
