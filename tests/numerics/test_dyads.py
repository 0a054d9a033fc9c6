"""Curvatures of low rank as sums of dyads, and which blocks have them."""

from __future__ import annotations

import numpy as np
import product_cases
from product_cases import POINTS, eta, only_block, regression, sgd, u, w, x, y

from numerics.stability.simulated.dyads import factored
from numerics.stability.simulated.product_sources import source_of
from numerics.targets import Target
from numerics.templates.curvature import Form
from theory import Empirical, Model, Normal


def test_matrices_of_low_rank_are_sums_of_as_many_dyads_as_their_rank():
    generator = np.random.default_rng(0)
    left, right = generator.normal(size=(2, 5, 2, 7))
    matrices = np.einsum("nri,nrj->nij", left, right)
    matrices[1] = np.outer(left[1, 0], right[1, 0]) * 1e8
    matrices[3] = 0.0
    found = factored(matrices)
    assert np.diff(found.offsets).tolist() == [2, 1, 2, 0, 2]
    scale = np.abs(matrices).max(axis=(1, 2), keepdims=True) + (matrices == 0)
    assert np.abs((found.matrices() - matrices) / scale).max() < 2e-13


def test_matrices_of_full_rank_are_left_as_they_are():
    assert factored(np.random.default_rng(0).normal(size=(3, 4, 4))) is None
    assert factored(np.ones((1, 1, 1))) is None


def test_samples_of_regression_and_of_a_saddle_are_dyads_and_others_are_matrices():
    net = Model((u * (w * x + product_cases.v * y) - 1) ** 2 / 2, [u, w, product_cases.v], {x: Normal(), y: Normal()})
    rows = Model(net.loss, net.parameters, {(x, y): Empirical(*POINTS.T)})
    forms = [
        source_of(block, {eta: 0.1}, Target.CPU).code.form
        for block in (only_block(net, sgd()), only_block(rows, sgd()))
    ]
    assert forms == [Form.DRAWN, Form.MATRICES]  # rank 2 of 3 saves nothing
    wide = np.random.default_rng(2).normal(size=(9, 5))
    assert source_of(regression(wide, sgd()), {eta: 0.1}, Target.CPU).code.form == Form.FACTORS
