"""The documents as a reader meets them: served by marimo, opened in Chromium, their formulas, figures and sliders."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from chromium import chromium
from devtools import Page, open_page

import derivations

pytest.importorskip("marimo", reason="marimo is not installed")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(chromium() is None, reason="chromium is not installed"),
]

DOCUMENTS = Path(derivations.__file__).parent
VERDICTS = {
    "effective_dynamics": "Theory and simulation agree",
    "probabilistic_stability": "told the fate of SGD",
}
# outputs lie in shadow trees, which a selector alone does not enter
HELPERS = """
  const all = (name, root = document) => [...root.querySelectorAll(name),
    ...[...root.querySelectorAll('*')].flatMap(e => e.shadowRoot ? all(name, e.shadowRoot) : [])];
  const boxes = name => all(name).map(e => { const b = e.getBoundingClientRect(); return [b.width, b.height]; });
"""


def look(expression: str) -> str:
    """A JavaScript expression that may use the helpers."""
    return f"(() => {{ {HELPERS} return {expression}; }})()"


@contextmanager
def served(name: str) -> Iterator[str]:
    """The address of a document that a server of its own shows."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "marimo", "run", str(DOCUMENTS / f"{name}.py")]
    options = ["--headless", "--no-token", "--port", str(port), "--no-check"]
    server = subprocess.Popen([*command, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        address = f"http://127.0.0.1:{port}"
        for _ in range(150):
            try:
                urlopen(f"{address}/health", timeout=2).close()
                break
            except (URLError, ConnectionError, TimeoutError):
                time.sleep(0.2)
        yield address
    finally:
        server.terminate()
        server.wait(timeout=20)


@pytest.fixture(scope="module", params=sorted(VERDICTS))
def page(request: pytest.FixtureRequest) -> Iterator[Page]:
    with served(request.param) as address, open_page(address) as opened:
        callouts = "all('marimo-callout-output').map(e => e.shadowRoot?.textContent ?? '')"
        opened.wait_for(look(f"{callouts}.some(text => text.includes({VERDICTS[request.param]!r}))"), seconds=240)
        yield opened


def test_every_formula_is_typeset_and_has_a_size(page: Page) -> None:
    formulas = page.evaluate(look("boxes('.katex-html')"))
    assert len(formulas) >= 20
    assert all(width > 3 and height > 5 for width, height in formulas)
    assert page.evaluate(look("all('.katex-error').length")) == 0


def test_the_figures_are_there(page: Page) -> None:
    figures = page.evaluate(look("boxes('img').filter(([width]) => width > 200)"))
    assert len(figures) >= 3
    assert all(height > 150 for _, height in figures)


def test_sliders_name_learning_rate_batch_size_and_noise(page: Page) -> None:
    text = page.evaluate(look("all('marimo-slider').map(e => e.shadowRoot.textContent).join(' ')"))
    assert all(label in text for label in ("learning rate", "batch size", "label noise"))


def test_a_moved_slider_draws_a_new_figure(page: Page) -> None:
    image = look("all('img').find(e => e.getBoundingClientRect().width > 200).src")
    before = page.evaluate(image)
    page.evaluate(look("all('[role=slider]')[0].focus()"))
    page.press("ArrowRight", 39)
    page.wait_for(f"{image} !== {before!r}", seconds=60)
    assert page.evaluate(look("all('.katex-error').length")) == 0


@pytest.mark.parametrize("width", [400, 1280])
def test_the_page_never_scrolls_sideways(page: Page, width: int) -> None:
    page.resize(width, 900)
    time.sleep(1)
    for element in ("document.documentElement", "document.querySelector('#App')"):
        assert page.evaluate(f"{element}.scrollWidth <= {element}.clientWidth"), element
