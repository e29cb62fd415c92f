"""The page in a browser, on the local cloud: look and find."""

from __future__ import annotations

import csv
import io
from typing import Any

from playwright.sync_api import Locator, Page, Route, expect

from cli.on_stack.stack import Stack
from darkroom.layout import Run
from tests.stack.page.conftest import HOSTILE


def test_the_receipt_is_a_picture(finished: Page) -> None:
    picture = finished.locator("svg.receipt").first
    assert picture.get_attribute("aria-label") == (
        "63 found = 60 processed + 3 rejected + 0 missing"
    )
    assert picture.locator("rect").count() == 2
    expect(finished.locator("#detail")).to_contain_text("The receipt balances")
    expect(finished.locator("#detail")).to_contain_text("vCPU-hours")


def places(page: Page) -> list[tuple[float, float]]:
    """Where the map's points are on the screen."""
    told: dict[str, Any] = page.evaluate("fetch('api/map?batch=summer').then((a) => a.json())")
    box = box_of(page.locator(".map"))
    side = min(box["width"], box["height"]) * 0.9
    spans = [(min(told[axis]), max(told[axis])) for axis in "xy"]
    scale = side / max(high - low for low, high in spans)
    (left, right), (low, high) = spans
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    return [
        (middle[0] + (x - (left + right) / 2) * scale, middle[1] - (y - (low + high) / 2) * scale)
        for x, y in zip(told["x"], told["y"], strict=True)
    ]


def box_of(element: Locator) -> dict[str, float]:
    found = element.bounding_box()
    assert found is not None
    return {**found}


def test_hovering_shows_an_image_and_clicking_those_like_it(finished: Page) -> None:
    finished.locator(".map").scroll_into_view_if_needed()
    at = places(finished)[7]
    finished.mouse.move(*at)
    expect(finished.locator(".tip")).to_be_visible()
    expect(finished.locator(".tip img")).to_be_visible()
    finished.mouse.click(*at)
    dialog = finished.locator("dialog")
    expect(dialog.locator(".tile")).to_have_count(12)
    expect(dialog.locator("img.original")).to_be_visible()
    expect(dialog).to_contain_text("alike")
    name = dialog.locator("h2").inner_text()
    dialog.locator(".tile").first.click()
    expect(dialog.locator("h2")).not_to_have_text(name)
    expect(dialog.locator(".tile")).to_have_count(12)
    finished.keyboard.press("Escape")
    expect(dialog).not_to_be_visible()


def test_a_lasso_makes_a_list(finished: Page) -> None:
    finished.get_by_role("button", name="Lasso").click()
    box = box_of(finished.locator(".map"))
    corners = [(0.01, 0.01), (0.99, 0.01), (0.99, 0.99), (0.01, 0.99), (0.01, 0.3)]
    steps = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in corners]
    finished.mouse.move(*steps[0])
    finished.mouse.down()
    for step in steps[1:]:
        finished.mouse.move(*step, steps=4)
    finished.mouse.up()
    expect(finished.locator(".chosen")).to_contain_text("60 chosen")
    with finished.expect_download() as download:
        finished.get_by_role("button", name="Download the list").click()
    rows = list(csv.DictReader(io.StringIO(download.value.path().read_text())))
    assert len(rows) == 60
    assert f"summer/apple/{HOSTILE}" in {row["path"] for row in rows}
    finished.get_by_role("button", name="Choose none").click()
    finished.get_by_role("button", name="Lasso").click()


def test_the_map_moves_by_keys(finished: Page) -> None:
    finished.locator(".map").focus()
    for key in ("+", "ArrowLeft", "ArrowDown", "-", "0", "Enter"):
        finished.keyboard.press(key)
    expect(finished.locator("dialog .tile")).to_have_count(12)
    finished.get_by_role("button", name="Close").click()


def test_rejected_images_are_shown_with_reasons(finished: Page) -> None:
    finished.get_by_role("tab", name="Rejected (3)").click()
    panel = finished.get_by_role("tabpanel")
    expect(panel.locator(".tile")).to_have_count(3)
    expect(panel).to_contain_text("The file is empty.")
    expect(panel).to_contain_text("Called like an image, but is none.")
    expect(panel).to_contain_text("It ends before the image does")
    expect(panel.locator(".tile img")).to_have_count(1)  # what there is of the one that was cut


def test_outliers_and_near_duplicates_are_shown(finished: Page) -> None:
    finished.get_by_role("tab", name="Outliers").click()
    expect(finished.get_by_role("tabpanel").locator(".tile")).to_have_count(24)
    finished.keyboard.press("ArrowLeft")
    expect(finished.get_by_role("tab", name="Near duplicates")).to_be_focused()
    expect(finished.get_by_role("tabpanel")).to_contain_text("2 images with the same content")


def test_what_the_receipt_alone_says_of_the_newest_run_is_shown(finished: Page) -> None:
    note = {"words": "", "unlike": True, "distance": 9.0, "halves": 3.0, "labels": {"pear": 0.83}}

    def answer(route: Route) -> None:
        account = {**route.fetch().json(), "drift": note, "with_more_pages": 2}
        route.fulfill(json=account)

    page = finished.context.new_page()
    page.route("**/runs/1/receipt", answer)
    page.goto(finished.url)
    facts = page.locator("#detail .facts").first
    expect(facts).to_contain_text("3 times as far from it as its own halves are apart.")
    expect(facts).to_contain_text("Most from label pear: 83% of the shift.")
    expect(facts).to_contain_text("of 2 files the first page or frame was taken")
    page.close()


def test_an_address_of_no_batch_shows_none(finished: Page) -> None:
    at = finished.url
    finished.evaluate("location.hash = '#/none'")
    expect(finished.locator("#detail")).to_have_text(
        "There is no batch of this name. Choose another."
    )
    finished.goto(at)
    expect(finished.locator("#detail h2").first).to_have_text("summer")


def test_names_are_never_html(finished: Page) -> None:
    assert finished.title() == "Darkroom"
    assert finished.locator("img[src=x]").count() == 0


def test_the_csv_is_that_of_the_results(finished: Page, stack: Stack) -> None:
    with finished.expect_download() as download:
        finished.get_by_role("button", name="CSV").click()
    data = download.value.path().read_bytes()
    assert data == stack.results.read(Run("summer", 1).csv)
    told = finished.evaluate("fetch('api/map?batch=summer').then((a) => a.json())")
    rows = list(csv.reader(io.StringIO(data.decode(), newline="")))[1:]
    assert {row[0] for row in rows} == set(told["path"])
