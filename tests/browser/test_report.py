"""The report as a browser shows it: formulas have a size, nothing is wider than the page, nothing is loaded, no errors."""

from __future__ import annotations

import pytest
from chromium import chromium, measure, open_page, screenshot

from derivations.claims import all_claims
from derivations.claims.claim import Body, Claim, ClaimNotRun, exact
from derivations.report import write_report
from derivations.validate import run_claims, select

pytestmark = [pytest.mark.browser, pytest.mark.skipif(chromium() is None, reason="chromium is not installed")]

SHOWN = ("gradients-agree-with-coordinates", "momentum-conventions", "least-squares-limit", "tensor-sgd", "erf-unit")
MEASURED = """(() => {
  document.querySelectorAll('details').forEach(part => { part.open = true; });
  const box = found => { const b = found.getBoundingClientRect(); return [b.width, b.height]; };
  const all = name => [...document.querySelectorAll(name)];
  return {
    formulas: all('math').map(box), figures: all('svg').map(box), tables: all('table').map(box),
    page: [document.documentElement.scrollWidth, document.documentElement.clientWidth],
    wide: all('main *').filter(e => !e.closest('.scroll')
      && e.getBoundingClientRect().right > document.documentElement.clientWidth + 1).map(e => e.outerHTML.slice(0, 90)),
    unknown: all('mtext').map(e => e.textContent).filter(text => text.startsWith('\\\\')),
  };
})()"""


def _raising():
    raise ClaimNotRun("it needs <something> & more")


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    odd = [
        Claim("a-false-claim", 'holds for x < 1 & "x" > 0 </p><script>console.error("run")</script>', Body.LANGUAGE,
              lambda: [exact("an identity " + "x" * 300, "<b>1</b>", "2" * 400, False)]),
        Claim("a-claim-that-is-not-run", "needs what is not here", Body.LANGUAGE, _raising),
    ]  # fmt: skip
    run = run_claims([*select(all_claims(), SHOWN), *odd])
    return write_report(run, tmp_path_factory.mktemp("report") / "report.html")


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_a_reader_sees_every_formula_and_figure_and_never_scrolls_the_page_sideways(report, width):
    found = measure(report, MEASURED, width=width, height=800)
    assert len(found["formulas"]) > 30
    assert all(w > 4 and h > 8 for w, h in found["formulas"])
    assert len(found["figures"]) >= 6
    assert all(w > 200 and h > 100 for w, h in found["figures"])
    scroll, client = found["page"]
    assert scroll <= client
    assert found["wide"] == []
    assert found["unknown"] == []


def test_nothing_is_loaded_and_no_error_is_logged(report):
    opened = open_page(report.as_uri())
    assert opened.requests == ()
    assert opened.console == ()
    assert "</html>" in opened.dom


@pytest.mark.parametrize("width", [360, 1280])
def test_a_picture_can_be_taken_at_phone_and_desktop_width(report, tmp_path, width):
    picture = screenshot(report.as_uri(), tmp_path / "report.png", width=width, height=900)
    assert picture.stat().st_size > 20_000
