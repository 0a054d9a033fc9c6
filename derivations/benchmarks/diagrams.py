"""Phase diagrams: a grid of the scalar net's saddle with traced boundaries, alone and against NumPy over the whole grid."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from derivations.benchmarks.timing import Plan, Row, Setting, alone, at_most, compared, interleaved, timed
from numerics import phase_diagram
from theory import SGD, Model, Normal, Stability, stability, symbols

u, w, x, y, eta, rho = symbols("u w x y eta rho")
BATCH = 8
RATES, CORRELATIONS = (0.05, 2.0), (-0.9, 0.9)
PANELS = (0.0, 0.5, 2.0, 6.0, 16.0, 50.0)
NODES = 20
CHUNK = 4000

Array = NDArray[np.float64]


def rows(plan: Plan) -> Iterator[Row]:
    """Two rows: seconds, and the ratio to NumPy, which gives exponents alone."""
    size = plan.pick(200, 200, 12)
    saddle = net()
    rates, correlations = (np.linspace(*ends, size) for ends in (RATES, CORRELATIONS))
    found = interleaved(
        {
            "ours": timed(lambda: exponents(saddle, rates, correlations)),
            "NumPy": timed(lambda: exponents_in_numpy(rates, correlations)),
        },
        plan.repeats,
    )
    setting = Setting({"points": size**2, "S": BATCH}, "float64")
    what = "a phase diagram of the scalar net: exponents, their errors, phases, boundaries"
    note = "processor time of all threads together"
    yield alone("diagram", what, found["ours"], unit="s", setting=setting, required=at_most(1.0), note=note)
    yield compared(
        "diagram-numpy",
        what,
        found["ours"],
        found["NumPy"],
        "NumPy, the whole grid at once, exponents alone",
        unit="s",
        setting=setting,
        note=note,
    )


def net() -> Stability:
    """The saddle of the two-layer scalar net with a correlated Gaussian pair of input and label."""
    pair = Normal(covariance=[[1, rho], [rho, 1]])
    return stability(
        Model((u * w * x - y) ** 2 / 2, [u, w], {(x, y): pair}), SGD(eta, batch_size=BATCH), point={u: 0, w: 0}
    )


def exponents(saddle: Stability, rates: Array, correlations: Array) -> Array:
    """The exponents of both modes, (mode, rate, correlation), u + w first."""
    found = phase_diagram(saddle, over={eta: rates, rho: correlations})
    return np.asarray(found["exponent"].sel(mode=["u + w", "u - w"]).values)


def exponents_in_numpy(rates: Array, correlations: Array) -> Array:
    """The same by NumPy: the integral over the characteristic function, on a ray at 45 degrees and panels fit for unit variances."""
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    ends = np.array(PANELS)
    half, centre = np.diff(ends)[:, None] / 2, (ends[1:] + ends[:-1])[:, None] / 2
    radius, weight = (centre + half * nodes).ravel(), (half * weights).ravel() / (centre + half * nodes).ravel()
    t = np.exp(0.25j * np.pi) * radius
    first, second = np.exp(-t), np.exp(1j * t)
    rate, correlation = (m.ravel() for m in np.meshgrid(rates, correlations, indexing="ij"))
    found = np.empty((2, rate.size))
    for mode, sign in enumerate((1.0, -1.0)):
        for begin in range(0, rate.size, CHUNK):
            part = slice(begin, begin + CHUNK)
            s = sign * rate[part, None] / BATCH * t
            one, other = 1 + correlation[part, None], 1 - correlation[part, None]
            # S/2 is a whole number, for which the power of the product has no branches
            power = ((1 - 1j * one * s) * (1 + 1j * other * s)) ** (-(BATCH // 2))
            found[mode, part] = np.real((first - second * power) @ weight)
    return found.reshape(2, rates.size, correlations.size)
