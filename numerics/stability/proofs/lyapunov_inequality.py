r"""A proof of mean-square decay: a form $X\succ0$ with $rX-\mathbb{E}\,A^TXA\succ0$ shows $L(2)\le\log r$, hence $\Lambda\le\frac12\log r$.

For then $\mathbb{E}\,\theta_{t+1}^TX\theta_{t+1}\le r\,\mathbb{E}\,\theta_t^TX\theta_t$ from every start. X and r are
rationals; both conditions are proved by the pivots of an exact elimination, or, for many samples in many dimensions, with rigorous
bounds of every rounding error.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from scipy.sparse.linalg import LinearOperator, cg, gmres

from numerics.stability.matrix.second_moments import SecondMoments
from numerics.stability.proofs.enclosed_steps import EnclosedStep
from numerics.stability.proofs.enclosures import Array, Enclosure
from numerics.stability.proofs.exact_steps import ExactStep
from numerics.stability.proofs.rational_cholesky import Rationals, is_positive_definite, rationals, whole_numbers

SHORT = 40
"""Binary digits to which the form is rounded before it is proved."""


@dataclass(frozen=True)
class LyapunovInequality:
    """Evidence of E A^T X A < r X: `form` X and `rate` r in rationals, and the `step`, in rationals or enclosed."""

    step: ExactStep | EnclosedStep
    form: Rationals
    rate: Fraction

    @property
    def is_exact(self) -> bool:
        """Whether it is checked in rational arithmetic."""
        return isinstance(self.step, ExactStep)

    def check(self) -> bool:
        """Whether X and r X - E A^T X A are positive definite: True is a proof."""
        if isinstance(self.step, ExactStep):
            difference = self.rate * self.form - exact_adjoint(self.step, self.form)
            return is_positive_definite(self.form) and is_positive_definite(difference)
        form, scaled = Enclosure.of_rationals(self.form), Enclosure.of_rationals(self.rate * self.form)
        return form.is_positive_definite() and (scaled - self.step.adjoint(form)).is_positive_definite()


def lyapunov_form(operator: SecondMoments, rate: float, lengths: Array) -> Rationals | None:
    """A form X that should satisfy E A^T X A < rate X: the solution of rate X - E A^T X A = 1, rounded to short rationals.

    The operator acts in an orthonormal basis, the form on coordinates along the columns of the block, which have these `lengths`.
    The solution is the limit of the sums of (E A^T . A)^k / rate^(k + 1); None where the solver finds none.
    """
    order = operator.order

    def applied(flat: Array) -> Array:
        table = flat.reshape(order, order)
        table = (table + table.T) / 2
        return np.asarray(rate * table - operator.adjoint(table)).ravel()

    linear = LinearOperator((order**2, order**2), matvec=applied, dtype=float)
    target = np.eye(order).ravel()
    if operator.is_self_adjoint:
        solution, failed = cg(linear, target, rtol=1e-3, maxiter=20 * order**2 + 1000)
    else:
        solution, failed = gmres(linear, target, rtol=1e-3, restart=200, maxiter=50)
    if failed or not np.all(np.isfinite(solution)):
        return None
    scale = np.tile(lengths, order // len(lengths))
    table = solution.reshape(order, order) * np.outer(scale, scale)
    return short_rationals((table + table.T) / 2)


def short_rationals(table: Array) -> Rationals:
    """Floats rounded to multiples of a power of two, `SHORT` digits below the largest."""
    exponent = int(np.ceil(np.log2(np.abs(table).max()))) - SHORT
    unit = Fraction(2) ** exponent
    numbers = np.round(np.ldexp(table, -exponent))
    return rationals(np.array([int(number) for number in numbers.ravel()], dtype=object).reshape(table.shape)) * unit


# ------------------------------------------------------------------------------------------- E A^T X A in rationals


def exact_adjoint(step: ExactStep, form: Rationals) -> Rationals:
    """E A^T X A in rationals."""
    mean = step.matrix(step.mean)
    inner = _inner(step, form)
    fluctuation = step.pair_weight * _exact_sandwich(step, inner) - (1 - step.mean_weight) * (
        step.mean.T @ inner @ step.mean
    )
    result = mean.T @ form @ mean + np.kron(np.outer(step.right, step.right), fluctuation)
    return rationals(result)


def _inner(step: ExactStep, form: Rationals) -> Rationals:
    size = len(step.mean)
    total = rationals(np.zeros((size, size), dtype=int))
    for a, first in enumerate(step.left):
        for b, second in enumerate(step.left):
            total = total + first * second * form[a * size : (a + 1) * size, b * size : (b + 1) * size]
    return total


def _exact_sandwich(step: ExactStep, inner: Rationals) -> Rationals:
    """E H^T Y H; samples over a common denominator, so that the sums run on whole numbers."""
    if step.pair_weight == 0:
        return rationals(np.zeros(inner.shape, dtype=int))
    if step.samples is None:
        assert step.pairs is not None  # noqa: S101 - an ExactStep has one of the two
        size = len(inner)
        return (inner.ravel() @ step.pairs.reshape(size * size, -1)).reshape(size, size)
    samples, scale = whole_numbers(step.samples)
    table, unit = whole_numbers(inner)
    shares, share = whole_numbers(np.array(step.shares, dtype=object))
    count, size, _ = samples.shape
    moved = (samples.transpose(0, 2, 1).reshape(-1, size) @ table).reshape(count, size, size)
    weighted = (moved * shares[:, None, None]).transpose(1, 0, 2).reshape(size, -1)
    total = weighted @ samples.reshape(-1, size)
    return rationals(total) / (scale * scale * unit * share)
