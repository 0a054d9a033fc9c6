"""A page in headless Chromium that stays open while its document computes, driven over the DevTools protocol."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from chromium import chromium


class Page:
    """One open page. `evaluate` runs JavaScript in it, `wait_for` does so until the answer is true."""

    def __init__(self, connection: Any) -> None:
        self._connection, self._count = connection, 0

    def evaluate(self, script: str) -> Any:
        """The value of a JavaScript expression."""
        answer = self._call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(f"{script}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def wait_for(self, script: str, seconds: float) -> Any:
        """The value of a JavaScript expression once it is true. Raises `TimeoutError`."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if value := self.evaluate(script):
                return value
            time.sleep(0.25)
        raise TimeoutError(f"not true after {seconds:g} s: {script}")

    def resize(self, width: int, height: int) -> None:
        """Show the page in a window of another size."""
        self._call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def press(self, key: str, code: int) -> None:
        """Press and release a key, such as `ArrowRight` (39)."""
        for kind in ("keyDown", "keyUp"):
            self._call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code)

    def screenshot(self, path: Path) -> Path:
        """Write a picture (PNG) of what the window shows."""
        path.write_bytes(base64.b64decode(self._call("Page.captureScreenshot", format="png")["data"]))
        return path

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._count += 1
        self._connection.send(json.dumps({"id": self._count, "method": method, "params": parameters}))
        while (answer := json.loads(self._connection.recv(timeout=60))).get("id") != self._count:
            pass  # an event
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        return dict(answer["result"])


@contextmanager
def open_page(url: str, width: int = 1280, height: int = 900) -> Iterator[Page]:
    """Open a document in a window of its own, which is closed at the end."""
    from websockets.sync.client import connect

    program = chromium()
    if program is None:
        raise RuntimeError("chromium is not installed")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [
            str(program), "--headless=new", "--disable-gpu", "--no-first-run", "--disable-extensions",
            "--disable-background-networking", "--remote-debugging-port=0", f"--user-data-dir={profile}",
            f"--window-size={width},{height}", *(["--no-sandbox"] if os.geteuid() == 0 else []), "about:blank",
        ]  # fmt: skip
        browser = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            port = _port(Path(profile) / "DevToolsActivePort")
            with connect(_page_address(port), max_size=None) as connection:
                page = Page(connection)
                page.resize(width, height)
                page._call("Page.navigate", url=url)
                yield page
        finally:
            browser.terminate()
            browser.wait(timeout=20)


def _port(file: Path) -> int:
    """The port on which the browser listens, which it writes into its profile."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        if file.exists() and (lines := file.read_text().splitlines()):
            return int(lines[0])
        time.sleep(0.1)
    raise TimeoutError("the browser did not start")


def _page_address(port: int) -> str:
    """The address of the first open page."""
    from urllib.request import urlopen

    with urlopen(f"http://127.0.0.1:{port}/json/list", timeout=10) as answer:
        pages = json.load(answer)
    return str(next(page["webSocketDebuggerUrl"] for page in pages if page["type"] == "page"))
