"""Effective dynamics: what a few inner products of SGD do as the dimension grows, from the loss to the validated figure.

Read it with `marimo run derivations/effective_dynamics.py`, change it with `marimo edit`, check it with `python`.
"""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="Effective dynamics of SGD")

with app.setup:
    import re
    from dataclasses import replace
    from html import escape

    import marimo as mo
    import sympy

    from numerics import EulerMaruyama, compare, generate, simulate, solve
    from numerics.figures import plot_dataset
    from theory import (
        SGD,
        Model,
        Normal,
        NotStationary,
        SupercriticalStep,
        Vector,
        dot,
        moments,
        scaling_limit,
        stationary,
        symbols,
    )


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    # Effective dynamics of SGD

    A network with $n$ weights moves in $\mathbb R^n$. What one asks of it is usually a handful of inner products: its overlap
    with a signal, its norm, its error. As $n$ grows at the right learning rate, these few numbers obey equations of their own.

    This document derives the equations from the loss, solves them, runs SGD itself, and asks statistics whether the two agree.
    No formula in it was typed in: each one that you see was returned by the library a moment ago.
    """)
    return


@app.function(hide_code=True)
def typeset(*equations):
    """Formulas of the library, set apart from the text, with a bar to scroll where they are wider than the page."""
    rows = r" \\ ".join(item if isinstance(item, str) else item.to_latex() for item in equations)
    shown = mo.md(rf"$$\begin{{gathered}} {rows} \end{{gathered}}$$")
    return mo.Html(f'<div style="overflow-x: auto">{shown.text}</div>')


@app.function(hide_code=True)
def derivation(steps):
    """The steps of a derivation: what is done, what comes out, why."""
    rows = []
    for number, step in enumerate(steps, start=1):
        title, reason = (re.sub(r"([*_])", r"\\\1", escape(text)) for text in (step.title, step.reason))
        rows += [mo.md(f"**{number}. {title}**: {reason}."), *([typeset(step)] if step.equations else [])]
    return mo.vstack(rows)


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## 1. State

    A teacher $v$ of unit length labels Gaussian inputs $z$, with label noise of strength $\tau$. The student $w$ learns by
    online SGD, each step on a batch of $S$ fresh samples. At the learning rate $c/n$ the noise of a step is just strong enough
    to survive the limit. A step that shrinks faster leaves gradient flow, one that shrinks more slowly leaves no limit at all.
    """)
    return


@app.cell
def state():
    n, c, S = symbols("n c S", positive=True)
    tau = symbols("tau", nonnegative=True)
    w, v, z = Vector("w", n), Vector("v", n), Vector("z", n)
    xi = symbols("xi")
    model = Model(
        loss=(dot(w, z) - dot(v, z) - tau * xi) ** 2 / 2,
        parameters=[w],
        fixed={dot(v, v): 1},
        data={z: Normal(), xi: Normal()},
    )
    algorithm = SGD(learning_rate=c / n, batch_size=S)
    mo.show_code(typeset(model), position="above")
    return S, algorithm, c, model, n, tau, v, w, xi, z


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## 2. Derive

    Ask for the overlap $m$ with the teacher and the squared norm $q$.
    """)
    return


@app.cell
def derive(algorithm, model, v, w):
    limit = scaling_limit(model, algorithm, statistics={"m": dot(w, v), "q": dot(w, w)})
    mo.show_code(typeset(limit), position="above")
    return (limit,)


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    How this came about is part of the answer. The route is the same for every loss.
    """)
    return


@app.cell
def _(limit):
    mo.show_code(derivation(limit.steps), position="above")
    return


@app.cell(hide_code=True)
def _(limit):
    _rows = [f"| {escape(a.statement)} | {a.status}: {escape(a.evidence)} |" for a in limit.assumptions]
    mo.md(
        "\n".join(
            [
                "Each hypothesis was checked, or is yours to check.",
                "",
                "| hypothesis | how it is known |",
                "|:---|:---|",
                *_rows,
            ]
        )
    )
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ### What the limit drops

    The average over one step is known at every $n$. What the limit discards from each rate is kept, and so is the map with the
    discarded part in its place. For this model the map is affine, hence exact for the means at any $n$ and any batch size.
    """)
    return


@app.cell
def _(limit):
    typeset(*(rf"{name}: \quad {sympy.latex(sympy.factor(rest))}" for name, rest in limit.discarded.items()))
    return


@app.cell
def _(limit):
    finite = limit.at_finite_dimension()
    mo.show_code(typeset(finite), position="above")
    return (finite,)


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## 3. Solve, simulate, compare

    Move a slider: the equations are solved again, and SGD itself is run again, on vectors of $\mathbb R^n$, 64 times. Theory and
    simulation share the loss and nothing else.
    """)
    return


@app.cell(hide_code=True)
def sliders():
    rate = mo.ui.slider(0.3, 1.6, 0.1, value=0.5, label="learning rate $c$", show_value=True, debounce=True)
    batch = mo.ui.slider(steps=[1, 2, 4, 8], value=1, label="batch size $S$", show_value=True, debounce=True)
    noise = mo.ui.slider(0.0, 1.0, 0.1, value=0.3, label=r"label noise $\tau$", show_value=True, debounce=True)
    size = mo.ui.slider(steps=[100, 200, 400], value=400, label="dimension $n$", show_value=True, debounce=True)
    mo.hstack([rate, batch, noise, size], justify="start", gap=3, wrap=True)
    return batch, noise, rate, size


@app.cell
def setting(S, batch, c, n, noise, rate, size, tau, v, w):
    constants = {c: rate.value, S: batch.value, tau: noise.value}
    at = {**constants, n: size.value}
    start = {"m": 0.1, "q": 1.0}
    products = {dot(w, v): start["m"], dot(w, w): start["q"]}
    return at, constants, products, start


@app.cell
def validate(algorithm, at, constants, limit, model, start):
    prediction = solve(limit, at=constants, start=start, until=8)
    simulation = simulate(model, algorithm, at=at, observe=limit, start=start, until=8, replicas=64, seed=1)
    agreement = compare(prediction, simulation)
    mo.show_code(mo.vstack([agreement.plot(), mo.md(agreement.summary())]), position="above")
    return (agreement,)


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    Below the curves stands the difference in units of its standard error. Holm's procedure keeps the chance of rejecting a true
    prediction anywhere in the figure below one in a thousand.
    """)
    return


@app.cell(hide_code=True)
def _(limit):
    _source = mo.md(f"```python\n{generate(limit).source}\n```")
    mo.accordion({"The program that was generated from the equations": _source})
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## 4. The noise of a run

    A single run strays from the limit by $n^{-1/2}$. For the squared distance $r=|w-v|^2$ from the teacher, which closes on its
    own, the limit and its fluctuations are one stochastic differential equation (Itô).
    """)
    return


@app.cell
def fluctuate(algorithm, model, v, w):
    distance = scaling_limit(model, algorithm, statistics={"r": dot(w - v, w - v)})
    noisy = distance.fluctuations()
    mo.show_code(typeset(noisy), position="above")
    return distance, noisy


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    Twelve paths of this equation, then twelve runs of SGD, at $c=\tau=1$ and $n=100$:
    """)
    return


@app.cell
def _(S, algorithm, c, distance, model, n, noisy, products, tau):
    loud = {c: 1.0, tau: 1.0, S: 1, n: 100}
    paths = solve(noisy, at=loud, start={"r": 1.8}, until=8, method=EulerMaruyama(steps=400), replicas=12, seed=2)
    runs = simulate(model, algorithm, at=loud, observe=distance, start=products, until=8, replicas=12, seed=3)
    mo.show_code(mo.hstack([plot_dataset(paths), plot_dataset(runs)], justify="start", wrap=True), position="above")
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    The expression for this noise that is usually quoted keeps only the covariance of the gradient along the statistic. It
    neglects that the squared length of a step fluctuates too, at the same order. The library derives both:
    """)
    return


@app.cell
def _(distance, noisy, n):
    textbook = replace(noisy, covariance=distance.first_order_covariance / n)
    mo.show_code(typeset(textbook), position="above")
    return (textbook,)


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    A thousand runs decide between them: how large is $n$ times the variance of $r$?
    """)
    return


@app.cell
def spread(S, algorithm, c, distance, model, n, noisy, products, tau, textbook):
    strong = {c: 1.0, tau: 1.0, S: 1, n: 400}
    many = simulate(model, algorithm, at=strong, observe=distance, start=products, until=8, replicas=1000, seed=4)

    def spreads(equations):
        """Predicted and simulated n Var r, as statistics to compare."""
        predicted = solve(equations, at=strong, start={"r": 1.8}, until=8, times=many["time"].values)
        squares = strong[n] * (many["r"] - predicted["r"].values) ** 2
        theory = (strong[n] * predicted["r_variance"]).to_dataset(name="spread").assign_attrs(predicted.attrs)
        return compare(theory, squares.to_dataset(name="spread").assign_attrs(many.attrs))

    complete, quoted = spreads(noisy), spreads(textbook)
    mo.show_code(mo.hstack([complete.plot(), quoted.plot()], justify="start", wrap=True), position="above")
    return complete, quoted


@app.cell(hide_code=True)
def _(complete, quoted):
    mo.md(f"""
    First, with the second-order noise: {complete.summary()}.

    Second, the usual expression: {quoted.summary()}.
    """)
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## 5. A million dimensions

    For Gaussian data the inner products alone are a Markov chain, exact in law at every finite $n$. Its steps cost the same at
    $n=10^6$ as at $n=10$, and the limit holds to a part in a thousand.
    """)
    return


@app.cell
def chain(S, algorithm, c, limit, model, n, start, tau):
    wide = {c: 0.5, S: 1, tau: 0.3}
    million = simulate(
        model,
        algorithm,
        at={**wide, n: 1_000_000},
        observe=limit,
        start=start,
        until=2,
        replicas=8,
        seed=5,
        method="chain",
    )
    chained = compare(solve(limit, at=wide, start=start, until=2), million)
    mo.show_code(mo.vstack([chained.plot(), mo.md(chained.summary())]), position="above")
    return (chained,)


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## 6. Another model

    Nothing above knew that the network is linear. Let a function act on the overlaps, in the student and in the teacher: one line
    of the statement changes, and none of the derivation.
    """)
    return


@app.cell(hide_code=True)
def activations():
    activation = mo.ui.dropdown(["error function", "square"], value="error function", label="activation")
    mo.vstack([activation])
    return (activation,)


@app.cell
def other(S, activation, algorithm, c, n, tau, v, w, xi, z):
    f = {"error function": lambda s: sympy.erf(s / sympy.sqrt(2)), "square": lambda s: s**2 / 2}[activation.value]
    unit = Model(
        loss=(f(dot(w, z)) - f(dot(v, z)) - tau * xi) ** 2 / 2,
        parameters=[w],
        fixed={dot(v, v): 1},
        data={z: Normal(), xi: Normal()},
    )
    unit_limit = scaling_limit(unit, algorithm, statistics={"m": dot(w, v), "q": dot(w, w)})
    small = {c: 0.1, tau: 0.3, S: 1}
    begin = {"m": 0.4, "q": 0.8}
    unit_agreement = compare(
        solve(unit_limit, at=small, start=begin, until=6),
        simulate(unit, algorithm, at={**small, n: 400}, observe=unit_limit, start=begin, until=6, replicas=64, seed=6),
    )
    _shown = [typeset(unit), typeset(unit_limit), unit_agreement.plot(), mo.md(unit_agreement.summary())]
    mo.show_code(mo.vstack(_shown), position="above")
    return (unit_agreement,)


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    Where an average over the Gaussian overlaps has no closed form here it stays a symbol, and becomes a quadrature in the generated
    program. Its error is estimated with half the nodes and enters the comparison.

    ## 7. Where it fails

    **Small $n$.** The limit neglects terms of order $1/n$. At $n=40$ four thousand runs see them and reject it; the finite map of
    section 2, iterated, agrees with the same runs.
    """)
    return


@app.cell
def narrow(S, algorithm, c, finite, limit, model, n, start, tau):
    tight = {c: 0.5, S: 1, tau: 0.3}
    numbers = {"at": {**tight, n: 40}, "start": start, "replicas": 4096, "seed": 7}
    rejected = compare(
        solve(limit, at=tight, start=start, until=10),
        simulate(model, algorithm, observe=limit, until=10, **numbers),
    )
    exact = compare(
        solve(finite, at={**tight, n: 40}, start=start, until=800),
        simulate(model, algorithm, observe=finite, until=800, **numbers),
    )
    mo.show_code(mo.hstack([rejected.plot(), exact.plot()], justify="start", wrap=True), position="above")
    return exact, rejected


@app.cell(hide_code=True)
def _(exact, rejected):
    mo.md(f"""
    First, the limit: {rejected.summary()}.

    Second, the exact map: {exact.summary()}.
    """)
    return


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    **A step that shrinks too slowly.** The critical scaling is a result of the derivation, so a step beyond it is refused, with the rate at
    which the drift grows.
    """)
    return


@app.cell
def _(c, limit, model, n):
    try:
        scaling_limit(model, SGD(c / sympy.sqrt(n)), statistics=limit.statistics)
    except SupercriticalStep as refusal:
        supercritical = str(refusal)
    mo.show_code(mo.callout(supercritical, kind="warn"), position="above")
    return (supercritical,)


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    **A large constant.** Beyond $c=2S$ the norm grows without bound: the limit is right, and says so. Solving the linear equations
    for stationary moments would still return numbers, finite and meaningless; they are refused.
    """)
    return


@app.cell
def _(S, algorithm, c, model, n, tau, v, w):
    recurrence = moments(model, algorithm, of={"m": dot(w, v), "q": dot(w, w)})
    try:
        stationary(recurrence, at={c: 2.1, S: 1, tau: 0.3, n: 400})
    except NotStationary as refusal:
        unbounded = str(refusal)
    mo.show_code(mo.callout(unbounded, kind="warn"), position="above")
    return (unbounded,)


@app.cell(hide_code=True)
def _():
    mo.md(r"""
    ## 8. The verdict

    What this document claims, as a test: run as a script it fails if any of it does.
    """)
    return


@app.cell
def verdict(agreement, chained, complete, exact, quoted, rejected, unit_agreement):
    for found in (agreement, complete, chained, unit_agreement, exact):
        assert found.agrees, found.summary()
    for refuted in (quoted, rejected):
        assert not refuted.agrees, refuted.summary()
    _text = f"Theory and simulation {agreement.verdict}, and the two predictions that should fail do."
    if not mo.running_in_notebook():
        print(_text)
    mo.show_code(mo.callout(_text, kind="success"), position="above")
    return


@app.cell(hide_code=True)
def _(limit):
    mo.accordion({"Sources of the derivation": mo.md(f"```bibtex\n{limit.bibtex()}\n```")})
    return


if __name__ == "__main__":
    app.run()
