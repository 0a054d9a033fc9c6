"""Chromium without a window: opening a document, looking at it, measuring it. No driver: the program itself is run."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
LEAST_WIDTH = 500
"""Pixels below which the program makes no window; narrower documents are shown in a frame."""
OWN_HOSTS = frozenset({"accounts.google.com", "clients2.google.com", "update.googleapis.com", "www.google.com",
                       "optimizationguide-pa.googleapis.com", "content-autofill.googleapis.com"})  # fmt: skip
_CONSOLE = re.compile(r'CONSOLE[:(]\d+\)?\] "(?P<text>.*)", source: ', re.DOTALL)


@dataclass(frozen=True)
class Opened:
    """A document after its scripts have run.

    `dom`, its text; `console`, the messages that it logged; `requests`, the addresses that it asked the network for.
    """

    dom: str
    console: tuple[str, ...]
    requests: tuple[str, ...]


def chromium() -> Path | None:
    """The program, or None where it is not installed."""
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    return None if found is None else Path(found)


def open_page(url: str, width: int = 1280, height: int = 900, budget_ms: int = 10_000) -> Opened:
    """Open a document and return it after `budget_ms` of its own time. Raises `RuntimeError` if the program fails."""
    options = ["--dump-dom", f"--virtual-time-budget={budget_ms}", "--enable-logging=stderr", "--v=0"]
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "network.json"
        done = _run(url, width, height, [*options, f"--log-net-log={log}"])
        requests = _requests(log.read_text(encoding="utf-8"))
    messages = (match["text"] for line in done.stderr.splitlines() if (match := _CONSOLE.search(line)))
    return Opened(done.stdout, tuple(messages), requests)


def _requests(log: str) -> tuple[str, ...]:
    """The addresses in a network log, without those that the program asks for on its own account."""
    try:
        events = json.loads(log)["events"]
    except json.JSONDecodeError:  # the program ended before it closed the list
        events = json.loads(log.rstrip().rstrip(",") + "]}")["events"]
    found = (event["params"]["url"] for event in events if "url" in event.get("params", {}))
    return tuple(dict.fromkeys(url for url in found if urlsplit(url).hostname not in OWN_HOSTS))


def dump_dom(url: str, width: int = 1280, height: int = 900, budget_ms: int = 10_000) -> str:
    """The text of a document after its scripts have run."""
    return open_page(url, width, height, budget_ms).dom


def screenshot(url: str, path: Path, width: int = 1280, height: int = 900, budget_ms: int = 10_000) -> Path:
    """Write a picture (PNG) of the upper part of a document, also of one narrower than a window can be."""
    with tempfile.TemporaryDirectory() as folder:
        shown = url if width >= LEAST_WIDTH else _framed(url, width, height, Path(folder))
        _run(shown, width, height, [f"--screenshot={path}", "--hide-scrollbars", f"--virtual-time-budget={budget_ms}"])
    return path


def measure(document: Path, script: str, width: int = 1280, height: int = 900, budget_ms: int = 10_000) -> Any:
    """What a JavaScript expression returns in a copy of a document that is shown at a width."""
    post = f"addEventListener('load', () => parent.postMessage(JSON.stringify({script}), '*'));"
    with tempfile.TemporaryDirectory() as name:
        copy = Path(name) / document.name
        text = document.read_text(encoding="utf-8")
        copy.write_text(text.replace("</body>", f"<script>{post}</script></body>"), encoding="utf-8")
        dom = dump_dom(_framed(copy.as_uri(), width, height, Path(name)), max(width, LEAST_WIDTH), height, budget_ms)
    found = re.search(r'<pre id="measured">(.*?)</pre>', dom, re.DOTALL)
    if found is None:
        raise RuntimeError(f"the script measured nothing in {document.name}: {script}")
    return json.loads(unescape(found[1]))


def _framed(url: str, width: int, height: int, folder: Path) -> str:
    """A page that shows a document in a frame of a width, and keeps what the document posts to it."""
    listen = (
        "addEventListener('message', event => { const kept = document.createElement('pre'); kept.id = 'measured';"
        " kept.textContent = event.data; document.body.append(kept); });"
    )
    frame = f'<iframe src="{url}" style="width:{width}px;height:{height}px;border:0"></iframe>'
    page = folder / "frame.html"
    page.write_text(f'<!doctype html><body style="margin:0"><script>{listen}</script>{frame}</body>', encoding="utf-8")
    return page.as_uri()


def _run(url: str, width: int, height: int, options: list[str]) -> subprocess.CompletedProcess[str]:
    program = chromium()
    if program is None:
        raise RuntimeError(f"no {' or '.join(NAMES[:2])} is installed; on Debian: apt-get install chromium")
    with tempfile.TemporaryDirectory() as profile:
        command = [
            str(program), "--headless=new", "--disable-gpu", "--no-first-run", "--disable-extensions", "--disable-sync",
            "--disable-background-networking", "--disable-component-update",
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1", f"--user-data-dir={profile}",
            f"--window-size={max(width, LEAST_WIDTH)},{height}", *(["--no-sandbox"] if os.geteuid() == 0 else []), *options, url,
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        raise RuntimeError(f"{program.name} ended with {done.returncode} on {url}: {done.stderr[-2000:]}")
    return done
