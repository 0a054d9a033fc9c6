"""A plain, slow count of fates, the reference of these tests: all replicas at once in NumPy, gradients by `sympy.diff`.

It shares no code with the package: the update rules come from their definitions, the draws from a function of the test.
"""

from __future__ import annotations

import numpy as np
import sympy
from reference_sgd import Rule

FATES = ("saddle", "correct", "incorrect", "undirected", "blow-up")


def reference_counts(loss, parameters, data, draw, rule: Rule, theta, *, steps, hessian=None, point=0.0):
    """How many runs from the rows of `theta` meet each fate.

    `draw(generator, replicas)` : the batches of one step, shape (replica, member, datum). `hessian` : of the mean loss.
    """
    slopes = sympy.lambdify([*parameters, *data], [sympy.diff(loss, parameter) for parameter in parameters], "numpy")
    generator = np.random.default_rng(99)
    theta = np.array(theta, dtype=float)
    velocity, alive = np.zeros_like(theta), np.ones(len(theta), bool)
    with np.errstate(all="ignore"):
        for _ in range(steps):
            batch = draw(generator, len(theta))
            at = theta - rule.rate * rule.beta * velocity if rule.momentum == "nesterov" else theta
            mean = rule.coupled * at
            for k in range(batch.shape[1]):
                one = slopes(*at.T, *batch[:, k].T)
                mean = mean + np.stack([np.broadcast_to(g, len(theta)) for g in one], axis=1) / batch.shape[1]
            velocity = rule.beta * velocity + mean
            move = velocity if rule.momentum != "lookahead" else mean + rule.beta * velocity
            theta = (1 - rule.rate * rule.decoupled) * theta - rule.rate * move
            alive &= np.linalg.norm(theta - point, axis=1) <= 1e4
            theta[~alive], velocity[~alive] = np.nan, np.nan
        gap = theta - point
        bend = np.zeros(len(theta)) if hessian is None else np.einsum("ri,ij,rj->r", gap, hessian, gap)
        near = np.linalg.norm(gap, axis=1) < 1e-6
    fate = np.where(bend < 0, 1, np.where(bend > 0, 2, 3))
    fate = np.where(alive, np.where(near, 0, fate), 4)
    return {name: int(np.sum(fate == k)) for k, name in enumerate(FATES)}
