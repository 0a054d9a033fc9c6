"""What the helper for browser tests sees: errors, requests, widths below that of a window."""

from __future__ import annotations

import pytest
from chromium import chromium, dump_dom, measure, open_page

pytestmark = [pytest.mark.browser, pytest.mark.skipif(chromium() is None, reason="chromium is not installed")]


@pytest.fixture
def page(tmp_path):
    path = tmp_path / "page.html"
    path.write_text(
        '<!doctype html><html><body><img src="http://somewhere.invalid/a.png"><p style="width:700px">wide</p>'
        "<script>document.title = 'made by a script'; console.error('it is \"broken\"');</script></body></html>"
    )
    return path


def test_errors_requests_and_overflow_are_seen(page):
    opened = open_page(page.as_uri())
    assert 'it is "broken"' in opened.console
    assert opened.requests == ("http://somewhere.invalid/a.png",)
    assert measure(page, "document.documentElement.scrollWidth", width=360) >= 700


def test_a_document_is_as_wide_as_asked_for(page):
    for width in (360, 1280):
        assert abs(measure(page, "innerWidth", width=width) - width) <= 1


def test_the_document_is_dumped_after_its_scripts(page):
    assert "<title>made by a script</title>" in dump_dom(page.as_uri(), budget_ms=1000)
