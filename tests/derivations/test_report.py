"""The report: one file that needs nothing else, says what it should, and lets nothing break it."""

from __future__ import annotations

import getpass
import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from derivations.claims.claim import Body, Claim, ClaimNotRun, Evidence, exact, from_agreement, statistical
from derivations.claims.exhibits import Derivation, Drawing, Formulas, GeneratedCode, Runs
from derivations.report import ReportNotWritten, write_report
from derivations.report.environment import without_places
from derivations.validate import run_claims
from numerics import compare
from numerics.figures import plot_power_laws
from theory import SGD, Model, Normal, Vector, dot, moments, scaling_limit, symbols
from theory.errors import TheoryError
from theory.references import Reference

VOID = {"meta", "br", "hr", "img", "input", "link", "col"}
n, c, tau = symbols("n c tau", positive=True)
xi = symbols("xi")
w, v, z = Vector("w", n), Vector("v", n), Vector("z", n)
OF = {"m": dot(w, v), "q": dot(w, w)}
MODEL = Model((dot(w, z) - dot(v, z) - tau * xi) ** 2 / 2, [w], {z: Normal(), xi: Normal()}, {dot(v, v): 1})
SOURCE = Reference("someone2020", "One, Some and Two, Any", "A < B & C", 2020, journal="Journal of X")


class Page(HTMLParser):
    """What a test asks of a page: its elements with their attributes, its text, and whether every element is closed."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.open, self.words = [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style", "script"):
            self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


def comparison(shift=0.0):
    rng, time = np.random.default_rng(0), np.linspace(0, 1, 6)
    theory = xr.Dataset(
        {"q": ("time", np.exp(-time))}, {"time": time}, {"clock": "steps", "approximation": "a closure"}
    )
    runs = {"q": (("replica", "time"), np.exp(-time) + shift + 0.1 * rng.standard_normal((50, 6)))}
    stated = {"clock": "steps", "seed": 4711, "at": "c=0.5", "replicas": 50, "algorithm": "SGD(learning_rate=c/n)"}
    return compare(theory, xr.Dataset(runs, {"time": time}, stated))


def claim(name, *findings, statement="what it says", body=Body.SCALING, **options):
    return Claim(name, statement, body, lambda: list(findings), **options)


def raising(name, error):
    def check():
        raise error

    return Claim(name, "what it says", Body.LANGUAGE, check)


def written(tmp_path, *claims):
    return write_report(run_claims(claims), tmp_path / "report.html").read_text(encoding="utf-8")


def shown(tmp_path, *claims):
    return Page(written(tmp_path, *claims))


@pytest.fixture(scope="module")
def limit():
    return scaling_limit(MODEL, SGD(c / n), statistics=OF)


@pytest.fixture(scope="module")
def full(tmp_path_factory, limit):
    """The text of a report with every kind of claim, evidence and exhibit."""
    return written(
        tmp_path_factory.mktemp("report"),
        claim("a-limit", Derivation(limit, "the limit"), *from_agreement("n = 10, 50 runs", comparison()), TRUE),
        claim("a-limit-again", Derivation(limit), statistical("mean", 1.0, 1.1, 0.2, 0.6), references=(SOURCE,)),
        claim("a-figure", TRUE, Drawing("Bias & slope", lambda: plot_power_laws(
            [1, 2, 4], {"q": [4, 2, 1]}, axis="n", quantity="bias", exponent=-1))),
        claim("a-formula", Formulas("the start", ((xi, xi + 1),)), GeneratedCode("a kernel", "x = 1 if a < b else 2"),
              Runs("loose runs", {"seed": 99, "replicas": 7}), TRUE, body=Body.KERNELS),
        claim("a-rejection", *from_agreement("shifted", comparison(0.5)), body=Body.KERNELS),
        claim("a-falsehood", exact("an identity", "<b>0</b>", "1 & 2", False), statement="holds for x < 1 & y^2 > 0",
              body=Body.LANGUAGE),
        raising("a-crash", ZeroDivisionError("nothing over nothing in /home/somebody/secret/place.py")),
        raising("a-wish", ClaimNotRun("it needs <a device>")),
    )  # fmt: skip


TRUE = exact("an identity", 1, 1, True)


# ------------------------------------------------------------------------------------------------------- one file


def test_the_file_loads_nothing_and_runs_no_script(full):
    page = Page(full)
    assert {name for name, _ in page.elements} & {"script", "link", "img", "iframe", "object", "embed", "base"} == set()
    addresses = [
        value for _, attributes in page.elements for key, value in attributes.items() if key.endswith(("href", "src"))
    ]
    assert all(re.match(r"#|https://arxiv\.org/abs/[\d.]+$", address) for address in addresses)
    assert "@import" not in full
    assert all(found.startswith("#") for found in re.findall(r"url\((?!['\"]?data:)([^)]*)", full))
    assert not any(key.startswith("on") for _, attributes in page.elements for key in attributes)


def test_links_within_the_page_lead_somewhere_and_names_are_unique(full):
    page = Page(full)
    names = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(set(names)) == len(names)
    targets = {
        value[1:] for _, a in page.elements for key, value in a.items() if key.endswith("href") and value[0] == "#"
    }
    assert targets <= set(names)


def test_the_page_can_be_read_by_a_screen_reader(full):
    page = Page(full)
    assert page.all("html") == [{"lang": "en"}]
    assert len(page.all("title")) == 1 + len(page.all("svg"))
    levels = [int(name[1]) for name, _ in page.elements if re.fullmatch("h[1-6]", name)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(later <= earlier + 1 for earlier, later in pairwise(levels))
    assert all(figure.get("role") == "img" for figure in page.all("svg"))
    assert all(heading.get("scope") in ("col", "row") for heading in page.all("th"))
    assert len(page.all("caption")) == len(page.all("table"))
    assert page.all("meta")[1]["name"] == "viewport"


def test_nothing_names_a_person_or_a_folder(full):
    places = (str(Path.home()), str(Path.cwd()), str(Path(__file__).parent), "/home/somebody", "secret")
    text = Page(full).text
    assert not any(place in text for place in places if len(place) > 3)
    assert len(user := getpass.getuser()) < 4 or user not in text.split()
    assert "nothing over nothing in place.py" in text


def test_paths_shrink_to_names_and_other_text_stays():
    assert without_places(r"C:\Users\me\model.toml and steps / n, 1/2") == "model.toml and steps / n, 1/2"


# ------------------------------------------------------------------------------------------------------ what it says


def test_the_summary_comes_first_and_has_a_row_for_every_claim(full):
    page = Page(full)
    text = page.text
    assert "✗ Theory and simulation do not agree: 2 claims disagree and 1 claim failed." in text
    assert "8 claims (4 agree, 2 disagree, 1 failed, 1 not run)" in text
    assert text.index("Summary") < text.index("Derivation")
    summary = full[full.index('id="summary"') : full.index("</section>")]
    for name in ("a-limit", "a-figure", "a-rejection", "a-falsehood", "a-crash", "a-wish"):
        assert f'href="#{name}"' in summary
    assert "it needs &lt;a device&gt;" in summary  # why it was not run stands beside the outcome


def test_a_run_that_agrees_and_a_run_that_checked_nothing_say_so(tmp_path):
    assert "✓ Theory and simulation agree. 1 claim (1 agrees), 1 comparisons" in shown(tmp_path, claim("a", TRUE)).text
    assert "– No claim was checked." in shown(tmp_path, raising("a", ClaimNotRun("no device"))).text


def test_a_claim_shows_statement_derivation_figure_table_code_sources_and_seed(full, limit):
    part = full[full.index('<article id="a-limit">') : full.index('<article id="a-limit-again">')]
    order = ["What it says.", "Derivation", "<math", "Derivation in 6 steps", "<svg", "n = 10, 50 runs: 5 of 6 times, 50 runs",
             "± standard error", "Generated code", "def right_hand_side", "Sources", "High-dimensional limit theorems"]  # fmt: skip
    positions = [part.index(text) for text in order]
    assert positions == sorted(positions)
    assert part.count("<li><p") == len(limit.steps)
    text = Page(full).text
    assert "Computed with" in text and "numpy" in text
    assert "n = 10, 50 runs 4711 50 c=0.5 SGD(learning_rate=c/n)" in text
    assert "loose runs 99 7" in text


def test_bibtex_stands_once_for_each_source(full):
    assert full.count("@article{benarous2022high,") == 1
    assert full.count("@article{someone2020,") == 1
    assert "title = {A &lt; B &amp; C}" in full


def test_the_same_code_is_shown_once(full):
    assert full.count("def right_hand_side(m_m, m_q") == 1
    again = full[full.index('<article id="a-limit-again">') :]
    assert 'the same code as of <a href="#a-limit">a-limit</a>' in again


def test_statements_and_evidence_cannot_break_the_page(full):
    assert "Holds for x &lt; 1 &amp; y<sup>2</sup> &gt; 0." in full
    assert "&lt;b&gt;0&lt;/b&gt;" in full
    assert "x = 1 if a &lt; b else 2" in full
    assert "Not run: it needs &lt;a device&gt;" in full
    assert "<b>" not in full


def test_what_speaks_against_a_claim_is_marked_in_words(full):
    rejection = full[full.index('<article id="a-rejection">') : full.index('<article id="a-falsehood">')]
    assert "6 rejected" in rejection
    assert "✗</td>" in rejection
    falsehood = full[full.index('<article id="a-falsehood">') :]
    assert "✗ fails" in falsehood


def test_large_systems_are_counted_instead_of_coded(tmp_path):
    names = symbols("u0:26")
    inputs = symbols("x0:26")
    model = Model(
        sum((u - x) ** 2 for u, x in zip(names, inputs, strict=True)) / 2, names, {x: Normal() for x in inputs}
    )
    recurrence = moments(model, SGD(symbols("eta", positive=True)), of={str(u): u for u in names})
    page = shown(tmp_path, claim("many", Derivation(recurrence), TRUE))
    assert "Generated code, of 26 equations: too long for a report" in page.text
    assert "and 14 further equations, 26 in all" in page.text


def test_more_figures_than_a_reader_wants_are_named(tmp_path):
    findings = [piece for k in range(8) for piece in from_agreement(f"run {k}", comparison())]
    page = shown(tmp_path, claim("many", *findings))
    assert len(page.all("svg")) == 6
    assert (
        "and 2 further figures, not shown: run 6: prediction and simulation; run 7: prediction and simulation"
        in page.text
    )


# ------------------------------------------------------------------------------------------------------------ writing


def test_missing_folders_are_made_and_the_path_is_returned(tmp_path):
    path = tmp_path / "a" / "b" / "report.html"
    assert write_report(run_claims([claim("a", TRUE)]), path) == path
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert [p.name for p in path.parent.iterdir()] == ["report.html"]


def test_a_folder_in_the_place_of_the_file_is_refused_by_name(tmp_path):
    with pytest.raises(ReportNotWritten, match=r"which is a folder; name a file, as in .*report\.html"):
        write_report(run_claims([]), tmp_path)


def test_a_file_in_the_place_of_the_folder_is_refused_by_name(tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(TheoryError, match=r"cannot be written into the folder .*taken: [^;]*$"):
        write_report(run_claims([]), tmp_path / "taken" / "report.html")


def test_a_read_only_folder_is_refused_before_anything_is_drawn(tmp_path, monkeypatch):
    monkeypatch.setattr("derivations.report.write.os.access", lambda *_: False)
    drawn = Drawing("never", lambda: pytest.fail("drawn"))
    with pytest.raises(ReportNotWritten, match="no permission"):
        write_report(run_claims([claim("a", TRUE, drawn)]), tmp_path / "report.html")


def test_a_full_disk_leaves_the_earlier_report_as_it_was(tmp_path, monkeypatch):
    path = write_report(run_claims([claim("a", TRUE)]), tmp_path / "report.html")
    before = path.read_bytes()

    def full_disk(self, *_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full_disk)
    with pytest.raises(ReportNotWritten, match="No space left on device"):
        write_report(run_claims([claim("b", TRUE)]), path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]


def test_evidence_of_no_known_number_is_still_shown(tmp_path):
    page = shown(tmp_path, claim("a", Evidence("one law", "one law", "distance 0.01", p_values=(0.5,))))
    assert "one law one law distance 0.01 0.5 ✓ agrees" in page.text
