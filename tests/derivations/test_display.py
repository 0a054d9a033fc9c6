"""How results look: tables that fit any terminal, texts without characters that it lacks, numbers as JSON has them."""

from __future__ import annotations

import io
import json
import sys

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from derivations import display, moves
from derivations.display import Column, Sheet
from derivations.display.sheet import wrap
from derivations.model_files import load_model
from theory import stationary

COLUMNS = (Column("time"), Column("statistic", text=True), Column("predicted"), Column("simulated"))
ROWS = (("0", "m", "0.123456", "0.125"), ("10.25", "dot(w, v)", "-1.5e-07", "12345.6"))


def test_a_table_is_aligned_where_it_fits():
    lines = Sheet(COLUMNS, ROWS).lines(80).splitlines()
    assert lines == [
        " time  statistic  predicted  simulated",
        "    0  m           0.123456      0.125",
        "10.25  dot(w, v)   -1.5e-07    12345.6",
    ]
    assert Sheet(COLUMNS, ROWS).lines(None).splitlines() == lines
    assert Sheet(COLUMNS, ROWS).lines(len(lines[0])).splitlines() == lines


def test_a_table_is_stacked_where_it_does_not_fit():
    assert Sheet(COLUMNS, ROWS, keys=2).lines(37).splitlines() == [
        "time 0  statistic m",
        "  predicted  0.123456",
        "  simulated  0.125",
        "",
        "time 10.25  statistic dot(w, v)",
        "  predicted  -1.5e-07",
        "  simulated  12345.6",
    ]


def test_prose_in_the_last_column_is_wrapped_before_a_table_is_stacked():
    sheet = Sheet(
        (Column("name", text=True), Column("what", text=True, wraps=True)), (("model", "one two three " * 4),)
    )
    lines = sheet.lines(40).splitlines()
    assert lines[1].startswith("model  one two three")
    assert all(line.startswith(" " * 7) for line in lines[2:])
    assert max(map(len, lines)) <= 40


cells = st.floats(-1e9, 1e9).map(lambda value: f"{value:.8g}")


@settings(max_examples=50, deadline=None)
@given(rows=st.lists(st.tuples(cells, cells, cells, cells), min_size=1, max_size=4), width=st.integers(1, 120))
def test_no_width_breaks_a_number(rows, width):
    words = Sheet(COLUMNS, tuple(rows), keys=2).lines(width).split()
    assert all(cell in words for row in rows for cell in row)


@given(st.text(alphabet="ab 1.", max_size=80), st.integers(1, 30))
def test_wrapping_keeps_every_word(text, width):
    assert " ".join(wrap(text, width)).split() == text.split()


@pytest.mark.parametrize(("encoding", "shown"), [("utf-8", ["✓", "✗", "–", "±"]), ("ascii", ["ok", "no", "--", "+-"])])
def test_characters_that_a_terminal_lacks_are_spelt_out(monkeypatch, encoding, shown):
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding=encoding))
    assert [*map(display.mark, (True, False, None)), display.glyph("±", "+-")] == shown


def test_json_holds_numbers_that_json_has():
    text = display.text_of_json(
        {"a": np.array([1.0, np.nan]), "b": float("inf"), "c": np.int64(3), "d": np.bool_(True)}
    )
    assert json.loads(text) == {"a": [1.0, None], "b": None, "c": 3, "d": True}


def test_equations_with_quadratures_take_one_line_each():
    file = load_model("erf_unit")
    limit = moves.derive(file, file.theory)
    assert str(limit).count("\n") == len(limit.state) - 1
    assert "(s1, s2) ~ N(0, [[1, m], [m, q]])" in str(limit)


def test_stationary_moments_are_typeset():
    file = load_model("scalar_regression")
    found = stationary(moves.derive(file, file.theory))
    latex = found.to_latex()
    assert latex.startswith(r"\begin{aligned} \mathbb{E}\left[w\right] &= 0 \\ ")
    assert r"\text{degree 2 loses stability at } 0 &= - \eta \left(3 \eta - 2\right)" in latex
    assert found._repr_latex_() == rf"$\displaystyle {latex}$"
    assert str(found).splitlines()[:2] == ["E[w] = 0", "E[w**2] = -eta*sigma**2/(3*eta - 2)"]
