"""The page in a browser, on the local cloud: drop and watch."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page, expect

from tests.conftest import jpeg


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
