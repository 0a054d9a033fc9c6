"""How equations are solved: immutable option objects, one per method, each saying what it can be used for.

>>> DormandPrince(relative_tolerance=1e-6)
DormandPrince(relative_tolerance=1e-06, absolute_tolerance=None, maximal_steps=100000)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from numerics.precision import Precision
from theory.errors import InvalidRequest


@dataclass(frozen=True, kw_only=True)
class Method:
    """Base of the methods of `solve`.

    `order`, `strong_order` : of the error in the length of the steps, None where the method keeps a tolerance instead or has no
    paths; a strong order is that of single paths, a weak one (`order` of a stochastic method) that of averages.
    """

    order: ClassVar[float | None] = None
    strong_order: ClassVar[float | None] = None
    stochastic: ClassVar[bool] = False
    """Whether it solves an `SDE`; the others solve an `ODE`."""
    generated: ClassVar[bool] = False
    """Whether the loop is a generated program, for every target, precision and number of trajectories; else it is SciPy's."""


# ------------------------------------------------------------------------------------- ordinary differential equations


@dataclass(frozen=True, kw_only=True)
class DormandPrince853(Method):
    """SciPy's Dormand-Prince method of order 8(5,3): one trajectory to high accuracy. The default of `solve` for it.

    A step's error is kept below absolute_tolerance + relative_tolerance * |x|.
    """

    relative_tolerance: float = 1e-10
    absolute_tolerance: float = 1e-12

    def __post_init__(self) -> None:
        _check_tolerances(self, self.relative_tolerance, self.absolute_tolerance)


@dataclass(frozen=True, kw_only=True)
class Stiff(Method):
    """SciPy's implicit Radau IIA method of order 5 with the symbolic Jacobian: one trajectory of a stiff system.

    Stiff means that some rates decay much faster than the solution moves, so that explicit methods take tiny steps: spectra that
    span many decades, relaxation oscillations. For drifts with quadratures the Jacobian is taken by differences.
    """

    relative_tolerance: float = 1e-8
    absolute_tolerance: float = 1e-10

    def __post_init__(self) -> None:
        _check_tolerances(self, self.relative_tolerance, self.absolute_tolerance)


@dataclass(frozen=True, kw_only=True)
class RungeKutta4(Method):
    """The classical Runge-Kutta method: `steps` equal steps in [0, until], no error control.

    Every trajectory costs the same, which suits a GPU. Choose a step of at most 0.1 over the largest rate of decay, and compare with
    twice the steps: the error falls by 16. Output times between the steps are interpolated at the same order.
    """

    order = 4.0
    generated = True

    steps: int

    def __post_init__(self) -> None:
        _check_count(self, "steps", self.steps)


@dataclass(frozen=True, kw_only=True)
class DormandPrince(Method):
    """The Dormand-Prince method of order 5(4), each trajectory with steps of its own. The default of `solve` for ensembles.

    A step's error is kept below absolute_tolerance + relative_tolerance * |x|, as a root mean square over the state. Tolerances
    left out are 1e-8 and 1e-10 in double precision, 1e-5 and 1e-6 in single precision. A trajectory that needs more than
    `maximal_steps` is stopped and reported.
    """

    order = 5.0
    generated = True

    relative_tolerance: float | None = None
    absolute_tolerance: float | None = None
    maximal_steps: int = 100_000

    def __post_init__(self) -> None:
        _check_tolerances(self, self.relative_tolerance, self.absolute_tolerance)
        _check_count(self, "maximal_steps", self.maximal_steps)

    def tolerances(self, precision: Precision) -> tuple[float, float]:
        """The relative and the absolute tolerance. Raises `InvalidRequest` below the resolution of the numbers."""
        relative, absolute = (1e-8, 1e-10) if precision == Precision.FLOAT64 else (1e-5, 1e-6)
        relative = relative if self.relative_tolerance is None else self.relative_tolerance
        absolute = absolute if self.absolute_tolerance is None else self.absolute_tolerance
        if relative < 10 * precision.epsilon:
            raise InvalidRequest(
                f"relative_tolerance={relative:g} is below what {precision} resolves; ask for at least "
                f"{10 * precision.epsilon:.1g}, or for precision='float64'"
            )
        return relative, absolute


# ------------------------------------------------------------------------------------ stochastic differential equations


@dataclass(frozen=True, kw_only=True)
class SmallNoise(Method):
    """Mean and covariance in the small-noise expansion, by SciPy's DOP853. The default of `solve` for an `SDE`."""

    stochastic = True


@dataclass(frozen=True, kw_only=True)
class PathMethod(Method):
    """Base of the methods that follow random paths with `steps` equal steps in [0, until].

    `brownian_steps` : the number of increments in which the Brownian path is drawn, a multiple of `steps` (default: equal). Runs
    with one seed and one `brownian_steps` follow the same path with different steps, which shows the error of the steps alone.
    """

    stochastic = True
    generated = True

    steps: int
    brownian_steps: int | None = None

    def __post_init__(self) -> None:
        _check_count(self, "steps", self.steps)
        if self.brownian_steps is None:
            return
        _check_count(self, "brownian_steps", self.brownian_steps)
        if self.brownian_steps % self.steps:
            raise InvalidRequest(
                f"{self}: brownian_steps={self.brownian_steps} is no multiple of steps={self.steps}, so an increment of a step "
                f"is no sum of increments of the Brownian path"
            )

    @property
    def draws_per_step(self) -> int:
        """How many increments of the Brownian path one step sums up."""
        return 1 if self.brownian_steps is None else self.brownian_steps // self.steps


@dataclass(frozen=True, kw_only=True)
class EulerMaruyama(PathMethod):
    """Euler-Maruyama paths in the Ito sense: strong order 1/2, weak order 1, for every covariance; see `PathMethod`."""

    order = 1.0
    strong_order = 0.5


@dataclass(frozen=True, kw_only=True)
class Milstein(PathMethod):
    """Milstein paths in the Ito sense: strong and weak order 1; see `PathMethod`.

    For one noise, or independent noises whose strength depends on no other noisy state; `solve` refuses the rest.
    """

    order = 1.0
    strong_order = 1.0


# ------------------------------------------------------------------------------------------------------------ checks


def _check_tolerances(method: Method, relative: Any, absolute: Any) -> None:
    for name, value in (("relative_tolerance", relative), ("absolute_tolerance", absolute)):
        if value is None and isinstance(method, DormandPrince):
            continue
        if isinstance(value, bool) or not isinstance(value, (int, float, np.number)) or not 0 < value < 1:
            raise InvalidRequest(f"{type(method).__name__}({name}={value!r}): a number in (0, 1) is needed")


def _check_count(method: Method, name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or not 0 < value < 2**32:
        raise InvalidRequest(
            f"{type(method).__name__}({name}={value!r}): a whole number in [1, 2**32) is needed, the number of steps in [0, until]"
        )
