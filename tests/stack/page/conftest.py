"""One batch on the page, for all tests of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from benchmarks.browser import CHROMIUM, NEEDS_CHROMIUM, chromium
from cli.on_stack.stack import Stack
from local_cloud import control
from tests.browser import open_page
from tests.conftest import jpeg

_FIRST = 1000  # pictures that no other test on the shared cloud has
HOSTILE = "\"><img src=x onerror=document.title='owned'>.jpg"


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    if not CHROMIUM:
        pytest.skip(NEEDS_CHROMIUM)
    with chromium() as started:
        yield started


@pytest.fixture(scope="package")
def page(browser: Browser, cloud: control.LocalCloud, stack: Stack) -> Iterator[Page]:
    """The page in English; what it complains of fails the tests that use it."""
    opened = open_page(browser, viewport={"width": 1280, "height": 1000}, locale="en-GB")
    complaints: list[str] = []
    opened.on(
        "console", lambda message: message.type == "error" and complaints.append(message.text)
    )
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.goto(cloud.page)  # the function's first start
    yield opened
    assert [words for words in complaints if "503" not in words] == []  # the one that is planted


@pytest.fixture(scope="package")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 pictures with two labels, one of them twice, three broken ones, and a text."""
    made = tmp_path_factory.mktemp("pictures") / "summer"
    for label in ("apple", "pear"):
        (made / label).mkdir(parents=True)
    for seed in range(59):
        (made / ("apple", "pear")[seed % 2] / f"{seed:02d}.jpg").write_bytes(jpeg(_FIRST + seed))
    (made / "apple" / HOSTILE).write_bytes(jpeg(_FIRST))
    whole = jpeg(100)
    (made / "apple" / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (made / "apple" / "text.jpg").write_bytes(b"not a picture")
    (made / "pear" / "empty.jpg").write_bytes(b"")
    (made / "notes.txt").write_text("no image")
    return made


@pytest.fixture(scope="package")
def finished(page: Page, folder: Path) -> Page:
    """The folder dropped, and its run watched to the end without loading the page again."""
    page.locator("input[webkitdirectory]").set_input_files(folder)
    expect(page.locator("#drop")).to_contain_text("no images: 1 file")
    assert page.get_by_label("Name of the batch").input_value() == "summer"
    page.get_by_role("button", name="Upload 63 images").click()
    expect(page.locator("#drop")).to_contain_text("63 images uploaded")
    expect(page.locator("#detail .state-DONE")).to_be_visible()
    expect(page.locator(".map canvas")).to_be_visible()
    return page
