"""The page in a browser, on the local cloud: drop, watch, look, find."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from axe_playwright_python.sync_playwright import Axe
from click.testing import CliRunner
from playwright.sync_api import Browser, Locator, Page, expect

from darkroom.cli import local
from darkroom.cli.main import cli
from darkroom.cli.stack import Stack
from darkroom.layout import Run
from tests.browser import CHROMIUM, NEEDS_CHROMIUM, chromium, open_page
from tests.conftest import jpeg
from tests.local_stack import local_stack

pytestmark = pytest.mark.skipif(not CHROMIUM, reason=NEEDS_CHROMIUM)

HOSTILE = "\"><img src=x onerror=document.title='owned'>.jpg"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cloud")


@pytest.fixture(scope="module")
def stack(place: Path) -> Iterator[Stack]:
    with local_stack(place, name="darkroom-page") as made:
        yield made


@pytest.fixture(scope="module")
def cloud(stack: Stack, place: Path) -> local.LocalCloud:
    return local.require(place / "state")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def page(browser: Browser, cloud: local.LocalCloud, stack: Stack) -> Iterator[Page]:
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


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 pictures with two labels, one of them twice, three broken ones, and a text."""
    made = tmp_path_factory.mktemp("pictures") / "summer"
    for label in ("apple", "pear"):
        (made / label).mkdir(parents=True)
    for seed in range(59):
        (made / ("apple", "pear")[seed % 2] / f"{seed:02d}.jpg").write_bytes(jpeg(seed))
    (made / "apple" / HOSTILE).write_bytes(jpeg(0))
    whole = jpeg(100)
    (made / "apple" / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (made / "apple" / "text.jpg").write_bytes(b"not a picture")
    (made / "pear" / "empty.jpg").write_bytes(b"")
    (made / "notes.txt").write_text("no image")
    return made


@pytest.fixture(scope="module")
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


def test_the_same_folder_again_sends_nothing(finished: Page, folder: Path) -> None:
    finished.get_by_role("button", name="Clear").click()
    finished.locator("input[webkitdirectory]").set_input_files(folder)
    finished.get_by_role("button", name="Upload 63 images").click()
    expect(finished.locator("#drop")).to_contain_text("63 there already")
    expect(finished.locator("#drop")).to_contain_text("Nothing is new")


def test_files_can_be_dropped(finished: Page) -> None:
    finished.get_by_role("button", name="Clear").click()
    carried = finished.evaluate_handle(
        """(names) => {
          const carried = new DataTransfer();
          for (const name of names) carried.items.add(new File(["x"], name));
          return carried;
        }""",
        ["a.jpg", "b.JPEG", "c.txt"],
    )
    finished.locator("#drop").dispatch_event("drop", {"dataTransfer": carried})
    expect(finished.get_by_role("button", name="Upload 2 images")).to_be_visible()
    expect(finished.locator("#drop")).to_contain_text("no images: 1 file")
    assert finished.get_by_label("Name of the batch").input_value().startswith("photos-")


def test_an_upload_that_was_cut_off_goes_on(finished: Page, tmp_path: Path) -> None:
    folder = tmp_path / "cut"
    folder.mkdir()
    for seed in range(3):
        (folder / f"{seed}.jpg").write_bytes(jpeg(200 + seed))
    finished.get_by_role("button", name="Clear").click()
    finished.locator("input[webkitdirectory]").set_input_files(folder)
    finished.route("**/uploads", lambda route: route.fulfill(status=503, body="{}"))
    finished.get_by_role("button", name="Upload 3 images").click()
    expect(finished.locator("#drop")).to_contain_text("503")
    finished.unroute("**/uploads")
    finished.get_by_role("button", name="Go on").click()
    expect(finished.locator("#drop")).to_contain_text("3 images uploaded")
    expect(finished.locator("#detail h2").first).to_have_text("cut")
    finished.get_by_role("link", name="summer").click()
    expect(finished.locator("#detail h2").first).to_have_text("summer")


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
    browser: Browser, cloud: local.LocalCloud, finished: Page
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
    cloud: local.LocalCloud, stack: Stack, headers: dict[str, str], status: int
) -> None:
    from urllib3 import PoolManager

    answer = PoolManager().request("GET", f"{cloud.page}/api/batches", headers=headers)
    assert answer.status == status
    assert "access-control-allow-origin" not in answer.headers


def test_localhost_leads_to_the_page(cloud: local.LocalCloud, stack: Stack) -> None:
    from urllib3 import PoolManager

    there = cloud.page.replace("127.0.0.1", "localhost")
    answer = PoolManager().request("GET", f"{there}/", redirect=False)
    assert (answer.status, answer.headers["Location"]) == (308, f"{cloud.page}/")


def darkroom(*words: str) -> str:
    """What a command says; the environment is the local cloud's."""
    answer = CliRunner().invoke(cli, [*words, "--stack", "darkroom-page"])
    assert answer.exit_code == 0, answer.output
    return answer.stdout


def test_the_command_line_finds_the_same(finished: Page, tmp_path: Path, folder: Path) -> None:
    path = f"summer/apple/{HOSTILE}"
    told = json.loads(darkroom("similar", path, "--count", "3", "--json"))
    assert told["similar"][0]["path"] == "summer/apple/00.jpg"
    assert "the same content" in darkroom("similar", path, "--batch", "summer")
    assert "2 images, the same content" in darkroom("duplicates", "summer")
    (group,) = json.loads(darkroom("duplicates", "summer", "--json"))["groups"]
    assert len(group["images"]) == 2
    assert json.loads(darkroom("open", "summer", "--json"))["url"] == finished.url
    (run,) = json.loads(darkroom("status", "summer", "--json"))
    assert run["words"].startswith("done: 63 found = 60 processed")
    sent = json.loads(darkroom("put", str(folder), "--batch", "summer", "--json"))
    assert (sent["sent"], sent["known"]) == (1, 63)  # the page leaves out what is no image
    refused = CliRunner().invoke(cli, ["similar", "none.jpg", "--stack", "darkroom-page"])
    assert refused.exit_code == 2
    assert "there is no processed image 'none.jpg'" in refused.stderr


def test_downloads_open_in_other_tools(finished: Page, tmp_path: Path) -> None:
    told = json.loads(darkroom("get", "summer", "--out", str(tmp_path), "--fiftyone", "--json"))
    atlas = pq.read_table(told["explore"])
    assert atlas.column_names == ["path", "label", "run", "x", "y", "pca", "image"]
    assert atlas.num_rows == 60
    rows = atlas.to_pylist()
    assert all(row["image"]["bytes"][:3] == b"\xff\xd8\xff" for row in rows)
    assert all(row["pca"][:2] == [row["x"], row["y"]] for row in rows)
    folder = tmp_path / "explore" / "summer.fiftyone"
    labels = json.loads((folder / "labels.json").read_text())
    assert {f"{stem}.jpeg" for stem in labels["labels"]} == set(os.listdir(folder / "data"))
    paths = json.loads((folder / "paths.json").read_text())
    for stem, number in labels["labels"].items():
        assert labels["classes"][number] == paths[stem].split("/")[1]
    (folder / "data" / "erased-since.jpeg").touch()
    darkroom("get", "summer", "--out", str(tmp_path))
    assert {f"{stem}.jpeg" for stem in labels["labels"]} == set(os.listdir(folder / "data"))
