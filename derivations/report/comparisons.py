"""Tables of prediction against simulation, with error bars and z."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from derivations.claims.claim import ClaimResult, Evidence
from derivations.report.formulas import prose
from derivations.report.html import Html, element, table
from derivations.report.outcomes import evidence_badge, number

if TYPE_CHECKING:
    from numerics import Agreement

_NUMERIC = (3, 4, 5)
TIMES, STATISTICS = 5, 12
"""Times, and statistics, of which a table shows the numbers."""


def evidence_table(result: ClaimResult) -> Html:
    """Every piece of evidence of a claim: what was expected, what was found, how far apart they are."""
    rejections = result.rejections or (0,) * len(result.evidence)
    rows = [
        (
            prose(evidence.label),
            element("span", evidence.predicted, class_="value"),
            element("span", evidence.measured.replace("+-", "±"), class_="value"),
            str(len(evidence.p_values)) if evidence.holds is None else "1",
            number(evidence.largest_z),
            number(min(evidence.p_values, default=None), ".2g"),
            evidence_badge(evidence, rejected),
        )
        for evidence, rejected in zip(result.evidence, rejections, strict=True)
    ]
    headings = ("compared", "expected", "found", "comparisons", "largest |z|", "smallest p-value", "verdict")
    used = [i for i in range(len(headings)) if i not in _NUMERIC or any(row[i] not in ("", "1") for row in rows)]
    shown = [[row[i] for i in used] for row in rows]
    numeric = [place for place, i in enumerate(used) if i in _NUMERIC]
    return table("Evidence", [headings[i] for i in used], shown, numeric=numeric, class_="evidence")


def agreement_table(evidence: Evidence) -> Html | None:
    """The numbers of a comparison at a few times; None where the evidence rests on none."""
    agreement = evidence.agreement
    if agreement is None:
        return None
    columns = agreement.table
    names = [str(name) for name in columns["statistic"].values]
    shown = _shown_statistics(agreement, names)
    times = _shown_times(columns.sizes["time"])
    rows = []
    for name in shown:
        for time in times:
            row = columns.sel(statistic=name).isel(time=time)
            z = "exact" if bool(row["exact"]) else f"{float(row['z']):+.2f}"
            rows.append(
                (
                    name,
                    f"{float(row['time']):.4g}",
                    f"{float(row['prediction']):.6g}",
                    f"{float(row['mean']):.6g}",
                    f"{float(row['standard_error']):.1e}",
                    z + (" ✗" if bool(row["rejected"]) else ""),
                )
            )
    clock = columns.attrs["clock"]
    headings = ("statistic", f"time [{clock.replace(' x ', ' × ')}]", "predicted", "simulated", "± standard error", "z")
    extent = f"{len(shown)} of {len(names)} statistics, " if len(shown) < len(names) else ""
    caption = f"{evidence.label}: {extent}{len(times)} of {columns.sizes['time']} times, {agreement.replicas} runs"
    return table(caption, headings, rows, numeric=(1, 2, 3, 4, 5), class_="numbers")


def _shown_times(count: int) -> list[int]:
    return sorted({round(i * (count - 1) / (TIMES - 1)) for i in range(TIMES)})


def _shown_statistics(agreement: Agreement, names: list[str]) -> list[str]:
    """All statistics, or of too many those with the largest residuals, in their own order."""
    if len(names) <= STATISTICS:
        return names
    sizes = np.nan_to_num(np.abs(agreement.table["z"].values), nan=np.inf).max(axis=1)
    return [names[i] for i in sorted(np.argsort(-sizes, kind="stable")[:STATISTICS])]
