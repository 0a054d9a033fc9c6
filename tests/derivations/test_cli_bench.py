"""The commands `bench` and `cache`: what they print, their JSON, their exit codes."""

from __future__ import annotations

import importlib
import json

import pytest
from typer.testing import CliRunner

from derivations.benchmarks.timing import Row, Setting, Size, at_least, missing
from derivations.cli import app
from numerics import cache


@pytest.fixture
def invoke():
    def run(*arguments, columns=300):
        return CliRunner().invoke(app, [str(a) for a in arguments], env={"COLUMNS": str(columns)})

    return run


def refused(result, *words):
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("sgd-theory: ")
    assert all(word in result.stderr for word in words), result.stderr


# ---------------------------------------------------------------------------------------------------------- bench


@pytest.fixture
def measured(monkeypatch):
    """Rows that take no time: one satisfied, one missed, one not run; the plans that they were asked for."""
    plans = []

    def rows(plan):
        plans.append(plan)
        yield Row(
            "good-row", "a thing", "ns", Setting({"n": 10}), 1.0, "NumPy", 9.0, 9.0, at_least(5), plan.repeats, 0.1
        )
        yield Row("poor-row", "a thing", "ns", Setting({"n": 10}), 1.0, "JAX", 2.0, 2.0, at_least(5), plan.repeats, 0.1)
        yield missing("absent-row", "a thing", "jax is not installed", peer_name="JAX")

    monkeypatch.setattr(importlib.import_module("derivations.benchmarks.normals"), "rows", rows)
    return plans


def test_bench_prints_the_table_and_no_figure_is_an_error(invoke, measured):
    result = invoke("bench", "normals", "--repeats", 3)
    assert result.exit_code == 0, result.output
    for text in ("good-row", "poor-row", ">= 5", "not run: jax is not installed", "3 rows: 1 of 2", "missed: poor-row"):
        assert text in result.stdout
    assert "numba" in result.stdout
    assert measured[0].repeats == 3
    assert measured[0].size is Size.FULL
    assert invoke("bench", "normals", "--quick", columns=40).exit_code == 0
    assert measured[1].size is Size.QUICK


def test_bench_as_json_is_one_document(invoke, measured):
    result = invoke("bench", "normals", "--json")
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert [row["name"] for row in found["rows"]] == ["good-row", "poor-row", "absent-row"]
    assert [row["met"] for row in found["rows"]] == [True, False, None]
    assert found["rows"][0]["required"] == {"bound": 5, "direction": ">=", "tolerance": 0.0}
    assert found["rows"][0]["sizes"] == {"n": 10}
    assert found["rows"][2]["not_run"] == "jax is not installed"
    assert set(found["machine"]) == {"processor", "cores", "load", "system", "versions"}


def test_bench_refuses_unknown_names_with_the_nearest(invoke):
    refused(invoke("bench", "normal"), "no benchmark 'normal'", "did you mean normals?", "committee")
    assert invoke("bench", "normals", "--repeats", 0).exit_code == 2


def test_an_interrupted_bench_shows_what_was_measured(invoke, measured, monkeypatch):
    def interrupted(plan):
        raise KeyboardInterrupt

    monkeypatch.setattr(importlib.import_module("derivations.benchmarks.chain"), "rows", interrupted)
    result = invoke("bench", "normals", "chain")
    assert result.exit_code == 130
    assert "good-row" in result.stdout
    assert "interrupted; the groups before chain are shown above" in result.stderr


# ---------------------------------------------------------------------------------------------------------- cache


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    home = tmp_path / "sgd-theory" / "kernels"
    (home / "__pycache__").mkdir(parents=True)
    (home / "k_1.py").write_bytes(b"x" * 700)
    (home / "__pycache__" / "k_1.run.nbi").write_bytes(b"x" * 800)
    return home


def test_cache_shows_what_is_kept(invoke, folder):
    result = invoke("cache")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [f"folder   {folder}", "kernels  1", "files    2", "size     1.5 kB"]
    assert json.loads(invoke("cache", "--json").stdout) == {
        "folder": str(folder), "kernels": 1, "files": 2, "size": 1500,
    }  # fmt: skip


def test_cache_clear_removes_kernels_and_nothing_else(invoke, folder):
    (folder / "notes.txt").write_text("mine")
    result = invoke("cache", "--clear")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[0] == "removed 1 kernels, 2 files, 1.5 kB"
    assert [path.name for path in folder.rglob("*") if path.is_file()] == ["notes.txt"]
    found = json.loads(invoke("cache", "--clear", "--json").stdout)
    assert found["removed"] == {"kernels": 0, "files": 0, "size": 0}
    assert found["files"] == 1


def test_a_cache_that_is_not_there_is_empty(invoke, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "none"))
    assert json.loads(invoke("cache", "--json").stdout)["files"] == 0
    assert invoke("cache", "--clear").exit_code == 0
    assert not (tmp_path / "none").exists()


def test_a_cache_that_cannot_be_changed_is_refused(invoke, folder, monkeypatch):
    def deny(self, missing_ok=False):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(cache.Path, "unlink", deny)
    refused(invoke("cache", "--clear"), "Permission denied", "k_1")
