"""How long derivations and imports take: run `python tests/benchmarks/derivation_time.py`.

Each derivation is timed in one process with SymPy's cache cleared before every repeat, so the figures are those of a
first call. The peer of each is the same answer by expression trees (`sympy.expand` and term-by-term averages), where
that is feasible. Compile times are not part of this page.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import sympy
from sympy.core.cache import clear_cache

sys.path.insert(0, str(Path(__file__).parent.parent))
from statements import STATEMENTS

from theory import (
    SGD,
    Discrete,
    GaussianField,
    Model,
    Normal,
    Vector,
    dot,
    gradient,
    moments,
    scaling_limit,
    symbols,
    vectors,
)

ROOT = Path(__file__).parent.parent.parent
n, c, tau, snr, eta, S, k = symbols("n c tau snr eta S k", positive=True)
xi, y = symbols("xi y")
w, v, z, centre, mu, nu = (Vector(name, n) for name in ("w", "v", "z", "centre", "mu", "nu"))
STATISTICS = {"m": dot(w, v), "q": dot(w, w)}


def least_squares() -> object:
    model = Model((dot(w, z) - dot(v, z) - tau * xi) ** 2 / 2, [w], {z: Normal(), xi: Normal()}, {dot(v, v): 1})
    return scaling_limit(model, SGD(c / n), statistics=STATISTICS)


def phase_retrieval() -> object:
    model = Model((dot(w, z) ** 2 - dot(v, z) ** 2) ** 2 / 4, [w], {z: Normal()}, {dot(v, v): 1})
    return scaling_limit(model, SGD(c / n), statistics=STATISTICS)


def spiked_tensor() -> object:
    field = GaussianField("W", order=k)
    model = Model(-2 * (field(w) + snr * dot(w, v) ** k) + dot(w, w) ** k, [w], [field], {dot(v, v): 1})
    return scaling_limit(model, SGD(c / n), statistics={"m": dot(w, v), "r2": dot(w, w) - dot(w, v) ** 2}).covariance


def xor_gradient() -> object:
    hidden, second = vectors("w", n, count=2), symbols("v1:3")
    output = sum(a * sympy.Max(dot(b, centre + z / sympy.sqrt(snr)), 0) for a, b in zip(second, hidden, strict=True))
    law = Discrete([((mu, 1), 0.25), ((-mu, 1), 0.25), ((nu, 0), 0.25), ((-nu, 0), 0.25)])
    model = Model(
        -y * output + sympy.log(1 + sympy.exp(output)),
        [*hidden, *second],
        {(centre, y): law, z: Normal()},
        {dot(mu, mu): 1, dot(nu, nu): 1, dot(mu, nu): 0},
    )
    return gradient(model)


def _regression(size: int) -> Model:
    weights, inputs = symbols(f"w0:{size}"), symbols(f"x0:{size}")
    spectrum, noise, e = symbols(f"l0:{size}", positive=True), symbols("s2", positive=True), symbols("e")
    data = {x: Normal(0, lam) for x, lam in zip(inputs, spectrum, strict=True)}
    return Model(
        (sum(a * b for a, b in zip(weights, inputs, strict=True)) - e) ** 2 / 2, weights, {**data, e: Normal(0, noise)}
    )


def second_moments() -> object:
    return moments(_regression(6), SGD(eta, batch_size=S))


def second_moments_by_expression_trees() -> object:
    """The peer: S = 1 only, by `sympy.expand` and independent Gaussian moments term by term."""
    model = _regression(6)
    variances = {names[0]: law.moment(2) for names, law in model.data}
    slopes = {p: sympy.diff(model.loss, p) for p in model.parameters}
    update = {p: p - eta * g for p, g in slopes.items()}
    rows = {}
    for i, a in enumerate(model.parameters):
        for b in model.parameters[i:]:
            total = sympy.S.Zero
            for term in sympy.Add.make_args(sympy.expand(update[a] * update[b])):
                powers = term.as_powers_dict()
                value = term
                for symbol, variance in variances.items():
                    power = powers.get(symbol, 0)
                    value = (
                        value
                        / symbol**power
                        * (0 if power % 2 else sympy.factorial2(max(power - 1, 1)) * variance ** (power // 2))
                    )
                total += value
            rows[a * b] = total
    return rows


def seconds(function: Callable[[], object], repeats: int = 5) -> tuple[float, float]:
    """Median and spread (max - min) of the time of a first call."""
    times = []
    for _ in range(repeats):
        clear_cache()
        began = time.perf_counter()
        function()
        times.append(time.perf_counter() - began)
    return statistics.median(times), max(times) - min(times)


def process_seconds(code: str, repeats: int = 5) -> float:
    """Median time that `code` reports on its last line of output, each time in a new process."""
    found = [
        float(
            subprocess.run(
                [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
            ).stdout.split()[-1]
        )
        for _ in range(repeats)
    ]
    return statistics.median(found)


IMPORT = (
    "import sympy, scipy, numba, time; t = time.perf_counter(); import theory, numerics; print(time.perf_counter() - t)"
)
FOUR_MOVES = (
    "import sympy, scipy, numba, time; t = time.perf_counter(); from theory import Model, SGD, dot, scaling_limit; "
    "from numerics import solve, simulate, compare; print(time.perf_counter() - t)"
)
HELP = (
    "import subprocess, sys, time; t = time.perf_counter(); "
    "subprocess.run([sys.executable, '-m', 'derivations.cli', '--help'], check=True, capture_output=True); "
    "print(time.perf_counter() - t)"
)


def main() -> int:
    """Print the table; return 1 if a target is missed."""
    rows: list[tuple[str, float, float, float]] = []
    for function, target in (
        (least_squares, 0.2),
        (phase_retrieval, 0.2),
        (xor_gradient, 0.3),
        (second_moments, 0.5),
        (spiked_tensor, 1.0),
    ):
        median, spread = seconds(function)
        rows.append((function.__name__, median, spread, target))
    for name, code, target in (
        ("import theory, numerics", IMPORT, 0.4),
        ("import the four moves (xarray, pandas)", FOUR_MOVES, float("inf")),
        ("sgd-theory --help", HELP, 0.5),
    ):
        rows.append((name, process_seconds(code), 0.0, target))
    for name, state in STATEMENTS.items():
        model, _ = state()
        median, spread = seconds(lambda model=model: gradient(model), repeats=3)  # type: ignore[misc]
        rows.append((f"gradient: {name}", median, spread, float("inf")))
    print(f"{'what':<50}{'median s':>10}{'spread':>10}{'target':>10}")
    for name, median, spread, target in rows:
        print(f"{name:<50}{median:>10.3f}{spread:>10.3f}{target:>10.2g}{'' if median <= target else '  MISSED'}")
    peer, _ = seconds(second_moments_by_expression_trees, repeats=1)
    ours = next(median for name, median, _, _ in rows if name == "second_moments")
    print(
        f"second moments at d = 6: expression trees {peer:.2f} s for S = 1, ours {ours:.3f} s for symbolic S: ratio {peer / ours:.0f}"
    )
    return int(any(median > target for _, median, _, target in rows))


if __name__ == "__main__":
    raise SystemExit(main())
