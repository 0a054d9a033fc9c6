"""What a simulation found, in the three forms that a command delivers: rows of a file, plain data, a page for a reader."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from derivations import display

if TYPE_CHECKING:
    import xarray as xr

    from derivations.phases import FateCheck
    from numerics import Agreement


class Finding(Protocol):
    """A simulation with what it is compared to."""

    dataset: xr.Dataset

    @property
    def payload(self) -> dict[str, Any]:
        """Plain data."""

    def rows(self) -> list[list[Any]]:
        """A table of everything, the names of its columns first."""

    def show(self, heading: Mapping[str, Any]) -> None:
        """Print it."""


@dataclass(frozen=True)
class Runs:
    """Runs of SGD with nothing to compare them to."""

    dataset: xr.Dataset

    @property
    def payload(self) -> dict[str, Any]:
        """Plain data."""
        return display.simulation_payload(self.dataset)

    def rows(self) -> list[list[Any]]:
        """One row for each statistic and time."""
        payload = self.payload
        return [
            ["statistic", "time", "mean", "standard_error"],
            *(
                [name, *row]
                for name, columns in payload["statistics"].items()
                for row in zip(payload["time"], columns["mean"], columns["standard_error"], strict=True)
            ),
        ]

    def show(self, heading: Mapping[str, Any]) -> None:
        """Print a table of a few times, and how many runs diverged."""
        summary = display.plain(self.payload)
        _show_heading(heading, summary["clock"])
        display.show(display.simulation_sheet(summary))
        display.say("\nno prediction: the model file names no theory")
        if summary["diverged"]:
            display.say(f"{summary['diverged']} of {heading['replicas']} runs diverged and enter no mean")


@dataclass(frozen=True)
class Comparison:
    """Runs of SGD compared with a prediction over time."""

    dataset: xr.Dataset
    agreement: Agreement
    advice: tuple[str, ...] = ()

    @property
    def payload(self) -> dict[str, Any]:
        """Plain data."""
        return display.agreement_payload(self.agreement)

    def rows(self) -> list[list[Any]]:
        """One row for each statistic and time."""
        table = self.agreement.table
        names = [str(name) for name in table.data_vars]
        return [
            ["statistic", "time", *names],
            *(
                [str(statistic), time, *(table[name].values[i, j] for name in names)]
                for i, statistic in enumerate(table["statistic"].values)
                for j, time in enumerate(table["time"].values)
            ),
        ]

    def show(self, heading: Mapping[str, Any]) -> None:
        """Print what is rejected, a table of a few times, and the verdict."""
        _show_heading(heading, self.agreement.table.attrs["clock"])
        rejected, more = display.rejected_sheet(self.agreement)
        if rejected.rows:
            display.say("rejected")
            display.show(rejected)
            display.say(f"and {more} more\n" if more else "")
        display.show(display.agreement_sheet(self.agreement))
        display.say("\n".join([f"\n{display.mark(self.agreement.agrees)} {self.agreement.summary()}", *self.advice]))


@dataclass(frozen=True)
class Fates:
    """How runs of SGD ended, compared with the phase that their exponents predict."""

    dataset: xr.Dataset
    exponents: xr.Dataset
    phase: str
    check: FateCheck

    @property
    def payload(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "verdict": self.check.verdict,
            "agrees": self.check.agrees,
            "reasons": self.check.reasons,
            **display.exponents_payload(self.exponents, self.phase),
            **display.fates_payload(self.dataset),
        }

    def rows(self) -> list[list[Any]]:
        """One row for each fate."""
        names = ("count", "fraction", "lower", "upper")
        fates = enumerate(self.dataset["fate"].values)
        return [["fate", *names], *([str(f), *(self.dataset[n].values[i] for n in names)] for i, f in fates)]

    def show(self, heading: Mapping[str, Any]) -> None:
        """Print the exponents, the fates, and the verdict."""
        _show_heading(heading, "steps")
        display.show(display.exponents_sheet(self.exponents))
        display.say(f"\nphase: {self.phase}\nfates after {self.dataset.attrs['steps']} steps\n")
        display.show(display.fates_sheet(self.dataset))
        verdict = self.check.verdict
        mark = display.mark(None if verdict is None else self.check.agrees)
        display.say(f"\n{mark} {verdict or 'no verdict'}\n" + "\n".join(self.check.reasons))


def _show_heading(heading: Mapping[str, Any], clock: str) -> None:
    runs = f"{heading['replicas']} runs of {heading['algorithm']} at {heading['at']}, seed {heading['seed']}"
    display.say("\n".join([heading["title"], runs, f"time in {clock}", *heading["conventions"], ""]))
