"""How results look: texts and tables for a terminal, plain dictionaries for JSON."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping
from enum import Enum
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    import xarray as xr

    from derivations.claims.claim import ClaimResult, Evidence
    from derivations.validate import Report
    from numerics import Agreement
    from theory import Equations, Model
    from theory.calculus.gradient import Gradient

SHOWN_TIMES = 5
"""How many times of a run a table shows; JSON holds all."""


def console(*, error: bool = False, least: int = 0) -> Console:
    """A console on stdout or stderr that prints brackets as brackets, `least` characters wide even where a terminal is not."""
    found = Console(stderr=error, markup=False, emoji=False, highlight=False)
    if found.width < least:
        found.width = least
    return found


def say(text: str = "") -> None:
    """Print a text that is not cut at the width of the terminal."""
    console().print(text, soft_wrap=True)


def plain(value: Any) -> Any:
    """`value` as JSON can hold it: arrays as lists, numbers that are not finite as null, everything else as text.

    >>> plain({"z": (1.0, float("inf")), "ok": True})
    {'z': [1.0, None], 'ok': True}
    """
    if value is None or isinstance(value, (str, bool, int)):
        return str(value) if isinstance(value, Enum) else value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    return str(value)


def write_json(payload: Mapping[str, Any]) -> None:
    """Print a payload as JSON, and nothing else, on stdout."""
    sys.stdout.write(json.dumps(plain(payload), indent=2, allow_nan=False, ensure_ascii=False) + "\n")


def mark(good: bool | None) -> str:
    """A tick, a cross, or a dash for neither; words where the terminal has no such characters."""
    symbol, word = {True: ("✓", "ok"), False: ("✗", "no"), None: ("–", "--")}[good]
    try:
        symbol.encode(getattr(sys.stdout, "encoding", None) or "ascii")
    except (UnicodeEncodeError, LookupError):
        return word
    return symbol


def bytes_text(size: int) -> str:
    """A number of bytes for a reader.

    >>> bytes_text(999), bytes_text(123456)
    ('999 bytes', '123.5 kB')
    """
    if size < 1000:
        return f"{size} bytes"
    unit = next(power for power in range(1, 5) if size < 1000 ** (power + 1) or power == 4)
    return f"{size / 1000**unit:.1f} {('kB', 'MB', 'GB', 'TB')[unit - 1]}"


# ------------------------------------------------------------------------------------------------------- equations


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


# ----------------------------------------------------------------------------------------------------- simulations


def agreement_table(agreement: Agreement) -> Table:
    """Prediction against simulated mean, standard error and z, at a few times."""
    table = _table(f"time [{agreement.table.attrs['clock']}]", "statistic", "predicted", "simulated", "± s.e.", "z")
    columns = agreement.table
    for index, name in enumerate(columns["statistic"].values):
        for time in _shown(columns.sizes["time"]):
            row = columns.isel(statistic=index, time=time)
            z = "exact" if bool(row["exact"]) else f"{float(row['z']):+.2f}"
            table.add_row(
                f"{float(row['time']):.4g}",
                str(name),
                f"{float(row['prediction']):.6g}",
                f"{float(row['mean']):.6g}",
                f"{float(row['standard_error']):.1e}",
                z + (" !" if bool(row["rejected"]) else ""),
            )
    return table


def agreement_payload(agreement: Agreement) -> dict[str, Any]:
    """A comparison as plain data."""
    table = agreement.table
    return {
        "verdict": agreement.verdict,
        "agrees": agreement.agrees,
        "level": agreement.level,
        "comparisons": agreement.comparisons,
        "largest_z": agreement.largest_z,
        "replicas": agreement.replicas,
        "diverged": agreement.diverged,
        "clock": table.attrs["clock"],
        "time": table["time"].values,
        "statistics": {
            str(name): {column: table[column].isel(statistic=index).values for column in table.data_vars}
            for index, name in enumerate(table["statistic"].values)
        },
    }


def simulation_table(summary: Mapping[str, Any]) -> Table:
    """Simulated means and standard errors at a few times, where there is no prediction."""
    table = _table(f"time [{summary['clock']}]", "statistic", "simulated", "± s.e.")
    for name, columns in summary["statistics"].items():
        for index in _shown(len(summary["time"])):
            mean, error = columns["mean"][index], columns["standard_error"][index]
            shown = "-" if mean is None else f"{mean:.6g}", "-" if error is None else f"{error:.1e}"
            table.add_row(f"{summary['time'][index]:.4g}", name, *shown)
    return table


def simulation_payload(simulation: xr.Dataset) -> dict[str, Any]:
    """Means and standard errors over the runs that did not diverge, as plain data; NaN where too few are left."""
    import numpy as np

    kept = simulation.isel(replica=~simulation["diverged"].values)
    count = kept.sizes["replica"]
    statistics = {}
    for name in simulation.data_vars:
        if simulation[name].dims == ("replica", "time"):
            runs = kept[name].values
            nothing = np.full(runs.shape[1], np.nan)
            error = runs.std(axis=0, ddof=1) / math.sqrt(count) if count > 1 else nothing
            statistics[str(name)] = {"mean": runs.mean(axis=0) if count else nothing, "standard_error": error}
    return {
        "verdict": None,
        "replicas": simulation.sizes["replica"],
        "diverged": int(simulation["diverged"].sum()),
        "clock": simulation.attrs["clock"],
        "time": simulation["time"].values,
        "statistics": statistics,
    }


def _shown(count: int) -> list[int]:
    """The indices of a few equally spaced times, first and last among them."""
    return sorted({round(i * (count - 1) / (SHOWN_TIMES - 1)) for i in range(SHOWN_TIMES)})


def _table(*headings: str) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in headings:
        table.add_column(heading, justify="left" if heading == "statistic" else "right", overflow="fold")
    return table


# ---------------------------------------------------------------------------------------------------------- claims


def claim_line(result: ClaimResult) -> str:
    """One line: the mark, the name, what is claimed, what it rests on; and below it whatever speaks against it."""
    from derivations.validate import Outcome, outcome

    kind = outcome(result)
    good = {Outcome.AGREES: True, Outcome.NOT_RUN: None}.get(kind, False)
    size = f"{result.comparisons} comparison{'' if result.comparisons == 1 else 's'}"
    z = "" if result.largest_z is None else f", largest |z| {result.largest_z:.2f}"
    rests = "not run" if kind is Outcome.NOT_RUN else f"{size}{z}, {result.seconds:.1f} s"
    lines = [f"{mark(good)} {result.claim.name}: {result.claim.statement} [{rests}]"]
    if result.not_run is not None:
        lines.append(f"    not run: {result.not_run}")
    if result.error is not None:
        lines.append(f"    the check raised {result.error}")
    elif kind is Outcome.FAILED:
        lines.append("    the check compared nothing")
    for evidence in result.evidence:
        if evidence.holds is False:
            lines.append(f"    {evidence.label}: expected {evidence.predicted}, got {evidence.measured}")
    if result.rejected:
        suspects = sorted((e for e in result.evidence if e.p_values), key=lambda e: min(e.p_values))
        lines.append(
            f"    {result.rejected} comparisons rejected; smallest p-value {min(suspects[0].p_values):.2g} in "
            f"{suspects[0].label}: expected {suspects[0].predicted}, got {suspects[0].measured}"
        )
    return "\n".join(lines)


def summary_line(report: Report) -> str:
    """The last line of a run."""
    from derivations.validate import Outcome

    size = len(report.results)
    found = {kind: report.count(kind) for kind in Outcome if report.count(kind) or kind is Outcome.AGREES}
    counts = [f"{count} {str(kind) if count == 1 else str(kind).removesuffix('s')}" for kind, count in found.items()]
    return (
        f"{mark(report.agrees)} {size} claim{'' if size == 1 else 's'}: {', '.join(counts)}; "
        f"{report.comparisons} comparisons, Holm at {report.level:g}; {report.seconds:.1f} s"
    )


def report_payload(report: Report) -> dict[str, Any]:
    """A run of claims as plain data."""
    from derivations.validate import Outcome
    from numerics.results import versions

    return {
        "agrees": report.agrees,
        "level": report.level,
        "seconds": report.seconds,
        "comparisons": report.comparisons,
        "counts": {kind: report.count(kind) for kind in Outcome},
        "versions": versions(),
        "claims": [_claim_payload(result) for result in report.results],
    }


def _claim_payload(result: ClaimResult) -> dict[str, Any]:
    from derivations.validate import outcome

    return {
        "name": result.claim.name,
        "statement": result.claim.statement,
        "body": result.claim.body,
        "outcome": outcome(result),
        "comparisons": result.comparisons,
        "rejected": result.rejected,
        "largest_z": result.largest_z,
        "seconds": result.seconds,
        "error": result.error,
        "not_run": result.not_run,
        "evidence": [_evidence_payload(evidence) for evidence in result.evidence],
    }


def _evidence_payload(evidence: Evidence) -> dict[str, Any]:
    return {
        "label": evidence.label,
        "predicted": evidence.predicted,
        "measured": evidence.measured,
        "holds": evidence.holds,
        "comparisons": len(evidence.p_values),
        "smallest_p_value": min(evidence.p_values, default=None),
        "largest_z": evidence.largest_z,
    }
