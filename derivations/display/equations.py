"""Models, gradients and equations: as text, as plain data, as LaTeX."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from theory import Equations, Model
    from theory.calculus.gradient import Gradient


def describe_model(title: str, model: Model, algorithm: Any) -> str:
    """The statement of a model, one part per line."""
    data = ", ".join(f"{_names(names)}: {law}" for names, law in model.data)
    lines = [title] if title else []
    return "\n".join(
        [
            *lines,
            f"loss        {model.loss}",
            f"parameters  {', '.join(map(str, model.parameters))}",
            f"data        {data}",
            f"algorithm   {algorithm!r}",
        ]
    )


def describe_equations(kind: str, equations: Equations) -> str:
    """The equations with their clock, and what they rest on."""
    label = f", approximation: {equations.approximation}" if equations.approximation else ""
    parts = [f"{kind} (clock: {equations.clock}{label})", str(equations)]
    if equations.observables:
        parts += ["with", *(f"  {name} = {value}" for name, value in equations.observables.items())]
    needed = ", ".join(map(str, equations.free_symbols))
    parts.append(f"symbols     {needed or 'none'}")
    parts += ["conventions", *(f"  {line}" for line in equations.conventions)]
    parts += ["assumptions", *(f"  [{a.status}] {a.statement}: {a.evidence}" for a in equations.assumptions)]
    parts += ["sources", *(f"  {reference}" for reference in equations.references)]
    return "\n".join(parts)


def equations_payload(kind: str, equations: Equations) -> dict[str, Any]:
    """Equations as plain data."""
    import sympy

    def latex(side: Any) -> str:
        return side if isinstance(side, str) else str(sympy.latex(side))

    return {
        "type": kind,
        "clock": equations.clock,
        "approximation": equations.approximation,
        "equations": [
            {"left": str(a), "right": str(b), "latex": f"{latex(a)} = {latex(b)}"} for a, b in equations.lines
        ],
        "observables": {name: str(value) for name, value in equations.observables.items()},
        "statistics": {name: str(value) for name, value in equations.statistics.items()},
        "symbols": [str(symbol) for symbol in equations.free_symbols],
        "conventions": equations.conventions,
        "assumptions": [
            {"statement": a.statement, "status": a.status, "evidence": a.evidence} for a in equations.assumptions
        ],
        "steps": [
            {"title": step.title, "equations": [[str(a), str(b)] for a, b in step.equations], "reason": step.reason}
            for step in equations.steps
        ],
        "references": [str(reference) for reference in equations.references],
        "model_hash": equations.model_hash,
        "latex": equations.to_latex(),
    }


def model_payload(name: str, title: str, model: Model, algorithm: Any) -> dict[str, Any]:
    """The statement of a model as plain data."""
    return {
        "model": name,
        "title": title,
        "loss": str(model.loss),
        "parameters": [str(p) for p in model.parameters],
        "data": {_names(names): str(law) for names, law in model.data},
        "algorithm": repr(algorithm),
    }


def gradient_payload(gradient: Gradient) -> dict[str, Any]:
    """A gradient as plain data."""
    vectors = {w: {b: str(coefficient) for b, coefficient in terms.items()} for w, terms in gradient.vectors.items()}
    return {"gradient": {"vectors": vectors, "scalars": {s: str(value) for s, value in gradient.scalars.items()}}}


def gradient_latex(gradient: Gradient) -> str:
    """A gradient as a LaTeX `aligned` block."""
    import sympy

    rows = []
    for parameter, terms in gradient.vectors.items():
        sums = " + ".join(rf"\left({sympy.latex(c)}\right) {sympy.latex(b)}" for b, c in terms.items())
        rows.append(rf"\nabla_{{{sympy.latex(parameter)}}} \ell &= {sums}")
    rows += [rf"\partial_{{{sympy.latex(s)}}} \ell &= {sympy.latex(value)}" for s, value in gradient.scalars.items()]
    return r"\begin{aligned} " + r" \\ ".join(rows) + r" \end{aligned}"


def _names(names: tuple[Any, ...]) -> str:
    return ", ".join(map(str, names))
