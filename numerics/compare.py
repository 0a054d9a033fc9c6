r"""Does a simulation agree with a prediction? Statistics, never "within 10 %".

For each statistic and time, with R replicas,

    z = (mean over replicas - prediction) / sqrt(standard error^2 + numerical error^2),

its two-sided p-value is Student's with R - 1 degrees of freedom, and Holm's procedure over *all* pairs of statistic
and time keeps the probability that a true prediction is rejected anywhere below `level`. A prediction that holds in
a limit (large n, small step) has a bias that enough replicas will find: it is then the *rate* of the bias that theory
predicts, and `fit_exponent` measures it:

>>> n = np.array([100, 200, 400, 800, 1600])
>>> bias = 3/n * (1 + 5/n)
>>> fit = fit_exponent(n, bias, correction_power=1)
>>> low, high = fit.confidence_interval(0.99)
>>> low < -1 < high and high - low < 0.01
True

Limits: times of one run are correlated, which Holm allows for at the price of power. A prediction on another grid of
times is interpolated by a cubic spline; its error, the difference to the spline of every second point, is added to the
standard error, and a grid on which it exceeds that is refused.

References: S. Holm, A simple sequentially rejective multiple test procedure (Scand. J. Statist. 6, 1979).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray
from scipy import interpolate, stats

from theory.errors import InvalidRequest

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]


class IncomparableResults(InvalidRequest):
    """A prediction and a simulation that do not speak of the same thing: other clocks, statistics or times."""


class Verdict(StrEnum):
    """What a comparison concludes."""

    AGREE = "agree"
    DISAGREE = "disagree"


@dataclass(frozen=True, eq=False, repr=False)
class Agreement:
    """What `compare` finds.

    Attributes: `table`, a Dataset over (statistic, time) of mean, standard_error, prediction, z, p_value, rejected and
    exact; `level`, the family-wise error rate; `replicas`, how many were simulated; `diverged`, how many of them
    diverged (they enter no mean, and a single one makes the verdict `disagree`); `exact`, the (statistic, time) pairs
    without Monte Carlo error, compared by relative tolerance; `not_predicted`, simulated statistics left uncompared;
    `theory`, the prediction itself; `run`, what the simulation says about itself (its attributes: seed, at, algorithm).
    """

    table: xr.Dataset
    level: float
    replicas: int
    diverged: int
    exact: tuple[tuple[str, float], ...] = ()
    not_predicted: tuple[str, ...] = ()
    theory: xr.Dataset = field(default_factory=xr.Dataset)
    run: Mapping[str, Any] = field(default_factory=dict)

    @property
    def agrees(self) -> bool:
        """Whether no comparison is rejected and no replica diverged."""
        return self.diverged == 0 and not bool(self.table["rejected"].any())

    @property
    def verdict(self) -> Verdict:
        """`agree` or `disagree`."""
        return Verdict.AGREE if self.agrees else Verdict.DISAGREE

    @property
    def largest_z(self) -> float:
        """The largest |z| over statistics and times with Monte Carlo error; NaN if there is none."""
        sizes = np.abs(self.table["z"].values[~self.table["exact"].values])
        return float(sizes.max()) if sizes.size else float("nan")

    @property
    def comparisons(self) -> int:
        """How many (statistic, time) pairs were tested."""
        return int(self.table["z"].size)

    def summary(self) -> str:
        """One line: the verdict and what it rests on."""
        statistics, times = self.table.sizes["statistic"], self.table.sizes["time"]
        rejected = int(self.table["rejected"].sum())
        parts = [
            f"{self.verdict}: {rejected} of {self.comparisons} comparisons rejected "
            f"(statistics: {statistics}, times: {times}, Holm at {self.level:g})",
            f"largest |z| {self.largest_z:.2f}",
            f"{self.replicas} replicas, {self.diverged} diverged",
        ]
        if self.exact:
            parts.append(f"{len(self.exact)} without Monte Carlo error")
        if self.not_predicted:
            parts.append(f"not predicted: {', '.join(self.not_predicted)}")
        return "; ".join(parts)

    def __repr__(self) -> str:
        return f"<Agreement {self.summary()}>"

    def plot(self) -> Figure:
        """A matplotlib figure: theory, simulated means with two standard errors, and z below, one panel per statistic."""
        from numerics.figures import plot_agreement

        return plot_agreement(self)


def compare(prediction: xr.Dataset, simulation: xr.Dataset, *, level: float = 1e-3) -> Agreement:
    """Return the `Agreement` of a simulation with a prediction.

    Parameters: `prediction`, one variable of dimension (time,) per statistic, and for any of them `<name>_error`, a
    bound of its numerical error; `simulation`, the same names with dimensions (replica, time), and optionally
    `diverged` with dimension (replica,); both carry `attrs["clock"]`. `level`, the family-wise error rate in (0, 1).
    A replica that is marked diverged or holds values that are not finite counts as diverged.
    Where the replicas spread by rounding errors only (a deterministic start), mean and prediction must agree to 1e-9
    relatively. Raises `IncomparableResults` for different clocks, statistics that were not simulated, or times outside
    the prediction; `InvalidRequest` for fewer than two replicas or an impossible level.

    >>> time, rng = np.linspace(0, 1, 5), np.random.default_rng(1)
    >>> theory = xr.Dataset({"q": ("time", np.exp(-time))}, {"time": time}, {"clock": "steps"})
    >>> runs = np.exp(-time) + 0.1*rng.standard_normal((100, 5))
    >>> simulation = xr.Dataset({"q": (("replica", "time"), runs)}, {"time": time}, {"clock": "steps"})
    >>> agreement = compare(theory, simulation)
    >>> agreement.verdict, agreement.comparisons
    (<Verdict.AGREE: 'agree'>, 5)
    """
    _check_level(level)
    names = _statistics(prediction, simulation)
    replicas, times = simulation.sizes["replica"], simulation["time"].values.astype(float)
    if replicas < 2:
        raise InvalidRequest(f"compare needs at least 2 replicas for a standard error, got {replicas}")
    # (statistic, replica, time)
    runs = np.stack([simulation[name].transpose("replica", "time").values for name in names])
    rounding = 64 * float(np.finfo(runs.dtype if np.issubdtype(runs.dtype, np.floating) else float).eps)
    lost = ~np.isfinite(runs).all(axis=(0, 2))
    if "diverged" in simulation:
        lost |= simulation["diverged"].values.astype(bool)
    kept = runs[:, ~lost].astype(np.float64)
    predicted = np.stack([_predicted(prediction, name, times) for name in names])
    between = np.stack([_interpolation_error(prediction, name, times) for name in names])
    _refuse_coarse(names, times, kept, between)
    errors = np.stack([_numerical_error(prediction, name, times) for name in names]) + between
    columns = _tested(kept, predicted, errors, level, rounding)
    table = xr.Dataset(
        {name: (("statistic", "time"), values) for name, values in columns.items()},
        {
            "statistic": names,
            "time": simulation["time"],
            "unit": ("statistic", [str(simulation[name].attrs.get("units", "")) for name in names]),
        },
        {"clock": simulation.attrs["clock"], "level": level},
    )
    exact = tuple((names[i], float(times[j])) for i, j in np.argwhere(columns["exact"]))
    extra = tuple(str(name) for name in simulation.data_vars if name not in names and "time" in simulation[name].dims)
    return Agreement(table, level, replicas, int(lost.sum()), exact, extra, prediction, dict(simulation.attrs))


def _tested(runs: Floats, predicted: Floats, errors: Floats, level: float, rounding: float) -> dict[str, NDArray[Any]]:
    """The columns of the table, from runs of shape (statistic, replica, time) and predictions (statistic, time)."""
    replicas = runs.shape[1]
    if replicas < 2:  # all but one diverged: nothing can be tested, and the verdict is decided already
        nothing = np.full(predicted.shape, np.nan)
        no, yes = np.zeros(predicted.shape, bool), np.ones(predicted.shape, bool)
        return {"mean": nothing, "standard_error": nothing, "prediction": predicted, "z": nothing, "p_value": nothing,
                "rejected": yes, "exact": no}  # fmt: skip
    mean = runs.mean(axis=1)
    scale = np.abs(runs).max(axis=(1, 2))[:, None]  # the size of a statistic over the whole run, for its rounding error
    exact = (np.ptp(runs, axis=1) <= rounding * scale) & (errors == 0)
    standard_error = np.hypot(runs.std(axis=1, ddof=1) / np.sqrt(replicas), errors)
    difference = mean - predicted
    allowed = 1e-9 * np.maximum(np.abs(mean), np.abs(predicted)) + rounding * scale
    missed = exact & (np.abs(difference) > allowed)
    z = np.where(missed, np.copysign(np.inf, difference), 0.0)
    z[~exact] = difference[~exact] / standard_error[~exact]
    p_value = np.where(missed, 0.0, 1.0)
    p_value[~exact] = student_p_value(difference[~exact], standard_error[~exact], replicas)
    rejected = missed.copy()
    rejected[~exact] = holm(p_value[~exact], level)
    return {"mean": mean, "standard_error": np.where(exact, 0.0, standard_error), "prediction": predicted, "z": z,
            "p_value": p_value, "rejected": rejected, "exact": exact}  # fmt: skip


def holm(p_values: ArrayLike, level: float = 1e-3) -> NDArray[np.bool_]:
    """Which hypotheses Holm's procedure rejects at the family-wise error rate `level`, in the shape of `p_values`.

    >>> holm([0.0001, 0.04, 0.0009], level=0.002)
    array([ True, False,  True])
    """
    _check_level(level)
    values = np.asarray(p_values, dtype=np.float64)
    flat = values.ravel()
    if not ((flat >= 0) & (flat <= 1)).all():
        raise InvalidRequest(f"p-values must lie in [0, 1], got {flat[~((flat >= 0) & (flat <= 1))][:3]}")
    order = np.argsort(flat, kind="stable")
    passes = flat[order] <= level / np.arange(flat.size, 0, -1)
    rejected = np.zeros(flat.size, bool)
    rejected[order] = np.logical_and.accumulate(passes)
    return rejected.reshape(values.shape)


def student_p_value(mean_difference: ArrayLike, standard_error: ArrayLike, replicas: int) -> Any:
    """The two-sided p-value of a difference with a standard error estimated from `replicas` independent replicas.

    >>> round(float(student_p_value(2.0, 1.0, replicas=10)), 4)
    0.0766
    """
    if replicas < 2:
        raise InvalidRequest(f"a standard error needs at least 2 replicas, got {replicas}")
    return 2 * stats.t.sf(np.abs(np.asarray(mean_difference) / np.asarray(standard_error)), replicas - 1)


# --------------------------------------------------------------------------------------------------- matching the two


def _check_level(level: float) -> None:
    if not 0 < level < 1:
        raise InvalidRequest(f"a family-wise error rate lies between 0 and 1, got level={level!r}")


def _statistics(prediction: xr.Dataset, simulation: xr.Dataset) -> list[str]:
    """The names to compare, after checking that the two datasets speak of the same thing."""
    clocks = prediction.attrs.get("clock"), simulation.attrs.get("clock")
    if None in clocks or clocks[0] != clocks[1]:
        raise IncomparableResults(
            f"the prediction counts time in {clocks[0]!r}, the simulation in {clocks[1]!r}; both need the same "
            f'attrs["clock"] (simulate with observe=<the equations>, which takes their clock)'
        )
    _refuse_other_values(prediction.attrs.get("at", ""), simulation.attrs.get("at", ""))
    variables = [str(name) for name in prediction.data_vars]
    names = [name for name in variables if not (name.endswith("_error") and name.removesuffix("_error") in variables)]
    if not names:
        raise IncomparableResults("the prediction holds no statistic")
    if "replica" in prediction.dims and "replica" not in simulation.dims:
        raise IncomparableResults("the arguments are swapped: write compare(prediction, simulation)")
    if missing := [name for name in names if name not in simulation.data_vars]:
        simulated = ", ".join(map(str, simulation.data_vars)) or "nothing"
        listed = ", ".join(missing)
        raise IncomparableResults(f"predicted but not simulated: {listed}; the simulation holds {simulated}")
    for name in names:
        if prediction[name].dims != ("time",) or set(simulation[name].dims) != {"replica", "time"}:
            raise IncomparableResults(
                f"{name}: expected dimensions (time,) in the prediction and (replica, time) in the simulation, got "
                f"{prediction[name].dims} and {simulation[name].dims}"
            )
    return names


def _refuse_other_values(predicted: str, simulated: str) -> None:
    """A symbol that both datasets name must have had the same number in both."""
    numbers = [dict(pair.rsplit("=", 1) for pair in text.split(", ") if "=" in pair) for text in (predicted, simulated)]
    for name in numbers[0].keys() & numbers[1].keys():
        if numbers[0][name] != numbers[1][name]:
            raise IncomparableResults(
                f"the prediction was made at {name}={numbers[0][name]}, the simulation at {name}={numbers[1][name]}; give both "
                f"the same at="
            )


def _predicted(prediction: xr.Dataset, name: str, times: Floats) -> Floats:
    """The predicted statistic at the simulated times."""
    grid, values = prediction["time"].values.astype(float), prediction[name].values.astype(float)
    if not np.isfinite(values).all():
        bad = grid[~np.isfinite(values)][0]
        raise IncomparableResults(f"the prediction of {name} is not finite from time {bad:g} on; compare up to there")
    if np.array_equal(grid, times):
        return np.asarray(values)
    if grid.size > 1 and not (np.diff(grid) > 0).all():
        raise IncomparableResults(f"the times of the prediction of {name} do not increase")
    slack = 1e-6 * (np.diff(np.sort(times)).min() if times.size > 1 else max(1.0, abs(float(times[0]))))
    if times.min() < grid[0] - slack or times.max() > grid[-1] + slack:
        raise IncomparableResults(
            f"the simulation runs over times {times.min():g} ... {times.max():g}, the prediction of {name} only over "
            f"{grid[0]:g} ... {grid[-1]:g}; solve for the whole range"
        )
    nearest = np.searchsorted((grid[1:] + grid[:-1]) / 2, times)
    if (np.abs(grid[nearest] - times) <= 1e-12 * np.abs(times)).all():
        return np.asarray(values[nearest])
    if grid.size < 4:
        raise IncomparableResults(
            f"the prediction of {name} has {grid.size} times, too few to interpolate at the simulated ones; solve with "
            f"times={np.array2string(times, threshold=6)}"
        )
    return np.asarray(interpolate.CubicSpline(grid, values)(np.clip(times, grid[0], grid[-1])), dtype=np.float64)


def _interpolation_error(prediction: xr.Dataset, name: str, times: Floats) -> Floats:
    """How far the spline of every second point is from that of all: an upper estimate of the error of the latter."""
    grid, values = prediction["time"].values.astype(float), prediction[name].values.astype(float)
    nearest = np.searchsorted((grid[1:] + grid[:-1]) / 2, times)
    if (np.abs(grid[nearest] - times) <= 1e-12 * np.abs(times)).all():
        return np.zeros(times.shape)
    places = np.clip(times, grid[0], grid[-1])
    chosen = np.unique([*range(0, grid.size, 2), grid.size - 1])
    order = min(3, chosen.size - 1)
    coarse = interpolate.make_interp_spline(grid[chosen], values[chosen], k=order)(places)
    return np.asarray(np.abs(interpolate.CubicSpline(grid, values)(places) - coarse))


def _refuse_coarse(names: list[str], times: Floats, runs: Floats, errors: Floats) -> None:
    """Raise `IncomparableResults` where the error of interpolation would hide more than the noise of the runs does."""
    if runs.shape[1] < 2:
        return
    noise = runs.std(axis=1, ddof=1) / np.sqrt(runs.shape[1]) + 1e-9 * np.abs(runs).max(axis=(1, 2))[:, None]
    if np.any(errors > noise):
        statistic, time = np.unravel_index(int(np.argmax(errors / noise)), errors.shape)
        raise IncomparableResults(
            f"the prediction of {names[statistic]} is too coarse to interpolate at time {times[time]:g}: solve with "
            f'times=simulation["time"].values, or with an until near that of the simulation'
        )


def _numerical_error(prediction: xr.Dataset, name: str, times: Floats) -> Floats:
    """The stated bound of the numerical error at the simulated times, zero if none is stated."""
    if f"{name}_error" not in prediction:
        return np.zeros(times.shape)
    bound = np.abs(prediction[f"{name}_error"].values)
    return np.asarray(np.interp(times, prediction["time"].values.astype(float), bound))


# ------------------------------------------------------------------------------------------------------ rates


@dataclass(frozen=True)
class ExponentFit:
    """A fitted power law y ~ x^p.

    Attributes: `exponent` p, its `standard_error`, `degrees_of_freedom`, the `intercept` (log y at x = 1), and the
    coefficient of the `correction` (zero without one).
    """

    exponent: float
    standard_error: float
    degrees_of_freedom: int
    intercept: float
    correction: float = 0.0

    def confidence_interval(self, level: float = 0.95) -> tuple[float, float]:
        """The interval that covers the exponent with probability `level`, from Student's t."""
        if not 0 < level < 1:
            raise InvalidRequest(f"a confidence level lies between 0 and 1, got {level!r}")
        half = float(stats.t.ppf(0.5 + level / 2, self.degrees_of_freedom)) * self.standard_error
        return self.exponent - half, self.exponent + half


def fit_exponent(
    x: Sequence[float] | ArrayLike,
    y: Sequence[float] | ArrayLike,
    y_error: Sequence[float] | ArrayLike | None = None,
    *,
    correction_power: float | None = None,
) -> ExponentFit:
    r"""Return the exponent p of y ~ x^p, by least squares of log y on log x.

    $\log y = a + p\log x$, or with `correction_power` q, $\log y = a + p\log x + b x^{-q}$, which absorbs the next
    order of an expansion in $x^{-q}$: without it, small x bias the exponent.
    Parameters: `x`, `y`, positive; `y_error`, standard errors of y (weights; the noise should be well below y, since
    its logarithm is fitted). Without errors the scatter about the fit estimates them; with errors, the standard error
    of p is enlarged if the scatter exceeds them, never reduced.
    Raises `InvalidRequest` if an entry is not positive, or there are no more points than parameters.

    >>> round(fit_exponent([1, 2, 4, 8], [3.0, 1.5, 0.75, 0.375]).exponent, 12)
    -1.0
    """
    abscissa, ordinate = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    errors = np.ones_like(ordinate) if y_error is None else np.asarray(y_error, dtype=np.float64)
    if not abscissa.shape == ordinate.shape == errors.shape or abscissa.ndim != 1:
        raise InvalidRequest(f"x, y and y_error must be one-dimensional and of one length, got {abscissa.shape}, "
                             f"{ordinate.shape}, {errors.shape}")  # fmt: skip
    for name, values in (("x", abscissa), ("y", ordinate), ("y_error", errors)):
        if not ((values > 0) & np.isfinite(values)).all():
            raise InvalidRequest(f"a power law is fitted to positive numbers, but {name} holds {values.min():g}")
    columns = [np.ones_like(abscissa), np.log(abscissa)]
    if correction_power is not None:
        columns.append(abscissa**-correction_power)
    freedom = abscissa.size - len(columns)
    if freedom < 1 or np.unique(abscissa).size < len(columns):
        raise InvalidRequest(f"{abscissa.size} points do not determine {len(columns)} parameters and their scatter")
    weights = np.ones_like(ordinate) if y_error is None else ordinate / errors  # 1 / error of log y
    design = np.stack(columns, axis=1) * weights[:, None]
    orthogonal, triangular = np.linalg.qr(design)
    solution = np.linalg.solve(triangular, orthogonal.T @ (np.log(ordinate) * weights))
    chi_square = float(np.sum((np.log(ordinate) * weights - design @ solution) ** 2)) / freedom
    inflation = chi_square if y_error is None else max(1.0, chi_square)
    variance = float(np.sum(np.linalg.inv(triangular)[1] ** 2)) * inflation
    correction = float(solution[2]) if correction_power is not None else 0.0
    return ExponentFit(float(solution[1]), float(np.sqrt(variance)), freedom, float(solution[0]), correction)
