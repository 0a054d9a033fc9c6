"""TOML model files: data, never code. The tables of a document become a `ModelFile`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from derivations.model_files.document import Document, Entry, document_of, nearest, read_document
from derivations.model_files.model_file import (
    ModelFile,
    Theory,
    checked_replicas,
    checked_theory,
    checked_until,
    one_line,
)

TABLES: Mapping[str, tuple[str, ...] | None] = MappingProxyType({
    "symbols": None,
    "inputs": None,
    "matrices": None,
    "vectors": None,
    "fields": None,
    "networks": None,
    "definitions": None,
    "model": ("loss", "parameters"),
    "data": None,
    "fixed": None,
    "algorithm": (
        "learning_rate", "batch_size", "momentum", "weight_decay", "temperature", "constraint", "proximal", "samples",
        "sampling",
    ),
    "statistics": None,
    "at": None,
    "start": None,
    "run": ("until", "replicas"),
    "point": None,
    "over": None,
})  # fmt: skip
"""The tables of a model file, with their keys where these are not names of the file's own."""

HEADINGS = ("title", "theory")
"""The keys before the first table."""


def read_toml(path: Path) -> ModelFile:
    """Return what a TOML file states. Raises `ModelFileError`, with line and column, for whatever it cannot state."""
    return model_file_of(read_document(path))


def model_file_of_text(text: str, path: Path) -> ModelFile:
    """Return what a TOML text states; `path` names it in messages, and data files lie beside it."""
    return model_file_of(document_of(path, text))


def outline_of_document(document: Document) -> tuple[str, str | None]:
    """The title and the theory of a document, without building its model."""
    title, theory = _headings(document.root)
    return title, None if theory is None else str(theory)


def model_file_of(document: Document) -> ModelFile:
    """Return what a document states."""
    root = document.root
    title, theory = _headings(root)
    _require_tables(root)
    from derivations.model_files import sections
    from derivations.model_files.declarations import declare_all
    from derivations.model_files.scope import Scope

    scope = Scope()
    declare_all(scope, root)
    statistics = sections.read_statistics(scope, root.get("statistics"))
    until, replicas = _run(root.get("run"))
    return ModelFile(
        name=document.path.stem,
        title=title,
        path=document.path,
        model=sections.read_model(scope, root),
        algorithm=sections.read_algorithm(scope, root.entry("algorithm")),
        statistics=statistics or None,
        at=sections.read_at(scope, root.get("at")),
        start=sections.read_start(scope, root.get("start"), statistics),
        until=until,
        replicas=replicas,
        theory=theory,
        point=sections.read_point(scope, root.get("point")),
        over=sections.read_over(scope, root.get("over")),
    )


def _headings(root: Entry) -> tuple[str, Any]:
    title, theory = root.get("title"), root.get("theory")
    if title is not None and not isinstance(title.value, str):
        raise title.error(f"expected a text, got {str(title.value)[:60]}")
    chosen = None
    if theory is not None:
        hint = nearest(theory.value, Theory) if isinstance(theory.value, str) else ""
        chosen = checked_theory(theory.value, lambda name, problem: theory.complaint(f"{name} {problem}{hint}"))
    return one_line(title.value if title else ""), chosen


def _require_tables(root: Entry) -> None:
    """Only known tables with known keys, and those that a model needs."""
    for entry in root.entries():
        if entry.name in HEADINGS:
            continue
        if entry.name not in TABLES:
            raise entry.error(_unknown(entry.name, [*HEADINGS, *TABLES]), of_key=True)
        if not entry.is_table:
            raise entry.error(f"expected a table; write [{entry.name}] on a line of its own, and its keys below")
        keys = TABLES[entry.name]
        for part in entry.entries() if keys is not None else ():
            if part.name not in (keys or ()):
                raise part.error(_unknown(part.name, keys or (), within=entry.name), of_key=True)
    for table, needed in (("model", ("loss", "parameters")), ("algorithm", ("learning_rate",))):
        section = root.get(table)
        for key in needed:
            if section is None or key not in section.value:
                where = section or root
                raise where.complaint(f"a model file states {key} in [{table}]; there is none", of_key=True)


def _unknown(name: str, known: Any, within: str = "") -> str:
    """What to say of a key that is not known: the table where it belongs, or the nearest known one."""
    homes = [f"[{table}]" for table, keys in TABLES.items() if keys and name in keys and table != within]
    if name in HEADINGS:
        homes = ["the lines before the first table"]
    if within and name in TABLES:
        homes = [f"a table [{name}] of its own"]
    place = f"; it belongs in {homes[0]}" if homes else nearest(name, known)
    return f"{name[:60]!r} is not a key of {f'[{within}]' if within else 'a model file'}{place or _listed(known)}"


def _listed(known: Any) -> str:
    return f"; there are {', '.join(known)}"


def _run(section: Entry | None) -> tuple[float | None, int | None]:
    if section is None:
        return None, None
    until, replicas = section.get("until"), section.get("replicas")

    def refuse(entry: Entry) -> Any:
        return lambda name, problem: entry.complaint(f"{name} {problem}")

    return (
        None if until is None else checked_until(until.value, refuse(until)),
        None if replicas is None else checked_replicas(replicas.value, refuse(replicas)),
    )
