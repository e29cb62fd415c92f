"""Debian's Chromium without a screen, as the page is measured and tested with."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

NEEDS_CHROMIUM = "needs Chromium: apt-get install chromium"
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome") or ""

# Nothing that would look for hosts elsewhere; drawing without a graphics card.
_SWITCHES = ["--disable-quic", "--no-first-run", "--disable-background-networking",
             "--disable-component-update", "--disable-sync", "--use-angle=swiftshader",
             "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist"]  # fmt: skip


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser with a profile of its own, closed at the end."""
    root = ["--no-sandbox"] if os.geteuid() == 0 else []  # Chromium has no sandbox for root
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*_SWITCHES, *root])
        try:
            yield browser
        finally:
            browser.close()
