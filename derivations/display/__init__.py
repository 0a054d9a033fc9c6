"""How results look: texts and tables for a terminal, plain dictionaries for JSON."""

from derivations.display.claims import claim_line, report_payload, summary_line
from derivations.display.equations import (
    describe_equations,
    describe_model,
    equations_payload,
    gradient_latex,
    gradient_payload,
    model_payload,
)
from derivations.display.phases import (
    exponents_payload,
    exponents_sheet,
    fates_payload,
    fates_sheet,
    intervals_payload,
)
from derivations.display.runs import (
    SHOWN_TIMES,
    agreement_payload,
    agreement_sheet,
    prediction_payload,
    prediction_sheet,
    simulation_payload,
    simulation_sheet,
)
from derivations.display.sheet import Column, Sheet
from derivations.display.terminal import (
    bytes_text,
    columns,
    console,
    glyph,
    mark,
    note,
    plain,
    say,
    show,
    text_of_json,
    write_json,
)

__all__ = [
    "SHOWN_TIMES",
    "Column",
    "Sheet",
    "agreement_payload",
    "agreement_sheet",
    "bytes_text",
    "claim_line",
    "columns",
    "console",
    "describe_equations",
    "describe_model",
    "equations_payload",
    "exponents_payload",
    "exponents_sheet",
    "fates_payload",
    "fates_sheet",
    "glyph",
    "gradient_latex",
    "gradient_payload",
    "intervals_payload",
    "mark",
    "model_payload",
    "note",
    "plain",
    "prediction_payload",
    "prediction_sheet",
    "report_payload",
    "say",
    "show",
    "simulation_payload",
    "simulation_sheet",
    "summary_line",
    "text_of_json",
    "write_json",
]
