"""Draws of laws outside programs."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from numerics.law_draws import draw_law
from numerics.stability.simulated.product_streams import host_draws
from theory import Empirical, Normal
from theory.errors import UnsupportedExpectation
from theory.laws.draw import Draw


def test_host_draws_of_joint_laws_have_their_moments():
    x_draws, y_draws = host_draws(Normal([1, 0], covariance=[[1, 0.5], [0.5, 1]]), (2, 20_000), seed=1, stream=3)
    assert abs(np.mean(x_draws) - 1) < 5 / 200 and abs(np.mean(x_draws * y_draws) - 0.5) < 5 * 1.9 / 200
    (same,) = host_draws(Normal(), (2, 10), seed=1, stream=3)
    np.testing.assert_array_equal(same, draw_law(Normal(), (2, 10), 1, 3))
    first, _ = host_draws(Empirical([1.0, 2.0], [3.0, 4.0]), (1, 1000), seed=1, stream=0)
    assert abs(first.mean() - 1.5) < 5 * 0.5 / np.sqrt(1000)
    strange = SimpleNamespace(is_scalar=False, is_finite=False, draw=lambda name: Draw((), ()))
    with pytest.raises(UnsupportedExpectation, match="cannot be drawn outside programs"):
        host_draws(strange, (1, 4), seed=1, stream=0)
