"""Probabilistic stability: at which learning rate, batch size and noise SGD leaves a saddle, and which way.

Read it with `marimo run derivations/probabilistic_stability.py`, change it with `marimo edit`, check it with `python`.
"""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="Probabilistic stability of SGD")

with app.setup:
    import re
    from html import escape

    import marimo as mo
    import numpy as np

    from numerics import fates, phase_diagram, solve, spectral_radius, thresholds
    from numerics.figures import PALETTE, plot_phase_diagram
    from numerics.figures.paper import mathematical, new_figure, styled
    from theory import (
        SGD,
        Discrete,
        Model,
        Normal,
        NotNoiseFreeFixedPoint,
        Rademacher,
        fixed_points,
        moments,
        stability,
        stationary,
        symbols,
    )


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    # Probabilistic stability of SGD

    Near a point where every sample's gradient vanishes, SGD multiplies its distance from the point by random matrices. Whether it
    stays is decided by a Lyapunov exponent, the mean of a logarithm: not by the mean of the loss, nor by the mean square of the
    distance. So SGD can stay at a saddle that gradient descent leaves, and at a minimum whose mean square distance diverges.

    This document finds the points, the modes and their exponents from the loss, draws the phases, and runs SGD beside them. No
    formula in it was typed in: each one that you see was returned by the library a moment ago. The theory is that of Liu Ziyin,
    Botao Li, Tomer Galanti and Masahito Ueda (arXiv 2303.13093).
    """)
    return


@app.function(hide_code=True)
def typeset(*equations):
    """Formulas of the library, set apart from the text, with a bar to scroll where they are wider than the page."""
    rows = r" \\ ".join(item if isinstance(item, str) else item.to_latex() for item in equations)
    shown = mo.md(rf"$$\begin{{gathered}} {rows} \end{{gathered}}$$")
    return mo.Html(f'<div style="overflow-x: auto">{shown.text}</div>')


@app.function(hide_code=True)
def plain(text):
    """What the library prints, in lines that are broken where the page is narrow."""
    return mo.Html(f'<pre style="white-space: pre-wrap; font-size: 0.85em">{escape(str(text))}</pre>')


@app.function(hide_code=True)
def derivation(steps):
    """The steps of a derivation: what is done, what comes out, why."""
    rows = []
    for number, step in enumerate(steps, start=1):
        title, reason = (re.sub(r"([*_])", r"\\\1", escape(text)) for text in (step.title, step.reason))
        rows += [mo.md(f"**{number}. {title}**: {reason}."), *([typeset(step)] if step.equations else [])]
    return mo.vstack(rows)


@app.function(hide_code=True)
def modes(solved):
    """The exponents of the modes as a table, and the phase that they make."""
    rows = [
        f"| {mode} | {float(value):+.6f} | {float(error):.0e} | {kind} |"
        for mode, value, error, kind in zip(
            solved["mode"].values,
            *(solved[name].values for name in ("exponent", "exponent_error", "kind")),
            strict=True,
        )
    ]
    phase = solved["phase"].attrs["flag_meanings"][int(solved["phase"])]
    head = [f"phase: **{phase}**", "", "| mode | exponent per step | error | known by |", "|:---|---:|---:|:---|"]
    return mo.md("\n".join([*head, *rows]))


@app.function(hide_code=True)
def shares(found):
    """What runs of SGD ended as: a table with Wilson intervals of 95 %."""
    rows = [
        f"| {fate} | {int(count)} | {100 * low:.2f} to {100 * high:.2f} % |"
        for fate, count, low, high in zip(
            found["fate"].values, *(found[name].values for name in ("count", "lower", "upper")), strict=True
        )
        if count
    ]
    return mo.md("\n".join(["| fate | runs | share |", "|:---|---:|:---|", *rows]))


@app.function(hide_code=True)
@styled
def curves(axis, lines, at):
    """Exponents against the learning rate, with a mark at the value of the slider."""
    figure = new_figure(5.6, 2.8)
    panel = figure.subplots()
    for index, (name, values) in enumerate(lines.items()):
        panel.plot(axis, values, color=PALETTE[index], linestyle=("-", "--")[index % 2], label=mathematical(str(name)))
    panel.axhline(0, color="#777777", linewidth=0.8)
    panel.axvline(at, color="#777777", linewidth=0.8, linestyle=":")
    panel.set(xscale="log", xlabel=r"learning rate $\eta$ [1]", ylabel="exponent [1/step]", ylim=(-0.6, 0.6))
    panel.legend()
    return figure


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## 1. State

    The smallest network with a saddle: two weights in a row, a Gaussian input, and a label whose sign is wrong with probability $p$.
    """)
    return


@app.cell
def state():
    u, w, x, s = symbols("u w x s")
    eta, S, p = symbols("eta S p", positive=True)
    model = Model((u * w * x - s * x) ** 2 / 2, [u, w], {x: Normal(), s: Discrete({1: 1 - p, -1: p})})
    algorithm = SGD(learning_rate=eta, batch_size=S)
    mo.show_code(typeset(model), position="above")
    return S, algorithm, eta, model, p, s, u, w, x


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## 2. The fixed point and its modes

    At which weights does the gradient of every sample vanish, whatever the label?
    """)
    return


@app.cell
def points(algorithm, model):
    found_points = fixed_points(model, algorithm)
    mo.show_code(plain(found_points), position="above")
    return (found_points,)


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    At the saddle the two modes are found by splitting the space for all samples at once. Each multiplies its amplitude by a random
    number, and the logarithms add up.
    """)
    return


@app.cell
def derive(algorithm, found_points, model):
    saddle = stability(model, algorithm, point=found_points[0])
    mo.show_code(derivation(saddle.steps), position="above")
    return (saddle,)


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## 3. Exponents

    The mode $u+w$ is the way down: along it the mean loss falls. It grows if its exponent is positive.
    """)
    return


@app.cell(hide_code=True)
def sliders():
    grid, shares_wrong = np.geomspace(0.02, 2.0, 41), np.linspace(0.02, 0.48, 24).round(2)
    rates = grid.round(4).tolist()
    rate = mo.ui.slider(steps=rates, value=rates[28], label=r"learning rate $\eta$", show_value=True, debounce=True)
    noise = mo.ui.slider(
        steps=shares_wrong.tolist(), value=0.4, label="label noise $p$", show_value=True, debounce=True
    )
    batch = mo.ui.slider(steps=[1, 2, 4, 8], value=1, label="batch size $S$", show_value=True, debounce=True)
    mo.hstack([rate, noise, batch], justify="start", gap=3, wrap=True)
    return batch, grid, noise, rate, shares_wrong


@app.cell
def _(S, batch, eta, noise, p, rate, saddle):
    solved = solve(saddle, at={eta: rate.value, p: noise.value, S: batch.value})
    mo.show_code(modes(solved), position="above")
    return


@app.cell
def _(S, batch, eta, grid, noise, p, rate, saddle, shares_wrong):
    diagram = phase_diagram(saddle, over={eta: grid, p: shares_wrong}, at={S: batch.value})
    along = diagram["exponent"].sel(p=noise.value)
    _figure = curves(grid, {mode: along.sel(mode=mode) for mode in along["mode"].values}, rate.value)
    mo.show_code(_figure, position="above")
    return (diagram,)


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    An exponent may vanish several times, so the thresholds are sets of intervals: a scan brackets every change of sign and refines it.
    """)
    return


@app.cell
def _(S, batch, eta, noise, p, saddle):
    stable = thresholds(saddle, of=eta, between=(0.01, 3), at={p: noise.value, S: batch.value})
    mo.show_code(plain(stable), position="above")
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## 4. The phases, and what SGD does

    Two signs make four phases. None grows: the saddle attracts, and the network stays dead. Only the way down: correct learning. Only
    the way up: incorrect learning. Both: no stability at all.

    Each marker is a hundred runs of SGD, started at a distance of $10^{-7}$: its shape is the fate of most of them, the star is the
    setting of the sliders. More label noise opens the region in which the saddle attracts; larger batches shift it to larger
    learning rates.
    """)
    return


@app.cell
def simulate(S, algorithm, batch, eta, found_points, grid, model, p, shares_wrong, u, w):
    near = {u: Normal(0, 1e-14), w: Normal(0, 1e-14)}
    _rates, _noises = np.meshgrid(grid[4::5], shares_wrong[3::4], indexing="ij")
    runs = fates(
        model,
        algorithm,
        point=found_points[0],
        at={eta: _rates.ravel(), p: _noises.ravel(), S: batch.value},
        start=near,
        steps=4000,
        replicas=100,
    )
    mo.show_code()
    return near, runs


@app.cell
def _(diagram, noise, rate, runs):
    picture = plot_phase_diagram(diagram, fates=runs)
    picture.axes[0].plot(rate.value, noise.value, "*", color="black", markersize=11)
    mo.show_code(picture, position="above")
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    A run that leaves the saddle the right way may still blow up later, at a large learning rate: the phase says how it leaves, not
    where it ends (section 8).

    ## 5. Mean square against probability

    One weight, one Gaussian input, no noise at the minimum: linear regression. The mean square of the weight obeys a linear recurrence,
    and the exponent is the mean of a logarithm. Both are exact.
    """)
    return


@app.cell
def _(algorithm, w, x):
    regression = Model((w * x) ** 2 / 2, [w], {x: Normal()})
    minimum = stability(regression, algorithm, point={w: 0})
    square = moments(regression, algorithm, of={"size": w**2})
    mo.show_code(mo.vstack([typeset(minimum), typeset(square), typeset(stationary(square))]), position="above")
    return minimum, regression, square


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    Half the growth rate of the mean square lies above the exponent everywhere. Between the two zeros the mean square diverges while
    almost every run converges: the mean is carried by runs too rare to be seen. Below, the fate called saddle means that a run ended
    at the fixed point, here the minimum.
    """)
    return


@app.cell
def _(S, batch, eta, grid, minimum, rate, square):
    steps_of = [{eta: value, S: batch.value} for value in grid]
    in_probability = [float(solve(minimum, at=at)["exponent"][0]) for at in steps_of]
    in_mean_square = [np.log(spectral_radius(square, at=at)) / 2 for at in steps_of]
    _figure = curves(grid, {"in probability": in_probability, "in mean square": in_mean_square}, rate.value)
    mo.show_code(_figure, position="above")
    return


@app.cell
def unequal(S, eta, minimum, regression, square, w):
    one = {eta: 1.0, S: 1}
    growth = spectral_radius(square, at=one)
    quiet = fates(regression, SGD(eta), point={w: 0}, at={eta: 1.0}, start={w: Normal()}, steps=400, replicas=10_000)
    _shown = [
        modes(solve(minimum, at=one)),
        mo.md(f"The mean square grows by a factor {growth:.6g} a step; of 10,000 runs of SGD:"),
        shares(quiet),
    ]
    mo.show_code(mo.vstack(_shown), position="above")
    return growth, quiet


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## 6. All four phases in closed form

    Let inputs and label noise be signs: $x=\pm1$, and a label $x(1+\tau s)$ with $s=\pm1$. For a law of finitely many values the
    exponent is a finite sum of logarithms, and the boundaries between phases are algebraic curves.
    """)
    return


@app.cell
def _(eta, s, u, w, x):
    tau = symbols("tau", positive=True)
    signs = Model((u * w * x - (1 + tau * s) * x) ** 2 / 2, [u, w], {x: Rademacher(), s: Rademacher()})
    closed = stability(signs, SGD(eta), point={u: 0, w: 0})
    mo.show_code(mo.vstack([typeset(closed), typeset(*closed.boundaries)]), position="above")
    return closed, signs, tau


@app.cell
def four(closed, eta, near, signs, tau, u, w):
    _rates, _noises = np.geomspace(0.06, 1.8, 8), np.linspace(0.5, 4.5, 6)
    four_phases = phase_diagram(closed, over={eta: np.geomspace(0.05, 2.0, 161), tau: np.linspace(0.2, 5.0, 121)})
    four_fates = fates(
        signs,
        SGD(eta),
        point={u: 0, w: 0},
        at={eta: np.repeat(_rates, 6), tau: np.tile(_noises, 8)},
        start=near,
        steps=4000,
        replicas=100,
    )
    mo.show_code(plot_phase_diagram(four_phases, fates=four_fates), position="above")
    return four_fates, four_phases


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## 7. Any loss

    The same call takes other losses and other networks. A quartic loss changes the curvature, not the modes. A third factor removes every
    curvature at the origin: the directions are neutral, and the library says that linear theory is silent. Two hidden units give two
    copies of each mode. A wider input does not split: its block is a product of random matrices, whose exponents are simulated.
    """)
    return


@app.cell
def _(algorithm, u, w, x):
    y, rho, a, b, v, z = symbols("y rho a b v z")
    pair = {(x, y): Normal(covariance=[[1, rho], [rho, 1]])}
    networks = [
        Model((u * w * x - y) ** 2 / 2, [u, w], pair),
        Model((u * w * x - y) ** 4, [u, w], pair),
        Model((u * v * w * x - y) ** 2 / 2, [u, v, w], pair),
        Model(((u * w + a * b) * x - y) ** 2 / 2, [u, w, a, b], pair),
        Model((u * (w * x + v * z) - y) ** 2 / 2, [u, w, v], {x: Normal(), y: Normal(), z: Normal()}),
    ]
    saddles = [stability(net, algorithm, point=dict.fromkeys(net.parameters, 0)) for net in networks]
    _shown = [[typeset(net), plain(found)] for net, found in zip(networks, saddles, strict=True)]
    mo.show_code(mo.vstack(sum(_shown, [])), position="above")
    return networks, rho, saddles


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    The theory speaks of points at which *every* sample's gradient vanishes. Elsewhere the noise does not die out, and the call is
    refused, with the gradient that is left:
    """)
    return


@app.cell
def _(algorithm, networks, u, w):
    try:
        stability(networks[0], algorithm, point={u: 1, w: 1})
    except NotNoiseFreeFixedPoint as refusal:
        noisy = str(refusal)
    mo.show_code(mo.callout(noisy, kind="warn"), position="above")
    return (noisy,)


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## 8. Where it fails

    **The verdict is local.** Take the Gaussian pair of section 7 at $\rho=0.2$. Its saddle attracts on an interval of learning rates:
    """)
    return


@app.cell
def _(S, eta, rho, saddles):
    islands = thresholds(saddles[0], of=eta, between=(0.01, 3), at={rho: 0.2, S: 1})
    mo.show_code(plain(islands), position="above")
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    At $\eta=0.6$, inside it, runs that start a thousandth away from the saddle do not all stay. Both exponents are negative, but the
    larger one only just: a run of large samples can carry it far away, where the linear theory ends and the run blows up. Four samples a
    step make the saddle unstable; a little weight decay makes it safe.
    """)
    return


@app.cell
def local(eta, networks, rho, u, w):
    far = {u: Normal(0, 1e-6), w: Normal(0, 1e-6)}
    values = {eta: 0.6, rho: 0.2}
    settings = {
        "one sample": SGD(eta),
        "four samples": SGD(eta, batch_size=4),
        "one sample, weight decay 0.1": SGD(eta, weight_decay=0.1),
    }
    local_theory, long_run, _shown = {}, {}, []
    for name, setting in settings.items():
        local_theory[name] = solve(stability(networks[0], setting, point={u: 0, w: 0}), at=values)
        long_run[name] = fates(
            networks[0], setting, point={u: 0, w: 0}, at=values, start=far, steps=20_000, replicas=1000
        )
        _shown.append(mo.vstack([mo.md(f"**{name}**"), modes(local_theory[name]), shares(long_run[name])]))
    mo.show_code(mo.hstack(_shown, justify="start", gap=2, wrap=True), position="above")
    return far, local_theory, long_run


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    **A phase is not a destination.** Rare large labels, here $44$ in 3 of 100 cases and $-1$ otherwise, make SGD leave the saddle the wrong
    way although the mean label is positive. With weight decay it arrives there. Without, the same phase ends in divergence.
    """)
    return


@app.cell
def wrong(eta, far, u, w):
    label = symbols("label")
    rare = Model((u * w - label) ** 2 / 2, [u, w], {label: Discrete({-1: 0.97, 44: 0.03})})
    wrong_way, _shown = {}, []
    for decay in (0.5, 0):
        _setting, _at = SGD(eta, weight_decay=decay), {eta: 0.05}
        wrong_way[decay] = fates(rare, _setting, point={u: 0, w: 0}, at=_at, start=far, steps=5000, replicas=1000)
        _solved = solve(stability(rare, _setting, point={u: 0, w: 0}), at=_at)
        _shown.append(mo.vstack([mo.md(f"**weight decay {decay}**"), modes(_solved), shares(wrong_way[decay])]))
    mo.show_code(mo.hstack(_shown, justify="start", gap=2, wrap=True), position="above")
    return (wrong_way,)


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## 9. The verdict

    What this document claims, as a test: run as a script it fails if any of it does. At every marker of both diagrams at which the largest
    exponent is more than $0.03$ from zero, most runs stay at the saddle exactly if it is negative. Nearer to a boundary 4000 steps do
    not decide.
    """)
    return


@app.function
def mismatches(equations, found, at, margin=0.03):
    """How many simulated points contradict the sign of the largest exponent, and how many were far enough from zero to be judged."""
    names = [name for name in found.coords if found[name].dims == ("point",)]
    kept = found["fraction"].sel(fate="saddle").values > 0.5
    wrong_points, judged = 0, 0
    for index, stays in enumerate(kept):
        largest = float(
            solve(equations, at={**at, **{name: float(found[name][index]) for name in names}})["exponent"].max()
        )
        if abs(largest) > margin:
            judged += 1
            wrong_points += bool(stays) != (largest < 0)
    return wrong_points, judged


@app.cell
def verdict(S, batch, closed, four_fates, growth, local_theory, long_run, quiet, runs, saddle, wrong_way):
    first, second = mismatches(saddle, runs, {S: batch.value}), mismatches(closed, four_fates, {})
    assert first[0] == second[0] == 0, (first, second)
    assert growth > 1 and quiet["fraction"].sel(fate="saddle") > 0.99
    for case, exponents in local_theory.items():
        assert (exponents["exponent"].max() < 0) == (long_run[case]["fraction"].sel(fate="saddle") > 0.5), case
    assert wrong_way[0.5]["fraction"].sel(fate="incorrect") > 0.9 and wrong_way[0]["fraction"].sel(fate="blow-up") > 0.9
    _judged = first[1] + second[1]
    _text = f"The sign of the largest exponent told the fate of SGD at {_judged} of {_judged} settings."
    if not mo.running_in_notebook():
        print(_text)
    mo.show_code(mo.callout(_text, kind="success"), position="above")
    return


@app.cell(hide_code=True)
def _(saddle):
    mo.accordion({"Sources of the derivation": mo.md(f"```bibtex\n{saddle.bibtex()}\n```")})
    return


if __name__ == "__main__":
    app.run()
