"""The page in a browser: languages, people, small screens, and where it is served."""

from __future__ import annotations

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from cli.on_stack.stack import Stack
from local_cloud import control
from tests.browser import open_page


def test_the_page_speaks_french(finished: Page) -> None:
    finished.get_by_label("Language").select_option("fr")
    expect(finished.locator("#detail")).to_contain_text("Le reçu est équilibré")
    expect(finished.locator("#detail")).to_contain_text("les 63 fichiers annoncés sont là")
    expect(finished.get_by_role("tab", name="Carte")).to_be_visible()
    assert finished.locator("html").get_attribute("lang") == "fr"
    finished.get_by_label("Langue").select_option("en")


@pytest.mark.parametrize("tab", ["Map", "Rejected (3)", "Near duplicates", "Outliers"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_keeps_people_out(finished: Page, scheme: Any, tab: str) -> None:
    """No finding of axe, in either colour scheme."""
    finished.emulate_media(color_scheme=scheme)
    finished.get_by_role("tab", name=tab).click()
    expect(finished.get_by_role("tabpanel").locator(".tile, canvas, .labels").first).to_be_visible()
    found = Axe().run(finished)
    assert [(v["id"], v["nodes"][0]["html"]) for v in found.response["violations"]] == []


def test_the_page_fits_a_phone(finished: Page) -> None:
    finished.set_viewport_size({"width": 360, "height": 740})
    assert finished.evaluate("document.documentElement.scrollWidth") <= 360
    finished.set_viewport_size({"width": 1280, "height": 1000})


def test_loading_takes_less_than_a_megabyte(
    browser: Browser, cloud: control.LocalCloud, finished: Page
) -> None:
    opened = open_page(browser)
    sizes: list[int] = []
    opened.on("response", lambda answer: sizes.append(int(answer.headers.get("content-length", 0))))
    opened.goto(f"{cloud.page}/#/summer")
    expect(opened.locator(".map canvas")).to_be_visible()
    opened.context.close()
    assert 20_000 < sum(sizes) < 1_000_000


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param({"Host": "darkroom.example"}, 421, id="another host"),
        pytest.param({"Origin": "https://elsewhere.example"}, 403, id="another site"),
        pytest.param({"Origin": "null"}, 403, id="a hidden site"),
        pytest.param({}, 200, id="this machine"),
    ],
)
def test_the_front_door_is_for_this_machine(
    cloud: control.LocalCloud, stack: Stack, headers: dict[str, str], status: int
) -> None:
    from urllib3 import PoolManager

    answer = PoolManager().request("GET", f"{cloud.page}/api/batches", headers=headers)
    assert answer.status == status
    assert "access-control-allow-origin" not in answer.headers


def test_localhost_leads_to_the_page(cloud: control.LocalCloud, stack: Stack) -> None:
    from urllib3 import PoolManager

    there = cloud.page.replace("127.0.0.1", "localhost")
    answer = PoolManager().request("GET", f"{there}/", redirect=False)
    assert (answer.status, answer.headers["Location"]) == (308, f"{cloud.page}/")
