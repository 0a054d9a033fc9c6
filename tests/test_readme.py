"""The README is executed: its example prints what the README says, and its snippets run."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import numpy as np
import pytest

from derivations.model_files import load_model
from numerics import solve
from theory import stability

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """The fenced blocks of one language, in order."""
    return re.findall(rf"```{language}\n(.*?)```", README, re.S)


@pytest.mark.parametrize("number", [0, 1, 2], ids=["the four moves", "stability", "proof"])
def test_an_example_prints_what_the_readme_says(number: int) -> None:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(blocks("python")[number], "README.md", "exec"), {})
    assert printed.getvalue() == blocks("text")[number]


def test_the_model_file_of_the_readme_loads_and_has_a_phase(tmp_path: Path) -> None:
    path = tmp_path / "outliers.toml"
    path.write_text(blocks("toml")[0], encoding="utf-8")
    file = load_model(path)
    result = stability(file.model, file.algorithm, point=file.point)
    phase = solve(result, at=file.at)["phase"]
    assert phase.attrs["flag_meanings"][int(phase)] == "saddle attracts"


def test_the_snippet_for_your_own_data_runs_on_a_csv_file(tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    table = np.random.default_rng(0).normal(size=(40, 4))
    np.savetxt(tmp_path / "data.csv", table, delimiter=",", header="a,b,c,label")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(compile(blocks("python")[3], "README.md", "exec"), names)
    assert len(names["recurrence"].state) == 9  # type: ignore[attr-defined]  # 3 means and 6 second moments


def test_the_first_screen_holds_the_two_commands() -> None:
    first_screen = "\n".join(README.splitlines()[:25])
    assert "python -m pip install . && sgd-theory validate" in first_screen
    assert "python -m pip install '.[test]' && python -m pytest" in first_screen
