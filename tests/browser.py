"""Pages in a browser, for tests that wait for states."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Browser, Page, expect

from tests.waiting import PATIENCE_SECONDS


def open_page(browser: Browser, **context: Any) -> Page:
    """A page in a context of its own that waits as patiently as all tests do, also in `expect`."""
    page = browser.new_context(**context).new_page()
    page.set_default_timeout(PATIENCE_SECONDS * 1000)
    expect.set_options(timeout=PATIENCE_SECONDS * 1000)
    return page
