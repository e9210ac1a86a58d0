"""How long a page takes to open in Chromium, and how much memory it holds there."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.timing import Times

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
REPEATS = 3
SETTLED_MS = 1500  # after which nothing of the page is still being laid out
# resolved when the page has been loaded and drawn twice
DRAWN = """() => new Promise((done) => {
  const draw = () => requestAnimationFrame(() => requestAnimationFrame(done));
  if (document.readyState === "complete") draw(); else addEventListener("load", draw);
})"""


@dataclass(frozen=True)
class Opened:
    """The seconds until a page was drawn, opened several times in a new browser each, the most memory that
    its process held then, and the elements of the page."""

    seconds: Times
    resident_bytes: int
    elements: int


def chromium() -> str:
    """The machine's Chromium. Raises RuntimeError where there is none."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        raise RuntimeError("no Chromium is installed (Debian: apt-get install chromium)")
    return found


def opened(report: Path, repeats: int = REPEATS) -> Opened:
    """Opens a report so many times, each in a window of 1280 × 900 px of a browser of its own. Raises
    RuntimeError where there is no Chromium."""
    from playwright.sync_api import sync_playwright

    path, seconds, held, elements = chromium(), [], [], 0
    with sync_playwright() as started:
        for _ in range(repeats):
            browser = started.chromium.launch(executable_path=path, args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            begun = time.perf_counter()
            page.goto((report / "report.html").as_uri(), timeout=300_000)
            page.evaluate(DRAWN)
            seconds.append(time.perf_counter() - begun)
            page.wait_for_timeout(SETTLED_MS)
            elements = page.evaluate("document.querySelectorAll('*').length")
            held.append(_held(browser))
            browser.close()
    return Opened(Times(tuple(seconds)), max(held), elements)


def _held(browser: Any) -> int:
    """The memory of the process that shows the page, without what it shares with others."""
    asked = browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")["processInfo"]
    shown = [process["id"] for process in asked if process["type"] == "renderer"]
    return max(map(_proportional, shown), default=0)


def _proportional(process: int) -> int:
    """A process's share of resident memory, in bytes (Linux)."""
    text = Path(f"/proc/{process}/smaps_rollup").read_text(encoding="utf-8")
    return next(int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("Pss:"))
