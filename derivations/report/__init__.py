"""The report of a run of claims: one HTML file that needs no network, no script and no other file."""

from derivations.report.write import ReportNotWritten, write_report

__all__ = ["ReportNotWritten", "write_report"]
