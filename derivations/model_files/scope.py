"""The declared names of a model file, and what each of them means."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from derivations.model_files.document import Entry, nearest
from derivations.model_files.expressions import declarable
from derivations.model_files.limits import Limits


class Scope:
    """Names -> values, with the entry that declared each; no name is declared twice."""

    def __init__(self) -> None:
        self.limits = Limits()
        self._values: dict[str, Any] = {}
        self._entries: dict[str, Entry] = {}

    def declare(self, name: str, value: Any, entry: Entry) -> None:
        """Give `name` a meaning. Raises `ModelFileError` at `entry` for a name that cannot be one, or is taken."""
        problem = declarable(name)
        if problem:
            raise entry.error(f"{name!r} {problem}", of_key=True)
        if name in CONSTANTS:
            raise entry.error(f"{name!r} is {CONSTANTS[name]}; choose another name", of_key=True)
        if name in self._entries:
            other = self._entries[name]
            spot = other.spot
            line = "" if spot is None else f" in line {other.document.text.count(chr(10), 0, spot.key) + 1}"
            raise entry.error(f"the name {name!r} is taken by {other.label}{line}; choose another", of_key=True)
        self._entries[name], self._values[name] = entry, value

    def set(self, name: str, value: Any) -> None:
        """The value of a name that was declared before its value was known."""
        self._values[name] = value

    def __contains__(self, name: object) -> bool:
        return name in self._values

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    @property
    def names(self) -> Iterable[str]:
        """Every declared name."""
        return self._values.keys()

    def unknown(self, name: str, others: Iterable[str] = ()) -> str:
        """What to say of a name that is not declared."""
        return f"{name!r} is not declared{nearest(name, [*self._values, *others])}{_declare(name, self._values)}"

    def resolve(self, entry: Entry, name: str) -> Any:
        """The value of a name that stands in the key of an entry. Raises `ModelFileError` there if it is not declared."""
        if name not in self._values:
            raise entry.error(self.unknown(name), of_key=True)
        return self._values[name]


CONSTANTS: Mapping[str, str] = {
    "pi": "the number 3.14159...",
    "EulerGamma": "the number 0.57721...",
    "oo": "infinity, an end of the support of a density",
}
"""Numbers that have a name."""


def _declare(name: str, known: Mapping[str, Any]) -> str:
    return "" if nearest(name, known) else "; declare it in [symbols], [vectors] or [definitions]"
