r"""The Hill estimate of a tail index from samples: $\hat p^{-1} = \frac1k\sum_{i\le k}\log\frac{|\theta|_{(i)}}{|\theta|_{(k+1)}}$."""

from __future__ import annotations

from typing import Any

import numpy as np

from theory.errors import InvalidRequest


def hill_estimate(samples: Any, top: int) -> tuple[float, float]:
    r"""Return the tail index of independent samples and its standard error, the index over $\sqrt{top}$.

    Parameters
    ----------
    samples : numbers, of which the absolute values count; drawn independently of each other.
    top : how many of the largest enter, k above; few against the number of samples, since only the far tail is a power law.

    Raises `InvalidRequest` for samples that are not finite, and for a `top` that leaves no sample below, or none above zero.

    Reference: B. M. Hill, A simple general approach to inference about the tail of a distribution (1975).

    >>> import numpy as np
    >>> index, error = hill_estimate(np.random.default_rng(0).pareto(1.5, 100_000) + 1, 1000)
    >>> abs(index - 1.5) < 4 * error
    True
    """
    values = np.abs(np.asarray(samples, dtype=float)).ravel()
    if not np.all(np.isfinite(values)):
        raise InvalidRequest("samples hold infinities or NaN; the estimate needs finite numbers")
    if isinstance(top, bool) or not isinstance(top, (int, np.integer)) or not 2 <= top < values.size:
        raise InvalidRequest(
            f"top={top!r}: give a whole number from 2 to {values.size - 1}, below the number of samples"
        )
    largest = np.sort(np.partition(values, values.size - top - 1)[values.size - top - 1 :])
    if largest[0] <= 0 or largest[-1] == largest[0]:
        raise InvalidRequest(f"top={top}: the largest samples must be positive and not all equal")
    index = 1 / float(np.mean(np.log(largest[1:] / largest[0])))
    return index, index / float(np.sqrt(top))
